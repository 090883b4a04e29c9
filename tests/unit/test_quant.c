/* Quantisation and exact integer products against their definitions. */
#include "kernels/quant.h"

#include "base/mem.h"
#include "kernels/qconv.h"
#include "tests/lib/grids.h"
#include "tests/lib/numbers.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define N 1003

/* ---- between floats and bytes ---- */

static int clamp(double v, int low, int high)
{
    return v < low ? low : v > high ? high : (int)v;
}

static void quantising_rounds_to_even_and_saturates(void **state)
{
    struct rng rng;
    float *x;
    uint8_t u[N];
    int8_t s[N];

    (void)state;
    rng_init(&rng, 1);
    x = numbers_normal(&rng, N);
    for (size_t i = 0; i < N; i++) {
        x[i] = i % 3 == 0 ? (float)(i % 700) * 0.25F - 90 : x[i] * 60;
    }
    for (size_t i = 0; isa_each(i) != NULL; i++) {
        isa_each(i)->quant.to_u8(x, u, N, 131, 0.5F);
        isa_each(i)->quant.to_i8(x, s, N, -7, 0.5F);
        for (size_t k = 0; k < N; k++) {
            double q = rint((double)(x[k] / 0.5F));

            assert_int_equal(u[k], clamp(q + 131, 0, 255));
            assert_int_equal(s[k], clamp(q - 7, -128, 127));
        }
    }
    mem_free(x);
}

static void odd_floats_quantise_to_a_bound(void **state)
{
    const float x[] = {NAN, INFINITY, -INFINITY, 3e38F, -3e38F, -0.0F};
    static const uint8_t wanted[] = {0, 255, 0, 255, 0, 9};
    uint8_t q[6];

    (void)state;
    for (size_t i = 0; isa_each(i) != NULL; i++) {
        isa_each(i)->quant.to_u8(x, q, 6, 9, 0.1F);
        assert_memory_equal(q, wanted, 6);
    }
}

static void dequantising_is_exact(void **state)
{
    uint8_t u[256];
    int8_t s[256];
    int32_t w[3] = {INT32_MIN, 77, INT32_MAX};
    float x[256];

    (void)state;
    for (int k = 0; k < 256; k++) {
        u[k] = (uint8_t)k;
        s[k] = (int8_t)(k - 128);
    }
    for (size_t i = 0; isa_each(i) != NULL; i++) {
        const struct quant_loops *loops = &isa_each(i)->quant;

        loops->from_u8(u, x, 256, 200, 0.3F);
        for (int k = 0; k < 256; k++) {
            float wanted = (float)(k - 200) * 0.3F;

            numbers_assert_same(&x[k], &wanted, 1);
        }
        loops->from_i8(s, x, 256, -3, 0.3F);
        for (int k = 0; k < 256; k++) {
            float wanted = (float)(k - 128 + 3) * 0.3F;

            numbers_assert_same(&x[k], &wanted, 1);
        }
        loops->from_i32(w, x, 3, 0, 0.5F);
        for (int k = 0; k < 3; k++) {
            float wanted = (float)w[k] * 0.5F;

            numbers_assert_same(&x[k], &wanted, 1);
        }
    }
}

static void range_is_that_of_all_elements(void **state)
{
    struct rng rng;
    float *x;

    (void)state;
    rng_init(&rng, 2);
    x = numbers_normal(&rng, N);
    for (size_t n = 1; n < 70; n++) {
        for (size_t i = 0; isa_each(i) != NULL; i++) {
            float least = 0;
            float most = 0;
            float low = 0;
            float high = 0;

            isa_each(i)->quant.range(x, n, &least, &most);
            for (size_t k = 0; k < n; k++) {
                low = fminf(low, x[k]);
                high = fmaxf(high, x[k]);
            }
            numbers_assert_same(&least, &low, 1);
            numbers_assert_same(&most, &high, 1);
        }
    }
    mem_free(x);
}

/* ---- products ---- */

static uint8_t *any_bytes(struct rng *rng, size_t n)
{
    uint8_t *b = mem_array(uint8_t, n);

    assert_non_null(b);
    for (size_t i = 0; i < n; i++) {
        b[i] = (uint8_t)rng_next(rng);
    }
    return b;
}

static int32_t byte_of(const struct qgemm_bytes *b, size_t i)
{
    return b->is_signed ? ((const int8_t *)b->data)[i]
                        : ((const uint8_t *)b->data)[i];
}

struct trial {
    struct conv_shape shape;
    size_t after[GRID_AXES];
    struct qgemm_bytes x;
    struct qgemm_bytes w;
    int32_t *w_zero; /* (cout) */
    int16_t *zero;   /* the same as kernels want it */
    int32_t *bias;
    float *by;
    size_t n_y;
    int32_t *sums;
    int32_t *got;
};

static int32_t any_zero(struct rng *rng, bool is_signed)
{
    return (int32_t)rng_below(rng, 256) - (is_signed ? 128 : 0);
}

static void fill_channels(struct trial *t, struct rng *rng)
{
    size_t n = t->shape.cout;
    bool same = rng_below(rng, 2) > 0;

    t->w_zero = mem_array(int32_t, n);
    t->zero = mem_array(int16_t, n);
    t->bias = mem_array(int32_t, n);
    t->by = mem_array(float, n);
    assert_true(t->w_zero != NULL && t->zero != NULL && t->bias != NULL &&
                t->by != NULL);
    for (size_t c = 0; c < n; c++) {
        t->w_zero[c] =
            c > 0 && same ? t->w_zero[0] : any_zero(rng, t->w.is_signed);
        t->zero[c] = qgemm_zero(t->w_zero[c], t->w.is_signed);
        t->bias[c] = (int32_t)rng_below(rng, 20000) - 10000;
        t->by[c] = 0.0001F * (float)(1 + rng_below(rng, 50));
    }
}

static void trial_init(struct trial *t, uint64_t seed, int axes)
{
    struct conv_shape *s = &t->shape;
    struct rng rng;

    rng_init(&rng, seed);
    s->batch = numbers_between(&rng, 1, 2);
    s->groups = numbers_between(&rng, 1, 3);
    s->cin = s->groups * numbers_between(&rng, 1, 5);
    s->cout = s->groups * numbers_between(&rng, 1, 9);
    grids_any(&rng, &s->grid, t->after, axes, axes == 3 ? 6 : 24, false);
    if (seed % 7 == 0) { /* several blocks deep */
        s->groups = 1;
        s->cin = 80;
    }
    t->x.is_signed = rng_below(&rng, 2) > 0;
    t->w.is_signed = rng_below(&rng, 2) > 0;
    t->x.zero = any_zero(&rng, t->x.is_signed);
    t->x.data = any_bytes(&rng, s->batch * s->cin * grid_in(&s->grid));
    t->w.data =
        any_bytes(&rng, s->cout * s->cin / s->groups * grid_taps(&s->grid));
    fill_channels(t, &rng);
    t->n_y = s->batch * s->cout * grid_out(&s->grid);
    t->sums = mem_array(int32_t, t->n_y);
    t->got = mem_array(int32_t, t->n_y);
    assert_non_null(t->sums);
    assert_non_null(t->got);
}

static void trial_deinit(struct trial *t)
{
    mem_free((void *)t->x.data);
    mem_free((void *)t->w.data);
    mem_free(t->w_zero);
    mem_free(t->zero);
    mem_free(t->bias);
    mem_free(t->by);
    mem_free(t->sums);
    mem_free(t->got);
}

static int32_t one_sum(const struct trial *t, size_t image, size_t channel,
                       size_t position)
{
    const struct conv_shape *s = &t->shape;
    size_t ins = s->cin / s->groups;
    size_t first = channel / (s->cout / s->groups) * ins;
    size_t taps = grid_taps(&s->grid);
    size_t at[GRID_AXES];
    int32_t sum = t->bias[channel];

    grids_split(s->grid.out, position, at);
    for (size_t c = 0; c < ins; c++) {
        size_t plane = (image * s->cin + first + c) * grid_in(&s->grid);

        for (size_t k = 0; k < taps; k++) {
            size_t tap[GRID_AXES];
            long i;

            grids_split(s->grid.kernel, k, tap);
            i = grids_input(&s->grid, at, tap);
            if (i >= 0) {
                sum += (byte_of(&t->x, plane + (size_t)i) - t->x.zero) *
                       (byte_of(&t->w, (channel * ins + c) * taps + k) -
                        t->w_zero[channel]);
            }
        }
    }
    return sum;
}

static void reference(struct trial *t)
{
    size_t out = grid_out(&t->shape.grid);

    for (size_t i = 0; i < t->n_y; i++) {
        t->sums[i] = one_sum(t, i / out / t->shape.cout,
                             i / out % t->shape.cout, i % out);
    }
}

static void run(struct trial *t, const struct isa *isa, enum qout_kind kind,
                int32_t zero)
{
    struct qout out = {.kind = kind,
                       .data = t->got,
                       .channel = grid_out(&t->shape.grid),
                       .position = 1,
                       .bias = t->bias,
                       .by = t->by,
                       .zero = zero};
    struct qconv conv;
    int8_t *packed;
    void *scratch;

    qconv_init(&conv, isa, &t->shape);
    packed = mem_resize(NULL, conv.packed_bytes, 1);
    scratch = mem_aligned(conv.scratch_bytes);
    assert_non_null(packed);
    assert_non_null(scratch);
    if (!conv.by_taps) {
        qconv_pack(&conv, &t->w, t->zero, packed);
    }
    qconv_run(&conv, &t->x, &t->w, packed, t->zero, &out, scratch);
    mem_free(packed);
    mem_free(scratch);
}

static void sums_of_convolutions_are_exact(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 150; seed++) {
        struct trial t;

        trial_init(&t, seed, 1 + (int)(seed % 3));
        reference(&t);
        for (size_t i = 0; isa_each(i) != NULL; i++) {
            run(&t, isa_each(i), QOUT_I32, 0);
            assert_memory_equal(t.got, t.sums, t.n_y * sizeof(int32_t));
        }
        trial_deinit(&t);
    }
}

static void scaled_convolutions_round_to_even(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 60; seed++) {
        bool is_signed = seed % 2 == 0;
        int zero = is_signed ? -5 : 120;
        struct trial t;

        trial_init(&t, seed, 2);
        reference(&t);
        for (size_t i = 0; isa_each(i) != NULL; i++) {
            run(&t, isa_each(i), is_signed ? QOUT_I8 : QOUT_U8, zero);
            for (size_t k = 0; k < t.n_y; k++) {
                size_t c = k / grid_out(&t.shape.grid) % t.shape.cout;
                double q = (double)rintf((float)t.sums[k] * t.by[c]) + zero;
                struct qgemm_bytes y = {t.got, is_signed, 0};

                assert_int_equal(byte_of(&y, k), is_signed ? clamp(q, -128, 127)
                                                           : clamp(q, 0, 255));
            }
        }
        trial_deinit(&t);
    }
}

static void matrix_products_are_exact(void **state)
{
    struct rng rng;

    (void)state;
    rng_init(&rng, 5);
    for (int n = 0; n < 60; n++) {
        struct qmatmul m = {.isa = isa_each(0),
                            .rows = numbers_between(&rng, 1, 40),
                            .cols = numbers_between(&rng, 1, 40),
                            .depth = numbers_between(&rng, 1, 700)};
        struct qgemm_bytes x = {any_bytes(&rng, m.rows * m.depth), n % 2 == 0,
                                3};
        struct qgemm_bytes w = {any_bytes(&rng, m.depth * m.cols), n % 3 == 0,
                                0};
        int32_t *got = mem_array(int32_t, m.rows * m.cols);
        int16_t *zero = mem_array(int16_t, m.cols);
        int8_t *packed =
            mem_resize(NULL, qgemm_packed_bytes(m.cols, m.depth), 1);
        void *scratch = mem_aligned(qmatmul_scratch_bytes(&m));
        struct qout out = {.data = got, .channel = 1, .position = m.cols};

        for (size_t c = 0; c < m.cols; c++) {
            zero[c] = qgemm_zero((int32_t)c, w.is_signed);
        }
        qgemm_pack(&w, 1, m.cols, m.cols, m.depth, zero, packed);
        for (size_t i = 0; isa_each(i) != NULL; i++) {
            m.isa = isa_each(i);
            qmatmul_run(&m, &x, packed, zero, &out, scratch);
            for (size_t k = 0; k < m.rows * m.cols; k++) {
                int32_t sum = 0;

                for (size_t d = 0; d < m.depth; d++) {
                    sum += (byte_of(&x, k / m.cols * m.depth + d) - 3) *
                           (byte_of(&w, d * m.cols + k % m.cols) -
                            (int32_t)(k % m.cols));
                }
                assert_int_equal(got[k], sum);
            }
        }
        mem_free((void *)x.data);
        mem_free((void *)w.data);
        mem_free(got);
        mem_free(zero);
        mem_free(packed);
        mem_free(scratch);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(quantising_rounds_to_even_and_saturates),
        cmocka_unit_test(odd_floats_quantise_to_a_bound),
        cmocka_unit_test(dequantising_is_exact),
        cmocka_unit_test(range_is_that_of_all_elements),
        cmocka_unit_test(sums_of_convolutions_are_exact),
        cmocka_unit_test(scaled_convolutions_round_to_even),
        cmocka_unit_test(matrix_products_are_exact),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
