/*
 * Candidates: one walk over the ops keeps the set of values that are alive
 * between two of them.
 */
#include "coordinator/plan/cut.h"

#include "base/mem.h"
#include "graph/infer.h"
#include "coordinator/plan/cut_scan.h"

#include <stdlib.h>
#include <string.h>

int cut_order(const struct graph *graph, int **ops, size_t *n_ops,
              struct err *err)
{
    struct cut_scan scan;
    int rc = cut_scan_init(&scan, graph);

    if (rc < 0) {
        return err_set(err, rc, "order the ops: %s", err_text(rc));
    }
    *ops = scan.ops;
    *n_ops = scan.n_ops;
    scan.ops = NULL;
    cut_scan_deinit(&scan);
    return 0;
}

void cut_free(struct cut *cuts, size_t n_cuts)
{
    for (size_t i = 0; cuts != NULL && i < n_cuts; i++) {
        mem_free(cuts[i].values);
    }
    mem_free(cuts);
}

/* ---- which ops fuse ---------------------------------------------------- */

static bool is_product(enum op_kind kind)
{
    return kind == OP_CONV || kind == OP_CONV_TRANSPOSE || kind == OP_GEMM ||
           kind == OP_MATMUL || kind == OP_QLINEAR_CONV ||
           kind == OP_QLINEAR_MATMUL || kind == OP_CONV_INTEGER ||
           kind == OP_MATMUL_INTEGER;
}

static bool follows_product(enum op_kind kind)
{
    switch (kind) {
    case OP_BATCH_NORM:
    case OP_ADD:
    case OP_RELU:
    case OP_CLIP:
    case OP_LEAKY_RELU:
    case OP_PRELU:
    case OP_ELU:
    case OP_SELU:
    case OP_SIGMOID:
    case OP_HARD_SIGMOID:
    case OP_HARD_SWISH:
    case OP_SOFTPLUS:
    case OP_TANH:
    case OP_GELU: return true;
    default: return false;
    }
}

/* The group of the op that `op` goes on from: one that nothing else reads,
 * the newest if there are two. 0: none. */
static int group_before(const struct graph *graph, const struct op *op,
                        const int *uses, const int *group_of)
{
    int newest = -1;

    for (int k = 0; follows_product(op->kind) && k < op->n_in; k++) {
        int producer = op->in[k] >= 0 ? graph->values[op->in[k]].producer : -1;

        if (producer > newest && group_of[producer] > 0 &&
            uses[op->in[k]] == 1) {
            newest = producer;
        }
    }
    return newest >= 0 ? group_of[newest] : 0;
}

/* Numbers the groups and notes in edges[] where each link of one starts (+1)
 * and ends (-1). */
static void find_groups(const struct graph *graph, const struct cut_scan *scan,
                        const int *uses, int *group_of, int *last, int *edges)
{
    int n_groups = 0;

    for (size_t i = 0; i < scan->n_ops; i++) {
        const struct op *op = &graph->ops[scan->ops[i]];
        int group = group_before(graph, op, uses, group_of);

        if (group > 0) {
            edges[last[group] + 1]++;
            edges[i + 1]--;
        } else if (is_product(op->kind)) {
            group = ++n_groups;
        }
        group_of[scan->ops[i]] = group;
        last[group] = (int)i;
    }
}

/* Marks the positions inside groups. A group is a chain, so every position
 * between two of its ops is inside. */
static int mark_groups(const struct graph *graph, const struct cut_scan *scan,
                       bool *inside)
{
    int *group_of = mem_array(int, graph->n_ops); /* from 1; 0: none */
    int *last = mem_array(int, scan->n_ops + 1);  /* of groups: position */
    int *edges = mem_array(int, scan->n_ops + 1);
    int *uses = NULL;
    int depth = 0;
    int rc = EDGE_ENOMEM;

    if (group_of != NULL && last != NULL && edges != NULL) {
        rc = graph_count_uses(graph, &uses);
    }
    if (rc == 0) {
        find_groups(graph, scan, uses, group_of, last, edges);
    }
    for (size_t i = 0; rc == 0 && i < scan->n_ops; i++) {
        depth += edges[i];
        inside[i] = depth > 0;
    }
    mem_free(group_of);
    mem_free(last);
    mem_free(edges);
    mem_free(uses);
    return rc;
}

int cut_fused(const struct graph *graph, bool **fused)
{
    struct cut_scan scan;
    int *group_of = NULL;
    int *room = NULL; /* of find_groups(), of no use here */
    int *uses = NULL;
    int rc = cut_scan_init(&scan, graph);

    if (rc < 0) {
        return rc;
    }
    group_of = mem_array(int, graph->n_ops);
    room = mem_array(int, 2 * (scan.n_ops + 1));
    *fused = mem_array(bool, scan.n_ops + 1);
    rc = group_of == NULL || room == NULL || *fused == NULL
             ? EDGE_ENOMEM
             : graph_count_uses(graph, &uses);
    if (rc == 0) {
        find_groups(graph, &scan, uses, group_of, room, room + scan.n_ops + 1);
        for (size_t i = 0; i < scan.n_ops; i++) {
            (*fused)[i] = group_of[scan.ops[i]] > 0 &&
                          !is_product(graph->ops[scan.ops[i]].kind);
        }
    } else {
        mem_free(*fused);
        *fused = NULL;
    }
    mem_free(group_of);
    mem_free(room);
    mem_free(uses);
    cut_scan_deinit(&scan);
    return rc;
}

/* ---- the walk ---------------------------------------------------------- */

struct walk {
    const struct graph *graph;
    struct cut_scan scan;
    bool *inside;         /* of positions: in a group */
    double *const_bytes;  /* of values: constants that it is made of */
    struct op_cost total; /* of the ops so far */
    int *alive;
    size_t n_alive;
    int *slot;       /* of values: place in `alive` */
    int *dying_head; /* of positions: first value last read there, or -1 */
    int *dying_next; /* of values: the next such value */
    struct cut *cuts;
    size_t n_cuts;
    size_t room;
};

static void walk_deinit(struct walk *w)
{
    cut_scan_deinit(&w->scan);
    mem_free(w->inside);
    mem_free(w->const_bytes);
    mem_free(w->alive);
    mem_free(w->slot);
    mem_free(w->dying_head);
    mem_free(w->dying_next);
    cut_free(w->cuts, w->n_cuts);
}

/* Sorts values by the position of their last reader. */
static void list_dying(struct walk *w)
{
    for (size_t i = 0; i <= w->scan.n_ops; i++) {
        w->dying_head[i] = -1;
    }
    for (size_t i = 0; i < w->graph->n_values; i++) {
        int position = w->scan.read[i];

        if (position >= 0 && w->scan.made[i] != CUT_NEVER) {
            w->dying_next[i] = w->dying_head[position];
            w->dying_head[position] = (int)i;
        }
    }
}

/* What each value that is made of constants alone weighs. */
static void weigh_consts(struct walk *w)
{
    for (size_t i = 0; i < w->graph->n_values; i++) {
        const struct value *v = &w->graph->values[i];

        w->const_bytes[i] =
            v->data.blob != NULL ? (double)tensor_bytes(&v->data) : 0;
    }
    for (size_t i = 0; i < w->graph->n_ops; i++) {
        const struct op *op = &w->graph->ops[i];
        double bytes = 0;

        for (int k = 0; k < op->n_in; k++) {
            bytes += op->in[k] >= 0 ? w->const_bytes[op->in[k]] : 0;
        }
        for (int k = 0; k < op->n_out; k++) {
            if (op->out[k] >= 0 && w->scan.made[op->out[k]] == CUT_NEVER) {
                w->const_bytes[op->out[k]] = bytes;
            }
        }
    }
}

static int walk_init(struct walk *w, const struct graph *graph)
{
    size_t n = graph->n_values;
    int rc;

    *w = (struct walk){.graph = graph};
    rc = cut_scan_init(&w->scan, graph);
    if (rc < 0) {
        return rc;
    }
    w->inside = mem_array(bool, w->scan.n_ops + 1);
    w->const_bytes = mem_array(double, n);
    w->alive = mem_array(int, n);
    w->slot = mem_array(int, n);
    w->dying_head = mem_array(int, w->scan.n_ops + 1);
    w->dying_next = mem_array(int, n);
    if (w->inside == NULL || w->const_bytes == NULL || w->alive == NULL ||
        w->slot == NULL || w->dying_head == NULL || w->dying_next == NULL) {
        return EDGE_ENOMEM;
    }
    list_dying(w);
    weigh_consts(w);
    return mark_groups(graph, &w->scan, w->inside);
}

static void enter(struct walk *w, int value)
{
    if (w->scan.read[value] != CUT_NEVER) {
        w->slot[value] = (int)w->n_alive;
        w->alive[w->n_alive++] = value;
    }
}

static void leave(struct walk *w, int value)
{
    int last = w->alive[--w->n_alive];

    w->alive[w->slot[value]] = last;
    w->slot[last] = w->slot[value];
}

/* Goes past the op at `position`. */
static void pass_op(struct walk *w, int position)
{
    const struct op *op = &w->graph->ops[w->scan.ops[position]];
    struct op_cost cost;

    for (int v = w->dying_head[position]; v >= 0; v = w->dying_next[v]) {
        leave(w, v);
    }
    for (int k = 0; k < op->n_out; k++) {
        if (op->out[k] >= 0) {
            enter(w, op->out[k]);
        }
    }
    infer_cost(w->graph, op, &cost);
    w->total.macs += cost.macs;
    w->total.flops += cost.flops;
    for (int k = 0; k < op->n_in; k++) {
        if (op->in[k] >= 0 && w->scan.made[op->in[k]] == CUT_NEVER) {
            w->total.bytes_weight += w->const_bytes[op->in[k]];
        }
    }
}

/* Bytes of what is alive; false: too many values, or one is of unknown size or
 * does not fit a frame. */
static bool can_cross(const struct graph *graph, const int *values, size_t n,
                      size_t *bytes)
{
    *bytes = 0;
    for (size_t i = 0; n <= LIMIT_PORTS && i < n; i++) {
        const struct value *v = &graph->values[values[i]];
        size_t more;

        if (!v->has_shape || !shape_bytes(&v->shape, v->dtype, &more) ||
            more > LIMIT_PAYLOAD) {
            return false;
        }
        *bytes += more;
    }
    return n > 0 && n <= LIMIT_PORTS;
}

static int compare_ints(const void *a, const void *b)
{
    int x = *(const int *)a;
    int y = *(const int *)b;

    return (x > y) - (x < y);
}

static int note_cut(struct walk *w, int position)
{
    struct cut cut = {.position = position, .n_values = w->n_alive};
    int rc;

    if (!can_cross(w->graph, w->alive, w->n_alive, &cut.bytes)) {
        return 0;
    }
    cut.macs_before = w->total.macs;
    cut.flops_before = w->total.flops;
    cut.weight_bytes_before = w->total.bytes_weight;
    cut.splits_group = w->inside[position];
    cut.values = mem_dup(w->alive, w->n_alive * sizeof(*w->alive));
    if (cut.values == NULL) {
        return EDGE_ENOMEM;
    }
    qsort(cut.values, cut.n_values, sizeof(*cut.values), compare_ints);
    rc = mem_grow(&w->cuts, &w->room, w->n_cuts, sizeof(*w->cuts));
    if (rc < 0) {
        mem_free(cut.values);
        return rc;
    }
    w->cuts[w->n_cuts++] = cut;
    return 0;
}

int cut_candidates(const struct graph *graph, struct cut **cuts, size_t *n_cuts,
                   struct err *err)
{
    struct walk w;
    int rc = walk_init(&w, graph);

    for (size_t i = 0; rc == 0 && i < graph->n_inputs; i++) {
        enter(&w, graph->inputs[i]);
    }
    for (size_t i = 0; rc == 0 && i + 1 < w.scan.n_ops; i++) {
        pass_op(&w, (int)i);
        rc = note_cut(&w, (int)i + 1);
    }
    if (rc < 0) {
        (void)err_set(err, rc, "find places to cut: %s", err_text(rc));
    } else {
        *cuts = w.cuts;
        *n_cuts = w.n_cuts;
        w.cuts = NULL;
    }
    walk_deinit(&w);
    return rc;
}
