/*
 * The best of each shape, then the best of all.
 *
 *   alone      on each kind of device
 *   copies     on all devices that are fast enough
 *   the rest   by the dynamic programmes, with the bounds that make the shape;
 *              the bound that is the goal is drawn tighter until nothing fits
 */
#include "coordinator/plan/search_inner.h"

#include "base/mem.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct bounds no_bounds(void)
{
    return (struct bounds){.longest_s = DBL_MAX, .memory = DBL_MAX};
}

/* ---- candidates ---------------------------------------------------------- */

struct candidates {
    struct searching *s;
    struct table *table;
    struct choices *choices;
    struct route trial;
    struct route best;
    int rc;
};

/* Takes `choice`, if it fits and is the best of its shape. */
static void offer(struct candidates *c, enum choice_shape shape,
                  struct choice *choice)
{
    struct choice_other *other = &c->choices->others[shape];
    enum search_goal goal = c->s->spec->goal;

    if (choice->n_stages == 0) {
        return;
    }
    if (c->rc == 0 && build_fits(c->s, choice) &&
        (!other->is_possible || why_is_better(choice, &other->choice, goal))) {
        choice_deinit(&other->choice);
        other->choice = *choice;
        other->is_possible = true;
        *choice = (struct choice){0};
        return;
    }
    choice_deinit(choice);
}

static void offer_alone(struct candidates *c)
{
    const struct searching *s = c->s;

    for (size_t k = 0; k < s->n_kinds && c->rc == 0; k++) {
        struct choice choice = {0};

        /* Kinds that were merged have faster and slower ones. */
        for (size_t i = 0; i < (s->is_merged ? s->kinds[k].n : 1) && c->rc == 0;
             i++) {
            c->rc = build_whole(s, &s->kinds[k].devices[i], 1, &choice);
            offer(c, CHOICE_ALONE, &choice);
        }
    }
}

struct ranked {
    size_t device;
    double seconds;
};

static int by_seconds(const void *a, const void *b)
{
    const struct ranked *x = a;
    const struct ranked *y = b;

    if (x->seconds != y->seconds) {
        return x->seconds < y->seconds ? -1 : 1;
    }
    return (x->device > y->device) - (x->device < y->device);
}

/* On the fastest that have the memory, then on all others that help. */
static void offer_copies(struct candidates *c)
{
    const struct searching *s = c->s;
    const struct profile *p = s->m->profile;
    struct ranked *ranked = mem_array(struct ranked, p->n_devices);
    size_t devices[LIMIT_REPLICAS];
    struct choice choice = {0};
    size_t n = 0;

    if (ranked == NULL) {
        c->rc = err_set(s->err, EDGE_ENOMEM, "out of memory");
        return;
    }
    for (size_t d = 0; d < p->n_devices; d++) {
        ranked[d].device = d;
        ranked[d].seconds =
            cost_seconds(s->m, p->devices[d].board, 0, (int)s->m->n_ops);
    }
    qsort(ranked, p->n_devices, sizeof(*ranked), by_seconds);
    for (size_t i = 0; i < p->n_devices && c->rc == 0 &&
                       n < (s->replicas > 2 ? s->replicas : 2);
         i++) {
        c->rc = build_whole(s, &ranked[i].device, 1, &choice);
        if (c->rc == 0 && build_fits(s, &choice)) {
            devices[n++] = ranked[i].device;
        }
        choice_deinit(&choice);
    }
    if (c->rc == 0 && n >= 2 && n >= s->replicas) {
        c->rc = build_whole(s, devices, n, &choice);
        if (c->rc == 0 && s->spec->goal != SEARCH_MEMORY) {
            c->rc = build_help(s, &choice);
        }
        offer(c, CHOICE_COPIES, &choice);
    }
    mem_free(ranked);
}

static void offer_shared(struct candidates *c, enum choice_shape shape,
                         const struct bounds *bounds)
{
    const struct searching *s = c->s;
    struct choice choice = {0};
    int rc = shared_solve(s, bounds, &c->trial);

    if (rc < 0) {
        c->rc = rc == EDGE_ENOENT ? 0 : err_set(s->err, rc, "out of memory");
        return;
    }
    c->rc = build_choice(s, &c->trial, true, &choice);
    offer(c, shape, &choice);
}

static void offer_solved(struct candidates *c, enum choice_shape shape,
                         struct bounds bounds)
{
    const struct searching *s = c->s;
    struct choice choice = {0};

    if ((bounds.wants_split || bounds.wants_tile) && !options_have_cuts(s)) {
        return;
    }
    if (c->rc == 0 &&
        goal_solve(s, c->table, bounds, &c->trial, &c->best, &choice, &c->rc)) {
        if (c->rc == 0 && !bounds.is_single && s->spec->goal != SEARCH_MEMORY) {
            c->rc = build_help(s, &choice);
        }
        offer(c, shape, &choice);
    }
    if (c->rc == 0 && (bounds.may_split || bounds.may_tile) &&
        s->spec->goal == SEARCH_LATENCY) {
        offer_shared(c, shape, &bounds);
    }
}

static bool may_replicate(const struct searching *s)
{
    for (size_t k = 0; k < s->n_kinds; k++) {
        if (s->kinds[k].n > s->replicas) {
            return true;
        }
    }
    return false;
}

/* Where no kind has devices for replicas beyond those asked for, they come of
 * idle devices alone. */
static void offer_helped(struct candidates *c)
{
    const struct choice_other *pipeline = &c->choices->others[CHOICE_PIPELINE];
    struct choice choice = {0};

    if (c->rc < 0 || !pipeline->is_possible) {
        return;
    }
    c->rc = choice_copy(&pipeline->choice, &choice);
    if (c->rc < 0) {
        c->rc = err_set(c->s->err, c->rc, "out of memory");
    } else if (c->s->spec->goal != SEARCH_MEMORY) {
        c->rc = build_help(c->s, &choice);
    }
    offer(c, CHOICE_PIPELINE_REPLICAS, &choice);
}

static void offer_pipelines(struct candidates *c)
{
    struct bounds b = no_bounds();

    b.wants_cuts = true;
    if (!c->s->spec->only_best || c->s->replicas > 1) {
        b.is_single = true;
        offer_solved(c, CHOICE_PIPELINE, b);
        if (!may_replicate(c->s)) {
            offer_helped(c);
            return;
        }
    }
    b.is_single = false;
    offer_solved(c, CHOICE_PIPELINE_REPLICAS, b);
}

static void offer_all(struct candidates *c)
{
    struct bounds b = no_bounds();

    if (c->s->spec->n_stages > 0) {
        offer_solved(c, CHOICE_WRITTEN, b);
        return;
    }
    offer_alone(c);
    if (c->rc == 0) {
        offer_copies(c);
    }
    offer_pipelines(c);
    b.wants_cuts = true;
    b.may_split = b.wants_split = true;
    offer_solved(c, CHOICE_SPLIT, b);
    b.wants_split = false;
    b.may_tile = b.wants_tile = true;
    b.may_split = false;
    offer_solved(c, CHOICE_TILE, b);
}

/* ---- the best ------------------------------------------------------------ */

/* One board alone is none of several replicas. */
static bool is_eligible(const struct searching *s, const struct choice *choice)
{
    for (size_t i = 0; i < choice->n_stages && s->spec->n_stages == 0; i++) {
        const struct choice_stage *stage = &choice->stages[i];

        if (stage->n_devices < choice_pieces(stage) * s->replicas) {
            return false;
        }
    }
    return true;
}

/* When nothing else fits. */
static void offer_packed(struct candidates *c)
{
    struct choice choice = {0};
    int rc = packed_solve(c->s, &choice);

    if (rc < 0) {
        c->rc = rc == EDGE_ENOENT ? 0 : rc;
        return;
    }
    offer(c,
          c->s->spec->n_stages > 0 ? CHOICE_WRITTEN : choice_shape_of(&choice),
          &choice);
}

/* What is in force, if `best` is not worth a change. */
static bool stays(struct searching *s, const struct choice *best)
{
    const struct choice *now = s->spec->stays;
    enum search_goal goal = s->spec->goal;

    s->stays =
        now != NULL && build_fits(s, now) && is_eligible(s, now) &&
        why_value(best, goal) >= why_value(now, goal) * (1 - s->spec->gain);
    return s->stays;
}

static int choose(struct candidates *c)
{
    struct choices *choices = c->choices;
    const struct choice_other *best = NULL;

    for (int i = 0; i < CHOICE_SHAPES; i++) {
        struct choice_other *other = &choices->others[i];

        if (other->is_possible && is_eligible(c->s, &other->choice) &&
            (best == NULL ||
             why_is_better(&other->choice, &best->choice, c->s->spec->goal))) {
            best = other;
            choices->shape = choice_shape_of(&other->choice);
        }
    }
    if (best == NULL) {
        return EDGE_ENOFIT;
    }
    if (stays(c->s, &best->choice)) {
        choices->shape = choice_shape_of(c->s->spec->stays);
        return choice_copy(c->s->spec->stays, &choices->best);
    }
    return choice_copy(&best->choice, &choices->best);
}

static void say_why(const struct searching *s, struct choices *choices)
{
    for (int i = 0; i < CHOICE_SHAPES; i++) {
        struct choice_other *other = &choices->others[i];

        if (!other->is_possible) {
            (void)snprintf(other->why, CHOICE_WHY, "%s",
                           s->spec->n_stages > 0
                               ? "the stages are written"
                               : "does not fit, or cannot be, here");
        } else if ((enum choice_shape)i == choices->shape) {
            other->why[0] = '\0'; /* it is the plan */
        } else if (!is_eligible(s, &other->choice)) {
            (void)snprintf(other->why, CHOICE_WHY,
                           "replicas: %zu asks for more", s->replicas);
        } else {
            why_rejected(s, &other->choice, &choices->best, other->why);
        }
    }
    choices->is_bounded = s->is_merged;
    if (s->is_merged) {
        (void)snprintf(choices->bound, CHOICE_WHY,
                       "boards that differ a little were taken for alike: "
                       "%zu kinds were told apart",
                       s->n_kinds);
    }
}

static int make_points(struct searching *s)
{
    const struct search *spec = s->spec;
    size_t n = spec->n_stages > 0 ? spec->n_stages : spec->n_points;
    int end = (int)s->m->n_ops;

    s->points = mem_array(int, n + 2);
    if (s->points == NULL) {
        return EDGE_ENOMEM;
    }
    s->n_points = 1;
    for (size_t i = 0; i < n; i++) {
        int p = spec->n_stages > 0 ? spec->stages[i].end : spec->points[i];

        if (p > s->points[s->n_points - 1] && p < end) {
            s->points[s->n_points++] = p;
        }
    }
    s->points[s->n_points++] = end;
    return 0;
}

static int prepare(struct searching *s, struct candidates *c)
{
    int rc = make_points(s);

    rc = rc < 0 ? rc : kinds_make(s);
    rc = rc < 0 ? rc : options_make(s);
    rc = rc < 0 ? rc : table_make(s, &c->table);
    if (rc == 0) {
        c->trial.steps = mem_array(struct step, s->n_points);
        c->best.steps = mem_array(struct step, s->n_points);
        rc = c->trial.steps == NULL || c->best.steps == NULL ? EDGE_ENOMEM : 0;
    }
    return rc == EDGE_ENOMEM ? err_set(s->err, rc, "out of memory") : rc;
}

static void release(struct searching *s)
{
    mem_free(s->points);
    mem_free(s->order);
    mem_free(s->options);
    mem_free(s->first_option);
    mem_free(s->first_cut);
}

/* s->spec, s->known and s->err are given; the caller releases *s. */
static int run(struct searching *s, struct choices *choices)
{
    const struct search *spec = s->spec;
    size_t n_devices = spec->model->profile->n_devices;
    struct candidates c = {.s = s, .choices = choices};
    int rc;

    s->m = spec->model;
    s->replicas = spec->replicas < n_devices ? spec->replicas : n_devices;
    s->replicas = s->replicas < LIMIT_REPLICAS ? s->replicas : LIMIT_REPLICAS;
    s->replicas = s->replicas > 0 ? s->replicas : 1;
    rc = prepare(s, &c);
    if (rc == 0) {
        offer_all(&c);
        rc = c.rc;
    }
    if (rc == 0) {
        rc = choose(&c);
        if (rc == EDGE_ENOFIT) {
            offer_packed(&c);
            rc = c.rc < 0 ? c.rc : choose(&c);
        }
        rc = rc == EDGE_ENOFIT   ? why_nothing_fits(s)
             : rc == EDGE_ENOMEM ? err_set(s->err, rc, "out of memory")
                                 : rc;
    }
    if (rc == 0 && !spec->only_best) {
        say_why(s, choices);
        rc = why_left_out(s, choices);
    }
    table_free(c.table);
    mem_free(c.trial.steps);
    mem_free(c.best.steps);
    return rc;
}

/* ---- one board more ------------------------------------------------------ */

static size_t most_common_board(const struct profile *p, size_t *device)
{
    size_t most = 0;
    size_t *count = mem_array(size_t, p->n_boards);
    size_t found = 0;

    for (size_t d = 0; d < p->n_devices && count != NULL; d++) {
        count[p->devices[d].board]++;
    }
    for (size_t d = 0; d < p->n_devices && count != NULL; d++) {
        if (count[p->devices[d].board] > most) {
            most = count[p->devices[d].board];
            found = p->devices[d].board;
            *device = d;
        }
    }
    mem_free(count);
    return found;
}

/* A profile with a copy of `like` behind the others. It borrows boards and
 * links. */
static int add_device(const struct profile *from, size_t like,
                      struct profile *to)
{
    size_t n = from->n_devices;
    size_t side = n + 1;

    *to = *from;
    to->n_devices = n + 1;
    to->link_of = NULL;
    to->devices = mem_array(struct profile_device, n + 1);
    if (to->devices == NULL ||
        (from->link_of != NULL && profile_set_pairs(to) < 0)) {
        mem_free(to->devices);
        return EDGE_ENOMEM;
    }
    memcpy(to->devices, from->devices, n * sizeof(*to->devices));
    to->devices[n] = from->devices[like];
    for (size_t a = 0; from->link_of != NULL && a < side; a++) {
        size_t end = a == n ? PROFILE_GATEWAY : a;

        for (size_t b = 0; b < side; b++) {
            profile_set_link(to, end, b == n ? PROFILE_GATEWAY : b,
                             from->link_of[a * side + b]);
        }
        profile_set_link(to, end, n, from->link_of[a * side + like]);
    }
    return 0;
}

static int one_more(const struct searching *known, struct choices *choices)
{
    const struct search *spec = known->spec;
    const struct profile *p = spec->model->profile;
    struct cost_model model = *spec->model;
    struct search more = *spec;
    struct searching s = {.spec = &more, .known = known};
    struct choices found = {0};
    struct profile profile;
    size_t like = 0;
    int rc;

    choices->more_board = most_common_board(p, &like);
    rc = add_device(p, like, &profile);
    if (rc < 0) {
        return rc;
    }
    model.profile = &profile;
    more.model = &model;
    more.only_best = true;
    more.stays = NULL; /* it is not of so many boards */
    if (run(&s, &found) == 0) {
        choices->has_more = true;
        choices->more_latency_s = found.best.latency_s;
        choices->more_throughput = found.best.throughput;
    }
    release(&s);
    choices_deinit(&found);
    mem_free(profile.devices);
    mem_free(profile.link_of);
    return 0;
}

int search_run(const struct search *spec, struct choices *choices,
               struct err *err)
{
    struct searching s = {.spec = spec, .err = err};
    int rc;

    *choices = (struct choices){0};
    if (spec->model->profile->n_devices == 0) {
        return err_set(err, EDGE_ENOFIT, "there is no board to plan for");
    }
    rc = run(&s, choices);
    if (rc == 0 && !spec->only_best && one_more(&s, choices) < 0) {
        rc = err_set(err, EDGE_ENOMEM, "out of memory");
    }
    release(&s);
    if (rc < 0) {
        choices_deinit(choices);
    }
    return rc;
}
