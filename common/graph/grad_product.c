/* Gradients of matrix products. */
#include "graph/grad_rule.h"

static int product(struct grad *g, int a, bool turn_a, int b, bool turn_b,
                   float alpha)
{
    const int in[] = {a, b};
    struct op *op = grad_begin(g, OP_GEMM, 2, in, 1);
    int rc;

    if (op == NULL) {
        return -1;
    }
    rc = op_set_int(op, "transA", turn_a);
    rc = rc == 0 ? op_set_int(op, "transB", turn_b) : rc;
    rc = rc == 0 ? op_set_float(op, "alpha", alpha) : rc;
    return grad_done(g, rc);
}

/* y = alpha a' b' + beta c, where a' and b' may be transposed. */
static void back_gemm(struct grad *g, const struct op *op, int dy)
{
    bool ta = op_int(op, "transA", 0) != 0;
    bool tb = op_int(op, "transB", 0) != 0;
    float alpha = op_float(op, "alpha", 1);
    int a = op->in[0];
    int b = op->in[1];

    if (grad_wants(g, op, 0)) {
        grad_add(g, op, 0,
                 ta ? product(g, b, tb, dy, true, alpha)
                    : product(g, dy, false, b, !tb, alpha));
    }
    if (grad_wants(g, op, 1)) {
        grad_add(g, op, 1,
                 tb ? product(g, dy, true, a, ta, alpha)
                    : product(g, a, !ta, dy, false, alpha));
    }
    if (grad_wants(g, op, 2)) {
        grad_add(g, op, 2,
                 grad_scale(g, grad_fit(g, dy, grad_shape(g, op->in[2])),
                            op_float(op, "beta", 1)));
    }
}

/* The last two axes swapped. */
static int turn(struct grad *g, int value)
{
    int64_t perm[LIMIT_RANK];
    int rank = grad_shape(g, value)->rank;

    if (value < 0) {
        return -1;
    }
    for (int i = 0; i < rank; i++) {
        perm[i] = i;
    }
    perm[rank - 1] = rank - 2;
    perm[rank - 2] = rank - 1;
    return grad_transpose(g, value, perm);
}

/* All axes but the last made one. */
static int as_rows(struct grad *g, int value)
{
    const struct shape *s = grad_shape(g, value);
    struct shape to = {.rank = 2};

    if (value < 0) {
        return -1;
    }
    to.dims[0] = shape_span(s, 0, s->rank - 1);
    to.dims[1] = s->dims[s->rank - 1];
    return grad_reshape(g, value, &to);
}

/* A vector gets the axis of 1 that it has in the product. */
static struct shape matrix_shape(const struct shape *s, bool left)
{
    if (s->rank > 1) {
        return *s;
    }
    return left ? shape_of(2, (int64_t[]){1, s->dims[0]})
                : shape_of(2, (int64_t[]){s->dims[0], 1});
}

/* What the product of such matrices has, axes of 1 included. */
static struct shape product_shape(const struct shape *a, const struct shape *b)
{
    struct shape batch_a = shape_of(a->rank - 2, a->dims);
    struct shape batch_b = shape_of(b->rank - 2, b->dims);
    struct shape out = batch_a;

    (void)shape_broadcast(&batch_a, &batch_b, &out); /* it was inferred */
    out.dims[out.rank++] = a->dims[a->rank - 2];
    out.dims[out.rank++] = b->dims[b->rank - 1];
    return out;
}

/* Where b is one matrix, all of a is one tall one, and the sum over the batch
 * is part of the product. */
static void back_matmul(struct grad *g, const struct op *op, int dy)
{
    struct shape sa = matrix_shape(grad_shape(g, op->in[0]), true);
    struct shape sb = matrix_shape(grad_shape(g, op->in[1]), false);
    struct shape sy = product_shape(&sa, &sb);
    bool one_b = sb.rank == 2;
    int a = grad_reshape(g, op->in[0], &sa);
    int b = grad_reshape(g, op->in[1], &sb);
    int da;
    int db;

    dy = grad_reshape(g, dy, &sy);
    if (grad_wants(g, op, 0)) {
        da = one_b ? product(g, as_rows(g, dy), false, b, true, 1)
                   : grad_fit(g, GRAD_OP(g, OP_MATMUL, dy, turn(g, b)), &sa);
        grad_add(g, op, 0, grad_reshape(g, da, grad_shape(g, op->in[0])));
    }
    if (grad_wants(g, op, 1)) {
        db = one_b ? product(g, as_rows(g, a), true, as_rows(g, dy), false, 1)
                   : grad_fit(g, GRAD_OP(g, OP_MATMUL, turn(g, a), dy), &sb);
        grad_add(g, op, 1, grad_reshape(g, db, grad_shape(g, op->in[1])));
    }
}

const struct grad_rule grad_product_rules[] = {
    {OP_GEMM, back_gemm, NULL},
    {OP_MATMUL, back_matmul, NULL},
    {0},
};
