#include "tests/lib/grad_check.h"

#include "base/mem.h"
#include "engine/plan.h"
#include "graph/infer.h"
#include "tests/lib/model.h"
#include "tests/lib/unit.h"

#include <math.h>
#include <string.h>

#define STEP 0.02       /* of a difference, to either side */
#define ROOM 0.06F      /* between values that must not change places */
#define ELEMENTS_MAX 10 /* looked at of each leaf */
#define BOUND 0.01      /* of the relative error */

void grad_check_init(struct grad_check *c, struct rng *rng)
{
    *c = (struct grad_check){.graph = graph_new("check"), .rng = rng};
    assert_non_null(c->graph);
}

void grad_check_deinit(struct grad_check *c)
{
    for (int i = 0; i < c->n_leaves; i++) {
        tensor_deinit(&c->data[i]);
    }
    graph_free(c->graph);
}

static float off_kinks(float x)
{
    static const float kinks[] = {0, 1, -1, 2.5F, 3, -3, -2.5F};

    for (size_t i = 0; i < sizeof(kinks) / sizeof(kinks[0]); i++) {
        if (fabsf(x - kinks[i]) < ROOM) {
            return kinks[i] + (x < kinks[i] ? -ROOM : ROOM);
        }
    }
    return x;
}

static void fill(struct grad_check *c, struct tensor *t, enum grad_fill how)
{
    size_t n = (size_t)tensor_count(t);
    float *x = t->data;

    for (size_t i = 0; i < n; i++) {
        x[i] = rng_normal(c->rng);
        if (how == GRAD_POSITIVE) {
            x[i] = 0.5F + fabsf(x[i]);
        } else if (how == GRAD_OFF) {
            x[i] = off_kinks(x[i] * 2);
        } else if (how == GRAD_DISTINCT) {
            x[i] = ROOM * ((float)i - (float)n / 2);
        }
    }
    for (size_t i = n; how == GRAD_DISTINCT && i > 1; i--) {
        size_t k = (size_t)rng_below(c->rng, i);
        float swap = x[i - 1];

        x[i - 1] = x[k];
        x[k] = swap;
    }
}

int grad_leaf(struct grad_check *c, enum grad_fill how, int param, int rank,
              const int64_t *dims)
{
    struct shape shape = shape_of(rank, dims);
    struct tensor *t = &c->data[c->n_leaves];
    int value;

    assert_true(c->n_leaves < GRAD_LEAVES);
    assert_int_equal(tensor_init(t, DTYPE_F32, &shape), 0);
    fill(c, t, how);
    param = param < 0 ? (int)rng_below(c->rng, 2) : param;
    if (param) {
        struct tensor copy = tensor_ref(t);

        value = graph_add_const(c->graph, NULL, &copy);
    } else {
        value = model_input(c->graph, NULL, DTYPE_F32, rank, dims);
    }
    assert_true(value >= 0);
    if (param) { /* what is varied must not be the graph's own bytes */
        struct tensor own = {0};

        assert_int_equal(tensor_copy(&own, DTYPE_F32, &shape, t->data), 0);
        tensor_deinit(t);
        *t = own;
    }
    c->is_param[c->n_leaves] = param;
    c->leaves[c->n_leaves++] = value;
    return value;
}

/* ---- running ------------------------------------------------------------ */

struct runner {
    struct plan *plan;
    struct grad_ports ports;
    struct tensor *in;
    struct tensor *out;
    size_t n_in;
    size_t n_out;
    size_t n_forward; /* outputs of the forward graph */
    size_t leaf_in[GRAD_LEAVES];
    size_t leaf_out[GRAD_LEAVES];
};

static void make_plan(struct runner *r, struct grad_check *c, const char *what)
{
    int params[GRAD_LEAVES];
    int inputs[GRAD_LEAVES];
    struct grad_loss loss = {.weight = 0.7F};
    struct grad_ask ask = {.params = params, .inputs = inputs};
    struct graph *graph = NULL;
    struct err err = {.text = ""};

    for (int i = 0; i < c->n_leaves; i++) {
        if (c->is_param[i]) {
            params[ask.n_params++] = c->leaves[i];
        } else {
            inputs[ask.n_inputs++] = c->leaves[i];
        }
    }
    if (c->classes > 0) {
        loss.scores = c->graph->outputs[0];
        ask.losses = &loss;
        ask.n_losses = 1;
    } else {
        ask.outputs = c->graph->outputs;
        ask.n_outputs = c->graph->n_outputs;
    }
    if (infer_graph(c->graph, &err) < 0 ||
        grad_make(c->graph, &ask, &graph, &r->ports, &err) < 0 ||
        graph_check(graph, &err) < 0 || plan_make(graph, &r->plan, &err) < 0) {
        fail_msg("%s: %s", what, err.text);
    }
    graph_free(graph);
    r->n_forward = c->graph->n_outputs;
}

/* Where each leaf comes in and its gradient goes out. */
static void find_ports(struct runner *r, const struct grad_check *c)
{
    size_t p = 0;
    size_t x = 0;

    for (int i = 0; i < c->n_leaves; i++) {
        if (c->is_param[i]) {
            r->leaf_in[i] = r->ports.params + p;
            r->leaf_out[i] = r->ports.param_grads + p++;
        } else {
            r->leaf_in[i] = x;
            r->leaf_out[i] = r->ports.input_grads + x++;
        }
    }
}

static void fill_other(struct tensor *t, struct grad_check *c)
{
    size_t n = (size_t)tensor_count(t);

    for (size_t i = 0; i < n && t->dtype == DTYPE_F32; i++) {
        ((float *)t->data)[i] = rng_normal(c->rng);
    }
    for (size_t i = 0; i < n && t->dtype == DTYPE_I64; i++) {
        uint64_t most = c->classes > 0 ? (uint64_t)c->classes : 1000000;

        ((int64_t *)t->data)[i] = (int64_t)rng_below(c->rng, most);
    }
}

static void make_tensors(struct runner *r, struct grad_check *c)
{
    r->n_in = plan_n_inputs(r->plan);
    r->n_out = plan_n_outputs(r->plan);
    r->in = mem_array(struct tensor, r->n_in);
    r->out = mem_array(struct tensor, r->n_out);
    assert_non_null(r->in);
    assert_non_null(r->out);
    find_ports(r, c);
    for (size_t i = 0; i < r->n_in; i++) {
        const struct plan_port *port = plan_input(r->plan, i);

        assert_int_equal(tensor_init(&r->in[i], port->dtype, &port->shape), 0);
        fill_other(&r->in[i], c);
    }
    for (int i = 0; i < c->n_leaves; i++) {
        memcpy(r->in[r->leaf_in[i]].data, c->data[i].data,
               tensor_bytes(&c->data[i]));
    }
    for (size_t i = 0; i < r->n_out; i++) {
        const struct plan_port *port = plan_output(r->plan, i);

        assert_int_equal(tensor_init(&r->out[i], port->dtype, &port->shape), 0);
    }
}

/* The number whose gradients are wanted. */
static double run(struct runner *r, const struct grad_check *c)
{
    double sum = 0;

    assert_int_equal(plan_run(r->plan, r->in, r->out), 0);
    if (c->classes > 0) {
        return 0.7 * tensor_get(&r->out[r->ports.losses], 0);
    }
    for (size_t k = 0; k < r->n_forward; k++) {
        const struct tensor *dy = &r->in[r->ports.outputs + k];

        for (int64_t i = 0; i < tensor_count(dy); i++) {
            sum += tensor_get(dy, i) * tensor_get(&r->out[k], i);
        }
    }
    return sum;
}

/* ---- the check ---------------------------------------------------------- */

static double size_of(const struct tensor *t)
{
    double sum = 0;

    for (int64_t i = 0; i < tensor_count(t); i++) {
        sum += tensor_get(t, i) * tensor_get(t, i);
    }
    return sqrt(sum / (double)(tensor_count(t) > 0 ? tensor_count(t) : 1));
}

/* Slopes to both sides. At a kink (Relu, a maximum) they differ, and any slope
 * between them is a gradient. */
struct slopes {
    double below;
    double above;
};

static struct slopes slopes_at(struct runner *r, const struct grad_check *c,
                               float *x)
{
    float was = *x;
    float above = was + (float)STEP;
    float below = was - (float)STEP;
    double here = run(r, c);
    struct slopes s;

    *x = above;
    s.above = (run(r, c) - here) / ((double)above - (double)was);
    *x = below;
    s.below = (here - run(r, c)) / ((double)was - (double)below);
    *x = was;
    return s;
}

static void check_element(struct runner *r, const struct grad_check *c,
                          int leaf, size_t at, const struct tensor *grad,
                          const char *what, uint64_t seed)
{
    float *x = (float *)r->in[r->leaf_in[leaf]].data + at;
    struct slopes s = slopes_at(r, c, x);
    double got = tensor_get(grad, (int64_t)at);
    double wanted = (s.below + s.above) / 2;
    double bound = BOUND * (fabs(wanted) + size_of(grad)) + 1e-3;

    if (fabs(got - wanted) <= bound) {
        return;
    }
    if (!(got >= fmin(s.below, s.above) - bound &&
          got <= fmax(s.below, s.above) + bound)) {
        fail_msg("%s, seed %llu: leaf %d, element %zu: gradient %g, by "
                 "differences %g below and %g above",
                 what, (unsigned long long)seed, leaf, at, got, s.below,
                 s.above);
    }
}

void grad_check_run(struct grad_check *c, const char *what, uint64_t seed)
{
    struct runner r = {0};

    make_plan(&r, c, what);
    make_tensors(&r, c);
    (void)run(&r, c);
    for (int i = 0; i < c->n_leaves; i++) {
        struct tensor grad = {0};
        const struct tensor *from = &r.out[r.leaf_out[i]];
        size_t n = (size_t)tensor_count(from);

        assert_true(shape_equal(&from->shape, &c->data[i].shape));
        /* Later runs write over it. */
        assert_int_equal(
            tensor_copy(&grad, DTYPE_F32, &from->shape, from->data), 0);
        for (size_t k = 0; k < n && k < ELEMENTS_MAX; k++) {
            size_t at = n <= ELEMENTS_MAX ? k : (size_t)rng_below(c->rng, n);

            check_element(&r, c, i, at, &grad, what, seed);
        }
        tensor_deinit(&grad);
        (void)run(&r, c);
    }
    for (size_t i = 0; i < r.n_in; i++) {
        tensor_deinit(&r.in[i]);
    }
    for (size_t i = 0; i < r.n_out; i++) {
        tensor_deinit(&r.out[i]);
    }
    mem_free(r.in);
    mem_free(r.out);
    mem_free(r.ports.statistics);
    plan_free(r.plan);
}
