/*
 * The stages of a cluster.yaml as a choice (choice.h): layers become
 * positions, names of devices their places in a profile. Pure.
 */
#ifndef EDGE_PLAN_WRITTEN_H
#define EDGE_PLAN_WRITTEN_H

#include "config/cluster.h"
#include "coordinator/plan/choice.h"
#include "coordinator/plan/profile.h"
#include "graph/graph.h"

#include "base/err.h"

/* A stage that names no devices has none yet. EDGE_ECONFIG: no such layer or
 * device, a gap between stages. `choice` is zeroed; what is predicted is left
 * at 0. */
int written_stages(struct choice *choice, const struct cluster *cluster,
                   const struct graph *graph, const struct profile *profile,
                   struct err *err);

#endif
