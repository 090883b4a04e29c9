/*
 * What programs know as an io_peer. An accepted peer begins with its
 * Hello and ends with its connection; a dialed one (dialer.h) outlives many.
 */
#ifndef EDGE_NET_PEER_H
#define EDGE_NET_PEER_H

#include "net/conn.h"

struct peer {
    struct io_peer base; /* first */
    struct hub *hub;
    struct list link;  /* in hub->peers */
    struct conn *conn; /* NULL: none now */
};

static inline struct peer *peer_of(struct io_peer *base)
{
    return (struct peer *)(void *)base;
}

/* A listener accepted this stream: a stranger until its Hello. */
void peer_accept(struct hub *hub, struct stream *stream);

/* Closes the stranger that has waited longest; false: there is none. */
bool peer_make_room(struct hub *hub);

void peer_init(struct peer *peer, struct hub *hub);
/* At the end of the hub. */
void peer_free(struct peer *peer);
/* Its connection is up: notes the Hello, logs, tells the program. */
void peer_up(struct peer *peer, struct conn *conn, const Edged__Hello *hello);
/* Its connection is gone or given up: logs, tells the program. The caller
 * must not touch the peer afterwards unless it knows that it lives. */
void peer_down(struct peer *peer, int rc, const char *why);

/* For struct io_ops. */
void peer_hang_up(struct io_peer *peer, int rc, const char *why);
int peer_send(struct io_peer *peer, const Edged__Envelope *env,
              const struct io_payload *payload);

/* What a conn_owner does with a message. */
void peer_on_message(struct conn *conn, struct msg *msg);

#endif
