#include "kernels/unary.h"

#include "kernels/isa.h"
#include "kernels/types.h"

#include <math.h>

#define RUN(name, type, f)                                             \
    static void name(const struct unary *u, void *out, const void *in, \
                     size_t n)                                         \
    {                                                                  \
        const type *from = in;                                         \
        type *to = out;                                                \
                                                                       \
        (void)u;                                                       \
        LOOP_FREE                                                      \
        for (size_t i = 0; i < n; i++) {                               \
            const type x = from[i];                                    \
                                                                       \
            to[i] = (type)(f);                                         \
        }                                                              \
    }

/* ---- integers ------------------------------------------------------------ */

#define INT_RUNS(NAME, type, suffix, wide)                                    \
    RUN(relu_##suffix, type, x > 0 ? x : 0)                                   \
    RUN(abs_##suffix, type, x < (type)1 ? (type)(0 - (wide)x) : x)            \
    RUN(neg_##suffix, type, 0 - (wide)x)                                      \
    RUN(sign_##suffix, type, x == 0 ? 0 : (x < (type)1 ? (type)-1 : (type)1)) \
    RUN(copy_##suffix, type, x)                                               \
    static void clip_##suffix(const struct unary *u, void *out,               \
                              const void *in, size_t n)                       \
    {                                                                         \
        const type low = (type)u->low;                                        \
        const type high = (type)u->high;                                      \
        const type *from = in;                                                \
        type *to = out;                                                       \
                                                                              \
        LOOP_FREE                                                             \
        for (size_t i = 0; i < n; i++) {                                      \
            type x = from[i] < low ? low : from[i];                           \
                                                                              \
            to[i] = x > high ? high : x;                                      \
        }                                                                     \
    }

TYPES_INT(INT_RUNS)
RUN(not_bool, uint8_t, x == 0)

/* ---- float64 ------------------------------------------------------------- */

static double sign_of(double x)
{
    return x != x ? x : (double)((x > 0) - (x < 0));
}

static double unit_of(double x)
{
    return fmin(fmax(x, 0), 1);
}

RUN(relu_f64, double, x < 0 ? 0 : x)
RUN(clip_f64, double, x<u->a ? u->a : x> u->b ? u->b : x)
RUN(leaky_f64, double, x < 0 ? x * u->a : x)
RUN(elu_f64, double, x < 0 ? u->a * expm1(x) : x)
RUN(selu_f64, double, u->b *(x < 0 ? u->a * expm1(x) : x))
RUN(sigmoid_f64, double, 1 / (1 + exp(-x)))
RUN(hard_sigmoid_f64, double, unit_of(u->a *x + u->b))
RUN(hard_swish_f64, double, x *unit_of(x / 6 + 0.5))
RUN(softplus_f64, double, fmax(x, 0) + log1p(exp(-fabs(x))))
RUN(tanh_f64, double, tanh(x))
RUN(erf_f64, double, erf(x))
RUN(gelu_f64, double, 0.5 * x * (1 + erf(x * M_SQRT1_2)))
RUN(gelu_tanh_f64, double,
    0.5 * x * (1 + tanh(sqrt(2 / M_PI) * (x + 0.044715 * x * x * x))))
RUN(sqrt_f64, double, sqrt(x))
RUN(exp_f64, double, exp(x))
RUN(log_f64, double, log(x))
RUN(reciprocal_f64, double, 1 / x)
RUN(floor_f64, double, floor(x))
RUN(ceil_f64, double, ceil(x))
RUN(round_f64, double, rint(x))
RUN(neg_f64, double, -x)
RUN(abs_f64, double, fabs(x))
RUN(sign_f64, double, sign_of(x))

/* ---- float32, and float16 through it --------------------------------------
 */

static void half_run(enum unary_op op, const struct unary *u, void *out,
                     const void *in, size_t n)
{
    unary_run_f32 run = isa_best()->unary[op];
    float block[HALF_BLOCK];

    for (size_t i = 0; i < n; i += HALF_BLOCK) {
        size_t m = n - i < HALF_BLOCK ? n - i : HALF_BLOCK;

        half_to_floats(block, (const uint16_t *)in + i, m);
        run(u, block, block, m);
        floats_to_half((uint16_t *)out + i, block, m);
    }
}

#define F32_AND_F16(name, NAME)                                              \
    static void name##_f32(const struct unary *u, void *out, const void *in, \
                           size_t n)                                         \
    {                                                                        \
        isa_best()->unary[UNARY_##NAME](u, out, in, n);                      \
    }                                                                        \
    static void name##_f16(const struct unary *u, void *out, const void *in, \
                           size_t n)                                         \
    {                                                                        \
        half_run(UNARY_##NAME, u, out, in, n);                               \
    }

#define FLOAT_OPS(X)              \
    X(relu, RELU)                 \
    X(clip, CLIP)                 \
    X(leaky, LEAKY_RELU)          \
    X(elu, ELU)                   \
    X(selu, SELU)                 \
    X(sigmoid, SIGMOID)           \
    X(hard_sigmoid, HARD_SIGMOID) \
    X(hard_swish, HARD_SWISH)     \
    X(softplus, SOFTPLUS)         \
    X(tanh, TANH)                 \
    X(erf, ERF)                   \
    X(gelu, GELU)                 \
    X(gelu_tanh, GELU_TANH)       \
    X(sqrt, SQRT)                 \
    X(exp, EXP)                   \
    X(log, LOG)                   \
    X(reciprocal, RECIPROCAL)     \
    X(floor, FLOOR)               \
    X(ceil, CEIL)                 \
    X(round, ROUND)               \
    X(neg, NEG)                   \
    X(abs, ABS)                   \
    X(sign, SIGN)

FLOAT_OPS(F32_AND_F16)

/* ---- the table ------------------------------------------------------------
 */

#define FLOAT_ENTRY(name, NAME)                 \
    [UNARY_##NAME] = {[DTYPE_F32] = name##_f32, \
                      [DTYPE_F16] = name##_f16, \
                      [DTYPE_F64] = name##_f64},

static const unary_run float_runs[UNARY_OPS][DTYPE_COUNT] = {
    FLOAT_OPS(FLOAT_ENTRY)[UNARY_NOT] = {[DTYPE_BOOL] = not_bool}};

/* Rounding leaves an integer as it is. */
#define INT_COLUMN(NAME, type, suffix, wide)                                  \
    [DTYPE_##                                                                 \
        NAME] = {[UNARY_RELU] = relu_##suffix,  [UNARY_CLIP] = clip_##suffix, \
                 [UNARY_FLOOR] = copy_##suffix, [UNARY_CEIL] = copy_##suffix, \
                 [UNARY_ROUND] = copy_##suffix, [UNARY_NEG] = neg_##suffix,   \
                 [UNARY_ABS] = abs_##suffix,    [UNARY_SIGN] = sign_##suffix},

static const unary_run int_runs[DTYPE_COUNT][UNARY_OPS] = {
    TYPES_INT(INT_COLUMN)};

unary_run unary_find(enum unary_op op, enum dtype dtype)
{
    unary_run run = float_runs[op][dtype];

    return run != NULL ? run : int_runs[dtype][op];
}
