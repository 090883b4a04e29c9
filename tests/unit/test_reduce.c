/* Reductions through plans, against the definition. */
#include "tests/lib/model.h"
#include "tests/lib/planned.h"
#include "tests/lib/unit.h"

#include "base/rng.h"

#include <math.h>

#define TEST(f) \
    cmocka_unit_test_setup_teardown(f, planned_set_up, planned_tear_down)

static double combine(enum op_kind kind, double a, double b)
{
    switch (kind) {
    case OP_REDUCE_MAX: return fmax(a, b);
    case OP_REDUCE_MIN: return fmin(a, b);
    default: return a + b;
    }
}

/* Where element `i` of the input goes, with reduced dimensions left out. */
static int64_t target(const struct shape *s, const bool *mask, int64_t i)
{
    int64_t index[LIMIT_RANK];
    int64_t at = 0;

    for (int k = s->rank - 1; k >= 0; k--) {
        index[k] = i % s->dims[k];
        i /= s->dims[k];
    }
    for (int k = 0; k < s->rank; k++) {
        at = mask[k] ? at : at * s->dims[k] + index[k];
    }
    return at;
}

static void define(enum op_kind kind, const struct tensor *in, const bool *mask,
                   double *wanted, int64_t n)
{
    int64_t count = tensor_count(in);
    double first = kind == OP_REDUCE_MAX   ? -INFINITY
                   : kind == OP_REDUCE_MIN ? INFINITY
                                           : 0;

    for (int64_t i = 0; i < n; i++) {
        wanted[i] = first;
    }
    for (int64_t i = 0; i < count; i++) {
        int64_t at = target(&in->shape, mask, i);

        wanted[at] = combine(kind, wanted[at], tensor_get(in, i));
    }
    for (int64_t i = 0; kind == OP_REDUCE_MEAN && i < n; i++) {
        wanted[i] /= (double)(count / n);
    }
}

static void check(struct rng *rng, enum op_kind kind, enum dtype dtype)
{
    struct planned *p;
    struct shape s = {.rank = 1 + (int)rng_below(rng, 5)};
    bool mask[LIMIT_RANK] = {false};
    int64_t axes[LIMIT_RANK];
    double wanted[4096];
    int n = 0;

    assert_int_equal(planned_set_up((void **)&p), 0);
    for (int i = 0; i < s.rank; i++) {
        s.dims[i] = 1 + (int64_t)rng_below(rng, s.rank == 1 ? 900 : 5);
        mask[i] = rng_below(rng, 2) == 0;
        if (mask[i]) {
            axes[n++] = rng_below(rng, 2) == 0 ? i : i - s.rank;
        }
    }
    if (n == 0) {
        mask[0] = true;
        axes[n++] = 0;
    }
    model_output(p->graph,
                 model_op(p->graph, kind, "y",
                          IN(model_input(p->graph, "x", dtype, s.rank, s.dims),
                             model_ints(p->graph, "axes", n, axes))));
    model_set_int(p->graph, "keepdims", (int64_t)rng_below(rng, 2));
    planned_make(p);
    for (int64_t i = 0; i < tensor_count(&p->in[0]); i++) {
        planned_put(&p->in[0], i, (double)rng_below(rng, 50) - 25);
    }
    define(kind, &p->in[0], mask, wanted, tensor_count(&p->out[0]));
    planned_run(p);
    for (int64_t i = 0; i < tensor_count(&p->out[0]); i++) {
        double bound = dtype == DTYPE_F16 ? 1e-3 : 1e-6;
        double want = dtype == DTYPE_I32 ? trunc(wanted[i]) : wanted[i];

        assert_true(fabs(tensor_get(&p->out[0], i) - want) <=
                    bound * fmax(1, fabs(want)));
    }
    (void)planned_tear_down((void **)&p);
}

static void test_random_axes(void **state)
{
    static const enum op_kind kinds[] = {OP_REDUCE_SUM, OP_REDUCE_MEAN,
                                         OP_REDUCE_MAX, OP_REDUCE_MIN};
    static const enum dtype types[] = {DTYPE_F32, DTYPE_I32, DTYPE_F16,
                                       DTYPE_F64, DTYPE_F32};
    struct rng rng;

    (void)state;
    rng_init(&rng, 9);
    for (int round = 0; round < 400; round++) {
        check(&rng, kinds[round % 4], types[round % 5]);
    }
}

static void test_wide_columns(void **state)
{
    struct planned *p = *state;
    int x = model_input(p->graph, "x", DTYPE_F32, DIMS(3, 1000));
    int axes = model_ints(p->graph, "axes", DIMS(0));

    model_output(p->graph, model_op(p->graph, OP_REDUCE_SUM, "y", IN(x, axes)));
    planned_make(p);
    planned_run(p);
    for (int i = 0; i < 1000; i++) {
        assert_true(tensor_get(&p->out[0], i) == 3 * (i + 1) + 3000);
    }
}

/* In float alone the small ones would be lost. */
static void test_a_long_sum_is_accurate(void **state)
{
    struct planned *p = *state;
    int x = model_input(p->graph, "x", DTYPE_F32, DIMS(1000001));

    model_output(p->graph, model_op(p->graph, OP_REDUCE_SUM, "y", IN(x)));
    planned_make(p);
    for (int i = 0; i < 1000000; i++) {
        planned_put(&p->in[0], i, 0.1);
    }
    planned_put(&p->in[0], 1000000, 16777216);
    planned_run(p);
    assert_float_equal(tensor_get(&p->out[0], 0), 16777216 + 100000, 2);
}

static void test_no_axes_and_noop(void **state)
{
    struct planned *p = *state;
    int x = model_input(p->graph, "x", DTYPE_F32, DIMS(2));

    model_output(p->graph, model_op(p->graph, OP_REDUCE_SUM, "y", IN(x)));
    model_set_int(p->graph, "noop_with_empty_axes", 1);
    planned_gives(p, 0, WANTED(1, 2));
}

static void test_nothing_adds_up_to_0(void **state)
{
    struct planned *p = *state;
    int x = model_input(p->graph, "x", DTYPE_F32, DIMS(2, 0));
    int axes = model_ints(p->graph, "axes", DIMS(1));

    model_output(p->graph, model_op(p->graph, OP_REDUCE_SUM, "y", IN(x, axes)));
    planned_gives(p, 0, WANTED(0, 0));
}

static void test_nan_is_the_largest(void **state)
{
    struct planned *p = *state;
    int x = model_input(p->graph, "x", DTYPE_F32, DIMS(3));

    model_output(p->graph, model_op(p->graph, OP_REDUCE_MAX, "y", IN(x)));
    planned_fill(p, 0, WANTED(1, NAN, 2));
    planned_gives(p, 0, WANTED(NAN));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_axes), TEST(test_wide_columns),
        TEST(test_a_long_sum_is_accurate),  TEST(test_no_axes_and_noop),
        TEST(test_nothing_adds_up_to_0),    TEST(test_nan_is_the_largest),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
