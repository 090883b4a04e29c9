/*
 * Matrix products in float32, by tiles that live in registers over operands
 * packed in panels (gemm_block.h has the layout and the order of sums).
 *
 * A left product has its constant on the left, as the weights of a
 * convolution: c (rows, cols) = packed a (rows, depth) * b (depth, cols),
 * where b is asked for piece by piece, and a channel is a row. A right
 * product has it on the right, as a dense layer: c = a * packed b, and a
 * channel is a column. Plain functions; scratch is the caller's.
 */
#ifndef EDGE_KERNELS_GEMM_H
#define EDGE_KERNELS_GEMM_H

#include "kernels/columns.h"
#include "kernels/isa.h"
#include "kernels/post.h"

/* Where the right operand of a left product comes from: `fill` writes a piece
 * of it as panels. */
struct gemm_source {
    void (*fill)(const struct gemm_source *source,
                 const struct columns_piece *piece, float *panels);
};

/* A source that is a matrix: element (k, n) at b[k * ldb + n]. */
struct gemm_matrix {
    struct gemm_source source;
    const struct isa *isa;
    const float *b;
    size_t ldb;
};
void gemm_matrix_init(struct gemm_matrix *m, const struct isa *isa,
                      const float *b, size_t ldb);

struct narrow;

struct gemm_left {
    const struct isa *isa;
    size_t rows;
    size_t cols;
    size_t depth;
    const float *packed; /* by gemm_left_pack: rows * depth floats */
    /* Not NULL: in place of it (narrow.h), and NARROW_LEFT_WIDE floats */
    const struct narrow *narrow;
    float *wide;
    const struct gemm_source *b;
    float *c; /* (rows, ldc) */
    size_t ldc;
    struct post post;
    float *scratch; /* gemm_left_scratch() floats */
};
/* a: element (i, k) at a[i * row + k * step]. */
void gemm_left_pack(const float *a, size_t row, size_t step, size_t rows,
                    size_t depth, float *packed);
size_t gemm_left_scratch(size_t depth, size_t cols);
void gemm_left_run(const struct gemm_left *g);

struct gemm_right {
    const struct isa *isa;
    size_t rows;
    size_t cols;
    size_t depth;
    const float *a; /* element (i, k) at a[i * a_row + k * a_step] */
    size_t a_row;
    size_t a_step;
    float *c; /* (rows, ldc) */
    size_t ldc;
    struct post post;
};
/* b: element (k, n) at b[k * row + n * step]. */
void gemm_right_pack(const struct isa *isa, const float *b, size_t row,
                     size_t step, size_t depth, size_t cols, float *packed);
size_t gemm_right_floats(const struct isa *isa, size_t depth, size_t cols);
void gemm_right_run(const struct gemm_right *g, const float *packed);

/* The same where b is not known before: packed block by block into scratch of
 * gemm_fresh_scratch() floats. */
size_t gemm_fresh_scratch(size_t depth, size_t cols);
void gemm_fresh_run(const struct gemm_right *g, const float *b, size_t row,
                    size_t step, float *scratch);

#endif
