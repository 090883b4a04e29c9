/* Functions of one element. */
#include "engine/bind_rows.h"

#include "engine/bind_util.h"
#include "kernels/unary.h"

#include <math.h>
#include <string.h>

struct unary_row {
    enum op_kind kind;
    enum unary_op op;
    const char *name_a; /* attributes for unary.a and .b; NULL: none */
    float a;
    const char *name_b;
    float b;
};

static const struct unary_row unary_rows[] = {
    {OP_RELU, UNARY_RELU, NULL, 0, NULL, 0},
    {OP_CLIP, UNARY_CLIP, NULL, 0, NULL, 0},
    {OP_LEAKY_RELU, UNARY_LEAKY_RELU, "alpha", 0.01F, NULL, 0},
    {OP_ELU, UNARY_ELU, "alpha", 1, NULL, 0},
    {OP_SELU, UNARY_SELU, "alpha", 1.67326319F, "gamma", 1.05070102F},
    {OP_SIGMOID, UNARY_SIGMOID, NULL, 0, NULL, 0},
    {OP_HARD_SIGMOID, UNARY_HARD_SIGMOID, "alpha", 0.2F, "beta", 0.5F},
    {OP_HARD_SWISH, UNARY_HARD_SWISH, NULL, 0, NULL, 0},
    {OP_SOFTPLUS, UNARY_SOFTPLUS, NULL, 0, NULL, 0},
    {OP_TANH, UNARY_TANH, NULL, 0, NULL, 0},
    {OP_ERF, UNARY_ERF, NULL, 0, NULL, 0},
    {OP_GELU, UNARY_GELU, NULL, 0, NULL, 0},
    {OP_SQRT, UNARY_SQRT, NULL, 0, NULL, 0},
    {OP_EXP, UNARY_EXP, NULL, 0, NULL, 0},
    {OP_LOG, UNARY_LOG, NULL, 0, NULL, 0},
    {OP_NEG, UNARY_NEG, NULL, 0, NULL, 0},
    {OP_ABS, UNARY_ABS, NULL, 0, NULL, 0},
    {OP_SIGN, UNARY_SIGN, NULL, 0, NULL, 0},
    {OP_RECIPROCAL, UNARY_RECIPROCAL, NULL, 0, NULL, 0},
    {OP_FLOOR, UNARY_FLOOR, NULL, 0, NULL, 0},
    {OP_CEIL, UNARY_CEIL, NULL, 0, NULL, 0},
    {OP_ROUND, UNARY_ROUND, NULL, 0, NULL, 0},
    {OP_NOT, UNARY_NOT, NULL, 0, NULL, 0},
};

struct unary_state {
    unary_run run;
    struct unary unary;
};

static const struct unary_row *find_row(enum op_kind kind)
{
    size_t i = 0;

    while (unary_rows[i].kind != kind) {
        i++;
    }
    return &unary_rows[i];
}

static enum unary_op choose(const struct op *op, const struct unary_row *row)
{
    if (op->kind == OP_GELU &&
        strcmp(op_string(op, "approximate", "none"), "tanh") == 0) {
        return UNARY_GELU_TANH;
    }
    return row->op;
}

static int prepare_unary(struct step *step, struct err *err)
{
    const struct unary_row *row = find_row(step->op->kind);
    struct unary_state s = {0};

    s.run = unary_find(choose(step->op, row), step->in[0].dtype);
    if (s.run == NULL) {
        return bind_no_type(step, 0, err);
    }
    if (row->name_a != NULL) {
        s.unary.a = op_float(step->op, row->name_a, row->a);
    }
    if (row->name_b != NULL) {
        s.unary.b = op_float(step->op, row->name_b, row->b);
    }
    step->in_place = true;
    step->kernel = "unary";
    bind_share_planes(step);
    return bind_keep(step, &s, sizeof(s), err);
}

static void run_unary(const struct step *step)
{
    const struct unary_state *s = step->state;

    s->run(&s->unary, step->out[0].data, step->in[0].data,
           (size_t)tensor_count(&step->in[0]));
}

/* All numbers of an integer type, in the form that struct unary wants. */
static void clip_range(enum dtype dtype, struct unary *u)
{
    unsigned bits = (unsigned)dtype_size(dtype) * 8;

    if (dtype_is_signed(dtype)) {
        u->low = INT64_MIN >> (64 - bits);
        u->high = INT64_MAX >> (64 - bits);
    } else {
        u->low = 0;
        u->high = (int64_t)(UINT64_MAX >> (64 - bits));
    }
}

/* Bounds may be made by other ops, so they are read at every run. */
static void run_clip(const struct step *step)
{
    const struct unary_state *s = step->state;
    struct unary u = {.a = -INFINITY, .b = INFINITY};

    if (dtype_is_float(step->in[0].dtype)) {
        u.a = bind_has(step, 1) ? tensor_get(&step->in[1], 0) : u.a;
        u.b = bind_has(step, 2) ? tensor_get(&step->in[2], 0) : u.b;
    } else {
        clip_range(step->in[0].dtype, &u);
        u.low = bind_has(step, 1) ? tensor_get_int(&step->in[1], 0) : u.low;
        u.high = bind_has(step, 2) ? tensor_get_int(&step->in[2], 0) : u.high;
    }
    s->run(&u, step->out[0].data, step->in[0].data,
           (size_t)tensor_count(&step->in[0]));
}

const struct bind bind_unary_rows[] = {
    {OP_RELU, false, prepare_unary, run_unary},
    {OP_CLIP, false, prepare_unary, run_clip},
    {OP_LEAKY_RELU, false, prepare_unary, run_unary},
    {OP_ELU, false, prepare_unary, run_unary},
    {OP_SELU, false, prepare_unary, run_unary},
    {OP_SIGMOID, false, prepare_unary, run_unary},
    {OP_HARD_SIGMOID, false, prepare_unary, run_unary},
    {OP_HARD_SWISH, false, prepare_unary, run_unary},
    {OP_SOFTPLUS, false, prepare_unary, run_unary},
    {OP_TANH, false, prepare_unary, run_unary},
    {OP_ERF, false, prepare_unary, run_unary},
    {OP_GELU, false, prepare_unary, run_unary},
    {OP_SQRT, false, prepare_unary, run_unary},
    {OP_EXP, false, prepare_unary, run_unary},
    {OP_LOG, false, prepare_unary, run_unary},
    {OP_NEG, false, prepare_unary, run_unary},
    {OP_ABS, false, prepare_unary, run_unary},
    {OP_SIGN, false, prepare_unary, run_unary},
    {OP_RECIPROCAL, false, prepare_unary, run_unary},
    {OP_FLOOR, false, prepare_unary, run_unary},
    {OP_CEIL, false, prepare_unary, run_unary},
    {OP_ROUND, false, prepare_unary, run_unary},
    {OP_NOT, false, prepare_unary, run_unary},
    {.prepare = NULL},
};
