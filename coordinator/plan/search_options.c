/*
 * What may become of each range of points on each kind of device: whole; split
 * where it is one product, or a pair, and what follows; in tiles where that
 * gains time, of each number of tiles the best grid and halo.
 */
#include "coordinator/plan/search_inner.h"

#include "base/mem.h"

#define GRIDS 12

static const int grids[GRIDS][2] = {{2, 1}, {3, 1}, {4, 1}, {2, 2},
                                    {5, 1}, {3, 2}, {6, 1}, {4, 2},
                                    {8, 1}, {3, 3}, {4, 3}, {4, 4}};
static const int split_ks[] = {2, 3, 4, 5, 6, 7, 8};

/* ---- one option ---------------------------------------------------------- */

static double factor_at(const struct searching *s, size_t point)
{
    return point > 0 && point + 1 < s->n_points ? s->spec->bytes_factor : 1;
}

static double message_s(const struct profile_board *b, double values,
                        double bytes)
{
    return values * b->send_s + bytes / b->send_bytes_per_s;
}

static struct option option_of(const struct searching *s, size_t kind,
                               size_t from, size_t to,
                               const struct cost_part *part)
{
    const struct profile_board *b =
        &s->m->profile->boards[s->kinds[kind].board];
    struct option o = {
        .from = from,
        .to = to,
        .kind = kind,
        .shape = part->shape,
        .k = part->k,
        .is_cut = part->shape.kind != PIECES_WHOLE,
        .takes = part->in_most * factor_at(s, from),
        .sends = part->out_most * factor_at(s, to),
        .in_bytes = (part->in_bytes + part->pass_bytes) * factor_at(s, from),
        .out_bytes = (part->out_bytes + part->pass_bytes) * factor_at(s, to),
        .memory = cost_part_memory(s->m, part)};

    o.slices = o.is_cut && (part->shape.kind == PIECES_TILE ||
                            part->shape.axis == SPLIT_INPUT);
    o.cpu_s = part->compute_s + part->levels * b->run_s +
              2 * message_s(b, part->inner_values, part->inner_most) +
              message_s(b, part->in_values, part->in_most) +
              message_s(b, part->out_values, part->out_most);
    o.alone_s = o.cpu_s;
    if (o.is_cut) {
        double k = (double)part->k;
        const struct profile_link *link = kinds_link(s, kind, kind);

        o.alone_s += message_s(b, part->in_values * k, part->in_bytes) +
                     message_s(b, part->out_values * k, part->out_bytes) +
                     part->scatter_s + part->join_s;
        o.inner_bytes = part->inner_most * s->spec->bytes_factor;
        o.inner_s = (part->levels - 1) * link->rtt_s / 2 +
                    o.inner_bytes / link->bytes_per_s;
        o.takes += o.inner_bytes;
        o.sends += o.inner_bytes;
    }
    return o;
}

static int add(struct searching *s, const struct option *option)
{
    int rc = mem_grow(&s->options, &s->options_room, s->n_options,
                      sizeof(*s->options));

    if (rc == 0) {
        s->options[s->n_options++] = *option;
    }
    return rc;
}

static int add_part(struct searching *s, size_t kind, size_t from, size_t to,
                    const struct cost_part *part)
{
    struct option option = option_of(s, kind, from, to, part);

    return option.memory <= s->kinds[kind].memory ? add(s, &option) : 0;
}

/* ---- whole --------------------------------------------------------------- */

/* All ends of one beginning: the largest arena grows as the range does. */
static int add_wholes(struct searching *s, size_t kind, size_t from)
{
    struct cost_part part = {.arena_bytes = 0};
    int rc = 0;

    for (size_t to = from + 1; to < s->n_points && rc == 0; to++) {
        double before = part.arena_bytes;

        cost_longer(s->m, s->kinds[kind].board, s->points[from],
                    s->points[to - 1], s->points[to], before, &part);
        if (cost_part_memory(s->m, &part) > s->kinds[kind].memory) {
            break; /* a longer one takes more */
        }
        rc = add_part(s, kind, from, to, &part);
    }
    return rc;
}

/* ---- split --------------------------------------------------------------- */

static int next_head(const struct searching *s, int position)
{
    while (position < (int)s->m->n_ops && !s->m->ops[position].is_head) {
        position++;
    }
    return position;
}

static size_t most_pieces(const struct searching *s, size_t kind)
{
    return s->kinds[kind].n / s->replicas;
}

/* Options in so many pieces were taken over; at least 1. */
static size_t known_pieces(const struct searching *s, size_t kind)
{
    return s->known == NULL ? 1 : most_pieces(s->known, kind);
}

static int add_splits_to(struct searching *s, size_t kind, size_t from,
                         size_t to, enum split_axis axis)
{
    size_t known = known_pieces(s, kind);
    int rc = 0;

    for (size_t i = 0; i < sizeof(split_ks) / sizeof(split_ks[0]); i++) {
        struct cost_shape shape = {.kind = PIECES_SPLIT,
                                   .axis = axis,
                                   .rows = 1,
                                   .columns = split_ks[i]};
        struct cost_part part;

        if ((size_t)split_ks[i] > most_pieces(s, kind)) {
            break;
        }
        if ((size_t)split_ks[i] <= known) {
            continue;
        }
        if (cost_part(s->m, s->kinds[kind].board, s->points[from],
                      s->points[to], &shape, &part) < 0) {
            break; /* nor in more pieces */
        }
        rc = add_part(s, kind, from, to, &part);
        if (rc < 0) {
            break;
        }
    }
    return rc;
}

/* One product or two lie between the points. */
static int add_splits(struct searching *s, size_t kind, size_t from)
{
    int first = next_head(s, s->points[from]);
    int second = next_head(s, first + 1);
    int third = next_head(s, second + 1);
    int rc = 0;

    for (size_t to = from + 1; to < s->n_points && rc == 0; to++) {
        int end = s->points[to];

        if (end <= first ||
            (from + 1 < s->n_points && s->points[from + 1] <= first)) {
            continue; /* a later point is as good a beginning */
        }
        if (end > third && third < (int)s->m->n_ops) {
            break;
        }
        if (end <= second || second >= (int)s->m->n_ops) {
            rc = add_splits_to(s, kind, from, to, SPLIT_OUTPUT);
            rc = rc < 0 ? rc : add_splits_to(s, kind, from, to, SPLIT_INPUT);
        } else {
            rc = add_splits_to(s, kind, from, to, SPLIT_PAIR);
        }
    }
    return rc;
}

/* ---- tiles --------------------------------------------------------------- */

/* Seconds with the wire between the pieces and a device beside them. */
static double cut_s(const struct searching *s, const struct option *o)
{
    const struct profile_link *link = kinds_link(s, o->kind, o->kind);

    return o->alone_s + o->inner_s + link->rtt_s +
           (o->in_bytes + o->out_bytes) / link->bytes_per_s;
}

struct best_tiles {
    struct option *options; /* by beginning */
    double *seconds;        /* DBL_MAX: none */
    struct cost_part *parts;
};

static void keep_best(const struct searching *s, size_t kind, size_t to,
                      const struct cost_shape *shape, struct cost_tiler *tiler,
                      struct best_tiles *best)
{
    size_t from = 0;

    cost_tiles(tiler, s->kinds[kind].board, shape, s->points, to, s->points[to],
               best->parts, &from);
    for (; from < to; from++) {
        struct option option;
        double seconds;

        if (best->parts[from].k == 0) {
            continue;
        }
        option = option_of(s, kind, from, to, &best->parts[from]);
        seconds = cut_s(s, &option);
        if (option.memory <= s->kinds[kind].memory &&
            (best->options[from].k == 0 || seconds < best->seconds[from])) {
            best->options[from] = option;
            best->seconds[from] = seconds;
        }
    }
}

/* Tiles that take longer than one device are of no use, unless that device
 * has not the memory. */
static bool gains(const struct searching *s, const struct option *o,
                  double s_cut)
{
    const struct cost_shape whole = {.rows = 1, .columns = 1};
    const struct kind *kind = &s->kinds[o->kind];
    int first = s->points[o->from];
    int end = s->points[o->to];
    struct cost_part part;

    if (s_cut < cost_seconds(s->m, kind->board, first, end)) {
        return true;
    }
    if (s->m->weights[end] - s->m->weights[first] < kind->memory / 2) {
        return false; /* arenas of whole stages are small beside that */
    }
    (void)cost_part(s->m, kind->board, first, end, &whole, &part);
    return cost_part_memory(s->m, &part) > kind->memory;
}

static int add_tiles_to(struct searching *s, size_t kind, size_t to,
                        struct cost_tiler *tiler, struct best_tiles *best)
{
    int rc = 0;

    for (size_t k = known_pieces(s, kind) + 1;
         k <= REWRITE_PIECES_MAX && k <= most_pieces(s, kind); k++) {
        if (s->spec->goal != SEARCH_LATENCY && (k & (k - 1)) != 0) {
            continue; /* replicas do better; some tiles to compare suffice */
        }
        for (size_t i = 0; i < to; i++) {
            best->options[i].k = 0;
        }
        for (size_t g = 0; g < GRIDS; g++) {
            struct cost_shape shape = {.kind = PIECES_TILE,
                                       .rows = grids[g][0],
                                       .columns = grids[g][1]};

            if ((size_t)(grids[g][0] * grids[g][1]) != k) {
                continue;
            }
            shape.halo = TILE_RECOMPUTE;
            keep_best(s, kind, to, &shape, tiler, best);
            shape.halo = TILE_EXCHANGE;
            keep_best(s, kind, to, &shape, tiler, best);
        }
        for (size_t i = 0; i < to && rc == 0; i++) {
            if (best->options[i].k > 0 &&
                gains(s, &best->options[i], best->seconds[i])) {
                rc = add(s, &best->options[i]);
            }
        }
    }
    return rc;
}

static int add_tiles(struct searching *s, size_t kind)
{
    struct cost_tiler tiler;
    struct best_tiles best = {
        .options = mem_array(struct option, s->n_points),
        .seconds = mem_array(double, s->n_points),
        .parts = mem_array(struct cost_part, s->n_points),
    };
    int rc = cost_tiler_init(&tiler, s->m);

    if (best.options == NULL || best.seconds == NULL || best.parts == NULL) {
        rc = EDGE_ENOMEM;
    }
    for (size_t to = 1; to < s->n_points && rc == 0; to++) {
        rc = add_tiles_to(s, kind, to, &tiler, &best);
    }
    cost_tiler_deinit(&tiler);
    mem_free(best.options);
    mem_free(best.seconds);
    mem_free(best.parts);
    return rc;
}

/* ---- as written ---------------------------------------------------------- */

static size_t point_at(const struct searching *s, int position)
{
    size_t i = 0;

    while (i < s->n_points && s->points[i] < position) {
        i++;
    }
    return i;
}

/* A stage on devices that were written takes none of the pool; its seconds are
 * the same whatever else is chosen, and are left to cost_choice(). */
static int add_fixed(struct searching *s, size_t stage)
{
    const struct search_stage *w = &s->spec->stages[stage];
    struct option o = {.from = point_at(s, w->first),
                       .to = point_at(s, w->end),
                       .shape = w->shape,
                       .k = (size_t)w->shape.rows * (size_t)w->shape.columns,
                       .is_fixed = true,
                       .stage = stage,
                       .is_cut = w->shape.kind != PIECES_WHOLE};

    return add(s, &o);
}

static int add_written(struct searching *s)
{
    int rc = 0;

    for (size_t i = 0; i < s->spec->n_stages && rc == 0; i++) {
        const struct search_stage *w = &s->spec->stages[i];

        if (w->n_devices > 0) {
            rc = add_fixed(s, i);
            continue;
        }
        for (size_t k = 0; k < s->n_kinds && rc == 0; k++) {
            struct cost_part part;

            rc = cost_part_sure(s->m, s->kinds[k].board, w->first, w->end,
                                &w->shape, &part, s->err);
            if (rc < 0) {
                return rc;
            }
            rc = add_part(s, k, point_at(s, w->first), point_at(s, w->end),
                          &part);
        }
    }
    return rc;
}

/* ---- all of it ----------------------------------------------------------- */

static size_t place_of(const struct option *o)
{
    return 2 * o->from + (o->is_cut ? 1 : 0);
}

/* By where they begin, whole ones first; else in order. */
static int sort_options(struct searching *s, size_t *first)
{
    struct option *sorted =
        mem_resize(NULL, s->n_options > 0 ? s->n_options : 1, sizeof(*sorted));

    if (sorted == NULL) {
        return EDGE_ENOMEM;
    }
    for (size_t i = 0; i < s->n_options; i++) {
        first[place_of(&s->options[i]) + 1]++;
    }
    for (size_t i = 0; i < 2 * s->n_points; i++) {
        first[i + 1] += first[i];
    }
    for (size_t i = 0; i < s->n_options; i++) {
        sorted[first[place_of(&s->options[i])]++] = s->options[i];
    }
    mem_free(s->options);
    s->options = sorted;
    s->options_room = s->n_options;
    return 0;
}

static int index_options(struct searching *s)
{
    size_t *ends = mem_array(size_t, 2 * s->n_points + 1);
    int rc = ends == NULL ? EDGE_ENOMEM : sort_options(s, ends);

    s->first_option = mem_array(size_t, s->n_points + 1);
    s->first_cut = mem_array(size_t, s->n_points);
    if (rc < 0 || s->first_option == NULL || s->first_cut == NULL) {
        mem_free(ends);
        return EDGE_ENOMEM;
    }
    for (size_t p = 0; p < s->n_points; p++) {
        s->first_cut[p] = ends[2 * p];
        s->first_option[p + 1] = ends[2 * p + 1];
    }
    mem_free(ends);
    return 0;
}

/* All that an option depends on, but for the number of devices. */
static bool same_kinds(const struct searching *s, const struct searching *known)
{
    if (s->n_kinds != known->n_kinds || s->replicas != known->replicas ||
        s->n_points != known->n_points) {
        return false;
    }
    for (size_t k = 0; k < s->n_kinds; k++) {
        const struct kind *a = &s->kinds[k];
        const struct kind *b = &known->kinds[k];
        const struct profile_link *x = kinds_link(s, k, k);
        const struct profile_link *y = kinds_link(known, k, k);

        if (a->board != b->board || a->memory != b->memory || a->n < b->n ||
            x->rtt_s != y->rtt_s || x->bytes_per_s != y->bytes_per_s) {
            return false;
        }
    }
    return true;
}

/* With a device more there are only those in more pieces to find. */
static int take_known(struct searching *s)
{
    s->options =
        mem_dup(s->known->options, s->known->n_options * sizeof(*s->options));
    if (s->options == NULL) {
        return EDGE_ENOMEM;
    }
    s->n_options = s->options_room = s->known->n_options;
    return 0;
}

static int add_kind(struct searching *s, size_t kind)
{
    size_t known = known_pieces(s, kind);
    int rc = 0;

    for (size_t from = 0; from + 1 < s->n_points && rc == 0; from++) {
        rc = s->known == NULL ? add_wholes(s, kind, from) : 0;
        rc = rc < 0 || most_pieces(s, kind) == known
                 ? rc
                 : add_splits(s, kind, from);
    }
    return rc == 0 && most_pieces(s, kind) > known ? add_tiles(s, kind) : rc;
}

int options_make(struct searching *s)
{
    int rc = 0;

    if (s->spec->n_stages > 0) {
        rc = add_written(s);
        return rc < 0 ? rc : index_options(s);
    }
    if (s->known != NULL && !same_kinds(s, s->known)) {
        s->known = NULL;
    }
    if (s->known != NULL) {
        rc = take_known(s);
    }
    for (size_t k = 0; k < s->n_kinds && rc == 0; k++) {
        rc = add_kind(s, k);
    }
    return rc < 0 ? rc : index_options(s);
}

bool options_have_cuts(const struct searching *s)
{
    for (size_t p = 0; p + 1 < s->n_points; p++) {
        if (s->first_cut[p] < s->first_option[p + 1]) {
            return true;
        }
    }
    return false;
}
