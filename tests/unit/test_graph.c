#include "tests/lib/unit.h"

#include "base/mem.h"
#include "graph/graph.h"
#include "tests/lib/heap.h"
#include "tests/lib/model.h"

#include <stdio.h>
#include <string.h>

static int set_up(void **state)
{
    *state = graph_new("test");
    return *state != NULL ? 0 : -1;
}

static int tear_down(void **state)
{
    heap_heal();
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

/* ---- adding ------------------------------------------------------------- */

static void test_names_are_unique(void **state)
{
    struct graph *g = *state;

    assert_int_equal(graph_add_value(g, "x"), 0);
    assert_int_equal(graph_add_value(g, "x"), EDGE_EEXIST);
    assert_int_equal(graph_add_value(g, ""), EDGE_EINVAL);
    assert_int_equal(graph_find_value(g, "x"), 0);
    assert_int_equal(graph_find_value(g, "y"), -1);
}

static void test_made_up_names_avoid_those_there(void **state)
{
    struct graph *g = *state;

    assert_int_equal(graph_add_value(g, "value_1"), 0);
    assert_int_equal(graph_add_value(g, NULL), 1);
    assert_string_not_equal(g->values[1].name, "value_1");
    assert_int_equal(graph_find_value(g, g->values[1].name), 1);
}

static void test_names_of_excessive_length_are_refused(void **state)
{
    char name[LIMIT_GRAPH_NAME + 2];

    memset(name, 'n', sizeof(name));
    name[LIMIT_GRAPH_NAME + 1] = '\0';
    assert_int_equal(graph_add_value(*state, name), EDGE_ETOOBIG);
    name[LIMIT_GRAPH_NAME] = '\0';
    assert_int_equal(graph_add_value(*state, name), 0);
}

static void test_many_names_are_found(void **state)
{
    struct graph *g = *state;
    char name[32];

    for (int i = 0; i < 5000; i++) {
        (void)snprintf(name, sizeof(name), "v%d", i);
        assert_int_equal(graph_add_value(g, name), i);
    }
    for (int i = 0; i < 5000; i++) {
        (void)snprintf(name, sizeof(name), "v%d", i);
        assert_int_equal(graph_find_value(g, name), i);
    }
    assert_int_equal(graph_find_value(g, "v5000"), -1);
}

static void test_rename_moves_the_name(void **state)
{
    struct graph *g = *state;

    assert_int_equal(graph_add_value(g, "x"), 0);
    assert_int_equal(graph_add_value(g, "y"), 1);
    assert_int_equal(graph_rename_value(g, 0, "y"), EDGE_EEXIST);
    assert_int_equal(graph_rename_value(g, 0, "z"), 0);
    assert_int_equal(graph_find_value(g, "x"), -1);
    assert_int_equal(graph_find_value(g, "z"), 0);
    assert_int_equal(graph_add_value(g, "x"), 2);
}

static void test_an_op_needs_free_outputs(void **state)
{
    struct graph *g = *state;
    int x = model_input(g, "x", DTYPE_F32, DIMS(1));
    int w = model_f32(g, "w", 0, 0, DIMS(1));
    int y = model_op(g, OP_RELU, "y", IN(x));
    int z = graph_add_value(g, "z");
    int twice[2] = {z, z};

    assert_int_equal(graph_add_op(g, OP_RELU, NULL, &x, 1, &x, 1), EDGE_EINVAL);
    assert_int_equal(graph_add_op(g, OP_RELU, NULL, &x, 1, &w, 1), EDGE_EINVAL);
    assert_int_equal(graph_add_op(g, OP_RELU, NULL, &x, 1, &y, 1), EDGE_EINVAL);
    assert_int_equal(graph_add_op(g, OP_SPLIT, NULL, &x, 1, twice, 2),
                     EDGE_EINVAL);
    assert_int_equal(graph_add_op(g, OP_RELU, NULL, &x, 1, &z, 1), 1);
}

static void test_an_op_refuses_values_that_are_not_there(void **state)
{
    struct graph *g = *state;
    int y = graph_add_value(g, "y");
    int none = 17;
    int negative = -2;

    assert_int_equal(graph_add_op(g, OP_RELU, NULL, &none, 1, &y, 1),
                     EDGE_EINVAL);
    assert_int_equal(graph_add_op(g, OP_RELU, NULL, &negative, 1, &y, 1),
                     EDGE_EINVAL);
    assert_int_equal(graph_add_op(g, OP_RELU, NULL, &y, 1, &none, 1),
                     EDGE_EINVAL);
    assert_int_equal(g->n_ops, 0);
}

static void test_ports_are_taken_once(void **state)
{
    struct graph *g = *state;
    int x = model_input(g, "x", DTYPE_F32, DIMS(1));
    int w = model_f32(g, "w", 0, 0, DIMS(1));

    assert_int_equal(graph_add_input(g, x), EDGE_EEXIST);
    assert_int_equal(graph_add_input(g, w), EDGE_EINVAL);
    assert_int_equal(graph_add_input(g, 99), EDGE_EINVAL);
    assert_int_equal(graph_add_output(g, x), 0);
    assert_int_equal(graph_add_output(g, x), EDGE_EEXIST);
}

static void test_meta_is_kept_by_key(void **state)
{
    struct graph *g = *state;

    assert_int_equal(graph_add_meta(g, "author", "us"), 0);
    assert_int_equal(graph_add_meta(g, "author", "them"), EDGE_EEXIST);
    assert_string_equal(graph_meta(g, "author"), "us");
    assert_null(graph_meta(g, "licence"));
}

/* ---- attributes -------------------------------------------------------- */

static void test_attributes_are_replaced(void **state)
{
    struct graph *g = *state;
    int64_t v[4] = {0};

    model_op(g, OP_RELU, "y", IN(model_input(g, "x", DTYPE_F32, DIMS(1))));
    model_set_ints(g, "axes", DIMS(1, 2, 3));
    model_set_ints(g, "axes", DIMS(7));
    assert_int_equal(op_ints(model_last(g), "axes", v, 4), 1);
    assert_int_equal(v[0], 7);
    assert_int_equal(model_last(g)->n_attrs, 1);
}

static void test_attributes_of_another_kind_count_as_absent(void **state)
{
    struct graph *g = *state;

    model_op(g, OP_RELU, "y", IN(model_input(g, "x", DTYPE_F32, DIMS(1))));
    model_set_string(g, "axis", "one");
    assert_int_equal(op_int(model_last(g), "axis", 5), 5);
    assert_string_equal(op_string(model_last(g), "axis", ""), "one");
    assert_float_equal(op_float(model_last(g), "axis", 2.5f), 2.5f, 0);
    assert_null(op_attr(model_last(g), "other"));
}

static void test_more_ints_than_wanted_are_counted(void **state)
{
    struct graph *g = *state;
    int64_t v[2] = {0};

    model_op(g, OP_RELU, "y", IN(model_input(g, "x", DTYPE_F32, DIMS(1))));
    model_set_ints(g, "pads", DIMS(1, 2, 3));
    assert_int_equal(op_ints(model_last(g), "pads", v, 2), 3);
    assert_int_equal(v[1], 2);
}

/* ---- changing ---------------------------------------------------------- */

static void test_uses_count_outputs_too(void **state)
{
    struct graph *g = *state;
    int *uses;

    build_small(g);
    assert_int_equal(graph_count_uses(g, &uses), 0);
    assert_int_equal(uses[graph_find_value(g, "b")], 2);
    assert_int_equal(uses[graph_find_value(g, "a")], 1);
    assert_int_equal(uses[graph_find_value(g, "c")], 1);
    mem_free(uses);
}

static void test_set_const_ends_a_graph_input(void **state)
{
    struct graph *g = *state;
    struct shape shape = shape_of(DIMS(1, 4));
    struct tensor t;

    build_small(g);
    assert_int_equal(tensor_init(&t, DTYPE_F32, &shape), 0);
    graph_set_const(g, graph_find_value(g, "x"), &t);
    assert_null(t.blob);
    assert_int_equal(g->n_inputs, 0);
    assert_true(graph_is_const(g, graph_find_value(g, "x")));
    assert_int_equal(graph_check(g, NULL), 0);
}

static void test_move_output_takes_the_place_of_the_other_op(void **state)
{
    struct graph *g = *state;
    struct err err = {.text = ""};

    build_small(g);
    graph_move_output(g, graph_find_value(g, "a"), graph_find_value(g, "b"));
    assert_int_equal(graph_compact(g), 0);
    assert_int_equal(graph_check(g, &err), 0);
    assert_int_equal(model_count(g, OP_RELU), 1);
    assert_int_equal(graph_find_value(g, "a"), -1);
    assert_int_equal(g->n_outputs, 2);
}

/* ---- copies ------------------------------------------------------------ */

static void add_attrs(struct graph *g)
{
    struct shape one = shape_of(DIMS(1));
    struct tensor t;

    model_set_int(g, "i", 3);
    model_set_float(g, "f", 1.5f);
    model_set_string(g, "s", "text");
    model_set_ints(g, "ints", DIMS(1, 2));
    assert_int_equal(op_set_floats(model_last(g), "floats", (float[]){1, 2}, 2),
                     0);
    assert_int_equal(tensor_init(&t, DTYPE_F32, &one), 0);
    assert_int_equal(op_set_tensor(model_last(g), "t", &t), 0);
}

static void test_a_clone_is_equal_and_apart(void **state)
{
    struct graph *g = *state;
    struct graph *copy = NULL;

    build_small(g);
    add_attrs(g);
    assert_int_equal(graph_add_meta(g, "k", "v"), 0);
    assert_int_equal(graph_clone(g, &copy), 0);
    assert_int_equal(graph_check(copy, NULL), 0);
    assert_int_equal(copy->n_values, g->n_values);
    assert_int_equal(copy->n_ops, g->n_ops);
    assert_string_equal(op_string(&copy->ops[2], "s", ""), "text");
    assert_string_equal(graph_meta(copy, "k"), "v");
    assert_ptr_equal(model_value(copy, "w")->data.blob,
                     model_value(g, "w")->data.blob);
    assert_int_equal(op_set_int(&copy->ops[2], "i", 4), 0);
    assert_int_equal(op_int(&g->ops[2], "i", 0), 3);
    graph_free(copy);
}

static int clone_once(void *arg)
{
    struct graph *copy = NULL;
    int rc = graph_clone(arg, &copy);

    graph_free(copy);
    return rc;
}

static void test_a_clone_survives_each_failing_allocation(void **state)
{
    struct graph *g = *state;

    build_small(g);
    add_attrs(g);
    assert_int_equal(graph_add_meta(g, "k", "v"), 0);
    assert_in_range(heap_each(clone_once, g), 20, 1000);
}

static int build_once(void *arg)
{
    struct graph *g = graph_new("test");
    struct shape shape = shape_of(DIMS(2));
    struct tensor t = {0};
    int rc = g != NULL ? tensor_init(&t, DTYPE_F32, &shape) : EDGE_ENOMEM;
    int v[3] = {0};

    (void)arg;
    for (int i = 0; rc >= 0 && i < 3; i++) {
        v[i] = i == 1 ? graph_add_const(g, "w", &t) : graph_add_value(g, NULL);
        rc = v[i];
    }
    rc = rc >= 0 ? graph_add_input(g, v[0]) : rc;
    rc = rc >= 0 ? graph_add_op(g, OP_ADD, NULL, v, 2, &v[2], 1) : rc;
    rc = rc >= 0 ? op_set_ints(&g->ops[0], "axes", (int64_t[]){1}, 1) : rc;
    rc = rc >= 0 ? op_set_string(&g->ops[0], "mode", "x") : rc;
    rc = rc >= 0 ? graph_add_output(g, v[2]) : rc;
    rc = rc >= 0 ? graph_add_meta(g, "k", "v") : rc;
    rc = rc >= 0 ? graph_rename_value(g, v[2], "y") : rc;
    rc = rc >= 0 ? graph_sort(g, NULL) : rc;
    rc = rc >= 0 ? graph_compact(g) : rc;
    rc = rc >= 0 ? graph_check(g, NULL) : rc;
    tensor_deinit(&t);
    graph_free(g);
    return rc;
}

static void test_building_survives_each_failing_allocation(void **state)
{
    (void)state;
    assert_in_range(heap_each(build_once, NULL), 20, 1000);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(test_names_are_unique),
        T(test_made_up_names_avoid_those_there),
        T(test_names_of_excessive_length_are_refused),
        T(test_many_names_are_found),
        T(test_rename_moves_the_name),
        T(test_an_op_needs_free_outputs),
        T(test_an_op_refuses_values_that_are_not_there),
        T(test_ports_are_taken_once),
        T(test_meta_is_kept_by_key),
        T(test_attributes_are_replaced),
        T(test_attributes_of_another_kind_count_as_absent),
        T(test_more_ints_than_wanted_are_counted),
        T(test_uses_count_outputs_too),
        T(test_set_const_ends_a_graph_input),
        T(test_move_output_takes_the_place_of_the_other_op),
        T(test_a_clone_is_equal_and_apart),
        T(test_a_clone_survives_each_failing_allocation),
        T(test_building_survives_each_failing_allocation),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
