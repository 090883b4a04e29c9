/* Layers that a recipe has in tiles and blocks: checked, and rewritten. */
#include "daemon/train.h"

#include "base/mem.h"
#include "graph/lossy.h"

#include <math.h>
#include <string.h>

#define LAYERS_MAX 4096
#define SIDE_MAX ((uint32_t)1 << 24)
#define LEVELS_MAX 65535
#define BLOCKS_MAX 64

/* ---- what is told -------------------------------------------------------- */

static bool is_part(float p)
{
    return p >= 0 && p <= 1;
}

static bool is_fine_rule(const Edged__LossyRule *r)
{
    return r != NULL && r->loss <= TILE_FORM_SIDES && is_part(r->p) &&
           is_part(r->p11) && is_part(r->p22) && is_part(r->block_p);
}

static bool is_fine_list(const uint32_t *borders, size_t n)
{
    bool fine = n >= 2 && n <= TILE_FORM_BANDS + 1 && borders[0] == 0 &&
                borders[n - 1] <= SIDE_MAX;

    for (size_t i = 1; fine && i < n; i++) {
        fine = borders[i] > borders[i - 1];
    }
    return fine;
}

static bool is_fine_axis(const Edged__LossyAxis *a)
{
    return a != NULL && a->n_in == a->n_out && is_fine_list(a->in, a->n_in) &&
           is_fine_list(a->out, a->n_out);
}

static bool is_fine_name(const char *name)
{
    return name[0] != '\0' && strlen(name) <= LIMIT_GRAPH_NAME;
}

bool train_lossy_ok(const Edged__Lossy *l)
{
    bool fine = l == NULL ||
                (l->n_layers <= LAYERS_MAX && l->n_products <= LAYERS_MAX &&
                 is_fine_rule(l->train) && is_fine_rule(l->eval) &&
                 l->levels <= LEVELS_MAX && l->blocks <= BLOCKS_MAX &&
                 (l->n_products == 0 || l->blocks > 0) && isfinite(l->low) &&
                 isfinite(l->high) && (l->levels == 0 || l->low < l->high));

    for (size_t i = 0; l != NULL && fine && i < l->n_layers; i++) {
        fine = is_fine_name(l->layers[i]->value) &&
               l->layers[i]->halo <= LOSSY_NONE &&
               is_fine_axis(l->layers[i]->rows) &&
               is_fine_axis(l->layers[i]->columns);
    }
    for (size_t i = 0; l != NULL && fine && i < l->n_products; i++) {
        fine = is_fine_name(l->products[i]);
    }
    return fine;
}

/* ---- what is done -------------------------------------------------------- */

static void take_axis(const Edged__LossyAxis *from, struct lossy_axis *to)
{
    to->bands = (int)from->n_in - 1;
    for (size_t i = 0; i < from->n_in; i++) {
        to->in[i] = from->in[i];
        to->out[i] = from->out[i];
    }
}

static struct lossy_rule rule_of(const Edged__LossyRule *r)
{
    return (struct lossy_rule){.loss = (enum tile_form_loss)r->loss,
                               .p = r->p,
                               .p11 = r->p11,
                               .p22 = r->p22,
                               .block_p = r->block_p};
}

int train_lossy(const Edged__Lossy *from, bool evaluates, struct graph *graph,
                struct err *err)
{
    struct lossy_layer *layers;
    struct lossy lossy;
    int rc;

    if (from == NULL) {
        return 0;
    }
    layers = mem_array(struct lossy_layer, from->n_layers + 1);
    if (layers == NULL) {
        return err_set(err, EDGE_ENOMEM, "out of memory");
    }
    for (size_t i = 0; i < from->n_layers; i++) {
        layers[i].value = from->layers[i]->value;
        layers[i].halo = (enum lossy_halo)from->layers[i]->halo;
        take_axis(from->layers[i]->rows, &layers[i].axis[0]);
        take_axis(from->layers[i]->columns, &layers[i].axis[1]);
    }
    lossy = (struct lossy){
        .layers = layers,
        .n_layers = from->n_layers,
        .products = (const char *const *)from->products,
        .n_products = from->n_products,
        .blocks = from->blocks,
        .rule = rule_of(evaluates ? from->eval : from->train),
        .levels = from->levels,
        .low = from->low,
        .high = from->high,
        .own = from->own,
    };
    rc = lossy_rewrite(graph, &lossy, err);
    mem_free(layers);
    return rc;
}

bool train_lossy_evaluates(const Edged__Lossy *from)
{
    return from != NULL &&
           (from->eval->loss > TILE_FORM_NONE || from->eval->block_p > 0);
}
