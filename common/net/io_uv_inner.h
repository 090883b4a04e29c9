/*
 * What io_uv is made of; for the files of net/ and their tests alone.
 */
#ifndef EDGE_NET_IO_UV_INNER_H
#define EDGE_NET_IO_UV_INNER_H

#include "base/rng.h"
#include "net/address.h"
#include "net/hub.h"
#include "net/io_uv.h"
#include "net/strand.h"
#include "net/timers.h"

#include <uv.h>

struct io_uv {
    struct hub hub; /* first */
    uv_loop_t loop;
    uv_async_t wake;  /* a strand finished a job; keeps the loop running */
    uv_timer_t timer; /* for the first of `timers`; at the end, to linger */
    uv_signal_t signals[2];
    struct timers timers;
    struct strand strands[IO_STRANDS];
    struct rng rng;
    struct list listeners;
    struct list watches; /* watch_uv.c */
    void (*on_terminate)(void *arg);
    void *terminate_arg;
    struct io_timer plain_talk; /* says so each minute */
    bool plain;                 /* TCP without TLS is allowed */
    bool closed;                /* the loop is closed */
};

static inline struct io_uv *io_uv_of(struct io *io)
{
    return (struct io_uv *)(void *)io;
}

/* EDGE_EREFUSED with a sentence: TCP to or from there is not allowed. */
int io_uv_check(struct io_uv *uv, const struct addresses *addresses,
                struct err *err);
/* A plain socket is in use. */
void io_uv_note_plain(struct io_uv *uv);
/* One turn of the loop without waiting. */
void io_uv_turn(struct io_uv *uv);

#endif
