/*
 * The simplest program on a simulated io: it sends a beat to all its peers
 * every 100 ms, and counts what it is told.
 */
#ifndef EDGE_TESTS_BEATER_H
#define EDGE_TESTS_BEATER_H

#include "tests/lib/io_sim.h"

#define BEATER_PEERS 4

struct beater {
    struct sim *sim;
    struct io_identity id;
    int port;
    struct io *io;
    struct io_peer *peers[BEATER_PEERS];
    struct io_timer timer;
    int ups;
    int downs;
    int beats;
    int payloads;
    int rc;
    char why[64];
    struct io_work work;
    int ran;
    int finished;
};

/* A node of cluster "home" at 10.0.0.1:`port`. */
void beater_start(struct beater *p, struct sim *sim, const char *name,
                  int port);
void beater_dial(struct beater *from, struct beater *to);

#endif
