/* Transposed convolution against its definition, bit for bit. */
#include "kernels/conv_transpose.h"

#include "base/mem.h"
#include "kernels/lanes.h"
#include "tests/lib/grids.h"
#include "tests/lib/numbers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

struct trial {
    struct conv_shape shape; /* grid.in is the plane of y */
    size_t n_y;
    float *x;
    float *w;
    float *bias;
    float *residual;
    float *wanted;
    float *got;
    struct post post;
};

static void trial_init(struct trial *t, uint64_t seed, int axes, size_t most,
                       bool many)
{
    struct conv_shape *s = &t->shape;
    size_t after[GRID_AXES];
    struct rng rng;

    rng_init(&rng, seed);
    s->batch =
        many ? numbers_between(&rng, 6, 40) : numbers_between(&rng, 1, 2);
    s->groups = numbers_between(&rng, 1, 3);
    s->cin = s->groups * numbers_between(&rng, 1, 6);
    s->cout = s->groups * numbers_between(&rng, 1, 7);
    grids_any(&rng, &s->grid, after, axes, most, false);
    for (int a = 0; seed % 10 == 0 && a < GRID_AXES; a++) {
        s->grid.kernel[a] = 1; /* a product and nothing else */
        s->grid.stride[a] = 1;
        s->grid.pad[a] = 0;
        s->grid.out[a] = s->grid.in[a];
    }
    t->n_y = s->batch * s->cout * grid_in(&s->grid);
    t->x = numbers_normal(&rng, s->batch * s->cin * grid_out(&s->grid));
    t->w = numbers_normal(&rng,
                          s->cin * s->cout / s->groups * grid_taps(&s->grid));
    t->bias = numbers_normal(&rng, s->cout);
    t->residual = numbers_normal(&rng, t->n_y);
    t->wanted = numbers_unset(t->n_y);
    t->got = numbers_unset(t->n_y);
    t->post = numbers_any_post(&rng, t->bias, t->residual);
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

/* Depthwise planes are summed up in one chain. */
static bool is_chain(const struct conv_shape *s)
{
    return s->cin == s->groups && planes_can(&s->grid);
}

static bool is_lanes(const struct conv_shape *s)
{
    return !is_chain(s) && lanes_can(s);
}

/* `v`, and what position `at` of x gives to tap k of output `channel`. */
static float one_product(const struct trial *t, const struct isa *isa, float v,
                         size_t image, size_t channel, size_t at, size_t k)
{
    const struct conv_shape *s = &t->shape;
    size_t ins = s->cin / s->groups;
    size_t outs = s->cout / s->groups;
    size_t first = channel / outs * ins;

    for (size_t c = first; c < first + ins; c++) {
        v = numbers_madd(
            isa, v, t->w[(c * outs + channel % outs) * grid_taps(&s->grid) + k],
            t->x[(image * s->cin + c) * grid_out(&s->grid) + at]);
    }
    return v;
}

/* By lanes an element of y is one chain over channels, then taps. */
static void add_lanes(const struct trial *t, const struct isa *isa,
                      size_t image, size_t channel, float *y)
{
    const struct conv_shape *s = &t->shape;
    const struct grid *g = &s->grid;
    size_t ins = s->cin / s->groups;
    size_t outs = s->cout / s->groups;

    for (size_t j = 0; j < ins * grid_taps(g); j++) {
        size_t c = channel / outs * ins + j / grid_taps(g);
        size_t k = j % grid_taps(g);
        size_t tap[GRID_AXES];

        grids_split(g->kernel, k, tap);
        for (size_t i = 0; i < grid_out(g); i++) {
            size_t at[GRID_AXES];
            long to;

            grids_split(g->out, i, at);
            to = grids_input(g, at, tap);
            if (to >= 0) {
                y[to] = numbers_madd(
                    isa, y[to],
                    t->w[(c * outs + channel % outs) * grid_taps(g) + k],
                    t->x[(image * s->cin + c) * grid_out(g) + i]);
            }
        }
    }
}

static void one_plane(struct trial *t, const struct isa *isa, size_t plane)
{
    const struct grid *g = &t->shape.grid;
    size_t channel = plane % t->shape.cout;
    float *y = t->wanted + plane * grid_in(g);

    memset(y, 0, grid_in(g) * sizeof(*y));
    if (is_lanes(&t->shape)) {
        add_lanes(t, isa, plane / t->shape.cout, channel, y);
    }
    for (size_t k = 0; k < grid_taps(g) && !is_lanes(&t->shape); k++) {
        size_t tap[GRID_AXES];

        grids_split(g->kernel, k, tap);
        for (size_t i = 0; i < grid_out(g); i++) {
            size_t at[GRID_AXES];
            long to;

            grids_split(g->out, i, at);
            to = grids_input(g, at, tap);
            if (to >= 0 && is_chain(&t->shape)) {
                y[to] = one_product(t, isa, y[to], plane / t->shape.cout,
                                    channel, i, k);
            } else if (to >= 0) {
                y[to] += one_product(t, isa, 0, plane / t->shape.cout, channel,
                                     i, k);
            }
        }
    }
    for (size_t i = 0; i < grid_in(g); i++) {
        y[i] = numbers_post(&t->post, y[i], plane * grid_in(g) + i, channel);
    }
}

static void run(struct trial *t, const struct isa *isa, size_t chunk)
{
    struct conv_transpose conv;
    float *packed;
    void *scratch;

    conv_transpose_init(&conv, isa, &t->shape);
    if (chunk < conv.chunk) {
        conv.chunk = chunk; /* as if the planes were large */
    }
    packed = numbers_unset(conv.packed_floats);
    scratch = mem_aligned(conv.scratch_bytes);
    assert_non_null(scratch);
    assert_int_equal(conv.by_lanes, is_lanes(&t->shape));
    if (conv.packed_floats > 0) {
        conv_transpose_pack(&conv, t->w, packed);
    }
    conv_transpose_run(&conv, t->x, conv.packed_floats > 0 ? packed : t->w,
                       &t->post, t->got, scratch);
    mem_free(packed);
    mem_free(scratch);
}

static void compare(uint64_t seed, int axes, size_t most, bool many)
{
    for (size_t i = 0; isa_each(i) != NULL; i++) {
        struct trial t;

        trial_init(&t, seed, axes, most, many);
        for (size_t p = 0; p < t.shape.batch * t.shape.cout; p++) {
            one_plane(&t, isa_each(i), p);
        }
        run(&t, isa_each(i), SIZE_MAX);
        numbers_assert_same(t.got, t.wanted, t.n_y);
        run(&t, isa_each(i), 2);
        numbers_assert_same(t.got, t.wanted, t.n_y);
        trial_deinit(&t);
    }
}

static void transposed_convolution_is_exact(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 120; seed++) {
        int axes = 1 + (int)(seed % 3);

        compare(seed, axes, axes == 3 ? 6 : 16, false);
    }
}

static void many_images_are_exact(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 60; seed++) {
        int axes = 1 + (int)(seed % 3);

        compare(seed, axes, axes == 3 ? 4 : 9, true);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(transposed_convolution_is_exact),
        cmocka_unit_test(many_images_are_exact),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
