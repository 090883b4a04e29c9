/*
 * Parts of an image over devices. tile_ranges.c says which rows and columns
 * of every value a tile has; here each op is copied once a tile over them.
 *
 *   scatter: Slice of what comes in
 *   tile t:  the ops, with pads at true borders alone (NONE: at every border)
 *            EXCHANGE: Slices for neighbours, Concats of what they sent
 *   join:    Concat along columns, then rows
 */
#include "coordinator/plan/rewrite_make.h"

#include "base/mem.h"
#include "coordinator/plan/tile_ranges.h"

#include <stdio.h>
#include <string.h>

struct box {
    struct range at[2]; /* rows, columns */
};

struct fetched { /* what a tile last put together of a value */
    struct box box;
    int value;
};

struct tiling {
    struct maker m;
    const struct tile *tile;
    struct tile_ranges ranges;
    int n_tiles;
    size_t n_values; /* of the graph as it came */
    bool *is_output;
    int *level;          /* of each value: of the shard that makes it */
    int *have;           /* [value * n_tiles + t]: the tile's own, or -1 */
    struct fetched *got; /* likewise: with borders */
    int levels;
};

static bool box_holds(const struct box *outer, const struct box *inner)
{
    return outer->at[0].begin <= inner->at[0].begin &&
           outer->at[0].end >= inner->at[0].end &&
           outer->at[1].begin <= inner->at[1].begin &&
           outer->at[1].end >= inner->at[1].end;
}

static struct box box_of(const struct tiling *t, int value, int tile)
{
    return (struct box){
        {tile_at(&t->ranges, 0, value, tile / t->tile->columns),
         tile_at(&t->ranges, 1, value, tile % t->tile->columns)}};
}

static int part_of(const struct tiling *t, int tile, int level)
{
    return t->tile->part[tile] + level * t->tile->level_step;
}

static const char *name_of(const struct tiling *t, char text[24], int tile)
{
    (void)snprintf(text, 24, "t%d.%d", tile / t->tile->columns,
                   tile % t->tile->columns);
    return text;
}

/* The part `want` of a value that holds the box `have` of the whole. */
static int crop(struct tiling *t, int value, const struct box *have,
                const struct box *want, int tile, int part)
{
    static const int64_t axes[2] = {2, 3};
    int64_t begin[2];
    int64_t end[2];
    char text[24];
    int in[4];

    if (t->m.rc < 0) {
        return -1;
    }
    for (int a = 0; a < 2; a++) {
        begin[a] = want->at[a].begin - have->at[a].begin;
        end[a] = want->at[a].end - have->at[a].begin;
    }
    if (box_holds(want, have)) {
        return value;
    }
    in[0] = value;
    in[1] = make_ints(&t->m, begin, 2);
    in[2] = make_ints(&t->m, end, 2);
    in[3] = make_ints(&t->m, axes, 2);
    return make_done(&t->m,
                     make_op(&t->m, OP_SLICE,
                             t->m.rc < 0 ? "" : t->m.graph->values[value].name,
                             name_of(t, text, tile), in, 4, part));
}

static bool is_inside(const struct tiling *t, int value)
{
    int producer = t->m.graph->values[value].producer;

    return producer >= t->tile->first_op && producer < t->tile->end_op;
}

/* What a tile has of a value of its own; of what comes into the segment, a
 * Slice where that is. */
static int own_of(struct tiling *t, int value, int tile)
{
    int *have = &t->have[value * t->n_tiles + tile];

    if (*have < 0 && t->m.rc == 0) {
        struct box whole = {{{0, tile_extent(t->m.graph, value, 0)},
                             {0, tile_extent(t->m.graph, value, 1)}}};
        struct box box = box_of(t, value, tile);

        *have = crop(t, value, &whole, &box, tile, t->tile->scatter);
    }
    return *have;
}

/* ---- borders from neighbours --------------------------------------------- */

static bool meet(struct range a, struct range b, struct range *both)
{
    both->begin = a.begin > b.begin ? a.begin : b.begin;
    both->end = a.end < b.end ? a.end : b.end;
    return both->begin < both->end;
}

/* One row of tiles' pieces of `want`, side by side. */
static int gather_row(struct tiling *t, int value, const struct box *want,
                      int row, int tile, int part)
{
    int pieces[REWRITE_PIECES_MAX];
    char text[24];
    int n = 0;

    for (int column = 0; column < t->tile->columns; column++) {
        int from = row * t->tile->columns + column;
        struct box has = box_of(t, value, from);
        struct box both;

        if (meet(has.at[0], want->at[0], &both.at[0]) &&
            meet(has.at[1], want->at[1], &both.at[1])) {
            pieces[n++] = crop(t, own_of(t, value, from), &has, &both, tile,
                               part_of(t, from, t->level[value]));
        }
    }
    return n == 0
               ? -1
               : make_concat(&t->m, pieces, n, 3, name_of(t, text, tile), part);
}

static int gather(struct tiling *t, int value, const struct box *want, int tile,
                  int part)
{
    struct fetched *got = &t->got[value * t->n_tiles + tile];
    int rows[REWRITE_PIECES_MAX];
    char text[24];
    int n = 0;

    if (got->value >= 0 && memcmp(&got->box, want, sizeof(*want)) == 0) {
        return got->value;
    }
    for (int row = 0; row < t->tile->rows && t->m.rc == 0; row++) {
        int made = gather_row(t, value, want, row, tile, part);

        if (made >= 0) {
            rows[n++] = made;
        }
    }
    if (t->m.rc == 0) {
        got->box = *want;
        got->value =
            make_concat(&t->m, rows, n, 2, name_of(t, text, tile), part);
    }
    return got->value;
}

/* ---- one op of one tile -------------------------------------------------- */

/* What operand k of an op needs for the tile's part of the output; *pads is
 * how far that lies beyond what there is. */
static struct box wanted(const struct tiling *t, const struct op *op, int k,
                         int tile, const struct tile_window window[2],
                         int64_t pads[4])
{
    struct box out = box_of(t, op->out[0], tile);
    struct box own = box_of(t, op->in[k], tile);
    struct box want;

    for (int a = 0; a < 2; a++) {
        struct range needs = tile_needs(&window[a], out.at[a]);
        struct range limit = {0, tile_extent(t->m.graph, op->in[k], a)};

        if (t->tile->halo == TILE_NONE) {
            limit = own.at[a];
        }
        (void)meet(needs, limit, &want.at[a]);
        pads[a] = want.at[a].begin - needs.begin;
        pads[a + 2] = needs.end - want.at[a].end;
    }
    return want;
}

/* Zeros around a value, where an op without pads of its own needs them: only
 * a lossy tile comes here. */
static int pad(struct tiling *t, int value, const int64_t pads[4], int tile,
               int part)
{
    int64_t all[8] = {0, 0, pads[0], pads[1], 0, 0, pads[2], pads[3]};
    char text[24];
    int in[2] = {value, make_ints(&t->m, all, 8)};

    if (t->m.rc < 0) {
        return -1;
    }
    return make_done(&t->m,
                     make_op(&t->m, OP_PAD, t->m.graph->values[value].name,
                             name_of(t, text, tile), in, 2, part));
}

static bool any_pads(const int64_t pads[4])
{
    return pads[0] != 0 || pads[1] != 0 || pads[2] != 0 || pads[3] != 0;
}

static int operand(struct tiling *t, int index, int k, int tile, int level,
                   const struct tile_window window[2], int64_t pads[4])
{
    const struct op *op = &t->m.graph->ops[index];
    int value = op->in[k];
    bool slides =
        k == 0 &&
        tile_kind(t->m.graph, op, (struct tile_window[2]){{0}}) == TILED_WINDOW;
    int64_t around[4];
    struct box own;
    struct box want;
    int made;

    if (!tile_is_cut(t->m.graph, op, k)) {
        return value;
    }
    own = box_of(t, value, tile);
    want = wanted(t, op, k, tile, window, slides ? pads : around);
    if (want.at[0].begin >= want.at[0].end ||
        want.at[1].begin >= want.at[1].end) {
        make_fail(&t->m, EDGE_ENOFIT, "tile %d has nothing of \"%.200s\"", tile,
                  t->m.graph->values[value].name);
        return -1;
    }
    made = box_holds(&own, &want)
               ? crop(t, own_of(t, value, tile), &own, &want, tile,
                      part_of(t, tile, level))
               : gather(t, value, &want, tile, part_of(t, tile, level));
    return !slides && any_pads(around)
               ? pad(t, made, around, tile, part_of(t, tile, level))
               : made;
}

static void copy_op(struct tiling *t, int index, int tile, int level,
                    const struct tile_window window[2], bool slides)
{
    struct maker *m = &t->m;
    int n = m->graph->ops[index].n_in;
    int out = m->graph->ops[index].out[0];
    int *in = mem_array(int, (size_t)n);
    int64_t pads[4] = {0};
    char text[24];
    int op;

    if (in == NULL) {
        make_fail(m, EDGE_ENOMEM, "tile: out of memory");
        return;
    }
    for (int k = 0; k < n; k++) {
        in[k] = m->graph->ops[index].in[k] < 0
                    ? -1
                    : operand(t, index, k, tile, level, window, pads);
    }
    op = make_copy(m, index, name_of(t, text, tile), in, n,
                   part_of(t, tile, level));
    if (slides) {
        (void)make_set_ints(m, op, "pads", pads, 4);
        (void)make_set_string(m, op, "auto_pad", "NOTSET");
        if (m->rc == 0 && m->graph->ops[index].kind != OP_CONV) {
            (void)make_set_int(m, op, "ceil_mode", 0);
        }
    }
    t->have[out * t->n_tiles + tile] = make_done(m, op);
    mem_free(in);
}

/* ---- all ops ------------------------------------------------------------- */

/* True if some tile needs of some operand what its neighbours have. */
static bool exchanges(const struct tiling *t, const struct op *op,
                      const struct tile_window window[2])
{
    int64_t pads[4];

    for (int k = 0; k < op->n_in && t->tile->halo == TILE_EXCHANGE; k++) {
        if (!tile_is_cut(t->m.graph, op, k) || !is_inside(t, op->in[k])) {
            continue;
        }
        for (int tile = 0; tile < t->n_tiles; tile++) {
            struct box own = box_of(t, op->in[k], tile);
            struct box want = wanted(t, op, k, tile, window, pads);

            if (!box_holds(&own, &want)) {
                return true;
            }
        }
    }
    return false;
}

static int level_of(const struct tiling *t, const struct op *op,
                    const struct tile_window window[2])
{
    int level = 0;

    for (int k = 0; k < op->n_in; k++) {
        if (op->in[k] >= 0 && t->level[op->in[k]] > level) {
            level = t->level[op->in[k]];
        }
    }
    return level + (exchanges(t, op, window) ? 1 : 0);
}

static void tile_op(struct tiling *t, int index)
{
    struct tile_window window[2] = {{1, 1, 1, 0}, {1, 1, 1, 0}};
    const struct op *op = &t->m.graph->ops[index];
    int out = op->out[0];
    bool slides = tile_kind(t->m.graph, op, window) == TILED_WINDOW;
    struct range rows = tile_at(&t->ranges, 0, out, 0);
    int level = level_of(t, op, window);

    if (rows.end <= rows.begin) {
        return; /* nothing reads it */
    }
    t->level[out] = level;
    t->levels = level + 1 > t->levels ? level + 1 : t->levels;
    for (int tile = 0; tile < t->n_tiles && t->m.rc == 0; tile++) {
        copy_op(t, index, tile, level, window, slides);
    }
}

static void join(struct tiling *t, int value)
{
    int rows[REWRITE_PIECES_MAX];
    int joined;

    for (int row = 0; row < t->tile->rows; row++) {
        int pieces[REWRITE_PIECES_MAX];

        for (int column = 0; column < t->tile->columns; column++) {
            int tile = row * t->tile->columns + column;
            struct box has = box_of(t, value, tile);
            struct box want = {
                {t->ranges.out[0][value * t->tile->rows + row],
                 t->ranges.out[1][value * t->tile->columns + column]}};

            pieces[column] = crop(t, own_of(t, value, tile), &has, &want, tile,
                                  part_of(t, tile, t->level[value]));
        }
        rows[row] = make_concat(&t->m, pieces, t->tile->columns, 3, "row",
                                t->tile->join);
    }
    joined = make_concat(&t->m, rows, t->tile->rows, 2, "join", t->tile->join);
    if (t->m.rc == 0) {
        graph_move_output(t->m.graph, joined, value);
    }
}

/* ---- the segment --------------------------------------------------------- */

/* Values that the segment makes and others read. */
static void find_outputs(struct tiling *t)
{
    const struct graph *g = t->m.graph;

    for (size_t i = 0; i < g->n_outputs; i++) {
        t->is_output[g->outputs[i]] = true;
    }
    for (int i = 0; i < (int)g->n_ops; i++) {
        bool inside = i >= t->tile->first_op && i < t->tile->end_op;

        for (int k = 0; k < g->ops[i].n_in && !inside; k++) {
            if (g->ops[i].in[k] >= 0) {
                t->is_output[g->ops[i].in[k]] = true;
            }
        }
    }
    for (size_t v = 0; v < g->n_values; v++) {
        int producer = g->values[v].producer;

        if (producer < t->tile->first_op || producer >= t->tile->end_op) {
            t->is_output[v] = false;
        }
    }
}

static int init(struct tiling *t, struct err *err)
{
    size_t n = t->n_values * (size_t)t->n_tiles;

    t->is_output = mem_array(bool, t->n_values);
    t->level = mem_array(int, t->n_values);
    t->have = mem_array(int, n);
    t->got = mem_array(struct fetched, n);
    if (t->is_output == NULL || t->level == NULL || t->have == NULL ||
        t->got == NULL) {
        return err_set(err, EDGE_ENOMEM, "tile: out of memory");
    }
    for (size_t i = 0; i < n; i++) {
        t->have[i] = -1;
        t->got[i].value = -1;
    }
    find_outputs(t);
    return tile_ranges_init(&t->ranges, t->m.graph, t->tile, t->is_output, err);
}

static void deinit(struct tiling *t)
{
    tile_ranges_deinit(&t->ranges);
    mem_free(t->is_output);
    mem_free(t->level);
    mem_free(t->have);
    mem_free(t->got);
}

int rewrite_tile(struct graph *graph, const struct tile *tile, int *levels,
                 struct err *err)
{
    struct tiling t = {.m = {graph, 0, err},
                       .tile = tile,
                       .n_tiles = tile->rows * tile->columns,
                       .n_values = graph->n_values,
                       .levels = 1};

    if (tile->rows < 1 || tile->columns < 1 || t.n_tiles < 2 ||
        t.n_tiles > REWRITE_PIECES_MAX || tile->first_op < 0 ||
        tile->end_op > (int)graph->n_ops || tile->first_op >= tile->end_op) {
        return err_set(err, EDGE_EINVAL, "a grid of 2 to %d tiles, not %d x %d",
                       REWRITE_PIECES_MAX, tile->rows, tile->columns);
    }
    t.m.rc = init(&t, err);
    for (int op = tile->first_op; op < tile->end_op && t.m.rc == 0; op++) {
        tile_op(&t, op);
    }
    for (int v = 0; v < (int)t.n_values && t.m.rc == 0; v++) {
        if (t.is_output[v]) {
            join(&t, v);
        }
    }
    deinit(&t);
    *levels = t.levels;
    return make_finish(&t.m);
}

int rewrite_tile_end(const struct graph *graph, int first_op, int end_op)
{
    struct tile_window window[2];
    int op = first_op;

    while (op < end_op &&
           tile_kind(graph, &graph->ops[op], window) != TILED_NOT) {
        op++;
    }
    return op;
}
