/*
 * A world in which ios live: the same tests run in the real one (loops and
 * sockets, io_world_uv.c) and in the simulated one (io_world_sim.c).
 */
#ifndef EDGE_TESTS_IO_WORLD_H
#define EDGE_TESTS_IO_WORLD_H

#include "net/io.h"

struct io_world;

struct io_world_ops {
    /* An io that listens on 127.0.0.1:*port; 0: any, *port says which. */
    struct io *(*start)(struct io_world *world,
                        const struct io_identity *identity, int *port);
    /* Ends politely, or as by SIGKILL. The io is freed. */
    void (*stop)(struct io_world *world, struct io *io);
    void (*kill)(struct io_world *world, struct io *io);
    /* Stands still as by SIGSTOP, or goes on. */
    void (*pause)(struct io_world *world, struct io *io, bool paused);
    /* Runs all ios until `done`; false: it was not within `limit_ms`. */
    bool (*run)(struct io_world *world, bool (*done)(void *arg), void *arg,
                unsigned limit_ms);
    void (*free)(struct io_world *world);
};

struct io_world {
    const struct io_world_ops *ops;
    unsigned slack; /* so many times longer may what is timed take */
};

struct io_world *io_world_uv(void); /* plain text */
struct io_world *io_world_tls(void);
struct io_world *io_world_sim(void);

#endif
