/*
 * Values and gradients of a micro-batch in the codecs of their links, on the
 * compute strand. Forward a link's codec is part of what is trained; its
 * gradient is that of a link without one ("straight through"). What a sparse
 * codec left out had no influence: its gradient is 0 and does not travel, and
 * both ends know from what went forward which values those are (codec/back.h).
 * Unless the recipe takes leaving out for no change either: then all of the
 * gradient travels, and what was left out learns to be worth keeping.
 *
 * What is no number would be hidden by a codec. It goes as it is, so that the
 * step is skipped, as it would be without codecs.
 */
#include "daemon/train.h"

#include "base/mem.h"
#include "codec/back.h"
#include "codec/coded.h"

#include <math.h>
#include <string.h>

static bool all_finite(const struct tensor *t)
{
    const float *x = t->data;
    int64_t n = tensor_count(t);

    for (int64_t i = 0; i < n; i++) {
        if (!isfinite(x[i])) {
            return false;
        }
    }
    return true;
}

static struct shape shape_of_micro(const struct train_port *port,
                                   const struct micro *m)
{
    struct shape shape = port->shape;

    shape.dims[0] = m->samples;
    return shape;
}

/* ---- masks --------------------------------------------------------------- */

const struct train_mask *train_mask(const struct train *t,
                                    const struct micro *m, size_t link)
{
    static const struct train_mask all = {0};
    size_t coder = t->shard->links[link].coder;

    return coder > 0 ? &m->masks[coder - 1] : &all;
}

/* What a coded value kept, for the way back. */
static int keep_mask(const struct train *t, const struct codec *codec,
                     const struct blob *coded, const struct shape *shape,
                     struct train_mask *mask, struct err *err)
{
    size_t size = back_mask_size(codec, shape);
    int rc;

    if (size == 0 || t->recipe->straight) {
        return 0;
    }
    mask->haar = codec->haar;
    mask->marks = mem_zalloc(size, 1);
    rc = mask->marks != NULL
             ? back_mask(codec, coded->data, coded->size, shape, mask->marks,
                         err)
             : err_set(err, EDGE_ENOMEM, "no memory for a mask");
    if (rc < 0) {
        mem_free(mask->marks);
        mask->marks = NULL;
    }
    return rc;
}

/* How the kept ones of a gradient are written. */
static struct codec list_codec(const struct codec *back,
                               const struct train_mask *mask)
{
    struct codec codec = *back;

    codec.keep = 1;
    codec.haar = mask->haar;
    codec.scale = CODEC_BY_BLOCK;
    return codec;
}

uint32_t train_back_id(const struct codec *back, const struct train_mask *mask)
{
    struct codec list = list_codec(back, mask);

    return codec_id(mask->marks != NULL ? &list : back);
}

/* ---- forward ------------------------------------------------------------- */

static int open_input(struct train *t, struct micro *m, size_t port,
                      struct err *err)
{
    const struct value_in *from = &m->in[port];
    struct shape shape = shape_of_micro(&t->made->in[port], m);
    struct codec codec;
    int rc;

    if (from->codec == 0) {
        m->x[port] = tensor_ref(&from->tensor);
        return 0;
    }
    rc = tensor_init(&m->x[port], t->made->in[port].dtype, &shape);
    if (rc < 0) {
        return err_set(err, rc, "no memory for a value");
    }
    rc = coded_open(from->codec, from->tensor.blob, &m->x[port], err);
    if (rc == 0 && !t->work->evaluates &&
        codec_from_id(from->codec, &codec) == 0) {
        rc = keep_mask(t, &codec, from->tensor.blob, &shape,
                       &m->masks[t->shard->n_coders + port], err);
    }
    return rc;
}

int train_open_inputs(struct train *t, struct micro *m, struct err *err)
{
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < t->shard->n_inputs; i++) {
        if (m->x[i].data == NULL) {
            rc = open_input(t, m, i, err);
        }
    }
    return rc;
}

/* *coded stays NULL where it had better go as it is. */
static int close_value(const struct codec *codec, const struct tensor *t,
                       struct blob **coded, struct err *err)
{
    struct blob *blob;
    int rc;

    if (codec_is_plain(codec) || t->dtype != DTYPE_F32 || !all_finite(t)) {
        return 0;
    }
    blob = coded_room(codec, &t->shape);
    rc = blob != NULL ? coded_fill(codec, t, blob) : EDGE_ENOMEM;
    if (rc < 0) {
        blob_unref(blob);
        return err_set(err, rc, "no memory to code a value");
    }
    if (rc == 0) {
        blob_unref(blob);
        return 0;
    }
    *coded = blob;
    return 0;
}

/* As sparse as the link's, or not yet. Whoever opens it sees what was kept. */
static struct codec codec_now(const struct codec *link, double slack)
{
    struct codec codec = *link;

    if (codec.keep > 0) {
        codec.keep += (1 - codec.keep) * (float)slack;
    }
    return codec;
}

int train_close_outputs(struct train *t, struct micro *m, struct err *err)
{
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < t->shard->n_coders; i++) {
        const struct coder *coder = &t->shard->coders[i];
        const struct tensor *y = &m->y[coder->port];
        struct codec codec = codec_now(&coder->codec, t->work->slack);

        rc = close_value(&codec, y, &m->coded[i], err);
        if (rc == 0 && m->coded[i] != NULL && !t->work->evaluates) {
            rc =
                keep_mask(t, &codec, m->coded[i], &y->shape, &m->masks[i], err);
        }
    }
    return rc;
}

/* ---- backward ------------------------------------------------------------ */

int train_open_grad(struct train *t, struct micro *m, size_t link,
                    struct tensor *grad, struct err *err)
{
    const struct train_port *port = &t->made->out[t->shard->links[link].port];
    const struct value_in *from = &m->back[link];
    const struct train_mask *mask = train_mask(t, m, link);
    struct shape shape = shape_of_micro(port, m);
    struct codec codec;
    int rc;

    if (from->codec == 0) {
        *grad = tensor_ref(&from->tensor);
        return 0;
    }
    rc = tensor_init(grad, DTYPE_F32, &shape);
    if (rc < 0) {
        return err_set(err, rc, "no memory for a gradient");
    }
    if (mask->marks == NULL) {
        return coded_open(from->codec, from->tensor.blob, grad, err);
    }
    rc = codec_from_id(from->codec, &codec);
    return rc < 0 ? err_set(err, rc, "codec %u is not known here", from->codec)
                  : back_decode(&codec, from->tensor.blob->data,
                                from->tensor.blob->size, &shape, mask->marks,
                                grad->data, err);
}

static int encode_masked(const struct codec *codec, const uint8_t *marks,
                         const struct tensor *grad, struct blob **coded)
{
    size_t size = back_room(codec, &grad->shape, marks);
    struct blob *blob = blob_new(size > 0 ? size : 1);
    int rc = blob != NULL ? back_encode(codec, grad->data, &grad->shape, marks,
                                        blob->data, &size)
                          : EDGE_ENOMEM;

    if (rc < 0 || size == 0 || size >= tensor_bytes(grad)) {
        blob_unref(blob);
        return rc;
    }
    blob->size = size;
    *coded = blob;
    return 0;
}

/* As close_value(), but the kept ones alone: what had no influence is 0 also
 * where the gradient goes as it is. */
static int close_masked(const struct codec *back, const struct train_mask *mask,
                        struct tensor *grad, struct blob **coded,
                        struct err *err)
{
    struct codec codec = list_codec(back, mask);
    int rc = 0;

    if (all_finite(grad)) {
        rc = encode_masked(&codec, mask->marks, grad, coded);
    }
    if (rc == 0 && *coded == NULL) {
        rc = back_mask_out(&codec, &grad->shape, mask->marks, grad->data);
    }
    return rc < 0 ? err_set(err, rc, "no memory to code a gradient") : 0;
}

int train_close_grads(struct train *t, struct micro *m, struct err *err)
{
    size_t first = t->shard->n_coders;
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < t->recipe->n_sources; i++) {
        uint32_t port = t->recipe->sources[i]->port;
        const struct train_mask *mask = &m->masks[first + port];
        struct blob **coded = &m->coded[first + port];

        if (m->dx[port].data == NULL) {
            continue;
        }
        rc = mask->marks != NULL
                 ? close_masked(&t->back[i], mask, &m->dx[port], coded, err)
                 : close_value(&t->back[i], &m->dx[port], coded, err);
    }
    return rc;
}
