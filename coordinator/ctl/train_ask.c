/* What edgectl train, evaluate and exits ask the coordinator, and wait for. */
#include "coordinator/ctl/train_ask.h"

#include "coordinator/ctl/cluster_files.h"
#include "coordinator/ctl/show.h"

#include "base/limits.h"
#include "base/mem.h"
#include "wire/convert.h"

#include <stdio.h>
#include <string.h>

#define WAIT_MS 600000 /* without a word: a long install */

void train_ask_release(struct train_ask *t)
{
    progress_end(&t->progress);
    client_close(t->client);
    cluster_files_release(&t->files);
    mem_free(t->data_path);
    mem_free(t->test_path);
}

/* ---- files --------------------------------------------------------------- */

static int read_yaml(struct train_ask *t, struct err *err)
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

int train_ask_read(struct train_ask *t, struct err *err)
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

int train_ask_send(struct train_ask *t, Edged__Train *message, struct err *err)
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

static int send_part(struct train_ask *t, enum dataset_part part,
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

int train_ask_put(struct train_ask *t, struct err *err)
{
    int rc = send_part(t, DATASET_TRAIN, &t->train, err);

    if (rc == 0) {
        rc = send_part(t, DATASET_TEST, &t->test, err);
    }
    if (rc == 0 && t->evaluates && t->test.size == 0) {
        rc = err_set(err, EDGE_ENOENT,
                     "%s has no part for testing (test/ beside train/, or "
                     "t10k-*, or test_batch.bin)",
                     t->data_path);
    }
    if (rc == 0) {
        rc = client_put(t->client, t->files.model, &t->model, NULL, NULL, NULL,
                        err);
    }
    if (rc == 0) {
        rc = client_put(t->client, t->files.yaml, &t->yaml, NULL, NULL, NULL,
                        err);
    }
    progress_end(&t->progress);
    return rc;
}

/* Asked for again in the same words after a loss, nothing is trained twice:
 * what is there is not sent, and what runs is not begun. */
int train_ask_begin(struct train_ask *t, uint64_t absent, bool is_grey,
                    struct err *err)
{
    Edged__Train message = EDGED__TRAIN__INIT;
    Edged__BlobRef train_ref = EDGED__BLOB_REF__INIT;
    Edged__BlobRef test_ref = EDGED__BLOB_REF__INIT;

    fill_ref(&train_ref, &t->train);
    fill_ref(&test_ref, &t->test);
    message.manifest = &train_ref;
    message.test = t->test.size > 0 ? &test_ref : NULL;
    message.model = convert_digest_out(&t->model);
    message.yaml = convert_digest_out(&t->yaml);
    message.yaml_name = (char *)(uintptr_t)t->files.path;
    message.model_name = (char *)(uintptr_t)cluster_files_model_name(&t->files);
    message.evaluate = t->evaluates;
    message.absent = absent;
    message.grey = is_grey;
    return train_ask_send(t, &message, err);
}

int train_ask_watch(struct train_ask *t, bool stops, struct err *err)
{
    Edged__Train message = EDGED__TRAIN__INIT;

    message.watch = true;
    message.stop = stops;
    return train_ask_send(t, &message, err);
}

/* ---- waiting ------------------------------------------------------------- */

static int look_again(struct train_ask *t, struct err *err)
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
    return train_ask_watch(t, false, err);
}

static int take(struct train_ask *t, const struct msg *msg, bool *ends,
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
int train_ask_await(struct train_ask *t, struct msg *msg, struct err *err)
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

int train_ask_refuse(const Edged__TrainReply *reply, struct err *err)
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
