/* What the files of gemm.h and narrow.h share: how operands are cut. */
#ifndef EDGE_KERNELS_GEMM_INNER_H
#define EDGE_KERNELS_GEMM_INNER_H

#include "kernels/gemm.h"

#define GEMM_RIGHT_ROWS 120 /* of a right block: a's rows stay in L2 */

static inline size_t gemm_round_up(size_t n, size_t to)
{
    return (n + to - 1) / to * to;
}

static inline size_t gemm_least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Depth of a block: `depth` in as few, nearly equal parts as will do. It is
 * a function of the depth alone, since packed operands are laid out by it. */
static inline size_t gemm_depth(size_t depth)
{
    size_t parts = (depth + GEMM_DEPTH_MAX - 1) / GEMM_DEPTH_MAX;

    return parts > 0 ? (depth + parts - 1) / parts : 1;
}

/* The post of a block that begins at element `at` of c, channel `channel`. */
static inline struct post gemm_post_at(const struct post *post, size_t at,
                                       size_t channel)
{
    struct post p = *post;

    p.bias = p.bias != NULL ? p.bias + channel : NULL;
    p.residual = p.residual != NULL ? p.residual + at : NULL;
    return p;
}

/* A block of b, as panels in `packed`, with all rows of a. */
void gemm_right_piece(const struct gemm_right *g, const struct columns_piece *p,
                      const float *packed);

#endif
