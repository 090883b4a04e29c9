#include "tests/lib/heap.h"
#include "tests/lib/unit.h"

#include "base/limits.h"
#include "image/image.h"

#include <string.h>

/* 3 x 2, gray: 1 2 3 above 4 5 6. */
static void fill(struct image *image)
{
    assert_int_equal(image_init(image, 3, 2, 1), 0);
    for (int i = 0; i < 6; i++) {
        image->pixels[i] = (uint8_t)(i + 1);
    }
}

static int set_up(void **state)
{
    static struct image image;

    fill(&image);
    *state = &image;
    return 0;
}

static int tear_down(void **state)
{
    heap_heal();
    image_deinit(*state);
    return 0;
}

/* EXIF says on which sides of the scene the stored first row and column are;
 * the turned pictures are written out by hand from that. */
static void test_each_orientation_turns_as_exif_says(void **state)
{
    static const struct {
        int width;
        uint8_t pixels[6];
    } turned[9] = {
        [1] = {3, {1, 2, 3, 4, 5, 6}}, [2] = {3, {3, 2, 1, 6, 5, 4}},
        [3] = {3, {6, 5, 4, 3, 2, 1}}, [4] = {3, {4, 5, 6, 1, 2, 3}},
        [5] = {2, {1, 4, 2, 5, 3, 6}}, [6] = {2, {4, 1, 5, 2, 6, 3}},
        [7] = {2, {6, 3, 5, 2, 4, 1}}, [8] = {2, {3, 6, 2, 5, 1, 4}},
    };

    (void)state;
    for (int i = 1; i <= 8; i++) {
        struct image image;

        fill(&image);
        assert_int_equal(image_orient(&image, i), 0);
        assert_int_equal(image.width, turned[i].width);
        assert_int_equal(image.height, 6 / turned[i].width);
        assert_memory_equal(image.pixels, turned[i].pixels, 6);
        image_deinit(&image);
    }
}

static void test_no_orientation_changes_nothing(void **state)
{
    static const int odd[] = {-1, 0, 1, 9, 1000};
    struct image *image = *state;

    for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
        uint8_t *pixels = image->pixels;

        assert_int_equal(image_orient(image, odd[i]), 0);
        assert_ptr_equal(image->pixels, pixels);
    }
}

static void test_turning_keeps_channels_together(void **state)
{
    static const uint8_t rgb[6] = {1, 2, 3, 4, 5, 6};
    static const uint8_t mirrored[6] = {4, 5, 6, 1, 2, 3};
    struct image image;

    (void)state;
    assert_int_equal(image_init(&image, 2, 1, 3), 0);
    memcpy(image.pixels, rgb, sizeof(rgb));
    assert_int_equal(image_orient(&image, 2), 0);
    assert_memory_equal(image.pixels, mirrored, 6);
    image_deinit(&image);
}

static void test_a_failed_turn_leaves_the_picture(void **state)
{
    struct image *image = *state;

    heap_fail_at(1);
    assert_int_equal(image_orient(image, 6), EDGE_ENOMEM);
    assert_int_equal(image->width, 3);
    assert_int_equal(image->pixels[5], 6);
}

static void test_luma_weighs_the_colours(void **state)
{
    /* 0.299 R + 0.587 G + 0.114 B */
    static const uint8_t rgb[] = {255, 0,   0,   0,  255, 0,  0, 0, 255,
                                  255, 255, 255, 10, 200, 99, 7, 7, 7};
    static const uint8_t gray[] = {76, 150, 29, 255, 132, 7};
    struct image image;
    struct image out;

    (void)state;
    assert_int_equal(image_init(&image, 6, 1, 3), 0);
    memcpy(image.pixels, rgb, sizeof(rgb));
    assert_int_equal(image_to_gray(&image, &out), 0);
    assert_int_equal(out.channels, 1);
    assert_memory_equal(out.pixels, gray, sizeof(gray));
    image_deinit(&image);
    image_deinit(&out);
}

static void test_gray_of_gray_is_refused(void **state)
{
    struct image out;

    assert_int_equal(image_to_gray(*state, &out), EDGE_EINVAL);
}

static void test_sizes_are_checked(void **state)
{
    static const int wrong[][3] = {{0, 1, 1},      {1, 0, 1},
                                   {-1, 1, 1},     {1, 1, 2},
                                   {1, 1, 4},      {LIMIT_IMAGE_SIDE + 1, 1, 1},
                                   {1, 1 << 30, 3}};
    struct image image;

    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        assert_int_equal(
            image_init(&image, wrong[i][0], wrong[i][1], wrong[i][2]),
            EDGE_EINVAL);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_orientation_turns_as_exif_says),
        cmocka_unit_test_setup_teardown(test_no_orientation_changes_nothing,
                                        set_up, tear_down),
        cmocka_unit_test(test_turning_keeps_channels_together),
        cmocka_unit_test_setup_teardown(test_a_failed_turn_leaves_the_picture,
                                        set_up, tear_down),
        cmocka_unit_test(test_luma_weighs_the_colours),
        cmocka_unit_test_setup_teardown(test_gray_of_gray_is_refused, set_up,
                                        tear_down),
        cmocka_unit_test(test_sizes_are_checked),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
