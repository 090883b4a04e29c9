/* Plans that are known to be right, by hand or from the paper. */
#include "coordinator/plan/search.h"

#include "base/mem.h"
#include "coordinator/plan/cut.h"
#include "graph/infer.h"
#include "onnx/zoo.h"
#include "tests/lib/paper_model.h"
#include "tests/lib/unit.h"

#include <stdio.h>
#include <string.h>

struct fixture {
    struct graph *graph;
    struct profile profile;
    struct cost_model model;
    int points[256];
    struct search search;
    struct choices choices;
    struct err err;
};

static void set_up(struct fixture *f, struct graph *graph, size_t n_devices,
                   uint64_t bytes)
{
    struct cut *cuts = NULL;
    size_t n_cuts = 0;

    memset(f, 0, sizeof(*f));
    f->graph = graph;
    assert_int_equal(profile_default(&f->profile, n_devices), 0);
    for (size_t d = 0; d < n_devices; d++) {
        (void)snprintf(f->profile.devices[d].name, LIMIT_NAME, "d%zu", d);
        f->profile.devices[d].free_bytes = bytes;
    }
    assert_int_equal(cut_candidates(graph, &cuts, &n_cuts, &f->err), 0);
    f->search = (struct search){.model = &f->model,
                                .points = f->points,
                                .replicas = 1,
                                .bytes_factor = 1};
    for (size_t i = 0; i < n_cuts; i++) {
        if (!cuts[i].splits_group) {
            f->points[f->search.n_points++] = cuts[i].position;
        }
    }
    cut_free(cuts, n_cuts);
}

static int run(struct fixture *f)
{
    assert_int_equal(cost_model_init(&f->model, f->graph, &f->profile, 1), 0);
    return search_run(&f->search, &f->choices, &f->err);
}

static void tear_down(struct fixture *f)
{
    choices_deinit(&f->choices);
    cost_model_deinit(&f->model);
    profile_deinit(&f->profile);
    graph_free(f->graph);
}

/* Prototype 1's own table; its placements, made by hand, took 1.78 s and
 * 1.24 s a frame, one of the devices being the camera. */
static void pi3_placements_are_at_least_as_fast_as_the_published(void **state)
{
    static const struct {
        size_t devices;
        double frame_s;
    } rows[] = {{9, 1.78}, {11, 1.24}};

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct fixture f;

        set_up(&f, paper_vgg16(), rows[i].devices - 1, MIB(700));
        paper_pi3(&f.profile.boards[0], f.graph);
        f.profile.links[0].bytes_per_s = 94e6 / 8;
        f.search.goal = SEARCH_THROUGHPUT;
        assert_int_equal(run(&f), 0);
        assert_true(1 / f.choices.best.throughput <= rows[i].frame_s);
        tear_down(&f);
    }
}

/* A model that is small for its boards, on a link that is slow for both. */
static void a_slow_link_leaves_the_model_whole(void **state)
{
    for (int goal = SEARCH_LATENCY; goal <= SEARCH_THROUGHPUT; goal++) {
        struct fixture f;

        (void)state;
        set_up(&f, paper_chain(8, 16, 56), 4, MIB(512));
        f.profile.boards[0].is_measured = true;
        f.profile.links[0] = (struct profile_link){5e-3, 1e6, true};
        f.search.goal = (enum search_goal)goal;
        assert_int_equal(run(&f), 0);
        assert_in_range(f.choices.shape, CHOICE_ALONE, CHOICE_COPIES);
        assert_true(f.choices.others[CHOICE_TILE].why[0] != '\0');
        tear_down(&f);
    }
}

/* What is in force stays unless another plan gains more; that is said of the
 * other one. What does not fit any more goes. */
static void what_is_in_force_stays_unless_another_gains_enough(void **state)
{
    static const struct {
        double gain;
        uint64_t bytes;
        bool stays;
    } rows[] = {{0.99, MIB(512), true},
                {0.001, MIB(512), false},
                {0.99, MIB(1) / 16, false}};

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        struct choice now = {0};
        bool is_said = false;
        struct fixture f;

        set_up(&f, paper_chain(8, 16, 56), 2, MIB(512));
        f.profile.boards[0].is_measured = true;
        f.search.goal = SEARCH_THROUGHPUT; /* two boards give twice as much */
        assert_int_equal(run(&f), 0);
        assert_int_equal(
            choice_copy(&f.choices.others[CHOICE_ALONE].choice, &now), 0);
        assert_int_not_equal(f.choices.shape, CHOICE_ALONE);
        choices_deinit(&f.choices);
        f.profile.devices[now.stages[0].devices[0]].free_bytes = rows[i].bytes;
        f.search.stays = &now;
        f.search.gain = rows[i].gain;
        assert_int_equal(search_run(&f.search, &f.choices, &f.err), 0);
        assert_int_equal(f.choices.shape == CHOICE_ALONE &&
                             f.choices.best.stages[0].devices[0] ==
                                 now.stages[0].devices[0],
                         rows[i].stays);
        if (rows[i].stays) {
            assert_true(f.choices.best.latency_s == now.latency_s);
            for (int k = 0; k < CHOICE_SHAPES; k++) {
                is_said = is_said || strstr(f.choices.others[k].why,
                                            "the plan in force") != NULL;
            }
            assert_true(is_said);
        }
        choice_deinit(&now);
        tear_down(&f);
    }
}

/* 300 MMAC in 30 ms on a board; what its cuts send takes longer than that at
 * 10 Mbit/s. On boards and links of the other sort it is cut. */
static void mobilenet_on_fast_boards_and_a_slow_link_stays_whole(void **state)
{
    static const struct {
        double macs_per_s;
        double bytes_per_s;
        bool is_whole;
    } rows[] = {{1e10, 10e6 / 8, true}, {1e8, 1e10 / 8, false}};

    (void)state;
    for (int i = 0; i < 4; i++) {
        struct zoo_options options = {.seed = 1};
        struct graph *graph = NULL;
        struct fixture f;
        bool is_whole;

        assert_int_equal(zoo_make("mobilenetv2", &options, &graph, &f.err), 0);
        assert_int_equal(infer_bind_batch(graph, 1, &f.err), 0);
        assert_int_equal(infer_graph(graph, &f.err), 0);
        set_up(&f, graph, 4, MIB(512));
        f.profile.boards[0].macs_per_s = rows[i / 2].macs_per_s;
        f.profile.boards[0].is_measured = true;
        f.profile.links[0] =
            (struct profile_link){1e-4, rows[i / 2].bytes_per_s, true};
        f.search.goal = i % 2 == 0 ? SEARCH_LATENCY : SEARCH_THROUGHPUT;
        assert_int_equal(run(&f), 0);
        is_whole =
            f.choices.shape == CHOICE_ALONE || f.choices.shape == CHOICE_COPIES;
        /* Replicas are the best for throughput wherever a model fits. */
        assert_int_equal(is_whole, rows[i / 2].is_whole ||
                                       f.search.goal == SEARCH_THROUGHPUT);
        tear_down(&f);
    }
}

static bool is_split(const struct choice *c, const struct graph *graph,
                     const char *op)
{
    int *order = NULL;
    size_t n = 0;
    bool found = false;
    struct err err;

    assert_int_equal(cut_order(graph, &order, &n, &err), 0);
    for (size_t i = 0; i < c->n_stages; i++) {
        for (int p = c->stages[i].first; p < c->stages[i].end; p++) {
            found = found || (c->stages[i].kind == PIECES_SPLIT &&
                              strcmp(graph->ops[order[p]].name, op) == 0);
        }
    }
    mem_free(order);
    return found;
}

/* fc1 alone has 392 MiB of weights. */
static void vgg16_fits_small_boards_by_splitting_fc1(void **state)
{
    struct fixture f;

    (void)state;
    set_up(&f, paper_vgg16(), 8, MIB(128));
    assert_int_equal(run(&f), 0);
    assert_true(is_split(&f.choices.best, f.graph, "fc1"));
    for (size_t d = 0; d < 8; d++) {
        assert_true(f.choices.best.memory[d] <= MIB(128));
    }
    assert_false(f.choices.others[CHOICE_ALONE].is_possible);
    tear_down(&f);
}

static void what_cannot_fit_is_refused_with_what_would(void **state)
{
    struct fixture f;

    (void)state;
    set_up(&f, paper_vgg16(), 2, MIB(128));
    assert_int_equal(run(&f), EDGE_ENOFIT);
    assert_non_null(strstr(f.err.text, "fc1"));
    assert_non_null(strstr(f.err.text, "d0"));
    assert_non_null(strstr(f.err.text, "MiB short"));
    assert_non_null(strstr(f.err.text, "What would fit"));
    tear_down(&f);
}

/* Four boards on a fast link: VGG-16's images in four. */
static void tiles_halve_the_latency_of_vgg16(void **state)
{
    struct fixture f;

    (void)state;
    set_up(&f, paper_vgg16(), 4, MIB(2000));
    f.profile.links[0].bytes_per_s = 120e6;
    assert_int_equal(run(&f), 0);
    assert_int_equal(f.choices.shape, CHOICE_TILE);
    assert_true(f.choices.best.latency_s * 2 <
                f.choices.others[CHOICE_ALONE].choice.latency_s);
    tear_down(&f);
}

static void what_is_written_is_kept(void **state)
{
    const size_t second[] = {2};
    struct fixture f;

    (void)state;
    set_up(&f, paper_chain(6, 16, 56), 4, MIB(512));
    f.search.stages = (const struct search_stage[]){
        {.name = "a", .first = 0, .end = 4, .shape = {.rows = 1, .columns = 1}},
        {.name = "b",
         .first = 4,
         .end = 12,
         .shape = {.rows = 1, .columns = 1},
         .devices = second,
         .n_devices = 1}};
    f.search.n_stages = 2;
    assert_int_equal(run(&f), 0);
    assert_int_equal(f.choices.best.n_stages, 2);
    assert_int_equal(f.choices.best.stages[1].n_devices, 1);
    assert_int_equal(f.choices.best.stages[1].devices[0], 2);
    assert_int_equal(f.choices.best.stages[0].end, 4);
    assert_true(f.choices.best.stages[0].n_devices >= 1);
    tear_down(&f);
}

/* As many stages as boards cannot have for themselves share them. */
static void more_stages_than_boards_share(void **state)
{
    struct fixture f;

    (void)state;
    set_up(&f, paper_chain(6, 16, 56), 2, MIB(512));
    f.search.replicas = 2;
    f.search.stages = (const struct search_stage[]){
        {.name = "a", .first = 0, .end = 4, .shape = {.rows = 1, .columns = 1}},
        {.name = "b", .first = 4, .end = 8, .shape = {.rows = 1, .columns = 1}},
        {.name = "c",
         .first = 8,
         .end = 12,
         .shape = {.rows = 1, .columns = 1}}};
    f.search.n_stages = 3;
    assert_int_equal(run(&f), 0);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(f.choices.best.stages[i].n_devices, 2);
    }
    tear_down(&f);
}

static void slow_boards_are_left_out_and_named(void **state)
{
    struct fixture f;

    (void)state;
    set_up(&f, paper_chain(6, 16, 56), 3, MIB(512));
    profile_deinit(&f.profile);
    assert_int_equal(profile_init(&f.profile, 3, 2, 1), 0);
    f.profile.boards[1].macs_per_s /= 50;
    for (size_t d = 0; d < 3; d++) {
        (void)snprintf(f.profile.devices[d].name, LIMIT_NAME, "d%zu", d);
        f.profile.devices[d].free_bytes = MIB(512);
    }
    f.profile.devices[1].board = 1;
    f.search.goal = SEARCH_THROUGHPUT;
    assert_int_equal(run(&f), 0);
    assert_int_equal(f.choices.n_left_out, 1);
    assert_int_equal(f.choices.left_out[0].device, 1);
    assert_non_null(strstr(f.choices.left_out[0].why, "d1"));
    assert_non_null(strstr(f.choices.left_out[0].why, "slower than d"));
    tear_down(&f);
}

/* No two boards are alike; two are to hold each stage all the same. */
static void replicas_may_be_of_boards_that_differ(void **state)
{
    struct fixture f;

    (void)state;
    set_up(&f, paper_chain(6, 64, 28), 4, KIB(800));
    profile_deinit(&f.profile);
    assert_int_equal(profile_init(&f.profile, 4, 4, 1), 0);
    for (size_t d = 0; d < 4; d++) {
        (void)snprintf(f.profile.devices[d].name, LIMIT_NAME, "d%zu", d);
        f.profile.boards[d].macs_per_s *= 1 + 0.5 * (double)d;
        f.profile.devices[d].board = d;
        f.profile.devices[d].free_bytes = KIB(1400);
    }
    f.search.replicas = 2;
    assert_int_equal(run(&f), 0);
    assert_true(f.choices.best.n_stages > 1);
    for (size_t i = 0; i < f.choices.best.n_stages; i++) {
        assert_true(f.choices.best.stages[i].n_devices >=
                    2 * choice_pieces(&f.choices.best.stages[i]));
    }
    assert_true(f.choices.others[CHOICE_PIPELINE].is_possible);
    tear_down(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pi3_placements_are_at_least_as_fast_as_the_published),
        cmocka_unit_test(a_slow_link_leaves_the_model_whole),
        cmocka_unit_test(what_is_in_force_stays_unless_another_gains_enough),
        cmocka_unit_test(mobilenet_on_fast_boards_and_a_slow_link_stays_whole),
        cmocka_unit_test(vgg16_fits_small_boards_by_splitting_fc1),
        cmocka_unit_test(what_cannot_fit_is_refused_with_what_would),
        cmocka_unit_test(tiles_halve_the_latency_of_vgg16),
        cmocka_unit_test(what_is_written_is_kept),
        cmocka_unit_test(more_stages_than_boards_share),
        cmocka_unit_test(slow_boards_are_left_out_and_named),
        cmocka_unit_test(replicas_may_be_of_boards_that_differ),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
