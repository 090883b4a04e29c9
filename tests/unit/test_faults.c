/* Faults on purpose at the coordinator, with the test as nodes and clients. */
#include "coordinator/faults.h"

#include "base/mem.h"
#include "tests/lib/desk.h"
#include "tests/lib/unit.h"

#include <stdio.h>
#include <string.h>

struct fixture {
    struct desk d;
    uint32_t epoch;
};

static int set_up(void **state)
{
    struct fixture *f = test_calloc(1, sizeof(*f));

    desk_init(&f->d, 1);
    f->epoch = desk_whole(&f->d, "n0, n1");
    f->d.c->allow_faults = true;
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

/* ---- helpers --------------------------------------------------------------
 */

static Edged__Fault fault(const char *node)
{
    Edged__Fault message = EDGED__FAULT__INIT;

    message.node = (char *)(uintptr_t)node;
    message.kind = EDGED__FAULT_KIND__FAULT_DROP;
    message.permille = 100;
    message.ms = 5000;
    return message;
}

static void ask(struct fixture *f, Edged__Fault *message)
{
    Edged__Envelope env = EDGED__ENVELOPE__INIT;

    env.body_case = EDGED__ENVELOPE__BODY_FAULT;
    env.fault = message;
    io_fake_receive(f->d.client, &env, NULL);
}

/* The last reply to the client; NULL: none. */
static const Edged__FaultReply *answer(struct fixture *f)
{
    const struct msg *msg =
        io_fake_last(f->d.client, EDGED__ENVELOPE__BODY_FAULT_REPLY);

    return msg != NULL ? msg->env->fault_reply : NULL;
}

/* What the node was told last, as it would be answered. */
static uint32_t told(struct fixture *f, const char *node)
{
    const struct msg *msg =
        io_fake_last(desk_node(&f->d, node), EDGED__ENVELOPE__BODY_FAULT);

    assert_non_null(msg);
    return msg->env->fault->id;
}

static void node_answers(struct fixture *f, const char *node, int code)
{
    Edged__Envelope env = EDGED__ENVELOPE__INIT;
    Edged__FaultReply reply = EDGED__FAULT_REPLY__INIT;
    Edged__Fault message = fault(node);

    message.id = told(f, node);
    reply.code = code;
    reply.text = (char *)(uintptr_t) "because";
    reply.fault = &message;
    env.body_case = EDGED__ENVELOPE__BODY_FAULT_REPLY;
    env.fault_reply = &reply;
    io_fake_receive(desk_node(&f->d, node), &env, NULL);
}

static uint32_t begin(struct fixture *f, const char *node)
{
    Edged__Fault message = fault(node);

    ask(f, &message);
    node_answers(f, node, 0);
    assert_int_equal(answer(f)->code, 0);
    return answer(f)->fault->id;
}

static const Edged__FaultList *list(struct fixture *f)
{
    Edged__Envelope env = EDGED__ENVELOPE__INIT;
    Edged__FaultQuery query = EDGED__FAULT_QUERY__INIT;

    env.body_case = EDGED__ENVELOPE__BODY_FAULT_QUERY;
    env.fault_query = &query;
    io_fake_receive(f->d.client, &env, NULL);
    return io_fake_last(f->d.client, EDGED__ENVELOPE__BODY_FAULT_LIST)
        ->env->fault_list;
}

static size_t in_force(struct fixture *f)
{
    const Edged__FaultList *all = list(f);
    size_t n = 0;

    for (size_t i = 0; i < all->n_faults; i++) {
        n += all->faults[i]->left_ms > 0;
    }
    return n;
}

static int clear(struct fixture *f, uint32_t id, const char *node)
{
    Edged__Envelope env = EDGED__ENVELOPE__INIT;
    Edged__FaultClear message = EDGED__FAULT_CLEAR__INIT;

    message.id = id;
    message.node = (char *)(uintptr_t)node;
    env.body_case = EDGED__ENVELOPE__BODY_FAULT_CLEAR;
    env.fault_clear = &message;
    io_fake_receive(f->d.client, &env, NULL);
    return io_fake_last(f->d.client, EDGED__ENVELOPE__BODY_RESULT)
        ->env->result->code;
}

static void pass(struct fixture *f, uint64_t ms)
{
    for (uint64_t t = 0; t < ms; t += 250) {
        io_fake_run_for(&f->d.fake, 250);
        for (int i = 0; i < 2; i++) {
            const char *name = i == 0 ? "n0" : "n1";

            if (desk_node(&f->d, name)->base.up) {
                desk_beat(&f->d, name, f->epoch);
            }
        }
    }
}

static void node_says(struct fixture *f, const char *node,
                      Edged__FaultState **states, size_t n)
{
    Edged__Envelope env = EDGED__ENVELOPE__INIT;
    Edged__FaultList message = EDGED__FAULT_LIST__INIT;

    message.faults = states;
    message.n_faults = n;
    env.body_case = EDGED__ENVELOPE__BODY_FAULT_LIST;
    env.fault_list = &message;
    io_fake_receive(desk_node(&f->d, node), &env, NULL);
}

/* ---- may they? ------------------------------------------------------------
 */

static void test_refused_unless_allowed(void **state)
{
    struct fixture *f = *state;
    Edged__Fault message = fault("n0");

    f->d.c->allow_faults = false;
    ask(f, &message);
    assert_int_equal(answer(f)->code, EDGE_EREFUSED);
    assert_non_null(strstr(answer(f)->text, "faults: allowed"));
    assert_non_null(strstr(answer(f)->text, "--allow-faults"));
    assert_int_equal(
        io_fake_count(desk_node(&f->d, "n0"), EDGED__ENVELOPE__BODY_FAULT), 0);
    assert_false(list(f)->allowed);
}

static void test_allowed_by_a_deployment(void **state)
{
    struct fixture *f = *state;
    char why[160];

    f->d.c->allow_faults = false;
    deployments_get(f->d.c, "home")->cluster->faults_allowed = true;
    assert_true(faults_allowed(f->d.c, why, sizeof(why)));
    assert_string_equal(why, "faults: allowed of home");
    (void)begin(f, "n0");
    assert_true(list(f)->allowed);
}

/* ---- one fault ------------------------------------------------------------
 */

static void test_the_node_is_told_and_the_client_hears(void **state)
{
    struct fixture *f = *state;
    Edged__Fault message = fault("n1");

    ask(f, &message);
    assert_null(answer(f));
    assert_int_equal(list(f)->n_faults, 0); /* not in force yet */
    node_answers(f, "n1", 0);
    assert_int_equal(answer(f)->code, 0);
    assert_int_equal(answer(f)->fault->id, told(f, "n1"));
    assert_string_equal(answer(f)->fault->node, "n1");
    assert_int_equal(in_force(f), 1);
    assert_int_equal(list(f)->faults[0]->fault->permille, 100);
}

static void test_it_is_over_when_its_time_is_up(void **state)
{
    struct fixture *f = *state;

    (void)begin(f, "n0");
    pass(f, 4500);
    assert_int_equal(in_force(f), 1);
    pass(f, 1000);
    assert_int_equal(in_force(f), 0);
    assert_int_equal(list(f)->n_faults, 1); /* kept for watchers */
    assert_in_range(list(f)->faults[0]->back_ms, 5000, 5300);
    pass(f, 61000);
    assert_int_equal(list(f)->n_faults, 0);
}

static void test_times_of_the_node_are_taken(void **state)
{
    struct fixture *f = *state;
    const Edged__FaultState *at;

    (void)begin(f, "n0");
    pass(f, 1000);
    desk_down(&f->d, "n0");
    pass(f, 6000);
    at = list(f)->faults[0];
    assert_in_range(at->suspect_ms, 1000, 1300);
    assert_in_range(at->lost_ms, 1000, 1300);
    assert_int_equal(at->left_ms, 0);
    assert_int_equal(at->back_ms, 0);
    desk_up(&f->d, "n0", f->epoch);
    pass(f, 500);
    assert_in_range(list(f)->faults[0]->back_ms, 7000, 7300);
}

static void test_a_node_that_refuses(void **state)
{
    struct fixture *f = *state;
    Edged__Fault message = fault("n0");

    ask(f, &message);
    node_answers(f, "n0", EDGE_EUNSUPPORTED);
    assert_int_equal(answer(f)->code, EDGE_EUNSUPPORTED);
    assert_string_equal(answer(f)->text, "because");
    assert_int_equal(list(f)->n_faults, 0);
}

static void test_a_node_that_does_not_answer(void **state)
{
    struct fixture *f = *state;
    Edged__Fault message = fault("n0");

    ask(f, &message);
    pass(f, 3500);
    assert_int_equal(answer(f)->code, EDGE_ETIMEOUT);
    node_answers(f, "n0", 0); /* too late: it is not known any more */
    assert_int_equal(list(f)->n_faults, 0);
}

static void test_a_client_that_is_gone_is_not_answered(void **state)
{
    struct fixture *f = *state;
    Edged__Fault message = fault("n0");
    struct io_fake_peer *gone = f->d.client;

    ask(f, &message);
    f->d.fake.io.events.on_down(f->d.fake.io.arg, &gone->base, EDGE_ECLOSED,
                                "left");
    io_fake_drop(gone);
    f->d.client = desk_client(&f->d);
    node_answers(f, "n0", 0);
    assert_int_equal(in_force(f), 1);
}

static void test_wrong_requests(void **state)
{
    struct fixture *f = *state;
    Edged__Fault message = fault("nobody");
    char *peers[] = {(char *)(uintptr_t) "nobody"};

    ask(f, &message);
    assert_int_equal(answer(f)->code, EDGE_ENOENT);
    message = fault("n0");
    message.ms = FAULT_MAX_MS + 1;
    ask(f, &message);
    assert_int_equal(answer(f)->code, EDGE_EINVAL);
    message = fault("n0");
    message.peers = peers;
    message.n_peers = 1;
    ask(f, &message);
    assert_int_equal(answer(f)->code, EDGE_ENOENT);
    peers[0] = (char *)(uintptr_t) "coordinator";
    ask(f, &message);
    assert_int_equal(told(f, "n0") != 0, 1);
    desk_down(&f->d, "n1");
    message = fault("n1");
    ask(f, &message);
    assert_int_equal(answer(f)->code, EDGE_EUNAVAILABLE);
}

/* ---- several --------------------------------------------------------------
 */

static void test_there_are_only_so_many(void **state)
{
    struct fixture *f = *state;
    Edged__Fault message = fault("n0");

    for (int i = 0; i < LIMIT_FAULTS; i++) {
        (void)begin(f, i % 2 == 0 ? "n0" : "n1");
    }
    ask(f, &message);
    assert_int_equal(answer(f)->code, EDGE_EBUSY);
    pass(f, 5500);
    (void)begin(f, "n0");
    assert_int_equal(in_force(f), 1);
}

static void test_clear(void **state)
{
    struct fixture *f = *state;
    uint32_t first = begin(f, "n0");
    uint32_t second = begin(f, "n1");

    (void)begin(f, "n1");
    assert_int_not_equal(first, second);
    assert_int_equal(clear(f, first, ""), 0);
    assert_int_equal(
        io_fake_last(desk_node(&f->d, "n0"), EDGED__ENVELOPE__BODY_FAULT_CLEAR)
            ->env->fault_clear->id,
        first);
    assert_int_equal(in_force(f), 2);
    assert_int_equal(clear(f, first, ""), EDGE_ENOENT);
    assert_int_equal(clear(f, 0, "n1"), 0);
    assert_int_equal(in_force(f), 0);
    assert_int_equal(clear(f, 0, ""), 0); /* --all of none is fine */
}

static void test_a_killed_node_cannot_be_cleared(void **state)
{
    struct fixture *f = *state;
    Edged__Fault message = fault("n0");

    message.kind = EDGED__FAULT_KIND__FAULT_KILL;
    message.permille = 0;
    ask(f, &message);
    node_answers(f, "n0", 0);
    assert_int_equal(clear(f, 0, ""), EDGE_EPARTIAL);
    assert_non_null(
        strstr(io_fake_last(f->d.client, EDGED__ENVELOPE__BODY_RESULT)
                   ->env->result->text,
               "ends by itself"));
    assert_int_equal(in_force(f), 1);
}

/* ---- what a node says -----------------------------------------------------
 */

static void test_a_node_that_restarts_has_none(void **state)
{
    struct fixture *f = *state;

    (void)begin(f, "n0");
    (void)begin(f, "n1");
    desk_down(&f->d, "n0");
    desk_up(&f->d, "n0", f->epoch);
    node_says(f, "n0", NULL, 0);
    assert_int_equal(in_force(f), 1);
}

static void test_a_coordinator_that_restarts_learns_of_them(void **state)
{
    struct fixture *f = *state;
    Edged__FaultState at = EDGED__FAULT_STATE__INIT;
    Edged__Fault message = fault("n0");
    Edged__FaultState *states[] = {&at, &at};

    message.id = 0xbeef;
    at.fault = &message;
    at.age_ms = 2000;
    at.left_ms = 3000;
    node_says(f, "n0", states, 2); /* twice the same */
    assert_int_equal(list(f)->n_faults, 1);
    assert_int_equal(list(f)->faults[0]->fault->id, 0xbeef);
    assert_int_equal(list(f)->faults[0]->left_ms, 3000);
    node_says(f, "n1", states, 1); /* of another node: not believed */
    assert_int_equal(list(f)->n_faults, 1);
    pass(f, 3250);
    assert_int_equal(in_force(f), 0);
}

#define T(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_refused_unless_allowed),
        T(test_allowed_by_a_deployment),
        T(test_the_node_is_told_and_the_client_hears),
        T(test_it_is_over_when_its_time_is_up),
        T(test_times_of_the_node_are_taken),
        T(test_a_node_that_refuses),
        T(test_a_node_that_does_not_answer),
        T(test_a_client_that_is_gone_is_not_answered),
        T(test_wrong_requests),
        T(test_there_are_only_so_many),
        T(test_clear),
        T(test_a_killed_node_cannot_be_cleared),
        T(test_a_node_that_restarts_has_none),
        T(test_a_coordinator_that_restarts_learns_of_them),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
