/* A route becomes a choice: devices by name, and what they will take. */
#include "coordinator/plan/search_inner.h"

#include "base/mem.h"

#include <string.h>

/* How much slower than the fastest of a stage a device may be that helps it:
 * a request that comes to it waits for it. */
#define HELP_SLOWER_LATENCY 2
#define HELP_SLOWER 10

static struct choice_stage stage_of(const struct searching *s, size_t i,
                                    int first, int end,
                                    const struct cost_shape *shape)
{
    return (struct choice_stage){.first = first,
                                 .end = end,
                                 .kind = shape->kind,
                                 .axis = shape->axis,
                                 .halo = shape->halo,
                                 .rows = shape->rows,
                                 .columns = shape->columns,
                                 .in_factor =
                                     i > 0 ? s->spec->bytes_factor : 1};
}

static int give_fixed(const struct search_stage *from,
                      struct choice_stage *stage)
{
    stage->n_devices = from->n_devices;
    stage->devices =
        mem_dup(from->devices, from->n_devices * sizeof(*from->devices));
    return stage->devices == NULL ? EDGE_ENOMEM : 0;
}

/* Those of the kind that come next; or, when they are shared, the first of as
 * many sets as there are replicas. */
static int give_devices(const struct searching *s, const struct step *step,
                        bool is_shared, size_t *next,
                        struct choice_stage *stage)
{
    const struct kind *kind = &s->kinds[step->option->kind];
    size_t k = step->option->k;
    size_t set = is_shared ? kind->n / s->replicas : k;

    stage->n_devices = step->replicas * k;
    stage->devices = mem_array(size_t, stage->n_devices);
    if (stage->devices == NULL) {
        return EDGE_ENOMEM;
    }
    for (size_t r = 0; r < step->replicas; r++) {
        for (size_t t = 0; t < k; t++) {
            size_t at = (is_shared ? 0 : *next) + r * set + t;

            stage->devices[r * k + t] = kind->devices[at];
        }
    }
    *next += stage->n_devices;
    return 0;
}

int build_choice(const struct searching *s, const struct route *route,
                 bool is_shared, struct choice *choice)
{
    size_t next[SEARCH_KINDS] = {0};
    int rc = 0;

    *choice = (struct choice){0};
    choice->stages = mem_array(struct choice_stage, route->n);
    if (choice->stages == NULL) {
        return err_set(s->err, EDGE_ENOMEM, "out of memory");
    }
    for (size_t i = 0; i < route->n && rc == 0; i++) {
        const struct option *o = route->steps[i].option;
        struct choice_stage *stage = &choice->stages[i];

        *stage =
            stage_of(s, i, s->points[o->from], s->points[o->to], &o->shape);
        rc = o->is_fixed ? give_fixed(&s->spec->stages[o->stage], stage)
                         : give_devices(s, &route->steps[i], is_shared,
                                        &next[o->kind], stage);
        choice->n_stages = i + 1;
    }
    rc = rc < 0 ? err_set(s->err, rc, "out of memory")
                : cost_choice(s->m, choice, s->err);
    if (rc < 0) {
        choice_deinit(choice);
    }
    return rc;
}

int build_whole(const struct searching *s, const size_t *devices, size_t n,
                struct choice *choice)
{
    const struct cost_shape whole = {.rows = 1, .columns = 1};
    int rc = EDGE_ENOMEM;

    *choice = (struct choice){0};
    choice->stages = mem_array(struct choice_stage, 1);
    if (choice->stages == NULL) {
        return err_set(s->err, rc, "out of memory");
    }
    choice->n_stages = 1;
    choice->stages[0] = stage_of(s, 0, 0, (int)s->m->n_ops, &whole);
    choice->stages[0].n_devices = n;
    choice->stages[0].devices = mem_dup(devices, n * sizeof(*devices));
    rc = choice->stages[0].devices == NULL
             ? err_set(s->err, rc, "out of memory")
             : cost_choice(s->m, choice, s->err);
    if (rc < 0) {
        choice_deinit(choice);
    }
    return rc;
}

/* What a user put there is not for the search to judge. */
static bool is_written_for(const struct searching *s, size_t device)
{
    for (size_t i = 0; i < s->spec->n_stages; i++) {
        const struct search_stage *stage = &s->spec->stages[i];

        for (size_t k = 0; k < stage->n_devices; k++) {
            if (stage->devices[k] == device) {
                return true;
            }
        }
    }
    return false;
}

bool build_fits(const struct searching *s, const struct choice *choice)
{
    for (size_t d = 0; d < choice->n_devices; d++) {
        if (choice->memory[d] > s->m->profile->devices[d].free_bytes &&
            !is_written_for(s, d)) {
            return false;
        }
    }
    return true;
}

/* ---- devices without work ------------------------------------------------ */

static double seconds_on(const struct searching *s,
                         const struct choice_stage *stage, size_t device)
{
    return cost_seconds(s->m, s->m->profile->devices[device].board,
                        stage->first, stage->end);
}

/* Not so slow that whoever gets it would rather have waited. */
static bool is_fast(const struct searching *s, const struct choice_stage *stage,
                    size_t device)
{
    double slower =
        s->spec->goal == SEARCH_LATENCY ? HELP_SLOWER_LATENCY : HELP_SLOWER;
    double least = seconds_on(s, stage, stage->devices[0]);

    for (size_t i = 1; i < stage->n_devices; i++) {
        double seconds = seconds_on(s, stage, stage->devices[i]);

        least = seconds < least ? seconds : least;
    }
    return seconds_on(s, stage, device) <= slower * least;
}

static bool may_help(const struct searching *s,
                     const struct choice_stage *stage, size_t device)
{
    bool is_written = false;

    for (size_t i = 0; i < s->spec->n_stages; i++) {
        is_written = is_written || (s->spec->stages[i].first == stage->first &&
                                    s->spec->stages[i].n_devices > 0);
    }
    return !is_written && stage->kind == PIECES_WHOLE &&
           stage->n_devices < LIMIT_REPLICAS && is_fast(s, stage, device);
}

/* The stage that keeps its devices longest, of those it may help. */
static size_t neediest(const struct searching *s, const struct choice *choice,
                       size_t device)
{
    size_t found = choice->n_stages;

    for (size_t i = 0; i < choice->n_stages; i++) {
        if (may_help(s, &choice->stages[i], device) &&
            (found == choice->n_stages ||
             choice->stages[i].busy_s > choice->stages[found].busy_s)) {
            found = i;
        }
    }
    return found;
}

static bool is_no_worse(const struct searching *s, const struct choice *a,
                        const struct choice *b)
{
    return a->latency_s <= b->latency_s * (1 + 1e-9) &&
           a->throughput >= b->throughput * (1 - 1e-9) && build_fits(s, a);
}

static int help(const struct searching *s, struct choice *choice, size_t device)
{
    size_t i = neediest(s, choice, device);
    struct choice with = {0};
    size_t *devices;
    int rc;

    if (i == choice->n_stages) {
        return 0;
    }
    rc = choice_copy(choice, &with);
    if (rc < 0) {
        return err_set(s->err, rc, "out of memory");
    }
    devices = mem_resize(with.stages[i].devices, with.stages[i].n_devices + 1,
                         sizeof(*devices));
    if (devices == NULL) {
        choice_deinit(&with);
        return err_set(s->err, EDGE_ENOMEM, "out of memory");
    }
    with.stages[i].devices = devices;
    devices[with.stages[i].n_devices++] = device;
    rc = cost_choice(s->m, &with, s->err);
    if (rc == 0 && is_no_worse(s, &with, choice)) {
        struct choice old = *choice;

        *choice = with;
        with = old;
    }
    choice_deinit(&with);
    return rc;
}

int build_help(const struct searching *s, struct choice *choice)
{
    int rc = 0;

    for (size_t d = 0; d < choice->n_devices && rc == 0; d++) {
        if (choice->memory[d] == 0) {
            rc = help(s, choice, d);
        }
    }
    return rc;
}
