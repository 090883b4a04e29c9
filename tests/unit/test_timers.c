#include "net/timers.h"

#include "base/rng.h"
#include "tests/lib/unit.h"

#include <string.h>

#define COUNT 200

struct fixture {
    struct timers timers;
    struct io_timer each[COUNT]; /* zeroed, as programs may leave them */
};

static int set_up(void **state)
{
    static struct fixture f;

    memset(&f, 0, sizeof(f));
    timers_init(&f.timers);
    *state = &f;
    return 0;
}

/* Takes all due at `now_us`; which they are, in order, ends with -1. */
static void take(struct fixture *f, uint64_t now_us, int *which)
{
    struct io_timer *timer;
    struct list due;

    list_init(&due);
    timers_take(&f->timers, now_us, &due);
    while ((timer = timers_pop(&due)) != NULL) {
        *which++ = (int)(timer - f->each);
    }
    *which = -1;
}

static void test_none_runs_at_first(void **state)
{
    struct fixture *f = *state;
    uint64_t due_us;
    int which[1];

    assert_false(timers_next(&f->timers, &due_us));
    timers_stop(&f->each[0]); /* never started: fine */
    take(f, UINT64_MAX, which);
    assert_int_equal(which[0], -1);
}

static void test_those_due_come_in_order_of_time_then_start(void **state)
{
    struct fixture *f = *state;
    uint64_t due_us;
    int which[COUNT];

    timers_start(&f->timers, &f->each[0], 30);
    timers_start(&f->timers, &f->each[1], 10);
    timers_start(&f->timers, &f->each[2], 20);
    timers_start(&f->timers, &f->each[3], 10);
    timers_start(&f->timers, &f->each[4], 31);
    assert_true(timers_next(&f->timers, &due_us));
    assert_int_equal(due_us, 10);
    take(f, 30, which);
    assert_memory_equal(which, ((int[]){1, 3, 2, 0, -1}), 5 * sizeof(int));
    assert_true(timers_next(&f->timers, &due_us));
    assert_int_equal(due_us, 31);
}

static void test_starting_again_moves_a_timer(void **state)
{
    struct fixture *f = *state;
    int which[COUNT];

    timers_start(&f->timers, &f->each[0], 10);
    timers_start(&f->timers, &f->each[1], 20);
    timers_start(&f->timers, &f->each[0], 30);
    take(f, 100, which);
    assert_memory_equal(which, ((int[]){1, 0, -1}), 3 * sizeof(int));
}

static void test_a_stopped_timer_does_not_come(void **state)
{
    struct fixture *f = *state;
    struct list due;

    timers_start(&f->timers, &f->each[0], 10);
    timers_start(&f->timers, &f->each[1], 10);
    timers_start(&f->timers, &f->each[2], 20);
    timers_stop(&f->each[2]);
    list_init(&due);
    timers_take(&f->timers, 10, &due);
    assert_ptr_equal(timers_pop(&due), &f->each[0]);
    timers_stop(&f->each[1]); /* while it waits for its turn */
    assert_null(timers_pop(&due));
}

static void test_one_started_in_its_turn_waits_for_the_next(void **state)
{
    struct fixture *f = *state;
    struct list due;

    timers_start(&f->timers, &f->each[0], 10);
    list_init(&due);
    timers_take(&f->timers, 10, &due);
    timers_start(&f->timers, timers_pop(&due), 10);
    assert_null(timers_pop(&due));
    timers_take(&f->timers, 10, &due);
    assert_ptr_equal(timers_pop(&due), &f->each[0]);
}

static void test_any_mix_keeps_the_order(void **state)
{
    struct fixture *f = *state;
    struct rng rng;
    int which[COUNT + 1];

    rng_init(&rng, 5);
    for (int i = 0; i < 2000; i++) {
        struct io_timer *timer = &f->each[rng_below(&rng, COUNT)];

        if (rng_below(&rng, 4) == 0) {
            timers_stop(timer);
        } else {
            timers_start(&f->timers, timer, rng_below(&rng, 1000));
        }
    }
    take(f, 500, which);
    for (int i = 1; which[i] >= 0; i++) {
        assert_true(f->each[which[i]].due_us >= f->each[which[i - 1]].due_us);
        assert_true(f->each[which[i]].due_us <= 500);
    }
    take(f, 1000, which);
    assert_true(f->each[which[0]].due_us > 500);
}

#define TEST(name) cmocka_unit_test_setup(name, set_up)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_none_runs_at_first),
        TEST(test_those_due_come_in_order_of_time_then_start),
        TEST(test_starting_again_moves_a_timer),
        TEST(test_a_stopped_timer_does_not_come),
        TEST(test_one_started_in_its_turn_waits_for_the_next),
        TEST(test_any_mix_keeps_the_order),
    };

    return cmocka_run_group_tests_name("timers", tests, NULL, NULL);
}
