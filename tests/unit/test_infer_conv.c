#include "tests/lib/unit.h"

#include "tests/lib/infer_case.h"

static const struct infer_case conv_cases[] = {
    {OP_CONV, "f32[1,3,8,8] f32:[4,3,3,3]", "", "f32[1,4,6,6]"},
    {OP_CONV, "f32[2,3,8,9] f32:[4,3,3,3] f32:[4]", "pads=[1,1,1,1]",
     "f32[2,4,8,9]"},
    {OP_CONV, "f32[1,3,8,8] f32:[4,3,3,3]", "strides=[2,3]", "f32[1,4,3,2]"},
    {OP_CONV, "f32[1,3,9,9] f32:[4,3,3,3]", "dilations=[2,4]", "f32[1,4,5,1]"},
    {OP_CONV, "f32[1,3,8,8] f32:[4,3,3,3]", "pads=[0,1,2,3]", "f32[1,4,8,10]"},
    {OP_CONV, "f32[1,4,8,8] f32:[6,2,1,1]", "group=2", "f32[1,6,8,8]"},
    {OP_CONV, "f32[1,4,8,8] f32:[4,1,3,3]", "group=4 pads=[1,1,1,1]",
     "f32[1,4,8,8]"},
    {OP_CONV, "f32[1,3,20] f32:[4,3,5]", "strides=[2]", "f32[1,4,8]"},
    {OP_CONV, "f32[1,3,4,5,6] f32:[2,3,2,2,2]", "", "f32[1,2,3,4,5]"},
    {OP_CONV, "f32[1,3,7,8] f32:[4,3,3,3]", "auto_pad=SAME_UPPER strides=[2,2]",
     "f32[1,4,4,4]"},
    {OP_CONV, "f32[1,3,7,8] f32:[4,3,3,3]", "auto_pad=SAME_LOWER strides=[3,3]",
     "f32[1,4,3,3]"},
    {OP_CONV, "f32[1,3,7,8] f32:[4,3,3,3]", "auto_pad=VALID pads=[9,9,9,9]",
     "f32[1,4,5,6]"},
    {OP_CONV, "f32[?,3,8,?] f32:[4,3,3,3]", "", "f32[?,4,6,?]"},
    {OP_CONV, "f32[1,?,8,8] f32:[4,3,3,3]", "", "f32[1,4,6,6]"},
    {OP_CONV, "f32[1,3,8,8] f32[4,3,3,3]", "kernel_shape=[3,3]",
     "f32[1,4,6,6]"},
    {OP_CONV, "f32[1,3,8,8] f32[?,?,?,?]", "kernel_shape=[3,3]",
     "f32[1,?,6,6]"},
    {OP_CONV, "f32? f32:[4,3,3,3]", "", "f32?"},
    {OP_CONV, "f16[1,3,8,8] f16:[4,3,3,3]", "", "f16[1,4,6,6]"},
    /* refused */
    {OP_CONV, "f32[1,4,8,8] f32:[4,3,3,3]", "",
     "!Conv \"y\": weight wants 3 channels, input has 4"},
    {OP_CONV, "f32[1,3,8,8] f32:[4,3,3,3] f32:[5]", "",
     "!its bias has 5 elements, wants 4"},
    {OP_CONV, "f32[1,3,8,8] f32:[4,3,3]", "", "!must have 4 dimensions"},
    {OP_CONV, "f32[3,8] f32:[4,3]", "", "!must have 3 to 8 dimensions"},
    {OP_CONV, "f32[1,3,8,8] f16:[4,3,3,3]", "", "!of one type"},
    {OP_CONV, "f32[1,3,2,2] f32:[4,3,3,3]", "", "!the kernel covers 3"},
    {OP_CONV, "f32[1,4,8,8] f32:[5,2,1,1]", "group=2", "!do not divide"},
    {OP_CONV, "f32[1,4,8,8] f32:[5,2,1,1]", "group=0", "!\"group\" is 0"},
    {OP_CONV, "f32[1,4,8,8] f32:[5,2,1,1]", "group=-2", "!\"group\" is -2"},
    {OP_CONV, "f32[1,3,8,8] f32:[4,3,3,3]", "strides=[0,1]", "!\"strides\""},
    {OP_CONV, "f32[1,3,8,8] f32:[4,3,3,3]", "strides=[1]", "!\"strides\""},
    {OP_CONV, "f32[1,3,8,8] f32:[4,3,3,3]", "strides=1", "!\"strides\""},
    {OP_CONV, "f32[1,3,8,8] f32:[4,3,3,3]", "pads=[-1,0,0,0]", "!\"pads\""},
    {OP_CONV, "f32[1,3,8,8] f32:[4,3,3,3]", "pads=[9e18,0,0,0]", "!\"pads\""},
    {OP_CONV, "f32[1,3,8,8] f32:[4,3,3,3]", "dilations=[9e9,1]",
     "!\"dilations\""},
    {OP_CONV, "f32[1,3,8,8] f32:[4,3,3,3]", "dilations=[2e9,1]",
     "!the kernel covers 4000000001"},
    {OP_CONV, "f32[1,3,8,8] f32:[4,3,3,3]", "kernel_shape=[3,2]",
     "!\"kernel_shape\""},
    {OP_CONV, "f32[1,3,8,8] f32:[4,3,3,3]", "auto_pad=SOME", "!\"auto_pad\""},
    {OP_CONV, "f32[1,0,8,8] f32:[4,0,3,3]", "", "!no channels"},
    {OP_CONV, "f32[1,3,8,8] f32:[4,3,0,3]", "", "!a kernel of 0"},
    {OP_CONV, "f32[1,3,1e3,1e3] f32:[4,3,1,1]", "pads=[2e9,2e9,2e9,2e9]",
     "!larger than allowed"},
};

static const struct infer_case integer_cases[] = {
    {OP_CONV_INTEGER, "u8[1,3,8,8] u8:[4,3,3,3]", "", "i32[1,4,6,6]"},
    {OP_CONV_INTEGER, "u8[1,3,8,8] i8:[4,3,3,3] u8=1 i8=0", "", "i32[1,4,6,6]"},
    {OP_CONV_INTEGER, "u8[1,3,8,8] i8:[4,3,3,3] i8=1", "", "!of one type"},
    {OP_QLINEAR_CONV,
     "u8[1,3,8,8] f32=1 u8=0 i8:[4,3,3,3] f32=1 i8=0 f32=1 u8=0 i32:[4]", "",
     "u8[1,4,6,6]"},
    {OP_QLINEAR_CONV,
     "u8[1,3,8,8] f32=1 u8=0 i8:[4,3,3,3] f32=1 i8=0 f32=1 i8=0",
     "pads=[1,1,1,1]", "i8[1,4,8,8]"},
    {OP_QLINEAR_CONV,
     "u8[1,2,8,8] f32=1 u8=0 i8:[4,3,3,3] f32=1 i8=0 f32=1 u8=0", "",
     "!weight wants 3 channels, input has 2"},
    {OP_QLINEAR_CONV,
     "u8[1,3,8,8] f32=1 u8=0 i8:[4,3,3,3] f32=1 i8=0 f32=1 u8=0 f32:[4]", "",
     "!must be int32"},
};

static const struct infer_case transpose_cases[] = {
    {OP_CONV_TRANSPOSE, "f32[1,3,4,4] f32:[3,5,3,3]", "", "f32[1,5,6,6]"},
    {OP_CONV_TRANSPOSE, "f32[1,3,4,4] f32:[3,5,3,3] f32:[5]", "strides=[2,2]",
     "f32[1,5,9,9]"},
    {OP_CONV_TRANSPOSE, "f32[1,3,4,4] f32:[3,5,3,3]",
     "strides=[2,2] pads=[1,1,1,1] output_padding=[1,1]", "f32[1,5,8,8]"},
    {OP_CONV_TRANSPOSE, "f32[1,3,3,3] f32:[3,5,3,3]",
     "strides=[3,2] output_shape=[10,8]", "f32[1,5,10,8]"},
    {OP_CONV_TRANSPOSE, "f32[1,3,3,3] f32:[3,5,3,3]",
     "strides=[2,2] auto_pad=SAME_UPPER", "f32[1,5,6,6]"},
    {OP_CONV_TRANSPOSE, "f32[1,3,3,3] f32:[3,5,3,3]",
     "strides=[2,2] auto_pad=VALID", "f32[1,5,7,7]"},
    {OP_CONV_TRANSPOSE, "f32[1,3,3,3] f32:[3,5,2,2]", "dilations=[2,2]",
     "f32[1,5,5,5]"},
    {OP_CONV_TRANSPOSE, "f32[1,4,3,3] f32:[4,5,1,1]", "group=2",
     "f32[1,10,3,3]"},
    {OP_CONV_TRANSPOSE, "f32[1,3,5] f32:[3,2,3]", "", "f32[1,2,7]"},
    {OP_CONV_TRANSPOSE, "f32[1,3,?,3] f32:[3,5,3,3]", "", "f32[1,5,?,5]"},
    {OP_CONV_TRANSPOSE, "f32[1,4,4,4] f32:[3,5,3,3]", "",
     "!weight wants 3 channels, input has 4"},
    {OP_CONV_TRANSPOSE, "f32[1,3,1,1] f32:[3,5,1,1]", "pads=[1,1,1,1]",
     "!would be -1"},
    {OP_CONV_TRANSPOSE, "f32[1,3,4,4] f32:[3,5,3,3]", "strides=[2e9,2e9]",
     "!larger than allowed"},
    {OP_CONV_TRANSPOSE, "f32[1,3,4,4] f32:[3,5,3,3]", "group=2",
     "!do not divide"},
    {OP_CONV_TRANSPOSE, "f32[1,3,4,4] f32:[3,5,3,3]", "output_padding=[-1,0]",
     "!\"output_padding\""},
};

static const struct infer_case pool_cases[] = {
    {OP_MAX_POOL, "f32[1,3,8,8]", "kernel_shape=[2,2] strides=[2,2]",
     "f32[1,3,4,4]"},
    {OP_MAX_POOL, "f32[1,3,8,8]", "kernel_shape=[3,3] strides=[2,2]",
     "f32[1,3,3,3] i64[1,3,3,3]"},
    {OP_MAX_POOL, "f32[1,3,8,8]",
     "kernel_shape=[3,3] strides=[2,2] ceil_mode=1", "f32[1,3,4,4]"},
    /* the last window would start in the end pad */
    {OP_AVERAGE_POOL, "f32[1,1,4,4]",
     "kernel_shape=[1,1] strides=[3,3] ceil_mode=1", "f32[1,1,2,2]"},
    {OP_MAX_POOL, "f32[1,1,2,2]",
     "kernel_shape=[1,1] strides=[2,2] ceil_mode=1", "f32[1,1,1,1]"},
    {OP_MAX_POOL, "f32[1,1,5,5]",
     "kernel_shape=[2,2] strides=[2,2] pads=[1,1,1,1] ceil_mode=1",
     "f32[1,1,3,3]"},
    {OP_MAX_POOL, "f32[1,3,32,32]", "kernel_shape=[3,3] auto_pad=SAME_LOWER",
     "f32[1,3,32,32]"},
    {OP_MAX_POOL, "f32[1,3,8]", "kernel_shape=[3] dilations=[2]", "f32[1,3,4]"},
    {OP_MAX_POOL, "u8[1,3,8,8]", "kernel_shape=[2,2]", "u8[1,3,7,7]"},
    {OP_AVERAGE_POOL, "f32[?,3,?,8]", "kernel_shape=[3,3] pads=[1,1,1,1]",
     "f32[?,3,?,8]"},
    {OP_AVERAGE_POOL, "f32[1,3,8,8]", "", "!\"kernel_shape\" is missing"},
    {OP_AVERAGE_POOL, "f32[1,3,8,8]", "kernel_shape=[3]", "!\"kernel_shape\""},
    {OP_AVERAGE_POOL, "f32[1,3,8,8]", "kernel_shape=[9,9]", "!covers 9"},
    {OP_AVERAGE_POOL, "f32[1,3,8,8]", "kernel_shape=[2,2] pads=[2,0,0,0]",
     "!pads must be smaller"},
    {OP_AVERAGE_POOL, "f32[3]", "kernel_shape=[1]", "!dimensions"},
    {OP_GLOBAL_AVERAGE_POOL, "f32[2,3,8,9]", "", "f32[2,3,1,1]"},
    {OP_GLOBAL_MAX_POOL, "f32[2,3,?]", "", "f32[2,3,1]"},
    {OP_GLOBAL_MAX_POOL, "f32[2,3,0]", "", "!empty"},
};

static void test_conv(void **state)
{
    (void)state;
    INFER_CASES_RUN(conv_cases);
}

static void test_integer_conv(void **state)
{
    (void)state;
    INFER_CASES_RUN(integer_cases);
}

static void test_conv_transpose(void **state)
{
    (void)state;
    INFER_CASES_RUN(transpose_cases);
}

static void test_pooling(void **state)
{
    (void)state;
    INFER_CASES_RUN(pool_cases);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_conv),
        cmocka_unit_test(test_integer_conv),
        cmocka_unit_test(test_conv_transpose),
        cmocka_unit_test(test_pooling),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
