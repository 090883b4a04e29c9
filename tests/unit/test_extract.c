#include "tests/lib/unit.h"

#include "base/mem.h"
#include "graph/graph.h"
#include "graph/infer.h"
#include "tests/lib/heap.h"
#include "tests/lib/model.h"

#include <string.h>

static int set_up(void **state)
{
    *state = graph_new("test");
    return *state != NULL ? 0 : -1;
}

static int tear_down(void **state)
{
    heap_heal();
    graph_free(*state);
    return 0;
}

static void assert_fails(int rc, int wanted, const struct err *err,
                         const char *part)
{
    assert_int_equal(rc, wanted);
    if (strstr(err->text, part) == NULL) {
        fail_msg("\"%s\" is not in \"%s\"", part, err->text);
    }
}

/* ---- extraction -------------------------------------------------------- */

/* conv-like: x -> a -> b; w (int8) -> DequantizeLinear dw; c = b + dw;
 * d = c + a (a residual over the middle). */
static void build_residual(struct graph *g)
{
    int x = model_input(g, "x", DTYPE_F32, DIMS(1, 4));
    int w = model_const(g, "w", DTYPE_I8, DIMS(4));
    int scale = model_f32(g, "scale", 1, 0, SCALAR);
    int dw = model_op(g, OP_DEQUANTIZE_LINEAR, "dw", IN(w, scale));
    int a = model_op(g, OP_RELU, "a", IN(x));
    int b = model_op(g, OP_RELU, "b", IN(a));
    int c = model_op(g, OP_ADD, "c", IN(b, dw));
    int d = model_op(g, OP_ADD, "d", IN(c, a));

    model_output(g, d);
    assert_int_equal(infer_graph(g, NULL), 0);
}

static int extract(const struct graph *g, const char *in0, const char *in1,
                   const char *out0, const char *out1, struct graph **part,
                   struct err *err)
{
    int in[2] = {graph_find_value(g, in0), -1};
    int out[2] = {graph_find_value(g, out0), -1};

    if (in1 != NULL) {
        in[1] = graph_find_value(g, in1);
    }
    if (out1 != NULL) {
        out[1] = graph_find_value(g, out1);
    }
    return graph_extract(g, in, in1 != NULL ? 2 : 1, out, out1 != NULL ? 2 : 1,
                         "part", part, err);
}

static void test_extract_keeps_names_and_takes_constants_along(void **state)
{
    struct graph *g = *state;
    struct graph *part = NULL;

    build_residual(g);
    assert_int_equal(extract(g, "b", NULL, "c", NULL, &part, NULL), 0);
    assert_int_equal(graph_check(part, NULL), 0);
    assert_int_equal(part->n_ops, 2);
    assert_int_equal(model_count(part, OP_DEQUANTIZE_LINEAR), 1);
    assert_true(graph_is_input(part, graph_find_value(part, "b")));
    assert_true(graph_is_output(part, graph_find_value(part, "c")));
    assert_int_equal(model_value(part, "c")->dtype, DTYPE_F32);
    assert_int_equal(model_value(part, "c")->shape.rank, 2);
    assert_ptr_equal(model_value(part, "w")->data.blob,
                     model_value(g, "w")->data.blob);
    graph_free(part);
}

static void test_extract_passes_an_input_through(void **state)
{
    struct graph *g = *state;
    struct graph *part = NULL;

    build_residual(g);
    assert_int_equal(extract(g, "b", "a", "a", "c", &part, NULL), 0);
    assert_int_equal(graph_check(part, NULL), 0);
    assert_int_equal(model_count(part, OP_IDENTITY), 1);
    assert_string_equal(part->values[part->inputs[1]].name, "a");
    assert_string_equal(part->values[part->outputs[0]].name, "a/pass");
    assert_string_equal(part->values[part->outputs[1]].name, "c");
    assert_true(graph_find_op(part, "a/pass") >= 0);
    assert_true(shape_equal(&model_value(part, "a/pass")->shape,
                            &model_value(g, "a")->shape));
    graph_free(part);
}

static void test_extract_names_the_input_that_is_missing(void **state)
{
    struct graph *g = *state;
    struct graph *part = NULL;
    struct err err = {.text = ""};

    build_residual(g);
    assert_fails(extract(g, "b", NULL, "d", NULL, &part, &err), EDGE_EINVAL,
                 &err, "\"x\"");
    assert_null(part);
}

static void test_extract_refuses_a_value_twice(void **state)
{
    struct graph *g = *state;
    struct graph *part = NULL;
    struct err err = {.text = ""};

    build_residual(g);
    assert_fails(extract(g, "b", "b", "c", NULL, &part, &err), EDGE_EINVAL,
                 &err, "twice");
    assert_fails(extract(g, "b", NULL, "c", "c", &part, &err), EDGE_EINVAL,
                 &err, "twice");
}

static void test_extract_refuses_a_pass_name_that_is_taken(void **state)
{
    struct graph *g = *state;
    struct graph *part = NULL;
    struct err err = {.text = ""};

    build_residual(g);
    assert_int_equal(graph_rename_value(g, graph_find_value(g, "c"), "a/pass"),
                     0);
    assert_fails(extract(g, "b", "a", "a/pass", "a", &part, &err), EDGE_EINVAL,
                 &err, "\"a/pass\"");
}

static void test_extract_between_two_outputs_of_one_op(void **state)
{
    struct graph *g = *state;
    struct graph *part = NULL;
    int x = model_input(g, "x", DTYPE_F32, DIMS(1, 4));
    int a = model_op(g, OP_SPLIT, "a", IN(x));
    int b = model_more(g, "b");

    model_set_int(g, "axis", 1);
    model_output(g, model_op(g, OP_ADD, "c", IN(a, b)));
    assert_int_equal(infer_graph(g, NULL), 0);
    assert_int_equal(extract(g, "x", "a", "c", NULL, &part, NULL), 0);
    assert_int_equal(graph_check(part, NULL), 0);
    assert_int_equal(part->n_ops, 2);
    graph_free(part);
}

static int extract_once(void *arg)
{
    struct graph *part = NULL;
    int rc = extract(arg, "b", "a", "a", "c", &part, NULL);

    graph_free(part);
    return rc;
}

static void test_extract_survives_each_failing_allocation(void **state)
{
    build_residual(*state);
    assert_in_range(heap_each(extract_once, *state), 20, 1000);
}

static void test_pass_names_keep_one_suffix(void **state)
{
    static const char *const cases[][2] = {
        {"x", "x/pass"},
        {"x/pass", "x/pass2"},
        {"x/pass2", "x/pass3"},
        {"x/pass9", "x/pass10"},
        {"x/password", "x/password/pass"},
        {"a/pass/b", "a/pass/b/pass"},
        {"a/pass/pass", "a/pass/pass2"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char *name = graph_pass_name(cases[i][0]);

        assert_non_null(name);
        assert_string_equal(name, cases[i][1]);
        mem_free(name);
    }
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(test_extract_keeps_names_and_takes_constants_along),
        T(test_extract_passes_an_input_through),
        T(test_extract_names_the_input_that_is_missing),
        T(test_extract_refuses_a_value_twice),
        T(test_extract_refuses_a_pass_name_that_is_taken),
        T(test_extract_between_two_outputs_of_one_op),
        T(test_extract_survives_each_failing_allocation),
        T(test_pass_names_keep_one_suffix),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
