/* Between flights.c and flights_send.c only. */
#ifndef EDGE_CTL_FLIGHTS_INNER_H
#define EDGE_CTL_FLIGHTS_INNER_H

#include "coordinator/ctl/flights.h"

struct flight {
    uint64_t number; /* 0: a free place */
    uint64_t sent_us;
    void *user;
    struct tensor *inputs; /* to send again; NULL: that is not wanted */
    uint32_t deadline_ms;
    uint32_t absent; /* views that are not there */
    struct tensor *outputs;
    size_t n_have;
};

struct flights {
    struct client *client;
    const struct deployed *deployed;
    struct flight *places;
    size_t n_places;
    size_t n_used;
    uint64_t next;
    size_t strays;
    int patience_ms;
    int n_again; /* connections that were lost */
};

/* The flight of that number, or NULL; of 0: a free place. */
struct flight *flight_of(struct flights *flights, uint64_t number);
void flight_drop_tensors(struct tensor *tensors, size_t n);
void flight_free(struct flights *flights, struct flight *flight);
/* The connection was lost: connects anew and sends what is under way again. */
int flights_again(struct flights *flights, struct err *err);

#endif
