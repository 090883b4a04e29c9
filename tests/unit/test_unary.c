/* Functions of one element against libm in double, for each instruction set
 * that this CPU has. */
#include "kernels/isa.h"
#include "kernels/types.h"
#include "kernels/unary.h"

#include "base/mem.h"
#include "tests/lib/unit.h"

#include <float.h>
#include <math.h>
#include <string.h>

#define STEP 997u /* every so many-th float is tried */

static double expm1_scaled(double a, double x)
{
    return x < 0 ? a * expm1(x) : x;
}

static double exact(enum unary_op op, const struct unary *u, double x)
{
    switch (op) {
    case UNARY_RELU: return x < 0 ? 0 : x;
    case UNARY_CLIP: return fmin(fmax(x, u->a), u->b);
    case UNARY_LEAKY_RELU: return x < 0 ? (double)(float)u->a * x : x;
    case UNARY_ELU: return expm1_scaled(u->a, x);
    case UNARY_SELU: return (double)(float)u->b * expm1_scaled((float)u->a, x);
    case UNARY_SIGMOID: return 1 / (1 + exp(-x));
    case UNARY_SOFTPLUS: return fmax(x, 0) + log1p(exp(-fabs(x)));
    case UNARY_TANH: return tanh(x);
    case UNARY_ERF: return erf(x);
    case UNARY_SQRT: return sqrt(x);
    case UNARY_EXP: return exp(x);
    case UNARY_LOG: return log(x);
    case UNARY_RECIPROCAL: return 1 / x;
    case UNARY_FLOOR: return floor(x);
    case UNARY_CEIL: return ceil(x);
    case UNARY_ROUND: return rint(x);
    case UNARY_NEG: return -x;
    case UNARY_ABS: return fabs(x);
    case UNARY_SIGN: return x != x ? x : (x > 0) - (x < 0);
    default: return NAN;
    }
}

/* Largest relative error over floats of all magnitudes, where the result is a
 * normal number; elsewhere it must be off by less than one of those. */
static double worst_error(const struct isa *isa, enum unary_op op,
                          const struct unary *u)
{
    double worst = 0;
    float x[64];
    float y[64];

    for (uint64_t bits = 0; bits <= UINT32_MAX; bits += STEP * 64u) {
        for (uint32_t i = 0; i < 64; i++) {
            uint32_t b = (uint32_t)bits + i * STEP;

            memcpy(&x[i], &b, sizeof(b));
        }
        isa->unary[op](u, y, x, 64);
        for (int i = 0; i < 64; i++) {
            double want = exact(op, u, (double)x[i]);
            double got = (double)y[i];

            if (isnan(want) || isnan(got)) {
                assert_true(isnan(want) && isnan(got));
            } else if (fabs(want) < 2 * FLT_MIN) {
                assert_true(fabs(got - want) <= 2 * FLT_MIN);
            } else if (fabs(want) > 0.99 * FLT_MAX) {
                assert_true(fabs(got) > 0.98 * FLT_MAX && got * want > 0);
            } else {
                worst = fmax(worst, fabs(got - want) / fabs(want));
            }
        }
    }
    return worst;
}

static void check(enum unary_op op, double a, double b, double bound)
{
    struct unary u = {.a = a, .b = b};

    for (size_t i = 0; isa_each(i) != NULL; i++) {
        double worst = worst_error(isa_each(i), op, &u);

        print_message("%s: largest relative error %.3g\n", isa_each(i)->name,
                      worst);
        assert_true(worst <= bound);
    }
}

#define ACCURACY(name, op, a, b, bound)   \
    static void test_##name(void **state) \
    {                                     \
        (void)state;                      \
        check(op, a, b, bound);           \
    }

ACCURACY(exp, UNARY_EXP, 0, 0, 3e-7)
ACCURACY(log, UNARY_LOG, 0, 0, 3e-7)
ACCURACY(sigmoid, UNARY_SIGMOID, 0, 0, 3e-7)
ACCURACY(tanh, UNARY_TANH, 0, 0, 3e-7)
ACCURACY(erf, UNARY_ERF, 0, 0, 3e-7)
ACCURACY(softplus, UNARY_SOFTPLUS, 0, 0, 5e-7)
ACCURACY(elu, UNARY_ELU, 1.5, 0, 5e-7)
ACCURACY(selu, UNARY_SELU, 1.67326, 1.0507, 5e-7)
ACCURACY(sqrt, UNARY_SQRT, 0, 0, 6e-8)
ACCURACY(reciprocal, UNARY_RECIPROCAL, 0, 0, 6e-8)
ACCURACY(leaky_relu, UNARY_LEAKY_RELU, 0.1, 0, 6e-8)
ACCURACY(relu, UNARY_RELU, 0, 0, 0)
ACCURACY(floor, UNARY_FLOOR, 0, 0, 0)
ACCURACY(ceil, UNARY_CEIL, 0, 0, 0)
ACCURACY(round, UNARY_ROUND, 0, 0, 0)
ACCURACY(neg, UNARY_NEG, 0, 0, 0)
ACCURACY(abs, UNARY_ABS, 0, 0, 0)
ACCURACY(sign, UNARY_SIGN, 0, 0, 0)

/* The sum 1 + erf cancels far below 0, so the bound is on |x|. */
static void test_gelu(void **state)
{
    (void)state;
    for (size_t i = 0; isa_each(i) != NULL; i++) {
        for (float x = -20; x < 20; x += 0.0137F) {
            double d = (double)x;
            struct unary u = {0};
            float y;

            isa_each(i)->unary[UNARY_GELU](&u, &y, &x, 1);
            assert_true(fabs(y - 0.5 * d * (1 + erf(d * M_SQRT1_2))) <=
                        3e-7 * fabs(d));
            isa_each(i)->unary[UNARY_GELU_TANH](&u, &y, &x, 1);
            d = 0.5 * d *
                (1 + tanh(sqrt(2 / M_PI) * (d + 0.044715 * d * d * d)));
            assert_true(fabs(y - d) <= 4e-7 * fabs((double)x));
        }
    }
}

static void test_hard_functions(void **state)
{
    struct unary u = {.a = 0.2, .b = 0.5};

    (void)state;
    for (float x = -6; x < 6; x += 0.25F) {
        float unit = fminf(fmaxf(0.2F * x + 0.5F, 0), 1);
        float swish = x * fminf(fmaxf(x / 6 + 0.5F, 0), 1);
        float y;

        unary_find(UNARY_HARD_SIGMOID, DTYPE_F32)(&u, &y, &x, 1);
        assert_float_equal(y, unit, 1e-6);
        unary_find(UNARY_HARD_SWISH, DTYPE_F32)(&u, &y, &x, 1);
        assert_float_equal(y, swish, 1e-6);
    }
}

/* An element's result does not depend on where it stands, nor on what is
 * beside it, and nothing is written beyond the end. */
static void test_every_length_and_place(void **state)
{
    struct unary u = {.a = 0.3, .b = 1.2};
    float x[70];
    float whole[70];

    (void)state;
    for (int i = 0; i < 70; i++) {
        x[i] = (float)(i - 35) * 0.17F;
    }
    for (size_t k = 0; isa_each(k) != NULL; k++) {
        for (int op = 0; op < UNARY_NOT; op++) {
            isa_each(k)->unary[op](&u, whole, x, 70);
            for (size_t n = 1; n < 35; n++) {
                float y[36];

                y[n] = 77;
                isa_each(k)->unary[op](&u, y, x + n, n);
                assert_memory_equal(y, whole + n, n * sizeof(float));
                assert_true(y[n] == 77);
            }
        }
    }
}

static void test_clip_of_uint64(void **state)
{
    struct unary u = {.low = 5, .high = -1};
    uint64_t x[3] = {0, 7, UINT64_MAX - 1};

    (void)state;
    unary_find(UNARY_CLIP, DTYPE_U64)(&u, x, x, 3);
    assert_true(x[0] == 5 && x[1] == 7 && x[2] == UINT64_MAX - 1);
}

static void test_the_least_integer_wraps_around(void **state)
{
    int32_t x[2] = {INT32_MIN, -3};

    (void)state;
    unary_find(UNARY_ABS, DTYPE_I32)(&(struct unary){0}, x, x, 2);
    assert_true(x[0] == INT32_MIN && x[1] == 3);
}

static void test_half_goes_through_float(void **state)
{
    uint16_t x[600];

    (void)state;
    for (int i = 0; i < 600; i++) {
        x[i] = tensor_float_to_half((float)(i - 300) / 100);
    }
    unary_find(UNARY_TANH, DTYPE_F16)(&(struct unary){0}, x, x, 600);
    for (int i = 0; i < 600; i++) {
        assert_float_equal(tensor_half_to_float(x[i]),
                           tanhf((float)(i - 300) / 100), 2e-3);
    }
}

static void test_what_is_not_defined(void **state)
{
    (void)state;
    assert_null(unary_find(UNARY_TANH, DTYPE_I32));
    assert_null(unary_find(UNARY_NOT, DTYPE_F32));
    assert_non_null(unary_find(UNARY_NOT, DTYPE_BOOL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_exp),
        cmocka_unit_test(test_log),
        cmocka_unit_test(test_sigmoid),
        cmocka_unit_test(test_tanh),
        cmocka_unit_test(test_erf),
        cmocka_unit_test(test_softplus),
        cmocka_unit_test(test_elu),
        cmocka_unit_test(test_selu),
        cmocka_unit_test(test_sqrt),
        cmocka_unit_test(test_reciprocal),
        cmocka_unit_test(test_leaky_relu),
        cmocka_unit_test(test_relu),
        cmocka_unit_test(test_floor),
        cmocka_unit_test(test_ceil),
        cmocka_unit_test(test_round),
        cmocka_unit_test(test_neg),
        cmocka_unit_test(test_abs),
        cmocka_unit_test(test_sign),
        cmocka_unit_test(test_gelu),
        cmocka_unit_test(test_hard_functions),
        cmocka_unit_test(test_every_length_and_place),
        cmocka_unit_test(test_clip_of_uint64),
        cmocka_unit_test(test_the_least_integer_wraps_around),
        cmocka_unit_test(test_half_goes_through_float),
        cmocka_unit_test(test_what_is_not_defined),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
