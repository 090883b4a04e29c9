/* How a training is asked for, watched, stopped and taken up again. */
#include "coordinator/train/trainer.h"

#include "coordinator/asked.h"

#include "base/mem.h"
#include "wire/convert.h"

#include <stdio.h>
#include <string.h>

static struct trainer *entry(struct list *it)
{
    return list_entry(it, struct trainer, link);
}

static int copy_bytes(const ProtobufCBinaryData *from, ProtobufCBinaryData *to)
{
    to->data = mem_dup(from->data, from->len);
    to->len = to->data != NULL ? from->len : 0;
    return to->data != NULL ? 0 : EDGE_ENOMEM;
}

/* Digests are checked here once. */
static int fill_kept(Edged__KeptTraining *kept, const Edged__Train *from,
                     struct err *err)
{
    struct digest digest;
    int rc = convert_digest_in(&from->yaml, &digest, err);

    if (rc == 0) {
        rc = convert_digest_in(&from->model, &digest, err);
    }
    if (rc == 0) {
        rc = train_ref_read(from->manifest, &digest, err);
    }
    if (rc == 0 && from->test != NULL) {
        rc = train_ref_read(from->test, &digest, err);
    }
    if (rc < 0) {
        return rc;
    }
    kept->evaluates = from->evaluate;
    kept->absent = from->evaluate ? from->absent : 0;
    kept->grey = from->evaluate && from->grey;
    kept->train = train_ref_copy(from->manifest);
    kept->test = from->test != NULL ? train_ref_copy(from->test) : NULL;
    if (kept->train == NULL || (from->test != NULL && kept->test == NULL) ||
        copy_bytes(&from->yaml, &kept->yaml) < 0 ||
        copy_bytes(&from->model, &kept->model) < 0 ||
        convert_set_text(&kept->yaml_name, from->yaml_name) < 0 ||
        convert_set_text(&kept->model_name, from->model_name) < 0) {
        return err_set(err, EDGE_ENOMEM, "out of memory");
    }
    return 0;
}

/* An evaluation is not the training of that name, which may be kept. */
static int set_name(struct trainer *t, struct err *err)
{
    char name[LIMIT_NAME + 1];

    (void)snprintf(
        name, sizeof(name), t->kept->evaluates ? "%.*s-evaluation" : "%.*s",
        t->kept->evaluates ? LIMIT_NAME - 11 : LIMIT_NAME, t->cluster->name);
    return convert_set_text(&t->kept->name, name) < 0
               ? err_set(err, EDGE_ENOMEM, "out of memory")
               : 0;
}

static int begin_new(struct trainer *t, const Edged__Train *from, char **text,
                     struct err *err)
{
    int rc = fill_kept(t->kept, from, err);

    if (rc == 0) {
        rc = trainer_read_cluster(t, text, err);
    }
    if (rc == 0) {
        rc = set_name(t, err);
    }
    if (rc == 0) {
        rc = trainer_dial(t, err);
    }
    if (rc == 0 && trainer_make_job(t) < 0) {
        rc = err_set(err, EDGE_ENOMEM, "out of memory");
    }
    return rc;
}

/* Of evaluations nothing is kept. */
static void drop_evaluations(struct coordinator *c)
{
    list_each(&c->trainers, it, after)
    {
        if (trainer_is_over(entry(it)) && entry(it)->kept->evaluates &&
            !trainer_has_strand(entry(it))) {
            trainer_free(entry(it));
        }
    }
}

/* The one that has been known longest of those that came to their end: there
 * is nothing left to be done with it. NULL: none did. */
static struct trainer *find_ended(struct coordinator *c, size_t *n)
{
    struct trainer *found = NULL;

    *n = 0;
    list_each(&c->trainers, it, after)
    {
        struct trainer *t = entry(it);

        (*n)++;
        if (found == NULL && trainer_is_over(t) && t->kept->ended &&
            !trainer_has_strand(t)) {
            found = t;
        }
    }
    return found;
}

/* One of the same name that is over, or else the oldest that ended where there
 * are as many as there can be; one that runs, or can be resumed, does not. */
static int make_way(struct coordinator *c, struct trainer *t, struct err *err)
{
    const char *name = t->kept->name;
    struct trainer *ended;
    struct trainer *old;
    size_t n;

    drop_evaluations(c);
    old = trainer_find(c, name);
    if (old != NULL && (!trainer_is_over(old) || trainer_has_strand(old))) {
        return err_set(err, EDGE_EBUSY,
                       "%s is being trained. Look at it: edgectl train "
                       "--watch     End it: edgectl train --stop",
                       name);
    }
    ended = find_ended(c, &n);
    if (old == NULL && n >= LIMIT_DEPLOYMENTS) {
        if (ended == NULL) {
            return err_set(err, EDGE_EBUSY,
                           "%zu trainings run or wait to be resumed, which is "
                           "the most there can be. A file with the name of one "
                           "that waits takes its place",
                           n);
        }
        t->forgets = mem_strdup(ended->kept->name);
        if (t->forgets == NULL) {
            return err_set(err, EDGE_ENOMEM, "out of memory");
        }
        old = ended;
    }
    if (old != NULL) {
        trainer_free(old);
    }
    return 0;
}

static void watch(struct trainer *t, struct io_peer *peer)
{
    for (size_t i = 0; i < TRAINER_WATCHERS; i++) {
        if (t->watchers[i] == NULL || t->watchers[i] == peer) {
            t->watchers[i] = peer;
            return;
        }
    }
    trainer_refuse(peer, EDGE_EBUSY, "too many watch this training");
}

static void begin(struct coordinator *c, struct io_peer *peer,
                  const Edged__Train *from)
{
    struct trainer *t = trainer_new(c);
    char *text = NULL;
    struct err err;
    int rc = t == NULL ? err_set(&err, EDGE_ENOMEM, "out of memory")
                       : begin_new(t, from, &text, &err);

    if (rc == 0) {
        rc = make_way(c, t, &err);
    }
    if (rc < 0) {
        trainer_refuse(peer, rc, text != NULL ? text : err.text);
        if (t != NULL) {
            trainer_free(t);
        }
    } else {
        list_push(&c->trainers, &t->link);
        trainer_to(t, TRAINER_PLANNING);
        watch(t, peer);
        trainer_say(t, "plan", "");
        train_job_start(c->io, t->job);
    }
    mem_free(text); /* of open_memstream(), which is malloc's */
}

/* ---- again --------------------------------------------------------------- */

static void go_on(struct trainer *t, struct io_peer *peer)
{
    t->kept->stopped = false;
    t->kept->ended = false;
    t->stops = false;
    t->fails = 0;
    t->retry_us = 0;
    t->epoch = 0; /* who is there is waited for as at first */
    trainer_to(t, TRAINER_WAITING);
    watch(t, peer);
    trainer_say(t, "resume", "");
    train_poke(t->c);
}

/* The same training once more: what is kept of it decides what is learnt, the
 * file how long. */
static int take_file(struct trainer *t, const Edged__Train *from, char **text,
                     struct err *err)
{
    struct cluster *cluster = NULL;
    struct digest yaml;
    int rc = convert_digest_in(&from->yaml, &yaml, err);

    if (rc == 0) {
        rc = asked_read(t->c, &yaml, from->yaml_name, &cluster, text, err);
    }
    if (rc == 0 && cluster->n_devices != t->cluster->n_devices) {
        cluster_free(cluster);
        return err_set(err, EDGE_ECONFIG,
                       "%s has other devices than when %s began. Without "
                       "--resume it begins anew",
                       from->yaml_name, t->kept->name);
    }
    if (rc < 0) {
        return rc;
    }
    mem_free(t->kept->yaml.data);
    t->kept->yaml.len = 0;
    t->kept->yaml.data = NULL;
    cluster_free(t->cluster);
    t->cluster = cluster;
    t->job->cluster = cluster;
    trainer_set_up(t);
    return copy_bytes(&from->yaml, &t->kept->yaml) < 0
               ? err_set(err, EDGE_ENOMEM, "out of memory")
               : trainer_dial(t, err);
}

/* --resume CONFIG: by the name that the file has. */
static void resume(struct coordinator *c, struct io_peer *peer,
                   const Edged__Train *from)
{
    struct trainer *t = trainer_find(c, from->training);
    char *text = NULL;
    struct err err;
    int rc = 0;

    if (t == NULL || t->kept->n_checkpoints == 0) {
        rc = err_set(&err, EDGE_ENOENT,
                     "there is no training of %s to go on with. Try: edgectl "
                     "train %s",
                     from->training, from->yaml_name);
    } else if (!trainer_is_over(t)) {
        watch(t, peer);
        trainer_say(t, "resume", "it is under way");
        return;
    } else if (trainer_has_strand(t)) {
        rc = err_set(&err, EDGE_EBUSY, "it is just ending. Try again");
    } else {
        rc = take_file(t, from, &text, &err);
    }
    if (rc < 0) {
        trainer_refuse(peer, rc, text != NULL ? text : err.text);
    } else {
        go_on(t, peer);
    }
    mem_free(text);
}

static int find_one(struct coordinator *c, const char *name,
                    struct trainer **out, struct err *err)
{
    struct trainer *t = name[0] != '\0' ? trainer_find(c, name) : NULL;
    struct trainer *running = NULL;
    size_t n = 0;

    list_each(&c->trainers, it, after)
    {
        n += !trainer_is_over(entry(it));
        running = running == NULL || !trainer_is_over(entry(it)) ? entry(it)
                                                                 : running;
    }
    if (name[0] == '\0' && n > 1) {
        return err_set(err, EDGE_EINVAL,
                       "several trainings run. Choose one: -m NAME");
    }
    t = name[0] == '\0' ? running : t;
    if (t == NULL) {
        return err_set(err, EDGE_ENOENT,
                       "nothing is being trained. Try: edgectl train "
                       "cluster.yaml");
    }
    *out = t;
    return 0;
}

static void stop(struct trainer *t)
{
    t->stops = true;
    if (t->phase == TRAINER_WAITING || t->phase == TRAINER_NUMBERING ||
        t->phase == TRAINER_INSTALLING) {
        trainer_finish(t, EDGE_ECANCELED, "");
    }
}

static void look_on(struct coordinator *c, struct io_peer *peer,
                    const Edged__Train *from)
{
    struct trainer *t = NULL;
    struct err err;
    int rc = find_one(c, from->training, &t, &err);

    if (rc < 0) {
        trainer_refuse(peer, rc, err.text);
        return;
    }
    if (trainer_is_over(t)) {
        trainer_reply(t, peer,
                      t->kept->ended                ? 0
                      : t->kept->failure[0] != '\0' ? EDGE_EUNAVAILABLE
                                                    : EDGE_ECANCELED,
                      t->kept->failure);
        return;
    }
    watch(t, peer);
    trainer_say(t, t->phase == TRAINER_STEPPING ? "step" : "install", "");
    if (from->stop) {
        stop(t);
    }
}

void train_on_request(struct coordinator *c, struct io_peer *peer,
                      struct msg *msg)
{
    const Edged__Train *from = msg->env->train;

    if (leave_refuses(c)) {
        trainer_refuse(peer, EDGE_ECLOSED,
                       "the coordinator is stopping. Try again in a moment");
    } else if (from->watch || from->stop) {
        look_on(c, peer, from);
    } else if (from->resume) {
        resume(c, peer, from);
    } else {
        begin(c, peer, from);
    }
}

void train_client_gone(struct coordinator *c, const struct io_peer *peer)
{
    list_each(&c->trainers, it, after)
    {
        for (size_t i = 0; i < TRAINER_WATCHERS; i++) {
            if (entry(it)->watchers[i] == peer) {
                entry(it)->watchers[i] = NULL;
            }
        }
    }
}
