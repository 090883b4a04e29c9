#include "graph/grad.h"

#include "base/mem.h"
#include "graph/grad_rule.h"
#include "graph/infer.h"

#include <string.h>

const struct grad_rule *grad_rule_of(enum op_kind kind)
{
    static const struct grad_rule *const tables[] = {
        grad_conv_rules,    grad_elementwise_rules, grad_lossy_rules,
        grad_norm_rules,    grad_pick_rules,        grad_pool_rules,
        grad_product_rules, grad_sample_rules,      grad_shape_rules,
        grad_unary_rules,
    };

    for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++) {
        const struct grad_rule *r = tables[i];

        for (; r->back != NULL || r->train != NULL; r++) {
            if (r->kind == kind) {
                return r;
            }
        }
    }
    return NULL;
}

/* ---- what is asked for -------------------------------------------------- */

static int check_value(const struct graph *f, int v, const char *what,
                       struct err *err)
{
    if (v < 0 || (size_t)v >= f->n_values) {
        return err_set(err, EDGE_EINVAL, "%s: there is no value %d", what, v);
    }
    if (f->values[v].dtype != DTYPE_F32 ||
        !shape_is_static(&f->values[v].shape)) {
        return err_set(err, EDGE_EINVAL,
                       "%s \"%.200s\" must be float32 of a known size", what,
                       f->values[v].name);
    }
    return 0;
}

static int check_params(const struct graph *f, const struct grad_ask *ask,
                        struct err *err)
{
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < ask->n_params; i++) {
        rc = check_value(f, ask->params[i], "parameter", err);
        if (rc == 0 && !graph_is_const(f, ask->params[i])) {
            rc = err_set(err, EDGE_EINVAL,
                         "parameter \"%.200s\" is not a constant of the model",
                         f->values[ask->params[i]].name);
        }
        for (size_t k = 0; rc == 0 && k < i; k++) {
            if (ask->params[k] == ask->params[i]) {
                rc = err_set(err, EDGE_EINVAL,
                             "parameter \"%.200s\" is given twice",
                             f->values[ask->params[i]].name);
            }
        }
    }
    return rc;
}

static int check_ask(const struct graph *f, const struct grad_ask *ask,
                     struct err *err)
{
    int rc = check_params(f, ask, err);

    for (size_t i = 0; rc == 0 && i < ask->n_losses; i++) {
        rc = check_value(f, ask->losses[i].scores, "scores", err);
    }
    for (size_t i = 0; rc == 0 && i < ask->n_outputs; i++) {
        rc = check_value(f, ask->outputs[i], "value", err);
    }
    for (size_t i = 0; rc == 0 && i < ask->n_inputs; i++) {
        rc = check_value(f, ask->inputs[i], "graph input", err);
        if (rc == 0 && !graph_is_input(f, ask->inputs[i])) {
            rc = err_set(err, EDGE_EINVAL, "\"%.200s\" is no graph input",
                         f->values[ask->inputs[i]].name);
        }
    }
    return rc;
}

/* ---- names and ports ---------------------------------------------------- */

/* `value` as NAME/suffix, where NAME is that of `of`. */
static void give_name(struct grad *g, int value, int of, const char *suffix)
{
    char *name;

    if (g->rc < 0) {
        return;
    }
    name = mem_printf("%s/%s", g->graph->values[of].name, suffix);
    g->rc =
        name != NULL ? graph_rename_value(g->graph, value, name) : EDGE_ENOMEM;
    if (g->rc < 0) {
        (void)err_set(g->err, g->rc,
                      "the training graph: value \"%.200s/%s\": %s",
                      g->graph->values[of].name, suffix, err_text(g->rc));
    }
    mem_free(name);
}

/* A graph input for something that goes with `of`. */
static int new_input(struct grad *g, int of, const char *suffix,
                     enum dtype dtype, const struct shape *shape)
{
    struct shape copy = *shape;
    int v;

    if (g->rc < 0) {
        return -1;
    }
    v = graph_add_value(g->graph, NULL);
    if (v < 0 || graph_add_input(g->graph, v) < 0) {
        g->rc = err_set(g->err, EDGE_ENOMEM, "%s", err_text(EDGE_ENOMEM));
        return -1;
    }
    g->graph->values[v].dtype = dtype;
    g->graph->values[v].has_shape = true;
    g->graph->values[v].shape = copy;
    give_name(g, v, of, suffix);
    return v;
}

/* An output of its own, though `value` be another one, an input or constant. */
static void new_output(struct grad *g, int value, int of, const char *suffix)
{
    if (g->rc == 0 &&
        (graph_is_output(g->graph, value) || graph_is_input(g->graph, value) ||
         graph_is_const(g->graph, value))) {
        value = GRAD_OP(g, OP_IDENTITY, value);
    }
    give_name(g, value, of, suffix);
    if (g->rc == 0 && graph_add_output(g->graph, value) < 0) {
        g->rc = err_set(g->err, EDGE_ENOMEM, "%s", err_text(EDGE_ENOMEM));
    }
}

static void free_params(struct grad *g, const struct grad_ask *ask)
{
    for (size_t i = 0; i < ask->n_params && g->rc == 0; i++) {
        tensor_deinit(&g->graph->values[ask->params[i]].data);
        if (graph_add_input(g->graph, ask->params[i]) < 0) {
            g->rc = err_set(g->err, EDGE_ENOMEM, "%s", err_text(EDGE_ENOMEM));
        }
    }
}

/* ---- the forward pass --------------------------------------------------- */

static void train_forms(struct grad *g)
{
    size_t n = g->graph->n_ops;

    for (size_t i = 0; i < n && g->rc == 0; i++) {
        struct op op = g->graph->ops[i];
        const struct grad_rule *rule = grad_rule_of(op.kind);

        if (rule != NULL && rule->train != NULL) {
            rule->train(g, &op);
        }
    }
}

/* The loss of `ask->losses[i]`; its weight is where its gradient begins. */
static int add_loss(struct grad *g, const struct grad_loss *loss, int labels)
{
    const int in[] = {loss->scores, labels};

    return grad_begin(g, OP_SOFTMAX_LOSS, 2, in, 2) != NULL ? grad_done(g, 0)
                                                            : -1;
}

static int labels_input(struct grad *g, const struct grad_loss *loss)
{
    struct shape shape = *grad_shape(g, loss->scores);

    if (shape.rank < 2) {
        g->rc = err_set(g->err, EDGE_EINVAL,
                        "scores \"%.200s\" must have a batch and classes",
                        g->graph->values[loss->scores].name);
        return -1;
    }
    memmove(&shape.dims[1], &shape.dims[2],
            (size_t)(shape.rank - 2) * sizeof(shape.dims[0]));
    shape.rank--;
    return new_input(g, loss->scores, "labels", DTYPE_I64, &shape);
}

/* ---- the backward pass -------------------------------------------------- */

static int mark_needs(struct grad *g, const struct grad_ask *ask)
{
    struct graph *graph = g->graph;

    g->n_needs = graph->n_values;
    g->needs = mem_array(bool, g->n_needs);
    g->last = mem_array(int, g->n_needs);
    if (g->needs == NULL || g->last == NULL) {
        return err_set(g->err, EDGE_ENOMEM, "%s", err_text(EDGE_ENOMEM));
    }
    for (size_t v = 0; v < g->n_needs; v++) {
        g->last[v] = -1;
    }
    for (size_t i = 0; i < ask->n_params; i++) {
        g->needs[ask->params[i]] = true;
    }
    for (size_t i = 0; i < ask->n_inputs; i++) {
        g->needs[ask->inputs[i]] = true;
    }
    for (size_t i = 0; i < graph->n_ops; i++) {
        const struct op *op = &graph->ops[i];
        bool any = false;

        for (int k = 0; k < op->n_in; k++) {
            any = any || (op->in[k] >= 0 && g->needs[op->in[k]]);
        }
        for (int k = 0; any && k < op->n_out; k++) {
            if (op->out[k] >= 0) {
                g->needs[op->out[k]] =
                    graph->values[op->out[k]].dtype == DTYPE_F32;
            }
        }
    }
    return 0;
}

/* A term that comes from outside of the graph's own ops. */
static void start_at(struct grad *g, int value, int term)
{
    const struct op reader = {.kind = OP_IDENTITY,
                              .name = g->graph->values[value].name,
                              .in = &value,
                              .n_in = 1};

    grad_add(g, &reader, 0, term);
}

static bool has_terms(const struct grad *g, const struct op *op)
{
    for (int k = 0; k < op->n_out; k++) {
        if (op->out[k] >= 0 && g->last[op->out[k]] >= 0) {
            return true;
        }
    }
    return false;
}

static void walk_back(struct grad *g, size_t n_ops)
{
    for (size_t i = n_ops; i-- > 0 && g->rc == 0;) {
        struct op op = g->graph->ops[i];
        const struct grad_rule *rule = grad_rule_of(op.kind);

        if (!has_terms(g, &op)) {
            continue;
        }
        if (rule == NULL || rule->back == NULL) {
            grad_fail(g, EDGE_EUNSUPPORTED, &op,
                      "there is no gradient for it, so nothing before it can "
                      "be trained");
            return;
        }
        rule->back(g, &op, op.out[0] >= 0 ? grad_sum(g, op.out[0]) : -1);
    }
}

static int gradient_of(struct grad *g, int value)
{
    int sum = g->rc == 0 ? grad_sum(g, value) : -1;

    return g->rc == 0 && sum < 0 ? grad_zeros(g, grad_shape(g, value)) : sum;
}

/* ---- all of it ---------------------------------------------------------- */

struct made { /* by loss, by output */
    int *labels;
    int *losses;
    int *starts;
};

static void add_inputs(struct grad *g, const struct grad_ask *ask,
                       struct made *m, struct grad_ports *p)
{
    p->params = g->graph->n_inputs;
    free_params(g, ask);
    p->labels = g->graph->n_inputs;
    for (size_t i = 0; i < ask->n_losses && g->rc == 0; i++) {
        m->labels[i] = labels_input(g, &ask->losses[i]);
    }
    p->outputs = g->graph->n_inputs;
    for (size_t i = 0; i < ask->n_outputs && g->rc == 0; i++) {
        m->starts[i] = new_input(g, ask->outputs[i], "grad", DTYPE_F32,
                                 grad_shape(g, ask->outputs[i]));
    }
    p->seeds = g->graph->n_inputs;
    train_forms(g);
    p->has_seeds = g->seeds >= 0;
    for (size_t i = 0; i < ask->n_losses && g->rc == 0; i++) {
        m->losses[i] = add_loss(g, &ask->losses[i], m->labels[i]);
    }
}

static void differentiate(struct grad *g, const struct grad_ask *ask,
                          const struct made *m)
{
    size_t n_ops;

    if (g->rc == 0) {
        g->rc = graph_sort(g->graph, g->err);
    }
    if (g->rc == 0) {
        g->rc = mark_needs(g, ask);
    }
    n_ops = g->graph->n_ops;
    for (size_t i = 0; i < ask->n_losses && g->rc == 0; i++) {
        start_at(g, m->losses[i], grad_number(g, ask->losses[i].weight));
    }
    for (size_t i = 0; i < ask->n_outputs && g->rc == 0; i++) {
        start_at(g, ask->outputs[i], m->starts[i]);
    }
    walk_back(g, n_ops);
}

static void add_statistics(struct grad *g, struct grad_ports *p)
{
    p->n_statistics = g->n_stats;
    p->statistics = mem_array(int, 2 * g->n_stats + 1);
    if (p->statistics == NULL) {
        g->rc = err_set(g->err, EDGE_ENOMEM, "%s", err_text(EDGE_ENOMEM));
    }
    for (int k = 0; k < 2; k++) {
        *(k == 0 ? &p->means : &p->variances) = g->graph->n_outputs;
        for (size_t i = 0; i < g->n_stats && g->rc == 0; i++) {
            p->statistics[2 * i + (size_t)k] = g->stats[i].from[k];
            new_output(g, g->stats[i].made[k], g->stats[i].from[k], "batch");
        }
    }
}

static void add_outputs(struct grad *g, const struct grad_ask *ask,
                        const struct made *m, struct grad_ports *p)
{
    p->losses = g->graph->n_outputs;
    for (size_t i = 0; i < ask->n_losses && g->rc == 0; i++) {
        new_output(g, m->losses[i], ask->losses[i].scores, "loss");
    }
    p->param_grads = g->graph->n_outputs;
    for (size_t i = 0; i < ask->n_params && g->rc == 0; i++) {
        new_output(g, gradient_of(g, ask->params[i]), ask->params[i], "grad");
    }
    p->input_grads = g->graph->n_outputs;
    for (size_t i = 0; i < ask->n_inputs && g->rc == 0; i++) {
        new_output(g, gradient_of(g, ask->inputs[i]), ask->inputs[i], "grad");
    }
    if (g->rc == 0) {
        add_statistics(g, p);
    }
}

static void grad_deinit(struct grad *g)
{
    mem_free(g->needs);
    mem_free(g->last);
    mem_free(g->terms);
    mem_free(g->stats);
}

int grad_make(const struct graph *forward, const struct grad_ask *ask,
              struct graph **graph, struct grad_ports *ports, struct err *err)
{
    struct grad g = {.seeds = -1, .err = err};
    struct made m = {0};

    *ports = (struct grad_ports){0};
    g.rc = check_ask(forward, ask, err);
    if (g.rc < 0) {
        return g.rc;
    }
    m.labels = mem_array(int, ask->n_losses + 1);
    m.losses = mem_array(int, ask->n_losses + 1);
    m.starts = mem_array(int, ask->n_outputs + 1);
    if (m.labels == NULL || m.losses == NULL || m.starts == NULL ||
        graph_clone(forward, &g.graph) < 0) {
        g.rc = err_set(err, EDGE_ENOMEM, "%s", err_text(EDGE_ENOMEM));
        goto out;
    }
    add_inputs(&g, ask, &m, ports);
    differentiate(&g, ask, &m);
    add_outputs(&g, ask, &m, ports);
    if (g.rc == 0 && graph_compact(g.graph) < 0) {
        g.rc = err_set(err, EDGE_ENOMEM, "%s", err_text(EDGE_ENOMEM));
    }
out:
    mem_free(m.labels);
    mem_free(m.losses);
    mem_free(m.starts);
    grad_deinit(&g);
    if (g.rc < 0) {
        graph_free(g.graph);
        mem_free(ports->statistics);
        *ports = (struct grad_ports){0};
        return g.rc;
    }
    *graph = g.graph;
    return 0;
}
