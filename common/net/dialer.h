/*
 * A dialed peer: connects, says Hello, and does so again whenever the
 * connection is gone (backoff.h), until dialer_undial().
 *
 *   wait -> connect and Hello -> up
 *    ^            |              |
 *    +-- refused -+---- down ----+
 */
#ifndef EDGE_NET_DIALER_H
#define EDGE_NET_DIALER_H

#include "net/peer.h"

/* For struct io_ops. */
int dialer_dial(struct io *io, const char *name, const char *host, int port,
                struct io_peer **peer, struct err *err);
void dialer_undial(struct io_peer *peer);

/* At the end of the io: stops trying, keeps the peer for its owner. */
void dialer_stop(struct peer *peer);
void dialer_free(struct peer *peer);

#endif
