/* What the coordinator makes of members that fall silent, in virtual time. */
#include "tests/lib/desk.h"

#include "base/mem.h"
#include "tests/lib/unit.h"
#include "wire/throttle.h"

#include <string.h>

struct fixture {
    struct desk d;
    uint32_t epoch;
};

static int set_up(void **state)
{
    struct fixture *f = test_calloc(1, sizeof(*f));

    desk_init(&f->d, 1);
    f->epoch = desk_whole(&f->d, "n0, n1, n2");
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

static enum member_state state_of(struct fixture *f, const char *name)
{
    return members_state(f->d.c, members_find(f->d.c, name));
}

/* Time passes; those of `names` ("n0 n1") that are connected beat. */
static void pass(struct fixture *f, int ms, const char *names)
{
    for (int t = 0; t < ms; t += 100) {
        io_fake_run_for(&f->d.fake, 100);
        for (size_t i = 0; t % 500 == 400 && i < 3; i++) {
            char name[] = {'n', (char)('0' + i), '\0'};

            if (strstr(names, name) != NULL &&
                desk_node(&f->d, name)->base.up) {
                desk_beat(&f->d, name, f->epoch);
            }
        }
    }
}

static int ms_until(struct fixture *f, const char *name, enum member_state want,
                    const char *beating)
{
    int ms = 0;

    while (state_of(f, name) != want && ms < 10000) {
        pass(f, 500, beating);
        ms += 500;
    }
    return ms;
}

static void who_beats_is_up(void **state)
{
    struct fixture *f = *state;

    pass(f, 60000, "n0 n1 n2");
    for (size_t i = 0; i < 3; i++) {
        char name[] = {'n', (char)('0' + i), '\0'};

        assert_int_equal(state_of(f, name), MEMBER_UP);
        assert_false(desk_node(&f->d, name)->hung_up);
    }
}

static void who_was_never_there_is_neither_up_nor_lost(void **state)
{
    struct fixture *f = *state;
    struct member *m;
    struct err err;

    assert_int_equal(members_add(f->d.c, "n7", "127.0.0.1", 707, &m, &err), 0);
    assert_int_equal(members_state(f->d.c, m), MEMBER_NEVER);
}

static void silence_is_suspect_then_dead(void **state)
{
    struct fixture *f = *state;

    pass(f, 2000, "n0 n1 n2");
    assert_in_range(ms_until(f, "n0", MEMBER_SUSPECT, "n1 n2"), 1000, 2000);
    assert_true(members_find(f->d.c, "n0")->node->suspect);
    assert_false(desk_node(&f->d, "n0")->hung_up);
    pass(f, 1500, "n1 n2");
    assert_true(desk_node(&f->d, "n0")->hung_up);
    assert_int_equal(desk_node(&f->d, "n0")->hung_up_rc, EDGE_ETIMEOUT);
    desk_down(&f->d, "n0"); /* what the io says then */
    assert_int_equal(state_of(f, "n0"), MEMBER_LOST);
    assert_int_equal(state_of(f, "n1"), MEMBER_UP);
}

static void a_beat_ends_the_doubt(void **state)
{
    struct fixture *f = *state;

    (void)ms_until(f, "n0", MEMBER_SUSPECT, "n1 n2");
    pass(f, 500, "n0 n1 n2");
    assert_int_equal(state_of(f, "n0"), MEMBER_UP);
    assert_false(members_find(f->d.c, "n0")->node->suspect);
}

static void a_broken_connection_is_dead_at_once(void **state)
{
    struct fixture *f = *state;

    desk_down(&f->d, "n0");
    assert_int_equal(state_of(f, "n0"), MEMBER_LOST);
    desk_up(&f->d, "n0", f->epoch);
    assert_int_equal(state_of(f, "n0"), MEMBER_UP);
}

static void what_a_suspect_has_is_sent_elsewhere(void **state)
{
    struct fixture *f = *state;
    const char *holder = NULL;
    size_t n = 0;

    for (size_t i = 0; i < 3; i++) {
        char name[] = {'n', (char)('0' + i), '\0'};

        io_fake_forget(desk_node(&f->d, name));
    }
    desk_ask(&f->d, f->d.client, 7, 0);
    for (size_t i = 0; i < 3; i++) {
        static const char *const names[] = {"n0", "n1", "n2"};

        if (io_fake_count(desk_node(&f->d, names[i]),
                          EDGED__ENVELOPE__BODY_DATA) > 0) {
            holder = names[i];
        }
    }
    assert_non_null(holder);
    (void)ms_until(f, holder, MEMBER_SUSPECT,
                   strcmp(holder, "n0") == 0   ? "n1 n2"
                   : strcmp(holder, "n1") == 0 ? "n0 n2"
                                               : "n0 n1");
    for (size_t i = 0; i < 3; i++) {
        char name[] = {'n', (char)('0' + i), '\0'};

        if (strcmp(name, holder) != 0) {
            n += desk_answer(&f->d, name, false);
        }
    }
    assert_int_equal(n, 1);
    assert_int_equal(desk_answer_of(f->d.client, 7)->code, 0);
}

/* ---- heat -----------------------------------------------------------------
 */

static void say_heat(struct fixture *f, const char *name, uint32_t throttled)
{
    Edged__Envelope env = EDGED__ENVELOPE__INIT;
    Edged__Beat beat = EDGED__BEAT__INIT;

    beat.throttled = throttled;
    env.body_case = EDGED__ENVELOPE__BODY_BEAT;
    env.beat = &beat;
    io_fake_receive(desk_node(&f->d, name), &env, NULL);
}

static const Edged__NodeStatus *status_of(struct fixture *f, const char *name)
{
    Edged__Envelope env = EDGED__ENVELOPE__INIT;
    Edged__StatusRequest request = EDGED__STATUS_REQUEST__INIT;
    const struct msg *reply;

    env.body_case = EDGED__ENVELOPE__BODY_STATUS_REQUEST;
    env.status_request = &request;
    io_fake_receive(f->d.client, &env, NULL);
    reply = io_fake_last(f->d.client, EDGED__ENVELOPE__BODY_STATUS_REPLY);
    assert_non_null(reply);
    for (size_t i = 0; i < reply->env->status_reply->n_nodes; i++) {
        const Edged__NodeStatus *node = reply->env->status_reply->nodes[i];

        if (strcmp(node->name, name) == 0) {
            return node;
        }
    }
    fail_msg("no %s in the status", name);
    return NULL;
}

static void who_is_throttled_is_shown_and_routed_so(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(status_of(f, "n0")->throttled, 0);
    say_heat(f, "n0", THROTTLE_HOT);
    assert_int_equal(status_of(f, "n0")->throttled, THROTTLE_HOT);
    assert_int_equal(status_of(f, "n1")->throttled, 0);
    assert_true(members_find(f->d.c, "n0")->node->throttled);
    say_heat(f, "n0", 0);
    assert_int_equal(status_of(f, "n0")->throttled, 0);
    assert_false(members_find(f->d.c, "n0")->node->throttled);
}

static void who_is_gone_is_not_hot(void **state)
{
    struct fixture *f = *state;

    say_heat(f, "n0", THROTTLE_HOT);
    desk_down(&f->d, "n0");
    assert_int_equal(status_of(f, "n0")->throttled, 0);
}

/* As cluster.yaml says; in what devices are sent, too. */
static void what_is_expected_of_the_hot_goes_with_the_routing(void **state)
{
    struct fixture *f = *state;
    const struct msg *install =
        io_fake_last(desk_node(&f->d, "n0"), EDGED__ENVELOPE__BODY_INSTALL);

    assert_non_null(install);
    assert_int_equal(install->env->install->routing->derate, DERATE);
    desk_deploy(&f->d,
                "name: home\ndevices: [{name: n0, host: 127.0.0.1, port: "
                "700}]\nmodel: {file: m.onnx}\n"
                "health: {throttle_derate: 0.29}\n");
    (void)io_fake_work(&f->d.fake);
    install =
        io_fake_last(desk_node(&f->d, "n0"), EDGED__ENVELOPE__BODY_INSTALL);
    assert_int_equal(install->env->install->routing->derate, 29);
}

/* ---- all at once ----------------------------------------------------------
 */

static void when_all_fall_silent_none_is_given_up(void **state)
{
    struct fixture *f = *state;

    pass(f, 10000, "");
    assert_true(f->d.c->cut_off);
    for (size_t i = 0; i < 3; i++) {
        char name[] = {'n', (char)('0' + i), '\0'};

        assert_int_equal(state_of(f, name), MEMBER_SUSPECT);
        assert_false(desk_node(&f->d, name)->hung_up);
    }
    pass(f, 500, "n0 n1 n2");
    assert_false(f->d.c->cut_off);
    assert_int_equal(state_of(f, "n2"), MEMBER_UP);
}

/* TCP gives the connections up by itself. */
static void who_broke_off_meanwhile_has_time_to_come_back(void **state)
{
    struct fixture *f = *state;

    pass(f, 2500, "");
    desk_down(&f->d, "n0");
    desk_down(&f->d, "n1");
    pass(f, 20000, "");
    assert_int_equal(state_of(f, "n0"), MEMBER_SUSPECT);
    pass(f, 5000, "n2");
    assert_int_equal(state_of(f, "n0"), MEMBER_SUSPECT);
    desk_up(&f->d, "n0", f->epoch);
    assert_int_equal(state_of(f, "n0"), MEMBER_UP);
    pass(f, 5000, "n0 n2");
    assert_int_equal(state_of(f, "n1"), MEMBER_LOST); /* it has not */
}

/* ---- another one is asked -------------------------------------------------
 */

/* Which of n1 and n2 was asked about n0; NULL: neither. */
static struct io_fake_peer *asked(struct fixture *f)
{
    static const char *const names[] = {"n1", "n2"};

    for (size_t i = 0; i < 2; i++) {
        struct io_fake_peer *peer = desk_node(&f->d, names[i]);
        const struct msg *probe =
            io_fake_last(peer, EDGED__ENVELOPE__BODY_PROBE);

        if (probe != NULL) {
            assert_string_equal(probe->env->probe->node->name, "n0");
            return peer;
        }
    }
    return NULL;
}

static void reply(struct fixture *f, bool heard)
{
    struct io_fake_peer *peer = asked(f);
    const struct msg *probe = io_fake_last(peer, EDGED__ENVELOPE__BODY_PROBE);
    Edged__Envelope env = EDGED__ENVELOPE__INIT;
    Edged__ProbeReply message = EDGED__PROBE_REPLY__INIT;

    message.number = probe->env->probe->number;
    message.heard = heard;
    env.body_case = EDGED__ENVELOPE__BODY_PROBE_REPLY;
    env.probe_reply = &message;
    io_fake_receive(peer, &env, NULL);
}

static void another_one_is_asked_about_a_silent_one(void **state)
{
    struct fixture *f = *state;

    pass(f, 1000, "n0 n1 n2");
    assert_null(asked(f));
    (void)ms_until(f, "n0", MEMBER_SUSPECT, "n1 n2");
    assert_non_null(asked(f));
}

static void it_is_told_apart_whether_it_is_dead_or_cut_off(void **state)
{
    struct fixture *f = *state;
    struct member *m = members_find(f->d.c, "n0");

    (void)ms_until(f, "n0", MEMBER_SUSPECT, "n1 n2");
    reply(f, true);
    assert_non_null(strstr(m->why, "the way between it and the coordinator"));
    pass(f, 2000, "n1 n2");
    desk_down(&f->d, "n0");
    assert_int_equal(state_of(f, "n0"), MEMBER_LOST);
    assert_non_null(strstr(m->why, "the way between it and the coordinator"));
    desk_up(&f->d, "n0", f->epoch);
    assert_string_equal(m->why, "");
    io_fake_forget(desk_node(&f->d, "n1"));
    io_fake_forget(desk_node(&f->d, "n2"));
    (void)ms_until(f, "n0", MEMBER_SUSPECT, "n1 n2");
    reply(f, false);
    assert_non_null(strstr(m->why, "does not hear it either"));
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(who_beats_is_up),
        T(who_was_never_there_is_neither_up_nor_lost),
        T(silence_is_suspect_then_dead),
        T(a_beat_ends_the_doubt),
        T(a_broken_connection_is_dead_at_once),
        T(who_is_throttled_is_shown_and_routed_so),
        T(who_is_gone_is_not_hot),
        T(what_is_expected_of_the_hot_goes_with_the_routing),
        T(what_a_suspect_has_is_sent_elsewhere),
        T(another_one_is_asked_about_a_silent_one),
        T(it_is_told_apart_whether_it_is_dead_or_cut_off),
        T(when_all_fall_silent_none_is_given_up),
        T(who_broke_off_meanwhile_has_time_to_come_back),
    };
#undef T

    return cmocka_run_group_tests(tests, NULL, NULL);
}
