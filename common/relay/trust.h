/*
 * How far a node is trusted with work: one that came back starts slowly, one
 * that keeps failing is ejected for 5 s, 10 s, 20 s ... 60 s. Pure; time is an
 * argument. Whoever chooses sees to it that the last replica is never without
 * work for that.
 */
#ifndef EDGE_RELAY_TRUST_H
#define EDGE_RELAY_TRUST_H

#include "base/limits.h"

#include <stdbool.h>
#include <stdint.h>

#define TRUST_FULL 100u

struct relay_trust {
    uint32_t strikes;   /* within STRIKE_WINDOW_MS of one another */
    uint64_t struck_us; /* the last of them */
    uint32_t ejections;
    uint64_t ejected_until_us;
    uint64_t back_us; /* 0: it never was away */
};

/* It was lost, suspect or late. True if it is ejected for that. */
bool relay_trust_strike(struct relay_trust *trust, uint64_t now_us);
/* It was late: counts once a second at most, for one stall makes many late. */
bool relay_trust_late(struct relay_trust *trust, uint64_t now_us);
/* It works again. */
void relay_trust_back(struct relay_trust *trust, uint64_t now_us);
bool relay_trust_is_ejected(const struct relay_trust *trust, uint64_t now_us);
/* Percent of its share that it gets: 10 .. TRUST_FULL. */
uint32_t relay_trust_weight(const struct relay_trust *trust, uint64_t now_us);

#endif
