/*
 * The layers of a coded tensor, innermost first: values (half.c, quant.c),
 * which of them (sparse.c), and what is around (pack.c).
 */
#ifndef EDGE_CODEC_INNER_H
#define EDGE_CODEC_INNER_H

#include "codec/codec.h"

struct codec_groups { /* values that share a step: `size` each but the last */
    size_t n;         /* values in all */
    size_t size;
    size_t count;
};
struct codec_groups codec_groups(const struct codec *codec,
                                 const struct shape *shape);
/* For values out of their order: blocks. */
struct codec_groups codec_groups_flat(size_t n);

/* values.c: any kind. Sizes are exact without runs, the most with them. */
size_t values_room(const struct codec *codec, const struct codec_groups *g);
size_t values_encode(const struct codec *codec, const struct codec_groups *g,
                     const float *values, uint8_t *out);
int values_decode(const struct codec *codec, const struct codec_groups *g,
                  const uint8_t *in, size_t size, float *values,
                  struct err *err);

/* Symbols of 8, 4 or 2 bits, none of which is in two bytes, the first in the
 * low bits of a byte; they are put into zeroes. */
static inline void symbol_put(uint8_t *packed, unsigned bits, size_t at,
                              unsigned q)
{
    size_t bit = at * bits;

    packed[bit / 8] = (uint8_t)(packed[bit / 8] | q << (bit % 8));
}

static inline unsigned symbol_get(const uint8_t *packed, unsigned bits,
                                  size_t at)
{
    size_t bit = at * bits;

    return (unsigned)packed[bit / 8] >> (bit % 8) & ((1u << bits) - 1);
}

/* bits.c: signs. */
size_t bits_encode(const float *values, size_t n, uint8_t *out);
int bits_decode(const uint8_t *in, size_t size, float *values, size_t n,
                struct err *err);

/* quant.c: bits 16, 12, 10, 8, 6, 4 or 2. */
unsigned quant_bits(enum codec_kind kind);
size_t quant_room(unsigned bits, bool runs, const struct codec_groups *g);
size_t quant_encode(unsigned bits, bool runs, const struct codec_groups *g,
                    const float *values, uint8_t *out);
int quant_decode(unsigned bits, bool runs, const struct codec_groups *g,
                 const uint8_t *in, size_t size, float *values,
                 struct err *err);

/* runs.c: shortens `*size` bytes of packed symbols in place; 1 if it did, 0
 * if it would not help. */
uint8_t runs_shorten(unsigned bits, uint8_t *packed, size_t *size);
/* Makes them `want` bytes again, in memory for runs_close(). */
int runs_open(unsigned bits, const uint8_t *in, size_t n, size_t want,
              uint8_t **packed, struct err *err);
void runs_close(uint8_t *packed);

/* codec.c: what is inside of zstd. *in and *size are moved there; *inner is
 * for mem_free() after a success, and NULL where there is no zstd. */
int codec_unwrap(const struct codec *codec, const uint8_t **in, size_t *size,
                 const struct shape *shape, uint8_t **inner, struct err *err);

/* haar.c: maps of the last two axes as their orthonormal Haar wavelets, for
 * mem_free() or NULL, and in place back to what they were, 0 or EDGE_ENOMEM.
 * Below three axes there is nothing to do. */
float *haar_of(const float *values, const struct shape *shape);
/* By what those to be kept are chosen: sums times 2, sums of sums times 4, and
 * so on. What comes behind a link adds up over areas (convolutions, pools), so
 * a wavelet matters by its area, too. For mem_free() or NULL. */
float *haar_weighed(const float *waves, const struct shape *shape);
int haar_undo(float *waves, const struct shape *shape);

/* sparse.c; a mask has one bit for each value, the first in the low bit. */
size_t sparse_count(const uint8_t *mask, size_t n);
void sparse_pick(const uint8_t *mask, const float *values, size_t n,
                 float *kept);
void sparse_spread(const uint8_t *mask, const float *kept, float *values,
                   size_t n);
/* The mask of what sparse_encode() wrote. */
int sparse_mask(const uint8_t *in, size_t size, size_t n, uint8_t *mask,
                struct err *err);
size_t sparse_room(const struct codec *codec, const struct shape *shape);
int sparse_encode(const struct codec *codec, const float *values,
                  const struct shape *shape, uint8_t *out, size_t *size);
int sparse_decode(const struct codec *codec, const uint8_t *in, size_t size,
                  const struct shape *shape, float *values, struct err *err);

/* zstd.c: `unit` bytes a value, for the shuffle that puts like bytes
 * together (0: none). */
size_t zstd_room(size_t size);
int zstd_encode(const uint8_t *in, size_t n, size_t unit, uint8_t *out,
                size_t *size);
/* Into at most `room` bytes, *size of them. */
int zstd_decode(const uint8_t *in, size_t n, size_t unit, uint8_t *out,
                size_t room, size_t *size, struct err *err);

#endif
