/* Arithmetic, comparison and choice, through plans. */
#include "tests/lib/model.h"
#include "tests/lib/planned.h"
#include "tests/lib/unit.h"

#include "base/rng.h"

#include <math.h>

/* out = a op b with inputs of one type. */
static void pair(struct planned *p, enum op_kind kind, enum dtype dtype, int n)
{
    int a = model_input(p->graph, "a", dtype, DIMS(n));
    int b = model_input(p->graph, "b", dtype, DIMS(n));

    model_output(p->graph, model_op(p->graph, kind, "y", IN(a, b)));
}

/* ---- integers
 * ----------------------------------------------------------------- */

static void test_division_cuts_off(void **state)
{
    struct planned *p = *state;

    pair(p, OP_DIV, DTYPE_I32, 4);
    planned_fill(p, 0, WANTED(7, -7, 7, 5));
    planned_fill(p, 1, WANTED(2, 2, -2, 0));
    planned_gives(p, 0, WANTED(3, -3, -3, 0));
}

static void test_the_least_integer_by_minus_one(void **state)
{
    struct planned *p = *state;

    pair(p, OP_DIV, DTYPE_I32, 1);
    planned_fill(p, 0, WANTED(INT32_MIN));
    planned_fill(p, 1, WANTED(-1));
    planned_gives(p, 0, WANTED(INT32_MIN));
}

static void test_sums_wrap_around(void **state)
{
    struct planned *p = *state;

    pair(p, OP_ADD, DTYPE_U8, 2);
    planned_fill(p, 0, WANTED(250, 1));
    planned_fill(p, 1, WANTED(10, 1));
    planned_gives(p, 0, WANTED(4, 2));
}

static void test_products_of_uint16_wrap_around(void **state)
{
    struct planned *p = *state;

    pair(p, OP_MUL, DTYPE_U16, 1);
    planned_fill(p, 0, WANTED(65535));
    planned_fill(p, 1, WANTED(65535));
    planned_gives(p, 0, WANTED(1));
}

static void test_mod_has_the_sign_of_the_divisor(void **state)
{
    struct planned *p = *state;

    pair(p, OP_MOD, DTYPE_I64, 5);
    planned_fill(p, 0, WANTED(7, -7, 7, -7, 6));
    planned_fill(p, 1, WANTED(3, 3, -3, -3, 0));
    planned_gives(p, 0, WANTED(1, 2, -2, -1, 0));
}

static void test_fmod_has_the_sign_of_the_dividend(void **state)
{
    struct planned *p = *state;

    pair(p, OP_MOD, DTYPE_F32, 4);
    model_set_int(p->graph, "fmod", 1);
    planned_fill(p, 0, WANTED(7.5, -7.5, 7.5, -7.5));
    planned_fill(p, 1, WANTED(3, 3, -3, -3));
    planned_gives(p, 0, WANTED(1.5, -1.5, 1.5, -1.5));
}

static void test_mod_of_floats_needs_fmod(void **state)
{
    struct planned *p = *state;

    pair(p, OP_MOD, DTYPE_F32, 2);
    planned_refused(p, EDGE_EUNSUPPORTED, "float32");
}

static void test_integer_powers_are_exact(void **state)
{
    struct planned *p = *state;

    pair(p, OP_POW, DTYPE_I64, 4);
    planned_fill(p, 0, WANTED(3, -2, 2, 5));
    planned_fill(p, 1, WANTED(20, 31, -1, 0));
    planned_gives(p, 0, WANTED(3486784401, -2147483648.0, 0, 1));
}

static void test_a_power_has_the_type_of_its_base(void **state)
{
    struct planned *p = *state;
    int a = model_input(p->graph, "a", DTYPE_I32, DIMS(2));
    int b = model_input(p->graph, "b", DTYPE_F32, DIMS(2));

    model_output(p->graph, model_op(p->graph, OP_POW, "y", IN(a, b)));
    planned_fill(p, 0, WANTED(9, 2));
    planned_fill(p, 1, WANTED(0.5, 2.5));
    planned_gives(p, 0, WANTED(3, 5));
    assert_int_equal(p->out[0].dtype, DTYPE_I32);
}

/* ---- broadcasting
 * ---------------------------------------------------------------- */

static struct shape random_shape(struct rng *rng)
{
    struct shape s = {.rank = 1 + (int)rng_below(rng, 5)};

    for (int i = 0; i < s.rank; i++) {
        s.dims[i] = 1 + (int64_t)rng_below(rng, 5);
    }
    return s;
}

/* A shape that broadcasts to `s`: fewer dimensions, some of them 1. */
static struct shape narrower(struct rng *rng, const struct shape *s)
{
    struct shape n = {.rank = (int)rng_below(rng, (uint64_t)s->rank + 1)};

    for (int i = 0; i < n.rank; i++) {
        int64_t dim = s->dims[s->rank - n.rank + i];

        n.dims[i] = rng_below(rng, 3) == 0 ? 1 : dim;
    }
    return n;
}

/* Where element `i` of `out` is in a tensor of shape `in`. */
static int64_t place(const struct shape *out, const struct shape *in, int64_t i)
{
    int64_t at = 0;
    int64_t stride = 1;

    for (int k = out->rank - 1; k >= 0; k--) {
        int64_t index = i % out->dims[k];
        int m = k - (out->rank - in->rank);

        i /= out->dims[k];
        if (m >= 0) {
            at += in->dims[m] == 1 ? 0 : index * stride;
            stride *= in->dims[m];
        }
    }
    return at;
}

/* Builds `kind` over inputs of the shapes, runs it and calls each element. */
static void check_broadcast(enum op_kind kind, const struct shape *shapes,
                            int n, double (*wanted)(const double *v))
{
    struct planned *p;
    int in[3];

    assert_int_equal(planned_set_up((void **)&p), 0);
    for (int i = 0; i < n; i++) {
        enum dtype dtype = kind == OP_WHERE && i == 0 ? DTYPE_BOOL : DTYPE_F32;

        in[i] =
            model_input(p->graph, NULL, dtype, shapes[i].rank, shapes[i].dims);
    }
    model_output(p->graph, model_op(p->graph, kind, "y", n, in));
    planned_make(p);
    for (int64_t i = 0; n == 3 && i < tensor_count(&p->in[0]); i++) {
        planned_put(&p->in[0], i, (double)(i % 3 == 0));
    }
    planned_run(p);
    for (int64_t i = 0; i < tensor_count(&p->out[0]); i++) {
        double v[3];

        for (int k = 0; k < n; k++) {
            v[k] =
                tensor_get(&p->in[k], place(&p->out[0].shape, &shapes[k], i));
        }
        assert_true(tensor_get(&p->out[0], i) == wanted(v));
    }
    (void)planned_tear_down((void **)&p);
}

static double minus(const double *v)
{
    return v[0] - v[1];
}

static double choice(const double *v)
{
    return v[0] != 0 ? v[1] : v[2];
}

static double more(const double *v)
{
    return v[0] > v[1];
}

static double sum_of_3(const double *v)
{
    return v[0] + v[1] + v[2];
}

static void test_random_shapes_broadcast(void **state)
{
    struct rng rng;

    (void)state;
    rng_init(&rng, 3);
    for (int round = 0; round < 200; round++) {
        struct shape whole = random_shape(&rng);
        struct shape s[3] = {narrower(&rng, &whole), narrower(&rng, &whole),
                             narrower(&rng, &whole)};

        s[rng_below(&rng, 3)] = whole;
        check_broadcast(OP_WHERE, s, 3, choice);
        s[rng_below(&rng, 2)] = whole;
        check_broadcast(OP_SUB, s, 2, minus);
        check_broadcast(OP_GREATER, s, 2, more);
    }
}

static void test_sums_of_many_broadcast(void **state)
{
    struct shape s[3] = {{1, {3}}, {2, {2, 1}}, {3, {4, 1, 3}}};

    (void)state;
    check_broadcast(OP_SUM, s, 3, sum_of_3);
}

/* ---- many inputs
 * ----------------------------------------------------------------- */

static void many(struct planned *p, enum op_kind kind)
{
    int a = model_input(p->graph, "a", DTYPE_F32, DIMS(2));
    int b = model_input(p->graph, "b", DTYPE_F32, DIMS(2));
    int c = model_input(p->graph, "c", DTYPE_F32, DIMS(1));

    model_output(p->graph, model_op(p->graph, kind, "y", IN(a, b, c)));
    planned_fill(p, 0, WANTED(1, 20));
    planned_fill(p, 1, WANTED(4, 5));
    planned_fill(p, 2, WANTED(10));
}

static void test_max_of_many(void **state)
{
    struct planned *p = *state;

    many(p, OP_MAX);
    planned_gives(p, 0, WANTED(10, 20));
}

static void test_mean_of_many(void **state)
{
    struct planned *p = *state;

    many(p, OP_MEAN);
    planned_gives(p, 0, WANTED(5, 35.0 / 3));
}

static void test_nan_wins_min(void **state)
{
    struct planned *p = *state;

    pair(p, OP_MIN, DTYPE_F32, 2);
    planned_fill(p, 0, WANTED(NAN, 1));
    planned_fill(p, 1, WANTED(1, NAN));
    planned_gives(p, 0, WANTED(NAN, NAN));
}

static void test_one_input_is_itself(void **state)
{
    struct planned *p = *state;
    int a = model_input(p->graph, "a", DTYPE_F32, DIMS(2));

    model_output(p->graph, model_op(p->graph, OP_MEAN, "y", IN(a)));
    planned_gives(p, 0, WANTED(1, 2));
}

/* ---- others
 * ------------------------------------------------------------------------ */

static void test_prelu_has_a_slope_a_channel(void **state)
{
    struct planned *p = *state;
    int x = model_input(p->graph, "x", DTYPE_F32, DIMS(1, 2, 2));
    int slope = model_f32(p->graph, "slope", 0.5F, 1, DIMS(2, 1));

    model_output(p->graph, model_op(p->graph, OP_PRELU, "y", IN(x, slope)));
    planned_fill(p, 0, WANTED(-2, 3, -2, 3));
    planned_gives(p, 0, WANTED(-1, 3, -3, 3));
}

static void test_clip_with_bounds_that_are_computed(void **state)
{
    struct planned *p = *state;
    int x = model_input(p->graph, "x", DTYPE_I8, DIMS(3));
    int low = model_input(p->graph, "low", DTYPE_I8, SCALAR);

    model_output(p->graph, model_op(p->graph, OP_CLIP, "y", IN(x, low)));
    planned_fill(p, 0, WANTED(-100, 5, 127));
    planned_fill(p, 1, WANTED(-3));
    planned_gives(p, 0, WANTED(-3, 5, 127));
}

static void test_half_is_computed_in_float(void **state)
{
    struct planned *p = *state;
    int a = model_input(p->graph, "a", DTYPE_F16, DIMS(300));
    int b = model_input(p->graph, "b", DTYPE_F16, DIMS(1));

    model_output(p->graph, model_op(p->graph, OP_SUB, "y", IN(b, a)));
    planned_make(p);
    planned_run(p);
    for (int i = 0; i < 300; i++) {
        assert_true(tensor_get(&p->out[0], i) == -i);
    }
}

static void test_bool_has_no_order(void **state)
{
    struct planned *p = *state;

    pair(p, OP_LESS, DTYPE_BOOL, 2);
    planned_refused(p, EDGE_EUNSUPPORTED, "bool");
}

static void test_empty_tensors_are_fine(void **state)
{
    struct planned *p = *state;
    int a = model_input(p->graph, "a", DTYPE_F32, DIMS(0, 3));
    int b = model_input(p->graph, "b", DTYPE_F32, DIMS(3));

    model_output(p->graph, model_op(p->graph, OP_ADD, "y", IN(a, b)));
    planned_make(p);
    planned_run(p);
    assert_int_equal(p->out[0].shape.dims[0], 0);
}

#define TEST(f) \
    cmocka_unit_test_setup_teardown(f, planned_set_up, planned_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_division_cuts_off),
        TEST(test_the_least_integer_by_minus_one),
        TEST(test_sums_wrap_around),
        TEST(test_products_of_uint16_wrap_around),
        TEST(test_mod_has_the_sign_of_the_divisor),
        TEST(test_fmod_has_the_sign_of_the_dividend),
        TEST(test_mod_of_floats_needs_fmod),
        TEST(test_integer_powers_are_exact),
        TEST(test_a_power_has_the_type_of_its_base),
        cmocka_unit_test(test_random_shapes_broadcast),
        cmocka_unit_test(test_sums_of_many_broadcast),
        TEST(test_max_of_many),
        TEST(test_mean_of_many),
        TEST(test_nan_wins_min),
        TEST(test_one_input_is_itself),
        TEST(test_prelu_has_a_slope_a_channel),
        TEST(test_clip_with_bounds_that_are_computed),
        TEST(test_half_is_computed_in_float),
        TEST(test_bool_has_no_order),
        TEST(test_empty_tensors_are_fine),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
