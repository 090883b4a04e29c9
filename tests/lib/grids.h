/*
 * Random window geometries, and what a window reads by definition.
 */
#ifndef EDGE_TESTS_GRIDS_H
#define EDGE_TESTS_GRIDS_H

#include "base/rng.h"
#include "kernels/grid.h"

#include <stdbool.h>

/* An axis without extent. */
void grids_flat(struct grid *g, int axis);
/* The last `axes` axes get an input of up to `most` elements and a window
 * that fits, with pads before and behind that need not be equal; `after` is
 * the pad behind. With `small_pads` pads are smaller than the window. */
void grids_any(struct rng *rng, struct grid *g, size_t after[GRID_AXES],
               int axes, size_t most, bool small_pads);

/* Index `i` of a row-major array of these sizes, as a position. */
void grids_split(const size_t sizes[GRID_AXES], size_t i, size_t at[GRID_AXES]);
/* The element of the input that tap `tap` of output `at` reads, or -1. */
long grids_input(const struct grid *g, const size_t at[GRID_AXES],
                 const size_t tap[GRID_AXES]);

#endif
