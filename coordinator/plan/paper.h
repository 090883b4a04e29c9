/*
 * A choice (choice.h) as shards on devices and links between them, with the
 * seconds and bytes of each: what the simulator runs. Pure.
 *
 * The model is rewritten as for a deployment, so that pieces have the very
 * sizes that they would have there.
 */
#ifndef EDGE_PLAN_PAPER_H
#define EDGE_PLAN_PAPER_H

#include "coordinator/plan/cost.h"
#include "coordinator/plan/simulate.h"
#include "graph/graph.h"

struct paper {
    struct parts parts;
    struct piece *pieces;          /* what each shard is */
    struct simulate_shard *shards; /* parts.n */
    struct simulate_link *links;
    size_t n_links;
    struct simulate_model model; /* of the above */
    size_t *devices;             /* of all shards, one after the other */
    double *seconds;
};

/* Borrows the model's profile for as long as the paper is used. EDGE_EINVAL,
 * EDGE_ENOFIT: as pieces_make() says. */
int paper_make(struct paper *paper, const struct cost_model *model,
               const struct choice *choice, struct err *err);
/* Seconds of one run on a board of a shard that is (a piece of) `stage`. */
double paper_seconds(const struct cost_model *model,
                     const struct choice_stage *stage,
                     const struct graph *shard, size_t board);
void paper_deinit(struct paper *paper); /* fine on a zeroed one */

#endif
