/*
 * Random models for property tests: images in, branches, residuals, concats,
 * several inputs and outputs, weights, and now and then an op that depends on
 * constants alone. Float32 throughout, so that the engine can run them; values
 * stay of moderate size and number. Same seed, same graph.
 */
#ifndef EDGE_TESTS_RANDOM_GRAPH_H
#define EDGE_TESTS_RANDOM_GRAPH_H

#include "base/rng.h"
#include "graph/graph.h"

/* A graph of about `n_ops` ops that passes graph_check(), with shapes inferred
 * and static, without dead ops. Fails the test if it cannot be made. */
struct graph *random_graph(struct rng *rng, int n_ops);

/* Values for an input of that shape, deviation 1; the test fails without
 * memory. */
struct tensor random_tensor(struct rng *rng, const struct shape *shape);

#endif
