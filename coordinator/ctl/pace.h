/*
 * When a load generator sends its next request, and when it has done: a bound
 * on the number, on the time, or both; at a rate, or each when one was
 * answered. All times are microseconds of one clock. A caller that asks
 * pace_is_done() and then pace_wait_ms() asks both with the same time, or the
 * end can fall between the two.
 */
#ifndef EDGE_CTL_PACE_H
#define EDGE_CTL_PACE_H

#include <stdbool.h>
#include <stdint.h>

struct pace {
    uint64_t rate;     /* requests a second; 0: as fast as answers come */
    uint64_t requests; /* at most; 0: as many as fit into the time */
    uint64_t for_us;   /* 0: until there were so many requests */
    uint64_t start_us;
    uint64_t n_sent;
    uint64_t n_landed; /* answered or failed */
    bool is_stopped;   /* what is under way is still waited for */
};

/* True if another request may be sent, now or when it falls due. */
bool pace_wants_more(const struct pace *pace, uint64_t now_us);
/* With a rate: when the next one is to be sent. */
uint64_t pace_due_us(const struct pace *pace);
/* With a rate: true if one is to be sent now. */
bool pace_is_due(const struct pace *pace, uint64_t now_us);
/* True if nothing is under way and nothing will be. */
bool pace_is_done(const struct pace *pace, uint64_t now_us);
/* Milliseconds until the next falls due, at least 1, one that is overdue for
 * want of room too; -1: only an answer goes on from here. */
int pace_wait_ms(const struct pace *pace, uint64_t now_us);

#endif
