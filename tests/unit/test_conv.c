/* Convolution against its definition, bit for bit, on random geometries. */
#include "kernels/conv.h"

#include "base/mem.h"
#include "kernels/lanes.h"
#include "tests/lib/grids.h"
#include "tests/lib/numbers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

struct trial {
    struct conv_shape shape;
    size_t n_x;
    size_t n_w;
    size_t n_y;
    float *x;
    float *w;
    float *bias;
    float *residual;
    float *wanted;
    float *got;
    struct post post;
};

static void trial_init(struct trial *t, struct rng *rng,
                       const struct conv_shape *shape)
{
    *t = (struct trial){.shape = *shape};
    t->n_x = shape->batch * shape->cin * grid_in(&shape->grid);
    t->n_w =
        shape->cout * (shape->cin / shape->groups) * grid_taps(&shape->grid);
    t->n_y = shape->batch * shape->cout * grid_out(&shape->grid);
    t->x = numbers_normal(rng, t->n_x);
    t->w = numbers_normal(rng, t->n_w);
    t->bias = numbers_normal(rng, shape->cout);
    t->residual = numbers_normal(rng, t->n_y);
    t->wanted = numbers_unset(t->n_y);
    t->got = numbers_unset(t->n_y);
    t->post = numbers_any_post(rng, t->bias, t->residual);
}

static void trial_deinit(struct trial *t)
{
    mem_free(t->x);
    mem_free(t->w);
    mem_free(t->bias);
    mem_free(t->residual);
    mem_free(t->wanted);
    mem_free(t->got);
}

static float one_output(const struct trial *t, const struct isa *isa,
                        size_t image, size_t channel,
                        const size_t at[GRID_AXES])
{
    const struct conv_shape *s = &t->shape;
    size_t ins = s->cin / s->groups;
    size_t first = channel / (s->cout / s->groups) * ins;
    size_t taps = grid_taps(&s->grid);
    float v = 0;

    for (size_t c = 0; c < ins; c++) {
        const float *plane =
            t->x + (image * s->cin + first + c) * grid_in(&s->grid);

        for (size_t k = 0; k < taps; k++) {
            size_t tap[GRID_AXES];
            long i;

            grids_split(s->grid.kernel, k, tap);
            i = grids_input(&s->grid, at, tap);
            v = numbers_madd(isa, v, i >= 0 ? plane[i] : 0,
                             t->w[(channel * ins + c) * taps + k]);
        }
    }
    return v;
}

static void reference(struct trial *t, const struct isa *isa)
{
    const struct conv_shape *s = &t->shape;
    size_t out = grid_out(&s->grid);

    for (size_t i = 0; i < t->n_y; i++) {
        size_t at[GRID_AXES];
        size_t channel = i / out % s->cout;
        float v;

        grids_split(s->grid.out, i % out, at);
        v = one_output(t, isa, i / out / s->cout, channel, at);
        t->wanted[i] = numbers_post(&t->post, v, i, channel);
    }
}

static void run(struct trial *t, const struct isa *isa,
                enum conv_method *method)
{
    struct conv conv;
    float *packed;
    void *scratch;

    conv_init(&conv, isa, &t->shape);
    packed = numbers_unset(conv.packed_floats);
    scratch = mem_aligned(conv.scratch_bytes);
    assert_non_null(scratch);
    if (conv.packed_floats > 0) {
        conv_pack(&conv, t->w, packed);
    }
    conv_run(&conv, t->x, conv.packed_floats > 0 ? packed : t->w, &t->post,
             t->got, scratch);
    *method = conv.method;
    mem_free(packed);
    mem_free(scratch);
}

/* Returns how the convolution was done. */
static enum conv_method compare(uint64_t seed, const struct conv_shape *shape)
{
    enum conv_method method = CONV_COLUMNS;

    for (size_t i = 0; isa_each(i) != NULL; i++) {
        struct trial t;
        struct rng rng;

        rng_init(&rng, seed);
        trial_init(&t, &rng, shape);
        reference(&t, isa_each(i));
        run(&t, isa_each(i), &method);
        numbers_assert_same(t.got, t.wanted, t.n_y);
        trial_deinit(&t);
    }
    return method;
}

static struct conv_shape any_shape(struct rng *rng, int axes, size_t most)
{
    struct conv_shape s = {.batch = numbers_between(rng, 1, 2)};
    size_t after[GRID_AXES];

    grids_any(rng, &s.grid, after, axes, most, false);
    s.groups = numbers_between(rng, 1, 3);
    s.cin = s.groups * numbers_between(rng, 1, 5);
    s.cout = s.groups * numbers_between(rng, 1, 9);
    return s;
}

static void compare_many(int axes, size_t most, size_t n)
{
    struct rng rng;

    rng_init(&rng, 21);
    for (size_t i = 0; i < n; i++) {
        struct conv_shape s = any_shape(&rng, axes, most);

        compare(i + 1, &s);
    }
}

static void convolution_in_two_dimensions_is_exact(void **state)
{
    (void)state;
    compare_many(2, 20, 200);
}

static void convolution_in_one_dimension_is_exact(void **state)
{
    (void)state;
    compare_many(1, 60, 60);
}

static void convolution_in_three_dimensions_is_exact(void **state)
{
    (void)state;
    compare_many(3, 7, 40);
}

/* A square image and kernel, "same" padding. */
static struct conv_shape square(size_t side, size_t kernel, size_t stride,
                                size_t cin, size_t cout, size_t groups)
{
    struct conv_shape s = {
        .batch = 1, .groups = groups, .cin = cin, .cout = cout};

    grids_flat(&s.grid, 0);
    for (int a = 1; a < GRID_AXES; a++) {
        s.grid.in[a] = side;
        s.grid.kernel[a] = kernel;
        s.grid.stride[a] = stride;
        s.grid.dilation[a] = 1;
        s.grid.pad[a] = kernel / 2;
        s.grid.out[a] = (side - 1) / stride + 1;
    }
    return s;
}

static void pointwise_is_a_plain_product(void **state)
{
    struct conv_shape s = square(14, 1, 1, 96, 26, 1);

    (void)state;
    assert_int_equal(compare(1, &s), CONV_POINT);
    s = square(45, 1, 1, 16, 14, 2); /* more than one block of columns */
    assert_int_equal(compare(2, &s), CONV_POINT);
}

static void deep_convolution_crosses_blocks(void **state)
{
    struct conv_shape s = square(9, 3, 1, 100, 11, 1);

    (void)state;
    assert_int_equal(compare(3, &s), CONV_COLUMNS);
    s = square(40, 3, 2, 64, 8, 1);
    assert_int_equal(compare(4, &s), CONV_COLUMNS);
}

static void depthwise_goes_by_taps(void **state)
{
    static const size_t sides[] = {7, 14, 28, 112};

    (void)state;
    for (size_t i = 0; i < sizeof(sides) / sizeof(sides[0]); i++) {
        struct conv_shape s = square(sides[i], 3, 1, 3, 3, 3);

        assert_int_equal(compare(i, &s), CONV_DEPTHWISE);
        s = square(sides[i], 3, 2, 3, 6, 3);
        assert_int_equal(compare(i, &s), CONV_DEPTHWISE);
        s = square(sides[i], 5, 1, 2, 2, 2);
        assert_int_equal(compare(i, &s), CONV_DEPTHWISE);
    }
}

static void one_output_is_a_dense_layer(void **state)
{
    struct conv_shape s = square(1, 1, 1, 130, 70, 1);

    (void)state;
    s.batch = 3;
    assert_int_equal(compare(5, &s), CONV_DENSE);
    s = square(1, 3, 1, 5, 70, 1); /* padded all around */
    assert_int_equal(compare(6, &s), CONV_DENSE);
    s = square(1, 1, 1, 12, 20, 2);
    assert_int_equal(compare(7, &s), CONV_DENSE);
}

static void many_images_are_lanes(void **state)
{
    struct rng rng;
    size_t n = 0;

    (void)state;
    rng_init(&rng, 22);
    for (size_t i = 0; i < 120; i++) {
        int axes = (int)(1 + i % 3);
        size_t most = axes == 1 ? 30 : axes == 2 ? 9 : 5;
        struct conv_shape s = any_shape(&rng, axes, most);
        bool lanes;

        s.batch = numbers_between(&rng, 5, 40);
        s.cin *= s.cin == s.groups ? 2 : 1; /* not depthwise */
        lanes = lanes_can(&s) && grid_out(&s.grid) > 1;
        assert_int_equal(compare(i, &s) == CONV_LANES, lanes);
        n += lanes ? 1 : 0;
    }
    assert_true(n > 20);
}

/* More images than are lanes at once, more positions and channels than a
 * block has. */
static void lanes_cross_blocks(void **state)
{
    struct conv_shape s = square(20, 3, 1, 40, 24, 1);

    (void)state;
    s.batch = 24;
    assert_int_equal(compare(8, &s), CONV_LANES);
    s = square(11, 5, 2, 12, 26, 2);
    s.batch = 23;
    assert_int_equal(compare(9, &s), CONV_LANES);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(convolution_in_two_dimensions_is_exact),
        cmocka_unit_test(convolution_in_one_dimension_is_exact),
        cmocka_unit_test(convolution_in_three_dimensions_is_exact),
        cmocka_unit_test(pointwise_is_a_plain_product),
        cmocka_unit_test(deep_convolution_crosses_blocks),
        cmocka_unit_test(depthwise_goes_by_taps),
        cmocka_unit_test(one_output_is_a_dense_layer),
        cmocka_unit_test(many_images_are_lanes),
        cmocka_unit_test(lanes_cross_blocks),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
