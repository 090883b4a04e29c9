/* Trainings step by step, with the test as the boards. */
#include "tests/lib/desk.h"

#include "base/mem.h"
#include "coordinator/train/trainer.h"
#include "dataset/dataset.h"
#include "graph/infer.h"
#include "onnx/export.h"
#include "tests/lib/model.h"
#include "tests/lib/swept.h"
#include "tests/lib/unit.h"
#include "train/learnt.h"
#include "wire/convert.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define SAMPLES 20
#define TEST_SAMPLES 10
#define HEAD                                                       \
    "name: home\n"                                                 \
    "model: {file: m.onnx, input: {size: 4x4, color: gray, mean: " \
    "0, std: 1}}\n"                                                \
    "devices:\n  - {name: n0, host: 127.0.0.1, port: 700}\n"       \
    "  - {name: n1, host: 127.0.0.1, port: 701}\n"
#define TRAINING                                                     \
    "training: {data: d, epochs: 2, batch: 8, microbatches: 1, lr: " \
    "0.5, momentum: 0.9, checkpoint: {steps: 2, keep: 2}}\n"
#define REPLICAS HEAD TRAINING
#define LOCALLY                                                           \
    "training: {data: d, epochs: 2, batch: 8, microbatches: 1, lr: 0.5, " \
    "momentum: 0.9, sync: {local: 2}, checkpoint: {steps: 1, keep: 2}}\n"
#define SETS_IN                                                           \
    "training: {data: d, epochs: 2, batch: 8, microbatches: 1, lr: 0.5, " \
    "momentum: 0.9, codec_warmup: 1}\n"
#define STAGES                                                         \
    HEAD "stages:\n  - {name: a, layers: flat..one, replicas: [n0]}\n" \
         "  - {name: b, layers: two..two, replicas: [n1]}\n" TRAINING

struct fixture {
    struct desk d;
    struct blob *model;
    struct blob *state; /* of the whole model */
    struct digest manifests[2];
    uint64_t sizes[2];
    uint64_t applied; /* the last Step that was */
    const char *slow; /* takes four times as long as the other */
};

static void must(int rc, const struct err *err)
{
    if (rc < 0) {
        fail_msg("%s", err->text);
    }
}

/* ---- files --------------------------------------------------------------- */

static struct graph *make_graph(void)
{
    struct graph *g = graph_new("g");
    struct err err;
    int x = model_input(g, "x", DTYPE_F32, DIMS(1, 1, 4, 4));
    int a = model_f32(g, "a", 0, 0.01F, DIMS(16, 6));
    int a0 = model_f32(g, "a0", 0, 0.1F, DIMS(6));
    int b = model_f32(g, "b", 1, -0.01F, DIMS(6, 3));
    int b0 = model_f32(g, "b0", 0, 0, DIMS(3));
    int flat = model_op(g, OP_FLATTEN, "flat", IN(x));
    int one = model_op(g, OP_GEMM, "one", IN(flat, a, a0));

    model_output(g, model_op(g, OP_GEMM, "two", IN(one, b, b0)));
    must(infer_graph(g, &err), &err);
    return g;
}

/* What a board that has trained nothing would save of all of it. */
static struct blob *make_state(const struct graph *g)
{
    struct step_loss loss = {"two", 1};
    struct step_ask ask = {.batch = 1,
                           .slots = 1,
                           .losses = &loss,
                           .n_losses = 1,
                           .rule = optim_rule_of(OPTIM_SGD)};
    struct train_step *step;
    struct blob *state;
    struct err err;

    must(step_new(g, &ask, &step, &err), &err);
    must(learnt_write(step, &state, &err), &err);
    step_free(step);
    return state;
}

static void make_files(struct fixture *f)
{
    struct graph *g = make_graph();
    struct err err;

    must(export_file(g, tmp_path(&f->d.tmp, "t.onnx"), &err), &err);
    must(blob_read(tmp_path(&f->d.tmp, "t.onnx"), MIB(1), &f->model, &err),
         &err);
    f->state = make_state(g);
    graph_free(g);
}

static void send_blob(struct fixture *f, struct io_fake_peer *from,
                      struct blob *file, struct digest *digest)
{
    Edged__Envelope env = EDGED__ENVELOPE__INIT;
    Edged__Chunk chunk = EDGED__CHUNK__INIT;
    Edged__BlobRef ref = EDGED__BLOB_REF__INIT;

    digest_of(file->data, file->size, digest);
    ref.digest = convert_digest_out(digest);
    ref.size = file->size;
    chunk.blob = &ref;
    env.body_case = EDGED__ENVELOPE__BODY_CHUNK;
    env.chunk = &chunk;
    io_fake_receive(from, &env, file);
    (void)io_fake_work(&f->d.fake);
}

/* The samples themselves are the boards' affair. */
static void send_manifest(struct fixture *f, size_t i, uint64_t samples)
{
    char *classes[] = {"a", "b", "c"};
    struct dataset_shard shard = {.bytes = samples * 16,
                                  .samples = (uint32_t)samples};
    struct dataset set = {.kind = DATASET_RAW,
                          .shape = {1, 4, 4},
                          .samples = samples,
                          .classes = classes,
                          .n_classes = 3,
                          .levels = {.pixels = samples * 16},
                          .shards = &shard,
                          .n_shards = 1};
    struct blob *text;
    struct err err;

    digest_of(&i, sizeof(i), &shard.digest);
    must(dataset_print(&set, &text, &err), &err);
    f->sizes[i] = text->size;
    send_blob(f, f->d.client, text, &f->manifests[i]);
    blob_unref(text);
}

static int set_up(void **state)
{
    struct fixture *f = test_calloc(1, sizeof(*f));

    desk_init(&f->d, 1);
    make_files(f);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    blob_unref(f->model);
    blob_unref(f->state);
    desk_deinit(&f->d);
    test_free(f);
    return 0;
}

/* ---- what is said -------------------------------------------------------- */

static void send_train(struct fixture *f, const char *yaml)
{
    struct blob *file = blob_copy(yaml, strlen(yaml));
    Edged__Envelope env = EDGED__ENVELOPE__INIT;
    Edged__Train train = EDGED__TRAIN__INIT;
    Edged__BlobRef refs[2];
    struct digest digests[2];

    send_blob(f, f->d.client, file, &digests[0]);
    send_blob(f, f->d.client, f->model, &digests[1]);
    send_manifest(f, 0, SAMPLES);
    send_manifest(f, 1, TEST_SAMPLES);
    blob_unref(file);
    for (size_t i = 0; i < 2; i++) {
        edged__blob_ref__init(&refs[i]);
        refs[i].digest = convert_digest_out(&f->manifests[i]);
        refs[i].size = f->sizes[i];
    }
    train.yaml = convert_digest_out(&digests[0]);
    train.model = convert_digest_out(&digests[1]);
    train.yaml_name = (char *)(uintptr_t) "cluster.yaml";
    train.model_name = (char *)(uintptr_t) "t.onnx";
    train.manifest = &refs[0];
    train.test = &refs[1];
    env.body_case = EDGED__ENVELOPE__BODY_TRAIN;
    env.train = &train;
    io_fake_receive(f->d.client, &env, NULL);
}

static struct io_fake_peer *node(struct fixture *f, const char *name)
{
    return desk_node(&f->d, name);
}

static const Edged__TrainReply *reply(const struct fixture *f)
{
    const struct msg *msg =
        io_fake_last(f->d.client, EDGED__ENVELOPE__BODY_TRAIN_REPLY);

    return msg != NULL ? msg->env->train_reply : NULL;
}

static const Edged__Install *install(struct fixture *f, const char *name)
{
    const struct msg *msg =
        io_fake_last(node(f, name), EDGED__ENVELOPE__BODY_INSTALL);

    assert_non_null(msg);
    return msg->env->install;
}

/* The newest Step to it; NULL: it has got none. */
static const Edged__Step *step(struct fixture *f, const char *name)
{
    const struct msg *msg =
        io_fake_last(node(f, name), EDGED__ENVELOPE__BODY_STEP);

    return msg != NULL ? msg->env->step : NULL;
}

static uint64_t sum_of(const Edged__Step *at)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < at->n_sizes; i++) {
        sum += at->sizes[i];
    }
    return sum;
}

/* Samples of the step that go through a replica of the last stage. */
static uint64_t samples_of(const Edged__Step *at, uint32_t replica)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < at->n_sizes; i++) {
        sum += at->ways[at->n_ways - at->n_sizes + i] == replica ? at->sizes[i]
                                                                 : 0;
    }
    return sum;
}

static uint32_t place_of(const Edged__Place *place, const char *name)
{
    for (uint32_t i = 0; i < place->n_nodes; i++) {
        if (strcmp(place->nodes[i], name) == 0) {
            return i;
        }
    }
    fail_msg("%s is not in the place", name);
    return 0;
}

/* What is wrong with one answer. */
struct wrong {
    int code;
    uint8_t mark;
    bool is_short;
    double square;
};

static void send_stepped(struct fixture *f, const char *name,
                         const struct wrong *wrong)
{
    const Edged__Install *in = install(f, name);
    const Edged__Step at = *step(f, name);
    uint8_t mark = wrong->mark;

    for (size_t i = 0; i < in->n_shards; i++) {
        const Edged__Recipe *recipe = in->shards[i]->recipe;
        Edged__Envelope env = EDGED__ENVELOPE__INIT;
        Edged__Stepped out = EDGED__STEPPED__INIT;
        double loss;

        out.epoch = at.epoch;
        out.shard = in->shards[i]->id;
        out.step = at.step;
        out.square = wrong->square != 0 ? wrong->square : 0.25;
        out.busy_us =
            f->slow != NULL && strcmp(f->slow, name) == 0 ? 4000 : 1000;
        out.code = wrong->code;
        out.text = (char *)(uintptr_t) "the test says so";
        out.weights.data = &mark;
        out.weights.len = 1;
        if (recipe->stage + 1 == recipe->stages) {
            out.samples =
                samples_of(&at, place_of(in->places[recipe->stage], name));
            out.samples -= wrong->is_short;
            loss = 2 * (double)out.samples;
            out.correct = out.samples / 2;
            out.losses = &loss;
            out.n_losses = 1;
        }
        env.body_case = EDGED__ENVELOPE__BODY_STEPPED;
        env.stepped = &out;
        io_fake_receive(node(f, name), &env, NULL);
    }
}

static void stepped(struct fixture *f, const char *name)
{
    send_stepped(f, name, &(struct wrong){0});
}

/* A board that was told to sends its states. */
static void save(struct fixture *f, const char *name, uint64_t number)
{
    const Edged__Install *in = install(f, name);
    struct digest digest;
    Edged__BlobRef ref = EDGED__BLOB_REF__INIT;

    send_blob(f, node(f, name), f->state, &digest);
    ref.digest = convert_digest_out(&digest);
    ref.size = f->state->size;
    for (size_t i = 0; i < in->n_shards; i++) {
        Edged__Envelope env = EDGED__ENVELOPE__INIT;
        Edged__Saved saved = EDGED__SAVED__INIT;

        saved.epoch = in->epoch;
        saved.shard = in->shards[i]->id;
        saved.step = number;
        saved.state = &ref;
        env.body_case = EDGED__ENVELOPE__BODY_SAVED;
        env.saved = &saved;
        io_fake_receive(node(f, name), &env, NULL);
    }
}

static void be_ready(struct fixture *f, const char *name)
{
    Edged__Envelope env = EDGED__ENVELOPE__INIT;
    Edged__Ready ready = EDGED__READY__INIT;

    ready.epoch = install(f, name)->epoch;
    env.body_case = EDGED__ENVELOPE__BODY_READY;
    env.ready = &ready;
    io_fake_receive(node(f, name), &env, NULL);
}

/* Until both have the first Step. */
static void begin(struct fixture *f, const char *yaml)
{
    send_train(f, yaml);
    if (reply(f) != NULL) {
        fail_msg("%s", reply(f)->text);
    }
    desk_up(&f->d, "n0", 0);
    desk_up(&f->d, "n1", 0);
    (void)io_fake_work(&f->d.fake);
    if (reply(f) != NULL) {
        fail_msg("%s", reply(f)->text);
    }
    be_ready(f, "n0");
    assert_null(step(f, "n0")); /* not before all are */
    be_ready(f, "n1");
    assert_non_null(step(f, "n0"));
    assert_non_null(step(f, "n1"));
}

/* All that is asked for until it is over, or `n` steps are done. */
static void go(struct fixture *f, size_t n)
{
    static const char *const names[] = {"n0", "n1"};

    for (size_t i = 0; i < n && reply(f) == NULL; i++) {
        uint64_t number = 0;

        for (size_t k = 0; k < 2; k++) {
            if (node(f, names[k])->base.up && step(f, names[k]) != NULL) {
                const Edged__Step *at = step(f, names[k]);
                bool saves = at->saves;

                number = at->step;
                f->applied = at->applies != 0 ? at->applies : f->applied;
                stepped(f, names[k]);
                if (saves) {
                    save(f, names[k], f->applied);
                }
            }
        }
        (void)io_fake_work(&f->d.fake);
        io_fake_turn(&f->d.fake);
        assert_int_not_equal(number, 0);
    }
}

/* ---- a training ---------------------------------------------------------- */

static void steps_follow_one_another(void **state)
{
    struct fixture *f = *state;

    begin(f, REPLICAS);
    assert_int_equal(step(f, "n0")->step, 1);
    assert_int_equal(step(f, "n0")->applies, 0);
    assert_int_equal(step(f, "n0")->first, 0);
    assert_int_equal(sum_of(step(f, "n0")), 8);
    stepped(f, "n0");
    assert_int_equal(step(f, "n0")->step, 1); /* n1 is not done */
    stepped(f, "n0");                         /* once is enough */
    assert_int_equal(step(f, "n0")->step, 1);
    stepped(f, "n1");
    assert_int_equal(step(f, "n0")->step, 2);
    assert_int_equal(step(f, "n1")->applies, 1);
    assert_int_equal(step(f, "n1")->first, 8);
    assert_true(step(f, "n1")->rate == 0.5);
    assert_true(step(f, "n1")->square == 0.25); /* of one replica */
    go(f, 1);
    assert_int_equal(sum_of(step(f, "n0")), 4); /* what is left */
    go(f, 1);
    assert_true(step(f, "n0")->evaluates);
    assert_int_equal(step(f, "n0")->applies, 3);
    assert_int_equal(sum_of(step(f, "n0")), 8);
    go(f, 1);
    assert_true(step(f, "n0")->evaluates);
    assert_int_equal(step(f, "n0")->applies, 0);
    assert_int_equal(step(f, "n0")->first, 8);
    assert_int_equal(sum_of(step(f, "n0")), 2);
    go(f, 1);
    assert_false(step(f, "n0")->evaluates);
    assert_int_equal(step(f, "n0")->pass, 1);
    assert_int_equal(step(f, "n0")->first, 0);
    go(f, 20);
    assert_non_null(reply(f));
    assert_int_equal(reply(f)->code, 0);
    assert_int_equal(reply(f)->steps, 6);
    assert_non_null(reply(f)->model);
    assert_true(fabs(reply(f)->test_accuracy - 0.4) < 1e-6);
    assert_int_equal(reply(f)->n_curve, 6);
    assert_true(reply(f)->curve[5]->pass == 2);
    assert_int_equal(reply(f)->n_passes, 2);
    assert_true(reply(f)->passes[1]->test_accuracy > 0);
    assert_true(list_is_empty(&f->d.c->placements));
}

/* After the second of three passes of three steps, and the last. */
static void not_each_pass_is_evaluated(void **state)
{
    struct fixture *f = *state;

    begin(f, HEAD "training: {data: d, epochs: 3, evaluate: 2, batch: 8, "
                  "microbatches: 1, stop: {patience: 1}}\n");
    for (size_t i = 0; i < 3 + 3 + 2 + 3 + 2; i++) {
        assert_true(step(f, "n0")->evaluates == ((6 <= i && i < 8) || 11 <= i));
        assert_null(reply(f));
        go(f, 1);
    }
    go(f, 20);
    assert_non_null(reply(f));
    assert_int_equal(reply(f)->code, 0);
    assert_int_equal(reply(f)->steps, 9);
    assert_true(fabs(reply(f)->test_accuracy - 0.4) < 1e-6);
    assert_int_equal(reply(f)->n_passes, 2);
    assert_int_equal(reply(f)->passes[0]->pass, 2);
    assert_int_equal(reply(f)->passes[1]->pass, 3);
}

/* In the three steps of a pass; evaluated is what will run. */
static void sparse_links_set_in(void **state)
{
    struct fixture *f = *state;

    begin(f, HEAD SETS_IN);
    for (size_t i = 0; i < 6; i++) {
        double left = i < 3 ? 1 - (double)i / 3 : 0;

        while (step(f, "n0")->evaluates) {
            assert_true(step(f, "n0")->slack <= 0);
            go(f, 1);
        }
        left = left * left * left;
        assert_true(fabs(step(f, "n0")->slack - left) < 1e-9);
        go(f, 1);
    }
}

/* Steps of 8, 8 and 4 samples a pass; they agree after two, and with it. */
static void replicas_agree_now_and_then(void **state)
{
    struct fixture *f = *state;

    begin(f, HEAD LOCALLY);
    assert_true(install(f, "n0")->shards[0]->recipe->local);
    assert_false(step(f, "n0")->averages);
    go(f, 1);
    assert_false(step(f, "n0")->averages);
    assert_false(step(f, "n0")->saves); /* due, but they are not alike */
    assert_int_equal(step(f, "n0")->applies, 1);
    assert_true(step(f, "n1")->square == 0.25); /* its own */
    go(f, 1);
    assert_true(step(f, "n0")->averages);
    assert_true(step(f, "n0")->saves);
    assert_true(step(f, "n0")->share == 0.5);
    assert_true(step(f, "n1")->share == 0.5);
    go(f, 1);
    assert_true(step(f, "n0")->evaluates);
    assert_true(step(f, "n0")->averages); /* of the last step alone */
    go(f, 1);
    assert_false(step(f, "n0")->averages);
    go(f, 20);
    assert_non_null(reply(f));
    assert_int_equal(reply(f)->code, 0);
    assert_int_equal(reply(f)->steps, 6);
}

/* Once a pass, however long it is. */
static void replicas_agree_with_each_pass(void **state)
{
    struct fixture *f = *state;
    size_t agreed = 0;

    begin(f, HEAD "training: {data: d, epochs: 2, batch: 4, microbatches: 1, "
                  "lr: 0.5, sync: {delta: epoch}, checkpoint: {steps: 1}}\n");
    for (size_t i = 0; i < 40 && reply(f) == NULL; i++) {
        bool averages = step(f, "n0")->averages;

        assert_true(averages ==
                    (step(f, "n0")->evaluates && step(f, "n0")->first == 0));
        agreed += averages;
        go(f, 1);
    }
    assert_non_null(reply(f));
    assert_int_equal(reply(f)->code, 0);
    assert_int_equal(agreed, 2);
}

static void only_whole_models_take_steps_of_their_own(void **state)
{
    struct fixture *f = *state;

    send_train(f, HEAD
               "stages:\n  - {name: a, layers: flat..one, replicas: [n0]}\n"
               "  - {name: b, layers: two..two, replicas: [n1]}\n" LOCALLY);
    (void)io_fake_work(&f->d.fake);
    assert_non_null(reply(f));
    assert_int_equal(reply(f)->code, EDGE_ECONFIG);
    assert_non_null(strstr(reply(f)->text, "the whole model"));
    io_fake_forget(f->d.client);
    send_train(f, HEAD "training: {data: d, sync: {local: 2}, codec: q8}\n");
    (void)io_fake_work(&f->d.fake);
    assert_non_null(reply(f));
    assert_non_null(strstr(reply(f)->text, "are for gradients"));
}

static void squares_of_stages_are_added_up(void **state)
{
    struct fixture *f = *state;

    begin(f, STAGES);
    assert_int_equal(install(f, "n0")->n_places, 2);
    assert_int_equal(install(f, "n1")->shards[0]->recipe->n_sources, 1);
    assert_int_equal(install(f, "n1")->shards[0]->recipe->n_losses, 1);
    assert_int_equal(install(f, "n0")->shards[0]->recipe->n_losses, 0);
    go(f, 1);
    assert_true(step(f, "n0")->square == 0.5);
    go(f, 40);
    assert_non_null(reply(f));
    assert_int_equal(reply(f)->code, 0);
}

/* ---- what goes wrong ----------------------------------------------------- */

static void a_lost_board_is_done_without(void **state)
{
    struct fixture *f = *state;
    uint32_t epoch;
    uint64_t before;

    begin(f, REPLICAS);
    epoch = install(f, "n0")->epoch;
    go(f, 3); /* a checkpoint after two steps */
    before = step(f, "n0")->step;
    stepped(f, "n0");
    desk_down(&f->d, "n1");
    (void)io_fake_work(&f->d.fake);
    assert_int_not_equal(install(f, "n0")->epoch, epoch);
    assert_int_equal(install(f, "n0")->places[0]->n_nodes, 1);
    assert_int_equal(install(f, "n0")->shards[0]->recipe->step, 2);
    assert_non_null(install(f, "n0")->shards[0]->recipe->state);
    assert_int_equal(io_fake_count(node(f, "n0"), EDGED__ENVELOPE__BODY_RETIRE),
                     1);
    be_ready(f, "n0");
    assert_int_equal(step(f, "n0")->applies, 0);
    assert_int_equal(step(f, "n0")->first, 16); /* after two steps of 8 */
    assert_true(step(f, "n0")->step <= before);
    go(f, 40);
    assert_non_null(reply(f));
    assert_int_equal(reply(f)->code, 0);
    assert_int_equal(reply(f)->steps, 6);
    assert_int_equal(reply(f)->n_curve, 6); /* none twice */
}

static void what_is_late_is_not_heard(void **state)
{
    struct fixture *f = *state;
    Edged__Envelope env = EDGED__ENVELOPE__INIT;
    Edged__Stepped late = EDGED__STEPPED__INIT;

    begin(f, REPLICAS);
    late.epoch = install(f, "n0")->epoch;
    late.shard = 1;
    late.step = 1;
    env.body_case = EDGED__ENVELOPE__BODY_STEPPED;
    env.stepped = &late;
    desk_down(&f->d, "n1");
    (void)io_fake_work(&f->d.fake);
    be_ready(f, "n0");
    assert_int_equal(step(f, "n0")->step, 1); /* of the new epoch */
    io_fake_receive(node(f, "n0"), &env, NULL);
    assert_int_equal(step(f, "n0")->step, 1);
    late.epoch = install(f, "n0")->epoch;
    late.shard = 7; /* no such one */
    io_fake_receive(node(f, "n0"), &env, NULL);
    assert_int_equal(step(f, "n0")->step, 1);
}

static void expect_again(struct fixture *f, const struct wrong *wrong)
{
    uint32_t epoch;

    begin(f, REPLICAS);
    epoch = install(f, "n0")->epoch;
    stepped(f, "n0");
    send_stepped(f, "n1", wrong);
    for (int i = 0; i < 20 && install(f, "n0")->epoch == epoch; i++) {
        io_fake_run_for(&f->d.fake, 100);
        (void)io_fake_work(&f->d.fake);
    }
    assert_int_not_equal(install(f, "n0")->epoch, epoch);
    assert_int_equal(install(f, "n0")->shards[0]->recipe->step, 0);
}

static void a_step_that_fails_is_done_again(void **state)
{
    expect_again(*state, &(struct wrong){.code = EDGE_ENOMEM});
}

static void replicas_that_differ_begin_again(void **state)
{
    expect_again(*state, &(struct wrong){.mark = 1});
}

static void samples_that_are_missing_are_noticed(void **state)
{
    expect_again(*state, &(struct wrong){.is_short = true});
}

static void gradients_that_are_no_numbers_are_counted(void **state)
{
    struct fixture *f = *state;
    const struct msg *msg;

    begin(f, REPLICAS);
    send_stepped(f, "n0", &(struct wrong){.square = NAN});
    send_stepped(f, "n1", &(struct wrong){.square = NAN});
    assert_true(isnan(step(f, "n0")->square)); /* boards skip it */
    go(f, 6);
    msg = io_fake_last(f->d.client, EDGED__ENVELOPE__BODY_TRAIN_PROGRESS);
    assert_int_equal(msg->env->train_progress->skipped, 1);
}

/* Trains with one board slower than the other, for long enough to be known. */
static const Edged__Step *go_unlike(struct fixture *f, const char *shares)
{
    char yaml[1024];

    snprintf(yaml, sizeof(yaml),
             HEAD "training: {data: d, epochs: 50, batch: 8, microbatches: 1, "
                  "lr: 0.5, shares: %s}\n",
             shares);
    f->slow = "n1";
    begin(f, yaml);
    go(f, 60);
    return step(f, "n1");
}

static uint64_t samples_at(struct fixture *f, const char *name,
                           const Edged__Step *at)
{
    return samples_of(at, place_of(install(f, name)->places[0], name));
}

static void who_is_slower_gets_less(void **state)
{
    struct fixture *f = *state;
    const Edged__Step *at = go_unlike(f, "measured");

    assert_true(2 * samples_at(f, "n1", at) <= samples_at(f, "n0", at));
}

static void equal_shares_stay_equal(void **state)
{
    struct fixture *f = *state;
    const Edged__Step *at = go_unlike(f, "equal");

    assert_int_equal(samples_at(f, "n1", at), samples_at(f, "n0", at));
}

/* ---- checkpoints --------------------------------------------------------- */

static void a_checkpoint_is_whole_or_not_at_all(void **state)
{
    struct fixture *f = *state;

    begin(f, STAGES);
    go(f, 2); /* the third saves */
    assert_true(step(f, "n0")->saves);
    assert_int_equal(step(f, "n0")->applies, 2);
    stepped(f, "n0");
    stepped(f, "n1");
    save(f, "n0", 2); /* n1's part never comes */
    (void)io_fake_work(&f->d.fake);
    desk_restart(&f->d);
    desk_up(&f->d, "n0", 0);
    desk_up(&f->d, "n1", 0);
    io_fake_run_for(&f->d.fake, 200);
    (void)io_fake_work(&f->d.fake);
    assert_int_equal(install(f, "n0")->shards[0]->recipe->step, 0);
    assert_null(install(f, "n0")->shards[0]->recipe->state);
}

static void a_restart_goes_on_from_the_newest(void **state)
{
    struct fixture *f = *state;
    uint32_t epoch;

    begin(f, STAGES);
    epoch = install(f, "n0")->epoch;
    go(f, 3);
    desk_restart(&f->d);
    desk_up(&f->d, "n0", 0);
    desk_up(&f->d, "n1", 0);
    io_fake_run_for(&f->d.fake, 200);
    (void)io_fake_work(&f->d.fake);
    assert_true(install(f, "n0")->epoch > epoch);
    assert_int_equal(install(f, "n0")->shards[0]->recipe->step, 2);
    be_ready(f, "n0");
    be_ready(f, "n1");
    assert_int_equal(step(f, "n0")->first, 16);
    assert_int_equal(step(f, "n0")->step, 3);
}

static void what_a_training_needs_stays_in_the_store(void **state)
{
    struct fixture *f = *state;
    struct swept swept;

    begin(f, STAGES);
    swept = swept_once(&f->d.fake, &f->d.c->sweep);
    assert_true(swept.n >= 6); /* file, model, manifests, shards */
    assert_int_equal(swept.n_gone, 0);
    go(f, 3); /* a checkpoint is kept */
    swept = swept_once(&f->d.fake, &f->d.c->sweep);
    assert_true(swept.n >= 7);
    assert_int_equal(swept.n_gone, 0);
}

/* ---- refusals ------------------------------------------------------------ */

static void what_cannot_be_is_said(void **state)
{
    struct fixture *f = *state;

    send_train(f, HEAD "stages:\n  - {name: a, layers: flat..nope, replicas: "
                       "[n0]}\n" TRAINING);
    (void)io_fake_work(&f->d.fake);
    assert_non_null(reply(f));
    assert_int_equal(reply(f)->code, EDGE_ECONFIG);
    assert_non_null(strstr(reply(f)->text, "nope"));
}

static void one_training_of_a_name_at_a_time(void **state)
{
    struct fixture *f = *state;

    begin(f, REPLICAS);
    send_train(f, REPLICAS);
    assert_non_null(reply(f));
    assert_int_equal(reply(f)->code, EDGE_EBUSY);
    assert_non_null(strstr(reply(f)->text, "--watch"));
}

/* The oldest that ended makes way, for good. */
static void there_is_always_room_for_one_more(void **state)
{
    struct fixture *f = *state;
    char yaml[600];
    size_t n = 0;

    for (size_t i = 0; i <= LIMIT_DEPLOYMENTS; i++) {
        (void)snprintf(yaml, sizeof(yaml), "name: t%zu%s%s", i,
                       strchr(HEAD, '\n'), TRAINING);
        io_fake_forget(f->d.client);
        if (i == 0) {
            begin(f, yaml);
        } else {
            send_train(f, yaml);
            (void)io_fake_work(&f->d.fake);
            be_ready(f, "n0");
            be_ready(f, "n1");
        }
        go(f, 40);
        assert_non_null(reply(f));
        assert_int_equal(reply(f)->code, 0);
    }
    desk_restart(&f->d);
    list_each(&f->d.c->trainers, it, after)
    {
        n++;
    }
    assert_int_equal(n, LIMIT_DEPLOYMENTS);
    assert_null(trainer_find(f->d.c, "t0"));
    assert_non_null(trainer_find(f->d.c, "t1"));
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(steps_follow_one_another),
        CASE(not_each_pass_is_evaluated),
        CASE(sparse_links_set_in),
        CASE(replicas_agree_now_and_then),
        CASE(replicas_agree_with_each_pass),
        CASE(only_whole_models_take_steps_of_their_own),
        CASE(squares_of_stages_are_added_up),
        CASE(a_lost_board_is_done_without),
        CASE(what_is_late_is_not_heard),
        CASE(a_step_that_fails_is_done_again),
        CASE(replicas_that_differ_begin_again),
        CASE(samples_that_are_missing_are_noticed),
        CASE(gradients_that_are_no_numbers_are_counted),
        CASE(who_is_slower_gets_less),
        CASE(equal_shares_stay_equal),
        CASE(a_checkpoint_is_whole_or_not_at_all),
        CASE(a_restart_goes_on_from_the_newest),
        CASE(what_a_training_needs_stays_in_the_store),
        CASE(what_cannot_be_is_said),
        CASE(one_training_of_a_name_at_a_time),
        CASE(there_is_always_room_for_one_more),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
