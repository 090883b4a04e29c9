/*
 * Weights that a model holds as bytes: the constant operand of a Conv, Gemm
 * or MatMul that a DequantizeLinear makes of int8 or uint8.
 */
#ifndef EDGE_GRAPH_QUANTISED_H
#define EDGE_GRAPH_QUANTISED_H

#include "graph/graph.h"

#define QUANTISED_INPUT 1 /* of the product: its weights */

struct quantised {   /* indices of values */
    int data;        /* int8 or uint8, of the shape of the weights */
    int scales;      /* float32 */
    int zeros;       /* of the type of data; -1: all 0 */
    size_t channels; /* of scales: 1, or as many as the product has outputs */
    size_t outputs;  /* channels that the product makes */
};

/* Whether op's weights are such, and an engine can keep them as bytes: they
 * are scaled as one or by output channel, and no weights of a depthwise
 * convolution, which are few. Whether they are constant is the caller's to
 * ask. Types and shapes have been inferred. */
bool quantised_weights(const struct graph *graph, const struct op *op,
                       struct quantised *q);
/* Bytes that such weights take once they are packed so. */
size_t quantised_bytes(const struct graph *graph, const struct quantised *q);

#endif
