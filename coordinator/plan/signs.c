#include "coordinator/plan/signs.h"

#include "base/mem.h"

/* What picks and moves values, and how many of its inputs those are of; 0: it
 * makes others. Padding of a MaxPool is below any value. */
static int sources_of(const struct op *op)
{
    switch (op->kind) {
    case OP_CONCAT: return op->n_in;
    case OP_MAX_POOL:
    case OP_RESHAPE:
    case OP_FLATTEN:
    case OP_SLICE:
    case OP_SQUEEZE:
    case OP_UNSQUEEZE:
    case OP_TRANSPOSE:
    case OP_IDENTITY: return 1;
    default: return 0;
    }
}

bool signs_are(const struct graph *graph, int value)
{
    bool *seen = mem_array(bool, graph->n_values + 1);
    int *todo = mem_array(int, graph->n_values + 1);
    bool are = seen != NULL && todo != NULL;
    size_t n = 0;

    if (are) {
        todo[n++] = value;
        seen[value] = true;
    }
    while (n > 0 && are) {
        int producer = graph->values[todo[--n]].producer;
        const struct op *op = producer >= 0 ? &graph->ops[producer] : NULL;
        int sources = op != NULL ? sources_of(op) : 0;

        are = op != NULL && (op->kind == OP_SIGN || sources > 0);
        for (int k = 0; k < sources && are; k++) {
            int in = op->in[k];

            are = in >= 0;
            if (are && !seen[in]) {
                seen[in] = true;
                todo[n++] = in;
            }
        }
    }
    mem_free(seen);
    mem_free(todo);
    return are;
}
