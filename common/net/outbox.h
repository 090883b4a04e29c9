/*
 * The sending half of a connection: packs a message, writes what the socket
 * takes at once and queues the rest, within bounds.
 */
#ifndef EDGE_NET_OUTBOX_H
#define EDGE_NET_OUTBOX_H

#include "net/io.h"
#include "net/stream.h"

struct outbox;

struct outbox_events {
    void (*on_change)(struct outbox *outbox); /* of what waits */
    /* A frame could be sent in part only; the connection is of no use. */
    void (*on_broken)(struct outbox *outbox, int rc);
};

struct outbox {
    struct stream *stream;
    const struct outbox_events *events;
    uint64_t written;     /* bytes of all frames so far */
    size_t data_waiting;  /* bytes of messages with payload that wait */
    size_t other_waiting; /* and of those without */
};

void outbox_init(struct outbox *outbox, struct stream *stream,
                 const struct outbox_events *events);

/* As io_send(), on a connection that is up. Closing the stream releases what
 * still waits. */
int outbox_send(struct outbox *outbox, const Edged__Envelope *env,
                const struct io_payload *payload);

/* EDGE_EBUSY, EDGE_ETOOBIG or EDGE_EINVAL if a message with `payload` (or
 * NULL) may not join a queue that holds so much. Pure. */
int outbox_admit(size_t data_waiting, size_t other_waiting,
                 const struct io_payload *payload);

#endif
