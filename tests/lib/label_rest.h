/*
 * Labels for what a rewrite left without.
 */
#ifndef EDGE_TESTS_LABEL_REST_H
#define EDGE_TESTS_LABEL_REST_H

#include "graph/graph.h"

/* Ops without a part get one: `before`, or `after` if they depend on one that
 * has. 0 or EDGE_ENOMEM. */
int label_rest(struct graph *graph, int before, int after);

#endif
