/*
 * Frames that come twice or out of order, at the seam: what resending over
 * several connections can do to Data and what answers it, only more of it.
 */
#include "tests/lib/fleet_inner.h"

#include "base/mem.h"

#include <string.h>

#define HELD_MS 400 /* a frame comes up to so much later */

struct held { /* a frame that is overtaken by later ones */
    struct list link;
    struct fleet_process *process;
    struct io_peer *peer;
    struct msg msg;
    struct io_timer timer;
};

static bool is_disturbed(const struct io_peer *peer, const struct msg *msg)
{
    switch (msg->env->body_case) {
    case EDGED__ENVELOPE__BODY_DATA:
    case EDGED__ENVELOPE__BODY_ACK:
    case EDGED__ENVELOPE__BODY_NACK:
        return peer->role != EDGED__ROLE__ROLE_CLIENT;
    default: return false;
    }
}

static void held_free(struct held *held)
{
    io_timer_stop(held->peer->io, &held->timer);
    list_unlink(&held->link);
    msg_deinit(&held->msg);
    mem_free(held);
}

static void on_due(struct io_timer *timer)
{
    struct held *held = container_of(timer, struct held, timer);
    struct fleet_process *process = held->process;

    list_unlink(&held->link);
    process->events.on_message(process->io->arg, held->peer, &held->msg);
    held_free(held);
}

/* True: it is kept, and *msg is empty now. */
static bool hold_back(struct fleet_process *process, struct io_peer *peer,
                      struct msg *msg)
{
    struct held *held = mem_new(struct held);

    if (held == NULL) {
        return false;
    }
    held->process = process;
    held->peer = peer;
    held->msg = *msg;
    memset(msg, 0, sizeof(*msg));
    list_init(&held->link);
    list_push(&process->held, &held->link);
    io_timer_init(&held->timer, on_due);
    io_timer_start(process->io, &held->timer,
                   1 + sim_random(process->fleet->sim, HELD_MS));
    return true;
}

static bool draw(struct fleet_process *process, unsigned percent)
{
    return percent > 0 && sim_random(process->fleet->sim, 100) < percent;
}

static void on_message(void *arg, struct io_peer *peer, struct msg *msg)
{
    struct fleet_process *process = fleet_process_of(peer->io);

    if (is_disturbed(peer, msg)) {
        if (draw(process, process->fleet->twice_percent)) {
            process->fleet->n_twice++;
            process->events.on_message(arg, peer, msg);
        }
        if (draw(process, process->fleet->late_percent) &&
            hold_back(process, peer, msg)) {
            process->fleet->n_late++;
            return;
        }
    }
    process->events.on_message(arg, peer, msg);
}

/* Frames of a connection end with it. */
static void forget(struct fleet_process *process, const struct io_peer *peer)
{
    list_each(&process->held, it, after)
    {
        struct held *held = list_entry(it, struct held, link);

        if (peer == NULL || held->peer == peer) {
            held_free(held);
        }
    }
}

static void on_down(void *arg, struct io_peer *peer, int rc, const char *why)
{
    struct fleet_process *process = fleet_process_of(peer->io);

    forget(process, peer);
    process->events.on_down(arg, peer, rc, why);
}

static void op_undial(struct io_peer *peer)
{
    struct fleet_process *process = fleet_process_of(peer->io);

    forget(process, peer);
    process->real->undial(peer);
}

void fleet_noise_start(struct fleet_process *process)
{
    list_init(&process->held);
    process->events = process->io->events;
    process->io->events.on_message = on_message;
    process->io->events.on_down = on_down;
    process->ops.undial = op_undial;
}

void fleet_noise_end(struct fleet_process *process)
{
    forget(process, NULL);
}
