/* When a load generator sends, waits and ends. */
#include "coordinator/ctl/pace.h"

#include "base/rng.h"
#include "tests/lib/unit.h"

#define SECOND 1000000

static void test_at_a_rate_what_is_due_is_sent(void **state)
{
    struct pace pace = {.rate = 50, .for_us = 2 * SECOND, .start_us = 7};

    (void)state;
    assert_true(pace_is_due(&pace, 7));
    pace.n_sent = pace.n_landed = 1;
    assert_false(pace_is_due(&pace, 7 + 19999));
    assert_int_equal(pace_wait_ms(&pace, 7 + 19999), 1);
    assert_int_equal(pace_wait_ms(&pace, 7), 20);
    assert_int_equal(pace_wait_ms(&pace, 8), 20);
    assert_true(pace_is_due(&pace, 7 + 20000));
}

/* The last answer came before the time was over: the end must not be waited
 * for as for an answer. */
static void test_the_end_of_the_time_is_not_slept_over(void **state)
{
    struct pace pace = {.rate = 50, .for_us = 2 * SECOND};

    (void)state;
    pace.n_sent = pace.n_landed = 100;
    assert_false(pace_is_done(&pace, 2 * SECOND - 1));
    assert_int_equal(pace_wait_ms(&pace, 2 * SECOND - 1), 1);
    assert_true(pace_is_done(&pace, 2 * SECOND));
    assert_int_equal(pace_wait_ms(&pace, 2 * SECOND), -1);
}

static void test_without_a_rate_an_answer_sends_the_next(void **state)
{
    struct pace pace = {.requests = 3};

    (void)state;
    assert_true(pace_wants_more(&pace, 0));
    assert_false(pace_is_due(&pace, 0));
    pace.n_sent = 3;
    assert_false(pace_wants_more(&pace, 0));
    assert_false(pace_is_done(&pace, 0));
    assert_int_equal(pace_wait_ms(&pace, 0), -1);
    pace.n_landed = 3;
    assert_true(pace_is_done(&pace, 0));
}

static void test_an_interrupt_waits_for_what_is_under_way(void **state)
{
    struct pace pace = {.rate = 10, .n_sent = 4, .n_landed = 3};

    (void)state;
    pace.is_stopped = true;
    assert_false(pace_is_due(&pace, 10 * SECOND));
    assert_false(pace_is_done(&pace, 10 * SECOND));
    pace.n_landed = 4;
    assert_true(pace_is_done(&pace, 10 * SECOND));
}

/* At any time it is done, or something is under way, or a time is known at
 * which it goes on. */
static void test_it_never_waits_for_nothing(void **state)
{
    struct rng rng;

    (void)state;
    rng_init(&rng, 1);
    for (int i = 0; i < 100000; i++) {
        struct pace pace = {
            .rate = 1 + rng_below(&rng, 2000),
            .requests = rng_below(&rng, 3) * 50,
            .for_us = rng_below(&rng, 4) * SECOND,
            .start_us = rng_below(&rng, SECOND),
            .n_sent = rng_below(&rng, 200),
        };
        uint64_t now = pace.start_us + rng_below(&rng, 5 * SECOND);

        pace.n_landed = pace.n_sent;
        assert_true(pace_is_done(&pace, now) || pace_wait_ms(&pace, now) > 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_at_a_rate_what_is_due_is_sent),
        cmocka_unit_test(test_the_end_of_the_time_is_not_slept_over),
        cmocka_unit_test(test_without_a_rate_an_answer_sends_the_next),
        cmocka_unit_test(test_an_interrupt_waits_for_what_is_under_way),
        cmocka_unit_test(test_it_never_waits_for_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
