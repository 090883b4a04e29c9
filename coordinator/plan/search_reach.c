/*
 * What a solve need not look at: options that the bounds rule out, and states
 * with which too few devices are left. Devices are weighed by their speed; the
 * least that the stages from a point on take is found from the end backward,
 * by the same bounds but whatever came before.
 */
#include "coordinator/plan/search_inner.h"

#include "base/mem.h"

#include <float.h>
#include <math.h>

#define NOT_WITHIN SIZE_MAX /* these bounds */
#define SLACK (1 + 1e-9)    /* sums are rounded */

struct lean { /* of an option, what each solve reads */
    uint32_t to;
    uint16_t kind;
    uint16_t k;
    bool is_fixed;
    bool is_whole_model;
    enum pieces_kind pieces;
    double busy_s;  /* of a piece, whatever comes before */
    double later_s; /* the least of these, of it and whole ones that follow */
    uint32_t later; /* with it, up to this one */
    double left;    /* what may be taken before it, at most; -1: not within */
    double memory;
    double takes_s[2];      /* latency, with the best link: [1] after a cut */
    double onward_s[MODES]; /* and all that follows, at least */
};

double option_busy_s(const struct searching *s, const struct option *o,
                     const struct profile_link *in)
{
    const struct profile_link *out = kinds_link(
        s, o->to + 1 == s->n_points ? SEARCH_KINDS : o->kind, o->kind);
    double wire_s =
        fmax(o->takes / in->bytes_per_s, o->sends / out->bytes_per_s);

    return fmax(o->cpu_s, wire_s);
}

size_t reach_replicas(const struct searching *s, const struct bounds *b,
                      double busy_s)
{
    double n = ceil(busy_s / b->longest_s - 1e-9);

    if (n > LIMIT_REPLICAS || (b->is_single && n > (double)s->replicas)) {
        return 0;
    }
    return n > (double)s->replicas ? (size_t)n : s->replicas;
}

static void set_lean(const struct searching *s, const struct option *o,
                     struct lean *to)
{
    *to = (struct lean){
        .to = (uint32_t)o->to,
        .kind = (uint16_t)o->kind,
        .k = (uint16_t)o->k,
        .is_fixed = o->is_fixed,
        .is_whole_model = o->from == 0 && o->to + 1 == s->n_points,
        .pieces = o->shape.kind,
        .busy_s = o->cpu_s,
        .memory = o->memory,
    };
}

/* No link to the kind is better. */
static struct profile_link best_link(const struct searching *s, size_t kind)
{
    struct profile_link best = *kinds_link(s, kind, kind);

    for (size_t k = 0; k < s->n_kinds && s->has_pairs; k++) {
        const struct profile_link *link = kinds_link(s, k, kind);

        best.rtt_s = fmin(best.rtt_s, link->rtt_s);
        best.bytes_per_s = fmax(best.bytes_per_s, link->bytes_per_s);
    }
    return best;
}

static void set_latencies(const struct searching *s, struct reach *r)
{
    struct profile_link best[SEARCH_KINDS];

    for (size_t k = 0; k < s->n_kinds; k++) {
        best[k] = best_link(s, k);
    }
    for (size_t i = 0; i < s->n_options; i++) {
        const struct option *o = &s->options[i];
        const struct profile_link *link =
            o->from == 0 ? kinds_link(s, SEARCH_KINDS, o->kind)
                         : &best[o->kind];

        if (!o->is_fixed) {
            r->lean[i].busy_s = option_busy_s(s, o, link);
            r->lean[i].takes_s[0] =
                o->alone_s + enter_s(s, o, MODE_PLAIN, link);
            r->lean[i].takes_s[1] = o->alone_s + enter_s(s, o, MODE_CUT, link);
        }
    }
}

/* Of whole ones on a kind, from one point, those that end later take longer,
 * but for what they send. */
static void set_later(const struct searching *s, struct reach *r)
{
    for (size_t i = s->n_options; i-- > 0;) {
        struct lean *o = &r->lean[i];
        const struct lean *next = &r->lean[i + 1 < s->n_options ? i + 1 : i];

        o->later = (uint32_t)i + 1;
        o->later_s = o->busy_s;
        if (i + 1 < s->n_options && o->pieces == PIECES_WHOLE &&
            next->pieces == PIECES_WHOLE && o->kind == next->kind &&
            s->options[i].from == s->options[i + 1].from) {
            o->later = next->later;
            o->later_s = fmin(o->busy_s, next->later_s);
        }
    }
}

static void weigh(const struct searching *s, struct reach *r)
{
    r->total = 0;
    for (size_t k = 0; k < s->n_kinds; k++) {
        r->weight[k] = 1 / fmax(s->kinds[k].whole_s, 1e-9);
        r->total += r->weight[k] * (double)s->kinds[k].n;
    }
    for (size_t u = 0; u < s->n_uses; u++) {
        r->taken[u] = 0;
        for (size_t k = 0; k < s->n_kinds; k++) {
            r->taken[u] +=
                r->weight[k] * (double)(u / s->stride[k] % (s->kinds[k].n + 1));
        }
    }
}

static double slowest_link(const struct searching *s)
{
    double slowest = DBL_MAX;

    for (size_t a = 0; a < s->n_kinds; a++) {
        for (size_t b = 0; b <= s->n_kinds; b++) {
            size_t to = b < s->n_kinds ? b : SEARCH_KINDS;

            slowest = fmin(slowest, kinds_link(s, a, to)->bytes_per_s);
        }
    }
    return slowest;
}

int reach_init(const struct searching *s, struct reach *r)
{
    r->lean = mem_array(struct lean, s->n_options);
    r->rest = mem_array(double, s->n_points);
    r->ahead = mem_zalloc(s->n_points, sizeof(*r->ahead));
    r->taken = mem_array(double, s->n_uses);
    r->within = mem_array(uint32_t, s->n_options);
    r->n_within = mem_array(size_t, s->n_points);
    if (r->lean == NULL || r->rest == NULL || r->ahead == NULL ||
        r->taken == NULL || r->within == NULL || r->n_within == NULL ||
        leads_init(s, &r->leads) < 0) {
        return EDGE_ENOMEM;
    }
    for (size_t i = 0; i < s->n_options; i++) {
        set_lean(s, &s->options[i], &r->lean[i]);
    }
    set_latencies(s, r);
    set_later(s, r);
    weigh(s, r);
    r->slowest = slowest_link(s);
    return 0;
}

void reach_deinit(struct reach *r)
{
    mem_free(r->lean);
    mem_free(r->rest);
    mem_free(r->ahead);
    mem_free(r->within);
    mem_free(r->n_within);
    leads_deinit(&r->leads);
    mem_free(r->taken);
}

/* ---- with bounds --------------------------------------------------------- */

static bool is_within(const struct searching *s, const struct bounds *b,
                      const struct lean *o)
{
    if (o->pieces == PIECES_WHOLE) {
        return o->memory <= b->memory && !(b->wants_cuts && o->is_whole_model);
    }
    return o->memory <= b->memory &&
           (s->spec->n_stages > 0 ||
            (o->pieces == PIECES_SPLIT ? b->may_split : b->may_tile));
}

bool bounds_allow(const struct searching *s, const struct bounds *b,
                  const struct option *o)
{
    struct lean lean;

    set_lean(s, o, &lean);
    return o->is_fixed || is_within(s, b, &lean);
}

static size_t least_devices(const struct searching *s, const struct bounds *b,
                            const struct lean *o)
{
    size_t n;

    if (o->is_fixed) {
        return 0;
    }
    if (!is_within(s, b, o)) {
        return NOT_WITHIN;
    }
    n = o->busy_s <= b->longest_s * (double)s->replicas
            ? s->replicas * o->k
            : reach_replicas(s, b, o->busy_s) * o->k;
    return n == 0 || n > s->kinds[o->kind].n ? NOT_WITHIN : n;
}

static size_t end_of(const struct searching *s, const struct bounds *b,
                     size_t point)
{
    return b->may_split || b->may_tile || s->spec->n_stages > 0
               ? s->first_option[point + 1]
               : s->first_cut[point];
}

/* All that comes from the beginning of an option on, and what does so at
 * least from there. */
static void look_ahead(const struct searching *s, struct reach *r,
                       struct lean *o, double ahead[MODES])
{
    bool is_cut = o->pieces != PIECES_WHOLE;

    for (enum mode mode = 0; mode < MODES; mode++) {
        enum mode to = mode_after(mode, is_cut);

        o->onward_s[mode] = o->takes_s[mode == MODE_CUT] + r->ahead[o->to][to];
        if (o->to + 1 == s->n_points && !o->is_fixed) {
            o->onward_s[mode] += enter_gateway_s(s, o->kind, to);
        }
        ahead[mode] =
            o->onward_s[mode] < ahead[mode] ? o->onward_s[mode] : ahead[mode];
    }
}

static void look_from_end(const struct searching *s, const struct bounds *b,
                          struct reach *r)
{
    size_t end = s->n_points - 1;

    r->rest[end] = 0;
    r->ahead[end][MODE_PLAIN] = b->wants_split || b->wants_tile ? DBL_MAX : 0;
    r->ahead[end][MODE_AFTER_CUT] = r->ahead[end][MODE_CUT] = 0;
}

/* What no device of a kind, however many there are of it, is kept for. */
static void bound_kinds(const struct searching *s, const struct bounds *b,
                        double most_s[SEARCH_KINDS])
{
    for (size_t k = 0; k < s->n_kinds; k++) {
        size_t n = b->is_single ? s->replicas : s->kinds[k].n;

        most_s[k] = b->longest_s * (double)n * SLACK;
    }
}

static void look_from(const struct searching *s, const struct bounds *b,
                      struct reach *r, size_t p,
                      const double most_s[SEARCH_KINDS])
{
    size_t end = end_of(s, b, p);

    for (size_t i = s->first_option[p]; i < end; i++) {
        struct lean *o = &r->lean[i];
        size_t devices;
        double takes;

        if (o->later_s > most_s[o->kind] && !o->is_fixed) {
            i = o->later - 1;
            continue;
        }
        devices = least_devices(s, b, o);
        if (devices == NOT_WITHIN || r->rest[o->to] == DBL_MAX) {
            continue;
        }
        takes = (double)devices * r->weight[o->kind] + r->rest[o->to];
        o->left = r->total * SLACK - takes;
        r->rest[p] = takes < r->rest[p] ? takes : r->rest[p];
        if (!b->is_asked) {
            look_ahead(s, r, o, r->ahead[p]);
        }
        leads_add(&r->leads, &s->options[i], devices);
        r->within[s->first_option[p] + r->n_within[p]++] = (uint32_t)i;
    }
}

bool reach_set(struct reach *r, const struct searching *s,
               const struct bounds *b)
{
    double most_s[SEARCH_KINDS];

    look_from_end(s, b, r);
    bound_kinds(s, b, most_s);
    leads_begin(&r->leads, b);
    for (size_t p = s->n_points - 1; p-- > 0;) {
        r->rest[p] = DBL_MAX;
        r->n_within[p] = 0;
        for (enum mode mode = 0; mode < MODES; mode++) {
            r->ahead[p][mode] = DBL_MAX;
        }
        look_from(s, b, r, p, most_s);
    }
    if (r->rest[0] > r->total * SLACK ||
        (!b->is_asked && r->ahead[0][MODE_PLAIN] == DBL_MAX)) {
        return false;
    }
    if (b->longest_s < DBL_MAX || b->memory < DBL_MAX) {
        leads_close(&r->leads);
    }
    return leads_on(&r->leads, 0, MODE_PLAIN, 0);
}

bool reach_may(const struct reach *r, size_t option, double taken,
               enum mode mode, double latency_s, double most_s)
{
    const struct lean *o = &r->lean[option];

    return taken <= o->left && latency_s + o->onward_s[mode] <= most_s;
}

double reach_left(const struct reach *r, const struct option *o, size_t devices)
{
    return r->total * SLACK - (double)devices * r->weight[o->kind] -
           r->rest[o->to];
}
