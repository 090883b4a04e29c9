/*
 * Streams over TCP and Unix sockets of a libuv loop.
 */
#ifndef EDGE_NET_STREAM_UV_H
#define EDGE_NET_STREAM_UV_H

#include "net/hub.h"

#include <uv.h>

extern const struct transport stream_uv_transport;

/* Takes the next connection of a listening handle; reading begins. */
/* *scarce: it has one of the last descriptors of the process. */
int stream_uv_accept(struct hub *hub, uv_stream_t *listener, bool local,
                     struct stream **stream, bool *scarce);

#endif
