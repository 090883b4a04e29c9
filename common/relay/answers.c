/* What nodes say of holds that they were sent. */
#include "relay/inner.h"

/* How long the shard took, as far as it is known. */
static void note_time(struct relay *relay, const struct hold *hold,
                      uint64_t sent_us)
{
    if (hold->place != NULL) {
        relay_times_add(&hold->place->times, io_now_us(relay->io) - sent_us);
    }
}

/* It had room: it may have more. */
static void widen(const struct hold *hold)
{
    struct relay_load *load =
        hold->sent_to != NULL
            ? relay_load_find(hold->sent_to, hold->epoch, hold->shard)
            : NULL;

    if (load != NULL && load->window > 0 && ++load->credit >= load->window) {
        load->credit = 0;
        load->window++;
    }
}

/* It has no room: not more than it has now, without this one. */
static void narrow(const struct hold *hold, const struct relay_node *node)
{
    struct relay_load *load = relay_load_find(node, hold->epoch, hold->shard);

    if (load != NULL) {
        load->window = load->unacked > 2 ? load->unacked - 1 : 1;
        load->credit = 0;
    }
}

void relay_on_ack(struct relay *relay, const Edged__Ack *ack)
{
    struct relay_key key = {ack->request, ack->epoch, ack->shard, ack->from};
    struct hold *hold = relay_hold_find(relay, &key);

    if (hold == NULL) {
        return;
    }
    if (!hold->computed && hold->sent_to != NULL) {
        note_time(relay, hold, hold->sent_us);
    }
    widen(hold);
    relay_hold_finish(relay, hold, 0, "");
    relay_wake(relay); /* its node has room for another one */
}

/* Of two that have it the other one need not go on. */
static void keep(struct relay *relay, struct hold *hold,
                 const struct relay_node *node)
{
    const struct relay_node *other =
        hold->sent_to == node ? hold->second : hold->sent_to;

    if (other != NULL) {
        relay_recall(relay, hold, other);
        relay_drop_copy(hold, other);
    }
}

void relay_on_computed(struct relay *relay, const struct relay_node *node,
                       const Edged__Computed *computed)
{
    struct relay_key key = {computed->request, computed->epoch, computed->shard,
                            computed->from};
    struct hold *hold = relay_hold_find(relay, &key);

    if (hold == NULL || hold->computed || node == NULL ||
        (hold->sent_to != node && hold->second != node)) {
        return; /* of a node that is not asked any more */
    }
    note_time(relay, hold,
              hold->sent_to == node ? hold->sent_us : hold->second_us);
    keep(relay, hold, node);
    hold->computed = true;
}

bool relay_may_retry(int code)
{
    return code == EDGE_EBUSY || code == EDGE_ESTALE || code == EDGE_ECLOSED ||
           code == EDGE_EUNAVAILABLE;
}

void relay_on_nack(struct relay *relay, struct relay_node *node,
                   const Edged__Nack *nack)
{
    struct relay_key key = {nack->request, nack->epoch, nack->shard,
                            nack->from};
    struct hold *hold = relay_hold_find(relay, &key);

    /* A late word from a node that no longer has this hold counts only if it
     * is final: the request is wrong wherever it runs. */
    if (hold == NULL) {
        return;
    }
    if (!relay_may_retry(nack->code)) {
        relay_hold_finish(relay, hold, nack->code, nack->text);
        return;
    }
    if (nack->code == EDGE_EBUSY && node != NULL) {
        narrow(hold, node);
    }
    if (hold->second != NULL &&
        (hold->second == node || hold->sent_to == node)) {
        relay_drop_copy(hold, node);
    } else if (hold->sent_to == node) {
        relay_back_off(relay, hold, node, nack->code);
    }
}
