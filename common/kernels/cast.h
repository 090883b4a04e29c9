/*
 * From one element type to another. Floats are cut off towards zero, then
 * integers keep their low bits; numbers beyond 64 bits become the nearest one
 * there is, NaN becomes 0.
 */
#ifndef EDGE_KERNELS_CAST_H
#define EDGE_KERNELS_CAST_H

#include "tensor/shape.h"

void cast_run(void *out, enum dtype to, const void *in, enum dtype from,
              size_t n);

#endif
