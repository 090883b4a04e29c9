/* Comparisons, logic and choice, which broadcast. */
#include "engine/bind_rows.h"

#include "engine/bind_util.h"
#include "kernels/binary.h"
#include "kernels/broadcast.h"

struct compare_state {
    binary_row row; /* NULL for Where */
    struct broadcast walk;
};

static enum compare_op choose(enum op_kind kind)
{
    switch (kind) {
    case OP_LESS: return COMPARE_LESS;
    case OP_LESS_OR_EQUAL: return COMPARE_LESS_EQUAL;
    case OP_GREATER: return COMPARE_GREATER;
    case OP_GREATER_OR_EQUAL: return COMPARE_GREATER_EQUAL;
    case OP_AND: return COMPARE_AND;
    case OP_OR: return COMPARE_OR;
    default: return COMPARE_EQUAL;
    }
}

static int prepare(struct step *step, struct err *err)
{
    struct compare_state s = {0};
    struct shape in[3];

    if (step->op->kind != OP_WHERE) {
        s.row = compare_find(choose(step->op->kind), step->in[0].dtype);
        if (s.row == NULL) {
            return bind_no_type(step, 0, err);
        }
    }
    for (int i = 0; i < step->n_in; i++) {
        in[i] = step->in[i].shape;
    }
    broadcast_init(&s.walk, &step->out[0].shape, in, step->n_in);
    step->kernel = "compare";
    return bind_keep(step, &s, sizeof(s), err);
}

static const uint8_t *at(const struct tensor *t, int64_t element)
{
    return (const uint8_t *)t->data + (size_t)element * dtype_size(t->dtype);
}

static void run_compare(const struct step *step)
{
    const struct compare_state *s = step->state;
    const struct broadcast *w = &s->walk;
    struct broadcast_row row = {0};
    uint8_t *out = step->out[0].data;

    for (int64_t r = 0; r < w->rows; r++) {
        s->row(out, at(&step->in[0], row.in[0]), at(&step->in[1], row.in[1]),
               (size_t)w->length, w->step[0], w->step[1]);
        out += w->length;
        broadcast_next(w, &row);
    }
}

static void run_where(const struct step *step)
{
    const struct compare_state *s = step->state;
    const struct broadcast *w = &s->walk;
    size_t size = dtype_size(step->out[0].dtype);
    struct broadcast_row row = {0};
    uint8_t *out = step->out[0].data;

    for (int64_t r = 0; r < w->rows; r++) {
        where_row(out, at(&step->in[0], row.in[0]), at(&step->in[1], row.in[1]),
                  at(&step->in[2], row.in[2]), (size_t)w->length, w->step,
                  size);
        out += (size_t)w->length * size;
        broadcast_next(w, &row);
    }
}

const struct bind bind_compare_rows[] = {
    {OP_EQUAL, false, prepare, run_compare},
    {OP_LESS, false, prepare, run_compare},
    {OP_LESS_OR_EQUAL, false, prepare, run_compare},
    {OP_GREATER, false, prepare, run_compare},
    {OP_GREATER_OR_EQUAL, false, prepare, run_compare},
    {OP_AND, false, prepare, run_compare},
    {OP_OR, false, prepare, run_compare},
    {OP_WHERE, false, prepare, run_where},
    {.prepare = NULL},
};
