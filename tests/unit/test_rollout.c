/* Deploys step by step, with the test as the nodes. */
#include "tests/lib/desk.h"

#include "base/mem.h"
#include "tests/lib/swept.h"
#include "tests/lib/unit.h"
#include "wire/convert.h"

#include <stdio.h>
#include <string.h>

#define ONE                                         \
    "name: home\nmodel: {file: m.onnx}\ndevices:\n" \
    "  - {name: n0, host: 127.0.0.1, port: 700}\n"
#define TWO ONE "  - {name: n1, host: 127.0.0.1, port: 701}\nreplicas: 2\n"

struct fixture {
    struct desk d;
};

static int set_up(void **state)
{
    struct fixture *f = test_calloc(1, sizeof(*f));

    desk_init(&f->d, 1);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    desk_deinit(&f->d);
    test_free(f);
    return 0;
}

/* ---- helpers ------------------------------------------------------------- */

static int code(const struct fixture *f)
{
    assert_non_null(desk_reply(&f->d));
    return desk_reply(&f->d)->code;
}

static bool says(const struct fixture *f, const char *text)
{
    return strstr(desk_reply(&f->d)->text, text) != NULL;
}

static size_t count(struct fixture *f, const char *node,
                    Edged__Envelope__BodyCase kind)
{
    return io_fake_count(desk_node(&f->d, node), kind);
}

static size_t installs(struct fixture *f, const char *node)
{
    return count(f, node, EDGED__ENVELOPE__BODY_INSTALL);
}

static const Edged__Install *last_install(struct fixture *f, const char *node)
{
    return io_fake_last(desk_node(&f->d, node), EDGED__ENVELOPE__BODY_INSTALL)
        ->env->install;
}

/* Until Install has gone out to n0. */
static void deploy_to_n0(struct fixture *f)
{
    desk_deploy(&f->d, ONE);
    if (!desk_node(&f->d, "n0")->base.up) {
        desk_up(&f->d, "n0", 0);
    }
    (void)io_fake_work(&f->d.fake);
}

static void say_failed(struct fixture *f, const char *node, int rc)
{
    Edged__Envelope env = EDGED__ENVELOPE__INIT;
    Edged__Failed failed = EDGED__FAILED__INIT;

    failed.epoch = last_install(f, node)->epoch;
    failed.code = rc;
    failed.text = (char *)(uintptr_t) "the disk is full";
    env.body_case = EDGED__ENVELOPE__BODY_FAILED;
    env.failed = &failed;
    io_fake_receive(desk_node(&f->d, node), &env, NULL);
}

static void pass_time(struct fixture *f, uint64_t ms, const char *node,
                      uint32_t epoch)
{
    for (uint64_t t = 0; t < ms; t += 250) {
        io_fake_run_for(&f->d.fake, 250);
        if (node != NULL) {
            desk_beat(&f->d, node, epoch);
        }
    }
}

static const struct deployment *home(struct fixture *f)
{
    return deployments_get(f->d.c, "home");
}

/* ---- the way of a deploy ------------------------------------------------- */

static void a_deploy_goes_step_by_step(void **state)
{
    struct fixture *f = *state;

    desk_deploy(&f->d, ONE);
    assert_string_equal(desk_node(&f->d, "n0")->host, "127.0.0.1");
    desk_up(&f->d, "n0", 0);
    assert_int_equal(installs(f, "n0"), 0); /* it is being planned */
    (void)io_fake_work(&f->d.fake);
    assert_int_equal(installs(f, "n0"), 1);
    desk_ready(&f->d, "n0");
    assert_null(desk_reply(&f->d));
    assert_true(desk_answer(&f->d, "n0", false));
    assert_null(home(f)->current); /* state.db is being written */
    (void)io_fake_work(&f->d.fake);
    assert_int_equal(code(f), 0);
    assert_int_equal(desk_reply(&f->d)->generation, 1);
    assert_int_equal(desk_reply(&f->d)->pushed_bytes, 0);
    assert_non_null(home(f)->current);
}

static void a_device_that_is_not_there_is_named(void **state)
{
    struct fixture *f = *state;

    desk_deploy(&f->d, TWO);
    desk_up(&f->d, "n0", 0);
    pass_time(f, 4500, "n0", 0);
    assert_null(desk_reply(&f->d));
    pass_time(f, 1000, "n0", 0);
    assert_int_equal(code(f), EDGE_EUNREACHABLE);
    assert_true(says(f, "cannot reach n1 at 127.0.0.1:701"));
    assert_null(home(f)); /* nothing is half deployed */
}

/* A plan that does not know its boards would be another one a moment later. */
static void a_board_finds_out_how_fast_it_is_first(void **state)
{
    struct fixture *f = *state;

    f->d.is_speedless = true;
    deploy_to_n0(f);
    pass_time(f, 1000, "n0", 0);
    assert_int_equal(io_fake_work(&f->d.fake), 0);
    f->d.is_speedless = false;
    pass_time(f, 500, "n0", 0);
    assert_int_not_equal(io_fake_work(&f->d.fake), 0);
    assert_int_equal(installs(f, "n0"), 1);
}

static void a_board_that_never_does_is_not_waited_for(void **state)
{
    struct fixture *f = *state;

    f->d.is_speedless = true;
    deploy_to_n0(f);
    pass_time(f, 3500, "n0", 0);
    (void)io_fake_work(&f->d.fake);
    assert_int_equal(installs(f, "n0"), 1);
}

static void a_wrong_golden_answer_leaves_the_old_one(void **state)
{
    struct fixture *f = *state;
    uint32_t old = desk_whole(&f->d, "n0");

    deploy_to_n0(f);
    desk_ready(&f->d, "n0");
    assert_true(desk_answer(&f->d, "n0", true));
    assert_int_equal(code(f), EDGE_ECORRUPT);
    assert_true(says(f, "output \"y\", value 0 is"));
    assert_int_equal(home(f)->current->epoch, old);
    assert_int_equal(home(f)->generation, 1);
    assert_int_equal(count(f, "n0", EDGED__ENVELOPE__BODY_RETIRE), 1);
    desk_beat(&f->d, "n0", old);
    desk_ask(&f->d, f->d.client, 1, 0);
    assert_true(desk_answer(&f->d, "n0", false));
    assert_int_equal(desk_answer_of(f->d.client, 1)->code, 0);
}

static void golden_none_asks_nothing(void **state)
{
    struct fixture *f = *state;

    desk_deploy(&f->d, ONE "goal: latency\nrollout: {golden: none}\n"
                           "stages: [{name: all, layers: y}]\n");
    desk_up(&f->d, "n0", 0);
    (void)io_fake_work(&f->d.fake);
    desk_ready(&f->d, "n0");
    assert_int_equal(count(f, "n0", EDGED__ENVELOPE__BODY_DATA), 0);
    (void)io_fake_work(&f->d.fake);
    assert_int_equal(code(f), 0);
}

static void a_failed_seat_fails_the_deploy(void **state)
{
    struct fixture *f = *state;

    deploy_to_n0(f);
    say_failed(f, "n0", EDGE_EIO);
    assert_int_equal(code(f), EDGE_EIO);
    assert_true(says(f, "n0: the disk is full"));
    assert_true(list_is_empty(&f->d.c->placements));
    assert_true(list_is_empty(&f->d.c->rollouts));
}

static void damaged_weights_get_a_second_chance(void **state)
{
    struct fixture *f = *state;

    deploy_to_n0(f);
    say_failed(f, "n0", EDGE_ECORRUPT);
    assert_null(desk_reply(&f->d));
    assert_int_equal(installs(f, "n0"), 2);
    say_failed(f, "n0", EDGE_ECORRUPT);
    assert_int_equal(code(f), EDGE_ECORRUPT);
}

static void a_device_lost_meanwhile_may_come_back(void **state)
{
    struct fixture *f = *state;

    deploy_to_n0(f);
    desk_down(&f->d, "n0");
    pass_time(f, 8000, NULL, 0);
    assert_null(desk_reply(&f->d));
    desk_up(&f->d, "n0", 0);
    desk_ready(&f->d, "n0");
    assert_true(desk_answer(&f->d, "n0", false));
    (void)io_fake_work(&f->d.fake);
    assert_int_equal(code(f), 0);
}

static void a_device_lost_for_long_fails_the_deploy(void **state)
{
    struct fixture *f = *state;

    deploy_to_n0(f);
    desk_down(&f->d, "n0");
    pass_time(f, 16000, NULL, 0);
    assert_int_equal(code(f), EDGE_EUNREACHABLE);
    assert_true(says(f, "n0 was lost"));
}

static void one_deploy_of_a_name_at_a_time(void **state)
{
    struct fixture *f = *state;

    deploy_to_n0(f);
    desk_deploy(&f->d, ONE);
    assert_int_equal(code(f), EDGE_EBUSY);
    desk_ready(&f->d, "n0");
    io_fake_forget(f->d.client);
    assert_true(desk_answer(&f->d, "n0", false));
    (void)io_fake_work(&f->d.fake);
    assert_int_equal(code(f), 0); /* the first one's */
}

static void a_client_that_leaves_stops_no_deploy(void **state)
{
    struct fixture *f = *state;
    struct io_fake_peer *client = f->d.client;

    deploy_to_n0(f);
    f->d.client = desk_client(&f->d);
    f->d.fake.io.events.on_down(f->d.fake.io.arg, &client->base, EDGE_ECLOSED,
                                "");
    io_fake_drop(client);
    desk_ready(&f->d, "n0");
    assert_true(desk_answer(&f->d, "n0", false));
    (void)io_fake_work(&f->d.fake);
    assert_non_null(home(f)->current);
}

static void memory_of_the_file_caps_the_board(void **state)
{
    struct fixture *f = *state;

    desk_deploy(&f->d, "name: home\nmodel: {file: m.onnx}\ndevices:\n"
                       "  - {name: n0, host: 127.0.0.1, port: 700, "
                       "memory: 20MiB}\n");
    desk_up(&f->d, "n0", 0); /* it offers 100 */
    (void)io_fake_work(&f->d.fake);
    desk_ready(&f->d, "n0");
    assert_true(desk_answer(&f->d, "n0", false));
    (void)io_fake_work(&f->d.fake);
    assert_int_equal(desk_reply(&f->d)->plan->devices[0]->free_bytes, MIB(20));
}

/* ---- the same again ------------------------------------------------------ */

#define ANY_OF_TWO                                                   \
    ONE "  - {name: n1, host: 127.0.0.1, port: 701}\nspares: none\n" \
        "goal: latency\nrollout: {golden: none}\n"                   \
        "stages: [{name: all, layers: y}]\n"

static void say_rates(struct fixture *f, double n0, double n1)
{
    static const char *const names[] = {"n0", "n1"};

    f->d.rate[0] = n0;
    f->d.rate[1] = n1;
    for (int i = 0; i < 2; i++) {
        const struct io_fake_peer *node = desk_node(&f->d, names[i]);

        if (node != NULL && node->base.up) {
            desk_beat(&f->d, names[i], 0);
        } else if (node != NULL) {
            desk_up(&f->d, names[i], 0);
        }
    }
}

/* What is predicted of it, in ms, once it is deployed on boards that compute so
 * much a second. */
static double predicted(struct fixture *f, const char *yaml, double n0,
                        double n1)
{
    uint32_t generation = home(f) != NULL ? home(f)->generation : 0;

    say_rates(f, n0, n1);
    desk_deploy(&f->d, yaml);
    if (generation == 0) {
        say_rates(f, n0, n1); /* they are dialed now */
    }
    (void)io_fake_work(&f->d.fake);
    for (int i = 0; i < 2; i++) {
        if (installs(f, i == 0 ? "n0" : "n1") > 0) {
            desk_ready(&f->d, i == 0 ? "n0" : "n1");
        }
    }
    (void)io_fake_work(&f->d.fake);
    assert_int_equal(code(f), 0);
    assert_int_equal(home(f)->generation, generation + 1);
    return home(f)->current->spec->predicted_ms;
}

/* The slower one gets nothing to do. */
static void the_same_file_again_stays_where_it_is(void **state)
{
    struct fixture *f = *state;
    double first = predicted(f, ANY_OF_TWO, 100, 10);
    double second = predicted(f, ANY_OF_TWO, 100, 110);

    assert_true(second == first);
    assert_true(predicted(f, ANY_OF_TWO, 100, 200) < 0.51 * first);
}

static void another_file_is_planned_from_scratch(void **state)
{
    struct fixture *f = *state;
    double first = predicted(f, ANY_OF_TWO, 100, 10);

    assert_true(predicted(f, ANY_OF_TWO "#\n", 100, 110) < 0.92 * first);
}

/* ---- boards that move ---------------------------------------------------- */

#define MOVED                                          \
    "name: home\nmodel: {file: m.onnx}\nreplicas: 2\n" \
    "devices:\n"                                       \
    "  - {name: n0, host: 127.0.0.1, port: 700}\n"     \
    "  - {name: n1, host: 127.0.0.1, port: 999}\n"

static struct io_fake_peer *at_port(struct fixture *f, int port)
{
    list_each(&f->d.fake.peers, it, after)
    {
        struct io_fake_peer *peer = list_entry(it, struct io_fake_peer, link);

        if (peer->port == port) {
            return peer;
        }
    }
    return NULL;
}

static void a_wrong_address_costs_nothing(void **state)
{
    struct fixture *f = *state;
    uint32_t old = desk_whole(&f->d, "n0, n1");

    desk_deploy(&f->d, MOVED);
    assert_non_null(at_port(f, 999));
    assert_true(at_port(f, 701)->base.up); /* still talked to */
    pass_time(f, 6000, "n0", old);
    assert_int_equal(code(f), EDGE_EUNREACHABLE);
    assert_true(says(f, "cannot reach n1 at 127.0.0.1:999"));
    assert_null(at_port(f, 999));
    assert_non_null(at_port(f, 701));
}

static void a_board_is_followed_to_its_address(void **state)
{
    struct fixture *f = *state;
    struct io_fake_peer *next;
    uint32_t old = desk_whole(&f->d, "n0, n1");
    size_t before = installs(f, "n0");

    desk_deploy(&f->d, MOVED);
    next = at_port(f, 999);
    next->base.up = true;
    f->d.fake.io.events.on_up(f->d.fake.io.arg, &next->base);
    assert_null(at_port(f, 701));
    desk_beat(&f->d, "n1", old);
    /* Its neighbours hear where it is now. */
    assert_true(installs(f, "n0") > before);
    assert_int_equal(last_install(f, "n0")->nodes[1]->port, 999);
    (void)io_fake_work(&f->d.fake);
    desk_ready(&f->d, "n0");
    desk_ready(&f->d, "n1");
    while (desk_answer(&f->d, "n0", false) || desk_answer(&f->d, "n1", false)) {
        /* the golden input */
    }
    (void)io_fake_work(&f->d.fake);
    assert_int_equal(code(f), 0);
}

/* ---- pushes -------------------------------------------------------------- */

#define BIG (3 * MIB(1))

struct push {
    struct digest digest;
    struct blob *blob;
};

static void say_need(struct fixture *f, struct push *push)
{
    Edged__Envelope env = EDGED__ENVELOPE__INIT;
    Edged__Need need = EDGED__NEED__INIT;
    Edged__BlobRef ref = EDGED__BLOB_REF__INIT;
    Edged__BlobRef *list[] = {&ref};
    struct err err;

    push->blob = blob_new(BIG);
    memset(push->blob->data, 7, BIG);
    assert_int_equal(
        store_put(f->d.c->store, push->blob->data, BIG, &push->digest, &err),
        0);
    blob_unref(push->blob);
    ref.digest = convert_digest_out(&push->digest);
    ref.size = BIG;
    need.epoch = last_install(f, "n0")->epoch;
    need.blobs = list;
    need.n_blobs = 1;
    env.body_case = EDGED__ENVELOPE__BODY_NEED;
    env.need = &need;
    io_fake_receive(desk_node(&f->d, "n0"), &env, NULL);
}

static void say_chunk_ack(struct fixture *f, const struct push *push,
                          uint64_t received, int rc)
{
    Edged__Envelope env = EDGED__ENVELOPE__INIT;
    Edged__ChunkAck ack = EDGED__CHUNK_ACK__INIT;

    ack.digest = convert_digest_out(&push->digest);
    ack.received = received;
    ack.code = rc;
    ack.text = (char *)(uintptr_t) "no room";
    env.body_case = EDGED__ENVELOPE__BODY_CHUNK_ACK;
    env.chunk_ack = &ack;
    io_fake_receive(desk_node(&f->d, "n0"), &env, NULL);
}

static const struct msg *last_chunk(struct fixture *f)
{
    return io_fake_last(desk_node(&f->d, "n0"), EDGED__ENVELOPE__BODY_CHUNK);
}

static size_t chunks(struct fixture *f)
{
    return count(f, "n0", EDGED__ENVELOPE__BODY_CHUNK);
}

static void a_push_goes_on_where_the_node_stands(void **state)
{
    struct fixture *f = *state;
    struct push push;

    deploy_to_n0(f);
    say_need(f, &push);
    assert_int_equal(chunks(f), 1);
    assert_null(last_chunk(f)->payload); /* how much is there? */
    say_chunk_ack(f, &push, MIB(2), 0);
    assert_int_equal(chunks(f), 1 + 4); /* one MiB is left */
    assert_int_equal(last_chunk(f)->env->chunk->offset, BIG - KIB(256));
}

static void only_so_many_pieces_are_under_way(void **state)
{
    struct fixture *f = *state;
    struct push push;

    deploy_to_n0(f);
    say_need(f, &push);
    say_chunk_ack(f, &push, 0, 0);
    assert_int_equal(chunks(f), 1 + 8);
    say_chunk_ack(f, &push, KIB(256), 0);
    assert_int_equal(chunks(f), 1 + 9);
}

static void pieces_that_were_not_taken_go_again(void **state)
{
    struct fixture *f = *state;
    struct push push;

    deploy_to_n0(f);
    say_need(f, &push);
    say_chunk_ack(f, &push, MIB(2), 0);
    for (int i = 0; i < 4; i++) {
        say_chunk_ack(f, &push, MIB(2), 0); /* not one of them */
    }
    assert_int_equal(chunks(f), 1 + 8);
    assert_int_equal(last_chunk(f)->env->chunk->offset, BIG - KIB(256));
}

static void a_push_that_stalls_asks_again(void **state)
{
    struct fixture *f = *state;
    struct push push;

    deploy_to_n0(f);
    say_need(f, &push);
    say_chunk_ack(f, &push, 0, 0);
    pass_time(f, 2500, "n0", 0);
    assert_int_equal(chunks(f), 1 + 8);
    pass_time(f, 1000, "n0", 0); /* no acknowledgement came */
    assert_int_equal(chunks(f), 1 + 8 + 1);
    say_chunk_ack(f, &push, MIB(1), 0);
    assert_int_equal(last_chunk(f)->env->chunk->offset, BIG - KIB(256));
}

static void a_busy_node_is_asked_with_its_beat(void **state)
{
    struct fixture *f = *state;
    struct push push;

    deploy_to_n0(f);
    say_need(f, &push);
    say_chunk_ack(f, &push, 0, EDGE_EBUSY);
    assert_null(desk_reply(&f->d));
    desk_beat(&f->d, "n0", 0);
    assert_int_equal(chunks(f), 2);
}

static void a_refused_blob_fails_the_deploy(void **state)
{
    struct fixture *f = *state;
    struct push push;

    deploy_to_n0(f);
    say_need(f, &push);
    say_chunk_ack(f, &push, 0, 0);
    say_chunk_ack(f, &push, 0, EDGE_EIO);
    assert_int_equal(code(f), EDGE_EIO);
    assert_true(says(f, "n0: no room"));
    assert_int_equal(members_find(f->d.c, "n0")->in_window, 0);
    say_chunk_ack(f, &push, KIB(256), 0); /* those that were under way */
}

/* The window must not stay full when a blob is given up. */
static void the_next_deploy_pushes_again(void **state)
{
    struct fixture *f = *state;
    struct push push;

    a_refused_blob_fails_the_deploy(state);
    deploy_to_n0(f);
    io_fake_forget(f->d.client);
    say_need(f, &push);
    io_fake_forget(desk_node(&f->d, "n0"));
    say_chunk_ack(f, &push, 0, 0);
    assert_int_equal(chunks(f), 8);
}

static void progress_is_said_a_few_times_a_second(void **state)
{
    struct fixture *f = *state;
    struct push push;
    uint64_t at = 0;
    size_t n;

    deploy_to_n0(f);
    say_need(f, &push);
    say_chunk_ack(f, &push, 0, 0);
    io_fake_forget(f->d.client);
    while (at < BIG) { /* 1.2 s of pieces */
        io_fake_run_for(&f->d.fake, 100);
        at += KIB(256);
        say_chunk_ack(f, &push, at, 0);
    }
    n = io_fake_count(f->d.client, EDGED__ENVELOPE__BODY_PROGRESS);
    assert_in_range(n, 2, 7);
    desk_ready(&f->d, "n0");
    assert_int_equal(io_fake_last(f->d.client, EDGED__ENVELOPE__BODY_PROGRESS)
                         ->env->progress->total,
                     0); /* of the golden input, after the last push's */
    assert_true(desk_answer(&f->d, "n0", false));
    (void)io_fake_work(&f->d.fake);
    assert_int_equal(desk_reply(&f->d)->pushed_bytes, BIG);
}

/* ---- in force ------------------------------------------------------------ */

static void a_restart_finds_it_again(void **state)
{
    struct fixture *f = *state;
    uint32_t epoch = desk_whole(&f->d, "n0, n1");

    desk_restart(&f->d);
    assert_int_equal(home(f)->current->epoch, epoch);
    assert_int_equal(home(f)->generation, 1);
    desk_up(&f->d, "n0", epoch);
    desk_ask(&f->d, f->d.client, 1, 0);
    assert_true(desk_answer(&f->d, "n0", false));
    assert_int_equal(desk_answer_of(f->d.client, 1)->code, 0);
    assert_int_equal(chunks(f), 0);
}

static void a_node_is_told_which_epochs_stand(void **state)
{
    struct fixture *f = *state;
    uint32_t epoch = desk_whole(&f->d, "n0");
    const Edged__Epochs *epochs;

    desk_down(&f->d, "n0");
    desk_up(&f->d, "n0", 0);
    epochs = io_fake_last(desk_node(&f->d, "n0"), EDGED__ENVELOPE__BODY_EPOCHS)
                 ->env->epochs;
    assert_int_equal(epochs->n_epochs, 1);
    assert_int_equal(epochs->epochs[0], epoch);
}

/* A Retire may be lost where a queue was full. */
static void an_epoch_that_is_unknown_is_told_again(void **state)
{
    struct fixture *f = *state;
    size_t before;

    (void)desk_whole(&f->d, "n0");
    before = count(f, "n0", EDGED__ENVELOPE__BODY_EPOCHS);
    desk_beat(&f->d, "n0", 77);
    assert_int_equal(count(f, "n0", EDGED__ENVELOPE__BODY_EPOCHS), before + 1);
}

static void a_failed_seat_in_force_is_asked_again(void **state)
{
    struct fixture *f = *state;
    uint32_t epoch = desk_whole(&f->d, "n0, n1");
    size_t before;

    desk_down(&f->d, "n0");
    desk_up(&f->d, "n0", 0);
    before = installs(f, "n0");
    say_failed(f, "n0", EDGE_EIO);
    for (int i = 0; i < 240; i++) { /* a minute */
        size_t n = installs(f, "n0");

        pass_time(f, 250, "n0", 0);
        if (installs(f, "n0") > n) {
            say_failed(f, "n0", EDGE_EIO);
        }
    }
    /* 1 + 2 + 4 + 8 + 16 + 32 s */
    assert_in_range(installs(f, "n0") - before, 4, 7);
    assert_int_equal(home(f)->current->epoch, epoch);
}

static void nodes_that_are_gone_hinder_no_undeploy(void **state)
{
    struct fixture *f = *state;
    Edged__Envelope env = EDGED__ENVELOPE__INIT;
    Edged__Undeploy message = EDGED__UNDEPLOY__INIT;

    (void)desk_whole(&f->d, "n0, n1");
    desk_down(&f->d, "n0");
    desk_down(&f->d, "n1");
    message.deployment = (char *)(uintptr_t) "home";
    env.body_case = EDGED__ENVELOPE__BODY_UNDEPLOY;
    env.undeploy = &message;
    io_fake_receive(f->d.client, &env, NULL);
    (void)io_fake_work(&f->d.fake);
    io_fake_run_for(&f->d.fake, 100);
    assert_int_equal(io_fake_last(f->d.client, EDGED__ENVELOPE__BODY_RESULT)
                         ->env->result->code,
                     0);
    assert_true(list_is_empty(&f->d.c->placements));
    desk_up(&f->d, "n0", 1); /* with the stale epoch */
    assert_int_equal(
        io_fake_last(desk_node(&f->d, "n0"), EDGED__ENVELOPE__BODY_EPOCHS)
            ->env->epochs->n_epochs,
        0);
}

static void a_deploy_goes_where_boards_are_left(void **state)
{
    struct fixture *f = *state;
    uint32_t old = desk_whole(&f->d, "n0");

    desk_down(&f->d, "n0"); /* for good */
    assert_int_not_equal(desk_whole(&f->d, "n1"), old);
    pass_time(f, 1000, "n1", home(f)->current->epoch);
    desk_ask(&f->d, f->d.client, 1, 0);
    assert_true(desk_answer(&f->d, "n1", false));
    assert_int_equal(desk_answer_of(f->d.client, 1)->code, 0);
}

static void a_silent_node_is_given_up(void **state)
{
    struct fixture *f = *state;
    struct io_fake_peer *node;
    uint32_t epoch = desk_whole(&f->d, "n0, n1");

    node = desk_node(&f->d, "n0");
    pass_time(f, 2000, "n1", epoch);
    assert_true(members_find(f->d.c, "n0")->suspect);
    assert_false(members_find(f->d.c, "n1")->suspect);
    for (uint64_t i = 0; i < 6; i++) {
        desk_ask(&f->d, f->d.client, i, 0);
    }
    assert_int_equal(count(f, "n0", EDGED__ENVELOPE__BODY_DATA), 0);
    assert_false(node->hung_up);
    pass_time(f, 1500, "n1", epoch);
    assert_true(node->hung_up);
    assert_int_equal(node->hung_up_rc, EDGE_ETIMEOUT);
}

static void what_deployments_are_made_of_stays_in_the_store(void **state)
{
    struct fixture *f = *state;
    struct swept swept;

    (void)desk_whole(&f->d, "n0");
    swept = swept_once(&f->d.fake, &f->d.c->sweep);
    assert_true(swept.n >= 4); /* yaml, model, shard, golden */
    assert_int_equal(swept.n_gone, 0);
    desk_deploy(&f->d, ONE "replicas: 1\n"); /* while it is planned, too */
    assert_int_equal(swept_once(&f->d.fake, &f->d.c->sweep).n_gone, 0);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(a_deploy_goes_step_by_step),
        T(the_same_file_again_stays_where_it_is),
        T(another_file_is_planned_from_scratch),
        T(a_device_that_is_not_there_is_named),
        T(a_board_finds_out_how_fast_it_is_first),
        T(a_board_that_never_does_is_not_waited_for),
        T(a_wrong_golden_answer_leaves_the_old_one),
        T(golden_none_asks_nothing),
        T(a_failed_seat_fails_the_deploy),
        T(damaged_weights_get_a_second_chance),
        T(a_device_lost_meanwhile_may_come_back),
        T(a_device_lost_for_long_fails_the_deploy),
        T(one_deploy_of_a_name_at_a_time),
        T(a_client_that_leaves_stops_no_deploy),
        T(memory_of_the_file_caps_the_board),
        T(a_wrong_address_costs_nothing),
        T(a_board_is_followed_to_its_address),
        T(a_push_goes_on_where_the_node_stands),
        T(only_so_many_pieces_are_under_way),
        T(pieces_that_were_not_taken_go_again),
        T(a_push_that_stalls_asks_again),
        T(a_busy_node_is_asked_with_its_beat),
        T(a_refused_blob_fails_the_deploy),
        T(the_next_deploy_pushes_again),
        T(progress_is_said_a_few_times_a_second),
        T(a_restart_finds_it_again),
        T(a_node_is_told_which_epochs_stand),
        T(an_epoch_that_is_unknown_is_told_again),
        T(a_failed_seat_in_force_is_asked_again),
        T(nodes_that_are_gone_hinder_no_undeploy),
        T(a_deploy_goes_where_boards_are_left),
        T(a_silent_node_is_given_up),
        T(what_deployments_are_made_of_stays_in_the_store),
    };
#undef T

    return cmocka_run_group_tests(tests, NULL, NULL);
}
