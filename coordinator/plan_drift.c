/*
 * A plan that is in force, reckoned with again: what the planner chose is kept
 * with the placement, and compared with what it would choose on boards as they
 * are by measure.
 */
#include "coordinator/plan_job.h"

#include "base/mem.h"

#include <string.h>

/* ---- keeping ------------------------------------------------------------- */

static Edged__ChosenStage *stage_out(const struct plan_job *job,
                                     const struct choice_stage *from)
{
    Edged__ChosenStage *stage = mem_new(Edged__ChosenStage);

    if (stage == NULL) {
        return NULL;
    }
    edged__chosen_stage__init(stage);
    stage->first = (uint32_t)from->first;
    stage->end = (uint32_t)from->end;
    stage->kind = from->kind;
    stage->axis = from->axis;
    stage->halo = from->halo;
    stage->rows = (uint32_t)from->rows;
    stage->columns = (uint32_t)from->columns;
    stage->in_factor = from->in_factor;
    stage->nodes = mem_array(char *, from->n_devices);
    for (size_t k = 0; k < from->n_devices && stage->nodes != NULL; k++) {
        stage->nodes[k] = mem_strdup(job->devices[from->devices[k]].name);
        if (stage->nodes[k] == NULL) {
            break;
        }
        stage->n_nodes = k + 1;
    }
    if (stage->n_nodes < from->n_devices) {
        edged__chosen_stage__free_unpacked(stage, NULL);
        return NULL;
    }
    return stage;
}

static int keep_scales(const struct plan_job *job, Edged__Placement *spec)
{
    spec->scales = mem_array(Edged__BoardScale *, job->n_devices);
    for (size_t i = 0; i < job->n_devices && spec->scales != NULL; i++) {
        Edged__BoardScale *scale;

        if (job->devices[i].factor <= 0) {
            continue;
        }
        scale = mem_new(Edged__BoardScale);
        if (scale == NULL) {
            return EDGE_ENOMEM;
        }
        edged__board_scale__init(scale);
        spec->scales[spec->n_scales++] = scale;
        scale->factor = job->devices[i].factor;
        scale->node = mem_strdup(job->devices[i].name);
        if (scale->node == NULL) {
            return EDGE_ENOMEM;
        }
    }
    return spec->scales == NULL ? EDGE_ENOMEM : 0;
}

static bool is_measured(const struct profile *profile)
{
    for (size_t d = 0; d < profile->n_devices; d++) {
        if (!profile->boards[profile->devices[d].board].is_measured) {
            return false;
        }
    }
    return true;
}

int plan_drift_keep(const struct working *w, Edged__Placement *spec)
{
    const struct choice *best = &w->job->choices.best;

    spec->measured = is_measured(&w->profile);
    spec->plan = mem_array(Edged__ChosenStage *, best->n_stages);
    for (size_t i = 0; i < best->n_stages && spec->plan != NULL; i++) {
        spec->plan[i] = stage_out(w->job, &best->stages[i]);
        if (spec->plan[i] == NULL) {
            return EDGE_ENOMEM;
        }
        spec->n_plan = i + 1;
    }
    return spec->plan == NULL ? EDGE_ENOMEM : keep_scales(w->job, spec);
}

/* ---- comparing ----------------------------------------------------------- */

static size_t find_device(const struct plan_job *job, const char *name)
{
    size_t d = 0;

    while (d < job->n_devices && strcmp(job->devices[d].name, name) != 0) {
        d++;
    }
    return d;
}

/* It may come from state.db: nothing is taken for granted. */
static bool is_stage(const Edged__ChosenStage *from, int first, size_t n_ops)
{
    size_t k = from->kind == PIECES_WHOLE
                   ? 1
                   : (size_t)from->rows * (size_t)from->columns;

    return from->first == (uint32_t)first && from->end > from->first &&
           from->end <= n_ops && from->kind <= PIECES_TILE &&
           from->axis <= SPLIT_PAIR && from->halo <= TILE_NONE &&
           from->rows <= LIMIT_SHARDS && from->columns <= LIMIT_SHARDS &&
           k >= 1 && k <= LIMIT_SHARDS && from->n_nodes >= 1 &&
           from->in_factor > 0;
}

static int stage_in(const struct plan_job *job, const Edged__ChosenStage *from,
                    struct choice_stage *to)
{
    *to = (struct choice_stage){
        .first = (int)from->first,
        .end = (int)from->end,
        .kind = (enum pieces_kind)from->kind,
        .axis = (enum split_axis)from->axis,
        .halo = (enum tile_halo)from->halo,
        .rows = (int)from->rows,
        .columns = (int)from->columns,
        .in_factor = from->in_factor,
        .devices = mem_array(size_t, from->n_nodes),
    };
    if (to->devices == NULL) {
        return EDGE_ENOMEM;
    }
    for (size_t k = 0; k < from->n_nodes; k++) {
        to->devices[k] = find_device(job, from->nodes[k]);
        if (to->devices[k] == job->n_devices) {
            return EDGE_ESTALE;
        }
        to->n_devices = k + 1;
    }
    return 0;
}

static int choice_in(const struct working *w, struct choice *choice)
{
    const Edged__Placement *now = w->job->now;
    int next = 0;

    choice->stages = mem_array(struct choice_stage, now->n_plan);
    if (choice->stages == NULL) {
        return EDGE_ENOMEM;
    }
    for (size_t i = 0; i < now->n_plan; i++) {
        int rc;

        if (!is_stage(now->plan[i], next, w->model.n_ops)) {
            return EDGE_ESTALE;
        }
        choice->n_stages = i + 1;
        rc = stage_in(w->job, now->plan[i], &choice->stages[i]);
        if (rc < 0) {
            return rc;
        }
        next = choice->stages[i].end;
    }
    return next == (int)w->model.n_ops ? 0 : EDGE_ESTALE;
}

static bool is_same_stage(const struct choice_stage *a,
                          const struct choice_stage *b)
{
    return a->first == b->first && a->end == b->end && a->kind == b->kind &&
           a->axis == b->axis && a->halo == b->halo && a->rows == b->rows &&
           a->columns == b->columns && a->n_devices == b->n_devices &&
           memcmp(a->devices, b->devices, a->n_devices * sizeof(size_t)) == 0;
}

static bool is_same(const struct choice *a, const struct choice *b)
{
    bool same = a->n_stages == b->n_stages;

    for (size_t i = 0; i < a->n_stages && same; i++) {
        same = is_same_stage(&a->stages[i], &b->stages[i]);
    }
    return same;
}

static double seconds_of(const struct working *w, const struct choice *choice)
{
    return w->job->cluster->goal == CLUSTER_GOAL_LATENCY
               ? choice->latency_s
               : 1 / choice->throughput;
}

static int judge(struct working *w, const struct choice *now, struct err *err)
{
    struct plan_job *job = w->job;
    const struct choice *best = &job->choices.best;
    double gain;

    job->now_s = seconds_of(w, now);
    job->best_s = seconds_of(w, best);
    gain = 1 - job->best_s / job->now_s;
    if (is_same(now, best)) {
        return err_set(err, EDGE_EREFUSED,
                       "it is the best plan for the boards as they are");
    }
    if (gain < job->gain) {
        return err_set(err, EDGE_EREFUSED,
                       "the best plan for the boards as they are would gain "
                       "%.0f %%, and %.0f %% are asked for",
                       gain > 0 ? gain * 100 : 0.0, job->gain * 100);
    }
    return 0;
}

bool plan_drift_may_stay(const struct working *w)
{
    const struct plan_job *job = w->job;

    return job->stays && job->now != NULL &&
           (job->now->measured || !is_measured(&w->profile));
}

int plan_drift_now(const struct working *w, struct choice *now, struct err *err)
{
    int rc = choice_in(w, now);

    if (rc == EDGE_ESTALE) {
        return err_set(err, rc, "the plan in force is not of these boards");
    }
    return rc < 0 ? err_set(err, rc, "out of memory")
                  : cost_choice(&w->model, now, err);
}

int plan_drift_compare(struct working *w, struct err *err)
{
    struct choice now = {0};
    int rc = plan_drift_now(w, &now, err);

    rc = rc == 0 ? judge(w, &now, err) : rc;
    choice_deinit(&now);
    return rc;
}
