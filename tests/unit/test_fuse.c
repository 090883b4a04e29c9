#include "engine/fuse.h"

#include "tests/lib/model.h"
#include "tests/lib/planned.h"
#include "tests/lib/unit.h"

#include <math.h>

/* y = Conv(x), 1x1, and perhaps more behind it. */
static int conv(struct planned *p, int x, const char *name)
{
    int w = model_f32(p->graph, NULL, 0.5F, 0.25F, DIMS(2, 2, 1, 1));

    return model_op(p->graph, OP_CONV, name, IN(x, w));
}

static int input(struct planned *p, const char *name)
{
    return model_input(p->graph, name, DTYPE_F32, DIMS(1, 2, 2, 2));
}

/* The kinds of the steps, in order. */
static void expect(struct planned *p, int output, int n,
                   const char *const *kinds)
{
    model_output(p->graph, output);
    planned_make(p);
    assert_int_equal(plan_n_times(p->plan), n);
    for (int i = 0; i < n; i++) {
        assert_string_equal(plan_times(p->plan)[i].kind, kinds[i]);
    }
    planned_run(p);
}

#define KINDS(...)                                                       \
    (int)(sizeof((const char *[]){__VA_ARGS__}) / sizeof(const char *)), \
        (const char *const[])                                            \
    {                                                                    \
        __VA_ARGS__                                                      \
    }

static void test_an_activation_is_fused(void **state)
{
    struct planned *p = *state;
    int y = conv(p, input(p, "x"), "c");

    expect(p, model_op(p->graph, OP_RELU, "y", IN(y)), KINDS("Conv+Relu"));
}

static void test_a_residual_and_its_activation_are_fused(void **state)
{
    struct planned *p = *state;
    int x = input(p, "x");
    int a = model_op(p->graph, OP_ADD, "a", IN(x, conv(p, x, "c")));

    expect(p, model_op(p->graph, OP_RELU, "y", IN(a)), KINDS("Conv+Add+Relu"));
}

static void test_a_sum_of_two_is_an_add(void **state)
{
    struct planned *p = *state;
    int x = input(p, "x");

    expect(p, model_op(p->graph, OP_SUM, "y", IN(conv(p, x, "c"), x)),
           KINDS("Conv+Sum"));
}

/* Of two products under one Add the later takes it, with the other ready. */
static void test_the_later_product_takes_the_add(void **state)
{
    struct planned *p = *state;
    int x = input(p, "x");
    int a = conv(p, x, "a");
    int b = conv(p, x, "b");
    int s = model_op(p->graph, OP_ADD, "s", IN(a, b));

    expect(p, model_op(p->graph, OP_RELU, "y", IN(s)),
           KINDS("Conv", "Conv+Add+Relu"));
    assert_string_equal(plan_times(p->plan)[0].op, "a");
}

/* The residual is made after the product: the step waits for it. */
static void test_a_late_residual_is_waited_for(void **state)
{
    struct planned *p = *state;
    int x = input(p, "x");
    int c = conv(p, x, "c");
    int e = model_op(p->graph, OP_EXP, "e", IN(x));

    expect(p, model_op(p->graph, OP_ADD, "y", IN(c, e)),
           KINDS("Exp", "Conv+Add"));
}

static void test_an_output_is_not_fused_away(void **state)
{
    struct planned *p = *state;
    int c = conv(p, input(p, "x"), "c");

    model_output(p->graph, c);
    expect(p, model_op(p->graph, OP_RELU, "y", IN(c)), KINDS("Conv", "Relu"));
}

static void test_two_readers_are_not_fused(void **state)
{
    struct planned *p = *state;
    int c = conv(p, input(p, "x"), "c");
    int r = model_op(p->graph, OP_RELU, "r", IN(c));

    expect(p, model_op(p->graph, OP_ADD, "y", IN(r, c)),
           KINDS("Conv", "Relu", "Add"));
}

static void test_a_product_added_to_itself_is_not_fused(void **state)
{
    struct planned *p = *state;
    int c = conv(p, input(p, "x"), "c");

    expect(p, model_op(p->graph, OP_ADD, "y", IN(c, c)), KINDS("Conv", "Add"));
}

static void test_a_bias_is_no_residual(void **state)
{
    struct planned *p = *state;
    int c = conv(p, input(p, "x"), "c");
    int b = model_f32(p->graph, "b", 1, 1, DIMS(2, 1, 1));

    expect(p, model_op(p->graph, OP_ADD, "y", IN(c, b)), KINDS("Conv", "Add"));
}

static void test_a_bound_that_is_computed_is_not_fused(void **state)
{
    struct planned *p = *state;
    int low = model_input(p->graph, "low", DTYPE_F32, SCALAR);
    int c = conv(p, input(p, "x"), "c");

    expect(p, model_op(p->graph, OP_CLIP, "y", IN(c, low)),
           KINDS("Conv", "Clip"));
}

/* ONNX files of ours may hold a bound as ConstantOfShape. */
static void test_a_bound_made_of_constants_is_fused(void **state)
{
    struct planned *p = *state;
    int empty = model_const(p->graph, "empty", DTYPE_I64, DIMS(0));
    int low = model_op(p->graph, OP_CONSTANT_OF_SHAPE, "low", IN(empty));
    int c = conv(p, input(p, "x"), "c");

    expect(p, model_op(p->graph, OP_CLIP, "y", IN(c, low)), KINDS("Conv+Clip"));
}

/* Without a lower bound even -infinity comes through, fused or not. */
static void test_a_missing_bound_is_none(void **state)
{
    struct planned *p = *state;
    int six = model_f32(p->graph, "six", 6, 0, SCALAR);
    int c = conv(p, input(p, "x"), "c");
    int y = model_op(p->graph, OP_CLIP, "y", IN(c, -1, six));

    model_output(p->graph, y);
    planned_make(p);
    planned_put(&p->in[0], 0, -INFINITY);
    planned_run(p);
    assert_true(tensor_get(&p->out[0], 0) < 0);
    assert_true(isinf(tensor_get(&p->out[0], 0)));
    assert_true(tensor_get(&p->out[0], 7) == 6);
}

#define TEST(f) \
    cmocka_unit_test_setup_teardown(f, planned_set_up, planned_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_an_activation_is_fused),
        TEST(test_a_residual_and_its_activation_are_fused),
        TEST(test_a_sum_of_two_is_an_add),
        TEST(test_the_later_product_takes_the_add),
        TEST(test_a_late_residual_is_waited_for),
        TEST(test_an_output_is_not_fused_away),
        TEST(test_two_readers_are_not_fused),
        TEST(test_a_product_added_to_itself_is_not_fused),
        TEST(test_a_bias_is_no_residual),
        TEST(test_a_bound_that_is_computed_is_not_fused),
        TEST(test_a_bound_made_of_constants_is_fused),
        TEST(test_a_missing_bound_is_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
