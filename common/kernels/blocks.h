/*
 * Dense layers whose weights lie on boards in blocks, blocks x blocks of them,
 * each of a part of the inputs for a part of the outputs; what one adds to a
 * sample may be lost, with probability p, as the sample's seed, salt and the
 * block decide (docs/decisions/0031).
 *
 *   y (rows, cols) = x (rows, depth) * w (depth, cols) + bias, by blocks
 *
 * As many multiply-adds as without loss, one product for each part of the
 * outputs.
 */
#ifndef EDGE_KERNELS_BLOCKS_H
#define EDGE_KERNELS_BLOCKS_H

#include "kernels/isa.h"

#include <stdbool.h>
#include <stdint.h>

struct blocks {
    const struct isa *isa;
    size_t rows; /* samples */
    size_t depth;
    size_t cols;
    bool turned; /* w is (cols, depth) */
    size_t blocks;
    double p;
    uint64_t salt;
};

size_t blocks_scratch(const struct blocks *b); /* floats, of each of these */
/* `bias` and, with p = 0, `seeds` may be NULL. */
void blocks_run(const struct blocks *b, const float *x, const float *w,
                const float *bias, const int64_t *seeds, float *y,
                float *scratch);
/* dx (rows, depth) from dy (rows, cols). */
void blocks_input_grad(const struct blocks *b, const float *dy, const float *w,
                       const int64_t *seeds, float *dx, float *scratch);
/* dw, as w, from dy and x. */
void blocks_weight_grad(const struct blocks *b, const float *dy, const float *x,
                        const int64_t *seeds, float *dw, float *scratch);

#endif
