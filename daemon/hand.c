/*
 * A run's outputs on their way: one hold per destination shard, kept by the
 * relay until it is acknowledged. When the last one is, the run is over and
 * its own senders get their Ack: so Acks travel back along the path.
 */
#include "daemon/parts.h"

#include "base/mem.h"

#include <string.h>

static void on_hold_done(struct hold *hold, int rc, const char *text)
{
    struct run_hold *rh = container_of(hold, struct run_hold, hold);
    struct run *run = rh->run;

    if (rc < 0) {
        run_finish(run, rc, text);
        return;
    }
    run->holds_left--;
    if (run->holds_left == 0 || run->shard->is_tiered) {
        run_finish(run, 0, "");
    }
}

static bool is_first_to(const struct hosted *shard, size_t link)
{
    for (size_t i = 0; i < link; i++) {
        if (shard->links[i].to_shard == shard->links[link].to_shard) {
            return false;
        }
    }
    return true;
}

/* Borrows the outputs: they live as long as the run. */
static int fill_hold(struct run *run, struct run_hold *rh, uint32_t to_shard)
{
    struct hosted *shard = run->shard;

    rh->run = run;
    rh->parts = mem_array(struct relay_part, shard->n_links);
    if (rh->parts == NULL) {
        return EDGE_ENOMEM;
    }
    rh->hold.parts = rh->parts;
    for (size_t i = 0; i < shard->n_links; i++) {
        if (shard->links[i].to_shard == to_shard) {
            rh->parts[rh->hold.n_parts++] = coding_part(run, &shard->links[i]);
            rh->after = shard->links[i].after;
        }
    }
    rh->hold.request = run->request;
    rh->hold.epoch = shard->epoch->number;
    rh->hold.shard = to_shard;
    rh->hold.from = shard->id;
    rh->hold.deadline_us = run->deadline_us;
    rh->hold.hops = run->hops;
    rh->hold.n_hops = run->n_hops;
    rh->hold.sent = &shard->sent;
    rh->hold.views = &run->views;
    rh->hold.own_view = shard->view;
    rh->hold.done = on_hold_done;
    return 0;
}

int hand_on(struct run *run)
{
    struct hosted *shard = run->shard;
    size_t n = 0;

    run->holds = mem_array(struct run_hold, shard->n_links);
    if (run->holds == NULL) {
        return EDGE_ENOMEM;
    }
    for (size_t i = 0; i < shard->n_links; i++) {
        if (is_first_to(shard, i)) {
            run->n_holds = ++n;
            if (fill_hold(run, &run->holds[n - 1], shard->links[i].to_shard) <
                0) {
                return EDGE_ENOMEM;
            }
        }
    }
    run->holds_left = n;
    run->given_us = io_now_us(run->daemon->io);
    hand_more(run);
    exits_look(run);
    return 0;
}

void hand_more(struct run *run)
{
    for (size_t i = 0; i < run->n_holds; i++) {
        struct run_hold *rh = &run->holds[i];

        if (!rh->is_started && exits_allow(run, rh)) {
            rh->is_started = true;
            hold_start(&run->daemon->relay, &rh->hold);
        }
    }
}

/* Where the request is answered nobody need go on with it. */
static void stop_hold(struct run *run, struct hold *hold)
{
    struct relay *relay = &run->daemon->relay;

    if (run->is_answered && run->shard->is_tiered) {
        hold_abandon(relay, hold);
    } else {
        hold_cancel(relay, hold);
    }
}

void hand_stop(struct run *run)
{
    for (size_t i = 0; i < run->n_holds; i++) {
        stop_hold(run, &run->holds[i].hold);
        mem_free(run->holds[i].parts);
    }
    mem_free(run->holds);
    run->holds = NULL;
    run->n_holds = 0;
}

static void answer(struct run *run, const struct sender *sender, int rc,
                   const char *text)
{
    struct relay *relay = &run->daemon->relay;
    struct relay_key key = {
        .request = run->request,
        .epoch = run->shard->epoch->number,
        .shard = run->shard->id,
        .from = sender->from,
    };

    /* An Ack or Nack that is lost costs a repeated hop, no more. */
    if (sender->peer != NULL && rc == 0) {
        (void)relay_ack_send(sender->peer, &key);
    } else if (sender->peer != NULL) {
        (void)relay_nack_send(sender->peer, &key, rc, text);
    } else if (rc == 0) {
        relay_ack_local(relay, &key);
    } else {
        relay_nack_local(relay, relay_find(relay, run->daemon->name), &key, rc,
                         text);
    }
}

/* Where all outputs go to the gateway the Ack follows at once. */
static bool is_last(const struct hosted *shard)
{
    for (size_t i = 0; i < shard->n_links; i++) {
        if (shard->links[i].to_shard != 0) {
            return false;
        }
    }
    return true;
}

/* The same for a shard of this very process. */
static void tell_here(struct run *run, const struct relay_key *key)
{
    Edged__Computed computed = EDGED__COMPUTED__INIT;

    computed.request = key->request;
    computed.epoch = key->epoch;
    computed.shard = key->shard;
    computed.from = key->from;
    computed.passed = run->passed;
    computed.absent = run->views.absent;
    exits_on_computed(run->daemon, &computed);
}

void hand_computed_to(struct run *run, const struct sender *sender)
{
    struct relay *relay = &run->daemon->relay;
    struct relay_key key = {
        .request = run->request,
        .epoch = run->shard->epoch->number,
        .shard = run->shard->id,
        .from = sender->from,
    };

    if (is_last(run->shard) && run->passed == 0) {
        return;
    }
    if (sender->peer != NULL) { /* lost: a copy more */
        (void)relay_computed_send(sender->peer, &key, run->passed,
                                  run->views.absent);
    } else {
        relay_computed_local(relay, relay_find(relay, run->daemon->name), &key);
        tell_here(run, &key);
    }
}

void hand_computed(struct run *run)
{
    for (size_t i = 0; i < run->n_senders; i++) {
        hand_computed_to(run, &run->senders[i]);
    }
}

void hand_ack(struct run *run, int rc, const char *text)
{
    struct sender senders[RUN_SENDERS];
    size_t n = run->n_senders;

    memcpy(senders, run->senders, sizeof(senders));
    run->n_senders = 0; /* each is answered once */
    for (size_t i = 0; i < n; i++) {
        answer(run, &senders[i], rc, text);
    }
}
