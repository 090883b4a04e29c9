#include "tests/lib/label_rest.h"

#include "base/mem.h"
#include "coordinator/plan/rewrite.h"

static bool follows_part(const struct graph *graph, const struct op *op,
                         const bool *behind)
{
    for (int k = 0; k < op->n_in; k++) {
        if (op->in[k] >= 0 && graph->values[op->in[k]].producer >= 0 &&
            behind[graph->values[op->in[k]].producer]) {
            return true;
        }
    }
    return false;
}

int label_rest(struct graph *graph, int before, int after)
{
    bool *behind = mem_array(bool, graph->n_ops + 1);
    int rc = behind == NULL ? EDGE_ENOMEM : 0;

    for (size_t i = 0; i < graph->n_ops && rc == 0; i++) {
        struct op *op = &graph->ops[i];

        behind[i] = follows_part(graph, op, behind);
        if (rewrite_part(op) == REWRITE_NO_PART) {
            rc = rewrite_set_part(op, behind[i] ? after : before);
        } else {
            behind[i] = true;
        }
    }
    mem_free(behind);
    return rc;
}
