/*
 * Convolution in float32, NCHW, 1 to 3 dimensions, with groups.
 *
 * conv_init() chooses how from the shape alone; every way adds up the taps of
 * an output in the order (channel, depth, height, width), so all of them give
 * the same bits (gemm_block.h). Weights are packed once, or used as they are.
 */
#ifndef EDGE_KERNELS_CONV_H
#define EDGE_KERNELS_CONV_H

#include "kernels/isa.h"
#include "kernels/narrow.h"
#include "kernels/post.h"
#include "kernels/taps.h"
#include "kernels/grid.h"

struct conv_shape {
    struct grid grid;
    size_t batch;
    size_t groups;
    size_t cin; /* of all groups */
    size_t cout;
};

enum conv_method {
    CONV_POINT,    /* 1x1: a product with the input as it lies */
    CONV_COLUMNS,  /* a product with pieces of the im2col matrix */
    CONV_LANES,    /* a window over many images: lanes.h */
    CONV_DENSE,    /* one output position: a dense layer */
    CONV_DEPTHWISE /* one input channel a group: taps.h */
};

struct conv {
    const struct isa *isa;
    struct conv_shape shape;
    enum conv_method method;
    size_t packed_floats; /* 0: weights are used as they are */
    size_t narrow_bytes;  /* not 0: weights stay bytes (narrow.h) */
    size_t scratch_bytes;
    struct taps taps; /* CONV_DEPTHWISE */
};

void conv_init(struct conv *conv, const struct isa *isa,
               const struct conv_shape *shape);
/* Has weights stay bytes, once, before they are packed. False: this method
 * uses weights as they are, which must be floats. */
bool conv_keep_narrow(struct conv *conv);
/* w (cout, cin / groups, kernel...) */
void conv_pack(const struct conv *conv, const float *w, float *packed);
/* The same of a conv with narrow_bytes; `packed` has that many. */
void conv_pack_narrow(const struct conv *conv, const struct narrow_weights *w,
                      void *packed);
/* y (batch, cout, out...) from x (batch, cin, in...); `weights` is packed, or
 * w where packed_floats is 0. Scratch is aligned for any type. */
void conv_run(const struct conv *conv, const float *x, const void *weights,
              const struct post *post, float *y, void *scratch);
const char *conv_method_name(enum conv_method method);

#endif
