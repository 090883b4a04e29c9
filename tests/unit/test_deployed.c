#include "tests/lib/fake_coordinator.h"
#include "tests/lib/unit.h"

#include "config/cluster.h"
#include "coordinator/ctl/deployed.h"

#include <string.h>

/* ---- the reply ---------------------------------------------------------- */

static void send_reply(int fd, Edged__ModelReply *reply, const char *labels)
{
    Edged__Envelope env = EDGED__ENVELOPE__INIT;
    struct msg msg;

    fake_receive(fd, &msg);
    msg_deinit(&msg);
    env.body_case = EDGED__ENVELOPE__BODY_MODEL_REPLY;
    env.model_reply = reply;
    fake_send(fd, &env, labels, strlen(labels));
    fake_wait(fd);
}

static void send_ports(int fd, int64_t dim)
{
    Edged__ModelReply reply = EDGED__MODEL_REPLY__INIT;
    Edged__Port port = EDGED__PORT__INIT;
    Edged__TensorMeta meta = EDGED__TENSOR_META__INIT;
    Edged__Port *ports[] = {&port};

    meta.dtype = DTYPE_F32;
    meta.dims = &dim;
    meta.n_dims = 1;
    port.name = (char *)(uintptr_t) "x";
    port.tensor = &meta;
    reply.deployment = (char *)(uintptr_t) "home";
    reply.inputs = reply.outputs = ports;
    reply.n_inputs = reply.n_outputs = 1;
    send_reply(fd, &reply, "cat\ndog\n");
}

static void play_model(int fd)
{
    send_ports(fd, 7);
}

static void play_negative_dimension(int fd)
{
    send_ports(fd, -7);
}

static void play_no_ports(int fd)
{
    Edged__ModelReply reply = EDGED__MODEL_REPLY__INIT;

    send_reply(fd, &reply, "");
}

static void play_refusal(int fd)
{
    Edged__ModelReply reply = EDGED__MODEL_REPLY__INIT;

    reply.code = EDGE_ENOENT;
    reply.text = (char *)(uintptr_t) "nothing is deployed";
    send_reply(fd, &reply, "");
}

/* Asks the coordinator that plays `script`. */
static int ask(fake_script script, struct deployed *deployed, struct err *err)
{
    struct fake_coordinator fake;
    struct client *client;
    int rc;

    fake_coordinator_start(&fake, script);
    assert_int_equal(client_open(fake.path, &client, err), 0);
    rc = deployed_ask(client, "", deployed, err);
    client_close(client);
    fake_coordinator_end(&fake);
    return rc;
}

static void test_a_model_with_its_labels(void **state)
{
    struct deployed d;
    struct err err;

    (void)state;
    assert_int_equal(ask(play_model, &d, &err), 0);
    assert_string_equal(d.name, "home");
    assert_string_equal(d.inputs[0].name, "x");
    assert_int_equal(d.outputs[0].shape.dims[0], 7);
    assert_string_equal(labels_name(&d.labels, 1), "dog");
    deployed_deinit(&d);
}

static void check_refused(fake_script script, int rc, const char *text)
{
    struct deployed d;
    struct err err;

    assert_int_equal(ask(script, &d, &err), rc);
    assert_non_null(strstr(err.text, text));
    deployed_deinit(&d);
}

static void test_replies_that_are_no_model(void **state)
{
    (void)state;
    check_refused(play_refusal, EDGE_ENOENT, "nothing is deployed");
    check_refused(play_no_ports, EDGE_EPROTO, "0 inputs or outputs");
    check_refused(play_negative_dimension, EDGE_EPROTO, "dimension -7");
}

/* ---- pictures ----------------------------------------------------------- */

struct fixture {
    Edged__Envelope env;
    Edged__ModelReply reply;
    struct named_port input;
    struct deployed deployed;
    struct picture_form form;
    struct err err;
};

/* A model of one input, and a reply as cluster.yaml's defaults make it. */
static void describe(struct fixture *f, int rank, const int64_t *dims)
{
    static double mean[] = {0, 0, 0};
    static double std[] = {1, 1, 1};

    *f = (struct fixture){.env = EDGED__ENVELOPE__INIT,
                          .reply = EDGED__MODEL_REPLY__INIT};
    f->reply.crop = 0.875;
    f->reply.mean = mean;
    f->reply.std = std;
    f->reply.n_mean = f->reply.n_std = 3;
    f->env.body_case = EDGED__ENVELOPE__BODY_MODEL_REPLY;
    f->env.model_reply = &f->reply;
    f->input = (struct named_port){"x", DTYPE_F32, shape_of(rank, dims)};
    f->deployed.msg.env = &f->env;
    f->deployed.name = "home";
    f->deployed.inputs = &f->input;
    f->deployed.n_inputs = 1;
}

static int make_form(struct fixture *f)
{
    return deployed_picture_form(&f->deployed, &f->form, &f->err);
}

static void test_size_is_the_models_where_none_is_written(void **state)
{
    struct fixture f;

    (void)state;
    describe(&f, 4, (int64_t[]){1, 3, 240, 320});
    assert_int_equal(make_form(&f), 0);
    assert_null(f.form.refusal);
    assert_int_equal(f.form.spec.width, 320);
    assert_int_equal(f.form.spec.height, 240);
    assert_int_equal(f.form.spec.fit, IMAGE_FIT_CROP);
}

static void test_what_is_written_is_taken(void **state)
{
    struct fixture f;
    double mean[] = {0.5, 0.25, 0.125};
    double std = 2;

    (void)state;
    describe(&f, 4, (int64_t[]){1, 3, 8, 8});
    f.reply.width = f.reply.height = 8;
    f.reply.resize = CLUSTER_RESIZE_LETTERBOX;
    f.reply.color = CLUSTER_COLOR_BGR;
    f.reply.range = CLUSTER_RANGE_255;
    f.reply.mean = mean;
    f.reply.std = &std;
    f.reply.n_std = 1; /* for all channels */
    assert_int_equal(make_form(&f), 0);
    assert_int_equal(f.form.spec.fit, IMAGE_FIT_LETTERBOX);
    assert_int_equal(f.form.spec.color, IMAGE_COLOR_BGR);
    assert_int_equal(f.form.spec.range, IMAGE_RANGE_BYTE);
    assert_true(f.form.spec.mean[2] == 0.125f);
    assert_true(f.form.spec.std[2] == 2.0f);
}

static void test_a_model_of_one_channel_gets_gray(void **state)
{
    struct fixture f;

    (void)state;
    describe(&f, 4, (int64_t[]){1, 1, 28, 28});
    assert_int_equal(make_form(&f), 0);
    assert_null(f.form.refusal);
    assert_int_equal(f.form.spec.color, IMAGE_COLOR_GRAY);
}

static void test_a_size_that_the_model_does_not_take(void **state)
{
    struct fixture f;

    (void)state;
    describe(&f, 4, (int64_t[]){1, 3, 192, 192});
    f.reply.width = f.reply.height = 224;
    assert_int_equal(make_form(&f), 0);
    assert_non_null(strstr(f.form.refusal, "it is 1x3x224x224, but the model "
                                           "wants 1x3x192x192"));
}

static void test_inputs_that_no_picture_becomes(void **state)
{
    struct fixture f;

    (void)state;
    describe(&f, 2, (int64_t[]){1, 640});
    assert_int_equal(make_form(&f), 0);
    assert_non_null(strstr(f.form.refusal, "takes float32 1x640"));
    describe(&f, 4, (int64_t[]){1, 3, 8, 8});
    f.input.dtype = DTYPE_U8;
    assert_int_equal(make_form(&f), 0);
    assert_non_null(strstr(f.form.refusal, "takes uint8"));
}

static void test_a_model_of_two_inputs_takes_no_pictures(void **state)
{
    struct fixture f;

    (void)state;
    describe(&f, 4, (int64_t[]){1, 3, 8, 8});
    f.deployed.n_inputs = 2;
    assert_int_equal(make_form(&f), EDGE_EINVAL);
    assert_non_null(strstr(f.err.text, "--input NAME=FILE.npy"));
}

static void test_words_of_another_release_are_refused(void **state)
{
    struct fixture f;

    (void)state;
    describe(&f, 4, (int64_t[]){1, 3, 8, 8});
    f.reply.resize = CLUSTER_RESIZE_PAD + 1;
    assert_int_equal(make_form(&f), EDGE_EPROTO);
    f.reply.resize = 0;
    f.reply.color = UINT32_MAX;
    assert_int_equal(make_form(&f), EDGE_EPROTO);
}

static void test_numbers_out_of_range_are_refused(void **state)
{
    struct fixture f;

    (void)state;
    describe(&f, 4, (int64_t[]){1, 3, 8, INT64_MAX});
    assert_int_equal(make_form(&f), EDGE_ETOOBIG);
    describe(&f, 4, (int64_t[]){1, 3, 8, 8});
    f.reply.crop = 0;
    assert_int_equal(make_form(&f), EDGE_EINVAL);
    describe(&f, 4, (int64_t[]){1, 3, 0, 8});
    assert_int_equal(make_form(&f), EDGE_EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_model_with_its_labels),
        cmocka_unit_test(test_replies_that_are_no_model),
        cmocka_unit_test(test_size_is_the_models_where_none_is_written),
        cmocka_unit_test(test_what_is_written_is_taken),
        cmocka_unit_test(test_a_model_of_one_channel_gets_gray),
        cmocka_unit_test(test_a_size_that_the_model_does_not_take),
        cmocka_unit_test(test_inputs_that_no_picture_becomes),
        cmocka_unit_test(test_a_model_of_two_inputs_takes_no_pictures),
        cmocka_unit_test(test_words_of_another_release_are_refused),
        cmocka_unit_test(test_numbers_out_of_range_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
