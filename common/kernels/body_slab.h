/* The slabs of taps.h; a body, see simd.h. What is padding in every slab has
 * been written by taps_begin(): columns before and behind a row. Rows alone
 * may be padding in one slab and data in the next. */
#ifndef EDGE_KERNELS_BODY_SLAB_H
#define EDGE_KERNELS_BODY_SLAB_H

#include "kernels/simd.h"
#include "kernels/taps.h"

/* By value, see struct taps_column. */
struct slab {
    size_t in;    /* floats of a row of x */
    size_t whole; /* of those, in whole vectors (pairs of them at stride 2) */
    size_t stride;
    size_t before; /* padding before a row */
    size_t used;
    size_t pitch;
    vf pad;
    vi even; /* lanes of the last vector of a row (of even columns) */
    vi odd;
};

SIMD_FN vi slab_lanes(size_t n)
{
    return (vi)SIMD_IOTA < vi_splat((int32_t)n);
}

SIMD_FN struct slab slab_of(const struct taps *t, float pad)
{
    const struct grid *g = &t->grid;
    bool pairs = g->stride[2] == 2;
    size_t whole = g->in[2] - g->in[2] % (pairs ? 2 * SIMD_WIDTH : SIMD_WIDTH);
    size_t left = g->in[2] - whole;

    return (struct slab){
        .in = g->in[2],
        .whole = whole,
        .stride = g->stride[2],
        .before = g->pad[2],
        .used = t->used,
        .pitch = t->pitch,
        .pad = vf_splat(pad),
        .even = slab_lanes(pairs ? (left + 1) / 2 : left),
        .odd = slab_lanes(left / 2),
    };
}

/* `readable` floats may be read from x on, of which the row are the first. */
SIMD_FN void slab_row_1(struct slab s, const float *x, size_t readable,
                        float *to)
{
    size_t left = s.in - s.whole;

    to += s.before;
    for (size_t i = 0; i < s.whole; i += SIMD_WIDTH) {
        vf_store(to + i, vf_load(x + i));
    }
    if (left > 0) {
        vf v = readable >= s.whole + SIMD_WIDTH
                   ? vf_load(x + s.whole)
                   : vf_load_some(x + s.whole, left);

        vf_store(to + s.whole, vf_select(s.even, v, s.pad));
    }
}

/* Even and odd columns apart. */
SIMD_FN void slab_row_2(struct slab s, const float *x, size_t readable,
                        float *to)
{
    float *even = to + s.before % 2 * s.pitch + s.before / 2;
    float *odd = to + (s.before + 1) % 2 * s.pitch + (s.before + 1) / 2;
    size_t left = s.in - s.whole;
    size_t half = s.whole / 2;

    for (size_t i = 0; i < half; i += SIMD_WIDTH) {
        vf a = vf_load(x + 2 * i);
        vf b = vf_load(x + 2 * i + SIMD_WIDTH);

        vf_store(even + i, vf_even(a, b));
        vf_store(odd + i, vf_odd(a, b));
    }
    if (left > 0) {
        bool whole = readable >= s.whole + 2 * SIMD_WIDTH;
        size_t second = left > SIMD_WIDTH ? left - SIMD_WIDTH : 0;
        vf a = whole ? vf_load(x + s.whole) : vf_load_some(x + s.whole, left);
        vf b = whole ? vf_load(x + s.whole + SIMD_WIDTH)
                     : vf_load_some(x + s.whole + SIMD_WIDTH, second);

        vf_store(even + half, vf_select(s.even, vf_even(a, b), s.pad));
        vf_store(odd + half, vf_select(s.odd, vf_odd(a, b), s.pad));
    }
}

/* Any other stride, phase by phase. */
SIMD_FN void slab_row_any(struct slab s, const float *x, float *to)
{
    for (size_t i = 0; i < s.in; i++) {
        size_t at = s.before + i;

        if (at / s.stride < s.used) {
            to[at % s.stride * s.pitch + at / s.stride] = x[i];
        }
    }
}

SIMD_FN void slab_fill(struct slab s, float *to, size_t n)
{
    for (size_t i = 0; i < n; i += SIMD_WIDTH) {
        vf_store(to + i, s.pad);
    }
}

SIMD_FN void slab_plane(const struct taps *t, struct slab s, const float *plane,
                        size_t oh, float *to)
{
    const struct grid *g = &t->grid;
    size_t row = t->row;
    size_t rows = t->plane / row;
    size_t in_rows = g->in[1];
    size_t h = oh * g->stride[1] - g->pad[1];

    for (size_t r = 0; r < rows; r++, to += row, h++) {
        size_t readable = (in_rows - h) * s.in;
        const float *x = plane + h * s.in;

        if (h >= in_rows) { /* before 0, it wraps */
            slab_fill(s, to, row);
        } else if (s.stride == 1) {
            slab_row_1(s, x, readable, to);
        } else if (s.stride == 2) {
            slab_row_2(s, x, readable, to);
        } else {
            slab_row_any(s, x, to);
        }
    }
}

/* The rows of x that output rows from oh on, of depth od, read. */
static void slab_band(const struct taps *t, const float *x, size_t od,
                      size_t oh, float *slab, float pad)
{
    const struct grid *g = &t->grid;
    struct slab s = slab_of(t, pad);

    for (size_t k = 0; k < g->kernel[0]; k++, slab += t->plane) {
        size_t d = od * g->stride[0] + k * g->dilation[0] - g->pad[0];

        if (d < g->in[0]) {
            slab_plane(t, s, x + d * g->in[1] * g->in[2], oh, slab);
        } else {
            slab_fill(s, slab, t->plane);
        }
    }
}

#endif
