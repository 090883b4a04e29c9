/* File descriptors that a program looks at (io_watch_start) on libuv. */
#ifndef EDGE_NET_WATCH_UV_H
#define EDGE_NET_WATCH_UV_H

#include "net/io_uv_inner.h"

/* For struct io_ops. */
int watch_uv_start(struct io *io, struct io_watch *watch, int fd,
                   struct err *err);
void watch_uv_stop(struct io *io, struct io_watch *watch);
/* Those that their owners have not stopped, before the loop closes. */
void watch_uv_close_all(struct io_uv *uv);

#endif
