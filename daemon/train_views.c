/*
 * Samples of several views: a picture of the data set is cut into them, and
 * each board says for itself which are there (docs/decisions/0032).
 */
#include "daemon/train.h"

#include "base/mem.h"
#include "base/rng.h"
#include "image/grid.h"

/* Views that are there: bit k is view k's. */
typedef uint64_t view_set;

bool train_views_ok(const Edged__Shard *shard, const Edged__DataSpec *spec)
{
    bool fine = spec->n_views <= LIMIT_PORTS && spec->columns > 0 &&
                spec->columns <= LIMIT_PORTS && spec->rows > 0 &&
                spec->rows <= LIMIT_PORTS &&
                spec->n_views == (size_t)spec->columns * spec->rows &&
                spec->width >= spec->columns && spec->height >= spec->rows &&
                spec->view_dropout >= 0 && spec->view_dropout < 1;

    if (spec->n_views == 0) {
        return !spec->has_present;
    }
    for (size_t k = 0; fine && k < spec->n_views; k++) {
        fine = spec->views[k] < shard->n_inputs &&
               !(spec->has_present && spec->views[k] == spec->port);
    }
    return fine;
}

bool train_is_data(const Edged__DataSpec *spec, size_t port)
{
    if (!spec->images) {
        return false;
    }
    for (size_t k = 0; k < spec->n_views; k++) {
        if (spec->views[k] == port) {
            return true;
        }
    }
    return spec->port == port && (spec->n_views == 0 || spec->has_present);
}

size_t train_data_ports(const Edged__DataSpec *spec)
{
    if (!spec->images) {
        return 0;
    }
    return spec->n_views > 0 ? spec->n_views + (spec->has_present ? 1 : 0) : 1;
}

/* ---- losses ---------------------------------------------------------------
 */

int train_views_find(const struct train *t, struct train_made *made,
                     struct err *err)
{
    const Edged__Recipe *r = t->recipe;
    uint64_t *reach = NULL;
    int rc =
        r->train->n_views > 0 ? views_find(made->graph, &made->views, err) : 0;

    for (size_t i = 0; i < LIMIT_LOSSES; i++) {
        made->view_of[i] = -1;
    }
    if (rc < 0 || made->views.n == 0) {
        return rc;
    }
    if (views_reach(made->graph, &reach) < 0) {
        return err_set(err, EDGE_ENOMEM, "out of memory");
    }
    for (size_t i = 0; i < r->n_losses; i++) {
        int scores = graph_find_value(made->graph, r->losses[i]->scores);

        made->view_of[i] = views_only(&made->views, reach[scores]);
    }
    mem_free(reach);
    return 0;
}

int train_views_mask(const struct train_made *made, struct graph *graph,
                     size_t loss, const char **scores, struct err *err)
{
    int there = -1;
    int rc;

    if (made->view_of[loss] < 0 || !made->views.has_present) {
        return 0;
    }
    rc = views_mask(graph, &made->views, graph_find_value(graph, *scores),
                    (size_t)made->view_of[loss], &there, err);
    if (rc == 0) {
        *scores = graph->values[there].name;
    }
    return rc;
}

/* ---- samples --------------------------------------------------------------
 */

static bool is_black(const float *view, const Edged__DataSpec *spec, size_t n,
                     size_t channels)
{
    float black[GRID_CHANNELS] = {0};

    for (size_t c = 0; c < channels && c < GRID_CHANNELS; c++) {
        float mean = spec->n_mean == 0
                         ? 0
                         : (float)spec->mean[spec->n_mean == channels ? c : 0];
        float std = spec->n_std == 0
                        ? 1
                        : (float)spec->std[spec->n_std == channels ? c : 0];

        black[c] = (0.0F - mean) / std;
    }
    return channels <= GRID_CHANNELS && grid_is_blank(view, channels, n, black);
}

static view_set all_of(size_t n)
{
    return ((view_set)1 << n) - 1;
}

/* Of those that could be there at least one is. */
static view_set draw(const struct train *t, uint64_t sample, view_set able)
{
    const Edged__DataSpec *spec = t->recipe->train;
    struct rng rng;
    view_set there = able;
    uint64_t kept;
    size_t k = 0;

    if (spec->view_dropout <= 0 || able == 0) {
        return able;
    }
    rng_init(&rng,
             order_key(t->recipe->seed, t->work->pass, sample, ORDER_VIEWS));
    for (size_t i = 0; i < spec->n_views; i++) {
        if (rng_unit(&rng) < spec->view_dropout) {
            there &= ~((view_set)1 << i);
        }
    }
    if (there != 0) {
        return there;
    }
    kept = rng_below(&rng, (uint64_t)__builtin_popcountll(able));
    while ((able >> k & 1) == 0 || kept-- > 0) {
        k++;
    }
    return (view_set)1 << k;
}

static void write_present(float *to, size_t n, view_set there)
{
    for (size_t k = 0; k < n; k++) {
        to[k] = (there >> k & 1) != 0 ? 1.0F : 0.0F;
    }
}

/* One sample's views to their inputs; which of them are there to begin with. */
static view_set cut_one(const struct train *t, struct micro *m, size_t sample,
                        const float *picture)
{
    const Edged__DataSpec *spec = t->recipe->train;
    const struct image_grid grid = {(int)spec->columns, (int)spec->rows};
    const struct shape *shape = &t->made->in[spec->views[0]].shape;
    size_t channels = (size_t)shape->dims[1];
    size_t area = (size_t)(shape->dims[2] * shape->dims[3]);
    view_set able = all_of(spec->n_views);

    for (size_t k = 0; k < spec->n_views; k++) {
        float *to =
            (float *)m->x[spec->views[k]].data + sample * channels * area;

        grid_cut(picture, (int)channels, (int)spec->height, (int)spec->width,
                 &grid, (int)k, to);
        if (spec->blank_absent && is_black(to, spec, area, channels)) {
            able &= ~((view_set)1 << k);
        }
        if ((t->work->absent >> k & 1) != 0 && t->work->is_grey) {
            for (size_t i = 0; i < channels * area; i++) {
                to[i] = 0;
            }
        }
    }
    return able;
}

int train_views_room(const struct train *t, struct micro *m)
{
    const Edged__DataSpec *spec = t->recipe->train;
    int rc = 0;

    for (size_t port = 0; rc == 0 && port < t->shard->n_inputs; port++) {
        struct shape shape = t->made->in[port].shape;

        if (train_is_data(spec, port)) {
            shape.dims[0] = m->samples;
            rc = tensor_init(&m->x[port], DTYPE_F32, &shape);
        }
    }
    return rc;
}

void train_views_fill(const struct train *t, struct micro *m,
                      const float *pictures, size_t count,
                      const uint64_t *samples)
{
    const Edged__DataSpec *spec = t->recipe->train;
    const struct work *w = t->work;

    for (size_t i = 0; i < m->samples; i++) {
        view_set able = cut_one(t, m, i, pictures + i * count);
        view_set there = w->evaluates
                             ? w->is_grey ? able : able & ~(view_set)w->absent
                             : draw(t, samples[i], able);

        if (spec->has_present) {
            write_present((float *)m->x[spec->port].data + i * spec->n_views,
                          spec->n_views, there);
        }
    }
}

bool train_view_is_there(const struct train *t, const struct micro *m,
                         size_t sample, int view)
{
    const Edged__DataSpec *spec = t->recipe->train;
    const float *present = m->x[spec->port].data;

    return view < 0 || !spec->has_present ||
           present[sample * spec->n_views + (size_t)view] > 0;
}
