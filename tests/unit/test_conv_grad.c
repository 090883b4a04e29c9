/* The gradient of convolutions' weights against its definition: bit for bit
 * where it is a product, nearly where it is summed up by plane. */
#include "kernels/conv_grad.h"

#include "base/mem.h"
#include "kernels/lanes.h"
#include "tests/lib/grids.h"
#include "tests/lib/numbers.h"
#include "tests/lib/unit.h"

struct trial {
    struct conv_shape shape;
    size_t n_w;
    float *x;
    float *dy;
    float *wanted;
    float *got;
};

static void trial_init(struct trial *t, struct rng *rng,
                       const struct conv_shape *s)
{
    *t = (struct trial){.shape = *s};
    t->n_w = s->cout * (s->cin / s->groups) * grid_taps(&s->grid);
    t->x = numbers_normal(rng, s->batch * s->cin * grid_in(&s->grid));
    t->dy = numbers_normal(rng, s->batch * s->cout * grid_out(&s->grid));
    t->wanted = numbers_unset(t->n_w);
    t->got = numbers_unset(t->n_w);
}

static void trial_deinit(struct trial *t)
{
    mem_free(t->x);
    mem_free(t->dy);
    mem_free(t->wanted);
    mem_free(t->got);
}

/* The i-th of all images' positions that are summed up: image by image, or,
 * by lanes, position by position of as many images as are lanes at once. */
static size_t term(const struct conv_shape *s, size_t i)
{
    size_t n_out = grid_out(&s->grid);
    size_t images = 1;
    size_t first;

    if (lanes_can(s)) {
        images = lanes_turned(s->batch, s->cin / s->groups, grid_in(&s->grid))
                     .images;
    }
    first = i / (images * n_out) * images;
    if (s->batch - first < images) {
        images = s->batch - first;
    }
    i -= first * n_out;
    return (first + i % images) * n_out + i / images;
}

/* Weight `tap` from input channel `in` (of all) to output channel `out`. */
static float one_weight(const struct trial *t, const struct isa *isa,
                        size_t out, size_t in, size_t tap)
{
    const struct conv_shape *s = &t->shape;
    size_t n_in = grid_in(&s->grid);
    size_t n_out = grid_out(&s->grid);
    size_t taps[GRID_AXES];
    float v = 0;

    grids_split(s->grid.kernel, tap, taps);
    for (size_t i = 0; i < s->batch * n_out; i++) {
        size_t from = term(s, i);
        size_t image = from / n_out;
        size_t at[GRID_AXES];
        long k;

        grids_split(s->grid.out, from % n_out, at);
        k = grids_input(&s->grid, at, taps);
        v = numbers_madd(
            isa, v, k >= 0 ? t->x[(image * s->cin + in) * n_in + (size_t)k] : 0,
            t->dy[(image * s->cout + out) * n_out + from % n_out]);
    }
    return v;
}

static void reference(struct trial *t, const struct isa *isa)
{
    const struct conv_shape *s = &t->shape;
    size_t ins = s->cin / s->groups;
    size_t outs = s->cout / s->groups;
    size_t taps = grid_taps(&s->grid);

    for (size_t i = 0; i < t->n_w; i++) {
        size_t out = i / taps / ins;

        t->wanted[i] = one_weight(t, isa, out,
                                  out / outs * ins + i / taps % ins, i % taps);
    }
}

static void compare(uint64_t seed, const struct conv_shape *shape, bool planes)
{
    struct rng rng;

    rng_init(&rng, seed);
    for (size_t i = 0; isa_each(i) != NULL; i++) {
        struct conv_grad c;
        struct trial t;
        void *scratch;

        trial_init(&t, &rng, shape);
        reference(&t, isa_each(i));
        conv_grad_init(&c, isa_each(i), shape);
        assert_int_equal(c.by_plane, planes);
        scratch = mem_aligned(c.scratch_bytes);
        assert_non_null(scratch);
        conv_grad_run(&c, t.x, t.dy, t.got, scratch);
        mem_free(scratch);
        if (planes) {
            numbers_assert_near(t.got, t.wanted, t.n_w, 1e-4);
        } else {
            numbers_assert_same(t.got, t.wanted, t.n_w);
        }
        trial_deinit(&t);
    }
}

static struct conv_shape any_shape(struct rng *rng, int axes, size_t most)
{
    struct conv_shape s = {.batch = numbers_between(rng, 1, 4)};
    size_t after[GRID_AXES];

    grids_any(rng, &s.grid, after, axes, most, false);
    s.groups = numbers_between(rng, 1, 3);
    s.cin = s.groups * numbers_between(rng, 1, 5);
    s.cout = s.groups * numbers_between(rng, 1, 19);
    return s;
}

static void products_are_exact(void **state)
{
    struct rng rng;

    (void)state;
    rng_init(&rng, 5);
    for (size_t i = 0; i < 150; i++) {
        int axes = (int)(1 + i % 3);
        size_t most = axes == 1 ? 40 : axes == 2 ? 14 : 6;
        struct conv_shape s = any_shape(&rng, axes, most);

        if (s.cin == s.groups) {
            s.cin *= 2;
        }
        compare(i, &s, false);
    }
}

static void depthwise_goes_by_plane(void **state)
{
    struct rng rng;

    (void)state;
    rng_init(&rng, 6);
    for (size_t i = 0; i < 60; i++) {
        /* The last planes have more positions than a piece of columns. */
        struct conv_shape s = any_shape(&rng, 2, i < 50 ? 17 : 60);

        s.groups = 3;
        s.cin = 3;
        s.cout = 3 * numbers_between(&rng, 1, 4);
        compare(i, &s, true);
    }
}

/* A kernel of 1: x is read as it lies where planes are large enough. */
static void points_are_exact(void **state)
{
    static const size_t sides[] = {4, 8, 17, 20, 40};

    (void)state;
    for (size_t i = 0; i < sizeof(sides) / sizeof(sides[0]); i++) {
        struct conv_shape s = {
            .batch = 3, .groups = 1 + i % 2, .cin = 14, .cout = 34};

        grids_flat(&s.grid, 0);
        for (int a = 1; a < GRID_AXES; a++) {
            s.grid.in[a] = sides[i];
            s.grid.kernel[a] = 1;
            s.grid.stride[a] = 1;
            s.grid.dilation[a] = 1;
            s.grid.pad[a] = 0;
            s.grid.out[a] = sides[i];
        }
        compare(i, &s, false);
    }
}

/* More rows, columns and positions than a block has. */
static void large_ones_cross_blocks(void **state)
{
    struct conv_shape s = {.batch = 3, .groups = 1, .cin = 17, .cout = 35};

    (void)state;
    grids_flat(&s.grid, 0);
    for (int a = 1; a < GRID_AXES; a++) {
        s.grid.in[a] = 15;
        s.grid.kernel[a] = 3;
        s.grid.stride[a] = 1;
        s.grid.dilation[a] = 1;
        s.grid.pad[a] = 1;
        s.grid.out[a] = 15;
    }
    compare(1, &s, false);
}

static void many_images_go_by_lanes(void **state)
{
    struct rng rng;
    size_t n = 0;

    (void)state;
    rng_init(&rng, 7);
    for (size_t i = 0; i < 120; i++) {
        int axes = (int)(1 + i % 3);
        struct conv_shape s = any_shape(&rng, axes,
                                        axes == 1   ? 30
                                        : axes == 2 ? 9
                                                    : 4);

        s.cin *= s.cin == s.groups ? 2 : 1;
        s.batch = numbers_between(&rng, 5, 40);
        compare(i, &s, false);
        n += lanes_can(&s) ? 1 : 0;
    }
    assert_true(n > 20);
}

/* More images, channels, outputs and positions than are taken at once. */
static void lanes_cross_blocks(void **state)
{
    struct conv_shape s = {.batch = 23, .groups = 1, .cin = 40, .cout = 35};

    (void)state;
    grids_flat(&s.grid, 0);
    for (int a = 1; a < GRID_AXES; a++) {
        s.grid.in[a] = 20;
        s.grid.kernel[a] = 3;
        s.grid.stride[a] = 2;
        s.grid.dilation[a] = 1;
        s.grid.pad[a] = 1;
        s.grid.out[a] = 10;
    }
    assert_true(lanes_can(&s));
    compare(2, &s, false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(products_are_exact),
        cmocka_unit_test(depthwise_goes_by_plane),
        cmocka_unit_test(points_are_exact),
        cmocka_unit_test(large_ones_cross_blocks),
        cmocka_unit_test(many_images_go_by_lanes),
        cmocka_unit_test(lanes_cross_blocks),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
