#include "train/params.h"

#include "base/mem.h"

#include <string.h>

/* What a layer in tiles has of its weights is the same in another shape
 * (graph/lossy.h). */
static bool is_kernel(const struct graph *g, int value)
{
    for (size_t i = 0; i < g->n_ops; i++) {
        if (g->ops[i].kind == OP_CONV && g->ops[i].in[1] == value) {
            return true;
        }
    }
    return false;
}

/* Which inputs of a kind are learnt. */
static bool is_learnt(const struct graph *g, const struct op *op, int input)
{
    switch (op->kind) {
    case OP_CONV:
    case OP_CONV_TRANSPOSE:
    case OP_BLOCK_GEMM:
    case OP_GEMM: return input == 1 || input == 2;
    case OP_SIGN: return true; /* of a weight: a binary layer's */
    case OP_RESHAPE: return input == 0 && is_kernel(g, op->out[0]);
    case OP_MATMUL: return true;
    case OP_INSTANCE_NORM:
    case OP_LAYER_NORM:
    case OP_BATCH_NORM: return input == 1 || input == 2;
    case OP_PRELU: return input == 1;
    case OP_ADD: { /* the bias of a MatMul */
        int other = op->in[1 - input];
        int producer = other >= 0 ? g->values[other].producer : -1;

        return producer >= 0 && g->ops[producer].kind == OP_MATMUL;
    }
    default: return false;
    }
}

bool params_is_trainable(const struct graph *graph, int value)
{
    if (!graph_is_const(graph, value) ||
        graph->values[value].dtype != DTYPE_F32) {
        return false;
    }
    for (size_t i = 0; i < graph->n_ops; i++) {
        const struct op *op = &graph->ops[i];

        for (int k = 0; k < op->n_in; k++) {
            if (op->in[k] == value && is_learnt(graph, op, k)) {
                return true;
            }
        }
    }
    return false;
}

int params_list(const struct graph *graph, int **values, size_t *n)
{
    bool *learnt = mem_array(bool, graph->n_values);
    int *list = mem_array(int, graph->n_values);

    *n = 0;
    if (learnt == NULL || list == NULL) {
        mem_free(learnt);
        mem_free(list);
        return EDGE_ENOMEM;
    }
    for (size_t i = 0; i < graph->n_ops; i++) {
        const struct op *op = &graph->ops[i];

        for (int k = 0; k < op->n_in; k++) {
            if (op->in[k] >= 0 && graph_is_const(graph, op->in[k]) &&
                graph->values[op->in[k]].dtype == DTYPE_F32 &&
                is_learnt(graph, op, k)) {
                learnt[op->in[k]] = true;
            }
        }
    }
    for (size_t v = 0; v < graph->n_values; v++) {
        if (learnt[v]) {
            list[(*n)++] = (int)v;
        }
    }
    mem_free(learnt);
    *values = list;
    return 0;
}

static int add_item(struct params *p, const struct value *v, struct err *err)
{
    struct param *item = &p->items[p->n_items];

    if (v->data.blob == NULL || v->dtype != DTYPE_F32) {
        return err_set(err, EDGE_EINVAL,
                       "parameter \"%.200s\" is no float32 constant", v->name);
    }
    item->name = mem_strdup(v->name);
    if (item->name == NULL) {
        return err_set(err, EDGE_ENOMEM, "%s", err_text(EDGE_ENOMEM));
    }
    item->shape = v->data.shape;
    item->offset = p->n;
    item->count = (size_t)tensor_count(&v->data);
    item->rate = 1;
    item->decay = 1;
    p->n += item->count;
    p->n_items++;
    return 0;
}

static int fill(struct params *p, const struct graph *graph, const int *values,
                size_t n, struct err *err)
{
    int rc = 0;

    p->items = mem_array(struct param, n);
    if (p->items == NULL) {
        return err_set(err, EDGE_ENOMEM, "%s", err_text(EDGE_ENOMEM));
    }
    for (size_t i = 0; i < n && rc == 0; i++) {
        rc = add_item(p, &graph->values[values[i]], err);
    }
    if (rc < 0) {
        return rc;
    }
    p->values = mem_array(float, p->n);
    p->grads = mem_array(float, p->n);
    if (p->values == NULL || p->grads == NULL) {
        return err_set(err, EDGE_ENOMEM, "%s", err_text(EDGE_ENOMEM));
    }
    for (size_t i = 0; i < n; i++) {
        if (p->items[i].count > 0) {
            memcpy(p->values + p->items[i].offset,
                   graph->values[values[i]].data.data,
                   p->items[i].count * sizeof(float));
        }
    }
    return 0;
}

int params_init(struct params *p, const struct graph *graph, const int *values,
                size_t n, struct err *err)
{
    int rc;

    *p = (struct params){0};
    rc = fill(p, graph, values, n, err);
    if (rc < 0) {
        params_deinit(p);
    }
    return rc;
}

void params_deinit(struct params *p)
{
    for (size_t i = 0; i < p->n_items; i++) {
        mem_free(p->items[i].name);
    }
    mem_free(p->items);
    mem_free(p->values);
    mem_free(p->grads);
    *p = (struct params){0};
}

int params_find(const struct params *p, const char *name)
{
    for (size_t i = 0; i < p->n_items; i++) {
        if (strcmp(p->items[i].name, name) == 0) {
            return (int)i;
        }
    }
    return -1;
}

static struct tensor view(const struct params *p, size_t i, float *array)
{
    return (struct tensor){.dtype = DTYPE_F32,
                           .shape = p->items[i].shape,
                           .data = array + p->items[i].offset};
}

struct tensor params_value(const struct params *p, size_t i)
{
    return view(p, i, p->values);
}

struct tensor params_grad(const struct params *p, size_t i)
{
    return view(p, i, p->grads);
}

int params_store(const struct params *p, struct graph *graph, struct err *err)
{
    for (size_t i = 0; i < p->n_items; i++) {
        const struct param *item = &p->items[i];
        int v = graph_find_value(graph, item->name);
        struct tensor t;

        if (v < 0 || !graph_is_const(graph, v) ||
            !shape_equal(&graph->values[v].data.shape, &item->shape)) {
            return err_set(err, EDGE_EINVAL,
                           "parameter \"%.200s\" is no constant of that shape "
                           "in the model",
                           item->name);
        }
        if (tensor_copy(&t, DTYPE_F32, &item->shape, p->values + item->offset) <
            0) {
            return err_set(err, EDGE_ENOMEM, "%s", err_text(EDGE_ENOMEM));
        }
        graph_set_const(graph, v, &t);
    }
    return 0;
}
