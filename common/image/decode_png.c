/*
 * PNG through libpng's simplified interface: every colour type and depth
 * becomes 8-bit sRGB or gray. Transparent pixels are laid over white, which is
 * what people see in browsers and on paper; as there, levels are mixed as they
 * are stored (libpng itself would mix linear light). The interface catches
 * libpng's own errors and returns.
 */
#include "image/decode_formats.h"

#include "base/mem.h"
#include "image/exif.h"

#include <string.h>

#include <png.h>

static uint32_t get_be32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 |
           p[3];
}

/* The simplified interface does not hand out chunks, so this walks them:
 * length, type, data, CRC. Ends at the first that does not fit. */
static int png_orientation(const uint8_t *data, size_t size)
{
    size_t at = 8; /* the signature */

    while (size - at >= 12) {
        size_t length = get_be32(data + at);

        if (length > size - at - 12) {
            break;
        }
        if (memcmp(data + at + 4, "eXIf", 4) == 0) {
            return exif_orientation(data + at + 8, length);
        }
        at += 12 + length;
    }
    return 1;
}

/* Pixels of `channels` and an alpha, n of them, over white. */
static void blend(const uint8_t *from, int channels, size_t n, uint8_t *to)
{
    for (size_t i = 0; i < n; i++) {
        uint32_t alpha = from[channels];

        for (int c = 0; c < channels; c++) {
            uint32_t level = from[c] * alpha + 255 * (255 - alpha);

            to[c] = (uint8_t)((level + 127) / 255);
        }
        from += channels + 1;
        to += channels;
    }
}

static int finish_blended(png_image *png, const struct decode_input *in,
                          struct image *image, struct err *err)
{
    size_t n = (size_t)image->width * (size_t)image->height;
    uint8_t *pixels = mem_resize(NULL, n, (size_t)image->channels + 1);
    int rc = 0;

    if (pixels == NULL) {
        return err_set(err, EDGE_ENOMEM, "\"%s\": no memory to decode it",
                       in->name);
    }
    if (png_image_finish_read(png, NULL, pixels, 0, NULL)) {
        blend(pixels, image->channels, n, image->pixels);
    } else {
        rc = decode_damaged(in, "PNG", png->message, err);
    }
    mem_free(pixels);
    return rc;
}

static int finish(png_image *png, const struct decode_input *in,
                  struct image *image, struct err *err)
{
    if ((png->format & PNG_FORMAT_FLAG_ALPHA) != 0) {
        return finish_blended(png, in, image, err);
    }
    if (!png_image_finish_read(png, NULL, image->pixels, 0, NULL)) {
        return decode_damaged(in, "PNG", png->message, err);
    }
    return 0;
}

int decode_png(const struct decode_input *in, struct image *image,
               int *orientation, struct err *err)
{
    png_image png = {.version = PNG_IMAGE_VERSION};
    int color;
    int rc;

    if (!png_image_begin_read_from_memory(&png, in->data, in->size)) {
        return decode_damaged(in, "PNG", png.message, err);
    }
    /* 16-bit files without a gamma are sRGB in practice, not linear light. */
    png.flags |= PNG_IMAGE_FLAG_16BIT_sRGB;
    color = (png.format & PNG_FORMAT_FLAG_COLOR) != 0;
    png.format &= PNG_FORMAT_FLAG_COLOR | PNG_FORMAT_FLAG_ALPHA;
    rc = decode_allocate(in, "PNG", png.width, png.height, color ? 3 : 1, image,
                         err);
    if (rc == 0) {
        rc = finish(&png, in, image, err);
    }
    if (rc == 0) {
        *orientation = png_orientation(in->data, in->size);
    }
    png_image_free(&png);
    return rc;
}
