/*
 * A board in a training (tests/lib/pupil.h) gets Steps, values, gradients and
 * pieces of sums, right ones and spoilt ones, in any order, from its trainer,
 * its mates and a stranger; jobs are done when the input says so. What must
 * hold: no crash, what is kept for later is bounded, a Step that failed says
 * why, and a placement that begins afterwards learns what it would have learnt
 * without all that, bit for bit.
 *
 * Bytes: the training, the board, then acts. An act is a kind (low 4 bits: a
 * parameter), and what that kind takes; past the end all bytes are 0.
 */
#include "base/mem.h"
#include "tests/lib/fuzz_input.h"
#include "tests/lib/pupil.h"
#include "wire/convert.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define ACTS_MAX 96
#define INSTALLS_MAX 3
#define EARLY_MAX 4096 /* as daemon/train_flow.c */
#define HONEST_STEPS 2

enum act {
    ACT_STEP,
    ACT_SPOILT_STEP,
    ACT_VALUE,
    ACT_GRADIENT,
    ACT_PIECE,
    ACT_ANSWER,
    ACT_JOB,
    ACT_WORK,
    ACT_TIME,
    ACT_LEAVE,
    ACT_COME,
    ACT_STOP,
    ACT_ACK,
    ACT_RETIRE,
    ACT_INSTALL,
    ACT_FINISH
};

static const struct school_ask asks[] = {
    {.boards = 4,
     .stages = 2,
     .replicas = 2,
     .micros = 4,
     .batch = 16,
     .slots = 2},
    {.boards = 4,
     .stages = 2,
     .replicas = 2,
     .micros = 4,
     .batch = 16,
     .slots = 2,
     .backward_first = true,
     .adam = true,
     .codec = "q8",
     .back = "q8",
     .reduce = "q8"},
    {.boards = 3,
     .stages = 3,
     .replicas = 1,
     .micros = 2,
     .batch = 8,
     .slots = 3,
     .backward_first = true,
     .codec = "sparse:25%+q8",
     .back = "q4",
     .slack = 0.5},
    {.boards = 3,
     .stages = 1,
     .replicas = 3,
     .micros = 6,
     .batch = 12,
     .slots = 1,
     .reduce = "sparse:10%+q4"},
    {.boards = 2,
     .stages = 1,
     .replicas = 2,
     .micros = 2,
     .batch = 8,
     .slots = 1,
     .local = 2},
    {.boards = 2,
     .stages = 3,
     .replicas = 1,
     .micros = 4,
     .batch = 8,
     .slots = 4,
     .home = true,
     .codec = "fp16",
     .back = "q8+zstd"},
    {.boards = 2,
     .stages = 2,
     .replicas = 1,
     .micros = 2,
     .batch = 8,
     .slots = 2,
     .codec = "sparse:10%/haar",
     .no_norm = true},
    {.boards = 1,
     .stages = 2,
     .replicas = 1,
     .micros = 2,
     .batch = 8,
     .slots = 2,
     .adam = true,
     .codec = "sparse:25%",
     .back = "q8"},
};

#define ASKS (sizeof(asks) / sizeof(asks[0]))

/* What an honest placement comes to. */
struct outcome {
    bool is_known;
    struct school_said said[HONEST_STEPS][PIPE_SHARDS];
};

/* ---- bytes --------------------------------------------------------------- */

static double take_real(struct fuzz_input *in)
{
    static const double odd[] = {-1, 1e30, INFINITY, NAN};
    uint8_t first = fuzz_take(in);

    return first >= 0xfc ? odd[first - 0xfc] : (double)first / 64;
}

/* ---- Steps --------------------------------------------------------------- */

/* A right one but for what `what` says. */
static void spoil_step(struct fuzz_input *in, uint8_t what, Edged__Step *step,
                       uint32_t *sizes, uint32_t *ways)
{
    size_t n_ways = PIPE_MICRO * PIPE_SHARDS;

    switch (what % 16) {
    case 0: step->epoch = (uint32_t)fuzz_take_number(in); break;
    case 1: step->step = fuzz_take_number(in); break;
    case 2: step->applies = fuzz_take_number(in); break;
    case 3: step->rate = take_real(in); break;
    case 4: step->square = take_real(in); break;
    case 5: step->pass = (uint32_t)fuzz_take_number(in); break;
    case 6: step->first = fuzz_take_number(in); break;
    case 7:
        sizes[fuzz_take(in) % PIPE_MICRO] = (uint32_t)fuzz_take_number(in);
        break;
    case 8:
        ways[fuzz_take(in) % n_ways] = (uint32_t)fuzz_take_number(in);
        break;
    case 9: step->n_sizes = fuzz_take(in) % (PIPE_MICRO + 1); break;
    case 10: step->n_ways = fuzz_take(in) % (n_ways + 1); break;
    case 11: step->evaluates = !step->evaluates; break;
    case 12: step->averages = !step->averages; break;
    case 13: step->share = take_real(in); break;
    case 14: step->whole = !step->whole; break;
    case 15: step->slack = take_real(in); break;
    }
}

static void give_spoilt_step(struct pupil *p, struct fuzz_input *in,
                             unsigned saves)
{
    const struct school_ask *ask = &p->school.ask;
    Edged__Envelope env = EDGED__ENVELOPE__INIT;
    Edged__Step step = EDGED__STEP__INIT;
    uint32_t sizes[PIPE_MICRO] = {0};
    uint32_t ways[PIPE_MICRO * PIPE_SHARDS] = {0};
    unsigned n = fuzz_take(in) % 4;

    step.epoch = p->school.epoch;
    step.step = p->school.step + 1;
    step.applies = p->school.waiting;
    step.rate = 0.05;
    step.saves = saves % 2 == 1;
    step.sizes = sizes;
    step.n_sizes = ask->micros;
    step.ways = ways;
    step.n_ways = ask->micros * ask->stages;
    for (size_t i = 0; i < ask->micros; i++) {
        sizes[i] = ask->batch / (uint32_t)ask->micros;
        for (size_t k = 0; k < ask->stages; k++) {
            ways[k * ask->micros + i] = (uint32_t)(i % ask->replicas);
        }
    }
    for (unsigned i = 0; i < n; i++) {
        spoil_step(in, fuzz_take(in), &step, sizes, ways);
    }
    env.body_case = EDGED__ENVELOPE__BODY_STEP;
    env.step = &step;
    (void)io_send(&p->to_daemon, &env, NULL);
    if (step.epoch == p->school.epoch && step.step > p->school.step &&
        step.step < UINT32_MAX) {
        p->school.step = step.step;
        p->school.waiting = step.evaluates || step.n_sizes == 0 ? 0 : step.step;
    }
}

/* ---- values, gradients, sums --------------------------------------------- */

static void spoil_payload(struct fuzz_input *in, uint8_t what,
                          struct pupil_note *note)
{
    struct blob *blob = NULL;
    size_t n = fuzz_take(in);

    if (what % 2 == 0) { /* another size */
        blob = blob_new(n * 4 + 1);
        memset(blob->data, 0x3f, blob->size);
        blob->size -= fuzz_take(in) % 2;
    } else if (note->blob != NULL) { /* other bytes */
        blob = blob_copy(note->blob->data, note->blob->size);
        for (size_t i = 0; i < n && i < blob->size; i++) {
            blob->data[i] = fuzz_take(in);
        }
    }
    blob_unref(note->blob);
    note->blob = blob;
}

static void spoil_note(struct fuzz_input *in, uint8_t what,
                       struct pupil_note *note)
{
    switch (what % 16) {
    case 0: note->from = fuzz_take(in) % PUPIL_MATES; break;
    case 1: note->is_reduce = !note->is_reduce; break;
    case 2: note->epoch += fuzz_take(in) % 2 == 0 ? UINT32_MAX : 1; break;
    case 3: note->step += fuzz_take_number(in); break;
    case 4: note->step--; break;
    case 5: note->shard = (uint32_t)fuzz_take_number(in); break;
    case 6: note->micro = (uint32_t)fuzz_take_number(in); break;
    case 7: note->port = (uint32_t)fuzz_take_number(in); break;
    case 8: note->back = !note->back; break;
    case 9: note->offset = fuzz_take_number(in); break;
    case 10: note->dtype = fuzz_take(in) % 16; break;
    case 11:
        note->codec = (uint32_t)(fuzz_take(in) | fuzz_take(in) << 8);
        break;
    case 12: note->rank = fuzz_take(in) % (LIMIT_RANK + 2); break;
    case 13:
        note->dims[fuzz_take(in) % LIMIT_RANK] = (int64_t)fuzz_take_number(in);
        break;
    case 14:
    case 15: spoil_payload(in, what, note); break;
    }
    if (note->rank > LIMIT_RANK) {
        note->rank = LIMIT_RANK;
    }
}

/* What is right, as a rule; with nothing under way, something made up. */
static void make_note(struct pupil *p, enum act kind, struct fuzz_input *in,
                      struct pupil_note *note)
{
    struct train *t = pupil_train(p, fuzz_take(in) % 2);
    uint8_t a = fuzz_take(in);
    uint8_t b = fuzz_take(in);
    bool made = false;

    *note = (struct pupil_note){.epoch = p->school.epoch,
                                .step = p->school.step + 1,
                                .shard = 1 + a % 3,
                                .from = b % PUPIL_MATES,
                                .is_reduce = kind == ACT_PIECE,
                                .back = kind == ACT_GRADIENT,
                                .dtype = DTYPE_F32,
                                .rank = 1,
                                .dims = {(a % 8 + 1) * 4}};
    if (t != NULL && kind == ACT_VALUE) {
        made = pupil_value(p, t, a % 8, b % 8, note);
    } else if (t != NULL && kind == ACT_GRADIENT) {
        made = pupil_gradient(p, t, a % 8, b % 8, note);
    } else if (t != NULL) {
        made = pupil_piece(p, t, a % 2, b % 4, a / 2 % 2, note);
    }
    if (!made) {
        note->blob = blob_new((size_t)note->dims[0] * 4);
        memset(note->blob->data, 0x3e, note->blob->size);
    }
}

static void give_note(struct pupil *p, enum act kind, unsigned n,
                      struct fuzz_input *in)
{
    struct pupil_note note;
    size_t from;

    make_note(p, kind, in, &note);
    for (unsigned i = 0; i < n % 4; i++) {
        spoil_note(in, fuzz_take(in), &note);
    }
    from = note.from;
    pupil_say(p, &note);
    if (p->mates[from] != NULL && !p->mates[from]->base.up) {
        pupil_leave(p, &p->mates[from]); /* it was hung up on */
    }
}

/* ---- other acts ---------------------------------------------------------- */

static struct io_fake_peer **place_of(struct pupil *p, unsigned who)
{
    return who == 15 ? &p->coordinator : &p->mates[who % PUPIL_MATES];
}

/* Of the state that is on its way, or of none. */
static void acknowledge(struct pupil *p, unsigned what, struct fuzz_input *in)
{
    Edged__Envelope env = EDGED__ENVELOPE__INIT;
    Edged__ChunkAck ack = EDGED__CHUNK_ACK__INIT;

    if (!p->has_state) {
        return;
    }
    ack.digest = convert_digest_out(&p->state);
    ack.received = p->state_came;
    if (what % 4 == 1) {
        ack.received = fuzz_take_number(in);
    } else if (what % 4 == 2) {
        ack.code = -(int)(fuzz_take(in) % 30);
    } else if (what % 4 == 3) {
        ack.digest.len = fuzz_take(in) % 33;
    }
    env.body_case = EDGED__ENVELOPE__BODY_CHUNK_ACK;
    env.chunk_ack = &ack;
    (void)io_send(&p->to_daemon, &env, NULL);
}

static void retire(struct pupil *p, unsigned what)
{
    Edged__Envelope env = EDGED__ENVELOPE__INIT;
    Edged__Retire over = EDGED__RETIRE__INIT;

    over.epoch = p->school.epoch + what % 2;
    env.body_case = EDGED__ENVELOPE__BODY_RETIRE;
    env.retire = &over;
    (void)io_send(&p->to_daemon, &env, NULL);
}

static void stop_sending(struct io_fake_peer *peer, unsigned what)
{
    if (peer != NULL) {
        peer->send_rc = what % 3 == 0   ? 0
                        : what % 3 == 1 ? EDGE_EBUSY
                                        : EDGE_ETOOBIG;
    }
}

static void act(struct pupil *p, struct fuzz_input *in, size_t *installs)
{
    uint8_t byte = fuzz_take(in);
    enum act kind = (enum act)(byte >> 4);
    unsigned more = byte & 15u;
    struct io_fake_peer **place = place_of(p, more);

    switch (kind) {
    case ACT_STEP: school_ask_step(&p->school); break;
    case ACT_SPOILT_STEP: give_spoilt_step(p, in, more); break;
    case ACT_VALUE:
    case ACT_GRADIENT:
    case ACT_PIECE: give_note(p, kind, more, in); break;
    case ACT_ANSWER: pupil_answer(p); break;
    case ACT_JOB: (void)io_fake_job(&p->fake); break;
    case ACT_WORK: (void)io_fake_work(&p->fake); break;
    case ACT_TIME: io_fake_run_for(&p->fake, more * fuzz_take(in)); break;
    case ACT_LEAVE: pupil_leave(p, place); break;
    case ACT_COME: pupil_come(p, place); break;
    case ACT_STOP: stop_sending(*place, fuzz_take(in)); break;
    case ACT_ACK: acknowledge(p, more, in); break;
    case ACT_RETIRE: retire(p, more); break;
    case ACT_INSTALL:
        if (++*installs <= INSTALLS_MAX) {
            pupil_gather(p);
            fuzz_require(pupil_install(p, p->school.epoch + 1), "it is ready");
        }
        break;
    case ACT_FINISH: (void)pupil_finish(p); break;
    }
}

/* ---- what must hold ------------------------------------------------------ */

static void check(const struct pupil *p)
{
    for (size_t i = 0; pupil_train(p, i) != NULL; i++) {
        const struct train *t = pupil_train(p, i);
        size_t bytes = 0;
        size_t n = 0;

        for (const struct list *it = t->early.next; it != &t->early;
             it = it->next) {
            bytes +=
                container_of(it, struct early, link)->value.tensor.blob->size;
            n++;
        }
        fuzz_require(n == t->n_early && bytes == t->early_bytes,
                     "what is kept for later is counted");
        fuzz_require(n <= EARLY_MAX && bytes <= LIMIT_CHUNK + t->made->bytes,
                     "what is kept for later is bounded");
        fuzz_require(t->broken == 0 || t->why[0] != '\0', "it says why");
        fuzz_require(t->broken <= 0 && t->said.code <= 0, "codes are errors");
    }
}

/* Some steps of a new placement, as if nothing had been before. */
static void learn(struct pupil *p, struct outcome *out)
{
    struct school *s = &p->school;

    pupil_gather(p);
    fuzz_require(pupil_install(p, s->epoch + 1), "a new placement is ready");
    for (size_t i = 0; i < HONEST_STEPS; i++) {
        school_ask_step(s);
        fuzz_require(pupil_finish(p), "a right step is done");
        for (size_t k = 0; k < PIPE_SHARDS; k++) {
            struct school_said *said = &s->said[p->which][k];

            fuzz_require(said->step == 0 ||
                             (said->step == s->step && said->code == 0),
                         "a right step succeeds");
            s->square = said->step != 0 ? said->square : s->square;
            out->said[i][k] = *said;
        }
    }
    out->is_known = true;
}

static void check_outcome(const struct outcome *a, const struct outcome *b)
{
    for (size_t i = 0; i < HONEST_STEPS; i++) {
        for (size_t k = 0; k < PIPE_SHARDS; k++) {
            const struct school_said *x = &a->said[i][k];
            const struct school_said *y = &b->said[i][k];

            fuzz_require(x->step == y->step && x->samples == y->samples &&
                             x->correct == y->correct,
                         "it counts the same");
            fuzz_require(
                memcmp(&x->loss, &y->loss, sizeof(x->loss)) == 0 &&
                    memcmp(&x->square, &y->square, sizeof(x->square)) == 0 &&
                    memcmp(x->mark, y->mark, sizeof(x->mark)) == 0,
                "it learns the same");
        }
    }
}

/* What this board of this training learns when all are honest. */
static const struct outcome *expected(const struct school_ask *ask,
                                      size_t which)
{
    static struct outcome known[ASKS][SCHOOL_BOARDS];
    struct outcome *out = &known[ask - asks][which];

    if (!out->is_known) {
        struct pupil *p = mem_new(struct pupil);

        fuzz_require(p != NULL, "there is memory");
        pupil_init(p, ask, which);
        learn(p, out);
        pupil_deinit(p);
        mem_free(p);
    }
    return out;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input in = {data, data + size};
    const struct school_ask *ask = &asks[fuzz_take(&in) % ASKS];
    size_t which = fuzz_take(&in) % ask->boards;
    const struct outcome *right = expected(ask, which);
    struct outcome out = {0};
    struct pupil *p = mem_new(struct pupil);
    size_t installs = 0;

    fuzz_require(p != NULL, "there is memory");
    pupil_init(p, ask, which);
    fuzz_require(pupil_install(p, 1), "the first placement is ready");
    for (size_t i = 0; i < ACTS_MAX && in.at < in.end; i++) {
        act(p, &in, &installs);
        pupil_hear(p);
        check(p);
    }
    learn(p, &out);
    check_outcome(right, &out);
    pupil_deinit(p);
    mem_free(p);
    return 0;
}
