/* A new head: what changes, what stays, and what has none to change. */
#include "onnx/head.h"

#include "graph/infer.h"
#include "onnx/zoo.h"
#include "tests/lib/heap.h"
#include "tests/lib/model.h"
#include "tests/lib/unit.h"

#include <string.h>

static struct err err;

static struct graph *zoo(const char *name)
{
    struct zoo_options options = {.seed = 3, .form = "cifar", .width = 0.25};
    struct graph *g = NULL;

    if (zoo_make(name, &options, &g, &err) < 0) {
        fail_msg("%s", err.text);
    }
    return g;
}

/* N x 8 x 6 x 6, with a layer of five classes on top by `more`. */
static struct graph *small(void (*more)(struct graph *, int))
{
    struct graph *g = graph_new("small");

    more(g, model_input(g, "x", DTYPE_F32, DIMS(-1, 8, 6, 6)));
    assert_int_equal(graph_check(g, &err), 0);
    return g;
}

static void check_replaced(struct graph *g, int64_t classes)
{
    const struct value *out;

    assert_int_equal(graph_check(g, &err), 0);
    assert_int_equal(infer_bind_batch(g, 2, &err), 0);
    if (infer_graph(g, &err) < 0) {
        fail_msg("%s", err.text);
    }
    out = &g->values[g->outputs[0]];
    assert_int_equal(out->shape.rank, 2);
    assert_int_equal(out->shape.dims[1], classes);
    graph_free(g);
}

static void a_dense_layer_is_drawn_anew(void **state)
{
    struct graph *was = zoo("vgg11");
    struct graph *g = zoo("vgg11");
    size_t changed = 0;

    (void)state;
    assert_int_equal(graph_add_meta(g, "edged.labels", "cat\ndog\n"), 0);
    assert_int_equal(head_replace(g, 4, 1, &err), 0);
    assert_null(graph_meta(g, "edged.labels"));
    assert_non_null(graph_meta(g, "edged.input"));
    for (size_t i = 0; i < was->n_values; i++) {
        const struct tensor *old = &was->values[i].data;
        const struct value *v = model_value(g, was->values[i].name);

        changed += old->blob != NULL &&
                   (tensor_bytes(old) != tensor_bytes(&v->data) ||
                    memcmp(old->data, v->data.data, tensor_bytes(old)) != 0);
    }
    assert_int_equal(changed, 2); /* fc.weight and fc.bias */
    assert_true(((const float *)model_value(g, "fc.weight")->data.data)[0] !=
                0.0F);
    assert_true(((const float *)model_value(g, "fc.bias")->data.data)[3] ==
                0.0F);
    graph_free(was);
    check_replaced(g, 4);
}

static void the_seed_decides(void **state)
{
    struct graph *g[3];
    const void *weights[3];

    (void)state;
    for (uint64_t i = 0; i < 3; i++) {
        g[i] = zoo("vgg11");
        assert_int_equal(head_replace(g[i], 4, i / 2, &err), 0);
        weights[i] = model_value(g[i], "fc.weight")->data.data;
    }
    assert_memory_equal(weights[0], weights[1], 4 * sizeof(float));
    assert_memory_not_equal(weights[0], weights[2], 4 * sizeof(float));
    for (size_t i = 0; i < 3; i++) {
        graph_free(g[i]);
    }
}

/* SqueezeNet's: a convolution, averaged, then a Reshape that has a number. */
static void conv_and_reshape(struct graph *g, int x)
{
    int y = model_op(g, OP_CONV, "conv",
                     IN(x, model_f32(g, "w", 1, 0, DIMS(5, 8, 1, 1)),
                        model_f32(g, "b", 1, 0, DIMS(5))));

    y = model_op(g, OP_RELU, "relu", IN(y));
    y = model_op(g, OP_GLOBAL_AVERAGE_POOL, "pool", IN(y));
    y = model_op(g, OP_RESHAPE, "list",
                 IN(y, model_ints(g, "to", 2, (int64_t[]){-1, 5})));
    model_output(g, model_op(g, OP_SOFTMAX, "prob", IN(y)));
}

static void product_and_bias(struct graph *g, int x)
{
    int y = model_op(g, OP_FLATTEN, "flat", IN(x));

    y = model_op(g, OP_MATMUL, "product",
                 IN(y, model_f32(g, "w", 1, 0, DIMS(288, 5))));
    model_output(g, model_op(g, OP_ADD, "scores",
                             IN(model_f32(g, "b", 1, 0, DIMS(1, 5)), y)));
}

static void what_follows_is_adapted(void **state)
{
    static void (*const makes[])(struct graph *, int) = {conv_and_reshape,
                                                         product_and_bias};

    (void)state;
    for (size_t i = 0; i < sizeof(makes) / sizeof(makes[0]); i++) {
        struct graph *g = small(makes[i]);

        if (head_replace(g, 11, 1, &err) < 0) {
            fail_msg("%s", err.text);
        }
        check_replaced(g, 11);
    }
}

/* ---- those that have none ---- */

static void no_weights(struct graph *g, int x)
{
    model_output(g, model_op(g, OP_FLATTEN, "flat", IN(x)));
}

static void another_end(struct graph *g, int x)
{
    int y = model_op(g, OP_CONV, "conv",
                     IN(x, model_f32(g, "w", 1, 0, DIMS(5, 8, 1, 1))));

    model_output(g, model_op(g, OP_SIGMOID, "sigmoid", IN(y)));
}

static void two_outputs(struct graph *g, int x)
{
    conv_and_reshape(g, x);
    model_output(g, graph_find_value(g, "list"));
}

static void a_branch(struct graph *g, int x)
{
    int y = model_op(g, OP_CONV, "conv",
                     IN(x, model_f32(g, "w", 1, 0, DIMS(8, 8, 1, 1))));

    model_output(g, model_op(g, OP_ADD, "sum", IN(y, x)));
}

static void groups(struct graph *g, int x)
{
    int y = model_op(g, OP_CONV, "conv",
                     IN(x, model_f32(g, "w", 1, 0, DIMS(8, 1, 1, 1))));

    model_set_int(g, "group", 8);
    model_output(g, y);
}

static void others_are_refused(void **state)
{
    static const struct {
        void (*make)(struct graph *, int);
        const char *says;
    } rows[] = {
        {no_weights, "no layer with weights"},
        {another_end, "\"sigmoid\""},
        {two_outputs, "2 outputs"},
        {a_branch, "Add \"sum\""},
        {groups, "in groups"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct graph *g = small(rows[i].make);

        assert_int_equal(head_replace(g, 4, 1, &err), EDGE_EUNSUPPORTED);
        if (strstr(err.text, rows[i].says) == NULL) {
            fail_msg("%s", err.text);
        }
        graph_free(g);
    }
}

/* ---- no memory ---- */

static void no_allocation_is_taken_for_granted(void **state)
{
    struct graph *g = NULL;
    unsigned n;
    int rc = -1;

    (void)state;
    for (n = 1; rc < 0; n++) {
        g = small(conv_and_reshape);
        heap_fail_at(n);
        rc = head_replace(g, 4, 1, &err);
        heap_fail_at(0);
        if (rc < 0) {
            assert_int_equal(rc, EDGE_ENOMEM);
        }
        graph_free(g);
    }
    heap_heal();
    assert_true(n > 5);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_dense_layer_is_drawn_anew),
        cmocka_unit_test(the_seed_decides),
        cmocka_unit_test(what_follows_is_adapted),
        cmocka_unit_test(others_are_refused),
        cmocka_unit_test(no_allocation_is_taken_for_granted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
