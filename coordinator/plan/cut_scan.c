#include "coordinator/plan/cut_scan.h"

#include "base/mem.h"

void cut_scan_deinit(struct cut_scan *scan)
{
    mem_free(scan->ops);
    mem_free(scan->made);
    mem_free(scan->read);
    *scan = (struct cut_scan){0};
}

/* Marks the ops that some output needs. */
static int find_live(const struct graph *graph, bool **live)
{
    bool *op_is_live = mem_array(bool, graph->n_ops);
    bool *value_is_live = mem_array(bool, graph->n_values);

    if (op_is_live == NULL || value_is_live == NULL) {
        mem_free(op_is_live);
        mem_free(value_is_live);
        return EDGE_ENOMEM;
    }
    for (size_t i = 0; i < graph->n_outputs; i++) {
        value_is_live[graph->outputs[i]] = true;
    }
    for (size_t i = graph->n_ops; i > 0; i--) {
        const struct op *op = &graph->ops[i - 1];

        for (int k = 0; k < op->n_out; k++) {
            op_is_live[i - 1] |= op->out[k] >= 0 && value_is_live[op->out[k]];
        }
        for (int k = 0; op_is_live[i - 1] && k < op->n_in; k++) {
            if (op->in[k] >= 0) {
                value_is_live[op->in[k]] = true;
            }
        }
    }
    mem_free(value_is_live);
    *live = op_is_live;
    return 0;
}

/* Numbers the ops that count and notes what they make and read. */
static void scan_op(struct cut_scan *scan, const struct graph *graph, int index)
{
    const struct op *op = &graph->ops[index];
    bool counts = false;

    for (int k = 0; k < op->n_in; k++) {
        counts |= op->in[k] >= 0 && scan->made[op->in[k]] != CUT_NEVER;
    }
    if (!counts) {
        return;
    }
    for (int k = 0; k < op->n_in; k++) {
        if (op->in[k] >= 0) {
            scan->read[op->in[k]] = (int)scan->n_ops;
        }
    }
    scan->ops[scan->n_ops++] = index;
    for (int k = 0; k < op->n_out; k++) {
        if (op->out[k] >= 0) {
            scan->made[op->out[k]] = (int)scan->n_ops;
        }
    }
}

int cut_scan_init(struct cut_scan *scan, const struct graph *graph)
{
    bool *live = NULL;
    int rc = find_live(graph, &live);

    *scan = (struct cut_scan){0};
    scan->ops = mem_array(int, graph->n_ops);
    scan->made = mem_array(int, graph->n_values);
    scan->read = mem_array(int, graph->n_values);
    if (rc < 0 || scan->ops == NULL || scan->made == NULL ||
        scan->read == NULL) {
        mem_free(live);
        cut_scan_deinit(scan);
        return EDGE_ENOMEM;
    }
    for (size_t i = 0; i < graph->n_values; i++) {
        scan->made[i] = CUT_NEVER;
        scan->read[i] = CUT_NEVER;
    }
    for (size_t i = 0; i < graph->n_inputs; i++) {
        scan->made[graph->inputs[i]] = 0;
    }
    for (size_t i = 0; i < graph->n_ops; i++) {
        if (live[i]) {
            scan_op(scan, graph, (int)i);
        }
    }
    for (size_t i = 0; i < graph->n_outputs; i++) {
        scan->read[graph->outputs[i]] = (int)scan->n_ops;
    }
    mem_free(live);
    return 0;
}

bool cut_scan_crosses(const struct cut_scan *scan, int value, int position)
{
    return scan->made[value] != CUT_NEVER && scan->made[value] <= position &&
           scan->read[value] >= position;
}
