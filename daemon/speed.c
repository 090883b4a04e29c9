/*
 * How fast is this board? A few milliseconds when the daemon begins, off the
 * loop: a convolution that fits the caches, a product whose weights do not,
 * and what it costs to run anything at all. So a plan's predictions are of
 * the right order before anybody has measured a model (measure.c).
 */
#include "daemon/parts.h"

#include "base/mem.h"
#include "graph/infer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROUNDS 7
#define SIDE 28
#define CHANNELS 64
#define WIDE 2048 /* weights of WIDE x HIGH floats: 8 MiB, which small */
#define HIGH 1024 /* processors do not keep */
#define EMPTY_RUNS 9

struct speed_job {
    struct io_work work;
    struct daemon *daemon;
    double macs_per_s; /* 0: it could not be found out */
    double bytes_per_s;
    double share;
    uint64_t given_us; /* of an empty job */
    double empty_us[EMPTY_RUNS];
    size_t n_empty;
};

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;

    return (x > y) - (x < y);
}

/* ---- two little models ----------------------------------------------------
 */

static int add_weights(struct graph *graph, struct shape shape)
{
    struct tensor t;

    if (tensor_init(&t, DTYPE_F32, &shape) < 0) {
        return -1;
    }
    for (int64_t i = 0; i < tensor_count(&t); i++) {
        ((float *)t.data)[i] = 0.001F * (float)(i % 7);
    }
    return graph_add_const(graph, "w", &t);
}

static struct graph *make(enum op_kind kind, struct shape in,
                          struct shape weights)
{
    static const int64_t pads[] = {1, 1, 1, 1};
    struct graph *graph = graph_new("speed");
    int x = graph != NULL ? graph_add_value(graph, "x") : -1;
    int y = graph != NULL ? graph_add_value(graph, "y") : -1;
    int w = graph != NULL ? add_weights(graph, weights) : -1;
    int rc = -1;

    if (x >= 0 && y >= 0 && w >= 0) {
        graph->values[x].dtype = DTYPE_F32;
        graph->values[x].has_shape = true;
        graph->values[x].shape = in;
        rc = graph_add_input(graph, x);
        rc = rc < 0 ? rc
                    : graph_add_op(graph, kind, "op", (int[]){x, w}, 2, &y, 1);
    }
    if (rc >= 0 && kind == OP_CONV) {
        rc = op_set_ints(&graph->ops[0], "pads", pads, 4);
    }
    if (rc < 0 || graph_add_output(graph, y) < 0) {
        graph_free(graph);
        return NULL;
    }
    return graph;
}

/* Seconds of the fastest run, which other programs disturbed least; 0: it
 * does not work. */
static double time_plan(struct plan *plan, const struct tensor *in,
                        struct tensor *out)
{
    double ns[ROUNDS];

    for (size_t i = 0; i <= ROUNDS; i++) { /* the first one warms up */
        double sum[1] = {0};
        size_t step = 0;

        if (plan_n_times(plan) != 1 ||
            plan_run_piece(plan, in, out, &step, 1e12, sum) < 0) {
            return 0;
        }
        ns[i > 0 ? i - 1 : 0] = sum[0];
    }
    qsort(ns, ROUNDS, sizeof(ns[0]), compare);
    return ns[0] * 1e-9;
}

static double time_graph(const struct graph *graph)
{
    struct plan *plan = NULL;
    struct tensor in = {0};
    struct tensor out = {0};
    double seconds = 0;
    struct err err;

    if (graph != NULL && plan_make(graph, &plan, &err) == 0 &&
        tensor_init(&in, DTYPE_F32, &plan_input(plan, 0)->shape) == 0 &&
        tensor_init(&out, DTYPE_F32, &plan_output(plan, 0)->shape) == 0) {
        for (int64_t i = 0; i < tensor_count(&in); i++) {
            ((float *)in.data)[i] = 0.5F;
        }
        seconds = time_plan(plan, &in, &out);
    }
    tensor_deinit(&in);
    tensor_deinit(&out);
    plan_free(plan);
    return seconds;
}

static void on_run(struct io_work *work)
{
    struct speed_job *job = container_of(work, struct speed_job, work);
    struct graph *conv =
        make(OP_CONV, shape_of(4, (int64_t[]){1, CHANNELS, SIDE, SIDE}),
             shape_of(4, (int64_t[]){CHANNELS, CHANNELS, 3, 3}));
    struct graph *wide = make(OP_MATMUL, shape_of(2, (int64_t[]){1, WIDE}),
                              shape_of(2, (int64_t[]){WIDE, HIGH}));
    double macs = 9.0 * CHANNELS * CHANNELS * SIDE * SIDE;
    double conv_s = time_graph(conv);
    double wide_s = time_graph(wide);

    /* A short run is over before its group has used up what it may. */
    job->share = board_share();
    job->share = job->share > 0 && job->share < 1 ? job->share : 1;
    job->macs_per_s = conv_s > 0 ? job->share * macs / conv_s : 0;
    job->bytes_per_s =
        wide_s > 0 ? job->share * WIDE * HIGH * sizeof(float) / wide_s : 0;
    graph_free(conv);
    graph_free(wide);
    mem_trim();
}

/* ---- what it costs to run anything ----------------------------------------
 */

static void on_nothing(struct io_work *work)
{
    (void)work;
}

static void on_back(struct io_work *work);

static void give(struct speed_job *job)
{
    job->work =
        (struct io_work){.run = on_nothing, .done = on_back, .cost_us = 20};
    job->given_us = io_now_us(job->daemon->io);
    io_work(job->daemon->io, IO_COMPUTE, &job->work);
}

static void settle(struct speed_job *job)
{
    struct daemon *d = job->daemon;

    qsort(job->empty_us, EMPTY_RUNS, sizeof(job->empty_us[0]), compare);
    d->speed = (struct speed){
        .macs_per_s = job->macs_per_s,
        .bytes_per_s = job->bytes_per_s,
        .run_s = (job->empty_us[EMPTY_RUNS / 2] + 1) * 1e-6,
        .share = job->share,
        .is_known = true,
    };
    if (d->board != NULL) {
        (void)snprintf(d->speed.kind, sizeof(d->speed.kind), "test board");
    } else {
        board_kind(d->speed.kind);
        board_machine(d->speed.machine);
    }
    if (d->pace != NULL) { /* by the table of another board */
        size_t at = strlen(d->speed.kind);

        (void)snprintf(d->speed.kind + at, sizeof(d->speed.kind) - at,
                       ", paced");
    }
    log_event(d->log, LOG_INFO, "board.speed",
              "gmacs=%.1f gbytes=%.1f run_us=%.0f kind=\"%s\"",
              job->macs_per_s / 1e9, job->bytes_per_s / 1e9,
              d->speed.run_s * 1e6, d->speed.kind);
    d->speed_job = NULL;
    mem_free(job);
    beat_now(d);
}

static void on_back(struct io_work *work)
{
    struct speed_job *job = container_of(work, struct speed_job, work);
    struct daemon *d = job->daemon;

    job->empty_us[job->n_empty++] = (double)(io_now_us(d->io) - job->given_us);
    if (job->n_empty < EMPTY_RUNS) {
        give(job);
    } else {
        settle(job);
    }
}

static void on_done(struct io_work *work)
{
    give(container_of(work, struct speed_job, work));
}

/* ---- from outside ---------------------------------------------------------
 */

void speed_start(struct daemon *d)
{
    struct speed_job *job;

    if (d->board != NULL && !(d->board->macs_per_s > 0)) {
        return; /* a test's, which has none */
    }
    job = mem_new(struct speed_job);
    if (job == NULL) {
        return; /* nothing is known */
    }
    d->speed_job = job;
    job->daemon = d;
    if (d->board != NULL) {
        job->macs_per_s = d->board->macs_per_s;
        job->bytes_per_s = d->board->macs_per_s;
        job->share = 1;
        give(job);
        return;
    }
    job->work.run = on_run;
    job->work.done = on_done;
    job->work.cost_us = 20000;
    io_work(d->io, IO_COMPUTE, &job->work);
}

void speed_free(struct daemon *d)
{
    mem_free(d->speed_job);
    d->speed_job = NULL;
}

bool speed_fill(const struct daemon *d, Edged__Speed *out)
{
    if (!d->speed.is_known) {
        return false;
    }
    edged__speed__init(out);
    out->kind = (char *)(uintptr_t)d->speed.kind;
    out->machine = (char *)(uintptr_t)d->speed.machine;
    out->threads = SPEED_THREADS;
    out->macs_per_s = d->speed.macs_per_s;
    out->bytes_per_s = d->speed.bytes_per_s;
    out->run_s = d->speed.run_s;
    return true;
}
