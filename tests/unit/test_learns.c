/* Parity learnt from nothing, by the whole of it: parameters picked and laid
 * flat, the training graph planned over them, the optimizer, and the weights
 * put back into the model, which then answers. */
#include "base/mem.h"
#include "base/rng.h"
#include "engine/plan.h"
#include "graph/grad.h"
#include "graph/infer.h"
#include "tests/lib/model.h"
#include "tests/lib/run_graph.h"
#include "tests/lib/unit.h"
#include "train/optim.h"

#include <math.h>

#define BITS_MAX 6
#define SAMPLES_MAX (1 << BITS_MAX)

struct parity {
    int bits;
    int samples;
    struct graph *model;
    struct params params;
    struct plan *plan;
    struct grad_ports ports;
    float x[SAMPLES_MAX * BITS_MAX];
    int64_t labels[SAMPLES_MAX];
};

static int weights(struct graph *g, struct rng *rng, const char *name,
                   int64_t ins, int64_t outs)
{
    int v = model_const(g, name, DTYPE_F32, DIMS(ins, outs));
    float *w = g->values[v].data.data;

    for (int64_t i = 0; i < ins * outs; i++) {
        w[i] = rng_normal(rng) / sqrtf((float)ins) * 1.5F;
    }
    return v;
}

/* Two layers; `x - 0.5` has a constant that is no parameter. */
static int build(struct parity *p, int64_t hidden)
{
    struct graph *g = p->model;
    struct rng rng;
    int x;
    int y;

    rng_init(&rng, 11);
    x = model_input(g, "x", DTYPE_F32, DIMS(p->samples, p->bits));
    y = model_op(g, OP_SUB, "centred",
                 IN(x, model_f32(g, "half", 0.5F, 0, DIMS(p->bits))));
    y = model_op(g, OP_GEMM, "hidden",
                 IN(y, weights(g, &rng, "w1", p->bits, hidden),
                    model_const(g, "b1", DTYPE_F32, DIMS(hidden))));
    y = model_op(g, OP_TANH, "tanh", IN(y));
    y = model_op(g, OP_GEMM, "scores",
                 IN(y, weights(g, &rng, "w2", hidden, 2),
                    model_const(g, "b2", DTYPE_F32, DIMS(2))));
    model_output(g, y);
    return y;
}

static void make(struct parity *p, int bits, int64_t hidden)
{
    struct grad_loss loss = {.weight = 1};
    struct grad_ask ask = {.losses = &loss, .n_losses = 1};
    struct graph *training = NULL;
    struct err err = {.text = ""};
    int *values = NULL;

    *p = (struct parity){.bits = bits, .samples = 1 << bits};
    p->model = graph_new("parity");
    loss.scores = build(p, hidden);
    for (int i = 0; i < p->samples; i++) {
        p->labels[i] = __builtin_popcount((unsigned)i) % 2;
        for (int k = 0; k < bits; k++) {
            p->x[i * bits + k] = (float)((i >> k) & 1);
        }
    }
    assert_int_equal(params_list(p->model, &values, &ask.n_params), 0);
    assert_int_equal(ask.n_params, 4);
    ask.params = values;
    if (infer_graph(p->model, &err) < 0 ||
        params_init(&p->params, p->model, values, ask.n_params, &err) < 0 ||
        grad_make(p->model, &ask, &training, &p->ports, &err) < 0 ||
        plan_make(training, &p->plan, &err) < 0) {
        fail_msg("%s", err.text);
    }
    graph_free(training);
    mem_free(values);
}

static void end(struct parity *p)
{
    plan_free(p->plan);
    params_deinit(&p->params);
    mem_free(p->ports.statistics);
    graph_free(p->model);
}

static struct tensor view(enum dtype dtype, int64_t n, int64_t m, void *data)
{
    struct tensor t = {.dtype = dtype, .data = data};

    t.shape = shape_of(m > 0 ? 2 : 1, (const int64_t[]){n, m});
    return t;
}

/* The loss; the gradients are where the optimizer finds them. */
static float step(struct parity *p, float *scores)
{
    struct tensor in[6];
    struct tensor out[6];
    float loss;

    in[0] = view(DTYPE_F32, p->samples, p->bits, p->x);
    in[p->ports.labels] = view(DTYPE_I64, p->samples, 0, p->labels);
    out[0] = view(DTYPE_F32, p->samples, 2, scores);
    out[p->ports.losses] = (struct tensor){.dtype = DTYPE_F32, .data = &loss};
    for (size_t i = 0; i < p->params.n_items; i++) {
        in[p->ports.params + i] = params_value(&p->params, i);
        out[p->ports.param_grads + i] = params_grad(&p->params, i);
    }
    assert_int_equal(plan_run(p->plan, in, out), 0);
    return loss;
}

static int count_right(const struct parity *p, const float *scores)
{
    int right = 0;

    for (int i = 0; i < p->samples; i++) {
        right += (scores[2 * i + 1] > scores[2 * i]) == (p->labels[i] == 1);
    }
    return right;
}

/* What the model itself answers with the weights that were learnt. */
static int answers_right(struct parity *p)
{
    struct tensor x = view(DTYPE_F32, p->samples, p->bits, p->x);
    struct tensor y = {0};
    struct err err = {.text = ""};
    int right;

    assert_int_equal(params_store(&p->params, p->model, &err), 0);
    run_graph(p->model, &x, &y);
    right = count_right(p, y.data);
    tensor_deinit(&y);
    return right;
}

static void learn(int bits, int64_t hidden, const struct optim_rule *rule,
                  double rate, int steps)
{
    struct parity p;
    struct optim o;
    float scores[2 * SAMPLES_MAX];
    float first;
    float loss = 0;

    make(&p, bits, hidden);
    assert_int_equal(optim_init(&o, rule, p.params.n), 0);
    first = step(&p, scores);
    assert_true(answers_right(&p) < p.samples);
    for (int i = 0; i < steps; i++) {
        loss = step(&p, scores);
        assert_true(optim_step(&o, &p.params, rate,
                               optim_square(p.params.grads, p.params.n)));
    }
    assert_true(loss < first / 10);
    assert_int_equal(answers_right(&p), p.samples);
    optim_deinit(&o);
    end(&p);
}

static void test_xor_by_sgd(void **state)
{
    struct optim_rule rule = optim_rule_of(OPTIM_SGD);

    (void)state;
    rule.momentum = 0.9F;
    learn(2, 8, &rule, 0.1, 300);
}

static void test_parity_by_adam(void **state)
{
    struct optim_rule rule = optim_rule_of(OPTIM_ADAM);

    (void)state;
    learn(BITS_MAX, 48, &rule, 0.02, 600);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_xor_by_sgd),
        cmocka_unit_test(test_parity_by_adam),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
