/*
 * Orders, batches and shares over many sizes: every sample once an epoch, no
 * place favoured, nothing lost between replicas.
 */
#include "tests/lib/unit.h"

#include "base/limits.h"
#include "base/mem.h"
#include "base/rng.h"
#include "dataset/order.h"

#include <math.h>
#include <string.h>

/* Each sample in one place: a bijection. */
static void assert_permutes(uint64_t n, uint64_t seed, uint64_t epoch)
{
    uint8_t *seen = mem_array(uint8_t, n);
    struct order order;

    assert_non_null(seen);
    order_init(&order, seed, epoch, n);
    for (uint64_t k = 0; k < n; k++) {
        uint64_t at = order_at(&order, k);

        assert_true(at < n);
        assert_int_equal(seen[at], 0);
        seen[at] = 1;
    }
    mem_free(seen);
}

static void test_an_epoch_has_each_sample_once(void **state)
{
    static const uint64_t large[] = {4095,  4096,  4097, 10000,
                                     50000, 65536, 60000};

    (void)state;
    for (uint64_t n = 1; n <= 600; n++) {
        assert_permutes(n, 7 * n, n % 5);
    }
    for (size_t i = 0; i < sizeof(large) / sizeof(large[0]); i++) {
        assert_permutes(large[i], 3, i);
    }
}

static void test_the_largest_set_has_an_order(void **state)
{
    struct order order;

    (void)state;
    order_init(&order, 1, 2, LIMIT_DATA_SAMPLES);
    for (uint64_t k = 0; k < 1000; k++) {
        assert_true(order_at(&order, k * 134217 % LIMIT_DATA_SAMPLES) <
                    LIMIT_DATA_SAMPLES);
    }
}

static void test_same_seed_and_epoch_same_order(void **state)
{
    struct order a;
    struct order b;
    uint64_t other_epoch = 0;
    uint64_t other_seed = 0;

    (void)state;
    order_init(&a, 5, 9, 1000);
    order_init(&b, 5, 9, 1000);
    for (uint64_t k = 0; k < 1000; k++) {
        assert_int_equal(order_at(&a, k), order_at(&b, k));
    }
    order_init(&b, 5, 10, 1000);
    for (uint64_t k = 0; k < 1000; k++) {
        other_epoch += order_at(&a, k) == order_at(&b, k);
    }
    order_init(&b, 6, 9, 1000);
    for (uint64_t k = 0; k < 1000; k++) {
        other_seed += order_at(&a, k) == order_at(&b, k);
    }
    /* One in a thousand by chance. */
    assert_true(other_epoch < 12);
    assert_true(other_seed < 12);
}

/* Over many epochs each sample is in each place as often as in any other:
 * chi-square over all pairs, whose deviation is sqrt(2 (n-1)^2). */
static void assert_fair(uint64_t n, unsigned epochs)
{
    double *counts = mem_array(double, n *n);
    double expected = (double)epochs / (double)n;
    double freedom = (double)((n - 1) * (n - 1));
    double chi = 0;

    assert_non_null(counts);
    for (unsigned e = 0; e < epochs; e++) {
        struct order order;

        order_init(&order, 11, e, n);
        for (uint64_t k = 0; k < n; k++) {
            counts[k * n + order_at(&order, k)]++;
        }
    }
    for (uint64_t i = 0; i < n * n; i++) {
        chi += (counts[i] - expected) * (counts[i] - expected) / expected;
    }
    mem_free(counts);
    if (fabs(chi - freedom) > 6 * sqrt(2 * freedom)) {
        fail_msg("n = %u: chi-square %g with %g degrees", (unsigned)n, chi,
                 freedom);
    }
}

static void test_no_place_is_favoured(void **state)
{
    static const uint64_t sizes[] = {2, 3, 4, 5, 6, 7, 10, 16, 17, 30, 64};

    (void)state;
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        assert_fair(sizes[i], 20000);
    }
}

/* Neighbours in the order are no neighbours in the set: rank correlation of
 * one place with the next. */
static void test_neighbours_are_strangers(void **state)
{
    const uint64_t n = 50000;
    double sum = 0;
    struct order order;

    (void)state;
    order_init(&order, 3, 0, n);
    for (uint64_t k = 0; k + 1 < n; k++) {
        double a = (double)order_at(&order, k) / (double)n - 0.5;
        double b = (double)order_at(&order, k + 1) / (double)n - 0.5;

        sum += a * b;
    }
    /* Deviation of a product is 1/12. */
    assert_true(fabs(sum / (double)n) < 6.0 / 12 / sqrt((double)n));
}

static void test_batches_cover_an_epoch(void **state)
{
    (void)state;
    for (uint64_t n = 1; n < 70; n++) {
        for (uint64_t batch = 1; batch < 80; batch++) {
            uint64_t next = 0;

            for (uint64_t i = 0; i < order_batches(n, batch); i++) {
                uint64_t from;
                uint64_t count;

                order_batch(n, batch, i, &from, &count);
                assert_int_equal(from, next);
                assert_true(count > 0 && count <= batch);
                assert_true(count == batch || from + count == n);
                next = from + count;
            }
            assert_int_equal(next, n);
        }
    }
}

static void test_keys_differ_in_each_part(void **state)
{
    uint64_t key = order_key(1, 2, 3, ORDER_AUGMENT);

    (void)state;
    assert_true(key != order_key(2, 2, 3, ORDER_AUGMENT));
    assert_true(key != order_key(1, 3, 3, ORDER_AUGMENT));
    assert_true(key != order_key(1, 2, 4, ORDER_AUGMENT));
    assert_true(key != order_key(1, 2, 3, ORDER_DROPOUT));
    assert_true(key != order_key(1, 3, 2, ORDER_AUGMENT));
    assert_true(key == order_key(1, 2, 3, ORDER_AUGMENT));
}

static void check_shares(uint64_t count, const double *weights, size_t p)
{
    uint64_t shares[LIMIT_REPLICAS];
    double total = 0;
    uint64_t sum = 0;

    for (size_t i = 0; i < p; i++) {
        total += weights[i];
    }
    order_shares(count, weights, p, shares);
    for (size_t i = 0; i < p; i++) {
        double due = (double)count * weights[i] / total;

        sum += shares[i];
        /* The largest remainder keeps within one of what is due. */
        assert_true(fabs((double)shares[i] - due) < 1 + 1e-9);
    }
    assert_int_equal(sum, count);
}

static void test_shares_sum_up_and_are_due(void **state)
{
    struct rng rng;

    (void)state;
    rng_init(&rng, 4);
    for (int i = 0; i < 20000; i++) {
        double weights[LIMIT_REPLICAS];
        size_t p = 1 + (size_t)rng_below(&rng, LIMIT_REPLICAS);

        for (size_t j = 0; j < p; j++) {
            weights[j] = pow(10, 6 * rng_unit(&rng) - 3);
        }
        check_shares(rng_below(&rng, 2000), weights, p);
    }
}

static void test_shares_of_odd_weights(void **state)
{
    uint64_t s[4];

    (void)state;
    order_shares(10, (const double[]){0, 0, 0}, 3, s);
    assert_int_equal(s[0] == 4 && s[1] == 3 && s[2] == 3, 1);
    order_shares(10, (const double[]){NAN, 1, -5, INFINITY}, 4, s);
    assert_int_equal(s[0] == 0 && s[1] == 10 && s[2] == 0 && s[3] == 0, 1);
    order_shares(7, (const double[]){1e308, 1e308}, 2, s);
    assert_int_equal(s[0] == 4 && s[1] == 3, 1);
    order_shares(7, (const double[]){1e-308, 2e-308}, 2, s);
    assert_int_equal(s[0] == 2 && s[1] == 5, 1);
    order_shares(0, (const double[]){1, 2}, 2, s);
    assert_int_equal(s[0] + s[1], 0);
    order_shares(5, (const double[]){3}, 1, s);
    assert_int_equal(s[0], 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_epoch_has_each_sample_once),
        cmocka_unit_test(test_the_largest_set_has_an_order),
        cmocka_unit_test(test_same_seed_and_epoch_same_order),
        cmocka_unit_test(test_no_place_is_favoured),
        cmocka_unit_test(test_neighbours_are_strangers),
        cmocka_unit_test(test_batches_cover_an_epoch),
        cmocka_unit_test(test_keys_differ_in_each_part),
        cmocka_unit_test(test_shares_sum_up_and_are_due),
        cmocka_unit_test(test_shares_of_odd_weights),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
