/*
 * Placements and their seats.
 *
 *   a member is up and has said what it holds:
 *     Install (for the addresses of its neighbours), ASKED
 *     it has the placement's shards ready already: READY
 *   Need    the missing blobs are pushed
 *   Ready   READY, whoever asked
 *   Failed  damaged weights: asked once more, for they were removed
 *           otherwise FAILED: a rollout gives up; a placement in force asks
 *           again, after 1 s, 2 s, 4 s ... 64 s
 *   the member is lost                         AWAY
 *
 * The same steps serve a rollout, a member that restarted, and a coordinator
 * that did.
 */
#include "coordinator/parts.h"

#include "base/failpoint.h"
#include "base/mem.h"
#include "wire/convert.h"

#include <stdio.h>
#include <string.h>

#define SEAT_RETRY_MS 1000

struct seat *seat_of(struct placement *p, const struct member *m)
{
    for (size_t i = 0; i < p->n_seats; i++) {
        if (p->seats[i].member == m) {
            return &p->seats[i];
        }
    }
    return NULL;
}

struct placement *placement_find(struct coordinator *c, uint32_t epoch)
{
    list_each(&c->placements, it, after)
    {
        struct placement *p = list_entry(it, struct placement, link);

        if (p->epoch == epoch) {
            return p;
        }
    }
    return NULL;
}

bool placement_may_lack(const struct placement *p, size_t place)
{
    return p->spec->may_lack && p->spec->places[place]->view > 0;
}

static bool holds(const Edged__Place *place, const char *node);

bool seat_is_needed(const struct seat *seat)
{
    const struct placement *p = seat->placement;

    for (size_t i = 0; i < p->spec->n_places; i++) {
        if (!placement_may_lack(p, i) &&
            holds(p->spec->places[i], seat->member->name)) {
            return true;
        }
    }
    return members_is_ready(seat->member);
}

bool placement_is_ready(const struct placement *p)
{
    for (size_t i = 0; i < p->n_seats; i++) {
        if (p->seats[i].state != SEAT_READY && seat_is_needed(&p->seats[i])) {
            return false;
        }
    }
    return true;
}

const struct seat *placement_failed(const struct placement *p)
{
    for (size_t i = 0; i < p->n_seats; i++) {
        if (p->seats[i].state == SEAT_FAILED) {
            return &p->seats[i];
        }
    }
    return NULL;
}

static void move(struct seat *seat, enum seat_state state)
{
    seat->state = state;
    seat->placement->progress_us = io_now_us(seat->placement->c->io);
}

static void ask(struct seat *seat);

void seat_fail(struct seat *seat, int rc, const char *why)
{
    struct coordinator *c = seat->placement->c;
    uint32_t fails = seat->fails++;

    log_event(c->log, LOG_WARN, "seat.failed", "node=%s epoch=%u err=\"%s\"",
              seat->member->name, seat->placement->epoch, why);
    if (rc == EDGE_ECORRUPT && fails == 0) {
        ask(seat);
        return;
    }
    move(seat, SEAT_FAILED);
    seat->rc = rc;
    seat->retry_us = io_now_us(c->io) + ((uint64_t)SEAT_RETRY_MS * 1000
                                         << (fails < 6 ? fails : 6));
    (void)snprintf(seat->why, sizeof(seat->why), "%s", why);
    rollout_poke(c);
}

/* ---- Install ---------------------------------------------------------------
 */

static bool holds(const Edged__Place *place, const char *node)
{
    for (size_t i = 0; i < place->n_nodes; i++) {
        if (strcmp(place->nodes[i], node) == 0) {
            return true;
        }
    }
    return false;
}

/* The shards of the placement that belong on `node`; places[i] is where
 * shards[i] is. */
static size_t shards_on(const Edged__Placement *spec, const char *node,
                        Edged__Shard **out)
{
    size_t n = 0;

    for (size_t i = 0; i < spec->n_shards && i < LIMIT_SHARDS; i++) {
        if (holds(spec->places[i], node)) {
            out[n++] = spec->shards[i];
        }
    }
    return n;
}

static int send_install(struct seat *seat, Edged__NodeAddress *addresses,
                        Edged__NodeAddress **list)
{
    struct placement *p = seat->placement;
    Edged__Envelope env = EDGED__ENVELOPE__INIT;
    Edged__Install install = EDGED__INSTALL__INIT;
    Edged__Shard *shards[LIMIT_SHARDS];

    for (size_t i = 0; i < p->n_seats; i++) {
        struct member *m = p->seats[i].member;

        edged__node_address__init(&addresses[i]);
        addresses[i].name = m->name;
        addresses[i].host = m->host;
        addresses[i].port = (uint32_t)m->port;
        list[i] = &addresses[i];
    }
    install.epoch = p->epoch;
    install.deployment = p->spec->deployment;
    install.shards = shards;
    install.n_shards = shards_on(p->spec, seat->member->name, shards);
    install.places = p->spec->places;
    install.n_places = p->spec->n_places;
    install.nodes = list;
    install.n_nodes = p->n_seats;
    install.queue = p->spec->queue;
    install.routing = p->spec->routing;
    env.body_case = EDGED__ENVELOPE__BODY_INSTALL;
    env.install = &install;
    return io_send(seat->member->peer, &env, NULL);
}

static void ask(struct seat *seat)
{
    size_t n = seat->placement->n_seats;
    Edged__NodeAddress *addresses = mem_array(Edged__NodeAddress, n);
    Edged__NodeAddress **list = mem_array(Edged__NodeAddress *, n);
    int rc = EDGE_ENOMEM;

    if (addresses != NULL && list != NULL) {
        rc = send_install(seat, addresses, list);
    }
    mem_free(list);
    mem_free(addresses);
    if (rc == EDGE_EBUSY || rc == EDGE_ECLOSED) {
        move(seat, SEAT_AWAY); /* asked with a beat */
    } else if (rc < 0) {
        seat_fail(seat, rc, err_text(rc));
    } else {
        move(seat, SEAT_ASKED);
    }
}

static bool says_ready(const struct seat *seat)
{
    const struct placement *p = seat->placement;
    Edged__Shard *shards[LIMIT_SHARDS];
    size_t n = shards_on(p->spec, seat->member->name, shards);

    for (size_t i = 0; i < n; i++) {
        if (!relay_is_ready(seat->member->node, p->epoch, shards[i]->id)) {
            return false;
        }
    }
    return true;
}

static void begin(struct seat *seat)
{
    if (!members_is_ready(seat->member)) {
        return; /* its first beat comes back here */
    }
    /* Asked even if it is ready: addresses may have changed meanwhile. */
    ask(seat);
    if (seat->state == SEAT_ASKED && says_ready(seat)) {
        move(seat, SEAT_READY);
    }
}

void placement_install(struct placement *p)
{
    p->progress_us = io_now_us(p->c->io);
    for (size_t i = 0; i < p->n_seats; i++) {
        begin(&p->seats[i]);
    }
}

/* ---- members come and go ---------------------------------------------------
 */

void seat_member_up(struct coordinator *c, struct member *m)
{
    list_each(&c->placements, it, after)
    {
        struct seat *seat = seat_of(list_entry(it, struct placement, link), m);

        if (seat != NULL) {
            begin(seat);
        }
    }
}

/* In force, or until its requests are through. */
static bool is_needed(const struct placement *p)
{
    return p->leaving || (p->deployment != NULL && p->deployment->current == p);
}

void seat_member_beats(struct coordinator *c, struct member *m)
{
    uint64_t now = io_now_us(c->io);

    list_each(&c->placements, it, after)
    {
        struct placement *p = list_entry(it, struct placement, link);
        struct seat *seat = seat_of(p, m);

        if (seat == NULL) {
            continue;
        }
        if (seat->state == SEAT_AWAY ||
            (seat->state == SEAT_FAILED && is_needed(p) &&
             seat->retry_us <= now)) {
            begin(seat);
        }
    }
}

/* Neighbours dial where the last Install said. */
void seat_member_moved(struct coordinator *c, struct member *m)
{
    list_each(&c->placements, it, after)
    {
        struct placement *p = list_entry(it, struct placement, link);

        if (seat_of(p, m) == NULL) {
            continue;
        }
        for (size_t i = 0; i < p->n_seats; i++) {
            if (p->seats[i].member != m && p->seats[i].state != SEAT_FAILED) {
                begin(&p->seats[i]);
            }
        }
    }
}

void seat_member_down(struct coordinator *c, struct member *m)
{
    list_each(&c->placements, it, after)
    {
        struct seat *seat = seat_of(list_entry(it, struct placement, link), m);

        if (seat != NULL) {
            move(seat, SEAT_AWAY);
        }
    }
}

/* ---- what members say -------------------------------------------------------
 */

static struct seat *find_seat(struct coordinator *c, struct io_peer *peer,
                              uint32_t epoch)
{
    struct member *m = members_of(c, peer);
    struct placement *p = placement_find(c, epoch);

    return m != NULL && p != NULL ? seat_of(p, m) : NULL;
}

void seat_on_need(struct coordinator *c, struct io_peer *peer, struct msg *msg)
{
    const Edged__Need *need = msg->env->need;
    struct seat *seat = find_seat(c, peer, need->epoch);
    struct digest digest;
    struct err err;
    int rc = 0;

    if (seat == NULL) {
        return;
    }
    move(seat, SEAT_ASKED);
    for (size_t i = 0; i < need->n_blobs && rc == 0; i++) {
        rc = convert_digest_in(&need->blobs[i]->digest, &digest, &err);
        if (rc == 0) {
            rc = push_blob(seat, &digest, need->blobs[i]->size, &err);
        }
    }
    if (rc < 0) {
        seat_fail(seat, rc, err.text);
    }
}

void seat_on_ready(struct coordinator *c, struct io_peer *peer, struct msg *msg)
{
    struct seat *seat = find_seat(c, peer, msg->env->ready->epoch);

    if (seat != NULL) {
        seat->fails = 0;
        move(seat, SEAT_READY);
        rollout_poke(c);
    }
}

void seat_on_failed(struct coordinator *c, struct io_peer *peer,
                    struct msg *msg)
{
    const Edged__Failed *failed = msg->env->failed;
    struct seat *seat = find_seat(c, peer, failed->epoch);

    if (seat != NULL) {
        seat_fail(seat, failed->code, failed->text);
    }
}

/* ---- life -------------------------------------------------------------------
 */

static int add_seat(struct placement *p, const char *name, struct err *err)
{
    struct member *m = members_find(p->c, name);

    if (m == NULL) {
        return err_set(err, EDGE_ENOENT, "there is no device %s", name);
    }
    if (seat_of(p, m) == NULL) {
        p->seats[p->n_seats++] =
            (struct seat){.placement = p, .member = m, .state = SEAT_AWAY};
    }
    return 0;
}

static int add_place(struct placement *p, const Edged__Place *place,
                     struct err *err)
{
    struct relay_node *nodes[LIMIT_REPLICAS];
    int rc;

    if (place->n_nodes == 0 || place->n_nodes > LIMIT_REPLICAS ||
        place->spares >= place->n_nodes) {
        return err_set(err, EDGE_ECORRUPT, "shard %u is on %zu devices",
                       place->shard, place->n_nodes);
    }
    for (size_t i = 0; i < place->n_nodes; i++) {
        rc = add_seat(p, place->nodes[i], err);
        if (rc < 0) {
            return rc;
        }
        nodes[i] = members_find(p->c, place->nodes[i])->node;
    }
    rc = relay_place(&p->c->relay, p->epoch, place->shard, nodes,
                     place->n_nodes);
    if (rc == 0) {
        relay_spares(&p->c->relay, p->epoch, place->shard, place->spares);
        relay_gathers(&p->c->relay, p->epoch, place->shard, place->sources > 1);
    }
    return rc < 0 ? err_set(err, rc, "out of memory") : 0;
}

static void on_drained(struct io_timer *timer)
{
    placement_retire(container_of(timer, struct placement, drain));
}

static int fill(struct placement *p, Edged__Placement *spec, struct err *err)
{
    int rc = placement_check(spec, err);
    size_t most = 0;

    if (rc < 0) {
        return rc;
    }
    for (size_t i = 0; i < spec->n_places; i++) {
        most += spec->places[i]->n_nodes;
    }
    p->seats = mem_array(struct seat, most);
    if (p->seats == NULL) {
        return err_set(err, EDGE_ENOMEM, "out of memory");
    }
    for (size_t i = 0; i < spec->n_places && rc == 0; i++) {
        rc = add_place(p, spec->places[i], err);
    }
    return rc;
}

int placement_new(struct coordinator *c, struct deployment *deployment,
                  Edged__Placement *spec, struct placement **placement,
                  struct err *err)
{
    struct placement *p = mem_new(struct placement);
    struct relay_policy policy;
    int rc;

    if (p == NULL) {
        return err_set(err, EDGE_ENOMEM, "out of memory");
    }
    list_init(&p->link);
    io_timer_init(&p->drain, on_drained);
    p->c = c;
    p->deployment = deployment;
    p->epoch = spec->epoch;
    rc = fill(p, spec, err);
    if (rc < 0) {
        relay_retire(&c->relay, p->epoch);
        placement_free(p);
        return rc;
    }
    p->spec = spec;
    policy = relay_policy_read(spec->queue, spec->routing);
    relay_set_policy(&c->relay, p->epoch, &policy);
    list_push(&c->placements, &p->link);
    *placement = p;
    return 0;
}

void placement_free(struct placement *p)
{
    if (p == NULL) {
        return;
    }
    io_timer_stop(p->c->io, &p->drain);
    push_forget(p);
    list_unlink(&p->link);
    if (p->spec != NULL) {
        edged__placement__free_unpacked(p->spec, NULL);
    }
    mem_free(p->seats);
    mem_free(p);
}

void placement_retire(struct placement *p)
{
    Edged__Envelope env = EDGED__ENVELOPE__INIT;
    Edged__Retire retire = EDGED__RETIRE__INIT;

    FAILPOINT("placement.retire");
    gateway_leave(p);
    retire.epoch = p->epoch;
    env.body_case = EDGED__ENVELOPE__BODY_RETIRE;
    env.retire = &retire;
    for (size_t i = 0; i < p->n_seats; i++) {
        struct member *m = p->seats[i].member;

        if (m->peer != NULL && m->peer->up) {
            (void)io_send(m->peer, &env, NULL); /* or Epochs says it later */
        }
    }
    log_event(p->c->log, LOG_INFO, "epoch.retired", "epoch=%u", p->epoch);
    relay_retire(&p->c->relay, p->epoch);
    placement_free(p);
}

void placement_settle(struct placement *p)
{
    if (p->leaving && p->in_flight == 0) {
        /* A turn later: whoever called may still look at the placement. */
        io_timer_start(p->c->io, &p->drain, 0);
    }
}

void placement_leave(struct placement *p)
{
    p->leaving = true;
    io_timer_start(p->c->io, &p->drain, DRAIN_MS);
    placement_settle(p);
}
