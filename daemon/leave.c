/*
 * No more work for this node: because the coordinator drains it, or because
 * it leaves.
 *
 *   drained   Epochs says so, and says when it is over
 *   leaving   SIGTERM, or Leave from the coordinator
 *
 *   1. A beat says it at once: senders choose others from then on.
 *   2. Work that still comes is declined, and its sender goes elsewhere. What
 *      is here goes on, from shard to shard of this node too.
 *   3. Leaving: nothing is in hand and nothing waits to be written, at the
 *      earliest after LEAVE_LEAST_MS, at the latest after DRAIN_MS: left().
 *
 *   a second SIGTERM: left() at once
 */
#include "daemon/parts.h"

#include "base/failpoint.h"

#define LOOK_MS 20
#define LEAVE_LEAST_MS 100 /* what was sent before the beat was heard comes */

bool leave_declines(const struct daemon *d)
{
    return d->drained || d->leaving_us != 0;
}

static void say(struct daemon *d)
{
    relay_find(&d->relay, d->name)->leaving = leave_declines(d);
    beat_now(d);
}

void leave_drain(struct daemon *d, bool on)
{
    if (d->drained != on) {
        d->drained = on;
        log_event(d->log, LOG_INFO, on ? "node.drained" : "node.undrained",
                  "in_hand=%zu", d->n_live);
        say(d);
    }
}

static bool is_written(const struct daemon *d)
{
    list_each(&d->peers, it, after)
    {
        if (list_entry(it, struct visitor, link)->peer->queued > 0) {
            return false;
        }
    }
    return true;
}

static void finish(struct daemon *d)
{
    log_event(d->log, LOG_INFO, "node.left", "in_hand=%zu after_ms=%llu",
              d->n_live,
              (unsigned long long)(io_now_us(d->io) - d->leaving_us) / 1000);
    io_timer_stop(d->io, &d->leave);
    d->left(d->left_arg);
}

static void on_look(struct io_timer *timer)
{
    struct daemon *d = container_of(timer, struct daemon, leave);
    uint64_t ms = (io_now_us(d->io) - d->leaving_us) / 1000;

    if (ms >= DRAIN_MS ||
        (ms >= LEAVE_LEAST_MS && d->n_live == 0 && is_written(d))) {
        finish(d);
    } else {
        io_timer_start(d->io, timer, LOOK_MS);
    }
}

void daemon_leave(struct daemon *d)
{
    if (d->left == NULL) {
        return; /* there is no process that could end */
    }
    if (d->leaving_us != 0 || DEFENCE_OFF("drain")) {
        d->leaving_us = d->leaving_us != 0 ? d->leaving_us : io_now_us(d->io);
        finish(d);
        return;
    }
    d->leaving_us = io_now_us(d->io);
    log_event(d->log, LOG_INFO, "node.leaving", "in_hand=%zu", d->n_live);
    say(d);
    io_timer_init(&d->leave, on_look);
    io_timer_start(d->io, &d->leave, LOOK_MS);
}

void leave_on_leave(struct daemon *d, struct io_peer *peer, struct msg *msg)
{
    (void)peer;
    (void)msg;
    if (d->leaving_us == 0) {
        daemon_leave(d);
    }
}

void leave_stop(struct daemon *d)
{
    io_timer_stop(d->io, &d->leave);
}
