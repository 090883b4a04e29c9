#include "tests/lib/io_fake.h"

#include "base/mem.h"
#include "tests/lib/unit.h"
#include "wire/frame.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct io_fake *io_fake_io(struct io *io)
{
    return (struct io_fake *)(void *)io;
}

static uint64_t op_now_us(struct io *io)
{
    return io_fake_io(io)->now_us;
}

static uint64_t op_random(struct io *io)
{
    return rng_next(&io_fake_io(io)->rng);
}

static void op_timer_start(struct io *io, struct io_timer *timer, uint64_t us)
{
    timers_start(&io_fake_io(io)->timers, timer, io_fake_io(io)->now_us + us);
}

static void op_timer_stop(struct io *io, struct io_timer *timer)
{
    (void)io;
    timers_stop(timer);
}

static void op_work(struct io *io, enum io_strand strand, struct io_work *work)
{
    work->strand = strand;
    list_init(&work->link);
    list_push(&io_fake_io(io)->work[strand], &work->link);
}

static struct io_fake_peer *peer_new(struct io_fake *fake, const char *name)
{
    struct io_fake_peer *peer = calloc(1, sizeof(*peer));

    assert_non_null(peer);
    peer->base.io = &fake->io;
    peer->base.minor = FRAME_MINOR;
    (void)snprintf(peer->base.name, sizeof(peer->base.name), "%s", name);
    list_init(&peer->sent);
    list_init(&peer->link);
    list_push(&fake->peers, &peer->link);
    return peer;
}

static int op_dial(struct io *io, const char *name, const char *host, int port,
                   struct io_peer **out, struct err *err)
{
    struct io_fake_peer *peer;

    if (io_fake_io(io)->dial_rc < 0) {
        return err_set(err, io_fake_io(io)->dial_rc, "the test refuses");
    }
    peer = peer_new(io_fake_io(io), name);
    peer->base.dialed = true;
    peer->base.role = EDGED__ROLE__ROLE_NODE;
    (void)snprintf(peer->host, sizeof(peer->host), "%s", host);
    peer->port = port;
    *out = &peer->base;
    return 0;
}

void io_fake_free(struct io_fake_sent *sent)
{
    msg_deinit(&sent->msg);
    free(sent);
}

void io_fake_forget(struct io_fake_peer *peer)
{
    list_each(&peer->sent, it, after)
    {
        list_unlink(it);
        io_fake_free(list_entry(it, struct io_fake_sent, link));
    }
    peer->n_sent = 0;
}

void io_fake_drop(struct io_fake_peer *peer)
{
    io_fake_forget(peer);
    list_unlink(&peer->link);
    free(peer);
}

static void op_undial(struct io_peer *peer)
{
    io_fake_drop(io_fake_of(peer));
}

static void op_hang_up(struct io_peer *base, int rc, const char *why)
{
    struct io_fake_peer *peer = io_fake_of(base);

    peer->base.up = false;
    peer->hung_up = true;
    peer->hung_up_rc = rc;
    (void)snprintf(peer->why, sizeof(peer->why), "%s", why);
}

/* The way over the wire: packed, and unpacked again. */
static struct io_fake_sent *pass_on(const Edged__Envelope *env,
                                    struct blob *payload)
{
    struct io_fake_sent *one = calloc(1, sizeof(*one));
    uint8_t *head = NULL;
    size_t size = 0;
    struct err err;

    assert_non_null(one);
    assert_int_equal(
        msg_pack(env, payload != NULL ? payload->size : 0, 0, &head, &size), 0);
    assert_int_equal(
        msg_unpack(head, size, payload, LIMIT_UNPACK, &one->msg, &err), 0);
    mem_free(head);
    list_init(&one->link);
    return one;
}

static int op_send(struct io_peer *base, const Edged__Envelope *env,
                   const struct io_payload *payload)
{
    struct io_fake_peer *peer = io_fake_of(base);
    struct blob *bytes = NULL;
    struct io_fake_sent *one;

    if (!base->up) {
        return EDGE_ECLOSED;
    }
    if (peer->send_rc < 0 && peer->send_more == 0) {
        return peer->send_rc;
    }
    peer->send_more -= peer->send_more > 0;
    if (edged__envelope__get_packed_size(env) > LIMIT_HEAD - 16) {
        return EDGE_ETOOBIG;
    }
    if (payload != NULL && payload->blob != NULL && payload->size > 0) {
        assert_true(payload->offset + payload->size <= payload->blob->size);
        bytes = blob_copy(payload->blob->data + payload->offset, payload->size);
        assert_non_null(bytes);
    }
    one = pass_on(env, bytes);
    list_push(&peer->sent, &one->link);
    peer->n_sent++;
    return 0;
}

static const struct io_ops ops = {
    .now_us = op_now_us,
    .wall_us = op_now_us,
    .random = op_random,
    .timer_start = op_timer_start,
    .timer_stop = op_timer_stop,
    .work = op_work,
    .dial = op_dial,
    .undial = op_undial,
    .hang_up = op_hang_up,
    .send = op_send,
};

void io_fake_init(struct io_fake *fake)
{
    *fake = (struct io_fake){.io.ops = &ops, .now_us = 1000000};
    timers_init(&fake->timers);
    rng_init(&fake->rng, 1);
    list_init(&fake->peers);
    for (int i = 0; i < IO_STRANDS; i++) {
        list_init(&fake->work[i]);
    }
}

void io_fake_deinit(struct io_fake *fake)
{
    list_each(&fake->peers, it, after)
    {
        io_fake_drop(list_entry(it, struct io_fake_peer, link));
    }
}

struct io_fake_peer *io_fake_peer(struct io_fake *fake, const char *name,
                                  Edged__Role role)
{
    struct io_fake_peer *peer = peer_new(fake, name);

    peer->base.role = role;
    peer->base.up = true;
    return peer;
}

struct io_fake_peer *io_fake_find(struct io_fake *fake, const char *name)
{
    list_each(&fake->peers, it, after)
    {
        struct io_fake_peer *peer = list_entry(it, struct io_fake_peer, link);

        if (strcmp(peer->base.name, name) == 0) {
            return peer;
        }
    }
    return NULL;
}

/* ---- time and work ------------------------------------------------------- */

void io_fake_turn(struct io_fake *fake)
{
    struct io_timer *timer;
    struct list due;

    list_init(&due);
    timers_take(&fake->timers, fake->now_us, &due);
    while ((timer = timers_pop(&due)) != NULL) {
        timer->cb(timer);
    }
}

void io_fake_run_for(struct io_fake *fake, uint64_t ms)
{
    uint64_t end_us = fake->now_us + ms * 1000;
    uint64_t due_us;

    while (timers_next(&fake->timers, &due_us) && due_us <= end_us) {
        fake->now_us = due_us > fake->now_us ? due_us : fake->now_us;
        io_fake_turn(fake);
    }
    fake->now_us = end_us;
}

bool io_fake_job(struct io_fake *fake)
{
    for (int strand = IO_STRANDS - 1; strand >= IO_COMPUTE; strand--) {
        if (!list_is_empty(&fake->work[strand])) {
            struct io_work *work =
                list_entry(fake->work[strand].next, struct io_work, link);

            list_unlink(&work->link);
            work->run(work);
            work->took_us = work->cost_us > 0 ? work->cost_us : 100;
            work->done(work);
            return true;
        }
    }
    return false;
}

bool io_fake_work(struct io_fake *fake)
{
    bool any = false;

    while (io_fake_job(fake)) { /* what it started comes first */
        any = true;
    }
    return any;
}

/* ---- what was sent ------------------------------------------------------- */

const struct msg *io_fake_sent(const struct io_fake_peer *peer, size_t i,
                               Edged__Envelope__BodyCase kind)
{
    const struct list *it = peer->sent.next;

    assert_true(i < peer->n_sent);
    for (; i > 0; i--) {
        it = it->next;
    }
    {
        const struct io_fake_sent *one =
            container_of(it, struct io_fake_sent, link);

        assert_string_equal(msg_kind_name(one->msg.env->body_case),
                            msg_kind_name(kind));
        return &one->msg;
    }
}

size_t io_fake_count(const struct io_fake_peer *peer,
                     Edged__Envelope__BodyCase kind)
{
    size_t n = 0;

    for (const struct list *it = peer->sent.next; it != &peer->sent;
         it = it->next) {
        n += container_of(it, struct io_fake_sent, link)->msg.env->body_case ==
             kind;
    }
    return n;
}

const struct msg *io_fake_last(const struct io_fake_peer *peer,
                               Edged__Envelope__BodyCase kind)
{
    const struct list *it = peer->sent.prev;

    for (; it != &peer->sent; it = it->prev) {
        const struct io_fake_sent *one =
            container_of(it, struct io_fake_sent, link);

        if (one->msg.env->body_case == kind) {
            return &one->msg;
        }
    }
    return NULL;
}

void io_fake_receive(struct io_fake_peer *peer, const Edged__Envelope *env,
                     struct blob *payload)
{
    struct io *io = peer->base.io;
    struct io_fake_sent *one =
        pass_on(env, payload != NULL ? blob_ref(payload) : NULL);

    io->events.on_message(io->arg, &peer->base, &one->msg);
    msg_deinit(&one->msg);
    free(one);
}
