/*
 * What a recipe says of a model with several views (docs/decisions/0032): which
 * inputs take which part of a picture, and which outputs a sample may leave at.
 */
#include "coordinator/train/job.h"

#include "base/mem.h"
#include "graph/views.h"
#include "tensor/doubt.h"

#include <string.h>

static int check_grid(const struct recipe_ask *ask, size_t n, struct err *err)
{
    const struct cluster_input *input = ask->input;
    size_t cells = (size_t)input->columns * input->rows;

    if (cells == n) {
        return 0;
    }
    return cells == 0
               ? err_set(err, EDGE_ECONFIG,
                         "the model has %zu views, and each sample is one "
                         "picture. Say how it is cut: model.input: {grid: 3x2}",
                         n)
               : err_set(err, EDGE_ECONFIG,
                         "model.input.grid: %ux%u is %zu views, but the model "
                         "has %zu",
                         input->columns, input->rows, cells, n);
}

static int check_size(const struct recipe_ask *ask, const struct views *views,
                      struct err *err)
{
    const struct cluster_input *input = ask->input;
    const struct value *v =
        &ask->model->values[ask->model->inputs[views->inputs[0]]];
    int64_t width = v->shape.dims[3];
    int64_t height = v->shape.dims[2];
    int channels = input->color == CLUSTER_COLOR_GRAY ? 1 : 3;

    if (v->shape.dims[1] != channels) {
        return err_set(err, EDGE_ECONFIG,
                       "model.input.color: pictures have %d channels by it, "
                       "but the model's views %lld. Write color: %s",
                       channels, (long long)v->shape.dims[1],
                       channels == 1 ? "rgb" : "gray");
    }
    return input->width == 0 || (input->width / input->columns == width &&
                                 input->height / input->rows == height)
               ? 0
               : err_set(err, EDGE_ECONFIG,
                         "model.input: a picture of %ux%u in %ux%u views makes "
                         "them %ux%u, but the model takes %lldx%lld",
                         input->width, input->height, input->columns,
                         input->rows, input->width / input->columns,
                         input->height / input->rows, (long long)width,
                         (long long)height);
}

/* All of them are at the first stage, which is the only one. */
static int check_model(const struct recipe_ask *ask,
                       const Edged__Placement *spec, const struct views *views,
                       struct err *err)
{
    if (spec->n_shards > 1) {
        return err_set(err, EDGE_EUNSUPPORTED,
                       "a model with several views is trained whole on each "
                       "board: leave out stages and mode: pipeline");
    }
    return ask->cluster->training.view_dropout > 0 && !views->has_present
               ? err_set(err, EDGE_ECONFIG,
                         "training.view_dropout needs a model that is told "
                         "which views are there, by an input \"" VIEWS_PRESENT
                         "\" of (N, %zu). This one has none",
                         views->n)
               : 0;
}

int recipe_views_check(const struct recipe_ask *ask,
                       const Edged__Placement *spec, struct err *err)
{
    struct views views;
    int rc = views_find(ask->model, &views, err);

    if (rc < 0 || views.n == 0) {
        if (rc == 0 && ask->input->columns > 0) {
            rc = err_set(err, EDGE_ECONFIG,
                         "model.input.grid is for models with several views, "
                         "and this one has a single input");
        }
        return rc;
    }
    rc = check_grid(ask, views.n, err);
    if (rc == 0) {
        rc = check_size(ask, &views, err);
    }
    return rc == 0 ? check_model(ask, spec, &views, err) : rc;
}

/* Places in the model are ports of its only shard. */
int recipe_views(const struct recipe_ask *ask, Edged__DataSpec *spec)
{
    const struct graph *model = ask->model;
    const struct shape *shape;
    struct views views;

    if (views_find(model, &views, NULL) < 0 || views.n == 0) {
        return 0;
    }
    spec->views = mem_array(uint32_t, views.n);
    if (spec->views == NULL) {
        return EDGE_ENOMEM;
    }
    for (size_t k = 0; k < views.n; k++) {
        spec->views[spec->n_views++] = (uint32_t)views.inputs[k];
    }
    shape = &model->values[model->inputs[views.inputs[0]]].shape;
    spec->columns = ask->input->columns;
    spec->rows = ask->input->rows;
    if (ask->input->width == 0) {
        spec->width = (uint32_t)shape->dims[3] * spec->columns;
        spec->height = (uint32_t)shape->dims[2] * spec->rows;
    }
    spec->has_present = views.has_present;
    spec->port = views.has_present ? (uint32_t)views.present : spec->views[0];
    spec->view_dropout = ask->cluster->training.view_dropout;
    spec->blank_absent = ask->input->blank == CLUSTER_BLANK_ABSENT;
    return 0;
}

/* ---- exits ----------------------------------------------------------------
 */

static int add_exit(Edged__Recipe *recipe, size_t loss, enum doubt_kind doubt)
{
    Edged__ExitSpec *to = mem_new(Edged__ExitSpec);

    if (to == NULL) {
        return EDGE_ENOMEM;
    }
    edged__exit_spec__init(to);
    to->loss = (uint32_t)loss;
    to->doubt = doubt;
    recipe->exits[recipe->n_exits++] = to;
    return 0;
}

/* Whether it gathers views: an output of one alone is no exit. */
static bool gathers(const struct views *views, uint64_t reach)
{
    return views->n == 0 || views_only(views, reach) < 0;
}

/* Place of an exit's tier; behind all of them: it is of none. */
static size_t tier_of(const struct cluster *cluster,
                      const struct cluster_exit *exit)
{
    size_t t = 0;

    while (
        t < cluster->n_tiers &&
        (exit->at == NULL || strcmp(cluster->tiers[t].name, exit->at) != 0)) {
        t++;
    }
    return t;
}

/* One that does not say which output it has is the only one there is. */
static int add_written(const struct cluster_exit *exit, Edged__Recipe *recipe)
{
    enum doubt_kind doubt = exit->by_entropy ? DOUBT_ENTROPY : DOUBT_TOP;

    for (size_t i = 1; i < recipe->n_losses; i++) {
        bool is_it = exit->output != NULL
                         ? strcmp(recipe->losses[i]->scores, exit->output) == 0
                         : recipe->n_losses == 2;

        if (is_it && recipe->n_exits < LIMIT_EXITS) {
            return add_exit(recipe, i, doubt);
        }
    }
    return 0;
}

/* In the order of the tiers, whatever that of the outputs: who left at one is
 * not asked at the next. */
static int add_all_written(const struct cluster *cluster, Edged__Recipe *recipe)
{
    int rc = 0;

    for (size_t t = 0; t <= cluster->n_tiers; t++) {
        for (size_t i = 0; i < cluster->n_exits && rc == 0; i++) {
            if (tier_of(cluster, &cluster->exits[i]) == t) {
                rc = add_written(&cluster->exits[i], recipe);
            }
        }
    }
    return rc;
}

static int add_exits(const struct recipe_ask *ask, const struct graph *shard,
                     const struct views *views, const uint64_t *reach,
                     Edged__Recipe *recipe)
{
    int rc = 0;

    if (ask->cluster->n_exits > 0) {
        return add_all_written(ask->cluster, recipe);
    }
    for (size_t i = 1; i < recipe->n_losses && rc == 0; i++) {
        int value = graph_find_value(shard, recipe->losses[i]->scores);

        if (gathers(views, reach[value]) && recipe->n_exits < LIMIT_EXITS) {
            rc = add_exit(recipe, i, DOUBT_ENTROPY);
        }
    }
    return rc;
}

/* Those that the file names, or else all outputs behind the first that more
 * than one view leads to. */
int recipe_exits(const struct recipe_ask *ask, const struct graph *shard,
                 Edged__Recipe *recipe, struct err *err)
{
    struct views views;
    uint64_t *reach = NULL;
    int rc = views_find(shard, &views, err);

    if (rc < 0 || recipe->n_losses < 2) {
        return rc;
    }
    recipe->exits = mem_array(Edged__ExitSpec *, LIMIT_EXITS);
    rc = recipe->exits != NULL ? views_reach(shard, &reach) : EDGE_ENOMEM;
    if (rc == 0) {
        rc = add_exits(ask, shard, &views, reach, recipe);
    }
    mem_free(reach);
    return rc < 0 ? err_set(err, rc, "out of memory") : 0;
}
