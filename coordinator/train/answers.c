/* What boards say of a step. */
#include "coordinator/train/trainer.h"

#include <stdio.h>
#include <string.h>

static void take_losses(struct trainer *t, const Edged__Stepped *from)
{
    const Edged__Shard *shard = t->placement->spec->shards[from->shard - 1];
    const Edged__Recipe *recipe = shard->recipe;

    if (recipe->stage + 1 != recipe->stages) {
        return;
    }
    for (size_t i = 0; i < from->n_losses && i < recipe->n_losses; i++) {
        t->step_sums.loss +=
            from->losses[i] * (double)recipe->losses[i]->weight;
    }
    t->step_sums.samples += from->samples;
    t->step_sums.correct += from->correct;
    trainer_exits_take(&t->step_exits, from);
}

static void take(struct trainer *t, struct trainer_part *part,
                 const Edged__Stepped *from)
{
    part->stepped = true;
    part->square = from->square;
    part->n_weights = from->weights.len < sizeof(part->weights)
                          ? from->weights.len
                          : sizeof(part->weights);
    if (part->n_weights > 0) {
        memcpy(part->weights, from->weights.data, part->n_weights);
    }
    part->said_busy_us += from->busy_us;
    part->sent_bytes += from->sent_bytes;
    part->plain_bytes += from->plain_bytes;
    part->reduce_bytes += from->reduce_bytes;
    part->reduce_plain += from->reduce_plain;
    part->peak_bytes = from->peak_bytes;
    if (t->kind == STEP_TRAINS) {
        size_t n = t->ways.n;

        part->busy_us += from->busy_us;
        for (size_t i = 0; i < n; i++) {
            part->samples += t->ways.ways[part->stage * n + i] == part->replica
                                 ? t->ways.sizes[i]
                                 : 0;
        }
    }
    take_losses(t, from);
}

struct trainer_part *trainer_part_of(const struct trainer *t,
                                     const struct member *m, uint32_t shard)
{
    for (size_t i = 0; i < t->n_parts; i++) {
        if (t->parts[i].member == m && t->parts[i].stage + 1 == shard) {
            return &t->parts[i];
        }
    }
    return NULL;
}

static bool is_all_stepped(const struct trainer *t)
{
    for (size_t i = 0; i < t->n_parts; i++) {
        if (!t->parts[i].stepped) {
            return false;
        }
    }
    return true;
}

void train_on_stepped(struct coordinator *c, struct io_peer *peer,
                      struct msg *msg)
{
    const Edged__Stepped *from = msg->env->stepped;
    struct trainer *t = trainer_of_epoch(c, from->epoch);
    struct member *m = members_of(c, peer);
    struct trainer_part *part;
    char why[400];

    if (t == NULL || m == NULL || t->phase != TRAINER_STEPPING ||
        !t->is_asked || from->step != t->step.step) {
        return; /* of a step that was given up */
    }
    part = trainer_part_of(t, m, from->shard);
    if (part == NULL || part->stepped) {
        return;
    }
    if (from->code < 0) {
        (void)snprintf(why, sizeof(why), "step %llu failed on %s: %.300s",
                       (unsigned long long)from->step, m->name, from->text);
        trainer_again(t, from->code, NULL, why);
        return;
    }
    take(t, part, from);
    if (is_all_stepped(t)) {
        trainer_end_step(t);
    }
}
