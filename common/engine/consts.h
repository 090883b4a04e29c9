/*
 * What a plan knows before it runs: values made from constants alone.
 *
 * Ops whose inputs are all constant (DequantizeLinear of weights,
 * ConstantOfShape) are put off and computed only when a step asks for what
 * they make; a constant is let go as soon as its last reader has packed it.
 * Weights that their step packs as bytes (kernels/narrow.h) are not computed.
 * So of all weights in both forms only one layer's are held at a time. Works
 * on a graph of the plan's own, whose values receive the data.
 */
#ifndef EDGE_ENGINE_CONSTS_H
#define EDGE_ENGINE_CONSTS_H

#include "engine/step.h"

struct consts {
    struct graph *graph; /* borrowed */
    bool *put_off;       /* by op: all its inputs are constant */
    bool *done;          /* by op: put off, and computed */
    int *left;           /* by value: readers that may still need it */
    bool *kept;          /* by value: some step reads it at run */
    int *stack;          /* of ops to compute */
};

int consts_init(struct consts *c, struct graph *graph);
void consts_deinit(struct consts *c);

/* Computes value `v`, and what it depends on, if it was put off. */
int consts_need(struct consts *c, int v, struct err *err);
/* Whether something that is put off makes `v`, and has not been computed. */
bool consts_is_put_off(const struct consts *c, int v);
/* One reader of `v`, which is put off, has made do with what it would be
 * computed from: after the last of its readers that is let go. */
void consts_skip(struct consts *c, int v);
/* One reader of `v` is done with it, `keep`: but reads it at every run. */
void consts_release(struct consts *c, int v, bool keep);

#endif
