/* The words in which gradients are written down; see grad_rule.h. */
#include "graph/grad_rule.h"

#include "base/mem.h"
#include "graph/infer.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void grad_fail(struct grad *g, int rc, const struct op *op, const char *format,
               ...)
{
    char text[320];
    va_list args;

    if (g->rc < 0) {
        return;
    }
    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    g->rc = err_set(g->err, rc, "%s \"%.200s\": %s", op_info(op->kind)->name,
                    op->name, text);
}

static void check(struct grad *g, int rc)
{
    if (rc < 0 && g->rc == 0) {
        g->rc = err_set(g->err, rc, "the training graph: %s", err_text(rc));
    }
}

/* ---- terms -------------------------------------------------------------- */

bool grad_wants(const struct grad *g, const struct op *op, int i)
{
    return i < op->n_in && op->in[i] >= 0 && (size_t)op->in[i] < g->n_needs &&
           g->needs[op->in[i]];
}

void grad_add(struct grad *g, const struct op *op, int i, int term)
{
    if (g->rc < 0 || term < 0 || !grad_wants(g, op, i)) {
        return;
    }
    if (!shape_equal(grad_shape(g, term), grad_shape(g, op->in[i]))) {
        grad_fail(g, EDGE_EINVAL, op,
                  "the gradient of input %d has not its "
                  "shape",
                  i);
        return;
    }
    if (mem_grow(&g->terms, &g->terms_room, g->n_terms, sizeof(*g->terms)) <
        0) {
        check(g, EDGE_ENOMEM);
        return;
    }
    g->terms[g->n_terms] = (struct grad_term){term, g->last[op->in[i]]};
    g->last[op->in[i]] = (int)g->n_terms++;
}

/* Terms are summed up first to last, as many at a time as an op can read. */
int grad_sum(struct grad *g, int value)
{
    int in[LIMIT_OP_INPUTS];
    int n = 0;
    int t = g->last[value];

    while (t >= 0) {
        in[n++] = g->terms[t].value;
        t = g->terms[t].before;
        if (n == LIMIT_OP_INPUTS) {
            in[0] = grad_op(g, OP_SUM, n, in);
            n = 1;
        }
    }
    if (n == 0) {
        return -1;
    }
    return n == 1 ? in[0] : grad_op(g, OP_SUM, n, in);
}

/* ---- ops ---------------------------------------------------------------- */

struct op *grad_begin(struct grad *g, enum op_kind kind, int n_in,
                      const int *in, int n_out)
{
    int out[3];
    int rc = 0;

    for (int i = 0; i < n_out && g->rc == 0; i++) {
        out[i] = graph_add_value(g->graph, NULL);
        check(g, out[i]);
    }
    if (g->rc < 0) {
        return NULL;
    }
    rc = graph_add_op(g->graph, kind, NULL, in, n_in, out, n_out);
    check(g, rc);
    return rc < 0 ? NULL : &g->graph->ops[rc];
}

int grad_done(struct grad *g, int rc)
{
    struct op *op;

    check(g, rc);
    if (g->rc < 0) {
        return -1;
    }
    op = &g->graph->ops[g->graph->n_ops - 1];
    g->rc = infer_op(g->graph, op, g->err);
    return g->rc < 0 ? -1 : op->out[0];
}

int grad_output(const struct grad *g, int i)
{
    return g->rc < 0 ? -1 : g->graph->ops[g->graph->n_ops - 1].out[i];
}

int grad_op(struct grad *g, enum op_kind kind, int n_in, const int *in)
{
    return grad_begin(g, kind, n_in, in, 1) != NULL ? grad_done(g, 0) : -1;
}

const struct shape *grad_shape(const struct grad *g, int value)
{
    static const struct shape none;

    return value >= 0 ? &g->graph->values[value].shape : &none;
}

/* ---- constants ---------------------------------------------------------- */

static int add_const(struct grad *g, enum dtype dtype,
                     const struct shape *shape, const void *data)
{
    struct tensor t = {0};
    struct shape copy = *shape; /* it may be a value's, which can move */
    int rc = g->rc;
    int value;

    if (rc == 0) {
        rc = data != NULL ? tensor_copy(&t, dtype, &copy, data)
                          : tensor_init(&t, dtype, &copy);
    }
    if (rc < 0) {
        check(g, rc);
        return -1;
    }
    if (data == NULL && tensor_bytes(&t) > 0) {
        memset(t.data, 0, tensor_bytes(&t));
    }
    value = graph_add_const(g->graph, NULL, &t);
    tensor_deinit(&t);
    check(g, value);
    return value < 0 ? -1 : value;
}

int grad_number(struct grad *g, float x)
{
    return add_const(g, DTYPE_F32, &(struct shape){0}, &x);
}

int grad_ints(struct grad *g, const int64_t *v, size_t n)
{
    return add_const(g, DTYPE_I64, &(struct shape){1, {(int64_t)n}}, v);
}

int grad_zeros(struct grad *g, const struct shape *shape)
{
    return add_const(g, DTYPE_F32, shape, NULL);
}

/* ---- ops that many rules need ------------------------------------------- */

int grad_scale(struct grad *g, int value, float by)
{
    if (fabsf(by - 1) <= 0) {
        return value;
    }
    return GRAD_OP(g, OP_MUL, value, grad_number(g, by));
}

int grad_reshape(struct grad *g, int value, const struct shape *shape)
{
    struct shape to = *shape;

    if (value < 0 || shape_equal(grad_shape(g, value), &to)) {
        return value;
    }
    return GRAD_OP(g, OP_RESHAPE, value,
                   grad_ints(g, to.dims, (size_t)to.rank));
}

int grad_transpose(struct grad *g, int value, const int64_t *perm)
{
    int rank = grad_shape(g, value)->rank;
    struct op *op = grad_begin(g, OP_TRANSPOSE, 1, &value, 1);

    return op == NULL
               ? -1
               : grad_done(g, op_set_ints(op, "perm", perm, (size_t)rank));
}

int grad_reduce(struct grad *g, int value, const bool mask[LIMIT_RANK])
{
    int64_t axes[LIMIT_RANK];
    int rank = grad_shape(g, value)->rank;
    size_t n = 0;

    for (int i = 0; i < rank; i++) {
        if (mask[i]) {
            axes[n++] = i;
        }
    }
    if (n == 0) {
        return value;
    }
    return GRAD_OP(g, OP_REDUCE_SUM, value, grad_ints(g, axes, n));
}

int grad_fit(struct grad *g, int value, const struct shape *shape)
{
    struct shape to = *shape;
    struct shape from = *grad_shape(g, value);
    bool mask[LIMIT_RANK] = {false};

    for (int i = 0; i < from.rank; i++) {
        int k = i - (from.rank - to.rank);

        mask[i] = from.dims[i] != 1 && (k < 0 || to.dims[k] == 1);
    }
    return grad_reshape(g, grad_reduce(g, value, mask), &to);
}

int grad_expand(struct grad *g, int value, const struct shape *shape)
{
    struct shape to = *shape;

    if (value < 0 || shape_equal(grad_shape(g, value), &to)) {
        return value;
    }
    return GRAD_OP(g, OP_EXPAND, value, grad_ints(g, to.dims, (size_t)to.rank));
}
