#include "engine/plan.h"

#include "engine/fold.h"
#include "tests/lib/heap.h"
#include "tests/lib/model.h"
#include "tests/lib/planned.h"
#include "tests/lib/unit.h"

#include <string.h>

static int vector(struct planned *p, const char *name, int64_t n)
{
    return model_input(p->graph, name, DTYPE_F32, DIMS(n));
}

/* ---- where values lie -------------------------------------------------------
 */

static void test_an_op_runs(void **state)
{
    struct planned *p = *state;
    int x = vector(p, "x", 3);
    int y = vector(p, "y", 3);

    model_output(p->graph, model_op(p->graph, OP_ADD, "z", IN(x, y)));
    planned_gives(p, 0, WANTED(2, 4, 6));
}

static void test_no_arena_without_intermediates(void **state)
{
    struct planned *p = *state;
    int x = vector(p, "x", 1000);

    model_output(p->graph, model_op(p->graph, OP_NEG, "y", IN(x)));
    planned_make(p);
    assert_int_equal(plan_arena_bytes(p->plan), 0);
}

static void test_a_chain_works_in_place(void **state)
{
    struct planned *p = *state;
    int v = vector(p, "x", 1024);

    for (int i = 0; i < 10; i++) {
        v = model_op(p->graph, OP_NEG, NULL, IN(v));
    }
    v = model_op(p->graph, OP_REDUCE_SUM, "y", IN(v));
    model_output(p->graph, v);
    planned_gives(p, 0, WANTED(1024.0 * 1025 / 2));
    assert_int_equal(plan_arena_bytes(p->plan), 4096);
}

static void test_what_is_read_later_is_not_overwritten(void **state)
{
    struct planned *p = *state;
    int x = vector(p, "x", 2);
    int a = model_op(p->graph, OP_NEG, "a", IN(x));
    int b = model_op(p->graph, OP_EXP, "b", IN(a));
    int c = model_op(p->graph, OP_ADD, "c", IN(b, a));

    model_output(p->graph, model_op(p->graph, OP_ADD, "d", IN(c, c)));
    planned_gives(p, 0, WANTED(2 * (0.36787944 - 1), 2 * (0.13533528 - 2)));
}

static void test_reshape_costs_nothing(void **state)
{
    struct planned *p = *state;
    int x = model_input(p->graph, "x", DTYPE_F32, DIMS(2, 3));
    int to = model_ints(p->graph, "to", DIMS(3, 2));
    int a = model_op(p->graph, OP_NEG, "a", IN(x));
    int b = model_op(p->graph, OP_RESHAPE, "b", IN(a, to));

    model_output(p->graph, model_op(p->graph, OP_EXP, "y", IN(b)));
    planned_make(p);
    assert_int_equal(plan_n_times(p->plan), 2);
    assert_int_equal(plan_arena_bytes(p->plan), 64);
}

static void test_reshape_into_an_output_is_written_there(void **state)
{
    struct planned *p = *state;
    int x = model_input(p->graph, "x", DTYPE_F32, DIMS(1, 3));
    int a = model_op(p->graph, OP_NEG, "a", IN(x));

    model_output(p->graph, model_op(p->graph, OP_FLATTEN, "y", IN(a)));
    planned_gives(p, 0, WANTED(-1, -2, -3));
    assert_int_equal(plan_arena_bytes(p->plan), 0);
}

/* ---- outputs that no step writes --------------------------------------------
 */

static void test_an_input_can_be_an_output(void **state)
{
    struct planned *p = *state;
    int x = vector(p, "x", 2);

    model_output(p->graph, model_op(p->graph, OP_IDENTITY, "y", IN(x)));
    planned_gives(p, 0, WANTED(1, 2));
}

static void test_a_constant_can_be_an_output(void **state)
{
    struct planned *p = *state;
    int c = model_f32(p->graph, "c", 5, 1, DIMS(3));

    model_output(p->graph, c);
    planned_gives(p, 0, WANTED(5, 6, 7));
}

static void test_one_value_under_two_names(void **state)
{
    struct planned *p = *state;
    int x = vector(p, "x", 2);
    int a = model_op(p->graph, OP_NEG, "a", IN(x));

    model_output(p->graph, a);
    model_output(p->graph, model_op(p->graph, OP_IDENTITY, "b", IN(a)));
    planned_gives(p, 0, WANTED(-1, -2));
    planned_gives(p, 1, WANTED(-1, -2));
}

/* ---- constants --------------------------------------------------------------
 */

static void test_constant_ops_are_computed_once(void **state)
{
    struct planned *p = *state;
    int x = vector(p, "x", 3);
    int c = model_f32(p->graph, "c", 1, 1, DIMS(3));
    int e = model_op(p->graph, OP_EXP, "e", IN(c));
    int n = model_op(p->graph, OP_NEG, "n", IN(e));

    model_output(p->graph, model_op(p->graph, OP_ADD, "y", IN(x, n)));
    planned_gives(p, 0, WANTED(1 - 2.71828183, 2 - 7.3890561, 3 - 20.0855369));
    assert_int_equal(plan_n_times(p->plan), 1);
    assert_int_equal(plan_weight_bytes(p->plan), 12);
}

static void test_a_shape_made_of_constants_is_known(void **state)
{
    struct planned *p = *state;
    int x = model_input(p->graph, "x", DTYPE_F32, DIMS(2, 3));
    int a = model_ints(p->graph, "a", DIMS(1));
    int b = model_ints(p->graph, "b", DIMS(5));
    int to = model_op(p->graph, OP_ADD, "to", IN(a, b));

    model_output(p->graph, model_op(p->graph, OP_RESHAPE, "y", IN(x, to)));
    planned_gives(p, 0, WANTED(1, 2, 3, 4, 5, 6));
    assert_int_equal(p->out[0].shape.rank, 1);
}

static void test_a_packed_weight_is_let_go(void **state)
{
    struct planned *p = *state;
    int x = model_input(p->graph, "x", DTYPE_F32, DIMS(1, 2));
    int w = model_f32(p->graph, "w", 1, 1, DIMS(2, 300));
    struct blob *blob = p->graph->values[w].data.blob;

    model_output(p->graph, model_op(p->graph, OP_MATMUL, "y", IN(x, w)));
    planned_make(p);
    assert_int_equal(plan_weight_bytes(p->plan), 2400);
    assert_int_equal(blob->refs, 1); /* the graph's own */
    planned_run(p);
}

/* ---- refusals
 * ---------------------------------------------------------------- */

static void test_an_unknown_size_names_the_op(void **state)
{
    struct planned *p = *state;
    int x = model_input(p->graph, "x", DTYPE_F32, DIMS(2, 3));
    int to = model_input(p->graph, "to", DTYPE_I64, DIMS(1));

    model_output(p->graph, model_op(p->graph, OP_RESHAPE, "shaped", IN(x, to)));
    planned_refused(p, EDGE_EUNSUPPORTED, "Reshape \"shaped\"");
}

static void test_an_open_input_is_refused(void **state)
{
    struct planned *p = *state;
    int x = vector(p, "x", -1);

    model_output(p->graph, model_op(p->graph, OP_NEG, "y", IN(x)));
    planned_refused(p, EDGE_EUNSUPPORTED, "\"x\"");
}

static void test_a_type_without_kernel_names_the_op(void **state)
{
    struct planned *p = *state;
    int x = model_input(p->graph, "x", DTYPE_I32, DIMS(2));

    model_output(p->graph, model_op(p->graph, OP_ERF, "erred", IN(x)));
    planned_refused(p, EDGE_EUNSUPPORTED, "Erf \"erred\"");
    assert_non_null(strstr(p->err.text, "int32"));
}

static void test_boxes_cannot_be_counted_on(void **state)
{
    struct planned *p = *state;
    int boxes = model_input(p->graph, "boxes", DTYPE_F32, DIMS(1, 4, 4));
    int scores = model_input(p->graph, "scores", DTYPE_F32, DIMS(1, 1, 4));
    int most = model_ints(p->graph, "most", DIMS(3));
    int kept = model_op(p->graph, OP_NON_MAX_SUPPRESSION, "kept",
                        IN(boxes, scores, most));

    model_output(p->graph, model_op(p->graph, OP_NEG, "y", IN(kept)));
    planned_refused(p, EDGE_EUNSUPPORTED, "NonMaxSuppression \"kept\"");
}

/* ---- runs
 * ---------------------------------------------------------------------- */

static struct planned *negation(void **state)
{
    struct planned *p = *state;
    int x = vector(p, "x", 2);

    model_output(p->graph, model_op(p->graph, OP_NEG, "y", IN(x)));
    planned_make(p);
    return p;
}

static void test_a_wrong_input_shape_is_refused(void **state)
{
    struct planned *p = negation(state);

    p->in[0].shape.dims[0] = 1;
    assert_int_equal(plan_run(p->plan, p->in, p->out), EDGE_EINVAL);
}

static void test_a_wrong_input_type_is_refused(void **state)
{
    struct planned *p = negation(state);

    p->in[0].dtype = DTYPE_I32;
    assert_int_equal(plan_run(p->plan, p->in, p->out), EDGE_EINVAL);
}

static void test_an_output_without_room_is_refused(void **state)
{
    struct planned *p = negation(state);
    struct shape one = {.rank = 1, .dims = {1}};

    tensor_deinit(&p->out[0]);
    assert_int_equal(tensor_init(&p->out[0], DTYPE_F32, &one), 0);
    assert_int_equal(plan_run(p->plan, p->in, p->out), EDGE_EINVAL);
}

static void test_misaligned_bytes_are_refused(void **state)
{
    struct planned *p = negation(state);
    struct tensor odd = p->in[0]; /* borrows */

    odd.blob = NULL;
    odd.data = (uint8_t *)odd.data + 1;
    assert_int_equal(plan_run(p->plan, &odd, p->out), EDGE_EINVAL);
}

static void test_boxes_shrink_the_output(void **state)
{
    struct planned *p = *state;
    int boxes = model_input(p->graph, "boxes", DTYPE_F32, DIMS(1, 3, 4));
    int scores = model_input(p->graph, "scores", DTYPE_F32, DIMS(1, 1, 3));
    int most = model_ints(p->graph, "most", DIMS(3));
    int overlap = model_f32(p->graph, "overlap", 0.5F, 0, DIMS(1));

    model_output(p->graph, model_op(p->graph, OP_NON_MAX_SUPPRESSION, "y",
                                    IN(boxes, scores, most, overlap)));
    planned_fill(p, 0, WANTED(0, 0, 1, 1, 0, 0, 1, 0.9, 5, 5, 6, 6));
    planned_fill(p, 1, WANTED(0.5, 0.9, 0.7));
    assert_int_equal(plan_output(p->plan, 0)->shape.dims[0], 3);
    planned_gives(p, 0, WANTED(0, 0, 1, 0, 0, 2));
    assert_int_equal(p->out[0].shape.dims[0], 2);
}

static void test_times_are_told_by_op(void **state)
{
    struct planned *p = negation(state);

    assert_int_equal(plan_run_timed(p->plan, p->in, p->out), 0);
    assert_int_equal(plan_n_times(p->plan), 1);
    assert_string_equal(plan_times(p->plan)[0].op, "y");
    assert_string_equal(plan_times(p->plan)[0].kind, "Neg");
    assert_true(plan_times(p->plan)[0].ns > 0);
}

/* ---- memory
 * --------------------------------------------------------------------- */

static int plan_once(void *arg)
{
    struct planned *p = arg;
    struct plan *plan = NULL;
    int rc = plan_make(p->graph, &plan, NULL);

    plan_free(plan);
    return rc;
}

static void test_every_allocation_may_fail(void **state)
{
    struct planned *p = *state;
    int x = model_input(p->graph, "x", DTYPE_F32, DIMS(1, 2, 3));
    int c = model_f32(p->graph, "c", 1, 1, DIMS(2, 1));
    int e = model_op(p->graph, OP_EXP, "e", IN(c));
    int a = model_op(p->graph, OP_MUL, "a", IN(x, e));
    int b = model_op(p->graph, OP_CONCAT, "b", IN(a, x));

    model_set_int(p->graph, "axis", 1);
    model_output(p->graph, model_op(p->graph, OP_REDUCE_MEAN, "y", IN(b)));
    model_output(p->graph, e);
    assert_true(heap_each(plan_once, p) > 20);
    heap_heal();
}

static void test_bound_inputs_become_constants(void **state)
{
    struct planned *p = *state;
    int x = model_input(p->graph, "x", DTYPE_F32, DIMS(-1, 3));
    int to = model_input(p->graph, "to", DTYPE_I64, DIMS(1));
    struct shape one = {.rank = 1, .dims = {1}};
    struct fold_input bound = {.name = "to"};
    struct tensor six;

    assert_int_equal(tensor_init(&six, DTYPE_I64, &one), 0);
    *(int64_t *)six.data = 6;
    bound.data = &six;
    model_output(p->graph, model_op(p->graph, OP_RESHAPE, "y", IN(x, to)));
    assert_int_equal(fold_prepare(p->graph, 2, &bound, 1, &p->err), 0);
    tensor_deinit(&six);
    planned_gives(p, 0, WANTED(1, 2, 3, 4, 5, 6));
    assert_int_equal(plan_n_inputs(p->plan), 1);
}

#define TEST(f) \
    cmocka_unit_test_setup_teardown(f, planned_set_up, planned_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_an_op_runs),
        TEST(test_no_arena_without_intermediates),
        TEST(test_a_chain_works_in_place),
        TEST(test_what_is_read_later_is_not_overwritten),
        TEST(test_reshape_costs_nothing),
        TEST(test_reshape_into_an_output_is_written_there),
        TEST(test_an_input_can_be_an_output),
        TEST(test_a_constant_can_be_an_output),
        TEST(test_one_value_under_two_names),
        TEST(test_constant_ops_are_computed_once),
        TEST(test_a_shape_made_of_constants_is_known),
        TEST(test_a_packed_weight_is_let_go),
        TEST(test_an_unknown_size_names_the_op),
        TEST(test_an_open_input_is_refused),
        TEST(test_a_type_without_kernel_names_the_op),
        TEST(test_boxes_cannot_be_counted_on),
        TEST(test_a_wrong_input_shape_is_refused),
        TEST(test_a_wrong_input_type_is_refused),
        TEST(test_an_output_without_room_is_refused),
        TEST(test_misaligned_bytes_are_refused),
        TEST(test_boxes_shrink_the_output),
        TEST(test_times_are_told_by_op),
        TEST(test_every_allocation_may_fail),
        TEST(test_bound_inputs_become_constants),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
