/*
 * The learning rate over time. What a unit of time is (a step, an epoch) is
 * the caller's affair. Definitions are PyTorch's (torch.optim.lr_scheduler:
 * StepLR, CosineAnnealingLR, ReduceLROnPlateau).
 */
#ifndef EDGE_TRAIN_SCHEDULE_H
#define EDGE_TRAIN_SCHEDULE_H

#include <stdbool.h>
#include <stdint.h>

enum schedule_kind {
    SCHEDULE_CONSTANT,
    SCHEDULE_STEP,   /* times `factor` every `every` units */
    SCHEDULE_COSINE, /* half a cosine from rate to least, at `total` */
    SCHEDULE_PLATEAU /* times `factor` when a measure stops getting better */
};

struct schedule {
    enum schedule_kind kind;
    double rate;     /* at first, after the warm-up */
    uint64_t warmup; /* units in which it grows to that, by equal steps */
    uint64_t every;
    double factor;
    uint64_t total; /* the warm-up included */
    double least;   /* COSINE, PLATEAU: it does not fall below */
    /* PLATEAU */
    uint64_t patience; /* observations without a better one that are borne */
    double threshold;  /* better is by this part of the best */
    bool grows;        /* a larger measure is a better one */
};

/* What PLATEAU has seen; part of a checkpoint. Zeroed at first. */
struct schedule_state {
    bool has_best;
    double best;
    uint64_t bad;
    uint64_t cuts; /* how often the rate was cut */
};

double schedule_rate(const struct schedule *s, const struct schedule_state *st,
                     uint64_t at);
/* A new measure (a validation's loss or accuracy). True: the rate is cut. */
bool schedule_observe(const struct schedule *s, struct schedule_state *st,
                      double measure);

#endif
