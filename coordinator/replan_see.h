/* Between replan.c and replan_see.c only. */
#ifndef EDGE_COORDINATOR_REPLAN_SEE_H
#define EDGE_COORDINATOR_REPLAN_SEE_H

#include "coordinator/parts.h"

struct replan_run { /* one shard on one board */
    struct member *member;
    size_t board;
    size_t shard; /* index in the placement */
    double predicted_s;
    double measured_s; /* when last looked at; 0: not known */
};

/* What boards said with their beats, into replan.seen. */
void replan_see(struct deployment *d);
/* The deployment's, after that. */
struct drift_totals replan_total(const struct deployment *d);

#endif
