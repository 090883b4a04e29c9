#include "tests/lib/vectors.h"

#include "base/mem.h"
#include "engine/fold.h"
#include "engine/plan.h"
#include "onnx/import.h"
#include "tests/lib/heap.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* ---- files ----------------------------------------------------------------
 */

static int read_tensors(const char *folder, const char *what,
                        struct tensor *tensors, size_t *n, struct err *err)
{
    char path[4096];

    for (*n = 0; *n < VECTORS_PORTS; (*n)++) {
        struct blob *file = NULL;
        int rc;

        (void)snprintf(path, sizeof(path), "%s/%s_%zu.pb", folder, what, *n);
        if (access(path, R_OK) != 0) {
            return 0;
        }
        rc = blob_read(path, LIMIT_MODEL_FILE, &file, err);
        if (rc == 0) {
            rc = import_tensor(file, &tensors[*n], NULL, err);
        }
        blob_unref(file);
        if (rc < 0) {
            return err_wrap(err, rc, "%s", path);
        }
    }
    return 0;
}

int vectors_read(struct vectors *v, const char *folder, struct err *err)
{
    int rc;

    memset(v, 0, sizeof(*v));
    rc = read_tensors(folder, "input", v->in, &v->n_in, err);
    if (rc == 0) {
        rc = read_tensors(folder, "output", v->out, &v->n_out, err);
    }
    if (rc < 0) {
        vectors_deinit(v);
    }
    return rc;
}

void vectors_deinit(struct vectors *v)
{
    for (size_t i = 0; i < VECTORS_PORTS; i++) {
        tensor_deinit(&v->in[i]);
        tensor_deinit(&v->out[i]);
    }
    memset(v, 0, sizeof(*v));
}

/* ---- a run ----------------------------------------------------------------
 */

struct run {
    const struct vectors *v;
    struct graph *graph;
    char *names[VECTORS_PORTS]; /* of the model's inputs, by number */
    struct plan *plan;
    struct tensor in[VECTORS_PORTS]; /* in the order of the plan */
};

static int name_inputs(struct run *r, struct err *err)
{
    const struct graph *g = r->graph;

    if (g->n_inputs > VECTORS_PORTS || g->n_inputs < r->v->n_in) {
        return err_set(err, EDGE_EINVAL,
                       "the model has %zu inputs, %zu are stored", g->n_inputs,
                       r->v->n_in);
    }
    for (size_t i = 0; i < g->n_inputs; i++) {
        r->names[i] = mem_strdup(g->values[g->inputs[i]].name);
        if (r->names[i] == NULL) {
            return EDGE_ENOMEM;
        }
    }
    return 0;
}

static int prepare(struct run *r, enum vectors_bind bind, struct err *err)
{
    struct fold_input bound[VECTORS_PORTS];
    const struct vectors *v = r->v;
    int64_t batch = 1;
    size_t n = 0;

    for (size_t i = 0; i < v->n_in; i++) {
        if (bind == VECTORS_BIND_ALL ||
            (bind == VECTORS_BIND_INTS && !dtype_is_float(v->in[i].dtype))) {
            bound[n].name = r->names[i];
            bound[n++].data = &v->in[i];
        }
    }
    if (v->n_in > 0 && v->in[0].shape.rank > 0 && v->in[0].shape.dims[0] > 0) {
        batch = v->in[0].shape.dims[0];
    }
    return fold_prepare(r->graph, batch, bound, n, err);
}

static int order_inputs(struct run *r, struct err *err)
{
    for (size_t i = 0; i < plan_n_inputs(r->plan); i++) {
        const char *name = plan_input(r->plan, i)->name;
        size_t k = 0;

        while (k < r->v->n_in && strcmp(r->names[k], name) != 0) {
            k++;
        }
        if (k == r->v->n_in) {
            return err_set(err, EDGE_EINVAL, "no value is stored for \"%s\"",
                           name);
        }
        r->in[i] = r->v->in[k];
    }
    return 0;
}

static int make_outputs(const struct plan *plan, struct tensor *out,
                        struct err *err)
{
    for (size_t i = 0; i < plan_n_outputs(plan); i++) {
        const struct plan_port *port = plan_output(plan, i);
        int rc = tensor_init(&out[i], port->dtype, &port->shape);

        if (rc < 0) {
            return err_set(err, rc, "output %zu: %s", i, err_text(rc));
        }
        memset(out[i].data, 0xa5, tensor_bytes(&out[i]));
    }
    return 0;
}

/* Runs twice: the second run must not see what the first left behind. */
static int run_twice(struct run *r, struct tensor *got, struct err *err)
{
    struct tensor again[VECTORS_PORTS] = {0};
    size_t n = plan_n_outputs(r->plan);
    int rc = make_outputs(r->plan, again, err);

    heap_fail_at(0);
    if (rc == 0) {
        rc = plan_run(r->plan, r->in, got);
    }
    if (rc == 0) {
        rc = plan_run(r->plan, r->in, again);
    }
    heap_heal();
    if (rc < 0) {
        (void)err_set(err, rc, "run: %s", err_text(rc));
    } else if (heap_count() > 0) {
        rc =
            err_set(err, EDGE_EINVAL, "a run allocates %u times", heap_count());
    }
    for (size_t i = 0; rc == 0 && i < n; i++) {
        if (!shape_equal(&got[i].shape, &again[i].shape) ||
            memcmp(got[i].data, again[i].data, tensor_bytes(&got[i])) != 0) {
            rc = err_set(err, EDGE_ECORRUPT,
                         "output %zu differs from run to run", i);
        }
    }
    for (size_t i = 0; i < n; i++) {
        tensor_deinit(&again[i]);
    }
    return rc;
}

static int plan_and_run(struct run *r, struct tensor *got, struct err *err)
{
    int rc = plan_make(r->graph, &r->plan, err);

    if (rc < 0) {
        return rc;
    }
    if (plan_n_outputs(r->plan) != r->v->n_out) {
        return err_set(err, EDGE_EINVAL, "%zu outputs, %zu are stored",
                       plan_n_outputs(r->plan), r->v->n_out);
    }
    rc = order_inputs(r, err);
    if (rc == 0) {
        rc = make_outputs(r->plan, got, err);
    }
    return rc < 0 ? rc : run_twice(r, got, err);
}

static int start(struct run *r, const char *model, enum vectors_bind bind,
                 struct err *err)
{
    int rc = import_file(model, &r->graph, err);

    if (rc == 0) {
        rc = name_inputs(r, err);
    }
    return rc == 0 ? prepare(r, bind, err) : rc;
}

static void finish(struct run *r)
{
    plan_free(r->plan);
    graph_free(r->graph);
    for (size_t i = 0; i < VECTORS_PORTS; i++) {
        mem_free(r->names[i]);
    }
}

int vectors_run(const struct vectors *v, const char *model,
                enum vectors_bind bind, struct tensor *got, struct err *err)
{
    struct run r = {.v = v};
    int rc;

    memset(got, 0, VECTORS_PORTS * sizeof(*got));
    rc = start(&r, model, bind, err);
    if (rc == 0) {
        rc = plan_and_run(&r, got, err);
    }
    if (rc < 0) {
        for (size_t i = 0; i < VECTORS_PORTS; i++) {
            tensor_deinit(&got[i]);
        }
    }
    finish(&r);
    return rc;
}

static int plan_once(void *arg)
{
    struct plan *plan = NULL;
    int rc = plan_make(arg, &plan, NULL);

    plan_free(plan);
    return rc;
}

int vectors_starve(const struct vectors *v, const char *model,
                   enum vectors_bind bind, struct err *err)
{
    struct run r = {.v = v};
    int rc = start(&r, model, bind, err);

    if (rc == 0) {
        (void)heap_each(plan_once, r.graph);
    }
    finish(&r);
    return rc;
}

/* ---- the answer -----------------------------------------------------------
 */

/* How much of what is allowed the difference takes; above 1 is too much. */
static double share(const struct tensor *got, const struct tensor *wanted,
                    int64_t i, const struct vectors_bound *bound)
{
    double g;
    double w;

    if (!dtype_is_float(wanted->dtype)) {
        return tensor_get_int(got, i) == tensor_get_int(wanted, i) ? 0
                                                                   : INFINITY;
    }
    g = tensor_get(got, i);
    w = tensor_get(wanted, i);
    if (g == w || (isnan(g) && isnan(w))) {
        return 0;
    }
    if (!isfinite(g) || !isfinite(w)) {
        return INFINITY;
    }
    return fabs(g - w) / (bound->atol + bound->rtol * fabs(w));
}

bool vectors_same(const struct tensor *got, const struct tensor *wanted,
                  const struct vectors_bound *bound, double *worst,
                  struct err *err)
{
    char text[2][SHAPE_TEXT];

    if (got->dtype != wanted->dtype) {
        (void)err_set(err, EDGE_EINVAL, "type %s, wanted %s",
                      dtype_name(got->dtype), dtype_name(wanted->dtype));
        return false;
    }
    if (!shape_equal(&got->shape, &wanted->shape)) {
        (void)err_set(err, EDGE_EINVAL, "shape %s, wanted %s",
                      shape_text(&got->shape, text[0]),
                      shape_text(&wanted->shape, text[1]));
        return false;
    }
    for (int64_t i = 0; i < tensor_count(wanted); i++) {
        double s = share(got, wanted, i, bound);

        if (worst != NULL && s > *worst) {
            *worst = s;
        }
        if (s > 1) {
            (void)err_set(err, EDGE_EINVAL, "element %lld is %.9g, wanted %.9g",
                          (long long)i, tensor_get(got, i),
                          tensor_get(wanted, i));
            return false;
        }
    }
    return true;
}
