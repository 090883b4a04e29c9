/*
 * A new head for a model that was trained for other classes: its last layer
 * with weights again as few or many rows as there are classes now, and
 * everything before it as it was.
 */
#ifndef EDGE_ONNX_HEAD_H
#define EDGE_ONNX_HEAD_H

#include "base/err.h"
#include "graph/graph.h"

/* The last convolution or dense layer of a model with one output gets
 * `classes` outputs: new weights as `model new` draws those of a last layer,
 * seeded, and biases of 0. What follows it, such as Flatten and Softmax,
 * stays. Labels in the metadata go. Shapes after it are unknown until
 * infer_graph(). EDGE_EUNSUPPORTED: something else comes after the last
 * weights. On failure the graph is only fit for graph_free(). */
int head_replace(struct graph *graph, int64_t classes, uint64_t seed,
                 struct err *err);

#endif
