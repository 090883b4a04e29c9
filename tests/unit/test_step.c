/* Training steps of shards: cut and whole, by micro-batches and at once, with
 * what is stored and what is computed again. */
#include "base/mem.h"
#include "graph/infer.h"
#include "tests/lib/heap.h"
#include "tests/lib/model.h"
#include "tests/lib/pipe.h"
#include "tests/lib/unit.h"

#include <math.h>
#include <string.h>

#define STEPS 20
#define RATE 0.05
#define BATCH 16

static struct graph *train(const struct pipe_ask *ask, bool with_norm)
{
    struct graph *model = pipe_model(with_norm);
    struct graph *result;
    struct pipe p;
    double first = 0;

    pipe_init(&p, model, ask);
    for (int i = 0; i < STEPS; i++) {
        assert_true(pipe_step(&p, i % 2, RATE, false));
        first = i == 0 ? p.loss : first;
    }
    assert_true(p.loss < first); /* it learns */
    result = pipe_result(&p);
    pipe_deinit(&p);
    graph_free(model);
    return result;
}

/* The relative difference in norm of the constant that differs most. */
static double difference(const struct graph *a, const struct graph *b)
{
    double worst = 0;

    for (size_t v = 0; v < a->n_values; v++) {
        const struct tensor *x = &a->values[v].data;
        double square = 0;
        double apart = 0;
        const struct tensor *y;

        if (x->blob == NULL || x->dtype != DTYPE_F32) {
            continue;
        }
        y = &model_value(b, a->values[v].name)->data;
        for (int64_t i = 0; i < tensor_count(x); i++) {
            double d = tensor_get(x, i) - tensor_get(y, i);

            apart += d * d;
            square += tensor_get(x, i) * tensor_get(x, i);
        }
        worst = fmax(worst, square > 0 ? sqrt(apart / square) : apart);
    }
    return worst;
}

static void assert_near(const struct graph *a, const struct graph *b,
                        double bound, const char *what, size_t k, size_t m)
{
    double d = difference(a, b);

    if (!(d <= bound)) {
        fail_msg("%s, %zu shards, %zu micro-batches: %g apart", what, k, m, d);
    }
}

static void test_cuts_change_nothing(void **state)
{
    (void)state;
    for (size_t m = 1; m <= 8; m *= 2) {
        struct pipe_ask ask = {.shards = 1, .batch = BATCH, .micro = m};
        struct graph *whole = train(&ask, true);

        for (size_t k = 2; k <= PIPE_SHARDS; k++) {
            struct graph *cut;

            ask.shards = k;
            ask.all_first = k % 2 == 0; /* like gpipe, and one by one */
            cut = train(&ask, true);
            assert_near(whole, cut, 1e-6, "cut", k, m);
            graph_free(cut);
        }
        graph_free(whole);
    }
}

static void test_recomputing_changes_no_bit(void **state)
{
    (void)state;
    for (size_t k = 1; k <= 3; k += 2) {
        struct pipe_ask ask = {.shards = k,
                               .batch = BATCH,
                               .micro = 4,
                               .all_first = true,
                               .adam = k == 3};
        struct graph *stored = train(&ask, true);
        struct graph *again;

        ask.recompute = true;
        again = train(&ask, true);
        assert_near(stored, again, 0, "recompute", k, 4);
        graph_free(stored);
        graph_free(again);
    }
}

/* And what a leg makes final, the legs behind it leave as it is. */
static void test_legs_change_no_bit(void **state)
{
    (void)state;
    for (size_t k = 1; k <= 3; k++) {
        struct pipe_ask ask = {.shards = k,
                               .batch = BATCH,
                               .micro = k,
                               .all_first = k == 2,
                               .recompute = k == 3,
                               .frozen = k == 2 ? "conv1*" : NULL};
        struct graph *at_once = train(&ask, true);
        struct graph *by_legs;

        ask.legs = true;
        by_legs = train(&ask, true);
        assert_near(at_once, by_legs, 0, "legs", k, k);
        graph_free(at_once);
        graph_free(by_legs);
    }
}

/* Most of the parameters are final before the last leg, those of the last
 * layer first. */
static void test_gradients_are_final_early(void **state)
{
    const struct pipe_ask ask = {.shards = 1, .batch = BATCH, .micro = 1};
    struct graph *model = pipe_model(true);
    const struct step_legs *legs;
    const struct params *params;
    size_t early = 0;
    struct pipe p;

    (void)state;
    pipe_init(&p, model, &ask);
    assert_null(step_legs(p.steps[0], 0));
    pipe_forward(&p, 0);
    legs = step_legs(p.steps[0], 0);
    params = step_params(p.steps[0]);
    assert_true(legs->n > 2 && legs->n <= STEP_LEGS);
    for (size_t i = 0; i + 1 < legs->n; i++) {
        for (size_t k = 0; k < legs->legs[i].n_params; k++) {
            early += params->items[legs->legs[i].params[k]].count;
        }
    }
    assert_true(2 * early > params->n);
    pipe_deinit(&p);
    graph_free(model);
}

/* Without statistics of batches, and with sizes that differ: the last of five
 * micro-batches of 13 samples has one. */
static void test_micro_batches_are_one_batch(void **state)
{
    struct pipe_ask ask = {.shards = 1, .batch = 13, .micro = 1};
    struct graph *whole = train(&ask, false);
    struct graph *parts;

    (void)state;
    ask.micro = 5;
    ask.shards = 2;
    parts = train(&ask, false);
    assert_near(whole, parts, 1e-5, "micro-batches", 2, 5);
    graph_free(whole);
    graph_free(parts);
}

/* ---- running statistics ----------------------------------------------------
 */

#define CHANNELS 2
#define PLANE 9

/* The input itself is normalised, so what must come out is known. */
static struct graph *normed_input(void)
{
    struct graph *g = graph_new("normed");
    int x = model_input(g, "x", DTYPE_F32, DIMS(1, CHANNELS, 3, 3));
    int ones = model_f32(g, NULL, 1, 0, DIMS(CHANNELS));
    int mean = model_f32(g, "mean", 0.5F, 0, DIMS(CHANNELS));
    int var = model_f32(g, "variance", 2, 0, DIMS(CHANNELS));

    x = model_op(
        g, OP_BATCH_NORM, NULL,
        IN(x, ones, model_f32(g, NULL, 0, 0, DIMS(CHANNELS)), mean, var));
    model_set_float(g, "momentum", 0.7F);
    x = model_op(g, OP_FLATTEN, NULL, IN(x));
    x = model_op(
        g, OP_GEMM, "scores",
        IN(x, model_f32(g, NULL, -0.1F, 0.01F, DIMS(CHANNELS * PLANE, 2))));
    model_output(g, x);
    assert_int_equal(infer_graph(g, NULL), 0);
    return g;
}

static void run_micro(struct train_step *step, int64_t n, const float *x)
{
    const struct shape in = {4, {n, CHANNELS, 3, 3}};
    const struct shape out = {2, {n, 2}};
    const struct shape one = {1, {n}};
    int64_t zeros[8] = {0};
    float scores[16];
    float loss = 0;
    struct tensor input = {DTYPE_F32, in, (void *)x, NULL};
    struct tensor label = {DTYPE_I64, one, zeros, NULL};
    struct tensor output = {DTYPE_F32, out, scores, NULL};
    const struct step_data data = {
        .inputs = &input, .labels = &label, .outputs = &output};

    assert_int_equal(step_forward(step, 0, &data, &loss, NULL), 0);
    assert_int_equal(step_backward(step, 0, NULL, NULL, NULL), 0);
}

static void assert_follows(const struct graph *g, const char *name, size_t c,
                           double was, double seen)
{
    double got = tensor_get(&model_value(g, name)->data, (int64_t)c);
    double wanted = 0.7 * was + 0.3 * seen;

    if (!(fabs(got - wanted) < 1e-5)) {
        fail_msg("%s of channel %zu: %g, wanted %g", name, c, got, wanted);
    }
}

/* torch.nn.BatchNorm2d(momentum=0.3) on all samples at once. */
static void test_running_statistics(void **state)
{
    const struct step_loss loss = {"scores", 1};
    struct step_ask ask = {.batch = 4,
                           .slots = 1,
                           .losses = &loss,
                           .n_losses = 1,
                           .rule = optim_rule_of(OPTIM_SGD)};
    struct graph *g = normed_input();
    struct train_step *step = NULL;
    float x[6 * CHANNELS * PLANE];

    (void)state;
    for (size_t i = 0; i < sizeof(x) / sizeof(x[0]); i++) {
        x[i] = 3 + sinf((float)(i * i));
    }
    assert_int_equal(step_new(g, &ask, &step, NULL), 0);
    run_micro(step, 4, x);
    run_micro(step, 2, x + 4 * CHANNELS * PLANE);
    step_end(step, step_samples(step));
    assert_true(step_apply(step, 0.1, step_square(step)));
    assert_int_equal(step_store(step, g, NULL), 0);
    for (size_t c = 0; c < CHANNELS; c++) {
        double sum = 0;
        double spread = 0;

        for (size_t i = 0; i < 6 * PLANE; i++) {
            sum += (double)x[(i / PLANE * CHANNELS + c) * PLANE + i % PLANE];
        }
        sum /= 6 * PLANE;
        for (size_t i = 0; i < 6 * PLANE; i++) {
            double d =
                (double)x[(i / PLANE * CHANNELS + c) * PLANE + i % PLANE] - sum;

            spread += d * d;
        }
        assert_follows(g, "mean", c, 0.5, sum);
        assert_follows(g, "variance", c, 2, spread / (6 * PLANE - 1));
    }
    step_free(step);
    graph_free(g);
}

/* ---- faults ---------------------------------------------------------------
 */

static void test_no_number_skips_the_step(void **state)
{
    struct pipe_ask ask = {
        .shards = 3, .batch = BATCH, .micro = 2, .clip_norm = 0.5F};
    struct graph *model = pipe_model(true);
    struct graph *before;
    struct graph *after;
    struct pipe p;

    (void)state;
    pipe_init(&p, model, &ask);
    assert_true(pipe_step(&p, 0, RATE, false));
    before = pipe_result(&p);
    assert_false(pipe_step(&p, 1, RATE, true));
    after = pipe_result(&p);
    assert_near(before, after, 0, "skipped", 3, 2);
    for (size_t k = 0; k < 3; k++) {
        struct step_state s;

        step_state(p.steps[k], &s);
        assert_int_equal(*s.skipped, 1);
        assert_int_equal(*s.steps, 1);
    }
    assert_true(pipe_step(&p, 1, RATE, false));
    graph_free(after);
    after = pipe_result(&p);
    assert_true(difference(before, after) > 1e-4);
    graph_free(before);
    graph_free(after);
    pipe_deinit(&p);
    graph_free(model);
}

static void test_clipping_is_of_all_shards(void **state)
{
    struct pipe_ask ask = {
        .shards = 1, .batch = BATCH, .micro = 2, .clip_norm = 0.1F};
    struct graph *whole = train(&ask, true);
    struct graph *cut;
    struct graph *loose;

    (void)state;
    ask.shards = 4;
    cut = train(&ask, true);
    ask.clip_norm = 0;
    loose = train(&ask, true);
    assert_near(whole, cut, 1e-6, "clipped", 4, 2);
    assert_true(difference(whole, loose) > 1e-3);
    graph_free(whole);
    graph_free(cut);
    graph_free(loose);
}

static void test_frozen_parameters_stay(void **state)
{
    struct pipe_ask ask = {
        .shards = 2, .batch = BATCH, .micro = 2, .frozen = "conv*"};
    struct graph *model = pipe_model(true);
    struct graph *result = train(&ask, true);
    size_t frozen = 0;

    (void)state;
    for (size_t v = 0; v < model->n_values; v++) {
        const struct value *was = &model->values[v];
        const struct tensor *is = &model_value(result, was->name)->data;

        if (was->data.blob != NULL && strncmp(was->name, "conv", 4) == 0) {
            frozen++;
            assert_memory_equal(was->data.data, is->data, tensor_bytes(is));
        }
    }
    assert_int_equal(frozen, 10);
    assert_true(difference(model, result) > 0.01);
    graph_free(result);
    graph_free(model);
}

/* ---- checkpoints ----------------------------------------------------------
 */

static void copy_state(struct train_step *from, struct train_step *to)
{
    struct step_state a;
    struct step_state b;

    step_state(from, &a);
    step_state(to, &b);
    for (int i = 0; i < STEP_STATE; i++) {
        assert_int_equal(a.arrays[i].n, b.arrays[i].n);
        assert_string_equal(a.arrays[i].name, b.arrays[i].name);
        if (a.arrays[i].n > 0) {
            memcpy(b.arrays[i].values, a.arrays[i].values,
                   a.arrays[i].n * sizeof(float));
        }
    }
    *b.steps = *a.steps;
    *b.skipped = *a.skipped;
}

static void go_on(bool adam)
{
    struct pipe_ask ask = {.shards = 2, .batch = 8, .micro = 2, .adam = adam};
    struct graph *model = pipe_model(true);
    struct graph *straight;
    struct graph *resumed;
    struct pipe p;
    struct pipe q;

    pipe_init(&p, model, &ask);
    pipe_init(&q, model, &ask);
    for (int i = 0; i < 3; i++) {
        assert_true(pipe_step(&p, i, RATE, false));
    }
    for (size_t k = 0; k < ask.shards; k++) {
        copy_state(p.steps[k], q.steps[k]);
    }
    for (int i = 3; i < 6; i++) {
        assert_true(pipe_step(&p, i, RATE, false));
        assert_true(pipe_step(&q, i, RATE, false));
    }
    straight = pipe_result(&p);
    resumed = pipe_result(&q);
    assert_near(straight, resumed, 0, "resumed", 2, 2);
    graph_free(straight);
    graph_free(resumed);
    pipe_deinit(&p);
    pipe_deinit(&q);
    graph_free(model);
}

static void test_state_goes_on(void **state)
{
    (void)state;
    go_on(false);
    go_on(true);
}

/* ---- errors ---------------------------------------------------------------
 */

static int make_once(void *arg)
{
    const struct step_loss loss = {"scores", 1};
    struct step_ask ask = {.batch = 4,
                           .slots = 2,
                           .losses = &loss,
                           .n_losses = 1,
                           .rule = optim_rule_of(OPTIM_ADAM)};
    struct train_step *step = NULL;
    int rc = step_new(arg, &ask, &step, NULL);

    step_free(step);
    return rc;
}

static void test_no_memory(void **state)
{
    struct graph *model = pipe_model(true);

    (void)state;
    assert_true(heap_each(make_once, model) > 100);
    graph_free(model);
}

static void refused(struct graph *model, struct step_ask *ask, int rc,
                    const char *text)
{
    struct err err = {.text = ""};
    struct train_step *step = NULL;

    assert_int_equal(step_new(model, ask, &step, &err), rc);
    assert_non_null(strstr(err.text, text));
}

static void test_what_is_refused(void **state)
{
    struct step_loss loss = {"scores", 1};
    struct step_ask ask = {.batch = 4,
                           .slots = 1,
                           .losses = &loss,
                           .n_losses = 1,
                           .rule = optim_rule_of(OPTIM_SGD)};
    struct graph *model = pipe_model(true);
    struct train_step *step = NULL;
    struct err err = {.text = ""};

    (void)state;
    ask.slots = 0;
    refused(model, &ask, EDGE_EINVAL, "0 micro-batches");
    ask.slots = STEP_SLOTS + 1;
    refused(model, &ask, EDGE_EINVAL, "micro-batches");
    ask.slots = 1;
    loss.scores = "nowhere";
    refused(model, &ask, EDGE_EINVAL, "\"nowhere\"");
    loss.scores = "scores";
    assert_int_equal(step_new(model, &ask, &step, &err), 0);
    assert_int_equal(step_prepare(step, 5, &err), EDGE_EINVAL);
    assert_non_null(strstr(err.text, "1 to 4"));
    assert_int_equal(step_backward(step, 0, NULL, NULL, &err), EDGE_EINVAL);
    step_free(step);
    graph_free(model);
}

/* What may be under way at once has a bound, and sizes come and go. */
static void test_sizes_come_and_go(void **state)
{
    struct pipe_ask ask = {.shards = 1, .micro = 1, .batch = 9};
    struct graph *model = pipe_model(true);
    struct pipe p;

    (void)state;
    pipe_init(&p, model, &ask);
    for (int64_t n = 9; n >= 1; n--) {
        assert_int_equal(step_prepare(p.steps[0], n, NULL), 0);
        assert_non_null(step_output(p.steps[0], n, 0));
    }
    assert_null(step_output(p.steps[0], 9, 0));
    assert_true(pipe_step(&p, 0, RATE, false));
    pipe_deinit(&p);
    graph_free(model);
}

/* ---- binary layers --------------------------------------------------------
 */

static struct graph *binary_model(void)
{
    struct graph *g = graph_new("binary");
    int x = model_input(g, "x", DTYPE_F32, 2, (const int64_t[]){-1, 2});
    int w = model_f32(g, "w", -1, 0.75F, DIMS(2, 2)); /* -1 -.25 .5 1.25 */
    int signs = model_op(g, OP_SIGN, "signs", IN(w));
    int scores = model_op(g, OP_GEMM, "scores", IN(x, signs));

    model_set_int(g, "transB", 1);
    model_output(g, scores);
    assert_int_equal(infer_bind_batch(g, 1, NULL), 0);
    assert_int_equal(infer_graph(g, NULL), 0);
    return g;
}

/* Signs are what is computed with, numbers what learns: each by the gradient
 * of its sign, unless it is beyond 1, where it learns nothing and is held. */
static void test_signs_learn_straight_through(void **state)
{
    struct step_loss loss = {"scores", 1};
    struct step_ask ask = {.batch = 1,
                           .slots = 1,
                           .losses = &loss,
                           .n_losses = 1,
                           .rule = optim_rule_of(OPTIM_SGD)};
    float in[2] = {0.5F, 0.25F};
    int64_t label[1] = {1};
    float out[2];
    float mean;
    /* Scores -.75 and .75; p1 = 1 / (1 + e^-1.5), so the gradient of scores is
     * 1 - p1 and p1 - 1. */
    const float g = 1 - 0.817574476F;
    const float wanted[4] = {-1, -0.25F - 0.25F * g, 0.5F + 0.5F * g, 1};
    const struct tensor x = {
        .dtype = DTYPE_F32, .shape = {.rank = 2, .dims = {1, 2}}, .data = in};
    const struct tensor labels = {
        .dtype = DTYPE_I64, .shape = {.rank = 1, .dims = {1}}, .data = label};
    struct tensor y = x;
    const struct step_data data = {&x, &labels, NULL, &y};
    struct graph *model = binary_model();
    struct train_step *step = NULL;

    (void)state;
    y.data = out;
    assert_int_equal(step_new(model, &ask, &step, NULL), 0);
    assert_int_equal(step_params(step)->n, 4);
    assert_int_equal(step_forward(step, 0, &data, &mean, NULL), 0);
    assert_float_equal(out[0], -0.75F, 0);
    assert_int_equal(step_backward(step, 0, NULL, NULL, NULL), 0);
    step_end(step, 1);
    assert_true(step_apply(step, 1, step_square(step)));
    for (size_t i = 0; i < 4; i++) {
        assert_float_equal(step_params(step)->values[i], wanted[i], 1e-6);
    }
    step_free(step);
    graph_free(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cuts_change_nothing),
        cmocka_unit_test(test_recomputing_changes_no_bit),
        cmocka_unit_test(test_legs_change_no_bit),
        cmocka_unit_test(test_gradients_are_final_early),
        cmocka_unit_test(test_micro_batches_are_one_batch),
        cmocka_unit_test(test_running_statistics),
        cmocka_unit_test(test_no_number_skips_the_step),
        cmocka_unit_test(test_clipping_is_of_all_shards),
        cmocka_unit_test(test_frozen_parameters_stay),
        cmocka_unit_test(test_state_goes_on),
        cmocka_unit_test(test_no_memory),
        cmocka_unit_test(test_what_is_refused),
        cmocka_unit_test(test_sizes_come_and_go),
        cmocka_unit_test(test_signs_learn_straight_through),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
