/* The score of a run of chaos. */
#include "coordinator/ctl/chaos_score.h"
#include "coordinator/ctl/faults.h"

#include "tests/lib/unit.h"

#include <stdio.h>
#include <string.h>

#define S UINT64_C(1000000)

struct fixture {
    struct score score;
    struct ctl ctl;
};

static void line(struct fixture *f, uint64_t sent_us, uint64_t took_us,
                 const char *how)
{
    char text[200];
    struct err err;

    (void)snprintf(text, sizeof(text), "%llu\t%llu\t%llu\t%s\t1\tbecause\n",
                   (unsigned long long)sent_us, (unsigned long long)sent_us,
                   (unsigned long long)(sent_us + took_us), how);
    assert_int_equal(score_line(&f->score, text, &err), 0);
}

/* Ten seconds of load, a request each 10 ms that takes 5; one fault from 2 to
 * 7 s, healed at 8. */
static int set_up(void **state)
{
    struct fixture *f = test_calloc(1, sizeof(*f));
    struct score_fault fault = {
        .node = "n1",
        .kind = "pause",
        .ms = 5000,
        .began_us = 102 * S,
        .healed_us = 108 * S,
        .suspect_ms = 1500,
        .back_ms = 6000,
    };

    f->score = (struct score){.seed = 7,
                              .least = 0.2,
                              .start_us = 100 * S,
                              .calm_us = 102 * S,
                              .settled_us = 108 * S,
                              .end_us = 110 * S};
    f->ctl.format = CTL_JSON;
    for (uint64_t at = 100 * S; at < 110 * S; at += 10000) {
        line(f, at, 5000, "ok");
    }
    assert_int_equal(score_fault(&f->score, &fault), 0);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    score_deinit(&f->score);
    test_free(f);
    return 0;
}

static bool passes(struct fixture *f)
{
    struct err err;
    bool passed;

    assert_int_equal(score_print(&f->ctl, &f->score, &passed, &err), 0);
    return passed;
}

static void test_a_good_run_passes(void **state)
{
    assert_true(passes(*state));
}

static void test_a_lost_request_fails_it(void **state)
{
    line(*state, 103 * S, 5000, "EUNAVAILABLE");
    assert_false(passes(*state));
}

static void test_a_wrong_answer_fails_it(void **state)
{
    line(*state, 103 * S, 5000, "wrong");
    assert_false(passes(*state));
}

static void test_an_answer_that_came_twice_fails_it(void **state)
{
    struct fixture *f = *state;

    f->score.duplicated = 1;
    assert_false(passes(f));
}

static void test_a_node_that_stays_away_fails_it(void **state)
{
    struct fixture *f = *state;

    f->score.faults[0].healed_us = 0;
    assert_false(passes(f));
}

static void test_nothing_done_proves_nothing(void **state)
{
    struct fixture *f = *state;

    f->score.n_faults = 0;
    assert_false(passes(f));
}

static void test_a_rate_that_falls_proves_nothing(void **state)
{
    struct fixture *f = *state;
    size_t kept = 0;

    for (size_t i = 0; i < f->score.n_requests; i++) {
        const struct score_request *r = &f->score.requests[i];
        bool is_during = r->sent_us >= 102 * S && r->sent_us < 108 * S;

        if (!is_during || i % 10 == 0) {
            f->score.requests[kept++] = *r;
        }
    }
    f->score.n_requests = kept;
    assert_false(passes(f));
    f->score.least = 0.05;
    assert_true(passes(f));
}

static void test_figures_of_a_span(void **state)
{
    struct fixture *f = *state;
    struct score_span span;

    line(f, 104 * S, 900000, "ok");
    line(f, 104 * S, 5000, "ETIMEOUT");
    line(f, 104 * S, 5000, "wrong");
    assert_int_equal(score_span(&f->score, 104 * S, 105 * S, &span), 0);
    assert_int_equal(span.requests, 103);
    assert_int_equal(span.lost, 1);
    assert_int_equal(span.wrong, 1);
    assert_int_equal(span.resent, 103);
    assert_int_equal((int)(span.rate + 0.5), 101);
    assert_int_equal((int)(span.p50_ms + 0.5), 5);
    assert_int_equal((int)(span.max_ms + 0.5), 900);
    assert_int_equal((int)(span.gap_ms + 0.5), 10);
    /* One under way at the beginning belongs to it, its answer to the next. */
    assert_int_equal(
        score_span(&f->score, 104 * S + 500000, 104 * S + 500001, &span), 0);
    assert_int_equal(span.requests, 2);
}

static void test_a_gap_is_seen(void **state)
{
    struct fixture *f = *state;
    struct score_span span;

    assert_int_equal(score_span(&f->score, 109 * S, 112 * S, &span), 0);
    assert_in_range((int)span.gap_ms, 2000, 2010);
    assert_int_equal(score_span(&f->score, 200 * S, 201 * S, &span), 0);
    assert_int_equal((int)span.gap_ms, 1000);
    assert_int_equal(span.requests, 0);
}

static void test_broken_lines(void **state)
{
    struct fixture *f = *state;
    static const char *const wrong[] = {"", "1 2 3\n", "1 2 x ok 0\n",
                                        "1 5 3 ok 0\n"};
    struct err err;

    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        assert_int_equal(score_line(&f->score, wrong[i], &err), EDGE_EPROTO);
    }
}

static void test_durations(void **state)
{
    (void)state;
    assert_int_equal(faults_duration("30s"), 30000);
    assert_int_equal(faults_duration("500ms"), 500);
    assert_int_equal(faults_duration("1.5s"), 1500);
    assert_int_equal(faults_duration("2m"), 120000);
    assert_int_equal(faults_duration("7"), 7000);
    assert_int_equal(faults_duration("0s"), 0);
    assert_int_equal(faults_duration("-1s"), 0);
    assert_int_equal(faults_duration("s"), 0);
    assert_int_equal(faults_duration("1h"), 0);
    assert_int_equal(faults_duration("nan"), 0);
    assert_int_equal(faults_duration("1e30s"), 0);
    assert_int_equal(faults_duration("5s "), 0);
}

#define T(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_a_good_run_passes),
        T(test_a_lost_request_fails_it),
        T(test_a_wrong_answer_fails_it),
        T(test_an_answer_that_came_twice_fails_it),
        T(test_a_node_that_stays_away_fails_it),
        T(test_nothing_done_proves_nothing),
        T(test_a_rate_that_falls_proves_nothing),
        T(test_figures_of_a_span),
        T(test_a_gap_is_seen),
        T(test_broken_lines),
        T(test_durations),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
