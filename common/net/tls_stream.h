/*
 * A stream over a stream: TLS between a socket's bytes and a connection's.
 *
 *   accepted: SILENT -> SHAKING -> OPEN -> CLOSING
 *   dialed:   SILENT (connecting) -> SHAKING -> OPEN -> CLOSING
 *   either:   SHAKING -> REFUSED -> CLOSING
 *
 * SILENT   no byte came: nothing but this struct is held (an idle stranger
 *          costs next to nothing); the first byte makes the SSL
 * SHAKING  the handshake runs, within the connection's own deadline
 * OPEN     stream->identity says who it is. A dialer cannot know yet whether
 *          the other end accepts its certificate: only a Hello proves that
 * REFUSED  this end said no (stream_events' on_refused); an alert is on its
 *          way, or, to one that speaks no TLS, whatever is written, in plain
 *
 * Nothing is encrypted before the socket takes it, but for one batch of
 * TLS_OUT bytes; what waits stays where its owner has it. So the bounds of
 * the outbox are the bounds of memory.
 */
#ifndef EDGE_NET_TLS_STREAM_H
#define EDGE_NET_TLS_STREAM_H

#include "net/stream.h"
#include "net/tls.h"

/* Over an accepted socket, which it owns from now on if it returns 0.
 * `joiners`: those without a certificate may come too. */
int tls_stream_accept(struct tls *tls, struct stream *socket, bool joiners,
                      struct stream **out);

/* For a socket that is still to be opened: gives what stream_events and owner
 * it shall have. After it was opened: tls_stream_set_socket(), or else
 * tls_stream_drop(). */
int tls_stream_new(struct tls *tls, const struct stream_events *events,
                   void *owner, struct stream **out);
extern const struct stream_events tls_stream_socket_events;
void tls_stream_set_socket(struct stream *stream, struct stream *socket);
void tls_stream_drop(struct stream *stream);

#endif
