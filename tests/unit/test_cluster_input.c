/* model.input alone, as a model's metadata has it. */
#include "tests/lib/unit.h"

#include "config/cluster.h"

#include "base/mem.h"

#include <string.h>

struct fixture {
    struct config_errors errors;
    struct cluster_input input;
};

static int set_up(void **state)
{
    *state = mem_new(struct fixture);
    return *state != NULL ? 0 : -1;
}

static int tear_down(void **state)
{
    mem_free(*state);
    return 0;
}

static int read(struct fixture *f, const char *text)
{
    return cluster_read_input(text, strlen(text), "edged.input", &f->input,
                              &f->errors);
}

static void test_numbers_are_read(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(
        read(f, "{size: 320x240, mean: [0.5, 0.25, 0], resize: stretch}"), 0);
    assert_int_equal(f->input.width, 320);
    assert_int_equal(f->input.height, 240);
    assert_int_equal(f->input.resize, CLUSTER_RESIZE_STRETCH);
    assert_float_equal(f->input.mean[1], 0.25f, 0);
    assert_true(f->input.is_given);
}

static void test_defaults_are_those_of_the_file(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(read(f, "{color: gray}"), 0);
    assert_int_equal(f->input.n, 1);
    assert_int_equal(f->input.width, 0);
    assert_float_equal(f->input.std[0], 1, 0);
    assert_true(f->input.crop > 0.87 && f->input.crop < 0.88);
}

static void test_an_unknown_key_is_an_error_with_its_place(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(read(f, "{size: 8x8, men: 1}"), EDGE_ECONFIG);
    assert_int_equal(f->errors.items[0].at.column, 13);
    assert_non_null(strstr(f->errors.items[0].text, "\"mean\""));
}

static void test_what_is_no_mapping_is_an_error(void **state)
{
    assert_int_equal(read(*state, "224"), EDGE_ECONFIG);
    assert_int_equal(read(*state, "{size: [}"), EDGE_ECONFIG);
}

static void test_a_cluster_knows_whether_it_has_one(void **state)
{
    static const char without[] = "name: a\ndevices: local 1\n"
                                  "model: {file: m.onnx}\n";
    static const char empty[] = "name: a\ndevices: local 1\n"
                                "model: {file: m.onnx, input: {}}\n";
    struct fixture *f = *state;
    struct cluster *c = NULL;

    assert_int_equal(
        cluster_read(without, strlen(without), "c", &c, &f->errors), 0);
    assert_false(c->model.input.is_given);
    cluster_free(c);
    assert_int_equal(cluster_read(empty, strlen(empty), "c", &c, &f->errors),
                     0);
    assert_true(c->model.input.is_given);
    cluster_free(c);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        CASE(test_numbers_are_read),
        CASE(test_defaults_are_those_of_the_file),
        CASE(test_an_unknown_key_is_an_error_with_its_place),
        CASE(test_what_is_no_mapping_is_an_error),
        CASE(test_a_cluster_knows_whether_it_has_one),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
