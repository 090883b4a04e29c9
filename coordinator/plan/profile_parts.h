/*
 * A model in parts for boards to measure (docs/decisions/0018): each is a run
 * of ops that fuse with nothing outside it, with weights made up, so that no
 * weight travels and a board with little memory can measure a large model.
 * Pure.
 */
#ifndef EDGE_PLAN_PROFILE_PARTS_H
#define EDGE_PLAN_PROFILE_PARTS_H

#include "graph/graph.h"

struct profile_part {
    int first; /* positions (cut.h) */
    int end;
    double macs;
    double bytes;         /* of weights and activations that its ops touch */
    uint64_t needs_bytes; /* to be held while it is measured */
};

/* Parts that cover the model, in order; each needs no more than `most_bytes`
 * where ops allow it, and has `most_ops` about. The array is for mem_free().
 * EDGE_ENOMEM, or what cut_candidates() says. */
int profile_parts_find(const struct graph *graph, uint64_t most_bytes,
                       int most_ops, struct profile_part **parts, size_t *n,
                       struct err *err);

/* The part as a model of its own: constants of more than a few elements are
 * ConstantOfShape, of a value that keeps activations of the size they are;
 * other names are as in `graph`. */
int profile_part_make(const struct graph *graph,
                      const struct profile_part *part, struct graph **out,
                      struct err *err);

#endif
