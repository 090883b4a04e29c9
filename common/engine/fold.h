/* Constant folding with the engine's own kernels, and the whole front end. */
#ifndef EDGE_ENGINE_FOLD_H
#define EDGE_ENGINE_FOLD_H

#include "graph/pass.h"

/* A pass_eval: plans and runs one op on its constants. `arg` is unused. */
int fold_eval(void *arg, const struct graph *graph, const struct op *op,
              struct tensor *out, struct err *err);

/* What every model goes through once, before it is cut or run: batch bound to
 * `batch`, shapes inferred, all passes. Inputs in `bound` (name, tensor) are
 * made constants first: so `model run` can give a Reshape its shape. */
struct fold_input {
    const char *name;
    const struct tensor *data;
};
int fold_prepare(struct graph *graph, int64_t batch,
                 const struct fold_input *bound, size_t n_bound,
                 struct err *err);

#endif
