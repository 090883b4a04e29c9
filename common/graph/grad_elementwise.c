/* Gradients of ops that broadcast two or more inputs. */
#include "graph/grad_rule.h"

static void fit(struct grad *g, const struct op *op, int i, int term)
{
    if (term >= 0) {
        struct shape to = *grad_shape(g, op->in[i]);

        grad_add(g, op, i, grad_fit(g, term, &to));
    }
}

static void back_sum(struct grad *g, const struct op *op, int dy)
{
    float share = op->kind == OP_MEAN ? 1 / (float)op->n_in : 1;
    int term = grad_scale(g, dy, share);

    for (int i = 0; i < op->n_in; i++) {
        if (grad_wants(g, op, i)) {
            fit(g, op, i, term);
        }
    }
}

static void back_sub(struct grad *g, const struct op *op, int dy)
{
    if (grad_wants(g, op, 0)) {
        fit(g, op, 0, dy);
    }
    if (grad_wants(g, op, 1)) {
        fit(g, op, 1, GRAD_OP(g, OP_NEG, dy));
    }
}

static void back_mul(struct grad *g, const struct op *op, int dy)
{
    for (int i = 0; i < 2; i++) {
        if (grad_wants(g, op, i)) {
            fit(g, op, i, GRAD_OP(g, OP_MUL, dy, op->in[1 - i]));
        }
    }
}

/* y = a / b: dy / b, and -y dy / b */
static void back_div(struct grad *g, const struct op *op, int dy)
{
    int part = GRAD_OP(g, OP_DIV, dy, op->in[1]);

    if (grad_wants(g, op, 0)) {
        fit(g, op, 0, part);
    }
    if (grad_wants(g, op, 1)) {
        fit(g, op, 1, GRAD_OP(g, OP_NEG, GRAD_OP(g, OP_MUL, part, op->out[0])));
    }
}

/* y = a ^ b: b a^(b-1) dy, and y ln(a) dy */
static void back_pow(struct grad *g, const struct op *op, int dy)
{
    int a = op->in[0];
    int b = op->in[1];

    if (g->rc == 0 && g->graph->values[b].dtype != DTYPE_F32) {
        grad_fail(g, EDGE_EUNSUPPORTED, op,
                  "its exponent must be float32 for a gradient");
        return;
    }
    if (grad_wants(g, op, 0)) {
        int less = GRAD_OP(g, OP_SUB, b, grad_number(g, 1));
        int power = GRAD_OP(g, OP_POW, a, less);

        fit(g, op, 0, GRAD_OP(g, OP_MUL, dy, GRAD_OP(g, OP_MUL, power, b)));
    }
    if (grad_wants(g, op, 1)) {
        int log = GRAD_OP(g, OP_LOG, a);

        fit(g, op, 1,
            GRAD_OP(g, OP_MUL, dy, GRAD_OP(g, OP_MUL, op->out[0], log)));
    }
}

/* Equal ones all get dy, as each of them made the result. */
static void back_extreme(struct grad *g, const struct op *op, int dy)
{
    for (int i = 0; i < op->n_in; i++) {
        if (grad_wants(g, op, i)) {
            int same = GRAD_OP(g, OP_EQUAL, op->in[i], op->out[0]);

            fit(g, op, i, GRAD_OP(g, OP_WHERE, same, dy, grad_number(g, 0)));
        }
    }
}

static void back_where(struct grad *g, const struct op *op, int dy)
{
    if (grad_wants(g, op, 1)) {
        fit(g, op, 1, GRAD_OP(g, OP_WHERE, op->in[0], dy, grad_number(g, 0)));
    }
    if (grad_wants(g, op, 2)) {
        fit(g, op, 2, GRAD_OP(g, OP_WHERE, op->in[0], grad_number(g, 0), dy));
    }
}

/* y = x < 0 ? slope x : x */
static void back_prelu(struct grad *g, const struct op *op, int dy)
{
    int zero = grad_number(g, 0);
    int below = GRAD_OP(g, OP_LESS, op->in[0], zero);

    if (grad_wants(g, op, 0)) {
        int scaled = GRAD_OP(g, OP_MUL, dy, op->in[1]);

        fit(g, op, 0, GRAD_OP(g, OP_WHERE, below, scaled, dy));
    }
    if (grad_wants(g, op, 1)) {
        int product = GRAD_OP(g, OP_MUL, dy, op->in[0]);

        fit(g, op, 1, GRAD_OP(g, OP_WHERE, below, product, zero));
    }
}

const struct grad_rule grad_elementwise_rules[] = {
    {OP_ADD, back_sum, NULL},     {OP_SUM, back_sum, NULL},
    {OP_MEAN, back_sum, NULL},    {OP_SUB, back_sub, NULL},
    {OP_MUL, back_mul, NULL},     {OP_DIV, back_div, NULL},
    {OP_POW, back_pow, NULL},     {OP_MIN, back_extreme, NULL},
    {OP_MAX, back_extreme, NULL}, {OP_WHERE, back_where, NULL},
    {OP_PRELU, back_prelu, NULL}, {0},
};
