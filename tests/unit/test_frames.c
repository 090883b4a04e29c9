/* Which of the newest few frames is that of an instant. */
#include "daemon/frames.h"

#include "base/limits.h"
#include "tests/lib/unit.h"

static struct frames frames;

static int tear_down(void **state)
{
    (void)state;
    frames_clear(&frames);
    return 0;
}

static void add(uint64_t at_us)
{
    frames_add(&frames, at_us, at_us, blob_copy("x", 1));
}

static void test_an_instant_has_the_newest_frame_before_it(void **state)
{
    (void)state;
    assert_null(frames_at(&frames, 100));
    assert_null(frames_newest(&frames));
    add(20);
    add(40);
    assert_null(frames_at(&frames, 19));
    assert_int_equal(frames_at(&frames, 20)->at_us, 20);
    assert_int_equal(frames_at(&frames, 39)->at_us, 20);
    assert_int_equal(frames_at(&frames, 1000)->at_us, 40);
    assert_null(frames_find(&frames, 30));
    assert_int_equal(frames_find(&frames, 40)->at_us, 40);
}

static void test_frames_lie_by_their_times(void **state)
{
    (void)state;
    add(40);
    add(20);
    add(30);
    assert_int_equal(frames.n, 3);
    assert_int_equal(frames.items[0].at_us, 20);
    assert_int_equal(frames.items[1].at_us, 30);
    assert_int_equal(frames_newest(&frames)->at_us, 40);
}

static void test_only_the_newest_few_stay(void **state)
{
    (void)state;
    for (uint64_t i = 1; i <= 3 * FRAMES_KEPT; i++) {
        add(i);
    }
    assert_int_equal(frames.n, FRAMES_KEPT);
    assert_int_equal(frames.items[0].at_us, 2 * FRAMES_KEPT + 1);
    add(3); /* older than all of them */
    assert_int_equal(frames.n, FRAMES_KEPT);
    assert_null(frames_find(&frames, 3));
}

static void test_large_ones_are_fewer(void **state)
{
    (void)state;
    for (uint64_t i = 1; i <= 4; i++) {
        frames_add(&frames, i, 0, blob_new(FRAMES_BYTES / 2));
    }
    assert_int_equal(frames.n, 2);
    frames_add(&frames, 9, 0, blob_new(2 * FRAMES_BYTES));
    assert_int_equal(frames.n, 1);
    assert_int_equal(frames_newest(&frames)->at_us, 9);
}

static void test_the_same_time_is_the_same_frame(void **state)
{
    (void)state;
    add(20);
    add(20);
    assert_int_equal(frames.n, 1);
}

static void test_what_is_wanted_is_opened_before_the_newest(void **state)
{
    (void)state;
    add(10);
    add(20);
    add(30);
    assert_null(frames_next(&frames, false));
    assert_int_equal(frames_next(&frames, true)->at_us, 30);
    frames_at(&frames, 25)->is_wanted = true;
    frames_at(&frames, 10)->is_wanted = true;
    assert_int_equal(frames_next(&frames, true)->at_us, 10);
    frames_at(&frames, 10)->state = FRAME_OPENING;
    assert_int_equal(frames_next(&frames, false)->at_us, 20);
    frames_at(&frames, 20)->state = FRAME_READY;
    frames_at(&frames, 30)->state = FRAME_READY;
    assert_null(frames_next(&frames, true)); /* older ones are not opened */
}

static void test_one_that_was_missed_is_nobodys_moment(void **state)
{
    (void)state;
    add(10);
    frames_gap(&frames, frames_find(&frames, 10)); /* nothing before it */
    assert_int_equal(frames.n, 1);
    add(30);
    frames_gap(&frames, frames_find(&frames, 30));
    assert_int_equal(frames_at(&frames, 10)->state, FRAME_RAW);
    assert_int_equal(frames_at(&frames, 11)->state, FRAME_DAMAGED);
    assert_int_equal(frames_at(&frames, 29)->state, FRAME_DAMAGED);
    assert_int_equal(frames_at(&frames, 30)->state, FRAME_RAW);
    frames_gap(&frames, frames_find(&frames, 30));
    assert_int_equal(frames.n, 3);
}

static void test_what_is_none_goes(void **state)
{
    (void)state;
    add(10);
    add(20);
    frames_remove(&frames, frames_find(&frames, 20));
    assert_int_equal(frames_at(&frames, 25)->at_us, 10);
}

int main(void)
{
#define T(name) cmocka_unit_test_teardown(name, tear_down)
    static const struct CMUnitTest tests[] = {
        T(test_an_instant_has_the_newest_frame_before_it),
        T(test_frames_lie_by_their_times),
        T(test_only_the_newest_few_stay),
        T(test_large_ones_are_fewer),
        T(test_the_same_time_is_the_same_frame),
        T(test_what_is_wanted_is_opened_before_the_newest),
        T(test_one_that_was_missed_is_nobodys_moment),
        T(test_what_is_none_goes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
