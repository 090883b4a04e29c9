/*
 * Stages that are whole, split and tiled, in any order, change no answer.
 */
#include "tests/lib/unit.h"

#include "base/mem.h"
#include "coordinator/plan/cut.h"
#include "coordinator/plan/pieces.h"
#include "tests/lib/random_graph.h"
#include "tests/lib/run_graph.h"
#include "tests/lib/run_parts.h"
#include "tests/lib/same_values.h"

#include <string.h>

#define GRAPHS 400
#define STAGES 4

struct count {
    int kind[3];
    int levels; /* shards of a second level */
    int refused;
};

/* Up to STAGES stages between cuts of the graph. */
static size_t draw_stages(const struct graph *g, struct rng *rng,
                          struct pieces_stage *stages)
{
    struct cut *cuts = NULL;
    int *order = NULL;
    size_t n_cuts;
    size_t n_ops;
    size_t n = 0;
    int next = 0;
    struct err err;

    assert_int_equal(cut_candidates(g, &cuts, &n_cuts, &err), 0);
    assert_int_equal(cut_order(g, &order, &n_ops, &err), 0);
    for (size_t i = 0; i <= n_cuts && n < STAGES && n_ops > 0; i++) {
        int end = i < n_cuts ? cuts[i].position : (int)n_ops;

        if (end <= next || end > (int)n_ops ||
            (end < (int)n_ops && (n + 1 == STAGES || rng_below(rng, 4) > 0))) {
            continue;
        }
        stages[n++] = (struct pieces_stage){
            .first = next,
            .end = end,
            .kind = (enum pieces_kind)rng_below(rng, 3),
            .axis = (enum split_axis)rng_below(rng, 3),
            .halo = rng_below(rng, 2) > 0 ? TILE_RECOMPUTE : TILE_EXCHANGE,
            .rows = 1,
            .columns = 2 + (int)rng_below(rng, 2)};
        if (stages[n - 1].kind == PIECES_TILE) {
            stages[n - 1].rows = 1 + (int)rng_below(rng, 3);
        }
        next = end;
    }
    cut_free(cuts, n_cuts);
    mem_free(order);
    return next == (int)n_ops ? n : 0;
}

/* Each piece says where it belongs, and none is there twice. */
static void check_pieces(const struct parts *parts, const struct piece *pieces,
                         const struct pieces_stage *stages, size_t n,
                         struct count *count)
{
    for (size_t i = 0; i < parts->n; i++) {
        const struct piece *p = &pieces[i];

        assert_true(p->stage < n);
        if (p->role == PIECE_PART) {
            assert_true(p->index <
                        stages[p->stage].rows * stages[p->stage].columns);
            count->levels += p->level > 0;
        }
        for (size_t k = 0; k < i; k++) {
            assert_int_not_equal(memcmp(p, &pieces[k], sizeof(*p)), 0);
        }
    }
}

static void try_stages(const struct graph *g, struct rng *rng, uint64_t seed,
                       const struct tensor *in, const struct tensor *wanted,
                       struct count *count)
{
    struct pieces_stage stages[STAGES];
    size_t n = draw_stages(g, rng, stages);
    struct tensor out[RUN_GRAPH_PORTS];
    struct piece *pieces = NULL;
    struct parts parts;
    struct err err;
    int rc;

    if (n == 0) {
        return;
    }
    rc = pieces_make(g, stages, n, &parts, &pieces, NULL, &err);
    if (rc == EDGE_EINVAL || rc == EDGE_ENOFIT) {
        assert_true(strlen(err.text) > 10);
        count->refused++;
        return;
    }
    if (rc < 0) {
        fail_msg("seed %llu: %s", (unsigned long long)seed, err.text);
    }
    check_pieces(&parts, pieces, stages, n, count);
    run_made_parts(&parts, in, out);
    for (size_t i = 0; i < g->n_outputs; i++) {
        assert_near(seed, &wanted[i], &out[i], 1e-5);
        tensor_deinit(&out[i]);
    }
    for (size_t i = 0; i < n; i++) {
        count->kind[stages[i].kind]++;
    }
    mem_free(pieces);
    parts_deinit(&parts);
}

static void check_graph(uint64_t seed, struct count *count)
{
    struct rng rng;
    struct graph *g;
    struct tensor in[RUN_GRAPH_PORTS];
    struct tensor wanted[RUN_GRAPH_PORTS];
    struct err err;

    rng_init(&rng, seed);
    g = random_graph(&rng, 16);
    if (run_graph_can(g, &err)) {
        for (size_t i = 0; i < g->n_inputs; i++) {
            in[i] = random_tensor(&rng, &g->values[g->inputs[i]].shape);
        }
        run_graph(g, in, wanted);
        for (int k = 0; k < 8; k++) {
            try_stages(g, &rng, seed, in, wanted, count);
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

static void cut_stages_change_no_answer(void **state)
{
    struct count count = {0};

    (void)state;
    for (uint64_t seed = 1; seed <= GRAPHS; seed++) {
        check_graph(seed, &count);
    }
    print_message("%d whole, %d split, %d tiled stages; %d shards of a second "
                  "level; %d refused\n",
                  count.kind[PIECES_WHOLE], count.kind[PIECES_SPLIT],
                  count.kind[PIECES_TILE], count.levels, count.refused);
    assert_true(count.kind[PIECES_SPLIT] > 50);
    assert_true(count.kind[PIECES_TILE] > 50);
    assert_true(count.levels > 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cut_stages_change_no_answer),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
