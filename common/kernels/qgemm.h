/*
 * Matrix products of 8-bit integers, exact in 32 bits (sums wrap around).
 *
 * The left operand (weights) is packed in 8 bits, one byte an element; its
 * zero points are taken off when a panel is widened to 16 bits. The right one
 * comes in pieces that are already widened, pairs of rows interleaved, so
 * that one instruction multiplies and adds two products. Panels are like those
 * of gemm_block.h.
 */
#ifndef EDGE_KERNELS_QGEMM_H
#define EDGE_KERNELS_QGEMM_H

#include "kernels/columns.h"

#include <stdbool.h>
#include <stdint.h>

#define QGEMM_PAIRS_MAX 256 /* of a block */

struct isa;

/* c (rows, cols) [+]= left panels * right panels, pairs deep. */
struct qgemm_block {
    size_t rows;
    size_t cols;
    size_t pairs;
    const int8_t *a;     /* (panel, pair, row, 2) */
    const int16_t *zero; /* (rows) */
    const int16_t *b;    /* (panel, pair, column, 2), all panels whole */
    int32_t *c;          /* (rows, cols) */
    bool first;
};

/* Bytes with their zero point: u8 if not `is_signed`. */
struct qgemm_bytes {
    const void *data;
    bool is_signed;
    int32_t zero;
};

/* Writes a piece of the right operand, widened; `source` as in gemm.h. */
struct qgemm_source {
    void (*fill)(const struct qgemm_source *source,
                 const struct columns_piece *piece, int16_t *panels);
};

/* Where finished columns go: sum (rows, p->cols) of columns p->n0... */
struct qgemm_sink {
    void (*take)(const struct qgemm_sink *sink, const struct columns_piece *p,
                 const int32_t *sum);
};

struct qgemm {
    const struct isa *isa;
    size_t rows;
    size_t cols;
    size_t depth;
    const int8_t *packed; /* by qgemm_pack: qgemm_packed_bytes() */
    const int16_t *zero;  /* (rows) by qgemm_zero() of each zero point */
    const struct qgemm_source *source;
    const struct qgemm_sink *sink;
    void *scratch; /* qgemm_scratch_bytes() */
};

size_t qgemm_packed_bytes(size_t rows, size_t depth);
/* w: element (i, k) at w->data[i * row + k * step]; `zero` as in qgemm. */
void qgemm_pack(const struct qgemm_bytes *w, size_t row, size_t step,
                size_t rows, size_t depth, const int16_t *zero, int8_t *packed);
/* Bytes are packed as signed ones, so zero points move with them. */
int16_t qgemm_zero(int32_t zero, bool is_signed);
size_t qgemm_scratch_bytes(size_t rows, size_t cols, size_t depth);
void qgemm_run(const struct qgemm *g);

#endif
