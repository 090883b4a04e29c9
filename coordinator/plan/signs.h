/*
 * Which values are signs: made by Sign, and no more than picked and moved
 * since. A link writes those in bits (codec.h). Pure.
 */
#ifndef EDGE_PLAN_SIGNS_H
#define EDGE_PLAN_SIGNS_H

#include "graph/graph.h"

/* True if all that leads to the value from a Sign on leaves each of its values
 * one of -1, 0 and 1: MaxPool, Concat, Reshape, Flatten, Slice and the like.
 * EDGE_ENOMEM counts as false. */
bool signs_are(const struct graph *graph, int value);

#endif
