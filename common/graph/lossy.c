#include "graph/lossy.h"

#include "graph/grad_rule.h"
#include "graph/infer.h"
#include "graph/window.h"

#include <float.h>
#include <math.h>

#define SEEDS "lossy/seeds"

struct rewrite {
    struct graph *graph;
    const struct lossy *lossy;
    struct err *err;
};

static int no_memory(struct err *err)
{
    return err_set(err, EDGE_ENOMEM, "%s", err_text(EDGE_ENOMEM));
}

static int cannot(const struct rewrite *w, const struct op *op, const char *why)
{
    return err_set(w->err, EDGE_EUNSUPPORTED,
                   "%s \"%.200s\" cannot be in tiles or blocks: %s",
                   op_info(op->kind)->name, op->name, why);
}

/* An op without a name of its own that makes a new value; its index, or a
 * negative code. *value is what it makes. */
static int add_op(struct rewrite *w, enum op_kind kind, const int *in, int n_in,
                  int *value)
{
    int out = graph_add_value(w->graph, NULL);
    int op =
        out < 0 ? out : graph_add_op(w->graph, kind, NULL, in, n_in, &out, 1);

    *value = out;
    return op < 0 ? err_set(w->err, op, "tiles: %s", err_text(op)) : op;
}

/* ---- where tiles begin and end ------------------------------------------- */

static void place_axis(const struct lossy_axis *a, const struct window *win,
                       int axis, struct tile_form_axis *to)
{
    int64_t wide = (win->kernel[axis] - 1) * win->dilation[axis] + 1;
    int64_t most = 0;

    *to = (struct tile_form_axis){.bands = a->bands};
    for (int i = 0; i <= a->bands; i++) {
        to->border[i] = a->in[i];
    }
    for (int i = 0; i < a->bands; i++) {
        int64_t n = a->out[i + 1] - a->out[i];

        to->from[i] = a->out[i] * win->stride[axis] - win->pad_begin[axis];
        most = n > most ? n : most;
        if (i > 0 && a->in[i] - to->from[i] > to->reach) {
            to->reach = a->in[i] - to->from[i];
        }
        if (i + 1 < a->bands) {
            int64_t end =
                to->from[i] + (n - 1) * win->stride[axis] + wide - a->in[i + 1];

            to->reach = end > to->reach ? end : to->reach;
        }
    }
    to->length = (most - 1) * win->stride[axis] + wide;
}

static struct tile_form form_of(const struct rewrite *w,
                                const struct lossy_layer *layer,
                                const struct op *op, const struct window *win)
{
    const struct lossy_rule *r = &w->lossy->rule;
    struct tile_form f = {
        .loss = layer->halo == LOSSY_EXACT  ? TILE_FORM_EXACT
                : layer->halo == LOSSY_NONE ? TILE_FORM_NONE
                                            : r->loss,
        .p = r->p,
        .p11 = r->p11,
        .p22 = r->p22,
        .salt = grad_salt(layer->value),
        .pad = op->kind == OP_MAX_POOL ? -FLT_MAX : 0,
        .levels = layer->halo == LOSSY_RULE ? w->lossy->levels : 0,
        .low = w->lossy->low,
        .high = w->lossy->high,
        .own = w->lossy->own,
    };

    for (int a = 0; a < 2; a++) {
        place_axis(&layer->axis[a], win, a, &f.axis[a]);
    }
    return f;
}

/* Its tiles read nothing of each other, or all of it as it is. */
static bool changes_nothing(const struct tile_form *f)
{
    return (f->axis[0].reach == 0 && f->axis[1].reach == 0) ||
           (f->loss == TILE_FORM_EXACT && f->levels == 0);
}

/* How outputs lie beside each other: each tile has its own and nothing else. */
static struct tile_form join_form(const struct lossy_layer *layer)
{
    struct tile_form f = {.loss = TILE_FORM_NONE};

    for (int a = 0; a < 2; a++) {
        const struct lossy_axis *from = &layer->axis[a];
        struct tile_form_axis *to = &f.axis[a];

        to->bands = from->bands;
        for (int i = 0; i <= from->bands; i++) {
            to->border[i] = from->out[i];
        }
        for (int i = 0; i < from->bands; i++) {
            int64_t n = from->out[i + 1] - from->out[i];

            to->from[i] = from->out[i];
            to->length = n > to->length ? n : to->length;
        }
    }
    return f;
}

/* ---- the op over tiles --------------------------------------------------- */

/* (out, in, height, width) as (out, in, 1, height, width). */
static int deepen_weights(struct rewrite *w, int weights)
{
    const struct shape *s = &w->graph->values[weights].shape;
    const int64_t dims[] = {s->dims[0], s->dims[1], 1, s->dims[2], s->dims[3]};
    const struct shape five = {1, {5}};
    struct tensor t = {0};
    int in[2] = {weights, -1};
    int value = -1;
    int op;

    if (tensor_copy(&t, DTYPE_I64, &five, dims) < 0) {
        return no_memory(w->err);
    }
    in[1] = graph_add_const(w->graph, NULL, &t);
    tensor_deinit(&t);
    if (in[1] < 0) {
        return err_set(w->err, in[1], "tiles: %s", err_text(in[1]));
    }
    op = add_op(w, OP_RESHAPE, in, 2, &value);
    return op < 0 ? op : value;
}

static int set_window(struct op *op, const struct window *win, int64_t group)
{
    const int64_t kernel[] = {1, win->kernel[0], win->kernel[1]};
    const int64_t stride[] = {1, win->stride[0], win->stride[1]};
    const int64_t dilation[] = {1, win->dilation[0], win->dilation[1]};
    const int64_t pads[6] = {0};
    int rc = op_set_ints(op, "kernel_shape", kernel, 3);

    rc = rc == 0 ? op_set_ints(op, "strides", stride, 3) : rc;
    rc = rc == 0 ? op_set_ints(op, "pads", pads, 6) : rc;
    rc = rc == 0 && op->kind != OP_AVERAGE_POOL
             ? op_set_ints(op, "dilations", dilation, 3)
             : rc;
    return rc == 0 && op->kind == OP_CONV ? op_set_int(op, "group", group) : rc;
}

/* What `old` makes, made by tiles. */
static int over_tiles(struct rewrite *w, int old, const struct window *win,
                      const struct tile_form *cut, const struct tile_form *join)
{
    struct graph *g = w->graph;
    enum op_kind kind = g->ops[old].kind;
    int64_t group = op_int(&g->ops[old], "group", 1);
    int y = g->ops[old].out[0];
    int in[3] = {g->ops[old].in[0], -1, -1};
    int n_in = g->ops[old].n_in;
    int bias = n_in > 2 ? g->ops[old].in[2] : -1;
    int value;
    int op = add_op(w, OP_TILE_CUT, in, 2, &value);
    int rc = op < 0 ? op : tile_form_set(&g->ops[op], cut);

    in[0] = value;
    in[2] = bias;
    if (rc == 0 && kind == OP_CONV) {
        in[1] = deepen_weights(w, g->ops[old].in[1]);
        rc = in[1] < 0 ? in[1] : 0;
    }
    if (rc == 0) {
        op = add_op(w, kind, in, n_in, &value);
        rc = op < 0 ? op : set_window(&g->ops[op], win, group);
    }
    if (rc == 0) {
        in[0] = value;
        in[1] = in[2] = -1;
        op = add_op(w, OP_TILE_JOIN, in, 3, &value);
        rc = op < 0 ? op : tile_form_set(&g->ops[op], join);
    }
    if (rc == 0) {
        graph_move_output(g, value, y);
    }
    return rc;
}

/* Padding that an AveragePool does not count, it would in a tile; and so of
 * what a last window of ceil_mode lacks. */
static bool counts_right(const struct graph *g, const struct op *op,
                         const struct window *win)
{
    const struct shape *x = &g->values[op->in[0]].shape;

    for (int a = 0; a < 2 && op->kind == OP_AVERAGE_POOL; a++) {
        int64_t end = (win->out[a] - 1) * win->stride[a] +
                      (win->kernel[a] - 1) * win->dilation[a] + 1;

        if (win->pad_begin[a] != 0 || win->pad_end[a] != 0 ||
            end > x->dims[2 + a]) {
            return false;
        }
    }
    return true;
}

static bool fits(const struct graph *g, const struct op *op,
                 const struct lossy_layer *layer, const struct window *win)
{
    const struct shape *x = &g->values[op->in[0]].shape;

    for (int a = 0; a < 2; a++) {
        const struct lossy_axis *l = &layer->axis[a];

        if (l->bands < 1 || l->bands > TILE_FORM_BANDS || l->in[0] != 0 ||
            l->out[0] != 0 || l->in[l->bands] != x->dims[2 + a] ||
            l->out[l->bands] != win->out[a]) {
            return false;
        }
        for (int i = 0; i < l->bands; i++) {
            if (l->in[i] >= l->in[i + 1] || l->out[i] >= l->out[i + 1]) {
                return false;
            }
        }
    }
    return true;
}

static int tile_layer(struct rewrite *w, const struct lossy_layer *layer)
{
    int value = graph_find_value(w->graph, layer->value);
    int at = value >= 0 ? w->graph->values[value].producer : -1;
    const struct op *op = at >= 0 ? &w->graph->ops[at] : NULL;
    struct window win;
    struct tile_form cut;
    struct tile_form join;
    int rc;

    if (op == NULL) {
        return 0;
    }
    if ((op->kind != OP_CONV && op->kind != OP_MAX_POOL &&
         op->kind != OP_AVERAGE_POOL) ||
        op->n_out != 1 || w->graph->values[op->in[0]].shape.rank != 4) {
        return cannot(w, op, "it is no window over a map");
    }
    rc = window_of(w->graph, op, &win, w->err);
    if (rc < 0) {
        return rc;
    }
    if (!fits(w->graph, op, layer, &win)) {
        return cannot(w, op, "its map is not that of the tiles");
    }
    cut = form_of(w, layer, op, &win);
    if (changes_nothing(&cut)) {
        return 0;
    }
    if (!counts_right(w->graph, op, &win)) {
        return cannot(w, op, "tiles cannot leave its padding out of the mean");
    }
    join = join_form(layer);
    return over_tiles(w, at, &win, &cut, &join);
}

/* ---- blocks -------------------------------------------------------------- */

static bool is_one(float x)
{
    return fabsf(x - 1) <= 0;
}

static int block_layer(struct rewrite *w, const char *name)
{
    struct graph *g = w->graph;
    int y = graph_find_value(g, name);
    int at = y >= 0 ? g->values[y].producer : -1;
    const struct op *op = at >= 0 ? &g->ops[at] : NULL;
    int in[4] = {-1, -1, -1, -1};
    int value;
    int64_t turned;
    int made;
    int rc;

    if (op == NULL) {
        return 0;
    }
    if (op->kind != OP_GEMM || op_int(op, "transA", 0) != 0 ||
        !is_one(op_float(op, "alpha", 1)) || !is_one(op_float(op, "beta", 1)) ||
        (op->n_in > 2 && op->in[2] >= 0 &&
         g->values[op->in[2]].shape.rank != 1)) {
        return cannot(w, op, "it is no plain dense layer");
    }
    for (int i = 0; i < op->n_in; i++) {
        in[i] = op->in[i];
    }
    turned = op_int(op, "transB", 0);
    made = add_op(w, OP_BLOCK_GEMM, in, 4, &value);
    if (made < 0) {
        return made;
    }
    rc = op_set_int(&g->ops[made], "transB", turned);
    rc = rc == 0 ? op_set_int(&g->ops[made], "blocks", w->lossy->blocks) : rc;
    rc =
        rc == 0 ? op_set_float(&g->ops[made], "p", w->lossy->rule.block_p) : rc;
    rc = rc == 0 ? op_set_int(&g->ops[made], "salt", grad_salt(name)) : rc;
    if (rc == 0) {
        graph_move_output(g, value, y);
    }
    return rc < 0 ? no_memory(w->err) : 0;
}

/* ---- all of it ----------------------------------------------------------- */

int lossy_rewrite(struct graph *graph, const struct lossy *lossy,
                  struct err *err)
{
    struct rewrite w = {graph, lossy, err};
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < lossy->n_layers; i++) {
        rc = tile_layer(&w, &lossy->layers[i]);
    }
    for (size_t i = 0;
         rc == 0 && lossy->rule.block_p > 0 && i < lossy->n_products; i++) {
        rc = block_layer(&w, lossy->products[i]);
    }
    if (rc == 0 && graph_compact(graph) < 0) {
        rc = no_memory(err);
    }
    rc = rc == 0 ? graph_sort(graph, err) : rc;
    return rc == 0 ? infer_graph(graph, err) : rc;
}

static int seeds_input(const struct op *op)
{
    struct tile_form form;

    if (op->kind == OP_BLOCK_GEMM && op_float(op, "p", 0) > 0) {
        return 3;
    }
    return op->kind == OP_TILE_CUT && tile_form_get(op, &form, NULL) == 0 &&
                   tile_form_is_random(&form)
               ? 1
               : -1;
}

int lossy_add_seeds(struct graph *graph, bool *has_seeds, struct err *err)
{
    int seeds = -1;

    for (size_t i = 0; i < graph->n_ops; i++) {
        struct op *op = &graph->ops[i];
        int input = seeds_input(op);
        int64_t samples;

        if (input < 0) {
            continue;
        }
        samples = graph->values[op->in[0]].shape.dims[0];
        if (seeds < 0) {
            seeds = graph_add_value(graph, SEEDS);
            if (seeds < 0 || graph_add_input(graph, seeds) < 0) {
                return err_set(err, EDGE_ENOMEM, "\"" SEEDS "\": %s",
                               err_text(EDGE_ENOMEM));
            }
            graph->values[seeds].dtype = DTYPE_I64;
            graph->values[seeds].has_shape = true;
            graph->values[seeds].shape = shape_of(1, &samples);
        }
        op->in[input] = seeds;
    }
    *has_seeds = seeds >= 0;
    return 0;
}
