/* The loops of planes.h, and of gradients of one element; a body, see simd.h.
 */
#include "kernels/planes.h"
#include "kernels/simd.h"

#define PLANES_PARTS (PLANES_LANES / SIMD_WIDTH)

SIMD_FN float fold_lanes(const vf parts[PLANES_PARTS])
{
    float s[PLANES_LANES];

    for (int i = 0; i < PLANES_PARTS; i++) {
        vf_store(s + i * SIMD_WIDTH, parts[i]);
    }
    for (int i = 1; i < PLANES_LANES; i++) {
        s[0] += s[i];
    }
    return s[0];
}

/* `taps` is a number, so that the sums stay in registers. */
SIMD_FN void dots_of(const float *a, size_t a_row, const float *b, size_t b_row,
                     size_t rows, size_t n, const size_t *at, size_t taps,
                     float *sums)
{
    vf parts[9][PLANES_PARTS];

    SIMD_UNROLL
    for (size_t t = 0; t < taps; t++) {
        for (int j = 0; j < PLANES_PARTS; j++) {
            parts[t][j] = vf_splat(0);
        }
    }
    for (size_t r = 0; r < rows; r++, a += a_row, b += b_row) {
        for (size_t i = 0; i < n; i += PLANES_LANES) {
            for (int j = 0; j < PLANES_PARTS; j++) {
                vf left = vf_load(a + i + j * SIMD_WIDTH);

                SIMD_UNROLL
                for (size_t t = 0; t < taps; t++) {
                    parts[t][j] +=
                        left * vf_load(b + at[t] + i + j * SIMD_WIDTH);
                }
            }
        }
    }
    SIMD_UNROLL
    for (size_t t = 0; t < taps; t++) {
        sums[t] += fold_lanes(parts[t]);
    }
}

static void planes_dots(const float *a, size_t a_row, const float *b,
                        size_t b_row, size_t rows, size_t n, const size_t *at,
                        size_t taps, float *sums)
{
    size_t t = 0;

    for (; t + 9 <= taps; t += 9) {
        dots_of(a, a_row, b, b_row, rows, n, at + t, 9, sums + t);
    }
    for (; t + 3 <= taps; t += 3) {
        dots_of(a, a_row, b, b_row, rows, n, at + t, 3, sums + t);
    }
    for (; t < taps; t++) {
        dots_of(a, a_row, b, b_row, rows, n, at + t, 1, sums + t);
    }
}

/* `wide` vectors at i. */
SIMD_FN void mix_at(float *to, size_t i, size_t wide, const float *const *from,
                    const float *by, size_t terms)
{
    vf sums[4];

    SIMD_UNROLL
    for (size_t j = 0; j < wide; j++) {
        sums[j] = vf_splat(0);
    }
    for (size_t t = 0; t < terms; t++) {
        const float *p = from[t] + i;
        float factor = by[t];

        SIMD_UNROLL
        for (size_t j = 0; j < wide; j++) {
            sums[j] += vf_load(p + j * SIMD_WIDTH) * factor;
        }
    }
    SIMD_UNROLL
    for (size_t j = 0; j < wide; j++) {
        vf_store(to + i + j * SIMD_WIDTH, sums[j]);
    }
}

static void planes_mix(float *to, size_t n, const float *const *from,
                       const float *by, size_t terms)
{
    size_t i = 0;

    for (; i + (size_t)4 * SIMD_WIDTH <= n; i += (size_t)4 * SIMD_WIDTH) {
        mix_at(to, i, 4, from, by, terms);
    }
    for (; i < n; i += SIMD_WIDTH) {
        mix_at(to, i, 1, from, by, terms);
    }
}

#define PLANES_LOOPS                            \
    {                                           \
        .dots = planes_dots, .mix = planes_mix, \
    }

/* dx = low < y < high ? dy : 0 */
static void between_back(const float *dy, const float *y, float *dx, size_t n,
                         float low, float high)
{
    size_t i = 0;

    for (; i + SIMD_WIDTH <= n; i += SIMD_WIDTH) {
        vf v = vf_load(y + i);

        vf_store(dx + i, vf_select((v > vf_splat(low)) & (v < vf_splat(high)),
                                   vf_load(dy + i), vf_splat(0)));
    }
    for (; i < n; i++) {
        dx[i] = y[i] > low && y[i] < high ? dy[i] : 0;
    }
}
