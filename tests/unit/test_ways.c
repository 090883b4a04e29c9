#include "coordinator/plan/ways.h"

#include "base/rng.h"
#include "tests/lib/unit.h"

#include <string.h>

static struct ways make(const struct ways_ask *ask)
{
    struct ways ways;
    struct err err;
    int rc = ways_make(ask, &ways, &err);

    if (rc < 0) {
        fail_msg("%s", err.text);
    }
    return ways;
}

static struct ways make_even(size_t n_stages, const size_t *replicas,
                             uint64_t samples, uint32_t per_lane)
{
    static const double unknown[LIMIT_REPLICAS];
    struct ways_ask ask = {.replicas = replicas,
                           .speeds = unknown,
                           .n_stages = n_stages,
                           .samples = samples,
                           .per_lane = per_lane};

    return make(&ask);
}

static uint64_t sum(const struct ways *ways)
{
    uint64_t samples = 0;

    for (size_t i = 0; i < ways->n; i++) {
        samples += ways->sizes[i];
    }
    return samples;
}

/* Samples that go through one replica of a stage. */
static uint64_t load(const struct ways *ways, size_t stage, uint32_t replica)
{
    uint64_t samples = 0;

    for (size_t i = 0; i < ways->n; i++) {
        samples +=
            ways->ways[stage * ways->n + i] == replica ? ways->sizes[i] : 0;
    }
    return samples;
}

static void one_board_has_its_micro_batches(void **state)
{
    struct ways ways = make_even(1, (size_t[]){1}, 10, 4);

    (void)state;
    assert_int_equal(ways.n, 4);
    assert_int_equal(ways.sizes[0], 3);
    assert_int_equal(ways.sizes[1], 3);
    assert_int_equal(ways.sizes[2], 2);
    assert_int_equal(ways.sizes[3], 2);
    ways_deinit(&ways);
}

/* So P boards with one part each do what one board with P parts does. */
static void boards_have_the_parts_that_one_would_have(void **state)
{
    struct ways one = make_even(1, (size_t[]){1}, 103, 8);
    struct ways many = make_even(1, (size_t[]){4}, 103, 2);

    (void)state;
    assert_int_equal(one.n, many.n);
    assert_memory_equal(one.sizes, many.sizes, one.n * sizeof(one.sizes[0]));
    ways_deinit(&one);
    ways_deinit(&many);
}

static void a_faster_board_has_more(void **state)
{
    struct ways_ask ask = {.replicas = (size_t[]){2},
                           .speeds = (double[]){20, 10},
                           .n_stages = 1,
                           .samples = 96,
                           .per_lane = 2};
    struct ways ways = make(&ask);

    (void)state;
    assert_int_equal(load(&ways, 0, 0), 64);
    assert_int_equal(load(&ways, 0, 1), 32);
    assert_int_equal(ways.n, 4);
    ways_deinit(&ways);
}

static void a_share_that_is_too_large_has_more_parts(void **state)
{
    struct ways_ask ask = {.replicas = (size_t[]){2},
                           .speeds = (double[]){90, 10},
                           .n_stages = 1,
                           .samples = 100,
                           .per_lane = 1,
                           .micro_max = 50};
    struct ways ways = make(&ask);

    (void)state;
    assert_int_equal(ways.n, 3);
    assert_int_equal(load(&ways, 0, 0), 90);
    for (size_t i = 0; i < ways.n; i++) {
        assert_true(ways.sizes[i] <= 50);
    }
    ways_deinit(&ways);
}

static void a_narrow_stage_takes_turns(void **state)
{
    struct ways ways = make_even(2, (size_t[]){4, 2}, 64, 2);

    (void)state;
    assert_int_equal(ways.n, 8);
    for (uint32_t r = 0; r < 4; r++) {
        assert_int_equal(load(&ways, 0, r), 16);
    }
    assert_int_equal(load(&ways, 1, 0), 32);
    assert_int_equal(load(&ways, 1, 1), 32);
    assert_int_not_equal(ways.ways[8], ways.ways[9]);
    ways_deinit(&ways);
}

static void a_small_batch_leaves_boards_idle(void **state)
{
    struct ways ways = make_even(1, (size_t[]){4}, 3, 4);

    (void)state;
    assert_int_equal(ways.n, 3);
    assert_int_equal(sum(&ways), 3);
    assert_int_equal(load(&ways, 0, 3), 0);
    ways_deinit(&ways);
}

/* Whatever is asked: all samples, no empty part, replicas that there are, the
 * same twice, and nobody far from its share. */
static void every_sample_goes_one_way(void **state)
{
    struct rng rng;

    (void)state;
    rng_init(&rng, 5);
    for (int trial = 0; trial < 2000; trial++) {
        size_t replicas[4];
        double speeds[4 * 6];
        struct ways_ask ask = {.replicas = replicas, .speeds = speeds};
        struct ways ways;
        struct ways again;
        size_t at = 0;

        ask.n_stages = 1 + rng_below(&rng, 4);
        ask.samples = 1 + rng_below(&rng, 300);
        ask.per_lane = 1 + (uint32_t)rng_below(&rng, 5);
        ask.micro_max = (uint32_t)rng_below(&rng, 2) * 40;
        for (size_t s = 0; s < ask.n_stages; s++) {
            replicas[s] = 1 + rng_below(&rng, 6);
            for (size_t r = 0; r < replicas[s]; r++) {
                speeds[at++] = (double)rng_below(&rng, 4) * 10;
            }
        }
        ways = make(&ask);
        again = make(&ask);
        assert_int_equal(sum(&ways), ask.samples);
        assert_int_equal(ways.n, again.n);
        assert_memory_equal(ways.ways, again.ways,
                            ways.n * ask.n_stages * sizeof(ways.ways[0]));
        for (size_t i = 0; i < ways.n; i++) {
            assert_true(ways.sizes[i] > 0);
            assert_true(ask.micro_max == 0 || ways.sizes[i] <= ask.micro_max);
            for (size_t s = 0; s < ask.n_stages; s++) {
                assert_true(ways.ways[s * ways.n + i] < replicas[s]);
            }
        }
        ways_deinit(&ways);
        ways_deinit(&again);
    }
}

static void too_many_parts_are_refused(void **state)
{
    struct ways_ask ask = {.replicas = (size_t[]){2},
                           .speeds = (double[]){0, 0},
                           .n_stages = 1,
                           .samples = 5000,
                           .per_lane = 1024};
    struct ways ways;
    struct err err;

    (void)state;
    assert_int_equal(ways_make(&ask, &ways, &err), EDGE_EINVAL);
    assert_non_null(strstr(err.text, "training.microbatches"));
}

static void speeds_drift_by_much_or_not_at_all(void **state)
{
    double speeds[] = {0, 0, 0};
    double slow[] = {100, 50, 100};

    (void)state;
    assert_false(ways_drifts(speeds, (double[]){100, 110, 95}, 3));
    assert_false(ways_drifts(speeds, (double[]){0, 0, 0}, 3));
    assert_true(ways_drifts(speeds, slow, 3));
    ways_adapt(speeds, slow, 3);
    assert_true(speeds[0] > 1.9 * speeds[1] && speeds[0] < 2.1 * speeds[1]);
    assert_false(ways_drifts(speeds, (double[]){200, 100, 200}, 3));
    assert_true(ways_drifts(speeds, (double[]){100, 100, 100}, 3));
}

static void the_largest_part_leaves_room(void **state)
{
    (void)state;
    assert_int_equal(ways_micro_max(32, 1, 4), 8);
    assert_int_equal(ways_micro_max(32, 2, 4), 8);
    assert_int_equal(ways_micro_max(32, 1, 1), 32);
    assert_int_equal(ways_micro_max(33, 2, 1), 33);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_board_has_its_micro_batches),
        cmocka_unit_test(boards_have_the_parts_that_one_would_have),
        cmocka_unit_test(a_faster_board_has_more),
        cmocka_unit_test(a_share_that_is_too_large_has_more_parts),
        cmocka_unit_test(a_narrow_stage_takes_turns),
        cmocka_unit_test(a_small_batch_leaves_boards_idle),
        cmocka_unit_test(every_sample_goes_one_way),
        cmocka_unit_test(too_many_parts_are_refused),
        cmocka_unit_test(speeds_drift_by_much_or_not_at_all),
        cmocka_unit_test(the_largest_part_leaves_room),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
