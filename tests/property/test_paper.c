/*
 * What the planner predicts of a plan, and what the simulator makes of the
 * shards of the same plan: one cost model, reckoned in two ways.
 */
#include "tests/lib/heap.h"
#include "tests/lib/paper_model.h"
#include "tests/lib/unit.h"

#include "base/mem.h"
#include "base/rng.h"
#include "coordinator/plan/paper.h"

#include <stdio.h>

#define DEVICES 16
#define PLANS 60

struct fixture {
    struct graph *graph;
    struct profile profile;
    struct cost_model model;
    struct choice choice;
    struct paper paper;
    struct simulate_result result;
    struct rng rng;
};

static int set_up(void **state)
{
    struct fixture *f = mem_new(struct fixture);

    *state = f;
    f->graph = paper_chain(12, 16, 48);
    assert_int_equal(profile_default(&f->profile, DEVICES), 0);
    for (size_t d = 0; d < DEVICES; d++) {
        (void)snprintf(f->profile.devices[d].name, LIMIT_NAME, "d%zu", d);
        f->profile.devices[d].free_bytes = (uint64_t)1 << 32;
    }
    rng_init(&f->rng, 3);
    return cost_model_init(&f->model, f->graph, &f->profile, 1);
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    heap_heal();
    simulate_deinit(&f->result);
    paper_deinit(&f->paper);
    choice_deinit(&f->choice);
    cost_model_deinit(&f->model);
    profile_deinit(&f->profile);
    graph_free(f->graph);
    mem_free(f);
    return 0;
}

/* Stages of two to six layers and their ReLUs, each on devices of its own. */
static void draw(struct fixture *f, enum pieces_kind kind)
{
    size_t next = 0;
    int at = 0;
    int end = (int)f->model.n_ops;

    choice_deinit(&f->choice);
    f->choice.stages = mem_array(struct choice_stage, DEVICES);
    while (at < end) {
        struct choice_stage *s = &f->choice.stages[f->choice.n_stages++];
        int to = at + 4 + 2 * (int)rng_below(&f->rng, 5);
        bool is_cut = f->choice.n_stages == 2;

        *s = (struct choice_stage){.first = at, .rows = 1, .columns = 1};
        s->end = to + 4 > end || next + 8 > DEVICES ? end : to;
        s->in_factor = 1;
        if (is_cut && kind == PIECES_TILE) {
            s->kind = PIECES_TILE;
            s->halo = TILE_RECOMPUTE;
            s->rows = 2;
            s->columns = 1 + (int)rng_below(&f->rng, 2);
        }
        s->n_devices = choice_pieces(s) *
                       (kind == PIECES_WHOLE ? 1 + rng_below(&f->rng, 2) : 1);
        s->devices = mem_array(size_t, s->n_devices);
        for (size_t k = 0; k < s->n_devices; k++) {
            s->devices[k] = next++;
        }
        at = s->end;
    }
}

static void simulate(struct fixture *f, size_t clients)
{
    const struct simulate_options options = {
        .clients = clients, .requests = 400, .warm_up = 64};
    struct err err = {""};

    simulate_deinit(&f->result);
    if (simulate_run(&f->paper.model, &options, &f->result, &err) < 0) {
        fail_msg("%s", err.text);
    }
}

static void near(const char *what, double value, double want, double tolerance)
{
    if (!(value > want * (1 - tolerance) && value < want * (1 + tolerance))) {
        fail_msg("%s: simulated %g, predicted %g", what, value, want);
    }
}

static void compare(struct fixture *f, double tolerance)
{
    struct err err = {""};

    if (cost_choice(&f->model, &f->choice, &err) < 0 ||
        paper_make(&f->paper, &f->model, &f->choice, &err) < 0) {
        fail_msg("%s", err.text);
    }
    simulate(f, 1);
    near("latency", f->result.p50_s, f->choice.latency_s, tolerance);
    simulate(f, 48);
    near("throughput", f->result.throughput, f->choice.throughput, tolerance);
    paper_deinit(&f->paper);
}

static void test_pipelines_and_replicas(void **state)
{
    struct fixture *f = *state;

    for (int i = 0; i < PLANS; i++) {
        draw(f, PIECES_WHOLE);
        compare(f, 0.03);
    }
}

static void test_tiles(void **state)
{
    struct fixture *f = *state;

    for (int i = 0; i < PLANS; i++) {
        draw(f, PIECES_TILE);
        compare(f, 0.15); /* of the slowest piece, more is not predicted */
    }
}

static int make(void *arg)
{
    struct fixture *f = arg;
    struct err err;
    int rc = paper_make(&f->paper, &f->model, &f->choice, &err);

    paper_deinit(&f->paper);
    return rc;
}

static void test_every_allocation_may_fail(void **state)
{
    struct fixture *f = *state;

    draw(f, PIECES_TILE);
    assert_true(heap_each(make, f) > 4);
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_pipelines_and_replicas),
        T(test_tiles),
        T(test_every_allocation_may_fail),
    };

    return cmocka_run_group_tests_name("paper", tests, NULL, NULL);
}
