#include "relay/relay.h"
#include "relay/inner.h"

#include "base/failpoint.h"

#define BACKOFF_MS 320

static struct list *bucket_of(struct relay *relay, uint64_t request)
{
    return &relay->buckets[(request * 0x9e3779b97f4a7c15u) >> 56];
}

struct hold *relay_hold_find(struct relay *relay, const struct relay_key *key)
{
    struct list *bucket = bucket_of(relay, key->request);

    list_each(bucket, it, after)
    {
        struct hold *hold = list_entry(it, struct hold, hash);

        if (hold->request == key->request && hold->epoch == key->epoch &&
            hold->shard == key->shard && hold->from == key->from) {
            return hold;
        }
    }
    return NULL;
}

void relay_leave(struct hold *hold, struct relay_node **node)
{
    if (*node != NULL) {
        relay_load_count(*node, hold->epoch, hold->shard, -1);
        *node = NULL;
    }
}

void relay_recall(struct relay *relay, const struct hold *hold,
                  const struct relay_node *node)
{
    struct relay_key key = {hold->request, hold->epoch, hold->shard,
                            hold->from};

    if (node->self) {
        relay->recall(relay->arg, &key);
    } else if (node->peer != NULL) {
        (void)relay_cancel_send(node->peer, &key); /* lost: work in vain */
    }
}

static void end(struct relay *relay, struct hold *hold, bool tell)
{
    struct relay_node *first = hold->sent_to;
    struct relay_node *second = hold->second;

    if (!hold->active) {
        return;
    }
    relay_leave(hold, &hold->sent_to);
    relay_leave(hold, &hold->second);
    list_unlink(&hold->link);
    list_unlink(&hold->hash);
    hold->active = false;
    if (first != NULL && (tell || second != NULL)) {
        relay_recall(relay, hold, first);
    }
    if (second != NULL) {
        relay_recall(relay, hold, second);
    }
}

void hold_cancel(struct relay *relay, struct hold *hold)
{
    end(relay, hold, false);
}

void hold_abandon(struct relay *relay, struct hold *hold)
{
    end(relay, hold, true);
}

void relay_hold_finish(struct relay *relay, struct hold *hold, int rc,
                       const char *text)
{
    end(relay, hold, rc == EDGE_ETIMEOUT);
    hold->done(hold, rc, text);
}

bool hold_is_waiting(const struct hold *hold)
{
    return hold->active && hold->sent_to == NULL;
}

bool hold_is_stranded(const struct hold *hold)
{
    const struct relay_place *place = hold->place;

    if (!hold->active || hold->computed) {
        return false;
    }
    for (size_t i = 0; place != NULL && i < place->n_nodes; i++) {
        const struct relay_node *node = place->nodes[i];

        if (node->up && !node->suspect && !node->leaving &&
            relay_is_ready(node, place->epoch, place->shard)) {
            return false;
        }
    }
    return place != NULL;
}

void relay_tick_in(struct relay *relay, uint64_t ms)
{
    uint64_t due_us = io_now_us(relay->io) + ms * 1000;

    if (relay->tick_us == 0 || due_us < relay->tick_us) {
        relay->tick_us = due_us;
        io_timer_start(relay->io, &relay->tick, ms);
    }
}

static void wait_for(struct relay *relay, struct hold *hold, uint64_t ms)
{
    relay_leave(hold, &hold->sent_to);
    hold->retry_us = io_now_us(relay->io) + ms * 1000;
    list_unlink(&hold->link);
    list_push(&relay->waiting, &hold->link);
    relay_tick_in(relay, ms);
}

/* Nobody can take it now: whatever changes, it is tried again. */
static void hold_wait(struct relay *relay, struct hold *hold)
{
    hold->backs_off = false;
    wait_for(relay, hold, RETRY_MS);
}

/* It leaves, or has been restarted: what it had is as good as lost. */
static bool is_loss(int code)
{
    return code == EDGE_ECLOSED || code == EDGE_ESTALE;
}

/* Other senders bring the rest of its inputs where they see a reason to. */
static bool is_shared(const struct hold *hold)
{
    return hold->place != NULL && hold->place->gathers;
}

/*
 * A gathering that was given up: parts of one request went to two nodes, as
 * senders had different views. By now they mostly have the same, so each goes
 * to its first choice, and stays there if it was there. If that does not help,
 * somebody cannot reach it: then who is there stays or leaves by chance, for if
 * all left at once they would miss each other again, and again.
 */
static struct relay_node *meet_elsewhere(struct relay *relay, struct hold *hold,
                                         struct relay_node *by)
{
    bool stays =
        relay_choose_for(relay, hold, NULL) != by || hold->apart++ == 0;

    return stays || io_random(relay->io) % 2 == 0 ? NULL : by;
}

static struct relay_node *avoided(struct relay *relay, struct hold *hold,
                                  struct relay_node *by, int code)
{
    if (!is_shared(hold)) {
        return by;
    }
    switch (code) {
    case EDGE_EBUSY: return NULL;
    case EDGE_EUNAVAILABLE: return meet_elsewhere(relay, hold, by);
    default: return by;
    }
}

/* Declined: at once to somebody else, as the budget allows, then after ever
 * longer pauses, for each try sends all of its bytes. */
void relay_back_off(struct relay *relay, struct hold *hold,
                    struct relay_node *by, int code)
{
    uint32_t n = hold->declines < 6 ? hold->declines : 6;
    uint64_t ms = n > 0 ? (uint64_t)RETRY_MS << (n - 1) : 0;

    if (!is_loss(code) &&
        !relay_budget_take(&relay->budget, io_now_us(relay->io))) {
        ms = BACKOFF_MS;
    }
    hold->avoid = avoided(relay, hold, by, code);
    hold->declines++;
    hold->backs_off = true;
    wait_for(relay, hold, ms < BACKOFF_MS ? ms : BACKOFF_MS);
}

/* Goes on behind the parts that went out on this very connection before its
 * queue was full. */
static int send_parts(struct hold *hold, struct relay_node *node)
{
    int rc = 0;

    if (hold->out_to != node || hold->out_ups != node->ups) {
        hold->out_to = node;
        hold->out_ups = node->ups;
        hold->n_out = 0;
    }
    while (hold->n_out < hold->n_parts && rc == 0) {
        rc = relay_data_send(node->peer, hold, &hold->parts[hold->n_out]);
        hold->n_out += rc == 0;
    }
    if (rc == 0) {
        hold->out_to = NULL; /* the next time all of them go */
    }
    return rc;
}

static void hold_send(struct relay *relay, struct hold *hold,
                      struct relay_node *node)
{
    int rc;

    hold->sent_to = node;
    hold->sent_us = io_now_us(relay->io);
    hold->asked_us = hold->sent_us;
    hold->repeats = 0;
    hold->computed = false;
    relay_load_count(node, hold->epoch, hold->shard, 1);
    hold->expected_us =
        hold->place != NULL ? relay_expected_us(hold->place, node) : 0;
    list_unlink(&hold->link);
    if (node->self) {
        list_push(&relay->local, &hold->link);
        io_timer_start(relay->io, &relay->turn, 0);
    } else {
        list_push(&relay->sent, &hold->link);
        rc = send_parts(hold, node);
        if (rc < 0) {
            hold->rc = rc == EDGE_ETOOBIG ? rc : 0;
            /* Its queue is full: another one's may not be. */
            hold->avoid = is_shared(hold) ? NULL : node;
            hold_wait(relay, hold);
            return;
        }
        relay_tick_in(relay, TICK_MS);
    }
    if (hold->attempt == 0) {
        relay_budget_note(&relay->budget, hold->sent_us);
    }
    relay->resent += hold->attempt > 0;
    hold->attempt++;
    relay_look_after(relay, hold);
}

void relay_hold_try(struct relay *relay, struct hold *hold)
{
    struct relay_node *node = NULL;

    if (hold->place == NULL) {
        hold->place = relay_place_find(relay, hold->epoch, hold->shard);
    }
    if (hold->place != NULL) {
        node = relay_choose_for(relay, hold, hold->avoid);
        if (node == NULL && hold->avoid != NULL) {
            hold->avoid = NULL; /* the one that declined, then */
            node = relay_choose_for(relay, hold, NULL);
        }
    }
    if (node == NULL) {
        hold_wait(relay, hold);
        return;
    }
    hold_send(relay, hold, node);
}

void hold_start(struct relay *relay, struct hold *hold)
{
    list_init(&hold->link);
    list_push(bucket_of(relay, hold->request), &hold->hash);
    hold->active = true;
    relay_hold_try(relay, hold);
}

/* Each is tried once: a hold that goes back to waiting is not met again in
 * this walk. With `changed` those that wait for a change are tried too. */
void relay_try_waiting(struct relay *relay, bool changed)
{
    uint64_t now = io_now_us(relay->io);
    struct list todo;

    list_init(&todo);
    list_each(&relay->waiting, it, after)
    {
        struct hold *hold = list_entry(it, struct hold, link);

        if (hold->retry_us <= now || (changed && !hold->backs_off)) {
            list_unlink(it);
            list_push(&todo, it);
        }
    }
    while (!list_is_empty(&todo)) {
        relay_hold_try(relay, list_entry(todo.next, struct hold, link));
    }
}

/* A turn of the loop later: hands over what stays in this process, and tries
 * what waited for a change. */
static void on_turn(struct io_timer *timer)
{
    struct relay *relay = container_of(timer, struct relay, turn);

    while (!list_is_empty(&relay->local)) {
        struct hold *hold = list_entry(relay->local.next, struct hold, link);

        list_unlink(&hold->link);
        list_push(&relay->sent, &hold->link);
        relay_tick_in(relay, TICK_MS);
        relay->deliver(relay->arg, hold);
    }
    if (relay->woken) {
        relay->woken = false;
        relay_try_waiting(relay, true);
    }
}

void relay_init_timers(struct relay *relay)
{
    io_timer_init(&relay->tick, relay_on_tick);
    io_timer_init(&relay->turn, on_turn);
}

void relay_wake(struct relay *relay)
{
    if (!list_is_empty(&relay->waiting) && !relay->woken) {
        relay->woken = true;
        io_timer_start(relay->io, &relay->turn, 0);
    }
}

static bool has_other(struct relay *relay, const struct hold *hold,
                      const struct relay_node *node)
{
    const struct relay_node *other =
        hold->place != NULL ? relay_choose_for(relay, hold, node) : NULL;

    return other != NULL && !other->suspect;
}

/* Who has the other copy, if there is one, has the only one now. */
static void promote(struct hold *hold)
{
    relay_leave(hold, &hold->sent_to);
    hold->sent_to = hold->second;
    hold->sent_us = hold->second_us;
    hold->second = NULL;
}

void relay_drop_copy(struct hold *hold, const struct relay_node *node)
{
    if (hold->sent_to == node) {
        promote(hold);
    } else {
        relay_leave(hold, &hold->second);
    }
}

static void send_again(struct relay *relay, struct hold *hold,
                       struct relay_node *node, bool gone)
{
    if (gone && DEFENCE_OFF("resend")) {
        relay_hold_finish(relay, hold, EDGE_EUNAVAILABLE,
                          "its device was lost");
        return;
    }
    relay_leave(hold, &hold->sent_to);
    if (!gone) {
        relay_recall(relay, hold, node);
    }
    relay_hold_try(relay, hold);
}

void relay_take_back(struct relay *relay, struct relay_node *node, bool gone)
{
    struct list lost;

    list_init(&lost);
    list_each(&relay->sent, it, after)
    {
        struct hold *hold = list_entry(it, struct hold, link);

        if (hold->second != NULL &&
            (hold->sent_to == node || hold->second == node)) {
            relay_drop_copy(hold, node);
        } else if (hold->sent_to == node) {
            list_unlink(it);
            list_push(&lost, it);
        }
    }
    while (!list_is_empty(&lost)) {
        struct hold *hold = list_entry(lost.next, struct hold, link);

        if (gone || has_other(relay, hold, node)) {
            send_again(relay, hold, node, gone);
        } else {
            list_unlink(&hold->link);
            list_push(&relay->sent, &hold->link);
        }
    }
}

void relay_forget(struct relay *relay, const struct relay_node *node)
{
    list_each(&relay->waiting, it, after)
    {
        struct hold *hold = list_entry(it, struct hold, link);

        hold->avoid = hold->avoid != node ? hold->avoid : NULL;
        hold->out_to = hold->out_to != node ? hold->out_to : NULL;
    }
    list_each(&relay->sent, at, next)
    {
        struct hold *hold = list_entry(at, struct hold, link);

        hold->avoid = hold->avoid != node ? hold->avoid : NULL;
    }
}

static bool collect_holds(struct relay *relay, uint32_t epoch,
                          struct list *ended)
{
    for (size_t i = 0; i < RELAY_BUCKETS; i++) {
        list_each(&relay->buckets[i], it, after)
        {
            struct hold *hold = list_entry(it, struct hold, hash);

            if (hold->epoch == epoch) {
                list_unlink(&hold->link);
                list_push(ended, &hold->link);
            }
        }
    }
    return !list_is_empty(ended);
}

/* A callback may cancel others of these, or send one back to wait (the end of
 * one run is a Nack for the run before it): so until there is none. */
void relay_end_holds(struct relay *relay, uint32_t epoch)
{
    struct list ended;

    list_init(&ended);
    while (collect_holds(relay, epoch, &ended)) {
        struct hold *hold = list_entry(ended.next, struct hold, link);

        relay_hold_finish(relay, hold, EDGE_ESTALE, "its epoch has ended");
    }
}
