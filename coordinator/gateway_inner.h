/* Between gateway*.c only: a request under way. */
#ifndef EDGE_COORDINATOR_GATEWAY_INNER_H
#define EDGE_COORDINATOR_GATEWAY_INNER_H

#include "coordinator/input_code.h"
#include "coordinator/parts.h"

struct entry { /* inputs of the model that one shard takes */
    struct request *request;
    struct relay_part *parts;
    struct hold hold;
};

struct request {
    struct list link;
    struct coordinator *c;
    struct placement *placement;
    uint64_t id;
    uint64_t admitted_us;
    uint64_t deadline_us;
    struct tensor *inputs;
    size_t n_inputs;
    struct tensor *outputs;
    size_t n_outputs;
    size_t n_have;
    struct entry *entries;
    size_t n_entries;
    struct input_code *code; /* what the entries send; NULL: inputs as such */
    struct relay_hop *hops;
    size_t n_hops;
    struct relay_views views;   /* who is not there, as far as is known */
    uint32_t without;           /* of these, what the client has not */
    const Edged__Exit *left_at; /* where its answer came from; NULL: the last */
    uint32_t resent;            /* by holds that are gone */
    bool is_alone;              /* no other was under way with it */
    bool stays;     /* it is about this placement: the golden input */
    uint64_t at_us; /* it has no inputs: boards take what they saw then */
    gateway_cb cb;
    void *arg;
};

/* gateway.c: the single exit. */
void request_finish(struct request *r, int rc, const char *text);

/* gateway_views.c: who of several views is there. Looks anew; EDGE_EUNAVAILABLE
 * if nobody is. */
int views_look(struct request *r, const struct placement *p);
/* Nothing is sent for this input of the model. */
bool views_is_absent(const struct request *r, uint32_t input);
/* An answer has come: what it says of them. */
void views_take(struct request *r, const struct relay_data *data);
void views_count(struct counts *counts, const struct answer *answer);

#endif
