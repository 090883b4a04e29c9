/* When a plan counts as not what was predicted, and when another as slower. */
#include "coordinator/plan/drift.h"

#include "tests/lib/unit.h"

#include <string.h>

#define N 3
#define SECOND 1000000u
#define STEP (SECOND / 2)
#define WINDOW (16 * SECOND)
#define PAUSE (100 * SECOND)

struct fixture { /* boards that take so many times as long as predicted */
    struct drift drift;
    uint64_t now_us;
    size_t n;
    double factor[N];
    uint64_t runs_per_s;
    double latency_s; /* of an answer */
    bool is_loaded;   /* never alone */
    double in_flight;
    struct drift_seen seen[N];
    struct drift_totals totals;
};

static int set_up(void **state)
{
    struct fixture *f = test_calloc(1, sizeof(*f));

    drift_init(&f->drift, &(struct drift_rules){.window_us = WINDOW,
                                                .pause_us = PAUSE,
                                                .threshold = 1.3,
                                                .goal = DRIFT_LATENCY});
    f->n = N;
    f->runs_per_s = 10;
    f->latency_s = 0.1;
    f->in_flight = 1;
    f->now_us = 1;
    for (size_t i = 0; i < N; i++) {
        f->factor[i] = 1;
    }
    assert_int_equal(drift_begin(&f->drift, f->now_us, N), 0);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    drift_deinit(&f->drift);
    test_free(f);
    return 0;
}

static enum drift_say look(struct fixture *f)
{
    uint64_t n = f->runs_per_s * STEP / SECOND;
    double work = 0;

    f->now_us += STEP;
    for (size_t i = 0; i < f->n; i++) {
        f->seen[i] =
            (struct drift_seen){0.01, 0.01 * f->factor[i], f->seen[i].runs + n};
        work += f->seen[i].measured_s;
    }
    f->totals.answers += n;
    f->totals.latency_s += (double)n * f->latency_s;
    f->totals.alone += f->is_loaded ? 0 : n;
    f->totals.alone_s += f->is_loaded ? 0 : (double)n * f->latency_s;
    f->totals.in_flight = f->in_flight;
    f->totals.work_s = work;
    return drift_look(&f->drift, f->now_us, f->seen, &f->totals);
}

/* The first thing that it says, within so long. */
static enum drift_say wait(struct fixture *f, uint64_t us)
{
    enum drift_say say = DRIFT_NOTHING;

    for (uint64_t end = f->now_us + us; f->now_us < end && say == DRIFT_NOTHING;
         say = look(f)) {
    }
    return say;
}

static void is_quiet(struct fixture *f, uint64_t us)
{
    assert_int_equal(wait(f, us), DRIFT_NOTHING);
}

/* Until board 1 is four times slower, and that was said. */
static void slow_one(struct fixture *f)
{
    is_quiet(f, 2 * WINDOW);
    f->factor[1] = 4;
    assert_int_equal(wait(f, 2 * WINDOW), DRIFT_REPLAN);
}

/* Another plan, with answers that take so long. */
static void move(struct fixture *f, uint64_t plan, double latency_s)
{
    drift_moved(&f->drift, f->now_us, plan);
    assert_int_equal(drift_begin(&f->drift, f->now_us, N), 0);
    memset(f->seen, 0, sizeof(f->seen));
    for (size_t i = 0; i < N; i++) {
        f->factor[i] = 1;
    }
    f->latency_s = latency_s;
}

/* ---- drift --------------------------------------------------------------- */

static void what_is_as_predicted_stays(void **state)
{
    struct fixture *f = *state;

    f->factor[0] = 1.2;
    f->factor[2] = 0.85;
    is_quiet(f, 100 * PAUSE);
    assert_int_equal(drift_worst(&f->drift), N);
}

static void a_board_that_is_slow_for_long_is_named(void **state)
{
    struct fixture *f = *state;

    slow_one(f);
    assert_int_equal(drift_worst(&f->drift), 1);
    assert_true(drift_factor(&f->drift, 1) == 4);
    assert_true(drift_factor(&f->drift, 0) == 1);
    assert_true(drift_base(&f->drift) == 1);
    is_quiet(f, 10 * PAUSE); /* until it hears what came of it */
}

static void a_board_that_is_faster_drifts_too(void **state)
{
    struct fixture *f = *state;

    is_quiet(f, 2 * WINDOW);
    f->factor[2] = 0.5;
    assert_int_equal(wait(f, 2 * WINDOW), DRIFT_REPLAN);
    assert_int_equal(drift_worst(&f->drift), 2);
}

static void less_than_a_window_is_no_drift(void **state)
{
    struct fixture *f = *state;

    for (int i = 0; i < 50; i++) {
        f->factor[1] = 4;
        is_quiet(f, WINDOW - 2 * SECOND);
        f->factor[1] = 1;
        is_quiet(f, 2 * SECOND);
    }
}

static void outliers_are_no_drift(void **state)
{
    struct fixture *f = *state;

    for (int i = 0; i < 200; i++) {
        f->factor[1] = i % 4 == 0 ? 1 : 50;
        is_quiet(f, SECOND);
    }
}

static void a_few_runs_say_nothing(void **state)
{
    struct fixture *f = *state;

    f->runs_per_s = 2;
    is_quiet(f, 2 * WINDOW);
    f->factor[1] = 4;
    f->runs_per_s = 0;
    is_quiet(f, 10 * WINDOW);
}

static void what_is_wrong_on_all_boards_is_no_drift(void **state)
{
    struct fixture *f = *state;

    for (size_t i = 0; i < N; i++) {
        f->factor[i] = 5;
    }
    is_quiet(f, 10 * PAUSE);
    assert_true(drift_base(&f->drift) == 5);
    f->factor[0] = 20;
    assert_int_equal(wait(f, 2 * WINDOW), DRIFT_REPLAN);
    assert_true(drift_factor(&f->drift, 0) == 20);
    assert_true(drift_factor(&f->drift, 1) == 5);
}

static void one_board_alone_drifts_against_what_it_was(void **state)
{
    struct fixture *f = *state;

    f->n = 1;
    assert_int_equal(drift_begin(&f->drift, f->now_us, 1), 0);
    f->factor[0] = 3;
    is_quiet(f, 2 * WINDOW);
    f->factor[0] = 12;
    assert_int_equal(wait(f, 2 * WINDOW), DRIFT_REPLAN);
}

static void a_daemon_that_began_anew_is_counted_anew(void **state)
{
    struct fixture *f = *state;

    is_quiet(f, 2 * WINDOW);
    f->seen[1].runs = 0;
    is_quiet(f, 2 * WINDOW);
    f->factor[1] = 4;
    assert_int_equal(wait(f, 2 * WINDOW), DRIFT_REPLAN);
}

/* ---- pauses -------------------------------------------------------------- */

static void what_was_refused_is_asked_less_and_less(void **state)
{
    struct fixture *f = *state;
    uint64_t pause = PAUSE;

    slow_one(f);
    for (int i = 0; i < 5; i++) {
        drift_refused(&f->drift, f->now_us);
        is_quiet(f, pause - 2 * SECOND);
        assert_int_equal(wait(f, WINDOW), DRIFT_REPLAN);
        pause *= 2;
    }
}

static void what_gave_way_is_asked_a_window_later(void **state)
{
    struct fixture *f = *state;

    slow_one(f);
    drift_gave_up(&f->drift, f->now_us);
    is_quiet(f, WINDOW - 2 * SECOND);
    assert_int_equal(wait(f, 4 * SECOND), DRIFT_REPLAN);
}

/* ---- trials -------------------------------------------------------------- */

static void a_faster_plan_stays(void **state)
{
    struct fixture *f = *state;

    slow_one(f);
    move(f, 7, 0.04);
    assert_int_equal(wait(f, 2 * WINDOW), DRIFT_KEEP);
    assert_true(f->drift.worse > 0.39 && f->drift.worse < 0.41);
    is_quiet(f, 10 * PAUSE);
}

static void a_slower_plan_goes(void **state)
{
    struct fixture *f = *state;

    slow_one(f);
    move(f, 7, 0.2);
    assert_int_equal(wait(f, 2 * WINDOW), DRIFT_ROLLBACK);
    assert_true(f->drift.worse > 1.99 && f->drift.worse < 2.01);
    drift_went_back(&f->drift, f->now_us);
    assert_false(drift_may_try(&f->drift, f->now_us + 8 * PAUSE - 1, 7));
    assert_true(drift_may_try(&f->drift, f->now_us + 8 * PAUSE, 7));
    assert_true(drift_may_try(&f->drift, f->now_us, 8));
}

static void what_was_slower_twice_waits_twice_as_long(void **state)
{
    struct fixture *f = *state;

    for (int i = 0; i < 2; i++) {
        f->latency_s = 0.1;
        f->factor[1] = 1;
        f->now_us += 5000 * (uint64_t)PAUSE; /* all is forgiven but that */
        slow_one(f);
        move(f, 7, 0.2);
        assert_int_equal(wait(f, 2 * WINDOW), DRIFT_ROLLBACK);
        drift_went_back(&f->drift, f->now_us);
    }
    assert_false(drift_may_try(&f->drift, f->now_us + 16 * PAUSE - 1, 7));
    assert_true(drift_may_try(&f->drift, f->now_us + 16 * PAUSE, 7));
}

static void the_same_within_noise_stays(void **state)
{
    struct fixture *f = *state;

    slow_one(f);
    move(f, 7, 0.103);
    assert_int_equal(wait(f, 2 * WINDOW), DRIFT_KEEP);
}

static void without_requests_there_is_no_verdict(void **state)
{
    struct fixture *f = *state;

    slow_one(f);
    move(f, 7, 10);
    f->runs_per_s = 0;
    is_quiet(f, 7 * WINDOW);
    assert_int_equal(wait(f, 2 * WINDOW), DRIFT_KEEP);
}

/* Four times the requests wait for each other: that is not the plan's fault,
 * whose boards take half of what they did for each. */
static void another_load_is_not_a_slower_plan(void **state)
{
    struct fixture *f = *state;

    f->is_loaded = true;
    slow_one(f);
    move(f, 7, 0.5);
    f->runs_per_s = 40;
    f->in_flight = 20;
    assert_int_equal(wait(f, 2 * WINDOW), DRIFT_KEEP);
    assert_true(f->drift.worse > 0.4 && f->drift.worse < 0.6);
}

static void as_many_under_way_for_longer_is_a_slower_plan(void **state)
{
    struct fixture *f = *state;

    f->is_loaded = true;
    f->in_flight = 4;
    slow_one(f);
    move(f, 7, 0.2);
    f->runs_per_s = 6;
    assert_int_equal(wait(f, 2 * WINDOW), DRIFT_ROLLBACK);
}

int main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(what_is_as_predicted_stays),
        T(a_board_that_is_slow_for_long_is_named),
        T(a_board_that_is_faster_drifts_too),
        T(less_than_a_window_is_no_drift),
        T(outliers_are_no_drift),
        T(a_few_runs_say_nothing),
        T(what_is_wrong_on_all_boards_is_no_drift),
        T(one_board_alone_drifts_against_what_it_was),
        T(a_daemon_that_began_anew_is_counted_anew),
        T(what_was_refused_is_asked_less_and_less),
        T(what_gave_way_is_asked_a_window_later),
        T(a_faster_plan_stays),
        T(a_slower_plan_goes),
        T(what_was_slower_twice_waits_twice_as_long),
        T(the_same_within_noise_stays),
        T(without_requests_there_is_no_verdict),
        T(another_load_is_not_a_slower_plan),
        T(as_many_under_way_for_longer_is_a_slower_plan),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
