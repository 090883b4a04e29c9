/*
 * Parts of a model to be measured: they cover it, each is a model that a board
 * can plan and run, with the operators of the whole under their names.
 */
#include "tests/lib/unit.h"

#include "base/mem.h"
#include "coordinator/plan/cut.h"
#include "coordinator/plan/profile_parts.h"
#include "engine/fold.h"
#include "graph/infer.h"
#include "onnx/export.h"
#include "onnx/import.h"
#include "tests/lib/random_graph.h"
#include "tests/lib/run_graph.h"
#include "tests/lib/shipped.h"

#include <math.h>
#include <string.h>

#define GRAPHS 60

static uint64_t seed;

static void must(int rc, const struct err *err)
{
    if (rc < 0) {
        fail_msg("seed %llu: %s", (unsigned long long)seed, err->text);
    }
}

static bool has_op(const struct graph *g, const char *name)
{
    return graph_find_op(g, name) >= 0;
}

/* As a board gets it, and does with it. */
static void check_runs(const struct graph *part)
{
    struct tensor in[LIMIT_GRAPH_PORTS];
    struct tensor out[LIMIT_GRAPH_PORTS];
    struct plan *plan = NULL;
    struct err err;

    must(shipped_plan(part, &plan, &err), &err);
    assert_true(plan_n_inputs(plan) < 64 && plan_n_outputs(plan) < 64);
    must(shipped_inputs(plan, in), &err);
    must(shipped_run(plan, in, out), &err);
    shipped_drop(in, plan_n_inputs(plan));
    shipped_drop(out, plan_n_outputs(plan));
    plan_free(plan);
}

/* No weight is in the file. */
static void check_file(const struct graph *part, size_t *largest)
{
    struct export file = {0};
    struct err err;

    must(export_graph(part, &file, &err), &err);
    assert_int_equal(file.n_blobs, 0);
    *largest = file.model->size > *largest ? file.model->size : *largest;
    export_deinit(&file);
}

static double check_part(const struct graph *g, const int *order,
                         const struct profile_part *part, size_t *largest)
{
    struct graph *made = NULL;
    double macs = 0;
    struct err err;

    must(profile_part_make(g, part, &made, &err), &err);
    must(graph_check(made, &err), &err);
    for (int i = part->first; i < part->end; i++) {
        struct op_cost cost;

        if (!has_op(made, g->ops[order[i]].name)) {
            fail_msg("seed %llu: %s is not in its part",
                     (unsigned long long)seed, g->ops[order[i]].name);
        }
        infer_cost(g, &g->ops[order[i]], &cost);
        macs += cost.macs;
    }
    assert_true(fabs(part->macs - macs) <= 1e-9 * macs);
    check_file(made, largest);
    check_runs(made);
    graph_free(made);
    return macs;
}

static size_t check_graph(const struct graph *g, uint64_t most_bytes,
                          int most_ops)
{
    struct profile_part *parts = NULL;
    int *order = NULL;
    size_t largest = 0;
    size_t n_ops = 0;
    size_t n = 0;
    int next = 0;
    struct err err;

    must(cut_order(g, &order, &n_ops, &err), &err);
    must(profile_parts_find(g, most_bytes, most_ops, &parts, &n, &err), &err);
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(parts[i].first, next);
        assert_true(parts[i].end > next);
        next = parts[i].end;
        (void)check_part(g, order, &parts[i], &largest);
    }
    assert_int_equal(next, n_ops);
    mem_free(parts);
    mem_free(order);
    return n;
}

static void test_parts_of_random_models(void **state)
{
    size_t n_run = 0;
    size_t n_parts = 0;

    (void)state;
    for (seed = 1; n_run < GRAPHS; seed++) {
        struct rng rng;
        struct graph *g;
        struct err err;

        rng_init(&rng, seed);
        g = random_graph(&rng, 5 + (int)rng_below(&rng, 40));
        if (run_graph_can(g, &err)) {
            n_run++;
            must(pass_run_all(g, fold_eval, NULL, &err), &err);
            n_parts += check_graph(g, UINT64_MAX, 64);
            n_parts += check_graph(g, 1, 1 + (int)rng_below(&rng, 8));
        }
        graph_free(g);
        assert_true(seed < 100 * GRAPHS);
    }
    print_message("%zu models, %zu parts\n", n_run, n_parts);
    assert_true(n_parts > 3 * n_run);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parts_of_random_models),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
