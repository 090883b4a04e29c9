/*
 * The passes keep what a graph computes: the same ports, and the same outputs
 * but for rounding, which folding a batch norm or a pad may change.
 */
#include "tests/lib/unit.h"

#include "engine/fold.h"
#include "graph/infer.h"
#include "tests/lib/random_graph.h"
#include "tests/lib/run_graph.h"

#include <math.h>
#include <string.h>

#define GRAPHS 200 /* that are run; of those without kernels none is */
#define BOUND 1e-4

static uint64_t seed; /* of the graph at hand, for messages */
static int n_run;     /* graphs so far that the engine could run */

static void must(int rc, const struct err *err)
{
    if (rc < 0) {
        fail_msg("seed %llu: %s", (unsigned long long)seed, err->text);
    }
}

/* The largest number, or infinity if one is not finite. */
static double largest(const struct tensor *t)
{
    double max = 0;

    for (int64_t i = 0; i < tensor_count(t); i++) {
        double v = fabs(tensor_get(t, i));

        max = v <= max ? max : isfinite(v) ? v : INFINITY;
    }
    return max;
}

static void assert_close(const struct tensor *a, const struct tensor *b)
{
    double bound = BOUND * (1 + largest(a));

    assert_true(shape_equal(&a->shape, &b->shape));
    for (int64_t i = 0; i < tensor_count(a); i++) {
        double difference = fabs(tensor_get(a, i) - tensor_get(b, i));

        if (!(difference <= bound)) {
            fail_msg("seed %llu: element %lld differs by %g",
                     (unsigned long long)seed, (long long)i, difference);
        }
    }
}

static void check_ports(const struct graph *a, const struct graph *b)
{
    assert_int_equal(a->n_inputs, b->n_inputs);
    assert_int_equal(a->n_outputs, b->n_outputs);
    for (size_t i = 0; i < a->n_inputs; i++) {
        assert_string_equal(a->values[a->inputs[i]].name,
                            b->values[b->inputs[i]].name);
    }
    for (size_t i = 0; i < a->n_outputs; i++) {
        const struct value *va = &a->values[a->outputs[i]];
        const struct value *vb = &b->values[b->outputs[i]];

        assert_string_equal(va->name, vb->name);
        assert_int_equal(va->dtype, vb->dtype);
        assert_true(shape_equal(&va->shape, &vb->shape));
    }
}

/* 1 if the outputs were compared, 0 if the graph's are not finite. */
static int compare(const struct graph *before, const struct graph *after,
                   struct rng *rng)
{
    struct tensor in[RUN_GRAPH_PORTS];
    struct tensor a[RUN_GRAPH_PORTS];
    struct tensor b[RUN_GRAPH_PORTS];
    int compared = 0;

    for (size_t i = 0; i < before->n_inputs; i++) {
        in[i] = random_tensor(rng, &before->values[before->inputs[i]].shape);
    }
    run_graph(before, in, a);
    run_graph(after, in, b);
    for (size_t i = 0; i < before->n_outputs; i++) {
        if (largest(&a[i]) < 1e6) {
            assert_close(&a[i], &b[i]);
            compared = 1;
        }
        tensor_deinit(&a[i]);
        tensor_deinit(&b[i]);
    }
    for (size_t i = 0; i < before->n_inputs; i++) {
        tensor_deinit(&in[i]);
    }
    return compared;
}

static void test_passes_keep_what_is_computed(void **state)
{
    int compared = 0;
    size_t before = 0;
    size_t after = 0;

    (void)state;
    for (seed = 1; n_run < GRAPHS; seed++) {
        struct graph *whole;
        struct graph *g;
        struct rng rng;
        struct err err;

        rng_init(&rng, seed);
        whole = random_graph(&rng, 5 + (int)rng_below(&rng, 30));
        if (!run_graph_can(whole, &err)) {
            graph_free(whole);
            assert_true(seed < 100 * GRAPHS);
            continue;
        }
        n_run++;
        assert_int_equal(graph_clone(whole, &g), 0);
        must(pass_run_all(g, fold_eval, NULL, &err), &err);
        must(graph_check(g, &err), &err);
        check_ports(whole, g);
        compared += compare(whole, g, &rng);
        before += whole->n_ops;
        after += g->n_ops;
        graph_free(whole);
        graph_free(g);
    }
    print_message("%d of %llu graphs compared, %zu ops became %zu\n", compared,
                  (unsigned long long)seed - 1, before, after);
    assert_true(compared > GRAPHS * 9 / 10);
    assert_true(after < before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_passes_keep_what_is_computed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
