/*
 * Windows over one plane at a time, each output from the same taps of its own
 * channel alone: depthwise convolution and pooling.
 *
 * A band of input rows is first copied to a slab with its padding written
 * out and its columns split by phase (column mod stride), so that every tap
 * of a vector of outputs is one plain load.
 */
#ifndef EDGE_KERNELS_TAPS_H
#define EDGE_KERNELS_TAPS_H

#include "kernels/post.h"
#include "kernels/grid.h"

#include <stdbool.h>

enum taps_kind {
    TAPS_PRODUCT, /* sum of weight * x */
    TAPS_MAX,
    TAPS_MEAN
};

struct taps {
    enum taps_kind kind;
    struct grid grid;
    /* TAPS_MEAN */
    bool counts_pad;             /* padding counts as zeros */
    size_t pad_after[GRID_AXES]; /* and how far it goes */
    /* Set by taps_init. */
    size_t n_taps;
    size_t band;  /* output rows of a slab */
    size_t used;  /* floats of a phase of a slab's row that are read */
    size_t pitch; /* from one phase to the next */
    size_t row;
    size_t plane;
    size_t slab;
    size_t slab_at; /* floats of the scratch before the slab */
    size_t scratch_bytes;
};

/* One plane: y (out) from x (in). */
struct taps_job {
    const float *x;
    const float *weights; /* (taps), TAPS_PRODUCT alone */
    struct post post;     /* the same; its pointers are to this channel's */
    float *y;
    void *scratch; /* after taps_begin() */
};

struct isa;

/* Kind, window, counts_pad and pad_after are set; computes the rest. */
void taps_init(struct taps *t, const struct isa *isa);
/* Writes the tables that jobs on this scratch share, and the padding that all
 * slabs have in common. */
void taps_begin(const struct taps *t, void *scratch);

static inline float taps_padding(enum taps_kind kind)
{
    return kind == TAPS_MAX ? -__builtin_inff() : 0;
}

/* Scratch: offsets of the taps, counts along a row, the slab, which begins so
 * that the first of a row's columns that is no padding is aligned. */
static inline size_t *taps_offsets(void *scratch)
{
    return scratch;
}

static inline float *taps_counts(const struct taps *t, void *scratch)
{
    return (float *)(void *)(taps_offsets(scratch) + t->n_taps);
}

static inline float *taps_slab(const struct taps *t, void *scratch)
{
    return (float *)scratch + t->slab_at;
}

/* How many taps of output `o` along an axis count for a mean. */
static inline size_t taps_count(const struct taps *t, int axis, size_t o)
{
    const struct grid *w = &t->grid;
    size_t pad = t->counts_pad ? 0 : w->pad[axis];
    size_t end =
        w->pad[axis] + w->in[axis] + (t->counts_pad ? t->pad_after[axis] : 0);
    size_t n = 0;

    for (size_t k = 0; k < w->kernel[axis]; k++) {
        size_t at = o * w->stride[axis] + k * w->dilation[axis];

        n += at >= pad && at < end;
    }
    return n;
}

#endif
