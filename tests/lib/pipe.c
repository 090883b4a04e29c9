#include "tests/lib/pipe.h"

#include "base/mem.h"
#include "base/rng.h"
#include "coordinator/plan/cut.h"
#include "graph/infer.h"
#include "tests/lib/model.h"
#include "tests/lib/unit.h"

#include <math.h>
#include <string.h>

#define CLASSES 5
#define SIDE 12

/* ---- the model ------------------------------------------------------------
 */

static int random_weights(struct graph *g, struct rng *rng, const char *name,
                          float scale, float shift, int rank,
                          const int64_t *dims)
{
    int v = model_const(g, name, DTYPE_F32, rank, dims);
    struct tensor *t = &g->values[v].data;

    for (int64_t i = 0; i < tensor_count(t); i++) {
        ((float *)t->data)[i] = shift + scale * rng_normal(rng);
    }
    return v;
}

struct maker {
    struct graph *g;
    struct rng rng;
    bool with_norm;
    int n;
};

static int conv(struct maker *m, int x, int64_t in, int64_t out, int64_t kernel,
                int64_t groups)
{
    char name[16] = "conv0.w";
    int w;
    int b;
    int y;

    name[4] = (char)('0' + m->n);
    w = random_weights(m->g, &m->rng, name, 0.4F, 0,
                       DIMS(out, in / groups, kernel, kernel));
    name[6] = 'b';
    b = random_weights(m->g, &m->rng, name, 0.1F, 0, DIMS(out));
    name[5] = '\0';
    y = model_op(m->g, OP_CONV, name, IN(x, w, b));
    model_set_ints(m->g, "pads",
                   DIMS(kernel / 2, kernel / 2, kernel / 2, kernel / 2));
    model_set_int(m->g, "group", groups);
    m->n++;
    return y;
}

static int norm(struct maker *m, int x, int64_t c, float momentum)
{
    int scale;
    int bias;
    int mean;
    int variance;
    int y;

    if (!m->with_norm) {
        return x;
    }
    scale = random_weights(m->g, &m->rng, NULL, 0.2F, 1, DIMS(c));
    bias = random_weights(m->g, &m->rng, NULL, 0.2F, 0.3F, DIMS(c));
    mean = model_const(m->g, NULL, DTYPE_F32, DIMS(c));
    variance = model_f32(m->g, NULL, 1, 0, DIMS(c));
    y = model_op(m->g, OP_BATCH_NORM, NULL, IN(x, scale, bias, mean, variance));
    if (momentum > 0) {
        model_set_float(m->g, "momentum", momentum);
    }
    return y;
}

static int clip(struct maker *m, int x)
{
    return model_op(m->g, OP_CLIP, NULL,
                    IN(x, model_f32(m->g, NULL, 0, 0, SCALAR),
                       model_f32(m->g, NULL, 6, 0, SCALAR)));
}

static int pool(struct maker *m, enum op_kind kind, int x)
{
    int y = model_op(m->g, kind, NULL, IN(x));

    model_set_ints(m->g, "kernel_shape", DIMS(2, 2));
    model_set_ints(m->g, "strides", DIMS(2, 2));
    return y;
}

struct graph *pipe_model(bool with_norm)
{
    struct maker m = {.g = graph_new("net"), .with_norm = with_norm};
    int x;
    int y;
    int z;

    rng_init(&m.rng, 5);
    x = model_input(m.g, "x", DTYPE_F32, DIMS(1, 3, SIDE, SIDE));
    x = clip(&m, norm(&m, conv(&m, x, 3, 8, 3, 1), 8, 0));
    y = clip(&m, norm(&m, conv(&m, x, 8, 8, 3, 8), 8, 0.8F));
    y = norm(&m, conv(&m, y, 8, 8, 1, 1), 8, 0);
    x = model_op(m.g, OP_ADD, NULL, IN(x, y));
    x = pool(&m, OP_MAX_POOL, x);
    y = model_op(m.g, OP_RELU, NULL, IN(conv(&m, x, 8, 6, 3, 1)));
    z = model_op(m.g, OP_SIGMOID, NULL, IN(conv(&m, x, 8, 2, 1, 1)));
    x = model_op(m.g, OP_CONCAT, NULL, IN(y, z));
    model_set_int(m.g, "axis", 1);
    x = pool(&m, OP_AVERAGE_POOL, x);
    x = model_op(m.g, OP_DROPOUT, "drop",
                 IN(x, model_f32(m.g, NULL, 0.3F, 0, SCALAR)));
    x = model_op(m.g, OP_FLATTEN, NULL, IN(x));
    y = random_weights(m.g, &m.rng, "head.w", 0.2F, 0, DIMS(CLASSES, 72));
    z = random_weights(m.g, &m.rng, "head.b", 0.1F, 0, DIMS(CLASSES));
    x = model_op(m.g, OP_GEMM, "scores", IN(x, y, z));
    model_set_int(m.g, "transB", 1);
    model_output(m.g, x);
    assert_int_equal(infer_graph(m.g, NULL), 0);
    return m.g;
}

/* ---- shards ---------------------------------------------------------------
 */

/* Evenly, at positions where one value crosses or more. */
static void cut_up(struct pipe *p)
{
    struct cut *cuts;
    size_t n_cuts;
    int positions[PIPE_SHARDS];
    size_t n = p->ask.shards - 1;
    struct err err = {.text = ""};

    assert_true(p->ask.shards <= PIPE_SHARDS && p->ask.micro <= PIPE_MICRO);
    assert_int_equal(cut_candidates(p->model, &cuts, &n_cuts, &err), 0);
    for (size_t i = 0; i < n; i++) {
        positions[i] = cuts[(i + 1) * n_cuts / (n + 1)].position;
    }
    cut_free(cuts, n_cuts);
    if (n == 0) {
        assert_int_equal(graph_clone(p->model, &p->shards[0]), 0);
    } else if (cut_split(p->model, positions, n, p->shards, &err) < 0) {
        fail_msg("%s", err.text);
    }
}

static int64_t micro_size(const struct pipe *p, size_t m)
{
    int64_t most =
        (p->ask.batch + (int64_t)p->ask.micro - 1) / (int64_t)p->ask.micro;
    int64_t left = p->ask.batch - (int64_t)m * most;

    return left < most ? left : most;
}

static void make_step(struct pipe *p, size_t k)
{
    bool last = k + 1 == p->ask.shards;
    const struct step_loss loss = {"scores", 1};
    const struct step_param frozen = {p->ask.frozen, true, 1, 1};
    const struct step_param rates[] = {{"head.*", false, 2, 0.5F}, frozen};
    struct step_ask ask = {
        .batch = micro_size(p, 0),
        .slots = p->ask.all_first ? p->ask.micro : 1,
        .recompute = p->ask.recompute,
        .input_grads = k > 0,
        .output_grads = !last,
        .losses = &loss,
        .n_losses = last ? 1 : 0,
        .params = rates,
        .n_params = p->ask.frozen != NULL ? 2 : 1,
        .rule = optim_rule_of(p->ask.adam ? OPTIM_ADAM : OPTIM_SGD)};
    struct err err = {.text = ""};

    ask.rule.momentum = 0.9F;
    ask.rule.weight_decay = 0.01F;
    ask.rule.clip_norm = p->ask.clip_norm;
    if (step_new(p->shards[k], &ask, &p->steps[k], &err) < 0) {
        fail_msg("shard %zu: %s", k, err.text);
    }
}

static void like(struct tensor *t, enum dtype dtype, struct shape shape,
                 int64_t samples)
{
    shape.dims[0] = samples;
    assert_int_equal(tensor_init(t, dtype, &shape), 0);
}

static void make_ports(struct pipe *p, size_t m)
{
    int64_t samples = micro_size(p, m);
    const struct shape one = {.rank = 1};

    for (size_t k = 0; k <= p->ask.shards; k++) {
        const struct graph *g = p->shards[k < p->ask.shards ? k : k - 1];
        bool in = k < p->ask.shards;
        size_t n = in ? g->n_inputs : g->n_outputs;

        assert_true(n <= PIPE_PORTS);
        for (size_t i = 0; i < n; i++) {
            const struct value *v =
                &g->values[in ? g->inputs[i] : g->outputs[i]];

            like(&p->ports[m][k][i], v->dtype, v->shape, samples);
            like(&p->grads[m][k][i], v->dtype, v->shape, samples);
        }
    }
    like(&p->labels[m], DTYPE_I64, one, samples);
    like(&p->seeds[m], DTYPE_I64, one, samples);
}

void pipe_init(struct pipe *p, const struct graph *model,
               const struct pipe_ask *ask)
{
    *p = (struct pipe){.ask = *ask};
    assert_int_equal(graph_clone(model, &p->model), 0);
    cut_up(p);
    for (size_t m = 0; m < ask->micro; m++) {
        make_ports(p, m);
    }
    for (size_t k = 0; k < ask->shards; k++) {
        make_step(p, k);
    }
}

void pipe_deinit(struct pipe *p)
{
    for (size_t m = 0; m < PIPE_MICRO; m++) {
        for (size_t k = 0; k <= PIPE_SHARDS; k++) {
            for (size_t i = 0; i < PIPE_PORTS; i++) {
                tensor_deinit(&p->ports[m][k][i]);
                tensor_deinit(&p->grads[m][k][i]);
            }
        }
        tensor_deinit(&p->labels[m]);
        tensor_deinit(&p->seeds[m]);
    }
    for (size_t k = 0; k < PIPE_SHARDS; k++) {
        step_free(p->steps[k]);
        graph_free(p->shards[k]);
    }
    graph_free(p->model);
}

/* ---- steps ----------------------------------------------------------------
 */

static void fill_samples(struct pipe *p, int at, bool spoil)
{
    struct rng rng;

    rng_init(&rng, (uint64_t)at + 100);
    for (size_t m = 0; m < p->ask.micro; m++) {
        struct tensor *x = &p->ports[m][0][0];
        int64_t *labels = p->labels[m].data;
        int64_t *seeds = p->seeds[m].data;
        int64_t n = micro_size(p, m);
        int64_t each = tensor_count(x) / n;

        for (int64_t i = 0; i < n; i++) {
            float *to = (float *)x->data + i * each;

            labels[i] = (int64_t)rng_below(&rng, CLASSES);
            seeds[i] = (int64_t)rng_below(&rng, 1U << 30);
            for (int64_t e = 0; e < each; e++) {
                to[e] = rng_normal(&rng) + 0.2F * (float)labels[i];
            }
        }
        if (spoil && m + 1 == p->ask.micro) {
            labels[n - 1] = CLASSES + 1;
        }
    }
}

static void forward(struct pipe *p, size_t m, size_t slot)
{
    struct err err = {.text = ""};

    for (size_t k = 0; k < p->ask.shards; k++) {
        const struct step_data data = {.inputs = p->ports[m][k],
                                       .labels = &p->labels[m],
                                       .seeds = &p->seeds[m],
                                       .outputs = p->ports[m][k + 1]};
        float loss = 0;

        if (step_forward(p->steps[k], slot, &data, &loss, &err) < 0) {
            fail_msg("shard %zu: %s", k, err.text);
        }
        p->loss +=
            (double)loss * (double)micro_size(p, m) / (double)p->ask.batch;
    }
}

/* What a leg made final, into a copy of the gradients that was `odd` there:
 * each parameter is only once. */
static void keep_final(const struct params *params, const struct step_leg *leg,
                       float odd, float *kept)
{
    for (size_t i = 0; i < leg->n_params; i++) {
        const struct param *item = &params->items[leg->params[i]];

        assert_true(item->count == 0 || kept[item->offset] == odd);
        memcpy(kept + item->offset, params->grads + item->offset,
               item->count * sizeof(float));
    }
}

static int by_legs(struct train_step *step, size_t slot,
                   const struct tensor *dy, struct tensor *dx, struct err *err)
{
    const struct params *params = step_params(step);
    const struct step_legs *legs = step_legs(step, slot);
    float *kept = test_calloc(params->n + 1, sizeof(float));
    double share = 0;
    int rc = 0;

    for (size_t i = 0; i < params->n; i++) {
        kept[i] = -77;
    }
    for (size_t i = 0; rc == 0 && i < legs->n; i++) {
        rc = step_backward_leg(step, slot, dy, dx, i, err);
        keep_final(params, &legs->legs[i], -77, kept);
        share += legs->legs[i].share;
    }
    assert_memory_equal(kept, params->grads, params->n * sizeof(float));
    assert_true(fabs(share - 1) < 1e-9);
    assert_null(step_legs(step, slot));
    test_free(kept);
    return rc;
}

static void backward(struct pipe *p, size_t m, size_t slot)
{
    struct err err = {.text = ""};

    for (size_t k = p->ask.shards; k-- > 0;) {
        bool last = k + 1 == p->ask.shards;
        int rc = (p->ask.legs ? by_legs : step_backward)(
            p->steps[k], slot, last ? NULL : p->grads[m][k + 1],
            k > 0 ? p->grads[m][k] : NULL, &err);

        if (rc < 0) {
            fail_msg("shard %zu: %s", k, err.text);
        }
    }
}

static bool apply(struct pipe *p, double rate)
{
    double square = 0;
    int done = 0;

    for (size_t k = 0; k < p->ask.shards; k++) {
        assert_true(step_samples(p->steps[k]) == (double)p->ask.batch);
        step_end(p->steps[k], step_samples(p->steps[k]));
        square += step_square(p->steps[k]);
    }
    for (size_t k = 0; k < p->ask.shards; k++) {
        done += step_apply(p->steps[k], rate, square);
    }
    assert_true(done == 0 || done == (int)p->ask.shards);
    return done > 0;
}

void pipe_forward(struct pipe *p, int at)
{
    fill_samples(p, at, false);
    forward(p, 0, 0);
}

bool pipe_step(struct pipe *p, int at, double rate, bool spoil)
{
    p->loss = 0;
    fill_samples(p, at, spoil);
    for (size_t m = 0; m < p->ask.micro; m++) {
        forward(p, m, p->ask.all_first ? m : 0);
        if (!p->ask.all_first) {
            backward(p, m, 0);
        }
    }
    for (size_t m = 0; p->ask.all_first && m < p->ask.micro; m++) {
        backward(p, m, m);
    }
    return apply(p, rate);
}

struct graph *pipe_result(const struct pipe *p)
{
    struct graph *model;
    struct err err = {.text = ""};

    assert_int_equal(graph_clone(p->model, &model), 0);
    for (size_t k = 0; k < p->ask.shards; k++) {
        if (step_store(p->steps[k], model, &err) < 0) {
            fail_msg("%s", err.text);
        }
    }
    return model;
}
