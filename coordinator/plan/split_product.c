#include "coordinator/plan/split_product.h"

#include <string.h>

static bool is_static(const struct value *v)
{
    if (v == NULL || !v->has_shape) {
        return false;
    }
    for (int i = 0; i < v->shape.rank; i++) {
        if (v->shape.dims[i] <= 0) {
            return false;
        }
    }
    return true;
}

/* ---- products ------------------------------------------------------------ */

static bool conv_of(const struct graph *g, const struct op *op,
                    struct product *p)
{
    const struct shape *w = &g->values[p->weight].data.shape;

    p->groups = op_int(op, "group", 1);
    p->in_axis = p->out_axis = 1;
    p->w_out_axis = 0;
    p->w_in_axis = 1;
    p->outs = w->dims[0];
    p->ins = w->dims[1] * p->groups;
    p->bias_axis = 0;
    return p->groups >= 1;
}

/* The bias of a Gemm: [N] or [1, N] or one number. */
static bool gemm_bias(const struct graph *g, const struct op *op,
                      struct product *p)
{
    const struct shape *s;

    if (p->bias < 0) {
        return true;
    }
    s = &g->values[p->bias].data.shape;
    if (op_float(op, "beta", 1) != 1 || s->rank > 2 ||
        (s->rank == 2 && s->dims[0] != 1)) {
        return false;
    }
    p->bias_axis = s->rank == 0 || s->dims[s->rank - 1] == 1 ? -1 : s->rank - 1;
    return p->bias_axis < 0 || s->dims[p->bias_axis] == p->outs;
}

static bool gemm_of(const struct graph *g, const struct op *op,
                    struct product *p)
{
    const struct shape *w = &g->values[p->weight].data.shape;
    bool turned = op->kind == OP_GEMM && op_int(op, "transB", 0) != 0;

    if (w->rank != 2 || (op->kind == OP_GEMM && op_int(op, "transA", 0) != 0)) {
        return false;
    }
    p->groups = 1;
    p->in_axis = g->values[p->input].shape.rank - 1;
    p->out_axis = g->values[p->output].shape.rank - 1;
    p->w_in_axis = turned ? 1 : 0;
    p->w_out_axis = turned ? 0 : 1;
    p->ins = w->dims[p->w_in_axis];
    p->outs = w->dims[p->w_out_axis];
    return p->in_axis >= 1 && gemm_bias(g, op, p);
}

bool product_of(const struct graph *graph, int index, struct product *p)
{
    const struct op *op = &graph->ops[index];

    if (op->kind != OP_CONV && op->kind != OP_GEMM && op->kind != OP_MATMUL) {
        return false;
    }
    *p = (struct product){.op = index,
                          .input = op->in[0],
                          .output = op->out[0],
                          .weight = op->in[1],
                          .bias = op->n_in > 2 ? op->in[2] : -1};
    if (graph_is_const(graph, p->input) || !graph_is_const(graph, p->weight) ||
        (p->bias >= 0 && !graph_is_const(graph, p->bias)) ||
        !is_static(&graph->values[p->input]) ||
        !is_static(&graph->values[p->output])) {
        return false;
    }
    return op->kind == OP_CONV ? conv_of(graph, op, p) : gemm_of(graph, op, p);
}

bool product_sums(const struct product *p)
{
    return p->groups == 1 && p->ins > 1;
}

int product_bias(struct maker *m, const struct product *p)
{
    int rank = m->graph->values[p->output].shape.rank;
    struct tensor t;
    int value;

    if (m->rc < 0 || p->out_axis == rank - 1 || p->bias_axis < 0) {
        return p->bias;
    }
    t = tensor_ref(&m->graph->values[p->bias].data);
    t.shape.rank = rank - p->out_axis; /* [C] -> [C, 1, 1] */
    t.shape.dims[0] = p->outs;
    for (int i = 1; i < t.shape.rank; i++) {
        t.shape.dims[i] = 1;
    }
    value = graph_add_const(m->graph, NULL, &t);
    tensor_deinit(&t);
    if (value < 0) {
        make_fail(m, value, "rewrite the graph: %s", err_text(value));
    }
    return value;
}

/* ---- followers ----------------------------------------------------------- */

/* How an op treats the channels of what it reads. */
enum follows {
    FOLLOWS_NOT,
    FOLLOWS_ALONE,   /* each element alone: its constants are single numbers */
    FOLLOWS_SLICED,  /* each element alone, constants broadcast */
    FOLLOWS_NORM,    /* BatchNormalization: constants [C] */
    FOLLOWS_CHANNEL, /* pooling: each channel alone, no constants */
    FOLLOWS_DEPTHWISE,
    FOLLOWS_FLAT /* channels become runs of features */
};

static enum follows kind_of(enum op_kind kind)
{
    if (op_is_unary(kind)) {
        return FOLLOWS_ALONE;
    }
    if (op_is_elementwise(kind)) {
        return FOLLOWS_SLICED;
    }
    switch (kind) {
    case OP_BATCH_NORM: return FOLLOWS_NORM;
    case OP_MAX_POOL:
    case OP_AVERAGE_POOL:
    case OP_GLOBAL_AVERAGE_POOL:
    case OP_GLOBAL_MAX_POOL: return FOLLOWS_CHANNEL;
    case OP_CONV: return FOLLOWS_DEPTHWISE;
    case OP_FLATTEN:
    case OP_RESHAPE: return FOLLOWS_FLAT;
    default: return FOLLOWS_NOT;
    }
}

/* Whether all other inputs are constants that broadcast into the value. */
static bool broadcasts_into(const struct graph *g, const struct op *op,
                            int value)
{
    int rank = g->values[value].shape.rank;
    int readers = 0;

    for (int k = 0; k < op->n_in; k++) {
        if (op->in[k] == value) {
            readers++;
        } else if (op->in[k] >= 0 &&
                   (!graph_is_const(g, op->in[k]) ||
                    g->values[op->in[k]].data.shape.rank > rank)) {
            return false;
        }
    }
    return readers == 1 &&
           shape_equal(&g->values[op->out[0]].shape, &g->values[value].shape);
}

static bool is_depthwise(const struct graph *g, const struct op *op, int value,
                         int64_t channels, struct follower *f)
{
    struct product p;

    if (op->in[0] != value || !product_of(g, (int)(op - g->ops), &p) ||
        p.groups != channels) {
        return false;
    }
    f->factor = p.outs / p.groups;
    return true;
}

/* [N, C, ...] -> [N, features], so that a channel's features stay together. */
static bool is_flat(const struct graph *g, const struct op *op, int value,
                    int axis, struct follower *f)
{
    const struct shape *in = &g->values[value].shape;
    const struct shape *out = &g->values[op->out[0]].shape;

    if (op->in[0] != value || axis != 1 || out->rank != 2 || in->rank < 2 ||
        out->dims[0] != in->dims[0]) {
        return false;
    }
    f->factor = out->dims[1] / in->dims[1];
    return true;
}

bool follower_of(const struct graph *graph, int index, int value, int axis,
                 struct follower *f)
{
    const struct op *op = &graph->ops[index];
    const struct value *v = &graph->values[value];

    *f = (struct follower){
        .axis = axis, .factor = 1, .from = v->shape.rank, .in_axis = axis};
    if (op->n_out != 1 || !is_static(v) ||
        !is_static(&graph->values[op->out[0]])) {
        return false;
    }
    f->channels = v->shape.dims[axis];
    switch (kind_of(op->kind)) {
    case FOLLOWS_NOT: return false;
    case FOLLOWS_ALONE:
    case FOLLOWS_SLICED: return broadcasts_into(graph, op, value);
    case FOLLOWS_NORM: return axis == 1 && broadcasts_into(graph, op, value);
    case FOLLOWS_CHANNEL: return axis == 1 && v->shape.rank == 4;
    case FOLLOWS_DEPTHWISE:
        return axis == 1 && is_depthwise(graph, op, value, f->channels, f);
    case FOLLOWS_FLAT: return is_flat(graph, op, value, axis, f);
    }
    return false;
}

/* A constant operand for these channels. */
static int operand(struct maker *m, const struct follower *f, enum follows kind,
                   int value, int64_t begin, int64_t end)
{
    const struct shape *s;
    int axis;

    if (value < 0 || m->rc < 0) {
        return value;
    }
    s = &m->graph->values[value].data.shape;
    axis = kind == FOLLOWS_NORM ? 0 : f->in_axis - (f->from - s->rank);
    if (kind == FOLLOWS_DEPTHWISE) {
        return make_const_slice(m, value, 0, begin * f->factor,
                                end * f->factor);
    }
    if (axis < 0 || axis >= s->rank || s->dims[axis] == 1) {
        return value;
    }
    return make_const_slice(m, value, axis, begin, end);
}

static int flat_piece(struct maker *m, int op, int piece, const char *suffix,
                      int part)
{
    int made =
        make_op(m, OP_FLATTEN, m->graph->ops[op].name, suffix, &piece, 1, part);

    (void)make_set_int(m, made, "axis", 1);
    return make_done(m, made);
}

int follower_piece(struct maker *m, int op, const struct follower *f, int piece,
                   int64_t begin, int64_t end, const char *suffix, int part)
{
    const struct op *from = &m->graph->ops[op];
    enum follows kind = kind_of(from->kind);
    int in[LIMIT_PORTS];
    int n = from->n_in;
    int made;

    if (kind == FOLLOWS_FLAT) {
        return flat_piece(m, op, piece, suffix, part);
    }
    if (n > LIMIT_PORTS) {
        make_fail(m, EDGE_ENOFIT, "split: %s reads too much", from->name);
        return -1;
    }
    for (int k = 0; k < n; k++) {
        int value = m->graph->ops[op].in[k];

        in[k] = value >= 0 && !graph_is_const(m->graph, value)
                    ? piece
                    : operand(m, f, kind, value, begin, end);
    }
    made = make_copy(m, op, suffix, in, n, part);
    if (kind == FOLLOWS_DEPTHWISE) {
        (void)make_set_int(m, made, "group", end - begin);
    }
    return make_done(m, made);
}
