#include "tests/lib/imported.h"
#include "tests/lib/unit.h"

#include <string.h>

/* ---- attributes that became inputs -------------------------------------- */

static void test_clip_6(void **state)
{
    struct imported *f = *state;

    imported_one_node(f, 7, "Clip", LIST(4));
    onnx_float(&f->m, "max", 6);
    imported_ok(f);
    assert_int_equal(imported_op(f)->n_in, 3);
    assert_int_equal(imported_op(f)->in[1], -1);
    imported_check_float(f, imported_op(f), 2, 6);
    assert_int_equal(imported_op(f)->n_attrs, 0);
}

static void test_dropout_7(void **state)
{
    struct imported *f = *state;

    imported_one_node(f, 7, "Dropout", LIST(4));
    onnx_float(&f->m, "ratio", 0.25f);
    imported_ok(f);
    imported_check_float(f, imported_op(f), 1, 0.25);
}

static void test_slice_1(void **state)
{
    struct imported *f = *state;

    imported_one_node(f, 9, "Slice", LIST(4, 4));
    onnx_ints(&f->m, "starts", LIST(1));
    onnx_ints(&f->m, "ends", LIST(3));
    onnx_ints(&f->m, "axes", LIST(1));
    imported_ok(f);
    imported_check_ints(f, imported_op(f), 1, LIST(1));
    imported_check_ints(f, imported_op(f), 2, LIST(3));
    imported_check_ints(f, imported_op(f), 3, LIST(1));
}

static void test_axes_of_squeeze_and_unsqueeze_11(void **state)
{
    struct imported *f = *state;

    onnx_begin(&f->m, 11);
    onnx_input(&f->m, "x", ONNX_F32, LIST(1, 4));
    onnx_node(&f->m, "Squeeze", "x", "a");
    onnx_ints(&f->m, "axes", LIST(0));
    onnx_node(&f->m, "Unsqueeze", "a", "y");
    onnx_ints(&f->m, "axes", LIST(0, 2));
    onnx_output(&f->m, "y");
    imported_ok(f);
    imported_check_ints(f, &f->graph->ops[0], 1, LIST(0));
    imported_check_ints(f, &f->graph->ops[1], 1, LIST(0, 2));
}

static void test_axes_of_every_reduction(void **state)
{
    static const char *const types[] = {"ReduceMean", "ReduceSum", "ReduceMax",
                                        "ReduceMin"};
    struct imported *f = *state;

    for (size_t i = 0; i < 4; i++) {
        imported_one_node(f, 11, types[i], LIST(4, 4));
        onnx_ints(&f->m, "axes", LIST(1));
        onnx_int(&f->m, "keepdims", 0);
        imported_ok(f);
        imported_check_ints(f, imported_op(f), 1, LIST(1));
        assert_int_equal(imported_op(f)->n_attrs, 1);
        graph_free(f->graph);
        f->graph = NULL;
    }
}

static void test_reduce_mean_18_has_its_axes_as_input(void **state)
{
    struct imported *f = *state;

    imported_one_node(f, 18, "Relu", LIST(4, 4));
    onnx_node(&f->m, "ReduceMean", "x axes", "z");
    onnx_int(&f->m, "noop_with_empty_axes", 1);
    onnx_init_ints(&f->m, "axes", LIST(1));
    imported_ok(f);
    imported_check_ints(f, &f->graph->ops[1], 1, LIST(1));
}

static void test_no_axes_mean_all(void **state)
{
    struct imported *f = *state;

    imported_one_node(f, 11, "ReduceMean", LIST(4, 4));
    onnx_ints(&f->m, "axes", NO_DIMS);
    imported_ok(f);
    assert_int_equal(imported_op(f)->n_in, 1);
}

static void test_split_11(void **state)
{
    struct imported *f = *state;

    onnx_begin(&f->m, 11);
    onnx_input(&f->m, "x", ONNX_F32, LIST(4));
    onnx_node(&f->m, "Split", "x", "y z");
    onnx_ints(&f->m, "split", LIST(1, 3));
    onnx_output(&f->m, "y");
    imported_ok(f);
    imported_check_ints(f, imported_op(f), 1, LIST(1, 3));
}

static void split_18(struct imported *f, int64_t size)
{
    onnx_begin(&f->m, 18);
    onnx_input(&f->m, "x", ONNX_F32, LIST(2, size));
    onnx_node(&f->m, "Split", "x", "y z w");
    onnx_int(&f->m, "num_outputs", 3);
    onnx_int(&f->m, "axis", -1);
    onnx_output(&f->m, "y");
    imported_ok(f);
}

static void test_split_18_into_equal_parts(void **state)
{
    struct imported *f = *state;

    split_18(f, 6);
    assert_int_equal(imported_op(f)->n_in, 1);
    assert_null(op_attr(imported_op(f), "num_outputs"));
}

static void test_split_18_with_a_smaller_last_part(void **state)
{
    struct imported *f = *state;

    split_18(f, 7);
    imported_check_ints(f, imported_op(f), 1, LIST(3, 3, 1));
}

static void test_pad_2(void **state)
{
    struct imported *f = *state;

    imported_one_node(f, 10, "Pad", LIST(4));
    onnx_ints(&f->m, "pads", LIST(1, 2));
    onnx_float(&f->m, "value", 3);
    onnx_string(&f->m, "mode", "constant");
    imported_ok(f);
    imported_check_ints(f, imported_op(f), 1, LIST(1, 2));
    imported_check_float(f, imported_op(f), 2, 3);
}

static void test_pad_18_of_one_axis(void **state)
{
    struct imported *f = *state;

    onnx_begin(&f->m, 18);
    onnx_input(&f->m, "x", ONNX_F32, LIST(-1, 3, 4, 4));
    onnx_init_ints(&f->m, "pads", LIST(1, 2));
    onnx_init_ints(&f->m, "axes", LIST(-2));
    onnx_node(&f->m, "Pad", "x pads - axes", "y");
    onnx_output(&f->m, "y");
    imported_ok(f);
    assert_int_equal(imported_op(f)->n_in, 2);
    imported_check_ints(f, imported_op(f), 1, LIST(0, 0, 1, 0, 0, 0, 2, 0));
}

static void test_top_k_1(void **state)
{
    struct imported *f = *state;

    onnx_begin(&f->m, 9);
    onnx_input(&f->m, "x", ONNX_F32, LIST(4));
    onnx_node(&f->m, "TopK", "x", "y z");
    onnx_int(&f->m, "k", 2);
    onnx_output(&f->m, "y");
    imported_ok(f);
    imported_check_ints(f, imported_op(f), 1, LIST(2));
    assert_int_equal(imported_op(f)->n_attrs, 0);
}

/* ---- changed meanings --------------------------------------------------- */

static void test_softmax_1_over_the_last_axis_is_softmax(void **state)
{
    struct imported *f = *state;

    imported_one_node(f, 11, "Softmax", LIST(-1, 10));
    imported_ok(f);
    assert_int_equal(op_int(imported_op(f), "axis", 9), 1);
}

static void test_softmax_1_over_one_axis_that_counts_is_softmax(void **state)
{
    struct imported *f = *state;

    imported_one_node(f, 9, "Softmax", LIST(1, 10, 1, 1));
    imported_ok(f);
    assert_int_equal(op_int(imported_op(f), "axis", 9), 1);
}

static void test_softmax_1_over_several_axes_is_taken_apart(void **state)
{
    struct imported *f = *state;
    const struct graph *g;

    imported_one_node(f, 9, "LogSoftmax", LIST(2, 3, 4));
    onnx_node_name(&f->m, "s");
    imported_ok(f);
    g = f->graph;
    assert_int_equal(g->n_ops, 4);
    assert_int_equal(g->ops[0].kind, OP_FLATTEN);
    assert_int_equal(op_int(&g->ops[0], "axis", 0), 1);
    assert_int_equal(g->ops[1].kind, OP_LOG_SOFTMAX);
    assert_int_equal(op_int(&g->ops[1], "axis", 0), -1);
    assert_int_equal(g->ops[2].kind, OP_SHAPE);
    assert_int_equal(g->ops[3].kind, OP_RESHAPE);
    assert_int_equal(g->ops[3].out[0], g->outputs[0]);
    assert_int_equal(g->values[g->outputs[0]].shape.rank, 3);
}

static void test_batch_norm_7(void **state)
{
    struct imported *f = *state;
    static const float v[2] = {1, 1};

    onnx_begin(&f->m, 7);
    onnx_input(&f->m, "x", ONNX_F32, LIST(1, 2, 4, 4));
    onnx_init(&f->m, "v", ONNX_F32, LIST(2), v, sizeof(v));
    onnx_node(&f->m, "BatchNormalization", "x v v v v", "y a b c d");
    onnx_int(&f->m, "spatial", 1);
    onnx_output(&f->m, "y");
    imported_ok(f);
    assert_int_equal(imported_op(f)->n_out, 1);
    assert_int_equal(imported_op(f)->n_attrs, 0);
}

static void test_upsample_7(void **state)
{
    struct imported *f = *state;
    static const float scales[4] = {1, 1, 2, 2};
    const struct op *op;

    imported_one_node(f, 7, "Upsample", LIST(1, 3, 4, 4));
    onnx_floats(&f->m, "scales", scales, 4);
    imported_ok(f);
    op = imported_op(f);
    assert_int_equal(op->kind, OP_RESIZE);
    assert_int_equal(op->in[1], -1);
    assert_memory_equal(imported_const(f, op, 2)->data, scales, sizeof(scales));
    assert_string_equal(op_string(op, "nearest_mode", ""), "floor");
    assert_string_equal(op_string(op, "coordinate_transformation_mode", ""),
                        "asymmetric");
}

static void test_upsample_ended_with_opset_9(void **state)
{
    struct imported *f = *state;

    onnx_begin(&f->m, 10);
    onnx_input(&f->m, "x", ONNX_F32, LIST(1, 4));
    onnx_init_ints(&f->m, "s", LIST(1, 2));
    onnx_node(&f->m, "Upsample", "x s", "y");
    onnx_output(&f->m, "y");
    imported_refused(f, EDGE_EUNSUPPORTED,
                     "m.onnx: node 0 (output \"y\") (Upsample): there is no "
                     "such operator in opset 10; Resize took its place in "
                     "opset 10");
}

static void test_resize_began_with_opset_10(void **state)
{
    struct imported *f = *state;

    imported_one_node(f, 9, "Resize", LIST(1, 4));
    imported_refused(f, EDGE_EUNSUPPORTED,
                     "m.onnx: node 0 (output \"y\") (Resize): there is no "
                     "such operator in opset 9; Resize came in opset 10, "
                     "before it there was Upsample");
}

static void resize_10(struct imported *f, float scale)
{
    float scales[2] = {1, scale};

    onnx_begin(&f->m, 10);
    onnx_input(&f->m, "x", ONNX_F32, LIST(1, 4));
    onnx_init(&f->m, "s", ONNX_F32, LIST(2), scales, sizeof(scales));
    onnx_node(&f->m, "Resize", "x s", "y");
    onnx_output(&f->m, "y");
    imported_ok(f);
}

static void test_resize_10_rounds_up_when_it_shrinks(void **state)
{
    struct imported *f = *state;

    resize_10(f, 0.5f);
    assert_string_equal(op_string(imported_op(f), "nearest_mode", ""), "ceil");
}

static void test_resize_10_rounds_down_when_it_enlarges(void **state)
{
    struct imported *f = *state;

    resize_10(f, 2);
    assert_string_equal(op_string(imported_op(f), "nearest_mode", ""), "floor");
}

static void test_resize_11_with_empty_scales(void **state)
{
    struct imported *f = *state;

    onnx_begin(&f->m, 11);
    onnx_input(&f->m, "x", ONNX_F32, LIST(1, 4));
    onnx_init(&f->m, "none", ONNX_F32, LIST(0), NULL, 0);
    onnx_init_ints(&f->m, "sizes", LIST(1, 8));
    onnx_node(&f->m, "Resize", "x none none sizes", "y");
    onnx_output(&f->m, "y");
    imported_ok(f);
    assert_int_equal(imported_op(f)->in[1], -1);
    assert_int_equal(imported_op(f)->in[2], -1);
    imported_check_ints(f, imported_op(f), 3, LIST(1, 8));
}

static void test_resize_11_with_pixels_of_tensorflow(void **state)
{
    struct imported *f = *state;

    onnx_begin(&f->m, 11);
    onnx_input(&f->m, "x", ONNX_F32, LIST(1, 4));
    onnx_init_ints(&f->m, "sizes", LIST(1, 8));
    onnx_node(&f->m, "Resize", "x - - sizes", "y");
    onnx_string(&f->m, "coordinate_transformation_mode",
                "tf_half_pixel_for_nn");
    onnx_string(&f->m, "nearest_mode", "floor");
    onnx_output(&f->m, "y");
    imported_ok(f);
    assert_string_equal(op_string(imported_op(f), "nearest_mode", ""),
                        "round_prefer_ceil");
    assert_string_equal(
        op_string(imported_op(f), "coordinate_transformation_mode", ""),
        "half_pixel");
}

static void resize_18(struct imported *f)
{
    onnx_begin(&f->m, 18);
    onnx_input(&f->m, "x", ONNX_F32, LIST(1, 3, 4, 4));
    onnx_init_ints(&f->m, "sizes", LIST(8, 6));
    onnx_node(&f->m, "Resize", "x - - sizes", "y");
    onnx_ints(&f->m, "axes", LIST(3, 2));
    onnx_output(&f->m, "y");
}

static void test_resize_18_of_two_axes(void **state)
{
    struct imported *f = *state;

    resize_18(f);
    imported_ok(f);
    imported_check_ints(f, imported_op(f), 3, LIST(1, 3, 6, 8));
    assert_int_equal(imported_op(f)->n_attrs, 0);
}

static void test_resize_18_of_two_axes_beside_a_free_one(void **state)
{
    struct imported *f = *state;
    const struct graph *g;

    onnx_begin(&f->m, 18);
    onnx_input(&f->m, "x", ONNX_F32, LIST(-1, 3, 4, 4));
    onnx_init_ints(&f->m, "sizes", LIST(8, 6));
    onnx_node(&f->m, "Resize", "x - - sizes", "y");
    onnx_ints(&f->m, "axes", LIST(-2, -1));
    onnx_output(&f->m, "y");
    imported_ok(f);
    g = f->graph;
    assert_int_equal(g->n_ops, 3);
    assert_int_equal(g->ops[0].kind, OP_SHAPE);
    assert_int_equal(op_int(&g->ops[0], "end", 0), 1);
    assert_int_equal(g->ops[1].kind, OP_CONCAT);
    imported_check_ints(f, &g->ops[1], 3, LIST(6));
    assert_int_equal(g->ops[2].kind, OP_RESIZE);
    assert_int_equal(g->ops[2].in[3], g->ops[1].out[0]);
    assert_true(g->values[g->outputs[0]].has_shape);
}

static void test_resize_18_antialias_is_refused(void **state)
{
    struct imported *f = *state;

    resize_18(f);
    onnx_int(&f->m, "antialias", 1);
    imported_refused(f, EDGE_EUNSUPPORTED,
                     "m.onnx: node 0 (output \"y\") (Resize): antialias is not "
                     "supported");
}

static void test_quantize_21_gets_a_zero_point_of_its_type(void **state)
{
    struct imported *f = *state;
    static const float scale = 0.5f;

    onnx_begin(&f->m, 21);
    onnx_input(&f->m, "x", ONNX_F32, LIST(4));
    onnx_init(&f->m, "s", ONNX_F32, NO_DIMS, &scale, sizeof(scale));
    onnx_node(&f->m, "QuantizeLinear", "x s", "q");
    onnx_int(&f->m, "output_dtype", ONNX_I8);
    onnx_int(&f->m, "saturate", 1);
    onnx_node(&f->m, "DequantizeLinear", "q s", "y");
    onnx_output(&f->m, "y");
    imported_ok(f);
    assert_int_equal(imported_const(f, &f->graph->ops[0], 2)->dtype, DTYPE_I8);
    assert_int_equal(f->graph->ops[0].n_attrs, 0);
}

static void test_gelu_20_stays_an_op(void **state)
{
    struct imported *f = *state;

    imported_one_node(f, 20, "Gelu", LIST(4));
    onnx_string(&f->m, "approximate", "none");
    imported_ok(f);
    assert_int_equal(imported_op(f)->kind, OP_GELU);
    assert_int_equal(imported_op(f)->n_attrs, 0);
}

/* As PyTorch writes it before opset 20. */
static void gelu_chain(struct imported *f, float half)
{
    float numbers[3] = {1.41421354f, 1, half};
    static const char *const names[] = {"r", "one", "h"};

    onnx_begin(&f->m, 13);
    onnx_input(&f->m, "x", ONNX_F32, LIST(4));
    for (int i = 0; i < 3; i++) {
        onnx_init(&f->m, names[i], ONNX_F32, NO_DIMS, &numbers[i], 4);
    }
    onnx_node(&f->m, "Div", "x r", "a");
    onnx_node(&f->m, "Erf", "a", "b");
    onnx_node(&f->m, "Add", "b one", "c");
    onnx_node(&f->m, "Mul", "x c", "d");
    onnx_node(&f->m, "Mul", "d h", "y");
    onnx_output(&f->m, "y");
}

static void test_a_chain_that_is_gelu_becomes_gelu(void **state)
{
    struct imported *f = *state;

    gelu_chain(f, 0.5f);
    imported_ok(f);
    assert_int_equal(imported_op(f)->kind, OP_GELU);
}

static void test_a_chain_that_is_not_quite_gelu_stays(void **state)
{
    struct imported *f = *state;

    gelu_chain(f, 0.51f);
    imported_ok(f);
    assert_int_equal(f->graph->n_ops, 5);
}

static void test_a_chain_whose_middle_is_an_output_stays(void **state)
{
    struct imported *f = *state;

    gelu_chain(f, 0.5f);
    onnx_output(&f->m, "b");
    imported_ok(f);
    assert_int_equal(f->graph->n_ops, 5);
}

#define TEST(name)                                                \
    cmocka_unit_test_setup_teardown(test_##name, imported_set_up, \
                                    imported_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(clip_6),
        TEST(dropout_7),
        TEST(slice_1),
        TEST(axes_of_squeeze_and_unsqueeze_11),
        TEST(axes_of_every_reduction),
        TEST(reduce_mean_18_has_its_axes_as_input),
        TEST(no_axes_mean_all),
        TEST(split_11),
        TEST(split_18_into_equal_parts),
        TEST(split_18_with_a_smaller_last_part),
        TEST(pad_2),
        TEST(pad_18_of_one_axis),
        TEST(top_k_1),
        TEST(softmax_1_over_the_last_axis_is_softmax),
        TEST(softmax_1_over_one_axis_that_counts_is_softmax),
        TEST(softmax_1_over_several_axes_is_taken_apart),
        TEST(batch_norm_7),
        TEST(upsample_7),
        TEST(upsample_ended_with_opset_9),
        TEST(resize_began_with_opset_10),
        TEST(resize_10_rounds_up_when_it_shrinks),
        TEST(resize_10_rounds_down_when_it_enlarges),
        TEST(resize_11_with_empty_scales),
        TEST(resize_11_with_pixels_of_tensorflow),
        TEST(resize_18_of_two_axes),
        TEST(resize_18_of_two_axes_beside_a_free_one),
        TEST(resize_18_antialias_is_refused),
        TEST(quantize_21_gets_a_zero_point_of_its_type),
        TEST(gelu_20_stays_an_op),
        TEST(a_chain_that_is_gelu_becomes_gelu),
        TEST(a_chain_that_is_not_quite_gelu_stays),
        TEST(a_chain_whose_middle_is_an_output_stays),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
