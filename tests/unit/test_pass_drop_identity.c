#include "tests/lib/unit.h"

#include "graph/infer.h"
#include "graph/pass.h"
#include "tests/lib/heap.h"
#include "tests/lib/model.h"

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

/* Returns how many ops are left. */
static size_t drop(struct graph *g)
{
    struct err err = {.text = ""};

    if (infer_graph(g, &err) < 0 || pass_drop_identity(g, &err) < 0 ||
        graph_check(g, &err) < 0) {
        fail_msg("%s", err.text);
    }
    return g->n_ops;
}

/* x [2,3] -> Neg "head"; what the tests put between it and the Abs "tail". */
static int add_head(struct graph *g)
{
    return model_op(g, OP_NEG, "head",
                    IN(model_input(g, "x", DTYPE_F32, DIMS(2, 3))));
}

static void add_tail(struct graph *g, int x)
{
    model_output(g, model_op(g, OP_ABS, "tail", IN(x)));
}

/* The same for an op on head with these further inputs, which must go. */
static void assert_goes(struct graph *g)
{
    add_tail(g, model_last(g)->out[0]);
    assert_int_equal(drop(g), 2);
    assert_int_equal(g->ops[1].in[0], graph_find_value(g, "head"));
}

static void assert_stays(struct graph *g)
{
    add_tail(g, model_last(g)->out[0]);
    assert_int_equal(drop(g), 3);
}

static void test_a_chain_of_identities(void **state)
{
    struct graph *g = *state;
    int a = model_op(g, OP_IDENTITY, "a", IN(add_head(g)));

    model_op(g, OP_IDENTITY, "b", IN(a));
    assert_goes(g);
}

static void test_dropout(void **state)
{
    struct graph *g = *state;

    model_op(g, OP_DROPOUT, "d", IN(add_head(g)));
    model_more(g, "mask");
    assert_goes(g);
}

static void test_dropout_whose_mask_is_read(void **state)
{
    struct graph *g = *state;

    model_op(g, OP_DROPOUT, "d", IN(add_head(g)));
    model_output(g, model_more(g, "mask"));
    assert_stays(g);
}

static void test_dropout_that_trains(void **state)
{
    struct graph *g = *state;
    int x = add_head(g);
    int yes = model_const(g, "yes", DTYPE_BOOL, SCALAR);

    *(uint8_t *)g->values[yes].data.data = 1;
    model_op(g, OP_DROPOUT, "d", IN(x, -1, yes));
    assert_stays(g);
}

static void test_reshape_to_the_same(void **state)
{
    struct graph *g = *state;
    int x = add_head(g);

    model_op(g, OP_RESHAPE, "r", IN(x, model_ints(g, NULL, DIMS(-1, 3))));
    assert_goes(g);
}

static void test_reshape_to_another(void **state)
{
    struct graph *g = *state;
    int x = add_head(g);

    model_op(g, OP_RESHAPE, "r", IN(x, model_ints(g, NULL, DIMS(3, 2))));
    assert_stays(g);
}

static void test_flatten_of_what_is_flat(void **state)
{
    struct graph *g = *state;

    model_op(g, OP_FLATTEN, "f", IN(add_head(g)));
    assert_goes(g);
}

static void test_transpose_that_keeps_the_order(void **state)
{
    struct graph *g = *state;

    model_op(g, OP_TRANSPOSE, "t", IN(add_head(g)));
    model_set_ints(g, "perm", DIMS(0, 1));
    assert_goes(g);
}

static void test_transpose_that_turns(void **state)
{
    struct graph *g = *state;

    model_op(g, OP_TRANSPOSE, "t", IN(add_head(g)));
    assert_stays(g);
}

static void test_cast_to_its_own_type(void **state)
{
    struct graph *g = *state;

    model_op(g, OP_CAST, "c", IN(add_head(g)));
    model_set_int(g, "to", 1);
    assert_goes(g);
}

static void test_cast_to_another_type(void **state)
{
    struct graph *g = *state;

    model_op(g, OP_CAST, "c", IN(add_head(g)));
    model_set_int(g, "to", 10);
    assert_stays(g);
}

static void test_pad_by_nothing(void **state)
{
    struct graph *g = *state;
    int x = add_head(g);

    model_op(g, OP_PAD, "p", IN(x, model_ints(g, NULL, DIMS(0, 0, 0, 0))));
    assert_goes(g);
}

static void test_pad_that_shifts(void **state)
{
    struct graph *g = *state;
    int x = add_head(g);

    model_op(g, OP_PAD, "p", IN(x, model_ints(g, NULL, DIMS(1, 0, -1, 0))));
    assert_stays(g);
}

static void test_slice_of_all(void **state)
{
    struct graph *g = *state;
    int x = add_head(g);

    model_op(g, OP_SLICE, "s",
             IN(x, model_ints(g, NULL, DIMS(0)),
                model_ints(g, NULL, DIMS(INT64_MAX))));
    assert_goes(g);
}

static void test_slice_that_turns_round(void **state)
{
    struct graph *g = *state;
    int x = add_head(g);

    model_op(g, OP_SLICE, "s",
             IN(x, model_ints(g, "b", DIMS(-1)),
                model_ints(g, "e", DIMS(INT64_MIN)),
                model_ints(g, "a", DIMS(1)), model_ints(g, "st", DIMS(-1))));
    assert_stays(g);
}

static void test_concat_and_sum_of_one(void **state)
{
    struct graph *g = *state;
    int a = model_op(g, OP_CONCAT, "c", IN(add_head(g)));

    model_set_int(g, "axis", 0);
    model_op(g, OP_SUM, "s", IN(a));
    assert_goes(g);
}

/* ---- graph outputs ----------------------------------------------------- */

static void test_an_output_takes_the_place_of_its_source(void **state)
{
    struct graph *g = *state;
    int head = add_head(g);
    int early = model_op(g, OP_ABS, "early", IN(head));
    int y = model_op(g, OP_IDENTITY, "y", IN(head));
    int late = model_op(g, OP_ABS, "late", IN(head));

    model_output(g, y);
    model_output(g, early);
    model_output(g, late);
    assert_int_equal(drop(g), 3);
    assert_string_equal(g->values[g->outputs[0]].name, "y");
    assert_int_equal(graph_find_value(g, "head"), -1);
    assert_int_equal(g->ops[2].in[0], graph_find_value(g, "y"));
}

static void test_readers_behind_another_identity_follow(void **state)
{
    struct graph *g = *state;
    int head = add_head(g);
    int a = model_op(g, OP_IDENTITY, "a", IN(head));

    model_output(g, model_op(g, OP_IDENTITY, "y", IN(head)));
    add_tail(g, a);
    assert_int_equal(drop(g), 2);
    assert_int_equal(g->ops[1].in[0], graph_find_value(g, "y"));
}

static void test_an_output_behind_a_chain(void **state)
{
    struct graph *g = *state;
    int a = model_op(g, OP_IDENTITY, "a", IN(add_head(g)));

    model_output(g, model_op(g, OP_IDENTITY, "y", IN(a)));
    assert_int_equal(drop(g), 1);
    assert_string_equal(g->values[g->ops[0].out[0]].name, "y");
}

static void test_two_outputs_of_one_source_keep_one_identity(void **state)
{
    struct graph *g = *state;
    int head = add_head(g);

    model_output(g, model_op(g, OP_IDENTITY, "y", IN(head)));
    model_output(g, model_op(g, OP_IDENTITY, "z", IN(head)));
    assert_int_equal(drop(g), 2);
    assert_string_equal(g->values[g->outputs[1]].name, "z");
}

static void test_an_input_that_goes_out_keeps_its_identity(void **state)
{
    struct graph *g = *state;
    int x = model_input(g, "x", DTYPE_F32, DIMS(2));

    model_output(g, model_op(g, OP_IDENTITY, "y", IN(x)));
    assert_int_equal(drop(g), 1);
}

static int drop_once(void *arg)
{
    struct graph *copy = NULL;
    int rc = graph_clone(arg, &copy);

    rc = rc < 0 ? rc : pass_drop_identity(copy, NULL);
    graph_free(copy);
    return rc;
}

static void test_survives_each_failing_allocation(void **state)
{
    struct graph *g = *state;

    add_tail(g, model_op(g, OP_IDENTITY, "a", IN(add_head(g))));
    assert_int_equal(infer_graph(g, NULL), 0);
    assert_in_range(heap_each(drop_once, g), 10, 1000);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(test_a_chain_of_identities),
        T(test_dropout),
        T(test_dropout_whose_mask_is_read),
        T(test_dropout_that_trains),
        T(test_reshape_to_the_same),
        T(test_reshape_to_another),
        T(test_flatten_of_what_is_flat),
        T(test_transpose_that_keeps_the_order),
        T(test_transpose_that_turns),
        T(test_cast_to_its_own_type),
        T(test_cast_to_another_type),
        T(test_pad_by_nothing),
        T(test_pad_that_shifts),
        T(test_slice_of_all),
        T(test_slice_that_turns_round),
        T(test_concat_and_sum_of_one),
        T(test_an_output_takes_the_place_of_its_source),
        T(test_readers_behind_another_identity_follow),
        T(test_an_output_behind_a_chain),
        T(test_two_outputs_of_one_source_keep_one_identity),
        T(test_an_input_that_goes_out_keeps_its_identity),
        T(test_survives_each_failing_allocation),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
