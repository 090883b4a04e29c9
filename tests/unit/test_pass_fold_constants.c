#include "tests/lib/unit.h"

#include "graph/infer.h"
#include "tests/lib/eval.h"
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

/* Returns how many ops were computed. */
static int fold(struct graph *g)
{
    struct eval eval = {0};
    struct err err = {.text = ""};

    if (infer_graph(g, &err) < 0 ||
        pass_fold_constants(g, eval_op, &eval, &err) < 0 ||
        graph_check(g, &err) < 0) {
        fail_msg("%s", err.text);
    }
    return eval.calls;
}

static void test_constant_ops_become_constants(void **state)
{
    struct graph *g = *state;
    int x = model_input(g, "x", DTYPE_I64, DIMS(2));
    int a = model_ints(g, "a", DIMS(1, 2));
    int b = model_ints(g, "b", DIMS(10, 20));
    int sum = model_op(g, OP_ADD, "sum", IN(a, b));
    int twice = model_op(g, OP_ADD, "twice", IN(sum, sum));

    model_output(g, model_op(g, OP_MUL, "y", IN(x, twice)));
    assert_int_equal(fold(g), 2);
    assert_int_equal(g->n_ops, 1);
    assert_int_equal(tensor_get_int(&model_value(g, "twice")->data, 1), 44);
    assert_int_equal(graph_find_value(g, "a"), -1);
}

static void test_a_shape_computed_in_the_graph_is_known_after(void **state)
{
    struct graph *g = *state;
    int x = model_input(g, "x", DTYPE_F32, DIMS(5, 3, 4));
    int shape = model_op(g, OP_SHAPE, "shape", IN(x));
    int first = model_op(g, OP_GATHER, "first",
                         IN(shape, model_const(g, "zero", DTYPE_I64, SCALAR)));
    int list = model_op(g, OP_UNSQUEEZE, "list",
                        IN(first, model_ints(g, "axes", DIMS(0))));
    int to =
        model_op(g, OP_CONCAT, "to", IN(list, model_ints(g, "rest", DIMS(-1))));

    model_set_int(g, "axis", 0);
    model_output(g, model_op(g, OP_RESHAPE, "y", IN(x, to)));
    assert_int_equal(fold(g), 3);
    assert_int_equal(g->n_ops, 1);
    assert_int_equal(model_value(g, "y")->shape.dims[0], 5);
    assert_int_equal(model_value(g, "y")->shape.dims[1], 12);
}

static void test_shape_takes_a_part(void **state)
{
    struct graph *g = *state;
    int x = model_input(g, "x", DTYPE_F32, DIMS(-1, 3, 4));

    model_output(g, model_op(g, OP_SHAPE, "y", IN(x)));
    model_set_int(g, "start", -2);
    assert_int_equal(fold(g), 0);
    assert_int_equal(g->n_ops, 0);
    assert_int_equal(tensor_count(&model_value(g, "y")->data), 2);
    assert_int_equal(tensor_get_int(&model_value(g, "y")->data, 0), 3);
}

static void test_shape_of_an_open_dimension_stays(void **state)
{
    struct graph *g = *state;

    model_output(g, model_op(g, OP_SHAPE, "y",
                             IN(model_input(g, "x", DTYPE_F32, DIMS(-1, 3)))));
    assert_int_equal(fold(g), 0);
    assert_int_equal(g->n_ops, 1);
}

static void test_dequantize_stays(void **state)
{
    struct graph *g = *state;
    int w = model_const(g, "w", DTYPE_I8, DIMS(4));
    int scale = model_f32(g, "scale", 1, 0, SCALAR);
    int x = model_input(g, "x", DTYPE_F32, DIMS(4));
    int dw = model_op(g, OP_DEQUANTIZE_LINEAR, "dw", IN(w, scale));

    model_output(g, model_op(g, OP_ADD, "y", IN(x, dw)));
    assert_int_equal(fold(g), 0);
    assert_int_equal(g->n_ops, 2);
}

static void test_quantize_is_computed(void **state)
{
    struct graph *g = *state;
    int w = model_f32(g, "w", 0, 1, DIMS(4));
    int scale = model_f32(g, "scale", 1, 0, SCALAR);

    model_output(g, model_op(g, OP_QUANTIZE_LINEAR, "q", IN(w, scale)));
    assert_int_equal(fold(g), 1);
    assert_int_equal(model_value(g, "q")->data.dtype, DTYPE_U8);
}

/* A constant of `n` zeros made by ConstantOfShape. */
static int add_uniform(struct graph *g, const char *name, int n,
                       const int64_t *dims)
{
    return model_op(g, OP_CONSTANT_OF_SHAPE, name,
                    IN(model_ints(g, NULL, n, dims)));
}

static void test_what_would_grow_the_model_stays(void **state)
{
    struct graph *g = *state;
    int x = model_input(g, "x", DTYPE_F32, DIMS(1, 256, 65));
    int large = add_uniform(g, "large", DIMS(1, 256, 65));
    int small = add_uniform(g, "small", DIMS(1, 256, 64));
    int y = model_op(g, OP_ADD, "y", IN(x, large));

    model_output(g, y);
    model_output(g, small);
    assert_int_equal(fold(g), 1);
    assert_false(graph_is_const(g, graph_find_value(g, "large")));
    assert_true(graph_is_const(g, graph_find_value(g, "small")));
}

static void test_uniform_weights_come_back(void **state)
{
    struct graph *g = *state;
    int x = model_input(g, "x", DTYPE_F32, DIMS(1, 64, 8, 8));
    int w = add_uniform(g, "w", DIMS(64, 64, 3, 3));
    int s = add_uniform(g, "s", DIMS(64));
    int y = model_op(g, OP_CONV, "y", IN(x, w));

    model_output(g, model_op(g, OP_BATCH_NORM, "z", IN(y, s, s, s, s)));
    assert_int_equal(fold(g), 2);
    assert_true(graph_is_const(g, graph_find_value(g, "w")));
    assert_int_equal(g->n_ops, 2);
}

static void test_a_weight_beyond_the_limit_stays(void **state)
{
    struct graph *g = *state;
    int x = model_input(g, "x", DTYPE_F32, DIMS(1, 1 << 18));
    int w = add_uniform(g, "w", DIMS(1 << 18, 1 << 18));

    model_output(g, model_op(g, OP_MATMUL, "y", IN(x, w)));
    assert_int_equal(fold(g), 0);
    assert_int_equal(g->n_ops, 2);
}

static void test_views_of_large_constants_are_computed(void **state)
{
    struct graph *g = *state;
    int w = model_const(g, "w", DTYPE_I64, DIMS(100, 100));

    model_output(g, model_op(g, OP_IDENTITY, "y", IN(w)));
    assert_int_equal(fold(g), 1);
}

static void test_an_op_without_kernel_stays(void **state)
{
    struct graph *g = *state;
    struct eval eval = {.rc = EDGE_EUNSUPPORTED};
    struct err err = {.text = "untouched"};
    int a = model_ints(g, "a", DIMS(1, 2));

    model_output(g, model_op(g, OP_NEG, "y", IN(a)));
    assert_int_equal(infer_graph(g, NULL), 0);
    assert_int_equal(pass_fold_constants(g, eval_op, &eval, &err), 0);
    assert_string_equal(err.text, "untouched");
    assert_int_equal(eval.calls, 1);
    assert_int_equal(g->n_ops, 1);
}

static void test_another_failure_is_handed_on(void **state)
{
    struct graph *g = *state;
    struct eval eval = {.rc = EDGE_EINVAL};
    struct err err;

    model_output(g, model_op(g, OP_NEG, "y", IN(model_ints(g, "a", DIMS(1)))));
    assert_int_equal(infer_graph(g, NULL), 0);
    assert_int_equal(pass_fold_constants(g, eval_op, &eval, &err), EDGE_EINVAL);
    assert_string_equal(err.text, "told to refuse \"y\"");
}

static void test_what_a_fold_reveals_may_be_wrong(void **state)
{
    struct graph *g = *state;
    struct eval eval = {0};
    struct err err;
    int x = model_input(g, "x", DTYPE_F32, DIMS(6));
    int to = model_op(
        g, OP_ADD, "to",
        IN(model_ints(g, "a", DIMS(2, 2)), model_ints(g, "b", DIMS(2, 2))));

    model_output(g, model_op(g, OP_RESHAPE, "y", IN(x, to)));
    assert_int_equal(infer_graph(g, NULL), 0);
    assert_int_equal(pass_fold_constants(g, eval_op, &eval, &err), EDGE_EINVAL);
    assert_string_equal(err.text,
                        "Reshape \"y\": 6 does not have the elements of 4x4");
}

static int fold_once(void *arg)
{
    struct eval eval = {0};
    struct graph *copy = NULL;
    int rc = graph_clone(arg, &copy);

    rc = rc < 0 ? rc : pass_fold_constants(copy, eval_op, &eval, NULL);
    graph_free(copy);
    return rc;
}

static void test_survives_each_failing_allocation(void **state)
{
    struct graph *g = *state;
    int a = model_ints(g, "a", DIMS(1, 2));
    int x = model_input(g, "x", DTYPE_F32, DIMS(2));

    model_output(
        g, model_op(g, OP_ADD, "y", IN(a, model_op(g, OP_NEG, "n", IN(a)))));
    model_output(g, model_op(g, OP_SHAPE, "z", IN(x)));
    assert_int_equal(infer_graph(g, NULL), 0);
    assert_in_range(heap_each(fold_once, g), 10, 1000);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(test_constant_ops_become_constants),
        T(test_a_shape_computed_in_the_graph_is_known_after),
        T(test_shape_takes_a_part),
        T(test_shape_of_an_open_dimension_stays),
        T(test_dequantize_stays),
        T(test_quantize_is_computed),
        T(test_what_would_grow_the_model_stays),
        T(test_uniform_weights_come_back),
        T(test_a_weight_beyond_the_limit_stays),
        T(test_views_of_large_constants_are_computed),
        T(test_an_op_without_kernel_stays),
        T(test_another_failure_is_handed_on),
        T(test_what_a_fold_reveals_may_be_wrong),
        T(test_survives_each_failing_allocation),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
