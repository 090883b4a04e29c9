/* Gradients of normalisation, softmax and the loss; dropout. */
#include "graph/grad_rule.h"

#include "base/mem.h"

#include <string.h>

/* ---- batch normalisation ------------------------------------------------ */

static void note_statistics(struct grad *g, const struct op *op)
{
    if (g->rc < 0 || mem_grow(&g->stats, &g->stats_room, g->n_stats,
                              sizeof(*g->stats)) < 0) {
        g->rc = g->rc < 0
                    ? g->rc
                    : err_set(g->err, EDGE_ENOMEM, "%s", err_text(EDGE_ENOMEM));
        return;
    }
    g->stats[g->n_stats++] = (struct grad_stat){
        {op->in[3], op->in[4]}, {grad_output(g, 1), grad_output(g, 2)}};
}

/* Statistics are the batch's, where its scale or shift is trained; a layer
 * that is frozen keeps the ones it has learnt. */
static void train_batch_norm(struct grad *g, const struct op *op)
{
    struct op *made;

    if (!graph_is_input(g->graph, op->in[1]) &&
        !graph_is_input(g->graph, op->in[2])) {
        return;
    }
    made = grad_begin(g, OP_BATCH_NORM_TRAIN, 3, op->in, 3);
    if (made == NULL ||
        grad_done(g, op_set_float(made, "epsilon",
                                  op_float(op, "epsilon", 1e-5F))) < 0) {
        return;
    }
    note_statistics(g, op);
    if (g->rc == 0) {
        graph_move_output(g->graph, grad_output(g, 0), op->out[0]);
    }
}

static void back_batch_norm_train(struct grad *g, const struct op *op, int dy)
{
    const int in[] = {dy, op->in[0], op->in[1], op->out[1], op->out[2]};
    struct op *back;
    int first;

    back = grad_begin(g, OP_BATCH_NORM_GRAD, 5, in, 3);
    if (back == NULL) {
        return;
    }
    first = grad_done(
        g, op_set_float(back, "epsilon", op_float(op, "epsilon", 1e-5F)));
    grad_add(g, op, 0, first);
    grad_add(g, op, 1, grad_output(g, 1));
    grad_add(g, op, 2, grad_output(g, 2));
}

/* One number a channel, broadcast over all of x. */
static int by_channel(struct grad *g, int value, int rank)
{
    struct shape to = {.rank = rank - 1};

    if (value < 0) {
        return -1;
    }
    to.dims[0] = grad_shape(g, value)->dims[0];
    for (int i = 1; i < to.rank; i++) {
        to.dims[i] = 1;
    }
    return grad_reshape(g, value, &to);
}

/* Frozen: y = (x - mean) scale / deviation + shift. */
static void back_batch_norm(struct grad *g, const struct op *op, int dy)
{
    int rank = grad_shape(g, op->in[0])->rank;
    float epsilon = op_float(op, "epsilon", 1e-5F);
    int spread = GRAD_OP(g, OP_ADD, op->in[4], grad_number(g, epsilon));
    int factor = GRAD_OP(g, OP_DIV, op->in[1], GRAD_OP(g, OP_SQRT, spread));

    if (grad_wants(g, op, 0)) {
        grad_add(g, op, 0, GRAD_OP(g, OP_MUL, dy, by_channel(g, factor, rank)));
    }
}

/* ---- softmax ------------------------------------------------------------ */

static int sum_along(struct grad *g, const struct op *op, int value)
{
    bool mask[LIMIT_RANK] = {false};
    int rank = grad_shape(g, op->in[0])->rank;

    mask[shape_axis(op_int(op, "axis", -1), rank)] = true;
    return value < 0 ? -1 : grad_reduce(g, value, mask);
}

/* y (dy - sum of y dy) */
static void back_softmax(struct grad *g, const struct op *op, int dy)
{
    int y = op->out[0];
    int sum = sum_along(g, op, GRAD_OP(g, OP_MUL, dy, y));

    grad_add(g, op, 0, GRAD_OP(g, OP_MUL, y, GRAD_OP(g, OP_SUB, dy, sum)));
}

/* dy - e^y times the sum of dy */
static void back_log_softmax(struct grad *g, const struct op *op, int dy)
{
    int sum = sum_along(g, op, dy);
    int part = GRAD_OP(g, OP_MUL, GRAD_OP(g, OP_EXP, op->out[0]), sum);

    grad_add(g, op, 0, GRAD_OP(g, OP_SUB, dy, part));
}

/* ---- the loss ----------------------------------------------------------- */

static void train_loss(struct grad *g, const struct op *op)
{
    const struct attr *ignored = op_attr(op, "ignore_index");
    struct op *made;
    int rc = 0;

    if (op->n_out > 1 && op->out[1] >= 0) {
        return;
    }
    made = grad_begin(g, OP_SOFTMAX_LOSS, op->n_in, op->in, 2);
    if (made == NULL) {
        return;
    }
    rc = op_set_string(made, "reduction", op_string(op, "reduction", "mean"));
    if (rc == 0 && ignored != NULL) {
        rc = op_set_int(made, "ignore_index", ignored->i);
    }
    if (grad_done(g, rc) >= 0) {
        graph_move_output(g->graph, grad_output(g, 0), op->out[0]);
    }
}

static void back_loss(struct grad *g, const struct op *op, int dy)
{
    const struct attr *ignored = op_attr(op, "ignore_index");
    struct op *back;
    int rc;

    if (strcmp(op_string(op, "reduction", "mean"), "none") == 0 || dy < 0) {
        grad_fail(g, EDGE_EUNSUPPORTED, op,
                  "there is no gradient for reduction \"none\" or through its "
                  "logarithms");
        return;
    }
    back = grad_begin(
        g, OP_SOFTMAX_LOSS_GRAD, op->n_in > 2 ? 4 : 3,
        (const int[]){op->out[1], op->in[1], dy, op->n_in > 2 ? op->in[2] : -1},
        1);
    if (back == NULL) {
        return;
    }
    rc = op_set_string(back, "reduction", op_string(op, "reduction", "mean"));
    if (rc == 0 && ignored != NULL) {
        rc = op_set_int(back, "ignore_index", ignored->i);
    }
    grad_add(g, op, 0, grad_done(g, rc));
}

/* ---- dropout ------------------------------------------------------------ */

/* FNV-1a. */
int64_t grad_salt(const char *name)
{
    uint64_t hash = 0xcbf29ce484222325U;

    for (; *name != '\0'; name++) {
        hash = (hash ^ (unsigned char)*name) * 0x100000001b3U;
    }
    return (int64_t)(hash >> 1);
}

void grad_need_seeds(struct grad *g, const struct op *op)
{
    int64_t samples = grad_shape(g, op->in[0])->dims[0];
    int rc;

    if (g->seeds >= 0 || g->rc < 0) {
        return;
    }
    g->seeds = graph_add_value(g->graph, "dropout/seeds");
    rc = g->seeds < 0 ? g->seeds : graph_add_input(g->graph, g->seeds);
    if (rc < 0) {
        g->rc = err_set(g->err, rc, "the training graph: \"dropout/seeds\": %s",
                        err_text(rc));
        return;
    }
    g->graph->values[g->seeds].dtype = DTYPE_I64;
    g->graph->values[g->seeds].has_shape = true;
    g->graph->values[g->seeds].shape = shape_of(1, &samples);
}

static int drop(struct grad *g, int value, float ratio, int64_t salt)
{
    const int in[] = {value, g->seeds};
    struct op *made = grad_begin(g, OP_DROPOUT_TRAIN, 2, in, 1);
    int rc;

    if (made == NULL) {
        return -1;
    }
    rc = op_set_float(made, "ratio", ratio);
    return grad_done(g, rc == 0 ? op_set_int(made, "salt", salt) : rc);
}

static void train_dropout(struct grad *g, const struct op *op)
{
    float ratio = 0.5F;

    if (op->n_in > 1 && op->in[1] >= 0) {
        if (!graph_is_const(g->graph, op->in[1]) ||
            tensor_count(&g->graph->values[op->in[1]].data) != 1) {
            grad_fail(g, EDGE_EUNSUPPORTED, op,
                      "its ratio must be a constant for training");
            return;
        }
        ratio = (float)tensor_get(&g->graph->values[op->in[1]].data, 0);
    }
    if (op->n_out > 1 && op->out[1] >= 0) {
        grad_fail(g, EDGE_EUNSUPPORTED, op, "its mask is read by another op");
        return;
    }
    grad_need_seeds(g, op);
    if (drop(g, op->in[0], ratio, grad_salt(op->name)) >= 0) {
        graph_move_output(g->graph, grad_output(g, 0), op->out[0]);
    }
}

/* The same elements are dropped from the gradient, so no mask is kept. */
static void back_dropout(struct grad *g, const struct op *op, int dy)
{
    grad_add(g, op, 0,
             drop(g, dy, op_float(op, "ratio", 0.5F), op_int(op, "salt", 0)));
}

const struct grad_rule grad_norm_rules[] = {
    {OP_BATCH_NORM, back_batch_norm, train_batch_norm},
    {OP_BATCH_NORM_TRAIN, back_batch_norm_train, NULL},
    {OP_SOFTMAX, back_softmax, NULL},
    {OP_LOG_SOFTMAX, back_log_softmax, NULL},
    {OP_SOFTMAX_LOSS, back_loss, train_loss},
    {OP_DROPOUT, NULL, train_dropout},
    {OP_DROPOUT_TRAIN, back_dropout, NULL},
    {0},
};
