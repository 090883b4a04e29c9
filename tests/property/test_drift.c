/*
 * No flapping: boards whose load alternates at random, or as badly as can be,
 * never make a plan change more often than its pauses allow, and alternation
 * within a window never does.
 */
#include "tests/lib/unit.h"

#include "base/rng.h"
#include "coordinator/plan/drift.h"

#include <math.h>
#include <string.h>

#define SECOND 1000000u
#define STEP SECOND
#define WINDOW (16 * SECOND)
#define PAUSE (60 * SECOND)
#define BOARDS 3
#define SEEDS 25
#define PAUSES 2000 /* of a run */

/* A model that one of three boards computes; how fast each is changes. */
struct world {
    struct drift drift;
    struct rng rng;
    uint64_t now_us;
    double slow[BOARDS]; /* times as long as predicted, in truth */
    double believed[BOARDS];
    size_t on; /* the board of the plan */
    size_t former;
    uint64_t runs;
    struct drift_totals totals;
    uint64_t least_us; /* between two changes of load */
    uint64_t most_us;
    uint64_t next_us;
    bool is_strict; /* each time it changes, it is another */
    size_t moves;
    size_t backs;
    uint64_t changed_us; /* the last time; 0: never */
    uint64_t closest_us; /* of two moves */
};

static void put_on(struct world *w, size_t board)
{
    w->on = board;
    w->runs = 0;
    assert_int_equal(drift_begin(&w->drift, w->now_us, 1), 0);
}

static void change_load(struct world *w)
{
    if (w->now_us < w->next_us) {
        return;
    }
    for (size_t i = 0; i < BOARDS; i++) {
        w->slow[i] = w->is_strict                 ? 5 - w->slow[i]
                     : rng_below(&w->rng, 2) == 0 ? 1
                                                  : 4;
    }
    w->next_us = w->now_us + w->least_us +
                 rng_below(&w->rng, w->most_us - w->least_us + 1);
}

static void on_replan(struct world *w)
{
    size_t best = 0;

    w->believed[w->on] *= drift_factor(&w->drift, 0);
    for (size_t i = 0; i < BOARDS; i++) {
        best = w->believed[i] < w->believed[best] ? i : best;
    }
    if (w->believed[best] > 0.85 * w->believed[w->on] ||
        !drift_may_try(&w->drift, w->now_us, best + 1)) {
        drift_refused(&w->drift, w->now_us);
        w->believed[w->on] = 1; /* as is said of it */
        return;
    }
    if (w->changed_us != 0 && w->now_us - w->changed_us < w->closest_us) {
        w->closest_us = w->now_us - w->changed_us;
    }
    w->changed_us = w->now_us;
    w->moves++;
    w->former = w->on;
    drift_moved(&w->drift, w->now_us, best + 1);
    w->believed[w->former] = 1; /* nobody measures it any more */
    put_on(w, best);
}

static void step(struct world *w)
{
    struct drift_seen seen;

    w->now_us += STEP;
    change_load(w);
    w->runs += 10;
    w->totals.answers += 10;
    w->totals.alone += 10;
    w->totals.latency_s += w->slow[w->on];
    w->totals.alone_s += w->slow[w->on];
    w->totals.in_flight = 1;
    w->totals.work_s = w->slow[w->on] / 10;
    seen = (struct drift_seen){0.1, 0.1 * w->slow[w->on], w->runs};
    switch (drift_look(&w->drift, w->now_us, &seen, &w->totals)) {
    case DRIFT_REPLAN: on_replan(w); break;
    case DRIFT_ROLLBACK:
        w->backs++;
        drift_went_back(&w->drift, w->now_us);
        put_on(w, w->former);
        break;
    case DRIFT_KEEP:
    case DRIFT_NOTHING: break;
    }
}

static void run(struct world *w, uint64_t seed, bool is_strict,
                uint64_t least_us, uint64_t most_us)
{
    memset(w, 0, sizeof(*w));
    rng_init(&w->rng, seed);
    drift_init(&w->drift,
               &(struct drift_rules){WINDOW, PAUSE, 1.3, DRIFT_LATENCY});
    drift_is_calibrated(&w->drift);
    w->now_us = 1;
    w->is_strict = is_strict;
    w->least_us = least_us;
    w->most_us = most_us;
    w->closest_us = UINT64_MAX;
    for (size_t i = 0; i < BOARDS; i++) {
        w->slow[i] = w->believed[i] = 1;
    }
    put_on(w, 0);
    for (uint64_t t = 0; t < PAUSES * (uint64_t)PAUSE; t += STEP) {
        step(w);
    }
    drift_deinit(&w->drift);
}

static void loads_of_less_than_a_window_never_move_it(void **state)
{
    struct world w;

    (void)state;
    for (uint64_t seed = 1; seed <= 10; seed++) {
        run(&w, seed, true, SECOND, WINDOW - 2 * SECOND);
        assert_int_equal(w.moves, 0);
    }
}

/* All is calm for less than the four pauses that forgive: then the pause
 * doubles with each change until it is 256 of them. */
static void loads_that_never_rest_move_it_ever_less(void **state)
{
    size_t most = 9 + PAUSES / 256 + 1;
    size_t moved = 0;
    struct world w;

    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        run(&w, seed, false, WINDOW, 2 * PAUSE);
        if (w.moves + w.backs > most) {
            print_message("seed %llu: %zu moves, %zu back\n",
                          (unsigned long long)seed, w.moves, w.backs);
        }
        assert_true(w.moves + w.backs <= most);
        assert_true(w.backs <= w.moves);
        assert_true(w.closest_us >= PAUSE);
        moved += w.moves > 0;
    }
    assert_true(moved > SEEDS / 2);
}

/* Whatever comes: no two moves within a pause. */
static void two_moves_are_a_pause_apart(void **state)
{
    struct world w;

    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        run(&w, seed, false, SECOND, 40 * PAUSE);
        assert_true(w.moves <= PAUSES + 1);
        assert_true(w.closest_us >= PAUSE);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(loads_of_less_than_a_window_never_move_it),
        cmocka_unit_test(loads_that_never_rest_move_it_ever_less),
        cmocka_unit_test(two_moves_are_a_pause_apart),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
