#include "relay/pulse.h"

#include "tests/lib/unit.h"

#include <string.h>

#define MS UINT64_C(1000)

/* One end with its clock; `there` answers from the other one. */
struct fixture {
    struct pulse pulse;
    uint64_t now_us;
    uint64_t seq;
    uint64_t other_seq;
};

static int set_up(void **state)
{
    struct fixture *f = test_calloc(1, sizeof(*f));

    f->now_us = 10000000;
    f->seq = 40; /* it has talked to others before */
    pulse_init(&f->pulse, f->now_us);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    test_free(*state);
    return 0;
}

static void send_one(struct fixture *f)
{
    Edged__Beat beat = EDGED__BEAT__INIT;

    pulse_fill(&f->pulse, &beat, ++f->seq, 0, f->now_us);
}

static uint32_t hear(struct fixture *f, uint64_t ack, uint32_t age_us)
{
    Edged__Beat beat = EDGED__BEAT__INIT;

    beat.seq = ++f->other_seq;
    beat.ack = ack;
    beat.ack_age_us = age_us;
    return pulse_seen(&f->pulse, &beat, f->seq, f->now_us);
}

static enum pulse_state tick(struct fixture *f, uint64_t ms)
{
    f->now_us += ms * MS;
    return pulse_look(&f->pulse, NULL, f->now_us);
}

static void a_beat_says_what_it_has_heard(void **state)
{
    struct fixture *f = *state;
    Edged__Beat beat = EDGED__BEAT__INIT;

    pulse_fill(&f->pulse, &beat, 41, 0, f->now_us);
    assert_int_equal(beat.seq, 41);
    assert_int_equal(beat.ack, 0);
    (void)hear(f, 0, 0);
    f->now_us += 70 * MS;
    pulse_fill(&f->pulse, &beat, 42, 777, f->now_us);
    assert_int_equal(beat.ack, 1);
    assert_int_equal(beat.ack_age_us, 70 * MS);
    assert_int_equal(beat.received, 777);
}

static void a_round_trip_leaves_out_what_the_other_sat_on_it(void **state)
{
    struct fixture *f = *state;

    send_one(f);
    f->now_us += 330 * MS;
    assert_int_equal(hear(f, f->seq, (uint32_t)(325 * MS)), 5 * MS);
}

static void nonsense_tells_no_round_trip(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(hear(f, 3, 0), 0); /* before anything went out */
    send_one(f);
    f->now_us += MS;
    assert_int_equal(hear(f, f->seq + 1, 0), 0); /* never sent */
    assert_int_equal(hear(f, f->seq - 1, 0), 0); /* to somebody else */
    assert_int_equal(hear(f, f->seq, (uint32_t)(2 * MS)), 0); /* too old */
    for (int i = 0; i < 20; i++) {
        send_one(f);
    }
    assert_int_equal(hear(f, f->seq - 17, 0), 0); /* forgotten */
}

static void silence_is_suspect_then_deadly(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(tick(f, 500), PULSE_FINE);
    assert_int_equal(tick(f, 500), PULSE_FINE);
    assert_int_equal(tick(f, 500), PULSE_SUSPECT);
    assert_int_equal(tick(f, 500), PULSE_SUSPECT);
    assert_int_equal(tick(f, 500), PULSE_SUSPECT);
    assert_int_equal(tick(f, 500), PULSE_DEAD);
}

static void a_beat_ends_the_suspicion(void **state)
{
    struct fixture *f = *state;

    for (int i = 0; i < 4; i++) {
        (void)tick(f, 500);
    }
    (void)hear(f, 0, 0);
    assert_int_equal(tick(f, 500), PULSE_FINE);
}

static void who_stood_still_itself_suspects_nobody(void **state)
{
    struct fixture *f = *state;

    (void)hear(f, 0, 0);
    assert_int_equal(tick(f, 60000), PULSE_FINE); /* SIGSTOP of ourselves */
    (void)hear(f, 0, 0);
    assert_int_equal(tick(f, 500), PULSE_FINE);
}

/* One way is cut: it is heard, but does not hear us. When, in ms after the
 * last beat of ours that it heard; beats both ways and looks interleave. */
static int one_way_until(struct fixture *f, enum pulse_state want)
{
    uint64_t heard;

    for (int i = 0; i < 4; i++) { /* it works at first */
        send_one(f);
        f->now_us += 400 * MS;
        (void)hear(f, f->seq, 0);
        f->now_us += 100 * MS;
    }
    heard = f->seq;
    for (int ms = 100; ms < 20000; ms += 100) {
        enum pulse_state now = tick(f, 100);

        if (ms % 500 == 0) {
            send_one(f);
        }
        if (ms % 500 == 400) {
            (void)hear(f, heard, 0);
        }
        if (now == want) {
            return ms;
        }
    }
    fail_msg("never");
    return 0;
}

static void who_does_not_hear_us_is_suspect(void **state)
{
    assert_in_range(one_way_until(*state, PULSE_SUSPECT), 1500, 2000);
}

static void who_never_hears_us_is_dead(void **state)
{
    assert_in_range(one_way_until(*state, PULSE_DEAD), 3000, 3500);
}

/* Beats both ways at their own pace and a round trip of 300 ms. */
static void a_slow_way_is_no_reason_for_suspicion(void **state)
{
    struct fixture *f = *state;
    uint64_t newest_there[2] = {f->seq, f->seq};

    for (int ms = 100; ms < 60000; ms += 100) {
        assert_int_equal(tick(f, 100), PULSE_FINE);
        if (ms % 500 == 0) {
            newest_there[0] = newest_there[1];
            send_one(f);
            newest_there[1] = f->seq;
        }
        if (ms % 500 == 200) {
            (void)hear(f, newest_there[0], 0);
        }
    }
}

/* Our beats wait behind our data, but it says that bytes of ours come in;
 * until `ms`, and then no more. How long after that it is suspect. */
static int suspect_after_bytes(struct fixture *f, int ms)
{
    uint64_t received = 1000;
    uint64_t ack = f->seq;

    for (int now = 100;; now += 100) {
        enum pulse_state state = tick(f, 100);

        if (state != PULSE_FINE) {
            return now - ms;
        }
        if (now % 500 == 0) {
            Edged__Beat beat = EDGED__BEAT__INIT;

            send_one(f);
            received += now <= ms ? 100000 : 0;
            beat.seq = ++f->other_seq;
            beat.ack = ack;
            beat.received = received;
            (void)pulse_seen(&f->pulse, &beat, f->seq, f->now_us);
        }
    }
}

static void whom_our_bytes_reach_is_not_suspect(void **state)
{
    assert_in_range(suspect_after_bytes(*state, 20000), 1000, 2000);
}

/* A frame that takes long comes in, and no beat before its end. */
static void who_sends_a_large_frame_is_not_suspect(void **state)
{
    struct fixture *f = *state;
    uint64_t received = 0;

    for (int ms = 100; ms < 20000; ms += 100) {
        f->now_us += 100 * MS;
        received += ms % 1000 == 0 ? 65536 : 0; /* seldom, but it comes */
        pulse_arrives(&f->pulse, received, true, f->now_us);
        assert_int_equal(pulse_look(&f->pulse, NULL, f->now_us), PULSE_FINE);
    }
}

static void a_frame_that_comes_no_further_is_silence(void **state)
{
    struct fixture *f = *state;

    pulse_arrives(&f->pulse, 65536, true, f->now_us);
    for (int ms = 100; ms < 1500; ms += 100) {
        pulse_arrives(&f->pulse, 65536, true, f->now_us);
        assert_int_equal(tick(f, 100), PULSE_FINE);
    }
    assert_int_equal(tick(f, 100), PULSE_SUSPECT);
}

/* What came was whole: the other end has had nothing to say since. */
static void bytes_of_whole_frames_are_no_sign(void **state)
{
    struct fixture *f = *state;
    uint64_t received = 0;

    for (int ms = 100; ms < 1500; ms += 100) {
        received += 100;
        pulse_arrives(&f->pulse, received, false, f->now_us);
        assert_int_equal(tick(f, 100), PULSE_FINE);
    }
    assert_int_equal(tick(f, 100), PULSE_SUSPECT);
}

/* ---- the compute strand ---------------------------------------------------
 */

static enum pulse_state hear_of_job(struct fixture *f, uint64_t progress,
                                    uint32_t compute_us)
{
    Edged__Beat beat = EDGED__BEAT__INIT;
    Edged__ShardLoad load = EDGED__SHARD_LOAD__INIT;
    Edged__ShardLoad *list[] = {&load};

    load.compute_us = compute_us;
    beat.seq = ++f->other_seq;
    beat.ack = f->seq;
    beat.computing = true;
    beat.progress = progress;
    beat.shards = list;
    beat.n_shards = 1;
    (void)pulse_seen(&f->pulse, &beat, f->seq, f->now_us);
    return tick(f, 500);
}

/* How many ms until a job that does not end makes it suspect. */
static int stuck_after(struct fixture *f, uint32_t compute_us)
{
    int ms = 500;

    while (hear_of_job(f, 7, compute_us) == PULSE_FINE && ms < 60000) {
        ms += 500;
    }
    return ms;
}

static void a_job_that_does_not_end_is_suspect(void **state)
{
    struct fixture *f = *state;

    assert_in_range(stuck_after(f, 2000), 1500, 2000);
    assert_true(f->pulse.stuck);
    for (int i = 0; i < 40; i++) { /* its beats come: it is not dead */
        assert_int_equal(hear_of_job(f, 7, 2000), PULSE_SUSPECT);
    }
    assert_int_equal(hear_of_job(f, 8, 2000), PULSE_FINE); /* reversible */
}

static void a_long_job_may_take_its_time(void **state)
{
    assert_in_range(stuck_after(*state, 1000000), 4000, 5000);
}

static void a_first_job_may_take_longer(void **state)
{
    assert_in_range(stuck_after(*state, 0), 10000, 11000);
}

static void one_job_after_another_is_progress(void **state)
{
    struct fixture *f = *state;

    for (uint64_t i = 0; i < 100; i++) {
        assert_int_equal(hear_of_job(f, i, 2000), PULSE_FINE);
    }
}

static void a_burst_of_beats_is_no_reason_for_suspicion(void **state)
{
    struct fixture *f = *state;
    uint64_t heard = f->seq;

    for (int i = 0; i < 40; i++) {
        for (int k = 0; k < 6; k++) { /* five epochs became ready */
            send_one(f);
        }
        (void)hear(f, heard, 0);
        heard = f->seq;
        assert_int_equal(tick(f, 500), PULSE_FINE);
    }
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(a_beat_says_what_it_has_heard),
        T(a_round_trip_leaves_out_what_the_other_sat_on_it),
        T(nonsense_tells_no_round_trip),
        T(silence_is_suspect_then_deadly),
        T(a_beat_ends_the_suspicion),
        T(who_stood_still_itself_suspects_nobody),
        T(who_does_not_hear_us_is_suspect),
        T(who_never_hears_us_is_dead),
        T(a_slow_way_is_no_reason_for_suspicion),
        T(a_job_that_does_not_end_is_suspect),
        T(a_long_job_may_take_its_time),
        T(a_first_job_may_take_longer),
        T(one_job_after_another_is_progress),
        T(a_burst_of_beats_is_no_reason_for_suspicion),
        T(whom_our_bytes_reach_is_not_suspect),
        T(who_sends_a_large_frame_is_not_suspect),
        T(a_frame_that_comes_no_further_is_silence),
        T(bytes_of_whole_frames_are_no_sign),
    };
#undef T

    return cmocka_run_group_tests(tests, NULL, NULL);
}
