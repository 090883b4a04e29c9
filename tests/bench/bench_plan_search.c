/*
 * How long a plan takes to be found: all shapes, their alternatives, and one
 * board more, as `edgectl plan` asks for them. Processor's time of one core.
 * PLAN=name: only rows with that in their name, as for a profiler.
 */
#include "coordinator/plan/search.h"

#include "coordinator/plan/cut.h"
#include "tests/lib/paper_model.h"
#include "tests/lib/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct row {
    const char *name;
    size_t n_devices;
    size_t n_kinds;
    enum search_goal goal;
    double limit_ms;
    bool is_measured; /* boards and links one by one: no two are alike */
};

static double cpu_ms(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

/* As `edgectl profile` leaves it. */
static void measure(struct profile *p)
{
    size_t link = 0;

    assert_int_equal(profile_set_pairs(p), 0);
    for (size_t d = 0; d < p->n_devices; d++) {
        p->devices[d].board = d % p->n_boards;
        p->devices[d].free_bytes += d * MIB(1) / 4;
        for (size_t e = 0; e <= d; e++, link++) {
            p->links[link].bytes_per_s *= 1 + 0.003 * (double)link;
            profile_set_link(p, d, e == d ? PROFILE_GATEWAY : e, link);
        }
    }
}

static void fill(struct profile *p, const struct row *row)
{
    size_t n_links =
        row->is_measured ? row->n_devices * (row->n_devices + 1) / 2 : 1;

    assert_int_equal(profile_init(p, row->n_devices, row->n_kinds, n_links), 0);
    for (size_t b = 0; b < row->n_kinds; b++) {
        p->boards[b].macs_per_s /= (double)(b + 1);
        p->boards[b].is_measured = true;
    }
    for (size_t d = 0; d < row->n_devices; d++) {
        (void)snprintf(p->devices[d].name, LIMIT_NAME, "d%zu", d);
        p->devices[d].board = d % row->n_kinds;
        p->devices[d].free_bytes = MIB(900);
    }
    if (row->is_measured) {
        measure(p);
    }
}

static void run(const struct row *row, const struct graph *graph)
{
    static int points[LIMIT_GRAPH_OPS];
    const char *only = getenv("PLAN");
    struct search search = {
        .points = points, .goal = row->goal, .replicas = 1, .bytes_factor = 1};
    struct cut *cuts = NULL;
    struct choices choices;
    struct cost_model model;
    struct profile profile;
    size_t n_cuts = 0;
    struct err err;
    double ms = cpu_ms();

    if (only != NULL && strstr(row->name, only) == NULL) {
        return;
    }
    fill(&profile, row);
    assert_int_equal(cut_candidates(graph, &cuts, &n_cuts, &err), 0);
    for (size_t i = 0; i < n_cuts; i++) {
        if (!cuts[i].splits_group) {
            points[search.n_points++] = cuts[i].position;
        }
    }
    assert_int_equal(cost_model_init(&model, graph, &profile, 2), 0);
    search.model = &model;
    assert_int_equal(search_run(&search, &choices, &err), 0);
    ms = cpu_ms() - ms;
    (void)printf("figure plan.%s %.1f ms target %.0f %s %s, %zu points%s\n",
                 row->name, ms, row->limit_ms,
                 ms <= row->limit_ms ? "ok" : "short",
                 choice_shape_name(choices.shape), search.n_points,
                 choices.is_bounded ? ", kinds merged" : "");
    choices_deinit(&choices);
    cost_model_deinit(&model);
    profile_deinit(&profile);
    cut_free(cuts, n_cuts);
}

static void plans_are_found_in_time(void **state)
{
    static const struct row rows[] = {
        {"vgg16.8.latency", 8, 1, SEARCH_LATENCY, 100, false},
        {"vgg16.8.throughput", 8, 1, SEARCH_THROUGHPUT, 100, false},
        {"vgg16.8.memory", 8, 1, SEARCH_MEMORY, 100, false},
        {"vgg16.8.2kinds", 8, 2, SEARCH_THROUGHPUT, 100, false},
        {"vgg16.8.8kinds", 8, 8, SEARCH_THROUGHPUT, 100, false},
        {"vgg16.1000.latency", 1000, 1, SEARCH_LATENCY, 10000, false},
        {"vgg16.1000.throughput", 1000, 1, SEARCH_THROUGHPUT, 10000, false},
        {"vgg16.1000.3kinds", 1000, 3, SEARCH_THROUGHPUT, 10000, false},
    };
    static const struct row long_rows[] = {
        {"chain100.8.latency", 8, 1, SEARCH_LATENCY, 100, false},
        {"chain100.8.throughput", 8, 1, SEARCH_THROUGHPUT, 100, false},
        {"chain100.8.memory", 8, 1, SEARCH_MEMORY, 100, false},
        {"chain100.8.2kinds", 8, 2, SEARCH_THROUGHPUT, 100, false},
        {"chain100.8.8kinds", 8, 8, SEARCH_THROUGHPUT, 100, false},
        {"chain100.8.8kinds.latency", 8, 8, SEARCH_LATENCY, 100, false},
        {"chain100.8.measured", 8, 1, SEARCH_THROUGHPUT, 100, true},
        {"chain100.8.measured.latency", 8, 1, SEARCH_LATENCY, 100, true},
        {"chain100.1000.throughput", 1000, 1, SEARCH_THROUGHPUT, 10000, false},
    };
    struct graph *vgg = paper_vgg16();
    struct graph *chain = paper_chain(100, 32, 28);

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        run(&rows[i], vgg);
    }
    for (size_t i = 0; i < sizeof(long_rows) / sizeof(long_rows[0]); i++) {
        run(&long_rows[i], chain);
    }
    graph_free(chain);
    graph_free(vgg);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plans_are_found_in_time),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
