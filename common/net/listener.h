/*
 * Sockets that accept connections: TCP for members, a Unix socket
 * for clients. Owned by the io_uv until its end.
 */
#ifndef EDGE_NET_LISTENER_H
#define EDGE_NET_LISTENER_H

#include "net/io_uv_inner.h"

int listener_tcp(struct io_uv *uv, const char *host, int port, int *bound,
                 struct err *err);
/* Whether an address may be listened on, with the certificates there are. */
int listener_check(struct io_uv *uv, const char *host, struct err *err);
int listener_path(struct io_uv *uv, const char *path, struct err *err);
/* Each is freed when uv has closed it. */
void listener_close_all(struct io_uv *uv);

#endif
