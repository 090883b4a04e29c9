/*
 * Convolutions of many images at once, an image a lane of the vectors, with
 * the gradients of their inputs and weights.
 *
 * Images are turned so that what all of them have at one position lies
 * together. Then nothing is copied out for a window, no position is at an
 * edge of a vector, and taps in the padding cost nothing: they are left out,
 * which for a window of 3 on a plane of 2 x 2 is more than half of them.
 */
#ifndef EDGE_KERNELS_LANES_H
#define EDGE_KERNELS_LANES_H

#include "kernels/grid.h"

#include <stdbool.h>
#include <stdint.h>

#define LANES_EACH 8 /* a number of lanes is a multiple of it */

struct isa;
struct post;
struct conv_shape;

/* A tap that reads inside: its weight, and where its lanes are. */
struct lanes_tap {
    uint32_t weight;
    uint32_t at;
};

/* c (row, lane) = sum over channels, then taps, of a (row, channel, weight)
 * by b (channel, at, lane) [+ c unless first] */
struct lanes_block {
    size_t rows;
    size_t channels;
    size_t lanes;
    const float *a;
    size_t a_row;
    size_t a_channel;
    const float *b;
    size_t b_channel;
    const struct lanes_tap *taps;
    size_t n_taps;
    float *c;
    size_t c_row;
    bool first;
};

/* A piece of a sum: `n` of both from here on. */
struct lanes_piece {
    uint32_t x;
    uint32_t dy;
    uint32_t n;
};

/* c (row, cols) = sum over pieces of x (row, i) by dy (i, cols) [+ c unless
 * first] */
struct lanes_sum {
    size_t rows; /* at most GEMM_ROWS */
    size_t cols; /* GEMM_COLS, or LANES_EACH */
    const float *x;
    size_t x_row;
    const float *dy;
    const struct lanes_piece *pieces;
    size_t n_pieces;
    float *c;
    size_t c_row;
    bool first;
};

/* The loops of an instruction set (isa.h). */
struct lanes_loops {
    void (*block)(const struct lanes_block *block);
    void (*sum)(const struct lanes_sum *sum);
    /* to (cols, to_row) = from (rows, from_row), turned */
    void (*turn)(const float *from, size_t from_row, size_t rows, size_t cols,
                 float *to, size_t to_row);
};

/* Whether lanes suit a convolution: one with a window, enough channels to be
 * a product, images that fill lanes and are not too large. */
bool lanes_can(const struct conv_shape *shape);

/* A convolution, or with `back` one that is transposed: then shape.cin and
 * cout are those of its x and y, and grid.out is the plane of x. */
struct lanes {
    const struct isa *isa;
    const struct conv_shape *shape;
    bool back;
};
size_t lanes_scratch(const struct conv_shape *shape, bool back);
/* w as it is given: (cout, cin / groups, taps), with `back` (cin, cout /
 * groups, taps). */
void lanes_run(const struct lanes *l, const float *x, const float *w,
               const struct post *post, float *y, void *scratch);

/* The gradient of the weights: parts [from, to) of lanes_grad_parts(), each of
 * outputs of its own. */
size_t lanes_grad_parts(const struct conv_shape *shape);
size_t lanes_grad_scratch(const struct conv_shape *shape);
void lanes_grad_run(const struct isa *isa, const struct conv_shape *shape,
                    const float *x, const float *dy, float *dw, void *scratch,
                    size_t from, size_t to);

/* How images become lanes, for both. */
struct lanes_turned {
    size_t images; /* at once */
    size_t lanes;  /* of these, rounded up */
    size_t pitch;  /* from one channel to the next */
};
struct lanes_turned lanes_turned(size_t batch, size_t channels, size_t plane);
/* `n` images, `stride` apart, to (channel, position, lane). */
void lanes_load(const struct isa *isa, const struct lanes_turned *t,
                const float *x, size_t stride, size_t n, size_t channels,
                size_t plane, float *to);

#endif
