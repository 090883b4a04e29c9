/* What must hold at every moment, and when a cluster is whole again. */
#include "tests/lib/fleet_inner.h"

#include "coordinator/parts.h"
#include "daemon/parts.h"
#include "net/hub.h"
#include "relay/inner.h"

#include <stdio.h>

#define LIVE_MAX (LIMIT_SHARD_QUEUE * 32)
#define PIECES_MAX 64 /* pushed to one member and not acknowledged */

struct bound {
    char *text;
    size_t size;
    bool kept;
};

static void check(struct bound *b, const char *who, const char *what,
                  uint64_t is, uint64_t most)
{
    if (is > most && b->kept) {
        (void)snprintf(b->text, b->size,
                       "%s: %llu %s, at most %llu are allowed", who,
                       (unsigned long long)is, what, (unsigned long long)most);
        b->kept = false;
    }
}

static size_t count(const struct list *list)
{
    size_t n = 0;

    for (const struct list *it = list->next; it != list; it = it->next) {
        n++;
    }
    return n;
}

static void check_hub(struct bound *b, const struct fleet_process *process)
{
    const struct hub *hub = hub_of(process->io);

    check(b, process->name, "strangers", hub->n_strangers,
          hub->limits.strangers);
    check(b, process->name, "accepted connections", hub->n_accepted,
          hub->limits.accepted);
}

/* A large message may enter an empty queue whatever its size; the models here
 * have none. */
static void check_peer(struct bound *b, const char *who,
                       const struct io_peer *peer)
{
    if (peer != NULL && peer->up) {
        check(b, who, "bytes queued for a peer", peer->queued,
              LIMIT_WRITE_QUEUE + LIMIT_CONTROL_RESERVE);
    }
}

/* The gateway takes every answer that there is: one a run. Requests find the
 * node that gathers their inputs by name, not by load: all that are admitted
 * may meet on one. */
static uint64_t most_holds(struct relay *relay, const struct relay_node *node,
                           const struct relay_load *load)
{
    const struct relay_place *place =
        relay_place_find(relay, load->epoch, load->shard);

    if (node->always) {
        return LIVE_MAX;
    }
    return place != NULL && place->gathers ? place->n_nodes * LIMIT_SHARD_QUEUE
                                           : LIMIT_SHARD_QUEUE;
}

static void check_relay(struct bound *b, const char *who, struct relay *relay)
{
    for (const struct list *it = relay->nodes.next; it != &relay->nodes;
         it = it->next) {
        const struct relay_node *node =
            container_of(it, struct relay_node, link);

        for (size_t i = 0; i < node->n_loads; i++) {
            check(b, who, "holds on one shard of a node",
                  node->loads[i].unacked,
                  most_holds(relay, node, &node->loads[i]));
        }
        check_peer(b, who, node->peer);
    }
}

static void check_head(struct bound *b, const struct fleet *fleet)
{
    struct coordinator *c = fleet->coordinator;
    const char *who = fleet->head.name;

    check_hub(b, &fleet->head);
    check_relay(b, who, &c->relay);
    check(b, who, "requests", c->n_requests, LIMIT_GATEWAY_WINDOW);
    check(b, who, "requests in the list", count(&c->requests),
          LIMIT_GATEWAY_WINDOW);
    for (const struct list *it = c->members.next; it != &c->members;
         it = it->next) {
        const struct member *m = container_of(it, struct member, link);

        check(b, m->name, "pieces in the window", m->in_window, PIECES_MAX);
    }
}

static void check_node(struct bound *b, const struct fleet_node *node)
{
    struct daemon *d = node->daemon;

    check_hub(b, &node->process);
    check_relay(b, d->name, &d->relay);
    check(b, d->name, "runs", d->n_live, LIVE_MAX);
    for (const struct list *it = d->epochs.next; it != &d->epochs;
         it = it->next) {
        const struct epoch *epoch = container_of(it, struct epoch, link);

        for (size_t i = 0; i < epoch->n_shards; i++) {
            check(b, d->name, "requests waiting for a shard",
                  epoch->shards[i].waiting, epoch->policy.queue);
        }
    }
}

bool fleet_is_bounded(const struct fleet *fleet, char *text, size_t size)
{
    struct bound b = {text, size, true};

    if (fleet->coordinator != NULL) {
        check_head(&b, fleet);
    }
    for (size_t i = 0; i < fleet->n_nodes; i++) {
        if (fleet->nodes[i].daemon != NULL) {
            check_node(&b, &fleet->nodes[i]);
        }
    }
    return b.kept;
}

/* ---- readiness ----------------------------------------------------------- */

static bool is_member_ready(struct coordinator *c, const char *name, char *text,
                            size_t size)
{
    const struct member *m = members_find(c, name);

    if (m != NULL && members_is_ready(m) && !m->suspect) {
        return true;
    }
    (void)snprintf(text, size, "%s is no ready member: %s", name,
                   m != NULL ? m->why : "it is not known");
    return false;
}

static bool is_deployment_ready(const struct deployment *d, char *text,
                                size_t size)
{
    if (d->current == NULL || placement_is_ready(d->current)) {
        return true;
    }
    for (size_t i = 0; i < d->current->n_seats; i++) {
        const struct seat *seat = &d->current->seats[i];

        if (seat->state != SEAT_READY) {
            (void)snprintf(text, size, "%s: epoch %u on %s is in state %d: %s",
                           d->name, d->current->epoch, seat->member->name,
                           (int)seat->state, seat->why);
        }
    }
    return false;
}

bool fleet_is_ready(struct fleet *fleet, char *text, size_t size)
{
    struct coordinator *c = fleet->coordinator;

    (void)snprintf(text, size, "there is no coordinator");
    if (c == NULL) {
        return false;
    }
    for (size_t i = 0; i < fleet->n_nodes; i++) {
        if (!is_member_ready(c, fleet->nodes[i].process.name, text, size)) {
            return false;
        }
    }
    list_each(&c->deployments, it, after)
    {
        if (!is_deployment_ready(list_entry(it, struct deployment, link), text,
                                 size)) {
            return false;
        }
    }
    return true;
}
