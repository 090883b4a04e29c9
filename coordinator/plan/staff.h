/*
 * Which boards work on which stage of a training, with those that are there.
 * Pure. What is wished is the same whoever is there; whoever is missing leaves
 * a gap, and only a stage that has nobody left gets somebody else, so that
 * little is moved when a board goes and comes.
 */
#ifndef EDGE_PLAN_STAFF_H
#define EDGE_PLAN_STAFF_H

#include "base/err.h"
#include "base/limits.h"

#include <stdbool.h>
#include <stddef.h>

struct staff_stage { /* boards by index, ascending in what is wished */
    size_t boards[LIMIT_REPLICAS];
    size_t n;
};

struct staff_ask {
    size_t n_stages;
    size_t n_boards;
    const bool *there;               /* by board */
    const struct staff_stage *given; /* by stage, written by hand; n 0: not */
};

/* stages[] by stage, each with one board at least. EDGE_EUNAVAILABLE: no
 * board is there; EDGE_ENOMEM. */
int staff_choose(const struct staff_ask *ask, struct staff_stage *stages,
                 struct err *err);

#endif
