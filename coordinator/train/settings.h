/* The numbers of a training that the coordinator itself goes by. */
#ifndef EDGE_COORDINATOR_TRAIN_SETTINGS_H
#define EDGE_COORDINATOR_TRAIN_SETTINGS_H

#include "config/cluster.h"
#include "train/optim.h"
#include "train/schedule.h"

struct train_settings {
    uint32_t passes;   /* over the data */
    uint32_t batch;    /* samples of a step, over all boards */
    uint32_t per_lane; /* micro-batches of a replica */
    bool one_f_one_b;
    struct schedule schedule; /* in steps */
    uint64_t codec_steps;     /* in which sparse links become so */
    struct optim_rule rule;
    uint64_t save_steps; /* a checkpoint after so many, */
    uint64_t save_us;    /* or so long */
    uint32_t keep;
    double target;     /* accuracy of an evaluation that is enough; 0: none */
    uint32_t patience; /* evaluations without a better loss; 0: any */
    uint32_t evaluate; /* passes between two */
    uint64_t seed;
    bool equal_shares;   /* whatever speeds are measured */
    uint64_t sync_steps; /* replicas agree on weights after so many, and with
                            each pass; 0: on the gradients of each step */
    enum cluster_on_loss on_loss;
};

/* Steps of a pass over so many samples. */
uint64_t settings_steps(const struct train_settings *s, uint64_t samples);
/* What sparse links keep of what they are to leave out, after so many steps. */
double settings_slack(const struct train_settings *s, uint64_t steps);
struct train_settings settings_of(const struct cluster *cluster,
                                  uint64_t samples);

#endif
