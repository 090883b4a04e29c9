/*
 * The attributes of TileCut and TileJoin, written and read in one place. Both
 * have the same: one is the other's gradient.
 *
 *   rows, columns    borders in the picture: 0, ..., its extent
 *   row_from, column_from    where each band of tiles begins; below 0: padding
 *   length           rows and columns of a tile
 *   reach            how far beyond a border its neighbour reads, of each axis
 *   loss             enum tile_form_loss; p, chain (p11, p22), salt: of these
 *   pad              what is beyond the picture, and what is lost
 *   levels, clip, own    of margins; levels 0: they are as they are
 */
#ifndef EDGE_GRAPH_TILE_FORM_H
#define EDGE_GRAPH_TILE_FORM_H

#include "graph/graph.h"

#define TILE_FORM_BANDS 16 /* along an axis */

enum tile_form_loss {
    TILE_FORM_EXACT,    /* all that a tile reads of others arrives */
    TILE_FORM_NONE,     /* nothing does */
    TILE_FORM_ELEMENTS, /* each element by itself, or not: Bernoulli */
    TILE_FORM_SIDES     /* a side of a tile as a whole, in bursts: Markov */
};

struct tile_form_axis {
    int bands;
    int64_t border[TILE_FORM_BANDS + 1];
    int64_t from[TILE_FORM_BANDS];
    int64_t length;
    int64_t reach;
};

struct tile_form {
    struct tile_form_axis axis[2]; /* rows, columns */
    enum tile_form_loss loss;
    float p;   /* ELEMENTS: the part that is lost */
    float p11; /* SIDES: one that arrives is followed by another, */
    float p22; /* and one that is lost by another */
    int64_t salt;
    float pad;
    int64_t levels;
    float low;
    float high;
    bool own; /* a tile's own margins are coarse, not only its neighbours' */
};

/* 0 or EDGE_ENOMEM. */
int tile_form_set(struct op *op, const struct tile_form *form);
/* What does not make sense is EDGE_EINVAL with a sentence, or 0. */
int tile_form_get(const struct op *op, struct tile_form *form, struct err *err);
/* Whether seeds decide what is lost. */
bool tile_form_is_random(const struct tile_form *form);

#endif
