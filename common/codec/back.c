#include "codec/back.h"

#include "base/mem.h"
#include "codec/inner.h"

#include <string.h>

/* How the kept values are written: as a list. */
static struct codec dense_of(const struct codec *codec)
{
    struct codec dense = *codec;

    dense.keep = 0;
    dense.haar = false;
    return dense;
}

static struct shape list_of(size_t n)
{
    return shape_of(1, (int64_t[]){(int64_t)n});
}

static size_t count_of(const struct shape *shape)
{
    return (size_t)shape_count(shape);
}

size_t back_mask_size(const struct codec *codec, const struct shape *shape)
{
    return codec->keep > 0 ? (count_of(shape) + 7) / 8 : 0;
}

int back_mask(const struct codec *codec, const uint8_t *in, size_t size,
              const struct shape *shape, uint8_t *mask, struct err *err)
{
    uint8_t *inner;
    int rc = codec_unwrap(codec, &in, &size, shape, &inner, err);

    if (rc == 0) {
        rc = sparse_mask(in, size, count_of(shape), mask, err);
        mem_free(inner);
    }
    return rc;
}

size_t back_room(const struct codec *codec, const struct shape *shape,
                 const uint8_t *mask)
{
    struct codec dense = dense_of(codec);
    struct shape list;

    if (mask == NULL) {
        return codec_room(&dense, shape);
    }
    list = list_of(sparse_count(mask, count_of(shape)));
    return codec_room(&dense, &list);
}

/* The kept ones of `grads` as a list. */
static int encode_list(const struct codec *codec, const float *grads, size_t n,
                       const uint8_t *mask, uint8_t *out, size_t *size)
{
    struct codec dense = dense_of(codec);
    size_t k = sparse_count(mask, n);
    struct shape list = list_of(k);
    float *kept = mem_zalloc(k > 0 ? k : 1, sizeof(*kept));
    int rc;

    if (kept == NULL) {
        return EDGE_ENOMEM;
    }
    sparse_pick(mask, grads, n, kept);
    rc = codec_encode(&dense, kept, &list, out, size);
    mem_free(kept);
    return rc;
}

int back_encode(const struct codec *codec, const float *grads,
                const struct shape *shape, const uint8_t *mask, uint8_t *out,
                size_t *size)
{
    struct codec dense = dense_of(codec);
    size_t n = count_of(shape);
    float *waves;
    int rc;

    if (mask == NULL) {
        return codec_encode(&dense, grads, shape, out, size);
    }
    if (!codec->haar) {
        return encode_list(codec, grads, n, mask, out, size);
    }
    waves = haar_of(grads, shape);
    if (waves == NULL) {
        return EDGE_ENOMEM;
    }
    rc = encode_list(codec, waves, n, mask, out, size);
    mem_free(waves);
    return rc;
}

int back_decode(const struct codec *codec, const uint8_t *in, size_t size,
                const struct shape *shape, const uint8_t *mask, float *grads,
                struct err *err)
{
    struct codec dense = dense_of(codec);
    size_t n = count_of(shape);
    struct shape list;
    float *kept;
    size_t k;
    int rc;

    if (mask == NULL) {
        return codec_decode(&dense, in, size, shape, grads, err);
    }
    k = sparse_count(mask, n);
    list = list_of(k);
    kept = mem_zalloc(k > 0 ? k : 1, sizeof(*kept));
    if (kept == NULL) {
        return err_set(err, EDGE_ENOMEM, "coded values: out of memory");
    }
    rc = codec_decode(&dense, in, size, &list, kept, err);
    if (rc == 0) {
        sparse_spread(mask, kept, grads, n);
    }
    mem_free(kept);
    if (rc == 0 && codec->haar && haar_undo(grads, shape) < 0) {
        rc = err_set(err, EDGE_ENOMEM, "coded values: out of memory");
    }
    return rc;
}

int back_mask_out(const struct codec *codec, const struct shape *shape,
                  const uint8_t *mask, float *grads)
{
    size_t n = count_of(shape);
    float *waves = codec->haar ? haar_of(grads, shape) : grads;

    if (waves == NULL) {
        return EDGE_ENOMEM;
    }
    for (size_t i = 0; i < n; i++) {
        grads[i] = (mask[i / 8] >> (i % 8) & 1) != 0 ? waves[i] : 0;
    }
    if (!codec->haar) {
        return 0;
    }
    mem_free(waves);
    return haar_undo(grads, shape);
}
