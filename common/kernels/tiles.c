#include "kernels/tiles.h"

#include "kernels/mix.h"

#include <math.h>
#include <string.h>

#define SIDES 4

enum side { SIDE_TOP, SIDE_BOTTOM, SIDE_LEFT, SIDE_RIGHT };

/* One tile of one sample. */
struct place {
    const struct tiles *tiles;
    int at[2]; /* its row and column in the grid */
    /* Columns of the tile at which begin: what is left of its own, its own,
     * what is right of that, padding; and their end. */
    int64_t cut[5];
    bool lost[SIDES]; /* TILES_SIDES */
    uint32_t key;     /* TILES_ELEMENTS: of the row */
    uint64_t bound;
};

/* Columns [from, to) of a row of a tile, all of one kind. */
struct run {
    int64_t from;
    int64_t to;
    bool halo;
    bool coarse;
};

static int64_t clamp(int64_t v, int64_t low, int64_t high)
{
    return v < low ? low : v > high ? high : v;
}

/* ---- what is lost -------------------------------------------------------- */

/* The chain goes through the sides of all tiles of a sample in turn; it starts
 * as it is in the long run, so each side is lost with the same probability. */
static void chain_to(struct place *p, bool *lost, uint64_t base, size_t tile)
{
    const struct tiles *t = p->tiles;
    double leaves = 1 - t->p11;
    double sum = leaves + 1 - t->p22;
    uint64_t from_kept = mix_bound(leaves);
    uint64_t from_lost = mix_bound(t->p22);

    for (int side = 0; side < SIDES; side++) {
        uint64_t i = tile * SIDES + (uint64_t)side;
        uint64_t bound = *lost ? from_lost : from_kept;

        if (i == 0) {
            bound = mix_bound(sum > 0 ? leaves / sum : 0);
        }
        *lost = mix_at(base, i) < bound;
        p->lost[side] = *lost;
    }
}

/* Whether all of the halo in this row and side is lost. Corners go with the
 * rows above and below. */
static bool run_is_lost(const struct place *p, int64_t y, const struct run *r)
{
    const struct tiles_axis *rows = &p->tiles->axis[0];
    int64_t at = rows->from[p->at[0]] + y;

    if (p->tiles->loss == TILES_NONE) {
        return true;
    }
    if (p->tiles->loss != TILES_SIDES) {
        return false;
    }
    if (at < rows->border[p->at[0]]) {
        return p->lost[SIDE_TOP];
    }
    if (at >= rows->border[p->at[0] + 1]) {
        return p->lost[SIDE_BOTTOM];
    }
    return p->lost[r->from < p->cut[1] ? SIDE_LEFT : SIDE_RIGHT];
}

static bool is_kept(const struct place *p, int64_t column)
{
    return mix_32(p->key + (uint32_t)column * 0x9e3779b9U) >= p->bound;
}

/* ---- where things are ---------------------------------------------------- */

static void place_columns(struct place *p)
{
    const struct tiles_axis *a = &p->tiles->axis[1];
    int64_t from = a->from[p->at[1]];

    p->cut[0] = clamp(-from, 0, a->length);
    p->cut[1] = clamp(a->border[p->at[1]] - from, p->cut[0], a->length);
    p->cut[2] = clamp(a->border[p->at[1] + 1] - from, p->cut[1], a->length);
    p->cut[3] = clamp(a->extent - from, p->cut[2], a->length);
    p->cut[4] = a->length;
}

/* Whether a neighbour along the axis reads the tile's own element `at`. */
static int64_t margin_before(const struct tiles_axis *a, int band)
{
    return band > 0 ? a->border[band] + a->reach : a->border[band];
}

static int64_t margin_behind(const struct tiles_axis *a, int band)
{
    return band + 1 < a->bands ? a->border[band + 1] - a->reach
                               : a->border[band + 1];
}

static size_t add_run(struct run *runs, size_t n, int64_t from, int64_t to,
                      bool halo, bool coarse)
{
    if (from < to) {
        runs[n++] = (struct run){from, to, halo, coarse};
    }
    return n;
}

/* The tile's own columns of one of its own rows: its margin, and within. */
static size_t own_runs(const struct place *p, int64_t row, struct run *runs,
                       size_t n)
{
    const struct tiles *t = p->tiles;
    const struct tiles_axis *a = &t->axis[1];
    int64_t from = a->from[p->at[1]];
    int64_t in = clamp(margin_before(a, p->at[1]) - from, p->cut[1], p->cut[2]);
    int64_t out = clamp(margin_behind(a, p->at[1]) - from, in, p->cut[2]);
    bool coarse = t->own && t->levels > 0;

    if (!coarse || row < margin_before(&t->axis[0], p->at[0]) ||
        row >= margin_behind(&t->axis[0], p->at[0])) {
        return add_run(runs, n, p->cut[1], p->cut[2], false, coarse);
    }
    n = add_run(runs, n, p->cut[1], in, false, true);
    n = add_run(runs, n, in, out, false, false);
    return add_run(runs, n, out, p->cut[2], false, true);
}

/* The runs of row `y` of the tile that lie in the picture; none if it does
 * not. */
static size_t runs_of(const struct place *p, int64_t y, struct run runs[5])
{
    const struct tiles *t = p->tiles;
    const struct tiles_axis *a = &t->axis[0];
    int64_t row = a->from[p->at[0]] + y;
    bool coarse = t->levels > 0;
    size_t n;

    if (row < 0 || row >= a->extent) {
        return 0;
    }
    if (row < a->border[p->at[0]] || row >= a->border[p->at[0] + 1]) {
        return add_run(runs, 0, p->cut[0], p->cut[3], true, coarse);
    }
    n = add_run(runs, 0, p->cut[0], p->cut[1], true, coarse);
    n = own_runs(p, row, runs, n);
    return add_run(runs, n, p->cut[2], p->cut[3], true, coarse);
}

/* ---- a run of elements --------------------------------------------------- */

static void round_run(const struct tiles *t, float *x, int64_t n)
{
    float step = (t->high - t->low) / (float)t->levels;
    float inverse = 1 / step;

    for (int64_t i = 0; i < n; i++) {
        float v = x[i] < t->low ? t->low : x[i] > t->high ? t->high : x[i];

        x[i] = nearbyintf((v - t->low) * inverse) * step;
    }
}

static void pad_run(const struct tiles *t, float *to, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        to[i] = t->pad;
    }
}

/* `x` and `to` are where the run begins in the picture, and in the tile. */
static void cut_run(const struct place *p, int64_t y, const struct run *r,
                    const float *x, float *to)
{
    const struct tiles *t = p->tiles;
    int64_t n = r->to - r->from;

    if (r->halo && run_is_lost(p, y, r)) {
        pad_run(t, to, n);
        return;
    }
    memcpy(to, x, (size_t)n * sizeof(*to));
    if (r->coarse) {
        round_run(t, to, n);
    }
    for (int64_t i = 0; r->halo && t->loss == TILES_ELEMENTS && i < n; i++) {
        to[i] = is_kept(p, r->from + i) ? to[i] : t->pad;
    }
}

static void join_run(const struct place *p, int64_t y, const struct run *r,
                     const float *dt, const float *x, float *dx)
{
    const struct tiles *t = p->tiles;
    bool some = r->halo && t->loss == TILES_ELEMENTS;
    int64_t n = r->to - r->from;

    if (r->halo && run_is_lost(p, y, r)) {
        return;
    }
    if (!some && !r->coarse) {
        for (int64_t i = 0; i < n; i++) {
            dx[i] += dt[i];
        }
        return;
    }
    for (int64_t i = 0; i < n; i++) {
        bool passes = !some || is_kept(p, r->from + i);

        if (r->coarse) {
            passes = passes && x[i] >= t->low && x[i] <= t->high;
        }
        dx[i] += passes ? dt[i] : 0;
    }
}

/* ---- all of it ----------------------------------------------------------- */

/* One channel of a tile; pointers are to all of the channel in the picture,
 * and to the tile. */
struct plane {
    const float *x;
    float *dx; /* join */
    float *t;  /* cut */
    const float *dt;
};

static void cut_row(const struct place *p, const struct plane *plane, int64_t y,
                    int64_t at, const struct run *runs, size_t n)
{
    int64_t length = p->tiles->axis[1].length;
    float *to = plane->t + y * length;

    if (n == 0) {
        pad_run(p->tiles, to, length);
        return;
    }
    pad_run(p->tiles, to, p->cut[0]);
    pad_run(p->tiles, to + p->cut[3], length - p->cut[3]);
    for (size_t i = 0; i < n; i++) {
        cut_run(p, y, &runs[i], plane->x + (at + runs[i].from),
                to + runs[i].from);
    }
}

static void join_row(const struct place *p, const struct plane *plane,
                     int64_t y, int64_t at, const struct run *runs, size_t n)
{
    const float *dt = plane->dt + y * p->tiles->axis[1].length;

    for (size_t i = 0; i < n; i++) {
        int64_t to = at + runs[i].from;

        join_run(p, y, &runs[i], dt + runs[i].from,
                 plane->x != NULL ? plane->x + to : NULL, plane->dx + to);
    }
}

/* `line` counts the rows of all tiles of the sample. */
static void walk_plane(struct place *p, const struct plane *plane,
                       uint64_t base, uint64_t line)
{
    const struct tiles_axis *rows = &p->tiles->axis[0];
    const struct tiles_axis *columns = &p->tiles->axis[1];

    for (int64_t y = 0; y < rows->length; y++, line++) {
        int64_t at = (rows->from[p->at[0]] + y) * columns->extent +
                     columns->from[p->at[1]];
        struct run runs[5];
        size_t n = runs_of(p, y, runs);

        if (p->tiles->loss == TILES_ELEMENTS) {
            p->key = mix_at(base, line);
        }
        if (plane->dt == NULL) {
            cut_row(p, plane, y, at, runs, n);
        } else {
            join_row(p, plane, y, at, runs, n);
        }
    }
}

/* Moves on by n elements whatever is there. */
static struct plane step_plane(struct plane p, size_t picture, size_t tile)
{
    p.x = p.x != NULL ? p.x + picture : NULL;
    p.dx = p.dx != NULL ? p.dx + picture : NULL;
    p.t = p.t != NULL ? p.t + tile : NULL;
    p.dt = p.dt != NULL ? p.dt + tile : NULL;
    return p;
}

static size_t picture_of(const struct tiles *t)
{
    return (size_t)t->axis[0].extent * (size_t)t->axis[1].extent;
}

static size_t tile_of(const struct tiles *t)
{
    return (size_t)t->axis[0].length * (size_t)t->axis[1].length;
}

static size_t count_of(const struct tiles *t)
{
    return (size_t)t->axis[0].bands * (size_t)t->axis[1].bands;
}

static void walk_sample(const struct tiles *t, struct plane first,
                        size_t channels, int64_t seed)
{
    size_t n = count_of(t);
    uint64_t base = mix_base(seed, t->salt);
    struct place p = {.tiles = t, .bound = mix_bound(t->p)};
    bool lost = false;

    for (size_t i = 0; i < n; i++) {
        struct plane plane = step_plane(first, 0, i * tile_of(t));

        p.at[0] = (int)i / t->axis[1].bands;
        p.at[1] = (int)i % t->axis[1].bands;
        place_columns(&p);
        if (t->loss == TILES_SIDES) {
            chain_to(&p, &lost, base, i);
        }
        for (size_t c = 0; c < channels; c++) {
            walk_plane(&p, &plane, base,
                       (c * n + i) * (uint64_t)t->axis[0].length);
            plane = step_plane(plane, picture_of(t), n * tile_of(t));
        }
    }
}

static void walk(const struct tiles *t, struct plane first, size_t samples,
                 size_t channels, const int64_t *seeds)
{
    for (size_t i = 0; i < samples; i++) {
        walk_sample(t, first, channels, seeds != NULL ? seeds[i] : 0);
        first = step_plane(first, channels * picture_of(t),
                           channels * count_of(t) * tile_of(t));
    }
}

void tiles_cut(const struct tiles *tiles, const float *x, size_t samples,
               size_t channels, const int64_t *seeds, float *t)
{
    walk(tiles, (struct plane){.x = x, .t = t}, samples, channels, seeds);
}

void tiles_join(const struct tiles *tiles, const float *dt, const float *x,
                size_t samples, size_t channels, const int64_t *seeds,
                float *dx)
{
    memset(dx, 0, samples * channels * picture_of(tiles) * sizeof(*dx));
    walk(tiles, (struct plane){.x = x, .dx = dx, .dt = dt}, samples, channels,
         seeds);
}
