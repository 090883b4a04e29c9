/* Shapes of ops that keep all elements: Reshape and its kin, Transpose. */
#include "graph/infer_op.h"

/* Elements of dims[from..to): -1 if one is open, INT64_MAX (which infer_out
 * refuses) if there are too many. */
static int64_t span(const struct shape *s, int from, int to)
{
    int64_t product = 1;

    for (int i = from; i < to; i++) {
        if (s->dims[i] < 0) {
            return -1;
        }
        if (__builtin_mul_overflow(product, s->dims[i], &product)) {
            return INT64_MAX;
        }
    }
    return product;
}

static void set_unknown(struct graph *graph, const struct op *op,
                        enum dtype dtype)
{
    graph->values[op->out[0]].has_shape = false;
    graph->values[op->out[0]].dtype = dtype;
}

/* ---- Reshape ----------------------------------------------------------- */

/* The shape is not known before the run; its length may be. */
static int reshape_open(struct graph *graph, struct op *op, struct err *err)
{
    const struct value *x = infer_in(graph, op, 0);
    const struct value *to = infer_in(graph, op, 1);
    struct shape shape = {0};

    if (to->shape.rank != 1 || to->shape.dims[0] < 0) {
        set_unknown(graph, op, x->dtype);
        return 0;
    }
    if (to->shape.dims[0] > LIMIT_RANK) {
        return infer_fail(op, err,
                          "its shape has %lld dimensions, at most %d "
                          "are possible",
                          (long long)to->shape.dims[0], LIMIT_RANK);
    }
    shape.rank = (int)to->shape.dims[0];
    for (int i = 0; i < shape.rank; i++) {
        shape.dims[i] = -1;
    }
    return infer_out(graph, op, 0, x->dtype, &shape, err);
}

/* Copies the dimensions that are given as 0, which `rest` then lacks; *open
 * is the dimension given as -1, or -1. */
static int reshape_given(const struct op *op, struct shape *rest,
                         struct shape *shape, int *open, struct err *err)
{
    bool allow_zero = op_int(op, "allowzero", 0) != 0;

    *open = -1;
    for (int i = 0; i < shape->rank; i++) {
        if (shape->dims[i] < -1) {
            return infer_fail(op, err, "its shape has a dimension of %lld",
                              (long long)shape->dims[i]);
        }
        if (shape->dims[i] == -1) {
            if (*open >= 0) {
                return infer_fail(op, err, "its shape has -1 twice");
            }
            *open = i;
        }
        if (shape->dims[i] == 0 && !allow_zero) {
            if (i >= rest->rank) {
                return infer_fail(op, err,
                                  "its shape keeps dimension %d, the "
                                  "input has %d dimensions",
                                  i, rest->rank);
            }
            shape->dims[i] = rest->dims[i];
            rest->dims[i] = 1;
        }
    }
    return 0;
}

/* How many elements the dimensions of `shape` but `skip` need beside those
 * that were copied from the input, whose `rest` is 1. */
static int64_t reshape_needs(const struct shape *asked,
                             const struct shape *shape, bool allow_zero,
                             int skip)
{
    struct shape needs = *shape;

    for (int i = 0; i < needs.rank; i++) {
        if (i == skip || (asked->dims[i] == 0 && !allow_zero)) {
            needs.dims[i] = 1;
        }
    }
    return span(&needs, 0, needs.rank);
}

int infer_op_reshape(struct graph *graph, struct op *op, struct err *err)
{
    const struct value *x = infer_in(graph, op, 0);
    bool allow_zero = op_int(op, "allowzero", 0) != 0;
    struct shape shape = {0};
    struct shape asked;
    struct shape rest = x->shape;
    char text[SHAPE_TEXT];
    int64_t have;
    int64_t needs;
    int open;
    size_t n;
    int rc = infer_ints(graph, op, 1, shape.dims, LIMIT_RANK, &n, err);

    if (rc <= 0) {
        return rc < 0 ? rc : reshape_open(graph, op, err);
    }
    shape.rank = (int)n;
    asked = shape;
    rc = reshape_given(op, &rest, &shape, &open, err);
    if (rc < 0) {
        return rc;
    }
    have = span(&rest, 0, rest.rank);
    needs = reshape_needs(&asked, &shape, allow_zero, open);
    if (have >= 0 && open >= 0) {
        if (needs == 0 || have % needs != 0) {
            return infer_fail(op, err, "%s does not divide into %s",
                              shape_text(&x->shape, text),
                              shape_text(&asked, (char[SHAPE_TEXT]){0}));
        }
        shape.dims[open] = have / needs;
    } else if (have >= 0 && have != needs) {
        return infer_fail(op, err, "%s does not have the elements of %s",
                          shape_text(&x->shape, text),
                          shape_text(&shape, (char[SHAPE_TEXT]){0}));
    }
    return infer_out(graph, op, 0, x->dtype, &shape, err);
}

/* ---- the others -------------------------------------------------------- */

int infer_op_flatten(struct graph *graph, struct op *op, struct err *err)
{
    const struct value *x = infer_in(graph, op, 0);
    int64_t axis = op_int(op, "axis", 1);
    int rank = x->shape.rank;
    struct shape shape = {.rank = 2};

    if (axis < -rank || axis > rank) {
        return infer_fail(op, err, "axis %lld is outside of %d dimensions",
                          (long long)axis, rank);
    }
    axis = axis < 0 ? axis + rank : axis;
    shape.dims[0] = span(&x->shape, 0, (int)axis);
    shape.dims[1] = span(&x->shape, (int)axis, rank);
    return infer_out(graph, op, 0, x->dtype, &shape, err);
}

int infer_op_transpose(struct graph *graph, struct op *op, struct err *err)
{
    const struct value *x = infer_in(graph, op, 0);
    int rank = x->shape.rank;
    struct shape shape = {.rank = rank};
    int64_t perm[LIMIT_RANK];
    bool mask[LIMIT_RANK];
    int rc;

    for (int i = 0; i < rank; i++) {
        perm[i] = rank - 1 - i;
    }
    if (op_attr(op, "perm") != NULL &&
        op_ints(op, "perm", perm, LIMIT_RANK) != (size_t)rank) {
        return infer_fail(op, err,
                          "attribute \"perm\" has %zu numbers, the "
                          "input %d dimensions",
                          op_attr(op, "perm")->n, rank);
    }
    rc = infer_axes(op, perm, (size_t)rank, rank, mask, err);
    for (int i = 0; rc == 0 && i < rank; i++) {
        int axis;

        rc = infer_axis(op, perm[i], rank, &axis, err);
        if (rc == 0) {
            shape.dims[i] = x->shape.dims[axis];
        }
    }
    return rc < 0 ? rc : infer_out(graph, op, 0, x->dtype, &shape, err);
}

/* Every dimension of 1; false: one is open, so the rank is too. */
static bool mask_ones(const struct shape *s, bool mask[LIMIT_RANK])
{
    for (int i = 0; i < s->rank; i++) {
        if (s->dims[i] < 0) {
            return false;
        }
        mask[i] = s->dims[i] == 1;
    }
    return true;
}

int infer_op_squeeze(struct graph *graph, struct op *op, struct err *err)
{
    const struct value *x = infer_in(graph, op, 0);
    bool given = infer_in(graph, op, 1) != NULL;
    bool mask[LIMIT_RANK] = {false};
    int64_t axes[LIMIT_RANK];
    struct shape shape = {0};
    size_t n;
    int rc = infer_ints(graph, op, 1, axes, LIMIT_RANK, &n, err);

    if (rc < 0) {
        return rc;
    }
    if ((given && rc == 0) || (!given && !mask_ones(&x->shape, mask))) {
        set_unknown(graph, op, x->dtype);
        return 0;
    }
    rc = given ? infer_axes(op, axes, n, x->shape.rank, mask, err) : 0;
    for (int i = 0; rc == 0 && i < x->shape.rank; i++) {
        if (!mask[i]) {
            shape.dims[shape.rank++] = x->shape.dims[i];
        } else if (infer_differ(x->shape.dims[i], 1)) {
            return infer_fail(op, err,
                              "dimension %d is %lld and cannot be "
                              "squeezed",
                              i, (long long)x->shape.dims[i]);
        }
    }
    return rc < 0 ? rc : infer_out(graph, op, 0, x->dtype, &shape, err);
}

int infer_op_unsqueeze(struct graph *graph, struct op *op, struct err *err)
{
    const struct value *x = infer_in(graph, op, 0);
    const struct value *list = infer_in(graph, op, 1);
    bool mask[LIMIT_RANK] = {false};
    int64_t axes[LIMIT_RANK];
    struct shape shape = {0};
    size_t n;
    int from = 0;
    int rc = infer_ints(graph, op, 1, axes, LIMIT_RANK, &n, err);

    if (rc < 0) {
        return rc;
    }
    if (rc == 0 && (list->shape.rank != 1 || list->shape.dims[0] < 0 ||
                    list->shape.dims[0] > LIMIT_RANK)) {
        set_unknown(graph, op, x->dtype);
        return 0;
    }
    n = rc == 0 ? (size_t)list->shape.dims[0] : n;
    shape.rank = x->shape.rank + (int)n;
    if (shape.rank > LIMIT_RANK) {
        return infer_fail(op, err,
                          "its output would have %d dimensions, at "
                          "most %d are possible",
                          shape.rank, LIMIT_RANK);
    }
    if (rc == 1) {
        rc = infer_axes(op, axes, n, shape.rank, mask, err);
        for (int i = 0; rc == 0 && i < shape.rank; i++) {
            shape.dims[i] = mask[i] ? 1 : x->shape.dims[from++];
        }
    } else {
        for (int i = 0; i < shape.rank; i++) {
            shape.dims[i] = -1;
        }
    }
    return rc < 0 ? rc : infer_out(graph, op, 0, x->dtype, &shape, err);
}

/* ---- depth and space --------------------------------------------------- */

static int read_block(struct graph *graph, const struct op *op, int64_t *block,
                      struct err *err)
{
    int rc = infer_rank(op, infer_in(graph, op, 0), 4, 4, err);

    *block = op_int(op, "blocksize", 0);
    if (rc == 0 && (*block < 1 || *block > INT16_MAX)) {
        rc = infer_fail(op, err,
                        "attribute \"blocksize\" is missing or out of "
                        "range");
    }
    return rc;
}

/* *dim / by; EDGE_EINVAL if that is not a whole number. */
static int divide(const struct op *op, int64_t *dim, int64_t by,
                  struct err *err)
{
    if (*dim >= 0 && *dim % by != 0) {
        return infer_fail(op, err,
                          "a dimension of %lld does not divide by "
                          "%lld",
                          (long long)*dim, (long long)by);
    }
    *dim = *dim >= 0 ? *dim / by : -1;
    return 0;
}

static int64_t times(int64_t dim, int64_t by)
{
    int64_t product;

    if (dim < 0) {
        return -1;
    }
    return __builtin_mul_overflow(dim, by, &product) ? INT64_MAX : product;
}

int infer_op_depth_to_space(struct graph *graph, struct op *op, struct err *err)
{
    const struct value *x = infer_in(graph, op, 0);
    struct shape shape = x->shape;
    int64_t block;
    int rc = read_block(graph, op, &block, err);

    if (rc == 0) {
        rc = divide(op, &shape.dims[1], block * block, err);
    }
    if (rc < 0) {
        return rc;
    }
    shape.dims[2] = times(shape.dims[2], block);
    shape.dims[3] = times(shape.dims[3], block);
    return infer_out(graph, op, 0, x->dtype, &shape, err);
}

int infer_op_space_to_depth(struct graph *graph, struct op *op, struct err *err)
{
    const struct value *x = infer_in(graph, op, 0);
    struct shape shape = x->shape;
    int64_t block;
    int rc = read_block(graph, op, &block, err);

    for (int i = 2; rc == 0 && i < 4; i++) {
        rc = divide(op, &shape.dims[i], block, err);
    }
    if (rc < 0) {
        return rc;
    }
    shape.dims[1] = times(shape.dims[1], block * block);
    return infer_out(graph, op, 0, x->dtype, &shape, err);
}
