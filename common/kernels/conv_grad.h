/*
 * The gradient of a convolution's weights, in float32: a product of dy with
 * the im2col matrix of the input, over all images and positions.
 *
 * dw (cout, cin / groups, kernel...) is made transposed, rows (channel, tap)
 * of the im2col matrix as they lie by columns of dy in panels, since dy is
 * much the smaller of the two. An element is one chain of multiply-adds over
 * images, then positions, whatever the blocks (gemm_block.h).
 */
#ifndef EDGE_KERNELS_CONV_GRAD_H
#define EDGE_KERNELS_CONV_GRAD_H

#include "kernels/conv.h"
#include "kernels/planes.h"

struct conv_grad {
    const struct isa *isa;
    struct conv_shape shape; /* of the convolution */
    bool by_lanes;           /* many images: lanes.h */
    bool by_plane;           /* depthwise: sums over planes (planes.h) */
    struct planes planes;
    bool in_place; /* rows of the im2col matrix are x's own */
    size_t deep;   /* positions of a block */
    size_t pitch;  /* of its rows */
    size_t parts;  /* groups, or panels of outputs of the only one */
    size_t scratch_bytes;
};

void conv_grad_init(struct conv_grad *c, const struct isa *isa,
                    const struct conv_shape *shape);
/* x (batch, cin, in...), dy (batch, cout, out...); scratch is aligned. */
void conv_grad_run(const struct conv_grad *c, const float *x, const float *dy,
                   float *dw, void *scratch);
/* Parts [from, to) of `parts`, each of weights of its own. */
void conv_grad_run_part(const struct conv_grad *c, const float *x,
                        const float *dy, float *dw, void *scratch, size_t from,
                        size_t to);

#endif
