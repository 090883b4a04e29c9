/*
 * augment_apply() against a plain one that writes the definitions out pixel
 * by pixel, over random sizes and choices; and the random numbers' bounds and
 * fairness.
 */
#include "tests/lib/unit.h"

#include "base/mem.h"
#include "base/rng.h"
#include "dataset/augment.h"
#include "dataset/order.h"

#include <math.h>
#include <string.h>

struct trial {
    struct image_spec input;
    struct augment_spec spec;
    uint32_t channels;
    bool has_mean;
    uint8_t *levels;
    float *mean;
};

static size_t plane(const struct trial *t)
{
    return (size_t)t->input.width * (size_t)t->input.height;
}

static void make(struct trial *t, struct rng *rng)
{
    int width = 1 + (int)rng_below(rng, 40);
    int height = 1 + (int)rng_below(rng, 40);
    size_t n;

    memset(t, 0, sizeof(*t));
    t->input = image_spec_default(width, height);
    t->input.color = (enum image_color)rng_below(rng, 3);
    t->input.range = (enum image_range)rng_below(rng, 2);
    t->channels =
        t->input.color == IMAGE_COLOR_GRAY || rng_below(rng, 3) == 0 ? 1 : 3;
    for (int c = 0; c < 3; c++) {
        t->input.mean[c] = (float)rng_unit(rng);
        t->input.std[c] = (float)(0.1 + rng_unit(rng));
    }
    t->spec = augment_none();
    t->spec.crop = (enum augment_crop)rng_below(rng, 2);
    t->spec.padding = (uint32_t)rng_below(rng, 60); /* beyond the size, too */
    t->spec.flip = 0.5;
    if (rng_below(rng, 2) == 0) {
        t->spec.brightness = rng_unit(rng) * 2;
        t->spec.contrast = rng_unit(rng);
        t->spec.saturation = rng_unit(rng);
    }
    t->has_mean = rng_below(rng, 3) == 0;
    n = plane(t) * t->channels;
    t->levels = mem_array(uint8_t, n);
    t->mean = mem_array(float, n);
    assert_true(t->levels != NULL && t->mean != NULL);
    for (size_t i = 0; i < n; i++) {
        t->levels[i] = (uint8_t)rng_next(rng);
        t->mean[i] = (float)(255 * rng_unit(rng));
    }
}

static void unmake(struct trial *t)
{
    mem_free(t->levels);
    mem_free(t->mean);
}

/* ---- the plain one, in double ---- */

/* The colour 0..1 of plane c at x, y after the cut and the flip. */
static double pixel(const struct trial *t, const struct augment *a, uint32_t c,
                    int x, int y)
{
    int column = (a->flip ? t->input.width - 1 - x : x) + a->left;
    int row = y + a->top;

    if (column < 0 || column >= t->input.width || row < 0 ||
        row >= t->input.height) {
        return 0;
    }
    return t->levels[c * plane(t) + (size_t)(row * t->input.width + column)] /
           255.0;
}

static double gray_of(const double *rgb, uint32_t channels, size_t n, size_t i)
{
    return channels == 1
               ? rgb[i]
               : 0.2989 * rgb[i] + 0.587 * rgb[n + i] + 0.114 * rgb[2 * n + i];
}

static void recolour(double *rgb, uint32_t channels, size_t n,
                     enum augment_colour kind, double factor)
{
    double mean = 0;

    for (size_t i = 0; i < n; i++) {
        mean += gray_of(rgb, channels, n, i) / (double)n;
    }
    for (size_t i = 0; i < n; i++) {
        double gray = gray_of(rgb, channels, n, i);
        double with = kind == AUGMENT_BRIGHTNESS ? 0
                      : kind == AUGMENT_CONTRAST ? mean
                                                 : gray;

        for (uint32_t c = 0; c < channels; c++) {
            double *v = &rgb[c * n + i];

            if (kind != AUGMENT_SATURATION || channels == 3) {
                *v = fmin(1, fmax(0, factor * *v + (1 - factor) * with));
            }
        }
    }
}

static void compare(const struct trial *t, const struct augment *a,
                    const double *rgb, const float *out)
{
    size_t n = plane(t);
    double unit = t->input.range == IMAGE_RANGE_UNIT ? 255 : 1;

    for (int c = 0; c < image_spec_channels(&t->input); c++) {
        size_t from = t->channels == 1                    ? 0
                      : t->input.color == IMAGE_COLOR_BGR ? (size_t)(2 - c)
                                                          : (size_t)c;

        for (size_t i = 0; i < n; i++) {
            double level = rgb[from * n + i] * 255 -
                           (t->has_mean ? t->mean[from * n + i] : 0);
            double want = (level / unit - t->input.mean[c]) / t->input.std[c];
            double got = out[(size_t)c * n + i];

            /* Values are up to 255 / 0.1 where levels are not scaled. */
            if (fabs(got - want) > (unit > 1 ? 1e-4 : 1e-2)) {
                fail_msg("channel %d place %zu: %g, not %g (flip %d)", c, i,
                         got, want, a->flip);
            }
        }
    }
}

static void check(struct trial *t, uint64_t key)
{
    const struct augment_finish finish = {&t->input, t->channels,
                                          t->has_mean ? t->mean : NULL};
    size_t n = plane(t);
    float *out = mem_array(float, 3 * n);
    double *rgb = mem_array(double, 3 * n);
    struct augment a;

    assert_true(out != NULL && rgb != NULL);
    augment_decide(&t->spec, key, t->input.width, t->input.height, &a);
    augment_apply(&a, &finish, t->levels, out);
    for (uint32_t c = 0; c < t->channels; c++) {
        for (size_t i = 0; i < n; i++) {
            rgb[c * n + i] = pixel(t, &a, c, (int)i % t->input.width,
                                   (int)i / t->input.width);
        }
    }
    for (int i = 0; i < AUGMENT_COLOURS; i++) {
        if (a.factors[a.order[i]] != 1) {
            recolour(rgb, t->channels, n, a.order[i],
                     (double)a.factors[a.order[i]]);
        }
    }
    compare(t, &a, rgb, out);
    mem_free(out);
    mem_free(rgb);
}

static void test_it_is_what_the_definitions_say(void **state)
{
    struct rng rng;

    (void)state;
    rng_init(&rng, 12);
    for (uint64_t i = 0; i < 3000; i++) {
        struct trial t;

        make(&t, &rng);
        check(&t, i);
        unmake(&t);
    }
}

/* ---- the random numbers ---- */

static void test_padded_cuts_are_as_likely(void **state)
{
    struct augment_spec spec = augment_none();
    unsigned counts[9][9] = {{0}};
    double chi = 0;

    (void)state;
    spec.crop = AUGMENT_CROP_PADDED;
    spec.padding = 4;
    for (uint64_t i = 0; i < 81000; i++) {
        struct augment a;

        augment_decide(&spec, order_key(1, 0, i, ORDER_AUGMENT), 32, 32, &a);
        assert_in_range(a.left + 4, 0, 8);
        assert_in_range(a.top + 4, 0, 8);
        counts[a.top + 4][a.left + 4]++;
    }
    for (int i = 0; i < 81; i++) {
        double d = counts[i / 9][i % 9] - 1000.0;

        chi += d * d / 1000;
    }
    assert_true(fabs(chi - 80) < 6 * sqrt(160));
}

static void test_parts_are_within_scale_and_ratio(void **state)
{
    struct augment_spec spec = augment_none();
    double smallest = 1;
    double largest = 0;

    (void)state;
    spec.crop = AUGMENT_CROP_RESIZED;
    for (uint64_t i = 0; i < 20000; i++) {
        int width = 30 + (int)(i * 7 % 400);
        int height = 30 + (int)(i * 13 % 300);
        struct augment a;
        double area;
        double ratio;

        augment_decide(&spec, order_key(1, 0, i, ORDER_AUGMENT), width, height,
                       &a);
        assert_true(a.box.left >= 0 && a.box.top >= 0);
        assert_true(a.box.left + a.box.width <= width);
        assert_true(a.box.top + a.box.height <= height);
        area = a.box.width * a.box.height / ((double)width * height);
        ratio = a.box.width / a.box.height;
        /* Rounded to whole pixels, of at least 7. */
        assert_true(ratio > 0.75 * 0.86 && ratio < 4.0 / 3 * 1.16);
        smallest = fmin(smallest, area);
        largest = fmax(largest, area);
    }
    assert_true(smallest > 0.06 && smallest < 0.1);
    assert_true(largest > 0.9);
}

/* Too narrow for any trial: the middle, of the nearest shape allowed. */
static void test_a_narrow_picture_gives_its_middle(void **state)
{
    struct augment_spec spec = augment_none();
    struct augment a;

    (void)state;
    spec.crop = AUGMENT_CROP_RESIZED;
    spec.scale[0] = 0.99;
    augment_decide(&spec, 1, 300, 10, &a);
    assert_true(a.box.height == 10 && a.box.width == 13);
    assert_true(a.box.top == 0 && a.box.left == 143);
    augment_decide(&spec, 1, 9, 400, &a);
    assert_true(a.box.width == 9 && a.box.height == 12);
    assert_true(a.box.left == 0 && a.box.top == 194);
}

static void test_flips_and_colours_are_fair(void **state)
{
    struct augment_spec spec = augment_none();
    unsigned orders[AUGMENT_COLOURS][AUGMENT_COLOURS] = {{0}};
    unsigned flips = 0;
    double sum = 0;

    (void)state;
    spec.flip = 0.25;
    spec.brightness = 0.4;
    spec.contrast = 2; /* factors are not below 0 */
    for (uint64_t i = 0; i < 40000; i++) {
        struct augment a;

        augment_decide(&spec, order_key(2, 1, i, ORDER_AUGMENT), 8, 8, &a);
        flips += a.flip;
        sum += (double)a.factors[AUGMENT_BRIGHTNESS];
        assert_true(a.factors[AUGMENT_BRIGHTNESS] >= 0.6f &&
                    a.factors[AUGMENT_BRIGHTNESS] <= 1.4f);
        assert_true(a.factors[AUGMENT_CONTRAST] >= 0 &&
                    a.factors[AUGMENT_CONTRAST] <= 3);
        assert_true(a.factors[AUGMENT_SATURATION] == 1);
        for (int k = 0; k < AUGMENT_COLOURS; k++) {
            orders[k][a.order[k]]++;
        }
    }
    assert_true(fabs(flips / 40000.0 - 0.25) < 6 * 0.433 / 200);
    assert_true(fabs(sum / 40000 - 1) < 6 * 0.231 / 200);
    for (int k = 0; k < 9; k++) {
        assert_true(fabs(orders[k / 3][k % 3] / 40000.0 - 1 / 3.0) <
                    6 * 0.4714 / 200);
    }
}

/* Another crop does not change who is flipped. */
static void test_streams_do_not_disturb_each_other(void **state)
{
    struct augment_spec one = augment_none();
    struct augment_spec other = augment_none();

    (void)state;
    one.flip = other.flip = 0.5;
    one.brightness = other.brightness = 0.5;
    other.crop = AUGMENT_CROP_RESIZED;
    for (uint64_t i = 0; i < 1000; i++) {
        struct augment a;
        struct augment b;

        augment_decide(&one, i * 977, 50, 60, &a);
        augment_decide(&other, i * 977, 50, 60, &b);
        assert_int_equal(a.flip, b.flip);
        assert_true(a.factors[0] == b.factors[0]);
    }
}

static void test_numbers_out_of_range_are_refused(void **state)
{
    struct augment_spec good = augment_none();
    struct augment_spec bad[8];
    struct err err = {""};

    (void)state;
    assert_int_equal(augment_check(&good, &err), 0);
    assert_false(augment_is_random(&good));
    for (int i = 0; i < 8; i++) {
        bad[i] = good;
    }
    bad[0].padding = 5000;
    bad[1].scale[0] = 0;
    bad[2].scale[1] = 1.5;
    bad[3].ratio[0] = 2;
    bad[4].flip = 1.01;
    bad[5].flip = NAN;
    bad[6].brightness = -0.1;
    bad[7].saturation = INFINITY;
    for (int i = 0; i < 8; i++) {
        assert_int_equal(augment_check(&bad[i], &err), EDGE_EINVAL);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_it_is_what_the_definitions_say),
        cmocka_unit_test(test_padded_cuts_are_as_likely),
        cmocka_unit_test(test_parts_are_within_scale_and_ratio),
        cmocka_unit_test(test_a_narrow_picture_gives_its_middle),
        cmocka_unit_test(test_flips_and_colours_are_fair),
        cmocka_unit_test(test_streams_do_not_disturb_each_other),
        cmocka_unit_test(test_numbers_out_of_range_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
