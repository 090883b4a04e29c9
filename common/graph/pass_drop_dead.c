#include "graph/pass.h"

int pass_drop_dead(struct graph *graph, struct err *err)
{
    int rc = graph_compact(graph);

    return rc < 0 ? err_set(err, rc, "drop dead ops: %s", err_text(rc)) : 0;
}
