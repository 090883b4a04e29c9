/*
 * Choosing elements by index or by value. Arrays are (outer, n, inner),
 * chosen along n.
 */
#ifndef EDGE_KERNELS_PICK_H
#define EDGE_KERNELS_PICK_H

#include "tensor/shape.h"

struct pick {
    enum dtype dtype;
    int64_t outer;
    int64_t n;
    int64_t inner;
};

/* out (outer, n_index, inner) = in at index (n_index), which may be negative
 * to count from the end; one that is out of range gives the nearest end. */
void gather_run(const struct pick *p, void *out, const void *in,
                const void *index, enum dtype index_dtype, int64_t n_index);

/* out (outer, inner): the place of the largest (smallest) element, of equals
 * the first (last). A NaN counts as what is looked for. */
void arg_run(const struct pick *p, int64_t *out, const void *in, bool smallest,
             bool last);

/* values, places (outer, k, inner): the k largest (smallest), best first, of
 * equals the first first; k <= n. `heap` has room for k; values or
 * places may be NULL. */
void top_k_run(const struct pick *p, void *values, int64_t *places,
               const void *in, int64_t k, bool smallest, int64_t *heap);

/* True if there are loops for the type. */
bool pick_has(enum dtype dtype);

#endif
