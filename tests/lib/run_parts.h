/*
 * Takes a rewritten graph apart and runs its shards one after the other, each
 * as a node would get it, for tests of rewrites.
 */
#ifndef EDGE_TESTS_RUN_PARTS_H
#define EDGE_TESTS_RUN_PARTS_H

#include "coordinator/plan/parts.h"

/* As run_graph(), over the links between the parts. Returns how many parts;
 * 0: more crosses between them than ports and frames allow. */
size_t run_parts(const struct graph *graph, const struct tensor *inputs,
                 struct tensor *outputs);
/* The same of a graph that has been taken apart. */
void run_made_parts(const struct parts *parts, const struct tensor *inputs,
                    struct tensor *outputs);

#endif
