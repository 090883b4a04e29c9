/* Normalisation, softmax and LRN against their formulas in double. */
#include "kernels/norm.h"

#include "base/mem.h"
#include "tests/lib/numbers.h"
#include "kernels/isa.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define BOUND 4e-6

/* An array (outer, middle, inner) and what comes of it. */
struct trial {
    size_t outer;
    size_t middle;
    size_t inner;
    size_t n;
    float *x;
    float *a; /* (n) parameters */
    float *b;
    float *wanted;
    float *got;
};

static void trial_init(struct trial *t, uint64_t seed, size_t most)
{
    struct rng rng;

    rng_init(&rng, seed);
    t->outer = numbers_between(&rng, 1, 3);
    t->middle = numbers_between(&rng, 1, most);
    t->inner = numbers_between(&rng, 1, most);
    t->n = t->outer * t->middle * t->inner;
    t->x = numbers_normal(&rng, t->n);
    t->a = numbers_normal(&rng, t->n);
    t->b = numbers_normal(&rng, t->n);
    t->wanted = numbers_unset(t->n);
    t->got = numbers_unset(t->n);
}

static void trial_deinit(struct trial *t)
{
    mem_free(t->x);
    mem_free(t->a);
    mem_free(t->b);
    mem_free(t->wanted);
    mem_free(t->got);
}

/* `reference` fills wanted, `run` fills got; on every instruction set. */
static void compare_bound(void (*reference)(struct trial *),
                          void (*run)(struct trial *, const struct isa *),
                          size_t most, double bound)
{
    for (uint64_t seed = 1; seed <= 40; seed++) {
        struct trial t;

        trial_init(&t, seed, most);
        reference(&t);
        for (size_t i = 0; isa_each(i) != NULL; i++) {
            run(&t, isa_each(i));
            numbers_assert_near(t.got, t.wanted, t.n, bound);
        }
        trial_deinit(&t);
    }
}

static void compare(void (*reference)(struct trial *),
                    void (*run)(struct trial *, const struct isa *))
{
    compare_bound(reference, run, 40, BOUND);
}

static size_t channel_of(const struct trial *t, size_t i)
{
    return i / t->inner % t->middle;
}

/* Mean and variance of n numbers. */
static void moments(const float *x, size_t n, double *mean, double *variance)
{
    double sum = 0;
    double squares = 0;

    for (size_t i = 0; i < n; i++) {
        sum += (double)x[i];
    }
    *mean = sum / (double)n;
    for (size_t i = 0; i < n; i++) {
        squares += ((double)x[i] - *mean) * ((double)x[i] - *mean);
    }
    *variance = squares / (double)n;
}

/* ---- batch: mean is b of the next channel, variance a squared ---- */

static void batch_reference(struct trial *t)
{
    for (size_t i = 0; i < t->n; i++) {
        size_t c = channel_of(t, i);
        double variance = fabs((double)t->a[c]);

        t->wanted[i] = (float)(((double)t->x[i] - (double)t->b[c]) *
                                   (double)t->a[c] / sqrt(variance + 1e-3) +
                               (double)t->b[c]);
    }
}

static void batch_run(struct trial *t, const struct isa *isa)
{
    float *variance = mem_dup(t->a, t->middle * sizeof(float));

    assert_non_null(variance);
    for (size_t c = 0; c < t->middle; c++) {
        variance[c] = fabsf(variance[c]);
    }
    norm_batch(isa, t->x, t->got, t->outer, t->middle, t->inner, t->a, t->b,
               t->b, variance, 1e-3F);
    mem_free(variance);
}

static void batch_normalisation(void **state)
{
    (void)state;
    compare(batch_reference, batch_run);
}

/* ---- instance and layer ---- */

static void instance_reference(struct trial *t)
{
    for (size_t i = 0; i < t->n; i++) {
        size_t c = channel_of(t, i);
        double mean;
        double variance;

        moments(t->x + i - i % t->inner, t->inner, &mean, &variance);
        t->wanted[i] = (float)(((double)t->x[i] - mean) * (double)t->a[c] /
                                   sqrt(variance + 1e-2) +
                               (double)t->b[c]);
    }
}

static void instance_run(struct trial *t, const struct isa *isa)
{
    norm_instance(isa, t->x, t->got, t->outer, t->middle, t->inner, t->a, t->b,
                  1e-2F);
}

static void instance_normalisation(void **state)
{
    (void)state;
    compare(instance_reference, instance_run);
}

static void layer_reference(struct trial *t)
{
    size_t cols = t->middle * t->inner;

    for (size_t i = 0; i < t->n; i++) {
        double mean;
        double variance;

        moments(t->x + i - i % cols, cols, &mean, &variance);
        t->wanted[i] =
            (float)(((double)t->x[i] - mean) / sqrt(variance + 1e-2) *
                        (double)t->a[i % cols] +
                    (double)t->b[i % cols]);
    }
}

static void layer_run(struct trial *t, const struct isa *isa)
{
    size_t cols = t->middle * t->inner;
    float mean[3];
    float inverse[3];

    norm_layer(isa, t->x, t->got, t->outer, cols, t->a, t->b, 1e-2F, mean,
               inverse);
    for (size_t i = 0; i < t->outer; i++) {
        double m;
        double v;
        float wanted;

        moments(t->x + i * cols, cols, &m, &v);
        wanted = (float)m;
        numbers_assert_near(&mean[i], &wanted, 1, BOUND);
        wanted = (float)(1 / sqrt(v + 1e-2));
        numbers_assert_near(&inverse[i], &wanted, 1, BOUND);
    }
}

static void layer_normalisation(void **state)
{
    (void)state;
    compare(layer_reference, layer_run);
}

/* ---- softmax ---- */

static double softmax_of(const struct trial *t, size_t i, bool log)
{
    size_t first = i - channel_of(t, i) * t->inner;
    double most = -INFINITY;
    double sum = 0;

    for (size_t k = 0; k < t->middle; k++) {
        most = fmax(most, (double)t->x[first + k * t->inner]);
    }
    for (size_t k = 0; k < t->middle; k++) {
        sum += exp((double)t->x[first + k * t->inner] - most);
    }
    return log ? (double)t->x[i] - most - logf((float)sum)
               : exp((double)t->x[i] - most) / sum;
}

static void softmax_reference(struct trial *t)
{
    for (size_t i = 0; i < t->n; i++) {
        t->wanted[i] = (float)softmax_of(t, i, false);
    }
}

static void softmax_run(struct trial *t, const struct isa *isa)
{
    norm_softmax(isa, t->x, t->got, t->outer, t->middle, t->inner, false);
}

static void log_softmax_reference(struct trial *t)
{
    for (size_t i = 0; i < t->n; i++) {
        t->wanted[i] = (float)softmax_of(t, i, true);
    }
}

static void log_softmax_run(struct trial *t, const struct isa *isa)
{
    norm_softmax(isa, t->x, t->got, t->outer, t->middle, t->inner, true);
}

static void softmax_along_an_axis(void **state)
{
    (void)state;
    compare(softmax_reference, softmax_run);
    compare(log_softmax_reference, log_softmax_run);
}

static void softmax_in_place_is_the_same(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        bool log = seed % 2 == 0;
        struct trial t;

        trial_init(&t, seed, 50);
        t.inner = seed % 4 < 2 ? 1 : t.inner;
        norm_softmax(isa_best(), t.x, t.got, t.outer, t.middle, t.inner, log);
        norm_softmax(isa_best(), t.x, t.x, t.outer, t.middle, t.inner, log);
        numbers_assert_same(t.x, t.got, t.outer * t.middle * t.inner);
        trial_deinit(&t);
    }
}

static void softmax_of_large_numbers_does_not_overflow(void **state)
{
    static const float wanted[] = {0.032058604F, 0.087144323F, 0.236882816F,
                                   0.643914260F};
    float x[] = {10000, 10001, 10002, 10003};
    float y[4];

    (void)state;
    norm_softmax(isa_best(), x, y, 1, 4, 1, false);
    numbers_assert_near(y, wanted, 4, 1e-6);
}

/* ---- LRN ---- */

static const struct norm_lrn lrn = {
    .size = 4, .alpha = 0.3F, .beta = 0.75F, .bias = 1.2F};

static void lrn_reference(struct trial *t)
{
    for (size_t i = 0; i < t->n; i++) {
        long c = (long)channel_of(t, i);
        double sum = 0;

        for (long k = c - 1; k <= c + 2; k++) { /* floor, ceil of 3 / 2 */
            if (k >= 0 && k < (long)t->middle) {
                float v = t->x[(long)i + (k - c) * (long)t->inner];

                sum += (double)v * (double)v;
            }
        }
        t->wanted[i] =
            (float)((double)t->x[i] / pow(1.2 + 0.3 / 4 * sum, 0.75));
    }
}

static void lrn_run(struct trial *t, const struct isa *isa)
{
    norm_lrn_run(isa, &lrn, t->x, t->got, t->outer, t->middle, t->inner);
}

static void local_response_normalisation(void **state)
{
    (void)state;
    compare(lrn_reference, lrn_run);
}

/* ---- rows ---- */

static void means_and_maxima_of_rows(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 40; seed++) {
        struct trial t;
        size_t rows;

        trial_init(&t, seed, 60);
        rows = t.outer * t.middle;
        for (size_t i = 0; isa_each(i) != NULL; i++) {
            norm_row_means(isa_each(i), t.x, t.got, rows, t.inner);
            for (size_t r = 0; r < rows; r++) {
                double mean;
                double variance;

                moments(t.x + r * t.inner, t.inner, &mean, &variance);
                t.wanted[r] = (float)mean;
            }
            numbers_assert_near(t.got, t.wanted, rows, BOUND);
            norm_row_maxima(isa_each(i), t.x, t.got, rows, t.inner);
            for (size_t r = 0; r < rows; r++) {
                t.wanted[r] = -INFINITY;
                for (size_t k = 0; k < t.inner; k++) {
                    t.wanted[r] = fmaxf(t.wanted[r], t.x[r * t.inner + k]);
                }
            }
            numbers_assert_same(t.got, t.wanted, rows);
        }
        trial_deinit(&t);
    }
}

/* Sums have an order of their own, so sets that differ in width agree. */
static void sums_do_not_depend_on_the_vector_width(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 40; seed++) {
        struct trial t;

        trial_init(&t, seed, 40);
        for (size_t i = 0; isa_each(i) != NULL; i++) {
            t.got[0] = isa_each(i)->norm.sum(t.x, t.n);
            t.wanted[0] = isa_each(0)->norm.sum(t.x, t.n);
            numbers_assert_same(t.got, t.wanted, 1);
        }
        trial_deinit(&t);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(batch_normalisation),
        cmocka_unit_test(instance_normalisation),
        cmocka_unit_test(layer_normalisation),
        cmocka_unit_test(softmax_along_an_axis),
        cmocka_unit_test(softmax_in_place_is_the_same),
        cmocka_unit_test(softmax_of_large_numbers_does_not_overflow),
        cmocka_unit_test(local_response_normalisation),
        cmocka_unit_test(means_and_maxima_of_rows),
        cmocka_unit_test(sums_do_not_depend_on_the_vector_width),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
