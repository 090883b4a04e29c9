/* test: timeout=900 slow
 *
 * Tiles and splits of real models give the answers of the whole: grids with
 * borders computed again and exchanged, and layers split by output, by input
 * and as a pair. Within 1e-5 of the largest number, and within 5e-5 where sums
 * were cut, whose last bits a deep model carries on. The shards go through
 * export and import, as on their way to a node.
 *
 *   run_rewrites [FOLDER [MODEL]]    default: $EDGE_DATA/models
 */
#include "base/mem.h"
#include "coordinator/plan/parts.h"
#include "coordinator/plan/rewrite.h"
#include "engine/fold.h"
#include "graph/infer.h"
#include "onnx/import.h"
#include "tests/lib/label_rest.h"
#include "tests/lib/shipped.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define PORTS 64
#define BOUND 1e-5
#define BOUND_SUMS 5e-5
#define LARGE_MACS 2e9
#define SPLIT_OPS 5 /* layers of a model that are split */

struct trial {
    const char *name;
    const struct graph *graph;
    bool large;
    struct tensor in[PORTS];
    struct tensor want[PORTS];
    struct shipped_tally *tally;
    double bound;
    double worst;
    int n;
};

struct ports {
    struct tensor in[LIMIT_PORTS];
    struct tensor out[LIMIT_PORTS];
};

/* ---- running parts ------------------------------------------------------- */

static void pass_on(const struct parts *parts, int from,
                    const struct tensor *made, struct ports *ports,
                    struct tensor *out)
{
    for (size_t i = 0; i < parts->n_links; i++) {
        const struct part_link *link = &parts->links[i];

        if (link->from == from && link->to >= 0) {
            ports[link->to].in[link->to_port] =
                tensor_ref(&made[link->from_port]);
        } else if (link->from == from) {
            out[link->to_port] = tensor_ref(&made[link->from_port]);
        }
    }
}

static int run_parts(const struct parts *parts, const struct tensor *in,
                     struct tensor *out, struct err *err)
{
    struct ports *ports = mem_array(struct ports, parts->n);
    int rc = ports == NULL ? EDGE_ENOMEM : 0;

    if (rc == 0) {
        pass_on(parts, PARTS_OUTSIDE, in, ports, out);
    }
    for (size_t i = 0; i < parts->n && rc == 0; i++) {
        struct plan *plan = NULL;

        rc = shipped_plan(parts->shards[i], &plan, err);
        if (rc == 0) {
            rc = shipped_run(plan, ports[i].in, ports[i].out);
        }
        if (rc == 0) {
            pass_on(parts, (int)i, ports[i].out, ports, out);
        }
        plan_free(plan);
        shipped_drop(ports[i].in, LIMIT_PORTS);
        shipped_drop(ports[i].out, LIMIT_PORTS);
    }
    mem_free(ports);
    return rc;
}

/* ---- comparing ----------------------------------------------------------- */

/* The largest difference, as a share of the largest number wanted. */
static double difference(const struct tensor *want, const struct tensor *got)
{
    double most = 1e-30;
    double off = 0;

    if (got->blob == NULL || !shape_equal(&want->shape, &got->shape)) {
        return INFINITY;
    }
    for (int64_t i = 0; i < tensor_count(want); i++) {
        most = fmax(most, fabs(tensor_get(want, i)));
        off = fmax(off, fabs(tensor_get(want, i) - tensor_get(got, i)));
    }
    return off / most;
}

static void judge(struct trial *t, const char *what, const struct tensor *out,
                  int rc, const struct err *err)
{
    double off = 0;

    for (size_t i = 0; i < t->graph->n_outputs && rc == 0; i++) {
        off = fmax(off, difference(&t->want[i], &out[i]));
    }
    t->n++;
    if (rc == 0 && off <= t->bound) {
        t->tally->passed++;
        t->worst = fmax(t->worst, off);
        return;
    }
    t->tally->failed++;
    (void)printf("FAILED %s, %s: %s (off by %.2g)\n", t->name, what,
                 rc < 0 ? err->text : "another answer", off);
}

/* Takes `rewritten` apart and runs it. */
static void check(struct trial *t, struct graph *rewritten, const char *what)
{
    struct tensor out[PORTS] = {0};
    struct parts parts = {0};
    struct err err = {""};
    int rc = label_rest(rewritten, 0, 3);

    if (rc == 0) {
        rc = parts_make(rewritten, &parts, &err);
    }
    if (rc == EDGE_ENOFIT) {
        return; /* more than a shard's ports, or a frame */
    }
    if (rc == 0) {
        rc = run_parts(&parts, t->in, out, &err);
    }
    judge(t, what, out, rc, &err);
    shipped_drop(out, PORTS);
    parts_deinit(&parts);
}

/* ---- tiles --------------------------------------------------------------- */

static int tile_once(struct trial *t, struct tile *tile)
{
    struct graph *clone = NULL;
    struct err err = {""};
    char what[80];
    int levels;
    int rc = graph_clone(t->graph, &clone);

    if (rc == 0) {
        rc = rewrite_tile(clone, tile, &levels, &err);
    }
    (void)snprintf(what, sizeof(what), "ops %d..%d as %d x %d tiles, %s",
                   tile->first_op, tile->end_op, tile->rows, tile->columns,
                   tile->halo == TILE_EXCHANGE ? "exchange" : "recompute");
    if (rc == 0) {
        check(t, clone, what);
    } else if (rc != EDGE_ENOFIT) {
        judge(t, what, NULL, rc, &err);
    }
    graph_free(clone);
    return rc;
}

/* The longest beginning of the run that a grid is not too fine for. */
static void try_grid(struct trial *t, int first, int end, int rows, int columns,
                     enum tile_halo halo)
{
    struct tile tile = {.halo = halo,
                        .first_op = first,
                        .rows = rows,
                        .columns = columns,
                        .level_step = 1000,
                        .scatter = 1,
                        .join = 2};

    t->bound = BOUND;
    for (int i = 0; i < rows * columns; i++) {
        tile.part[i] = 10 + i;
    }
    tile.row_share[0] = 2; /* unequal boards */
    for (int i = 1; i < rows; i++) {
        tile.row_share[i] = 1.5;
    }
    for (; end > first; end = first + (end - first) * 2 / 3) {
        tile.end_op = end;
        if (tile_once(t, &tile) != EDGE_ENOFIT) {
            return;
        }
    }
}

static void try_tiles(struct trial *t)
{
    static const int grids[][2] = {{1, 2}, {2, 2}, {2, 4}, {3, 3}, {4, 4}};
    int n = (int)t->graph->n_ops;
    int first = 0;
    int end = 0;

    while (first < n && end - first < 4) { /* the first run worth it */
        first = end > first ? end : first + 1;
        end = first < n ? rewrite_tile_end(t->graph, first, n) : n;
    }
    if (first >= n) {
        return;
    }
    for (int g = 0; g < 5; g++) {
        if (t->large && g != 1 && g != 3) {
            continue;
        }
        try_grid(t, first, end, grids[g][0], grids[g][1], TILE_RECOMPUTE);
        try_grid(t, first, t->large && end > first + 8 ? first + 8 : end,
                 grids[g][0], grids[g][1], TILE_EXCHANGE);
    }
}

/* ---- splits -------------------------------------------------------------- */

static void split_once(struct trial *t, int op, enum split_axis axis, int k)
{
    static const char *const names[] = {"output", "input", "pair"};
    struct split split = {.axis = axis,
                          .op = op,
                          .end_op = (int)t->graph->n_ops,
                          .k = k,
                          .scatter = 1,
                          .join = 2};
    struct graph *clone = NULL;
    struct err err = {""};
    char what[LIMIT_GRAPH_NAME + 80];
    int rc = graph_clone(t->graph, &clone);

    t->bound = axis == SPLIT_OUTPUT ? BOUND : BOUND_SUMS;
    for (int i = 0; i < k; i++) {
        split.part[i] = 10 + i;
        split.share[i] = i == 0 ? 1.5 : 1;
    }
    if (rc == 0) {
        rc = rewrite_split(clone, &split, &err);
    }
    (void)snprintf(what, sizeof(what), "%s by %s in %d", t->graph->ops[op].name,
                   names[axis], k);
    if (rc == 0) {
        check(t, clone, what);
    } else if (rc != EDGE_ENOFIT && axis != SPLIT_PAIR) {
        judge(t, what, NULL, rc, &err);
    }
    graph_free(clone);
}

static void try_splits(struct trial *t)
{
    static const int ks[] = {2, 3, 4, 8};
    int products = 0;
    int seen = 0;
    int step;

    for (int op = 0; op < (int)t->graph->n_ops; op++) {
        products += rewrite_split_most(t->graph, op, SPLIT_OUTPUT) > 0;
    }
    step = products / (t->large ? 2 : SPLIT_OPS) + 1;
    for (int op = 0; op < (int)t->graph->n_ops; op++) {
        if (rewrite_split_most(t->graph, op, SPLIT_OUTPUT) == 0 ||
            seen++ % step != 0) {
            continue;
        }
        for (int axis = 0; axis < 3; axis++) {
            int most = rewrite_split_most(t->graph, op, (enum split_axis)axis);
            int k = ks[(seen + axis) % 4];

            if (most >= 2) {
                split_once(t, op, (enum split_axis)axis, k < most ? k : most);
            }
        }
    }
}

/* ---- models -------------------------------------------------------------- */

static double macs_of(const struct graph *graph)
{
    double macs = 0;

    for (size_t i = 0; i < graph->n_ops; i++) {
        struct op_cost cost;

        infer_cost(graph, &graph->ops[i], &cost);
        macs += cost.macs;
    }
    return macs;
}

static int try_model(const char *name, const char *path,
                     struct shipped_tally *tally, struct err *err)
{
    struct trial t = {.name = name, .tally = tally};
    struct graph *graph = NULL;
    struct plan *plan = NULL;
    int rc = import_file(path, &graph, err);

    if (rc == 0) {
        rc = fold_prepare(graph, 1, NULL, 0, err);
    }
    if (rc == 0) {
        rc = plan_make(graph, &plan, err);
    }
    if (rc == 0) {
        rc = shipped_inputs(plan, t.in);
    }
    if (rc == 0) {
        rc = shipped_run(plan, t.in, t.want);
    }
    plan_free(plan);
    if (rc == 0) {
        t.graph = graph;
        t.large = macs_of(graph) > LARGE_MACS;
        try_tiles(&t);
        try_splits(&t);
        (void)printf("%s: %d rewrites, off by %.2g at most\n", name, t.n,
                     t.worst);
        (void)fflush(stdout);
    }
    shipped_drop(t.in, PORTS);
    shipped_drop(t.want, PORTS);
    graph_free(graph);
    return rc;
}

int main(int argc, char **argv)
{
    return shipped_main(argc, argv, "rewrites", try_model);
}
