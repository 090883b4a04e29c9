/* The loops of norm.h; a body, see simd.h. */
#include "kernels/norm.h"
#include "kernels/simd.h"

#define NORM_ROW 16 /* floats a step: one to each partial sum */

/* n < SIMD_WIDTH floats; the other lanes hold `rest`. */
SIMD_FN vf vf_load_or(const float *p, size_t n, float rest)
{
    vi inside = (vi)SIMD_IOTA < vi_splat((int32_t)n);

    return vf_select(inside, vf_load_some(p, n), vf_splat(rest));
}

/* Vector j of the last, incomplete step; lanes beyond the row hold `rest`. */
SIMD_FN vf norm_tail(const float *p, size_t left, size_t j, float rest)
{
    size_t from = j * SIMD_WIDTH;

    if (left >= from + SIMD_WIDTH) {
        return vf_load(p + from);
    }
    return left > from ? vf_load_or(p + from, left - from, rest)
                       : vf_splat(rest);
}

static float norm_sum(const float *x, size_t n)
{
    vf sums[SIMD_SUMS];
    size_t i = 0;

    for (size_t j = 0; j < SIMD_SUMS; j++) {
        sums[j] = vf_splat(0);
    }
    for (; i + NORM_ROW <= n; i += NORM_ROW) {
        SIMD_UNROLL
        for (size_t j = 0; j < SIMD_SUMS; j++) {
            sums[j] += vf_load(x + i + j * SIMD_WIDTH);
        }
    }
    for (size_t j = 0; j < SIMD_SUMS; j++) {
        sums[j] += norm_tail(x + i, n - i, j, 0);
    }
    return vf_sum16(sums);
}

static float norm_spread(const float *x, size_t n, float mean)
{
    vf sums[SIMD_SUMS];
    size_t i = 0;

    for (size_t j = 0; j < SIMD_SUMS; j++) {
        sums[j] = vf_splat(0);
    }
    for (; i + NORM_ROW <= n; i += NORM_ROW) {
        SIMD_UNROLL
        for (size_t j = 0; j < SIMD_SUMS; j++) {
            vf d = vf_load(x + i + j * SIMD_WIDTH) - mean;

            sums[j] += d * d;
        }
    }
    for (size_t j = 0; j < SIMD_SUMS; j++) {
        vf d = norm_tail(x + i, n - i, j, mean) - mean;

        sums[j] += d * d;
    }
    return vf_sum16(sums);
}

static float norm_dot(const float *a, const float *x, size_t n, float mean)
{
    vf sums[SIMD_SUMS];
    size_t i = 0;

    for (size_t j = 0; j < SIMD_SUMS; j++) {
        sums[j] = vf_splat(0);
    }
    for (; i + NORM_ROW <= n; i += NORM_ROW) {
        SIMD_UNROLL
        for (size_t j = 0; j < SIMD_SUMS; j++) {
            size_t at = i + j * SIMD_WIDTH;

            sums[j] += vf_load(a + at) * (vf_load(x + at) - mean);
        }
    }
    for (size_t j = 0; j < SIMD_SUMS; j++) {
        vf d = norm_tail(x + i, n - i, j, mean) - mean;

        sums[j] += norm_tail(a + i, n - i, j, 0) * d;
    }
    return vf_sum16(sums);
}

static void norm_affine_back(const float *dy, const float *x, float *dx,
                             size_t n, float mean, float part, float slope,
                             float scale)
{
    for (size_t i = 0; i < n; i += SIMD_WIDTH) {
        size_t some = n - i;
        vf d = vf_load_some(x + i, some) - mean;

        vf_store_some(dx + i,
                      (vf_load_some(dy + i, some) - part - d * slope) * scale,
                      some);
    }
}

static float norm_max(const float *x, size_t n)
{
    vf most = vf_splat(-__builtin_inff());
    float m;
    size_t i = 0;

    for (; i + SIMD_WIDTH <= n; i += SIMD_WIDTH) {
        most = vf_at_least(vf_load(x + i), most);
    }
    if (i < n) {
        most = vf_at_least(vf_load_or(x + i, n - i, -__builtin_inff()), most);
    }
    m = most[0];
    for (int j = 1; j < SIMD_WIDTH; j++) {
        m = most[j] > m || most[j] != most[j] ? most[j] : m;
    }
    return m;
}

static void norm_affine(const float *x, float *y, size_t n, float mean,
                        float scale, float shift)
{
    size_t i = 0;

    for (; i + SIMD_WIDTH <= n; i += SIMD_WIDTH) {
        vf_store(y + i, (vf_load(x + i) - mean) * scale + shift);
    }
    if (i < n) {
        vf v = vf_load_some(x + i, n - i);

        vf_store_some(y + i, (v - mean) * scale + shift, n - i);
    }
}

SIMD_FN vf affine_at(const float *x, size_t i, size_t left, float mean,
                     float inverse, const float *scale, const float *shift)
{
    if (left >= SIMD_WIDTH) {
        vf v = (vf_load(x + i) - mean) * inverse * vf_load(scale + i);

        return shift != NULL ? v + vf_load(shift + i) : v;
    } else {
        vf v = (vf_load_some(x + i, left) - mean) * inverse *
               vf_load_some(scale + i, left);

        return shift != NULL ? v + vf_load_some(shift + i, left) : v;
    }
}

static void norm_affine_each(const float *x, float *y, size_t n, float mean,
                             float inverse, const float *scale,
                             const float *shift)
{
    size_t i = 0;

    for (; i + SIMD_WIDTH <= n; i += SIMD_WIDTH) {
        vf_store(y + i,
                 affine_at(x, i, SIMD_WIDTH, mean, inverse, scale, shift));
    }
    if (i < n) {
        vf_store_some(
            y + i, affine_at(x, i, n - i, mean, inverse, scale, shift), n - i);
    }
}

/* y = e^(x - most); returns the sum. */
static float exp_row(const float *x, float *y, size_t n, float most)
{
    vf sums[SIMD_SUMS];
    size_t i = 0;

    for (size_t j = 0; j < SIMD_SUMS; j++) {
        sums[j] = vf_splat(0);
    }
    for (; i + NORM_ROW <= n; i += NORM_ROW) {
        SIMD_UNROLL
        for (size_t j = 0; j < SIMD_SUMS; j++) {
            vf e = vf_exp(vf_load(x + i + j * SIMD_WIDTH) - most);

            vf_store(y + i + j * SIMD_WIDTH, e);
            sums[j] += e;
        }
    }
    for (size_t j = 0; j < SIMD_SUMS; j++, i += SIMD_WIDTH) {
        vf e = vf_exp(
            norm_tail(x + i, n > i ? n - i : 0, 0, -__builtin_inff()) - most);

        sums[j] += e;
        if (i + SIMD_WIDTH <= n) {
            vf_store(y + i, e);
        } else if (i < n) {
            vf_store_some(y + i, e, n - i);
        }
    }
    return vf_sum16(sums);
}

static float log_of(float x)
{
    return vf_log(vf_splat(x))[0];
}

/* y = x / by */
SIMD_FN void divide_row(float *y, size_t n, float by)
{
    size_t i = 0;

    for (; i + SIMD_WIDTH <= n; i += SIMD_WIDTH) {
        vf_store(y + i, vf_load(y + i) / by);
    }
    if (i < n) {
        vf_store_some(y + i, vf_load_some(y + i, n - i) / by, n - i);
    }
}

static void norm_softmax_row(const float *x, float *y, size_t n, bool log)
{
    float most = norm_max(x, n);
    float sum = 0;

    if (!log) {
        sum = exp_row(x, y, n, most);
        divide_row(y, n, sum);
        return;
    }
    for (size_t i = 0; i < n; i += NORM_ROW) { /* y may be x: keep x */
        float e[NORM_ROW];
        size_t left = n - i < NORM_ROW ? n - i : NORM_ROW;

        sum += exp_row(x + i, e, left, most);
    }
    norm_affine(x, y, n, most, 1, -log_of(sum));
}

/* At most SIMD_WIDTH columns of a softmax down the rows. */
SIMD_FN void softmax_columns(const float *x, float *y, size_t n, size_t cols,
                             size_t lanes, bool log)
{
    vf most = vf_splat(-__builtin_inff());
    vf sum = vf_splat(0);

    for (size_t i = 0; i < n; i++) {
        most = vf_at_least(tile_load(x + i * cols, lanes == SIMD_WIDTH, lanes),
                           most);
    }
    for (size_t i = 0; i < n; i++) {
        vf v = tile_load(x + i * cols, lanes == SIMD_WIDTH, lanes);

        sum += vf_exp(v - most);
    }
    for (size_t i = 0; i < n; i++) {
        vf v = tile_load(x + i * cols, lanes == SIMD_WIDTH, lanes) - most;
        vf r = log ? v - vf_log(sum) : vf_exp(v) / sum;

        if (lanes == SIMD_WIDTH) {
            vf_store(y + i * cols, r);
        } else {
            vf_store_some(y + i * cols, r, lanes);
        }
    }
}

static void norm_softmax_down(const float *x, float *y, size_t n, size_t cols,
                              bool log)
{
    size_t c = 0;

    for (; c + SIMD_WIDTH <= cols; c += SIMD_WIDTH) {
        softmax_columns(x + c, y + c, n, cols, SIMD_WIDTH, log);
    }
    if (c < cols) {
        softmax_columns(x + c, y + c, n, cols, cols - c, log);
    }
}

static void norm_lrn(const float *planes, size_t step, size_t first,
                     size_t last, const float *x, float *y, size_t n,
                     float bias, float alpha, float beta)
{
    for (size_t i = 0; i < n; i += SIMD_WIDTH) {
        size_t left = n - i;
        bool whole = left >= SIMD_WIDTH;
        vf sum = vf_splat(0);
        vf v = tile_load(x + i, whole, left);

        for (size_t c = first; c <= last; c++) {
            vf s = tile_load(planes + c * step + i, whole, left);

            sum += s * s;
        }
        v *= vf_exp(vf_log(sum * alpha + bias) * -beta);
        if (whole) {
            vf_store(y + i, v);
        } else {
            vf_store_some(y + i, v, left);
        }
    }
}

#define NORM_LOOPS                                                         \
    {                                                                      \
        .sum = norm_sum, .max = norm_max, .spread = norm_spread,           \
        .affine = norm_affine, .affine_each = norm_affine_each,            \
        .softmax = norm_softmax_row, .softmax_down = norm_softmax_down,    \
        .lrn = norm_lrn, .dot = norm_dot, .affine_back = norm_affine_back, \
    }
