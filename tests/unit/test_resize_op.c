/* Resize through plans. ONNX's vectors cover its modes; here is what they
 * leave out. */
#include "tests/lib/model.h"
#include "tests/lib/planned.h"
#include "tests/lib/unit.h"

#include <math.h>

#define TEST(f) \
    cmocka_unit_test_setup_teardown(f, planned_set_up, planned_tear_down)

struct asked {
    enum dtype dtype;
    const char *mode;
    const char *at;
};

/* A resize of (2, `from`) to (2, `to`). */
static void resize(struct planned *p, struct asked a, int64_t from, int64_t to)
{
    int x = model_input(p->graph, "x", a.dtype, DIMS(2, from));
    int sizes = model_ints(p->graph, "sizes", DIMS(2, to));

    model_output(p->graph,
                 model_op(p->graph, OP_RESIZE, "y", IN(x, -1, -1, sizes)));
    model_set_string(p->graph, "mode", a.mode);
    model_set_string(p->graph, "coordinate_transformation_mode", a.at);
}

static void test_linear_between_corners(void **state)
{
    struct planned *p = *state;

    resize(p, (struct asked){DTYPE_F32, "linear", "align_corners"}, 2, 3);
    planned_gives(p, 0, WANTED(1, 1.5, 2, 3, 3.5, 4));
}

static void test_integers_are_rounded(void **state)
{
    struct planned *p = *state;

    resize(p, (struct asked){DTYPE_U8, "linear", "align_corners"}, 2, 4);
    planned_fill(p, 0, WANTED(0, 255, 10, 20));
    planned_gives(p, 0, WANTED(0, 85, 170, 255, 10, 13, 17, 20));
}

static void test_cubic_integers_stay_in_range(void **state)
{
    struct planned *p = *state;

    resize(p, (struct asked){DTYPE_U8, "cubic", "half_pixel"}, 4, 8);
    planned_fill(p, 0, WANTED(0, 0, 255, 255, 255, 255, 0, 0));
    planned_run(p);
    assert_true(tensor_get(&p->out[0], 1) == 0);
    assert_true(tensor_get(&p->out[0], 6) == 255);
}

static void test_nearest_of_any_type(void **state)
{
    static const enum dtype types[] = {DTYPE_I8, DTYPE_F16, DTYPE_I32,
                                       DTYPE_F64};

    (void)state;
    for (int i = 0; i < 4; i++) {
        struct planned *p;

        assert_int_equal(planned_set_up((void **)&p), 0);
        resize(p, (struct asked){types[i], "nearest", "asymmetric"}, 2, 4);
        model_set_string(p->graph, "nearest_mode", "floor");
        planned_gives(p, 0, WANTED(1, 1, 2, 2, 3, 3, 4, 4));
        (void)planned_tear_down((void **)&p);
    }
}

static void test_half_is_computed_in_float(void **state)
{
    struct planned *p = *state;

    resize(p, (struct asked){DTYPE_F16, "linear", "align_corners"}, 2, 3);
    planned_gives(p, 0, WANTED(1, 1.5, 2, 3, 3.5, 4));
}

static void test_double_stays_double(void **state)
{
    struct planned *p = *state;

    resize(p, (struct asked){DTYPE_F64, "linear", "align_corners"}, 2, 3);
    planned_fill(p, 0, WANTED(1, 1 + 1e-12, 0, 0));
    planned_run(p);
    assert_true(tensor_get(&p->out[0], 1) == 1 + 0.5e-12);
}

static void test_the_same_size_is_a_copy(void **state)
{
    struct planned *p = *state;

    resize(p, (struct asked){DTYPE_F32, "cubic", "half_pixel"}, 3, 3);
    planned_gives(p, 0, WANTED(1, 2, 3, 4, 5, 6));
}

static void test_both_axes(void **state)
{
    struct planned *p = *state;
    int x = model_input(p->graph, "x", DTYPE_F32, DIMS(1, 1, 2, 2));
    int sizes = model_ints(p->graph, "sizes", DIMS(1, 1, 3, 3));

    model_output(p->graph,
                 model_op(p->graph, OP_RESIZE, "y", IN(x, -1, -1, sizes)));
    model_set_string(p->graph, "mode", "linear");
    model_set_string(p->graph, "coordinate_transformation_mode",
                     "align_corners");
    planned_gives(p, 0, WANTED(1, 1.5, 2, 2, 2.5, 3, 3, 3.5, 4));
}

/* What lies outside has the value that was asked for, in both directions. */
static void test_crop_beyond_the_ends(void **state)
{
    struct planned *p = *state;
    int x = model_input(p->graph, "x", DTYPE_F32, DIMS(2, 2));
    int roi = model_f32(p->graph, "roi", 0, 0, DIMS(4));
    int sizes = model_ints(p->graph, "sizes", DIMS(2, 3));
    float *region = p->graph->values[roi].data.data;

    region[2] = 1; /* rows 0 to 1, columns 0 to 2 */
    region[3] = 2;
    model_output(p->graph,
                 model_op(p->graph, OP_RESIZE, "y", IN(x, roi, -1, sizes)));
    model_set_string(p->graph, "mode", "linear");
    model_set_string(p->graph, "coordinate_transformation_mode",
                     "tf_crop_and_resize");
    model_set_float(p->graph, "extrapolation_value", 7);
    planned_gives(p, 0, WANTED(1, 2, 7, 3, 4, 7));
}

/* An infinity beside a weight of 0 does not become NaN. */
static void test_infinity_stays_where_it_is(void **state)
{
    struct planned *p = *state;

    resize(p, (struct asked){DTYPE_F32, "linear", "align_corners"}, 2, 3);
    planned_fill(p, 0, WANTED(1, INFINITY, 3, 4));
    planned_run(p);
    assert_true(tensor_get(&p->out[0], 0) == 1);
    assert_true(isinf(tensor_get(&p->out[0], 1)));
}

static void test_an_unknown_mode_is_refused(void **state)
{
    struct planned *p = *state;

    resize(p, (struct asked){DTYPE_F32, "lanczos", "half_pixel"}, 2, 3);
    planned_refused(p, EDGE_EUNSUPPORTED, "lanczos");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_linear_between_corners),
        TEST(test_integers_are_rounded),
        TEST(test_cubic_integers_stay_in_range),
        TEST(test_nearest_of_any_type),
        TEST(test_half_is_computed_in_float),
        TEST(test_double_stays_double),
        TEST(test_the_same_size_is_a_copy),
        TEST(test_both_axes),
        TEST(test_crop_beyond_the_ends),
        TEST(test_infinity_stays_where_it_is),
        TEST(test_an_unknown_mode_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
