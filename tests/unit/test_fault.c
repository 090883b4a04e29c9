/* Cuts, losses and flipped bits on purpose, between two simulated nodes. */
#include "net/fault.h"

#include "base/mem.h"
#include "tests/lib/beater.h"
#include "tests/lib/unit.h"

#include <string.h>

struct filter {
    struct fault_filter base; /* first */
    const char *peer;         /* NULL: all */
    bool cuts;
    bool out;
    bool in;
    enum fault_fate fate; /* of what goes out, if it does not cut */
    int asked;
};

struct fixture {
    struct sim *sim;
    struct beater a; /* dials b */
    struct beater b; /* has the filter */
    struct filter filter;
};

static bool concerns(const struct filter *f, const char *peer, bool out)
{
    return (out ? f->out : f->in) &&
           (f->peer == NULL || strcmp(f->peer, peer) == 0);
}

static enum fault_fate on_frame(struct fault_filter *base, const char *peer,
                                bool out)
{
    struct filter *f = (struct filter *)(void *)base;

    f->asked++;
    if (!concerns(f, peer, out)) {
        return FAULT_PASS;
    }
    return f->cuts ? FAULT_LOSE : f->fate;
}

static bool is_cut(struct fault_filter *base, const char *peer, bool out)
{
    struct filter *f = (struct filter *)(void *)base;

    return f->cuts && concerns(f, peer, out);
}

static int set_up(void **state)
{
    struct fixture *f = mem_new(struct fixture);

    assert_non_null(f);
    f->sim = sim_new(3);
    beater_start(&f->a, f->sim, "a", 7000);
    beater_start(&f->b, f->sim, "b", 7001);
    beater_dial(&f->a, &f->b);
    sim_run_for(f->sim, 2000);
    assert_int_equal(f->a.ups + f->b.ups, 2);
    f->filter.base = (struct fault_filter){on_frame, is_cut};
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    f->b.io->filter = NULL;
    sim_free(f->sim);
    mem_free(f);
    return 0;
}

static void begin(struct fixture *f)
{
    f->b.io->filter = &f->filter.base;
    sim_run_for(f->sim, 10); /* what is under way arrives */
    f->a.beats = 0;
    f->b.beats = 0;
}

static void cut(struct fixture *f, bool out, bool in)
{
    f->filter.cuts = true;
    f->filter.out = out;
    f->filter.in = in;
    begin(f);
}

/* ---- frames ---------------------------------------------------------------
 */

static void test_a_cut_is_silence(void **state)
{
    struct fixture *f = *state;

    cut(f, true, true);
    sim_run_for(f->sim, 1000);
    assert_int_equal(f->a.beats, 0);
    assert_int_equal(f->b.beats, 0);
    assert_int_equal(f->a.downs + f->b.downs, 0); /* nobody hung up */
    f->b.io->filter = NULL;
    sim_run_for(f->sim, 1000);
    assert_true(f->a.beats > 5);
    assert_true(f->b.beats > 5);
    assert_int_equal(f->a.downs + f->b.downs, 0); /* the same connection */
}

static void test_a_cut_may_be_one_way(void **state)
{
    struct fixture *f = *state;

    cut(f, false, true);
    sim_run_for(f->sim, 1000);
    assert_true(f->a.beats > 5);
    assert_int_equal(f->b.beats, 0);
    cut(f, true, false);
    sim_run_for(f->sim, 1000);
    assert_int_equal(f->a.beats, 0);
    assert_true(f->b.beats > 5);
}

static void test_a_cut_may_be_from_one_peer(void **state)
{
    struct fixture *f = *state;

    f->filter.peer = "another";
    cut(f, true, true);
    sim_run_for(f->sim, 1000);
    assert_true(f->filter.asked > 10);
    assert_true(f->a.beats > 5);
    f->filter.peer = "a";
    begin(f);
    sim_run_for(f->sim, 1000);
    assert_int_equal(f->a.beats, 0);
}

static void test_words_about_faults_pass(void **state)
{
    struct fixture *f = *state;
    Edged__Envelope env = EDGED__ENVELOPE__INIT;
    Edged__FaultQuery query = EDGED__FAULT_QUERY__INIT;

    cut(f, true, true);
    sim_run_for(f->sim, 300);
    env.body_case = EDGED__ENVELOPE__BODY_FAULT_QUERY;
    env.fault_query = &query;
    f->filter.asked = 0;
    assert_int_equal(io_send(f->b.peers[0], &env, NULL), 0);
    assert_int_equal(f->filter.asked, 0);
    env.body_case = EDGED__ENVELOPE__BODY_BEAT;
    env.beat = &(Edged__Beat)EDGED__BEAT__INIT;
    assert_int_equal(io_send(f->b.peers[0], &env, NULL), 0); /* lost, quietly */
    assert_int_equal(f->filter.asked, 1);
}

/* ---- ends -----------------------------------------------------------------
 */

/* The other end sees neither Goodbye nor the end of the stream. */
static void test_an_end_in_a_cut_is_not_seen(void **state)
{
    struct fixture *f = *state;

    cut(f, true, true);
    io_hang_up(f->b.peers[0], EDGE_ETIMEOUT, "no beat for 3 s");
    sim_run_for(f->sim, 2500);
    assert_int_equal(f->b.downs, 1); /* its own program knows */
    assert_string_equal(f->b.why, "no beat for 3 s");
    assert_int_equal(f->a.downs, 0);
    f->b.io->filter = NULL;
    sim_run_for(f->sim, 3000);
    assert_int_equal(f->a.downs, 1);
    assert_int_equal(f->a.ups, 2); /* and a new connection */
    assert_int_equal(f->b.ups, 2);
}

static void test_dials_into_a_cut_lead_nowhere(void **state)
{
    struct fixture *f = *state;

    cut(f, true, true);
    io_hang_up(f->a.peers[0], EDGE_ETIMEOUT, "gone"); /* it dials again */
    sim_run_for(f->sim, 20000);
    assert_int_equal(f->a.downs, 1);
    assert_int_equal(f->a.ups, 1); /* its Hello is not answered */
    assert_int_equal(f->b.ups, 1);
    f->b.io->filter = NULL;
    sim_run_for(f->sim, 12000);
    assert_int_equal(f->a.ups, 2);
}

static void test_dials_out_of_a_cut_lead_nowhere(void **state)
{
    struct fixture *f = *state;

    f->filter.peer = "a";
    cut(f, true, false); /* one way is enough: no answer comes */
    assert_true(fault_is_unreachable(f->b.io, "a"));
    assert_false(fault_is_unreachable(f->b.io, "c"));
    assert_false(fault_is_unreachable(f->a.io, "b"));
    beater_dial(&f->b, &f->a);
    sim_run_for(f->sim, 10000);
    assert_int_equal(f->a.ups, 1);
    assert_int_equal(f->b.ups, 1);
    f->b.io->filter = NULL;
    sim_run_for(f->sim, 10000);
    assert_true(f->a.ups > 1);
}

/* A node that stops in a cut still ends. */
static void test_the_process_may_stop_in_a_cut(void **state)
{
    struct fixture *f = *state;

    cut(f, true, true);
    io_hang_up(f->b.peers[0], EDGE_ETIMEOUT, "gone");
    sim_run_for(f->sim, 500);
    sim_stop(f->b.io);
    sim_run_for(f->sim, 3000);
    assert_int_equal(f->a.downs, 1);
}

/* ---- spoiled --------------------------------------------------------------
 */

/* Whatever is spoiled is noticed: the connection ends with a reason, and
 * comes again. */
static void test_a_flipped_bit_is_noticed(void **state)
{
    struct fixture *f = *state;

    f->filter.fate = FAULT_SPOIL;
    f->filter.out = true;
    begin(f);
    sim_run_for(f->sim, 5000);
    f->b.io->filter = NULL;
    assert_true(f->a.downs > 0);
    assert_int_equal(f->a.rc, EDGE_EPROTO);
    sim_run_for(f->sim, 10000);
    assert_int_equal(f->a.ups, f->a.downs + 1);
}

/* ---- slow jobs ------------------------------------------------------------
 */

static void test_how_long_a_job_is_stretched(void **state)
{
    const struct io_stretch none = {0};
    const struct io_stretch thrice = {.percent = 300};
    const struct io_stretch more = {.percent = 200, .extra_us = 50};
    const struct io_stretch least = {.least_us = 1000};

    (void)state;
    assert_int_equal(io_stretched_us(&none, 100), 100);
    assert_int_equal(io_stretched_us(&thrice, 100), 300);
    assert_int_equal(io_stretched_us(&more, 100), 250);
    assert_int_equal(io_stretched_us(&least, 100), 1000);
    assert_int_equal(io_stretched_us(&least, 2000), 2000);
}

#define T(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_a_cut_is_silence),
        T(test_a_cut_may_be_one_way),
        T(test_a_cut_may_be_from_one_peer),
        T(test_words_about_faults_pass),
        T(test_an_end_in_a_cut_is_not_seen),
        T(test_dials_into_a_cut_lead_nowhere),
        T(test_dials_out_of_a_cut_lead_nowhere),
        T(test_the_process_may_stop_in_a_cut),
        T(test_a_flipped_bit_is_noticed),
        T(test_how_long_a_job_is_stretched),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
