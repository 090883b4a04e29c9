#include "tests/lib/heap.h"
#include "tests/lib/run_graph.h"
#include "tests/lib/unit.h"

#include "base/mem.h"
#include "base/store.h"
#include "config/cluster.h"
#include "graph/infer.h"
#include "onnx/zoo.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static struct graph *make(const char *name, struct zoo_options options)
{
    struct err err = {.text = ""};
    struct graph *graph = NULL;

    if (zoo_make(name, &options, &graph, &err) < 0) {
        fail_msg("%s", err.text);
    }
    assert_int_equal(graph_check(graph, &err), 0);
    return graph;
}

/* ---- sizes of the published nets ---------------------------------------- */

static double macs_of(struct graph *g)
{
    double macs = 0;
    struct err err;

    assert_int_equal(infer_bind_batch(g, 1, &err), 0);
    assert_int_equal(infer_graph(g, &err), 0);
    for (size_t k = 0; k < g->n_ops; k++) {
        struct op_cost cost;

        infer_cost(g, &g->ops[k], &cost);
        macs += cost.macs;
    }
    return macs;
}

/* Parameters that are published: torchvision 0.13 for ImageNet; prototypes 2
 * and 4 for MobileNetV2 and cifar10_quick; kuangliu/pytorch-cifar for the
 * others of CIFAR; Caffe's for lenet. alexnet is one stream: conv 17,472 +
 * 153,728 + 221,376 + 331,968 + 221,312, dense 25,694,208 + 16,781,312 +
 * 4,097,000. */
static const struct {
    const char *name;
    const char *form;
    int64_t parameters;
    double mmacs; /* 0: nobody says */
} published[] = {
    {"alexnet", "imagenet", 47518376, 0},
    {"cifar10_quick", "cifar", 145578, 12.4},
    {"lenet", "mnist", 431080, 2.3},
    {"mobilenetv2", "imagenet", 3504872, 300.8},
    {"mobilenetv2", "cifar", 2296922, 91.2},
    {"resnet18", "imagenet", 11689512, 1814.1},
    {"resnet18", "cifar", 11173962, 555.4},
    {"resnet50", "imagenet", 25557032, 4089.2},
    {"resnet50", "cifar", 23520842, 1297.8},
    {"vgg11", "imagenet", 132863336, 7609.1},
    {"vgg11_bn", "imagenet", 132868840, 7609.1},
    {"vgg11_bn", "cifar", 9231114, 0},
    {"vgg16", "imagenet", 138357544, 15470.3},
    {"vgg16_bn", "imagenet", 138365992, 15470.3},
    {"vgg16_bn", "cifar", 14728266, 313.2},
};
#define N_PUBLISHED (sizeof(published) / sizeof(published[0]))

static void the_list_says_what_is_published(void **state)
{
    struct zoo_entry e;

    (void)state;
    for (size_t k = 0; k < N_PUBLISHED; k++) {
        size_t i = 0;

        while (zoo_list(i, &e) && (strcmp(e.name, published[k].name) != 0 ||
                                   strcmp(e.form, published[k].form) != 0)) {
            i++;
        }
        assert_true(zoo_list(i, &e));
        assert_int_equal(e.parameters, published[k].parameters);
        assert_true(published[k].mmacs <= 0 ||
                    fabs(e.mmacs - published[k].mmacs) < 0.05);
    }
}

static void all_are_as_the_list_says(void **state)
{
    struct zoo_entry e;

    (void)state;
    for (size_t i = 0; zoo_list(i, &e); i++) {
        if (e.parameters > 100000000) {
            continue; /* half a gigabyte; tests/system/zoo.py has them */
        }
        struct graph *g = make(
            e.name, (struct zoo_options){
                        .seed = 1, .form = e.form, .init = ZOO_INIT_RANDOM});
        double macs = macs_of(g);
        const struct value *out = &g->values[g->outputs[0]];

        if (zoo_parameters(g) != e.parameters ||
            fabs(macs / 1e6 - e.mmacs) >= 0.0501) {
            fail_msg("%s, %s: %lld parameters, %.3f MMAC", e.name, e.form,
                     (long long)zoo_parameters(g), macs / 1e6);
        }
        assert_int_equal(out->shape.dims[1], e.classes);
        graph_free(g);
    }
}

static void alexnet_has_the_prototypes_map(void **state)
{
    struct graph *g = make("alexnet", (struct zoo_options){.seed = 1});
    const struct value *weight = &g->values[graph_find_value(g, "fc1.weight")];

    (void)state;
    assert_int_equal(weight->shape.dims[0], 4096);
    assert_int_equal(weight->shape.dims[1], 7 * 7 * 128);
    graph_free(g);
}

/* ---- the same everywhere, and usable ------------------------------------ */

/* A digest written down: another machine, compiler or option that made other
 * bits would be seen here. */
static void the_same_bits_on_every_machine(void **state)
{
    const struct zoo_options options = {.seed = 7,
                                        .init = ZOO_INIT_RANDOM,
                                        .classes = 10,
                                        .input = {3, 32, 32}};
    struct graph *g = make("mobilenetv2", options);
    struct digest chain[2] = {{{0}}, {{0}}}; /* of all before, of one more */
    char hex[DIGEST_HEX];

    (void)state;
    for (size_t i = 0; i < g->n_values; i++) {
        const struct tensor *t = &g->values[i].data;

        if (t->blob != NULL) {
            digest_of(t->data, tensor_bytes(t), &chain[1]);
            digest_of(chain, sizeof(chain), &chain[0]);
        }
    }
    digest_hex(&chain[0], hex);
    assert_string_equal(hex, "cfe613b9372c1dd15da9a6881239671c24d74baf65f0"
                             "f7ff90ea5e58e3e5826e");
    graph_free(g);
}

static void a_seed_changes_the_weights(void **state)
{
    struct zoo_options options = {
        .seed = 1, .classes = 3, .input = {1, 32, 32}};
    struct graph *a = make("alexnet", options);
    struct graph *b;
    const struct tensor *wa =
        &a->values[graph_find_value(a, "fc3.weight")].data;
    const struct tensor *wb;

    (void)state;
    options.seed = 2;
    b = make("alexnet", options);
    wb = &b->values[graph_find_value(b, "fc3.weight")].data;
    assert_memory_not_equal(wa->data, wb->data, tensor_bytes(wa));
    graph_free(a);
    graph_free(b);
}

#define INPUTS_MAX (ZOO_VIEWS_MAX + 1)

static void make_inputs(const struct graph *g, struct tensor *in)
{
    assert_true(g->n_inputs <= INPUTS_MAX);
    for (size_t i = 0; i < g->n_inputs; i++) {
        struct shape shape = g->values[g->inputs[i]].shape;

        shape.dims[0] = 1;
        assert_int_equal(tensor_init(&in[i], DTYPE_F32, &shape), 0);
    }
}

/* `k`: which of several. What is so small says who is there: all. */
static void fill(struct tensor *in, int k)
{
    float *x = in->data;

    for (int64_t i = 0; i < tensor_count(in); i++) {
        x[i] = in->shape.rank == 2 && tensor_count(in) <= ZOO_VIEWS_MAX &&
                       tensor_count(in) != 8 /* of parity */
                   ? 1
                   : (float)((i * 7 + k * i * i) % 101) / 50.0F - 1.0F;
    }
}

static void drop(struct tensor *tensors, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        tensor_deinit(&tensors[i]);
    }
}

/* Numbers of ordinary size come out, others for other inputs. */
static void run_once(const struct zoo_entry *e, enum zoo_init init)
{
    struct zoo_options options = {.seed = 3, .init = init, .form = e->form};
    struct graph *g;
    struct tensor in[INPUTS_MAX];
    struct tensor out[2][RUN_GRAPH_PORTS];
    double most = 0;
    struct err err;

    if (e->parameters > 1000000) { /* quicker */
        options.width = 0.25;
    }
    if (e->input[1] == 224) {
        memcpy(options.input, (int64_t[]){3, 64, 64}, sizeof(options.input));
    }
    g = make(e->name, options);
    assert_int_equal(infer_bind_batch(g, 1, &err), 0);
    assert_int_equal(infer_graph(g, &err), 0);
    make_inputs(g, in);
    for (int k = 0; k < 2; k++) {
        for (size_t p = 0; p < g->n_inputs; p++) {
            fill(&in[p], k);
        }
        run_graph(g, in, out[k]);
        assert_int_equal(tensor_count(&out[k][0]), e->classes);
        for (int64_t i = 0; i < e->classes; i++) {
            most = fmax(most, fabs(tensor_get(&out[k][0], i)));
        }
    }
    if (!(most > 1e-4 && most < 1e3)) {
        fail_msg("%s, %s, init %d: up to %g", e->name, e->form, (int)init,
                 most);
    }
    assert_memory_not_equal(out[0][0].data, out[1][0].data,
                            tensor_bytes(&out[0][0]));
    drop(out[0], g->n_outputs);
    drop(out[1], g->n_outputs);
    drop(in, g->n_inputs);
    graph_free(g);
}

static void all_of_them_run(void **state)
{
    struct zoo_entry e;

    (void)state;
    for (size_t i = 0; zoo_list(i, &e); i++) {
        run_once(&e, ZOO_INIT_RANDOM);
        run_once(&e, ZOO_INIT_TRAIN);
    }
}

/* What a picture becomes is said in the words of cluster.yaml. */
static void pictures_are_described(void **state)
{
    struct zoo_entry e;

    (void)state;
    for (size_t i = 0; zoo_list(i, &e); i++) {
        struct zoo_options options = {.form = e.form};
        struct cluster_input input;
        struct config_errors errors;
        struct graph *g;
        const char *text;

        if (e.parameters > 1000000) {
            options.width = 0.1;
        }
        g = make(e.name, options);
        text = graph_meta(g, "edged.input");
        assert_true((text != NULL) == (e.input[1] > 0));
        if (text != NULL && cluster_read_input(text, strlen(text), "model",
                                               &input, &errors) < 0) {
            fail_msg("%s, %s: %s", e.name, e.form, text);
        }
        assert_true(text == NULL ||
                    (input.width == e.input[2] && input.height == e.input[1] &&
                     (input.color == CLUSTER_COLOR_GRAY) == (e.input[0] == 1)));
        graph_free(g);
    }
}

/* ---- refused ------------------------------------------------------------ */

static void refused(void **state)
{
    static const int layers[17] = {4, 0};
    static const struct {
        const char *name;
        struct zoo_options options;
        int rc;
        const char *says;
    } rows[] = {
        {"vgg19", {.seed = 1}, EDGE_ENOENT, "mean \"vgg11\"? (of alexnet, c"},
        {"xyz", {.seed = 1}, EDGE_ENOENT, "\"xyz\" (of alexnet, c"},
        {"vgg16",
         {.form = "cifr"},
         EDGE_ENOENT,
         "no form \"cifr\". Did you mean \"cifar\"? (of imagenet, cifar)"},
        {"vgg16", {.width = -1}, EDGE_EINVAL, "width"},
        {"vgg16", {.width = 17}, EDGE_EINVAL, "width"},
        {"vgg16", {.hidden = layers, .n_hidden = 1}, EDGE_EINVAL, "hidden"},
        {"vgg16", {.input = {784}}, EDGE_EINVAL, "3x224x224"},
        {"mlp", {.width = 0.5}, EDGE_EINVAL, "--hidden"},
        {"mlp", {.hidden = layers, .n_hidden = 2}, EDGE_EINVAL, "hidden"},
        {"mlp", {.hidden = layers, .n_hidden = 17}, EDGE_EINVAL, "hidden"},
        {"mlp", {.input = {65537}}, EDGE_EINVAL, "one length"},
        {"mlp", {.input = {1024, 4096, 4096}}, EDGE_ETOOBIG, "one ONNX file"},
        {"vgg16", {.input = {3, 31, 224}}, EDGE_EINVAL, "\"pool5\""},
        {"alexnet", {.input = {3, 64, 4}}, EDGE_EINVAL, "too small"},
        {"vgg16", {.input = {3, 1024, 1024}}, EDGE_ETOOBIG, "2 GiB"},
        {"resnet50", {.input = {3, 0, 224}}, EDGE_EINVAL, "3x224x224"},
        {"resnet50", {.input = {3, 224, 5000}}, EDGE_EINVAL, "3x224x224"},
        {"resnet50", {.classes = 65537}, EDGE_EINVAL, "classes"},
        {"resnet50", {.devices = 2}, EDGE_EINVAL, "ddnn does"},
        {"lenet", {.has_edge = true}, EDGE_EINVAL, "ddnn does"},
        {"ddnn", {.devices = 13}, EDGE_EINVAL, "1 to 12"},
        {"ddnn", {.filters = 2000}, EDGE_EINVAL, "1 to 1024"},
        {"ddnn", {.form = "res", .filters = 2}, EDGE_EINVAL, "--width"},
        {"ddnn", {.aggregators = "mp-xx"}, EDGE_EINVAL, "\"mp-xx\""},
        {"ddnn", {.aggregators = "mp"}, EDGE_EINVAL, "as mp-cc"},
        {"resnet50", {.classes = -1}, EDGE_EINVAL, "classes"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct graph *graph = NULL;
        struct err err = {.text = ""};

        assert_int_equal(zoo_make(rows[i].name, &rows[i].options, &graph, &err),
                         rows[i].rc);
        if (strstr(err.text, rows[i].says) == NULL) {
            fail_msg("%s: %s", rows[i].name, err.text);
        }
        assert_null(graph);
    }
}

/* ---- views ----------------------------------------------------------------
 */

/* The first two outputs, with view 1 there or not, as picture `k`. */
static void run_views(const struct graph *g, bool is_there, int k,
                      struct tensor *out)
{
    struct tensor in[INPUTS_MAX];
    float *present;

    make_inputs(g, in);
    for (size_t i = 0; i + 1 < g->n_inputs; i++) {
        fill(&in[i], i == 1 ? k : 3 + (int)i);
    }
    present = in[g->n_inputs - 1].data;
    for (size_t i = 0; i + 1 < g->n_inputs; i++) {
        present[i] = i != 1 || is_there ? 1 : 0;
    }
    run_graph(g, in, out);
    drop(in, g->n_inputs);
}

static bool differ(const struct tensor *a, const struct tensor *b)
{
    return memcmp(a->data, b->data, tensor_bytes(a)) != 0;
}

/* Whatever aggregates: of a view that is not there nothing counts, and of one
 * that is, something does, at either exit. (The highest of random bits is 1,
 * whoever is there: it is not asked of those.) */
static void absent_views_count_for_nothing(const char *form,
                                           const char *aggregators,
                                           bool has_edge)
{
    const struct zoo_options options = {.seed = 5,
                                        .form = form,
                                        .init = ZOO_INIT_RANDOM,
                                        .width = 0.25,
                                        .devices = 3,
                                        .input = {1, 16, 10},
                                        .aggregators = aggregators,
                                        .has_edge = has_edge};
    int n_exits = has_edge ? 3 : 2;
    struct graph *g = make("ddnn", options);
    struct tensor out[4][RUN_GRAPH_PORTS];

    assert_int_equal(infer_bind_batch(g, 1, NULL), 0);
    assert_int_equal(infer_graph(g, NULL), 0);
    for (int i = 0; i < 4; i++) {
        run_views(g, i < 2, i % 2, out[i]);
    }
    for (int exit = 0; exit < n_exits; exit++) {
        bool counts = differ(&out[0][exit], &out[1][exit]) &&
                      differ(&out[0][exit], &out[2][exit]);

        if (differ(&out[2][exit], &out[3][exit]) ||
            (!counts && strcmp(form, "binary") != 0)) {
            fail_msg("%s, %s, exit %d", form, aggregators, exit);
        }
    }
    for (int i = 0; i < 4; i++) {
        drop(out[i], g->n_outputs);
    }
    graph_free(g);
}

static void aggregators_know_who_is_there(void **state)
{
    static const char *const forms[] = {"binary", "float", "res"};
    static const char *const names[] = {"mp", "ap", "cc"};

    (void)state;
    for (int i = 0; i < 27; i++) {
        char text[8];

        (void)snprintf(text, sizeof(text), "%s-%s", names[i / 3 % 3],
                       names[i % 3]);
        absent_views_count_for_nothing(forms[i / 9], text, i % 2 == 0);
    }
}

static int make_small(void *arg)
{
    const struct zoo_options options = {
        .width = 0.02, .classes = 2, .input = {1, 32, 32}};
    struct graph *graph = NULL;
    struct err err;
    int rc = zoo_make("alexnet", &options, &graph, &err);

    (void)arg;
    graph_free(rc == 0 ? graph : NULL);
    return rc;
}

static void survives_no_memory(void **state)
{
    (void)state;
    assert_true(heap_each(make_small, NULL) > 60);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_list_says_what_is_published),
        cmocka_unit_test(all_are_as_the_list_says),
        cmocka_unit_test(alexnet_has_the_prototypes_map),
        cmocka_unit_test(the_same_bits_on_every_machine),
        cmocka_unit_test(a_seed_changes_the_weights),
        cmocka_unit_test(all_of_them_run),
        cmocka_unit_test(pictures_are_described),
        cmocka_unit_test(refused),
        cmocka_unit_test(aggregators_know_who_is_there),
        cmocka_unit_test(survives_no_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
