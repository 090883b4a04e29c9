/*
 * The least latency of one request when stages may share devices: one device,
 * the main one, computes what is whole, slices and joins; others of its kind
 * help with what is cut. Only one stage is under way at a time, so sharing
 * costs memory alone. Labels (latency, memory of the main device and of a
 * helper) are extended point by point, those that are worse in all three are
 * dropped, and of the others LABELS are kept: bounded, not exact, where memory
 * is short. Whatever memory allows, what is still to come takes some latency
 * at least: labels from which a plan would take more than a limit are not
 * kept, and the limit is drawn wider until there is a plan within it.
 */
#include "coordinator/plan/search_inner.h"

#include "base/mem.h"

#include <float.h>

#define LABELS 12

struct label {
    double latency_s;
    double main_bytes;
    double help_bytes;
    uint32_t before; /* label, or SEARCH_NONE */
    uint32_t option;
};

struct bin { /* labels at a point, of a kind, after a whole or a cut stage */
    struct label labels[LABELS];
    size_t n;
};

struct sharing {
    const struct searching *s;
    const struct bounds *bounds;
    struct bin *bins; /* [(point * n_kinds + kind) * 4 + state] */
    double *ahead_s;  /* likewise: to the end, at least */
    double *alone_s;  /* of an option; DBL_MAX: not within the bounds */
    double most_s;    /* no plan takes more */
};

enum { AFTER_CUT = 1, HAS_CUT = 2, STATES = 4 };

static double least(double a, double b)
{
    return a < b ? a : b;
}

static size_t bin_of(const struct sharing *x, size_t point, size_t kind,
                     int state)
{
    return (point * x->s->n_kinds + kind) * STATES + (size_t)state;
}

static bool is_worse(const struct label *a, const struct label *b)
{
    return a->latency_s >= b->latency_s && a->main_bytes >= b->main_bytes &&
           a->help_bytes >= b->help_bytes;
}

static void keep(struct bin *bin, const struct label *label)
{
    size_t worst = 0;
    size_t n = 0;

    for (size_t i = 0; i < bin->n; i++) {
        if (is_worse(label, &bin->labels[i])) {
            return;
        }
    }
    for (size_t i = 0; i < bin->n; i++) {
        if (!is_worse(&bin->labels[i], label)) {
            bin->labels[n++] = bin->labels[i];
        }
    }
    bin->n = n;
    if (n < LABELS) {
        bin->labels[bin->n++] = *label;
        return;
    }
    for (size_t i = 1; i < n; i++) {
        if (bin->labels[i].latency_s > bin->labels[worst].latency_s) {
            worst = i;
        }
    }
    if (label->latency_s < bin->labels[worst].latency_s) {
        bin->labels[worst] = *label;
    }
}

/* From the main device to its helpers and back; its own piece stays. */
static double cut_s(const struct searching *s, const struct option *o)
{
    const struct profile_link *link = kinds_link(s, o->kind, o->kind);
    double elsewhere = (double)(o->k - 1) / (double)o->k;

    return o->alone_s + o->inner_s +
           enter_wire_s(link, o->in_bytes * elsewhere) +
           enter_wire_s(link, o->out_bytes * elsewhere);
}

/* May it follow stages that ended on the main device of `kind`? Whole ones are
 * one stage; what is cut begins where its main device is. */
static bool may_follow(const struct option *o, size_t kind, int state)
{
    return kind == o->kind ? o->is_cut || (state & AFTER_CUT) != 0 : !o->is_cut;
}

static void extend(struct sharing *x, const struct label *from, uint32_t index,
                   bool moves, double takes_s, int to_state,
                   const struct option *o)
{
    const struct kind *kind = &x->s->kinds[o->kind];
    struct label to = {.latency_s = from->latency_s + takes_s,
                       .main_bytes = (moves ? 0 : from->main_bytes) + o->memory,
                       .help_bytes = (moves ? 0 : from->help_bytes) +
                                     (o->is_cut ? o->memory : 0),
                       .before = index,
                       .option = (uint32_t)(o - x->s->options)};

    size_t bin = bin_of(x, o->to, o->kind, to_state);

    if (to.latency_s + x->ahead_s[bin] <= x->most_s &&
        to.main_bytes <= kind->memory && to.help_bytes <= kind->memory &&
        to.main_bytes <= x->bounds->memory) {
        keep(&x->bins[bin], &to);
    }
}

/* What comes from another device comes over the wire. */
static double comes_s(const struct sharing *x, size_t kind, size_t point,
                      const struct option *o)
{
    const struct searching *s = x->s;

    return kind == o->kind ? 0
                           : enter_wire_s(kinds_link(s, kind, o->kind),
                                          enter_bytes(s, point));
}

static void extend_bin(struct sharing *x, size_t b, size_t point,
                       double alone_s, const struct option *o)
{
    size_t kind = b / STATES % x->s->n_kinds;
    int state = (int)(b % STATES);
    int to_state = o->is_cut ? AFTER_CUT | HAS_CUT : state & HAS_CUT;
    double takes_s = alone_s + comes_s(x, kind, point, o);

    for (size_t l = 0; l < x->bins[b].n; l++) {
        extend(x, &x->bins[b].labels[l], (uint32_t)(b * LABELS + l),
               kind != o->kind, takes_s, to_state, o);
    }
}

static void extend_by(struct sharing *x, size_t point, const struct option *o)
{
    const struct searching *s = x->s;
    const struct label start = {0, 0, 0, SEARCH_NONE, SEARCH_NONE};
    double alone_s = x->alone_s[o - s->options];

    if (point == 0) {
        extend(x, &start, SEARCH_NONE, true,
               alone_s + comes_s(x, SEARCH_KINDS, 0, o),
               o->is_cut ? AFTER_CUT | HAS_CUT : 0, o);
        return;
    }
    for (size_t b = bin_of(x, point, 0, 0); b < bin_of(x, point + 1, 0, 0);
         b++) {
        if (x->bins[b].n > 0 &&
            may_follow(o, b / STATES % s->n_kinds, (int)(b % STATES))) {
            extend_bin(x, b, point, alone_s, o);
        }
    }
}

/* ---- what is still to come ----------------------------------------------- */

static void reckon_alone(struct sharing *x)
{
    const struct searching *s = x->s;

    for (size_t i = 0; i < s->n_options; i++) {
        const struct option *o = &s->options[i];

        x->alone_s[i] = o->k > s->kinds[o->kind].n / s->replicas ||
                                !bounds_allow(s, x->bounds, o)
                            ? DBL_MAX
                        : o->is_cut ? cut_s(s, o)
                                    : o->alone_s;
    }
}

struct onward { /* from a point, by stages of a kind: the least latency */
    double whole_s[2]; /* [1]: with a stage that was cut before */
    double cut_s;
};

static void find_onward(const struct sharing *x, size_t point,
                        struct onward onward[SEARCH_KINDS])
{
    const struct searching *s = x->s;

    for (size_t k = 0; k < s->n_kinds; k++) {
        onward[k] = (struct onward){{DBL_MAX, DBL_MAX}, DBL_MAX};
    }
    for (size_t i = s->first_option[point]; i < s->first_option[point + 1];
         i++) {
        const struct option *o = &s->options[i];
        struct onward *to = &onward[o->kind];
        const double *ahead = &x->ahead_s[bin_of(x, o->to, o->kind, 0)];
        double alone = x->alone_s[i];

        if (o->is_cut) {
            to->cut_s = least(to->cut_s, alone + ahead[AFTER_CUT | HAS_CUT]);
        } else {
            to->whole_s[0] = least(to->whole_s[0], alone + ahead[0]);
            to->whole_s[1] = least(to->whole_s[1], alone + ahead[HAS_CUT]);
        }
    }
}

static double ahead_of(const struct sharing *x, size_t point, size_t kind,
                       int state, const struct onward onward[SEARCH_KINDS])
{
    const struct searching *s = x->s;
    int has_cut = (state & HAS_CUT) != 0;
    double s_ahead = onward[kind].cut_s;

    if ((state & AFTER_CUT) != 0) {
        s_ahead = least(s_ahead, onward[kind].whole_s[has_cut]);
    }
    for (size_t k = 0; k < s->n_kinds; k++) {
        if (k != kind) {
            s_ahead = least(s_ahead, onward[k].whole_s[has_cut] +
                                         enter_wire_s(kinds_link(s, kind, k),
                                                      enter_bytes(s, point)));
        }
    }
    return s_ahead;
}

/* By point from the end backward; returns that of a whole plan. */
static double look_ahead(struct sharing *x)
{
    const struct searching *s = x->s;
    bool wants = x->bounds->wants_split || x->bounds->wants_tile;
    size_t end = s->n_points - 1;
    struct onward onward[SEARCH_KINDS];
    double s_all = DBL_MAX;

    for (size_t k = 0; k < s->n_kinds; k++) {
        for (int state = 0; state < STATES; state++) {
            x->ahead_s[bin_of(x, end, k, state)] =
                wants && (state & HAS_CUT) == 0
                    ? DBL_MAX
                    : enter_wire_s(kinds_link(s, k, SEARCH_KINDS),
                                   enter_bytes(s, end));
        }
    }
    for (size_t p = end; p-- > 0;) {
        find_onward(x, p, onward);
        for (size_t k = 0; k < s->n_kinds && p > 0; k++) {
            for (int state = 0; state < STATES; state++) {
                x->ahead_s[bin_of(x, p, k, state)] =
                    ahead_of(x, p, k, state, onward);
            }
        }
    }
    for (size_t k = 0; k < s->n_kinds; k++) {
        s_all = least(s_all, least(onward[k].cut_s, onward[k].whole_s[0]) +
                                 enter_wire_s(kinds_link(s, SEARCH_KINDS, k),
                                              enter_bytes(s, 0)));
    }
    return s_all;
}

/* ---- all of it ----------------------------------------------------------- */

static void extend_all(struct sharing *x, size_t point)
{
    const struct searching *s = x->s;

    for (size_t i = s->first_option[point]; i < s->first_option[point + 1];
         i++) {
        const struct option *o = &s->options[i];

        if (x->alone_s[i] < DBL_MAX) {
            extend_by(x, point, o);
        }
    }
}

static uint32_t find_last(const struct sharing *x, double *best)
{
    const struct searching *s = x->s;
    size_t point = s->n_points - 1;
    uint32_t found = SEARCH_NONE;

    *best = DBL_MAX;
    for (size_t b = bin_of(x, point, 0, 0); b < bin_of(x, point + 1, 0, 0);
         b++) {
        size_t kind = b / STATES % s->n_kinds;
        bool has_cut = (b % STATES & HAS_CUT) != 0;

        if ((x->bounds->wants_split || x->bounds->wants_tile) && !has_cut) {
            continue;
        }
        for (size_t l = 0; l < x->bins[b].n; l++) {
            double latency = x->bins[b].labels[l].latency_s +
                             enter_wire_s(kinds_link(s, kind, SEARCH_KINDS),
                                          enter_bytes(s, point));

            if (latency < *best) {
                *best = latency;
                found = (uint32_t)(b * LABELS + l);
            }
        }
    }
    return found;
}

static void trace(const struct sharing *x, uint32_t at, struct route *route)
{
    const struct searching *s = x->s;

    route->n = 0;
    while (at != SEARCH_NONE) {
        const struct label *label = &x->bins[at / LABELS].labels[at % LABELS];

        route->steps[route->n++] =
            (struct step){&s->options[label->option], s->replicas};
        at = label->before;
    }
    for (size_t i = 0; i < route->n / 2; i++) {
        struct step step = route->steps[i];

        route->steps[i] = route->steps[route->n - 1 - i];
        route->steps[route->n - 1 - i] = step;
    }
}

static void solve(struct sharing *x, struct route *route)
{
    static const double wider[] = {1 + 1e-6, 1.01, 1.1, DBL_MAX};
    const struct searching *s = x->s;
    size_t n_bins = s->n_points * s->n_kinds * STATES;
    double least_s;

    reckon_alone(x);
    least_s = look_ahead(x);
    route->n = 0;
    for (size_t i = 0; i < sizeof(wider) / sizeof(wider[0]) && route->n == 0 &&
                       least_s < DBL_MAX;
         i++) {
        x->most_s = wider[i] < DBL_MAX ? least_s * wider[i] : DBL_MAX;
        for (size_t b = 0; b < n_bins; b++) {
            x->bins[b].n = 0;
        }
        for (size_t point = 0; point + 1 < s->n_points; point++) {
            extend_all(x, point);
        }
        trace(x, find_last(x, &route->latency_s), route);
    }
}

int shared_solve(const struct searching *s, const struct bounds *bounds,
                 struct route *route)
{
    struct sharing x = {.s = s, .bounds = bounds};
    size_t n_bins = s->n_points * s->n_kinds * STATES;
    int rc = EDGE_ENOMEM;

    if ((bounds->wants_split || bounds->wants_tile) && !options_have_cuts(s)) {
        return EDGE_ENOENT;
    }
    x.bins = mem_array(struct bin, n_bins);
    x.ahead_s = mem_array(double, n_bins);
    x.alone_s = mem_array(double, s->n_options);
    if (x.bins != NULL && x.ahead_s != NULL && x.alone_s != NULL) {
        solve(&x, route);
        rc = route->n > 0 ? 0 : EDGE_ENOENT;
    }
    mem_free(x.bins);
    mem_free(x.ahead_s);
    mem_free(x.alone_s);
    return rc;
}
