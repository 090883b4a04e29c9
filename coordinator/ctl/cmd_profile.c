/* edgectl profile: how fast the boards run a model, and how fast links are. */
#include "coordinator/ctl/cluster_files.h"
#include "coordinator/ctl/ctl.h"
#include "coordinator/ctl/profile_print.h"
#include "coordinator/ctl/profile_yaml.h"
#include "coordinator/ctl/progress.h"

#include "base/limits.h"
#include "base/mem.h"
#include "wire/convert.h"

#include <stdio.h>
#include <string.h>

#define PROFILE_MS 600000
#define ROWS_MAX (LIMIT_NODES + 2 * LIMIT_PROFILES)

struct profile { /* what is asked for, and what came */
    bool fresh;
    struct cluster_files files; /* path NULL: what is deployed */
    struct progress progress;
    struct profile_rows rows;
};

static void release(struct profile *p)
{
    for (size_t i = 0; i < p->rows.n; i++) {
        msg_deinit(&p->rows.rows[i]);
    }
    mem_free(p->rows.rows);
    msg_deinit(&p->rows.reply);
    cluster_files_release(&p->files);
}

/* ---- the question ---------------------------------------------------------
 */

static void on_put(void *arg, uint64_t done, uint64_t total)
{
    progress_step(arg, "send", "coordinator", done, total);
}

static int ask(const struct ctl *ctl, struct client *client, struct profile *p,
               struct err *err)
{
    Edged__Envelope env = EDGED__ENVELOPE__INIT;
    Edged__ProfileRequest message = EDGED__PROFILE_REQUEST__INIT;
    struct digest yaml;
    struct digest model;
    int rc = 0;

    if (p->files.path != NULL) {
        rc = client_put(client, p->files.model, &model, NULL, on_put,
                        &p->progress, err);
        rc = rc < 0 ? rc
                    : client_put(client, p->files.yaml, &yaml, NULL, NULL, NULL,
                                 err);
        message.yaml = convert_digest_out(&yaml);
        message.model = convert_digest_out(&model);
        message.yaml_name = (char *)(uintptr_t)p->files.path;
        message.model_name =
            (char *)(uintptr_t)cluster_files_model_name(&p->files);
    } else {
        message.deployment = (char *)(uintptr_t)ctl->model;
    }
    if (rc < 0) {
        return rc;
    }
    message.fresh = p->fresh;
    message.ops = ctl->format == CTL_JSON || ctl->format == CTL_YAML;
    env.body_case = EDGED__ENVELOPE__BODY_PROFILE_REQUEST;
    env.profile_request = &message;
    return client_send(client, &env, NULL, 0, err);
}

/* ---- the answer -----------------------------------------------------------
 */

static int keep_row(struct profile *p, struct msg *msg, struct err *err)
{
    struct profile_rows *rows = &p->rows;

    if (rows->n >= ROWS_MAX ||
        mem_grow(&rows->rows, &rows->room, rows->n, sizeof(*msg)) < 0) {
        msg_deinit(msg);
        return err_set(err, EDGE_ETOOBIG, "the coordinator says too much");
    }
    rows->rows[rows->n++] = *msg;
    return 0;
}

/* Bars are of bytes, and these are none: a line for each board instead. */
static void show_step(struct profile *p, const Edged__Progress *step)
{
    char phase[32];

    if (p->progress.how == CTL_PROGRESS_JSON || step->node[0] == '\0') {
        progress_step(&p->progress, step->phase, step->node, step->done,
                      step->total);
        return;
    }
    (void)snprintf(phase, sizeof(phase), "%s %s", step->phase, step->node);
    progress_step(&p->progress, phase, "", 0, 0);
}

static int await(struct client *client, const struct ctl *ctl,
                 struct profile *p, struct err *err)
{
    int wait_ms = ctl->timeout_ms > 0 ? ctl->timeout_ms : PROFILE_MS;
    struct msg msg;

    for (;;) {
        int rc = client_receive(client, wait_ms, &msg, err);

        if (rc < 0) {
            return rc;
        }
        if (msg.env->body_case == EDGED__ENVELOPE__BODY_PROFILE_REPLY) {
            p->rows.reply = msg;
            return 0;
        }
        if (msg.env->body_case == EDGED__ENVELOPE__BODY_PROFILE_ROW) {
            rc = keep_row(p, &msg, err);
            if (rc < 0) {
                return rc;
            }
            continue;
        }
        if (msg.env->body_case == EDGED__ENVELOPE__BODY_PROGRESS) {
            show_step(p, msg.env->progress);
        }
        msg_deinit(&msg);
    }
}

static int run(const struct ctl *ctl, struct profile *p, struct err *err)
{
    struct client *client = NULL;
    int rc = p->files.path != NULL ? cluster_files_yaml(&p->files, err) : 0;

    if (rc == 0 && p->files.path != NULL) {
        rc = cluster_files_model(&p->files, NULL, err);
    }
    if (rc == 0) {
        rc = ctl_connect(ctl, &client, err);
    }
    if (rc == 0) {
        rc = ask(ctl, client, p, err);
    }
    if (rc == 0) {
        rc = await(client, ctl, p, err);
    }
    progress_end(&p->progress);
    client_close(client);
    if (rc == 0 && p->rows.reply.env->profile_reply->code < 0) {
        rc = err_set(err, p->rows.reply.env->profile_reply->code, "%s",
                     p->rows.reply.env->profile_reply->text);
    }
    return rc;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
    (void)arg;
    if (key == 'R') {
        ((struct profile *)state->input)->fresh = true;
        return 0;
    }
    return ARGP_ERR_UNKNOWN;
}

int cmd_profile(struct ctl *ctl, int argc, char **argv)
{
    struct profile p = {.files.outcome = "nothing was measured"};
    struct err err = {.text = ""};
    int first;
    int rc;

    ctl_parse(ctl, parse, &p, argc, argv, &first);
    ctl_limit(ctl);
    if (argc - first > 1) {
        (void)fprintf(stderr, "edgectl profile: give one file, such as "
                              "cluster.yaml, or none for what is deployed.  "
                              "See: edgectl profile --help\n");
        return CTL_USAGE;
    }
    p.files.path = first < argc ? argv[first] : NULL;
    if (p.files.path == NULL && ctl->format == CTL_YAML) {
        (void)fprintf(stderr, "edgectl profile: -o yaml names layers, so it "
                              "needs the model's file.  Try: edgectl profile "
                              "-o yaml cluster.yaml\n");
        return CTL_USAGE;
    }
    progress_init(&p.progress, ctl);
    rc = run(ctl, &p, &err);
    if (rc == 0 && ctl->format == CTL_YAML) {
        rc = profile_yaml_print(&p.rows, p.files.model, &err);
    } else if (rc == 0) {
        profile_print(ctl, &p.rows);
    }
    release(&p);
    return rc == 0               ? CTL_OK
           : err.text[0] == '\0' ? ctl_exit_code(rc)
                                 : ctl_fail(&err, rc);
}
