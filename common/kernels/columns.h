/*
 * The im2col matrix of a convolution, which never exists as a whole: rows are
 * (channel, tap), columns output positions, and pieces of it are made where a
 * product's block needs them.
 */
#ifndef EDGE_KERNELS_COLUMNS_H
#define EDGE_KERNELS_COLUMNS_H

#include "kernels/grid.h"

#define COLUMNS_MAX 1024 /* of a piece */

struct columns_piece {
    size_t k0; /* first row */
    size_t depth;
    size_t n0; /* first column */
    size_t cols;
};

#endif
