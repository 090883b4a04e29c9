/*
 * An io without a network, for tests of one module: time stands still until
 * the test moves it, peers are what the test says they are, and every message
 * that is sent is packed and kept for the test to look at.
 */
#ifndef EDGE_TESTS_IO_FAKE_H
#define EDGE_TESTS_IO_FAKE_H

#include "base/rng.h"
#include "net/io.h"
#include "net/timers.h"

struct io_fake_sent { /* a message as it would have gone out */
    struct list link;
    struct msg msg;
};

struct io_fake_peer {
    struct io_peer base; /* first */
    struct list link;
    struct list sent; /* struct io_fake_sent, oldest first */
    size_t n_sent;
    int send_rc;      /* not 0: what io_send() answers */
    size_t send_more; /* sends that succeed before send_rc counts */
    bool hung_up;
    int hung_up_rc;
    char why[256];
    char host[64]; /* of a dialed one */
    int port;
};

struct io_fake {
    struct io io; /* first */
    uint64_t now_us;
    struct timers timers;
    struct rng rng;
    struct list peers;            /* struct io_fake_peer */
    struct list work[IO_STRANDS]; /* struct io_work, by strand */
    int dial_rc;                  /* not 0: what io_dial() answers */
};

void io_fake_init(struct io_fake *fake);
void io_fake_deinit(struct io_fake *fake); /* and all peers */

/* An accepted peer that is up; no event is told. */
struct io_fake_peer *io_fake_peer(struct io_fake *fake, const char *name,
                                  Edged__Role role);
struct io_fake_peer *io_fake_find(struct io_fake *fake, const char *name);
static inline struct io_fake_peer *io_fake_of(struct io_peer *peer)
{
    return (struct io_fake_peer *)(void *)peer;
}
void io_fake_drop(struct io_fake_peer *peer); /* frees an accepted peer */

/* Moves time; timers fire in order. */
void io_fake_run_for(struct io_fake *fake, uint64_t ms);
/* One turn of the loop: what is due now, timers of 0 ms among it. */
void io_fake_turn(struct io_fake *fake);
/* Runs every job that waits, and those that they start; true if any ran. */
bool io_fake_work(struct io_fake *fake);
/* The one of them that is next. */
bool io_fake_job(struct io_fake *fake);

/* The i-th message to a peer; the test fails if it is not of that kind. */
const struct msg *io_fake_sent(const struct io_fake_peer *peer, size_t i,
                               Edged__Envelope__BodyCase kind);
/* How many messages of a kind went to it, and the last of them (or NULL). */
size_t io_fake_count(const struct io_fake_peer *peer,
                     Edged__Envelope__BodyCase kind);
const struct msg *io_fake_last(const struct io_fake_peer *peer,
                               Edged__Envelope__BodyCase kind);
void io_fake_forget(struct io_fake_peer *peer); /* what was sent so far */
void io_fake_free(struct io_fake_sent *sent);   /* one that was taken out */

/* Gives a message to io->events.on_message as if it came from `peer`;
 * `payload` may be NULL and stays the caller's. */
void io_fake_receive(struct io_fake_peer *peer, const Edged__Envelope *env,
                     struct blob *payload);

#endif
