#include "train/step_inner.h"

#include <math.h>
#include <string.h>

/* ---- forward --------------------------------------------------------------
 */

static struct tensor stash_of(const struct step_slot *slot, size_t output)
{
    const struct plan_port *port = plan_output(slot->size->forward, output);

    return (struct tensor){.dtype = port->dtype,
                           .shape = port->shape,
                           .data = slot->stash + slot->size->stash_at[output]};
}

static struct tensor made_by_forward(const struct step_slot *slot,
                                     size_t output)
{
    return output < slot->size->ports.losses ? slot->outputs[output]
                                             : stash_of(slot, output);
}

/* Input `i` of the training graph. */
static struct tensor given(const struct train_step *s,
                           const struct step_slot *slot,
                           const struct tensor *output_grads, size_t i)
{
    const struct grad_ports *p = &slot->size->ports;

    if (i < p->params) {
        return slot->inputs[i];
    }
    if (i < p->labels) {
        return params_value(&s->params, i - p->params);
    }
    if (i < p->outputs) {
        return slot->labels[i - p->labels];
    }
    return i < p->seeds ? output_grads[i - p->outputs] : slot->seeds;
}

static int begin(struct train_step *s, size_t at, const struct step_data *data,
                 struct step_slot **slot, struct err *err)
{
    const struct shape *x = &data->inputs[0].shape;
    struct step_size *size;
    int rc;

    if (at >= s->n_slots || s->slots[at].size != NULL) {
        return err_set(err, EDGE_EINVAL, "there is no free place %zu", at);
    }
    if (x->rank < 1) {
        return err_set(err, EDGE_EINVAL, "input 0 has no samples");
    }
    rc = step_prepare(s, x->dims[0], err);
    if (rc < 0) {
        return rc;
    }
    size = step_size_find(s, x->dims[0]);
    if (size->ports.has_seeds && data->seeds == NULL) {
        return err_set(err, EDGE_EINVAL, "dropout has no seeds");
    }
    size->used = ++s->clock;
    *slot = &s->slots[at];
    (*slot)->size = size;
    return 0;
}

static void borrow(const struct train_step *s, struct step_slot *slot,
                   const struct step_data *data)
{
    memcpy(slot->inputs, data->inputs,
           s->model->n_inputs * sizeof(*slot->inputs));
    memcpy(slot->outputs, data->outputs,
           s->model->n_outputs * sizeof(*slot->outputs));
    if (s->n_losses > 0) {
        memcpy(slot->labels, data->labels, s->n_losses * sizeof(*slot->labels));
    }
    slot->seeds =
        data->seeds != NULL ? *data->seeds : (struct tensor){.blob = NULL};
}

/* For each channel the sums of x and of its square, from mean and variance. */
static void add_statistics(struct train_step *s, const struct step_slot *slot)
{
    const struct step_size *size = slot->size;
    const struct grad_ports *p = &size->ports;
    size_t gap = p->means - p->param_grads; /* gradients go out elsewhere */

    for (size_t i = 0; i < s->n_stats; i++) {
        const struct step_stat *stat = &s->stats[i];
        const struct tensor mean = stash_of(slot, p->means - gap + i);
        const struct tensor var = stash_of(slot, p->variances - gap + i);
        double *sums = s->sums + stat->sums;
        double n = size->counts[i];

        *sums++ += n;
        for (size_t c = 0; c < stat->channels; c++) {
            double m = (double)((const float *)mean.data)[c];
            double v = (double)((const float *)var.data)[c];

            sums[c] += n * m;
            sums[stat->channels + c] += n * (v + m * m);
        }
    }
}

int step_forward(struct train_step *s, size_t at, const struct step_data *data,
                 float *losses, struct err *err)
{
    struct step_slot *slot = NULL;
    struct step_size *size;
    int rc = begin(s, at, data, &slot, err);

    if (rc < 0) {
        return rc;
    }
    borrow(s, slot, data);
    size = slot->size;
    for (size_t i = 0; i < plan_n_inputs(size->forward); i++) {
        size->in[i] = given(s, slot, NULL, size->parts.forward_in[i]);
    }
    for (size_t i = 0; i < plan_n_outputs(size->forward); i++) {
        size->out[i] = made_by_forward(slot, i);
    }
    rc = plan_run(size->forward, size->in, size->out);
    if (rc < 0) {
        slot->size = NULL;
        return err_set(err, rc,
                       "a tensor of the micro-batch has not the type or shape "
                       "that \"%.200s\" has",
                       s->model->name);
    }
    for (size_t i = 0; i < size->ports.losses; i++) {
        data->outputs[i].shape = size->out[i].shape;
        slot->outputs[i].shape = size->out[i].shape;
    }
    for (size_t i = 0; i < s->n_losses; i++) {
        losses[i] = (float)tensor_get(&size->out[size->ports.losses + i], 0);
    }
    add_statistics(s, slot);
    return 0;
}

/* ---- backward -------------------------------------------------------------
 */

/* Those of float32, which the training graph has ports for, in order. */
static const struct tensor *nth_float(const struct graph *g, const int *values,
                                      size_t n, const struct tensor *of,
                                      size_t nth)
{
    for (size_t i = 0; i < n; i++) {
        if (g->values[values[i]].dtype == DTYPE_F32 && nth-- == 0) {
            return &of[i];
        }
    }
    return NULL;
}

static void set_backward_in(const struct train_step *s,
                            const struct step_slot *slot,
                            const struct tensor *output_grads)
{
    struct step_size *size = slot->size;
    const struct grad_ports *p = &size->ports;
    size_t n = size->parts.n_backward_in;

    for (size_t i = 0; i < n; i++) {
        const struct grad_source *from = &size->parts.backward_in[i];

        if (from->is_made) {
            size->in[i] = made_by_forward(slot, from->index);
        } else if (from->index >= p->outputs && from->index < p->seeds) {
            size->in[i] =
                *nth_float(s->model, s->model->outputs, s->model->n_outputs,
                           output_grads, from->index - p->outputs);
        } else {
            size->in[i] = given(s, slot, NULL, from->index);
        }
    }
    for (size_t i = 0; i < s->params.n_items; i++) {
        size->in[n + i] = params_grad(&s->params, i);
    }
}

static void set_backward_out(const struct train_step *s, struct step_size *size,
                             const struct tensor *input_grads)
{
    const struct grad_ports *p = &size->ports;
    size_t n = s->params.n_items;

    for (size_t i = 0; i < n; i++) {
        size->out[i] = params_grad(&s->params, i);
    }
    for (size_t i = 0; i < p->means - p->input_grads; i++) {
        size->out[n + i] = *nth_float(s->model, s->model->inputs,
                                      s->model->n_inputs, input_grads, i);
    }
}

static int check_back(const struct train_step *s, size_t at,
                      const struct tensor *output_grads,
                      const struct tensor *input_grads, struct err *err)
{
    if (at >= s->n_slots || s->slots[at].size == NULL) {
        return err_set(err, EDGE_EINVAL, "place %zu had no forward", at);
    }
    if ((s->output_grads && output_grads == NULL) ||
        (s->input_grads && input_grads == NULL)) {
        return err_set(err, EDGE_EINVAL, "gradients of ports are missing");
    }
    return 0;
}

/* Steps `from` up to `to` of the plan; it is over behind the last of them. */
static int go_back(struct train_step *s, struct step_slot *slot,
                   const struct tensor *output_grads,
                   struct tensor *input_grads, size_t from, size_t to,
                   struct err *err)
{
    struct step_size *size = slot->size;
    size_t all = 0;
    int rc = 0;

    if (size->backward != NULL) {
        all = plan_n_times(size->backward);
        set_backward_in(s, slot, output_grads);
        set_backward_out(s, size, input_grads);
        rc = plan_run_steps(size->backward, size->in, size->out, from, to);
    }
    if (rc < 0) {
        return err_set(err, rc,
                       "a gradient has not the type or shape of its value in "
                       "\"%.200s\"",
                       s->model->name);
    }
    if (to == all) {
        s->samples += (double)size->samples;
        slot->size = NULL;
    }
    return 0;
}

int step_backward(struct train_step *s, size_t at,
                  const struct tensor *output_grads, struct tensor *input_grads,
                  struct err *err)
{
    int rc = check_back(s, at, output_grads, input_grads, err);
    const struct step_legs *legs = rc == 0 ? step_legs(s, at) : NULL;

    return rc == 0 ? go_back(s, &s->slots[at], output_grads, input_grads, 0,
                             legs->legs[legs->n - 1].to, err)
                   : rc;
}

int step_backward_leg(struct train_step *s, size_t at,
                      const struct tensor *output_grads,
                      struct tensor *input_grads, size_t leg, struct err *err)
{
    int rc = check_back(s, at, output_grads, input_grads, err);
    const struct step_legs *legs = rc == 0 ? step_legs(s, at) : NULL;

    if (rc == 0 && leg >= legs->n) {
        rc = err_set(err, EDGE_EINVAL, "the way back has %zu legs", legs->n);
    }
    return rc == 0 ? go_back(s, &s->slots[at], output_grads, input_grads,
                             leg > 0 ? legs->legs[leg - 1].to : 0,
                             legs->legs[leg].to, err)
                   : rc;
}

/* ---- the end of a mini-batch ----------------------------------------------
 */

static void clear(struct train_step *s)
{
    if (s->params.n > 0) {
        memset(s->params.grads, 0, s->params.n * sizeof(float));
    }
    memset(s->sums, 0, (s->n_sums + 1) * sizeof(double));
    s->samples = 0;
}

void step_drop(struct train_step *s)
{
    for (size_t i = 0; i < s->n_slots; i++) {
        s->slots[i].size = NULL;
    }
    clear(s);
}

void step_end(struct train_step *s, double samples)
{
    float by = samples > 0 ? (float)(1 / samples) : 0;

    for (size_t i = 0; i < s->params.n; i++) {
        s->params.grads[i] *= by;
    }
}

double step_square(const struct train_step *s)
{
    return optim_square(s->params.grads, s->params.n);
}

/* torch.nn.BatchNorm2d: the running variance follows that by N - 1; torchgpipe
 * defers both to the end of the mini-batch. */
static void follow_statistics(struct train_step *s)
{
    for (size_t i = 0; i < s->n_stats; i++) {
        const struct step_stat *stat = &s->stats[i];
        const double *sums = s->sums + stat->sums;
        double n = sums[0];
        float *mean = s->running.values + stat->mean;
        float *variance = s->running.values + stat->variance;
        float keep = stat->momentum;

        for (size_t c = 0; n > 0 && c < stat->channels; c++) {
            double m = sums[1 + c] / n;
            double v = fmax(sums[1 + stat->channels + c] / n - m * m, 0);
            double unbiased = n > 1 ? v * n / (n - 1) : v;

            mean[c] = keep * mean[c] + (1 - keep) * (float)m;
            variance[c] = keep * variance[c] + (1 - keep) * (float)unbiased;
        }
    }
}

bool step_apply(struct train_step *s, double rate, double square)
{
    bool done = optim_step(&s->optim, &s->params, rate, square);

    if (done) {
        follow_statistics(s);
    }
    step_drop(s);
    return done;
}

/* ---- what it holds --------------------------------------------------------
 */

const struct plan_port *step_output(const struct train_step *s, int64_t samples,
                                    size_t i)
{
    const struct step_size *size = step_size_find(s, samples);

    return size != NULL && i < size->ports.losses
               ? plan_output(size->forward, i)
               : NULL;
}

bool step_needs_seeds(const struct train_step *s)
{
    for (size_t i = 0; i < STEP_SIZES; i++) {
        if (s->sizes[i].samples > 0) {
            return s->sizes[i].ports.has_seeds;
        }
    }
    return false;
}

const struct params *step_params(const struct train_step *s)
{
    return &s->params;
}

double step_samples(const struct train_step *s)
{
    return s->samples;
}

double *step_sums(struct train_step *s, size_t *n)
{
    *n = s->n_sums;
    return s->sums;
}

int step_store(const struct train_step *s, struct graph *shard, struct err *err)
{
    int rc = params_store(&s->params, shard, err);

    return rc == 0 ? params_store(&s->running, shard, err) : rc;
}

void step_state(struct train_step *s, struct step_state *state)
{
    size_t n = s->params.n;

    *state = (struct step_state){
        .arrays = {{"params", s->params.values, n},
                   {"first", s->optim.first, s->optim.first != NULL ? n : 0},
                   {"second", s->optim.second, s->optim.second != NULL ? n : 0},
                   {"running", s->running.values, s->running.n}},
        .steps = &s->optim.steps,
        .skipped = &s->optim.skipped};
}

void step_memory(const struct train_step *s, struct step_memory *memory)
{
    struct step_state state;

    step_state((struct train_step *)s, &state);
    *memory = (struct step_memory){.stash = s->stash_bytes};
    memory->params = s->params.n * sizeof(float); /* gradients */
    for (int i = 0; i < STEP_STATE; i++) {
        memory->params += state.arrays[i].n * sizeof(float);
    }
    for (size_t i = 0; i < STEP_SIZES; i++) {
        const struct step_size *size = &s->sizes[i];

        if (size->samples > 0) {
            memory->plans += plan_arena_bytes(size->forward);
            memory->plans += plan_packed_bytes(size->forward);
        }
        if (size->backward != NULL) {
            memory->plans += plan_arena_bytes(size->backward);
            memory->plans += plan_packed_bytes(size->backward);
        }
    }
}
