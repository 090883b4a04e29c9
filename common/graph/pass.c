#include "graph/pass.h"

#include "graph/infer.h"

int pass_run_all(struct graph *graph, pass_eval eval, void *arg,
                 struct err *err)
{
    int rc = infer_graph(graph, err);

    if (rc == 0) {
        rc = pass_fold_constants(graph, eval, arg, err);
    }
    if (rc == 0) {
        rc = pass_drop_identity(graph, err);
    }
    if (rc == 0) {
        rc = pass_fold_pad(graph, err);
    }
    if (rc == 0) {
        rc = pass_fold_batch_norm(graph, err);
    }
    return rc < 0 ? rc : infer_graph(graph, err);
}

int pass_run_shard(struct graph *graph, pass_eval eval, void *arg,
                   struct err *err)
{
    int rc = infer_graph(graph, err);

    if (rc == 0) {
        rc = pass_fold_constants(graph, eval, arg, err);
    }
    return rc < 0 ? rc : infer_graph(graph, err);
}
