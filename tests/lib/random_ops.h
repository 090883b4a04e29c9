/* The ops that random_graph.c strings together; see there. */
#ifndef EDGE_TESTS_RANDOM_OPS_H
#define EDGE_TESTS_RANDOM_OPS_H

#include "base/rng.h"
#include "graph/graph.h"

#define RANDOM_VALUES 512

struct maker {
    struct rng *rng;
    struct graph *graph;
    int pool[RANDOM_VALUES]; /* activations to go on from */
    int n_pool;
};

/* Adds one op, or a few that belong together, and puts what they make into
 * the pool. False: nothing in the pool suits it. */
typedef bool (*random_op)(struct maker *m);

extern const random_op random_ops[];
extern const int random_n_ops;

/* 0 .. n-1 */
int random_below(struct maker *m, int n);
/* A value of the pool, newer ones more often; -1: none is of that rank. */
int random_pick(struct maker *m, int rank);
const struct shape *random_shape(const struct maker *m, int value);
/* A constant with normal elements times `scale`, plus `shift`. */
int random_const(struct maker *m, float scale, float shift, int rank,
                 const int64_t *dims);
/* Infers the newest op and puts its outputs into the pool. */
void random_done(struct maker *m);

#endif
