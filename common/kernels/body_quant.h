/* The loops of quant.h; a body, see simd.h. They are written element by
 * element, in forms that the compiler turns into vectors. */
#include "kernels/quant.h"
#include "kernels/simd.h"

#define QUANT_MAGIC 12582912.0F /* 1.5 * 2^23: no bits for fractions */

/* x is not far from [low, high], the integers that are wanted. */
SIMD_FN int32_t quant_round(float x, float low, float high)
{
    x = x > low ? x : low; /* a NaN is not greater */
    x = x < high ? x : high;
    return (int32_t)((x + QUANT_MAGIC) - QUANT_MAGIC);
}

#define QUANT_FUNCTIONS(suffix, type, least, most)                            \
    static void quant_from_##suffix(const type *q, float *x, size_t n,        \
                                    int32_t zero, float scale)                \
    {                                                                         \
        for (size_t i = 0; i < n; i++) {                                      \
            x[i] = (float)((int32_t)q[i] - zero) * scale;                     \
        }                                                                     \
    }                                                                         \
                                                                              \
    static void quant_to_##suffix(const float *x, type *q, size_t n,          \
                                  int32_t zero, float scale)                  \
    {                                                                         \
        float low = (float)((least)-zero);                                    \
        float high = (float)((most)-zero);                                    \
                                                                              \
        for (size_t i = 0; i < n; i++) {                                      \
            q[i] = (type)(quant_round(x[i] / scale, low, high) + zero);       \
        }                                                                     \
    }                                                                         \
                                                                              \
    static void quant_sums_to_##suffix(const int32_t *sum, type *q, size_t n, \
                                       int32_t bias, float by, int32_t zero)  \
    {                                                                         \
        float low = (float)((least)-zero);                                    \
        float high = (float)((most)-zero);                                    \
                                                                              \
        for (size_t i = 0; i < n; i++) {                                      \
            int32_t s = (int32_t)((uint32_t)sum[i] + (uint32_t)bias);         \
                                                                              \
            q[i] = (type)(quant_round((float)s * by, low, high) + zero);      \
        }                                                                     \
    }                                                                         \
                                                                              \
    static void quant_add_##suffix(const type *x, int32_t *y, size_t n,       \
                                   size_t stride, int32_t zero, int32_t w)    \
    {                                                                         \
        if (stride == 1) {                                                    \
            for (size_t i = 0; i < n; i++) {                                  \
                y[i] += w * ((int32_t)x[i] - zero);                           \
            }                                                                 \
            return;                                                           \
        }                                                                     \
        for (size_t i = 0; i < n; i++) {                                      \
            y[i] += w * ((int32_t)x[i * stride] - zero);                      \
        }                                                                     \
    }

QUANT_FUNCTIONS(u8, uint8_t, 0, UINT8_MAX)
QUANT_FUNCTIONS(i8, int8_t, INT8_MIN, INT8_MAX)

/* Zero is 0 for int32 but for odd models, whose difference wraps. */
static void quant_from_i32(const int32_t *q, float *x, size_t n, int32_t zero,
                           float scale)
{
    for (size_t i = 0; i < n; i++) {
        x[i] = (float)(int32_t)((uint32_t)q[i] - (uint32_t)zero) * scale;
    }
}

static void quant_range(const float *x, size_t n, float *least, float *most)
{
    vf low = vf_splat(*least);
    vf high = vf_splat(*most);
    size_t i = 0;

    for (; i + SIMD_WIDTH <= n; i += SIMD_WIDTH) {
        vf v = vf_load(x + i);

        low = vf_at_most(low, v);
        high = vf_at_least(high, v);
    }
    for (int j = 0; j < SIMD_WIDTH; j++) {
        *least = low[j] < *least ? low[j] : *least;
        *most = high[j] > *most ? high[j] : *most;
    }
    for (; i < n; i++) {
        *least = x[i] < *least ? x[i] : *least;
        *most = x[i] > *most ? x[i] : *most;
    }
}

#define QUANT_LOOPS                                           \
    {                                                         \
        .from_u8 = quant_from_u8, .from_i8 = quant_from_i8,   \
        .from_i32 = quant_from_i32, .to_u8 = quant_to_u8,     \
        .to_i8 = quant_to_i8, .sums_to_u8 = quant_sums_to_u8, \
        .sums_to_i8 = quant_sums_to_i8, .range = quant_range, \
        .add_u8 = quant_add_u8, .add_i8 = quant_add_i8,       \
    }
