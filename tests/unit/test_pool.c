/* Pooling against its definition on random geometries. */
#include "kernels/pool.h"

#include "base/mem.h"
#include "tests/lib/grids.h"
#include "tests/lib/numbers.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define PLANES 3

struct trial {
    struct grid grid;
    size_t after[GRID_AXES];
    size_t in;
    size_t out;
    float *x;
    float *wanted;
    float *got;
};

static void trial_init(struct trial *t, uint64_t seed, int axes, size_t most)
{
    struct rng rng;

    rng_init(&rng, seed);
    grids_any(&rng, &t->grid, t->after, axes, most, true);
    t->in = grid_in(&t->grid);
    t->out = grid_out(&t->grid);
    t->x = numbers_normal(&rng, PLANES * t->in);
    t->wanted = numbers_unset(PLANES * t->out);
    t->got = numbers_unset(PLANES * t->out);
}

static void trial_deinit(struct trial *t)
{
    mem_free(t->x);
    mem_free(t->wanted);
    mem_free(t->got);
}

/* Taps that count for a mean although they read padding. */
static bool in_padding(const struct trial *t, const size_t at[GRID_AXES],
                       const size_t tap[GRID_AXES])
{
    for (int a = 0; a < GRID_AXES; a++) {
        size_t p = at[a] * t->grid.stride[a] + tap[a] * t->grid.dilation[a];

        if (p >= t->grid.pad[a] + t->grid.in[a] + t->after[a]) {
            return false;
        }
    }
    return true;
}

static float one_max(const struct trial *t, size_t o, long *place)
{
    const float *plane = t->x + o / t->out * t->in;
    size_t at[GRID_AXES];
    float v = -INFINITY;

    grids_split(t->grid.out, o % t->out, at);
    for (size_t k = 0; k < grid_taps(&t->grid); k++) {
        size_t tap[GRID_AXES];
        long i;

        grids_split(t->grid.kernel, k, tap);
        i = grids_input(&t->grid, at, tap);
        if (i >= 0 && plane[i] > v) {
            v = plane[i];
            *place = i;
        }
    }
    return v;
}

static float one_mean(const struct trial *t, size_t o, bool counts_pad)
{
    const float *plane = t->x + o / t->out * t->in;
    size_t at[GRID_AXES];
    float v = 0;
    size_t n = 0;

    grids_split(t->grid.out, o % t->out, at);
    for (size_t k = 0; k < grid_taps(&t->grid); k++) {
        size_t tap[GRID_AXES];
        long i;

        grids_split(t->grid.kernel, k, tap);
        i = grids_input(&t->grid, at, tap);
        v += i >= 0 ? plane[i] : 0;
        n += i >= 0 || (counts_pad && in_padding(t, at, tap));
    }
    return v / (float)n;
}

static void run(struct trial *t, const struct isa *isa, enum taps_kind kind,
                bool counts_pad)
{
    struct taps taps = {
        .kind = kind, .grid = t->grid, .counts_pad = counts_pad};
    void *scratch;

    memcpy(taps.pad_after, t->after, sizeof(t->after));
    taps_init(&taps, isa);
    scratch = mem_aligned(taps.scratch_bytes);
    assert_non_null(scratch);
    pool_run(isa, &taps, t->x, t->got, PLANES, scratch);
    mem_free(scratch);
}

static void compare_max(uint64_t seed, int axes, size_t most)
{
    struct trial t;

    trial_init(&t, seed, axes, most);
    for (size_t o = 0; o < PLANES * t.out; o++) {
        long place;

        t.wanted[o] = one_max(&t, o, &place);
    }
    for (size_t i = 0; isa_each(i) != NULL; i++) {
        run(&t, isa_each(i), TAPS_MAX, false);
        numbers_assert_same(t.got, t.wanted, PLANES * t.out);
    }
    trial_deinit(&t);
}

static void compare_mean(uint64_t seed, int axes, size_t most, bool counts_pad)
{
    struct trial t;

    trial_init(&t, seed, axes, most);
    for (size_t o = 0; o < PLANES * t.out; o++) {
        t.wanted[o] = one_mean(&t, o, counts_pad);
    }
    for (size_t i = 0; isa_each(i) != NULL; i++) {
        run(&t, isa_each(i), TAPS_MEAN, counts_pad);
        numbers_assert_same(t.got, t.wanted, PLANES * t.out);
    }
    trial_deinit(&t);
}

static void max_pooling_is_exact(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 100; seed++) {
        compare_max(seed, 1 + (int)(seed % 3), seed % 3 == 2 ? 8 : 40);
    }
}

static void average_pooling_is_exact(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 100; seed++) {
        compare_mean(seed, 1 + (int)(seed % 3), seed % 3 == 2 ? 8 : 40,
                     seed % 2 == 0);
    }
}

/* With ceil_mode the last window reaches beyond the padding, which does not
 * count as zeros there. */
static void last_window_may_reach_beyond_the_padding(void **state)
{
    static const float wanted[] = {1.5F, 3.5F, 5};
    struct trial t = {.in = 5, .out = 3};
    float x[] = {1, 2, 3, 4, 5};
    float got[3];

    (void)state;
    grids_flat(&t.grid, 0);
    grids_flat(&t.grid, 1);
    t.grid.in[2] = 5;
    t.grid.out[2] = 3;
    t.grid.kernel[2] = 2;
    t.grid.stride[2] = 2;
    t.grid.dilation[2] = 1;
    t.grid.pad[2] = 0;
    for (int counts_pad = 0; counts_pad < 2; counts_pad++) {
        struct taps taps = {
            .kind = TAPS_MEAN, .grid = t.grid, .counts_pad = counts_pad != 0};
        float scratch[256];

        taps_init(&taps, isa_best());
        assert_true(taps.scratch_bytes <= sizeof(scratch));
        pool_run(isa_best(), &taps, x, got, 1, scratch);
        numbers_assert_same(got, wanted, 3);
    }
}

static size_t columns_first(const struct grid *g, size_t at)
{
    size_t pos[GRID_AXES];

    grids_split(g->in, at, pos);
    return (pos[0] * g->in[2] + pos[2]) * g->in[1] + pos[1];
}

static void places_of_maxima_are_right(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 60; seed++) {
        bool by_column = seed % 2 == 0;
        struct trial t;
        int64_t *index;

        trial_init(&t, seed, 1 + (int)(seed % 3), 8);
        index = mem_array(int64_t, PLANES * t.out);
        assert_non_null(index);
        pool_argmax_f32(&t.grid, t.x, t.got, index, PLANES, by_column);
        for (size_t o = 0; o < PLANES * t.out; o++) {
            long place = 0;
            float most = one_max(&t, o, &place);
            size_t at = by_column ? columns_first(&t.grid, (size_t)place)
                                  : (size_t)place;

            numbers_assert_same(&t.got[o], &most, 1);
            assert_int_equal(index[o], o / t.out * t.in + at);
        }
        mem_free(index);
        trial_deinit(&t);
    }
}

/* A window over padding alone has the least value of its type. */
static int as_byte(float v, int least)
{
    return isinf(v) ? least : (int)v;
}

/* Bytes as the float kernel's numbers, so that it is their reference. */
static void bytes_agree_with_floats(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 60; seed++) {
        struct trial t;
        uint8_t *x;
        uint8_t *y;

        trial_init(&t, seed, 1 + (int)(seed % 3), 12);
        x = mem_array(uint8_t, PLANES * t.in);
        y = mem_array(uint8_t, PLANES * t.out);
        assert_non_null(x);
        assert_non_null(y);
        for (size_t i = 0; i < PLANES * t.in; i++) {
            x[i] = (uint8_t)(i * 97 + seed * 31);
            t.x[i] = x[i];
        }
        run(&t, isa_best(), TAPS_MAX, false);
        pool_max_u8(&t.grid, x, y, PLANES);
        for (size_t o = 0; o < PLANES * t.out; o++) {
            assert_int_equal(y[o], as_byte(t.got[o], 0));
        }
        for (size_t i = 0; i < PLANES * t.in; i++) {
            t.x[i] = (int8_t)x[i];
        }
        run(&t, isa_best(), TAPS_MAX, false);
        pool_max_i8(&t.grid, (const int8_t *)x, (int8_t *)y, PLANES);
        for (size_t o = 0; o < PLANES * t.out; o++) {
            assert_int_equal((int8_t)y[o], as_byte(t.got[o], INT8_MIN));
        }
        mem_free(x);
        mem_free(y);
        trial_deinit(&t);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(max_pooling_is_exact),
        cmocka_unit_test(average_pooling_is_exact),
        cmocka_unit_test(last_window_may_reach_beyond_the_padding),
        cmocka_unit_test(places_of_maxima_are_right),
        cmocka_unit_test(bytes_agree_with_floats),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
