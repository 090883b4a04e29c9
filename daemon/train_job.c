/*
 * What the compute strand does with a micro-batch: forward or backward, and
 * what is before and behind all of them. Coded forms: train_code.c.
 */
#include "daemon/train.h"

#include "base/bytes.h"
#include "train/learnt.h"

#include <string.h>

/* ---- forward ------------------------------------------------------------- */

static int make_outputs(struct train *t, struct micro *m, struct err *err)
{
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < t->made->n_out; i++) {
        struct shape shape = t->made->out[i].shape;

        shape.dims[0] = m->samples;
        rc = tensor_init(&m->y[i], t->made->out[i].dtype, &shape);
    }
    return rc < 0 ? err_set(err, rc, "no memory for the outputs of a shard")
                  : 0;
}

/* One label a sample, with as many dimensions as its scores leave. */
static struct tensor labels_of(const struct train *t, const struct micro *m,
                               size_t loss)
{
    struct tensor labels = m->labels;

    labels.blob = NULL;
    labels.shape.rank = t->made->out[t->made->scores[loss]].shape.rank - 1;
    for (int i = 1; i < labels.shape.rank; i++) {
        labels.shape.dims[i] = 1;
    }
    return labels;
}

static int run_forward(struct train_job *job)
{
    struct train *t = job->train;
    struct micro *m = job->micro;
    struct tensor labels[LIMIT_LOSSES];
    struct step_data data = {.inputs = m->x,
                             .labels = labels,
                             .seeds = m->seeds.data != NULL ? &m->seeds : NULL,
                             .outputs = m->y};

    if (t->work->evaluates) {
        return train_evaluate(t, m, job->losses, &job->why);
    }
    for (size_t i = 0; i < t->recipe->n_losses; i++) {
        labels[i] = labels_of(t, m, i);
    }
    return step_forward(t->made->step, m->slot, &data, job->losses, &job->why);
}

void train_forward(struct train_job *job)
{
    struct train *t = job->train;
    struct micro *m = job->micro;

    job->rc = train_open_inputs(t, m, &job->why);
    if (job->rc == 0) {
        job->rc = make_outputs(t, m, &job->why);
    }
    if (job->rc == 0) {
        job->rc = run_forward(job);
    }
    if (job->rc == 0 && t->recipe->n_losses > 0) {
        job->correct = train_count(&m->y[t->made->scores[0]], m->labels.data);
    }
    if (job->rc == 0 && t->work->evaluates && t->recipe->n_losses > 1) {
        job->exits = (struct train_exits){0};
        train_exits_count(t, m, &job->exits);
    }
    if (job->rc == 0) {
        job->rc = train_close_outputs(t, m, &job->why);
    }
}

/* ---- backward ------------------------------------------------------------ */

/* Makes *sum the sum of both, elsewhere: what came is only read. */
static int add(struct tensor *sum, const struct tensor *more)
{
    const float *a = sum->data;
    const float *b = more->data;
    struct tensor both;
    int rc = tensor_init(&both, DTYPE_F32, &sum->shape);
    int64_t n = tensor_count(sum);

    for (int64_t i = 0; rc == 0 && i < n; i++) {
        ((float *)both.data)[i] = a[i] + b[i];
    }
    if (rc == 0) {
        tensor_deinit(sum);
        *sum = both;
    }
    return rc;
}

static int add_back(struct train *t, struct micro *m, size_t link,
                    struct tensor *sum, struct err *err)
{
    struct tensor one = {0};
    int rc = train_open_grad(t, m, link, &one, err);

    if (rc == 0 && sum->data == NULL) {
        *sum = one;
        return 0;
    }
    if (rc == 0 && add(sum, &one) < 0) {
        rc = err_set(err, EDGE_ENOMEM, "no memory for a gradient");
    }
    tensor_deinit(&one);
    return rc;
}

/* The gradient of an output is the sum of those that came back for it, in the
 * order of its links; zero where it goes nowhere. */
static int sum_back(struct train *t, struct micro *m, size_t out,
                    struct tensor *sum, struct err *err)
{
    struct shape shape = t->made->out[out].shape;
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < t->shard->n_links; i++) {
        if (t->shard->links[i].port == out &&
            t->shard->links[i].to_shard != 0) {
            rc = add_back(t, m, i, sum, err);
        }
    }
    if (rc < 0 || sum->data != NULL) {
        return rc;
    }
    shape.dims[0] = m->samples;
    rc = tensor_init(sum, DTYPE_F32, &shape);
    if (rc < 0) {
        return err_set(err, rc, "no memory for a gradient");
    }
    memset(sum->data, 0, tensor_bytes(sum));
    return 0;
}

static int open_grads(struct train *t, struct micro *m, struct tensor *dy,
                      struct err *err)
{
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < t->made->n_out; i++) {
        if (t->made->takes_output_grads && t->made->out[i].dtype == DTYPE_F32) {
            rc = sum_back(t, m, i, &dy[i], err);
        }
    }
    return rc;
}

static int make_grads(struct train *t, struct micro *m, struct err *err)
{
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < t->shard->n_inputs; i++) {
        struct shape shape = t->made->in[i].shape;

        shape.dims[0] = m->samples;
        if (t->made->wants_input_grads && t->made->in[i].dtype == DTYPE_F32) {
            rc = tensor_init(&m->dx[i], DTYPE_F32, &shape);
        }
    }
    return rc < 0 ? err_set(err, rc, "no memory for a gradient") : 0;
}

static int begin_back(struct train *t, struct micro *m, struct err *err)
{
    int rc = open_grads(t, m, m->dy, err);

    return rc == 0 ? make_grads(t, m, err) : rc;
}

/* Behind the last leg, or when one failed. */
static void end_back(struct train_job *job)
{
    struct micro *m = job->micro;

    if (job->rc == 0) {
        job->rc = train_close_grads(job->train, m, &job->why);
    }
    for (size_t i = 0; i < TRAIN_OUTPUTS; i++) {
        tensor_deinit(&m->dy[i]);
    }
}

void train_backward_leg(struct train_job *job, size_t leg)
{
    struct train *t = job->train;
    struct micro *m = job->micro;

    if (leg == 0) {
        job->rc = begin_back(t, m, &job->why);
    }
    if (job->rc == 0) {
        job->rc = step_backward_leg(
            t->made->step, m->slot, t->made->takes_output_grads ? m->dy : NULL,
            t->made->wants_input_grads ? m->dx : NULL, leg, &job->why);
    }
}

void train_backward(struct train_job *job)
{
    struct train *t = job->train;
    struct micro *m = job->micro;

    if (job->legs != NULL) {
        train_backward_leg(job, job->legs->n - 1);
    } else {
        job->rc = begin_back(t, m, &job->why);
        if (job->rc == 0) {
            job->rc = step_backward(t->made->step, m->slot,
                                    t->made->takes_output_grads ? m->dy : NULL,
                                    t->made->wants_input_grads ? m->dx : NULL,
                                    &job->why);
        }
    }
    end_back(job);
}

/* ---- before and behind the micro-batches --------------------------------- */

/* Eight lanes, so that it is as fast as memory; any change of a bit shows. */
static void mark(const struct params *p, uint8_t out[TRAIN_MARK])
{
    uint64_t lanes[8] = {1, 2, 3, 4, 5, 6, 7, 8};
    uint64_t all = p->n;

    for (size_t i = 0; i < p->n; i++) {
        uint32_t bits;

        memcpy(&bits, &p->values[i], sizeof(bits));
        lanes[i % 8] = (lanes[i % 8] ^ bits) * 0x9E3779B97F4A7C15U;
        lanes[i % 8] ^= lanes[i % 8] >> 32;
    }
    for (int i = 0; i < 8; i++) {
        all = (all ^ lanes[i]) * 0xD6E8FEB86659FD93U;
        all ^= all >> 29;
    }
    bytes_put64(out, all);
}

void train_apply(struct train_job *job)
{
    struct train *t = job->train;
    struct work *w = t->work;

    if (w->applies != 0 && w->applies == t->waiting) {
        train_plans_free(t->made);
        if (step_apply(t->made->step, w->rate, w->square)) {
            train_squeeze_applied(t->made);
        }
    } else if (!w->evaluates && w->n_micros > 0) {
        step_drop(t->made->step);
    }
    if (w->averages) {
        train_mean_leave(t->made, w->share);
    } else {
        train_note(job);
    }
}

void train_note(struct train_job *job)
{
    struct train *t = job->train;
    struct work *w = t->work;

    if (w->averages) {
        train_mean_arrive(t->made);
    }
    mark(step_params(t->made->step), w->result.mark);
    if (w->saves) {
        job->rc = learnt_write(t->made->step, &job->state, &job->why);
    }
}

/* A replica that had none of the samples has no gradient: 0, over any. */
void train_finish(struct train_job *job)
{
    struct work *w = job->train->work;

    step_end(job->train->made->step, w->samples > 0 ? w->samples : 1);
    w->result.square = step_square(job->train->made->step);
}
