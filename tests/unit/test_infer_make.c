#include "tests/lib/unit.h"

#include "tests/lib/infer_case.h"

static const struct infer_case repeat_cases[] = {
    {OP_TILE, "f32[2,3] i64{2,1}", "", "f32[4,3]"},
    {OP_TILE, "f32[2,?] i64{0,2}", "", "f32[0,?]"},
    {OP_TILE, "f32[2,3] i64[2]", "", "f32[?,?]"},
    {OP_TILE, "f32[2,3] i64{2}", "", "!1 repeats for 2"},
    {OP_TILE, "f32[2,3] i64{-1,1}", "", "!repeats -1"},
    {OP_TILE, "f32[2,3] i64{9e18,1}", "", "!would be 92"},
    {OP_EXPAND, "f32[3,1] i64{2,1,6}", "", "f32[2,3,6]"},
    {OP_EXPAND, "f32[3,4] i64{1}", "", "f32[3,4]"},
    {OP_EXPAND, "f32[] i64{2}", "", "f32[2]"},
    {OP_EXPAND, "f32[3] i64[2]", "", "f32[?,?]"},
    {OP_EXPAND, "f32[3,4] i64[1]", "", "f32[?,?]"},
    {OP_EXPAND, "f32[3] i64[?]", "", "f32?"},
    {OP_EXPAND, "f32[3] i64{2}", "", "!do not go together"},
    {OP_EXPAND, "f32[1] i64{-3}", "", "!a dimension of -3"},
    {OP_EXPAND, "f32[1] i64{9e18}", "", "!a dimension of 92"},
};

static const struct infer_case make_cases[] = {
    {OP_RANGE, "i64=0 i64=10 i64=3", "", "i64[4]"},
    {OP_RANGE, "i64=10 i64=0 i64=-3", "", "i64[4]"},
    {OP_RANGE, "i64=0 i64=10 i64=-3", "", "i64[0]"},
    {OP_RANGE, "f32=1 f32=2 f32=0.25", "", "f32[4]"},
    {OP_RANGE, "i64=0 i64[] i64=1", "", "i64[?]"},
    {OP_RANGE, "i64=0 i64=1 i64=0", "", "!a step of 0"},
    {OP_RANGE, "i64=-9e18 i64=9e18 i64=1", "", "!would be 92"},
    {OP_RANGE, "f32=0 f32=1e30 f32=1e-30", "", "!would be 92"},
    {OP_RANGE, "i64=0 i64=1 f32=1", "", "!of one type"},
    {OP_SHAPE, "f32[2,?,4]", "", "i64[3]"},
    {OP_SHAPE, "f32[2,3,4]", "start=1", "i64[2]"},
    {OP_SHAPE, "f32[2,3,4]", "start=-2 end=-1", "i64[1]"},
    {OP_SHAPE, "f32[2,3,4]", "start=-9 end=9", "i64[3]"},
    {OP_SHAPE, "f32[2,3,4]", "start=2 end=1", "i64[0]"},
    {OP_SHAPE, "f32?", "", "i64?"},
    {OP_CONSTANT_OF_SHAPE, "i64{2,3}", "", "f32[2,3]"},
    {OP_CONSTANT_OF_SHAPE, "i64{}", "", "f32[]"},
    {OP_CONSTANT_OF_SHAPE, "i64[2]", "", "f32[?,?]"},
    {OP_CONSTANT_OF_SHAPE, "i64?", "", "f32?"},
    {OP_CONSTANT_OF_SHAPE, "i64{-1}", "", "!a dimension of -1"},
    {OP_CONSTANT_OF_SHAPE, "i64{1e9,1e9}", "", "!larger than allowed"},
};

static const struct infer_case resize_cases[] = {
    {OP_RESIZE, "f32[1,3,4,5] - f32{1,1,2,2}", "", "f32[1,3,8,10]"},
    {OP_RESIZE, "f32[1,3,4,5] - f32{1,1,0.6,0.6}", "", "f32[1,3,2,3]"},
    {OP_RESIZE, "f32[1,3,4,5] - - i64{1,3,7,2}", "", "f32[1,3,7,2]"},
    {OP_RESIZE, "f32[1,3,4,5] f32{} f32{} i64{1,3,7,2}", "", "f32[1,3,7,2]"},
    {OP_RESIZE, "f32[?,3,4,5] - f32{1,1,2,2}", "", "f32[?,3,8,10]"},
    {OP_RESIZE, "f32[1,3,4,5] - f32[4]", "", "f32[?,?,?,?]"},
    {OP_RESIZE, "f32[1,1,4,4] f32{0,0,0,0,1,1,0.5,0.5} f32{1,1,4,4}",
     "coordinate_transformation_mode=tf_crop_and_resize", "f32[1,1,8,8]"},
    {OP_RESIZE, "f32[1,3,4,5] - f32{1,1,2}", "", "!3 scales for 4"},
    {OP_RESIZE, "f32[1,3,4,5] - f32{1,1,2,0}", "", "!a scale of 0"},
    {OP_RESIZE, "f32[1,3,4,5] - f32{1,1,2,-1}", "", "!a scale of -1"},
    {OP_RESIZE, "f32[1,3,4,5] - f32{1,1,2,1e30}", "", "!a scale of 1e+30"},
    {OP_RESIZE, "f32[1,3,4,5] - - i64{1,3,7}", "", "!3 sizes for 4"},
    {OP_RESIZE, "f32[1,3,4,5] - - i64{1,3,7,0}", "", "!a size of 0"},
    {OP_RESIZE, "f32[1,3,4,5] - f32{1,1,2,2} i64{1,3,7,2}", "", "!has both"},
    {OP_RESIZE, "f32[1,3,4,5]", "", "!has neither"},
};

static void test_repeating(void **state)
{
    (void)state;
    INFER_CASES_RUN(repeat_cases);
}

static void test_making(void **state)
{
    (void)state;
    INFER_CASES_RUN(make_cases);
}

static void test_resize(void **state)
{
    (void)state;
    INFER_CASES_RUN(resize_cases);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_repeating),
        cmocka_unit_test(test_making),
        cmocka_unit_test(test_resize),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
