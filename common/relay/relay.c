#include "relay/relay.h"
#include "relay/inner.h"

#include "base/mem.h"
#include "wire/throttle.h"

#include <string.h>

struct relay_node *relay_find(struct relay *relay, const char *name)
{
    list_each(&relay->nodes, it, after)
    {
        struct relay_node *node = list_entry(it, struct relay_node, link);

        if (strcmp(node->name, name) == 0) {
            return node;
        }
    }
    return NULL;
}

struct relay_node *relay_node(struct relay *relay, const char *name)
{
    struct relay_node *node = relay_find(relay, name);

    if (node != NULL || strlen(name) > LIMIT_NAME) {
        return node;
    }
    node = mem_new(struct relay_node);
    if (node != NULL) {
        memcpy(node->name, name, strlen(name));
        list_push(&relay->nodes, &node->link);
    }
    return node;
}

struct relay_load *relay_load_find(const struct relay_node *node,
                                   uint32_t epoch, uint32_t shard)
{
    for (size_t i = 0; i < node->n_loads; i++) {
        if (node->loads[i].epoch == epoch && node->loads[i].shard == shard) {
            return &node->loads[i];
        }
    }
    return NULL;
}

const struct relay_load *relay_load(const struct relay_node *node,
                                    uint32_t epoch, uint32_t shard)
{
    return relay_load_find(node, epoch, shard);
}

bool relay_is_ready(const struct relay_node *node, uint32_t epoch,
                    uint32_t shard)
{
    const struct relay_load *load = relay_load_find(node, epoch, shard);

    return node->always || (load != NULL && load->ready);
}

/* The row of a shard, made if need be; NULL: out of memory. */
static struct relay_load *load_make(struct relay_node *node, uint32_t epoch,
                                    uint32_t shard)
{
    struct relay_load *load = relay_load_find(node, epoch, shard);

    if (load != NULL) {
        return load;
    }
    if (node->n_loads >= LIMIT_SHARDS * LIMIT_EPOCHS ||
        mem_grow(&node->loads, &node->loads_room, node->n_loads,
                 sizeof(*load)) < 0) {
        return NULL;
    }
    load = &node->loads[node->n_loads++];
    *load = (struct relay_load){.epoch = epoch, .shard = shard};
    return load;
}

void relay_load_count(struct relay_node *node, uint32_t epoch, uint32_t shard,
                      int change)
{
    struct relay_load *load = change > 0 ? load_make(node, epoch, shard)
                                         : relay_load_find(node, epoch, shard);

    if (load != NULL && (change > 0 || load->unacked > 0)) {
        load->unacked += (uint32_t)change;
    }
}

/* Rows of shards that are gone, and that nothing is on its way to. */
static void forget_idle_loads(struct relay_node *node)
{
    size_t kept = 0;

    for (size_t i = 0; i < node->n_loads; i++) {
        if (node->loads[i].named || node->loads[i].unacked > 0) {
            node->loads[kept++] = node->loads[i];
        }
    }
    node->n_loads = kept;
}

/* Times measured before its board was throttled say too little of it. */
static void note_heat(struct relay_node *node, const Edged__Beat *beat)
{
    bool throttled = throttle_is_slow(beat->throttled);

    for (size_t i = 0; throttled && !node->throttled && i < node->n_loads;
         i++) {
        node->loads[i].hot_runs = node->loads[i].runs;
    }
    node->throttled = throttled;
}

int relay_beat(struct relay *relay, struct relay_node *node,
               const Edged__Beat *beat)
{
    for (size_t i = 0; i < node->n_loads; i++) {
        node->loads[i].ready = false; /* unless this beat says so again */
        node->loads[i].named = false;
    }
    for (size_t i = 0; i < beat->n_shards; i++) {
        const Edged__ShardLoad *from = beat->shards[i];
        struct relay_load *load = load_make(node, from->epoch, from->shard);

        if (load == NULL) {
            return EDGE_ENOMEM;
        }
        load->named = true;
        load->ready = from->ready;
        load->queue = from->queue;
        load->compute_us = from->compute_us;
        load->runs = from->runs;
        load->sent_bytes = from->sent_bytes;
        load->plain_bytes = from->plain_bytes;
    }
    note_heat(node, beat);
    node->leaving = beat->draining;
    forget_idle_loads(node);
    relay_wake(relay);
    return 0;
}

void relay_node_up(struct relay *relay, struct relay_node *node,
                   struct io_peer *peer)
{
    node->peer = peer;
    node->up = true;
    node->suspect = false;
    node->leaving = false;
    node->throttled = false;
    if (node->ups++ > 0) {
        relay_trust_back(&node->trust, io_now_us(relay->io));
    }
    relay_wake(relay);
}

void relay_say_ejected(struct relay *relay, const struct relay_node *node)
{
    log_event(relay->io->log, LOG_WARN, "node.ejected",
              "node=%s for_ms=%llu strikes=%u", node->name,
              (unsigned long long)(node->trust.ejected_until_us -
                                   io_now_us(relay->io)) /
                  1000,
              node->trust.strikes);
}

/* One that was suspect before it was lost has had its strike; one that said
 * that it leaves gets none. */
static void strike(struct relay *relay, struct relay_node *node)
{
    if (relay_trust_strike(&node->trust, io_now_us(relay->io))) {
        relay_say_ejected(relay, node);
    }
}

void relay_node_down(struct relay *relay, struct relay_node *node)
{
    if (node->up && !node->suspect && !node->leaving) {
        strike(relay, node);
    }
    node->up = false;
    node->suspect = false;
    node->peer = NULL;
    for (size_t i = 0; i < node->n_loads; i++) {
        node->loads[i].ready = false; /* it must say so again */
        node->loads[i].queue = 0;
        node->loads[i].window = 0;
    }
    relay_take_back(relay, node, true);
}

void relay_node_drop(struct relay *relay, struct relay_node *node)
{
    relay_node_down(relay, node);
    relay_forget(relay, node);
    list_unlink(&node->link);
    mem_free(node->loads);
    mem_free(node);
}

void relay_node_suspect(struct relay *relay, struct relay_node *node,
                        bool suspect)
{
    bool changed = node->suspect != suspect;

    node->suspect = suspect;
    if (changed && suspect) {
        strike(relay, node);
        relay_take_back(relay, node, false);
    } else if (changed) {
        relay_trust_back(&node->trust, io_now_us(relay->io));
        relay_wake(relay);
    }
}

struct relay_place *relay_place_find(struct relay *relay, uint32_t epoch,
                                     uint32_t shard)
{
    list_each(&relay->places, it, after)
    {
        struct relay_place *place = list_entry(it, struct relay_place, link);

        if (place->epoch == epoch && place->shard == shard) {
            return place;
        }
    }
    return NULL;
}

/* As that of the epoch's other places, if there are any. */
static struct relay_policy policy_of(struct relay *relay, uint32_t epoch)
{
    list_each(&relay->places, it, after)
    {
        struct relay_place *place = list_entry(it, struct relay_place, link);

        if (place->epoch == epoch) {
            return place->policy;
        }
    }
    return RELAY_POLICY;
}

static uint32_t at_most(uint32_t value, uint32_t most)
{
    return value < most ? value : most;
}

struct relay_policy relay_policy_read(uint32_t queue,
                                      const Edged__Routing *routing)
{
    struct relay_policy policy = RELAY_POLICY;

    if (queue != 0) {
        policy.queue = at_most(queue, LIMIT_SHARD_QUEUE);
    }
    if (routing != NULL) {
        policy.retries = at_most(routing->retries, LIMIT_ATTEMPTS - 1);
        policy.hedge = at_most(routing->hedge, 99);
        policy.hop_deadline_ms = routing->hop_deadline_ms;
        policy.derate =
            routing->derate != 0 ? at_most(routing->derate, 100) : DERATE;
    }
    return policy;
}

void relay_set_policy(struct relay *relay, uint32_t epoch,
                      const struct relay_policy *policy)
{
    list_each(&relay->places, it, after)
    {
        struct relay_place *place = list_entry(it, struct relay_place, link);

        if (place->epoch == epoch) {
            place->policy = *policy;
        }
    }
}

int relay_place(struct relay *relay, uint32_t epoch, uint32_t shard,
                struct relay_node **nodes, size_t n)
{
    struct relay_place *place = relay_place_find(relay, epoch, shard);
    struct relay_node **copy = mem_dup(nodes, n * sizeof(*nodes));

    if (copy == NULL || n > LIMIT_REPLICAS) {
        mem_free(copy);
        return copy == NULL ? EDGE_ENOMEM : EDGE_ETOOBIG;
    }
    if (place == NULL) {
        place = mem_new(struct relay_place);
        if (place == NULL) {
            mem_free(copy);
            return EDGE_ENOMEM;
        }
        place->epoch = epoch;
        place->shard = shard;
        place->policy = policy_of(relay, epoch);
        list_push(&relay->places, &place->link);
    }
    mem_free(place->nodes);
    place->nodes = copy;
    place->n_nodes = n;
    place->n_spares = 0;
    relay_wake(relay);
    return 0;
}

void relay_spares(struct relay *relay, uint32_t epoch, uint32_t shard, size_t n)
{
    struct relay_place *place = relay_place_find(relay, epoch, shard);

    if (place != NULL) {
        place->n_spares = n < place->n_nodes ? n : place->n_nodes - 1;
    }
}

void relay_gathers(struct relay *relay, uint32_t epoch, uint32_t shard,
                   bool gathers)
{
    struct relay_place *place = relay_place_find(relay, epoch, shard);

    if (place != NULL) {
        place->gathers = gathers;
    }
}

static void place_free(struct relay_place *place)
{
    list_unlink(&place->link);
    mem_free(place->nodes);
    mem_free(place);
}

static void forget_loads(struct relay_node *node, uint32_t epoch)
{
    size_t kept = 0;

    for (size_t i = 0; i < node->n_loads; i++) {
        if (node->loads[i].epoch != epoch) {
            node->loads[kept++] = node->loads[i];
        }
    }
    node->n_loads = kept;
}

void relay_retire(struct relay *relay, uint32_t epoch)
{
    relay_end_holds(relay, epoch);
    list_each(&relay->places, it, after)
    {
        struct relay_place *place = list_entry(it, struct relay_place, link);

        if (place->epoch == epoch) {
            place_free(place);
        }
    }
    list_each(&relay->nodes, it, after)
    {
        forget_loads(list_entry(it, struct relay_node, link), epoch);
    }
}

void relay_init(struct relay *relay, struct io *io)
{
    *relay = (struct relay){.io = io};
    list_init(&relay->nodes);
    list_init(&relay->places);
    list_init(&relay->sent);
    list_init(&relay->waiting);
    list_init(&relay->local);
    for (size_t i = 0; i < RELAY_BUCKETS; i++) {
        list_init(&relay->buckets[i]);
    }
    relay_init_timers(relay);
}

void relay_deinit(struct relay *relay)
{
    io_timer_stop(relay->io, &relay->tick);
    io_timer_stop(relay->io, &relay->turn);
    list_each(&relay->places, it, after)
    {
        place_free(list_entry(it, struct relay_place, link));
    }
    list_each(&relay->nodes, it, after)
    {
        struct relay_node *node = list_entry(it, struct relay_node, link);

        list_unlink(&node->link);
        mem_free(node->loads);
        mem_free(node);
    }
}
