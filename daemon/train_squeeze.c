/*
 * Gradients between replicas in a codec, with error feedback. On the loop, a
 * piece of at most LIMIT_CHUNK at a time.
 *
 * What a codec leaves out of a step belongs to the sums of that step: it
 * counts when they are applied, not before. A step whose gradients are thrown
 * away (asked for again, or skipped as no number) leaves no trace, so nothing
 * is made good twice.
 *
 * A Step may be `whole`: then all goes as it is, what was left out before with
 * it. A checkpoint is made behind such a step, so that it need not know what
 * codecs left out on which board.
 *
 * A piece with a value that is no number goes as it is, so that the sum is none
 * either, everywhere, and the step is skipped by all.
 */
#include "daemon/train.h"

#include "base/mem.h"
#include "codec/coded.h"
#include "codec/feedback.h"

#include <math.h>
#include <string.h>

static struct shape list_of(size_t n)
{
    return shape_of(1, (int64_t[]){(int64_t)n});
}

int train_squeeze_open(const struct value_in *from, size_t n, float *to,
                       struct err *err)
{
    struct tensor t = {.dtype = DTYPE_F32, .shape = list_of(n), .data = to};

    return coded_open(from->codec, from->tensor.blob, &t, err);
}

static bool all_finite(const float *values, const float *more, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (!isfinite(values[i] + more[i])) {
            return false;
        }
    }
    return true;
}

/* All of it, and nothing is left. */
static int send_plain(float *values, float *residual, size_t n,
                      struct blob **coded, struct err *err)
{
    for (size_t i = 0; i < n; i++) {
        values[i] += residual[i];
        residual[i] = 0;
    }
    *coded = blob_copy(values, n * sizeof(float));
    return *coded != NULL
               ? 0
               : err_set(err, EDGE_ENOMEM, "no memory to send gradients");
}

int train_squeeze(struct train *t, size_t offset, struct blob *values,
                  struct blob **coded, uint32_t *codec, struct err *err)
{
    size_t n = values->size / sizeof(float);
    struct shape shape = list_of(n);
    float *x = (float *)(void *)values->data;
    float *residual = t->made->next_residual + offset;
    struct blob *out;
    size_t size = 0;
    int rc;

    *codec = 0;
    memcpy(residual, t->made->residual + offset, n * sizeof(float));
    if (t->work->is_whole || !all_finite(x, residual, n)) {
        return send_plain(x, residual, n, coded, err);
    }
    out = coded_room(&t->reduce, &shape);
    if (out == NULL) {
        return err_set(err, EDGE_ENOMEM, "no memory to send gradients");
    }
    rc = feedback_encode(&t->reduce, x, &shape, residual, x, out->data, &size,
                         err);
    if (rc == 0 && size < n * sizeof(float)) {
        out->size = size;
        *coded = out;
        *codec = codec_id(&t->reduce);
        return 0;
    }
    blob_unref(out);
    return rc < 0 ? rc : send_plain(x, residual, n, coded, err);
}

void train_squeeze_applied(struct train_made *made)
{
    float *kept = made->residual;

    made->residual = made->next_residual;
    made->next_residual = kept;
}
