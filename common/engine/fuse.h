/*
 * Which ops become one step: a Conv or Gemm, then perhaps the Add (or Sum)
 * of a tensor of the same shape, then perhaps Relu, Clip or LeakyRelu. Only
 * where nothing else reads what lies between, so the answer is that of the
 * separate ops, bit for bit (engine/plan.h).
 */
#ifndef EDGE_ENGINE_FUSE_H
#define EDGE_ENGINE_FUSE_H

#include "engine/step.h"

struct fusion {
    int head;   /* the op whose kernel runs */
    int ops[3]; /* head first, in order */
    int n_ops;  /* 1: not fused */
    struct step_extra extra;
};

/* For each op the fusion that ends with it, one slot an op, in *fusions; an
 * op that is followed in its fusion has n_ops 0 in its own slot. Ops with
 * `skip[op]` are left alone. The array is the caller's, for mem_free(). */
int fuse_find(const struct graph *graph, const bool *skip,
              struct fusion **fusions);

#endif
