#include "tests/lib/unit.h"

#include "tests/lib/infer_case.h"

static const struct infer_case gemm_cases[] = {
    {OP_GEMM, "f32[2,3] f32:[3,4]", "", "f32[2,4]"},
    {OP_GEMM, "f32[2,3] f32:[4,3] f32:[4]", "transB=1", "f32[2,4]"},
    {OP_GEMM, "f32[3,2] f32:[4,3] f32:[2,4]", "transA=1 transB=1", "f32[2,4]"},
    {OP_GEMM, "f32[2,3] f32:[3,4] f32:[2,1]", "", "f32[2,4]"},
    {OP_GEMM, "f32[2,3] f32:[3,4] f32=1", "alpha=0.5f", "f32[2,4]"},
    {OP_GEMM, "f32[?,3] f32:[3,4] f32:[1,4]", "", "f32[?,4]"},
    {OP_GEMM, "f32[2,3] f32:[4,3]", "",
     "!weight wants 4 features, input has 3"},
    {OP_GEMM, "f32[2,3] f32:[3,4] f32:[3]", "", "!does not fit 2x4"},
    {OP_GEMM, "f32[2,3] f32:[3,4] f32:[1,2,4]", "", "!does not fit"},
    {OP_GEMM, "f32[2,3,1] f32:[3,4]", "", "!must have 2 dimensions"},
    {OP_GEMM, "f32[2,3] f64:[3,4]", "", "!of one type"},
    {OP_GEMM, "f32[2,3] f32:[3,4]", "transB=1.0f", "!\"transB\""},
};

static const struct infer_case matmul_cases[] = {
    {OP_MATMUL, "f32[2,3] f32[3,4]", "", "f32[2,4]"},
    {OP_MATMUL, "f32[5,2,3] f32[3,4]", "", "f32[5,2,4]"},
    {OP_MATMUL, "f32[5,1,2,3] f32[6,3,4]", "", "f32[5,6,2,4]"},
    {OP_MATMUL, "f32[3] f32[3,4]", "", "f32[4]"},
    {OP_MATMUL, "f32[2,3] f32[3]", "", "f32[2]"},
    {OP_MATMUL, "f32[3] f32[3]", "", "f32[]"},
    {OP_MATMUL, "f32[3] f32[7,3,4]", "", "f32[7,4]"},
    {OP_MATMUL, "f32[?,2,3] f32[?,4]", "", "f32[?,2,4]"},
    {OP_MATMUL, "i32[2,3] i32[3,4]", "", "i32[2,4]"},
    {OP_MATMUL, "f32[2,3] f32[4,3]", "", "!wants 4 features, input has 3"},
    {OP_MATMUL, "f32[2,2,3] f32[3,3,4]", "", "!do not go together"},
    {OP_MATMUL, "f32[] f32[3]", "", "!scalar"},
    {OP_MATMUL, "f32[1e6,1] f32[1,1e6]", "", "!larger than allowed"},
};

static const struct infer_case integer_cases[] = {
    {OP_MATMUL_INTEGER, "u8[2,3] u8[3,4]", "", "i32[2,4]"},
    {OP_MATMUL_INTEGER, "u8[2,3] i8[3,4] u8=1 i8=0", "", "i32[2,4]"},
    {OP_MATMUL_INTEGER, "u8[2,3] i8[3,4] u8=1 u8=0", "", "!of one type"},
    {OP_QLINEAR_MATMUL, "u8[2,2,3] f32=1 u8=0 i8[3,4] f32=1 i8=0 f32=1 i8=0",
     "", "i8[2,2,4]"},
    {OP_QLINEAR_MATMUL, "u8[2,3] f32=1 u8=0 i8[2,4] f32=1 i8=0 f32=1 i8=0", "",
     "!wants 2 features"},
};

static void test_gemm(void **state)
{
    (void)state;
    INFER_CASES_RUN(gemm_cases);
}

static void test_matmul(void **state)
{
    (void)state;
    INFER_CASES_RUN(matmul_cases);
}

static void test_integer_products(void **state)
{
    (void)state;
    INFER_CASES_RUN(integer_cases);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gemm),
        cmocka_unit_test(test_matmul),
        cmocka_unit_test(test_integer_products),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
