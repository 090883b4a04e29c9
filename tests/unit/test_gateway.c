/* Requests from admission to answer, with the test as nodes and clients. */
#include "tests/lib/desk.h"

#include "base/mem.h"
#include "tests/lib/unit.h"

#include <stdio.h>
#include <string.h>

struct fixture {
    struct desk d;
    uint32_t epoch;
};

static int begin(void **state, size_t n_outputs)
{
    struct fixture *f = test_calloc(1, sizeof(*f));

    desk_init(&f->d, n_outputs);
    f->epoch = desk_whole(&f->d, "n0, n1");
    io_fake_forget(f->d.client);
    io_fake_forget(desk_node(&f->d, "n0"));
    io_fake_forget(desk_node(&f->d, "n1"));
    *state = f;
    return 0;
}

static int set_up(void **state)
{
    return begin(state, 1);
}

static int set_up_two(void **state)
{
    return begin(state, 2);
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    desk_deinit(&f->d);
    test_free(f);
    return 0;
}

/* ---- helpers ------------------------------------------------------------- */

/* Which node has got Data that is not answered; the test fails if none. */
static const char *holder(struct fixture *f)
{
    static const char *const names[] = {"n0", "n1"};

    for (size_t i = 0; i < 2; i++) {
        if (io_fake_count(desk_node(&f->d, names[i]),
                          EDGED__ENVELOPE__BODY_DATA) > 0) {
            return names[i];
        }
    }
    fail_msg("no node has got Data");
    return NULL;
}

static const char *other(const char *name)
{
    return strcmp(name, "n0") == 0 ? "n1" : "n0";
}

static const struct msg *data_at(struct fixture *f, const char *name)
{
    return io_fake_last(desk_node(&f->d, name), EDGED__ENVELOPE__BODY_DATA);
}

static size_t acks_at(struct fixture *f, const char *name)
{
    return io_fake_count(desk_node(&f->d, name), EDGED__ENVELOPE__BODY_ACK);
}

static void forget_nodes(struct fixture *f)
{
    io_fake_forget(desk_node(&f->d, "n0"));
    io_fake_forget(desk_node(&f->d, "n1"));
}

static void ask(struct fixture *f, uint64_t number)
{
    desk_ask(&f->d, f->d.client, number, 0);
}

static const Edged__Answer *answer_to(struct fixture *f, uint64_t number)
{
    return desk_answer_of(f->d.client, number);
}

/* Time for the drain of an epoch; nodes beat meanwhile. */
static void pass_time(struct fixture *f, uint64_t ms, uint32_t epoch)
{
    for (uint64_t t = 0; t < ms; t += 500) {
        io_fake_run_for(&f->d.fake, 500);
        desk_beat(&f->d, "n0", epoch);
        desk_beat(&f->d, "n1", epoch);
    }
}

static void nack(struct fixture *f, const char *name, int code)
{
    const Edged__Data *data = data_at(f, name)->env->data;
    Edged__Envelope env = EDGED__ENVELOPE__INIT;
    Edged__Nack message = EDGED__NACK__INIT;

    message.request = data->request;
    message.epoch = data->epoch;
    message.shard = data->shard;
    message.code = code;
    message.text = (char *)(uintptr_t) "because";
    env.body_case = EDGED__ENVELOPE__BODY_NACK;
    env.nack = &message;
    io_fake_receive(desk_node(&f->d, name), &env, NULL);
}

/* ---- answers ------------------------------------------------------------- */

static void a_request_is_answered(void **state)
{
    struct fixture *f = *state;
    const struct msg *output;

    ask(f, 7);
    assert_true(desk_answer(&f->d, holder(f), false));
    assert_int_equal(answer_to(f, 7)->code, 0);
    assert_true(answer_to(f, 7)->complete);
    output = io_fake_sent(f->d.client, 0, EDGED__ENVELOPE__BODY_DATA);
    assert_int_equal(output->env->data->request, 7);
    assert_true(((float *)(void *)output->payload->data)[3] >= 5.0f);
    assert_int_equal(f->d.c->n_requests, 0);
    assert_true(list_is_empty(&f->d.c->relay.sent));
}

static void an_answer_comes_once(void **state)
{
    struct fixture *f = *state;
    const char *name;

    ask(f, 7);
    name = holder(f);
    desk_output(&f->d, name, data_at(f, name), 0, false);
    desk_output(&f->d, name, data_at(f, name), 0, false);
    assert_int_equal(desk_answers_to(f->d.client, 7), 1);
    assert_int_equal(acks_at(f, name), 2); /* so that it lets go of both */
}

static void outputs_are_acknowledged_together(void **state)
{
    struct fixture *f = *state;
    const char *name;

    ask(f, 7);
    name = holder(f);
    desk_output(&f->d, name, data_at(f, name), 0, false);
    assert_int_equal(acks_at(f, name), 0);
    desk_output(&f->d, name, data_at(f, name), 1, false);
    assert_int_equal(acks_at(f, name), 1);
    assert_int_equal(answer_to(f, 7)->code, 0);
}

static void a_node_lost_between_two_outputs_costs_nothing(void **state)
{
    struct fixture *f = *state;
    const char *first;

    ask(f, 7);
    first = holder(f);
    desk_output(&f->d, first, data_at(f, first), 0, false);
    desk_down(&f->d, first);
    assert_true(desk_answer(&f->d, other(first), false));
    assert_int_equal(answer_to(f, 7)->code, 0);
    assert_int_equal(answer_to(f, 7)->resent, 1);
}

static void an_unknown_port_is_declined(void **state)
{
    struct fixture *f = *state;
    const char *name;
    const struct msg *last;

    ask(f, 7);
    name = holder(f);
    desk_output(&f->d, name, data_at(f, name), 3, false);
    last = io_fake_last(desk_node(&f->d, name), EDGED__ENVELOPE__BODY_NACK);
    assert_int_equal(last->env->nack->code, EDGE_EINVAL);
    assert_int_equal(desk_answers_to(f->d.client, 7), 0);
}

static void an_output_of_another_type_is_no_answer(void **state)
{
    struct fixture *f = *state;
    const char *name;
    Edged__Data *data;

    ask(f, 7);
    name = holder(f);
    data = data_at(f, name)->env->data;
    data->tensor->dtype = DTYPE_I32;
    desk_output(&f->d, name, data_at(f, name), 0, false);
    assert_int_equal(answer_to(f, 7)->code, EDGE_ECORRUPT);
    assert_int_equal(f->d.c->n_requests, 0);
}

/* ---- failures ------------------------------------------------------------ */

static void a_final_nack_is_the_answer(void **state)
{
    struct fixture *f = *state;

    ask(f, 7);
    nack(f, holder(f), EDGE_EINVAL);
    assert_int_equal(answer_to(f, 7)->code, EDGE_EINVAL);
    assert_string_equal(answer_to(f, 7)->text, "because");
}

static void a_deadline_is_the_answer(void **state)
{
    struct fixture *f = *state;

    desk_ask(&f->d, f->d.client, 7, 2000);
    pass_time(f, 1500, f->epoch);
    assert_int_equal(desk_answers_to(f->d.client, 7), 0);
    pass_time(f, 1000, f->epoch);
    assert_int_equal(answer_to(f, 7)->code, EDGE_ETIMEOUT);
    pass_time(f, 3000, f->epoch);
    assert_int_equal(desk_answers_to(f->d.client, 7), 1);
}

static void a_request_waits_for_a_node(void **state)
{
    struct fixture *f = *state;

    desk_down(&f->d, "n0");
    desk_down(&f->d, "n1");
    ask(f, 7);
    io_fake_run_for(&f->d.fake, 3000);
    desk_up(&f->d, "n1", f->epoch);
    io_fake_turn(&f->d.fake);
    assert_true(desk_answer(&f->d, "n1", false));
    assert_int_equal(answer_to(f, 7)->code, 0);
}

/* Two replicas, each with its queue. */
static void full_queues_are_said_at_once(void **state)
{
    struct fixture *f = *state;
    struct io_fake_peer *second = desk_client(&f->d);
    const Edged__Answer *answer;

    for (uint64_t i = 0; i < 4 * LIMIT_SHARD_QUEUE; i++) {
        desk_ask(&f->d, f->d.client, i, 0);
    }
    desk_ask(&f->d, second, 1, 0);
    answer = desk_answer_of(second, 1);
    assert_int_equal(answer->code, EDGE_EBUSY);
    assert_non_null(strstr(answer->text, "overloaded"));
    assert_in_range(answer->retry_after_ms, 50, 5000);
    assert_int_equal(f->d.c->n_requests, 4 * LIMIT_SHARD_QUEUE);
    assert_true(desk_answer(&f->d, holder(f), false));
    desk_ask(&f->d, second, 2, 0); /* there is room again */
    assert_null(desk_answer_of(second, 2));
}

static void with_nobody_there_the_window_is_the_bound(void **state)
{
    struct fixture *f = *state;

    desk_down(&f->d, "n0");
    desk_down(&f->d, "n1");
    for (uint64_t i = 0; i <= LIMIT_GATEWAY_WINDOW; i++) {
        desk_ask(&f->d, f->d.client, i, 0);
    }
    assert_int_equal(f->d.c->n_requests, LIMIT_GATEWAY_WINDOW);
}

static void a_client_that_does_not_read_gets_no_more(void **state)
{
    struct fixture *f = *state;

    f->d.client->base.queued = LIMIT_CLIENT_BYTES;
    ask(f, 7);
    assert_int_equal(answer_to(f, 7)->code, EDGE_EBUSY);
    assert_non_null(strstr(answer_to(f, 7)->text, "Read their answers"));
    assert_int_equal(f->d.c->n_requests, 0);
    f->d.client->base.queued = 0;
    ask(f, 8);
    assert_int_equal(f->d.c->n_requests, 1);
}

/* 20 ms a run on two nodes: 32 under way keep them busy for 320 ms. */
static void what_cannot_be_in_time_is_refused(void **state)
{
    struct fixture *f = *state;

    for (size_t i = 0; i < 2; i++) {
        static const char *const names[] = {"n0", "n1"};
        struct member *m = members_find(f->d.c, names[i]);

        m->node->loads[0].compute_us = 20000;
    }
    for (uint64_t i = 0; i < 32; i++) {
        desk_ask(&f->d, f->d.client, i, 0);
    }
    desk_ask(&f->d, f->d.client, 100, 600);
    assert_int_equal(answer_to(f, 100)->code, EDGE_EBUSY);
    desk_ask(&f->d, f->d.client, 101, 700);
    assert_null(answer_to(f, 101));
}

static void a_client_that_goes_takes_its_requests_along(void **state)
{
    struct fixture *f = *state;
    struct io_fake_peer *client = desk_client(&f->d);
    const char *name;
    struct msg copy;

    desk_ask(&f->d, client, 7, 0);
    name = holder(f);
    copy = *data_at(f, name);
    client->base.up = false;
    f->d.fake.io.events.on_down(f->d.fake.io.arg, &client->base, EDGE_ECLOSED,
                                "");
    io_fake_drop(client);
    assert_int_equal(f->d.c->n_requests, 0);
    desk_output(&f->d, name, &copy, 0, false);
    assert_int_equal(acks_at(f, name), 1);
}

/* ---- what clients send --------------------------------------------------- */

static void send_input(struct fixture *f, uint64_t number, uint32_t port,
                       int64_t size)
{
    struct blob *values = blob_new((size_t)size * 4);
    Edged__Envelope env = EDGED__ENVELOPE__INIT;
    Edged__Data data = EDGED__DATA__INIT;
    Edged__TensorMeta meta = EDGED__TENSOR_META__INIT;

    memset(values->data, 0, values->size);
    meta.dtype = DTYPE_F32;
    meta.dims = &size;
    meta.n_dims = 1;
    data.request = number;
    data.port = port;
    data.tensor = &meta;
    env.body_case = EDGED__ENVELOPE__BODY_DATA;
    env.data = &data;
    io_fake_receive(f->d.client, &env, values);
    blob_unref(values);
}

static void a_wrong_input_is_refused_once(void **state)
{
    struct fixture *f = *state;

    send_input(f, 7, 0, 9);
    send_input(f, 7, 1, DESK_SIZE); /* its other input, as it seems */
    send_input(f, 7, 0, DESK_SIZE);
    assert_int_equal(desk_answers_to(f->d.client, 7), 1);
    assert_int_equal(answer_to(f, 7)->code, EDGE_EINVAL);
    assert_string_equal(answer_to(f, 7)->text,
                        "input \"x\" is float32 9, the model wants float32 4");
    assert_int_equal(f->d.c->n_requests, 0);
}

static void refusals_leave_nothing_behind(void **state)
{
    struct fixture *f = *state;

    for (uint64_t i = 0; i < 1000; i++) {
        send_input(f, i, 5, DESK_SIZE);
        io_fake_forget(f->d.client);
    }
    ask(f, 2000);
    assert_true(desk_answer(&f->d, holder(f), false));
    assert_int_equal(answer_to(f, 2000)->code, 0);
}

static void a_repeated_input_changes_nothing(void **state)
{
    struct fixture *f = *state;

    ask(f, 7);
    ask(f, 7);
    assert_int_equal(f->d.c->n_requests, 1);
    assert_true(desk_answer(&f->d, holder(f), false));
    assert_int_equal(desk_answers_to(f->d.client, 7), 1);
}

static void answers_wait_for_a_slow_client(void **state)
{
    struct fixture *f = *state;

    for (uint64_t i = 1; i <= 4; i++) {
        ask(f, i);
    }
    f->d.client->send_rc = EDGE_EBUSY;
    f->d.client->send_more = 1; /* the first output, and no more */
    while (desk_answer(&f->d, "n0", false) || desk_answer(&f->d, "n1", false)) {
        /* all four */
    }
    assert_false(f->d.client->hung_up);
    assert_null(answer_to(f, 1));
    f->d.client->send_rc = 0;
    io_fake_run_for(&f->d.fake, 20);
    for (uint64_t i = 1; i <= 4; i++) {
        assert_int_equal(desk_answers_to(f->d.client, i), 1);
    }
    assert_int_equal(io_fake_count(f->d.client, EDGED__ENVELOPE__BODY_DATA), 4);
}

/* ---- epochs change ------------------------------------------------------- */

static void requests_under_way_end_in_their_epoch(void **state)
{
    struct fixture *f = *state;
    uint32_t next;

    ask(f, 7);
    next = desk_whole(&f->d, "n0, n1"); /* answers what the nodes have */
    assert_int_not_equal(next, f->epoch);
    assert_int_equal(f->d.c->n_requests, 0);
}

/* Its node went away for good, and with it the answer. */
static void requests_of_an_epoch_that_ends_begin_again(void **state)
{
    struct fixture *f = *state;
    uint32_t next;

    ask(f, 7);
    forget_nodes(f); /* the Data is lost for this test */
    next = desk_whole(&f->d, "n0, n1");
    assert_int_equal(f->d.c->n_requests, 1);
    assert_null(answer_to(f, 7));
    forget_nodes(f);
    pass_time(f, DRAIN_MS + 1000, next);
    assert_int_equal(data_at(f, holder(f))->env->data->epoch, next);
    assert_true(desk_answer(&f->d, holder(f), false));
    assert_int_equal(answer_to(f, 7)->code, 0);
    assert_int_equal(f->d.c->n_requests, 0);
}

static void undeploy(struct fixture *f)
{
    Edged__Envelope env = EDGED__ENVELOPE__INIT;
    Edged__Undeploy message = EDGED__UNDEPLOY__INIT;

    message.deployment = (char *)(uintptr_t) "home";
    env.body_case = EDGED__ENVELOPE__BODY_UNDEPLOY;
    env.undeploy = &message;
    io_fake_receive(f->d.client, &env, NULL);
}

static void requests_of_what_is_undeployed_fail(void **state)
{
    struct fixture *f = *state;

    ask(f, 7);
    forget_nodes(f);
    undeploy(f);
    (void)io_fake_work(&f->d.fake);
    io_fake_run_for(&f->d.fake, DRAIN_MS + 100);
    assert_int_equal(answer_to(f, 7)->code, EDGE_ESTALE);
    assert_true(list_is_empty(&f->d.c->placements));
}

static void two_undeploys_and_a_deploy_do_not_mix(void **state)
{
    struct fixture *f = *state;
    const Edged__Result *result;

    undeploy(f);
    undeploy(f); /* while the first is written */
    result =
        io_fake_last(f->d.client, EDGED__ENVELOPE__BODY_RESULT)->env->result;
    assert_int_equal(result->code, EDGE_EBUSY);
    (void)io_fake_work(&f->d.fake);
    assert_true(list_is_empty(&f->d.c->deployments));
    assert_int_not_equal(desk_whole(&f->d, "n0, n1"), f->epoch);
}

static void nothing_is_left_when_it_ends_with_requests(void **state)
{
    struct fixture *f = *state;

    for (uint64_t i = 0; i < 10; i++) {
        ask(f, i);
    }
    send_input(f, 100, 7, DESK_SIZE);
    /* The tear-down frees it as after a SIGKILL; the sanitizer looks. */
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
#define T2(name) cmocka_unit_test_setup_teardown(name, set_up_two, tear_down)
    const struct CMUnitTest tests[] = {
        T(a_request_is_answered),
        T(an_answer_comes_once),
        T2(outputs_are_acknowledged_together),
        T2(a_node_lost_between_two_outputs_costs_nothing),
        T(an_unknown_port_is_declined),
        T(an_output_of_another_type_is_no_answer),
        T(a_final_nack_is_the_answer),
        T(a_deadline_is_the_answer),
        T(a_request_waits_for_a_node),
        T(a_client_that_does_not_read_gets_no_more),
        T(full_queues_are_said_at_once),
        T(with_nobody_there_the_window_is_the_bound),
        T(what_cannot_be_in_time_is_refused),
        T(a_client_that_goes_takes_its_requests_along),
        T(a_wrong_input_is_refused_once),
        T(refusals_leave_nothing_behind),
        T(a_repeated_input_changes_nothing),
        T(answers_wait_for_a_slow_client),
        T(requests_under_way_end_in_their_epoch),
        T(requests_of_an_epoch_that_ends_begin_again),
        T(requests_of_what_is_undeployed_fail),
        T(two_undeploys_and_a_deploy_do_not_mix),
        T(nothing_is_left_when_it_ends_with_requests),
    };
#undef T
#undef T2

    return cmocka_run_group_tests(tests, NULL, NULL);
}
