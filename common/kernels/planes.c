#include "kernels/planes.h"

#include "kernels/isa.h"

#include <string.h>

static size_t round_up(size_t n)
{
    return (n + PLANES_LANES - 1) / PLANES_LANES * PLANES_LANES;
}

static size_t larger(size_t a, size_t b)
{
    return a > b ? a : b;
}

bool planes_can(const struct grid *g)
{
    return g->in[0] == 1 && g->out[0] == 1 && g->kernel[0] == 1 &&
           g->pad[0] == 0 && grid_taps(g) <= PLANES_TAPS && grid_out(g) > 0;
}

/* Rows of the padded input that outputs read. */
static size_t rows_read(const struct grid *g)
{
    return (g->out[1] - 1) * g->stride[1] +
           (g->kernel[1] - 1) * g->dilation[1] + 1;
}

void planes_init(struct planes *p, const struct isa *isa,
                 const struct grid *grid)
{
    size_t stride = grid->stride[2];
    size_t weights;
    size_t inputs;

    *p = (struct planes){.isa = isa, .grid = *grid};
    for (size_t k = 0; k < grid->kernel[2]; k++) {
        p->phase[k] = k * grid->dilation[2] % stride;
        p->back[k] = k * grid->dilation[2] / stride;
    }
    p->left = (grid->kernel[2] - 1) * grid->dilation[2] / stride;
    p->pitch = round_up(grid->out[2]);
    p->wide = round_up(p->pitch + p->left);
    p->span = round_up((grid->in[2] + grid->pad[2] + stride - 1) / stride);
    p->deep = round_up(p->left + larger(grid->out[2], p->span));
    weights = rows_read(grid) * stride * p->wide + grid->out[1] * p->pitch;
    inputs = grid->out[1] * p->deep + stride * p->span;
    p->scratch_floats = larger(weights, inputs);
    for (size_t k = 0; k < grid_taps(grid); k++) {
        size_t row = k / grid->kernel[2] * grid->dilation[1];
        size_t along = k % grid->kernel[2];

        p->at[k] = (row * stride + p->phase[along]) * p->wide + p->back[along];
    }
}

/* ---- weights ------------------------------------------------------------- */

/* A padded row whose every `stride`-th element from `phase` on is put to
 * `to`, of which `n` are read. */
static void deal_row(const struct grid *g, const float *row, size_t phase,
                     size_t n, float *to)
{
    size_t stride = g->stride[2];
    size_t pad = g->pad[2];
    size_t first = pad > phase ? (pad - phase + stride - 1) / stride : 0;
    size_t end = pad + g->in[2] > phase
                     ? (pad + g->in[2] - phase + stride - 1) / stride
                     : 0;

    end = end < n ? end : n;
    first = first < end ? first : end;
    memset(to, 0, first * sizeof(*to));
    if (stride == 1) {
        memcpy(to + first, row + first - pad, (end - first) * sizeof(*to));
    } else {
        const float *from = row + (first * stride + phase - pad);

        for (size_t i = first; i < end; i++, from += stride) {
            to[i] = *from;
        }
    }
    memset(to + end, 0, (n - end) * sizeof(*to));
}

static void deal_plane(const struct planes *p, const float *x, float *to)
{
    const struct grid *g = &p->grid;
    size_t rows = rows_read(g);

    for (size_t r = 0; r < rows; r++) {
        size_t at = r - g->pad[1]; /* wraps around in the padding */

        for (size_t phase = 0; phase < g->stride[2]; phase++, to += p->wide) {
            if (at < g->in[1]) {
                deal_row(g, x + at * g->in[2], phase, p->wide, to);
            } else {
                memset(to, 0, p->wide * sizeof(*to));
            }
        }
    }
}

static void pad_rows(const float *from, size_t rows, size_t n, size_t left,
                     size_t pitch, float *to)
{
    for (size_t r = 0; r < rows; r++, from += n, to += pitch) {
        memset(to, 0, left * sizeof(*to));
        memcpy(to + left, from, n * sizeof(*to));
        memset(to + left + n, 0, (pitch - left - n) * sizeof(*to));
    }
}

void planes_weights(const struct planes *p, const float *x, const float *dy,
                    size_t outs, float *dw, float *scratch)
{
    const struct grid *g = &p->grid;
    size_t stride = g->stride[2];
    size_t taps = grid_taps(g);
    float *rows = scratch + rows_read(g) * stride * p->wide;

    deal_plane(p, x, scratch);
    for (size_t o = 0; o < outs; o++) {
        pad_rows(dy + o * grid_out(g), g->out[1], g->out[2], 0, p->pitch, rows);
        p->isa->planes.dots(rows, p->pitch, scratch,
                            g->stride[1] * stride * p->wide, g->out[1],
                            p->pitch, p->at, taps, dw + o * taps);
    }
}

/* ---- inputs -------------------------------------------------------------- */

/* The dealt row of dx at padded row `r`: the taps whose stride meets it. */
static void mix_row(const struct planes *p, const float *rows, const float *w,
                    size_t r, size_t phase, float *to)
{
    const struct grid *g = &p->grid;
    const float *from[PLANES_TAPS];
    float by[PLANES_TAPS];
    size_t n = 0;

    for (size_t kh = 0; kh < g->kernel[1]; kh++) {
        size_t row = r - kh * g->dilation[1]; /* wraps around before 0 */

        if (g->stride[1] > 1) {
            row = row % g->stride[1] == 0 ? row / g->stride[1] : g->out[1];
        }
        if (r < kh * g->dilation[1] || row >= g->out[1]) {
            continue;
        }
        for (size_t kw = 0; kw < g->kernel[2]; kw++) {
            if (p->phase[kw] == phase) {
                from[n] = rows + row * p->deep + p->left - p->back[kw];
                by[n++] = w[kh * g->kernel[2] + kw];
            }
        }
    }
    p->isa->planes.mix(to, p->span, from, by, n);
}

/* What dealt rows hold of a row of dx. */
static void gather_row(const struct planes *p, const float *dealt, float *dx)
{
    const struct grid *g = &p->grid;
    size_t stride = g->stride[2];

    if (stride == 1) {
        memcpy(dx, dealt + g->pad[2], g->in[2] * sizeof(*dx));
        return;
    }
    for (size_t phase = 0; phase < stride; phase++) {
        size_t first = (g->pad[2] + stride - 1 - phase) / stride;
        const float *from = dealt + phase * p->span + first;

        for (size_t i = first * stride + phase - g->pad[2]; i < g->in[2];
             i += stride) {
            dx[i] = *from++;
        }
    }
}

void planes_inputs(const struct planes *p, const float *dy, const float *w,
                   float *dx, float *scratch)
{
    const struct grid *g = &p->grid;
    float *dealt = scratch + g->out[1] * p->deep;

    pad_rows(dy, g->out[1], g->out[2], p->left, p->deep, scratch);
    for (size_t r = 0; r < g->in[1]; r++) {
        for (size_t phase = 0; phase < g->stride[2]; phase++) {
            mix_row(p, scratch, w, r + g->pad[1], phase,
                    dealt + phase * p->span);
        }
        gather_row(p, dealt, dx + r * g->in[2]);
    }
}
