/*
 * Which fault comes next: seeded, so that a seed gives the same faults on the
 * same cluster. Pure.
 */
#ifndef EDGE_CTL_CHAOS_PLAN_H
#define EDGE_CTL_CHAOS_PLAN_H

#include "base/limits.h"
#include "base/rng.h"
#include "coordinator/ctl/faults.h"

struct chaos_plan {
    struct rng rng;
    unsigned mix; /* bits 1 << Edged__FaultKind */
    bool brutal;  /* takes the last holder of a shard as well */
};

struct chaos_hit { /* a fault with the names it points to */
    struct fault_wish wish;
    char node[LIMIT_NAME + 1];
    char peer[LIMIT_NAME + 1];
};

/* "kill,pause" -> bits; 0 if there is an unknown word or none. */
unsigned chaos_mix(const char *text);
/* Chooses among the nodes that hold shards. EDGE_EUNAVAILABLE: each is the
 * last holder of one, and that is not to be touched. */
int chaos_next(struct chaos_plan *plan, const Edged__StatusReply *status,
               struct chaos_hit *hit, struct err *err);

#endif
