#include "coordinator/plan/profile_parts.h"

#include "base/limits.h"
#include "base/mem.h"
#include "coordinator/plan/cut.h"
#include "graph/infer.h"

#include <string.h>

#define FEW 64 /* elements of a constant that stays as it is */

/* ---- where ----------------------------------------------------------------
 */

struct finder {
    const struct graph *graph;
    struct cut *cuts;
    size_t n_cuts;
    int *order;
    size_t n_ops;
    struct profile_part *parts;
    size_t n_parts;
    size_t room;
};

/* What an op adds to its part: its weights, twice while they are packed, and
 * what it makes. */
static void add_op(struct profile_part *part, const struct graph *graph,
                   const struct op *op)
{
    struct op_cost cost;

    infer_cost(graph, op, &cost);
    part->macs += cost.macs;
    part->bytes += cost.bytes_in + cost.bytes_out + cost.bytes_weight;
    part->needs_bytes +=
        (uint64_t)(2 * cost.bytes_weight + cost.bytes_in + cost.bytes_out);
}

static struct profile_part range(const struct finder *f, int first, int end)
{
    struct profile_part part = {.first = first, .end = end};

    for (int i = first; i < end; i++) {
        add_op(&part, f->graph, &f->graph->ops[f->order[i]]);
    }
    return part;
}

static int push(struct finder *f, const struct profile_part *part)
{
    if (mem_grow(&f->parts, &f->room, f->n_parts, sizeof(*part)) < 0) {
        return EDGE_ENOMEM;
    }
    f->parts[f->n_parts++] = *part;
    return 0;
}

/* As much as fits, from one good cut to another. */
static int find(struct finder *f, uint64_t most_bytes, int most_ops)
{
    struct profile_part part = {0};
    int rc = 0;

    for (size_t i = 0; i <= f->n_cuts && rc == 0; i++) {
        bool is_last = i == f->n_cuts;
        int end = is_last ? (int)f->n_ops : f->cuts[i].position;
        struct profile_part wider;

        if (!is_last && (f->cuts[i].splits_group || end <= part.end ||
                         end >= (int)f->n_ops)) {
            continue;
        }
        wider = range(f, part.end, end);
        if (part.end > part.first &&
            (part.needs_bytes + wider.needs_bytes > most_bytes ||
             end - part.first > most_ops)) {
            rc = push(f, &part);
            part = wider;
            continue;
        }
        part.end = end;
        part.macs += wider.macs;
        part.bytes += wider.bytes;
        part.needs_bytes += wider.needs_bytes;
    }
    return rc < 0 || part.end == part.first ? rc : push(f, &part);
}

int profile_parts_find(const struct graph *graph, uint64_t most_bytes,
                       int most_ops, struct profile_part **parts, size_t *n,
                       struct err *err)
{
    struct finder f = {.graph = graph};
    int rc = cut_candidates(graph, &f.cuts, &f.n_cuts, err);

    if (rc == 0) {
        rc = cut_order(graph, &f.order, &f.n_ops, err);
    }
    if (rc == 0 && find(&f, most_bytes, most_ops) < 0) {
        rc = err_set(err, EDGE_ENOMEM, "out of memory");
    }
    cut_free(f.cuts, f.n_cuts);
    mem_free(f.order);
    if (rc < 0) {
        mem_free(f.parts);
        return rc;
    }
    *parts = f.parts;
    *n = f.n_parts;
    return 0;
}

/* ---- its ends -------------------------------------------------------------
 */

struct ends {
    const struct graph *graph;
    bool *is_before; /* by value: made by ops that come before, or given */
    bool *is_read;   /* by value: by an op outside, or it is an output */
    int *inputs;
    int *outputs;
    size_t n_inputs;
    size_t n_outputs;
};

static void mark_made(const struct op *op, bool *made)
{
    for (int k = 0; k < op->n_out; k++) {
        if (op->out[k] >= 0) {
            made[op->out[k]] = true;
        }
    }
}

/* Positions count the ops that depend on an input: what those outside the
 * range make comes in, what they read goes out. */
static void mark(struct ends *e, const int *order, size_t n_ops,
                 const struct profile_part *part)
{
    for (size_t i = 0; i < e->graph->n_inputs; i++) {
        e->is_before[e->graph->inputs[i]] = true;
    }
    for (size_t i = 0; i < n_ops; i++) {
        const struct op *op = &e->graph->ops[order[i]];
        bool inside = (int)i >= part->first && (int)i < part->end;

        if (!inside) {
            mark_made(op, e->is_before);
        }
        for (int k = 0; k < op->n_in && !inside; k++) {
            if (op->in[k] >= 0) {
                e->is_read[op->in[k]] = true;
            }
        }
    }
    for (size_t i = 0; i < e->graph->n_outputs; i++) {
        e->is_read[e->graph->outputs[i]] = true;
    }
}

static void collect(struct ends *e, const int *order,
                    const struct profile_part *part)
{
    for (int i = part->first; i < part->end; i++) {
        const struct op *op = &e->graph->ops[order[i]];

        for (int k = 0; k < op->n_in; k++) {
            int v = op->in[k];

            if (v >= 0 && e->is_before[v]) {
                e->is_before[v] = false; /* once */
                e->inputs[e->n_inputs++] = v;
            }
        }
        for (int k = 0; k < op->n_out; k++) {
            int v = op->out[k];

            if (v >= 0 && e->is_read[v]) {
                e->outputs[e->n_outputs++] = v;
            }
        }
    }
}

static int extract(const struct graph *graph, const struct profile_part *part,
                   struct graph **out, struct err *err)
{
    struct ends e = {.graph = graph};
    int *order = NULL;
    size_t n_ops = 0;
    int rc = cut_order(graph, &order, &n_ops, err);

    if (rc < 0) {
        return rc;
    }
    e.is_before = mem_array(bool, graph->n_values);
    e.is_read = mem_array(bool, graph->n_values);
    e.inputs = mem_array(int, graph->n_values);
    e.outputs = mem_array(int, graph->n_values);
    if (e.is_before == NULL || e.is_read == NULL || e.inputs == NULL ||
        e.outputs == NULL) {
        rc = err_set(err, EDGE_ENOMEM, "out of memory");
        goto out;
    }
    mark(&e, order, n_ops, part);
    collect(&e, order, part);
    rc = graph_extract(graph, e.inputs, e.n_inputs, e.outputs, e.n_outputs,
                       "part", out, err);
out:
    mem_free(e.is_before);
    mem_free(e.is_read);
    mem_free(e.inputs);
    mem_free(e.outputs);
    mem_free(order);
    return rc;
}

/* ---- weights made up ------------------------------------------------------
 */

/* One over what is summed with it: activations stay as large as they are. */
static int make_value(const struct tensor *weights, struct tensor *one)
{
    int64_t count = tensor_count(weights);
    int64_t outputs = weights->shape.rank > 1 ? weights->shape.dims[0] : 1;
    struct shape shape = shape_of(1, (int64_t[]){1});
    int rc = tensor_init(one, weights->dtype, &shape);

    if (rc < 0) {
        return rc;
    }
    memset(one->data, 0, tensor_bytes(one));
    if (one->dtype == DTYPE_F32 && outputs > 0 && count >= outputs) {
        *(float *)one->data = (float)outputs / (float)count;
    } else if (one->dtype == DTYPE_I8 || one->dtype == DTYPE_U8) {
        *(uint8_t *)one->data = 1;
    }
    return 0;
}

static int add_shape(struct graph *graph, const struct shape *shape)
{
    struct shape of = shape_of(1, (int64_t[]){shape->rank});
    struct tensor t;

    if (tensor_init(&t, DTYPE_I64, &of) < 0) {
        return EDGE_ENOMEM;
    }
    memcpy(t.data, shape->dims, (size_t)shape->rank * sizeof(shape->dims[0]));
    return graph_add_const(graph, NULL, &t);
}

/* In place of constant `v` the op that makes one like it. */
static int make_up(struct graph *graph, int v)
{
    struct tensor one;
    int shape = add_shape(graph, &graph->values[v].data.shape);
    int to = shape < 0 ? shape : graph_add_value(graph, NULL);
    int op;

    if (to < 0 || make_value(&graph->values[v].data, &one) < 0) {
        return EDGE_ENOMEM;
    }
    graph->values[to].dtype = graph->values[v].dtype;
    graph->values[to].has_shape = true;
    graph->values[to].shape = graph->values[v].data.shape;
    op = graph_add_op(graph, OP_CONSTANT_OF_SHAPE, NULL, &shape, 1, &to, 1);
    if (op < 0 || op_set_tensor(&graph->ops[op], "value", &one) < 0) {
        tensor_deinit(&one);
        return EDGE_ENOMEM;
    }
    graph_replace_uses(graph, v, to);
    return 0;
}

static bool is_large(const struct graph *graph, size_t v)
{
    const struct tensor *t = &graph->values[v].data;

    return graph_is_const(graph, (int)v) && tensor_count(t) > FEW &&
           t->dtype != DTYPE_BOOL;
}

int profile_part_make(const struct graph *graph,
                      const struct profile_part *part, struct graph **out,
                      struct err *err)
{
    struct graph *made = NULL;
    int rc = extract(graph, part, &made, err);
    size_t n = rc == 0 ? made->n_values : 0;

    for (size_t v = 0; v < n && rc == 0; v++) {
        if (is_large(made, v) && make_up(made, (int)v) < 0) {
            rc = err_set(err, EDGE_ENOMEM, "out of memory");
        }
    }
    if (rc == 0) {
        rc = graph_sort(made, err);
    }
    if (rc == 0 && graph_compact(made) < 0) {
        rc = err_set(err, EDGE_ENOMEM, "out of memory");
    }
    if (rc < 0) {
        graph_free(made);
        return rc;
    }
    *out = made;
    return 0;
}
