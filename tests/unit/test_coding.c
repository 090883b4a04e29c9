/* Coded inputs at a daemon: taken as Install said, and bytes that are none do
 * no harm. */
#include "tests/lib/unit.h"

#include "codec/coded.h"
#include "tests/lib/lone.h"

#include <string.h>

#define Q8 2
#define Q4 3

static struct blob *coded(uint32_t id, float slope)
{
    struct shape shape = {.rank = 1, .dims = {LONE_SIZE}};
    struct codec codec;
    struct tensor x;
    struct blob *blob;

    assert_int_equal(codec_from_id(id, &codec), 0);
    assert_int_equal(tensor_init(&x, DTYPE_F32, &shape), 0);
    for (int i = 0; i < LONE_SIZE; i++) {
        ((float *)x.data)[i] = slope * (float)i;
    }
    blob = coded_room(&codec, &shape);
    assert_int_equal(coded_fill(&codec, &x, blob), 1);
    tensor_deinit(&x);
    return blob;
}

static void begin(struct lone *l, uint32_t comes_in)
{
    lone_init(l);
    l->comes_in = comes_in;
    lone_install(l);
}

/* The i-th of that kind to the coordinator, or NULL. */
static const struct msg *sent(const struct lone *l, size_t i,
                              Edged__Envelope__BodyCase kind)
{
    list_each(&l->coordinator->sent, it, after)
    {
        const struct io_fake_sent *s =
            list_entry(it, struct io_fake_sent, link);

        if (s->msg.env->body_case == kind && i-- == 0) {
            return &s->msg;
        }
    }
    return NULL;
}

static const float *answer(struct lone *l, size_t i)
{
    const struct msg *msg;

    (void)io_fake_work(&l->fake);
    msg = sent(l, i, EDGED__ENVELOPE__BODY_DATA);
    assert_non_null(msg);
    assert_int_equal(msg->env->data->tensor->codec, 0); /* answers are exact */
    assert_int_equal(msg->payload->size, LONE_SIZE * sizeof(float));
    return (const float *)msg->payload->data;
}

/* y = x + w, so with x and without it differs by what was decoded. */
static void a_coded_input_is_opened(void **state)
{
    struct lone l;
    struct blob *x = coded(Q8, 0.5F);
    const float *with;
    const float *without;

    (void)state;
    begin(&l, Q8);
    lone_ask(&l, 1); /* as it is: always allowed */
    lone_ask_with(&l, 2, Q8, x);
    without = answer(&l, 0);
    with = answer(&l, 1);
    for (int i = 0; i < LONE_SIZE; i++) {
        float d = with[i] - without[i] - 0.5F * (float)i;

        assert_true(d < 0.51F && d > -0.51F); /* half a step of 255.5 / 255 */
    }
    assert_true(with[LONE_SIZE - 1] - without[LONE_SIZE - 1] > 200);
    blob_unref(x);
    lone_deinit(&l);
}

static void nacked(struct lone *l, int code)
{
    const struct msg *msg;

    (void)io_fake_work(&l->fake);
    msg = sent(l, 0, EDGED__ENVELOPE__BODY_NACK);
    assert_non_null(msg);
    assert_int_equal(msg->env->nack->code, code);
    assert_null(sent(l, 0, EDGED__ENVELOPE__BODY_DATA));
}

static void another_codec_than_agreed_is_refused(void **state)
{
    static const struct {
        uint32_t agreed;
        uint32_t comes;
    } rows[] = {{0, Q8}, {Q8, Q4}};

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct lone l;
        struct blob *x = coded(rows[i].comes, 1);

        begin(&l, rows[i].agreed);
        lone_ask_with(&l, 1, rows[i].comes, x);
        nacked(&l, EDGE_EINVAL);
        blob_unref(x);
        lone_deinit(&l);
    }
}

static void damaged_values_fail_their_request_alone(void **state)
{
    struct lone l;
    struct blob *x = coded(Q8, 1);
    struct blob *good = coded(Q8, 1);

    (void)state;
    begin(&l, Q8);
    memset(x->data + 4, 0xff, 4); /* a step that is no number */
    lone_ask_with(&l, 1, Q8, x);
    nacked(&l, EDGE_ECORRUPT);
    x->size -= 7; /* and values that are missing */
    memset(x->data + 4, 0, 4);
    lone_ask_with(&l, 2, Q8, x);
    (void)io_fake_work(&l.fake);
    assert_int_equal(sent(&l, 1, EDGED__ENVELOPE__BODY_NACK)->env->nack->code,
                     EDGE_ECORRUPT);
    lone_ask_with(&l, 3, Q8, good);
    (void)answer(&l, 0);
    blob_unref(x);
    blob_unref(good);
    lone_deinit(&l);
}

/* Nobody who keeps to the rules sends these. */
static void what_cannot_be_coded_values_ends_the_connection(void **state)
{
    static const struct {
        uint32_t codec;
        size_t size;
    } rows[] = {
        {77, 100},                      /* no codec */
        {Q8, 0},                        /* nothing */
        {Q8, LONE_SIZE * sizeof(float)} /* no shorter than as it is */
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct lone l;
        struct blob *x = blob_new(rows[i].size + 1);

        memset(x->data, 0, rows[i].size + 1);
        x->size = rows[i].size;
        begin(&l, Q8);
        lone_ask_with(&l, 1, rows[i].codec, rows[i].size > 0 ? x : NULL);
        assert_int_equal(l.coordinator->hung_up_rc, EDGE_EPROTO);
        blob_unref(x);
        lone_deinit(&l);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_coded_input_is_opened),
        cmocka_unit_test(another_codec_than_agreed_is_refused),
        cmocka_unit_test(damaged_values_fail_their_request_alone),
        cmocka_unit_test(what_cannot_be_coded_values_ends_the_connection),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
