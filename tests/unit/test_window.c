#include "tests/lib/unit.h"

#include "graph/infer.h"
#include "graph/window.h"
#include "tests/lib/model.h"

static int set_up(void **state)
{
    *state = graph_new("test");
    return *state != NULL ? 0 : -1;
}

static int tear_down(void **state)
{
    graph_free(*state);
    return 0;
}

static int add_conv(struct graph *g, enum op_kind kind, int64_t side,
                    int64_t kernel)
{
    int x = model_input(g, "x", DTYPE_F32, DIMS(1, 1, side));
    int w = model_f32(g, "w", 0, 0, DIMS(1, 1, kernel));

    return model_op(g, kind, "y", IN(x, w));
}

static struct window window(struct graph *g)
{
    struct window w = {0};
    struct err err = {.text = ""};

    if (infer_graph(g, &err) < 0 || window_of(g, model_last(g), &w, &err) < 0) {
        fail_msg("%s", err.text);
    }
    assert_int_equal(w.out[0], g->values[model_last(g)->out[0]].shape.dims[2]);
    return w;
}

static void test_defaults(void **state)
{
    struct window w;

    add_conv(*state, OP_CONV, 8, 3);
    w = window(*state);
    assert_int_equal(w.n, 1);
    assert_int_equal(w.kernel[0], 3);
    assert_int_equal(w.stride[0], 1);
    assert_int_equal(w.dilation[0], 1);
    assert_int_equal(w.pad_begin[0], 0);
    assert_int_equal(w.pad_end[0], 0);
}

static void test_same_upper_pads_the_end_more(void **state)
{
    struct window w;

    add_conv(*state, OP_CONV, 8, 3);
    model_set_string(*state, "auto_pad", "SAME_UPPER");
    model_set_ints(*state, "strides", DIMS(2));
    w = window(*state);
    assert_int_equal(w.pad_begin[0], 0);
    assert_int_equal(w.pad_end[0], 1);
}

static void test_same_lower_pads_the_start_more(void **state)
{
    struct window w;

    add_conv(*state, OP_CONV, 8, 4);
    model_set_string(*state, "auto_pad", "SAME_LOWER");
    w = window(*state);
    assert_int_equal(w.pad_begin[0], 2);
    assert_int_equal(w.pad_end[0], 1);
}

static void test_same_needs_no_pads_where_strides_leave_gaps(void **state)
{
    struct window w;

    add_conv(*state, OP_CONV, 8, 1);
    model_set_string(*state, "auto_pad", "SAME_UPPER");
    model_set_ints(*state, "strides", DIMS(3));
    w = window(*state);
    assert_int_equal(w.out[0], 3);
    assert_int_equal(w.pad_begin[0] + w.pad_end[0], 0);
}

static void test_valid_ignores_pads(void **state)
{
    struct window w;

    add_conv(*state, OP_CONV, 8, 3);
    model_set_string(*state, "auto_pad", "VALID");
    model_set_ints(*state, "pads", DIMS(1, 1));
    w = window(*state);
    assert_int_equal(w.pad_begin[0], 0);
    assert_int_equal(w.out[0], 6);
}

static void test_transposed_same_upper_cuts_the_end_more(void **state)
{
    struct window w;

    add_conv(*state, OP_CONV_TRANSPOSE, 3, 3);
    model_set_string(*state, "auto_pad", "SAME_UPPER");
    model_set_ints(*state, "strides", DIMS(2));
    w = window(*state);
    assert_int_equal(w.out[0], 6);
    assert_int_equal(w.pad_begin[0], 0);
    assert_int_equal(w.pad_end[0], 1);
}

static void test_transposed_output_shape_cuts_the_start_more(void **state)
{
    struct window w;

    add_conv(*state, OP_CONV_TRANSPOSE, 3, 3);
    model_set_ints(*state, "strides", DIMS(2));
    model_set_ints(*state, "output_shape", DIMS(6));
    w = window(*state);
    assert_int_equal(w.pad_begin[0], 1);
    assert_int_equal(w.pad_end[0], 0);
}

static void test_transposed_output_shape_beyond_reach(void **state)
{
    struct window w;

    add_conv(*state, OP_CONV_TRANSPOSE, 3, 3);
    model_set_ints(*state, "strides", DIMS(3));
    model_set_ints(*state, "output_shape", DIMS(10));
    w = window(*state);
    assert_int_equal(w.out[0], 10);
    assert_int_equal(w.pad_begin[0], 0);
    assert_int_equal(w.pad_end[0], -1);
}

static void test_transposed_identity_of_pads_and_size(void **state)
{
    struct window w;

    add_conv(*state, OP_CONV_TRANSPOSE, 5, 3);
    model_set_ints(*state, "strides", DIMS(2));
    model_set_ints(*state, "pads", DIMS(1, 0));
    model_set_ints(*state, "output_padding", DIMS(1));
    w = window(*state);
    assert_int_equal(w.out[0], 2 * 4 + 1 + 3 - 1 - 0);
}

struct slice_case {
    int64_t dim, start, end, step;
    int64_t first, count;
};

static void test_slices(void **state)
{
    static const struct slice_case cases[] = {
        {10, 2, 8, 3, 2, 2},
        {10, 2, 8, 2, 2, 3},
        {10, -3, INT64_MAX, 1, 7, 3},
        {10, INT64_MIN, INT64_MAX, INT64_MAX, 0, 1},
        {10, INT64_MAX, INT64_MIN, -1, 9, 10},
        {10, INT64_MAX, INT64_MIN, INT64_MIN, 9, 1},
        {10, 8, 2, -3, 8, 2},
        {10, 8, -1, -1, 8, 0},
        {10, 12, 14, 1, 10, 0},
        {0, 0, 5, 1, 0, 0},
        {0, -1, INT64_MIN, -1, 0, 0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct slice_case *c = &cases[i];
        int64_t first;
        int64_t count;

        window_slice(c->dim, c->start, c->end, c->step, &first, &count);
        assert_int_equal(count, c->count);
        assert_int_equal(first, c->first);
    }
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(test_defaults),
        T(test_same_upper_pads_the_end_more),
        T(test_same_lower_pads_the_start_more),
        T(test_same_needs_no_pads_where_strides_leave_gaps),
        T(test_valid_ignores_pads),
        T(test_transposed_same_upper_cuts_the_end_more),
        T(test_transposed_output_shape_cuts_the_start_more),
        T(test_transposed_output_shape_beyond_reach),
        T(test_transposed_identity_of_pads_and_size),
        T(test_slices),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
