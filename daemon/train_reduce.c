/*
 * Gradients of the replicas of a shard and the sums of their batch statistics,
 * or what became of their parameters, added up: reduce-scatter, then all-gather
 * (Thakur et al. 2005, "Optimization of collective communication operations in
 * MPICH"), each piece of at most LIMIT_CHUNK. Part k of P is replica k's: all
 * send it what they have of that part, it adds up, and sends the result to all.
 * So each element is summed on one board, and all end with the same bits.
 *
 * Sums are in the order of the replicas, from 0, whatever comes first: that is
 * how one board adds up as many micro-batches, so that P boards learn the same
 * bits as one does (docs/decisions/0030).
 *
 * In a codec each board codes each element once: what it has of a part, or the
 * result of its own, which it reads from the coded bytes like all others do. So
 * what a board left out of an element has one place, and is put to what it
 * sends of it in the next step (feedback.h).
 */
#include "daemon/train.h"

#include "base/mem.h"
#include "codec/codec.h"

#include <string.h>

enum { ROUND_PARTS, ROUND_RESULTS, ROUNDS };

static size_t part_begin(const struct train *t, size_t n, size_t part)
{
    return (size_t)((uint64_t)n * part / t->n_replicas);
}

static size_t part_size(const struct train *t, size_t n, size_t part)
{
    return part_begin(t, n, part + 1) - part_begin(t, n, part);
}

static const Edged__Place *place(const struct train *t)
{
    return t->places[t->recipe->stage];
}

/* The replica of that name; n_replicas: none but perhaps this one. */
static size_t find_replica(const struct train *t, const char *name)
{
    for (size_t r = 0; r < t->n_replicas; r++) {
        if (r != t->replica && strcmp(place(t)->nodes[r], name) == 0) {
            return r;
        }
    }
    return t->n_replicas;
}

/* Elements of a piece; the last one of a part may be shorter. */
static size_t piece_size(const struct reduce_array *a, size_t left)
{
    size_t most = LIMIT_CHUNK / dtype_size(a->dtype);

    return left < most ? left : most;
}

/* ---- what goes ----------------------------------------------------------- */

static void post_piece(struct train *t, const struct reduce_array *a,
                       size_t replica, uint32_t round, size_t offset, size_t n,
                       struct blob *blob, uint32_t codec)
{
    struct train_result *r = &t->work->result;
    struct post post = {.to = place(t)->nodes[replica],
                        .is_reduce = true,
                        .shard = t->shard->id,
                        .step = t->work->step,
                        .micro = round,
                        .offset = offset,
                        .dtype = a->dtype,
                        .shape = {.rank = 1, .dims = {(int64_t)n}},
                        .codec = codec,
                        .blob = blob_ref(blob)};

    r->sent += blob->size;
    r->plain += n * dtype_size(a->dtype);
    r->reduced += blob->size;
    r->reduced_plain += n * dtype_size(a->dtype);
    train_post(t, &post);
}

/* What is sent for values that begin at `offset`, which become what that is
 * read as. */
static int code(struct train *t, const struct reduce_array *a, size_t offset,
                struct blob *values, struct blob **out, uint32_t *codec,
                struct err *err)
{
    *codec = 0;
    if (t->work->phase == WORK_REDUCE && a->dtype == DTYPE_F32 &&
        !codec_is_plain(&t->reduce)) {
        return train_squeeze(t, offset, values, out, codec, err);
    }
    *out = blob_ref(values);
    return 0;
}

static int send_piece(struct train *t, const struct reduce_array *a,
                      size_t replica, size_t at, size_t n, struct err *err)
{
    size_t size = dtype_size(a->dtype);
    struct blob *values = blob_copy(a->data + at * size, n * size);
    struct blob *out = NULL;
    uint32_t codec;
    int rc = values != NULL
                 ? code(t, a, at, values, &out, &codec, err)
                 : err_set(err, EDGE_ENOMEM, "no memory to send gradients");

    if (rc == 0) {
        post_piece(t, a, replica, ROUND_PARTS, at, n, out, codec);
    }
    blob_unref(out);
    blob_unref(values);
    return rc;
}

/* What this replica has of that one's part. */
static int send_part(struct train *t, const struct reduce_array *a,
                     size_t replica, struct err *err)
{
    size_t at = part_begin(t, a->n, replica);
    size_t end = part_begin(t, a->n, replica + 1);
    int rc = 0;

    while (rc == 0 && at < end && t->broken == 0) {
        size_t n = piece_size(a, end - at);

        rc = send_piece(t, a, replica, at, n, err);
        at += n;
    }
    return rc;
}

/* ---- begin, end ---------------------------------------------------------- */

static int init_array(const struct train *t, struct reduce *reduce,
                      struct reduce_array *a, enum dtype dtype, void *data,
                      size_t n)
{
    size_t own = part_size(t, n, t->replica);

    *a = (struct reduce_array){.dtype = dtype, .data = data, .n = n};
    a->came = mem_array(size_t, t->n_replicas * ROUNDS);
    a->parts = mem_resize(NULL, t->n_replicas * own + 1, dtype_size(dtype));
    if (a->came == NULL || a->parts == NULL) {
        return EDGE_ENOMEM;
    }
    reduce->left += own * (t->n_replicas - 1) + n - own;
    return 0;
}

static int init_arrays(struct train *t)
{
    struct reduce *reduce = &t->work->reduce;
    const struct params *p = step_params(t->made->step);
    size_t n_sums = 0;
    double *sums = step_sums(t->made->step, &n_sums);
    int rc;

    if (t->work->phase == WORK_MEAN) {
        return init_array(t, reduce, &reduce->arrays[0], DTYPE_F32,
                          t->made->changes, t->made->n_agreed);
    }
    rc = init_array(t, reduce, &reduce->arrays[0], DTYPE_F32, p->grads, p->n);
    return rc < 0 ? rc
                  : init_array(t, reduce, &reduce->arrays[1], DTYPE_F64, sums,
                               n_sums);
}

int train_reduce_begin(struct train *t, struct err *err)
{
    struct reduce *reduce = &t->work->reduce;
    int rc = init_arrays(t);

    if (rc < 0) {
        return err_set(err, rc, "no memory to add up gradients");
    }
    /* Each begins with its next, so that not all send to the same one. */
    for (size_t k = 1; k < t->n_replicas; k++) {
        size_t r = (t->replica + k) % t->n_replicas;

        /* Where it breaks the Step is over, and the arrays are gone. */
        for (size_t i = 0; rc == 0 && t->broken == 0 && i < REDUCE_ARRAYS;
             i++) {
            if (reduce->arrays[i].came != NULL) {
                rc = send_part(t, &reduce->arrays[i], r, err);
            }
        }
    }
    return rc;
}

void train_reduce_free(struct reduce *reduce)
{
    for (size_t i = 0; i < REDUCE_ARRAYS; i++) {
        mem_free(reduce->arrays[i].came);
        mem_free(reduce->arrays[i].parts);
        reduce->arrays[i] = (struct reduce_array){0};
    }
}

/* ---- a piece comes ------------------------------------------------------- */

static struct reduce_array *array_of(struct reduce *reduce, enum dtype dtype)
{
    for (size_t i = 0; i < REDUCE_ARRAYS; i++) {
        if (reduce->arrays[i].came != NULL &&
            reduce->arrays[i].dtype == dtype) {
            return &reduce->arrays[i];
        }
    }
    return NULL;
}

/* What came, out of its coded form if it has one. */
static int open_piece(const struct reduce_array *a, const struct early *f,
                      size_t n, void *to, struct err *err)
{
    if (f->value.codec != 0) {
        return train_squeeze_open(f, n, to, err);
    }
    memcpy(to, f->value.tensor.data, n * dtype_size(a->dtype));
    return 0;
}

static void add(enum dtype dtype, const void *from, void *sum, size_t n)
{
    for (size_t i = 0; dtype == DTYPE_F32 && i < n; i++) {
        ((float *)sum)[i] += ((const float *)from)[i];
    }
    for (size_t i = 0; dtype == DTYPE_F64 && i < n; i++) {
        ((double *)sum)[i] += ((const double *)from)[i];
    }
}

/* Elements of this replica's part that all others have sent. */
static size_t all_have(const struct train *t, const struct reduce_array *a)
{
    size_t least = SIZE_MAX;

    for (size_t r = 0; r < t->n_replicas; r++) {
        size_t came = a->came[r * ROUNDS + ROUND_PARTS];

        least = r != t->replica && came < least ? came : least;
    }
    return least;
}

/* `n` elements of this replica's part, from its element `at` on. */
static void add_up(const struct train *t, const struct reduce_array *a,
                   size_t at, size_t n, void *sum)
{
    size_t size = dtype_size(a->dtype);
    size_t begin = part_begin(t, a->n, t->replica);
    size_t own = part_size(t, a->n, t->replica);

    memset(sum, 0, n * size);
    for (size_t r = 0; r < t->n_replicas; r++) {
        add(a->dtype,
            r == t->replica ? a->data + (begin + at) * size
                            : a->parts + (r * own + at) * size,
            sum, n);
    }
}

static int send_result(struct train *t, struct reduce_array *a, size_t n,
                       struct blob *sum, struct err *err)
{
    size_t size = dtype_size(a->dtype);
    size_t offset = part_begin(t, a->n, t->replica) + a->summed;
    struct blob *out = NULL;
    uint32_t codec;
    int rc;

    add_up(t, a, a->summed, n, sum->data);
    rc = code(t, a, offset, sum, &out, &codec, err);
    if (rc < 0) {
        return rc;
    }
    memcpy(a->data + offset * size, sum->data, n * size);
    a->summed += n;
    for (size_t k = 1; k < t->n_replicas && t->broken == 0; k++) {
        post_piece(t, a, (t->replica + k) % t->n_replicas, ROUND_RESULTS,
                   offset, n, out, codec);
    }
    blob_unref(out);
    return 0;
}

/* Pieces of which there is everything; where they end does not depend on what
 * came when, since a codec's steps do on where they begin. */
static int send_results(struct train *t, struct reduce_array *a,
                        struct err *err)
{
    size_t own = part_size(t, a->n, t->replica);
    size_t have = all_have(t, a);
    int rc = 0;

    while (rc == 0 && t->broken == 0 && a->summed < own) {
        size_t n = piece_size(a, own - a->summed);
        struct blob *sum;

        if (have < a->summed + n) {
            break;
        }
        sum = blob_new(n * dtype_size(a->dtype));
        rc = sum != NULL
                 ? send_result(t, a, n, sum, err)
                 : err_set(err, EDGE_ENOMEM, "no memory to add up gradients");
        blob_unref(sum);
    }
    return rc;
}

static int take(struct train *t, struct reduce_array *a, const struct early *f,
                size_t replica, size_t n, struct err *err)
{
    size_t size = dtype_size(a->dtype);
    size_t own = part_size(t, a->n, t->replica);
    size_t *came = &a->came[replica * ROUNDS + f->micro];
    uint8_t *to = f->micro == ROUND_PARTS
                      ? a->parts + (replica * own + *came) * size
                      : a->data + f->offset * size;
    int rc = open_piece(a, f, n, to, err);

    *came += n;
    return rc < 0 || f->micro == ROUND_RESULTS ? rc : send_results(t, a, err);
}

/* It must go on where the last one of its round from that replica ended. */
static bool is_next(const struct train *t, const struct reduce_array *a,
                    const struct early *f, size_t replica, size_t n)
{
    size_t part = f->micro == ROUND_PARTS ? t->replica : replica;
    size_t came = a->came[replica * ROUNDS + f->micro];

    return (f->value.codec == 0 || f->value.codec == codec_id(&t->reduce)) &&
           f->value.tensor.shape.rank == 1 && n > 0 &&
           f->offset == part_begin(t, a->n, part) + came &&
           n <= part_size(t, a->n, part) - came;
}

/* A Step adds up once at most: replicas that agree now and then do not add up
 * gradients. False: there is nothing to come, or it is over. */
static bool is_before(const struct train *t, const struct work *w)
{
    return w->averages
               ? w->phase < WORK_MEAN
               : w->phase < WORK_REDUCE && !w->evaluates && !t->recipe->local;
}

/* The array that it is a piece of; NULL: it is none that is waited for. */
static struct reduce_array *find_array(const struct train *t,
                                       const struct early *f, size_t replica,
                                       size_t n)
{
    struct work *w = t->work;
    struct reduce_array *a;

    if ((w->phase != WORK_REDUCE && w->phase != WORK_MEAN) ||
        f->step != w->step || f->micro >= ROUNDS || replica >= t->n_replicas) {
        return NULL;
    }
    a = array_of(&w->reduce, f->value.tensor.dtype);
    return a != NULL && is_next(t, a, f, replica, n) ? a : NULL;
}

void train_reduce_take(struct train *t, const struct early *f)
{
    struct work *w = t->work;
    size_t replica = find_replica(t, f->from);
    size_t n = (size_t)f->value.tensor.shape.dims[0];
    struct reduce_array *a;
    struct err err;
    int rc;

    if (t->broken != 0 || t->ended || t->made == NULL || t->n_replicas < 2) {
        return;
    }
    if (w == NULL || f->step > w->step ||
        (f->step == w->step && is_before(t, w))) {
        if (f->step > t->said.step) {
            (void)train_keep_early(t, f);
        }
        return;
    }
    a = find_array(t, f, replica, n);
    if (a == NULL) {
        log_event(t->daemon->log, LOG_TRACE, "train.dropped",
                  "shard=%s step=%llu round=%u from=%s", t->shard->name,
                  (unsigned long long)f->step, f->micro, f->from);
        return;
    }
    rc = take(t, a, f, replica, n, &err);
    if (rc < 0) {
        train_fail(t, rc, err.text);
    }
    if (t->broken != 0) {
        return; /* and the arrays are gone */
    }
    w->reduce.left -= n;
    if (w->reduce.left == 0) {
        w->phase++; /* to what is behind it */
    }
}
