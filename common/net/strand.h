/*
 * A thread that runs jobs one at a time in order. The only place with locks:
 * a job belongs to the strand from strand_submit() until strand_take_done()
 * hands it back, on the loop thread, which is woken by the async handle.
 */
#ifndef EDGE_NET_STRAND_H
#define EDGE_NET_STRAND_H

#include "net/io.h"

#include <uv.h>

struct strand {
    uv_thread_t thread;
    uv_mutex_t mutex; /* over all below */
    uv_cond_t cond;
    struct list waiting;
    struct list finished;
    bool stop;
    uint64_t until_us; /* the last slow job was to take until then; 0: none.
                          Only the thread's */
    uv_async_t *wake;  /* borrowed */
};

int strand_start(struct strand *strand, uv_async_t *wake, struct err *err);
/* Waits for the job that runs; those that wait are dropped. */
void strand_stop(struct strand *strand);

void strand_submit(struct strand *strand, struct io_work *work);
/* Moves the jobs that are finished to `done`, an empty list. */
void strand_take_done(struct strand *strand, struct list *done);

#endif
