#include "engine/fold.h"

#include "base/mem.h"
#include "engine/step.h"
#include "graph/infer.h"

/* A view keeps the blob of its only constant: nothing is copied. */
static int share(const struct graph *graph, const struct step *step,
                 struct tensor *out)
{
    const struct tensor *data = &graph->values[step->op->in[0]].data;

    out[0] = tensor_ref(data);
    out[0].shape = step->out[0].shape;
    return 0;
}

static int compute(struct step *step, struct tensor *out)
{
    for (int i = 0; i < step->n_out; i++) {
        if (step->out[i].dtype == DTYPE_NONE) {
            continue;
        }
        int rc = tensor_init(&out[i], step->out[i].dtype, &step->out[i].shape);

        if (rc < 0) {
            return rc;
        }
        step->out[i].data = out[i].data;
    }
    if (step->scratch_bytes > 0) {
        step->scratch = mem_aligned(step->scratch_bytes);
        if (step->scratch == NULL) {
            return EDGE_ENOMEM;
        }
    }
    step->bind->run(step);
    for (int i = 0; i < step->n_out; i++) {
        out[i].shape = step->out[i].shape; /* NonMaxSuppression's shrinks */
    }
    mem_free(step->scratch);
    return 0;
}

int fold_eval(void *arg, const struct graph *graph, const struct op *op,
              struct tensor *out, struct err *err)
{
    struct step step;
    int rc = step_init(&step, graph, op, NULL, err);

    (void)arg;
    if (rc < 0) {
        return rc;
    }
    for (int i = 0; i < op->n_out; i++) {
        out[i] = (struct tensor){.dtype = DTYPE_NONE};
    }
    rc = step.is_view ? share(graph, &step, out) : compute(&step, out);
    if (rc < 0) {
        for (int i = 0; i < op->n_out; i++) {
            tensor_deinit(&out[i]);
        }
        err_set(err, rc, "%s \"%s\": %s", op_info(op->kind)->name, op->name,
                err_text(rc));
    }
    step_deinit(&step);
    return rc;
}

static int bind_input(struct graph *graph, const struct fold_input *input,
                      struct err *err)
{
    int v = graph_find_value(graph, input->name);
    struct tensor copy;
    int rc;

    if (v < 0 || !graph_is_input(graph, v)) {
        return err_set(err, EDGE_EINVAL, "the model has no input \"%s\"",
                       input->name);
    }
    rc = tensor_copy(&copy, input->data->dtype, &input->data->shape,
                     input->data->data);
    if (rc < 0) {
        return err_set(err, rc, "input \"%s\": %s", input->name, err_text(rc));
    }
    graph_set_const(graph, v, &copy);
    return 0;
}

int fold_prepare(struct graph *graph, int64_t batch,
                 const struct fold_input *bound, size_t n_bound,
                 struct err *err)
{
    int rc;

    for (size_t i = 0; i < n_bound; i++) {
        rc = bind_input(graph, &bound[i], err);
        if (rc < 0) {
            return rc;
        }
    }
    rc = infer_bind_batch(graph, batch, err);
    if (rc < 0) {
        return rc;
    }
    return pass_run_all(graph, fold_eval, NULL, err);
}
