/*
 * Blobs on their way to a member: one after the other, PIECES_AHEAD pieces of
 * the first one unacknowledged at most, so that beats and requests get
 * through. A piece is read when it is sent: the store keeps blobs mapped no
 * longer than one push.
 *
 *   1. ask how much of it is there    (of a push that was cut, or of another)
 *   2. send pieces from there on, as acknowledgements come
 *   3. all of it is acknowledged: the next blob
 *
 * Pieces that the member did not take are sent again from where it stands.
 * Nothing for STALLED_MS, or too busy: asked again with a beat. Any other
 * refusal: the seat fails.
 */
#include "coordinator/parts.h"

#include "base/failpoint.h"
#include "base/mem.h"
#include "wire/convert.h"

#include <string.h>

#define PIECES_AHEAD 8
#define STALLED_MS 3000

struct push_blob {
    struct list link;
    struct seat *seat; /* who wants it, and hears of a failure */
    struct digest digest;
    struct blob *blob; /* mapped while it is the first */
    uint64_t size;
    uint64_t sent;
    bool asked;    /* how much is there already? */
    bool answered; /* and `sent` is where it goes on */
    uint64_t moved_us;
};

static struct push_blob *first_of(const struct member *m)
{
    return list_is_empty(&m->pushes)
               ? NULL
               : list_entry(m->pushes.next, struct push_blob, link);
}

/* Late acknowledgements of it are told by its digest. */
static void drop(struct push_blob *push)
{
    struct member *m = push->seat->member;

    if (push == first_of(m)) {
        m->in_window = 0;
    }
    list_unlink(&push->link);
    blob_unref(push->blob);
    mem_free(push);
}

/* Two placements may want one blob: the second asks, and it is there. */
static bool is_queued(const struct seat *seat, const struct digest *digest)
{
    list_each(&seat->member->pushes, it, after)
    {
        struct push_blob *push = list_entry(it, struct push_blob, link);

        if (push->seat == seat && digest_equal(&push->digest, digest)) {
            return true;
        }
    }
    return false;
}

int push_blob(struct seat *seat, const struct digest *digest, uint64_t size,
              struct err *err)
{
    struct push_blob *push;

    if (is_queued(seat, digest)) {
        return 0;
    }
    push = mem_new(struct push_blob);
    if (push == NULL) {
        return err_set(err, EDGE_ENOMEM, "out of memory");
    }
    push->seat = seat;
    push->digest = *digest;
    push->size = size;
    seat->to_push += size;
    list_push(&seat->member->pushes, &push->link);
    push_go_on(seat->member);
    return 0;
}

static int send_piece(struct member *m, struct push_blob *push, uint64_t size)
{
    Edged__Envelope env = EDGED__ENVELOPE__INIT;
    Edged__Chunk chunk = EDGED__CHUNK__INIT;
    Edged__BlobRef ref = EDGED__BLOB_REF__INIT;
    struct io_payload payload = {push->blob, push->sent, size};

    ref.digest = convert_digest_out(&push->digest);
    ref.size = push->size;
    chunk.blob = &ref;
    chunk.offset = push->sent;
    env.body_case = EDGED__ENVELOPE__BODY_CHUNK;
    env.chunk = &chunk;
    return io_send(m->peer, &env, size > 0 ? &payload : NULL);
}

static void fail(struct push_blob *push, int rc, const char *why)
{
    struct seat *seat = push->seat;

    drop(push);
    seat_fail(seat, rc, why);
}

/* What nobody waits for leaves room for requests, unless it keeps something
 * waiting itself. */
static size_t window_of(const struct member *m)
{
    list_each(&m->pushes, it, after)
    {
        if (!list_entry(it, struct push_blob, link)
                 ->seat->placement->is_quiet) {
            return PIECES_AHEAD;
        }
    }
    return 1;
}

static bool send_next(struct member *m, struct push_blob *push)
{
    uint64_t left = push->size - push->sent;
    uint64_t size = left < LIMIT_CHUNK ? left : LIMIT_CHUNK;

    if (left == 0 || m->in_window >= window_of(m) ||
        send_piece(m, push, size) < 0) {
        return false; /* an acknowledgement or a beat goes on from here */
    }
    FAILPOINT("push.piece");
    push->sent += size;
    push->seat->pushed += size;
    m->in_window++;
    return true;
}

void push_go_on(struct member *m)
{
    struct push_blob *push = first_of(m);

    if (push == NULL || m->peer == NULL || !m->peer->up) {
        return;
    }
    if (!push->asked) {
        push->asked = send_piece(m, push, 0) == 0;
        push->moved_us = io_now_us(m->peer->io);
        return;
    }
    while (push->answered && send_next(m, push)) {
        /* as far as the window reaches */
    }
}

void push_on_beat(struct member *m)
{
    struct push_blob *push = first_of(m);
    uint64_t now = push != NULL ? io_now_us(m->peer->io) : 0;

    if (push != NULL && push->asked &&
        now - push->moved_us > (uint64_t)STALLED_MS * 1000) {
        push->asked = false;
        push->answered = false;
        m->in_window = 0;
    }
    push_go_on(m);
}

static int open_blob(struct coordinator *c, struct push_blob *push,
                     struct err *err)
{
    int rc = push->blob == NULL
                 ? store_map(c->store, &push->digest, false, &push->blob, err)
                 : 0;

    if (rc == 0 && push->blob->size != push->size) {
        rc = err_set(err, EDGE_ECORRUPT,
                     "a blob of the coordinator's store has changed its size");
    }
    return rc;
}

/* A part of it is there: of the pieces that are out, or where to begin. */
static void on_part(struct coordinator *c, struct member *m,
                    struct push_blob *push, uint64_t received)
{
    struct err err;
    int rc;

    m->in_window -= m->in_window > 0;
    if (push->answered && (m->in_window > 0 || received == push->sent)) {
        return;
    }
    m->in_window = 0;
    push->answered = true;
    push->sent = received;
    rc = open_blob(c, push, &err);
    if (rc < 0) {
        fail(push, rc, err.text);
    }
}

void push_on_ack(struct coordinator *c, struct io_peer *peer, struct msg *msg)
{
    const Edged__ChunkAck *ack = msg->env->chunk_ack;
    struct member *m = members_of(c, peer);
    struct push_blob *push = m != NULL ? first_of(m) : NULL;

    if (push == NULL || !push->asked ||
        ack->digest.len != sizeof(push->digest.bytes) ||
        memcmp(ack->digest.data, push->digest.bytes,
               sizeof(push->digest.bytes)) != 0) {
        return; /* of a blob that was given up */
    }
    push->moved_us = io_now_us(c->io);
    if (ack->code == EDGE_EBUSY) {
        push->asked = false; /* until the next beat */
        push->answered = false;
        m->in_window = 0;
        return;
    }
    if (ack->code < 0) {
        fail(push, ack->code, ack->text);
    } else if (ack->received >= push->size) {
        push->seat->placement->progress_us = push->moved_us;
        drop(push);
    } else {
        push->seat->placement->progress_us = push->moved_us;
        on_part(c, m, push, ack->received);
    }
    push_go_on(m);
    rollout_poke(c);
}

void push_stop(struct member *m)
{
    while (first_of(m) != NULL) {
        drop(first_of(m));
    }
}

void push_forget(struct placement *p)
{
    for (size_t i = 0; i < p->n_seats; i++) {
        struct member *m = p->seats[i].member;

        list_each(&m->pushes, it, after)
        {
            struct push_blob *push = list_entry(it, struct push_blob, link);

            if (push->seat == &p->seats[i]) {
                drop(push);
            }
        }
        push_go_on(m);
    }
}
