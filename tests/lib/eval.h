/*
 * A pass_eval for tests that need none of the engine: outputs are of the
 * inferred type and shape and zero, but for ops on integers that shapes are
 * computed with (Gather, Concat, Unsqueeze, Add, Mul, Identity), which it
 * computes. It counts its calls, and can refuse.
 */
#ifndef EDGE_TESTS_EVAL_H
#define EDGE_TESTS_EVAL_H

#include "graph/pass.h"

struct eval {
    int calls;
    int rc; /* not 0: every call fails with it */
};

int eval_op(void *arg, const struct graph *graph, const struct op *op,
            struct tensor *out, struct err *err);

#endif
