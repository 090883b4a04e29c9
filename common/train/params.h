/*
 * The parameters of a model and their gradients, in two flat arrays: what an
 * optimizer, an all-reduce or a checkpoint goes over in one pass. Each
 * parameter has a name, a shape and a place, the same in both; they follow
 * one another without gaps.
 */
#ifndef EDGE_TRAIN_PARAMS_H
#define EDGE_TRAIN_PARAMS_H

#include "graph/graph.h"

struct param {
    char *name; /* the value's in the model */
    struct shape shape;
    size_t offset; /* in floats */
    size_t count;
    float rate;  /* the learning rate is multiplied by it */
    float decay; /* and the weight decay by this */
    float bound; /* each number is held within +- it; 0: it is not */
};

struct params {
    struct param *items;
    size_t n_items;
    float *values;
    float *grads; /* zero at first */
    size_t n;     /* floats of either array */
};

/* Whether a constant is one that training changes: a weight, bias, scale or
 * shift. Running statistics, bounds and sizes are not. */
bool params_is_trainable(const struct graph *graph, int value);
/* All of these, in the order of the graph's values; for mem_free(). */
int params_list(const struct graph *graph, int **values, size_t *n);

/* Copies the constants `values`; rates and decays are 1. EDGE_EINVAL: one is
 * no float32 constant; EDGE_ENOMEM. */
int params_init(struct params *p, const struct graph *graph, const int *values,
                size_t n, struct err *err);
void params_deinit(struct params *p);
int params_find(const struct params *p, const char *name); /* or -1 */

/* Views of one parameter, or of its gradient: valid as long as `p`. */
struct tensor params_value(const struct params *p, size_t i);
struct tensor params_grad(const struct params *p, size_t i);

/* Gives the constants of `graph` with the parameters' names their values.
 * EDGE_EINVAL names one that is not there or has another shape. */
int params_store(const struct params *p, struct graph *graph, struct err *err);

#endif
