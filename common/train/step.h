/*
 * One shard's part in training steps: forward and backward of micro-batches,
 * several of which may be under way, gradients summed over them in one flat
 * array, and the optimizer's step. A daemon trains its stage of a pipeline
 * with it, and a single process a whole model; which of the two it is makes
 * no difference to the numbers (docs/decisions/0026).
 *
 *   step_new
 *   for each mini-batch: for each micro-batch, in any order of the two that
 *     has a forward before its backward:
 *       step_forward, step_backward
 *     step_end     the sum becomes a mean
 *     step_apply   parameters and running statistics follow
 *   step_store
 *
 * Gradients are those of a sum over samples until step_end(), so micro-batches
 * may differ in size and replicas may add theirs up before it. Everything is
 * allocated in step_new(), or in step_prepare() for another size. One owner,
 * one thread at a time; with `threads` these share the work of a call.
 */
#ifndef EDGE_TRAIN_STEP_H
#define EDGE_TRAIN_STEP_H

#include "engine/plan.h"
#include "train/optim.h"

#define STEP_SIZES 4 /* sizes of micro-batches that are kept ready */
#define STEP_SLOTS 64

/* Softmax cross-entropy of a value of the shard with labels. */
struct step_loss {
    const char *scores; /* its name */
    float weight;
};

/* What holds for parameters whose name matches (fnmatch); of several the last
 * decides. Without any: trained, rate and decay 1. */
struct step_param {
    const char *pattern;
    bool frozen;
    float rate;  /* the learning rate is multiplied by it */
    float decay; /* and the weight decay by this */
};

struct step_ask {
    struct threads *threads; /* that compute it, outliving it; NULL: none */
    int64_t batch;           /* the most samples in a micro-batch */
    size_t slots;      /* micro-batches between their forward and backward */
    bool recompute;    /* store inputs alone, compute forward twice */
    bool input_grads;  /* gradients of the shard's inputs are wanted */
    bool output_grads; /* gradients of its outputs come in */
    const struct step_loss *losses;
    size_t n_losses;
    const struct step_param *params;
    size_t n_params;
    struct optim_rule rule;
};

struct train_step;

/* `shard` is a model or a part of one, with inferred shapes, its
 * BatchNormalization and Dropout still there; the first dimension of each
 * input is that of samples, whatever it says. It is not kept. EDGE_EINVAL,
 * EDGE_EUNSUPPORTED (names the op that has no gradient), EDGE_ENOMEM. */
int step_new(const struct graph *shard, const struct step_ask *ask,
             struct train_step **step, struct err *err);
void step_free(struct train_step *step); /* NULL is fine */

/* Makes ready for micro-batches of `samples`; the least recently used other
 * size goes, if it is too many. EDGE_EBUSY: all of them are under way. */
int step_prepare(struct train_step *step, int64_t samples, struct err *err);
/* Outputs of a prepared size; NULL if it is none. */
const struct plan_port *step_output(const struct train_step *step,
                                    int64_t samples, size_t i);
bool step_needs_seeds(const struct train_step *step);

/* What a micro-batch is computed from and to. All of it is borrowed until its
 * step_backward() has returned: inputs and outputs are part of what that
 * reads. */
struct step_data {
    const struct tensor *inputs;
    const struct tensor *labels; /* int64 (samples, ...), by loss */
    const struct tensor *seeds;  /* of dropout: int64 (samples); or NULL */
    struct tensor *outputs;      /* room for step_output() */
};

/* `losses`, by loss: means over the samples, without weights. EDGE_EINVAL: a
 * tensor does not fit, or the slot is under way. */
int step_forward(struct train_step *step, size_t slot,
                 const struct step_data *data, float *losses, struct err *err);
/* By output and by input, of the same shapes; those of other types than
 * float32 are not looked at. NULL where none come in or are wanted. */
int step_backward(struct train_step *step, size_t slot,
                  const struct tensor *output_grads, struct tensor *input_grads,
                  struct err *err);

/* The way back in legs, for whoever wants gradients before all are there:
 * leg 0, 1, ..., the last, each with the same tensors, are one
 * step_backward(). Behind a leg of a mini-batch's last micro-batch some
 * parameters' gradients do not change any more until step_end(); they may be
 * read then, by any thread, while the next leg runs. */
#define STEP_LEGS 16 /* at most */
struct step_leg {
    size_t to;            /* private: steps of the plan that it ends behind */
    double share;         /* of the work */
    const size_t *params; /* that are final: their places in step_params() */
    size_t n_params;
};
struct step_legs {
    struct step_leg legs[STEP_LEGS];
    size_t n;
    size_t *params; /* private: those of all */
};
/* Those of the micro-batch in a slot, which has been forward; NULL: it has
 * not. As long as it stands there. */
const struct step_legs *step_legs(const struct train_step *step, size_t slot);
int step_backward_leg(struct train_step *step, size_t slot,
                      const struct tensor *output_grads,
                      struct tensor *input_grads, size_t leg, struct err *err);

/* Forgets the mini-batch, with all that is under way. */
void step_drop(struct train_step *step);

/* Values, gradients and names; for all-reduce and hashes. */
const struct params *step_params(const struct train_step *step);
/* Samples whose gradients are in the sum. */
double step_samples(const struct train_step *step);
/* Sums for the running statistics, to be added up over replicas, if they are
 * to share them, before step_apply(). */
double *step_sums(struct train_step *step, size_t *n);

/* Makes the gradients those of the mean over `samples`, which counts those of
 * all replicas whose gradients were added up. */
void step_end(struct train_step *step, double samples);
/* The sum of the squares of this shard's gradients. */
double step_square(const struct train_step *step);
/* A step of the optimizer with learning rate `rate`; `square` is that of all
 * shards, so that clipping is the same on each. Running statistics take in the
 * mini-batch: with ONNX's momentum, of the mean and of the variance by N - 1
 * over all its micro-batches. False: `square` is not finite, so nothing moves
 * and the step is counted as skipped. Either way the mini-batch is over. */
bool step_apply(struct train_step *step, double rate, double square);

/* Gives the constants of `shard`, which may be a whole model, their values. */
int step_store(const struct train_step *step, struct graph *shard,
               struct err *err);

/* All that a checkpoint of the shard holds: to be read, or written before the
 * next micro-batch. */
#define STEP_STATE 4
struct step_state {
    struct {
        const char *name;
        float *values;
        size_t n; /* may be 0 */
    } arrays[STEP_STATE];
    uint64_t *steps;
    uint64_t *skipped;
};
void step_state(struct train_step *step, struct step_state *state);

/* Bytes: of parameters, gradients and the optimizer; of one slot's stash; of
 * the plans' activations and packed constants. */
struct step_memory {
    size_t params;
    size_t stash;
    size_t plans;
};
void step_memory(const struct train_step *step, struct step_memory *memory);

#endif
