/*
 * Rewrites of a whole graph into an equal, cheaper one. Each pass is a file,
 * keeps graph_check() true and leaves graph inputs and outputs in name, type
 * and shape. Passes that change rounding (batch-norm folding) run on a whole
 * model before it is cut and never on a shard, so a cut never changes an
 * answer (docs/decisions/0003). They take a graph that graph_check() accepts
 * and whose shapes are inferred; after an error it is only good for
 * graph_free().
 */
#ifndef EDGE_GRAPH_PASS_H
#define EDGE_GRAPH_PASS_H

#include "graph/graph.h"

/* Computes ops[op], all of whose inputs are constant, into out[0..n_out),
 * which it initialises; the engine provides it (engine/fold.h). */
typedef int (*pass_eval)(void *arg, const struct graph *graph,
                         const struct op *op, struct tensor *out,
                         struct err *err);

/* Ops with constant inputs become constants, Shape of a known shape too;
 * shapes are inferred on the way. DequantizeLinear stays (int8 weights travel
 * as int8), what would grow the model much, and what the engine has no kernel
 * for. */
int pass_fold_constants(struct graph *graph, pass_eval eval, void *arg,
                        struct err *err);
/* BatchNormalization after Conv or ConvTranspose or Gemm goes into weights
 * and bias, where that product is read by nothing else. */
int pass_fold_batch_norm(struct graph *graph, struct err *err);
/* Identity, Dropout at inference, Reshape and Transpose and Cast to the same,
 * Pad of zeros by nothing: readers read the input instead. */
int pass_drop_identity(struct graph *graph, struct err *err);
/* A Pad of zeros before Conv goes into its pads attribute. */
int pass_fold_pad(struct graph *graph, struct err *err);
/* Ops whose outputs nothing reads. */
int pass_drop_dead(struct graph *graph, struct err *err);

/* All of them in their order, with shapes inferred before and after. */
int pass_run_all(struct graph *graph, pass_eval eval, void *arg,
                 struct err *err);

/* What a shard goes through before it is planned: constants that travelled
 * in a shorter form (ConstantOfShape) come back. Changes no answer. */
int pass_run_shard(struct graph *graph, pass_eval eval, void *arg,
                   struct err *err);

#endif
