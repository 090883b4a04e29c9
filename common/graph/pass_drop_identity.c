/*
 * Ops whose output is their input: readers read the input instead. Where the
 * output is one of the graph, it keeps its name: then whatever makes the
 * input makes the output directly.
 */
#include "graph/pass.h"

#include "base/mem.h"
#include "graph/infer_op.h"

#include <string.h>

/* True if input `i` is a constant list without an element but `wanted`. */
static bool is_all(const struct graph *graph, const struct op *op, int i,
                   int64_t wanted)
{
    const struct value *v = infer_in(graph, op, i);
    int64_t n;

    if (v == NULL || v->data.blob == NULL) {
        return false;
    }
    n = tensor_count(&v->data);
    for (int64_t k = 0; k < n; k++) {
        if (tensor_get_int(&v->data, k) != wanted) {
            return false;
        }
    }
    return true;
}

static bool keeps_shape(const struct graph *graph, const struct op *op)
{
    const struct value *x = &graph->values[op->in[0]];
    const struct value *y = &graph->values[op->out[0]];

    return x->has_shape && y->has_shape && shape_is_static(&x->shape) &&
           shape_equal(&x->shape, &y->shape);
}

static bool keeps_order(const struct op *op)
{
    int64_t perm[LIMIT_RANK];
    size_t n = op_ints(op, "perm", perm, LIMIT_RANK);

    for (size_t i = 0; i < n && i < LIMIT_RANK; i++) {
        if (perm[i] != (int64_t)i) {
            return false;
        }
    }
    return n > 0;
}

/* Dropout does nothing at inference; the mask must not be wanted. */
static bool drops_nothing(const struct graph *graph, const struct op *op,
                          const int *uses)
{
    return (op->n_out < 2 || op->out[1] < 0 || uses[op->out[1]] == 0) &&
           (infer_in(graph, op, 2) == NULL || is_all(graph, op, 2, 0));
}

static bool is_identity(const struct graph *graph, const struct op *op,
                        const int *uses)
{
    switch (op->kind) {
    case OP_IDENTITY: return true;
    case OP_DROPOUT: return drops_nothing(graph, op, uses);
    case OP_RESHAPE:
    case OP_FLATTEN:
    case OP_SQUEEZE:
    case OP_UNSQUEEZE:
    case OP_EXPAND:
    case OP_TILE: return keeps_shape(graph, op);
    case OP_SLICE: /* with a step of -1 it would turn the order round */
        return keeps_shape(graph, op) &&
               (infer_in(graph, op, 4) == NULL || is_all(graph, op, 4, 1));
    case OP_TRANSPOSE: return keeps_order(op);
    case OP_CAST:
        return graph->values[op->in[0]].dtype ==
               graph->values[op->out[0]].dtype;
    case OP_PAD: return is_all(graph, op, 1, 0);
    case OP_CONCAT:
    case OP_SUM:
    case OP_MEAN:
    case OP_MIN:
    case OP_MAX: return op->n_in == 1;
    case OP_SPLIT: return op->n_out == 1;
    default: return false;
    }
}

/* A value that can be made under another name: an op makes it, and it is not
 * known outside. */
static bool can_be_renamed(const struct graph *graph, int value)
{
    return graph->values[value].producer >= 0 && !graph_is_output(graph, value);
}

/* `y`, a graph output, equals `x`: x's op makes y, x is no more. */
static void take_name(struct graph *graph, int x, int y, int *alias)
{
    graph_move_output(graph, x, y);
    graph_replace_uses(graph, x, y);
    for (size_t i = 0; i < graph->n_values; i++) {
        alias[i] = alias[i] == x ? y : alias[i];
    }
}

static void drop(struct graph *graph, const int *uses, int *alias)
{
    for (size_t i = 0; i < graph->n_ops; i++) {
        struct op *op = &graph->ops[i];
        int x;
        int y;

        for (int k = 0; k < op->n_in; k++) {
            op->in[k] = op->in[k] >= 0 ? alias[op->in[k]] : -1;
        }
        if (op->n_out == 0 || op->out[0] < 0 || !is_identity(graph, op, uses)) {
            continue;
        }
        x = op->in[0];
        y = op->out[0];
        if (!graph_is_output(graph, y)) {
            alias[y] = x;
        } else if (can_be_renamed(graph, x)) {
            take_name(graph, x, y, alias);
        }
    }
}

int pass_drop_identity(struct graph *graph, struct err *err)
{
    int *alias = mem_array(int, graph->n_values);
    int *uses = NULL;
    int rc = alias != NULL ? graph_count_uses(graph, &uses) : EDGE_ENOMEM;

    if (rc < 0) {
        (void)err_set(err, rc, "drop identities: %s", err_text(rc));
        goto out;
    }
    for (size_t i = 0; i < graph->n_values; i++) {
        alias[i] = (int)i;
    }
    drop(graph, uses, alias);
    rc = pass_drop_dead(graph, err);
out:
    mem_free(alias);
    mem_free(uses);
    return rc;
}
