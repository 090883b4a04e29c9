/*
 * What a daemon is told: the command line before edged.yaml before the
 * environment of a service manager before the defaults.
 */
#ifndef EDGED_ARGS_H
#define EDGED_ARGS_H

#include "base/log.h"
#include "config/node.h"
#include "daemon/enrol.h"

#include <argp.h>
#include <stdbool.h>

#ifndef EDGE_VERSION
#define EDGE_VERSION "0.1.0"
#endif

struct args {
    const char *name;
    const char *host;      /* to listen on */
    const char *advertise; /* where others reach it; "": where it dials from */
    const char *folder;
    const char *run; /* folder of join.sock; NULL: the state folder */
    const char *cluster;
    const char *trace;
    long port;
    unsigned long long memory;
    unsigned threads;
    enum log_level log;
    bool insecure;
    bool allow_exec;
    const char *pace; /* a table of times; NULL: none */
    /* What the command line said of these; else NULL or -1. */
    const char *config;
    const char *set_folder;
    long set_port;
    char hostname[65];
    struct node_config *file; /* owned */
};

/* Reads all of it, or exits with a usage message (2) or the errors of
 * edged.yaml (3). `join`: the arguments of `edged join`; returns what is left
 * of them, or NULL. */
const char *args_read(struct args *args, bool join, int argc, char **argv);
/* Who asks to become a member; it points into `args`. */
struct enrol_config args_enrolment(const struct args *args);
void args_free(struct args *args);

#endif
