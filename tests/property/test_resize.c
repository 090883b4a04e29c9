/*
 * resize_box() against the definition of the filter, written out slowly in
 * double precision: random pictures, parts and sizes, narrow ones included.
 */
#include "tests/lib/unit.h"

#include "base/mem.h"
#include "base/rng.h"
#include "image/resize.h"

#include <math.h>
#include <stdlib.h>

#define CASES 1500

/* The weighted mean of line[0], line[step], ... (n of them) for output `at`:
 * a triangle around its centre, at least one pixel to each side; pixels beyond
 * the line do not count. */
static double mean(const double *line, int n, int step, double from,
                   double scale, int at)
{
    double centre = from + (at + 0.5) * scale;
    double reach = fmax(scale, 1);
    double sum = 0;
    double weights = 0;

    for (int i = 0; i < n; i++) {
        double w = 1 - fabs(i + 0.5 - centre) / reach;

        if (w > 0) {
            sum += w * line[(size_t)i * (size_t)step];
            weights += w;
        }
    }
    return sum / weights;
}

/* out (height,width) of one gray picture. */
static void resize_slowly(const struct image *in, const struct resize_box *box,
                          int width, int height, double *out)
{
    size_t n = (size_t)in->width * (size_t)in->height;
    double *level = mem_array(double, n);
    double *wide = mem_array(double, (size_t)width *(size_t)in->height);

    assert_non_null(level);
    assert_non_null(wide);
    for (size_t i = 0; i < n; i++) {
        level[i] = in->pixels[i];
    }
    for (int y = 0; y < in->height; y++) {
        for (int x = 0; x < width; x++) {
            wide[y * width + x] = mean(level + y * in->width, in->width, 1,
                                       box->left, box->width / width, x);
        }
    }
    for (int y = 0; y < height; y++) {
        for (int x = 0; x < width; x++) {
            out[y * width + x] = mean(wide + x, in->height, width, box->top,
                                      box->height / height, y);
        }
    }
    mem_free(level);
    mem_free(wide);
}

static void random_picture(struct rng *rng, struct image *image)
{
    int most = rng_below(rng, 4) == 0 ? 300 : 40;
    int width = 1 + (int)rng_below(rng, (uint64_t)most);
    int height = 1 + (int)rng_below(rng, (uint64_t)most);

    assert_int_equal(image_init(image, width, height, 1), 0);
    for (int i = 0; i < width * height; i++) {
        image->pixels[i] = (uint8_t)rng_next(rng);
    }
}

static struct resize_box random_box(struct rng *rng, const struct image *in)
{
    struct resize_box box = {0, 0, in->width, in->height};

    if (rng_below(rng, 3) > 0) {
        box.left = rng_unit(rng) * 0.6 * in->width;
        box.top = rng_unit(rng) * 0.6 * in->height;
        box.width = (in->width - box.left) * (0.1 + 0.9 * rng_unit(rng));
        box.height = (in->height - box.top) * (0.1 + 0.9 * rng_unit(rng));
    }
    return box;
}

static void compare(struct rng *rng, unsigned number)
{
    struct image in;
    struct image out;
    struct resize_box box;
    int width = 1 + (int)rng_below(rng, 80);
    int height = 1 + (int)rng_below(rng, 80);
    double *want = mem_array(double, (size_t)width *(size_t)height);

    assert_non_null(want);
    random_picture(rng, &in);
    box = random_box(rng, &in);
    assert_int_equal(resize_box(&in, &box, width, height, &out, NULL), 0);
    resize_slowly(&in, &box, width, height, want);
    for (int i = 0; i < width * height; i++) {
        if (fabs(out.pixels[i] - want[i]) > 1) {
            fail_msg("case %u: %dx%d to %dx%d: value %d is %d, should be %f",
                     number, in.width, in.height, width, height, i,
                     out.pixels[i], want[i]);
        }
    }
    mem_free(want);
    image_deinit(&in);
    image_deinit(&out);
}

static void test_resize_is_its_definition(void **state)
{
    struct rng rng;

    (void)state;
    rng_init(&rng, 11);
    for (unsigned i = 0; i < CASES; i++) {
        compare(&rng, i);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_resize_is_its_definition),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
