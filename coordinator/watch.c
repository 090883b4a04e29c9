/*
 * Beats to and from the members, and what their absence means.
 *
 *   NEVER    not heard yet
 *   UP       beats come, and the compute strand gets on
 *   SUSPECT  nothing heard for SUSPECT_MS, or its strand is stuck: no new
 *            work, what is on its way is sent elsewhere; a beat ends it
 *   LOST     nothing heard for DEAD_MS, or the connection is broken
 *
 * When all members that are up fall silent at once it is the coordinator that
 * is cut off: it says so, and none of them counts as lost until it hears
 * somebody again and they have had time to come back.
 */
#include "coordinator/parts.h"
#include "coordinator/train/train.h"

#include "wire/throttle.h"

#include <stdio.h>
#include <string.h>

/* Redialing may have backed off that far while we were cut off. */
#define COME_BACK_MS (REDIAL_MAX_MS + DEAD_MS)

static bool is_unsure(const struct coordinator *c, const struct member *m)
{
    return m->unsure && (c->cut_off || io_now_us(c->io) - c->heard_again_us <
                                           (uint64_t)COME_BACK_MS * 1000);
}

enum member_state members_state(const struct coordinator *c,
                                const struct member *m)
{
    if (members_is_ready(m)) {
        return m->suspect != MEMBER_TRUSTED ? MEMBER_SUSPECT : MEMBER_UP;
    }
    if (is_unsure(c, m)) {
        return MEMBER_SUSPECT;
    }
    return m->down_us == 0 ? MEMBER_NEVER : MEMBER_LOST;
}

uint64_t members_seen_us(const struct member *m)
{
    return m->pulse.seen_us;
}

static unsigned long long silent_ms(const struct member *m)
{
    return pulse_silent_us(&m->pulse) / 1000;
}

void watch_lost(struct coordinator *c, struct member *m, const char *why)
{
    log_event(c->log, LOG_WARN, "node.dead",
              "node=%s silent_ms=%llu err=\"%s\"", m->name, silent_ms(m), why);
    m->unsure = c->cut_off;
    m->suspect = MEMBER_TRUSTED;
}

/* ---- doubts ---------------------------------------------------------------
 */

static void doubt(struct coordinator *c, struct member *m)
{
    m->suspect = m->pulse.stuck ? MEMBER_STUCK : MEMBER_SILENT;
    m->suspect_us = io_now_us(c->io);
    (void)snprintf(m->why, sizeof(m->why), "%s",
                   m->pulse.stuck ? "its computation does not get on"
                                  : "no beat has been heard both ways");
    log_event(c->log, LOG_WARN, "node.suspect", "node=%s why=%s silent_ms=%llu",
              m->name, m->pulse.stuck ? "stuck" : "silent", silent_ms(m));
    event_note(c, EVENT_SUSPECT, m->name, "%s", m->why);
    relay_node_suspect(&c->relay, m->node, true);
    recovery_poke(c);
    m->probe = PROBE_NONE;
    if (!m->pulse.stuck) {
        probe_ask(c, m);
    }
}

static void trust(struct coordinator *c, struct member *m)
{
    uint64_t after_us = io_now_us(c->io) - m->suspect_us;

    m->suspect = MEMBER_TRUSTED;
    m->probe = PROBE_NONE;
    m->why[0] = '\0';
    log_event(c->log, LOG_INFO, "node.back",
              "node=%s was=suspect after_ms=%llu", m->name,
              (unsigned long long)after_us / 1000);
    event_note(c, EVENT_BACK, m->name, "heard again after %.1f s",
               (double)after_us / 1e6);
    relay_node_suspect(&c->relay, m->node, false);
}

/* None is given up while we are the ones who are cut off, nor right after. */
static bool may_give_up(const struct coordinator *c)
{
    return !c->cut_off &&
           (c->heard_again_us == 0 ||
            io_now_us(c->io) - c->heard_again_us >= (uint64_t)DEAD_MS * 1000);
}

/* Silent: no new work. Silent for long: its connection is given up, whatever
 * TCP says of it. */
static void look_at(struct coordinator *c, struct member *m)
{
    pulse_arrives(&m->pulse, m->peer->received, m->peer->is_under_way,
                  io_now_us(c->io));
    switch (pulse_look(&m->pulse, NULL, io_now_us(c->io))) {
    case PULSE_DEAD:
        if (may_give_up(c)) {
            io_hang_up(m->peer, EDGE_ETIMEOUT, "no beat for 3 s");
        }
        break;
    case PULSE_SUSPECT:
        if (m->suspect == MEMBER_TRUSTED) {
            doubt(c, m);
        }
        break;
    case PULSE_FINE:
        if (m->suspect != MEMBER_TRUSTED) {
            trust(c, m);
        }
        break;
    }
}

/* With a single member nobody can tell which end is cut off. */
static bool are_all_silent(struct coordinator *c)
{
    size_t n_up = 0;
    size_t n_silent = 0;

    list_each(&c->members, it, after)
    {
        const struct member *m = list_entry(it, struct member, link);

        n_up += members_is_ready(m);
        n_silent += members_is_ready(m) && m->suspect == MEMBER_SILENT;
    }
    return n_up >= 2 && n_up == n_silent;
}

static void note_cut_off(struct coordinator *c)
{
    if (!c->cut_off && are_all_silent(c)) {
        c->cut_off = true;
        log_event(c->log, LOG_ERROR, "coordinator.cut_off",
                  "err=\"every device has fallen silent at once: it is this "
                  "machine's network\"");
    }
}

static void note_heard(struct coordinator *c, const struct member *m)
{
    if (c->cut_off) {
        c->cut_off = false;
        c->heard_again_us = io_now_us(c->io);
        log_event(c->log, LOG_INFO, "coordinator.heard_again", "node=%s",
                  m->name);
    }
}

/* ---- beats ----------------------------------------------------------------
 */

/* A Retire may be lost with a full queue: what should be gone is named. */
static bool names_unknown(struct coordinator *c, const Edged__Beat *beat)
{
    for (size_t i = 0; i < beat->n_shards; i++) {
        if (beat->shards[i]->ready &&
            placement_find(c, beat->shards[i]->epoch) == NULL) {
            return true;
        }
    }
    return false;
}

static void note_heat(struct coordinator *c, struct member *m,
                      uint32_t throttled)
{
    const char *text = throttle_text(throttled);

    if (strcmp(text, throttle_text(m->throttled)) != 0) {
        log_event(c->log, text[0] != '\0' ? LOG_WARN : LOG_INFO,
                  text[0] != '\0' ? "node.throttled" : "node.cool",
                  "node=%s why=\"%s\" temperature_c=%.0f", m->name, text,
                  m->temperature_mc / 1e3);
    }
    m->throttled = throttled;
}

static void note_beat(struct coordinator *c, struct member *m,
                      const Edged__Beat *beat)
{
    uint32_t rtt_us =
        pulse_seen(&m->pulse, beat, c->beat_seq, io_now_us(c->io));

    m->peer->rtt_us = rtt_us != 0 ? rtt_us : m->peer->rtt_us;
    m->memory_budget = beat->memory_budget;
    m->memory_used = beat->memory_used;
    m->rss = beat->rss;
    m->temperature_mc = beat->temperature_mc;
    note_heat(c, m, beat->throttled & THROTTLE_ALL);
    m->pid = beat->pid;
    note_heard(c, m);
    look_at(c, m);
    (void)relay_beat(&c->relay, m->node, beat);
}

/* The first beat of a connection. */
static void note_up(struct coordinator *c, struct member *m)
{
    uint64_t away_us = io_now_us(c->io) - m->down_us;

    m->beaten = true;
    m->unsure = false;
    if (m->down_us == 0) {
        event_note(c, EVENT_BACK, m->name, "connected");
    } else {
        log_event(c->log, LOG_INFO, "node.back",
                  "node=%s was=lost after_ms=%llu", m->name,
                  (unsigned long long)away_us / 1000);
        event_note(c, EVENT_BACK, m->name, "back after %.1f s",
                   (double)away_us / 1e6);
    }
    recovery_member_up(c, m);
    seat_member_up(c, m);
}

void watch_on_beat(struct coordinator *c, struct io_peer *peer, struct msg *msg)
{
    const Edged__Beat *beat = msg->env->beat;
    struct member *m = members_of(c, peer);

    if (m == NULL) {
        return;
    }
    note_beat(c, m, beat);
    profile_take_speed(m, beat->speed);
    if (names_unknown(c, beat)) {
        members_send_epochs(c, m);
    }
    if (!m->beaten) {
        note_up(c, m);
    } else {
        seat_member_beats(c, m);
    }
    if (m->moved) {
        m->moved = false;
        seat_member_moved(c, m);
    }
    push_on_beat(m);
    rollout_poke(c);
    recovery_on_beat(c);
}

static void send_beat(struct coordinator *c, struct member *m)
{
    Edged__Envelope env = EDGED__ENVELOPE__INIT;
    Edged__Beat beat = EDGED__BEAT__INIT;

    pulse_fill(&m->pulse, &beat, c->beat_seq, m->peer->received,
               io_now_us(c->io));
    env.body_case = EDGED__ENVELOPE__BODY_BEAT;
    env.beat = &beat;
    (void)io_send(m->peer, &env, NULL);
}

static void each_up(struct coordinator *c,
                    void (*each)(struct coordinator *c, struct member *m))
{
    list_each(&c->members, it, after)
    {
        struct member *m = list_entry(it, struct member, link);

        if (m->peer != NULL && m->peer->up) {
            each(c, m);
        }
    }
}

static void on_timer(struct io_timer *timer)
{
    struct coordinator *c = container_of(timer, struct coordinator, beat);

    each_up(c, look_at);
    note_cut_off(c);
    gateway_end_late(c);
    train_poke(c);
    if (++c->looks >= BEAT_MS / WATCH_MS) {
        c->looks = 0;
        c->beat_seq++;
        each_up(c, send_beat);
        authority_tick(c);
        rollout_tick(c);
        nodes_tick(c);
        recovery_tick(c);
        replan_tick(c);
    }
    io_timer_start(c->io, &c->beat, WATCH_MS);
}

void watch_start(struct coordinator *c)
{
    io_timer_init(&c->beat, on_timer);
    io_timer_start(c->io, &c->beat, WATCH_MS);
}
