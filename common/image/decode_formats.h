/*
 * Private to decode*.c: one function per file format, and the sentences they
 * share. Each gets bytes whose first ones were recognised, fills a zeroed
 * `image`, which the caller releases also after an error, and sets
 * `orientation` if the file gives one.
 */
#ifndef EDGE_IMAGE_DECODE_FORMATS_H
#define EDGE_IMAGE_DECODE_FORMATS_H

#include "image/image.h"

#include <stddef.h>

struct decode_input {
    const char *name;
    const uint8_t *data;
    size_t size;
};

int decode_jpeg(const struct decode_input *in, struct image *image,
                int *orientation, struct err *err);
int decode_png(const struct decode_input *in, struct image *image,
               int *orientation, struct err *err);
int decode_ppm(const struct decode_input *in, struct image *image,
               struct err *err);

/* EDGE_ECORRUPT, and what a user may do about it. */
int decode_damaged(const struct decode_input *in, const char *format,
                   const char *why, struct err *err);

/* The picture of a header's sizes: 0 with room for its pixels, EDGE_ECORRUPT
 * for an empty one, EDGE_ETOOBIG for a large one, EDGE_ENOMEM. */
int decode_allocate(const struct decode_input *in, const char *format,
                    uint64_t width, uint64_t height, int channels,
                    struct image *image, struct err *err);

#endif
