#include "tests/lib/unit.h"

#include "graph/infer.h"
#include "graph/pass.h"
#include "tests/lib/heap.h"
#include "tests/lib/model.h"

#include <math.h>

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

/* Scale 2, 3, 4, ...; bias 1; mean 0.5, 1, ...; variance 3.99999 and then
 * + 5 each: with epsilon the divisors are 2, 3, sqrt(14), ... */
static int add_bn(struct graph *g, int x, int64_t channels)
{
    int scale = model_f32(g, NULL, 2, 1, DIMS(channels));
    int bias = model_f32(g, NULL, 1, 0, DIMS(channels));
    int mean = model_f32(g, NULL, 0.5f, 0.5f, DIMS(channels));
    int variance = model_f32(g, NULL, 4 - 1e-5f, 5, DIMS(channels));

    return model_op(g, OP_BATCH_NORM, "bn", IN(x, scale, bias, mean, variance));
}

static double factor(int64_t channel)
{
    return (2.0 + (double)channel) / sqrt(4.0 + 5.0 * (double)channel);
}

static double shift(int64_t channel)
{
    return 1.0 - (0.5 + 0.5 * (double)channel) * factor(channel);
}

static void fold(struct graph *g)
{
    struct err err = {.text = ""};

    if (infer_graph(g, &err) < 0 || pass_fold_batch_norm(g, &err) < 0 ||
        graph_check(g, &err) < 0 || infer_graph(g, &err) < 0) {
        fail_msg("%s", err.text);
    }
}

static const struct tensor *input(const struct graph *g, int i)
{
    assert_int_equal(g->n_ops, 1);
    assert_true(i < g->ops[0].n_in);
    return &g->values[g->ops[0].in[i]].data;
}

static void assert_near(double got, double wanted)
{
    if (fabs(got - wanted) > 1e-5 * (1 + fabs(wanted))) {
        fail_msg("%.9g is not %.9g", got, wanted);
    }
}

static void test_conv_without_bias_gets_one(void **state)
{
    struct graph *g = *state;
    int x = model_input(g, "x", DTYPE_F32, DIMS(1, 2, 4, 4));
    int w = model_f32(g, "w", 1, 1, DIMS(3, 2, 1, 1));

    model_output(g, add_bn(g, model_op(g, OP_CONV, "conv", IN(x, w)), 3));
    fold(g);
    for (int64_t i = 0; i < 6; i++) {
        assert_near(tensor_get(input(g, 1), i),
                    (1.0 + (double)i) * factor(i / 2));
    }
    for (int64_t i = 0; i < 3; i++) {
        assert_near(tensor_get(input(g, 2), i), shift(i));
    }
    assert_int_equal(graph_find_value(g, "w"), -1);
    assert_string_equal(g->values[g->outputs[0]].name, "bn");
    assert_int_equal(graph_find_op(g, "conv"), 0);
}

static void test_bias_is_multiplied_and_moved(void **state)
{
    struct graph *g = *state;
    int x = model_input(g, "x", DTYPE_F32, DIMS(1, 2, 4, 4));
    int w = model_f32(g, "w", 1, 1, DIMS(3, 2, 1, 1));
    int b = model_f32(g, "b", 5, 1, DIMS(3));

    model_output(g, add_bn(g, model_op(g, OP_CONV, "conv", IN(x, w, b)), 3));
    fold(g);
    for (int64_t i = 0; i < 3; i++) {
        assert_near(tensor_get(input(g, 2), i),
                    (5.0 + (double)i) * factor(i) + shift(i));
    }
}

static void test_conv_transpose_with_groups(void **state)
{
    struct graph *g = *state;
    int x = model_input(g, "x", DTYPE_F32, DIMS(1, 4, 4, 4));
    int w = model_f32(g, "w", 1, 1, DIMS(4, 3, 1, 2));

    int y = model_op(g, OP_CONV_TRANSPOSE, "conv", IN(x, w));

    model_set_int(g, "group", 2);
    model_output(g, add_bn(g, y, 6));
    fold(g);
    for (int64_t i = 0; i < 24; i++) {
        int64_t in = i / 6; /* channels 0, 1 make outputs 0..2 */
        int64_t out = in / 2 * 3 + i / 2 % 3;

        assert_near(tensor_get(input(g, 1), i),
                    (1.0 + (double)i) * factor(out));
    }
}

static void test_gemm_with_beta(void **state)
{
    struct graph *g = *state;
    int x = model_input(g, "x", DTYPE_F32, DIMS(2, 2));
    int w = model_f32(g, "w", 1, 1, DIMS(2, 3));
    int b = model_f32(g, "b", 5, 1, DIMS(1, 3));
    int y = model_op(g, OP_GEMM, "gemm", IN(x, w, b));

    model_set_float(g, "beta", 0.5f);
    model_set_float(g, "alpha", 3);
    model_output(g, add_bn(g, y, 3));
    fold(g);
    for (int64_t i = 0; i < 6; i++) {
        assert_near(tensor_get(input(g, 1), i),
                    (1.0 + (double)i) * factor(i % 3));
    }
    assert_near(tensor_get(input(g, 2), 1), 3.0 * factor(1) + shift(1));
    assert_near((double)op_float(&g->ops[0], "beta", 0), 1);
    assert_near((double)op_float(&g->ops[0], "alpha", 0), 3);
}

static void test_gemm_transposed(void **state)
{
    struct graph *g = *state;
    int x = model_input(g, "x", DTYPE_F32, DIMS(2, 2));
    int w = model_f32(g, "w", 1, 1, DIMS(3, 2));
    int y = model_op(g, OP_GEMM, "gemm", IN(x, w));

    model_set_int(g, "transB", 1);
    model_output(g, add_bn(g, y, 3));
    fold(g);
    assert_near(tensor_get(input(g, 1), 5), 6.0 * factor(2));
    assert_near(tensor_get(input(g, 2), 2), shift(2));
}

static void test_two_in_a_row(void **state)
{
    struct graph *g = *state;
    int x = model_input(g, "x", DTYPE_F32, DIMS(1, 2, 4, 4));
    int w = model_f32(g, "w", 1, 1, DIMS(3, 2, 1, 1));
    int y = add_bn(g, model_op(g, OP_CONV, "conv", IN(x, w)), 3);

    model_output(g, model_op(g, OP_BATCH_NORM, "last",
                             IN(y, g->ops[1].in[1], g->ops[1].in[2],
                                g->ops[1].in[3], g->ops[1].in[4])));
    fold(g);
    assert_near(tensor_get(input(g, 1), 5), 6.0 * factor(2) * factor(2));
    assert_near(tensor_get(input(g, 2), 2), shift(2) * factor(2) + shift(2));
}

/* ---- where it must not ------------------------------------------------- */

static int add_conv(struct graph *g)
{
    int x = model_input(g, "x", DTYPE_F32, DIMS(1, 2, 4, 4));
    int w = model_f32(g, "w", 1, 1, DIMS(3, 2, 1, 1));

    return model_op(g, OP_CONV, "conv", IN(x, w));
}

static void assert_stays(struct graph *g)
{
    size_t n = g->n_ops;

    fold(g);
    assert_int_equal(g->n_ops, n);
    assert_int_equal(model_count(g, OP_BATCH_NORM), 1);
}

static void test_a_product_that_another_op_reads_stays(void **state)
{
    struct graph *g = *state;
    int y = add_conv(g);

    model_output(g, add_bn(g, y, 3));
    model_output(g, model_op(g, OP_RELU, "r", IN(y)));
    assert_stays(g);
}

static void test_a_product_that_is_an_output_stays(void **state)
{
    struct graph *g = *state;
    int y = add_conv(g);

    model_output(g, add_bn(g, y, 3));
    model_output(g, y);
    assert_stays(g);
}

static void test_training_mode_stays(void **state)
{
    struct graph *g = *state;

    model_output(g, add_bn(g, add_conv(g), 3));
    model_set_int(g, "training_mode", 1);
    assert_stays(g);
}

static void test_a_factor_that_is_not_finite_stays(void **state)
{
    struct graph *g = *state;
    int x = add_conv(g);
    int one = model_f32(g, "one", 1, 0, DIMS(3));
    int less = model_f32(g, "less", -1, 0, DIMS(3));

    model_output(g,
                 model_op(g, OP_BATCH_NORM, "bn", IN(x, one, one, one, less)));
    assert_stays(g);
}

static void test_weights_that_are_not_constant_stay(void **state)
{
    struct graph *g = *state;
    int x = model_input(g, "x", DTYPE_F32, DIMS(1, 2, 4, 4));
    int w = model_input(g, "w", DTYPE_F32, DIMS(3, 2, 1, 1));

    model_output(g, add_bn(g, model_op(g, OP_CONV, "conv", IN(x, w)), 3));
    assert_stays(g);
}

static void test_a_gemm_bias_per_row_stays(void **state)
{
    struct graph *g = *state;
    int x = model_input(g, "x", DTYPE_F32, DIMS(3, 2));
    int w = model_f32(g, "w", 1, 1, DIMS(2, 3));
    int b = model_f32(g, "b", 1, 1, DIMS(3, 1));

    model_output(g, add_bn(g, model_op(g, OP_GEMM, "gemm", IN(x, w, b)), 3));
    assert_stays(g);
}

static void test_weights_shared_by_two_convs_part(void **state)
{
    struct graph *g = *state;
    int x = model_input(g, "x", DTYPE_F32, DIMS(1, 2, 4, 4));
    int w = model_f32(g, "w", 1, 1, DIMS(3, 2, 1, 1));
    int a = model_op(g, OP_CONV, "a", IN(x, w));
    int b = model_op(g, OP_CONV, "b", IN(x, w));

    model_output(g, a);
    model_output(g, add_bn(g, b, 3));
    fold(g);
    assert_int_equal(g->n_ops, 2);
    assert_near(tensor_get(&model_value(g, "w")->data, 5), 6);
    assert_near(tensor_get(&model_value(g, "w/bn")->data, 5), 6 * factor(2));
}

static int fold_once(void *arg)
{
    struct graph *copy = NULL;
    int rc = graph_clone(arg, &copy);

    rc = rc < 0 ? rc : pass_fold_batch_norm(copy, NULL);
    graph_free(copy);
    return rc;
}

static void test_survives_each_failing_allocation(void **state)
{
    struct graph *g = *state;

    model_output(g, add_bn(g, add_conv(g), 3));
    assert_int_equal(infer_graph(g, NULL), 0);
    assert_in_range(heap_each(fold_once, g), 10, 1000);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(test_conv_without_bias_gets_one),
        T(test_bias_is_multiplied_and_moved),
        T(test_conv_transpose_with_groups),
        T(test_gemm_with_beta),
        T(test_gemm_transposed),
        T(test_two_in_a_row),
        T(test_a_product_that_another_op_reads_stays),
        T(test_a_product_that_is_an_output_stays),
        T(test_training_mode_stays),
        T(test_a_factor_that_is_not_finite_stays),
        T(test_weights_that_are_not_constant_stay),
        T(test_a_gemm_bias_per_row_stays),
        T(test_weights_shared_by_two_convs_part),
        T(test_survives_each_failing_allocation),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
