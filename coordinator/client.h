/* Between client.c, reply.c and ticks.c only. */
#ifndef EDGE_COORDINATOR_CLIENT_H
#define EDGE_COORDINATOR_CLIENT_H

#include "coordinator/parts.h"

#define CLIENT_REQUESTS LIMIT_GATEWAY_WINDOW /* under way, of one client */
#define CLIENT_REFUSED 64                    /* numbers that are remembered */

struct ticks;

struct client {
    struct list link;
    struct coordinator *c;
    struct io_peer *peer;
    struct list asks;
    size_t n_asks;
    struct list replies; /* answers that its connection has not taken yet */
    size_t n_replies;
    size_t bytes; /* inputs of asks, outputs of replies */
    struct io_timer retry;
    /* Numbers of refused requests, a ring: what else comes of them, such as
     * their other inputs, is dropped, so that each is answered once. */
    uint64_t refused[CLIENT_REFUSED];
    size_t n_refused;
    uint32_t retry_ms;   /* of the last one refused for want of room */
    struct ticks *ticks; /* it watches; NULL: it does not */
};

void reply_init(struct client *client);
void reply_deinit(struct client *client);
/* Copies what it needs of the answer. */
void reply_send(struct client *client, uint64_t number,
                const struct answer *answer);

/* Of a request that has `left_ms`, or 0: as the deployment has it. */
uint32_t client_deadline_ms(uint32_t left_ms, const struct deployment *d);

/* ticks.c: the client watches no more; fine if it did not. */
void ticks_stop(struct client *client);

#endif
