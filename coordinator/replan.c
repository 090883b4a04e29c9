#include "coordinator/replan_see.h"
#include "coordinator/rollout.h"

#include "base/mem.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* Times predicted, of boards that were profiled for this model, and of those
 * that only said how fast they are when they began (decision 18). */
#define THRESHOLD 1.3
#define THRESHOLD_GUESSED 2.0

void replan_deinit(struct replan *replan)
{
    drift_deinit(&replan->drift);
    if (replan->former != NULL) {
        edged__placement__free_unpacked(replan->former, NULL);
    }
    if (replan->tried != NULL) {
        edged__placement__free_unpacked(replan->tried, NULL);
    }
    mem_free(replan->runs);
    mem_free(replan->seen);
    mem_free(replan->boards);
    *replan = (struct replan){0};
}

/* ---- an epoch ------------------------------------------------------------ */

static size_t count_runs(const Edged__Placement *spec)
{
    size_t n = 0;

    for (size_t i = 0; i < spec->n_texts; i++) {
        n += spec->texts[i]->n_nodes;
    }
    return n;
}

static size_t board_of(struct replan *replan, const char *name)
{
    size_t b = 0;

    while (b < replan->n_boards && strcmp(replan->boards[b], name) != 0) {
        b++;
    }
    if (b == replan->n_boards) {
        replan->boards[replan->n_boards++] = name;
    }
    return b;
}

static bool add_runs(struct deployment *d, size_t i)
{
    struct replan *replan = &d->replan;
    const Edged__StageText *text = d->current->spec->texts[i];

    for (size_t k = 0; k < text->n_nodes; k++) {
        struct member *m = members_find(d->c, text->nodes[k]);

        if (m == NULL) {
            return false;
        }
        replan->runs[replan->n_runs++] = (struct replan_run){
            .member = m,
            .board = board_of(replan, text->nodes[k]),
            .shard = i,
            .predicted_s =
                k < text->n_compute_ms ? text->compute_ms[k] / 1e3 : 0,
        };
    }
    return true;
}

static void begin_generation(struct deployment *d)
{
    const struct cluster_replan *rows = &d->cluster->replan;
    const Edged__Placement *spec = d->current->spec;
    struct replan *replan = &d->replan;

    replan_deinit(replan);
    replan->generation = d->generation;
    drift_init(&replan->drift,
               &(struct drift_rules){
                   .window_us = (uint64_t)rows->after_ms * 1000,
                   .pause_us = (uint64_t)rows->pause_ms * 1000,
                   .threshold = spec->measured ? THRESHOLD : THRESHOLD_GUESSED,
                   .goal = d->cluster->goal == CLUSTER_GOAL_LATENCY
                               ? DRIFT_LATENCY
                               : DRIFT_RATE,
               });
    if (spec->n_scales > 0) {
        drift_is_calibrated(&replan->drift);
    }
}

/* False: it cannot be looked at. */
static bool begin_epoch(struct deployment *d)
{
    const Edged__Placement *spec = d->current->spec;
    struct replan *replan = &d->replan;
    size_t n = count_runs(spec);

    if (replan->generation != d->generation) {
        begin_generation(d);
    }
    mem_free(replan->runs);
    mem_free(replan->seen);
    mem_free(replan->boards);
    replan->runs = mem_array(struct replan_run, n);
    replan->seen = mem_array(struct drift_seen, n);
    replan->boards = mem_array(const char *, n);
    replan->n_runs = replan->n_boards = 0;
    if (replan->runs == NULL || replan->seen == NULL ||
        replan->boards == NULL) {
        return false;
    }
    for (size_t i = 0; i < spec->n_texts; i++) {
        if (!add_runs(d, i)) {
            return false;
        }
    }
    if (drift_begin(&replan->drift, io_now_us(d->c->io), replan->n_boards) <
        0) {
        return false;
    }
    replan->epoch = spec->epoch;
    return true;
}

/* ---- is all well? -------------------------------------------------------- */

/* A recovery may have put it elsewhere: what was predicted is of other boards.
 */
static bool is_as_planned(const Edged__Placement *spec)
{
    size_t i = 0;

    while (i < spec->n_places && placement_is_as_planned(spec, i)) {
        i++;
    }
    return i == spec->n_places;
}

static bool is_well(const struct deployment *d)
{
    const struct placement *p = d->current;

    if (p == NULL || d->is_leaving || d->rollout != NULL ||
        d->c->leaving_us != 0 || p->spec->n_plan == 0 ||
        !is_as_planned(p->spec)) {
        return false;
    }
    for (size_t i = 0; i < p->n_seats; i++) {
        const struct member *m = p->seats[i].member;

        if (members_state(d->c, m) != MEMBER_UP || m->drained ||
            m->node->leaving || p->seats[i].state != SEAT_READY) {
            return false;
        }
    }
    return true;
}

/* ---- in words ------------------------------------------------------------ */

static void say(struct deployment *d, const char *text)
{
    (void)snprintf(d->replan.said, sizeof(d->replan.said), "%s", text);
    log_event(d->c->log, LOG_INFO, "replan.said", "deployment=%s text=\"%s\"",
              d->name, text);
}

static void tell(struct deployment *d, const char *text)
{
    say(d, text);
    event_note(d->c, EVENT_REPLAN, "", "%s: %s", d->name, text);
}

void replan_describe(const struct deployment *d, char *out, size_t size)
{
    const struct replan *replan = &d->replan;
    const struct drift *drift = &replan->drift;
    size_t worst = drift_worst(drift);
    double off;

    out[0] = '\0';
    if (d->current == NULL || replan->epoch != d->current->epoch ||
        worst >= replan->n_boards) {
        return;
    }
    off = drift_factor(drift, worst);
    (void)snprintf(out, size,
                   "%s takes %.2f times as long as was predicted, all of the "
                   "last %u s",
                   replan->boards[worst], off,
                   d->cluster->replan.after_ms / 1000);
}

/* "n0 | n1 n2": the boards of each stage. */
static void name_plan(const Edged__Placement *spec, char *out, size_t size)
{
    size_t n = 0;

    out[0] = '\0';
    for (size_t i = 0; i < spec->n_plan && n < size; i++) {
        const Edged__ChosenStage *stage = spec->plan[i];

        n += (size_t)snprintf(out + n, size - n, "%s", i > 0 ? " |" : "");
        for (size_t k = 0; k < stage->n_nodes && n < size; k++) {
            n += (size_t)snprintf(out + n, size - n, "%s%s",
                                  i > 0 || k > 0 ? " " : "", stage->nodes[k]);
        }
    }
}

/* "12.3 ms before, 4.1 ms after". */
static void name_figures(const struct drift *drift, char *out, size_t size)
{
    const struct drift_figure *a = &drift->before;
    const struct drift_figure *b = &drift->after;

    if (drift->worse <= 0) {
        (void)snprintf(out, size, "too few requests came to compare it");
    } else if (drift->rules.goal == DRIFT_LATENCY) {
        bool alone = a->alone > 0 && b->alone > 0;

        (void)snprintf(out, size,
                       "a request took %.2f ms before and takes %.2f ms now",
                       (alone ? a->alone_s : a->mean_s) * 1e3,
                       (alone ? b->alone_s : b->mean_s) * 1e3);
    } else {
        (void)snprintf(out, size,
                       "%.3g answers/s before and %.3g/s now, the busiest "
                       "board %.2f ms a request before and %.2f ms now",
                       a->rate, b->rate, a->work_s * 1e3, b->work_s * 1e3);
    }
}

/* ---- doing --------------------------------------------------------------- */

static const char *why_never(const struct deployment *d)
{
    if (d->cluster->n_stages > 0) {
        return "the file says which stages there are (`stages`)";
    }
    if (d->cluster->goal == CLUSTER_GOAL_MEMORY) {
        return "the goal is memory, which no speed changes";
    }
    return d->cluster->replan.on ? NULL : "the file says `replan: {mode: off}`";
}

/* Of a board that computes nothing nothing is known but what is wrong with
 * all predictions. */
static double factor_of(const struct deployment *d, const char *node)
{
    const struct replan *replan = &d->replan;
    double scale = placement_scale(d->current->spec, node);
    double factor = drift_base(&replan->drift);

    for (size_t b = 0; b < replan->n_boards; b++) {
        if (strcmp(replan->boards[b], node) == 0) {
            factor = drift_factor(&replan->drift, b);
        }
    }
    return factor * (scale > 0 ? scale : 1);
}

static void plan_again(struct deployment *d)
{
    struct replan *replan = &d->replan;
    const char *never = why_never(d);
    uint64_t now = io_now_us(d->c->io);
    char text[REPLAN_TEXT];

    replan_describe(d, replan->cause, sizeof(replan->cause));
    if (never != NULL) {
        (void)snprintf(text, sizeof(text), "not planned again: %s", never);
        say(d, text);
        drift_refused(&replan->drift, now);
        return;
    }
    if (!list_is_empty(&d->c->rollouts) ||
        rollout_replan(d, d->cluster->replan.gain, factor_of) < 0) {
        drift_gave_up(&replan->drift, now);
        return;
    }
    replan->is_back = false;
    log_event(d->c->log, LOG_INFO, "replan.begun", "deployment=%s why=\"%s\"",
              d->name, replan->cause);
}

static bool is_still_there(const struct deployment *d,
                           const Edged__Placement *spec)
{
    for (size_t i = 0; i < spec->n_places; i++) {
        for (size_t k = 0; k < spec->places[i]->n_nodes; k++) {
            const struct member *m =
                members_find(d->c, spec->places[i]->nodes[k]);

            if (m == NULL || m->drained ||
                members_state(d->c, m) != MEMBER_UP) {
                return false;
            }
        }
    }
    return true;
}

static void go_back(struct deployment *d)
{
    struct replan *replan = &d->replan;
    Edged__Placement *spec = NULL;

    if (replan->former != NULL && list_is_empty(&d->c->rollouts) &&
        is_still_there(d, replan->former)) {
        spec = placement_copy(replan->former);
    }
    if (spec == NULL || rollout_back(d, spec) < 0) {
        if (spec != NULL) {
            edged__placement__free_unpacked(spec, NULL);
        }
        drift_gave_up(&replan->drift, io_now_us(d->c->io));
        tell(d, "the new plan is slower, and the former one cannot be had "
                "again: its boards are not there or busy");
        return;
    }
    replan->is_back = true;
    name_figures(&replan->drift, replan->cause, sizeof(replan->cause));
}

static void keep(struct deployment *d)
{
    char figures[200];
    char text[REPLAN_TEXT];

    name_figures(&d->replan.drift, figures, sizeof(figures));
    (void)snprintf(text, sizeof(text), "the new plan stays: %s", figures);
    tell(d, text);
}

/* ---- how it went --------------------------------------------------------- */

/* Never 0. Of what the plan is, not of what was predicted. */
static uint64_t number_of(const Edged__Placement *spec)
{
    uint64_t hash = 14695981039346656037u; /* FNV-1a */

    for (size_t i = 0; i < spec->n_plan; i++) {
        const Edged__ChosenStage *s = spec->plan[i];
        char text[1200];
        size_t n =
            (size_t)snprintf(text, sizeof(text), "%u %u %u %u %u %u", s->end,
                             s->kind, s->axis, s->halo, s->rows, s->columns);

        for (size_t k = 0; k <= s->n_nodes; k++) {
            for (size_t at = 0; at < n; at++) {
                hash = (hash ^ (unsigned char)text[at]) * 1099511628211u;
            }
            n = k < s->n_nodes
                    ? (size_t)snprintf(text, sizeof(text), " %s", s->nodes[k])
                    : 0;
        }
    }
    return hash != 0 ? hash : 1;
}

int replan_accept(struct deployment *d, const struct plan_job *job,
                  struct err *err)
{
    struct replan *replan = &d->replan;
    char plan[160];
    size_t used = strlen(replan->cause);

    replan->plan = number_of(job->spec);
    name_plan(job->spec, plan, sizeof(plan));
    if (!drift_may_try(&replan->drift, io_now_us(d->c->io), replan->plan)) {
        return err_set(err, EDGE_EREFUSED,
                       "%s was tried before, and was slower", plan);
    }
    if (replan->tried != NULL) {
        edged__placement__free_unpacked(replan->tried, NULL);
    }
    replan->tried = placement_copy(d->current->spec);
    if (replan->tried == NULL) {
        return err_set(err, EDGE_ENOMEM, "out of memory");
    }
    (void)snprintf(replan->cause + used, sizeof(replan->cause) - used,
                   "; by the goal %.2f ms now, %.2f ms predicted",
                   job->now_s * 1e3, job->best_s * 1e3);
    return 0;
}

static void on_moved(struct deployment *d)
{
    struct replan *replan = &d->replan;
    char from[120] = "";
    char to[120];
    char text[REPLAN_TEXT * 2];

    if (replan->tried != NULL) {
        name_plan(replan->tried, from, sizeof(from));
    }
    name_plan(d->current->spec, to, sizeof(to));
    (void)snprintf(text, sizeof(text), "moved from %s to %s: %s", from, to,
                   replan->cause);
    tell(d, text);
}

static void on_success(struct deployment *d, uint64_t now)
{
    struct replan *replan = &d->replan;
    char text[REPLAN_TEXT * 2];

    if (replan->former != NULL) {
        edged__placement__free_unpacked(replan->former, NULL);
        replan->former = NULL;
    }
    if (replan->is_back) {
        replan->rollbacks++;
        drift_went_back(&replan->drift, now);
        (void)snprintf(text, sizeof(text),
                       "went back to the former plan: %s with the new one",
                       replan->cause);
        tell(d, text);
        return;
    }
    on_moved(d);
    replan->changes++;
    drift_moved(&replan->drift, now, replan->plan);
    replan->former = replan->tried;
    replan->tried = NULL;
}

void replan_ended(struct deployment *d, int rc, const char *text)
{
    struct replan *replan = &d->replan;
    uint64_t now = io_now_us(d->c->io);
    char said[REPLAN_TEXT];

    replan->epoch = 0;
    if (rc == 0) {
        on_success(d, now);
    } else if (rc == EDGE_ESTALE) {
        drift_gave_up(&replan->drift, now);
    } else {
        (void)snprintf(
            said, sizeof(said), "%s: %.300s",
            replan->is_back ? "could not go back" : "not planned again", text);
        say(d, said);
        drift_refused(&replan->drift, now);
    }
    recovery_poke(d->c);
}

/* ---- looking ------------------------------------------------------------- */

static void look_at(struct deployment *d)
{
    struct replan *replan = &d->replan;
    uint64_t now = io_now_us(d->c->io);
    struct drift_totals totals;

    if (!is_well(d)) {
        replan->epoch =
            replan->epoch != 0 && d->rollout == NULL ? 0 : replan->epoch;
        return;
    }
    if ((replan->epoch != d->current->epoch ||
         replan->generation != d->generation) &&
        !begin_epoch(d)) {
        replan->epoch = 0;
        return;
    }
    if (!drift_is_due(&replan->drift, now)) {
        return;
    }
    replan_see(d);
    totals = replan_total(d);
    switch (drift_look(&replan->drift, now, replan->seen, &totals)) {
    case DRIFT_REPLAN: plan_again(d); break;
    case DRIFT_ROLLBACK: go_back(d); break;
    case DRIFT_KEEP: keep(d); break;
    case DRIFT_NOTHING: break;
    }
}

void replan_tick(struct coordinator *c)
{
    list_each(&c->deployments, it, after)
    {
        look_at(list_entry(it, struct deployment, link));
    }
}
