/* Gradients of pooling. */
#include "graph/grad_rule.h"
#include "graph/window.h"

static int set_shape(struct op *op, const struct shape *shape)
{
    return op_set_ints(op, "shape", shape->dims, (size_t)shape->rank);
}

static int set_window(struct op *to, const struct op *from,
                      const struct window *w)
{
    int rc = grad_set_window(to, w);

    return rc == 0 ? op_set_int(to, "count_include_pad",
                                op_int(from, "count_include_pad", 0))
                   : rc;
}

/* An own kind over the window of `op`. */
static void back_window(struct grad *g, const struct op *op, enum op_kind kind,
                        int n_in, const int *in)
{
    struct shape x = *grad_shape(g, op->in[0]);
    struct window w;
    struct op *back;
    int rc;

    g->rc = g->rc == 0 ? window_of(g->graph, op, &w, g->err) : g->rc;
    back = grad_begin(g, kind, n_in, in, 1);
    if (back == NULL) {
        return;
    }
    rc = set_window(back, op, &w);
    grad_add(g, op, 0, grad_done(g, rc == 0 ? set_shape(back, &x) : rc));
}

/* From x and y, not from indices: those would make the forward pass slow, and
 * are twice as large as y. */
static void back_max(struct grad *g, const struct op *op, int dy)
{
    const int in[] = {dy, op->in[0], op->out[0]};

    back_window(g, op, OP_MAX_POOL_GRAD, 3, in);
}

static void back_average(struct grad *g, const struct op *op, int dy)
{
    back_window(g, op, OP_AVERAGE_POOL_GRAD, 1, &dy);
}

static void back_global_average(struct grad *g, const struct op *op, int dy)
{
    struct shape x = *grad_shape(g, op->in[0]);
    float n = (float)shape_span(&x, 2, x.rank);

    grad_add(g, op, 0, grad_expand(g, grad_scale(g, dy, 1 / n), &x));
}

static void back_global_max(struct grad *g, const struct op *op, int dy)
{
    int same = GRAD_OP(g, OP_EQUAL, op->in[0], op->out[0]);

    grad_add(g, op, 0, GRAD_OP(g, OP_WHERE, same, dy, grad_number(g, 0)));
}

const struct grad_rule grad_pool_rules[] = {
    {OP_MAX_POOL, back_max, NULL},
    {OP_AVERAGE_POOL, back_average, NULL},
    {OP_GLOBAL_AVERAGE_POOL, back_global_average, NULL},
    {OP_GLOBAL_MAX_POOL, back_global_max, NULL},
    {0},
};
