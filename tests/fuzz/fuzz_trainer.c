/*
 * A coordinator with a training (tests/lib/course.h) whose boards lie: about
 * steps that were not asked for, with losses that are no numbers, samples that
 * there were not, states that are not there, in any order with honest answers,
 * boards that go, time that passes, a coordinator that begins anew. What must
 * hold: no crash, and once all boards are honest the training ends, well
 * unless a state was wrong or it had failed too often.
 *
 * Bytes: which training, then acts: a kind (low 4 bits: a parameter), and what
 * that kind takes; past the end all bytes are 0.
 */
#include "base/mem.h"
#include "coordinator/train/trainer.h"
#include "tests/lib/fuzz_input.h"
#include "tests/lib/course.h"
#include "wire/convert.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define ACTS_MAX 64
#define ROUNDS_MAX 400

enum act {
    ACT_SERVE,
    ACT_STEPPED,
    ACT_SAVED,
    ACT_READY,
    ACT_FAILED,
    ACT_PASS,
    ACT_SILENCE,
    ACT_LEAVE,
    ACT_COME,
    ACT_STATE,
    ACT_WORK,
    ACT_ASK,
    ACT_RESTART,
    ACT_BOTH
};

#define CHECKPOINTS "checkpoint: {steps: 2, keep: 2}}\n"
#define TRAINING                                                     \
    "training: {data: d, epochs: 2, batch: 8, microbatches: 1, lr: " \
    "0.5, momentum: 0.9, "

static const char *const files[] = {
    COURSE_HEAD TRAINING CHECKPOINTS,
    COURSE_HEAD
    "stages:\n  - {name: a, layers: flat..one, replicas: [n0]}\n"
    "  - {name: b, layers: two..two, replicas: [n1]}\n" TRAINING CHECKPOINTS,
    COURSE_HEAD TRAINING "sync: {local: 2}, " CHECKPOINTS,
    COURSE_HEAD TRAINING "shares: measured, codec: q8, " CHECKPOINTS,
};

static const char *const names[] = {"n0", "n1"};

struct liar {
    struct course f;
    struct fuzz_input in;
    unsigned spoils;     /* of the next answer */
    struct digest state; /* that a board made up */
    bool has_state;
    bool lost_states; /* one of them may be in a checkpoint */
    bool asked_to_stop;
    bool restarted;
    /* What an answer points to. */
    double losses[LIMIT_LOSSES + 4];
    uint8_t weights[40];
    Edged__ExitCount counts[LIMIT_LOSSES + 4];
    Edged__ExitCount *count_list[LIMIT_LOSSES + 4];
    uint64_t left[64];
    Edged__BlobRef ref;
};

/* ---- bytes --------------------------------------------------------------- */

static double take_real(struct fuzz_input *in)
{
    static const double odd[] = {-1, 1e308, INFINITY, NAN};
    uint8_t first = fuzz_take(in);

    return first >= 0xfc ? odd[first - 0xfc] : (double)first / 64;
}

/* ---- lies ---------------------------------------------------------------- */

static void spoil_counts(struct liar *l, Edged__Stepped *out)
{
    struct fuzz_input *in = &l->in;

    out->n_exits = fuzz_take(in) % (LIMIT_LOSSES + 5);
    for (size_t i = 0; i < out->n_exits; i++) {
        edged__exit_count__init(&l->counts[i]);
        l->counts[i].samples = fuzz_take_number(in);
        l->count_list[i] = &l->counts[i];
    }
    out->exits = l->count_list;
    out->n_left = fuzz_take(in) % 65;
    out->n_left_correct = fuzz_take(in) % 65;
    out->left = out->left_correct = l->left;
}

static void spoil_stepped(struct liar *l, Edged__Stepped *out)
{
    struct fuzz_input *in = &l->in;

    switch (fuzz_take(in) % 16) {
    case 0: out->epoch += fuzz_take(in) % 2 == 0 ? UINT32_MAX : 1; break;
    case 1: out->step += fuzz_take_number(in); break;
    case 2: out->step--; break;
    case 3: out->shard = (uint32_t)fuzz_take_number(in); break;
    case 4: out->square = take_real(in); break;
    case 5:
        out->n_losses = fuzz_take(in) % (LIMIT_LOSSES + 5);
        out->losses = l->losses;
        break;
    case 6:
        l->losses[0] = take_real(in);
        out->losses = l->losses;
        break;
    case 7: out->samples = fuzz_take_number(in); break;
    case 8: out->correct = fuzz_take_number(in); break;
    case 9: out->busy_us = (uint32_t)fuzz_take_number(in); break;
    case 10: out->sent_bytes = out->plain_bytes = fuzz_take_number(in); break;
    case 11: out->reduce_bytes = out->peak_bytes = fuzz_take_number(in); break;
    case 12:
        l->weights[0] = fuzz_take(in);
        out->weights.data = l->weights;
        out->weights.len = fuzz_take(in) % (sizeof(l->weights) + 1);
        break;
    case 13: out->code = -(int)(fuzz_take(in) % 30); break;
    case 14: out->code = (int)(fuzz_take(in) % 30); break;
    case 15: spoil_counts(l, out); break;
    }
}

static void on_stepped(void *arg, Edged__Stepped *out)
{
    struct liar *l = arg;

    for (unsigned i = 0; i < l->spoils; i++) {
        spoil_stepped(l, out);
    }
}

static void spoil_saved(struct liar *l, Edged__Saved *out)
{
    struct fuzz_input *in = &l->in;

    l->ref = out->state != NULL ? *out->state : l->ref;
    out->state = out->state != NULL ? &l->ref : NULL;
    switch (fuzz_take(in) % 8) {
    case 0: out->epoch += fuzz_take(in) % 2 == 0 ? UINT32_MAX : 1; break;
    case 1: out->step += fuzz_take_number(in); break;
    case 2: out->shard = (uint32_t)fuzz_take_number(in); break;
    case 3: out->state = NULL; break;
    case 4: l->ref.digest.len = fuzz_take(in) % 33; break;
    case 5: l->ref.size = fuzz_take_number(in); break;
    case 6:
        if (l->has_state) {
            l->ref.digest = convert_digest_out(&l->state);
            l->lost_states = true;
        }
        break;
    case 7: out->code = -(int)(fuzz_take(in) % 30); break;
    }
}

static void on_saved(void *arg, Edged__Saved *out)
{
    struct liar *l = arg;

    for (unsigned i = 0; i < l->spoils; i++) {
        spoil_saved(l, out);
    }
}

static bool is_there(struct liar *l, const char *name)
{
    struct io_fake_peer *node = course_node(&l->f, name);

    return node != NULL && node->base.up;
}

static bool has(struct liar *l, const char *name,
                Edged__Envelope__BodyCase kind)
{
    return is_there(l, name) &&
           io_fake_count(course_node(&l->f, name), kind) > 0;
}

static void lie(struct liar *l, enum act kind, const char *name)
{
    const struct course_wrong wrong = {
        .stepped = on_stepped, .saved = on_saved, .arg = l};

    l->spoils = fuzz_take(&l->in) % 4;
    if (!has(l, name, EDGED__ENVELOPE__BODY_INSTALL) ||
        !has(l, name, EDGED__ENVELOPE__BODY_STEP)) {
        return;
    }
    if (kind == ACT_STEPPED) {
        course_say_stepped(&l->f, name, &wrong);
    } else {
        course_say_saved(&l->f, name,
                         l->f.applied[name[1] - '0'] + fuzz_take(&l->in) % 3,
                         &wrong);
    }
}

/* Of a placement that it has, or of another. */
static void say_of_install(struct liar *l, enum act kind, const char *name)
{
    Edged__Envelope env = EDGED__ENVELOPE__INIT;
    Edged__Ready ready = EDGED__READY__INIT;
    Edged__Failed failed = EDGED__FAILED__INIT;

    ready.epoch = fuzz_take(&l->in);
    if (has(l, name, EDGED__ENVELOPE__BODY_INSTALL)) {
        ready.epoch += course_install(&l->f, name)->epoch;
    }
    failed.epoch = ready.epoch;
    failed.code = -(int)(fuzz_take(&l->in) % 30);
    if (kind == ACT_READY) {
        env.body_case = EDGED__ENVELOPE__BODY_READY;
        env.ready = &ready;
    } else {
        env.body_case = EDGED__ENVELOPE__BODY_FAILED;
        env.failed = &failed;
    }
    if (is_there(l, name)) {
        io_fake_receive(course_node(&l->f, name), &env, NULL);
    }
}

static void make_up_state(struct liar *l, const char *name)
{
    size_t n = fuzz_take(&l->in) + 1u;
    struct blob *blob = blob_copy(l->f.state->data, l->f.state->size);

    for (size_t i = 0; i < n; i++) {
        blob->data[(i * 37 + n) % blob->size] ^= fuzz_take(&l->in);
    }
    if (is_there(l, name)) {
        desk_send_blob(&l->f.d, course_node(&l->f, name), blob, &l->state);
        l->has_state = true;
    }
    blob_unref(blob);
}

/* ---- other acts ---------------------------------------------------------- */

static void leave(struct liar *l, const char *name)
{
    if (is_there(l, name)) {
        desk_down(&l->f.d, name);
        l->f.ready[name[1] - '0'] = 0;
    }
}

static void come(struct liar *l, const char *name)
{
    struct io_fake_peer *node = course_node(&l->f, name);

    if (node != NULL && !node->base.up) {
        if (node->hung_up) { /* nobody told that it is down */
            desk_down(&l->f.d, name);
        }
        l->f.ready[name[1] - '0'] = 0;
        desk_up(&l->f.d, name, 0);
    }
}

static void ask(struct liar *l, unsigned what)
{
    Edged__Envelope env = EDGED__ENVELOPE__INIT;
    Edged__Train train = EDGED__TRAIN__INIT;

    train.watch = what % 2 == 0;
    train.stop = what % 8 == 1;
    train.training = (char *)(uintptr_t)(what % 4 < 2 ? "home" : "");
    l->asked_to_stop = l->asked_to_stop || train.stop;
    env.body_case = EDGED__ENVELOPE__BODY_TRAIN;
    env.train = &train;
    if (train.watch || train.stop) {
        io_fake_receive(l->f.d.client, &env, NULL);
    }
}

static void restart(struct liar *l)
{
    if (!l->restarted) {
        l->restarted = true;
        memset(l->f.ready, 0, sizeof(l->f.ready));
        desk_restart(&l->f.d);
    }
}

static void act(struct liar *l)
{
    uint8_t byte = fuzz_take(&l->in);
    unsigned more = byte & 15u;
    const char *name = names[more % 2];
    enum act kind = (enum act)(byte >> 4);

    switch (kind) {
    case ACT_SERVE: course_serve(&l->f, name); break;
    case ACT_STEPPED:
    case ACT_SAVED: lie(l, kind, name); break;
    case ACT_READY:
    case ACT_FAILED: say_of_install(l, kind, name); break;
    case ACT_PASS: course_pass(&l->f, 100 * more); break;
    case ACT_SILENCE: io_fake_run_for(&l->f.d.fake, 500 * more); break;
    case ACT_LEAVE: leave(l, name); break;
    case ACT_COME: come(l, name); break;
    case ACT_STATE: make_up_state(l, name); break;
    case ACT_WORK: (void)io_fake_work(&l->f.d.fake); break;
    case ACT_ASK: ask(l, more); break;
    case ACT_RESTART: restart(l); break;
    case ACT_BOTH:
    default:
        course_serve(&l->f, "n0");
        course_serve(&l->f, "n1");
        (void)io_fake_work(&l->f.d.fake);
        break;
    }
}

/* ---- what must hold ------------------------------------------------------ */

/* What boards are to begin from is what a board has sent. */
static void check_states(struct liar *l, const char *name)
{
    const Edged__Install *in;
    struct digest honest;

    if (!has(l, name, EDGED__ENVELOPE__BODY_INSTALL)) {
        return;
    }
    in = course_install(&l->f, name);
    digest_of(l->f.state->data, l->f.state->size, &honest);
    for (size_t i = 0; i < in->n_shards; i++) {
        const Edged__BlobRef *state = in->shards[i]->recipe->state;

        fuzz_require(state == NULL || state->size == l->f.state->size,
                     "a state has its size");
        fuzz_require(state == NULL || l->has_state ||
                         memcmp(state->digest.data, honest.bytes,
                                sizeof(honest.bytes)) == 0,
                     "a state was saved");
    }
}

static void check(struct liar *l)
{
    for (size_t i = 0; i < 2; i++) {
        const struct msg *msg = course_node(&l->f, names[i]) != NULL
                                    ? io_fake_last(course_node(&l->f, names[i]),
                                                   EDGED__ENVELOPE__BODY_STEP)
                                    : NULL;

        check_states(l, names[i]);
        fuzz_require(msg == NULL ||
                         course_sum_of(msg->env->step) <= COURSE_SAMPLES,
                     "a step is of samples that there are");
    }
}

/* All tell the truth, for as long as it takes. */
static void end_honestly(struct liar *l)
{
    const struct trainer *t = trainer_find(l->f.d.c, "home");

    fuzz_require(t != NULL, "a training is not forgotten");
    for (int i = 0; i < ROUNDS_MAX && t->phase != TRAINER_OVER; i++) {
        for (size_t k = 0; k < 2; k++) {
            come(l, names[k]);
            course_serve(&l->f, names[k]);
        }
        course_pass(&l->f, i % 8 == 0 ? 5000 : 100);
        check(l);
    }
    if (t->phase != TRAINER_OVER) {
        (void)fprintf(stderr, "phase %d, step %llu (asked %d), saving %d: %s\n",
                      t->phase, (unsigned long long)t->step.step, t->is_asked,
                      t->is_saving, t->why);
    }
    fuzz_require(t->phase == TRAINER_OVER, "it ends");
    fuzz_require(t->over_rc == 0 || t->over_text[0] != '\0' || l->asked_to_stop,
                 "it says why");
    if (t->over_rc != 0 && !l->lost_states && !l->asked_to_stop &&
        strstr(t->over_text, "without getting on") == NULL) {
        (void)fprintf(stderr, "%s\n", t->over_text);
        fuzz_require(false, "it ends well");
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct liar *l = mem_new(struct liar);

    fuzz_require(l != NULL, "there is memory");
    l->in = (struct fuzz_input){data, data + size};
    course_init(&l->f);
    course_begin(&l->f, files[fuzz_take(&l->in) % 4]);
    for (size_t i = 0; i < ACTS_MAX && l->in.at < l->in.end; i++) {
        act(l);
        check(l);
    }
    end_honestly(l);
    course_deinit(&l->f);
    mem_free(l);
    return 0;
}
