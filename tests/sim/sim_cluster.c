/*
 * Whole clusters on simulated time under random faults (tests/lib/trial.h).
 *
 *   sim_cluster                 seeds 1 .. $SIM_SEEDS (200), each for at least
 *                               $SIM_MINUTES (10) of virtual time, and the
 *                               controls
 *   sim_cluster --seed N [-v]   one seed; -v prints what happens
 *   sim_cluster --seeds A..B
 *   sim_cluster --control       only: does it go red without its defences?
 *
 * test: timeout=900
 */
#include "tests/lib/trial.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TWICE_EVERY 25 /* seeds that run twice: is it the same again? */
#define CONTROL_SEEDS 100
/* What SQLite, OpenSSL and others keep for good is there after so many seeds;
 * from then on a seed leaves nothing. */
#define WARM_SEEDS 20
#define LEAK_BYTES 64 /* per seed, on the average */

struct tally {
    size_t passed;
    size_t failed;
    size_t asked;
    size_t right;
    size_t cut;
    size_t refused;
    size_t failed_asks;
    size_t faults;
    size_t deploys;
    uint64_t least_us; /* virtual time of the shortest seed */
    uint64_t ready_us; /* the longest from the last fault to ready again */
    size_t warm_bytes; /* of the heap, after WARM_SEEDS */
    size_t heap_bytes; /* after the last */
};

struct options {
    const char *program;
    uint64_t minutes;
    bool verbose;
};

static void add(struct tally *tally, const struct trial *t)
{
    tally->asked += t->n_asked;
    tally->right += t->n_right;
    tally->cut += t->n_cut;
    tally->refused += t->n_refused;
    tally->failed_asks += t->n_failed;
    tally->faults += t->n_faults;
    tally->deploys += t->n_deploys;
    if (tally->passed == 0 || t->virtual_us < tally->least_us) {
        tally->least_us = t->virtual_us;
    }
    if (t->ready_us > tally->ready_us) {
        tally->ready_us = t->ready_us;
    }
}

static void fail_seed(const struct options *options, uint64_t seed,
                      const char *why, struct tally *tally)
{
    (void)printf("FAILED seed %llu: %s\n  repeat: SIM_MINUTES=%llu %s --seed "
                 "%llu -v\n",
                 (unsigned long long)seed, why,
                 (unsigned long long)options->minutes, options->program,
                 (unsigned long long)seed);
    (void)fflush(stdout);
    tally->failed++;
}

static void run_seed(const struct options *options, uint64_t seed,
                     struct tally *tally)
{
    static struct trial t; /* large */
    struct trial_config config = {
        .seed = seed, .minutes = options->minutes, .verbose = options->verbose};
    uint64_t hash;

    if (!trial_run(&t, &config)) {
        fail_seed(options, seed, t.why, tally);
        return;
    }
    add(tally, &t);
    tally->passed++;
    if (seed % TWICE_EVERY != 0) {
        return;
    }
    hash = t.hash;
    config.verbose = false;
    (void)trial_run(&t, &config);
    if (t.hash != hash) {
        fail_seed(options, seed, "another run of it went otherwise", tally);
    } else {
        tally->passed++;
    }
}

/* Without this defence some seed must fail, or the others prove nothing. */
static void run_control(const char *name, enum trial_control control,
                        struct tally *tally)
{
    static struct trial t;

    for (uint64_t seed = 1; seed <= CONTROL_SEEDS; seed++) {
        struct trial_config config = {.seed = seed, .control = control};

        if (!trial_run(&t, &config)) {
            (void)printf("control %s: seed %llu goes red: %s\n", name,
                         (unsigned long long)seed, t.why);
            tally->passed++;
            return;
        }
    }
    (void)printf("FAILED control %s: %d seeds stay green\n", name,
                 CONTROL_SEEDS);
    tally->failed++;
}

static void run_controls(struct tally *tally)
{
    run_control("no resends", TRIAL_NO_RESENDS, tally);
    run_control("spoiled answers", TRIAL_SPOILED, tally);
    run_control("dedup off", TRIAL_FORGETFUL, tally);
}

/* Bytes that are allocated; under sanitizers, which look for leaks
 * themselves, always 0. */
static size_t heap_bytes(void)
{
    struct mallinfo2 info = mallinfo2();

    return info.uordblks + info.hblkhd;
}

static void check_leaks(size_t seeds, struct tally *tally)
{
    size_t allowed = tally->warm_bytes + (seeds - WARM_SEEDS) * LEAK_BYTES;

    if (tally->heap_bytes > allowed) {
        (void)printf("FAILED: the heap has grown from %zu to %zu bytes within "
                     "%zu seeds\n",
                     tally->warm_bytes, tally->heap_bytes, seeds - WARM_SEEDS);
        tally->failed++;
    } else {
        tally->passed++;
    }
}

static void run_seeds(const struct options *options, uint64_t first,
                      uint64_t last, struct tally *tally)
{
    for (uint64_t seed = first; seed <= last; seed++) {
        run_seed(options, seed, tally);
        tally->heap_bytes = heap_bytes();
        if (seed - first + 1 == WARM_SEEDS) {
            tally->warm_bytes = tally->heap_bytes;
        }
    }
    if (last - first + 1 > WARM_SEEDS && tally->failed == 0) {
        check_leaks(last - first + 1, tally);
    }
}

static void print(const struct tally *tally)
{
    (void)printf("%zu requests: %zu right, %zu cut off by the coordinator's "
                 "end, %zu while nothing was deployed, %zu without a holder "
                 "in a storm; %zu faults, %zu deploys\n"
                 "each seed lasted %.1f min of virtual time or more; ready "
                 "again %.1f s after the last fault at the latest\n"
                 "%zu passed, %zu failed\n",
                 tally->asked, tally->right, tally->cut, tally->refused,
                 tally->failed_asks, tally->faults, tally->deploys,
                 (double)tally->least_us / 60e6, (double)tally->ready_us / 1e6,
                 tally->passed, tally->failed);
}

static uint64_t number(const char *variable, uint64_t otherwise)
{
    const char *text = getenv(variable);

    return text != NULL ? strtoull(text, NULL, 10) : otherwise;
}

static bool parse(const char *text, uint64_t *first, uint64_t *last)
{
    char *end;

    *first = strtoull(text, &end, 10);
    *last = *first;
    if (end != text && strncmp(end, "..", 2) == 0) {
        text = end + 2;
        *last = strtoull(text, &end, 10);
    }
    return end != text && *end == '\0';
}

int main(int argc, char **argv)
{
    struct options options = {.program = argv[0],
                              .minutes = number("SIM_MINUTES", 10)};
    struct tally tally = {0};
    uint64_t first = 1;
    uint64_t last = number("SIM_SEEDS", 200);
    bool controls = true;

    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "-v") == 0) {
            options.verbose = true;
        } else if (strcmp(argv[i], "--control") == 0) {
            last = 0;
        } else if (i + 1 < argc && strncmp(argv[i], "--seed", 6) == 0 &&
                   parse(argv[i + 1], &first, &last)) {
            controls = false;
            i++;
        } else {
            (void)fprintf(stderr,
                          "usage: %s [--seed N | --seeds A..B | "
                          "--control] [-v]\n",
                          argv[0]);
            return 2;
        }
    }
    run_seeds(&options, first, last, &tally);
    if (controls) {
        run_controls(&tally);
    }
    print(&tally);
    return tally.failed > 0 || tally.passed == 0;
}
