/*
 * Private to simulate*.c: what happens next. A binary heap by time; what is
 * at the same time comes in the order in which it was put.
 */
#ifndef EDGE_PLAN_SIMULATE_QUEUE_H
#define EDGE_PLAN_SIMULATE_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum sim_kind {
    SIM_ASK,     /* a client sends a request */
    SIM_SEND,    /* a message comes to the port of its sender */
    SIM_REACH,   /* its first byte to that of its receiver */
    SIM_DELIVER, /* and its last */
    SIM_DONE,    /* a board has computed a shard */
    SIM_FREE     /* and has sent what came of it */
};

struct sim_event {
    double time;
    uint64_t order;
    uint32_t request; /* slot */
    uint32_t link;    /* or shard, of DONE */
    uint32_t from;    /* device, the gateway being the last + 1 */
    uint32_t to;
    enum sim_kind kind;
};

struct sim_queue { /* zeroed to begin with; sim_queue_deinit() */
    struct sim_event *events;
    size_t n;
    size_t capacity;
    uint64_t order;
};

/* Takes a copy; sets `order`. EDGE_ENOMEM or 0. */
int sim_queue_put(struct sim_queue *queue, struct sim_event event);
/* False: nothing is left. */
bool sim_queue_take(struct sim_queue *queue, struct sim_event *event);
void sim_queue_deinit(struct sim_queue *queue);

#endif
