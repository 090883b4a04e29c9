#include "kernels/narrow.h"

#include "kernels/gemm_inner.h"

#define PACKED_ALIGN 16
/* With one row, panels are multiplied several at once (body_gemm.h), so they
 * are widened together, and no deeper than the scratch has room for. */
#define ROW_PANELS 4
#define ROW_COLS (ROW_PANELS * GEMM_COLS)
#define ROW_DEPTH (GEMM_DEPTH_MAX / ROW_PANELS)

/* ---- packing -------------------------------------------------------------*/

static size_t bytes_of(size_t channels, size_t depth)
{
    return gemm_round_up(channels * (2 * sizeof(float) + depth), PACKED_ALIGN);
}

size_t narrow_left_bytes(size_t rows, size_t depth)
{
    return bytes_of(rows, depth);
}

size_t narrow_right_bytes(const struct isa *isa, size_t depth, size_t cols)
{
    return bytes_of(gemm_round_up(cols, isa->width), depth);
}

/* Bytes of either kind as signed ones; their zero points move with them. */
static int8_t as_signed(const struct narrow_weights *w, uint8_t q)
{
    return (int8_t)(w->is_signed ? q : q ^ 0x80);
}

/* Zero points and scales by channel; those of padding, to `room`, are 0.
 * Returns where the bytes begin. */
static int8_t *pack_channels(const struct narrow_weights *w, size_t channels,
                             size_t room, void *packed)
{
    float *zeros = packed;
    float *scales = zeros + room;

    for (size_t i = 0; i < room; i++) {
        size_t from = w->channels == 1 ? 0 : i;
        bool there = i < channels;

        zeros[i] =
            there ? as_signed(w, w->zeros != NULL ? w->zeros[from] : 0) : 0;
        scales[i] = there ? w->scales[from] : 0;
    }
    return (int8_t *)(scales + room);
}

void narrow_left_pack(const struct narrow_weights *w, size_t row, size_t step,
                      size_t rows, size_t depth, void *packed)
{
    int8_t *to = pack_channels(w, rows, rows, packed);
    size_t block = gemm_depth(depth);

    for (size_t k0 = 0; k0 < depth; k0 += block) {
        size_t end = k0 + gemm_least(block, depth - k0);
        size_t first = 0;

        for (size_t p = 0; p < gemm_panels(rows); p++) {
            size_t mr = gemm_panel_rows(rows, p);

            for (size_t k = k0; k < end; k++) {
                for (size_t i = first; i < first + mr; i++) {
                    *to++ = as_signed(w, w->q[i * row + k * step]);
                }
            }
            first += mr;
        }
    }
}

void narrow_right_pack(const struct isa *isa, const struct narrow_weights *w,
                       size_t row, size_t step, size_t depth, size_t cols,
                       void *packed)
{
    size_t room = gemm_round_up(cols, isa->width);
    int8_t *to = pack_channels(w, cols, room, packed);
    size_t block = gemm_depth(depth);

    for (size_t k0 = 0; k0 < depth; k0 += block) {
        size_t end = k0 + gemm_least(block, depth - k0);

        for (size_t n0 = 0; n0 < room; n0 += GEMM_COLS) {
            size_t next = gemm_least(n0 + GEMM_COLS, room);

            for (size_t k = k0; k < end; k++) {
                for (size_t n = n0; n < next; n++) {
                    *to++ =
                        n < cols ? as_signed(w, w->q[k * row + n * step]) : 0;
                }
            }
        }
    }
}

static struct narrow open(const void *packed, size_t room)
{
    const float *zeros = packed;

    return (struct narrow){zeros, zeros + room,
                           (const int8_t *)(zeros + 2 * room)};
}

struct narrow narrow_left_of(const void *packed, size_t rows)
{
    return open(packed, rows);
}

struct narrow narrow_right_of(const struct isa *isa, const void *packed,
                              size_t cols)
{
    return open(packed, gemm_round_up(cols, isa->width));
}

/* ---- products ------------------------------------------------------------*/

/* Panel by panel, each handed on alone, so that it is dealt out as one. */
void narrow_left_block(const struct gemm_left *g, const struct gemm_block *all,
                       const int8_t *q)
{
    struct gemm_block block = *all;
    size_t row = 0;

    block.a = g->wide;
    for (size_t p = 0; p < gemm_panels(all->rows); p++) {
        block.rows = gemm_panel_rows(all->rows, p);
        block.c = all->c + row * all->ldc;
        block.post = gemm_post_at(&all->post, row * all->ldc, row);
        g->isa->gemm_widen(q, all->depth, block.rows, g->narrow->zeros + row,
                           g->narrow->scales + row, g->wide);
        g->isa->gemm_left(&block);
        q += block.rows * all->depth;
        row += block.rows;
    }
}

/* One row with ROW_COLS columns from p->n0; their panels begin at q. */
static void row_piece(const struct gemm_right *g, const struct narrow *b,
                      const struct columns_piece *p, const int8_t *q,
                      float *wide)
{
    struct columns_piece part = {.n0 = p->n0, .cols = ROW_COLS};

    for (size_t k = 0; k == 0 || k < p->depth; k += ROW_DEPTH) {
        part.k0 = p->k0 + k;
        part.depth = gemm_least(ROW_DEPTH, p->depth - k);
        for (size_t i = 0; i < ROW_PANELS; i++) {
            size_t n = i * GEMM_COLS;

            g->isa->gemm_widen(q + n * p->depth + k * GEMM_COLS, part.depth,
                               GEMM_COLS, b->zeros + p->n0 + n,
                               b->scales + p->n0 + n, wide + n * part.depth);
        }
        gemm_right_piece(g, &part, wide);
    }
}

/* All columns of a block of depth, whose panels begin at q. */
static void right_block(const struct gemm_right *g, const struct narrow *b,
                        struct columns_piece p, const int8_t *q, float *wide)
{
    while (g->rows == 1 && p.n0 + ROW_COLS <= g->cols) {
        row_piece(g, b, &p, q, wide);
        q += ROW_COLS * p.depth;
        p.n0 += ROW_COLS;
    }
    for (; p.n0 < g->cols; p.n0 += GEMM_COLS) {
        size_t width;

        p.cols = gemm_least(GEMM_COLS, g->cols - p.n0);
        width = gemm_round_up(p.cols, g->isa->width);
        g->isa->gemm_widen(q, p.depth, width, b->zeros + p.n0, b->scales + p.n0,
                           wide);
        gemm_right_piece(g, &p, wide);
        q += width * p.depth;
    }
}

void narrow_right_run(const struct gemm_right *g, const struct narrow *b,
                      float *wide)
{
    size_t deep = gemm_depth(g->depth);
    struct gemm_right part = *g;

    for (size_t i = 0; i < g->rows; i += GEMM_RIGHT_ROWS) {
        struct columns_piece p = {0};
        const int8_t *q = b->q;

        part.rows = gemm_least(GEMM_RIGHT_ROWS, g->rows - i);
        part.a = g->a + i * g->a_row;
        part.c = g->c + i * g->ldc;
        part.post = gemm_post_at(&g->post, i * g->ldc, 0);
        for (; p.k0 == 0 || p.k0 < g->depth; p.k0 += deep) {
            p.depth = gemm_least(deep, g->depth - p.k0);
            right_block(&part, b, p, q, wide);
            q += gemm_right_floats(g->isa, p.depth, g->cols);
        }
    }
}
