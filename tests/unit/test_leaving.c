/* Exits of a model in the order of its ops, in stages, and on links. */
#include "coordinator/plan/leaving.h"

#include "base/mem.h"
#include "coordinator/plan/cut.h"
#include "coordinator/plan/pieces.h"
#include "coordinator/plan/written.h"
#include "graph/infer.h"
#include "tests/lib/model.h"
#include "tests/lib/run_graph.h"
#include "tests/lib/run_parts.h"
#include "tests/lib/same_values.h"
#include "tests/lib/unit.h"

#include <string.h>

#define CLASSES 3

struct fixture {
    struct graph *model;
    struct graph *graph; /* arranged */
    struct cluster cluster;
    struct cluster_exit exits[3];
    struct cluster_stage stages[4];
    struct leaving leaving;
    struct choice choice;
    struct err err;
};

static struct fixture f;

static char *text(const char *t)
{
    return (char *)(uintptr_t)t;
}

static int conv(struct graph *g, const char *name, int x)
{
    char weight[32];
    int w;

    (void)snprintf(weight, sizeof(weight), "w.%s", name);
    w = model_f32(g, weight, -0.07f, 0.001f, DIMS(4, 4, 3, 3));
    x = model_op(g, OP_CONV, name, IN(x, w));
    model_set_ints(g, "pads", DIMS(1, 1, 1, 1));
    return x;
}

static int dense(struct graph *g, const char *name, int x, int64_t n, float by)
{
    char weight[32];
    int w;

    (void)snprintf(weight, sizeof(weight), "w.%s", name);
    w = model_f32(g, weight, -by, by / 100, DIMS(n, CLASSES));
    return model_op(g, OP_MATMUL, name, IN(x, w));
}

/* GlobalAveragePool, Flatten, MatMul. */
static int head(struct graph *g, const char *prefix, const char *name, int x)
{
    char step[32];

    (void)snprintf(step, sizeof(step), "%s.pool", prefix);
    x = model_op(g, OP_GLOBAL_AVERAGE_POOL, step, IN(x));
    (void)snprintf(step, sizeof(step), "%s.flat", prefix);
    x = model_op(g, OP_FLATTEN, step, IN(x));
    return dense(g, name, x, 4, 0.5f);
}

/*  0 conv1  1 relu1  2 conv2  3 sum (of relu1, conv2)  4 relu2  5 conv3
 *  6 flat  7 logits,   and what is behind: heads at relu2 and relu1, whose
 * outputs are `early` and `first`; `map` scores nothing. */
static int set_up(void **state)
{
    struct graph *g = graph_new("m");
    int relu1;
    int relu2;
    int x;

    (void)state;
    f = (struct fixture){.model = g,
                         .cluster = {.exits = f.exits, .stages = f.stages}};
    x = model_input(g, "image", DTYPE_F32, DIMS(1, 4, 8, 8));
    x = conv(g, "conv1", x);
    relu1 = model_op(g, OP_RELU, "relu1", IN(x));
    x = conv(g, "conv2", relu1);
    x = model_op(g, OP_ADD, "sum", IN(relu1, x));
    relu2 = model_op(g, OP_RELU, "relu2", IN(x));
    x = conv(g, "conv3", relu2);
    x = model_op(g, OP_FLATTEN, "flat", IN(x));
    model_output(g, dense(g, "logits", x, 256, 0.3f));
    model_output(g, head(g, "e", "early", relu2));
    model_output(g, model_op(g, OP_SIGMOID, "map", IN(relu2)));
    model_output(g, head(g, "f", "first", relu1));
    assert_int_equal(infer_graph(g, &f.err), 0);
    assert_int_equal(graph_clone(g, &f.graph), 0);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    choice_deinit(&f.choice);
    graph_free(f.model);
    graph_free(f.graph);
    return 0;
}

static void add_exit(const char *after, const char *output)
{
    f.exits[f.cluster.n_exits++] =
        (struct cluster_exit){.after = after != NULL ? text(after) : NULL,
                              .output = output != NULL ? text(output) : NULL,
                              .entropy = 0.5,
                              .by_entropy = true,
                              .at_after = {.line = 7, .column = 3}};
}

static int arrange(void)
{
    return leaving_arrange(f.graph, &f.cluster, &f.leaving, &f.err);
}

static void refused(const char *why)
{
    assert_int_equal(arrange(), EDGE_ECONFIG);
    if (strstr(f.err.text, why) == NULL) {
        fail_msg("\"%s\" is not in \"%s\"", why, f.err.text);
    }
}

/* ---- the order ----------------------------------------------------------- */

static void assert_order(const char *wanted)
{
    char found[512] = "";
    size_t at = 0;
    int *order = NULL;
    size_t n = 0;

    assert_int_equal(cut_order(f.graph, &order, &n, &f.err), 0);
    for (size_t i = 0; i < n && at < sizeof(found); i++) {
        at += (size_t)snprintf(found + at, sizeof(found) - at, "%s%s",
                               i > 0 ? " " : "", f.graph->ops[order[i]].name);
    }
    mem_free(order);
    assert_string_equal(found, wanted);
}

static void test_what_an_exit_needs_alone_is_right_behind_it(void **state)
{
    (void)state;
    add_exit(NULL, "early");
    assert_int_equal(arrange(), 0);
    assert_order("conv1 relu1 conv2 sum relu2 e.pool e.flat early conv3 flat "
                 "logits");
    assert_int_equal(f.leaving.n, 1);
    assert_int_equal(f.leaving.exits[0].first, 5);
    assert_int_equal(f.leaving.exits[0].end, 8);
    assert_int_equal(f.graph->n_outputs, 2); /* the others are not made */
    assert_string_equal(f.graph->values[f.graph->outputs[1]].name, "early");
    assert_int_equal(graph_check(f.graph, &f.err), 0);
}

static void test_after_says_how_late_it_is(void **state)
{
    (void)state;
    add_exit("conv3", "early");
    add_exit("sum", "first");
    assert_int_equal(arrange(), 0);
    assert_order("conv1 relu1 conv2 sum f.pool f.flat first relu2 conv3 e.pool "
                 "e.flat early flat logits");
    assert_int_equal(f.leaving.exits[0].of, 1); /* by their places, not lines */
    assert_int_equal(f.leaving.exits[0].output, 1);
    assert_string_equal(f.graph->values[f.graph->outputs[1]].name, "first");
    assert_int_equal(f.leaving.exits[1].of, 0);
    assert_int_equal(f.leaving.exits[1].end, 12);
}

static void test_the_output_that_fits_is_found(void **state)
{
    (void)state;
    add_exit("relu1", NULL);
    assert_int_equal(arrange(), 0);
    assert_string_equal(f.graph->values[f.graph->outputs[1]].name, "first");
}

static void test_one_of_two_must_be_named(void **state)
{
    (void)state;
    add_exit("relu2", NULL);
    refused("line 0:0: which output leaves here: \"early\", \"first\"");
}

static void test_what_the_other_has_is_not_meant(void **state)
{
    (void)state;
    add_exit("relu2", NULL);
    add_exit(NULL, "first");
    assert_int_equal(arrange(), 0);
    assert_string_equal(f.graph->values[f.graph->outputs[2]].name, "early");
}

static void test_it_may_be_behind_a_stage(void **state)
{
    (void)state;
    f.stages[0] = (struct cluster_stage){
        .name = text("s0"), .first = text("conv1"), .last = text("relu2")};
    f.cluster.n_stages = 1;
    add_exit("s0", "first");
    assert_int_equal(arrange(), 0);
    assert_int_equal(f.leaving.exits[0].first, 5);
}

static void test_what_cannot_be_is_refused(void **state)
{
    static const struct {
        const char *after;
        const char *output;
        const char *why;
    } cases[] = {
        {"conv9", NULL,
         "line 7:3: the model has no layer, and the file no "
         "stage \"conv9\""},
        {NULL, "erly", "no output \"erly\"; did you mean \"early\"?"},
        {NULL, "relu2", "no output \"relu2\""},
        {NULL, "logits", "is the model's first"},
        {NULL, "map", "does not score the same classes"},
        {"sum", "early", "needs \"relu2\", which is computed behind \"sum\""},
        {"logits", "early", "would spare nothing"},
        {"conv1", NULL, "no further output that could leave here"},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        (void)tear_down(state);
        (void)set_up(state);
        add_exit(cases[i].after, cases[i].output);
        refused(cases[i].why);
    }
}

/* ---- stages -------------------------------------------------------------- */

static void add_stage(const char *name, const char *first, const char *last)
{
    f.stages[f.cluster.n_stages++] = (struct cluster_stage){
        .name = text(name), .first = text(first), .last = text(last)};
}

static int cut(void)
{
    struct profile_device devices[2] = {{.name = "x"}, {.name = "y"}};
    const struct profile profile = {.devices = devices, .n_devices = 2};

    assert_int_equal(arrange(), 0);
    return written_stages(&f.choice, &f.cluster, f.graph, &profile, &f.leaving,
                          &f.err);
}

static void test_it_goes_with_the_stage_that_ends_there(void **state)
{
    (void)state;
    add_stage("a", "conv1", "relu2");
    add_stage("b", "conv3", "logits");
    add_exit("a", "early");
    assert_int_equal(cut(), 0);
    assert_int_equal(f.choice.stages[0].end, 8);
    assert_int_equal(f.choice.stages[1].first, 8);
}

/* Tiles or halves of the first stage; the others are whole. */
static void cut_first(char **over)
{
    f.stages[0].tile = (struct cluster_tile){
        .rows = 2, .columns = 1, .over = over, .n_over = 2};
}

static void test_behind_a_cut_stage_the_next_has_it(void **state)
{
    char *over[] = {text("x"), text("y")};

    (void)state;
    add_stage("a", "conv1", "relu2");
    add_stage("b", "conv3", "logits");
    add_exit("a", "early");
    cut_first(over);
    assert_int_equal(cut(), 0);
    assert_int_equal(f.choice.stages[0].end, 5);
    assert_int_equal(f.choice.stages[1].first, 5);
}

static void test_scores_are_not_made_in_pieces(void **state)
{
    char *over[] = {text("x"), text("y")};

    (void)state;
    add_stage("a", "conv1", "conv3");
    add_stage("b", "flat", "logits");
    add_exit(NULL, "early");
    cut_first(over);
    assert_int_equal(cut(), EDGE_ECONFIG);
    assert_non_null(strstr(f.err.text, "line 7:3: this exit is in stage \"a\", "
                                       "which is tiled"));
}

/* Bit for bit, wherever the stages are parted. */
static void test_parted_stages_give_the_models_bits(void **state)
{
    struct tensor input = {0};
    struct tensor want[RUN_GRAPH_PORTS] = {{0}};
    struct tensor got[RUN_GRAPH_PORTS] = {{0}};
    struct parts parts = {0};
    struct piece *pieces = NULL;
    int parted[LIMIT_PORTS];
    struct pieces_stage stage = {.rows = 1, .columns = 1, .parted = parted};
    const struct shape shape = shape_of(4, (const int64_t[]){1, 4, 8, 8});

    (void)state;
    add_exit(NULL, "early");
    add_exit("conv2", "first");
    assert_int_equal(arrange(), 0);
    stage.end = 14;
    stage.n_parted = leaving_parts(&f.leaving, 0, stage.end, false, parted);
    assert_int_equal(stage.n_parted, 2);
    assert_int_equal(
        pieces_make(f.graph, &stage, 1, &parts, &pieces, NULL, &f.err), 0);
    assert_int_equal(parts.n, 3);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(pieces[i].role, PIECE_WHOLE);
        assert_int_equal(pieces[i].level, i);
    }
    assert_int_equal(tensor_init(&input, DTYPE_F32, &shape), 0);
    for (int64_t i = 0; i < tensor_count(&input); i++) {
        ((float *)input.data)[i] = (float)(i % 17) / 17 - 0.4f;
    }
    run_graph(f.model, &input, want);
    run_made_parts(&parts, &input, got);
    assert_near(1, &want[0], &got[0], 0);
    assert_near(1, &want[3], &got[1], 0); /* first */
    assert_near(1, &want[1], &got[2], 0); /* early */
    tensor_deinit(&input);
    for (size_t i = 0; i < 4; i++) {
        tensor_deinit(&want[i]);
        tensor_deinit(&got[i]);
    }
    parts_deinit(&parts);
    mem_free(pieces);
}

static void test_stages_are_parted_where_that_spares_something(void **state)
{
    int at[LIMIT_PORTS];

    (void)state;
    add_exit(NULL, "early"); /* its ops: 5, 6, 7 */
    assert_int_equal(arrange(), 0);
    assert_int_equal(leaving_parts(&f.leaving, 0, 11, false, at), 1);
    assert_int_equal(at[0], 8);
    assert_int_equal(leaving_parts(&f.leaving, 0, 8, false, at), 0);
    assert_int_equal(leaving_parts(&f.leaving, 8, 11, false, at), 0);
    /* What is joined at 8 is an exit's then. */
    assert_int_equal(leaving_parts(&f.leaving, 8, 11, true, at), 1);
    assert_int_equal(leaving_parts(NULL, 0, 11, false, at), 0);
}

/* ---- links --------------------------------------------------------------- */

/* 0 -> 1 (exit 1) -> 2 (exit 2) -> 3; and 0 -> 2, 0 -> 3, 1 -> 3, 0 -> 4. */
static void test_what_passes_an_exit_by_waits_for_it(void **state)
{
    struct part_link links[] = {
        {PARTS_OUTSIDE, 0, 0, 0},
        {0, 0, 1, 0},
        {0, 0, 2, 1},
        {0, 0, 3, 1},
        {0, 0, 4, 0},
        {1, 0, 2, 0},
        {1, 1, PARTS_OUTSIDE, 1},
        {1, 0, 3, 2},
        {2, 0, 3, 0},
    };
    const int numbers[] = {0, 1, 2, 0, 0};
    const struct parts parts = {
        .n = 5, .links = links, .n_links = sizeof(links) / sizeof(links[0])};

    (void)state;
    assert_int_equal(leaving_after(&parts, numbers, 0, 1), 0);
    assert_int_equal(leaving_after(&parts, numbers, 0, 2), 1);
    assert_int_equal(leaving_after(&parts, numbers, 0, 3), 2);
    assert_int_equal(leaving_after(&parts, numbers, 0, 4), 2);
    assert_int_equal(leaving_after(&parts, numbers, 1, 2), 1);
    assert_int_equal(leaving_after(&parts, numbers, 1, 3), 2);
    assert_int_equal(leaving_after(&parts, numbers, 2, 3), 2);
    assert_int_equal(leaving_rank(&parts, numbers, 0), 1);
    assert_int_equal(leaving_rank(&parts, numbers, 2), 2);
    assert_int_equal(leaving_rank(&parts, numbers, 4), LIMIT_PORTS + 1);
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        T(test_what_an_exit_needs_alone_is_right_behind_it),
        T(test_after_says_how_late_it_is),
        T(test_the_output_that_fits_is_found),
        T(test_one_of_two_must_be_named),
        T(test_what_the_other_has_is_not_meant),
        T(test_it_may_be_behind_a_stage),
        T(test_what_cannot_be_is_refused),
        T(test_it_goes_with_the_stage_that_ends_there),
        T(test_behind_a_cut_stage_the_next_has_it),
        T(test_scores_are_not_made_in_pieces),
        T(test_parted_stages_give_the_models_bits),
        T(test_stages_are_parted_where_that_spares_something),
        T(test_what_passes_an_exit_by_waits_for_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
