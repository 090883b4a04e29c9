/* The stages of a file as positions: a network for training has layers that a
 * deployment simplifies away, and both read the same names. */
#include "coordinator/plan/written.h"

#include "graph/infer.h"
#include "onnx/zoo.h"
#include "tests/lib/unit.h"

#include <string.h>

static struct choice choice;
static struct err err;

/* Of vgg11_bn: conv1_1, norm1_1, relu1_1, pool1, ... */
static int read(const char *const (*layers)[2], size_t n)
{
    struct zoo_options options = {.seed = 1, .form = "cifar", .width = 0.125};
    struct cluster_stage stages[4] = {{.name = NULL}};
    struct cluster cluster = {.stages = stages, .n_stages = n};
    char name[] = "s";
    struct profile profile = {.n_devices = 0};
    struct graph *graph = NULL;
    int rc;

    for (size_t i = 0; i < n; i++) {
        stages[i].name = name;
        stages[i].first = (char *)(uintptr_t)layers[i][0];
        stages[i].last = (char *)(uintptr_t)layers[i][1];
    }
    choice = (struct choice){.n_stages = 0};
    assert_int_equal(zoo_make("vgg11_bn", &options, &graph, &err), 0);
    assert_int_equal(infer_bind_batch(graph, 1, &err), 0);
    assert_int_equal(infer_graph(graph, &err), 0);
    rc = written_stages(&choice, &cluster, graph, &profile, NULL, &err);
    graph_free(graph);
    return rc;
}

static void a_layer_takes_its_normalisation_along(void **state)
{
    static const char *const short_of[][2] = {{"conv1_1", "conv1_1"},
                                              {"relu1_1", "fc"}};
    static const char *const in_full[][2] = {{"conv1_1", "norm1_1"},
                                             {"relu1_1", "fc"}};
    static const char *const apart[][2] = {{"conv1_1", "conv1_1"},
                                           {"norm1_1", "fc"}};

    (void)state;
    assert_int_equal(read(short_of, 2), 0);
    assert_int_equal(choice.stages[0].end, 2);
    assert_int_equal(choice.stages[1].first, 2);
    choice_deinit(&choice);
    assert_int_equal(read(in_full, 2), 0);
    assert_int_equal(choice.stages[0].end, 2);
    choice_deinit(&choice);
    /* Whoever wants to part them may. */
    assert_int_equal(read(apart, 2), 0);
    assert_int_equal(choice.stages[0].end, 1);
    choice_deinit(&choice);
}

static void what_computes_is_not_skipped(void **state)
{
    static const char *const gap[][2] = {{"conv1_1", "conv1_1"},
                                         {"pool1", "fc"}};
    static const char *const ends[][2] = {{"conv1_1", "pool5"}};

    (void)state;
    assert_int_equal(read(gap, 2), EDGE_ECONFIG);
    assert_non_null(strstr(err.text, "the one before it ends before it"));
    assert_int_equal(read(ends, 1), EDGE_ECONFIG);
    assert_non_null(strstr(err.text, "before the model does"));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_layer_takes_its_normalisation_along),
        cmocka_unit_test(what_computes_is_not_skipped),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
