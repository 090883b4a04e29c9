/* Ops that put elements elsewhere, through plans, against the definition. */
#include "tests/lib/model.h"
#include "tests/lib/planned.h"
#include "tests/lib/unit.h"

#include "base/rng.h"

#include <string.h>

#define TEST(f) \
    cmocka_unit_test_setup_teardown(f, planned_set_up, planned_tear_down)

static int input(struct planned *p, int rank, const int64_t *dims)
{
    return model_input(p->graph, "x", DTYPE_F32, rank, dims);
}

static void output(struct planned *p, enum op_kind kind, int n, const int *in)
{
    model_output(p->graph, model_op(p->graph, kind, "y", n, in));
}

/* ---- Transpose
 * ------------------------------------------------------------------ */

static void shuffle(struct rng *rng, int64_t *perm, int n)
{
    for (int i = 0; i < n; i++) {
        int k = (int)rng_below(rng, (uint64_t)i + 1);

        perm[i] = perm[k];
        perm[k] = i;
    }
}

/* Element `i` of the output is the input's at the permuted index. */
static int64_t transposed(const struct shape *in, const int64_t *perm,
                          int64_t i)
{
    int64_t index[LIMIT_RANK];
    int64_t at = 0;

    for (int k = in->rank - 1; k >= 0; k--) {
        index[perm[k]] = i % in->dims[perm[k]];
        i /= in->dims[perm[k]];
    }
    for (int k = 0; k < in->rank; k++) {
        at = at * in->dims[k] + index[k];
    }
    return at;
}

static void check_transpose(struct rng *rng, enum dtype dtype)
{
    struct planned *p;
    struct shape s = {.rank = 1 + (int)rng_below(rng, 5)};
    int64_t perm[LIMIT_RANK];

    assert_int_equal(planned_set_up((void **)&p), 0);
    for (int i = 0; i < s.rank; i++) {
        s.dims[i] = 1 + (int64_t)rng_below(rng, 20 / (uint64_t)s.rank);
    }
    shuffle(rng, perm, s.rank);
    output(p, OP_TRANSPOSE,
           IN(model_input(p->graph, "x", dtype, s.rank, s.dims)));
    model_set_ints(p->graph, "perm", s.rank, perm);
    planned_make(p);
    planned_run(p);
    for (int64_t i = 0; i < tensor_count(&p->out[0]); i++) {
        assert_true(tensor_get(&p->out[0], i) ==
                    tensor_get(&p->in[0], transposed(&s, perm, i)));
    }
    (void)planned_tear_down((void **)&p);
}

static void test_random_transposes(void **state)
{
    static const enum dtype types[] = {DTYPE_F32, DTYPE_F64, DTYPE_U8,
                                       DTYPE_F16};
    struct rng rng;

    (void)state;
    rng_init(&rng, 5);
    for (int round = 0; round < 300; round++) {
        check_transpose(&rng, types[round % 4]);
    }
}

static void test_moving_ones_costs_nothing(void **state)
{
    struct planned *p = *state;
    int x = model_op(p->graph, OP_NEG, "n", IN(input(p, DIMS(1, 4, 1, 3))));
    int t = model_op(p->graph, OP_TRANSPOSE, "t", IN(x));

    model_set_ints(p->graph, "perm", DIMS(2, 1, 0, 3));
    output(p, OP_NEG, IN(t));
    planned_make(p);
    assert_int_equal(plan_n_times(p->plan), 2);
}

/* ---- Slice
 * ------------------------------------------------------------------------- */

static void slice(struct planned *p, int rank, const int64_t *dims, int n,
                  const int64_t *starts, const int64_t *ends,
                  const int64_t *axes, const int64_t *steps)
{
    int x = input(p, rank, dims);

    output(p, OP_SLICE,
           IN(x, model_ints(p->graph, "starts", n, starts),
              model_ints(p->graph, "ends", n, ends),
              model_ints(p->graph, "axes", n, axes),
              model_ints(p->graph, "steps", n, steps)));
}

#define LIST(...)     \
    (const int64_t[]) \
    {                 \
        __VA_ARGS__   \
    }

static void test_slice_with_steps(void **state)
{
    struct planned *p = *state;

    slice(p, DIMS(2, 6), 1, LIST(1), LIST(6), LIST(1), LIST(2));
    planned_gives(p, 0, WANTED(2, 4, 6, 8, 10, 12));
}

static void test_slice_backwards(void **state)
{
    struct planned *p = *state;

    slice(p, DIMS(2, 3), 2, LIST(-1, 2), LIST(-9, 0), LIST(0, 1), LIST(-1, -2));
    planned_gives(p, 0, WANTED(6, 3));
}

static void test_slice_of_nothing(void **state)
{
    struct planned *p = *state;

    slice(p, DIMS(2, 3), 1, LIST(3), LIST(9), LIST(1), LIST(1));
    planned_make(p);
    planned_run(p);
    assert_int_equal(tensor_count(&p->out[0]), 0);
}

static void test_an_enormous_step(void **state)
{
    struct planned *p = *state;

    slice(p, DIMS(4), 1, LIST(1), LIST(INT64_MAX), LIST(0), LIST(INT64_MAX));
    planned_gives(p, 0, WANTED(2));
}

static void test_a_slice_that_is_not_known_is_refused(void **state)
{
    struct planned *p = *state;
    int x = input(p, DIMS(4));
    int starts = model_input(p->graph, "starts", DTYPE_I64, DIMS(1));
    int ends = model_ints(p->graph, "ends", DIMS(4));

    output(p, OP_SLICE, IN(x, starts, ends));
    planned_refused(p, EDGE_EUNSUPPORTED, "Slice \"y\"");
}

/* ---- Concat and Split
 * --------------------------------------------------------------- */

static void test_concat_inside(void **state)
{
    struct planned *p = *state;
    int a = model_input(p->graph, "a", DTYPE_I16, DIMS(2, 1, 2));
    int b = model_input(p->graph, "b", DTYPE_I16, DIMS(2, 2, 2));

    output(p, OP_CONCAT, IN(a, b, a));
    model_set_int(p->graph, "axis", -2);
    planned_gives(p, 0, WANTED(1, 2, 1, 2, 3, 4, 1, 2, 3, 4, 5, 6, 7, 8, 3, 4));
}

static void test_split_in_unequal_parts(void **state)
{
    struct planned *p = *state;
    int x = input(p, DIMS(2, 3));
    int sizes = model_ints(p->graph, "sizes", DIMS(1, 0, 2));

    output(p, OP_SPLIT, IN(x, sizes));
    model_set_int(p->graph, "axis", 1);
    model_output(p->graph, model_more(p->graph, "empty"));
    model_output(p->graph, model_more(p->graph, "rest"));
    planned_gives(p, 0, WANTED(1, 4));
    planned_gives(p, 2, WANTED(2, 3, 5, 6));
    assert_int_equal(tensor_count(&p->out[1]), 0);
}

/* ---- Pad
 * ----------------------------------------------------------------------------
 */

static void pad(struct planned *p, const char *mode, int rank,
                const int64_t *dims, const int64_t *pads)
{
    int x = input(p, rank, dims);
    int by = model_ints(p->graph, "pads", 2 * rank, pads);
    int value = model_f32(p->graph, "value", 9, 0, SCALAR);

    output(p, OP_PAD, IN(x, by, value));
    model_set_string(p->graph, "mode", mode);
}

static void test_pad_with_a_constant(void **state)
{
    struct planned *p = *state;

    pad(p, "constant", DIMS(2, 2), LIST(1, 0, 0, 1));
    planned_gives(p, 0, WANTED(9, 9, 9, 1, 2, 9, 3, 4, 9));
}

static void test_negative_pads_take_away(void **state)
{
    struct planned *p = *state;

    pad(p, "constant", DIMS(2, 3), LIST(-1, 1, 0, -2));
    planned_gives(p, 0, WANTED(9, 4));
}

static void test_pad_by_mirror(void **state)
{
    struct planned *p = *state;

    pad(p, "reflect", DIMS(2, 3), LIST(1, 2, 0, 1));
    planned_gives(p, 0,
                  WANTED(6, 5, 4, 5, 6, 5, 3, 2, 1, 2, 3, 2, 6, 5, 4, 5, 6, 5));
}

static void test_pad_by_edge(void **state)
{
    struct planned *p = *state;

    pad(p, "edge", DIMS(1, 3), LIST(0, 3, 1, -1));
    planned_gives(p, 0, WANTED(1, 1, 1, 1, 2, 1, 1, 1, 1, 2));
}

/* ---- repeats and blocks
 * ---------------------------------------------------------------- */

static void test_tile(void **state)
{
    struct planned *p = *state;
    int x = input(p, DIMS(2, 2));

    output(p, OP_TILE, IN(x, model_ints(p->graph, "n", DIMS(2, 3))));
    planned_gives(p, 0,
                  WANTED(1, 2, 1, 2, 1, 2, 3, 4, 3, 4, 3, 4, 1, 2, 1, 2, 1, 2,
                         3, 4, 3, 4, 3, 4));
}

static void test_expand_both_ways(void **state)
{
    struct planned *p = *state;
    int x = input(p, DIMS(3, 1));

    output(p, OP_EXPAND, IN(x, model_ints(p->graph, "to", DIMS(2, 1, 2))));
    planned_gives(p, 0, WANTED(1, 1, 2, 2, 3, 3, 1, 1, 2, 2, 3, 3));
}

static void depth(struct planned *p, const char *mode)
{
    output(p, OP_DEPTH_TO_SPACE, IN(input(p, DIMS(1, 8, 1, 1))));
    model_set_int(p->graph, "blocksize", 2);
    model_set_string(p->graph, "mode", mode);
}

static void test_depth_first(void **state)
{
    struct planned *p = *state;

    depth(p, "DCR");
    planned_gives(p, 0, WANTED(1, 3, 5, 7, 2, 4, 6, 8));
}

static void test_column_first(void **state)
{
    struct planned *p = *state;

    depth(p, "CRD");
    planned_gives(p, 0, WANTED(1, 2, 3, 4, 5, 6, 7, 8));
}

static void test_space_to_depth_and_back(void **state)
{
    struct planned *p = *state;
    int x = input(p, DIMS(2, 3, 4, 6));
    int d = model_op(p->graph, OP_SPACE_TO_DEPTH, "d", IN(x));

    model_set_int(p->graph, "blocksize", 2);
    output(p, OP_DEPTH_TO_SPACE, IN(d));
    model_set_int(p->graph, "blocksize", 2);
    planned_make(p);
    planned_run(p);
    assert_memory_equal(p->out[0].data, p->in[0].data, tensor_bytes(&p->in[0]));
}

static void test_dropout_does_nothing_and_says_so(void **state)
{
    struct planned *p = *state;

    output(p, OP_DROPOUT, IN(input(p, DIMS(3))));
    model_output(p->graph, model_more(p->graph, "mask"));
    planned_gives(p, 0, WANTED(1, 2, 3));
    planned_gives(p, 1, WANTED(1, 1, 1));
}

static void test_range_goes_down(void **state)
{
    struct planned *p = *state;
    int64_t v[3] = {5, -3, -4};
    int in[3];

    for (int i = 0; i < 3; i++) {
        in[i] = model_const(p->graph, NULL, DTYPE_I64, SCALAR);
        *(int64_t *)p->graph->values[in[i]].data.data = v[i];
    }
    output(p, OP_RANGE, 3, in);
    planned_gives(p, 0, WANTED(5, 1));
}

static void test_shape_from_and_to(void **state)
{
    struct planned *p = *state;

    output(p, OP_SHAPE, IN(input(p, DIMS(4, 5, 6, 7))));
    model_set_int(p->graph, "start", 1);
    model_set_int(p->graph, "end", -1);
    planned_gives(p, 0, WANTED(5, 6));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_transposes),
        TEST(test_moving_ones_costs_nothing),
        TEST(test_slice_with_steps),
        TEST(test_slice_backwards),
        TEST(test_slice_of_nothing),
        TEST(test_an_enormous_step),
        TEST(test_a_slice_that_is_not_known_is_refused),
        TEST(test_concat_inside),
        TEST(test_split_in_unequal_parts),
        TEST(test_pad_with_a_constant),
        TEST(test_negative_pads_take_away),
        TEST(test_pad_by_mirror),
        TEST(test_pad_by_edge),
        TEST(test_tile),
        TEST(test_expand_both_ways),
        TEST(test_depth_first),
        TEST(test_column_first),
        TEST(test_space_to_depth_and_back),
        TEST(test_dropout_does_nothing_and_says_so),
        TEST(test_range_goes_down),
        TEST(test_shape_from_and_to),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
