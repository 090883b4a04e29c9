/*
 * The best plan of a shape for a goal: the least latency, or that under the
 * tightest bound on what the goal is.
 */
#include "coordinator/plan/search_inner.h"

#include <math.h>
#include <string.h>

#define TIGHT 1.0005     /* bounds are found so closely */
#define TIGHT_OTHER 1.01 /* of shapes that replicas outdo anyway */

/* The wire of the gateway bounds every plan. */
static double gateway_s(const struct searching *s)
{
    const struct profile_link *link = kinds_link(s, SEARCH_KINDS, 0);
    double in = s->m->cross_bytes[0] / link->bytes_per_s;
    double out = s->m->cross_bytes[s->m->n_ops] / link->bytes_per_s;

    return in > out ? in : out;
}

/* No plan does better than all devices together. */
static double least_s(const struct searching *s)
{
    double rate = 0;
    double gateway = gateway_s(s);

    for (size_t k = 0; k < s->n_kinds; k++) {
        rate += (double)s->kinds[k].n / fmax(s->kinds[k].whole_s, 1e-9);
    }
    return fmax(1 / rate, gateway) * 0.5;
}

static void keep_route(const struct route *from, struct route *to)
{
    struct step *steps = to->steps;

    memcpy(steps, from->steps, from->n * sizeof(*steps));
    *to = *from;
    to->steps = steps;
}

struct tightening { /* of one bound, from `high`, which fits, towards `low` */
    struct table *table;
    struct bounds *bounds;
    double *bound; /* of these */
    double low;
    double high;
    double tight; /* until they are so close */
    struct route *trial;
    struct route *best;
};

static bool found(struct tightening *t)
{
    bool is_found = table_solve(t->table, t->bounds, t->trial);

    if (is_found) {
        keep_route(t->trial, t->best);
    }
    return is_found;
}

/* Whether anything fits is told sooner than what is the best of it. False: it
 * was told so, and there is nothing. */
static bool tighten_by(struct tightening *t, bool may_tell)
{
    double low = t->low;
    double high = t->high;
    bool is_told = false;

    while (high > low * t->tight) {
        enum table_answer answer = TABLE_UNTOLD;

        *t->bound = low > 0 ? sqrt(low * high) : high / 2;
        if (may_tell) {
            answer = table_tell(t->table, t->bounds);
        }
        if (answer == TABLE_YES || (answer == TABLE_UNTOLD && found(t))) {
            high = *t->bound;
            is_told = answer == TABLE_YES;
        } else {
            low = *t->bound;
        }
    }
    *t->bound = high;
    return !is_told || found(t);
}

static void tighten(struct tightening *t)
{
    if (!tighten_by(t, true)) {
        (void)tighten_by(t, false);
    }
}

static double route_memory(const struct route *route)
{
    double most = 0;

    for (size_t i = 0; i < route->n; i++) {
        if (route->steps[i].option->memory > most) {
            most = route->steps[i].option->memory;
        }
    }
    return most;
}

bool goal_solve(const struct searching *s, struct table *table,
                struct bounds bounds, struct route *trial, struct route *best,
                struct choice *choice, int *rc)
{
    struct tightening t = {
        .table = table,
        .bounds = &bounds,
        .tight = bounds.may_split || bounds.may_tile ? TIGHT_OTHER : TIGHT,
        .trial = trial,
        .best = best};

    if (!table_solve(table, &bounds, best)) {
        return false;
    }
    *rc = build_choice(s, best, false, choice);
    if (*rc < 0 || s->spec->goal == SEARCH_LATENCY) {
        return true;
    }
    if (s->spec->goal == SEARCH_THROUGHPUT) {
        t.bound = &bounds.longest_s;
        t.low = least_s(s);
        t.high = 1 / choice->throughput;
    } else {
        t.bound = &bounds.memory;
        t.low =
            s->m->weights[s->m->n_ops] / (double)s->m->profile->n_devices * 0.5;
        t.high = route_memory(best);
    }
    tighten(&t);
    choice_deinit(choice);
    *rc = build_choice(s, best, false, choice);
    return true;
}
