/* Samples of what a model's sources see, for a client that watches; and how a
 * request without inputs travels. The test plays nodes and clients. */
#include "tests/lib/desk.h"

#include "base/mem.h"
#include "tests/lib/unit.h"

#include <stdio.h>
#include <string.h>

#define EVERY_US 100000

struct fixture {
    struct desk d;
    Edged__ViewSource source;
};

/* One board's shard, which has a source: what it asks for is the test's to
 * say. */
static int set_up(void **state)
{
    struct fixture *f = test_calloc(1, sizeof(*f));
    uint32_t epoch;

    desk_init(&f->d, 1);
    epoch = desk_whole(&f->d, "n0");
    edged__view_source__init(&f->source);
    placement_find(f->d.c, epoch)->spec->shards[0]->source = &f->source;
    io_fake_forget(f->d.client);
    io_fake_forget(desk_node(&f->d, "n0"));
    *state = f;
    return 0;
}

static void drop_source(struct fixture *f)
{
    struct deployment *d = deployments_get(f->d.c, "home");

    if (d != NULL && d->current != NULL) {
        d->current->spec->shards[0]->source = NULL;
    }
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    drop_source(f);
    desk_deinit(&f->d);
    test_free(f);
    return 0;
}

static void watch(struct fixture *f, uint64_t every_us, uint64_t samples)
{
    Edged__Envelope env = EDGED__ENVELOPE__INIT;
    Edged__Watch message = EDGED__WATCH__INIT;

    message.every_us = every_us;
    message.samples = samples;
    env.body_case = EDGED__ENVELOPE__BODY_WATCH;
    env.watch = &message;
    io_fake_receive(f->d.client, &env, NULL);
    io_fake_run_for(&f->d.fake, 0);
}

static const Edged__Result *result(struct fixture *f)
{
    const struct msg *msg =
        io_fake_last(f->d.client, EDGED__ENVELOPE__BODY_RESULT);

    return msg != NULL ? msg->env->result : NULL;
}

static size_t n_asked(struct fixture *f)
{
    return io_fake_count(desk_node(&f->d, "n0"), EDGED__ENVELOPE__BODY_DATA);
}

static const Edged__Data *asked(struct fixture *f, size_t i)
{
    struct io_fake_peer *node = desk_node(&f->d, "n0");

    list_each(&node->sent, it, after)
    {
        struct io_fake_sent *one = list_entry(it, struct io_fake_sent, link);

        if (one->msg.env->body_case == EDGED__ENVELOPE__BODY_DATA && i-- == 0) {
            return one->msg.env->data;
        }
    }
    fail_msg("the board was not asked");
    return NULL;
}

/* What the board makes of what it saw. */
static void answer(struct fixture *f, const Edged__Data *to)
{
    static const float y[DESK_SIZE] = {1, 2, 3, 4};
    struct blob *values = blob_copy(y, sizeof(y));
    Edged__Envelope env = EDGED__ENVELOPE__INIT;
    Edged__Data data = EDGED__DATA__INIT;
    Edged__TensorMeta meta = EDGED__TENSOR_META__INIT;
    int64_t dims[] = {DESK_SIZE};

    meta.dtype = DTYPE_F32;
    meta.dims = dims;
    meta.n_dims = 1;
    data.request = to->request;
    data.epoch = to->epoch;
    data.from = to->shard;
    data.tensor = &meta;
    env.body_case = EDGED__ENVELOPE__BODY_DATA;
    env.data = &data;
    io_fake_receive(desk_node(&f->d, "n0"), &env, values);
    blob_unref(values);
}

static void refuse(struct fixture *f, const Edged__Data *to, int code)
{
    Edged__Envelope env = EDGED__ENVELOPE__INIT;
    Edged__Nack nack = EDGED__NACK__INIT;

    nack.request = to->request;
    nack.epoch = to->epoch;
    nack.shard = to->shard;
    nack.code = code;
    nack.text = (char *)(uintptr_t) "nobody saw anything";
    env.body_case = EDGED__ENVELOPE__BODY_NACK;
    env.nack = &nack;
    io_fake_receive(desk_node(&f->d, "n0"), &env, NULL);
}

static const Edged__Answer *answer_to(struct fixture *f, uint64_t number)
{
    return desk_answer_of(f->d.client, number);
}

/* ---- tests --------------------------------------------------------------- */

static void a_sample_asks_for_an_instant(void **state)
{
    struct fixture *f = *state;
    uint64_t wall = io_wall_us(f->d.c->io);
    const Edged__Data *data;

    watch(f, EVERY_US, 0);
    assert_int_equal(n_asked(f), 1);
    data = asked(f, 0);
    assert_null(data->tensor);
    assert_int_equal(data->at_us, wall - 100000);
    answer(f, data);
    assert_int_equal(answer_to(f, 1)->code, 0);
    assert_int_equal(answer_to(f, 1)->at_us, wall - 100000);
    assert_int_equal(answer_to(f, 1)->skipped, 0);
}

static void samples_come_at_their_times(void **state)
{
    struct fixture *f = *state;

    watch(f, EVERY_US, 0);
    for (uint64_t n = 1; n <= 5; n++) {
        const Edged__Data *data;

        assert_int_equal(n_asked(f), n);
        data = asked(f, n - 1);
        assert_int_equal(data->at_us, asked(f, 0)->at_us + (n - 1) * EVERY_US);
        answer(f, data);
        assert_int_equal(answer_to(f, n)->code, 0);
        io_fake_run_for(&f->d.fake, EVERY_US / 1000);
    }
}

static void it_ends_after_its_samples(void **state)
{
    struct fixture *f = *state;

    watch(f, EVERY_US, 2);
    answer(f, asked(f, 0));
    io_fake_run_for(&f->d.fake, 150);
    assert_null(result(f)); /* one is under way */
    answer(f, asked(f, 1));
    io_fake_run_for(&f->d.fake, 500);
    assert_non_null(result(f));
    assert_int_equal(result(f)->code, 0);
    assert_int_equal(n_asked(f), 2);
}

/* The same question, wherever it comes from. */
static void one_that_is_asked_again_has_the_same_time(void **state)
{
    struct fixture *f = *state;
    uint64_t at_us;

    watch(f, EVERY_US, 1);
    at_us = asked(f, 0)->at_us;
    refuse(f, asked(f, 0), EDGE_EUNAVAILABLE);
    io_fake_run_for(&f->d.fake, 400);
    assert_true(n_asked(f) >= 2);
    assert_int_equal(asked(f, 1)->at_us, at_us);
    assert_int_equal(asked(f, 1)->request, asked(f, 0)->request);
    answer(f, asked(f, 1));
    answer(f, asked(f, 1));
    assert_int_equal(desk_answers_to(f->d.client, 1), 1);
}

static void one_that_fails_ends_nothing(void **state)
{
    struct fixture *f = *state;

    watch(f, EVERY_US, 0);
    refuse(f, asked(f, 0), EDGE_ENOENT);
    assert_int_equal(answer_to(f, 1)->code, EDGE_ENOENT);
    assert_non_null(strstr(answer_to(f, 1)->text, "nobody saw anything"));
    io_fake_run_for(&f->d.fake, EVERY_US / 1000);
    answer(f, asked(f, 1));
    assert_int_equal(answer_to(f, 2)->code, 0);
}

static void those_that_find_no_room_are_counted(void **state)
{
    struct fixture *f = *state;
    size_t n;

    watch(f, 4000, 0);
    for (int i = 0; i < 200; i++) {
        io_fake_run_for(&f->d.fake, 4);
    }
    n = n_asked(f);
    assert_true(n >= 8 && n <= 64);
    answer(f, asked(f, 0));
    io_fake_run_for(&f->d.fake, 4);
    answer(f, asked(f, n));
    assert_true(answer_to(f, 1)->skipped > 100);
    assert_true(f->d.c->n_requests <= 64);
}

static void who_goes_takes_samples_along(void **state)
{
    struct fixture *f = *state;

    watch(f, EVERY_US, 0);
    assert_int_equal(f->d.c->n_requests, 1);
    f->d.fake.io.events.on_down(f->d.fake.io.arg, &f->d.client->base,
                                EDGE_ECLOSED, "gone");
    io_fake_drop(f->d.client);
    assert_int_equal(f->d.c->n_requests, 0);
    io_fake_run_for(&f->d.fake, 1000);
    assert_int_equal(n_asked(f), 1);
    f->d.client = desk_client(&f->d);
}

static void refused(struct fixture *f, uint64_t every_us, const char *says)
{
    watch(f, every_us, 0);
    assert_non_null(result(f));
    assert_true(result(f)->code < 0);
    if (strstr(result(f)->text, says) == NULL) {
        fail_msg("%s", result(f)->text);
    }
    io_fake_forget(f->d.client);
}

static void what_cannot_be_is_said(void **state)
{
    struct fixture *f = *state;

    refused(f, 0, "every 4 ms");
    refused(f, UINT64_MAX, "every 4 ms");
    watch(f, EVERY_US, 0);
    assert_null(result(f));
    refused(f, EVERY_US, "watches already");
}

static void without_sources_there_is_nothing_to_watch(void **state)
{
    struct fixture *f = *state;

    drop_source(f);
    refused(f, EVERY_US, "from: \"dir:");
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    static const struct CMUnitTest tests[] = {
        T(a_sample_asks_for_an_instant),
        T(samples_come_at_their_times),
        T(it_ends_after_its_samples),
        T(one_that_is_asked_again_has_the_same_time),
        T(one_that_fails_ends_nothing),
        T(those_that_find_no_room_are_counted),
        T(who_goes_takes_samples_along),
        T(what_cannot_be_is_said),
        T(without_sources_there_is_nothing_to_watch),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
