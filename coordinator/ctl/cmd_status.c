/* edgectl status, nodes. */
#include "coordinator/ctl/color.h"
#include "coordinator/ctl/ctl.h"
#include "coordinator/ctl/show.h"
#include "coordinator/ctl/status.h"
#include "coordinator/ctl/table.h"
#include "wire/throttle.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define ANSWER_MS 10000
#define WATCH_S 1

#define MIB_OF(bytes) ((double)(bytes) / 1048576)

static int ask(struct client *client, struct msg *msg, struct err *err)
{
    return status_ask(client, ANSWER_MS, msg, err);
}

/* ---- JSON
 * ------------------------------------------------------------------------- */

static json_t *replica_json(const Edged__ReplicaStatus *r)
{
    return json_pack(
        "{s:s,s:b,s:b,s:i,s:f,s:f,s:I,s:I,s:I}", "node", r->node, "ready",
        r->ready, "spare", r->spare, "queue", (int)r->queue, "compute_ms",
        r->compute_us / 1e3, "predicted_ms", r->predicted_ms, "runs",
        (json_int_t)r->runs, "sent_bytes", (json_int_t)r->sent_bytes,
        "plain_bytes", (json_int_t)r->plain_bytes);
}

static json_t *stage_json(const Edged__StageStatus *s)
{
    json_t *replicas = json_array();

    for (size_t i = 0; i < s->n_replicas; i++) {
        (void)json_array_append_new(replicas, replica_json(s->replicas[i]));
    }
    return json_pack("{s:s,s:s,s:s,s:I,s:o}", "name", s->name, "first",
                     s->first, "last", s->last, "link_bytes",
                     (json_int_t)s->link_bytes, "replicas", replicas);
}

static void add_exits(json_t *to, const Edged__DeploymentStatus *d)
{
    json_t *exits = json_array();

    for (size_t i = 0; i < d->n_exits; i++) {
        (void)json_array_append_new(
            exits, json_pack("{s:s,s:I}", "name", d->exits[i]->name, "answers",
                             (json_int_t)d->exits[i]->answers));
    }
    (void)json_object_set_new(to, "exits", exits);
}

/* What a model of several views sends. */
static void add_views(json_t *to, const Edged__DeploymentStatus *d)
{
    json_t *views = json_array();

    for (size_t i = 0; i < d->n_views; i++) {
        const Edged__ViewStatus *v = d->views[i];

        (void)json_array_append_new(
            views,
            json_pack("{s:s,s:s,s:I,s:I,s:I}", "name", v->name, "node", v->node,
                      "samples", (json_int_t)v->samples, "values",
                      (json_int_t)v->values, "heads", (json_int_t)v->heads));
    }
    (void)json_object_set_new(to, "views", views);
    (void)json_object_set_new(to, "incomplete",
                              json_integer((json_int_t)d->incomplete));
}

static json_t *deployment_json(const Edged__DeploymentStatus *d)
{
    json_t *stages = json_array();
    json_t *row;

    for (size_t i = 0; i < d->n_stages; i++) {
        (void)json_array_append_new(stages, stage_json(d->stages[i]));
    }
    row = json_pack(
        "{s:s,s:i,s:s,s:s,s:s,s:o,s:I,s:I,s:I,s:f,s:f,s:f,s:i,s:f,s:f,s:f,s:I,"
        "s:I,s:s,s:s,s:i,s:i}",
        "name", d->name, "generation", (int)d->generation, "state", d->state,
        "reason", d->reason, "model", d->model_name, "stages", stages,
        "requests", (json_int_t)d->requests, "failed", (json_int_t)d->failed,
        "resent", (json_int_t)d->resent, "rate", d->rate, "p50_ms", d->p50_ms,
        "p99_ms", d->p99_ms, "in_flight", (int)d->in_flight, "alone_ms",
        d->alone_ms, "predicted_ms", d->predicted_ms, "predicted_rate",
        d->predicted_rate, "sent_bytes", (json_int_t)d->sent_bytes,
        "plain_bytes", (json_int_t)d->plain_bytes, "drift", d->drift, "replan",
        d->replan, "replans", (int)d->replans, "rollbacks", (int)d->rollbacks);
    if (row != NULL && (d->n_views > 0 || d->n_exits > 0)) {
        add_exits(row, d);
    }
    if (row != NULL && d->n_views > 0) {
        add_views(row, d);
    }
    return row;
}

static json_t *node_json(const Edged__NodeStatus *n)
{
    json_t *shards = json_array();

    for (size_t i = 0; i < n->n_shards; i++) {
        (void)json_array_append_new(shards, json_string(n->shards[i]));
    }
    return json_pack(
        "{s:s,s:s,s:i,s:I,s:s,s:s,s:I,s:I,s:I,s:I,s:f,s:s,s:f,s:s,s:o}", "name",
        n->name, "host", n->host, "port", (int)n->port, "pid",
        (json_int_t)n->pid, "state", n->state, "reason", n->reason, "seen_ms",
        (json_int_t)n->seen_ms, "memory_budget", (json_int_t)n->memory_budget,
        "memory_used", (json_int_t)n->memory_used, "rss", (json_int_t)n->rss,
        "temperature_c", n->temperature_mc / 1e3, "throttled",
        throttle_text(n->throttled), "rtt_ms", n->rtt_us / 1e3, "version",
        n->version, "shards", shards);
}

static json_t *events_json(const Edged__StatusReply *reply)
{
    json_t *list = json_array();

    for (size_t i = 0; i < reply->n_events; i++) {
        (void)json_array_append_new(list, show_event(reply->events[i]));
    }
    return list;
}

static void print_json(const Edged__StatusReply *reply, bool only_nodes)
{
    json_t *root = json_object();
    json_t *deployments = json_array();
    json_t *nodes = json_array();

    for (size_t i = 0; i < reply->n_deployments; i++) {
        (void)json_array_append_new(deployments,
                                    deployment_json(reply->deployments[i]));
    }
    for (size_t i = 0; i < reply->n_nodes; i++) {
        (void)json_array_append_new(nodes, node_json(reply->nodes[i]));
    }
    if (only_nodes) {
        json_decref(deployments);
    } else {
        (void)json_object_set_new(root, "deployments", deployments);
    }
    (void)json_object_set_new(root, "nodes", nodes);
    if (!only_nodes) {
        (void)json_object_set_new(root, "events", events_json(reply));
    }
    (void)json_object_set_new(root, "warning", json_string(reply->warning));
    (void)json_dumpf(root, stdout, JSON_INDENT(2));
    (void)printf("\n");
    json_decref(root);
}

/* ---- tables
 * ------------------------------------------------------------------------ */

static const Edged__NodeStatus *node_of(const Edged__StatusReply *reply,
                                        const char *name)
{
    for (size_t i = 0; i < reply->n_nodes; i++) {
        if (strcmp(reply->nodes[i]->name, name) == 0) {
            return reply->nodes[i];
        }
    }
    return NULL;
}

static void replica_row(struct table *table, const Edged__StatusReply *reply,
                        const Edged__StageStatus *stage,
                        const Edged__ReplicaStatus *r)
{
    const Edged__NodeStatus *node = node_of(reply, r->node);
    char age[16];

    table_row(table);
    table_text(table, 0, "%s", stage->name);
    table_text(table, 1, "%s", r->node);
    table_text(table, 2, "%s",
               r->ready && r->spare                               ? "spare"
               : r->ready                                         ? "ready"
               : node != NULL && strcmp(node->state, "lost") == 0 ? "lost"
                                                                  : "starting");
    table_text(table, 3, "%llu", (unsigned long long)r->runs);
    table_text(table, 4, "%u", r->queue);
    if (r->compute_us > 0) {
        table_text(table, 5, "%.1f", r->compute_us / 1e3);
    } else {
        table_text(table, 5, "-");
    }
    if (node != NULL) {
        table_text(table, 6, "%.0f/%.0fM", MIB_OF(node->memory_used),
                   MIB_OF(node->memory_budget));
        table_text(table, 7, "%s", table_age(node->seen_ms, age));
    }
}

static void print_unwell(const Edged__NodeStatus *n, bool any)
{
    bool is_drained = strncmp(n->state, "drain", 5) == 0;
    const char *reason = is_drained ? "gets no work" : n->reason;

    (void)printf("%s#   - %s: %s (%s).  Try: edgectl %s %s\n",
                 any ? "" : "# Health:\n", n->name, n->state,
                 reason[0] != '\0' ? reason : "no beat yet",
                 is_drained ? "undrain" : "logs", n->name);
}

/* "71C", or "-". */
static const char *degrees_of(const Edged__NodeStatus *n, char out[16])
{
    (void)snprintf(out, 16, n->temperature_mc != 0 ? "%.0fC" : "-",
                   n->temperature_mc / 1e3);
    return out;
}

static void print_throttled(const Edged__NodeStatus *n, bool any)
{
    bool lacks_power = (n->throttled & THROTTLE_VOLTAGE) != 0;
    char degrees[16];

    (void)printf("%s#   - %s: %s (%s).  It needs %s\n",
                 any ? "" : "# Health:\n", n->name, throttle_text(n->throttled),
                 degrees_of(n, degrees),
                 lacks_power ? "a stronger power supply, or a better cable"
                             : "cooling; until then others get more work");
}

static void print_health(const Edged__StatusReply *reply)
{
    bool any = false;

    for (size_t i = 0; i < reply->n_nodes; i++) {
        const Edged__NodeStatus *n = reply->nodes[i];

        if (strcmp(n->state, "ready") != 0) {
            print_unwell(n, any);
            any = true;
        } else if (n->throttled != 0) {
            print_throttled(n, any);
            any = true;
        }
    }
    for (size_t i = 0; i < reply->n_events; i++) {
        const Edged__Event *e = reply->events[i];
        char age[16];

        (void)printf("%s#   - %s ago  %s%s%s\n", i == 0 ? "# Lately:\n" : "",
                     table_age(e->age_ms, age), e->node,
                     e->node[0] != '\0' ? ": " : "", e->text);
    }
    if (reply->warning[0] != '\0') {
        (void)printf("# Security: %s\n", reply->warning);
    }
}

static void print_deployment(const struct ctl *ctl,
                             const Edged__StatusReply *reply,
                             const Edged__DeploymentStatus *d)
{
    static const struct table_column columns[] = {
        {"STAGE", false}, {"NODE", false}, {"STATE", false},
        {"RUNS", true},   {"QUEUE", true}, {"COMPUTE ms", true},
        {"MEM", true},    {"SEEN", true}};
    struct table *table = table_new(ctl, columns, 8);

    (void)printf(
        "%s  generation %u  %s%s%s%s%s  %s: %llu answered, %llu failed, "
        "%.1f/s, p50 %.1f ms, p99 %.1f ms\n",
        d->name, d->generation, color_of(ctl, stdout, d->state), d->state,
        color_end(ctl, stdout), d->reason[0] != '\0' ? ": " : "", d->reason,
        d->model_name, (unsigned long long)d->requests,
        (unsigned long long)d->failed, d->rate, d->p50_ms, d->p99_ms);
    for (size_t i = 0; i < d->n_stages; i++) {
        for (size_t k = 0; k < d->stages[i]->n_replicas; k++) {
            replica_row(table, reply, d->stages[i], d->stages[i]->replicas[k]);
        }
    }
    table_print(table);
}

static void print_status(const struct ctl *ctl, const Edged__StatusReply *reply)
{
    if (reply->n_deployments == 0) {
        (void)printf("nothing is deployed; %zu nodes. Next:  edgectl deploy "
                     "cluster.yaml\n",
                     reply->n_nodes);
    }
    for (size_t i = 0; i < reply->n_deployments; i++) {
        print_deployment(ctl, reply, reply->deployments[i]);
    }
    print_health(reply);
}

static void print_nodes(const struct ctl *ctl, const Edged__StatusReply *reply)
{
    static const struct table_column columns[] = {
        {"NODE", false},   {"STATE", false}, {"ADDRESS", false},
        {"SHARDS", false}, {"MEM", true},    {"RSS", true},
        {"TEMP", true},    {"RTT ms", true}, {"SEEN", true}};
    struct table *table = table_new(ctl, columns, 9);

    for (size_t i = 0; i < reply->n_nodes; i++) {
        const Edged__NodeStatus *n = reply->nodes[i];
        char shards[200] = "";
        size_t at = 0;
        char age[16];
        char degrees[16];

        for (size_t k = 0; k < n->n_shards && at < sizeof(shards); k++) {
            at += (size_t)snprintf(shards + at, sizeof(shards) - at, "%s%s",
                                   k > 0 ? " " : "", n->shards[k]);
        }
        table_row(table);
        table_text(table, 0, "%s", n->name);
        table_text(table, 1, "%s", n->state);
        table_text(table, 2, "%s:%u", n->host, n->port);
        table_text(table, 3, "%s", shards);
        table_text(table, 4, "%.0f/%.0fM", MIB_OF(n->memory_used),
                   MIB_OF(n->memory_budget));
        table_text(table, 5, "%.0fM", MIB_OF(n->rss));
        table_text(table, 6, "%s%s%s", degrees_of(n, degrees),
                   n->throttled != 0 ? " " : "", throttle_text(n->throttled));
        table_text(table, 7, "%.2f", n->rtt_us / 1e3);
        table_text(table, 8, "%s", table_age(n->seen_ms, age));
    }
    table_print(table);
}

/* ---- verbs
 * ------------------------------------------------------------------------- */

static void print_plans(const struct ctl *ctl, const Edged__StatusReply *reply)
{
    if (reply->n_deployments == 0) {
        (void)printf("nothing is deployed.  Next:  edgectl deploy "
                     "cluster.yaml\n");
    }
    for (size_t i = 0; i < reply->n_deployments; i++) {
        status_print_plan(ctl, reply->deployments[i]);
    }
}

enum what { STATUS, NODES, PLANS };

static int show(struct ctl *ctl, enum what what)
{
    struct client *client = NULL;
    struct msg msg;
    struct err err;
    int rc = ctl_connect(ctl, &client, &err);

    while (rc == 0) {
        rc = ask(client, &msg, &err);
        if (rc < 0) {
            break;
        }
        if (ctl->watch && color_has_terminal(stdout)) {
            (void)printf("\033[H\033[2J");
        }
        if (ctl->format == CTL_JSON) {
            print_json(msg.env->status_reply, what == NODES);
        } else if (what == NODES) {
            print_nodes(ctl, msg.env->status_reply);
        } else if (what == PLANS) {
            print_plans(ctl, msg.env->status_reply);
        } else {
            print_status(ctl, msg.env->status_reply);
        }
        msg_deinit(&msg);
        (void)fflush(stdout);
        if (!ctl->watch) {
            break;
        }
        (void)sleep(WATCH_S);
    }
    client_close(client);
    return rc < 0 ? ctl_fail(&err, rc) : CTL_OK;
}

static error_t parse_status(int key, char *arg, struct argp_state *state)
{
    (void)arg;
    if (key == 'P') {
        *(enum what *)state->input = PLANS;
        return 0;
    }
    return ARGP_ERR_UNKNOWN;
}

int cmd_status(struct ctl *ctl, int argc, char **argv)
{
    enum what what = STATUS;
    int first;

    ctl_parse(ctl, parse_status, &what, argc, argv, &first);
    ctl_limit(ctl);
    return show(ctl, what);
}

int cmd_nodes(struct ctl *ctl, int argc, char **argv)
{
    int first;

    ctl_parse(ctl, NULL, NULL, argc, argv, &first);
    ctl_limit(ctl);
    return show(ctl, NODES);
}
