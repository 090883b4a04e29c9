/*
 * One request through one shard.
 *
 *   1. Data comes for each input; when the last is there the run is queued.
 *   2. The compute strand takes runs in order, RUNS_ON_STRAND at a time.
 *   3. The outputs go on their way (hand.c) and are held.
 *   4. They are acknowledged: our senders get their Ack, the run is freed.
 *
 * Failures: an unknown epoch or a full queue is a Nack that asks the sender
 * to try elsewhere; a wrong tensor, a failed computation or a deadline that
 * has passed is a final one. A request that is here already, or was answered,
 * is not run again: its new sender is noted, or acknowledged at once.
 */
#include "daemon/parts.h"

#include "base/failpoint.h"
#include "base/mem.h"

#include <string.h>

#define RUNS_ON_STRAND 2 /* one computes, the next one waits right there */
#define PARKED_MAX 8

/* ---- the end of a run --------------------------------------------------- */

static void drop_tensors(struct tensor *tensors, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        tensor_deinit(&tensors[i]);
    }
}

void run_unpark(struct run *run)
{
    run->daemon->n_parked -= run->parked;
    run->parked = false;
}

static void run_free(struct run *run)
{
    struct hosted *shard = run->shard;

    if (run->state != RUN_HOLDING) {
        shard->waiting--;
    }
    run_unpark(run);
    run->daemon->n_live--;
    list_unlink(&run->link);
    list_unlink(&run->queue);
    sense_stop(run);
    hand_stop(run);
    drop_tensors(run->inputs, shard->n_inputs);
    drop_tensors(run->outputs, shard->n_outputs);
    coding_free(run);
    mem_free(run->inputs);
    mem_free(run->outputs);
    mem_free(run->hops);
    mem_free(run);
}

/* The single exit: senders hear, then the run goes, unless the strand still
 * has it. */
void run_finish(struct run *run, int rc, const char *text)
{
    if (run->ended) {
        return;
    }
    run->ended = true;
    run->is_answered = rc == 0;
    if (rc == 0) {
        seen_add(&run->shard->finished, run->request);
    } else {
        log_event(run->daemon->log, LOG_TRACE, "run.ended",
                  "request=%llu shard=%s err=\"%s\"",
                  (unsigned long long)run->request, run->shard->name, text);
    }
    hand_stop(run);
    hand_ack(run, rc, text);
    if (run->state != RUN_COMPUTING) {
        run_free(run);
    }
}

/* ---- computing ----------------------------------------------------------- */

void run_compute(struct io_work *work)
{
    struct run *run = container_of(work, struct run, work);

    struct tensor given[LIMIT_PORTS];

    FAILPOINT("run.compute");
    run->rc = coding_open(run, given);
    if (run->rc == 0) {
        run->rc = plan_run(run->plan, given, run->outputs);
    }
    if (run->rc == 0) {
        exits_judge(run);
        run->rc = coding_close(run);
    }
}

static int add_hop(struct run *run)
{
    struct daemon *d = run->daemon;
    struct relay_hop *hops;
    struct relay_hop *hop;

    if (run->n_hops >= LIMIT_HOPS) {
        return 0;
    }
    hops = mem_resize(run->hops, run->n_hops + 1, sizeof(*hops));
    if (hops == NULL) {
        return EDGE_ENOMEM;
    }
    run->hops = hops;
    hop = &hops[run->n_hops++];
    *hop = (struct relay_hop){
        .compute_us = (uint32_t)run->work.took_us,
        .wire_us = run->wire_us,
        .queue_us =
            (uint32_t)(io_now_us(d->io) - run->queued_us - run->work.took_us),
    };
    memcpy(hop->node, d->name, sizeof(hop->node));
    memcpy(hop->shard, run->shard->name, sizeof(hop->shard));
    return 0;
}

/* A moving average over some ten runs follows a board that heats up. */
static void note_speed(struct hosted *shard, uint64_t took_us)
{
    uint32_t us = took_us > 0 ? (uint32_t)took_us : 1;

    shard->n_runs++;
    if (shard->compute_us == 0) {
        shard->compute_us = us;
    } else {
        shard->compute_us = (shard->compute_us * 7u + us) / 8u;
    }
}

bool run_give(struct run *run)
{
    if (hand_on(run) < 0) {
        run_finish(run, EDGE_EUNAVAILABLE, "out of memory");
        return false;
    }
    return true;
}

/* Outputs that nobody wants any more are kept for a while, and not sent on:
 * if they are asked for again, nothing is computed twice. Where many are kept
 * already they are sent on: who gets them knows what to do with a second one.
 * Senders hear of it afterwards, for the next shard waits and they do not. */
static void settle_outputs(struct run *run)
{
    struct daemon *d = run->daemon;

    if (add_hop(run) < 0) {
        run_finish(run, EDGE_EUNAVAILABLE, "out of memory");
    } else if (run->unwanted && d->n_parked < PARKED_MAX) {
        run->parked = true;
        d->n_parked++;
    } else if (run_give(run)) {
        hand_computed(run);
    }
}

static const char *why_not(int rc)
{
    return rc == EDGE_ECORRUPT ? "the values of an input are damaged"
           : rc == EDGE_ENOMEM ? "out of memory"
                               : "the shard refused these inputs";
}

void run_skip(struct run *run)
{
    run->state = RUN_HOLDING;
    run->shard->waiting--;
    run->is_blank = true;
    run->queued_us = io_now_us(run->daemon->io);
    settle_outputs(run);
}

static void run_on_computed(struct io_work *work)
{
    struct run *run = container_of(work, struct run, work);
    struct daemon *d = run->daemon;
    struct epoch *epoch = run->shard->epoch;

    d->on_strand--;
    d->progress++;
    epoch->computing--;
    note_speed(run->shard, work->took_us);
    run->state = RUN_HOLDING;
    run->shard->waiting--;
    if (run->ended) {
        run_free(run);
    } else if (run->rc < 0) {
        run_finish(run, run->rc, why_not(run->rc));
    } else {
        drop_tensors(run->inputs, run->shard->n_inputs);
        coding_settle(run);
        settle_outputs(run);
    }
    run_pump(d);
    install_settle(epoch);
}

static int make_outputs(struct run *run)
{
    for (size_t i = 0; i < run->shard->n_outputs; i++) {
        const struct plan_port *port = plan_output(run->plan, i);
        int rc = tensor_init(&run->outputs[i], port->dtype, &port->shape);

        if (rc < 0) {
            return rc;
        }
    }
    return coding_make_room(run);
}

static void compute(struct run *run)
{
    struct daemon *d = run->daemon;

    if (run->deadline_us <= io_now_us(d->io)) {
        run_finish(run, EDGE_ETIMEOUT, "its deadline has passed");
        return;
    }
    if (make_outputs(run) < 0) {
        run_finish(run, EDGE_EUNAVAILABLE, "out of memory");
        return;
    }
    run->state = RUN_COMPUTING;
    run->shard->epoch->computing++;
    d->on_strand++;
    run->work.run = run_compute;
    run->work.done = run_on_computed;
    run->work.cost_us = run->shard->compute_us;
    fault_stretch(d, &run->work.stretch);
    paced_stretch(&run->work.stretch, run->shard->pace_us);
    io_work(d->io, IO_COMPUTE, &run->work);
}

void run_pump(struct daemon *d)
{
    while (!beat_is_alone(d) && d->on_strand < RUNS_ON_STRAND &&
           !list_is_empty(&d->runnable)) {
        struct run *run = list_entry(d->runnable.next, struct run, queue);

        list_unlink(&run->queue);
        compute(run);
    }
    measure_go_on(d);
}

/* ---- ends ---------------------------------------------------------------- */

static void forget_peer(struct run *run, struct io_peer *peer)
{
    size_t kept = 0;

    for (size_t i = 0; i < run->n_senders; i++) {
        if (run->senders[i].peer != peer) {
            run->senders[kept++] = run->senders[i];
        }
    }
    run->n_senders = kept;
    if (kept == 0 && exits_is_idle(run)) {
        run_finish(run, EDGE_ECLOSED, "nobody waits for it");
    }
}

static void each_run(struct epoch *epoch,
                     void (*each)(struct run *run, void *arg), void *arg)
{
    for (size_t i = 0; i < epoch->n_shards; i++) {
        list_each(&epoch->shards[i].runs, it, after)
        {
            each(list_entry(it, struct run, link), arg);
        }
    }
}

static void forget_peer_of(struct run *run, void *arg)
{
    forget_peer(run, arg);
}

void run_peer_gone(struct daemon *d, struct io_peer *peer)
{
    list_each(&d->epochs, it, after)
    {
        each_run(list_entry(it, struct epoch, link), forget_peer_of, peer);
    }
}

/* Inputs that never became whole; outputs that nobody came back for. */
static void end_if_late(struct run *run, void *arg)
{
    const uint64_t *now = arg;

    if (run_is_left_alone(run, *now)) {
        run_finish(run, EDGE_EUNAVAILABLE, "its other inputs are elsewhere");
        return;
    }
    if ((run->state == RUN_GATHERING || run->parked || exits_is_idle(run)) &&
        run->deadline_us <= *now) {
        run_finish(run, EDGE_ETIMEOUT, "its deadline has passed");
        return;
    }
    exits_look(run);
}

void run_end_late(struct daemon *d)
{
    uint64_t now = io_now_us(d->io);

    list_each(&d->epochs, it, after)
    {
        each_run(list_entry(it, struct epoch, link), end_if_late, &now);
    }
}

static void end_now(struct run *run, void *arg)
{
    (void)arg;
    run_finish(run, EDGE_ESTALE, "its epoch has ended");
}

static void free_now(struct run *run, void *arg)
{
    (void)arg;
    run_free(run);
}

void run_free_all(struct epoch *epoch)
{
    each_run(epoch, free_now, NULL);
}

/* Run after run: the end of one frees no other (holds between two shards of
 * this process were cancelled with the epoch's route before). */
void run_end_all(struct epoch *epoch)
{
    each_run(epoch, end_now, NULL);
}
