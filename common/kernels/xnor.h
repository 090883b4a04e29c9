/*
 * Products of values and weights that are all -1, 0 or 1, by bits: of each
 * whether it is not 0, and whether it is negative. A product of k of them is
 * how many are there in both, less twice how many of these differ in sign
 * (Rastegari et al. 2016, "XNOR-Net", section 3.1; with zeros, as padding and
 * absent views are). Sums of that kind are exact in float32 up to 2^24, so this
 * gives the bits that a float kernel gives.
 *
 * Bits of a row: `words` words of what is there, then as many of what is
 * negative.
 */
#ifndef EDGE_KERNELS_XNOR_H
#define EDGE_KERNELS_XNOR_H

#include "kernels/grid.h"
#include "kernels/isa.h"

#include <stdbool.h>
#include <stdint.h>

static inline size_t xnor_words(size_t k)
{
    return (k + 63) / 64;
}

/* False: one of the n values is none of the three. `bits` has room for
 * 2 * xnor_words(n). */
bool xnor_pack(const float *x, size_t n, uint64_t *bits);

/* y (n, rows) from x (n, k) and packed weights of `rows` rows. `scratch` has
 * room for one row's bits. False: x has other values, and y is undefined. */
bool xnor_dense(const struct isa *isa, const float *x, size_t n, size_t k,
                const uint64_t *weights, size_t rows, float *y,
                uint64_t *scratch);

struct xnor_conv { /* of one group */
    struct grid grid;
    size_t cin;
    size_t cout;
};

/* Words of packed weights, and of scratch. */
size_t xnor_conv_packed(const struct xnor_conv *conv);
size_t xnor_conv_scratch(const struct xnor_conv *conv);
/* w (cout, cin, kernel...). False: it has other values. */
bool xnor_conv_pack(const struct xnor_conv *conv, const float *w,
                    uint64_t *packed);
/* y (cout, out...) from one image x (cin, in...). */
bool xnor_conv_run(const struct isa *isa, const struct xnor_conv *conv,
                   const float *x, const uint64_t *packed, float *y,
                   uint64_t *scratch);

#endif
