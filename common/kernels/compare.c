#include "kernels/binary_row.h"

#define EQUAL_OF(a, b) ((a) == (b))
#define LESS_OF(a, b) ((a) < (b))
#define LESS_EQUAL_OF(a, b) ((a) <= (b))
#define GREATER_OF(a, b) ((a) > (b))
#define GREATER_EQUAL_OF(a, b) ((a) >= (b))
#define AND_OF(a, b) ((a) & (b))
#define OR_OF(a, b) ((a) | (b))

#define ALL_ROWS(NAME, type, suffix, wide)                            \
    BINARY_ROW_OUT(equal_##suffix, type, uint8_t, EQUAL_OF)           \
    BINARY_ROW_OUT(less_##suffix, type, uint8_t, LESS_OF)             \
    BINARY_ROW_OUT(less_equal_##suffix, type, uint8_t, LESS_EQUAL_OF) \
    BINARY_ROW_OUT(greater_##suffix, type, uint8_t, GREATER_OF)       \
    BINARY_ROW_OUT(greater_equal_##suffix, type, uint8_t, GREATER_EQUAL_OF)

TYPES_NUMBER(ALL_ROWS)
BINARY_ROW(and_bool, uint8_t, AND_OF)
BINARY_ROW(or_bool, uint8_t, OR_OF)

/* float16: a block at a time through float32. */
static void run_half(binary_row row, void *out, const void *a, const void *b,
                     size_t n, int64_t step_a, int64_t step_b)
{
    float x[HALF_BLOCK];
    float y[HALF_BLOCK];
    const uint16_t *ha = a;
    const uint16_t *hb = b;

    for (size_t i = 0; i < n; i += HALF_BLOCK) {
        size_t block = n - i < HALF_BLOCK ? n - i : HALF_BLOCK;

        half_to_floats(x, ha + i * (size_t)step_a, step_a != 0 ? block : 1);
        half_to_floats(y, hb + i * (size_t)step_b, step_b != 0 ? block : 1);
        row((uint8_t *)out + i, x, y, block, step_a, step_b);
    }
}

#define HALF_ROW(name)                                                        \
    static void name##_f16(void *out, const void *a, const void *b, size_t n, \
                           int64_t step_a, int64_t step_b)                    \
    {                                                                         \
        run_half(name##_f32, out, a, b, n, step_a, step_b);                   \
    }

HALF_ROW(equal)
HALF_ROW(less)
HALF_ROW(less_equal)
HALF_ROW(greater)
HALF_ROW(greater_equal)

#define COLUMN(NAME, type, suffix, wide)                          \
    [DTYPE_##NAME] = {[COMPARE_EQUAL] = equal_##suffix,           \
                      [COMPARE_LESS] = less_##suffix,             \
                      [COMPARE_LESS_EQUAL] = less_equal_##suffix, \
                      [COMPARE_GREATER] = greater_##suffix,       \
                      [COMPARE_GREATER_EQUAL] = greater_equal_##suffix},

static const binary_row rows[DTYPE_COUNT][COMPARE_OPS] = {
    TYPES_NUMBER(COLUMN) COLUMN(F16, float, f16, float)[DTYPE_BOOL] = {
        [COMPARE_EQUAL] = equal_u8,
        [COMPARE_AND] = and_bool,
        [COMPARE_OR] = or_bool}};

binary_row compare_find(enum compare_op op, enum dtype dtype)
{
    return rows[dtype][op];
}

#define WHERE(type)                                                \
    do {                                                           \
        const type *x = a;                                         \
        const type *y = b;                                         \
        type *z = out;                                             \
                                                                   \
        LOOP_FREE                                                  \
        for (size_t i = 0; i < n; i++) {                           \
            z[i] = condition[i * sc] != 0 ? x[i * sa] : y[i * sb]; \
        }                                                          \
    } while (0)

void where_row(void *out, const uint8_t *condition, const void *a,
               const void *b, size_t n, const int64_t step[3], size_t size)
{
    size_t sc = (size_t)step[0];
    size_t sa = (size_t)step[1];
    size_t sb = (size_t)step[2];

    switch (size) {
    case 1: WHERE(uint8_t); break;
    case 2: WHERE(uint16_t); break;
    case 4: WHERE(uint32_t); break;
    default: WHERE(uint64_t); break;
    }
}
