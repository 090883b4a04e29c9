#include "coordinator/train/settings.h"

#include <math.h>

uint64_t settings_steps(const struct train_settings *s, uint64_t samples)
{
    return (samples + s->batch - 1) / s->batch;
}

static struct optim_rule rule_of(const struct cluster_training *t)
{
    struct optim_rule rule = optim_rule_of(
        t->optimizer == CLUSTER_OPTIMIZER_ADAM ? OPTIM_ADAM : OPTIM_SGD);

    rule.momentum = (float)t->momentum;
    rule.nesterov = t->nesterov != 0;
    rule.weight_decay = (float)t->weight_decay;
    rule.clip_norm = (float)t->clip;
    return rule;
}

/* Epochs of the file in steps. */
static uint64_t steps_of(double epochs, uint64_t steps)
{
    return (uint64_t)llround(epochs * (double)steps);
}

static struct schedule schedule_of(const struct cluster_training *t,
                                   uint64_t steps)
{
    static const enum schedule_kind kinds[] = {
        [CLUSTER_RATE_CONSTANT] = SCHEDULE_CONSTANT,
        [CLUSTER_RATE_STEP] = SCHEDULE_STEP,
        [CLUSTER_RATE_COSINE] = SCHEDULE_COSINE,
        [CLUSTER_RATE_PLATEAU] = SCHEDULE_PLATEAU,
    };
    struct schedule s = {
        .kind = kinds[t->rate.kind],
        .rate = t->lr,
        .warmup = steps_of(t->rate.warmup, steps),
        .every = steps_of(t->rate.every, steps),
        .factor = t->rate.factor,
        .total = t->epochs * steps,
        .least = t->rate.least,
        .patience = t->rate.patience,
        .threshold = 1e-4, /* of ReduceLROnPlateau */
    };

    s.every = s.every > 0 ? s.every : 1;
    return s;
}

/* Fast while there is much that nothing depends on, slow in the end. */
double settings_slack(const struct train_settings *s, uint64_t steps)
{
    double left =
        steps < s->codec_steps ? 1 - (double)steps / (double)s->codec_steps : 0;

    return left * left * left;
}

/* {delta: epoch}: with each pass is often enough. */
static uint64_t sync_of(const struct cluster_sync *sync)
{
    switch (sync->kind) {
    case CLUSTER_SYNC_LOCAL: return sync->steps;
    case CLUSTER_SYNC_DELTA: return UINT64_MAX;
    default: return 0;
    }
}

struct train_settings settings_of(const struct cluster *cluster,
                                  uint64_t samples)
{
    const struct cluster_training *t = &cluster->training;
    struct train_settings s = {
        .passes = t->epochs,
        .batch = t->batch,
        .per_lane = t->microbatches,
        .one_f_one_b = t->order == CLUSTER_ORDER_1F1B,
        .rule = rule_of(t),
        .save_steps = t->checkpoint.steps,
        .save_us = (uint64_t)t->checkpoint.time_ms * 1000,
        .keep = t->checkpoint.keep,
        .target = t->stop.target,
        .patience = t->stop.patience,
        .evaluate = t->evaluate,
        .seed = t->seed,
        .equal_shares = t->shares == CLUSTER_SHARES_EQUAL,
        .sync_steps = sync_of(&t->sync),
        .on_loss = t->on_loss,
    };

    s.schedule = schedule_of(t, settings_steps(&s, samples));
    s.codec_steps = steps_of(t->codec_warmup, settings_steps(&s, samples));
    return s;
}
