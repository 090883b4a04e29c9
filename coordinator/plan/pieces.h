/*
 * Stages, some of them cut over devices: the model is rewritten stage by stage
 * (rewrite.h), and taken apart into shards (parts.h). Pure.
 *
 * What a cut stage takes in is sliced where it comes from, the stage before it
 * if that one is whole; what its pieces make is joined where it goes to, the
 * stage behind it if that one is whole. Elsewhere a shard of its own does it.
 */
#ifndef EDGE_PLAN_PIECES_H
#define EDGE_PLAN_PIECES_H

#include "coordinator/plan/parts.h"
#include "coordinator/plan/rewrite.h"

enum pieces_kind { PIECES_WHOLE, PIECES_SPLIT, PIECES_TILE };

struct pieces_stage {
    int first; /* position of its first op (cut.h) */
    int end;   /* after its last */
    enum pieces_kind kind;
    enum split_axis axis;
    enum tile_halo halo;
    int rows; /* of tiles; 1 for a split */
    int columns;
    const int *parted; /* positions, ascending, before which a whole stage is
                        * parted into shards one behind the other; before its
                        * first op: what is joined there is one of its own */
    size_t n_parted;
};

enum piece_role {
    PIECE_WHOLE, /* `level` counts those of a stage that is parted */
    PIECE_HEAD,  /* slices what comes in */
    PIECE_PART,  /* number `index` */
    PIECE_TAIL   /* joins; `level` counts the layers of a split */
};

struct piece { /* what a shard is */
    size_t stage;
    enum piece_role role;
    int level; /* tiles that exchange borders, and splits of several layers,
                  have a shard a level */
    int index;
};

/* pieces[i], for mem_free(), is about parts->shards[i]. EDGE_EINVAL and
 * EDGE_ENOFIT name the op or the value in the way. `graph` is not changed;
 * *rewritten, for graph_free(), is what the parts make up, and may be NULL. */
int pieces_make(const struct graph *graph, const struct pieces_stage *stages,
                size_t n, struct parts *parts, struct piece **pieces,
                struct graph **rewritten, struct err *err);

#endif
