#include "tests/lib/unit.h"

#include "tests/lib/infer_case.h"

static const struct infer_case norm_cases[] = {
    {OP_BATCH_NORM, "f32[1,3,4,4] f32:[3] f32:[3] f32:[3] f32:[3]", "",
     "f32[1,3,4,4]"},
    {OP_BATCH_NORM, "f32[?,3] f32:[3] f32:[3] f32:[3] f32:[3]", "", "f32[?,3]"},
    {OP_BATCH_NORM, "f32[1,3,4,4] f32:[3] f32:[3] f32:[3] f32:[4]", "",
     "!its variance has 4 elements, wants 3"},
    {OP_BATCH_NORM, "f32[1,3,4,4] f32:[3,1] f32:[3] f32:[3] f32:[3]", "",
     "!its scale must have 1 dimension"},
    {OP_INSTANCE_NORM, "f32[1,3,4,4] f32:[3] f32:[3]", "", "f32[1,3,4,4]"},
    {OP_INSTANCE_NORM, "f32[1,3] f32:[3] f32:[3]", "", "!dimensions"},
    {OP_LAYER_NORM, "f32[2,3,4] f32:[4] f32:[4]", "",
     "f32[2,3,4] f32[2,3,1] f32[2,3,1]"},
    {OP_LAYER_NORM, "f32[2,3,4] f32:[3,4]", "axis=1", "f32[2,3,4] f32[2,1,1]"},
    {OP_LAYER_NORM, "f32[2,3,4] f32:[3]", "", "!does not fit"},
};

static const struct infer_case reduce_cases[] = {
    {OP_REDUCE_MEAN, "f32[2,3,4]", "", "f32[1,1,1]"},
    {OP_REDUCE_MEAN, "f32[2,3,4]", "keepdims=0", "f32[]"},
    {OP_REDUCE_MEAN, "f32[2,3,4]", "axes=[1]", "f32[2,1,4]"},
    {OP_REDUCE_MEAN, "f32[2,3,4]", "axes=[-1,0] keepdims=0", "f32[3]"},
    {OP_REDUCE_SUM, "f32[2,3,4] i64{1}", "", "f32[2,1,4]"},
    {OP_REDUCE_SUM, "f32[2,3,4] i64{-2}", "keepdims=0", "f32[2,4]"},
    {OP_REDUCE_SUM, "f32[2,3,4] i64{}", "noop_with_empty_axes=1", "f32[2,3,4]"},
    {OP_REDUCE_SUM, "f32[2,3,4] i64{}", "", "f32[1,1,1]"},
    {OP_REDUCE_SUM, "f32[2,1,4] i64[1]", "", "f32[?,1,?]"},
    {OP_REDUCE_SUM, "f32[2,3,4] i64[1]", "keepdims=0", "f32?"},
    {OP_REDUCE_MAX, "i32[2,?]", "axes=[0]", "i32[1,?]"},
    {OP_REDUCE_MIN, "f32[2,3]", "axes=[2]", "!axis 2"},
    {OP_REDUCE_MIN, "f32[2,3]", "axes=[0,-2]", "!given twice"},
    {OP_REDUCE_MIN, "f32[2,3]", "axes=[1,2,3,4,5,6,7,8,9]", "!9 numbers"},
    {OP_REDUCE_SUM, "f32[2,3] f32{1}", "", "!must be int64"},
    {OP_ARG_MAX, "f32[2,3,4]", "", "i64[1,3,4]"},
    {OP_ARG_MAX, "f32[2,3,4]", "axis=-1 keepdims=0", "i64[2,3]"},
    {OP_ARG_MIN, "f32[2,3,4]", "axis=3", "!axis 3"},
    {OP_ARG_MIN, "f32[2,0]", "axis=1", "!empty"},
};

static const struct infer_case select_cases[] = {
    {OP_TOP_K, "f32[2,10] i64{3}", "", "f32[2,3] i64[2,3]"},
    {OP_TOP_K, "f32[7,10] i64{3}", "axis=0", "f32[3,10] i64[3,10]"},
    {OP_TOP_K, "f32[2,10] i64[1]", "", "f32[2,?] i64[2,?]"},
    {OP_NON_MAX_SUPPRESSION, "f32[1,100,4] f32[1,3,100] i64=10", "",
     "i64[30,3]"},
    {OP_NON_MAX_SUPPRESSION, "f32[2,5,4] f32[2,3,5] i64{10} f32=0.5 f32=0.1",
     "", "i64[30,3]"},
    {OP_NON_MAX_SUPPRESSION, "f32[1,100,4] f32[1,3,100]", "", "i64[0,3]"},
    {OP_NON_MAX_SUPPRESSION, "f32[1,100,4] f32[1,3,100] i64=-5", "",
     "i64[0,3]"},
    {OP_NON_MAX_SUPPRESSION, "f32[1,100,4] f32[1,3,100] i64[]", "",
     "i64[300,3]"},
    {OP_NON_MAX_SUPPRESSION, "f32[1,?,4] f32[1,3,?] i64=10", "", "i64[?,3]"},
    {OP_NON_MAX_SUPPRESSION, "f32[1,100,4] f32[1,3,99] i64=10", "",
     "!do not go together"},
    {OP_NON_MAX_SUPPRESSION, "f32[1,100,5] f32[1,3,100] i64=10", "",
     "!do not go together"},
};

/* TopK makes two outputs, also where it is refused. */
static const struct infer_case k_cases[] = {
    {OP_TOP_K, "f32[2,10] i64{11}", "", "!makes 2 to 2 outputs"},
};

static void test_normalisations(void **state)
{
    (void)state;
    INFER_CASES_RUN(norm_cases);
}

static void test_reductions(void **state)
{
    (void)state;
    INFER_CASES_RUN(reduce_cases);
}

static void test_selections(void **state)
{
    (void)state;
    INFER_CASES_RUN(select_cases);
}

static void test_arity_is_checked_first(void **state)
{
    (void)state;
    INFER_CASES_RUN(k_cases);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_normalisations),
        cmocka_unit_test(test_reductions),
        cmocka_unit_test(test_selections),
        cmocka_unit_test(test_arity_is_checked_first),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
