/* The tiles of qgemm.h; a body, see simd.h. */
#include "kernels/gemm_block.h"
#include "kernels/qgemm.h"
#include "kernels/simd.h"

#define QTILE_VECS (GEMM_COLS / SIMD_WIDTH)

typedef int16_t vs __attribute__((vector_size(SIMD_BYTES)));

/* Lane by lane, of two pairs of int16: the sum of both products. */
SIMD_FN vi vi_madd(vi a, vi b)
{
#if defined(SIMD_AVX2)
    return (vi)__builtin_ia32_pmaddwd256((vs)a, (vs)b);
#elif defined(__SSE2__)
    return (vi)__builtin_ia32_pmaddwd128((vs)a, (vs)b);
#else
    return ((a << 16) >> 16) * ((b << 16) >> 16) + (a >> 16) * (b >> 16);
#endif
}

/* A panel of 8-bit weights as 16-bit ones without their zero points, which
 * mostly are the same for all rows. */
SIMD_FN void qtile_widen(const struct qgemm_block *g, const int8_t *a,
                         size_t row, size_t mr, int16_t *to)
{
    const int16_t *zero = g->zero + row;
    size_t n = 2 * mr * g->pairs;
    bool same = true;

    for (size_t i = 1; i < mr; i++) {
        same = same && zero[i] == zero[0];
    }
    if (same) {
        int16_t z = zero[0];

        for (size_t i = 0; i < n; i++) {
            to[i] = (int16_t)(a[i] - z);
        }
        return;
    }
    for (size_t i = 0; i < n; i++) {
        to[i] = (int16_t)(a[i] - zero[i / 2 % mr]);
    }
}

SIMD_FN void qtile_run(const struct qgemm_block *g, const int16_t *a,
                       const int16_t *b, int32_t *c, size_t mr, size_t cols)
{
    vi acc[GEMM_ROWS][QTILE_VECS];
    int32_t edge[GEMM_COLS] = {0};

    SIMD_UNROLL
    for (size_t i = 0; i < mr; i++) {
        if (cols < GEMM_COLS && !g->first) {
            memcpy(edge, c + i * g->cols, cols * sizeof(int32_t));
        }
        SIMD_UNROLL
        for (size_t j = 0; j < QTILE_VECS; j++) {
            const int32_t *from = cols < GEMM_COLS ? edge : c + i * g->cols;

            acc[i][j] = g->first ? vi_splat(0) : vi_load(from + j * SIMD_WIDTH);
        }
    }
    for (size_t k = 0; k < g->pairs; k++) {
        vi bv[QTILE_VECS];

        SIMD_UNROLL
        for (size_t j = 0; j < QTILE_VECS; j++) {
            bv[j] = *(const vi_any *)(b + 2 * j * SIMD_WIDTH);
        }
        SIMD_UNROLL
        for (size_t i = 0; i < mr; i++) {
            int32_t pair;
            vi av;

            memcpy(&pair, a + 2 * i, sizeof(pair));
            av = vi_splat(pair);
            SIMD_UNROLL
            for (size_t j = 0; j < QTILE_VECS; j++) {
                acc[i][j] += vi_madd(av, bv[j]);
            }
        }
        a += 2 * mr;
        b += 2 * GEMM_COLS;
    }
    SIMD_UNROLL
    for (size_t i = 0; i < mr; i++) {
        int32_t *to = cols < GEMM_COLS ? edge : c + i * g->cols;

        SIMD_UNROLL
        for (size_t j = 0; j < QTILE_VECS; j++) {
            vi_store(to + j * SIMD_WIDTH, acc[i][j]);
        }
        if (cols < GEMM_COLS) {
            memcpy(c + i * g->cols, edge, cols * sizeof(int32_t));
        }
    }
}

SIMD_FN void qtile_panel(const struct qgemm_block *g, const int8_t *a,
                         size_t row, size_t mr)
{
    int16_t wide[2 * GEMM_ROWS * QGEMM_PAIRS_MAX];
    const int16_t *b = g->b;

    qtile_widen(g, a, row, mr, wide);
    for (size_t col = 0; col < g->cols; col += GEMM_COLS) {
        size_t left = g->cols - col;

        qtile_run(g, wide, b, g->c + row * g->cols + col, mr,
                  left < GEMM_COLS ? left : GEMM_COLS);
        b += 2 * GEMM_COLS * g->pairs;
    }
}

static void qgemm_left(const struct qgemm_block *g)
{
    const int8_t *a = g->a;
    size_t row = 0;

    for (size_t i = 0; i < gemm_panels(g->rows); i++) {
        size_t mr = gemm_panel_rows(g->rows, i);

        switch (mr) {
        case 1: qtile_panel(g, a, row, 1); break;
        case 2: qtile_panel(g, a, row, 2); break;
        case 3: qtile_panel(g, a, row, 3); break;
        case 4: qtile_panel(g, a, row, 4); break;
        case 5: qtile_panel(g, a, row, 5); break;
        default: qtile_panel(g, a, row, GEMM_ROWS); break;
        }
        row += mr;
        a += 2 * mr * g->pairs;
    }
}
