#include "tests/lib/io_suite_tests.h"

struct io_peer *io_suite_connect(struct io_fixture *f)
{
    struct io_peer *peer = end_dial(&f->a, &f->b, "bert");

    end_until(&f->a, ups, 1, 2000);
    end_until(&f->b, ups, 1, 2000);
    return peer;
}

void io_suite_test_a_dead_listener_is_dialed_until_it_is_back(void **state)
{
    struct io_fixture *f = *state;
    struct io_peer *peer = io_suite_connect(f);

    end_kill(&f->b);
    end_until(&f->a, downs, 1, 2000);
    assert_int_equal(f->a.rc, EDGE_ECLOSED);
    assert_false(peer->up);
    end_until(&f->a, refusals, 2, 2000);
    assert_string_equal(f->a.why, "connection refused");
    f->b.id.instance = 4711;
    end_restart(&f->b);
    end_until(&f->a, ups, 2, 6000);
    assert_ptr_equal(f->a.peer, peer);
    assert_int_equal(peer->instance, 4711);
    assert_int_equal(end_send_ack(&f->a, peer, 8), 0);
    end_until_messages(&f->b, 1, 2000);
}

void io_suite_test_a_restarted_neighbour_is_found_at_once(void **state)
{
    struct io_fixture *f = *state;

    (void)io_suite_connect(f);
    end_run_for(&f->a, 1100); /* a connection that lasted */
    end_kill(&f->b);
    end_restart(&f->b);
    end_until(&f->a, ups, 2, 75 * f->world->slack);
}

void io_suite_test_a_dead_dialer_is_noticed(void **state)
{
    struct io_fixture *f = *state;

    (void)io_suite_connect(f);
    end_kill(&f->a);
    end_until(&f->b, downs, 1, 2000);
    assert_int_equal(f->b.rc, EDGE_ECLOSED);
    assert_null(f->b.peer);
}

void io_suite_test_a_polite_end_says_why(void **state)
{
    struct io_fixture *f = *state;

    (void)io_suite_connect(f);
    end_stop(&f->b);
    end_until(&f->a, downs, 1, 2000);
    assert_string_equal(f->a.why, "the process stops");
}

void io_suite_test_hang_up_tells_both_ends(void **state)
{
    struct io_fixture *f = *state;
    struct io_peer *peer = io_suite_connect(f);

    end_hang_up(&f->b, f->b.peer, EDGE_EPROTO, "enough of you");
    assert_int_equal(end_send_ack(&f->b, f->b.peer, 1), EDGE_ECLOSED);
    end_until(&f->b, downs, 1, 2000);
    assert_int_equal(f->b.rc, EDGE_EPROTO);
    assert_string_equal(f->b.why, "enough of you");
    end_until(&f->a, downs, 1, 2000);
    assert_int_equal(f->a.rc, EDGE_EPROTO);
    assert_string_equal(f->a.why, "enough of you");
    end_until(&f->a, ups, 2, 2000); /* who dials dials again */
    assert_ptr_equal(f->a.peer, peer);
}

/* It does not close its end: that is not waited for. */
void io_suite_test_giving_up_the_silent_is_quick(void **state)
{
    struct io_fixture *f = *state;

    (void)io_suite_connect(f);
    f->world->ops->pause(f->world, f->a.io, true);
    end_hang_up(&f->b, f->b.peer, EDGE_ETIMEOUT, "no beat");
    end_until(&f->b, downs, 1, 200 * f->world->slack);
    assert_int_equal(f->b.rc, EDGE_ETIMEOUT);
    f->world->ops->pause(f->world, f->a.io, false);
    end_until(&f->a, downs, 1, 2000);
}

void io_suite_test_what_was_sent_before_hang_up_arrives(void **state)
{
    struct io_fixture *f = *state;
    struct io_peer *peer = io_suite_connect(f);

    assert_int_equal(end_send_data(&f->a, peer, 3, 301056), 0);
    end_hang_up(&f->a, peer, EDGE_ECLOSED, "done");
    end_until(&f->b, downs, 1, 2000);
    assert_int_equal(f->b.messages, 1);
    assert_int_equal(f->b.payload_bytes, 301056);
}

void io_suite_test_undial_ends_it(void **state)
{
    struct io_fixture *f = *state;
    struct io_peer *peer = io_suite_connect(f);

    io_undial(peer);
    end_until(&f->b, downs, 1, 2000);
    end_run_for(&f->a, 300);
    assert_int_equal(f->a.downs, 0);
    assert_int_equal(f->b.ups, 1);
}

void io_suite_test_undial_before_up(void **state)
{
    struct io_fixture *f = *state;

    io_undial(end_dial(&f->a, &f->b, "bert"));
    end_run_for(&f->a, 200);
    assert_int_equal(f->a.ups + f->a.refusals + f->b.ups, 0);
}

static void undial_it(struct end *end, struct io_peer *peer)
{
    (void)end;
    io_undial(peer);
}

void io_suite_test_undial_inside_on_up(void **state)
{
    struct io_fixture *f = *state;

    f->a.then_up = undial_it;
    end_dial(&f->a, &f->b, "bert");
    end_until(&f->a, ups, 1, 2000);
    end_until(&f->b, downs, 1, 2000);
    assert_int_equal(f->a.downs, 0);
}

void io_suite_test_undial_inside_on_message(void **state)
{
    struct io_fixture *f = *state;

    (void)io_suite_connect(f);
    f->a.then_message = undial_it;
    assert_int_equal(end_send_data(&f->b, f->b.peer, 1, 100), 0);
    assert_int_equal(end_send_data(&f->b, f->b.peer, 2, 100), 0);
    end_until_messages(&f->a, 1, 2000);
    end_until(&f->b, downs, 1, 2000);
    assert_int_equal(f->a.messages, 1);
    assert_int_equal(f->a.downs, 0);
}

void io_suite_test_undial_inside_on_down(void **state)
{
    struct io_fixture *f = *state;

    (void)io_suite_connect(f);
    f->a.then_down = undial_it;
    end_kill(&f->b);
    end_until(&f->a, downs, 1, 2000);
    end_restart(&f->b);
    end_run_for(&f->a, 300);
    assert_int_equal(f->a.ups, 1);
}

void io_suite_test_undial_inside_on_refused(void **state)
{
    struct io_fixture *f = *state;

    end_kill(&f->b);
    f->a.then_refused = undial_it;
    end_dial(&f->a, &f->b, "bert");
    end_until(&f->a, refusals, 1, 2000);
    end_run_for(&f->a, 300);
    assert_int_equal(f->a.refusals, 1);
}

static void hang_up_it(struct end *end, struct io_peer *peer)
{
    end_hang_up(end, peer, EDGE_ECLOSED, "so soon");
}

void io_suite_test_hang_up_inside_callbacks(void **state)
{
    struct io_fixture *f = *state;

    f->b.then_up = hang_up_it;
    f->b.then_down = hang_up_it; /* of no effect: it is down */
    end_dial(&f->a, &f->b, "bert");
    end_until(&f->b, downs, 1, 2000);
    end_until(&f->a, downs, 1, 2000);
    assert_string_equal(f->a.why, "so soon");
}

static void answer_it(struct end *end, struct io_peer *peer)
{
    if (end->messages <= 20) {
        assert_int_equal(end_send_ack(end, peer, end->messages), 0);
    }
}

void io_suite_test_sending_inside_on_message(void **state)
{
    struct io_fixture *f = *state;
    struct io_peer *peer = io_suite_connect(f);

    f->a.then_message = answer_it;
    f->b.then_message = answer_it;
    assert_int_equal(end_send_ack(&f->a, peer, 0), 0);
    end_until_messages(&f->a, 20, 2000);
    end_until_messages(&f->b, 20, 2000);
}
