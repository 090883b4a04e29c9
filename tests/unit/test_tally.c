#include "tests/lib/unit.h"

#include "coordinator/ctl/tally.h"

#include <stdio.h>
#include <string.h>

/* An answer that went through `node` for shard s0, then through n2 for s1. */
static void add(struct tally *tally, uint64_t took_us, const char *node,
                uint32_t compute_us)
{
    Edged__Answer answer = EDGED__ANSWER__INIT;
    Edged__Hop first = EDGED__HOP__INIT;
    Edged__Hop second = EDGED__HOP__INIT;
    Edged__Hop *hops[] = {&first, &second};

    first.node = (char *)(uintptr_t)node;
    first.shard = (char *)(uintptr_t) "s0";
    first.compute_us = compute_us;
    second.node = (char *)(uintptr_t) "n2";
    second.shard = (char *)(uintptr_t) "s1";
    answer.hops = hops;
    answer.n_hops = 2;
    answer.resent = 1;
    assert_int_equal(tally_add(tally, took_us, &answer), 0);
}

static void test_hops_count_for_their_replica(void **state)
{
    struct tally tally = {.answered = 0};

    (void)state;
    add(&tally, 10, "n0", 5);
    add(&tally, 20, "n1", 6);
    add(&tally, 30, "n0", 7);
    assert_int_equal(tally.answered, 3);
    assert_int_equal(tally.resent, 3);
    assert_int_equal(tally.n_replicas, 3);
    assert_string_equal(tally.replicas[0].node, "n0");
    assert_int_equal(tally.replicas[0].requests, 2);
    assert_int_equal(tally.replicas[0].compute_us, 12);
    assert_string_equal(tally.replicas[1].node, "n2");
    assert_int_equal(tally.replicas[1].requests, 3);
    assert_int_equal(tally.replicas[2].requests, 1);
    tally_deinit(&tally);
}

static void test_quantiles_are_of_the_nearest_rank(void **state)
{
    struct tally tally = {.answered = 0};

    (void)state;
    for (uint64_t i = 100; i > 0; i--) {
        add(&tally, i * 1000, "n0", 1);
    }
    assert_true(tally_quantile(&tally, 0.5) == 50);
    assert_true(tally_quantile(&tally, 0.99) == 99);
    assert_true(tally_quantile(&tally, 1) == 100);
    assert_true(tally_quantile(&tally, 0) == 1);
    tally_deinit(&tally);
}

static void test_quantiles_of_one_and_of_none(void **state)
{
    struct tally tally = {.answered = 0};

    (void)state;
    assert_true(tally_quantile(&tally, 0.5) == 0);
    add(&tally, 7000, "n0", 1);
    assert_true(tally_quantile(&tally, 0.5) == 7);
    assert_true(tally_quantile(&tally, 0.99) == 7);
    tally_deinit(&tally);
}

static void test_a_time_beyond_32_bits_is_held(void **state)
{
    struct tally tally = {.answered = 0};

    (void)state;
    add(&tally, UINT64_MAX, "n0", 1);
    assert_true(tally_quantile(&tally, 1) == UINT32_MAX / 1e3);
    tally_deinit(&tally);
}

static void test_a_name_of_a_hop_is_cut_to_fit(void **state)
{
    struct tally tally = {.answered = 0};
    char name[300];

    (void)state;
    memset(name, 'n', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    add(&tally, 1, name, 1);
    add(&tally, 1, name, 1);
    assert_int_equal(tally.n_replicas, 2);
    assert_int_equal(strlen(tally.replicas[0].node), LIMIT_NAME);
    tally_deinit(&tally);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hops_count_for_their_replica),
        cmocka_unit_test(test_quantiles_are_of_the_nearest_rank),
        cmocka_unit_test(test_quantiles_of_one_and_of_none),
        cmocka_unit_test(test_a_time_beyond_32_bits_is_held),
        cmocka_unit_test(test_a_name_of_a_hop_is_cut_to_fit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
