/*
 * A model trained as a pipeline within the test: cut into shards, each with
 * its own training step, micro-batches handed from one to the next. Images and
 * labels are numbers of a seed, the same for the same sample however it is
 * split up.
 */
#ifndef EDGE_TESTS_PIPE_H
#define EDGE_TESTS_PIPE_H

#include "graph/graph.h"
#include "train/step.h"

#define PIPE_SHARDS 5
#define PIPE_MICRO 16
#define PIPE_PORTS 16

struct pipe_ask {
    size_t shards;
    int64_t batch; /* samples of a mini-batch */
    size_t micro;  /* as many micro-batches, the last may be smaller */
    bool recompute;
    bool all_first; /* all forwards before the first backward */
    bool legs;      /* backward in legs; what each makes final must be so */
    bool adam;
    float clip_norm;
    const char *frozen; /* pattern, or NULL */
};

struct pipe {
    struct pipe_ask ask;
    struct graph *model;
    struct graph *shards[PIPE_SHARDS];
    struct train_step *steps[PIPE_SHARDS];
    struct tensor ports[PIPE_MICRO][PIPE_SHARDS + 1][PIPE_PORTS];
    struct tensor grads[PIPE_MICRO][PIPE_SHARDS + 1][PIPE_PORTS];
    struct tensor labels[PIPE_MICRO];
    struct tensor seeds[PIPE_MICRO];
    double loss; /* of the last mini-batch */
};

/* A small net with all that matters to a cut: statistics of batches, clipped
 * activations, a depthwise layer, a residual, pooling, a Concat, Dropout. Its
 * input is (?, 3, 12, 12), its scores "scores" (?, 5). */
struct graph *pipe_model(bool with_norm);

/* `model` stays the caller's. What cannot be made fails the test. */
void pipe_init(struct pipe *p, const struct graph *model,
               const struct pipe_ask *ask);
void pipe_deinit(struct pipe *p);

/* One step on mini-batch number `at` with a learning rate; false: skipped, by
 * every shard. `spoil`: a label is no class, so the loss is no number. */
bool pipe_step(struct pipe *p, int at, double rate, bool spoil);
/* Only the first micro-batch, and only forward; it stands in slot 0. */
void pipe_forward(struct pipe *p, int at);
/* The model with what was learnt; for graph_free(). */
struct graph *pipe_result(const struct pipe *p);

#endif
