#include "coordinator/ctl/flights_inner.h"

#include "base/mem.h"
#include "wire/convert.h"

#include <assert.h>
#include <poll.h>
#include <time.h>

static uint64_t now_us(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

/* ---- life --------------------------------------------------------------- */

static size_t bytes_of(const struct named_port *ports, size_t n)
{
    size_t bytes = 0;

    for (size_t i = 0; i < n; i++) {
        size_t of_one = 0;

        (void)shape_bytes(&ports[i].shape, ports[i].dtype, &of_one);
        bytes += of_one;
    }
    return bytes;
}

/* Half of what the coordinator queues for a client, and no more than it holds
 * for one: then it never has reason to take this one for a client that does
 * not read. */
static size_t bound(const struct deployed *d, size_t most)
{
    size_t outputs = bytes_of(d->outputs, d->n_outputs);
    size_t bytes = outputs + bytes_of(d->inputs, d->n_inputs);
    size_t n = bytes > 0 ? LIMIT_CLIENT_BYTES / bytes : most;

    if (outputs > 0 && n > LIMIT_WRITE_QUEUE / 2 / outputs) {
        n = LIMIT_WRITE_QUEUE / 2 / outputs;
    }
    return n == 0 ? 1 : n < most ? n : most;
}

int flights_new(struct client *client, const struct deployed *deployed,
                size_t most, struct flights **out, struct err *err)
{
    struct flights *flights = mem_new(struct flights);

    if (flights == NULL) {
        return err_set(err, EDGE_ENOMEM, "out of memory");
    }
    flights->client = client;
    flights->deployed = deployed;
    flights->next = 1;
    flights->n_places = bound(deployed, most);
    flights->places = mem_array(struct flight, flights->n_places);
    if (flights->places == NULL) {
        mem_free(flights);
        return err_set(err, EDGE_ENOMEM, "out of memory");
    }
    *out = flights;
    return 0;
}

void flight_drop_tensors(struct tensor *tensors, size_t n)
{
    for (size_t i = 0; tensors != NULL && i < n; i++) {
        tensor_deinit(&tensors[i]);
    }
    mem_free(tensors);
}

void flight_free(struct flights *flights, struct flight *flight)
{
    if (flight->number != 0) {
        flight_drop_tensors(flight->inputs, flights->deployed->n_inputs);
        flight_drop_tensors(flight->outputs, flights->deployed->n_outputs);
        *flight = (struct flight){0};
        flights->n_used--;
    }
}

void flights_free(struct flights *flights)
{
    if (flights == NULL) {
        return;
    }
    for (size_t i = 0; i < flights->n_places; i++) {
        flight_free(flights, &flights->places[i]);
    }
    mem_free(flights->places);
    mem_free(flights);
}

bool flights_has_room(const struct flights *flights)
{
    return flights->n_used < flights->n_places;
}

size_t flights_count(const struct flights *flights)
{
    return flights->n_used;
}

size_t flights_strays(const struct flights *flights)
{
    return flights->strays;
}

bool flights_is_ready(const struct flights *flights)
{
    struct pollfd p = {.fd = client_fd(flights->client), .events = POLLIN};

    return poll(&p, 1, 0) > 0;
}

struct flight *flight_of(struct flights *flights, uint64_t number)
{
    for (size_t i = 0; i < flights->n_places; i++) {
        if (flights->places[i].number == number) {
            return &flights->places[i];
        }
    }
    return NULL;
}

/* ---- in ----------------------------------------------------------------- */

static int take_output(struct flights *flights, const struct msg *msg,
                       struct err *err)
{
    const Edged__Data *data = msg->env->data;
    struct flight *flight = flight_of(flights, data->request);
    size_t n = flights->deployed->n_outputs;
    struct blob *payload = msg->payload;
    struct blob *empty = NULL;
    int rc;

    if (data->request == 0 || flight == NULL) {
        return 0; /* its Answer follows and is counted */
    }
    if (data->port >= n) {
        return err_set(err, EDGE_EPROTO, "output %u of %zu", data->port, n);
    }
    if (flight->outputs == NULL) {
        flight->outputs = mem_array(struct tensor, n);
    }
    if (payload == NULL) { /* an output without elements */
        payload = empty = blob_new(0);
    }
    if (flight->outputs == NULL || payload == NULL) {
        return err_set(err, EDGE_ENOMEM, "out of memory");
    }
    if (flight->outputs[data->port].blob != NULL) {
        rc = err_set(err, EDGE_EPROTO, "output %u came twice", data->port);
    } else {
        rc = convert_meta_in(data->tensor, payload,
                             &flight->outputs[data->port], err);
        flight->n_have += rc == 0;
    }
    blob_unref(empty);
    return rc;
}

/* Takes over the message. */
static int land(struct flights *flights, struct flight *flight, struct msg *msg,
                struct landed *landed)
{
    const Edged__Answer *answer = msg->env->answer;
    size_t n = flights->deployed->n_outputs;

    *landed = (struct landed){.user = flight->user,
                              .rc = answer->code < 0 ? answer->code : 0,
                              .answer = answer,
                              .n_outputs = n,
                              .took_us = now_us() - flight->sent_us,
                              .msg = *msg};
    if (landed->rc < 0) {
        (void)err_set(&landed->err, landed->rc, "%s", answer->text);
    } else if (flight->n_have < n) {
        landed->rc = err_set(&landed->err, EDGE_EPROTO,
                             "%zu of %zu outputs came with the answer",
                             flight->n_have, n);
    }
    if (landed->rc == 0) {
        landed->outputs = flight->outputs;
        flight->outputs = NULL;
    }
    flight_free(flights, flight);
    return 1;
}

static int take(struct flights *flights, struct msg *msg, struct landed *landed,
                struct err *err)
{
    const Edged__Envelope *env = msg->env;
    struct flight *flight;

    switch (env->body_case) {
    case EDGED__ENVELOPE__BODY_DATA: return take_output(flights, msg, err);
    case EDGED__ENVELOPE__BODY_ANSWER:
        flight = env->answer->request != 0
                     ? flight_of(flights, env->answer->request)
                     : NULL;
        if (flight != NULL && env->answer->code == EDGE_ECLOSED &&
            flights->patience_ms > 0) {
            return 0; /* it leaves: asked again when it has gone */
        }
        if (flight != NULL) {
            return land(flights, flight, msg, landed);
        }
        flights->strays++;
        return 0;
    default: return client_no_answer(env, err);
    }
}

int flights_step(struct flights *flights, int timeout_ms, struct landed *landed,
                 struct err *err)
{
    struct msg msg;
    int rc = client_receive(flights->client, timeout_ms, &msg, err);

    if (rc == 0) {
        rc = take(flights, &msg, landed, err);
        if (rc != 1) {
            msg_deinit(&msg);
        }
    }
    return rc == EDGE_ECLOSED && flights->patience_ms > 0
               ? flights_again(flights, err)
               : rc;
}

void flights_be_patient(struct flights *flights, int patience_ms)
{
    flights->patience_ms = patience_ms;
}

/* 1: it was the reply that is waited for. */
static int settle_one(struct flights *flights, int timeout_ms, struct err *err)
{
    struct landed landed;
    struct msg msg;
    int rc = client_receive(flights->client, timeout_ms, &msg, err);

    if (rc < 0) {
        return rc;
    }
    if (msg.env->body_case == EDGED__ENVELOPE__BODY_MODEL_REPLY) {
        rc = 1;
    } else { /* nothing is under way, so nothing lands */
        rc = take(flights, &msg, &landed, err);
    }
    msg_deinit(&msg);
    return rc;
}

/* Asks one more question: what comes before its reply was sent before. */
int flights_settle(struct flights *flights, int timeout_ms, struct err *err)
{
    Edged__Envelope env = EDGED__ENVELOPE__INIT;
    Edged__ModelRequest request = EDGED__MODEL_REQUEST__INIT;
    int rc;

    assert(flights->n_used == 0);
    request.deployment = (char *)(uintptr_t)flights->deployed->name;
    env.body_case = EDGED__ENVELOPE__BODY_MODEL_REQUEST;
    env.model_request = &request;
    rc = client_send(flights->client, &env, NULL, 0, err);
    while (rc == 0) {
        rc = settle_one(flights, timeout_ms, err);
    }
    return rc < 0 ? rc : 0;
}

void landed_deinit(struct landed *landed)
{
    flight_drop_tensors(landed->outputs, landed->n_outputs);
    if (landed->msg.env != NULL) {
        msg_deinit(&landed->msg);
    }
    *landed = (struct landed){.rc = 0};
}
