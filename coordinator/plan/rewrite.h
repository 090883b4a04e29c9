/*
 * A partition is a graph rewrite (docs/DESIGN in short: ARCHITECTURE.md). The
 * rewrites work in place on a graph of the caller's, usually a clone, and
 * label each op with its part: the number of the shard that it belongs to
 * once parts_make() (parts.h) takes the graph apart. A rewritten graph
 * computes what the graph did: bit for bit where no sum was cut
 * (docs/decisions/0014 says what that rests on), and only halo "none" changes
 * answers.
 *
 * Graphs come in sorted, with shapes inferred and static (the batch included),
 * and leave so. On failure the graph is only good for graph_free().
 */
#ifndef EDGE_PLAN_REWRITE_H
#define EDGE_PLAN_REWRITE_H

#include "graph/graph.h"

#define REWRITE_PIECES_MAX LIMIT_PORTS /* one shard joins them */
#define REWRITE_SPLIT_MAX 8
#define REWRITE_NO_PART (-1)

/* ---- labels -------------------------------------------------------------- */

/* The label rides on the op as a private attribute, so that it survives
 * sorting, compacting and cloning; parts_make() takes it off. */
int rewrite_set_part(struct op *op, int part);
int rewrite_part(const struct op *op); /* REWRITE_NO_PART: it has none */
void rewrite_clear_part(struct op *op);

/* ---- split: one layer's weights over devices ----------------------------- */

enum split_axis { SPLIT_OUTPUT, SPLIT_INPUT, SPLIT_PAIR };

/*
 * OUTPUT  weights sliced by output channels; elementwise, normalisation,
 *         depthwise and pooling ops behind follow the slice; Concat joins.
 * INPUT   weights sliced by input channels; partial sums, one Sum, then the
 *         bias and what came behind.
 * PAIR    the op by output channels, what follows it, and the next Conv, Gemm
 *         or MatMul by input channels: one reduction for two layers.
 */
struct split {
    enum split_axis axis;
    int op;                          /* index: Conv, Gemm or MatMul with
                                        constant weights */
    int end_op;                      /* followers have smaller indices */
    int k;                           /* 2 .. REWRITE_SPLIT_MAX */
    double share[REWRITE_SPLIT_MAX]; /* of the channels, any unit; all 0:
                                        equal */
    int part[REWRITE_SPLIT_MAX];     /* labels of the pieces */
    int scatter;                     /* of Slices of the input */
    int join;                        /* of Concat, or of Sum and bias */
};

/* EDGE_EINVAL or EDGE_ENOFIT says why this op cannot be split so. */
int rewrite_split(struct graph *graph, const struct split *split,
                  struct err *err);
/* The most pieces that this op could be cut into along `axis`; 0: none. */
int rewrite_split_most(const struct graph *graph, int op, enum split_axis axis);

/* ---- tile: parts of an image over devices -------------------------------- */

enum tile_halo { TILE_RECOMPUTE, TILE_EXCHANGE, TILE_NONE };

/*
 * The ops with indices first_op .. end_op - 1, each computed once a tile, over
 * a grid of `rows` x `columns` tiles of their outputs (NCHW).
 *
 * RECOMPUTE  a tile takes as much of the input as its outputs' receptive
 *            field needs; borders are computed more than once.
 * EXCHANGE   a tile keeps its own share of every value, and takes the borders
 *            that an op needs from its neighbours. A tile is then one shard
 *            between two exchanges: labels are part[t] + level * level_step.
 * NONE       a tile sees zeros beyond its share: lossy (FDSP; prototype 0).
 */
struct tile {
    enum tile_halo halo;
    int first_op;
    int end_op;
    int rows;
    int columns;
    double row_share[REWRITE_PIECES_MAX]; /* any unit; all 0: equal */
    double column_share[REWRITE_PIECES_MAX];
    int part[REWRITE_PIECES_MAX]; /* labels, row by row */
    int level_step;               /* EXCHANGE only */
    int scatter;                  /* label of the Slices of the input */
    int join;                     /* of the Concats */
};

/* *levels: how many labels each tile has; 1 but for EXCHANGE. EDGE_EINVAL
 * names the first op that no tile can compute; EDGE_ENOFIT: the grid is finer
 * than some map. */
int rewrite_tile(struct graph *graph, const struct tile *tile, int *levels,
                 struct err *err);
/* The end of the run of ops from first_op that tiles can compute, at most
 * end_op; first_op: not even that one. */
int rewrite_tile_end(const struct graph *graph, int first_op, int end_op);

#endif
