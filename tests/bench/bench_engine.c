/*
 * Latency of models in this process, one thread, batch 1.
 *
 *   bench_engine            a figure per model of $EDGE_DATA/models
 *   bench_engine MODEL      a worker: for each line "N" on stdin it runs the
 *                           model N times and prints the median in ms, so
 *                           that bench_rivals.py can ask us and another
 *                           runtime in turn
 *   bench_engine -t MODEL   where the time goes, by op
 */
#include "base/mem.h"
#include "base/rng.h"
#include "engine/fold.h"
#include "engine/plan.h"
#include "onnx/import.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct loaded {
    struct plan *plan;
    struct tensor *inputs;
    struct tensor *outputs;
};

static double now_ms(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static void die(const char *what, const struct err *err)
{
    (void)fprintf(stderr, "bench_engine: %s: %s\n", what, err->text);
    exit(1);
}

static void fill(struct tensor *t)
{
    struct rng rng;

    rng_init(&rng, 1);
    memset(t->data, 0, tensor_bytes(t));
    for (int64_t i = 0; t->dtype == DTYPE_F32 && i < tensor_count(t); i++) {
        ((float *)t->data)[i] = (float)rng_unit(&rng);
    }
}

static void load(const char *path, struct loaded *m)
{
    struct graph *graph = NULL;
    struct err err = {""};

    if (import_file(path, &graph, &err) < 0 ||
        fold_prepare(graph, 1, NULL, 0, &err) < 0 ||
        plan_make(graph, &m->plan, &err) < 0) {
        die(path, &err);
    }
    graph_free(graph);
    m->inputs = mem_array(struct tensor, plan_n_inputs(m->plan));
    m->outputs = mem_array(struct tensor, plan_n_outputs(m->plan));
    for (size_t i = 0; i < plan_n_inputs(m->plan); i++) {
        const struct plan_port *port = plan_input(m->plan, i);

        if (tensor_init(&m->inputs[i], port->dtype, &port->shape) < 0) {
            die(path, &err);
        }
        fill(&m->inputs[i]);
    }
    for (size_t i = 0; i < plan_n_outputs(m->plan); i++) {
        const struct plan_port *port = plan_output(m->plan, i);

        if (tensor_init(&m->outputs[i], port->dtype, &port->shape) < 0) {
            die(path, &err);
        }
    }
}

static void unload(struct loaded *m)
{
    for (size_t i = 0; i < plan_n_inputs(m->plan); i++) {
        tensor_deinit(&m->inputs[i]);
    }
    for (size_t i = 0; i < plan_n_outputs(m->plan); i++) {
        tensor_deinit(&m->outputs[i]);
    }
    mem_free(m->inputs);
    mem_free(m->outputs);
    plan_free(m->plan);
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;

    return (x > y) - (x < y);
}

static double median_of(struct loaded *m, int n)
{
    double *times = mem_array(double, (size_t)n);
    double median;

    for (int i = 0; i < n; i++) {
        double from = now_ms();

        (void)plan_run(m->plan, m->inputs, m->outputs);
        times[i] = now_ms() - from;
    }
    qsort(times, (size_t)n, sizeof(times[0]), compare);
    median = times[n / 2];
    mem_free(times);
    return median;
}

static int work(const char *path)
{
    struct loaded m;
    char line[32];

    load(path, &m);
    (void)median_of(&m, 3);
    (void)printf("ready\n");
    (void)fflush(stdout);
    while (fgets(line, sizeof(line), stdin) != NULL) {
        long n = strtol(line, NULL, 10);

        (void)printf("%.4f\n", median_of(&m, n > 0 ? (int)n : 1));
        (void)fflush(stdout);
    }
    unload(&m);
    return 0;
}

static int by_time(const void *a, const void *b)
{
    double x = ((const struct plan_time *)a)->ns;
    double y = ((const struct plan_time *)b)->ns;

    return (x < y) - (x > y);
}

static int show_times(const char *path)
{
    struct plan_time *rows;
    struct loaded m;
    size_t n;

    load(path, &m);
    (void)median_of(&m, 3);
    for (int i = 0; i < 20; i++) {
        (void)plan_run_timed(m.plan, m.inputs, m.outputs);
    }
    n = plan_n_times(m.plan);
    rows = mem_dup(plan_times(m.plan), n * sizeof(*rows));
    qsort(rows, n, sizeof(*rows), by_time);
    for (size_t i = 0; i < n && i < 25; i++) {
        (void)printf("%8.3f ms  %6.1f GFLOP/s  %-14s %-16s %s\n",
                     rows[i].ns / 20e6,
                     rows[i].ns > 0 ? rows[i].macs * 2 * 20 / rows[i].ns : 0,
                     rows[i].kind, rows[i].kernel, rows[i].op);
    }
    mem_free(rows);
    unload(&m);
    return 0;
}

static int bench_all(const char *folder)
{
    struct dirent **entries;
    int n = scandir(folder, &entries, NULL, alphasort);

    if (n < 0) {
        (void)printf("figure engine.models - - target - skipped no data "
                     "folder (EDGE_DATA)\n");
        return 0;
    }
    for (int i = 0; i < n; i++) {
        char *path = mem_printf("%s/%s/model.onnx", folder, entries[i]->d_name);
        FILE *file = path != NULL ? fopen(path, "re") : NULL;

        if (file != NULL && entries[i]->d_name[0] != '.') {
            struct loaded m;

            load(path, &m);
            (void)printf("figure engine.%s %.3f ms target - ok one thread; "
                         "arena %.1f MiB, packed %.1f MiB of %.1f MiB\n",
                         entries[i]->d_name, median_of(&m, 9),
                         (double)plan_arena_bytes(m.plan) / 1048576,
                         (double)plan_packed_bytes(m.plan) / 1048576,
                         (double)plan_weight_bytes(m.plan) / 1048576);
            (void)fflush(stdout);
            unload(&m);
        }
        if (file != NULL) {
            (void)fclose(file);
        }
        mem_free(path);
        mem_free(entries[i]);
    }
    mem_free(entries);
    return 0;
}

int main(int argc, char **argv)
{
    const char *data = getenv("EDGE_DATA");
    char *folder;
    int rc;

    if (argc == 3 && strcmp(argv[1], "-t") == 0) {
        return show_times(argv[2]);
    }
    if (argc == 2) {
        return work(argv[1]);
    }
    folder = mem_printf("%s/models", data != NULL ? data : "../shared/data");
    rc = bench_all(folder);
    mem_free(folder);
    return rc;
}
