/* Gradients between replicas in a codec: nothing is lost in the long run, what
 * was not applied leaves no trace, and what is no number is not hidden. */
#include "tests/lib/heap.h"
#include "tests/lib/unit.h"

#include "base/rng.h"
#include "codec/codec.h"
#include "daemon/train.h"

#include <math.h>
#include <string.h>

#define COUNT ((size_t)5003)
#define PIECES 3
#define STEPS 60

struct giver {
    struct train train;
    struct train_made made;
    struct work work;
    float *residuals[2];
};

static void giver_init(struct giver *s, const char *codec)
{
    *s = (struct giver){0};
    assert_int_equal(codec_parse(codec, &s->train.reduce, NULL), 0);
    for (int i = 0; i < 2; i++) {
        s->residuals[i] = test_calloc(COUNT, sizeof(float));
    }
    s->made.residual = s->residuals[0];
    s->made.next_residual = s->residuals[1];
    s->train.made = &s->made;
    s->train.work = &s->work;
}

static void giver_deinit(struct giver *s)
{
    test_free(s->residuals[0]);
    test_free(s->residuals[1]);
}

/* One piece as it goes out, and as it is read at the other end. */
static size_t send_piece(struct giver *s, const float *values, size_t at,
                         size_t n, float *read)
{
    struct blob *blob = blob_copy(values + at, n * sizeof(float));
    struct early came = {0};
    struct err err;
    size_t size;

    if (train_squeeze(&s->train, at, blob, &came.value.tensor.blob,
                      &came.value.codec, &err) < 0) {
        fail_msg("%s", err.text);
    }
    size = came.value.tensor.blob->size;
    if (came.value.codec != 0) {
        assert_true(size < n * sizeof(float));
        assert_int_equal(train_squeeze_open(&came.value, n, read + at, &err),
                         0);
    } else {
        assert_int_equal(size, n * sizeof(float));
        memcpy(read + at, came.value.tensor.blob->data, size);
    }
    assert_memory_equal(blob->data, read + at, n * sizeof(float));
    blob_unref(blob);
    blob_unref(came.value.tensor.blob);
    return size;
}

static size_t send_all(struct giver *s, const float *values, float *read)
{
    size_t bytes = 0;

    for (size_t i = 0; i < PIECES; i++) {
        size_t at = COUNT * i / PIECES;

        bytes += send_piece(s, values, at, COUNT * (i + 1) / PIECES - at, read);
    }
    return bytes;
}

static void draw(struct rng *rng, float *values, float scale)
{
    for (size_t i = 0; i < COUNT; i++) {
        values[i] = rng_normal(rng) * scale + (i % 7 == 0 ? scale / 2 : 0);
    }
}

static const char *const codecs[] = {"q8",         "q4",          "q2",
                                     "q4/tensor",  "fp16",        "q8+zstd",
                                     "sparse:10%", "sparse:1%+q4"};
#define CODECS (sizeof(codecs) / sizeof(codecs[0]))

struct sums {
    double meant[COUNT];
    double sent[COUNT];
};

/* What was sent differs from what was meant by the last residual, which does
 * not grow with the number of steps. */
static void sums_of_what_was_sent_are_those_of_what_was_meant(void **state)
{
    struct sums *sums = test_calloc(1, sizeof(*sums));
    float *values = test_calloc(COUNT, sizeof(float));
    float *read = test_calloc(COUNT, sizeof(float));

    (void)state;
    for (size_t k = 0; k < CODECS; k++) {
        struct giver s;
        struct rng rng;
        double early = 0;
        double late = 0;

        memset(sums, 0, sizeof(*sums));
        rng_init(&rng, k + 1);
        giver_init(&s, codecs[k]);
        for (int step = 0; step < 4 * STEPS; step++) {
            double left = 0;

            draw(&rng, values, 0.01F);
            (void)send_all(&s, values, read);
            train_squeeze_applied(&s.made);
            for (size_t i = 0; i < COUNT; i++) {
                sums->meant[i] += (double)values[i];
                sums->sent[i] += (double)read[i];
                left += fabs(sums->meant[i] - sums->sent[i]);
                assert_true(fabs(sums->meant[i] - sums->sent[i] -
                                 (double)s.made.residual[i]) < 1e-4);
            }
            early = step == 2 * STEPS ? left : early;
            late = left;
        }
        if (!(late < 1.5 * early + 1e-3)) {
            fail_msg("%s: %g left out after %d steps, %g after %d", codecs[k],
                     late, 4 * STEPS, early, 2 * STEPS);
        }
        giver_deinit(&s);
    }
    test_free(sums);
    test_free(values);
    test_free(read);
}

/* What was left out before goes with it. */
static void a_whole_step_leaves_nothing_out(void **state)
{
    float *values = test_calloc(COUNT, sizeof(float));
    float *read = test_calloc(COUNT, sizeof(float));

    (void)state;
    for (size_t k = 0; k < CODECS; k++) {
        struct giver s;
        struct rng rng;
        float *before = test_calloc(COUNT, sizeof(float));

        rng_init(&rng, k + 1);
        giver_init(&s, codecs[k]);
        draw(&rng, values, 1);
        (void)send_all(&s, values, read);
        train_squeeze_applied(&s.made);
        memcpy(before, s.made.residual, COUNT * sizeof(float));
        s.work.is_whole = true;
        (void)send_all(&s, values, read);
        train_squeeze_applied(&s.made);
        for (size_t i = 0; i < COUNT; i++) {
            assert_true(fabsf(read[i] - (values[i] + before[i])) <= 0);
            assert_true(fabsf(s.made.residual[i]) <= 0);
        }
        test_free(before);
        giver_deinit(&s);
    }
    test_free(values);
    test_free(read);
}

static void what_was_not_applied_leaves_no_trace(void **state)
{
    float *values = test_calloc(COUNT, sizeof(float));
    float *other = test_calloc(COUNT, sizeof(float));
    float *once = test_calloc(COUNT, sizeof(float));
    float *again = test_calloc(COUNT, sizeof(float));

    (void)state;
    for (size_t k = 0; k < CODECS; k++) {
        struct giver s;
        struct giver retried;
        struct rng rng;

        rng_init(&rng, k + 1);
        giver_init(&s, codecs[k]);
        giver_init(&retried, codecs[k]);
        for (int step = 0; step < 10; step++) {
            draw(&rng, values, 1);
            draw(&rng, other, 5);
            (void)send_all(&s, values, once);
            train_squeeze_applied(&s.made);
            (void)send_all(&retried, other, again);
            (void)send_piece(&retried, values, 0, 1000, again); /* lost */
            (void)send_all(&retried, values, again);
            train_squeeze_applied(&retried.made);
            assert_memory_equal(once, again, COUNT * sizeof(float));
            assert_memory_equal(s.made.residual, retried.made.residual,
                                COUNT * sizeof(float));
        }
        giver_deinit(&s);
        giver_deinit(&retried);
    }
    test_free(values);
    test_free(other);
    test_free(once);
    test_free(again);
}

/* As it is, so that everybody skips the step; of it nothing is kept. */
static void what_is_no_number_is_not_hidden(void **state)
{
    const float odd[] = {NAN, INFINITY, -INFINITY};
    float *values = test_calloc(COUNT, sizeof(float));
    float *read = test_calloc(COUNT, sizeof(float));
    float *kept = test_calloc(COUNT, sizeof(float));

    (void)state;
    for (size_t k = 0; k < CODECS; k++) {
        struct giver s;
        struct rng rng;

        rng_init(&rng, k + 1);
        giver_init(&s, codecs[k]);
        draw(&rng, values, 1);
        (void)send_all(&s, values, read);
        train_squeeze_applied(&s.made);
        memcpy(kept, s.made.residual, COUNT * sizeof(float));
        for (size_t i = 0; i < 3; i++) {
            draw(&rng, values, 1);
            values[COUNT / 2] = odd[i];
            (void)send_all(&s, values, read);
            assert_int_equal(isfinite(read[COUNT / 2]), 0);
            assert_int_not_equal(isfinite(read[0]), 0);
            assert_memory_equal(s.made.residual, kept, COUNT * sizeof(float));
        }
        giver_deinit(&s);
    }
    test_free(values);
    test_free(read);
    test_free(kept);
}

/* Constants, zeroes, one value alone. */
static void any_piece_can_be_sent(void **state)
{
    static const float constants[] = {0, 1, -3.5F, 1e-30F, 1e30F};
    float *values = test_calloc(COUNT, sizeof(float));
    float *read = test_calloc(COUNT, sizeof(float));

    (void)state;
    for (size_t k = 0; k < CODECS; k++) {
        for (size_t c = 0; c < 5; c++) {
            struct giver s;

            if (strcmp(codecs[k], "fp16") == 0 && c > 2) {
                continue; /* beyond what halves are */
            }
            giver_init(&s, codecs[k]);
            for (size_t i = 0; i < COUNT; i++) {
                values[i] = constants[c];
            }
            (void)send_all(&s, values, read);
            assert_true(send_piece(&s, values, 7, 1, read) <= sizeof(float));
            for (size_t i = 0; i < COUNT; i++) {
                double left = (double)s.made.next_residual[i];

                assert_true(
                    fabs((double)read[i] + left - (double)constants[c]) <=
                    1e-6 * fabs((double)constants[c]));
            }
            giver_deinit(&s);
        }
    }
    test_free(values);
    test_free(read);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sums_of_what_was_sent_are_those_of_what_was_meant),
        cmocka_unit_test(a_whole_step_leaves_nothing_out),
        cmocka_unit_test(what_was_not_applied_leaves_no_trace),
        cmocka_unit_test(what_is_no_number_is_not_hidden),
        cmocka_unit_test(any_piece_can_be_sent),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
