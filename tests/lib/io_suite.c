#include "tests/lib/io_suite.h"

#include "tests/lib/io_suite_tests.h"

#include "base/mem.h"

struct maker {
    struct io_world *(*make)(void);
};

static int set_up(void **state)
{
    const struct maker *maker = *state;
    struct io_fixture *f = mem_new(struct io_fixture);

    assert_non_null(f);
    f->world = maker->make();
    end_start(&f->a, f->world, "anna");
    end_start(&f->b, f->world, "bert");
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct io_fixture *f = *state;

    end_kill(&f->a);
    end_kill(&f->b);
    end_kill(&f->c);
    f->world->ops->free(f->world);
    mem_free(f);
    return 0;
}

/* ---- Hello --------------------------------------------------------------- */

static void test_hello_introduces_both_ends(void **state)
{
    struct io_fixture *f = *state;
    struct io_peer *peer = end_dial(&f->a, &f->b, NULL);

    assert_false(peer->up);
    assert_string_equal(peer->name, "");
    end_until(&f->a, ups, 1, 2000);
    end_until(&f->b, ups, 1, 2000);
    assert_string_equal(peer->name, "bert");
    assert_int_equal(peer->role, EDGED__ROLE__ROLE_NODE);
    assert_int_equal(peer->instance, f->b.id.instance);
    assert_string_equal(peer->version, "1.2-test");
    assert_true(peer->dialed);
    assert_ptr_equal(f->a.peer, peer);
    assert_string_equal(f->b.peer->name, "anna");
    assert_int_equal(f->b.peer->instance, f->a.id.instance);
    assert_false(f->b.peer->dialed);
}

static void test_a_dialed_peer_has_its_name_before(void **state)
{
    struct io_fixture *f = *state;
    struct io_peer *peer = end_dial(&f->a, &f->b, "bert");

    assert_string_equal(peer->name, "bert");
}

static void test_another_name_is_refused(void **state)
{
    struct io_fixture *f = *state;

    end_dial(&f->a, &f->b, "carl");
    end_until(&f->a, refusals, 1, 2000);
    assert_int_equal(f->a.rc, EDGE_EREFUSED);
    assert_string_equal(f->a.why, "\"bert\" answers where \"carl\" should");
    assert_int_equal(f->a.ups + f->b.ups, 0);
}

static void test_another_cluster_is_refused(void **state)
{
    struct io_fixture *f = *state;

    end_stop(&f->b);
    f->b.id.cluster = "work";
    end_restart(&f->b);
    end_dial(&f->a, &f->b, "bert");
    end_until(&f->a, refusals, 1, 2000);
    assert_int_equal(f->a.rc, EDGE_EREFUSED);
    assert_string_equal(
        f->a.why, "anna is of cluster \"home\", bert of cluster \"work\"");
    assert_int_equal(f->a.ups + f->b.ups, 0);
}

static void test_no_cluster_fits_any(void **state)
{
    struct io_fixture *f = *state;

    end_stop(&f->b);
    f->b.id.cluster = "";
    end_restart(&f->b);
    (void)io_suite_connect(f);
}

static void test_a_client_is_refused_among_members(void **state)
{
    struct io_fixture *f = *state;

    end_stop(&f->a);
    f->a.id.role = EDGED__ROLE__ROLE_CLIENT;
    end_restart(&f->a);
    end_dial(&f->a, &f->b, "bert");
    end_until(&f->a, refusals, 1, 2000);
    assert_string_equal(f->a.why, "a client is not accepted on this socket");
}

static void test_a_newer_connection_of_a_name_wins(void **state)
{
    struct io_fixture *f = *state;

    (void)io_suite_connect(f);
    end_start(&f->c, f->world, "anna");
    f->c.id.instance = 77; /* borrowed, so it may still change */
    end_dial(&f->c, &f->b, "bert");
    end_until(&f->c, ups, 1, 2000);
    assert_int_equal(f->b.downs, 1);
    assert_int_equal(f->b.ups, 2);
    assert_int_equal(f->b.peer->instance, 77);
    end_until(&f->a, downs, 1, 2000);
    assert_string_equal(f->a.why, "a newer connection of the same name came");
    assert_int_equal(f->a.rc, EDGE_EEXIST);
}

/* ---- messages ------------------------------------------------------------ */

static void test_messages_keep_their_order(void **state)
{
    struct io_fixture *f = *state;
    struct io_peer *peer = io_suite_connect(f);

    for (uint64_t i = 0; i < 100; i++) {
        size_t size = i % 3 == 0 ? 5000 : 1;

        assert_int_equal(end_send_data(&f->a, peer, i, size), 0);
        assert_int_equal(end_send_ack(&f->b, f->b.peer, 1000 + i), 0);
    }
    end_until_messages(&f->b, 100, 2000);
    end_until_messages(&f->a, 100, 2000);
    for (uint64_t i = 0; i < 100; i++) {
        assert_int_equal(f->b.requests[i], i);
        assert_int_equal(f->a.requests[i], 1000 + i);
    }
}

static void test_payloads_arrive_as_they_were(void **state)
{
    static const size_t sizes[] = {1,     2,     4095,   4096,   4097,
                                   16384, 25088, 301056, 1000003};
    struct io_fixture *f = *state;
    struct io_peer *peer = io_suite_connect(f);
    uint32_t crc = 0;
    size_t sum = 0;

    for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        assert_int_equal(end_send_data(&f->a, peer, i, sizes[i]), 0);
        crc = end_data_crc(crc, i, sizes[i]);
        sum += sizes[i];
        end_until_messages(&f->b, i + 1, 5000);
    }
    assert_int_equal(f->b.payload_bytes, sum);
    assert_int_equal(f->b.payload_crc, crc);
    assert_int_equal(peer->queued, 0);
}

static void test_a_part_of_a_blob_is_sent(void **state)
{
    struct io_fixture *f = *state;
    struct io_peer *peer = io_suite_connect(f);
    Edged__Envelope env = EDGED__ENVELOPE__INIT;
    Edged__Chunk chunk = EDGED__CHUNK__INIT;
    struct io_payload payload = {.offset = 3, .size = 4};

    payload.blob = blob_copy("abcdefghij", 10);
    env.body_case = EDGED__ENVELOPE__BODY_CHUNK;
    env.chunk = &chunk;
    assert_int_equal(io_send(peer, &env, &payload), 0);
    end_until_messages(&f->b, 1, 2000);
    assert_int_equal(f->b.payload_bytes, 4);
    payload.size = 8; /* beyond its end */
    assert_int_equal(io_send(peer, &env, &payload), EDGE_EINVAL);
    blob_unref(payload.blob);
}

static void test_the_largest_payload_passes(void **state)
{
    struct io_fixture *f = *state;
    struct io_peer *peer = io_suite_connect(f);

    assert_int_equal(end_send_data(&f->a, peer, 5, LIMIT_PAYLOAD + 1),
                     EDGE_ETOOBIG);
    assert_int_equal(end_send_data(&f->a, peer, 6, LIMIT_PAYLOAD), 0);
    assert_int_equal(end_send_ack(&f->a, peer, 7), 0);
    end_until_messages(&f->b, 2, 20000);
    assert_int_equal(f->b.requests[0], 6);
    assert_int_equal(f->b.requests[1], 7);
    assert_int_equal(f->b.payload_crc, end_data_crc(0, 6, LIMIT_PAYLOAD));
}

static void test_sending_before_up_is_refused(void **state)
{
    struct io_fixture *f = *state;
    struct io_peer *peer = end_dial(&f->a, &f->b, "bert");

    assert_int_equal(end_send_ack(&f->a, peer, 1), EDGE_ECLOSED);
}

static void test_a_full_queue_is_busy(void **state)
{
    struct io_fixture *f = *state;
    struct io_peer *peer = io_suite_connect(f);
    unsigned sent = 0;

    f->world->ops->pause(f->world, f->b.io, true);
    while (end_send_data(&f->a, peer, sent, MIB(1)) == 0) {
        sent++;
        assert_true(sent < 64); /* what kernels hold, and the queue */
    }
    assert_int_equal(end_send_data(&f->a, peer, 99, MIB(1)), EDGE_EBUSY);
    assert_true(peer->queued > 0);
    assert_true(peer->queued <= LIMIT_WRITE_QUEUE + KIB(4));
    /* What keeps the cluster together passes all the same. */
    assert_int_equal(end_send_ack(&f->a, peer, 100), 0);
    f->world->ops->pause(f->world, f->b.io, false);
    end_until_messages(&f->b, sent + 1, 10000);
    assert_int_equal(f->b.payload_bytes, sent * MIB(1));
    assert_int_equal(f->b.requests[sent], 100);
    assert_int_equal(end_send_data(&f->a, peer, 101, MIB(1)), 0);
}

static void test_control_messages_are_bounded_too(void **state)
{
    struct io_fixture *f = *state;
    struct io_peer *peer = io_suite_connect(f);
    int rc = 0;

    f->world->ops->pause(f->world, f->b.io, true);
    while (end_send_data(&f->a, peer, 1, MIB(1)) == 0) {
    }
    for (int i = 0; i < 100000 && rc == 0; i++) {
        rc = end_send_ack(&f->a, peer, 1);
    }
    assert_int_equal(rc, EDGE_EBUSY);
    assert_true(peer->queued <=
                LIMIT_WRITE_QUEUE + LIMIT_CONTROL_RESERVE + KIB(8));
}

/* ---- timers and work ----------------------------------------------------- */

struct alarm {
    struct io_timer timer;
    struct end *end;
    struct alarm *other; /* stopped when this one rings */
    int again;           /* started so many times more */
    int order;           /* when it rang, from 1 */
};

static void ring(struct io_timer *timer)
{
    struct alarm *alarm = container_of(timer, struct alarm, timer);

    assert_false(alarm->end->calling);
    alarm->order = ++alarm->end->ups; /* any counter will do */
    if (alarm->other != NULL) {
        io_timer_stop(alarm->end->io, &alarm->other->timer);
    }
    if (alarm->again-- > 0) {
        io_timer_start(alarm->end->io, timer, 0);
    }
}

static void start_alarm(struct alarm *alarm, struct end *end, uint64_t ms)
{
    if (alarm->end == NULL) {
        io_timer_init(&alarm->timer, ring);
        alarm->end = end;
    }
    end->calling = true;
    io_timer_start(end->io, &alarm->timer, ms);
    end->calling = false;
}

static void test_timers_ring_in_order(void **state)
{
    struct io_fixture *f = *state;
    struct alarm alarms[4] = {{.order = 0}};

    start_alarm(&alarms[0], &f->a, 60);
    start_alarm(&alarms[1], &f->a, 20);
    start_alarm(&alarms[2], &f->a, 0);
    start_alarm(&alarms[3], &f->a, 90);
    start_alarm(&alarms[3], &f->a, 40); /* moved */
    end_until(&f->a, ups, 4, 2000);
    assert_int_equal(alarms[2].order, 1);
    assert_int_equal(alarms[1].order, 2);
    assert_int_equal(alarms[3].order, 3);
    assert_int_equal(alarms[0].order, 4);
}

static void test_a_stopped_timer_is_silent(void **state)
{
    struct io_fixture *f = *state;
    struct alarm alarms[3] = {{.order = 0}};

    start_alarm(&alarms[0], &f->a, 10);
    start_alarm(&alarms[1], &f->a, 10);
    start_alarm(&alarms[2], &f->a, 30);
    alarms[0].other = &alarms[1]; /* due at the same moment */
    io_timer_stop(f->a.io, &alarms[2].timer);
    io_timer_stop(f->a.io, &alarms[2].timer); /* twice is fine */
    end_run_for(&f->a, 100);
    assert_int_equal(f->a.ups, 1);
    assert_int_equal(alarms[1].order, 0);
}

static void test_a_timer_may_start_itself(void **state)
{
    struct io_fixture *f = *state;
    struct alarm alarm = {.again = 5};

    start_alarm(&alarm, &f->a, 1);
    end_until(&f->a, ups, 6, 2000);
    end_run_for(&f->a, 20);
    assert_int_equal(f->a.ups, 6);
}

static void test_time_passes(void **state)
{
    struct io_fixture *f = *state;
    struct alarm alarm = {.order = 0};
    uint64_t before = io_now_us(f->a.io);

    start_alarm(&alarm, &f->a, 50);
    end_until(&f->a, ups, 1, 2000);
    assert_true(io_now_us(f->a.io) - before >= 50000);
    assert_true(io_now_us(f->a.io) - before <= 60000 * f->world->slack);
}

struct job {
    struct io_work work;
    struct end *end;
    int *counter; /* the strand's own while jobs run */
    int ran;      /* its value then */
    int finished; /* when done was called, from 1 */
};

static void job_run(struct io_work *work)
{
    struct job *job = container_of(work, struct job, work);

    job->ran = ++*job->counter;
}

static void job_done(struct io_work *work)
{
    struct job *job = container_of(work, struct job, work);

    assert_false(job->end->calling);
    job->finished = ++job->end->ups;
}

static void start_job(struct job *job, struct end *end, enum io_strand strand,
                      int *counter)
{
    *job = (struct job){.end = end, .counter = counter};
    job->work.run = job_run;
    job->work.done = job_done;
    job->work.cost_us = 500;
    end->calling = true;
    io_work(end->io, strand, &job->work);
    end->calling = false;
}

static void test_a_strand_keeps_the_order_of_its_jobs(void **state)
{
    struct io_fixture *f = *state;
    struct job jobs[20];
    int counters[2] = {0, 0};

    for (int i = 0; i < 20; i++) {
        start_job(&jobs[i], &f->a, i % 2 ? IO_DISK : IO_COMPUTE,
                  &counters[i % 2]);
    }
    end_until(&f->a, ups, 20, 5000);
    for (int i = 0; i < 20; i++) {
        assert_int_equal(jobs[i].ran, i / 2 + 1);
        assert_true(i < 2 || jobs[i].finished > jobs[i - 2].finished);
    }
}

/* clang-format off */
#define TEST(name) {#name, test_##name, set_up, tear_down, NULL}
#define LINK_TEST(name) \
    {#name, io_suite_test_##name, set_up, tear_down, NULL}
/* clang-format on */

int io_suite_run(const char *name, struct io_world *(*make)(void))
{
    struct maker maker = {make};
    struct CMUnitTest tests[] = {
        TEST(hello_introduces_both_ends),
        TEST(a_dialed_peer_has_its_name_before),
        TEST(another_name_is_refused),
        TEST(another_cluster_is_refused),
        TEST(no_cluster_fits_any),
        TEST(a_client_is_refused_among_members),
        TEST(a_newer_connection_of_a_name_wins),
        TEST(messages_keep_their_order),
        TEST(payloads_arrive_as_they_were),
        TEST(a_part_of_a_blob_is_sent),
        TEST(the_largest_payload_passes),
        TEST(sending_before_up_is_refused),
        TEST(a_full_queue_is_busy),
        TEST(control_messages_are_bounded_too),
        LINK_TEST(a_dead_listener_is_dialed_until_it_is_back),
        LINK_TEST(a_restarted_neighbour_is_found_at_once),
        LINK_TEST(a_dead_dialer_is_noticed),
        LINK_TEST(a_polite_end_says_why),
        LINK_TEST(hang_up_tells_both_ends),
        LINK_TEST(giving_up_the_silent_is_quick),
        LINK_TEST(what_was_sent_before_hang_up_arrives),
        LINK_TEST(undial_ends_it),
        LINK_TEST(undial_before_up),
        LINK_TEST(undial_inside_on_up),
        LINK_TEST(undial_inside_on_message),
        LINK_TEST(undial_inside_on_down),
        LINK_TEST(undial_inside_on_refused),
        LINK_TEST(hang_up_inside_callbacks),
        LINK_TEST(sending_inside_on_message),
        TEST(timers_ring_in_order),
        TEST(a_stopped_timer_is_silent),
        TEST(a_timer_may_start_itself),
        TEST(time_passes),
        TEST(a_strand_keeps_the_order_of_its_jobs),
    };
    size_t n = sizeof(tests) / sizeof(tests[0]);

    for (size_t i = 0; i < n; i++) {
        tests[i].initial_state = &maker;
    }
    return _cmocka_run_group_tests(name, tests, n, NULL, NULL);
}
