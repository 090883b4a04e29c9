/* Learning rates over time. */
#include "train/schedule.h"

#include "tests/lib/unit.h"

#include <math.h>

static void assert_rate(const struct schedule *s,
                        const struct schedule_state *st, uint64_t at,
                        double wanted)
{
    double got = schedule_rate(s, st, at);

    if (!(fabs(got - wanted) <= 1e-12)) {
        fail_msg("at %llu: %.15g, wanted %.15g", (unsigned long long)at, got,
                 wanted);
    }
}

static void test_constant_after_a_warm_up(void **state)
{
    struct schedule s = {.kind = SCHEDULE_CONSTANT, .rate = 0.4, .warmup = 4};
    struct schedule_state st = {0};

    (void)state;
    assert_rate(&s, &st, 0, 0.1);
    assert_rate(&s, &st, 2, 0.3);
    assert_rate(&s, &st, 3, 0.4);
    assert_rate(&s, &st, 1000, 0.4);
}

static void test_steps(void **state)
{
    struct schedule s = {
        .kind = SCHEDULE_STEP, .rate = 1, .every = 10, .factor = 0.1};
    struct schedule_state st = {0};

    (void)state;
    assert_rate(&s, &st, 9, 1);
    assert_rate(&s, &st, 10, 0.1);
    assert_rate(&s, &st, 25, 0.01);
}

static void test_cosine(void **state)
{
    struct schedule s = {.kind = SCHEDULE_COSINE,
                         .rate = 0.4,
                         .warmup = 2,
                         .total = 10,
                         .least = 0.04};
    struct schedule_state st = {0};

    (void)state;
    assert_rate(&s, &st, 0, 0.2);
    assert_rate(&s, &st, 2, 0.4);
    assert_rate(&s, &st, 4, 0.04 + 0.36 * (1 + sqrt(0.5)) / 2);
    assert_rate(&s, &st, 6, 0.22);
    assert_rate(&s, &st, 10, 0.04);
    assert_rate(&s, &st, 99, 0.04);
}

static void test_plateau(void **state)
{
    struct schedule s = {.kind = SCHEDULE_PLATEAU,
                         .rate = 1,
                         .factor = 0.5,
                         .least = 0.3,
                         .patience = 1,
                         .threshold = 0.1};
    struct schedule_state st = {0};

    (void)state;
    assert_false(schedule_observe(&s, &st, 2));
    assert_false(schedule_observe(&s, &st, 1.9)); /* not better by a tenth */
    assert_rate(&s, &st, 0, 1);
    assert_true(schedule_observe(&s, &st, NAN));
    assert_rate(&s, &st, 0, 0.5);
    assert_false(schedule_observe(&s, &st, 1.7));
    assert_false(schedule_observe(&s, &st, 1.6));
    assert_true(schedule_observe(&s, &st, 1.6));
    assert_rate(&s, &st, 0, 0.3);
}

static void test_plateau_of_an_accuracy(void **state)
{
    struct schedule s = {
        .kind = SCHEDULE_PLATEAU, .rate = 1, .factor = 0.5, .grows = true};
    struct schedule_state st = {0};

    (void)state;
    assert_false(schedule_observe(&s, &st, 0.5));
    assert_false(schedule_observe(&s, &st, 0.6));
    assert_true(schedule_observe(&s, &st, 0.55));
    assert_rate(&s, &st, 0, 0.5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_constant_after_a_warm_up),
        cmocka_unit_test(test_steps),
        cmocka_unit_test(test_cosine),
        cmocka_unit_test(test_plateau),
        cmocka_unit_test(test_plateau_of_an_accuracy),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
