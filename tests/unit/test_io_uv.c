/*
 * The io on libuv: what all ios do (io_suite.h), and what only this one has:
 * addresses, Unix sockets, signals, threads, its own end.
 */
#include "net/io_uv.h"

#include "base/mem.h"
#include "net/io_uv_inner.h"
#include "tests/lib/io_end.h"
#include "tests/lib/io_suite.h"
#include "tests/lib/tmp.h"
#include "tests/lib/unit.h"

#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

struct fixture {
    struct io_world *world;
    struct end a;
    struct end b;
    struct tmp tmp;
};

static int set_up(void **state)
{
    struct fixture *f = mem_new(struct fixture);

    assert_non_null(f);
    f->world = io_world_uv();
    end_start(&f->a, f->world, "anna");
    end_start(&f->b, f->world, "bert");
    tmp_init(&f->tmp);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    end_kill(&f->a);
    end_kill(&f->b);
    f->world->ops->free(f->world);
    tmp_deinit(&f->tmp);
    mem_free(f);
    return 0;
}

/* ---- addresses ----------------------------------------------------------- */

static void test_other_addresses_than_loopback_are_refused(void **state)
{
    static const char *const hosts[] = {"192.168.1.5", "0.0.0.0",
                                        "::", "fe80::1", "126.255.255.255"};
    struct fixture *f = *state;
    struct io_peer *peer;
    struct err err;

    for (size_t i = 0; i < sizeof(hosts) / sizeof(hosts[0]); i++) {
        assert_int_equal(io_dial(f->a.io, "bert", hosts[i], 7000, &peer, &err),
                         EDGE_EREFUSED);
        assert_non_null(strstr(err.text, "plain text is for loopback only; "));
        assert_int_equal(
            io_uv_listen(io_uv_of(f->a.io), hosts[i], 0, NULL, &err),
            EDGE_EREFUSED);
        assert_non_null(strstr(err.text, "is not. With certificates"));
    }
}

static void test_all_of_loopback_is_accepted(void **state)
{
    struct fixture *f = *state;
    struct io_peer *peer;
    struct err err;
    int port;

    assert_int_equal(
        io_uv_listen(io_uv_of(f->b.io), "127.7.7.7", 0, &port, &err), 0);
    assert_int_equal(io_dial(f->a.io, "bert", "127.7.7.7", port, &peer, &err),
                     0);
    end_until(&f->a, ups, 1, 2000);
}

static void test_a_port_in_use_is_said(void **state)
{
    struct fixture *f = *state;
    struct err err;
    char text[80];

    assert_true(io_uv_listen(io_uv_of(f->a.io), "127.0.0.1", f->b.port, NULL,
                             &err) < 0);
    (void)snprintf(text, sizeof(text),
                   "listen on 127.0.0.1:%d: address already in use", f->b.port);
    assert_string_equal(err.text, text);
}

static void test_localhost_is_dialed_by_name(void **state)
{
    struct fixture *f = *state;
    struct io_peer *peer;

    assert_int_equal(
        io_dial(f->a.io, "bert", "localhost", f->b.port, &peer, NULL), 0);
    end_until(&f->a, ups, 1, 5000);
}

static void test_a_name_that_does_not_resolve_is_refused(void **state)
{
    struct fixture *f = *state;
    struct io_peer *peer;

    assert_int_equal(
        io_dial(f->a.io, "bert", "no..such..host", f->b.port, &peer, NULL), 0);
    end_until(&f->a, refusals, 1, 20000);
    assert_int_equal(f->a.rc, EDGE_EUNREACHABLE);
}

static void test_undial_while_resolving(void **state)
{
    struct fixture *f = *state;
    struct io_peer *peer;

    assert_int_equal(
        io_dial(f->a.io, "bert", "localhost", f->b.port, &peer, NULL), 0);
    io_uv_turn(io_uv_of(f->a.io)); /* it is being resolved now */
    io_undial(peer);
    end_run_for(&f->a, 200);
    assert_int_equal(f->a.ups + f->a.refusals, 0);
}

static void test_broken_targets_are_refused(void **state)
{
    struct fixture *f = *state;
    struct io_peer *peer;
    char path[200];

    assert_int_equal(io_dial(f->a.io, "bert", "127.0.0.1", 65536, &peer, NULL),
                     EDGE_EINVAL);
    assert_int_equal(io_dial(f->a.io, "bert", "127.0.0.1", 0, &peer, NULL),
                     EDGE_EINVAL);
    assert_int_equal(io_dial(f->a.io, "no name", "127.0.0.1", 1, &peer, NULL),
                     EDGE_EINVAL);
    memset(path, '/', sizeof(path));
    path[sizeof(path) - 1] = '\0';
    assert_int_equal(io_dial(f->a.io, NULL, path, 0, &peer, NULL), EDGE_EINVAL);
    assert_int_equal(io_uv_listen_path(io_uv_of(f->a.io), path, NULL),
                     EDGE_EINVAL);
}

/* ---- Unix sockets -------------------------------------------------------- */

static const char *listen_on(struct fixture *f, struct end *end)
{
    const char *path = tmp_path(&f->tmp, "edged.sock");
    struct err err;

    if (io_uv_listen_path(io_uv_of(end->io), path, &err) < 0) {
        fail_msg("%s", err.text);
    }
    return path;
}

static void test_clients_come_over_a_unix_socket(void **state)
{
    struct fixture *f = *state;
    const char *path = listen_on(f, &f->b);
    struct io_peer *peer;
    struct stat st;

    f->a.id.role = EDGED__ROLE__ROLE_CLIENT;
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(io_dial(f->a.io, "bert", path, 0, &peer, NULL), 0);
    end_until(&f->a, ups, 1, 2000);
    assert_int_equal(f->b.peer->role, EDGED__ROLE__ROLE_CLIENT);
    assert_int_equal(end_send_data(&f->a, peer, 1, 300000), 0);
    end_until_messages(&f->b, 1, 2000);
    assert_int_equal(f->b.payload_crc, end_data_crc(0, 1, 300000));
}

static void test_clients_may_have_the_same_name(void **state)
{
    struct fixture *f = *state;
    const char *path = listen_on(f, &f->b);
    struct io_peer *peer;

    f->a.id.role = EDGED__ROLE__ROLE_CLIENT;
    assert_int_equal(io_dial(f->a.io, "bert", path, 0, &peer, NULL), 0);
    assert_int_equal(io_dial(f->a.io, "bert", path, 0, &peer, NULL), 0);
    end_until(&f->b, ups, 2, 2000);
    end_run_for(&f->b, 100);
    assert_int_equal(f->b.downs, 0);
}

static void test_members_do_not_come_over_a_unix_socket(void **state)
{
    struct fixture *f = *state;
    struct io_peer *peer;

    assert_int_equal(
        io_dial(f->a.io, "bert", listen_on(f, &f->b), 0, &peer, NULL), 0);
    end_until(&f->a, refusals, 1, 2000);
    assert_string_equal(f->a.why, "a node is not accepted on this socket");
}

static void test_a_stale_socket_is_replaced(void **state)
{
    struct fixture *f = *state;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    strncpy(address.sun_path, tmp_path(&f->tmp, "edged.sock"),
            sizeof(address.sun_path) - 1);
    assert_int_equal(
        bind(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
    (void)close(fd); /* as a process that was killed */
    (void)listen_on(f, &f->b);
}

static void test_a_live_socket_is_left_alone(void **state)
{
    struct fixture *f = *state;
    const char *path = listen_on(f, &f->b);
    struct err err;

    assert_int_equal(io_uv_listen_path(io_uv_of(f->a.io), path, &err),
                     EDGE_EEXIST);
    assert_non_null(strstr(err.text, "another process already listens"));
}

static void test_a_file_is_not_replaced_by_a_socket(void **state)
{
    struct fixture *f = *state;
    const char *path = tmp_write(&f->tmp, "edged.sock", "data", 4);

    assert_int_equal(io_uv_listen_path(io_uv_of(f->a.io), path, NULL),
                     EDGE_EEXIST);
    assert_int_equal(access(path, F_OK), 0);
}

/* ---- its end ------------------------------------------------------------- */

static void stop_it(struct end *end, struct io_peer *peer)
{
    (void)peer;
    io_uv_stop(io_uv_of(end->io));
}

static void test_stop_inside_on_up(void **state)
{
    struct fixture *f = *state;

    f->b.then_up = stop_it;
    (void)end_dial(&f->a, &f->b, "bert");
    end_until(&f->a, downs, 1, 2000);
    assert_int_equal(f->b.ups, 1);
    assert_int_equal(f->b.downs, 0); /* no callback after it */
    assert_true(io_uv_of(f->b.io)->closed);
}

static void test_stop_inside_on_message(void **state)
{
    struct fixture *f = *state;
    struct io_peer *peer = end_dial(&f->a, &f->b, "bert");

    end_until(&f->a, ups, 1, 2000);
    f->b.then_message = stop_it;
    assert_int_equal(end_send_ack(&f->a, peer, 1), 0);
    assert_int_equal(end_send_ack(&f->a, peer, 2), 0);
    end_until(&f->a, downs, 1, 2000);
    assert_int_equal(f->b.messages, 1);
    assert_string_equal(f->a.why, "the process stops");
}

static void test_peers_stay_valid_until_free(void **state)
{
    struct fixture *f = *state;
    struct io_peer *dialed = end_dial(&f->a, &f->b, "bert");
    struct io_peer *accepted;

    end_until(&f->a, ups, 1, 2000);
    end_until(&f->b, ups, 1, 2000);
    accepted = f->b.peer;
    io_uv_stop(io_uv_of(f->a.io));
    io_uv_stop(io_uv_of(f->b.io));
    end_run_for(&f->a, 10);
    assert_int_equal(end_send_ack(&f->a, dialed, 1), EDGE_ECLOSED);
    assert_int_equal(end_send_ack(&f->b, accepted, 1), EDGE_ECLOSED);
    io_hang_up(accepted, EDGE_ECLOSED, "of no effect");
    io_undial(dialed);
}

struct slow_job {
    struct io_work work;
    uv_sem_t *begun; /* posted, if not NULL */
    int ran;
    int finished;
};

static void run_slowly(struct io_work *work)
{
    struct slow_job *job = container_of(work, struct slow_job, work);
    uint64_t start = uv_hrtime();

    if (job->begun != NULL) {
        uv_sem_post(job->begun);
    }
    while (uv_hrtime() - start < 50000000) {
        /* as if it computed */
    }
    job->ran = 1;
}

static void note_done(struct io_work *work)
{
    container_of(work, struct slow_job, work)->finished = 1;
}

static void test_work_is_waited_for_or_dropped(void **state)
{
    struct fixture *f = *state;
    struct slow_job jobs[2] = {{.ran = 0}};
    uv_sem_t begun;

    assert_int_equal(uv_sem_init(&begun, 0), 0);
    for (int i = 0; i < 2; i++) {
        jobs[i].work.run = run_slowly;
        jobs[i].work.done = note_done;
        jobs[i].begun = &begun;
        io_work(f->a.io, IO_COMPUTE, &jobs[i].work);
    }
    uv_sem_wait(&begun); /* the first is on its way */
    end_stop(&f->a);
    uv_sem_destroy(&begun);
    assert_int_equal(jobs[0].ran, 1);
    assert_int_equal(jobs[1].ran, 0);
    assert_int_equal(jobs[0].finished + jobs[1].finished, 0);
}

struct stopper {
    struct io_work work;
    struct io_timer timer;
    struct io *io;
    int *calls;
};

static void run_nothing(struct io_work *work)
{
    (void)work;
}

static void stop_when_done(struct io_work *work)
{
    struct stopper *s = container_of(work, struct stopper, work);

    ++*s->calls;
    io_uv_stop(io_uv_of(s->io));
}

static void stop_when_due(struct io_timer *timer)
{
    struct stopper *s = container_of(timer, struct stopper, timer);

    ++*s->calls;
    io_uv_stop(io_uv_of(s->io));
}

static void test_stop_inside_done_is_the_last_callback(void **state)
{
    struct fixture *f = *state;
    struct stopper stoppers[50];
    int calls = 0;

    for (int i = 0; i < 50; i++) {
        stoppers[i] = (struct stopper){
            .work = {.run = run_nothing, .done = stop_when_done},
            .io = f->a.io,
            .calls = &calls};
        io_work(f->a.io, IO_DISK, &stoppers[i].work);
    }
    while (!io_uv_of(f->a.io)->closed) {
        end_run_for(&f->a, 1);
    }
    assert_int_equal(calls, 1);
}

static void test_stop_inside_a_timer_is_the_last_callback(void **state)
{
    struct fixture *f = *state;
    struct stopper stoppers[2];
    int calls = 0;

    for (int i = 0; i < 2; i++) {
        stoppers[i] = (struct stopper){.io = f->a.io, .calls = &calls};
        io_timer_init(&stoppers[i].timer, stop_when_due);
        io_timer_start(f->a.io, &stoppers[i].timer, 1);
    }
    while (!io_uv_of(f->a.io)->closed) {
        end_run_for(&f->a, 1);
    }
    assert_int_equal(calls, 1);
}

static void test_the_time_of_work_is_taken(void **state)
{
    struct fixture *f = *state;
    struct slow_job job = {.work = {.run = run_slowly, .done = note_done}};

    io_work(f->a.io, IO_COMPUTE, &job.work);
    while (!job.finished) {
        end_run_for(&f->a, 5);
    }
    assert_in_range(job.work.took_us, 50000, 1000000);
}

static void note_signal(void *arg)
{
    ++*(int *)arg;
}

static void test_signals_come_as_a_callback(void **state)
{
    struct fixture *f = *state;
    int count = 0;

    assert_int_equal(
        io_uv_on_terminate(io_uv_of(f->a.io), note_signal, &count, NULL), 0);
    assert_int_equal(raise(SIGTERM), 0);
    end_run_for(&f->a, 50);
    assert_int_equal(count, 1);
    assert_int_equal(raise(SIGINT), 0);
    end_run_for(&f->a, 50);
    assert_int_equal(count, 2);
}

/* ---- threads ------------------------------------------------------------- */

#define ROUNDS 2000

/* Each of two loops in its own thread sends what it gets back. */
struct player {
    struct io_identity id;
    struct io_uv *uv;
    struct io_peer *dialed;
    int got;
    int failures;
};

static void play_send(struct io_peer *peer, struct blob *blob)
{
    Edged__Envelope env = EDGED__ENVELOPE__INIT;
    Edged__Data data = EDGED__DATA__INIT;
    struct io_payload payload = {.blob = blob, .size = blob->size};
    struct player *p = peer->io->arg;

    env.body_case = EDGED__ENVELOPE__BODY_DATA;
    env.data = &data;
    p->failures += io_send(peer, &env, &payload) < 0;
}

static void play_up(void *arg, struct io_peer *peer)
{
    struct blob *blob = blob_new(25088);

    (void)arg;
    if (peer->dialed) {
        memset(blob->data, 7, blob->size);
        play_send(peer, blob);
    }
    blob_unref(blob);
}

static void play_message(void *arg, struct io_peer *peer, struct msg *msg)
{
    struct player *p = arg;

    if (++p->got < ROUNDS || !peer->dialed) {
        play_send(peer, msg->payload);
    } else {
        io_uv_stop(p->uv);
    }
}

static void play_down(void *arg, struct io_peer *peer, int rc, const char *why)
{
    (void)peer;
    (void)rc;
    (void)why;
    io_uv_stop(((struct player *)arg)->uv);
}

static void player_new(struct player *p, const char *name)
{
    static const struct io_events events = {
        .on_up = play_up, .on_down = play_down, .on_message = play_message};

    *p = (struct player){.id = {.role = EDGED__ROLE__ROLE_NODE,
                                .name = name,
                                .cluster = "",
                                .version = "1"}};
    assert_int_equal(io_uv_new(&p->id, NULL, &p->uv, NULL), 0);
    io_uv_secure(p->uv, NULL, IO_UV_PLAIN);
    io_uv_on(p->uv, &events, p);
}

static void play(void *arg)
{
    io_uv_run(((struct player *)arg)->uv);
}

static void test_two_loops_in_two_threads(void **state)
{
    struct player players[2];
    uv_thread_t threads[2];
    int port;

    (void)state;
    player_new(&players[0], "one");
    player_new(&players[1], "two");
    assert_int_equal(io_uv_listen(players[1].uv, "127.0.0.1", 0, &port, NULL),
                     0);
    assert_int_equal(io_dial(io_uv_io(players[0].uv), "two", "127.0.0.1", port,
                             &players[0].dialed, NULL),
                     0);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(uv_thread_create(&threads[i], play, &players[i]), 0);
    }
    for (int i = 0; i < 2; i++) {
        assert_int_equal(uv_thread_join(&threads[i]), 0);
    }
    for (int i = 0; i < 2; i++) {
        assert_int_equal(players[i].got, ROUNDS);
        assert_int_equal(players[i].failures, 0);
        io_uv_free(players[i].uv);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_other_addresses_than_loopback_are_refused),
        TEST(test_all_of_loopback_is_accepted),
        TEST(test_a_port_in_use_is_said),
        TEST(test_localhost_is_dialed_by_name),
        TEST(test_a_name_that_does_not_resolve_is_refused),
        TEST(test_undial_while_resolving),
        TEST(test_broken_targets_are_refused),
        TEST(test_clients_come_over_a_unix_socket),
        TEST(test_clients_may_have_the_same_name),
        TEST(test_members_do_not_come_over_a_unix_socket),
        TEST(test_a_stale_socket_is_replaced),
        TEST(test_a_live_socket_is_left_alone),
        TEST(test_a_file_is_not_replaced_by_a_socket),
        TEST(test_stop_inside_on_up),
        TEST(test_stop_inside_on_message),
        TEST(test_peers_stay_valid_until_free),
        TEST(test_work_is_waited_for_or_dropped),
        TEST(test_stop_inside_done_is_the_last_callback),
        TEST(test_stop_inside_a_timer_is_the_last_callback),
        TEST(test_the_time_of_work_is_taken),
        TEST(test_signals_come_as_a_callback),
        cmocka_unit_test(test_two_loops_in_two_threads),
    };
    int failed = io_suite_run("io_uv", io_world_uv);

    return failed + cmocka_run_group_tests_name("uv", tests, NULL, NULL);
}
