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
    bool lost;   /* all of it */
    bool chosen; /* element by element */
    bool coarse;
};

#define RUNS 5   /* in a row, at most */
#define LINES 16 /* that are worked out at once, for all channels */

/* A row of a tile. */
struct line {
    int64_t at; /* of its column 0 in the picture's channel; may lie outside */
    size_t n;   /* 0: it is not in the picture */
    struct run runs[RUNS];
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

/* Whether all of the halo in this row, and on the side of this column, is
 * lost. Corners go with the rows above and below. */
static bool is_lost(const struct place *p, int64_t y, int64_t column)
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
    return p->lost[column < p->cut[1] ? SIDE_LEFT : SIDE_RIGHT];
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

static void add_run(struct line *line, int64_t from, int64_t to, bool coarse)
{
    if (from < to) {
        line->runs[line->n++] =
            (struct run){.from = from, .to = to, .coarse = coarse};
    }
}

static void add_halo(const struct place *p, int64_t y, int64_t from, int64_t to,
                     struct line *line)
{
    size_t n = line->n;

    add_run(line, from, to, p->tiles->levels > 0);
    if (line->n > n) {
        line->runs[n].lost = is_lost(p, y, from);
        line->runs[n].chosen = p->tiles->loss == TILES_ELEMENTS;
    }
}

/* The tile's own columns of one of its own rows: its margin, and within. */
static void add_own(const struct place *p, int64_t row, struct line *line)
{
    const struct tiles *t = p->tiles;
    const struct tiles_axis *a = &t->axis[1];
    int64_t from = a->from[p->at[1]];
    int64_t in = clamp(margin_before(a, p->at[1]) - from, p->cut[1], p->cut[2]);
    int64_t out = clamp(margin_behind(a, p->at[1]) - from, in, p->cut[2]);
    bool coarse = t->own && t->levels > 0;

    if (!coarse || row < margin_before(&t->axis[0], p->at[0]) ||
        row >= margin_behind(&t->axis[0], p->at[0])) {
        add_run(line, p->cut[1], p->cut[2], coarse);
        return;
    }
    add_run(line, p->cut[1], in, true);
    add_run(line, in, out, false);
    add_run(line, out, p->cut[2], true);
}

static struct line line_of(const struct place *p, int64_t y)
{
    const struct tiles_axis *rows = &p->tiles->axis[0];
    const struct tiles_axis *columns = &p->tiles->axis[1];
    int64_t row = rows->from[p->at[0]] + y;
    struct line line = {.at = row * columns->extent + columns->from[p->at[1]]};

    if (row < 0 || row >= rows->extent) {
        return line;
    }
    if (row < rows->border[p->at[0]] || row >= rows->border[p->at[0] + 1]) {
        add_halo(p, y, p->cut[0], p->cut[3], &line);
        return line;
    }
    add_halo(p, y, p->cut[0], p->cut[1], &line);
    add_own(p, row, &line);
    add_halo(p, y, p->cut[2], p->cut[3], &line);
    return line;
}

/* ---- a run of elements --------------------------------------------------- */

/* Runs may be of an element or two: a call of memcpy() costs more. */
#define SHORT 16

static void copy(float *to, const float *from, int64_t n)
{
    if (n > SHORT) {
        memcpy(to, from, (size_t)n * sizeof(*to));
        return;
    }
    for (int64_t i = 0; i < n; i++) {
        to[i] = from[i];
    }
}

static void round_run(const struct tiles *t, float *x, int64_t n)
{
    float step = (t->high - t->low) / (float)t->levels;
    float inverse = 1 / step;

    for (int64_t i = 0; i < n; i++) {
        float v = x[i] >= t->low ? x[i] : t->low;
        int32_t level;

        v = v <= t->high ? v : t->high;
        level = (int32_t)((v - t->low) * inverse + 0.5F);
        /* What is no number stays so: the step is to be skipped. */
        x[i] = isnan(x[i]) ? x[i] : (float)level * step;
    }
}

static void pad_run(const struct tiles *t, float *to, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        to[i] = t->pad;
    }
}

/* `x` and `to` are where the run begins in the picture, and in the tile. */
static void cut_run(const struct place *p, const struct run *r, const float *x,
                    float *to)
{
    const struct tiles *t = p->tiles;
    int64_t n = r->to - r->from;

    if (r->lost) {
        pad_run(t, to, n);
        return;
    }
    copy(to, x, n);
    if (r->coarse) {
        round_run(t, to, n);
    }
    for (int64_t i = 0; r->chosen && i < n; i++) {
        to[i] = is_kept(p, r->from + i) ? to[i] : t->pad;
    }
}

static void join_run(const struct place *p, const struct run *r,
                     const float *dt, const float *x, float *dx)
{
    const struct tiles *t = p->tiles;
    int64_t n = r->lost ? 0 : r->to - r->from;

    if (!r->chosen && !r->coarse) {
        for (int64_t i = 0; i < n; i++) {
            dx[i] += dt[i];
        }
        return;
    }
    for (int64_t i = 0; i < n; i++) {
        bool passes = !r->chosen || is_kept(p, r->from + i);

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
                    const struct line *line)
{
    int64_t length = p->tiles->axis[1].length;
    float *to = plane->t + y * length;

    if (line->n == 0) {
        pad_run(p->tiles, to, length);
        return;
    }
    pad_run(p->tiles, to, p->cut[0]);
    pad_run(p->tiles, to + p->cut[3], length - p->cut[3]);
    for (size_t i = 0; i < line->n; i++) {
        const struct run *r = &line->runs[i];

        cut_run(p, r, plane->x + (line->at + r->from), to + r->from);
    }
}

static void join_row(const struct place *p, const struct plane *plane,
                     int64_t y, const struct line *line)
{
    const float *dt = plane->dt + y * p->tiles->axis[1].length;

    for (size_t i = 0; i < line->n; i++) {
        const struct run *r = &line->runs[i];
        int64_t to = line->at + r->from;

        join_run(p, r, dt + r->from, plane->x != NULL ? plane->x + to : NULL,
                 plane->dx + to);
    }
}

/* Rows [y0, y1) of the tile in one channel. `at` counts the rows of all tiles
 * of the sample. */
static void walk_rows(struct place *p, const struct plane *plane,
                      const struct line *lines, int64_t y0, int64_t y1,
                      uint64_t base, uint64_t at)
{
    for (int64_t y = y0; y < y1; y++) {
        const struct line *line = &lines[y - y0];

        if (p->tiles->loss == TILES_ELEMENTS) {
            p->key = mix_at(base, at + (uint64_t)y);
        }
        if (plane->dt == NULL) {
            cut_row(p, plane, y, line);
        } else {
            join_row(p, plane, y, line);
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

/* Tile `i` of n in all channels, some rows at a time: where these lie is the
 * same in each. */
static void walk_tile(struct place *p, struct plane first, size_t channels,
                      uint64_t base, size_t i, size_t n)
{
    const struct tiles *t = p->tiles;
    int64_t length = t->axis[0].length;
    struct line lines[LINES];

    for (int64_t y0 = 0; y0 < length; y0 += LINES) {
        int64_t y1 = clamp(y0 + LINES, 0, length);
        struct plane plane = first;

        for (int64_t y = y0; y < y1; y++) {
            lines[y - y0] = line_of(p, y);
        }
        for (size_t c = 0; c < channels; c++) {
            walk_rows(p, &plane, lines, y0, y1, base,
                      (c * n + i) * (uint64_t)length);
            plane = step_plane(plane, picture_of(t), n * tile_of(t));
        }
    }
}

static void walk_sample(const struct tiles *t, struct plane first,
                        size_t channels, int64_t seed)
{
    size_t n = count_of(t);
    uint64_t base = mix_base(seed, t->salt);
    struct place p = {.tiles = t, .bound = mix_bound(t->p)};
    bool lost = false;

    for (size_t i = 0; i < n; i++) {
        p.at[0] = (int)i / t->axis[1].bands;
        p.at[1] = (int)i % t->axis[1].bands;
        place_columns(&p);
        if (t->loss == TILES_SIDES) {
            chain_to(&p, &lost, base, i);
        }
        walk_tile(&p, step_plane(first, 0, i * tile_of(t)), channels, base, i,
                  n);
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
