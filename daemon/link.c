/*
 * How is the way from here to another node? Over the connection that there
 * is; otherwise the node is dialed for as long as it takes. One at a time, as
 * the coordinator asks.
 */
#include "daemon/parts.h"

#include "base/mem.h"
#include "relay/burst.h"

#include <string.h>

#define DIAL_MS 3000

struct link_ask {
    struct daemon *daemon;
    struct io_peer *asker;
    uint32_t number;
    struct io_peer *peer; /* the other end */
    bool is_dialed;       /* for this alone */
    bool is_on;           /* the burst */
    struct burst burst;
    int rc;
    struct io_timer timer;
};

/* ---- the end --------------------------------------------------------------
 */

static void answer(struct io_peer *peer, uint32_t number, int rc,
                   const char *text, const struct burst *burst)
{
    Edged__Envelope env = EDGED__ENVELOPE__INIT;
    Edged__LinkMeasured message = EDGED__LINK_MEASURED__INIT;

    message.number = number;
    message.code = rc;
    message.text = (char *)(uintptr_t)text;
    if (rc == 0) {
        message.rtt_s = burst->rtt_s;
        message.bytes_per_s = burst->bytes_per_s;
        message.send_s = burst->send_s;
        message.send_bytes_per_s = burst->send_bytes_per_s;
    }
    env.body_case = EDGED__ENVELOPE__BODY_LINK_MEASURED;
    env.link_measured = &message;
    (void)io_send(peer, &env, NULL); /* the coordinator has a limit */
}

static void hang_up(struct link_ask *ask)
{
    struct daemon *d = ask->daemon;

    if (!ask->is_dialed) {
        return;
    }
    if (ask->peer->up) {
        route_peer_down(d, ask->peer);
    }
    io_undial(ask->peer);
}

/* Not from inside a callback of the peer that is let go. */
static void on_over(struct io_timer *timer)
{
    struct link_ask *ask = container_of(timer, struct link_ask, timer);
    struct daemon *d = ask->daemon;

    if (ask->is_on) {
        burst_stop(&ask->burst);
    }
    d->link_ask = NULL;
    if (ask->asker != NULL) {
        answer(ask->asker, ask->number, ask->rc, err_text(ask->rc),
               &ask->burst);
    }
    hang_up(ask);
    mem_free(ask);
}

static void finish(struct link_ask *ask, int rc)
{
    ask->rc = rc;
    ask->is_on = false;
    io_timer_init(&ask->timer, on_over);
    io_timer_start(ask->daemon->io, &ask->timer, 0);
}

static void on_burst_done(struct burst *burst, int rc)
{
    finish(burst->arg, rc);
}

static void begin(struct link_ask *ask)
{
    struct daemon *d = ask->daemon;

    io_timer_stop(d->io, &ask->timer);
    ask->is_on = true;
    ask->burst = (struct burst){
        .io = d->io,
        .peer = ask->peer,
        .number = ask->number,
        .cpu_us = d->board == NULL ? board_cpu_us : NULL,
        .done = on_burst_done,
        .arg = ask,
    };
    burst_start(&ask->burst);
}

/* ---- peers ----------------------------------------------------------------
 */

void link_peer_up(struct daemon *d, const struct io_peer *peer)
{
    struct link_ask *ask = d->link_ask;

    if (ask != NULL && ask->peer == peer && ask->is_dialed && !ask->is_on &&
        ask->rc < 0) {
        begin(ask);
    }
}

void link_peer_gone(struct daemon *d, const struct io_peer *peer)
{
    struct link_ask *ask = d->link_ask;

    if (ask == NULL) {
        return;
    }
    if (ask->asker == peer) {
        ask->asker = NULL;
    }
    if (ask->peer != peer) {
        return;
    }
    if (ask->is_on) {
        burst_fail(&ask->burst, EDGE_ECLOSED);
    }
    if (!ask->is_dialed) {
        ask->peer = NULL; /* it is freed now */
    }
}

void link_free(struct daemon *d)
{
    struct link_ask *ask = d->link_ask;

    if (ask == NULL) {
        return;
    }
    if (ask->is_on) {
        burst_stop(&ask->burst);
    }
    io_timer_stop(d->io, &ask->timer);
    mem_free(ask);
    d->link_ask = NULL;
}

/* ---- messages -------------------------------------------------------------
 */

static struct io_peer *find(const struct daemon *d, const char *name)
{
    list_each(&d->peers, it, after)
    {
        struct visitor *v = list_entry(it, struct visitor, link);

        if (v->peer->role == EDGED__ROLE__ROLE_NODE && v->peer->up &&
            strcmp(v->peer->name, name) == 0) {
            return v->peer;
        }
    }
    return NULL;
}

static int connect_to(struct link_ask *ask, const Edged__NodeAddress *node,
                      struct err *err)
{
    struct daemon *d = ask->daemon;
    int rc;

    ask->peer = find(d, node->name);
    if (ask->peer != NULL) {
        begin(ask);
        return 0;
    }
    rc = io_dial(d->io, node->name, node->host, (int)node->port, &ask->peer,
                 err);
    if (rc == 0) {
        ask->is_dialed = true;
        ask->rc = EDGE_EUNREACHABLE; /* unless it comes up */
        io_timer_init(&ask->timer, on_over);
        io_timer_start(d->io, &ask->timer, DIAL_MS);
    }
    return rc;
}

void link_on_measure(struct daemon *d, struct io_peer *peer, struct msg *msg)
{
    const Edged__MeasureLink *from = msg->env->measure_link;
    struct link_ask *ask;
    struct err err;
    int rc;

    if (from->node == NULL || from->node->port > 65535) {
        io_hang_up(peer, EDGE_EPROTO, "a MeasureLink to no node");
        return;
    }
    ask = d->link_ask == NULL ? mem_new(struct link_ask) : NULL;
    if (ask == NULL) {
        answer(peer, from->number, EDGE_EBUSY, "it measures another link",
               NULL);
        return;
    }
    d->link_ask = ask;
    ask->daemon = d;
    ask->asker = peer;
    ask->number = from->number;
    rc = connect_to(ask, from->node, &err);
    if (rc < 0) {
        d->link_ask = NULL;
        answer(peer, from->number, rc, err.text, NULL);
        mem_free(ask);
    }
}

void link_on_burst(struct daemon *d, struct io_peer *peer, struct msg *msg)
{
    (void)d;
    burst_answer(peer, msg->env->burst);
}

void link_on_ack(struct daemon *d, struct io_peer *peer, struct msg *msg)
{
    if (d->link_ask != NULL && d->link_ask->is_on) {
        burst_on_ack(&d->link_ask->burst, peer, msg->env->burst_ack);
    }
}
