/*
 * From a decoded picture to the numbers a model wants: size, colour order,
 * range, mean and deviation, as `model.input` of cluster.yaml says. The answer
 * is float32, 1 x channels x height x width. Any thread; no state.
 */
#ifndef EDGE_IMAGE_PREPARE_H
#define EDGE_IMAGE_PREPARE_H

#include "image/image.h"
#include "tensor/tensor.h"

enum image_fit {
    IMAGE_FIT_CROP,      /* scale to cover, cut the centre: resize_crop() */
    IMAGE_FIT_STRETCH,   /* aspect not kept */
    IMAGE_FIT_LETTERBOX, /* aspect kept, at the top left, the rest filled */
    IMAGE_FIT_PAD        /* as it is, in the middle, amid black; what is too
                            large is cut */
};

enum image_color {
    IMAGE_COLOR_RGB,
    IMAGE_COLOR_BGR,
    IMAGE_COLOR_GRAY /* one channel */
};

enum image_range {
    IMAGE_RANGE_UNIT, /* 0..1 */
    IMAGE_RANGE_BYTE  /* 0..255 */
};

struct image_spec {
    int width;
    int height;
    enum image_fit fit;
    double crop; /* (0, 1], for IMAGE_FIT_CROP */
    enum image_color color;
    enum image_range range;
    float mean[3]; /* of the model's channels, in its order and range */
    float std[3];  /* a gray model uses the first of each */
    uint8_t fill;  /* a level of 0..255 */
};

/* crop of 0.875, RGB, 0..1, mean 0, std 1, fill 114. */
struct image_spec image_spec_default(int width, int height);

/* EDGE_EINVAL and a sentence if a number is out of range. */
int image_spec_check(const struct image_spec *spec, struct err *err);

/* What a black pixel becomes, by channel. */
void image_spec_black(const struct image_spec *spec, float black[3]);

/* 1 or 3. */
int image_spec_channels(const struct image_spec *spec);

/* The model's pixels before they become numbers: made gray if it is a gray
 * model, then of its size. `out` is made by the call. */
int image_fit(const struct image *image, const struct image_spec *spec,
              struct image *out, struct err *err);

/* One picture's tensor, which the caller releases: value = (level in `range`
 * - mean) / std. A gray picture fills all channels of a colour model. */
int image_prepare(const struct image *image, const struct image_spec *spec,
                  struct tensor *tensor, struct err *err);

/* The same into one item of a batch; `out` has room for channels x height x
 * width numbers. */
int image_prepare_into(const struct image *image, const struct image_spec *spec,
                       float *out, struct err *err);

#endif
