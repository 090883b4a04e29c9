/*
 * Functions of one float32, vector by vector. Bounds on the relative error
 * against the exact value, over all floats whose result is a normal number:
 * exp, log, sigmoid, tanh, erf 3e-7; softplus, elu, selu 5e-7; gelu 3e-7 of
 * |x|. They are checked against libm in tests/unit/test_unary.c. Polynomials
 * were fitted for this project (least maximum error).
 */
#ifndef EDGE_KERNELS_BODY_UNARY_H
#define EDGE_KERNELS_BODY_UNARY_H

#include "kernels/simd.h"
#include "kernels/unary.h"

#include <math.h>

/* ---- functions of a vector ---------------------------------------------- */

/* vf_log() for any float: zero, infinity, NaN and subnormal numbers too. */
SIMD_FN vf any_log(vf x)
{
    vi tiny = x < vf_splat(1.17549435E-38F);
    vf scaled = vf_select(tiny, x * 16777216.0F, x); /* 2^24 */
    vf y = vf_log(scaled) - vf_select(tiny, vf_splat(16.6355324F), vf_splat(0));

    y = vf_select(x == vf_splat(0), vf_splat(-INFINITY), y);
    y = vf_select(x < vf_splat(0), vf_splat(NAN), y);
    return vf_select((x != x) | (x == vf_splat(INFINITY)), x, y);
}

/* e^x - 1 without cancellation near 0. */
SIMD_FN vf exp_minus_1(vf x)
{
    vf p = x * 1.984980772E-04F + 1.399617759E-03F;

    p = p * x + 8.333578706E-03F;
    p = p * x + 4.166536033E-02F;
    p = p * x + 1.666666418E-01F;
    p = p * x + 5.000000596E-01F;
    p = p * x * x + x;
    return vf_select(vf_abs(x) < vf_splat(0.5F), p, vf_exp(x) - 1.0F);
}

SIMD_FN vf sigmoid(vf x)
{
    return 1.0F / (1.0F + vf_exp(-x));
}

SIMD_FN vf hyperbolic_tangent(vf x)
{
    vf z = x * x;
    vf p = z * -5.515154451E-03F + 2.046941034E-02F;
    vf y = 1.0F - 2.0F / (vf_exp(vf_abs(x) * 2.0F) + 1.0F);
    vi sign = (vi)x & (vi)vf_splat(-0.0F);

    p = p * z - 5.368801951E-02F;
    p = p * z + 1.333083063E-01F;
    p = p * z - 3.333325982E-01F;
    p = p * z * x + x;
    y = (vf)((vi)y | sign);
    return vf_select(vf_abs(x) < vf_splat(0.65F), p, y);
}

/* Near 0 an odd polynomial, farther out 1 - e^-q(|x|), which is 1 in floats
 * from 4 on. */
SIMD_FN vf error_function(vf x)
{
    vf z = x * x;
    vf t = vf_at_most(vf_abs(x), vf_splat(4.0F));
    vf p = z * 8.316772437E-05F - 8.130011847E-04F;
    vf q = t * 2.082862193E-05F - 4.313935933E-04F;
    vi sign = (vi)x & (vi)vf_splat(-0.0F);

    p = p * z + 5.199906416E-03F;
    p = p * z - 2.685894072E-02F;
    p = p * z + 1.128368750E-01F;
    p = p * z - 3.761263192E-01F;
    p = (p * z + 1.28379226E-01F) * x + x;
    q = q * t + 4.156255163E-03F;
    q = q * t - 2.508061752E-02F;
    q = q * t + 1.082203835E-01F;
    q = q * t + 6.334008574E-01F;
    q = q * t + 1.129488349E+00F;
    q = q * t - 1.692051737E-04F;
    q = (vf)((vi)(1.0F - vf_exp(-q)) | sign);
    return vf_select(vf_abs(x) < vf_splat(0.93F), p, q);
}

/* max(x, 0) + ln(1 + u), u = e^-|x|; the quotient makes up for what 1 + u
 * rounds away. */
SIMD_FN vf softplus(vf x)
{
    vf u = vf_exp(-vf_abs(x));
    vf w = u + 1.0F;
    vf y = vf_log(w) * (u / (w - 1.0F));

    y = vf_select(w == vf_splat(1.0F), u, y);
    return vf_at_least(x, vf_splat(0)) + y;
}

SIMD_FN vf gelu_by_tanh(vf x)
{
    vf inner = (x + x * x * x * 0.044715F) * 0.797884561F;

    return x * 0.5F * (hyperbolic_tangent(inner) + 1.0F);
}

SIMD_FN vf sign_of(vf x)
{
    vf y = vf_select(x > vf_splat(0), vf_splat(1), vf_splat(0));

    y = vf_select(x < vf_splat(0), vf_splat(-1), y);
    return vf_select(x != x, x, y);
}

/* The three below are whole loops in some instruction sets, which the
 * compiler knows. */
#define LANES(name, f)                         \
    SIMD_FN vf name(vf x)                      \
    {                                          \
        SIMD_UNROLL                            \
        for (int i = 0; i < SIMD_WIDTH; i++) { \
            x[i] = f(x[i]);                    \
        }                                      \
        return x;                              \
    }

LANES(floor_of, floorf)
LANES(ceil_of, ceilf)
LANES(round_of, rintf)

/* ---- runs ---------------------------------------------------------------- */

/* `f` is an expression of the vector x and the scalars a and b. */
#define UNARY(name, f)                                                   \
    static void name(const struct unary *u, float *out, const float *in, \
                     size_t n)                                           \
    {                                                                    \
        const float a = (float)u->a;                                     \
        const float b = (float)u->b;                                     \
        size_t i = 0;                                                    \
                                                                         \
        (void)a;                                                         \
        (void)b;                                                         \
        for (; i + SIMD_WIDTH <= n; i += SIMD_WIDTH) {                   \
            vf x = vf_load(in + i);                                      \
                                                                         \
            vf_store(out + i, (f));                                      \
        }                                                                \
        if (i < n) {                                                     \
            vf x = vf_load_some(in + i, n - i);                          \
                                                                         \
            vf_store_some(out + i, (f), n - i);                          \
        }                                                                \
    }

UNARY(unary_relu, vf_at_least(x, vf_splat(0)))
UNARY(unary_clip, vf_at_most(vf_at_least(x, vf_splat(a)), vf_splat(b)))
UNARY(unary_leaky_relu, vf_select(x < vf_splat(0), x *a, x))
UNARY(unary_elu, vf_select(x < vf_splat(0), exp_minus_1(x) * a, x))
UNARY(unary_selu, vf_select(x < vf_splat(0), exp_minus_1(x) * a, x) * b)
UNARY(unary_sigmoid, sigmoid(x))
UNARY(unary_hard_sigmoid,
      vf_at_most(vf_at_least(x *a + b, vf_splat(0)), vf_splat(1)))
UNARY(unary_hard_swish,
      x *vf_at_most(vf_at_least(x *(1.0F / 6) + 0.5F, vf_splat(0)),
                    vf_splat(1)))
UNARY(unary_softplus, softplus(x))
UNARY(unary_tanh, hyperbolic_tangent(x))
UNARY(unary_erf, error_function(x))
UNARY(unary_gelu, x * 0.5F * (error_function(x * 0.707106781F) + 1.0F))
UNARY(unary_gelu_tanh, gelu_by_tanh(x))
UNARY(unary_sqrt, vf_sqrt(x))
UNARY(unary_exp, vf_exp(x))
UNARY(unary_log, any_log(x))
UNARY(unary_reciprocal, 1.0F / x)
UNARY(unary_floor, floor_of(x))
UNARY(unary_ceil, ceil_of(x))
UNARY(unary_round, round_of(x))
UNARY(unary_neg, -x)
UNARY(unary_abs, vf_abs(x))
UNARY(unary_sign, sign_of(x))

static const unary_run_f32 unary_runs[UNARY_OPS] = {
    [UNARY_RELU] = unary_relu,
    [UNARY_CLIP] = unary_clip,
    [UNARY_LEAKY_RELU] = unary_leaky_relu,
    [UNARY_ELU] = unary_elu,
    [UNARY_SELU] = unary_selu,
    [UNARY_SIGMOID] = unary_sigmoid,
    [UNARY_HARD_SIGMOID] = unary_hard_sigmoid,
    [UNARY_HARD_SWISH] = unary_hard_swish,
    [UNARY_SOFTPLUS] = unary_softplus,
    [UNARY_TANH] = unary_tanh,
    [UNARY_ERF] = unary_erf,
    [UNARY_GELU] = unary_gelu,
    [UNARY_GELU_TANH] = unary_gelu_tanh,
    [UNARY_SQRT] = unary_sqrt,
    [UNARY_EXP] = unary_exp,
    [UNARY_LOG] = unary_log,
    [UNARY_RECIPROCAL] = unary_reciprocal,
    [UNARY_FLOOR] = unary_floor,
    [UNARY_CEIL] = unary_ceil,
    [UNARY_ROUND] = unary_round,
    [UNARY_NEG] = unary_neg,
    [UNARY_ABS] = unary_abs,
    [UNARY_SIGN] = unary_sign,
};

#endif
