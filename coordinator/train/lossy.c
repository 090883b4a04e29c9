/*
 * Which layers of a training are computed as if in tiles or blocks: the layers
 * of the file become names, and the tiles' borders are carried back through
 * each run, so that boards rewrite layer by layer without knowing the rest.
 */
#include "coordinator/train/job.h"

#include "base/mem.h"
#include "coordinator/plan/cut.h"
#include "coordinator/plan/tile_ranges.h"
#include "graph/lossy.h"

#include <string.h>

static int no_memory(struct err *err)
{
    return err_set(err, EDGE_ENOMEM, "out of memory");
}

/* ---- runs of layers ------------------------------------------------------ */

/* The ops of a run, as indices of the model's. */
static int find_run(const struct graph *model, const struct cluster_tiled *from,
                    struct tile *tile, struct err *err)
{
    char *text = mem_printf("%s..%s", from->first, from->last);
    struct cut_layers layers;
    int *order = NULL;
    size_t n = 0;
    int rc = text == NULL ? no_memory(err)
                          : cut_find_layers(model, text, &layers, err);

    if (rc == EDGE_ENOENT) {
        rc = err_set(err, EDGE_ECONFIG,
                     "training.tiles: the model has no layer \"%s\". Names are "
                     "shown by: edgectl model inspect",
                     layers.missing);
    }
    if (rc == 0) {
        rc = cut_order(model, &order, &n, err);
    }
    if (rc == 0) {
        tile->first_op = order[layers.first];
        tile->end_op = order[layers.end - 1] + 1;
    }
    mem_free(order);
    mem_free(text);
    return rc;
}

/* Values that the run makes and others read. */
static void find_outputs(const struct graph *g, const struct tile *tile,
                         bool *is_output)
{
    for (int i = 0; i < (int)g->n_ops; i++) {
        bool inside = i >= tile->first_op && i < tile->end_op;

        for (int k = 0; k < g->ops[i].n_in && !inside; k++) {
            if (g->ops[i].in[k] >= 0) {
                is_output[g->ops[i].in[k]] = true;
            }
        }
    }
    for (size_t i = 0; i < g->n_outputs; i++) {
        is_output[g->outputs[i]] = true;
    }
}

/* ---- a layer ------------------------------------------------------------- */

static Edged__LossyAxis *axis_new(const struct tile_ranges *r, int axis, int in,
                                  int out)
{
    Edged__LossyAxis *a = mem_new(Edged__LossyAxis);
    size_t n = (size_t)r->bands[axis];

    if (a == NULL) {
        return NULL;
    }
    edged__lossy_axis__init(a);
    a->in = mem_array(uint32_t, n + 1);
    a->out = mem_array(uint32_t, n + 1);
    if (a->in == NULL || a->out == NULL) {
        edged__lossy_axis__free_unpacked(a, NULL);
        return NULL;
    }
    a->n_in = a->n_out = n + 1;
    for (size_t i = 0; i < n; i++) {
        a->in[i + 1] = (uint32_t)tile_at(r, axis, in, (int)i).end;
        a->out[i + 1] = (uint32_t)tile_at(r, axis, out, (int)i).end;
    }
    return a;
}

static int add_layer(Edged__Lossy *to, const struct tile_ranges *r,
                     const struct op *op, enum cluster_tiled_halo halo)
{
    static const enum lossy_halo halos[] = {
        [CLUSTER_TILED_LOSSY] = LOSSY_RULE,
        [CLUSTER_TILED_EXACT] = LOSSY_EXACT,
        [CLUSTER_TILED_NONE] = LOSSY_NONE,
    };
    Edged__LossyLayer *layer = mem_new(Edged__LossyLayer);

    if (layer == NULL) {
        return EDGE_ENOMEM;
    }
    edged__lossy_layer__init(layer);
    to->layers[to->n_layers++] = layer;
    layer->value = mem_strdup(r->graph->values[op->out[0]].name);
    layer->halo = halos[halo];
    layer->rows = axis_new(r, 0, op->in[0], op->out[0]);
    layer->columns = axis_new(r, 1, op->in[0], op->out[0]);
    return layer->value != NULL && layer->rows != NULL && layer->columns != NULL
               ? 0
               : EDGE_ENOMEM;
}

/* A window that nothing in the run reads has no place in it. */
static bool is_placed(const struct tile_ranges *r, const struct op *op)
{
    struct tile_window window[2];

    return tile_kind(r->graph, op, window) == TILED_WINDOW &&
           tile_at(r, 0, op->out[0], 0).end > 0;
}

/* Layers of a shard are made in it. */
static bool is_here(const struct graph *shard, const struct graph *model,
                    const struct op *op)
{
    int v = graph_find_value(shard, model->values[op->out[0]].name);

    return v >= 0 && shard->values[v].producer >= 0;
}

static int add_run(Edged__Lossy *to, const struct recipe_ask *ask,
                   const struct graph *shard, const struct cluster_tiled *from,
                   struct err *err)
{
    const struct graph *g = ask->model;
    struct tile tile = {.halo = TILE_NONE,
                        .rows = (int)from->tile.rows,
                        .columns = (int)from->tile.columns};
    struct tile_ranges ranges = {0};
    bool *is_output = mem_array(bool, g->n_values);
    int rc = is_output == NULL ? no_memory(err) : find_run(g, from, &tile, err);

    if (rc == 0) {
        find_outputs(g, &tile, is_output);
        rc = tile_ranges_init(&ranges, g, &tile, is_output, err);
        rc = rc < 0 && rc != EDGE_ENOMEM
                 ? err_wrap(err, EDGE_ECONFIG, "training.tiles: %s..%s",
                            from->first, from->last)
                 : rc;
    }
    for (int i = tile.first_op; i < tile.end_op && rc == 0; i++) {
        if (is_placed(&ranges, &g->ops[i]) && is_here(shard, g, &g->ops[i])) {
            rc = add_layer(to, &ranges, &g->ops[i], from->halo);
            rc = rc < 0 ? no_memory(err) : 0;
        }
    }
    tile_ranges_deinit(&ranges);
    mem_free(is_output);
    return rc;
}

/* No layer is in two runs. */
static int check_once(const Edged__Lossy *lossy, struct err *err)
{
    for (size_t i = 0; i < lossy->n_layers; i++) {
        for (size_t k = 0; k < i; k++) {
            if (strcmp(lossy->layers[i]->value, lossy->layers[k]->value) == 0) {
                return err_set(err, EDGE_ECONFIG,
                               "training.tiles: the layer that makes \"%s\" is "
                               "in two of them",
                               lossy->layers[i]->value);
            }
        }
    }
    return 0;
}

/* ---- dense layers -------------------------------------------------------- */

static int add_products(Edged__Lossy *to, const struct recipe_ask *ask,
                        const struct graph *shard, struct err *err)
{
    const struct cluster_freeze *layers =
        &ask->cluster->training.block_loss.layers;
    const struct graph *g = ask->model;
    size_t n = 0;

    for (size_t i = 0; i < g->n_ops && layers->n_layers > 0; i++) {
        const struct op *op = &g->ops[i];

        if (op->kind != OP_GEMM || !recipe_names(layers, op->name)) {
            continue;
        }
        n++;
        if (!is_here(shard, g, op)) {
            continue;
        }
        to->products[to->n_products] = mem_strdup(g->values[op->out[0]].name);
        if (to->products[to->n_products] == NULL) {
            return no_memory(err);
        }
        to->n_products++;
    }
    return n > 0 || layers->n_layers == 0
               ? 0
               : err_set(err, EDGE_ECONFIG,
                         "training.block_loss names no dense layer (Gemm) of "
                         "the model. They are shown by: edgectl model inspect");
}

/* ---- rules --------------------------------------------------------------- */

static Edged__LossyRule *rule_new(const struct cluster_training *t, bool tiles,
                                  bool blocks)
{
    const struct cluster_tile_loss *loss = &t->tile_loss;
    bool chained = loss->model == CLUSTER_LOSS_MARKOV;
    Edged__LossyRule *rule = mem_new(Edged__LossyRule);

    if (rule == NULL) {
        return NULL;
    }
    edged__lossy_rule__init(rule);
    rule->block_p = blocks ? (float)t->block_loss.p : 0;
    if (!tiles || (loss->p <= 0 && loss->p >= 0)) {
        return rule;
    }
    rule->loss = chained ? TILE_FORM_SIDES : TILE_FORM_ELEMENTS;
    rule->p = loss->p > 0 ? (float)loss->p : 0;
    rule->p11 = (float)(loss->p < 0 ? loss->p11 : 1 - loss->p);
    rule->p22 = (float)(loss->p < 0 ? loss->p22 : loss->p);
    return rule;
}

static int fill(const struct recipe_ask *ask, const struct graph *shard,
                Edged__Lossy *to, struct err *err)
{
    const struct cluster_training *t = &ask->cluster->training;
    int rc = 0;

    to->layers = mem_array(Edged__LossyLayer *, t->n_tiles * ask->model->n_ops);
    to->products = mem_array(char *, ask->model->n_ops);
    to->train = rule_new(t, t->tile_loss.train, t->block_loss.train);
    to->eval = rule_new(t, t->tile_loss.eval, t->block_loss.eval);
    if ((to->layers == NULL && t->n_tiles > 0) || to->products == NULL ||
        to->train == NULL || to->eval == NULL) {
        return no_memory(err);
    }
    to->blocks = t->block_loss.blocks;
    if (t->margin.clip[0] < t->margin.clip[1]) {
        to->levels = (1U << t->margin.bits) - 1;
        to->low = (float)t->margin.clip[0];
        to->high = (float)t->margin.clip[1];
        to->own = t->margin.own != 0;
    }
    for (size_t i = 0; i < t->n_tiles && rc == 0; i++) {
        rc = add_run(to, ask, shard, &t->tiles[i], err);
    }
    rc = rc == 0 ? check_once(to, err) : rc;
    return rc == 0 ? add_products(to, ask, shard, err) : rc;
}

int recipe_lossy(const struct recipe_ask *ask, const struct graph *shard,
                 Edged__Recipe *recipe, struct err *err)
{
    const struct cluster_training *t = &ask->cluster->training;

    if (t->n_tiles == 0 && t->block_loss.layers.n_layers == 0) {
        return 0;
    }
    recipe->lossy = mem_new(Edged__Lossy);
    if (recipe->lossy == NULL) {
        return no_memory(err);
    }
    edged__lossy__init(recipe->lossy);
    return fill(ask, shard, recipe->lossy, err);
}
