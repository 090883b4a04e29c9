/* TensorProto in all its forms. */
#include "tests/lib/heap.h"
#include "tests/lib/onnx_make.h"
#include "tests/lib/unit.h"

#include "base/mem.h"
#include "onnx/import.h"

#include <stdlib.h>
#include <string.h>

enum { INT32_DATA = 5, INT64_DATA = 7, RAW = 9, UINT64_DATA = 11 };
enum { FLOAT_DATA = 4, DOUBLE_DATA = 10 };

struct fix {
    struct onnx_bytes bytes;
    struct tensor t;
    struct err err;
};

static int set_up(void **state)
{
    *state = mem_new(struct fix);
    return *state == NULL;
}

static int tear_down(void **state)
{
    struct fix *f = *state;

    heap_heal();
    tensor_deinit(&f->t);
    mem_free(f->bytes.data);
    mem_free(f);
    return 0;
}

static void begin(struct fix *f, int type, int64_t n)
{
    onnx_put_int(&f->bytes, 1, n);
    onnx_put_int(&f->bytes, 2, type);
}

static int take(struct fix *f)
{
    struct blob *blob = blob_copy(f->bytes.data, f->bytes.size);
    int rc = import_tensor(blob, &f->t, NULL, &f->err);

    blob_unref(blob);
    return rc;
}

static void check(struct fix *f, enum dtype dtype, int n, const double *wanted)
{
    if (take(f) < 0) {
        fail_msg("%s", f->err.text);
    }
    assert_int_equal(f->t.dtype, dtype);
    assert_int_equal(tensor_count(&f->t), n);
    for (int i = 0; i < n; i++) {
        assert_true(tensor_get(&f->t, i) == wanted[i]);
    }
}

static void refused(struct fix *f, const char *text)
{
    assert_int_equal(take(f), EDGE_EINVAL);
    assert_string_equal(f->err.text, text);
}

/* ---- typed fields ------------------------------------------------------- */

static void test_float_data(void **state)
{
    struct fix *f = *state;
    static const float v[2] = {1.5f, -2};

    begin(f, 1, 2);
    onnx_put_bytes(&f->bytes, FLOAT_DATA, v, sizeof(v));
    check(f, DTYPE_F32, 2, (double[]){1.5, -2});
}

static void test_double_data(void **state)
{
    struct fix *f = *state;
    static const double v[2] = {1e300, -2};

    begin(f, 11, 2);
    onnx_put_bytes(&f->bytes, DOUBLE_DATA, v, sizeof(v));
    check(f, DTYPE_F64, 2, v);
}

static void put_all(struct fix *f, int field, int n, const int64_t *v)
{
    for (int i = 0; i < n; i++) { /* not packed: both forms must be read */
        onnx_put_int(&f->bytes, field, v[i]);
    }
}

static void test_small_types_travel_as_int32(void **state)
{
    static const struct {
        int onnx;
        enum dtype dtype;
        int64_t v[2];
        double wanted[2];
    } rows[] = {
        {2, DTYPE_U8, {0, 255}, {0, 255}},
        {3, DTYPE_I8, {-128, 127}, {-128, 127}},
        {4, DTYPE_U16, {0, 65535}, {0, 65535}},
        {5, DTYPE_I16, {-32768, 32767}, {-32768, 32767}},
        {6, DTYPE_I32, {INT32_MIN, INT32_MAX}, {INT32_MIN, INT32_MAX}},
        {9, DTYPE_BOOL, {0, 1}, {0, 1}},
        {10, DTYPE_F16, {0x3c00, 0xc000}, {1, -2}},
    };
    struct fix *f = *state;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        begin(f, rows[i].onnx, 2);
        put_all(f, INT32_DATA, 2, rows[i].v);
        check(f, rows[i].dtype, 2, rows[i].wanted);
        tensor_deinit(&f->t);
        f->bytes.size = 0;
    }
}

static void test_what_does_not_fit_a_small_type_is_refused(void **state)
{
    static const struct {
        int onnx;
        int64_t v;
        const char *text;
    } rows[] = {
        {2, 256, "tensor: element 1 is out of range for uint8"},
        {2, -1, "tensor: element 1 is out of range for uint8"},
        {3, 128, "tensor: element 1 is out of range for int8"},
        {4, -1, "tensor: element 1 is out of range for uint16"},
        {5, 32768, "tensor: element 1 is out of range for int16"},
        {9, 2, "tensor: element 1 is out of range for bool"},
    };
    struct fix *f = *state;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        begin(f, rows[i].onnx, 2);
        put_all(f, INT32_DATA, 2, (int64_t[]){1, rows[i].v});
        refused(f, rows[i].text);
        f->bytes.size = 0;
    }
}

static void test_int64_data(void **state)
{
    struct fix *f = *state;

    begin(f, 7, 2);
    put_all(f, INT64_DATA, 2, (int64_t[]){INT64_MIN, 5});
    check(f, DTYPE_I64, 2, (double[]){(double)INT64_MIN, 5});
}

static void test_uint32_and_uint64_share_a_field(void **state)
{
    struct fix *f = *state;

    begin(f, 12, 2);
    put_all(f, UINT64_DATA, 2, (int64_t[]){0, UINT32_MAX});
    check(f, DTYPE_U32, 2, (double[]){0, UINT32_MAX});
}

static void test_a_uint32_that_is_too_large(void **state)
{
    struct fix *f = *state;

    begin(f, 12, 1);
    put_all(f, UINT64_DATA, 1, (int64_t[]){(int64_t)UINT32_MAX + 1});
    refused(f, "tensor: element 0 is out of range for uint32");
}

/* ---- raw data ----------------------------------------------------------- */

static void test_raw_data_of_every_type(void **state)
{
    static const int onnx[] = {1, 2, 3, 4, 5, 6, 7, 9, 10, 11, 12, 13};
    static const enum dtype dtypes[] = {
        DTYPE_F32, DTYPE_U8,   DTYPE_I8,  DTYPE_U16, DTYPE_I16, DTYPE_I32,
        DTYPE_I64, DTYPE_BOOL, DTYPE_F16, DTYPE_F64, DTYPE_U32, DTYPE_U64};
    static const uint8_t zeros[16];
    struct fix *f = *state;

    for (size_t i = 0; i < sizeof(onnx) / sizeof(onnx[0]); i++) {
        begin(f, onnx[i], 2);
        onnx_put_bytes(&f->bytes, RAW, zeros, 2 * dtype_size(dtypes[i]));
        check(f, dtypes[i], 2, (double[]){0, 0});
        tensor_deinit(&f->t);
        f->bytes.size = 0;
    }
}

static void test_the_last_raw_data_counts(void **state)
{
    struct fix *f = *state;

    begin(f, 2, 2);
    onnx_put_bytes(&f->bytes, RAW, "abcdef", 6);
    onnx_put_bytes(&f->bytes, RAW, "\1\2", 2);
    check(f, DTYPE_U8, 2, (double[]){1, 2});
}

static void test_a_tensor_without_elements(void **state)
{
    struct fix *f = *state;

    begin(f, 1, 0);
    onnx_put_bytes(&f->bytes, RAW, NULL, 0);
    check(f, DTYPE_F32, 0, NULL);
}

static void test_a_scalar_has_no_dimensions(void **state)
{
    struct fix *f = *state;
    static const float v = 4;

    onnx_put_int(&f->bytes, 2, 1);
    onnx_put_bytes(&f->bytes, RAW, &v, sizeof(v));
    check(f, DTYPE_F32, 1, (double[]){4});
    assert_int_equal(f->t.shape.rank, 0);
}

static void test_the_name_is_handed_out(void **state)
{
    struct fix *f = *state;
    struct blob *blob;
    char *name = NULL;

    begin(f, 2, 1);
    onnx_put_bytes(&f->bytes, RAW, "a", 1);
    onnx_put_text(&f->bytes, 8, "input_0");
    blob = blob_copy(f->bytes.data, f->bytes.size);
    assert_int_equal(import_tensor(blob, &f->t, &name, &f->err), 0);
    assert_string_equal(name, "input_0");
    mem_free(name);
    blob_unref(blob);
}

static int take_once(void *arg)
{
    struct tensor t;
    char *name = NULL;
    int rc = import_tensor(arg, &t, &name, NULL);

    if (rc == 0) {
        tensor_deinit(&t);
    }
    mem_free(name);
    return rc;
}

static void test_every_allocation_may_fail(void **state)
{
    struct fix *f = *state;
    struct blob *blob;

    begin(f, 9, 2);
    onnx_put_bytes(&f->bytes, RAW, "\1", 2);
    blob = blob_copy(f->bytes.data, f->bytes.size);
    assert_true(heap_each(take_once, blob) > 3);
    blob_unref(blob);
}

#define TEST(name) \
    cmocka_unit_test_setup_teardown(test_##name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(float_data),
        TEST(double_data),
        TEST(small_types_travel_as_int32),
        TEST(what_does_not_fit_a_small_type_is_refused),
        TEST(int64_data),
        TEST(uint32_and_uint64_share_a_field),
        TEST(a_uint32_that_is_too_large),
        TEST(raw_data_of_every_type),
        TEST(the_last_raw_data_counts),
        TEST(a_tensor_without_elements),
        TEST(a_scalar_has_no_dimensions),
        TEST(the_name_is_handed_out),
        TEST(every_allocation_may_fail),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
