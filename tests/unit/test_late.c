/* Late work: second copies, hop deadlines, budgets, full queues. */
#include "tests/lib/relay_rig.h"

#include "tests/lib/unit.h"

/* ---- a second copy --------------------------------------------------------
 */

static void nothing_is_late_before_enough_is_known(void **state)
{
    struct rig *f = *state;

    rig_add_nodes(f, 2);
    rig_work(f, HOP_SAMPLES_MIN - 1);
    rig_forget(f, 2);
    (void)rig_start(f);
    io_fake_run_for(&f->fake, 30000);
    assert_int_equal(rig_all_data(f, 2), 1);
}

static void a_slow_one_is_asked_of_another_after_p95(void **state)
{
    struct rig *f = *state;
    struct rig_hold *s;
    size_t first;

    rig_add_nodes(f, 2);
    rig_work(f, 40);
    rig_forget(f, 2);
    s = rig_start(f);
    first = rig_first_of(f, s);
    io_fake_run_for(&f->fake, 8);
    assert_int_equal(rig_data_at(f, 1 - first), 0);
    io_fake_run_for(&f->fake, 5);
    assert_int_equal(rig_data_at(f, 1 - first), 1);
    assert_int_equal(f->relay.hedged, 1);
    io_fake_run_for(&f->fake, 500);
    assert_int_equal(rig_all_data(f, 2), 2); /* one is enough */
}

/* Where all have much to do a copy would take from what all wait for. */
static void what_a_queue_explains_is_not_late(void **state)
{
    struct rig *f = *state;
    struct rig_hold *s;
    size_t first;

    rig_add_nodes(f, 2);
    rig_work(f, 40);
    rig_forget(f, 2);
    for (size_t i = 0; i < 2; i++) {
        rig_beat(f, i, 100000);
    }
    s = rig_start(f);
    first = rig_first_of(f, s);
    io_fake_run_for(&f->fake, 140);
    assert_int_equal(rig_data_at(f, 1 - first), 0);
    io_fake_run_for(&f->fake, 20);
    assert_int_equal(rig_data_at(f, 1 - first), 1);
}

static void the_first_answer_counts_and_the_other_is_taken_back(void **state)
{
    struct rig *f = *state;
    struct rig_hold *s;
    size_t first;

    rig_add_nodes(f, 2);
    rig_work(f, 40);
    rig_forget(f, 2);
    s = rig_start(f);
    first = rig_first_of(f, s);
    io_fake_run_for(&f->fake, 20);
    rig_computed(f, s, 1 - first);
    assert_int_equal(rig_cancels_at(f, first), 1);
    assert_int_equal(rig_cancels_at(f, 1 - first), 0);
    assert_ptr_equal(s->hold.sent_to, f->nodes[1 - first]);
    assert_int_equal(relay_load(f->nodes[first], RIG_EPOCH, RIG_SHARD)->unacked,
                     0);
    rig_computed(f, s, first); /* too late */
    assert_ptr_equal(s->hold.sent_to, f->nodes[1 - first]);
    rig_ack(f, s);
    assert_int_equal(s->done, 1);
    assert_int_equal(
        relay_load(f->nodes[1 - first], RIG_EPOCH, RIG_SHARD)->unacked, 0);
}

static void an_ack_ends_both_copies(void **state)
{
    struct rig *f = *state;
    struct rig_hold *s;

    rig_add_nodes(f, 2);
    rig_work(f, 40);
    rig_forget(f, 2);
    s = rig_start(f);
    io_fake_run_for(&f->fake, 20);
    rig_ack(f, s);
    assert_int_equal(s->done, 1);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(rig_cancels_at(f, i), 1);
        assert_int_equal(relay_load(f->nodes[i], RIG_EPOCH, RIG_SHARD)->unacked,
                         0);
    }
}

static void what_is_computed_is_not_late(void **state)
{
    struct rig *f = *state;
    struct rig_hold *s;

    rig_add_nodes(f, 2);
    rig_work(f, 40);
    rig_forget(f, 2);
    s = rig_start(f);
    io_fake_run_for(&f->fake, 5);
    rig_computed(f, s, rig_first_of(f, s));
    io_fake_run_for(&f->fake, 20000);
    assert_int_equal(rig_all_data(f, 2), 1);
    assert_int_equal(s->done, 0);
}

static void what_was_computed_on_a_lost_node_is_sent_again(void **state)
{
    struct rig *f = *state;
    struct rig_hold *s;
    size_t first;

    rig_add_nodes(f, 2);
    s = rig_start(f);
    first = rig_first_of(f, s);
    rig_computed(f, s, first);
    relay_node_down(&f->relay, f->nodes[first]);
    assert_int_equal(rig_data_at(f, 1 - first), 1);
}

static void no_copy_goes_where_others_wait(void **state)
{
    struct rig *f = *state;

    rig_add_nodes(f, 2);
    rig_work(f, 40);
    rig_forget(f, 2);
    for (size_t i = 0; i < 20; i++) { /* ten on each */
        (void)rig_start(f);
    }
    io_fake_run_for(&f->fake, 500);
    assert_int_equal(rig_all_data(f, 2), 20);
}

static void the_loss_of_one_of_two_leaves_the_other(void **state)
{
    struct rig *f = *state;
    struct rig_hold *s;
    size_t first;

    for (size_t round = 0; round < 2; round++) {
        if (round == 0) {
            rig_add_nodes(f, 2);
            rig_work(f, 40);
        } else {
            relay_node_up(&f->relay, f->nodes[0], &f->peers[0]->base);
            relay_node_up(&f->relay, f->nodes[1], &f->peers[1]->base);
            rig_beat(f, 0, 1000);
            rig_beat(f, 1, 1000);
        }
        rig_forget(f, 2);
        s = rig_start(f);
        first = rig_first_of(f, s);
        io_fake_run_for(&f->fake, 20);
        assert_int_equal(rig_all_data(f, 2), 2);
        relay_node_down(&f->relay, f->nodes[round == 0 ? first : 1 - first]);
        assert_int_equal(rig_all_data(f, 2), 2); /* no third */
        assert_ptr_equal(s->hold.sent_to,
                         f->nodes[round == 0 ? 1 - first : first]);
        assert_null(s->hold.second);
        rig_ack(f, s);
    }
}

static void one_of_two_declines(void **state)
{
    struct rig *f = *state;
    struct rig_hold *s;
    size_t first;

    rig_add_nodes(f, 2);
    rig_work(f, 40);
    s = rig_start(f);
    first = rig_first_of(f, s);
    io_fake_run_for(&f->fake, 20);
    rig_nack(f, s, first, EDGE_EBUSY);
    assert_ptr_equal(s->hold.sent_to, f->nodes[1 - first]);
    assert_null(s->hold.second);
}

/* ---- hop deadline, policy -------------------------------------------------
 */

static struct rig_hold *start_on_busy(struct rig *f, size_t n)
{
    struct rig_hold *s = NULL;

    for (size_t i = 0; i < n; i++) {
        s = rig_start(f);
    }
    return s;
}

static void after_the_hop_deadline_even_a_busy_one_is_asked(void **state)
{
    struct rig *f = *state;

    rig_add_nodes(f, 2);
    rig_work(f, 40);
    rig_forget(f, 2);
    (void)start_on_busy(f, 8);
    io_fake_run_for(&f->fake, 950);
    assert_int_equal(rig_all_data(f, 2), 8);
    io_fake_run_for(&f->fake, 200);
    assert_in_range(rig_all_data(f, 2), 9, 8 + 8);
    assert_in_range(f->nodes[0]->trust.strikes, 1, 2);
}

static void the_yaml_may_set_another_hop_deadline(void **state)
{
    struct rig *f = *state;
    struct relay_policy policy = RELAY_POLICY;

    rig_add_nodes(f, 3);
    policy.hedge = 0;
    policy.hop_deadline_ms = 300;
    relay_set_policy(&f->relay, RIG_EPOCH, &policy);
    (void)rig_start(f);
    io_fake_run_for(&f->fake, 290);
    assert_int_equal(rig_all_data(f, 3), 1);
    io_fake_run_for(&f->fake, 60);
    assert_int_equal(rig_all_data(f, 3), 2);
    io_fake_run_for(&f->fake, 300); /* one on each */
    assert_int_equal(rig_all_data(f, 3), 1 + RETRIES);
}

/* A frame may have been lost, or the word that it came. */
static void the_only_one_is_asked_again_ever_more_rarely(void **state)
{
    struct rig *f = *state;
    struct rig_hold *s;

    rig_add_nodes(f, 1);
    rig_work(f, 40);
    rig_forget(f, 1);
    s = rig_start(f);
    io_fake_run_for(&f->fake, 950);
    assert_int_equal(rig_data_at(f, 0), 1);
    io_fake_run_for(&f->fake, 150);
    assert_int_equal(rig_data_at(f, 0), 2);
    io_fake_run_for(&f->fake, 1800);
    assert_int_equal(rig_data_at(f, 0), 2);
    io_fake_run_for(&f->fake, 300);
    assert_int_equal(rig_data_at(f, 0), 3);
    assert_int_equal(f->nodes[0]->trust.strikes, 0);
    assert_int_equal(relay_load(f->nodes[0], RIG_EPOCH, RIG_SHARD)->unacked, 1);
    rig_ack(f, s);
    assert_int_equal(s->done, 1);
    assert_int_equal(rig_cancels_at(f, 0), 0);
}

static void who_has_it_is_asked_again_while_the_others_are_suspect(void **state)
{
    struct rig *f = *state;
    struct rig_hold *s;
    size_t first;

    rig_add_nodes(f, 2);
    rig_work(f, 40);
    s = rig_start(f);
    first = rig_first_of(f, s);
    relay_node_suspect(&f->relay, f->nodes[1 - first], true);
    rig_forget(f, 2);
    io_fake_run_for(&f->fake, 1100);
    assert_int_equal(rig_data_at(f, first), 1);
    assert_int_equal(rig_data_at(f, 1 - first), 0);
}

static void an_ejected_one_is_better_than_none(void **state)
{
    struct rig *f = *state;
    struct rig_hold *s;
    size_t first;

    rig_add_nodes(f, 2);
    rig_work(f, 40);
    rig_forget(f, 2);
    s = rig_start(f);
    first = rig_first_of(f, s);
    f->nodes[1 - first]->trust.ejected_until_us = f->fake.now_us + 60000000;
    io_fake_run_for(&f->fake, 950); /* no hedge goes there */
    assert_int_equal(rig_data_at(f, 1 - first), 0);
    io_fake_run_for(&f->fake, 150);
    assert_int_equal(rig_data_at(f, 1 - first), 1);
}

/* Both copies may have been lost. */
static void two_that_have_it_are_asked_again(void **state)
{
    struct rig *f = *state;

    rig_add_nodes(f, 2);
    rig_work(f, 40);
    rig_forget(f, 2);
    (void)rig_start(f);
    io_fake_run_for(&f->fake, 950);
    assert_int_equal(rig_all_data(f, 2), 2); /* a hedge */
    io_fake_run_for(&f->fake, 200);
    assert_int_equal(rig_all_data(f, 2), 3);
    io_fake_run_for(&f->fake, 10000);
    assert_in_range(rig_all_data(f, 2), 5, 6);
}

static void hedges_and_retries_may_be_off(void **state)
{
    struct rig *f = *state;
    struct relay_policy policy = RELAY_POLICY;

    rig_add_nodes(f, 2);
    policy.hedge = 0;
    policy.retries = 0;
    relay_set_policy(&f->relay, RIG_EPOCH, &policy);
    rig_work(f, 40);
    rig_forget(f, 2);
    (void)rig_start(f);
    io_fake_run_for(&f->fake, 30000);
    assert_int_equal(rig_all_data(f, 2), 1);
}

static void the_yaml_may_set_a_shorter_queue(void **state)
{
    struct rig *f = *state;
    struct relay_policy policy = RELAY_POLICY;

    rig_add_nodes(f, 2);
    policy.queue = 3;
    relay_set_policy(&f->relay, RIG_EPOCH, &policy);
    for (size_t i = 0; i < 10; i++) {
        (void)rig_start(f);
    }
    assert_int_equal(rig_all_data(f, 2), 6);
    assert_int_equal(relay_capacity(&f->relay, RIG_EPOCH, RIG_SHARD), 6);
}

/* What it had, and what comes until it is back, must have somewhere to wait. */
static void a_loss_takes_no_room(void **state)
{
    struct rig *f = *state;
    const struct relay_policy policy = RELAY_POLICY;

    rig_add_nodes(f, 3);
    relay_spares(&f->relay, RIG_EPOCH, RIG_SHARD, 1);
    assert_int_equal(relay_capacity(&f->relay, RIG_EPOCH, RIG_SHARD),
                     2 * policy.queue);
    relay_node_down(&f->relay, f->nodes[0]);
    assert_int_equal(relay_capacity(&f->relay, RIG_EPOCH, RIG_SHARD),
                     2 * policy.queue);
    relay_node_down(&f->relay, f->nodes[1]);
    relay_node_down(&f->relay, f->nodes[2]);
    assert_int_equal(relay_capacity(&f->relay, RIG_EPOCH, RIG_SHARD), 0);
}

/* ---- the budget -----------------------------------------------------------
 */

static void copies_are_a_fifth_of_what_is_sent(void **state)
{
    struct rig *f = *state;
    struct relay_policy policy = RELAY_POLICY;

    rig_add_nodes(f, 2);
    policy.hedge = 0;
    policy.hop_deadline_ms = 100;
    policy.retries = 10;
    relay_set_policy(&f->relay, RIG_EPOCH, &policy);
    for (size_t i = 0; i < 50; i++) {
        (void)rig_start(f);
    }
    io_fake_run_for(&f->fake, 5000);
    assert_int_equal(rig_all_data(f, 2), 50 + 50 * RETRY_BUDGET / 100);
}

static void a_loss_draws_nothing_from_it(void **state)
{
    struct rig *f = *state;

    rig_add_nodes(f, 2);
    for (size_t i = 0; i < 50; i++) {
        (void)rig_start(f);
    }
    relay_node_suspect(&f->relay, f->nodes[0], true);
    relay_node_suspect(&f->relay, f->nodes[1], true);
    assert_true(relay_budget_take(&f->relay.budget, f->fake.now_us));
    for (size_t i = 1; i < 10; i++) {
        assert_true(relay_budget_take(&f->relay.budget, f->fake.now_us));
    }
    assert_false(relay_budget_take(&f->relay.budget, f->fake.now_us));
}

static void three_are_always_free_and_time_frees_more(void **state)
{
    struct relay_budget budget = {0};
    uint64_t now = 77000000;

    (void)state;
    for (size_t i = 0; i < RETRY_BUDGET_MIN; i++) {
        assert_true(relay_budget_take(&budget, now));
    }
    assert_false(relay_budget_take(&budget, now + 9000000));
    assert_true(relay_budget_take(&budget, now + 10000000));
}

/* ---- a queue that is full over there --------------------------------------
 */

static void who_has_no_room_gets_less_until_it_acks(void **state)
{
    struct rig *f = *state;
    struct rig_hold *holds[10];

    rig_add_nodes(f, 1);
    for (size_t i = 0; i < 10; i++) {
        holds[i] = rig_start(f);
    }
    rig_nack(f, holds[9], 0, EDGE_EBUSY);
    rig_forget(f, 1);
    io_fake_run_for(&f->fake, 5000);
    assert_int_equal(rig_data_at(f, 0), 0); /* nine are there */
    rig_ack(f, holds[0]);
    io_fake_run_for(&f->fake, 500);
    assert_int_equal(rig_data_at(f, 0), 1);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, rig_set_up, rig_tear_down)
    const struct CMUnitTest tests[] = {
        T(nothing_is_late_before_enough_is_known),
        T(a_slow_one_is_asked_of_another_after_p95),
        T(what_a_queue_explains_is_not_late),
        T(the_first_answer_counts_and_the_other_is_taken_back),
        T(an_ack_ends_both_copies),
        T(what_is_computed_is_not_late),
        T(what_was_computed_on_a_lost_node_is_sent_again),
        T(no_copy_goes_where_others_wait),
        T(the_loss_of_one_of_two_leaves_the_other),
        T(one_of_two_declines),
        T(after_the_hop_deadline_even_a_busy_one_is_asked),
        T(the_yaml_may_set_another_hop_deadline),
        T(the_only_one_is_asked_again_ever_more_rarely),
        T(who_has_it_is_asked_again_while_the_others_are_suspect),
        T(an_ejected_one_is_better_than_none),
        T(two_that_have_it_are_asked_again),
        T(hedges_and_retries_may_be_off),
        T(the_yaml_may_set_a_shorter_queue),
        T(a_loss_takes_no_room),
        T(copies_are_a_fifth_of_what_is_sent),
        T(a_loss_draws_nothing_from_it),
        T(three_are_always_free_and_time_frees_more),
        T(who_has_no_room_gets_less_until_it_acks),
    };
#undef T

    return cmocka_run_group_tests(tests, NULL, NULL);
}
