/*
 * The parent of a local cluster: starts N daemons and a coordinator, starts
 * again what dies (within a second; what dies again at once, a little later
 * each time, but never gives up), ends all on SIGTERM. A daemon that was
 * killed on purpose (edgectl fault kill) is started again like any other; it
 * holds itself back (daemon/process.h). One process, one
 * poll loop of waits; its folder holds up.pid, logs and states.
 */
#ifndef EDGE_CTL_SUPERVISOR_H
#define EDGE_CTL_SUPERVISOR_H

#include "base/err.h"

#include <stdbool.h>

struct supervisor_config {
    const char *name;  /* of the cluster */
    const char *state; /* folder, made if need be */
    const char *run;   /* folder of api.sock and up.pid, likewise */
    int n_daemons;
    bool insecure;     /* plain text instead of certificates */
    long memory_mib;   /* of each daemon; 0: what the board has */
    bool allow_faults; /* of the coordinator */
    bool allow_exec;   /* of each daemon */
};

/* Runs until SIGTERM or SIGINT. `ready_fd` (-1: none) gets one byte when all
 * daemons and the coordinator listen, and is closed. */
int supervisor_run(const struct supervisor_config *config, int ready_fd,
                   struct err *err);

/* The pid of a running supervisor, 0: none. A stale file does not count. */
int supervisor_pid(const char *run_folder);

/* Makes a folder and those above it, 0700. */
int supervisor_make_folder(const char *path, struct err *err);

#endif
