/*
 * How is the way to a peer? A few small messages say how long a round trip
 * takes, then a bounded burst how much goes through in a second. No more is
 * ever under way than the link needs to be busy, so that whatever else is to
 * be sent waits for a moment only. The burst is owned by its caller; all of
 * it happens on the loop.
 */
#ifndef EDGE_RELAY_BURST_H
#define EDGE_RELAY_BURST_H

#include "net/io.h"

#define BURST_PINGS 12
#define BURST_PIECE KIB(64)
#define BURST_BYTES MIB(4)  /* at most; or ... */
#define BURST_MS 200        /* for so long */
#define BURST_LIMIT_MS 3000 /* until it has failed */

struct burst {
    /* The caller's, before the start. */
    struct io *io;
    struct io_peer *peer;
    uint32_t number;
    /* Processor's time that the loop has used; NULL: not known. */
    uint64_t (*cpu_us)(void);
    /* Once, later: 0, or EDGE_ETIMEOUT, EDGE_ECLOSED, EDGE_ENOMEM. */
    void (*done)(struct burst *burst, int rc);
    void *arg;
    /* What came out; 0: not known. */
    double rtt_s;
    double bytes_per_s;
    double send_s;           /* processor's time of a message, at each end */
    double send_bytes_per_s; /* and of its bytes */
    /* private */
    struct io_timer timer;
    struct blob *blob;
    bool is_flooding;
    uint32_t sent;
    uint32_t acked;
    uint32_t window; /* pieces that may be under way */
    uint64_t began_us;
    uint64_t first_us; /* the first piece was acknowledged */
    uint64_t cpu_began_us;
    uint64_t pings_us[BURST_PINGS];
    int rc; /* of the first message, which went nowhere */
};

/* With the caller's fields set, the others zero. A failure comes by done(). */
void burst_start(struct burst *burst);
/* Whatever does not belong to it is ignored. */
void burst_on_ack(struct burst *burst, const struct io_peer *peer,
                  const Edged__BurstAck *ack);
/* Its peer is gone: done() comes from inside. */
void burst_fail(struct burst *burst, int rc);
/* Without a word. */
void burst_stop(struct burst *burst);

/* The other end: answers. */
void burst_answer(struct io_peer *peer, const Edged__Burst *from);

#endif
