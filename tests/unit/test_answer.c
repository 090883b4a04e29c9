#include "tests/lib/heap.h"
#include "tests/lib/unit.h"

#include "base/mem.h"
#include "coordinator/ctl/answer.h"

#include <math.h>
#include <string.h>

static struct tensor floats(int64_t n, const float *values)
{
    struct shape shape = shape_of(2, (int64_t[]){1, n});
    struct tensor t;

    assert_int_equal(tensor_copy(&t, DTYPE_F32, &shape, values), 0);
    return t;
}

/* The best `most` of some scores; *n is how many there are. */
static struct answer_class *top_of(int64_t n_scores, const float *scores,
                                   size_t most, size_t *n)
{
    struct tensor t = floats(n_scores, scores);
    struct answer_class *top;

    assert_int_equal(answer_top(&t, most, &top, n), 0);
    tensor_deinit(&t);
    return top;
}

static void test_probabilities_stay_as_they_are(void **state)
{
    const float scores[] = {0.125f, 0.625f, 0.25f};
    size_t n;
    struct answer_class *top = top_of(3, scores, 3, &n);

    (void)state;
    assert_int_equal(n, 3);
    assert_int_equal(top[0].index, 1);
    assert_true(top[0].score == 0.625);
    assert_int_equal(top[1].index, 2);
    assert_int_equal(top[2].index, 0);
    mem_free(top);
}

static void test_other_scores_go_through_softmax(void **state)
{
    const float scores[] = {1, 3, 2};
    double sum = exp(1) + exp(2) + exp(3);
    size_t n;
    struct answer_class *top = top_of(3, scores, 3, &n);

    (void)state;
    assert_int_equal(top[0].index, 1);
    assert_true(fabs(top[0].score - exp(3) / sum) < 1e-12);
    assert_true(fabs(top[2].score - exp(1) / sum) < 1e-12);
    mem_free(top);
}

static void test_values_of_0_to_1_with_another_sum_are_scores(void **state)
{
    const float scores[] = {0.9f, 0.8f};
    size_t n;
    struct answer_class *top = top_of(2, scores, 2, &n);

    (void)state;
    assert_true(fabs(top[0].score + top[1].score - 1) < 1e-12);
    assert_true(top[0].score < 0.6);
    mem_free(top);
}

static void test_a_sum_within_a_thousandth_is_1(void **state)
{
    const float scores[] = {0.5f, 0.4995f};
    size_t n;
    struct answer_class *top = top_of(2, scores, 2, &n);

    (void)state;
    assert_true(top[0].score == 0.5);
    mem_free(top);
}

static void test_large_scores_do_not_overflow(void **state)
{
    const float scores[] = {30000, 29999, -30000};
    size_t n;
    struct answer_class *top = top_of(3, scores, 3, &n);

    (void)state;
    assert_true(fabs(top[0].score - 1 / (1 + exp(-1))) < 1e-12);
    assert_true(top[2].score == 0);
    mem_free(top);
}

static void test_of_equal_scores_the_lowest_index_is_first(void **state)
{
    const float scores[] = {0, 0.25f, 0.25f, 0.25f, 0.25f};
    size_t n;
    struct answer_class *top = top_of(5, scores, 5, &n);

    (void)state;
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(top[i].index, i + 1);
    }
    mem_free(top);
}

/* 50.0 and 40.0 are both 0 beside 1000.0 after softmax, but not equal. */
static void test_the_order_is_that_of_the_raw_scores(void **state)
{
    const float scores[] = {40, 50, 1000};
    size_t n;
    struct answer_class *top = top_of(3, scores, 3, &n);

    (void)state;
    assert_int_equal(top[1].index, 1);
    assert_int_equal(top[2].index, 0);
    mem_free(top);
}

static void test_nan_comes_last(void **state)
{
    const float scores[] = {NAN, 1, NAN, 2};
    size_t n;
    struct answer_class *top = top_of(4, scores, 4, &n);

    (void)state;
    assert_int_equal(top[0].index, 3);
    assert_int_equal(top[1].index, 1);
    assert_int_equal(top[2].index, 0);
    assert_true(isnan(top[3].score));
    mem_free(top);
}

static void test_no_more_than_there_are(void **state)
{
    const float scores[] = {0.25f, 0.75f};
    size_t n;
    struct answer_class *top = top_of(2, scores, 100, &n);

    (void)state;
    assert_int_equal(n, 2);
    mem_free(top);
    top = top_of(2, scores, 1, &n);
    assert_int_equal(n, 1);
    mem_free(top);
}

static struct tensor shaped(enum dtype dtype, int rank, const int64_t *dims)
{
    struct shape shape = shape_of(rank, dims);
    struct tensor t;

    assert_int_equal(tensor_init(&t, dtype, &shape), 0);
    memset(t.data, 0, tensor_bytes(&t));
    return t;
}

static bool has_classes(enum dtype dtype, int rank, const int64_t *dims)
{
    struct tensor t = shaped(dtype, rank, dims);
    bool has = answer_scores(&t, 1) != NULL;

    tensor_deinit(&t);
    return has;
}

static void test_which_shapes_score_classes(void **state)
{
    (void)state;
    assert_true(has_classes(DTYPE_F32, 1, (int64_t[]){10}));
    assert_true(has_classes(DTYPE_F32, 2, (int64_t[]){1, 1000}));
    assert_true(has_classes(DTYPE_F16, 4, (int64_t[]){1, 1000, 1, 1}));
    assert_false(has_classes(DTYPE_F32, 3, (int64_t[]){1, 3549, 85}));
    assert_false(has_classes(DTYPE_I64, 2, (int64_t[]){1, 10}));
    assert_false(has_classes(DTYPE_F32, 0, NULL));
    assert_false(has_classes(DTYPE_F32, 2, (int64_t[]){1, 1}));
    assert_false(has_classes(DTYPE_F32, 2, (int64_t[]){1, 0}));
}

static void test_the_first_output_that_fits_is_taken(void **state)
{
    struct tensor outputs[] = {
        shaped(DTYPE_I64, 2, (int64_t[]){1, 10}),
        shaped(DTYPE_F32, 2, (int64_t[]){1, 10}),
        shaped(DTYPE_F32, 2, (int64_t[]){1, 20}),
    };

    (void)state;
    assert_ptr_equal(answer_scores(outputs, 3), &outputs[1]);
    assert_null(answer_scores(outputs, 1));
    for (size_t i = 0; i < 3; i++) {
        tensor_deinit(&outputs[i]);
    }
}

static int rank_and_drop(void *arg)
{
    struct answer_class *top;
    size_t n;
    int rc = answer_top(arg, 2, &top, &n);

    if (rc == 0) {
        mem_free(top);
    }
    return rc;
}

static void test_out_of_memory(void **state)
{
    const float scores[] = {0.25f, 0.75f};
    struct tensor t = floats(2, scores);

    (void)state;
    assert_int_equal(heap_each(rank_and_drop, &t), 1);
    tensor_deinit(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_probabilities_stay_as_they_are),
        cmocka_unit_test(test_other_scores_go_through_softmax),
        cmocka_unit_test(test_values_of_0_to_1_with_another_sum_are_scores),
        cmocka_unit_test(test_a_sum_within_a_thousandth_is_1),
        cmocka_unit_test(test_large_scores_do_not_overflow),
        cmocka_unit_test(test_of_equal_scores_the_lowest_index_is_first),
        cmocka_unit_test(test_the_order_is_that_of_the_raw_scores),
        cmocka_unit_test(test_nan_comes_last),
        cmocka_unit_test(test_no_more_than_there_are),
        cmocka_unit_test(test_which_shapes_score_classes),
        cmocka_unit_test(test_the_first_output_that_fits_is_taken),
        cmocka_unit_test(test_out_of_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
