#include "engine/fuse.h"

#include "base/mem.h"

#include <math.h>

struct fuser {
    const struct graph *graph;
    const bool *skip;
    int *uses;
    int *reader; /* by value: an op that reads it, or -1 */
    struct fusion *fusions;
};

static int find_readers(struct fuser *f)
{
    const struct graph *g = f->graph;

    f->reader = mem_array(int, g->n_values);
    if (f->reader == NULL) {
        return EDGE_ENOMEM;
    }
    for (size_t i = 0; i < g->n_values; i++) {
        f->reader[i] = -1;
    }
    for (size_t i = 0; i < g->n_ops; i++) {
        for (int k = 0; k < g->ops[i].n_in; k++) {
            if (g->ops[i].in[k] >= 0) {
                f->reader[g->ops[i].in[k]] = (int)i;
            }
        }
    }
    return 0;
}

/* The op that alone reads the only output of `op`, or -1. A use as a graph
 * output counts, so a sole use by an op rules that out. */
static int sole_reader(const struct fuser *f, const struct op *op)
{
    int v = op->out[0];
    int reader;

    if (v < 0 || f->uses[v] != 1) {
        return -1;
    }
    reader = f->reader[v];
    return reader >= 0 && !f->skip[reader] ? reader : -1;
}

static bool same_type_and_shape(const struct graph *g, int a, int b)
{
    return g->values[a].dtype == g->values[b].dtype &&
           shape_is_static(&g->values[a].shape) &&
           shape_equal(&g->values[a].shape, &g->values[b].shape);
}

/* A bound of Clip: left out, or a constant scalar of type float32. */
static bool read_bound(const struct graph *g, const struct op *op, int i,
                       float fallback, float *bound)
{
    int v = i < op->n_in ? op->in[i] : -1;

    *bound = fallback;
    if (v < 0) {
        return true;
    }
    if (!graph_is_const(g, v) || g->values[v].dtype != DTYPE_F32 ||
        tensor_count(&g->values[v].data) != 1) {
        return false;
    }
    *bound = (float)tensor_get(&g->values[v].data, 0);
    return true;
}

static bool read_activation(const struct graph *g, const struct op *op,
                            struct epilogue *e)
{
    switch (op->kind) {
    case OP_RELU: e->act = ACT_RELU; return true;
    case OP_LEAKY_RELU:
        e->act = ACT_LEAKY;
        e->slope = op_float(op, "alpha", 0.01f);
        return true;
    case OP_CLIP:
        e->act = ACT_CLIP;
        return read_bound(g, op, 1, -INFINITY, &e->low) &&
               read_bound(g, op, 2, INFINITY, &e->high);
    default: return false;
    }
}

static void extend(struct fusion *fusion, const struct graph *g, int op)
{
    fusion->ops[fusion->n_ops++] = op;
    fusion->extra.out = g->ops[op].out[0];
}

/* Takes an Add, or a Sum of two, of a value of the same shape; the other
 * operand must be there by then, which the order of ops ensures, as the step
 * runs at the Add. */
static void try_residual(struct fuser *f, struct fusion *fusion)
{
    const struct graph *g = f->graph;
    const struct op *tail = &g->ops[fusion->head];
    int next = sole_reader(f, tail);
    const struct op *add;
    int other;

    if (next < 0 || g->ops[next].n_in != 2 ||
        (g->ops[next].kind != OP_ADD && g->ops[next].kind != OP_SUM)) {
        return;
    }
    add = &g->ops[next];
    other = add->in[0] == tail->out[0] ? add->in[1] : add->in[0];
    if (other < 0 || other == tail->out[0] ||
        !same_type_and_shape(g, other, tail->out[0]) ||
        !same_type_and_shape(g, other, add->out[0])) {
        return;
    }
    fusion->extra.epilogue.has_residual = true;
    fusion->extra.residual = other;
    extend(fusion, g, next);
}

static void try_activation(struct fuser *f, struct fusion *fusion)
{
    const struct graph *g = f->graph;
    int tail = fusion->ops[fusion->n_ops - 1];
    int next = sole_reader(f, &g->ops[tail]);
    struct epilogue e = fusion->extra.epilogue;

    if (next < 0 || g->ops[next].in[0] != g->ops[tail].out[0] ||
        !read_activation(g, &g->ops[next], &e)) {
        return;
    }
    fusion->extra.epilogue = e;
    extend(fusion, g, next);
}

static bool can_head(const struct fuser *f, size_t op)
{
    const struct op *o = &f->graph->ops[op];
    const struct bind *bind = bind_find(o->kind);

    return !f->skip[op] && bind != NULL && bind->fuses && o->out[0] >= 0 &&
           f->graph->values[o->out[0]].dtype == DTYPE_F32;
}

static struct fusion single(int op)
{
    struct fusion fusion = {.head = op, .ops = {op}, .n_ops = 1};

    fusion.extra.residual = -1;
    fusion.extra.out = -1;
    return fusion;
}

/* Both operands of an Add may be products. The later one takes it, since it
 * then runs where it stands and nothing lives longer; hence backwards. */
static void find_all(struct fuser *f)
{
    for (size_t k = f->graph->n_ops; k-- > 0;) {
        struct fusion fusion = single((int)k);
        int last;

        if (can_head(f, k)) {
            try_residual(f, &fusion);
            if (fusion.n_ops > 1 && f->fusions[fusion.ops[1]].n_ops != 1) {
                fusion = single((int)k); /* the other operand has it */
            }
            try_activation(f, &fusion);
        }
        last = fusion.ops[fusion.n_ops - 1];
        for (int i = 0; i < fusion.n_ops; i++) {
            f->fusions[fusion.ops[i]].n_ops = 0;
        }
        f->fusions[last] = fusion;
    }
}

int fuse_find(const struct graph *graph, const bool *skip,
              struct fusion **fusions)
{
    struct fuser f = {.graph = graph, .skip = skip};
    int rc = graph_count_uses(graph, &f.uses);

    if (rc < 0) {
        return rc;
    }
    f.fusions = mem_array(struct fusion, graph->n_ops);
    rc = f.fusions != NULL ? find_readers(&f) : EDGE_ENOMEM;
    if (rc == 0) {
        find_all(&f);
        *fusions = f.fusions;
    } else {
        mem_free(f.fusions);
    }
    mem_free(f.reader);
    mem_free(f.uses);
    return rc;
}
