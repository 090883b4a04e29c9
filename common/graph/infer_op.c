#include "graph/infer_op.h"

#include <stdarg.h>
#include <stdio.h>

int infer_fail(const struct op *op, struct err *err, const char *format, ...)
{
    char text[640];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    return err_set(err, EDGE_EINVAL, "%s \"%.200s\": %s",
                   op_info(op->kind)->name, op->name, text);
}

const struct value *infer_in(const struct graph *graph, const struct op *op,
                             int i)
{
    return i < op->n_in && op->in[i] >= 0 ? &graph->values[op->in[i]] : NULL;
}

int infer_out(struct graph *graph, const struct op *op, int i, enum dtype dtype,
              const struct shape *shape, struct err *err)
{
    char text[SHAPE_TEXT];
    struct value *v;
    size_t bytes;

    if (i >= op->n_out || op->out[i] < 0) {
        return 0;
    }
    if (dtype == DTYPE_NONE) {
        return infer_fail(op, err, "the type of its output is not known");
    }
    for (int k = 0; k < shape->rank; k++) {
        if (shape->dims[k] < -1 || shape->dims[k] > INFER_DIM_MAX) {
            return infer_fail(op, err,
                              "dimension %d of its output would be %lld", k,
                              (long long)shape->dims[k]);
        }
    }
    if (shape_is_static(shape) && !shape_bytes(shape, dtype, &bytes)) {
        return infer_fail(op, err, "its output of %s %s is larger than allowed",
                          dtype_name(dtype), shape_text(shape, text));
    }
    v = &graph->values[op->out[i]];
    v->dtype = dtype;
    v->has_shape = true;
    v->shape = *shape;
    return 0;
}

int infer_ints(const struct graph *graph, const struct op *op, int i,
               int64_t *v, size_t max, size_t *n, struct err *err)
{
    const struct value *in = infer_in(graph, op, i);
    int64_t count;

    *n = 0;
    if (in == NULL) {
        return 0;
    }
    if (in->dtype != DTYPE_I64 && in->dtype != DTYPE_I32) {
        return infer_fail(op, err, "input %d (\"%.100s\") must be int64, is %s",
                          i, in->name, dtype_name(in->dtype));
    }
    if (in->shape.rank > 1) {
        return infer_fail(op, err,
                          "input %d (\"%.100s\") must be a list, has %d "
                          "dimensions",
                          i, in->name, in->shape.rank);
    }
    if (in->data.blob == NULL) {
        return 0;
    }
    count = tensor_count(&in->data);
    if (count < 0 || (size_t)count > max) {
        return infer_fail(op, err,
                          "input %d (\"%.100s\") has %lld elements, at most "
                          "%zu make sense",
                          i, in->name, (long long)count, max);
    }
    for (int64_t k = 0; k < count; k++) {
        v[k] = tensor_get_int(&in->data, k);
    }
    *n = (size_t)count;
    return 1;
}

int infer_int(const struct graph *graph, const struct op *op, int i, int64_t *v,
              struct err *err)
{
    size_t n;
    int rc = infer_ints(graph, op, i, v, 1, &n, err);

    if (rc == 1 && n != 1) {
        return infer_fail(op, err, "input %d must be one number, is empty", i);
    }
    return rc;
}

int infer_axis(const struct op *op, int64_t from, int rank, int *axis,
               struct err *err)
{
    if (from < -rank || from >= rank) {
        return infer_fail(op, err, "axis %lld is outside of %d dimensions",
                          (long long)from, rank);
    }
    *axis = (int)(from < 0 ? from + rank : from);
    return 0;
}

int infer_axes(const struct op *op, const int64_t *v, size_t n, int rank,
               bool mask[LIMIT_RANK], struct err *err)
{
    for (int i = 0; i < LIMIT_RANK; i++) {
        mask[i] = false;
    }
    for (size_t i = 0; i < n; i++) {
        int axis = 0;
        int rc = infer_axis(op, v[i], rank, &axis, err);

        if (rc < 0) {
            return rc;
        }
        if (mask[axis]) {
            return infer_fail(op, err, "axis %d is given twice", axis);
        }
        mask[axis] = true;
    }
    return 0;
}

int infer_rank(const struct op *op, const struct value *v, int least, int most,
               struct err *err)
{
    if (v->shape.rank >= least && v->shape.rank <= most) {
        return 0;
    }
    if (least == most) {
        return infer_fail(op, err, "\"%.100s\" must have %d dimensions, has %d",
                          v->name, least, v->shape.rank);
    }
    return infer_fail(op, err,
                      "\"%.100s\" must have %d to %d dimensions, has "
                      "%d",
                      v->name, least, most, v->shape.rank);
}

int infer_same_type(const struct graph *graph, const struct op *op, int i,
                    int j, struct err *err)
{
    const struct value *a = infer_in(graph, op, i);
    const struct value *b = infer_in(graph, op, j);

    if (a == NULL || b == NULL || a->dtype == b->dtype) {
        return 0;
    }
    return infer_fail(op, err,
                      "inputs %d and %d must be of one type, are %s "
                      "and %s",
                      i, j, dtype_name(a->dtype), dtype_name(b->dtype));
}

int infer_type(const struct graph *graph, const struct op *op, int i,
               enum dtype dtype, struct err *err)
{
    const struct value *v = infer_in(graph, op, i);

    if (v == NULL || v->dtype == dtype) {
        return 0;
    }
    return infer_fail(op, err, "input %d (\"%.100s\") must be %s, is %s", i,
                      v->name, dtype_name(dtype), dtype_name(v->dtype));
}

bool infer_differ(int64_t a, int64_t b)
{
    return a >= 0 && b >= 0 && a != b;
}

/* One dimension of a broadcast; -2: they do not go together. An unknown one
 * beside a number above 1 can only be that number or 1. */
static int64_t broadcast_dim(int64_t a, int64_t b)
{
    if (a == b || b == 1) {
        return a;
    }
    if (a == 1) {
        return b;
    }
    if (a == -1 || b == -1) {
        return a == -1 ? b : a;
    }
    return -2;
}

int infer_broadcast(const struct op *op, const struct shape *a,
                    const struct shape *b, struct shape *out, struct err *err)
{
    int rank = a->rank > b->rank ? a->rank : b->rank;
    struct shape made = {.rank = rank};

    for (int i = 0; i < rank; i++) {
        int ia = i - (rank - a->rank);
        int ib = i - (rank - b->rank);

        made.dims[i] =
            broadcast_dim(ia >= 0 ? a->dims[ia] : 1, ib >= 0 ? b->dims[ib] : 1);
        if (made.dims[i] == -2) {
            char text_a[SHAPE_TEXT];
            char text_b[SHAPE_TEXT];

            return infer_fail(op, err, "shapes %s and %s do not go together",
                              shape_text(a, text_a), shape_text(b, text_b));
        }
    }
    *out = made;
    return 0;
}

int infer_fits(const struct graph *graph, const struct op *op, int i,
               const struct shape *to, struct err *err)
{
    const struct value *v = infer_in(graph, op, i);
    bool ok = v == NULL || v->shape.rank <= to->rank;

    for (int k = 0; ok && v != NULL && k < v->shape.rank; k++) {
        int64_t dim = v->shape.dims[k];

        ok = dim == 1 ||
             !infer_differ(dim, to->dims[to->rank - v->shape.rank + k]);
    }
    if (!ok) {
        char text[SHAPE_TEXT];
        char text_to[SHAPE_TEXT];

        return infer_fail(op, err, "\"%.100s\" of shape %s does not fit %s",
                          v->name, shape_text(&v->shape, text),
                          shape_text(to, text_to));
    }
    return 0;
}

int infer_vector(const struct graph *graph, const struct op *op, int i,
                 int64_t n, const char *what, struct err *err)
{
    const struct value *v = infer_in(graph, op, i);

    if (v == NULL) {
        return 0;
    }
    if (v->shape.rank != 1) {
        return infer_fail(op, err, "%s must have 1 dimension, has %d", what,
                          v->shape.rank);
    }
    if (infer_differ(v->shape.dims[0], n)) {
        return infer_fail(op, err, "%s has %lld elements, wants %lld", what,
                          (long long)v->shape.dims[0], (long long)n);
    }
    return 0;
}

enum dtype infer_onnx_type(int64_t number)
{
    static const enum dtype types[] = {
        [1] = DTYPE_F32,  [2] = DTYPE_U8,   [3] = DTYPE_I8,   [4] = DTYPE_U16,
        [5] = DTYPE_I16,  [6] = DTYPE_I32,  [7] = DTYPE_I64,  [9] = DTYPE_BOOL,
        [10] = DTYPE_F16, [11] = DTYPE_F64, [12] = DTYPE_U32, [13] = DTYPE_U64,
    };
    size_t n = sizeof(types) / sizeof(types[0]);

    return number >= 0 && (uint64_t)number < n ? types[number] : DTYPE_NONE;
}
