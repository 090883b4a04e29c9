/*
 * Faults on purpose, as the coordinator asks for them. Each ends by its own
 * timer here, whatever becomes of the coordinator meanwhile.
 *
 *   1. Fault comes, is checked, gets a timer, and is in force.
 *   2. FaultReply says so. Kill and pause wait a moment first, so that it gets
 *      out before the process stands still.
 *   3. The timer, or a FaultClear, ends it. Nothing is left.
 *
 * Frames meet `filter` (net/fault.h) while there is a fault of links; runs
 * are stretched while there is one that slows; kill and pause are the
 * process's own business (daemon.h).
 */
#include "daemon/parts.h"

#include "base/mem.h"
#include "net/fault.h"
#include "relay/fault_spec.h"

#include <stdio.h>
#include <string.h>

#define REPLY_MS 50 /* for the reply to get out */

struct fault_on { /* a fault in force */
    struct list link;
    struct daemon *daemon;
    struct fault_spec spec;
    struct io_timer timer;
    uint64_t began_us;
};

struct faults {
    struct fault_filter filter; /* first */
    struct daemon *daemon;
    struct list all; /* struct fault_on */
    size_t n;
};

/* ---- what they do ---------------------------------------------------------
 */

static bool is_of_links(const struct fault_spec *spec)
{
    return spec->kind == EDGED__FAULT_KIND__FAULT_DROP ||
           spec->kind == EDGED__FAULT_KIND__FAULT_PARTITION ||
           spec->kind == EDGED__FAULT_KIND__FAULT_CORRUPT;
}

static bool concerns(const struct fault_spec *spec, const char *peer, bool out)
{
    Edged__FaultWay other =
        out ? EDGED__FAULT_WAY__FAULT_IN : EDGED__FAULT_WAY__FAULT_OUT;

    if (spec->way == other) {
        return false;
    }
    for (size_t i = 0; i < spec->n_peers; i++) {
        if (strcmp(spec->peers[i], peer) == 0) {
            return true;
        }
    }
    return spec->n_peers == 0;
}

static bool is_hit(const struct faults *faults, const struct fault_spec *spec)
{
    return io_random(faults->daemon->io) % 1000 < spec->permille;
}

static enum fault_fate fate_by(const struct faults *faults,
                               const struct fault_spec *spec, const char *peer,
                               bool out)
{
    if (!is_of_links(spec) || !concerns(spec, peer, out)) {
        return FAULT_PASS;
    }
    if (spec->kind == EDGED__FAULT_KIND__FAULT_PARTITION) {
        return FAULT_LOSE;
    }
    if (!is_hit(faults, spec)) {
        return FAULT_PASS;
    }
    if (spec->kind == EDGED__FAULT_KIND__FAULT_DROP) {
        return FAULT_LOSE;
    }
    return out ? FAULT_SPOIL : FAULT_PASS;
}

/* The worst that any of them does. */
static enum fault_fate on_frame(struct fault_filter *filter, const char *peer,
                                bool out)
{
    struct faults *faults = (struct faults *)(void *)filter;
    enum fault_fate worst = FAULT_PASS;

    list_each(&faults->all, it, after)
    {
        struct fault_on *on = list_entry(it, struct fault_on, link);
        enum fault_fate fate = fate_by(faults, &on->spec, peer, out);

        if (fate == FAULT_LOSE) {
            return FAULT_LOSE;
        }
        worst = fate != FAULT_PASS ? fate : worst;
    }
    return worst;
}

static bool is_cut(struct fault_filter *filter, const char *peer, bool out)
{
    struct faults *faults = (struct faults *)(void *)filter;

    list_each(&faults->all, it, after)
    {
        struct fault_on *on = list_entry(it, struct fault_on, link);

        if (on->spec.kind == EDGED__FAULT_KIND__FAULT_PARTITION &&
            concerns(&on->spec, peer, out)) {
            return true;
        }
    }
    return false;
}

/* The slowest of them counts. */
void fault_stretch(const struct daemon *d, struct io_stretch *stretch)
{
    *stretch = (struct io_stretch){0};
    list_each(&d->faults->all, it, after)
    {
        const struct fault_spec *spec =
            &list_entry(it, struct fault_on, link)->spec;
        uint32_t least_us =
            spec->rate_milli > 0 ? 1000000000 / spec->rate_milli : 0;

        if (spec->factor_percent > stretch->percent) {
            stretch->percent = spec->factor_percent;
        }
        if (spec->extra_ms * 1000 > stretch->extra_us) {
            stretch->extra_us = spec->extra_ms * 1000;
        }
        if (least_us > stretch->least_us) {
            stretch->least_us = least_us;
        }
    }
}

/* ---- beginning and end ----------------------------------------------------
 */

static void review_filter(struct faults *faults)
{
    struct io *io = faults->daemon->io;

    io->filter = NULL;
    list_each(&faults->all, it, after)
    {
        if (is_of_links(&list_entry(it, struct fault_on, link)->spec)) {
            io->filter = &faults->filter;
        }
    }
}

static void end(struct fault_on *on, const char *why)
{
    struct daemon *d = on->daemon;

    log_event(d->log, LOG_WARN, "fault.over", "id=%04x kind=%s why=%s",
              on->spec.id, fault_kind_name(on->spec.kind), why);
    io_timer_stop(d->io, &on->timer);
    list_unlink(&on->link);
    d->faults->n--;
    mem_free(on);
    review_filter(d->faults);
}

static void on_over(struct io_timer *timer)
{
    end(container_of(timer, struct fault_on, timer), "time");
}

/* The reply is out: now the process dies or stands still. */
static void on_strike(struct io_timer *timer)
{
    struct fault_on *on = container_of(timer, struct fault_on, timer);
    struct daemon *d = on->daemon;
    const struct daemon_process *process = d->process;
    uint32_t ms = on->spec.ms;

    if (on->spec.kind == EDGED__FAULT_KIND__FAULT_KILL) {
        process->kill(process->arg, ms); /* does not return */
    } else {
        process->pause(process->arg, ms);
    }
    end(on, "time");
}

static bool strikes(const struct fault_spec *spec)
{
    return spec->kind == EDGED__FAULT_KIND__FAULT_KILL ||
           spec->kind == EDGED__FAULT_KIND__FAULT_PAUSE;
}

static struct fault_on *find(const struct faults *faults, uint32_t id)
{
    list_each(&faults->all, it, after)
    {
        struct fault_on *on = list_entry(it, struct fault_on, link);

        if (on->spec.id == id) {
            return on;
        }
    }
    return NULL;
}

static int check(const struct daemon *d, const struct fault_spec *spec,
                 struct err *err)
{
    if (strcmp(spec->node, d->name) != 0) {
        return err_set(err, EDGE_EINVAL, "this is %s, not %s", d->name,
                       spec->node);
    }
    if (spec->id == 0 || find(d->faults, spec->id) != NULL) {
        return err_set(err, EDGE_EEXIST, "there is a fault %04x here already",
                       spec->id);
    }
    if (d->faults->n >= LIMIT_FAULTS) {
        return err_set(err, EDGE_EBUSY,
                       "%d faults are in force here, which "
                       "are the most",
                       LIMIT_FAULTS);
    }
    if (strikes(spec) && d->process == NULL) {
        return err_set(err, EDGE_EUNSUPPORTED,
                       "this daemon cannot stop its own process");
    }
    return 0;
}

static int begin(struct daemon *d, const struct fault_spec *spec,
                 struct err *err)
{
    struct fault_on *on;
    int rc = check(d, spec, err);

    if (rc < 0) {
        return rc;
    }
    on = mem_new(struct fault_on);
    if (on == NULL) {
        return err_set(err, EDGE_ENOMEM, "out of memory");
    }
    on->daemon = d;
    on->spec = *spec;
    on->began_us = io_now_us(d->io);
    list_init(&on->link);
    list_push(&d->faults->all, &on->link);
    d->faults->n++;
    log_event(d->log, LOG_WARN, "fault.begun", "id=%04x kind=%s ms=%u",
              spec->id, fault_kind_name(spec->kind), spec->ms);
    io_timer_init(&on->timer, strikes(spec) ? on_strike : on_over);
    io_timer_start(d->io, &on->timer, strikes(spec) ? REPLY_MS : spec->ms);
    review_filter(d->faults);
    return 0;
}

/* ---- messages -------------------------------------------------------------
 */

void fault_on_fault(struct daemon *d, struct io_peer *peer, struct msg *msg)
{
    Edged__Envelope env = EDGED__ENVELOPE__INIT;
    Edged__FaultReply reply = EDGED__FAULT_REPLY__INIT;
    struct fault_spec spec;
    struct err err;
    int rc = fault_spec_read(msg->env->fault, &spec, &err);

    if (rc == 0) {
        rc = begin(d, &spec, &err);
    }
    reply.code = rc;
    reply.text = rc < 0 ? err.text : reply.text;
    reply.fault = msg->env->fault;
    env.body_case = EDGED__ENVELOPE__BODY_FAULT_REPLY;
    env.fault_reply = &reply;
    (void)io_send(peer, &env, NULL); /* the coordinator waits with a limit */
}

void fault_on_clear(struct daemon *d, struct io_peer *peer, struct msg *msg)
{
    uint32_t id = msg->env->fault_clear->id;

    (void)peer;
    list_each(&d->faults->all, it, after)
    {
        struct fault_on *on = list_entry(it, struct fault_on, link);

        if (id == 0 || on->spec.id == id) {
            end(on, "cleared");
        }
    }
}

/* Says what is in force here, so that a coordinator that was started again
 * knows of it, and one that thinks there is more learns better. */
void fault_peer_up(struct daemon *d, struct io_peer *peer)
{
    Edged__Envelope env = EDGED__ENVELOPE__INIT;
    Edged__FaultList list = EDGED__FAULT_LIST__INIT;
    Edged__FaultState states[LIMIT_FAULTS];
    Edged__FaultState *state_list[LIMIT_FAULTS];
    Edged__Fault faults[LIMIT_FAULTS];
    char *peers[LIMIT_FAULTS][LIMIT_FAULT_PEERS];

    if (peer->role != EDGED__ROLE__ROLE_COORDINATOR) {
        return;
    }
    list_each(&d->faults->all, it, after)
    {
        struct fault_on *on = list_entry(it, struct fault_on, link);
        uint64_t age_us = io_now_us(d->io) - on->began_us;
        size_t i = list.n_faults++;

        edged__fault_state__init(&states[i]);
        fault_spec_out(&on->spec, &faults[i], peers[i]);
        states[i].fault = &faults[i];
        states[i].age_ms = (uint32_t)(age_us / 1000);
        states[i].left_ms =
            on->spec.ms > states[i].age_ms ? on->spec.ms - states[i].age_ms : 0;
        state_list[i] = &states[i];
    }
    list.faults = state_list;
    env.body_case = EDGED__ENVELOPE__BODY_FAULT_LIST;
    env.fault_list = &list;
    (void)io_send(peer, &env, NULL); /* the next connection says it again */
}

/* ---- life -----------------------------------------------------------------
 */

int fault_init(struct daemon *d)
{
    struct faults *faults = mem_new(struct faults);

    if (faults == NULL) {
        return EDGE_ENOMEM;
    }
    faults->filter = (struct fault_filter){on_frame, is_cut};
    faults->daemon = d;
    list_init(&faults->all);
    d->faults = faults;
    return 0;
}

void fault_end_all(struct daemon *d)
{
    list_each(&d->faults->all, it, after)
    {
        end(list_entry(it, struct fault_on, link), "stop");
    }
}

void fault_free(struct daemon *d)
{
    if (d->faults != NULL) {
        fault_end_all(d);
        mem_free(d->faults);
        d->faults = NULL;
    }
}
