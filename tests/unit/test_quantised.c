/* Which weights can stay the bytes that a model holds. */
#include "graph/quantised.h"

#include "graph/infer.h"
#include "tests/lib/model.h"
#include "tests/lib/unit.h"

static int set_up(void **state)
{
    *state = graph_new("quantised");
    return *state == NULL ? -1 : 0;
}

static int tear_down(void **state)
{
    graph_free(*state);
    return 0;
}

/* Weights of these sizes, `scales` of them along `axis`; zeros if `zeros`. */
static int weights(struct graph *g, enum dtype dtype, int64_t scales, int axis,
                   bool zeros, int rank, const int64_t *dims)
{
    int q = model_const(g, NULL, dtype, rank, dims);
    int s = scales == 1 ? model_f32(g, NULL, 0.5F, 0, SCALAR)
                        : model_f32(g, NULL, 0.5F, 0.25F, DIMS(scales));
    int z = scales == 1 ? model_const(g, NULL, dtype, SCALAR)
                        : model_const(g, NULL, dtype, DIMS(scales));
    int w = zeros ? model_op(g, OP_DEQUANTIZE_LINEAR, NULL, IN(q, s, z))
                  : model_op(g, OP_DEQUANTIZE_LINEAR, NULL, IN(q, s));

    model_set_int(g, "axis", axis);
    return w;
}

static bool holds(struct graph *g, struct quantised *q)
{
    size_t last = g->n_ops - 1;

    assert_int_equal(infer_graph(g, NULL), 0);
    return quantised_weights(g, &g->ops[last], q);
}

static int image(struct graph *g, int64_t channels)
{
    return model_input(g, NULL, DTYPE_F32, DIMS(1, channels, 8, 8));
}

static void test_a_convolution_scaled_as_one(void **state)
{
    struct graph *g = *state;
    int w = weights(g, DTYPE_U8, 1, 1, true, DIMS(6, 4, 3, 3));
    struct quantised q;

    (void)model_op(g, OP_CONV, "y", IN(image(g, 4), w));
    assert_true(holds(g, &q));
    assert_int_equal(q.channels, 1);
    assert_int_equal(q.outputs, 6);
    assert_int_equal(g->values[q.data].dtype, DTYPE_U8);
    assert_int_equal(g->values[q.scales].dtype, DTYPE_F32);
    assert_int_equal(g->values[q.zeros].dtype, DTYPE_U8);
    assert_int_equal(quantised_bytes(g, &q), 6 * 4 * 9 + 6 * 8);
}

static void test_a_convolution_scaled_by_output(void **state)
{
    struct graph *g = *state;
    int w = weights(g, DTYPE_I8, 6, 0, false, DIMS(6, 4, 3, 3));
    struct quantised q;

    (void)model_op(g, OP_CONV, "y", IN(image(g, 4), w));
    assert_true(holds(g, &q));
    assert_int_equal(q.channels, 6);
    assert_int_equal(q.zeros, -1);
}

static void test_a_convolution_scaled_by_input_is_not(void **state)
{
    struct graph *g = *state;
    int w = weights(g, DTYPE_I8, 4, 1, true, DIMS(4, 4, 3, 3));
    struct quantised q;

    (void)model_op(g, OP_CONV, "y", IN(image(g, 4), w));
    assert_false(holds(g, &q));
}

static void test_depthwise_weights_are_not(void **state)
{
    struct graph *g = *state;
    int w = weights(g, DTYPE_I8, 1, 1, true, DIMS(4, 1, 3, 3));
    struct quantised q;

    (void)model_op(g, OP_CONV, "y", IN(image(g, 4), w));
    model_set_int(g, "group", 4);
    assert_false(holds(g, &q));
}

static void test_groups_of_more_channels_are(void **state)
{
    struct graph *g = *state;
    int w = weights(g, DTYPE_I8, 4, 0, true, DIMS(4, 2, 3, 3));
    struct quantised q;

    (void)model_op(g, OP_CONV, "y", IN(image(g, 4), w));
    model_set_int(g, "group", 2);
    assert_true(holds(g, &q));
}

static int rows(struct graph *g, int64_t depth)
{
    return model_input(g, NULL, DTYPE_F32, DIMS(2, depth));
}

static void test_a_gemm_by_its_output_axis(void **state)
{
    struct graph *g = *state;
    struct quantised q;
    int turned = weights(g, DTYPE_I8, 5, 0, true, DIMS(5, 5));

    (void)model_op(g, OP_GEMM, NULL, IN(rows(g, 5), turned));
    assert_false(holds(g, &q));
    model_set_int(g, "transB", 1);
    assert_true(holds(g, &q));
    (void)model_op(
        g, OP_GEMM, NULL,
        IN(rows(g, 5), weights(g, DTYPE_I8, 5, -1, true, DIMS(5, 5))));
    assert_true(holds(g, &q));
    assert_int_equal(q.outputs, 5);
}

static void test_a_matrix_product(void **state)
{
    struct graph *g = *state;
    struct quantised q;

    (void)model_op(
        g, OP_MATMUL, NULL,
        IN(rows(g, 3), weights(g, DTYPE_U8, 7, 1, true, DIMS(3, 7))));
    assert_true(holds(g, &q));
    (void)model_op(
        g, OP_MATMUL, NULL,
        IN(rows(g, 3), weights(g, DTYPE_U8, 1, 1, true, DIMS(1, 3, 7))));
    assert_true(holds(g, &q));
    (void)model_op(
        g, OP_MATMUL, NULL,
        IN(rows(g, 3), weights(g, DTYPE_U8, 1, 1, true, DIMS(2, 3, 7))));
    assert_false(holds(g, &q)); /* two matrices */
    (void)model_op(g, OP_MATMUL, NULL,
                   IN(rows(g, 3), weights(g, DTYPE_U8, 1, 1, true, DIMS(3))));
    assert_false(holds(g, &q)); /* a vector */
}

static void test_floats_and_wide_integers_are_not(void **state)
{
    struct graph *g = *state;
    struct quantised q;

    (void)model_op(g, OP_MATMUL, NULL,
                   IN(rows(g, 3), model_f32(g, NULL, 1, 1, DIMS(3, 7))));
    assert_false(holds(g, &q));
    (void)model_op(
        g, OP_MATMUL, NULL,
        IN(rows(g, 3), weights(g, DTYPE_I32, 1, 1, false, DIMS(3, 7))));
    assert_false(holds(g, &q));
}

static void test_what_lies_between_keeps_them_floats(void **state)
{
    struct graph *g = *state;
    struct quantised q;
    int w = weights(g, DTYPE_I8, 1, 1, false, DIMS(7, 3));
    int turned = model_op(g, OP_TRANSPOSE, NULL, IN(w));

    (void)model_op(g, OP_MATMUL, NULL, IN(rows(g, 3), turned));
    assert_false(holds(g, &q));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_convolution_scaled_as_one),
        TEST(test_a_convolution_scaled_by_output),
        TEST(test_a_convolution_scaled_by_input_is_not),
        TEST(test_depthwise_weights_are_not),
        TEST(test_groups_of_more_channels_are),
        TEST(test_a_gemm_by_its_output_axis),
        TEST(test_a_matrix_product),
        TEST(test_floats_and_wide_integers_are_not),
        TEST(test_what_lies_between_keeps_them_floats),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
