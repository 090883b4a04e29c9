/* Plans of models whose weights are bytes: these stay so, and the answers
 * have the bits that the floats give. */
#include "engine/plan.h"

#include "base/rng.h"
#include "graph/infer.h"
#include "tests/lib/heap.h"
#include "tests/lib/model.h"
#include "tests/lib/planned.h"
#include "tests/lib/unit.h"

#include <string.h>

/* Random bytes, scaled by channel along `axis`, or as one if it is -1, and
 * made floats; by way of an Identity, which keeps a plan from seeing what
 * they are made of, if `apart`. */
static int weights(struct graph *g, struct rng *rng, enum dtype dtype, int axis,
                   bool apart, int rank, const int64_t *dims)
{
    int q = model_const(g, NULL, dtype, rank, dims);
    int64_t n = axis < 0 ? 1 : dims[axis];
    int scale = model_f32(g, NULL, 0.01F, 0.002F, axis < 0 ? 0 : 1, &n);
    int zero = model_const(g, NULL, dtype, axis < 0 ? 0 : 1, &n);
    uint8_t *bytes = g->values[q].data.data;
    uint8_t *zeros = g->values[zero].data.data;
    int w;

    for (int64_t i = 0; i < tensor_count(&g->values[q].data); i++) {
        bytes[i] = (uint8_t)rng_below(rng, 256);
    }
    for (int64_t i = 0; i < n; i++) {
        zeros[i] = (uint8_t)rng_below(rng, 256);
    }
    w = model_op(g, OP_DEQUANTIZE_LINEAR, NULL, IN(q, scale, zero));
    if (axis >= 0) {
        model_set_int(g, "axis", axis);
    }
    return apart ? model_op(g, OP_IDENTITY, NULL, IN(w)) : w;
}

/* conv (3x3, by channel) -> + itself -> relu -> depthwise -> conv (1x1, as
 * one) -> mean -> gemm (transB) -> gemm (not) -> matmul. */
static void build(struct graph *g, bool apart)
{
    int v = model_input(g, "x", DTYPE_F32, DIMS(1, 16, 9, 9));
    int first;
    struct rng rng;

    rng_init(&rng, 5);
    first = model_op(
        g, OP_CONV, "a",
        IN(v, weights(g, &rng, DTYPE_I8, 0, apart, DIMS(16, 16, 3, 3))));
    model_set_ints(g, "pads", DIMS(1, 1, 1, 1));
    v = model_op(g, OP_RELU, "r", IN(model_op(g, OP_ADD, "s", IN(first, v))));
    v = model_op(
        g, OP_CONV, "d",
        IN(v, weights(g, &rng, DTYPE_U8, -1, apart, DIMS(16, 1, 3, 3))));
    model_set_int(g, "group", 16);
    v = model_op(g, OP_CONV, "p",
                 IN(v,
                    weights(g, &rng, DTYPE_U8, -1, apart, DIMS(300, 16, 1, 1)),
                    model_f32(g, NULL, -1, 0.01F, DIMS(300))));
    v = model_op(g, OP_FLATTEN, "f",
                 IN(model_op(g, OP_GLOBAL_AVERAGE_POOL, "m", IN(v))));
    v = model_op(g, OP_GEMM, "g",
                 IN(v, weights(g, &rng, DTYPE_I8, 0, apart, DIMS(150, 300)),
                    model_f32(g, NULL, 1, 0.1F, DIMS(150))));
    model_set_int(g, "transB", 1);
    model_set_float(g, "alpha", 0.5F);
    v = model_op(g, OP_GEMM, "h",
                 IN(v, weights(g, &rng, DTYPE_U8, 1, apart, DIMS(150, 33))));
    v = model_op(g, OP_MATMUL, "y",
                 IN(v, weights(g, &rng, DTYPE_I8, 1, apart, DIMS(33, 7))));
    model_output(g, v);
}

static void test_the_bits_of_floats_in_less_room(void **state)
{
    struct planned *narrow = *state;
    void *other = NULL;
    struct planned *wide;
    size_t weights = 16 * 16 * 9 + 300 * 16 + 150 * 300 + 150 * 33 + 33 * 7;

    assert_int_equal(planned_set_up(&other), 0);
    wide = other;
    build(narrow->graph, false);
    build(wide->graph, true);
    planned_make(narrow);
    planned_make(wide);
    planned_run(narrow);
    planned_run(wide);
    assert_memory_equal(narrow->out[0].data, wide->out[0].data,
                        tensor_bytes(&wide->out[0]));
    assert_true(plan_packed_bytes(wide->plan) >= 4 * weights);
    assert_true(plan_packed_bytes(narrow->plan) < weights + 10000);
    assert_int_equal(planned_tear_down(&other), 0);
}

static void test_the_bytes_are_let_go(void **state)
{
    struct planned *p = *state;
    struct graph *g = p->graph;
    int x = model_input(g, "x", DTYPE_F32, DIMS(1, 20));
    struct rng rng;
    int w;
    struct blob *blob;

    rng_init(&rng, 6);
    w = weights(g, &rng, DTYPE_I8, -1, false, DIMS(20, 500));
    blob = g->values[g->ops[g->values[w].producer].in[0]].data.blob;
    model_output(g, model_op(g, OP_MATMUL, "y", IN(x, w)));
    planned_make(p);
    assert_int_equal(blob->refs, 1); /* the graph's own */
    assert_in_range(plan_packed_bytes(p->plan), 10000, 15000);
    planned_run(p);
}

/* Two products read the same weights, and a third op, the second output, wants
 * them as floats. */
static void test_weights_that_several_read(void **state)
{
    struct planned *p = *state;
    struct graph *g = p->graph;
    int x = model_input(g, "x", DTYPE_F32, DIMS(1, 4));
    struct rng rng;
    int w;
    int a;
    int b;
    const float *y;
    const float *floats;

    rng_init(&rng, 7);
    w = weights(g, &rng, DTYPE_U8, 1, false, DIMS(4, 4));
    a = model_op(g, OP_MATMUL, "a", IN(x, w));
    b = model_op(g, OP_MATMUL, "b", IN(a, w));
    model_output(g, b);
    model_output(g, a);
    model_output(g, model_op(g, OP_NEG, "c", IN(w)));
    planned_make(p);
    planned_run(p);
    y = p->out[1].data;
    floats = p->out[2].data;
    for (size_t n = 0; n < 4; n++) {
        float v = 0;

        for (size_t k = 0; k < 4; k++) {
            v += (float)(k + 1) * -floats[k * 4 + n];
        }
        assert_true(v - y[n] < 1e-4F && y[n] - v < 1e-4F);
    }
}

/* A mistake of the model is told as ever: scales that do not fit. */
static void test_scales_that_do_not_fit_are_refused(void **state)
{
    struct planned *p = *state;
    struct graph *g = p->graph;
    int x = model_input(g, "x", DTYPE_F32, DIMS(1, 4));
    int q = model_const(g, "q", DTYPE_I8, DIMS(4, 6));
    int scale = model_f32(g, "scale", 1, 1, DIMS(5));
    int w = model_op(g, OP_DEQUANTIZE_LINEAR, "w", IN(q, scale));

    model_output(g, model_op(g, OP_MATMUL, "y", IN(x, w)));
    planned_refused(p, EDGE_EINVAL, "scale has 5 elements");
}

static int plan_once(void *arg)
{
    struct planned *p = arg;
    struct plan *plan = NULL;
    int rc = plan_make(p->graph, &plan, NULL);

    plan_free(plan);
    return rc;
}

static void test_every_allocation_may_fail(void **state)
{
    struct planned *p = *state;

    build(p->graph, false);
    assert_true(heap_each(plan_once, p) > 20);
    heap_heal();
}

#define TEST(f) \
    cmocka_unit_test_setup_teardown(f, planned_set_up, planned_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_the_bits_of_floats_in_less_room),
        TEST(test_the_bytes_are_let_go),
        TEST(test_weights_that_several_read),
        TEST(test_scales_that_do_not_fit_are_refused),
        TEST(test_every_allocation_may_fail),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
