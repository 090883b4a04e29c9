/*
 * Vectors of floats for the kernels' bodies, in GCC's vector extensions.
 *
 * A body (body_*.h) is compiled once for each instruction set by an isa_*.c
 * file, which sets SIMD_WIDTH, the floats of a vector (and SIMD_AVX2): so this
 * header is for those files alone. Lanes never mix in a sum but in vf_sum(),
 * whose order does not depend on the width; so sets that have FMA agree bit for
 * bit.
 */
#ifndef EDGE_KERNELS_SIMD_H
#define EDGE_KERNELS_SIMD_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define SIMD_BYTES (4 * SIMD_WIDTH)
#define SIMD_FN static inline __attribute__((always_inline))

#if defined(__clang__)
#define SIMD_UNROLL _Pragma("clang loop unroll(full)")
#else
#define SIMD_UNROLL _Pragma("GCC unroll 16")
#endif

typedef float vf __attribute__((vector_size(SIMD_BYTES)));
typedef int32_t vi __attribute__((vector_size(SIMD_BYTES)));
typedef char vb __attribute__((vector_size(16)));
typedef int16_t vb_pairs __attribute__((vector_size(16)));
typedef int64_t vb_halves __attribute__((vector_size(16)));
typedef float vf_any
    __attribute__((vector_size(SIMD_BYTES), aligned(4), may_alias));
typedef int32_t vi_any
    __attribute__((vector_size(SIMD_BYTES), aligned(4), may_alias));

SIMD_FN vf vf_load(const float *p)
{
    return *(const vf_any *)p;
}

SIMD_FN void vf_store(float *p, vf v)
{
    *(vf_any *)p = v;
}

/* As many signed bytes as a vector has lanes. gcc converts them one by one
 * unless it is shown how. */
SIMD_FN vf vf_load_bytes(const int8_t *p)
{
#if SIMD_WIDTH == 8
    int64_t whole;
    vb bytes;

    memcpy(&whole, p, sizeof(whole));
    bytes = (vb)(vb_halves){whole, 0};
#if defined(SIMD_AVX2) && !defined(__clang__)
    return __builtin_convertvector((vi)__builtin_ia32_pmovsxbd256(bytes), vf);
#else
    return __builtin_convertvector(
        __builtin_shufflevector(bytes, bytes, 0, 1, 2, 3, 4, 5, 6, 7), vf);
#endif
#else
    int32_t whole;
    vb bytes;
    vb_pairs twice; /* a byte in both halves, then in all quarters of a lane */

    memcpy(&whole, p, sizeof(whole));
    bytes = (vb)(vi){whole, 0, 0, 0};
    twice = (vb_pairs)__builtin_shufflevector(
        bytes, bytes, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
    twice = __builtin_shufflevector(twice, twice, 0, 8, 1, 9, 2, 10, 3, 11);
    return __builtin_convertvector((vi)twice >> 24, vf);
#endif
}

SIMD_FN vi vi_load(const int32_t *p)
{
    return *(const vi_any *)p;
}

SIMD_FN void vi_store(int32_t *p, vi v)
{
    *(vi_any *)p = v;
}

#if SIMD_WIDTH == 8
#define SIMD_EACH(x)           \
    {                          \
        x, x, x, x, x, x, x, x \
    }
#define SIMD_IOTA              \
    {                          \
        0, 1, 2, 3, 4, 5, 6, 7 \
    }
#define SIMD_EVEN 0, 2, 4, 6, 8, 10, 12, 14
#define SIMD_ODD 1, 3, 5, 7, 9, 11, 13, 15
#elif SIMD_WIDTH == 4
#define SIMD_EACH(x) \
    {                \
        x, x, x, x   \
    }
#define SIMD_IOTA  \
    {              \
        0, 1, 2, 3 \
    }
#define SIMD_EVEN 0, 2, 4, 6
#define SIMD_ODD 1, 3, 5, 7
#else
#error "SIMD_WIDTH is 4 or 8"
#endif

SIMD_FN vf vf_splat(float x)
{
    return (vf)SIMD_EACH(x);
}

SIMD_FN vi vi_splat(int32_t x)
{
    return (vi)SIMD_EACH(x);
}

/* Every other one of the floats of a, then b, from the first or second. */
SIMD_FN vf vf_even(vf a, vf b)
{
    return __builtin_shufflevector(a, b, SIMD_EVEN);
}

SIMD_FN vf vf_odd(vf a, vf b)
{
    return __builtin_shufflevector(a, b, SIMD_ODD);
}

/* The first n lanes alone touch memory, all if n is SIMD_WIDTH or more; others
 * load as 0. In pieces, since masked stores are slow on some CPUs. */
SIMD_FN vf vf_load_some(const float *p, size_t n)
{
    float lanes[SIMD_WIDTH] = {0};
    float *to = lanes;

    if (n >= SIMD_WIDTH) {
        return vf_load(p);
    }
#if SIMD_WIDTH == 8
    if (n & 4) {
        memcpy(to, p, 4 * sizeof(float));
        to += 4;
        p += 4;
    }
#endif
    if (n & 2) {
        memcpy(to, p, 2 * sizeof(float));
        to += 2;
        p += 2;
    }
    if (n & 1) {
        *to = *p;
    }
    return vf_load(lanes);
}

SIMD_FN void vf_store_some(float *p, vf v, size_t n)
{
    float lanes[SIMD_WIDTH];

    if (n >= SIMD_WIDTH) {
        vf_store(p, v);
        return;
    }
    vf_store(lanes, v);
    if (n >= 4) { /* two pieces that overlap */
        memcpy(p, lanes, 4 * sizeof(float));
        memcpy(p + n - 4, lanes + n - 4, 4 * sizeof(float));
    } else if (n >= 2) {
        memcpy(p, lanes, 2 * sizeof(float));
        memcpy(p + n - 2, lanes + n - 2, 2 * sizeof(float));
    } else if (n == 1) {
        *p = *lanes;
    }
}

/* mask ? a : b, lane by lane; a mask's lanes are all ones or all zeros. */
SIMD_FN vf vf_select(vi mask, vf a, vf b)
{
    return (vf)(((vi)a & mask) | ((vi)b & ~mask));
}

/* x < low ? low : x, and x > high ? high : x: a NaN stays, and so does the
 * sign of a zero that equals the bound. */
SIMD_FN vf vf_at_least(vf x, vf low)
{
#if defined(SIMD_AVX2)
    return __builtin_ia32_maxps256(low, x);
#elif defined(__SSE__)
    return __builtin_ia32_maxps(low, x);
#else
    return vf_select(x < low, low, x);
#endif
}

SIMD_FN vf vf_at_most(vf x, vf high)
{
#if defined(SIMD_AVX2)
    return __builtin_ia32_minps256(high, x);
#elif defined(__SSE__)
    return __builtin_ia32_minps(high, x);
#else
    return vf_select(x > high, high, x);
#endif
}

SIMD_FN vf vf_abs(vf x)
{
    return (vf)((vi)x & vi_splat(INT32_MAX));
}

SIMD_FN vf vf_sqrt(vf x)
{
#if defined(SIMD_AVX2)
    return __builtin_ia32_sqrtps256(x);
#else
    SIMD_UNROLL
    for (int i = 0; i < SIMD_WIDTH; i++) {
        x[i] = __builtin_sqrtf(x[i]);
    }
    return x;
#endif
}

/* Nearest integer, halves to even; for |x| < 2^22. */
SIMD_FN vf vf_round(vf x)
{
    vf magic = vf_splat(12582912.0F); /* 1.5 * 2^23: no bits for fractions */

    return (x + magic) - magic;
}

/* e^x to about 1 ulp: x = n ln 2 + r, a polynomial for e^r (Cephes expf),
 * 2^n by the exponent's bits. Below the smallest normal number it is 0. */
SIMD_FN vf vf_exp(vf x)
{
    vf low = vf_splat(-87.33654F);
    vf high = vf_splat(88.72283F);
    vi under = x < low;
    vi over = x > high;
    vf clipped = vf_at_most(vf_at_least(x, low), high);
    vf n = vf_round(clipped * 1.44269504F);
    vf r = clipped - n * 0.693359375F;
    vf p = vf_splat(1.9875691500E-4F);
    vi half;
    vf y;

    r = r - n * -2.12194440E-4F;
    p = p * r + 1.3981999507E-3F;
    p = p * r + 8.3334519073E-3F;
    p = p * r + 4.1665795894E-2F;
    p = p * r + 1.6666665459E-1F;
    p = p * r + 5.0000001201E-1F;
    y = (p * r) * r + r + 1.0F;
    /* 2^n in two factors: n may be 128, which has no float of its own. */
    half = __builtin_convertvector(n * 0.5F, vi);
    y *= (vf)((half + 127) << 23);
    y *= (vf)((__builtin_convertvector(n, vi) - half + 127) << 23);
    y = vf_select(under, vf_splat(0), y);
    return vf_select(over, vf_splat(__builtin_inff()), y);
}

/* ln x to about 1 ulp for normal x > 0 (Cephes logf). */
SIMD_FN vf vf_log(vf x)
{
    vi bits = (vi)x;
    vi exponent = ((bits >> 23) & 0xff) - 126;
    vf m = (vf)((bits & ~0x7f800000) | 0x3f000000); /* in [0.5, 1) */
    vi small = m < vf_splat(0.707106781F);
    vf e = __builtin_convertvector(exponent + small, vf);
    vf z;
    vf p;

    m = m + vf_select(small, m, vf_splat(0)) - 1.0F;
    z = m * m;
    p = m * 7.0376836292E-2F - 1.1514610310E-1F;
    p = p * m + 1.1676998740E-1F;
    p = p * m - 1.2420140846E-1F;
    p = p * m + 1.4249322787E-1F;
    p = p * m - 1.6668057665E-1F;
    p = p * m + 2.0000714765E-1F;
    p = p * m - 2.4999993993E-1F;
    p = p * m + 3.3333331174E-1F;
    p = p * m * z + e * -2.12194440E-4F;
    p = p - z * 0.5F;
    return (m + p) + e * 0.693359375F;
}

/* SIMD_SUMS vectors hold 16 running sums, whatever the width: element i of a
 * row goes to sum i % 16. Folded in halves, so the order is always the same. */
#define SIMD_SUMS (16 / SIMD_WIDTH)

SIMD_FN float vf_sum16(const vf sums[SIMD_SUMS])
{
    float s[16];

    SIMD_UNROLL
    for (int i = 0; i < SIMD_SUMS; i++) {
        vf_store(s + i * SIMD_WIDTH, sums[i]);
    }
    for (int half = 8; half > 0; half /= 2) {
        for (int i = 0; i < half; i++) {
            s[i] += s[i + half];
        }
    }
    return s[0];
}

#endif
