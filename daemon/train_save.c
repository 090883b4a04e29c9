/*
 * The state of a shard on its way into the coordinator's store.
 *
 *   written to our own store (disk strand)   the next placement may begin here
 *   how much of it is there? -> pieces, AHEAD of them unacknowledged -> Saved
 *
 *   the coordinator is lost    given up: whoever comes next asks for another
 *   another is asked for meanwhile   that one is refused (EBUSY)
 */
#include "daemon/train.h"

#include "base/mem.h"
#include "wire/convert.h"

#include <string.h>

#define AHEAD 4 /* pieces */

struct save {
    struct io_work work;
    struct train *train;
    struct blob *state;
    uint64_t step;
    struct digest digest;
    bool is_stored;
    bool dropped; /* freed when the disk strand is done */
    bool answered;
    uint64_t sent;
    size_t in_window;
    int rc;
    struct err why;
};

void train_save_free(struct train *t)
{
    if (t->save != NULL) {
        blob_unref(t->save->state);
    }
    mem_free(t->save);
    t->save = NULL;
}

static void say(const struct train *t, const struct save *save, int code,
                const char *text)
{
    Edged__Envelope env = EDGED__ENVELOPE__INIT;
    Edged__Saved saved = EDGED__SAVED__INIT;
    Edged__BlobRef ref = EDGED__BLOB_REF__INIT;

    if (t->daemon->coordinator == NULL) {
        return;
    }
    saved.epoch = t->shard->epoch->number;
    saved.shard = t->shard->id;
    saved.code = code;
    saved.text = (char *)(uintptr_t)text;
    if (save != NULL) {
        saved.step = save->step;
        ref.digest = convert_digest_out(&save->digest);
        ref.size = save->state->size;
        saved.state = code == 0 ? &ref : NULL;
    }
    env.body_case = EDGED__ENVELOPE__BODY_SAVED;
    env.saved = &saved;
    (void)io_send(t->daemon->coordinator, &env, NULL);
}

void train_save_drop(struct train *t)
{
    struct save *save = t->save;

    if (save != NULL && !save->is_stored) {
        save->dropped = true;
    } else if (save != NULL) {
        train_save_free(t);
    }
}

static void end(struct train *t, int code, const char *text)
{
    say(t, t->save, code, text);
    train_save_drop(t);
}

/* ---- pieces -------------------------------------------------------------- */

static int send_piece(const struct save *save, uint64_t size)
{
    struct io_peer *peer = save->train->daemon->coordinator;
    const struct io_payload payload = {save->state, save->sent, size};
    Edged__Envelope env = EDGED__ENVELOPE__INIT;
    Edged__Chunk chunk = EDGED__CHUNK__INIT;
    Edged__BlobRef ref = EDGED__BLOB_REF__INIT;

    ref.digest = convert_digest_out(&save->digest);
    ref.size = save->state->size;
    chunk.blob = &ref;
    chunk.offset = save->sent;
    env.body_case = EDGED__ENVELOPE__BODY_CHUNK;
    env.chunk = &chunk;
    return peer != NULL ? io_send(peer, &env, size > 0 ? &payload : NULL)
                        : EDGE_ECLOSED;
}

static void push(struct train *t)
{
    struct save *save = t->save;
    int rc = 0;

    while (rc == 0 && save->in_window < AHEAD &&
           save->sent < save->state->size) {
        uint64_t left = save->state->size - save->sent;
        uint64_t size = left < LIMIT_CHUNK ? left : LIMIT_CHUNK;

        rc = send_piece(save, size);
        if (rc == 0) {
            save->sent += size;
            save->in_window++;
        }
    }
    if (rc < 0 && (rc != EDGE_EBUSY || save->in_window == 0)) {
        end(t, rc, "the state cannot be sent");
    }
}

static bool is_of(const struct train *t, const Edged__ChunkAck *ack)
{
    return t->save != NULL && t->save->is_stored &&
           ack->digest.len == sizeof(t->save->digest.bytes) &&
           memcmp(ack->digest.data, t->save->digest.bytes, ack->digest.len) ==
               0;
}

/* Pieces that were not taken are sent again from where it stands. */
static void take_ack(struct train *t, void *arg)
{
    const Edged__ChunkAck *ack = arg;
    struct save *save = t->save;

    if (!is_of(t, ack)) {
        return;
    }
    if (ack->code < 0) {
        end(t, ack->code, ack->text);
        return;
    }
    if (ack->received >= save->state->size) {
        end(t, 0, "");
        return;
    }
    save->in_window -= save->in_window > 0;
    if (!save->answered ||
        (save->in_window == 0 && ack->received != save->sent)) {
        save->answered = true;
        save->in_window = 0;
        save->sent = ack->received;
    }
    push(t);
}

void train_on_ack(struct daemon *d, struct io_peer *peer, struct msg *msg)
{
    (void)peer;
    train_each(d, take_ack, msg->env->chunk_ack);
}

static void give_up(struct train *t, void *arg)
{
    (void)arg;
    if (t->save != NULL && t->save->is_stored) {
        train_save_drop(t);
    }
}

void train_coordinator_gone(struct daemon *d)
{
    train_each(d, give_up, NULL);
}

/* ---- into our own store -------------------------------------------------- */

static void on_run(struct io_work *work)
{
    struct save *save = container_of(work, struct save, work);

    save->rc = store_put(save->train->daemon->store, save->state->data,
                         save->state->size, &save->digest, &save->why);
}

static void on_done(struct io_work *work)
{
    struct save *save = container_of(work, struct save, work);
    struct epoch *epoch = save->train->shard->epoch;
    struct train *t = save->train;

    save->is_stored = true;
    epoch->computing--;
    if (save->dropped) {
        train_save_free(t);
        install_settle(epoch);
        return;
    }
    if (save->rc < 0) {
        end(t, save->rc, save->why.text);
    } else if (send_piece(save, 0) < 0) {
        end(t, EDGE_ECLOSED, "the coordinator is not there");
    }
}

void train_save(struct train *t, struct blob *state, uint64_t step)
{
    struct save *save = t->save == NULL ? mem_new(struct save) : NULL;

    if (save == NULL) {
        blob_unref(state);
        say(t, NULL, EDGE_EBUSY, "the state before is still under way");
        return;
    }
    t->save = save;
    save->train = t;
    save->state = state;
    save->step = step;
    save->work.run = on_run;
    save->work.done = on_done;
    save->work.cost_us = 5000;
    list_init(&save->work.link);
    t->shard->epoch->computing++;
    io_work(t->daemon->io, IO_DISK, &save->work);
}
