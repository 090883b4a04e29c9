#include "tests/lib/golden.h"
#include "tests/lib/heap.h"
#include "tests/lib/unit.h"

#include "base/limits.h"
#include "image/decode.h"
#include "image/resize.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* The picture that tests/golden/image.py resized with Pillow. */
static int set_up(void **state)
{
    static struct image scene;
    struct err err = {""};

    if (image_read("tests/golden/image/rgb.ppm", &scene, &err) < 0) {
        fail_msg("%s", err.text);
    }
    *state = &scene;
    return 0;
}

static int tear_down(void **state)
{
    heap_heal();
    image_deinit(*state);
    return 0;
}

static struct image flat(int width, int height, int channels, uint8_t level)
{
    struct image image;

    assert_int_equal(image_init(&image, width, height, channels), 0);
    memset(image.pixels, level,
           (size_t)width * (size_t)height * (size_t)channels);
    return image;
}

/* Pillow rounds to 8 bits between its two directions, we at the end. */
static void assert_near(const char *name, struct image *image)
{
    struct tensor want = golden_tensor("image", name);
    const uint8_t *pixels = want.data;

    assert_int_equal(want.shape.dims[0], image->height);
    assert_int_equal(want.shape.dims[1], image->width);
    assert_int_equal(want.shape.dims[2], image->channels);
    for (int64_t i = 0; i < tensor_count(&want); i++) {
        if (abs(image->pixels[i] - pixels[i]) > 1) {
            fail_msg("%s: value %d is %d and should be %d", name, (int)i,
                     image->pixels[i], pixels[i]);
        }
    }
    tensor_deinit(&want);
    image_deinit(image);
}

static void test_stretch_is_pillows(void **state)
{
    struct image out;

    assert_int_equal(resize_stretch(*state, 12, 9, &out, NULL), 0);
    assert_near("stretch12x9", &out);
    assert_int_equal(resize_stretch(*state, 29, 5, &out, NULL), 0);
    assert_near("stretch29x5", &out);
    assert_int_equal(resize_stretch(*state, 64, 48, &out, NULL), 0);
    assert_near("stretch64x48", &out);
    assert_int_equal(resize_stretch(*state, 7, 40, &out, NULL), 0);
    assert_near("stretch7x40", &out);
}

static void test_crop_is_the_references(void **state)
{
    struct image out;

    assert_int_equal(resize_crop(*state, 8, 8, 0.875, &out, NULL), 0);
    assert_near("crop8", &out);
    assert_int_equal(resize_crop(*state, 14, 14, 0.875, &out, NULL), 0);
    assert_near("crop14", &out);
    assert_int_equal(resize_crop(*state, 28, 28, 0.875, &out, NULL), 0);
    assert_near("crop28", &out);
}

static void test_letterbox_is_at_the_top_left(void **state)
{
    struct image out;

    assert_int_equal(resize_letterbox(*state, 20, 20, 114, &out, NULL), 0);
    assert_near("letterbox20", &out);
}

static void test_a_pad_moves_and_does_not_scale(void **state)
{
    struct image in = flat(2, 3, 1, 9);
    struct image out;
    struct image cut;

    (void)state;
    in.pixels[0] = 7;
    assert_int_equal(resize_pad(&in, 5, 4, &out, NULL), 0);
    for (int i = 0; i < 20; i++) {
        bool is_in = i % 5 >= 1 && i % 5 < 3 && i / 5 < 3;

        assert_int_equal(out.pixels[i], i == 1 ? 7 : is_in ? 9 : 0);
    }
    assert_int_equal(resize_pad(&out, 3, 2, &cut, NULL), 0);
    for (int i = 0; i < 6; i++) { /* columns 1 to 3, rows 1 and 2 */
        assert_int_equal(cut.pixels[i], i % 3 < 2 ? 9 : 0);
    }
    image_deinit(&cut);
    image_deinit(&out);
    image_deinit(&in);
}

static void test_the_same_size_changes_nothing(void **state)
{
    const struct image *in = *state;
    struct image out;

    assert_int_equal(resize_stretch(in, in->width, in->height, &out, NULL), 0);
    assert_memory_equal(out.pixels, in->pixels,
                        (size_t)in->width * (size_t)in->height * 3);
    image_deinit(&out);
}

/* Borders included: the weight beyond the picture is made up for. */
static void test_a_flat_picture_stays_flat(void **state)
{
    static const int sizes[][2] = {{1, 1},  {3, 50}, {50, 3},
                                   {17, 9}, {64, 1}, {1, 64}};

    (void)state;
    for (int level = 0; level < 256; level += 51) {
        struct image in = flat(31, 17, 1, (uint8_t)level);

        for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
            struct image out;

            assert_int_equal(
                resize_stretch(&in, sizes[i][0], sizes[i][1], &out, NULL), 0);
            for (int p = 0; p < out.width * out.height; p++) {
                assert_int_equal(out.pixels[p], level);
            }
            image_deinit(&out);
        }
        image_deinit(&in);
    }
}

/* A checkerboard of single pixels: interpolation between two of them would
 * keep it black and white, the average over the area is gray. */
static void test_shrinking_averages_the_area(void **state)
{
    struct image in = flat(64, 64, 1, 0);
    struct image out;

    (void)state;
    for (int i = 0; i < 64 * 64; i++) {
        in.pixels[i] = (i + i / 64) % 2 != 0 ? 255 : 0;
    }
    assert_int_equal(resize_stretch(&in, 8, 8, &out, NULL), 0);
    for (int i = 0; i < 64; i++) {
        assert_in_range(out.pixels[i], 126, 129);
    }
    image_deinit(&in);
    image_deinit(&out);
}

static void test_channels_do_not_mix(void **state)
{
    struct image in = flat(40, 30, 3, 0);
    struct image out;

    (void)state;
    for (int i = 0; i < 40 * 30; i++) {
        in.pixels[3 * i + 1] = 99;
        in.pixels[3 * i + 2] = 255;
    }
    assert_int_equal(resize_crop(&in, 10, 10, 1, &out, NULL), 0);
    for (int i = 0; i < 100; i++) {
        assert_int_equal(out.pixels[3 * i], 0);
        assert_int_equal(out.pixels[3 * i + 1], 99);
        assert_int_equal(out.pixels[3 * i + 2], 255);
    }
    image_deinit(&in);
    image_deinit(&out);
}

static void test_extreme_shapes(void **state)
{
    static const int sides[][2] = {
        {1, 1}, {2, 1}, {1, LIMIT_IMAGE_SIDE}, {LIMIT_IMAGE_SIDE, 1}};

    (void)state;
    for (size_t i = 0; i < sizeof(sides) / sizeof(sides[0]); i++) {
        struct image in = flat(sides[i][0], sides[i][1], 1, 77);
        struct image out;

        assert_int_equal(resize_crop(&in, 32, 32, 0.875, &out, NULL), 0);
        assert_int_equal(out.pixels[500], 77);
        image_deinit(&out);
        assert_int_equal(resize_letterbox(&in, 32, 32, 5, &out, NULL), 0);
        assert_int_equal(out.pixels[0], 77);
        image_deinit(&out);
        assert_int_equal(resize_stretch(&in, 1, 1, &out, NULL), 0);
        assert_int_equal(out.pixels[0], 77);
        image_deinit(&out);
        image_deinit(&in);
    }
}

static void test_wide_targets_are_covered(void **state)
{
    struct image out;

    assert_int_equal(resize_crop(*state, 50, 10, 0.875, &out, NULL), 0);
    assert_int_equal(out.width, 50);
    assert_int_equal(out.height, 10);
    image_deinit(&out);
}

static void test_wrong_numbers_are_refused(void **state)
{
    static const double crops[] = {0, -1, 1.001, NAN, INFINITY};
    static const struct resize_box boxes[] = {{-1, 0, 5, 5},
                                              {0, 0, 30, 5},
                                              {0, 20, 5, 3},
                                              {0, 0, 0, 5},
                                              {NAN, 0, 5, 5}};
    struct image out;
    struct err err;

    for (size_t i = 0; i < sizeof(crops) / sizeof(crops[0]); i++) {
        assert_int_equal(resize_crop(*state, 8, 8, crops[i], &out, &err),
                         EDGE_EINVAL);
    }
    for (size_t i = 0; i < sizeof(boxes) / sizeof(boxes[0]); i++) {
        assert_int_equal(resize_box(*state, &boxes[i], 8, 8, &out, &err),
                         EDGE_EINVAL);
    }
    assert_int_equal(resize_stretch(*state, 0, 8, &out, &err), EDGE_EINVAL);
    assert_int_equal(
        resize_stretch(*state, 8, LIMIT_IMAGE_SIDE + 1, &out, &err),
        EDGE_EINVAL);
}

static int resize_once(void *arg)
{
    struct image out = {0};
    struct err err = {""};
    int rc = resize_letterbox(arg, 20, 20, 0, &out, &err);

    assert_true(rc == 0 || err.text[0] != '\0');
    image_deinit(&out);
    return rc;
}

static void test_no_memory_is_an_error(void **state)
{
    assert_true(heap_each(resize_once, *state) > 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stretch_is_pillows),
        cmocka_unit_test(test_crop_is_the_references),
        cmocka_unit_test(test_letterbox_is_at_the_top_left),
        cmocka_unit_test(test_a_pad_moves_and_does_not_scale),
        cmocka_unit_test(test_the_same_size_changes_nothing),
        cmocka_unit_test(test_a_flat_picture_stays_flat),
        cmocka_unit_test(test_shrinking_averages_the_area),
        cmocka_unit_test(test_channels_do_not_mix),
        cmocka_unit_test(test_extreme_shapes),
        cmocka_unit_test(test_wide_targets_are_covered),
        cmocka_unit_test(test_wrong_numbers_are_refused),
        cmocka_unit_test(test_no_memory_is_an_error),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
