/* A daemon measures a model, and a link: what it answers, and when. */
#include "base/mem.h"
#include "graph/infer.h"
#include "relay/burst.h"
#include "tests/lib/lone.h"
#include "tests/lib/model.h"
#include "tests/lib/unit.h"

#include <string.h>

struct fixture {
    struct lone l;
    struct blob *model;
    struct digest conv; /* of the op's name */
    uint64_t seq;       /* of beats */
};

static void make_model(struct fixture *f)
{
    struct graph *g = graph_new("part");
    struct export file = {0};
    struct err err;
    int x = model_input(g, "x", DTYPE_F32, DIMS(1, 2, 8, 8));
    int w = model_f32(g, "w", 1, 1, DIMS(4, 2, 1, 1));
    int conv = model_op(g, OP_CONV, "conv", IN(x, w));

    model_output(g, model_op(g, OP_RELU, "relu", IN(conv)));
    assert_int_equal(export_graph(g, &file, &err), 0);
    f->model = blob_ref(file.model);
    digest_of("conv", 4, &f->conv);
    export_deinit(&file);
    graph_free(g);
}

static int set_up(void **state)
{
    struct fixture *f = test_calloc(1, sizeof(*f));

    lone_init(&f->l);
    f->l.board.macs_per_s = 1e6;
    make_model(f);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    blob_unref(f->model);
    lone_deinit(&f->l);
    test_free(f);
    return 0;
}

static void ask(struct fixture *f, uint32_t number, uint64_t needs,
                struct blob *model)
{
    Edged__Envelope env = EDGED__ENVELOPE__INIT;
    Edged__Measure message = EDGED__MEASURE__INIT;

    message.number = number;
    message.needs_bytes = needs;
    message.budget_us = 1000;
    env.body_case = EDGED__ENVELOPE__BODY_MEASURE;
    env.measure = &message;
    io_fake_receive(f->l.coordinator, &env, model);
}

static void beat(struct fixture *f, struct io_fake_peer *peer)
{
    Edged__Envelope env = EDGED__ENVELOPE__INIT;
    Edged__Beat message = EDGED__BEAT__INIT;

    message.seq = ++f->seq;
    message.ack = f->l.daemon->beat_seq;
    env.body_case = EDGED__ENVELOPE__BODY_BEAT;
    env.beat = &message;
    io_fake_receive(peer, &env, NULL);
}

/* Time in which everybody is heard. */
static void live_for(struct fixture *f, uint64_t ms)
{
    for (uint64_t i = 0; i < ms; i += BEAT_MS) {
        io_fake_run_for(&f->l.fake, BEAT_MS);
        beat(f, f->l.coordinator);
        beat(f, f->l.other);
    }
}

static const Edged__Measured *answer(const struct fixture *f)
{
    const struct msg *msg =
        io_fake_last(f->l.coordinator, EDGED__ENVELOPE__BODY_MEASURED);

    return msg != NULL ? msg->env->measured : NULL;
}

static void assert_refused(const struct fixture *f, uint32_t number, int rc,
                           const char *text)
{
    assert_non_null(answer(f));
    assert_int_equal(answer(f)->number, number);
    assert_int_equal(answer(f)->code, rc);
    assert_non_null(strstr(answer(f)->text, text));
    assert_int_equal(answer(f)->n_ops, 0);
}

/* ---- a model --------------------------------------------------------------
 */

static void a_model_is_measured(void **state)
{
    struct fixture *f = *state;
    uint64_t op;

    ask(f, 3, 1000, f->model);
    assert_null(answer(f));
    (void)io_fake_work(&f->l.fake);
    assert_non_null(answer(f));
    assert_int_equal(answer(f)->number, 3);
    assert_int_equal(answer(f)->code, 0);
    assert_int_equal(answer(f)->n_ops, 1); /* the Relu is in the Conv's time */
    memcpy(&op, f->conv.bytes, sizeof(op));
    assert_true(answer(f)->ops[0]->op == op);
    /* 512 multiply-adds at 1e6 a second, and a microsecond. */
    assert_true(answer(f)->ops[0]->seconds > 0.000512 &&
                answer(f)->ops[0]->seconds < 0.000514);
    assert_true(answer(f)->ops[0]->runs >= 1);
    assert_null(f->l.daemon->measure);
}

static void what_is_slow_on_purpose_is_slow(void **state)
{
    struct fixture *f = *state;
    Edged__Envelope env = EDGED__ENVELOPE__INIT;
    Edged__Fault fault = EDGED__FAULT__INIT;

    fault.id = 7;
    fault.node = f->l.daemon->name;
    fault.kind = EDGED__FAULT_KIND__FAULT_SLOW;
    fault.ms = 5000;
    fault.factor_percent = 300;
    env.body_case = EDGED__ENVELOPE__BODY_FAULT;
    env.fault = &fault;
    io_fake_receive(f->l.coordinator, &env, NULL);
    ask(f, 3, 1000, f->model);
    (void)io_fake_work(&f->l.fake);
    assert_non_null(answer(f));
    assert_true(answer(f)->ops[0]->seconds > 3 * 0.000512 &&
                answer(f)->ops[0]->seconds < 3 * 0.000514);
}

static void what_does_not_fit_is_refused(void **state)
{
    struct fixture *f = *state;

    ask(f, 3, (uint64_t)1 << 40, f->model);
    assert_refused(f, 3, EDGE_ENOFIT, "needs 1048576 MiB");
}

static void what_is_no_model_is_refused(void **state)
{
    struct fixture *f = *state;
    struct blob *noise = blob_copy("noise", 5);

    ask(f, 3, 1000, noise);
    (void)io_fake_work(&f->l.fake);
    assert_true(answer(f) != NULL && answer(f)->code < 0);
    ask(f, 4, 1000, NULL);
    assert_refused(f, 4, EDGE_EPROTO, "without a model");
    blob_unref(noise);
}

static void one_at_a_time(void **state)
{
    struct fixture *f = *state;

    ask(f, 3, 1000, f->model);
    ask(f, 4, 1000, f->model);
    assert_refused(f, 4, EDGE_EBUSY, "another model");
    (void)io_fake_work(&f->l.fake);
    assert_int_equal(answer(f)->number, 3);
}

/* ---- beside requests ------------------------------------------------------
 */

static void it_waits_for_requests(void **state)
{
    struct fixture *f = *state;

    lone_install(&f->l);
    ask(f, 3, 1000, f->model);
    lone_ask(&f->l, 1);
    f->l.daemon->on_strand++; /* one that takes its time */
    (void)io_fake_work(&f->l.fake);
    assert_null(answer(f));
    live_for(f, MEASURE_IDLE_MS / 2);
    assert_null(answer(f));
    f->l.daemon->on_strand--;
    run_pump(f->l.daemon);
    (void)io_fake_work(&f->l.fake);
    assert_non_null(answer(f));
    assert_int_equal(answer(f)->code, 0);
}

static void a_busy_board_says_so(void **state)
{
    struct fixture *f = *state;

    f->l.daemon->on_strand++;
    ask(f, 3, 1000, f->model);
    (void)io_fake_work(&f->l.fake);
    live_for(f, MEASURE_IDLE_MS + BEAT_MS);
    assert_refused(f, 3, EDGE_EBUSY, "requests");
    f->l.daemon->on_strand--;
}

static void lose_coordinator(struct fixture *f)
{
    f->l.coordinator->base.up = false;
    f->l.fake.io.events.on_down(f->l.fake.io.arg, &f->l.coordinator->base,
                                EDGE_ECLOSED, "");
    io_fake_drop(f->l.coordinator);
    f->l.coordinator = NULL;
}

static void nobody_to_tell(void **state)
{
    struct fixture *f = *state;

    f->l.daemon->on_strand++;
    ask(f, 3, 1000, f->model);
    (void)io_fake_work(&f->l.fake); /* it waits */
    lose_coordinator(f);
    assert_null(f->l.daemon->measure);
    f->l.daemon->on_strand--;
}

static void nobody_to_tell_in_the_middle(void **state)
{
    struct fixture *f = *state;

    ask(f, 3, 1000, f->model);
    lose_coordinator(f);
    (void)io_fake_work(&f->l.fake);
    assert_null(f->l.daemon->measure);
}

/* ---- links ----------------------------------------------------------------
 */

static void ask_link(struct fixture *f, const char *name)
{
    Edged__Envelope env = EDGED__ENVELOPE__INIT;
    Edged__MeasureLink message = EDGED__MEASURE_LINK__INIT;
    Edged__NodeAddress address = EDGED__NODE_ADDRESS__INIT;

    address.name = (char *)(uintptr_t)name;
    address.host = (char *)(uintptr_t) "10.0.0.9";
    address.port = 7433;
    message.number = 5;
    message.node = &address;
    env.body_case = EDGED__ENVELOPE__BODY_MEASURE_LINK;
    env.measure_link = &message;
    io_fake_receive(f->l.coordinator, &env, NULL);
}

static const Edged__LinkMeasured *link_answer(struct fixture *f)
{
    const struct msg *msg;

    io_fake_turn(&f->l.fake);
    msg = io_fake_last(f->l.coordinator, EDGED__ENVELOPE__BODY_LINK_MEASURED);
    return msg != NULL ? msg->env->link_measured : NULL;
}

static void ack(struct io_fake_peer *peer, uint32_t number, uint32_t seq)
{
    Edged__Envelope env = EDGED__ENVELOPE__INIT;
    Edged__BurstAck message = EDGED__BURST_ACK__INIT;

    message.number = number;
    message.seq = seq;
    env.body_case = EDGED__ENVELOPE__BODY_BURST_ACK;
    env.burst_ack = &message;
    io_fake_receive(peer, &env, NULL);
}

/* Answers pings after 1 ms each, pieces after 2; returns how many pieces. */
static uint32_t play(struct fixture *f, struct io_fake_peer *peer)
{
    size_t done = 0;
    uint32_t pieces = 0;

    while (done < io_fake_count(peer, EDGED__ENVELOPE__BODY_BURST)) {
        uint32_t seq = done < BURST_PINGS ? (uint32_t)done
                                          : (uint32_t)(done - BURST_PINGS);

        io_fake_run_for(&f->l.fake, done < BURST_PINGS ? 1 : 2);
        ack(peer, 5, seq);
        pieces += done < BURST_PINGS ? 0 : 1;
        done++;
        assert_true(done < 1000);
    }
    return pieces;
}

static void a_link_is_measured(void **state)
{
    struct fixture *f = *state;
    uint32_t pieces;

    ask_link(f, f->l.other->base.name);
    pieces = play(f, f->l.other);
    assert_true(pieces >= 32 && pieces <= BURST_BYTES / BURST_PIECE);
    assert_non_null(link_answer(f));
    assert_int_equal(link_answer(f)->code, 0);
    assert_true(link_answer(f)->rtt_s == 0.001);
    assert_true(link_answer(f)->bytes_per_s > 0.99 * BURST_PIECE / 0.002 &&
                link_answer(f)->bytes_per_s < 1.01 * BURST_PIECE / 0.002);
    assert_null(f->l.daemon->link_ask);
}

static void a_link_that_is_silent(void **state)
{
    struct fixture *f = *state;

    ask_link(f, f->l.other->base.name);
    ack(f->l.other, 6, 0); /* of another question */
    ack(f->l.other, 5, 1); /* of what was not sent */
    live_for(f, BURST_LIMIT_MS + BEAT_MS);
    assert_non_null(link_answer(f));
    assert_int_equal(link_answer(f)->code, EDGE_ETIMEOUT);
}

static void a_link_that_breaks(void **state)
{
    struct fixture *f = *state;

    ask_link(f, f->l.other->base.name);
    ack(f->l.other, 5, 0);
    f->l.other->base.up = false;
    f->l.fake.io.events.on_down(f->l.fake.io.arg, &f->l.other->base,
                                EDGE_ECLOSED, "");
    io_fake_drop(f->l.other);
    f->l.other = NULL;
    assert_non_null(link_answer(f));
    assert_int_equal(link_answer(f)->code, EDGE_ECLOSED);
}

static void a_stranger_is_dialed_and_let_go(void **state)
{
    struct fixture *f = *state;
    struct io_fake_peer *dialed;

    ask_link(f, "n9");
    dialed = io_fake_find(&f->l.fake, "n9");
    assert_non_null(dialed);
    assert_string_equal(dialed->host, "10.0.0.9");
    dialed->base.up = true;
    dialed->base.role = EDGED__ROLE__ROLE_NODE;
    f->l.fake.io.events.on_up(f->l.fake.io.arg, &dialed->base);
    (void)play(f, dialed);
    assert_non_null(link_answer(f));
    assert_int_equal(link_answer(f)->code, 0);
    assert_null(io_fake_find(&f->l.fake, "n9"));
}

static void nobody_answers_the_dial(void **state)
{
    struct fixture *f = *state;

    ask_link(f, "n9");
    ask_link(f, "n8");
    assert_int_equal(link_answer(f)->code, EDGE_EBUSY);
    live_for(f, 3500);
    assert_int_equal(link_answer(f)->code, EDGE_EUNREACHABLE);
    assert_null(io_fake_find(&f->l.fake, "n9"));
}

#define T(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_model_is_measured),
        T(what_is_slow_on_purpose_is_slow),
        T(what_does_not_fit_is_refused),
        T(what_is_no_model_is_refused),
        T(one_at_a_time),
        T(it_waits_for_requests),
        T(a_busy_board_says_so),
        T(nobody_to_tell),
        T(nobody_to_tell_in_the_middle),
        T(a_link_is_measured),
        T(a_link_that_is_silent),
        T(a_link_that_breaks),
        T(a_stranger_is_dialed_and_let_go),
        T(nobody_answers_the_dial),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
