/*
 * What a fuzz target makes of its bytes when it plays peers: a row of steps.
 * A step is
 *
 *   who (1 byte)   low 4 bits: which peer; high 4 bits: what
 *     0..11  a message: head size (2 bytes, little-endian), payload size (1)
 *            then the head as msg_pack() makes it, without its tail; the
 *            payload is made up
 *     12     time passes: milliseconds (2 bytes)
 *     13     every job that waits is done
 *     14     the peer goes
 *     15     and comes back
 */
#ifndef EDGE_TESTS_STEPS_H
#define EDGE_TESTS_STEPS_H

#include "tests/lib/io_fake.h"

enum steps_kind {
    STEPS_MESSAGE,
    STEPS_TIME,
    STEPS_WORK,
    STEPS_LEAVE,
    STEPS_COME
};

struct steps {
    const uint8_t *at;
    const uint8_t *end;
};

struct step {
    enum steps_kind kind;
    unsigned who;
    uint64_t ms;
    const uint8_t *head;
    size_t head_size;
    size_t payload_size;
};

/* False: there is none any more. */
bool steps_next(struct steps *steps, struct step *step);
/* As a connection does: what cannot be unpacked ends it. False: the peer was
 * hung up on. */
bool steps_give(struct io_fake_peer *peer, const struct step *step);

#endif
