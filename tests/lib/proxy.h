/*
 * A TCP proxy that harms what goes through it (RELIABILITY.md R15): the lab
 * without root. It lives on a loop of the test's choice, in one process with
 * both ends; it listens on loopback and dials another port there.
 */
#ifndef EDGE_TESTS_PROXY_H
#define EDGE_TESTS_PROXY_H

#include <stdbool.h>
#include <stdint.h>

#include <uv.h>

/* What happens to the bytes of one direction. Places are counted from 1 over
 * all connections, and each is hit once; 0: never. */
struct proxy_way {
    uint64_t delay_ms;
    bool stalled;       /* nothing is taken from the sender */
    uint64_t flip_at;   /* one bit of this byte changes */
    uint64_t drop_at;   /* this byte is lost */
    uint64_t twice_at;  /* this byte comes twice */
    uint64_t cut_after; /* both ends see RST behind this byte */
    uint64_t passed;    /* bytes so far */
};

enum proxy_direction { PROXY_FORTH, PROXY_BACK };

struct proxy;

/* To 127.0.0.1:`target`; *port is where it listens. Fails the test if it
 * cannot. */
struct proxy *proxy_new(uv_loop_t *loop, int target, int *port);
/* Frees it and its connections; turns the loop until they are closed. */
void proxy_free(struct proxy *proxy);

/* May be changed at any time. */
struct proxy_way *proxy_way(struct proxy *proxy,
                            enum proxy_direction direction);
/* After a change of `stalled`. */
void proxy_stall(struct proxy *proxy, enum proxy_direction direction,
                 bool stalled);
/* Ends every connection with RST at both ends. */
void proxy_reset(struct proxy *proxy);
/* Connections made so far. */
int proxy_connections(const struct proxy *proxy);

#endif
