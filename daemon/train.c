/*
 * Steps of a training, from the trainer's Step to our Stepped. What a Step
 * goes through is in train.h.
 */
#include "daemon/train.h"

#include "base/mem.h"

#include <stdio.h>
#include <string.h>

void train_each(struct daemon *d, void (*each)(struct train *t, void *arg),
                void *arg)
{
    list_each(&d->epochs, it, after)
    {
        struct epoch *epoch = list_entry(it, struct epoch, link);

        for (size_t i = 0; i < epoch->n_shards; i++) {
            if (epoch->shards[i].train != NULL) {
                each(epoch->shards[i].train, arg);
            }
        }
    }
}

void train_take(struct hosted *shard, struct train_made *made)
{
    shard->train->made = made;
    shard->train->applied = shard->train->recipe->step;
}

/* ---- answers ------------------------------------------------------------- */

static void fill(const struct train *t, Edged__Stepped *to)
{
    const struct train_result *r = &t->said;

    to->epoch = t->shard->epoch->number;
    to->shard = t->shard->id;
    to->step = r->step;
    to->square = r->square;
    to->losses = (double *)(uintptr_t)r->losses;
    to->n_losses = t->recipe->n_losses;
    to->samples = r->samples;
    to->correct = r->correct;
    to->busy_us = (uint32_t)r->busy_us;
    to->took_us = (uint32_t)r->took_us;
    to->sent_bytes = r->sent;
    to->plain_bytes = r->plain;
    to->reduce_bytes = r->reduced;
    to->reduce_plain = r->reduced_plain;
    to->peak_bytes =
        t->daemon->board != NULL ? t->daemon->board->rss : board_peak();
    to->weights.data = (uint8_t *)(uintptr_t)r->mark;
    to->weights.len = TRAIN_MARK;
    to->code = r->code;
    to->text = (char *)(uintptr_t)r->text;
}

struct said_exits { /* room for what a message says of them */
    Edged__ExitCount counts[LIMIT_LOSSES];
    Edged__ExitCount *list[LIMIT_LOSSES];
    uint64_t left[LIMIT_LEFT];
    uint64_t left_correct[LIMIT_LEFT];
};

static void fill_exits(const struct train *t, struct said_exits *room,
                       Edged__Stepped *to)
{
    const struct train_exits *exits = &t->said.exits;
    size_t n = t->recipe->n_exits + 1;

    if (!t->said.has_exits) {
        return;
    }
    for (size_t i = 0; i < t->recipe->n_losses; i++) {
        edged__exit_count__init(&room->counts[i]);
        room->counts[i].samples = exits->samples[i];
        room->counts[i].correct = exits->correct[i];
        room->list[i] = &room->counts[i];
    }
    to->exits = room->list;
    to->n_exits = t->recipe->n_losses;
    for (size_t i = 0; n > 1 && i < EXIT_LEVELS * n; i++) {
        room->left[i] = exits->left[i / n][i % n];
        room->left_correct[i] = exits->left_correct[i / n][i % n];
    }
    to->left = room->left;
    to->left_correct = room->left_correct;
    to->n_left = n > 1 ? EXIT_LEVELS * n : 0;
    to->n_left_correct = to->n_left;
}

static void say(const struct train *t)
{
    Edged__Envelope env = EDGED__ENVELOPE__INIT;
    Edged__Stepped stepped = EDGED__STEPPED__INIT;
    struct said_exits room;

    if (t->daemon->coordinator == NULL) {
        return; /* it asks again when it is back */
    }
    fill(t, &stepped);
    fill_exits(t, &room, &stepped);
    env.body_case = EDGED__ENVELOPE__BODY_STEPPED;
    env.stepped = &stepped;
    (void)io_send(t->daemon->coordinator, &env, NULL);
}

static void say_stale(struct io_peer *peer, const Edged__Step *step)
{
    Edged__Envelope env = EDGED__ENVELOPE__INIT;
    Edged__Stepped stepped = EDGED__STEPPED__INIT;
    char text[] = "no such placement is ready here";

    stepped.epoch = step->epoch;
    stepped.step = step->step;
    stepped.code = EDGE_ESTALE;
    stepped.text = text;
    env.body_case = EDGED__ENVELOPE__BODY_STEPPED;
    env.stepped = &stepped;
    (void)io_send(peer, &env, NULL);
}

static void drop_work(struct train *t)
{
    if (!t->is_computing && !t->is_loading) {
        train_work_free(t, t->work);
        t->work = NULL;
    }
}

/* This step, and every one that comes in this epoch. */
static void fail_step(struct train *t, uint64_t step)
{
    t->said.step = step;
    t->said.code = t->broken;
    memcpy(t->said.text, t->why, sizeof(t->why));
    say(t);
}

void train_fail(struct train *t, int rc, const char *why)
{
    uint64_t step = t->work != NULL ? t->work->step : 0;

    if (t->broken != 0 || t->ended) {
        return;
    }
    t->broken = rc;
    (void)snprintf(t->why, sizeof(t->why), "%s", why);
    log_event(t->daemon->log, LOG_WARN, "train.failed",
              "epoch=%u shard=%s step=%llu err=\"%s\"", t->shard->epoch->number,
              t->shard->name, (unsigned long long)step, t->why);
    t->said = (struct train_result){0};
    train_post_drop(t);
    train_drop_early(t);
    if (step != 0) {
        fail_step(t, step);
    }
    drop_work(t);
}

void train_stepped(struct train *t)
{
    struct work *w = t->work;

    w->result.took_us = io_now_us(t->daemon->io) - w->began_us;
    t->said = w->result;
    if (!w->evaluates && w->n_micros > 0) {
        t->waiting = w->step;
    }
    drop_work(t);
    say(t);
}

/* ---- from phase to phase ------------------------------------------------- */

static bool all_done(const struct work *w)
{
    for (size_t i = 0; i < w->n_micros; i++) {
        if (w->micros[i].is_mine && w->micros[i].state != MICRO_DONE) {
            return false;
        }
    }
    return true;
}

/* Behind the micro-batches: gradients are added up, unless there are none. */
static void after_micros(struct train *t)
{
    struct work *w = t->work;

    if (w->evaluates || w->n_micros == 0) {
        train_stepped(t);
    } else if (t->n_replicas > 1 && !t->recipe->local) {
        train_enter_reduce(t, WORK_REDUCE);
    } else {
        w->phase = WORK_FINISH;
    }
}

void train_enter_reduce(struct train *t, enum work_phase phase)
{
    struct work *w = t->work;
    struct err err;
    int rc;

    w->phase = phase;
    rc = train_reduce_rest(t, &err);
    if (rc < 0) {
        train_fail(t, rc, err.text);
    }
    if (t->work == w && t->broken == 0 && w->reduce.left == 0) {
        w->phase = phase + 1; /* all others were first, or nothing is learnt */
    }
}

void train_go_on(struct train *t)
{
    struct work *w = t->work;

    if (w == NULL || t->broken != 0) {
        return;
    }
    if (w->phase == WORK_MICROS) {
        train_data_pump(t);
        if (all_done(w)) {
            after_micros(t);
        }
    }
}

bool train_came_back(struct train *t)
{
    struct epoch *epoch = t->shard->epoch;

    epoch->computing--;
    if (!t->ended && t->broken == 0) {
        return true;
    }
    drop_work(t);
    install_settle(epoch); /* which may be the end of `t` */
    return false;
}

/* ---- Step ---------------------------------------------------------------- */

static void begin(struct train *t, const Edged__Step *step)
{
    struct err err;
    int rc;

    if (t->broken != 0) {
        fail_step(t, step->step);
        return;
    }
    if (t->work != NULL) {
        train_fail(t, EDGE_EBUSY, "a new step while another is under way");
        return;
    }
    rc = train_work_new(t, step, &t->work, &err);
    if (rc < 0) {
        train_fail(t, rc, err.text);
        fail_step(t, step->step);
        return;
    }
    train_again(t);
}

static void take_step(struct train *t, const Edged__Step *step)
{
    uint64_t newest = t->said.step;

    if (t->work != NULL && t->work->step > newest) {
        newest = t->work->step;
    }
    if (step->step == t->said.step && step->step != 0) {
        say(t); /* it was not heard */
    } else if (step->step > newest) {
        begin(t, step);
    }
}

void train_on_step(struct daemon *d, struct io_peer *peer, struct msg *msg)
{
    const Edged__Step *step = msg->env->step;
    struct epoch *epoch = install_find(d, step->epoch);

    if (epoch == NULL || epoch->state != EPOCH_READY ||
        epoch->recipes == NULL) {
        say_stale(peer, step);
        return;
    }
    for (size_t i = 0; i < epoch->n_shards; i++) {
        take_step(epoch->shards[i].train, step);
    }
    train_pump(d);
}

/* ---- ends ---------------------------------------------------------------- */

struct gone {
    const struct io_peer *peer;
};

static void look_at(struct train *t, void *arg)
{
    const struct gone *gone = arg;
    char why[LIMIT_NAME + 32];

    if (t->work != NULL && train_is_mate(t, gone->peer->name)) {
        (void)snprintf(why, sizeof(why), "the connection to %s is lost",
                       gone->peer->name);
        train_fail(t, EDGE_ECLOSED, why);
    }
}

void train_peer_gone(struct daemon *d, const struct io_peer *peer)
{
    struct gone gone = {peer};

    if (peer->role == EDGED__ROLE__ROLE_NODE &&
        train_peer(d, peer->name) == peer) {
        train_each(d, look_at, &gone);
    }
    if (peer == d->coordinator) {
        train_coordinator_gone(d);
    }
}

void train_end_all(struct epoch *epoch)
{
    for (size_t i = 0; i < epoch->n_shards; i++) {
        struct train *t = epoch->shards[i].train;

        if (t != NULL) {
            t->ended = true;
            train_post_drop(t);
            train_drop_early(t);
            train_save_drop(t);
            drop_work(t);
        }
    }
}
