/* Gradients of functions of one element. Those that y alone decides are taken
 * from y: so a convolution stays fused with its activation. */
#include "graph/grad_rule.h"

#include <math.h>

static const struct grad_of {
    enum op_kind kind;
    enum op_kind grad;
    bool by_x;
} of[] = {
    {OP_RELU, OP_RELU_GRAD, false},
    {OP_LEAKY_RELU, OP_LEAKY_RELU_GRAD, false},
    {OP_ELU, OP_ELU_GRAD, false},
    {OP_SELU, OP_SELU_GRAD, false},
    {OP_SIGMOID, OP_SIGMOID_GRAD, false},
    {OP_TANH, OP_TANH_GRAD, false},
    {OP_HARD_SIGMOID, OP_HARD_SIGMOID_GRAD, true},
    {OP_HARD_SWISH, OP_HARD_SWISH_GRAD, true},
};

static void back_own(struct grad *g, const struct op *op, int dy)
{
    const struct grad_of *row = of;
    struct op *back;
    int rc = 0;

    while (row->kind != op->kind) {
        row++;
    }
    if (op_float(op, "alpha", 1) <= 0 && op->kind != OP_HARD_SIGMOID) {
        grad_fail(g, EDGE_EUNSUPPORTED, op,
                  "attribute \"alpha\" must be above 0 for a gradient");
    }
    back = grad_begin(g, row->grad, 2,
                      (const int[]){dy, row->by_x ? op->in[0] : op->out[0]}, 1);
    if (back == NULL) {
        return;
    }
    for (size_t i = 0; i < op->n_attrs && rc == 0; i++) {
        if (op->attrs[i].kind == ATTR_FLOAT) {
            rc = op_set_float(back, op->attrs[i].name, op->attrs[i].f);
        }
    }
    grad_add(g, op, 0, grad_done(g, rc));
}

static void back_clip(struct grad *g, const struct op *op, int dy)
{
    int in[] = {dy, op->out[0], -1, -1};

    for (int i = 1; i < op->n_in; i++) {
        in[1 + i] = op->in[i];
    }
    grad_add(g, op, 0, grad_op(g, OP_CLIP_GRAD, 1 + op->n_in, in));
}

static int times(struct grad *g, int a, int b)
{
    return GRAD_OP(g, OP_MUL, a, b);
}

/* x's own derivative, or y's, times dy, out of other ops. */
static void back_made(struct grad *g, const struct op *op, int dy)
{
    int x = op->in[0];
    int y = op->out[0];
    int term = -1;

    switch (op->kind) {
    case OP_NEG: term = GRAD_OP(g, OP_NEG, dy); break;
    case OP_ABS: term = times(g, dy, GRAD_OP(g, OP_SIGN, x)); break;
    case OP_EXP: term = times(g, dy, y); break;
    case OP_LOG: term = GRAD_OP(g, OP_DIV, dy, x); break;
    case OP_SQRT: term = grad_scale(g, GRAD_OP(g, OP_DIV, dy, y), 0.5F); break;
    case OP_RECIPROCAL:
        term = GRAD_OP(g, OP_NEG, times(g, dy, times(g, y, y)));
        break;
    case OP_SOFTPLUS: term = times(g, dy, GRAD_OP(g, OP_SIGMOID, x)); break;
    case OP_ERF: { /* 2 / sqrt(pi) e^(-x^2) */
        int e = GRAD_OP(g, OP_EXP, GRAD_OP(g, OP_NEG, times(g, x, x)));

        term = times(g, dy, grad_scale(g, e, 1.12837917F));
        break;
    }
    default: term = dy; break; /* Identity */
    }
    grad_add(g, op, 0, term);
}

/* Steps have no slope: what reads them learns nothing through them. */
static void back_flat(struct grad *g, const struct op *op, int dy)
{
    (void)g;
    (void)op;
    (void)dy;
}

/* Straight through where |x| <= 1 (Hubara et al. 2016, "Binarized Neural
 * Networks", eq. 4): so a binary layer learns, though its slope is 0. ClipGrad
 * has no slope at its bounds, where weights are that were held to [-1, 1]. */
static void back_sign(struct grad *g, const struct op *op, int dy)
{
    int in[] = {dy, op->in[0], grad_number(g, -nextafterf(1, 2)),
                grad_number(g, nextafterf(1, 2))};

    grad_add(g, op, 0, grad_op(g, OP_CLIP_GRAD, 4, in));
}

/* x P(x) with P the normal distribution's: P(x) + x p(x). */
static void back_gelu(struct grad *g, const struct op *op, int dy)
{
    int x = op->in[0];
    int erf;
    int whole;
    int density;

    if (op_string(op, "approximate", "none")[0] == 't') {
        grad_fail(g, EDGE_EUNSUPPORTED, op,
                  "there is no gradient for its approximation by tanh");
        return;
    }
    erf = GRAD_OP(g, OP_ERF, grad_scale(g, x, 0.707106781F));
    whole = grad_scale(g, GRAD_OP(g, OP_ADD, erf, grad_number(g, 1)), 0.5F);
    density = GRAD_OP(g, OP_EXP, grad_scale(g, times(g, x, x), -0.5F));
    density = times(g, x, grad_scale(g, density, 0.398942280F));
    grad_add(g, op, 0, times(g, dy, GRAD_OP(g, OP_ADD, whole, density)));
}

static void back_cast(struct grad *g, const struct op *op, int dy)
{
    if (g->graph->values[op->in[0]].dtype == DTYPE_F32) {
        grad_add(g, op, 0, dy);
    }
}

const struct grad_rule grad_unary_rules[] = {
    {OP_RELU, back_own, NULL},
    {OP_LEAKY_RELU, back_own, NULL},
    {OP_ELU, back_own, NULL},
    {OP_SELU, back_own, NULL},
    {OP_SIGMOID, back_own, NULL},
    {OP_TANH, back_own, NULL},
    {OP_HARD_SIGMOID, back_own, NULL},
    {OP_HARD_SWISH, back_own, NULL},
    {OP_CLIP, back_clip, NULL},
    {OP_GELU, back_gelu, NULL},
    {OP_NEG, back_made, NULL},
    {OP_ABS, back_made, NULL},
    {OP_EXP, back_made, NULL},
    {OP_LOG, back_made, NULL},
    {OP_SQRT, back_made, NULL},
    {OP_RECIPROCAL, back_made, NULL},
    {OP_SOFTPLUS, back_made, NULL},
    {OP_ERF, back_made, NULL},
    {OP_IDENTITY, back_made, NULL},
    {OP_CAST, back_cast, NULL},
    {OP_SIGN, back_sign, NULL},
    {OP_FLOOR, back_flat, NULL},
    {OP_CEIL, back_flat, NULL},
    {OP_ROUND, back_flat, NULL},
    {0},
};
