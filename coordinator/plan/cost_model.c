/* What each op takes, alone and summed up. */
#include "coordinator/plan/cost.h"

#include "base/mem.h"
#include "coordinator/plan/cut.h"
#include "coordinator/plan/split_product.h"
#include "graph/infer.h"
#include "graph/quantised.h"

#include <string.h>

size_t cost_value_bytes(const struct graph *graph, int value)
{
    const struct value *v = &graph->values[value];
    size_t bytes = 0;

    return v->has_shape && shape_bytes(&v->shape, v->dtype, &bytes) ? bytes : 0;
}

/* ---- ops ----------------------------------------------------------------- */

/* What is made of constants alone comes along, as the constants do; weights
 * that are made of bytes are kept as those. */
static double const_bytes(const struct cost_model *m, const struct op *op)
{
    struct quantised q;
    bool narrow = quantised_weights(m->graph, op, &q);
    double sum = 0;

    for (int k = 0; k < op->n_in; k++) {
        if (op->in[k] < 0 || m->scan.made[op->in[k]] != CUT_NEVER) {
            continue;
        }
        sum += narrow && k == QUANTISED_INPUT
                   ? (double)quantised_bytes(m->graph, &q)
                   : (double)cost_value_bytes(m->graph, op->in[k]);
    }
    return sum;
}

static bool begins_split(const struct graph *graph, int op)
{
    struct product p;

    return product_of(graph, op, &p) && (p.groups == 1 || p.groups < p.ins);
}

static int make_ops(struct cost_model *m)
{
    bool *fused = NULL;
    int rc = cut_fused(m->graph, &fused);

    for (size_t i = 0; i < m->n_ops && rc == 0; i++) {
        const struct op *op = &m->graph->ops[m->scan.ops[i]];
        struct cost_op *to = &m->ops[i];
        struct op_cost cost;

        infer_cost(m->graph, op, &cost);
        to->macs = cost.macs;
        to->bytes = cost.bytes_in + cost.bytes_out + cost.bytes_weight;
        to->weight_bytes = const_bytes(m, op);
        to->is_fused = fused[i];
        to->is_head = begins_split(m->graph, m->scan.ops[i]);
        to->tiled = tile_kind(m->graph, op, to->window);
        if (to->tiled != TILED_WINDOW) {
            to->window[0] = to->window[1] = (struct tile_window){1, 1, 1, 0};
        }
    }
    mem_free(fused);
    return rc;
}

/* A value is alive from the op that makes it to the last that reads it, and
 * crosses the cuts between. */
static void make_values(struct cost_model *m)
{
    for (int v = 0; v < (int)m->graph->n_values; v++) {
        int made = m->scan.made[v];
        int read = m->scan.read[v];
        double bytes;

        if (made == CUT_NEVER || read == CUT_NEVER) {
            continue;
        }
        bytes = (double)cost_value_bytes(m->graph, v);
        for (int p = made > 0 ? made - 1 : 0; p <= read && p < (int)m->n_ops;
             p++) {
            m->ops[p].live_bytes += bytes;
        }
        for (int p = made; p <= read && p <= (int)m->n_ops; p++) {
            m->cross_bytes[p] += bytes;
            m->cross_values[p]++;
        }
    }
}

/* ---- seconds ------------------------------------------------------------- */

double cost_op_seconds(const struct cost_model *m, size_t board, int position)
{
    const struct profile_board *b = &m->profile->boards[board];
    const struct cost_op *op = &m->ops[position];
    double by_macs;
    double by_bytes;

    if (b->op_s != NULL && (size_t)position < b->n_ops &&
        b->op_s[position] > 0) {
        return b->op_s[position];
    }
    if (op->is_fused) {
        return 0;
    }
    by_macs = op->macs / b->macs_per_s;
    by_bytes = op->bytes / b->bytes_per_s;
    return by_macs > by_bytes ? by_macs : by_bytes;
}

double cost_seconds(const struct cost_model *m, size_t board, int first,
                    int end)
{
    const double *before = m->before_s + board * (m->n_ops + 1);

    return before[end] - before[first];
}

static void sum_up(struct cost_model *m)
{
    for (size_t b = 0; b < m->profile->n_boards; b++) {
        double *before = m->before_s + b * (m->n_ops + 1);

        for (size_t p = 0; p < m->n_ops; p++) {
            before[p + 1] = before[p] + cost_op_seconds(m, b, (int)p);
        }
    }
    for (size_t p = 0; p < m->n_ops; p++) {
        m->weights[p + 1] = m->weights[p] + m->ops[p].weight_bytes;
    }
}

int cost_model_init(struct cost_model *m, const struct graph *graph,
                    const struct profile *profile, uint32_t queue)
{
    int rc;

    *m =
        (struct cost_model){.graph = graph, .profile = profile, .queue = queue};
    rc = cut_scan_init(&m->scan, graph);
    if (rc < 0) {
        return rc;
    }
    m->n_ops = m->scan.n_ops;
    m->ops = mem_array(struct cost_op, m->n_ops);
    m->before_s = mem_array(double, profile->n_boards *(m->n_ops + 1));
    m->weights = mem_array(double, m->n_ops + 1);
    m->cross_bytes = mem_array(double, m->n_ops + 1);
    m->cross_values = mem_array(int, m->n_ops + 1);
    rc = m->ops == NULL || m->before_s == NULL || m->weights == NULL ||
                 m->cross_bytes == NULL || m->cross_values == NULL
             ? EDGE_ENOMEM
             : make_ops(m);
    if (rc < 0) {
        cost_model_deinit(m);
        return rc;
    }
    make_values(m);
    sum_up(m);
    return 0;
}

void cost_model_deinit(struct cost_model *m)
{
    cut_scan_deinit(&m->scan);
    mem_free(m->ops);
    mem_free(m->before_s);
    mem_free(m->weights);
    mem_free(m->cross_bytes);
    mem_free(m->cross_values);
    *m = (struct cost_model){0};
}

void cost_model_scale(struct cost_model *m, int first, int end, double factor)
{
    for (int p = first; p < end; p++) {
        m->ops[p].weight_bytes *= factor;
        m->ops[p].live_bytes *= factor;
    }
    sum_up(m);
}
