/*
 * A stream of TLS inside: what tls_stream.c (making, shaking hands, reading)
 * and tls_write.c (writing, failing, ending) share.
 */
#ifndef EDGE_NET_TLS_STREAM_INNER_H
#define EDGE_NET_TLS_STREAM_INNER_H

#include "base/list.h"
#include "net/tls_inner.h"
#include "net/tls_stream.h"

enum tls_state { TLS_SILENT, TLS_SHAKING, TLS_OPEN, TLS_REFUSED, TLS_CLOSING };

/* What the first byte makes. */
struct tls_session {
    SSL *ssl;
    struct tls_peer peer;
};

struct tls_stream {
    struct stream base; /* first: what the connection sees */
    struct tls *tls;
    struct stream *socket;
    struct tls_session *session; /* NULL: SILENT, or without memory */
    enum tls_state state;
    bool dialed;
    bool joiners;
    bool plain;        /* REFUSED, and what is written goes out in plain */
    bool heard;        /* a byte came */
    bool finishing;    /* nothing more will be written */
    unsigned rests;    /* encrypted, and not taken by the socket at once */
    struct list queue; /* of struct queued */
    size_t waiting;    /* bytes in it */
    const uint8_t *in; /* what came and was not read by the SSL yet */
    size_t in_n;
};

static inline struct tls_stream *tls_stream_of(struct stream *base)
{
    return (struct tls_stream *)(void *)base;
}

/* ---- tls_write.c --------------------------------------------------------- */

extern const struct stream_ops tls_stream_ops;

/* What the SSL wrote goes to the socket. EDGE_ECLOSED: it is told already. */
int tls_flush(struct tls_stream *s);
void tls_end(struct tls_stream *s, int rc, const char *why);
/* This end says no; nothing large is kept for the other one. */
void tls_refuse(struct tls_stream *s, int rc, const char *why);
/* After a call of the SSL that did not succeed: true if it only wants more
 * bytes; else the stream is ended. */
bool tls_wants_more(struct tls_stream *s, int result);
/* All that is still queued is told that it will not be written. */
void tls_drop_queue(struct tls_stream *s);
void tls_session_free(struct tls_session *session);

#endif
