#include "tests/lib/heap.h"
#include "tests/lib/tmp.h"
#include "tests/lib/unit.h"

#include "base/mem.h"
#include "base/rng.h"
#include "tensor/tensor.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static struct blob *read_golden(const char *name)
{
    struct blob *blob = NULL;
    struct err err = {.text = ""};
    char path[128];

    (void)snprintf(path, sizeof(path), "tests/golden/npy/%s.npy", name);
    if (blob_read(path, 100000, &blob, &err) < 0) {
        fail_msg("%s", err.text);
    }
    return blob;
}

static void load_golden(const char *name, struct tensor *t)
{
    struct blob *blob = read_golden(name);
    struct err err = {.text = ""};

    if (npy_decode(blob, t, &err) < 0) {
        fail_msg("%s: %s", name, err.text);
    }
    blob_unref(blob);
}

static void check_shape(const struct tensor *t, const char *wanted)
{
    char text[SHAPE_TEXT];

    assert_string_equal(shape_text(&t->shape, text), wanted);
}

static void test_every_type_that_numpy_wrote(void **state)
{
    static const char *const names[] = {"f4", "f2", "f8", "i1", "u1", "i2",
                                        "u2", "i4", "u4", "i8", "u8"};

    (void)state;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        struct tensor t;
        bool wraps = names[i][0] == 'u';

        load_golden(names[i], &t);
        check_shape(&t, "2x3");
        assert_int_equal(dtype_size(t.dtype), names[i][1] - '0');
        for (int k = wraps ? 2 : 0; k < 6; k++) {
            assert_true(tensor_get(&t, k) == 3 * k - 5);
        }
        tensor_deinit(&t);
    }
}

static void test_bools(void **state)
{
    static const uint8_t wanted[] = {1, 0, 1, 1, 0, 0};
    struct tensor t;

    (void)state;
    load_golden("b1", &t);
    assert_int_equal(t.dtype, DTYPE_BOOL);
    assert_memory_equal(t.data, wanted, sizeof(wanted));
    tensor_deinit(&t);
}

static void test_odd_shapes(void **state)
{
    struct tensor t;

    (void)state;
    load_golden("scalar", &t);
    check_shape(&t, "scalar");
    assert_true(tensor_get(&t, 0) == 7);
    tensor_deinit(&t);
    load_golden("vector", &t);
    check_shape(&t, "5");
    tensor_deinit(&t);
    load_golden("empty", &t);
    check_shape(&t, "0x4");
    tensor_deinit(&t);
    load_golden("rank8", &t);
    check_shape(&t, "1x1x1x1x1x1x1x1");
    tensor_deinit(&t);
}

static void test_later_versions_of_the_format(void **state)
{
    static const char *const names[] = {"version2", "version3"};

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct tensor t;

        load_golden(names[i], &t);
        check_shape(&t, "5");
        assert_true(tensor_get(&t, 4) == 4);
        tensor_deinit(&t);
    }
}

static void check_refused(const char *name, int code, const char *why)
{
    struct blob *blob = read_golden(name);
    struct tensor t = {.dtype = DTYPE_NONE};
    struct err err = {.text = ""};

    assert_int_equal(npy_decode(blob, &t, &err), code);
    if (strstr(err.text, why) == NULL) {
        fail_msg("%s: \"%s\" does not say \"%s\"", name, err.text, why);
    }
    blob_unref(blob);
}

static void test_what_is_not_supported_says_so(void **state)
{
    (void)state;
    check_refused("fortran", EDGE_EUNSUPPORTED, "ascontiguousarray");
    check_refused("bigendian", EDGE_EUNSUPPORTED, "big-endian");
    check_refused("complex", EDGE_EUNSUPPORTED, "'<c8'");
    check_refused("text", EDGE_EUNSUPPORTED, "'<U2'");
    check_refused("fields", EDGE_EUNSUPPORTED, "descr");
    check_refused("rank9", EDGE_ETOOBIG, "more than 8");
}

/* A version 1 file of the given header and `size` bytes of zeros. */
static struct blob *make_file(const char *header, size_t size)
{
    size_t n = strlen(header);
    struct blob *blob = blob_new(10 + n + size);

    memset(blob->data, 0, blob->size);
    memcpy(blob->data, "\x93NUMPY\x01", 7);
    blob->data[8] = (uint8_t)n;
    blob->data[9] = (uint8_t)(n >> 8);
    memcpy(blob->data + 10, header, n);
    return blob;
}

static int decode(const char *header, size_t size)
{
    struct tensor t = {.dtype = DTYPE_NONE};
    struct blob *blob = make_file(header, size);
    struct err err = {.text = ""};
    int rc = npy_decode(blob, &t, &err);

    assert_true(rc == 0 || err.text[0] != '\0');
    tensor_deinit(&t);
    blob_unref(blob);
    return rc;
}

#define HEAD(shape) "{'descr': '<f4', 'fortran_order': False, 'shape': " shape

static void test_headers_in_other_forms(void **state)
{
    (void)state;
    assert_int_equal(decode(HEAD("(2, 3), }"), 24), 0);
    assert_int_equal(decode(HEAD("(2,3)}"), 24), 0);
    assert_int_equal(decode(HEAD("( 2L , 3L ,) }  \n"), 24), 0);
    assert_int_equal(
        decode("{'shape':(),'fortran_order':False,'descr':'<f4'}", 4), 0);
}

static void test_malformed_headers_are_refused(void **state)
{
    static const char *const bad[] = {
        "",
        "{",
        "{}",
        "[]",
        HEAD(""),
        HEAD("(2"),
        HEAD("(2,"),
        HEAD("(2,,3)}"),
        HEAD("(,)}"),
        HEAD("(2 3)}"),
        HEAD("(-1,)}"),
        HEAD("(0x2,)}"),
        HEAD("2}"),
        HEAD("(2,3)"),
        "{'descr': '<f4', 'shape': (2,)}",
        "{'descr': '<f4', 'fortran_order': Maybe, 'shape': (2,)}",
        "{'descr': '<f4, 'fortran_order': False, 'shape': (2,)}",
        "{'descr': '<f4' 'fortran_order' False 'shape' (2,)}",
        "{'other': 1}",
        "{'descr': 'f4', 'shape': (2,), 'fortran_order': False}",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        if (decode(bad[i], 8) == 0) {
            fail_msg("accepted: %s", bad[i]);
        }
    }
}

static void test_sizes_that_do_not_fit_are_refused(void **state)
{
    (void)state;
    assert_int_equal(decode(HEAD("(2, 3)}"), 23), EDGE_ECORRUPT);
    assert_int_equal(decode(HEAD("(2, 3)}"), 25), EDGE_ECORRUPT);
    assert_int_equal(decode(HEAD("(9223372036854775807,)}"), 8), EDGE_ETOOBIG);
    assert_int_equal(decode(HEAD("(4294967296, 4294967296, 4)}"), 8),
                     EDGE_ETOOBIG);
    assert_true(decode(HEAD("(99999999999999999999999,)}"), 8) < 0);
    assert_true(decode(HEAD("(9223372036854775808,)}"), 8) < 0);
}

static void test_a_bool_is_0_or_1(void **state)
{
    struct blob *blob =
        make_file("{'descr': '|b1', 'fortran_order': False, 'shape': (3,)}", 3);
    struct tensor t = {.dtype = DTYPE_NONE};
    struct err err;

    (void)state;
    blob->data[blob->size - 1] = 2;
    assert_int_equal(npy_decode(blob, &t, &err), EDGE_ECORRUPT);
    assert_non_null(strstr(err.text, "element 2"));
    blob_unref(blob);
}

static void test_every_cut_of_a_file_is_refused(void **state)
{
    struct blob *whole = read_golden("f4");

    (void)state;
    for (size_t size = 0; size < whole->size; size++) {
        struct blob *cut = blob_copy(whole->data, size);
        struct tensor t = {.dtype = DTYPE_NONE};
        struct err err;

        assert_true(npy_decode(cut, &t, &err) < 0);
        blob_unref(cut);
    }
    blob_unref(whole);
}

/* Any change gives a tensor or an error, never more; ASan watches. */
static void test_damaged_files_do_no_harm(void **state)
{
    struct blob *whole = read_golden("version2");
    struct rng rng;

    (void)state;
    rng_init(&rng, 1);
    for (int i = 0; i < 20000; i++) {
        struct blob *copy = blob_copy(whole->data, whole->size);
        struct tensor t = {.dtype = DTYPE_NONE};
        struct err err;

        for (int k = 0; k < 3; k++) {
            copy->data[rng_below(&rng, copy->size)] = (uint8_t)rng_next(&rng);
        }
        if (npy_decode(copy, &t, &err) == 0) {
            assert_true(tensor_bytes(&t) < copy->size);
            tensor_deinit(&t);
        }
        blob_unref(copy);
    }
    blob_unref(whole);
}

static int set_up(void **state)
{
    static struct tmp tmp;

    tmp_init(&tmp);
    *state = &tmp;
    return 0;
}

static int tear_down(void **state)
{
    heap_heal();
    tmp_deinit(*state);
    return 0;
}

static void check_round_trip(struct tmp *tmp, const char *name)
{
    const char *path = tmp_path(tmp, "copy.npy");
    struct blob *blob = NULL;
    struct tensor before;
    struct tensor after;
    struct err err;

    load_golden(name, &before);
    assert_int_equal(npy_write(path, &before, &err), 0);
    assert_int_equal(blob_read(path, 100000, &blob, &err), 0);
    assert_int_equal((blob->size - tensor_bytes(&before)) % 64, 0);
    assert_int_equal(npy_decode(blob, &after, &err), 0);
    assert_int_equal(after.dtype, before.dtype);
    assert_true(shape_equal(&after.shape, &before.shape));
    assert_memory_equal(after.data, before.data, tensor_bytes(&before));
    tensor_deinit(&before);
    tensor_deinit(&after);
    blob_unref(blob);
}

static void test_what_is_written_is_read_again(void **state)
{
    static const char *const names[] = {
        "f4", "f2", "f8", "i1", "u1",     "i2",     "u2",    "i4",
        "u4", "i8", "u8", "b1", "scalar", "vector", "empty", "rank8"};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        check_round_trip(*state, names[i]);
    }
}

static void test_the_header_is_written_as_numpy_does(void **state)
{
    const char *path = tmp_path(*state, "out.npy");
    struct blob *blob = NULL;
    struct tensor t;
    struct err err;

    load_golden("f4", &t);
    assert_int_equal(npy_write(path, &t, &err), 0);
    assert_int_equal(blob_read(path, 1000, &blob, &err), 0);
    assert_int_equal(
        strncmp((const char *)blob->data + 10, HEAD("(2, 3), }"), 59), 0);
    assert_int_equal(blob->data[127], '\n');
    blob_unref(blob);
    tensor_deinit(&t);
}

static void test_a_path_that_cannot_be_written_is_named(void **state)
{
    const char *path = tmp_path(*state, "no/such/folder.npy");
    struct tensor t;
    struct err err;

    load_golden("f4", &t);
    assert_int_equal(npy_write(path, &t, &err), EDGE_ENOENT);
    assert_non_null(strstr(err.text, path));
    assert_int_equal(npy_write("/dev/full", &t, &err), EDGE_EIO);
    assert_non_null(strstr(err.text, "/dev/full"));
    assert_int_equal(access("/dev/full", F_OK), 0);
    tensor_deinit(&t);
}

static int decode_step(void *arg)
{
    struct tensor t = {.dtype = DTYPE_NONE};
    int rc = npy_decode(arg, &t, NULL);

    tensor_deinit(&t);
    return rc;
}

static void test_each_allocation_may_fail(void **state)
{
    struct blob *blob = read_golden("f4");

    (void)state;
    assert_int_equal(heap_each(decode_step, blob), 2);
    blob_unref(blob);
}

#define WITH_TMP(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_type_that_numpy_wrote),
        cmocka_unit_test(test_bools),
        cmocka_unit_test(test_odd_shapes),
        cmocka_unit_test(test_later_versions_of_the_format),
        cmocka_unit_test(test_what_is_not_supported_says_so),
        cmocka_unit_test(test_headers_in_other_forms),
        cmocka_unit_test(test_malformed_headers_are_refused),
        cmocka_unit_test(test_sizes_that_do_not_fit_are_refused),
        cmocka_unit_test(test_a_bool_is_0_or_1),
        cmocka_unit_test(test_every_cut_of_a_file_is_refused),
        cmocka_unit_test(test_damaged_files_do_no_harm),
        WITH_TMP(test_what_is_written_is_read_again),
        WITH_TMP(test_the_header_is_written_as_numpy_does),
        WITH_TMP(test_a_path_that_cannot_be_written_is_named),
        cmocka_unit_test(test_each_allocation_may_fail),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
