/*
 * Which devices cluster.yaml gives a shard, by the shard's name: that of its
 * stage, or of a piece of it (STAGE.2, STAGE.2.1, STAGE.in, STAGE.join1 ...).
 * A placement that was kept knows no more of its shards than that. Pure.
 */
#ifndef EDGE_PLAN_PINNED_H
#define EDGE_PLAN_PINNED_H

#include "config/cluster.h"

#include <stdbool.h>

/* True also for a shard whose stage names no devices. A tier is on one. */
bool pinned_allows(const struct cluster *cluster, const char *shard,
                   const char *device);

#endif
