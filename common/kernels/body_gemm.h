/* The tiles of gemm_block.h; a body, see simd.h. */
#include "kernels/gemm_block.h"
#include "kernels/simd.h"

#define TILE_VECS (GEMM_COLS / SIMD_WIDTH)
#define GEMV_PANELS 4 /* at once, when there is one row */

/* A tile: where its operands and result are, and how wide it is. */
struct tile {
    const float *a; /* element (i, k) at a[i * row + k * step] */
    size_t row;
    size_t step;
    const float *b; /* whole vectors, depth rows of them */
    size_t b_row;   /* from one row to the next; 0: they touch */
    size_t at;      /* of its first element, in c and the residual */
    size_t channel; /* of its first row or column, in the bias */
};

SIMD_FN vf tile_load(const float *p, bool whole, size_t lanes)
{
    return whole ? vf_load(p) : vf_load_some(p, lanes);
}

SIMD_FN vf post_act(vf v, const struct post *post)
{
    if (post->leaky) {
        return vf_select(v < vf_splat(0), v * post->slope, v);
    }
    return vf_at_most(vf_at_least(v, vf_splat(post->low)),
                      vf_splat(post->high));
}

/* What follows the sums `v` of `lanes` columns from `col` of row i. */
SIMD_FN vf tile_post(const struct gemm_block *g, const struct tile *t, size_t i,
                     size_t col, vf v, bool whole, size_t lanes, bool by_row)
{
    if (!g->last) {
        return v;
    }
    if (g->post.bias != NULL) {
        const float *bias = g->post.bias + t->channel;

        v += by_row ? vf_splat(bias[i]) : tile_load(bias + col, whole, lanes);
    }
    if (g->post.residual != NULL) {
        v += tile_load(g->post.residual + t->at + i * g->ldc + col, whole,
                       lanes);
    }
    return post_act(v, &g->post);
}

/* The sums of a tile at the edge of c, whose last vector is not whole, are
 * kept here, rows GEMM_COLS apart. */
static void edge_load(const struct gemm_block *g, const struct tile *t,
                      size_t mr, size_t cols, float *edge)
{
    for (size_t i = 0; i < mr; i++) {
        memcpy(edge + i * GEMM_COLS, g->c + t->at + i * g->ldc,
               cols * sizeof(float));
    }
}

static void edge_store(const struct gemm_block *g, const struct tile *t,
                       size_t mr, size_t cols, const float *edge, bool by_row)
{
    for (size_t i = 0; i < mr; i++) {
        for (size_t j = 0; j < cols; j += SIMD_WIDTH) {
            vf v = vf_load(edge + i * GEMM_COLS + j);

            v = tile_post(g, t, i, j, v, false, cols - j, by_row);
            vf_store_some(g->c + t->at + i * g->ldc + j, v, cols - j);
        }
    }
}

/* mr rows by nv vectors, of which `cols` columns are in c: all if it is 0.
 * mr, nv, whether cols is 0, and by_row are constants where this is
 * inlined. */
SIMD_FN void tile_run(const struct gemm_block *g, const struct tile *t,
                      size_t mr, size_t nv, size_t cols, bool by_row)
{
    vf acc[GEMM_ROWS][TILE_VECS];
    float edge[GEMM_ROWS * GEMM_COLS];
    float *c = cols > 0 ? edge : g->c + t->at;
    size_t ldc = cols > 0 ? GEMM_COLS : g->ldc;
    const float *a = t->a;
    const float *b = t->b;

    if (cols > 0 && !g->first) {
        edge_load(g, t, mr, cols, edge);
    }
    SIMD_UNROLL
    for (size_t i = 0; i < mr; i++) {
        SIMD_UNROLL
        for (size_t j = 0; j < nv; j++) {
            acc[i][j] =
                g->first ? vf_splat(0) : vf_load(c + i * ldc + j * SIMD_WIDTH);
        }
    }
    for (size_t k = 0; k < g->depth; k++) {
        vf bv[TILE_VECS];

        SIMD_UNROLL
        for (size_t j = 0; j < nv; j++) {
            bv[j] = vf_load(b + j * SIMD_WIDTH);
        }
        SIMD_UNROLL
        for (size_t i = 0; i < mr; i++) {
            vf av = vf_splat(a[i * t->row]);

            SIMD_UNROLL
            for (size_t j = 0; j < nv; j++) {
                acc[i][j] += av * bv[j];
            }
        }
        a += t->step;
        b += t->b_row > 0 ? t->b_row : nv * SIMD_WIDTH;
    }
    SIMD_UNROLL
    for (size_t i = 0; i < mr; i++) {
        SIMD_UNROLL
        for (size_t j = 0; j < nv; j++) {
            vf v = acc[i][j];

            if (cols == 0) {
                v = tile_post(g, t, i, j * SIMD_WIDTH, v, true, 0, by_row);
            }
            vf_store(c + i * ldc + j * SIMD_WIDTH, v);
        }
    }
    if (cols > 0) {
        edge_store(g, t, mr, cols, edge, by_row);
    }
}

/* A tile of fewer than GEMM_COLS columns. */
SIMD_FN void tile_cut(const struct gemm_block *g, const struct tile *t,
                      size_t mr, size_t cols, bool by_row)
{
    switch ((cols + SIMD_WIDTH - 1) / SIMD_WIDTH) {
    case 1: tile_run(g, t, mr, 1, cols, by_row); break;
#if TILE_VECS > 2
    case 2: tile_run(g, t, mr, 2, cols, by_row); break;
    case 3: tile_run(g, t, mr, 3, cols, by_row); break;
#endif
    default: tile_run(g, t, mr, TILE_VECS, cols, by_row); break;
    }
}

/* All tiles of a panel of mr rows of a, the first of them `row`. */
SIMD_FN void left_panel(const struct gemm_block *g, const float *a, size_t row,
                        size_t mr)
{
    struct tile t = {.a = a, .row = 1, .step = mr, .b = g->b, .channel = row};
    size_t col = 0;

    if (g->b_row > 0) {
        t.b_row = g->b_row;
        for (; col < g->cols; col += GEMM_COLS) {
            t.at = row * g->ldc + col;
            tile_run(g, &t, mr, TILE_VECS, 0, true);
            t.b += GEMM_COLS;
        }
        return;
    }
    for (; col + GEMM_COLS <= g->cols; col += GEMM_COLS) {
        t.at = row * g->ldc + col;
        tile_run(g, &t, mr, TILE_VECS, 0, true);
        t.b += g->depth * GEMM_COLS;
    }
    if (col < g->cols) {
        t.at = row * g->ldc + col;
        tile_cut(g, &t, mr, g->cols - col, true);
    }
}

static void gemm_left_block(const struct gemm_block *g)
{
    const float *a = g->a;
    size_t row = 0;

    for (size_t i = 0; i < gemm_panels(g->rows); i++) {
        size_t mr = gemm_panel_rows(g->rows, i);

        switch (mr) {
        case 1: left_panel(g, a, row, 1); break;
        case 2: left_panel(g, a, row, 2); break;
        case 3: left_panel(g, a, row, 3); break;
        case 4: left_panel(g, a, row, 4); break;
        case 5: left_panel(g, a, row, 5); break;
        default: left_panel(g, a, row, GEMM_ROWS); break;
        }
        row += mr;
        a += mr * g->depth;
    }
}

/* The tiles of one panel of columns of b, mr rows each. */
SIMD_FN void right_tile(const struct gemm_block *g, const struct tile *t,
                        size_t mr, size_t cols)
{
    if (cols == GEMM_COLS) {
        tile_run(g, t, mr, TILE_VECS, 0, false);
    } else {
        tile_cut(g, t, mr, cols, false);
    }
}

static void right_panel(const struct gemm_block *g, const float *b, size_t col,
                        size_t cols)
{
    struct tile t = {
        .row = g->a_row, .step = g->a_step, .b = b, .channel = col};

    for (size_t row = 0; row < g->rows;) {
        size_t left = g->rows - row;

        t.a = g->a + row * g->a_row;
        t.at = row * g->ldc + col;
        switch (left) {
        case 1: right_tile(g, &t, 1, cols); break;
        case 2: right_tile(g, &t, 2, cols); break;
        case 3: right_tile(g, &t, 3, cols); break;
        case 4: right_tile(g, &t, 4, cols); break;
        case 5: right_tile(g, &t, 5, cols); break;
        default: right_tile(g, &t, GEMM_ROWS, cols); break;
        }
        row += left < GEMM_ROWS ? left : GEMM_ROWS;
    }
}

/* One row, GEMV_PANELS whole panels: bound by the reading of b, of which it
 * has one stream a panel. */
static void gemv_panels(const struct gemm_block *g, const float *b, size_t col)
{
    vf acc[GEMV_PANELS][TILE_VECS];
    size_t panel = g->depth * GEMM_COLS;
    struct tile t = {.channel = col, .at = col};

    SIMD_UNROLL
    for (size_t i = 0; i < GEMV_PANELS; i++) {
        SIMD_UNROLL
        for (size_t j = 0; j < TILE_VECS; j++) {
            const float *c = g->c + col + i * GEMM_COLS + j * SIMD_WIDTH;

            acc[i][j] = g->first ? vf_splat(0) : vf_load(c);
        }
    }
    for (size_t k = 0; k < g->depth; k++) {
        vf av = vf_splat(g->a[k * g->a_step]);

        SIMD_UNROLL
        for (size_t i = 0; i < GEMV_PANELS; i++) {
            const float *row = b + i * panel + k * GEMM_COLS;

            __builtin_prefetch(row + 16 * GEMM_COLS);
            SIMD_UNROLL
            for (size_t j = 0; j < TILE_VECS; j++) {
                acc[i][j] += av * vf_load(row + j * SIMD_WIDTH);
            }
        }
    }
    SIMD_UNROLL
    for (size_t i = 0; i < GEMV_PANELS; i++) {
        SIMD_UNROLL
        for (size_t j = 0; j < TILE_VECS; j++) {
            size_t at = i * GEMM_COLS + j * SIMD_WIDTH;

            vf_store(g->c + col + at,
                     tile_post(g, &t, 0, at, acc[i][j], true, 0, false));
        }
    }
}

static void gemm_right_block(const struct gemm_block *g)
{
    const float *b = g->b;
    size_t col = 0;

    if (g->rows == 1) {
        size_t step = (size_t)GEMV_PANELS * GEMM_COLS;

        for (; col + step <= g->cols; col += step) {
            gemv_panels(g, b, col);
            b += g->depth * step;
        }
    }
    while (col < g->cols) {
        size_t left = g->cols - col;

        right_panel(g, b, col, left < GEMM_COLS ? left : GEMM_COLS);
        b += g->depth * GEMM_COLS;
        col += GEMM_COLS;
    }
}

/* Deals row k of b, `cols` floats, out to panels of `depth` rows; what the
 * last panel's vectors have beyond it is 0. */
static void gemm_deal(const float *row, size_t cols, size_t depth, size_t k,
                      float *panels)
{
    size_t left = cols % GEMM_COLS;
    size_t whole = cols - left;
    float *to = panels + k * GEMM_COLS;

    for (size_t col = 0; col < whole; col += GEMM_COLS) {
        SIMD_UNROLL
        for (size_t j = 0; j < TILE_VECS; j++) {
            vf_store(to + j * SIMD_WIDTH, vf_load(row + j * SIMD_WIDTH));
        }
        row += GEMM_COLS;
        to += depth * GEMM_COLS;
    }
    to = panels + whole * depth +
         k * ((left + SIMD_WIDTH - 1) / SIMD_WIDTH * SIMD_WIDTH);
    for (; left >= SIMD_WIDTH; left -= SIMD_WIDTH) {
        vf_store(to, vf_load(row));
        row += SIMD_WIDTH;
        to += SIMD_WIDTH;
    }
    if (left > 0) {
        vf_store(to, vf_load_some(row, left));
    }
}
