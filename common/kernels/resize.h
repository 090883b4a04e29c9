/*
 * Resize along one axis at a time: each output element is a weighted sum of
 * one (nearest), two (linear) or four (cubic) input elements. Which ones and
 * how much is worked out once, as ONNX's Resize defines it.
 */
#ifndef EDGE_KERNELS_RESIZE_H
#define EDGE_KERNELS_RESIZE_H

#include "tensor/shape.h"

enum resize_mode { RESIZE_NEAREST = 1, RESIZE_LINEAR = 2, RESIZE_CUBIC = 4 };

/* Where output i lies in the input. */
enum resize_at {
    RESIZE_HALF_PIXEL,
    RESIZE_HALF_PIXEL_SYMMETRIC,
    RESIZE_PYTORCH_HALF_PIXEL,
    RESIZE_ALIGN_CORNERS,
    RESIZE_ASYMMETRIC,
    RESIZE_TF_HALF_PIXEL_FOR_NN,
    RESIZE_TF_CROP_AND_RESIZE
};

enum resize_round {
    RESIZE_ROUND_PREFER_FLOOR,
    RESIZE_ROUND_PREFER_CEIL,
    RESIZE_FLOOR,
    RESIZE_CEIL
};

struct resize_rule {
    enum resize_mode mode;
    enum resize_at at;
    enum resize_round round; /* nearest */
    bool exclude_outside;    /* weights beyond the ends are 0 */
    double cubic_a;
};

#define RESIZE_TAPS 4

struct resize_axis {
    int64_t n_in;
    int64_t n_out;
    bool same;      /* every output is the input: nothing to do */
    int taps;       /* = mode */
    int64_t *index; /* (n_out, taps) */
    double *weight; /* (n_out, taps) */
    bool *outside;  /* (n_out), beyond the ends: tf_crop_and_resize */
};

/* `scale` is n_out / n_in as it was asked for; [start, end] the region of
 * tf_crop_and_resize. n_in and n_out are at least 1. EDGE_ENOMEM. */
int resize_axis_init(struct resize_axis *axis, const struct resize_rule *rule,
                     int64_t n_in, int64_t n_out, double scale, double start,
                     double end);
void resize_axis_deinit(struct resize_axis *axis);

/* out (outer, n_out, inner) from in (outer, n_in, inner). */
void resize_f32(const struct resize_axis *axis, float *out, const float *in,
                int64_t outer, int64_t inner, float beyond);
void resize_f64(const struct resize_axis *axis, double *out, const double *in,
                int64_t outer, int64_t inner, double beyond);
/* Nearest, elements of `size` bytes; `beyond` is one. */
void resize_any(const struct resize_axis *axis, void *out, const void *in,
                int64_t outer, int64_t inner, size_t size, const void *beyond);

#endif
