/*
 * What a deploy works out off the loop: the model is read, simplified, cut,
 * placed, its shards are put into the store, and its golden answer computed.
 */
#include "coordinator/model_input.h"
#include "coordinator/plan_job.h"
#include "coordinator/profile.h"

#include "base/mem.h"
#include "coordinator/explain.h"
#include "engine/fold.h"
#include "graph/infer.h"
#include "onnx/import.h"

#include <string.h>

#define TRIES 4 /* plans, when shards need more memory than was reckoned */

/* ---- the model ----------------------------------------------------------- */

/* Before this process takes the file apart itself. */
static int ask_guard(const struct plan_job *job, struct err *err)
{
    char hex[DIGEST_HEX];
    char *path;
    int rc;

    digest_hex(&job->model, hex);
    path = mem_printf("%s/%s", store_folder(job->store), hex);
    if (path == NULL) {
        return err_set(err, EDGE_ENOMEM, "out of memory");
    }
    rc = job->guard(path, job->model_name, err);
    mem_free(path);
    return rc;
}

int plan_import(const struct plan_job *job, struct graph **graph, char **input,
                struct err *err)
{
    struct blob *file = NULL;
    int rc = store_map(job->store, &job->model, true, &file, err);

    if (rc == 0 && job->guard != NULL) {
        rc = ask_guard(job, err);
    }
    if (rc == 0) {
        rc = import_blob(file, job->model_name, NULL, NULL, graph, err);
    }
    if (rc == 0 && input != NULL) {
        rc = model_input_take(*graph, job, input, err);
    }
    blob_unref(file);
    return rc;
}

int plan_read_model(const struct plan_job *job, struct graph **graph,
                    char **input, struct err *err)
{
    int rc = plan_import(job, graph, input, err);

    if (rc == 0) {
        rc = fold_prepare(*graph, 1, NULL, 0, err);
        if (rc < 0) {
            rc = err_wrap(err, rc, "%s", job->model_name);
        }
    }
    return rc;
}

static void count_model(struct working *w)
{
    for (size_t i = 0; i < w->graph->n_values; i++) {
        const struct tensor *data = &w->graph->values[i].data;

        if (data->blob != NULL) {
            w->job->weight_bytes += tensor_bytes(data);
            w->job->parameters += (uint64_t)tensor_count(data);
        }
    }
    for (size_t i = 0; i < w->graph->n_ops; i++) {
        struct op_cost cost;

        infer_cost(w->graph, &w->graph->ops[i], &cost);
        w->job->macs += cost.macs;
    }
}

/* ---- all of it
 * -------------------------------------------------------------------- */

static void release(struct working *w)
{
    parts_deinit(&w->parts);
    mem_free(w->pieces);
    graph_free(w->rewritten);
    mem_free(w->codecs);
    mem_free(w->places);
    cost_model_deinit(&w->model);
    profile_deinit(&w->profile);
    graph_free(w->graph);
}

/* Exact cuts answer as the model does; lossy ones as they can. */
static int make_golden(const struct working *w, Edged__Placement *spec,
                       struct err *err)
{
    const struct graph *model =
        w->is_lossy && w->rewritten != NULL ? w->rewritten : w->graph;
    struct chain *chain = NULL;
    int rc = w->is_coded ? plan_chain(w, &chain, err) : 0;

    if (rc == 0) {
        rc = golden_make(w, model, chain, spec, err);
    }
    chain_free(chain);
    return rc;
}

/* The shards of a plan, measured. */
static int try_plan(struct working *w, Edged__Placement *spec, struct err *err)
{
    int rc = plan_stages(w, err);

    if (rc == 0) {
        rc = plan_shards(w, spec, err);
    }
    if (rc == 0) {
        rc = plan_devices(w, spec, err);
    }
    return rc < 0 ? rc : plan_links(w, spec, err);
}

/* Memory is reckoned first and measured then; where a shard turns out to need
 * more than fits, there may be another plan. */
static int find_plan(struct working *w, Edged__Placement *spec, struct err *err)
{
    struct err later;
    int rc = try_plan(w, spec, err);

    for (int i = 0; i < TRIES && rc == EDGE_ENOFIT && w->n_places > 0; i++) {
        int again;

        plan_learn(w);
        plan_shards_undo(w, spec);
        again = try_plan(w, spec, &later);
        if (again != EDGE_ENOFIT) {
            *err = later;
            rc = again;
        }
    }
    return rc;
}

static void predict(struct plan_job *job)
{
    const struct choice_other *alone = &job->choices.others[CHOICE_ALONE];

    job->total_s = job->choices.best.latency_s;
    job->slowest_s = 1 / job->choices.best.throughput;
    job->alone_s = alone->is_possible ? alone->choice.latency_s : 0;
}

static int work_out(struct working *w, Edged__Placement *spec, struct err *err)
{
    int rc;

    rc = plan_read_model(w->job, &w->graph, &spec->input, err);
    if (rc == 0 && w->job->cluster->n_views > 0) {
        rc = plan_tiers_arrange(w, spec, err);
    } else if (rc == 0 && w->job->cluster->n_exits > 0) {
        rc = plan_exits_arrange(w, err);
    }
    if (rc < 0) {
        return rc;
    }
    count_model(w);
    rc = plan_points(w, err);
    if (rc == 0) {
        rc = find_plan(w, spec, err);
    }
    if (rc == 0 && w->job->now != NULL && !w->job->stays) {
        rc = plan_drift_compare(w, err);
    }
    if (rc == 0 && plan_places(w, spec) < 0) {
        rc = err_set(err, EDGE_ENOMEM, "out of memory");
    }
    if (rc == 0 && w->has_tiers) {
        plan_tiers_places(w, spec);
    }
    if (rc == 0) {
        predict(w->job);
        rc = plan_say(w, spec, err);
    }
    if (rc == 0) {
        rc = w->job->state == NULL ||
                     w->job->cluster->rollout.golden == CLUSTER_GOLDEN_NONE
                 ? 0
                 : make_golden(w, spec, err);
    }
    return rc;
}

static Edged__Routing *routing_of(const struct cluster *cluster)
{
    const struct cluster_routing *from = &cluster->routing;
    Edged__Routing *routing = mem_new(Edged__Routing);

    if (routing != NULL) {
        edged__routing__init(routing);
        routing->retries = from->retries;
        routing->hedge = from->hedge;
        routing->hop_deadline_ms = from->hop_deadline_ms;
        routing->derate =
            (uint32_t)(cluster->health.throttle_derate * 100 + 0.5);
    }
    return routing;
}

/* The spec's own; empty for NULL, or where there is no memory. */
static ProtobufCBinaryData copy_digest(const struct digest *digest)
{
    void *copy =
        digest != NULL ? mem_dup(digest->bytes, sizeof(digest->bytes)) : NULL;

    return (ProtobufCBinaryData){copy != NULL ? sizeof(digest->bytes) : 0,
                                 copy};
}

static void on_run(struct io_work *work)
{
    struct plan_job *job = container_of(work, struct plan_job, work);
    struct working w = {.job = job};
    Edged__Placement *spec = mem_new(Edged__Placement);

    if (spec == NULL) {
        job->rc = err_set(&job->err, EDGE_ENOMEM, "out of memory");
        return;
    }
    edged__placement__init(spec);
    spec->queue = job->cluster->routing.queue;
    spec->routing = routing_of(job->cluster);
    spec->deployment = mem_strdup(job->cluster->name);
    spec->generation = job->generation;
    spec->planned_at_ms = profile_wall_ms();
    spec->model = copy_digest(&job->model);
    spec->calibration = copy_digest(job->calibration);
    job->rc = spec->deployment == NULL || spec->model.data == NULL ||
                      (job->calibration != NULL) !=
                          (spec->calibration.data != NULL) ||
                      spec->routing == NULL
                  ? err_set(&job->err, EDGE_ENOMEM, "out of memory")
                  : work_out(&w, spec, &job->err);
    if (job->rc == 0 && job->state != NULL) {
        job->rc = state_next_epoch(job->state, &spec->epoch, &job->err);
    }
    release(&w);
    if (job->rc < 0) {
        edged__placement__free_unpacked(spec, NULL);
        return;
    }
    job->spec = spec;
}

static void on_done(struct io_work *work)
{
    struct plan_job *job = container_of(work, struct plan_job, work);

    job->done(job);
}

void plan_job_start(struct io *io, struct plan_job *job)
{
    job->work.run = on_run;
    job->work.done = on_done;
    job->work.cost_us = 100000;
    io_work(io, IO_COMPUTE, &job->work);
}

void plan_job_free(struct plan_job *job)
{
    if (job == NULL) {
        return;
    }
    if (job->spec != NULL) {
        edged__placement__free_unpacked(job->spec, NULL);
    }
    choices_deinit(&job->choices);
    explain_free(job->explained);
    if (job->now != NULL) {
        edged__placement__free_unpacked(job->now, NULL);
    }
    mem_free(job->devices);
    mem_free(job);
}
