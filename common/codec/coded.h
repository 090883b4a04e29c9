/*
 * Tensors as links write them: the pure codecs of codec.h between tensors and
 * blobs. What is not float32, and what would not become shorter, travels as
 * it is; both ends tell the one from the other by the codec's number beside
 * it. Every function gives the same bytes on every kind of CPU.
 */
#ifndef EDGE_CODEC_CODED_H
#define EDGE_CODEC_CODED_H

#include "codec/codec.h"
#include "tensor/tensor.h"

/* A codec in the two numbers of a link: its id and, for sparse, how many of a
 * million values are kept. */
uint32_t coded_keep(const struct codec *codec);
int coded_from(uint32_t id, uint32_t keep, struct codec *codec);

/* False where what comes out is what went in, bit for bit. */
bool coded_is_lossy(const struct codec *codec);

/* Room for any tensor of at most this static shape; NULL: out of memory. */
struct blob *coded_room(const struct codec *codec, const struct shape *shape);
/* Fills `blob`, made by coded_room(), and sets its size. 1: done; 0: the
 * tensor had better travel as it is; EDGE_ENOMEM. */
int coded_fill(const struct codec *codec, const struct tensor *t,
               struct blob *blob);

/* True if a payload of `size` bytes may be a tensor of that shape in the codec
 * of that id, so that it is worth keeping. */
bool coded_may_be(uint32_t id, size_t size, const struct shape *shape);
/* `blob` into `t`, which has type, shape and room. Whatever the bytes are they
 * do no harm: EDGE_ECORRUPT, EDGE_EUNSUPPORTED, EDGE_ENOMEM. */
int coded_open(uint32_t id, const struct blob *blob, struct tensor *t,
               struct err *err);

/* What comes out at the other end of such a link, for who has only one end:
 * `t` is replaced, if it changes. */
int coded_pass(const struct codec *codec, struct tensor *t, size_t *bytes,
               struct err *err);

#endif
