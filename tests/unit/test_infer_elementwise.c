#include "tests/lib/unit.h"

#include "tests/lib/infer_case.h"

static const struct infer_case unary_cases[] = {
    {OP_RELU, "f32[2,?,3]", "", "f32[2,?,3]"},
    {OP_GELU, "f16[2]", "", "f16[2]"},
    {OP_GELU, "i64[2]", "", "!must be of floating point, is int64"},
    {OP_SIGMOID, "bool?", "", "!must be of floating point, is bool"},
    {OP_ABS, "i64[2]", "", "i64[2]"},
    {OP_IDENTITY, "i64[]", "", "i64[]"},
    {OP_NOT, "bool[2]", "", "bool[2]"},
    {OP_NOT, "f32[2]", "", "!must be bool"},
    {OP_LRN, "f32[1,3,4,4]", "size=3", "f32[1,3,4,4]"},
    {OP_LRN, "f32[1,3,4,4]", "", "!\"size\""},
    {OP_SOFTMAX, "f32[1,3]", "axis=-2", "f32[1,3]"},
    {OP_SOFTMAX, "f32[1,3]", "axis=2", "!axis 2"},
    {OP_LOG_SOFTMAX, "f32[1,3]", "", "f32[1,3]"},
    {OP_LEAKY_RELU, "f32[2]", "alpha=1", "!\"alpha\" must be a number"},
    {OP_CLIP, "f32[2] f32=0 f32=6", "", "f32[2]"},
    {OP_CLIP, "f32[2] - f32=6", "", "f32[2]"},
    {OP_CLIP, "f32[2] f32{0,1}", "", "!one number"},
    {OP_CLIP, "f32[2] i64=0", "", "!of one type"},
    {OP_PRELU, "f32[1,3,4,4] f32:[3,1,1]", "", "f32[1,3,4,4]"},
    {OP_PRELU, "f32[1,3,4,4] f32:[2,1,1]", "", "!does not fit"},
    {OP_DROPOUT, "f32[2,3] f32=0.5 bool=0", "", "f32[2,3] bool[2,3]"},
    {OP_DROPOUT, "f32[2,3]", "", "f32[2,3]"},
    {OP_CAST, "f32[2]", "to=7", "i64[2]"},
    {OP_CAST, "i64[2]", "to=10", "f16[2]"},
    {OP_CAST, "f32[2]", "to=8", "!\"to\" is 8"},
    {OP_CAST, "f32[2]", "to=-1", "!\"to\" is -1"},
    {OP_CAST, "f32[2]", "", "!\"to\" is 0"},
};

static const struct infer_case broadcast_cases[] = {
    {OP_ADD, "f32[2,3] f32[2,3]", "", "f32[2,3]"},
    {OP_ADD, "f32[1,3,4,4] f32[3,1,1]", "", "f32[1,3,4,4]"},
    {OP_SUB, "f32[3,1] f32[1,4]", "", "f32[3,4]"},
    {OP_MUL, "f32[] f32[2]", "", "f32[2]"},
    {OP_DIV, "f32[?,3] f32[5,1]", "", "f32[5,3]"},
    {OP_DIV, "f32[?,3] f32[1,3]", "", "f32[?,3]"},
    {OP_ADD, "f32[?] f32[?]", "", "f32[?]"},
    {OP_ADD, "f32[0] f32[1]", "", "f32[0]"},
    {OP_ADD, "f32? f32[2]", "", "f32?"},
    {OP_POW, "f32[2] i64=2", "", "f32[2]"},
    {OP_MAX, "f32[2,1]", "", "f32[2,1]"},
    {OP_SUM, "f32[2,1] f32[3] f32[1,1,1]", "", "f32[1,2,3]"},
    {OP_ADD, "f32[2,3] f32[2,4]", "", "!2x3 and 2x4 do not go together"},
    {OP_ADD, "f32[0] f32[2]", "", "!do not go together"},
    {OP_ADD, "f32[2] i64[2]", "", "!are float32 and int64"},
    {OP_LESS, "f32[2,1] f32[3]", "", "bool[2,3]"},
    {OP_EQUAL, "i64? i64[3]", "", "bool?"},
    {OP_AND, "bool[2] bool[1]", "", "bool[2]"},
    {OP_AND, "f32[2] f32[1]", "", "!must be bool"},
    {OP_WHERE, "bool[2,1] f32[3] f32[]", "", "f32[2,3]"},
    {OP_WHERE, "bool? f32[3] f32[]", "", "f32?"},
    {OP_WHERE, "f32[2] f32[2] f32[2]", "", "!must be bool"},
    {OP_WHERE, "bool[2] f32[2] i64[2]", "", "!of one type"},
};

static const struct infer_case quantize_cases[] = {
    {OP_QUANTIZE_LINEAR, "f32[2,3] f32=1", "", "u8[2,3]"},
    {OP_QUANTIZE_LINEAR, "f32[2,3] f32=1 i8=0", "", "i8[2,3]"},
    {OP_QUANTIZE_LINEAR, "f32[2,3] f32{1,1,1} u8{0,0,0}", "", "u8[2,3]"},
    {OP_QUANTIZE_LINEAR, "f32[2,3] f32{1,1} u8{0,0}", "axis=0", "u8[2,3]"},
    {OP_QUANTIZE_LINEAR, "f32[2,3] f32{1,1} u8{0,0}", "",
     "!its scale has 2 elements, wants 3"},
    {OP_QUANTIZE_LINEAR, "f32[2,3] f32{1,1,1} u8=0", "", "!differ in shape"},
    {OP_DEQUANTIZE_LINEAR, "i8[2,3] f32=1 i8=0", "", "f32[2,3]"},
    {OP_DEQUANTIZE_LINEAR, "i32[4] f32=1", "", "f32[4]"},
    {OP_DEQUANTIZE_LINEAR, "i8[2,3] f32=1 u8=0", "", "!of one type"},
    {OP_DEQUANTIZE_LINEAR, "i8[2,3] f32{1,1} i8{0,0}", "axis=5", "!axis 5"},
    {OP_DYNAMIC_QUANTIZE, "f32[2,3]", "", "u8[2,3] f32[] u8[]"},
};

static void test_unary(void **state)
{
    (void)state;
    INFER_CASES_RUN(unary_cases);
}

static void test_broadcasting(void **state)
{
    (void)state;
    INFER_CASES_RUN(broadcast_cases);
}

static void test_quantizing(void **state)
{
    (void)state;
    INFER_CASES_RUN(quantize_cases);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_unary),
        cmocka_unit_test(test_broadcasting),
        cmocka_unit_test(test_quantizing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
