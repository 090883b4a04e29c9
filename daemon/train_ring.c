/*
 * Gradients of the replicas of a shard and the sums of their batch statistics,
 * or what became of their parameters, added up around a ring: reduce-scatter,
 * then all-gather (Patarasuk and Yuan 2009, "Bandwidth optimal all-reduce
 * algorithms"), piece by piece, each of which goes on as soon as it is here.
 * Part k of P begins at replica k and is added to in the order of the ring, so
 * each element is summed once, on one board, in one order; the others copy it,
 * and all end with the same bits.
 *
 * In a codec each board codes each element once: on its way to being summed,
 * or, where the sum ends, as the result, which that board reads from the coded
 * bytes like all others do. So what a board left out of an element has one
 * place, and is put to what it sends of it in the next step (feedback.h).
 */
#include "daemon/train.h"

#include "base/mem.h"
#include "codec/codec.h"

#include <string.h>

static size_t part_begin(const struct train *t, size_t n, size_t part)
{
    return (size_t)((uint64_t)n * part / t->n_replicas);
}

static size_t n_rounds(const struct train *t)
{
    return 2 * t->n_replicas - 2;
}

/* What comes to this replica in that round. */
static size_t part_of(const struct train *t, size_t round)
{
    return (t->replica + 3 * t->n_replicas - 1 - round) % t->n_replicas;
}

static const char *neighbour(const struct train *t, size_t by)
{
    const Edged__Place *place = t->places[t->recipe->stage];

    return place->nodes[(t->replica + by) % t->n_replicas];
}

static void post_piece(struct train *t, const struct ring_array *a,
                       size_t round, size_t offset, size_t n, struct blob *blob,
                       uint32_t codec)
{
    struct train_result *r = &t->work->result;
    struct post post = {.to = neighbour(t, 1),
                        .is_reduce = true,
                        .shard = t->shard->id,
                        .step = t->work->step,
                        .micro = (uint32_t)round,
                        .offset = offset,
                        .dtype = a->dtype,
                        .shape = {.rank = 1, .dims = {(int64_t)n}},
                        .codec = codec,
                        .blob = blob};

    r->sent += blob->size;
    r->plain += n * dtype_size(a->dtype);
    r->reduced += blob->size;
    r->reduced_plain += n * dtype_size(a->dtype);
    train_post(t, &post);
}

/* `values` of the array from `offset` on go out in that round, and become what
 * they are read as there. */
static int send_values(struct train *t, const struct ring_array *a,
                       size_t round, size_t offset, size_t n,
                       struct blob *values, struct err *err)
{
    struct blob *out = NULL;
    uint32_t codec = 0;
    int rc = 0;

    if (t->work->phase == WORK_RING && a->dtype == DTYPE_F32 &&
        !codec_is_plain(&t->reduce)) {
        rc = train_squeeze(t, offset, values, &out, &codec, err);
    } else {
        out = blob_ref(values);
    }
    if (rc == 0 && round == t->n_replicas - 1) {
        size_t size = dtype_size(a->dtype);

        memcpy(a->data + offset * size, values->data, n * size);
    }
    if (rc == 0) {
        post_piece(t, a, round, offset, n, out, codec);
    }
    return rc;
}

/* This replica's own part sets out. */
static int send_first(struct train *t, const struct ring_array *a,
                      struct err *err)
{
    size_t size = dtype_size(a->dtype);
    size_t at = part_begin(t, a->n, t->replica);
    size_t end = part_begin(t, a->n, t->replica + 1);

    while (at < end && t->broken == 0) {
        size_t n =
            end - at < LIMIT_CHUNK / size ? end - at : LIMIT_CHUNK / size;
        struct blob *blob = blob_copy(a->data + at * size, n * size);

        int rc = blob != NULL
                     ? send_values(t, a, 0, at, n, blob, err)
                     : err_set(err, EDGE_ENOMEM, "no memory to send gradients");

        blob_unref(blob);
        if (rc < 0) {
            return rc;
        }
        at += n;
    }
    return 0;
}

static int init_array(const struct train *t, struct ring *ring,
                      struct ring_array *a, enum dtype dtype, void *data,
                      size_t n)
{
    *a = (struct ring_array){.dtype = dtype, .data = data, .n = n};
    a->at = mem_array(size_t, n_rounds(t));
    if (a->at == NULL) {
        return EDGE_ENOMEM;
    }
    for (size_t i = 0; i < n_rounds(t); i++) {
        size_t part = part_of(t, i);

        a->at[i] = part_begin(t, n, part);
        ring->left += part_begin(t, n, part + 1) - a->at[i];
    }
    return 0;
}

static int init_arrays(struct train *t)
{
    struct ring *ring = &t->work->ring;
    const struct params *p = step_params(t->made->step);
    size_t n_sums = 0;
    double *sums = step_sums(t->made->step, &n_sums);
    int rc;

    if (t->work->phase == WORK_MEAN) {
        return init_array(t, ring, &ring->arrays[0], DTYPE_F32,
                          t->made->changes, t->made->n_agreed);
    }
    rc = init_array(t, ring, &ring->arrays[0], DTYPE_F32, p->grads, p->n);
    return rc < 0
               ? rc
               : init_array(t, ring, &ring->arrays[1], DTYPE_F64, sums, n_sums);
}

int train_ring_begin(struct train *t, struct err *err)
{
    struct ring *ring = &t->work->ring;
    int rc = init_arrays(t);

    if (rc < 0) {
        return err_set(err, rc, "no memory to add up gradients");
    }
    for (size_t i = 0; rc == 0 && t->broken == 0 && i < RING_ARRAYS; i++) {
        rc = send_first(t, &ring->arrays[i], err);
    }
    return rc;
}

void train_ring_free(struct ring *ring)
{
    for (size_t i = 0; i < RING_ARRAYS; i++) {
        mem_free(ring->arrays[i].at);
        ring->arrays[i].at = NULL;
    }
}

/* ---- a piece comes ------------------------------------------------------- */

static struct ring_array *array_of(struct ring *ring, enum dtype dtype)
{
    for (size_t i = 0; i < RING_ARRAYS; i++) {
        if (ring->arrays[i].at != NULL && ring->arrays[i].dtype == dtype) {
            return &ring->arrays[i];
        }
    }
    return NULL;
}

static void add(enum dtype dtype, const void *a, const void *b, void *sum,
                size_t n)
{
    for (size_t i = 0; dtype == DTYPE_F32 && i < n; i++) {
        ((float *)sum)[i] = ((const float *)a)[i] + ((const float *)b)[i];
    }
    for (size_t i = 0; dtype == DTYPE_F64 && i < n; i++) {
        ((double *)sum)[i] = ((const double *)a)[i] + ((const double *)b)[i];
    }
}

/* What came, out of its coded form if it has one. */
static int open_piece(const struct ring_array *a, const struct early *f,
                      size_t n, void *to, struct err *err)
{
    if (f->value.codec != 0) {
        return train_squeeze_open(f, n, to, err);
    }
    memcpy(to, f->value.tensor.data, n * dtype_size(a->dtype));
    return 0;
}

/* Adds what this replica has, and sends the sum on. */
static int take_sum(struct train *t, const struct ring_array *a,
                    const struct early *f, size_t n, struct err *err)
{
    size_t size = dtype_size(a->dtype);
    struct blob *sum = blob_new(n * size);
    int rc = sum != NULL
                 ? open_piece(a, f, n, sum->data, err)
                 : err_set(err, EDGE_ENOMEM, "no memory to add up gradients");

    if (rc == 0) {
        add(a->dtype, sum->data, a->data + f->offset * size, sum->data, n);
        rc = send_values(t, a, f->micro + 1, f->offset, n, sum, err);
    }
    blob_unref(sum);
    return rc;
}

/* A result is copied, and goes on as it came. */
static int take_result(struct train *t, const struct ring_array *a,
                       const struct early *f, size_t n, struct err *err)
{
    size_t size = dtype_size(a->dtype);
    int rc = open_piece(a, f, n, a->data + f->offset * size, err);

    if (rc == 0 && f->micro + 1 < n_rounds(t)) {
        post_piece(t, a, f->micro + 1, f->offset, n,
                   blob_ref(f->value.tensor.blob), f->value.codec);
    }
    return rc;
}

/* It must go on where the last one of its round ended. */
static bool is_next(const struct train *t, const struct ring_array *a,
                    const struct early *f, size_t n)
{
    size_t end = part_begin(t, a->n, part_of(t, f->micro) + 1);

    return (f->value.codec == 0 || f->value.codec == codec_id(&t->reduce)) &&
           f->value.tensor.shape.rank == 1 && n > 0 &&
           f->offset == a->at[f->micro] && n <= end - a->at[f->micro] &&
           strcmp(f->from, neighbour(t, t->n_replicas - 1)) == 0;
}

/* A Step has one ring at most: replicas that agree now and then have none of
 * gradients. False: this one has none, or it is over. */
static bool is_before_ring(const struct train *t, const struct work *w)
{
    return w->averages
               ? w->phase < WORK_MEAN
               : w->phase < WORK_RING && !w->evaluates && !t->recipe->local;
}

void train_reduce(struct train *t, const struct early *f)
{
    struct work *w = t->work;
    struct ring_array *a;
    size_t n = (size_t)f->value.tensor.shape.dims[0];
    struct err err;
    int rc;

    if (t->broken != 0 || t->ended || t->made == NULL || t->n_replicas < 2) {
        return;
    }
    if (w == NULL || f->step > w->step ||
        (f->step == w->step && is_before_ring(t, w))) {
        if (f->step > t->said.step) {
            (void)train_keep_early(t, f);
        }
        return;
    }
    a = (w->phase == WORK_RING || w->phase == WORK_MEAN) &&
                f->step == w->step && f->micro < n_rounds(t)
            ? array_of(&w->ring, f->value.tensor.dtype)
            : NULL;
    if (a == NULL || !is_next(t, a, f, n)) {
        log_event(t->daemon->log, LOG_TRACE, "train.dropped",
                  "shard=%s step=%llu round=%u from=%s", t->shard->name,
                  (unsigned long long)f->step, f->micro, f->from);
        return;
    }
    rc = f->micro + 2 <= t->n_replicas ? take_sum(t, a, f, n, &err)
                                       : take_result(t, a, f, n, &err);
    if (rc < 0) {
        train_fail(t, rc, err.text);
    }
    if (t->broken != 0) {
        return; /* and the ring is gone */
    }
    a->at[f->micro] += n;
    w->ring.left -= n;
    if (w->ring.left == 0) {
        w->phase++; /* to what is behind a ring */
    }
}
