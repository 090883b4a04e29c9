/*
 * Gradients of the replicas of a shard and the sums of their batch statistics,
 * or what became of their parameters, added up: reduce-scatter, then all-gather
 * (Thakur et al. 2005, "Optimization of collective communication operations in
 * MPICH"). An array is cut into pieces of at most LIMIT_CHUNK, which are the
 * replicas' in turn. All send a piece's owner what they have of it, it adds up,
 * and sends the result to all. So each element is summed on one board, and all
 * end with the same bits.
 *
 * A piece goes out as soon as this board has its last value, while others are
 * still computed (train_legs.c), and comes whenever it does: what others have
 * waits here for what this board has.
 *
 * Sums are in the order of the replicas, from 0, whatever comes first: that is
 * how one board adds up as many micro-batches, so that P boards learn the same
 * bits as one does (docs/decisions/0030).
 *
 * In a codec each board codes each element once: what it has of a piece, or the
 * result of its own, which it reads from the coded bytes like all others do. So
 * what a board left out of an element has one place, and is put to what it
 * sends of it in the next step (feedback.h).
 */
#include "daemon/train.h"

#include "base/mem.h"
#include "codec/codec.h"

#include <string.h>

enum { ROUND_PARTS, ROUND_RESULTS };

static size_t owner(const struct train *t, size_t piece)
{
    return piece % t->n_replicas;
}

/* What that replica has of a piece that is this one's. */
static struct value_in *part_of(const struct train *t, struct reduce_array *a,
                                size_t piece, size_t replica)
{
    return &a->parts[piece / t->n_replicas * t->n_replicas + replica];
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

/* ---- what goes ----------------------------------------------------------- */

static void post_piece(struct train *t, const struct reduce_array *a,
                       size_t replica, uint32_t round, size_t piece,
                       struct blob *blob, uint32_t codec)
{
    struct train_result *r = &t->work->result;
    size_t n = train_piece_size(a, piece);
    struct post post = {.to = place(t)->nodes[replica],
                        .is_reduce = true,
                        .shard = t->shard->id,
                        .micro = round,
                        .offset = train_piece_begin(a, piece),
                        .step = t->work->step,
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
    if (!t->work->averages && a->dtype == DTYPE_F32 &&
        !codec_is_plain(&t->reduce)) {
        return train_squeeze(t, offset, values, out, codec, err);
    }
    *out = blob_ref(values);
    return 0;
}

static int send_part(struct train *t, struct reduce_array *a, size_t piece,
                     struct err *err)
{
    size_t size = dtype_size(a->dtype);
    size_t at = train_piece_begin(a, piece);
    struct blob *values =
        blob_copy(a->data + at * size, train_piece_size(a, piece) * size);
    struct blob *out = NULL;
    uint32_t codec;
    int rc = values != NULL
                 ? code(t, a, at, values, &out, &codec, err)
                 : err_set(err, EDGE_ENOMEM, "no memory to send gradients");

    if (rc == 0) {
        a->pieces[piece].is_out = true;
        post_piece(t, a, owner(t, piece), ROUND_PARTS, piece, out, codec);
    }
    blob_unref(out);
    blob_unref(values);
    return rc;
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

/* Out of its coded form, if it has one. */
static int open_part(struct reduce_array *a, const struct value_in *part,
                     size_t n, struct err *err)
{
    if (part->codec != 0) {
        return train_squeeze_open(part, n, (float *)(void *)a->room, err);
    }
    memcpy(a->room, part->tensor.data, n * dtype_size(a->dtype));
    return 0;
}

static int add_up(const struct train *t, struct reduce_array *a, size_t piece,
                  struct blob *sum, struct err *err)
{
    size_t n = train_piece_size(a, piece);
    int rc = 0;

    memset(sum->data, 0, sum->size);
    for (size_t r = 0; rc == 0 && r < t->n_replicas; r++) {
        struct value_in *part = part_of(t, a, piece, r);
        const uint8_t *from = a->room;

        if (r == t->replica) {
            from = a->data + train_piece_begin(a, piece) * dtype_size(a->dtype);
        } else {
            rc = open_part(a, part, n, err);
        }
        if (rc == 0) {
            add(a->dtype, from, sum->data, n);
        }
        tensor_deinit(&part->tensor);
    }
    return rc;
}

static void send_result(struct train *t, struct reduce_array *a, size_t piece,
                        const struct blob *sum, struct blob *out,
                        uint32_t codec)
{
    struct reduce_piece *p = &a->pieces[piece];

    memcpy(a->data + train_piece_begin(a, piece) * dtype_size(a->dtype),
           sum->data, sum->size);
    p->is_out = true;
    p->is_done = true;
    t->work->reduce.left--;
    for (size_t k = 1; k < t->n_replicas && t->broken == 0; k++) {
        post_piece(t, a, (t->replica + k) % t->n_replicas, ROUND_RESULTS, piece,
                   out, codec);
    }
}

static int make_result(struct train *t, struct reduce_array *a, size_t piece,
                       struct err *err)
{
    size_t size = dtype_size(a->dtype);
    struct blob *sum = blob_new(train_piece_size(a, piece) * size);
    struct blob *out = NULL;
    uint32_t codec;
    int rc = sum != NULL
                 ? add_up(t, a, piece, sum, err)
                 : err_set(err, EDGE_ENOMEM, "no memory to add up gradients");

    if (rc == 0) {
        rc = code(t, a, train_piece_begin(a, piece), sum, &out, &codec, err);
    }
    if (rc == 0) {
        send_result(t, a, piece, sum, out, codec);
    }
    blob_unref(out);
    blob_unref(sum);
    return rc;
}

/* Whatever of a piece can go now. */
static int go_on(struct train *t, struct reduce_array *a, size_t piece,
                 struct err *err)
{
    const struct reduce_piece *p = &a->pieces[piece];

    if (p->open > 0 || p->is_out || train_piece_size(a, piece) == 0) {
        return 0;
    }
    if (owner(t, piece) != t->replica) {
        return send_part(t, a, piece, err);
    }
    return p->came + 1 == t->n_replicas ? make_result(t, a, piece, err) : 0;
}

/* From the end of the array, as the way back goes. Each begins with its next,
 * so that not all send to the same one. When one cannot be sent, the arrays may
 * be gone. */
static int go_on_all(struct train *t, struct reduce_array *a, struct err *err)
{
    size_t n = t->n_replicas;
    int rc = 0;

    for (size_t end = a->n_pieces; rc == 0 && end > 0; end -= n) {
        for (size_t k = 1; rc == 0 && k <= n && t->broken == 0; k++) {
            rc = go_on(t, a, end - n + (t->replica + k) % n, err);
        }
    }
    return rc;
}

/* ---- values are final ---------------------------------------------------- */

int train_reduce_some(struct train *t, const struct step_leg *leg,
                      struct err *err)
{
    struct reduce_array *a = &t->work->reduce.arrays[0];
    const struct params *p = step_params(t->made->step);

    for (size_t i = 0; i < leg->n_params; i++) {
        const struct param *item = &p->items[leg->params[i]];

        train_pieces_close(a, item->offset, item->count);
    }
    return go_on_all(t, a, err);
}

int train_reduce_rest(struct train *t, struct err *err)
{
    struct reduce *reduce = &t->work->reduce;
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < REDUCE_ARRAYS && t->broken == 0; i++) {
        struct reduce_array *a = &reduce->arrays[i];

        for (size_t k = 0; k < a->n_pieces; k++) {
            a->pieces[k].open = 0;
        }
        rc = go_on_all(t, a, err);
    }
    return rc;
}

/* ---- a piece comes ------------------------------------------------------- */

static struct reduce_array *array_of(struct reduce *reduce, enum dtype dtype)
{
    for (size_t i = 0; i < REDUCE_ARRAYS; i++) {
        if (reduce->arrays[i].n_pieces > 0 &&
            reduce->arrays[i].dtype == dtype) {
            return &reduce->arrays[i];
        }
    }
    return NULL;
}

static bool is_piece(const struct train *t, const struct reduce_array *a,
                     const struct early *f, size_t piece)
{
    return (f->value.codec == 0 || f->value.codec == codec_id(&t->reduce)) &&
           f->value.tensor.shape.rank == 1 &&
           f->value.tensor.shape.dims[0] > 0 &&
           f->offset == train_piece_begin(a, piece) &&
           (size_t)f->value.tensor.shape.dims[0] == train_piece_size(a, piece);
}

/* What another has of a piece of this replica's; once. */
static bool take_part(struct train *t, struct reduce_array *a,
                      const struct early *f, size_t replica, size_t piece)
{
    struct value_in *part = part_of(t, a, piece, replica);

    if (owner(t, piece) != t->replica || a->pieces[piece].is_out ||
        part->tensor.dtype != DTYPE_NONE) {
        return false;
    }
    part->tensor = tensor_ref(&f->value.tensor);
    part->codec = f->value.codec;
    a->pieces[piece].came++;
    return true;
}

/* There is none before its owner has what this replica has. */
static bool can_be_result(const struct train *t, const struct reduce_array *a,
                          size_t replica, size_t piece)
{
    return owner(t, piece) == replica && a->pieces[piece].is_out &&
           !a->pieces[piece].is_done;
}

static int take_result(struct train *t, struct reduce_array *a,
                       const struct early *f, size_t piece, struct err *err)
{
    size_t n = train_piece_size(a, piece);
    int rc = open_part(a, &f->value, n, err);

    if (rc == 0) {
        memcpy(a->data + f->offset * dtype_size(a->dtype), a->room,
               n * dtype_size(a->dtype));
        a->pieces[piece].is_done = true;
        t->work->reduce.left--;
    }
    return rc;
}

/* False: it is none that is waited for. */
static bool take(struct train *t, const struct early *f, int *rc,
                 struct err *err)
{
    struct work *w = t->work;
    size_t replica = find_replica(t, f->from);
    struct reduce_array *a = array_of(&w->reduce, f->value.tensor.dtype);
    size_t piece;

    if (f->step != w->step || replica >= t->n_replicas || a == NULL) {
        return false;
    }
    piece = train_piece_at(a, f->offset < a->n ? (size_t)f->offset : 0);
    if (!is_piece(t, a, f, piece)) {
        return false;
    }
    if (f->micro == ROUND_PARTS && take_part(t, a, f, replica, piece)) {
        *rc = go_on(t, a, piece, err);
        return true;
    }
    if (f->micro == ROUND_RESULTS && can_be_result(t, a, replica, piece)) {
        *rc = take_result(t, a, f, piece, err);
        return true;
    }
    return false;
}

void train_reduce_take(struct train *t, const struct early *f)
{
    struct work *w = t->work;
    struct err err;
    int rc = 0;

    if (t->broken != 0 || t->ended || t->made == NULL || t->n_replicas < 2) {
        return;
    }
    if (w == NULL || f->step > w->step) {
        if (f->step > t->said.step) {
            (void)train_keep_early(t, f);
        }
        return;
    }
    if (!take(t, f, &rc, &err)) {
        log_event(t->daemon->log, LOG_TRACE, "train.dropped",
                  "shard=%s step=%llu round=%u from=%s", t->shard->name,
                  (unsigned long long)f->step, f->micro, f->from);
    }
    if (rc < 0) {
        train_fail(t, rc, err.text);
    }
    if (t->broken == 0 && w->reduce.left == 0 &&
        (w->phase == WORK_REDUCE || w->phase == WORK_MEAN)) {
        w->phase++; /* to what is behind it */
    }
}
