/* Requests of edgectl that one reply answers. */
#include "coordinator/model_input.h"
#include "coordinator/parts.h"
#include "coordinator/rollout.h"

#include "base/failpoint.h"
#include "base/mem.h"

#include <stdio.h>
#include <string.h>

/* ---- undeploy
 * -------------------------------------------------------------------- */

struct undeploy { /* the state file is written off the loop */
    struct io_work work;
    struct coordinator *c;
    struct io_peer *client;
    struct list link;
    char name[LIMIT_NAME + 1];
    int rc;
    struct err err;
};

int admin_send(struct io_peer *peer, const Edged__Envelope *env,
               const struct io_payload *payload)
{
    int rc = io_send(peer, env, payload);

    if (rc < 0) {
        io_hang_up(peer, EDGE_EBUSY, "you do not read your replies");
    }
    return rc;
}

void admin_reply(struct io_peer *peer, int rc, const char *text)
{
    Edged__Envelope env = EDGED__ENVELOPE__INIT;
    Edged__Result result = EDGED__RESULT__INIT;

    result.code = rc;
    result.text = (char *)(uintptr_t)text;
    env.body_case = EDGED__ENVELOPE__BODY_RESULT;
    env.result = &result;
    (void)admin_send(peer, &env, NULL);
}

static void on_delete(struct io_work *work)
{
    struct undeploy *u = container_of(work, struct undeploy, work);

    u->rc = state_delete(u->c->state, u->name, &u->err);
}

static void drop(struct coordinator *c, struct deployment *d)
{
    struct placement *p = d->current;

    list_each(&c->placements, it, after)
    {
        struct placement *other = list_entry(it, struct placement, link);

        if (other->deployment == d) {
            other->deployment = NULL;
        }
    }
    rollout_orphan(d);
    log_event(c->log, LOG_INFO, "deployment.gone", "name=%s", d->name);
    event_note(c, EVENT_DEPLOY, "", "%s was undeployed", d->name);
    deployments_free(d);
    if (p != NULL) {
        placement_leave(p);
    }
}

static void on_deleted(struct io_work *work)
{
    struct undeploy *u = container_of(work, struct undeploy, work);
    struct deployment *d = deployments_get(u->c, u->name);

    FAILPOINT("undeploy.before");
    if (u->rc == 0 && d != NULL && !u->c->closing) {
        drop(u->c, d);
    } else if (d != NULL) {
        d->is_leaving = false;
    }
    if (u->client != NULL) {
        admin_reply(u->client, u->rc, u->rc < 0 ? u->err.text : u->name);
    }
    list_unlink(&u->link);
    mem_free(u);
}

void admin_on_undeploy(struct coordinator *c, struct io_peer *peer,
                       struct msg *msg)
{
    struct deployment *d;
    struct undeploy *u;
    struct err err;
    int rc = deployments_find(c, msg->env->undeploy->deployment, &d, &err);

    if (rc == 0 && rollout_is_asked(d)) {
        rc = err_set(&err, EDGE_EBUSY, "a deploy of %s is under way", d->name);
    }
    if (rc == 0 && d->is_leaving) {
        rc = err_set(&err, EDGE_EBUSY, "%s is being undeployed already",
                     d->name);
    }
    u = rc == 0 ? mem_new(struct undeploy) : NULL;
    if (u == NULL) {
        admin_reply(peer, rc < 0 ? rc : EDGE_ENOMEM,
                    rc < 0 ? err.text : "out of memory");
        return;
    }
    u->c = c;
    u->client = peer;
    (void)snprintf(u->name, sizeof(u->name), "%s", d->name);
    list_push(&c->undeploys, &u->link);
    d->is_leaving = true;
    recovery_yield(d); /* what the disk strand has of it comes back first */
    u->work.run = on_delete;
    u->work.done = on_deleted;
    u->work.cost_us = 5000;
    io_work(c->io, IO_DISK, &u->work);
}

void admin_free_all(struct coordinator *c)
{
    list_each(&c->undeploys, it, after)
    {
        list_unlink(it);
        mem_free(list_entry(it, struct undeploy, link));
    }
}

/* ---- the model, for clients
 * -------------------------------------------------------- */

static void fill_input_spec(Edged__ModelReply *reply,
                            const struct cluster_input *input, double *mean,
                            double *std)
{
    reply->width = input->width;
    reply->height = input->height;
    reply->resize = input->resize;
    reply->crop = (double)input->crop;
    reply->color = input->color;
    reply->range = input->range;
    for (unsigned i = 0; i < input->n; i++) {
        mean[i] = (double)input->mean[i];
        std[i] = (double)input->std[i];
    }
    reply->mean = mean;
    reply->n_mean = input->n;
    reply->std = std;
    reply->n_std = input->n;
}

static int reply_model(struct coordinator *c, struct io_peer *peer,
                       struct deployment *d, struct err *err)
{
    Edged__Envelope env = EDGED__ENVELOPE__INIT;
    Edged__ModelReply reply = EDGED__MODEL_REPLY__INIT;
    struct io_payload labels = {0};
    struct cluster_input input;
    double mean[CLUSTER_CHANNELS];
    double std[CLUSTER_CHANNELS];
    int rc = 0;

    if (d->current == NULL) {
        return err_set(err, EDGE_EUNAVAILABLE, "%s is not deployed yet",
                       d->name);
    }
    rc = model_input_of(d, &input, err);
    if (rc == 0 && d->has_labels) {
        rc = store_map(c->store, &d->labels, false, &labels.blob, err);
        labels.size = rc == 0 ? labels.blob->size : 0;
    }
    if (rc < 0) {
        return rc;
    }
    reply.deployment = d->name;
    reply.generation = d->generation;
    reply.inputs = d->current->spec->inputs;
    reply.n_inputs = d->current->spec->n_inputs;
    reply.outputs = d->current->spec->outputs;
    reply.n_outputs = d->current->spec->n_outputs;
    fill_input_spec(&reply, &input, mean, std);
    reply.blank_absent =
        input.blank == CLUSTER_BLANK_ABSENT && d->current->spec->may_lack;
    env.body_case = EDGED__ENVELOPE__BODY_MODEL_REPLY;
    env.model_reply = &reply;
    rc = io_send(peer, &env, labels.size > 0 ? &labels : NULL);
    blob_unref(labels.blob);
    return rc < 0 ? err_set(err, rc, "%s", err_text(rc)) : 0;
}

void admin_on_model(struct coordinator *c, struct io_peer *peer,
                    struct msg *msg)
{
    Edged__Envelope env = EDGED__ENVELOPE__INIT;
    Edged__ModelReply reply = EDGED__MODEL_REPLY__INIT;
    struct deployment *d;
    struct err err;
    int rc = deployments_find(c, msg->env->model_request->deployment, &d, &err);

    if (rc == 0) {
        rc = reply_model(c, peer, d, &err);
    }
    if (rc < 0) {
        reply.code = rc;
        reply.text = err.text;
        env.body_case = EDGED__ENVELOPE__BODY_MODEL_REPLY;
        env.model_reply = &reply;
        (void)io_send(peer, &env, NULL);
    }
}

/* ---- logs
 * ---------------------------------------------------------------------------
 */

static void send_logs(struct io_peer *peer, Edged__LogReply *reply)
{
    Edged__Envelope env = EDGED__ENVELOPE__INIT;

    env.body_case = EDGED__ENVELOPE__BODY_LOG_REPLY;
    env.log_reply = reply;
    (void)io_send(peer, &env, NULL);
}

static void refuse_logs(struct io_peer *peer, int rc, const char *text)
{
    Edged__LogReply reply = EDGED__LOG_REPLY__INIT;

    reply.code = rc;
    reply.text = (char *)(uintptr_t)text;
    send_logs(peer, &reply);
}

/* A node's log: the request goes on to it, and whoever asked last is told.
 * Clients ask one thing at a time, so one place a member is enough. */
void admin_on_logs(struct coordinator *c, struct io_peer *peer, struct msg *msg)
{
    Edged__LogRequest *request = msg->env->log_request;
    struct member *m;
    char text[200];

    if (request->node[0] == '\0' || strcmp(request->node, "coordinator") == 0) {
        relay_log_reply(c->log, peer, request);
        return;
    }
    m = members_find(c, request->node);
    if (m == NULL || m->peer == NULL || !m->peer->up) {
        (void)snprintf(text, sizeof(text),
                       m == NULL ? "there is no node \"%.64s\". Try: edgectl "
                                   "nodes"
                                 : "%.64s is not connected. Try: edgectl nodes",
                       request->node);
        refuse_logs(peer, m == NULL ? EDGE_ENOENT : EDGE_EUNREACHABLE, text);
        return;
    }
    m->log_asker = peer;
    (void)io_send(m->peer, msg->env, NULL);
}

void admin_on_log_reply(struct coordinator *c, struct io_peer *peer,
                        struct msg *msg)
{
    struct member *m = members_of(c, peer);

    if (m != NULL && m->log_asker != NULL) {
        send_logs(m->log_asker, msg->env->log_reply);
        m->log_asker = NULL;
    }
}

void admin_peer_gone(struct coordinator *c, struct io_peer *peer)
{
    list_each(&c->members, it, after)
    {
        struct member *m = list_entry(it, struct member, link);

        if (m->peer == peer && m->log_asker != NULL) {
            refuse_logs(m->log_asker, EDGE_ECLOSED, "the node was lost");
            m->log_asker = NULL;
        }
        if (m->log_asker == peer) {
            m->log_asker = NULL;
        }
    }
    list_each(&c->undeploys, it, after)
    {
        struct undeploy *u = list_entry(it, struct undeploy, link);

        if (u->client == peer) {
            u->client = NULL;
        }
    }
}
