/*
 * What training asks of codecs, for any shape: bytes and errors within their
 * bounds, constants and extremes as they are, gradients through the mask of
 * what went forward, and error feedback that loses nothing in the long run.
 */
#include "tests/lib/heap.h"
#include "tests/lib/unit.h"

#include "base/mem.h"
#include "base/rng.h"
#include "codec/back.h"
#include "codec/feedback.h"
#include "codec/inner.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#define ROUNDS 60
#define COUNT_MAX 20000

static const char *const quantised[] = {"q16", "q12", "q10", "q8",
                                        "q6",  "q4",  "q2"};
static const unsigned bits_of[] = {16, 12, 10, 8, 6, 4, 2};
#define QUANTISED 7
static const char *const scales[] = {"", "/tensor", "/channel"};
static const char *const sparse[] = {"sparse:10%",      "sparse:10%+q8",
                                     "sparse:25%+q4",   "sparse:1%+q6",
                                     "sparse:30%+q12",  "sparse:10%+fp16",
                                     "sparse:10%+zstd", "sparse:20%+q8+zstd"};
#define SPARSE 8

static struct codec codec_of(const char *text)
{
    struct codec codec;
    struct err err;

    if (codec_parse(text, &codec, &err) < 0) {
        fail_msg("%s", err.text);
    }
    return codec;
}

/* Any rank, dimensions mostly odd, sometimes none. */
static struct shape any_shape(struct rng *rng)
{
    struct shape shape = {.rank = (int)rng_below(rng, 7)};
    int64_t n = 1;

    for (int i = 0; i < shape.rank; i++) {
        int64_t most = COUNT_MAX / (n > 0 ? n : 1);
        int64_t dim = 1 + 2 * (int64_t)rng_below(rng, 40);

        dim -= rng_below(rng, 9) == 0;
        shape.dims[i] = dim < most ? dim : most;
        n *= shape.dims[i];
    }
    return shape;
}

struct trial {
    struct codec codec;
    struct shape shape;
    size_t n;
    float *values;
    float *back;
    uint8_t *bytes;
    size_t size;
};

static void trial_init(struct trial *t, const char *text, struct shape shape)
{
    *t = (struct trial){.codec = codec_of(text), .shape = shape};
    t->n = (size_t)shape_count(&shape);
    t->values = test_calloc(t->n + 1, sizeof(float));
    t->back = test_calloc(t->n + 1, sizeof(float));
    t->bytes = test_malloc(codec_room(&t->codec, &shape) + 1);
}

static void trial_deinit(struct trial *t)
{
    test_free(t->values);
    test_free(t->back);
    test_free(t->bytes);
}

/* Within the range of halves. */
static void fill(float *values, size_t n, struct rng *rng)
{
    float scale = (float)ldexp(1, (int)rng_below(rng, 50) - 40);
    float shift = rng_below(rng, 2) == 0 ? 0 : rng_normal(rng) * scale * 5;

    for (size_t i = 0; i < n; i++) {
        values[i] = rng_normal(rng) * scale + shift;
    }
}

static void pass(struct trial *t)
{
    struct err err;

    assert_int_equal(
        codec_encode(&t->codec, t->values, &t->shape, t->bytes, &t->size), 0);
    assert_true(t->size <= codec_room(&t->codec, &t->shape));
    if (codec_decode(&t->codec, t->bytes, t->size, &t->shape, t->back, &err) <
        0) {
        fail_msg("%s", err.text);
    }
}

/* Of one group; `step` is what the range of its values makes it. */
static void check_group(const struct trial *t, size_t from, size_t to)
{
    double least = INFINITY;
    double most = -INFINITY;
    double bound;

    for (size_t i = from; i < to; i++) {
        least = fmin(least, t->values[i]);
        most = fmax(most, t->values[i]);
    }
    bound = codec_error(&t->codec, least, most);
    for (size_t i = from; i < to; i++) {
        if (!(fabs((double)t->back[i] - t->values[i]) <= bound)) {
            char text[CODEC_TEXT];

            fail_msg("%s: %.9g came back as %.9g, bound %g",
                     codec_text(&t->codec, text), (double)t->values[i],
                     (double)t->back[i], bound);
        }
    }
}

/* Of each group by its own range, and no byte more than bits and steps. */
static void bits_bound_bytes_and_errors(void **state)
{
    struct rng rng;

    (void)state;
    rng_init(&rng, 1);
    for (int k = 0; k < ROUNDS * QUANTISED * 3; k++) {
        int kind = k % QUANTISED;
        char text[CODEC_TEXT];
        struct codec_groups g;
        struct trial t;

        (void)snprintf(text, sizeof(text), "%s%s", quantised[kind],
                       scales[k / QUANTISED % 3]);
        trial_init(&t, text, any_shape(&rng));
        fill(t.values, t.n, &rng);
        pass(&t);
        g = codec_groups(&t.codec, &t.shape);
        for (size_t i = 0; i < t.n; i += g.size) {
            check_group(&t, i, i + g.size < t.n ? i + g.size : t.n);
        }
        assert_true((double)t.size <= bits_of[kind] / 32.0 * 4.0 * (double)t.n +
                                          64 + 8.0 * (double)g.count);
        trial_deinit(&t);
    }
}

static void constants_and_extremes_stay(void **state)
{
    static const float all[] = {0,      -0.0F,   1,      -3.25F,   1e-45F,
                                1e-38F, FLT_MAX, -3e38F, 123456.7F};
    struct rng rng;

    (void)state;
    rng_init(&rng, 2);
    for (size_t k = 0; k < QUANTISED * 9; k++) {
        struct trial t;

        trial_init(&t, quantised[k % QUANTISED], any_shape(&rng));
        for (size_t i = 0; i < t.n; i++) {
            t.values[i] = all[k / QUANTISED];
        }
        pass(&t);
        for (size_t i = 0; i < t.n; i++) { /* -0 may become 0 */
            assert_true(fabs((double)t.back[i] - t.values[i]) <= 0);
        }
        for (size_t i = 0; i < t.n; i++) { /* as far apart as can be */
            t.values[i] = i % 2 == 0 ? FLT_MAX : -FLT_MAX;
        }
        pass(&t);
        for (size_t i = 0; i < t.n; i++) {
            assert_true(isfinite(t.back[i]));
        }
        trial_deinit(&t);
    }
}

static void shares_of_dense_are_kept_to(void **state)
{
    static const struct {
        const char *codec;
        double share;
    } rows[] = {{"sparse:10%", 0.15}, {"sparse:10%+q8", 0.06}};
    struct rng rng;

    (void)state;
    rng_init(&rng, 3);
    for (int k = 0; k < ROUNDS; k++) {
        struct trial t;

        trial_init(&t, rows[k % 2].codec, any_shape(&rng));
        fill(t.values, t.n, &rng);
        pass(&t);
        if (t.n >= 4096) {
            assert_true((double)t.size <= rows[k % 2].share * 4 * (double)t.n);
        }
        trial_deinit(&t);
    }
}

/* ---- gradients ----------------------------------------------------------- */

static bool is_marked(const uint8_t *mask, size_t i)
{
    return (mask[i / 8] >> (i % 8) & 1) != 0;
}

struct gradient {
    uint8_t *mask;
    float *grads;
    float *got;
    uint8_t *bytes;
    size_t size;
};

static void gradient_init(struct gradient *g, const struct trial *t,
                          struct rng *rng)
{
    struct err err;

    g->mask = test_malloc(back_mask_size(&t->codec, &t->shape) + 1);
    g->grads = test_calloc(t->n + 1, sizeof(float));
    g->got = test_calloc(t->n + 1, sizeof(float));
    assert_int_equal(
        back_mask(&t->codec, t->bytes, t->size, &t->shape, g->mask, &err), 0);
    fill(g->grads, t->n, rng);
    g->bytes = test_malloc(back_room(&t->codec, &t->shape, g->mask) + 1);
    assert_int_equal(back_encode(&t->codec, g->grads, &t->shape, g->mask,
                                 g->bytes, &g->size),
                     0);
    assert_true(g->size <= back_room(&t->codec, &t->shape, g->mask));
}

static void gradient_deinit(struct gradient *g)
{
    test_free(g->mask);
    test_free(g->grads);
    test_free(g->got);
    test_free(g->bytes);
}

static void gradients_pass_where_values_did(void **state)
{
    struct rng rng;

    (void)state;
    rng_init(&rng, 4);
    for (int k = 0; k < ROUNDS * SPARSE; k++) {
        struct gradient g;
        struct trial t;
        double least = INFINITY;
        double most = -INFINITY;
        struct err err;

        trial_init(&t, sparse[k % SPARSE], any_shape(&rng));
        fill(t.values, t.n, &rng);
        pass(&t);
        gradient_init(&g, &t, &rng);
        assert_int_equal(back_decode(&t.codec, g.bytes, g.size, &t.shape,
                                     g.mask, g.got, &err),
                         0);
        for (size_t i = 0; i < t.n; i++) {
            least = is_marked(g.mask, i) ? fmin(least, g.grads[i]) : least;
            most = is_marked(g.mask, i) ? fmax(most, g.grads[i]) : most;
        }
        for (size_t i = 0; i < t.n; i++) {
            bool marked = is_marked(g.mask, i);

            /* What went forward was the largest, or nothing. */
            assert_true(marked || !(fabs((double)t.back[i]) > 0));
            assert_true(marked ? fabs((double)g.got[i] - g.grads[i]) <=
                                     codec_error(&t.codec, least, most)
                               : !(fabs((double)g.got[i]) > 0));
        }
        assert_true(t.n < 1024 || t.codec.zstd || g.size < t.size);
        gradient_deinit(&g);
        trial_deinit(&t);
    }
}

static double dot(const float *a, const float *b, size_t n)
{
    double sum = 0;

    for (size_t i = 0; i < n; i++) {
        sum += (double)a[i] * b[i];
    }
    return sum;
}

/* Of wavelets: the gradient of what arrived, times the values, is that of the
 * values, times what arrived, as of any linear map and its transpose. */
static void gradients_of_wavelets_are_the_transpose(void **state)
{
    struct rng rng;

    (void)state;
    rng_init(&rng, 14);
    for (int k = 0; k < ROUNDS; k++) {
        struct gradient g;
        struct trial t;
        struct err err;
        double norm;

        trial_init(&t, "sparse:10%/haar", any_shape(&rng));
        fill(t.values, t.n, &rng);
        pass(&t);
        gradient_init(&g, &t, &rng);
        assert_int_equal(back_decode(&t.codec, g.bytes, g.size, &t.shape,
                                     g.mask, g.got, &err),
                         0);
        norm = sqrt(dot(t.values, t.values, t.n) * dot(g.grads, g.grads, t.n));
        assert_true(fabs(dot(g.got, t.values, t.n) -
                         dot(g.grads, t.back, t.n)) <= 1e-5 * norm);
        assert_int_equal(back_mask_out(&t.codec, &t.shape, g.mask, g.grads), 0);
        for (size_t i = 0; i < t.n; i++) {
            assert_true(!(fabs((double)g.grads[i] - g.got[i]) > 0));
        }
        gradient_deinit(&g);
        trial_deinit(&t);
    }
}

/* Straight through: as any other tensor, with steps of its own. */
static void gradients_of_all_values_are_coded_alike(void **state)
{
    struct shape shape = {.rank = 4, .dims = {3, 5, 9, 7}};
    struct rng rng;

    (void)state;
    rng_init(&rng, 5);
    for (int k = 0; k < QUANTISED; k++) {
        struct trial t;
        uint8_t *other;
        size_t size;
        struct err err;

        trial_init(&t, quantised[k], shape);
        assert_int_equal(back_mask_size(&t.codec, &shape), 0);
        fill(t.values, t.n, &rng);
        pass(&t);
        other = test_malloc(back_room(&t.codec, &shape, NULL));
        assert_int_equal(
            back_encode(&t.codec, t.values, &shape, NULL, other, &size), 0);
        assert_int_equal(size, t.size);
        assert_memory_equal(other, t.bytes, size);
        assert_int_equal(
            back_decode(&t.codec, other, size, &shape, NULL, t.back, &err), 0);
        test_free(other);
        trial_deinit(&t);
    }
}

static void bad_bytes_are_refused(void **state)
{
    struct shape shape = {.rank = 2, .dims = {3, 71}};
    struct rng rng;

    (void)state;
    rng_init(&rng, 6);
    for (int k = 0; k < SPARSE; k++) {
        struct gradient g;
        struct trial t;
        struct err err;

        trial_init(&t, sparse[k], shape);
        fill(t.values, t.n, &rng);
        pass(&t);
        gradient_init(&g, &t, &rng);
        for (size_t n = 0; n < g.size; n++) {
            assert_int_equal(
                back_decode(&t.codec, g.bytes, n, &shape, g.mask, g.got, &err),
                EDGE_ECORRUPT);
        }
        for (size_t n = 0; n < (t.codec.zstd ? t.size : 4 + (t.n + 7) / 8);
             n++) {
            assert_int_equal(
                back_mask(&t.codec, t.bytes, n, &shape, g.mask, &err),
                EDGE_ECORRUPT);
        }
        gradient_deinit(&g);
        trial_deinit(&t);
    }
}

/* ---- error feedback ------------------------------------------------------ */

#define FEEDBACK_N 777
#define FEEDBACK_STEPS 400

/* The same gradient again and again, with a little noise: the mean of what is
 * sent, less the mean of what is meant, in parts of the latter's norm. */
static double bias(const char *text, bool has_feedback)
{
    struct shape shape = shape_of(1, (int64_t[]){FEEDBACK_N});
    double meant[FEEDBACK_N] = {0};
    double got[FEEDBACK_N] = {0};
    float residual[FEEDBACK_N] = {0};
    double square = 0;
    double norm = 0;
    struct trial t;
    struct rng rng;
    float base[FEEDBACK_N];

    rng_init(&rng, 7);
    trial_init(&t, text, shape);
    for (size_t i = 0; i < FEEDBACK_N; i++) {
        base[i] = rng_normal(&rng);
    }
    for (int s = 0; s < FEEDBACK_STEPS; s++) {
        struct err err;

        for (size_t i = 0; i < FEEDBACK_N; i++) {
            t.values[i] = base[i] + 0.01F * rng_normal(&rng);
            meant[i] += (double)t.values[i];
        }
        if (has_feedback) {
            assert_int_equal(feedback_encode(&t.codec, t.values, &shape,
                                             residual, t.back, t.bytes, &t.size,
                                             &err),
                             0);
        } else {
            pass(&t);
        }
        for (size_t i = 0; i < FEEDBACK_N; i++) {
            got[i] += (double)t.back[i];
        }
    }
    for (size_t i = 0; i < FEEDBACK_N; i++) {
        square += (got[i] - meant[i]) * (got[i] - meant[i]);
        norm += meant[i] * meant[i];
        /* What is missing is what is kept, but for rounding. */
        assert_true(!has_feedback ||
                    fabs(meant[i] - got[i] - (double)residual[i]) < 1e-2);
    }
    trial_deinit(&t);
    return sqrt(square / norm);
}

static void feedback_loses_nothing_in_the_long_run(void **state)
{
    static const char *const all[] = {"q4",         "q2/tensor",
                                      "sparse:10%", "sparse:5%+q4",
                                      "fp16",       "sparse:1%+q8+zstd"};

    (void)state;
    for (size_t k = 0; k < 6; k++) {
        double with = bias(all[k], true);
        double without = bias(all[k], false);

        /* A value waits at most until its sum is among the largest: 1 %
         * takes a hundred steps. */
        if (!(with < 0.2 * without || with < 1e-5)) {
            fail_msg("%s: off by %g, without feedback %g", all[k], with,
                     without);
        }
    }
}

static void feedback_refuses_what_is_no_number(void **state)
{
    struct shape shape = shape_of(1, (int64_t[]){3});
    float values[3] = {1, NAN, 2};
    float residual[3] = {0.5F, 0.25F, 0};
    float sent[3] = {7, 7, 7};
    uint8_t out[64];
    size_t size;
    struct codec codec = codec_of("q4");
    struct err err;

    (void)state;
    assert_int_equal(feedback_encode(&codec, values, &shape, residual, sent,
                                     out, &size, &err),
                     EDGE_EINVAL);
    values[1] = 3e38F;
    residual[1] = 3e38F;
    assert_int_equal(feedback_encode(&codec, values, &shape, residual, sent,
                                     out, &size, &err),
                     EDGE_EINVAL);
    assert_true(residual[0] > 0.4F && residual[0] < 0.6F && sent[2] > 6);
}

/* ---- memory -------------------------------------------------------------- */

static int go_round(void *arg)
{
    struct trial *t = arg;
    uint8_t mask[1024];
    float residual[1000] = {0};
    struct err err;
    size_t size;
    int rc = codec_encode(&t->codec, t->values, &t->shape, t->bytes, &t->size);

    if (rc == 0) {
        rc = back_mask(&t->codec, t->bytes, t->size, &t->shape, mask, &err);
    }
    if (rc == 0) {
        rc =
            back_encode(&t->codec, t->values, &t->shape, mask, t->bytes, &size);
    }
    if (rc == 0) {
        rc = back_decode(&t->codec, t->bytes, size, &t->shape, mask, t->back,
                         &err);
    }
    return rc < 0 ? rc
                  : feedback_encode(&t->codec, t->values, &t->shape, residual,
                                    t->back, t->bytes, &size, &err);
}

static void survives_no_memory(void **state)
{
    struct rng rng;
    struct trial t;

    (void)state;
    rng_init(&rng, 8);
    trial_init(&t, "sparse:20%+q6+zstd", shape_of(1, (int64_t[]){1000}));
    fill(t.values, t.n, &rng);
    assert_true(heap_each(go_round, &t) > 10);
    trial_deinit(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bits_bound_bytes_and_errors),
        cmocka_unit_test(constants_and_extremes_stay),
        cmocka_unit_test(shares_of_dense_are_kept_to),
        cmocka_unit_test(gradients_pass_where_values_did),
        cmocka_unit_test(gradients_of_wavelets_are_the_transpose),
        cmocka_unit_test(gradients_of_all_values_are_coded_alike),
        cmocka_unit_test(bad_bytes_are_refused),
        cmocka_unit_test(feedback_loses_nothing_in_the_long_run),
        cmocka_unit_test(feedback_refuses_what_is_no_number),
        cmocka_unit_test(survives_no_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
