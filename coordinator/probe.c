/*
 * A member is silent: is it dead, or are we cut off from it? Another member is
 * asked whether it hears it. Either way it gets no work from here; the answer
 * says where to look, in the log, the events and the status.
 */
#include "coordinator/parts.h"

#include <stdio.h>

/* Any one that is well, drawn evenly in one pass. */
static struct member *draw_prober(struct coordinator *c, const struct member *m)
{
    struct member *drawn = NULL;
    uint64_t n = 0;

    list_each(&c->members, it, after)
    {
        struct member *other = list_entry(it, struct member, link);

        if (other != m && members_state(c, other) == MEMBER_UP &&
            io_random(c->io) % ++n == 0) {
            drawn = other;
        }
    }
    return drawn;
}

void probe_ask(struct coordinator *c, struct member *m)
{
    struct member *by = draw_prober(c, m);
    Edged__Envelope env = EDGED__ENVELOPE__INIT;
    Edged__Probe probe = EDGED__PROBE__INIT;
    Edged__NodeAddress address = EDGED__NODE_ADDRESS__INIT;

    m->probe = PROBE_NONE;
    m->probe_number = ++c->probe_number;
    if (by == NULL) {
        return;
    }
    address.name = m->name;
    address.host = m->host;
    address.port = (uint32_t)m->port;
    probe.number = m->probe_number;
    probe.node = &address;
    env.body_case = EDGED__ENVELOPE__BODY_PROBE;
    env.probe = &probe;
    (void)io_send(by->peer, &env, NULL); /* lost: nothing more is known */
}

static struct member *find_asked(struct coordinator *c, uint32_t number)
{
    list_each(&c->members, it, after)
    {
        struct member *m = list_entry(it, struct member, link);

        if (m->probe_number == number && number != 0) {
            return m;
        }
    }
    return NULL;
}

void probe_on_reply(struct coordinator *c, struct io_peer *peer,
                    struct msg *msg)
{
    const Edged__ProbeReply *reply = msg->env->probe_reply;
    struct member *m = find_asked(c, reply->number);

    if (m == NULL || members_state(c, m) == MEMBER_UP) {
        return;
    }
    m->probe = reply->heard ? PROBE_HEARD : PROBE_SILENT;
    (void)snprintf(m->probe_by, sizeof(m->probe_by), "%s", peer->name);
    log_event(c->log, LOG_WARN, "probe.result",
              "node=%s by=%s heard=%d silent_ms=%u", m->name, peer->name,
              reply->heard, reply->silent_ms);
    probe_say(m);
    event_note(c, EVENT_SUSPECT, m->name, "%s", m->why);
}

void probe_say(struct member *m)
{
    if (m->probe == PROBE_HEARD) {
        (void)snprintf(m->why, sizeof(m->why),
                       "silent here, but %s hears it: the way between it and "
                       "the coordinator is cut",
                       m->probe_by);
    } else if (m->probe == PROBE_SILENT) {
        (void)snprintf(m->why, sizeof(m->why),
                       "silent, and %s does not hear "
                       "it either",
                       m->probe_by);
    }
}
