/* Building a graph, looking things up in it, changing it in place. */
#include "graph/graph.h"

#include "base/mem.h"
#include "graph/attr.h"

#include <string.h>

struct graph *graph_new(const char *name)
{
    struct graph *graph = mem_new(struct graph);

    if (graph == NULL) {
        return NULL;
    }
    graph->name = mem_strdup(name);
    if (graph->name == NULL) {
        mem_free(graph);
        return NULL;
    }
    return graph;
}

static void value_deinit(struct value *value)
{
    mem_free(value->name);
    tensor_deinit(&value->data);
}

void graph_free(struct graph *graph)
{
    if (graph == NULL) {
        return;
    }
    for (size_t i = 0; i < graph->n_values; i++) {
        value_deinit(&graph->values[i]);
    }
    for (size_t i = 0; i < graph->n_ops; i++) {
        op_deinit(&graph->ops[i]);
    }
    for (size_t i = 0; i < graph->n_metas; i++) {
        mem_free(graph->metas[i].key);
        mem_free(graph->metas[i].text);
    }
    names_deinit(&graph->value_names);
    names_deinit(&graph->op_names);
    mem_free(graph->values);
    mem_free(graph->ops);
    mem_free(graph->inputs);
    mem_free(graph->outputs);
    mem_free(graph->metas);
    mem_free(graph->name);
    mem_free(graph);
}

/* ---- adding ------------------------------------------------------------- */

/* A copy of `name`, or PREFIX_N that is free, N from `n` up. */
static int make_name(const struct names *names, const char *name,
                     const char *prefix, size_t n, char **made)
{
    if (name != NULL) {
        if (name[0] == '\0') {
            return EDGE_EINVAL;
        }
        if (strlen(name) > LIMIT_GRAPH_NAME) {
            return EDGE_ETOOBIG;
        }
        if (names_find(names, name) >= 0) {
            return EDGE_EEXIST;
        }
        *made = mem_strdup(name);
        return *made != NULL ? 0 : EDGE_ENOMEM;
    }
    for (;; n++) {
        *made = mem_printf("%s_%zu", prefix, n);
        if (*made == NULL) {
            return EDGE_ENOMEM;
        }
        if (names_find(names, *made) < 0) {
            return 0;
        }
        mem_free(*made);
    }
}

int graph_add_value(struct graph *graph, const char *name)
{
    struct value value = {.producer = -1};
    int index = (int)graph->n_values;
    int rc;

    if (graph->n_values >= LIMIT_GRAPH_VALUES) {
        return EDGE_ETOOBIG;
    }
    rc = make_name(&graph->value_names, name, "value", graph->n_values,
                   &value.name);
    if (rc < 0) {
        return rc;
    }
    rc = mem_grow(&graph->values, &graph->values_room, graph->n_values,
                  sizeof(*graph->values));
    if (rc == 0) {
        rc = names_add(&graph->value_names, value.name, index);
    }
    if (rc < 0) {
        mem_free(value.name);
        return rc;
    }
    graph->values[graph->n_values++] = value;
    return index;
}

int graph_add_const(struct graph *graph, const char *name, struct tensor *data)
{
    int value = graph_add_value(graph, name);

    if (value >= 0) {
        graph_set_const(graph, value, data);
    }
    return value;
}

static bool values_are_valid(const struct graph *graph, const int *values,
                             int n)
{
    for (int i = 0; i < n; i++) {
        if (values[i] < -1 || values[i] >= (int)graph->n_values) {
            return false;
        }
    }
    return true;
}

/* True if each of `out` can become the output of a new op. */
static bool outs_are_free(const struct graph *graph, const int *out, int n)
{
    for (int i = 0; i < n; i++) {
        if (out[i] < 0) {
            continue;
        }
        if (graph->values[out[i]].producer >= 0 ||
            graph_is_const(graph, out[i]) || graph_is_input(graph, out[i])) {
            return false;
        }
        for (int j = 0; j < i; j++) {
            if (out[j] == out[i]) {
                return false;
            }
        }
    }
    return true;
}

static int check_new_op(const struct graph *graph, const int *in, int n_in,
                        const int *out, int n_out)
{
    if (graph->n_ops >= LIMIT_GRAPH_OPS || n_in > LIMIT_OP_INPUTS ||
        n_out > LIMIT_OP_INPUTS) {
        return EDGE_ETOOBIG;
    }
    if (n_in < 0 || n_out < 0 || !values_are_valid(graph, in, n_in) ||
        !values_are_valid(graph, out, n_out) ||
        !outs_are_free(graph, out, n_out)) {
        return EDGE_EINVAL;
    }
    return 0;
}

int graph_add_op(struct graph *graph, enum op_kind kind, const char *name,
                 const int *in, int n_in, const int *out, int n_out)
{
    struct op op = {.kind = kind, .n_in = n_in, .n_out = n_out};
    int index = (int)graph->n_ops;
    int rc = check_new_op(graph, in, n_in, out, n_out);

    if (rc < 0) {
        return rc;
    }
    rc = make_name(&graph->op_names, name, op_info(kind)->name, graph->n_ops,
                   &op.name);
    if (rc < 0) {
        return rc;
    }
    op.in = mem_dup(in, (size_t)n_in * sizeof(*in));
    op.out = mem_dup(out, (size_t)n_out * sizeof(*out));
    rc = op.in != NULL && op.out != NULL ? 0 : EDGE_ENOMEM;
    if (rc == 0) {
        rc = mem_grow(&graph->ops, &graph->ops_room, graph->n_ops,
                      sizeof(*graph->ops));
    }
    if (rc == 0) {
        rc = names_add(&graph->op_names, op.name, index);
    }
    if (rc < 0) {
        op_deinit(&op);
        return rc;
    }
    graph->ops[graph->n_ops++] = op;
    for (int i = 0; i < n_out; i++) {
        if (out[i] >= 0) {
            graph->values[out[i]].producer = index;
        }
    }
    return index;
}

static bool is_among(const int *values, size_t n, int value)
{
    for (size_t i = 0; i < n; i++) {
        if (values[i] == value) {
            return true;
        }
    }
    return false;
}

static int add_port(const struct graph *graph, int **ports, size_t *n,
                    size_t *room, int value)
{
    int rc;

    if (value < 0 || value >= (int)graph->n_values) {
        return EDGE_EINVAL;
    }
    if (is_among(*ports, *n, value)) {
        return EDGE_EEXIST;
    }
    if (*n >= LIMIT_GRAPH_PORTS) {
        return EDGE_ETOOBIG;
    }
    rc = mem_grow(ports, room, *n, sizeof(**ports));
    if (rc < 0) {
        return rc;
    }
    (*ports)[*n] = value;
    return (int)(*n)++;
}

int graph_add_input(struct graph *graph, int value)
{
    if (value >= 0 && value < (int)graph->n_values &&
        (graph->values[value].producer >= 0 || graph_is_const(graph, value))) {
        return EDGE_EINVAL;
    }
    return add_port(graph, &graph->inputs, &graph->n_inputs,
                    &graph->inputs_room, value);
}

int graph_add_output(struct graph *graph, int value)
{
    return add_port(graph, &graph->outputs, &graph->n_outputs,
                    &graph->outputs_room, value);
}

int graph_add_meta(struct graph *graph, const char *key, const char *text)
{
    struct meta meta = {0};
    int rc;

    if (graph_meta(graph, key) != NULL) {
        return EDGE_EEXIST;
    }
    meta.key = mem_strdup(key);
    meta.text = mem_strdup(text);
    rc = meta.key != NULL && meta.text != NULL ? 0 : EDGE_ENOMEM;
    if (rc == 0) {
        rc = mem_grow(&graph->metas, &graph->metas_room, graph->n_metas,
                      sizeof(*graph->metas));
    }
    if (rc < 0) {
        mem_free(meta.key);
        mem_free(meta.text);
        return rc;
    }
    graph->metas[graph->n_metas++] = meta;
    return 0;
}

void graph_drop_meta(struct graph *graph, const char *key)
{
    for (size_t i = 0; i < graph->n_metas; i++) {
        struct meta *meta = &graph->metas[i];

        if (strcmp(meta->key, key) == 0) {
            mem_free(meta->key);
            mem_free(meta->text);
            graph->n_metas--;
            memmove(meta, meta + 1, (graph->n_metas - i) * sizeof(*meta));
            return;
        }
    }
}

/* ---- looking up --------------------------------------------------------- */

const char *graph_meta(const struct graph *graph, const char *key)
{
    for (size_t i = 0; i < graph->n_metas; i++) {
        if (strcmp(graph->metas[i].key, key) == 0) {
            return graph->metas[i].text;
        }
    }
    return NULL;
}

int graph_find_value(const struct graph *graph, const char *name)
{
    return names_find(&graph->value_names, name);
}

int graph_find_op(const struct graph *graph, const char *name)
{
    return names_find(&graph->op_names, name);
}

bool graph_is_const(const struct graph *graph, int value)
{
    return value >= 0 && graph->values[value].data.blob != NULL;
}

bool graph_is_input(const struct graph *graph, int value)
{
    return is_among(graph->inputs, graph->n_inputs, value);
}

bool graph_is_output(const struct graph *graph, int value)
{
    return is_among(graph->outputs, graph->n_outputs, value);
}

int graph_count_uses(const struct graph *graph, int **uses)
{
    int *count = mem_array(int, graph->n_values);

    if (count == NULL) {
        return EDGE_ENOMEM;
    }
    for (size_t i = 0; i < graph->n_ops; i++) {
        const struct op *op = &graph->ops[i];

        for (int k = 0; k < op->n_in; k++) {
            if (op->in[k] >= 0) {
                count[op->in[k]]++;
            }
        }
    }
    for (size_t i = 0; i < graph->n_outputs; i++) {
        count[graph->outputs[i]]++;
    }
    *uses = count;
    return 0;
}

/* ---- changing in place -------------------------------------------------- */

void graph_replace_uses(struct graph *graph, int from, int to)
{
    for (size_t i = 0; i < graph->n_ops; i++) {
        for (int k = 0; k < graph->ops[i].n_in; k++) {
            if (graph->ops[i].in[k] == from) {
                graph->ops[i].in[k] = to;
            }
        }
    }
    for (size_t i = 0; i < graph->n_outputs; i++) {
        if (graph->outputs[i] == from) {
            graph->outputs[i] = to;
        }
    }
}

int graph_rename_value(struct graph *graph, int value, const char *name)
{
    char *made;
    int rc =
        make_name(&graph->value_names, name, "value", graph->n_values, &made);

    if (rc < 0) {
        return rc;
    }
    rc = names_add(&graph->value_names, made, value);
    if (rc < 0) {
        mem_free(made);
        return rc;
    }
    names_remove(&graph->value_names, graph->values[value].name);
    mem_free(graph->values[value].name);
    graph->values[value].name = made;
    return 0;
}

/* The op that makes `value` makes it no more. */
static void detach(struct graph *graph, int value)
{
    int producer = graph->values[value].producer;

    if (producer < 0) {
        return;
    }
    for (int k = 0; k < graph->ops[producer].n_out; k++) {
        if (graph->ops[producer].out[k] == value) {
            graph->ops[producer].out[k] = -1;
        }
    }
    graph->values[value].producer = -1;
}

void graph_set_const(struct graph *graph, int value, struct tensor *data)
{
    struct value *v = &graph->values[value];
    size_t kept = 0;

    detach(graph, value);
    for (size_t i = 0; i < graph->n_inputs; i++) {
        if (graph->inputs[i] != value) {
            graph->inputs[kept++] = graph->inputs[i];
        }
    }
    graph->n_inputs = kept;
    tensor_deinit(&v->data);
    v->data = *data;
    v->dtype = data->dtype;
    v->has_shape = true;
    v->shape = data->shape;
    *data = (struct tensor){0};
}

void graph_move_output(struct graph *graph, int from, int to)
{
    int producer = graph->values[from].producer;
    struct op *op = &graph->ops[producer];

    detach(graph, to);
    for (int k = 0; k < op->n_out; k++) {
        if (op->out[k] == from) {
            op->out[k] = to;
        }
    }
    graph->values[from].producer = -1;
    graph->values[to].producer = producer;
}

/* ---- copying ------------------------------------------------------------ */

static int copy_values(const struct graph *from, struct graph *to)
{
    for (size_t i = 0; i < from->n_values; i++) {
        const struct value *v = &from->values[i];
        int index = graph_add_value(to, v->name);

        if (index < 0) {
            return index;
        }
        to->values[index].dtype = v->dtype;
        to->values[index].has_shape = v->has_shape;
        to->values[index].shape = v->shape;
        if (v->data.blob != NULL) {
            to->values[index].data = tensor_ref(&v->data);
        }
    }
    return 0;
}

static int copy_ops(const struct graph *from, struct graph *to)
{
    for (size_t i = 0; i < from->n_ops; i++) {
        const struct op *op = &from->ops[i];
        int index = graph_add_op(to, op->kind, op->name, op->in, op->n_in,
                                 op->out, op->n_out);
        int rc = index < 0 ? index : attr_copy_all(op, &to->ops[index]);

        if (rc < 0) {
            return rc;
        }
    }
    return 0;
}

static int copy_ports(const struct graph *from, struct graph *to)
{
    for (size_t i = 0; i < from->n_inputs; i++) {
        int rc = graph_add_input(to, from->inputs[i]);

        if (rc < 0) {
            return rc;
        }
    }
    for (size_t i = 0; i < from->n_outputs; i++) {
        int rc = graph_add_output(to, from->outputs[i]);

        if (rc < 0) {
            return rc;
        }
    }
    return 0;
}

static int copy_metas(const struct graph *from, struct graph *to)
{
    for (size_t i = 0; i < from->n_metas; i++) {
        int rc = graph_add_meta(to, from->metas[i].key, from->metas[i].text);

        if (rc < 0) {
            return rc;
        }
    }
    return 0;
}

int graph_clone(const struct graph *from, struct graph **graph)
{
    struct graph *copy = graph_new(from->name);
    int rc;

    if (copy == NULL) {
        return EDGE_ENOMEM;
    }
    rc = copy_values(from, copy);
    if (rc == 0) {
        rc = copy_ops(from, copy);
    }
    if (rc == 0) {
        rc = copy_ports(from, copy);
    }
    if (rc == 0) {
        rc = copy_metas(from, copy);
    }
    if (rc < 0) {
        graph_free(copy);
        return rc;
    }
    *graph = copy;
    return 0;
}
