/*
 * Any recipe in an Install for a board of a school (tests/lib/school.h): read,
 * and made ready to train with a small model and a small data set, or refused
 * with a sentence. Then what is made takes a state in which bytes are wrong.
 *
 * Bytes: the training, the board; how many bytes of the state are wrong, and
 * for each where and how (3 bytes); the rest is a Recipe. A digest of one byte
 * and zeros in it stands for the file of that number; a size of 1 for its own.
 */
#include "base/mem.h"
#include "daemon/train.h"
#include "tests/lib/fuzz_input.h"
#include "tests/lib/school_inner.h"
#include "train/learnt.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* So that what is made is small: a daemon refuses it only once it is made. */
#define SAMPLES_MOST 32
#define SLOTS_MOST 8

static const struct school_ask asks[] = {
    {.boards = 1,
     .stages = 1,
     .replicas = 1,
     .micros = 1,
     .batch = 4,
     .slots = 1},
    {.boards = 2,
     .stages = 2,
     .replicas = 1,
     .micros = 1,
     .batch = 4,
     .slots = 2,
     .codec = "sparse:25%+q8",
     .back = "q4"},
    {.boards = 2,
     .stages = 1,
     .replicas = 2,
     .micros = 2,
     .batch = 4,
     .slots = 1,
     .reduce = "q8"},
};

#define ASKS (sizeof(asks) / sizeof(asks[0]))

struct clerk { /* of a school without boards: takes down an Install */
    struct school school;
    struct io io;
    struct io_peer peer;
    struct store *store;
    uint8_t *packed;
    size_t size;
};

/* ---- the Install --------------------------------------------------------- */

static int take_down(struct io_peer *peer, const Edged__Envelope *env,
                     const struct io_payload *payload)
{
    struct clerk *c = container_of(peer, struct clerk, peer);

    (void)payload;
    c->size = edged__install__get_packed_size(env->install);
    c->packed = mem_resize(NULL, c->size + 1, 1);
    fuzz_require(c->packed != NULL, "there is memory");
    (void)edged__install__pack(env->install, c->packed);
    return 0;
}

static const struct io_ops ops = {.send = take_down};

static void clerk_init(struct clerk *c, const struct school_ask *ask)
{
    struct digest digest;
    struct digest test[2];
    struct err err;

    school_prepare(&c->school, ask);
    school_make_test(&c->school, test);
    c->io.ops = &ops;
    c->peer.io = &c->io;
    fuzz_require(store_open(tmp_path(&c->school.tmp, "store"), STORE_NO_SYNC,
                            &c->store, &err) == 0,
                 "there is a store");
    for (size_t i = 0; i < c->school.n_files; i++) {
        const struct blob *blob = c->school.files[i].blob;

        fuzz_require(
            store_put(c->store, blob->data, blob->size, &digest, &err) == 0,
            "it takes files");
    }
}

static void clerk_deinit(struct clerk *c)
{
    store_free(c->store);
    school_forget(&c->school);
    mem_free(c->packed);
}

static bool is_number(const Edged__BlobRef *ref)
{
    bool fine = ref != NULL && ref->digest.len == sizeof(struct digest);

    for (size_t i = 1; fine && i < ref->digest.len; i++) {
        fine = ref->digest.data[i] == 0;
    }
    return fine;
}

/* Of a file from the first, or from the last back. */
static void fix_ref(const struct school *s, Edged__BlobRef *ref)
{
    const struct school_file *file;
    size_t at;

    if (is_number(ref)) {
        at = ref->digest.data[0];
        at = at < 128 ? at % s->n_files
                      : s->n_files - 1 - (255 - at) % s->n_files;
        file = &s->files[at];
        memcpy(ref->digest.data, file->digest.bytes, ref->digest.len);
        ref->size = ref->size == 1 ? file->blob->size : ref->size;
    }
}

static void fix_data(const struct school *s, Edged__DataSpec *data)
{
    if (data != NULL) {
        fix_ref(s, data->manifest);
        for (size_t i = 0; i < data->n_files; i++) {
            fix_ref(s, data->files[i]);
        }
    }
}

/* As the school would send it, but for the recipe of one stage. */
static void write_install(struct clerk *c, size_t board, Edged__Recipe *recipe)
{
    struct school *s = &c->school;
    struct paper *papers = mem_array(struct paper, PIPE_SHARDS);

    fuzz_require(papers != NULL, "there is memory");
    school_write(s, 1, papers);
    fix_ref(s, recipe->state);
    fix_data(s, recipe->train);
    fix_data(s, recipe->test);
    recipe->micro_max %= SAMPLES_MOST + 1;
    recipe->slots %= SLOTS_MOST + 1;
    for (size_t i = 0; i < s->ask.stages; i++) {
        if (school_board_of(s, i, 0) == board ||
            school_board_of(s, i, s->ask.replicas - 1) == board) {
            papers[i].shard.recipe = recipe;
        }
    }
    s->boards[board].peer = &c->peer;
    school_send_install(s, board, papers);
    mem_free(papers);
}

/* ---- what becomes of it -------------------------------------------------- */

/* A state of its own, in which bytes are wrong. */
static void spoil_state(struct train_made *made, struct fuzz_input *wrong)
{
    struct blob *state = NULL;
    struct err err = {""};
    bool any = wrong->at < wrong->end;

    if (learnt_write(made->step, &state, &err) < 0) {
        fuzz_require(err.text[0] != '\0', "it says why not");
        return;
    }
    while (wrong->at < wrong->end) {
        size_t at = fuzz_take(wrong);

        at |= (size_t)fuzz_take(wrong) << 8;
        state->data[at % state->size] ^= fuzz_take(wrong);
    }
    if (learnt_read(state, made->step, &err) < 0) {
        fuzz_require(any && err.text[0] != '\0', "it says why not");
    }
    blob_unref(state);
}

static void make(struct clerk *c, const struct train *t,
                 struct fuzz_input *wrong)
{
    struct train_made *made = NULL;
    struct err err = {""};

    if (train_make(c->store, t, NULL, &made, &err) < 0) {
        fuzz_require(err.text[0] != '\0', "it says why not");
        return;
    }
    fuzz_require(made->step != NULL && made->bytes > 0 &&
                     made->n_out <= TRAIN_OUTPUTS,
                 "it is whole");
    spoil_state(made, wrong);
    train_made_free(made);
}

static void read_install(struct clerk *c, const char *name,
                         struct fuzz_input *wrong)
{
    struct daemon daemon = {0};
    Edged__Install *from = NULL;
    struct epoch *epoch = NULL;
    struct err err = {""};

    (void)snprintf(daemon.name, sizeof(daemon.name), "%s", name);
    if (msg_unpack_alone(&edged__install__descriptor, c->packed, c->size,
                         LIMIT_UNPACK, &from, &err) < 0) {
        fuzz_require(err.text[0] != '\0', "it says why not");
        return;
    }
    if (spec_read(&daemon, from, &epoch, &err) == 0) {
        for (size_t i = 0; i < epoch->n_shards; i++) {
            if (epoch->shards[i].train != NULL) {
                make(c, epoch->shards[i].train, wrong);
            }
        }
        spec_free(epoch);
    } else {
        fuzz_require(err.text[0] != '\0', "it says why not");
    }
    msg_free_alone(from);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input in = {data, data + size};
    const struct school_ask *ask = &asks[fuzz_take(&in) % ASKS];
    size_t board = fuzz_take(&in) % ask->boards;
    size_t n = fuzz_take(&in) % 16 * (size_t)3;
    size_t left = (size_t)(in.end - in.at);
    struct fuzz_input wrong;
    Edged__Recipe *recipe = NULL;
    struct clerk *c;
    struct err err;

    n = n < left ? n : left;
    wrong = (struct fuzz_input){in.at, in.at + n};
    in.at += n;
    if (msg_unpack_alone(&edged__recipe__descriptor, in.at,
                         (size_t)(in.end - in.at), LIMIT_UNPACK, &recipe,
                         &err) < 0) {
        return 0;
    }
    c = mem_new(struct clerk);
    fuzz_require(c != NULL, "there is memory");
    clerk_init(c, ask);
    write_install(c, board, recipe);
    read_install(c, c->school.boards[board].name, &wrong);
    clerk_deinit(c);
    mem_free(c);
    msg_free_alone(recipe);
    return 0;
}
