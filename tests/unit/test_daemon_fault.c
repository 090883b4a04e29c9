/* A daemon is told to break: bounds, effects, and that each ends by itself. */
#include "base/mem.h"
#include "daemon/parts.h"
#include "net/fault.h"
#include "tests/lib/io_fake.h"
#include "tests/lib/tmp.h"
#include "tests/lib/unit.h"

#include <stdio.h>
#include <string.h>

struct fixture {
    struct io_fake fake;
    struct tmp tmp;
    struct board board;
    struct daemon_process process;
    struct daemon *daemon;
    struct io_fake_peer *coordinator;
    uint32_t killed_ms;
    uint32_t paused_ms;
    uint64_t struck_us;
};

static void on_kill(void *arg, uint32_t ms)
{
    struct fixture *f = arg;

    f->killed_ms = ms;
    f->struck_us = f->fake.now_us;
}

static void on_pause(void *arg, uint32_t ms)
{
    struct fixture *f = arg;

    f->paused_ms = ms;
    f->struck_us = f->fake.now_us;
}

static int set_up(void **state)
{
    struct fixture *f = test_calloc(1, sizeof(*f));
    struct daemon_config config = {
        .name = "n0",
        .memory_budget = MIB(64),
        .store_flags = STORE_NO_SYNC,
        .board = &f->board,
        .process = &f->process,
    };
    struct err err;

    io_fake_init(&f->fake);
    tmp_init(&f->tmp);
    f->process = (struct daemon_process){on_kill, on_pause, f};
    config.folder = tmp_path(&f->tmp, "state");
    if (daemon_new(&f->fake.io, &config, &f->daemon, &err) < 0) {
        fail_msg("%s", err.text);
    }
    daemon_start(f->daemon);
    f->coordinator =
        io_fake_peer(&f->fake, "coordinator", EDGED__ROLE__ROLE_COORDINATOR);
    f->fake.io.events.on_up(f->fake.io.arg, &f->coordinator->base);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    daemon_free(f->daemon);
    io_fake_deinit(&f->fake);
    tmp_deinit(&f->tmp);
    test_free(f);
    return 0;
}

/* ---- helpers --------------------------------------------------------------
 */

static Edged__Fault fault(Edged__FaultKind kind)
{
    Edged__Fault message = EDGED__FAULT__INIT;

    message.id = 7;
    message.node = (char *)(uintptr_t) "n0";
    message.kind = kind;
    message.ms = 5000;
    if (kind == EDGED__FAULT_KIND__FAULT_SLOW) {
        message.factor_percent = 300;
    }
    if (kind == EDGED__FAULT_KIND__FAULT_DROP ||
        kind == EDGED__FAULT_KIND__FAULT_CORRUPT) {
        message.permille = 1000;
    }
    return message;
}

/* The code of its reply. */
static int ask(struct fixture *f, Edged__Fault *message)
{
    Edged__Envelope env = EDGED__ENVELOPE__INIT;
    const struct msg *reply;

    env.body_case = EDGED__ENVELOPE__BODY_FAULT;
    env.fault = message;
    io_fake_receive(f->coordinator, &env, NULL);
    reply = io_fake_last(f->coordinator, EDGED__ENVELOPE__BODY_FAULT_REPLY);
    assert_non_null(reply);
    return reply->env->fault_reply->code;
}

static void clear(struct fixture *f, uint32_t id)
{
    Edged__Envelope env = EDGED__ENVELOPE__INIT;
    Edged__FaultClear message = EDGED__FAULT_CLEAR__INIT;

    message.id = id;
    env.body_case = EDGED__ENVELOPE__BODY_FAULT_CLEAR;
    env.fault_clear = &message;
    io_fake_receive(f->coordinator, &env, NULL);
}

static enum fault_fate fate(struct fixture *f, const char *peer, bool out)
{
    struct fault_filter *filter = f->fake.io.filter;

    return filter != NULL ? filter->frame(filter, peer, out) : FAULT_PASS;
}

static bool is_cut(struct fixture *f, const char *peer)
{
    return fault_is_unreachable(&f->fake.io, peer);
}

static struct io_stretch stretch(const struct fixture *f)
{
    struct io_stretch stretch;

    fault_stretch(f->daemon, &stretch);
    return stretch;
}

/* What a coordinator that connects now hears. */
static const Edged__FaultList *report(struct fixture *f)
{
    struct io_fake_peer *peer =
        io_fake_peer(&f->fake, "coordinator", EDGED__ROLE__ROLE_COORDINATOR);
    const struct msg *msg;

    f->fake.io.events.on_up(f->fake.io.arg, &peer->base);
    msg = io_fake_last(peer, EDGED__ENVELOPE__BODY_FAULT_LIST);
    assert_non_null(msg);
    return msg->env->fault_list;
}

/* ---- each kind, and its end -----------------------------------------------
 */

static void test_drop_loses_and_ends(void **state)
{
    struct fixture *f = *state;
    Edged__Fault drop = fault(EDGED__FAULT_KIND__FAULT_DROP);

    assert_null(f->fake.io.filter);
    assert_int_equal(ask(f, &drop), 0);
    assert_int_equal(fate(f, "n1", true), FAULT_LOSE);
    assert_int_equal(fate(f, "n1", false), FAULT_LOSE);
    assert_false(is_cut(f, "n1"));
    io_fake_run_for(&f->fake, 4990);
    assert_int_equal(fate(f, "n1", true), FAULT_LOSE);
    io_fake_run_for(&f->fake, 20);
    assert_null(f->fake.io.filter);
}

static void test_drop_loses_a_share(void **state)
{
    struct fixture *f = *state;
    Edged__Fault drop = fault(EDGED__FAULT_KIND__FAULT_DROP);
    int lost = 0;

    drop.permille = 250;
    assert_int_equal(ask(f, &drop), 0);
    for (int i = 0; i < 4000; i++) {
        lost += fate(f, "n1", true) == FAULT_LOSE;
    }
    assert_in_range(lost, 850, 1150);
}

static void test_partition_names_peers_and_a_way(void **state)
{
    struct fixture *f = *state;
    Edged__Fault cut = fault(EDGED__FAULT_KIND__FAULT_PARTITION);
    char *peers[] = {(char *)(uintptr_t) "n1", (char *)(uintptr_t) "n2"};

    cut.peers = peers;
    cut.n_peers = 2;
    cut.way = EDGED__FAULT_WAY__FAULT_IN;
    assert_int_equal(ask(f, &cut), 0);
    assert_int_equal(fate(f, "n1", false), FAULT_LOSE);
    assert_int_equal(fate(f, "n2", false), FAULT_LOSE);
    assert_int_equal(fate(f, "n1", true), FAULT_PASS);
    assert_int_equal(fate(f, "coordinator", false), FAULT_PASS);
    assert_true(is_cut(f, "n1"));
    assert_false(is_cut(f, "coordinator"));
    assert_false(is_cut(f, ""));
}

static void test_corrupt_spoils_what_goes_out(void **state)
{
    struct fixture *f = *state;
    Edged__Fault corrupt = fault(EDGED__FAULT_KIND__FAULT_CORRUPT);

    assert_int_equal(ask(f, &corrupt), 0);
    assert_int_equal(fate(f, "n1", true), FAULT_SPOIL);
    assert_int_equal(fate(f, "n1", false), FAULT_PASS);
}

static void test_slow_stretches_runs(void **state)
{
    struct fixture *f = *state;
    Edged__Fault slow = fault(EDGED__FAULT_KIND__FAULT_SLOW);

    assert_int_equal(stretch(f).percent, 0);
    slow.extra_ms = 2;
    slow.rate_milli = 10000;
    assert_int_equal(ask(f, &slow), 0);
    assert_int_equal(stretch(f).percent, 300);
    assert_int_equal(stretch(f).extra_us, 2000);
    assert_int_equal(stretch(f).least_us, 100000);
    assert_null(f->fake.io.filter); /* frames are not concerned */
    io_fake_run_for(&f->fake, 5010);
    assert_int_equal(stretch(f).percent, 0);
    assert_int_equal(stretch(f).extra_us, 0);
    assert_int_equal(stretch(f).least_us, 0);
}

static void test_kill_strikes_after_its_reply(void **state)
{
    struct fixture *f = *state;
    Edged__Fault message = fault(EDGED__FAULT_KIND__FAULT_KILL);

    assert_int_equal(ask(f, &message), 0);
    assert_int_equal(f->killed_ms, 0);
    io_fake_run_for(&f->fake, 200);
    assert_int_equal(f->killed_ms, 5000);
}

static void test_pause_strikes_after_its_reply(void **state)
{
    struct fixture *f = *state;
    Edged__Fault message = fault(EDGED__FAULT_KIND__FAULT_PAUSE);

    assert_int_equal(ask(f, &message), 0);
    assert_int_equal(f->paused_ms, 0);
    io_fake_run_for(&f->fake, 200);
    assert_int_equal(f->paused_ms, 5000);
    assert_int_equal(report(f)->n_faults, 0); /* over when it returned */
}

static void test_a_process_that_is_not_ours_is_left_alone(void **state)
{
    struct fixture *f = *state;
    Edged__Fault message = fault(EDGED__FAULT_KIND__FAULT_KILL);

    f->daemon->process = NULL;
    assert_int_equal(ask(f, &message), EDGE_EUNSUPPORTED);
    io_fake_run_for(&f->fake, 200);
    assert_int_equal(f->killed_ms, 0);
}

/* ---- several --------------------------------------------------------------
 */

static void test_each_ends_by_its_own_timer(void **state)
{
    struct fixture *f = *state;
    Edged__Fault drop = fault(EDGED__FAULT_KIND__FAULT_DROP);
    Edged__Fault corrupt = fault(EDGED__FAULT_KIND__FAULT_CORRUPT);

    assert_int_equal(ask(f, &drop), 0);
    corrupt.id = 8;
    corrupt.ms = 8000;
    assert_int_equal(ask(f, &corrupt), 0);
    assert_int_equal(fate(f, "n1", true), FAULT_LOSE); /* the worse one */
    io_fake_run_for(&f->fake, 5010);
    assert_int_equal(fate(f, "n1", true), FAULT_SPOIL);
    io_fake_run_for(&f->fake, 3000);
    assert_null(f->fake.io.filter);
}

static void test_one_is_cleared_by_its_id(void **state)
{
    struct fixture *f = *state;
    Edged__Fault drop = fault(EDGED__FAULT_KIND__FAULT_DROP);
    Edged__Fault slow = fault(EDGED__FAULT_KIND__FAULT_SLOW);

    assert_int_equal(ask(f, &drop), 0);
    slow.id = 8;
    assert_int_equal(ask(f, &slow), 0);
    clear(f, 7);
    assert_null(f->fake.io.filter);
    assert_int_equal(stretch(f).percent, 300);
    clear(f, 0);
    assert_int_equal(stretch(f).percent, 0);
}

static void test_there_are_only_so_many(void **state)
{
    struct fixture *f = *state;
    Edged__Fault drop = fault(EDGED__FAULT_KIND__FAULT_DROP);

    drop.ms = 1000;
    for (uint32_t i = 1; i <= LIMIT_FAULTS; i++) {
        drop.id = i;
        assert_int_equal(ask(f, &drop), 0);
    }
    drop.id++;
    assert_int_equal(ask(f, &drop), EDGE_EBUSY);
    io_fake_run_for(&f->fake, 1010);
    assert_int_equal(ask(f, &drop), 0);
}

/* ---- who asks, and what ---------------------------------------------------
 */

static void test_a_coordinator_hears_what_is_in_force(void **state)
{
    struct fixture *f = *state;
    Edged__Fault drop = fault(EDGED__FAULT_KIND__FAULT_DROP);

    assert_int_equal(report(f)->n_faults, 0);
    assert_int_equal(ask(f, &drop), 0);
    io_fake_run_for(&f->fake, 2000);
    assert_int_equal(report(f)->n_faults, 1);
    assert_int_equal(report(f)->faults[0]->fault->id, 7);
    assert_int_equal(report(f)->faults[0]->age_ms, 2000);
    assert_int_equal(report(f)->faults[0]->left_ms, 3000);
}

static void test_a_node_may_not_ask(void **state)
{
    struct fixture *f = *state;
    struct io_fake_peer *node =
        io_fake_peer(&f->fake, "n1", EDGED__ROLE__ROLE_NODE);
    Edged__Envelope env = EDGED__ENVELOPE__INIT;
    Edged__Fault drop = fault(EDGED__FAULT_KIND__FAULT_DROP);

    f->fake.io.events.on_up(f->fake.io.arg, &node->base);
    env.body_case = EDGED__ENVELOPE__BODY_FAULT;
    env.fault = &drop;
    io_fake_receive(node, &env, NULL);
    assert_true(node->hung_up);
    assert_null(f->fake.io.filter);
}

static void test_wrong_words_are_refused(void **state)
{
    struct fixture *f = *state;
    char *self[] = {(char *)(uintptr_t) "n0"};
    char *slash[] = {(char *)(uintptr_t) "../n1"};
    char *many[LIMIT_FAULT_PEERS + 1];
    Edged__Fault wrong[20];
    size_t n = 0;

#define WRONG(kind, field, value)                      \
    wrong[n] = fault(EDGED__FAULT_KIND__FAULT_##kind); \
    wrong[n++].field = value
    for (size_t i = 0; i <= LIMIT_FAULT_PEERS; i++) {
        many[i] = (char *)(uintptr_t) "n1";
    }
    WRONG(NONE, ms, 1000);
    WRONG(KILL, kind, (Edged__FaultKind)77);
    WRONG(KILL, ms, FAULT_MIN_MS - 1);
    WRONG(KILL, ms, FAULT_MAX_MS + 1);
    WRONG(KILL, node, (char *)(uintptr_t) "n1");
    WRONG(KILL, node, (char *)(uintptr_t) "");
    WRONG(KILL, id, 0);
    WRONG(KILL, permille, 1);
    WRONG(KILL, factor_percent, 200);
    WRONG(KILL, way, EDGED__FAULT_WAY__FAULT_IN);
    WRONG(SLOW, factor_percent, 0);
    WRONG(SLOW, factor_percent, 100);
    WRONG(SLOW, factor_percent, 100001);
    WRONG(SLOW, extra_ms, 10001);
    WRONG(SLOW, rate_milli, 99);
    WRONG(DROP, permille, 0);
    WRONG(DROP, permille, 1001);
    WRONG(PARTITION, way, (Edged__FaultWay)3);
    assert_true(n <= sizeof(wrong) / sizeof(wrong[0]));
    for (size_t i = 0; i < n; i++) {
        if (ask(f, &wrong[i]) >= 0) {
            fail_msg("row %zu was taken", i);
        }
    }
    wrong[0] = fault(EDGED__FAULT_KIND__FAULT_PARTITION);
    wrong[0].n_peers = 1;
    wrong[0].peers = self;
    assert_int_equal(ask(f, &wrong[0]), EDGE_EINVAL);
    wrong[0].peers = slash;
    assert_int_equal(ask(f, &wrong[0]), EDGE_EINVAL);
    wrong[0].peers = many;
    wrong[0].n_peers = LIMIT_FAULT_PEERS + 1;
    assert_int_equal(ask(f, &wrong[0]), EDGE_EINVAL);
    io_fake_run_for(&f->fake, 1000);
    assert_null(f->fake.io.filter);
    assert_int_equal(f->killed_ms, 0);
}

/* A process that ends leaves no filter behind. */
static void test_closing_ends_all(void **state)
{
    struct fixture *f = *state;
    Edged__Fault cut = fault(EDGED__FAULT_KIND__FAULT_PARTITION);

    assert_int_equal(ask(f, &cut), 0);
    assert_non_null(f->fake.io.filter);
    daemon_close(f->daemon);
    assert_null(f->fake.io.filter);
}

#define T(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_drop_loses_and_ends),
        T(test_drop_loses_a_share),
        T(test_partition_names_peers_and_a_way),
        T(test_corrupt_spoils_what_goes_out),
        T(test_slow_stretches_runs),
        T(test_kill_strikes_after_its_reply),
        T(test_pause_strikes_after_its_reply),
        T(test_a_process_that_is_not_ours_is_left_alone),
        T(test_each_ends_by_its_own_timer),
        T(test_one_is_cleared_by_its_id),
        T(test_there_are_only_so_many),
        T(test_a_coordinator_hears_what_is_in_force),
        T(test_a_node_may_not_ask),
        T(test_wrong_words_are_refused),
        T(test_closing_ends_all),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
