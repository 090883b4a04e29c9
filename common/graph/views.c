#include "graph/views.h"

#include "base/mem.h"
#include "graph/infer.h"

#include <string.h>

#define REACH_MAX 64 /* bits of a set */

static bool is_view(const struct value *v)
{
    return v->dtype == DTYPE_F32 && v->has_shape && v->shape.rank == 4;
}

static bool is_present(const struct value *v, size_t n)
{
    return v->dtype == DTYPE_F32 && v->has_shape && v->shape.rank == 2 &&
           v->shape.dims[1] == (int64_t)n;
}

static bool is_alike(const struct shape *a, const struct shape *b)
{
    return memcmp(a->dims + 1, b->dims + 1, 3 * sizeof(a->dims[0])) == 0;
}

static int check(const struct graph *graph, const struct views *views,
                 struct err *err)
{
    const struct value *first = &graph->values[graph->inputs[views->inputs[0]]];

    for (size_t i = 0; i < views->n; i++) {
        const struct value *v = &graph->values[graph->inputs[views->inputs[i]]];

        if (!is_view(v) || !is_alike(&v->shape, &first->shape)) {
            return err_set(err, EDGE_EUNSUPPORTED,
                           "of a model with several inputs each takes a view: "
                           "float32 of (N, channels, height, width), all of "
                           "one size. \"%.100s\" is not such",
                           v->name);
        }
    }
    return views->has_present &&
                   !is_present(&graph->values[graph->inputs[views->present]],
                               views->n)
               ? err_set(err, EDGE_EUNSUPPORTED,
                         "input \"" VIEWS_PRESENT "\" says which of %zu views "
                         "are there: it should be float32 of (N, %zu)",
                         views->n, views->n)
               : 0;
}

int views_find(const struct graph *graph, struct views *views, struct err *err)
{
    *views = (struct views){.n = 0};
    if (graph->n_inputs < 2 || graph->n_inputs > LIMIT_PORTS) {
        return 0;
    }
    for (size_t i = 0; i < graph->n_inputs; i++) {
        const char *name = graph->values[graph->inputs[i]].name;

        if (strcmp(name, VIEWS_PRESENT) == 0) {
            views->present = i;
            views->has_present = true;
        } else {
            views->inputs[views->n++] = i;
        }
    }
    return check(graph, views, err);
}

int views_reach(const struct graph *graph, uint64_t **out)
{
    uint64_t *reach = mem_array(uint64_t, graph->n_values + 1);

    if (reach == NULL) {
        return EDGE_ENOMEM;
    }
    for (size_t i = 0; i < graph->n_inputs && i < REACH_MAX; i++) {
        reach[graph->inputs[i]] = (uint64_t)1 << i;
    }
    for (size_t i = 0; i < graph->n_ops; i++) {
        const struct op *op = &graph->ops[i];
        uint64_t all = 0;

        for (int k = 0; k < op->n_in; k++) {
            all |= op->in[k] >= 0 ? reach[op->in[k]] : 0;
        }
        for (int k = 0; k < op->n_out; k++) {
            if (op->out[k] >= 0) {
                reach[op->out[k]] = all;
            }
        }
    }
    *out = reach;
    return 0;
}

int views_only(const struct views *views, uint64_t reach)
{
    for (size_t k = 0; k < views->n; k++) {
        if (reach == (uint64_t)1 << views->inputs[k]) {
            return (int)k;
        }
    }
    return -1;
}

/* ---- the mask -------------------------------------------------------------
 */

static int add_index(struct graph *graph, int64_t index)
{
    const int64_t one = 1;
    struct shape shape = shape_of(1, &one);
    struct tensor t = {.blob = NULL};
    int value = tensor_copy(&t, DTYPE_I64, &shape, &index);

    if (value == 0) {
        value = graph_add_const(graph, NULL, &t);
        tensor_deinit(&t);
    }
    return value;
}

/* present[:, view : view + 1] */
static int add_column(struct graph *graph, int present, int64_t view)
{
    int in[4] = {present, add_index(graph, view), add_index(graph, view + 1),
                 add_index(graph, 1)};
    int out = graph_add_value(graph, NULL);
    int rc = in[1] < 0 || in[2] < 0 || in[3] < 0 || out < 0
                 ? EDGE_ENOMEM
                 : graph_add_op(graph, OP_SLICE, NULL, in, 4, &out, 1);

    return rc < 0 ? rc : out;
}

int views_mask(struct graph *graph, const struct views *views, int scores,
               size_t view, int *there, struct err *err)
{
    int column =
        add_column(graph, graph->inputs[views->present], (int64_t)view);
    char *name = mem_printf("%s/there", graph->values[scores].name);
    int in[2] = {scores, column};
    int out = name != NULL ? graph_add_value(graph, name) : EDGE_ENOMEM;
    int rc = column < 0 ? column : out;

    if (rc >= 0) {
        rc = graph_add_op(graph, OP_MUL, NULL, in, 2, &out, 1);
    }
    mem_free(name);
    if (rc < 0) {
        return err_set(err, rc, "scores of a view: %s", err_text(rc));
    }
    *there = out;
    return infer_graph(graph, err);
}
