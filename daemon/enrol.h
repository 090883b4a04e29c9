/*
 * From a token to a certificate: makes a key, asks the token's coordinator
 * over TLS (whose authority must have the token's fingerprint), stores what it
 * gets. Blocks, with a loop of its own, at most ENROL_MS for each address: for
 * a program of its own or a job on the disk strand.
 */
#ifndef EDGED_ENROL_H
#define EDGED_ENROL_H

#include "base/err.h"

struct enrol_config {
    const char *name;    /* of this node */
    const char *folder;  /* its state */
    const char *cluster; /* "" or the only cluster it may join */
    const char *version;
    const char *host; /* where nodes reach it; "": where it dials from */
    int port;
};

int enrol(const struct enrol_config *config, const char *token_line,
          struct err *err);

#endif
