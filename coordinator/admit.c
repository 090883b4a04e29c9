/*
 * Which requests the gateway takes on. Better refused at once, with a word on
 * when to try again, than kept until its deadline has passed.
 */
#include "coordinator/parts.h"

#include "base/failpoint.h"

#define RETRY_AFTER_MIN_MS 50
#define RETRY_AFTER_MAX_MS 5000

/* Microseconds that what is under way keeps the slowest stage busy; 0: not
 * known. */
static uint64_t backlog_us(const struct placement *p)
{
    uint64_t slowest_us = 0;

    for (size_t i = 0; i < p->spec->n_places; i++) {
        uint64_t us =
            relay_pace_us(&p->c->relay, p->epoch, p->spec->places[i]->shard);

        slowest_us = us > slowest_us ? us : slowest_us;
    }
    return slowest_us * p->in_flight;
}

/* As much again as the smallest stage has room for may wait here. A replica
 * that dies under load takes its part of the speed with it, not of this room:
 * what it had comes back to those that are left, and what comes until it is
 * back may wait (P1); is_in_time() sees that it does not wait for too long. A
 * stage that nobody works on now bounds nothing: its requests wait for
 * somebody to come back, or for another placement. */
static bool has_room(const struct placement *p)
{
    for (size_t i = 0; i < p->spec->n_places; i++) {
        size_t most =
            relay_capacity(&p->c->relay, p->epoch, p->spec->places[i]->shard);

        if (most > 0 && p->in_flight >= 2 * most) {
            return false;
        }
    }
    return p->c->n_requests < LIMIT_GATEWAY_WINDOW;
}

/* Better refused now than dropped when its deadline has passed. Half of the
 * time that is left: computing is not all that a request needs. */
static bool is_in_time(const struct placement *p, uint32_t deadline_ms)
{
    return backlog_us(p) <= (uint64_t)deadline_ms * 1000 / 2;
}

bool admit(const struct placement *p, bool stays, uint32_t deadline_ms)
{
    if (DEFENCE_OFF("queue-bound")) {
        return true;
    }
    if (stays) { /* a golden input: those that wait may wait for it */
        return p->c->n_requests < LIMIT_GATEWAY_WINDOW + LIMIT_REPLICAS;
    }
    return has_room(p) && is_in_time(p, deadline_ms);
}

uint32_t admit_retry_ms(const struct placement *p)
{
    uint64_t ms = backlog_us(p) / 2000;

    return ms < RETRY_AFTER_MIN_MS   ? RETRY_AFTER_MIN_MS
           : ms < RETRY_AFTER_MAX_MS ? (uint32_t)ms
                                     : RETRY_AFTER_MAX_MS;
}
