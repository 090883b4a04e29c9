/*
 * Where devices of their own do not suffice: stages are packed onto devices,
 * several on one. Stages as written, or the fewest that a part of a device's
 * memory holds. In the order in which devices are listed, those with the
 * fewest stages first; where memory does not allow that, the largest stages
 * first, each to the emptiest device. A heuristic, tried when nothing exact
 * fits.
 */
#include "coordinator/plan/search_inner.h"

#include "base/mem.h"

#include <string.h>

#define PARTS 8 /* of a device's memory */

struct packing {
    const struct searching *s;
    struct choice *choice;
    double *needs;  /* by stage: bytes of a piece */
    double *left;   /* by device: bytes */
    size_t *load;   /* by device: pieces */
    bool *is_taken; /* by device: by a stage that was written for it */
};

/* ---- stages -------------------------------------------------------------- */

static void set_stage(struct choice *choice, const struct searching *s,
                      int first, int end, const struct cost_shape *shape)
{
    choice->stages[choice->n_stages] = (struct choice_stage){
        .first = first,
        .end = end,
        .kind = shape->kind,
        .axis = shape->axis,
        .halo = shape->halo,
        .rows = shape->rows,
        .columns = shape->columns,
        .in_factor = choice->n_stages > 0 ? s->spec->bytes_factor : 1};
    choice->n_stages++;
}

static double most_memory(const struct profile *p)
{
    double most = 0;

    for (size_t d = 0; d < p->n_devices; d++) {
        if ((double)p->devices[d].free_bytes > most) {
            most = (double)p->devices[d].free_bytes;
        }
    }
    return most;
}

static double needs_of(const struct searching *s,
                       const struct choice_stage *stage)
{
    struct cost_shape shape = {stage->kind, stage->axis, stage->halo,
                               stage->rows, stage->columns};
    struct cost_part part;

    return cost_part(s->m, s->kinds[0].board, stage->first, stage->end, &shape,
                     &part) < 0
               ? 0
               : cost_part_memory(s->m, &part);
}

/* As long as each may be; what does not fit alone is a stage all the same. */
static void cut_by_memory(struct packing *p, double most)
{
    const struct searching *s = p->s;
    const struct cost_shape whole = {.rows = 1, .columns = 1};
    size_t from = 0;

    for (size_t to = 1; to < s->n_points; to++) {
        struct cost_part part;

        (void)cost_part(s->m, s->kinds[0].board, s->points[from], s->points[to],
                        &whole, &part);
        if (to > from + 1 && cost_part_memory(s->m, &part) > most) {
            set_stage(p->choice, s, s->points[from], s->points[to - 1], &whole);
            from = to - 1;
        }
    }
    set_stage(p->choice, s, s->points[from], s->points[s->n_points - 1],
              &whole);
}

static void cut_as_written(struct packing *p)
{
    const struct search *spec = p->s->spec;

    for (size_t i = 0; i < spec->n_stages; i++) {
        set_stage(p->choice, p->s, spec->stages[i].first, spec->stages[i].end,
                  &spec->stages[i].shape);
    }
}

/* ---- devices ------------------------------------------------------------- */

static bool has(const struct choice_stage *stage, size_t device)
{
    for (size_t i = 0; i < stage->n_devices; i++) {
        if (stage->devices[i] == device) {
            return true;
        }
    }
    return false;
}

static const struct search_stage *written(const struct packing *p, size_t i)
{
    return p->s->spec->n_stages > 0 ? &p->s->spec->stages[i] : NULL;
}

static bool is_open(const struct packing *p, size_t i)
{
    return written(p, i) == NULL || written(p, i)->n_devices == 0;
}

static void take(struct packing *p, size_t i, size_t device)
{
    struct choice_stage *stage = &p->choice->stages[i];

    stage->devices[stage->n_devices++] = device;
    p->left[device] -= p->needs[i];
    p->load[device]++;
}

static void take_written(struct packing *p)
{
    const struct profile *profile = p->s->m->profile;

    for (size_t d = 0; d < profile->n_devices; d++) {
        p->left[d] = (double)profile->devices[d].free_bytes;
        p->load[d] = 0;
        p->is_taken[d] = false;
    }
    for (size_t i = 0; i < p->choice->n_stages; i++) {
        p->choice->stages[i].n_devices = 0;
        for (size_t k = 0; !is_open(p, i) && k < written(p, i)->n_devices;
             k++) {
            take(p, i, written(p, i)->devices[k]);
            p->is_taken[written(p, i)->devices[k]] = true;
        }
    }
}

/* Those that were not named, unless all were. */
static bool is_free(const struct packing *p, size_t device)
{
    for (size_t d = 0; d < p->s->m->profile->n_devices; d++) {
        if (!p->is_taken[d]) {
            return !p->is_taken[device];
        }
    }
    return true;
}

static size_t wanted(const struct packing *p, size_t i)
{
    return choice_pieces(&p->choice->stages[i]) * p->s->replicas;
}

/* The first device with the fewest pieces, or the one with most left. */
static bool take_one(struct packing *p, size_t i, bool by_room)
{
    size_t n = p->s->m->profile->n_devices;
    size_t found = n;

    for (size_t d = 0; d < n; d++) {
        if (p->left[d] < p->needs[i] || has(&p->choice->stages[i], d) ||
            !is_free(p, d)) {
            continue;
        }
        if (found == n || (by_room ? p->left[d] > p->left[found]
                                   : p->load[d] < p->load[found])) {
            found = d;
        }
    }
    if (found < n) {
        take(p, i, found);
    }
    return found < n;
}

static bool assign_in_order(struct packing *p)
{
    take_written(p);
    for (size_t i = 0; i < p->choice->n_stages; i++) {
        for (size_t k = 0; is_open(p, i) && k < wanted(p, i); k++) {
            if (!take_one(p, i, false)) {
                return false;
            }
        }
    }
    return true;
}

static size_t largest_open(const struct packing *p)
{
    size_t found = p->choice->n_stages;

    for (size_t i = 0; i < p->choice->n_stages; i++) {
        if (is_open(p, i) && p->choice->stages[i].n_devices < wanted(p, i) &&
            (found == p->choice->n_stages || p->needs[i] > p->needs[found])) {
            found = i;
        }
    }
    return found;
}

static bool assign_by_size(struct packing *p)
{
    size_t i;

    take_written(p);
    while ((i = largest_open(p)) < p->choice->n_stages) {
        if (!take_one(p, i, true)) {
            return false;
        }
    }
    return true;
}

/* ---- all of it ----------------------------------------------------------- */

static int take_room(struct packing *p, struct choice *choice)
{
    size_t n_devices = p->s->m->profile->n_devices;
    int rc = 0;

    *choice = (struct choice){0};
    p->choice = choice;
    choice->stages =
        mem_array(struct choice_stage, p->s->n_points + p->s->spec->n_stages);
    p->needs = mem_array(double, p->s->n_points + p->s->spec->n_stages);
    p->left = mem_array(double, n_devices);
    p->load = mem_array(size_t, n_devices);
    p->is_taken = mem_array(bool, n_devices);
    if (choice->stages == NULL || p->needs == NULL || p->left == NULL ||
        p->load == NULL || p->is_taken == NULL) {
        rc = EDGE_ENOMEM;
    }
    return rc;
}

static int give_room(struct packing *p)
{
    for (size_t i = 0; i < p->choice->n_stages; i++) {
        struct choice_stage *stage = &p->choice->stages[i];
        size_t n = is_open(p, i) ? wanted(p, i) : written(p, i)->n_devices;

        p->needs[i] = needs_of(p->s, stage);
        stage->devices = mem_array(size_t, n);
        if (stage->devices == NULL) {
            return EDGE_ENOMEM;
        }
    }
    return 0;
}

/* In as many parts of a device's memory as it takes. */
static int pack(struct packing *p, size_t parts, bool *fits)
{
    int rc;

    if (p->s->spec->n_stages > 0) {
        cut_as_written(p);
    } else {
        cut_by_memory(p, most_memory(p->s->m->profile) / (double)parts);
    }
    rc = give_room(p);
    if (rc == 0) {
        *fits = assign_in_order(p) || assign_by_size(p);
    }
    return rc;
}

int packed_solve(const struct searching *s, struct choice *choice)
{
    int rc = EDGE_ENOENT;

    for (size_t parts = 1; parts <= PARTS && rc == EDGE_ENOENT; parts++) {
        struct packing p = {.s = s};
        bool fits = false;

        rc = take_room(&p, choice);
        if (rc == 0) {
            rc = pack(&p, parts, &fits);
        }
        if (rc == 0) {
            rc = fits ? cost_choice(s->m, choice, s->err) : EDGE_ENOENT;
        }
        mem_free(p.needs);
        mem_free(p.left);
        mem_free(p.load);
        mem_free(p.is_taken);
        if (rc < 0) {
            choice_deinit(choice);
        }
        if (s->spec->n_stages > 0) {
            break;
        }
    }
    return rc;
}
