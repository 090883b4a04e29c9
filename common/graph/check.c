/* Whether a graph is what graph.h says a graph is. */
#include "graph/graph.h"

#include "graph/attr.h"

#include <stdarg.h>
#include <stdio.h>

static int op_fail(const struct op *op, struct err *err, const char *format,
                   ...) __attribute__((format(printf, 3, 4)));

static int op_fail(const struct op *op, struct err *err, const char *format,
                   ...)
{
    char text[512];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    return err_set(err, EDGE_EINVAL, "%s \"%.200s\": %s",
                   op_info(op->kind)->name, op->name, text);
}

static int check_value(const struct graph *graph, int index, struct err *err)
{
    const struct value *v = &graph->values[index];
    int found = 0;

    if (v->name == NULL || v->name[0] == '\0' ||
        names_find(&graph->value_names, v->name) != index) {
        return err_set(err, EDGE_EINVAL,
                       "value %d: its name is empty or not its own", index);
    }
    if (v->producer < -1 || v->producer >= (int)graph->n_ops) {
        return err_set(err, EDGE_EINVAL, "value \"%.200s\": no op %d", v->name,
                       v->producer);
    }
    if (v->data.blob != NULL) {
        if (v->producer >= 0 || v->dtype != v->data.dtype || !v->has_shape ||
            !shape_equal(&v->shape, &v->data.shape)) {
            return err_set(err, EDGE_EINVAL,
                           "constant \"%.200s\": made by an op, or of another "
                           "type or shape than its data",
                           v->name);
        }
        return 0;
    }
    if (v->producer >= 0) {
        const struct op *op = &graph->ops[v->producer];

        for (int k = 0; k < op->n_out; k++) {
            found += op->out[k] == index;
        }
        if (found != 1) {
            return op_fail(op, err, "makes \"%.200s\" %d times", v->name,
                           found);
        }
    }
    return 0;
}

int graph_check_arity(const struct op *op, struct err *err)
{
    const struct op_info *info = op_info(op->kind);
    int in_max = info->in_max >= 0 ? info->in_max : LIMIT_OP_INPUTS;
    int out_max = info->out_max >= 0 ? info->out_max : LIMIT_OP_INPUTS;

    if (op->n_in < info->in_min || op->n_in > in_max) {
        return op_fail(op, err, "takes %d to %d inputs, has %d", info->in_min,
                       in_max, op->n_in);
    }
    if (op->n_out < info->out_min || op->n_out > out_max) {
        return op_fail(op, err, "makes %d to %d outputs, has %d", info->out_min,
                       out_max, op->n_out);
    }
    for (int k = 0; k < op->n_in; k++) {
        if (op->in[k] < 0 && (k < info->in_min || info->in_max < 0)) {
            return op_fail(op, err, "its input %d is left out, but it needs it",
                           k);
        }
    }
    for (int k = 0; k < op->n_out; k++) {
        if (op->out[k] < 0 && (k < info->out_min || info->out_max < 0)) {
            return op_fail(op, err,
                           "its output %d is left out, but it is not optional",
                           k);
        }
    }
    return 0;
}

static int check_op(const struct graph *graph, int index, struct err *err)
{
    const struct op *op = &graph->ops[index];

    if (op->kind < 0 || op->kind >= OP_COUNT) {
        return err_set(err, EDGE_EINVAL, "op %d: no operator %d", index,
                       (int)op->kind);
    }
    if (op->name == NULL || op->name[0] == '\0' ||
        names_find(&graph->op_names, op->name) != index) {
        return err_set(err, EDGE_EINVAL,
                       "op %d: its name is empty or not its own", index);
    }
    for (int k = 0; k < op->n_in; k++) {
        int value = op->in[k];

        if (value < -1 || value >= (int)graph->n_values) {
            return op_fail(op, err, "its input %d is no value", k);
        }
        if (value >= 0 && graph->values[value].producer >= index) {
            return op_fail(op, err, "reads \"%.200s\", which is made later",
                           graph->values[value].name);
        }
        if (value >= 0 && graph->values[value].producer < 0 &&
            !graph_is_const(graph, value) && !graph_is_input(graph, value)) {
            return op_fail(op, err,
                           "its input \"%.200s\" is made by no op and is "
                           "neither a constant nor a graph input",
                           graph->values[value].name);
        }
    }
    for (int k = 0; k < op->n_out; k++) {
        int value = op->out[k];

        if (value < -1 || value >= (int)graph->n_values) {
            return op_fail(op, err, "its output %d is no value", k);
        }
        if (value >= 0 && graph->values[value].producer != index) {
            return op_fail(op, err, "\"%.200s\" is not made by it alone",
                           graph->values[value].name);
        }
    }
    return graph_check_arity(op, err);
}

static int check_ports(const struct graph *graph, const int *ports, size_t n,
                       const char *what, struct err *err)
{
    for (size_t i = 0; i < n; i++) {
        if (ports[i] < 0 || ports[i] >= (int)graph->n_values) {
            return err_set(err, EDGE_EINVAL, "graph %s %zu is no value", what,
                           i);
        }
        for (size_t j = 0; j < i; j++) {
            if (ports[i] == ports[j]) {
                return err_set(err, EDGE_EINVAL,
                               "graph %s \"%.200s\" is there twice", what,
                               graph->values[ports[i]].name);
            }
        }
    }
    return 0;
}

static int check_sources(const struct graph *graph, struct err *err)
{
    for (size_t i = 0; i < graph->n_inputs; i++) {
        const struct value *v = &graph->values[graph->inputs[i]];

        if (v->producer >= 0 || v->data.blob != NULL) {
            return err_set(err, EDGE_EINVAL,
                           "graph input \"%.200s\" is made by an op or "
                           "constant",
                           v->name);
        }
    }
    for (size_t i = 0; i < graph->n_outputs; i++) {
        int output = graph->outputs[i];

        if (graph->values[output].producer < 0 &&
            !graph_is_const(graph, output) && !graph_is_input(graph, output)) {
            return err_set(err, EDGE_EINVAL,
                           "graph output \"%.200s\" is made by no op",
                           graph->values[output].name);
        }
    }
    return 0;
}

int graph_check(const struct graph *graph, struct err *err)
{
    int rc = check_ports(graph, graph->inputs, graph->n_inputs, "input", err);

    if (rc == 0) {
        rc =
            check_ports(graph, graph->outputs, graph->n_outputs, "output", err);
    }
    if (rc == 0) {
        rc = check_sources(graph, err);
    }
    for (size_t i = 0; rc == 0 && i < graph->n_ops; i++) {
        rc = check_op(graph, (int)i, err);
    }
    for (size_t i = 0; rc == 0 && i < graph->n_values; i++) {
        rc = check_value(graph, (int)i, err);
    }
    return rc;
}
