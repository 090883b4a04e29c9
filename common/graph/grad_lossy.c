/*
 * Gradients of lossy tiles and blocks. What was lost forward is decided again
 * from the same seeds, so it has no gradient and no mask is kept.
 */
#include "graph/grad_rule.h"
#include "graph/tile_form.h"

/* The op as it is, but for its seeds, which training has. */
static void take_seeds(struct grad *g, const struct op *op, int input)
{
    int made = g->graph->values[op->out[0]].producer;

    grad_need_seeds(g, op);
    if (g->rc == 0) {
        g->graph->ops[made].in[input] = g->seeds;
    }
}

/* ---- tiles --------------------------------------------------------------- */

static bool read_form(struct grad *g, const struct op *op, struct tile_form *f)
{
    if (g->rc == 0) {
        g->rc = tile_form_get(op, f, g->err);
    }
    return g->rc == 0;
}

static void train_cut(struct grad *g, const struct op *op)
{
    struct tile_form form;

    if (read_form(g, op, &form) && tile_form_is_random(&form)) {
        take_seeds(g, op, 1);
    }
}

static void add_form(struct grad *g, const struct op *op, enum op_kind kind,
                     int n_in, const int *in, const struct tile_form *form)
{
    struct op *back = grad_begin(g, kind, n_in, in, 1);

    if (back != NULL) {
        grad_add(g, op, 0, grad_done(g, tile_form_set(back, form)));
    }
}

static void back_cut(struct grad *g, const struct op *op, int dy)
{
    struct tile_form form;

    if (read_form(g, op, &form)) {
        const int in[] = {dy, op->n_in > 1 ? op->in[1] : -1,
                          form.levels > 0 ? op->in[0] : -1};

        add_form(g, op, OP_TILE_JOIN, 3, in, &form);
    }
}

/* Its transpose; margins would not be linear. */
static void back_join(struct grad *g, const struct op *op, int dy)
{
    struct tile_form form;

    if (read_form(g, op, &form)) {
        const int in[] = {dy, op->n_in > 1 ? op->in[1] : -1};

        if (form.levels > 0) {
            grad_fail(g, EDGE_EUNSUPPORTED, op, "its tiles have margins");
            return;
        }
        add_form(g, op, OP_TILE_CUT, 2, in, &form);
    }
}

/* ---- blocks -------------------------------------------------------------- */

static void train_block(struct grad *g, const struct op *op)
{
    if (op_float(op, "p", 0) > 0) {
        take_seeds(g, op, 3);
    }
}

static int like(struct grad *g, const struct op *op, enum op_kind kind, int a,
                int b)
{
    const int in[] = {a, b, op->n_in > 3 ? op->in[3] : -1};
    struct op *back = grad_begin(g, kind, 3, in, 1);
    int rc;

    if (back == NULL) {
        return -1;
    }
    rc = op_set_int(back, "transB", op_int(op, "transB", 0));
    rc = rc == 0 ? op_set_int(back, "blocks", op_int(op, "blocks", 1)) : rc;
    rc = rc == 0 ? op_set_float(back, "p", op_float(op, "p", 0)) : rc;
    return grad_done(
        g, rc == 0 ? op_set_int(back, "salt", op_int(op, "salt", 0)) : rc);
}

static void back_block(struct grad *g, const struct op *op, int dy)
{
    if (grad_wants(g, op, 0)) {
        grad_add(g, op, 0, like(g, op, OP_BLOCK_INPUT_GRAD, dy, op->in[1]));
    }
    if (grad_wants(g, op, 1)) {
        grad_add(g, op, 1, like(g, op, OP_BLOCK_WEIGHT_GRAD, dy, op->in[0]));
    }
    if (grad_wants(g, op, 2)) {
        grad_add(g, op, 2, grad_fit(g, dy, grad_shape(g, op->in[2])));
    }
}

const struct grad_rule grad_lossy_rules[] = {
    {OP_TILE_CUT, back_cut, train_cut},
    {OP_TILE_JOIN, back_join, NULL},
    {OP_BLOCK_GEMM, back_block, train_block},
    {0},
};
