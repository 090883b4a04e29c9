#include "tests/lib/school_inner.h"

#include "coordinator/plan/cut.h"
#include "tests/lib/unit.h"

#include <stdio.h>
#include <string.h>

/* ---- the model ----------------------------------------------------------- */

static void make_model(struct school *s)
{
    struct graph *model = pipe_model(!s->ask.no_norm);
    int positions[PIPE_SHARDS];
    size_t n = s->ask.stages - 1;
    struct cut *cuts;
    size_t n_cuts;
    struct err err;

    assert_int_equal(cut_candidates(model, &cuts, &n_cuts, &err), 0);
    for (size_t i = 0; i < n; i++) {
        positions[i] = cuts[(i + 1) * n_cuts / (n + 1)].position;
    }
    cut_free(cuts, n_cuts);
    if (n == 0) {
        assert_int_equal(graph_clone(model, &s->shards[0]), 0);
    } else if (cut_split(model, positions, n, s->shards, &err) < 0) {
        fail_msg("%s", err.text);
    }
    for (size_t i = 0; i < s->ask.stages; i++) {
        struct export *e = &s->exports[i];

        assert_int_equal(export_graph(s->shards[i], e, &err), 0);
        (void)school_add_file(s, e->model->data, e->model->size);
        for (size_t k = 0; k < e->n_blobs; k++) {
            (void)school_add_file(s, e->blobs[k].data, e->blobs[k].size);
        }
    }
    graph_free(model);
}

/* ---- what boards say ----------------------------------------------------- */

static struct school_board *board_of(struct school *s,
                                     const struct io_peer *peer)
{
    for (size_t i = 0; i < s->ask.boards; i++) {
        if (strcmp(s->boards[i].name, peer->name) == 0) {
            return &s->boards[i];
        }
    }
    fail_msg("who is %s?", peer->name);
    return NULL;
}

static void send_file(struct school *s, struct io_peer *peer,
                      const Edged__BlobRef *ref)
{
    Edged__Envelope env = EDGED__ENVELOPE__INIT;
    Edged__Chunk chunk = EDGED__CHUNK__INIT;
    struct io_payload payload = {0};
    struct digest digest;
    const struct blob *blob;

    assert_int_equal(convert_digest_in(&ref->digest, &digest, NULL), 0);
    blob = school_file(s, &digest);
    chunk.blob = (Edged__BlobRef *)(uintptr_t)ref;
    env.body_case = EDGED__ENVELOPE__BODY_CHUNK;
    env.chunk = &chunk;
    payload.blob = (struct blob *)(uintptr_t)blob;
    payload.size = blob->size;
    assert_int_equal(io_send(peer, &env, &payload), 0);
}

static void on_chunk(struct school *s, struct io_peer *peer,
                     const struct msg *msg)
{
    const Edged__Chunk *chunk = msg->env->chunk;
    Edged__Envelope env = EDGED__ENVELOPE__INIT;
    Edged__ChunkAck ack = EDGED__CHUNK_ACK__INIT;
    struct digest digest;
    struct school_file *file;

    assert_int_equal(convert_digest_in(&chunk->blob->digest, &digest, NULL), 0);
    file = school_find_file(s, &digest);
    if (file == NULL) {
        file = school_new_file(s, &digest, chunk->blob->size);
    }
    if (msg->payload != NULL && chunk->offset == file->have) {
        memcpy(file->blob->data + file->have, msg->payload->data,
               msg->payload->size);
        file->have += msg->payload->size;
    }
    ack.digest = convert_digest_out(&digest);
    ack.received = file->have;
    env.body_case = EDGED__ENVELOPE__BODY_CHUNK_ACK;
    env.chunk_ack = &ack;
    (void)io_send(peer, &env, NULL);
}

static void on_stepped(struct school *s, struct school_board *b,
                       const Edged__Stepped *from)
{
    struct school_said *said;

    if (from->epoch != s->epoch) {
        return;
    }
    if (from->code < 0) {
        (void)snprintf(s->why, sizeof(s->why), "%s: %s", b->name, from->text);
    }
    if (from->shard == 0) {
        b->failed = true;
        return;
    }
    said = &s->said[b - s->boards][from->shard - 1];
    said->times = said->step == from->step ? said->times + 1 : 1;
    said->step = from->step;
    said->code = from->code;
    said->square = from->square;
    said->loss = from->n_losses > 0 ? from->losses[0] : 0;
    said->samples = from->samples;
    said->correct = from->correct;
    said->sent += from->sent_bytes;
    said->plain += from->plain_bytes;
    said->reduced += from->reduce_bytes;
    said->reduced_plain += from->reduce_plain;
    assert_int_equal(from->weights.len, sizeof(said->mark));
    memcpy(said->mark, from->weights.data, sizeof(said->mark));
}

static void on_saved(struct school *s, const struct school_board *b,
                     const Edged__Saved *from)
{
    size_t board = (size_t)(b - s->boards);
    struct digest *to = &s->saved[board][from->shard - 1];

    if (from->code < 0) {
        fail_msg("%s: %s", b->name, from->text);
    }
    assert_int_equal(convert_digest_in(&from->state->digest, to, NULL), 0);
    assert_int_equal(school_file(s, to)->size, from->state->size);
    s->has_saved[board][from->shard - 1] = true;
}

void school_hear(void *arg, struct io_peer *peer, struct msg *msg)
{
    struct school *s = arg;
    struct school_board *b = board_of(s, peer);

    switch (msg->env->body_case) {
    case EDGED__ENVELOPE__BODY_BEAT: b->heard = msg->env->beat->seq; break;
    case EDGED__ENVELOPE__BODY_NEED:
        for (size_t i = 0; i < msg->env->need->n_blobs; i++) {
            send_file(s, peer, msg->env->need->blobs[i]);
        }
        break;
    case EDGED__ENVELOPE__BODY_READY: b->ready = true; break;
    case EDGED__ENVELOPE__BODY_FAILED:
        b->failed = true;
        (void)snprintf(s->why, sizeof(s->why), "%s", msg->env->failed->text);
        break;
    case EDGED__ENVELOPE__BODY_CHUNK: on_chunk(s, peer, msg); break;
    case EDGED__ENVELOPE__BODY_STEPPED:
        on_stepped(s, b, msg->env->stepped);
        break;
    case EDGED__ENVELOPE__BODY_SAVED: on_saved(s, b, msg->env->saved); break;
    default: break;
    }
}

static void on_up(void *arg, struct io_peer *peer)
{
    (void)arg;
    (void)peer;
}

static void on_down(void *arg, struct io_peer *peer, int rc, const char *why)
{
    (void)arg;
    (void)peer;
    (void)rc;
    (void)why;
}

/* ---- time ---------------------------------------------------------------- */

static void send_beats(struct school *s)
{
    Edged__Envelope env = EDGED__ENVELOPE__INIT;
    Edged__Beat beat = EDGED__BEAT__INIT;

    beat.seq = ++s->beat;
    env.body_case = EDGED__ENVELOPE__BODY_BEAT;
    env.beat = &beat;
    for (size_t i = 0; i < s->ask.boards; i++) {
        if (s->boards[i].daemon != NULL) {
            beat.ack = s->boards[i].heard;
            (void)io_send(s->boards[i].peer, &env, NULL);
        }
    }
}

static bool run_until(struct school *s, bool (*condition)(void *arg),
                      uint64_t ms)
{
    for (uint64_t at = 0; at < ms; at += 200) {
        send_beats(s);
        if (sim_run_until(s->sim, condition, s, 200)) {
            return true;
        }
    }
    return false;
}

static bool never(void *arg)
{
    (void)arg;
    return false;
}

void school_run_for(struct school *s, uint64_t ms)
{
    (void)run_until(s, never, ms);
}

/* ---- boards -------------------------------------------------------------- */

size_t school_board_of(const struct school *s, size_t stage, size_t replica)
{
    if (s->ask.home && stage + 1 == s->ask.stages) {
        return 0;
    }
    return (stage * s->ask.replicas + replica) % s->ask.boards;
}

/* What boards say to each other in a training, once more if it shall be. */
static int send_twice(struct io_peer *peer, const Edged__Envelope *env,
                      const struct io_payload *payload)
{
    struct school_board *b =
        container_of(peer->io->ops, struct school_board, ops);
    int rc = b->real->send(peer, env, payload);

    if (rc == 0 && b->doubles &&
        (env->body_case == EDGED__ENVELOPE__BODY_FLOW ||
         env->body_case == EDGED__ENVELOPE__BODY_REDUCE)) {
        (void)b->real->send(peer, env, payload);
    }
    return rc;
}

static void start_board(struct school *s, size_t i)
{
    struct school_board *b = &s->boards[i];
    struct daemon_config config = {.name = b->name,
                                   .folder = b->folder,
                                   .memory_budget = MIB(256),
                                   .store_flags = STORE_NO_SYNC,
                                   .board = &s->board};
    struct err err;

    b->io = sim_node(s->sim, &b->id, "127.0.0.1", PORT + (int)i, NULL);
    assert_non_null(b->io);
    if (daemon_new(b->io, &config, &b->daemon, &err) < 0) {
        fail_msg("%s", err.text);
    }
    b->real = b->io->ops;
    b->ops = *b->real;
    b->ops.send = send_twice;
    b->io->ops = &b->ops;
    daemon_start(b->daemon);
    assert_int_equal(
        io_dial(s->io, b->name, "127.0.0.1", PORT + (int)i, &b->peer, &err), 0);
}

static bool all_up(void *arg)
{
    const struct school *s = arg;

    for (size_t i = 0; i < s->ask.boards; i++) {
        if (!s->boards[i].peer->up) {
            return false;
        }
    }
    return true;
}

void school_prepare(struct school *s, const struct school_ask *ask)
{
    memset(s, 0, sizeof(*s));
    s->ask = *ask;
    assert_true(ask->boards <= SCHOOL_BOARDS && ask->boards >= ask->replicas);
    tmp_init(&s->tmp);
    s->board = (struct board){.free_bytes = (uint64_t)1 << 32};
    for (size_t i = 0; i < ask->boards && i < SCHOOL_BOARDS; i++) {
        struct school_board *b = &s->boards[i];

        (void)snprintf(b->name, sizeof(b->name), "n%zu", i);
        (void)snprintf(b->folder, sizeof(b->folder), "%s",
                       tmp_path(&s->tmp, b->name));
    }
    school_make_data(s);
    make_model(s);
}

void school_init(struct school *s, const struct school_ask *ask)
{
    school_prepare(s, ask);
    s->sim = sim_new(7);
    s->id = (struct io_identity){.role = EDGED__ROLE__ROLE_COORDINATOR,
                                 .name = "coordinator",
                                 .cluster = "home",
                                 .instance = 1,
                                 .version = "test"};
    s->io = sim_node(s->sim, &s->id, "127.0.0.1", 6999, NULL);
    s->io->events = (struct io_events){
        .on_up = on_up, .on_down = on_down, .on_message = school_hear};
    s->io->arg = s;
    for (size_t i = 0; i < ask->boards; i++) {
        struct school_board *b = &s->boards[i];

        b->id = (struct io_identity){.role = EDGED__ROLE__ROLE_NODE,
                                     .name = b->name,
                                     .cluster = "home",
                                     .instance = 100 + i,
                                     .version = "test"};
        start_board(s, i);
    }
    assert_true(run_until(s, all_up, SCHOOL_WAIT_MS));
}

void school_kill(struct school *s, size_t board)
{
    struct school_board *b = &s->boards[board];

    if (b->daemon != NULL) {
        sim_kill(b->io);
        daemon_free(b->daemon);
        b->io->ops = b->real;
        b->daemon = NULL;
    }
}

void school_deinit(struct school *s)
{
    for (size_t i = 0; i < s->ask.boards; i++) {
        school_kill(s, i);
    }
    sim_free(s->sim);
    school_forget(s);
}

void school_forget(struct school *s)
{
    for (size_t i = 0; i < s->n_files; i++) {
        blob_unref(s->files[i].blob);
    }
    for (size_t i = 0; i < PIPE_SHARDS; i++) {
        export_deinit(&s->exports[i]);
        graph_free(s->shards[i]);
    }
    tmp_deinit(&s->tmp);
}

/* ---- a placement ----------------------------------------------------------
 */

static bool all_ready(void *arg)
{
    const struct school *s = arg;

    for (size_t i = 0; i < s->ask.boards; i++) {
        if (s->boards[i].failed) {
            fail_msg("%s", s->why);
        }
        if (!s->boards[i].ready) {
            return false;
        }
    }
    return true;
}

static void retire(struct school *s)
{
    Edged__Envelope env = EDGED__ENVELOPE__INIT;
    Edged__Epochs known = EDGED__EPOCHS__INIT;

    env.body_case = EDGED__ENVELOPE__BODY_EPOCHS;
    env.epochs = &known;
    for (size_t i = 0; i < s->ask.boards; i++) {
        assert_int_equal(io_send(s->boards[i].peer, &env, NULL), 0);
    }
}

void school_write(struct school *s, uint32_t epoch, struct paper *papers)
{
    struct digest test[2];

    s->epoch = epoch;
    s->waiting = 0;
    school_make_test(s, test);
    memset(s->said, 0, sizeof(s->said));
    memset(s->has_saved, 0, sizeof(s->has_saved));
    for (size_t i = 0; i < s->ask.stages; i++) {
        school_write_shard(s, &papers[i], i, test);
    }
}

void school_install(struct school *s, uint32_t epoch)
{
    static struct paper papers[PIPE_SHARDS];

    if (s->epoch != 0) {
        retire(s);
    }
    school_write(s, epoch, papers);
    for (size_t i = 0; i < s->ask.boards; i++) {
        school_send_install(s, i, papers);
    }
    assert_true(run_until(s, all_ready, SCHOOL_WAIT_MS));
}

/* ---- steps --------------------------------------------------------------- */

static bool is_of(const struct school *s, size_t board, size_t stage)
{
    for (size_t r = 0; r < s->ask.replicas; r++) {
        if (school_board_of(s, stage, r) == board) {
            return true;
        }
    }
    return false;
}

static bool all_said(void *arg)
{
    const struct school *s = arg;

    for (size_t b = 0; b < s->ask.boards; b++) {
        for (size_t i = 0; i < s->ask.stages; i++) {
            if (s->boards[b].daemon != NULL && is_of(s, b, i) &&
                s->said[b][i].step != s->step) {
                return false;
            }
        }
    }
    return true;
}

bool school_wait(struct school *s, uint64_t ms)
{
    if (!run_until(s, all_said, ms)) {
        return false;
    }
    s->square = 0;
    for (size_t i = 0; i < s->ask.stages; i++) {
        size_t first = school_board_of(s, i, 0);

        s->square += s->said[first][i].square;
        for (size_t r = 0; r < s->ask.replicas; r++) {
            const struct school_said *said =
                &s->said[school_board_of(s, i, r)][i];

            if (said->code < 0) {
                return false;
            }
            if (s->alike) {
                assert_memory_equal(said->mark, s->said[first][i].mark, 8);
            }
            if (s->ask.local == 0) {
                assert_true(said->square == s->said[first][i].square);
            }
        }
    }
    return true;
}

static bool all_saved(void *arg)
{
    const struct school *s = arg;

    for (size_t b = 0; b < s->ask.boards; b++) {
        for (size_t i = 0; i < s->ask.stages; i++) {
            if (is_of(s, b, i) && !s->has_saved[b][i]) {
                return false;
            }
        }
    }
    return true;
}

void school_save(struct school *s, struct digest states[PIPE_SHARDS])
{
    Edged__Step step = EDGED__STEP__INIT;

    memset(s->has_saved, 0, sizeof(s->has_saved));
    step.saves = true;
    school_send(s, &step);
    s->state_step = s->waiting;
    s->waiting = 0;
    if (!school_wait(s, SCHOOL_WAIT_MS) ||
        !run_until(s, all_saved, SCHOOL_WAIT_MS)) {
        fail_msg("not saved: %s", s->why);
    }
    for (size_t i = 0; i < s->ask.stages; i++) {
        states[i] = s->saved[school_board_of(s, i, 0)][i];
        for (size_t r = 1; r < s->ask.replicas; r++) {
            assert_true(digest_equal(&states[i],
                                     &s->saved[school_board_of(s, i, r)][i]));
        }
    }
}
