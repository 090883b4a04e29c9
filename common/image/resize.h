/*
 * Pictures to other sizes. The filter is a triangle over the source area of
 * each new pixel (bilinear when growing, an average when shrinking), which is
 * what the reference preprocessing of ImageNet models does; plain bilinear
 * interpolation without the average changes answers. Through libzimg, in
 * integers, so every CPU gives the same pixels. Any thread; no state.
 *
 * The output is made by the call; the caller releases it.
 */
#ifndef EDGE_IMAGE_RESIZE_H
#define EDGE_IMAGE_RESIZE_H

#include "image/image.h"

/* A part of a picture, in its pixels, fractions included. */
struct resize_box {
    double left;
    double top;
    double width;
    double height;
};

/* That part becomes width x height pixels. EDGE_EINVAL: the box is not within
 * the picture, or a size is out of range. */
int resize_box(const struct image *in, const struct resize_box *box, int width,
               int height, struct image *out, struct err *err);

/* The whole picture, its aspect not kept. */
int resize_stretch(const struct image *in, int width, int height,
                   struct image *out, struct err *err);

/* The middle of the picture, aspect kept: scaled until it just covers
 * width / fraction x height / fraction, then width x height cut from the
 * centre. 0 < fraction <= 1. */
int resize_crop(const struct image *in, int width, int height, double fraction,
                struct image *out, struct err *err);

/* The whole picture, aspect kept, at the top left of width x height; the rest
 * is `fill`. */
int resize_letterbox(const struct image *in, int width, int height,
                     uint8_t fill, struct image *out, struct err *err);

/* Without scaling: in the middle, the rest black, or the middle of it where it
 * is larger. Of an odd difference the larger half is right and below. */
int resize_pad(const struct image *in, int width, int height, struct image *out,
               struct err *err);

#endif
