#include "coordinator/recovery_plan.h"

#include "base/failpoint.h"
#include "base/mem.h"
#include "coordinator/rollout.h"

#include <stdio.h>
#include <string.h>

/* After the start nobody is lost yet: they are only not back. */
#define GRACE_MS 3000
/* A daemon that crashed is back within a second, with its shards. */
#define URGENT_MS 1000
/* Then callers are told. */
#define VERDICT_MS 3200
/* The same while a holder is there, but slow, stuck (its supervisor restarts
 * it within 15 s) or still reading its shards. */
#define HOPE_MS 15000
/* Fewer than wanted for so long: not a restart. */
#define REPAIR_MS 10000
/* Nothing is lost, it could only be better. */
#define IMPROVE_MS 2000
#define LOOK_MS 100 /* while something is broken */
#define RETRY_MS 1000
#define RETRY_DOUBLINGS 8
#define SHY_MS 30000
#define FLAP_MS 60000 /* up for less than that and lost again */

/* ---- members ------------------------------------------------------------- */

void recovery_member_up(struct coordinator *c, struct member *m)
{
    m->steady.up_us = io_now_us(c->io);
    recovery_poke(c);
}

void recovery_member_down(struct coordinator *c, struct member *m)
{
    uint64_t now = io_now_us(c->io);

    if (m->steady.up_us != 0 &&
        now - m->steady.up_us < (uint64_t)FLAP_MS * 1000) {
        m->steady.flaps++;
    } else if (m->steady.up_us != 0) {
        m->steady.flaps = 0;
    }
    m->steady.up_us = 0;
    recovery_poke(c);
}

/* ---- the verdict --------------------------------------------------------- */

const char *recovery_verdict(const struct deployment *d)
{
    return d->recovery.verdict[0] != '\0' ? d->recovery.verdict : NULL;
}

static void give_verdict(struct deployment *d, const char *text)
{
    if (d->recovery.verdict[0] == '\0') {
        log_event(d->c->log, LOG_ERROR, "deployment.unavailable", "err=\"%s\"",
                  text);
        event_note(d->c, EVENT_RECOVERY, "", "%s", text);
    }
    (void)snprintf(d->recovery.verdict, sizeof(d->recovery.verdict), "%s",
                   text);
    gateway_refuse(d->current, d->recovery.verdict);
}

static void mend(struct deployment *d)
{
    if (d->recovery.verdict[0] != '\0') {
        log_event(d->c->log, LOG_INFO, "deployment.back", "name=%s", d->name);
        event_note(d->c, EVENT_RECOVERY, "", "%s answers again", d->name);
    }
    d->recovery.verdict[0] = '\0';
    d->recovery.broken_us = 0;
}

/* The last that was heard of anybody who held the stage. */
static uint64_t lost_us(const struct placement *p, size_t stage)
{
    const Edged__Place *place = p->spec->places[stage];
    uint64_t now = io_now_us(p->c->io);
    uint64_t last = p->c->started_us;

    for (size_t k = 0; k < place->n_nodes; k++) {
        const struct member *m = members_find(p->c, place->nodes[k]);
        uint64_t seen = m != NULL ? members_seen_us(m) : 0;

        if (m != NULL && seen == 0) {
            seen = m->down_us; /* it is on a new connection */
        }
        if (m != NULL && members_state(p->c, m) == MEMBER_UP) {
            return now; /* it is there, its shard is not */
        }
        last = seen > last ? seen : last;
    }
    return last;
}

/* ---- beginning ----------------------------------------------------------- */

static void note_failure(struct recovery *r, uint64_t now, const char *why)
{
    uint32_t n = r->fails < RETRY_DOUBLINGS ? r->fails : RETRY_DOUBLINGS;

    r->fails++;
    r->retry_us = now + (((uint64_t)RETRY_MS * 1000) << n);
    (void)snprintf(r->last_failure, sizeof(r->last_failure), "%s", why);
}

void recovery_ended(struct deployment *d, int rc, const char *text,
                    struct member *blamed)
{
    uint64_t now = io_now_us(d->c->io);

    if (rc == 0) {
        event_note(d->c, EVENT_RECOVERY, "", "%s goes on in epoch %u", d->name,
                   d->current->epoch);
        d->recovery.fails = 0;
        d->recovery.last_failure[0] = '\0';
        d->recovery.better_us = 0;
    } else if (rc != EDGE_ESTALE) { /* it gave way: nobody failed */
        note_failure(&d->recovery, now, text);
        event_note(d->c, EVENT_RECOVERY, blamed != NULL ? blamed->name : "",
                   "placing %s again failed: %s", d->name, text);
        if (blamed != NULL) {
            blamed->steady.shy_us = now + (uint64_t)SHY_MS * 1000;
        }
    }
    recovery_poke(d->c);
}

static void begin(struct deployment *d, const struct recovery_plan *plan,
                  bool is_urgent)
{
    Edged__Placement *spec = NULL;

    if (recovery_plan_spec(plan, &spec) < 0 ||
        rollout_again(d, spec, is_urgent) < 0) {
        if (spec != NULL) {
            edged__placement__free_unpacked(spec, NULL);
        }
        note_failure(&d->recovery, io_now_us(d->c->io), "out of memory");
        return;
    }
    log_event(d->c->log, LOG_WARN, "recovery.begun", "deployment=%s urgent=%d",
              d->name, is_urgent);
    event_note(d->c, EVENT_RECOVERY, "",
               is_urgent ? "a stage of %s has no device left: placing it again"
                         : "spreading %s over the devices that are there",
               d->name);
}

/* ---- looking ------------------------------------------------------------- */

static bool may_begin(const struct deployment *d)
{
    uint64_t now = io_now_us(d->c->io);

    return d->rollout == NULL && !DEFENCE_OFF("place-again") &&
           now >= d->recovery.retry_us &&
           now - d->c->started_us >= (uint64_t)GRACE_MS * 1000;
}

static bool is_all_gone(const struct placement *p)
{
    for (size_t i = 0; i < p->spec->n_places; i++) {
        if (!placement_may_lack(p, i) && recovery_is_gone(p, i)) {
            return true;
        }
    }
    return false;
}

/* Requests wait while there is hope: for a daemon that restarts, for one that
 * is slow or stuck but there, for a recovery that is under way or may begin. */
static void look_at_broken(struct deployment *d, size_t stage)
{
    struct placement *p = d->current;
    uint64_t now = io_now_us(d->c->io);
    bool is_gone = is_all_gone(p) || placement_may_lack(p, stage);
    uint64_t waited;
    struct recovery_plan plan;
    char text[600];

    if (d->recovery.broken_us == 0) {
        d->recovery.broken_us = lost_us(p, stage);
    }
    waited = now - d->recovery.broken_us;
    if (d->rollout != NULL && d->rollout->is_replan) {
        rollout_yield(d->rollout, "a stage has no device left");
    }
    if ((d->rollout != NULL && d->rollout->is_recovery) ||
        waited < (uint64_t)URGENT_MS * 1000 ||
        recovery_plan_make(&plan, d, true) < 0) {
        return;
    }
    /* A view is where it is sensed: there is nowhere else to place it. */
    if (plan.rc == 0 && is_gone && may_begin(d) &&
        p->spec->places[stage]->view == 0) {
        begin(d, &plan, true);
    } else if (waited >= (uint64_t)(is_gone ? VERDICT_MS : HOPE_MS) * 1000 &&
               (plan.rc < 0 || d->recovery.fails > 0 || d->rollout != NULL ||
                p->spec->places[stage]->view > 0 ||
                DEFENCE_OFF("place-again"))) {
        recovery_plan_explain(&plan, stage, text, sizeof(text));
        give_verdict(d, text);
    }
    recovery_plan_free(&plan);
}

static bool is_anyone_leaving(const struct deployment *d)
{
    list_each(&d->c->placements, it, after)
    {
        const struct placement *p = list_entry(it, struct placement, link);

        if (p->leaving && p->deployment == d) {
            return true;
        }
    }
    return false;
}

static bool is_background_busy(const struct coordinator *c)
{
    for (const struct list *it = c->rollouts.next; it != &c->rollouts;
         it = it->next) {
        const struct rollout *r = list_entry(it, struct rollout, link);

        if (!r->is_recovery || !r->is_urgent) {
            return true; /* one thing at a time */
        }
    }
    return false;
}

static bool is_anyone_lost(const struct placement *p)
{
    for (size_t i = 0; i < p->n_seats; i++) {
        if (!members_is_ready(p->seats[i].member) ||
            p->seats[i].state != SEAT_READY) {
            return true;
        }
    }
    return false;
}

/* Everything answers; it may only be better. */
static void look_at_whole(struct deployment *d)
{
    uint64_t now = io_now_us(d->c->io);
    struct recovery_plan plan;
    uint64_t patience_ms;

    mend(d);
    if (!may_begin(d) || is_anyone_leaving(d) ||
        recovery_plan_make(&plan, d, false) < 0) {
        return;
    }
    patience_ms = is_anyone_lost(d->current) ? REPAIR_MS : IMPROVE_MS;
    if (!recovery_plan_is_better(&plan)) {
        d->recovery.better_us = 0;
    } else if (d->recovery.better_us == 0) {
        d->recovery.better_us = now;
    } else if (now - d->recovery.better_us >= patience_ms * 1000 &&
               !is_background_busy(d->c)) {
        begin(d, &plan, false);
    }
    recovery_plan_free(&plan);
}

/* The daemon came back before the recovery was through: nothing is needed any
 * more. */
static void look_at_urgent(struct deployment *d)
{
    struct rollout *r = d->rollout;

    if (r != NULL && r->is_recovery && r->is_urgent &&
        r->step == ROLLOUT_INSTALLING) {
        rollout_yield(r, "its devices are back");
    }
}

static bool look_at(struct deployment *d)
{
    size_t stage;

    if (d->current == NULL || d->is_leaving) {
        return false;
    }
    stage = recovery_find_broken(d->current);
    if (stage < d->current->spec->n_places) {
        look_at_broken(d, stage);
        return true;
    }
    look_at_urgent(d);
    look_at_whole(d);
    return false;
}

void recovery_tick(struct coordinator *c)
{
    bool is_broken = false;

    list_each(&c->deployments, it, after)
    {
        is_broken |= look_at(list_entry(it, struct deployment, link));
    }
    if (is_broken && !c->closing) {
        io_timer_start(c->io, &c->recovery, LOOK_MS);
    }
}

static void on_timer(struct io_timer *timer)
{
    struct coordinator *c = container_of(timer, struct coordinator, recovery);

    if (!c->closing) {
        recovery_tick(c);
    }
}

void recovery_init(struct coordinator *c)
{
    c->started_us = io_now_us(c->io);
    io_timer_init(&c->recovery, on_timer);
}

/* A turn later: whoever says so is in the middle of something. */
void recovery_poke(struct coordinator *c)
{
    if (!c->closing) {
        io_timer_start(c->io, &c->recovery, 0);
    }
}

/* It may say that a stage has a holder again. */
void recovery_on_beat(struct coordinator *c)
{
    list_each(&c->deployments, it, after)
    {
        if (list_entry(it, struct deployment, link)->recovery.broken_us != 0) {
            recovery_poke(c);
        }
    }
}

void recovery_stop(struct coordinator *c)
{
    io_timer_stop(c->io, &c->recovery);
}

void recovery_yield(struct deployment *d)
{
    if (d->rollout != NULL && d->rollout->is_recovery) {
        rollout_yield(d->rollout, "a deploy takes precedence");
    }
}

void recovery_describe(const struct deployment *d, char *out, size_t size)
{
    const struct rollout *r = d->rollout;

    out[0] = '\0';
    if (d->recovery.verdict[0] != '\0') {
        (void)snprintf(out, size, "%s", d->recovery.verdict);
    } else if (r != NULL && r->is_recovery) {
        (void)snprintf(out, size, "%s",
                       r->is_replan   ? "being planned again"
                       : r->is_urgent ? "being placed on other devices now"
                                      : "being spread over more devices");
    }
}
