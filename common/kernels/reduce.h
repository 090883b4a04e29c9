/*
 * Sums, means and extremes over some axes. Sums of floats are kept in double,
 * of integers in 64 bits. No scratch.
 */
#ifndef EDGE_KERNELS_REDUCE_H
#define EDGE_KERNELS_REDUCE_H

#include "tensor/shape.h"

enum reduce_op { REDUCE_SUM, REDUCE_MEAN, REDUCE_MAX, REDUCE_MIN, REDUCE_OPS };

struct reduce_axes { /* a walk over some of the dimensions */
    int rank;
    int64_t dims[LIMIT_RANK];
    int64_t stride[LIMIT_RANK]; /* elements of the input */
};

struct reduce {
    enum reduce_op op;
    enum dtype dtype;
    bool by_rows;   /* the innermost dimension is reduced, not kept */
    int64_t length; /* of that dimension */
    int64_t count;  /* elements that go into one */
    struct reduce_axes kept;
    struct reduce_axes reduced; /* neither has the innermost dimension */
};

/* False: not defined for the type. mask[i]: dimension i is reduced. */
bool reduce_init(struct reduce *r, enum reduce_op op, enum dtype dtype,
                 const struct shape *in, const bool *mask);
void reduce_run(const struct reduce *r, void *out, const void *in);

#endif
