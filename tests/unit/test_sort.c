#include "tests/lib/unit.h"

#include "base/mem.h"
#include "graph/graph.h"
#include "tests/lib/model.h"

#include <string.h>

static int set_up(void **state)
{
    *state = graph_new("test");
    return *state != NULL ? 0 : -1;
}

static int tear_down(void **state)
{
    graph_free(*state);
    return 0;
}

/* x -> Relu a -> Relu b (output), and a weight w added to b -> c (output). */
static void build_small(struct graph *g)
{
    int x = model_input(g, "x", DTYPE_F32, DIMS(1, 4));
    int w = model_f32(g, "w", 1, 1, DIMS(4));
    int a = model_op(g, OP_RELU, "a", IN(x));
    int b = model_op(g, OP_RELU, "b", IN(a));
    int c = model_op(g, OP_ADD, "c", IN(b, w));

    model_output(g, b);
    model_output(g, c);
}

static void assert_fails(int rc, int wanted, const struct err *err,
                         const char *part)
{
    assert_int_equal(rc, wanted);
    if (strstr(err->text, part) == NULL) {
        fail_msg("\"%s\" is not in \"%s\"", part, err->text);
    }
}

static void test_compact_drops_what_nothing_reads(void **state)
{
    struct graph *g = *state;
    int x;

    build_small(g);
    x = graph_find_value(g, "x");
    model_f32(g, "unused", 0, 0, DIMS(3));
    model_op(g, OP_NEG, "dead2", IN(model_op(g, OP_ABS, "dead1", IN(x))));
    model_input(g, "idle", DTYPE_F32, DIMS(1));
    assert_int_equal(graph_compact(g), 0);
    assert_int_equal(g->n_ops, 3);
    assert_int_equal(g->n_values, 6);
    assert_int_equal(graph_find_value(g, "unused"), -1);
    assert_true(graph_is_input(g, graph_find_value(g, "idle")));
    assert_int_equal(graph_find_op(g, "c"), 2);
    assert_int_equal(graph_check(g, NULL), 0);
}

/* ---- order ------------------------------------------------------------- */

/* Three Relus in a row, added last first. */
static void build_backwards(struct graph *g, int head)
{
    int v[4];

    v[0] = head;
    for (int i = 1; i < 4; i++) {
        v[i] = graph_add_value(g, (const char *[]){"", "a", "b", "c"}[i]);
    }
    for (int i = 3; i > 0; i--) {
        assert_true(graph_add_op(g, OP_RELU, g->values[v[i]].name, &v[i - 1], 1,
                                 &v[i], 1) >= 0);
    }
    model_output(g, v[3]);
}

static void test_sort_puts_makers_first(void **state)
{
    struct graph *g = *state;

    build_backwards(g, model_input(g, "x", DTYPE_F32, DIMS(1)));
    assert_int_equal(graph_check(g, NULL), EDGE_EINVAL);
    assert_int_equal(graph_sort(g, NULL), 0);
    assert_int_equal(graph_check(g, NULL), 0);
    assert_string_equal(g->ops[0].name, "a");
    assert_string_equal(g->ops[2].name, "c");
    assert_int_equal(graph_find_op(g, "c"), 2);
}

static void test_sort_keeps_an_order_that_is_right(void **state)
{
    struct graph *g = *state;
    int x = model_input(g, "x", DTYPE_F32, DIMS(1));
    int b = model_op(g, OP_NEG, "b", IN(x));
    int a = model_op(g, OP_ABS, "a", IN(x));

    model_op(g, OP_ADD, "c", IN(a, b));
    assert_int_equal(graph_sort(g, NULL), 0);
    assert_string_equal(g->ops[0].name, "b");
    assert_string_equal(g->ops[1].name, "a");
}

static void test_sort_names_an_op_on_a_cycle(void **state)
{
    struct graph *g = *state;
    struct err err = {.text = ""};
    int x = model_input(g, "x", DTYPE_F32, DIMS(1));
    int b = graph_add_value(g, "b");
    int a = model_op(g, OP_ADD, "a", IN(x, b));

    assert_true(graph_add_op(g, OP_NEG, "b", &a, 1, &b, 1) >= 0);
    model_output(g, b);
    assert_fails(graph_sort(g, &err), EDGE_EINVAL, &err, "cycle");
    assert_non_null(strstr(err.text, "Neg \"b\""));
}

static void test_sort_names_a_value_that_nothing_makes(void **state)
{
    struct graph *g = *state;
    struct err err = {.text = ""};

    model_output(g, model_op(g, OP_RELU, "y", IN(graph_add_value(g, "lost"))));
    assert_fails(graph_sort(g, &err), EDGE_EINVAL, &err, "\"lost\"");
    assert_non_null(strstr(err.text, "Relu \"y\""));
}

static void test_sort_of_a_long_chain_does_not_recurse(void **state)
{
    struct graph *g = *state;
    int n = 60000;
    int *v = mem_array(int, (size_t)n + 1);

    assert_non_null(v);
    v[0] = model_input(g, "x", DTYPE_F32, DIMS(1));
    for (int i = 1; i <= n; i++) {
        v[i] = graph_add_value(g, NULL);
    }
    for (int i = n; i > 0; i--) {
        assert_true(graph_add_op(g, OP_RELU, NULL, &v[i - 1], 1, &v[i], 1) >=
                    0);
    }
    model_output(g, v[n]);
    assert_int_equal(graph_sort(g, NULL), 0);
    assert_int_equal(graph_check(g, NULL), 0);
    mem_free(v);
}

/* ---- check ------------------------------------------------------------- */

static void test_check_finds_a_wrong_number_of_inputs(void **state)
{
    struct graph *g = *state;
    struct err err = {.text = ""};

    model_op(g, OP_ADD, "y", IN(model_input(g, "x", DTYPE_F32, DIMS(1))));
    assert_fails(graph_check(g, &err), EDGE_EINVAL, &err,
                 "Add \"y\": takes 2 to 2 inputs, has 1");
}

static void test_check_finds_a_needed_input_left_out(void **state)
{
    struct graph *g = *state;
    struct err err = {.text = ""};
    int x = model_input(g, "x", DTYPE_F32, DIMS(1));

    model_op(g, OP_CONCAT, "y", IN(x, -1, x));
    assert_fails(graph_check(g, &err), EDGE_EINVAL, &err, "left out");
}

static void test_check_finds_a_name_set_by_hand(void **state)
{
    struct graph *g = *state;

    build_small(g);
    g->values[0].name[0] = 'q';
    assert_int_equal(graph_check(g, NULL), EDGE_EINVAL);
}

static void test_check_finds_an_output_that_nothing_makes(void **state)
{
    struct graph *g = *state;
    struct err err = {.text = ""};

    build_small(g);
    model_output(g, graph_add_value(g, "lost"));
    assert_fails(graph_check(g, &err), EDGE_EINVAL, &err, "\"lost\"");
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(test_compact_drops_what_nothing_reads),
        T(test_sort_puts_makers_first),
        T(test_sort_keeps_an_order_that_is_right),
        T(test_sort_names_an_op_on_a_cycle),
        T(test_sort_names_a_value_that_nothing_makes),
        T(test_sort_of_a_long_chain_does_not_recurse),
        T(test_check_finds_a_wrong_number_of_inputs),
        T(test_check_finds_a_needed_input_left_out),
        T(test_check_finds_a_name_set_by_hand),
        T(test_check_finds_an_output_that_nothing_makes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
