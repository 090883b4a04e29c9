/*
 * What the compute strand does for trainings: one job at a time, at most a
 * micro-batch long, so that runs of other deployments get their turn.
 *
 * Of one shard, micro-batches go forward in their order and backward in their
 * order, each as soon as it can: gpipe goes forward where it can, 1f1b
 * backward. So sums are made in one order, whatever comes when.
 */
#include "daemon/train.h"

#define JOB_US 2000 /* expected; for simulated time */

/* ---- which -------------------------------------------------------------- */

static size_t inputs_of(const struct train *t)
{
    return t->shard->n_inputs - train_data_ports(t->recipe->train);
}

/* Links along which a gradient comes back. */
static size_t backs_of(const struct train *t)
{
    size_t n = 0;

    for (size_t i = 0; i < t->shard->n_links; i++) {
        n += t->shard->links[i].to_shard != 0 &&
             t->made->out[t->shard->links[i].port].dtype == DTYPE_F32;
    }
    return n;
}

static struct micro *next_forward(const struct work *w)
{
    for (size_t i = 0; i < w->n_micros; i++) {
        if (w->micros[i].is_mine && w->micros[i].state == MICRO_WAITS) {
            return &w->micros[i];
        }
    }
    return NULL;
}

static struct micro *next_backward(const struct work *w)
{
    for (size_t i = 0; i < w->n_micros; i++) {
        if (w->micros[i].is_mine && w->micros[i].state != MICRO_DONE) {
            return w->micros[i].state == MICRO_STANDS ? &w->micros[i] : NULL;
        }
    }
    return NULL;
}

/* Where it can stand until it goes back; false: there is no such place. */
static bool find_slot(const struct train *t, size_t *slot)
{
    const struct work *w = t->work;
    bool taken[STEP_SLOTS] = {false};

    for (size_t i = 0; i < w->n_micros; i++) {
        const struct micro *m = &w->micros[i];

        if (m->is_mine && m->state != MICRO_WAITS && m->state != MICRO_DONE) {
            taken[m->slot] = true;
        }
    }
    for (*slot = 0; *slot < t->recipe->slots; (*slot)++) {
        if (!taken[*slot]) {
            return true;
        }
    }
    return false;
}

struct choice {
    struct train *train; /* NULL: nothing can be done */
    enum job_kind kind;
    struct micro *micro;
    unsigned rank; /* the greatest goes first */
};

enum { RANK_SECOND = 1, RANK_FIRST, RANK_SHORT };

static void offer(struct choice *best, struct train *t, enum job_kind kind,
                  struct micro *m, unsigned rank)
{
    if (best->train == NULL || rank > best->rank ||
        (rank == best->rank && t->recipe->stage > best->train->recipe->stage)) {
        *best = (struct choice){t, kind, m, rank};
    }
}

static void offer_micros(struct choice *best, struct train *t)
{
    struct work *w = t->work;
    struct micro *f = next_forward(w);
    struct micro *b = w->evaluates ? NULL : next_backward(w);
    bool back_first = t->recipe->one_f_one_b;
    size_t slot = 0;

    if (b != NULL && b->n_back == backs_of(t)) {
        offer(best, t, JOB_BACKWARD, b, back_first ? RANK_FIRST : RANK_SECOND);
    }
    if (f != NULL && f->is_loaded && f->n_in == inputs_of(t) &&
        (w->evaluates || find_slot(t, &slot))) {
        f->slot = slot;
        offer(best, t, JOB_FORWARD, f, back_first ? RANK_SECOND : RANK_FIRST);
    }
}

static void look_at(struct train *t, void *arg)
{
    struct choice *best = arg;

    if (t->work == NULL || t->broken != 0 || t->ended || t->is_computing) {
        return;
    }
    switch (t->work->phase) {
    case WORK_APPLY: offer(best, t, JOB_APPLY, NULL, RANK_SHORT); break;
    case WORK_MICROS: offer_micros(best, t); break;
    case WORK_FINISH: offer(best, t, JOB_FINISH, NULL, RANK_SHORT); break;
    case WORK_NOTE: offer(best, t, JOB_NOTE, NULL, RANK_SHORT); break;
    case WORK_MEAN:
    case WORK_REDUCE: break;
    }
}

/* ---- there and back ------------------------------------------------------ */

static void on_run(struct io_work *work)
{
    struct train_job *job = container_of(work, struct train_job, work);

    switch (job->kind) {
    case JOB_APPLY: train_apply(job); break;
    case JOB_NOTE: train_note(job); break;
    case JOB_FORWARD: train_forward(job); break;
    case JOB_BACKWARD: train_backward(job); break;
    case JOB_FINISH: train_finish(job); break;
    }
}

static void after_note(struct train *t, struct train_job *job)
{
    t->work->phase = WORK_MICROS;
    if (job->state != NULL) {
        train_save(t, job->state, t->applied);
        job->state = NULL;
    }
}

static void after_apply(struct train *t, struct train_job *job)
{
    struct work *w = t->work;

    if (w->applies != 0 && w->applies == t->waiting) {
        t->applied = w->applies;
        t->waiting = 0;
    } else if (!w->evaluates && w->n_micros > 0) {
        t->waiting = 0;
    }
    if (w->averages) {
        train_enter_reduce(t, WORK_MEAN);
    } else {
        after_note(t, job);
    }
}

static void after_forward(struct train *t, const struct train_job *job)
{
    struct work *w = t->work;
    struct micro *m = job->micro;

    for (size_t i = 0; i < t->recipe->n_losses; i++) {
        w->result.losses[i] += (double)job->losses[i] * (double)m->samples;
    }
    w->result.samples += t->recipe->n_losses > 0 ? m->samples : 0;
    w->result.correct += job->correct;
    if (w->evaluates && t->recipe->n_losses > 1) {
        w->result.has_exits = true;
        train_exits_add(&w->result.exits, &job->exits);
    }
    t->shard->n_runs++;
    m->state = MICRO_STANDS;
    train_send_values(t, m);
    if (t->work == w && w->evaluates) {
        m->state = MICRO_DONE;
        train_micro_clear(t, m);
    }
}

static void after_backward(struct train *t, const struct train_job *job)
{
    struct micro *m = job->micro;

    m->state = MICRO_DONE;
    train_send_grads(t, m);
    if (t->work != NULL) {
        train_micro_clear(t, m);
    }
}

static void settle(struct train *t, struct train_job *job)
{
    switch (job->kind) {
    case JOB_APPLY: after_apply(t, job); break;
    case JOB_NOTE: after_note(t, job); break;
    case JOB_FORWARD: after_forward(t, job); break;
    case JOB_BACKWARD: after_backward(t, job); break;
    case JOB_FINISH: train_stepped(t); break;
    }
    train_go_on(t);
}

static void on_done(struct io_work *work)
{
    struct train_job *job = container_of(work, struct train_job, work);
    struct train *t = job->train;
    struct daemon *d = t->daemon;
    struct blob *state = job->state;

    d->training = false;
    d->progress++;
    t->is_computing = false;
    job->state = NULL;
    if (train_came_back(t)) {
        t->work->result.busy_us += work->took_us;
        job->state = state;
        state = NULL;
        if (job->rc < 0) {
            blob_unref(job->state);
            job->state = NULL;
            train_fail(t, job->rc, job->why.text);
        } else {
            settle(t, job);
        }
    }
    blob_unref(state);
    train_pump(d);
    run_pump(d);
}

/* As long as on the board that it stands for, if it stands for one: going
 * back is twice the work of going forward. */
static void stretch(const struct choice *choice, struct io_work *work)
{
    const struct train *t = choice->train;
    double us = 0;

    if (choice->micro != NULL) {
        us = t->made->pace_us * (double)choice->micro->samples *
             (choice->kind == JOB_BACKWARD ? 2 : 1);
    }
    fault_stretch(t->daemon, &work->stretch);
    paced_stretch(&work->stretch, us < 1e9 ? (uint32_t)us : 1000000000U);
}

static void start(const struct choice *choice)
{
    struct train *t = choice->train;
    struct train_job *job = &t->job;

    *job = (struct train_job){
        .train = t, .kind = choice->kind, .micro = choice->micro};
    if (choice->kind == JOB_FORWARD) {
        choice->micro->state = MICRO_FORWARD;
        t->work->n_forward++;
    } else if (choice->kind == JOB_BACKWARD) {
        choice->micro->state = MICRO_BACKWARD;
    }
    t->is_computing = true;
    t->daemon->training = true;
    t->shard->epoch->computing++;
    job->work.run = on_run;
    job->work.done = on_done;
    job->work.cost_us = JOB_US;
    stretch(choice, &job->work);
    if (choice->kind == JOB_BACKWARD) {
        job->legs = train_legs_of(t, choice->micro);
    }
    if (job->legs != NULL) {
        train_legs_start(t);
    }
    list_init(&job->work.link);
    io_work(t->daemon->io, IO_COMPUTE, &job->work);
    train_data_pump(t);
}

void train_pump(struct daemon *d)
{
    struct choice best = {0};

    if (d->training || d->closing) {
        return;
    }
    train_each(d, look_at, &best);
    if (best.train != NULL) {
        start(&best);
    }
}
