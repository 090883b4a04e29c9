/* Codecs: what comes back, how many bytes it took, and hostile bytes. */
#include "tests/lib/unit.h"

#include "base/mem.h"
#include "base/rng.h"
#include "codec/codec.h"

#include <math.h>
#include <string.h>

static const char *const texts[] = {
    "fp32",
    "fp16",
    "q8",
    "q4",
    "q2",
    "q16",
    "q12",
    "q10",
    "q6",
    "q12/tensor",
    "q6/channel+zstd",
    "sparse:20%+q6",
    "q8/tensor",
    "q8/channel",
    "q4/channel",
    "q8+runs",
    "q4+runs",
    "q4/tensor+runs",
    "fp16+zstd",
    "fp32+zstd",
    "q8+zstd",
    "q4+runs+zstd",
    "sparse:10%",
    "sparse:25%+q8",
    "sparse:5%+fp16+zstd",
    "sparse:50%+q4+runs",
    "sparse:10%/haar",
    "sparse:25%/haar+q8",
    "sparse:5%/haar+fp16+zstd",
    "bits",
    "bits+zstd",
};
#define TEXTS (sizeof(texts) / sizeof(texts[0]))

static const struct shape shapes[] = {
    {.rank = 4, .dims = {1, 24, 28, 28}},
    {.rank = 4, .dims = {2, 5, 3, 7}},
    {.rank = 4, .dims = {1, 320, 7, 7}},
    {.rank = 2, .dims = {1, 1000}},
    {.rank = 1, .dims = {1}},
    {.rank = 0},
    {.rank = 2, .dims = {0, 4}},
    {.rank = 1, .dims = {1027}},
    {.rank = 6, .dims = {3, 1, 5, 7, 1, 11}},
};
#define SHAPES (sizeof(shapes) / sizeof(shapes[0]))

struct coded {
    struct codec codec;
    const struct shape *shape;
    size_t n;
    float *values;
    float *back;
    uint8_t *bytes;
    size_t size;
    struct err err;
};

static void coded_init(struct coded *c, const char *text,
                       const struct shape *shape)
{
    *c = (struct coded){.shape = shape};
    if (codec_parse(text, &c->codec, &c->err) < 0) {
        fail_msg("%s", c->err.text);
    }
    c->n = (size_t)shape_count(shape);
    c->values = test_malloc(c->n * sizeof(float) + 1);
    c->back = test_malloc(c->n * sizeof(float) + 1);
    c->bytes = test_malloc(codec_room(&c->codec, shape) + 1);
}

static void coded_deinit(struct coded *c)
{
    test_free(c->values);
    test_free(c->back);
    test_free(c->bytes);
}

static void fill(struct coded *c, uint64_t seed, bool relu)
{
    struct rng rng;

    rng_init(&rng, seed);
    for (size_t i = 0; i < c->n; i++) {
        float v = (float)(rng_normal(&rng) * 3 + 0.5);

        c->values[i] = relu && v < 2 ? 0 : v; /* 7 of 10 are zero */
    }
}

static void there_and_back(struct coded *c)
{
    assert_int_equal(
        codec_encode(&c->codec, c->values, c->shape, c->bytes, &c->size), 0);
    assert_true(c->size <= codec_room(&c->codec, c->shape));
    if (codec_decode(&c->codec, c->bytes, c->size, c->shape, c->back, &c->err) <
        0) {
        fail_msg("%s", c->err.text);
    }
}

static double bound_of(const struct coded *c)
{
    double least = INFINITY;
    double most = -INFINITY;

    for (size_t i = 0; i < c->n; i++) {
        least = fmin(least, c->values[i]);
        most = fmax(most, c->values[i]);
    }
    return codec_error(&c->codec, least, most);
}

/* ---- what comes back ----------------------------------------------------- */

static void values_come_back_within_the_bound(void **state)
{
    (void)state;
    for (size_t k = 0; k < TEXTS * SHAPES; k++) {
        struct coded c;
        double bound;

        coded_init(&c, texts[k % TEXTS], &shapes[k / TEXTS]);
        fill(&c, k, k % 2 == 0);
        there_and_back(&c);
        bound = bound_of(&c);
        for (size_t i = 0; i < c.n && !c.codec.haar; i++) {
            bool dropped = c.codec.keep > 0 && c.back[i] == 0;

            if (!dropped && !(fabs((double)c.back[i] - c.values[i]) <= bound)) {
                fail_msg("%s: %g came back as %g, bound %g", texts[k % TEXTS],
                         (double)c.values[i], (double)c.back[i], bound);
            }
        }
        coded_deinit(&c);
    }
}

static void constants_come_back_as_they_are(void **state)
{
    static const float constants[] = {0, 1, -7.25F, 1e-30F, 3e4F};

    (void)state;
    for (size_t k = 0; k < TEXTS * 5; k++) {
        struct coded c;
        float v = constants[k / TEXTS];

        coded_init(&c, texts[k % TEXTS], &shapes[0]);
        for (size_t i = 0; i < c.n; i++) {
            c.values[i] = v;
        }
        there_and_back(&c);
        for (size_t i = 0; i < c.n; i++) {
            bool is_half = c.codec.kind == CODEC_FP16 &&
                           (v < 1e-20F || (c.codec.haar && v > 2000));
            double off = fabs((double)c.back[i] - v);

            assert_true(c.back[i] == v || is_half ||
                        (c.codec.haar && off <= 0.05 * fabs((double)v)) ||
                        (c.codec.keep > 0 && !c.codec.haar && c.back[i] == 0));
        }
        coded_deinit(&c);
    }
}

static void the_same_again_is_the_same(void **state)
{
    (void)state;
    for (size_t k = 0; k < TEXTS; k++) {
        struct coded c;
        uint8_t *first;
        size_t size;

        coded_init(&c, texts[k], &shapes[0]);
        fill(&c, k, true);
        there_and_back(&c);
        first = test_malloc(c.size + 1);
        memcpy(first, c.bytes, c.size);
        size = c.size;
        there_and_back(&c);
        assert_int_equal(c.size, size);
        assert_memory_equal(first, c.bytes, size);
        test_free(first);
        coded_deinit(&c);
    }
}

static void what_is_no_number_harms_no_other(void **state)
{
    (void)state;
    for (size_t k = 0; k < TEXTS; k++) {
        struct coded c;

        coded_init(&c, texts[k], &shapes[0]);
        fill(&c, k, false);
        c.values[5] = NAN;
        c.values[6] = INFINITY;
        c.values[7] = -INFINITY;
        there_and_back(&c);
        for (size_t i = 8; i < c.n && c.codec.kind >= CODEC_Q8; i++) {
            assert_true(isfinite(c.back[i]));
            assert_true(c.codec.keep > 0 ||
                        fabs((double)c.back[i] - c.values[i]) < 10);
        }
        coded_deinit(&c);
    }
}

static void sparse_keeps_the_largest(void **state)
{
    struct coded c;
    size_t kept = 0;
    double least = INFINITY;

    (void)state;
    coded_init(&c, "sparse:10%", &shapes[0]);
    fill(&c, 4, false);
    there_and_back(&c);
    for (size_t i = 0; i < c.n; i++) {
        if (c.back[i] != 0) {
            assert_true(c.back[i] == c.values[i]);
            least = fmin(least, fabs((double)c.back[i]));
            kept++;
        }
    }
    assert_int_equal(kept, (size_t)ceil(0.1F * (double)c.n));
    for (size_t i = 0; i < c.n; i++) {
        assert_true(c.back[i] != 0 || fabs((double)c.values[i]) <= least);
    }
    coded_deinit(&c);
}

/* However much larger another one's are. */
static void each_sample_keeps_its_share(void **state)
{
    static const struct shape shape = {.rank = 3, .dims = {3, 5, 20}};
    struct coded c;

    (void)state;
    coded_init(&c, "sparse:10%", &shape);
    fill(&c, 8, false);
    for (size_t i = 0; i < 100; i++) {
        c.values[i] *= 1000;
    }
    there_and_back(&c);
    for (size_t s = 0; s < 3; s++) {
        size_t kept = 0;

        for (size_t i = 0; i < 100; i++) {
            kept += c.back[100 * s + i] != 0;
        }
        assert_int_equal(kept, 10);
    }
    coded_deinit(&c);
}

/* The part of the energy that is lost. */
static double lost_by(const char *text, const struct shape *shape,
                      float (*at)(size_t row, size_t column))
{
    size_t columns = (size_t)shape->dims[3];
    size_t rows = (size_t)shape->dims[2];
    double lost = 0;
    double all = 0;
    struct coded c;

    coded_init(&c, text, shape);
    for (size_t i = 0; i < c.n; i++) {
        c.values[i] = at(i / columns % rows, i % columns);
    }
    there_and_back(&c);
    for (size_t i = 0; i < c.n; i++) {
        double off = (double)c.back[i] - c.values[i];

        lost += off * off;
        all += (double)c.values[i] * c.values[i];
    }
    coded_deinit(&c);
    return lost / all;
}

static float even(size_t row, size_t column)
{
    (void)row;
    (void)column;
    return 3;
}

static float slope(size_t row, size_t column)
{
    return 2 + 0.1F * (float)row - 0.05F * (float)column;
}

/* What is even is in one wavelet of a map, and a slope in few; odd maps too. */
static void wavelets_keep_what_is_alike(void **state)
{
    static const struct shape maps[] = {{.rank = 4, .dims = {2, 3, 32, 32}},
                                        {.rank = 4, .dims = {2, 3, 32, 27}},
                                        {.rank = 4, .dims = {1, 2, 21, 13}}};

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        double flat = lost_by("sparse:10%/haar", &maps[i], even);

        assert_true(flat < (i == 0 ? 1e-12 : 0.01));
        assert_true(lost_by("sparse:10%/haar", &maps[i], slope) < 0.02);
        assert_true(lost_by("sparse:10%", &maps[i], slope) > 0.5);
        assert_true(lost_by("sparse:100%/haar", &maps[i], slope) < 1e-12);
    }
}

/* Of a map of 1 with -7 in a corner the wavelets of the corner are 4, and the
 * sum of all is 2, which says more of it: the one that is kept. */
static void wavelets_count_by_their_area(void **state)
{
    static const struct shape map = {.rank = 4, .dims = {1, 1, 4, 4}};
    struct coded c;

    (void)state;
    coded_init(&c, "sparse:1%/haar", &map);
    for (size_t i = 0; i < c.n; i++) {
        c.values[i] = i == 15 ? -7 : 1;
    }
    there_and_back(&c);
    for (size_t i = 0; i < c.n; i++) {
        assert_float_equal(c.back[i], 0.5F, 1e-6F);
    }
    coded_deinit(&c);
}

/* ---- how many bytes ------------------------------------------------------ */

static double share_of(const char *text, bool relu)
{
    struct coded c;
    double share;

    coded_init(&c, text, &shapes[0]);
    fill(&c, 11, relu);
    there_and_back(&c);
    share = (double)c.size / (double)(c.n * sizeof(float));
    coded_deinit(&c);
    return share;
}

static void bytes_really_shrink(void **state)
{
    (void)state;
    assert_true(share_of("fp16", false) == 0.5);
    assert_true(share_of("q8", false) < 0.26);
    assert_true(share_of("q4", false) < 0.128);
    assert_true(share_of("q2", false) < 0.066);
    assert_true(share_of("q4+runs", true) < 0.1);
    assert_true(share_of("q4+runs", false) <= share_of("q4", false) + 1e-4);
    assert_true(share_of("sparse:10%", false) < 0.14);
    assert_true(share_of("sparse:10%+q8", false) < 0.06);
    assert_true(share_of("q8+zstd", true) < share_of("q8", true));
}

/* ---- names and numbers --------------------------------------------------- */

static void names_and_numbers_say_the_same(void **state)
{
    (void)state;
    for (size_t k = 0; k < TEXTS; k++) {
        struct codec codec;
        struct codec again;
        char text[CODEC_TEXT];

        assert_int_equal(codec_parse(texts[k], &codec, NULL), 0);
        assert_string_equal(codec_text(&codec, text), texts[k]);
        assert_int_equal(codec_from_id(codec_id(&codec), &again), 0);
        assert_int_equal(codec_id(&again), codec_id(&codec));
        assert_int_equal(codec_is_plain(&codec), k == 0);
    }
}

static void other_words_are_refused(void **state)
{
    static const char *const bad[] = {
        "",
        "q9",
        "q7",
        "q16+runs",
        "q8/row",
        "fp16+runs",
        "q2+runs",
        "q8+",
        "+zstd",
        "zstd",
        "q8+zstd+runs",
        "sparse:0%",
        "sparse:101%",
        "sparse:10",
        "sparse:10%/",
        "sparse:10%/channel",
        "sparse:10%/haar/haar",
        "q8/haar",
        "sparse:x%",
        "q8+sparse:10%",
        "fp16/channel",
        "sparse:10%+q8/channel",
        "q8+q4",
        "sparse:10%+fp16+q8",
        "q8+runs+runs",
    };

    (void)state;
    for (size_t k = 0; k < sizeof(bad) / sizeof(bad[0]); k++) {
        struct codec codec;
        struct err err;

        if (codec_parse(bad[k], &codec, &err) != EDGE_EINVAL) {
            fail_msg("\"%s\" was taken", bad[k]);
        }
        assert_non_null(strstr(err.text, "codec \""));
    }
}

static void other_numbers_are_refused(void **state)
{
    struct codec codec;

    (void)state;
    assert_int_equal(codec_from_id(10, &codec), EDGE_EUNSUPPORTED);
    assert_int_equal(codec_from_id(3u << 4 | 2, &codec), EDGE_EUNSUPPORTED);
    assert_int_equal(codec_from_id(1u << 9, &codec), EDGE_EUNSUPPORTED);
    assert_int_equal(codec_from_id(1u << 6, &codec), EDGE_EUNSUPPORTED);
}

/* ---- hostile bytes ------------------------------------------------------- */

static void truncated_bytes_are_refused(void **state)
{
    (void)state;
    for (size_t k = 0; k < TEXTS; k++) {
        struct coded c;

        coded_init(&c, texts[k], &shapes[1]);
        fill(&c, k, true);
        there_and_back(&c);
        for (size_t n = 0; n < c.size; n++) {
            if (c.codec.kind == CODEC_BITS && !c.codec.zstd &&
                (n == (c.n + 7) / 8 || n == (c.n + 3) / 4)) {
                continue; /* so long are signs */
            }
            assert_int_equal(
                codec_decode(&c.codec, c.bytes, n, c.shape, c.back, &c.err),
                EDGE_ECORRUPT);
        }
        coded_deinit(&c);
    }
}

static void flipped_bits_harm_nothing_else(void **state)
{
    struct rng rng;

    (void)state;
    rng_init(&rng, 9);
    for (size_t k = 0; k < TEXTS * 40; k++) {
        struct coded c;
        int rc;

        coded_init(&c, texts[k % TEXTS], &shapes[1]);
        fill(&c, k, true);
        there_and_back(&c);
        for (int i = 0; i < 3; i++) {
            c.bytes[rng_below(&rng, c.size)] ^=
                (uint8_t)(1u << rng_below(&rng, 8));
        }
        rc = codec_decode(&c.codec, c.bytes, c.size, c.shape, c.back, &c.err);
        assert_true(rc == 0 || rc == EDGE_ECORRUPT);
        coded_deinit(&c);
    }
}

/* Of what Sign makes a bit a value, with zeros two; of anything else all. */
static void signs_take_a_bit_each(void **state)
{
    static const struct shape shape = {.rank = 1, .dims = {1027}};
    struct coded c;

    (void)state;
    coded_init(&c, "bits", &shape);
    for (size_t i = 0; i < c.n; i++) {
        c.values[i] = i % 3 == 0 ? 1.0f : -1.0f;
    }
    there_and_back(&c);
    assert_int_equal(c.size, 129);
    assert_memory_equal(c.values, c.back, c.n * sizeof(float));
    c.values[1026] = 0;
    there_and_back(&c);
    assert_int_equal(c.size, 257);
    assert_memory_equal(c.values, c.back, c.n * sizeof(float));
    c.bytes[0] |= 3; /* no sign */
    assert_int_equal(
        codec_decode(&c.codec, c.bytes, c.size, c.shape, c.back, &c.err),
        EDGE_ECORRUPT);
    c.values[3] = -0.0f; /* not the zero that two bits stand for */
    there_and_back(&c);
    assert_int_equal(c.size, 1027 * 4);
    assert_memory_equal(c.values, c.back, c.n * sizeof(float));
    coded_deinit(&c);
}

static void few_signs_are_told_apart(void **state)
{
    (void)state;
    for (int n = 1; n <= 9; n++) {
        struct shape shape = {.rank = 1, .dims = {n}};
        struct coded c;

        coded_init(&c, "bits", &shape);
        for (int zero = 0; zero <= n; zero++) {
            for (int i = 0; i < n; i++) {
                c.values[i] = i == zero ? 0.0f : i % 2 ? 1.0f : -1.0f;
            }
            there_and_back(&c);
            assert_memory_equal(c.values, c.back, c.n * sizeof(float));
        }
        coded_deinit(&c);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_come_back_within_the_bound),
        cmocka_unit_test(constants_come_back_as_they_are),
        cmocka_unit_test(the_same_again_is_the_same),
        cmocka_unit_test(what_is_no_number_harms_no_other),
        cmocka_unit_test(sparse_keeps_the_largest),
        cmocka_unit_test(each_sample_keeps_its_share),
        cmocka_unit_test(wavelets_keep_what_is_alike),
        cmocka_unit_test(wavelets_count_by_their_area),
        cmocka_unit_test(bytes_really_shrink),
        cmocka_unit_test(signs_take_a_bit_each),
        cmocka_unit_test(few_signs_are_told_apart),
        cmocka_unit_test(names_and_numbers_say_the_same),
        cmocka_unit_test(other_words_are_refused),
        cmocka_unit_test(other_numbers_are_refused),
        cmocka_unit_test(truncated_bytes_are_refused),
        cmocka_unit_test(flipped_bits_harm_nothing_else),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
