#include "tests/lib/relay_rig.h"

#include "base/mem.h"
#include "tests/lib/unit.h"

#include <string.h>

int rig_set_up(void **state)
{
    struct rig *f = test_calloc(1, sizeof(*f));
    struct shape shape = {.rank = 1, .dims = {4}};

    io_fake_init(&f->fake);
    f->fake.now_us += 100000000;
    relay_init(&f->relay, &f->fake.io);
    assert_int_equal(tensor_init(&f->tensor, DTYPE_F32, &shape), 0);
    memset(f->tensor.data, 0, 16);
    *state = f;
    return 0;
}

int rig_tear_down(void **state)
{
    struct rig *f = *state;

    for (size_t i = 0; i < RIG_HOLDS; i++) {
        hold_cancel(&f->relay, &f->samples[i].hold);
    }
    relay_deinit(&f->relay);
    tensor_deinit(&f->tensor);
    io_fake_deinit(&f->fake);
    test_free(f);
    return 0;
}

void rig_beat(struct rig *f, size_t i, uint32_t compute_us)
{
    Edged__Beat message = EDGED__BEAT__INIT;
    Edged__ShardLoad load = EDGED__SHARD_LOAD__INIT;
    Edged__ShardLoad *list[] = {&load};

    load.epoch = RIG_EPOCH;
    load.shard = RIG_SHARD;
    load.ready = true;
    load.compute_us = compute_us;
    message.shards = list;
    message.n_shards = 1;
    assert_int_equal(relay_beat(&f->relay, f->nodes[i], &message), 0);
}

void rig_add_nodes(struct rig *f, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        char name[] = {'n', (char)('0' + i), '\0'};

        f->nodes[i] = relay_node(&f->relay, name);
        f->peers[i] = io_fake_peer(&f->fake, name, EDGED__ROLE__ROLE_NODE);
        relay_node_up(&f->relay, f->nodes[i], &f->peers[i]->base);
    }
    assert_int_equal(relay_place(&f->relay, RIG_EPOCH, RIG_SHARD, f->nodes, n),
                     0);
    for (size_t i = 0; i < n; i++) {
        rig_beat(f, i, 1000);
    }
}

static void on_done(struct hold *hold, int rc, const char *text)
{
    struct rig_hold *s = container_of(hold, struct rig_hold, hold);

    (void)text;
    s->done++;
    s->rc = rc;
}

struct rig_hold *rig_start(struct rig *f)
{
    struct rig_hold *s = &f->samples[f->n];

    s->part = (struct relay_part){.tensor = f->tensor};
    s->hold = (struct hold){
        .request = 100 + f->n++,
        .epoch = RIG_EPOCH,
        .shard = RIG_SHARD,
        .from = 5,
        .deadline_us = f->fake.now_us + 60000000,
        .parts = &s->part,
        .n_parts = 1,
        .done = on_done,
    };
    hold_start(&f->relay, &s->hold);
    return s;
}

void rig_ack(struct rig *f, const struct rig_hold *s)
{
    Edged__Ack message = EDGED__ACK__INIT;

    message.request = s->hold.request;
    message.epoch = RIG_EPOCH;
    message.shard = RIG_SHARD;
    message.from = 5;
    relay_on_ack(&f->relay, &message);
}

void rig_computed(struct rig *f, const struct rig_hold *s, size_t node)
{
    Edged__Computed message = EDGED__COMPUTED__INIT;

    message.request = s->hold.request;
    message.epoch = RIG_EPOCH;
    message.shard = RIG_SHARD;
    message.from = 5;
    relay_on_computed(&f->relay, f->nodes[node], &message);
}

void rig_nack(struct rig *f, const struct rig_hold *s, size_t node, int code)
{
    Edged__Nack message = EDGED__NACK__INIT;
    char text[] = "because";

    message.request = s->hold.request;
    message.epoch = RIG_EPOCH;
    message.shard = RIG_SHARD;
    message.from = 5;
    message.code = code;
    message.text = text;
    relay_on_nack(&f->relay, f->nodes[node], &message);
}

size_t rig_data_at(const struct rig *f, size_t node)
{
    return io_fake_count(f->peers[node], EDGED__ENVELOPE__BODY_DATA);
}

size_t rig_cancels_at(const struct rig *f, size_t node)
{
    return io_fake_count(f->peers[node], EDGED__ENVELOPE__BODY_CANCEL);
}

size_t rig_all_data(const struct rig *f, size_t n)
{
    size_t sum = 0;

    for (size_t i = 0; i < n; i++) {
        sum += rig_data_at(f, i);
    }
    return sum;
}

/* The node that `s` went to first. */
size_t rig_first_of(const struct rig *f, const struct rig_hold *s)
{
    for (size_t i = 0; i < RIG_NODES; i++) {
        if (s->hold.sent_to == f->nodes[i]) {
            return i;
        }
    }
    fail_msg("it was not sent");
    return 0;
}

void rig_forget(struct rig *f, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        io_fake_forget(f->peers[i]);
    }
}

/* So many requests that take 10 ms each, one after the other. */
void rig_work(struct rig *f, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct rig_hold *s = rig_start(f);

        io_fake_run_for(&f->fake, 10);
        rig_ack(f, s);
    }
}
