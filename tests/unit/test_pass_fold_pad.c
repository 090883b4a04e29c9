#include "tests/lib/unit.h"

#include "graph/infer.h"
#include "graph/pass.h"
#include "tests/lib/heap.h"
#include "tests/lib/model.h"

static int set_up(void **state)
{
    *state = graph_new("test");
    return *state != NULL ? 0 : -1;
}

static int tear_down(void **state)
{
    heap_heal();
    graph_free(*state);
    return 0;
}

static int add_pad(struct graph *g, int n, const int64_t *pads)
{
    int x = model_input(g, "x", DTYPE_F32, DIMS(1, 2, 8, 8));

    return model_op(g, OP_PAD, "pad", IN(x, model_ints(g, NULL, n, pads)));
}

static int add_conv(struct graph *g, int x)
{
    int y = model_op(g, OP_CONV, "y",
                     IN(x, model_f32(g, NULL, 1, 1, DIMS(3, 2, 3, 3))));

    model_output(g, y);
    return y;
}

/* Returns how many ops are left; the shape of y must not change. */
static size_t fold(struct graph *g)
{
    struct err err = {.text = ""};
    struct shape before;

    assert_int_equal(infer_graph(g, NULL), 0);
    before = model_value(g, "y")->shape;
    if (pass_fold_pad(g, &err) < 0 || graph_check(g, &err) < 0 ||
        infer_graph(g, &err) < 0) {
        fail_msg("%s", err.text);
    }
    assert_true(shape_equal(&before, &model_value(g, "y")->shape));
    return g->n_ops;
}

static void assert_pads(const struct graph *g, int64_t top, int64_t left,
                        int64_t bottom, int64_t right)
{
    int64_t pads[4] = {0};

    assert_int_equal(op_ints(&g->ops[0], "pads", pads, 4), 4);
    assert_int_equal(pads[0], top);
    assert_int_equal(pads[1], left);
    assert_int_equal(pads[2], bottom);
    assert_int_equal(pads[3], right);
}

static void test_pads_become_those_of_conv(void **state)
{
    struct graph *g = *state;

    add_conv(g, add_pad(g, DIMS(0, 0, 1, 2, 0, 0, 3, 4)));
    assert_int_equal(fold(g), 1);
    assert_pads(g, 1, 2, 3, 4);
}

static void test_pads_add_up(void **state)
{
    struct graph *g = *state;

    add_conv(g, add_pad(g, DIMS(0, 0, 1, 2, 0, 0, 3, 4)));
    model_set_ints(g, "pads", DIMS(10, 20, 30, 40));
    assert_int_equal(fold(g), 1);
    assert_pads(g, 11, 22, 33, 44);
}

static void test_valid_means_no_pads_of_its_own(void **state)
{
    struct graph *g = *state;

    add_conv(g, add_pad(g, DIMS(0, 0, 1, 1, 0, 0, 1, 1)));
    model_set_string(g, "auto_pad", "VALID");
    model_set_ints(g, "pads", DIMS(9, 9, 9, 9));
    assert_int_equal(fold(g), 1);
    assert_pads(g, 1, 1, 1, 1);
    assert_string_equal(op_string(&g->ops[0], "auto_pad", ""), "NOTSET");
}

static void test_another_reader_keeps_the_pad(void **state)
{
    struct graph *g = *state;
    int pad = add_pad(g, DIMS(0, 0, 1, 1, 0, 0, 1, 1));

    add_conv(g, pad);
    model_output(g, model_op(g, OP_RELU, "r", IN(pad)));
    assert_int_equal(fold(g), 3);
    assert_true(graph_is_input(g, g->ops[graph_find_op(g, "y")].in[0]));
}

static void test_same_pads_depend_on_the_size(void **state)
{
    struct graph *g = *state;

    add_conv(g, add_pad(g, DIMS(0, 0, 1, 1, 0, 0, 1, 1)));
    model_set_string(g, "auto_pad", "SAME_UPPER");
    assert_int_equal(fold(g), 2);
}

static void test_pads_of_channels_stay(void **state)
{
    struct graph *g = *state;
    int x = model_input(g, "x", DTYPE_F32, DIMS(1, 1, 8, 8));
    int pads = model_ints(g, NULL, DIMS(0, 0, 1, 1, 0, 1, 1, 1));

    add_conv(g, model_op(g, OP_PAD, "pad", IN(x, pads)));
    assert_int_equal(fold(g), 2);
}

static void test_negative_pads_stay(void **state)
{
    struct graph *g = *state;

    add_conv(g, add_pad(g, DIMS(0, 0, -1, 1, 0, 0, 1, 1)));
    assert_int_equal(fold(g), 2);
}

static void test_other_modes_stay(void **state)
{
    struct graph *g = *state;
    int pad = add_pad(g, DIMS(0, 0, 1, 1, 0, 0, 1, 1));

    model_set_string(g, "mode", "reflect");
    add_conv(g, pad);
    assert_int_equal(fold(g), 2);
}

static size_t fold_filled(struct graph *g, float fill)
{
    int x = model_input(g, "x", DTYPE_F32, DIMS(1, 2, 8, 8));
    int pads = model_ints(g, NULL, DIMS(0, 0, 1, 1, 0, 0, 1, 1));
    int value = model_f32(g, NULL, fill, 0, SCALAR);

    add_conv(g, model_op(g, OP_PAD, "pad", IN(x, pads, value)));
    return fold(g);
}

static void test_an_explicit_zero_is_zero(void **state)
{
    assert_int_equal(fold_filled(*state, 0), 1);
}

static void test_another_fill_stays(void **state)
{
    assert_int_equal(fold_filled(*state, 0.5f), 2);
}

static int fold_once(void *arg)
{
    struct graph *copy = NULL;
    int rc = graph_clone(arg, &copy);

    rc = rc < 0 ? rc : pass_fold_pad(copy, NULL);
    graph_free(copy);
    return rc;
}

static void test_survives_each_failing_allocation(void **state)
{
    struct graph *g = *state;

    add_conv(g, add_pad(g, DIMS(0, 0, 1, 1, 0, 0, 1, 1)));
    model_set_string(g, "auto_pad", "VALID");
    assert_int_equal(infer_graph(g, NULL), 0);
    assert_in_range(heap_each(fold_once, g), 10, 1000);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(test_pads_become_those_of_conv),
        T(test_pads_add_up),
        T(test_valid_means_no_pads_of_its_own),
        T(test_another_reader_keeps_the_pad),
        T(test_same_pads_depend_on_the_size),
        T(test_pads_of_channels_stay),
        T(test_negative_pads_stay),
        T(test_other_modes_stay),
        T(test_an_explicit_zero_is_zero),
        T(test_another_fill_stays),
        T(test_survives_each_failing_allocation),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
