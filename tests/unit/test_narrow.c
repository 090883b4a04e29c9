/* Products with weights that stay bytes against the same with the floats that
 * DequantizeLinear makes of them: bit for bit, for every instruction set. */
#include "kernels/narrow.h"

#include "base/mem.h"
#include "kernels/conv.h"
#include "tests/lib/grids.h"
#include "tests/lib/numbers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* Weights of `outputs` channels, `depth` of them each, and as floats. */
struct weights {
    struct narrow_weights narrow;
    uint8_t *q;
    uint8_t *zeros;
    float *scales;
    float *floats;
};

static uint8_t *random_bytes(struct rng *rng, size_t n)
{
    uint8_t *p = mem_resize(NULL, n + 1, 1);

    assert_non_null(p);
    for (size_t i = 0; i < n; i++) {
        p[i] = (uint8_t)rng_below(rng, 256);
    }
    return p;
}

static int32_t integer(const struct narrow_weights *w, uint8_t q)
{
    return w->is_signed ? (int8_t)q : q;
}

/* Element `at` of channel c, by the definition. */
static float widened(const struct narrow_weights *w, size_t at, size_t c)
{
    size_t from = w->channels > 1 ? c : 0;
    int32_t zero = w->zeros != NULL ? integer(w, w->zeros[from]) : 0;

    return (float)(integer(w, w->q[at]) - zero) * w->scales[from];
}

/* Of a random kind. Element (channel, k) lies at channel * row + k * step. */
static void weights_init(struct weights *w, struct rng *rng, size_t outputs,
                         size_t depth, size_t row, size_t step)
{
    bool each = rng_below(rng, 2) == 0;
    size_t n = each ? outputs : 1;

    w->q = random_bytes(rng, outputs * depth);
    w->zeros = random_bytes(rng, n);
    w->scales = numbers_normal(rng, n);
    w->floats = numbers_unset(outputs * depth);
    w->narrow = (struct narrow_weights){.q = w->q,
                                        .is_signed = rng_below(rng, 2) == 0,
                                        .scales = w->scales,
                                        .zeros = w->zeros,
                                        .channels = n};
    if (rng_below(rng, 3) == 0) {
        w->narrow.zeros = NULL;
    }
    for (size_t c = 0; c < outputs; c++) {
        for (size_t k = 0; k < depth; k++) {
            size_t at = c * row + k * step;

            w->floats[at] = widened(&w->narrow, at, c);
        }
    }
}

static void weights_deinit(struct weights *w)
{
    mem_free(w->q);
    mem_free(w->zeros);
    mem_free(w->scales);
    mem_free(w->floats);
}

/* ---- panels --------------------------------------------------------------*/

static void any_panel_is_widened_as_defined(void **state)
{
    static const size_t widths[] = {1, 2, 3, 4, 5, 6, 8, 12, 16};
    struct rng rng;

    (void)state;
    rng_init(&rng, 1);
    for (size_t t = 0; t < 400; t++) {
        const struct isa *isa =
            isa_each(t % 2) != NULL ? isa_each(t % 2) : isa_each(0);
        size_t width = widths[t % 9];
        size_t depth = numbers_between(&rng, 0, 260);
        size_t n = width * depth;
        float *zeros;
        float *scales;
        int8_t *q;
        float *got;
        float *wanted;

        if (width > GEMM_ROWS && width % isa->width != 0) {
            continue; /* no panel of this set */
        }
        zeros = numbers_normal(&rng, width);
        scales = numbers_normal(&rng, width);
        q = (int8_t *)random_bytes(&rng, n);
        got = numbers_unset(n + 1);
        wanted = numbers_unset(n + 1);
        for (size_t i = 0; i < width; i++) {
            zeros[i] = (float)(int8_t)rng_below(&rng, 256);
        }
        for (size_t i = 0; i < n; i++) {
            wanted[i] =
                (float)(q[i] - (int)zeros[i % width]) * scales[i % width];
        }
        isa->gemm_widen(q, depth, width, zeros, scales, got);
        numbers_assert_same(got, wanted, n + 1); /* and nothing beyond */
        mem_free(zeros);
        mem_free(scales);
        mem_free(q);
        mem_free(got);
        mem_free(wanted);
    }
}

/* ---- products ------------------------------------------------------------*/

struct product {
    const struct isa *isa;
    size_t rows;
    size_t cols;
    size_t depth;
    struct weights w;
    float *x; /* the other operand */
    float *bias;
    float *residual;
    float *wanted;
    float *got;
    struct post post;
};

static void product_init(struct product *p, struct rng *rng, size_t rows,
                         size_t cols, size_t depth)
{
    size_t most = rows > cols ? rows : cols;

    p->rows = rows;
    p->cols = cols;
    p->depth = depth;
    p->x = numbers_normal(rng, most * depth);
    p->bias = numbers_normal(rng, most);
    p->residual = numbers_normal(rng, rows * cols);
    p->wanted = numbers_unset(rows * cols);
    p->got = numbers_unset(rows * cols);
    p->post = numbers_any_post(rng, p->bias, p->residual);
}

static void product_check(struct product *p)
{
    numbers_assert_same(p->got, p->wanted, p->rows * p->cols);
    weights_deinit(&p->w);
    mem_free(p->x);
    mem_free(p->bias);
    mem_free(p->residual);
    mem_free(p->wanted);
    mem_free(p->got);
}

static void compare_left(const struct isa *isa, struct rng *rng, size_t rows,
                         size_t cols, size_t depth)
{
    struct product p = {.isa = isa};
    struct gemm_matrix matrix;
    struct gemm_left g = {.isa = isa};
    struct narrow narrow;
    float *packed = numbers_unset(rows * depth);
    void *bytes = mem_aligned(narrow_left_bytes(rows, depth));

    product_init(&p, rng, rows, cols, depth);
    weights_init(&p.w, rng, rows, depth, depth, 1);
    gemm_left_pack(p.w.floats, depth, 1, rows, depth, packed);
    narrow_left_pack(&p.w.narrow, depth, 1, rows, depth, bytes);
    narrow = narrow_left_of(bytes, rows);
    gemm_matrix_init(&matrix, isa, p.x, cols);
    g.rows = rows;
    g.cols = cols;
    g.depth = depth;
    g.b = &matrix.source;
    g.ldc = cols;
    g.post = p.post;
    g.scratch = numbers_unset(gemm_left_scratch(depth, cols));
    g.packed = packed;
    g.c = p.wanted;
    gemm_left_run(&g);
    g.packed = NULL;
    g.narrow = &narrow;
    g.wide = numbers_unset(NARROW_LEFT_WIDE);
    g.c = p.got;
    gemm_left_run(&g);
    mem_free(g.wide);
    mem_free(g.scratch);
    mem_free(packed);
    mem_free(bytes);
    product_check(&p);
}

/* `turned`: b as Gemm has it with transB, (cols, depth). */
static void compare_right(const struct isa *isa, struct rng *rng, size_t rows,
                          size_t cols, size_t depth)
{
    struct product p = {.isa = isa};
    struct gemm_right g = {.isa = isa};
    struct narrow narrow;
    bool turned = rng_below(rng, 2) == 0;
    size_t row = turned ? 1 : cols;
    size_t step = turned ? depth : 1;
    float *packed = numbers_unset(gemm_right_floats(isa, depth, cols));
    void *bytes = mem_aligned(narrow_right_bytes(isa, depth, cols));
    float *wide = numbers_unset(NARROW_RIGHT_WIDE);

    product_init(&p, rng, rows, cols, depth);
    weights_init(&p.w, rng, cols, depth, step, row);
    gemm_right_pack(isa, p.w.floats, row, step, depth, cols, packed);
    narrow_right_pack(isa, &p.w.narrow, row, step, depth, cols, bytes);
    narrow = narrow_right_of(isa, bytes, cols);
    g.rows = rows;
    g.cols = cols;
    g.depth = depth;
    g.a = p.x;
    g.a_row = depth;
    g.a_step = 1;
    g.ldc = cols;
    g.post = p.post;
    g.c = p.wanted;
    gemm_right_run(&g, packed);
    g.c = p.got;
    narrow_right_run(&g, &narrow, wide);
    mem_free(packed);
    mem_free(bytes);
    mem_free(wide);
    product_check(&p);
}

static void compare(void (*one)(const struct isa *, struct rng *, size_t,
                                size_t, size_t),
                    uint64_t seed, size_t rows, size_t cols, size_t depth)
{
    for (size_t i = 0; isa_each(i) != NULL; i++) {
        struct rng rng;

        rng_init(&rng, seed);
        one(isa_each(i), &rng, rows, cols, depth);
    }
}

static void left_products_have_the_same_bits(void **state)
{
    struct rng rng;

    (void)state;
    rng_init(&rng, 2);
    for (uint64_t seed = 1; seed <= 250; seed++) {
        compare(compare_left, seed, numbers_between(&rng, 1, 40),
                numbers_between(&rng, 1, 150), numbers_between(&rng, 1, 80));
    }
    compare(compare_left, 1, 13, 390, 700); /* many blocks */
    compare(compare_left, 2, 7, 2100, 257);
    compare(compare_left, 3, 150, 48, 300); /* rows that pay for packing b */
    compare(compare_left, 4, 5, 21, 0);
}

static void right_products_have_the_same_bits(void **state)
{
    struct rng rng;

    (void)state;
    rng_init(&rng, 3);
    for (uint64_t seed = 1; seed <= 250; seed++) {
        compare(compare_right, seed, numbers_between(&rng, 1, 40),
                numbers_between(&rng, 1, 150), numbers_between(&rng, 1, 80));
        compare(compare_right, seed, 1, numbers_between(&rng, 1, 300),
                numbers_between(&rng, 1, 600));
    }
    compare(compare_right, 1, 250, 70, 530); /* many blocks */
    compare(compare_right, 2, 1, 64, 256);
    compare(compare_right, 3, 1, 333, 1000);
    compare(compare_right, 4, 5, 21, 0);
    compare(compare_right, 5, 1, 130, 0);
}

/* ---- convolutions --------------------------------------------------------*/

static void run(const struct conv *conv, const float *x, const void *packed,
                const struct post *post, float *y)
{
    void *scratch = mem_aligned(conv->scratch_bytes);

    assert_non_null(scratch);
    conv_run(conv, x, packed, post, y, scratch);
    mem_free(scratch);
}

static void check_conv(struct rng *rng, const struct isa *isa,
                       const struct conv_shape *s, const struct conv *wide)
{
    size_t depth = s->cin / s->groups * grid_taps(&s->grid);
    size_t n_y = s->batch * s->cout * grid_out(&s->grid);
    float *x = numbers_normal(rng, s->batch * s->cin * grid_in(&s->grid));
    float *bias = numbers_normal(rng, s->cout);
    float *residual = numbers_normal(rng, n_y);
    float *wanted = numbers_unset(n_y);
    float *got = numbers_unset(n_y);
    struct post post = numbers_any_post(rng, bias, residual);
    float *packed = numbers_unset(wide->packed_floats);
    struct conv conv = *wide;
    struct weights w;
    void *bytes;

    weights_init(&w, rng, s->cout, depth, depth, 1);
    conv_pack(wide, w.floats, packed);
    run(wide, x, packed, &post, wanted);
    assert_true(conv_keep_narrow(&conv));
    assert_ptr_equal(conv.isa, isa);
    bytes = mem_aligned(conv.narrow_bytes);
    conv_pack_narrow(&conv, &w.narrow, bytes);
    run(&conv, x, bytes, &post, got);
    numbers_assert_same(got, wanted, n_y);
    weights_deinit(&w);
    mem_free(bytes);
    mem_free(packed);
    mem_free(x);
    mem_free(bias);
    mem_free(residual);
    mem_free(wanted);
    mem_free(got);
}

/* Which methods were met. */
static unsigned compare_conv(uint64_t seed, const struct conv_shape *shape)
{
    unsigned met = 0;

    for (size_t i = 0; isa_each(i) != NULL; i++) {
        struct conv conv;
        struct rng rng;

        rng_init(&rng, seed);
        conv_init(&conv, isa_each(i), shape);
        met |= 1U << conv.method;
        if (conv.method == CONV_DEPTHWISE) {
            assert_false(conv_keep_narrow(&conv));
            assert_int_equal(conv.narrow_bytes, 0);
        } else {
            check_conv(&rng, isa_each(i), shape, &conv);
        }
    }
    return met;
}

static void convolutions_have_the_same_bits(void **state)
{
    unsigned met = 0;
    struct rng rng;

    (void)state;
    rng_init(&rng, 4);
    for (uint64_t seed = 1; seed <= 250; seed++) {
        struct conv_shape s = {.batch = numbers_between(&rng, 1, 2)};
        size_t after[GRID_AXES];

        grids_any(&rng, &s.grid, after, (int)numbers_between(&rng, 1, 2),
                  seed % 4 == 0 ? 2 : 16, false);
        s.groups = numbers_between(&rng, 1, 3);
        s.cin = s.groups * numbers_between(&rng, 1, 40);
        s.cout = s.groups * numbers_between(&rng, 1, 25);
        met |= compare_conv(seed, &s);
    }
    assert_int_equal(met & (1U << CONV_COLUMNS), 1U << CONV_COLUMNS);
    assert_int_equal(met & (1U << CONV_DENSE), 1U << CONV_DENSE);
}

static void pointwise_and_depthwise(void **state)
{
    struct conv_shape s = {.batch = 2, .groups = 2, .cin = 600, .cout = 28};

    (void)state;
    grids_flat(&s.grid, 0);
    for (int a = 1; a < GRID_AXES; a++) {
        grids_flat(&s.grid, a);
        s.grid.in[a] = s.grid.out[a] = 14;
    }
    assert_int_equal(compare_conv(1, &s), 1U << CONV_POINT);
    s.groups = s.cin = s.cout = 12;
    assert_int_equal(compare_conv(2, &s), 1U << CONV_DEPTHWISE);
}

static void bytes_take_a_quarter(void **state)
{
    (void)state;
    for (size_t i = 0; isa_each(i) != NULL; i++) {
        size_t bytes = narrow_right_bytes(isa_each(i), 1280, 1000);

        assert_true(bytes >= 1280000 && bytes < 1280000 + 9000);
        assert_int_equal(narrow_left_bytes(96, 576) % 16, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_panel_is_widened_as_defined),
        cmocka_unit_test(left_products_have_the_same_bits),
        cmocka_unit_test(right_products_have_the_same_bits),
        cmocka_unit_test(convolutions_have_the_same_bits),
        cmocka_unit_test(pointwise_and_depthwise),
        cmocka_unit_test(bytes_take_a_quarter),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
