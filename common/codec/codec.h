/*
 * How a link writes values: shorter than float32, with a bound on what that
 * changes. A pair of pure functions for each form; loop thread or strand.
 *
 *   fp32 fp16             as they are, or rounded to half
 *   q16 q12 q10 q8 q6 q4 q2
 *                         min + q * step, q packed in so many bits; a step
 *                         for each block of channels (at least CODEC_BLOCK
 *                         values), for the tensor, or for each channel: q8,
 *                         q8/tensor, q8/channel
 *   bits                  what Sign makes: -1 and +1 in a bit, with 0 in two;
 *                         other values as they are. Changes none
 *   +runs                 runs of the smallest value counted (q8, q4): after
 *                         a Relu that is zero
 *   sparse:10%            the tenth of each sample's values that is largest,
 *                         the others 0; +fp16, +q8, ... for how those are
 *                         written
 *   sparse:10%/haar       the same of the values' Haar wavelets, in which what
 *                         is alike side by side takes few; those that cover
 *                         more count for more
 *   +zstd                 all of it through zstd
 *
 * Values are float32; other types travel as they are. NaN and infinities have
 * no place in a quantized form: they become the nearest value that has.
 */
#ifndef EDGE_CODEC_CODEC_H
#define EDGE_CODEC_CODEC_H

#include "base/err.h"
#include "tensor/shape.h"

#include <stdbool.h>

#define CODEC_BLOCK                                                       \
    1024              /* so that steps cost less than a byte in a hundred \
                       */
#define CODEC_TEXT 48 /* room for codec_text() */

/* Their numbers travel: new ones come last. */
enum codec_kind {
    CODEC_FP32,
    CODEC_FP16,
    CODEC_Q8,
    CODEC_Q4,
    CODEC_Q2,
    CODEC_Q16,
    CODEC_Q12,
    CODEC_Q10,
    CODEC_Q6,
    CODEC_BITS
};
enum codec_scale { CODEC_BY_BLOCK, CODEC_BY_TENSOR, CODEC_BY_CHANNEL };

struct codec { /* zeroed: fp32, as they are */
    enum codec_kind kind;
    enum codec_scale scale;
    bool runs;
    bool zstd;
    bool haar;  /* sparse in wavelets */
    float keep; /* share of the values; 0: all of them */
};

/* As above, or EDGE_EINVAL with what is wrong. */
int codec_parse(const char *text, struct codec *codec, struct err *err);
const char *codec_text(const struct codec *codec, char text[CODEC_TEXT]);
/* What the other end must know to decode (not how much was kept). */
uint32_t codec_id(const struct codec *codec);
int codec_from_id(uint32_t id, struct codec *codec); /* EDGE_EUNSUPPORTED */
bool codec_is_plain(const struct codec *codec);

/* The most bytes that codec_encode() writes for this static shape. */
size_t codec_room(const struct codec *codec, const struct shape *shape);

/* `values` row-major; channels are axis 1. *size is what was written. 0 or
 * EDGE_ENOMEM. */
int codec_encode(const struct codec *codec, const float *values,
                 const struct shape *shape, uint8_t *out, size_t *size);

/* Every length, count and offset in `in` is checked: it may come from
 * anywhere. EDGE_ECORRUPT says which was wrong. */
int codec_decode(const struct codec *codec, const uint8_t *in, size_t size,
                 const struct shape *shape, float *values, struct err *err);

/* The most that a value of a tensor between `least` and `most` changes:
 * half a step of q*, half a unit in the last place of fp16 (within its range).
 * Of sparse: of those that are kept; the others change by themselves. */
double codec_error(const struct codec *codec, double least, double most);

#endif
