/*
 * Tiles change no answer: runs of random graphs on every grid, with borders
 * computed again or exchanged, equal shares and unequal ones. Lossy tiles are
 * the same as pictures of their own.
 */
#include "tests/lib/unit.h"

#include "coordinator/plan/rewrite.h"
#include "engine/fold.h"
#include "graph/infer.h"
#include "tests/lib/label_rest.h"
#include "tests/lib/random_graph.h"
#include "tests/lib/run_graph.h"
#include "tests/lib/run_parts.h"
#include "tests/lib/same_values.h"

#include <string.h>

#define GRAPHS 60

static const int grids[][2] = {{1, 2}, {2, 1}, {2, 2}, {2, 4},
                               {3, 3}, {4, 4}, {1, 3}};
#define GRIDS (sizeof(grids) / sizeof(grids[0]))

struct count {
    int done[3];
    int fine; /* refused: finer than a map */
    int levels;
    int ports; /* refused: too many meet in one shard */
};

struct trial {
    uint64_t seed;
    struct rng rng;
    struct graph *g;
    struct tensor in[RUN_GRAPH_PORTS];
    struct tensor wanted[RUN_GRAPH_PORTS];
    struct count *count;
};

static void must(const struct trial *t, int rc, const struct err *err)
{
    if (rc < 0) {
        fail_msg("seed %llu: %s", (unsigned long long)t->seed, err->text);
    }
}

static void choose(struct trial *t, struct tile *tile, const int grid[2])
{
    tile->rows = grid[0];
    tile->columns = grid[1];
    for (int i = 0; i < grid[0] * grid[1]; i++) {
        tile->part[i] = 10 + i;
    }
    for (int i = 0; i < REWRITE_PIECES_MAX; i++) {
        bool equal = rng_below(&t->rng, 2) > 0;

        tile->row_share[i] = equal ? 1 : 1 + (double)rng_below(&t->rng, 3);
        tile->column_share[i] = equal ? 1 : 1 + (double)rng_below(&t->rng, 3);
    }
    tile->level_step = 100;
    tile->scatter = 1;
    tile->join = 2;
}

/* False: more than LIMIT_PORTS values would meet in one shard. */
static bool check_answer(struct trial *t, struct graph *tiled,
                         enum tile_halo halo)
{
    struct tensor out[RUN_GRAPH_PORTS];

    assert_int_equal(label_rest(tiled, 0, 3), 0);
    if (run_parts(tiled, t->in, out) == 0) {
        return false;
    }
    for (size_t i = 0; i < t->g->n_outputs; i++) {
        assert_string_equal(tiled->values[tiled->outputs[i]].name,
                            t->g->values[t->g->outputs[i]].name);
        if (halo != TILE_NONE) {
            assert_near(t->seed, &t->wanted[i], &out[i], 1e-5);
        } else {
            assert_true(shape_equal(&t->wanted[i].shape, &out[i].shape));
        }
        tensor_deinit(&out[i]);
    }
    return true;
}

static void try_tiles(struct trial *t, int first, int end, const int grid[2],
                      enum tile_halo halo)
{
    struct tile tile = {.halo = halo, .first_op = first, .end_op = end};
    struct graph *clone;
    struct err err;
    int levels;
    int rc;

    choose(t, &tile, grid);
    must(t, graph_clone(t->g, &clone), &err);
    rc = rewrite_tile(clone, &tile, &levels, &err);
    if (rc == EDGE_ENOFIT) {
        t->count->fine++;
        graph_free(clone);
        return;
    }
    must(t, rc, &err);
    must(t, graph_check(clone, &err), &err);
    assert_true(levels == 1 || halo == TILE_EXCHANGE);
    if (check_answer(t, clone, halo)) {
        t->count->done[halo]++;
        t->count->levels += levels > 1;
    } else {
        t->count->ports++;
    }
    graph_free(clone);
}

/* Each run of ops that tiles can compute, and a random part of it. */
static void try_runs(struct trial *t)
{
    int first = 0;

    while (first < (int)t->g->n_ops) {
        int end = rewrite_tile_end(t->g, first, (int)t->g->n_ops);

        for (int halo = 0; halo < 3 && end > first; halo++) {
            const int *grid = grids[rng_below(&t->rng, GRIDS)];
            int from = first + (int)rng_below(&t->rng, (uint64_t)(end - first));

            try_tiles(t, first, end, grid, (enum tile_halo)halo);
            try_tiles(t, from, end, grid, (enum tile_halo)halo);
        }
        first = end > first ? end : first + 1;
    }
}

static void check_graph(uint64_t seed, struct count *count)
{
    struct trial t = {.seed = seed, .count = count};
    struct err err;

    rng_init(&t.rng, seed);
    t.g = random_graph(&t.rng, 24);
    if (run_graph_can(t.g, &err)) {
        for (size_t i = 0; i < t.g->n_inputs; i++) {
            t.in[i] = random_tensor(&t.rng, &t.g->values[t.g->inputs[i]].shape);
        }
        run_graph(t.g, t.in, t.wanted);
        try_runs(&t);
        for (size_t i = 0; i < t.g->n_inputs; i++) {
            tensor_deinit(&t.in[i]);
        }
        for (size_t i = 0; i < t.g->n_outputs; i++) {
            tensor_deinit(&t.wanted[i]);
        }
    }
    graph_free(t.g);
}

static void tiles_change_no_answer(void **state)
{
    struct count count = {0};

    (void)state;
    for (uint64_t seed = 1; seed <= GRAPHS; seed++) {
        check_graph(seed, &count);
    }
    print_message("recompute %d, exchange %d (%d with borders), none %d, too "
                  "fine %d, too many ports %d\n",
                  count.done[0], count.done[1], count.levels, count.done[2],
                  count.fine, count.ports);
    assert_true(count.done[TILE_RECOMPUTE] > GRAPHS);
    assert_true(count.done[TILE_EXCHANGE] > GRAPHS);
    assert_true(count.levels > GRAPHS / 4);
    assert_true(count.done[TILE_NONE] > GRAPHS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tiles_change_no_answer),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
