/*
 * What a simulation is made of: io_sim.c has the events and the nodes,
 * io_sim_pipe.c and io_sim_dial.c the connections, io_sim_net.c the paths.
 */
#ifndef EDGE_TESTS_IO_SIM_INNER_H
#define EDGE_TESTS_IO_SIM_INNER_H

#include "base/rng.h"
#include "net/hub.h"
#include "net/timers.h"
#include "tests/lib/io_sim.h"

enum sim_kind {
    SIM_TIMERS,    /* of a node are due */
    SIM_WORK,      /* a strand takes its next job */
    SIM_WORK_DONE, /* and has done it */
    SIM_LINGER,    /* a node that stopped closes what is left */
    SIM_SYN,       /* a dial reaches the kernel of the place */
    SIM_ACCEPT,    /* and its program */
    SIM_CONNECTED, /* the dialer hears of it */
    SIM_ARRIVE,    /* bytes reach one end */
    SIM_STALL,     /* bytes were not acknowledged for long */
    SIM_CLOSED     /* one end has closed */
};

struct sim_event {
    uint64_t at_us;
    uint64_t seq;
    enum sim_kind kind;
    struct sim_node *node; /* waits while this one is paused; may be NULL */
    struct sim_pipe *pipe; /* referenced */
    int which;             /* strand, or end of the pipe */
};

struct sim_strand {
    struct list waiting;
    struct io_work *job; /* on it now */
    uint64_t took_us;
    bool ran; /* at its beginning */
    bool busy;
    bool stuck;
    enum sim_kind missed; /* while stuck; SIM_TIMERS: nothing */
};

/* A machine: what stays when a node dies. */
struct sim_place {
    struct list link;
    char host[108];
    int port;
    unsigned number;
    struct sim_node *node; /* NULL: nobody is there */
    bool isolated;
    bool unplugged;
};

struct sim_node {
    struct hub hub; /* first */
    struct sim *sim;
    struct list link;
    struct sim_place *place;
    struct timers timers;
    uint64_t armed_us; /* the earliest SIM_TIMERS under way; 0: none */
    struct sim_strand strands[IO_STRANDS];
    struct rng rng;
    unsigned percent;
    bool dead;
    bool paused;
    struct sim_event *deferred; /* while paused, in order */
    size_t n_deferred;
    size_t deferred_room;
};

struct sim_cut {
    struct list link;
    struct sim_place *from;
    struct sim_place *to;
};

struct sim_route {
    struct list link;
    struct sim_place *a;
    struct sim_place *b;
    struct sim_path path;
};

struct sim {
    uint64_t now_us;
    uint64_t seq;
    uint64_t fired;
    uint64_t hash;
    struct rng rng;      /* of the network */
    struct rng test_rng; /* of the test */
    struct sim_event *heap;
    size_t n_events;
    size_t heap_room;
    struct list places;
    struct list nodes;
    struct list pipes;
    struct list cuts;
    struct list routes;
    struct sim_path path;
    unsigned n_places;
    unsigned n_pipes;
};

static inline struct sim_node *sim_node_of(const struct io *io)
{
    return (struct sim_node *)(uintptr_t)io;
}

/* Schedules an event `in_us` from now; takes a reference on `pipe`. */
void sim_at(struct sim *sim, uint64_t in_us, enum sim_kind kind,
            struct sim_node *node, struct sim_pipe *pipe, int which);
void sim_mix(struct sim *sim, uint64_t value); /* into the hash */
/* The place of that address, made if need be. */
struct sim_place *sim_place_at(struct sim *sim, const char *host, int port);

/* ---- strands (io_sim_work.c) --------------------------------------------- */

void sim_work_queue(struct io *io, enum io_strand which, struct io_work *work);
void sim_work_fire(struct sim_node *node, int which); /* takes the next job */
void sim_work_done(struct sim_node *node, int which);
void sim_work_forget(struct sim_node *node);

/* ---- paths (io_sim_net.c) ------------------------------------------------ */

/* True if nothing gets from one place to the other now. */
bool sim_is_cut(const struct sim *sim, const struct sim_place *from,
                const struct sim_place *to);
struct sim_path sim_path_between(const struct sim *sim,
                                 const struct sim_place *a,
                                 const struct sim_place *b);

/* ---- connections (io_sim_dial.c) ----------------------------------------- */

extern const struct transport sim_transport;
void sim_pipe_fire(struct sim *sim, const struct sim_event *event);
void sim_pipe_unref(struct sim_pipe *pipe); /* NULL is fine */
/* A node dies: connections that its program never saw break too; with
 * `silent` nobody is told of any. */
void sim_pipe_drop_all(struct sim_node *node, bool silent);
/* At the end of the simulation: closes and frees everything. */
void sim_pipe_finish_all(struct sim *sim);
/* Cuts have changed: bytes go on, or begin to wait. */
void sim_pipe_review(struct sim *sim);
/* Resets every connection between the two places. */
void sim_pipe_reset(struct sim *sim, const struct sim_place *a,
                    const struct sim_place *b);

/* Zeroed; ends the process when there is none. Tried twice, so that an
 * allocation that a test makes fail (tests/lib/heap.h) costs nothing here: it
 * is the code under test that shall meet it. */
void *sim_alloc(size_t size);

#endif
