#include "kernels/cast.h"

#include "tensor/tensor.h"
#include "tests/lib/unit.h"

#include <math.h>

static const enum dtype types[] = {
    DTYPE_F32, DTYPE_F16, DTYPE_F64, DTYPE_I8,  DTYPE_U8,  DTYPE_I16,
    DTYPE_U16, DTYPE_I32, DTYPE_U32, DTYPE_I64, DTYPE_U64,
};

#define TYPES (sizeof(types) / sizeof(types[0]))

/* Numbers that every type has go from any type to any other unchanged. */
static void test_every_pair_of_types(void **state)
{
    double numbers[300];
    uint64_t from[300];
    uint64_t to[300];

    (void)state;
    for (int i = 0; i < 300; i++) {
        numbers[i] = i % 100;
    }
    for (size_t a = 0; a < TYPES; a++) {
        cast_run(from, types[a], numbers, DTYPE_F64, 300);
        for (size_t b = 0; b < TYPES; b++) {
            struct tensor t = {.dtype = types[b], .data = to};

            cast_run(to, types[b], from, types[a], 300);
            for (int i = 0; i < 300; i++) {
                assert_true(tensor_get(&t, i) == numbers[i]);
            }
        }
    }
}

static void test_floats_are_cut_off(void **state)
{
    float x[4] = {1.9F, -1.9F, 300.5F, -0.5F};
    int32_t y[4];

    (void)state;
    cast_run(y, DTYPE_I32, x, DTYPE_F32, 4);
    assert_true(y[0] == 1 && y[1] == -1 && y[2] == 300 && y[3] == 0);
}

static void test_integers_keep_their_low_bits(void **state)
{
    int32_t x[2] = {300, -1};
    uint8_t y[2];

    (void)state;
    cast_run(y, DTYPE_U8, x, DTYPE_I32, 2);
    assert_true(y[0] == 44 && y[1] == 255);
}

static void test_numbers_without_an_equal(void **state)
{
    float x[4] = {NAN, INFINITY, -INFINITY, 1e30F};
    int64_t y[4];
    uint64_t u[4];

    (void)state;
    cast_run(y, DTYPE_I64, x, DTYPE_F32, 4);
    assert_true(y[0] == 0 && y[1] == INT64_MAX && y[2] == INT64_MIN &&
                y[3] == INT64_MAX);
    cast_run(u, DTYPE_U64, x, DTYPE_F32, 4);
    assert_true(u[0] == 0 && u[1] == UINT64_MAX && u[3] == UINT64_MAX);
}

static void test_bool_is_whether_it_is_zero(void **state)
{
    float x[4] = {0, -0.0F, 0.25F, NAN};
    uint8_t y[4];
    float z[4];

    (void)state;
    cast_run(y, DTYPE_BOOL, x, DTYPE_F32, 4);
    assert_true(y[0] == 0 && y[1] == 0 && y[2] == 1 && y[3] == 1);
    cast_run(z, DTYPE_F32, y, DTYPE_BOOL, 4);
    assert_true(z[0] == 0 && z[2] == 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_pair_of_types),
        cmocka_unit_test(test_floats_are_cut_off),
        cmocka_unit_test(test_integers_keep_their_low_bits),
        cmocka_unit_test(test_numbers_without_an_equal),
        cmocka_unit_test(test_bool_is_whether_it_is_zero),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
