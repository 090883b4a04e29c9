/* Chains of operators that compute Gelu made one op again; see gelu.h. */
#include "base/mem.h"
#include "onnx/gelu.h"
#include "onnx/import_impl.h"

#include <string.h>

struct matcher {
    struct graph *graph;
    int *uses;   /* of values */
    int *reader; /* of values: the last op that reads it, or -1 */
    int n_fused;
};

/* A constant that multiplies or adds to x without making it larger. */
static bool is_number(const struct matcher *m, int value, int x, float wanted)
{
    const struct value *v = value >= 0 ? &m->graph->values[value] : NULL;
    const struct value *like = &m->graph->values[x];
    bool is_small;

    if (v == NULL || v->data.blob == NULL || tensor_count(&v->data) != 1) {
        return false;
    }
    is_small = v->shape.rank == 0 ||
               (like->has_shape && v->shape.rank <= like->shape.rank);
    switch (is_small ? v->dtype : DTYPE_NONE) {
    case DTYPE_F32:
    case DTYPE_F64: return tensor_get(&v->data, 0) == (double)wanted;
    case DTYPE_F16:
        return *(const uint16_t *)v->data.data == tensor_float_to_half(wanted);
    default: return false;
    }
}

static bool has_operands(const struct matcher *m, const struct op *op,
                         const struct gelu_link *link, int previous, int x)
{
    bool is_single = !link->takes_x && link->constant == 0;

    if (op->kind != link->kind || op->n_in != (is_single ? 1 : 2) ||
        op->n_out != 1) {
        return false;
    }
    if (is_single) {
        return op->in[0] == previous;
    }
    for (int i = 0; i < 2; i++) { /* which operand is `previous` */
        int other = op->in[1 - i];

        if (op->in[i] == previous && (i == 0 || link->kind != OP_DIV) &&
            (link->takes_x ? other == x
                           : is_number(m, other, x, link->constant))) {
            return true;
        }
    }
    return false;
}

/* The last op of the chain that ops[first] starts, or -1. What lies between
 * is read by the chain alone. */
static int match(const struct matcher *m, int first, bool is_tanh)
{
    int n;
    const struct gelu_link *links = gelu_links(is_tanh, &n);
    const struct graph *g = m->graph;
    int x = g->ops[first].n_in > 0 ? g->ops[first].in[0] : -1;
    int previous = x;
    int op = first;

    for (int i = 0; x >= 0 && i < n; i++) {
        if (op < 0 || !has_operands(m, &g->ops[op], &links[i], previous, x)) {
            return -1;
        }
        if (i == n - 1) {
            return op;
        }
        previous = g->ops[op].out[0];
        if (previous < 0 || m->uses[previous] != 1) {
            return -1;
        }
        op = m->reader[previous];
    }
    return -1;
}

static int fuse(struct matcher *m, int first, bool is_tanh)
{
    int last = match(m, first, is_tanh);
    struct op *op;

    if (last < 0) {
        return 0;
    }
    op = &m->graph->ops[last];
    op->kind = OP_GELU;
    op->in[0] = m->graph->ops[first].in[0];
    op->n_in = 1;
    m->n_fused++;
    return is_tanh ? op_set_string(op, "approximate", "tanh") : 0;
}

static int find_readers(struct matcher *m)
{
    const struct graph *g = m->graph;
    int rc = graph_count_uses(g, &m->uses);

    if (rc < 0) {
        return rc;
    }
    m->reader = mem_array(int, g->n_values);
    if (m->reader == NULL) {
        return EDGE_ENOMEM;
    }
    memset(m->reader, -1, g->n_values * sizeof(*m->reader));
    for (size_t i = 0; i < g->n_ops; i++) {
        for (int k = 0; k < g->ops[i].n_in; k++) {
            if (g->ops[i].in[k] >= 0) {
                m->reader[g->ops[i].in[k]] = (int)i;
            }
        }
    }
    return 0;
}

int import_fuse_gelu(struct graph *graph)
{
    struct matcher m = {.graph = graph};
    int rc = find_readers(&m);

    for (size_t i = 0; rc == 0 && i < graph->n_ops; i++) {
        rc = fuse(&m, (int)i, false);
        if (rc == 0) {
            rc = fuse(&m, (int)i, true);
        }
    }
    mem_free(m.uses);
    mem_free(m.reader);
    return rc == 0 && m.n_fused > 0 ? graph_compact(graph) : rc;
}
