/* How unsure scores are, against values worked out from the definitions. */
#include "tensor/doubt.h"

#include "tests/lib/unit.h"

#include <math.h>

static void assert_is(double got, double wanted)
{
    if (!(fabs(got - wanted) <= 1e-9)) {
        fail_msg("got %.12g, wanted %.12g", got, wanted);
    }
}

static void test_equal_scores_are_most_unsure(void **state)
{
    const float same[4] = {-7, -7, -7, -7};

    (void)state;
    assert_is(doubt_of(DOUBT_ENTROPY, same, 4), 1);
    assert_is(doubt_of(DOUBT_TOP, same, 4), 0.75);
}

static void test_by_definition(void **state)
{
    /* p = 1/2, 1/4, 1/4: entropy 1.5 bits of log2 3. */
    const float scores[3] = {logf(4) + 9, logf(2) + 9, logf(2) + 9};

    (void)state;
    assert_true(fabs(doubt_of(DOUBT_ENTROPY, scores, 3) - 1.5 / log2(3)) <
                1e-6);
    assert_true(fabs(doubt_of(DOUBT_TOP, scores, 3) - 0.5) < 1e-6);
}

static void test_one_far_above_is_sure(void **state)
{
    const float scores[3] = {1000, -1000, 0};

    (void)state;
    assert_is(doubt_of(DOUBT_ENTROPY, scores, 3), 0);
    assert_is(doubt_of(DOUBT_TOP, scores, 3), 0);
    assert_is(doubt_of(DOUBT_ENTROPY, scores, 1), 0);
}

static void test_what_is_no_number_is_unsure(void **state)
{
    const float scores[3] = {1, NAN, 0};
    const float infinite[2] = {INFINITY, 0};

    (void)state;
    assert_is(doubt_of(DOUBT_ENTROPY, scores, 3), 1);
    assert_is(doubt_of(DOUBT_TOP, scores, 3), 1);
    assert_is(doubt_of(DOUBT_ENTROPY, infinite, 2), 1);
}

static void test_of_probabilities_the_same(void **state)
{
    const float p[3] = {0.5f, 0.25f, 0.25f};
    const float sure[2] = {1, 0};
    const float odd[2] = {NAN, 0};

    (void)state;
    assert_is(doubt_of_shares(DOUBT_ENTROPY, p, 3), 1.5 / log2(3));
    assert_is(doubt_of_shares(DOUBT_TOP, p, 3), 0.5);
    assert_is(doubt_of_shares(DOUBT_ENTROPY, sure, 2), 0);
    assert_is(doubt_of_shares(DOUBT_TOP, sure, 2), 0);
    assert_is(doubt_of_shares(DOUBT_TOP, odd, 2), 1);
    assert_is(doubt_of_shares(DOUBT_ENTROPY, sure, 1), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_equal_scores_are_most_unsure),
        cmocka_unit_test(test_by_definition),
        cmocka_unit_test(test_of_probabilities_the_same),
        cmocka_unit_test(test_one_far_above_is_sure),
        cmocka_unit_test(test_what_is_no_number_is_unsure),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
