#include "codec/coded.h"

#include <math.h>

#define KEEP_ALL 1000000u

uint32_t coded_keep(const struct codec *codec)
{
    return (uint32_t)lround((double)codec->keep * KEEP_ALL);
}

int coded_from(uint32_t id, uint32_t keep, struct codec *codec)
{
    struct codec c;
    int rc = codec_from_id(id, &c);

    if (rc < 0 || keep > KEEP_ALL || (c.keep > 0) != (keep > 0)) {
        return EDGE_EUNSUPPORTED;
    }
    c.keep = (float)((double)keep / KEEP_ALL);
    *codec = c;
    return 0;
}

bool coded_is_lossy(const struct codec *codec)
{
    return (codec->kind != CODEC_FP32 && codec->kind != CODEC_BITS) ||
           codec->keep > 0;
}

struct blob *coded_room(const struct codec *codec, const struct shape *shape)
{
    size_t size = codec_room(codec, shape);

    return blob_new(size > 0 ? size : 1);
}

int coded_fill(const struct codec *codec, const struct tensor *t,
               struct blob *blob)
{
    size_t size = 0;
    int rc;

    if (t->dtype != DTYPE_F32 || tensor_count(t) == 0) {
        return 0;
    }
    rc = codec_encode(codec, t->data, &t->shape, blob->data, &size);
    if (rc < 0) {
        return rc;
    }
    blob->size = size;
    return size < tensor_bytes(t);
}

bool coded_may_be(uint32_t id, size_t size, const struct shape *shape)
{
    struct codec codec;
    size_t bytes;

    /* What is not shorter travels as it is. */
    return codec_from_id(id, &codec) == 0 && !codec_is_plain(&codec) &&
           shape_bytes(shape, DTYPE_F32, &bytes) && size > 0 && size < bytes;
}

int coded_open(uint32_t id, const struct blob *blob, struct tensor *t,
               struct err *err)
{
    struct codec codec;
    int rc = codec_from_id(id, &codec);

    if (rc < 0) {
        return err_set(err, rc, "codec %u is not known here", id);
    }
    if (t->dtype != DTYPE_F32) {
        return err_set(err, EDGE_ECORRUPT, "coded values are not float32");
    }
    return codec_decode(&codec, blob->data, blob->size, &t->shape, t->data,
                        err);
}

int coded_pass(const struct codec *codec, struct tensor *t, size_t *bytes,
               struct err *err)
{
    struct tensor out = {0};
    struct blob *blob;
    int rc;

    *bytes = tensor_bytes(t);
    if (codec_is_plain(codec) || t->dtype != DTYPE_F32) {
        return 0;
    }
    blob = coded_room(codec, &t->shape);
    rc = blob == NULL ? EDGE_ENOMEM : coded_fill(codec, t, blob);
    if (rc <= 0) {
        blob_unref(blob);
        return rc < 0 ? err_set(err, rc, "out of memory") : 0;
    }
    *bytes = blob->size;
    rc = tensor_init(&out, t->dtype, &t->shape);
    if (rc < 0) {
        (void)err_set(err, rc, "out of memory");
    } else {
        rc = coded_open(codec_id(codec), blob, &out, err);
    }
    blob_unref(blob);
    if (rc < 0) {
        tensor_deinit(&out);
        return rc;
    }
    tensor_deinit(t);
    *t = out;
    return 0;
}
