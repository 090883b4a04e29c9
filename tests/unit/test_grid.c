#include "tests/lib/unit.h"

#include "image/grid.h"

#include <string.h>

/* A value says where it was: channel, row, column. */
static void fill(float *picture, int channels, int height, int width)
{
    for (int c = 0; c < channels; c++) {
        for (int y = 0; y < height; y++) {
            for (int x = 0; x < width; x++) {
                *picture++ = (float)(c * 10000 + y * 100 + x);
            }
        }
    }
}

/* The prototype's: of 32 x 32, sub-image 2c + r is rows 16r..16r+15 and
 * columns 10c..10c+9; the last two columns are in none. */
static void test_views_are_numbered_down_the_columns(void **state)
{
    static float picture[3 * 32 * 32];
    static float view[3 * 16 * 10];
    struct image_grid grid = {3, 2};

    (void)state;
    fill(picture, 3, 32, 32);
    for (int d = 0; d < 6; d++) {
        const float *at = view;

        grid_cut(picture, 3, 32, 32, &grid, d, view);
        for (int c = 0; c < 3; c++) {
            for (int y = 0; y < 16; y++) {
                for (int x = 0; x < 10; x++) {
                    int row = 16 * (d % 2) + y;
                    int column = 10 * (d / 2) + x;

                    assert_true(*at++ ==
                                (float)(c * 10000 + row * 100 + column));
                }
            }
        }
    }
}

static void test_what_is_left_over_is_in_no_view(void **state)
{
    float picture[5 * 7];
    float view[3 * 3 + 1];
    struct image_grid grid = {2, 1};

    (void)state;
    fill(picture, 1, 5, 7);
    view[9] = -1;
    grid_cut(picture, 1, 3, 7, &grid, 1, view);
    assert_true(view[0] == 3 && view[2] == 5 && view[8] == 205);
    assert_true(view[9] == -1); /* no more than a view was written */
}

static void test_one_view_is_the_picture(void **state)
{
    float picture[2 * 3 * 4];
    float view[2 * 3 * 4];
    struct image_grid grid = {1, 1};

    (void)state;
    fill(picture, 2, 3, 4);
    grid_cut(picture, 2, 3, 4, &grid, 0, view);
    assert_memory_equal(picture, view, sizeof(picture));
}

static void test_a_grid_is_columns_and_rows(void **state)
{
    struct image_grid grid = {0};

    (void)state;
    assert_true(grid_parse("3x2", &grid));
    assert_int_equal(grid.columns, 3);
    assert_int_equal(grid.rows, 2);
    assert_int_equal(grid_views(&grid), 6);
    assert_true(grid_parse("1x1", &grid));
}

static void test_what_is_no_grid_is_refused(void **state)
{
    static const char *const bad[] = {
        "",     "3",    "x",   "3x",   "x2",    "0x2",   "3x0",
        "3x2x", "-3x2", "3X2", "3 x2", "64x64", "999x1", "1000000x1"};
    struct image_grid grid = {7, 7};

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_false(grid_parse(bad[i], &grid));
    }
    assert_int_equal(grid.columns, 7); /* untouched */
}

static void test_a_view_is_blank_if_all_of_it_is_black(void **state)
{
    const float black[GRID_CHANNELS] = {-0.5F, 0, 2};
    float view[] = {-0.5F, -0.5F, 0, 0, 2, 2};

    (void)state;
    assert_true(grid_is_blank(view, 3, 2, black));
    assert_true(grid_is_blank(view, 1, 2, black));
    for (size_t i = 0; i < 6; i++) {
        float was = view[i];

        view[i] += 0.01F;
        assert_false(grid_is_blank(view, 3, 2, black));
        view[i] = was;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_views_are_numbered_down_the_columns),
        cmocka_unit_test(test_what_is_left_over_is_in_no_view),
        cmocka_unit_test(test_one_view_is_the_picture),
        cmocka_unit_test(test_a_grid_is_columns_and_rows),
        cmocka_unit_test(test_what_is_no_grid_is_refused),
        cmocka_unit_test(test_a_view_is_blank_if_all_of_it_is_black),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
