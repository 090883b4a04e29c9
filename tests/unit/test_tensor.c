#include "tests/lib/heap.h"
#include "tests/lib/unit.h"

#include "base/mem.h"
#include "base/rng.h"
#include "tensor/tensor.h"

#include <math.h>
#include <string.h>

static const struct shape three = {.rank = 1, .dims = {3}};

static void test_a_copy_owns_equal_bytes(void **state)
{
    const float values[] = {1, 2, 3};
    struct tensor t;

    (void)state;
    assert_int_equal(tensor_copy(&t, DTYPE_F32, &three, values), 0);
    assert_int_equal(tensor_count(&t), 3);
    assert_int_equal(tensor_bytes(&t), 12);
    assert_memory_equal(t.data, values, 12);
    assert_ptr_not_equal(t.data, values);
    tensor_deinit(&t);
    tensor_deinit(&t);
    assert_null(t.data);
}

static void test_an_empty_tensor_is_fine(void **state)
{
    struct shape empty = {.rank = 2, .dims = {0, 5}};
    struct tensor t;

    (void)state;
    assert_int_equal(tensor_copy(&t, DTYPE_I64, &empty, NULL), 0);
    assert_int_equal(tensor_count(&t), 0);
    assert_non_null(t.data);
    tensor_deinit(&t);
}

static void test_impossible_shapes_are_refused(void **state)
{
    struct shape huge = {.rank = 2, .dims = {INT64_MAX, 2}};
    struct shape unknown = {.rank = 1, .dims = {-1}};
    struct tensor t;

    (void)state;
    assert_int_equal(tensor_init(&t, DTYPE_F32, &huge), EDGE_ETOOBIG);
    assert_int_equal(tensor_init(&t, DTYPE_F32, &unknown), EDGE_ETOOBIG);
    assert_int_equal(tensor_init(&t, DTYPE_NONE, &three), EDGE_ETOOBIG);
}

static void test_a_tensor_within_a_blob(void **state)
{
    struct blob *blob = blob_copy("0123456789abcdef", 16);
    struct tensor t;

    (void)state;
    assert_int_equal(tensor_from_blob(&t, DTYPE_F32, &three, blob, 4), 0);
    blob_unref(blob);
    assert_memory_equal(t.data, "456789abcdef", 12);
    tensor_deinit(&t);
}

static void test_a_tensor_beyond_a_blob_is_refused(void **state)
{
    struct blob *blob = blob_copy("0123456789abcdef", 16);
    struct tensor t;

    (void)state;
    assert_int_equal(tensor_from_blob(&t, DTYPE_F32, &three, blob, 5),
                     EDGE_EINVAL);
    assert_int_equal(tensor_from_blob(&t, DTYPE_F32, &three, blob, 17),
                     EDGE_EINVAL);
    assert_int_equal(tensor_from_blob(&t, DTYPE_F32, &three, blob, SIZE_MAX),
                     EDGE_EINVAL);
    assert_int_equal(blob->refs, 1);
    blob_unref(blob);
}

static void test_a_reference_keeps_the_bytes(void **state)
{
    const float values[] = {1, 2, 3};
    struct tensor t;
    struct tensor ref;

    (void)state;
    assert_int_equal(tensor_copy(&t, DTYPE_F32, &three, values), 0);
    ref = tensor_ref(&t);
    tensor_deinit(&t);
    assert_true(tensor_get(&ref, 2) == 3.0);
    tensor_deinit(&ref);
}

static void check_get(enum dtype dtype, const void *data, double wanted)
{
    struct tensor t = {
        .dtype = dtype, .shape = {.rank = 0}, .data = (void *)(uintptr_t)data};

    if (tensor_get(&t, 0) != wanted) {
        fail_msg("%s: %g instead of %g", dtype_name(dtype), tensor_get(&t, 0),
                 wanted);
    }
    if (fabs(wanted) < 0x1p62) {
        assert_int_equal(tensor_get_int(&t, 0), (int64_t)wanted);
    }
}

static void test_elements_of_every_type(void **state)
{
    (void)state;
    check_get(DTYPE_F32, &(float){-2.5f}, -2.5);
    check_get(DTYPE_F64, &(double){1e10}, 1e10);
    check_get(DTYPE_F16, &(uint16_t){0xc100}, -2.5);
    check_get(DTYPE_I8, &(int8_t){-128}, -128);
    check_get(DTYPE_U8, &(uint8_t){255}, 255);
    check_get(DTYPE_BOOL, &(uint8_t){1}, 1);
    check_get(DTYPE_I16, &(int16_t){-32768}, -32768);
    check_get(DTYPE_U16, &(uint16_t){65535}, 65535);
    check_get(DTYPE_I32, &(int32_t){INT32_MIN}, INT32_MIN);
    check_get(DTYPE_U32, &(uint32_t){UINT32_MAX}, UINT32_MAX);
    check_get(DTYPE_I64, &(int64_t){-1}, -1);
    check_get(DTYPE_I64, &(int64_t){INT64_MIN}, -0x1p63);
    check_get(DTYPE_U64, &(uint64_t){1ull << 63}, 0x1p63);
    check_get(DTYPE_NONE, "", 0);
}

static void test_floats_as_integers_stay_in_range(void **state)
{
    const float values[] = {1e30f, -1e30f, NAN};
    struct tensor t = {
        .dtype = DTYPE_F32, .shape = three, .data = (void *)(uintptr_t)values};

    (void)state;
    assert_int_equal(tensor_get_int(&t, 0), INT64_MAX);
    assert_int_equal(tensor_get_int(&t, 1), INT64_MIN);
    assert_int_equal(tensor_get_int(&t, 2), 0);
}

static void test_every_half_survives_the_round_trip(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 65536; i++) {
        uint16_t half = (uint16_t)i;
        float value = tensor_half_to_float(half);
        bool is_nan = (half & 0x7c00) == 0x7c00 && (half & 0x3ff) != 0;

        assert_int_equal(isnan(value) != 0, is_nan);
        /* a signalling NaN comes back quiet, all else as it was */
        if (tensor_float_to_half(value) != (is_nan ? half | 0x200 : half)) {
            fail_msg("half 0x%04x became 0x%04x", half,
                     tensor_float_to_half(value));
        }
    }
}

static void test_halves_have_their_values(void **state)
{
    (void)state;
    assert_true(tensor_half_to_float(0x3c00) == 1.0f);
    assert_true(tensor_half_to_float(0x7bff) == 65504.0f);
    assert_true(tensor_half_to_float(0x0400) == 0x1p-14f);
    assert_true(tensor_half_to_float(0x0001) == 0x1p-24f);
    assert_true(tensor_half_to_float(0x83ff) == -1023 * 0x1p-24f);
    assert_true(tensor_half_to_float(0xfc00) == -INFINITY);
    assert_true(signbit(tensor_half_to_float(0x8000)));
}

/* Between any two neighbouring finite halves: a little below the middle goes
 * down, the middle to the even one, a little above goes up. */
static void test_rounding_is_to_nearest_even(void **state)
{
    (void)state;
    for (uint16_t half = 0; half < 0x7bff; half++) {
        float low = tensor_half_to_float(half);
        float high = tensor_half_to_float((uint16_t)(half + 1));
        float middle = (low + high) / 2; /* exact in float */
        uint16_t even = (uint16_t)(half + (half & 1));

        assert_int_equal(tensor_float_to_half(middle), even);
        assert_int_equal(tensor_float_to_half(nextafterf(middle, 0)), half);
        assert_int_equal(tensor_float_to_half(nextafterf(middle, INFINITY)),
                         half + 1);
        assert_int_equal(tensor_float_to_half(-middle), even | 0x8000);
    }
}

static void test_what_is_too_large_for_a_half_is_infinite(void **state)
{
    (void)state;
    assert_int_equal(tensor_float_to_half(65519.996f), 0x7bff);
    assert_int_equal(tensor_float_to_half(65520.0f), 0x7c00);
    assert_int_equal(tensor_float_to_half(-3e38f), 0xfc00);
    assert_int_equal(tensor_float_to_half(INFINITY), 0x7c00);
    assert_int_equal(tensor_float_to_half(0x1p-26f), 0);
    assert_int_equal(tensor_float_to_half(1e-45f), 0);
}

static int make_tensor(void *arg)
{
    struct tensor t = {.dtype = DTYPE_NONE};
    int rc = tensor_copy(&t, DTYPE_F32, &three, arg);

    tensor_deinit(&t);
    return rc;
}

static void test_each_allocation_may_fail(void **state)
{
    float values[3] = {1, 2, 3};

    (void)state;
    assert_int_equal(heap_each(make_tensor, values), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_copy_owns_equal_bytes),
        cmocka_unit_test(test_an_empty_tensor_is_fine),
        cmocka_unit_test(test_impossible_shapes_are_refused),
        cmocka_unit_test(test_a_tensor_within_a_blob),
        cmocka_unit_test(test_a_tensor_beyond_a_blob_is_refused),
        cmocka_unit_test(test_a_reference_keeps_the_bytes),
        cmocka_unit_test(test_elements_of_every_type),
        cmocka_unit_test(test_floats_as_integers_stay_in_range),
        cmocka_unit_test(test_every_half_survives_the_round_trip),
        cmocka_unit_test(test_halves_have_their_values),
        cmocka_unit_test(test_rounding_is_to_nearest_even),
        cmocka_unit_test(test_what_is_too_large_for_a_half_is_infinite),
        cmocka_unit_test(test_each_allocation_may_fail),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
