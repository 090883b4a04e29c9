/*
 * One plan for one shard, however many epochs hold it: a new epoch takes the
 * plans of shards that are ready here already, so a change of epoch costs no
 * memory and no time for what stays where it is.
 *
 * And spares make way: a shard that others hold as well, and that is here only
 * in case they are lost, is dropped when a shard that is needed would not fit.
 * Its beat then says that it is not ready. One that has work stays.
 *
 * Plans are shared on the loop alone; the strands see a plan only while a run
 * or a job of an epoch that holds it is under way.
 */
#include "daemon/parts.h"

#include "base/mem.h"

#include <string.h>

/* Another shard, anywhere, that has this plan. */
static bool has_other_holder(const struct epoch *epoch, size_t i)
{
    const struct plan *plan = epoch->shards[i].plan;

    for (size_t k = 0; k < epoch->n_shards; k++) {
        if (k != i && epoch->shards[k].plan == plan) {
            return true;
        }
    }
    list_each(&epoch->daemon->epochs, it, after)
    {
        const struct epoch *other = list_entry(it, struct epoch, link);

        for (size_t k = 0; other != epoch && k < other->n_shards; k++) {
            if (other->shards[k].plan == plan) {
                return true;
            }
        }
    }
    return false;
}

void share_release(struct epoch *epoch, size_t i)
{
    struct hosted *shard = &epoch->shards[i];

    if (shard->plan != NULL && !has_other_holder(epoch, i)) {
        plan_free(shard->plan);
    }
    shard->plan = NULL;
}

static const struct hosted *find_twin(const struct daemon *d,
                                      const struct hosted *shard)
{
    list_each(&d->epochs, it, after)
    {
        const struct epoch *epoch = list_entry(it, struct epoch, link);

        for (size_t i = 0; i < epoch->n_shards; i++) {
            const struct hosted *twin = &epoch->shards[i];

            if (epoch->state == EPOCH_READY && twin->plan != NULL &&
                digest_equal(&twin->model, &shard->model) &&
                twin->n_inputs == shard->n_inputs &&
                twin->n_outputs == shard->n_outputs) {
                return twin;
            }
        }
    }
    return NULL;
}

void share_plans(struct epoch *epoch)
{
    for (size_t i = 0; i < epoch->n_shards; i++) {
        struct hosted *shard = &epoch->shards[i];
        const struct hosted *twin =
            shard->train == NULL ? find_twin(epoch->daemon, shard) : NULL;

        if (twin != NULL) {
            shard->plan = twin->plan;
            shard->bytes = twin->bytes;
            shard->compute_us = twin->compute_us;
            shard->pace_us = twin->pace_us;
        }
    }
}

/* The first that holds a plan stands for all of them. */
static bool is_counted(const struct epoch *epoch, size_t i)
{
    const struct plan *plan = epoch->shards[i].plan;

    for (size_t k = 0; plan != NULL && k < i; k++) {
        if (epoch->shards[k].plan == plan) {
            return true;
        }
    }
    list_each(&epoch->daemon->epochs, it, after)
    {
        const struct epoch *other = list_entry(it, struct epoch, link);

        if (plan == NULL || other == epoch) {
            return false;
        }
        for (size_t k = 0; k < other->n_shards; k++) {
            if (other->shards[k].plan == plan) {
                return true;
            }
        }
    }
    return false;
}

uint64_t share_bytes(const struct epoch *epoch)
{
    uint64_t bytes = 0;

    for (size_t i = 0; i < epoch->n_shards; i++) {
        const struct hosted *shard = &epoch->shards[i];
        bool is_here = epoch->state != EPOCH_FAILED || shard->plan != NULL;

        if (is_here && !shard->evicted && !is_counted(epoch, i) &&
            !mem_add(bytes, shard->bytes, &bytes)) {
            return UINT64_MAX;
        }
    }
    return bytes;
}

/* ---- spares make way ----------------------------------------------------- */

static bool may_go(const struct epoch *epoch, size_t i)
{
    const struct hosted *shard = &epoch->shards[i];

    return epoch->state == EPOCH_READY && shard->is_spare &&
           shard->plan != NULL && list_is_empty(&shard->runs) &&
           !has_other_holder(epoch, i);
}

static uint64_t count_spares(struct daemon *d)
{
    uint64_t bytes = 0;

    list_each(&d->epochs, it, after)
    {
        const struct epoch *epoch = list_entry(it, struct epoch, link);

        for (size_t i = 0; i < epoch->n_shards; i++) {
            bytes += may_go(epoch, i) ? epoch->shards[i].bytes : 0;
        }
    }
    return bytes;
}

static void evict(struct epoch *epoch, size_t i)
{
    struct hosted *shard = &epoch->shards[i];

    log_event(epoch->daemon->log, LOG_INFO, "spare.dropped",
              "epoch=%u shard=%s", epoch->number, shard->name);
    share_release(epoch, i);
    shard->evicted = true;
}

bool share_make_room(struct daemon *d, uint64_t bytes)
{
    if (count_spares(d) < bytes) {
        return false;
    }
    list_each(&d->epochs, it, after)
    {
        struct epoch *epoch = list_entry(it, struct epoch, link);

        for (size_t i = 0; i < epoch->n_shards && bytes > 0; i++) {
            uint64_t size = epoch->shards[i].bytes;

            if (may_go(epoch, i)) {
                evict(epoch, i);
                bytes -= size < bytes ? size : bytes;
            }
        }
    }
    beat_now(d);
    return true;
}
