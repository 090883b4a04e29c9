/*
 * The coordinator leaves: SIGTERM.
 *
 *   1. New requests and deploys are refused: a client that can asks again,
 *      and meets the coordinator that comes after this one.
 *   2. What is under way goes on: requests are answered, deploys finished.
 *   3. Nothing is under way and all replies are written, or DRAIN_MS are
 *      over: left().
 *
 *   a second SIGTERM: left() at once
 */
#include "coordinator/client.h"

#include "base/failpoint.h"
#include "coordinator/train/train.h"

#define LOOK_MS 20

bool leave_refuses(const struct coordinator *c)
{
    return c->leaving_us != 0;
}

static bool is_written(const struct coordinator *c)
{
    list_each(&c->clients, it, after)
    {
        const struct client *client = list_entry(it, struct client, link);

        if (client->n_replies > 0 || client->peer->queued > 0) {
            return false;
        }
    }
    return true;
}

static bool is_done(const struct coordinator *c)
{
    return c->n_requests == 0 && list_is_empty(&c->rollouts) &&
           list_is_empty(&c->undeploys) && list_is_empty(&c->node_asks) &&
           !train_is_busy(c) && is_written(c);
}

static void finish(struct coordinator *c)
{
    log_event(c->log, LOG_INFO, "coordinator.left",
              "in_flight=%zu after_ms=%llu", c->n_requests,
              (unsigned long long)(io_now_us(c->io) - c->leaving_us) / 1000);
    io_timer_stop(c->io, &c->leave);
    rollout_stop_all(c);
    c->left(c->left_arg);
}

static void on_look(struct io_timer *timer)
{
    struct coordinator *c = container_of(timer, struct coordinator, leave);

    if (is_done(c) ||
        io_now_us(c->io) - c->leaving_us >= (uint64_t)DRAIN_MS * 1000) {
        finish(c);
    } else {
        io_timer_start(c->io, timer, LOOK_MS);
    }
}

void coordinator_leave(struct coordinator *c)
{
    bool again = c->leaving_us != 0;

    if (!again) {
        c->leaving_us = io_now_us(c->io);
        event_note(c, EVENT_COORDINATOR, "", "leaving, %zu requests in flight",
                   c->n_requests);
    }
    if (again || DEFENCE_OFF("drain")) {
        finish(c);
        return;
    }
    io_timer_init(&c->leave, on_look);
    io_timer_start(c->io, &c->leave, LOOK_MS);
}
