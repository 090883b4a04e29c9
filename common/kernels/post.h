/*
 * What follows a product in the same pass: out = act(product + bias +
 * residual), in that order, each rounded to float as if it were an op of its
 * own. So a fused op gives the bits that separate ones would.
 */
#ifndef EDGE_KERNELS_POST_H
#define EDGE_KERNELS_POST_H

#include <stdbool.h>

struct post {
    const float *bias;     /* one for each output channel; NULL: none */
    const float *residual; /* laid out like the output; NULL: none */
    bool leaky;            /* x < 0 ? slope * x : x, and no bounds */
    float slope;
    float low; /* x < low ? low : x; -INFINITY: unbounded */
    float high;
};

#define POST_NONE                                          \
    {                                                      \
        .low = -__builtin_inff(), .high = __builtin_inff() \
    }

#endif
