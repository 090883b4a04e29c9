/*
 * While the last micro-batch of a Step goes back, gradients that are final
 * already go to the other replicas: on a slow link most of the sum is over when
 * the way back is.
 *
 *   the way back begins -> its legs (train/step.h) are queued on the strand,
 *                          all at once, so that it never waits for the loop
 *   a leg came back     -> the loop sends what it made final, and adds up
 *   the last one did    -> as any job; what is left is sent
 *
 *   a leg fails         -> those behind it do nothing, the last one says so
 *   the Step fails      -> they run to their end, and are not looked at
 */
#include "daemon/train.h"

/* All others are back. */
static bool is_last(const struct work *w, const struct micro *m)
{
    for (size_t i = 0; i < w->n_micros; i++) {
        if (w->micros[i].is_mine && &w->micros[i] != m &&
            w->micros[i].state != MICRO_DONE) {
            return false;
        }
    }
    return true;
}

const struct step_legs *train_legs_of(const struct train *t,
                                      const struct micro *m)
{
    const struct step_legs *legs = step_legs(t->made->step, m->slot);

    return t->n_replicas > 1 && !t->recipe->local && is_last(t->work, m) &&
                   legs != NULL && legs->n > 1
               ? legs
               : NULL;
}

static void on_run(struct io_work *work)
{
    struct train_leg *leg = container_of(work, struct train_leg, work);
    struct train_job *job = &leg->train->job;

    train_backward_leg(job, leg->at);
    leg->rc = job->rc; /* which the next leg may change */
}

/* The last leg is still to come, so that `t` and its work are there. */
static void on_done(struct io_work *work)
{
    struct train_leg *leg = container_of(work, struct train_leg, work);
    struct train *t = leg->train;
    struct err err;
    int rc;

    t->daemon->progress++;
    if (t->ended || t->broken != 0 || leg->rc < 0) {
        return;
    }
    t->work->result.busy_us += work->took_us;
    rc = train_reduce_some(t, &t->job.legs->legs[leg->at], &err);
    if (rc < 0) {
        train_fail(t, rc, err.text);
    }
}

static struct io_stretch part_of(const struct io_stretch *all, double share)
{
    return (struct io_stretch){
        .percent = all->percent,
        .extra_us = (uint32_t)((double)all->extra_us * share),
        .least_us = (uint32_t)((double)all->least_us * share)};
}

void train_legs_start(struct train *t)
{
    const struct step_legs *legs = t->job.legs;
    struct io_work *last = &t->job.work;
    const struct io_stretch all = last->stretch;

    last->cost_us /= legs->n;
    last->stretch = part_of(&all, legs->legs[legs->n - 1].share);
    for (size_t i = 0; i + 1 < legs->n; i++) {
        struct train_leg *leg = &t->legs[i];

        *leg = (struct train_leg){.train = t, .at = i};
        leg->work.run = on_run;
        leg->work.done = on_done;
        leg->work.cost_us = last->cost_us;
        leg->work.stretch = part_of(&all, legs->legs[i].share);
        list_init(&leg->work.link);
        io_work(t->daemon->io, IO_COMPUTE, &leg->work);
    }
}
