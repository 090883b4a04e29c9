/*
 * edged: hosts shards, runs them, streams what they make to the next node.
 *
 * A daemon lives on an io (real or simulated) and owns everything it makes
 * there. All of it belongs to the loop thread; jobs on the strands get their
 * inputs and outputs and nothing else.
 */
#ifndef EDGED_DAEMON_H
#define EDGED_DAEMON_H

#include "base/err.h"
#include "net/io.h"

struct daemon;
struct board;
struct paced;

/* What a fault on purpose does to the process; of the main program. */
struct daemon_process {
    /* Ends it as by SIGKILL; it stays away for `ms` when it is started again.
     * Does not return. */
    void (*kill)(void *arg, uint32_t ms);
    /* As SIGSTOP and, after `ms`, SIGCONT; then it returns. */
    void (*pause)(void *arg, uint32_t ms);
    void *arg;
};

/* What the program does with certificates; the simulation has none. */
struct daemon_tls {
    void *arg;
    /* Those in the state folder are new, or others are refused: speak TLS with
     * them, and listen if that is not done yet. */
    int (*apply)(void *arg, struct err *err);
    /* Uses a token to put certificates there; blocks, on the disk strand. */
    int (*enrol)(void *arg, const char *token, struct err *err);
};

struct daemon_config {
    const char *name;       /* as in the io's identity */
    const char *folder;     /* state: blobs/ and epochs/ beneath it */
    uint64_t memory_budget; /* bytes for shards; 0: what the board has free */
    size_t threads;         /* that share a training's work; 0: one */
    int store_flags;        /* enum store_flags; also for other files */
    const struct daemon_process *process; /* borrowed; NULL: not to be had */
    /* After daemon_leave(), or when the coordinator asks: all is done, the
     * process may end. NULL: it cannot leave. */
    void (*left)(void *arg);
    void *left_arg;
    const struct daemon_tls *tls; /* borrowed; NULL: none */
    const struct board *board;    /* tests: what the board is like; borrowed */
    const struct paced *pace;     /* of another board; borrowed; NULL: none */
    bool allow_exec;              /* a deployment may name commands to run */
};

/* Opens the state folder and takes over the io's events. */
int daemon_new(struct io *io, const struct daemon_config *config,
               struct daemon **daemon, struct err *err);
/* Starts beats and brings up the epochs that the folder keeps. */
void daemon_start(struct daemon *daemon);
/* Takes no more work, finishes what it has within DRAIN_MS, then calls left().
 * Once more: at once. */
void daemon_leave(struct daemon *daemon);
/* Stops sending and lets go of peers and timers; jobs on the strands may
 * still be running, so daemon_free() comes after the io has stopped. */
void daemon_close(struct daemon *daemon);
void daemon_free(struct daemon *daemon);

/* False while a job of the compute strand takes longer than STALL_MS. */
bool daemon_is_well(struct daemon *daemon);
/* "2 shards, 214 MiB, 12.4 runs/s" (since the last call): for a service
 * manager. */
void daemon_summary(struct daemon *daemon, char *out, size_t size);

#endif
