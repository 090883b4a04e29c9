/*
 * Random models on random boards: the search against every other pipeline, and
 * what holds of any plan.
 */
#include "coordinator/plan/search.h"

#include "base/mem.h"
#include "base/rng.h"
#include "coordinator/plan/cut.h"
#include "tests/lib/paper_model.h"
#include "tests/lib/unit.h"

#include <float.h>
#include <stdio.h>
#include <string.h>

#define ROUNDS 200
#define DEVICES_MAX 5
#define OPS 4

struct world {
    struct graph *graph;
    struct profile profile;
    struct cost_model model;
    int points[16];
    struct search search;
};

/* Two kinds of boards, some small: enough for whole models, or not. */
static void draw(struct world *w, struct rng *rng, size_t n_devices)
{
    struct cut *cuts = NULL;
    size_t n_cuts = 0;
    struct err err;

    memset(w, 0, sizeof(*w));
    w->graph = paper_chain(OPS, 16 << rng_below(rng, 2), 16);
    assert_int_equal(profile_init(&w->profile, n_devices, 2, 1), 0);
    for (size_t b = 0; b < 2; b++) {
        w->profile.boards[b].macs_per_s = 1e7 * (double)(1 + rng_below(rng, 9));
        w->profile.boards[b].is_measured = true;
    }
    w->profile.links[0].bytes_per_s = 1e6 * (double)(1 + rng_below(rng, 99));
    for (size_t d = 0; d < n_devices; d++) {
        (void)snprintf(w->profile.devices[d].name, LIMIT_NAME, "d%zu", d);
        w->profile.devices[d].board = (size_t)rng_below(rng, 2);
        w->profile.devices[d].free_bytes =
            rng_below(rng, 3) == 0 ? KIB(100) << rng_below(rng, 2) : MIB(64);
    }
    assert_int_equal(cut_candidates(w->graph, &cuts, &n_cuts, &err), 0);
    w->search = (struct search){.model = &w->model,
                                .points = w->points,
                                .replicas = 1,
                                .bytes_factor = 1,
                                .only_best = true};
    for (size_t i = 0; i < n_cuts; i++) {
        if (!cuts[i].splits_group) {
            w->points[w->search.n_points++] = cuts[i].position;
        }
    }
    cut_free(cuts, n_cuts);
    assert_int_equal(cost_model_init(&w->model, w->graph, &w->profile, 1), 0);
}

static void drop(struct world *w)
{
    cost_model_deinit(&w->model);
    profile_deinit(&w->profile);
    graph_free(w->graph);
}

static double value(const struct choice *c, enum search_goal goal)
{
    double most = 0;

    for (size_t d = 0; d < c->n_devices; d++) {
        most = (double)c->memory[d] > most ? (double)c->memory[d] : most;
    }
    return goal == SEARCH_LATENCY      ? c->latency_s
           : goal == SEARCH_THROUGHPUT ? 1 / c->throughput
                                       : most;
}

static void check_limits(const struct world *w, const struct choice *c)
{
    int at = 0;

    for (size_t d = 0; d < c->n_devices; d++) {
        assert_true(c->memory[d] <= w->profile.devices[d].free_bytes);
    }
    for (size_t i = 0; i < c->n_stages; i++) {
        assert_int_equal(c->stages[i].first, at);
        assert_true(c->stages[i].n_devices >= choice_pieces(&c->stages[i]));
        at = c->stages[i].end;
    }
    assert_int_equal(at, w->model.n_ops);
}

/* ---- every pipeline -------------------------------------------------------
 */

/* Each device takes one of the stages, or none: stage_of[d]; replicas of a
 * stage are of one board. False: not a plan. */
static bool set_stages(const struct world *w, unsigned cuts,
                       const size_t *stage_of, struct choice *c)
{
    size_t n_points = w->search.n_points;
    int first = 0;

    for (size_t i = 0; i <= n_points; i++) {
        struct choice_stage *s = &c->stages[c->n_stages];

        if (i < n_points && (cuts & 1u << i) == 0) {
            continue;
        }
        s->first = first;
        s->end = i < n_points ? w->points[i] : (int)w->model.n_ops;
        s->rows = s->columns = 1;
        s->in_factor = 1;
        s->n_devices = 0;
        for (size_t d = 0; d < w->profile.n_devices; d++) {
            if (stage_of[d] == c->n_stages) {
                s->devices[s->n_devices++] = d;
            }
        }
        first = s->end;
        c->n_stages++;
        if (s->n_devices == 0) {
            return false;
        }
    }
    return true;
}

static double best_of_all(const struct world *w, enum search_goal goal)
{
    size_t n = w->profile.n_devices;
    struct choice_stage stages[8];
    size_t devices[8][DEVICES_MAX];
    double best = DBL_MAX;

    for (unsigned cuts = 0; cuts < 1u << w->search.n_points; cuts++) {
        size_t k = (size_t)__builtin_popcount(cuts) + 1;
        size_t ways = 1;

        for (size_t d = 0; d < n; d++) {
            ways *= k + 1;
        }
        for (size_t way = 0; k <= n && way < ways; way++) {
            struct choice c = {.stages = stages};
            size_t stage_of[DEVICES_MAX];
            bool fits = true;

            memset(stages, 0, sizeof(stages));
            for (size_t i = 0; i < 8; i++) {
                stages[i].devices = devices[i];
            }
            for (size_t d = 0, rest = way; d < n; d++, rest /= k + 1) {
                stage_of[d] = rest % (k + 1);
            }
            if (!set_stages(w, cuts, stage_of, &c) ||
                cost_choice(&w->model, &c, NULL) < 0) {
                continue;
            }
            for (size_t d = 0; d < n; d++) {
                fits = fits && c.memory[d] <= w->profile.devices[d].free_bytes;
            }
            for (size_t i = 0; i < c.n_stages; i++) {
                for (size_t j = 1; j < stages[i].n_devices; j++) {
                    fits = fits && w->profile.devices[devices[i][j]].board ==
                                       w->profile.devices[devices[i][0]].board;
                }
            }
            if (fits && value(&c, goal) < best) {
                best = value(&c, goal);
            }
            mem_free(c.memory);
            mem_free(c.busy_s);
            mem_free(c.sent);
        }
    }
    return best;
}

/* Splits and tiles, and replicas of several kinds, may be better still. A cut
 * must gain 3 %. */
static void no_pipeline_is_better(void **state)
{
    struct rng rng;
    int found = 0;

    (void)state;
    rng_init(&rng, 5);
    for (int round = 0; round < ROUNDS; round++) {
        struct choices choices;
        struct world w;
        struct err err;
        double best;

        draw(&w, &rng, 1 + (size_t)rng_below(&rng, DEVICES_MAX - 1));
        w.search.goal = (enum search_goal)rng_below(&rng, 3);
        best = best_of_all(&w, w.search.goal);
        if (search_run(&w.search, &choices, &err) == 0) {
            check_limits(&w, &choices.best);
            assert_true(value(&choices.best, w.search.goal) <= best * 1.035);
            choices_deinit(&choices);
            found++;
        } else {
            assert_true(best == DBL_MAX);
            assert_non_null(strstr(err.text, "MiB"));
        }
        drop(&w);
    }
    assert_true(found > ROUNDS / 2);
}

/* But for the 3 % that a cut must gain. */
static void one_board_more_is_never_worse(void **state)
{
    struct rng rng;
    int compared = 0;

    (void)state;
    rng_init(&rng, 6);
    for (int round = 0; round < 2 * ROUNDS; round++) {
        struct choices with;
        struct choices without;
        struct world w;
        struct err err;
        size_t n = 2 + (size_t)rng_below(&rng, DEVICES_MAX);

        draw(&w, &rng, n);
        w.search.goal = (enum search_goal)rng_below(&rng, 3);
        if (search_run(&w.search, &with, &err) < 0) {
            with = (struct choices){0};
        }
        w.profile.n_devices--;
        if (search_run(&w.search, &without, &err) == 0) {
            assert_true(with.best.n_stages > 0);
            assert_true(value(&with.best, w.search.goal) <=
                        value(&without.best, w.search.goal) * 1.035);
            choices_deinit(&without);
            compared++;
        }
        w.profile.n_devices++;
        choices_deinit(&with);
        drop(&w);
    }
    assert_true(compared > ROUNDS / 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_pipeline_is_better),
        cmocka_unit_test(one_board_more_is_never_worse),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
