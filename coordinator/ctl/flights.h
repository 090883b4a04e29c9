/*
 * Requests under way over one connection: several are sent before the first
 * is answered. A request lands when its Answer is here; answers come in any
 * order.
 */
#ifndef EDGE_CTL_FLIGHTS_H
#define EDGE_CTL_FLIGHTS_H

#include "coordinator/ctl/deployed.h"

struct flights;

struct landed { /* a request that was answered */
    void *user;
    int rc; /* of the request; `err` has its sentence */
    struct err err;
    struct tensor *outputs; /* n_outputs of the model; NULL if it failed */
    size_t n_outputs;
    const Edged__Answer *answer; /* hops, latency; NULL if there was none */
    uint64_t took_us;            /* from here, sending included */
    struct msg msg;
};

/* Room for `most` at once, fewer where their answers would be more than the
 * coordinator keeps for a client that does not read. `client` and `deployed`
 * are borrowed. EDGE_ENOMEM. */
int flights_new(struct client *client, const struct deployed *deployed,
                size_t most, struct flights **flights, struct err *err);
void flights_free(struct flights *flights); /* NULL is fine */

/* From here on a lost connection is made anew, within so long, and what is
 * under way is asked again: the coordinator may be restarting. */
void flights_be_patient(struct flights *flights, int patience_ms);
bool flights_has_room(const struct flights *flights);
size_t flights_count(const struct flights *flights); /* under way */
/* True if the coordinator has said something: a step will not wait long. */
bool flights_is_ready(const struct flights *flights);
/* Answers to requests that were answered before. */
size_t flights_strays(const struct flights *flights);

/* Sends a request, inputs[i] being input i; one without a type is a view that
 * is not there; there is room. The tensors are
 * not needed afterwards. `deadline_ms` 0: as cluster.yaml says. Fails only
 * with the connection, or if an input is too large for it. */
int flights_send(struct flights *flights, const struct tensor *inputs,
                 uint32_t deadline_ms, void *user, struct err *err);
/* Takes one message. 1: a request has landed, for landed_deinit(). 0: not yet.
 * Otherwise the connection is of no more use. */
int flights_step(struct flights *flights, int timeout_ms, struct landed *landed,
                 struct err *err);
/* With nothing under way: takes what the coordinator has sent so far, so that
 * flights_strays() is complete. */
int flights_settle(struct flights *flights, int timeout_ms, struct err *err);
void landed_deinit(struct landed *landed);

#endif
