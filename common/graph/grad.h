/*
 * Training graphs: a model's graph made one that also computes gradients, by
 * reverse-mode differentiation as a rewrite (docs/decisions/0023).
 *
 * The result is a graph like any other: the forward ops, in the form they
 * have in training (batch statistics, dropout), then their gradients in
 * reverse order. Parameters are graph inputs, gradients graph outputs, so
 * plan_run() reads the one and writes the other where they lie in flat arrays.
 */
#ifndef EDGE_GRAPH_GRAD_H
#define EDGE_GRAPH_GRAD_H

#include "graph/graph.h"

/* Softmax cross-entropy of a value with labels, weighted among several. */
struct grad_loss {
    int scores; /* value (N, classes, ...): what Softmax would be given */
    float weight;
};

/* What is wanted; values are those of the forward graph. */
struct grad_ask {
    const int *params; /* constants to train, float32 */
    size_t n_params;
    const struct grad_loss *losses;
    size_t n_losses;
    const int *outputs; /* values whose gradients come in from outside */
    size_t n_outputs;
    const int *inputs; /* graph inputs whose gradients are wanted */
    size_t n_inputs;
};

/* The training graph's ports, as positions in graph->inputs and outputs; each
 * group is in the order of grad_ask. */
struct grad_ports {
    /* Inputs: first those of the forward graph, in their order. */
    size_t params;
    size_t labels;  /* int64 (N, ...), one for each loss */
    size_t outputs; /* gradients of `outputs` */
    size_t seeds;   /* int64 (N): of dropout, one a sample; if has_seeds */
    bool has_seeds;
    /* Outputs: first those of the forward graph, in their order. */
    size_t losses;       /* scalars, without their weights */
    size_t param_grads;  /* of the weighted sum of the losses, and outputs */
    size_t input_grads;  /* likewise */
    size_t means;        /* of the batch, for each BatchNormalization ... */
    size_t variances;    /* by the number of samples, not one less */
    size_t n_statistics; /* ... of which there are so many, in op order */
    int *statistics;     /* the forward graph's values (mean, variance) that
                            running averages are kept in: 2 * n_statistics */
};

/* `forward` is inferred, with static shapes, and is not changed. `graph` is
 * the caller's, and so is ports->statistics, for mem_free(). What nothing
 * depends on has a gradient of zeros. EDGE_EUNSUPPORTED names the op that has
 * no gradient; EDGE_EINVAL: what is asked for is not there, or no float32;
 * EDGE_EEXIST: a name of the form NAME/grad is taken. */
int grad_make(const struct graph *forward, const struct grad_ask *ask,
              struct graph **graph, struct grad_ports *ports, struct err *err);

#endif
