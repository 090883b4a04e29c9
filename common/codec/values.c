/* Values of one kind: as they are, halves, or quantized. */
#include "codec/inner.h"

#include "base/bytes.h"
#include "tensor/tensor.h"

#include <math.h>
#include <string.h>

struct codec_groups codec_groups_flat(size_t n)
{
    size_t count = n / CODEC_BLOCK;

    count = count > 0 ? count : n > 0;
    return (struct codec_groups){n, count > 0 ? (n + count - 1) / count : 1,
                                 count};
}

/* Blocks are whole channels, as few as hold CODEC_BLOCK values. */
static size_t block_size(size_t plane)
{
    size_t channels = plane > 0 ? (CODEC_BLOCK + plane - 1) / plane : 1;

    return channels * plane;
}

struct codec_groups codec_groups(const struct codec *codec,
                                 const struct shape *shape)
{
    size_t n = (size_t)shape_count(shape);
    size_t plane = 1;
    struct codec_groups g = {n, n, n > 0};

    for (int i = 2; i < shape->rank; i++) {
        plane *= (size_t)shape->dims[i];
    }
    if (codec->scale == CODEC_BY_CHANNEL && shape->rank >= 2) {
        g.size = plane;
    } else if (codec->scale == CODEC_BY_BLOCK) {
        g.size = block_size(plane);
    }
    if (n > 0) {
        g.size = g.size < n ? g.size : n;
        g.count = (n + g.size - 1) / g.size;
    }
    return g;
}

size_t values_room(const struct codec *codec, const struct codec_groups *g)
{
    switch (codec->kind) {
    case CODEC_FP32:
    case CODEC_BITS: return g->n * 4; /* at most */
    case CODEC_FP16: return g->n * 2;
    default: return quant_room(quant_bits(codec->kind), codec->runs, g);
    }
}

/* A value beyond half's range becomes the largest that has a half. */
static uint16_t to_half(float v)
{
    const float most = 65504;

    if (v != v) {
        return 0;
    }
    return tensor_float_to_half(v > most ? most : v < -most ? -most : v);
}

size_t values_encode(const struct codec *codec, const struct codec_groups *g,
                     const float *values, uint8_t *out)
{
    switch (codec->kind) {
    case CODEC_FP32: memcpy(out, values, g->n * 4); return g->n * 4;
    case CODEC_FP16:
        for (size_t i = 0; i < g->n; i++) {
            uint16_t half = to_half(values[i]);

            out[2 * i] = (uint8_t)half;
            out[2 * i + 1] = (uint8_t)(half >> 8);
        }
        return g->n * 2;
    case CODEC_BITS: return bits_encode(values, g->n, out);
    default:
        return quant_encode(quant_bits(codec->kind), codec->runs, g, values,
                            out);
    }
}

int values_decode(const struct codec *codec, const struct codec_groups *g,
                  const uint8_t *in, size_t size, float *values,
                  struct err *err)
{
    if (codec->kind == CODEC_BITS) {
        return bits_decode(in, size, values, g->n, err);
    }
    if (codec->kind != CODEC_FP32 && codec->kind != CODEC_FP16) {
        return quant_decode(quant_bits(codec->kind), codec->runs, g, in, size,
                            values, err);
    }
    if (size != values_room(codec, g)) {
        return err_set(err, EDGE_ECORRUPT,
                       "coded values: %zu bytes for %zu values", size, g->n);
    }
    if (codec->kind == CODEC_FP32) {
        memcpy(values, in, size);
        return 0;
    }
    for (size_t i = 0; i < g->n; i++) {
        values[i] = tensor_half_to_float(
            (uint16_t)(in[2 * i] | (unsigned)in[2 * i + 1] << 8));
    }
    return 0;
}
