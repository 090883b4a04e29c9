#include "tests/lib/unit.h"

#include "tests/lib/infer_case.h"

static const struct infer_case reshape_cases[] = {
    {OP_RESHAPE, "f32[2,3,4] i64{6,4}", "", "f32[6,4]"},
    {OP_RESHAPE, "f32[2,3,4] i64{-1}", "", "f32[24]"},
    {OP_RESHAPE, "f32[2,3,4] i64{0,-1}", "", "f32[2,12]"},
    {OP_RESHAPE, "f32[2,3,4] i64{4,0,-1}", "", "f32[4,3,2]"},
    {OP_RESHAPE, "f32[2,3,4] i64{0,0,2,-1}", "", "f32[2,3,2,2]"},
    {OP_RESHAPE, "f32[1] i64{}", "", "f32[]"},
    {OP_RESHAPE, "f32[] i64{1,1}", "", "f32[1,1]"},
    {OP_RESHAPE, "f32[?,3,4] i64{0,-1}", "", "f32[?,12]"},
    {OP_RESHAPE, "f32[?,3,4] i64{-1,12}", "", "f32[?,12]"},
    {OP_RESHAPE, "f32[?,3,4] i64{2,6,2}", "", "f32[2,6,2]"},
    {OP_RESHAPE, "f32[0,3] i64{0,-1}", "", "f32[0,3]"},
    {OP_RESHAPE, "f32[0,3] i64{3,0}", "allowzero=1", "f32[3,0]"},
    {OP_RESHAPE, "f32[2,3] i64[3]", "", "f32[?,?,?]"},
    {OP_RESHAPE, "f32[2,3] i64[?]", "", "f32?"},
    {OP_RESHAPE, "f32[2,3] i64?", "", "f32?"},
    {OP_RESHAPE, "f32[2,3,4] i64{5,-1}", "", "!does not divide"},
    {OP_RESHAPE, "f32[2,3,4] i64{5,5}", "", "!does not have the elements"},
    {OP_RESHAPE, "f32[2,3] i64{-1,-1}", "", "!-1 twice"},
    {OP_RESHAPE, "f32[2,3] i64{-2,3}", "", "!a dimension of -2"},
    {OP_RESHAPE, "f32[2,3] i64{2,3,0}", "", "!keeps dimension 2"},
    {OP_RESHAPE, "f32[0,3] i64{0,-1}", "allowzero=1", "!does not divide"},
    {OP_RESHAPE, "f32[2,3] i64{0,-1}", "allowzero=1", "!does not divide"},
    {OP_RESHAPE, "f32[2,3] i64{1,1,1,1,1,1,1,6,1}", "", "!at most 8"},
    {OP_RESHAPE, "f32[2,3] i64[9]", "", "!at most 8"},
    {OP_RESHAPE, "f32[2,3] i64{9e18,9e18}", "", "!elements"},
    {OP_RESHAPE, "f32[?,3] i64{9e18,9e18}", "", "!would be 92"},
    {OP_RESHAPE, "f32[2,3] f32{6}", "", "!must be int64"},
    {OP_RESHAPE, "f32[2,3] i64:[1,1]", "", "!must be a list"},
};

static const struct infer_case flat_cases[] = {
    {OP_FLATTEN, "f32[2,3,4]", "", "f32[2,12]"},
    {OP_FLATTEN, "f32[2,3,4]", "axis=0", "f32[1,24]"},
    {OP_FLATTEN, "f32[2,3,4]", "axis=3", "f32[24,1]"},
    {OP_FLATTEN, "f32[2,3,4]", "axis=-1", "f32[6,4]"},
    {OP_FLATTEN, "f32[?,3,4]", "", "f32[?,12]"},
    {OP_FLATTEN, "f32[2,3]", "axis=4", "!axis 4"},
    {OP_SQUEEZE, "f32[1,3,1]", "", "f32[3]"},
    {OP_SQUEEZE, "f32[1,3,1] i64{0}", "", "f32[3,1]"},
    {OP_SQUEEZE, "f32[1,3,1] i64{-1,0}", "", "f32[3]"},
    {OP_SQUEEZE, "f32[?,3] i64{0}", "", "f32[3]"},
    {OP_SQUEEZE, "f32[?,3]", "", "f32?"},
    {OP_SQUEEZE, "f32[1,3] i64[1]", "", "f32?"},
    {OP_SQUEEZE, "f32[1,3] i64{1}", "", "!dimension 1 is 3"},
    {OP_SQUEEZE, "f32[1,3] i64{2}", "", "!axis 2"},
    {OP_UNSQUEEZE, "f32[3] i64{0}", "", "f32[1,3]"},
    {OP_UNSQUEEZE, "f32[3,4] i64{-1,0}", "", "f32[1,3,4,1]"},
    {OP_UNSQUEEZE, "f32[] i64{0}", "", "f32[1]"},
    {OP_UNSQUEEZE, "f32[3] i64[1]", "", "f32[?,?]"},
    {OP_UNSQUEEZE, "f32[3] i64[?]", "", "f32?"},
    {OP_UNSQUEEZE, "f32[3] i64{0,0}", "", "!twice"},
    {OP_UNSQUEEZE, "f32[3] i64{5}", "", "!axis 5"},
    {OP_UNSQUEEZE, "f32[1,1,1,1,1,1,1,1] i64{0}", "", "!at most 8"},
};

static const struct infer_case order_cases[] = {
    {OP_TRANSPOSE, "f32[2,3,4]", "", "f32[4,3,2]"},
    {OP_TRANSPOSE, "f32[2,?,4]", "perm=[0,2,1]", "f32[2,4,?]"},
    {OP_TRANSPOSE, "f32[]", "", "f32[]"},
    {OP_TRANSPOSE, "f32[2,3]", "perm=[0]", "!\"perm\""},
    {OP_TRANSPOSE, "f32[2,3]", "perm=[0,0]", "!twice"},
    {OP_TRANSPOSE, "f32[2,3]", "perm=[0,2]", "!axis 2"},
    {OP_DEPTH_TO_SPACE, "f32[1,8,2,3]", "blocksize=2", "f32[1,2,4,6]"},
    {OP_DEPTH_TO_SPACE, "f32[1,?,?,3]", "blocksize=2", "f32[1,?,?,6]"},
    {OP_DEPTH_TO_SPACE, "f32[1,6,2,3]", "blocksize=2", "!does not divide"},
    {OP_DEPTH_TO_SPACE, "f32[1,6,2,3]", "", "!\"blocksize\""},
    {OP_SPACE_TO_DEPTH, "f32[1,2,4,6]", "blocksize=2", "f32[1,8,2,3]"},
    {OP_SPACE_TO_DEPTH, "f32[1,2,4,5]", "blocksize=2", "!does not divide"},
    {OP_SPACE_TO_DEPTH, "f32[1,2,4]", "blocksize=2", "!dimensions"},
};

static void test_reshape(void **state)
{
    (void)state;
    INFER_CASES_RUN(reshape_cases);
}

static void test_flattening(void **state)
{
    (void)state;
    INFER_CASES_RUN(flat_cases);
}

static void test_reordering(void **state)
{
    (void)state;
    INFER_CASES_RUN(order_cases);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reshape),
        cmocka_unit_test(test_flattening),
        cmocka_unit_test(test_reordering),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
