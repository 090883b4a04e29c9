/* The order of ops, and getting rid of what nothing reads. */
#include "graph/graph.h"

#include "base/mem.h"
#include "graph/attr.h"

#include <string.h>

/* Numbers the names anew; there is room, since there are no more of them. */
static void index_names(struct graph *graph)
{
    names_clear(&graph->value_names);
    names_clear(&graph->op_names);
    for (size_t i = 0; i < graph->n_values; i++) {
        (void)names_add(&graph->value_names, graph->values[i].name, (int)i);
    }
    for (size_t i = 0; i < graph->n_ops; i++) {
        (void)names_add(&graph->op_names, graph->ops[i].name, (int)i);
    }
}

/* ---- topological order ------------------------------------------------- */

enum mark { MARK_NEW, MARK_OPEN, MARK_DONE };

struct frame { /* an op whose inputs are being visited */
    int op;
    int next; /* input to look at next */
};

struct sorter {
    struct graph *graph;
    unsigned char *marks; /* of ops: enum mark */
    struct frame *stack;  /* an op is on it once, so n_ops is room enough */
    size_t depth;
    int *order;
    size_t n_order;
};

static int check_source(const struct graph *graph, const struct op *op,
                        int value, struct err *err)
{
    if (graph_is_const(graph, value) || graph_is_input(graph, value)) {
        return 0;
    }
    return err_set(err, EDGE_EINVAL,
                   "%s \"%.200s\": its input \"%.200s\" is made by no op and "
                   "is neither a constant nor a graph input",
                   op_info(op->kind)->name, op->name,
                   graph->values[value].name);
}

/* Goes on with the op on top of the stack: one step down or the step up. */
static int sorter_step(struct sorter *s, struct err *err)
{
    struct frame *top = &s->stack[s->depth - 1];
    const struct op *op = &s->graph->ops[top->op];

    while (top->next < op->n_in) {
        int value = op->in[top->next++];
        int producer = value >= 0 ? s->graph->values[value].producer : -1;
        int rc = 0;

        if (value >= 0 && producer < 0) {
            rc = check_source(s->graph, op, value, err);
        } else if (producer >= 0 && s->marks[producer] == MARK_OPEN) {
            rc = err_set(err, EDGE_EINVAL,
                         "%s \"%.200s\": depends on its own output (a cycle "
                         "through \"%.200s\")",
                         op_info(op->kind)->name, op->name,
                         s->graph->values[value].name);
        } else if (producer >= 0 && s->marks[producer] == MARK_NEW) {
            s->marks[producer] = MARK_OPEN;
            s->stack[s->depth++] = (struct frame){producer, 0};
            return 0;
        }
        if (rc < 0) {
            return rc;
        }
    }
    s->marks[top->op] = MARK_DONE;
    s->order[s->n_order++] = top->op;
    s->depth--;
    return 0;
}

static int sorter_run(struct sorter *s, struct err *err)
{
    for (size_t i = 0; i < s->graph->n_ops; i++) {
        if (s->marks[i] != MARK_NEW) {
            continue;
        }
        s->marks[i] = MARK_OPEN;
        s->stack[s->depth++] = (struct frame){(int)i, 0};
        while (s->depth > 0) {
            int rc = sorter_step(s, err);

            if (rc < 0) {
                return rc;
            }
        }
    }
    return 0;
}

void graph_set_producers(struct graph *graph)
{
    for (size_t i = 0; i < graph->n_ops; i++) {
        for (int k = 0; k < graph->ops[i].n_out; k++) {
            if (graph->ops[i].out[k] >= 0) {
                graph->values[graph->ops[i].out[k]].producer = (int)i;
            }
        }
    }
}

int graph_sort(struct graph *graph, struct err *err)
{
    size_t n = graph->n_ops;
    struct sorter s = {.graph = graph};
    struct op *sorted = mem_array(struct op, n);
    int rc = EDGE_ENOMEM;

    s.marks = mem_array(unsigned char, n);
    s.stack = mem_array(struct frame, n);
    s.order = mem_array(int, n);
    if (sorted == NULL || s.marks == NULL || s.stack == NULL ||
        s.order == NULL) {
        (void)err_set(err, rc, "sort the graph: out of memory");
        goto out;
    }
    rc = sorter_run(&s, err);
    if (rc < 0) {
        goto out;
    }
    for (size_t i = 0; i < n; i++) {
        sorted[i] = graph->ops[s.order[i]];
    }
    if (n > 0) {
        memcpy(graph->ops, sorted, n * sizeof(*sorted));
    }
    graph_set_producers(graph);
    index_names(graph);
out:
    mem_free(sorted);
    mem_free(s.marks);
    mem_free(s.stack);
    mem_free(s.order);
    return rc;
}

/* ---- compacting -------------------------------------------------------- */

struct keep {
    bool *ops;
    bool *values;
    int *stack; /* ops that are kept and whose inputs were not looked at */
    size_t depth;
};

static void keep_value(const struct graph *graph, struct keep *keep, int value)
{
    int producer;

    if (value < 0 || keep->values[value]) {
        return;
    }
    keep->values[value] = true;
    producer = graph->values[value].producer;
    if (producer >= 0 && !keep->ops[producer]) {
        keep->ops[producer] = true;
        keep->stack[keep->depth++] = producer;
    }
}

static void keep_reachable(const struct graph *graph, struct keep *keep)
{
    for (size_t i = 0; i < graph->n_outputs; i++) {
        keep_value(graph, keep, graph->outputs[i]);
    }
    for (size_t i = 0; i < graph->n_inputs; i++) {
        keep_value(graph, keep, graph->inputs[i]);
    }
    while (keep->depth > 0) {
        const struct op *op = &graph->ops[keep->stack[--keep->depth]];

        for (int k = 0; k < op->n_in; k++) {
            keep_value(graph, keep, op->in[k]);
        }
        for (int k = 0; k < op->n_out; k++) {
            keep_value(graph, keep, op->out[k]);
        }
    }
}

static void drop_ops(struct graph *graph, const bool *keep)
{
    size_t n = 0;

    for (size_t i = 0; i < graph->n_ops; i++) {
        if (keep[i]) {
            graph->ops[n++] = graph->ops[i];
        } else {
            op_deinit(&graph->ops[i]);
        }
    }
    graph->n_ops = n;
}

/* Also fills new_index. */
static void drop_values(struct graph *graph, const bool *keep, int *new_index)
{
    size_t n = 0;

    for (size_t i = 0; i < graph->n_values; i++) {
        if (keep[i]) {
            new_index[i] = (int)n;
            graph->values[n++] = graph->values[i];
        } else {
            mem_free(graph->values[i].name);
            tensor_deinit(&graph->values[i].data);
        }
    }
    graph->n_values = n;
}

static void renumber(int *values, size_t n, const int *new_index)
{
    for (size_t i = 0; i < n; i++) {
        if (values[i] >= 0) {
            values[i] = new_index[values[i]];
        }
    }
}

int graph_compact(struct graph *graph)
{
    int *new_index = mem_array(int, graph->n_values);
    struct keep keep = {0};
    int rc = EDGE_ENOMEM;

    keep.ops = mem_array(bool, graph->n_ops);
    keep.values = mem_array(bool, graph->n_values);
    keep.stack = mem_array(int, graph->n_ops);
    if (new_index == NULL || keep.ops == NULL || keep.values == NULL ||
        keep.stack == NULL) {
        goto out;
    }
    keep_reachable(graph, &keep);
    drop_ops(graph, keep.ops);
    drop_values(graph, keep.values, new_index);
    for (size_t i = 0; i < graph->n_ops; i++) {
        struct op *op = &graph->ops[i];

        renumber(op->in, (size_t)op->n_in, new_index);
        renumber(op->out, (size_t)op->n_out, new_index);
    }
    renumber(graph->inputs, graph->n_inputs, new_index);
    renumber(graph->outputs, graph->n_outputs, new_index);
    graph_set_producers(graph);
    index_names(graph);
    rc = 0;
out:
    mem_free(new_index);
    mem_free(keep.ops);
    mem_free(keep.values);
    mem_free(keep.stack);
    return rc;
}
