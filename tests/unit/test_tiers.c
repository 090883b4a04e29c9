/* Models of several views taken apart by tiers. */
#include "coordinator/plan/tiers.h"

#include "base/mem.h"
#include "base/rng.h"
#include "coordinator/plan/cost.h"
#include "coordinator/plan/cut.h"
#include "coordinator/plan/leaving.h"
#include "coordinator/plan/signs.h"
#include "engine/fold.h"
#include "graph/infer.h"
#include "onnx/zoo.h"
#include "tests/lib/run_graph.h"
#include "tests/lib/run_parts.h"
#include "tests/lib/same_values.h"
#include "tests/lib/unit.h"

#include <string.h>

#define VIEWS 3

struct fixture {
    struct cluster cluster;
    struct cluster_view views[VIEWS + 1];
    struct cluster_tier tiers[4];
    struct cluster_exit exits[2];
    struct graph *model;
    struct graph *graph; /* arranged */
    struct tiers out;
    struct err err;
};

static struct fixture f;

static char *text(const char *t)
{
    return (char *)(uintptr_t)t;
}

static int set_up(void **state)
{
    static const char *const names[] = {"input_0", "input_1", "input_2"};
    static const char *const boards[] = {"cam-0", "cam-1", "cam-2"};

    (void)state;
    f = (struct fixture){.cluster = {.views = f.views,
                                     .n_views = VIEWS,
                                     .tiers = f.tiers,
                                     .n_tiers = 3,
                                     .exits = f.exits,
                                     .n_exits = 1}};
    for (int i = 0; i < VIEWS; i++) { /* in another order than the model's */
        f.views[VIEWS - 1 - i].name = text(names[i]);
        f.views[VIEWS - 1 - i].on = text(boards[i]);
    }
    f.tiers[0] = (struct cluster_tier){text("device"), text("each-view")};
    f.tiers[1] = (struct cluster_tier){text("local"), text("hub")};
    f.tiers[2] = (struct cluster_tier){text("cloud"), text("server")};
    f.exits[0] = (struct cluster_exit){.at = text("local"),
                                       .output = text("local_logits"),
                                       .entropy = 0.5,
                                       .by_entropy = true};
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    graph_free(f.model);
    graph_free(f.graph);
    return 0;
}

static void make(const char *form, const char *aggregators)
{
    struct zoo_options options = {.seed = 3,
                                  .init = ZOO_INIT_RANDOM,
                                  .form = form,
                                  .devices = VIEWS,
                                  .input = {3, 16, 16},
                                  .classes = 5,
                                  .aggregators = aggregators};

    assert_int_equal(zoo_make("ddnn", &options, &f.model, &f.err), 0);
    assert_int_equal(fold_prepare(f.model, 1, NULL, 0, &f.err), 0);
    assert_int_equal(graph_clone(f.model, &f.graph), 0);
}

static int arrange(void)
{
    return tiers_arrange(f.graph, &f.cluster, &f.out, &f.err);
}

static void refused(int rc, const char *why)
{
    assert_int_equal(arrange(), rc);
    if (strstr(f.err.text, why) == NULL) {
        fail_msg("\"%s\" is not in \"%s\"", why, f.err.text);
    }
}

/* Into pieces, one a stage. */
static void take_apart(struct parts *parts, struct piece **pieces)
{
    struct pieces_stage stages[2 * LIMIT_PORTS];

    for (size_t i = 0; i < f.out.n_stages; i++) {
        stages[i] =
            (struct pieces_stage){.first = i > 0 ? f.out.ends[i - 1] : 0,
                                  .end = f.out.ends[i],
                                  .kind = PIECES_WHOLE,
                                  .rows = 1,
                                  .columns = 1};
    }
    if (pieces_make(f.graph, stages, f.out.n_stages, parts, pieces, NULL,
                    &f.err) < 0) {
        fail_msg("%s", f.err.text);
    }
}

static void fill(const struct graph *graph, struct tensor *inputs)
{
    struct rng rng;

    rng_init(&rng, 7);
    for (size_t i = 0; i < graph->n_inputs; i++) {
        const struct value *v = &graph->values[graph->inputs[i]];
        float *x;

        assert_int_equal(tensor_init(&inputs[i], v->dtype, &v->shape), 0);
        x = inputs[i].data;
        for (int64_t k = 0; k < tensor_count(&inputs[i]); k++) {
            x[k] = strcmp(v->name, "present") == 0
                       ? (float)(k != 1)
                       : (float)rng_unit(&rng) - 0.5f;
        }
    }
}

static void drop(struct tensor *tensors, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        tensor_deinit(&tensors[i]);
    }
}

/* The parts give what the model gives, bit for bit, for a set of views. */
static void assert_same_answers(const struct parts *parts)
{
    struct tensor inputs[VIEWS + 1] = {{0}};
    struct tensor want[LIMIT_PORTS] = {{0}};
    struct tensor got[LIMIT_PORTS] = {{0}};
    int local = graph_find_value(f.model, "local_logits");

    fill(f.model, inputs);
    run_graph(f.model, inputs, want);
    run_made_parts(parts, inputs, got);
    assert_near(1, &want[0], &got[0], 0);
    for (size_t i = 0; i < f.model->n_outputs; i++) {
        if (f.model->outputs[i] == local && f.graph->n_outputs > 1) {
            assert_near(1, &want[i], &got[1], 0);
        }
    }
    drop(inputs, VIEWS + 1);
    drop(want, f.model->n_outputs);
    drop(got, f.graph->n_outputs);
}

static void test_what_runs_where_follows_from_the_model(void **state)
{
    static const char *const forms[] = {"binary", "float", "res"};
    static const char *const aggregators[] = {"mp-cc", "cc-mp", "ap-ap"};

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        struct parts parts = {0};
        struct piece *pieces = NULL;

        make(forms[i], aggregators[i]);
        if (arrange() < 0) {
            fail_msg("%s", f.err.text);
        }
        assert_int_equal(f.out.n_views, VIEWS);
        assert_int_equal(f.out.n_stages, VIEWS + 2);
        assert_true(f.out.has_present);
        assert_string_equal(f.graph->values[f.graph->inputs[VIEWS]].name,
                            "present");
        assert_int_equal(f.graph->n_outputs, 2);
        take_apart(&parts, &pieces);
        assert_int_equal(parts.n, VIEWS + 2);
        for (size_t k = 0; k < VIEWS; k++) { /* scores and features go on */
            assert_int_equal(parts.shards[k]->n_inputs, 1);
            assert_int_equal(parts.shards[k]->n_outputs, 2);
        }
        /* Of each view, and `present`. */
        assert_int_equal(parts.shards[VIEWS]->n_inputs, VIEWS + 1);
        assert_int_equal(parts.shards[VIEWS]->n_outputs, 1);
        assert_int_equal(parts.shards[VIEWS + 1]->n_inputs, VIEWS + 1);
        assert_same_answers(&parts);
        parts_deinit(&parts);
        mem_free(pieces);
        graph_free(f.model);
        graph_free(f.graph);
        f.model = f.graph = NULL;
    }
}

/* What crosses from a device is scores, and in the binary form signs. */
static void test_features_of_a_binary_device_are_signs(void **state)
{
    static const char *const forms[] = {"binary", "float"};

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct parts parts = {0};
        struct piece *pieces = NULL;
        size_t n = 0;

        make(forms[i], "mp-cc");
        assert_int_equal(arrange(), 0);
        take_apart(&parts, &pieces);
        for (size_t k = 0; k < parts.shards[0]->n_outputs; k++) {
            const struct graph *shard = parts.shards[0];
            const char *name = shard->values[shard->outputs[k]].name;

            n += signs_are(f.graph, graph_find_value(f.graph, name));
        }
        assert_int_equal(n, i == 0 ? 1 : 0);
        parts_deinit(&parts);
        mem_free(pieces);
        graph_free(f.model);
        graph_free(f.graph);
        f.model = f.graph = NULL;
    }
}

static void test_features_wait_for_the_exit(void **state)
{
    struct parts parts = {0};
    struct piece *pieces = NULL;
    int numbers[VIEWS + 2];

    (void)state;
    make("float", "mp-cc");
    assert_int_equal(arrange(), 0);
    take_apart(&parts, &pieces);
    for (size_t i = 0; i < parts.n; i++) {
        numbers[i] = tiers_exit_number(&f.out, pieces[i].stage);
    }
    assert_int_equal(leaving_after(&parts, numbers, 0, VIEWS), 0);
    assert_int_equal(leaving_after(&parts, numbers, 0, VIEWS + 1), 1);
    assert_int_equal(tiers_exit_number(&f.out, VIEWS), 1);
    assert_int_equal(tiers_exit_number(&f.out, VIEWS + 1), 0);
    assert_int_equal(tiers_view(&f.out, 1), 1);
    assert_int_equal(tiers_view(&f.out, VIEWS), -1);
    parts_deinit(&parts);
    mem_free(pieces);
}

static void test_without_exits_there_is_one_tier_more(void **state)
{
    struct parts parts = {0};
    struct piece *pieces = NULL;

    (void)state;
    f.tiers[1] = f.tiers[2];
    f.cluster.n_tiers = 2;
    f.cluster.n_exits = 0;
    make("float", "mp-cc");
    assert_int_equal(arrange(), 0);
    assert_int_equal(f.out.n_stages, VIEWS + 1);
    assert_int_equal(f.graph->n_outputs, 1);
    take_apart(&parts, &pieces);
    assert_int_equal(parts.shards[0]->n_outputs, 1); /* its scores are not
                                                      * made */
    assert_same_answers(&parts);
    parts_deinit(&parts);
    mem_free(pieces);
}

static void test_devices_are_by_the_inputs_name(void **state)
{
    struct profile profile = {0};
    struct choice choice = {0};
    static const char *const names[] = {"server", "hub", "cam-2", "cam-1",
                                        "cam-0"};

    (void)state;
    make("float", "mp-cc");
    assert_int_equal(arrange(), 0);
    assert_int_equal(profile_default(&profile, 5), 0);
    for (size_t i = 0; i < 5; i++) {
        (void)snprintf(profile.devices[i].name, sizeof(profile.devices[i].name),
                       "%s", names[i]);
    }
    assert_int_equal(
        tiers_choice(&f.out, &f.cluster, f.graph, &profile, &choice, &f.err),
        0);
    assert_int_equal(choice.n_stages, VIEWS + 2);
    for (size_t i = 0; i < 5; i++) {
        assert_int_equal(choice.stages[i].devices[0], 4 - i);
    }
    choice_deinit(&choice);
    profile.n_devices = 4; /* without cam-0 */
    choice = (struct choice){0};
    assert_int_equal(
        tiers_choice(&f.out, &f.cluster, f.graph, &profile, &choice, &f.err),
        EDGE_ECONFIG);
    assert_non_null(strstr(f.err.text, "cam-0"));
    choice_deinit(&choice);
    profile.n_devices = 5;
    profile_deinit(&profile);
}

/* Views beside each other; values straight to who reads them. */
static void test_what_is_predicted_follows_the_values(void **state)
{
    static const char *const names[] = {"cam-0", "cam-1", "cam-2", "hub",
                                        "server"};
    struct profile profile = {0};
    struct cost_model model = {0};
    struct choice choice = {0};
    double sum = 0;

    (void)state;
    make("float", "mp-cc");
    assert_int_equal(arrange(), 0);
    assert_int_equal(profile_default(&profile, 5), 0);
    for (size_t i = 0; i < 5; i++) {
        (void)snprintf(profile.devices[i].name, sizeof(profile.devices[i].name),
                       "%s", names[i]);
    }
    assert_int_equal(cost_model_init(&model, f.graph, &profile, 2), 0);
    assert_int_equal(
        tiers_choice(&f.out, &f.cluster, f.graph, &profile, &choice, &f.err),
        0);
    assert_int_equal(tiers_reckon(&f.out, &model, &choice, &f.err), 0);
    for (size_t i = 0; i < VIEWS; i++) {
        assert_true(choice.stages[i].in_bytes == 3 * 16 * 16 * 4);
        assert_true(choice.sent[i] == 5 * 4 + 4 * 8 * 8 * 4);
    }
    assert_true(choice.stages[VIEWS].in_bytes == VIEWS * 5 * 4);
    assert_true(choice.stages[VIEWS + 1].in_bytes == VIEWS * 4 * 8 * 8 * 4);
    assert_true(choice.out_bytes == 5 * 4);
    for (size_t i = 0; i < choice.n_stages; i++) {
        assert_true(choice.stages[i].busy_s >= choice.stages[i].compute_s);
        sum += choice.stages[i].busy_s;
    }
    assert_true(choice.latency_s > 0 && choice.latency_s < sum + 1);
    assert_true(choice.throughput > 0);
    choice_deinit(&choice);
    cost_model_deinit(&model);
    profile_deinit(&profile);
}

static void test_an_input_without_a_device_is_refused(void **state)
{
    (void)state;
    f.cluster.n_views = 2; /* input_0 is the last of the list */
    make("float", "mp-cc");
    refused(EDGE_ECONFIG, "no device takes the model's input \"input_0\"");
}

static void test_an_input_that_is_none_is_refused(void **state)
{
    (void)state;
    f.cluster.n_views = 4;
    f.views[3] = (struct cluster_view){
        .name = text("input_9"), .on = text("hub"), .at = {7, 3, 7, 9}};
    make("float", "mp-cc");
    refused(EDGE_ECONFIG, "line 7:3: the model has no input \"input_9\"; did "
                          "you mean \"input_");
}

static void test_an_output_that_is_none_is_refused(void **state)
{
    (void)state;
    f.exits[0].output = text("local_logit");
    make("float", "mp-cc");
    refused(EDGE_ECONFIG, "no output \"local_logit\"; did you mean "
                          "\"local_logits\"?");
}

static void test_the_first_output_is_no_exit(void **state)
{
    (void)state;
    f.exits[0].output = text("cloud_logits");
    make("float", "mp-cc");
    refused(EDGE_ECONFIG, "which the last tier answers with");
}

static void test_a_tier_with_nothing_to_do_is_refused(void **state)
{
    (void)state;
    f.exits[0].output = text("device_0");
    make("float", "mp-cc");
    refused(EDGE_ECONFIG, "tier \"local\" would have nothing to do");
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    static const struct CMUnitTest tests[] = {
        T(test_what_runs_where_follows_from_the_model),
        T(test_features_of_a_binary_device_are_signs),
        T(test_features_wait_for_the_exit),
        T(test_without_exits_there_is_one_tier_more),
        T(test_devices_are_by_the_inputs_name),
        T(test_what_is_predicted_follows_the_values),
        T(test_an_input_without_a_device_is_refused),
        T(test_an_input_that_is_none_is_refused),
        T(test_an_output_that_is_none_is_refused),
        T(test_the_first_output_is_no_exit),
        T(test_a_tier_with_nothing_to_do_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
