/* A hundred steps of whole networks against PyTorch's: the losses, and the
 * weights by their norms and by their products with vectors of signs. What
 * both start from is in tests/golden/train.py. */
#include "base/mem.h"
#include "engine/plan.h"
#include "graph/grad.h"
#include "graph/infer.h"
#include "tests/lib/golden.h"
#include "tests/lib/model.h"
#include "tests/lib/unit.h"
#include "train/optim.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define STEPS 100
#define BATCH 8
#define BATCHES 16
#define SIGNS 8
#define BOUND 2e-4 /* of the norm, or of a loss; 1e-3 is promised */
#define PARAMS_MAX 32
#define PORTS_MAX 80
#define GOLDEN 0x9e3779b97f4a7c15U

/* ---- the numbers of tests/golden/train.py -------------------------------- */

static uint64_t mix(uint64_t z)
{
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
    return z ^ (z >> 31);
}

static int64_t number(uint64_t stream, size_t i)
{
    return (int64_t)(mix(mix(stream + GOLDEN) + (i + 1) * GOLDEN) >> 40);
}

static void fill_uniform(uint64_t stream, float *x, size_t n, float scale,
                         float shift)
{
    for (size_t i = 0; i < n; i++) {
        float u = (float)((double)number(stream, i) / 8388608.0 - 1.0);

        x[i] = u * scale;
        x[i] += shift;
    }
}

/* ---- networks ------------------------------------------------------------ */

struct net {
    struct graph *g;
    int params[PARAMS_MAX]; /* in PyTorch's order, which is that of making */
    int n_params;
};

static int param(struct net *n, float shift, int rank, const int64_t *dims)
{
    int v = model_const(n->g, NULL, DTYPE_F32, rank, dims);
    struct tensor *t = &n->g->values[v].data;
    size_t count = (size_t)tensor_count(t);
    float scale =
        rank == 1 ? 0.1F : (float)sqrt(3.0 / ((double)count / (double)dims[0]));

    fill_uniform((uint64_t)n->n_params, t->data, count, scale, shift);
    n->params[n->n_params++] = v;
    return v;
}

static int channels(const struct net *n, int x)
{
    struct err err = {.text = ""};

    if (infer_graph(n->g, &err) < 0) {
        fail_msg("%s", err.text);
    }
    return (int)n->g->values[x].shape.dims[1];
}

/* A square kernel; `bias` may be left out. */
static int conv(struct net *n, int x, int64_t out, int64_t kernel, int64_t pad,
                int64_t stride, int64_t groups, bool bias)
{
    int64_t ins = channels(n, x) / groups;
    int w = param(n, 0, DIMS(out, ins, kernel, kernel));
    int b = bias ? param(n, 0, DIMS(out)) : -1;
    int y = model_op(n->g, OP_CONV, NULL, 3, (const int[]){x, w, b});

    model_set_ints(n->g, "pads", DIMS(pad, pad, pad, pad));
    model_set_ints(n->g, "strides", DIMS(stride, stride));
    model_set_int(n->g, "group", groups);
    return y;
}

static int pool(struct net *n, enum op_kind kind, int x, int64_t kernel)
{
    int y = model_op(n->g, kind, NULL, IN(x));

    model_set_ints(n->g, "kernel_shape", DIMS(kernel, kernel));
    model_set_ints(n->g, "strides", DIMS(2, 2));
    model_set_int(n->g, "ceil_mode", 1);
    return y;
}

static int relu(struct net *n, int x)
{
    return model_op(n->g, OP_RELU, NULL, IN(x));
}

static int dense(struct net *n, int x, int64_t out)
{
    int64_t ins = channels(n, x);
    int w = param(n, 0, DIMS(out, ins));
    int y = model_op(n->g, OP_GEMM, NULL, IN(x, w, param(n, 0, DIMS(out))));

    model_set_int(n->g, "transB", 1);
    return y;
}

static int flatten(struct net *n, int x)
{
    return model_op(n->g, OP_FLATTEN, NULL, IN(x));
}

static int norm(struct net *n, int x, bool clips)
{
    int64_t c = channels(n, x);
    int scale = param(n, 1, DIMS(c));
    int bias = param(n, 0, DIMS(c));
    int mean = model_const(n->g, NULL, DTYPE_F32, DIMS(c));
    int var = model_f32(n->g, NULL, 1, 0, DIMS(c));
    int y = model_op(n->g, OP_BATCH_NORM, NULL, IN(x, scale, bias, mean, var));

    if (clips) {
        y = model_op(n->g, OP_CLIP, NULL,
                     IN(y, model_f32(n->g, NULL, 0, 0, SCALAR),
                        model_f32(n->g, NULL, 6, 0, SCALAR)));
    }
    return y;
}

static int build_lenet(struct net *n, int x)
{
    x = pool(n, OP_MAX_POOL, conv(n, x, 20, 5, 0, 1, 1, true), 2);
    x = pool(n, OP_MAX_POOL, conv(n, x, 50, 5, 0, 1, 1, true), 2);
    return dense(n, relu(n, dense(n, flatten(n, x), 500)), 10);
}

static int build_quick(struct net *n, int x)
{
    x = relu(n, pool(n, OP_MAX_POOL, conv(n, x, 32, 5, 2, 1, 1, true), 3));
    x = pool(n, OP_AVERAGE_POOL, relu(n, conv(n, x, 32, 5, 2, 1, 1, true)), 3);
    x = pool(n, OP_AVERAGE_POOL, relu(n, conv(n, x, 64, 5, 2, 1, 1, true)), 3);
    return dense(n, dense(n, flatten(n, x), 64), 10);
}

static int block(struct net *n, int x, int64_t wide)
{
    int64_t c = channels(n, x);
    int y = norm(n, conv(n, x, wide, 1, 0, 1, 1, false), true);

    y = norm(n, conv(n, y, wide, 3, 1, 1, wide, false), true);
    y = norm(n, conv(n, y, c, 1, 0, 1, 1, false), false);
    return model_op(n->g, OP_ADD, NULL, IN(x, y));
}

static int build_mobile(struct net *n, int x)
{
    x = norm(n, conv(n, x, 8, 3, 1, 2, 1, false), true);
    x = block(n, block(n, x, 24), 24);
    x = model_op(n->g, OP_GLOBAL_AVERAGE_POOL, NULL, IN(x));
    return dense(n, flatten(n, x), 10);
}

/* ---- training ------------------------------------------------------------ */

struct run {
    struct net net;
    struct params params;
    struct optim optim;
    struct plan *plan;
    struct grad_ports ports;
    struct tensor in[PORTS_MAX];
    struct tensor out[PORTS_MAX];
};

static void make(struct run *r, int (*build)(struct net *n, int x),
                 const int64_t *image)
{
    struct grad_loss loss = {.weight = 1};
    struct grad_ask ask = {.losses = &loss, .n_losses = 1};
    struct graph *training = NULL;
    struct err err = {.text = ""};

    r->net.g = graph_new("net");
    loss.scores =
        build(&r->net, model_input(r->net.g, "x", DTYPE_F32,
                                   DIMS(BATCH, image[0], image[1], image[1])));
    model_output(r->net.g, loss.scores);
    ask.params = r->net.params;
    ask.n_params = (size_t)r->net.n_params;
    if (infer_graph(r->net.g, &err) < 0 ||
        params_init(&r->params, r->net.g, ask.params, ask.n_params, &err) < 0 ||
        grad_make(r->net.g, &ask, &training, &r->ports, &err) < 0 ||
        plan_make(training, &r->plan, &err) < 0) {
        fail_msg("%s", err.text);
    }
    graph_free(training);
}

static void make_ports(struct run *r)
{
    for (size_t i = 0; i < plan_n_inputs(r->plan); i++) {
        const struct plan_port *port = plan_input(r->plan, i);

        assert_true(i < PORTS_MAX);
        if (i >= r->ports.params && i < r->ports.labels) {
            r->in[i] = params_value(&r->params, i - r->ports.params);
        } else {
            assert_int_equal(tensor_init(&r->in[i], port->dtype, &port->shape),
                             0);
        }
    }
    for (size_t i = 0; i < plan_n_outputs(r->plan); i++) {
        const struct plan_port *port = plan_output(r->plan, i);

        assert_true(i < PORTS_MAX);
        if (i >= r->ports.param_grads && i < r->ports.input_grads) {
            r->out[i] = params_grad(&r->params, i - r->ports.param_grads);
        } else {
            assert_int_equal(tensor_init(&r->out[i], port->dtype, &port->shape),
                             0);
        }
    }
}

static double step(struct run *r, int at, double rate)
{
    struct tensor *x = &r->in[0];
    int64_t *labels = r->in[r->ports.labels].data;
    uint64_t batch = (uint64_t)at % BATCHES;

    fill_uniform(1000 + batch, x->data, (size_t)tensor_count(x), 1, 0);
    for (size_t i = 0; i < BATCH; i++) {
        labels[i] = number(2000 + batch, i) % 10;
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
    plan_free(r->plan);
    optim_deinit(&r->optim);
    params_deinit(&r->params);
    mem_free(r->ports.statistics);
    graph_free(r->net.g);
}

/* ---- comparing ------------------------------------------------------------
 */

static double next_number(const char **at)
{
    char *end;
    double x = strtod(*at, &end);

    if (end == *at) {
        fail_msg("no number at \"%.20s\"", *at);
    }
    *at = end;
    return x;
}

static void skip_words(const char **at, const char *word, int index)
{
    char head[40];
    int n = snprintf(head, sizeof(head), "%s %d ", word, index);

    while (**at == '\n' || **at == ' ') {
        (*at)++;
    }
    if (strncmp(*at, head, (size_t)n) != 0) {
        fail_msg("wanted \"%s\", read \"%.20s\"", head, *at);
    }
    *at += n;
}

static void assert_near(const char *what, int i, double got, double wanted,
                        double scale)
{
    if (!(fabs(got - wanted) <= BOUND * scale)) {
        fail_msg("%s %d: %.9g, PyTorch's is %.9g (%.2g of %.3g)", what, i, got,
                 wanted, fabs(got - wanted) / scale, scale);
    }
}

/* A product with random signs is, but for luck, as long as the difference. */
static void compare_param(const struct run *r, size_t i, const char **at)
{
    const struct param *item = &r->params.items[i];
    const float *x = r->params.values + item->offset;
    double wanted = next_number(at);
    double square = 0;

    for (size_t k = 0; k < item->count; k++) {
        square += (double)x[k] * (double)x[k];
    }
    assert_near("norm", (int)i, sqrt(square), wanted, wanted);
    for (uint64_t s = 0; s < SIGNS; s++) {
        double sum = 0;

        for (size_t k = 0; k < item->count; k++) {
            sum += number(3000 + s, k) & 1 ? -(double)x[k] : (double)x[k];
        }
        assert_near("product of parameter", (int)i, sum, next_number(at),
                    wanted);
    }
}

static void compare(const char *file, int (*build)(struct net *n, int x),
                    const int64_t *image, double rate, bool nesterov)
{
    struct optim_rule rule = optim_rule_of(OPTIM_SGD);
    struct blob *golden = golden_file("train", file);
    char *text = mem_printf("%.*s", (int)golden->size, (char *)golden->data);
    const char *at = text;
    struct run r = {0};

    assert_non_null(text);
    rule.momentum = 0.9F;
    rule.nesterov = nesterov;
    rule.weight_decay = 0.005F;
    make(&r, build, image);
    make_ports(&r);
    assert_int_equal(optim_init(&r.optim, &rule, r.params.n), 0);
    for (int i = 0; i < STEPS; i++) {
        double loss = step(&r, i, rate);
        double wanted;

        skip_words(&at, "loss", i);
        wanted = next_number(&at);
        assert_near("loss", i, loss, wanted, wanted);
    }
    for (size_t i = 0; i < r.params.n_items; i++) {
        skip_words(&at, "param", (int)i);
        compare_param(&r, i, &at);
    }
    end(&r);
    mem_free(text);
    blob_unref(golden);
}

static void test_lenet(void **state)
{
    (void)state;
    SKIP_EMULATED("a hundred steps take minutes");
    compare("lenet.txt", build_lenet, (const int64_t[]){1, 28}, 0.003, false);
}

static void test_cifar10_quick(void **state)
{
    (void)state;
    SKIP_EMULATED("a hundred steps take minutes");
    compare("cifar10_quick.txt", build_quick, (const int64_t[]){3, 32}, 0.05,
            false);
}

static void test_blocks_of_mobilenet(void **state)
{
    (void)state;
    compare("mobile.txt", build_mobile, (const int64_t[]){3, 16}, 0.002, true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lenet),
        cmocka_unit_test(test_cifar10_quick),
        cmocka_unit_test(test_blocks_of_mobilenet),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
