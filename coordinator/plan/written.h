/*
 * The stages of a cluster.yaml as a choice (choice.h): layers become
 * positions, names of devices their places in a profile. Pure.
 */
#ifndef EDGE_PLAN_WRITTEN_H
#define EDGE_PLAN_WRITTEN_H

#include "config/cluster.h"
#include "coordinator/plan/choice.h"
#include "coordinator/plan/leaving.h"
#include "coordinator/plan/profile.h"
#include "graph/graph.h"

#include "base/err.h"

/* A stage that names no devices has none yet. What an exit needs alone goes
 * with the layer that it is behind, or, where that one's stage is cut, with
 * the whole stage that joins it; `leaving` may be NULL. EDGE_ECONFIG: no such
 * layer or device, a gap between stages, an exit in a stage that is cut.
 * `choice` is zeroed; what is predicted is left at 0. */
int written_stages(struct choice *choice, const struct cluster *cluster,
                   const struct graph *graph, const struct profile *profile,
                   const struct leaving *leaving, struct err *err);

#endif
