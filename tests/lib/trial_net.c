/* What goes wrong between the processes of a trial. */
#include "tests/lib/trial.h"

static struct sim *sim_of(const struct trial *t)
{
    return t->fleet.sim;
}

static bool is_running(struct trial *t, size_t i)
{
    return trial_process(t, i)->io != NULL;
}

static bool draw_pair(struct trial *t, size_t *i, size_t *k)
{
    size_t n = t->fleet.n_nodes + (t->mild ? 0 : 1);

    *i = (size_t)trial_random(t, n);
    *k = (size_t)trial_random(t, n);
    return *i != *k && is_running(t, *i) && is_running(t, *k);
}

void trial_reset(struct trial_play *p)
{
    struct trial *t = p->trial;
    size_t i;
    size_t k;

    if (draw_pair(t, &i, &k)) {
        trial_say(t, "%s - %s is reset", trial_process(t, i)->name,
                  trial_process(t, k)->name);
        sim_reset(sim_of(t), trial_process(t, i)->io, trial_process(t, k)->io);
    }
}

/* ---- cuts ---------------------------------------------------------------- */

static void heal(struct trial *t, size_t i, size_t k)
{
    struct io *a = trial_process(t, i)->io;
    struct io *b = trial_process(t, k)->io;

    if (a != NULL && b != NULL) {
        sim_heal(sim_of(t), a, b);
    } else {
        sim_heal_all(sim_of(t));
    }
}

static void cut_pair(struct trial *t, size_t i, size_t k, bool one_way)
{
    struct io *a = trial_process(t, i)->io;
    struct io *b = trial_process(t, k)->io;

    if (a != NULL && b != NULL) {
        trial_say(t, "%s %s %s is cut", trial_process(t, i)->name,
                  one_way ? "->" : "-", trial_process(t, k)->name);
        sim_partition(sim_of(t), a, b, one_way);
    }
}

void trial_cut(struct trial_play *p)
{
    struct trial *t = p->trial;
    bool one_way = trial_random(t, 2) == 0;
    size_t i;
    size_t k;

    if (draw_pair(t, &i, &k) &&
        trial_later(p, trial_between(t, 50, 5000), heal, i, k)) {
        cut_pair(t, i, k, one_way);
    }
}

static void isolate(struct trial *t, size_t i, size_t k)
{
    (void)k;
    if (is_running(t, i)) {
        trial_say(t, "%s is cut off", trial_process(t, i)->name);
        sim_isolate(trial_process(t, i)->io);
    }
}

static void rejoin(struct trial *t, size_t i, size_t k)
{
    (void)k;
    if (is_running(t, i)) {
        trial_say(t, "%s is reached again", trial_process(t, i)->name);
        sim_rejoin(trial_process(t, i)->io);
    } else {
        sim_heal_all(sim_of(t)); /* it belongs to the place */
    }
}

void trial_cut_off(struct trial_play *p)
{
    struct trial *t = p->trial;
    size_t i = (size_t)trial_random(t, t->fleet.n_nodes + (t->mild ? 0 : 1));

    if (trial_later(p, trial_between(t, 50, 8000), rejoin, i, 0)) {
        isolate(t, i, 0);
    }
}

/* Everybody here reaches nobody there; perhaps the other way round it goes. */
void trial_split(struct trial_play *p)
{
    struct trial *t = p->trial;
    size_t n = t->fleet.n_nodes + 1;
    uint64_t side = trial_random(t, (uint64_t)1 << n);
    uint64_t ms = trial_between(t, 100, 6000);
    bool one_way = trial_random(t, 3) == 0;

    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < n; k++) {
            if ((side >> i & 1) != 0 && (side >> k & 1) == 0 &&
                trial_later(p, ms, heal, i, k)) {
                cut_pair(t, i, k, one_way);
            }
        }
    }
}

/* Some are clogged one by one and unclogged in another order. */
void trial_swizzle(struct trial_play *p)
{
    struct trial *t = p->trial;
    size_t n = t->fleet.n_nodes + 1;
    uint64_t some = trial_random(t, (uint64_t)1 << n);
    uint64_t ms = 0;

    for (size_t i = 0; i < n; i++) {
        if ((some >> i & 1) != 0) {
            ms += trial_between(t, 20, 600);
            if (trial_later(p, ms + trial_between(t, 500, 5000), rejoin, i,
                            0)) {
                (void)trial_later(p, ms, isolate, i, 0);
            }
        }
    }
}

void trial_flap(struct trial_play *p)
{
    struct trial *t = p->trial;
    size_t times = 2 + (size_t)trial_random(t, 8);
    size_t i = (size_t)trial_random(t, t->fleet.n_nodes);
    uint64_t ms = 0;

    for (size_t k = 0; k < times; k++) {
        uint64_t off_ms = trial_between(t, 50, 4000);

        if (trial_later(p, ms + off_ms, rejoin, i, 0)) {
            (void)trial_later(p, ms, isolate, i, 0);
        }
        ms += off_ms + trial_between(t, 50, 2000);
    }
}

/* ---- links --------------------------------------------------------------- */

static void mend_link(struct trial *t, size_t i, size_t k)
{
    if (is_running(t, i) && is_running(t, k)) {
        sim_reset_path(sim_of(t), trial_process(t, i)->io,
                       trial_process(t, k)->io);
    }
}

void trial_bad_link(struct trial_play *p)
{
    struct trial *t = p->trial;
    struct sim_path path = {0};
    size_t i;
    size_t k;

    path.latency_us = trial_between(t, 1000, 200000);
    path.jitter_us = trial_random(t, path.latency_us);
    path.bytes_per_s = trial_between(t, 125000, 10000000);
    path.loss_permille = (unsigned)trial_random(t, t->mild ? 100 : 300);
    if (draw_pair(t, &i, &k) &&
        trial_later(p, trial_between(t, 500, 8000), mend_link, i, k)) {
        trial_say(t, "%s - %s: %llu ms, %llu bytes/s, %u permille are lost",
                  trial_process(t, i)->name, trial_process(t, k)->name,
                  (unsigned long long)path.latency_us / 1000,
                  (unsigned long long)path.bytes_per_s, path.loss_permille);
        sim_set_path(sim_of(t), trial_process(t, i)->io,
                     trial_process(t, k)->io, path);
    }
}
