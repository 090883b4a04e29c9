/*
 * Pieces of what replicas add up (train_reduce.c): where they end and whose
 * they are. Both depend on the array's size alone, never on what came when, for
 * a codec's steps do on where a piece begins.
 *
 * Owners take turns along the array, so that all have something to send, and to
 * add up, wherever on the way back they are.
 */
#include "daemon/train.h"

#include "base/mem.h"

#define LEAST ((size_t)4096) /* numbers of a piece, unless there are few */
#define BLOCK ((size_t)1024) /* numbers that share a step in a codec */
#define TURNS ((size_t)8)    /* pieces of each replica, of a small model */

static size_t count_pieces(const struct train *t, enum dtype dtype, size_t n)
{
    size_t most = LIMIT_CHUNK / dtype_size(dtype) - BLOCK;
    size_t turns = n / (t->n_replicas * LEAST);
    size_t least = n / (t->n_replicas * most) + 1;

    turns = turns < TURNS ? turns : TURNS;
    return t->n_replicas * (turns > least ? turns : least);
}

size_t train_piece_begin(const struct reduce_array *a, size_t i)
{
    size_t at = (size_t)((uint64_t)a->n * i / a->n_pieces);

    return i < a->n_pieces && a->n / a->n_pieces >= LEAST ? at / BLOCK * BLOCK
                                                          : at;
}

size_t train_piece_size(const struct reduce_array *a, size_t i)
{
    return train_piece_begin(a, i + 1) - train_piece_begin(a, i);
}

/* The last piece that begins at `at` or before. */
size_t train_piece_at(const struct reduce_array *a, size_t at)
{
    size_t low = 0;
    size_t high = a->n_pieces;

    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;

        if (train_piece_begin(a, middle) <= at) {
            low = middle;
        } else {
            high = middle;
        }
    }
    return low;
}

void train_pieces_close(struct reduce_array *a, size_t at, size_t n)
{
    size_t end = at + n;

    for (size_t i = train_piece_at(a, at); i < a->n_pieces && at < end; i++) {
        size_t next = train_piece_begin(a, i + 1);
        size_t to = next < end ? next : end;

        a->pieces[i].open -= to - at;
        at = to;
    }
}

static int open_array(const struct train *t, struct reduce *reduce,
                      struct reduce_array *a, enum dtype dtype, void *data,
                      size_t n)
{
    *a = (struct reduce_array){.dtype = dtype, .data = data, .n = n};
    a->n_pieces = count_pieces(t, dtype, n);
    a->pieces = mem_array(struct reduce_piece, a->n_pieces);
    a->parts = mem_array(struct value_in, a->n_pieces);
    a->room = mem_resize(NULL, n / a->n_pieces + BLOCK + 1, dtype_size(dtype));
    if (a->pieces == NULL || a->parts == NULL || a->room == NULL) {
        return EDGE_ENOMEM;
    }
    for (size_t i = 0; i < a->n_pieces; i++) {
        a->pieces[i].open = train_piece_size(a, i);
        reduce->left += a->pieces[i].open > 0;
    }
    return 0;
}

/* A Step adds up once at most: replicas that agree now and then do not add up
 * gradients. */
static int open_arrays(const struct train *t, struct work *w)
{
    struct reduce *reduce = &w->reduce;
    const struct params *p = step_params(t->made->step);
    size_t n_sums = 0;
    double *sums = step_sums(t->made->step, &n_sums);
    int rc;

    if (w->averages) {
        return open_array(t, reduce, &reduce->arrays[0], DTYPE_F32,
                          t->made->changes, t->made->n_agreed);
    }
    if (w->evaluates || w->n_micros == 0 || t->recipe->local) {
        return 0;
    }
    rc = open_array(t, reduce, &reduce->arrays[0], DTYPE_F32, p->grads, p->n);
    return rc < 0 ? rc
                  : open_array(t, reduce, &reduce->arrays[1], DTYPE_F64, sums,
                               n_sums);
}

int train_reduce_open(const struct train *t, struct work *w)
{
    return t->n_replicas > 1 ? open_arrays(t, w) : 0;
}

void train_reduce_free(struct reduce *reduce)
{
    for (size_t i = 0; i < REDUCE_ARRAYS; i++) {
        struct reduce_array *a = &reduce->arrays[i];

        for (size_t k = 0; a->parts != NULL && k < a->n_pieces; k++) {
            tensor_deinit(&a->parts[k].tensor);
        }
        mem_free(a->pieces);
        mem_free(a->parts);
        mem_free(a->room);
        *a = (struct reduce_array){0};
    }
}
