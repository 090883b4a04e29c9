/*
 * Private to simulate*.c: the state of one simulation.
 */
#ifndef EDGE_PLAN_SIMULATE_INNER_H
#define EDGE_PLAN_SIMULATE_INNER_H

#include "coordinator/plan/simulate.h"
#include "coordinator/plan/simulate_queue.h"

#include "base/rng.h"

#define SIM_NONE UINT32_MAX

struct sim_cell {     /* a shard of a request */
    uint32_t next;    /* cell that the board computes after it */
    uint32_t missing; /* messages */
    uint32_t replica; /* or SIM_NONE: not chosen yet */
    uint32_t device;  /* of the replica */
    double receive_s; /* processor's time of what came in */
};

struct sim_request { /* a slot */
    double asked;
    uint32_t missing; /* messages of its answer */
    bool is_used;
};

struct sim_board {
    double pending_s; /* of what was sent to it and is not computed */
    uint32_t head;    /* cells that are ready */
    uint32_t tail;
    bool is_busy;
    double busy_from;
    double out_free; /* when its ports are */
    double in_free;
};

struct sim {
    const struct simulate_model *model;
    const struct simulate_options *options;
    struct simulate_result *result;
    struct sim_queue queue;
    struct rng rng;
    double now;
    /* The links that each shard sends over, the gateway's last. */
    uint32_t *links;
    uint32_t *first;  /* n_shards + 2 */
    uint32_t *inputs; /* messages that a shard waits for; the gateway's last */
    uint32_t *turn;   /* of shards: where the choice begins */
    struct sim_request *requests;
    uint32_t *free_slots;
    size_t n_free;
    size_t n_slots;
    struct sim_cell *cells;
    struct sim_board *boards; /* the gateway last */
    double *latencies;
    size_t latencies_max;
    bool is_measuring;
    bool is_over; /* nothing new is asked */
    double began; /* of what is measured */
};

/* simulate_setup.c */
int sim_setup(struct sim *sim, struct err *err);
void sim_deinit(struct sim *sim);

#endif
