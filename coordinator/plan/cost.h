/*
 * What a choice will take: seconds, bytes and memory, from a model and a
 * profile (docs/decisions/0016). Pure.
 *
 *   model    what each op of a model takes on each board, summed up so that
 *            any range of positions is known at once
 *   part     a range of positions as some kind of stage, on one board
 *   choice   all stages on their devices: what choice.h says is predicted
 */
#ifndef EDGE_PLAN_COST_H
#define EDGE_PLAN_COST_H

#include "base/err.h"
#include "coordinator/plan/choice.h"
#include "coordinator/plan/cut_scan.h"
#include "coordinator/plan/profile.h"
#include "coordinator/plan/tile_ranges.h"

struct cost_op { /* by position */
    double macs;
    double bytes;        /* touched when it runs, constants among them */
    double weight_bytes; /* constants, as a shard keeps them */
    double live_bytes;   /* of all values alive while it runs */
    bool is_fused;       /* with the product before it: takes no time */
    bool is_head;        /* a product that a split can begin with */
    enum tiled tiled;
    struct tile_window window[2];
};

struct cost_model {
    const struct graph *graph; /* borrowed */
    const struct profile *profile;
    struct cut_scan scan;
    size_t n_ops;
    struct cost_op *ops;
    double *before_s;    /* [board * (n_ops + 1) + position]: of ops before */
    double *weights;     /* [position]: of ops before */
    double *cross_bytes; /* [position], what a cut there sends */
    int *cross_values;   /* [position], how many values */
    uint32_t queue;      /* requests that wait for a shard at most */
};

/* `graph` and `profile` are borrowed while the model lives. The graph is
 * sorted, shapes inferred and static. EDGE_ENOMEM or 0. */
int cost_model_init(struct cost_model *model, const struct graph *graph,
                    const struct profile *profile, uint32_t queue);
void cost_model_deinit(struct cost_model *model); /* fine on a zeroed one */
/* Memory of the ops first .. end - 1 turned out to be `factor` times what was
 * reckoned: from now on it is reckoned so. */
void cost_model_scale(struct cost_model *model, int first, int end,
                      double factor);

/* Seconds of the ops first .. end - 1 on a board. */
double cost_seconds(const struct cost_model *model, size_t board, int first,
                    int end);
double cost_op_seconds(const struct cost_model *model, size_t board,
                       int position);
size_t cost_value_bytes(const struct graph *graph, int value);

struct cost_shape { /* how a range is computed */
    enum pieces_kind kind;
    enum split_axis axis;
    enum tile_halo halo;
    int rows;
    int columns;
};

struct cost_part {
    int first;
    int end;
    struct cost_shape shape;
    size_t k;         /* pieces */
    int levels;       /* shards of each piece, one after the other */
    double compute_s; /* of the slowest piece on one device */
    double scatter_s; /* of slicing what comes in, where that is done */
    double join_s;    /* of joining, and of the ops left to the join */
    /* Sent, for one request: to all pieces, to the piece that gets most. */
    double in_bytes;
    double in_most;
    int in_values;    /* messages to each piece */
    double out_bytes; /* likewise from the pieces */
    double out_most;
    int out_values;
    double pass_bytes;   /* from before to behind, past the pieces */
    double inner_bytes;  /* among the pieces, all together */
    double inner_most;   /* and of the piece that takes in most */
    int inner_values;    /* messages to each piece */
    double weight_bytes; /* of the largest piece */
    double arena_bytes;
};

/* 0; EDGE_EINVAL or EDGE_ENOFIT: the range cannot be cut so; EDGE_ENOMEM.
 * compute_s, scatter_s and join_s are those of `board`. */
int cost_part(const struct cost_model *model, size_t board, int first, int end,
              const struct cost_shape *shape, struct cost_part *part);
/* Of the whole range, known to take an arena of `arena_bytes` up to `known`. */
void cost_longer(const struct cost_model *model, size_t board, int first,
                 int known, int end, double arena_bytes,
                 struct cost_part *part);
/* The same as cost_part() of a range that a user wrote: the rewrite itself says
 * why it cannot be cut so. */
int cost_part_sure(const struct cost_model *model, size_t board, int first,
                   int end, const struct cost_shape *shape,
                   struct cost_part *part, struct err *err);
/* Memory on a device that computes one piece. */
double cost_part_memory(const struct cost_model *model,
                        const struct cost_part *part);

/* cost_tile.c: many ranges with the same end at once. */
struct cost_tiler {
    const struct cost_model *model;
    struct range *own[2];  /* [value * bands + band]: that a tile makes */
    struct range *need[2]; /* and that it reads */
    double *halo;          /* of a value: bytes that tiles lack, together */
    double *halo_most;     /* and the one that lacks most */
    double *bytes;         /* by value */
    int *touched;          /* values with ranges */
    size_t n_touched;
    int *open; /* and of these, what comes from before the walk */
    size_t n_open;
};

int cost_tiler_init(struct cost_tiler *tiler, const struct cost_model *model);
void cost_tiler_deinit(struct cost_tiler *tiler);
/* parts[i] is about firsts[i] .. end, for ascending firsts; the first *from of
 * them are not possible and not set. */
void cost_tiles(struct cost_tiler *tiler, size_t board,
                const struct cost_shape *shape, const int *firsts, size_t n,
                int end, struct cost_part *parts, size_t *from);

/* cost_split.c */
int cost_split(const struct cost_model *model, size_t board, int first, int end,
               const struct cost_shape *shape, struct cost_part *part);

/* Fills in all that is predicted; stages and devices are given. Any devices of
 * a stage are fine: pieces may share one. 0, EDGE_ENOMEM, or as cost_part(). */
int cost_choice(const struct cost_model *model, struct choice *choice,
                struct err *err);

#endif
