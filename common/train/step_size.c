/* The plans of a training step for one size of micro-batches. */
#include "train/step_inner.h"

#include "base/mem.h"
#include "graph/infer.h"

static int out_of_memory(struct err *err)
{
    return err_set(err, EDGE_ENOMEM, "%s", err_text(EDGE_ENOMEM));
}

static int bind_samples(const struct graph *model, int64_t samples,
                        struct graph **bound, struct err *err)
{
    int rc = graph_clone(model, bound);

    if (rc < 0) {
        return out_of_memory(err);
    }
    for (size_t i = 0; i < (*bound)->n_inputs; i++) {
        struct value *v = &(*bound)->values[(*bound)->inputs[i]];

        if (!v->has_shape || v->shape.rank < 1) {
            return err_set(err, EDGE_EINVAL,
                           "input \"%.200s\" has no dimension of samples",
                           v->name);
        }
        v->shape.dims[0] = samples;
    }
    return infer_graph(*bound, err);
}

/* Which of `values` are float32. */
static int list_floats(const struct graph *g, const int *values, size_t n,
                       int **list, size_t *count)
{
    *list = mem_array(int, n + 1);
    *count = 0;
    if (*list == NULL) {
        return EDGE_ENOMEM;
    }
    for (size_t i = 0; i < n; i++) {
        if (g->values[values[i]].dtype == DTYPE_F32) {
            (*list)[(*count)++] = values[i];
        }
    }
    return 0;
}

/* A loss is a mean; its gradient shall be that of the sum. */
static int list_losses(const struct train_step *s, int64_t samples,
                       struct grad_loss **losses)
{
    *losses = mem_array(struct grad_loss, s->n_losses + 1);
    if (*losses == NULL) {
        return EDGE_ENOMEM;
    }
    for (size_t i = 0; i < s->n_losses; i++) {
        (*losses)[i] = s->losses[i];
        (*losses)[i].weight *= (float)samples;
    }
    return 0;
}

static int differentiate(const struct train_step *s, struct step_size *size,
                         const struct graph *bound, int64_t samples,
                         struct graph **training, struct err *err)
{
    struct grad_ask ask = {.params = s->learnt,
                           .n_params = s->params.n_items,
                           .n_losses = s->n_losses};
    struct grad_loss *losses = NULL;
    int *outputs = NULL;
    int *inputs = NULL;
    int rc = list_losses(s, samples, &losses);

    if (rc == 0) {
        rc = list_floats(bound, bound->outputs,
                         s->output_grads ? bound->n_outputs : 0, &outputs,
                         &ask.n_outputs);
    }
    if (rc == 0) {
        rc = list_floats(bound, bound->inputs,
                         s->input_grads ? bound->n_inputs : 0, &inputs,
                         &ask.n_inputs);
    }
    if (rc == 0) {
        ask.losses = losses;
        ask.outputs = outputs;
        ask.inputs = inputs;
        rc = grad_make(bound, &ask, training, &size->ports, err);
    } else {
        rc = out_of_memory(err);
    }
    mem_free(losses);
    mem_free(outputs);
    mem_free(inputs);
    return rc;
}

/* ---- room ---------------------------------------------------------------- */

static size_t round_up(size_t bytes)
{
    return (bytes + MEM_ALIGN - 1) / MEM_ALIGN * MEM_ALIGN;
}

static int place_stash(struct step_size *size)
{
    size_t n = plan_n_outputs(size->forward);

    size->stash_at = mem_array(size_t, n + 1);
    if (size->stash_at == NULL) {
        return EDGE_ENOMEM;
    }
    for (size_t i = size->ports.losses; i < n; i++) {
        const struct plan_port *port = plan_output(size->forward, i);
        size_t bytes;

        if (!shape_bytes(&port->shape, port->dtype, &bytes)) {
            return EDGE_ETOOBIG;
        }
        size->stash_at[i] = size->stash_bytes;
        size->stash_bytes += round_up(bytes);
    }
    return 0;
}

static size_t larger(size_t a, size_t b)
{
    return a > b ? a : b;
}

static int place_ports(struct step_size *size)
{
    size_t n_in = plan_n_inputs(size->forward);
    size_t n_out = plan_n_outputs(size->forward);

    if (size->backward != NULL) {
        n_in = larger(n_in, plan_n_inputs(size->backward));
        n_out = larger(n_out, plan_n_outputs(size->backward));
    }
    size->in = mem_array(struct tensor, n_in + 1);
    size->out = mem_array(struct tensor, n_out + 1);
    return size->in != NULL && size->out != NULL ? 0 : EDGE_ENOMEM;
}

static int count_elements(struct step_size *size, const struct graph *bound)
{
    size_t at = 0;

    size->counts = mem_array(double, size->ports.n_statistics + 1);
    if (size->counts == NULL) {
        return EDGE_ENOMEM;
    }
    for (size_t i = 0; i < size->ports.n_statistics; i++) {
        const struct op *op =
            step_next_norm(bound, size->ports.statistics[2 * i], &at);
        const struct shape *x = &bound->values[op->in[0]].shape;

        size->counts[i] =
            (double)x->dims[0] * (double)shape_span(x, 2, x->rank);
    }
    return 0;
}

/* ---- all of it ----------------------------------------------------------- */

static int make_plans(struct train_step *s, struct step_size *size,
                      const struct graph *training, struct err *err)
{
    int rc = grad_cut(training, &size->ports, s->recompute, &size->parts, err);

    if (rc == 0) {
        rc = plan_make(size->parts.forward, &size->forward, err);
    }
    if (rc == 0) {
        rc = plan_share(size->forward, s->threads, err);
    }
    if (rc == 0 && size->parts.backward != NULL) {
        rc = plan_make(size->parts.backward, &size->backward, err);
        rc = rc == 0 ? plan_share(size->backward, s->threads, err) : rc;
    }
    graph_free(size->parts.forward);
    graph_free(size->parts.backward);
    size->parts.forward = NULL;
    size->parts.backward = NULL;
    return rc;
}

int step_size_make(struct train_step *s, struct step_size *size,
                   int64_t samples, struct err *err)
{
    struct graph *bound = NULL;
    struct graph *training = NULL;
    int rc = bind_samples(s->model, samples, &bound, err);

    if (rc == 0) {
        rc = differentiate(s, size, bound, samples, &training, err);
    }
    if (rc == 0) {
        rc = make_plans(s, size, training, err);
    }
    if (rc == 0) {
        rc = place_stash(size);
        rc = rc == 0 ? place_ports(size) : rc;
        rc = rc == 0 ? count_elements(size, bound) : rc;
        rc = rc == 0 ? step_legs_make(&s->params, size) : rc;
        rc = rc < 0 ? err_set(err, rc, "%s", err_text(rc)) : 0;
    }
    graph_free(bound);
    graph_free(training);
    if (rc < 0) {
        step_size_deinit(size);
        return err_wrap(err, rc, "micro-batches of %lld samples",
                        (long long)samples);
    }
    size->samples = samples;
    return 0;
}

void step_size_deinit(struct step_size *size)
{
    plan_free(size->forward);
    plan_free(size->backward);
    mem_free(size->ports.statistics);
    grad_parts_deinit(&size->parts);
    mem_free(size->stash_at);
    mem_free(size->counts);
    mem_free(size->legs.params);
    mem_free(size->in);
    mem_free(size->out);
    *size = (struct step_size){0};
}

const struct op *step_next_norm(const struct graph *graph, int mean, size_t *at)
{
    while (graph->ops[*at].kind != OP_BATCH_NORM ||
           graph->ops[*at].in[3] != mean) {
        (*at)++;
    }
    return &graph->ops[(*at)++];
}

struct step_size *step_size_find(const struct train_step *s, int64_t samples)
{
    for (size_t i = 0; i < STEP_SIZES; i++) {
        if (s->sizes[i].samples == samples && samples > 0) {
            return (struct step_size *)&s->sizes[i];
        }
    }
    return NULL;
}
