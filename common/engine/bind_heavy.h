/*
 * What the bind_*.c files of the heavy operators share.
 */
#ifndef EDGE_ENGINE_BIND_HEAVY_H
#define EDGE_ENGINE_BIND_HEAVY_H

#include "engine/bind.h"
#include "kernels/grid.h"
#include "kernels/post.h"

/* EDGE_EUNSUPPORTED unless in[i], where it is there, has this type. */
int bind_need(const struct step *step, int i, enum dtype dtype,
              struct err *err);

/* The window of the op as kernels have it, for ops of 1 to 3 dimensions:
 * grid->in and out are those of in[0] and out[0]. `after` (may be NULL) is the
 * padding behind, 0 where it is negative. EDGE_ETOOBIG: the padded input. */
int bind_grid(const struct step *step, struct grid *grid,
              size_t after[GRID_AXES], struct err *err);

/* The same where the positions are those of a tensor `out`. */
int bind_grid_of(const struct step *step, const struct tensor *out,
                 struct grid *grid, size_t after[GRID_AXES], struct err *err);

/* Room for a state of `size` bytes, zeroed, and `extra` aligned bytes behind
 * it that count as packed; NULL: EDGE_ENOMEM is in `err`. */
void *bind_state(struct step *step, size_t size, size_t extra, struct err *err);
/* Where these extra bytes begin. */
void *bind_packed(const struct step *step, size_t size);

/* The epilogue as kernels have it; data pointers are those of the moment. */
struct post bind_post(const struct step *step);

/* How a MatMul op's operands make up matrices: a vector is one of a single
 * row on the left, of a single column on the right; axes before the last two
 * broadcast. Where b is one matrix, all of a is one tall one. */
#define BIND_BATCH_AXES (LIMIT_RANK - 2)
struct bind_batch {
    size_t rows;
    size_t depth;
    size_t cols;
    bool one_b;
    size_t count; /* of products */
    int axes;
    size_t dims[BIND_BATCH_AXES];
    size_t a_stride[BIND_BATCH_AXES];
    size_t b_stride[BIND_BATCH_AXES];
};
void bind_batch(const struct tensor *a, const struct tensor *b,
                struct bind_batch *batch);
/* Where the operands of product i begin. */
size_t bind_batch_a(const struct bind_batch *batch, size_t i);
size_t bind_batch_b(const struct bind_batch *batch, size_t i);

/* The data of in[i], NULL where it is left out. */
const void *bind_data(const struct step *step, int i);

#endif
