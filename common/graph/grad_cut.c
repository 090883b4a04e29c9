/*
 * First the forward ops are found, which are those that what is no gradient
 * depends on; then what the other ops read of them. From that the values go
 * that a cheap op can make again from others. Both parts are extracted, and
 * the repeated ops moved to just before what reads them.
 */
#include "graph/grad_cut.h"

#include "base/mem.h"

#include <string.h>

struct cutter {
    struct graph *graph; /* a copy of the training graph */
    const struct grad_ports *ports;
    size_t n_ops;     /* of the training graph */
    bool *is_forward; /* by op */
    bool *seen;       /* by op: on the way */
    int *stack;       /* of ops */
    size_t depth;
    bool *varies; /* by value: depends on more than parameters */
    bool *kept;   /* by value: stashed */
    bool *there;  /* by value: kept, given, or cheaply made from such */
    bool *read;   /* by value: graph inputs that the part reads */
    int *in;      /* of a part to extract */
    int *out;
};

static int cutter_init(struct cutter *c, const struct graph *training,
                       const struct grad_ports *ports)
{
    size_t n_values = training->n_values;
    size_t n_ops = training->n_ops;

    *c = (struct cutter){.ports = ports, .n_ops = n_ops};
    c->is_forward = mem_array(bool, n_ops);
    c->seen = mem_array(bool, 2 * n_ops); /* each may be repeated */
    c->stack = mem_array(int, 2 * n_ops);
    c->varies = mem_array(bool, n_values);
    c->kept = mem_array(bool, n_values);
    c->there = mem_array(bool, n_values);
    c->read = mem_array(bool, n_values);
    c->in = mem_array(int, n_values);
    c->out = mem_array(int, n_values);
    if (c->is_forward == NULL || c->seen == NULL || c->stack == NULL ||
        c->varies == NULL || c->kept == NULL || c->there == NULL ||
        c->read == NULL || c->in == NULL || c->out == NULL) {
        return EDGE_ENOMEM;
    }
    return graph_clone(training, &c->graph);
}

static void cutter_deinit(struct cutter *c)
{
    graph_free(c->graph);
    mem_free(c->is_forward);
    mem_free(c->seen);
    mem_free(c->stack);
    mem_free(c->varies);
    mem_free(c->kept);
    mem_free(c->there);
    mem_free(c->read);
    mem_free(c->in);
    mem_free(c->out);
}

/* ---- what belongs where -------------------------------------------------- */

static bool is_gradient(const struct grad_ports *p, size_t output)
{
    return output >= p->param_grads && output < p->means;
}

static bool is_param(const struct grad_ports *p, size_t input)
{
    return input >= p->params && input < p->labels;
}

static void visit(struct cutter *c, int op)
{
    if (op >= 0 && !c->seen[op]) {
        c->seen[op] = true;
        c->stack[c->depth++] = op;
    }
}

static void find_forward(struct cutter *c)
{
    const struct graph *g = c->graph;

    for (size_t i = 0; i < g->n_outputs; i++) {
        if (!is_gradient(c->ports, i)) {
            visit(c, g->values[g->outputs[i]].producer);
        }
    }
    while (c->depth > 0) {
        int at = c->stack[--c->depth];

        c->is_forward[at] = true;
        for (int k = 0; k < g->ops[at].n_in; k++) {
            if (g->ops[at].in[k] >= 0) {
                visit(c, g->values[g->ops[at].in[k]].producer);
            }
        }
    }
}

static void find_varying(struct cutter *c)
{
    const struct graph *g = c->graph;

    for (size_t i = 0; i < g->n_inputs; i++) {
        c->varies[g->inputs[i]] = !is_param(c->ports, i);
    }
    for (size_t i = 0; i < g->n_ops; i++) {
        bool any = false;

        for (int k = 0; k < g->ops[i].n_in; k++) {
            any = any || (g->ops[i].in[k] >= 0 && c->varies[g->ops[i].in[k]]);
        }
        for (int k = 0; k < g->ops[i].n_out; k++) {
            if (g->ops[i].out[k] >= 0) {
                c->varies[g->ops[i].out[k]] = any;
            }
        }
    }
}

/* Walks back from the gradients up to what is kept; `stops` where the forward
 * part's values begin, which are kept from then on. */
static void walk_gradients(struct cutter *c, bool stops)
{
    const struct graph *g = c->graph;

    memset(c->seen, 0, 2 * c->n_ops * sizeof(*c->seen));
    for (size_t i = c->ports->param_grads; i < c->ports->means; i++) {
        visit(c, g->values[g->outputs[i]].producer);
    }
    while (c->depth > 0) {
        const struct op *op = &g->ops[c->stack[--c->depth]];

        for (int k = 0; k < op->n_in; k++) {
            int v = op->in[k];
            int producer = v >= 0 ? g->values[v].producer : -1;

            if (v >= 0 && producer < 0) {
                c->read[v] = true; /* or it is a constant, which is none */
            } else if (v >= 0 && stops && c->is_forward[producer] &&
                       c->varies[v]) {
                c->kept[v] = true;
            } else if (v >= 0 && !c->kept[v]) {
                visit(c, producer);
            }
        }
    }
}

/* ---- a smaller stash ----------------------------------------------------- */

/* One pass over memory or none, against the many of a product. An Add is not
 * among them: through the sums of residuals all would depend on all. */
static bool is_cheap(enum op_kind kind)
{
    switch (kind) {
    case OP_RELU:
    case OP_CLIP:
    case OP_LEAKY_RELU:
    case OP_PRELU:
    case OP_HARD_SIGMOID:
    case OP_HARD_SWISH:
    case OP_MAX_POOL:
    case OP_AVERAGE_POOL:
    case OP_GLOBAL_AVERAGE_POOL:
    case OP_BATCH_NORM:
    case OP_BATCH_NORM_TRAIN:
    case OP_DROPOUT_TRAIN:
    case OP_TILE_CUT:
    case OP_TILE_JOIN:
    case OP_CONCAT:
    case OP_SPLIT:
    case OP_SLICE:
    case OP_PAD:
    case OP_RESHAPE:
    case OP_FLATTEN:
    case OP_TRANSPOSE:
    case OP_SQUEEZE:
    case OP_UNSQUEEZE:
    case OP_IDENTITY: return true;
    default: return false;
    }
}

static bool is_there(const struct cutter *c, int value)
{
    return value < 0 || !c->varies[value] || c->there[value];
}

/* BatchNormTrain is cheap only once its statistics are known. */
static bool can_repeat(const struct cutter *c, const struct op *op)
{
    if (!is_cheap(op->kind)) {
        return false;
    }
    for (int k = 0; k < op->n_in; k++) {
        if (!is_there(c, op->in[k])) {
            return false;
        }
    }
    return op->kind != OP_BATCH_NORM_TRAIN ||
           (op->out[1] >= 0 && op->out[2] >= 0 && c->kept[op->out[1]] &&
            c->kept[op->out[2]]);
}

static void thin_out(struct cutter *c)
{
    const struct graph *g = c->graph;

    for (size_t i = 0; i < g->n_inputs; i++) {
        c->there[g->inputs[i]] = true;
    }
    for (size_t i = 0; i < c->n_ops; i++) {
        const struct op *op = &g->ops[i];
        bool repeats = c->is_forward[i] && can_repeat(c, op);

        for (int k = 0; c->is_forward[i] && k < op->n_out; k++) {
            int v = op->out[k];
            bool once = op->kind == OP_BATCH_NORM_TRAIN && k > 0;

            if (v < 0) {
                continue;
            }
            c->kept[v] = c->kept[v] && (!repeats || once);
            c->there[v] = c->kept[v] || repeats;
        }
    }
}

/* y of BatchNormTrain from its statistics, which is what they are for in
 * inference, in the same arithmetic. */
static int repeat_norm(struct graph *g, size_t at)
{
    const struct op *op = &g->ops[at];
    const int in[] = {op->in[0], op->in[1], op->in[2], op->out[1], op->out[2]};
    float epsilon = op_float(op, "epsilon", 1e-5F);
    int y = op->out[0];
    struct value like = g->values[y];
    int made = graph_add_value(g, NULL);
    int rc;

    if (made < 0) {
        return made;
    }
    g->values[made].dtype = like.dtype;
    g->values[made].has_shape = like.has_shape;
    g->values[made].shape = like.shape;
    rc = graph_add_op(g, OP_BATCH_NORM, NULL, in, 5, &made, 1);
    if (rc < 0) {
        return rc;
    }
    rc = op_set_float(&g->ops[rc], "epsilon", epsilon);
    if (rc == 0) {
        graph_move_output(g, made, y);
    }
    return rc;
}

static int repeat_norms(struct cutter *c)
{
    for (size_t i = 0; i < c->n_ops; i++) {
        const struct op *op = &c->graph->ops[i];
        int rc;

        if (!c->is_forward[i] || op->kind != OP_BATCH_NORM_TRAIN ||
            op->out[0] < 0 || c->kept[op->out[0]] || !c->there[op->out[0]]) {
            continue;
        }
        rc = repeat_norm(c->graph, i);
        if (rc < 0) {
            return rc;
        }
    }
    return 0;
}

/* ---- the parts ----------------------------------------------------------- */

static int extract_forward(struct cutter *c, const struct graph *training,
                           struct grad_parts *parts, struct err *err)
{
    size_t n_in = 0;
    size_t n_out = 0;

    parts->forward_in = mem_array(size_t, training->n_inputs + 1);
    if (parts->forward_in == NULL) {
        return EDGE_ENOMEM;
    }
    for (size_t i = 0; i < training->n_inputs; i++) {
        if (i < c->ports->outputs || i >= c->ports->seeds) {
            parts->forward_in[n_in] = i;
            c->in[n_in++] = training->inputs[i];
        }
    }
    for (size_t i = 0; i < training->n_outputs; i++) {
        if (!is_gradient(c->ports, i)) {
            c->out[n_out++] = training->outputs[i];
        }
    }
    parts->n_made = n_out;
    for (size_t v = 0; v < training->n_values; v++) {
        if (c->kept[v] && !graph_is_output(training, (int)v)) {
            c->out[n_out++] = (int)v;
        }
    }
    return graph_extract(training, c->in, n_in, c->out, n_out, training->name,
                         &parts->forward, err);
}

/* Ops that the forward part has too go last, for graph_sort(), which puts an
 * op before the first one that reads it. */
static int turn_ops(struct cutter *c)
{
    struct graph *g = c->graph;
    struct op *ops = mem_array(struct op, g->n_ops);
    size_t n = 0;

    if (ops == NULL) {
        return EDGE_ENOMEM;
    }
    for (int late = 0; late < 2; late++) {
        for (size_t i = 0; i < g->n_ops; i++) {
            bool is_late = i >= c->n_ops || c->is_forward[i];

            if (is_late == (late == 1)) {
                ops[n++] = g->ops[i];
            }
        }
    }
    memcpy(g->ops, ops, n * sizeof(*ops));
    mem_free(ops);
    graph_set_producers(g);
    return 0;
}

/* The forward part's outputs that are kept, and graph inputs that are read. */
static int list_sources(struct cutter *c, struct grad_parts *parts,
                        size_t n_forward_out)
{
    const struct graph *g = c->graph;
    size_t n = 0;

    parts->backward_in =
        mem_array(struct grad_source, g->n_inputs + n_forward_out + 1);
    if (parts->backward_in == NULL) {
        return EDGE_ENOMEM;
    }
    for (size_t i = 0; i < g->n_inputs; i++) {
        if (c->read[g->inputs[i]]) {
            c->in[n] = g->inputs[i];
            parts->backward_in[n++] = (struct grad_source){false, i};
        }
    }
    for (size_t i = 0; i < n_forward_out; i++) {
        /* c->out has not changed since the forward part was extracted. */
        if (c->kept[c->out[i]]) {
            c->in[n] = c->out[i];
            parts->backward_in[n++] = (struct grad_source){true, i};
        }
    }
    parts->n_backward_in = n;
    return 0;
}

static int extract_backward(struct cutter *c, struct grad_parts *parts,
                            struct err *err)
{
    size_t first = c->ports->param_grads;
    int rc = list_sources(c, parts, parts->forward->n_outputs);

    if (rc == 0) {
        rc = turn_ops(c);
    }
    if (rc == 0) {
        rc = graph_extract(c->graph, c->in, parts->n_backward_in,
                           c->graph->outputs + first, c->ports->means - first,
                           c->graph->name, &parts->backward, err);
    }
    return rc == 0 ? graph_sort(parts->backward, err) : rc;
}

static int like(struct graph *g, int value)
{
    int made = graph_add_value(g, NULL);

    if (made >= 0) {
        g->values[made].dtype = g->values[value].dtype;
        g->values[made].has_shape = g->values[value].has_shape;
        g->values[made].shape = g->values[value].shape;
    }
    return made;
}

static int add_to_sum(struct graph *g, size_t output)
{
    int in[2] = {-1, g->outputs[output]};
    int out;
    int rc;

    in[0] = like(g, in[1]);
    out = in[0] >= 0 ? like(g, in[1]) : in[0];
    if (out < 0) {
        return out;
    }
    rc = graph_add_input(g, in[0]);
    if (rc >= 0) {
        rc = graph_add_op(g, OP_ACCUMULATE, NULL, in, 2, &out, 1);
    }
    g->outputs[output] = out;
    return rc < 0 ? rc : 0;
}

static size_t take_sums(const struct graph *g, size_t first, int producer,
                        struct op *ops, size_t n)
{
    for (size_t i = first; i < g->n_ops; i++) {
        if (g->values[g->ops[i].in[1]].producer == producer) {
            ops[n++] = g->ops[i];
        }
    }
    return n;
}

/* Sums, which are the ops from `first` on, go where their gradients are made:
 * so that these need no room any more, and each sum is there early. */
static int bring_forward(struct graph *g, size_t first, struct err *err)
{
    struct op *ops = mem_array(struct op, g->n_ops + 1);
    size_t n;

    if (ops == NULL) {
        return EDGE_ENOMEM;
    }
    n = take_sums(g, first, -1, ops, 0);
    for (size_t i = 0; i < first; i++) {
        ops[n++] = g->ops[i];
        n = take_sums(g, first, (int)i, ops, n);
    }
    memcpy(g->ops, ops, n * sizeof(*ops));
    mem_free(ops);
    graph_set_producers(g);
    return graph_sort(g, err); /* which numbers their names, too */
}

static int add_to_sums(struct graph *g, size_t n_params, struct err *err)
{
    size_t first = g->n_ops;
    int rc = 0;

    for (size_t i = 0; i < n_params && rc == 0; i++) {
        rc = add_to_sum(g, i);
    }
    return rc == 0 ? bring_forward(g, first, err) : rc;
}

static int make_parts(struct cutter *c, const struct graph *training,
                      bool recompute, struct grad_parts *parts, struct err *err)
{
    const struct grad_ports *p = c->ports;
    bool backward = p->means > p->param_grads;
    int rc;

    find_forward(c);
    find_varying(c);
    if (!recompute && backward) {
        walk_gradients(c, true);
        thin_out(c);
    }
    rc = extract_forward(c, training, parts, err);
    if (rc < 0 || !backward) {
        return rc;
    }
    rc = recompute ? 0 : repeat_norms(c);
    if (rc == 0) {
        memset(c->read, 0, training->n_values * sizeof(*c->read));
        walk_gradients(c, false);
        rc = extract_backward(c, parts, err);
    }
    return rc == 0 ? add_to_sums(parts->backward,
                                 p->input_grads - p->param_grads, err)
                   : rc;
}

int grad_cut(const struct graph *training, const struct grad_ports *ports,
             bool recompute, struct grad_parts *parts, struct err *err)
{
    struct err why = {.text = ""};
    struct cutter c;
    int rc = cutter_init(&c, training, ports);

    *parts = (struct grad_parts){0};
    if (rc == 0) {
        rc = make_parts(&c, training, recompute, parts, &why);
    }
    cutter_deinit(&c);
    if (rc < 0) {
        grad_parts_deinit(parts);
        rc = err_set(err, rc, "cut the training graph: %s",
                     why.text[0] != '\0' ? why.text : err_text(rc));
    }
    return rc;
}

void grad_parts_deinit(struct grad_parts *parts)
{
    graph_free(parts->forward);
    graph_free(parts->backward);
    mem_free(parts->forward_in);
    mem_free(parts->backward_in);
    *parts = (struct grad_parts){0};
}
