/*
 * How long to wait before the next dial: REDIAL_MIN_MS, then x1.6 each time
 * up to REDIAL_MAX_MS, always +-20 % so that many do not dial in step. After
 * a connection that lasted the first redial comes at once: its end most often
 * means that the other process restarts. Pure; time and chance are arguments.
 */
#ifndef EDGE_NET_BACKOFF_H
#define EDGE_NET_BACKOFF_H

#include <stdint.h>

#define BACKOFF_LASTED_US 1000000 /* up for so long: it was a good one */
#define BACKOFF_SOON_US 50000     /* the longest wait for the first redial */

struct backoff {
    uint64_t wait_us; /* before jitter, for the next failure; 0: at first */
    uint64_t up_us;   /* since when the connection is up; 0: it is not */
};

void backoff_up(struct backoff *backoff, uint64_t now_us);
/* A dial failed or the connection is gone: how long to wait, in us. */
uint64_t backoff_next(struct backoff *backoff, uint64_t now_us,
                      uint64_t random);

#endif
