#include "wire/convert.h"

#include "tests/lib/unit.h"

#include <string.h>

/* A 2x3 float32 tensor's meta, to be broken by each test. */
struct fixture {
    Edged__TensorMeta meta;
    int64_t dims[16];
    struct tensor tensor;
    struct err err;
};

static int set_up(void **state)
{
    static struct fixture f;

    memset(&f, 0, sizeof(f));
    edged__tensor_meta__init(&f.meta);
    f.meta.dtype = DTYPE_F32;
    f.meta.n_dims = 2;
    f.meta.dims = f.dims;
    f.dims[0] = 2;
    f.dims[1] = 3;
    *state = &f;
    return 0;
}

static int in(struct fixture *f, size_t payload_size)
{
    struct blob *payload = blob_new(payload_size);
    int rc = convert_meta_in(&f->meta, payload, &f->tensor, &f->err);

    assert_int_equal(payload->refs, rc == 0 ? 2 : 1);
    blob_unref(payload);
    return rc;
}

static void refused(struct fixture *f, const char *why)
{
    assert_int_equal(convert_meta_in(&f->meta, NULL, &f->tensor, &f->err),
                     EDGE_EPROTO);
    assert_string_equal(f->err.text, why);
    assert_int_equal(f->tensor.dtype, DTYPE_NONE);
}

static void test_a_tensor_gets_its_payload(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(in(f, 24), 0);
    assert_int_equal(f->tensor.dtype, DTYPE_F32);
    assert_int_equal(f->tensor.shape.rank, 2);
    assert_int_equal(f->tensor.shape.dims[1], 3);
    assert_ptr_equal(f->tensor.data, f->tensor.blob->data);
    tensor_deinit(&f->tensor);
}

static void test_out_and_in_are_inverse(void **state)
{
    struct fixture *f = *state;
    struct shape shape = shape_of(3, (int64_t[]){4, 0, 7});

    convert_meta_out(DTYPE_I64, &shape, &f->meta, f->dims);
    assert_int_equal(convert_meta_in(&f->meta, NULL, &f->tensor, NULL), 0);
    assert_int_equal(f->tensor.dtype, DTYPE_I64);
    assert_true(shape_equal(&f->tensor.shape, &shape));
    assert_null(f->tensor.blob);
}

static void test_a_payload_of_another_size_is_refused(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(in(f, 23), EDGE_EPROTO);
    assert_string_equal(
        f->err.text, "23 bytes came for a tensor 2x3 of float32, which has 24");
    assert_int_equal(in(f, 25), EDGE_EPROTO);
}

static void test_unknown_types_are_refused(void **state)
{
    struct fixture *f = *state;

    f->meta.dtype = 0;
    refused(f, "a tensor of type 0, not known here");
    f->meta.dtype = DTYPE_COUNT;
    refused(f, "a tensor of type 13, not known here");
    f->meta.dtype = UINT32_MAX;
    refused(f, "a tensor of type 4294967295, not known here");
}

/* Whoever reads values as they are must not take others for them. */
static void test_coded_values_are_refused(void **state)
{
    struct fixture *f = *state;

    f->meta.codec = 1;
    assert_int_equal(in(f, 24), EDGE_EPROTO);
    assert_string_equal(f->err.text, "a tensor in codec 1, not known here");
}

static void test_wrong_dimensions_are_refused(void **state)
{
    struct fixture *f = *state;

    f->dims[1] = -1;
    refused(f, "a tensor of dimension -1");
    f->dims[0] = INT64_MAX;
    f->dims[1] = INT64_MAX;
    refused(f, "a tensor larger than any may be");
    f->dims[0] = (int64_t)(LIMIT_TENSOR_BYTES / 4) + 1;
    f->dims[1] = 1;
    refused(f, "a tensor larger than any may be");
    f->meta.n_dims = 9;
    refused(f, "a tensor of 9 dimensions; at most 8 are allowed");
}

static void test_no_meta_is_refused(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(convert_meta_in(NULL, NULL, &f->tensor, NULL),
                     EDGE_EPROTO);
}

static void test_digests_have_32_bytes(void **state)
{
    struct digest digest;
    struct digest other;
    ProtobufCBinaryData bytes;

    (void)state;
    digest_of("abc", 3, &digest);
    bytes = convert_digest_out(&digest);
    assert_int_equal(convert_digest_in(&bytes, &other, NULL), 0);
    assert_true(digest_equal(&digest, &other));
    bytes.len = 31;
    assert_int_equal(convert_digest_in(&bytes, &other, NULL), EDGE_EPROTO);
    bytes.len = 33;
    assert_int_equal(convert_digest_in(&bytes, &other, NULL), EDGE_EPROTO);
    bytes = (ProtobufCBinaryData){0, NULL};
    assert_int_equal(convert_digest_in(&bytes, &other, NULL), EDGE_EPROTO);
}

static void test_names(void **state)
{
    static const char *const good[] = {"a", "Z9", "pi-3", "a.b_c-d", "0"};
    static const char *const bad[] = {"",    "-a",  ".",  "..",  "../x",
                                      "a/b", "a b", "_a", "a\n", "\303\244"};
    char name[LIMIT_NAME + 2];

    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        assert_true(convert_name_ok(good[i]));
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_false(convert_name_ok(bad[i]));
    }
    assert_false(convert_name_ok(NULL));
    memset(name, 'n', sizeof(name));
    name[LIMIT_NAME + 1] = '\0';
    assert_false(convert_name_ok(name));
    name[LIMIT_NAME] = '\0';
    assert_true(convert_name_ok(name));
}

#define TEST(name) cmocka_unit_test_setup(name, set_up)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_tensor_gets_its_payload),
        TEST(test_out_and_in_are_inverse),
        TEST(test_a_payload_of_another_size_is_refused),
        TEST(test_unknown_types_are_refused),
        TEST(test_coded_values_are_refused),
        TEST(test_wrong_dimensions_are_refused),
        TEST(test_no_meta_is_refused),
        TEST(test_digests_have_32_bytes),
        TEST(test_names),
    };

    return cmocka_run_group_tests_name("convert", tests, NULL, NULL);
}
