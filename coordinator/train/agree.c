/*
 * When all replicas have what a checkpoint has to know.
 *
 * `training.sync: local` and `delta`: replicas apply their own gradients, and
 * agree on the mean of what became of the weights after so many steps, and
 * with each pass. Only then are they alike, so checkpoints are made, and the
 * test set is evaluated, only then. Whoever ends or moves a training before
 * has them agree first.
 *
 * With codecs between replicas each board has what these left out of its part.
 * So each so many steps gradients go whole, and only behind such a step, or at
 * the end, a checkpoint is made: by number, not by time, so that a run that
 * goes on from one ends in the bits of one that nobody stopped.
 */
#include "coordinator/train/trainer.h"

bool trainer_is_local(const struct trainer *t)
{
    return t->settings.sync_steps > 0 && t->n_parts > 1;
}

bool trainer_must_agree(const struct trainer *t)
{
    return trainer_is_local(t) && t->pending != 0 &&
           (t->apart >= t->settings.sync_steps || t->point.first == 0 ||
            t->drains);
}

bool trainer_may_save(const struct trainer *t)
{
    return (!t->owes || t->is_done) &&
           (!trainer_is_local(t) || t->apart == 0 || trainer_must_agree(t));
}

/* Codecs are between the replicas of some stage. */
static bool is_coded(const struct trainer *t)
{
    for (size_t i = 0; i < t->kept->plan->n_shards; i++) {
        if (t->staff[i].n > 1 &&
            t->kept->plan->shards[i]->recipe->reduce_codec != 0) {
            return true;
        }
    }
    return false;
}

bool trainer_is_whole(const struct trainer *t)
{
    return !is_coded(t) || (t->point.steps + 1) % t->settings.save_steps == 0;
}

void trainer_agree(struct trainer *t)
{
    t->step.averages = trainer_must_agree(t);
    if (t->step.averages) {
        t->apart = 0;
    }
    t->began_alike = t->apart == 0;
}

double trainer_share(const struct trainer *t, const struct trainer_part *part)
{
    uint64_t all = 0;

    for (size_t i = 0; i < t->n_parts; i++) {
        all += t->parts[i].learnt;
    }
    return all > 0 ? (double)part->learnt / (double)all
                   : 1.0 / (double)t->n_parts;
}

/* Whoever agreed before this step begins to count anew. */
void trainer_drift_apart(struct trainer *t)
{
    size_t n = t->ways.n;

    for (size_t p = 0; p < t->n_parts; p++) {
        struct trainer_part *part = &t->parts[p];

        part->learnt = t->apart == 0 ? 0 : part->learnt;
        for (size_t i = 0; i < n; i++) {
            part->learnt += t->ways.ways[part->stage * n + i] == part->replica
                                ? t->ways.sizes[i]
                                : 0;
        }
    }
    t->apart++;
}
