/*
 * An exit for a random model: an output more that scores what the first one
 * does, made of a value half-way to it.
 */
#ifndef EDGE_TESTS_FLEET_EARLY_H
#define EDGE_TESTS_FLEET_EARLY_H

#include "graph/graph.h"

/* False: there is no half-way, or parts of the graph read its input late. */
bool fleet_early_add(struct graph *graph);
/* As it is cut with an exit for the last output, for graph_free(); NULL: the
 * exit would spare nothing. */
struct graph *fleet_early_arrange(const struct graph *graph);
bool fleet_early_can(const struct graph *graph);
/* Normalised entropy of scores. */
double fleet_early_doubt(const struct tensor *scores);

#endif
