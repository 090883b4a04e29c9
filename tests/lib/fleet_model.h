/*
 * Models for simulated clusters: a random graph in several generations of the
 * same inputs and outputs, whose answers differ, each with the answers that
 * one process gives.
 */
#ifndef EDGE_TESTS_FLEET_MODEL_H
#define EDGE_TESTS_FLEET_MODEL_H

#include "codec/codec.h"
#include "graph/graph.h"

#define FLEET_INPUTS 4 /* sets of inputs to ask with */
#define FLEET_PORTS 4

struct fleet_model {
    struct blob *file;   /* ONNX */
    struct graph *graph; /* as the coordinator makes it of the file */
    struct tensor inputs[FLEET_INPUTS][FLEET_PORTS];
    struct tensor outputs[FLEET_INPUTS][FLEET_PORTS]; /* the references */
    int early;    /* of the outputs: what may leave early; 0: nothing */
    double below; /* normalised entropy, of what does */
    bool rounds;  /* the planner may cut it where sums are put together in
                   * another order: 1e-4 of the largest value apart is right */
};

/* Same seed: same graph and inputs; weights and answers follow `generation`.
 * False: the engine has no kernel for some op, or the answers are no numbers
 * to tell generations apart by; nothing is to be freed then. */
bool fleet_model_make(struct fleet_model *model, uint64_t seed, int n_ops,
                      unsigned generation);
/* The same with one output more, which scores what the first one does and
 * needs a part of what that needs: for `exits`. False too if that does not
 * come about, or could not be deployed so. */
bool fleet_model_make_early(struct fleet_model *model, uint64_t seed, int n_ops,
                            unsigned generation);
/* Half of the inputs leave early then. */
void fleet_model_choose(struct fleet_model *model);
/* Layers one after the other, each a product with a square matrix of `width`,
 * whose answers are the same however it is cut between them. */
bool fleet_model_make_wide(struct fleet_model *model, uint64_t seed,
                           int n_layers, int width);
void fleet_model_free(struct fleet_model *model);

/* The references of that model cut at `positions` (cut.h), with codecs on the
 * links between the shards and on those that its inputs come by. */
void fleet_model_code(struct fleet_model *model, const int *positions, size_t n,
                      const struct codec *links, const struct codec *input);

/* True if every answer differs in every output, so that none can be taken for
 * one of the other model. */
bool fleet_model_differs(const struct fleet_model *a,
                         const struct fleet_model *b);
/* True if these are the answers to that set of inputs, bit for bit unless it
 * rounds; with an exit, the one answer from where it should leave. */
bool fleet_model_gives(const struct fleet_model *model, size_t set,
                       const struct tensor *outputs, size_t n);

#endif
