/*
 * The real io: a libuv loop with its peers, listeners, timers and strands.
 * One per process, made and run by a main.c. TCP is TLS with certificates at
 * both ends, or else plain text: on loopback only, and only for who asks for
 * it by name (io_uv_secure()).
 */
#ifndef EDGE_NET_IO_UV_H
#define EDGE_NET_IO_UV_H

#include "net/io.h"

struct io_uv;
struct tls;
struct uv_loop_s;

int io_uv_new(const struct io_identity *identity, struct log *log,
              struct io_uv **uv, struct err *err);
/* Everything must be closed: call after io_uv_run() has returned. */
void io_uv_free(struct io_uv *uv);

struct io *io_uv_io(struct io_uv *uv);
void io_uv_on(struct io_uv *uv, const struct io_events *events, void *arg);

enum io_uv_flags {
    IO_UV_PLAIN = 1,   /* without a context: plain text, on loopback */
    IO_UV_JOINERS = 2, /* who has no certificate may come, as ROLE_NONE */
};

/* Before anything listens or dials: how TCP is secured. `tls` is borrowed
 * until io_uv_free(), and NULL needs IO_UV_PLAIN, or else TCP is refused. */
void io_uv_secure(struct io_uv *uv, struct tls *tls, unsigned flags);

/* Port 0: the system's choice; *bound is what it became (may be NULL). */
int io_uv_listen(struct io_uv *uv, const char *host, int port, int *bound,
                 struct err *err);
/* 0, or why io_uv_listen() would not have that address. */
int io_uv_may_listen(struct io_uv *uv, const char *host, struct err *err);
/* A Unix socket (mode 0600); peers there are clients. */
int io_uv_listen_path(struct io_uv *uv, const char *path, struct err *err);

/* Calls cb(arg) on SIGTERM and SIGINT. */
int io_uv_on_terminate(struct io_uv *uv, void (*cb)(void *arg), void *arg,
                       struct err *err);

/* Runs until io_uv_stop(), then says Goodbye to all peers and closes
 * everything that is open. No callback comes after io_uv_stop(): work that
 * runs is waited for, work that waits is dropped, and `done` of neither is
 * called, so their owner frees them. Timers, peers and the io itself may
 * still be used (stopped, undialed) until io_uv_free(); sending is
 * EDGE_ECLOSED. */
void io_uv_run(struct io_uv *uv);
void io_uv_stop(struct io_uv *uv);

#endif
