#include "tests/lib/unit.h"

#include "base/rng.h"

#include <math.h>

/* The generators again, as their authors define them: splitmix64 adds the
 * golden ratio and mixes; xoshiro256** scrambles s[1]. */
static void test_the_sequence_is_that_of_the_paper(void **state)
{
    struct rng rng = {.s = {1, 2, 3, 4}};

    (void)state;
    /* from s = 1 2 3 4: rotl(2 * 5, 7) * 9, and so on by hand */
    assert_int_equal(rng_next(&rng), 11520);
    assert_int_equal(rng_next(&rng), 0);
    assert_int_equal(rng_next(&rng), 1509978240);
    assert_int_equal(rng_next(&rng), 1215971899390074240);
}

static void test_seeding_is_splitmix64(void **state)
{
    struct rng rng;

    (void)state;
    rng_init(&rng, 0);
    assert_int_equal(rng.s[0], 0xe220a8397b1dcdafu);
    assert_int_equal(rng.s[1], 0x6e789e6aa1b965f4u);
}

static void test_equal_seeds_give_equal_sequences(void **state)
{
    struct rng a;
    struct rng b;
    struct rng c;
    int differ = 0;

    (void)state;
    rng_init(&a, 42);
    rng_init(&b, 42);
    rng_init(&c, 43);
    for (int i = 0; i < 100; i++) {
        uint64_t x = rng_next(&a);

        assert_int_equal(x, rng_next(&b));
        differ += x != rng_next(&c);
    }
    assert_int_equal(differ, 100);
}

static void test_below_stays_below_and_is_even(void **state)
{
    unsigned counts[10] = {0};
    struct rng rng;

    (void)state;
    rng_init(&rng, 5);
    for (int i = 0; i < 100000; i++) {
        uint64_t x = rng_below(&rng, 10);

        assert_true(x < 10);
        counts[x]++;
    }
    for (int i = 0; i < 10; i++) {
        assert_in_range(counts[i], 9500, 10500);
    }
    assert_int_equal(rng_below(&rng, 1), 0);
}

static void test_below_a_huge_bound_ends(void **state)
{
    struct rng rng;

    (void)state;
    rng_init(&rng, 6);
    for (int i = 0; i < 1000; i++) {
        assert_true(rng_below(&rng, UINT64_MAX / 2 + 2) <= UINT64_MAX / 2 + 1);
    }
}

static void test_unit_is_within_and_even(void **state)
{
    struct rng rng;
    double sum = 0;

    (void)state;
    rng_init(&rng, 7);
    for (int i = 0; i < 100000; i++) {
        double x = rng_unit(&rng);

        assert_true(x >= 0 && x < 1);
        sum += x;
    }
    assert_true(fabs(sum / 100000 - 0.5) < 0.01);
}

static void test_normal_has_mean_0_and_deviation_1(void **state)
{
    struct rng rng;
    double sum = 0;
    double squares = 0;

    (void)state;
    rng_init(&rng, 8);
    for (int i = 0; i < 100000; i++) {
        double x = (double)rng_normal(&rng);

        assert_true(isfinite(x));
        sum += x;
        squares += x * x;
    }
    assert_true(fabs(sum / 100000) < 0.02);
    assert_true(fabs(squares / 100000 - 1) < 0.03);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_sequence_is_that_of_the_paper),
        cmocka_unit_test(test_seeding_is_splitmix64),
        cmocka_unit_test(test_equal_seeds_give_equal_sequences),
        cmocka_unit_test(test_below_stays_below_and_is_even),
        cmocka_unit_test(test_below_a_huge_bound_ends),
        cmocka_unit_test(test_unit_is_within_and_even),
        cmocka_unit_test(test_normal_has_mean_0_and_deviation_1),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
