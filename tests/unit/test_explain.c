/* A search in words: what is in the message, and that it comes through. */
#include "tests/lib/heap.h"
#include "tests/lib/paper_model.h"
#include "tests/lib/unit.h"

#include "base/blob.h"
#include "base/mem.h"
#include "codec/codec.h"
#include "coordinator/explain.h"
#include "coordinator/plan/choose.h"
#include "wire/msg.h"

#include <stdio.h>
#include <string.h>

#define HEAD "name: n\ndevices: [a.local, b.local, c.local, d.local]\n"
#define MODEL "model: {file: m.onnx}\n"

struct fixture {
    struct config_errors errors;
    struct cluster *cluster;
    struct graph *graph;
    struct profile profile;
    struct cost_model model;
    struct choices choices;
    Edged__Placement spec;
    struct explain explain;
    Edged__PlanExplain *message;
    struct err err;
};

static int set_up(void **state)
{
    struct fixture *f = mem_new(struct fixture);

    *state = f;
    f->graph = paper_chain(8, 16, 32);
    assert_int_equal(profile_default(&f->profile, 4), 0);
    for (size_t d = 0; d < 4; d++) {
        (void)snprintf(f->profile.devices[d].name, LIMIT_NAME, "%c",
                       'a' + (int)d);
        f->profile.devices[d].free_bytes = (uint64_t)1 << 32;
    }
    edged__placement__init(&f->spec);
    f->explain = (struct explain){.graph = f->graph,
                                  .profile = &f->profile,
                                  .choices = &f->choices,
                                  .spec = &f->spec};
    return cost_model_init(&f->model, f->graph, &f->profile, 1);
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    heap_heal();
    explain_free(f->message);
    choices_deinit(&f->choices);
    cost_model_deinit(&f->model);
    profile_deinit(&f->profile);
    graph_free(f->graph);
    cluster_free(f->cluster);
    mem_free(f);
    return 0;
}

static void plan(struct fixture *f, const char *yaml)
{
    if (cluster_read(yaml, strlen(yaml), "c.yaml", &f->cluster, &f->errors) <
        0) {
        config_errors_print(&f->errors, "the test failed", stderr);
        fail();
    }
    if (choose_plan(&f->choices, &f->model, f->cluster,
                    &(struct choose_how){.compare = true}, &f->err) < 0) {
        fail_msg("%s", f->err.text);
    }
    f->explain.order = f->model.scan.ops;
    f->explain.cluster = f->cluster;
    assert_int_equal(explain_new(&f->explain, &f->message), 0);
}

static const Edged__PlanShape *find(const struct fixture *f, const char *shape)
{
    for (size_t i = 0; i < f->message->n_others; i++) {
        if (strcmp(f->message->others[i]->shape, shape) == 0) {
            return f->message->others[i];
        }
    }
    return NULL;
}

static void test_every_other_shape_has_figures_or_a_reason(void **state)
{
    struct fixture *f = *state;
    const Edged__PlanExplain *m;

    plan(f, HEAD MODEL "goal: throughput\n");
    m = f->message;
    assert_true(m->best->possible);
    assert_true(m->best->throughput > 0);
    assert_true(m->n_others >= 4);
    for (size_t i = 0; i < m->n_others; i++) {
        assert_true(m->others[i]->why[0] != '\0');
        assert_true(!m->others[i]->possible || m->others[i]->n_stages > 0);
        assert_true(m->others[i]->throughput <= m->best->throughput * 1.0001);
    }
    assert_true(find(f, "one board alone")->possible);
    assert_int_equal(find(f, "one board alone")->n_boards, 1);
    assert_false(m->measured);
}

static void test_written_stages_keep_their_names(void **state)
{
    struct fixture *f = *state;
    const char *middle;
    char yaml[1024];

    middle = f->graph->ops[f->model.scan.ops[7]].name;
    (void)snprintf(yaml, sizeof(yaml),
                   HEAD MODEL
                   "stages:\n"
                   "  - {name: front, layers: \"%s..%s\", replicas: [a]}\n"
                   "  - {name: back, layers: \"%s..%s\", replicas: [b, c]}\n",
                   f->graph->ops[f->model.scan.ops[0]].name, middle,
                   f->graph->ops[f->model.scan.ops[8]].name,
                   f->graph->ops[f->model.scan.ops[f->model.n_ops - 1]].name);
    plan(f, yaml);
    assert_string_equal(f->message->best->shape, "stages as written");
    assert_string_equal(f->message->best->stages[1]->name, "back");
    assert_string_equal(f->message->best->stages[0]->last, middle);
    assert_int_equal(f->message->best->stages[1]->n_nodes, 2);
    assert_null(find(f, "stages as written"));
    assert_string_equal(find(f, "one board alone")->why,
                        "other stages are written");
    assert_true(find(f, "one board alone")->latency_ms > 0);
}

static void test_the_message_comes_through(void **state)
{
    struct fixture *f = *state;
    Edged__PlanExplain *back = NULL;
    struct blob *blob;

    plan(f, HEAD MODEL "replicas: 2\n");
    blob = explain_pack(f->message);
    assert_int_equal(msg_unpack_alone(&edged__plan_explain__descriptor,
                                      blob->data, blob->size, LIMIT_KEPT_UNPACK,
                                      &back, &f->err),
                     0);
    assert_string_equal(back->best->shape, f->message->best->shape);
    assert_int_equal(back->n_others, f->message->n_others);
    msg_free_alone(back);
    blob_unref(blob);
}

/* Three inputs to one shard, one of them coded. */
static void test_each_codec_between_two_shards_is_a_link(void **state)
{
    struct fixture *f = *state;
    Edged__TensorMeta tensor = EDGED__TENSOR_META__INIT;
    Edged__Port port = EDGED__PORT__INIT;
    Edged__Shard shard = EDGED__SHARD__INIT;
    Edged__Link links[3] = {EDGED__LINK__INIT, EDGED__LINK__INIT,
                            EDGED__LINK__INIT};
    struct codec q8 = {.kind = CODEC_Q8, .zstd = true};

    port.tensor = &tensor;
    shard.id = 1;
    shard.name = (char *)(uintptr_t) "s0";
    for (size_t i = 0; i < 3; i++) {
        links[i].to_shard = 1;
        links[i].port = (uint32_t)i;
    }
    links[1].codec = codec_id(&q8);
    f->spec.n_shards = 1;
    f->spec.shards = (Edged__Shard *[]){&shard};
    f->spec.n_inputs = f->spec.n_entries = 3;
    f->spec.inputs = (Edged__Port *[]){&port, &port, &port};
    f->spec.entries = (Edged__Link *[]){&links[0], &links[1], &links[2]};
    plan(f, HEAD MODEL);
    assert_int_equal(f->message->n_links, 2);
    assert_string_equal(f->message->links[0]->codec, "");
    assert_string_equal(f->message->links[1]->codec, "q8+zstd");
}

static int make(void *arg)
{
    struct fixture *f = arg;
    Edged__PlanExplain *message = NULL;
    int rc = explain_new(&f->explain, &message);

    explain_free(message);
    return rc;
}

static void test_every_allocation_may_fail(void **state)
{
    struct fixture *f = *state;

    plan(f, HEAD MODEL);
    assert_true(heap_each(make, f) > 20);
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_every_other_shape_has_figures_or_a_reason),
        T(test_written_stages_keep_their_names),
        T(test_the_message_comes_through),
        T(test_each_codec_between_two_shards_is_a_link),
        T(test_every_allocation_may_fail),
    };

    return cmocka_run_group_tests_name("explain", tests, NULL, NULL);
}
