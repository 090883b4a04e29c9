/*
 * The load of a run of chaos: `bench` in a process of its own, with a folder
 * for what it leaves. Ctrl-C does not reach it; its maker stops it.
 */
#ifndef EDGE_CTL_CHAOS_LOAD_H
#define EDGE_CTL_CHAOS_LOAD_H

#include "coordinator/ctl/chaos_score.h"

#include <sys/types.h>

struct chaos_load {
    const char *clients;
    const char *rate;  /* NULL: as fast as answers come */
    const char *check; /* the model's file; NULL: the first answer is right */
    const char *inputs[LIMIT_PORTS]; /* NAME=FILE; none: seeded ones */
    size_t n_inputs;
    const char *record; /* kept there; NULL: in the folder, and removed */
    char folder[40];    /* "": not made yet */
    pid_t pid;          /* 0: none runs */
};

/* The cluster and the deployment are those of `ctl`. */
int chaos_load_start(struct chaos_load *load, const struct ctl *ctl,
                     struct err *err);
/* EDGE_EUNAVAILABLE if it has ended by itself; what it said is on stderr. */
int chaos_load_check(struct chaos_load *load, struct err *err);
/* Its last answers are waited for. */
void chaos_load_stop(struct chaos_load *load);
/* What it recorded and counted, once it was stopped. */
int chaos_load_read(const struct chaos_load *load, struct score *score,
                    struct err *err);
/* What it said on its stderr, on ours. */
void chaos_load_errors(const struct chaos_load *load);
void chaos_load_deinit(struct chaos_load *load); /* removes its folder */

#endif
