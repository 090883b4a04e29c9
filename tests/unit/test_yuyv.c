/* YUYV of cameras to pixels. */
#include "image/yuyv.h"

#include "base/limits.h"
#include "tests/lib/unit.h"

#include <string.h>

static struct image image;

static int tear_down(void **state)
{
    (void)state;
    image_deinit(&image);
    return 0;
}

static int decode(int width, int height, size_t stride, const uint8_t *data,
                  size_t size)
{
    struct yuyv form = {width, height, stride};

    image_deinit(&image);
    return yuyv_decode(&form, data, size, &image, NULL);
}

static void near_to(const uint8_t *got, int r, int g, int b)
{
    const int want[] = {r, g, b};

    for (int i = 0; i < 3; i++) {
        if (abs(got[i] - want[i]) > 2) {
            fail_msg("(%d, %d, %d) for (%d, %d, %d)", got[0], got[1], got[2], r,
                     g, b);
        }
    }
}

static void test_colours_are_those_of_bt_601(void **state)
{
    static const struct {
        uint8_t yuyv[4];
        int rgb[3];
    } cases[] = {
        {{16, 128, 16, 128}, {0, 0, 0}},
        {{235, 128, 235, 128}, {255, 255, 255}},
        {{126, 128, 126, 128}, {128, 128, 128}},
        {{81, 90, 81, 240}, {255, 0, 0}},
        {{145, 54, 145, 34}, {0, 255, 0}},
        {{41, 240, 41, 110}, {0, 0, 255}},
        {{0, 0, 0, 0}, {0, 135, 0}}, /* beyond: held at the ends */
        {{255, 255, 255, 255}, {255, 125, 255}},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(decode(2, 1, 4, cases[i].yuyv, 4), 0);
        near_to(image.pixels, cases[i].rgb[0], cases[i].rgb[1],
                cases[i].rgb[2]);
        near_to(image.pixels + 3, cases[i].rgb[0], cases[i].rgb[1],
                cases[i].rgb[2]);
    }
}

static void test_rows_may_be_longer_than_their_pixels(void **state)
{
    static const uint8_t data[] = {
        16,  128, 235, 128, 9, 9, /* black, white, and what is no pixel */
        235, 128, 16,  128, 9, 9,
    };

    (void)state;
    assert_int_equal(decode(2, 2, 6, data, sizeof(data)), 0);
    assert_int_equal(image.width, 2);
    assert_int_equal(image.height, 2);
    near_to(image.pixels, 0, 0, 0);
    near_to(image.pixels + 3, 255, 255, 255);
    near_to(image.pixels + 6, 255, 255, 255);
    near_to(image.pixels + 9, 0, 0, 0);
}

static void test_what_cannot_be_is_refused(void **state)
{
    static const uint8_t data[64];

    (void)state;
    assert_int_equal(decode(0, 1, 4, data, 64), EDGE_EINVAL);
    assert_int_equal(decode(3, 1, 8, data, 64), EDGE_EINVAL);
    assert_int_equal(decode(2, 0, 4, data, 64), EDGE_EINVAL);
    assert_int_equal(decode(2, -1, 4, data, 64), EDGE_EINVAL);
    assert_int_equal(decode(4, 1, 7, data, 64), EDGE_EINVAL);
    assert_int_equal(decode(2, 17, 4, data, 64), EDGE_EINVAL);
    assert_int_equal(decode(2, 2, SIZE_MAX, data, 64), EDGE_EINVAL);
    assert_int_equal(decode(LIMIT_IMAGE_SIDE + 2, 1, 1 << 20, data, 64),
                     EDGE_EINVAL);
    assert_int_equal(decode(2, 16, 4, data, 64), 0);
}

int main(void)
{
#define T(name) cmocka_unit_test_teardown(name, tear_down)
    static const struct CMUnitTest tests[] = {
        T(test_colours_are_those_of_bt_601),
        T(test_rows_may_be_longer_than_their_pixels),
        T(test_what_cannot_be_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
