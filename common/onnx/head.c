#include "onnx/head.h"

#include "base/mem.h"
#include "onnx/zoo_make.h"

#include <inttypes.h>
#include <string.h>

struct head {
    struct zoo zoo;
    struct graph *graph;
    struct err *err;
    int op;      /* the last with weights */
    int axis;    /* of the weights: one row for each class */
    int64_t old; /* classes that there were */
    int64_t now;
};

/* ---- where it is -------------------------------------------------------- */

/* Channels come out as they came in. */
static bool keeps_classes(const struct graph *g, const struct op *op)
{
    switch (op->kind) {
    case OP_FLATTEN:
    case OP_RESHAPE:
    case OP_SQUEEZE:
    case OP_IDENTITY:
    case OP_DROPOUT:
    case OP_RELU:
    case OP_AVERAGE_POOL:
    case OP_GLOBAL_AVERAGE_POOL:
    case OP_SOFTMAX: return true;
    case OP_ADD: /* of a bias, not of another branch */
        return graph_is_const(g, op->in[0]) || graph_is_const(g, op->in[1]);
    default: return false;
    }
}

/* Sets the axis of the op's weights, or returns false: it has none. */
static bool has_weights(struct head *h, const struct op *op)
{
    if (op->n_in < 2 || !graph_is_const(h->graph, op->in[1])) {
        return false;
    }
    switch (op->kind) {
    case OP_CONV: h->axis = 0; return true;
    case OP_GEMM: h->axis = op_int(op, "transB", 0) != 0 ? 0 : 1; return true;
    case OP_MATMUL:
        h->axis = h->graph->values[op->in[1]].data.shape.rank - 1;
        return true;
    default: return false;
    }
}

static int find(struct head *h)
{
    const struct graph *g = h->graph;
    int value = g->n_outputs == 1 ? g->outputs[0] : -1;

    if (value < 0) {
        return err_set(h->err, EDGE_EUNSUPPORTED,
                       "the model has %zu outputs; a new head is for one",
                       g->n_outputs);
    }
    for (size_t i = 0; i <= g->n_ops; i++) {
        const struct op *op;

        h->op = g->values[value].producer;
        if (h->op < 0) {
            break;
        }
        op = &g->ops[h->op];
        if (has_weights(h, op)) {
            return 0;
        }
        if (!keeps_classes(g, op)) {
            return err_set(h->err, EDGE_EUNSUPPORTED,
                           "between the output and the last constant weights "
                           "is %s \"%s\"; a new head is for models that end "
                           "in a convolution or a dense layer",
                           op_info(op->kind)->name, op->name);
        }
        value = op->in[graph_is_const(g, op->in[0]) ? 1 : 0];
    }
    return err_set(h->err, EDGE_EUNSUPPORTED,
                   "the model has no layer with weights to replace");
}

/* ---- new weights -------------------------------------------------------- */

/* The name becomes free for another constant. */
static int put_aside(struct head *h, int value)
{
    char *name = mem_printf("%s/old", h->graph->values[value].name);
    int rc =
        name == NULL ? EDGE_ENOMEM : graph_rename_value(h->graph, value, name);

    mem_free(name);
    return rc;
}

/* Of a constant with a number for each class; others are left alone. */
static int replace_bias(struct head *h, struct op *op, int k)
{
    int old = op->n_in > k ? op->in[k] : -1;
    struct tensor zeros = {.blob = NULL};
    struct shape shape;
    char *name;
    int rc;

    if (!graph_is_const(h->graph, old) ||
        tensor_count(&h->graph->values[old].data) != h->old) {
        return 0;
    }
    shape = h->graph->values[old].data.shape;
    for (int d = 0; d < shape.rank; d++) {
        shape.dims[d] = shape.dims[d] == h->old ? h->now : shape.dims[d];
    }
    name = mem_strdup(h->graph->values[old].name);
    rc = name == NULL ? EDGE_ENOMEM : put_aside(h, old);
    if (rc == 0) {
        rc = tensor_init(&zeros, DTYPE_F32, &shape);
    }
    if (rc == 0) {
        memset(zeros.data, 0, tensor_bytes(&zeros));
        rc = graph_add_const(h->graph, name, &zeros);
    }
    tensor_deinit(&zeros); /* the graph has it now, if all went well */
    mem_free(name);
    if (rc < 0) {
        return rc;
    }
    op->in[k] = rc;
    return 0;
}

static int replace_weights(struct head *h)
{
    struct op *op = &h->graph->ops[h->op];
    struct shape shape = h->graph->values[op->in[1]].data.shape;
    struct zoo_fans fans = {1, 1};
    int rc;
    int value;

    if (op_int(op, "group", 1) != 1 || shape.rank < 2) {
        return err_set(h->err, EDGE_EUNSUPPORTED,
                       "\"%s\" is in groups; a new head is for layers that "
                       "see all channels",
                       op->name);
    }
    h->old = shape.dims[h->axis];
    shape.dims[h->axis] = h->now;
    rc = put_aside(h, op->in[1]);
    if (rc < 0) {
        return rc;
    }
    value = zoo_weight(&h->zoo, op->name, shape, fans,
                       (struct zoo_start){ZOO_NORMAL, 0.01, 0});
    if (value < 0) {
        return h->zoo.rc;
    }
    op->in[1] = value;
    return replace_bias(h, op, 2);
}

/* ---- what follows ------------------------------------------------------- */

/* The one place of a Reshape's target that has the number of classes. */
static int reshape(struct head *h, struct op *op)
{
    int old = op->n_in > 1 ? op->in[1] : -1;
    struct tensor copy = {.blob = NULL};
    const struct tensor *from;
    bool changes = false;
    int rc;

    if (!graph_is_const(h->graph, old)) {
        return 0;
    }
    from = &h->graph->values[old].data;
    rc = tensor_copy(&copy, from->dtype, &from->shape, from->data);
    for (int64_t i = 0; rc == 0 && i < tensor_count(&copy); i++) {
        int64_t *dim = (int64_t *)copy.data + i;

        changes = changes || *dim == h->old;
        *dim = *dim == h->old ? h->now : *dim;
    }
    if (rc == 0 && changes) {
        rc = graph_add_const(h->graph, NULL, &copy);
    }
    tensor_deinit(&copy);
    if (rc > 0) {
        op->in[1] = rc;
    }
    return rc < 0 ? rc : 0;
}

static int adapt(struct head *h)
{
    int value = h->graph->outputs[0];
    int at = h->graph->values[value].producer;
    int rc = 0;

    while (rc == 0) {
        struct op *op = &h->graph->ops[at];
        int from = graph_is_const(h->graph, op->in[0]) ? 1 : 0;

        for (int k = 0; k < op->n_out; k++) {
            if (op->out[k] >= 0) {
                h->graph->values[op->out[k]].has_shape = false;
            }
        }
        if (at == h->op) {
            break;
        }
        if (op->kind == OP_RESHAPE) {
            rc = reshape(h, op);
        } else if (op->kind == OP_ADD) {
            rc = replace_bias(h, op, 1 - from);
        }
        at = h->graph->values[h->graph->ops[at].in[from]].producer;
    }
    return rc;
}

int head_replace(struct graph *graph, int64_t classes, uint64_t seed,
                 struct err *err)
{
    struct head h = {
        .zoo = {.graph = graph, .seed = seed, .err = err},
        .graph = graph,
        .err = err,
        .now = classes,
    };
    int rc = find(&h);

    if (rc == 0) {
        err->text[0] = '\0';
        rc = replace_weights(&h);
    }
    if (rc == 0) {
        rc = adapt(&h);
    }
    if (rc == 0) {
        graph_drop_meta(graph, "edged.labels");
        rc = graph_compact(graph);
    }
    return rc == EDGE_ENOMEM ? err_set(err, rc, "out of memory") : rc;
}
