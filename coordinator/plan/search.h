/*
 * The planner: a model, a profile and a goal in; the best choice out, the best
 * of every other shape beside it, and why those were rejected. Pure. What is
 * exact and what is not: docs/decisions/0016.
 */
#ifndef EDGE_PLAN_SEARCH_H
#define EDGE_PLAN_SEARCH_H

#include "coordinator/plan/cost.h"

enum search_goal { SEARCH_LATENCY, SEARCH_THROUGHPUT, SEARCH_MEMORY };

/* A stage that a user wrote; positions first .. end - 1. Without devices the
 * search finds some. */
struct search_stage {
    const char *name; /* for refusals */
    int first;
    int end;
    struct cost_shape shape;
    const size_t *devices;
    size_t n_devices;
};

struct search {
    const struct cost_model *model;
    const int *points; /* positions where the model may be cut, ascending */
    size_t n_points;
    enum search_goal goal;
    size_t replicas;     /* of each piece, at least (fewer if there are fewer
                            devices) */
    double bytes_factor; /* of links between devices, by their codec; 1: as it
                            is */
    const struct search_stage *stages; /* all of the model, in order */
    size_t n_stages;                   /* 0: the search cuts */
    bool only_best; /* neither other shapes nor one board more */
    /* What is in force, by cost_choice() of this model: if it still fits, it
     * is the best unless another one is better by `gain`. NULL: nothing is. */
    const struct choice *stays;
    double gain; /* 0.15: 15 % */
};

/* EDGE_ENOFIT: memory: the board, the MiB short, and what would fit;
 * EDGE_ENOMEM; as cost_part() for a stage that cannot be cut as written. */
int search_run(const struct search *search, struct choices *choices,
               struct err *err);

#endif
