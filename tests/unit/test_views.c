/* Models of several views: found, followed, masked. */
#include "graph/views.h"

#include "base/mem.h"
#include "graph/infer.h"
#include "tests/lib/heap.h"
#include "tests/lib/model.h"
#include "tests/lib/run_graph.h"
#include "tests/lib/unit.h"

#include <string.h>

#define VIEW DIMS(-1, 1, 2, 3)

/* Two views of six numbers each, whose scores are these; "both" adds them. */
static struct graph *two_views(int rank_of_present)
{
    struct graph *g = graph_new("views");
    int a = model_input(g, "left", DTYPE_F32, VIEW);
    int there = model_input(g, "present", DTYPE_F32, rank_of_present,
                            (const int64_t[]){-1, 2, 1});
    int b = model_input(g, "right", DTYPE_F32, VIEW);
    int x = model_op(g, OP_FLATTEN, "left.scores", IN(a));
    int y = model_op(g, OP_FLATTEN, "right.scores", IN(b));

    model_output(g, model_op(g, OP_ADD, "both", IN(x, y)));
    model_output(g, x);
    model_output(g, y);
    (void)there;
    assert_int_equal(infer_bind_batch(g, 2, NULL), 0);
    assert_int_equal(infer_graph(g, NULL), 0);
    return g;
}

static void test_views_are_found_around_present(void **state)
{
    struct graph *g = two_views(2);
    struct views views;

    (void)state;
    assert_int_equal(views_find(g, &views, NULL), 0);
    assert_int_equal(views.n, 2);
    assert_true(views.has_present);
    assert_int_equal(views.present, 1);
    assert_int_equal(views.inputs[0], 0);
    assert_int_equal(views.inputs[1], 2);
    graph_free(g);
}

static void test_one_input_is_no_view(void **state)
{
    struct graph *g = graph_new("one");
    struct views views;

    (void)state;
    model_input(g, "x", DTYPE_F32, VIEW);
    assert_int_equal(views_find(g, &views, NULL), 0);
    assert_int_equal(views.n, 0);
    graph_free(g);
}

static void refused(struct graph *g, const char *says)
{
    struct err err = {.text = ""};
    struct views views;

    assert_int_equal(views_find(g, &views, &err), EDGE_EUNSUPPORTED);
    if (strstr(err.text, says) == NULL) {
        fail_msg("%s", err.text);
    }
    graph_free(g);
}

static void test_what_is_no_view_is_said(void **state)
{
    struct graph *g = graph_new("other");

    (void)state;
    model_input(g, "a", DTYPE_F32, VIEW);
    model_input(g, "b", DTYPE_F32, DIMS(-1, 1, 2, 4));
    refused(g, "\"b\"");
    g = graph_new("other");
    model_input(g, "a", DTYPE_F32, VIEW);
    model_input(g, "list", DTYPE_F32, DIMS(-1, 6));
    refused(g, "\"list\"");
    refused(two_views(3), "(N, 2)");
}

static void test_what_leads_to_what(void **state)
{
    struct graph *g = two_views(2);
    struct views views;
    uint64_t *reach = NULL;

    (void)state;
    assert_int_equal(views_find(g, &views, NULL), 0);
    assert_int_equal(views_reach(g, &reach), 0);
    assert_int_equal(
        views_only(&views, reach[graph_find_value(g, "left.scores")]), 0);
    assert_int_equal(
        views_only(&views, reach[graph_find_value(g, "right.scores")]), 1);
    assert_int_equal(views_only(&views, reach[graph_find_value(g, "both")]),
                     -1);
    assert_int_equal(views_only(&views, reach[graph_find_value(g, "present")]),
                     -1);
    mem_free(reach);
    graph_free(g);
}

static void test_a_mask_is_its_views_column(void **state)
{
    struct graph *g = two_views(2);
    float pictures[12] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};
    float present[4] = {1, 0, 0, 1}; /* by sample, then view */
    struct tensor in[3];
    struct tensor out[4];
    struct views views;
    int there;

    (void)state;
    assert_int_equal(views_find(g, &views, NULL), 0);
    assert_int_equal(views_mask(g, &views, graph_find_value(g, "right.scores"),
                                1, &there, NULL),
                     0);
    assert_string_equal(g->values[there].name, "right.scores/there");
    model_output(g, there);
    for (size_t i = 0; i < 3; i++) {
        in[i] = (struct tensor){.dtype = DTYPE_F32,
                                .shape = g->values[g->inputs[i]].shape,
                                .data = i == 1 ? present : pictures};
    }
    run_graph(g, in, out);
    for (int i = 0; i < 6; i++) {
        assert_true(tensor_get(&out[3], i) == 0);
        assert_true(tensor_get(&out[3], 6 + i) == 7 + i);
    }
    for (size_t i = 0; i < 4; i++) {
        tensor_deinit(&out[i]);
    }
    graph_free(g);
}

static int mask_once(void *arg)
{
    struct graph *g = NULL;
    struct views views;
    uint64_t *reach = NULL;
    int there;
    int rc = graph_clone(arg, &g);

    if (rc == 0) {
        rc = views_find(g, &views, NULL);
    }
    if (rc == 0) {
        rc = views_reach(g, &reach);
    }
    if (rc == 0) {
        rc = views_mask(g, &views, graph_find_value(g, "right.scores"), 1,
                        &there, NULL);
    }
    mem_free(reach);
    graph_free(g);
    return rc;
}

static void test_no_memory(void **state)
{
    struct graph *g = two_views(2);

    (void)state;
    assert_true(heap_each(mask_once, g) > 5);
    graph_free(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_views_are_found_around_present),
        cmocka_unit_test(test_one_input_is_no_view),
        cmocka_unit_test(test_what_is_no_view_is_said),
        cmocka_unit_test(test_what_leads_to_what),
        cmocka_unit_test(test_a_mask_is_its_views_column),
        cmocka_unit_test(test_no_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
