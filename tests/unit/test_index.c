/* Ops that choose elements, through plans. */
#include "tests/lib/model.h"
#include "tests/lib/planned.h"
#include "tests/lib/unit.h"

#include "base/rng.h"

#include <math.h>

#define TEST(f) \
    cmocka_unit_test_setup_teardown(f, planned_set_up, planned_tear_down)

/* ---- Gather
 * ----------------------------------------------------------------------- */

static void gather(struct planned *p, enum dtype index)
{
    int x = model_input(p->graph, "x", DTYPE_F32, DIMS(2, 3));
    int at = model_input(p->graph, "at", index, DIMS(2));

    model_output(p->graph, model_op(p->graph, OP_GATHER, "y", IN(x, at)));
    model_set_int(p->graph, "axis", 1);
}

static void test_gather_counts_from_both_ends(void **state)
{
    struct planned *p = *state;

    gather(p, DTYPE_I32);
    planned_fill(p, 1, WANTED(-1, 0));
    planned_gives(p, 0, WANTED(3, 1, 6, 4));
}

/* A peer may send any index; memory outside is never read. */
static void test_gather_stays_inside(void **state)
{
    struct planned *p = *state;

    gather(p, DTYPE_I64);
    planned_fill(p, 1, WANTED(-1e15, 1e15));
    planned_gives(p, 0, WANTED(1, 3, 4, 6));
}

/* ---- ArgMax, ArgMin
 * ----------------------------------------------------------------- */

static void arg(struct planned *p, enum op_kind kind, int64_t last)
{
    int x = model_input(p->graph, "x", DTYPE_F32, DIMS(3, 2));

    model_output(p->graph, model_op(p->graph, kind, "y", IN(x)));
    model_set_int(p->graph, "axis", 0);
    model_set_int(p->graph, "select_last_index", last);
    planned_fill(p, 0, WANTED(5, 1, 2, 1, 5, 3));
}

static void test_the_first_of_equals(void **state)
{
    struct planned *p = *state;

    arg(p, OP_ARG_MAX, 0);
    planned_gives(p, 0, WANTED(0, 2));
}

static void test_the_last_of_equals(void **state)
{
    struct planned *p = *state;

    arg(p, OP_ARG_MIN, 1);
    planned_gives(p, 0, WANTED(1, 1));
}

static void test_nan_is_found(void **state)
{
    struct planned *p = *state;
    int x = model_input(p->graph, "x", DTYPE_F32, DIMS(4));

    model_output(p->graph, model_op(p->graph, OP_ARG_MAX, "y", IN(x)));
    planned_fill(p, 0, WANTED(1, NAN, 7, NAN));
    planned_gives(p, 0, WANTED(1));
}

/* ---- TopK
 * ---------------------------------------------------------------------------
 */

static void top_k(struct planned *p, enum dtype dtype, int rank,
                  const int64_t *dims, int64_t k, int64_t axis)
{
    int x = model_input(p->graph, "x", dtype, rank, dims);

    model_output(p->graph, model_op(p->graph, OP_TOP_K, "y",
                                    IN(x, model_ints(p->graph, "k", 1, &k))));
    model_set_int(p->graph, "axis", axis);
    model_output(p->graph, model_more(p->graph, "at"));
}

static void test_ties_go_to_the_lower_index(void **state)
{
    struct planned *p = *state;

    top_k(p, DTYPE_I64, DIMS(6), 4, 0);
    planned_fill(p, 0, WANTED(3, 7, 3, 7, 1, 7));
    planned_gives(p, 0, WANTED(7, 7, 7, 3));
    planned_gives(p, 1, WANTED(1, 3, 5, 0));
}

static void test_the_smallest_along_an_inner_axis(void **state)
{
    struct planned *p = *state;

    top_k(p, DTYPE_F16, DIMS(1, 3, 2), 2, 1);
    model_set_int(p->graph, "largest", 0);
    planned_fill(p, 0, WANTED(3, 6, 1, 5, 2, 4));
    planned_gives(p, 0, WANTED(1, 4, 2, 5));
    planned_gives(p, 1, WANTED(1, 2, 2, 1));
}

static void test_integers_beyond_double_are_told_apart(void **state)
{
    struct planned *p = *state;
    int64_t *x;

    top_k(p, DTYPE_I64, DIMS(2), 1, 0);
    planned_make(p);
    x = p->in[0].data;
    x[0] = INT64_MAX - 1;
    x[1] = INT64_MAX;
    planned_gives(p, 1, WANTED(1));
}

static void test_none_at_all(void **state)
{
    struct planned *p = *state;

    top_k(p, DTYPE_F32, DIMS(3), 0, 0);
    planned_make(p);
    planned_run(p);
    assert_int_equal(tensor_count(&p->out[0]), 0);
}

static void test_random_top_k_is_sorted_and_complete(void **state)
{
    struct planned *p = *state;
    struct rng rng;

    rng_init(&rng, 4);
    top_k(p, DTYPE_F32, DIMS(200), 60, 0);
    planned_make(p);
    for (int round = 0; round < 50; round++) {
        for (int i = 0; i < 200; i++) {
            planned_put(&p->in[0], i, (double)rng_below(&rng, 90));
        }
        planned_run(p);
        for (int i = 0; i < 60; i++) {
            int64_t at = tensor_get_int(&p->out[1], i);
            double v = tensor_get(&p->in[0], at);
            int before = 0;

            assert_true(v == tensor_get(&p->out[0], i));
            for (int k = 0; k < 200; k++) {
                double w = tensor_get(&p->in[0], k);

                before += w > v || (w == v && k < at);
            }
            assert_int_equal(before, i);
        }
    }
}

/* ---- NonMaxSuppression
 * ------------------------------------------------------------------ */

static void boxes(struct planned *p, int64_t n, int64_t classes, int64_t most,
                  float floor)
{
    int b = model_input(p->graph, "b", DTYPE_F32, DIMS(1, n, 4));
    int s = model_input(p->graph, "s", DTYPE_F32, DIMS(1, classes, n));
    int m = model_ints(p->graph, "most", 1, &most);
    int o = model_f32(p->graph, "overlap", 0.5F, 0, DIMS(1));
    int f = model_f32(p->graph, "floor", floor, 0, DIMS(1));

    model_output(p->graph, model_op(p->graph, OP_NON_MAX_SUPPRESSION, "y",
                                    IN(b, s, m, o, f)));
}

static void test_corners_in_any_order(void **state)
{
    struct planned *p = *state;

    boxes(p, 2, 1, 5, 0);
    planned_fill(p, 0, WANTED(0, 0, 1, 1, 1, 1, 0, 0.1));
    planned_fill(p, 1, WANTED(0.3, 0.8));
    planned_gives(p, 0, WANTED(0, 0, 1));
}

static void test_each_class_by_itself(void **state)
{
    struct planned *p = *state;

    boxes(p, 2, 2, 1, 0.4F);
    planned_fill(p, 0, WANTED(0, 0, 1, 1, 5, 5, 6, 6));
    planned_fill(p, 1, WANTED(0.3, 0.2, 0.5, 0.6));
    planned_gives(p, 0, WANTED(0, 1, 1));
}

static void test_centres_and_sizes(void **state)
{
    struct planned *p = *state;

    boxes(p, 2, 1, 5, 0);
    model_set_int(p->graph, "center_point_box", 1);
    planned_fill(p, 0, WANTED(1, 1, 2, 2, 1, 3, 2, 2));
    planned_fill(p, 1, WANTED(0.3, 0.8));
    planned_gives(p, 0, WANTED(0, 0, 1, 0, 0, 0));
}

static void test_empty_boxes_do_not_overlap(void **state)
{
    struct planned *p = *state;

    boxes(p, 2, 1, 5, 0);
    planned_fill(p, 0, WANTED(1, 1, 1, 1, 1, 1, 1, 1));
    planned_fill(p, 1, WANTED(0.8, 0.8));
    planned_gives(p, 0, WANTED(0, 0, 0, 0, 0, 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_gather_counts_from_both_ends),
        TEST(test_gather_stays_inside),
        TEST(test_the_first_of_equals),
        TEST(test_the_last_of_equals),
        TEST(test_nan_is_found),
        TEST(test_ties_go_to_the_lower_index),
        TEST(test_the_smallest_along_an_inner_axis),
        TEST(test_integers_beyond_double_are_told_apart),
        TEST(test_none_at_all),
        TEST(test_random_top_k_is_sorted_and_complete),
        TEST(test_corners_in_any_order),
        TEST(test_each_class_by_itself),
        TEST(test_centres_and_sizes),
        TEST(test_empty_boxes_do_not_overlap),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
