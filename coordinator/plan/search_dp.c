/*
 * The least latency of a row of stages on devices of their own, under bounds
 * on what a device does for one request and on its memory: a dynamic programme
 * over
 *
 *   point   where the last stage ends
 *   mode    whether a stage was cut so far, and whether the last one was
 *   last    the kind of the last stage, where links differ
 *   uses    how many devices of each kind are taken
 *
 * A stage takes as many replicas, all of one kind, as the bound asks for.
 *
 * What is still to come takes some latency at least (reach.ahead): states from
 * which a plan would take more than a limit are not kept. The limit is that
 * least latency and a little more; where no plan is within it there is none
 * that is better, and it is drawn wider.
 */
#include "coordinator/plan/search_inner.h"

#include "base/mem.h"

#include <float.h>
#include <math.h>
#include <string.h>

#define FEW 64           /* states of a row, that are compared pair by pair */
#define TRIES 20000      /* of ways to go on, until it is found out otherwise */
#define SLACK (1 + 1e-9) /* sums are rounded */

struct cell {
    double latency_s;
    uint32_t before; /* cell, or SEARCH_NONE */
    uint32_t option;
    uint16_t replicas;
};

struct stop { /* of a plan that is followed: behind a stage */
    size_t point;
    enum mode mode;
    size_t last;
    size_t use;
    struct cell cell; /* of the stage */
    size_t next;      /* option to try */
};

struct table {
    const struct searching *s;
    struct cell *cells; /* [((point * MODES + mode) * lasts + last) * uses] */
    size_t n_lasts;
    uint16_t *used; /* [use * n_kinds + kind] */
    uint16_t pass;
    uint16_t *reached; /* by cell: the pass that set it, if it is this one */
    double most_s;     /* no plan takes more in this pass */
    uint32_t *set;     /* by row: uses of cells that are set, */
    uint32_t *n_set;   /* and how many */
    struct reach reach;
    double *least; /* by use, of the row in hand */
    size_t *live;  /* uses of it that may be part of the best */
    size_t n_live;
    double live_s; /* the least latency of these */
    struct stop *stops;
};

static size_t row(const struct table *t, size_t point, enum mode mode,
                  size_t last)
{
    return ((point * MODES + (size_t)mode) * t->n_lasts + last) * t->s->n_uses;
}

int table_make(const struct searching *s, struct table **out)
{
    struct table *t = mem_new(struct table);
    size_t n;

    if (t == NULL) {
        return EDGE_ENOMEM;
    }
    t->s = s;
    t->n_lasts = s->has_pairs ? s->n_kinds : 1;
    n = row(t, s->n_points, 0, 0);
    /* Most are never touched. */
    t->cells = mem_resize(NULL, n, sizeof(*t->cells));
    t->reached = mem_array(uint16_t, n);
    t->used = mem_array(uint16_t, s->n_uses * s->n_kinds);
    t->set = mem_resize(NULL, n, sizeof(*t->set));
    t->n_set = mem_array(uint32_t, n / s->n_uses);
    t->least = mem_array(double, s->n_uses);
    t->live = mem_array(size_t, s->n_uses);
    t->stops = mem_array(struct stop, s->n_points);
    if (t->cells == NULL || t->reached == NULL || t->used == NULL ||
        t->set == NULL || t->n_set == NULL || t->least == NULL ||
        t->live == NULL || t->stops == NULL || reach_init(s, &t->reach) < 0) {
        table_free(t);
        return EDGE_ENOMEM;
    }
    for (size_t u = 0; u < s->n_uses; u++) {
        for (size_t k = 0; k < s->n_kinds; k++) {
            t->used[u * s->n_kinds + k] =
                (uint16_t)(u / s->stride[k] % (s->kinds[k].n + 1));
        }
    }
    *out = t;
    return 0;
}

void table_free(struct table *t)
{
    if (t != NULL) {
        mem_free(t->cells);
        mem_free(t->reached);
        mem_free(t->used);
        mem_free(t->set);
        mem_free(t->n_set);
        mem_free(t->least);
        mem_free(t->live);
        mem_free(t->stops);
        reach_deinit(&t->reach);
        mem_free(t);
    }
}

/* ---- one step ------------------------------------------------------------ */

struct move { /* from one row to another by an option */
    struct table *t;
    const struct bounds *bounds;
    const struct option *option;
    size_t from;
    size_t to;
    enum mode to_mode;
    size_t replicas;
    size_t devices;
    double cost_s;
    double ahead_s;      /* behind it, at least */
    double last_sends_s; /* wire's time of the stage before, one replica */
};

/* The kind before, or the gateway; where links do not differ any will do. */
static size_t kind_before(const struct table *t, size_t point, size_t last,
                          size_t kind)
{
    if (point == 0) {
        return SEARCH_KINDS;
    }
    return t->s->has_pairs ? last : kind;
}

/* False: not within the bounds. */
static bool set_move(struct move *m, size_t point, enum mode mode, size_t last)
{
    const struct searching *s = m->t->s;
    const struct option *o = m->option;
    const struct profile_link *link;

    m->devices = 0;
    m->cost_s = 0;
    m->last_sends_s = 0;
    m->replicas = 1;
    if (!o->is_fixed) {
        link = kinds_link(s, kind_before(m->t, point, last, o->kind), o->kind);
        m->replicas = reach_replicas(s, m->bounds, option_busy_s(s, o, link));
        if (m->replicas == 0) {
            return false;
        }
        m->devices = m->replicas * o->k;
        m->cost_s = o->alone_s + enter_s(s, o, mode, link);
        if (point > 0 && s->has_pairs && mode != MODE_CUT) {
            m->last_sends_s = enter_bytes(s, point) / link->bytes_per_s;
        }
    }
    m->from = row(m->t, point, mode, last);
    m->to_mode = mode_after(mode, o->is_cut);
    m->to = row(m->t, o->to, m->to_mode, s->has_pairs ? o->kind : 0);
    m->ahead_s = m->t->reach.ahead[o->to][m->to_mode];
    return m->devices <= (o->is_fixed ? 0 : s->kinds[o->kind].n);
}

/* True if it is to be set: there is none yet that is as good. */
static bool claim(struct table *t, size_t first, size_t use, double latency_s)
{
    if (t->reached[first + use] == t->pass) {
        return latency_s < t->cells[first + use].latency_s;
    }
    t->reached[first + use] = t->pass;
    t->set[first + t->n_set[first / t->s->n_uses]++] = (uint32_t)use;
    return true;
}

static void apply(const struct move *m)
{
    const struct searching *s = m->t->s;
    const struct reach *reach = &m->t->reach;
    size_t kind = m->option->kind;
    size_t shift = m->devices * s->stride[kind];
    size_t room = s->kinds[kind].n - m->devices;
    double left = reach_left(reach, m->option, m->devices);
    struct cell *cells = m->t->cells;

    for (size_t i = 0; i < m->t->n_live; i++) {
        size_t u = m->t->live[i];
        const struct cell *from = &cells[m->from + u];
        double latency = from->latency_s + m->cost_s;

        if (latency + m->ahead_s > m->t->most_s ||
            m->t->used[u * s->n_kinds + kind] > room ||
            reach->taken[u] > left ||
            (m->last_sends_s > 0 && m->last_sends_s > m->bounds->longest_s *
                                                          from->replicas *
                                                          (1 + 1e-9)) ||
            !leads_on(&reach->leads, u + shift, m->to_mode, m->option->to) ||
            !claim(m->t, m->to, u + shift, latency)) {
            continue;
        }
        cells[m->to + u + shift] = (struct cell){
            latency, (uint32_t)(m->from + u),
            (uint32_t)(m->option - s->options), (uint16_t)m->replicas};
    }
}

/* ---- all of it ----------------------------------------------------------- */

static void begin(struct table *t, double most_s)
{
    size_t first = row(t, 0, MODE_PLAIN, 0);
    size_t n = row(t, t->s->n_points, 0, 0);

    memset(t->n_set, 0, n / t->s->n_uses * sizeof(*t->n_set));
    t->most_s = most_s;
    if (++t->pass == 0) {
        memset(t->reached, 0, n * sizeof(*t->reached));
        t->pass = 1;
    }
    (void)claim(t, first, 0, 0);
    t->cells[first] =
        (struct cell){0, SEARCH_NONE, SEARCH_NONE, LIMIT_REPLICAS};
}

/* What the wire before the next stage bounds, when links differ: a cell that
 * any link there suits may stand for others. */
static bool suits_any(const struct table *t, const struct bounds *b,
                      size_t point, const struct cell *cell)
{
    return !t->s->has_pairs || point == 0 || b->longest_s == DBL_MAX ||
           enter_bytes(t->s, point) / t->reach.slowest <=
               b->longest_s * cell->replicas;
}

/* Of each use the least latency with no more devices of any kind. */
static void find_least(struct table *t, const struct bounds *b, size_t point,
                       size_t first)
{
    const struct searching *s = t->s;

    for (size_t u = 0; u < s->n_uses; u++) {
        const struct cell *cell = &t->cells[first + u];

        t->least[u] =
            t->reached[first + u] == t->pass && suits_any(t, b, point, cell)
                ? cell->latency_s
                : DBL_MAX;
    }
    for (size_t k = 0; k < s->n_kinds; k++) {
        for (size_t u = s->stride[k]; u < s->n_uses; u++) {
            double fewer = t->least[u - s->stride[k]];

            if (t->used[u * s->n_kinds + k] > 0 && fewer < t->least[u]) {
                t->least[u] = fewer;
            }
        }
    }
}

static bool is_outdone(const struct table *t, size_t use, double latency_s)
{
    const struct searching *s = t->s;

    for (size_t k = 0; k < s->n_kinds; k++) {
        if (t->used[use * s->n_kinds + k] > 0 &&
            t->least[use - s->stride[k]] <= latency_s) {
            return true;
        }
    }
    return false;
}

static bool uses_no_more(const struct table *t, size_t a, size_t b)
{
    size_t n = t->s->n_kinds;

    for (size_t k = 0; k < n; k++) {
        if (t->used[a * n + k] > t->used[b * n + k]) {
            return false;
        }
    }
    return true;
}

/* The same, where they are few. */
static bool is_outdone_by_one(const struct table *t, const struct bounds *b,
                              size_t point, size_t first, size_t use)
{
    const uint32_t *set = &t->set[first];
    size_t n = t->n_set[first / t->s->n_uses];
    double latency_s = t->cells[first + use].latency_s;

    for (size_t i = 0; i < n; i++) {
        const struct cell *other = &t->cells[first + set[i]];

        if (other->latency_s <= latency_s && set[i] != use &&
            uses_no_more(t, set[i], use) && suits_any(t, b, point, other)) {
            return true;
        }
    }
    return false;
}

/* Cells that are as slow as one with fewer devices lead nowhere that it does
 * not. */
static void list_live(struct table *t, const struct bounds *b, size_t point,
                      size_t first)
{
    size_t n = t->n_set[first / t->s->n_uses];

    t->n_live = 0;
    t->live_s = DBL_MAX;
    if (n > FEW) {
        find_least(t, b, point, first);
    }
    for (size_t i = 0; i < n; i++) {
        size_t u = t->set[first + i];
        double latency_s = t->cells[first + u].latency_s;

        if (n > FEW ? !is_outdone(t, u, latency_s)
                    : !is_outdone_by_one(t, b, point, first, u)) {
            t->live[t->n_live++] = u;
            t->live_s = fmin(t->live_s, latency_s);
        }
    }
}

static size_t count_used(const struct table *t, size_t use)
{
    size_t n = 0;

    for (size_t k = 0; k < t->s->n_kinds; k++) {
        n += t->used[use * t->s->n_kinds + k];
    }
    return n;
}

/* The answer's way back to the gateway. */
static double leave_s(const struct table *t, const struct bounds *b,
                      const struct cell *cell, enum mode mode)
{
    const struct searching *s = t->s;
    const struct option *o = &s->options[cell->option];
    const struct profile_link *link;
    double bytes = enter_bytes(s, s->n_points - 1);

    if (o->is_fixed) {
        return 0;
    }
    link = kinds_link(s, o->kind, SEARCH_KINDS);
    if (bytes / link->bytes_per_s >
        b->longest_s * cell->replicas * (1 + 1e-9)) {
        return DBL_MAX;
    }
    return enter_gateway_s(s, o->kind, mode);
}

static size_t find_last(const struct table *t, const struct bounds *b,
                        double *best)
{
    size_t found = SEARCH_NONE;
    size_t fewest = 0;

    *best = DBL_MAX;
    for (enum mode mode = b->wants_split || b->wants_tile ? MODE_AFTER_CUT
                                                          : MODE_PLAIN;
         mode < MODES; mode++) {
        for (size_t last = 0; last < t->n_lasts; last++) {
            size_t first = row(t, t->s->n_points - 1, mode, last);

            for (size_t i = 0; i < t->n_set[first / t->s->n_uses]; i++) {
                size_t u = t->set[first + i];
                const struct cell *cell = &t->cells[first + u];
                double s = cell->latency_s + leave_s(t, b, cell, mode);

                if (s < DBL_MAX &&
                    (s < *best - 1e-12 ||
                     (s < *best + 1e-12 && count_used(t, u) < fewest))) {
                    *best = s;
                    found = first + u;
                    fewest = count_used(t, u);
                }
            }
        }
    }
    return found;
}

static double least_taken(const struct table *t)
{
    double least = DBL_MAX;

    for (size_t i = 0; i < t->n_live; i++) {
        double taken = t->reach.taken[t->live[i]];

        least = taken < least ? taken : least;
    }
    return least;
}

/* All options from a row of cells. */
static void leave_row(struct move *m, size_t point, enum mode mode, size_t last)
{
    struct table *t = m->t;
    const struct searching *s = t->s;
    const uint32_t *within = t->reach.within + s->first_option[point];
    double taken;

    list_live(t, m->bounds, point, row(t, point, mode, last));
    taken = least_taken(t);
    for (size_t i = 0; i < t->reach.n_within[point]; i++) {
        if (reach_may(&t->reach, within[i], taken, mode, t->live_s,
                      t->most_s)) {
            m->option = &s->options[within[i]];
            if (set_move(m, point, mode, last)) {
                apply(m);
            }
        }
    }
}

static void trace(const struct table *t, size_t at, struct route *route)
{
    for (; at != SEARCH_NONE && t->cells[at].before != SEARCH_NONE;
         at = t->cells[at].before) {
        route->steps[route->n++] = (struct step){
            &t->s->options[t->cells[at].option], t->cells[at].replicas};
    }
    for (size_t i = 0; i < route->n / 2; i++) {
        struct step step = route->steps[i];

        route->steps[i] = route->steps[route->n - 1 - i];
        route->steps[route->n - 1 - i] = step;
    }
}

/* ---- any plan ------------------------------------------------------------ */

/* Does the option go on from `at`, with its link as it is? */
static bool goes_on(struct move *m, const struct stop *at, struct stop *to)
{
    struct table *t = m->t;
    const struct option *o = m->option;

    if (!set_move(m, at->point, at->mode, at->last) ||
        t->used[at->use * t->s->n_kinds + o->kind] + m->devices >
            t->s->kinds[o->kind].n ||
        (m->last_sends_s > 0 &&
         m->last_sends_s > m->bounds->longest_s * at->cell.replicas * SLACK)) {
        return false;
    }
    *to = (struct stop){.point = o->to,
                        .mode = m->to_mode,
                        .last = t->s->has_pairs ? o->kind : 0,
                        .use = at->use + m->devices * t->s->stride[o->kind],
                        .cell = {.option = (uint32_t)(o - t->s->options),
                                 .replicas = (uint16_t)m->replicas}};
    return leads_on(&t->reach.leads, to->use, to->mode, to->point) &&
           (to->point + 1 < t->s->n_points ||
            leave_s(t, m->bounds, &to->cell, to->mode) < DBL_MAX);
}

/* The first way to the end: with ways that lead on there is hardly one that
 * does not. */
static enum table_answer follow(struct table *t, const struct bounds *b)
{
    struct move m = {.t = t, .bounds = b};
    size_t n = 1;
    int tries = 0;

    t->stops[0] = (struct stop){.cell = {.replicas = LIMIT_REPLICAS}};
    while (n > 0 && tries++ < TRIES) {
        struct stop *at = &t->stops[n - 1];
        const uint32_t *within =
            t->reach.within + t->s->first_option[at->point];

        if (at->next == t->reach.n_within[at->point]) {
            n--;
            continue;
        }
        m.option = &t->s->options[within[at->next++]];
        if (goes_on(&m, at, at + 1)) {
            if (at[1].point + 1 == t->s->n_points) {
                return TABLE_YES;
            }
            n++;
        }
    }
    return n == 0 ? TABLE_NO : TABLE_UNTOLD;
}

enum table_answer table_tell(struct table *t, const struct bounds *b)
{
    struct bounds asked = *b;

    if (!t->reach.leads.has_room) {
        return TABLE_UNTOLD;
    }
    asked.is_asked = true;
    return reach_set(&t->reach, t->s, &asked) ? follow(t, b) : TABLE_NO;
}

/* ---- the best ------------------------------------------------------------ */

/* The best of those plans that take `most_s` at most. */
static void solve_within(struct table *t, const struct bounds *b, double most_s,
                         struct route *route)
{
    const struct searching *s = t->s;
    struct move m = {.t = t, .bounds = b};

    route->n = 0;
    begin(t, most_s);
    for (size_t point = 0; point + 1 < s->n_points; point++) {
        for (enum mode mode = 0; mode < MODES; mode++) {
            for (size_t last = 0; last < t->n_lasts; last++) {
                if (t->n_set[row(t, point, mode, last) / s->n_uses] > 0) {
                    leave_row(&m, point, mode, last);
                }
            }
        }
    }
    trace(t, find_last(t, b, &route->latency_s), route);
}

bool table_solve(struct table *t, const struct bounds *b, struct route *route)
{
    static const double wider[] = {1.001, 1.01, 1.1, 2, DBL_MAX};
    double least_s;

    route->n = 0;
    route->latency_s = DBL_MAX;
    if (!reach_set(&t->reach, t->s, b)) {
        return false;
    }
    least_s = t->reach.ahead[0][MODE_PLAIN];
    for (size_t i = 0; i < sizeof(wider) / sizeof(wider[0]) && route->n == 0 &&
                       least_s < DBL_MAX;
         i++) {
        double most_s = wider[i] < DBL_MAX ? least_s * wider[i] : DBL_MAX / 2;

        solve_within(t, b, most_s * SLACK + 1e-12, route);
        if (route->latency_s > most_s) {
            route->n = 0; /* another one may be better */
        }
    }
    return route->n > 0;
}
