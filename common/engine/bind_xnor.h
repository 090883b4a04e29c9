/*
 * Binary layers beside the float kernels of Conv and Gemm: where constant
 * weights are all -1, 0 or 1, a step has them as bits too (kernels/xnor.h) and
 * tries these first. What comes decides: values of other kinds, such as a
 * picture, are seen at the first of them, and the float kernel runs.
 */
#ifndef EDGE_ENGINE_BIND_XNOR_H
#define EDGE_ENGINE_BIND_XNOR_H

#include "engine/bind_heavy.h"
#include "kernels/xnor.h"

struct bits_state {
    bool has; /* weights are such */
    bool is_conv;
    struct xnor_conv conv;
    size_t rows; /* of a dense layer */
    size_t depth;
    uint64_t *weights; /* for mem_free() */
    size_t weight_bytes;
};

/* Of a convolution (groups 1), or of a dense layer with b (rows, depth) as
 * strides have it. EDGE_ENOMEM; bits->has says whether they are of use. */
int bits_of_conv(struct bits_state *bits, const struct xnor_conv *conv,
                 const float *w);
int bits_of_dense(struct bits_state *bits, const float *b, size_t rows,
                  size_t depth, size_t b_row, size_t b_step);
void bits_deinit(struct bits_state *bits);
/* Bytes of scratch that a call wants. */
size_t bits_scratch(const struct bits_state *bits);

#endif
