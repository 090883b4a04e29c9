#include "relay/intake.h"

#include "base/mem.h"
#include "wire/convert.h"

#include <string.h>

#define INCOMING_MAX 64 /* blobs on their way in */
#define PENDING_MAX 64  /* pieces of one, not written yet */

struct incoming {
    struct list link;
    struct intake *intake;
    struct digest digest;
    uint64_t size;
    struct stage *stage; /* this and `whole` are the disk strand's, */
    bool whole;          /* unless nothing is pending */
    uint64_t received;   /* acknowledged */
    size_t pending;
    uint64_t used_us; /* when something came */
    bool done;        /* whole, or given up: freed when nothing is pending */
};

struct piece {
    struct io_work work;
    struct incoming *in;
    struct io_peer *peer; /* NULL: its connection is gone */
    struct blob *bytes;
    uint64_t offset;
    uint64_t received;
    int rc;
    struct err why;
    struct list link; /* in intake.pieces */
};

static void answer(struct io_peer *peer, const struct digest *digest,
                   uint64_t received, int code, const char *text)
{
    Edged__Envelope env = EDGED__ENVELOPE__INIT;
    Edged__ChunkAck ack = EDGED__CHUNK_ACK__INIT;

    ack.digest = convert_digest_out(digest);
    ack.received = received;
    ack.code = code;
    ack.text = (char *)(uintptr_t)text;
    env.body_case = EDGED__ENVELOPE__BODY_CHUNK_ACK;
    env.chunk_ack = &ack;
    (void)io_send(peer, &env, NULL); /* lost: the pusher asks again */
}

static struct incoming *find(struct intake *intake, const struct digest *digest)
{
    list_each(&intake->stages, it, after)
    {
        struct incoming *in = list_entry(it, struct incoming, link);

        if (digest_equal(&in->digest, digest)) {
            return in;
        }
    }
    return NULL;
}

static void settle(struct incoming *in)
{
    if (in->done && in->pending == 0) {
        list_unlink(&in->link);
        stage_abort(in->stage);
        mem_free(in);
    }
}

/* On the disk strand. A piece that does not follow the last one changes
 * nothing; the answer says where to go on. */
static void on_run(struct io_work *work)
{
    struct piece *p = container_of(work, struct piece, work);
    struct incoming *in = p->in;

    if (in->whole) { /* with a piece from another connection */
        p->received = in->size;
        return;
    }
    if (in->stage == NULL && p->offset == 0) {
        p->rc = stage_begin(in->intake->store, &in->digest, in->size,
                            &in->stage, &p->why);
    }
    if (p->rc < 0 || in->stage == NULL) {
        return;
    }
    if (p->offset == stage_received(in->stage)) {
        p->rc =
            stage_append(in->stage, p->bytes->data, p->bytes->size, &p->why);
    }
    p->received = stage_received(in->stage);
    if (p->rc == 0 && p->received == in->size) {
        p->rc = stage_commit(in->stage, &p->why);
        in->stage = NULL;
        in->whole = p->rc == 0;
    }
}

static void on_done(struct io_work *work)
{
    struct piece *p = container_of(work, struct piece, work);
    struct incoming *in = p->in;
    struct intake *intake = in->intake;
    bool whole = p->rc == 0 && p->received == in->size && !in->done;
    struct digest digest = in->digest;

    in->pending--;
    in->received = p->received;
    in->done = in->done || whole || p->rc < 0;
    if (p->rc < 0) {
        log_event(intake->io->log, LOG_ERROR, "blob.refused", "err=\"%s\"",
                  p->why.text);
    }
    if (p->peer != NULL) {
        answer(p->peer, &in->digest, p->received, p->rc, p->why.text);
    }
    blob_unref(p->bytes);
    list_unlink(&p->link);
    mem_free(p);
    settle(in);
    if (whole && intake->on_arrived != NULL) {
        intake->on_arrived(intake->arg, &digest);
    }
}

static void give_up(struct incoming *in)
{
    in->done = true;
    settle(in);
}

/* Room for one more: pushes that were cut are kept, so that they can go on,
 * but the oldest of them makes way. */
static bool make_room(struct intake *intake)
{
    struct incoming *oldest = NULL;
    size_t n = 0;

    list_each(&intake->stages, it, after)
    {
        struct incoming *in = list_entry(it, struct incoming, link);

        n++;
        if (in->pending == 0 &&
            (oldest == NULL || in->used_us < oldest->used_us)) {
            oldest = in;
        }
    }
    if (n >= INCOMING_MAX && oldest != NULL) {
        give_up(oldest);
        n--;
    }
    return n < INCOMING_MAX;
}

static struct incoming *begin(struct intake *intake,
                              const struct digest *digest, uint64_t size)
{
    struct incoming *in = make_room(intake) ? mem_new(struct incoming) : NULL;

    if (in != NULL) {
        in->intake = intake;
        in->digest = *digest;
        in->size = size;
        list_push(&intake->stages, &in->link);
    }
    return in;
}

static void add_piece(struct incoming *in, struct io_peer *peer,
                      struct blob *bytes, uint64_t offset)
{
    struct piece *p = mem_new(struct piece);

    if (p == NULL || in->pending >= PENDING_MAX) {
        mem_free(p);
        answer(peer, &in->digest, in->received, EDGE_EBUSY,
               "too many pieces at once");
        return;
    }
    p->in = in;
    p->peer = peer;
    p->bytes = blob_ref(bytes);
    p->offset = offset;
    list_init(&p->link);
    p->work.run = on_run;
    p->work.done = on_done;
    p->work.cost_us = 200;
    list_push(&in->intake->pieces, &p->link);
    in->pending++;
    in->used_us = io_now_us(in->intake->io);
    io_work(in->intake->io, IO_DISK, &p->work);
}

void intake_init(struct intake *intake, struct io *io)
{
    *intake = (struct intake){.io = io};
    list_init(&intake->stages);
    list_init(&intake->pieces);
}

void intake_on_chunk(struct intake *intake, struct io_peer *peer,
                     struct msg *msg)
{
    const Edged__Chunk *chunk = msg->env->chunk;
    struct digest digest;
    struct incoming *in;

    if (chunk->blob == NULL || chunk->blob->size == 0 ||
        convert_digest_in(&chunk->blob->digest, &digest, NULL) < 0) {
        io_hang_up(peer, EDGE_EPROTO, "a Chunk of no blob");
        return;
    }
    if (store_has(intake->store, &digest, NULL)) {
        answer(peer, &digest, chunk->blob->size, 0, "");
        return;
    }
    in = find(intake, &digest);
    if (msg->payload == NULL) { /* only asks how much is here */
        answer(peer, &digest, in != NULL ? in->received : 0, 0, "");
        return;
    }
    if (in != NULL && in->size != chunk->blob->size && in->pending == 0) {
        give_up(in); /* one of the two sizes is wrong: the digest will tell */
        in = NULL;
    }
    if (in == NULL) {
        in = begin(intake, &digest, chunk->blob->size);
    }
    if (in == NULL || in->size != chunk->blob->size) {
        answer(peer, &digest, 0, EDGE_EBUSY, "too many blobs at once");
        return;
    }
    add_piece(in, peer, msg->payload, chunk->offset);
}

void intake_peer_gone(struct intake *intake, struct io_peer *peer)
{
    list_each(&intake->pieces, it, after)
    {
        struct piece *p = list_entry(it, struct piece, link);

        if (p->peer == peer) {
            p->peer = NULL;
        }
    }
}

void intake_deinit(struct intake *intake)
{
    list_each(&intake->pieces, it, after)
    {
        struct piece *p = list_entry(it, struct piece, link);

        blob_unref(p->bytes);
        list_unlink(it);
        mem_free(p);
    }
    list_each(&intake->stages, it, after)
    {
        struct incoming *in = list_entry(it, struct incoming, link);

        in->done = true;
        in->pending = 0;
        settle(in);
    }
}
