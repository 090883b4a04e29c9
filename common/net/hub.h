/*
 * What the connections of one io have in common. An implementation of io.h
 * embeds a hub first and brings time, timers and a way to make streams; the
 * hub's peers and connections (peer.h, dialer.h, conn.h) do the rest alike in
 * the real world and in the simulated one.
 */
#ifndef EDGE_NET_HUB_H
#define EDGE_NET_HUB_H

#include "net/io.h"
#include "net/stream.h"

/* Small reads go here first, then to where they belong: a frame's header and
 * head cost one read. One for all: it is empty between callbacks. */
#define STAGING_BYTES KIB(16)

/* limits.h for programs; tests make them shorter. */
struct hub_limits {
    uint64_t hello_ms;
    uint64_t frame_ms;   /* a frame has this long ... */
    uint64_t frame_rate; /* ... or its size over so many bytes per second */
    uint64_t stuck_ms;
    uint64_t leave_ms;
    size_t strangers; /* accepted connections of nobody known */
    size_t accepted;  /* and of known ones */
    size_t per_ip;    /* accepted from one address of another machine */
    uint64_t join_ms; /* for all that one without a certificate has to say */
};

struct hub;

/* How a hub reaches others. */
struct transport {
    /* What can be said about a target before anything is tried. */
    int (*check)(struct hub *hub, const char *host, int port, struct err *err);
    /* Begins to connect: ends in on_connected or on_end. `attempt` counts up,
     * to choose among the addresses of a name. */
    int (*open)(struct hub *hub, const char *host, int port, unsigned attempt,
                const struct stream_events *events, void *owner,
                struct stream **stream);
};

struct hub {
    struct io io; /* first */
    const struct io_identity *identity;
    const struct transport *transport;
    struct tls *tls; /* borrowed; NULL: plain text */
    bool joiners;    /* accepts those without a certificate, as strangers */
    struct hub_limits limits;
    struct list conns; /* oldest first */
    struct list peers;
    size_t n_strangers;
    size_t n_accepted;
    struct io_timer sweep; /* runs while there are connections */
    uint64_t swept_us;     /* time of the last sweep */
    /* Time as deadlines of connections see it: it does not pass while this
     * process itself stands still, for then nobody else is to blame. */
    uint64_t clock_us;
    uint64_t refused_us; /* a refused stranger was logged last */
    bool muted;          /* stopped: no callback any more */
    uint8_t staging[STAGING_BYTES];
};

static inline struct hub *hub_of(struct io *io)
{
    return (struct hub *)(void *)io;
}

/* The implementation sets io.ops and io.log itself. */
void hub_init(struct hub *hub, const struct io_identity *identity,
              const struct transport *transport);
/* Frees the peers; the connections must be gone. */
void hub_deinit(struct hub *hub);

/* Called with the first connection. */
void hub_start_sweep(struct hub *hub);
/* No callback from now on; says Goodbye to everybody. */
void hub_leave(struct hub *hub);
/* No callback from now on; closes every connection at once. */
void hub_break(struct hub *hub);

#endif
