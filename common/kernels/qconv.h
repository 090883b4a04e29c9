/*
 * Convolutions and matrix products of bytes, exact in 32 bits, whose sums go
 * out as they are or scaled back to bytes.
 */
#ifndef EDGE_KERNELS_QCONV_H
#define EDGE_KERNELS_QCONV_H

#include "kernels/conv.h"
#include "kernels/qgemm.h"

enum qout_kind { QOUT_I32, QOUT_U8, QOUT_I8 };

/* Where results go; arrays have one element for each output channel. Channel
 * c of position n is element c * channel + n * position. */
struct qout {
    enum qout_kind kind;
    void *data;
    size_t channel;
    size_t position;
    const int32_t *bias; /* added to the sum; NULL: none */
    const float *by;     /* the sum times this; not for QOUT_I32 */
    int32_t zero;        /* added after rounding; not for QOUT_I32 */
};

struct qconv {
    const struct isa *isa;
    struct conv_shape shape;
    bool by_taps;        /* depthwise: weights are used as they are */
    size_t packed_bytes; /* 0 if by_taps */
    size_t scratch_bytes;
};

void qconv_init(struct qconv *conv, const struct isa *isa,
                const struct conv_shape *shape);
/* w (cout, cin / groups, kernel...); zero (cout) by qgemm_zero(). */
void qconv_pack(const struct qconv *conv, const struct qgemm_bytes *w,
                const int16_t *zero, int8_t *packed);
/* `packed` is not looked at if by_taps, `w` is not otherwise. out->data is
 * that of the first image; w->zero does not count, `zero` does. */
void qconv_run(const struct qconv *conv, const struct qgemm_bytes *x,
               const struct qgemm_bytes *w, const int8_t *packed,
               const int16_t *zero, const struct qout *out, void *scratch);

/* out = x (rows, depth) * w (depth, cols), where a channel is a column of w;
 * packed by qgemm_pack() of w's transpose. */
struct qmatmul {
    const struct isa *isa;
    size_t rows;
    size_t cols;
    size_t depth;
};
size_t qmatmul_scratch_bytes(const struct qmatmul *m);
void qmatmul_run(const struct qmatmul *m, const struct qgemm_bytes *x,
                 const int8_t *packed, const int16_t *zero,
                 const struct qout *out, void *scratch);

#endif
