/* Shapes of ops that work element by element: unary, broadcasting, choosing,
 * changing the type. */
#include "graph/infer_op.h"

#include <string.h>

static int keep_shape(struct graph *graph, struct op *op, struct err *err)
{
    const struct value *x = infer_in(graph, op, 0);

    return infer_out(graph, op, 0, x->dtype, &x->shape, err);
}

int infer_op_same(struct graph *graph, struct op *op, struct err *err)
{
    int rc = 0;

    if (op->kind == OP_NOT) {
        rc = infer_type(graph, op, 0, DTYPE_BOOL, err);
    }
    if (op->kind == OP_LRN) {
        rc = infer_rank(op, infer_in(graph, op, 0), 2, LIMIT_RANK, err);
        if (rc == 0 &&
            (op_int(op, "size", 0) < 1 || op_int(op, "size", 0) > INT32_MAX)) {
            rc = infer_fail(op, err,
                            "attribute \"size\" is missing or out of "
                            "range");
        }
    }
    return rc < 0 ? rc : keep_shape(graph, op, err);
}

int infer_op_clip(struct graph *graph, struct op *op, struct err *err)
{
    for (int i = 1; i < 3; i++) {
        const struct value *bound = infer_in(graph, op, i);
        int rc = infer_same_type(graph, op, 0, i, err);

        if (rc < 0) {
            return rc;
        }
        if (bound != NULL && shape_is_static(&bound->shape) &&
            shape_count(&bound->shape) != 1) {
            return infer_fail(op, err, "\"%.100s\" must be one number",
                              bound->name);
        }
    }
    return keep_shape(graph, op, err);
}

int infer_op_prelu(struct graph *graph, struct op *op, struct err *err)
{
    const struct value *x = infer_in(graph, op, 0);
    int rc = infer_same_type(graph, op, 0, 1, err);

    if (rc == 0) {
        rc = infer_fits(graph, op, 1, &x->shape, err);
    }
    return rc < 0 ? rc : keep_shape(graph, op, err);
}

int infer_op_softmax(struct graph *graph, struct op *op, struct err *err)
{
    const struct value *x = infer_in(graph, op, 0);
    int axis;
    int rc = infer_axis(op, op_int(op, "axis", -1), x->shape.rank, &axis, err);

    return rc < 0 ? rc : keep_shape(graph, op, err);
}

/* ---- broadcasting ------------------------------------------------------ */

static int broadcast_all(struct graph *graph, struct op *op,
                         struct shape *shape, struct err *err)
{
    *shape = infer_in(graph, op, 0)->shape;
    for (int i = 1; i < op->n_in; i++) {
        const struct value *v = infer_in(graph, op, i);
        /* Pow alone may have an exponent of another type. */
        int rc = op->kind == OP_POW ? 0 : infer_same_type(graph, op, 0, i, err);

        if (rc == 0) {
            rc = infer_broadcast(op, shape, &v->shape, shape, err);
        }
        if (rc < 0) {
            return rc;
        }
    }
    return 0;
}

int infer_op_broadcast(struct graph *graph, struct op *op, struct err *err)
{
    struct shape shape;
    int rc = broadcast_all(graph, op, &shape, err);

    return rc < 0 ? rc
                  : infer_out(graph, op, 0, infer_in(graph, op, 0)->dtype,
                              &shape, err);
}

int infer_op_compare(struct graph *graph, struct op *op, struct err *err)
{
    struct shape shape;
    int rc = 0;

    if (op->kind == OP_AND || op->kind == OP_OR) {
        rc = infer_type(graph, op, 0, DTYPE_BOOL, err);
    }
    if (rc == 0) {
        rc = broadcast_all(graph, op, &shape, err);
    }
    return rc < 0 ? rc : infer_out(graph, op, 0, DTYPE_BOOL, &shape, err);
}

int infer_op_where(struct graph *graph, struct op *op, struct err *err)
{
    const struct value *x = infer_in(graph, op, 1);
    struct shape shape = infer_in(graph, op, 0)->shape;
    int rc = infer_type(graph, op, 0, DTYPE_BOOL, err);

    if (rc == 0) {
        rc = infer_same_type(graph, op, 1, 2, err);
    }
    for (int i = 1; rc == 0 && i < 3; i++) {
        rc = infer_broadcast(op, &shape, &infer_in(graph, op, i)->shape, &shape,
                             err);
    }
    return rc < 0 ? rc : infer_out(graph, op, 0, x->dtype, &shape, err);
}

/* ---- type -------------------------------------------------------------- */

int infer_op_cast(struct graph *graph, struct op *op, struct err *err)
{
    const struct value *x = infer_in(graph, op, 0);
    enum dtype to = infer_onnx_type(op_int(op, "to", 0));

    if (to == DTYPE_NONE) {
        return infer_fail(op, err,
                          "attribute \"to\" is %lld, which is no "
                          "element type that is supported",
                          (long long)op_int(op, "to", 0));
    }
    return infer_out(graph, op, 0, to, &x->shape, err);
}

int infer_op_dropout(struct graph *graph, struct op *op, struct err *err)
{
    const struct value *x = infer_in(graph, op, 0);
    int rc = infer_type(graph, op, 2, DTYPE_BOOL, err);

    if (rc == 0) {
        rc = infer_out(graph, op, 1, DTYPE_BOOL, &x->shape, err);
    }
    return rc < 0 ? rc : keep_shape(graph, op, err);
}

/* ---- quantizing -------------------------------------------------------- */

/* Scale and zero point: one number, or one for each index of an axis. */
static int check_scales(struct graph *graph, const struct op *op,
                        struct err *err)
{
    const struct value *x = infer_in(graph, op, 0);
    const struct value *scale = infer_in(graph, op, 1);
    const struct value *zero = infer_in(graph, op, 2);
    int axis;
    int rc = infer_rank(op, scale, 0, 1, err);

    if (rc == 0 && zero != NULL && zero->shape.rank != scale->shape.rank) {
        rc = infer_fail(op, err,
                        "its scale and its zero point differ in "
                        "shape");
    }
    if (rc < 0 || scale->shape.rank == 0 || scale->shape.dims[0] == 1) {
        return rc;
    }
    rc = infer_axis(op, op_int(op, "axis", 1), x->shape.rank, &axis, err);
    if (rc == 0) {
        rc = infer_vector(graph, op, 1, x->shape.dims[axis], "its scale", err);
    }
    return rc < 0 ? rc
                  : infer_vector(graph, op, 2, x->shape.dims[axis],
                                 "its zero point", err);
}

int infer_op_quantize(struct graph *graph, struct op *op, struct err *err)
{
    const struct value *x = infer_in(graph, op, 0);
    const struct value *zero = infer_in(graph, op, 2);
    int rc = check_scales(graph, op, err);

    return rc < 0
               ? rc
               : infer_out(graph, op, 0, zero != NULL ? zero->dtype : DTYPE_U8,
                           &x->shape, err);
}

int infer_op_dequantize(struct graph *graph, struct op *op, struct err *err)
{
    const struct value *x = infer_in(graph, op, 0);
    int rc = infer_same_type(graph, op, 0, 2, err);

    if (rc == 0) {
        rc = check_scales(graph, op, err);
    }
    return rc < 0 ? rc
                  : infer_out(graph, op, 0, infer_in(graph, op, 1)->dtype,
                              &x->shape, err);
}

int infer_op_dynamic_quantize(struct graph *graph, struct op *op,
                              struct err *err)
{
    const struct value *x = infer_in(graph, op, 0);
    struct shape scalar = {0};
    int rc = infer_out(graph, op, 0, DTYPE_U8, &x->shape, err);

    if (rc == 0) {
        rc = infer_out(graph, op, 1, DTYPE_F32, &scalar, err);
    }
    return rc < 0 ? rc : infer_out(graph, op, 2, DTYPE_U8, &scalar, err);
}
