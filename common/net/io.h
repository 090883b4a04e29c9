/*
 * The seam between the programs and the world: time, chance, timers,
 * messages to peers, and work off the loop. daemon/ and coordinator/ see
 * nothing else, so they run unchanged on libuv (net/io_uv.h) and on simulated
 * time and network (tests/lib/io_sim.h).
 *
 * Everything here happens on one thread, the loop's. A callback is never
 * called from inside the call that started the operation. Peers are owned by
 * the io; a dialed peer lives until io_undial(), an accepted one until its
 * on_down has returned.
 */
#ifndef EDGE_NET_IO_H
#define EDGE_NET_IO_H

#include "base/blob.h"
#include "base/err.h"
#include "base/limits.h"
#include "base/list.h"
#include "base/log.h"
#include "wire/msg.h"

#include <stdbool.h>
#include <stdint.h>

struct io;
struct io_peer;
struct fault_filter;

/* What this end says in its Hello. Borrowed: must outlive the io. */
struct io_identity {
    Edged__Role role;
    const char *name;
    const char *cluster;
    uint64_t instance;
    const char *version;
};

struct io_events {
    /* A peer's Hello was accepted: messages may be sent. */
    void (*on_up)(void *arg, struct io_peer *peer);
    /* The connection is gone; `rc` and `why` say how. A dialed peer is
     * redialed by the io with jittered back-off and may come up again; an
     * accepted one is freed when this returns. Called only after on_up. */
    void (*on_down)(void *arg, struct io_peer *peer, int rc, const char *why);
    /* `msg` lives until this returns; keep the payload by reference. */
    void (*on_message)(void *arg, struct io_peer *peer, struct msg *msg);
    /* A dial failed or was refused; for status texts. May be NULL. */
    void (*on_refused)(void *arg, struct io_peer *peer, int rc,
                       const char *why);
};

/* Bytes that go beside a message: a part of a blob, or nothing. */
struct io_payload {
    struct blob *blob; /* referenced by io_send on success; NULL: none */
    size_t offset;
    size_t size;
};

struct io_timer {
    void (*cb)(struct io_timer *timer);
    /* private */
    struct list link;
    uint64_t due_us;
};

enum io_strand { IO_COMPUTE, IO_DISK, IO_CODE, IO_STRANDS };

/* What makes a job take longer than it does: a fault on purpose. */
struct io_stretch {
    uint32_t percent;  /* of its time; 0: as it is */
    uint32_t extra_us; /* and so much more */
    uint32_t least_us; /* but this long at least */
};

/* A job for a strand: `run` is called on another thread, with its inputs and
 * outputs and nothing else; then `done` on the loop. Jobs of one strand run
 * one at a time in order. */
struct io_work {
    void (*run)(struct io_work *work);
    void (*done)(struct io_work *work);
    uint64_t cost_us; /* expected duration; used by simulated time only */
    struct io_stretch stretch; /* slower on purpose; zero: not so */
    /* private */
    struct list link;
    enum io_strand strand;
    uint64_t started_us;
    uint64_t took_us; /* set before done: time in run */
};

/* A file descriptor that is looked at: an inotify, a pipe, a device. */
struct io_watch {
    void (*cb)(struct io_watch *watch);
    void *handle; /* private; NULL: it is not looked at */
};

struct io_ops {
    uint64_t (*now_us)(struct io *io);
    uint64_t (*wall_us)(struct io *io);
    uint64_t (*random)(struct io *io);
    void (*timer_start)(struct io *io, struct io_timer *timer, uint64_t us);
    void (*timer_stop)(struct io *io, struct io_timer *timer);
    void (*work)(struct io *io, enum io_strand strand, struct io_work *work);
    /* NULL: there are no files, as in simulated time. */
    int (*watch_start)(struct io *io, struct io_watch *watch, int fd,
                       struct err *err);
    void (*watch_stop)(struct io *io, struct io_watch *watch);
    int (*dial)(struct io *io, const char *name, const char *host, int port,
                struct io_peer **peer, struct err *err);
    void (*undial)(struct io_peer *peer);
    void (*hang_up)(struct io_peer *peer, int rc, const char *why);
    int (*send)(struct io_peer *peer, const Edged__Envelope *env,
                const struct io_payload *payload);
};

struct io {
    const struct io_ops *ops;
    struct log *log;
    struct io_events events;
    void *arg;
    struct fault_filter *filter; /* net/fault.h; NULL: no fault on purpose */
    /* Of a frame that comes in; 0: LIMIT_PAYLOAD. What is larger ends its
     * connection before memory is asked for. */
    size_t payload_max;
};

/* A peer as the programs see it; implementations embed it first. */
struct io_peer {
    struct io *io;
    void *user;                /* the program's own, NULL at first */
    char name[LIMIT_NAME + 1]; /* from its Hello (dialed: as given before) */
    Edged__Role role;
    uint64_t instance; /* changes when the other process restarts */
    char version[32];
    uint32_t minor; /* of the protocol */
    bool dialed;    /* we dial it, and redial */
    bool up;
    bool secure;       /* over TLS: role and name are its certificate's, and */
    uint8_t spki[32];  /* this the SHA-256 of its SubjectPublicKeyInfo */
    char host[46];     /* accepted over TCP: the address that it came from */
    size_t queued;     /* bytes waiting in its write queue */
    uint64_t received; /* bytes of it, over this connection */
    bool is_under_way; /* of a frame that is not whole yet */
    uint32_t rtt_us;   /* 0: unknown; kept by whoever exchanges beats */
};

/* How long a job shall take that took so long by itself. */
static inline uint64_t io_stretched_us(const struct io_stretch *stretch,
                                       uint64_t took_us)
{
    uint64_t us = took_us;

    if (stretch->percent > 100) {
        us = took_us * stretch->percent / 100;
    }
    us += stretch->extra_us;
    return us < stretch->least_us ? stretch->least_us : us;
}

/* Monotonic, from an arbitrary start. */
static inline uint64_t io_now_us(struct io *io)
{
    return io->ops->now_us(io);
}

static inline uint64_t io_now_ms(struct io *io)
{
    return io->ops->now_us(io) / 1000;
}

/* Since 1970: what clocks of several machines agree on, more or less. It may
 * jump. */
static inline uint64_t io_wall_us(struct io *io)
{
    return io->ops->wall_us(io);
}

static inline uint64_t io_random(struct io *io)
{
    return io->ops->random(io);
}

/* Calls timer->cb once after `ms`; restarting a running timer moves it. A
 * timer is zeroed or io_timer_init()ed before its first start; stopping one
 * that does not run is fine. */
static inline void io_timer_init(struct io_timer *timer,
                                 void (*cb)(struct io_timer *timer))
{
    timer->cb = cb;
    timer->due_us = 0;
    list_init(&timer->link);
}

static inline void io_timer_start(struct io *io, struct io_timer *timer,
                                  uint64_t ms)
{
    io->ops->timer_start(io, timer, ms * 1000);
}

static inline void io_timer_stop(struct io *io, struct io_timer *timer)
{
    io->ops->timer_stop(io, timer);
}

static inline void io_work(struct io *io, enum io_strand strand,
                           struct io_work *work)
{
    io->ops->work(io, strand, work);
}

/* Calls watch->cb whenever `fd`, which stays the caller's and is open until
 * io_watch_stop(), can be read without blocking or is broken. */
static inline int io_watch_start(struct io *io, struct io_watch *watch, int fd,
                                 struct err *err)
{
    return io->ops->watch_start != NULL
               ? io->ops->watch_start(io, watch, fd, err)
               : err_set(err, EDGE_EUNSUPPORTED, "no file can be watched here");
}

/* No callback any more; fine on one that was not started. */
static inline void io_watch_stop(struct io *io, struct io_watch *watch)
{
    if (watch->handle != NULL) {
        io->ops->watch_stop(io, watch);
    }
}

/* Keeps a connection to host:port (a name or an address; a Unix socket if
 * `host` begins with "/", its path, and `port` is 0), redialing with
 * jittered back-off from REDIAL_MIN_MS to REDIAL_MAX_MS, until io_undial().
 * Whoever answers must call itself `name` (NULL: anybody). */
static inline int io_dial(struct io *io, const char *name, const char *host,
                          int port, struct io_peer **peer, struct err *err)
{
    return io->ops->dial(io, name, host, port, peer, err);
}

/* Closes and forgets a dialed peer; no callback comes any more. */
static inline void io_undial(struct io_peer *peer)
{
    peer->io->ops->undial(peer);
}

/* Says Goodbye and closes this connection; on_down follows later, after
 * EDGE_ETIMEOUT at once: whoever was silent is not waited for. */
static inline void io_hang_up(struct io_peer *peer, int rc, const char *why)
{
    peer->io->ops->hang_up(peer, rc, why);
}

/* Queues a message. EDGE_ECLOSED: not up. EDGE_EBUSY: with this one more than
 * LIMIT_WRITE_QUEUE bytes would wait (a message that finds no other with
 * payload waiting may be of any size); messages without payload wait in a
 * reserve of their own, LIMIT_CONTROL_RESERVE, so that beats and
 * acknowledgements pass a queue full of data. EDGE_ETOOBIG, EDGE_EINVAL (a
 * part outside its blob), EDGE_ENOMEM. On success delivery is still not
 * certain: only the peer's answer is. */
static inline int io_send(struct io_peer *peer, const Edged__Envelope *env,
                          const struct io_payload *payload)
{
    return peer->io->ops->send(peer, env, payload);
}

#endif
