/*
 * Elements from one arrangement to another: transposes, slices, expansions,
 * tilings are all the same walk with different strides.
 */
#ifndef EDGE_KERNELS_MOVE_H
#define EDGE_KERNELS_MOVE_H

#include "tensor/shape.h"

#define MOVE_RANK (2 * LIMIT_RANK) /* Tile has two dimensions for each one */

struct move {
    int rank;
    size_t size; /* bytes of an element: 1, 2, 4 or 8 */
    int64_t dims[MOVE_RANK];
    int64_t from[MOVE_RANK]; /* strides in elements; 0: repeats, < 0: back */
    int64_t to[MOVE_RANK];
};

/* Adds a dimension inside those added before. */
void move_add(struct move *m, int64_t dim, int64_t from, int64_t to);
/* Merges dimensions that are walked as one. Once, after the last move_add(). */
void move_plan(struct move *m);
/* `in` and `out` point at the first element of each. They do not overlap. */
void move_run(const struct move *m, void *out, const void *in);

/* Sets n elements of `size` bytes to the one at `value`. */
void move_fill(void *out, const void *value, size_t n, size_t size);

#endif
