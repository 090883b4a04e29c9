/*
 * Whether two graphs compute the same: same ops in the same order with the
 * same attributes over the same constants, inputs and outputs. Names may
 * differ but for inputs' and outputs'. A constant and a ConstantOfShape that
 * makes the same one count as the same, and so do axes of a reduction as an
 * attribute and as an input, and pools with the same windows.
 */
#ifndef EDGE_TESTS_SAME_GRAPH_H
#define EDGE_TESTS_SAME_GRAPH_H

#include "graph/graph.h"

/* Fails the test, telling where they differ. */
void assert_same_graph(const struct graph *a, const struct graph *b);

#endif
