/*
 * A model with a view on each of several devices, taken apart as `views`,
 * `tiers` and `exits` of the file say (docs/decisions/0032): nobody writes
 * layers, for what runs where follows from the graph. Pure.
 *
 *   stage k            what depends on view k alone
 *   stage n_views + t  what else the exit of tier t + 1 needs; of the last
 *                      tier: what else the first output needs
 *
 * An input called `present` is nobody's: each tier makes it of the views that
 * came. What depends on it alone is computed in each tier that needs it.
 */
#ifndef EDGE_PLAN_TIERS_H
#define EDGE_PLAN_TIERS_H

#include "config/cluster.h"
#include "coordinator/plan/choice.h"
#include "coordinator/plan/parts.h"
#include "coordinator/plan/profile.h"
#include "graph/graph.h"

#define TIERS_PRESENT "present"
#define TIERS_NO_EXIT (-1)

struct tiers {
    size_t n_views;
    size_t n_stages; /* views, then tiers */
    int ends[2 *
             LIMIT_PORTS]; /* position (cut.h) behind each stage's last op */
    bool has_present;      /* the last input of the graph then */
    int exits[2 * LIMIT_PORTS];   /* of each stage: which of the file's exits is
                                   * there, or TIERS_NO_EXIT */
    int outputs[2 * LIMIT_PORTS]; /* and its place among the graph's outputs */
};

/* Puts the graph's inputs, ops and outputs into the order of the stages: views
 * in the model's order, `present` last; the first output first, then those of
 * the exits; other outputs, and what only they need, are not made. The graph
 * comes in sorted with shapes inferred, and leaves so. EDGE_ECONFIG: an input
 * that no device takes, no such input or output, a tier with nothing to do;
 * EDGE_EUNSUPPORTED; EDGE_ENOMEM. */
int tiers_arrange(struct graph *graph, const struct cluster *cluster,
                  struct tiers *tiers, struct err *err);

/* The stages on their devices; what is predicted is left at 0. `choice` is
 * zeroed, for choice_deinit() whatever comes back. EDGE_ECONFIG: a device that
 * takes no part now. */
int tiers_choice(const struct tiers *tiers, const struct cluster *cluster,
                 const struct graph *graph, const struct profile *profile,
                 struct choice *choice, struct err *err);

/* What those stages will take; memory as cost_choice() has it. */
struct cost_model;
int tiers_reckon(const struct tiers *tiers, const struct cost_model *model,
                 struct choice *choice, struct err *err);

/* The number of the exit at a stage, in the order of the tiers from 1; 0: it
 * has none. */
int tiers_exit_number(const struct tiers *tiers, size_t stage);
/* The view that a stage is, or -1. */
int tiers_view(const struct tiers *tiers, size_t stage);

#endif
