/*
 * What cameras give where they do not give JPEG: YUYV (YUY2), two pixels in
 * four bytes, brightness for each and colour for both, of ITU-R BT.601 with
 * levels 16..235. Any thread; no state.
 */
#ifndef EDGE_IMAGE_YUYV_H
#define EDGE_IMAGE_YUYV_H

#include "image/image.h"

#include <stddef.h>

struct yuyv {
    int width; /* even */
    int height;
    size_t stride; /* bytes of a row */
};

/* `image` is made by the call. EDGE_EINVAL: sizes that cannot be, or fewer
 * bytes than they need; EDGE_ENOMEM. */
int yuyv_decode(const struct yuyv *form, const uint8_t *data, size_t size,
                struct image *image, struct err *err);

#endif
