/*
 * What a split must know of the ops that it cuts: products (Conv, Gemm,
 * MatMul) with their weights, and followers, which work on each channel alone.
 */
#ifndef EDGE_PLAN_SPLIT_PRODUCT_H
#define EDGE_PLAN_SPLIT_PRODUCT_H

#include "coordinator/plan/rewrite_make.h"

struct product {
    int op;
    int input;
    int output;
    int weight;
    int bias;     /* -1: none */
    int in_axis;  /* channels of the input */
    int out_axis; /* and of the output */
    int w_in_axis;
    int w_out_axis;
    int bias_axis; /* -1: one number for all channels */
    int64_t ins;
    int64_t outs;
    int64_t groups;
};

/* False: not a product, or one that cannot be split. */
bool product_of(const struct graph *graph, int op, struct product *product);
/* True if partial sums over input channels make the whole. */
bool product_sums(const struct product *product);
/* The bias as a value that Add broadcasts over the product's output. */
int product_bias(struct maker *m, const struct product *product);

struct follower {
    int axis;       /* of the channels in its output */
    int64_t factor; /* channels of the output for each of the input */
    int from;       /* the rank of the split input, and its axis */
    int in_axis;
    int64_t channels; /* of the whole input */
};

/* True if ops[op], which reads `value`, can work on channels of it alone. */
bool follower_of(const struct graph *graph, int op, int value, int axis,
                 struct follower *follower);
/* Its output for channels begin .. end - 1, which `piece` holds. */
int follower_piece(struct maker *m, int op, const struct follower *follower,
                   int piece, int64_t begin, int64_t end, const char *suffix,
                   int part);

#endif
