#include "tests/lib/unit.h"

#include "tests/lib/infer_case.h"

static const struct infer_case concat_cases[] = {
    {OP_CONCAT, "f32[1,2] f32[1,3]", "axis=1", "f32[1,5]"},
    {OP_CONCAT, "f32[1,2] f32[4,2] f32[0,2]", "axis=-2", "f32[5,2]"},
    {OP_CONCAT, "f32[?,2] f32[3,?]", "axis=1", "f32[3,?]"},
    {OP_CONCAT, "f32[2]", "axis=0", "f32[2]"},
    {OP_CONCAT, "f32[1,2] f32[1,3]", "axis=0",
     "!dimension 1 of \"value_1\" is 3, of the inputs before it 2"},
    {OP_CONCAT, "f32[1,2] f32[2]", "axis=0", "!has 1 dimensions"},
    {OP_CONCAT, "f32[1,2] f32[1,2]", "", "!\"axis\" is missing"},
    {OP_CONCAT, "f32[1,2] f32[1,2]", "axis=2", "!axis 2"},
    {OP_CONCAT, "f32[1] i64[1]", "axis=0", "!of one type"},
    {OP_SPLIT, "f32[2,6]", "axis=1", "f32[2,3] f32[2,3]"},
    {OP_SPLIT, "f32[6,2] i64{1,2,3}", "", "f32[1,2] f32[2,2] f32[3,2]"},
    {OP_SPLIT, "f32[6,2] i64[2]", "", "f32[?,2] f32[?,2]"},
    {OP_SPLIT, "f32[6] i64{6,0}", "", "f32[6] f32[0]"},
    {OP_SPLIT, "f32[?,2]", "", "f32[?,2] f32[?,2]"},
    {OP_SPLIT, "f32[6,2] i64{1,2}", "", "!2 sizes for 1 outputs"},
    {OP_SPLIT, "f32[6,2] i64{7}", "", "!add up to 7"},
    {OP_SPLIT, "f32[6,2] i64{-1}", "", "!out of range"},
};

static const struct infer_case slice_cases[] = {
    {OP_SLICE, "f32[10,4] i64{1} i64{5}", "", "f32[4,4]"},
    {OP_SLICE, "f32[10,4] i64{1,0} i64{-1,2}", "", "f32[8,2]"},
    {OP_SLICE, "f32[10,4] i64{1} i64{3} i64{-1}", "", "f32[10,2]"},
    {OP_SLICE, "f32[10,4] i64{0} i64{10} i64{0} i64{3}", "", "f32[4,4]"},
    {OP_SLICE, "f32[10,4] i64{-1} i64{-9e18} i64{0} i64{-1}", "", "f32[10,4]"},
    {OP_SLICE, "f32[10,4] i64{20} i64{0} i64{0} i64{-3}", "", "f32[3,4]"},
    {OP_SLICE, "f32[10,4] i64{9} i64{0} i64{0} i64{-9e18}", "", "f32[1,4]"},
    {OP_SLICE, "f32[10,4] i64{0} i64{9e18}", "", "f32[10,4]"},
    {OP_SLICE, "f32[10,4] i64{-9e18} i64{9e18} i64{0} i64{9e18}", "",
     "f32[1,4]"},
    {OP_SLICE, "f32[10,4] i64{5} i64{5}", "", "f32[0,4]"},
    {OP_SLICE, "f32[10,4] i64{7} i64{3}", "", "f32[0,4]"},
    {OP_SLICE, "f32[0,4] i64{-1} i64{-5} i64{0} i64{-1}", "", "f32[0,4]"},
    {OP_SLICE, "f32[10,4] i32{1} i32{5} i32{0} i32{2}", "", "f32[2,4]"},
    {OP_SLICE, "f32[?,4] i64{1} i64{5}", "", "f32[?,4]"},
    {OP_SLICE, "f32[10,4] i64[1] i64{5} i64{1}", "", "f32[10,?]"},
    {OP_SLICE, "f32[10,4] i64[1] i64{5}", "", "f32[?,?]"},
    {OP_SLICE, "f32[10,4] i64{1} i64{5} i64[1]", "", "f32[?,?]"},
    {OP_SLICE, "f32[10,4] i64{1,1} i64{5}", "", "!2 starts and 1 ends"},
    {OP_SLICE, "f32[10,4] i64{1} i64{5} i64{0,1}", "", "!1 starts and 2 axes"},
    {OP_SLICE, "f32[10,4] i64{1} i64{5} i64{2}", "", "!axis 2"},
    {OP_SLICE, "f32[10,4] i64{1,1} i64{5,5} i64{0,0}", "", "!twice"},
    {OP_SLICE, "f32[10,4] i64{1} i64{5} i64{0} i64{0}", "", "!a step of 0"},
    {OP_SLICE, "f32[10,4] i64{1} i64{5} i64{0} i64{1,1}", "",
     "!1 starts and 2 steps"},
    {OP_SLICE, "f32[2,2] i64{0,0,0} i64{1,1,1}", "", "!axis 2"},
};

static const struct infer_case pad_cases[] = {
    {OP_PAD, "f32[2,3] i64{0,1,0,2}", "", "f32[2,6]"},
    {OP_PAD, "f32[2,3] i64{0,1,0,-2} f32=1", "", "f32[2,2]"},
    {OP_PAD, "f32[2,3] i64{0,2,0,2}", "mode=reflect", "f32[2,7]"},
    {OP_PAD, "f32[?,3] i64{1,1,1,1}", "mode=edge", "f32[?,5]"},
    {OP_PAD, "f32[2,3] i64[4]", "", "f32[?,?]"},
    {OP_PAD, "f32[2,3] i64{0,3,0,0}", "mode=reflect", "!reflects 3"},
    {OP_PAD, "f32[2,3] i64{0,-4,0,0}", "", "!takes 4 elements away"},
    {OP_PAD, "f32[2,3] i64{0,9e18,0,9e18}", "", "!out of range"},
    {OP_PAD, "f32[2,3] i64{0,1e11,0,1e11}", "", "!larger than allowed"},
    {OP_PAD, "f32[2,3] i64{0,1}", "", "!2 pads for 2 dimensions"},
    {OP_PAD, "f32[2,3] i64{0,0,0,0}", "mode=wrap", "!\"mode\""},
    {OP_PAD, "f32[2,3] i64{0,0,0,0} i64=1", "", "!of one type"},
};

static const struct infer_case gather_cases[] = {
    {OP_GATHER, "f32[5,4] i64[2,3]", "", "f32[2,3,4]"},
    {OP_GATHER, "f32[5,4] i64=1", "axis=1", "f32[5]"},
    {OP_GATHER, "f32[5,4] i32{0,-5}", "", "f32[2,4]"},
    {OP_GATHER, "i64[4] i64=2", "", "i64[]"},
    {OP_GATHER, "f32[5,4] i64=5", "", "!index 5"},
    {OP_GATHER, "f32[5,4] i64=-6", "", "!index -6"},
    {OP_GATHER, "f32[5,4] f32=1", "", "!must be int64"},
    {OP_GATHER, "f32[] i64=0", "", "!axis 0"},
    {OP_GATHER, "f32[1,1,1,1,1] i64[1,1,1,1,1]", "", "!at most 8"},
};

static void test_concat_and_split(void **state)
{
    (void)state;
    INFER_CASES_RUN(concat_cases);
}

static void test_slice(void **state)
{
    (void)state;
    INFER_CASES_RUN(slice_cases);
}

static void test_pad(void **state)
{
    (void)state;
    INFER_CASES_RUN(pad_cases);
}

static void test_gather(void **state)
{
    (void)state;
    INFER_CASES_RUN(gather_cases);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_concat_and_split),
        cmocka_unit_test(test_slice),
        cmocka_unit_test(test_pad),
        cmocka_unit_test(test_gather),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
