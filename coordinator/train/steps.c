/*
 * Steps. Each is told to all boards, and answered by all shards, before the
 * next one; what a step came to is applied by the one after it.
 *
 *   a pass over the training samples, `batch` a step
 *   the whole test set, likewise, after some passes and the last one
 *   again, until all passes are over, it is good enough, or gets no better
 *   nothing but to apply and to save; then it is ENDING
 */
#include "coordinator/train/trainer.h"

#include "base/mem.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define STEP_FIRST_MS 60000 /* boards prepare sizes and read samples */
#define STEP_LEAST_MS 10000
#define STEP_TIMES 10  /* a step may take so many times the usual */
#define SHARE_STEPS 10 /* between looks at who is slower */
#define SHARE_LOOKS 2  /* in a row, that say the same */

static void next(struct trainer *t);

/* What is evaluated alone is so whatever the file says of trainings. */
static bool is_due(const struct trainer *t)
{
    return t->kept->evaluates || t->point.pass >= t->settings.passes ||
           t->point.pass % t->settings.evaluate == 0;
}

static bool is_evaluating(const struct trainer *t)
{
    return t->kept->test_samples > 0 && t->point.pass > t->point.evaluated &&
           is_due(t);
}

/* ---- sending ------------------------------------------------------------- */

static int send_to(struct trainer *t, const struct trainer_part *part,
                   bool saves)
{
    Edged__Envelope env = EDGED__ENVELOPE__INIT;
    Edged__Step step = t->step;

    step.saves = saves;
    if (trainer_is_local(t)) { /* its own gradients, its own part */
        step.square = part->square;
        step.share = step.averages ? trainer_share(t, part) : 0;
    }
    env.body_case = EDGED__ENVELOPE__BODY_STEP;
    env.step = &step;
    return io_send(part->member->peer, &env, NULL);
}

/* A board with several shards is told once; it saves if it has the first
 * replica of any stage. */
static void send_step(struct trainer *t)
{
    for (size_t i = 0; i < t->n_parts; i++) {
        struct member *m = t->parts[i].member;
        bool saves = false;

        if (t->parts[i].told) {
            continue;
        }
        for (size_t k = i; k < t->n_parts; k++) {
            saves = saves || (t->step.saves && t->parts[k].member == m &&
                              t->parts[k].replica == 0);
        }
        if (send_to(t, &t->parts[i], saves) < 0) {
            continue; /* the next look sends it */
        }
        for (size_t k = i; k < t->n_parts; k++) {
            t->parts[k].told = t->parts[k].told || t->parts[k].member == m;
        }
    }
}

void trainer_drop_step(struct trainer *t)
{
    ways_deinit(&t->ways);
    t->is_asked = false;
}

static void begin_step(struct trainer *t, enum trainer_kind kind)
{
    struct trainer_sums none = {0};

    t->kind = kind;
    t->step_sums = none;
    memset(&t->step_exits, 0, sizeof(t->step_exits));
    t->step.epoch = t->placement->epoch;
    t->step.step = ++t->number;
    t->step.applies = t->pending;
    t->step.square = t->square;
    t->step.rate =
        t->point.steps > 0
            ? schedule_rate(&t->settings.schedule,
                            &(struct schedule_state){.cuts = t->point.cuts},
                            t->point.steps - 1)
            : t->settings.schedule.rate;
    t->step.evaluates = kind == STEP_EVALUATES;
    t->step.absent = t->kept->absent;
    t->step.grey = t->kept->grey;
    t->step.slack =
        t->step.evaluates ? 0 : settings_slack(&t->settings, t->point.steps);
    t->step.sizes = t->ways.sizes;
    t->step.n_sizes = t->ways.n;
    t->step.ways = t->ways.ways;
    t->step.n_ways = t->ways.n * t->kept->plan->n_shards;
    if (t->pending != 0) {
        t->applied = t->pending;
    }
    trainer_agree(t);
    t->pending = 0;
    t->step_us = io_now_us(t->c->io);
    t->is_asked = true;
    for (size_t i = 0; i < t->n_parts; i++) {
        t->parts[i].told = t->parts[i].stepped = false;
    }
    send_step(t);
}

/* ---- which is next ------------------------------------------------------- */

static int share_samples(struct trainer *t, uint64_t samples)
{
    size_t replicas[LIMIT_SHARDS];
    struct ways_ask ask = {
        .replicas = replicas,
        .speeds = t->speeds,
        .n_stages = t->kept->plan->n_shards,
        .samples = samples,
        .per_lane = t->settings.per_lane,
        .micro_max = t->placement->spec->shards[0]->recipe->micro_max,
    };
    struct err err;
    int rc;

    for (size_t s = 0; s < ask.n_stages; s++) {
        replicas[s] = t->staff[s].n;
    }
    ways_deinit(&t->ways);
    rc = ways_make(&ask, &t->ways, &err);
    if (rc < 0) {
        trainer_finish(t, rc, err.text);
    }
    return rc;
}

static void train_on(struct trainer *t)
{
    uint64_t left = t->kept->samples - t->point.first;
    uint64_t samples = left < t->settings.batch ? left : t->settings.batch;

    if (share_samples(t, samples) == 0) {
        t->step.pass = t->point.pass;
        t->step.first = t->point.first;
        t->step.whole = trainer_is_whole(t);
        begin_step(t, STEP_TRAINS);
    }
}

static void evaluate_on(struct trainer *t)
{
    uint64_t left = t->kept->test_samples - t->tested;
    uint64_t samples = left < t->settings.batch ? left : t->settings.batch;

    if (share_samples(t, samples) == 0) {
        t->step.pass = 0;
        t->step.first = t->tested;
        begin_step(t, STEP_EVALUATES);
    }
}

static void apply_alone(struct trainer *t)
{
    ways_deinit(&t->ways);
    t->step.first = 0;
    begin_step(t, STEP_APPLIES);
}

static void make_result(struct trainer *t)
{
    trainer_drop_placement(t);
    if (t->kept->evaluates || t->stops) {
        trainer_finish(t, t->kept->evaluates ? 0 : EDGE_ECANCELED, "");
        return;
    }
    trainer_to(t, TRAINER_ENDING);
    trainer_say(t, "save", "");
    train_result_start(t->c->io, t->job);
}

/* Everything is in the newest checkpoint: it ends, or begins elsewhere. */
static void settle(struct trainer *t)
{
    if (t->is_done || t->stops) {
        make_result(t);
    } else {
        trainer_move(t, "other boards are there");
    }
}

static void next(struct trainer *t)
{
    bool drains;
    bool due;

    if (t->point.pass >= t->settings.passes && !is_evaluating(t)) {
        t->is_done = true;
    }
    t->drains = t->is_done || t->stops || t->drains;
    if (t->drains && t->is_saving) {
        return; /* trainer_saved() comes back here */
    }
    if (t->drains && t->point.steps == trainer_newest(t)->steps &&
        (t->point.evaluated == trainer_newest(t)->evaluated ||
         t->kept->evaluates)) {
        settle(t);
        return;
    }
    /* Or else there is first a step that is whole. */
    drains = t->drains && (!t->owes || t->is_done);
    due = (drains || trainer_is_save_due(t)) && !t->is_keeping &&
          trainer_may_save(t);
    t->step.saves = due;
    if (due) {
        trainer_begin_saving(t);
        t->step.saves = t->is_saving;
    }
    if (drains) {
        apply_alone(t);
    } else if (is_evaluating(t)) {
        evaluate_on(t);
    } else {
        train_on(t);
    }
}

void trainer_saved(struct trainer *t, int rc, const char *why)
{
    uint64_t now = io_now_us(t->c->io);

    if (t->phase == TRAINER_OVER) {
        trainer_tell_end(t);
        return;
    }
    if (rc < 0) {
        trainer_finish(t, rc, why);
        return;
    }
    if (!t->is_saving || t->phase != TRAINER_STEPPING) {
        return;
    }
    t->is_saving = false;
    t->saved_us = now;
    t->save_lag = t->point.steps - trainer_newest(t)->steps;
    t->fails = 0;
    log_event(t->c->log, LOG_INFO, "training.kept", "name=%s step=%llu",
              t->kept->name, (unsigned long long)trainer_newest(t)->steps);
    t->drains = t->drains || trainer_has_others(t);
    if (t->drains && !t->is_asked) {
        next(t);
    }
}

/* ---- a step is over ------------------------------------------------------ */

/* Samples a microsecond, since it was asked last. */
static double measure(struct trainer_part *part)
{
    double speed =
        part->busy_us > 0 ? (double)part->samples / part->busy_us : 0;

    part->busy_us = 0;
    part->samples = 0;
    return speed;
}

/* Who is slower gets less, once it has been so twice in a row: a noisy moment
 * should not cost the run its repeatability. */
static void look_at_speeds(struct trainer *t)
{
    size_t n_stages = t->kept->plan->n_shards;
    double *measured;
    bool drifts = false;

    if (t->settings.equal_shares || ++t->share_steps < SHARE_STEPS) {
        return;
    }
    t->share_steps = 0;
    measured = mem_array(double, t->n_parts);
    if (measured == NULL) {
        return; /* shares stay */
    }
    for (size_t i = 0; i < t->n_parts; i++) {
        measured[i] = measure(&t->parts[i]);
    }
    for (size_t s = 0, at = 0; s < n_stages; at += t->staff[s++].n) {
        drifts =
            drifts || ways_drifts(t->speeds + at, measured + at, t->staff[s].n);
    }
    t->drifts = drifts ? t->drifts + 1 : 0;
    for (size_t s = 0, at = 0; s < n_stages && t->drifts >= SHARE_LOOKS;
         at += t->staff[s++].n) {
        ways_adapt(t->speeds + at, measured + at, t->staff[s].n);
    }
    if (t->drifts >= SHARE_LOOKS) {
        log_event(t->c->log, LOG_INFO, "training.shares", "name=%s step=%llu",
                  t->kept->name, (unsigned long long)t->point.steps);
        t->drifts = 0;
    }
    mem_free(measured);
}

static void end_training_step(struct trainer *t)
{
    bool adds_all = trainer_is_local(t); /* else replicas have the same */
    double square = 0;

    for (size_t i = 0; i < t->n_parts; i++) {
        square += adds_all || t->parts[i].replica == 0 ? t->parts[i].square : 0;
    }
    t->square = square;
    t->pending = t->step.step;
    t->point.steps++;
    t->point.skipped += isfinite(square) ? 0 : 1;
    t->point.first += t->step_sums.samples;
    trainer_sums_add(&t->pass, &t->step_sums);
    trainer_sums_add(&t->said, &t->step_sums);
    trainer_curve_step(t);
    trainer_drift_apart(t);
    t->owes = !t->step.whole;
    if (t->point.first >= t->kept->samples) {
        t->point.first = 0;
        t->point.pass++;
        t->tested = 0;
        memset(&t->test, 0, sizeof(t->test));
        memset(&t->exits, 0, sizeof(t->exits));
    }
    look_at_speeds(t);
    trainer_say_step(t);
}

/* As good as is asked for, or worse for too long. */
static bool is_enough(const struct trainer *t)
{
    const struct train_settings *s = &t->settings;

    return t->point.evaluated > 0 &&
           ((s->target > 0 && t->point.test_accuracy >= s->target) ||
            (s->patience > 0 && t->point.worse >= s->patience));
}

static void judge(struct trainer *t)
{
    double loss = trainer_mean_loss(&t->test);
    struct schedule_state plateau = {.has_best = t->point.has_best,
                                     .best = t->point.best,
                                     .bad = t->point.bad,
                                     .cuts = t->point.cuts};

    (void)schedule_observe(&t->settings.schedule, &plateau, loss);
    t->point.has_best = plateau.has_best;
    t->point.best = plateau.best;
    t->point.bad = plateau.bad;
    t->point.cuts = plateau.cuts;
    if (loss < t->point.best_loss ||
        t->point.evaluated <= t->settings.evaluate) {
        t->point.best_loss = loss;
        t->point.worse = 0;
    } else {
        t->point.worse++;
    }
    t->is_done = is_enough(t);
}

static void end_pass(struct trainer *t)
{
    Edged__KeptPass pass = EDGED__KEPT_PASS__INIT;
    bool is_tested = is_evaluating(t);

    t->point.evaluated = t->point.pass;
    pass.pass = t->point.pass;
    pass.loss = trainer_mean_loss(&t->pass);
    pass.accuracy = trainer_accuracy(&t->pass);
    pass.rate = t->step.rate;
    pass.took_s =
        t->point.took_s + (double)(io_now_us(t->c->io) - t->began_us) / 1e6;
    if (is_tested) {
        t->point.test_accuracy = pass.test_accuracy =
            trainer_accuracy(&t->test);
        t->point.test_loss = pass.test_loss = trainer_mean_loss(&t->test);
        judge(t);
    }
    memset(&t->pass, 0, sizeof(t->pass));
    if (is_tested || t->kept->test_samples == 0) {
        trainer_curve_pass(t, &pass);
    }
    trainer_say_pass(t, &pass, is_tested);
}

static void end_evaluation_step(struct trainer *t)
{
    trainer_sums_add(&t->test, &t->step_sums);
    trainer_exits_add(&t->exits, &t->step_exits);
    t->tested += t->step_sums.samples;
    if (t->tested >= t->kept->test_samples) {
        end_pass(t);
    }
}

/* An unusual one counts for little; the first is not typical. */
static void note_time(struct trainer *t)
{
    uint64_t took_us = io_now_us(t->c->io) - t->step_us;
    double us = (double)took_us;

    if (t->kind == STEP_TRAINS) {
        t->typical_us = t->typical_us > 0 ? 0.9 * t->typical_us + 0.1 * us : us;
    } else {
        t->rest_us += took_us;
    }
}

/* Replicas begin a step with the same parameters, or something is very
 * wrong; but for those that are not to agree yet. */
static const struct trainer_part *find_unequal(const struct trainer *t)
{
    for (size_t i = 1; i < t->n_parts && t->began_alike; i++) {
        const struct trainer_part *a = &t->parts[i - 1];
        const struct trainer_part *b = &t->parts[i];

        if (a->stage == b->stage && a->n_weights > 0 && b->n_weights > 0 &&
            (a->n_weights != b->n_weights ||
             memcmp(a->weights, b->weights, a->n_weights) != 0)) {
            return b;
        }
    }
    return NULL;
}

void trainer_end_step(struct trainer *t)
{
    const struct trainer_part *unequal = find_unequal(t);
    uint64_t wanted = 0;
    char why[300];

    for (size_t i = 0; i < t->ways.n; i++) {
        wanted += t->ways.sizes[i];
    }
    if (unequal != NULL) {
        (void)snprintf(why, sizeof(why),
                       "%s has other weights than the replica before it",
                       unequal->member->name);
        trainer_again(t, EDGE_ECORRUPT, unequal->member, why);
        return;
    }
    if (t->step_sums.samples != wanted) {
        (void)snprintf(why, sizeof(why),
                       "step %llu was of %llu samples instead of %llu",
                       (unsigned long long)t->step.step,
                       (unsigned long long)t->step_sums.samples,
                       (unsigned long long)wanted);
        trainer_again(t, EDGE_ECORRUPT, NULL, why);
        return;
    }
    note_time(t);
    t->is_asked = false;
    if (t->kind == STEP_TRAINS) {
        end_training_step(t);
        if (t->point.first == 0 && !is_evaluating(t)) {
            end_pass(t);
        }
    } else if (t->kind == STEP_EVALUATES) {
        end_evaluation_step(t);
    }
    if (t->phase == TRAINER_STEPPING) {
        next(t);
    }
}

/* ---- life ---------------------------------------------------------------- */

void trainer_begin_steps(struct trainer *t)
{
    uint64_t now = io_now_us(t->c->io);

    trainer_to(t, TRAINER_STEPPING);
    trainer_copy_point(trainer_newest(t), &t->point);
    t->number = trainer_newest(t)->step;
    t->applied = t->number;
    t->pending = 0;
    t->square = 0;
    t->tested = 0;
    t->apart = 0;
    t->owes = false;
    t->typical_us = 0;
    t->share_steps = 0;
    t->drifts = 0;
    t->is_done = is_enough(t);
    trainer_curve_back(t);
    memset(&t->pass, 0, sizeof(t->pass));
    memset(&t->test, 0, sizeof(t->test));
    memset(&t->exits, 0, sizeof(t->exits));
    memset(&t->said, 0, sizeof(t->said));
    t->began_us = t->saved_us = t->said_us = now;
    t->rest_us = 0;
    t->all_us = t->all_samples = 0;
    trainer_say(t, "step", "");
    next(t);
}

void trainer_look_stepping(struct trainer *t)
{
    const struct member *lost = trainer_find_lost(t);
    uint64_t most = (uint64_t)STEP_FIRST_MS * 1000;
    char why[300];

    if (t->typical_us > 0) {
        most = (uint64_t)(t->typical_us * STEP_TIMES);
        most = most > (uint64_t)STEP_LEAST_MS * 1000
                   ? most
                   : (uint64_t)STEP_LEAST_MS * 1000;
    }
    if (lost != NULL) {
        trainer_lost(t, lost);
    } else if (t->is_asked && io_now_us(t->c->io) - t->step_us > most) {
        (void)snprintf(why, sizeof(why), "step %llu takes too long",
                       (unsigned long long)t->step.step);
        trainer_again(t, EDGE_ETIMEOUT, NULL, why);
    } else {
        if (t->is_asked) {
            send_step(t);
        }
        trainer_look_saving(t);
    }
}
