#include "net/hub.h"

#include "net/conn.h"
#include "net/dialer.h"
#include "net/peer.h"

#define SWEEP_MS 250

static void on_sweep(struct io_timer *timer)
{
    struct hub *hub = container_of(timer, struct hub, sweep);
    uint64_t now_us = io_now_us(&hub->io);
    uint64_t passed_us = now_us - hub->swept_us;

    hub->swept_us = now_us;
    hub->clock_us +=
        passed_us < 2 * SWEEP_MS * 1000 ? passed_us : 2 * SWEEP_MS * 1000;
    list_each(&hub->conns, it, after)
    {
        conn_sweep(list_entry(it, struct conn, link));
    }
    if (!list_is_empty(&hub->conns)) {
        io_timer_start(&hub->io, timer, SWEEP_MS);
    }
}

void hub_start_sweep(struct hub *hub)
{
    if (list_is_empty(&hub->sweep.link)) {
        hub->swept_us = io_now_us(&hub->io);
        io_timer_start(&hub->io, &hub->sweep, SWEEP_MS);
    }
}

void hub_init(struct hub *hub, const struct io_identity *identity,
              const struct transport *transport)
{
    bool is_coordinator = identity->role == EDGED__ROLE__ROLE_COORDINATOR;

    hub->identity = identity;
    hub->transport = transport;
    hub->clock_us = 1; /* 0 means never */
    hub->limits = (struct hub_limits){
        .hello_ms = HELLO_MS,
        .frame_ms = FRAME_MS,
        .frame_rate = FRAME_RATE,
        .stuck_ms = STUCK_WRITE_MS,
        .leave_ms = 1000 - SWEEP_MS,
        .strangers = LIMIT_UNAUTH_CONNS,
        .accepted = is_coordinator ? LIMIT_COORD_CONNS : LIMIT_DAEMON_CONNS,
        .per_ip = LIMIT_IP_CONNS,
        .join_ms = JOIN_MS,
    };
    list_init(&hub->conns);
    list_init(&hub->peers);
    io_timer_init(&hub->sweep, on_sweep);
}

void hub_deinit(struct hub *hub)
{
    list_each(&hub->peers, it, after)
    {
        peer_free(list_entry(it, struct peer, link));
    }
}

static void mute(struct hub *hub)
{
    hub->muted = true;
    list_each(&hub->peers, it, after)
    {
        struct peer *peer = list_entry(it, struct peer, link);

        peer->base.up = false;
        if (peer->base.dialed) {
            dialer_stop(peer);
        }
    }
}

void hub_leave(struct hub *hub)
{
    mute(hub);
    list_each(&hub->conns, it, after)
    {
        conn_leave(list_entry(it, struct conn, link), EDGE_ECLOSED,
                   "the process stops");
    }
}

void hub_break(struct hub *hub)
{
    mute(hub);
    list_each(&hub->conns, it, after)
    {
        conn_break(list_entry(it, struct conn, link), EDGE_ECLOSED, "stopped");
    }
}
