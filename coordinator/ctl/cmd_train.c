/* edgectl train, evaluate. */
#include "coordinator/ctl/cluster_files.h"
#include "coordinator/ctl/deploy.h"
#include "coordinator/ctl/fetch.h"
#include "coordinator/ctl/model_file.h"
#include "coordinator/ctl/show.h"
#include "coordinator/ctl/train.h"

#include "base/limits.h"
#include "base/mem.h"
#include "wire/convert.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define WAIT_MS 600000 /* without a word: a long install */

struct train {
    bool resume;
    bool stop;
    bool evaluates;
    const char *out;            /* NULL: after the model's file */
    struct cluster_files files; /* path NULL: looks on */
    char *data_path;
    char *test_path;           /* NULL: beside the training part */
    char name[LIMIT_NAME + 1]; /* of the training, once it is known */
    struct client *client;
    struct progress progress;
    struct train_print print;
};

static void release(struct train *t)
{
    progress_end(&t->progress);
    client_close(t->client);
    cluster_files_release(&t->files);
    mem_free(t->data_path);
    mem_free(t->test_path);
}

/* ---- files --------------------------------------------------------------- */

static int read_yaml(struct train *t, struct err *err)
{
    int rc = cluster_files_yaml(&t->files, err);

    if (rc == 0 && t->files.cluster->training.data.train == NULL) {
        rc = err_set(err, EDGE_ECONFIG,
                     "%s says nothing of training. Add, for example:  "
                     "training: {data: pictures/, epochs: 5}",
                     t->files.path);
    }
    return rc;
}

static int read_files(struct train *t, struct err *err)
{
    const struct cluster_data *data;
    int rc = read_yaml(t, err);

    if (rc < 0) {
        return rc;
    }
    data = &t->files.cluster->training.data;
    (void)snprintf(t->name, sizeof(t->name), "%s", t->files.cluster->name);
    t->data_path = cluster_resolve_path(t->files.path, data->train);
    t->test_path = data->test != NULL
                       ? cluster_resolve_path(t->files.path, data->test)
                       : NULL;
    if (t->data_path == NULL || (data->test != NULL && t->test_path == NULL)) {
        return err_set(err, EDGE_ENOMEM, "out of memory");
    }
    return cluster_files_model(&t->files, NULL, err);
}

/* ---- asking -------------------------------------------------------------- */

static int send_train(struct train *t, Edged__Train *message, struct err *err)
{
    Edged__Envelope env = EDGED__ENVELOPE__INIT;

    message->training = t->name;
    env.body_case = EDGED__ENVELOPE__BODY_TRAIN;
    env.train = message;
    return client_send(t->client, &env, NULL, 0, err);
}

static void fill_ref(Edged__BlobRef *ref, const struct train_set *set)
{
    ref->digest = convert_digest_out(&set->manifest);
    ref->size = set->size;
}

static int send_part(struct train *t, enum dataset_part part,
                     struct train_set *set, struct err *err)
{
    bool is_apart = part == DATASET_TEST && t->test_path != NULL;
    struct origin_place place = {
        .path = is_apart ? t->test_path : t->data_path,
        .format = (enum dataset_format)t->files.cluster->training.data.format,
        .part = part,
        .is_whole = is_apart,
    };

    return train_data_send(t->client, &place, set, &t->progress, err);
}

/* Sent again after a loss, and asked for in the same words, nothing is
 * trained twice: what is there is not sent, and what runs is not begun. */
static int send_all(struct train *t, struct err *err)
{
    Edged__Train message = EDGED__TRAIN__INIT;
    Edged__BlobRef train_ref = EDGED__BLOB_REF__INIT;
    Edged__BlobRef test_ref = EDGED__BLOB_REF__INIT;
    struct train_set train = {0};
    struct train_set test = {0};
    struct digest model;
    struct digest yaml;
    int rc = send_part(t, DATASET_TRAIN, &train, err);

    if (rc == 0) {
        rc = send_part(t, DATASET_TEST, &test, err);
    }
    if (rc == 0 && t->evaluates && test.size == 0) {
        rc = err_set(err, EDGE_ENOENT,
                     "%s has no part for testing (test/ beside train/, or "
                     "t10k-*, or test_batch.bin)",
                     t->data_path);
    }
    if (rc == 0) {
        rc = client_put(t->client, t->files.model, &model, NULL, NULL, NULL,
                        err);
    }
    if (rc == 0) {
        rc = client_put(t->client, t->files.yaml, &yaml, NULL, NULL, NULL, err);
    }
    if (rc < 0) {
        return rc;
    }
    progress_end(&t->progress);
    fill_ref(&train_ref, &train);
    fill_ref(&test_ref, &test);
    message.manifest = &train_ref;
    message.test = test.size > 0 ? &test_ref : NULL;
    message.model = convert_digest_out(&model);
    message.yaml = convert_digest_out(&yaml);
    message.yaml_name = (char *)(uintptr_t)t->files.path;
    message.model_name = (char *)(uintptr_t)cluster_files_model_name(&t->files);
    message.evaluate = t->evaluates;
    return send_train(t, &message, err);
}

static int send_resume(struct train *t, struct err *err)
{
    Edged__Train message = EDGED__TRAIN__INIT;
    struct digest yaml;
    int rc = client_put(t->client, t->files.yaml, &yaml, NULL, NULL, NULL, err);

    message.resume = true;
    message.yaml = convert_digest_out(&yaml);
    message.yaml_name = (char *)(uintptr_t)t->files.path;
    return rc < 0 ? rc : send_train(t, &message, err);
}

static int send_watch(struct train *t, struct err *err)
{
    Edged__Train message = EDGED__TRAIN__INIT;

    message.watch = true;
    message.stop = t->stop;
    return send_train(t, &message, err);
}

/* ---- waiting ------------------------------------------------------------- */

static int look_again(struct train *t, struct err *err)
{
    int rc;

    train_print_clear(&t->print);
    if (!t->print.ctl->quiet) {
        (void)fprintf(stderr, "the coordinator went away; the training goes "
                              "on when it is back\n");
    }
    rc = client_again(t->client, CTL_PATIENCE_MS, err);
    if (rc < 0) {
        return err_wrap(err, rc, "later:  edgectl train --watch -m %s",
                        t->name);
    }
    return send_watch(t, err);
}

static int take(struct train *t, const struct msg *msg, bool *ends,
                struct err *err)
{
    const Edged__TrainProgress *p = msg->env->train_progress;

    *ends = msg->env->body_case == EDGED__ENVELOPE__BODY_TRAIN_REPLY;
    if (*ends || msg->env->body_case != EDGED__ENVELOPE__BODY_TRAIN_PROGRESS) {
        return 0;
    }
    (void)snprintf(t->name, sizeof(t->name), "%s", p->training);
    return train_print_progress(&t->print, p, err);
}

/* Until the reply, which is for msg_deinit(). */
static int await(struct train *t, struct msg *msg, struct err *err)
{
    const struct ctl *ctl = t->print.ctl;
    int wait_ms = ctl->timeout_ms > 0 ? ctl->timeout_ms : WAIT_MS;
    bool ends = false;

    for (;;) {
        int rc = client_receive(t->client, wait_ms, msg, err);

        if (rc == EDGE_ECLOSED && t->name[0] != '\0') {
            rc = look_again(t, err);
            if (rc == 0) {
                continue;
            }
        }
        if (rc < 0) {
            return rc;
        }
        rc = take(t, msg, &ends, err);
        if (rc == 0 && ends) {
            return 0;
        }
        msg_deinit(msg);
        if (rc < 0) {
            return rc;
        }
    }
}

static int refuse(const Edged__TrainReply *reply, struct err *err)
{
    if (reply->code == EDGE_ECONFIG && strchr(reply->text, '\n') != NULL) {
        (void)fputs(reply->text, stderr); /* as if it had been found here */
        err->text[0] = '\0';
        return reply->code;
    }
    if (reply->code == EDGE_ECANCELED) {
        return err_set(err, reply->code,
                       "%s was stopped after %llu steps; nothing is lost. Go "
                       "on:  edgectl train CONFIG --resume",
                       reply->training, (unsigned long long)reply->steps);
    }
    return err_set(err, reply->code, "%s", reply->text);
}

/* ---- the model ----------------------------------------------------------- */

/* "lenet.onnx" becomes "lenet-trained.onnx", in the folder that is current. */
static char *out_path(const struct train *t, const char *training)
{
    const char *name = t->files.model_path != NULL
                           ? cluster_files_model_name(&t->files)
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
        rc = fetch_file(t->client, &digest, &blob, err);
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
    int rc = reply->code < 0 ? refuse(reply, err) : 0;

    train_print_clear(&t->print);
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
        rc = train_print_end(&t->print, reply, path, curve, err);
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
    int rc = t->files.path != NULL ? read_files(t, err) : 0;

    if (rc == 0) {
        rc = ctl_connect(ctl, &t->client, err);
    }
    if (rc == 0) {
        rc = looks_on    ? send_watch(t, err)
             : t->resume ? send_resume(t, err)
                         : send_all(t, err);
    }
    if (rc == 0) {
        rc = await(t, &msg, err);
    }
    if (rc == 0) {
        rc = end(t, &msg, err);
        msg_deinit(&msg);
    }
    train_print_clear(&t->print);
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

    ctl_parse(ctl, t->evaluates ? NULL : parse, t, argc, argv, &first);
    rc = show_check_format(ctl);
    if (rc != CTL_OK) {
        return rc;
    }
    ctl_limit(ctl);
    if (first < argc || (!ctl->watch && !t->stop)) {
        if (!deploy_one_file(ctl, argc, first)) {
            return CTL_USAGE;
        }
        t->files.path = argv[first];
    }
    (void)snprintf(t->name, sizeof(t->name), "%s", ctl->model);
    ctl_catch_interrupt();
    progress_init(&t->progress, ctl);
    train_print_init(&t->print, ctl);
    rc = run(ctl, t, &err);
    release(t);
    return rc < 0 ? deploy_fail(&err, rc) : CTL_OK;
}

int cmd_train(struct ctl *ctl, int argc, char **argv)
{
    struct train t = {.files.outcome = "nothing was changed"};

    return begin(ctl, &t, argc, argv);
}

int cmd_evaluate(struct ctl *ctl, int argc, char **argv)
{
    struct train t = {.files.outcome = "nothing was changed",
                      .evaluates = true};

    return begin(ctl, &t, argc, argv);
}
