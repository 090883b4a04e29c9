#include "tests/lib/heap.h"
#include "tests/lib/imported.h"
#include "tests/lib/unit.h"

#include "onnx/import.h"

#include <string.h>

/* ---- what a model says -------------------------------------------------- */

static void test_a_model_comes_in_whole(void **state)
{
    struct imported *f = *state;
    static const float w[6] = {1, 2, 3, 4, 5, 6};
    const struct op *op;

    onnx_begin(&f->m, 17);
    onnx_input(&f->m, "x", ONNX_F32, LIST(-1, 3));
    onnx_init(&f->m, "w", ONNX_F32, LIST(2, 3), w, sizeof(w));
    onnx_node(&f->m, "Gemm", "x w", "y");
    onnx_node_name(&f->m, "fc");
    onnx_int(&f->m, "transB", 1);
    onnx_output(&f->m, "y");
    imported_ok(f);
    op = imported_op(f);
    assert_string_equal(op->name, "fc");
    assert_int_equal(op->kind, OP_GEMM);
    assert_int_equal(op_int(op, "transB", 0), 1);
    assert_memory_equal(imported_const(f, op, 1)->data, w, sizeof(w));
    assert_int_equal(f->graph->values[op->in[0]].shape.dims[0], -1);
    assert_string_equal(graph_meta(f->graph, "dim_param/x/0"), "N");
    assert_string_equal(f->graph->name, "test");
}

static void test_an_initializer_may_be_listed_as_input(void **state)
{
    struct imported *f = *state;
    static const float w = 2;

    onnx_begin(&f->m, 9);
    onnx_input(&f->m, "x", ONNX_F32, LIST(4));
    onnx_input(&f->m, "w", ONNX_F32, NO_DIMS);
    onnx_init(&f->m, "w", ONNX_F32, NO_DIMS, &w, sizeof(w));
    onnx_node(&f->m, "Mul", "x w", "y");
    onnx_output(&f->m, "y");
    imported_ok(f);
    assert_int_equal(f->graph->n_inputs, 1);
    imported_check_float(f, imported_op(f), 1, 2);
}

static void test_nodes_may_be_out_of_order(void **state)
{
    struct imported *f = *state;

    onnx_begin(&f->m, 17);
    onnx_input(&f->m, "x", ONNX_F32, LIST(4));
    onnx_node(&f->m, "Relu", "a", "y");
    onnx_node(&f->m, "Neg", "x", "a");
    onnx_output(&f->m, "y");
    imported_ok(f);
    assert_int_equal(f->graph->ops[0].kind, OP_NEG);
    assert_int_equal(f->graph->ops[1].kind, OP_RELU);
}

static void test_equal_node_names_are_told_apart(void **state)
{
    struct imported *f = *state;

    onnx_begin(&f->m, 17);
    onnx_input(&f->m, "x", ONNX_F32, LIST(4));
    onnx_node(&f->m, "Neg", "x", "a");
    onnx_node_name(&f->m, "n");
    onnx_node(&f->m, "Relu", "a", "y");
    onnx_node_name(&f->m, "n");
    onnx_output(&f->m, "y");
    imported_ok(f);
    assert_string_equal(f->graph->ops[0].name, "n");
    assert_string_not_equal(f->graph->ops[1].name, "n");
}

static void test_names_made_up_leave_the_files_names_alone(void **state)
{
    struct imported *f = *state;

    onnx_begin(&f->m, 7);
    onnx_input(&f->m, "value_0", ONNX_F32, LIST(4));
    onnx_node(&f->m, "Clip", "value_0", "value_2");
    onnx_float(&f->m, "min", 0);
    onnx_node(&f->m, "Relu", "value_2", "value_3");
    onnx_output(&f->m, "value_3");
    imported_ok(f);
    assert_string_equal(f->graph->values[f->graph->outputs[0]].name, "value_3");
}

/* ---- constants ---------------------------------------------------------- */

static void constant_model(struct imported *f)
{
    onnx_begin(&f->m, 13);
    onnx_input(&f->m, "x", ONNX_F32, LIST(2));
    onnx_output(&f->m, "y");
    onnx_node(&f->m, "Add", "x c", "y");
    onnx_node(&f->m, "Constant", "", "c");
}

static void test_constant_nodes_become_constants(void **state)
{
    struct imported *f = *state;
    static const float v[2] = {3, 4};

    constant_model(f);
    onnx_floats(&f->m, "value_floats", v, 2);
    imported_ok(f);
    assert_memory_equal(imported_const(f, imported_op(f), 1)->data, v,
                        sizeof(v));
}

static void test_a_constant_of_one_float_is_a_scalar(void **state)
{
    struct imported *f = *state;

    constant_model(f);
    onnx_float(&f->m, "value_float", 7);
    imported_ok(f);
    imported_check_float(f, imported_op(f), 1, 7);
}

static void test_a_constant_tensor(void **state)
{
    struct imported *f = *state;
    static const float v[2] = {3, 4};

    constant_model(f);
    onnx_tensor(&f->m, "value", ONNX_F32, LIST(2), v, sizeof(v));
    imported_ok(f);
    assert_memory_equal(imported_const(f, imported_op(f), 1)->data, v,
                        sizeof(v));
}

static void test_a_constant_string_is_refused(void **state)
{
    struct imported *f = *state;

    constant_model(f);
    onnx_string(&f->m, "value_string", "a");
    imported_refused(
        f, EDGE_EUNSUPPORTED,
        "m.onnx: node 1 (output \"c\") (Constant): a constant must be a "
        "dense tensor, or integers or floats");
}

/* ---- refusals ----------------------------------------------------------- */

static void test_the_first_unsupported_operator_is_named(void **state)
{
    struct imported *f = *state;

    imported_one_node(f, 17, "Relu", LIST(4));
    onnx_node(&f->m, "LSTM", "x x x", "z");
    onnx_node_name(&f->m, "Foo_12");
    onnx_node(&f->m, "GRU", "x x x", "v");
    imported_refused(
        f, EDGE_EUNSUPPORTED,
        "m.onnx: node \"Foo_12\" uses operator LSTM, which edged does not "
        "support");
}

static void test_an_unnamed_node_goes_by_number_and_output(void **state)
{
    struct imported *f = *state;

    imported_one_node(f, 17, "LSTM", LIST(4));
    imported_refused(
        f, EDGE_EUNSUPPORTED,
        "m.onnx: node 0 (output \"y\") uses operator LSTM, which edged "
        "does not support");
}

static void test_other_domains_are_refused(void **state)
{
    struct imported *f = *state;

    imported_one_node(f, 17, "Relu", LIST(4));
    onnx_put_text(&f->m.node, 7, "com.example");
    imported_refused(
        f, EDGE_EUNSUPPORTED,
        "m.onnx: node 0 (output \"y\") uses operator com.example::Relu, "
        "which edged does not support");
}

static void test_the_domain_of_onnx_has_two_names(void **state)
{
    struct imported *f = *state;

    imported_one_node(f, 17, "Relu", LIST(4));
    onnx_put_text(&f->m.node, 7, "ai.onnx");
    imported_ok(f);
}

static void test_an_attribute_of_a_newer_opset_is_refused(void **state)
{
    struct imported *f = *state;

    imported_one_node(f, 9, "MaxPool", LIST(1, 1, 4, 4));
    onnx_ints(&f->m, "kernel_shape", LIST(2, 2));
    onnx_int(&f->m, "ceil_mode", 1);
    imported_refused(
        f, EDGE_EUNSUPPORTED,
        "m.onnx: node 0 (output \"y\") (MaxPool): it has no attribute "
        "\"ceil_mode\" in opset 9");
}

static void test_a_missing_attribute_is_named(void **state)
{
    struct imported *f = *state;

    imported_one_node(f, 17, "MaxPool", LIST(1, 1, 4, 4));
    imported_refused(f, EDGE_EINVAL,
                     "m.onnx: node 0 (output \"y\") (MaxPool): attribute "
                     "\"kernel_shape\" is missing");
}

static void test_names_are_made_fit_to_print(void **state)
{
    struct imported *f = *state;

    imported_one_node(f, 17, "LSTM", LIST(4));
    onnx_node_name(&f->m, "a\033[2J\nb");
    imported_refused(
        f, EDGE_EUNSUPPORTED,
        "m.onnx: node \"a?[2J?b\" uses operator LSTM, which edged does not "
        "support");
}

static void test_a_long_name_is_cut_in_messages(void **state)
{
    struct imported *f = *state;
    char name[1001];

    memset(name, 'n', 1000);
    name[1000] = '\0';
    imported_one_node(f, 17, "LSTM", LIST(4));
    onnx_node_name(&f->m, name);
    imported_take(f);
    assert_int_equal(f->rc, EDGE_EUNSUPPORTED);
    assert_non_null(strstr(f->err.text, "nnn...\" uses operator LSTM"));
}

/* ---- memory ------------------------------------------------------------- */

static int import_once(void *arg)
{
    struct graph *graph = NULL;
    int rc = import_blob(arg, "m.onnx", NULL, NULL, &graph, NULL);

    graph_free(graph);
    return rc;
}

static void test_every_allocation_may_fail(void **state)
{
    struct imported *f = *state;
    struct blob *file;
    static const float w[4] = {1, 2, 3, 4};

    onnx_begin(&f->m, 9);
    onnx_input(&f->m, "x", ONNX_F32, LIST(-1, 2, 2));
    onnx_init(&f->m, "w", ONNX_F32, LIST(2, 2), w, sizeof(w));
    onnx_node(&f->m, "Add", "x w", "a");
    onnx_node(&f->m, "Clip", "a", "b");
    onnx_float(&f->m, "min", 0);
    onnx_node(&f->m, "Pad", "b", "c");
    onnx_ints(&f->m, "pads", LIST(0, 0, 0, 0, 0, 1));
    onnx_node(&f->m, "Softmax", "c", "y");
    onnx_output(&f->m, "y");
    file = onnx_end(&f->m);
    assert_true(heap_each(import_once, file) > 50);
    blob_unref(file);
}

static void test_aligned_data_is_not_copied(void **state)
{
    struct imported *f = *state;
    static const uint8_t v[64] = {1};
    struct blob *file;
    const uint8_t *data;

    onnx_begin(&f->m, 17);
    onnx_input(&f->m, "x", ONNX_U8, LIST(64));
    onnx_init(&f->m, "v", ONNX_U8, LIST(64), v, sizeof(v));
    onnx_node(&f->m, "Equal", "x v", "b");
    onnx_node(&f->m, "Cast", "b", "y");
    onnx_int(&f->m, "to", ONNX_F32);
    onnx_output(&f->m, "y");
    file = onnx_end(&f->m);
    assert_int_equal(import_blob(file, "m", NULL, NULL, &f->graph, &f->err), 0);
    data = imported_const(f, &f->graph->ops[0], 1)->data;
    assert_true(data > file->data && data < file->data + file->size);
    blob_unref(file);
    assert_memory_equal(data, v, sizeof(v)); /* it keeps the file */
}

#define TEST(name)                                                \
    cmocka_unit_test_setup_teardown(test_##name, imported_set_up, \
                                    imported_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_model_comes_in_whole),
        TEST(an_initializer_may_be_listed_as_input),
        TEST(nodes_may_be_out_of_order),
        TEST(equal_node_names_are_told_apart),
        TEST(names_made_up_leave_the_files_names_alone),
        TEST(constant_nodes_become_constants),
        TEST(a_constant_of_one_float_is_a_scalar),
        TEST(a_constant_tensor),
        TEST(a_constant_string_is_refused),
        TEST(the_first_unsupported_operator_is_named),
        TEST(an_unnamed_node_goes_by_number_and_output),
        TEST(other_domains_are_refused),
        TEST(the_domain_of_onnx_has_two_names),
        TEST(an_attribute_of_a_newer_opset_is_refused),
        TEST(a_missing_attribute_is_named),
        TEST(names_are_made_fit_to_print),
        TEST(a_long_name_is_cut_in_messages),
        TEST(every_allocation_may_fail),
        TEST(aligned_data_is_not_copied),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
