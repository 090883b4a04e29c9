/*
 * Gradients of depthwise convolutions, one plane at a time, in float32.
 *
 * A plane is copied once with its padding, its columns dealt by the stride, so
 * that what a tap reads of a row lies in one piece: then the gradient of the
 * weights is a product of rows for each tap, and that of the input a sum of
 * weighted rows (which a depthwise transposed convolution is too).
 */
#ifndef EDGE_KERNELS_PLANES_H
#define EDGE_KERNELS_PLANES_H

#include "kernels/grid.h"

#include <stdbool.h>

#define PLANES_TAPS 64
#define PLANES_LANES                                         \
    8 /* sums of a product, element i of a row goes to i % 8 \
       */

/* The loops of an instruction set (isa.h). Rows of `n` floats, a multiple of
 * PLANES_LANES. */
struct planes_loops {
    /* sums[t] += sum over rows and columns of a[row, i] b[row, i + at[t]] */
    void (*dots)(const float *a, size_t a_row, const float *b, size_t b_row,
                 size_t rows, size_t n, const size_t *at, size_t taps,
                 float *sums);
    /* to[i] = sum over t of by[t] from[t][i], t ascending */
    void (*mix)(float *to, size_t n, const float *const *from, const float *by,
                size_t terms);
};

struct isa;

struct planes {
    const struct isa *isa;
    struct grid grid;          /* of the convolution */
    size_t pitch;              /* of rows of dy, for weights */
    size_t wide;               /* of dealt rows of x */
    size_t left;               /* zeros before a row of dy, for inputs */
    size_t span;               /* of a dealt row of dx */
    size_t deep;               /* of a row of dy with these zeros */
    size_t at[PLANES_TAPS];    /* of each tap in dealt rows of x */
    size_t phase[PLANES_TAPS]; /* of each tap along a row: the dealt row */
    size_t back[PLANES_TAPS];  /* and how far before it dy lies */
    size_t scratch_floats;
};

/* Whether a window is one of planes, of not too many taps. */
bool planes_can(const struct grid *grid);
void planes_init(struct planes *p, const struct isa *isa,
                 const struct grid *grid);

/* dw (outs, taps) += that of one plane x (in) and `outs` planes dy (out). */
void planes_weights(const struct planes *p, const float *x, const float *dy,
                    size_t outs, float *dw, float *scratch);
/* dx (in) = that of one plane dy (out) and w (taps). */
void planes_inputs(const struct planes *p, const float *dy, const float *w,
                   float *dx, float *scratch);

#endif
