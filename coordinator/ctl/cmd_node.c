/*
 * edgectl drain, undrain, remove: one board. edgectl upgrade: boards are asked
 * to end one after the other, each once all is well again; who supervises a
 * board starts its daemon anew, from what is installed there by then.
 */
#include "coordinator/ctl/ctl.h"
#include "coordinator/ctl/status.h"

#include "base/limits.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define ANSWER_MS 30000
#define LOOK_US 50000
#define WELL_MS 60000 /* for a board to be back and all to be well */

static int64_t now_ms(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int ask(struct client *client, const char *node, Edged__NodeVerb verb,
               struct err *err)
{
    Edged__Envelope env = EDGED__ENVELOPE__INIT;
    Edged__NodeRequest request = EDGED__NODE_REQUEST__INIT;
    struct msg msg;
    int rc;

    request.node = (char *)(uintptr_t)node;
    request.verb = verb;
    env.body_case = EDGED__ENVELOPE__BODY_NODE_REQUEST;
    env.node_request = &request;
    rc = client_send(client, &env, NULL, 0, err);
    if (rc == 0) {
        rc = client_expect(client, ANSWER_MS, EDGED__ENVELOPE__BODY_RESULT,
                           &msg, err);
    }
    if (rc < 0) {
        return rc;
    }
    rc = msg.env->result->code;
    if (rc < 0) {
        (void)err_set(err, rc, "%s", msg.env->result->text);
    }
    msg_deinit(&msg);
    return rc;
}

/* ---- one board ----------------------------------------------------------- */

/* Only a person at a terminal is asked. */
static bool is_meant(const struct ctl *ctl, const char *node)
{
    char answer[8] = "";

    if (ctl->yes || !isatty(STDIN_FILENO) || !isatty(STDERR_FILENO)) {
        return true;
    }
    (void)fprintf(stderr, "Forget %s in cluster %s? [y/N] ", node,
                  ctl_cluster_name(ctl));
    return fgets(answer, sizeof(answer), stdin) != NULL &&
           (answer[0] == 'y' || answer[0] == 'Y');
}

static int one(struct ctl *ctl, int argc, char **argv, Edged__NodeVerb verb,
               const char *done)
{
    struct client *client = NULL;
    struct err err;
    int first;
    int rc;

    ctl_parse(ctl, NULL, NULL, argc, argv, &first);
    ctl_limit(ctl);
    if (argc - first != 1) {
        (void)fprintf(stderr,
                      "edgectl %s: which board? Give one name.  See: edgectl "
                      "nodes\n",
                      ctl->verb);
        return CTL_USAGE;
    }
    if (verb == EDGED__NODE_VERB__NODE_REMOVE && !is_meant(ctl, argv[first])) {
        return CTL_FAILED;
    }
    rc = ctl_connect(ctl, &client, &err);
    if (rc == 0) {
        rc = ask(client, argv[first], verb, &err);
    }
    client_close(client);
    if (rc == 0 && !ctl->quiet) {
        (void)fprintf(stderr, "%s %s\n", argv[first], done);
    }
    return rc < 0 ? ctl_fail(&err, rc) : CTL_OK;
}

int cmd_drain(struct ctl *ctl, int argc, char **argv)
{
    return one(ctl, argc, argv, EDGED__NODE_VERB__NODE_DRAIN,
               "gets no more work");
}

int cmd_undrain(struct ctl *ctl, int argc, char **argv)
{
    return one(ctl, argc, argv, EDGED__NODE_VERB__NODE_UNDRAIN,
               "gets work again");
}

int cmd_remove(struct ctl *ctl, int argc, char **argv)
{
    return one(ctl, argc, argv, EDGED__NODE_VERB__NODE_REMOVE, "is forgotten");
}

/* ---- all of them, one after the other ------------------------------------ */

static int fetch_status(struct client *client, struct msg *msg, struct err *err)
{
    return status_ask(client, ANSWER_MS, msg, err);
}

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

/* What is not well, or NULL. Other boards may be drained or lost, as long as
 * every deployment has all its replicas. */
static const char *unwell(const Edged__StatusReply *reply)
{
    for (size_t i = 0; i < reply->n_deployments; i++) {
        const Edged__DeploymentStatus *d = reply->deployments[i];

        if (strcmp(d->state, "ready") != 0) {
            return d->reason[0] != '\0' ? d->reason : d->state;
        }
    }
    return NULL;
}

/* Until all is well and `node` (NULL: any) runs in another life than `was`. */
static int wait_well(struct client *client, const char *node, uint64_t was,
                     uint64_t *instance, struct err *err)
{
    int64_t until = now_ms() + WELL_MS;

    for (;;) {
        const Edged__NodeStatus *status;
        const char *why;
        struct msg msg;
        int rc = fetch_status(client, &msg, err);

        if (rc < 0) {
            return rc;
        }
        status = node_of(msg.env->status_reply, node);
        why = unwell(msg.env->status_reply);
        if (status == NULL) {
            rc = err_set(err, EDGE_ENOENT,
                         "there is no node \"%s\". Try: edgectl nodes", node);
        } else if (why == NULL && status->instance != was &&
                   (strcmp(status->state, "ready") == 0 ||
                    strncmp(status->state, "drain", 5) == 0)) {
            *instance = status->instance;
            rc = 1;
        } else if (now_ms() > until) {
            rc = err_set(err, EDGE_ETIMEOUT, "%s: %s after %d s: %s", node,
                         status->state, WELL_MS / 1000,
                         why != NULL ? why : "it was not restarted");
        }
        msg_deinit(&msg);
        if (rc != 0) {
            return rc < 0 ? rc : 0;
        }
        (void)usleep(LOOK_US);
    }
}

static int restart(const struct ctl *ctl, struct client *client,
                   const char *node, struct err *err)
{
    uint64_t instance = 0;
    int64_t began;
    int rc = wait_well(client, node, 0, &instance, err);

    began = now_ms();
    if (rc == 0) {
        rc = ask(client, node, EDGED__NODE_VERB__NODE_RESTART, err);
    }
    if (rc == 0) {
        rc = wait_well(client, node, instance, &instance, err);
    }
    if (rc == 0 && !ctl->quiet) {
        (void)fprintf(stderr, "%s restarted in %.1f s\n", node,
                      (double)(now_ms() - began) / 1000);
    }
    return rc;
}

/* Every board that there is, by name. */
static int restart_all(const struct ctl *ctl, struct client *client,
                       struct err *err)
{
    struct msg msg;
    int rc = fetch_status(client, &msg, err);

    if (rc < 0) {
        return rc;
    }
    for (size_t i = 0; i < msg.env->status_reply->n_nodes && rc == 0; i++) {
        const Edged__NodeStatus *node = msg.env->status_reply->nodes[i];

        if (strcmp(node->state, "lost") != 0 &&
            strcmp(node->state, "never") != 0) {
            rc = restart(ctl, client, node->name, err);
        }
    }
    msg_deinit(&msg);
    return rc;
}

int cmd_upgrade(struct ctl *ctl, int argc, char **argv)
{
    struct client *client = NULL;
    struct err err;
    int first;
    int rc;

    ctl_parse(ctl, NULL, NULL, argc, argv, &first);
    ctl_limit(ctl);
    rc = ctl_connect(ctl, &client, &err);
    if (rc == 0 && first == argc) {
        rc = restart_all(ctl, client, &err);
    }
    for (int i = first; i < argc && rc == 0; i++) {
        rc = restart(ctl, client, argv[i], &err);
    }
    client_close(client);
    return rc < 0 ? ctl_fail(&err, rc) : CTL_OK;
}
