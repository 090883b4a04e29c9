#include "tests/lib/unit.h"

#include "tensor/shape.h"

#include <string.h>

#define SHAPE(...)                                               \
    shape_of(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t), \
             (int64_t[]){__VA_ARGS__})

static void test_dtypes_have_sizes_and_names(void **state)
{
    (void)state;
    for (int i = 1; i < DTYPE_COUNT; i++) {
        enum dtype dtype = (enum dtype)i;

        assert_in_range(dtype_size(dtype), 1, 8);
        assert_int_equal(dtype_parse(dtype_name(dtype)), dtype);
    }
    assert_int_equal(dtype_size(DTYPE_NONE), 0);
    assert_int_equal(dtype_parse("complex64"), DTYPE_NONE);
    assert_int_equal(dtype_parse("none"), DTYPE_NONE);
}

static void test_classes_of_dtypes(void **state)
{
    (void)state;
    assert_true(dtype_is_float(DTYPE_F16));
    assert_false(dtype_is_float(DTYPE_I8));
    assert_true(dtype_is_signed(DTYPE_I8));
    assert_true(dtype_is_signed(DTYPE_F32));
    assert_false(dtype_is_signed(DTYPE_U8));
    assert_false(dtype_is_signed(DTYPE_BOOL));
}

static void test_equality_looks_at_rank_and_dims(void **state)
{
    struct shape a = SHAPE(1, 3, 4);
    struct shape b = SHAPE(1, 3, 4);
    struct shape c = SHAPE(1, 3);

    (void)state;
    assert_true(shape_equal(&a, &b));
    b.dims[7] = 9; /* beyond the rank: no part of it */
    assert_true(shape_equal(&a, &b));
    assert_false(shape_equal(&a, &c));
    b.dims[2] = 5;
    assert_false(shape_equal(&a, &b));
}

static void test_counts(void **state)
{
    struct shape a = SHAPE(2, 3, 4);
    struct shape empty = SHAPE(2, 0, 4);
    struct shape unknown = SHAPE(2, -1, 4);
    struct shape scalar = {.rank = 0};

    (void)state;
    assert_int_equal(shape_count(&a), 24);
    assert_int_equal(shape_span(&a, 1, 3), 12);
    assert_int_equal(shape_span(&a, 1, 1), 1);
    assert_int_equal(shape_count(&empty), 0);
    assert_int_equal(shape_count(&scalar), 1);
    assert_int_equal(shape_count(&unknown), -1);
    assert_false(shape_is_static(&unknown));
    assert_true(shape_is_static(&scalar));
}

static void test_huge_shapes_are_refused(void **state)
{
    struct shape overflow = SHAPE(INT64_MAX, 3);
    struct shape wraps = SHAPE((int64_t)1 << 62, 8);
    struct shape large = SHAPE((int64_t)1 << 40, 4);
    struct shape most = SHAPE((int64_t)LIMIT_TENSOR_BYTES / 4);
    size_t bytes;

    (void)state;
    assert_int_equal(shape_count(&overflow), -1);
    assert_false(shape_bytes(&overflow, DTYPE_U8, &bytes));
    assert_false(shape_bytes(&wraps, DTYPE_U8, &bytes));
    assert_false(shape_bytes(&large, DTYPE_F32, &bytes));
    assert_true(shape_bytes(&most, DTYPE_F32, &bytes));
    assert_int_equal(bytes, LIMIT_TENSOR_BYTES);
}

static void test_bytes_need_a_type_and_known_dims(void **state)
{
    struct shape unknown = SHAPE(-1, 3);
    struct shape a = SHAPE(2, 3);
    size_t bytes;

    (void)state;
    assert_true(shape_bytes(&a, DTYPE_F16, &bytes));
    assert_int_equal(bytes, 12);
    assert_false(shape_bytes(&unknown, DTYPE_F32, &bytes));
    assert_false(shape_bytes(&a, DTYPE_NONE, &bytes));
}

static void test_axes_count_from_both_ends(void **state)
{
    (void)state;
    assert_int_equal(shape_axis(0, 4), 0);
    assert_int_equal(shape_axis(3, 4), 3);
    assert_int_equal(shape_axis(-1, 4), 3);
    assert_int_equal(shape_axis(-4, 4), 0);
    assert_int_equal(shape_axis(4, 4), -1);
    assert_int_equal(shape_axis(-5, 4), -1);
    assert_int_equal(shape_axis(0, 0), -1);
    assert_int_equal(shape_axis(INT64_MIN, 4), -1);
}

static void check_broadcast(struct shape a, struct shape b, const char *text)
{
    struct shape out;
    char got[SHAPE_TEXT];

    for (int turn = 0; turn < 2; turn++) {
        const struct shape *first = turn == 0 ? &a : &b;
        const struct shape *second = turn == 0 ? &b : &a;
        bool fits = shape_broadcast(first, second, &out);

        assert_string_equal(fits ? shape_text(&out, got) : "no", text);
    }
}

static void test_broadcasting(void **state)
{
    struct shape scalar = {.rank = 0};

    (void)state;
    check_broadcast(SHAPE(2, 3, 4), SHAPE(3, 1), "2x3x4");
    check_broadcast(SHAPE(4), SHAPE(3, 1), "3x4");
    check_broadcast(scalar, SHAPE(2, 2), "2x2");
    check_broadcast(scalar, scalar, "scalar");
    check_broadcast(SHAPE(0, 3), SHAPE(1, 3), "0x3");
    check_broadcast(SHAPE(2, 3), SHAPE(2, 4), "no");
    check_broadcast(SHAPE(0), SHAPE(3), "no");
}

static void test_broadcasting_what_is_not_known_yet(void **state)
{
    (void)state;
    check_broadcast(SHAPE(-1, 3), SHAPE(1, 3), "?x3");
    check_broadcast(SHAPE(-1, 3), SHAPE(5, 3), "5x3");
    check_broadcast(SHAPE(-1), SHAPE(-1), "?");
    check_broadcast(SHAPE(-1, 3), SHAPE(-1, 4), "no");
}

static void test_texts(void **state)
{
    struct shape scalar = {.rank = 0};
    struct shape a = SHAPE(1, 3, -1, 224);
    struct shape most;
    char out[SHAPE_TEXT];

    (void)state;
    assert_string_equal(shape_text(&scalar, out), "scalar");
    assert_string_equal(shape_text(&a, out), "1x3x?x224");
    most.rank = LIMIT_RANK;
    for (int i = 0; i < LIMIT_RANK; i++) {
        most.dims[i] = INT64_MAX;
    }
    assert_int_equal(strlen(shape_text(&most, out)), 8 * 19 + 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_dtypes_have_sizes_and_names),
        cmocka_unit_test(test_classes_of_dtypes),
        cmocka_unit_test(test_equality_looks_at_rank_and_dims),
        cmocka_unit_test(test_counts),
        cmocka_unit_test(test_huge_shapes_are_refused),
        cmocka_unit_test(test_bytes_need_a_type_and_known_dims),
        cmocka_unit_test(test_axes_count_from_both_ends),
        cmocka_unit_test(test_broadcasting),
        cmocka_unit_test(test_broadcasting_what_is_not_known_yet),
        cmocka_unit_test(test_texts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
