/*
 * The golden input: a seeded input of the model and what one process makes
 * of it. A new epoch serves nobody before it gives that answer.
 */
#include "coordinator/plan_job.h"

#include "base/mem.h"
#include "base/rng.h"
#include "chain/chain.h"
#include "engine/plan.h"
#include "graph/graph.h"
#include "wire/convert.h"

#include <math.h>
#include <string.h>

#define GOLDEN_SEED 20260101u
/* Boards of several kinds sum in other orders: data/README's bounds. */
#define GOLDEN_RELATIVE 1e-3
#define GOLDEN_ABSOLUTE 1e-4
#define GOLDEN_STEPS 1.5 /* of an integer output: a rounding that ties */

void golden_fill(struct tensor *t, struct rng *rng)
{
    int64_t n = tensor_count(t);

    memset(t->data, 0, tensor_bytes(t));
    for (int64_t i = 0; i < n; i++) {
        if (t->dtype == DTYPE_F32) {
            ((float *)t->data)[i] = (float)rng_unit(rng);
        } else if (t->dtype == DTYPE_U8) {
            ((uint8_t *)t->data)[i] = (uint8_t)rng_below(rng, 256);
        }
    }
}

void golden_free(struct tensor *tensors, size_t n)
{
    for (size_t i = 0; i < n && tensors != NULL; i++) {
        tensor_deinit(&tensors[i]);
    }
    mem_free(tensors);
}

/* All tensors one after the other as one blob of the store. */
static int keep(struct store *store, const struct tensor *tensors, size_t n,
                Edged__BlobRef **out, struct err *err)
{
    struct digest digest;
    struct blob *all;
    size_t bytes = 0;
    size_t at = 0;
    int rc;

    for (size_t i = 0; i < n; i++) {
        bytes += tensor_bytes(&tensors[i]);
    }
    all = blob_new(bytes);
    if (all == NULL) {
        return err_set(err, EDGE_ENOMEM, "out of memory");
    }
    for (size_t i = 0; i < n; i++) {
        memcpy(all->data + at, tensors[i].data, tensor_bytes(&tensors[i]));
        at += tensor_bytes(&tensors[i]);
    }
    rc = store_put(store, all->data, bytes, &digest, err);
    blob_unref(all);
    if (rc == 0) {
        *out = convert_ref_new(&digest, bytes);
        rc = *out == NULL ? err_set(err, EDGE_ENOMEM, "out of memory") : 0;
    }
    return rc;
}

static int make_tensors(const struct plan *plan, struct tensor *inputs,
                        struct tensor *outputs, struct err *err)
{
    struct rng rng;
    int rc = 0;

    rng_init(&rng, GOLDEN_SEED);
    for (size_t i = 0; i < plan_n_inputs(plan) && rc == 0; i++) {
        const struct plan_port *port = plan_input(plan, i);

        rc = tensor_init(&inputs[i], port->dtype, &port->shape);
        if (rc == 0) {
            golden_fill(&inputs[i], &rng);
        }
    }
    for (size_t i = 0; i < plan_n_outputs(plan) && rc == 0; i++) {
        const struct plan_port *port = plan_output(plan, i);

        rc = tensor_init(&outputs[i], port->dtype, &port->shape);
    }
    return rc < 0 ? err_set(err, rc, "golden input: %s", err_text(rc)) : 0;
}

/* The largest change of a value that is a number on both sides. */
static double distance(const struct tensor *a, const struct tensor *b)
{
    int64_t n =
        tensor_count(b) < tensor_count(a) ? tensor_count(b) : tensor_count(a);
    double most = 0;

    for (int64_t i = 0; i < n; i++) {
        double d = fabs(tensor_get(a, i) - tensor_get(b, i));

        most = d > most && isfinite(d) ? d : most;
    }
    return most;
}

/* What codecs on links make of it instead. */
static int code_outputs(struct chain *chain, const struct tensor *inputs,
                        size_t n_inputs, struct tensor *outputs,
                        size_t n_outputs, Edged__Placement *spec,
                        struct err *err)
{
    struct tensor *coded = mem_array(struct tensor, n_outputs);
    int rc = coded == NULL
                 ? err_set(err, EDGE_ENOMEM, "out of memory")
                 : chain_run(chain, inputs, n_inputs, coded, n_outputs, err);

    for (size_t i = 0; rc == 0 && i < spec->n_outputs; i++) {
        struct tensor exact = outputs[i];

        spec->golden_loss =
            fmax(spec->golden_loss, distance(&exact, &coded[i]));
        outputs[i] = coded[i];
        coded[i] = exact;
    }
    golden_free(coded, n_outputs);
    return rc;
}

int golden_make(const struct working *w, const struct graph *model,
                struct chain *chain, Edged__Placement *spec, struct err *err)
{
    struct store *store = w->job->store;
    struct tensor *inputs = mem_array(struct tensor, model->n_inputs);
    struct tensor *outputs = mem_array(struct tensor, model->n_outputs);
    struct plan *plan = NULL;
    int rc = EDGE_ENOMEM;

    if (inputs == NULL || outputs == NULL) {
        (void)err_set(err, rc, "out of memory");
        goto out;
    }
    rc = plan_make(model, &plan, err);
    if (rc < 0) {
        goto out;
    }
    rc = make_tensors(plan, inputs, outputs, err);
    if (rc < 0) {
        goto out;
    }
    for (size_t i = 0; i < model->n_inputs; i++) {
        plan_tiers_fill(w, i, &inputs[i]);
    }
    rc = plan_run(plan, inputs, outputs);
    if (rc < 0) {
        (void)err_set(err, rc, "golden input: the model refused it");
        goto out;
    }
    if (chain != NULL) {
        rc = code_outputs(chain, inputs, model->n_inputs, outputs,
                          model->n_outputs, spec, err);
        if (rc < 0) {
            goto out;
        }
    }
    rc = keep(store, inputs, spec->n_inputs, &spec->golden_input, err);
    if (rc == 0) {
        rc = keep(store, outputs, spec->n_outputs, &spec->golden_output, err);
    }
out:
    plan_free(plan);
    golden_free(inputs, model->n_inputs);
    golden_free(outputs, model->n_outputs);
    return rc;
}

int golden_read(struct store *store, const Edged__BlobRef *ref,
                Edged__Port *const *ports, size_t n, struct tensor **tensors,
                struct err *err)
{
    struct tensor *made = mem_array(struct tensor, n);
    struct blob *all = NULL;
    struct digest digest;
    size_t at = 0;
    int rc = made == NULL ? EDGE_ENOMEM : 0;

    if (rc == 0) {
        rc = convert_digest_in(&ref->digest, &digest, err);
    }
    if (rc == 0) {
        rc = store_map(store, &digest, true, &all, err);
    }
    for (size_t i = 0; i < n && rc == 0; i++) {
        struct tensor meta;
        size_t bytes;

        rc = convert_meta_in(ports[i]->tensor, NULL, &meta, err);
        if (rc == 0 && shape_bytes(&meta.shape, meta.dtype, &bytes) &&
            bytes <= all->size - at) {
            rc = tensor_copy(&made[i], meta.dtype, &meta.shape, all->data + at);
            at += bytes;
        }
    }
    blob_unref(all);
    if (rc < 0) {
        golden_free(made, n);
        return err_wrap(err, rc, "golden input");
    }
    *tensors = made;
    return 0;
}

/* A board of another kind may round a value on a link the other way, and so
 * its neighbours: together no more than rounding them all changed. */
static bool is_near(enum dtype dtype, double want, double got, double loss)
{
    double most = loss + (dtype_is_float(dtype)
                              ? GOLDEN_ABSOLUTE + GOLDEN_RELATIVE * fabs(want)
                              : GOLDEN_STEPS);

    return fabs(want - got) <= most || (isnan(want) && isnan(got));
}

int golden_compare(const struct tensor *want, const struct tensor *got,
                   double loss, const char *name, struct err *err)
{
    int64_t n = tensor_count(got);

    if (want->dtype != got->dtype || tensor_count(want) < n) {
        return err_set(err, EDGE_ECORRUPT,
                       "output \"%s\" has another type or shape", name);
    }
    for (int64_t i = 0; i < n; i++) {
        double a = tensor_get(want, i);
        double b = tensor_get(got, i);

        if (!is_near(want->dtype, a, b, loss)) {
            return err_set(err, EDGE_ECORRUPT,
                           "output \"%s\", value %lld is %g instead of %g",
                           name, (long long)i, b, a);
        }
    }
    return 0;
}
