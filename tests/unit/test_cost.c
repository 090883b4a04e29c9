/* What the planner reckons a shard to hold, against what a plan holds. */
#include "coordinator/plan/cost.h"

#include "engine/plan.h"
#include "graph/infer.h"
#include "tests/lib/model.h"
#include "tests/lib/unit.h"

static int quantised(struct graph *g, enum dtype dtype, int axis, int rank,
                     const int64_t *dims)
{
    int64_t n = axis < 0 ? 1 : dims[axis];
    int q = model_const(g, NULL, dtype, rank, dims);
    int scale = model_f32(g, NULL, 1, 1, axis < 0 ? 0 : 1, &n);
    int w = model_op(g, OP_DEQUANTIZE_LINEAR, NULL, IN(q, scale));

    if (axis >= 0) {
        model_set_int(g, "axis", axis);
    }
    return w;
}

/* A convolution, a depthwise one and a dense layer. */
static struct graph *small_model(void)
{
    struct graph *g = graph_new("small");
    int v;

    assert_non_null(g);
    v = model_op(g, OP_CONV, "a",
                 IN(model_input(g, "x", DTYPE_F32, DIMS(1, 8, 6, 6)),
                    quantised(g, DTYPE_U8, -1, DIMS(96, 8, 3, 3))));
    v = model_op(g, OP_CONV, "b",
                 IN(v, quantised(g, DTYPE_I8, 0, DIMS(96, 1, 3, 3))));
    model_set_int(g, "group", 96);
    v = model_op(g, OP_FLATTEN, "c", IN(v));
    v = model_op(g, OP_GEMM, "d",
                 IN(v, quantised(g, DTYPE_I8, 0, DIMS(200, 384)),
                    model_f32(g, NULL, 0, 1, DIMS(200))));
    model_set_int(g, "transB", 1);
    model_output(g, v);
    assert_int_equal(infer_graph(g, NULL), 0);
    return g;
}

static void test_quantised_weights_count_as_the_bytes_they_stay(void **state)
{
    struct graph *g = small_model();
    struct profile profile;
    struct cost_model model;
    struct plan *plan = NULL;
    double reckoned;
    double held;

    (void)state;
    assert_int_equal(profile_default(&profile, 1), 0);
    assert_int_equal(cost_model_init(&model, g, &profile, 1), 0);
    assert_int_equal(plan_make(g, &plan, NULL), 0);
    reckoned = model.weights[model.n_ops];
    held = (double)plan_packed_bytes(plan);
    assert_true(held < 1.2 * (96 * 8 * 9 + 200 * 384));
    if (reckoned < 0.98 * held || reckoned > 1.02 * held) {
        fail_msg("%g bytes reckoned, %g held", reckoned, held);
    }
    plan_free(plan);
    cost_model_deinit(&model);
    profile_deinit(&profile);
    graph_free(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_quantised_weights_count_as_the_bytes_they_stay),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
