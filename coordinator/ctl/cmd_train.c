/* edgectl train. */
#include "coordinator/ctl/deploy.h"
#include "coordinator/ctl/fetch.h"
#include "coordinator/ctl/model_file.h"
#include "coordinator/ctl/show.h"
#include "coordinator/ctl/train_ask.h"

#include "base/limits.h"
#include "base/mem.h"
#include "wire/convert.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

struct train {
    struct train_ask ask; /* without files: looks on */
    bool resume;
    bool stop;
    const char *out; /* NULL: after the model's file */
};

/* ---- asking -------------------------------------------------------------- */

static int send_resume(struct train *t, struct err *err)
{
    Edged__Train message = EDGED__TRAIN__INIT;
    struct digest yaml;
    int rc = client_put(t->ask.client, t->ask.files.yaml, &yaml, NULL, NULL,
                        NULL, err);

    message.resume = true;
    message.yaml = convert_digest_out(&yaml);
    message.yaml_name = (char *)(uintptr_t)t->ask.files.path;
    return rc < 0 ? rc : train_ask_send(&t->ask, &message, err);
}

static int send_all(struct train *t, struct err *err)
{
    int rc = train_ask_put(&t->ask, err);

    return rc < 0 ? rc : train_ask_begin(&t->ask, 0, false, err);
}

/* ---- the model ----------------------------------------------------------- */

/* "lenet.onnx" becomes "lenet-trained.onnx", in the folder that is current. */
static char *out_path(const struct train *t, const char *training)
{
    const char *name = t->ask.files.model_path != NULL
                           ? cluster_files_model_name(&t->ask.files)
                           : training;

    if (t->out != NULL) {
        return mem_strdup(t->out);
    }
    return mem_printf("%.*s-trained.onnx", model_file_stem(name), name);
}

static int write_file(const char *path, const struct blob *blob,
                      struct err *err)
{
    FILE *file = fopen(path, "wb");
    bool fine =
        file != NULL && fwrite(blob->data, 1, blob->size, file) == blob->size;

    if (file != NULL && fclose(file) != 0) {
        fine = false;
    }
    return fine ? 0
                : err_set(err, err_from_errno(errno),
                          "cannot write %s: %s. The model is kept: edgectl "
                          "train --watch --file PATH",
                          path, strerror(errno));
}

static int write_model(struct train *t, const Edged__TrainReply *reply,
                       char **path, struct err *err)
{
    struct blob *blob = NULL;
    struct digest digest;
    int rc = convert_digest_in(&reply->model->digest, &digest, err);

    if (rc == 0) {
        rc = fetch_file(t->ask.client, &digest, &blob, err);
    }
    if (rc == 0) {
        *path = out_path(t, reply->training);
        rc = *path == NULL ? err_set(err, EDGE_ENOMEM, "out of memory")
                           : write_file(*path, blob, err);
    }
    blob_unref(blob);
    return rc;
}

/* "lenet-trained.svg" beside "lenet-trained.onnx". That it cannot be written
 * is no reason to fail what has been trained. */
static int write_curve(const Edged__TrainReply *reply, const char *model,
                       char **path, struct err *err)
{
    if (reply->n_passes == 0) {
        return 0;
    }
    *path = mem_printf("%.*s.svg", model_file_stem(model), model);
    if (*path == NULL) {
        return err_set(err, EDGE_ENOMEM, "out of memory");
    }
    if (train_curve_write(reply, *path, err) < 0) {
        (void)fprintf(stderr, "no curve: %s\n", err->text);
        mem_free(*path);
        *path = NULL;
    }
    return 0;
}

static int end(struct train *t, const struct msg *msg, struct err *err)
{
    const Edged__TrainReply *reply = msg->env->train_reply;
    char *path = NULL;
    char *curve = NULL;
    int rc = reply->code < 0 ? train_ask_refuse(reply, err) : 0;

    train_print_clear(&t->ask.print);
    if (rc == EDGE_ECANCELED && t->stop) {
        (void)fprintf(stderr, "%s\n", err->text);
        return 0; /* as was asked for */
    }
    if (rc == 0 && reply->model != NULL) {
        rc = write_model(t, reply, &path, err);
    }
    if (rc == 0 && path != NULL) {
        rc = write_curve(reply, path, &curve, err);
    }
    if (rc == 0) {
        rc = train_print_end(&t->ask.print, reply, path, curve, err);
    }
    mem_free(path);
    mem_free(curve);
    return rc;
}

/* ---- the verbs ----------------------------------------------------------- */

static int run(struct ctl *ctl, struct train *t, struct err *err)
{
    struct msg msg;
    bool looks_on = ctl->watch || t->stop;
    int rc = t->ask.files.path != NULL ? train_ask_read(&t->ask, err) : 0;

    if (rc == 0) {
        rc = ctl_connect(ctl, &t->ask.client, err);
    }
    if (rc == 0) {
        rc = looks_on    ? train_ask_watch(&t->ask, t->stop, err)
             : t->resume ? send_resume(t, err)
                         : send_all(t, err);
    }
    if (rc == 0) {
        rc = train_ask_await(&t->ask, &msg, err);
    }
    if (rc == 0) {
        rc = end(t, &msg, err);
        msg_deinit(&msg);
    }
    train_print_clear(&t->ask.print);
    return rc;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct train *t = state->input;

    switch (key) {
    case 'R': t->resume = true; return 0;
    case 'S': t->stop = true; return 0;
    case 'f': t->out = arg; return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}

static int begin(struct ctl *ctl, struct train *t, int argc, char **argv)
{
    struct err err;
    int first;
    int rc;

    ctl_parse(ctl, parse, t, argc, argv, &first);
    rc = show_check_format(ctl);
    if (rc != CTL_OK) {
        return rc;
    }
    ctl_limit(ctl);
    if (first < argc || (!ctl->watch && !t->stop)) {
        if (!deploy_one_file(ctl, argc, first)) {
            return CTL_USAGE;
        }
        t->ask.files.path = argv[first];
    }
    (void)snprintf(t->ask.name, sizeof(t->ask.name), "%s", ctl->model);
    ctl_catch_interrupt();
    progress_init(&t->ask.progress, ctl);
    train_print_init(&t->ask.print, ctl);
    rc = run(ctl, t, &err);
    train_ask_release(&t->ask);
    return rc < 0 ? deploy_fail(&err, rc) : CTL_OK;
}

int cmd_train(struct ctl *ctl, int argc, char **argv)
{
    struct train t = {.ask.files.outcome = "nothing was changed"};

    return begin(ctl, &t, argc, argv);
}
