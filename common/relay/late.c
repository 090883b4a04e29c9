/*
 * What is late: a hold past its deadline ends; one whose shard takes longer
 * than usual gets a second copy on another replica, and the first of the two
 * to be done counts.
 *
 *   hedge         after the shard's p95, and after what its node had to do
 *                 when it was sent, and half as much; where a replica has next
 *                 to nothing to do, so that it costs nobody's place in a queue.
 *                 Where all have queues some wait is not late: a copy would
 *                 take from the stage what all wait for
 *   hop deadline  after max(1 s, 4 * p99): wherever there is room, and the
 *                 node that is late gets a strike
 *   repeat        at the hop deadline, then after twice as long each time,
 *                 where no other can be asked: to who has it already, and
 *                 may not know, for a frame may be lost
 *
 * All draw from the relay's budget. Nothing is late once it is computed.
 */
#include "relay/inner.h"

#define LATER UINT64_MAX
#define REPEATS 5 /* times that the wait for a repeat doubles */

/* When a hedge is due after sending, or LATER. */
static uint64_t hedge_after_us(const struct hold *hold)
{
    struct relay_place *place = hold->place;
    uint64_t least = hold->expected_us + hold->expected_us / 2;
    uint64_t us =
        place->policy.hedge != 0
            ? relay_times_percentile(&place->times, place->policy.hedge)
            : 0;

    if (us == 0) {
        return LATER;
    }
    least = least > HEDGE_MIN_MS * 1000 ? least : HEDGE_MIN_MS * 1000;
    return us > least ? us : least;
}

static uint64_t hop_deadline_us(struct relay_place *place)
{
    uint64_t us;

    if (place->policy.hop_deadline_ms != 0) {
        return (uint64_t)place->policy.hop_deadline_ms * 1000;
    }
    us = (uint64_t)relay_times_percentile(&place->times, 99) * HOP_TIMES;
    if (us == 0) {
        return LATER;
    }
    return us > HOP_DEADLINE_MS * 1000 ? us : HOP_DEADLINE_MS * 1000;
}

static bool may_be_late(const struct hold *hold)
{
    return hold->place != NULL && hold->sent_to != NULL && !hold->computed;
}

/* A copy of some inputs on another node than the rest is of no use. */
static bool may_copy(const struct hold *hold)
{
    return hold->place->n_nodes > 1 && !hold->place->gathers;
}

static bool may_hedge(const struct hold *hold)
{
    return hold->second == NULL && hold->copies == 0 && may_copy(hold);
}

/* Since it was sent last, to whomever; or LATER. */
static uint64_t late_after_us(const struct hold *hold)
{
    uint64_t us =
        hold->place->policy.retries > 0 ? hop_deadline_us(hold->place) : LATER;

    return us != LATER ? us << hold->repeats : LATER;
}

/* How long until that is over. */
static uint64_t left_us(uint64_t after_us, uint64_t since_us, uint64_t now_us)
{
    uint64_t age_us = now_us - since_us;

    if (after_us == LATER) {
        return LATER;
    }
    return after_us > age_us ? after_us - age_us : 0;
}

/* Until something is due, from now; LATER: nothing is. */
static uint64_t due_in_us(struct relay *relay, const struct hold *hold)
{
    uint64_t now_us = io_now_us(relay->io);
    uint64_t hedge_us;
    uint64_t deadline_us;

    if (!may_be_late(hold)) {
        return LATER;
    }
    hedge_us = left_us(may_hedge(hold) ? hedge_after_us(hold) : LATER,
                       hold->sent_us, now_us);
    deadline_us = left_us(late_after_us(hold), hold->asked_us, now_us);
    return hedge_us < deadline_us ? hedge_us : deadline_us;
}

void relay_look_after(struct relay *relay, struct hold *hold)
{
    uint64_t due_us = due_in_us(relay, hold);

    if (due_us < (uint64_t)TICK_MS * 1000) {
        relay_tick_in(relay, due_us / 1000 + 1);
    }
}

/* ---- second copies --------------------------------------------------------
 */

/* Another one that is in no doubt, or NULL. In time of need one that was
 * ejected is better than none. */
static struct relay_node *other_node(struct relay *relay,
                                     const struct hold *hold, bool in_need)
{
    struct relay_node *node = relay_choose(relay, hold->place, hold->sent_to);

    if (node == NULL || node == hold->second || node->suspect ||
        (!in_need &&
         relay_trust_is_ejected(&node->trust, io_now_us(relay->io)))) {
        return NULL;
    }
    return node;
}

static void copy_to(struct relay *relay, struct hold *hold,
                    struct relay_node *node)
{
    int rc = 0;

    for (size_t i = 0; i < hold->n_parts && rc == 0 && !node->self; i++) {
        rc = relay_data_send(node->peer, hold, &hold->parts[i]);
    }
    if (rc < 0) {
        relay_recall(relay, hold, node); /* of the parts that went out */
        return;
    }
    hold->second = node;
    hold->second_us = io_now_us(relay->io);
    hold->asked_us = hold->second_us;
    relay_load_count(node, hold->epoch, hold->shard, 1);
    hold->attempt++;
    hold->copies++;
    relay->resent++;
    relay->hedged++;
    if (node->self) {
        relay->deliver(relay->arg, hold);
    }
}

/* The older of two copies has had its time. */
static void drop_older(struct relay *relay, struct hold *hold)
{
    struct relay_node *older = hold->sent_to;

    if (hold->second != NULL) {
        relay_recall(relay, hold, older);
        relay_drop_copy(hold, older);
    }
}

static void strike(struct relay *relay, struct relay_node *node)
{
    if (relay_trust_late(&node->trust, io_now_us(relay->io))) {
        relay_say_ejected(relay, node);
    }
}

static void hedge(struct relay *relay, struct hold *hold)
{
    struct relay_node *node = other_node(relay, hold, false);

    if (node != NULL && relay_is_idle(hold->place, node) &&
        relay_budget_take(&relay->budget, io_now_us(relay->io))) {
        copy_to(relay, hold, node);
    }
}

static bool can_repeat(const struct relay_node *node)
{
    return node != NULL && node->up && !node->suspect && !node->self;
}

/* It, or what it said, may have been lost on the way. Whoever has it already
 * says so again. */
static void repeat(struct relay *relay, struct hold *hold)
{
    struct relay_node *node =
        can_repeat(hold->sent_to) ? hold->sent_to : hold->second;
    int rc = 0;

    if (!can_repeat(node) ||
        !relay_budget_take(&relay->budget, io_now_us(relay->io))) {
        return;
    }
    hold->asked_us = io_now_us(relay->io);
    hold->repeats += hold->repeats < REPEATS;
    for (size_t i = 0; i < hold->n_parts && rc == 0; i++) {
        rc = relay_data_send(node->peer, hold, &hold->parts[i]);
    }
    hold->attempt++;
    relay->resent++;
}

static void hurry(struct relay *relay, struct hold *hold)
{
    struct relay_node *node = NULL;

    if (may_copy(hold) && hold->copies < hold->place->policy.retries) {
        node = other_node(relay, hold, true);
    }
    if (node == NULL) {
        repeat(relay, hold);
    } else if (relay_budget_take(&relay->budget, io_now_us(relay->io))) {
        drop_older(relay, hold);
        copy_to(relay, hold, node);
    }
}

static void look_at(struct relay *relay, struct hold *hold)
{
    uint64_t now = io_now_us(relay->io);

    if (!may_be_late(hold)) {
        return;
    }
    if (left_us(late_after_us(hold), hold->asked_us, now) == 0) {
        if (hold->place->n_nodes > 1) {
            strike(relay, hold->second != NULL ? hold->second : hold->sent_to);
        }
        hurry(relay, hold);
    } else if (may_hedge(hold) &&
               left_us(hedge_after_us(hold), hold->sent_us, now) == 0) {
        hedge(relay, hold);
    }
}

/* Delivering to this very process may end holds, this one among them: so each
 * is taken out of the list first. */
static void look_at_sent(struct relay *relay)
{
    struct list todo;

    list_init(&todo);
    while (!list_is_empty(&relay->sent)) {
        struct list *it = relay->sent.next;

        list_unlink(it);
        list_push(&todo, it);
    }
    while (!list_is_empty(&todo)) {
        struct hold *hold = list_entry(todo.next, struct hold, link);

        list_unlink(&hold->link);
        list_push(&relay->sent, &hold->link);
        look_at(relay, hold);
    }
}

/* When the next of them is due, in ms. */
static uint64_t next_look_ms(struct relay *relay)
{
    uint64_t least_us = (uint64_t)TICK_MS * 1000;

    list_each(&relay->sent, it, after)
    {
        uint64_t due_us = due_in_us(relay, list_entry(it, struct hold, link));

        least_us = due_us < least_us ? due_us : least_us;
    }
    /* What is due and could not be done is tried again in a while. */
    return least_us < RETRY_MS * 1000 ? RETRY_MS : least_us / 1000;
}

/* ---- the end --------------------------------------------------------------
 */

/* Those that are late, and those that no frame can hold. */
static void end_hopeless(struct relay *relay, struct list *holds)
{
    uint64_t now = io_now_us(relay->io);
    struct list late;

    list_init(&late); /* a callback may cancel others of these */
    list_each(holds, it, after)
    {
        struct hold *hold = list_entry(it, struct hold, link);

        if (hold->rc < 0 ||
            (hold->deadline_us != 0 && hold->deadline_us <= now)) {
            list_unlink(it);
            list_push(&late, it);
        }
    }
    while (!list_is_empty(&late)) {
        struct hold *hold = list_entry(late.next, struct hold, link);

        if (hold->rc < 0) {
            relay_hold_finish(relay, hold, hold->rc,
                              "larger than a frame may be");
        } else {
            relay_hold_finish(relay, hold, EDGE_ETIMEOUT,
                              "its deadline has passed");
        }
    }
}

void relay_on_tick(struct io_timer *timer)
{
    struct relay *relay = container_of(timer, struct relay, tick);

    relay->tick_us = 0;
    end_hopeless(relay, &relay->waiting);
    end_hopeless(relay, &relay->sent);
    look_at_sent(relay);
    relay_try_waiting(relay, false);
    if (!list_is_empty(&relay->waiting)) {
        relay_tick_in(relay, RETRY_MS);
    } else if (!list_is_empty(&relay->sent)) {
        relay_tick_in(relay, next_look_ms(relay));
    }
}
