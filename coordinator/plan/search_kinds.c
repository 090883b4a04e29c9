/* Devices that are alike are taken together. */
#include "coordinator/plan/search_inner.h"

#include "base/mem.h"

#include <float.h>
#include <math.h>

static double whole_memory(const struct cost_model *m)
{
    const struct cost_shape shape = {.rows = 1, .columns = 1};
    struct cost_part part;

    (void)cost_part(m, 0, 0, (int)m->n_ops, &shape, &part);
    return cost_part_memory(m, &part);
}

/* Memory beyond what the whole model takes twice, in pieces and whole, makes
 * no difference. */
static double memory_of(const struct searching *s, size_t device, double whole)
{
    double bytes = (double)s->m->profile->devices[device].free_bytes;

    return bytes < 2 * whole ? bytes : 2 * whole;
}

/* What is free differs by a little between boards that are alike. */
static bool same_memory(double a, double b)
{
    return a == b || (a < b * 1.02 && b < a * 1.02);
}

static bool same_links(const struct profile *p, size_t a, size_t b)
{
    size_t side = p->n_devices + 1;

    for (size_t i = 0; p->link_of != NULL && i < side; i++) {
        if (i != a && i != b &&
            p->link_of[a * side + i] != p->link_of[b * side + i]) {
            return false;
        }
    }
    return true;
}

/* Of each device its kind, while kinds are few: kind_of[device]. */
static size_t tell_apart(const struct searching *s, double whole,
                         size_t *kind_of, size_t *firsts)
{
    const struct profile *p = s->m->profile;
    size_t n = 0;

    for (size_t d = 0; d < p->n_devices; d++) {
        size_t k = 0;

        while (k < n && (p->devices[firsts[k]].board != p->devices[d].board ||
                         !same_memory(memory_of(s, firsts[k], whole),
                                      memory_of(s, d, whole)) ||
                         !same_links(p, firsts[k], d))) {
            k++;
        }
        if (k == n) {
            firsts[n++] = d;
        }
        kind_of[d] = k;
    }
    return n;
}

/* ---- too many ------------------------------------------------------------ */

struct crowd {     /* kinds before they are few enough */
    size_t *first; /* a device */
    size_t *count;
    double *memory;
    double *whole_s;
    bool *is_gone;
    size_t *into; /* the kind that it became part of */
    size_t n;
};

static double count_states(const struct searching *s, const struct crowd *c,
                           size_t *n_left)
{
    double uses = 1;

    *n_left = 0;
    for (size_t i = 0; i < c->n; i++) {
        if (!c->is_gone[i]) {
            uses *= (double)c->count[i] + 1;
            ++*n_left;
        }
    }
    return uses * 3 * (double)s->n_points *
           (s->has_pairs ? (double)*n_left : 1);
}

/* How unlike two are: by speed first, then by memory. */
static double unlike(const struct crowd *c, size_t a, size_t b)
{
    return fabs(log(c->whole_s[a] / c->whole_s[b])) +
           fabs(log((c->memory[a] + 1) / (c->memory[b] + 1)));
}

/* The two that are most alike, one of them of fewer than `few` devices. */
static void merge_two(struct crowd *c, size_t few)
{
    size_t a = 0;
    size_t b = 0;
    double least = DBL_MAX;

    for (size_t i = 0; i < c->n; i++) {
        for (size_t k = i + 1; k < c->n && !c->is_gone[i]; k++) {
            if (!c->is_gone[k] && (c->count[i] < few || c->count[k] < few) &&
                unlike(c, i, k) < least) {
                least = unlike(c, i, k);
                a = i;
                b = k;
            }
        }
    }
    c->is_gone[b] = true;
    c->into[b] = a;
    c->count[a] += c->count[b];
    c->memory[a] = c->memory[a] < c->memory[b] ? c->memory[a] : c->memory[b];
    if (c->whole_s[b] > c->whole_s[a]) {
        c->whole_s[a] = c->whole_s[b];
        c->first[a] = c->first[b];
    }
}

/* With hundreds of kinds pairs are too many to compare: neighbours by speed
 * are merged first, in steps of 2 %. */
static void merge_alike(struct crowd *c)
{
    for (size_t i = 0; i < c->n; i++) {
        for (size_t k = 0; k < i && !c->is_gone[i]; k++) {
            if (!c->is_gone[k] && unlike(c, i, k) < 0.02) {
                c->is_gone[i] = true;
                c->into[i] = k;
                c->count[k] += c->count[i];
                c->memory[k] =
                    c->memory[k] < c->memory[i] ? c->memory[k] : c->memory[i];
            }
        }
    }
}

static bool has_fewer(const struct crowd *c, size_t few)
{
    for (size_t i = 0; i < c->n; i++) {
        if (!c->is_gone[i] && c->count[i] < few) {
            return true;
        }
    }
    return false;
}

/* Replicas of a stage are of one kind: with kinds smaller than that there
 * would be no stages. */
static void merge_small(struct searching *s, struct crowd *c)
{
    size_t n_left;

    (void)count_states(s, c, &n_left);
    while (n_left > 1 && has_fewer(c, s->replicas)) {
        s->is_merged = true;
        merge_two(c, s->replicas);
        (void)count_states(s, c, &n_left);
    }
}

static void merge(struct searching *s, struct crowd *c)
{
    size_t n_left;
    double states = count_states(s, c, &n_left);

    if (states > SEARCH_STATES || n_left > SEARCH_KINDS) {
        s->is_merged = true;
        merge_alike(c);
    }
    for (states = count_states(s, c, &n_left);
         n_left > 1 && (states > SEARCH_STATES || n_left > SEARCH_KINDS);
         states = count_states(s, c, &n_left)) {
        merge_two(c, SIZE_MAX);
    }
}

/* ---- all of it ----------------------------------------------------------- */

static void fill(struct searching *s, const struct crowd *c, size_t *kind_of)
{
    size_t at = 0;

    for (size_t i = 0; i < c->n; i++) {
        struct kind *kind = &s->kinds[s->n_kinds];

        if (c->is_gone[i]) {
            continue;
        }
        *kind =
            (struct kind){.board = s->m->profile->devices[c->first[i]].board,
                          .memory = c->memory[i],
                          .whole_s = c->whole_s[i],
                          .devices = s->order + at};
        for (size_t d = 0; d < s->m->profile->n_devices; d++) {
            size_t k = kind_of[d];

            while (c->is_gone[k]) {
                k = c->into[k];
            }
            if (k == i) {
                kind->devices[kind->n++] = d;
            }
        }
        at += kind->n;
        s->n_kinds++;
    }
}

static void number_uses(struct searching *s)
{
    s->n_uses = 1;
    for (size_t k = 0; k < s->n_kinds; k++) {
        s->stride[k] = s->n_uses;
        s->n_uses *= s->kinds[k].n + 1;
    }
}

static bool crowd_init(const struct searching *s, struct crowd *c,
                       size_t *kind_of)
{
    size_t n = s->m->profile->n_devices;
    double whole = whole_memory(s->m);

    c->first = mem_array(size_t, n);
    c->count = mem_array(size_t, n);
    c->memory = mem_array(double, n);
    c->whole_s = mem_array(double, n);
    c->is_gone = mem_array(bool, n);
    c->into = mem_array(size_t, n);
    if (c->first == NULL || c->count == NULL || c->memory == NULL ||
        c->whole_s == NULL || c->is_gone == NULL || c->into == NULL ||
        kind_of == NULL) {
        return false;
    }
    c->n = tell_apart(s, whole, kind_of, c->first);
    for (size_t i = 0; i < c->n; i++) {
        size_t board = s->m->profile->devices[c->first[i]].board;

        c->memory[i] = memory_of(s, c->first[i], whole);
        c->whole_s[i] = cost_seconds(s->m, board, 0, (int)s->m->n_ops);
    }
    for (size_t d = 0; d < n; d++) {
        double memory = memory_of(s, d, whole);
        size_t i = kind_of[d];

        c->count[i]++;
        c->memory[i] = memory < c->memory[i] ? memory : c->memory[i];
    }
    return true;
}

static const struct profile_link *find_link(const struct searching *s, size_t a,
                                            size_t b)
{
    size_t from = a == SEARCH_KINDS ? PROFILE_GATEWAY : s->kinds[a].devices[0];
    size_t to = b == SEARCH_KINDS ? PROFILE_GATEWAY : s->kinds[b].devices[0];

    if (a == b && a != SEARCH_KINDS && s->kinds[a].n > 1) {
        to = s->kinds[b].devices[1];
    } else if (a == b) {
        return &s->m->profile->links[0];
    }
    return profile_link(s->m->profile, from, to);
}

static void find_links(struct searching *s)
{
    for (size_t a = 0; a <= SEARCH_KINDS; a++) {
        for (size_t b = 0; b <= SEARCH_KINDS; b++) {
            bool is_kind = (a < s->n_kinds || a == SEARCH_KINDS) &&
                           (b < s->n_kinds || b == SEARCH_KINDS);

            s->links[a][b] = is_kind ? find_link(s, a, b) : NULL;
        }
    }
}

/* Links that come to the same are no reason to tell kinds apart. */
static bool links_differ(const struct searching *s)
{
    const struct profile_link *one = kinds_link(s, 0, s->n_kinds - 1);

    for (size_t a = 0; a < s->n_kinds; a++) {
        for (size_t b = a; b < s->n_kinds; b++) {
            const struct profile_link *link = kinds_link(s, a, b);

            if ((a != b || s->kinds[a].n > 1) &&
                (link->rtt_s != one->rtt_s ||
                 link->bytes_per_s != one->bytes_per_s)) {
                return true;
            }
        }
    }
    return false;
}

int kinds_make(struct searching *s)
{
    size_t n = s->m->profile->n_devices;
    size_t *kind_of = mem_array(size_t, n);
    struct crowd crowd = {0};
    int rc = EDGE_ENOMEM;

    s->has_pairs = s->m->profile->link_of != NULL;
    s->order = mem_array(size_t, n);
    if (s->order != NULL && crowd_init(s, &crowd, kind_of)) {
        merge_small(s, &crowd);
        merge(s, &crowd);
        fill(s, &crowd, kind_of);
        number_uses(s);
        find_links(s);
        s->has_pairs = s->has_pairs && links_differ(s);
        rc = 0;
    }
    mem_free(kind_of);
    mem_free(crowd.first);
    mem_free(crowd.count);
    mem_free(crowd.memory);
    mem_free(crowd.whole_s);
    mem_free(crowd.is_gone);
    mem_free(crowd.into);
    return rc;
}

const struct profile_link *kinds_link(const struct searching *s, size_t a,
                                      size_t b)
{
    return s->links[a][b];
}
