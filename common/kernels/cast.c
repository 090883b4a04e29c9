#include "kernels/cast.h"

#include "kernels/types.h"

#include <string.h>

/* A float as 64 bits; unsigned ones above the signed range are kept too. */
static uint64_t bits_of(double x)
{
    if (!(x > -0x1p63)) {
        return x != x ? 0 : (uint64_t)INT64_MIN;
    }
    if (x < 0x1p63) {
        return (uint64_t)(int64_t)x;
    }
    return x < 0x1p64 ? (uint64_t)x : UINT64_MAX;
}

/* The signed types stop at their own end. */
static int64_t signed_of(double x)
{
    return x < 0x1p63 ? (int64_t)bits_of(x) : x != x ? 0 : INT64_MAX;
}

/* One loop; `f` makes a number of the output type of x[i]. */
#define CASE(NAME, type, f)                   \
    case DTYPE_##NAME:                        \
        for (size_t i = 0; i < n; i++) {      \
            ((type *)out)[i] = (type)f(x[i]); \
        }                                     \
        break;

#define PLAIN(v) (v)
#define NON_ZERO(v) ((v) != 0)

#define FROM_INT(NAME, type, suffix, wide)                              \
    static void cast_##suffix(void *out, enum dtype to, const void *in, \
                              size_t n)                                 \
    {                                                                   \
        const type *x = in;                                             \
                                                                        \
        switch (to) {                                                   \
            CASE(F32, float, PLAIN)                                     \
            CASE(F64, double, PLAIN)                                    \
            CASE(I8, int8_t, PLAIN)                                     \
            CASE(U8, uint8_t, PLAIN)                                    \
            CASE(I16, int16_t, PLAIN)                                   \
            CASE(U16, uint16_t, PLAIN)                                  \
            CASE(I32, int32_t, PLAIN)                                   \
            CASE(U32, uint32_t, PLAIN)                                  \
            CASE(I64, int64_t, PLAIN)                                   \
            CASE(U64, uint64_t, PLAIN)                                  \
            CASE(BOOL, uint8_t, NON_ZERO)                               \
        default: break;                                                 \
        }                                                               \
    }

#define FROM_FLOAT(NAME, type, suffix, wide)                            \
    static void cast_##suffix(void *out, enum dtype to, const void *in, \
                              size_t n)                                 \
    {                                                                   \
        const type *x = in;                                             \
                                                                        \
        switch (to) {                                                   \
            CASE(F32, float, PLAIN)                                     \
            CASE(F64, double, PLAIN)                                    \
            CASE(I8, int8_t, signed_of)                                 \
            CASE(U8, uint8_t, bits_of)                                  \
            CASE(I16, int16_t, signed_of)                               \
            CASE(U16, uint16_t, bits_of)                                \
            CASE(I32, int32_t, signed_of)                               \
            CASE(U32, uint32_t, bits_of)                                \
            CASE(I64, int64_t, signed_of)                               \
            CASE(U64, uint64_t, bits_of)                                \
            CASE(BOOL, uint8_t, NON_ZERO)                               \
        default: break;                                                 \
        }                                                               \
    }

TYPES_INT(FROM_INT)
TYPES_FLOAT(FROM_FLOAT)

typedef void (*cast_from)(void *out, enum dtype to, const void *in, size_t n);

#define ENTRY(NAME, type, suffix, wide) [DTYPE_##NAME] = cast_##suffix,

static const cast_from casts[DTYPE_COUNT] = {TYPES_NUMBER(ENTRY)[DTYPE_BOOL] =
                                                 cast_u8};

/* One side is float16: a block at a time through float32. */
static void cast_half(void *out, enum dtype to, const void *in, enum dtype from,
                      size_t n)
{
    float block[HALF_BLOCK];

    for (size_t i = 0; i < n; i += HALF_BLOCK) {
        size_t m = n - i < HALF_BLOCK ? n - i : HALF_BLOCK;
        const uint8_t *x = (const uint8_t *)in + i * dtype_size(from);
        uint8_t *y = (uint8_t *)out + i * dtype_size(to);

        if (from == DTYPE_F16) {
            half_to_floats(block, (const uint16_t *)(const void *)x, m);
        } else {
            casts[from](block, DTYPE_F32, x, m);
        }
        if (to == DTYPE_F16) {
            floats_to_half((uint16_t *)(void *)y, block, m);
        } else {
            cast_f32(y, to, block, m);
        }
    }
}

void cast_run(void *out, enum dtype to, const void *in, enum dtype from,
              size_t n)
{
    if (n == 0) {
        return;
    }
    if (from == to) {
        memcpy(out, in, n * dtype_size(to));
    } else if (from == DTYPE_F16 || to == DTYPE_F16) {
        cast_half(out, to, in, from, n);
    } else {
        casts[from](out, to, in, n);
    }
}
