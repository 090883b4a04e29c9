#include "kernels/binary_row.h"
#include "kernels/isa.h"

#include <math.h>

/* Integers: sums wrap around in the unsigned type; what the CPU would trap
 * on (division by 0, the least number by -1) is defined here. */
#define INT_FUNCTIONS(NAME, type, suffix, wide)                              \
    static inline type add_##suffix(type a, type b)                          \
    {                                                                        \
        return (type)((wide)a + (wide)b);                                    \
    }                                                                        \
    static inline type sub_##suffix(type a, type b)                          \
    {                                                                        \
        return (type)((wide)a - (wide)b);                                    \
    }                                                                        \
    static inline type mul_##suffix(type a, type b)                          \
    {                                                                        \
        return (type)((wide)a * (wide)b);                                    \
    }                                                                        \
    static inline type div_##suffix(type a, type b)                          \
    {                                                                        \
        if (b == 0) {                                                        \
            return 0;                                                        \
        }                                                                    \
        if (b == (type)-1 && (type)-1 < (type)1) {                           \
            return (type)(0 - (wide)a);                                      \
        }                                                                    \
        return (type)(a / b);                                                \
    }                                                                        \
    static inline type fmod_##suffix(type a, type b)                         \
    {                                                                        \
        if (b == 0 || (b == (type)-1 && (type)-1 < (type)1)) {               \
            return 0;                                                        \
        }                                                                    \
        return (type)(a % b);                                                \
    }                                                                        \
    static inline type mod_##suffix(type a, type b)                          \
    {                                                                        \
        type r = fmod_##suffix(a, b);                                        \
                                                                             \
        return r != 0 && (r < (type)1) != (b < (type)1) ? (type)(r + b) : r; \
    }                                                                        \
    static inline type min_##suffix(type a, type b)                          \
    {                                                                        \
        return b < a ? b : a;                                                \
    }                                                                        \
    static inline type max_##suffix(type a, type b)                          \
    {                                                                        \
        return b > a ? b : a;                                                \
    }                                                                        \
    static inline type prelu_##suffix(type a, type b)                        \
    {                                                                        \
        return a < (type)1 ? mul_##suffix(a, b) : a;                         \
    }                                                                        \
    BINARY_ROW(mod_row_##suffix, type, mod_##suffix)

TYPES_INT(INT_FUNCTIONS)

#define INT_ROWS(NAME, type, suffix, wide)             \
    BINARY_ROW(add_row_##suffix, type, add_##suffix)   \
    BINARY_ROW(sub_row_##suffix, type, sub_##suffix)   \
    BINARY_ROW(mul_row_##suffix, type, mul_##suffix)   \
    BINARY_ROW(div_row_##suffix, type, div_##suffix)   \
    BINARY_ROW(min_row_##suffix, type, min_##suffix)   \
    BINARY_ROW(max_row_##suffix, type, max_##suffix)   \
    BINARY_ROW(fmod_row_##suffix, type, fmod_##suffix) \
    BINARY_ROW(prelu_row_##suffix, type, prelu_##suffix)

TYPES_INT(INT_ROWS)

BINARY_ROW(add_row_f64, double, BINARY_ADD_OF)
BINARY_ROW(sub_row_f64, double, BINARY_SUB_OF)
BINARY_ROW(mul_row_f64, double, BINARY_MUL_OF)
BINARY_ROW(div_row_f64, double, BINARY_DIV_OF)
BINARY_ROW(min_row_f64, double, BINARY_MIN_OF)
BINARY_ROW(max_row_f64, double, BINARY_MAX_OF)
BINARY_ROW(prelu_row_f64, double, BINARY_PRELU_OF)
BINARY_ROW(fmod_row_f64, double, fmod)
BINARY_ROW(fmod_row_f32, float, fmodf)

/* float16: a block at a time through float32. */
static void run_half(enum binary_op op, void *out, const void *a, const void *b,
                     size_t n, int64_t step_a, int64_t step_b)
{
    binary_row row = binary_find(op, DTYPE_F32);
    float x[HALF_BLOCK];
    float y[HALF_BLOCK];
    float z[HALF_BLOCK];
    const uint16_t *ha = a;
    const uint16_t *hb = b;

    for (size_t i = 0; i < n; i += HALF_BLOCK) {
        size_t block = n - i < HALF_BLOCK ? n - i : HALF_BLOCK;

        half_to_floats(x, ha + i * (size_t)step_a, step_a != 0 ? block : 1);
        half_to_floats(y, hb + i * (size_t)step_b, step_b != 0 ? block : 1);
        row(z, x, y, block, step_a, step_b);
        floats_to_half((uint16_t *)out + i, z, block);
    }
}

#define HALF_ROW(name, NAME)                                             \
    static void name##_row_f16(void *out, const void *a, const void *b,  \
                               size_t n, int64_t step_a, int64_t step_b) \
    {                                                                    \
        run_half(BINARY_##NAME, out, a, b, n, step_a, step_b);           \
    }

HALF_ROW(add, ADD)
HALF_ROW(sub, SUB)
HALF_ROW(mul, MUL)
HALF_ROW(div, DIV)
HALF_ROW(min, MIN)
HALF_ROW(max, MAX)
HALF_ROW(fmod, FMOD)
HALF_ROW(prelu, PRELU)

#define COLUMN(NAME, type, suffix, wide)                 \
    [DTYPE_##NAME] = {[BINARY_ADD] = add_row_##suffix,   \
                      [BINARY_SUB] = sub_row_##suffix,   \
                      [BINARY_MUL] = mul_row_##suffix,   \
                      [BINARY_DIV] = div_row_##suffix,   \
                      [BINARY_MIN] = min_row_##suffix,   \
                      [BINARY_MAX] = max_row_##suffix,   \
                      [BINARY_FMOD] = fmod_row_##suffix, \
                      [BINARY_PRELU] = prelu_row_##suffix},

static const binary_row rows[DTYPE_COUNT][BINARY_OPS] = {TYPES_INT(
    COLUMN) COLUMN(F64, double, f64, double) COLUMN(F16, float, f16, float)};

#define MOD_ENTRY(NAME, type, suffix, wide) [DTYPE_##NAME] = mod_row_##suffix,

static const binary_row mod_rows[DTYPE_COUNT] = {TYPES_INT(MOD_ENTRY)};

binary_row binary_find(enum binary_op op, enum dtype dtype)
{
    if (op == BINARY_MOD) {
        return mod_rows[dtype];
    }
    if (dtype == DTYPE_F32) {
        return op == BINARY_FMOD ? fmod_row_f32 : isa_best()->binary[op];
    }
    return rows[dtype][op];
}
