/*
 * The beats of one connection: how long a round trip takes, whether the other
 * end still hears us and says so, and whether its compute strand gets on with
 * its job. Time is an argument. Silence is only what we were awake for: a
 * process that stood still itself suspects nobody.
 *
 * On a slow link a beat waits behind the data of its connection, for seconds.
 * So bytes count as well: those that the other end says it has received, and
 * those of a frame that comes in here bit by bit (TCP sends no more of it
 * where it hears nothing back).
 */
#ifndef EDGE_RELAY_PULSE_H
#define EDGE_RELAY_PULSE_H

#include "base/limits.h"
#include "control.pb-c.h"

#include <stdbool.h>
#include <stdint.h>

#define PULSE_SENT 32

enum pulse_state { PULSE_FINE, PULSE_SUSPECT, PULSE_DEAD };

/* What counts as silence; all zero: as limits.h has it. */
struct pulse_limits {
    uint32_t suspect_ms;
    uint32_t dead_ms;
};

struct pulse {
    uint64_t seen_seq;  /* of the newest beat that came; 0: none did */
    uint64_t seen_us;   /* and when */
    uint64_t first_seq; /* of the first that went out here; 0: none did */
    uint64_t sent_us[PULSE_SENT];       /* when our newest went, by seq */
    uint64_t sent_awake_us[PULSE_SENT]; /* the same on the clock below */
    uint64_t awake_us; /* our own time that has passed while we looked */
    uint64_t looked_us;
    uint64_t heard_us;      /* on that clock: both ways worked until then */
    uint64_t seen_awake_us; /* on it too: when the newest beat came */
    uint64_t taken;         /* bytes that the other end had then of us */
    uint64_t arrived;       /* that had come at the last look */
    uint64_t progress;      /* of the other end's strand, and since when */
    uint64_t progress_us;
    bool stuck; /* it has a job and has not got on with it */
};

/* With every new connection. */
void pulse_init(struct pulse *pulse, uint64_t now_us);
/* Fills seq, ack, ack_age_us and received of a beat that goes out. */
void pulse_fill(struct pulse *pulse, Edged__Beat *beat, uint64_t seq,
                uint64_t received, uint64_t now_us);
/* Takes in a beat that came; `seq` is our newest. The round trip in
 * microseconds, or 0 if this beat does not tell. */
uint32_t pulse_seen(struct pulse *pulse, const Edged__Beat *beat, uint64_t seq,
                    uint64_t now_us);
/* Before each look: how many bytes have come over the connection, and whether
 * the last of them are of a frame that is not whole yet. */
void pulse_arrives(struct pulse *pulse, uint64_t received, bool is_under_way,
                   uint64_t now_us);
/* To be called every WATCH_MS; `limits` may be NULL. */
enum pulse_state pulse_look(struct pulse *pulse,
                            const struct pulse_limits *limits, uint64_t now_us);
/* How long nothing has come, or nothing of ours has been heard. */
uint64_t pulse_silent_us(const struct pulse *pulse);

#endif
