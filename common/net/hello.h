/*
 * The words at the beginning and the end of a connection: what an end says in
 * its Hello, which Hello it accepts, and how a Goodbye is read. Pure; shared
 * by all implementations of io.h.
 */
#ifndef EDGE_NET_HELLO_H
#define EDGE_NET_HELLO_H

#include "net/io.h"
#include "net/tls.h"

#define HELLO_WHY 256 /* room for a reason, sanitized */

/* How the connection came about. */
struct hello_side {
    bool dialed;         /* by this end */
    bool local;          /* a Unix socket: who dials it is a client */
    const char *expects; /* dialed: the name that must answer; NULL: any */
    /* By its certificate, over TLS; NULL: not over TLS. */
    const struct tls_identity *identity;
};

/* Borrows from its arguments. */
void hello_fill(Edged__Hello *hello, const struct io_identity *self,
                const struct hello_side *side);

/* EDGE_EREFUSED, EDGE_EUNSUPPORTED (another version) or EDGE_EPROTO with the
 * sentence that the other end gets to read in a Goodbye. */
int hello_check(const Edged__Hello *hello, const struct io_identity *self,
                const struct hello_side *side, struct err *err);

/* What a Hello, and a certificate or NULL, say about `peer`. */
void hello_note(const Edged__Hello *hello, const struct tls_identity *identity,
                struct io_peer *peer);

/* The code of a Goodbye, EDGE_ECLOSED if it is none of ours, and its text
 * with whatever does not print replaced. */
int hello_goodbye(const Edged__Goodbye *goodbye, char why[HELLO_WHY]);

#endif
