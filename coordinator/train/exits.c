/* What an evaluation counted of several outputs. */
#include "coordinator/train/trainer.h"

void trainer_exits_add(struct trainer_exits *to,
                       const struct trainer_exits *more)
{
    for (size_t i = 0; i < more->n; i++) {
        to->samples[i] += more->samples[i];
        to->correct[i] += more->correct[i];
    }
    for (size_t i = 0; i < more->n_left; i++) {
        to->left[i] += more->left[i];
        to->left_correct[i] += more->left_correct[i];
    }
    to->n = more->n > to->n ? more->n : to->n;
    to->n_left = more->n_left > to->n_left ? more->n_left : to->n_left;
}

void trainer_exits_take(struct trainer_exits *to, const Edged__Stepped *from)
{
    struct trainer_exits more = {0};

    if (from->n_exits > LIMIT_LOSSES || from->n_left > LIMIT_LEFT ||
        from->n_left_correct != from->n_left) {
        return; /* of another version */
    }
    more.n = from->n_exits;
    more.n_left = from->n_left;
    for (size_t i = 0; i < more.n; i++) {
        more.samples[i] = from->exits[i]->samples;
        more.correct[i] = from->exits[i]->correct;
    }
    for (size_t i = 0; i < more.n_left; i++) {
        more.left[i] = from->left[i];
        more.left_correct[i] = from->left_correct[i];
    }
    trainer_exits_add(to, &more);
}

void trainer_exits_say(const struct trainer *t, struct trainer_said *room,
                       Edged__TrainReply *reply)
{
    const struct trainer_exits *exits = &t->exits;
    const Edged__Placement *plan = t->kept->plan;
    const Edged__Recipe *recipe = plan != NULL && plan->n_shards > 0
                                      ? plan->shards[plan->n_shards - 1]->recipe
                                      : NULL;

    if (recipe == NULL || exits->n != recipe->n_losses) {
        return;
    }
    for (size_t i = 0; i < exits->n; i++) {
        edged__exit_count__init(&room->counts[i]);
        room->counts[i].scores = recipe->losses[i]->scores;
        room->counts[i].samples = exits->samples[i];
        room->counts[i].correct = exits->correct[i];
        room->list[i] = &room->counts[i];
    }
    for (size_t i = 0; i < recipe->n_exits && i < LIMIT_LOSSES; i++) {
        room->gates[i] = recipe->losses[recipe->exits[i]->loss]->scores;
        reply->n_gates = i + 1;
    }
    reply->exits = room->list;
    reply->n_exits = exits->n;
    reply->gates = room->gates;
    reply->left = (uint64_t *)(uintptr_t)exits->left;
    reply->left_correct = (uint64_t *)(uintptr_t)exits->left_correct;
    reply->n_left = reply->n_left_correct = exits->n_left;
}
