/*
 * Any cut of any graph: the shards are valid graphs with the types and shapes
 * that the whole has, what one puts out the next takes in, and each op that
 * counts is in exactly one of them.
 */
#include "tests/lib/unit.h"

#include "base/mem.h"
#include "coordinator/plan/cut.h"
#include "graph/infer.h"
#include "tests/lib/random_graph.h"

#include <stdlib.h>
#include <string.h>

#define GRAPHS 300
#define CUTS_MAX 6

static uint64_t seed; /* of the graph at hand, for messages */

static void must(int rc, const struct err *err)
{
    if (rc < 0) {
        fail_msg("seed %llu: %s", (unsigned long long)seed, err->text);
    }
}

static void assert_like(const struct graph *whole, const struct value *v,
                        const char *name)
{
    int index = graph_find_value(whole, name);

    if (index < 0 || whole->values[index].dtype != v->dtype ||
        !shape_equal(&whole->values[index].shape, &v->shape)) {
        fail_msg("seed %llu: \"%s\" is not as in the whole graph",
                 (unsigned long long)seed, name);
    }
}

/* The shard stands on its own: from its inputs' types alone, inference finds
 * what the whole graph's found. */
static void check_shard(const struct graph *whole, struct graph *shard)
{
    struct err err;

    must(graph_check(shard, &err), &err);
    for (size_t i = 0; i < shard->n_values; i++) {
        if (shard->values[i].producer >= 0) {
            shard->values[i].has_shape = false;
            shard->values[i].dtype = DTYPE_NONE;
        }
    }
    must(infer_graph(shard, &err), &err);
    assert_in_range(shard->n_inputs, 1, LIMIT_PORTS);
    assert_in_range(shard->n_outputs, 1, LIMIT_PORTS);
    for (size_t i = 0; i < shard->n_values; i++) {
        const struct value *v = &shard->values[i];

        if (strstr(v->name, GRAPH_PASS_SUFFIX) == NULL) {
            assert_like(whole, v, v->name);
        }
    }
}

/* Port by port, under the same name or the pass name. */
static void check_joint(const struct graph *before, const struct graph *after)
{
    assert_int_equal(before->n_outputs, after->n_inputs);
    for (size_t i = 0; i < after->n_inputs; i++) {
        const struct value *out = &before->values[before->outputs[i]];
        const struct value *in = &after->values[after->inputs[i]];
        char *passed = graph_pass_name(in->name);

        assert_non_null(passed);
        assert_int_equal(out->dtype, in->dtype);
        assert_true(shape_equal(&out->shape, &in->shape));
        if (graph_find_value(before, in->name) >= 0 &&
            graph_is_input(before, graph_find_value(before, in->name))) {
            assert_string_equal(out->name, passed);
        } else {
            assert_string_equal(out->name, in->name);
        }
        mem_free(passed);
    }
}

static void check_ends(const struct graph *whole, const struct graph *first,
                       const struct graph *last)
{
    assert_int_equal(first->n_inputs, whole->n_inputs);
    for (size_t i = 0; i < whole->n_inputs; i++) {
        assert_string_equal(first->values[first->inputs[i]].name,
                            whole->values[whole->inputs[i]].name);
    }
    assert_int_equal(last->n_outputs, whole->n_outputs);
    for (size_t i = 0; i < whole->n_outputs; i++) {
        const char *name = whole->values[whole->outputs[i]].name;

        assert_memory_equal(last->values[last->outputs[i]].name, name,
                            strlen(name));
    }
}

/* Each op that counts is in one shard, the one its position says. */
static void check_partition(const struct graph *whole, struct graph **shards,
                            const int *positions, size_t n)
{
    size_t n_ops;
    size_t shard = 0;
    int *ops;
    struct err err;

    must(cut_order(whole, &ops, &n_ops, &err), &err);
    for (size_t i = 0; i < n_ops; i++) {
        while (shard < n && (int)i >= positions[shard]) {
            shard++;
        }
        /* Passing a value on is the one work that may be done twice. */
        if (strstr(whole->ops[ops[i]].name, GRAPH_PASS_SUFFIX) != NULL) {
            continue;
        }
        for (size_t k = 0; k <= n; k++) {
            int found = graph_find_op(shards[k], whole->ops[ops[i]].name);

            if ((found >= 0) != (k == shard)) {
                fail_msg("seed %llu: op %zu is in shard %zu",
                         (unsigned long long)seed, i, k);
            }
        }
    }
    mem_free(ops);
}

static void check_cut(const struct graph *whole, const int *positions, size_t n)
{
    struct graph *shards[CUTS_MAX + 1];
    struct err err;

    must(cut_split(whole, positions, n, shards, &err), &err);
    for (size_t i = 0; i <= n; i++) {
        check_shard(whole, shards[i]);
    }
    for (size_t i = 0; i < n; i++) {
        check_joint(shards[i], shards[i + 1]);
    }
    check_ends(whole, shards[0], shards[n]);
    check_partition(whole, shards, positions, n);
    for (size_t i = 0; i <= n; i++) {
        graph_free(shards[i]);
    }
}

/* A few candidates at random, ascending. */
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

/* What a candidate says crosses is what the second shard takes in. */
static void check_values(const struct graph *g, const struct cut *cut)
{
    struct graph *shards[2];
    struct err err;

    must(cut_split(g, &cut->position, 1, shards, &err), &err);
    assert_int_equal(shards[1]->n_inputs, cut->n_values);
    for (size_t i = 0; i < cut->n_values; i++) {
        assert_string_equal(shards[1]->values[shards[1]->inputs[i]].name,
                            g->values[cut->values[i]].name);
    }
    graph_free(shards[0]);
    graph_free(shards[1]);
}

static void check_candidates(const struct graph *g, const struct cut *cuts,
                             size_t n)
{
    for (size_t i = 0; i < n; i++) {
        size_t bytes = 0;

        assert_in_range(cuts[i].n_values, 1, LIMIT_PORTS);
        for (size_t k = 0; k < cuts[i].n_values; k++) {
            const struct value *v = &g->values[cuts[i].values[k]];

            assert_false(v->data.blob != NULL);
            bytes += (size_t)shape_count(&v->shape) * dtype_size(v->dtype);
        }
        assert_int_equal(bytes, cuts[i].bytes);
        check_values(g, &cuts[i]);
        check_cut(g, &cuts[i].position, 1);
        if (i > 0) {
            assert_true(cuts[i].position > cuts[i - 1].position);
            assert_true(cuts[i].macs_before >= cuts[i - 1].macs_before);
        }
    }
}

static void test_any_cut_of_random_graphs(void **state)
{
    size_t n_cut = 0;

    (void)state;
    for (seed = 1; seed <= GRAPHS; seed++) {
        struct rng rng;
        struct graph *g;
        struct cut *cuts;
        struct err err;
        size_t n;

        rng_init(&rng, seed);
        g = random_graph(&rng, 5 + (int)rng_below(&rng, 40));
        must(cut_candidates(g, &cuts, &n, &err), &err);
        check_candidates(g, cuts, n);
        for (int i = 0; i < 4; i++) {
            int positions[CUTS_MAX];
            size_t k = choose(&rng, cuts, n, positions);

            check_cut(g, positions, k);
        }
        n_cut += n;
        cut_free(cuts, n);
        graph_free(g);
    }
    print_message("%d graphs, %zu places to cut\n", GRAPHS, n_cut);
    assert_true(n_cut > GRAPHS); /* else the generator makes nothing to cut */
}

/* A part of a part: shards cut again join under the same rules. */
static void test_shards_can_be_cut_again(void **state)
{
    (void)state;
    for (seed = 1; seed <= GRAPHS / 4; seed++) {
        struct graph *shards[2];
        struct rng rng;
        struct cut *cuts;
        struct err err;
        struct graph *g;
        size_t n;

        rng_init(&rng, seed);
        g = random_graph(&rng, 30);
        must(cut_candidates(g, &cuts, &n, &err), &err);
        if (n > 0) {
            must(cut_split(g, &cuts[n / 2].position, 1, shards, &err), &err);
            cut_free(cuts, n);
            must(cut_candidates(shards[1], &cuts, &n, &err), &err);
            check_candidates(shards[1], cuts, n);
            graph_free(shards[0]);
            graph_free(shards[1]);
        }
        cut_free(cuts, n);
        graph_free(g);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_any_cut_of_random_graphs),
        cmocka_unit_test(test_shards_can_be_cut_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
