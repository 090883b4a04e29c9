#include "tests/lib/unit.h"

#include "base/mem.h"
#include "coordinator/plan/cut.h"
#include "graph/infer.h"
#include "tests/lib/heap.h"
#include "tests/lib/model.h"

#include <stdio.h>
#include <string.h>

static int set_up(void **state)
{
    *state = graph_new("net");
    return *state != NULL ? 0 : -1;
}

static int tear_down(void **state)
{
    heap_heal();
    graph_free(*state);
    return 0;
}

/* Position: 0 conv, 1 bn, 2 relu, 3 pool (branch), 4 conv2, 5 add, 6 relu2;
 * "dw", the weight of conv2, depends on constants alone; x is read at 0. */
static void build(struct graph *g)
{
    int x = model_input(g, "x", DTYPE_F32, DIMS(1, 2, 4, 4));
    int w = model_f32(g, "w", 1, 1, DIMS(4, 2, 1, 1));
    int s = model_f32(g, "s", 1, 1, DIMS(4));
    int q = model_const(g, "q", DTYPE_I8, DIMS(4, 4, 1, 1));
    int scale = model_f32(g, "scale", 1, 0, SCALAR);
    int conv = model_op(g, OP_CONV, "conv", IN(x, w));
    int bn = model_op(g, OP_BATCH_NORM, "bn", IN(conv, s, s, s, s));
    int relu = model_op(g, OP_RELU, "relu", IN(bn));
    int dw = model_op(g, OP_DEQUANTIZE_LINEAR, "dw", IN(q, scale));
    int pool = model_op(g, OP_GLOBAL_AVERAGE_POOL, "pool", IN(relu));
    int conv2 = model_op(g, OP_CONV, "conv2", IN(relu, dw));
    int add = model_op(g, OP_ADD, "add", IN(conv2, pool));

    model_output(g, model_op(g, OP_RELU, "relu2", IN(add)));
    assert_int_equal(infer_graph(g, NULL), 0);
}

static struct cut *candidates(const struct graph *g, size_t *n)
{
    struct cut *cuts = NULL;
    struct err err = {.text = ""};

    if (cut_candidates(g, &cuts, n, &err) < 0) {
        fail_msg("%s", err.text);
    }
    return cuts;
}

static void assert_crosses(const struct graph *g, const struct cut *cut,
                           const char *first, const char *second)
{
    assert_int_equal(cut->n_values, second != NULL ? 2 : 1);
    assert_string_equal(g->values[cut->values[0]].name, first);
    if (second != NULL) {
        assert_string_equal(g->values[cut->values[1]].name, second);
    }
}

/* ---- candidates -------------------------------------------------------- */

static void test_ops_of_constants_are_not_counted(void **state)
{
    struct graph *g = *state;
    int *ops;
    size_t n;

    build(g);
    assert_int_equal(cut_order(g, &ops, &n, NULL), 0);
    assert_int_equal(n, 7);
    assert_string_equal(g->ops[ops[3]].name, "pool");
    mem_free(ops);
}

static void test_dead_ops_are_not_counted(void **state)
{
    struct graph *g = *state;
    int *ops;
    size_t n;

    build(g);
    model_op(g, OP_NEG, "dead", IN(graph_find_value(g, "relu")));
    assert_int_equal(cut_order(g, &ops, &n, NULL), 0);
    assert_int_equal(n, 7);
    mem_free(ops);
}

static void test_what_crosses(void **state)
{
    struct graph *g = *state;
    struct cut *cuts;
    size_t n;

    build(g);
    cuts = candidates(g, &n);
    assert_int_equal(n, 6);
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(cuts[i].position, i + 1);
    }
    assert_crosses(g, &cuts[0], "conv", NULL);
    assert_crosses(g, &cuts[2], "relu", NULL);
    assert_crosses(g, &cuts[3], "relu", "pool");
    assert_crosses(g, &cuts[4], "pool", "conv2");
    assert_crosses(g, &cuts[5], "add", NULL);
    assert_int_equal(cuts[3].bytes, (64 + 4) * 4);
    cut_free(cuts, n);
}

static void test_costs_add_up(void **state)
{
    struct graph *g = *state;
    struct cut *cuts;
    size_t n;

    build(g);
    cuts = candidates(g, &n);
    assert_true(cuts[0].macs_before == 64 * 2);
    assert_true(cuts[4].macs_before == 64 * 2 + 64 * 4);
    assert_true(cuts[5].flops_before > cuts[4].flops_before);
    assert_true(cuts[0].weight_bytes_before == 8 * 4);
    assert_true(cuts[1].weight_bytes_before == 8 * 4 + 4 * 16);
    /* conv2's weights travel as int8, with their scale */
    assert_true(cuts[4].weight_bytes_before == 8 * 4 + 4 * 16 + 16 + 4);
    cut_free(cuts, n);
}

static void test_cuts_inside_groups_are_marked(void **state)
{
    static const bool wanted[] = {true, true, false, false, true, true};
    struct graph *g = *state;
    struct cut *cuts;
    size_t n;

    build(g);
    cuts = candidates(g, &n);
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(cuts[i].splits_group, wanted[i]);
    }
    cut_free(cuts, n);
}

static void test_a_product_read_twice_does_not_fuse(void **state)
{
    struct graph *g = *state;
    struct cut *cuts;
    size_t n;
    int x = model_input(g, "x", DTYPE_F32, DIMS(2, 2));
    int y =
        model_op(g, OP_GEMM, "y", IN(x, model_f32(g, "w", 1, 1, DIMS(2, 2))));

    model_output(g, y);
    model_output(g, model_op(g, OP_RELU, "r", IN(y)));
    assert_int_equal(infer_graph(g, NULL), 0);
    cuts = candidates(g, &n);
    assert_int_equal(n, 1);
    assert_false(cuts[0].splits_group);
    cut_free(cuts, n);
}

static void test_a_graph_input_read_later_crosses(void **state)
{
    struct graph *g = *state;
    struct cut *cuts;
    size_t n;
    int x = model_input(g, "x", DTYPE_F32, DIMS(2));
    int a = model_op(g, OP_NEG, "a", IN(x));
    int b = model_op(g, OP_ABS, "b", IN(a));

    model_output(g, model_op(g, OP_ADD, "y", IN(b, x)));
    assert_int_equal(infer_graph(g, NULL), 0);
    cuts = candidates(g, &n);
    assert_int_equal(n, 2);
    assert_crosses(g, &cuts[0], "x", "a");
    assert_crosses(g, &cuts[1], "x", "b");
    cut_free(cuts, n);
}

static void test_an_early_output_crosses_to_the_end(void **state)
{
    struct graph *g = *state;
    struct cut *cuts;
    size_t n;
    int a =
        model_op(g, OP_NEG, "a", IN(model_input(g, "x", DTYPE_F32, DIMS(2))));
    int b = model_op(g, OP_ABS, "b", IN(a));

    model_output(g, a);
    model_output(g, model_op(g, OP_NEG, "y", IN(b)));
    assert_int_equal(infer_graph(g, NULL), 0);
    cuts = candidates(g, &n);
    assert_crosses(g, &cuts[1], "a", "b");
    cut_free(cuts, n);
}

/* One Split into `n` parts of `length`, all joined again after a Neg. */
static void build_wide(struct graph *g, int n, int64_t length)
{
    int v[LIMIT_PORTS + 1];
    char name[16];
    int x = model_input(g, "x", DTYPE_F32, DIMS(n, length));

    v[0] = model_op(g, OP_SPLIT, "v0", IN(x));
    for (int i = 1; i < n; i++) {
        (void)snprintf(name, sizeof(name), "v%d", i);
        v[i] = model_more(g, name);
    }
    v[0] = model_op(g, OP_NEG, "neg", IN(v[0]));
    model_output(g, model_op(g, OP_CONCAT, "y", n, v));
    model_set_int(g, "axis", 0);
    assert_int_equal(infer_graph(g, NULL), 0);
}

static void test_more_values_than_ports_cannot_cross(void **state)
{
    struct graph *g = *state;
    struct graph *shards[2];
    struct cut *cuts;
    struct err err;
    size_t n;

    build_wide(g, LIMIT_PORTS + 1, 3);
    cuts = candidates(g, &n);
    assert_int_equal(n, 0);
    cut_free(cuts, n);
    assert_int_equal(cut_split(g, (int[]){1}, 1, shards, &err), EDGE_ENOFIT);
    assert_non_null(strstr(err.text, "more than 16 values"));
}

static void test_as_many_values_as_ports_can_cross(void **state)
{
    struct graph *g = *state;
    struct cut *cuts;
    size_t n;

    build_wide(g, LIMIT_PORTS, 3);
    cuts = candidates(g, &n);
    assert_int_equal(n, 2);
    assert_int_equal(cuts[0].n_values, LIMIT_PORTS);
    cut_free(cuts, n);
}

static void test_a_value_larger_than_a_frame_cannot_cross(void **state)
{
    struct graph *g = *state;
    struct graph *shards[2];
    struct cut *cuts;
    struct err err;
    size_t n;

    build_wide(g, 1, (int64_t)LIMIT_PAYLOAD / 4 + 1);
    cuts = candidates(g, &n);
    assert_int_equal(n, 0);
    cut_free(cuts, n);
    assert_int_equal(cut_split(g, (int[]){1}, 1, shards, &err), EDGE_ENOFIT);
    assert_non_null(strstr(err.text, "\"v0\""));
}

static void test_a_graph_without_ops_has_no_cuts(void **state)
{
    struct graph *g = *state;
    struct cut *cuts;
    size_t n;

    model_output(g, model_input(g, "x", DTYPE_F32, DIMS(2)));
    cuts = candidates(g, &n);
    assert_int_equal(n, 0);
    cut_free(cuts, n);
}

/* ---- shards ------------------------------------------------------------ */

static void free_shards(struct graph **shards, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        graph_free(shards[i]);
    }
}

static void test_shards_hold_what_they_need(void **state)
{
    struct graph *g = *state;
    struct graph *shards[3] = {NULL};

    build(g);
    assert_int_equal(cut_split(g, (int[]){2, 4}, 2, shards, NULL), 0);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(graph_check(shards[i], NULL), 0);
    }
    assert_string_equal(shards[1]->name, "net/1");
    assert_int_equal(shards[0]->n_ops, 2);
    assert_int_equal(shards[1]->n_ops, 2);
    assert_int_equal(shards[2]->n_ops, 4); /* dw comes along */
    assert_int_equal(graph_find_value(shards[0], "q"), -1);
    assert_non_null(model_value(shards[2], "q")->data.blob);
    assert_string_equal(shards[2]->values[shards[2]->outputs[0]].name, "relu2");
    free_shards(shards, 3);
}

static void test_a_value_that_skips_a_stage_passes_through(void **state)
{
    struct graph *g = *state;
    struct graph *shards[4] = {NULL};
    int x = model_input(g, "x", DTYPE_F32, DIMS(2));
    int a = model_op(g, OP_NEG, "a", IN(x));
    int b = model_op(g, OP_ABS, "b", IN(a));
    int c = model_op(g, OP_NEG, "c", IN(b));

    model_output(g, model_op(g, OP_ADD, "y", IN(c, x)));
    assert_int_equal(infer_graph(g, NULL), 0);
    assert_int_equal(cut_split(g, (int[]){1, 2, 3}, 3, shards, NULL), 0);
    for (size_t i = 0; i < 3; i++) {
        assert_string_equal(shards[i]->values[shards[i]->outputs[0]].name,
                            "x/pass");
        assert_string_equal(
            shards[i + 1]->values[shards[i + 1]->inputs[0]].name, "x");
        assert_int_equal(model_count(shards[i], OP_IDENTITY), 1);
    }
    assert_int_equal(model_count(shards[3], OP_IDENTITY), 0);
    free_shards(shards, 4);
}

static void test_no_cut_is_one_shard(void **state)
{
    struct graph *g = *state;
    struct graph *shards[1];

    build(g);
    assert_int_equal(cut_split(g, NULL, 0, shards, NULL), 0);
    assert_int_equal(shards[0]->n_ops, g->n_ops);
    assert_string_equal(shards[0]->values[shards[0]->inputs[0]].name, "x");
    free_shards(shards, 1);
}

static void test_positions_must_ascend_inside_the_graph(void **state)
{
    static const int wrong[][2] = {{0, 3}, {3, 3}, {4, 2}, {3, 7}, {-1, 3}};
    struct graph *g = *state;
    struct graph *shards[3] = {NULL};
    struct err err;

    build(g);
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        assert_int_equal(cut_split(g, wrong[i], 2, shards, &err), EDGE_EINVAL);
    }
    assert_null(shards[0]);
}

static int cut_once(void *arg)
{
    struct graph *shards[3] = {NULL};
    struct cut *cuts = NULL;
    size_t n = 0;
    int rc = cut_candidates(arg, &cuts, &n, NULL);

    cut_free(cuts, n);
    rc = rc < 0 ? rc : cut_split(arg, (int[]){2, 4}, 2, shards, NULL);
    free_shards(shards, 3);
    return rc;
}

static void test_survives_each_failing_allocation(void **state)
{
    build(*state);
    assert_in_range(heap_each(cut_once, *state), 50, 2000);
}

/* ---- pinned layers ----------------------------------------------------- */

static void assert_layers(const struct graph *g, const char *text, int first,
                          int end)
{
    struct cut_layers layers;

    assert_int_equal(cut_find_layers(g, text, &layers, NULL), 0);
    assert_int_equal(layers.first, first);
    assert_int_equal(layers.end, end);
    assert_string_equal(layers.missing, "");
}

static void test_layers_by_name(void **state)
{
    struct graph *g = *state;

    build(g);
    assert_layers(g, "conv..relu", 0, 3);
    assert_layers(g, "pool", 3, 4);
    assert_layers(g, "conv2..", 4, 7);
    assert_layers(g, "..relu", 0, 3);
    assert_layers(g, "..", 0, 7);
}

static void test_layers_by_value_and_with_dots(void **state)
{
    struct graph *g = *state;

    build(g);
    assert_int_equal(graph_rename_value(g, graph_find_value(g, "bn"), "a..b"),
                     0);
    assert_int_equal(graph_rename_value(g, graph_find_value(g, "add"), "sum"),
                     0);
    assert_layers(g, "a..b", 1, 2);
    assert_layers(g, "a..b..sum", 1, 6);
}

static void test_a_missing_layer_is_named(void **state)
{
    struct graph *g = *state;
    struct cut_layers layers;
    struct err err;

    build(g);
    assert_int_equal(cut_find_layers(g, "conv..relu9", &layers, &err),
                     EDGE_ENOENT);
    assert_string_equal(layers.missing, "relu9");
    assert_int_equal(cut_find_layers(g, "convx..relu", &layers, &err),
                     EDGE_ENOENT);
    assert_string_equal(layers.missing, "convx");
    assert_non_null(strstr(err.text, "\"convx\""));
    assert_int_equal(cut_find_layers(g, "", &layers, &err), EDGE_ENOENT);
    assert_int_equal(cut_find_layers(g, "dw", &layers, &err), EDGE_ENOENT);
    assert_int_equal(cut_find_layers(g, "w", &layers, &err), EDGE_ENOENT);
}

static void test_layers_must_be_in_order(void **state)
{
    struct graph *g = *state;
    struct cut_layers layers;
    struct err err;

    build(g);
    assert_int_equal(cut_find_layers(g, "relu..conv", &layers, &err),
                     EDGE_EINVAL);
    assert_non_null(strstr(err.text, "before the first"));
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(test_ops_of_constants_are_not_counted),
        T(test_dead_ops_are_not_counted),
        T(test_what_crosses),
        T(test_costs_add_up),
        T(test_cuts_inside_groups_are_marked),
        T(test_a_product_read_twice_does_not_fuse),
        T(test_a_graph_input_read_later_crosses),
        T(test_an_early_output_crosses_to_the_end),
        T(test_more_values_than_ports_cannot_cross),
        T(test_as_many_values_as_ports_can_cross),
        T(test_a_value_larger_than_a_frame_cannot_cross),
        T(test_a_graph_without_ops_has_no_cuts),
        T(test_shards_hold_what_they_need),
        T(test_a_value_that_skips_a_stage_passes_through),
        T(test_no_cut_is_one_shard),
        T(test_positions_must_ascend_inside_the_graph),
        T(test_survives_each_failing_allocation),
        T(test_layers_by_name),
        T(test_layers_by_value_and_with_dots),
        T(test_a_missing_layer_is_named),
        T(test_layers_must_be_in_order),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
