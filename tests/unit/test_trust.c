/* Nodes that fail, come back, and flap: who gets work. */
#include "tests/lib/relay_rig.h"

#include "tests/lib/unit.h"

/* ---- doubtful nodes -------------------------------------------------------
 */

/* How many of `n` requests, acknowledged at once, go to n0. */
static size_t to_first(struct rig *f, size_t n)
{
    size_t before = rig_data_at(f, 0);

    for (size_t i = 0; i < n; i++) {
        struct rig_hold *s = rig_start(f);

        s->hold.place = NULL; /* no times: these are not measured */
        rig_ack(f, s);
    }
    return rig_data_at(f, 0) - before;
}

static void down_and_up(struct rig *f, size_t i)
{
    relay_node_down(&f->relay, f->nodes[i]);
    relay_node_up(&f->relay, f->nodes[i], &f->peers[i]->base);
    rig_beat(f, i, 1000);
}

static void who_came_back_starts_slowly(void **state)
{
    struct rig *f = *state;
    struct rig_hold *busy[3];
    size_t early;
    size_t late;

    rig_add_nodes(f, 2);
    down_and_up(f, 0);
    for (size_t i = 0; i < 3; i++) {
        busy[i] = rig_start(f); /* the other one has some work already */
    }
    early = to_first(f, 30);
    assert_int_equal(early, 0);
    io_fake_run_for(&f->fake, SLOW_START_MS);
    late = to_first(f, 30);
    assert_int_equal(late, 30); /* it has less to do */
    for (size_t i = 0; i < 3; i++) {
        rig_ack(f, busy[i]);
    }
}

static void who_is_the_last_gets_all_of_it(void **state)
{
    struct rig *f = *state;

    rig_add_nodes(f, 2);
    relay_node_down(&f->relay, f->nodes[1]);
    for (size_t i = 0; i < 5; i++) {
        down_and_up(f, 0);
    }
    assert_true(relay_trust_is_ejected(&f->nodes[0]->trust, f->fake.now_us));
    assert_int_equal(to_first(f, 20), 20);
}

static void who_flaps_is_ejected_for_a_while(void **state)
{
    struct rig *f = *state;

    rig_add_nodes(f, 2);
    for (size_t i = 0; i < STRIKES; i++) {
        down_and_up(f, 0);
        io_fake_run_for(&f->fake, 1000);
    }
    assert_int_equal(to_first(f, 20), 0);
    io_fake_run_for(&f->fake, EJECT_MS + SLOW_START_MS);
    assert_in_range(to_first(f, 40), 8, 32);
}

static void ejections_grow_and_are_forgotten(void **state)
{
    static const uint32_t want_ms[] = {5000, 10000, 20000, 40000, 60000, 60000};
    struct relay_trust trust = {0};
    uint64_t now = 1000000;

    (void)state;
    assert_false(relay_trust_strike(&trust, now));
    assert_false(relay_trust_strike(&trust, now));
    for (size_t i = 0; i < 6; i++) {
        assert_true(relay_trust_strike(&trust, now));
        assert_int_equal(trust.ejected_until_us - now,
                         (uint64_t)want_ms[i] * 1000);
        now += (uint64_t)STRIKE_WINDOW_MS * 1000 / 2;
    }
    now += (uint64_t)STRIKE_WINDOW_MS * 1000;
    assert_false(relay_trust_strike(&trust, now));
}

static void suspicion_before_a_loss_is_one_strike(void **state)
{
    struct rig *f = *state;

    rig_add_nodes(f, 2);
    relay_node_suspect(&f->relay, f->nodes[0], true);
    relay_node_down(&f->relay, f->nodes[0]);
    assert_int_equal(f->nodes[0]->trust.strikes, 1);
}

static void a_suspect_is_told_that_its_work_went_elsewhere(void **state)
{
    struct rig *f = *state;
    struct rig_hold *s;
    size_t first;

    rig_add_nodes(f, 2);
    s = rig_start(f);
    first = rig_first_of(f, s);
    relay_node_suspect(&f->relay, f->nodes[first], true);
    assert_int_equal(rig_cancels_at(f, first), 1);
    assert_int_equal(rig_data_at(f, 1 - first), 1);
}

static void a_request_that_nobody_waits_for_is_taken_back(void **state)
{
    struct rig *f = *state;
    struct rig_hold *s;

    rig_add_nodes(f, 1);
    s = rig_start(f);
    hold_abandon(&f->relay, &s->hold);
    assert_int_equal(rig_cancels_at(f, 0), 1);
    assert_int_equal(s->done, 0);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, rig_set_up, rig_tear_down)
    const struct CMUnitTest tests[] = {
        T(who_came_back_starts_slowly),
        T(who_is_the_last_gets_all_of_it),
        T(who_flaps_is_ejected_for_a_while),
        T(ejections_grow_and_are_forgotten),
        T(suspicion_before_a_loss_is_one_strike),
        T(a_suspect_is_told_that_its_work_went_elsewhere),
        T(a_request_that_nobody_waits_for_is_taken_back),
    };
#undef T

    return cmocka_run_group_tests(tests, NULL, NULL);
}
