/* The strands of a simulated node: one job at a time, in virtual time. */
#include "tests/lib/io_sim_inner.h"

void sim_work_queue(struct io *io, enum io_strand which, struct io_work *work)
{
    struct sim_node *node = sim_node_of(io);
    struct sim_strand *strand = &node->strands[which];

    work->strand = which;
    list_init(&work->link);
    if (node->hub.muted) {
        return;
    }
    list_push(&strand->waiting, &work->link);
    if (!strand->busy) {
        strand->busy = true;
        sim_at(node->sim, 0, SIM_WORK, node, NULL, (int)which);
    }
}

static uint64_t duration(struct sim_node *node, uint64_t cost_us)
{
    struct rng *rng = &node->sim->rng;
    uint64_t us = cost_us > 0 ? cost_us : 20 + rng_below(rng, 480);

    us += rng_below(rng, us / 10 + 1);
    return us * node->percent / 100;
}

/* A stuck strand takes up what it was about to do when it moves again. */
static bool is_stuck(struct sim_strand *strand, enum sim_kind kind)
{
    if (strand->stuck) {
        strand->missed = kind;
    }
    return strand->stuck;
}

/* A job's effects come at its beginning or at its end: who is killed in
 * between has, or has not, for example, written its file. */
void sim_work_fire(struct sim_node *node, int which)
{
    struct sim_strand *strand = &node->strands[which];
    struct io_work *job;

    if (is_stuck(strand, SIM_WORK)) {
        return;
    }
    if (list_is_empty(&strand->waiting)) {
        strand->busy = false;
        return;
    }
    job = list_entry(strand->waiting.next, struct io_work, link);
    list_unlink(&job->link);
    strand->job = job;
    strand->took_us = duration(node, job->cost_us);
    strand->ran = rng_below(&node->sim->rng, 2) == 0;
    job->started_us = node->sim->now_us;
    if (strand->ran) {
        job->run(job);
    }
    sim_at(node->sim, strand->took_us, SIM_WORK_DONE, node, NULL, which);
}

void sim_work_done(struct sim_node *node, int which)
{
    struct sim_strand *strand = &node->strands[which];
    struct io_work *job = strand->job;

    if (job == NULL || is_stuck(strand, SIM_WORK_DONE)) {
        return; /* dropped, or not yet */
    }
    if (!strand->ran) {
        job->run(job);
    }
    strand->job = NULL;
    sim_at(node->sim, 0, SIM_WORK, node, NULL, which);
    job->took_us = strand->took_us;
    job->done(job);
}

void sim_work_forget(struct sim_node *node)
{
    for (int i = 0; i < IO_STRANDS; i++) {
        node->strands[i].job = NULL;
        list_each(&node->strands[i].waiting, it, after)
        {
            list_unlink(it);
        }
    }
}

void sim_speed(struct io *io, unsigned percent)
{
    sim_node_of(io)->percent = percent;
}

void sim_stick(struct io *io, enum io_strand which, bool stuck)
{
    struct sim_node *node = sim_node_of(io);
    struct sim_strand *strand = &node->strands[which];

    strand->stuck = stuck;
    if (!stuck && strand->missed != SIM_TIMERS) {
        sim_at(node->sim, 0, strand->missed, node, NULL, (int)which);
        strand->missed = SIM_TIMERS;
    }
}
