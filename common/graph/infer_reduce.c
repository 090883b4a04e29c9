/* Shapes of normalisations, reductions and selections. */
#include "graph/infer_op.h"

/* ---- normalisations ---------------------------------------------------- */

static int per_channel(struct graph *graph, struct op *op,
                       const char *const *names, int n, struct err *err)
{
    const struct value *x = infer_in(graph, op, 0);
    int64_t channels = x->shape.rank > 1 ? x->shape.dims[1] : 1;
    int rc = infer_rank(op, x, 1, LIMIT_RANK, err);

    for (int i = 0; rc == 0 && i < n; i++) {
        rc = infer_vector(graph, op, 1 + i, channels, names[i], err);
    }
    return rc < 0 ? rc : infer_out(graph, op, 0, x->dtype, &x->shape, err);
}

int infer_op_batch_norm(struct graph *graph, struct op *op, struct err *err)
{
    static const char *const names[] = {"its scale", "its bias", "its mean",
                                        "its variance"};

    return per_channel(graph, op, names, 4, err);
}

int infer_op_instance_norm(struct graph *graph, struct op *op, struct err *err)
{
    static const char *const names[] = {"its scale", "its bias"};
    int rc = infer_rank(op, infer_in(graph, op, 0), 3, LIMIT_RANK, err);

    return rc < 0 ? rc : per_channel(graph, op, names, 2, err);
}

int infer_op_layer_norm(struct graph *graph, struct op *op, struct err *err)
{
    const struct value *x = infer_in(graph, op, 0);
    struct shape mean = x->shape;
    int axis;
    int rc = infer_axis(op, op_int(op, "axis", -1), x->shape.rank, &axis, err);

    if (rc == 0) {
        rc = infer_fits(graph, op, 1, &x->shape, err);
    }
    if (rc == 0) {
        rc = infer_fits(graph, op, 2, &x->shape, err);
    }
    if (rc < 0) {
        return rc;
    }
    for (int i = axis; i < mean.rank; i++) {
        mean.dims[i] = 1;
    }
    rc = infer_out(graph, op, 0, x->dtype, &x->shape, err);
    for (int k = 1; rc == 0 && k < 3; k++) {
        rc = infer_out(graph, op, k, DTYPE_F32, &mean, err);
    }
    return rc;
}

/* ---- reductions -------------------------------------------------------- */

/* Axes of the attribute or of input 1. 1: in `mask`; 0: not known. */
static int reduce_axes(struct graph *graph, struct op *op, int rank,
                       bool mask[LIMIT_RANK], struct err *err)
{
    int64_t axes[LIMIT_RANK];
    bool noop = op_int(op, "noop_with_empty_axes", 0) != 0;
    size_t n = op_ints(op, "axes", axes, LIMIT_RANK);
    int rc;

    if (n > LIMIT_RANK) {
        return infer_fail(op, err, "attribute \"axes\" has %zu numbers", n);
    }
    if (infer_in(graph, op, 1) != NULL) {
        rc = infer_ints(graph, op, 1, axes, LIMIT_RANK, &n, err);
        if (rc <= 0) {
            return rc;
        }
    }
    rc = infer_axes(op, axes, n, rank, mask, err);
    for (int i = 0; rc == 0 && n == 0 && i < rank; i++) {
        mask[i] = !noop;
    }
    return rc < 0 ? rc : 1;
}

static struct shape reduced(const struct shape *from,
                            const bool mask[LIMIT_RANK], bool keep)
{
    struct shape shape = {0};

    for (int i = 0; i < from->rank; i++) {
        if (!mask[i]) {
            shape.dims[shape.rank++] = from->dims[i];
        } else if (keep) {
            shape.dims[shape.rank++] = 1;
        }
    }
    return shape;
}

int infer_op_reduce(struct graph *graph, struct op *op, struct err *err)
{
    const struct value *x = infer_in(graph, op, 0);
    bool keep = op_int(op, "keepdims", 1) != 0;
    bool mask[LIMIT_RANK] = {false};
    struct shape shape;
    int rc = reduce_axes(graph, op, x->shape.rank, mask, err);

    if (rc < 0) {
        return rc;
    }
    if (rc == 0 && !keep) { /* not even the rank is known */
        graph->values[op->out[0]].has_shape = false;
        graph->values[op->out[0]].dtype = x->dtype;
        return 0;
    }
    shape = reduced(&x->shape, mask, keep);
    for (int i = 0; rc == 0 && i < shape.rank; i++) {
        shape.dims[i] = shape.dims[i] == 1 ? 1 : -1;
    }
    return infer_out(graph, op, 0, x->dtype, &shape, err);
}

int infer_op_arg(struct graph *graph, struct op *op, struct err *err)
{
    const struct value *x = infer_in(graph, op, 0);
    bool mask[LIMIT_RANK] = {false};
    struct shape shape;
    int axis;
    int rc = infer_axis(op, op_int(op, "axis", 0), x->shape.rank, &axis, err);

    if (rc < 0) {
        return rc;
    }
    if (x->shape.dims[axis] == 0) {
        return infer_fail(op, err, "dimension %d of its input is empty", axis);
    }
    mask[axis] = true;
    shape = reduced(&x->shape, mask, op_int(op, "keepdims", 1) != 0);
    return infer_out(graph, op, 0, DTYPE_I64, &shape, err);
}

/* ---- selections -------------------------------------------------------- */

int infer_op_top_k(struct graph *graph, struct op *op, struct err *err)
{
    const struct value *x = infer_in(graph, op, 0);
    struct shape shape = x->shape;
    int64_t k = -1;
    int axis;
    int rc = infer_axis(op, op_int(op, "axis", -1), x->shape.rank, &axis, err);

    if (rc < 0) {
        return rc;
    }
    rc = infer_int(graph, op, 1, &k, err);
    if (rc < 0) {
        return rc;
    }
    if (rc == 1 && (k < 0 || (shape.dims[axis] >= 0 && k > shape.dims[axis]))) {
        return infer_fail(op, err, "wants the best %lld of %lld", (long long)k,
                          (long long)shape.dims[axis]);
    }
    shape.dims[axis] = rc == 1 ? k : -1;
    rc = infer_out(graph, op, 0, x->dtype, &shape, err);
    return rc < 0 ? rc : infer_out(graph, op, 1, DTYPE_I64, &shape, err);
}

/* The rows that NonMaxSuppression can make at most; the run says how many it
 * made. -1: a dimension is open. */
static int64_t nms_rows(const struct value *boxes, const struct value *scores,
                        int64_t per_class)
{
    const int64_t *s = scores->shape.dims;
    int64_t n = boxes->shape.dims[1] >= 0 ? boxes->shape.dims[1] : s[2];
    int64_t rows;

    if (n < 0 || s[0] < 0 || s[1] < 0) {
        return per_class == 0 ? 0 : -1;
    }
    n = per_class < n ? per_class : n;
    if (__builtin_mul_overflow(s[0], s[1], &rows) ||
        __builtin_mul_overflow(rows, n, &rows)) {
        return INT64_MAX; /* refused by infer_out() */
    }
    return rows;
}

int infer_op_nms(struct graph *graph, struct op *op, struct err *err)
{
    const struct value *boxes = infer_in(graph, op, 0);
    const struct value *scores = infer_in(graph, op, 1);
    struct shape shape = {.rank = 2};
    int64_t per_class = 0;
    int rc = infer_rank(op, boxes, 3, 3, err);

    if (rc == 0) {
        rc = infer_rank(op, scores, 3, 3, err);
    }
    if (rc < 0) {
        return rc;
    }
    if (infer_differ(boxes->shape.dims[0], scores->shape.dims[0]) ||
        infer_differ(boxes->shape.dims[1], scores->shape.dims[2]) ||
        infer_differ(boxes->shape.dims[2], 4)) {
        char text[SHAPE_TEXT];
        char text_scores[SHAPE_TEXT];

        return infer_fail(op, err,
                          "boxes of shape %s and scores of shape %s "
                          "do not go together",
                          shape_text(&boxes->shape, text),
                          shape_text(&scores->shape, text_scores));
    }
    rc = infer_int(graph, op, 2, &per_class, err);
    if (rc < 0) {
        return rc;
    }
    if (rc == 0 && infer_in(graph, op, 2) != NULL) {
        per_class = INT64_MAX; /* known when it runs: all boxes at most */
    }
    shape.dims[0] = nms_rows(boxes, scores, per_class > 0 ? per_class : 0);
    shape.dims[1] = 3;
    return infer_out(graph, op, 0, DTYPE_I64, &shape, err);
}
