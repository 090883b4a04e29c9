/*
 * Shapes and types through a graph, and what an op costs.
 */
#ifndef EDGE_GRAPH_INFER_H
#define EDGE_GRAPH_INFER_H

#include "graph/graph.h"

/* Sets dtype and shape of every value from the graph inputs and constants,
 * in op order. A dimension that depends on data not known is -1. EDGE_EINVAL
 * names the op: `Conv "conv1": weight has 3 channels, input 4`. */
int infer_graph(struct graph *graph, struct err *err);
/* The same of one op, whose inputs have been inferred. */
int infer_op(struct graph *graph, struct op *op, struct err *err);

/* Gives unknown or symbolic dimensions of the graph inputs a value: the
 * first dimension becomes `batch`, any other -1 is an error naming it. */
int infer_bind_batch(struct graph *graph, int64_t batch, struct err *err);

/* Work of one op, from its inferred shapes. */
struct op_cost {
    double macs;         /* multiply-accumulates of Conv, Gemm, MatMul ... */
    double flops;        /* all arithmetic, 2 per multiply-accumulate */
    double bytes_in;     /* activations read */
    double bytes_out;    /* activations written */
    double bytes_weight; /* constants read */
};
void infer_cost(const struct graph *graph, const struct op *op,
                struct op_cost *cost);

#endif
