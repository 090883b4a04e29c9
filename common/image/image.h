/*
 * A decoded picture: rows from top to bottom, 8 bits a channel, channels side
 * by side, no padding. One channel is gray, three are red, green, blue (sRGB).
 * Whoever holds the struct owns the pixels. No I/O; any thread.
 */
#ifndef EDGE_IMAGE_IMAGE_H
#define EDGE_IMAGE_IMAGE_H

#include "base/err.h"

#include <stdint.h>

struct image {
    int width;
    int height;
    int channels;    /* 1 or 3 */
    uint8_t *pixels; /* height x width x channels */
};

/* Room for the pixels, not cleared. EDGE_EINVAL unless the sides are
 * 1..LIMIT_IMAGE_SIDE and there are 1 or 3 channels; EDGE_ENOMEM. */
int image_init(struct image *image, int width, int height, int channels);
void image_deinit(struct image *image); /* fine on a zeroed one, or twice */

/* Turns and mirrors the picture as its EXIF orientation (1..8) asks, so that
 * what was up for the camera's owner is up. Other numbers change nothing. */
int image_orient(struct image *image, int orientation);

/* Three channels made one: ITU-R BT.601 luma, rounded. `out` is made by the
 * call and released by the caller; `in` has three channels. */
int image_to_gray(const struct image *in, struct image *out);

#endif
