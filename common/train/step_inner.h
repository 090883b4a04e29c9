/*
 * What a training step is made of; shared by step.c, step_make.c and
 * step_size.c.
 */
#ifndef EDGE_TRAIN_STEP_INNER_H
#define EDGE_TRAIN_STEP_INNER_H

#include "graph/grad_cut.h"
#include "train/step.h"

/* All that is made for one number of samples. */
struct step_size {
    int64_t samples; /* 0: none */
    uint64_t used;   /* when last */
    struct plan *forward;
    struct plan *backward; /* NULL: no gradient is wanted */
    struct grad_ports ports;
    struct grad_parts parts; /* without their graphs */
    size_t *stash_at;        /* by output of `forward`, from ports.losses on */
    size_t stash_bytes;
    struct step_legs legs; /* of `backward` */
    double *counts;        /* by statistic: elements of a channel */
    struct tensor *in;     /* of the plan that runs */
    struct tensor *out;
};

struct step_slot {
    struct step_size *size; /* NULL: not under way */
    uint8_t *stash;
    struct tensor *inputs;
    struct tensor *labels;
    struct tensor seeds;
    struct tensor *outputs;
};

/* One BatchNormalization that is trained. */
struct step_stat {
    size_t mean; /* places in `running` */
    size_t variance;
    size_t channels;
    size_t sums; /* place in `sums`: elements, then of each channel the sum of
                    x, then that of its square */
    float momentum;
};

struct train_step {
    struct graph *model; /* its parameters have no values */
    struct threads *threads;
    int64_t batch;
    bool recompute;
    bool input_grads;
    bool output_grads;
    int *learnt; /* the parameters' values in the model */
    struct grad_loss *losses;
    size_t n_losses;
    struct params params;
    struct optim optim;
    struct params running; /* means and variances; gradients unused */
    struct step_stat *stats;
    size_t n_stats;
    double *sums;
    size_t n_sums;
    double samples;
    struct step_size sizes[STEP_SIZES];
    uint64_t clock;
    struct step_slot *slots;
    size_t n_slots;
    size_t stash_bytes; /* of each */
};

/* Fills a size that is zeroed; `samples` of it is set on success. */
int step_size_make(struct train_step *s, struct step_size *size,
                   int64_t samples, struct err *err);
void step_size_deinit(struct step_size *size);
/* Where the legs of its way back end; step_legs.c. EDGE_ENOMEM. */
int step_legs_make(const struct params *params, struct step_size *size);
/* The next op from *at on that keeps its running mean in `mean`, of which
 * there is one: statistics are in the order of ops. */
const struct op *step_next_norm(const struct graph *graph, int mean,
                                size_t *at);
/* The prepared size, or NULL. */
struct step_size *step_size_find(const struct train_step *s, int64_t samples);

#endif
