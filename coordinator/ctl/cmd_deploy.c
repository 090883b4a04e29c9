/* edgectl deploy, undeploy, validate. */
#include "coordinator/ctl/deploy.h"

#include "coordinator/ctl/calibration.h"
#include "coordinator/ctl/model_file.h"
#include "coordinator/ctl/model_sum.h"
#include "coordinator/ctl/report.h"

#include "base/limits.h"
#include "base/mem.h"
#include "config/cluster.h"
#include "engine/fold.h"
#include "onnx/guard.h"
#include "wire/convert.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DEPLOY_MS 600000

void deploy_release(struct deploy *d)
{
    cluster_files_release(&d->files);
    blob_unref(d->labels);
    blob_unref(d->calibration);
    mem_free(d->labels_path);
}

/* ---- files
 * -------------------------------------------------------------------- */

static int read_labels(struct deploy *d, struct err *err)
{
    int rc;

    d->labels_path =
        cluster_resolve_path(d->files.path, d->files.cluster->model.labels);
    if (d->labels_path == NULL) {
        return err_set(err, EDGE_ENOMEM, "out of memory");
    }
    rc = blob_read(d->labels_path, LIMIT_LABELS, &d->labels, err);
    return rc < 0 ? err_wrap(err, EDGE_ECONFIG, "%s", d->files.path) : 0;
}

static int read_files(struct deploy *d, struct err *err)
{
    bool has_labels = d->files.cluster->model.labels != NULL;
    int rc =
        cluster_files_model(&d->files, has_labels ? NULL : &d->labels, err);

    if (rc == 0 && has_labels) {
        rc = read_labels(d, err);
    }
    if (rc < 0) {
        return rc;
    }
    rc = calibration_read(d->files.cluster, d->files.path, d->files.model_path,
                          &d->calibration, err);
    return rc < 0 ? err_wrap(err, EDGE_ECONFIG, "%s", d->files.path) : 0;
}

/* ---- to the coordinator
 * ---------------------------------------------------------- */

static void on_put(void *arg, uint64_t done, uint64_t total)
{
    progress_step(arg, "send", "coordinator", done, total);
}

static int send_deploy(struct client *client, struct deploy *d, bool dry_run,
                       struct err *err)
{
    Edged__Envelope env = EDGED__ENVELOPE__INIT;
    Edged__Deploy message = EDGED__DEPLOY__INIT;
    struct digest yaml;
    struct digest model;
    struct digest labels;
    struct digest calibration;
    int rc = client_put(client, d->files.model, &model, NULL, on_put,
                        &d->progress, err);

    if (rc == 0) {
        rc = client_put(client, d->files.yaml, &yaml, NULL, NULL, NULL, err);
    }
    if (rc == 0 && d->labels != NULL && d->labels->size > 0) {
        rc = client_put(client, d->labels, &labels, NULL, NULL, NULL, err);
        message.labels = convert_digest_out(&labels);
    }
    if (rc == 0 && d->calibration != NULL) {
        rc = client_put(client, d->calibration, &calibration, NULL, on_put,
                        &d->progress, err);
        message.calibration = convert_digest_out(&calibration);
    }
    if (rc < 0) {
        return rc;
    }
    message.yaml = convert_digest_out(&yaml);
    message.model = convert_digest_out(&model);
    message.yaml_name = (char *)(uintptr_t)d->files.path;
    message.model_name = (char *)(uintptr_t)cluster_files_model_name(&d->files);
    message.dry_run = dry_run;
    message.plan_number = (uint64_t)d->plan;
    message.explain = d->explain;
    env.body_case = EDGED__ENVELOPE__BODY_DEPLOY;
    env.deploy = &message;
    return client_send(client, &env, NULL, 0, err);
}

/* Progress until the reply, which is for msg_deinit(). */
static int await(struct client *client, const struct ctl *ctl, struct deploy *d,
                 struct msg *msg, struct err *err)
{
    int wait_ms = ctl->timeout_ms > 0 ? ctl->timeout_ms : DEPLOY_MS;

    for (;;) {
        const Edged__Progress *p;
        int rc = client_receive(client, wait_ms, msg, err);

        if (rc == EDGE_ECLOSED) {
            return err_set(err, rc,
                           "the coordinator went away before it said that the "
                           "deploy is done. What is in force:  edgectl "
                           "status     Deploying again is safe");
        }
        if (rc < 0) {
            return rc;
        }
        if (msg->env->body_case == EDGED__ENVELOPE__BODY_DEPLOY_REPLY) {
            return 0;
        }
        p = msg->env->progress;
        if (msg->env->body_case == EDGED__ENVELOPE__BODY_PROGRESS) {
            progress_step(&d->progress, p->phase, p->node, p->done, p->total);
        }
        msg_deinit(msg);
    }
}

/* "FILE: line 7:12: text", found with the model: shown like any other place
 * of the file. */
static bool print_place(const struct deploy *d, const char *text)
{
    const char *line = strstr(text, "line ");
    struct config_errors *errors;
    struct config_at at = {0};
    int n = 0;

    if (line == NULL ||
        sscanf(line, "line %u:%u: %n", &at.line, &at.column, &n) != 2 ||
        n == 0) {
        return false;
    }
    errors = mem_new(struct config_errors);
    if (errors == NULL) {
        return false;
    }
    at.end_line = at.line;
    at.end_column = at.column + 1;
    config_errors_init(errors, d->files.path, (const char *)d->files.yaml->data,
                       d->files.yaml->size);
    config_error(errors, &at, "%.*s%s", (int)(line - text), text, line + n);
    config_errors_print(errors, d->files.outcome, stderr);
    mem_free(errors);
    return true;
}

static int refuse(const struct deploy *d, const Edged__DeployReply *reply,
                  struct err *err)
{
    if (reply->code == EDGE_ECONFIG && print_place(d, reply->text)) {
        err->text[0] = '\0';
        return reply->code;
    }
    if (reply->code == EDGE_ECONFIG && strchr(reply->text, '\n') != NULL) {
        (void)fputs(reply->text, stderr); /* as if it had been found here */
        err->text[0] = '\0';
        return reply->code;
    }
    return err_set(err, reply->code, "%s%s",
                   reply->code == EDGE_ENOFIT ? "this plan does not fit.  "
                                              : "",
                   reply->text);
}

int deploy_run(const struct ctl *ctl, struct deploy *d, bool dry_run,
               struct msg *msg, struct err *err)
{
    struct client *client = NULL;
    int rc = cluster_files_yaml(&d->files, err);

    if (rc == 0) {
        rc = read_files(d, err);
    }
    if (rc == 0) {
        rc = ctl_connect(ctl, &client, err);
    }
    if (rc == 0) {
        rc = send_deploy(client, d, dry_run, err);
    }
    if (rc == 0) {
        rc = await(client, ctl, d, msg, err);
    }
    progress_end(&d->progress);
    client_close(client);
    if (rc == 0 && msg->env->deploy_reply->code < 0) {
        rc = refuse(d, msg->env->deploy_reply, err);
        msg_deinit(msg);
    }
    return rc;
}

int deploy_fail(const struct err *err, int rc)
{
    return err->text[0] == '\0' ? ctl_exit_code(rc) : ctl_fail(err, rc);
}

bool deploy_one_file(const struct ctl *ctl, int argc, int first)
{
    if (argc - first == 1) {
        return true;
    }
    (void)fprintf(stderr,
                  "edgectl %s: give one file, such as cluster.yaml.  "
                  "See: edgectl %s --help\n",
                  ctl->verb, ctl->verb);
    return false;
}

static void print_deployed(const struct ctl *ctl,
                           const Edged__DeployReply *reply)
{
    if (ctl->format == CTL_JSON) {
        (void)printf("{\"deployment\": \"%s\", \"generation\": %u, "
                     "\"pushed_bytes\": %llu, \"took_ms\": %u}\n",
                     reply->plan->deployment, reply->generation,
                     (unsigned long long)reply->pushed_bytes, reply->took_ms);
        return;
    }
    (void)printf("deployed %s generation %u in %.1f s, %.1f MiB pushed "
                 "(%llu bytes). Next:  edgectl infer cat.jpg\n",
                 reply->plan->deployment, reply->generation,
                 reply->took_ms / 1e3, (double)reply->pushed_bytes / 1048576,
                 (unsigned long long)reply->pushed_bytes);
}

static error_t parse_deploy(int key, char *arg, struct argp_state *state)
{
    if (key == 'P') {
        *(long *)state->input = ctl_number(state, arg, 1, 999999);
        return 0;
    }
    return ARGP_ERR_UNKNOWN;
}

int cmd_deploy(struct ctl *ctl, int argc, char **argv)
{
    struct deploy d = {.files.outcome = "nothing was changed"};
    struct msg msg;
    struct err err;
    int first;
    int rc;

    ctl_parse(ctl, parse_deploy, &d.plan, argc, argv, &first);
    ctl_limit(ctl);
    if (!deploy_one_file(ctl, argc, first)) {
        return CTL_USAGE;
    }
    d.files.path = argv[first];
    progress_init(&d.progress, ctl);
    rc = deploy_run(ctl, &d, ctl->dry_run, &msg, &err);
    deploy_release(&d);
    if (rc < 0) {
        return deploy_fail(&err, rc);
    }
    if (ctl->dry_run) {
        report_print(ctl, msg.env->deploy_reply->plan);
    } else {
        print_deployed(ctl, msg.env->deploy_reply);
    }
    msg_deinit(&msg);
    return CTL_OK;
}

/* ---- undeploy
 * --------------------------------------------------------------------- */

/* Only a person at a terminal is asked. */
static bool is_meant(const struct ctl *ctl, const char *name)
{
    char answer[8] = "";

    if (ctl->yes || !isatty(STDIN_FILENO) || !isatty(STDERR_FILENO)) {
        return true;
    }
    (void)fprintf(stderr, "Take %s off the boards of cluster %s? [y/N] ",
                  name[0] != '\0' ? name : "what is deployed",
                  ctl_cluster_name(ctl));
    if (fgets(answer, sizeof(answer), stdin) != NULL &&
        (answer[0] == 'y' || answer[0] == 'Y')) {
        return true;
    }
    (void)fprintf(stderr, "Nothing was changed.\n");
    return false;
}

int cmd_undeploy(struct ctl *ctl, int argc, char **argv)
{
    Edged__Envelope env = EDGED__ENVELOPE__INIT;
    Edged__Undeploy message = EDGED__UNDEPLOY__INIT;
    struct client *client = NULL;
    struct msg msg;
    struct err err;
    int first;
    int rc;

    ctl_parse(ctl, NULL, NULL, argc, argv, &first);
    ctl_limit(ctl);
    message.deployment =
        first < argc ? argv[first] : (char *)(uintptr_t)ctl->model;
    env.body_case = EDGED__ENVELOPE__BODY_UNDEPLOY;
    env.undeploy = &message;
    if (!is_meant(ctl, message.deployment)) {
        return CTL_FAILED;
    }
    rc = ctl_connect(ctl, &client, &err);
    if (rc == 0) {
        rc = client_send(client, &env, NULL, 0, &err);
    }
    if (rc == 0) {
        rc = client_expect(client, 30000, EDGED__ENVELOPE__BODY_RESULT, &msg,
                           &err);
    }
    client_close(client);
    if (rc < 0) {
        return ctl_fail(&err, rc);
    }
    rc = msg.env->result->code;
    if (rc < 0) {
        (void)err_set(&err, rc, "%s", msg.env->result->text);
    } else if (!ctl->quiet) {
        (void)fprintf(stderr, "undeployed %s\n", msg.env->result->text);
    }
    msg_deinit(&msg);
    return rc < 0 ? ctl_fail(&err, rc) : CTL_OK;
}

/* ---- validate
 * ---------------------------------------------------------------------- */

static int check_model(const struct deploy *d, size_t *n_ops, struct err *err)
{
    struct graph *graph = NULL;
    struct cluster_input input;
    int rc = guard_import_file(d->files.model_path, &graph, err);

    if (rc == 0 && !d->files.cluster->model.input.is_given) {
        rc = model_file_input(graph, d->files.model_path, &input, err);
    }
    if (rc == 0) {
        rc = fold_prepare(graph, 1, NULL, 0, err);
    }
    *n_ops = rc == 0 ? graph->n_ops : 0;
    graph_free(graph);
    return rc < 0 ? err_wrap(err, EDGE_ECONFIG, "%s", d->files.path) : 0;
}

int cmd_validate(struct ctl *ctl, int argc, char **argv)
{
    struct deploy d = {.files.outcome = "nothing was changed"};
    size_t n_ops = 0;
    struct err err;
    int first;
    int rc;

    ctl_parse(ctl, NULL, NULL, argc, argv, &first);
    if (!deploy_one_file(ctl, argc, first)) {
        return CTL_USAGE;
    }
    d.files.path = argv[first];
    rc = cluster_files_yaml(&d.files, &err);
    if (rc == 0) {
        rc = read_files(&d, &err);
    }
    if (rc == 0) {
        rc = check_model(&d, &n_ops, &err);
    }
    if (rc == 0 && ctl->format == CTL_JSON) {
        (void)printf("{\"valid\": true, \"name\": \"%s\", \"devices\": %zu, "
                     "\"ops\": %zu}\n",
                     d.files.cluster->name, d.files.cluster->n_devices, n_ops);
    } else if (rc == 0) {
        (void)printf("%s is valid: deployment %s, %zu devices, a model of %zu "
                     "ops\n",
                     d.files.path, d.files.cluster->name,
                     d.files.cluster->n_devices, n_ops);
    }
    deploy_release(&d);
    return rc < 0 ? deploy_fail(&err, rc) : CTL_OK;
}
