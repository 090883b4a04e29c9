/*
 * The plan of a cluster.yaml: searched for (search.h), around the stages that
 * it writes. Pure.
 */
#ifndef EDGE_PLAN_CHOOSE_H
#define EDGE_PLAN_CHOOSE_H

#include "config/cluster.h"
#include "coordinator/plan/leaving.h"
#include "coordinator/plan/search.h"

/* Requests that memory is kept for at each shard: one computes, one arrives.
 * Longer queues are those of a cluster that is asked too much. */
#define CHOOSE_QUEUED 2

/* What cost_model_init() is to be told. */
uint32_t choose_queue(const struct cluster *cluster);

struct choose_how {
    bool compare; /* the best plans of other shapes are those that would be,
                     if no stage were written */
    const struct choice *stays; /* as search.h has it; of the same file */
    double gain;
    const struct leaving *leaving; /* how the graph was arranged; NULL: the
                                      model has no exits */
};

/* Of the model's graph on the model's profile, whose devices the file names.
 * `choices` is zeroed, or of an earlier call. EDGE_ECONFIG: what is written
 * does not fit the model; else as search_run(). */
int choose_plan(struct choices *choices, const struct cost_model *model,
                const struct cluster *cluster, const struct choose_how *how,
                struct err *err);

#endif
