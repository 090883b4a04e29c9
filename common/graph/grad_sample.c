/* Gradients of normalisations within a sample: by instance, by layer, and of
 * local responses. */
#include "graph/grad_rule.h"

/* ---- to mean 0 and variance 1 ---------------------------------------------
 */

/* What an element of the gradient needs of the forward pass, made again. */
struct normed {
    int inverse; /* one over the deviation; axes that were measured are 1 */
    int x;       /* (x - mean) inverse */
    bool mask[LIMIT_RANK];
    float count; /* of elements measured together */
};

static int mean_of(struct grad *g, const struct normed *n, int value)
{
    return grad_scale(g, grad_reduce(g, value, n->mask), 1 / n->count);
}

static struct normed normalise(struct grad *g, const struct op *op, int first)
{
    const struct shape *shape = grad_shape(g, op->in[0]);
    struct normed n = {.count = (float)shape_span(shape, first, shape->rank)};
    int off;
    int square;

    for (int i = first; i < shape->rank; i++) {
        n.mask[i] = true;
    }
    off = GRAD_OP(g, OP_SUB, op->in[0], mean_of(g, &n, op->in[0]));
    square = mean_of(g, &n, GRAD_OP(g, OP_MUL, off, off));
    square = GRAD_OP(g, OP_ADD, square,
                     grad_number(g, op_float(op, "epsilon", 1e-5F)));
    n.inverse = GRAD_OP(g, OP_RECIPROCAL, GRAD_OP(g, OP_SQRT, square));
    n.x = GRAD_OP(g, OP_MUL, off, n.inverse);
    return n;
}

/* With d = dy scale: dx = inverse (d - mean of d - x' mean of d x'), the means
 * over what was measured together (Ba et al. 2016). */
static void back_normed(struct grad *g, const struct op *op,
                        const struct normed *n, int d)
{
    int along = mean_of(g, n, GRAD_OP(g, OP_MUL, d, n->x));
    int term = GRAD_OP(g, OP_SUB, d, mean_of(g, n, d));

    term = GRAD_OP(g, OP_SUB, term, GRAD_OP(g, OP_MUL, n->x, along));
    grad_add(g, op, 0, GRAD_OP(g, OP_MUL, term, n->inverse));
}

/* One number a channel, of a tensor of `rank`: (channels, 1, ...). */
static int by_channel(struct grad *g, int value, int rank)
{
    struct shape to = {.rank = rank - 1};

    to.dims[0] = grad_shape(g, value)->dims[0];
    for (int i = 1; i < to.rank; i++) {
        to.dims[i] = 1;
    }
    return grad_reshape(g, value, &to);
}

static void add_channels(struct grad *g, const struct op *op, int i, int term)
{
    bool mask[LIMIT_RANK] = {false};
    struct shape to;

    if (!grad_wants(g, op, i)) {
        return;
    }
    for (int k = 0; k < grad_shape(g, op->in[0])->rank; k++) {
        mask[k] = k != 1;
    }
    to = *grad_shape(g, op->in[i]);
    grad_add(g, op, i, grad_reshape(g, grad_reduce(g, term, mask), &to));
}

static void back_instance(struct grad *g, const struct op *op, int dy)
{
    int rank = grad_shape(g, op->in[0])->rank;
    struct normed n = normalise(g, op, 2);

    if (grad_wants(g, op, 0)) {
        int scale = by_channel(g, op->in[1], rank);

        back_normed(g, op, &n, GRAD_OP(g, OP_MUL, dy, scale));
    }
    add_channels(g, op, 1, GRAD_OP(g, OP_MUL, dy, n.x));
    add_channels(g, op, 2, dy);
}

static void back_layer(struct grad *g, const struct op *op, int dy)
{
    int rank = grad_shape(g, op->in[0])->rank;
    struct normed n;

    for (int k = 1; k < op->n_out; k++) {
        if (op->out[k] >= 0 && g->last[op->out[k]] >= 0) {
            grad_fail(g, EDGE_EUNSUPPORTED, op,
                      "there is no gradient through its mean or deviation");
            return;
        }
    }
    n = normalise(g, op, shape_axis(op_int(op, "axis", -1), rank));
    if (grad_wants(g, op, 0)) {
        back_normed(g, op, &n, GRAD_OP(g, OP_MUL, dy, op->in[1]));
    }
    for (int i = 1; i < op->n_in; i++) {
        if (grad_wants(g, op, i)) {
            int term = i == 1 ? GRAD_OP(g, OP_MUL, dy, n.x) : dy;

            grad_add(g, op, i, grad_fit(g, term, grad_shape(g, op->in[i])));
        }
    }
}

/* ---- local responses ------------------------------------------------------
 */

/* Mean over `size` channels around each, of which `before` come before it and
 * what lies outside counts as 0. */
static int around(struct grad *g, int value, int64_t size, int64_t before)
{
    struct shape was = *grad_shape(g, value);
    const struct shape flat = {
        4, {was.dims[0], 1, was.dims[1], shape_span(&was, 2, was.rank)}};
    const int64_t kernel[] = {size, 1};
    const int64_t ones[] = {1, 1};
    const int64_t pads[] = {before, 0, size - 1 - before, 0};
    struct op *op;
    int rc;

    value = grad_reshape(g, value, &flat);
    op = grad_begin(g, OP_AVERAGE_POOL, 1, &value, 1);
    if (op == NULL) {
        return -1;
    }
    rc = op_set_ints(op, "kernel_shape", kernel, 2);
    rc = rc == 0 ? op_set_ints(op, "strides", ones, 2) : rc;
    rc = rc == 0 ? op_set_ints(op, "pads", pads, 4) : rc;
    rc = rc == 0 ? op_set_int(op, "count_include_pad", 1) : rc;
    value = grad_done(g, rc);
    return grad_reshape(g, value, &was);
}

/* y = x s^-beta with s = bias + alpha times the mean of x^2 around, so
 * dx = dy s^-beta - 2 alpha beta x times the mean of dy y / s around; there
 * around is the other way round (Krizhevsky et al. 2012). */
static void back_lrn(struct grad *g, const struct op *op, int dy)
{
    int x = op->in[0];
    int64_t size = op_int(op, "size", 1);
    float alpha = op_float(op, "alpha", 1e-4F);
    float beta = op_float(op, "beta", 0.75F);
    int s = around(g, GRAD_OP(g, OP_MUL, x, x), size, (size - 1) / 2);
    int own;
    int others;

    s = GRAD_OP(g, OP_ADD, grad_scale(g, s, alpha),
                grad_number(g, op_float(op, "bias", 1)));
    own = GRAD_OP(g, OP_MUL, dy, GRAD_OP(g, OP_POW, s, grad_number(g, -beta)));
    others = GRAD_OP(g, OP_DIV, GRAD_OP(g, OP_MUL, dy, op->out[0]), s);
    others = GRAD_OP(g, OP_MUL, x, around(g, others, size, size / 2));
    others = grad_scale(g, others, 2 * alpha * beta);
    grad_add(g, op, 0, GRAD_OP(g, OP_SUB, own, others));
}

const struct grad_rule grad_sample_rules[] = {
    {OP_INSTANCE_NORM, back_instance, NULL},
    {OP_LAYER_NORM, back_layer, NULL},
    {OP_LRN, back_lrn, NULL},
    {0},
};
