#include "image/yuyv.h"

#include "base/limits.h"

#include <stdbool.h>

static uint8_t clamp(int value)
{
    return (uint8_t)(value < 0 ? 0 : value > 255 ? 255 : value);
}

/* In 256ths: 255/219 of the brightness, and the colour's shares of each. */
static void put(uint8_t *rgb, int y, int u, int v)
{
    int c = 298 * (y - 16) + 128;
    int d = u - 128;
    int e = v - 128;

    rgb[0] = clamp((c + 409 * e) / 256);
    rgb[1] = clamp((c - 100 * d - 208 * e) / 256);
    rgb[2] = clamp((c + 516 * d) / 256);
}

static void convert_row(const uint8_t *from, int width, uint8_t *to)
{
    for (int x = 0; x < width; x += 2) {
        put(to, from[0], from[1], from[3]);
        put(to + 3, from[2], from[1], from[3]);
        from += 4;
        to += 6;
    }
}

static bool is_possible(const struct yuyv *form, size_t size)
{
    return form->width >= 2 && form->width % 2 == 0 &&
           form->width <= LIMIT_IMAGE_SIDE && form->height >= 1 &&
           form->height <= LIMIT_IMAGE_SIDE &&
           form->stride >= 2 * (size_t)form->width &&
           form->stride <= size / (size_t)form->height;
}

int yuyv_decode(const struct yuyv *form, const uint8_t *data, size_t size,
                struct image *image, struct err *err)
{
    if (!is_possible(form, size)) {
        return err_set(err, EDGE_EINVAL,
                       "%zu bytes are no YUYV of %dx%d with rows of %zu", size,
                       form->width, form->height, form->stride);
    }
    if (image_init(image, form->width, form->height, 3) < 0) {
        return err_set(err, EDGE_ENOMEM, "out of memory");
    }
    for (int y = 0; y < form->height; y++) {
        convert_row(data + (size_t)y * form->stride, form->width,
                    image->pixels + (size_t)y * (size_t)form->width * 3);
    }
    return 0;
}
