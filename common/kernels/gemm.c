#include "kernels/gemm.h"

#include "base/list.h"
#include "kernels/gemm_inner.h"
#include "kernels/narrow.h"

/* Floats of a block of b, which stay in L2 (docs/decisions/0002). */
#define BLOCK_FLOATS 40960
#define UNPACKED_ROWS 100 /* fewer of them do not pay for packing b */

static size_t cols_block(size_t depth)
{
    size_t cols = BLOCK_FLOATS / gemm_depth(depth);

    return gemm_least(cols - cols % GEMM_COLS, COLUMNS_MAX);
}

/* ---- packing -------------------------------------------------------------*/

void gemm_left_pack(const float *a, size_t row, size_t step, size_t rows,
                    size_t depth, float *packed)
{
    size_t block = gemm_depth(depth);

    for (size_t k0 = 0; k0 < depth; k0 += block) {
        size_t kn = gemm_least(block, depth - k0);
        size_t first = 0;

        for (size_t p = 0; p < gemm_panels(rows); p++) {
            size_t mr = gemm_panel_rows(rows, p);

            for (size_t k = k0; k < k0 + kn; k++) {
                for (size_t i = 0; i < mr; i++) {
                    *packed++ = a[(first + i) * row + k * step];
                }
            }
            first += mr;
        }
    }
}

size_t gemm_right_floats(const struct isa *isa, size_t depth, size_t cols)
{
    return depth * gemm_round_up(cols, isa->width);
}

/* Rows k0.. of b, `cols` columns from n0, as panels. */
static void pack_block(const struct isa *isa, const float *b, size_t row,
                       size_t step, const struct columns_piece *p,
                       float *panels)
{
    size_t wide = gemm_round_up(p->cols, isa->width);

    for (size_t k = 0; k < p->depth && step == 1; k++) {
        isa->gemm_deal(b + (p->k0 + k) * row + p->n0, p->cols, p->depth, k,
                       panels);
    }
    for (size_t n = 0; n < wide && step != 1; n += GEMM_COLS) {
        size_t width = gemm_least(GEMM_COLS, wide - n);
        const float *from = b + p->k0 * row + (p->n0 + n) * step;

        for (size_t k = 0; k < p->depth; k++, from += row) {
            for (size_t j = 0; j < width; j++) {
                *panels++ = n + j < p->cols ? from[j * step] : 0;
            }
        }
    }
}

void gemm_right_pack(const struct isa *isa, const float *b, size_t row,
                     size_t step, size_t depth, size_t cols, float *packed)
{
    struct columns_piece p = {.cols = cols};
    size_t block = gemm_depth(depth);

    for (; p.k0 < depth; p.k0 += block) {
        p.depth = gemm_least(block, depth - p.k0);
        pack_block(isa, b, row, step, &p, packed);
        packed += gemm_right_floats(isa, p.depth, cols);
    }
}

static void matrix_fill(const struct gemm_source *source,
                        const struct columns_piece *piece, float *panels)
{
    const struct gemm_matrix *m =
        container_of(source, const struct gemm_matrix, source);

    pack_block(m->isa, m->b, m->ldb, 1, piece, panels);
}

void gemm_matrix_init(struct gemm_matrix *m, const struct isa *isa,
                      const float *b, size_t ldb)
{
    *m = (struct gemm_matrix){{matrix_fill}, isa, b, ldb};
}

/* ---- products: a depth of 0 still is one block, of zeros and the post ----*/

size_t gemm_left_scratch(size_t depth, size_t cols)
{
    return gemm_depth(depth) *
           gemm_round_up(gemm_least(cols, cols_block(depth)), GEMM_COLS);
}

/* b where it need not be packed: a matrix that is read a few times only. */
static const struct gemm_matrix *unpacked(const struct gemm_left *g)
{
    if (g->b->fill != matrix_fill || g->rows > UNPACKED_ROWS ||
        g->cols % GEMM_COLS != 0) {
        return NULL;
    }
    return container_of(g->b, const struct gemm_matrix, source);
}

/* All rows of a, packed from element `packed` on, with a block of b. */
static void left_block(const struct gemm_left *g, struct gemm_block *block,
                       size_t packed)
{
    if (g->narrow != NULL) {
        narrow_left_block(g, block, g->narrow->q + packed);
        return;
    }
    block->a = g->packed + packed;
    g->isa->gemm_left(block);
}

void gemm_left_run(const struct gemm_left *g)
{
    const struct gemm_matrix *matrix = unpacked(g);
    size_t deep = gemm_depth(g->depth);
    size_t wide = cols_block(g->depth);

    for (size_t n0 = 0; n0 < g->cols; n0 += wide) {
        struct gemm_block block = {.rows = g->rows, .ldc = g->ldc};
        size_t packed = 0;

        block.cols = gemm_least(wide, g->cols - n0);
        block.b = g->scratch;
        block.c = g->c + n0;
        block.post = gemm_post_at(&g->post, n0, 0);
        for (size_t k0 = 0; k0 == 0 || k0 < g->depth; k0 += deep) {
            struct columns_piece p = {.k0 = k0, .n0 = n0, .cols = block.cols};

            p.depth = gemm_least(deep, g->depth - k0);
            if (matrix != NULL) {
                block.b = matrix->b + k0 * matrix->ldb + n0;
                block.b_row = matrix->ldb;
            } else {
                g->b->fill(g->b, &p, g->scratch);
            }
            block.depth = p.depth;
            block.first = k0 == 0;
            block.last = k0 + p.depth == g->depth;
            left_block(g, &block, packed);
            packed += g->rows * p.depth;
        }
    }
}

void gemm_right_piece(const struct gemm_right *g, const struct columns_piece *p,
                      const float *packed)
{
    struct gemm_block block = {.b = packed,
                               .cols = p->cols,
                               .depth = p->depth,
                               .a_row = g->a_row,
                               .a_step = g->a_step,
                               .ldc = g->ldc};

    block.first = p->k0 == 0;
    block.last = p->k0 + p->depth == g->depth;
    for (size_t i = 0; i < g->rows; i += GEMM_RIGHT_ROWS) {
        size_t at = i * g->ldc + p->n0;

        block.rows = gemm_least(GEMM_RIGHT_ROWS, g->rows - i);
        block.a = g->a + i * g->a_row + p->k0 * g->a_step;
        block.c = g->c + at;
        block.post = gemm_post_at(&g->post, at, p->n0);
        g->isa->gemm_right(&block);
    }
}

void gemm_right_run(const struct gemm_right *g, const float *packed)
{
    struct columns_piece p = {.cols = g->cols};
    size_t deep = gemm_depth(g->depth);

    for (; p.k0 == 0 || p.k0 < g->depth; p.k0 += deep) {
        p.depth = gemm_least(deep, g->depth - p.k0);
        gemm_right_piece(g, &p, packed);
        packed += gemm_right_floats(g->isa, p.depth, g->cols);
    }
}

size_t gemm_fresh_scratch(size_t depth, size_t cols)
{
    return gemm_left_scratch(depth, cols);
}

void gemm_fresh_run(const struct gemm_right *g, const float *b, size_t row,
                    size_t step, float *scratch)
{
    struct columns_piece p = {0};
    size_t deep = gemm_depth(g->depth);
    size_t wide = cols_block(g->depth);

    for (; p.n0 < g->cols; p.n0 += wide) {
        p.cols = gemm_least(wide, g->cols - p.n0);
        for (p.k0 = 0; p.k0 == 0 || p.k0 < g->depth; p.k0 += deep) {
            p.depth = gemm_least(deep, g->depth - p.k0);
            pack_block(g->isa, b, row, step, &p, scratch);
            gemm_right_piece(g, &p, scratch);
        }
    }
}
