/*
 * Ranges of positions cut into tiles: which rows and columns each tile makes
 * and reads (tile_ranges.h has the rules), hence its share of each op, what it
 * takes in, and what it lacks. One walk from the end backward finds it for
 * every beginning.
 */
#include "coordinator/plan/cost.h"

#include "base/mem.h"
#include "coordinator/plan/rewrite_make.h"

#include <string.h>

struct walk {
    struct cost_tiler *tiler;
    const struct cost_model *model;
    const struct cost_shape *shape;
    size_t board;
    int end;
    int bands[2];
    size_t n_tiles;
    double tile_s[REWRITE_PIECES_MAX];
    double arena;
    double out_bytes;
    double out_most;
    int out_values;
    double inner_bytes;
    double inner_most;
    int exchanges;
};

static struct range *band_of(struct range *const at[2], int axis, int value,
                             int band)
{
    return at[axis] + (size_t)value * REWRITE_PIECES_MAX + band;
}

static bool is_set(const struct range *range)
{
    return range->end > range->begin;
}

static int64_t length(const struct range *range)
{
    return range->end - range->begin;
}

static void touch(struct cost_tiler *t, int value)
{
    for (int axis = 0; axis < 2; axis++) {
        if (is_set(band_of(t->own, axis, value, 0)) ||
            is_set(band_of(t->need, axis, value, 0))) {
            return;
        }
    }
    t->touched[t->n_touched++] = value;
    t->open[t->n_open++] = value;
}

/* It is made by what was just passed: nothing before reads it. */
static void close_value(struct cost_tiler *t, int value)
{
    size_t n = 0;

    for (size_t i = 0; i < t->n_open; i++) {
        if (t->open[i] != value) {
            t->open[n++] = t->open[i];
        }
    }
    t->n_open = n;
}

static double bytes_of(const struct walk *w, int value)
{
    return w->tiler->bytes[value];
}

static void unite(struct range *to, struct range more)
{
    if (!is_set(to)) {
        *to = more;
        return;
    }
    to->begin = more.begin < to->begin ? more.begin : to->begin;
    to->end = more.end > to->end ? more.end : to->end;
}

/* ---- one op -------------------------------------------------------------- */

/* What leaves is shared out evenly. */
static bool share_output(struct walk *w, int value)
{
    double bytes = bytes_of(w, value);
    double most = bytes;

    for (int axis = 0; axis < 2; axis++) {
        int64_t extent = tile_extent(w->model->graph, value, axis);
        double share[REWRITE_PIECES_MAX] = {0};
        int64_t ends[REWRITE_PIECES_MAX];
        int64_t longest = 0;

        if (!make_shares(extent, 1, share, w->bands[axis], ends)) {
            return false;
        }
        for (int i = 0; i < w->bands[axis]; i++) {
            struct range out = {i > 0 ? ends[i - 1] : 0, ends[i]};
            struct range *own = band_of(w->tiler->own, axis, value, i);

            if (w->shape->halo == TILE_RECOMPUTE) {
                unite(own, out);
            } else {
                *own = out;
            }
            longest = length(&out) > longest ? length(&out) : longest;
        }
        most *= (double)longest / (double)extent;
    }
    w->out_bytes += bytes;
    w->out_most += most;
    w->out_values++;
    return true;
}

static bool read_operand(struct walk *w, int value,
                         const struct tile_window *window, int axis, int out)
{
    struct cost_tiler *t = w->tiler;
    int64_t extent = tile_extent(w->model->graph, value, axis);
    bool is_owned = is_set(band_of(t->own, axis, value, 0));

    for (int i = 0; i < w->bands[axis]; i++) {
        struct range made = *band_of(t->own, axis, out, i);
        struct range needs = tile_needs(window, made);
        struct range *own = band_of(t->own, axis, value, i);

        needs.begin = needs.begin < 0 ? 0 : needs.begin;
        needs.end = needs.end > extent ? extent : needs.end;
        if (!is_set(&needs)) {
            return false;
        }
        if (w->shape->halo == TILE_RECOMPUTE) {
            unite(own, needs);
            continue;
        }
        if (!is_owned) {
            own->begin = i == 0 ? 0 : tile_border(window, made.begin, extent);
            own->end = i + 1 == w->bands[axis]
                           ? extent
                           : tile_border(window, made.end, extent);
        }
        unite(band_of(t->need, axis, value, i),
              w->shape->halo == TILE_NONE ? *own : needs);
        if (!is_set(own)) {
            return false;
        }
    }
    return true;
}

/* Bytes of a value for each place in a row of it. */
static double bytes_each(const struct walk *w, int value)
{
    return bytes_of(w, value) / (double)tile_extent(w->model->graph, value, 0) /
           (double)tile_extent(w->model->graph, value, 1);
}

/* What the tiles lack of a value that others of them made. */
static void note_halo(struct walk *w, int value)
{
    struct cost_tiler *t = w->tiler;
    double each = bytes_each(w, value);
    double own[2][REWRITE_PIECES_MAX];
    double all[2][REWRITE_PIECES_MAX];
    double sum = 0;
    double most = 0;

    for (int axis = 0; axis < 2; axis++) {
        for (int i = 0; i < w->bands[axis]; i++) {
            struct range both = *band_of(t->own, axis, value, i);

            own[axis][i] = (double)length(&both);
            unite(&both, *band_of(t->need, axis, value, i));
            all[axis][i] = (double)length(&both);
        }
    }
    for (int i = 0; i < w->bands[0]; i++) {
        for (int k = 0; k < w->bands[1]; k++) {
            double lacks =
                (all[0][i] * all[1][k] - own[0][i] * own[1][k]) * each;

            sum += lacks;
            most = lacks > most ? lacks : most;
        }
    }
    t->halo[value] = sum;
    t->halo_most[value] = most;
}

/* A tile's share of an op is its share of the rows and columns made. */
static void add_seconds(struct walk *w, int position, int out)
{
    double s = cost_op_seconds(w->model, w->board, position);
    double share[2][REWRITE_PIECES_MAX];
    double longest[2] = {0, 0};
    double arena;

    for (int axis = 0; axis < 2; axis++) {
        double extent = (double)tile_extent(w->model->graph, out, axis);

        for (int i = 0; i < w->bands[axis]; i++) {
            share[axis][i] =
                (double)length(band_of(w->tiler->own, axis, out, i)) / extent;
            longest[axis] =
                share[axis][i] > longest[axis] ? share[axis][i] : longest[axis];
        }
    }
    for (int i = 0; s > 0 && i < w->bands[0]; i++) {
        for (int k = 0; k < w->bands[1]; k++) {
            w->tile_s[i * w->bands[1] + k] += s * share[0][i] * share[1][k];
        }
    }
    arena = w->model->ops[position].live_bytes * longest[0] * longest[1];
    w->arena = arena > w->arena ? arena : w->arena;
}

static bool pass_op(struct walk *w, int position)
{
    const struct cost_op *cost = &w->model->ops[position];
    const struct graph *graph = w->model->graph;
    const struct op *op = &graph->ops[w->model->scan.ops[position]];
    int out = op->out[0];

    if (cost->tiled == TILED_NOT) {
        return false;
    }
    touch(w->tiler, out);
    if (w->model->scan.read[out] >= w->end && !share_output(w, out)) {
        return false;
    }
    close_value(w->tiler, out);
    if (!is_set(band_of(w->tiler->own, 0, out, 0))) {
        return true; /* nothing reads it */
    }
    if (w->shape->halo == TILE_EXCHANGE && w->tiler->halo[out] > 0) {
        w->inner_bytes += w->tiler->halo[out];
        w->inner_most += w->tiler->halo_most[out];
        w->exchanges++;
    }
    add_seconds(w, position, out);
    for (int k = 0; k < op->n_in; k++) {
        if (!tile_is_cut(graph, op, k)) {
            continue;
        }
        touch(w->tiler, op->in[k]);
        for (int axis = 0; axis < 2; axis++) {
            if (!read_operand(w, op->in[k], &cost->window[axis], axis, out)) {
                return false;
            }
        }
        if (w->shape->halo == TILE_EXCHANGE) {
            note_halo(w, op->in[k]);
        }
    }
    return true;
}

/* ---- a beginning --------------------------------------------------------- */

static void add_input(const struct walk *w, int value, struct cost_part *part)
{
    double each = bytes_each(w, value);
    double side[2][REWRITE_PIECES_MAX];
    double most = 0;

    for (int axis = 0; axis < 2; axis++) {
        for (int i = 0; i < w->bands[axis]; i++) {
            const struct range *own = band_of(w->tiler->own, axis, value, i);
            const struct range *need = band_of(w->tiler->need, axis, value, i);

            /* An input comes with its borders. */
            side[axis][i] = (double)length(
                w->shape->halo == TILE_EXCHANGE && is_set(need) ? need : own);
        }
    }
    for (int i = 0; i < w->bands[0]; i++) {
        for (int k = 0; k < w->bands[1]; k++) {
            double size = each * side[0][i] * side[1][k];

            part->in_bytes += size;
            most = size > most ? size : most;
        }
    }
    part->in_most += most;
    part->in_values++;
}

/* Of a tile in the middle: along the rows, the columns, and at the corners. */
static int neighbours(const struct walk *w)
{
    int rows = w->bands[0] > 2 ? 2 : w->bands[0] - 1;
    int columns = w->bands[1] > 2 ? 2 : w->bands[1] - 1;

    return (rows + 1) * (columns + 1) - 1;
}

static double join_seconds(const struct walk *w, double bytes)
{
    return 2 * bytes / w->model->profile->boards[w->board].bytes_per_s;
}

static void note(const struct walk *w, int first, struct cost_part *part)
{
    const struct cost_model *m = w->model;

    *part = (struct cost_part){.first = first,
                               .end = w->end,
                               .shape = *w->shape,
                               .k = w->n_tiles,
                               .levels = w->exchanges + 1,
                               .out_bytes = w->out_bytes,
                               .out_most = w->out_most,
                               .out_values = w->out_values,
                               .inner_bytes = w->inner_bytes,
                               .inner_most = w->inner_most,
                               .inner_values = w->exchanges * neighbours(w),
                               .weight_bytes =
                                   m->weights[w->end] - m->weights[first],
                               .arena_bytes = w->arena};
    for (size_t i = 0; i < w->n_tiles; i++) {
        if (w->tile_s[i] > part->compute_s) {
            part->compute_s = w->tile_s[i];
        }
    }
    for (size_t i = 0; i < w->tiler->n_open; i++) {
        if (m->scan.made[w->tiler->open[i]] <= first) {
            add_input(w, w->tiler->open[i], part);
        }
    }
    part->pass_bytes = m->cross_bytes[w->end] - part->out_bytes;
    part->scatter_s = join_seconds(w, part->in_bytes);
    part->join_s = join_seconds(w, part->out_bytes);
}

/* One shard slices for all of them, and one joins (LIMIT_PORTS). */
static bool fits_ports(const struct walk *w, const struct cost_part *part)
{
    int passing = w->model->cross_values[w->end] - part->out_values;
    int k = (int)part->k;

    return part->in_values > 0 &&
           part->in_values * k + passing <= LIMIT_PORTS &&
           part->out_values * k + passing <= LIMIT_PORTS &&
           (part->levels == 1 || 2 * neighbours(w) + 1 <= LIMIT_PORTS);
}

static void forget(struct cost_tiler *t, const int bands[2])
{
    for (size_t i = 0; i < t->n_touched; i++) {
        size_t value = (size_t)t->touched[i];

        for (int axis = 0; axis < 2; axis++) {
            size_t n = (size_t)bands[axis] * sizeof(struct range);

            memset(t->own[axis] + value * REWRITE_PIECES_MAX, 0, n);
            memset(t->need[axis] + value * REWRITE_PIECES_MAX, 0, n);
        }
        t->halo[value] = t->halo_most[value] = 0;
    }
    t->n_touched = t->n_open = 0;
}

void cost_tiles(struct cost_tiler *tiler, size_t board,
                const struct cost_shape *shape, const int *firsts, size_t n,
                int end, struct cost_part *parts, size_t *from)
{
    struct walk w = {.tiler = tiler,
                     .model = tiler->model,
                     .shape = shape,
                     .board = board,
                     .end = end,
                     .bands = {shape->rows, shape->columns},
                     .n_tiles = (size_t)shape->rows * (size_t)shape->columns};

    *from = n;
    for (int p = end; p-- > 0 && *from > 0;) {
        if (!pass_op(&w, p)) {
            break;
        }
        if (firsts[*from - 1] == p) {
            note(&w, p, &parts[*from - 1]);
            parts[*from - 1].k =
                fits_ports(&w, &parts[*from - 1]) ? w.n_tiles : 0;
            --*from;
        }
    }
    forget(tiler, w.bands);
}

int cost_tiler_init(struct cost_tiler *t, const struct cost_model *model)
{
    size_t n = model->graph->n_values;

    *t = (struct cost_tiler){.model = model};
    for (int axis = 0; axis < 2; axis++) {
        t->own[axis] = mem_array(struct range, n * REWRITE_PIECES_MAX);
        t->need[axis] = mem_array(struct range, n * REWRITE_PIECES_MAX);
    }
    t->halo = mem_array(double, n);
    t->halo_most = mem_array(double, n);
    t->touched = mem_array(int, n);
    t->open = mem_array(int, n);
    t->bytes = mem_array(double, n);
    if (t->own[0] == NULL || t->own[1] == NULL || t->need[0] == NULL ||
        t->need[1] == NULL || t->halo == NULL || t->halo_most == NULL ||
        t->touched == NULL || t->open == NULL || t->bytes == NULL) {
        cost_tiler_deinit(t);
        return EDGE_ENOMEM;
    }
    for (size_t v = 0; v < n; v++) {
        t->bytes[v] = (double)cost_value_bytes(model->graph, (int)v);
    }
    return 0;
}

void cost_tiler_deinit(struct cost_tiler *t)
{
    for (int axis = 0; axis < 2; axis++) {
        mem_free(t->own[axis]);
        mem_free(t->need[axis]);
    }
    mem_free(t->halo);
    mem_free(t->halo_most);
    mem_free(t->touched);
    mem_free(t->open);
    mem_free(t->bytes);
    *t = (struct cost_tiler){0};
}
