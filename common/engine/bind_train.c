/* What training graphs have beside convolutions and products. */
#include "engine/bind_rows.h"

#include "engine/bind_heavy.h"
#include "engine/bind_util.h"
#include "graph/window.h"
#include "kernels/train.h"

#include <math.h>
#include <string.h>

static size_t count(const struct tensor *t)
{
    return (size_t)tensor_count(t);
}

static int need_same_size(const struct step *step, int i, int k,
                          struct err *err)
{
    if (count(&step->in[i]) == count(&step->in[k])) {
        return 0;
    }
    return err_set(err, EDGE_EINVAL, "inputs %d and %d differ in size", i, k);
}

/* ---- functions of one element -------------------------------------------- */

struct unary_state {
    enum train_unary kind;
    float a;
    float b;
};

static enum train_unary unary_kind(const struct op *op)
{
    switch (op->kind) {
    case OP_RELU_GRAD: return TRAIN_RELU;
    case OP_CLIP_GRAD: return TRAIN_CLIP;
    case OP_LEAKY_RELU_GRAD: return TRAIN_LEAKY_RELU;
    case OP_ELU_GRAD:
    case OP_SELU_GRAD: return TRAIN_ELU;
    case OP_SIGMOID_GRAD: return TRAIN_SIGMOID;
    case OP_TANH_GRAD: return TRAIN_TANH;
    case OP_HARD_SIGMOID_GRAD: return TRAIN_HARD_SIGMOID;
    default: return TRAIN_HARD_SWISH;
    }
}

/* The defaults are ONNX's of the operators. */
static int prepare_unary(struct step *step, struct err *err)
{
    const struct op *op = step->op;
    struct unary_state s = {.kind = unary_kind(op), .a = 1, .b = 1};
    int rc = need_same_size(step, 0, 1, err);

    for (int i = 0; rc == 0 && i < step->n_in; i++) {
        rc = bind_need(step, i, DTYPE_F32, err);
    }
    if (rc < 0) {
        return rc;
    }
    switch (op->kind) {
    case OP_LEAKY_RELU_GRAD: s.a = op_float(op, "alpha", 0.01F); break;
    case OP_ELU_GRAD: s.a = op_float(op, "alpha", 1); break;
    case OP_SELU_GRAD:
        s.a = op_float(op, "alpha", 1.67326319F);
        s.b = op_float(op, "gamma", 1.05070102F);
        break;
    case OP_HARD_SIGMOID_GRAD:
        s.a = op_float(op, "alpha", 0.2F);
        s.b = op_float(op, "beta", 0.5F);
        break;
    default: break;
    }
    step->in_place = true;
    step->kernel = "train.unary";
    bind_share_planes(step);
    return bind_keep(step, &s, sizeof(s), err);
}

static void run_unary(const struct step *step)
{
    const struct unary_state *s = step->state;
    float a = s->a;
    float b = s->b;

    if (s->kind == TRAIN_CLIP) {
        a = bind_has(step, 2) ? (float)tensor_get(&step->in[2], 0) : -INFINITY;
        b = bind_has(step, 3) ? (float)tensor_get(&step->in[3], 0) : INFINITY;
    }
    train_unary_back(s->kind, a, b, step->in[0].data, step->in[1].data,
                     step->out[0].data, count(&step->in[0]));
}

/* ---- batch normalisation --------------------------------------------------
 */

struct norm_state {
    size_t outer;
    size_t channels;
    size_t inner;
    float epsilon;
};

/* Channels [from, to). */
static void run_norm_part(const struct step *step, size_t from, size_t to,
                          void *scratch)
{
    const struct norm_state *s = step->state;

    (void)scratch;
    train_batch_norm(isa_best(), step->in[0].data, step->out[0].data, s->outer,
                     s->channels, s->inner, step->in[1].data, step->in[2].data,
                     s->epsilon, step->out[1].data, step->out[2].data, from,
                     to);
}

static void run_norm(const struct step *step)
{
    const struct norm_state *s = step->state;

    run_norm_part(step, 0, s->channels, NULL);
}

static void run_norm_back_part(const struct step *step, size_t from, size_t to,
                               void *scratch)
{
    const struct norm_state *s = step->state;
    const struct train_norm_back b = {.dy = step->in[0].data,
                                      .x = step->in[1].data,
                                      .scale = step->in[2].data,
                                      .mean = step->in[3].data,
                                      .variance = step->in[4].data,
                                      .epsilon = s->epsilon,
                                      .dx = step->out[0].data,
                                      .dscale = step->out[1].data,
                                      .dbias = step->out[2].data};

    (void)scratch;
    train_batch_norm_back(isa_best(), &b, s->outer, s->channels, s->inner, from,
                          to);
}

static void run_norm_back(const struct step *step)
{
    const struct norm_state *s = step->state;

    run_norm_back_part(step, 0, s->channels, NULL);
}

static int prepare_norm(struct step *step, struct err *err)
{
    bool back = step->op->kind == OP_BATCH_NORM_GRAD;
    const struct shape *x = &step->in[back ? 1 : 0].shape;
    struct norm_state s = {.outer = (size_t)x->dims[0],
                           .channels = (size_t)x->dims[1],
                           .inner = (size_t)shape_span(x, 2, x->rank)};
    int rc = back ? need_same_size(step, 0, 1, err) : 0;

    for (int i = 0; rc == 0 && i < step->n_in; i++) {
        rc = bind_need(step, i, DTYPE_F32, err);
    }
    for (int i = 0; rc == 0 && i < 3; i++) {
        if (i >= step->n_out || step->out[i].dtype == DTYPE_NONE) {
            rc = err_set(err, EDGE_EUNSUPPORTED, "it must have 3 outputs");
        }
    }
    if (rc < 0) {
        return rc;
    }
    s.epsilon = op_float(step->op, "epsilon", 1e-5F);
    step->in_place = back;
    step->kernel = "train.norm";
    if (bind_worth_sharing(step)) {
        step->parts = s.channels;
        step->run_part = back ? run_norm_back_part : run_norm_part;
    }
    return bind_keep(step, &s, sizeof(s), err);
}

/* ---- loss ------------------------------------------------------------------
 */

static int prepare_loss(struct step *step, struct err *err)
{
    const struct shape *x = &step->in[0].shape;
    const char *reduction = op_string(step->op, "reduction", "mean");
    bool back = step->op->kind == OP_SOFTMAX_LOSS_GRAD;
    struct train_loss l = {.outer = (size_t)x->dims[0],
                           .classes = (size_t)x->dims[1],
                           .inner = (size_t)shape_span(x, 2, x->rank)};
    int rc = bind_need(step, 0, DTYPE_F32, err);

    if (rc == 0 && bind_has(step, back ? 3 : 2)) {
        rc = bind_need(step, back ? 3 : 2, DTYPE_F32, err);
    }
    l.mean = strcmp(reduction, "mean") == 0;
    l.each = strcmp(reduction, "none") == 0;
    if (rc == 0 && !l.mean && strcmp(reduction, "sum") != 0 &&
        (!l.each || back)) {
        rc = err_set(err, EDGE_EINVAL,
                     "attribute \"reduction\" is \"%.40s\", wants mean or sum",
                     reduction);
    }
    if (rc < 0) {
        return rc;
    }
    l.ignores = op_attr(step->op, "ignore_index") != NULL;
    l.ignore_index = op_int(step->op, "ignore_index", 0);
    if (!back && (step->n_out < 2 || step->out[1].dtype == DTYPE_NONE)) {
        step->scratch_bytes = tensor_bytes(&step->in[0]);
    }
    step->kernel = "train.loss";
    return bind_keep(step, &l, sizeof(l), err);
}

/* Input i, the weights of the classes, or NULL. */
static const float *class_weights(const struct step *step, int i)
{
    return bind_has(step, i) ? step->in[i].data : NULL;
}

static void run_loss(const struct step *step)
{
    const struct train_loss *l = step->state;
    bool kept = step->n_out > 1 && step->out[1].dtype != DTYPE_NONE;
    float *log_prob = kept ? step->out[1].data : step->scratch;

    norm_softmax(isa_best(), step->in[0].data, log_prob, l->outer, l->classes,
                 l->inner, true);
    train_loss_run(l, log_prob, &step->in[1], class_weights(step, 2),
                   step->out[0].data);
}

static void run_loss_back(const struct step *step)
{
    train_loss_back(step->state, step->in[0].data, &step->in[1],
                    class_weights(step, 3), *(const float *)step->in[2].data,
                    step->out[0].data);
}

/* ---- dropout ---------------------------------------------------------------
 */

struct dropout_state {
    uint64_t salt;
    float ratio;
};

static int prepare_dropout(struct step *step, struct err *err)
{
    struct dropout_state s = {
        .salt = (uint64_t)op_int(step->op, "salt", 0),
        .ratio = op_float(step->op, "ratio", 0.5F),
    };
    int rc = bind_need(step, 0, DTYPE_F32, err);

    if (rc < 0) {
        return rc;
    }
    step->in_place = true;
    step->kernel = "train.dropout";
    return bind_keep(step, &s, sizeof(s), err);
}

static void run_dropout(const struct step *step)
{
    const struct dropout_state *s = step->state;
    const struct shape *x = &step->in[0].shape;

    train_dropout(step->in[0].data, step->out[0].data, (size_t)x->dims[0],
                  (size_t)shape_span(x, 1, x->rank), step->in[1].data, s->salt,
                  s->ratio);
}

/* ---- pooling ---------------------------------------------------------------
 */

/* The window is that of the pooling op, whose input has the output's shape. */
static int read_grid(const struct step *step, struct taps *t, struct err *err)
{
    static const char *const names[] = {"kernel_shape", "strides", "dilations",
                                        "pads"};
    struct grid *g = &t->grid;
    size_t *to[] = {g->kernel, g->stride, g->dilation, g->pad};
    int n = step->in[0].shape.rank - 2;
    int64_t v[2 * WINDOW_DIMS];

    for (int k = 0; k < 4; k++) {
        size_t wanted = (size_t)(k == 3 ? 2 * n : n);

        if (n > GRID_AXES ||
            op_ints(step->op, names[k], v, 2 * WINDOW_DIMS) != wanted) {
            return err_set(err, EDGE_EINVAL,
                           "attribute \"%s\" must have %zu numbers", names[k],
                           wanted);
        }
        for (int a = 0; a < GRID_AXES; a++) {
            int i = a - (GRID_AXES - n);

            to[k][a] = i >= 0 ? (size_t)v[i] : k < 3;
            g->in[a] = i >= 0 ? (size_t)step->out[0].shape.dims[2 + i] : 1;
            g->out[a] = i >= 0 ? (size_t)step->in[0].shape.dims[2 + i] : 1;
            t->pad_after[a] = k == 3 && i >= 0 ? (size_t)v[n + i] : 0;
        }
    }
    return 0;
}

static int prepare_max(struct step *step, struct err *err)
{
    struct taps t = {.kind = TAPS_MAX};
    int rc = need_same_size(step, 0, 2, err);

    for (int i = 0; rc == 0 && i < 3; i++) {
        rc = bind_need(step, i, DTYPE_F32, err);
    }
    if (rc == 0 && !shape_equal(&step->in[1].shape, &step->out[0].shape)) {
        rc = err_set(err, EDGE_EINVAL,
                     "attribute \"shape\" is not that of input 1");
    }
    if (rc == 0) {
        rc = read_grid(step, &t, err);
    }
    if (rc < 0) {
        return rc;
    }
    step->scratch_bytes = grid_out(&t.grid) * sizeof(float);
    step->kernel = "train.max_pool";
    bind_share_planes(step);
    return bind_keep(step, &t, sizeof(t), err);
}

static void run_max(const struct step *step)
{
    const struct taps *t = step->state;
    const struct shape *s = &step->in[0].shape;
    const struct train_max_back b = {.grid = &t->grid,
                                     .dy = step->in[0].data,
                                     .x = step->in[1].data,
                                     .y = step->in[2].data,
                                     .dx = step->out[0].data,
                                     .planes = (size_t)shape_span(s, 0, 2)};

    train_max_pool_back(&b, step->scratch);
}

static int prepare_average(struct step *step, struct err *err)
{
    struct taps t = {.kind = TAPS_MEAN};
    int rc = bind_need(step, 0, DTYPE_F32, err);

    if (rc == 0) {
        rc = read_grid(step, &t, err);
    }
    if (rc < 0) {
        return rc;
    }
    t.counts_pad = op_int(step->op, "count_include_pad", 0) != 0;
    step->scratch_bytes = 2 * grid_out(&t.grid) * sizeof(float);
    step->kernel = "train.average_pool";
    bind_share_planes(step);
    return bind_keep(step, &t, sizeof(t), err);
}

static void run_average(const struct step *step)
{
    const struct shape *s = &step->in[0].shape;

    train_average_pool_back(step->state, step->in[0].data, step->out[0].data,
                            (size_t)shape_span(s, 0, 2), step->scratch);
}

const struct bind bind_train_rows[] = {
    {OP_RELU_GRAD, false, prepare_unary, run_unary},
    {OP_CLIP_GRAD, false, prepare_unary, run_unary},
    {OP_LEAKY_RELU_GRAD, false, prepare_unary, run_unary},
    {OP_ELU_GRAD, false, prepare_unary, run_unary},
    {OP_SELU_GRAD, false, prepare_unary, run_unary},
    {OP_SIGMOID_GRAD, false, prepare_unary, run_unary},
    {OP_TANH_GRAD, false, prepare_unary, run_unary},
    {OP_HARD_SIGMOID_GRAD, false, prepare_unary, run_unary},
    {OP_HARD_SWISH_GRAD, false, prepare_unary, run_unary},
    {OP_BATCH_NORM_TRAIN, false, prepare_norm, run_norm},
    {OP_BATCH_NORM_GRAD, false, prepare_norm, run_norm_back},
    {OP_SOFTMAX_LOSS, false, prepare_loss, run_loss},
    {OP_SOFTMAX_LOSS_GRAD, false, prepare_loss, run_loss_back},
    {OP_DROPOUT_TRAIN, false, prepare_dropout, run_dropout},
    {OP_MAX_POOL_GRAD, false, prepare_max, run_max},
    {OP_AVERAGE_POOL_GRAD, false, prepare_average, run_average},
    {0},
};
