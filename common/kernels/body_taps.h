/* The passes of taps.h; a body, see simd.h. */
#include "kernels/body_slab.h"
#include "kernels/simd.h"
#include "kernels/taps.h"

#define TAPS_GROUP 8 /* rows of outputs at once */

SIMD_FN vf taps_step(enum taps_kind kind, vf acc, vf weight, vf x)
{
    switch (kind) {
    case TAPS_PRODUCT: return acc + weight * x;
    case TAPS_MAX: return vf_at_least(acc, x);
    default: return acc + x;
    }
}

/* Some rows of outputs, at most a vector wide, and their slab. It is passed by
 * value, in registers: a store of a float could change anything in memory, as
 * far as the compiler knows. */
struct taps_column {
    const float *slab; /* the first tap of the first output */
    size_t row;        /* from one row of the slab to the next */
    size_t stride;     /* rows of the slab from one of outputs to the next */
    float *y;
    const float *residual; /* NULL: none */
    size_t out_row;
    size_t lanes;
    size_t rows;
    bool leaky;
    float slope;
    vf bias; /* -0 where there is none, which changes no number */
    vf low;
    vf high;
};

/* Row i of outputs goes out. `plain`, a constant, says that there is neither a
 * residual nor a slope and that the column is a whole vector. */
SIMD_FN void taps_store(struct taps_column c, size_t i, vf v, bool has_post,
                        bool plain)
{
    size_t at = i * c.out_row;
    bool whole = c.lanes >= SIMD_WIDTH;

    if (plain) {
        v = vf_at_most(vf_at_least(v + c.bias, c.low), c.high);
        vf_store(c.y + at, v);
        return;
    }
    if (has_post) {
        v += c.bias;
        if (c.residual != NULL) {
            v += tile_load(c.residual + at, whole, c.lanes);
        }
        if (c.leaky) {
            v = vf_select(v < vf_splat(0), v * c.slope, v);
        } else {
            v = vf_at_most(vf_at_least(v, c.low), c.high);
        }
    }
    if (whole) {
        vf_store(c.y + at, v);
    } else {
        vf_store_some(c.y + at, v, c.lanes);
    }
}

/* Any window: n rows from row `first`, each tap of all of them in turn. n and
 * kind are constants where this is inlined. */
SIMD_FN void taps_group(const struct taps *t, const struct taps_job *job,
                        struct taps_column c, size_t first, size_t n,
                        enum taps_kind kind, const vf *divisors)
{
    const size_t *offset = taps_offsets(job->scratch);
    size_t step = c.row * c.stride;
    const float *base = c.slab + first * step;
    vf acc[TAPS_GROUP];

    SIMD_UNROLL
    for (size_t i = 0; i < n; i++) {
        acc[i] = vf_splat(kind == TAPS_MAX ? -__builtin_inff() : 0);
    }
    for (size_t k = 0; k < t->n_taps; k++) {
        vf weight = vf_splat(kind == TAPS_PRODUCT ? job->weights[k] : 0);
        const float *at = base + offset[k];

        SIMD_UNROLL
        for (size_t i = 0; i < n; i++) {
            acc[i] = taps_step(kind, acc[i], weight, vf_load(at + i * step));
        }
    }
    SIMD_UNROLL
    for (size_t i = 0; i < n; i++) {
        if (kind == TAPS_MEAN) {
            acc[i] /= divisors[i];
        }
        taps_store(c, first + i, acc[i], kind == TAPS_PRODUCT, false);
    }
}

SIMD_FN void taps_groups(const struct taps *t, const struct taps_job *job,
                         struct taps_column c, size_t first, size_t n,
                         enum taps_kind kind, const vf *divisors)
{
    switch (n) {
    case 1: taps_group(t, job, c, first, 1, kind, divisors); break;
    case 2: taps_group(t, job, c, first, 2, kind, divisors); break;
    case 3: taps_group(t, job, c, first, 3, kind, divisors); break;
    case 4: taps_group(t, job, c, first, 4, kind, divisors); break;
    case 5: taps_group(t, job, c, first, 5, kind, divisors); break;
    case 6: taps_group(t, job, c, first, 6, kind, divisors); break;
    case 7: taps_group(t, job, c, first, 7, kind, divisors); break;
    default: taps_group(t, job, c, first, 8, kind, divisors); break;
    }
}

/* A row of 3 taps; `second` is how far the middle one is. */
SIMD_FN vf taps_row(vf acc, const vf *w, const float *at, size_t second,
                    size_t third)
{
    acc += w[0] * vf_load(at);
    acc += w[1] * vf_load(at + second);
    return acc + w[2] * vf_load(at + third);
}

/* 3 x 3 products, down the rows of the slab: a row goes into all outputs that
 * it is part of. */
SIMD_FN void taps_3x3(struct taps_column c, const float *weights, bool plain)
{
    const float *at = c.slab;
    vf zero = vf_splat(0);
    vf w[9];
    vf a; /* the output that the next row finishes */
    vf b; /* the one after it */

    SIMD_UNROLL
    for (size_t k = 0; k < 9; k++) {
        w[k] = vf_splat(weights[k]);
    }
    a = taps_row(zero, w, at, 1, 2);
    at += c.row;
    a = taps_row(a, w + 3, at, 1, 2);
    b = taps_row(zero, w, at, 1, 2);
    at += c.row;
    for (size_t i = 0; i < c.rows; i++, at += c.row) {
        vf n = zero;

        SIMD_UNROLL
        for (size_t k = 0; k < 3; k++) {
            vf x = vf_load(at + k);

            a += w[6 + k] * x;
            b += w[3 + k] * x;
            n += w[k] * x;
        }
        taps_store(c, i, a, true, plain);
        a = b;
        b = n;
    }
}

/* The same at a stride of 2: odd columns are `odd` behind the even ones, and
 * every other row is part of two outputs. */
SIMD_FN void taps_3x3_2(struct taps_column c, const float *weights, size_t odd,
                        bool plain)
{
    const float *at = c.slab;
    vf zero = vf_splat(0);
    vf w[9];
    vf a;

    SIMD_UNROLL
    for (size_t k = 0; k < 9; k++) {
        w[k] = vf_splat(weights[k]);
    }
    a = taps_row(zero, w, at, odd, 1);
    for (size_t i = 0; i < c.rows; i++) {
        vf n;

        at += c.row;
        a = taps_row(a, w + 3, at, odd, 1);
        at += c.row;
        n = zero;
        SIMD_UNROLL
        for (size_t k = 0; k < 3; k++) {
            vf x = vf_load(at + (k == 1 ? odd : k / 2));

            a += w[6 + k] * x;
            n += w[k] * x;
        }
        taps_store(c, i, a, true, plain);
        a = n;
    }
}

/* Whether there is a special way for the window, and done if so. */
SIMD_FN bool taps_special(const struct taps *t, struct taps_column c,
                          const float *weights)
{
    const struct grid *g = &t->grid;
    bool plain = c.residual == NULL && !c.leaky && c.lanes >= SIMD_WIDTH;

    if (g->kernel[0] != 1 || g->kernel[1] != 3 || g->kernel[2] != 3 ||
        g->dilation[1] != 1 || g->dilation[2] != 1 ||
        g->stride[1] != g->stride[2] || g->stride[1] > 2) {
        return false;
    }
    if (g->stride[1] == 1 && plain) {
        taps_3x3(c, weights, true);
    } else if (g->stride[1] == 1) {
        taps_3x3(c, weights, false);
    } else if (plain) {
        taps_3x3_2(c, weights, t->pitch, true);
    } else {
        taps_3x3_2(c, weights, t->pitch, false);
    }
    return true;
}

/* A mean's divisors for n rows of outputs from row oh of depth od. */
SIMD_FN void taps_divide(const struct taps *t, const float *counts, size_t od,
                         size_t oh, size_t n, vf *divisors)
{
    size_t deep = taps_count(t, 0, od);

    for (size_t i = 0; i < n; i++) {
        size_t area = deep * taps_count(t, 1, oh + i);

        divisors[i] = vf_load(counts) * (float)area;
    }
}

/* The column of outputs at `col` of `rows` rows from row oh of depth od. */
SIMD_FN struct taps_column taps_column(const struct taps *t,
                                       const struct taps_job *job, size_t od,
                                       size_t oh, size_t rows, size_t col)
{
    const struct grid *g = &t->grid;
    const struct post *post = &job->post;
    size_t at = (od * g->out[1] + oh) * g->out[2] + col;

    return (struct taps_column){
        .slab = taps_slab(t, job->scratch) + col,
        .row = t->row,
        .stride = g->stride[1],
        .y = job->y + at,
        .residual = post->residual != NULL ? post->residual + at : NULL,
        .out_row = g->out[2],
        .lanes = g->out[2] - col,
        .rows = rows,
        .leaky = post->leaky,
        .slope = post->slope,
        .bias = vf_splat(post->bias != NULL ? *post->bias : -0.0F),
        .low = vf_splat(post->low),
        .high = vf_splat(post->high),
    };
}

/* `rows` rows of outputs from row oh of depth od; their slab is there. */
SIMD_FN void taps_band(const struct taps *t, const struct taps_job *job,
                       size_t od, size_t oh, size_t rows, enum taps_kind kind)
{
    const struct grid *g = &t->grid;
    vf divisors[TAPS_GROUP];

    for (size_t col = 0; col < g->out[2]; col += SIMD_WIDTH) {
        struct taps_column c = taps_column(t, job, od, oh, rows, col);

        if (kind == TAPS_PRODUCT && taps_special(t, c, job->weights)) {
            continue;
        }
        for (size_t r = 0; r < rows; r += TAPS_GROUP) {
            size_t n = rows - r < TAPS_GROUP ? rows - r : TAPS_GROUP;

            if (kind == TAPS_MEAN) {
                taps_divide(t, taps_counts(t, job->scratch) + col, od, oh + r,
                            n, divisors);
            }
            taps_groups(t, job, c, r, n, kind, divisors);
        }
    }
}

SIMD_FN void taps_plane(const struct taps *t, const struct taps_job *job,
                        enum taps_kind kind)
{
    const struct grid *g = &t->grid;
    float *slab = taps_slab(t, job->scratch);
    float pad = taps_padding(kind);

    for (size_t od = 0; od < g->out[0]; od++) {
        for (size_t oh = 0; oh < g->out[1]; oh += t->band) {
            size_t left = g->out[1] - oh;

            slab_band(t, job->x, od, oh, slab, pad);
            taps_band(t, job, od, oh, left < t->band ? left : t->band, kind);
        }
    }
}

static void taps_run(const struct taps *t, const struct taps_job *job)
{
    switch (t->kind) {
    case TAPS_PRODUCT: taps_plane(t, job, TAPS_PRODUCT); break;
    case TAPS_MAX: taps_plane(t, job, TAPS_MAX); break;
    case TAPS_MEAN: taps_plane(t, job, TAPS_MEAN); break;
    }
}
