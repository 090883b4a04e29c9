#include "tests/lib/pupil.h"

#include "base/mem.h"
#include "codec/back.h"
#include "codec/coded.h"
#include "tests/lib/school_inner.h"
#include "tests/lib/unit.h"

#include <stdio.h>
#include <string.h>

#define ROUNDS_MAX 200 /* of answers and jobs, in a step */

/* ---- peers --------------------------------------------------------------- */

static bool is_mate(const struct pupil *p, size_t i)
{
    return i != p->which && (i < p->school.ask.boards || i + 1 == PUPIL_MATES);
}

void pupil_leave(struct pupil *p, struct io_fake_peer **place)
{
    struct io_fake_peer *peer = *place;

    if (peer != NULL) {
        *place = NULL;
        peer->base.up = false;
        p->fake.io.events.on_down(p->fake.io.arg, &peer->base, EDGE_ECLOSED,
                                  "");
        io_fake_drop(peer);
    }
}

void pupil_come(struct pupil *p, struct io_fake_peer **place)
{
    char name[8] = "n9";

    if (*place != NULL) {
        return;
    }
    if (place == &p->coordinator) {
        *place = io_fake_peer(&p->fake, "coordinator",
                              EDGED__ROLE__ROLE_COORDINATOR);
    } else {
        size_t i = (size_t)(place - p->mates);

        if (!is_mate(p, i)) {
            return;
        }
        if (i < p->school.ask.boards) {
            memcpy(name, p->school.boards[i].name, sizeof(name));
        }
        *place = io_fake_peer(&p->fake, name, EDGED__ROLE__ROLE_NODE);
    }
    p->fake.io.events.on_up(p->fake.io.arg, &(*place)->base);
}

static void bring_back(struct pupil *p, struct io_fake_peer **place)
{
    if (*place != NULL && !(*place)->base.up) {
        pupil_leave(p, place);
    }
    pupil_come(p, place);
    if (*place != NULL) {
        (*place)->send_rc = 0;
    }
}

void pupil_gather(struct pupil *p)
{
    bring_back(p, &p->coordinator);
    for (size_t i = 0; i < PUPIL_MATES; i++) {
        bring_back(p, &p->mates[i]);
    }
}

/* ---- the school's side --------------------------------------------------- */

static int send_in(struct io_peer *peer, const Edged__Envelope *env,
                   const struct io_payload *payload)
{
    struct pupil *p = container_of(peer, struct pupil, to_daemon);
    struct blob *bytes = NULL;

    if (p->coordinator == NULL || !p->coordinator->base.up) {
        return EDGE_ECLOSED;
    }
    if (payload != NULL && payload->size > 0) {
        bytes = blob_copy(payload->blob->data + payload->offset, payload->size);
        assert_non_null(bytes);
    }
    io_fake_receive(p->coordinator, env, bytes);
    blob_unref(bytes);
    return 0;
}

static const struct io_ops wire_ops = {.send = send_in};

static void note_state(struct pupil *p, const struct msg *msg)
{
    const Edged__Chunk *chunk = msg->env->chunk;

    p->has_state =
        convert_digest_in(&chunk->blob->digest, &p->state, NULL) == 0;
    p->state_came = chunk->offset;
    p->state_came += msg->payload != NULL ? msg->payload->size : 0;
}

void pupil_hear(struct pupil *p)
{
    while (p->coordinator != NULL && !list_is_empty(&p->coordinator->sent)) {
        struct io_fake_sent *one =
            list_entry(p->coordinator->sent.next, struct io_fake_sent, link);

        list_unlink(&one->link);
        p->coordinator->n_sent--;
        if (one->msg.env->body_case == EDGED__ENVELOPE__BODY_CHUNK) {
            note_state(p, &one->msg);
        } else if (one->msg.env->body_case != EDGED__ENVELOPE__BODY_SAVED) {
            school_hear(&p->school, &p->to_daemon, &one->msg);
        }
        io_fake_free(one);
    }
}

static void retire_all(struct pupil *p)
{
    Edged__Envelope env = EDGED__ENVELOPE__INIT;
    Edged__Epochs known = EDGED__EPOCHS__INIT;

    env.body_case = EDGED__ENVELOPE__BODY_EPOCHS;
    env.epochs = &known;
    (void)io_send(&p->to_daemon, &env, NULL);
}

bool pupil_install(struct pupil *p, uint32_t epoch)
{
    struct school *s = &p->school;
    struct paper *papers = mem_array(struct paper, PIPE_SHARDS);

    assert_non_null(papers);
    retire_all(p);
    (void)io_fake_work(&p->fake);
    pupil_hear(p);
    s->step = 0;
    s->at = 0;
    s->pass = 0;
    s->apart = 0;
    s->square = 0;
    s->boards[p->which].failed = false;
    school_write(s, epoch, papers);
    school_send_install(s, p->which, papers);
    mem_free(papers);
    for (int i = 0; i < ROUNDS_MAX && !s->boards[p->which].ready &&
                    !s->boards[p->which].failed;
         i++) {
        (void)io_fake_work(&p->fake);
        pupil_hear(p);
    }
    return s->boards[p->which].ready;
}

struct train *pupil_train(const struct pupil *p, size_t shard)
{
    struct epoch *epoch = install_find(p->daemon, p->school.epoch);

    return epoch != NULL && epoch->state == EPOCH_READY &&
                   shard < epoch->n_shards
               ? epoch->shards[shard].train
               : NULL;
}

/* ---- life ---------------------------------------------------------------- */

void pupil_init(struct pupil *p, const struct school_ask *ask, size_t which)
{
    struct school_board *b = &p->school.boards[which];
    struct daemon_config config = {.name = b->name,
                                   .folder = b->folder,
                                   .memory_budget = MIB(256),
                                   .store_flags = STORE_NO_SYNC,
                                   .board = &p->board};
    struct err err;

    memset(p, 0, sizeof(*p));
    school_prepare(&p->school, ask);
    p->which = which;
    p->board.free_bytes = (uint64_t)1 << 32;
    io_fake_init(&p->fake);
    if (daemon_new(&p->fake.io, &config, &p->daemon, &err) < 0) {
        fail_msg("%s", err.text);
    }
    p->wire.ops = &wire_ops;
    p->to_daemon.io = &p->wire;
    (void)snprintf(p->to_daemon.name, sizeof(p->to_daemon.name), "%s", b->name);
    b->peer = &p->to_daemon;
    b->daemon = p->daemon;
    daemon_start(p->daemon);
    pupil_gather(p);
    (void)io_fake_work(&p->fake);
}

void pupil_deinit(struct pupil *p)
{
    daemon_free(p->daemon);
    io_fake_deinit(&p->fake);
    school_forget(&p->school);
}

/* ---- what mates have ----------------------------------------------------- */

static const char *holder(const struct train *t, uint32_t shard, size_t micro)
{
    const struct work *w = t->work;

    return t->places[shard - 1]
        ->nodes[w->ways[(shard - 1) * w->n_micros + micro]];
}

static size_t board_named(const struct pupil *p, const char *name)
{
    for (size_t i = 0; i < p->school.ask.boards; i++) {
        if (strcmp(p->school.boards[i].name, name) == 0) {
            return i;
        }
    }
    return p->which;
}

static struct blob *make_up(enum dtype dtype, size_t n, uint64_t seed)
{
    struct blob *blob = blob_new(n * dtype_size(dtype));

    assert_non_null(blob);
    memset(blob->data, 0, blob->size);
    for (size_t i = 0; i < n; i++) {
        double x = (double)((i * 7 + seed * 13) % 31) / 16 - 0.9;

        if (dtype == DTYPE_F32) {
            ((float *)(void *)blob->data)[i] = (float)x;
        } else if (dtype == DTYPE_F64) {
            ((double *)(void *)blob->data)[i] = x;
        }
    }
    return blob;
}

/* In its codec, unless it had better go as it is. */
static void code(struct pupil_note *note, const struct codec *codec,
                 const struct shape *shape, const uint8_t *mask)
{
    struct tensor t = {.dtype = DTYPE_F32,
                       .shape = *shape,
                       .data = note->blob->data,
                       .blob = note->blob};
    struct blob *coded;
    size_t size = 0;
    int rc = 1;

    if (codec_is_plain(codec)) {
        return;
    }
    coded = mask != NULL ? blob_new(back_room(codec, shape, mask) + 1)
                         : coded_room(codec, shape);
    assert_non_null(coded);
    if (mask != NULL) {
        assert_int_equal(
            back_encode(codec, t.data, shape, mask, coded->data, &size), 0);
        coded->size = size;
        rc = size > 0 && size < note->blob->size;
    } else {
        rc = coded_fill(codec, &t, coded);
    }
    if (rc > 0) {
        blob_unref(note->blob);
        note->blob = coded;
        note->codec = codec_id(codec);
    } else {
        blob_unref(coded);
    }
}

static void shape_note(struct pupil_note *note, enum dtype dtype,
                       const struct shape *shape)
{
    note->dtype = (uint32_t)dtype;
    note->rank = (uint32_t)shape->rank;
    memcpy(note->dims, shape->dims, sizeof(note->dims));
}

static void begin_note(const struct pupil *p, const struct train *t,
                       struct pupil_note *note)
{
    *note = (struct pupil_note){
        .epoch = p->school.epoch, .step = t->work->step, .shard = t->shard->id};
}

static struct codec codec_of(const char *text)
{
    struct codec codec = {0};

    if (text != NULL) {
        assert_int_equal(codec_parse(text, &codec, NULL), 0);
    }
    return codec;
}

bool pupil_value(const struct pupil *p, const struct train *t, size_t micro,
                 size_t source, struct pupil_note *note)
{
    const struct work *w = t->work;
    const struct codec codec = codec_of(p->school.ask.codec);
    const struct train_port *port;
    struct shape shape;

    if (w == NULL || micro >= w->n_micros || source >= t->recipe->n_sources) {
        return false;
    }
    begin_note(p, t, note);
    note->port = t->recipe->sources[source]->port;
    note->micro = (uint32_t)micro;
    note->from =
        board_named(p, holder(t, t->recipe->sources[source]->shard, micro));
    port = &t->made->in[note->port];
    shape = port->shape;
    shape.dims[0] = w->micros[micro].samples;
    shape_note(note, port->dtype, &shape);
    note->blob = make_up(port->dtype, (size_t)shape_count(&shape),
                         micro + 5 * note->port);
    if (port->dtype == DTYPE_F32) {
        code(note, &codec, &shape, NULL);
    }
    return true;
}

bool pupil_gradient(const struct pupil *p, const struct train *t, size_t micro,
                    size_t link, struct pupil_note *note)
{
    const struct work *w = t->work;
    const struct link_out *out =
        link < t->shard->n_links ? &t->shard->links[link] : NULL;
    struct codec codec = codec_of(p->school.ask.back);
    const struct train_mask *mask;
    struct shape shape;

    if (w == NULL || micro >= w->n_micros || out == NULL ||
        out->to_shard == 0 || !w->micros[micro].is_mine ||
        w->micros[micro].masks == NULL) {
        return false;
    }
    begin_note(p, t, note);
    note->back = true;
    note->port = (uint32_t)link;
    note->micro = (uint32_t)micro;
    note->from = board_named(p, holder(t, out->to_shard, micro));
    mask = train_mask(t, &w->micros[micro], link);
    if (mask->marks != NULL) {
        codec.keep = 1;
        codec.scale = CODEC_BY_BLOCK;
        codec.haar = mask->haar;
    }
    shape = t->made->out[out->port].shape;
    shape.dims[0] = w->micros[micro].samples;
    shape_note(note, DTYPE_F32, &shape);
    note->blob =
        make_up(DTYPE_F32, (size_t)shape_count(&shape), 3 + micro + 5 * link);
    code(note, &codec, &shape, mask->marks);
    return true;
}

bool pupil_piece(const struct pupil *p, const struct train *t, size_t array,
                 size_t replica, uint32_t round, struct pupil_note *note)
{
    const struct work *w = t->work;
    const struct codec codec = codec_of(p->school.ask.reduce);
    const struct reduce_array *a;
    size_t piece = round == 0 ? t->replica : replica; /* there is one each */
    struct shape shape;
    size_t n;

    if (w == NULL || array >= REDUCE_ARRAYS || replica >= t->n_replicas ||
        replica == t->replica || w->reduce.arrays[array].n_pieces == 0) {
        return false;
    }
    a = &w->reduce.arrays[array];
    assert_int_equal(a->n_pieces, t->n_replicas);
    begin_note(p, t, note);
    note->is_reduce = true;
    note->micro = round;
    note->from = board_named(p, t->places[t->recipe->stage]->nodes[replica]);
    note->offset = train_piece_begin(a, piece);
    n = train_piece_size(a, piece);
    shape = shape_of(1, (int64_t[]){(int64_t)n});
    if (n == 0) {
        return false;
    }
    shape_note(note, a->dtype, &shape);
    note->blob = make_up(a->dtype, n, 2 + replica + round);
    if (a->dtype == DTYPE_F32 && !w->is_whole) {
        code(note, &codec, &shape, NULL);
    }
    return true;
}

void pupil_say(struct pupil *p, struct pupil_note *note)
{
    struct io_fake_peer *from = p->mates[note->from];
    Edged__Envelope env = EDGED__ENVELOPE__INIT;
    Edged__Flow flow = EDGED__FLOW__INIT;
    Edged__Reduce reduce = EDGED__REDUCE__INIT;
    Edged__TensorMeta meta = EDGED__TENSOR_META__INIT;

    meta.dtype = note->dtype;
    meta.codec = note->codec;
    meta.dims = note->dims;
    meta.n_dims = note->rank;
    flow.epoch = reduce.epoch = note->epoch;
    flow.step = reduce.step = note->step;
    flow.shard = reduce.shard = note->shard;
    flow.micro = reduce.round = note->micro;
    flow.port = note->port;
    flow.back = note->back;
    flow.tensor = reduce.tensor = &meta;
    reduce.offset = note->offset;
    env.body_case = note->is_reduce ? EDGED__ENVELOPE__BODY_REDUCE
                                    : EDGED__ENVELOPE__BODY_FLOW;
    if (note->is_reduce) {
        env.reduce = &reduce;
    } else {
        env.flow = &flow;
    }
    if (from != NULL && from->base.up) {
        io_fake_receive(from, &env, note->blob);
    }
    blob_unref(note->blob);
    note->blob = NULL;
}

/* ---- a step -------------------------------------------------------------- */

static void answer_micro(struct pupil *p, struct train *t, size_t micro)
{
    struct pupil_note note;

    for (size_t i = 0; pupil_value(p, t, micro, i, &note); i++) {
        pupil_say(p, &note); /* twice counts once */
    }
    for (size_t i = 0; i < t->shard->n_links; i++) {
        if (pupil_gradient(p, t, micro, i, &note)) {
            pupil_say(p, &note);
        }
    }
}

static void answer_sums(struct pupil *p, struct train *t)
{
    struct pupil_note note;

    for (size_t i = 0; i < 2 * REDUCE_ARRAYS * t->n_replicas; i++) {
        if (pupil_piece(p, t, i / 2 % REDUCE_ARRAYS, i / 2 / REDUCE_ARRAYS,
                        (uint32_t)(i % 2), &note)) {
            pupil_say(p, &note);
        }
    }
}

void pupil_answer(struct pupil *p)
{
    for (size_t k = 0; pupil_train(p, k) != NULL; k++) {
        struct train *t = pupil_train(p, k);

        for (size_t i = 0; t->work != NULL && i < t->work->n_micros; i++) {
            if (t->work->micros[i].is_mine) {
                answer_micro(p, t, i);
            }
        }
        answer_sums(p, t);
    }
}

static bool is_working(const struct pupil *p)
{
    for (size_t k = 0; pupil_train(p, k) != NULL; k++) {
        if (pupil_train(p, k)->work != NULL) {
            return true;
        }
    }
    return false;
}

bool pupil_finish(struct pupil *p)
{
    for (int i = 0; i < ROUNDS_MAX && is_working(p); i++) {
        pupil_answer(p);
        (void)io_fake_work(&p->fake);
        io_fake_run_for(&p->fake, 1);
        pupil_hear(p);
    }
    pupil_hear(p);
    return !is_working(p);
}
