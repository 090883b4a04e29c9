/*
 * The running io_timers of one io, ordered by the moment they are due and,
 * for the same moment, by when they were started. No clock: time is an
 * argument, so real and simulated time share it.
 */
#ifndef EDGE_NET_TIMERS_H
#define EDGE_NET_TIMERS_H

#include "net/io.h"

struct timers {
    struct list running;
};

void timers_init(struct timers *timers);
void timers_start(struct timers *timers, struct io_timer *timer,
                  uint64_t due_us);
void timers_stop(struct io_timer *timer);
/* When the next one is due; false: none runs. */
bool timers_next(const struct timers *timers, uint64_t *due_us);

/* Moves every timer due at `now_us` to `due`, an empty list; the owner takes
 * them from there with timers_pop(), so one that a callback stops or starts
 * again is no longer in it. */
void timers_take(struct timers *timers, uint64_t now_us, struct list *due);
struct io_timer *timers_pop(struct list *due); /* NULL: none is left */

#endif
