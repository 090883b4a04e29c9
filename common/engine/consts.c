#include "engine/consts.h"

#include "base/mem.h"
#include "engine/fold.h"
#include "graph/infer.h"

static bool is_known(const struct consts *c, int v)
{
    const struct graph *g = c->graph;
    int producer;

    if (v < 0 || graph_is_const(g, v)) {
        return true;
    }
    producer = g->values[v].producer;
    return producer >= 0 && c->put_off[producer];
}

static void put_off_ops(struct consts *c)
{
    const struct graph *g = c->graph;

    for (size_t i = 0; i < g->n_ops; i++) {
        /* NonMaxSuppression's size is known only afterwards. */
        bool known = g->ops[i].kind != OP_NON_MAX_SUPPRESSION &&
                     bind_find(g->ops[i].kind) != NULL;

        for (int k = 0; k < g->ops[i].n_in && known; k++) {
            known = is_known(c, g->ops[i].in[k]);
        }
        c->put_off[i] = known;
    }
}

int consts_init(struct consts *c, struct graph *graph)
{
    *c = (struct consts){.graph = graph};
    c->put_off = mem_array(bool, graph->n_ops);
    c->done = mem_array(bool, graph->n_ops);
    c->kept = mem_array(bool, graph->n_values);
    c->stack = mem_array(int, graph->n_ops);
    if (c->put_off == NULL || c->done == NULL || c->kept == NULL ||
        c->stack == NULL || graph_count_uses(graph, &c->left) < 0) {
        consts_deinit(c);
        return EDGE_ENOMEM;
    }
    put_off_ops(c);
    return 0;
}

void consts_deinit(struct consts *c)
{
    mem_free(c->put_off);
    mem_free(c->done);
    mem_free(c->kept);
    mem_free(c->left);
    mem_free(c->stack);
    *c = (struct consts){0};
}

bool consts_is_put_off(const struct consts *c, int v)
{
    int producer = v >= 0 ? c->graph->values[v].producer : -1;

    return producer >= 0 && c->put_off[producer] && !c->done[producer];
}

static int evaluate(struct consts *c, int index, struct err *err)
{
    struct op *op = &c->graph->ops[index];
    struct tensor *out = mem_array(struct tensor, (size_t)op->n_out);
    int rc;

    if (out == NULL) {
        return err_set(err, EDGE_ENOMEM, "%s", err_text(EDGE_ENOMEM));
    }
    rc = infer_op(c->graph, op, err); /* its inputs have their data by now */
    if (rc == 0) {
        rc = fold_eval(NULL, c->graph, op, out, err);
    }
    if (rc == 0) {
        for (int i = 0; i < op->n_out; i++) {
            if (op->out[i] >= 0) {
                c->graph->values[op->out[i]].data = out[i];
            }
        }
        for (int i = 0; i < op->n_in; i++) {
            consts_release(c, op->in[i], false);
        }
        c->done[index] = true;
    }
    mem_free(out);
    return rc;
}

/* An op that must run before ops[index] can, or -1. */
static int missing(const struct consts *c, int index)
{
    const struct op *op = &c->graph->ops[index];

    for (int i = 0; i < op->n_in; i++) {
        if (consts_is_put_off(c, op->in[i])) {
            return c->graph->values[op->in[i]].producer;
        }
    }
    return -1;
}

int consts_need(struct consts *c, int v, struct err *err)
{
    size_t n = 0;

    if (!consts_is_put_off(c, v)) {
        return 0;
    }
    c->stack[n++] = c->graph->values[v].producer;
    while (n > 0) {
        int before = missing(c, c->stack[n - 1]);
        int rc;

        if (before >= 0) {
            c->stack[n++] = before;
            continue;
        }
        rc = evaluate(c, c->stack[n - 1], err);
        if (rc < 0) {
            return rc;
        }
        n--;
    }
    return 0;
}

void consts_release(struct consts *c, int v, bool keep)
{
    if (v < 0 || !graph_is_const(c->graph, v)) {
        return;
    }
    c->kept[v] = c->kept[v] || keep;
    c->left[v]--;
    if (c->left[v] <= 0 && !c->kept[v]) {
        tensor_deinit(&c->graph->values[v].data);
    }
}

/* Ops of several outputs are never skipped, so one value is all it makes. */
void consts_skip(struct consts *c, int v)
{
    int producer = c->graph->values[v].producer;
    const struct op *op = &c->graph->ops[producer];

    c->left[v]--;
    if (c->left[v] > 0) {
        return;
    }
    c->done[producer] = true;
    for (int i = 0; i < op->n_in; i++) {
        consts_release(c, op->in[i], false);
    }
}
