/* Shapes of matrix products. */
#include "graph/infer_op.h"

int infer_op_gemm(struct graph *graph, struct op *op, struct err *err)
{
    const struct value *a = infer_in(graph, op, 0);
    const struct value *b = infer_in(graph, op, 1);
    int ta = op_int(op, "transA", 0) != 0;
    int tb = op_int(op, "transB", 0) != 0;
    struct shape shape = {.rank = 2};
    int rc = infer_rank(op, a, 2, 2, err);

    if (rc == 0) {
        rc = infer_rank(op, b, 2, 2, err);
    }
    if (rc == 0) {
        rc = infer_same_type(graph, op, 0, 1, err);
    }
    if (rc == 0) {
        rc = infer_same_type(graph, op, 0, 2, err);
    }
    if (rc < 0) {
        return rc;
    }
    if (infer_differ(a->shape.dims[1 - ta], b->shape.dims[tb])) {
        return infer_fail(op, err, "weight wants %lld features, input has %lld",
                          (long long)b->shape.dims[tb],
                          (long long)a->shape.dims[1 - ta]);
    }
    shape.dims[0] = a->shape.dims[ta];
    shape.dims[1] = b->shape.dims[1 - tb];
    rc = infer_fits(graph, op, 2, &shape, err);
    return rc < 0 ? rc : infer_out(graph, op, 0, a->dtype, &shape, err);
}

/* NumPy's rule: a vector gets a dimension of 1 for the product and loses it
 * after; what comes before the last two broadcasts. */
static int product_shape(const struct op *op, const struct value *va,
                         const struct value *vb, struct shape *out,
                         struct err *err)
{
    struct shape a = va->shape;
    struct shape b = vb->shape;
    struct shape batch_a;
    struct shape batch_b;
    int64_t rows;
    int64_t columns;

    if (a.rank == 0 || b.rank == 0) {
        return infer_fail(op, err, "\"%.100s\" is a scalar",
                          a.rank == 0 ? va->name : vb->name);
    }
    if (a.rank == 1) {
        a = shape_of(2, (int64_t[]){1, a.dims[0]});
    }
    if (b.rank == 1) {
        b = shape_of(2, (int64_t[]){b.dims[0], 1});
    }
    if (infer_differ(a.dims[a.rank - 1], b.dims[b.rank - 2])) {
        return infer_fail(op, err, "weight wants %lld features, input has %lld",
                          (long long)b.dims[b.rank - 2],
                          (long long)a.dims[a.rank - 1]);
    }
    rows = a.dims[a.rank - 2];
    columns = b.dims[b.rank - 1];
    batch_a = shape_of(a.rank - 2, a.dims);
    batch_b = shape_of(b.rank - 2, b.dims);
    if (infer_broadcast(op, &batch_a, &batch_b, out, err) < 0) {
        return EDGE_EINVAL;
    }
    if (va->shape.rank > 1) {
        out->dims[out->rank++] = rows;
    }
    if (vb->shape.rank > 1) {
        out->dims[out->rank++] = columns;
    }
    return 0;
}

int infer_op_matmul(struct graph *graph, struct op *op, struct err *err)
{
    const struct value *a = infer_in(graph, op, 0);
    struct shape shape;
    int rc = infer_same_type(graph, op, 0, 1, err);

    if (rc == 0) {
        rc = product_shape(op, a, infer_in(graph, op, 1), &shape, err);
    }
    return rc < 0 ? rc : infer_out(graph, op, 0, a->dtype, &shape, err);
}

int infer_op_matmul_integer(struct graph *graph, struct op *op, struct err *err)
{
    struct shape shape;
    int rc = infer_same_type(graph, op, 0, 2, err);

    if (rc == 0) {
        rc = infer_same_type(graph, op, 1, 3, err);
    }
    if (rc == 0) {
        rc = product_shape(op, infer_in(graph, op, 0), infer_in(graph, op, 1),
                           &shape, err);
    }
    return rc < 0 ? rc : infer_out(graph, op, 0, DTYPE_I32, &shape, err);
}

int infer_op_qlinear_matmul(struct graph *graph, struct op *op, struct err *err)
{
    struct shape shape;
    int rc = infer_same_type(graph, op, 0, 2, err);

    if (rc == 0) {
        rc = infer_same_type(graph, op, 3, 5, err);
    }
    if (rc == 0) {
        rc = product_shape(op, infer_in(graph, op, 0), infer_in(graph, op, 3),
                           &shape, err);
    }
    return rc < 0 ? rc
                  : infer_out(graph, op, 0, infer_in(graph, op, 7)->dtype,
                              &shape, err);
}
