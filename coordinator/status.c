/* The whole state for `edgectl status` and `nodes`, in one reply. */
#include "coordinator/parts.h"

#include "base/mem.h"

#include <stdio.h>
#include <string.h>

/* A node of the longest names and reasons still fits behind it. */
#define PAGE_BYTES (LIMIT_HEAD * 3 / 4)
#define ROW_EXTRA 4 /* its tag and length */
#define STATUS_EVENTS 2u

static const char *member_state(const struct coordinator *c,
                                const struct member *m)
{
    switch (members_state(c, m)) {
    case MEMBER_NEVER: return "never";
    case MEMBER_UP:
        if (m->drained) {
            return m->node->leaving ? "drained" : "draining";
        }
        return m->node->leaving ? "leaving" : "ready";
    case MEMBER_SUSPECT: return "suspect";
    case MEMBER_LOST: break;
    }
    return "lost";
}

static int add_shards_of(Edged__NodeStatus *node, const struct placement *p)
{
    const Edged__Placement *spec = p->spec;

    for (size_t i = 0; i < spec->n_places; i++) {
        for (size_t k = 0; k < spec->places[i]->n_nodes; k++) {
            if (strcmp(spec->places[i]->nodes[k], node->name) != 0) {
                continue;
            }
            node->shards = mem_resize(node->shards, node->n_shards + 1,
                                      sizeof(*node->shards));
            if (node->shards == NULL) {
                node->n_shards = 0;
                return EDGE_ENOMEM;
            }
            node->shards[node->n_shards++] =
                mem_printf("%s/%s", spec->deployment, spec->places[i]->name);
        }
    }
    return 0;
}

static void fill_node(struct coordinator *c, Edged__NodeStatus *node,
                      const struct member *m)
{
    uint64_t now = io_now_us(c->io);

    node->name = mem_strdup(m->name);
    node->host = mem_strdup(m->host);
    node->port = (uint32_t)m->port;
    node->state = mem_strdup(member_state(c, m));
    node->reason = mem_strdup(m->why);
    node->seen_ms =
        members_seen_us(m) != 0 ? (now - members_seen_us(m)) / 1000 : 0;
    node->memory_budget = m->memory_budget;
    node->memory_used = m->memory_used;
    node->rss = m->rss;
    node->temperature_mc = m->temperature_mc;
    node->throttled = members_is_ready(m) ? m->throttled : 0;
    node->pid = m->peer != NULL && m->peer->up ? m->pid : 0;
    node->rtt_us = m->peer != NULL ? m->peer->rtt_us : 0;
    node->instance = m->peer != NULL ? m->peer->instance : 0;
    node->version = mem_strdup(m->peer != NULL ? m->peer->version : "");
    list_each(&c->deployments, it, after)
    {
        struct deployment *d = list_entry(it, struct deployment, link);

        if (d->current != NULL && node->name != NULL &&
            add_shards_of(node, d->current) < 0) {
            return;
        }
    }
}

/* What one run was predicted to take on a node; 0: it was not planned there. */
static double predicted_on(const Edged__StageText *text, const char *node)
{
    for (size_t i = 0; i < text->n_nodes && i < text->n_compute_ms; i++) {
        if (strcmp(text->nodes[i], node) == 0) {
            return text->compute_ms[i];
        }
    }
    return 0;
}

static void fill_replica(Edged__ReplicaStatus *replica,
                         const struct placement *p, uint32_t shard,
                         const struct member *m)
{
    const struct relay_load *load = relay_load(m->node, p->epoch, shard);

    replica->node = mem_strdup(m->name);
    replica->ready =
        members_is_ready(m) && !m->node->leaving && load != NULL && load->ready;
    replica->queue = load != NULL ? load->queue : 0;
    replica->compute_us = load != NULL ? load->compute_us : 0;
    replica->runs = load != NULL ? load->runs : 0;
    replica->sent_bytes = load != NULL ? load->sent_bytes : 0;
    replica->plain_bytes = load != NULL ? load->plain_bytes : 0;
}

struct tally { /* of a stage */
    size_t ready;
    size_t firm;       /* as many as should be */
    const char *spare; /* one that is ready, or NULL */
};

static void fill_stage(Edged__StageStatus *stage, const struct placement *p,
                       size_t i, struct tally *tally)
{
    const Edged__Place *place = p->spec->places[i];

    stage->name = mem_strdup(place->name);
    stage->first = mem_strdup(p->spec->texts[i]->first);
    stage->last = mem_strdup(p->spec->texts[i]->last);
    stage->link_bytes = p->spec->texts[i]->link_bytes;
    stage->replicas = mem_array(Edged__ReplicaStatus *, place->n_nodes);
    tally->firm =
        place->wanted != 0 ? place->wanted : place->n_nodes - place->spares;
    for (size_t k = 0; k < place->n_nodes && stage->replicas != NULL; k++) {
        const struct member *m = members_find(p->c, place->nodes[k]);
        Edged__ReplicaStatus *replica = mem_new(Edged__ReplicaStatus);

        if (replica == NULL || m == NULL) {
            mem_free(replica);
            break;
        }
        edged__replica_status__init(replica);
        fill_replica(replica, p, place->shard, m);
        replica->predicted_ms =
            predicted_on(p->spec->texts[i], place->nodes[k]);
        replica->spare = k + place->spares >= place->n_nodes;
        if (replica->ready && replica->spare) {
            tally->spare = place->nodes[k];
        }
        tally->ready += replica->ready && !replica->spare ? 1 : 0;
        stage->replicas[stage->n_replicas++] = replica;
    }
}

static const char *judge_stage(const struct tally *tally, const char *name,
                               char *reason, size_t size)
{
    if (tally->ready == 0 && tally->spare != NULL) {
        (void)snprintf(reason, size, "stage %s runs on its spare %s", name,
                       tally->spare);
        return "degraded";
    }
    (void)snprintf(reason, size, "stage %s has %zu of %zu replicas", name,
                   tally->ready, tally->firm);
    return tally->ready == 0 ? "unavailable" : "degraded";
}

/* The worst stage decides: none ready is "unavailable". */
static void judge(Edged__DeploymentStatus *row, const struct placement *p,
                  const char *doing)
{
    const char *state = "ready";
    char reason[160] = "";

    row->stages = mem_array(Edged__StageStatus *, p->spec->n_places);
    for (size_t i = 0; i < p->spec->n_places && row->stages != NULL; i++) {
        Edged__StageStatus *stage = mem_new(Edged__StageStatus);
        struct tally tally = {0};

        if (stage == NULL) {
            break;
        }
        edged__stage_status__init(stage);
        row->stages[row->n_stages++] = stage;
        fill_stage(stage, p, i, &tally);
        if (tally.ready < tally.firm && placement_may_lack(p, i)) {
            (void)snprintf(reason, sizeof(reason),
                           "view %s is missing: %s does not answer",
                           p->spec->places[i]->name,
                           p->spec->places[i]->nodes[0]);
            state = strcmp(state, "ready") == 0 ? "degraded" : state;
        } else if (tally.ready < tally.firm &&
                   strcmp(state, "unavailable") != 0) {
            state = judge_stage(&tally, p->spec->places[i]->name, reason,
                                sizeof(reason));
        }
    }
    row->state = mem_strdup(state);
    row->reason =
        mem_printf("%s%s%s", reason,
                   reason[0] != '\0' && doing[0] != '\0' ? "; " : "", doing);
}

static void fill_deployment(struct coordinator *c, Edged__DeploymentStatus *row,
                            const struct deployment *d)
{
    char doing[600];

    row->name = mem_strdup(d->name);
    row->generation = d->generation;
    row->model_name = mem_strdup(d->model_name);
    row->model.data = mem_dup(d->model.bytes, sizeof(d->model.bytes));
    row->model.len = row->model.data != NULL ? sizeof(d->model.bytes) : 0;
    row->requests = d->counts.answered;
    row->failed = d->counts.failed;
    row->resent = c->relay.resent;
    row->deployed_at_ms = d->deployed_at_ms;
    counts_quantiles(&d->counts, io_now_us(c->io), &row->rate, &row->p50_ms,
                     &row->p99_ms);
    if (d->current == NULL) {
        row->state = mem_strdup("rolling");
        return;
    }
    row->in_flight = d->current->in_flight;
    row->sent_bytes = d->current->sent.bytes;
    row->plain_bytes = d->current->sent.plain;
    row->predicted_ms = d->current->spec->predicted_ms;
    row->predicted_rate = d->current->spec->predicted_rate;
    row->alone_ms = d->counts.alone_us / 1e3;
    replan_describe(d, doing, sizeof(doing));
    row->drift = mem_strdup(doing);
    row->replan = mem_strdup(d->replan.said);
    row->replans = d->replan.changes;
    row->rollbacks = d->replan.rollbacks;
    recovery_describe(d, doing, sizeof(doing));
    judge(row, d->current, doing);
    status_fill_views(row, d);
}

static size_t count(const struct list *list)
{
    size_t n = 0;

    for (const struct list *it = list->next; it != list; it = it->next) {
        n++;
    }
    return n;
}

/* Copies: the reply is freed as a whole. */
static Edged__Event *copy_event(const struct event *event, uint64_t now_us)
{
    Edged__Event *copy = mem_new(Edged__Event);

    if (copy != NULL) {
        event_fill(copy, event, now_us);
        copy->kind = mem_strdup(copy->kind);
        copy->node = mem_strdup(copy->node);
        copy->text = mem_strdup(copy->text);
    }
    return copy;
}

static void fill_events(struct coordinator *c, Edged__StatusReply *reply)
{
    const struct event *event;

    for (size_t i = 0; reply->events != NULL && i < STATUS_EVENTS &&
                       (event = event_newest(&c->events, i)) != NULL;
         i++) {
        reply->events[i] = copy_event(event, io_now_us(c->io));
        if (reply->events[i] == NULL) {
            return;
        }
        reply->n_events = i + 1;
    }
}

static void fill_deployments(struct coordinator *c, Edged__StatusReply *reply)
{
    reply->deployments =
        mem_array(Edged__DeploymentStatus *, count(&c->deployments));
    list_each(&c->deployments, it, after)
    {
        Edged__DeploymentStatus *row = mem_new(Edged__DeploymentStatus);

        if (row != NULL && reply->deployments != NULL) {
            edged__deployment_status__init(row);
            fill_deployment(c, row, list_entry(it, struct deployment, link));
            reply->deployments[reply->n_deployments++] = row;
        }
    }
}

/* As many as fit a message, at least one. */
static void fill_nodes(struct coordinator *c, Edged__StatusReply *reply,
                       size_t skip)
{
    size_t size = edged__status_reply__get_packed_size(reply);
    size_t at = 0;

    reply->nodes = mem_array(Edged__NodeStatus *, count(&c->members));
    list_each(&c->members, it, after)
    {
        Edged__NodeStatus *node;

        if (at++ < skip) {
            continue;
        }
        node = mem_new(Edged__NodeStatus);
        if (node == NULL || reply->nodes == NULL) {
            mem_free(node);
            return;
        }
        edged__node_status__init(node);
        fill_node(c, node, list_entry(it, struct member, link));
        reply->nodes[reply->n_nodes++] = node;
        size += edged__node_status__get_packed_size(node) + ROW_EXTRA;
        if (size > PAGE_BYTES && at < count(&c->members)) {
            reply->more = true;
            return;
        }
    }
}

static void fill_head(struct coordinator *c, Edged__StatusReply *reply)
{
    reply->warning = mem_strdup(
        c->insecure ? "plain text: anybody on this machine may read and "
                      "change what goes between the daemons"
                    : "");
    reply->events = mem_array(Edged__Event *, STATUS_EVENTS);
    fill_events(c, reply);
    fill_deployments(c, reply);
}

void status_on_request(struct coordinator *c, struct io_peer *peer,
                       struct msg *msg)
{
    Edged__Envelope env = EDGED__ENVELOPE__INIT;
    const Edged__StatusRequest *request = msg->env->status_request;
    Edged__StatusReply *reply = mem_new(Edged__StatusReply);

    if (reply == NULL) {
        io_hang_up(peer, EDGE_ENOMEM, "out of memory");
        return;
    }
    edged__status_reply__init(reply);
    if (!request->nodes_only) {
        fill_head(c, reply);
    }
    fill_nodes(c, reply, request->skip_nodes);
    env.body_case = EDGED__ENVELOPE__BODY_STATUS_REPLY;
    env.status_reply = reply;
    if (io_send(peer, &env, NULL) < 0) {
        io_hang_up(peer, EDGE_ETOOBIG, "the status does not fit a message");
    }
    edged__status_reply__free_unpacked(reply, NULL);
}
