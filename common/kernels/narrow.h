/*
 * Operands of products (gemm.h) that stay bytes, as a model quantised them:
 * an element is (q - zero) * scale of its channel, which is a row of a left
 * operand and a column of a right one.
 *
 * They are packed in the panels of gemm_block.h and widened a panel at a time
 * into a scratch that stays in L1, by the arithmetic of quant.h. So a product
 * has the bits that it has with the floats, at a quarter of their memory.
 */
#ifndef EDGE_KERNELS_NARROW_H
#define EDGE_KERNELS_NARROW_H

#include "kernels/gemm.h"

/* Weights as a model holds them: borrowed. */
struct narrow_weights {
    const uint8_t *q; /* NULL: there are none. int8 if is_signed */
    bool is_signed;
    const float *scales;
    const uint8_t *zeros; /* of the type of q; NULL: all are 0 */
    size_t channels;      /* of scales and zeros; 1: the same for all */
};

/* A packed operand, as it lies in what the functions below have filled. */
struct narrow {
    const float *zeros; /* by channel */
    const float *scales;
    const int8_t *q;
};

/* Floats of the scratch that panels are widened to. */
#define NARROW_LEFT_WIDE (GEMM_ROWS * GEMM_DEPTH_MAX)
#define NARROW_RIGHT_WIDE (GEMM_COLS * GEMM_DEPTH_MAX)

/* Bytes of a packed operand, a multiple of 16. `packed` is aligned for
 * floats. */
size_t narrow_left_bytes(size_t rows, size_t depth);
size_t narrow_right_bytes(const struct isa *isa, size_t depth, size_t cols);

/* w: element (i, k) at q[i * row + k * step]. */
void narrow_left_pack(const struct narrow_weights *w, size_t row, size_t step,
                      size_t rows, size_t depth, void *packed);
/* w: element (k, n) at q[k * row + n * step]. */
void narrow_right_pack(const struct isa *isa, const struct narrow_weights *w,
                       size_t row, size_t step, size_t depth, size_t cols,
                       void *packed);

struct narrow narrow_left_of(const void *packed, size_t rows);
struct narrow narrow_right_of(const struct isa *isa, const void *packed,
                              size_t cols);

/* gemm_right_run() over such an operand; `wide` is NARROW_RIGHT_WIDE floats. */
void narrow_right_run(const struct gemm_right *g, const struct narrow *b,
                      float *wide);
/* One block of gemm_left_run(), whose bytes begin at q. */
void narrow_left_block(const struct gemm_left *g, const struct gemm_block *all,
                       const int8_t *q);

#endif
