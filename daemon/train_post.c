/*
 * Messages of a training to other boards. What a socket does not take now, or
 * a board that is not up yet, waits here, in order, and is tried again soon;
 * how long that may last is the trainer's to judge.
 */
#include "daemon/train.h"

#include "base/mem.h"
#include "wire/convert.h"

#include <string.h>

#define AGAIN_MS 1
#define POST_BOARDS 64 /* that may be full at once */

struct io_peer *train_peer(struct daemon *d, const char *name)
{
    list_each(&d->peers, it, after)
    {
        struct io_peer *peer = list_entry(it, struct visitor, link)->peer;

        if (peer->role == EDGED__ROLE__ROLE_NODE &&
            strcmp(peer->name, name) == 0) {
            return peer;
        }
    }
    return NULL;
}

static void post_free(struct post *post)
{
    list_unlink(&post->link);
    blob_unref(post->blob);
    mem_free(post);
}

static int send_flow(struct train *t, const struct post *post,
                     struct io_peer *peer, Edged__TensorMeta *meta)
{
    const struct io_payload payload = {post->blob, 0, post->blob->size};
    Edged__Envelope env = EDGED__ENVELOPE__INIT;
    Edged__Flow flow = EDGED__FLOW__INIT;

    flow.epoch = t->shard->epoch->number;
    flow.step = post->step;
    flow.micro = post->micro;
    flow.shard = post->shard;
    flow.port = post->port;
    flow.back = post->back;
    flow.tensor = meta;
    env.body_case = EDGED__ENVELOPE__BODY_FLOW;
    env.flow = &flow;
    return io_send(peer, &env, &payload);
}

static int send_reduce(struct train *t, const struct post *post,
                       struct io_peer *peer, Edged__TensorMeta *meta)
{
    const struct io_payload payload = {post->blob, 0, post->blob->size};
    Edged__Envelope env = EDGED__ENVELOPE__INIT;
    Edged__Reduce reduce = EDGED__REDUCE__INIT;

    reduce.epoch = t->shard->epoch->number;
    reduce.step = post->step;
    reduce.shard = post->shard;
    reduce.round = post->micro;
    reduce.offset = post->offset;
    reduce.tensor = meta;
    env.body_case = EDGED__ENVELOPE__BODY_REDUCE;
    env.reduce = &reduce;
    return io_send(peer, &env, &payload);
}

static int try(struct train *t, const struct post *post)
{
    struct io_peer *peer = train_peer(t->daemon, post->to);
    Edged__TensorMeta meta;
    int64_t dims[LIMIT_RANK];

    if (peer == NULL) {
        return EDGE_ECLOSED;
    }
    convert_meta_out(post->dtype, &post->shape, &meta, dims);
    meta.codec = post->codec;
    return post->is_reduce ? send_reduce(t, post, peer, &meta)
                           : send_flow(t, post, peer, &meta);
}

static bool is_later(int rc)
{
    return rc == EDGE_EBUSY || rc == EDGE_ECLOSED;
}

static bool waits_before(const struct train *t, const struct post *post)
{
    list_each(&t->posts, it, after)
    {
        const struct post *other = list_entry(it, struct post, link);

        if (other == post) {
            return false;
        }
        if (strcmp(other->to, post->to) == 0) {
            return true;
        }
    }
    return false;
}

void train_post(struct train *t, const struct post *post)
{
    struct daemon *d = t->daemon;
    struct post *kept;
    int rc = t->broken != 0          ? 0
             : waits_before(t, post) ? EDGE_EBUSY
                                     : try(t, post);

    if (rc == 0) {
        blob_unref(post->blob);
        return;
    }
    kept = is_later(rc) ? mem_dup(post, sizeof(*post)) : NULL;
    if (kept == NULL) {
        blob_unref(post->blob);
        train_fail(t, is_later(rc) ? EDGE_ENOMEM : rc,
                   "a value cannot be sent");
        return;
    }
    list_init(&kept->link);
    list_push(&t->posts, &kept->link);
    io_timer_start(d->io, &d->posting, AGAIN_MS);
}

void train_post_drop(struct train *t)
{
    list_each(&t->posts, it, after)
    {
        post_free(list_entry(it, struct post, link));
    }
}

struct full { /* boards to which something waits, of one pass */
    const char *names[POST_BOARDS];
    size_t n;
};

/* A board beyond those that are kept counts as full: it has its turn later. */
static bool is_full(const struct full *full, const char *name)
{
    for (size_t i = 0; i < full->n; i++) {
        if (strcmp(full->names[i], name) == 0) {
            return true;
        }
    }
    return full->n == POST_BOARDS;
}

/* In order to each board, in one pass: many may wait while others compute. */
static void go_on(struct train *t, void *arg)
{
    bool *again = arg;
    struct full full = {.n = 0};

    list_each(&t->posts, it, after)
    {
        struct post *post = list_entry(it, struct post, link);
        int rc;

        if (is_full(&full, post->to)) {
            continue;
        }
        rc = try(t, post);
        if (rc == 0) {
            post_free(post);
        } else if (is_later(rc)) {
            full.names[full.n++] = post->to;
        } else {
            train_fail(t, rc, "a value cannot be sent");
            return;
        }
    }
    *again = *again || !list_is_empty(&t->posts);
}

static void on_timer(struct io_timer *timer)
{
    struct daemon *d = container_of(timer, struct daemon, posting);
    bool again = false;

    train_each(d, go_on, &again);
    if (again) {
        io_timer_start(d->io, timer, AGAIN_MS);
    }
}

void train_post_init(struct daemon *d)
{
    io_timer_init(&d->posting, on_timer);
}
