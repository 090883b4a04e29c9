/*
 * Training speed in this process: whole steps of forward, loss,
 * backward and SGD (momentum 0.9, weight decay 5e-4) on images in memory.
 *
 *   bench_train MODEL BATCH [MICRO [THREADS]]
 *
 * is a worker: for each line "N" on stdin it trains N steps of BATCH images, by
 * MICRO at a time, and prints the medians in ms of wall and of processor time,
 * and the peak memory in KiB, so that bench_train.py can ask us and another
 * framework in turn.
 *
 * Without arguments it does nothing: bench_train.sh prints the figures.
 */
#include "base/mem.h"
#include "base/rng.h"
#include "graph/infer.h"
#include "net/threads.h"
#include "onnx/import.h"
#include "train/step.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define RATE 1e-3
#define RUNS_MAX 1000

struct bench {
    struct threads *threads;
    struct train_step *step;
    int64_t batch;
    int64_t micro;
    struct tensor images; /* of the whole batch */
    struct tensor labels;
    struct tensor scores;
    struct tensor seeds;
};

static double now_ms(clockid_t clock)
{
    struct timespec now;

    (void)clock_gettime(clock, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static void die(const char *what, const struct err *err)
{
    (void)fprintf(stderr, "bench_train: %s: %s\n", what, err->text);
    exit(1);
}

static void make_data(struct bench *b, struct shape x, struct shape scores)
{
    struct shape one = {.rank = 1, .dims = {b->batch}};
    struct rng rng;
    struct err err = {"out of memory"};

    x.dims[0] = b->batch;
    scores.dims[0] = b->micro;
    if (tensor_init(&b->images, DTYPE_F32, &x) < 0 ||
        tensor_init(&b->labels, DTYPE_I64, &one) < 0 ||
        tensor_init(&b->seeds, DTYPE_I64, &one) < 0 ||
        tensor_init(&b->scores, DTYPE_F32, &scores) < 0) {
        die("the images", &err);
    }
    rng_init(&rng, 3);
    for (int64_t i = 0; i < tensor_count(&b->images); i++) {
        ((float *)b->images.data)[i] = rng_normal(&rng);
    }
    for (int64_t i = 0; i < b->batch; i++) {
        ((int64_t *)b->labels.data)[i] =
            (int64_t)rng_below(&rng, (uint64_t)scores.dims[1]);
        ((int64_t *)b->seeds.data)[i] = i;
    }
}

static void load(struct bench *b, const char *path)
{
    struct graph *graph = NULL;
    struct step_loss loss = {.weight = 1};
    struct step_ask ask = {.threads = b->threads,
                           .batch = b->micro,
                           .slots = 1,
                           .losses = &loss,
                           .n_losses = 1,
                           .rule = optim_rule_of(OPTIM_SGD)};
    struct err err = {""};

    ask.rule.momentum = 0.9F;
    ask.rule.weight_decay = 5e-4F;
    if (import_file(path, &graph, &err) < 0 ||
        infer_bind_batch(graph, b->micro, &err) < 0 ||
        infer_graph(graph, &err) < 0) {
        die(path, &err);
    }
    loss.scores = graph->values[graph->outputs[0]].name;
    if (step_new(graph, &ask, &b->step, &err) < 0) {
        die(path, &err);
    }
    make_data(b, graph->values[graph->inputs[0]].shape,
              graph->values[graph->outputs[0]].shape);
    graph_free(graph);
}

/* Samples from `from` on, as many as fit. */
static struct tensor part(const struct tensor *t, int64_t from, int64_t n)
{
    struct tensor p = {.dtype = t->dtype, .shape = t->shape};

    p.shape.dims[0] = n;
    p.data = (uint8_t *)t->data + (size_t)from * tensor_bytes(&p) / (size_t)n;
    return p;
}

static void train(struct bench *b)
{
    struct err err = {""};
    float loss;

    for (int64_t at = 0; at < b->batch; at += b->micro) {
        int64_t n = b->batch - at < b->micro ? b->batch - at : b->micro;
        struct tensor images = part(&b->images, at, n);
        struct tensor labels = part(&b->labels, at, n);
        struct tensor seeds = part(&b->seeds, at, n);
        struct tensor scores = part(&b->scores, 0, n);
        const struct step_data data = {&images, &labels, &seeds, &scores};

        if (step_forward(b->step, 0, &data, &loss, &err) < 0 ||
            step_backward(b->step, 0, NULL, NULL, &err) < 0) {
            die("a step", &err);
        }
    }
    step_end(b->step, step_samples(b->step));
    if (!step_apply(b->step, RATE, step_square(b->step))) {
        die("a step", &(struct err){"a gradient is no number"});
    }
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;

    return (x > y) - (x < y);
}

static double median(double *ms, int runs)
{
    qsort(ms, (size_t)runs, sizeof(ms[0]), by_size);
    return ms[runs / 2];
}

/* Not getrusage()'s, which begins with what the parent had. */
static long peak_kib(void)
{
    FILE *f = fopen("/proc/self/status", "r");
    char line[256];
    long kib = 0;

    while (f != NULL && fgets(line, sizeof(line), f) != NULL) {
        if (strncmp(line, "VmHWM:", 6) == 0) {
            kib = strtol(line + 6, NULL, 10);
        }
    }
    if (f != NULL) {
        (void)fclose(f);
    }
    return kib;
}

static void measure(struct bench *b, int runs)
{
    double wall[RUNS_MAX];
    double cpu[RUNS_MAX];

    for (int i = 0; i < runs; i++) {
        double wall_from = now_ms(CLOCK_MONOTONIC);
        double cpu_from = now_ms(CLOCK_PROCESS_CPUTIME_ID);

        train(b);
        wall[i] = now_ms(CLOCK_MONOTONIC) - wall_from;
        cpu[i] = now_ms(CLOCK_PROCESS_CPUTIME_ID) - cpu_from;
    }
    (void)printf("%.3f %.3f %ld\n", median(wall, runs), median(cpu, runs),
                 peak_kib());
    (void)fflush(stdout);
}

static void answer(struct bench *b)
{
    char line[64];
    struct step_memory m;

    step_memory(b->step, &m);
    (void)fprintf(stderr, "params %zu stash %zu plans %zu KiB\n",
                  m.params >> 10, m.stash >> 10, m.plans >> 10);
    (void)printf("ready\n");
    (void)fflush(stdout);
    while (fgets(line, sizeof(line), stdin) != NULL) {
        int runs = (int)strtol(line, NULL, 10);

        if (runs < 1 || runs > RUNS_MAX) {
            break;
        }
        measure(b, runs);
    }
}

int main(int argc, char **argv)
{
    struct bench b = {0};
    struct err err = {""};

    if (argc < 3) {
        return 0;
    }
    b.batch = strtol(argv[2], NULL, 10);
    b.micro = argc > 3 ? strtol(argv[3], NULL, 10) : b.batch;
    if (b.batch < 1 || b.micro < 1) {
        (void)fprintf(stderr, "bench_train: MODEL BATCH [MICRO [THREADS]]\n");
        return 2;
    }
    if (threads_start(argc > 4 ? strtoul(argv[4], NULL, 10) : 1, &b.threads,
                      &err) < 0) {
        die("the threads", &err);
    }
    load(&b, argv[1]);
    answer(&b);
    tensor_deinit(&b.images);
    tensor_deinit(&b.labels);
    tensor_deinit(&b.seeds);
    tensor_deinit(&b.scores);
    step_free(b.step);
    threads_stop(b.threads);
    return 0;
}
