/*
 *   1. trunk    what the first output needs, in its order
 *   2. places   `after` as an op; which output each exit has
 *   3. anchors  the op of the trunk that each is behind
 *   4. owners   what an exit needs alone; of several exits, the first
 *   5. order    behind each anchor what its exits need alone
 */
#include "coordinator/plan/leaving.h"

#include "base/mem.h"
#include "base/suggest.h"
#include "coordinator/plan/cut.h"

#include <string.h>

#define NOBODY (-1)
#define TRUNK 0 /* exits from 1 */
#define NOT_SAID (-2)
#define AT_ONCE (-1) /* before all of the trunk */

struct place { /* an exit of the file */
    const struct cluster_exit *from;
    int value;
    int after;  /* position of the op that it was said to be behind */
    int anchor; /* and is */
};

struct arranging {
    struct graph *graph;
    const struct cluster *cluster;
    struct leaving *leaving;
    struct err *err;
    int *order; /* ops by position, of all outputs */
    size_t n;
    int *position; /* of each op; -1: it depends on constants alone */
    int *owner;    /* of each op */
    bool *wanted;  /* scratch: of values */
    struct place places[LIMIT_PORTS];
    size_t n_places;
};

static int no_memory(const struct arranging *a)
{
    return err_set(a->err, EDGE_ENOMEM, "out of memory");
}

/* ---- 1. trunk ------------------------------------------------------------ */

/* Backwards from a value: each op that it needs and `each` has not seen. */
static void walk_back(struct arranging *a, int value,
                      void (*each)(struct arranging *a, size_t op, int *arg),
                      int *arg)
{
    const struct graph *g = a->graph;

    memset(a->wanted, 0, g->n_values * sizeof(*a->wanted));
    a->wanted[value] = true;
    for (size_t i = g->n_ops; i-- > 0;) {
        const struct op *op = &g->ops[i];
        bool is_wanted = false;

        for (int k = 0; k < op->n_out; k++) {
            is_wanted = is_wanted || (op->out[k] >= 0 && a->wanted[op->out[k]]);
        }
        for (int k = 0; is_wanted && k < op->n_in; k++) {
            if (op->in[k] >= 0) {
                a->wanted[op->in[k]] = true;
            }
        }
        if (is_wanted) {
            each(a, i, arg);
        }
    }
}

static void own(struct arranging *a, size_t op, int *arg)
{
    a->owner[op] = a->owner[op] == NOBODY ? *arg : a->owner[op];
}

static int find_trunk(struct arranging *a)
{
    int owner = TRUNK;
    int rc = cut_order(a->graph, &a->order, &a->n, a->err);

    if (rc < 0) {
        return rc;
    }
    a->position = mem_array(int, a->graph->n_ops + 1);
    a->owner = mem_array(int, a->graph->n_ops + 1);
    a->wanted = mem_array(bool, a->graph->n_values + 1);
    if (a->position == NULL || a->owner == NULL || a->wanted == NULL) {
        return no_memory(a);
    }
    for (size_t i = 0; i < a->graph->n_ops; i++) {
        a->position[i] = -1;
        a->owner[i] = NOBODY;
    }
    for (size_t p = 0; p < a->n; p++) {
        a->position[a->order[p]] = (int)p;
    }
    walk_back(a, a->graph->outputs[0], own, &owner);
    return 0;
}

static bool is_trunk(const struct arranging *a, int position)
{
    return a->owner[a->order[position]] == TRUNK;
}

/* ---- 2. places ----------------------------------------------------------- */

static int refuse(const struct arranging *a, const struct config_at *at,
                  const char *what, const char *name, const char *why)
{
    return err_set(a->err, EDGE_ECONFIG, "line %u:%u: %s \"%.200s\"%s",
                   at->line, at->column, what, name, why);
}

static const struct cluster_stage *find_stage(const struct cluster *cluster,
                                              const char *name)
{
    for (size_t i = 0; i < cluster->n_stages; i++) {
        if (strcmp(cluster->stages[i].name, name) == 0) {
            return &cluster->stages[i];
        }
    }
    return NULL;
}

/* Of the last layer of what it names: a stage, or a layer. */
static int find_after(const struct arranging *a, struct place *place)
{
    const struct cluster_exit *exit = place->from;
    const struct cluster_stage *stage = find_stage(a->cluster, exit->after);
    struct cut_layers layers;
    char *text = stage != NULL ? mem_printf("%s..%s", stage->first, stage->last)
                               : mem_strdup(exit->after);
    int rc = text == NULL ? no_memory(a)
                          : cut_find_layers(a->graph, text, &layers, a->err);

    mem_free(text);
    if (rc == EDGE_ENOENT) {
        return refuse(
            a, &exit->at_after, "the model has no layer, and the file no stage",
            layers.missing, ". Names are shown by: edgectl model inspect");
    }
    place->after = rc == 0 ? layers.end - 1 : NOT_SAID;
    return rc < 0 && rc != EDGE_ENOMEM
               ? err_wrap(a->err, EDGE_ECONFIG, "line %u:%u",
                          exit->at_after.line, exit->at_after.column)
               : rc;
}

bool leaving_fits(const struct graph *graph, int value)
{
    const struct value *v = &graph->values[value];
    const struct value *first = &graph->values[graph->outputs[0]];

    return v->dtype == DTYPE_F32 && v->dtype == first->dtype &&
           shape_equal(&v->shape, &first->shape);
}

static void go_deeper(struct arranging *a, size_t op, int *deepest)
{
    if (a->owner[op] == TRUNK && a->position[op] > *deepest) {
        *deepest = a->position[op];
    }
}

/* The last op of the trunk that a value needs. */
static int deepest_of(struct arranging *a, int value)
{
    int deepest = AT_ONCE;

    walk_back(a, value, go_deeper, &deepest);
    return deepest;
}

static bool is_taken(const struct arranging *a, int value)
{
    bool taken = value == a->graph->outputs[0];

    for (size_t i = 0; i < a->n_places; i++) {
        taken = taken || a->places[i].value == value;
    }
    return taken;
}

static int no_output(const struct arranging *a, const struct cluster_exit *exit)
{
    const struct graph *g = a->graph;
    struct suggest suggest;
    const char *near;
    char *why;
    int rc;

    suggest_init(&suggest, exit->output);
    for (size_t i = 1; i < g->n_outputs; i++) {
        suggest_try(&suggest, g->values[g->outputs[i]].name);
    }
    near = suggest_best(&suggest);
    why = near != NULL ? mem_printf("; did you mean \"%.200s\"?", near)
                       : mem_strdup("");
    rc = refuse(a, &exit->at_output, "the model has no output", exit->output,
                why != NULL ? why : "");
    mem_free(why);
    return rc;
}

static int take_named(const struct arranging *a, struct place *place)
{
    const struct cluster_exit *exit = place->from;
    int value = graph_find_value(a->graph, exit->output);

    if (value < 0 || !graph_is_output(a->graph, value)) {
        return no_output(a, exit);
    }
    if (value == a->graph->outputs[0]) {
        return refuse(a, &exit->at_output, "output", exit->output,
                      " is the model's first, the answer of whatever does not "
                      "leave");
    }
    if (!leaving_fits(a->graph, value)) {
        return refuse(a, &exit->at_output, "output", exit->output,
                      " does not score the same classes as the model's first");
    }
    place->value = value;
    return 0;
}

/* The only one that could be meant. */
static int take_fitting(struct arranging *a, struct place *place)
{
    const struct graph *g = a->graph;
    const struct config_at *at = &place->from->at_output;
    int found = -1;

    for (size_t i = 1; i < g->n_outputs; i++) {
        int value = g->outputs[i];

        if (!leaving_fits(g, value) || is_taken(a, value) ||
            (place->after != NOT_SAID && deepest_of(a, value) > place->after)) {
            continue;
        }
        if (found >= 0) {
            return err_set(a->err, EDGE_ECONFIG,
                           "line %u:%u: which output leaves here: \"%.200s\", "
                           "\"%.200s\"? Say \"output\"",
                           at->line, at->column, g->values[found].name,
                           g->values[value].name);
        }
        found = value;
    }
    if (found < 0) {
        return err_set(a->err, EDGE_ECONFIG,
                       "line %u:%u: the model has no further output that could "
                       "leave here: one that scores the classes of its first, "
                       "\"%.200s\", and needs nothing that is computed later",
                       at->line, at->column, g->values[g->outputs[0]].name);
    }
    place->value = found;
    return 0;
}

static int take_places(struct arranging *a)
{
    const struct cluster *cluster = a->cluster;
    int rc = 0;

    if (cluster->n_exits >= LIMIT_PORTS) {
        return err_set(a->err, EDGE_ECONFIG, "%zu exits, at most %d can be",
                       cluster->n_exits, LIMIT_PORTS - 1);
    }
    for (size_t i = 0; i < cluster->n_exits && rc == 0; i++) {
        struct place *place = &a->places[i];

        *place = (struct place){
            .from = &cluster->exits[i], .value = -1, .after = NOT_SAID};
        a->n_places = i + 1;
        rc = place->from->after != NULL ? find_after(a, place) : 0;
        if (rc == 0 && place->from->output != NULL) {
            rc = take_named(a, place);
        }
    }
    for (size_t i = 0; i < a->n_places && rc == 0; i++) {
        rc = a->places[i].value < 0 ? take_fitting(a, &a->places[i]) : 0;
    }
    return rc;
}

/* ---- 3. anchors ---------------------------------------------------------- */

static int last_of_trunk(const struct arranging *a)
{
    int last = (int)a->n - 1;

    while (last > 0 && !is_trunk(a, last)) {
        last--;
    }
    return last;
}

static int find_anchor(struct arranging *a, struct place *place)
{
    const struct cluster_exit *exit = place->from;
    const char *name = a->graph->values[place->value].name;
    int deepest = deepest_of(a, place->value);
    bool is_said = place->after != NOT_SAID && is_trunk(a, place->after);

    place->anchor = is_said ? place->after : deepest;
    if (deepest > place->anchor) {
        return err_set(a->err, EDGE_ECONFIG,
                       "line %u:%u: \"%.200s\" needs \"%.200s\", which is "
                       "computed behind \"%.200s\"",
                       exit->at_after.line, exit->at_after.column, name,
                       a->graph->ops[a->order[deepest]].name, exit->after);
    }
    return place->anchor >= last_of_trunk(a)
               ? refuse(a, &exit->at_after, "an exit for", name,
                        " would spare nothing: all of the model is computed "
                        "before it")
               : 0;
}

/* By anchor; of those behind the same one, as the file has them. */
static void sort_places(struct arranging *a)
{
    for (size_t i = 1; i < a->n_places; i++) {
        struct place place = a->places[i];
        size_t at = i;

        while (at > 0 && a->places[at - 1].anchor > place.anchor) {
            a->places[at] = a->places[at - 1];
            at--;
        }
        a->places[at] = place;
    }
}

static int find_anchors(struct arranging *a)
{
    int rc = 0;

    for (size_t i = 0; i < a->n_places && rc == 0; i++) {
        rc = find_anchor(a, &a->places[i]);
    }
    sort_places(a);
    /* 4. owners */
    for (size_t i = 0; i < a->n_places && rc == 0; i++) {
        int owner = (int)i + 1;

        walk_back(a, a->places[i].value, own, &owner);
    }
    return rc;
}

/* ---- 5. order ------------------------------------------------------------ */

struct ordering {
    struct op *ops;
    size_t n;
    int position; /* of the next op that counts */
};

static void emit(const struct arranging *a, struct ordering *o, size_t op)
{
    o->ops[o->n++] = a->graph->ops[op];
    o->position += a->position[op] >= 0 && a->owner[op] != NOBODY;
}

static void emit_exits(const struct arranging *a, struct ordering *o,
                       int anchor)
{
    for (size_t i = 0; i < a->n_places; i++) {
        struct leaving_exit *exit = &a->leaving->exits[i];

        if (a->places[i].anchor != anchor) {
            continue;
        }
        exit->first = o->position;
        for (size_t k = 0; k < a->n; k++) {
            if (a->owner[a->order[k]] == (int)i + 1) {
                emit(a, o, (size_t)a->order[k]);
            }
        }
        exit->end = o->position;
        exit->output = (int)i + 1;
        exit->of = (size_t)(a->places[i].from - a->cluster->exits);
    }
}

/* What depends on constants alone comes first, what nobody needs last. */
static int order_ops(struct arranging *a)
{
    struct graph *g = a->graph;
    struct ordering o = {.ops = mem_array(struct op, g->n_ops + 1)};

    if (o.ops == NULL) {
        return no_memory(a);
    }
    for (size_t i = 0; i < g->n_ops; i++) {
        if (a->position[i] < 0) {
            emit(a, &o, i);
        }
    }
    emit_exits(a, &o, AT_ONCE);
    for (size_t p = 0; p < a->n; p++) {
        if (is_trunk(a, (int)p)) {
            emit(a, &o, (size_t)a->order[p]);
            emit_exits(a, &o, (int)p);
        }
    }
    for (size_t p = 0; p < a->n; p++) {
        if (a->owner[a->order[p]] == NOBODY) {
            emit(a, &o, (size_t)a->order[p]);
        }
    }
    memcpy(g->ops, o.ops, g->n_ops * sizeof(*o.ops));
    mem_free(o.ops);
    for (size_t i = 0; i < a->n_places; i++) {
        g->outputs[i + 1] = a->places[i].value;
    }
    g->n_outputs = a->n_places + 1;
    a->leaving->n = a->n_places;
    graph_set_producers(g);
    return graph_compact(g) < 0 ? no_memory(a) : 0;
}

int leaving_arrange(struct graph *graph, const struct cluster *cluster,
                    struct leaving *leaving, struct err *err)
{
    struct arranging a = {
        .graph = graph, .cluster = cluster, .leaving = leaving, .err = err};
    int rc;

    *leaving = (struct leaving){.n = 0};
    rc = find_trunk(&a);
    rc = rc < 0 ? rc : take_places(&a);
    rc = rc < 0 ? rc : find_anchors(&a);
    rc = rc < 0 ? rc : order_ops(&a);
    mem_free(a.order);
    mem_free(a.position);
    mem_free(a.owner);
    mem_free(a.wanted);
    return rc;
}
