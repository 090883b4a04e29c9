/* Gradients of ops that move elements, and of reductions. */
#include "graph/grad_rule.h"
#include "graph/infer_op.h"

#include <string.h>

static void back_view(struct grad *g, const struct op *op, int dy)
{
    struct shape to = *grad_shape(g, op->in[0]);

    grad_add(g, op, 0, grad_reshape(g, dy, &to));
}

static void back_transpose(struct grad *g, const struct op *op, int dy)
{
    int rank = grad_shape(g, op->in[0])->rank;
    int64_t perm[LIMIT_RANK];
    int64_t inverse[LIMIT_RANK];

    if (op_ints(op, "perm", perm, LIMIT_RANK) == 0) {
        for (int i = 0; i < rank; i++) {
            perm[i] = rank - 1 - i;
        }
    }
    for (int i = 0; i < rank; i++) {
        inverse[perm[i]] = i;
    }
    grad_add(g, op, 0, grad_transpose(g, dy, inverse));
}

/* Elements [from, to) of `value` along `axis`. */
static int slice(struct grad *g, int value, int axis, int64_t from, int64_t to)
{
    const int64_t at = axis;

    return GRAD_OP(g, OP_SLICE, value, grad_ints(g, &from, 1),
                   grad_ints(g, &to, 1), grad_ints(g, &at, 1));
}

static void back_concat(struct grad *g, const struct op *op, int dy)
{
    int axis =
        shape_axis(op_int(op, "axis", 0), grad_shape(g, op->out[0])->rank);
    int64_t from = 0;

    for (int i = 0; i < op->n_in && g->rc == 0; i++) {
        int64_t n = grad_shape(g, op->in[i])->dims[axis];

        if (grad_wants(g, op, i)) {
            grad_add(g, op, i, slice(g, dy, axis, from, from + n));
        }
        from += n;
    }
}

static void back_split(struct grad *g, const struct op *op, int dy)
{
    int axis =
        shape_axis(op_int(op, "axis", 0), grad_shape(g, op->in[0])->rank);
    int parts[LIMIT_OP_INPUTS];
    struct op *back;

    for (int k = 0; k < op->n_out; k++) {
        int term = k == 0 || op->out[k] < 0 ? -1 : grad_sum(g, op->out[k]);

        term = k == 0 ? dy : term;
        if (op->out[k] < 0) {
            grad_fail(g, EDGE_EUNSUPPORTED, op,
                      "an output is left out, so there is no gradient for it");
            return;
        }
        parts[k] = term >= 0 ? term : grad_zeros(g, grad_shape(g, op->out[k]));
    }
    back = grad_begin(g, OP_CONCAT, op->n_out, parts, 1);
    if (back != NULL) {
        grad_add(g, op, 0, grad_done(g, op_set_int(back, "axis", axis)));
    }
}

bool grad_read_ints(struct grad *g, const struct op *op, int i, int64_t *v,
                    size_t *n)
{
    int rc = g->rc == 0
                 ? infer_ints(g->graph, op, i, v, LIMIT_RANK * 2, n, g->err)
                 : g->rc;

    if (rc < 0) {
        g->rc = rc;
    } else if (rc == 0 && i < op->n_in && op->in[i] >= 0) {
        grad_fail(g, EDGE_EUNSUPPORTED, op,
                  "input %d must be a constant for a gradient", i);
    }
    return g->rc == 0;
}

static void back_pad(struct grad *g, const struct op *op, int dy)
{
    int rank = grad_shape(g, op->in[0])->rank;
    int64_t pads[2 * LIMIT_RANK];
    size_t n;

    if (!grad_read_ints(g, op, 1, pads, &n)) {
        return;
    }
    if (strcmp(op_string(op, "mode", "constant"), "constant") != 0) {
        grad_fail(g, EDGE_EUNSUPPORTED, op,
                  "there is no gradient for mode \"%.40s\"",
                  op_string(op, "mode", ""));
        return;
    }
    for (int i = 0; i < rank && dy >= 0; i++) {
        int64_t dim = grad_shape(g, op->in[0])->dims[i];

        if (pads[i] < 0 || pads[rank + i] < 0) {
            grad_fail(g, EDGE_EUNSUPPORTED, op,
                      "there is no gradient for pads below 0");
            return;
        }
        if (pads[i] > 0 || pads[rank + i] > 0) {
            dy = slice(g, dy, i, pads[i], pads[i] + dim);
        }
    }
    grad_add(g, op, 0, dy);
}

static void back_expand(struct grad *g, const struct op *op, int dy)
{
    struct shape to = *grad_shape(g, op->in[0]);

    grad_add(g, op, 0, grad_fit(g, dy, &to));
}

static int block_op(struct grad *g, enum op_kind kind, const struct op *op,
                    int value)
{
    struct op *made = grad_begin(g, kind, 1, &value, 1);

    return made == NULL ? -1
                        : grad_done(g, op_set_int(made, "blocksize",
                                                  op_int(op, "blocksize", 1)));
}

static void back_depth_to_space(struct grad *g, const struct op *op, int dy)
{
    if (strcmp(op_string(op, "mode", "DCR"), "DCR") != 0) {
        grad_fail(g, EDGE_EUNSUPPORTED, op,
                  "there is no gradient for mode \"%.40s\"",
                  op_string(op, "mode", ""));
        return;
    }
    grad_add(g, op, 0, block_op(g, OP_SPACE_TO_DEPTH, op, dy));
}

static void back_space_to_depth(struct grad *g, const struct op *op, int dy)
{
    grad_add(g, op, 0, block_op(g, OP_DEPTH_TO_SPACE, op, dy));
}

/* ---- reductions --------------------------------------------------------- */

bool grad_kept_shape(struct grad *g, const struct op *op, struct shape *kept,
                     bool mask[LIMIT_RANK], double *count)
{
    int64_t axes[2 * LIMIT_RANK];
    size_t n;

    *kept = *grad_shape(g, op->in[0]);
    *count = 1;
    if (!grad_read_ints(g, op, 1, axes, &n) ||
        infer_axes(op, axes, n, kept->rank, mask, g->err) < 0) {
        return false;
    }
    for (int i = 0; i < kept->rank; i++) {
        bool all = n == 0 && op_int(op, "noop_with_empty_axes", 0) == 0;

        mask[i] = mask[i] || all;
        if (mask[i]) {
            *count *= (double)kept->dims[i];
            kept->dims[i] = 1;
        }
    }
    return true;
}

static void back_reduce(struct grad *g, const struct op *op, int dy)
{
    struct shape whole = *grad_shape(g, op->in[0]);
    struct shape kept;
    bool mask[LIMIT_RANK];
    double count;

    if (!grad_kept_shape(g, op, &kept, mask, &count)) {
        return;
    }
    if (op->kind == OP_REDUCE_MEAN) {
        dy = grad_scale(g, dy, (float)(1 / count));
    }
    grad_add(g, op, 0, grad_expand(g, grad_reshape(g, dy, &kept), &whole));
}

const struct grad_rule grad_shape_rules[] = {
    {OP_RESHAPE, back_view, NULL},
    {OP_FLATTEN, back_view, NULL},
    {OP_SQUEEZE, back_view, NULL},
    {OP_UNSQUEEZE, back_view, NULL},
    {OP_TRANSPOSE, back_transpose, NULL},
    {OP_CONCAT, back_concat, NULL},
    {OP_SPLIT, back_split, NULL},
    {OP_PAD, back_pad, NULL},
    {OP_EXPAND, back_expand, NULL},
    {OP_DEPTH_TO_SPACE, back_depth_to_space, NULL},
    {OP_SPACE_TO_DEPTH, back_space_to_depth, NULL},
    {OP_REDUCE_SUM, back_reduce, NULL},
    {OP_REDUCE_MEAN, back_reduce, NULL},
    {0},
};
