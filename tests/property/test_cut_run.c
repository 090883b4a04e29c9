/*
 * Sharding is invisible: the shards of any cut, one after the other, compute
 * what the whole graph computes, bit for bit.
 */
#include "tests/lib/unit.h"

#include "coordinator/plan/cut.h"
#include "engine/fold.h"
#include "tests/lib/random_graph.h"
#include "tests/lib/run_graph.h"

#include <string.h>

#define GRAPHS 100 /* that are run; of those without kernels none is */
#define CUTS_MAX 4

static uint64_t seed; /* of the graph at hand, for messages */
static int n_run;     /* graphs so far that the engine could run */

static void must(int rc, const struct err *err)
{
    if (rc < 0) {
        fail_msg("seed %llu: %s", (unsigned long long)seed, err->text);
    }
}

static void deinit_all(struct tensor *t, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        tensor_deinit(&t[i]);
    }
}

/* What one shard puts out is what the next takes in, in the same order. */
static void run_chain(struct graph **shards, size_t n,
                      const struct tensor *inputs, struct tensor *outputs)
{
    struct tensor between[2][RUN_GRAPH_PORTS];
    const struct tensor *in = inputs;

    for (size_t i = 0; i < n; i++) {
        struct tensor *out = i + 1 < n ? between[i % 2] : outputs;
        struct err err;

        must(pass_run_shard(shards[i], fold_eval, NULL, &err), &err);
        run_graph(shards[i], in, out);
        if (i > 0) {
            deinit_all(between[(i - 1) % 2], shards[i]->n_inputs);
        }
        in = out;
    }
}

static void check_cut(const struct graph *g, const int *positions, size_t n,
                      const struct tensor *in, const struct tensor *wanted)
{
    struct graph *shards[CUTS_MAX + 1];
    struct tensor out[RUN_GRAPH_PORTS];
    struct err err;

    must(cut_split(g, positions, n, shards, &err), &err);
    run_chain(shards, n + 1, in, out);
    for (size_t i = 0; i < g->n_outputs; i++) {
        assert_true(shape_equal(&out[i].shape, &wanted[i].shape));
        if (memcmp(out[i].data, wanted[i].data, tensor_bytes(&out[i])) != 0) {
            fail_msg("seed %llu: output %zu changes when cut at %d",
                     (unsigned long long)seed, i, n > 0 ? positions[0] : 0);
        }
    }
    deinit_all(out, g->n_outputs);
    for (size_t i = 0; i <= n; i++) {
        graph_free(shards[i]);
    }
}

static size_t choose(struct rng *rng, const struct cut *cuts, size_t n_cuts,
                     int *positions)
{
    size_t wanted = 1 + rng_below(rng, CUTS_MAX);
    size_t n = 0;

    for (size_t i = 0; i < n_cuts && n < wanted; i++) {
        if (rng_below(rng, n_cuts - i) < wanted - n) {
            positions[n++] = cuts[i].position;
        }
    }
    return n;
}

/* Every candidate alone, and a few together. Returns how many. */
static size_t check_graph(const struct graph *g, struct rng *rng)
{
    struct tensor in[RUN_GRAPH_PORTS];
    struct tensor wanted[RUN_GRAPH_PORTS];
    struct cut *cuts;
    struct err err;
    size_t n;

    for (size_t i = 0; i < g->n_inputs; i++) {
        in[i] = random_tensor(rng, &g->values[g->inputs[i]].shape);
    }
    run_graph(g, in, wanted);
    must(cut_candidates(g, &cuts, &n, &err), &err);
    for (size_t i = 0; i < n; i++) {
        check_cut(g, &cuts[i].position, 1, in, wanted);
    }
    for (int i = 0; i < 3; i++) {
        int positions[CUTS_MAX];
        size_t k = choose(rng, cuts, n, positions);

        check_cut(g, positions, k, in, wanted);
    }
    cut_free(cuts, n);
    deinit_all(in, g->n_inputs);
    deinit_all(wanted, g->n_outputs);
    return n;
}

static void test_shards_compute_what_the_whole_does(void **state)
{
    size_t n = 0;

    (void)state;
    for (seed = 1; n_run < GRAPHS; seed++) {
        struct rng rng;
        struct graph *g;
        struct err err;

        rng_init(&rng, seed);
        g = random_graph(&rng, 5 + (int)rng_below(&rng, 25));
        if (!run_graph_can(g, &err)) {
            graph_free(g);
            assert_true(seed < 100 * GRAPHS);
            continue;
        }
        n_run++;
        must(pass_run_all(g, fold_eval, NULL, &err), &err);
        n += check_graph(g, &rng);
        graph_free(g);
    }
    print_message("%d of %llu graphs run, %zu cuts\n", n_run,
                  (unsigned long long)seed - 1, n);
    assert_true(n > GRAPHS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shards_compute_what_the_whole_does),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
