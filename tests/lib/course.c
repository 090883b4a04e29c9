#include "tests/lib/course.h"

#include "base/mem.h"
#include "dataset/dataset.h"
#include "graph/infer.h"
#include "onnx/export.h"
#include "tests/lib/model.h"
#include "tests/lib/unit.h"
#include "train/learnt.h"
#include "wire/convert.h"

#include <stdio.h>
#include <string.h>

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

static void make_files(struct course *f)
{
    struct graph *g = make_graph();
    struct err err;

    must(export_file(g, tmp_path(&f->d.tmp, "t.onnx"), &err), &err);
    must(blob_read(tmp_path(&f->d.tmp, "t.onnx"), MIB(1), &f->model, &err),
         &err);
    f->state = make_state(g);
    graph_free(g);
}

/* The samples themselves are the boards' affair. */
static void send_manifest(struct course *f, size_t i, uint64_t samples)
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
    desk_send_blob(&f->d, f->d.client, text, &f->manifests[i]);
    blob_unref(text);
}

void course_init(struct course *f)
{
    memset(f, 0, sizeof(*f));
    desk_init(&f->d, 1);
    make_files(f);
}

void course_deinit(struct course *f)
{
    blob_unref(f->model);
    blob_unref(f->state);
    desk_deinit(&f->d);
}

int course_set_up(void **state)
{
    struct course *f = test_calloc(1, sizeof(*f));

    course_init(f);
    *state = f;
    return 0;
}

int course_tear_down(void **state)
{
    struct course *f = *state;

    course_deinit(f);
    test_free(f);
    return 0;
}

/* ---- what is said -------------------------------------------------------- */

void course_send_train(struct course *f, const char *yaml)
{
    struct blob *file = blob_copy(yaml, strlen(yaml));
    Edged__Envelope env = EDGED__ENVELOPE__INIT;
    Edged__Train train = EDGED__TRAIN__INIT;
    Edged__BlobRef refs[2];
    struct digest digests[2];

    desk_send_blob(&f->d, f->d.client, file, &digests[0]);
    desk_send_blob(&f->d, f->d.client, f->model, &digests[1]);
    send_manifest(f, 0, COURSE_SAMPLES);
    send_manifest(f, 1, COURSE_TESTS);
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

struct io_fake_peer *course_node(struct course *f, const char *name)
{
    return desk_node(&f->d, name);
}

const Edged__TrainReply *course_reply(const struct course *f)
{
    const struct msg *msg =
        io_fake_last(f->d.client, EDGED__ENVELOPE__BODY_TRAIN_REPLY);

    return msg != NULL ? msg->env->train_reply : NULL;
}

const Edged__Install *course_install(struct course *f, const char *name)
{
    const struct msg *msg =
        io_fake_last(course_node(f, name), EDGED__ENVELOPE__BODY_INSTALL);

    assert_non_null(msg);
    return msg->env->install;
}

const Edged__Step *course_step(struct course *f, const char *name)
{
    const struct msg *msg =
        io_fake_last(course_node(f, name), EDGED__ENVELOPE__BODY_STEP);

    return msg != NULL ? msg->env->step : NULL;
}

uint64_t course_sum_of(const Edged__Step *at)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < at->n_sizes; i++) {
        sum += at->sizes[i];
    }
    return sum;
}

uint64_t course_samples_of(const Edged__Step *at, uint32_t replica)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < at->n_sizes; i++) {
        sum += at->ways[at->n_ways - at->n_sizes + i] == replica ? at->sizes[i]
                                                                 : 0;
    }
    return sum;
}

uint32_t course_place_of(const Edged__Place *place, const char *name)
{
    for (uint32_t i = 0; i < place->n_nodes; i++) {
        if (strcmp(place->nodes[i], name) == 0) {
            return i;
        }
    }
    fail_msg("%s is not in the place", name);
    return 0;
}

/* Which step a state that is saved now is after. */
static void note_applied(struct course *f, const char *name,
                         const Edged__Install *in, const Edged__Step *at)
{
    int i = name[1] - '0';

    if (at->applies != 0) {
        f->applied[i] = at->applies;
    } else if (f->epoch[i] != at->epoch) {
        f->applied[i] = in->shards[0]->recipe->step;
    }
    f->epoch[i] = at->epoch;
}

void course_say_stepped(struct course *f, const char *name,
                        const struct course_wrong *wrong)
{
    const Edged__Install *in = course_install(f, name);
    const Edged__Step at = *course_step(f, name);
    uint8_t mark = wrong->mark;

    note_applied(f, name, in, &at);
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
            out.samples = course_samples_of(
                &at, course_place_of(in->places[recipe->stage], name));
            out.samples -= wrong->is_short;
            loss = 2 * (double)out.samples;
            out.correct = out.samples / 2;
            out.losses = &loss;
            out.n_losses = 1;
        }
        if (wrong->stepped != NULL) {
            wrong->stepped(wrong->arg, &out);
        }
        env.body_case = EDGED__ENVELOPE__BODY_STEPPED;
        env.stepped = &out;
        io_fake_receive(course_node(f, name), &env, NULL);
    }
}

void course_stepped(struct course *f, const char *name)
{
    course_say_stepped(f, name, &(struct course_wrong){0});
}

void course_say_saved(struct course *f, const char *name, uint64_t number,
                      const struct course_wrong *wrong)
{
    const Edged__Install *in = course_install(f, name);
    struct digest digest;
    Edged__BlobRef ref = EDGED__BLOB_REF__INIT;

    desk_send_blob(&f->d, course_node(f, name), f->state, &digest);
    ref.digest = convert_digest_out(&digest);
    ref.size = f->state->size;
    for (size_t i = 0; i < in->n_shards; i++) {
        Edged__Envelope env = EDGED__ENVELOPE__INIT;
        Edged__Saved saved = EDGED__SAVED__INIT;

        saved.epoch = in->epoch;
        saved.shard = in->shards[i]->id;
        saved.step = number;
        saved.state = &ref;
        saved.code = wrong->code;
        if (wrong->saved != NULL) {
            wrong->saved(wrong->arg, &saved);
        }
        env.body_case = EDGED__ENVELOPE__BODY_SAVED;
        env.saved = &saved;
        io_fake_receive(course_node(f, name), &env, NULL);
    }
}

void course_save(struct course *f, const char *name, uint64_t number)
{
    course_say_saved(f, name, number, &(struct course_wrong){0});
}

void course_be_ready(struct course *f, const char *name)
{
    Edged__Envelope env = EDGED__ENVELOPE__INIT;
    Edged__Ready ready = EDGED__READY__INIT;

    ready.epoch = course_install(f, name)->epoch;
    f->ready[name[1] - '0'] = ready.epoch;
    env.body_case = EDGED__ENVELOPE__BODY_READY;
    env.ready = &ready;
    io_fake_receive(course_node(f, name), &env, NULL);
}

void course_begin(struct course *f, const char *yaml)
{
    course_send_train(f, yaml);
    if (course_reply(f) != NULL) {
        fail_msg("%s", course_reply(f)->text);
    }
    desk_up(&f->d, "n0", 0);
    desk_up(&f->d, "n1", 0);
    (void)io_fake_work(&f->d.fake);
    if (course_reply(f) != NULL) {
        fail_msg("%s", course_reply(f)->text);
    }
    course_be_ready(f, "n0");
    assert_null(course_step(f, "n0")); /* not before all are */
    course_be_ready(f, "n1");
    assert_non_null(course_step(f, "n0"));
    assert_non_null(course_step(f, "n1"));
}

void course_go(struct course *f, size_t n)
{
    static const char *const names[] = {"n0", "n1"};

    for (size_t i = 0; i < n && course_reply(f) == NULL; i++) {
        uint64_t number = 0;

        for (size_t k = 0; k < 2; k++) {
            if (course_node(f, names[k])->base.up &&
                course_step(f, names[k]) != NULL) {
                const Edged__Step *at = course_step(f, names[k]);
                bool saves = at->saves;

                number = at->step;
                course_stepped(f, names[k]);
                if (saves) {
                    course_save(f, names[k], f->applied[k]);
                }
            }
        }
        (void)io_fake_work(&f->d.fake);
        io_fake_turn(&f->d.fake);
        assert_int_not_equal(number, 0);
    }
}

/* ---- boards that live ---------------------------------------------------- */

static bool is_there(struct course *f, const char *name)
{
    struct io_fake_peer *node = course_node(f, name);

    return node != NULL && node->base.up;
}

void course_serve(struct course *f, const char *name)
{
    const Edged__Install *in;
    const Edged__Step *at;
    bool saves;

    if (!is_there(f, name) ||
        io_fake_count(course_node(f, name), EDGED__ENVELOPE__BODY_INSTALL) ==
            0) {
        return;
    }
    in = course_install(f, name);
    if (f->ready[name[1] - '0'] != in->epoch) {
        course_be_ready(f, name);
        return;
    }
    at = course_step(f, name);
    if (at == NULL || at->epoch != in->epoch) {
        return;
    }
    saves = at->saves;
    course_stepped(f, name);
    if (saves && is_there(f, name)) {
        course_save(f, name, f->applied[name[1] - '0']);
    }
}

/* Says what it is ready for: all of the newest placement, or nothing. */
static void beat(struct course *f, const char *name)
{
    struct io_fake_peer *node = course_node(f, name);
    const struct msg *msg = io_fake_last(node, EDGED__ENVELOPE__BODY_INSTALL);
    const struct msg *heard = io_fake_last(node, EDGED__ENVELOPE__BODY_BEAT);
    Edged__Envelope env = EDGED__ENVELOPE__INIT;
    Edged__Beat beat = EDGED__BEAT__INIT;
    Edged__ShardLoad loads[LIMIT_SHARDS];
    Edged__ShardLoad *list[LIMIT_SHARDS];

    beat.seq = ++f->d.beat_seq;
    beat.ack = heard != NULL ? heard->env->beat->seq : 0;
    beat.memory_budget = MIB(100);
    beat.shards = list;
    if (msg != NULL && msg->env->install->epoch == f->ready[name[1] - '0']) {
        beat.n_shards = msg->env->install->n_shards;
    }
    for (size_t i = 0; i < beat.n_shards; i++) {
        edged__shard_load__init(&loads[i]);
        loads[i].epoch = msg->env->install->epoch;
        loads[i].shard = msg->env->install->shards[i]->id;
        loads[i].ready = true;
        list[i] = &loads[i];
    }
    env.body_case = EDGED__ENVELOPE__BODY_BEAT;
    env.beat = &beat;
    io_fake_receive(node, &env, NULL);
}

void course_pass(struct course *f, uint64_t ms)
{
    static const char *const names[] = {"n0", "n1"};

    for (uint64_t at = 0; at < ms; at += BEAT_MS) {
        for (size_t i = 0; i < 2; i++) {
            if (is_there(f, names[i])) {
                beat(f, names[i]);
            }
        }
        io_fake_run_for(&f->d.fake, ms - at < BEAT_MS ? ms - at : BEAT_MS);
        (void)io_fake_work(&f->d.fake);
    }
}
