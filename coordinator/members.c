/*
 * The nodes of the cluster. Each is dialed for ever; its beats say how it is.
 */
#include "coordinator/parts.h"

#include "base/mem.h"

#include <stdio.h>
#include <string.h>

struct member *members_find(struct coordinator *c, const char *name)
{
    list_each(&c->members, it, after)
    {
        struct member *m = list_entry(it, struct member, link);

        if (strcmp(m->name, name) == 0) {
            return m;
        }
    }
    return NULL;
}

struct member *members_of(struct coordinator *c, const struct io_peer *peer)
{
    list_each(&c->members, it, after)
    {
        struct member *m = list_entry(it, struct member, link);

        if (m->peer == peer) {
            return m;
        }
    }
    return NULL;
}

bool members_is_ready(const struct member *m)
{
    return m->peer != NULL && m->peer->up && m->beaten;
}

static struct member *make(struct coordinator *c, const char *name)
{
    struct member *m = mem_new(struct member);

    if (m == NULL) {
        return NULL;
    }
    m->node = relay_node(&c->relay, name);
    if (m->node == NULL) {
        mem_free(m);
        return NULL;
    }
    list_init(&m->pushes);
    (void)snprintf(m->name, sizeof(m->name), "%s", name);
    list_push(&c->members, &m->link);
    return m;
}

static void set_address(struct member *m, const char *host, int port)
{
    (void)snprintf(m->host, sizeof(m->host), "%s", host);
    m->port = port;
}

static void give_up_next(struct member *m)
{
    if (m->next != NULL) {
        io_undial(m->next);
        m->next = NULL;
    }
}

static int dial_next(struct coordinator *c, struct member *m, const char *host,
                     int port, struct err *err)
{
    int rc;

    if (m->next != NULL && strcmp(m->next_host, host) == 0 &&
        m->next_port == port) {
        return 0;
    }
    give_up_next(m);
    rc = io_dial(c->io, m->name, host, port, &m->next, err);
    if (rc < 0) {
        m->next = NULL;
        return err_wrap(err, rc, "device %s", m->name);
    }
    (void)snprintf(m->next_host, sizeof(m->next_host), "%s", host);
    m->next_port = port;
    m->why[0] = '\0';
    return 0;
}

static int dial_first(struct coordinator *c, struct member *m, const char *host,
                      int port, struct err *err)
{
    int rc = io_dial(c->io, m->name, host, port, &m->peer, err);

    if (rc < 0) {
        m->peer = NULL;
        return err_wrap(err, rc, "device %s", m->name);
    }
    set_address(m, host, port);
    return 0;
}

int members_add(struct coordinator *c, const char *name, const char *host,
                int port, struct member **out, struct err *err)
{
    struct member *m = members_find(c, name);
    int rc;

    m = m != NULL ? m : make(c, name);
    if (m == NULL) {
        return err_set(err, EDGE_ENOMEM, "out of memory");
    }
    if (m->peer == NULL) {
        rc = dial_first(c, m, host, port, err);
    } else if (strcmp(m->host, host) != 0 || m->port != port) {
        rc = dial_next(c, m, host, port, err);
    } else {
        give_up_next(m);
        rc = 0;
    }
    if (rc == 0) {
        *out = m;
    }
    return rc;
}

static void lost(struct coordinator *c, struct member *m, const char *why)
{
    watch_lost(c, m, why);
    m->beaten = false;
    m->down_us = io_now_us(c->io);
    (void)snprintf(m->why, sizeof(m->why), "%s", why);
    probe_say(m);
    push_stop(m);
    relay_node_down(&c->relay, m->node);
    seat_member_down(c, m);
    rollout_poke(c);
    recovery_member_down(c, m);
}

/* It answers at its new address: the old connection goes. */
static void move(struct coordinator *c, struct member *m)
{
    struct io_peer *old = m->peer;

    m->peer = m->next;
    m->next = NULL;
    m->moved = true;
    set_address(m, m->next_host, m->next_port);
    lost(c, m, "its address changed");
    io_undial(old);
    log_event(c->log, LOG_INFO, "node.moved", "node=%s host=%s port=%d",
              m->name, m->host, m->port);
}

/* For its log, for `edgectl status` and for the events. */
static void say_revoked(const struct member *m, char *why, size_t size)
{
    (void)snprintf(why, size,
                   "the certificate of %s was revoked. To let it come back:  "
                   "edgectl token create | ssh %s sudo edged join -",
                   m->name, m->name);
}

int members_keep_out(struct coordinator *c, const char *name, const char *host,
                     int port, struct err *err)
{
    struct member *m = make(c, name);

    if (m == NULL) {
        return err_set(err, EDGE_ENOMEM, "out of memory");
    }
    set_address(m, host, port);
    say_revoked(m, m->why, sizeof(m->why));
    return 0;
}

void members_revoke(struct coordinator *c, struct member *m)
{
    char why[sizeof(m->why)];
    struct io_peer *peer = m->peer;

    say_revoked(m, why, sizeof(why));

    give_up_next(m);
    lost(c, m, why);
    m->peer = NULL;
    if (peer != NULL) {
        authority_peer_gone(c, peer);
        admin_peer_gone(c, peer);
        io_hang_up(peer, EDGE_EREFUSED, why); /* the node's log says it too */
        io_undial(peer);
    }
}

void members_stay(struct coordinator *c)
{
    list_each(&c->members, it, after)
    {
        give_up_next(list_entry(it, struct member, link));
    }
}

static struct member *member_at_next(struct coordinator *c,
                                     const struct io_peer *peer)
{
    list_each(&c->members, it, after)
    {
        struct member *m = list_entry(it, struct member, link);

        if (m->next == peer) {
            return m;
        }
    }
    return NULL;
}

/* ---- up and down ----------------------------------------------------------
 */

/* The node drops every epoch that is not named here. */
void members_send_epochs(struct coordinator *c, struct member *m)
{
    Edged__Envelope env = EDGED__ENVELOPE__INIT;
    Edged__Epochs epochs = EDGED__EPOCHS__INIT;
    size_t n = 0;

    list_each(&c->placements, it, after)
    {
        n++;
    }
    epochs.drained = m->told;
    epochs.epochs = mem_array(uint32_t, n);
    if (epochs.epochs == NULL) {
        return; /* the next connection or stale beat says it */
    }
    list_each(&c->placements, at, next)
    {
        epochs.epochs[epochs.n_epochs++] =
            list_entry(at, struct placement, link)->epoch;
    }
    env.body_case = EDGED__ENVELOPE__BODY_EPOCHS;
    env.epochs = &epochs;
    (void)io_send(m->peer, &env, NULL);
    mem_free(epochs.epochs);
}

void members_peer_up(struct coordinator *c, struct io_peer *peer)
{
    struct member *m = member_at_next(c, peer);

    if (m != NULL) {
        move(c, m);
    }
    m = members_of(c, peer);
    if (m == NULL) {
        io_hang_up(peer, EDGE_EREFUSED, "the coordinator does not know you");
        return;
    }
    m->beaten = false;
    m->suspect = MEMBER_TRUSTED;
    m->why[0] = '\0';
    m->probe = PROBE_NONE;
    pulse_init(&m->pulse, io_now_us(c->io));
    relay_node_up(&c->relay, m->node, peer);
    authority_member_up(c, peer);
    members_send_epochs(c, m);
}

void members_peer_down(struct coordinator *c, struct io_peer *peer,
                       const char *why)
{
    struct member *m = members_of(c, peer);

    if (m != NULL) {
        event_note(c, EVENT_LOST, m->name, "%s", why);
        lost(c, m, why);
    }
}

void members_refused(struct coordinator *c, struct io_peer *peer,
                     const char *why)
{
    struct member *m = members_of(c, peer);

    m = m != NULL ? m : member_at_next(c, peer);
    if (m != NULL) {
        (void)snprintf(m->why, sizeof(m->why), "%s", why);
        if (m->down_us == 0) {
            m->down_us = io_now_us(c->io);
        }
    }
}

void members_remove(struct coordinator *c, struct member *m)
{
    push_stop(m);
    give_up_next(m);
    if (m->peer != NULL) {
        io_undial(m->peer);
    }
    relay_node_drop(&c->relay, m->node);
    list_unlink(&m->link);
    mem_free(m);
}

void members_free_all(struct coordinator *c)
{
    list_each(&c->members, it, after)
    {
        struct member *m = list_entry(it, struct member, link);

        push_stop(m);
        list_unlink(it);
        mem_free(m);
    }
}
