/* Holds on their way to one of several nodes: net/relay through a fake io. */
#include "relay/relay.h"

#include "base/mem.h"
#include "tests/lib/io_fake.h"
#include "tests/lib/unit.h"
#include "wire/throttle.h"

#include <stdio.h>
#include <string.h>

#define EPOCH 7
#define SHARD 1
#define NODES 3

struct sample { /* one hold and what became of it */
    struct hold hold;
    struct relay_part parts[2];
    int done; /* calls */
    int rc;
    char text[80];
    struct fixture *f;
    struct sample *cancels; /* inside its callback */
    bool retires;
};

struct fixture {
    struct io_fake fake;
    struct relay relay;
    struct relay_node *nodes[NODES];
    struct io_fake_peer *peers[NODES];
    struct tensor tensor;
    struct sample samples[64];
    int delivered;
    struct hold *local;
};

static void on_deliver(void *arg, struct hold *hold)
{
    struct fixture *f = arg;

    f->delivered++;
    f->local = hold;
}

static int set_up(void **state)
{
    struct fixture *f = test_calloc(1, sizeof(*f));
    const int64_t dims[] = {4};
    struct shape shape = {.rank = 1};

    shape.dims[0] = dims[0];
    io_fake_init(&f->fake);
    relay_init(&f->relay, &f->fake.io);
    f->relay.deliver = on_deliver;
    f->relay.arg = f;
    assert_int_equal(tensor_init(&f->tensor, DTYPE_F32, &shape), 0);
    memset(f->tensor.data, 0, 16);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    for (size_t i = 0; i < 64; i++) {
        hold_cancel(&f->relay, &f->samples[i].hold);
    }
    relay_deinit(&f->relay);
    tensor_deinit(&f->tensor);
    io_fake_deinit(&f->fake);
    test_free(f);
    return 0;
}

static void beat(struct fixture *f, size_t i, bool ready, uint32_t queue,
                 uint32_t compute_us)
{
    Edged__Beat message = EDGED__BEAT__INIT;
    Edged__ShardLoad load = EDGED__SHARD_LOAD__INIT;
    Edged__ShardLoad *list[] = {&load};

    load.epoch = EPOCH;
    load.shard = SHARD;
    load.ready = ready;
    load.queue = queue;
    load.compute_us = compute_us;
    message.shards = list;
    message.n_shards = 1;
    assert_int_equal(relay_beat(&f->relay, f->nodes[i], &message), 0);
}

/* Nodes n0, n1 ...: up, and ready with that speed unless it is 0. */
static void add_nodes(struct fixture *f, size_t n, const uint32_t *compute_us)
{
    for (size_t i = 0; i < n; i++) {
        char name[] = {'n', (char)('0' + i), '\0'};

        f->nodes[i] = relay_node(&f->relay, name);
        f->peers[i] = io_fake_peer(&f->fake, name, EDGED__ROLE__ROLE_NODE);
        relay_node_up(&f->relay, f->nodes[i], &f->peers[i]->base);
    }
    assert_int_equal(relay_place(&f->relay, EPOCH, SHARD, f->nodes, n), 0);
    for (size_t i = 0; i < n; i++) {
        beat(f, i, true, 0, compute_us[i]);
    }
}

static void on_done(struct hold *hold, int rc, const char *text)
{
    struct sample *s = container_of(hold, struct sample, hold);

    s->done++;
    s->rc = rc;
    (void)snprintf(s->text, sizeof(s->text), "%s", text);
    if (s->cancels != NULL) {
        hold_cancel(&s->f->relay, &s->cancels->hold);
    }
    if (s->retires) {
        relay_retire(&s->f->relay, EPOCH);
    }
}

static struct sample *start_parts(struct fixture *f, size_t i, size_t n_parts)
{
    struct sample *s = &f->samples[i];

    *s = (struct sample){.f = f};
    for (size_t k = 0; k < n_parts; k++) {
        s->parts[k] =
            (struct relay_part){.port = (uint32_t)k, .tensor = f->tensor};
    }
    s->hold = (struct hold){
        .request = 100 + i,
        .epoch = EPOCH,
        .shard = SHARD,
        .from = 5,
        .deadline_us = f->fake.now_us + 10000000,
        .parts = s->parts,
        .n_parts = n_parts,
        .done = on_done,
    };
    hold_start(&f->relay, &s->hold);
    return s;
}

static struct sample *start(struct fixture *f, size_t i)
{
    return start_parts(f, i, 1);
}

static void ack(struct fixture *f, size_t i)
{
    Edged__Ack message = EDGED__ACK__INIT;

    message.request = 100 + i;
    message.epoch = EPOCH;
    message.shard = SHARD;
    message.from = 5;
    relay_on_ack(&f->relay, &message);
}

static void nack(struct fixture *f, size_t i, size_t node, int code)
{
    Edged__Nack message = EDGED__NACK__INIT;
    char text[] = "because";

    message.request = 100 + i;
    message.epoch = EPOCH;
    message.shard = SHARD;
    message.from = 5;
    message.code = code;
    message.text = text;
    relay_on_nack(&f->relay, f->nodes[node], &message);
}

static size_t data_at(const struct fixture *f, size_t node)
{
    return io_fake_count(f->peers[node], EDGED__ENVELOPE__BODY_DATA);
}

/* Which node was sent to since the last call; the test fails if not one. */
static size_t sent_to(struct fixture *f, size_t n)
{
    size_t found = n;

    for (size_t i = 0; i < n; i++) {
        if (data_at(f, i) > 0) {
            assert_int_equal(found, n);
            found = i;
            io_fake_forget(f->peers[i]);
        }
    }
    assert_true(found < n);
    return found;
}

static bool is_idle(struct fixture *f)
{
    return list_is_empty(&f->relay.sent) && list_is_empty(&f->relay.waiting) &&
           list_is_empty(&f->relay.local);
}

static const uint32_t equal[] = {1000, 1000, 1000};

/* ---- sending ------------------------------------------------------------- */

static void sends_what_it_holds(void **state)
{
    struct fixture *f = *state;
    const Edged__Data *data;
    const struct msg *msg;

    add_nodes(f, 1, equal);
    (void)start_parts(f, 0, 2);
    assert_int_equal(data_at(f, 0), 2);
    msg = io_fake_sent(f->peers[0], 1, EDGED__ENVELOPE__BODY_DATA);
    data = msg->env->data;
    assert_int_equal(data->request, 100);
    assert_int_equal(data->epoch, EPOCH);
    assert_int_equal(data->shard, SHARD);
    assert_int_equal(data->port, 1);
    assert_int_equal(data->from, 5);
    assert_int_equal(data->attempt, 0);
    assert_int_equal(data->left_ms, 10000);
    assert_int_equal(msg->payload->size, 16);
}

static void an_ack_ends_it(void **state)
{
    struct fixture *f = *state;
    struct sample *s;

    add_nodes(f, 1, equal);
    s = start(f, 0);
    assert_int_equal(relay_load(f->nodes[0], EPOCH, SHARD)->unacked, 1);
    ack(f, 0);
    assert_int_equal(s->done, 1);
    assert_int_equal(s->rc, 0);
    assert_int_equal(relay_load(f->nodes[0], EPOCH, SHARD)->unacked, 0);
    ack(f, 0);
    assert_int_equal(s->done, 1);
    assert_true(is_idle(f));
}

static void done_never_comes_from_inside_start(void **state)
{
    struct fixture *f = *state;
    struct sample *s;

    add_nodes(f, 1, equal);
    f->peers[0]->send_rc = EDGE_ETOOBIG;
    s = start(f, 0);
    assert_int_equal(s->done, 0);
    io_fake_run_for(&f->fake, 20);
    assert_int_equal(s->done, 1);
    assert_int_equal(s->rc, EDGE_ETOOBIG);
    assert_true(is_idle(f));
}

static void another_from_is_another_hold(void **state)
{
    struct fixture *f = *state;
    struct sample *a;
    struct sample *b;

    add_nodes(f, 1, equal);
    a = start(f, 0);
    b = start(f, 1);
    b->hold.request = a->hold.request; /* as two branches of one request */
    hold_cancel(&f->relay, &b->hold);
    b->hold.from = 6;
    b->hold.attempt = 0;
    hold_start(&f->relay, &b->hold);
    ack(f, 0);
    assert_int_equal(a->done, 1);
    assert_int_equal(b->done, 0);
}

static void hands_over_what_stays_here(void **state)
{
    struct fixture *f = *state;
    struct sample *s;

    add_nodes(f, 1, equal);
    f->nodes[0]->self = true;
    s = start(f, 0);
    assert_int_equal(f->delivered, 0); /* not from inside the call */
    io_fake_turn(&f->fake);
    assert_int_equal(f->delivered, 1);
    assert_ptr_equal(f->local, &s->hold);
    assert_int_equal(data_at(f, 0), 0);
    ack(f, 0);
    assert_int_equal(s->done, 1);
}

static void a_cancelled_hold_says_nothing(void **state)
{
    struct fixture *f = *state;
    struct sample *s;

    add_nodes(f, 1, equal);
    s = start(f, 0);
    hold_cancel(&f->relay, &s->hold);
    hold_cancel(&f->relay, &s->hold);
    ack(f, 0);
    io_fake_run_for(&f->fake, 20000);
    assert_int_equal(s->done, 0);
    assert_int_equal(relay_load(f->nodes[0], EPOCH, SHARD)->unacked, 0);
}

/* ---- waiting ------------------------------------------------------------- */

static void waits_until_a_node_is_ready(void **state)
{
    struct fixture *f = *state;
    struct sample *s;

    add_nodes(f, 1, equal);
    beat(f, 0, false, 0, 0);
    s = start(f, 0);
    assert_true(hold_is_waiting(&s->hold));
    io_fake_run_for(&f->fake, 1000);
    assert_int_equal(data_at(f, 0), 0);
    beat(f, 0, true, 0, 0);
    io_fake_turn(&f->fake);
    assert_int_equal(data_at(f, 0), 1);
    assert_false(hold_is_waiting(&s->hold));
}

static void waits_until_it_has_a_place(void **state)
{
    struct fixture *f = *state;

    add_nodes(f, 1, equal);
    relay_retire(&f->relay, EPOCH);
    beat(f, 0, true, 0, 1000);
    (void)start(f, 0);
    io_fake_run_for(&f->fake, 100);
    assert_int_equal(data_at(f, 0), 0);
    assert_int_equal(relay_place(&f->relay, EPOCH, SHARD, f->nodes, 1), 0);
    io_fake_turn(&f->fake);
    assert_int_equal(data_at(f, 0), 1);
}

static void waits_until_a_connection_is_back(void **state)
{
    struct fixture *f = *state;

    add_nodes(f, 1, equal);
    (void)start(f, 0);
    relay_node_down(&f->relay, f->nodes[0]);
    io_fake_forget(f->peers[0]);
    io_fake_run_for(&f->fake, 100);
    relay_node_up(&f->relay, f->nodes[0], &f->peers[0]->base);
    io_fake_run_for(&f->fake, 100);
    assert_int_equal(data_at(f, 0), 0); /* it must say so again */
    beat(f, 0, true, 0, 0);
    io_fake_turn(&f->fake);
    assert_int_equal(data_at(f, 0), 1);
    assert_int_equal(io_fake_sent(f->peers[0], 0, EDGED__ENVELOPE__BODY_DATA)
                         ->env->data->attempt,
                     1);
    assert_int_equal(f->relay.resent, 1);
}

/* Holds that begin to wait one after the other must not put off the look at
 * those that wait already. */
static void deadlines_hold_while_others_begin_to_wait(void **state)
{
    struct fixture *f = *state;
    struct sample *first;

    add_nodes(f, 1, equal);
    beat(f, 0, false, 0, 0);
    first = start(f, 0);
    first->hold.deadline_us = f->fake.now_us + 50000;
    for (size_t i = 1; i < 40; i++) {
        io_fake_run_for(&f->fake, 5);
        (void)start(f, i);
        beat(f, 0, false, 0, 0); /* wakes them all, in vain */
        io_fake_turn(&f->fake);
    }
    assert_int_equal(first->done, 1);
    assert_int_equal(first->rc, EDGE_ETIMEOUT);
}

static void a_deadline_ends_what_was_sent(void **state)
{
    struct fixture *f = *state;
    struct sample *s;

    add_nodes(f, 1, equal);
    s = start(f, 0);
    io_fake_run_for(&f->fake, 9900);
    assert_int_equal(s->done, 0);
    io_fake_run_for(&f->fake, 200);
    assert_int_equal(s->done, 1);
    assert_int_equal(s->rc, EDGE_ETIMEOUT);
    assert_int_equal(relay_load(f->nodes[0], EPOCH, SHARD)->unacked, 0);
}

static void the_timer_stops_when_nothing_is_held(void **state)
{
    struct fixture *f = *state;
    uint64_t due_us;

    add_nodes(f, 1, equal);
    (void)start(f, 0);
    ack(f, 0);
    io_fake_run_for(&f->fake, 200);
    assert_false(timers_next(&f->fake.timers, &due_us));
}

/* ---- declined ------------------------------------------------------------ */

static void a_nack_sends_it_to_another(void **state)
{
    static const int codes[] = {EDGE_EBUSY, EDGE_ESTALE, EDGE_ECLOSED,
                                EDGE_EUNAVAILABLE};
    struct fixture *f = *state;

    add_nodes(f, 2, equal);
    for (size_t i = 0; i < 4; i++) {
        size_t first;

        (void)start(f, i);
        first = sent_to(f, 2);
        nack(f, i, first, codes[i]);
        io_fake_turn(&f->fake);
        assert_int_equal(sent_to(f, 2), 1 - first);
        ack(f, i);
    }
}

static void a_nack_of_the_only_one_tries_it_again_later(void **state)
{
    struct fixture *f = *state;
    size_t tries = 0;

    add_nodes(f, 1, equal);
    (void)start(f, 0);
    for (int ms = 0; ms < 2000; ms++) {
        if (data_at(f, 0) > 0) {
            io_fake_forget(f->peers[0]);
            tries++;
            nack(f, 0, 0, EDGE_EBUSY);
        }
        io_fake_run_for(&f->fake, 1);
    }
    /* Every 10 ms would be 200 times its bytes. */
    assert_in_range(tries, 5, 15);
}

static void a_final_nack_ends_it(void **state)
{
    static const int codes[] = {EDGE_EINVAL, EDGE_ETIMEOUT, EDGE_ECORRUPT,
                                EDGE_ENOFIT};
    struct fixture *f = *state;

    add_nodes(f, 1, equal);
    for (size_t i = 0; i < 4; i++) {
        struct sample *s = start(f, i);

        nack(f, i, 0, codes[i]);
        assert_int_equal(s->done, 1);
        assert_int_equal(s->rc, codes[i]);
        assert_string_equal(s->text, "because");
    }
    assert_true(is_idle(f));
}

static void a_late_nack_of_the_last_node_changes_nothing(void **state)
{
    struct fixture *f = *state;
    struct sample *s;
    size_t first;

    add_nodes(f, 2, equal);
    s = start(f, 0);
    first = sent_to(f, 2);
    relay_node_down(&f->relay, f->nodes[first]);
    assert_int_equal(sent_to(f, 2), 1 - first);
    nack(f, 0, first, EDGE_EBUSY);
    io_fake_run_for(&f->fake, 100);
    assert_int_equal(data_at(f, 1 - first), 0);
    assert_false(hold_is_waiting(&s->hold));
}

/* ---- full queues --------------------------------------------------------- */

static void goes_on_behind_the_parts_that_are_out(void **state)
{
    struct fixture *f = *state;

    add_nodes(f, 1, equal);
    f->peers[0]->send_rc = EDGE_EBUSY;
    f->peers[0]->send_more = 1;
    (void)start_parts(f, 0, 2);
    assert_int_equal(data_at(f, 0), 1);
    f->peers[0]->send_rc = 0;
    io_fake_run_for(&f->fake, 20);
    assert_int_equal(data_at(f, 0), 2);
    assert_int_equal(io_fake_sent(f->peers[0], 1, EDGED__ENVELOPE__BODY_DATA)
                         ->env->data->port,
                     1);
}

static void sends_all_parts_on_a_new_connection(void **state)
{
    struct fixture *f = *state;

    add_nodes(f, 1, equal);
    f->peers[0]->send_rc = EDGE_EBUSY;
    f->peers[0]->send_more = 1;
    (void)start_parts(f, 0, 2);
    relay_node_down(&f->relay, f->nodes[0]);
    io_fake_forget(f->peers[0]);
    f->peers[0]->send_rc = 0;
    relay_node_up(&f->relay, f->nodes[0], &f->peers[0]->base);
    beat(f, 0, true, 0, 1000);
    io_fake_run_for(&f->fake, 20);
    assert_int_equal(data_at(f, 0), 2);
}

static void a_full_queue_lets_another_node_have_it(void **state)
{
    struct fixture *f = *state;

    add_nodes(f, 2, equal);
    f->peers[0]->send_rc = EDGE_EBUSY;
    for (size_t i = 0; i < 10; i++) {
        (void)start(f, i);
    }
    io_fake_run_for(&f->fake, 30);
    assert_int_equal(data_at(f, 1), 10);
}

static void no_more_goes_out_than_a_node_may_hold(void **state)
{
    struct fixture *f = *state;

    add_nodes(f, 1, equal);
    for (size_t i = 0; i < 40; i++) {
        (void)start(f, i);
    }
    assert_int_equal(data_at(f, 0), LIMIT_SHARD_QUEUE);
    io_fake_run_for(&f->fake, 1000);
    assert_int_equal(data_at(f, 0), LIMIT_SHARD_QUEUE);
    ack(f, 3);
    io_fake_turn(&f->fake); /* not a retry later */
    assert_int_equal(data_at(f, 0), LIMIT_SHARD_QUEUE + 1);
    assert_int_equal(io_fake_last(f->peers[0], EDGED__ENVELOPE__BODY_DATA)
                         ->env->data->request,
                     100 + LIMIT_SHARD_QUEUE);
}

/* ---- lost nodes ---------------------------------------------------------- */

static void a_lost_node_gives_its_holds_to_another(void **state)
{
    struct fixture *f = *state;
    size_t first;

    add_nodes(f, 2, equal);
    (void)start(f, 0);
    first = sent_to(f, 2);
    relay_node_down(&f->relay, f->nodes[first]);
    assert_int_equal(sent_to(f, 2), 1 - first);
    ack(f, 0);
    assert_int_equal(f->samples[0].rc, 0);
}

static void an_ack_of_the_lost_node_counts(void **state)
{
    struct fixture *f = *state;

    add_nodes(f, 2, equal);
    (void)start(f, 0);
    relay_node_down(&f->relay, f->nodes[sent_to(f, 2)]);
    ack(f, 0); /* of whichever */
    assert_int_equal(f->samples[0].done, 1);
    assert_int_equal(relay_load(f->nodes[0], EPOCH, SHARD)->unacked, 0);
    assert_int_equal(relay_load(f->nodes[1], EPOCH, SHARD)->unacked, 0);
}

static void a_suspect_gives_its_holds_to_another(void **state)
{
    struct fixture *f = *state;
    size_t first;

    add_nodes(f, 2, equal);
    (void)start(f, 0);
    first = sent_to(f, 2);
    relay_node_suspect(&f->relay, f->nodes[first], true);
    assert_int_equal(sent_to(f, 2), 1 - first);
    for (size_t i = 1; i < 5; i++) {
        (void)start(f, i);
        assert_int_equal(sent_to(f, 2), 1 - first);
    }
}

static void a_suspect_without_another_keeps_its_holds(void **state)
{
    struct fixture *f = *state;

    add_nodes(f, 1, equal);
    (void)start(f, 0);
    io_fake_forget(f->peers[0]);
    relay_node_suspect(&f->relay, f->nodes[0], true);
    io_fake_run_for(&f->fake, 100);
    assert_int_equal(data_at(f, 0), 0); /* it has it already */
    (void)start(f, 1);
    assert_int_equal(data_at(f, 0), 1); /* better it than none */
    ack(f, 0);
    assert_int_equal(f->samples[0].done, 1);
}

static void a_dropped_node_is_forgotten(void **state)
{
    struct fixture *f = *state;
    struct relay_node *other = relay_node(&f->relay, "other");

    assert_non_null(other);
    relay_node_drop(&f->relay, other);
    assert_null(relay_find(&f->relay, "other"));
}

/* ---- retiring ------------------------------------------------------------ */

static void retiring_ends_every_hold_of_the_epoch(void **state)
{
    struct fixture *f = *state;

    add_nodes(f, 1, equal);
    (void)start(f, 0);
    beat(f, 0, false, 0, 0);
    (void)start(f, 1);
    f->nodes[0]->self = true;
    beat(f, 0, true, 0, 0);
    (void)start(f, 2);
    relay_retire(&f->relay, EPOCH);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(f->samples[i].done, 1);
        assert_int_equal(f->samples[i].rc, EDGE_ESTALE);
    }
    assert_true(is_idle(f));
}

static void retiring_leaves_other_epochs_alone(void **state)
{
    struct fixture *f = *state;

    add_nodes(f, 1, equal);
    (void)start(f, 0);
    relay_retire(&f->relay, EPOCH + 1);
    assert_int_equal(f->samples[0].done, 0);
    ack(f, 0);
    assert_int_equal(f->samples[0].rc, 0);
}

static void callbacks_may_cancel_others_that_end_too(void **state)
{
    struct fixture *f = *state;
    int done = 0;

    add_nodes(f, 1, equal);
    for (size_t i = 0; i < 8; i++) {
        (void)start(f, i);
    }
    for (size_t i = 0; i < 8; i++) {
        f->samples[i].cancels = &f->samples[7 - i];
    }
    relay_retire(&f->relay, EPOCH);
    for (size_t i = 0; i < 8; i++) {
        assert_in_range(f->samples[i].done, 0, 1);
        done += f->samples[i].done;
    }
    assert_int_equal(done, 4); /* one of each pair */
    assert_true(is_idle(f));
}

static void callbacks_may_retire_the_epoch(void **state)
{
    struct fixture *f = *state;

    add_nodes(f, 1, equal);
    for (size_t i = 0; i < 8; i++) {
        start(f, i)->retires = true;
        f->samples[i].hold.deadline_us = f->fake.now_us + 1000;
    }
    io_fake_run_for(&f->fake, 200);
    for (size_t i = 0; i < 8; i++) {
        assert_int_equal(f->samples[i].done, 1);
    }
    assert_true(is_idle(f));
}

static void a_nack_while_retiring_brings_no_hold_back(void **state)
{
    struct fixture *f = *state;

    add_nodes(f, 1, equal);
    (void)start(f, 0);
    nack(f, 0, 0, EDGE_ESTALE);
    relay_retire(&f->relay, EPOCH);
    assert_int_equal(f->samples[0].done, 1);
    io_fake_run_for(&f->fake, 1000);
    assert_true(is_idle(f));
}

/* ---- beats --------------------------------------------------------------- */

/* A node that is deployed to again and again must not run out of rows. */
static void rows_of_gone_shards_are_forgotten(void **state)
{
    struct fixture *f = *state;

    add_nodes(f, 1, equal);
    for (uint32_t epoch = 1; epoch < 2000; epoch++) {
        Edged__Beat message = EDGED__BEAT__INIT;
        Edged__ShardLoad load = EDGED__SHARD_LOAD__INIT;
        Edged__ShardLoad *list[] = {&load};

        load.epoch = epoch;
        load.shard = SHARD;
        load.ready = true;
        message.shards = list;
        message.n_shards = 1;
        assert_int_equal(relay_beat(&f->relay, f->nodes[0], &message), 0);
        assert_true(relay_is_ready(f->nodes[0], epoch, SHARD));
    }
    assert_int_equal(f->nodes[0]->n_loads, 1);
}

static void a_row_with_holds_stays(void **state)
{
    struct fixture *f = *state;
    Edged__Beat empty = EDGED__BEAT__INIT;

    add_nodes(f, 1, equal);
    (void)start(f, 0);
    assert_int_equal(relay_beat(&f->relay, f->nodes[0], &empty), 0);
    assert_false(relay_is_ready(f->nodes[0], EPOCH, SHARD));
    assert_int_equal(relay_load(f->nodes[0], EPOCH, SHARD)->unacked, 1);
    ack(f, 0);
    assert_int_equal(relay_beat(&f->relay, f->nodes[0], &empty), 0);
    assert_int_equal(f->nodes[0]->n_loads, 0);
}

/* ---- choosing ------------------------------------------------------------ */

/* A closed loop of `width` requests over servers of these speeds; returns how
 * many of `total` the first one did. */
static size_t share_of_first(struct fixture *f, const uint32_t *us, size_t n,
                             size_t width, size_t total)
{
    uint64_t free_us[NODES] = {0}; /* when each server is through */
    struct {
        size_t node;
        uint64_t end_us;
    } job[64];
    size_t first = 0;

    add_nodes(f, n, us);
    for (size_t i = 0; i < width; i++) {
        job[i].end_us = 0;
    }
    for (size_t done = 0; done < total; done++) {
        size_t next = 0;

        for (size_t i = 1; i < width; i++) {
            if (job[i].end_us < job[next].end_us) {
                next = i;
            }
        }
        if (job[next].end_us > f->fake.now_us) {
            f->fake.now_us = job[next].end_us;
        }
        if (job[next].end_us > 0) {
            ack(f, next);
        }
        (void)start(f, next);
        job[next].node = sent_to(f, n);
        if (free_us[job[next].node] < f->fake.now_us) {
            free_us[job[next].node] = f->fake.now_us;
        }
        free_us[job[next].node] += us[job[next].node];
        job[next].end_us = free_us[job[next].node];
        first += job[next].node == 0;
    }
    return first;
}

static void shares_are_in_proportion_to_speed(void **state)
{
    static const uint32_t us[] = {2000, 1000};
    size_t first = share_of_first(*state, us, 2, 8, 3000);

    /* A third; the issue allows 25-40 %. */
    assert_in_range(first, 3000 * 30 / 100, 3000 * 37 / 100);
}

static void equals_share_evenly(void **state)
{
    size_t first = share_of_first(*state, equal, 3, 6, 3000);

    assert_in_range(first, 900, 1100);
}

static void a_reported_queue_counts(void **state)
{
    struct fixture *f = *state;

    add_nodes(f, 2, equal);
    beat(f, 0, true, 20, 1000); /* of other senders */
    for (size_t i = 0; i < 10; i++) {
        (void)start(f, i);
        assert_int_equal(sent_to(f, 2), 1);
    }
}

static void of_unknown_speeds_the_less_loaded_of_two_is_taken(void **state)
{
    static const uint32_t unknown[] = {0, 0, 0};
    struct fixture *f = *state;
    size_t to[NODES] = {0};

    add_nodes(f, NODES, unknown);
    for (size_t i = 0; i < 60; i++) {
        (void)start(f, i);
        to[sent_to(f, NODES)]++;
    }
    for (size_t i = 0; i < NODES; i++) {
        assert_in_range(to[i], 15, 25); /* at random alone: 20 +- 4 */
    }
}

/* ---- heat ---------------------------------------------------------------- */

static void heat(struct fixture *f, size_t i, uint32_t throttled, uint64_t runs)
{
    Edged__Beat message = EDGED__BEAT__INIT;
    Edged__ShardLoad load = EDGED__SHARD_LOAD__INIT;
    Edged__ShardLoad *list[] = {&load};

    load.epoch = EPOCH;
    load.shard = SHARD;
    load.ready = true;
    load.compute_us = 1000;
    load.runs = runs;
    message.shards = list;
    message.n_shards = 1;
    message.throttled = throttled;
    assert_int_equal(relay_beat(&f->relay, f->nodes[i], &message), 0);
}

/* Of so many that nobody acknowledges, those that go to the first of two. */
static size_t first_of(struct fixture *f, size_t n)
{
    size_t first = 0;

    for (size_t i = 0; i < n; i++) {
        (void)start(f, i);
        first += sent_to(f, 2) == 0;
    }
    for (size_t i = 0; i < n; i++) {
        ack(f, i);
    }
    return first;
}

static void a_hot_one_gets_less_until_its_time_says_how_slow_it_is(void **state)
{
    struct fixture *f = *state;

    add_nodes(f, 2, equal);
    heat(f, 0, 0, 100);
    assert_int_equal(first_of(f, 32), 16);
    heat(f, 0, THROTTLE_HOT, 100);
    assert_in_range(first_of(f, 32), 11, 13); /* 0.6 of 1.6: 12 */
    heat(f, 0, THROTTLE_HOT, 100 + DERATE_RUNS - 1);
    assert_in_range(first_of(f, 32), 11, 13);
    heat(f, 0, THROTTLE_HOT, 100 + DERATE_RUNS);
    assert_int_equal(first_of(f, 32), 16);
}

static void one_that_is_cool_again_has_its_share_at_once(void **state)
{
    struct fixture *f = *state;

    add_nodes(f, 2, equal);
    heat(f, 0, THROTTLE_CAPPED, 100);
    assert_in_range(first_of(f, 32), 11, 13);
    heat(f, 0, 0, 101);
    assert_int_equal(first_of(f, 32), 16);
    heat(f, 0, THROTTLE_CAPPED, 200); /* and once more: a guess again */
    assert_in_range(first_of(f, 32), 11, 13);
}

/* Its runs count from 0 then. */
static void one_that_comes_back_hot_begins_anew(void **state)
{
    struct fixture *f = *state;

    add_nodes(f, 2, equal);
    heat(f, 0, THROTTLE_HOT, 1000);
    relay_node_down(&f->relay, f->nodes[0]);
    relay_node_up(&f->relay, f->nodes[0], &f->peers[0]->base);
    f->fake.now_us += (uint64_t)SLOW_START_MS * 1000;
    heat(f, 0, THROTTLE_HOT, 5);
    assert_in_range(first_of(f, 32), 11, 13);
    heat(f, 0, THROTTLE_HOT, 5 + DERATE_RUNS);
    assert_int_equal(first_of(f, 32), 16);
}

static void low_voltage_alone_changes_nothing(void **state)
{
    struct fixture *f = *state;

    add_nodes(f, 2, equal);
    heat(f, 0, THROTTLE_VOLTAGE, 100);
    assert_int_equal(first_of(f, 32), 16);
}

static void what_is_expected_of_a_hot_one_is_the_policys(void **state)
{
    struct fixture *f = *state;
    Edged__Routing routing = EDGED__ROUTING__INIT;
    struct relay_policy policy;

    assert_int_equal(relay_policy_read(0, NULL).derate, DERATE);
    assert_int_equal(relay_policy_read(0, &routing).derate, DERATE);
    routing.derate = 4000000000;
    assert_int_equal(relay_policy_read(0, &routing).derate, 100);
    routing.derate = 34;
    policy = relay_policy_read(0, &routing);
    add_nodes(f, 2, equal);
    relay_set_policy(&f->relay, EPOCH, &policy);
    heat(f, 0, THROTTLE_HOT, 100);
    assert_in_range(first_of(f, 32), 7, 9); /* a quarter */
}

static void the_pace_of_all_knows_of_the_heat(void **state)
{
    struct fixture *f = *state;

    add_nodes(f, 2, equal);
    assert_int_equal(relay_pace_us(&f->relay, EPOCH, SHARD), 500);
    heat(f, 0, THROTTLE_HOT, 100);
    assert_int_equal(relay_pace_us(&f->relay, EPOCH, SHARD), 625);
}

/* ---- spares -------------------------------------------------------------- */

static void a_spare_waits_until_nobody_else_is_well(void **state)
{
    struct fixture *f = *state;
    const struct sample *s;

    add_nodes(f, 3, equal);
    relay_spares(&f->relay, EPOCH, SHARD, 1);
    for (size_t i = 0; i < 20; i++) {
        (void)start(f, i);
    }
    assert_int_equal(data_at(f, 2), 0);
    relay_node_down(&f->relay, f->nodes[0]);
    assert_int_equal(data_at(f, 2), 0);
    s = start(f, 20);
    nack(f, 20, 1, EDGE_EBUSY); /* busy is not lost */
    io_fake_run_for(&f->fake, 100);
    assert_int_equal(data_at(f, 2), 0);
    assert_int_equal(s->done, 0);
    relay_node_suspect(&f->relay, f->nodes[1], true);
    assert_int_equal(data_at(f, 2), 20);
    io_fake_run_for(&f->fake, 400); /* the one that was declined backs off */
    assert_int_equal(data_at(f, 2), 21);
    relay_node_suspect(&f->relay, f->nodes[1], false);
    (void)start(f, 21);
    assert_int_equal(data_at(f, 2), 21);
}

static void a_suspect_comes_before_a_spare_that_is_one_too(void **state)
{
    struct fixture *f = *state;

    add_nodes(f, 2, equal);
    relay_spares(&f->relay, EPOCH, SHARD, 1);
    relay_node_suspect(&f->relay, f->nodes[0], true);
    relay_node_suspect(&f->relay, f->nodes[1], true);
    (void)start(f, 0);
    assert_int_equal(data_at(f, 0), 1);
    assert_int_equal(data_at(f, 1), 0);
}

static void chooses_none_of_none(void **state)
{
    struct fixture *f = *state;
    struct relay_place place = {.epoch = EPOCH, .shard = SHARD};

    add_nodes(f, 1, equal);
    assert_null(relay_choose(&f->relay, &place, NULL));
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(sends_what_it_holds),
        T(an_ack_ends_it),
        T(done_never_comes_from_inside_start),
        T(another_from_is_another_hold),
        T(hands_over_what_stays_here),
        T(a_cancelled_hold_says_nothing),
        T(waits_until_a_node_is_ready),
        T(waits_until_it_has_a_place),
        T(waits_until_a_connection_is_back),
        T(deadlines_hold_while_others_begin_to_wait),
        T(a_deadline_ends_what_was_sent),
        T(the_timer_stops_when_nothing_is_held),
        T(a_nack_sends_it_to_another),
        T(a_nack_of_the_only_one_tries_it_again_later),
        T(a_final_nack_ends_it),
        T(a_late_nack_of_the_last_node_changes_nothing),
        T(goes_on_behind_the_parts_that_are_out),
        T(sends_all_parts_on_a_new_connection),
        T(a_full_queue_lets_another_node_have_it),
        T(no_more_goes_out_than_a_node_may_hold),
        T(a_lost_node_gives_its_holds_to_another),
        T(an_ack_of_the_lost_node_counts),
        T(a_suspect_gives_its_holds_to_another),
        T(a_suspect_without_another_keeps_its_holds),
        T(a_dropped_node_is_forgotten),
        T(retiring_ends_every_hold_of_the_epoch),
        T(retiring_leaves_other_epochs_alone),
        T(callbacks_may_cancel_others_that_end_too),
        T(callbacks_may_retire_the_epoch),
        T(a_nack_while_retiring_brings_no_hold_back),
        T(rows_of_gone_shards_are_forgotten),
        T(a_row_with_holds_stays),
        T(shares_are_in_proportion_to_speed),
        T(equals_share_evenly),
        T(a_reported_queue_counts),
        T(of_unknown_speeds_the_less_loaded_of_two_is_taken),
        T(a_hot_one_gets_less_until_its_time_says_how_slow_it_is),
        T(one_that_is_cool_again_has_its_share_at_once),
        T(one_that_comes_back_hot_begins_anew),
        T(low_voltage_alone_changes_nothing),
        T(what_is_expected_of_a_hot_one_is_the_policys),
        T(the_pace_of_all_knows_of_the_heat),
        T(a_spare_waits_until_nobody_else_is_well),
        T(a_suspect_comes_before_a_spare_that_is_one_too),
        T(chooses_none_of_none),
    };
#undef T

    return cmocka_run_group_tests(tests, NULL, NULL);
}
