/*
 * A split changes no answer: every product of random graphs, along every
 * axis that it has, into 2 to 8 pieces of equal and unequal shares.
 */
#include "tests/lib/unit.h"

#include "coordinator/plan/rewrite.h"
#include "engine/fold.h"
#include "tests/lib/label_rest.h"
#include "tests/lib/random_graph.h"
#include "tests/lib/run_graph.h"
#include "tests/lib/run_parts.h"
#include "tests/lib/same_values.h"

#include <math.h>
#include <string.h>

#define GRAPHS 60

static void must(uint64_t seed, int rc, const struct err *err)
{
    if (rc < 0) {
        fail_msg("seed %llu: %s", (unsigned long long)seed, err->text);
    }
}

static void choose(struct rng *rng, struct split *split, int most)
{
    split->k = 2 + (int)rng_below(rng, (uint64_t)most - 1);
    for (int i = 0; i < split->k; i++) {
        split->part[i] = 10 + i;
        split->share[i] =
            rng_below(rng, 2) > 0 ? 1 + (double)rng_below(rng, 3) : 1;
    }
    split->scatter = 1;
    split->join = 2;
}

/* Every op that is new has a part; pieces are where they were asked to be. */
static void check_parts(const struct graph *g, const struct split *split)
{
    bool seen[REWRITE_SPLIT_MAX] = {0};

    for (size_t i = 0; i < g->n_ops; i++) {
        int part = rewrite_part(&g->ops[i]);

        assert_true(part == REWRITE_NO_PART || part == 1 || part == 2 ||
                    (part >= 10 && part < 10 + split->k));
        if (part >= 10) {
            seen[part - 10] = true;
        }
    }
    for (int i = 0; i < split->k; i++) {
        assert_true(seen[i]);
    }
}

struct count {
    int axis[3];
    int refused;
};

static void try_split(const struct graph *g, struct rng *rng, uint64_t seed,
                      int op, enum split_axis axis, const struct tensor *in,
                      const struct tensor *wanted, struct count *count)
{
    struct split split = {.axis = axis, .op = op, .end_op = (int)g->n_ops};
    struct tensor out[RUN_GRAPH_PORTS];
    struct graph *clone;
    struct err err;
    int most = rewrite_split_most(g, op, axis);
    int rc;

    if (most == 0) {
        return;
    }
    choose(rng, &split, most);
    must(seed, graph_clone(g, &clone), &err);
    rc = rewrite_split(clone, &split, &err);
    if (rc == EDGE_ENOFIT || (rc == EDGE_EINVAL && axis == SPLIT_PAIR)) {
        count->refused++; /* shares too fine, or no second product */
        graph_free(clone);
        return;
    }
    must(seed, rc, &err);
    must(seed, graph_check(clone, &err), &err);
    check_parts(clone, &split);
    assert_int_equal(label_rest(clone, 0, 3), 0);
    assert_true(run_parts(clone, in, out) > 2);
    for (size_t i = 0; i < g->n_outputs; i++) {
        assert_string_equal(clone->values[clone->outputs[i]].name,
                            g->values[g->outputs[i]].name);
        assert_near(seed, &wanted[i], &out[i], axis == SPLIT_OUTPUT ? 0 : 1e-5);
        tensor_deinit(&out[i]);
    }
    count->axis[axis]++;
    graph_free(clone);
}

static void check_graph(uint64_t seed, struct count *count)
{
    struct rng rng;
    struct graph *g;
    struct tensor in[RUN_GRAPH_PORTS];
    struct tensor wanted[RUN_GRAPH_PORTS];
    struct err err;

    rng_init(&rng, seed);
    g = random_graph(&rng, 24);
    if (run_graph_can(g, &err)) {
        for (size_t i = 0; i < g->n_inputs; i++) {
            in[i] = random_tensor(&rng, &g->values[g->inputs[i]].shape);
        }
        run_graph(g, in, wanted);
        for (int op = 0; op < (int)g->n_ops; op++) {
            for (int axis = 0; axis < 3; axis++) {
                try_split(g, &rng, seed, op, (enum split_axis)axis, in, wanted,
                          count);
            }
        }
        for (size_t i = 0; i < g->n_inputs; i++) {
            tensor_deinit(&in[i]);
        }
        for (size_t i = 0; i < g->n_outputs; i++) {
            tensor_deinit(&wanted[i]);
        }
    }
    graph_free(g);
}

static void a_split_changes_no_answer(void **state)
{
    struct count count = {0};

    (void)state;
    for (uint64_t seed = 1; seed <= GRAPHS; seed++) {
        check_graph(seed, &count);
    }
    print_message("output %d, input %d, pair %d, refused %d\n", count.axis[0],
                  count.axis[1], count.axis[2], count.refused);
    assert_true(count.axis[SPLIT_OUTPUT] > GRAPHS);
    assert_true(count.axis[SPLIT_INPUT] > GRAPHS);
    assert_true(count.axis[SPLIT_PAIR] > 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_split_changes_no_answer),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
