#include "tests/lib/unit.h"

#include "graph/infer.h"
#include "tests/lib/model.h"

#include <string.h>

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

static void assert_error(int rc, const struct err *err, const char *wanted)
{
    assert_int_equal(rc, EDGE_EINVAL);
    assert_string_equal(err->text, wanted);
}

/* ---- sources ----------------------------------------------------------- */

static void test_an_input_without_type_is_refused(void **state)
{
    struct graph *g = *state;
    struct err err;

    model_input(g, "x", DTYPE_NONE, DIMS(1));
    assert_error(infer_graph(g, &err), &err,
                 "graph input \"x\": its type is not known");
}

static void test_dimensions_out_of_range_are_refused(void **state)
{
    struct graph *g = *state;
    int x = model_input(g, "x", DTYPE_F32, DIMS(1, -2));
    struct err err;

    assert_error(infer_graph(g, &err), &err,
                 "graph input \"x\": dimension 1 is -2, which is out of range");
    g->values[x].shape.dims[1] = INT64_MAX;
    assert_error(infer_graph(g, &err), &err,
                 "graph input \"x\": dimension 1 is 9223372036854775807, which "
                 "is out of range");
}

static void test_an_input_too_large_to_hold_is_refused(void **state)
{
    struct graph *g = *state;
    struct err err;

    model_input(g, "x", DTYPE_F32, DIMS(1 << 20, 1 << 20));
    assert_error(infer_graph(g, &err), &err,
                 "graph input \"x\": 1048576x1048576 is larger than allowed");
}

static void test_ops_that_are_not_checked_do_not_crash(void **state)
{
    struct graph *g = *state;
    int x = model_input(g, "x", DTYPE_F32, DIMS(1));
    struct err err;

    model_op(g, OP_ADD, "y", IN(x, -1));
    assert_error(infer_graph(g, &err), &err,
                 "Add \"y\": its input 1 is left out, but it needs it");
}

/* ---- through a graph --------------------------------------------------- */

static void test_shapes_go_from_op_to_op(void **state)
{
    struct graph *g = *state;
    int x = model_input(g, "x", DTYPE_F32, DIMS(-1, 3, 8, 8));
    int w = model_f32(g, "w", 0, 0, DIMS(4, 3, 3, 3));
    int y = model_op(g, OP_CONV, "y", IN(x, w));
    int z = model_op(g, OP_FLATTEN, "z", IN(model_op(g, OP_RELU, "r", IN(y))));

    assert_int_equal(infer_graph(g, NULL), 0);
    assert_int_equal(g->values[z].shape.dims[0], -1);
    assert_int_equal(g->values[z].shape.dims[1], 144);
    assert_int_equal(infer_bind_batch(g, 5, NULL), 0);
    assert_int_equal(infer_graph(g, NULL), 0);
    assert_int_equal(g->values[z].shape.dims[0], 5);
}

static void test_an_unknown_rank_spreads_with_its_type(void **state)
{
    struct graph *g = *state;
    int x = model_input(g, "x", DTYPE_F32, DIMS(2));
    int shape = model_input(g, "s", DTYPE_I64, DIMS(-1));
    int y = model_op(g, OP_RESHAPE, "y", IN(x, shape));
    int z = model_op(g, OP_SHAPE, "z", IN(model_op(g, OP_NEG, "n", IN(y))));

    assert_int_equal(infer_graph(g, NULL), 0);
    assert_false(model_value(g, "n")->has_shape);
    assert_int_equal(model_value(g, "n")->dtype, DTYPE_F32);
    assert_int_equal(g->values[z].dtype, DTYPE_I64);
}

static void test_inference_replaces_what_was_there(void **state)
{
    struct graph *g = *state;
    int y = model_op(g, OP_RELU, "y",
                     IN(model_input(g, "x", DTYPE_F32, DIMS(2, 3))));

    g->values[y].dtype = DTYPE_I64;
    g->values[y].has_shape = true;
    g->values[y].shape = shape_of(DIMS(7));
    assert_int_equal(infer_graph(g, NULL), 0);
    assert_int_equal(g->values[y].dtype, DTYPE_F32);
    assert_int_equal(g->values[y].shape.rank, 2);
}

/* ---- the batch --------------------------------------------------------- */

static void test_only_the_first_dimension_is_bound(void **state)
{
    struct graph *g = *state;
    struct err err;
    int fixed = model_input(g, "fixed", DTYPE_F32, DIMS(3, 4));

    model_input(g, "scalar", DTYPE_F32, SCALAR);
    assert_int_equal(infer_bind_batch(g, 2, NULL), 0);
    assert_int_equal(g->values[fixed].shape.dims[0], 3);
    model_input(g, "open", DTYPE_F32, DIMS(1, 3, -1));
    assert_error(infer_bind_batch(g, 2, &err), &err,
                 "graph input \"open\": dimension 2 is not fixed in the model; "
                 "only the first may be open");
}

static void test_a_batch_below_one_is_refused(void **state)
{
    struct err err;

    assert_error(infer_bind_batch(*state, 0, &err), &err,
                 "a batch of 0 is not possible");
}

static void test_an_input_of_unknown_rank_cannot_be_bound(void **state)
{
    struct graph *g = *state;
    struct err err;
    int x = model_input(g, "x", DTYPE_F32, DIMS(1));

    g->values[x].has_shape = false;
    assert_error(infer_bind_batch(g, 1, &err), &err,
                 "graph input \"x\": the model does not say how many "
                 "dimensions it has");
}

/* ---- cost -------------------------------------------------------------- */

/* Counts of small models are whole numbers. */
static void assert_cost(double cost, double wanted)
{
    assert_true(cost == wanted);
}

static struct op_cost cost_of_last(struct graph *g)
{
    struct op_cost cost;

    assert_int_equal(infer_graph(g, NULL), 0);
    infer_cost(g, model_last(g), &cost);
    return cost;
}

static void test_cost_of_a_convolution(void **state)
{
    struct graph *g = *state;
    int x = model_input(g, "x", DTYPE_F32, DIMS(2, 4, 8, 8));
    int w = model_f32(g, "w", 0, 0, DIMS(6, 2, 3, 3));
    struct op_cost cost;

    model_op(g, OP_CONV, "y", IN(x, w));
    model_set_int(g, "group", 2);
    cost = cost_of_last(g);
    assert_cost(cost.macs, 2 * 6 * 36 * (2 * 9));
    assert_cost(cost.flops, 2 * cost.macs);
    assert_cost(cost.bytes_in, 2 * 4 * 64 * 4);
    assert_cost(cost.bytes_out, 2 * 6 * 36 * 4);
    assert_cost(cost.bytes_weight, 6 * 2 * 9 * 4);
}

static void test_cost_of_a_transposed_convolution(void **state)
{
    struct graph *g = *state;
    int x = model_input(g, "x", DTYPE_F32, DIMS(1, 4, 5, 5));
    int w = model_f32(g, "w", 0, 0, DIMS(4, 3, 2, 2));

    model_op(g, OP_CONV_TRANSPOSE, "y", IN(x, w));
    model_set_int(g, "group", 2);
    assert_cost(cost_of_last(g).macs, 4 * 25 * (3 * 4));
}

static void test_cost_of_products(void **state)
{
    struct graph *g = *state;
    int x = model_input(g, "x", DTYPE_F32, DIMS(7, 2));
    int w = model_f32(g, "w", 0, 0, DIMS(5, 7));
    int a = model_input(g, "a", DTYPE_F32, DIMS(3, 2, 7));
    int b = model_input(g, "b", DTYPE_F32, DIMS(7, 4));

    model_op(g, OP_GEMM, "y", IN(x, w));
    model_set_int(g, "transA", 1);
    model_set_int(g, "transB", 1);
    assert_cost(cost_of_last(g).macs, 2 * 5 * 7);
    model_op(g, OP_MATMUL, "z", IN(a, b));
    assert_cost(cost_of_last(g).macs, 3 * 2 * 4 * 7);
}

static void test_cost_without_products(void **state)
{
    struct graph *g = *state;
    int x = model_input(g, "x", DTYPE_F32, DIMS(1, 2, 6, 6));

    model_op(g, OP_ADD, "y", IN(x, x));
    assert_cost(cost_of_last(g).flops, 72);
    model_op(g, OP_MAX_POOL, "p", IN(x));
    model_set_ints(g, "kernel_shape", DIMS(2, 3));
    assert_cost(cost_of_last(g).flops, 2 * 5 * 4 * 6);
    model_op(g, OP_GLOBAL_AVERAGE_POOL, "q", IN(x));
    assert_cost(cost_of_last(g).flops, 72);
    model_op(g, OP_TRANSPOSE, "t", IN(x));
    assert_cost(cost_of_last(g).flops, 0);
    assert_cost(cost_of_last(g).macs, 0);
}

/* ---- the table --------------------------------------------------------- */

static void test_every_operator_is_found_by_name(void **state)
{
    (void)state;
    for (int kind = 0; kind < OP_COUNT; kind++) {
        const struct op_info *info = op_info((enum op_kind)kind);

        assert_non_null(info->infer);
        assert_int_equal(op_find(info->name),
                         op_is_own((enum op_kind)kind) ? -1 : kind);
        assert_true(info->in_max < 0 || info->in_min <= info->in_max);
        assert_true(info->out_max < 0 || info->out_min <= info->out_max);
    }
    assert_int_equal(op_find("Loop"), -1);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(test_an_input_without_type_is_refused),
        T(test_dimensions_out_of_range_are_refused),
        T(test_an_input_too_large_to_hold_is_refused),
        T(test_ops_that_are_not_checked_do_not_crash),
        T(test_shapes_go_from_op_to_op),
        T(test_an_unknown_rank_spreads_with_its_type),
        T(test_inference_replaces_what_was_there),
        T(test_only_the_first_dimension_is_bound),
        T(test_a_batch_below_one_is_refused),
        T(test_an_input_of_unknown_rank_cannot_be_bound),
        T(test_cost_of_a_convolution),
        T(test_cost_of_a_transposed_convolution),
        T(test_cost_of_products),
        T(test_cost_without_products),
        T(test_every_operator_is_found_by_name),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
