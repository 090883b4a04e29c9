#include "coordinator/parts.h"

#include "base/mem.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static_assert(LIMIT_EVENTS * (LIMIT_EVENT_TEXT + 2 * LIMIT_NAME) < LIMIT_HEAD,
              "a reply fits a head");

const char *event_kind_name(enum event_kind kind)
{
    static const char *const names[EVENT_KINDS] = {
        [EVENT_COORDINATOR] = "coordinator",
        [EVENT_LOST] = "lost",
        [EVENT_SUSPECT] = "suspect",
        [EVENT_BACK] = "back",
        [EVENT_DEPLOY] = "deploy",
        [EVENT_SWITCH] = "switch",
        [EVENT_RECOVERY] = "recovery",
        [EVENT_DRAIN] = "drain",
        [EVENT_FAULT] = "fault",
        [EVENT_REPLAN] = "replan",
        [EVENT_CERTIFICATE] = "certificate",
    };

    return names[kind];
}

void event_note(struct coordinator *c, enum event_kind kind, const char *node,
                const char *format, ...)
{
    struct event *event = &c->events.ring[c->events.n % LIMIT_EVENTS];
    struct timespec now;
    va_list args;

    (void)clock_gettime(CLOCK_REALTIME, &now);
    c->events.n++;
    event->number = c->events.n;
    event->kind = kind;
    event->unix_ms =
        (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
    event->at_us = io_now_us(c->io);
    (void)snprintf(event->node, sizeof(event->node), "%s", node);
    va_start(args, format);
    (void)vsnprintf(event->text, sizeof(event->text), format, args);
    va_end(args);
    log_event(c->log, LOG_INFO, "event", "kind=%s node=%s text=\"%s\"",
              event_kind_name(kind), node, event->text);
}

const struct event *event_newest(const struct events *events, size_t i)
{
    if (i >= events->n || i >= LIMIT_EVENTS) {
        return NULL;
    }
    return &events->ring[(events->n - 1 - i) % LIMIT_EVENTS];
}

void event_fill(Edged__Event *out, const struct event *event, uint64_t now_us)
{
    edged__event__init(out);
    out->number = event->number;
    out->kind = (char *)(uintptr_t)event_kind_name(event->kind);
    out->unix_ms = event->unix_ms;
    out->age_ms = (now_us - event->at_us) / 1000;
    out->node = (char *)(uintptr_t)event->node;
    out->text = (char *)(uintptr_t)event->text;
}

/* Those after number `after`, of them the newest `most`: how many. */
static size_t count_after(const struct events *events, uint64_t after,
                          size_t most)
{
    size_t n = 0;
    const struct event *event;

    while (n < most && (event = event_newest(events, n)) != NULL &&
           event->number > after) {
        n++;
    }
    return n;
}

void events_on_request(struct coordinator *c, struct io_peer *peer,
                       struct msg *msg)
{
    const Edged__EventsRequest *request = msg->env->events_request;
    Edged__Envelope env = EDGED__ENVELOPE__INIT;
    Edged__EventsReply reply = EDGED__EVENTS_REPLY__INIT;
    Edged__Event rows[LIMIT_EVENTS];
    Edged__Event *list[LIMIT_EVENTS];
    size_t n = count_after(&c->events, request->after,
                           request->most < LIMIT_EVENTS ? request->most
                                                        : LIMIT_EVENTS);

    for (size_t i = 0; i < n; i++) { /* the oldest first */
        event_fill(&rows[i], event_newest(&c->events, n - 1 - i),
                   io_now_us(c->io));
        list[i] = &rows[i];
    }
    reply.events = list;
    reply.n_events = n;
    reply.last = c->events.n;
    env.body_case = EDGED__ENVELOPE__BODY_EVENTS_REPLY;
    env.events_reply = &reply;
    (void)admin_send(peer, &env, NULL);
}
