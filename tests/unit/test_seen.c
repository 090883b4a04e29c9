/* Request ids that were finished, in a window. */
#include "daemon/seen.h"

#include "base/rng.h"
#include "tests/lib/unit.h"

#define N 20000
#define WINDOW LIMIT_DEDUP_IDS

static void test_none_at_first(void **state)
{
    struct seen seen = {.n_added = 0};

    (void)state;
    assert_false(seen_has(&seen, 0));
    assert_false(seen_has(&seen, 1));
    assert_false(seen_has(&seen, UINT64_MAX));
}

/* Against an array of all of them, out of order as requests end. */
static void test_as_a_set_within_the_window(void **state)
{
    static bool was[N];
    struct seen seen = {.n_added = 0};
    uint64_t start = UINT64_MAX / 3;
    uint64_t top = 0;
    struct rng rng;

    (void)state;
    rng_init(&rng, 7);
    for (uint64_t at = 300; at < N - 300; at++) {
        uint64_t id = at - 300 + rng_below(&rng, 600);

        seen_add(&seen, start + id);
        was[id] = true;
        top = id > top ? id : top;
        for (int i = 0; i < 20; i++) {
            uint64_t asked = rng_below(&rng, N);
            bool is_inside = asked <= top && top - asked < WINDOW;

            assert_int_equal(seen_has(&seen, start + asked),
                             is_inside && was[asked]);
        }
    }
}

static void test_a_leap_forgets_what_it_passes(void **state)
{
    struct seen seen = {.n_added = 0};

    (void)state;
    seen_add(&seen, UINT64_C(1) << 40);
    seen_add(&seen, (UINT64_C(1) << 40) + WINDOW);
    assert_true(seen_has(&seen, (UINT64_C(1) << 40) + WINDOW));
    assert_false(seen_has(&seen, UINT64_C(1) << 40));
    assert_false(seen_has(&seen, (UINT64_C(1) << 40) + 1));
    seen_add(&seen, UINT64_C(1) << 40); /* too old: it may not take a place */
    assert_true(seen_has(&seen, (UINT64_C(1) << 40) + WINDOW));
    assert_false(seen_has(&seen, UINT64_C(1) << 40));
}

/* What an earlier life asked for ends while a later one asks. */
static void test_lives_do_not_forget_each_other(void **state)
{
    const uint64_t lives[SEEN_LIVES] = {UINT64_C(1) << 50, UINT64_C(1) << 60,
                                        UINT64_C(1) << 40, UINT64_C(1) << 62};
    struct seen seen = {.n_added = 0};

    (void)state;
    for (uint64_t k = 0; k < 100; k++) {
        for (size_t i = 0; i < SEEN_LIVES; i++) {
            seen_add(&seen, lives[i] + 2 * k);
        }
    }
    for (uint64_t k = 0; k < 200; k++) {
        for (size_t i = 0; i < SEEN_LIVES; i++) {
            assert_int_equal(seen_has(&seen, lives[i] + k), k % 2 == 0);
        }
    }
}

static void
test_a_new_life_replaces_the_one_that_was_silent_longest(void **state)
{
    struct seen seen = {.n_added = 0};

    (void)state;
    for (uint64_t i = 1; i <= SEEN_LIVES; i++) {
        seen_add(&seen, i << 40);
    }
    seen_add(&seen, UINT64_C(1) << 40);
    seen_add(&seen, UINT64_C(99) << 40);
    assert_true(seen_has(&seen, UINT64_C(99) << 40));
    assert_true(seen_has(&seen, UINT64_C(1) << 40));
    assert_false(seen_has(&seen, UINT64_C(2) << 40));
    assert_true(seen_has(&seen, UINT64_C(3) << 40));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_none_at_first),
        cmocka_unit_test(test_as_a_set_within_the_window),
        cmocka_unit_test(test_a_leap_forgets_what_it_passes),
        cmocka_unit_test(test_lives_do_not_forget_each_other),
        cmocka_unit_test(
            test_a_new_life_replaces_the_one_that_was_silent_longest),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
