#include "relay/pulse.h"

#include "base/failpoint.h"

/* A beat of ours that is not acknowledged counts as unheard from a little
 * before it went out, so that both directions are noticed in about the same
 * time: the beats that acknowledge it come at their own pace. */
#define UNHEARD_LEAD_US (BEAT_MS * UINT64_C(1000) / 2)

/* A job may take so many times what jobs there took; or so long, where none
 * has been measured: the first run of a large model on a small board. */
#define JOB_TIMES 4
#define JOB_UNKNOWN_MS 10000

void pulse_init(struct pulse *pulse, uint64_t now_us)
{
    *pulse = (struct pulse){.looked_us = now_us};
}

/* Lets our own time pass, but for what we were not awake for. */
static void advance(struct pulse *pulse, uint64_t now_us)
{
    uint64_t passed_us = now_us - pulse->looked_us;
    uint64_t most_us = 2 * BEAT_MS * UINT64_C(1000);

    pulse->looked_us = now_us;
    pulse->awake_us += passed_us < most_us ? passed_us : most_us;
}

void pulse_fill(struct pulse *pulse, Edged__Beat *beat, uint64_t seq,
                uint64_t received, uint64_t now_us)
{
    uint64_t age_us = now_us - pulse->seen_us;

    advance(pulse, now_us);
    beat->seq = seq;
    beat->ack = pulse->seen_seq;
    beat->received = received;
    beat->ack_age_us = 0;
    if (pulse->seen_seq != 0) {
        beat->ack_age_us = age_us < UINT32_MAX ? (uint32_t)age_us : UINT32_MAX;
    }
    pulse->sent_us[seq % PULSE_SENT] = now_us;
    pulse->sent_awake_us[seq % PULSE_SENT] = pulse->awake_us;
    if (pulse->first_seq == 0) {
        pulse->first_seq = seq;
    }
}

/* What passed since the beat that is acknowledged went out, less the time
 * that the other end sat on it. */
static uint32_t round_trip(const struct pulse *pulse, const Edged__Beat *beat,
                           uint64_t seq, uint64_t now_us)
{
    uint64_t trip_us;

    if (pulse->first_seq == 0 || beat->ack < pulse->first_seq ||
        beat->ack > seq || seq - beat->ack >= PULSE_SENT) {
        return 0;
    }
    trip_us = now_us - pulse->sent_us[beat->ack % PULSE_SENT];
    if (trip_us <= beat->ack_age_us) {
        return 0;
    }
    trip_us -= beat->ack_age_us;
    return trip_us < UINT32_MAX ? (uint32_t)trip_us : UINT32_MAX;
}

/* Where the way to it is cut and the way back is not, its beats still come,
 * but they acknowledge nothing new: both ways worked until the first of ours
 * went out that it has not heard. */
static uint64_t heard_until(const struct pulse *pulse, const Edged__Beat *beat,
                            uint64_t seq)
{
    uint64_t first = beat->ack + 1; /* that was not heard */
    uint64_t sent_us;
    uint64_t age_us = beat->ack_age_us;

    if (pulse->first_seq == 0) {
        return pulse->awake_us;
    }
    if (first > seq) { /* all were heard, but the last one a while ago */
        age_us = age_us < UNHEARD_LEAD_US ? age_us : UNHEARD_LEAD_US;
        return pulse->awake_us > age_us ? pulse->awake_us - age_us : 0;
    }
    first = first > pulse->first_seq ? first : pulse->first_seq;
    if (seq - first >= PULSE_SENT) {
        first = seq - PULSE_SENT + 1;
    }
    sent_us = pulse->sent_awake_us[first % PULSE_SENT];
    return sent_us > UNHEARD_LEAD_US ? sent_us - UNHEARD_LEAD_US : 0;
}

static uint64_t longest_job_us(const Edged__Beat *beat)
{
    uint64_t us = 0;

    for (size_t i = 0; i < beat->n_shards; i++) {
        if (beat->shards[i]->compute_us > us) {
            us = beat->shards[i]->compute_us;
        }
    }
    return us;
}

/* Live-lock and a stuck computation leave the beats alive; the counter of
 * finished jobs stands still. */
static void note_progress(struct pulse *pulse, const Edged__Beat *beat)
{
    uint64_t job_us = longest_job_us(beat) * JOB_TIMES;

    if (!beat->computing || beat->progress != pulse->progress) {
        pulse->progress = beat->progress;
        pulse->progress_us = pulse->awake_us;
    }
    if (job_us == 0) {
        job_us = JOB_UNKNOWN_MS * UINT64_C(1000);
    } else if (job_us < SUSPECT_MS * UINT64_C(1000)) {
        job_us = SUSPECT_MS * UINT64_C(1000);
    }
    pulse->stuck = pulse->awake_us - pulse->progress_us >= job_us;
}

static void note_heard(struct pulse *pulse, uint64_t heard_us)
{
    if (heard_us > pulse->heard_us) {
        pulse->heard_us = heard_us;
    }
}

void pulse_arrives(struct pulse *pulse, uint64_t received, bool is_under_way,
                   uint64_t now_us)
{
    advance(pulse, now_us);
    if (is_under_way && received > pulse->arrived) {
        note_heard(pulse, pulse->awake_us);
    }
    pulse->arrived = received;
}

uint32_t pulse_seen(struct pulse *pulse, const Edged__Beat *beat, uint64_t seq,
                    uint64_t now_us)
{
    uint64_t heard_us;

    advance(pulse, now_us);
    pulse->seen_seq = beat->seq;
    pulse->seen_us = now_us;
    heard_us = heard_until(pulse, beat, seq);
    /* More of our bytes came there since its last beat, if none of our own. */
    if (beat->received > pulse->taken && heard_us < pulse->seen_awake_us) {
        heard_us = pulse->seen_awake_us;
    }
    pulse->taken = beat->received;
    pulse->seen_awake_us = pulse->awake_us;
    note_heard(pulse, heard_us);
    note_progress(pulse, beat);
    return round_trip(pulse, beat, seq, now_us);
}

uint64_t pulse_silent_us(const struct pulse *pulse)
{
    return pulse->awake_us - pulse->heard_us;
}

static uint64_t limit_us(uint32_t asked_ms, uint32_t usual_ms)
{
    return (asked_ms != 0 ? asked_ms : usual_ms) * UINT64_C(1000);
}

enum pulse_state pulse_look(struct pulse *pulse,
                            const struct pulse_limits *limits, uint64_t now_us)
{
    const struct pulse_limits usual = {0};
    uint64_t silent_us;

    advance(pulse, now_us);
    if (DEFENCE_OFF("timers")) {
        return PULSE_FINE;
    }
    limits = limits != NULL ? limits : &usual;
    silent_us = pulse_silent_us(pulse);
    if (DEFENCE_OFF("limits-0.3s")) {
        silent_us *= 10;
    }
    if (silent_us >= limit_us(limits->dead_ms, DEAD_MS)) {
        return PULSE_DEAD;
    }
    if (pulse->stuck || silent_us >= limit_us(limits->suspect_ms, SUSPECT_MS)) {
        return PULSE_SUSPECT;
    }
    return PULSE_FINE;
}
