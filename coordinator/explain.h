/*
 * What a search came to, for people: the message PlanExplain.
 */
#ifndef EDGE_COORDINATOR_EXPLAIN_H
#define EDGE_COORDINATOR_EXPLAIN_H

#include "config/cluster.h"
#include "coordinator/plan/choice.h"
#include "coordinator/plan/profile.h"
#include "graph/graph.h"

#include "envelope.pb-c.h"

struct explain { /* all borrowed */
    const struct graph *graph;
    const int *order; /* ops by position */
    const struct cluster *cluster;
    const struct profile *profile;
    const struct choices *choices;
    const Edged__Placement *spec; /* of the best */
};

/* *out is for explain_free(). EDGE_ENOMEM or 0. */
int explain_new(const struct explain *explain, Edged__PlanExplain **out);
void explain_free(Edged__PlanExplain *message); /* NULL is fine */
/* The message packed, for blob_unref(); NULL: out of memory. */
struct blob *explain_pack(const Edged__PlanExplain *message);

#endif
