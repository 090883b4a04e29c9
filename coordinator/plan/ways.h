/*
 * How the samples of a step of training are shared: micro-batches, their
 * sizes, and which replica of each stage each of them goes through. Pure: the
 * same question has the same answer, so a step can be repeated.
 *
 * As many lanes run beside each other as the widest stage has replicas. A lane
 * has samples by how fast it is, in M micro-batches; all first ones come
 * first, then all second ones, so that every stage is busy early. A stage of
 * as many replicas as lanes keeps each lane on one of them; in a narrower one
 * a micro-batch goes to who will be done with it first.
 */
#ifndef EDGE_PLAN_WAYS_H
#define EDGE_PLAN_WAYS_H

#include "base/err.h"
#include "base/limits.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WAYS_MICRO 1024 /* micro-batches of a step, at most */

struct ways_ask {
    const size_t *replicas; /* of each stage, 1..LIMIT_REPLICAS */
    const double *speeds;   /* of the replicas, stage by stage, compared within
                             * their stage alone; 0: not known */
    size_t n_stages;
    uint64_t samples;   /* of the step, > 0 */
    uint32_t per_lane;  /* M, > 0: micro-batches of a lane, where it has so
                         * many samples */
    uint32_t micro_max; /* samples of one; a lane has more of them rather than
                         * larger ones; 0: any */
};

struct ways {
    uint32_t *sizes; /* n; they add up to the samples */
    uint32_t *ways;  /* n_stages * n, stage by stage: a replica's index */
    size_t n;
};

/* For ways_deinit(). EDGE_EINVAL: more than WAYS_MICRO; EDGE_ENOMEM. */
int ways_make(const struct ways_ask *ask, struct ways *ways, struct err *err);
void ways_deinit(struct ways *ways);

/* The largest micro-batch to reckon with: a lane may come to have twice its
 * equal share before it has more of them. */
uint32_t ways_micro_max(uint32_t batch, size_t lanes, uint32_t per_lane);

/* Whether the share of one of `n` replicas of a stage would change by more
 * than WAYS_DRIFT of it, had it the speeds `measured` in place of those that
 * shares go by. Those that are not known (0) count as the mean. A change costs
 * the repeatability of the run, and a measurement is noisy. */
#define WAYS_DRIFT 0.2
bool ways_drifts(const double *speeds, const double *measured, size_t n);
/* From now on shares go by these. */
void ways_adapt(double *speeds, const double *measured, size_t n);

#endif
