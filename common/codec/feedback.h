/*
 * Error feedback: what a codec changes in one step is made good in the next
 * (Seide et al. 2014, "1-Bit Stochastic Gradient Descent"; Stich et al. 2018,
 * "Sparsified SGD with Memory"). The sender keeps a residual e, zero at first:
 * x + e is coded, and e becomes x + e less what the other end reads. So the
 * sum of all that was sent differs from the sum of all that was meant by the
 * last residual alone, however long it goes on.
 *
 * For gradients in an all-reduce, where what is sent is added up. Not for
 * activations: each is of another picture. Pure; any thread.
 */
#ifndef EDGE_CODEC_FEEDBACK_H
#define EDGE_CODEC_FEEDBACK_H

#include "codec/codec.h"

/* Codes values + residual into `out` (codec_room() bytes), *size of them;
 * `sent` is what the other end will decode, and may be `values`. `residual`
 * and `sent` have room for the shape. EDGE_EINVAL: a value is no number, which
 * a codec would hide; nothing was changed, and the step is to be skipped by
 * all. EDGE_ENOMEM: nothing can be sent, all of it is in the residual. */
int feedback_encode(const struct codec *codec, const float *values,
                    const struct shape *shape, float *residual, float *sent,
                    uint8_t *out, size_t *size, struct err *err);

#endif
