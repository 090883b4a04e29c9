/*
 * Epochs come and go.
 *
 *   Install -> what is missing in the store? -> Need -> blobs arrive ->
 *   planned on the disk strand -> kept -> READY, Ready to the coordinator,
 *   a beat to everyone.
 *
 *   It is wrong, or does not fit          Failed, before anything
 *   a blob is corrupt, a shard has no plan   Failed, the reason
 *   the coordinator goes away meanwhile   goes on; it asks again when back
 *   Retire, or not among Epochs           runs end, links close, freed
 *   Install again     the same: goes on from where it is, with the addresses
 *                     that it says; otherwise, or after a failure: anew
 */
#include "daemon/train.h"

#include "base/failpoint.h"
#include "base/mem.h"

struct epoch *install_find(struct daemon *d, uint32_t number)
{
    list_each(&d->epochs, it, after)
    {
        struct epoch *epoch = list_entry(it, struct epoch, link);

        if (epoch->number == number) {
            return epoch;
        }
    }
    return NULL;
}

struct hosted *install_shard(struct epoch *epoch, uint32_t id)
{
    for (size_t i = 0; i < epoch->n_shards; i++) {
        if (epoch->shards[i].id == id) {
            return &epoch->shards[i];
        }
    }
    return NULL;
}

/* ---- answers ------------------------------------------------------------- */

static void send_failed(struct io_peer *peer, uint32_t number, int code,
                        const char *text)
{
    Edged__Envelope env = EDGED__ENVELOPE__INIT;
    Edged__Failed failed = EDGED__FAILED__INIT;

    failed.epoch = number;
    failed.code = code;
    failed.text = (char *)(uintptr_t)text;
    env.body_case = EDGED__ENVELOPE__BODY_FAILED;
    env.failed = &failed;
    (void)io_send(peer, &env, NULL);
}

static void fill_ready(Edged__ShardReady *row, const struct hosted *shard)
{
    edged__shard_ready__init(row);
    row->shard = shard->id;
    if (shard->train != NULL) {
        const struct train_made *made = shard->train->made;

        row->weight_bytes = made->memory.params;
        row->packed_bytes = made->memory.plans;
        row->arena_bytes =
            made->bytes - made->memory.params - made->memory.plans;
        return;
    }
    row->weight_bytes = plan_weight_bytes(shard->plan);
    row->packed_bytes = plan_packed_bytes(shard->plan);
    row->arena_bytes = plan_arena_bytes(shard->plan);
}

static void send_ready(struct epoch *epoch)
{
    Edged__Envelope env = EDGED__ENVELOPE__INIT;
    Edged__Ready ready = EDGED__READY__INIT;
    Edged__ShardReady rows[LIMIT_SHARDS];
    Edged__ShardReady *list[LIMIT_SHARDS];
    size_t n = 0;

    for (size_t i = 0; i < epoch->n_shards; i++) {
        if (epoch->shards[i].plan == NULL && epoch->shards[i].train == NULL) {
            continue; /* a spare that made way */
        }
        fill_ready(&rows[n], &epoch->shards[i]);
        list[n] = &rows[n];
        n++;
    }
    ready.epoch = epoch->number;
    ready.shards = list;
    ready.n_shards = n;
    env.body_case = EDGED__ENVELOPE__BODY_READY;
    env.ready = &ready;
    (void)io_send(epoch->asked_by, &env, NULL);
}

/* ---- to READY ------------------------------------------------------------ */

/* A frame may be as large as the largest input of any shard since the start:
 * what comes late, of an epoch that is gone, shall not end its connection. */
static void allow(struct daemon *d, const struct shape *shape, enum dtype dtype)
{
    size_t bytes = (size_t)shape_count(shape) * dtype_size(dtype);

    if (bytes > d->io->payload_max) {
        d->io->payload_max = bytes;
    }
}

static void allow_inputs(struct daemon *d, const struct plan *plan, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const struct plan_port *port = plan_input(plan, i);

        allow(d, &port->shape, port->dtype);
    }
}

/* Values come in, and gradients of outputs. */
static void allow_training(struct daemon *d, const struct hosted *shard)
{
    const struct train_made *made = shard->train->made;

    for (size_t i = 0; i < shard->n_inputs; i++) {
        allow(d, &made->in[i].shape, made->in[i].dtype);
    }
    for (size_t i = 0; i < made->n_out; i++) {
        allow(d, &made->out[i].shape, made->out[i].dtype);
    }
}

/* Of the plans as they came out. */
static void take_measure(struct epoch *epoch)
{
    for (size_t i = 0; i < epoch->n_shards; i++) {
        struct hosted *shard = &epoch->shards[i];

        if (shard->train != NULL) {
            shard->bytes = shard->train->made->bytes;
            allow_training(epoch->daemon, shard);
            continue;
        }
        shard->bytes =
            plan_packed_bytes(shard->plan) + plan_arena_bytes(shard->plan);
        allow_inputs(epoch->daemon, shard->plan, shard->n_inputs);
    }
}

/* What a training takes is known only when it is made. */
static int check_fit(struct epoch *epoch)
{
    struct daemon *d = epoch->daemon;
    uint64_t budget = beat_memory_budget(d);
    uint64_t used = beat_memory_used(d);

    if (epoch->recipes == NULL || used <= budget) {
        return 0;
    }
    for (size_t i = 0; i < epoch->n_shards; i++) {
        train_made_free(epoch->shards[i].train->made);
        epoch->shards[i].train->made = NULL;
    }
    return err_set(&epoch->why, EDGE_ENOFIT,
                   "%s: to train its shards needs %llu MiB of memory, %llu MiB "
                   "is what there is for all",
                   d->name, (unsigned long long)(used >> 20),
                   (unsigned long long)(budget >> 20));
}

static void on_prepared(struct epoch *epoch)
{
    struct daemon *d = epoch->daemon;

    if (epoch->state == EPOCH_ENDING) {
        install_settle(epoch);
        return;
    }
    if (epoch->rc == 0) {
        take_measure(epoch);
        epoch->rc = check_fit(epoch);
    }
    if (epoch->rc == 0) {
        epoch->rc = sense_start(epoch, &epoch->why);
    }
    if (epoch->rc < 0) {
        epoch->state = EPOCH_FAILED;
        log_event(d->log, LOG_ERROR, "epoch.failed", "epoch=%u err=\"%s\"",
                  epoch->number, epoch->why.text);
        if (epoch->asked_by != NULL) {
            send_failed(epoch->asked_by, epoch->number, epoch->rc,
                        epoch->why.text);
        }
        return;
    }
    FAILPOINT("ready.before");
    epoch->state = EPOCH_READY;
    log_event(d->log, LOG_INFO, "epoch.ready",
              "epoch=%u deployment=%s shards=%zu", epoch->number,
              epoch->deployment, epoch->n_shards);
    beat_now(d);
    if (epoch->asked_by != NULL) {
        send_ready(epoch);
    }
    FAILPOINT("ready.after");
}

void install_blob_arrived(void *daemon, const struct digest *digest)
{
    struct daemon *d = daemon;

    if (d->closing) {
        return;
    }
    list_each(&d->epochs, it, after)
    {
        struct epoch *epoch = list_entry(it, struct epoch, link);

        if (epoch->state == EPOCH_INSTALLING && need_arrived(epoch, digest)) {
            prepare_start(epoch, on_prepared);
        }
    }
}

/* ---- the end ------------------------------------------------------------- */

void install_settle(struct epoch *epoch)
{
    if (epoch->state == EPOCH_ENDING && epoch->computing == 0 &&
        epoch->job == NULL) {
        list_unlink(&epoch->link);
        spec_free(epoch);
    }
}

static void end(struct epoch *epoch)
{
    log_event(epoch->daemon->log, LOG_INFO, "epoch.ended", "epoch=%u",
              epoch->number);
    FAILPOINT("retire.before");
    epoch->state = EPOCH_ENDING;
    epoch->asked_by = NULL;
    route_close(epoch);
    run_end_all(epoch);
    train_end_all(epoch);
    kept_forget(epoch);
    install_settle(epoch);
}

void install_on_retire(struct daemon *d, struct io_peer *peer, struct msg *msg)
{
    struct epoch *epoch = install_find(d, msg->env->retire->epoch);

    (void)peer;
    if (epoch != NULL && epoch->state != EPOCH_ENDING) {
        end(epoch);
        beat_now(d);
    }
}

void install_on_epochs(struct daemon *d, struct io_peer *peer, struct msg *msg)
{
    const Edged__Epochs *known = msg->env->epochs;

    (void)peer;
    list_each(&d->epochs, it, after)
    {
        struct epoch *epoch = list_entry(it, struct epoch, link);
        bool stays = epoch->state == EPOCH_ENDING;

        for (size_t i = 0; i < known->n_epochs; i++) {
            stays = stays || known->epochs[i] == epoch->number;
        }
        if (!stays) {
            end(epoch);
        }
    }
    leave_drain(d, known->drained);
    beat_now(d);
}

void install_peer_gone(struct daemon *d, struct io_peer *peer)
{
    list_each(&d->epochs, it, after)
    {
        struct epoch *epoch = list_entry(it, struct epoch, link);

        if (epoch->asked_by == peer) {
            epoch->asked_by = NULL;
        }
    }
}

/* ---- Install ------------------------------------------------------------- */

/* What is not here yet, and how much of it must be. */
static uint64_t count_needs(const struct epoch *epoch, uint64_t *firm)
{
    uint64_t needs = 0;

    *firm = 0;
    for (size_t i = 0; i < epoch->n_shards; i++) {
        const struct hosted *shard = &epoch->shards[i];

        if (shard->plan != NULL) {
            continue; /* shared */
        }
        if (!mem_add(needs, shard->bytes, &needs)) {
            return UINT64_MAX;
        }
        *firm += shard->is_spare ? 0 : shard->bytes;
    }
    return needs;
}

/* Spares make way for what must be here, never for another spare. */
static int check_budget(struct daemon *d, const struct epoch *epoch,
                        struct err *err)
{
    uint64_t budget = beat_memory_budget(d);
    uint64_t used = beat_memory_used(d);
    uint64_t free_bytes = used < budget ? budget - used : 0;
    uint64_t firm;
    uint64_t needs = count_needs(epoch, &firm);

    if (needs <= free_bytes) {
        return 0;
    }
    if (needs - free_bytes <= firm && share_make_room(d, needs - free_bytes)) {
        return 0;
    }
    return err_set(err, EDGE_ENOFIT,
                   "%s: its shards need %llu MiB, %llu of %llu MiB are free",
                   d->name, (unsigned long long)(needs >> 20),
                   (unsigned long long)(free_bytes >> 20),
                   (unsigned long long)(budget >> 20));
}

static int begin(struct daemon *d, const Edged__Install *from,
                 struct epoch **out, struct err *err)
{
    struct epoch *epoch = NULL;
    int rc = spec_read(d, from, &epoch, err);

    if (rc < 0) {
        return rc;
    }
    share_plans(epoch);
    rc = check_budget(d, epoch, err);
    if (rc == 0 && need_init(epoch, from) < 0) {
        rc = err_set(err, EDGE_ENOMEM, "out of memory");
    }
    if (rc == 0) {
        rc = route_open(epoch, from, err);
    }
    if (rc < 0) {
        route_close(epoch);
        spec_free(epoch);
        return rc;
    }
    list_push(&d->epochs, &epoch->link);
    *out = epoch;
    return 0;
}

/* The epoch of that number as it is here, unless it failed or says something
 * else: then it makes way for this one. */
static struct epoch *find_same(struct daemon *d, const Edged__Install *from)
{
    struct epoch *epoch = install_find(d, from->epoch);

    if (epoch != NULL && epoch->state != EPOCH_ENDING &&
        (epoch->state == EPOCH_FAILED || !spec_is_same(epoch, from))) {
        end(epoch);
        epoch = install_find(d, from->epoch);
    }
    return epoch;
}

static void go_on(struct epoch *epoch, struct io_peer *peer)
{
    epoch->asked_by = peer;
    if (epoch->state == EPOCH_READY) {
        send_ready(epoch);
    } else if (epoch->state == EPOCH_INSTALLING && epoch->n_lacks == 0) {
        prepare_start(epoch, on_prepared);
    } else if (epoch->state == EPOCH_INSTALLING) {
        need_ask(epoch, peer);
    }
}

void install_on_install(struct daemon *d, struct io_peer *peer, struct msg *msg)
{
    const Edged__Install *from = msg->env->install;
    struct epoch *epoch = find_same(d, from);
    struct err err;
    int rc = 0;

    FAILPOINT("install.before");
    if (epoch != NULL && epoch->state == EPOCH_ENDING) {
        send_failed(peer, from->epoch, EDGE_EBUSY,
                    "this epoch has not ended yet");
        return;
    }
    if (epoch == NULL) {
        rc = begin(d, from, &epoch, &err);
    } else {
        route_refresh(epoch, from);
    }
    if (rc < 0) {
        log_event(d->log, LOG_WARN, "install.refused", "err=\"%s\"", err.text);
        send_failed(peer, from->epoch, rc, err.text);
        return;
    }
    go_on(epoch, peer);
    FAILPOINT("install.after");
}

int install_kept(struct daemon *d, const Edged__Install *from, struct err *err)
{
    struct epoch *epoch = NULL;
    int rc = begin(d, from, &epoch, err);

    if (rc == 0 && epoch->n_lacks == 0) {
        prepare_start(epoch, on_prepared);
    }
    return rc;
}

void install_free_all(struct daemon *d)
{
    list_each(&d->epochs, it, after)
    {
        struct epoch *epoch = list_entry(it, struct epoch, link);

        prepare_drop(epoch);
        run_free_all(epoch);
        route_close(epoch);
        list_unlink(it);
        spec_free(epoch);
    }
    kept_free_all(d);
}
