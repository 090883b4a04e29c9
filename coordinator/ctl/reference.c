#include "coordinator/ctl/reference.h"

#include "base/mem.h"
#include "engine/fold.h"
#include "engine/plan.h"
#include "onnx/guard.h"

#include <string.h>

struct reference {
    const struct deployed *deployed; /* borrowed */
    struct plan *plan;
    size_t input_of[LIMIT_PORTS];  /* the deployment's, for each of the plan */
    size_t output_of[LIMIT_PORTS]; /* the plan's, for each of the deployment */
};

/* ---- matching by name --------------------------------------------------- */

static size_t find_port(const struct named_port *ports, size_t n,
                        const struct plan_port *port)
{
    size_t i = 0;

    while (i < n && (strcmp(ports[i].name, port->name) != 0 ||
                     ports[i].dtype != port->dtype ||
                     !shape_equal(&ports[i].shape, &port->shape))) {
        i++;
    }
    return i;
}

static int match(struct reference *r, const char *file, bool some,
                 struct err *err)
{
    const struct deployed *d = r->deployed;
    size_t n_inputs = plan_n_inputs(r->plan);
    size_t n_outputs = plan_n_outputs(r->plan);
    size_t found = 0;

    if (n_inputs != d->n_inputs ||
        (some ? n_outputs < d->n_outputs : n_outputs != d->n_outputs)) {
        return err_set(err, EDGE_EINVAL,
                       "%s has %zu inputs and %zu outputs, what is deployed "
                       "has %zu and %zu",
                       file, n_inputs, n_outputs, d->n_inputs, d->n_outputs);
    }
    for (size_t i = 0; i < n_inputs; i++) {
        const struct plan_port *port = plan_input(r->plan, i);

        r->input_of[i] = find_port(d->inputs, d->n_inputs, port);
        if (r->input_of[i] == d->n_inputs) {
            return err_set(err, EDGE_EINVAL,
                           "%s: what is deployed has no such input \"%s\"",
                           file, port->name);
        }
    }
    for (size_t i = 0; i < n_outputs; i++) {
        const struct plan_port *port = plan_output(r->plan, i);
        size_t at = find_port(d->outputs, d->n_outputs, port);

        if (at == d->n_outputs && some) {
            continue;
        }
        if (at == d->n_outputs) {
            return err_set(err, EDGE_EINVAL,
                           "%s: what is deployed has no such output \"%s\"",
                           file, port->name);
        }
        r->output_of[at] = i;
        found++;
    }
    return found == d->n_outputs
               ? 0
               : err_set(err, EDGE_EINVAL,
                         "%s lacks an output that what is deployed has", file);
}

/* ---- life --------------------------------------------------------------- */

/* Open dimensions are those that the deployment has. */
static void close_shapes(struct graph *graph, const struct deployed *d)
{
    for (size_t i = 0; i < d->n_inputs; i++) {
        int v = graph_find_value(graph, d->inputs[i].name);

        if (v >= 0) {
            graph->values[v].has_shape = true;
            graph->values[v].shape = d->inputs[i].shape;
        }
    }
}

int reference_open(const char *file, const struct deployed *deployed, bool some,
                   struct reference **out, struct err *err)
{
    struct reference *r = mem_new(struct reference);
    struct graph *graph = NULL;
    int rc;

    if (r == NULL) {
        return err_set(err, EDGE_ENOMEM, "out of memory");
    }
    r->deployed = deployed;
    rc = guard_import_file(file, &graph, err);
    if (rc == 0) {
        close_shapes(graph, deployed);
        rc = fold_prepare(graph, 1, NULL, 0, err);
    }
    if (rc == 0) {
        rc = plan_make(graph, &r->plan, err);
    }
    if (rc == 0) {
        rc = match(r, file, some, err);
    }
    graph_free(graph);
    if (rc < 0) {
        reference_free(r);
        return rc;
    }
    *out = r;
    return 0;
}

void reference_free(struct reference *r)
{
    if (r != NULL) {
        plan_free(r->plan);
        mem_free(r);
    }
}

/* ---- running ------------------------------------------------------------ */

static int run(struct reference *r, const struct tensor *inputs,
               struct tensor *results, struct err *err)
{
    struct tensor given[LIMIT_PORTS];
    size_t n = plan_n_outputs(r->plan);
    int rc = 0;

    for (size_t i = 0; i < plan_n_inputs(r->plan); i++) {
        given[i] = inputs[r->input_of[i]];
    }
    for (size_t i = 0; rc == 0 && i < n; i++) {
        const struct plan_port *port = plan_output(r->plan, i);

        rc = tensor_init(&results[i], port->dtype, &port->shape);
    }
    if (rc == 0) {
        rc = plan_run(r->plan, given, results);
    }
    return rc < 0 ? err_set(err, rc, "run the model here: %s", err_text(rc))
                  : 0;
}

int reference_run(struct reference *r, const struct tensor *inputs,
                  struct tensor **out, struct err *err)
{
    size_t n = r->deployed->n_outputs;
    size_t n_results = plan_n_outputs(r->plan);
    struct tensor *results = mem_array(struct tensor, n_results + 1);
    struct tensor *outputs = mem_array(struct tensor, n + 1);
    int rc = EDGE_ENOMEM;

    if (results == NULL || outputs == NULL) {
        (void)err_set(err, rc, "out of memory");
        goto out;
    }
    rc = run(r, inputs, results, err);
    for (size_t i = 0; rc == 0 && i < n; i++) {
        outputs[i] = results[r->output_of[i]];
        results[r->output_of[i]] = (struct tensor){.blob = NULL};
    }
    if (rc == 0) {
        *out = outputs;
        outputs = NULL;
    }
    for (size_t i = 0; i < n_results; i++) {
        tensor_deinit(&results[i]);
    }
out:
    mem_free(results);
    mem_free(outputs);
    return rc;
}

/* ---- inputs and answers ------------------------------------------------- */

void reference_fill(struct tensor *t, struct rng *rng)
{
    size_t bytes = tensor_bytes(t);

    memset(t->data, 0, bytes);
    for (int64_t i = 0; i < tensor_count(t); i++) {
        if (t->dtype == DTYPE_F32) {
            ((float *)t->data)[i] = (float)rng_unit(rng);
        } else if (t->dtype == DTYPE_F64) {
            ((double *)t->data)[i] = rng_unit(rng);
        } else if (t->dtype == DTYPE_F16) {
            ((uint16_t *)t->data)[i] =
                tensor_float_to_half((float)rng_unit(rng));
        } else if (dtype_size(t->dtype) == 1) {
            ((uint8_t *)t->data)[i] = (uint8_t)rng_below(rng, 2);
        }
    }
}

bool reference_same(const struct tensor *a, const struct tensor *b, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (a[i].dtype != b[i].dtype ||
            !shape_equal(&a[i].shape, &b[i].shape) ||
            memcmp(a[i].data, b[i].data, tensor_bytes(&a[i])) != 0) {
            return false;
        }
    }
    return true;
}
