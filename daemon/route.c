/*
 * Who is next: per epoch the nodes that shards here send to, dialed once and
 * shared by all epochs, and the gateway, which dials us.
 */
#include "daemon/train.h"

#include "base/mem.h"
#include "wire/convert.h"

#include <stdio.h>
#include <string.h>

static struct neighbour *find(struct daemon *d, const char *name)
{
    list_each(&d->neighbours, it, after)
    {
        struct neighbour *n = list_entry(it, struct neighbour, link);

        if (strcmp(n->node->name, name) == 0) {
            return n;
        }
    }
    return NULL;
}

/* (Re)dials a neighbour at an address. */
static int dial_at(struct daemon *d, struct neighbour *n,
                   const Edged__NodeAddress *address, struct err *err)
{
    (void)snprintf(n->host, sizeof(n->host), "%s", address->host);
    n->port = (int)address->port;
    return io_dial(d->io, address->name, address->host, n->port, &n->peer, err);
}

static void hang_up(struct daemon *d, struct neighbour *n)
{
    if (n->peer != NULL) {
        relay_node_down(&d->relay, n->node);
        route_peer_down(d, n->peer);
        io_undial(n->peer);
        n->peer = NULL;
    }
}

static void release(struct neighbour *n, struct daemon *d)
{
    if (--n->refs > 0) {
        return;
    }
    hang_up(d, n);
    relay_node_drop(&d->relay, n->node);
    list_unlink(&n->link);
    mem_free(n);
}

static int dial(struct daemon *d, const Edged__NodeAddress *address,
                struct neighbour **out, struct err *err)
{
    struct neighbour *n = mem_new(struct neighbour);
    int rc = EDGE_ENOMEM;

    if (n == NULL) {
        goto out;
    }
    list_init(&n->link);
    n->node = relay_node(&d->relay, address->name);
    if (n->node == NULL) {
        goto out;
    }
    rc = dial_at(d, n, address, err);
    if (rc < 0) {
        goto out;
    }
    list_push(&d->neighbours, &n->link);
    *out = n;
    return 0;
out:
    mem_free(n);
    return rc;
}

static const Edged__NodeAddress *address_of(const Edged__Install *from,
                                            const char *name)
{
    for (size_t i = 0; i < from->n_nodes; i++) {
        if (strcmp(from->nodes[i]->name, name) == 0) {
            return from->nodes[i];
        }
    }
    return NULL;
}

/* The relay's node for `name`, dialed if it is not this one. */
static int node_for(struct epoch *epoch, const Edged__Install *from,
                    const char *name, struct relay_node **node, struct err *err)
{
    struct daemon *d = epoch->daemon;
    const Edged__NodeAddress *address = address_of(from, name);
    struct neighbour *n = find(d, name);
    int rc;

    if (strcmp(name, d->name) == 0) {
        *node = relay_find(&d->relay, name);
        return 0;
    }
    if (n == NULL) {
        if (address == NULL || !convert_name_ok(name)) {
            return err_set(err, EDGE_EPROTO, "node %s has no address", name);
        }
        rc = dial(d, address, &n, err);
        if (rc < 0) {
            return rc;
        }
    }
    n->refs++;
    epoch->neighbours[epoch->n_neighbours++] = n;
    *node = n->node;
    return 0;
}

static int open_place(struct epoch *epoch, const Edged__Install *from,
                      const Edged__Place *place, struct err *err)
{
    struct relay_node *nodes[LIMIT_REPLICAS];
    int rc;

    if (place->n_nodes > LIMIT_REPLICAS) {
        return err_set(err, EDGE_EPROTO, "shard %u has %zu replicas",
                       place->shard, place->n_nodes);
    }
    for (size_t i = 0; i < place->n_nodes; i++) {
        rc = node_for(epoch, from, place->nodes[i], &nodes[i], err);
        if (rc < 0) {
            return rc;
        }
    }
    rc = relay_place(&epoch->daemon->relay, epoch->number, place->shard, nodes,
                     place->n_nodes);
    if (rc == 0) {
        relay_spares(&epoch->daemon->relay, epoch->number, place->shard,
                     place->spares);
        relay_gathers(&epoch->daemon->relay, epoch->number, place->shard,
                      place->sources > 1);
    }
    return rc < 0 ? err_set(err, rc, "out of memory") : 0;
}

static bool is_next(const struct epoch *epoch, uint32_t shard)
{
    for (size_t i = 0; i < epoch->n_shards; i++) {
        for (size_t k = 0; k < epoch->shards[i].n_links; k++) {
            if (epoch->shards[i].links[k].to_shard == shard) {
                return true;
            }
        }
    }
    return false;
}

static bool is_mate(const struct epoch *epoch, const char *name)
{
    for (size_t i = 0; i < epoch->n_shards; i++) {
        if (train_is_mate(epoch->shards[i].train, name)) {
            return true;
        }
    }
    return false;
}

/* Of a training: values and gradients go both ways along one connection, which
 * the one of the two whose name comes first dials. */
static int open_mates(struct epoch *epoch, const Edged__Install *from,
                      struct err *err)
{
    struct relay_node *node;
    int rc = 0;

    for (size_t i = 0; i < from->n_places; i++) {
        const Edged__Place *place = from->places[i];

        for (size_t k = 0; rc == 0 && k < place->n_nodes; k++) {
            if (strcmp(epoch->daemon->name, place->nodes[k]) < 0 &&
                is_mate(epoch, place->nodes[k])) {
                rc = node_for(epoch, from, place->nodes[k], &node, err);
            }
        }
    }
    return rc;
}

int route_open(struct epoch *epoch, const Edged__Install *from, struct err *err)
{
    struct daemon *d = epoch->daemon;
    int rc;

    epoch->neighbours =
        mem_array(struct neighbour *, from->n_places * LIMIT_REPLICAS);
    if (epoch->neighbours == NULL) {
        return err_set(err, EDGE_ENOMEM, "out of memory");
    }
    if (epoch->recipes != NULL) {
        return open_mates(epoch, from, err);
    }
    for (size_t i = 0; i < from->n_places; i++) {
        if (is_next(epoch, from->places[i]->shard)) {
            rc = open_place(epoch, from, from->places[i], err);
            if (rc < 0) {
                return rc;
            }
        }
    }
    rc = relay_place(&d->relay, epoch->number, 0, &d->gateway, 1);
    relay_set_policy(&d->relay, epoch->number, &epoch->policy);
    return rc < 0 ? err_set(err, rc, "out of memory") : 0;
}

/* A board that came back at another address is dialed there. */
void route_refresh(struct epoch *epoch, const Edged__Install *from)
{
    struct daemon *d = epoch->daemon;
    struct err err;

    for (size_t i = 0; i < epoch->n_neighbours; i++) {
        struct neighbour *n = epoch->neighbours[i];
        const Edged__NodeAddress *address = address_of(from, n->node->name);

        if (address == NULL || (strcmp(n->host, address->host) == 0 &&
                                n->port == (int)address->port)) {
            continue;
        }
        hang_up(d, n);
        if (dial_at(d, n, address, &err) < 0) {
            n->peer = NULL;
            log_event(d->log, LOG_ERROR, "route.refused", "node=%s err=\"%s\"",
                      n->node->name, err.text);
        }
    }
}

void route_close(struct epoch *epoch)
{
    struct daemon *d = epoch->daemon;

    relay_retire(&d->relay, epoch->number);
    for (size_t i = 0; i < epoch->n_neighbours; i++) {
        release(epoch->neighbours[i], d);
    }
    epoch->n_neighbours = 0;
}

struct relay_node *route_node_of(struct daemon *d, struct io_peer *peer)
{
    if (peer == d->coordinator) {
        return d->gateway;
    }
    list_each(&d->neighbours, it, after)
    {
        struct neighbour *n = list_entry(it, struct neighbour, link);

        if (n->peer == peer) {
            return n->node;
        }
    }
    return NULL;
}

void route_peer_up(struct daemon *d, struct io_peer *peer)
{
    struct visitor *v = mem_new(struct visitor);
    struct relay_node *node;

    if (v == NULL) {
        io_hang_up(peer, EDGE_ENOMEM, "out of memory");
        return;
    }
    v->peer = peer;
    pulse_init(&v->pulse, io_now_us(d->io));
    list_push(&d->peers, &v->link);
    peer->user = v;
    if (peer->role == EDGED__ROLE__ROLE_COORDINATOR) {
        d->coordinator = peer; /* the newest one speaks */
    }
    node = route_node_of(d, peer);
    if (node != NULL) {
        relay_node_up(&d->relay, node, peer);
    }
    probe_peer_up(d, peer);
    link_peer_up(d, peer);
    if (beat_is_alone(d)) {
        beat_company(d);
    }
    log_event(d->log, LOG_INFO, "peer.joined", "peer=%s dialed=%d", peer->name,
              peer->dialed);
    beat_now(d);
}

void route_peer_down(struct daemon *d, struct io_peer *peer)
{
    struct relay_node *node = route_node_of(d, peer);
    struct visitor *v = peer->user;

    run_peer_gone(d, peer);
    train_peer_gone(d, peer);
    intake_peer_gone(&d->intake, peer);
    install_peer_gone(d, peer);
    measure_peer_gone(d, peer);
    link_peer_gone(d, peer);
    if (node != NULL) {
        relay_node_down(&d->relay, node);
    }
    if (peer == d->coordinator) {
        d->coordinator = NULL;
    }
    if (v != NULL) {
        list_unlink(&v->link);
        mem_free(v);
        peer->user = NULL;
    }
    views_node_gone(d, peer->name);
    exits_look_all(d);
}
