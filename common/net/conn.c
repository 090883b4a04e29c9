#include "net/conn.h"

#include "base/bytes.h"
#include "base/mem.h"
#include "net/fault.h"
#include "net/tls_stream.h"

#include <stdio.h>
#include <string.h>

/* A payload's rest of at least so many bytes is read straight into place. */
#define DIRECT_MIN 4096

static const struct stream_events stream_events;
static const struct outbox_events outbox_events;

static struct conn *of(struct stream *stream)
{
    return stream->owner;
}

/* Also while it is told why it is refused, or that would be without bound. */
bool conn_is_stranger(const struct conn *conn)
{
    return !conn->dialed && !conn->known && conn->state != CONN_CONNECTING &&
           conn->state < CONN_CUT;
}

static void enter(struct conn *conn, enum conn_state state)
{
    conn->hub->n_strangers -= conn_is_stranger(conn);
    conn->state = state;
    conn->hub->n_strangers += conn_is_stranger(conn);
    conn->since_us = conn->hub->clock_us;
    conn->progress_us = conn->hub->clock_us;
}

static void give_reason(struct conn *conn, int rc, const char *why)
{
    if (conn->rc == 0) {
        conn->rc = rc;
        (void)snprintf(conn->why, sizeof(conn->why), "%s", why);
    }
}

static void close_stream(struct conn *conn)
{
    if (conn->state != CONN_CLOSING) {
        enter(conn, CONN_CLOSING);
        stream_close(conn->stream);
    }
}

void conn_break(struct conn *conn, int rc, const char *why)
{
    give_reason(conn, rc, why);
    if (!fault_is_mute(conn)) {
        close_stream(conn);
    } else if (conn->state < CONN_CUT) {
        conn->is_cut = true;
        enter(conn, CONN_CUT);
    }
}

void conn_forget(struct conn *conn)
{
    conn->owner = NULL;
    conn->peer = NULL;
    conn->expects = NULL;
}

/* ---- making one ---------------------------------------------------------- */

static struct conn *conn_new(struct hub *hub, const struct conn_owner *owner)
{
    struct conn *conn = mem_new(struct conn);

    if (conn == NULL) {
        return NULL;
    }
    conn->hub = hub;
    conn->owner = owner;
    list_init(&conn->link);
    list_push(&hub->conns, &conn->link);
    frame_reader_init(&conn->reader, LIMIT_HELLO_HEAD, 0);
    hub_start_sweep(hub);
    conn->since_us = hub->clock_us;
    return conn;
}

static void conn_free(struct conn *conn)
{
    list_unlink(&conn->link);
    frame_reader_deinit(&conn->reader);
    mem_free(conn);
}

static uint8_t *nowhere(struct stream *stream, size_t *size)
{
    struct hub *hub = stream->owner;

    *size = STAGING_BYTES;
    return hub->staging;
}

static void ignore_bytes(struct stream *stream, const uint8_t *at, size_t n)
{
    (void)stream;
    (void)at;
    (void)n;
}

static void ignore_end(struct stream *stream, int rc, const char *why)
{
    (void)stream;
    (void)rc;
    (void)why;
}

static void ignore(struct stream *stream)
{
    (void)stream;
}

/* For a stream without a connection, which is closed at once. */
static const struct stream_events orphan_events = {
    .on_connected = ignore,
    .room = nowhere,
    .on_bytes = ignore_bytes,
    .on_end = ignore_end,
    .on_refused = ignore_end,
    .on_closed = ignore,
};

void conn_close_orphan(struct hub *hub, struct stream *stream)
{
    stream->events = &orphan_events;
    stream->owner = hub;
    stream_close(stream);
}

struct conn *conn_accept(struct hub *hub, struct stream *stream,
                         const struct conn_owner *owner)
{
    struct conn *conn = conn_new(hub, owner);

    if (conn == NULL) {
        conn_close_orphan(hub, stream);
        return NULL;
    }
    stream->events = &stream_events;
    stream->owner = conn;
    conn->stream = stream;
    outbox_init(&conn->outbox, stream, &outbox_events);
    enter(conn, CONN_HELLO);
    return conn;
}

/* A Unix socket is plain; TCP is TLS if the hub has that. */
static int open_stream(struct conn *conn, const char *host, int port,
                       unsigned attempt)
{
    struct hub *hub = conn->hub;
    struct stream *socket;
    int rc;

    if (hub->tls == NULL || host[0] == '/') {
        return hub->transport->open(hub, host, port, attempt, &stream_events,
                                    conn, &conn->stream);
    }
    rc = tls_stream_new(hub->tls, &stream_events, conn, &conn->stream);
    if (rc < 0) {
        return rc;
    }
    rc = hub->transport->open(hub, host, port, attempt,
                              &tls_stream_socket_events, conn->stream, &socket);
    if (rc < 0) {
        tls_stream_drop(conn->stream);
        return rc;
    }
    tls_stream_set_socket(conn->stream, socket);
    return 0;
}

int conn_dial(struct hub *hub, const char *host, int port, unsigned attempt,
              const struct conn_owner *owner, struct io_peer *peer,
              const char *expects, struct conn **out)
{
    struct conn *conn = conn_new(hub, owner);
    int rc;

    if (conn == NULL) {
        return EDGE_ENOMEM;
    }
    conn->dialed = true;
    rc = open_stream(conn, host, port, attempt);
    if (rc < 0) {
        conn_free(conn);
        return rc;
    }
    conn->peer = peer;
    conn->expects = expects;
    outbox_init(&conn->outbox, conn->stream, &outbox_events);
    *out = conn;
    return 0;
}

/* ---- sending ------------------------------------------------------------- */

static void note_queue(struct outbox *outbox)
{
    struct conn *conn = container_of(outbox, struct conn, outbox);

    if (conn->peer != NULL) {
        conn->peer->queued = stream_pending(conn->stream);
    }
}

static void on_half_sent(struct outbox *outbox, int rc)
{
    struct conn *conn = container_of(outbox, struct conn, outbox);

    conn_break(conn, rc, err_text(rc));
}

static const struct outbox_events outbox_events = {
    .on_change = note_queue,
    .on_broken = on_half_sent,
};

int conn_send(struct conn *conn, const Edged__Envelope *env,
              const struct io_payload *payload)
{
    if (conn->state != CONN_UP) {
        return EDGE_ECLOSED;
    }
    if (conn->hub->io.filter != NULL) {
        return fault_send(conn, env, payload);
    }
    return outbox_send(&conn->outbox, env, payload);
}

struct hello_side conn_side(const struct conn *conn)
{
    return (struct hello_side){.dialed = conn->dialed,
                               .local = conn->stream->local,
                               .expects = conn->expects,
                               .identity = conn->stream->identity};
}

static int say_hello(struct conn *conn)
{
    struct hello_side side = conn_side(conn);
    Edged__Envelope env = EDGED__ENVELOPE__INIT;
    Edged__Hello hello;

    if (fault_is_mute(conn)) {
        return 0;
    }
    hello_fill(&hello, conn->hub->identity, &side);
    env.body_case = EDGED__ENVELOPE__BODY_HELLO;
    env.hello = &hello;
    return outbox_send(&conn->outbox, &env, NULL);
}

static void say_goodbye(struct conn *conn, int rc, const char *why)
{
    Edged__Envelope env = EDGED__ENVELOPE__INIT;
    Edged__Goodbye goodbye = EDGED__GOODBYE__INIT;

    goodbye.code = rc;
    goodbye.text = (char *)(uintptr_t)why;
    env.body_case = EDGED__ENVELOPE__BODY_GOODBYE;
    env.goodbye = &goodbye;
    /* Closing is what matters, heard or not. */
    (void)outbox_send(&conn->outbox, &env, NULL);
}

void conn_leave(struct conn *conn, int rc, const char *why)
{
    if (conn->state >= CONN_LEAVING) {
        return;
    }
    if (conn->state == CONN_CONNECTING || fault_is_mute(conn)) {
        conn_break(conn, rc, why);
        return;
    }
    give_reason(conn, rc, why);
    say_goodbye(conn, rc, why);
    if (conn->state == CONN_CLOSING) {
        return; /* it broke while we said so */
    }
    enter(conn, CONN_LEAVING);
    if (stream_finish(conn->stream) < 0) {
        conn_break(conn, rc, why);
    }
}

/* ---- receiving ----------------------------------------------------------- */

static bool is_listening(const struct conn *conn)
{
    return (conn->state == CONN_HELLO || conn->state == CONN_UP) &&
           !conn->hub->muted;
}

static void on_goodbye(struct conn *conn, const Edged__Goodbye *goodbye)
{
    char why[HELLO_WHY];
    int rc = hello_goodbye(goodbye, why);

    conn_break(conn, rc, why);
}

static void enter_up(struct conn *conn)
{
    const struct tls_identity *id = conn->stream->identity;
    bool is_joiner = id != NULL && id->role == EDGED__ROLE__ROLE_NONE;

    enter(conn, CONN_UP);
    conn->was_up = true;
    if (!is_joiner) {
        conn->hub->n_strangers -= conn_is_stranger(conn);
        conn->known = true;
        conn->reader.head_max = LIMIT_HEAD;
    }
}

static void on_hello(struct conn *conn, const Edged__Hello *hello)
{
    struct err err;
    int rc = EDGE_ECLOSED;

    if (conn->owner != NULL) {
        rc = conn->owner->check(conn, hello, &err);
    }
    if (rc < 0) {
        conn_leave(conn, rc, conn->owner != NULL ? err.text : err_text(rc));
        return;
    }
    if (!conn->dialed) {
        rc = say_hello(conn);
        if (rc < 0) {
            conn_break(conn, rc, err_text(rc));
            return;
        }
    }
    enter_up(conn);
    conn->owner->on_up(conn, hello);
}

static void on_message(struct conn *conn, struct msg *msg)
{
    Edged__Envelope__BodyCase kind = msg->env->body_case;
    bool is_hello = kind == EDGED__ENVELOPE__BODY_HELLO;
    struct err err;

    if (fault_loses(conn, msg)) {
        return;
    }
    conn->received += conn->frame_bytes;
    if (kind == EDGED__ENVELOPE__BODY_GOODBYE) {
        on_goodbye(conn, msg->env->goodbye);
    } else if (is_hello != (conn->state == CONN_HELLO)) {
        (void)err_set(&err, EDGE_EPROTO, "%s came %s Hello",
                      msg_kind_name(kind), is_hello ? "as a second" : "before");
        conn_leave(conn, EDGE_EPROTO, err.text);
    } else if (is_hello) {
        on_hello(conn, msg->env->hello);
    } else if (conn->owner != NULL) {
        conn->owner->on_message(conn, msg);
    }
}

static int check_crc(const struct conn *conn, const struct msg *msg,
                     struct err *err)
{
    if (msg->payload == NULL || conn->stream->local || conn->stream->secure ||
        bytes_crc32c(0, msg->payload->data, msg->payload->size) ==
            msg->env->payload_crc) {
        return 0;
    }
    return err_set(err, EDGE_EPROTO, "the checksum of a payload is wrong");
}

/* Unpacks the reader's frame, whose payload *msg then owns. */
static int unpack_frame(struct conn *conn, struct msg *msg, struct err *err)
{
    struct frame_reader *r = &conn->reader;
    int rc;

    if (r->header.version >> 16 != FRAME_MAJOR) {
        return err_set(err, EDGE_EUNSUPPORTED,
                       "version %u.%u of the protocol is not version %u.%u, "
                       "which %s speaks",
                       r->header.version >> 16, r->header.version & 0xffff,
                       FRAME_MAJOR, FRAME_MINOR, conn->hub->identity->name);
    }
    rc = msg_unpack(r->head, r->header.head_size, r->payload,
                    conn->known ? LIMIT_UNPACK : LIMIT_HELLO_UNPACK, msg, err);
    if (rc < 0) {
        return rc;
    }
    r->payload = NULL;
    msg->wire_us = (uint32_t)(io_now_us(&conn->hub->io) - conn->began_us);
    return check_crc(conn, msg, err);
}

static void on_frame(struct conn *conn)
{
    struct msg msg = {0};
    struct err err;
    int rc = unpack_frame(conn, &msg, &err);

    if (rc < 0) {
        conn_leave(conn, rc, err.text);
    } else {
        on_message(conn, &msg);
    }
    msg_deinit(&msg);
    frame_reader_next(&conn->reader);
    conn->frame_us = 0;
    conn->frame_bytes = 0;
}

/* As the program wants it now. Strangers send none. */
static void limit_payload(struct conn *conn)
{
    size_t most = conn->hub->io.payload_max;

    if (conn->known) {
        conn->reader.payload_max = most != 0 ? most : LIMIT_PAYLOAD;
    }
}

/* What is known while a large frame comes in. */
static void note_received(struct conn *conn)
{
    if (conn->peer != NULL) {
        conn->peer->received = conn->received + conn->frame_bytes;
        conn->peer->is_under_way = conn->frame_bytes > 0;
    }
}

/* `n` bytes are where the reader wanted them. */
static void on_filled(struct conn *conn, size_t n)
{
    struct err err;
    int rc;

    if (conn->frame_us == 0) {
        conn->frame_us = conn->hub->clock_us;
        conn->began_us = io_now_us(&conn->hub->io);
        limit_payload(conn);
    }
    conn->frame_bytes += n;
    rc = frame_reader_filled(&conn->reader, n, &err);
    if (rc < 0) {
        conn_leave(conn, rc, err.text);
    } else if (rc > 0) {
        on_frame(conn);
    }
}

static uint8_t *on_room(struct stream *stream, size_t *size)
{
    struct conn *conn = of(stream);

    if (is_listening(conn) && conn->reader.at == FRAME_AT_PAYLOAD) {
        uint8_t *room = frame_reader_room(&conn->reader, size);

        if (*size >= DIRECT_MIN) {
            return room;
        }
    }
    *size = STAGING_BYTES;
    return conn->hub->staging;
}

static void take_bytes(struct conn *conn, const uint8_t *at, size_t n)
{
    if (at != conn->hub->staging) {
        on_filled(conn, n);
        return;
    }
    while (n > 0 && is_listening(conn)) {
        size_t size;
        uint8_t *room = frame_reader_room(&conn->reader, &size);

        if (size > n) {
            size = n;
        }
        memcpy(room, at, size);
        at += size;
        n -= size;
        on_filled(conn, size);
    }
}

static void on_bytes(struct stream *stream, const uint8_t *at, size_t n)
{
    struct conn *conn = of(stream);

    take_bytes(conn, at, n);
    note_received(conn);
}

/* ---- beginning and end --------------------------------------------------- */

static void on_connected(struct stream *stream)
{
    struct conn *conn = of(stream);
    int rc;

    enter(conn, CONN_HELLO);
    rc = say_hello(conn);
    if (rc < 0) {
        conn_break(conn, rc, err_text(rc));
    }
}

static void on_end(struct stream *stream, int rc, const char *why)
{
    give_reason(of(stream), rc, why);
    close_stream(of(stream));
}

static void on_refused(struct stream *stream, int rc, const char *why)
{
    conn_leave(of(stream), rc, why);
}

static void on_closed(struct stream *stream)
{
    struct conn *conn = of(stream);

    if (conn->peer != NULL) {
        conn->peer->queued = 0;
    }
    if (conn->owner != NULL) {
        conn->owner->on_gone(conn, conn->was_up, conn->rc, conn->why);
    }
    conn_free(conn);
}

static const struct stream_events stream_events = {
    .on_connected = on_connected,
    .room = on_room,
    .on_bytes = on_bytes,
    .on_end = on_end,
    .on_refused = on_refused,
    .on_closed = on_closed,
};
