/*
 * Walks an output row by row beside inputs that broadcast to it.
 *
 * Dimensions that all tensors step through alike are merged, so that two
 * tensors of one shape are a single row, and a bias a channel is a row a
 * channel. Within a row each input goes on by 1 element, or by 0: it repeats.
 */
#ifndef EDGE_KERNELS_BROADCAST_H
#define EDGE_KERNELS_BROADCAST_H

#include "tensor/shape.h"

#define BROADCAST_IN 3

struct broadcast {
    int n_in;
    int64_t rows;
    int64_t length;             /* elements of a row */
    int64_t step[BROADCAST_IN]; /* 1 or 0 within a row */
    int rank;                   /* of the dimensions above the row */
    int64_t dims[LIMIT_RANK];
    int64_t jump[BROADCAST_IN][LIMIT_RANK]; /* elements, 0: repeats */
};

/* The inputs' shapes broadcast to `out`. */
void broadcast_init(struct broadcast *b, const struct shape *out,
                    const struct shape *in, int n_in);

struct broadcast_row { /* where a row starts; zeroed: at the first */
    int64_t index[LIMIT_RANK];
    int64_t in[BROADCAST_IN]; /* element offsets */
};

void broadcast_next(const struct broadcast *b, struct broadcast_row *row);

#endif
