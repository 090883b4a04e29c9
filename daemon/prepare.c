/*
 * Makes an epoch ready to run, off the loop: its shards are read from the
 * store (each blob verified again), planned, and the Install message is kept
 * (kept.c).
 */
#include "daemon/train.h"

#include "base/failpoint.h"
#include "base/mem.h"
#include "graph/infer.h"
#include "onnx/import.h"

/* The loop reads the epoch's shards meanwhile: what is made is kept here, and
 * becomes theirs on the loop. */
struct prepared {
    bool is_wanted; /* not another epoch's, which has it already */
    struct plan *plan;
    struct train_made *train; /* instead of a plan */
    uint32_t pace_us;
};

struct prepare_job {
    struct io_work work;
    struct epoch *epoch;
    struct store *store;
    struct prepared *shards;  /* one for each of the epoch's */
    const struct paced *pace; /* NULL: none */
    char *path;               /* epochs/NUMBER */
    bool sync;
    void (*done)(struct epoch *epoch);
};

static int open_external(void *arg, const char *location, struct blob **blob,
                         struct err *err)
{
    struct digest digest;

    if (!digest_parse(location, &digest)) {
        return err_set(err, EDGE_ECORRUPT, "\"%s\" is not a digest", location);
    }
    return store_map(arg, &digest, true, blob, err);
}

/* How long runs are to take: from the shapes as the planner saw them. */
static int read_pace(const struct paced *pace, struct graph *graph,
                     uint32_t *us, struct err *err)
{
    int rc = pace != NULL ? infer_graph(graph, err) : 0;

    if (rc == 0 && pace != NULL) {
        *us = paced_us(pace, graph);
    }
    return rc;
}

static int plan_shard(struct prepare_job *job, const struct hosted *shard,
                      struct prepared *made, struct err *err)
{
    struct graph *graph = NULL;
    struct blob *model = NULL;
    struct store *store = job->store;
    int rc;

    rc = store_map(store, &shard->model, true, &model, err);
    if (rc < 0) {
        goto out;
    }
    rc = import_blob(model, shard->name, open_external, store, &graph, err);
    if (rc < 0) {
        goto out;
    }
    rc = read_pace(job->pace, graph, &made->pace_us, err);
    if (rc < 0) {
        goto out;
    }
    rc = plan_make(graph, &made->plan, err);
    if (rc < 0) {
        goto out;
    }
    if (plan_n_inputs(made->plan) != shard->n_inputs ||
        plan_n_outputs(made->plan) != shard->n_outputs) {
        rc = err_set(err, EDGE_ECORRUPT, "its model has other ports");
    }
out:
    graph_free(graph);
    blob_unref(model);
    return rc < 0 ? err_wrap(err, rc, "shard %s", shard->name) : 0;
}

static int make_shard(struct prepare_job *job, const struct hosted *shard,
                      struct prepared *made, struct err *err)
{
    int rc;

    if (shard->train == NULL) {
        return plan_shard(job, shard, made, err);
    }
    rc = train_make(job->store, shard->train, job->pace, &made->train, err);
    return rc < 0 ? err_wrap(err, rc, "shard %s", shard->name) : 0;
}

/* One blob is damaged, so that others may be as well: all of those that are
 * leave the store now, and are sent again together. */
static void sift(struct store *store, const struct epoch *epoch)
{
    struct blob *blob;
    struct err err;

    for (size_t i = 0; i < epoch->n_shards; i++) {
        const struct hosted *shard = &epoch->shards[i];

        if (store_map(store, &shard->model, true, &blob, &err) == 0) {
            blob_unref(blob);
        }
        for (size_t k = 0; k < shard->n_blobs; k++) {
            if (store_map(store, &shard->blobs[k], true, &blob, &err) == 0) {
                blob_unref(blob);
            }
        }
    }
}

static void on_run(struct io_work *work)
{
    struct prepare_job *job = container_of(work, struct prepare_job, work);
    struct epoch *epoch = job->epoch;

    epoch->rc = 0;
    FAILPOINT("prepare.before");
    for (size_t i = 0; i < epoch->n_shards && epoch->rc == 0; i++) {
        if (job->shards[i].is_wanted) {
            epoch->rc = make_shard(job, &epoch->shards[i], &job->shards[i],
                                   &epoch->why);
        }
    }
    if (epoch->rc == EDGE_ECORRUPT) {
        sift(job->store, epoch);
    }
    /* A training goes on from a checkpoint, not from what a board was told
     * before it began anew. */
    if (epoch->rc == 0 && epoch->recipes == NULL) {
        epoch->rc = kept_write(job->path, epoch->message, epoch->message_size,
                               job->sync, &epoch->why);
    }
    mem_trim(); /* what reading and packing took */
}

static void job_free(struct prepare_job *job, size_t n_shards)
{
    if (job == NULL) {
        return;
    }
    for (size_t i = 0; job->shards != NULL && i < n_shards; i++) {
        plan_free(job->shards[i].plan);
        train_made_free(job->shards[i].train);
    }
    mem_free(job->shards);
    mem_free(job->path);
    mem_free(job);
}

void prepare_drop(struct epoch *epoch)
{
    job_free(epoch->job, epoch->n_shards);
    epoch->job = NULL;
}

static void say_pace(const struct epoch *epoch, const struct hosted *shard)
{
    if (epoch->daemon->pace != NULL) {
        log_event(epoch->daemon->log, LOG_INFO, "pace.shard", "shard=%s us=%u",
                  shard->name, shard->pace_us);
    }
}

/* Only whole: an epoch that cannot run holds nothing of its own. */
static void take_plans(struct epoch *epoch, struct prepared *made)
{
    for (size_t i = 0; i < epoch->n_shards && epoch->rc == 0; i++) {
        if (made[i].train != NULL) {
            train_take(&epoch->shards[i], made[i].train);
            made[i].train = NULL;
        } else if (made[i].is_wanted) {
            epoch->shards[i].plan = made[i].plan;
            epoch->shards[i].pace_us = made[i].pace_us;
            say_pace(epoch, &epoch->shards[i]);
            made[i].plan = NULL;
        }
    }
}

static void on_done(struct io_work *work)
{
    struct prepare_job *job = container_of(work, struct prepare_job, work);
    struct epoch *epoch = job->epoch;
    void (*done)(struct epoch *) = job->done;

    take_plans(epoch, job->shards);
    prepare_drop(epoch);
    done(epoch);
}

static struct prepare_job *job_new(const struct epoch *epoch)
{
    struct prepare_job *job = mem_new(struct prepare_job);

    if (job == NULL) {
        return NULL;
    }
    job->path =
        mem_printf("%s/epochs/%u", epoch->daemon->folder, epoch->number);
    job->shards = mem_array(struct prepared, epoch->n_shards);
    if (job->path == NULL || job->shards == NULL) {
        job_free(job, epoch->n_shards);
        return NULL;
    }
    for (size_t i = 0; i < epoch->n_shards; i++) {
        job->shards[i].is_wanted = epoch->shards[i].plan == NULL;
    }
    return job;
}

void prepare_start(struct epoch *epoch, void (*done)(struct epoch *epoch))
{
    struct daemon *d = epoch->daemon;
    struct prepare_job *job = job_new(epoch);

    epoch->state = EPOCH_PLANNING;
    if (job == NULL) {
        epoch->rc = err_set(&epoch->why, EDGE_ENOMEM, "out of memory");
        done(epoch);
        return;
    }
    epoch->job = job;
    job->epoch = epoch;
    job->store = d->store;
    job->pace = d->pace;
    job->sync = (d->store_flags & STORE_NO_SYNC) == 0;
    job->done = done;
    job->work.run = on_run;
    job->work.done = on_done;
    job->work.cost_us = 50000;
    io_work(d->io, IO_DISK, &job->work);
}
