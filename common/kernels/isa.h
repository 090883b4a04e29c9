/*
 * The kernels' inner loops for one instruction set. They are compiled from
 * the same bodies (body_*.h) by isa_base.c, for what the compiler assumes of
 * any CPU (SSE2, NEON), and isa_avx2.c (AVX2 with FMA). Constant tables, so
 * any thread may use them.
 */
#ifndef EDGE_KERNELS_ISA_H
#define EDGE_KERNELS_ISA_H

#include "kernels/binary.h"
#include "kernels/columns.h"
#include "kernels/gemm_block.h"
#include "kernels/lanes.h"
#include "kernels/norm.h"
#include "kernels/planes.h"
#include "kernels/qgemm.h"
#include "kernels/quant.h"
#include "kernels/taps.h"
#include "kernels/unary.h"

struct isa {
    const char *name;
    size_t width; /* floats of a vector */
    bool fused;   /* a multiply-add is rounded once */
    void (*gemm_left)(const struct gemm_block *g);
    void (*gemm_right)(const struct gemm_block *g);
    void (*gemm_deal)(const float *row, size_t cols, size_t depth, size_t k,
                      float *panels);
    void (*gemm_widen)(const int8_t *q, size_t depth, size_t width,
                       const float *zeros, const float *scales, float *to);
    void (*columns_fill)(const struct grid *w, const float *x,
                         const struct columns_piece *p, float *panels);
    void (*columns_lines)(const struct grid *w, const float *x,
                          const struct columns_piece *p, float *lines,
                          size_t pitch);
    void (*taps_run)(const struct taps *t, const struct taps_job *job);
    void (*qgemm_left)(const struct qgemm_block *g);
    void (*qcolumns_fill)(const struct grid *g, const struct qgemm_bytes *x,
                          const struct columns_piece *p, int16_t *panels);
    void (*qturned_fill)(const struct qgemm_bytes *x, size_t row,
                         const struct columns_piece *p, int16_t *panels);
    struct quant_loops quant;
    /* body_post.h */
    void (*post_scale)(float *y, size_t n, float alpha, const float *c,
                       size_t step, float beta);
    void (*post_finish)(float *y, size_t n, const struct post *post);
    struct norm_loops norm;
    struct planes_loops planes;
    struct lanes_loops lanes;
    /* dx = low < y < high ? dy : 0; dx may be dy */
    void (*between_back)(const float *dy, const float *y, float *dx, size_t n,
                         float low, float high);
    /* y[r * step] = a row of bits times row r of w (xnor.h) */
    void (*xnor_dots)(const uint64_t *x, const uint64_t *w, size_t words,
                      size_t rows, float *y, size_t step);
    const unary_run_f32 *unary; /* by enum unary_op */
    const binary_row *binary;   /* of float32, by enum binary_op */
};

/* The best that this CPU can run. */
const struct isa *isa_best(void);
/* The i-th that this CPU can run, for tests and measurements; NULL: no more.
 * The first is the base. */
const struct isa *isa_each(size_t i);

#endif
