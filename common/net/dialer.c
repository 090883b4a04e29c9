#include "net/dialer.h"

#include "base/mem.h"
#include "net/backoff.h"
#include "net/fault.h"
#include "wire/convert.h"

#include <stdio.h>
#include <string.h>

struct dialer {
    struct peer peer; /* first */
    char *host;       /* an address, a name, or a Unix socket's path */
    int port;
    char expects[LIMIT_NAME + 1]; /* "": anybody */
    struct io_timer wait;
    struct backoff backoff;
    unsigned attempts;
    char refused[HELLO_WHY]; /* logged last; a reason is logged once */
};

static struct dialer *dialer_of(struct io_peer *base)
{
    return (struct dialer *)(void *)base;
}

/* ---- trying again -------------------------------------------------------- */

static void wait_and_dial(struct dialer *d)
{
    struct io *io = d->peer.base.io;
    uint64_t us = backoff_next(&d->backoff, io_now_us(io), io_random(io));

    io->ops->timer_start(io, &d->wait, us);
}

/* The program may undial from inside this: touch nothing afterwards. */
static void refused(struct dialer *d, int rc, const char *why)
{
    struct io *io = d->peer.base.io;

    wait_and_dial(d);
    if (strcmp(d->refused, why) != 0) {
        (void)snprintf(d->refused, sizeof(d->refused), "%s", why);
        log_event(io->log, LOG_WARN, "peer.refused",
                  "name=%s host=%s port=%d rc=%s why=\"%s\"", d->peer.base.name,
                  d->host, d->port, err_name(rc), why);
    }
    if (io->events.on_refused != NULL) {
        io->events.on_refused(io->arg, &d->peer.base, rc, why);
    }
}

/* ---- a connection -------------------------------------------------------- */

static int dialed_check(struct conn *conn, const Edged__Hello *hello,
                        struct err *err)
{
    struct hello_side side = conn_side(conn);

    return hello_check(hello, conn->hub->identity, &side, err);
}

static void dialed_on_up(struct conn *conn, const Edged__Hello *hello)
{
    struct dialer *d = dialer_of(conn->peer);

    d->refused[0] = '\0';
    backoff_up(&d->backoff, io_now_us(d->peer.base.io));
    peer_up(&d->peer, conn, hello);
}

static void dialed_on_gone(struct conn *conn, bool was_up, int rc,
                           const char *why)
{
    struct dialer *d = dialer_of(conn->peer);

    d->peer.conn = NULL;
    if (d->peer.hub->muted) {
        d->peer.base.up = false;
    } else if (was_up) {
        wait_and_dial(d);
        peer_down(&d->peer, rc, why);
    } else {
        refused(d, rc, why);
    }
}

static const struct conn_owner dialed = {
    .check = dialed_check,
    .on_up = dialed_on_up,
    .on_message = peer_on_message,
    .on_gone = dialed_on_gone,
};

/* ---- one attempt --------------------------------------------------------- */

static void on_wait(struct io_timer *timer)
{
    struct dialer *d = container_of(timer, struct dialer, wait);
    const char *expects = d->expects[0] != '\0' ? d->expects : NULL;
    int rc;

    if (fault_is_unreachable(d->peer.base.io, d->expects)) {
        refused(d, EDGE_ETIMEOUT, "no answer to the dial");
        return;
    }
    rc = conn_dial(d->peer.hub, d->host, d->port, d->attempts++, &dialed,
                   &d->peer.base, expects, &d->peer.conn);
    if (rc < 0) {
        refused(d, rc, err_text(rc));
    }
}

/* ---- beginning and end --------------------------------------------------- */

int dialer_dial(struct io *io, const char *name, const char *host, int port,
                struct io_peer **peer, struct err *err)
{
    struct hub *hub = hub_of(io);
    struct dialer *d;
    int rc;

    if (name != NULL && !convert_name_ok(name)) {
        return err_set(err, EDGE_EINVAL, "\"%s\" is not a name", name);
    }
    rc = hub->transport->check(hub, host, port, err);
    if (rc < 0) {
        return rc;
    }
    d = mem_new(struct dialer);
    if (d == NULL) {
        return err_set(err, EDGE_ENOMEM, "no memory to dial %s", host);
    }
    d->host = mem_strdup(host);
    if (d->host == NULL) {
        mem_free(d);
        return err_set(err, EDGE_ENOMEM, "no memory to dial %s", host);
    }
    d->port = port;
    if (name != NULL) {
        (void)snprintf(d->expects, sizeof(d->expects), "%s", name);
        (void)snprintf(d->peer.base.name, sizeof(d->peer.base.name), "%s",
                       name);
    }
    d->peer.base.dialed = true;
    peer_init(&d->peer, hub);
    io_timer_init(&d->wait, on_wait);
    io_timer_start(io, &d->wait, 0);
    *peer = &d->peer.base;
    return 0;
}

void dialer_stop(struct peer *peer)
{
    io_timer_stop(peer->base.io, &dialer_of(&peer->base)->wait);
}

void dialer_free(struct peer *peer)
{
    struct dialer *d = dialer_of(&peer->base);

    dialer_stop(peer);
    list_unlink(&peer->link);
    mem_free(d->host);
    mem_free(d);
}

void dialer_undial(struct io_peer *base)
{
    struct peer *peer = peer_of(base);

    if (peer->conn != NULL) {
        conn_leave(peer->conn, EDGE_ECLOSED, "not needed any more");
        conn_forget(peer->conn);
    }
    dialer_free(peer);
}
