/*
 * Checkpoints. A Step asks one replica of each stage for its state, which
 * comes as Chunks while the training goes on; Saved says that it is safe. When
 * all are, one row of state.db makes them the checkpoint, whole or not at all.
 * Then those that are more than are kept lose their files.
 */
#include "coordinator/train/trainer.h"

#include "base/failpoint.h"
#include "base/mem.h"

#include <stdio.h>
#include <string.h>

const Edged__KeptCheckpoint *trainer_newest(const struct trainer *t)
{
    return t->kept->checkpoints[t->kept->n_checkpoints - 1];
}

void trainer_copy_point(const Edged__KeptCheckpoint *from,
                        Edged__KeptCheckpoint *to)
{
    *to = *from;
    to->states = NULL;
    to->n_states = 0;
}

/* ---- the row ------------------------------------------------------------- */

static void on_keep(struct io_work *work)
{
    struct trainer *t = container_of(work, struct trainer, keep_work);

    t->keep_rc = state_put_training(t->c->state, t->kept->name, t->packed,
                                    t->packed_size, &t->keep_err);
    if (t->keep_rc == 0 && t->forgets != NULL) {
        t->keep_rc = state_drop_training(t->c->state, t->forgets, &t->keep_err);
    }
    for (size_t i = 0; i < t->n_dropped && t->keep_rc == 0; i++) {
        (void)store_remove(t->c->store, &t->dropped[i]);
    }
}

static void on_kept(struct io_work *work)
{
    struct trainer *t = container_of(work, struct trainer, keep_work);
    int rc = t->keep_rc;

    FAILPOINT("training.kept");
    t->is_keeping = false;
    mem_free(t->packed);
    t->packed = NULL;
    if (rc == 0) {
        mem_free(t->forgets);
        t->forgets = NULL;
    }
    mem_free(t->dropped);
    t->dropped = NULL;
    t->n_dropped = 0;
    if (rc < 0) {
        log_event(t->c->log, LOG_ERROR, "training.not_kept",
                  "name=%s err=\"%s\"", t->kept->name, t->keep_err.text);
    }
    if (t->keeps_again && rc == 0 && !t->c->closing) {
        t->keeps_again = false;
        (void)trainer_keep(t);
        return;
    }
    trainer_saved(t, rc, t->keep_err.text);
    train_poke(t->c);
}

int trainer_keep(struct trainer *t)
{
    if (t->is_keeping) {
        t->keeps_again = true;
        return 0;
    }
    t->packed_size = edged__kept_training__get_packed_size(t->kept);
    t->packed = mem_resize(NULL, t->packed_size, 1);
    if (t->packed == NULL) {
        return EDGE_ENOMEM;
    }
    (void)edged__kept_training__pack(t->kept, t->packed);
    t->is_keeping = true;
    t->keep_work.run = on_keep;
    t->keep_work.done = on_kept;
    t->keep_work.cost_us = 5000;
    io_work(t->c->io, IO_DISK, &t->keep_work);
    return 0;
}

/* ---- old ones ------------------------------------------------------------ */

static bool is_named(const struct trainer *t, const Edged__BlobRef *ref)
{
    for (size_t i = 0; i < t->kept->n_checkpoints; i++) {
        const Edged__KeptCheckpoint *at = t->kept->checkpoints[i];

        for (size_t k = 0; k < at->n_states; k++) {
            if (at->states[k]->digest.len == ref->digest.len &&
                memcmp(at->states[k]->digest.data, ref->digest.data,
                       ref->digest.len) == 0) {
                return true;
            }
        }
    }
    return false;
}

static void drop_files(struct trainer *t, const Edged__KeptCheckpoint *old)
{
    for (size_t k = 0; k < old->n_states; k++) {
        struct digest digest;

        if (!is_named(t, old->states[k]) &&
            train_ref_read(old->states[k], &digest, NULL) == 0) {
            t->dropped[t->n_dropped++] = digest;
        }
    }
}

/* Makes room for one more. */
static int drop_old(struct trainer *t)
{
    Edged__KeptTraining *kept = t->kept;
    size_t most = t->settings.keep > 0 ? t->settings.keep : 1;

    t->dropped = mem_array(struct digest,
                           (kept->n_checkpoints + 1) * kept->plan->n_shards);
    if (t->dropped == NULL) {
        return EDGE_ENOMEM;
    }
    while (kept->n_checkpoints > most) {
        Edged__KeptCheckpoint *old = kept->checkpoints[0];

        memmove(kept->checkpoints, kept->checkpoints + 1,
                (kept->n_checkpoints - 1) * sizeof(kept->checkpoints[0]));
        kept->n_checkpoints--;
        drop_files(t, old);
        edged__kept_checkpoint__free_unpacked(old, NULL);
    }
    return 0;
}

static int add_checkpoint(struct trainer *t, Edged__KeptCheckpoint *point)
{
    Edged__KeptTraining *kept = t->kept;
    Edged__KeptCheckpoint **more =
        mem_resize(kept->checkpoints, kept->n_checkpoints + 1,
                   sizeof(kept->checkpoints[0]));

    if (more == NULL) {
        return EDGE_ENOMEM;
    }
    kept->checkpoints = more;
    kept->checkpoints[kept->n_checkpoints++] = point;
    return 0;
}

/* ---- one of them --------------------------------------------------------- */

/* Early by the steps that will be done while it is being made, as they would
 * be lost as well. */
bool trainer_is_save_due(const struct trainer *t)
{
    uint64_t steps = t->point.steps - trainer_newest(t)->steps;

    return !t->is_saving && !t->is_keeping && steps > 0 &&
           (steps + t->save_lag >= t->settings.save_steps ||
            io_now_us(t->c->io) - t->saved_us >= t->settings.save_us);
}

/* The Step that goes out now saves what it is after. */
void trainer_begin_saving(struct trainer *t)
{
    Edged__KeptCheckpoint *saving = mem_new(Edged__KeptCheckpoint);

    if (saving == NULL) {
        return; /* the next one will do */
    }
    edged__kept_checkpoint__init(saving);
    trainer_copy_point(&t->point, saving);
    saving->step = t->pending != 0 ? t->pending : t->applied;
    saving->took_s += (double)(io_now_us(t->c->io) - t->began_us) / 1e6;
    saving->states = mem_array(Edged__BlobRef *, t->kept->plan->n_shards);
    if (saving->states == NULL) {
        edged__kept_checkpoint__free_unpacked(saving, NULL);
        return;
    }
    t->saving = saving;
    t->saving_us = io_now_us(t->c->io);
    t->is_saving = true;
}

void trainer_drop_saving(struct trainer *t)
{
    if (t->saving != NULL) {
        for (size_t i = 0; i < t->kept->plan->n_shards; i++) {
            if (t->saving->states[i] != NULL) {
                edged__blob_ref__free_unpacked(t->saving->states[i], NULL);
            }
        }
        t->saving->n_states = 0;
        edged__kept_checkpoint__free_unpacked(t->saving, NULL);
    }
    t->saving = NULL;
    t->is_saving = false;
    t->drains = false;
}

static void make_checkpoint(struct trainer *t)
{
    Edged__KeptCheckpoint *point = t->saving;

    FAILPOINT("training.saved");
    point->n_states = t->kept->plan->n_shards;
    if (t->is_keeping || add_checkpoint(t, point) < 0) {
        point->n_states = 0;
        trainer_drop_saving(t);
        return;
    }
    t->saving = NULL;
    if (drop_old(t) < 0 || trainer_keep(t) < 0) {
        trainer_saved(t, EDGE_ENOMEM, "out of memory");
    }
}

/* The control of the promise: what is not there yet is taken from the newest
 * checkpoint. */
static bool tear(struct trainer *t)
{
    const Edged__KeptCheckpoint *old = trainer_newest(t);

    for (size_t i = 0; i < t->kept->plan->n_shards; i++) {
        if (t->saving->states[i] == NULL && old->n_states > 0) {
            t->saving->states[i] = train_ref_copy(old->states[i]);
        }
        if (t->saving->states[i] == NULL) {
            return false;
        }
    }
    return true;
}

static void take_saved(struct trainer *t, const Edged__Saved *saved)
{
    size_t stage = saved->shard - 1;
    struct digest digest;
    struct err err;
    uint64_t size = 0;
    bool all = true;

    t->saving_us = io_now_us(t->c->io);
    if (train_ref_read(saved->state, &digest, &err) < 0 ||
        !store_has(t->c->store, &digest, &size) || size != saved->state->size) {
        trainer_again(t, EDGE_EPROTO, NULL,
                      "a state was said to be safe and is not there");
        return;
    }
    if (t->saving->states[stage] == NULL) {
        t->saving->states[stage] = train_ref_copy(saved->state);
    }
    for (size_t i = 0; i < t->kept->plan->n_shards; i++) {
        all = all && t->saving->states[i] != NULL;
    }
    if (all || (DEFENCE_OFF("checkpoint") && tear(t))) {
        make_checkpoint(t);
    }
}

void train_on_saved(struct coordinator *c, struct io_peer *peer,
                    struct msg *msg)
{
    const Edged__Saved *saved = msg->env->saved;
    struct trainer *t = trainer_of_epoch(c, saved->epoch);
    struct member *m = members_of(c, peer);

    if (t == NULL || m == NULL || t->saving == NULL || saved->shard == 0 ||
        saved->shard > t->kept->plan->n_shards ||
        saved->step != t->saving->step ||
        trainer_part_of(t, m, saved->shard) == NULL) {
        return; /* of a checkpoint that was given up */
    }
    if (saved->code < 0) {
        char why[400];

        (void)snprintf(why, sizeof(why), "%s cannot save its state: %.300s",
                       m->name, saved->text);
        trainer_again(t, saved->code, NULL, why);
        return;
    }
    take_saved(t, saved);
}

/* ---- what does not come -------------------------------------------------- */

void train_on_piece(struct coordinator *c, const struct io_peer *peer)
{
    struct member *m = members_of(c, peer);

    list_each(&c->trainers, it, after)
    {
        struct trainer *t = list_entry(it, struct trainer, link);

        if (t->saving != NULL && m != NULL &&
            seat_of(t->placement, m) != NULL) {
            t->saving_us = io_now_us(c->io);
        }
    }
}

/* The first that was asked for a state and has not said that it is safe. */
static struct member *find_silent(const struct trainer *t)
{
    for (size_t i = 0; i < t->n_parts; i++) {
        if (t->parts[i].replica == 0 &&
            t->saving->states[t->parts[i].stage] == NULL) {
            return t->parts[i].member;
        }
    }
    return NULL;
}

/* Without this a board that lives, and whose disk does not, would keep a
 * training from its end, and from all checkpoints. */
void trainer_look_saving(struct trainer *t)
{
    struct member *silent;
    char why[400];

    if (t->saving == NULL ||
        io_now_us(t->c->io) - t->saving_us < (uint64_t)SAVE_MS * 1000) {
        return;
    }
    silent = find_silent(t);
    (void)snprintf(why, sizeof(why), "%s does not save its state",
                   silent != NULL ? silent->name : "nobody");
    trainer_again(t, EDGE_ETIMEOUT, silent, why);
}
