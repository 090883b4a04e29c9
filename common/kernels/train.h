/*
 * What training needs beside the kernels of inference, in float32: batch
 * statistics, losses, dropout, and gradients of what is no matrix product.
 */
#ifndef EDGE_KERNELS_TRAIN_H
#define EDGE_KERNELS_TRAIN_H

#include "kernels/isa.h"
#include "tensor/tensor.h"

/* ---- functions of one element ------------------------------------------- */

/* dx = dy times the derivative of a function whose value was y, or whose
 * argument was x where it says so. `dx` may be `dy`. */
enum train_unary {
    TRAIN_RELU,
    TRAIN_CLIP,       /* a, b: the bounds; on them there is no slope */
    TRAIN_LEAKY_RELU, /* a: slope below 0 */
    TRAIN_ELU,        /* a: alpha, b: gamma (Selu) */
    TRAIN_SIGMOID,
    TRAIN_TANH,
    TRAIN_HARD_SIGMOID, /* of x; a: alpha, b: beta */
    TRAIN_HARD_SWISH    /* of x */
};
void train_unary_back(enum train_unary kind, float a, float b, const float *dy,
                      const float *y, float *dx, size_t n);

/* ---- batch normalisation of x (outer, channels, inner) ------------------- */

/* y = (x - mean) / sqrt(variance + epsilon) * scale + bias, by the mean and
 * variance (by N, not N - 1) of the channel itself, which are kept;
 * of channels [from, to). */
void train_batch_norm(const struct isa *isa, const float *x, float *y,
                      size_t outer, size_t channels, size_t inner,
                      const float *scale, const float *bias, float epsilon,
                      float *mean, float *variance, size_t from, size_t to);
/* With s = 1 / sqrt(variance + epsilon), x' = (x - mean) s and N elements a
 * channel: dbias = sum dy, dscale = sum dy x',
 * dx = scale s (dy - dbias / N - x' dscale / N) (Ioffe and Szegedy 2015). */
struct train_norm_back {
    const float *dy;
    const float *x;
    const float *scale;
    const float *mean;
    const float *variance;
    float epsilon;
    float *dx; /* may be dy */
    float *dscale;
    float *dbias;
};
void train_batch_norm_back(const struct isa *isa,
                           const struct train_norm_back *b, size_t outer,
                           size_t channels, size_t inner, size_t from,
                           size_t to);

/* ---- softmax cross-entropy ----------------------------------------------- */

struct train_loss {
    size_t outer; /* log_prob (outer, classes, inner), labels (outer, inner) */
    size_t classes;
    size_t inner;
    bool mean;            /* over labels that are not ignored; else the sum */
    bool each;            /* neither: one loss a label */
    bool ignores;         /* there is a label that does not count: */
    int64_t ignore_index; /* this one */
};
/* loss (1, or one a label). `weights` are those of the classes, NULL: 1 each;
 * a mean is over the sum of the labels' weights, as ONNX has it. A label that
 * is no class makes it NaN. */
void train_loss_run(const struct train_loss *l, const float *log_prob,
                    const struct tensor *labels, const float *weights,
                    float *loss);
/* dx = weight (e^log_prob - [label]) dloss, over that sum if it is a mean. */
void train_loss_back(const struct train_loss *l, const float *log_prob,
                     const struct tensor *labels, const float *weights,
                     float dloss, float *dx);

/* ---- dropout ------------------------------------------------------------- */

/* Element i of sample n of x (samples, size) is kept with probability
 * 1 - ratio, as seeds[n], salt and i alone decide, and scaled by its inverse.
 * In place or not. */
void train_dropout(const float *x, float *y, size_t samples, size_t size,
                   const int64_t *seeds, uint64_t salt, float ratio);

/* ---- pooling --------------------------------------------------------------
 */

/* dx (planes, in...): each of dy (planes, out...) goes to the first element of
 * its window in x (planes, in...) that equals y; scratch of one plane of the
 * output, in floats. */
struct train_max_back {
    const struct grid *grid;
    const float *dy;
    const float *x;
    const float *y;
    float *dx;
    size_t planes;
};
void train_max_pool_back(const struct train_max_back *b, float *scratch);
/* t: TAPS_MEAN with grid, counts_pad and pad_after. dx (planes, in...) from dy
 * (planes, out...); scratch of two planes of the output, in floats. */
void train_average_pool_back(const struct taps *t, const float *dy, float *dx,
                             size_t planes, float *scratch);

#endif
