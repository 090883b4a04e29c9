#include "graph/quantised.h"

static const struct value *value_of(const struct graph *graph,
                                    const struct op *op, int i)
{
    return i < op->n_in && op->in[i] >= 0 ? &graph->values[op->in[i]] : NULL;
}

static bool is_static(const struct value *v)
{
    return v != NULL && v->has_shape && shape_is_static(&v->shape);
}

/* The axis of the weights along which outputs lie, -1: none that counts. */
static int output_axis(const struct op *op, const struct shape *w)
{
    switch (op->kind) {
    case OP_CONV:
        return w->rank > 2 && (op_int(op, "group", 1) == 1 || w->dims[1] > 1)
                   ? 0
                   : -1;
    case OP_GEMM:
        if (w->rank != 2) {
            return -1;
        }
        return op_int(op, "transB", 0) != 0 ? 0 : 1;
    case OP_MATMUL:
        return w->rank >= 2 && shape_span(w, 0, w->rank - 2) == 1 ? w->rank - 1
                                                                  : -1;
    default: return -1;
    }
}

static const struct op *maker_of(const struct graph *graph, const struct op *op)
{
    const struct value *w = value_of(graph, op, QUANTISED_INPUT);
    const struct op *maker;

    if (!is_static(w) || w->dtype != DTYPE_F32 || w->producer < 0) {
        return NULL;
    }
    maker = &graph->ops[w->producer];
    return maker->kind == OP_DEQUANTIZE_LINEAR &&
                   op_int(maker, "block_size", 0) == 0
               ? maker
               : NULL;
}

/* Scales, and zero points if there are any, are one or one an output. */
static bool find_scales(const struct graph *graph, const struct op *maker,
                        int axis, struct quantised *q)
{
    const struct value *x = &graph->values[q->data];
    const struct value *scales = value_of(graph, maker, 1);
    const struct value *zeros = value_of(graph, maker, 2);
    int64_t n;

    if (!is_static(scales) || scales->dtype != DTYPE_F32) {
        return false;
    }
    n = shape_count(&scales->shape);
    if (n != 1 &&
        (shape_axis(op_int(maker, "axis", 1), x->shape.rank) != axis ||
         n != x->shape.dims[axis])) {
        return false;
    }
    q->scales = maker->in[1];
    q->zeros = zeros != NULL ? maker->in[2] : -1;
    q->channels = (size_t)n;
    return zeros == NULL || (is_static(zeros) && zeros->dtype == x->dtype &&
                             shape_count(&zeros->shape) == n);
}

bool quantised_weights(const struct graph *graph, const struct op *op,
                       struct quantised *q)
{
    const struct op *maker = maker_of(graph, op);
    const struct value *in = value_of(graph, op, 0);
    const struct value *x;
    const struct shape *w;
    int axis;

    if (maker == NULL || in == NULL || in->dtype != DTYPE_F32) {
        return false;
    }
    w = &graph->values[op->in[QUANTISED_INPUT]].shape;
    x = value_of(graph, maker, 0);
    axis = output_axis(op, w);
    if (axis < 0 || !is_static(x) || shape_count(w) == 0 ||
        !shape_equal(&x->shape, w) ||
        (x->dtype != DTYPE_I8 && x->dtype != DTYPE_U8)) {
        return false;
    }
    q->data = maker->in[0];
    q->outputs = (size_t)w->dims[axis];
    return find_scales(graph, maker, axis, q);
}

size_t quantised_bytes(const struct graph *graph, const struct quantised *q)
{
    size_t each = 2 * sizeof(float); /* scale and zero point, as floats */

    return (size_t)shape_count(&graph->values[q->data].shape) +
           q->outputs * each;
}
