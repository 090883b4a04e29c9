#include "kernels/qgemm.h"

#include "kernels/isa.h"

#define BLOCK_BYTES 163840 /* of the right operand; it stays in L2 */
#define SUM_BYTES 262144   /* of a block's sums */
#define U8_SHIFT 128       /* makes an unsigned byte a signed one */

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

static size_t round_up(size_t n, size_t to)
{
    return (n + to - 1) / to * to;
}

/* Depth of a block, in pairs; the parts are nearly equal, as in gemm.c. */
static size_t pairs_block(size_t depth)
{
    size_t pairs = (depth + 1) / 2;
    size_t parts = (pairs + QGEMM_PAIRS_MAX - 1) / QGEMM_PAIRS_MAX;

    return parts > 0 ? (pairs + parts - 1) / parts : 1;
}

static size_t cols_block(size_t rows, size_t depth)
{
    size_t by_panels = BLOCK_BYTES / (4 * pairs_block(depth));
    size_t by_sums = SUM_BYTES / (4 * (rows > 0 ? rows : 1));
    size_t cols = least(least(by_panels, by_sums), COLUMNS_MAX);

    cols -= cols % GEMM_COLS;
    return cols > 0 ? cols : GEMM_COLS;
}

size_t qgemm_packed_bytes(size_t rows, size_t depth)
{
    return rows * round_up(depth, 2);
}

int16_t qgemm_zero(int32_t zero, bool is_signed)
{
    return (int16_t)(is_signed ? zero : zero - U8_SHIFT);
}

static int8_t byte_at(const struct qgemm_bytes *w, size_t i)
{
    if (w->is_signed) {
        return ((const int8_t *)w->data)[i];
    }
    return (int8_t)(((const uint8_t *)w->data)[i] - U8_SHIFT);
}

void qgemm_pack(const struct qgemm_bytes *w, size_t row, size_t step,
                size_t rows, size_t depth, const int16_t *zero, int8_t *packed)
{
    size_t block = 2 * pairs_block(depth);

    for (size_t k0 = 0; k0 < depth; k0 += block) {
        size_t end = least(k0 + block, round_up(depth, 2));
        size_t first = 0;

        for (size_t p = 0; p < gemm_panels(rows); p++) {
            size_t mr = gemm_panel_rows(rows, p);

            for (size_t k = k0; k < end; k += 2) {
                for (size_t i = first; i < first + mr; i++) {
                    const size_t at = i * row + k * step;

                    /* Its zero point stands for what is beyond the depth. */
                    *packed++ = byte_at(w, at);
                    *packed++ =
                        k + 1 < depth ? byte_at(w, at + step) : (int8_t)zero[i];
                }
            }
            first += mr;
        }
    }
}

size_t qgemm_scratch_bytes(size_t rows, size_t cols, size_t depth)
{
    size_t wide = least(cols_block(rows, depth), round_up(cols, GEMM_COLS));

    return wide * (4 * pairs_block(depth) + 4 * rows);
}

void qgemm_run(const struct qgemm *g)
{
    size_t deep = 2 * pairs_block(g->depth);
    size_t wide = cols_block(g->rows, g->depth);
    int32_t *sum = g->scratch;
    int16_t *panels =
        (void *)(sum + g->rows * least(wide, round_up(g->cols, GEMM_COLS)));

    for (size_t n0 = 0; n0 < g->cols; n0 += wide) {
        struct columns_piece p = {.n0 = n0, .cols = least(wide, g->cols - n0)};
        struct qgemm_block block = {.rows = g->rows,
                                    .cols = p.cols,
                                    .a = g->packed,
                                    .zero = g->zero,
                                    .b = panels,
                                    .c = sum};

        for (; p.k0 == 0 || p.k0 < g->depth; p.k0 += deep) {
            p.depth = least(deep, g->depth - p.k0);
            g->source->fill(g->source, &p, panels);
            block.pairs = (p.depth + 1) / 2;
            block.first = p.k0 == 0;
            g->isa->qgemm_left(&block);
            block.a += g->rows * 2 * block.pairs;
        }
        g->sink->take(g->sink, &p, sum);
    }
}
