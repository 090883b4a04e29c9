/*
 * What codecs are tried with before a plan is deployed: all shards in this
 * process, a few inputs for them, and what links and boards can do. The inputs
 * are the user's own pictures (`calibrate`) or, without those, seeded ones. The
 * same job has the same inputs.
 */
#include "coordinator/plan_job.h"
#include "coordinator/plan/profile.h"

#include "base/mem.h"
#include "base/rng.h"

#include <math.h>
#include <string.h>

#define SEEDED_MOST 8
#define INPUTS_LEAST 2
#define MACS_MOST 4e10 /* of one codec's trial: some ten seconds */
#define SEED 20260202u

/* How many inputs there is time for. */
static size_t how_many(const struct working *w, size_t most)
{
    double fit = MACS_MOST / fmax(w->job->macs, 1);
    size_t n = fit < INPUTS_LEAST   ? INPUTS_LEAST
               : fit > (double)most ? most
                                    : (size_t)fit;

    return n < most ? n : most;
}

static int map_pictures(struct plan_trial *t, const struct working *w,
                        size_t *n, struct err *err)
{
    const struct graph *graph = w->graph;
    const struct value *v = &graph->values[graph->inputs[0]];
    size_t bytes = 0;
    int rc =
        store_map(w->job->store, w->job->calibration, true, &t->pictures, err);

    if (rc < 0) {
        return rc;
    }
    (void)shape_bytes(&v->shape, v->dtype, &bytes);
    if (t->n_ports != 1 || v->dtype != DTYPE_F32 || bytes == 0 ||
        t->pictures->size == 0 || t->pictures->size % bytes != 0) {
        return err_set(err, EDGE_EINVAL,
                       "links.calibrate: what was sent is not a whole number "
                       "of the model's inputs. Are edgectl and "
                       "edge-coordinator of one version?");
    }
    *n = t->pictures->size / bytes;
    return 0;
}

/* Input k of those there is time for, taken evenly from all that were sent. */
static void take_picture(const struct plan_trial *t, size_t k,
                         struct tensor *to)
{
    size_t bytes = tensor_bytes(to);
    size_t n = t->pictures->size / bytes;

    memcpy(to->data, t->pictures->data + k * n / t->n_inputs * bytes, bytes);
}

static int fill_inputs(struct plan_trial *t, const struct working *w,
                       struct err *err)
{
    const struct graph *graph = w->graph;
    struct rng rng;

    rng_init(&rng, SEED);
    for (size_t i = 0; i < t->n_inputs * t->n_ports; i++) {
        const struct value *v = &graph->values[graph->inputs[i % t->n_ports]];
        struct tensor *to = &t->inputs[i];

        if (tensor_init(to, v->dtype, &v->shape) < 0) {
            return err_set(err, EDGE_ENOMEM, "out of memory");
        }
        if (t->pictures != NULL) {
            take_picture(t, i, to);
        } else {
            golden_fill(to, &rng);
            plan_tiers_fill(w, i % t->n_ports, to);
        }
    }
    return 0;
}

int plan_trial_init(struct plan_trial *t, const struct working *w,
                    size_t inputs_max, struct err *err)
{
    size_t most = SEEDED_MOST;
    int rc = 0;

    *t = (struct plan_trial){.n_ports = w->graph->n_inputs,
                             .n_outputs = w->graph->n_outputs};
    if (w->job->calibration != NULL) {
        rc = map_pictures(t, w, &most, err);
    }
    if (rc < 0) {
        return rc;
    }
    t->n_inputs = how_many(w, most < inputs_max ? most : inputs_max);
    t->inputs = mem_array(struct tensor, t->n_inputs * t->n_ports);
    if (t->inputs == NULL) {
        return err_set(err, EDGE_ENOMEM, "out of memory");
    }
    rc = fill_inputs(t, w, err);
    return rc < 0 ? rc : plan_chain(w, &t->chain, err);
}

void plan_trial_deinit(struct plan_trial *t)
{
    for (size_t i = 0; t->inputs != NULL && i < t->n_inputs * t->n_ports; i++) {
        tensor_deinit(&t->inputs[i]);
    }
    mem_free(t->inputs);
    blob_unref(t->pictures);
    chain_free(t->chain);
    *t = (struct plan_trial){0};
}

int plan_trial_run(struct plan_trial *t, size_t k, struct tensor *first,
                   struct err *err)
{
    struct tensor outputs[LIMIT_PORTS] = {{0}};
    int rc = chain_run(t->chain, t->inputs + k * t->n_ports, t->n_ports,
                       outputs, t->n_outputs, err);

    for (size_t i = 0; i < t->n_outputs; i++) {
        if (i == 0 && rc == 0) {
            *first = outputs[i];
        } else {
            tensor_deinit(&outputs[i]);
        }
    }
    return rc;
}

/* ---- what links and boards can do ---------------------------------------- */

double plan_trial_link(const struct working *w, const struct part_link *link)
{
    bool enters = link->from == PARTS_OUTSIDE;
    size_t n_from = enters ? 1 : w->places[link->from].n_devices;
    const struct shard_place *to = &w->places[link->to];
    double rate = INFINITY;

    for (size_t i = 0; i < n_from; i++) {
        size_t a = enters ? PROFILE_GATEWAY : w->places[link->from].devices[i];

        for (size_t k = 0; k < to->n_devices; k++) {
            if (a != to->devices[k]) {
                rate = fmin(
                    rate,
                    profile_link(&w->profile, a, to->devices[k])->bytes_per_s);
            }
        }
    }
    return rate;
}

struct plan_trial_rates plan_trial_board(const struct working *w)
{
    struct plan_trial_rates least = {INFINITY, INFINITY};

    for (size_t i = 0; i < w->profile.n_boards; i++) {
        const struct profile_board *b = &w->profile.boards[i];

        least.bytes_per_s = fmin(least.bytes_per_s, b->bytes_per_s);
        least.macs_per_s = fmin(least.macs_per_s, b->macs_per_s);
    }
    return least;
}
