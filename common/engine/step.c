#include "engine/step.h"

#include "base/mem.h"
#include "graph/quantised.h"

/* A view of what is known of value `v`; left out (DTYPE_NONE) if -1. */
static struct tensor view_of(const struct graph *graph, int v)
{
    struct tensor t = {.dtype = DTYPE_NONE};

    if (v >= 0) {
        t.dtype = graph->values[v].dtype;
        t.shape = graph->values[v].has_shape ? graph->values[v].shape
                                             : (struct shape){1, {-1}};
        t.data = graph_is_const(graph, v) ? graph->values[v].data.data : NULL;
    }
    return t;
}

/* The weights of `op` as their graph holds them. */
static struct narrow_weights narrow_of(const struct graph *graph,
                                       const struct op *op)
{
    struct narrow_weights w = {0};
    struct quantised q;

    if (quantised_weights(graph, op, &q)) {
        w.q = graph->values[q.data].data.data;
        w.is_signed = graph->values[q.data].dtype == DTYPE_I8;
        w.scales = graph->values[q.scales].data.data;
        w.zeros = q.zeros >= 0 ? graph->values[q.zeros].data.data : NULL;
        w.channels = q.channels;
    }
    return w;
}

static int fill(struct step *step, const struct graph *graph,
                const struct op *op, const struct step_extra *extra)
{
    bool residual = extra != NULL && extra->residual >= 0;
    int n_in = op->n_in + (residual ? 1 : 0);

    step->op = op;
    step->graph = graph;
    step->in = mem_array(struct tensor, (size_t)n_in);
    step->out = mem_array(struct tensor, (size_t)op->n_out);
    step->in_const = mem_array(bool, (size_t)n_in);
    if (step->in == NULL || step->out == NULL || step->in_const == NULL) {
        return EDGE_ENOMEM;
    }
    step->n_in = n_in;
    step->n_out = op->n_out;
    for (int i = 0; i < n_in; i++) {
        int v = i < op->n_in ? op->in[i] : extra->residual;

        step->in[i] = view_of(graph, v);
        step->in_const[i] = v >= 0 && graph_is_const(graph, v);
    }
    for (int i = 0; i < op->n_out; i++) {
        bool last = i == 0 && extra != NULL && extra->out >= 0;

        step->out[i] = view_of(graph, last ? extra->out : op->out[i]);
        step->out[i].data = NULL;
    }
    if (extra != NULL) {
        step->epilogue = extra->epilogue;
    }
    if (extra != NULL && extra->narrow) {
        step->narrow = narrow_of(graph, op);
    }
    return 0;
}

/* What has no size before the run has no room in a plan. */
static int check_static(const struct tensor *tensors, int n, const char *what,
                        struct err *err)
{
    for (int i = 0; i < n; i++) {
        size_t bytes;

        if (tensors[i].dtype == DTYPE_NONE) {
            continue;
        }
        if (!shape_is_static(&tensors[i].shape)) {
            return err_set(err, EDGE_EUNSUPPORTED,
                           "the size of %s %d depends on data that is not "
                           "known when the model is prepared",
                           what, i);
        }
        if (!shape_bytes(&tensors[i].shape, tensors[i].dtype, &bytes)) {
            return err_set(err, EDGE_ETOOBIG, "%s %d is too large", what, i);
        }
    }
    return 0;
}

static int prepare(struct step *step, struct err *err)
{
    int rc = check_static(step->in, step->n_in, "input", err);

    if (rc == 0) {
        rc = check_static(step->out, step->n_out, "output", err);
    }
    if (rc < 0) {
        return rc;
    }
    step->bind = bind_find(step->op->kind);
    if (step->bind == NULL) {
        return err_set(err, EDGE_EUNSUPPORTED, "there is no kernel for it");
    }
    return step->bind->prepare(step, err);
}

int step_init(struct step *step, const struct graph *graph, const struct op *op,
              const struct step_extra *extra, struct err *err)
{
    int rc;

    *step = (struct step){0};
    rc = fill(step, graph, op, extra);
    if (rc < 0) {
        err_set(err, rc, "%s", err_text(rc));
    } else {
        rc = prepare(step, err);
    }
    if (rc < 0) {
        step_deinit(step);
        return err_wrap(err, rc, "%s \"%s\"", op_info(op->kind)->name,
                        op->name);
    }
    return 0;
}

void step_deinit(struct step *step)
{
    if (step->state != NULL) {
        if (step->free_state != NULL) {
            step->free_state(step->state);
        } else {
            mem_free(step->state);
        }
    }
    mem_free(step->in);
    mem_free(step->out);
    mem_free(step->in_const);
    *step = (struct step){0};
}
