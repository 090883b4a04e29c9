#include "tests/lib/unit.h"

#include "graph/infer.h"
#include "tests/lib/eval.h"
#include "tests/lib/model.h"

static int set_up(void **state)
{
    *state = graph_new("test");
    return *state != NULL ? 0 : -1;
}

static int tear_down(void **state)
{
    graph_free(*state);
    return 0;
}

/* x -> Pad -> Identity -> Conv -> Dropout -> BatchNormalization -> y, the
 * weight of Conv a Transpose of a constant, and a dead Neg. */
static void build(struct graph *g)
{
    int x = model_input(g, "x", DTYPE_F32, DIMS(1, 2, 8, 8));
    int pads = model_ints(g, "pads", DIMS(0, 0, 1, 1, 0, 0, 1, 1));
    int w = model_op(g, OP_TRANSPOSE, "w",
                     IN(model_f32(g, "wt", 1, 1, DIMS(3, 3, 2, 4))));
    int s = model_f32(g, "s", 1, 1, DIMS(4));
    int a = model_op(g, OP_PAD, "a", IN(x, pads));
    int b = model_op(g, OP_IDENTITY, "b", IN(a));
    int c = model_op(g, OP_CONV, "c", IN(b, w));
    int d = model_op(g, OP_DROPOUT, "d", IN(c));

    (void)model_op(g, OP_NEG, "dead", IN(c));
    model_output(g, model_op(g, OP_BATCH_NORM, "y", IN(d, s, s, s, s)));
}

static void test_run_all_leaves_one_conv(void **state)
{
    struct graph *g = *state;
    struct eval eval = {0};
    int64_t pads[4] = {0};

    build(g);
    assert_int_equal(pass_run_all(g, eval_op, &eval, NULL), 0);
    assert_int_equal(graph_check(g, NULL), 0);
    assert_int_equal(g->n_ops, 1);
    assert_int_equal(op_ints(&g->ops[0], "pads", pads, 4), 4);
    assert_int_equal(pads[3], 1);
    assert_string_equal(g->values[g->outputs[0]].name, "y");
    assert_int_equal(g->values[g->outputs[0]].shape.dims[1], 4);
    assert_int_equal(eval.calls, 1);
}

static void test_run_shard_changes_no_rounding(void **state)
{
    struct graph *g = *state;
    struct eval eval = {0};

    build(g);
    assert_int_equal(pass_run_shard(g, eval_op, &eval, NULL), 0);
    assert_int_equal(graph_check(g, NULL), 0);
    assert_int_equal(model_count(g, OP_BATCH_NORM), 1);
    assert_int_equal(model_count(g, OP_TRANSPOSE), 0);
    assert_int_equal(model_count(g, OP_NEG), 0);
}

static void test_run_all_twice_is_run_all_once(void **state)
{
    struct graph *g = *state;
    struct eval eval = {0};
    size_t values;

    build(g);
    assert_int_equal(pass_run_all(g, eval_op, &eval, NULL), 0);
    values = g->n_values;
    assert_int_equal(pass_run_all(g, eval_op, &eval, NULL), 0);
    assert_int_equal(g->n_ops, 1);
    assert_int_equal(g->n_values, values);
    assert_int_equal(eval.calls, 1);
}

static void test_run_all_names_what_does_not_fit(void **state)
{
    struct graph *g = *state;
    struct eval eval = {0};
    struct err err;
    int x = model_input(g, "x", DTYPE_F32, DIMS(1, 3, 8, 8));
    int w = model_f32(g, "w", 1, 1, DIMS(4, 2, 1, 1));

    model_output(g, model_op(g, OP_CONV, "y", IN(x, w)));
    assert_int_equal(pass_run_all(g, eval_op, &eval, &err), EDGE_EINVAL);
    assert_string_equal(err.text,
                        "Conv \"y\": weight wants 2 channels, input has 3");
}

static void test_drop_dead_keeps_inputs(void **state)
{
    struct graph *g = *state;

    build(g);
    model_input(g, "idle", DTYPE_F32, DIMS(1));
    assert_int_equal(pass_drop_dead(g, NULL), 0);
    assert_int_equal(model_count(g, OP_NEG), 0);
    assert_int_equal(g->n_inputs, 2);
    assert_int_equal(graph_check(g, NULL), 0);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(test_run_all_leaves_one_conv),
        T(test_run_shard_changes_no_rounding),
        T(test_run_all_twice_is_run_all_once),
        T(test_run_all_names_what_does_not_fit),
        T(test_drop_dead_keeps_inputs),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
