/*
 * How many extra copies of work may be sent: RETRY_BUDGET percent of what was
 * sent for the first time in the last RETRY_WINDOW_S seconds, and at least
 * RETRY_BUDGET_MIN, so that a failure cannot become an outage. Pure; time is
 * an argument.
 */
#ifndef EDGE_RELAY_BUDGET_H
#define EDGE_RELAY_BUDGET_H

#include "base/limits.h"

#include <stdbool.h>
#include <stdint.h>

struct relay_budget {
    uint64_t second; /* of the newest of these */
    uint32_t sent[RETRY_WINDOW_S];
    uint32_t copies[RETRY_WINDOW_S];
};

/* Something is sent for the first time. */
void relay_budget_note(struct relay_budget *budget, uint64_t now_us);
/* True, and counted, if one more copy may go out. */
bool relay_budget_take(struct relay_budget *budget, uint64_t now_us);

#endif
