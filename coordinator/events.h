/*
 * What has happened in the cluster, for people: a ring of the newest
 * LIMIT_EVENTS events. Owned by the coordinator; it does not outlive the
 * process, and a restart is an event itself. Loop thread only.
 */
#ifndef EDGE_COORDINATOR_EVENTS_H
#define EDGE_COORDINATOR_EVENTS_H

#include "net/io.h"

struct coordinator;

enum event_kind {
    EVENT_COORDINATOR, /* it started, it leaves */
    EVENT_LOST,        /* a node: its connection is gone */
    EVENT_SUSPECT,     /* a node is silent */
    EVENT_BACK,        /* a node: new, or again */
    EVENT_DEPLOY,      /* begun, failed, undone */
    EVENT_SWITCH,      /* another placement takes the requests */
    EVENT_RECOVERY,    /* what was done about a loss */
    EVENT_DRAIN,       /* a node gets no more work, or gets some again */
    EVENT_FAULT,       /* a fault was asked for, or is over */
    EVENT_REPLAN,      /* another plan, as boards are not as predicted */
    EVENT_CERTIFICATE, /* issued, refused, revoked, about to expire */
    EVENT_KINDS
};

struct event {
    uint64_t number; /* from 1 */
    enum event_kind kind;
    uint64_t unix_ms; /* wall clock, for people */
    uint64_t at_us;   /* io_now_us() */
    char node[LIMIT_NAME + 1];
    char text[LIMIT_EVENT_TEXT];
};

struct events {
    struct event ring[LIMIT_EVENTS];
    uint64_t n; /* ever */
};

/* Notes an event; a text that is too long is cut. `node`: "" for none. */
void event_note(struct coordinator *c, enum event_kind kind, const char *node,
                const char *format, ...) __attribute__((format(printf, 4, 5)));
const char *event_kind_name(enum event_kind kind);
/* The i-th newest one, from 0; NULL: there are no more. */
const struct event *event_newest(const struct events *events, size_t i);
/* Its form on the wire, whose texts point into `event`. */
void event_fill(Edged__Event *out, const struct event *event, uint64_t now_us);

void events_on_request(struct coordinator *c, struct io_peer *peer,
                       struct msg *msg);

#endif
