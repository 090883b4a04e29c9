/*
 * Requests of clients: inputs are gathered, checked against the model, and
 * given to the gateway; its answer goes back as Data per output and Answer.
 */
#include "coordinator/client.h"

#include "base/failpoint.h"
#include "base/mem.h"
#include "wire/convert.h"

#include <stdio.h>
#include <string.h>

struct ask { /* one request of a client */
    struct list link;
    struct client *client;
    uint64_t number;                 /* the client's own */
    char deployment[LIMIT_NAME + 1]; /* by name: it may go meanwhile */
    uint32_t left_ms;
    struct tensor *inputs;
    size_t n_inputs;
    uint32_t absent;         /* views that the client has not */
    struct request *request; /* once all inputs are here */
};

static void ask_free(struct ask *ask)
{
    for (size_t i = 0; i < ask->n_inputs; i++) {
        if (ask->inputs[i].dtype != DTYPE_NONE) {
            ask->client->bytes -= tensor_bytes(&ask->inputs[i]);
        }
        tensor_deinit(&ask->inputs[i]);
    }
    mem_free(ask->inputs);
    list_unlink(&ask->link);
    ask->client->n_asks--;
    mem_free(ask);
}

void client_up(struct coordinator *c, struct io_peer *peer)
{
    struct client *client = mem_new(struct client);

    if (client == NULL) {
        io_hang_up(peer, EDGE_ENOMEM, "out of memory");
        return;
    }
    client->c = c;
    client->peer = peer;
    list_init(&client->asks);
    reply_init(client);
    list_push(&c->clients, &client->link);
    peer->user = client;
}

static void client_free(struct client *client)
{
    list_each(&client->asks, it, after)
    {
        struct ask *ask = list_entry(it, struct ask, link);

        if (ask->request != NULL) {
            gateway_cancel(ask->request);
        }
        ask_free(ask);
    }
    ticks_stop(client);
    reply_deinit(client);
    list_unlink(&client->link);
    mem_free(client);
}

void client_down(struct coordinator *c, struct io_peer *peer)
{
    (void)c;
    if (peer->user != NULL) {
        client_free(peer->user);
        peer->user = NULL;
    }
}

void client_free_all(struct coordinator *c)
{
    list_each(&c->clients, it, after)
    {
        client_free(list_entry(it, struct client, link));
    }
}

/* ---- answers ------------------------------------------------------------- */

static bool was_refused(const struct client *client, uint64_t number)
{
    size_t n =
        client->n_refused < CLIENT_REFUSED ? client->n_refused : CLIENT_REFUSED;

    for (size_t i = 0; i < n; i++) {
        if (client->refused[i] == number) {
            return true;
        }
    }
    return false;
}

static void refuse(struct client *client, uint64_t number, int rc,
                   const char *text)
{
    struct answer answer = {
        .rc = rc,
        .text = text,
        .retry_ms = rc == EDGE_EBUSY ? client->retry_ms : 0,
    };

    client->refused[client->n_refused++ % CLIENT_REFUSED] = number;
    reply_send(client, number, &answer);
}

static void on_answer(void *arg, const struct answer *answer)
{
    struct ask *ask = arg;
    struct client *client = ask->client;
    uint64_t number = ask->number;

    ask_free(ask);
    reply_send(client, number, answer);
}

/* ---- inputs
 * -------------------------------------------------------------------- */

static struct ask *find(struct client *client, uint64_t number)
{
    list_each(&client->asks, it, after)
    {
        struct ask *ask = list_entry(it, struct ask, link);

        if (ask->number == number) {
            return ask;
        }
    }
    return NULL;
}

static struct ask *ask_new(struct client *client, struct deployment *d,
                           const Edged__Data *data)
{
    struct ask *ask = mem_new(struct ask);

    if (ask == NULL) {
        return NULL;
    }
    ask->client = client;
    ask->number = data->request;
    (void)snprintf(ask->deployment, sizeof(ask->deployment), "%s", d->name);
    ask->left_ms = data->left_ms;
    ask->absent = data->absent;
    ask->n_inputs = d->current->spec->n_inputs;
    ask->inputs = mem_array(struct tensor, ask->n_inputs);
    list_push(&client->asks, &ask->link);
    client->n_asks++;
    if (ask->inputs == NULL) {
        ask->n_inputs = 0;
        ask_free(ask);
        return NULL;
    }
    return ask;
}

static int check(const Edged__Port *port, const struct tensor *t,
                 struct err *err)
{
    char want_text[SHAPE_TEXT];
    char got_text[SHAPE_TEXT];
    struct tensor want;
    int rc = convert_meta_in(port->tensor, NULL, &want, err);

    if (rc < 0) {
        return rc;
    }
    if (want.dtype != t->dtype || !shape_equal(&want.shape, &t->shape)) {
        return err_set(
            err, EDGE_EINVAL, "input \"%s\" is %s %s, the model wants %s %s",
            port->name, dtype_name(t->dtype), shape_text(&t->shape, got_text),
            dtype_name(want.dtype), shape_text(&want.shape, want_text));
    }
    return 0;
}

uint32_t client_deadline_ms(uint32_t left_ms, const struct deployment *d)
{
    if (left_ms != 0) {
        return left_ms;
    }
    if (d->cluster->routing.deadline_ms != 0) {
        return d->cluster->routing.deadline_ms;
    }
    /* With views that is for each who gathers them, and no failure. */
    return d->cluster->deadline_ms != 0 && d->cluster->n_views == 0
               ? d->cluster->deadline_ms
               : REQUEST_MS;
}

static int submit(struct ask *ask, struct deployment *d, struct err *err)
{
    const char *verdict = recovery_verdict(d);
    int rc;

    if (verdict != NULL) {
        return err_set(err, EDGE_EUNAVAILABLE, "%s", verdict);
    }
    rc = gateway_submit(d->current, ask->inputs,
                        client_deadline_ms(ask->left_ms, d), on_answer, ask,
                        &ask->request);

    if (rc == EDGE_EBUSY) {
        ask->client->retry_ms = admit_retry_ms(d->current);
        return err_set(err, rc,
                       "overloaded: %u requests are under way, and this one's "
                       "deadline is %u ms. Try again in %u ms",
                       d->current->in_flight,
                       client_deadline_ms(ask->left_ms, d),
                       ask->client->retry_ms);
    }
    if (rc == EDGE_EUNAVAILABLE) {
        return err_set(err, rc,
                       "none of the %zu views is there: no device that takes "
                       "one is up. Look at: edgectl nodes",
                       ask->n_inputs);
    }
    return rc < 0 ? err_set(err, rc, "%s", err_text(rc)) : 0;
}

/* Its inputs, but for views that are not there, where those may lack. */
static bool is_whole(const struct ask *ask, const Edged__Placement *spec)
{
    for (size_t i = 0; i < ask->n_inputs; i++) {
        bool may_lack =
            spec->may_lack && i < LIMIT_PORTS && (ask->absent >> i & 1) != 0;

        if (ask->inputs[i].dtype == DTYPE_NONE && !may_lack) {
            return false;
        }
    }
    return true;
}

/* A client that asks and does not read costs no more than this; a request
 * that is larger by itself may be its only one. */
static int check_room(const struct ask *ask, const struct tensor *t,
                      struct err *err)
{
    const struct client *client = ask->client;
    size_t held = client->bytes + client->peer->queued;

    if (held + tensor_bytes(t) <= LIMIT_CLIENT_BYTES ||
        (client->n_asks == 1 && client->n_replies == 0 &&
         client->peer->queued == 0) ||
        DEFENCE_OFF("client-bytes")) {
        return 0;
    }
    return err_set(err, EDGE_EBUSY,
                   "overloaded: %zu MiB of this client's requests are under "
                   "way. Read their answers first",
                   LIMIT_CLIENT_BYTES >> 20);
}

static int take(struct ask *ask, struct deployment *d,
                const struct relay_data *data, struct err *err)
{
    const Edged__Placement *spec = d->current->spec;
    int rc;

    if (ask->absent != 0 && !spec->may_lack) {
        return err_set(err, EDGE_EINVAL,
                       "%s needs all of its inputs: it has none called "
                       "\"present\" that would say which are there",
                       d->name);
    }
    if (data->port >= ask->n_inputs || ask->n_inputs != spec->n_inputs) {
        return err_set(err, EDGE_EINVAL, "the model has %zu inputs",
                       spec->n_inputs);
    }
    if (ask->inputs[data->port].dtype != DTYPE_NONE) {
        return err_set(err, EDGE_EINVAL, "input %u came twice", data->port);
    }
    if (data->codec != 0) {
        return err_set(err, EDGE_EUNSUPPORTED,
                       "input %u is in codec %u; clients send values as they "
                       "are",
                       data->port, data->codec);
    }
    rc = check(spec->inputs[data->port], &data->tensor, err);
    if (rc == 0) {
        rc = check_room(ask, &data->tensor, err);
    }
    if (rc < 0) {
        return rc;
    }
    ask->client->bytes += tensor_bytes(&data->tensor);
    ask->inputs[data->port] = tensor_ref(&data->tensor);
    return is_whole(ask, spec) ? submit(ask, d, err) : 0;
}

static int find_or_make(struct client *client, const Edged__Data *data,
                        struct deployment **deployment, struct ask **ask,
                        struct err *err)
{
    struct deployment *d;
    int rc = deployments_find(client->c, data->deployment, &d, err);

    if (rc < 0) {
        return rc;
    }
    if (leave_refuses(client->c) && find(client, data->request) == NULL) {
        return err_set(err, EDGE_ECLOSED,
                       "the coordinator is stopping. Try again in a moment");
    }
    *deployment = d;
    if (d->current == NULL) {
        return err_set(err, EDGE_EUNAVAILABLE, "%s is not deployed yet",
                       d->name);
    }
    *ask = find(client, data->request);
    if (*ask != NULL) {
        return 0;
    }
    if (client->n_asks + client->n_replies >= CLIENT_REQUESTS) {
        return err_set(err, EDGE_EBUSY, "too many requests at once");
    }
    *ask = ask_new(client, d, data);
    return *ask == NULL ? err_set(err, EDGE_ENOMEM, "out of memory") : 0;
}

/* Of one that was answered or has all it needs: a repetition. */
static bool is_superfluous(struct client *client, uint64_t number)
{
    const struct ask *ask = find(client, number);

    return was_refused(client, number) || (ask != NULL && ask->request != NULL);
}

void client_on_data(struct coordinator *c, struct io_peer *peer,
                    struct msg *msg)
{
    const Edged__Data *message = msg->env->data;
    struct client *client = peer->user;
    struct relay_data data;
    struct deployment *d;
    struct ask *ask;
    struct err err;
    int rc;

    if (client == NULL || is_superfluous(client, message->request)) {
        return;
    }
    rc = relay_data_read(c->io, msg, &data, &err);
    if (rc < 0) {
        io_hang_up(peer, rc, err.text);
        return;
    }
    rc = find_or_make(client, message, &d, &ask, &err);
    if (rc == 0) {
        rc = take(ask, d, &data, &err);
    }
    if (rc < 0) {
        ask = find(client, message->request);
        if (ask != NULL) {
            ask_free(ask);
        }
        refuse(client, message->request, rc, err.text);
    }
    relay_data_deinit(&data);
}
