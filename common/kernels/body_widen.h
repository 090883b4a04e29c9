/* Panels of bytes to panels of floats (narrow.h); a body, see simd.h. */
#include "kernels/gemm_block.h"
#include "kernels/simd.h"

#define WIDEN_VECS 5 /* at most, until vectors and rows begin anew together */

/* nv vectors of zeros and scales, over and over. Both differences are exact,
 * of integers, so the product is that of (float)(q - zero) * scale. nv is a
 * constant where this is inlined. */
SIMD_FN void widen_run(const int8_t *q, size_t n, const float *zeros,
                       const float *scales, size_t nv, float *to)
{
    size_t period = nv * SIMD_WIDTH;
    vf zero[WIDEN_VECS];
    vf scale[WIDEN_VECS];
    size_t i = 0;

    SIMD_UNROLL
    for (size_t j = 0; j < nv; j++) {
        zero[j] = vf_load(zeros + j * SIMD_WIDTH);
        scale[j] = vf_load(scales + j * SIMD_WIDTH);
    }
    for (; i + period <= n; i += period) {
        SIMD_UNROLL
        for (size_t j = 0; j < nv; j++) {
            size_t at = i + j * SIMD_WIDTH;

            vf_store(to + at, (vf_load_bytes(q + at) - zero[j]) * scale[j]);
        }
    }
    for (size_t j = 0; i + j < n; j++) {
        to[i + j] = ((float)q[i + j] - zeros[j]) * scales[j];
    }
}

/* q (depth, width): column j has zero point zeros[j]. A width is one of a
 * panel: up to GEMM_ROWS, or whole vectors up to GEMM_COLS. */
static void gemm_widen(const int8_t *q, size_t depth, size_t width,
                       const float *zeros, const float *scales, float *to)
{
    float zero[WIDEN_VECS * SIMD_WIDTH];
    float scale[WIDEN_VECS * SIMD_WIDTH];
    size_t shared = width & -width; /* the largest power of 2 that divides */
    size_t period = shared < SIMD_WIDTH ? width * (SIMD_WIDTH / shared) : width;
    size_t n = depth * width;

    for (size_t j = 0; j < period; j++) {
        zero[j] = j < width ? zeros[j] : zero[j - width];
        scale[j] = j < width ? scales[j] : scale[j - width];
    }
    switch (period / SIMD_WIDTH) {
    case 1: widen_run(q, n, zero, scale, 1, to); break;
    case 2: widen_run(q, n, zero, scale, 2, to); break;
    case 3: widen_run(q, n, zero, scale, 3, to); break;
    case 4: widen_run(q, n, zero, scale, 4, to); break;
    default: widen_run(q, n, zero, scale, WIDEN_VECS, to); break;
    }
}
