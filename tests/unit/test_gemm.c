/* Products against the definition, bit for bit: one chain of multiply-adds an
 * element, k ascending, then the post. */
#include "kernels/gemm.h"

#include "base/mem.h"
#include "tests/lib/numbers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

struct product {
    size_t rows;
    size_t cols;
    size_t depth;
    float *a; /* (rows, depth) */
    float *b; /* (depth, cols) */
    float *bias;
    float *residual; /* (rows, cols) */
    float *wanted;
    float *got;
    struct post post;
};

static void product_init(struct product *p, struct rng *rng, size_t rows,
                         size_t cols, size_t depth)
{
    *p = (struct product){.rows = rows, .cols = cols, .depth = depth};
    p->a = numbers_normal(rng, rows * depth);
    p->b = numbers_normal(rng, depth * cols);
    p->bias = numbers_normal(rng, rows > cols ? rows : cols);
    p->residual = numbers_normal(rng, rows * cols);
    p->wanted = numbers_unset(rows * cols);
    p->got = numbers_unset(rows * cols);
    p->post = numbers_any_post(rng, p->bias, p->residual);
}

static void product_deinit(struct product *p)
{
    mem_free(p->a);
    mem_free(p->b);
    mem_free(p->bias);
    mem_free(p->residual);
    mem_free(p->wanted);
    mem_free(p->got);
}

static void reference(struct product *p, const struct isa *isa, bool by_row)
{
    for (size_t i = 0; i < p->rows; i++) {
        for (size_t n = 0; n < p->cols; n++) {
            size_t at = i * p->cols + n;
            float v = 0;

            for (size_t k = 0; k < p->depth; k++) {
                v = numbers_madd(isa, v, p->a[i * p->depth + k],
                                 p->b[k * p->cols + n]);
            }
            p->wanted[at] = numbers_post(&p->post, v, at, by_row ? i : n);
        }
    }
}

static void check(struct product *p)
{
    numbers_assert_same(p->got, p->wanted, p->rows * p->cols);
}

static void run_left(struct product *p, const struct isa *isa)
{
    struct gemm_matrix matrix;
    struct gemm_left g = {.isa = isa,
                          .rows = p->rows,
                          .cols = p->cols,
                          .depth = p->depth,
                          .c = p->got,
                          .ldc = p->cols,
                          .post = p->post};
    float *packed = numbers_unset(p->rows * p->depth);

    gemm_left_pack(p->a, p->depth, 1, p->rows, p->depth, packed);
    gemm_matrix_init(&matrix, isa, p->b, p->cols);
    g.packed = packed;
    g.b = &matrix.source;
    g.scratch = numbers_unset(gemm_left_scratch(p->depth, p->cols));
    gemm_left_run(&g);
    mem_free(g.scratch);
    mem_free(packed);
}

static struct gemm_right right_of(struct product *p, const struct isa *isa)
{
    return (struct gemm_right){.isa = isa,
                               .rows = p->rows,
                               .cols = p->cols,
                               .depth = p->depth,
                               .a = p->a,
                               .a_row = p->depth,
                               .a_step = 1,
                               .c = p->got,
                               .ldc = p->cols,
                               .post = p->post};
}

static void run_right(struct product *p, const struct isa *isa)
{
    struct gemm_right g = right_of(p, isa);
    float *packed = numbers_unset(gemm_right_floats(isa, p->depth, p->cols));

    gemm_right_pack(isa, p->b, p->cols, 1, p->depth, p->cols, packed);
    gemm_right_run(&g, packed);
    mem_free(packed);
}

static void run_fresh(struct product *p, const struct isa *isa)
{
    struct gemm_right g = right_of(p, isa);
    float *scratch = numbers_unset(gemm_fresh_scratch(p->depth, p->cols));

    gemm_fresh_run(&g, p->b, p->cols, 1, scratch);
    mem_free(scratch);
}

/* `by_row`: the bias is one a row. */
static void compare(void (*run)(struct product *, const struct isa *),
                    bool by_row, uint64_t seed, size_t rows, size_t cols,
                    size_t depth)
{
    for (size_t i = 0; isa_each(i) != NULL; i++) {
        struct product p;
        struct rng rng;

        rng_init(&rng, seed);
        product_init(&p, &rng, rows, cols, depth);
        reference(&p, isa_each(i), by_row);
        run(&p, isa_each(i));
        check(&p);
        product_deinit(&p);
    }
}

static void compare_random(void (*run)(struct product *, const struct isa *),
                           bool by_row)
{
    struct rng rng;

    rng_init(&rng, 11);
    for (uint64_t seed = 1; seed <= 120; seed++) {
        size_t rows = numbers_between(&rng, 1, 40);
        size_t cols = numbers_between(&rng, 1, 150);
        size_t depth = numbers_between(&rng, 1, 80);

        compare(run, by_row, seed, rows, cols, depth);
    }
}

static void left_product_of_any_size_is_exact(void **state)
{
    (void)state;
    compare_random(run_left, true);
}

static void left_product_over_many_blocks_is_exact(void **state)
{
    (void)state;
    compare(run_left, true, 1, 13, 390, 700);
    compare(run_left, true, 2, 7, 2100, 17);
}

static void right_product_of_any_size_is_exact(void **state)
{
    (void)state;
    compare_random(run_right, false);
}

static void right_product_over_many_blocks_is_exact(void **state)
{
    (void)state;
    compare(run_right, false, 3, 250, 70, 530);
    compare(run_right, false, 4, 1, 333, 1000);
}

static void unpacked_product_of_any_size_is_exact(void **state)
{
    (void)state;
    compare_random(run_fresh, false);
    compare(run_fresh, false, 5, 130, 380, 300);
}

static void product_of_no_depth_is_the_post(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 8; seed++) {
        compare(run_left, true, seed, 5, 21, 0);
        compare(run_right, false, seed, 5, 21, 0);
        compare(run_fresh, false, seed, 5, 21, 0);
    }
}

/* Both operands given transposed, in place of a copy of either. */
static void transposed_operands_give_the_same(void **state)
{
    const struct isa *isa = isa_best();
    struct product p;
    struct rng rng;
    struct gemm_right g;
    float *turned_a;
    float *turned_b;
    float *scratch;

    (void)state;
    rng_init(&rng, 12);
    product_init(&p, &rng, 19, 45, 37);
    turned_a = numbers_unset(p.rows * p.depth);
    turned_b = numbers_unset(p.depth * p.cols);
    for (size_t k = 0; k < p.depth; k++) {
        for (size_t i = 0; i < p.rows; i++) {
            turned_a[k * p.rows + i] = p.a[i * p.depth + k];
        }
        for (size_t n = 0; n < p.cols; n++) {
            turned_b[n * p.depth + k] = p.b[k * p.cols + n];
        }
    }
    reference(&p, isa, false);
    g = right_of(&p, isa);
    g.a = turned_a;
    g.a_row = 1;
    g.a_step = p.rows;
    scratch = numbers_unset(gemm_fresh_scratch(p.depth, p.cols));
    gemm_fresh_run(&g, turned_b, 1, p.depth, scratch);
    check(&p);
    mem_free(scratch);
    mem_free(turned_a);
    mem_free(turned_b);
    product_deinit(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(left_product_of_any_size_is_exact),
        cmocka_unit_test(left_product_over_many_blocks_is_exact),
        cmocka_unit_test(right_product_of_any_size_is_exact),
        cmocka_unit_test(right_product_over_many_blocks_is_exact),
        cmocka_unit_test(unpacked_product_of_any_size_is_exact),
        cmocka_unit_test(product_of_no_depth_is_the_post),
        cmocka_unit_test(transposed_operands_give_the_same),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
