#include "tests/lib/heap.h"
#include "tests/lib/model.h"
#include "tests/lib/random_graph.h"
#include "tests/lib/same_graph.h"
#include "tests/lib/tmp.h"
#include "tests/lib/unit.h"

#include "base/mem.h"
#include "graph/infer.h"
#include "onnx/export.h"
#include "onnx/import.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- out and in again --------------------------------------------------- */

/* External data by name, out of an export. */
static int open_blob(void *arg, const char *location, struct blob **blob,
                     struct err *err)
{
    const struct export *out = arg;

    for (size_t i = 0; i < out->n_blobs; i++) {
        char hex[DIGEST_HEX];

        digest_hex(&out->blobs[i].digest, hex);
        if (strcmp(hex, location) == 0) {
            *blob = blob_copy(out->blobs[i].data, out->blobs[i].size);
            return *blob != NULL ? 0 : EDGE_ENOMEM;
        }
    }
    return err_set(err, EDGE_ENOENT, "no blob %s", location);
}

static struct graph *back_from_blobs(const struct graph *graph)
{
    struct err err = {.text = ""};
    struct graph *back = NULL;
    struct export out;

    if (export_graph(graph, &out, &err) < 0 ||
        import_blob(out.model, "exported", open_blob, &out, &back, &err) < 0) {
        fail_msg("%s", err.text);
    }
    export_deinit(&out);
    return back;
}

static struct graph *back_from_file(const struct graph *graph)
{
    struct err err = {.text = ""};
    struct graph *back = NULL;
    struct tmp tmp;

    tmp_init(&tmp);
    if (export_file(graph, tmp_path(&tmp, "m.onnx"), &err) < 0 ||
        import_file(tmp_path(&tmp, "m.onnx"), &back, &err) < 0) {
        fail_msg("%s", err.text);
    }
    tmp_deinit(&tmp);
    return back;
}

static void check_both_ways(const struct graph *graph)
{
    struct graph *back = back_from_blobs(graph);

    assert_same_graph(graph, back);
    graph_free(back);
    back = back_from_file(graph);
    assert_same_graph(graph, back);
    graph_free(back);
}

/* ---- fixture: input x (2x4), and what a test adds ------------------------ */

struct fix {
    struct graph *g;
    int x;
};

static int set_up(void **state)
{
    struct fix *f = mem_new(struct fix);

    if (f == NULL) {
        return -1;
    }
    f->g = graph_new("g");
    f->x = model_input(f->g, "x", DTYPE_F32, DIMS(2, 4));
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fix *f = *state;

    heap_heal();
    graph_free(f->g);
    mem_free(f);
    return 0;
}

static struct export exported(const struct graph *g)
{
    struct err err = {.text = ""};
    struct export out;

    if (export_graph(g, &out, &err) < 0) {
        fail_msg("%s", err.text);
    }
    return out;
}

static bool has_text(const struct blob *blob, const char *text)
{
    return memmem(blob->data, blob->size, text, strlen(text)) != NULL;
}

/* ---- tests -------------------------------------------------------------- */

static void test_small_constants_are_inside(void **state)
{
    struct fix *f = *state;
    int w = model_f32(f->g, "w", 1, 1, DIMS(4));
    struct export out;

    model_output(f->g, model_op(f->g, OP_MUL, "y", IN(f->x, w)));
    out = exported(f->g);
    assert_int_equal(out.n_blobs, 0);
    export_deinit(&out);
    check_both_ways(f->g);
}

static void test_large_constants_are_beside_by_their_hash(void **state)
{
    struct fix *f = *state;
    int w = model_f32(f->g, "w", 1, 1, DIMS(4, 64));
    struct digest digest;
    char hex[DIGEST_HEX];
    struct export out;

    model_output(f->g, model_op(f->g, OP_MATMUL, "y", IN(f->x, w)));
    out = exported(f->g);
    assert_int_equal(out.n_blobs, 1);
    assert_int_equal(out.blobs[0].size, 1024);
    assert_ptr_equal(out.blobs[0].data, f->g->values[w].data.data);
    digest_of(out.blobs[0].data, 1024, &digest);
    assert_true(digest_equal(&digest, &out.blobs[0].digest));
    digest_hex(&digest, hex);
    assert_true(has_text(out.model, hex));
    assert_true(out.model->size < 1024);
    export_deinit(&out);
    check_both_ways(f->g);
}

static void test_equal_constants_are_one_blob(void **state)
{
    struct fix *f = *state;
    int a = model_f32(f->g, "a", 1, 1, DIMS(4, 64));
    int b = model_f32(f->g, "b", 1, 1, DIMS(4, 64));
    struct export out;
    int ya = model_op(f->g, OP_MATMUL, "ya", IN(f->x, a));
    int yb = model_op(f->g, OP_MATMUL, "yb", IN(f->x, b));

    model_output(f->g, model_op(f->g, OP_ADD, "y", IN(ya, yb)));
    out = exported(f->g);
    assert_int_equal(out.n_blobs, 1);
    export_deinit(&out);
    check_both_ways(f->g);
}

static void test_uniform_constants_are_told_by_one_element(void **state)
{
    struct fix *f = *state;
    int w = model_f32(f->g, "w", 0.25f, 0, DIMS(4, 1000));
    struct export out;

    model_output(f->g, model_op(f->g, OP_MATMUL, "y", IN(f->x, w)));
    out = exported(f->g);
    assert_int_equal(out.n_blobs, 0);
    assert_true(out.model->size < 512);
    assert_true(has_text(out.model, "ConstantOfShape"));
    export_deinit(&out);
    check_both_ways(f->g);
}

static void test_what_nothing_reads_stays_behind(void **state)
{
    struct fix *f = *state;
    struct export out;

    (void)model_f32(f->g, "unread", 1, 1, DIMS(4, 64));
    model_output(f->g, model_op(f->g, OP_RELU, "y", IN(f->x)));
    out = exported(f->g);
    assert_int_equal(out.n_blobs, 0);
    assert_false(has_text(out.model, "unread"));
    export_deinit(&out);
}

static void test_same_graph_same_bytes(void **state)
{
    struct rng rng;
    struct graph *g;
    struct graph *copy = NULL;
    struct export a;
    struct export b;

    (void)state;
    rng_init(&rng, 7);
    g = random_graph(&rng, 30);
    assert_int_equal(graph_clone(g, &copy), 0);
    a = exported(g);
    b = exported(copy);
    assert_int_equal(a.model->size, b.model->size);
    assert_memory_equal(a.model->data, b.model->data, a.model->size);
    export_deinit(&a);
    export_deinit(&b);
    graph_free(copy);
    graph_free(g);
}

static void test_every_kind_of_attribute(void **state)
{
    struct fix *f = *state;
    int s = model_ints(f->g, "s", 2, (int64_t[]){2, 4});
    int c = model_op(f->g, OP_CONSTANT_OF_SHAPE, "c", IN(s));
    struct tensor one;
    int a;

    assert_int_equal(
        tensor_init(&one, DTYPE_F32, &(struct shape){.rank = 1, .dims = {1}}),
        0);
    *(float *)one.data = 3;
    assert_int_equal(op_set_tensor(model_last(f->g), "value", &one), 0);
    a = model_op(f->g, OP_LEAKY_RELU, "a", IN(f->x));
    model_set_float(f->g, "alpha", 0.125f);
    a = model_op(f->g, OP_TRANSPOSE, "b", IN(a));
    model_set_ints(f->g, "perm", 2, (int64_t[]){0, 1});
    a = model_op(f->g, OP_SOFTMAX, "d", IN(a));
    model_set_int(f->g, "axis", -1);
    model_output(f->g, model_op(f->g, OP_ADD, "y", IN(a, c)));
    check_both_ways(f->g);
}

static void test_optional_inputs_may_be_left_out(void **state)
{
    struct fix *f = *state;
    int six = model_f32(f->g, "six", 6, 0, SCALAR);

    model_output(f->g, model_op(f->g, OP_CLIP, "y", IN(f->x, -1, six)));
    check_both_ways(f->g);
}

static void test_axes_of_reduce_mean_go_out_as_an_attribute(void **state)
{
    struct fix *f = *state;
    int axes = model_ints(f->g, "the_axes", 1, (int64_t[]){1});
    struct export out;

    model_output(f->g, model_op(f->g, OP_REDUCE_MEAN, "y", IN(f->x, axes)));
    out = exported(f->g);
    assert_true(has_text(out.model, "axes"));
    assert_false(has_text(out.model, "the_axes"));
    export_deinit(&out);
    check_both_ways(f->g);
}

static void test_axes_of_reduce_sum_stay_an_input(void **state)
{
    struct fix *f = *state;
    int axes = model_ints(f->g, "the_axes", 1, (int64_t[]){1});

    model_output(f->g, model_op(f->g, OP_REDUCE_SUM, "y", IN(f->x, axes)));
    check_both_ways(f->g);
}

static void test_axes_of_reduce_sum_become_an_input(void **state)
{
    struct fix *f = *state;
    struct graph *back;

    model_output(f->g, model_op(f->g, OP_REDUCE_SUM, "y", IN(f->x)));
    model_set_ints(f->g, "axes", DIMS(-1));
    back = back_from_blobs(f->g);
    assert_int_equal(back->ops[0].n_in, 2);
    assert_same_graph(f->g, back);
    graph_free(back);
}

static void test_a_reduction_of_no_axes_is_identity(void **state)
{
    struct fix *f = *state;
    struct graph *back;

    model_output(f->g, model_op(f->g, OP_REDUCE_MAX, "y", IN(f->x)));
    model_set_int(f->g, "noop_with_empty_axes", 1);
    back = back_from_blobs(f->g);
    assert_int_equal(back->n_ops, 1);
    assert_int_equal(back->ops[0].kind, OP_IDENTITY);
    graph_free(back);
}

static void test_computed_axes_are_refused(void **state)
{
    struct fix *f = *state;
    int axes = model_input(f->g, "axes", DTYPE_I64, DIMS(1));
    struct err err = {.text = ""};
    struct export out;

    model_output(f->g, model_op(f->g, OP_REDUCE_MEAN, "y", IN(f->x, axes)));
    assert_int_equal(export_graph(f->g, &out, &err), EDGE_EUNSUPPORTED);
    assert_string_equal(err.text,
                        "export \"g\": ReduceMean \"y\": axes that are "
                        "computed cannot be written in opset 17");
    assert_null(out.model);
}

static void check_gelu(struct fix *f, const char *how, const char *inside)
{
    struct export out;

    model_output(f->g, model_op(f->g, OP_GELU, "y", IN(f->x)));
    if (how != NULL) {
        model_set_string(f->g, "approximate", how);
    }
    out = exported(f->g);
    assert_false(has_text(out.model, "Gelu"));
    assert_true(has_text(out.model, inside));
    export_deinit(&out);
    check_both_ways(f->g);
}

static void test_gelu_goes_out_in_parts_and_comes_back_whole(void **state)
{
    check_gelu(*state, NULL, "Erf");
}

static void test_gelu_tanh_goes_out_in_parts_and_comes_back_whole(void **state)
{
    check_gelu(*state, "tanh", "Tanh");
}

static void test_two_gelus_in_a_row(void **state)
{
    struct fix *f = *state;
    int a = model_op(f->g, OP_GELU, "a", IN(f->x));

    model_output(f->g, model_op(f->g, OP_GELU, "y", IN(a)));
    check_both_ways(f->g);
}

/* 27 + 2 pads under windows of 2: the 15th would lie over a pad alone. */
static struct graph *pool_and_back(enum op_kind kind, int64_t height,
                                   bool counts_pads)
{
    struct graph *g = graph_new("g");
    int x = model_input(g, "x", DTYPE_F32, DIMS(1, 1, height, 27));
    struct graph *back;

    model_output(g, model_op(g, kind, "y", IN(x)));
    model_set_ints(g, "kernel_shape", DIMS(3, 2));
    model_set_ints(g, "strides", DIMS(2, 2));
    model_set_ints(g, "pads", DIMS(1, 1, 0, 1));
    model_set_int(g, "ceil_mode", 1);
    if (counts_pads) {
        model_set_int(g, "count_include_pad", 1);
    }
    assert_int_equal(infer_graph(g, NULL), 0);
    assert_int_equal(g->values[g->outputs[0]].shape.dims[3], 14);
    back = back_from_blobs(g);
    assert_same_graph(g, back);
    graph_free(g);
    return back;
}

static void check_pads(const struct graph *g, int64_t bottom)
{
    int64_t pads[4];

    assert_int_equal(op_int(&g->ops[0], "ceil_mode", 0), 0);
    assert_int_equal(op_ints(&g->ops[0], "pads", pads, 4), 4);
    assert_int_equal(pads[2], bottom);
    assert_int_equal(pads[3], 1);
}

static void test_a_window_over_nothing_goes_out_without_ceil_mode(void **state)
{
    struct graph *back = pool_and_back(OP_MAX_POOL, 8, false);

    (void)state;
    check_pads(back, 0);
    graph_free(back);
}

static void test_a_last_window_that_counts_gets_its_pad(void **state)
{
    struct graph *back = pool_and_back(OP_AVERAGE_POOL, 9, false);

    (void)state;
    check_pads(back, 1);
    graph_free(back);
}

static void test_a_pad_that_would_count_is_not_written(void **state)
{
    struct graph *back = pool_and_back(OP_AVERAGE_POOL, 9, true);

    (void)state;
    assert_int_equal(op_int(&back->ops[0], "ceil_mode", 0), 1);
    graph_free(back);
}

static void test_metadata_and_free_dimensions(void **state)
{
    struct fix *f = *state;
    struct export out;

    f->g->values[f->x].shape.dims[0] = -1;
    assert_int_equal(graph_add_meta(f->g, "dim_param/x/0", "batch"), 0);
    assert_int_equal(graph_add_meta(f->g, "mean", "0.5,0.5"), 0);
    model_output(f->g, model_op(f->g, OP_RELU, "y", IN(f->x)));
    out = exported(f->g);
    assert_false(has_text(out.model, "dim_param"));
    export_deinit(&out);
    check_both_ways(f->g);
}

static void test_an_output_may_be_an_input(void **state)
{
    struct fix *f = *state;

    f->g->values[f->x].shape.dims[0] = -1;
    assert_int_equal(graph_add_meta(f->g, "dim_param/x/0", "batch"), 0);
    model_output(f->g, f->x);
    check_both_ways(f->g);
}

static void test_shapes_of_outputs_are_inferred_where_missing(void **state)
{
    struct fix *f = *state;
    struct graph *back;

    model_output(f->g, model_op(f->g, OP_RELU, "y", IN(f->x)));
    f->g->values[f->g->outputs[0]].dtype = DTYPE_NONE;
    f->g->values[f->g->outputs[0]].has_shape = false;
    back = back_from_blobs(f->g);
    assert_int_equal(back->values[back->outputs[0]].dtype, DTYPE_F32);
    assert_int_equal(back->values[back->outputs[0]].shape.dims[1], 4);
    graph_free(back);
}

static void test_made_up_names_do_not_clash(void **state)
{
    struct fix *f = *state;
    int w = model_f32(f->g, "w", 0.25f, 0, DIMS(4, 256));
    int s = model_f32(f->g, "w/shape", 1, 1, DIMS(256));
    int a = model_op(f->g, OP_MATMUL, "a", IN(f->x, w));

    model_output(f->g, model_op(f->g, OP_ADD, "y", IN(a, s)));
    check_both_ways(f->g);
}

static void test_random_graphs_come_back_the_same(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 60; seed++) {
        struct rng rng;
        struct graph *g;

        rng_init(&rng, seed);
        g = random_graph(&rng, 5 + (int)rng_below(&rng, 40));
        check_both_ways(g);
        graph_free(g);
    }
}

static int export_once(void *arg)
{
    struct export out;
    int rc = export_graph(arg, &out, NULL);

    if (rc == 0) {
        export_deinit(&out);
    }
    return rc;
}

static void test_every_allocation_may_fail(void **state)
{
    struct fix *f = *state;
    int w = model_f32(f->g, "w", 1, 1, DIMS(4, 64));
    int u = model_f32(f->g, "u", 2, 0, DIMS(64, 16));
    int a = model_op(f->g, OP_MATMUL, "a", IN(f->x, w));
    int b = model_op(f->g, OP_MATMUL, "b", IN(a, u));

    assert_int_equal(graph_add_meta(f->g, "k", "v"), 0);
    model_output(f->g, model_op(f->g, OP_GELU, "y", IN(b)));
    assert_true(heap_each(export_once, f->g) > 40);
}

static void test_a_file_that_cannot_be_written(void **state)
{
    struct fix *f = *state;
    struct err err = {.text = ""};

    model_output(f->g, model_op(f->g, OP_RELU, "y", IN(f->x)));
    assert_int_equal(export_file(f->g, "/nonexistent/m.onnx", &err),
                     EDGE_ENOENT);
    assert_string_equal(err.text,
                        "export \"g\": cannot write /nonexistent/m.onnx.part: "
                        "No such file or directory");
}

/* Every model of the shared data, out and in again in both forms. */
static void test_real_models_come_back_the_same(void **state)
{
    const char *data = getenv("EDGE_DATA");
    char path[512];
    struct dirent *entry;
    size_t n = 0;
    DIR *dir;

    (void)state;
    (void)snprintf(path, sizeof(path), "%s/models",
                   data != NULL ? data : "../shared/data");
    dir = opendir(path);
    if (dir == NULL) {
        SKIP_TEST("there is no shared/data/models");
    }
    while ((entry = readdir(dir)) != NULL) {
        struct err err = {.text = ""};
        struct graph *g = NULL;

        if (entry->d_name[0] == '.') {
            continue;
        }
        (void)snprintf(path, sizeof(path), "%s/models/%s/model.onnx",
                       data != NULL ? data : "../shared/data", entry->d_name);
        if (import_file(path, &g, &err) < 0) {
            fail_msg("%s", err.text);
        }
        check_both_ways(g);
        graph_free(g);
        n++;
    }
    (void)closedir(dir);
    assert_true(n > 0);
}

#define TEST(name) \
    cmocka_unit_test_setup_teardown(test_##name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(small_constants_are_inside),
        TEST(large_constants_are_beside_by_their_hash),
        TEST(equal_constants_are_one_blob),
        TEST(uniform_constants_are_told_by_one_element),
        TEST(what_nothing_reads_stays_behind),
        TEST(same_graph_same_bytes),
        TEST(every_kind_of_attribute),
        TEST(optional_inputs_may_be_left_out),
        TEST(axes_of_reduce_mean_go_out_as_an_attribute),
        TEST(axes_of_reduce_sum_stay_an_input),
        TEST(axes_of_reduce_sum_become_an_input),
        TEST(a_reduction_of_no_axes_is_identity),
        TEST(computed_axes_are_refused),
        TEST(gelu_goes_out_in_parts_and_comes_back_whole),
        TEST(gelu_tanh_goes_out_in_parts_and_comes_back_whole),
        TEST(two_gelus_in_a_row),
        TEST(a_window_over_nothing_goes_out_without_ceil_mode),
        TEST(a_last_window_that_counts_gets_its_pad),
        TEST(a_pad_that_would_count_is_not_written),
        TEST(metadata_and_free_dimensions),
        TEST(an_output_may_be_an_input),
        TEST(shapes_of_outputs_are_inferred_where_missing),
        TEST(made_up_names_do_not_clash),
        TEST(random_graphs_come_back_the_same),
        TEST(every_allocation_may_fail),
        TEST(a_file_that_cannot_be_written),
        TEST(real_models_come_back_the_same),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
