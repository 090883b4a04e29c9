/*
 * The sliding window of a convolution or pooling op: its attributes read and
 * checked, defaults filled in, automatic pads worked out from the input. What
 * shape inference and kernels must agree on is here, once.
 */
#ifndef EDGE_GRAPH_WINDOW_H
#define EDGE_GRAPH_WINDOW_H

#include "graph/graph.h"

#define WINDOW_DIMS (LIMIT_RANK - 2)

struct window {
    int n; /* spatial dimensions */
    int64_t kernel[WINDOW_DIMS];
    int64_t stride[WINDOW_DIMS];
    int64_t dilation[WINDOW_DIMS];
    int64_t pad_begin[WINDOW_DIMS];
    /* Of ConvTranspose with output_shape it may be negative: so many last
     * elements are reached by no input. */
    int64_t pad_end[WINDOW_DIMS];
    int64_t out[WINDOW_DIMS]; /* spatial dimensions of the output, -1: open */
};

/* The window of Conv, QLinearConv, ConvInteger, ConvTranspose, MaxPool or
 * AveragePool, whose inputs have been inferred. Pads that depend on an open
 * dimension are 0. EDGE_EINVAL names the op. */
int window_of(const struct graph *graph, const struct op *op,
              struct window *window, struct err *err);

/* One dimension of Slice: from `first`, `count` elements, `step` apart, as
 * ONNX clamps them for an axis of `dim` elements. */
void window_slice(int64_t dim, int64_t start, int64_t end, int64_t step,
                  int64_t *first, int64_t *count);

#endif
