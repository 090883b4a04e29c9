#include "coordinator/plan/written.h"

#include "coordinator/plan/cut.h"

#include "base/mem.h"

#include <string.h>

static int find_layers(const struct graph *graph,
                       const struct cluster_stage *from,
                       struct cut_layers *layers, struct err *err)
{
    char *text = mem_printf("%s..%s", from->first, from->last);
    int rc = text == NULL ? err_set(err, EDGE_ENOMEM, "out of memory")
                          : cut_find_layers(graph, text, layers, err);

    mem_free(text);
    if (rc == EDGE_ENOENT) {
        return err_set(err, EDGE_ECONFIG,
                       "stage %s: the model has no layer \"%s\". Names are "
                       "shown by: edgectl model inspect",
                       from->name, layers->missing);
    }
    return rc < 0 ? err_wrap(err, EDGE_ECONFIG, "stage %s", from->name) : 0;
}

static int find_device(const struct profile *profile, const char *stage,
                       const char *name, size_t *device, struct err *err)
{
    for (size_t i = 0; i < profile->n_devices; i++) {
        if (strcmp(profile->devices[i].name, name) == 0) {
            *device = i;
            return 0;
        }
    }
    return err_set(err, EDGE_ECONFIG, "stage %s: there is no device \"%s\"",
                   stage, name);
}

static int set_devices(struct choice_stage *stage, const char *name,
                       char *const *names, size_t n,
                       const struct profile *profile, struct err *err)
{
    stage->devices = mem_array(size_t, n);
    if (stage->devices == NULL) {
        return err_set(err, EDGE_ENOMEM, "out of memory");
    }
    for (size_t i = 0; i < n; i++) {
        int rc = find_device(profile, name, names[i], &stage->devices[i], err);

        if (rc < 0) {
            return rc;
        }
    }
    stage->n_devices = n;
    return 0;
}

static int set_stage(struct choice_stage *stage,
                     const struct cluster_stage *from,
                     const struct profile *profile, struct err *err)
{
    stage->rows = 1;
    stage->columns = 1;
    stage->in_factor = 1;
    if (from->split.n_over > 0) {
        stage->kind = PIECES_SPLIT;
        stage->axis = (enum split_axis)from->split.axis;
        stage->columns = from->split.parts > 0 ? (int)from->split.parts
                                               : (int)from->split.n_over;
        return set_devices(stage, from->name, from->split.over,
                           from->split.n_over, profile, err);
    }
    if (from->tile.n_over > 0) {
        stage->kind = PIECES_TILE;
        stage->halo = (enum tile_halo)from->tile.halo;
        stage->rows = (int)from->tile.rows;
        stage->columns = (int)from->tile.columns;
        return set_devices(stage, from->name, from->tile.over,
                           from->tile.n_over, profile, err);
    }
    return set_devices(stage, from->name, from->replicas, from->n_replicas,
                       profile, err);
}

/* By position, as cut.h has them. */
struct ops {
    const struct graph *graph;
    const struct leaving *leaving;
    int *order;
    int n;
};

static bool is_of_exit(const struct ops *ops, int at)
{
    for (size_t i = 0; ops->leaving != NULL && i < ops->leaving->n; i++) {
        if (at >= ops->leaving->exits[i].first &&
            at < ops->leaving->exits[i].end) {
            return true;
        }
    }
    return false;
}

/* Past what a deployment simplifies away and training keeps, so that a layer
 * is named the same for both: it goes with the layer before it. So does what
 * an exit behind that layer needs alone. */
static int skip_simplified(const struct ops *ops, int at, int until)
{
    while (at < until) {
        enum op_kind kind = ops->graph->ops[ops->order[at]].kind;

        if (kind != OP_BATCH_NORM && kind != OP_DROPOUT &&
            !is_of_exit(ops, at)) {
            break;
        }
        at++;
    }
    return at;
}

/* What an exit needs alone is no piece of a stage that is cut: it comes back
 * to where that one ends. */
static int before_exits(const struct ops *ops, int at, int from)
{
    while (at > from && is_of_exit(ops, at - 1)) {
        at--;
    }
    return at;
}

static int is_apart(const struct cluster_stage *from, const char *first,
                    bool before, struct err *err)
{
    return err_set(err, EDGE_ECONFIG,
                   "stage %s starts at layer \"%s\", but the one before it "
                   "ends %s it. Stages follow each other without gaps",
                   from->name, first, before ? "before" : "after");
}

/* Between the end of one and the layer that the next was said to begin with:
 * where it does. */
static int begin(struct choice *choice, size_t i,
                 const struct cluster_stage *from, const struct ops *ops,
                 int first, struct err *err)
{
    struct choice_stage *last = i > 0 ? &choice->stages[i - 1] : NULL;
    int next = last != NULL ? last->end : 0;

    if (last != NULL && first > next) {
        next = skip_simplified(ops, next, first);
    }
    if (first != next) {
        return is_apart(from, from->first, first > next, err);
    }
    if (last != NULL && last->kind != PIECES_WHOLE) {
        next = before_exits(ops, next, last->end);
    }
    if (last != NULL) {
        last->end = next;
    }
    choice->stages[i].first = next;
    return 0;
}

/* Scores are made whole, on one board. */
static int check_exits(const struct choice *choice,
                       const struct cluster *cluster,
                       const struct leaving *leaving, struct err *err)
{
    for (size_t k = 0; leaving != NULL && k < leaving->n; k++) {
        const struct leaving_exit *exit = &leaving->exits[k];

        for (size_t i = 0; i < choice->n_stages; i++) {
            const struct choice_stage *stage = &choice->stages[i];
            bool is_inside =
                exit->end > stage->first &&
                (exit->end < stage->end ||
                 (exit->first < stage->end && exit->first < exit->end));

            if (is_inside && stage->kind != PIECES_WHOLE) {
                const struct config_at *at = &cluster->exits[exit->of].at_after;

                return err_set(err, EDGE_ECONFIG,
                               "line %u:%u: this exit is in stage \"%s\", "
                               "which is %s. Scores are made whole: end that "
                               "stage before the exit, and begin one there "
                               "that is not cut",
                               at->line, at->column, cluster->stages[i].name,
                               stage->kind == PIECES_SPLIT ? "split" : "tiled");
            }
        }
    }
    return 0;
}

static int set_all(struct choice *choice, const struct cluster *cluster,
                   const struct ops *ops, const struct profile *profile,
                   struct err *err)
{
    int next;

    for (size_t i = 0; i < cluster->n_stages; i++) {
        const struct cluster_stage *from = &cluster->stages[i];
        struct cut_layers layers;
        int rc = find_layers(ops->graph, from, &layers, err);

        if (rc == 0) {
            rc = begin(choice, i, from, ops, layers.first, err);
        }
        if (rc < 0) {
            return rc;
        }
        choice->stages[i].end = layers.end;
        choice->n_stages = i + 1;
        rc = set_stage(&choice->stages[i], from, profile, err);
        if (rc < 0) {
            return rc;
        }
    }
    next = choice->stages[cluster->n_stages - 1].end;
    next = skip_simplified(ops, next, ops->n);
    choice->stages[cluster->n_stages - 1].end = next;
    return next == ops->n
               ? check_exits(choice, cluster, ops->leaving, err)
               : err_set(err, EDGE_ECONFIG,
                         "the last stage ends at \"%s\", before the model does",
                         cluster->stages[cluster->n_stages - 1].last);
}

int written_stages(struct choice *choice, const struct cluster *cluster,
                   const struct graph *graph, const struct profile *profile,
                   const struct leaving *leaving, struct err *err)
{
    struct ops ops = {.graph = graph, .leaving = leaving};
    size_t n_ops = 0;
    int rc = cut_order(graph, &ops.order, &n_ops, err);

    if (rc < 0) {
        return rc;
    }
    ops.n = (int)n_ops;
    choice->stages = mem_array(struct choice_stage, cluster->n_stages);
    rc = choice->stages == NULL ? err_set(err, EDGE_ENOMEM, "out of memory")
                                : set_all(choice, cluster, &ops, profile, err);
    mem_free(ops.order);
    if (rc < 0) {
        choice_deinit(choice);
    }
    return rc;
}
