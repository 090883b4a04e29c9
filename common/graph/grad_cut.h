/*
 * A training graph in two parts that run at different times: the forward ops,
 * and their gradients. What the second reads of the first is the stash: of a
 * pipeline's micro-batches several are under way between the two, so it is
 * held once for each of them and kept small (docs/decisions/0026).
 */
#ifndef EDGE_GRAPH_GRAD_CUT_H
#define EDGE_GRAPH_GRAD_CUT_H

#include "graph/grad.h"

/* Where an input of the backward part comes from. */
struct grad_source {
    bool is_made; /* by the forward part: its output `index` */
    size_t index; /* otherwise the training graph's input */
};

struct grad_parts {
    struct graph *forward;
    size_t *forward_in; /* by input of `forward`: the training graph's */
    size_t n_made;      /* the training graph's outputs but for gradients, in
                           their order; what follows them is stash */
    struct graph *backward;          /* NULL: no gradient is wanted */
    struct grad_source *backward_in; /* of its first n_backward_in inputs; each
                                        gradient of a parameter has one more */
    size_t n_backward_in;
};

/* Cuts what grad_make() returned. With `recompute` nothing is stashed and the
 * backward part begins with the forward ops again; without it only ops are
 * repeated that cost little and whose inputs are there. What both compute is
 * the same, bit for bit.
 *
 * The backward part adds to sums: after the inputs of backward_in come the
 * sums so far, one for each parameter; its outputs are the new sums, for
 * which the same memory may be given, and then the gradients of inputs. */
int grad_cut(const struct graph *training, const struct grad_ports *ports,
             bool recompute, struct grad_parts *parts, struct err *err);
void grad_parts_deinit(struct grad_parts *parts);

#endif
