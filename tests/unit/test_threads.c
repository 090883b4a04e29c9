/* Threads share the steps of plans: each part runs once, and a training step
 * has the same bits with any number of them. */
#include "net/threads.h"

#include "base/mem.h"
#include "base/rng.h"
#include "graph/infer.h"
#include "onnx/zoo.h"
#include "tests/lib/unit.h"
#include "train/step.h"

#include <string.h>

#define BATCH 24
#define STEPS 3
#define MOST 8

static struct threads *start(size_t n)
{
    struct threads *threads = NULL;
    struct err err = {.text = ""};

    if (threads_start(n, &threads, &err) < 0) {
        fail_msg("%s", err.text);
    }
    assert_int_equal(threads->n, n);
    return threads;
}

static void count(void *arg, size_t i)
{
    ((size_t *)arg)[i]++;
}

static void each_has_its_turn(void **state)
{
    (void)state;
    for (size_t n = 1; n <= MOST; n += 2) {
        struct threads *threads = start(n);
        size_t turns[MOST] = {0};

        for (size_t round = 1; round <= 1000; round++) {
            threads->run(threads, count, turns);
            for (size_t i = 0; i < MOST; i++) {
                assert_int_equal(turns[i], i < n ? round : 0);
            }
        }
        threads_stop(threads);
    }
    threads_stop(NULL);
}

static void too_many_are_refused(void **state)
{
    struct threads *threads = NULL;
    struct err err = {.text = ""};

    (void)state;
    assert_int_equal(threads_start(0, &threads, &err), EDGE_EINVAL);
    assert_int_equal(threads_start(THREADS_MOST + 1, &threads, &err),
                     EDGE_EINVAL);
}

/* ---- training -------------------------------------------------------------
 */

struct school {
    struct train_step *step;
    struct tensor images;
    struct tensor labels;
    struct tensor seeds;
    struct tensor scores;
};

static struct train_step *make_step(const char *net, struct threads *threads)
{
    struct zoo_options options = {
        .seed = 1, .form = "cifar", .width = 0.25, .classes = 10};
    struct step_loss loss = {.weight = 1};
    struct step_ask ask = {.threads = threads,
                           .batch = BATCH,
                           .slots = 1,
                           .losses = &loss,
                           .n_losses = 1,
                           .rule = optim_rule_of(OPTIM_SGD)};
    struct train_step *step = NULL;
    struct graph *graph = NULL;
    struct err err = {.text = ""};

    if (zoo_make(net, &options, &graph, &err) < 0 ||
        infer_bind_batch(graph, BATCH, &err) < 0 ||
        infer_graph(graph, &err) < 0) {
        fail_msg("%s", err.text);
    }
    loss.scores = graph->values[graph->outputs[0]].name;
    if (step_new(graph, &ask, &step, &err) < 0) {
        fail_msg("%s", err.text);
    }
    graph_free(graph);
    return step;
}

static void make_pictures(struct school *s)
{
    struct shape x = {.rank = 4, .dims = {BATCH, 3, 32, 32}};
    struct shape scores = {.rank = 2, .dims = {BATCH, 10}};
    struct shape one = {.rank = 1, .dims = {BATCH}};
    struct rng rng;

    assert_int_equal(tensor_init(&s->images, DTYPE_F32, &x), 0);
    assert_int_equal(tensor_init(&s->labels, DTYPE_I64, &one), 0);
    assert_int_equal(tensor_init(&s->seeds, DTYPE_I64, &one), 0);
    assert_int_equal(tensor_init(&s->scores, DTYPE_F32, &scores), 0);
    rng_init(&rng, 7);
    for (int64_t i = 0; i < tensor_count(&s->images); i++) {
        ((float *)s->images.data)[i] = rng_normal(&rng);
    }
    for (int64_t i = 0; i < BATCH; i++) {
        ((int64_t *)s->labels.data)[i] = i % 10;
        ((int64_t *)s->seeds.data)[i] = i;
    }
}

static void learn(struct school *s)
{
    const struct step_data data = {&s->images, &s->labels, &s->seeds,
                                   &s->scores};
    struct err err = {.text = ""};
    float loss;

    for (int i = 0; i < STEPS; i++) {
        if (step_forward(s->step, 0, &data, &loss, &err) < 0 ||
            step_backward(s->step, 0, NULL, NULL, &err) < 0) {
            fail_msg("%s", err.text);
        }
        step_end(s->step, BATCH);
        assert_true(step_apply(s->step, 0.01, step_square(s->step)));
    }
}

/* The parameters that `n` threads have learnt, for mem_free(). */
static float *learnt(const char *net, size_t n, size_t *count)
{
    struct threads *threads = start(n);
    struct school s = {.step = make_step(net, threads)};
    const struct params *params = step_params(s.step);
    float *copy;

    make_pictures(&s);
    learn(&s);
    *count = params->n;
    copy = mem_dup(params->values, params->n * sizeof(*copy));
    assert_non_null(copy);
    tensor_deinit(&s.images);
    tensor_deinit(&s.labels);
    tensor_deinit(&s.seeds);
    tensor_deinit(&s.scores);
    step_free(s.step);
    threads_stop(threads);
    return copy;
}

static void threads_change_no_bit(void **state)
{
    static const char *const nets[] = {"cifar10_quick", "vgg11_bn", "resnet18",
                                       "mobilenetv2"};

    (void)state;
    for (size_t k = 0; k < sizeof(nets) / sizeof(nets[0]); k++) {
        size_t count;
        float *one = learnt(nets[k], 1, &count);

        for (size_t n = 2; n <= 5; n += n == 3 ? 2 : 1) {
            float *many = learnt(nets[k], n, &count);

            if (memcmp(one, many, count * sizeof(*one)) != 0) {
                fail_msg("%s learns something else with %zu threads", nets[k],
                         n);
            }
            mem_free(many);
        }
        mem_free(one);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_has_its_turn),
        cmocka_unit_test(too_many_are_refused),
        cmocka_unit_test(threads_change_no_bit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
