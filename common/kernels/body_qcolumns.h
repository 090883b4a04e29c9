/* Pieces of the im2col matrix of bytes, widened, into the panels of qgemm.h;
 * a body, see simd.h. */
#include "kernels/qgemm.h"
#include "kernels/simd.h"

/* A line of widened bytes, and what is taken off them: padding is 0. */
struct qline {
    int32_t zero;
    int16_t at[COLUMNS_MAX];
};

SIMD_FN void qline_zeros(void *line, size_t at, size_t n)
{
    memset(((struct qline *)line)->at + at, 0, n * sizeof(int16_t));
}

#define QLINE_COPY(suffix, type)                                           \
    SIMD_FN void qline_copy_##suffix(void *line, size_t at, const void *x, \
                                     size_t from, size_t n, size_t stride) \
    {                                                                      \
        int16_t zero = (int16_t)((struct qline *)line)->zero;              \
        int16_t *to = ((struct qline *)line)->at + at;                     \
        const type *b = (const type *)x + from;                            \
                                                                           \
        if (stride == 1) {                                                 \
            for (size_t i = 0; i < n; i++) {                               \
                to[i] = (int16_t)(b[i] - zero);                            \
            }                                                              \
            return;                                                        \
        }                                                                  \
        for (size_t i = 0; i < n; i++) {                                   \
            to[i] = (int16_t)(b[i * stride] - zero);                       \
        }                                                                  \
    }

QLINE_COPY(u8, uint8_t)
QLINE_COPY(i8, int8_t)

/* Two rows as one row of pairs, dealt out to panels of `pairs` of them. */
SIMD_FN void qgemm_deal(const int16_t *even, const int16_t *odd, size_t cols,
                        size_t pairs, size_t k, int16_t *panels)
{
    for (size_t col = 0; col < cols; col += GEMM_COLS) {
        size_t n = cols - col < GEMM_COLS ? cols - col : GEMM_COLS;
        int16_t *to = panels + 2 * (col * pairs + k * GEMM_COLS);

        for (size_t j = 0; j < n; j++) {
            to[2 * j] = even[col + j];
            to[2 * j + 1] = odd[col + j];
        }
        for (size_t j = n; j < GEMM_COLS; j++) {
            to[2 * j] = 0;
            to[2 * j + 1] = 0;
        }
    }
}

SIMD_FN void qcolumns_any(const struct grid *g, const void *x, int32_t zero,
                          const struct columns_piece *p, int16_t *panels,
                          struct line_kind kind)
{
    struct qline lines[2] = {{.zero = zero}, {.zero = zero}};
    struct grid_tap first = grid_tap(g, p->k0 % grid_taps(g));
    struct walk at = walk_to(g, p->n0);
    const char *plane = x;

    plane += p->k0 / grid_taps(g) * grid_in(g);
    for (size_t i = 0; i < p->depth; i++) {
        column_row(g, plane, first.tap, at, p->cols, &lines[i % 2], kind);
        if (i % 2 == 0 && i + 1 == p->depth) {
            qline_zeros(&lines[1], 0, p->cols);
        }
        if (i % 2 == 1 || i + 1 == p->depth) {
            qgemm_deal(lines[0].at, lines[1].at, p->cols, (p->depth + 1) / 2,
                       i / 2, panels);
        }
        if (next_tap(g, first.tap)) {
            plane += grid_in(g);
        }
    }
}

static void qcolumns_fill(const struct grid *g, const struct qgemm_bytes *x,
                          const struct columns_piece *p, int16_t *panels)
{
    static const struct line_kind u8 = {qline_zeros, qline_copy_u8};
    static const struct line_kind i8 = {qline_zeros, qline_copy_i8};

    if (x->is_signed) {
        qcolumns_any(g, x->data, x->zero, p, panels, i8);
    } else {
        qcolumns_any(g, x->data, x->zero, p, panels, u8);
    }
}

/* The transpose of a matrix: row k of the piece is column k of x, whose rows
 * are `row` bytes apart. */
static void qturned_fill(const struct qgemm_bytes *x, size_t row,
                         const struct columns_piece *p, int16_t *panels)
{
    size_t pairs = (p->depth + 1) / 2;
    size_t wide = (p->cols + GEMM_COLS - 1) / GEMM_COLS * GEMM_COLS;
    int16_t zero = (int16_t)x->zero;

    memset(panels, 0, 2 * wide * pairs * sizeof(int16_t));
    for (size_t n = 0; n < p->cols; n++) {
        size_t at = (p->n0 + n) * row + p->k0;
        int16_t *to =
            panels + 2 * (n / GEMM_COLS * GEMM_COLS * pairs + n % GEMM_COLS);

        for (size_t k = 0; k < p->depth; k++) {
            int16_t v = x->is_signed ? ((const int8_t *)x->data)[at + k]
                                     : ((const uint8_t *)x->data)[at + k];

            to[k / 2 * 2 * GEMM_COLS + k % 2] = (int16_t)(v - zero);
        }
    }
}
