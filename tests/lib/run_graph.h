/*
 * Runs a graph once with the engine, for tests that compare graphs by what
 * they compute.
 */
#ifndef EDGE_TESTS_RUN_GRAPH_H
#define EDGE_TESTS_RUN_GRAPH_H

#include "graph/graph.h"

#define RUN_GRAPH_PORTS 64

/* False if the engine has no kernel for some op; `why` says for which. */
bool run_graph_can(const struct graph *graph, struct err *why);

/* `inputs` in the order of graph->inputs; `outputs` is filled in the order of
 * graph->outputs and the caller's to deinit. What cannot be planned or run
 * fails the test. */
void run_graph(const struct graph *graph, const struct tensor *inputs,
               struct tensor *outputs);

#endif
