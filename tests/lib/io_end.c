#include "io_end.h"

#include "base/bytes.h"
#include "tests/lib/unit.h"

#include <stdio.h>

static struct end *told(void *arg)
{
    struct end *end = arg;

    assert_false(end->calling); /* never from inside the call */
    return end;
}

static void on_up(void *arg, struct io_peer *peer)
{
    struct end *end = told(arg);

    assert_true(peer->up);
    end->ups++;
    end->peer = peer;
    if (end->then_up != NULL) {
        end->then_up(end, peer);
    }
}

static void note_why(struct end *end, int rc, const char *why)
{
    end->rc = rc;
    (void)snprintf(end->why, sizeof(end->why), "%s", why);
}

static void on_down(void *arg, struct io_peer *peer, int rc, const char *why)
{
    struct end *end = told(arg);

    assert_false(peer->up);
    assert_int_equal(end_send_ack(end, peer, 0), EDGE_ECLOSED);
    end->downs++;
    note_why(end, rc, why);
    if (end->peer == peer) {
        end->peer = NULL;
    }
    if (end->then_down != NULL) {
        end->then_down(end, peer);
    }
}

static void on_refused(void *arg, struct io_peer *peer, int rc, const char *why)
{
    struct end *end = told(arg);

    assert_true(peer->dialed);
    end->refusals++;
    note_why(end, rc, why);
    if (end->then_refused != NULL) {
        end->then_refused(end, peer);
    }
}

static uint64_t request_of(const struct msg *msg)
{
    switch (msg->env->body_case) {
    case EDGED__ENVELOPE__BODY_ACK: return msg->env->ack->request;
    case EDGED__ENVELOPE__BODY_DATA: return msg->env->data->request;
    default: return 0;
    }
}

static void on_message(void *arg, struct io_peer *peer, struct msg *msg)
{
    struct end *end = told(arg);

    end->requests[end->messages++ % END_MESSAGES] = request_of(msg);
    if (msg->payload != NULL) {
        end->payload_bytes += msg->payload->size;
        end->crc_field = msg->env->payload_crc;
        end->payload_crc = bytes_crc32c(end->payload_crc, msg->payload->data,
                                        msg->payload->size);
    }
    if (end->then_message != NULL) {
        end->then_message(end, peer);
    }
}

void end_restart(struct end *end)
{
    static const struct io_events events = {
        .on_up = on_up,
        .on_down = on_down,
        .on_message = on_message,
        .on_refused = on_refused,
    };

    end->peer = NULL;
    end->io = end->world->ops->start(end->world, &end->id, &end->port);
    end->io->events = events;
    end->io->arg = end;
}

void end_start(struct end *end, struct io_world *world, const char *name)
{
    *end = (struct end){.world = world};
    end->id = (struct io_identity){
        .role = EDGED__ROLE__ROLE_NODE,
        .name = name,
        .cluster = "home",
        .instance = 1000 + (uint64_t)name[0],
        .version = "1.2-test",
    };
    end_restart(end);
}

void end_stop(struct end *end)
{
    if (end->io != NULL) {
        end->world->ops->stop(end->world, end->io);
        end->io = NULL;
    }
}

void end_kill(struct end *end)
{
    if (end->io != NULL) {
        end->world->ops->kill(end->world, end->io);
        end->io = NULL;
    }
}

struct io_peer *end_dial(struct end *end, const struct end *to,
                         const char *name)
{
    struct io_peer *peer = NULL;
    struct err err;
    int rc;

    end->calling = true;
    rc = io_dial(end->io, name, "127.0.0.1", to->port, &peer, &err);
    end->calling = false;
    if (rc < 0) {
        fail_msg("%s", err.text);
    }
    return peer;
}

static int send_it(struct end *end, struct io_peer *peer,
                   const Edged__Envelope *env, const struct io_payload *payload)
{
    bool before = end->calling;
    int rc;

    end->calling = true;
    rc = io_send(peer, env, payload);
    end->calling = before;
    return rc;
}

int end_send_ack(struct end *end, struct io_peer *peer, uint64_t number)
{
    Edged__Envelope env = EDGED__ENVELOPE__INIT;
    Edged__Ack ack = EDGED__ACK__INIT;

    ack.request = number;
    env.body_case = EDGED__ENVELOPE__BODY_ACK;
    env.ack = &ack;
    return send_it(end, peer, &env, NULL);
}

struct blob *end_data(uint64_t number, size_t size)
{
    struct blob *blob = blob_new(size);

    assert_non_null(blob);
    for (size_t i = 0; i < size; i++) {
        blob->data[i] = (uint8_t)(number + i * 7 + (i >> 8));
    }
    return blob;
}

uint32_t end_data_crc(uint32_t crc, uint64_t number, size_t size)
{
    struct blob *blob = end_data(number, size);

    crc = bytes_crc32c(crc, blob->data, size);
    blob_unref(blob);
    return crc;
}

int end_send_blob(struct end *end, struct io_peer *peer, uint64_t number,
                  struct blob *blob)
{
    Edged__Envelope env = EDGED__ENVELOPE__INIT;
    Edged__Data data = EDGED__DATA__INIT;
    struct io_payload payload = {.blob = blob, .size = blob->size};
    int rc;

    data.request = number;
    env.body_case = EDGED__ENVELOPE__BODY_DATA;
    env.data = &data;
    rc = send_it(end, peer, &env, &payload);
    blob_unref(blob); /* the io took a reference of its own */
    return rc;
}

int end_send_data(struct end *end, struct io_peer *peer, uint64_t number,
                  size_t size)
{
    return end_send_blob(end, peer, number, end_data(number, size));
}

void end_hang_up(struct end *end, struct io_peer *peer, int rc, const char *why)
{
    bool before = end->calling;

    end->calling = true;
    io_hang_up(peer, rc, why);
    end->calling = before;
}

struct counter {
    const int *at;
    int n;
};

static bool has_counted(void *arg)
{
    const struct counter *counter = arg;

    return *counter->at >= counter->n;
}

void end_until_at(struct end *end, const int *counter, int n, unsigned limit_ms,
                  const char *what, const char *where)
{
    struct counter c = {counter, n};

    if (!end->world->ops->run(end->world, has_counted, &c, limit_ms)) {
        fail_msg("%s: %s: %s is %d, not %d, after %u ms", where, end->id.name,
                 what, *counter, n, limit_ms);
    }
}

static bool has_messages(void *arg)
{
    const struct end *end = ((void **)arg)[0];

    return end->messages >= *(unsigned *)((void **)arg)[1];
}

void end_until_messages(struct end *end, unsigned n, unsigned limit_ms)
{
    void *arg[2] = {end, &n};

    if (!end->world->ops->run(end->world, has_messages, arg, limit_ms)) {
        fail_msg("%s: %u messages, not %u, after %u ms", end->id.name,
                 end->messages, n, limit_ms);
    }
}

static bool never(void *arg)
{
    (void)arg;
    return false;
}

void end_run_for(struct end *end, unsigned ms)
{
    (void)end->world->ops->run(end->world, never, NULL, ms);
}
