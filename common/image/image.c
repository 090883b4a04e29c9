#include "image/image.h"

#include "base/limits.h"
#include "base/mem.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

int image_init(struct image *image, int width, int height, int channels)
{
    struct image made = {width, height, channels, NULL};
    size_t bytes;

    if (width < 1 || width > LIMIT_IMAGE_SIDE || height < 1 ||
        height > LIMIT_IMAGE_SIDE || (channels != 1 && channels != 3)) {
        return EDGE_EINVAL;
    }
    bytes = (size_t)width * (size_t)height * (size_t)channels;
    made.pixels = mem_aligned(bytes);
    if (made.pixels == NULL) {
        return EDGE_ENOMEM;
    }
    *image = made;
    return 0;
}

void image_deinit(struct image *image)
{
    mem_free(image->pixels);
    image->pixels = NULL;
}

/* How a turned picture's pixel (x, y) finds its source: rows and columns
 * swapped first, then counted from the right or from the bottom. */
struct turn {
    bool swap;
    bool from_right;
    bool from_bottom;
};

/* EXIF 2.32, tag 0x0112: which side of the stored rows is up. */
static const struct turn turns[9] = {
    [2] = {false, true, false}, [3] = {false, true, true},
    [4] = {false, false, true}, [5] = {true, false, false},
    [6] = {true, false, true},  [7] = {true, true, true},
    [8] = {true, true, false},
};

static void turn_row(const struct image *in, struct turn turn, int y,
                     uint8_t *out, int width)
{
    size_t channels = (size_t)in->channels;

    for (int x = 0; x < width; x++) {
        int from_x = turn.swap ? y : x;
        int from_y = turn.swap ? x : y;
        size_t at;

        from_x = turn.from_right ? in->width - 1 - from_x : from_x;
        from_y = turn.from_bottom ? in->height - 1 - from_y : from_y;
        at = (size_t)from_y * (size_t)in->width + (size_t)from_x;
        memcpy(out, in->pixels + at * channels, channels);
        out += channels;
    }
}

int image_orient(struct image *image, int orientation)
{
    struct image out;
    struct turn turn;
    size_t row;
    int rc;

    if (orientation < 2 || orientation > 8) {
        return 0;
    }
    turn = turns[orientation];
    rc = image_init(&out, turn.swap ? image->height : image->width,
                    turn.swap ? image->width : image->height, image->channels);
    if (rc < 0) {
        return rc;
    }
    row = (size_t)out.width * (size_t)out.channels;
    for (int y = 0; y < out.height; y++) {
        turn_row(image, turn, y, out.pixels + (size_t)y * row, out.width);
    }
    image_deinit(image);
    *image = out;
    return 0;
}

int image_to_gray(const struct image *in, struct image *out)
{
    size_t n = (size_t)in->width * (size_t)in->height;
    int rc;

    if (in->channels != 3) {
        return EDGE_EINVAL;
    }
    rc = image_init(out, in->width, in->height, 1);
    if (rc < 0) {
        return rc;
    }
    for (size_t i = 0; i < n; i++) {
        const uint8_t *p = in->pixels + 3 * i;
        /* 0.299, 0.587 and 0.114 in units of 2^-16; they add up to one, so
         * gray stays gray. */
        uint32_t luma = p[0] * 19595u + p[1] * 38470u + p[2] * 7471u;

        out->pixels[i] = (uint8_t)((luma + 32768u) >> 16);
    }
    return 0;
}
