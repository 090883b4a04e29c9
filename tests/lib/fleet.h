/*
 * A whole cluster on simulated time and network (io_sim.h): one coordinator
 * and daemons, all of them the real code, each with a state folder of its own
 * that outlives its process. Client nodes are in fleet_client.h.
 *
 * The io's operations of a node pass through the fleet, which can spoil what a
 * board computes or swallow what it sends: negative controls.
 */
#ifndef EDGE_TESTS_FLEET_H
#define EDGE_TESTS_FLEET_H

#include "coordinator/coordinator.h"
#include "daemon/board.h"
#include "daemon/daemon.h"
#include "tests/lib/io_sim.h"
#include "tests/lib/tmp.h"

#define FLEET_NODES 8
#define FLEET_PORT 7000 /* of the first node; the others follow */
#define FLEET_SOCKET "/run/edge-coordinator/api.sock"

struct fleet;

#define FLEET_RAN 512 /* runs that are remembered, per process */

struct fleet_ran { /* one request through one shard */
    uint64_t request;
    uint32_t epoch;
    uint32_t shard;
};

/* A process, and what it sees of the world. */
struct fleet_process {
    struct fleet *fleet;
    char name[24];
    char folder[TMP_PATH];
    struct io_identity id;
    struct io *io; /* NULL: it is not running */
    struct io_ops ops;
    const struct io_ops *real;
    struct log *log;
    int log_fds[2]; /* a pipe that the log goes through; -1: none */
    bool paused;
    bool spoils;                       /* what it computes comes out wrong */
    bool swallows_resends;             /* Data of a second attempt is lost */
    bool forgets_runs;                 /* what was run is not remembered */
    void (*run)(struct io_work *work); /* of the daemon's compute jobs */
    struct io_events events;           /* the program's own */
    struct list held;                  /* frames that come later */
    struct fleet_ran ran[FLEET_RAN];   /* a ring, in this life */
    size_t n_ran;
};

struct fleet_node {
    struct fleet_process process; /* first */
    int port;
    struct daemon *daemon; /* NULL: it is not running */
    uint64_t memory;       /* for shards */
};

struct fleet {
    struct sim *sim;
    struct tmp tmp; /* the working folder meanwhile: then no path that is said
                     * in a message differs from run to run */
    int home;       /* the folder before */
    bool verbose;
    struct board board;
    /* How long a run of a shard takes on a node; NULL: as it comes. */
    uint64_t (*run_us)(struct fleet_process *process, uint32_t epoch,
                       uint32_t shard);
    struct fleet_node nodes[FLEET_NODES];
    size_t n_nodes;
    struct fleet_process head; /* the coordinator */
    struct coordinator *coordinator;
    unsigned twice_percent; /* of Data, Ack and Nack: they come twice */
    unsigned late_percent;  /* and so many later than what follows them */
    size_t n_twice;
    size_t n_late;
    struct fleet_ran rerun; /* the first that one process ran twice */
    char rerun_by[24];      /* "": none was */
};

/* Starts the coordinator and `n_nodes` daemons: n0, n1 ... */
void fleet_init(struct fleet *fleet, uint64_t seed, size_t n_nodes,
                bool verbose);
void fleet_deinit(struct fleet *fleet);

/* Not inside a callback of the simulation. Starting goes on in the state
 * folder that is there. Killing one that does not run is fine. */
void fleet_start_node(struct fleet *fleet, size_t i);
void fleet_kill_node(struct fleet *fleet, size_t i);
void fleet_stop_node(struct fleet *fleet, size_t i); /* as by SIGTERM */
void fleet_start_head(struct fleet *fleet);
void fleet_kill_head(struct fleet *fleet);
void fleet_pause(struct fleet_process *process, bool paused);

/* What a crash or a bad disk left in a node's state folder, drawn by `which`:
 * a blob with a flipped byte, cut short or gone, an epoch's file likewise,
 * or something staged. What it did is in `text`; false: there is no file. */
bool fleet_damage(struct fleet *fleet, size_t i, uint64_t which, char *text,
                  size_t size);

/* As the sim's, printing what the processes log if it is verbose. */
void fleet_run_for(struct fleet *fleet, uint64_t ms);
bool fleet_run_until(struct fleet *fleet, bool (*condition)(void *arg),
                     void *arg, uint64_t limit_ms);

/* Nothing is in flight, held, pushed or waited for, and every node holds
 * epochs of deployments in force alone; otherwise says what is left. */
bool fleet_is_at_rest(struct fleet *fleet, char *text, size_t size);
/* Every member is up, and every deployment in force is ready in full; else
 * says what is not. */
bool fleet_is_ready(struct fleet *fleet, char *text, size_t size);
/* Every queue, window and list is within its bound; else says which is not. */
bool fleet_is_bounded(const struct fleet *fleet, char *text, size_t size);
/* What is held, and by whom. */
void fleet_print(const struct fleet *fleet);
/* Bytes that this life of the coordinator pushed for what it has now. */
uint64_t fleet_pushed(const struct fleet *fleet);

#endif
