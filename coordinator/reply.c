/*
 * Answers on their way to a client: Data per output, then Answer. What its
 * connection cannot take at once waits here, in order; a client that never
 * reads is hung up by the io.
 */
#include "coordinator/client.h"
#include "coordinator/reply_views.h"

#include "base/mem.h"

#include <string.h>

#define RETRY_MS 5

struct reply {
    struct list link;
    uint64_t number;
    int rc;
    char *text;
    struct tensor *outputs;
    size_t n_outputs;
    size_t n_sent;
    struct relay_hop *hops;
    size_t n_hops;
    uint32_t latency_us;
    uint32_t resent;
    uint32_t generation;
    struct digest model;
    uint32_t retry_ms;
    uint64_t at_us;
    uint64_t skipped;
    struct reply_views views;
};

static void reply_free(struct client *client, struct reply *reply)
{
    for (size_t i = 0; i < reply->n_outputs; i++) {
        client->bytes -= tensor_bytes(&reply->outputs[i]);
        tensor_deinit(&reply->outputs[i]);
    }
    mem_free(reply->outputs);
    mem_free(reply->hops);
    mem_free(reply->text);
    reply_views_deinit(&reply->views);
    list_unlink(&reply->link);
    client->n_replies--;
    mem_free(reply);
}

static int send_answer(struct io_peer *peer, struct reply *reply)
{
    Edged__Envelope env = EDGED__ENVELOPE__INIT;
    Edged__Answer message = EDGED__ANSWER__INIT;
    Edged__Hop hops[LIMIT_HOPS];
    Edged__Hop *list[LIMIT_HOPS];

    message.request = reply->number;
    message.code = reply->rc;
    message.text = reply->text;
    message.complete = reply->rc == 0;
    message.latency_us = reply->latency_us;
    message.resent = reply->resent;
    message.generation = reply->generation;
    message.model.data = reply->model.bytes;
    message.model.len = reply->generation != 0 ? sizeof(reply->model.bytes) : 0;
    message.retry_after_ms = reply->retry_ms;
    message.at_us = reply->at_us;
    message.skipped = reply->skipped;
    for (size_t i = 0; i < reply->n_hops && i < LIMIT_HOPS; i++) {
        edged__hop__init(&hops[i]);
        hops[i].node = reply->hops[i].node;
        hops[i].shard = reply->hops[i].shard;
        hops[i].compute_us = reply->hops[i].compute_us;
        hops[i].queue_us = reply->hops[i].queue_us;
        hops[i].wire_us = reply->hops[i].wire_us;
        list[i] = &hops[i];
        message.n_hops = i + 1;
    }
    message.hops = list;
    reply_views_fill(&reply->views, &message);
    env.body_case = EDGED__ENVELOPE__BODY_ANSWER;
    env.answer = &message;
    return io_send(peer, &env, NULL);
}

static int send_rest(struct io_peer *peer, struct reply *reply)
{
    while (reply->n_sent < reply->n_outputs) {
        struct hold hold = {.request = reply->number};
        struct relay_part part = {.port = (uint32_t)reply->n_sent,
                                  .tensor = reply->outputs[reply->n_sent]};
        int rc = relay_data_send(peer, &hold, &part);

        if (rc < 0) {
            return rc;
        }
        reply->n_sent++;
    }
    return send_answer(peer, reply);
}

static void pump(struct client *client)
{
    while (!list_is_empty(&client->replies)) {
        struct reply *reply =
            list_entry(client->replies.next, struct reply, link);
        int rc = send_rest(client->peer, reply);

        if (rc == EDGE_EBUSY) {
            io_timer_start(client->peer->io, &client->retry, RETRY_MS);
            return;
        }
        if (rc < 0) { /* lost with its connection, never alone */
            io_hang_up(client->peer, rc, "an answer cannot be sent");
            return;
        }
        reply_free(client, reply);
    }
}

static void on_retry(struct io_timer *timer)
{
    pump(container_of(timer, struct client, retry));
}

void reply_init(struct client *client)
{
    list_init(&client->replies);
    io_timer_init(&client->retry, on_retry);
}

void reply_deinit(struct client *client)
{
    io_timer_stop(client->peer->io, &client->retry);
    while (!list_is_empty(&client->replies)) {
        reply_free(client,
                   list_entry(client->replies.next, struct reply, link));
    }
}

static void name_version(struct reply *reply, const Edged__Placement *version)
{
    if (version != NULL && version->model.len == sizeof(reply->model.bytes)) {
        reply->generation = version->generation;
        memcpy(reply->model.bytes, version->model.data, version->model.len);
    }
}

/* What outlives the request: references on tensors, copies of words. */
static int fill(struct client *client, struct reply *reply,
                const struct answer *answer)
{
    reply->text = mem_strdup(answer->text);
    reply->hops = mem_dup(answer->hops, answer->n_hops * sizeof(*answer->hops));
    reply->n_hops = reply->hops != NULL ? answer->n_hops : 0;
    if (answer->rc == 0) {
        reply->outputs = mem_array(struct tensor, answer->n_outputs);
    }
    if (reply->text == NULL || (answer->rc == 0 && reply->outputs == NULL)) {
        return EDGE_ENOMEM;
    }
    reply->n_outputs = answer->rc == 0 ? answer->n_outputs : 0;
    for (size_t i = 0; i < reply->n_outputs; i++) {
        reply->outputs[i] = tensor_ref(&answer->outputs[i]);
        client->bytes += tensor_bytes(&reply->outputs[i]);
    }
    return reply_views_init(&reply->views, answer);
}

void reply_send(struct client *client, uint64_t number,
                const struct answer *answer)
{
    struct reply *reply = mem_new(struct reply);

    if (reply == NULL) {
        io_hang_up(client->peer, EDGE_ENOMEM, "out of memory");
        return;
    }
    list_push(&client->replies, &reply->link);
    client->n_replies++;
    reply->number = number;
    reply->rc = answer->rc;
    reply->latency_us = answer->latency_us;
    reply->resent = answer->resent;
    reply->retry_ms = answer->retry_ms;
    reply->at_us = answer->at_us;
    reply->skipped = answer->skipped;
    name_version(reply, answer->version);
    if (fill(client, reply, answer) < 0) {
        reply_free(client, reply);
        io_hang_up(client->peer, EDGE_ENOMEM, "out of memory");
        return;
    }
    if (client->replies.next == &reply->link) {
        pump(client);
    }
}
