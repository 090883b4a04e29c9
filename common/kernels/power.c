#include "kernels/binary.h"

#include "kernels/types.h"

#include <math.h>

/* A row of the exponent as numbers, whatever its type. */
static double exponent_at(const void *b, enum dtype dtype, size_t i)
{
    struct tensor t = {.dtype = dtype, .data = (void *)(uintptr_t)b};

    return tensor_get(&t, (int64_t)i);
}

static void power_f32(void *out, const void *a, const void *b, size_t n,
                      int64_t step_a, int64_t step_b, enum dtype exponent)
{
    const float *x = a;
    float *z = out;

    if (n > 0 && step_b == 0 && exponent_at(b, exponent, 0) == 2) {
        for (size_t i = 0; i < n; i++) {
            z[i] = x[i * (size_t)step_a] * x[i * (size_t)step_a];
        }
        return;
    }
    for (size_t i = 0; i < n; i++) {
        double e = exponent_at(b, exponent, i * (size_t)step_b);

        z[i] = powf(x[i * (size_t)step_a], (float)e);
    }
}

static void power_f64(void *out, const void *a, const void *b, size_t n,
                      int64_t step_a, int64_t step_b, enum dtype exponent)
{
    for (size_t i = 0; i < n; i++) {
        double e = exponent_at(b, exponent, i * (size_t)step_b);

        ((double *)out)[i] = pow(((const double *)a)[i * (size_t)step_a], e);
    }
}

static void power_f16(void *out, const void *a, const void *b, size_t n,
                      int64_t step_a, int64_t step_b, enum dtype exponent)
{
    const uint16_t *x = a;

    for (size_t i = 0; i < n; i++) {
        double e = exponent_at(b, exponent, i * (size_t)step_b);
        float base = tensor_half_to_float(x[i * (size_t)step_a]);

        ((uint16_t *)out)[i] = tensor_float_to_half(powf(base, (float)e));
    }
}

/* base ^ e by squaring, wrapping around; e >= 0. */
static uint64_t int_power(uint64_t base, uint64_t e)
{
    uint64_t result = 1;

    for (; e > 0; e >>= 1) {
        if ((e & 1) != 0) {
            result *= base;
        }
        base *= base;
    }
    return result;
}

/* With a negative or fractional exponent: through double, cut off. */
static int64_t power_int(int64_t base, double e)
{
    double value;

    if (e >= 0 && e < 0x1p53 && e == floor(e)) {
        return (int64_t)int_power((uint64_t)base, (uint64_t)e);
    }
    value = pow((double)base, e);
    return fabs(value) < 0x1p63 ? (int64_t)value : 0;
}

#define POWER_INT(NAME, type, suffix, wide)                              \
    static void power_##suffix(void *out, const void *a, const void *b,  \
                               size_t n, int64_t step_a, int64_t step_b, \
                               enum dtype exponent)                      \
    {                                                                    \
        for (size_t i = 0; i < n; i++) {                                 \
            double e = exponent_at(b, exponent, i * (size_t)step_b);     \
            type base = ((const type *)a)[i * (size_t)step_a];           \
                                                                         \
            ((type *)out)[i] = (type)power_int((int64_t)base, e);        \
        }                                                                \
    }

TYPES_INT(POWER_INT)

#define ENTRY(NAME, type, suffix, wide) [DTYPE_##NAME] = power_##suffix,

static const power_row rows[DTYPE_COUNT] = {TYPES_NUMBER(ENTRY)
                                                ENTRY(F16, float, f16, float)};

power_row power_find(enum dtype base)
{
    return rows[base];
}
