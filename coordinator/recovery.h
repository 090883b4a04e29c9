/*
 * What happens when shards lose their holders (docs/decisions/0010).
 *
 *   a holder is lost, another is there       nothing here: a change of route
 *   a stage has no holder left               placed again at once: URGENT
 *   fewer than wanted for REPAIR_MS, no      placed again in the background,
 *     spare yet, a device came back            REPAIR
 *   nothing can be done                      requests fail at once: VERDICT
 *
 * Both kinds are rollouts of a new epoch of the same generation: what is where
 * it should be stays and costs nothing, for daemons share a shard between
 * epochs. A deploy by a user takes precedence over both.
 */
#ifndef EDGE_COORDINATOR_RECOVERY_H
#define EDGE_COORDINATOR_RECOVERY_H

#include "base/limits.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct coordinator;
struct deployment;
struct member;
struct placement;

struct recovery {         /* of a deployment */
    uint64_t broken_us;   /* since when a stage has nobody; 0: none has not */
    uint64_t better_us;   /* since when there is a better placement; 0: none */
    uint64_t retry_us;    /* after a failure: not before */
    uint32_t fails;       /* in a row */
    uint64_t first_epoch; /* of the last that succeeded, for people */
    char verdict[600];    /* why requests are refused; "": they are not */
    char last_failure[300];
};

struct steady {      /* of a member */
    uint64_t up_us;  /* of its first beat; 0: it is down */
    uint32_t flaps;  /* losses soon after it came */
    uint64_t shy_us; /* it failed in a recovery: not asked before */
};

/* With every beat of the coordinator's own, and when something moved. */
void recovery_tick(struct coordinator *c);
void recovery_poke(struct coordinator *c);
void recovery_on_beat(struct coordinator *c);
void recovery_init(struct coordinator *c);
void recovery_stop(struct coordinator *c);
void recovery_member_up(struct coordinator *c, struct member *m);
void recovery_member_down(struct coordinator *c, struct member *m);
/* Why requests of a deployment are refused now, or NULL. */
const char *recovery_verdict(const struct deployment *d);
/* A recovery that is under way makes way: for a deploy, an undeploy. */
void recovery_yield(struct deployment *d);
/* Bytes of idle spares on a member, which make way for what is needed. */
uint64_t recovery_loan(struct coordinator *c, const struct member *m,
                       const struct deployment *but);
/* What is going on, for `edgectl status`; "": nothing. */
void recovery_describe(const struct deployment *d, char *out, size_t size);

#endif
