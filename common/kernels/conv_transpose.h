/*
 * Transposed convolution in float32: each input position adds its column,
 * a product of the weights with its channels, to the output's plane.
 *
 * The geometry is that of the convolution it transposes: grid.in is the
 * plane of y, grid.out that of x. An element of y is the sum of its columns'
 * elements in the order of the taps, then bias and the rest of the post. Where
 * a group has one input channel, or there are many images, the sum is one chain
 * of multiply-adds over channels, then taps.
 */
#ifndef EDGE_KERNELS_CONV_TRANSPOSE_H
#define EDGE_KERNELS_CONV_TRANSPOSE_H

#include "kernels/conv.h"
#include "kernels/planes.h"

struct conv_transpose {
    const struct isa *isa;
    struct conv_shape shape; /* cin and cout are those of x and y */
    size_t chunk;            /* output channels whose columns exist at once */
    bool by_lanes;           /* many images: lanes.h */
    bool by_plane;           /* depthwise: sums of rows (planes.h) */
    struct planes planes;
    size_t packed_floats;
    size_t scratch_bytes;
};

void conv_transpose_init(struct conv_transpose *conv, const struct isa *isa,
                         const struct conv_shape *shape);
/* w (cin, cout / groups, kernel...) */
void conv_transpose_pack(const struct conv_transpose *conv, const float *w,
                         float *packed);
void conv_transpose_run(const struct conv_transpose *conv, const float *x,
                        const float *packed, const struct post *post, float *y,
                        void *scratch);

#endif
