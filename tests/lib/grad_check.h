/*
 * Checks the gradients of a small graph against finite differences of what
 * its training graph itself computes: so batch statistics and dropout are the
 * same on both sides. Sums are kept in double; what cannot be built fails the
 * test.
 */
#ifndef EDGE_TESTS_GRAD_CHECK_H
#define EDGE_TESTS_GRAD_CHECK_H

#include "base/rng.h"
#include "graph/grad.h"

#define GRAD_LEAVES 24

enum grad_fill {
    GRAD_ANY,      /* normal */
    GRAD_POSITIVE, /* 0.5 and more */
    GRAD_DISTINCT, /* no two closer than the steps of the check */
    GRAD_OFF       /* no closer than that to 0, 1, -1, 2.5 and 3 */
};

struct grad_check {
    struct graph *graph;
    struct rng *rng;
    int leaves[GRAD_LEAVES]; /* values whose gradients are checked */
    bool is_param[GRAD_LEAVES];
    struct tensor data[GRAD_LEAVES];
    int n_leaves;
    int64_t classes; /* of labels, where the graph ends in scores */
};

void grad_check_init(struct grad_check *c, struct rng *rng);
/* Frees it after the check. */
void grad_check_deinit(struct grad_check *c);

/* A value to be varied: a graph input, or (by chance, unless `param` says so:
 * 1, 0, or -1) a constant of the graph that is trained. */
int grad_leaf(struct grad_check *c, enum grad_fill fill, int param, int rank,
              const int64_t *dims);

/* Adds `value` as an output and checks; `what` names the trial. */
void grad_check_run(struct grad_check *c, const char *what, uint64_t seed);

#endif
