/* Shapes of the operators that training graphs alone have, and of the loss. */
#include "graph/infer_op.h"
#include "graph/window.h"

#define SPATIAL_MAX 3 /* of kernels */

int infer_op_unary_grad(struct graph *graph, struct op *op, struct err *err)
{
    const struct value *dy = infer_in(graph, op, 0);
    int rc = infer_type(graph, op, 0, DTYPE_F32, err);

    for (int i = 1; rc == 0 && i < op->n_in; i++) {
        rc = infer_type(graph, op, i, DTYPE_F32, err);
        if (rc == 0) {
            rc = infer_fits(graph, op, i, &dy->shape, err);
        }
    }
    return rc < 0 ? rc : infer_out(graph, op, 0, dy->dtype, &dy->shape, err);
}

/* dy has the batch of x and the window's positions. */
static int check_positions(const struct graph *graph, const struct op *op,
                           const struct window *w, struct err *err)
{
    const struct value *x = infer_in(graph, op, 0);
    const struct value *dy = infer_in(graph, op, 1);
    int rc = infer_rank(op, dy, x->shape.rank, x->shape.rank, err);

    if (rc < 0) {
        return rc;
    }
    if (infer_differ(x->shape.dims[0], dy->shape.dims[0])) {
        return infer_fail(op, err, "x has a batch of %lld, dy of %lld",
                          (long long)x->shape.dims[0],
                          (long long)dy->shape.dims[0]);
    }
    for (int i = 0; i < w->n; i++) {
        if (infer_differ(w->out[i], dy->shape.dims[2 + i])) {
            return infer_fail(
                op, err, "dimension %d of dy is %lld, the window's %lld", 2 + i,
                (long long)dy->shape.dims[2 + i], (long long)w->out[i]);
        }
    }
    return 0;
}

static int check_groups(const struct op *op, int64_t group, int64_t channels,
                        const char *what, struct err *err)
{
    if (group < 1 || group > INT32_MAX) {
        return infer_fail(op, err,
                          "attribute \"group\" is %lld, which is out of range",
                          (long long)group);
    }
    if (channels == 0 || (channels > 0 && channels % group != 0)) {
        return infer_fail(op, err,
                          "%lld channels of %s do not divide into %lld groups",
                          (long long)channels, what, (long long)group);
    }
    return 0;
}

int infer_op_conv_weight_grad(struct graph *graph, struct op *op,
                              struct err *err)
{
    const struct value *x = infer_in(graph, op, 0);
    const struct value *dy = infer_in(graph, op, 1);
    int64_t group = op_int(op, "group", 1);
    struct shape shape = {.rank = x->shape.rank};
    struct window w;
    int rc = infer_type(graph, op, 0, DTYPE_F32, err);

    if (rc == 0) {
        rc = infer_same_type(graph, op, 0, 1, err);
    }
    if (rc == 0) {
        rc = window_of(graph, op, &w, err);
    }
    if (rc == 0) {
        rc = check_positions(graph, op, &w, err);
    }
    if (rc == 0) {
        rc = check_groups(op, group, x->shape.dims[1], "x", err);
    }
    if (rc == 0) {
        rc = check_groups(op, group, dy->shape.dims[1], "dy", err);
    }
    if (rc < 0) {
        return rc;
    }
    shape.dims[0] = dy->shape.dims[1];
    shape.dims[1] = x->shape.dims[1] < 0 ? -1 : x->shape.dims[1] / group;
    for (int i = 0; i < w.n; i++) {
        shape.dims[2 + i] = w.kernel[i];
    }
    return infer_out(graph, op, 0, x->dtype, &shape, err);
}

int infer_op_pool_grad(struct graph *graph, struct op *op, struct err *err)
{
    const struct value *dy = infer_in(graph, op, 0);
    struct shape shape = {.rank = dy->shape.rank};
    int rc = infer_type(graph, op, 0, DTYPE_F32, err);

    if (rc == 0) {
        rc = infer_rank(op, dy, 3, 2 + SPATIAL_MAX, err);
    }
    if (rc == 0) {
        rc = infer_same_type(graph, op, 0, 1, err);
    }
    if (rc == 0) {
        rc = infer_same_type(graph, op, 0, 2, err);
    }
    if (rc == 0) {
        rc = infer_fits(graph, op, 2, &dy->shape, err);
    }
    if (rc < 0) {
        return rc;
    }
    if (op_ints(op, "shape", shape.dims, LIMIT_RANK) != (size_t)shape.rank) {
        return infer_fail(op, err, "attribute \"shape\" must have %d numbers",
                          shape.rank);
    }
    for (int i = 0; i < shape.rank; i++) {
        if (shape.dims[i] < 0 ||
            (i < 2 && infer_differ(shape.dims[i], dy->shape.dims[i]))) {
            return infer_fail(op, err,
                              "attribute \"shape\" has %lld, which does not "
                              "fit its input",
                              (long long)shape.dims[i]);
        }
    }
    return infer_out(graph, op, 0, dy->dtype, &shape, err);
}

/* ---- batch normalisation ------------------------------------------------ */

/* Inputs from `first` on are vectors, one number a channel of input `x`. */
static int check_channels(const struct graph *graph, const struct op *op, int x,
                          int first, struct err *err)
{
    const struct value *v = infer_in(graph, op, x);
    int rc = infer_rank(op, v, 2, LIMIT_RANK, err);

    for (int i = first; rc == 0 && i < op->n_in; i++) {
        rc = infer_vector(graph, op, i, v->shape.dims[1], "an input", err);
        if (rc == 0) {
            rc = infer_same_type(graph, op, x, i, err);
        }
    }
    return rc == 0 ? infer_type(graph, op, x, DTYPE_F32, err) : rc;
}

/* Output 0 like input `x`, the others one number a channel. */
static int out_channels(struct graph *graph, struct op *op, int x,
                        struct err *err)
{
    struct shape whole = infer_in(graph, op, x)->shape;
    struct shape channels = shape_of(1, &whole.dims[1]);
    int rc = infer_out(graph, op, 0, DTYPE_F32, &whole, err);

    for (int k = 1; rc == 0 && k < op->n_out; k++) {
        rc = infer_out(graph, op, k, DTYPE_F32, &channels, err);
    }
    return rc;
}

int infer_op_batch_norm_train(struct graph *graph, struct op *op,
                              struct err *err)
{
    int rc = check_channels(graph, op, 0, 1, err);

    return rc < 0 ? rc : out_channels(graph, op, 0, err);
}

int infer_op_batch_norm_grad(struct graph *graph, struct op *op,
                             struct err *err)
{
    int rc = check_channels(graph, op, 1, 2, err);

    if (rc == 0) {
        rc = infer_fits(graph, op, 0, &infer_in(graph, op, 1)->shape, err);
    }
    if (rc == 0) {
        rc = infer_same_type(graph, op, 0, 1, err);
    }
    return rc < 0 ? rc : out_channels(graph, op, 1, err);
}

/* ---- loss, dropout ------------------------------------------------------ */

/* Scores (N, C, d...) in input 0, labels (N, d...) in input 1. */
static int check_labels(const struct graph *graph, const struct op *op,
                        struct err *err)
{
    const struct value *scores = infer_in(graph, op, 0);
    const struct value *labels = infer_in(graph, op, 1);
    int rc = infer_rank(op, scores, 2, LIMIT_RANK, err);

    if (rc == 0) {
        int rank = scores->shape.rank - 1;

        rc = infer_rank(op, labels, rank, rank, err);
    }
    if (rc < 0) {
        return rc;
    }
    if (labels->dtype != DTYPE_I64 && labels->dtype != DTYPE_I32) {
        return infer_fail(op, err, "\"%.100s\" must be int64 or int32, is %s",
                          labels->name, dtype_name(labels->dtype));
    }
    for (int i = 0; i < labels->shape.rank; i++) {
        int64_t wanted = scores->shape.dims[i == 0 ? 0 : i + 1];

        if (infer_differ(wanted, labels->shape.dims[i])) {
            return infer_fail(op, err,
                              "dimension %d of \"%.100s\" is %lld, its scores "
                              "want %lld",
                              i, labels->name, (long long)labels->shape.dims[i],
                              (long long)wanted);
        }
    }
    return 0;
}

int infer_op_softmax_loss(struct graph *graph, struct op *op, struct err *err)
{
    const struct value *x = infer_in(graph, op, 0);
    const char *reduction = op_string(op, "reduction", "mean");
    struct shape shape = {0};
    int rc = check_labels(graph, op, err);

    if (rc == 0) {
        rc = infer_vector(graph, op, 2, x->shape.dims[1], "its weights", err);
    }
    if (rc < 0) {
        return rc;
    }
    if (reduction[0] == 'n') {
        shape = infer_in(graph, op, 1)->shape;
    }
    rc = infer_out(graph, op, 0, x->dtype, &shape, err);
    return rc < 0 ? rc : infer_out(graph, op, 1, x->dtype, &x->shape, err);
}

int infer_op_softmax_loss_grad(struct graph *graph, struct op *op,
                               struct err *err)
{
    const struct value *x = infer_in(graph, op, 0);
    int rc = check_labels(graph, op, err);

    if (rc == 0) {
        rc = infer_same_type(graph, op, 0, 2, err);
    }
    if (rc == 0) {
        rc = infer_rank(op, infer_in(graph, op, 2), 0, 0, err);
    }
    if (rc == 0) {
        rc = infer_vector(graph, op, 3, x->shape.dims[1], "its weights", err);
    }
    return rc < 0 ? rc : infer_out(graph, op, 0, x->dtype, &x->shape, err);
}

int infer_op_dropout_train(struct graph *graph, struct op *op, struct err *err)
{
    const struct value *x = infer_in(graph, op, 0);
    float ratio = op_float(op, "ratio", 0.5F);
    int rc = infer_rank(op, x, 1, LIMIT_RANK, err);

    if (rc == 0) {
        rc = infer_vector(graph, op, 1, x->shape.dims[0], "its seeds", err);
    }
    if (rc == 0) {
        rc = infer_type(graph, op, 1, DTYPE_I64, err);
    }
    if (rc < 0) {
        return rc;
    }
    if (!(ratio >= 0 && ratio < 1)) {
        return infer_fail(op, err,
                          "attribute \"ratio\" is %g, which is not in [0, 1)",
                          (double)ratio);
    }
    return infer_out(graph, op, 0, x->dtype, &x->shape, err);
}
