#include "tests/lib/fake_coordinator.h"
#include "tests/lib/unit.h"

#include "base/mem.h"
#include "coordinator/ctl/flights.h"

#include <string.h>
#include <unistd.h>

#define WAIT_MS 30000

/* A client of a model with inputs a, b (1x2) and outputs p, q (1x2). */
struct fixture {
    struct fake_coordinator fake;
    struct client *client;
    struct deployed deployed;
    struct named_port inputs[2];
    struct named_port outputs[2];
    struct flights *flights;
    struct tensor tensors[2];
    struct landed landed;
    struct err err;
};

static const float ones[] = {1, 1};
static const float twos[] = {2, 2};

static void start(struct fixture *f, fake_script script)
{
    struct shape shape = shape_of(2, (int64_t[]){1, 2});

    *f = (struct fixture){.client = NULL};
    for (int i = 0; i < 2; i++) {
        f->inputs[i] =
            (struct named_port){i == 0 ? "a" : "b", DTYPE_F32, shape};
        f->outputs[i] =
            (struct named_port){i == 0 ? "p" : "q", DTYPE_F32, shape};
        assert_int_equal(tensor_copy(&f->tensors[i], DTYPE_F32, &shape,
                                     i == 0 ? ones : twos),
                         0);
    }
    f->deployed.name = "m";
    f->deployed.inputs = f->inputs;
    f->deployed.n_inputs = 2;
    f->deployed.outputs = f->outputs;
    f->deployed.n_outputs = 2;
    fake_coordinator_start(&f->fake, script);
    assert_int_equal(client_open(f->fake.path, &f->client, &f->err), 0);
    assert_int_equal(
        flights_new(f->client, &f->deployed, 4, &f->flights, &f->err), 0);
}

static void end(struct fixture *f)
{
    landed_deinit(&f->landed);
    flights_free(f->flights);
    client_close(f->client);
    fake_coordinator_end(&f->fake);
    for (int i = 0; i < 2; i++) {
        tensor_deinit(&f->tensors[i]);
    }
}

static void ask(struct fixture *f, void *user)
{
    assert_int_equal(flights_send(f->flights, f->tensors, 5, user, &f->err), 0);
}

/* Steps until a request has landed, or an error. */
static int land(struct fixture *f)
{
    int rc = 0;

    landed_deinit(&f->landed);
    while (rc == 0) {
        rc = flights_step(f->flights, WAIT_MS, &f->landed, &f->err);
    }
    return rc;
}

/* ---- scripts ------------------------------------------------------------ */

/* Both inputs of a request, which are what was sent. */
static void take_request(int fd, uint64_t number)
{
    for (uint32_t port = 0; port < 2; port++) {
        struct msg msg;
        const float *values = port == 0 ? ones : twos;
        const Edged__Data *data;

        fake_receive(fd, &msg);
        data = msg.env->data;
        if (msg.env->body_case != EDGED__ENVELOPE__BODY_DATA ||
            data->request != number || data->port != port ||
            data->left_ms != 5 || strcmp(data->deployment, "m") != 0 ||
            memcmp(msg.payload->data, values, sizeof(ones)) != 0) {
            _exit(1);
        }
        msg_deinit(&msg);
    }
}

static void answer(int fd, uint64_t number, const float *p, const float *q)
{
    fake_send_floats(fd, number, 0, 2, p);
    fake_send_floats(fd, number, 1, 2, q);
    fake_send_answer(fd, number, 0, "");
}

static void play_one(int fd)
{
    take_request(fd, 1);
    answer(fd, 1, ones, twos);
    fake_wait(fd);
}

static void play_two_turned_round(int fd)
{
    take_request(fd, 1);
    take_request(fd, 2);
    fake_send_floats(fd, 1, 1, 2, ones);
    answer(fd, 2, twos, twos);
    fake_send_floats(fd, 1, 0, 2, ones);
    fake_send_answer(fd, 1, 0, "");
    fake_wait(fd);
}

static void play_failure(int fd)
{
    take_request(fd, 1);
    fake_send_floats(fd, 1, 0, 2, ones);
    fake_send_answer(fd, 1, EDGE_ETIMEOUT, "its deadline has passed");
    fake_wait(fd);
}

static void play_half_an_answer(int fd)
{
    take_request(fd, 1);
    fake_send_floats(fd, 1, 0, 2, ones);
    fake_send_answer(fd, 1, 0, "");
    fake_wait(fd);
}

static void send_model(int fd)
{
    Edged__Envelope env = EDGED__ENVELOPE__INIT;
    Edged__ModelReply reply = EDGED__MODEL_REPLY__INIT;
    struct msg msg;

    fake_receive(fd, &msg);
    if (msg.env->body_case != EDGED__ENVELOPE__BODY_MODEL_REQUEST) {
        _exit(1);
    }
    msg_deinit(&msg);
    env.body_case = EDGED__ENVELOPE__BODY_MODEL_REPLY;
    env.model_reply = &reply;
    fake_send(fd, &env, NULL, 0);
}

static void play_answered_twice(int fd)
{
    take_request(fd, 1);
    answer(fd, 1, ones, twos);
    answer(fd, 1, ones, twos);
    send_model(fd);
    fake_wait(fd);
}

static void play_output_2(int fd)
{
    take_request(fd, 1);
    fake_send_floats(fd, 1, 2, 2, ones);
    fake_wait(fd);
}

static void play_output_0_twice(int fd)
{
    take_request(fd, 1);
    fake_send_floats(fd, 1, 0, 2, ones);
    fake_send_floats(fd, 1, 0, 2, ones);
    fake_wait(fd);
}

static void play_status(int fd)
{
    Edged__Envelope env = EDGED__ENVELOPE__INIT;
    Edged__StatusReply reply = EDGED__STATUS_REPLY__INIT;

    env.body_case = EDGED__ENVELOPE__BODY_STATUS_REPLY;
    env.status_reply = &reply;
    fake_send(fd, &env, NULL, 0);
    fake_wait(fd);
}

static void play_goodbye(int fd)
{
    Edged__Envelope env = EDGED__ENVELOPE__INIT;
    Edged__Goodbye goodbye = EDGED__GOODBYE__INIT;

    goodbye.code = EDGE_ECLOSED;
    goodbye.text = (char *)(uintptr_t) "I am stopping";
    env.body_case = EDGED__ENVELOPE__BODY_GOODBYE;
    env.goodbye = &goodbye;
    fake_send(fd, &env, NULL, 0);
    fake_wait(fd);
}

static void play_death(int fd)
{
    take_request(fd, 1);
}

/* ---- tests -------------------------------------------------------------- */

static void test_outputs_come_with_their_answer(void **state)
{
    struct fixture f;
    int user;

    (void)state;
    start(&f, play_one);
    ask(&f, &user);
    assert_int_equal(flights_count(f.flights), 1);
    assert_int_equal(land(&f), 1);
    assert_int_equal(f.landed.rc, 0);
    assert_ptr_equal(f.landed.user, &user);
    assert_int_equal(f.landed.answer->latency_us, 1000);
    assert_memory_equal(f.landed.outputs[0].data, ones, sizeof(ones));
    assert_memory_equal(f.landed.outputs[1].data, twos, sizeof(twos));
    assert_int_equal(flights_count(f.flights), 0);
    end(&f);
}

static void test_answers_in_any_order_find_their_request(void **state)
{
    struct fixture f;
    int first;
    int second;

    (void)state;
    start(&f, play_two_turned_round);
    ask(&f, &first);
    ask(&f, &second);
    assert_int_equal(land(&f), 1);
    assert_ptr_equal(f.landed.user, &second);
    assert_memory_equal(f.landed.outputs[0].data, twos, sizeof(twos));
    assert_int_equal(land(&f), 1);
    assert_ptr_equal(f.landed.user, &first);
    assert_memory_equal(f.landed.outputs[0].data, ones, sizeof(ones));
    end(&f);
}

static void test_a_failed_request_says_why(void **state)
{
    struct fixture f;

    (void)state;
    start(&f, play_failure);
    ask(&f, NULL);
    assert_int_equal(land(&f), 1);
    assert_int_equal(f.landed.rc, EDGE_ETIMEOUT);
    assert_string_equal(f.landed.err.text, "its deadline has passed");
    assert_null(f.landed.outputs);
    end(&f);
}

static void test_an_answer_without_all_outputs_is_none(void **state)
{
    struct fixture f;

    (void)state;
    start(&f, play_half_an_answer);
    ask(&f, NULL);
    assert_int_equal(land(&f), 1);
    assert_int_equal(f.landed.rc, EDGE_EPROTO);
    assert_string_equal(f.landed.err.text,
                        "1 of 2 outputs came with the answer");
    end(&f);
}

static void test_a_second_answer_is_counted(void **state)
{
    struct fixture f;

    (void)state;
    start(&f, play_answered_twice);
    ask(&f, NULL);
    assert_int_equal(land(&f), 1);
    assert_int_equal(f.landed.rc, 0);
    assert_int_equal(flights_settle(f.flights, WAIT_MS, &f.err), 0);
    assert_int_equal(flights_strays(f.flights), 1);
    end(&f);
}

static void check_broken(fake_script script, int rc, const char *text)
{
    struct fixture f;

    start(&f, script);
    ask(&f, NULL);
    assert_int_equal(land(&f), rc);
    assert_non_null(strstr(f.err.text, text));
    end(&f);
}

static void test_what_the_model_does_not_have_is_refused(void **state)
{
    (void)state;
    check_broken(play_output_2, EDGE_EPROTO, "output 2 of 2");
    check_broken(play_output_0_twice, EDGE_EPROTO, "output 0 came twice");
}

static void test_another_message_is_named(void **state)
{
    (void)state;
    check_broken(play_status, EDGE_EPROTO, "StatusReply");
}

static void test_a_goodbye_is_passed_on(void **state)
{
    (void)state;
    check_broken(play_goodbye, EDGE_ECLOSED, "I am stopping");
}

static void test_a_connection_that_ends(void **state)
{
    (void)state;
    check_broken(play_death, EDGE_ECLOSED, "closed the connection");
}

static void test_an_answer_that_does_not_come(void **state)
{
    struct fixture f;

    (void)state;
    start(&f, fake_wait);
    ask(&f, NULL);
    assert_int_equal(flights_step(f.flights, 10, &f.landed, &f.err),
                     EDGE_ETIMEOUT);
    end(&f);
}

static void test_room_for_as_many_as_asked_for(void **state)
{
    struct fixture f;

    (void)state;
    start(&f, fake_wait);
    for (int i = 0; i < 4; i++) {
        assert_true(flights_has_room(f.flights));
        ask(&f, NULL);
    }
    assert_false(flights_has_room(f.flights));
    end(&f);
}

/* Answers of 1 MiB: two of them are half of what the coordinator queues. */
static void test_large_answers_make_room_for_fewer(void **state)
{
    struct named_port port = {"p", DTYPE_F32,
                              shape_of(1, (int64_t[]){MIB(1) / 4})};
    struct fixture f;

    (void)state;
    start(&f, fake_wait);
    f.deployed.outputs = &port;
    f.deployed.n_outputs = 1;
    flights_free(f.flights);
    assert_int_equal(flights_new(f.client, &f.deployed, 8, &f.flights, &f.err),
                     0);
    ask(&f, NULL);
    assert_true(flights_has_room(f.flights));
    ask(&f, NULL);
    assert_false(flights_has_room(f.flights));
    end(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_outputs_come_with_their_answer),
        cmocka_unit_test(test_answers_in_any_order_find_their_request),
        cmocka_unit_test(test_a_failed_request_says_why),
        cmocka_unit_test(test_an_answer_without_all_outputs_is_none),
        cmocka_unit_test(test_a_second_answer_is_counted),
        cmocka_unit_test(test_what_the_model_does_not_have_is_refused),
        cmocka_unit_test(test_another_message_is_named),
        cmocka_unit_test(test_a_goodbye_is_passed_on),
        cmocka_unit_test(test_a_connection_that_ends),
        cmocka_unit_test(test_an_answer_that_does_not_come),
        cmocka_unit_test(test_room_for_as_many_as_asked_for),
        cmocka_unit_test(test_large_answers_make_room_for_fewer),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
