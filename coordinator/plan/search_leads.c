/*
 * From which points the devices that are left suffice, within bounds: sets of
 * points, one bit each, by the devices that the stages behind a point take. A
 * stage is taken to come over the best link to its kind: where links differ,
 * what suffices here may still not do.
 */
#include "coordinator/plan/search_inner.h"

#include "base/mem.h"

#include <string.h>

#define WORD 64
#define DEVICES 64 /* with more of them sets are too many */
#define USES 4096

static size_t count_devices(const struct searching *s)
{
    size_t n = 0;

    for (size_t k = 0; k < s->n_kinds; k++) {
        n += s->kinds[k].n;
    }
    return n;
}

/* Points from which an option on so many devices ends at `to`. */
static uint64_t *coming(const struct leads *w, bool is_cut, size_t kind,
                        size_t devices, size_t to)
{
    size_t at = (is_cut ? w->n_devices : 0) + w->base[kind] + devices - 1;

    return w->coming + (at * w->n_points + to) * w->words;
}

static uint64_t *set_of(uint64_t *sets, const struct leads *w, size_t use,
                        bool wants_cut)
{
    return sets + (2 * use + wants_cut) * w->words;
}

int leads_init(const struct searching *s, struct leads *w)
{
    *w = (struct leads){.s = s,
                        .n_devices = count_devices(s),
                        .n_points = s->n_points,
                        .words = (s->n_points + WORD - 1) / WORD};
    if (w->n_devices > DEVICES || s->n_uses > USES || s->spec->n_stages > 0) {
        return 0; /* without */
    }
    for (size_t k = 1; k < s->n_kinds; k++) {
        w->base[k] = w->base[k - 1] + s->kinds[k - 1].n;
    }
    w->coming = mem_array(uint64_t, 2 * w->n_devices * w->n_points * w->words);
    w->own = mem_array(uint64_t, 2 * s->n_uses * w->words);
    w->within = mem_array(uint64_t, 2 * s->n_uses * w->words);
    w->is_any = mem_array(bool, 2 * w->n_devices);
    w->has_room = w->coming != NULL && w->own != NULL && w->within != NULL &&
                  w->is_any != NULL;
    return w->has_room ? 0 : EDGE_ENOMEM;
}

void leads_deinit(struct leads *w)
{
    mem_free(w->coming);
    mem_free(w->own);
    mem_free(w->within);
    mem_free(w->is_any);
}

void leads_begin(struct leads *w, const struct bounds *b)
{
    w->is_set = false;
    w->wants_cut = b->wants_split || b->wants_tile;
    if (w->has_room) {
        size_t sets = 2 * w->s->n_uses * w->words;

        memset(w->coming, 0,
               2 * w->n_devices * w->n_points * w->words * sizeof(*w->coming));
        memset(w->own, 0, sets * sizeof(*w->own));
        memset(w->is_any, 0, 2 * w->n_devices * sizeof(*w->is_any));
    }
}

void leads_add(struct leads *w, const struct option *o, size_t devices)
{
    if (w->has_room) {
        coming(w, o->is_cut, o->kind, devices, o->to)[o->from / WORD] |=
            (uint64_t)1 << o->from % WORD;
        w->is_any[(o->is_cut ? w->n_devices : 0) + w->base[o->kind] + devices -
                  1] = true;
    }
}

static void unite(uint64_t *to, const uint64_t *more, size_t words)
{
    for (size_t i = 0; i < words; i++) {
        to[i] |= more[i];
    }
}

/* All stages that may come before `point`. */
static void come_to(struct leads *w, size_t use, bool wants_cut, size_t point)
{
    const struct searching *s = w->s;

    for (size_t k = 0; k < s->n_kinds; k++) {
        size_t left = s->kinds[k].n - use / s->stride[k] % (s->kinds[k].n + 1);

        for (size_t d = 1; d <= left; d++) {
            size_t more = use + d * s->stride[k];
            size_t at = w->base[k] + d - 1;

            if (w->is_any[at]) {
                unite(set_of(w->own, w, more, wants_cut),
                      coming(w, false, k, d, point), w->words);
            }
            if (w->is_any[w->n_devices + at] && !wants_cut) {
                const uint64_t *from = coming(w, true, k, d, point);

                unite(set_of(w->own, w, more, false), from, w->words);
                unite(set_of(w->own, w, more, true), from, w->words);
            }
        }
    }
}

/* Points that fewer devices suffice for need not be come to again. */
static void pass_use(struct leads *w, size_t use, bool wants_cut)
{
    const struct searching *s = w->s;
    const uint64_t *own = set_of(w->own, w, use, wants_cut);
    uint64_t *within = set_of(w->within, w, use, wants_cut);

    memset(within, 0, w->words * sizeof(*within));
    for (size_t k = 0; k < s->n_kinds; k++) {
        if (use / s->stride[k] % (s->kinds[k].n + 1) > 0) {
            unite(within, set_of(w->within, w, use - s->stride[k], wants_cut),
                  w->words);
        }
    }
    for (size_t i = 0; i < w->words; i++) {
        uint64_t fresh = own[i] & ~within[i];

        within[i] |= own[i];
        for (; fresh != 0; fresh &= fresh - 1) {
            come_to(w, use, wants_cut,
                    i * WORD + (size_t)__builtin_ctzll(fresh));
        }
    }
}

void leads_close(struct leads *w)
{
    size_t end = w->n_points - 1;

    if (!w->has_room) {
        return;
    }
    set_of(w->own, w, 0, false)[end / WORD] |= (uint64_t)1 << end % WORD;
    for (size_t u = 0; u < w->s->n_uses; u++) {
        pass_use(w, u, false);
        if (w->wants_cut) {
            pass_use(w, u, true);
        }
    }
    w->is_set = true;
}

bool leads_on(const struct leads *w, size_t taken, enum mode mode, size_t point)
{
    size_t left = w->s->n_uses - 1 - taken;
    bool wants_cut = w->wants_cut && mode == MODE_PLAIN;

    return !w->is_set || (set_of(w->within, w, left, wants_cut)[point / WORD] >>
                              point % WORD &
                          1) != 0;
}
