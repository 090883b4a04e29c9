/*
 * Models for tests of plans: shapes alone, their weights are never touched and
 * take no memory.
 */
#ifndef EDGE_TESTS_PAPER_MODEL_H
#define EDGE_TESTS_PAPER_MODEL_H

#include "coordinator/plan/profile.h"
#include "graph/graph.h"

/* VGG-16 at 224 x 224; ReLU behind each product but the last. */
struct graph *paper_vgg16(void);
/* As many products in a row, each with a ReLU, of `channels` channels on maps
 * of size x size. */
struct graph *paper_chain(int n, int channels, int size);

/* The seconds that each layer of VGG-16 took on a Raspberry Pi 3, as prototype
 * 1 published them. The graph is paper_vgg16(). */
void paper_pi3(struct profile_board *board, const struct graph *graph);

#endif
