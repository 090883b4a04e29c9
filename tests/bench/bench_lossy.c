/*
 * What lossy tiles cost beside the plain network, in this process, one thread,
 * as prototype 0 printed it: f1+f2, f3+f4, f5 and the dense layers of VGG16 at
 * 224 x 224, in the forms that training runs, forward alone and forward with
 * backward.
 *
 *   bench_lossy MODEL BATCH [ROUNDS [BANDS]]
 *
 * MODEL is a vgg16_bn; tiles are BANDS x BANDS (2). f1+f2 are in tiles that
 * get nothing of each other; f3+f4 lose 0.4 of each element, 1 % of sides in
 * bursts, or have margins of 4 bits; dense layers lose 0.1 of 4 x 4 blocks.
 * Modes take turns; figures are medians of the processor's time, since other
 * programs may run. Without arguments it does nothing: bench_lossy.sh prints
 * the figures.
 */
#include "base/mem.h"
#include "base/rng.h"
#include "graph/infer.h"
#include "graph/lossy.h"
#include "onnx/import.h"
#include "train/step.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define ROUNDS_MAX 100
#define LAYERS_MAX 64
#define FREE_CHANNELS 128 /* f1 and f2 get nothing of each other */
#define SIDE_LEAST 28     /* f5 is on one board */

enum mode { PLAIN, BERNOULLI, MARKOV, MARGIN, MODES };

static const char *const mode_names[] = {"plain", "bernoulli", "markov",
                                         "margin"};

static const struct section {
    const char *name;
    const char *from; /* NULL: the input */
    const char *to;
    bool is_dense;
    bool no_halo;
    bool whole;          /* the same in every mode */
    double forward_most; /* what is promised, of plain; 0: nothing */
    double step_most;
    double memory_most;
} sections[] = {
    {"f1+f2", NULL, "pool2", false, true, false, 0, 0, 0},
    {"f3+f4", "pool2", "pool4", false, false, false, 1.15, 1.25, 0},
    {"f5", "pool4", "pool5", false, false, true, 0, 0, 0},
    {"f1-f5", NULL, "pool5", false, true, false, 0, 1.25, 1.15},
    {"fc", "flatten", "fc3", true, false, false, 1.2, 1.2, 0},
};

#define SECTIONS (sizeof(sections) / sizeof(sections[0]))

struct trial {
    struct train_step *step;
    struct tensor x;
    struct tensor y;
    struct tensor dy;
    struct tensor dx;
    struct tensor seeds;
    double forward_ms[ROUNDS_MAX];
    double step_ms[ROUNDS_MAX];
    double memory_mib;
};

struct bench {
    struct graph *model;
    int64_t batch;
    int rounds;
    int bands;
    struct trial trials[SECTIONS][MODES];
};

static double now_ms(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static void die(const char *what, const struct err *err)
{
    (void)fprintf(stderr, "bench_lossy: %s: %s\n", what, err->text);
    exit(1);
}

/* ---- parts of the network ------------------------------------------------ */

static int value_of(const struct bench *b, const char *name)
{
    int op = graph_find_op(b->model, name);

    if (op < 0) {
        die(name, &(struct err){"there is no such layer; the model should be "
                                "a vgg16_bn of the imagenet form"});
    }
    return b->model->ops[op].out[0];
}

static struct graph *part_of(const struct bench *b, const struct section *s)
{
    int from = s->from != NULL ? value_of(b, s->from) : b->model->inputs[0];
    int to = value_of(b, s->to);
    struct graph *part = NULL;
    struct err err = {""};

    if (graph_extract(b->model, &from, 1, &to, 1, s->name, &part, &err) < 0 ||
        infer_graph(part, &err) < 0) {
        die(s->name, &err);
    }
    return part;
}

static void halve(const struct bench *b, const struct shape *in,
                  const struct shape *out, struct lossy_axis axis[2])
{
    for (int a = 0; a < 2; a++) {
        axis[a].bands = b->bands;
        for (int i = 0; i <= b->bands; i++) {
            axis[a].in[i] = in->dims[2 + a] * i / b->bands;
            axis[a].out[i] = out->dims[2 + a] * i / b->bands;
        }
    }
}

static struct lossy_rule rule_of(const struct section *s, enum mode mode)
{
    struct lossy_rule r = {.p = 0.4F, .p11 = 0.99F, .p22 = 0.03F};

    r.block_p = s->is_dense ? 0.1F : 0;
    r.loss = mode == MARKOV      ? TILE_FORM_SIDES
             : mode == BERNOULLI ? TILE_FORM_ELEMENTS
                                 : TILE_FORM_EXACT;
    return r;
}

static void make_lossy(const struct bench *b, const struct section *s,
                       enum mode mode, struct graph *g)
{
    struct lossy_layer layers[LAYERS_MAX];
    const char *products[LAYERS_MAX];
    struct lossy l = {.layers = layers,
                      .products = products,
                      .blocks = 4,
                      .rule = rule_of(s, mode),
                      .levels = mode == MARGIN ? 15 : 0,
                      .low = 0,
                      .high = 3,
                      .own = true};
    struct err err = {""};

    for (size_t i = 0; i < g->n_ops && l.n_layers < LAYERS_MAX; i++) {
        const struct op *op = &g->ops[i];
        const struct value *y = &g->values[op->out[0]];

        if (op->kind == OP_GEMM) {
            products[l.n_products++] = y->name;
        } else if (op->kind == OP_CONV && y->shape.dims[2] >= SIDE_LEAST) {
            layers[l.n_layers].value = y->name;
            layers[l.n_layers].halo =
                s->no_halo && y->shape.dims[1] <= FREE_CHANNELS ? LOSSY_NONE
                                                                : LOSSY_RULE;
            halve(b, &g->values[op->in[0]].shape, &y->shape,
                  layers[l.n_layers++].axis);
        }
    }
    if (lossy_rewrite(g, &l, &err) < 0) {
        die(s->name, &err);
    }
}

/* ---- a trial ------------------------------------------------------------- */

static void fill(struct tensor *t, const struct shape *shape, float mean)
{
    struct rng rng;

    if (tensor_init(t, DTYPE_F32, shape) < 0) {
        die("a tensor", &(struct err){"out of memory"});
    }
    rng_init(&rng, 7);
    for (int64_t i = 0; i < tensor_count(t); i++) {
        ((float *)t->data)[i] = mean + rng_normal(&rng);
    }
}

static void make_tensors(const struct bench *b, const struct graph *g,
                         struct trial *t)
{
    const struct shape *x = &g->values[g->inputs[0]].shape;
    const struct shape *y = &g->values[g->outputs[0]].shape;
    struct shape one = shape_of(1, &b->batch);

    fill(&t->x, x, 0.5F);
    fill(&t->y, y, 0);
    fill(&t->dy, y, 0);
    fill(&t->dx, x, 0);
    if (tensor_init(&t->seeds, DTYPE_I64, &one) < 0) {
        die("a tensor", &(struct err){"out of memory"});
    }
    for (int64_t i = 0; i < b->batch; i++) {
        ((int64_t *)t->seeds.data)[i] = i;
    }
}

static void make_trial(struct bench *b, const struct section *s, enum mode mode,
                       struct trial *t)
{
    struct graph *g = part_of(b, s);
    struct step_memory m;
    struct err err = {""};
    const struct step_ask ask = {.batch = b->batch,
                                 .slots = 1,
                                 .input_grads = s->from != NULL,
                                 .output_grads = true,
                                 .rule = optim_rule_of(OPTIM_SGD)};

    make_tensors(b, g, t);
    if (mode != PLAIN && !s->whole) {
        make_lossy(b, s, mode, g);
    }
    if (step_new(g, &ask, &t->step, &err) < 0) {
        die(s->name, &err);
    }
    step_memory(t->step, &m);
    t->memory_mib = (double)(m.params + m.stash + m.plans) / (1 << 20);
    graph_free(g);
}

static void free_trial(struct trial *t)
{
    step_free(t->step);
    tensor_deinit(&t->x);
    tensor_deinit(&t->y);
    tensor_deinit(&t->dy);
    tensor_deinit(&t->dx);
    tensor_deinit(&t->seeds);
}

static void run_trial(struct trial *t, int round)
{
    const struct step_data data = {&t->x, NULL, &t->seeds, &t->y};
    struct err err = {""};
    double began = now_ms();

    if (step_forward(t->step, 0, &data, NULL, &err) < 0) {
        die("forward", &err);
    }
    t->forward_ms[round] = now_ms() - began;
    if (step_backward(t->step, 0, &t->dy, &t->dx, &err) < 0) {
        die("backward", &err);
    }
    t->step_ms[round] = now_ms() - began;
    step_drop(t->step);
}

static size_t modes_of(const struct section *s)
{
    return s->whole ? 1 : s->is_dense ? 2 : MODES;
}

/* One section at a time: of the whole network in four modes there may be no
 * room. The first round warms up. */
static void measure(struct bench *b, size_t s)
{
    struct trial *trials = b->trials[s];
    size_t modes = sections[s].whole ? 1 : sections[s].is_dense ? 2 : MODES;

    for (size_t m = 0; m < modes; m++) {
        make_trial(b, &sections[s], (enum mode)m, &trials[m]);
        run_trial(&trials[m], 0);
    }
    for (int round = 0; round < b->rounds; round++) {
        for (size_t m = 0; m < modes; m++) {
            run_trial(&trials[m], round);
        }
    }
    for (size_t m = 0; m < modes; m++) {
        free_trial(&trials[m]);
    }
    for (size_t m = modes; m < MODES; m++) { /* as the last one that was run */
        trials[m] = trials[modes - 1];
    }
}

/* ---- what is told -------------------------------------------------------- */

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;

    return (x > y) - (x < y);
}

static double median(const struct bench *b, const double *ms)
{
    double sorted[ROUNDS_MAX];

    memcpy(sorted, ms, (size_t)b->rounds * sizeof(*ms));
    qsort(sorted, (size_t)b->rounds, sizeof(*ms), by_size);
    return sorted[b->rounds / 2];
}

/* The middle of the ratios of rounds, each of which had the same neighbours. */
static double ratio(const struct bench *b, const double *ms,
                    const double *plain)
{
    double each[ROUNDS_MAX];

    for (int i = 0; i < b->rounds; i++) {
        each[i] = ms[i] / plain[i];
    }
    return median(b, each);
}

static void print_row(const struct bench *b, const char *what, size_t mode,
                      bool steps)
{
    (void)printf("%-10s %-8s", mode_names[mode], what);
    for (size_t s = 0; s < SECTIONS; s++) {
        const struct trial *t = &b->trials[s][mode];

        (void)printf(" %9.1f", median(b, steps ? t->step_ms : t->forward_ms));
    }
    (void)printf("\n");
}

/* A ratio to the plain network, in the form of every benchmark. */
static void figure(const struct bench *b, FILE *file, const char *mode,
                   const char *what, double value, double target)
{
    const char *verdict = target <= 0 || value <= target ? "ok" : "short";
    FILE *outs[] = {stdout, file};

    for (size_t i = 0; i < 2 && outs[i] != NULL; i++) {
        (void)fprintf(outs[i], "figure lossy.%dx%d.%s.%s %.3f of-plain target ",
                      b->bands, b->bands, mode, what, value);
        if (target > 0) {
            (void)fprintf(outs[i], "%.2f %s\n", target, verdict);
        } else {
            (void)fprintf(outs[i], "- %s\n", verdict);
        }
    }
}

static void print_ratios(const struct bench *b, FILE *file, size_t s,
                         size_t mode)
{
    const struct section *section = &sections[s];
    const struct trial *t = &b->trials[s][mode];
    const struct trial *p = &b->trials[s][PLAIN];
    const char *name = section->is_dense ? "blocks" : mode_names[mode];
    char what[32];

    (void)snprintf(what, sizeof(what), "%s.forward", section->name);
    figure(b, file, name, what, ratio(b, t->forward_ms, p->forward_ms),
           section->forward_most);
    (void)snprintf(what, sizeof(what), "%s.step", section->name);
    figure(b, file, name, what, ratio(b, t->step_ms, p->step_ms),
           section->step_most);
    (void)snprintf(what, sizeof(what), "%s.memory", section->name);
    figure(b, file, name, what, t->memory_mib / p->memory_mib,
           section->memory_most);
    if (mode == MARKOV && section->forward_most > 0) {
        (void)snprintf(what, sizeof(what), "%s.by-bernoulli", section->name);
        figure(b, file, name, what,
               ratio(b, t->forward_ms, b->trials[s][BERNOULLI].forward_ms),
               1.1);
    }
}

static void print(const struct bench *b, FILE *file)
{
    (void)printf("ms of %d pictures, %d x %d tiles\nmode       what    ",
                 (int)b->batch, b->bands, b->bands);
    for (size_t s = 0; s < SECTIONS; s++) {
        (void)printf(" %9s", sections[s].name);
    }
    (void)printf("\n");
    for (size_t m = 0; m < MODES; m++) {
        print_row(b, "forward", m, false);
        print_row(b, "step", m, true);
    }
    for (size_t s = 0; s < SECTIONS; s++) {
        for (size_t m = 1; m < modes_of(&sections[s]); m++) {
            print_ratios(b, file, s, m);
        }
    }
}

int main(int argc, char **argv)
{
    struct bench b = {.rounds = 5, .bands = 2};
    struct err err = {""};
    FILE *file;

    if (argc < 3) {
        return 0;
    }
    b.batch = strtol(argv[2], NULL, 10);
    b.rounds = argc > 3 ? (int)strtol(argv[3], NULL, 10) : b.rounds;
    b.bands = argc > 4 ? (int)strtol(argv[4], NULL, 10) : b.bands;
    if (b.batch < 1 || b.rounds < 1 || b.rounds > ROUNDS_MAX || b.bands < 1 ||
        b.bands > TILE_FORM_BANDS) {
        (void)fprintf(stderr, "bench_lossy: MODEL BATCH [ROUNDS [BANDS]]\n");
        return 2;
    }
    if (import_file(argv[1], &b.model, &err) < 0 ||
        infer_bind_batch(b.model, b.batch, &err) < 0 ||
        infer_graph(b.model, &err) < 0) {
        die(argv[1], &err);
    }
    for (size_t s = 0; s < SECTIONS; s++) {
        measure(&b, s);
    }
    file = fopen("build/figures.tsv", "a");
    print(&b, file);
    if (file != NULL) {
        (void)fclose(file);
    }
    graph_free(b.model);
    return 0;
}
