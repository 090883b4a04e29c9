/* test: timeout=900 slow
 *
 * Sharding is invisible: every model of a folder, cut in two at every
 * candidate place (sampled for large models), gives the bits that one process
 * gives. The shards go through export and import, as on their way to a node.
 *
 *   run_cuts [FOLDER [MODEL]]        default: $EDGE_DATA/models
 */
#include "base/mem.h"
#include "coordinator/plan/cut.h"
#include "engine/fold.h"
#include "onnx/import.h"
#include "tests/lib/shipped.h"

#include <stdio.h>
#include <string.h>

/* All places of a small model, a sample of a larger one's. */
#define MEDIUM_MACS 1e8
#define CUTS_MEDIUM 24
#define LARGE_MACS 2e9
#define CUTS_LARGE 4
#define PORTS 64

static bool are_same(const struct tensor *a, const struct tensor *b, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (a[i].dtype != b[i].dtype ||
            !shape_equal(&a[i].shape, &b[i].shape) ||
            memcmp(a[i].data, b[i].data, tensor_bytes(&a[i])) != 0) {
            return false;
        }
    }
    return true;
}

static int try_cut(const struct graph *graph, int position,
                   const struct tensor *in, const struct tensor *want,
                   bool *same, struct err *err)
{
    struct graph *shards[2] = {NULL, NULL};
    struct plan *plans[2] = {NULL, NULL};
    struct tensor between[PORTS] = {0};
    struct tensor out[PORTS] = {0};
    int rc = cut_split(graph, &position, 1, shards, err);

    for (int i = 0; i < 2 && rc == 0; i++) {
        rc = shipped_plan(shards[i], &plans[i], err);
    }
    if (rc == 0) {
        rc = shipped_run(plans[0], in, between);
    }
    if (rc == 0) {
        rc = shipped_run(plans[1], between, out);
    }
    *same = rc == 0 && are_same(want, out, graph->n_outputs);
    shipped_drop(between, PORTS);
    shipped_drop(out, PORTS);
    for (int i = 0; i < 2; i++) {
        plan_free(plans[i]);
        graph_free(shards[i]);
    }
    return rc;
}

static void try_cuts(const char *name, const struct graph *graph,
                     const struct cut *cuts, size_t n, const struct tensor *in,
                     const struct tensor *want, struct shipped_tally *tally)
{
    double macs = n > 0 ? cuts[n - 1].macs_before : 0;
    size_t most = macs > LARGE_MACS    ? CUTS_LARGE
                  : macs > MEDIUM_MACS ? CUTS_MEDIUM
                                       : n;
    size_t step = n > most ? (n + most - 1) / most : 1;
    size_t tried = 0;

    for (size_t i = 0; i < n; i += step) {
        struct err err = {"other bits"};
        bool same;
        int rc = try_cut(graph, cuts[i].position, in, want, &same, &err);

        tried++;
        if (rc == 0 && same) {
            tally->passed++;
        } else {
            tally->failed++;
            (void)printf("FAILED %s, cut at %d: %s\n", name, cuts[i].position,
                         err.text);
        }
    }
    (void)printf("%s: %zu of %zu places\n", name, tried, n);
    (void)fflush(stdout);
}

static int try_model(const char *name, const char *path,
                     struct shipped_tally *tally, struct err *err)
{
    struct graph *graph = NULL;
    struct plan *plan = NULL;
    struct cut *cuts = NULL;
    struct tensor in[PORTS] = {0};
    struct tensor want[PORTS] = {0};
    size_t n = 0;
    int rc = import_file(path, &graph, err);

    if (rc == 0) {
        rc = fold_prepare(graph, 1, NULL, 0, err);
    }
    if (rc == 0) {
        rc = plan_make(graph, &plan, err);
    }
    if (rc == 0) {
        rc = shipped_inputs(plan, in);
    }
    if (rc == 0) {
        rc = shipped_run(plan, in, want);
    }
    if (rc == 0) {
        rc = cut_candidates(graph, &cuts, &n, err);
    }
    if (rc == 0) {
        try_cuts(name, graph, cuts, n, in, want, tally);
    }
    cut_free(cuts, n);
    shipped_drop(in, PORTS);
    shipped_drop(want, PORTS);
    plan_free(plan);
    graph_free(graph);
    return rc;
}

int main(int argc, char **argv)
{
    return shipped_main(argc, argv, "cuts", try_model);
}
