/* The loops of lanes.h; a body, see simd.h. */
#include "kernels/gemm_block.h"
#include "kernels/lanes.h"
#include "kernels/simd.h"

#define LANES_VECS (GEMM_COLS / SIMD_WIDTH)

/* ---- products ------------------------------------------------------------ */

/* mr rows by nv vectors of lanes; both are constants where it is inlined. */
SIMD_FN void lanes_tile(const struct lanes_block *g, const float *a,
                        const float *b, float *c, size_t mr, size_t nv)
{
    vf acc[GEMM_ROWS][LANES_VECS];
    const struct lanes_tap *taps = g->taps;
    size_t n_taps = g->n_taps;
    size_t a_row = g->a_row;
    size_t a_channel = g->a_channel;
    size_t b_channel = g->b_channel;

    SIMD_UNROLL
    for (size_t i = 0; i < mr; i++) {
        SIMD_UNROLL
        for (size_t j = 0; j < nv; j++) {
            const float *at = c + i * g->c_row + j * SIMD_WIDTH;

            acc[i][j] = g->first ? vf_splat(0) : vf_load(at);
        }
    }
    for (size_t k = g->channels; k > 0; k--, a += a_channel, b += b_channel) {
        for (size_t t = 0; t < n_taps; t++) {
            const float *at = a + taps[t].weight;
            const float *from = b + taps[t].at;
            vf bv[LANES_VECS];

            SIMD_UNROLL
            for (size_t j = 0; j < nv; j++) {
                bv[j] = vf_load(from + j * SIMD_WIDTH);
            }
            SIMD_UNROLL
            for (size_t i = 0; i < mr; i++) {
                vf av = vf_splat(at[i * a_row]);

                SIMD_UNROLL
                for (size_t j = 0; j < nv; j++) {
                    acc[i][j] += av * bv[j];
                }
            }
        }
    }
    SIMD_UNROLL
    for (size_t i = 0; i < mr; i++) {
        SIMD_UNROLL
        for (size_t j = 0; j < nv; j++) {
            vf_store(c + i * g->c_row + j * SIMD_WIDTH, acc[i][j]);
        }
    }
}

SIMD_FN void lanes_panel(const struct lanes_block *g, size_t row, size_t mr)
{
    const float *a = g->a + row * g->a_row;
    float *c = g->c + row * g->c_row;
    size_t lane = 0;

    for (; lane + GEMM_COLS <= g->lanes; lane += GEMM_COLS) {
        lanes_tile(g, a, g->b + lane, c + lane, mr, LANES_VECS);
    }
    for (; lane < g->lanes; lane += LANES_EACH) {
        lanes_tile(g, a, g->b + lane, c + lane, mr, LANES_EACH / SIMD_WIDTH);
    }
}

static void lanes_block(const struct lanes_block *g)
{
    size_t row = 0;

    for (size_t i = 0; i < gemm_panels(g->rows); i++) {
        size_t mr = gemm_panel_rows(g->rows, i);

        switch (mr) {
        case 1: lanes_panel(g, row, 1); break;
        case 2: lanes_panel(g, row, 2); break;
        case 3: lanes_panel(g, row, 3); break;
        case 4: lanes_panel(g, row, 4); break;
        case 5: lanes_panel(g, row, 5); break;
        default: lanes_panel(g, row, GEMM_ROWS); break;
        }
        row += mr;
    }
}

/* ---- sums ---------------------------------------------------------------- */

/* mr channels by nv vectors of outputs. */
SIMD_FN void sum_tile(const struct lanes_sum *s, size_t mr, size_t nv)
{
    vf acc[GEMM_ROWS][LANES_VECS];
    size_t x_row = s->x_row;

    SIMD_UNROLL
    for (size_t i = 0; i < mr; i++) {
        SIMD_UNROLL
        for (size_t j = 0; j < nv; j++) {
            const float *at = s->c + i * s->c_row + j * SIMD_WIDTH;

            acc[i][j] = s->first ? vf_splat(0) : vf_load(at);
        }
    }
    for (size_t p = 0; p < s->n_pieces; p++) {
        const float *x = s->x + s->pieces[p].x;
        const float *dy = s->dy + s->pieces[p].dy * nv * SIMD_WIDTH;

        for (size_t n = s->pieces[p].n; n > 0; n--) {
            vf dv[LANES_VECS];

            SIMD_UNROLL
            for (size_t j = 0; j < nv; j++) {
                dv[j] = vf_load(dy + j * SIMD_WIDTH);
            }
            SIMD_UNROLL
            for (size_t i = 0; i < mr; i++) {
                vf xv = vf_splat(x[i * x_row]);

                SIMD_UNROLL
                for (size_t j = 0; j < nv; j++) {
                    acc[i][j] += xv * dv[j];
                }
            }
            x++;
            dy += nv * SIMD_WIDTH;
        }
    }
    SIMD_UNROLL
    for (size_t i = 0; i < mr; i++) {
        SIMD_UNROLL
        for (size_t j = 0; j < nv; j++) {
            vf_store(s->c + i * s->c_row + j * SIMD_WIDTH, acc[i][j]);
        }
    }
}

SIMD_FN void sum_rows(const struct lanes_sum *s, size_t nv)
{
    switch (s->rows) {
    case 1: sum_tile(s, 1, nv); break;
    case 2: sum_tile(s, 2, nv); break;
    case 3: sum_tile(s, 3, nv); break;
    case 4: sum_tile(s, 4, nv); break;
    case 5: sum_tile(s, 5, nv); break;
    default: sum_tile(s, GEMM_ROWS, nv); break;
    }
}

static void lanes_sum(const struct lanes_sum *s)
{
    if (s->cols == GEMM_COLS) {
        sum_rows(s, LANES_VECS);
    } else {
        sum_rows(s, LANES_EACH / SIMD_WIDTH);
    }
}

/* ---- turning ------------------------------------------------------------- */

/* A vector's width of rows, in place. */
SIMD_FN void vf_turn(vf r[SIMD_WIDTH])
{
    vf t[SIMD_WIDTH];

#if SIMD_WIDTH == 8
    vf u[SIMD_WIDTH];

    SIMD_UNROLL
    for (size_t i = 0; i < 8; i += 2) {
        t[i] =
            __builtin_shufflevector(r[i], r[i + 1], 0, 8, 1, 9, 4, 12, 5, 13);
        t[i + 1] =
            __builtin_shufflevector(r[i], r[i + 1], 2, 10, 3, 11, 6, 14, 7, 15);
    }
    SIMD_UNROLL
    for (size_t i = 0; i < 8; i += 4) {
        SIMD_UNROLL
        for (size_t k = 0; k < 2; k++) {
            vf low = t[i + k];
            vf high = t[i + k + 2];

            u[i + 2 * k] =
                __builtin_shufflevector(low, high, 0, 1, 8, 9, 4, 5, 12, 13);
            u[i + 2 * k + 1] =
                __builtin_shufflevector(low, high, 2, 3, 10, 11, 6, 7, 14, 15);
        }
    }
    SIMD_UNROLL
    for (size_t i = 0; i < 4; i++) {
        r[i] =
            __builtin_shufflevector(u[i], u[i + 4], 0, 1, 2, 3, 8, 9, 10, 11);
        r[i + 4] =
            __builtin_shufflevector(u[i], u[i + 4], 4, 5, 6, 7, 12, 13, 14, 15);
    }
#else
    SIMD_UNROLL
    for (size_t i = 0; i < 2; i++) {
        t[i] = __builtin_shufflevector(r[2 * i], r[2 * i + 1], 0, 4, 1, 5);
        t[i + 2] = __builtin_shufflevector(r[2 * i], r[2 * i + 1], 2, 6, 3, 7);
    }
    SIMD_UNROLL
    for (size_t i = 0; i < 2; i++) {
        r[2 * i] = __builtin_shufflevector(t[2 * i], t[2 * i + 1], 0, 1, 4, 5);
        r[2 * i + 1] =
            __builtin_shufflevector(t[2 * i], t[2 * i + 1], 2, 3, 6, 7);
    }
#endif
}

SIMD_FN void turn_square(const float *from, size_t from_row, float *to,
                         size_t to_row)
{
    vf r[SIMD_WIDTH];

    SIMD_UNROLL
    for (size_t i = 0; i < SIMD_WIDTH; i++) {
        r[i] = vf_load(from + i * from_row);
    }
    vf_turn(r);
    SIMD_UNROLL
    for (size_t i = 0; i < SIMD_WIDTH; i++) {
        vf_store(to + i * to_row, r[i]);
    }
}

/* What is left of squares, one by one. */
static void turn_each(const float *from, size_t from_row, size_t rows,
                      size_t cols, float *to, size_t to_row)
{
    for (size_t j = 0; j < cols; j++) {
        for (size_t i = 0; i < rows; i++) {
            to[j * to_row + i] = from[i * from_row + j];
        }
    }
}

static void lanes_turn(const float *from, size_t from_row, size_t rows,
                       size_t cols, float *to, size_t to_row)
{
    size_t row = 0;
    size_t col;

    for (; row + SIMD_WIDTH <= rows; row += SIMD_WIDTH) {
        const float *line = from + row * from_row;

        for (col = 0; col + SIMD_WIDTH <= cols; col += SIMD_WIDTH) {
            turn_square(line + col, from_row, to + col * to_row + row, to_row);
        }
        turn_each(line + col, from_row, SIMD_WIDTH, cols - col,
                  to + col * to_row + row, to_row);
    }
    turn_each(from + row * from_row, from_row, rows - row, cols, to + row,
              to_row);
}

#define LANES_LOOPS                                                 \
    {                                                               \
        .block = lanes_block, .sum = lanes_sum, .turn = lanes_turn, \
    }
