/*
 * `edged join`: reads a token (never from the command line, which others see)
 * and hands it to the daemon that runs here, over its socket; where none runs
 * and a state folder was given, joins itself and leaves the certificate there.
 */
#ifndef EDGED_JOIN_H
#define EDGED_JOIN_H

#include "daemon/args.h"

/* Returns the program's exit status. */
int join_run(const struct args *args, const char *file);
/* The daemon's end of it: "RUN/join.sock", for mem_free(); NULL: no memory. */
char *join_socket(const char *run);

#endif
