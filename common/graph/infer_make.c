/* Shapes of ops that repeat elements or make new ones. */
#include "graph/infer_op.h"

#include <math.h>

static void open_all(struct shape *shape)
{
    for (int i = 0; i < shape->rank; i++) {
        shape->dims[i] = -1;
    }
}

/* The rank that the list `v` of dimensions means; -1: not known; more than
 * LIMIT_RANK: refused. */
static int listed_rank(const struct op *op, const struct value *v, int *rank,
                       struct err *err)
{
    *rank = -1;
    if (v->shape.rank != 1 || v->shape.dims[0] < 0) {
        return 0;
    }
    if (v->shape.dims[0] > LIMIT_RANK) {
        return infer_fail(op, err,
                          "its output would have %lld dimensions, at "
                          "most %d are possible",
                          (long long)v->shape.dims[0], LIMIT_RANK);
    }
    *rank = (int)v->shape.dims[0];
    return 0;
}

static int set_open(struct graph *graph, const struct op *op, enum dtype dtype,
                    int rank, struct err *err)
{
    struct shape shape = {.rank = rank};

    if (rank < 0) {
        graph->values[op->out[0]].has_shape = false;
        graph->values[op->out[0]].dtype = dtype;
        return 0;
    }
    open_all(&shape);
    return infer_out(graph, op, 0, dtype, &shape, err);
}

/* ---- Tile and Expand --------------------------------------------------- */

int infer_op_tile(struct graph *graph, struct op *op, struct err *err)
{
    const struct value *x = infer_in(graph, op, 0);
    struct shape shape = x->shape;
    int64_t repeats[LIMIT_RANK];
    size_t n;
    int rc = infer_ints(graph, op, 1, repeats, LIMIT_RANK, &n, err);

    if (rc <= 0) {
        return rc < 0 ? rc : set_open(graph, op, x->dtype, shape.rank, err);
    }
    if (n != (size_t)shape.rank) {
        return infer_fail(op, err, "%zu repeats for %d dimensions", n,
                          shape.rank);
    }
    for (int i = 0; i < shape.rank; i++) {
        if (repeats[i] < 0) {
            return infer_fail(op, err, "repeats %lld times",
                              (long long)repeats[i]);
        }
        if (shape.dims[i] >= 0 &&
            __builtin_mul_overflow(shape.dims[i], repeats[i], &shape.dims[i])) {
            shape.dims[i] = INT64_MAX; /* refused by infer_out() */
        }
    }
    return infer_out(graph, op, 0, x->dtype, &shape, err);
}

int infer_op_expand(struct graph *graph, struct op *op, struct err *err)
{
    const struct value *x = infer_in(graph, op, 0);
    const struct value *to = infer_in(graph, op, 1);
    struct shape shape = {0};
    size_t n;
    int rank;
    int rc = infer_ints(graph, op, 1, shape.dims, LIMIT_RANK, &n, err);

    if (rc == 0) {
        rc = listed_rank(op, to, &rank, err);
        if (rc == 0 && rank >= 0 && rank < x->shape.rank) {
            rank = x->shape.rank;
        }
        return rc < 0 ? rc : set_open(graph, op, x->dtype, rank, err);
    }
    shape.rank = (int)n;
    for (int i = 0; rc == 1 && i < shape.rank; i++) {
        if (shape.dims[i] < 0 || shape.dims[i] > INFER_DIM_MAX) {
            return infer_fail(op, err, "its shape has a dimension of %lld",
                              (long long)shape.dims[i]);
        }
    }
    if (rc == 1) {
        rc = infer_broadcast(op, &x->shape, &shape, &shape, err);
    }
    return rc < 0 ? rc : infer_out(graph, op, 0, x->dtype, &shape, err);
}

/* ---- Range, Shape, ConstantOfShape ------------------------------------- */

static int64_t range_count(double start, double limit, double delta)
{
    double n = ceil((limit - start) / delta);

    if (!(n > 0)) { /* NaN too */
        return 0;
    }
    return n < (double)INFER_DIM_MAX ? (int64_t)n : INT64_MAX;
}

/* In integers, where a double would round. */
static int64_t range_count_int(int64_t start, int64_t limit, int64_t delta)
{
    uint64_t distance = delta > 0 ? (uint64_t)limit - (uint64_t)start
                                  : (uint64_t)start - (uint64_t)limit;
    uint64_t step = delta > 0 ? (uint64_t)delta : 0 - (uint64_t)delta;
    uint64_t n;

    if (delta > 0 ? limit <= start : limit >= start) {
        return 0;
    }
    n = (distance - 1) / step + 1;
    return n < (uint64_t)INFER_DIM_MAX ? (int64_t)n : INT64_MAX;
}

int infer_op_range(struct graph *graph, struct op *op, struct err *err)
{
    enum dtype dtype = infer_in(graph, op, 0)->dtype;
    const struct tensor *t[3];
    struct shape shape = {.rank = 1, .dims = {-1}};

    for (int i = 0; i < 3; i++) {
        const struct value *v = infer_in(graph, op, i);
        int rc = infer_same_type(graph, op, 0, i, err);

        if (rc < 0) {
            return rc;
        }
        if (shape_is_static(&v->shape) && shape_count(&v->shape) != 1) {
            return infer_fail(op, err, "\"%.100s\" must be one number",
                              v->name);
        }
        t[i] = v->data.blob != NULL ? &v->data : NULL;
    }
    if (t[0] == NULL || t[1] == NULL || t[2] == NULL) {
        return infer_out(graph, op, 0, dtype, &shape, err);
    }
    if (tensor_get(t[2], 0) == 0) {
        return infer_fail(op, err, "a step of 0");
    }
    shape.dims[0] =
        dtype_is_float(dtype)
            ? range_count(tensor_get(t[0], 0), tensor_get(t[1], 0),
                          tensor_get(t[2], 0))
            : range_count_int(tensor_get_int(t[0], 0), tensor_get_int(t[1], 0),
                              tensor_get_int(t[2], 0));
    return infer_out(graph, op, 0, dtype, &shape, err);
}

int infer_op_shape(struct graph *graph, struct op *op, struct err *err)
{
    int first;
    int count;
    struct shape shape = {.rank = 1};

    infer_shape_range(op, infer_in(graph, op, 0)->shape.rank, &first, &count);
    shape.dims[0] = count;
    return infer_out(graph, op, 0, DTYPE_I64, &shape, err);
}

static int64_t clamp_axis(int64_t axis, int rank)
{
    axis = axis < 0 ? axis + rank : axis;
    return axis < 0 ? 0 : axis > rank ? rank : axis;
}

void infer_shape_range(const struct op *op, int rank, int *first, int *count)
{
    int64_t start = clamp_axis(op_int(op, "start", 0), rank);
    int64_t end = clamp_axis(op_int(op, "end", rank), rank);

    *first = (int)start;
    *count = end > start ? (int)(end - start) : 0;
}

int infer_op_constant_of_shape(struct graph *graph, struct op *op,
                               struct err *err)
{
    const struct attr *value = op_attr(op, "value");
    enum dtype dtype = value != NULL ? value->tensor.dtype : DTYPE_F32;
    struct shape shape = {0};
    size_t n;
    int rank;
    int rc = infer_ints(graph, op, 0, shape.dims, LIMIT_RANK, &n, err);

    if (value != NULL && tensor_count(&value->tensor) != 1) {
        return infer_fail(op, err, "attribute \"value\" must have one element");
    }
    if (rc == 0) {
        rc = listed_rank(op, infer_in(graph, op, 0), &rank, err);
        return rc < 0 ? rc : set_open(graph, op, dtype, rank, err);
    }
    if (rc < 0) {
        return rc;
    }
    shape.rank = (int)n;
    for (int i = 0; i < shape.rank; i++) {
        if (shape.dims[i] < 0) {
            return infer_fail(op, err, "its shape has a dimension of %lld",
                              (long long)shape.dims[i]);
        }
    }
    return infer_out(graph, op, 0, dtype, &shape, err);
}

/* ---- Resize ------------------------------------------------------------ */

static int resize_by_sizes(struct graph *graph, const struct op *op,
                           struct shape *shape, struct err *err)
{
    int64_t sizes[LIMIT_RANK];
    size_t n;
    int rc = infer_ints(graph, op, 3, sizes, LIMIT_RANK, &n, err);

    if (rc == 0) {
        open_all(shape);
    }
    if (rc <= 0) {
        return rc;
    }
    if (n != (size_t)shape->rank) {
        return infer_fail(op, err, "%zu sizes for %d dimensions", n,
                          shape->rank);
    }
    for (int i = 0; i < shape->rank; i++) {
        if (sizes[i] < 1) {
            return infer_fail(op, err, "a size of %lld", (long long)sizes[i]);
        }
        if (shape->dims[i] == 0) {
            return infer_fail(op, err, "dimension %d of its input is empty", i);
        }
        shape->dims[i] = sizes[i];
    }
    return 0;
}

/* How much of dimension `i` the region of interest covers. */
static float resize_region(const struct value *roi, int i, int rank)
{
    if (roi == NULL || roi->data.blob == NULL ||
        tensor_count(&roi->data) != 2 * rank) {
        return 1;
    }
    return (float)(tensor_get(&roi->data, rank + i) -
                   tensor_get(&roi->data, i));
}

static int resize_by_scales(struct graph *graph, const struct op *op,
                            struct shape *shape, struct err *err)
{
    const struct value *scales = infer_in(graph, op, 2);
    const char *mode =
        op_string(op, "coordinate_transformation_mode", "half_pixel");
    bool crops = mode[0] == 't'; /* tf_crop_and_resize */

    if (!dtype_is_float(scales->dtype) || scales->shape.rank != 1) {
        return infer_fail(op, err, "its scales must be a list of numbers");
    }
    if (scales->data.blob == NULL) {
        open_all(shape);
        return 0;
    }
    if (tensor_count(&scales->data) != shape->rank) {
        return infer_fail(op, err, "%lld scales for %d dimensions",
                          (long long)tensor_count(&scales->data), shape->rank);
    }
    for (int i = 0; i < shape->rank; i++) {
        /* In float, as the operator's reference does. */
        float scale = (float)tensor_get(&scales->data, i);
        float region =
            crops ? resize_region(infer_in(graph, op, 1), i, shape->rank) : 1;
        float size = floorf((float)shape->dims[i] * region * scale);

        if (!(scale > 0) || !(size < (float)INFER_DIM_MAX) || !(region > 0)) {
            return infer_fail(op, err, "a scale of %g is out of range",
                              (double)scale);
        }
        shape->dims[i] = shape->dims[i] < 0 ? -1 : (int64_t)size;
    }
    return 0;
}

/* True if input `i` is there and, as exporters write what they leave out, is
 * not an empty list. */
static bool is_given(const struct graph *graph, const struct op *op, int i)
{
    const struct value *v = infer_in(graph, op, i);

    return v != NULL && !(v->shape.rank == 1 && v->shape.dims[0] == 0);
}

int infer_op_resize(struct graph *graph, struct op *op, struct err *err)
{
    const struct value *x = infer_in(graph, op, 0);
    struct shape shape = x->shape;
    bool by_sizes = is_given(graph, op, 3);
    bool by_scales = is_given(graph, op, 2);
    int rc;

    if (by_sizes == by_scales) {
        return infer_fail(op, err, "wants either scales or sizes, has %s",
                          by_sizes ? "both" : "neither");
    }
    rc = by_sizes ? resize_by_sizes(graph, op, &shape, err)
                  : resize_by_scales(graph, op, &shape, err);
    return rc < 0 ? rc : infer_out(graph, op, 0, x->dtype, &shape, err);
}
