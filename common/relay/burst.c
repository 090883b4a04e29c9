/*
 *   burst_start -> ping, its answer, the next one ... -> pieces, as many under
 *   way as the link needs -> BURST_BYTES or BURST_MS -> all are answered ->
 *   done(0)
 *
 *   no end within BURST_LIMIT_MS   done(EDGE_ETIMEOUT)
 *   the peer goes                  done(EDGE_ECLOSED), by burst_fail()
 */
#include "relay/burst.h"

#include <stdlib.h>
#include <string.h>

#define WINDOW_MIN 4 /* pieces */
#define WINDOW_MAX 32

static int send_one(struct burst *b)
{
    Edged__Envelope env = EDGED__ENVELOPE__INIT;
    Edged__Burst message = EDGED__BURST__INIT;
    struct io_payload payload = {.blob = b->blob,
                                 .size = b->is_flooding ? BURST_PIECE : 0};
    int rc;

    message.number = b->number;
    message.seq = b->sent;
    env.body_case = EDGED__ENVELOPE__BODY_BURST;
    env.burst = &message;
    rc = io_send(b->peer, &env, payload.size > 0 ? &payload : NULL);
    b->sent += rc == 0 ? 1 : 0;
    return rc;
}

static uint64_t cpu_of(const struct burst *b)
{
    return b->cpu_us != NULL ? b->cpu_us() : 0;
}

/* ---- the end --------------------------------------------------------------
 */

void burst_stop(struct burst *b)
{
    io_timer_stop(b->io, &b->timer);
    blob_unref(b->blob);
    b->blob = NULL;
}

void burst_fail(struct burst *b, int rc)
{
    burst_stop(b);
    b->done(b, rc);
}

static void on_timer(struct io_timer *timer)
{
    struct burst *b = container_of(timer, struct burst, timer);

    burst_fail(b, b->rc < 0 ? b->rc : EDGE_ETIMEOUT);
}

/* The time between the first answer and the last is what all the others took;
 * before it there was the way there and back. */
static void finish(struct burst *b)
{
    double s = (double)(io_now_us(b->io) - b->first_us) / 1e6;
    double bytes = (double)(b->acked - 1) * BURST_PIECE;
    double cpu_s = (double)(cpu_of(b) - b->cpu_began_us) / 1e6;
    double both_s = 2 * b->send_s * (double)b->acked;

    b->bytes_per_s = bytes / (s > 1e-6 ? s : 1e-6);
    if (cpu_s > both_s) {
        b->send_bytes_per_s = (double)b->acked * BURST_PIECE / (cpu_s - both_s);
    }
    burst_stop(b);
    b->done(b, 0);
}

/* ---- the pieces -----------------------------------------------------------
 */

static bool has_enough(const struct burst *b, uint64_t now_us)
{
    return (uint64_t)b->sent * BURST_PIECE >= BURST_BYTES ||
           now_us - b->began_us >= (uint64_t)BURST_MS * 1000;
}

static void pour(struct burst *b)
{
    uint64_t now_us = io_now_us(b->io);
    int rc = 0;

    while (rc == 0 && b->sent - b->acked < b->window &&
           !has_enough(b, now_us)) {
        rc = send_one(b);
    }
    if (b->sent == b->acked && b->acked < 2) {
        burst_fail(b, rc < 0 ? rc : EDGE_ETIMEOUT);
    } else if (b->sent == b->acked) {
        finish(b);
    }
}

/* What is under way on a busy link is its rate times the round trip; twice of
 * it is sent, so that a link that could take more shows it. */
static void widen(struct burst *b)
{
    double s = (double)(io_now_us(b->io) - b->began_us) / 1e6;
    double rate = (double)b->acked * BURST_PIECE / (s > 1e-6 ? s : 1e-6);

    if (b->window < WINDOW_MAX &&
        (double)b->window * BURST_PIECE < 2 * rate * b->rtt_s) {
        b->window++;
    }
}

static void on_piece(struct burst *b)
{
    if (b->acked == 1) {
        b->first_us = io_now_us(b->io);
    }
    widen(b);
    pour(b);
}

/* ---- the pings ------------------------------------------------------------
 */

static int compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a;
    uint64_t y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

static void begin_flood(struct burst *b)
{
    double cpu_s = (double)(cpu_of(b) - b->cpu_began_us) / 1e6;

    qsort(b->pings_us, BURST_PINGS, sizeof(b->pings_us[0]), compare);
    b->rtt_s = (double)b->pings_us[BURST_PINGS / 2] / 1e6;
    b->send_s = cpu_s / (2 * BURST_PINGS); /* one out, one in, each time */
    b->is_flooding = true;
    b->sent = 0;
    b->acked = 0;
    b->window = WINDOW_MIN;
    b->began_us = io_now_us(b->io);
    b->cpu_began_us = cpu_of(b);
    pour(b);
}

static void ping(struct burst *b)
{
    int rc;

    b->began_us = io_now_us(b->io);
    rc = send_one(b);
    if (rc < 0) {
        burst_fail(b, rc);
    }
}

static void on_pong(struct burst *b)
{
    uint64_t us = io_now_us(b->io) - b->began_us;

    b->pings_us[b->acked - 1] = us > 0 ? us : 1;
    if (b->acked < BURST_PINGS) {
        ping(b);
    } else {
        begin_flood(b);
    }
}

/* ---- both -----------------------------------------------------------------
 */

void burst_on_ack(struct burst *b, const struct io_peer *peer,
                  const Edged__BurstAck *ack)
{
    if (peer != b->peer || ack->number != b->number || b->blob == NULL ||
        ack->seq != b->acked || b->acked >= b->sent) {
        return;
    }
    b->acked++;
    if (b->is_flooding) {
        on_piece(b);
    } else {
        on_pong(b);
    }
}

void burst_start(struct burst *b)
{
    io_timer_init(&b->timer, on_timer);
    b->blob = blob_new(BURST_PIECE);
    b->cpu_began_us = cpu_of(b);
    b->began_us = io_now_us(b->io);
    b->rc = b->blob == NULL ? EDGE_ENOMEM : send_one(b);
    if (b->rc == 0) {
        memset(b->blob->data, 0x5a, BURST_PIECE); /* pings carry none of it */
    }
    /* A failure does not come from inside the call. */
    io_timer_start(b->io, &b->timer, b->rc < 0 ? 0 : BURST_LIMIT_MS);
}

void burst_answer(struct io_peer *peer, const Edged__Burst *from)
{
    Edged__Envelope env = EDGED__ENVELOPE__INIT;
    Edged__BurstAck ack = EDGED__BURST_ACK__INIT;

    ack.number = from->number;
    ack.seq = from->seq;
    env.body_case = EDGED__ENVELOPE__BODY_BURST_ACK;
    env.burst_ack = &ack;
    (void)io_send(peer, &env, NULL); /* lost: its sender has a limit */
}
