/*
 * A coded link in training. Forward it carries activations in its codec;
 * backward the gradient of what arrived goes the other way in the same codec,
 * with steps of its own: rounding counts as no change ("straight through").
 * What a sparse codec left out had no influence, so its gradient is 0, and
 * both ends know which values those are from what went forward, the mask.
 * Only the gradients of the kept ones travel, without marks. If it left out
 * wavelets, it is theirs that are 0: they are orthonormal, so the gradient of
 * what is kept of them is what is kept of the gradient's own.
 *
 * The mask is the caller's, one bit for each value, the first in the low bit
 * of a byte; it is kept from forward to backward, as the activations are.
 * Pure functions, for any thread.
 */
#ifndef EDGE_CODEC_BACK_H
#define EDGE_CODEC_BACK_H

#include "codec/codec.h"

/* Bytes of the mask of a tensor; 0: this codec keeps all values. */
size_t back_mask_size(const struct codec *codec, const struct shape *shape);
/* The mask of what codec_encode() wrote. EDGE_ECORRUPT as in codec_decode(),
 * EDGE_ENOMEM. Not for a codec that keeps all. */
int back_mask(const struct codec *codec, const uint8_t *in, size_t size,
              const struct shape *shape, uint8_t *mask, struct err *err);

/* `mask` is NULL where the codec keeps all, or where the activations went as
 * they are because they would not have become shorter (coded.h). With one,
 * `codec` has the `haar` of the codec that made it. */
size_t back_room(const struct codec *codec, const struct shape *shape,
                 const uint8_t *mask);
/* *size is what was written, at most back_room(). 0 or EDGE_ENOMEM. */
int back_encode(const struct codec *codec, const float *grads,
                const struct shape *shape, const uint8_t *mask, uint8_t *out,
                size_t *size);
/* Zeroes where the mask has none. Bytes may come from anywhere. */
int back_decode(const struct codec *codec, const uint8_t *in, size_t size,
                const struct shape *shape, const uint8_t *mask, float *grads,
                struct err *err);
/* What back_decode() makes of back_encode() if nothing is rounded, in place.
 * `mask` is not NULL. 0 or EDGE_ENOMEM. */
int back_mask_out(const struct codec *codec, const struct shape *shape,
                  const uint8_t *mask, float *grads);

#endif
