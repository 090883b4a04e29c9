#include "kernels/broadcast.h"

/* Strides of `in` aligned to the right with `out`; 0 along repeats. */
static void strides(const struct shape *out, const struct shape *in,
                    int64_t *jump)
{
    int64_t stride = 1;

    for (int i = out->rank - 1; i >= 0; i--) {
        int k = i - (out->rank - in->rank);
        int64_t dim = k >= 0 ? in->dims[k] : 1;

        jump[i] = dim == 1 ? 0 : stride;
        stride *= dim;
    }
}

/* Whether dimension `i` goes on where i + 1 ends, for all inputs. */
static bool can_merge(const struct broadcast *b, int i, int64_t dim)
{
    for (int k = 0; k < b->n_in; k++) {
        if (b->jump[k][i - 1] != b->jump[k][i] * dim) {
            return false;
        }
    }
    return true;
}

static void drop(struct broadcast *b, int i)
{
    for (int j = i; j + 1 < b->rank; j++) {
        b->dims[j] = b->dims[j + 1];
        for (int k = 0; k < b->n_in; k++) {
            b->jump[k][j] = b->jump[k][j + 1];
        }
    }
    b->rank--;
}

static void merge(struct broadcast *b)
{
    for (int i = b->rank - 1; i >= 0; i--) {
        if (b->dims[i] == 1) {
            drop(b, i);
        }
    }
    for (int i = b->rank - 1; i > 0; i--) {
        if (can_merge(b, i, b->dims[i])) {
            b->dims[i] *= b->dims[i - 1];
            drop(b, i - 1);
        }
    }
}

void broadcast_init(struct broadcast *b, const struct shape *out,
                    const struct shape *in, int n_in)
{
    *b = (struct broadcast){.n_in = n_in, .rank = out->rank};
    for (int i = 0; i < out->rank; i++) {
        b->dims[i] = out->dims[i];
    }
    for (int k = 0; k < n_in; k++) {
        strides(out, &in[k], b->jump[k]);
    }
    merge(b);
    b->length = 1;
    if (b->rank > 0) {
        b->rank--;
        b->length = b->dims[b->rank];
        for (int k = 0; k < n_in; k++) {
            b->step[k] = b->jump[k][b->rank];
        }
    }
    b->rows = 1;
    for (int i = 0; i < b->rank; i++) {
        b->rows *= b->dims[i];
    }
    if (b->length == 0) {
        b->rows = 0;
    }
}

void broadcast_next(const struct broadcast *b, struct broadcast_row *row)
{
    for (int i = b->rank - 1; i >= 0; i--) {
        for (int k = 0; k < b->n_in; k++) {
            row->in[k] += b->jump[k][i];
        }
        if (++row->index[i] < b->dims[i]) {
            return;
        }
        for (int k = 0; k < b->n_in; k++) {
            row->in[k] -= b->jump[k][i] * b->dims[i];
        }
        row->index[i] = 0;
    }
}
