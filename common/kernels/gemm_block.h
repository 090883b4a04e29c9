/*
 * The blocks of a matrix product that gemm.c hands to an instruction set's
 * kernel, and the layout of what is packed.
 *
 * An element of the result is one chain of (fused) multiply-adds, k ascending
 * from 0, to which the bias is added last. Blocking and tiles change neither
 * that order nor, therefore, the bits; where there is FMA, all sets agree.
 */
#ifndef EDGE_KERNELS_GEMM_BLOCK_H
#define EDGE_KERNELS_GEMM_BLOCK_H

#include "kernels/post.h"

#include <stddef.h>

#define GEMM_ROWS 6  /* of a tile */
#define GEMM_COLS 16 /* of a tile */
/* Of a block: a panel of b of this depth and one of a stay in L1 together
 * (docs/decisions/0002). */
#define GEMM_DEPTH_MAX 256

/* c (rows, cols) = a (rows, depth) * b (depth, cols) [+ c unless first].
 *
 * b is in panels of GEMM_COLS columns: (panel, depth, column), of which the
 * last is as wide as whole vectors need. Or it is as it lies, element (k, n)
 * at b[k * b_row + n], with whole tiles of columns. Left blocks have a in
 * panels of up to GEMM_ROWS rows, all about equal: (panel, depth, row). Right
 * blocks have a as it lies: element (i, k) at a[i * a_row + k * a_step]. */
struct gemm_block {
    size_t rows;
    size_t cols;
    size_t depth;
    const float *a;
    size_t a_row;
    size_t a_step;
    const float *b;
    size_t b_row; /* left blocks: 0 if b is packed */
    float *c;
    size_t ldc;
    bool first;       /* c is not read */
    bool last;        /* post follows: bias by row (left) or column (right) */
    struct post post; /* its pointers moved to this block */
};

/* Rows of panel i when `rows` are dealt to as few panels as will do. */
static inline size_t gemm_panels(size_t rows)
{
    return (rows + GEMM_ROWS - 1) / GEMM_ROWS;
}

static inline size_t gemm_panel_rows(size_t rows, size_t i)
{
    size_t n = gemm_panels(rows);

    return rows / n + (i < rows % n ? 1 : 0);
}

#endif
