/*
 * The coordinator does not hear a node and asks whether we do. Where there is
 * a connection its beats tell; otherwise the node is dialed, and its Hello
 * tells: that a connection comes about proves nothing, for the kernel of a
 * process that stands still accepts it.
 */
#include "daemon/parts.h"

#include "base/mem.h"

#include <string.h>

#define PROBES_MAX 16
#define DIAL_MS 1000  /* for a Hello */
#define FRESH_MS 1000 /* heard so lately: it is there */

struct probe {
    struct list link;
    struct daemon *daemon;
    uint32_t number;
    struct io_peer *peer; /* dialed */
    bool heard;
    struct io_timer timer;
};

static void answer(struct daemon *d, uint32_t number, bool heard,
                   uint64_t silent_ms)
{
    Edged__Envelope env = EDGED__ENVELOPE__INIT;
    Edged__ProbeReply reply = EDGED__PROBE_REPLY__INIT;

    reply.number = number;
    reply.heard = heard;
    reply.silent_ms = (uint32_t)silent_ms;
    env.body_case = EDGED__ENVELOPE__BODY_PROBE_REPLY;
    env.probe_reply = &reply;
    if (d->coordinator != NULL) {
        (void)io_send(d->coordinator, &env, NULL);
    }
}

static void probe_free(struct probe *probe)
{
    struct daemon *d = probe->daemon;

    io_timer_stop(d->io, &probe->timer);
    if (probe->peer->up) {
        route_peer_down(d, probe->peer);
    }
    io_undial(probe->peer);
    list_unlink(&probe->link);
    d->n_probes--;
    mem_free(probe);
}

/* It has said Hello, or its time is up. */
static void on_timer(struct io_timer *timer)
{
    struct probe *probe = container_of(timer, struct probe, timer);

    answer(probe->daemon, probe->number, probe->heard,
           probe->heard ? 0 : DIAL_MS);
    probe_free(probe);
}

void probe_peer_up(struct daemon *d, const struct io_peer *peer)
{
    list_each(&d->probes, it, after)
    {
        struct probe *probe = list_entry(it, struct probe, link);

        if (probe->peer == peer) {
            probe->heard = true;
            /* Not from inside its own callback. */
            io_timer_start(d->io, &probe->timer, 0);
        }
    }
}

static void dial(struct daemon *d, const Edged__Probe *from)
{
    struct probe *probe =
        d->n_probes < PROBES_MAX ? mem_new(struct probe) : NULL;
    struct err err;

    if (probe == NULL) {
        return; /* no answer: nothing is known */
    }
    if (io_dial(d->io, from->node->name, from->node->host,
                (int)from->node->port, &probe->peer, &err) < 0) {
        mem_free(probe);
        return;
    }
    probe->daemon = d;
    probe->number = from->number;
    list_push(&d->probes, &probe->link);
    d->n_probes++;
    io_timer_init(&probe->timer, on_timer);
    io_timer_start(d->io, &probe->timer, DIAL_MS);
}

static const struct visitor *find(const struct daemon *d, const char *name)
{
    list_each(&d->peers, it, after)
    {
        const struct visitor *v = list_entry(it, struct visitor, link);

        if (v->peer->role == EDGED__ROLE__ROLE_NODE &&
            strcmp(v->peer->name, name) == 0) {
            return v;
        }
    }
    return NULL;
}

void probe_on_probe(struct daemon *d, struct io_peer *peer, struct msg *msg)
{
    const Edged__Probe *probe = msg->env->probe;
    const struct visitor *v;
    uint64_t silent_ms;

    if (probe->node == NULL || probe->node->port > 65535) {
        io_hang_up(peer, EDGE_EPROTO, "a Probe of no node");
        return;
    }
    v = find(d, probe->node->name);
    if (v == NULL) {
        dial(d, probe);
        return;
    }
    silent_ms = pulse_silent_us(&v->pulse) / 1000;
    answer(d, probe->number, silent_ms < FRESH_MS, silent_ms);
}

void probe_free_all(struct daemon *d)
{
    list_each(&d->probes, it, after)
    {
        struct probe *probe = list_entry(it, struct probe, link);

        list_unlink(it);
        mem_free(probe);
    }
}
