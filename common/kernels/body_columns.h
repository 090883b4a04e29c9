/* Pieces of the im2col matrix, straight into packed panels; a body, see
 * simd.h. */
#include "kernels/columns.h"
#include "kernels/simd.h"

/* n floats, stride apart; may write a vector beyond the end of `to`. */
SIMD_FN void copy_strided(float *to, const float *from, size_t n, size_t stride)
{
    size_t i = 0;

    if (stride == 1) {
        for (; i + SIMD_WIDTH <= n; i += SIMD_WIDTH) {
            vf_store(to + i, vf_load(from + i));
        }
        if (i < n) {
            vf_store(to + i, vf_load_some(from + i, n - i));
        }
        return;
    }
    if (stride == 2) {
        for (; i + SIMD_WIDTH < n; i += SIMD_WIDTH) {
            vf_store(to + i, vf_even(vf_load(from + 2 * i),
                                     vf_load(from + 2 * i + SIMD_WIDTH)));
        }
    }
    for (; i < n; i++) {
        to[i] = from[i * stride];
    }
}

SIMD_FN void fill_zero(float *to, size_t n)
{
    for (size_t i = 0; i < n; i += SIMD_WIDTH) {
        vf_store(to + i, vf_splat(0));
    }
}

/* Where the walk over output positions is. */
struct walk {
    size_t pos[GRID_AXES];
};

SIMD_FN void walk_row(const struct grid *w, struct walk *at)
{
    at->pos[2] = 0;
    if (++at->pos[1] == w->out[1]) {
        at->pos[1] = 0;
        at->pos[0]++;
    }
}

/* How one kind of element goes into a line: n zeros, or n elements of x from
 * `from`, `stride` apart. */
struct line_kind {
    void (*zeros)(void *line, size_t at, size_t n);
    void (*copy)(void *line, size_t at, const void *x, size_t from, size_t n,
                 size_t stride);
};

/* One row of the matrix: a tap of plane x at `cols` output positions. `kind`
 * is a constant where this is inlined. */
SIMD_FN void column_row(const struct grid *g, const void *x,
                        const size_t tap[GRID_AXES], struct walk at,
                        size_t cols, void *line, struct line_kind kind)
{
    struct grid_tap t = grid_tap_at(g, tap);
    size_t done = 0;

    while (done < cols) {
        size_t row = g->out[2] - at.pos[2];
        size_t n = row < cols - done ? row : cols - done;
        size_t end = at.pos[2] + n;
        size_t lo = t.from[2] > at.pos[2] ? t.from[2] : at.pos[2];
        size_t hi = t.to[2] < end ? t.to[2] : end;

        if (at.pos[0] < t.from[0] || at.pos[0] >= t.to[0] ||
            at.pos[1] < t.from[1] || at.pos[1] >= t.to[1] || lo >= hi) {
            kind.zeros(line, done, n);
        } else {
            size_t from = grid_element(g, &t, at.pos[0], at.pos[1], lo);

            kind.zeros(line, done, lo - at.pos[2]);
            kind.copy(line, done + lo - at.pos[2], x, from, hi - lo,
                      g->stride[2]);
            kind.zeros(line, done + hi - at.pos[2], end - hi);
        }
        done += n;
        walk_row(g, &at);
    }
}

SIMD_FN void float_zeros(void *line, size_t at, size_t n)
{
    fill_zero((float *)line + at, n);
}

SIMD_FN void float_copy(void *line, size_t at, const void *x, size_t from,
                        size_t n, size_t stride)
{
    copy_strided((float *)line + at, (const float *)x + from, n, stride);
}

/* Goes on to the next tap; true: of the next channel. */
SIMD_FN bool next_tap(const struct grid *g, size_t tap[GRID_AXES])
{
    for (int a = GRID_AXES - 1; a >= 0; a--) {
        if (++tap[a] < g->kernel[a]) {
            return false;
        }
        tap[a] = 0;
    }
    return true;
}

SIMD_FN struct walk walk_to(const struct grid *g, size_t n)
{
    return (struct walk){
        {n / g->out[2] / g->out[1], n / g->out[2] % g->out[1], n % g->out[2]}};
}

static void columns_fill(const struct grid *g, const float *x,
                         const struct columns_piece *p, float *panels)
{
    static const struct line_kind kind = {float_zeros, float_copy};
    float line[COLUMNS_MAX + SIMD_WIDTH];
    struct grid_tap first = grid_tap(g, p->k0 % grid_taps(g));
    struct walk at = walk_to(g, p->n0);

    x += p->k0 / grid_taps(g) * grid_in(g);
    for (size_t i = 0; i < p->depth; i++) {
        column_row(g, x, first.tap, at, p->cols, line, kind);
        gemm_deal(line, p->cols, p->depth, i, panels);
        if (next_tap(g, first.tap)) {
            x += grid_in(g);
        }
    }
}

/* The same rows as they are, `pitch` floats apart, which is at least a vector
 * more than a row has. */
static void columns_lines(const struct grid *g, const float *x,
                          const struct columns_piece *p, float *lines,
                          size_t pitch)
{
    static const struct line_kind kind = {float_zeros, float_copy};
    struct grid_tap first = grid_tap(g, p->k0 % grid_taps(g));
    struct walk at = walk_to(g, p->n0);

    x += p->k0 / grid_taps(g) * grid_in(g);
    for (size_t i = 0; i < p->depth; i++, lines += pitch) {
        column_row(g, x, first.tap, at, p->cols, lines, kind);
        if (next_tap(g, first.tap)) {
            x += grid_in(g);
        }
    }
}
