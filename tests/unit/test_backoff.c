#include "net/backoff.h"

#include "base/limits.h"
#include "tests/lib/unit.h"

#define MIN_US (REDIAL_MIN_MS * UINT64_C(1000))
#define MAX_US (REDIAL_MAX_MS * UINT64_C(1000))

/* The wait without jitter: between the least and the largest it is the
 * middle, give or take the largest possible remainder. */
static uint64_t middle(struct backoff *backoff, uint64_t now_us)
{
    struct backoff other = *backoff;
    uint64_t least = backoff_next(&other, now_us, 0);
    uint64_t wait = least * 5 / 4; /* least is 0.8 of it */
    uint64_t most;

    other = *backoff;
    most = backoff_next(&other, now_us, wait * 2 / 5 - 1);
    assert_in_range(most, wait * 6 / 5 - 2, wait * 6 / 5 + 2);
    (void)backoff_next(backoff, now_us, 12345);
    return wait;
}

static void test_waits_grow_to_a_bound(void **state)
{
    struct backoff backoff = {0};
    uint64_t expected = MIN_US;

    (void)state;
    for (int i = 0; i < 20; i++) {
        assert_in_range(middle(&backoff, 1), expected - 2, expected + 2);
        expected = expected * 8 / 5 < MAX_US ? expected * 8 / 5 : MAX_US;
    }
    assert_int_equal(expected, MAX_US);
}

static void test_a_connection_that_lasted_is_redialed_at_once(void **state)
{
    struct backoff backoff = {0};

    (void)state;
    for (int i = 0; i < 10; i++) {
        (void)backoff_next(&backoff, 1, 0);
    }
    backoff_up(&backoff, 5000);
    assert_in_range(
        backoff_next(&backoff, 5000 + BACKOFF_LASTED_US, UINT64_MAX), 0,
        BACKOFF_SOON_US);
    /* Only once, and from the beginning. */
    assert_in_range(middle(&backoff, 6000), MIN_US - 2, MIN_US + 2);
}

static void test_a_short_connection_does_not_reset_it(void **state)
{
    struct backoff backoff = {0};

    (void)state;
    for (int i = 0; i < 20; i++) {
        (void)backoff_next(&backoff, 1, 0);
    }
    backoff_up(&backoff, 5000);
    assert_true(backoff_next(&backoff, 4999 + BACKOFF_LASTED_US, 0) >=
                MAX_US * 4 / 5);
}

static void test_up_at_time_zero_counts(void **state)
{
    struct backoff backoff = {0};

    (void)state;
    backoff_up(&backoff, 0);
    assert_in_range(backoff_next(&backoff, 2 * BACKOFF_LASTED_US, 7), 0,
                    BACKOFF_SOON_US);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_waits_grow_to_a_bound),
        cmocka_unit_test(test_a_connection_that_lasted_is_redialed_at_once),
        cmocka_unit_test(test_a_short_connection_does_not_reset_it),
        cmocka_unit_test(test_up_at_time_zero_counts),
    };

    return cmocka_run_group_tests_name("backoff", tests, NULL, NULL);
}
