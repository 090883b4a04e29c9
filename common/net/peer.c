#include "net/peer.h"

#include "base/mem.h"
#include "net/address.h"
#include "net/dialer.h"
#include "net/tls_stream.h"

#include <string.h>

void peer_init(struct peer *peer, struct hub *hub)
{
    peer->hub = hub;
    peer->base.io = &hub->io;
    list_init(&peer->link);
    list_push(&hub->peers, &peer->link);
}

static const char *role_text(Edged__Role role)
{
    switch (role) {
    case EDGED__ROLE__ROLE_COORDINATOR: return "coordinator";
    case EDGED__ROLE__ROLE_NODE: return "node";
    case EDGED__ROLE__ROLE_CLIENT: return "client";
    case EDGED__ROLE__ROLE_NONE:
    default: return "none";
    }
}

void peer_up(struct peer *peer, struct conn *conn, const Edged__Hello *hello)
{
    struct hub *hub = peer->hub;

    peer->conn = conn;
    conn->peer = &peer->base;
    hello_note(hello, conn->stream->identity, &peer->base);
    if (!conn->dialed && !conn->stream->local) {
        (void)address_host(conn->stream->from, peer->base.host);
    }
    peer->base.up = true;
    peer->base.rtt_us = 0;
    log_event(hub->io.log, LOG_INFO, "peer.up",
              "name=%s role=%s instance=%016llx version=%s dialed=%d",
              peer->base.name, role_text(peer->base.role),
              (unsigned long long)peer->base.instance, peer->base.version,
              peer->base.dialed);
    if (hub->io.events.on_up != NULL) {
        hub->io.events.on_up(hub->io.arg, &peer->base);
    }
}

void peer_down(struct peer *peer, int rc, const char *why)
{
    struct hub *hub = peer->hub;

    peer->base.up = false;
    peer->base.queued = 0;
    if (hub->muted) {
        return;
    }
    log_event(hub->io.log, LOG_INFO, "peer.down",
              "name=%s role=%s rc=%s why=\"%s\"", peer->base.name,
              role_text(peer->base.role), err_name(rc), why);
    if (hub->io.events.on_down != NULL) {
        hub->io.events.on_down(hub->io.arg, &peer->base, rc, why);
    }
}

void peer_on_message(struct conn *conn, struct msg *msg)
{
    struct io *io = conn->peer->io;

    if (conn->peer->up && io->events.on_message != NULL) {
        io->events.on_message(io->arg, conn->peer, msg);
    }
}

/* ---- accepted ------------------------------------------------------------ */

/* The older connection of a member that dials again. */
static struct peer *find_same(struct hub *hub, const Edged__Hello *hello)
{
    if (hello->role == EDGED__ROLE__ROLE_CLIENT ||
        hello->role == EDGED__ROLE__ROLE_NONE) {
        return NULL; /* of these there may be many of a name */
    }
    list_each(&hub->peers, it, after)
    {
        struct peer *peer = list_entry(it, struct peer, link);

        if (!peer->base.dialed && peer->base.role == hello->role &&
            strcmp(peer->base.name, hello->name) == 0) {
            return peer;
        }
    }
    return NULL;
}

/* One that replaces its older connection adds none. */
static bool is_full(struct hub *hub, const Edged__Hello *hello)
{
    size_t limit = hub->limits.accepted;

    return hub->n_accepted > limit ||
           (hub->n_accepted == limit && find_same(hub, hello) == NULL);
}

/* Strangers cannot fill the log: one line a second, the rest is traced. */
static bool may_log_refused(struct hub *hub)
{
    uint64_t now_us = io_now_us(&hub->io);
    bool is_soon = hub->refused_us > 0 && now_us - hub->refused_us < 1000000;

    if (!is_soon) {
        hub->refused_us = now_us;
    }
    return !is_soon;
}

static void log_refused(struct hub *hub, const Edged__Hello *hello,
                        const char *why)
{
    log_event(hub->io.log, may_log_refused(hub) ? LOG_WARN : LOG_TRACE,
              "peer.refused", "name=\"%s\" role=%s why=\"%s\"", hello->name,
              role_text(hello->role), why);
}

static int accepted_check(struct conn *conn, const Edged__Hello *hello,
                          struct err *err)
{
    struct hello_side side = conn_side(conn);
    struct hub *hub = conn->hub;
    int rc = hello_check(hello, hub->identity, &side, err);

    if (rc == 0 && is_full(hub, hello)) {
        rc = err_set(err, EDGE_EBUSY,
                     "%s has %zu connections, which is all it accepts",
                     hub->identity->name, hub->n_accepted);
    }
    if (rc < 0) {
        log_refused(hub, hello, err->text);
    }
    return rc;
}

static void accepted_end(struct peer *peer, int rc, const char *why)
{
    struct hub *hub = peer->hub;

    peer->conn = NULL;
    peer->base.up = false;
    if (hub->muted) {
        return; /* hub_deinit() frees it: its owner may still hold it */
    }
    hub->n_accepted--;
    list_unlink(&peer->link);
    peer_down(peer, rc, why);
    mem_free(peer);
}

/* A member that dials again has lost its older connection, even if this end
 * has not seen it yet: the newer one counts. */
static void drop_older(struct hub *hub, const Edged__Hello *hello)
{
    static const char why[] = "a newer connection of the same name came";
    struct peer *peer = find_same(hub, hello);

    if (peer != NULL) {
        struct conn *older = peer->conn;

        conn_forget(older);
        conn_leave(older, EDGE_EEXIST, why);
        accepted_end(peer, EDGE_EEXIST, why);
    }
}

static void accepted_on_up(struct conn *conn, const Edged__Hello *hello)
{
    struct hub *hub = conn->hub;
    struct peer *peer;

    drop_older(hub, hello);
    if (hub->muted) {
        return; /* the program stopped when it heard of the older one */
    }
    peer = mem_new(struct peer);
    if (peer == NULL) {
        conn_leave(conn, EDGE_ENOMEM, err_text(EDGE_ENOMEM));
        return;
    }
    peer_init(peer, hub);
    hub->n_accepted++;
    peer_up(peer, conn, hello);
}

static void accepted_on_gone(struct conn *conn, bool was_up, int rc,
                             const char *why)
{
    struct hub *hub = conn->hub;

    (void)was_up;
    if (conn->peer != NULL) {
        accepted_end(peer_of(conn->peer), rc, why);
    } else if (!hub->muted) {
        bool is_news = rc != EDGE_ECLOSED && may_log_refused(hub);

        log_event(hub->io.log, is_news ? LOG_WARN : LOG_TRACE, "net.stranger",
                  "rc=%s why=\"%s\"", err_name(rc), why);
    }
}

static const struct conn_owner accepted = {
    .check = accepted_check,
    .on_up = accepted_on_up,
    .on_message = peer_on_message,
    .on_gone = accepted_on_gone,
};

/* An honest peer says its Hello at once, so under a flood of connections the
 * one that has been silent the longest has the least to lose. */
bool peer_make_room(struct hub *hub)
{
    list_each(&hub->conns, it, after)
    {
        struct conn *conn = list_entry(it, struct conn, link);

        if (conn_is_stranger(conn)) {
            conn_break(conn, EDGE_EBUSY, "too many wait to say Hello");
            return true;
        }
    }
    return false;
}

/* One machine of the network cannot take all places. */
static bool is_crowd(struct hub *hub, const struct stream *stream)
{
    size_t n = 0;

    if (!stream->counted) {
        return false;
    }
    list_each(&hub->conns, it, after)
    {
        const struct conn *conn = list_entry(it, struct conn, link);

        n +=
            conn->stream->counted && !conn->dialed &&
            memcmp(conn->stream->from, stream->from, sizeof(stream->from)) == 0;
    }
    return n >= hub->limits.per_ip;
}

void peer_accept(struct hub *hub, struct stream *stream)
{
    struct stream *inner = stream;

    if (is_crowd(hub, stream) ||
        (hub->tls != NULL && !stream->local &&
         tls_stream_accept(hub->tls, stream, hub->joiners, &inner) < 0)) {
        conn_close_orphan(hub, stream);
        return;
    }
    if (hub->n_strangers >= hub->limits.strangers) {
        (void)peer_make_room(hub);
    }
    (void)conn_accept(hub, inner, &accepted);
}

void peer_free(struct peer *peer)
{
    if (peer->base.dialed) {
        dialer_free(peer);
    } else {
        list_unlink(&peer->link);
        mem_free(peer);
    }
}

/* ---- io_ops -------------------------------------------------------------- */

void peer_hang_up(struct io_peer *base, int rc, const char *why)
{
    struct peer *peer = peer_of(base);

    if (peer->conn != NULL) {
        base->up = false;
        conn_leave(peer->conn, rc, why);
        if (rc == EDGE_ETIMEOUT) { /* the silent do not close their end */
            conn_break(peer->conn, rc, why);
        }
    }
}

int peer_send(struct io_peer *base, const Edged__Envelope *env,
              const struct io_payload *payload)
{
    struct peer *peer = peer_of(base);

    if (!base->up || peer->conn == NULL) {
        return EDGE_ECLOSED;
    }
    if (payload != NULL && payload->blob == NULL) {
        payload = NULL;
    }
    return conn_send(peer->conn, env, payload);
}
