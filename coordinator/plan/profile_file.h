/*
 * What a file of profiles (config/profiles.h) says, for one model and the
 * devices of a cluster.yaml. Pure.
 */
#ifndef EDGE_PLAN_PROFILE_FILE_H
#define EDGE_PLAN_PROFILE_FILE_H

#include "config/cluster.h"
#include "config/profiles.h"
#include "coordinator/plan/profile.h"
#include "graph/graph.h"

#include "base/err.h"

/* The boards are the file's kinds, in their order. The devices are those of
 * `cluster` that the file says the kind of, then those that it adds; *left_out
 * says how many of the cluster's are none. `label` is the file's name, for
 * errors. The graph is sorted and its shapes are inferred.
 * EDGE_ECONFIG: the model has no such layer, a layer has two times, an entry
 * fits no device, two boards have one name, no board is left, or too many. */
int profile_from_file(struct profile *profile, const struct profiles *file,
                      const char *label, const struct cluster *cluster,
                      const struct graph *graph, size_t *left_out,
                      struct err *err);

#endif
