/* Shapes of ops that put parts together or pick parts out. */
#include "graph/infer_op.h"
#include "graph/window.h"

#include <string.h>

static void open_all(struct shape *shape)
{
    for (int i = 0; i < shape->rank; i++) {
        shape->dims[i] = -1;
    }
}

/* ---- Concat and Split -------------------------------------------------- */

static int concat_one(const struct op *op, const struct value *v, int axis,
                      struct shape *shape, struct err *err)
{
    if (v->shape.rank != shape->rank) {
        return infer_fail(op, err,
                          "\"%.100s\" has %d dimensions, the first "
                          "input %d",
                          v->name, v->shape.rank, shape->rank);
    }
    for (int k = 0; k < shape->rank; k++) {
        if (k == axis) {
            shape->dims[k] = shape->dims[k] < 0 || v->shape.dims[k] < 0
                                 ? -1
                                 : shape->dims[k] + v->shape.dims[k];
        } else if (infer_differ(shape->dims[k], v->shape.dims[k])) {
            return infer_fail(op, err,
                              "dimension %d of \"%.100s\" is %lld, of "
                              "the inputs before it %lld",
                              k, v->name, (long long)v->shape.dims[k],
                              (long long)shape->dims[k]);
        } else if (shape->dims[k] < 0) {
            shape->dims[k] = v->shape.dims[k];
        }
    }
    return 0;
}

int infer_op_concat(struct graph *graph, struct op *op, struct err *err)
{
    const struct value *first = infer_in(graph, op, 0);
    struct shape shape = first->shape;
    int axis;
    int rc;

    if (op_attr(op, "axis") == NULL) {
        return infer_fail(op, err, "attribute \"axis\" is missing");
    }
    rc = infer_axis(op, op_int(op, "axis", 0), shape.rank, &axis, err);
    for (int i = 1; rc == 0 && i < op->n_in; i++) {
        rc = infer_same_type(graph, op, 0, i, err);
        if (rc == 0) {
            rc = concat_one(op, infer_in(graph, op, i), axis, &shape, err);
        }
    }
    return rc < 0 ? rc : infer_out(graph, op, 0, first->dtype, &shape, err);
}

/* Sizes of the parts: those of input 1, else equal ones. -1: not known. */
static int split_sizes(struct graph *graph, const struct op *op, int64_t dim,
                       int64_t *sizes, struct err *err)
{
    int64_t sum = 0;
    size_t n;
    int rc = infer_ints(graph, op, 1, sizes, LIMIT_OP_INPUTS, &n, err);

    if (rc < 0) {
        return rc;
    }
    if (rc == 0) {
        bool equal = infer_in(graph, op, 1) == NULL && dim >= 0;

        if (equal && dim % op->n_out != 0) {
            return infer_fail(op, err,
                              "%lld does not divide into %d equal "
                              "parts",
                              (long long)dim, op->n_out);
        }
        for (int i = 0; i < op->n_out; i++) {
            sizes[i] = equal ? dim / op->n_out : -1;
        }
        return 0;
    }
    if (n != (size_t)op->n_out) {
        return infer_fail(op, err, "%zu sizes for %d outputs", n, op->n_out);
    }
    for (size_t i = 0; i < n; i++) {
        if (sizes[i] < 0 || sizes[i] > INFER_DIM_MAX) {
            return infer_fail(op, err, "a part of %lld is out of range",
                              (long long)sizes[i]);
        }
        sum += sizes[i];
    }
    if (infer_differ(sum, dim)) {
        return infer_fail(op, err,
                          "its parts add up to %lld, the input has "
                          "%lld",
                          (long long)sum, (long long)dim);
    }
    return 0;
}

int infer_op_split(struct graph *graph, struct op *op, struct err *err)
{
    const struct value *x = infer_in(graph, op, 0);
    enum dtype dtype = x->dtype;
    struct shape shape = x->shape;
    int64_t sizes[LIMIT_OP_INPUTS];
    int axis;
    int rc = infer_axis(op, op_int(op, "axis", 0), shape.rank, &axis, err);

    if (rc == 0) {
        rc = split_sizes(graph, op, shape.dims[axis], sizes, err);
    }
    for (int i = 0; rc == 0 && i < op->n_out; i++) {
        shape.dims[axis] = sizes[i];
        rc = infer_out(graph, op, i, dtype, &shape, err);
    }
    return rc;
}

/* ---- Slice ------------------------------------------------------------- */

struct slices {
    int64_t starts[LIMIT_RANK];
    int64_t ends[LIMIT_RANK];
    int64_t axes[LIMIT_RANK];
    int64_t steps[LIMIT_RANK];
    size_t n;
    bool known; /* starts, ends and steps; else only the axes */
};

static int slice_count(const struct op *op, size_t n, size_t wanted,
                       const char *what, struct err *err)
{
    return n == wanted
               ? 0
               : infer_fail(op, err, "%zu starts and %zu %s", wanted, n, what);
}

/* 1: axes are known and, if s->known, the rest too; 0: not even the axes. */
static int read_slices(struct graph *graph, const struct op *op, int rank,
                       struct slices *s, struct err *err)
{
    size_t n_ends;
    size_t n_axes;
    size_t n_steps;
    int starts = infer_ints(graph, op, 1, s->starts, LIMIT_RANK, &s->n, err);
    int ends = infer_ints(graph, op, 2, s->ends, LIMIT_RANK, &n_ends, err);
    int axes = infer_ints(graph, op, 3, s->axes, LIMIT_RANK, &n_axes, err);
    int steps = infer_ints(graph, op, 4, s->steps, LIMIT_RANK, &n_steps, err);
    bool has_axes = infer_in(graph, op, 3) != NULL;
    bool has_steps = infer_in(graph, op, 4) != NULL;
    int rc = 0;

    if (starts < 0 || ends < 0 || axes < 0 || steps < 0) {
        return EDGE_EINVAL;
    }
    s->known = starts == 1 && ends == 1 && (steps == 1 || !has_steps);
    if ((has_axes && axes == 0) || (!has_axes && starts == 0)) {
        return 0;
    }
    s->n = has_axes ? n_axes : s->n;
    if (starts == 1 && has_axes) {
        size_t n_starts;

        (void)infer_ints(graph, op, 1, s->starts, LIMIT_RANK, &n_starts, err);
        rc = slice_count(op, n_axes, n_starts, "axes", err);
    }
    if (rc == 0 && s->known) {
        rc = slice_count(op, n_ends, s->n, "ends", err);
    }
    if (rc == 0 && s->known && has_steps) {
        rc = slice_count(op, n_steps, s->n, "steps", err);
    }
    for (size_t i = 0; i < s->n; i++) {
        s->axes[i] = has_axes ? s->axes[i] : (int64_t)i;
        s->steps[i] = has_steps ? s->steps[i] : 1;
    }
    if (rc == 0) {
        bool mask[LIMIT_RANK];

        rc = infer_axes(op, s->axes, s->n, rank, mask, err);
    }
    return rc < 0 ? rc : 1;
}

int infer_op_slice(struct graph *graph, struct op *op, struct err *err)
{
    const struct value *x = infer_in(graph, op, 0);
    struct shape shape = x->shape;
    struct slices s = {.n = 0};
    int rc = read_slices(graph, op, shape.rank, &s, err);

    if (rc < 0) {
        return rc;
    }
    if (rc == 0) {
        open_all(&shape);
        return infer_out(graph, op, 0, x->dtype, &shape, err);
    }
    for (size_t i = 0; i < s.n; i++) {
        int axis = shape_axis(s.axes[i], shape.rank);
        int64_t first;

        if (!s.known || shape.dims[axis] < 0) {
            shape.dims[axis] = -1;
            continue;
        }
        if (s.steps[i] == 0) {
            return infer_fail(op, err, "a step of 0");
        }
        window_slice(shape.dims[axis], s.starts[i], s.ends[i], s.steps[i],
                     &first, &shape.dims[axis]);
    }
    return infer_out(graph, op, 0, x->dtype, &shape, err);
}

/* ---- Pad and Gather ---------------------------------------------------- */

static int pad_dim(const struct op *op, int64_t *dim, int64_t begin,
                   int64_t end, bool reflects, struct err *err)
{
    if (begin < -INFER_DIM_MAX || begin > INFER_DIM_MAX ||
        end < -INFER_DIM_MAX || end > INFER_DIM_MAX) {
        return infer_fail(op, err, "a pad is out of range");
    }
    if (*dim < 0) {
        return 0;
    }
    if (reflects && (begin >= *dim || end >= *dim)) {
        return infer_fail(op, err, "reflects %lld elements of %lld",
                          (long long)(begin > end ? begin : end),
                          (long long)*dim);
    }
    if (*dim + begin + end < 0) {
        return infer_fail(op, err, "takes %lld elements away from %lld",
                          (long long)(-begin - end), (long long)*dim);
    }
    *dim += begin + end;
    return 0;
}

int infer_op_pad(struct graph *graph, struct op *op, struct err *err)
{
    const struct value *x = infer_in(graph, op, 0);
    const char *mode = op_string(op, "mode", "constant");
    struct shape shape = x->shape;
    size_t rank = (size_t)shape.rank;
    int64_t pads[2 * LIMIT_RANK];
    size_t n;
    int rc = infer_ints(graph, op, 1, pads, 2 * LIMIT_RANK, &n, err);
    bool known = rc == 1;

    if (rc >= 0) {
        rc = infer_same_type(graph, op, 0, 2, err);
    }
    if (rc < 0) {
        return rc;
    }
    if (strcmp(mode, "constant") != 0 && strcmp(mode, "reflect") != 0 &&
        strcmp(mode, "edge") != 0) {
        return infer_fail(op, err,
                          "attribute \"mode\" is \"%.40s\", wants "
                          "constant, reflect or edge",
                          mode);
    }
    if (known && n != 2 * rank) {
        return infer_fail(op, err, "%zu pads for %zu dimensions", n, rank);
    }
    for (size_t i = 0; rc == 0 && i < rank; i++) {
        if (known) {
            rc = pad_dim(op, &shape.dims[i], pads[i], pads[rank + i],
                         strcmp(mode, "reflect") == 0, err);
        } else {
            shape.dims[i] = -1;
        }
    }
    return rc < 0 ? rc : infer_out(graph, op, 0, x->dtype, &shape, err);
}

static int check_indices(const struct op *op, const struct value *indices,
                         int64_t dim, struct err *err)
{
    int64_t n = indices->data.blob != NULL ? tensor_count(&indices->data) : 0;

    for (int64_t i = 0; dim >= 0 && i < n; i++) {
        int64_t index = tensor_get_int(&indices->data, i);

        if (index < -dim || index >= dim) {
            return infer_fail(op, err, "index %lld is outside of %lld elements",
                              (long long)index, (long long)dim);
        }
    }
    return 0;
}

int infer_op_gather(struct graph *graph, struct op *op, struct err *err)
{
    const struct value *x = infer_in(graph, op, 0);
    const struct value *indices = infer_in(graph, op, 1);
    struct shape shape = {0};
    int axis;
    int rc = infer_axis(op, op_int(op, "axis", 0), x->shape.rank, &axis, err);

    if (rc < 0) {
        return rc;
    }
    if (indices->dtype != DTYPE_I64 && indices->dtype != DTYPE_I32) {
        return infer_fail(op, err, "its indices must be int64, are %s",
                          dtype_name(indices->dtype));
    }
    if (x->shape.rank - 1 + indices->shape.rank > LIMIT_RANK) {
        return infer_fail(op, err,
                          "its output would have %d dimensions, at "
                          "most %d are possible",
                          x->shape.rank - 1 + indices->shape.rank, LIMIT_RANK);
    }
    rc = check_indices(op, indices, x->shape.dims[axis], err);
    for (int i = 0; i < axis; i++) {
        shape.dims[shape.rank++] = x->shape.dims[i];
    }
    for (int i = 0; i < indices->shape.rank; i++) {
        shape.dims[shape.rank++] = indices->shape.dims[i];
    }
    for (int i = axis + 1; i < x->shape.rank; i++) {
        shape.dims[shape.rank++] = x->shape.dims[i];
    }
    return rc < 0 ? rc : infer_out(graph, op, 0, x->dtype, &shape, err);
}
