/*
 * What people ask of a node: drain, undrain, remove, restart.
 *
 *   1. It is looked at whether that can be done now; if not, why not.
 *   2. state.db is written, on the disk strand         (not for restart)
 *   3. It is done, unless the cluster has changed so that it cannot be.
 *   4. Result
 *
 * A node that is drained keeps its connection. What it holds is placed on
 * others (recovery.h). Once there is nothing that it alone can do it is told
 * (Epochs), and says so in its beats: that is what keeps senders away. Should
 * it be the last holder again, it is told to work until there is another.
 */
#include "coordinator/parts.h"
#include "coordinator/recovery_plan.h"

#include "base/mem.h"

#include <stdio.h>
#include <string.h>

struct ask {
    struct io_work work;
    struct list link;
    struct coordinator *c;
    struct io_peer *client; /* NULL: it left */
    char name[LIMIT_NAME + 1];
    Edged__NodeVerb verb;
    int rc;
    struct err err;
};

/* ---- may it be done? ------------------------------------------------------
 */

static bool is_in(const Edged__Place *place, const char *name)
{
    for (size_t i = 0; i < place->n_nodes; i++) {
        if (strcmp(place->nodes[i], name) == 0) {
            return true;
        }
    }
    return false;
}

static bool takes_work(const struct member *m)
{
    return members_is_ready(m) && !m->drained && !m->node->leaving;
}

static bool has_other(const struct placement *p, const Edged__Place *place,
                      const char *name)
{
    for (size_t i = 0; i < place->n_nodes; i++) {
        const struct member *m = members_find(p->c, place->nodes[i]);

        if (m != NULL && strcmp(m->name, name) != 0 && takes_work(m) &&
            relay_is_ready(m->node, p->epoch, place->shard)) {
            return true;
        }
    }
    return false;
}

/* A stage in force that nobody else could compute, or NULL. */
static const Edged__Place *find_alone(struct coordinator *c, const char *name,
                                      const struct deployment **deployment)
{
    list_each(&c->deployments, it, after)
    {
        const struct deployment *d = list_entry(it, struct deployment, link);
        const Edged__Placement *spec =
            d->current != NULL ? d->current->spec : NULL;

        for (size_t i = 0; spec != NULL && i < spec->n_places; i++) {
            if (is_in(spec->places[i], name) &&
                !has_other(d->current, spec->places[i], name)) {
                *deployment = d;
                return spec->places[i];
            }
        }
    }
    return NULL;
}

/* Where else could its stages go? */
static int check_drain(struct coordinator *c, struct member *m, struct err *err)
{
    const struct deployment *d = NULL;
    const Edged__Place *place = find_alone(c, m->name, &d);
    bool was = m->drained;
    struct recovery_plan plan;
    int rc;

    if (place == NULL || !members_is_ready(m)) {
        return 0;
    }
    m->drained = true;
    rc = recovery_plan_make(&plan, (struct deployment *)(uintptr_t)d, false);
    m->drained = was;
    if (rc < 0) {
        return err_set(err, rc, "out of memory");
    }
    rc = plan.rc;
    recovery_plan_free(&plan);
    return rc == 0 ? 0
                   : err_set(err, EDGE_EREFUSED,
                             "%s alone computes stage %s of %s, and no other "
                             "device of its can take it. Look at: edgectl "
                             "nodes",
                             m->name, place->name, d->name);
}

static int check_remove(struct coordinator *c, const struct member *m,
                        struct err *err)
{
    if (members_is_ready(m) && !m->drained) {
        return err_set(err, EDGE_EREFUSED,
                       "%s is at work. First:  edgectl drain %s", m->name,
                       m->name);
    }
    if (!list_is_empty(&c->rollouts)) {
        return err_set(err, EDGE_EBUSY,
                       "a deploy is under way. Try again when it is done");
    }
    list_each(&c->placements, it, after)
    {
        struct placement *p = list_entry(it, struct placement, link);

        if (seat_of(p, m) != NULL) {
            return err_set(err, EDGE_EREFUSED,
                           "%s has a place in %s. Deploy that without it "
                           "first:  edgectl deploy",
                           m->name, p->spec->deployment);
        }
    }
    return 0;
}

static int check(struct coordinator *c, struct member *m, Edged__NodeVerb verb,
                 struct err *err)
{
    switch (verb) {
    case EDGED__NODE_VERB__NODE_DRAIN: return check_drain(c, m, err);
    case EDGED__NODE_VERB__NODE_UNDRAIN: return 0;
    case EDGED__NODE_VERB__NODE_REMOVE: return check_remove(c, m, err);
    case EDGED__NODE_VERB__NODE_RESTART:
        return members_is_ready(m)
                   ? 0
                   : err_set(err, EDGE_EUNREACHABLE,
                             "%s is not connected. Try: edgectl nodes",
                             m->name);
    default: return err_set(err, EDGE_EINVAL, "an unknown verb");
    }
}

/* ---- doing it -------------------------------------------------------------
 */

static void tell(struct coordinator *c, struct member *m, bool drained)
{
    if (m->told != drained) {
        m->told = drained;
        if (m->peer != NULL && m->peer->up) {
            members_send_epochs(c, m);
        }
    }
}

void nodes_tick(struct coordinator *c)
{
    const struct deployment *d;

    list_each(&c->members, it, after)
    {
        struct member *m = list_entry(it, struct member, link);

        tell(c, m, m->drained && find_alone(c, m->name, &d) == NULL);
    }
}

static void set_drained(struct coordinator *c, struct member *m, bool on)
{
    if (m->drained == on) {
        return;
    }
    m->drained = on;
    event_note(c, EVENT_DRAIN, m->name, "%s",
               on ? "drained: gets no more work" : "gets work again");
    nodes_tick(c);
    recovery_poke(c);
    rollout_poke(c);
}

static void leave(struct coordinator *c, struct member *m)
{
    Edged__Envelope env = EDGED__ENVELOPE__INIT;
    Edged__Leave message = EDGED__LEAVE__INIT;

    env.body_case = EDGED__ENVELOPE__BODY_LEAVE;
    env.leave = &message;
    (void)io_send(m->peer, &env, NULL);
    event_note(c, EVENT_DRAIN, m->name, "asked to restart");
}

static void apply(struct coordinator *c, struct member *m, Edged__NodeVerb verb)
{
    switch (verb) {
    case EDGED__NODE_VERB__NODE_DRAIN: set_drained(c, m, true); break;
    case EDGED__NODE_VERB__NODE_UNDRAIN: set_drained(c, m, false); break;
    case EDGED__NODE_VERB__NODE_RESTART: leave(c, m); break;
    default:
        event_note(c, EVENT_DRAIN, m->name, "forgotten");
        members_remove(c, m);
        break;
    }
}

/* ---- state.db -------------------------------------------------------------
 */

static void on_write(struct io_work *work)
{
    struct ask *ask = container_of(work, struct ask, work);
    struct state *state = ask->c->state;

    if (ask->verb == EDGED__NODE_VERB__NODE_REMOVE) {
        ask->rc = state_delete_node(state, ask->name, &ask->err);
    } else {
        ask->rc = state_put_drained(state, ask->name,
                                    ask->verb == EDGED__NODE_VERB__NODE_DRAIN,
                                    &ask->err);
    }
}

static void on_written(struct io_work *work)
{
    struct ask *ask = container_of(work, struct ask, work);
    struct member *m = members_find(ask->c, ask->name);

    if (ask->rc == 0 && m == NULL) {
        ask->rc = err_set(&ask->err, EDGE_ENOENT, "%s is gone", ask->name);
    }
    if (ask->rc == 0) {
        ask->rc = check(ask->c, m, ask->verb, &ask->err);
    }
    if (ask->rc == 0) {
        apply(ask->c, m, ask->verb);
    }
    if (ask->client != NULL) {
        admin_reply(ask->client, ask->rc, ask->rc < 0 ? ask->err.text : "");
    }
    list_unlink(&ask->link);
    mem_free(ask);
}

static void write_first(struct coordinator *c, struct io_peer *peer,
                        const struct member *m, Edged__NodeVerb verb)
{
    struct ask *ask = mem_new(struct ask);

    if (ask == NULL) {
        admin_reply(peer, EDGE_ENOMEM, "out of memory");
        return;
    }
    ask->c = c;
    ask->client = peer;
    ask->verb = verb;
    memcpy(ask->name, m->name, sizeof(ask->name));
    list_push(&c->node_asks, &ask->link);
    ask->work.run = on_write;
    ask->work.done = on_written;
    ask->work.cost_us = 5000;
    io_work(c->io, IO_DISK, &ask->work);
}

void nodes_on_request(struct coordinator *c, struct io_peer *peer,
                      struct msg *msg)
{
    const Edged__NodeRequest *request = msg->env->node_request;
    struct member *m = members_find(c, request->node);
    struct err err;
    int rc;

    if (m == NULL) {
        rc = err_set(&err, EDGE_ENOENT,
                     "there is no node \"%.64s\". Try: edgectl nodes",
                     request->node);
    } else {
        rc = check(c, m, request->verb, &err);
    }
    if (rc == 0 && request->verb != EDGED__NODE_VERB__NODE_RESTART) {
        write_first(c, peer, m, request->verb);
        return;
    }
    if (rc == 0) {
        apply(c, m, request->verb);
    }
    admin_reply(peer, rc, rc < 0 ? err.text : "");
}

void nodes_peer_gone(struct coordinator *c, const struct io_peer *peer)
{
    list_each(&c->node_asks, it, after)
    {
        struct ask *ask = list_entry(it, struct ask, link);

        if (ask->client == peer) {
            ask->client = NULL;
        }
    }
}

void nodes_free_all(struct coordinator *c)
{
    list_each(&c->node_asks, it, after)
    {
        list_unlink(it);
        mem_free(list_entry(it, struct ask, link));
    }
}

/* ---- at the start ---------------------------------------------------------
 */

static int load_drained(void *arg, const char *name, struct err *err)
{
    struct member *m = members_find(arg, name);

    (void)err;
    if (m != NULL) {
        m->drained = true;
    }
    return 0;
}

static bool has_seat(struct coordinator *c, const struct member *m)
{
    list_each(&c->placements, it, after)
    {
        if (seat_of(list_entry(it, struct placement, link), m) != NULL) {
            return true;
        }
    }
    return false;
}

int nodes_load(struct coordinator *c, struct err *err)
{
    int rc = state_load_drained(c->state, load_drained, c, err);

    if (rc < 0 || !c->only_given) {
        return rc;
    }
    /* Daemons of an earlier, larger `up`; one that has shards is missed. */
    list_each(&c->members, it, after)
    {
        struct member *m = list_entry(it, struct member, link);

        if (!m->given && !has_seat(c, m) && rc == 0) {
            rc = state_delete_node(c->state, m->name, err);
            members_remove(c, m);
        }
    }
    return rc;
}
