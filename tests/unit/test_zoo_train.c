/* Every architecture of the zoo can be trained from what `model new` writes:
 * twenty steps on a few random pictures with fixed labels lower the loss. */
#include "base/mem.h"
#include "base/rng.h"
#include "engine/plan.h"
#include "graph/grad.h"
#include "graph/infer.h"
#include "onnx/zoo.h"
#include "tests/lib/unit.h"
#include "train/optim.h"

#include <math.h>
#include <string.h>

#define STEPS 20
#define BATCH 8

struct run {
    const struct zoo_entry *entry;
    struct graph *g;
    struct params params;
    struct optim optim;
    struct plan *plan;
    struct grad_ports ports;
    struct tensor *in;
    struct tensor *out;
};

static void make_graph(struct run *r, int64_t batch)
{
    struct zoo_options options = {.seed = 1, .form = r->entry->form};
    struct err err = {.text = ""};

    if (r->entry->input[1] >= 32) {
        options.width = 0.125;
        options.classes = 4;
    }
    if (r->entry->input[1] == 224) { /* quicker, and the same layers */
        memcpy(options.input, (int64_t[]){3, 32, 32}, sizeof(options.input));
    }
    if (zoo_make(r->entry->name, &options, &r->g, &err) < 0 ||
        infer_bind_batch(r->g, batch, &err) < 0 ||
        infer_graph(r->g, &err) < 0) {
        fail_msg("%s", err.text);
    }
}

static void make_plan(struct run *r)
{
    struct grad_loss loss = {.scores = r->g->outputs[0], .weight = 1};
    struct grad_ask ask = {.losses = &loss, .n_losses = 1};
    struct graph *training = NULL;
    struct err err = {.text = ""};
    int *list = NULL;

    assert_int_equal(params_list(r->g, &list, &ask.n_params), 0);
    ask.params = list;
    if (params_init(&r->params, r->g, list, ask.n_params, &err) < 0 ||
        grad_make(r->g, &ask, &training, &r->ports, &err) < 0 ||
        plan_make(training, &r->plan, &err) < 0) {
        fail_msg("%s, %s: %s", r->entry->name, r->entry->form, err.text);
    }
    /* All that the list of the zoo counts is trained, and nothing else. */
    assert_int_equal(r->params.n, zoo_parameters(r->g));
    mem_free(list);
    graph_free(training);
}

static void make_ports(struct run *r)
{
    size_t n_in = plan_n_inputs(r->plan);
    size_t n_out = plan_n_outputs(r->plan);

    r->in = test_calloc(n_in, sizeof(*r->in));
    r->out = test_calloc(n_out, sizeof(*r->out));
    for (size_t i = 0; i < n_in; i++) {
        const struct plan_port *port = plan_input(r->plan, i);

        if (i >= r->ports.params && i < r->ports.labels) {
            r->in[i] = params_value(&r->params, i - r->ports.params);
        } else {
            assert_int_equal(tensor_init(&r->in[i], port->dtype, &port->shape),
                             0);
        }
    }
    for (size_t i = 0; i < n_out; i++) {
        const struct plan_port *port = plan_output(r->plan, i);

        if (i >= r->ports.param_grads && i < r->ports.input_grads) {
            r->out[i] = params_grad(&r->params, i - r->ports.param_grads);
        } else {
            assert_int_equal(tensor_init(&r->out[i], port->dtype, &port->shape),
                             0);
        }
    }
}

/* Caffe's cifar10_quick reads levels of 0..255 less their mean. Of several
 * views the last input says that all of them are there. */
static void fill_input(struct run *r)
{
    bool is_raw = strcmp(r->entry->name, "cifar10_quick") == 0;
    int64_t *labels = r->in[r->ports.labels].data;
    struct rng rng;

    rng_init(&rng, 5);
    for (size_t k = 0; k < r->ports.params; k++) {
        bool is_present = k > 0 && k + 1 == r->ports.params;
        float *x = r->in[k].data;

        for (int64_t i = 0; i < tensor_count(&r->in[k]); i++) {
            x[i] = is_present ? 1 : rng_normal(&rng) * (is_raw ? 60.0F : 1.0F);
        }
    }
    for (int64_t i = 0; i < BATCH; i++) {
        labels[i] = i % 2;
    }
}

/* Other elements are dropped in each step. */
static double step(struct run *r, int at, double rate)
{
    int64_t *seeds = r->ports.has_seeds ? r->in[r->ports.seeds].data : NULL;

    for (int64_t i = 0; seeds != NULL && i < BATCH; i++) {
        seeds[i] = at * BATCH + i;
    }
    assert_int_equal(plan_run(r->plan, r->in, r->out), 0);
    assert_true(optim_step(&r->optim, &r->params, rate,
                           optim_square(r->params.grads, r->params.n)));
    return tensor_get(&r->out[r->ports.losses], 0);
}

static void end(struct run *r)
{
    for (size_t i = 0; i < plan_n_inputs(r->plan); i++) {
        tensor_deinit(&r->in[i]);
    }
    for (size_t i = 0; i < plan_n_outputs(r->plan); i++) {
        tensor_deinit(&r->out[i]);
    }
    test_free(r->in);
    test_free(r->out);
    plan_free(r->plan);
    optim_deinit(&r->optim);
    params_deinit(&r->params);
    mem_free(r->ports.statistics);
    graph_free(r->g);
}

/* The mean of the last losses against that of the first: with dropout single
 * ones jump. */
static void train(const struct zoo_entry *entry)
{
    struct run r = {.entry = entry};
    struct optim_rule rule = optim_rule_of(OPTIM_SGD);
    double rate = strcmp(entry->name, "cifar10_quick") == 0 ? 0.005
                  : strcmp(entry->form, "binary") == 0 ? 0.05 /* signs turn */
                                                       : 0.003;
    double first = 0;
    double last = 0;

    rule.momentum = 0.9F;
    make_graph(&r, BATCH);
    make_plan(&r);
    make_ports(&r);
    fill_input(&r);
    assert_int_equal(optim_init(&r.optim, &rule, r.params.n), 0);
    for (int i = 0; i < STEPS; i++) {
        double loss = step(&r, i, rate);

        first += i < 3 ? loss / 3 : 0;
        last += i >= STEPS - 3 ? loss / 3 : 0;
    }
    if (!(last < 0.95 * first)) {
        fail_msg("%s, %s: loss %g, then %g", entry->name, entry->form, first,
                 last);
    }
    print_message("%s, %s: loss %g, then %g\n", entry->name, entry->form, first,
                  last);
    end(&r);
}

static void all_of_them_learn(void **state)
{
    struct zoo_entry e;

    (void)state;
    SKIP_EMULATED("twenty steps of each take minutes");
    for (size_t i = 0; zoo_list(i, &e); i++) {
        train(&e);
    }
}

/* All 256 words of 8 bits, as -1 and 1; the label is their parity. */
static void fill_words(struct run *r)
{
    float *x = r->in[0].data;
    int64_t *labels = r->in[r->ports.labels].data;

    for (int i = 0; i < 256; i++) {
        labels[i] = __builtin_popcount((unsigned)i) % 2;
        for (int k = 0; k < 8; k++) {
            x[8 * i + k] = (i >> k & 1) != 0 ? 1.0F : -1.0F;
        }
    }
}

static int right_ones(const struct run *r)
{
    const float *scores = r->out[0].data;
    int right = 0;

    for (int i = 0; i < 256; i++) {
        int answer = scores[2 * i + 1] > scores[2 * i];

        right += answer == __builtin_popcount((unsigned)i) % 2;
    }
    return right;
}

static void parity_is_learnt(void **state)
{
    struct zoo_entry e = {.name = "parity", .form = "numbers"};
    struct run r = {.entry = &e};
    struct optim_rule rule = optim_rule_of(OPTIM_SGD);
    int steps = 0;

    (void)state;
    rule.momentum = 0.9F;
    make_graph(&r, 256);
    make_plan(&r);
    make_ports(&r);
    fill_words(&r);
    assert_int_equal(optim_init(&r.optim, &rule, r.params.n), 0);
    do {
        assert_int_equal(plan_run(r.plan, r.in, r.out), 0);
        assert_true(optim_step(&r.optim, &r.params, 1,
                               optim_square(r.params.grads, r.params.n)));
    } while (right_ones(&r) < 256 && ++steps < 5000);
    print_message("256 of 256 after %d steps\n", steps);
    assert_true(steps < 5000);
    end(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_of_them_learn),
        cmocka_unit_test(parity_is_learnt),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
