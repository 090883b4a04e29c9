/*
 * Where a model can be cut into stages, what crosses there, and the shards
 * that come of it. Pure: a graph in, numbers and graphs out.
 *
 * Positions count the ops that matter: those that depend on a graph input and
 * that an output needs, in the graph's order. A cut at position p puts the
 * first p of them before it. Ops that depend on constants alone belong to
 * every shard that reads them. Graph outputs made before a cut cross it as
 * well, so that the last shard has all of them and one place answers.
 */
#ifndef EDGE_PLAN_CUT_H
#define EDGE_PLAN_CUT_H

#include "graph/graph.h"

struct cut {
    int position;
    int *values; /* that cross, ascending; at most LIMIT_PORTS */
    size_t n_values;
    size_t bytes;               /* of them together */
    double macs_before;         /* of the ops before it */
    double flops_before;        /* likewise */
    double weight_bytes_before; /* one that several ops read counts for each */
    bool splits_group; /* between a product and its normalisation, activation
                        * or residual Add, which fuse when left together */
};

/* The ops that positions count, as indices into graph->ops; for mem_free(). */
int cut_order(const struct graph *graph, int **ops, size_t *n_ops,
              struct err *err);

/* Every position at which at most LIMIT_PORTS values cross, each of a known
 * size that fits a frame, ascending. The graph is sorted and its shapes are
 * inferred. */
int cut_candidates(const struct graph *graph, struct cut **cuts, size_t *n_cuts,
                   struct err *err);
void cut_free(struct cut *cuts, size_t n_cuts); /* NULL is fine */

/* By position: the op goes on from a product and fuses with it when both are
 * in one shard. For mem_free(). EDGE_ENOMEM or 0. */
int cut_fused(const struct graph *graph, bool **fused);

/* The n + 1 shards between `positions`, which ascend; shards[i] is called
 * NAME/i after the graph. What goes out of shard i comes into shard i + 1 in
 * the same order: outputs[j] is inputs[j] of the next, under that name or, if
 * shard i only passes it on, under graph_pass_name() of it. The first has the
 * graph's inputs, the last its outputs, in their order. EDGE_EINVAL: there is
 * no such position; EDGE_ENOFIT: too much crosses there. On failure shards[]
 * is left alone. */
int cut_split(const struct graph *graph, const int *positions, size_t n,
              struct graph **shards, struct err *err);

/* A range of layers as users write it. */
struct cut_layers {
    int first; /* position of the first op of the range */
    int end;   /* position after the last */
    char missing[LIMIT_GRAPH_NAME + 1]; /* the name that was not found */
};

/* Resolves "a..b", "a..", "..b" or "a", where a and b name ops or the values
 * that they make. EDGE_ENOENT: no such name (it is in `missing`), or one of an
 * op that positions do not count; EDGE_EINVAL: b comes before a. */
int cut_find_layers(const struct graph *graph, const char *text,
                    struct cut_layers *layers, struct err *err);

#endif
