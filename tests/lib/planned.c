#include "tests/lib/planned.h"

#include "base/mem.h"
#include "kernels/cast.h"
#include "tests/lib/unit.h"

#include <math.h>
#include <string.h>

int planned_set_up(void **state)
{
    struct planned *p = mem_new(struct planned);

    if (p == NULL) {
        return -1;
    }
    p->graph = graph_new("test");
    *state = p;
    return p->graph != NULL ? 0 : -1;
}

int planned_tear_down(void **state)
{
    struct planned *p = *state;

    for (size_t i = 0; i < PLANNED_PORTS; i++) {
        tensor_deinit(&p->in[i]);
        tensor_deinit(&p->out[i]);
    }
    plan_free(p->plan);
    graph_free(p->graph);
    mem_free(p);
    return 0;
}

void planned_put(struct tensor *t, int64_t i, double v)
{
    uint8_t *at = (uint8_t *)t->data + (size_t)i * dtype_size(t->dtype);

    cast_run(at, t->dtype, &v, DTYPE_F64, 1);
}

static void make_port(struct tensor *t, const struct plan_port *port)
{
    assert_int_equal(tensor_init(t, port->dtype, &port->shape), 0);
    for (int64_t k = 0; k < tensor_count(t); k++) {
        planned_put(t, k, (double)(k + 1));
    }
}

void planned_make(struct planned *p)
{
    if (plan_make(p->graph, &p->plan, &p->err) < 0) {
        fail_msg("%s", p->err.text);
    }
    assert_true(plan_n_inputs(p->plan) <= PLANNED_PORTS);
    assert_true(plan_n_outputs(p->plan) <= PLANNED_PORTS);
    for (size_t i = 0; i < plan_n_inputs(p->plan); i++) {
        make_port(&p->in[i], plan_input(p->plan, i));
    }
    for (size_t i = 0; i < plan_n_outputs(p->plan); i++) {
        make_port(&p->out[i], plan_output(p->plan, i));
    }
}

void planned_refused(struct planned *p, int rc, const char *text)
{
    int got = plan_make(p->graph, &p->plan, &p->err);

    if (got != rc) {
        fail_msg("%s, wanted %s: %s", err_name(got), err_name(rc), p->err.text);
    }
    if (strstr(p->err.text, text) == NULL) {
        fail_msg("\"%s\" is not in \"%s\"", text, p->err.text);
    }
}

void planned_run(struct planned *p)
{
    assert_int_equal(plan_run(p->plan, p->in, p->out), 0);
}

void planned_gives(struct planned *p, size_t i, int n, const double *wanted)
{
    if (p->plan == NULL) {
        planned_make(p);
    }
    planned_run(p);
    assert_int_equal(tensor_count(&p->out[i]), n);
    for (int k = 0; k < n; k++) {
        double got = tensor_get(&p->out[i], k);
        double bound = 1e-5 * fmax(1, fabs(wanted[k]));

        if (!(fabs(got - wanted[k]) <= bound) &&
            !(isnan(got) && isnan(wanted[k]))) {
            fail_msg("element %d is %.9g, wanted %.9g", k, got, wanted[k]);
        }
    }
}

void planned_fill(struct planned *p, size_t input, int n, const double *v)
{
    if (p->plan == NULL) {
        planned_make(p);
    }
    assert_int_equal(tensor_count(&p->in[input]), n);
    for (int k = 0; k < n; k++) {
        planned_put(&p->in[input], k, v[k]);
    }
}

void planned_once(const struct graph *graph, const struct tensor *in,
                  struct tensor *out)
{
    struct plan *plan = NULL;
    struct err err = {{0}};

    if (plan_make(graph, &plan, &err) < 0) {
        fail_msg("%s", err.text);
    }
    for (size_t i = 0; i < plan_n_outputs(plan); i++) {
        make_port(&out[i], plan_output(plan, i));
    }
    assert_int_equal(plan_run(plan, in, out), 0);
    plan_free(plan);
}
