/* A coordinator asks boards how fast they are; the test plays them, and lies.
 */
#include "tests/lib/unit.h"

#include "coordinator/profile.h"
#include "tests/lib/desk.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

struct fixture {
    struct desk desk;
    uint64_t seq;
    const char *machines[2]; /* of n0, n1; NULL: they do not say */
};

static int set_up(void **state)
{
    struct fixture *f = test_calloc(1, sizeof(*f));

    desk_init(&f->desk, 1);
    (void)desk_whole(&f->desk, "n0, n1");
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    desk_deinit(&f->desk);
    test_free(f);
    return 0;
}

/* A beat of a node that says how fast it is, after those of the desk. */
static void beat(struct fixture *f, const char *name, const char *kind,
                 double macs_per_s)
{
    Edged__Envelope env = EDGED__ENVELOPE__INIT;
    Edged__Beat message = EDGED__BEAT__INIT;
    Edged__Speed speed = EDGED__SPEED__INIT;

    speed.kind = (char *)(uintptr_t)kind;
    speed.machine = (char *)(uintptr_t)(f->machines[name[1] - '0'] != NULL
                                            ? f->machines[name[1] - '0']
                                            : "");
    speed.threads = 1;
    speed.macs_per_s = macs_per_s;
    speed.bytes_per_s = 1e9;
    speed.run_s = 1e-5;
    message.seq = 1000000 + ++f->seq;
    message.ack = f->desk.c->beat_seq;
    message.memory_budget = (uint64_t)1 << 30;
    message.speed = &speed;
    env.body_case = EDGED__ENVELOPE__BODY_BEAT;
    env.beat = &message;
    io_fake_receive(desk_node(&f->desk, name), &env, NULL);
}

/* Time passes, both are heard, jobs are done. */
static void live_for(struct fixture *f, uint64_t ms)
{
    for (uint64_t i = 0; i < ms; i += 100) {
        io_fake_run_for(&f->desk.fake, 100);
        beat(f, "n0", "pi", 1e9);
        beat(f, "n1", "pi", 1e9);
        (void)io_fake_work(&f->desk.fake);
    }
}

static void ask(struct fixture *f)
{
    Edged__Envelope env = EDGED__ENVELOPE__INIT;
    Edged__ProfileRequest message = EDGED__PROFILE_REQUEST__INIT;

    io_fake_forget(f->desk.client);
    env.body_case = EDGED__ENVELOPE__BODY_PROFILE_REQUEST;
    env.profile_request = &message;
    io_fake_receive(f->desk.client, &env, NULL);
    live_for(f, 300);
}

static const Edged__ProfileReply *reply(const struct fixture *f)
{
    const struct msg *msg =
        io_fake_last(f->desk.client, EDGED__ENVELOPE__BODY_PROFILE_REPLY);

    return msg != NULL ? msg->env->profile_reply : NULL;
}

static const Edged__Measure *asked(struct fixture *f, const char *name)
{
    const struct msg *msg =
        io_fake_last(desk_node(&f->desk, name), EDGED__ENVELOPE__BODY_MEASURE);

    return msg != NULL ? msg->env->measure : NULL;
}

/* What the one op takes, it says; `shift` 0: of that op. */
static void answer(struct fixture *f, const char *name, uint32_t number,
                   uint64_t shift, double seconds)
{
    const struct profiling *p = f->desk.c->profiling;
    Edged__Envelope env = EDGED__ENVELOPE__INIT;
    Edged__Measured message = EDGED__MEASURED__INIT;
    Edged__MeasuredOp op = EDGED__MEASURED_OP__INIT;
    Edged__MeasuredOp *ops[] = {&op};

    op.op = (p != NULL ? p->op_numbers[0] : 0) + shift;
    op.seconds = seconds;
    message.number = number;
    message.ops = ops;
    message.n_ops = 1;
    env.body_case = EDGED__ENVELOPE__BODY_MEASURED;
    env.measured = &message;
    io_fake_receive(desk_node(&f->desk, name), &env, NULL);
}

static void refuse(struct fixture *f, const char *name, uint32_t number,
                   int code)
{
    Edged__Envelope env = EDGED__ENVELOPE__INIT;
    Edged__Measured message = EDGED__MEASURED__INIT;

    message.number = number;
    message.code = code;
    message.text = (char *)(uintptr_t) "there are reasons";
    env.body_case = EDGED__ENVELOPE__BODY_MEASURED;
    env.measured = &message;
    io_fake_receive(desk_node(&f->desk, name), &env, NULL);
}

/* No link answers: each is given up. */
static void finish(struct fixture *f)
{
    live_for(f, 40000);
    assert_non_null(reply(f));
    assert_int_equal(reply(f)->code, 0);
    assert_null(f->desk.c->profiling);
}

static const Edged__ProfileBoard *row(const struct fixture *f, const char *name)
{
    size_t n = f->desk.client->n_sent;

    for (size_t i = 0; i < n; i++) {
        const struct io_fake_sent *sent = NULL;
        size_t at = 0;

        list_each(&f->desk.client->sent, it, after)
        {
            if (at++ == i) {
                sent = list_entry(it, struct io_fake_sent, link);
            }
        }
        if (sent != NULL &&
            sent->msg.env->body_case == EDGED__ENVELOPE__BODY_PROFILE_ROW &&
            sent->msg.env->profile_row->board != NULL &&
            strcmp(sent->msg.env->profile_row->board->name, name) == 0) {
            return sent->msg.env->profile_row->board;
        }
    }
    fail_msg("no row of %s", name);
    return NULL;
}

/* ---- tests ----------------------------------------------------------------
 */

static void boards_of_one_machine_take_turns(void **state)
{
    struct fixture *f = *state;

    ask(f);
    assert_non_null(asked(f, "n0"));
    assert_null(asked(f, "n1"));
    answer(f, "n0", asked(f, "n0")->number, 0, 0.002);
    assert_non_null(asked(f, "n1"));
    answer(f, "n1", asked(f, "n1")->number, 0, 0.003);
    finish(f);
    assert_int_equal(reply(f)->n_measured, 2);
    assert_true(row(f, "n0")->total_s == 0.002);
    assert_true(row(f, "n1")->total_s == 0.003);
    ask(f); /* links are asked for again, boards are not */
    finish(f);
    assert_int_equal(reply(f)->n_measured, 0);
    assert_true(row(f, "n1")->total_s == 0.003);
}

static void move(struct fixture *f, const char *name, const char *host,
                 const char *machine)
{
    struct member *m = members_find(f->desk.c, name);

    (void)snprintf(m->host, sizeof(m->host), "%s", host);
    f->machines[name[1] - '0'] = machine;
    beat(f, name, "pi", 1e9);
}

/* Containers and network namespaces have addresses of their own, and the
 * processors of one machine. */
static void a_machine_may_have_many_addresses(void **state)
{
    struct fixture *f = *state;

    move(f, "n0", "10.0.0.1", "b007");
    move(f, "n1", "10.0.0.2", "b007");
    ask(f);
    assert_non_null(asked(f, "n0"));
    assert_null(asked(f, "n1"));
    answer(f, "n0", asked(f, "n0")->number, 0, 0.002);
    assert_non_null(asked(f, "n1"));
    answer(f, "n1", asked(f, "n1")->number, 0, 0.003);
    finish(f);
    assert_int_equal(reply(f)->n_measured, 2);
}

static void machines_measure_at_the_same_time(void **state)
{
    struct fixture *f = *state;

    move(f, "n0", "10.0.0.1", "b007");
    move(f, "n1", "10.0.0.1", "b008"); /* behind a port of the same address */
    ask(f);
    assert_non_null(asked(f, "n0"));
    assert_non_null(asked(f, "n1"));
    answer(f, "n0", asked(f, "n0")->number, 0, 0.002);
    answer(f, "n1", asked(f, "n1")->number, 0, 0.003);
    finish(f);
    assert_int_equal(reply(f)->n_measured, 2);
}

static void lies_are_not_believed(void **state)
{
    static const double lies[] = {NAN, INFINITY, -1, 0, 1e7};
    struct fixture *f = *state;

    for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
        ask(f);
        answer(f, "n0", asked(f, "n0")->number, 0, lies[i]);
        live_for(f, 100);
        answer(f, "n1", asked(f, "n1")->number, 1, 0.001); /* another op */
        finish(f);
        assert_int_equal(reply(f)->n_measured, 0);
        assert_string_equal(row(f, "n0")->measured_on, "");
        assert_true(row(f, "n1")->total_s == 0);
    }
}

static void answers_to_nothing_are_ignored(void **state)
{
    struct fixture *f = *state;
    uint32_t number;

    answer(f, "n0", 1, 0, 0.5); /* nobody asked */
    ask(f);
    number = asked(f, "n0")->number;
    answer(f, "n0", number + 1, 0, 0.5);
    answer(f, "n1", number, 0, 0.5); /* another one's */
    answer(f, "n0", number, 0, 0.002);
    answer(f, "n0", number, 0, 0.5); /* again */
    refuse(f, "n1", asked(f, "n1")->number, EDGE_EBUSY);
    finish(f);
    assert_true(row(f, "n0")->total_s == 0.002);
    assert_string_equal(row(f, "n1")->note, "there are reasons");
}

static void a_board_that_cannot_has_that_of_its_kind(void **state)
{
    struct fixture *f = *state;

    ask(f);
    answer(f, "n0", asked(f, "n0")->number, 0, 0.002);
    refuse(f, "n1", asked(f, "n1")->number, EDGE_ENOFIT);
    finish(f);
    assert_string_equal(row(f, "n1")->measured_on, "n0");
    assert_non_null(strstr(row(f, "n1")->note, "there are reasons"));
}

static void a_board_is_lost(void **state)
{
    struct fixture *f = *state;

    ask(f);
    desk_down(&f->desk, "n0");
    io_fake_run_for(&f->desk.fake, 200);
    assert_non_null(asked(f, "n1"));
    answer(f, "n1", asked(f, "n1")->number, 0, 0.002);
    for (int i = 0; i < 400 && reply(f) == NULL; i++) {
        io_fake_run_for(&f->desk.fake, 100);
        beat(f, "n1", "pi", 1e9);
        (void)io_fake_work(&f->desk.fake);
    }
    assert_non_null(reply(f));
    assert_true(row(f, "n1")->total_s == 0.002);
    assert_string_equal(row(f, "n0")->note, "it was lost");
}

static void one_at_a_time(void **state)
{
    struct fixture *f = *state;
    struct io_fake_peer *other = desk_client(&f->desk);
    Edged__Envelope env = EDGED__ENVELOPE__INIT;
    Edged__ProfileRequest message = EDGED__PROFILE_REQUEST__INIT;

    ask(f);
    env.body_case = EDGED__ENVELOPE__BODY_PROFILE_REQUEST;
    env.profile_request = &message;
    io_fake_receive(other, &env, NULL);
    assert_int_equal(io_fake_last(other, EDGED__ENVELOPE__BODY_PROFILE_REPLY)
                         ->env->profile_reply->code,
                     EDGE_EBUSY);
}

static void speeds_that_cannot_be_are_not_known(void **state)
{
    struct fixture *f = *state;
    char kind[400];
    const struct member *m = members_find(f->desk.c, "n0");

    memset(kind, 'k', sizeof(kind));
    kind[sizeof(kind) - 1] = '\0';
    beat(f, "n0", kind, 1e9);
    assert_true(m->speed.kind[0] != 'k'); /* as before */
    beat(f, "n0", "pi", NAN);
    assert_string_equal(m->speed.kind, "pi");
    assert_true(m->speed.macs_per_s == 0);
    beat(f, "n0", "pi", 1e30);
    assert_true(m->speed.macs_per_s == 0);
    beat(f, "n0", "pi", 2e9);
    assert_true(m->speed.macs_per_s == 2e9);
}

#define T(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(boards_of_one_machine_take_turns),
        T(a_machine_may_have_many_addresses),
        T(machines_measure_at_the_same_time),
        T(lies_are_not_believed),
        T(answers_to_nothing_are_ignored),
        T(a_board_that_cannot_has_that_of_its_kind),
        T(a_board_is_lost),
        T(one_at_a_time),
        T(speeds_that_cannot_be_are_not_known),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
