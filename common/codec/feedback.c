#include "codec/feedback.h"

#include <math.h>

static int check(const float *values, const float *residual, size_t n,
                 struct err *err)
{
    for (size_t i = 0; i < n; i++) {
        if (!isfinite(values[i] + residual[i])) {
            return err_set(err, EDGE_EINVAL, "value %zu of %zu is no number", i,
                           n);
        }
    }
    return 0;
}

int feedback_encode(const struct codec *codec, const float *values,
                    const struct shape *shape, float *residual, float *sent,
                    uint8_t *out, size_t *size, struct err *err)
{
    size_t n = (size_t)shape_count(shape);
    int rc = check(values, residual, n, err);

    if (rc < 0) {
        return rc;
    }
    for (size_t i = 0; i < n; i++) {
        residual[i] += values[i];
    }
    rc = codec_encode(codec, residual, shape, out, size);
    if (rc == 0) {
        rc = codec_decode(codec, out, *size, shape, sent, err);
    } else {
        rc = err_set(err, rc, "coded values: %s", err_text(rc));
    }
    for (size_t i = 0; rc == 0 && i < n; i++) {
        residual[i] -= sent[i];
    }
    return rc;
}
