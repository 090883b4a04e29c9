#include "tests/lib/heap.h"
#include "tests/lib/tmp.h"
#include "tests/lib/unit.h"

#include "base/mem.h"
#include "coordinator/ctl/named.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

struct fixture {
    struct tmp tmp;
    struct named_list list;
    struct err err;
};

static int setup(void **state)
{
    struct fixture *f = mem_new(struct fixture);

    tmp_init(&f->tmp);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    named_deinit(&f->list);
    tmp_deinit(&f->tmp);
    mem_free(f);
    return 0;
}

/* Adds NAME=FILE of zeros; `name` may be empty. */
static void add_file(struct fixture *f, const char *name, enum dtype dtype,
                     int rank, const int64_t *dims)
{
    struct shape shape = shape_of(rank, dims);
    char argument[TMP_PATH + 80];
    char file[80];
    struct tensor t;

    (void)snprintf(file, sizeof(file), "in-%s.npy", name);
    assert_int_equal(tensor_init(&t, dtype, &shape), 0);
    memset(t.data, 0, tensor_bytes(&t));
    assert_int_equal(npy_write(tmp_path(&f->tmp, file), &t, &f->err), 0);
    tensor_deinit(&t);
    (void)snprintf(argument, sizeof(argument), "%s%s%s", name,
                   name[0] != '\0' ? "=" : "", tmp_path(&f->tmp, file));
    assert_int_equal(named_add(&f->list, argument, &f->err), 0);
    assert_int_equal(named_read(&f->list, &f->err), 0);
}

static struct named_port port_of(const char *name, int rank,
                                 const int64_t *dims)
{
    return (struct named_port){name, DTYPE_F32, shape_of(rank, dims)};
}

/* ---- arguments ---------------------------------------------------------- */

static void test_a_name_ends_at_the_first_equals_sign(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(named_add(&f->list, "x=a=b.npy", &f->err), 0);
    assert_int_equal(named_add(&f->list, "y.npy", &f->err), 0);
    assert_string_equal(f->list.items[0].name, "x");
    assert_string_equal(f->list.items[0].path, "a=b.npy");
    assert_string_equal(f->list.items[1].name, "");
    assert_string_equal(f->list.items[1].path, "y.npy");
}

static void test_an_input_given_twice_is_refused(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(named_add(&f->list, "x=a.npy", &f->err), 0);
    assert_int_equal(named_add(&f->list, "x=b.npy", &f->err), EDGE_EEXIST);
    assert_string_equal(f->err.text, "input \"x\" is given twice");
    assert_int_equal(f->list.n, 1);
}

static void test_no_more_inputs_than_a_shard_may_have(void **state)
{
    struct fixture *f = *state;
    char argument[32];

    for (int i = 0; i < LIMIT_PORTS; i++) {
        (void)snprintf(argument, sizeof(argument), "x%d=a.npy", i);
        assert_int_equal(named_add(&f->list, argument, &f->err), 0);
    }
    assert_int_equal(named_add(&f->list, "one=more", &f->err), EDGE_ETOOBIG);
}

static int add_and_drop(void *arg)
{
    struct named_list list = {.n = 0};
    int rc = named_add(&list, "x=a.npy", arg);

    named_deinit(&list);
    return rc;
}

static void test_out_of_memory(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(heap_each(add_and_drop, &f->err), 1);
}

/* ---- files -------------------------------------------------------------- */

static void test_a_broken_file_is_named(void **state)
{
    struct fixture *f = *state;
    char argument[TMP_PATH + 8];

    (void)snprintf(argument, sizeof(argument), "x=%s",
                   tmp_write(&f->tmp, "bad.npy", "no array", 8));
    assert_int_equal(named_add(&f->list, argument, &f->err), 0);
    assert_int_equal(named_read(&f->list, &f->err), EDGE_ECORRUPT);
    assert_non_null(strstr(f->err.text, "bad.npy: it is no .npy file"));
}

/* TensorProto: dims (1) 2, data_type (2) 1, float_data (4) 1.0 and 2.0. */
static void test_a_tensor_of_onnx_is_read_too(void **state)
{
    static const char proto[] = "\x08\x02\x10\x01\x22\x08"
                                "\x00\x00\x80\x3f\x00\x00\x00\x40";
    struct fixture *f = *state;
    char argument[TMP_PATH + 8];

    (void)snprintf(argument, sizeof(argument), "x=%s",
                   tmp_write(&f->tmp, "x.pb", proto, sizeof(proto) - 1));
    assert_int_equal(named_add(&f->list, argument, &f->err), 0);
    assert_int_equal(named_read(&f->list, &f->err), 0);
    assert_int_equal(tensor_count(&f->list.items[0].tensor), 2);
    assert_true(tensor_get(&f->list.items[0].tensor, 1) == 2.0);
}

/* ---- which is which ----------------------------------------------------- */

static void test_tensors_go_to_the_inputs_of_their_name(void **state)
{
    struct fixture *f = *state;
    struct named_port ports[] = {port_of("a", 1, (int64_t[]){2}),
                                 port_of("b", 1, (int64_t[]){-1})};
    struct tensor tensors[2];

    add_file(f, "b", DTYPE_F32, 1, (int64_t[]){7});
    add_file(f, "a", DTYPE_F32, 1, (int64_t[]){2});
    assert_int_equal(named_match(&f->list, ports, 2, tensors, &f->err), 0);
    assert_int_equal(tensor_count(&tensors[0]), 2);
    assert_int_equal(tensor_count(&tensors[1]), 7);
}

static void test_the_only_input_needs_no_name(void **state)
{
    struct fixture *f = *state;
    struct named_port ports[] = {port_of("a", 1, (int64_t[]){2}),
                                 port_of("b", 1, (int64_t[]){2})};
    struct tensor tensors[2];

    add_file(f, "", DTYPE_F32, 1, (int64_t[]){2});
    assert_int_equal(named_match(&f->list, ports, 1, tensors, &f->err), 0);
    assert_int_equal(named_match(&f->list, ports, 2, tensors, &f->err),
                     EDGE_EINVAL);
    assert_non_null(strstr(f->err.text, "the model has 2 inputs; say which"));
}

static void test_a_mistyped_name_is_suggested(void **state)
{
    struct fixture *f = *state;
    struct named_port port = port_of("image", 1, (int64_t[]){2});
    struct tensor tensor;

    add_file(f, "imgae", DTYPE_F32, 1, (int64_t[]){2});
    assert_int_equal(named_match(&f->list, &port, 1, &tensor, &f->err),
                     EDGE_EINVAL);
    assert_string_equal(f->err.text, "the model has no input \"imgae\"; did "
                                     "you mean \"image\"?");
}

static void test_a_missing_input_is_named_with_its_shape(void **state)
{
    struct fixture *f = *state;
    struct named_port port = port_of("x", 2, (int64_t[]){-1, 5});
    struct tensor tensor;

    assert_int_equal(named_match(&f->list, &port, 1, &tensor, &f->err),
                     EDGE_EINVAL);
    assert_string_equal(f->err.text,
                        "input \"x\" (float32 ?x5) is missing. Give it with "
                        "--input x=FILE.npy");
}

static void test_another_shape_or_type_is_refused(void **state)
{
    struct fixture *f = *state;
    struct named_port port = port_of("x", 2, (int64_t[]){1, 5});
    struct tensor tensor;

    add_file(f, "x", DTYPE_F32, 2, (int64_t[]){1, 6});
    assert_int_equal(named_match(&f->list, &port, 1, &tensor, &f->err),
                     EDGE_EINVAL);
    assert_string_equal(f->err.text, "input \"x\" is float32 1x6, the model "
                                     "wants float32 1x5");
    port = (struct named_port){"x", DTYPE_I64, port.shape};
    port.shape.dims[1] = 6;
    assert_int_equal(named_match(&f->list, &port, 1, &tensor, &f->err),
                     EDGE_EINVAL);
}

/* ---- out ---------------------------------------------------------------- */

static void test_a_slash_in_a_name_is_no_folder(void **state)
{
    char *file = named_file("gpu_0/softmax_1", ".npy");

    (void)state;
    assert_string_equal(file, "gpu_0_softmax_1.npy");
    mem_free(file);
}

static void test_outputs_are_written_into_a_new_folder(void **state)
{
    struct fixture *f = *state;
    struct named_port port = port_of("a/b", 1, (int64_t[]){2});
    struct tensor t;
    struct stat st;

    assert_int_equal(tensor_copy(&t, DTYPE_F32, &port.shape, (float[]){1, 2}),
                     0);
    assert_int_equal(
        named_write(tmp_path(&f->tmp, "x/y"), &port, &t, 1, &f->err), 0);
    assert_int_equal(stat(tmp_path(&f->tmp, "x/y/a_b.npy"), &st), 0);
    assert_true(st.st_size > 8);
    tensor_deinit(&t);
}

static void test_two_outputs_never_share_a_file(void **state)
{
    struct fixture *f = *state;
    struct named_port ports[] = {port_of("a/b", 1, (int64_t[]){2}),
                                 port_of("a_b", 1, (int64_t[]){2})};
    struct tensor tensors[2] = {{.dtype = DTYPE_NONE}};
    struct stat st;

    assert_int_equal(
        named_write(tmp_path(&f->tmp, "x"), ports, tensors, 2, &f->err),
        EDGE_EEXIST);
    assert_int_equal(stat(tmp_path(&f->tmp, "x"), &st), -1);
}

static void test_a_file_where_the_folder_should_be(void **state)
{
    struct fixture *f = *state;
    char path[TMP_PATH];

    (void)tmp_write(&f->tmp, "x", "", 0);
    (void)snprintf(path, sizeof(path), "%s/y", tmp_path(&f->tmp, "x"));
    assert_true(named_make_folder(path, &f->err) < 0);
    assert_non_null(strstr(f->err.text, "cannot make the folder"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_name_ends_at_the_first_equals_sign),
        TEST(test_an_input_given_twice_is_refused),
        TEST(test_no_more_inputs_than_a_shard_may_have),
        TEST(test_out_of_memory),
        TEST(test_a_broken_file_is_named),
        TEST(test_a_tensor_of_onnx_is_read_too),
        TEST(test_tensors_go_to_the_inputs_of_their_name),
        TEST(test_the_only_input_needs_no_name),
        TEST(test_a_mistyped_name_is_suggested),
        TEST(test_a_missing_input_is_named_with_its_shape),
        TEST(test_another_shape_or_type_is_refused),
        cmocka_unit_test(test_a_slash_in_a_name_is_no_folder),
        TEST(test_outputs_are_written_into_a_new_folder),
        TEST(test_two_outputs_never_share_a_file),
        TEST(test_a_file_where_the_folder_should_be),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
