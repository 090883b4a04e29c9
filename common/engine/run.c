/*
 * Runs a plan: the caller's tensors are put where steps read and write them,
 * the steps run in order, and outputs that no step writes are copied.
 */
#include "engine/plan_impl.h"

#include <string.h>
#include <time.h>

static bool has_room(const struct tensor *t, const struct plan_port *port)
{
    size_t bytes;

    if (!shape_bytes(&port->shape, port->dtype, &bytes)) {
        return false;
    }
    if (bytes == 0) {
        return true;
    }
    if (t->data == NULL || (uintptr_t)t->data % dtype_size(port->dtype) != 0) {
        return false;
    }
    return t->blob == NULL || bytes <= (size_t)(t->blob->data + t->blob->size -
                                                (uint8_t *)t->data);
}

static int check_ports(const struct plan *plan, const struct tensor *inputs,
                       const struct tensor *outputs)
{
    for (size_t i = 0; i < plan->n_inputs; i++) {
        const struct plan_port *port = &plan->inputs[i];

        if (inputs[i].dtype != port->dtype ||
            !shape_equal(&inputs[i].shape, &port->shape) ||
            !has_room(&inputs[i], port)) {
            return EDGE_EINVAL;
        }
    }
    for (size_t i = 0; i < plan->n_outputs; i++) {
        if (outputs[i].dtype != plan->outputs[i].dtype ||
            !has_room(&outputs[i], &plan->outputs[i])) {
            return EDGE_EINVAL;
        }
    }
    return 0;
}

static void apply_patches(struct plan *plan, const struct tensor *inputs,
                          struct tensor *outputs)
{
    for (size_t i = 0; i < plan->n_patches; i++) {
        const struct patch *p = &plan->patches[i];

        p->view->data =
            p->is_output ? outputs[p->port].data : inputs[p->port].data;
    }
}

static void finish_outputs(struct plan *plan, const struct tensor *inputs,
                           struct tensor *outputs)
{
    for (size_t i = 0; i < plan->n_outputs; i++) {
        outputs[i].shape = plan->made[i] != NULL ? plan->made[i]->shape
                                                 : plan->outputs[i].shape;
    }
    for (size_t i = 0; i < plan->n_copies; i++) {
        const struct copy *c = &plan->copies[i];
        struct tensor *to = &outputs[c->output];
        const struct tensor *from = c->from_input >= 0 ? &inputs[c->from_input]
                                    : c->from_output >= 0
                                        ? &outputs[c->from_output]
                                        : &c->source;

        if (tensor_bytes(to) > 0) {
            memcpy(to->data, from->data, tensor_bytes(to));
        }
    }
}

struct shared { /* a step that all threads work on */
    const struct plan *plan;
    const struct step *step;
};

static void run_share(void *arg, size_t i)
{
    const struct shared *s = arg;
    size_t n = s->plan->threads->n;
    size_t each = (s->step->parts + n - 1) / n;
    size_t from = i * each;
    size_t to = from + each < s->step->parts ? from + each : s->step->parts;

    if (from < to) {
        s->step->run_part(s->step, from, to,
                          i == 0
                              ? s->step->scratch
                              : s->plan->extra + (i - 1) * s->plan->extra_each);
    }
}

static void run_step(const struct plan *plan, const struct step *step)
{
    struct shared shared = {plan, step};

    if (plan->threads == NULL || step->run_part == NULL || step->parts < 2) {
        step->bind->run(step);
        return;
    }
    if (step->begin != NULL) {
        step->begin(step);
    }
    plan->threads->run(plan->threads, run_share, &shared);
}

int plan_run_steps(struct plan *plan, const struct tensor *inputs,
                   struct tensor *outputs, size_t from, size_t to)
{
    int rc = check_ports(plan, inputs, outputs);

    if (rc < 0) {
        return rc;
    }
    apply_patches(plan, inputs, outputs);
    for (size_t s = from; s < to; s++) {
        run_step(plan, &plan->steps[s]);
    }
    if (to == plan->n_steps) {
        finish_outputs(plan, inputs, outputs);
    }
    return 0;
}

int plan_run(struct plan *plan, const struct tensor *inputs,
             struct tensor *outputs)
{
    return plan_run_steps(plan, inputs, outputs, 0, plan->n_steps);
}

static double now_ns(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

int plan_run_timed(struct plan *plan, const struct tensor *inputs,
                   struct tensor *outputs)
{
    int rc = check_ports(plan, inputs, outputs);
    double before;

    if (rc < 0) {
        return rc;
    }
    apply_patches(plan, inputs, outputs);
    before = now_ns();
    for (size_t s = 0; s < plan->n_steps; s++) {
        double after;

        run_step(plan, &plan->steps[s]);
        after = now_ns();
        plan->times[s].ns += after - before;
        before = after;
    }
    finish_outputs(plan, inputs, outputs);
    return 0;
}

int plan_run_piece(struct plan *plan, const struct tensor *inputs,
                   struct tensor *outputs, size_t *step, double most_ns,
                   double *ns)
{
    int rc = check_ports(plan, inputs, outputs);
    double began;
    double before;

    if (rc < 0) {
        return rc;
    }
    apply_patches(plan, inputs, outputs);
    began = now_ns();
    before = began;
    while (*step < plan->n_steps && before - began < most_ns) {
        double after;

        run_step(plan, &plan->steps[*step]);
        after = now_ns();
        ns[*step] = after - before;
        before = after;
        (*step)++;
    }
    if (*step == plan->n_steps) {
        finish_outputs(plan, inputs, outputs);
    }
    return 0;
}

size_t plan_n_times(const struct plan *plan)
{
    return plan->n_steps;
}

const struct plan_time *plan_times(const struct plan *plan)
{
    return plan->times;
}
