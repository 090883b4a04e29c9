/*
 * Requests on their way out, and once more when the coordinator was lost:
 * inference has no effect but its answer, so asking again is safe.
 */
#include "coordinator/ctl/flights_inner.h"

#include "base/mem.h"
#include "wire/convert.h"

#include <time.h>

#define AGAIN_MOST 5 /* a request may be what ends the coordinator */

static uint64_t now_us(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static int send_input(struct flights *flights, const struct flight *flight,
                      size_t port, const struct tensor *t, struct err *err)
{
    Edged__Envelope env = EDGED__ENVELOPE__INIT;
    Edged__Data data = EDGED__DATA__INIT;
    Edged__TensorMeta meta;
    int64_t dims[LIMIT_RANK];

    convert_meta_out(t->dtype, &t->shape, &meta, dims);
    data.request = flight->number;
    data.absent = flight->absent;
    data.port = (uint32_t)port;
    data.left_ms = flight->deadline_ms;
    data.tensor = &meta;
    data.deployment = (char *)(uintptr_t)flights->deployed->name;
    env.body_case = EDGED__ENVELOPE__BODY_DATA;
    env.data = &data;
    return client_send(flights->client, &env, t->data, tensor_bytes(t), err);
}

static int send_inputs(struct flights *flights, const struct flight *flight,
                       const struct tensor *inputs, struct err *err)
{
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < flights->deployed->n_inputs; i++) {
        if (inputs[i].dtype == DTYPE_NONE) {
            continue;
        }
        rc = send_input(flights, flight, i, &inputs[i], err);
    }
    return rc;
}

static int check_sizes(const struct deployed *d, const struct tensor *inputs,
                       struct err *err)
{
    for (size_t i = 0; i < d->n_inputs; i++) {
        if (inputs[i].dtype != DTYPE_NONE &&
            tensor_bytes(&inputs[i]) > LIMIT_PAYLOAD) {
            return err_set(err, EDGE_ETOOBIG,
                           "input \"%s\" has %zu MiB; %zu MiB are allowed",
                           d->inputs[i].name, tensor_bytes(&inputs[i]) >> 20,
                           LIMIT_PAYLOAD >> 20);
        }
    }
    return 0;
}

static int keep_inputs(const struct flights *flights, struct flight *flight,
                       const struct tensor *inputs)
{
    size_t n = flights->deployed->n_inputs;

    if (flights->patience_ms == 0) {
        return 0;
    }
    flight->inputs = mem_array(struct tensor, n);
    for (size_t i = 0; flight->inputs != NULL && i < n; i++) {
        if (inputs[i].dtype != DTYPE_NONE) {
            flight->inputs[i] = tensor_ref(&inputs[i]);
        }
    }
    return flight->inputs == NULL ? EDGE_ENOMEM : 0;
}

int flights_send(struct flights *flights, const struct tensor *inputs,
                 uint32_t deadline_ms, void *user, struct err *err)
{
    struct flight *flight = flight_of(flights, 0);
    int rc = check_sizes(flights->deployed, inputs, err);

    if (rc < 0) {
        return rc;
    }
    if (keep_inputs(flights, flight, inputs) < 0) {
        return err_set(err, EDGE_ENOMEM, "out of memory");
    }
    flight->number = flights->next++;
    flight->sent_us = now_us();
    flight->user = user;
    flight->deadline_ms = deadline_ms;
    for (size_t i = 0; i < flights->deployed->n_inputs; i++) {
        flight->absent |= (uint32_t)(inputs[i].dtype == DTYPE_NONE) << i;
    }
    flights->n_used++;
    rc = send_inputs(flights, flight, inputs, err);
    if (rc == EDGE_ECLOSED && flights->patience_ms > 0) {
        rc = flights_again(flights, err);
    }
    if (rc < 0) {
        flight_free(flights, flight);
    }
    return rc;
}

static int send_all(struct flights *flights, struct err *err)
{
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < flights->n_places; i++) {
        struct flight *flight = &flights->places[i];

        if (flight->number == 0) {
            continue;
        }
        flight_drop_tensors(flight->outputs, flights->deployed->n_outputs);
        flight->outputs = NULL;
        flight->n_have = 0;
        rc = send_inputs(flights, flight, flight->inputs, err);
    }
    return rc;
}

int flights_again(struct flights *flights, struct err *err)
{
    int rc = EDGE_ECLOSED;

    while (rc == EDGE_ECLOSED && flights->n_again < AGAIN_MOST) {
        flights->n_again++;
        rc = client_again(flights->client, flights->patience_ms, err);
        if (rc == 0) {
            rc = send_all(flights, err);
        }
    }
    return rc;
}
