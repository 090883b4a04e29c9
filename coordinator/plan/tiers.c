/*
 *   1. inputs   each view has a device; `present` goes last
 *   2. outputs  the first, and those of exits; the others are not made
 *   3. marks    which inputs each op depends on
 *   4. labels   the views' own ops, then backwards from each tier's output
 *   5. copies   what depends on `present` alone, for each tier
 *   6. order    ops by label, and where each stage ends
 */
#include "coordinator/plan/tiers.h"

#include "base/mem.h"
#include "base/suggest.h"
#include "coordinator/plan/cut.h"
#include "coordinator/plan/leaving.h"
#include "coordinator/plan/rewrite_make.h"

#include <string.h>

struct arranging {
    struct graph *graph;
    const struct cluster *cluster;
    struct tiers *tiers;
    struct err *err;
    uint32_t *marks; /* of each value: bit k for view k, bit n_views: present */
};

/* ---- names --------------------------------------------------------------- */

static int view_of(const struct cluster *cluster, const char *input)
{
    for (size_t i = 0; i < cluster->n_views; i++) {
        if (strcmp(cluster->views[i].name, input) == 0) {
            return (int)i;
        }
    }
    return -1;
}

static bool is_present(const struct graph *graph, int value)
{
    return strcmp(graph->values[value].name, TIERS_PRESENT) == 0;
}

/* "; did you mean ...?" of the inputs or outputs. */
static char *near_name(const struct graph *graph, const int *values, size_t n,
                       const char *name)
{
    struct suggest suggest;
    const char *near;

    suggest_init(&suggest, name);
    for (size_t i = 0; i < n; i++) {
        suggest_try(&suggest, graph->values[values[i]].name);
    }
    near = suggest_best(&suggest);
    return near != NULL ? mem_printf("; did you mean \"%.200s\"?", near)
                        : mem_strdup("");
}

static int no_such(const struct arranging *a, const struct config_at *at,
                   const char *what, const int *values, size_t n,
                   const char *name)
{
    char *near = near_name(a->graph, values, n, name);
    int rc = err_set(a->err, EDGE_ECONFIG,
                     "line %u:%u: the model has no %s \"%s\"%s", at->line,
                     at->column, what, name, near != NULL ? near : "");

    mem_free(near);
    return rc;
}

/* ---- 1. inputs ----------------------------------------------------------- */

/* (1, views) of float32. */
static int check_present(const struct arranging *a, int value)
{
    const struct value *v = &a->graph->values[value];
    const struct shape want =
        shape_of(2, (const int64_t[]){1, (int64_t)a->tiers->n_views});
    char text[SHAPE_TEXT];

    if (v->dtype == DTYPE_F32 && shape_equal(&v->shape, &want)) {
        return 0;
    }
    return err_set(a->err, EDGE_ECONFIG,
                   "the input \"" TIERS_PRESENT "\" says which views are "
                   "there: float32 of (N, %zu), not %s %s",
                   a->tiers->n_views, dtype_name(v->dtype),
                   shape_text(&v->shape, text));
}

static int take_inputs(struct arranging *a)
{
    struct graph *g = a->graph;
    int present = -1;
    size_t n = 0;

    for (size_t i = 0; i < g->n_inputs; i++) {
        if (is_present(g, g->inputs[i])) {
            present = g->inputs[i];
        } else if (view_of(a->cluster, g->values[g->inputs[i]].name) < 0) {
            return err_set(a->err, EDGE_ECONFIG,
                           "no device takes the model's input \"%.200s\". Say "
                           "which: views: {%.200s: {on: DEVICE}}",
                           g->values[g->inputs[i]].name,
                           g->values[g->inputs[i]].name);
        } else {
            g->inputs[n++] = g->inputs[i];
        }
    }
    for (size_t i = 0; i < a->cluster->n_views; i++) {
        const struct cluster_view *view = &a->cluster->views[i];
        int value = graph_find_value(g, view->name);

        if (value < 0 || !graph_is_input(g, value) || is_present(g, value)) {
            return no_such(a, &view->at, "input", g->inputs, n, view->name);
        }
    }
    a->tiers->n_views = n;
    a->tiers->has_present = present >= 0;
    if (present >= 0) {
        g->inputs[n] = present;
        return check_present(a, present);
    }
    return 0;
}

/* ---- 2. outputs ---------------------------------------------------------- */

static const struct cluster_exit *exit_at(const struct cluster *cluster,
                                          size_t tier, int *index)
{
    for (size_t i = 0; i < cluster->n_exits; i++) {
        if (strcmp(cluster->exits[i].at, cluster->tiers[tier].name) == 0) {
            *index = (int)i;
            return &cluster->exits[i];
        }
    }
    return NULL;
}

/* What leaves early stands for the last tier's answer. */
static int check_exit(const struct arranging *a,
                      const struct cluster_exit *exit, int value)
{
    const struct value *v = &a->graph->values[value];
    const struct value *first = &a->graph->values[a->graph->outputs[0]];

    if (v == first) {
        return err_set(a->err, EDGE_ECONFIG,
                       "line %u:%u: \"%.200s\" is the model's first output, "
                       "which the last tier answers with",
                       exit->at_output.line, exit->at_output.column, v->name);
    }
    if (!leaving_fits(a->graph, value)) {
        return err_set(a->err, EDGE_ECONFIG,
                       "line %u:%u: \"%.200s\" does not score the same classes "
                       "as the first output, \"%.200s\"",
                       exit->at_output.line, exit->at_output.column, v->name,
                       first->name);
    }
    return 0;
}

static int take_outputs(struct arranging *a)
{
    struct graph *g = a->graph;
    struct tiers *t = a->tiers;
    int kept[LIMIT_PORTS] = {g->outputs[0]};
    size_t n = 1;

    t->n_stages = t->n_views + a->cluster->n_tiers - 1;
    for (size_t s = 0; s < t->n_stages; s++) {
        t->exits[s] = TIERS_NO_EXIT;
        t->outputs[s] = 0;
    }
    for (size_t tier = 1; tier + 1 < a->cluster->n_tiers; tier++) {
        size_t stage = t->n_views + tier - 1;
        const struct cluster_exit *exit =
            exit_at(a->cluster, tier, &t->exits[stage]);
        int value = exit != NULL ? graph_find_value(g, exit->output) : -1;
        int rc;

        if (exit == NULL) {
            return err_set(a->err, EDGE_ECONFIG, "tier \"%s\" has no exit",
                           a->cluster->tiers[tier].name);
        }
        if (value < 0 || !graph_is_output(g, value)) {
            return no_such(a, &exit->at_output, "output", g->outputs,
                           g->n_outputs, exit->output);
        }
        rc = check_exit(a, exit, value);
        if (rc < 0) {
            return rc;
        }
        t->outputs[stage] = (int)n;
        kept[n++] = value;
    }
    memcpy(g->outputs, kept, n * sizeof(kept[0]));
    g->n_outputs = n;
    return graph_compact(g) < 0 ? err_set(a->err, EDGE_ENOMEM, "out of memory")
                                : 0;
}

/* ---- 3. marks ------------------------------------------------------------ */

static uint32_t bit_of_present(const struct arranging *a)
{
    return UINT32_C(1) << a->tiers->n_views;
}

static uint32_t marks_of_op(const struct arranging *a, const struct op *op)
{
    uint32_t marks = 0;

    for (int k = 0; k < op->n_in; k++) {
        marks |= op->in[k] >= 0 ? a->marks[op->in[k]] : 0;
    }
    return marks;
}

static int mark(struct arranging *a)
{
    const struct graph *g = a->graph;

    mem_free(a->marks);
    a->marks = mem_array(uint32_t, g->n_values + 1);
    if (a->marks == NULL) {
        return err_set(a->err, EDGE_ENOMEM, "out of memory");
    }
    for (size_t i = 0; i < g->n_inputs; i++) {
        a->marks[g->inputs[i]] = UINT32_C(1) << i;
    }
    for (size_t i = 0; i < g->n_ops; i++) {
        uint32_t marks = marks_of_op(a, &g->ops[i]);

        for (int k = 0; k < g->ops[i].n_out; k++) {
            if (g->ops[i].out[k] >= 0) {
                a->marks[g->ops[i].out[k]] = marks;
            }
        }
    }
    return 0;
}

/* The view that these marks are of alone, or -1. */
static int alone(const struct arranging *a, uint32_t marks)
{
    for (size_t k = 0; k < a->tiers->n_views; k++) {
        if (marks == UINT32_C(1) << k) {
            return (int)k;
        }
    }
    return -1;
}

/* A view that others read as it is passes its board all the same, for there it
 * is taken. */
static int pass_views(struct arranging *a)
{
    struct maker m = {.graph = a->graph, .err = a->err};
    struct graph *g = a->graph;
    size_t n_ops = g->n_ops;

    for (size_t v = 0; v < a->tiers->n_views; v++) {
        int input = g->inputs[v];
        int pass = -1;

        for (size_t i = 0; i < n_ops; i++) {
            bool is_own = alone(a, marks_of_op(a, &g->ops[i])) == (int)v;

            for (int k = 0; k < g->ops[i].n_in; k++) {
                if (g->ops[i].in[k] != input || is_own) {
                    continue;
                }
                if (pass < 0) {
                    pass = make_done(&m, make_op(&m, OP_IDENTITY,
                                                 g->values[input].name, "view",
                                                 &input, 1, (int)v));
                }
                if (m.rc < 0) {
                    return m.rc;
                }
                g->ops[i].in[k] = pass;
            }
        }
    }
    if (g->n_ops > n_ops && graph_sort(g, a->err) < 0) {
        return EDGE_ENOMEM;
    }
    return g->n_ops > n_ops ? mark(a) : 0;
}

/* ---- 4. labels ----------------------------------------------------------- */

static bool is_of_present(const struct arranging *a, size_t op)
{
    return marks_of_op(a, &a->graph->ops[op]) == bit_of_present(a);
}

/* Backwards from a value: what has no label yet and depends on a view. */
static int claim(struct arranging *a, bool *wanted, int stage)
{
    struct graph *g = a->graph;

    for (size_t i = g->n_ops; i-- > 0;) {
        struct op *op = &g->ops[i];
        bool is_wanted = false;

        for (int k = 0; k < op->n_out; k++) {
            is_wanted = is_wanted || (op->out[k] >= 0 && wanted[op->out[k]]);
        }
        if (!is_wanted || rewrite_part(op) != REWRITE_NO_PART ||
            is_of_present(a, i) || marks_of_op(a, op) == 0) {
            continue;
        }
        if (rewrite_set_part(op, stage) < 0) {
            return EDGE_ENOMEM;
        }
        for (int k = 0; k < op->n_in; k++) {
            if (op->in[k] >= 0) {
                wanted[op->in[k]] = true;
            }
        }
    }
    return 0;
}

static int label(struct arranging *a)
{
    struct graph *g = a->graph;
    bool *wanted = mem_array(bool, g->n_values + 1);
    int rc = wanted == NULL ? EDGE_ENOMEM : 0;

    for (size_t i = 0; i < g->n_ops && rc == 0; i++) {
        int view = alone(a, marks_of_op(a, &g->ops[i]));

        rc = view >= 0 ? rewrite_set_part(&g->ops[i], view) : 0;
    }
    for (size_t s = a->tiers->n_views; s < a->tiers->n_stages && rc == 0; s++) {
        memset(wanted, 0, g->n_values * sizeof(*wanted));
        wanted[g->outputs[a->tiers->outputs[s]]] = true;
        rc = claim(a, wanted, (int)s);
    }
    mem_free(wanted);
    return rc < 0 ? err_set(a->err, rc, "out of memory") : 0;
}

/* ---- 5. copies ----------------------------------------------------------- */

struct copying { /* what depends on `present` alone, for one stage */
    struct arranging *a;
    struct maker maker;
    int stage;
    size_t n_ops;     /* without copies */
    bool *of_present; /* each of those ops */
    bool *wanted;     /* and whether this stage reads it */
    int *copies;      /* by value; -1: none */
    size_t n_values;
};

static void find_wanted(struct copying *c)
{
    const struct graph *g = c->a->graph;

    memset(c->wanted, 0, c->n_ops * sizeof(*c->wanted));
    for (size_t i = c->n_ops; i-- > 0;) {
        bool reads = rewrite_part(&g->ops[i]) == c->stage || c->wanted[i];

        for (int k = 0; k < g->ops[i].n_in && reads; k++) {
            int value = g->ops[i].in[k];
            int producer = value >= 0 ? g->values[value].producer : -1;

            if (producer >= 0 && (size_t)producer < c->n_ops &&
                c->of_present[producer]) {
                c->wanted[producer] = true;
            }
        }
    }
}

static int copy_one(struct copying *c, size_t i)
{
    const struct op *op = &c->a->graph->ops[i];
    int *in = mem_dup(op->in, (size_t)op->n_in * sizeof(*in));
    char suffix[24];
    int value = op->out[0];

    if (in == NULL || op->n_out != 1) {
        mem_free(in);
        return op->n_out == 1
                   ? err_set(c->a->err, EDGE_ENOMEM, "out of memory")
                   : err_set(c->a->err, EDGE_EUNSUPPORTED,
                             "\"%.200s\" makes several values of "
                             "\"" TIERS_PRESENT "\". Use Slice or Gather there",
                             op->name);
    }
    for (int k = 0; k < op->n_in; k++) {
        in[k] = in[k] >= 0 && c->copies[in[k]] >= 0 ? c->copies[in[k]] : in[k];
    }
    (void)snprintf(suffix, sizeof(suffix), "tier%d", c->stage);
    c->copies[value] = make_done(&c->maker, make_copy(&c->maker, (int)i, suffix,
                                                      in, op->n_in, c->stage));
    mem_free(in);
    return c->maker.rc;
}

static void read_copies(struct copying *c)
{
    struct graph *g = c->a->graph;

    for (size_t i = 0; i < c->n_ops; i++) {
        struct op *op = &g->ops[i];
        bool is_here = rewrite_part(op) == c->stage;

        for (int k = 0; k < op->n_in && is_here; k++) {
            if (op->in[k] >= 0 && c->copies[op->in[k]] >= 0) {
                op->in[k] = c->copies[op->in[k]];
            }
        }
    }
}

static int copy_for(struct copying *c)
{
    int rc = 0;

    for (size_t v = 0; v < c->n_values; v++) {
        c->copies[v] = -1;
    }
    find_wanted(c);
    for (size_t i = 0; i < c->n_ops && rc == 0; i++) {
        rc = c->wanted[i] ? copy_one(c, i) : 0;
    }
    if (rc == 0) {
        read_copies(c);
    }
    return rc;
}

/* Each stage reads copies of its own, so the originals go. */
static int copy_present(struct arranging *a)
{
    struct graph *g = a->graph;
    struct copying c = {.a = a,
                        .maker = {.graph = g, .err = a->err},
                        .n_ops = g->n_ops,
                        .n_values = g->n_values};
    int rc = EDGE_ENOMEM;

    c.of_present = mem_array(bool, g->n_ops + 1);
    c.wanted = mem_array(bool, g->n_ops + 1);
    c.copies = mem_array(int, g->n_values + 1);
    if (c.of_present != NULL && c.wanted != NULL && c.copies != NULL) {
        rc = 0;
    } else {
        (void)err_set(a->err, rc, "out of memory");
    }
    for (size_t i = 0; i < g->n_ops && rc == 0; i++) {
        c.of_present[i] = is_of_present(a, i);
    }
    for (size_t s = a->tiers->n_views; s < a->tiers->n_stages && rc == 0; s++) {
        c.stage = (int)s;
        rc = copy_for(&c);
    }
    mem_free(c.of_present);
    mem_free(c.wanted);
    mem_free(c.copies);
    return rc;
}

/* ---- 6. order ------------------------------------------------------------ */

/* By label, and within one as they were; copies come before all others of
 * their stage, for those read them. What has no label depends on constants
 * alone. */
static int order_ops(struct arranging *a, size_t n_old)
{
    struct graph *g = a->graph;
    struct op *ops = mem_array(struct op, g->n_ops + 1);
    size_t n = 0;

    if (ops == NULL) {
        return err_set(a->err, EDGE_ENOMEM, "out of memory");
    }
    for (int s = REWRITE_NO_PART; s < (int)a->tiers->n_stages; s++) {
        for (size_t k = 0; k < g->n_ops; k++) {
            size_t i = (n_old + k) % g->n_ops; /* copies were added last */

            if (rewrite_part(&g->ops[i]) == s) {
                ops[n++] = g->ops[i];
            }
        }
    }
    memcpy(g->ops, ops, n * sizeof(*ops));
    mem_free(ops);
    graph_set_producers(g);
    if (graph_sort(g, a->err) < 0) {
        return EDGE_ENOMEM;
    }
    return graph_compact(g) < 0 ? err_set(a->err, EDGE_ENOMEM, "out of memory")
                                : 0;
}

static int find_ends(struct arranging *a)
{
    struct tiers *t = a->tiers;
    int *order = NULL;
    size_t n = 0;
    int rc = cut_order(a->graph, &order, &n, a->err);
    int end = 0;

    for (size_t s = 0; s < t->n_stages && rc == 0; s++) {
        int first = end;

        while (end < (int)n &&
               rewrite_part(&a->graph->ops[order[end]]) == (int)s) {
            end++;
        }
        t->ends[s] = end;
        if (end > first) {
            continue;
        }
        rc = s < t->n_views
                 ? err_set(a->err, EDGE_ECONFIG,
                           "no answer depends on the input \"%.200s\"",
                           a->graph->values[a->graph->inputs[s]].name)
                 : err_set(a->err, EDGE_ECONFIG,
                           "tier \"%s\" would have nothing to do: what its "
                           "answer needs is computed before it",
                           a->cluster->tiers[s - t->n_views + 1].name);
    }
    mem_free(order);
    return rc;
}

int tiers_arrange(struct graph *graph, const struct cluster *cluster,
                  struct tiers *tiers, struct err *err)
{
    struct arranging a = {
        .graph = graph, .cluster = cluster, .tiers = tiers, .err = err};
    size_t n_ops;
    int rc;

    *tiers = (struct tiers){0};
    rc = take_inputs(&a);
    rc = rc < 0 ? rc : take_outputs(&a);
    rc = rc < 0 ? rc : mark(&a);
    rc = rc < 0 ? rc : pass_views(&a);
    rc = rc < 0 ? rc : label(&a);
    n_ops = graph->n_ops;
    rc = rc < 0 ? rc : copy_present(&a);
    rc = rc < 0 ? rc : order_ops(&a, n_ops);
    rc = rc < 0 ? rc : find_ends(&a);
    for (size_t i = 0; i < graph->n_ops; i++) {
        rewrite_clear_part(&graph->ops[i]);
    }
    mem_free(a.marks);
    return rc;
}
