/*
 * Boards measure the model, part by part. Boards of different machines do so
 * at the same time; those of one machine share its processors, so one after
 * the other. Of many boards of one kind a few are measured.
 */
#include "coordinator/profile.h"

#include "base/mem.h"

#include <stdio.h>
#include <string.h>

#define PER_KIND 8          /* boards that are measured */
#define AT_ONCE 16          /* boards that measure */
#define PATIENCE_MS 90000   /* for an answer */
#define BUDGET_MIN_US 20000 /* of a part */
#define NO_TIME_S 1e-9
#define LIE_S (-1.0) /* said, but it cannot be */
#define NEEDS_MIN MIB(16)
#define NEEDS_MAX MIB(384)

const struct kept_profile *profile_row_of(const struct kept *kept,
                                          const char *node, const char *kind)
{
    for (size_t i = 0; i < kept->n; i++) {
        if (strcmp(kept->rows[i].node, node) == 0 &&
            strcmp(kept->rows[i].kind, kind) == 0) {
            return &kept->rows[i];
        }
    }
    for (size_t i = 0; i < kept->n && kind[0] != '\0'; i++) {
        if (strcmp(kept->rows[i].kind, kind) == 0) {
            return &kept->rows[i];
        }
    }
    return NULL;
}

/* ---- which ----------------------------------------------------------------
 */

static size_t count_kind(const struct profiling *p, size_t before,
                         const char *kind)
{
    size_t n = 0;

    for (size_t i = 0; i < before; i++) {
        const struct member *m = members_find(p->c, p->boards[i].name);

        n += m != NULL && strcmp(m->speed.kind, kind) == 0 ? 1 : 0;
    }
    return n;
}

/* Half of what is free, so that the board has room for other things. */
static void note_room(struct profiling *p, const struct member *m)
{
    uint64_t room = m->memory_used < m->memory_budget
                        ? (m->memory_budget - m->memory_used) / 2
                        : 0;

    room = room < NEEDS_MIN ? NEEDS_MIN : room;
    if (p->most_bytes == 0 || room < p->most_bytes) {
        p->most_bytes = room < NEEDS_MAX ? room : NEEDS_MAX;
    }
}

bool profile_boards_pick(struct profiling *p)
{
    bool any = false;

    for (size_t i = 0; i < p->n_boards; i++) {
        struct sitting *s = &p->boards[i];
        const struct member *m = members_find(p->c, s->name);
        const struct kept_profile *row;

        if (m == NULL || !members_is_ready(m) || m->speed.kind[0] == '\0') {
            continue; /* an older program: it would not understand */
        }
        row = profile_row_of(&p->kept, s->name, m->speed.kind);
        if (!p->fresh && row != NULL && strcmp(row->node, s->name) == 0) {
            continue;
        }
        if (count_kind(p, i, m->speed.kind) < PER_KIND) {
            s->state = SITTING_WAITS;
            note_room(p, m);
            any = true;
        }
    }
    return any;
}

/* ---- one board ------------------------------------------------------------
 */

static void note(struct sitting *s, const char *text)
{
    if (s->made.note[0] == '\0') { /* the first reason will do */
        (void)snprintf(s->made.note, sizeof(s->made.note), "%s", text);
    }
}

static void end(struct profiling *p, struct sitting *s)
{
    s->state = SITTING_DONE;
    s->made.at_ms = profile_wall_ms();
    s->made.macs = p->macs;
    p->n_measured += s->is_made ? 1 : 0;
    profile_say(p, "measure", s->name, p->n_pieces, p->n_pieces);
}

static void give_up(struct profiling *p, struct sitting *s, const char *why)
{
    note(s, why);
    log_event(p->c->log, LOG_WARN, "profile.board", "node=%s err=\"%s\"",
              s->name, why);
    s->is_made = false; /* half of a profile misleads */
    end(p, s);
}

static uint32_t budget_of(const struct profiling *p,
                          const struct profile_part *part)
{
    double share = p->macs > 0 ? part->macs / p->macs : 0;
    double us = share * MEASURE_BUDGET_MS * 1000;

    return us > BUDGET_MIN_US ? (uint32_t)us : BUDGET_MIN_US;
}

static int ask(struct profiling *p, struct sitting *s)
{
    const struct profile_piece *piece = &p->pieces[s->part];
    const struct member *m = members_find(p->c, s->name);
    Edged__Envelope env = EDGED__ENVELOPE__INIT;
    Edged__Measure message = EDGED__MEASURE__INIT;
    struct io_payload payload = {.blob = piece->model,
                                 .size = piece->model->size};

    if (m == NULL || !members_is_ready(m)) {
        return EDGE_ECLOSED;
    }
    s->number = (uint32_t)(io_random(p->c->io) | 1);
    s->asked_us = io_now_us(p->c->io);
    message.number = s->number;
    message.needs_bytes = piece->part.needs_bytes;
    message.budget_us = budget_of(p, &piece->part);
    env.body_case = EDGED__ENVELOPE__BODY_MEASURE;
    env.measure = &message;
    return io_send(m->peer, &env, &payload);
}

/* The next part that can be sent, or the end. */
static void go_on(struct profiling *p, struct sitting *s)
{
    while (s->part < p->n_pieces && p->pieces[s->part].model == NULL) {
        note(s, p->pieces[s->part].why);
        s->part++;
    }
    if (s->part >= p->n_pieces) {
        end(p, s);
        return;
    }
    profile_say(p, "measure", s->name, s->part, p->n_pieces);
    if (ask(p, s) < 0) {
        give_up(p, s, "it was lost");
    }
}

/* ---- all of them ----------------------------------------------------------
 */

/* Addresses tell where neither says what machine it is on. */
static bool is_same_machine(const struct profiling *p, const struct sitting *a,
                            const struct sitting *b)
{
    const struct member *m = members_find(p->c, a->name);
    const struct member *n = members_find(p->c, b->name);

    if (m == NULL || n == NULL) {
        return true;
    }
    return m->speed.machine[0] != '\0' && n->speed.machine[0] != '\0'
               ? strcmp(m->speed.machine, n->speed.machine) == 0
               : strcmp(m->host, n->host) == 0;
}

static bool may_begin(const struct profiling *p, const struct sitting *s)
{
    size_t n = 0;

    for (size_t i = 0; i < p->n_boards; i++) {
        const struct sitting *other = &p->boards[i];

        if (other->state == SITTING_ASKED) {
            n++;
            if (is_same_machine(p, s, other)) {
                return false;
            }
        }
    }
    return n < AT_ONCE;
}

static int begin(struct profiling *p, struct sitting *s)
{
    const struct member *m = members_find(p->c, s->name);

    s->state = SITTING_ASKED;
    s->made.op_s = mem_array(double, p->n_ops);
    if (m == NULL || s->made.op_s == NULL) {
        return EDGE_ENOMEM;
    }
    s->made.n_ops = p->n_ops;
    memcpy(s->made.node, s->name, sizeof(s->made.node));
    memcpy(s->made.kind, m->speed.kind, sizeof(s->made.kind));
    return 0;
}

/* Whoever may begin does; when all are done so is this step. */
static void look(struct profiling *p)
{
    bool all_done = true;

    for (size_t i = 0; i < p->n_boards; i++) {
        struct sitting *s = &p->boards[i];

        if (s->state == SITTING_WAITS && may_begin(p, s)) {
            if (begin(p, s) < 0) {
                give_up(p, s, "out of memory");
            } else {
                go_on(p, s);
            }
        }
    }
    for (size_t i = 0; i < p->n_boards; i++) {
        all_done = all_done && (p->boards[i].state == SITTING_KNOWN ||
                                p->boards[i].state == SITTING_DONE);
    }
    if (all_done) {
        profile_boards_done(p);
    }
}

void profile_boards_start(struct profiling *p)
{
    look(p);
}

void profile_boards_tick(struct profiling *p)
{
    for (size_t i = 0; i < p->n_boards; i++) {
        struct sitting *s = &p->boards[i];
        const struct member *m = members_find(p->c, s->name);

        if (s->state != SITTING_ASKED) {
            continue;
        }
        if (m == NULL || !members_is_ready(m)) {
            give_up(p, s, "it was lost");
        } else if (io_now_us(p->c->io) - s->asked_us >
                   PATIENCE_MS * UINT64_C(1000)) {
            give_up(p, s, "it did not answer");
        }
    }
    look(p);
}

/* ---- answers --------------------------------------------------------------
 */

/* Only ops of the part that was asked for, and only what can be. */
static void take_op(struct profiling *p, struct sitting *s,
                    const Edged__MeasuredOp *op)
{
    const struct profile_part *part = &p->pieces[s->part].part;

    for (int i = part->first; i < part->end; i++) {
        if (p->op_numbers[i] != op->op) {
            continue;
        }
        s->made.op_s[i] = kept_is_seconds(op->seconds) ? op->seconds : LIE_S;
        s->is_made = s->is_made || s->made.op_s[i] > 0;
        return;
    }
}

/* What is in another op's time, or only looks at memory in another way, takes
 * none of its own: that is known, too. */
static void take_rest(struct profiling *p, struct sitting *s)
{
    const struct profile_part *part = &p->pieces[s->part].part;

    for (int i = part->first; i < part->end; i++) {
        double *op_s = &s->made.op_s[i];

        if (*op_s < 0 || (*op_s <= 0 && p->is_product[i])) {
            *op_s = 0; /* not known: nobody multiplies in no time */
        } else if (*op_s <= 0) {
            *op_s = NO_TIME_S;
        }
    }
}

static void take(struct profiling *p, struct sitting *s,
                 const Edged__Measured *from)
{
    char text[160];

    for (size_t i = 0; from->code == 0 && i < from->n_ops; i++) {
        take_op(p, s, from->ops[i]);
    }
    if (from->code == 0) {
        take_rest(p, s);
    }
    if (from->code == EDGE_EBUSY) {
        give_up(p, s, from->text);
        return;
    }
    if (from->code < 0) {
        const struct profile_part *part = &p->pieces[s->part].part;

        (void)snprintf(text, sizeof(text), "ops %d to %d: %.120s", part->first,
                       part->end - 1, from->text);
        note(s, text);
    }
    s->part++;
    go_on(p, s);
}

void profile_on_measured(struct coordinator *c, struct io_peer *peer,
                         struct msg *msg)
{
    const Edged__Measured *from = msg->env->measured;
    struct profiling *p = c->profiling;
    const struct member *m = members_of(c, peer);

    if (p == NULL || m == NULL || p->step != PROFILE_BOARDS) {
        return; /* an answer to a question that is over */
    }
    for (size_t i = 0; i < p->n_boards; i++) {
        struct sitting *s = &p->boards[i];

        if (s->state == SITTING_ASKED && s->number == from->number &&
            strcmp(s->name, m->name) == 0) {
            take(p, s, from);
            look(p);
            return;
        }
    }
}
