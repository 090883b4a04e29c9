/*
 * An array made larger (or smaller) at its ends: out[i] = in[map(i)], where
 * what lies beyond the ends is a constant, the nearest element, or the
 * elements mirrored at the last one.
 */
#ifndef EDGE_KERNELS_PAD_H
#define EDGE_KERNELS_PAD_H

#include "tensor/shape.h"

enum pad_mode { PAD_CONSTANT, PAD_EDGE, PAD_REFLECT };

struct pad {
    enum pad_mode mode;
    size_t size; /* bytes of an element */
    struct shape in;
    struct shape out;
    int64_t begin[LIMIT_RANK]; /* elements before; < 0: taken away */
};

/* `value`: one element, for PAD_CONSTANT. */
void pad_run(const struct pad *pad, void *out, const void *in,
             const void *value);

#endif
