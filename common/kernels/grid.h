/*
 * The geometry of a sliding window: convolution and pooling in 1, 2 or 3
 * dimensions, always written as three: depth, height, width. Input positions
 * outside the tensor are padding; nothing else need be known of its end.
 */
#ifndef EDGE_KERNELS_GRID_H
#define EDGE_KERNELS_GRID_H

#include <stddef.h>

#define GRID_AXES 3

struct grid {
    size_t in[GRID_AXES];
    size_t out[GRID_AXES];
    size_t kernel[GRID_AXES];
    size_t stride[GRID_AXES];
    size_t dilation[GRID_AXES];
    size_t pad[GRID_AXES]; /* before the first element */
};

static inline size_t grid_in(const struct grid *w)
{
    return w->in[0] * w->in[1] * w->in[2];
}

static inline size_t grid_out(const struct grid *w)
{
    return w->out[0] * w->out[1] * w->out[2];
}

static inline size_t grid_taps(const struct grid *w)
{
    return w->kernel[0] * w->kernel[1] * w->kernel[2];
}

/* The outputs [*from, *to) along an axis whose tap `k` reads inside. */
static inline void grid_valid(const struct grid *w, int axis, size_t k,
                              size_t *from, size_t *to)
{
    size_t shift = k * w->dilation[axis];
    size_t pad = w->pad[axis];
    size_t stride = w->stride[axis];
    size_t first = shift >= pad ? 0 : (pad - shift + stride - 1) / stride;
    size_t end = w->in[axis] + pad; /* the first padded position after it */
    size_t last = shift >= end ? 0 : (end - shift + stride - 1) / stride;

    *to = last < w->out[axis] ? last : w->out[axis];
    *from = first < *to ? first : *to;
}

/* A tap, and the box of outputs [from, to) that it reads inside. */
struct grid_tap {
    size_t tap[GRID_AXES];
    size_t from[GRID_AXES];
    size_t to[GRID_AXES];
};

static inline struct grid_tap grid_tap_at(const struct grid *g,
                                          const size_t tap[GRID_AXES])
{
    struct grid_tap t;

    for (int a = 0; a < GRID_AXES; a++) {
        t.tap[a] = tap[a];
        grid_valid(g, a, tap[a], &t.from[a], &t.to[a]);
    }
    return t;
}

/* The k-th, in row-major order. */
static inline struct grid_tap grid_tap(const struct grid *g, size_t k)
{
    const size_t tap[GRID_AXES] = {k / g->kernel[2] / g->kernel[1],
                                   k / g->kernel[2] % g->kernel[1],
                                   k % g->kernel[2]};

    return grid_tap_at(g, tap);
}

/* The input position along an axis that output o reads with tap k; before 0
 * it wraps around. */
static inline size_t grid_at(const struct grid *g, int axis, size_t o, size_t k)
{
    return o * g->stride[axis] + k * g->dilation[axis] - g->pad[axis];
}

/* The same as an element of the plane, for an output inside the tap's box. */
static inline size_t grid_element(const struct grid *g,
                                  const struct grid_tap *t, size_t d, size_t h,
                                  size_t w)
{
    return (grid_at(g, 0, d, t->tap[0]) * g->in[1] +
            grid_at(g, 1, h, t->tap[1])) *
               g->in[2] +
           grid_at(g, 2, w, t->tap[2]);
}

#endif
