/*
 * Which rows and columns of every value each tile has: the two axes are
 * independent, so all of this is about bands of one axis.
 */
#ifndef EDGE_PLAN_TILE_RANGES_H
#define EDGE_PLAN_TILE_RANGES_H

#include "coordinator/plan/rewrite.h"

struct range {
    int64_t begin;
    int64_t end; /* exclusive; 0 with begin 0: not set */
};

/* What an op makes of the spatial axes of its first input. */
enum tiled {
    TILED_NOT,
    TILED_ALONE,  /* each element alone, at the same place */
    TILED_WINDOW, /* a sliding window */
};

struct tile_window { /* of one axis */
    int64_t kernel;
    int64_t stride;
    int64_t dilation;
    int64_t pad;
};

enum tiled tile_kind(const struct graph *graph, const struct op *op,
                     struct tile_window window[2]);
/* Rows (axis 0) or columns (axis 1) of an NCHW value. */
static inline int64_t tile_extent(const struct graph *graph, int value,
                                  int axis)
{
    return graph->values[value].shape.dims[2 + axis];
}
/* True if this operand is cut like the op's output; constants, and values
 * that broadcast over both axes, go to every tile whole. */
bool tile_is_cut(const struct graph *graph, const struct op *op, int k);

/* Of the input, what a window op needs for rows `out` of its output; may lie
 * beyond the edges, where there are pads. */
struct range tile_needs(const struct tile_window *window, struct range out);
/* The place in the input that belongs to the border `at` in the output. */
int64_t tile_border(const struct tile_window *window, int64_t at,
                    int64_t extent);

struct tile_ranges {
    const struct graph *graph;
    int bands[2];         /* rows, columns of the grid */
    struct range *at[2];  /* [value * bands + band] */
    struct range *out[2]; /* what a segment's output gives to the join */
};

/* `is_output[value]`: it leaves the segment. EDGE_ENOFIT names the value that
 * is smaller than the grid. */
int tile_ranges_init(struct tile_ranges *r, const struct graph *graph,
                     const struct tile *tile, const bool *is_output,
                     struct err *err);
void tile_ranges_deinit(struct tile_ranges *r);

static inline struct range tile_at(const struct tile_ranges *r, int axis,
                                   int value, int band)
{
    return r->at[axis][value * r->bands[axis] + band];
}

#endif
