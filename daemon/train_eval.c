/*
 * How good the parameters are: forward as it would run, with running
 * statistics and without dropout, through plans that live until the
 * parameters change.
 */
#include "daemon/train.h"

#include "graph/infer.h"
#include "graph/lossy.h"

#include <math.h>
#include <string.h>

void train_plans_free(struct train_made *made)
{
    for (size_t i = 0; i < TRAIN_PLANS; i++) {
        plan_free(made->plans[i]);
        made->plans[i] = NULL;
        made->plan_sizes[i] = 0;
    }
}

static int make_plan(struct train_made *made, const Edged__Lossy *lossy,
                     int64_t samples, struct plan **plan, struct err *err)
{
    struct graph *g = NULL;
    bool has_seeds = false;
    int rc = graph_clone(made->graph, &g);

    if (rc < 0) {
        return err_set(err, rc, "no memory to evaluate");
    }
    rc = step_store(made->step, g, err);
    for (size_t i = 0; i < g->n_inputs; i++) {
        g->values[g->inputs[i]].shape.dims[0] = samples;
    }
    if (rc == 0) {
        rc = infer_graph(g, err);
    }
    if (rc == 0) {
        rc = train_lossy(lossy, true, g, err);
    }
    if (rc == 0) {
        rc = lossy_add_seeds(g, &has_seeds, err);
    }
    if (rc == 0) {
        rc = plan_make(g, plan, err);
    }
    graph_free(g);
    return rc;
}

static int find_plan(struct train_made *made, const Edged__Lossy *lossy,
                     int64_t samples, struct plan **plan, struct err *err)
{
    size_t at = made->next_plan;
    int rc;

    for (size_t i = 0; i < TRAIN_PLANS; i++) {
        if (made->plan_sizes[i] == samples && made->plans[i] != NULL) {
            *plan = made->plans[i];
            return 0;
        }
    }
    rc = make_plan(made, lossy, samples, plan, err);
    if (rc == 0) {
        plan_free(made->plans[at]);
        made->plans[at] = *plan;
        made->plan_sizes[at] = samples;
        made->next_plan = (at + 1) % TRAIN_PLANS;
    }
    return rc;
}

double train_entropy(const struct tensor *scores, const int64_t *labels)
{
    int64_t n = scores->shape.dims[0];
    int64_t classes = scores->shape.dims[1];
    const float *row = scores->data;
    double sum = 0;

    for (int64_t i = 0; i < n; i++, row += classes) {
        double most = (double)row[0];
        double all = 0;

        for (int64_t c = 1; c < classes; c++) {
            most = fmax(most, (double)row[c]);
        }
        for (int64_t c = 0; c < classes; c++) {
            all += exp((double)row[c] - most);
        }
        if (labels[i] < 0 || labels[i] >= classes) {
            return NAN;
        }
        sum += log(all) + most - (double)row[labels[i]];
    }
    return sum / (double)n;
}

int64_t train_best(const float *scores, int64_t n)
{
    int64_t best = 0;

    for (int64_t c = 1; c < n; c++) {
        best = scores[c] > scores[best] ? c : best;
    }
    return best;
}

uint64_t train_count(const struct tensor *scores, const int64_t *labels)
{
    int64_t n = scores->shape.dims[0];
    int64_t classes = scores->shape.dims[1];
    const float *row = scores->data;
    uint64_t right = 0;

    for (int64_t i = 0; i < n; i++, row += classes) {
        right += train_best(row, classes) == labels[i];
    }
    return right;
}

int train_evaluate(struct train *t, struct micro *m, float *losses,
                   struct err *err)
{
    struct plan *plan = NULL;
    struct tensor in[LIMIT_PORTS + 1];
    size_t n = t->shard->n_inputs;
    int rc = find_plan(t->made, t->recipe->lossy, m->samples, &plan, err);

    if (rc < 0) {
        return err_wrap(err, rc, "evaluate");
    }
    memcpy(in, m->x, n * sizeof(in[0]));
    if (plan_n_inputs(plan) > n) { /* what is lost by chance has seeds */
        in[n] = m->seeds;
    }
    rc = plan_run(plan, in, m->y);
    if (rc < 0) {
        return err_set(err, rc, "the shard refused these inputs");
    }
    for (size_t i = 0; i < t->recipe->n_losses; i++) {
        losses[i] =
            (float)train_entropy(&m->y[t->made->scores[i]], m->labels.data);
    }
    return 0;
}
