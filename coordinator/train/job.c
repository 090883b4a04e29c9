#include "coordinator/train/job.h"

#include "coordinator/model_input.h"
#include "coordinator/plan/cut.h"
#include "coordinator/plan/place.h"
#include "coordinator/plan/written.h"
#include "coordinator/plan_job.h"

#include "base/mem.h"
#include "coordinator/train/settings.h"
#include "graph/infer.h"
#include "wire/convert.h"

#include <stdio.h>
#include <string.h>

struct job {
    struct train_job *out;
    struct plan_job plan; /* what plan_*.c are asked with */
    struct working w;
    struct dataset train;
    struct dataset test;
};

int train_ref_read(const Edged__BlobRef *ref, struct digest *digest,
                   struct err *err)
{
    return ref == NULL ? err_set(err, EDGE_ECORRUPT, "a file is not named")
                       : convert_digest_in(&ref->digest, digest, err);
}

Edged__BlobRef *train_ref_copy(const Edged__BlobRef *from)
{
    struct digest digest;

    return train_ref_read(from, &digest, NULL) < 0
               ? NULL
               : convert_ref_new(&digest, from->size);
}

/* ---- the model ----------------------------------------------------------- */

static int plan_ask(const struct train_job *job, struct plan_job *plan,
                    struct err *err)
{
    *plan = (struct plan_job){
        .store = job->store,
        .guard = job->guard,
        .cluster = job->cluster,
        .model_name = job->kept->model_name,
    };
    return convert_digest_in(&job->kept->model, &plan->model, err);
}

int train_import_model(const struct train_job *job, struct graph **graph,
                       char **input, struct err *err)
{
    struct plan_job plan;
    int rc = plan_ask(job, &plan, err);

    return rc == 0 ? plan_import(&plan, graph, input, err) : rc;
}

int train_read_model(const struct train_job *job, struct graph **graph,
                     char **input, struct err *err)
{
    int rc = train_import_model(job, graph, input, err);

    if (rc == 0) {
        rc = infer_bind_batch(*graph, 1, err);
    }
    if (rc == 0) {
        rc = infer_graph(*graph, err);
    }
    return rc < 0 ? err_wrap(err, rc, "%s", job->kept->model_name) : 0;
}

/* ---- cuts ---------------------------------------------------------------- */

/* A file may have both, for what runs and for what is trained. */
static int check_codec(const struct cluster_codec *codec, const char *file,
                       struct err *err)
{
    return codec->is_auto
               ? err_set(err, EDGE_EUNSUPPORTED,
                         "%.100s:%u:%u: \"codec: auto\" is for links of "
                         "inference and cannot be used in training. Name one, "
                         "such as q8",
                         file, codec->at.line, codec->at.column)
               : 0;
}

/* Replicas that take steps of their own have whole models, so that each knows
 * its own gradient; and what they agree on is not coded. */
static int check_sync(const struct cluster *cluster, const char *file,
                      struct err *err)
{
    const struct cluster_training *t = &cluster->training;

    if (t->sync.kind == CLUSTER_SYNC_GRADIENT) {
        return 0;
    }
    if (cluster->n_stages > 1 || t->mode == CLUSTER_TRAIN_PIPELINE) {
        return err_set(err, EDGE_ECONFIG,
                       "%.100s: \"training.sync\" other than gradient is for "
                       "boards that have the whole model each. Leave out "
                       "stages and mode: pipeline, or write sync: gradient",
                       file);
    }
    if (!codec_is_plain(&t->codec.codec) ||
        !codec_is_plain(&t->reduce_codec.codec)) {
        return err_set(err, EDGE_ECONFIG,
                       "%.100s: \"training.codec\" and \"reduce_codec\" are "
                       "for gradients, and with this sync only weights "
                       "travel. Leave them out, or write sync: gradient",
                       file);
    }
    return 0;
}

static int check_stages(const struct cluster *cluster, const char *file,
                        struct err *err)
{
    int rc = check_codec(&cluster->links.codec, file, err);

    if (rc == 0 && cluster->links.zstd == CLUSTER_SWITCH_AUTO) {
        rc = err_set(err, EDGE_EUNSUPPORTED,
                     "%.100s: \"links.zstd: auto\" is for links of inference "
                     "and cannot be used in training. Write on or off",
                     file);
    }
    for (size_t i = 0; i < cluster->n_stages && rc == 0; i++) {
        const struct cluster_stage *stage = &cluster->stages[i];

        if (stage->split.n_over > 0 || stage->tile.n_over > 0) {
            return err_set(err, EDGE_EUNSUPPORTED,
                           "stage %s: a stage that is split or in tiles "
                           "cannot be trained yet. Give it `replicas`",
                           stage->name);
        }
        rc = check_codec(&stage->codec, file, err);
    }
    return rc < 0 ? rc : check_sync(cluster, file, err);
}

/* With the names of all devices, for written_stages(). */
static int cut_as_written(struct job *j, struct err *err)
{
    const struct cluster *cluster = j->out->cluster;
    struct profile profile = {0};
    int rc = profile_default(&profile, cluster->n_devices);

    if (rc < 0) {
        return err_set(err, rc, "out of memory");
    }
    for (size_t i = 0; i < cluster->n_devices; i++) {
        (void)snprintf(profile.devices[i].name, sizeof(profile.devices[i].name),
                       "%s", cluster->devices[i].name);
    }
    rc = written_stages(&j->plan.choices.best, cluster, j->w.graph, &profile,
                        NULL, err);
    profile_deinit(&profile);
    return rc;
}

static int set_stages(struct job *j, const int *ends, size_t n, struct err *err)
{
    struct choice *best = &j->plan.choices.best;

    best->stages = mem_array(struct choice_stage, n);
    if (best->stages == NULL) {
        return err_set(err, EDGE_ENOMEM, "out of memory");
    }
    best->n_stages = n;
    for (size_t i = 0; i < n; i++) {
        best->stages[i].first = i > 0 ? ends[i - 1] : 0;
        best->stages[i].end = ends[i];
        best->stages[i].rows = 1;
        best->stages[i].columns = 1;
        best->stages[i].in_factor = 1;
    }
    return 0;
}

/* Where nothing that fuses is parted, and the end. */
static size_t make_points(const struct cut *cuts, size_t n_cuts,
                          const struct place_point *end, int n_ops,
                          struct place_point *points, int *positions)
{
    size_t n = 0;

    for (size_t i = 0; i < n_cuts; i++) {
        if (cuts[i].position > 0 && cuts[i].position < n_ops &&
            !cuts[i].splits_group) {
            positions[n] = cuts[i].position;
            points[n++] = (struct place_point){cuts[i].macs_before,
                                               cuts[i].weight_bytes_before,
                                               (double)cuts[i].bytes};
        }
    }
    positions[n] = n_ops;
    points[n++] = *end;
    return n;
}

static struct place_point count_all(const struct graph *graph)
{
    struct place_point all = {0};

    for (size_t i = 0; i < graph->n_ops; i++) {
        struct op_cost cost;

        infer_cost(graph, &graph->ops[i], &cost);
        all.work += cost.macs;
        all.weights += cost.bytes_weight;
    }
    return all;
}

/* So that the slowest of k stages takes the least time; fewer where there are
 * no places to cut it at. */
static int cut_balanced(struct job *j, size_t k, int n_ops, struct err *err)
{
    struct place_point end = count_all(j->w.graph);
    struct place_point *points = NULL;
    struct cut *cuts = NULL;
    int *positions = NULL;
    size_t at[LIMIT_SHARDS];
    int ends[LIMIT_SHARDS];
    size_t n_cuts = 0;
    size_t n;
    int rc = cut_candidates(j->w.graph, &cuts, &n_cuts, err);

    if (rc < 0) {
        return rc;
    }
    points = mem_array(struct place_point, n_cuts + 1);
    positions = mem_array(int, n_cuts + 1);
    rc = points == NULL || positions == NULL ? EDGE_ENOMEM : 0;
    if (rc == 0) {
        n = make_points(cuts, n_cuts, &end, n_ops, points, positions);
        k = k < n ? k : n;
        rc = place_cut(points, n, k, at);
    }
    for (size_t i = 0; i < k && rc == 0; i++) {
        ends[i] = positions[at[i]];
    }
    rc = rc < 0 ? err_set(err, rc, "out of memory")
                : set_stages(j, ends, k, err);
    mem_free(points);
    mem_free(positions);
    cut_free(cuts, n_cuts);
    return rc;
}

static int choose_stages(struct job *j, struct err *err)
{
    const struct cluster *cluster = j->out->cluster;
    int *order = NULL;
    size_t n_ops = 0;
    size_t k =
        cluster->n_devices < LIMIT_SHARDS ? cluster->n_devices : LIMIT_SHARDS;
    int rc = check_stages(cluster, j->out->kept->yaml_name, err);

    if (rc == 0) {
        rc = cut_order(j->w.graph, &order, &n_ops, err);
        mem_free(order);
    }
    if (rc < 0) {
        return rc;
    }
    if (cluster->n_stages > 0) {
        return cut_as_written(j, err);
    }
    if (cluster->training.mode == CLUSTER_TRAIN_PIPELINE) {
        return cut_balanced(j, k, (int)n_ops, err);
    }
    return set_stages(j, (int[]){(int)n_ops}, 1, err);
}

/* ---- data ---------------------------------------------------------------- */

static int read_set(const struct train_job *job, const Edged__BlobRef *ref,
                    struct dataset *set, struct err *err)
{
    struct digest digest;
    struct blob *blob = NULL;
    int rc = train_ref_read(ref, &digest, err);

    if (rc == 0) {
        rc = store_map(job->store, &digest, true, &blob, err);
    }
    if (rc == 0) {
        rc = dataset_parse(blob->data, blob->size, set, err);
    }
    blob_unref(blob);
    return rc < 0 ? err_wrap(err, rc, "the data set's manifest") : 0;
}

static int read_data(struct job *j, struct err *err)
{
    Edged__KeptTraining *kept = j->out->kept;
    int rc = read_set(j->out, kept->train, &j->train, err);

    if (rc == 0 && kept->test != NULL) {
        rc = read_set(j->out, kept->test, &j->test, err);
    }
    if (rc == 0 && kept->test != NULL) {
        rc = dataset_check_pair(&j->train, &j->test, err);
    }
    if (rc == 0) {
        kept->samples = j->train.samples;
        kept->test_samples = j->test.samples;
    }
    return rc;
}

/* ---- all of it ----------------------------------------------------------- */

/* What the model's own metadata says, unless the file says more. */
static int find_input(const struct job *j, const char *text,
                      struct cluster_input *input, struct err *err)
{
    *input = j->out->cluster->model.input;
    return text[0] == '\0'
               ? 0
               : model_input_parse(text, j->out->kept->model_name, input, err);
}

static int work_out(struct job *j, Edged__Placement *spec, struct err *err)
{
    struct cluster_input input;
    int rc = train_read_model(j->out, &j->w.graph, &spec->input, err);

    if (rc == 0) {
        rc = find_input(j, spec->input, &input, err);
    }
    if (rc == 0) {
        rc = read_data(j, err);
    }
    if (rc == 0) {
        rc = choose_stages(j, err);
    }
    if (rc == 0) {
        rc = plan_shards(&j->w, spec, err);
    }
    if (rc == 0) {
        rc = plan_links(&j->w, spec, err);
    }
    if (rc == 0) {
        struct recipe_ask ask = {
            .cluster = j->out->cluster,
            .model = j->w.graph,
            .shards = j->w.parts.shards,
            .input = &input,
            .train = &j->train,
            .test = j->out->kept->test != NULL ? &j->test : NULL,
        };

        rc = recipe_fill(&ask, j->out->kept, spec, err);
    }
    return rc;
}

static void release(struct job *j)
{
    parts_deinit(&j->w.parts);
    mem_free(j->w.pieces);
    mem_free(j->w.codecs);
    mem_free(j->w.places);
    graph_free(j->w.graph);
    choices_deinit(&j->plan.choices);
    dataset_deinit(&j->train);
    dataset_deinit(&j->test);
}

static void on_run(struct io_work *work)
{
    struct train_job *job = container_of(work, struct train_job, work);
    struct job j = {.out = job, .w.job = &j.plan};
    Edged__Placement *spec = mem_new(Edged__Placement);

    if (spec == NULL) {
        job->rc = err_set(&job->err, EDGE_ENOMEM, "out of memory");
        return;
    }
    edged__placement__init(spec);
    /* Beside a deployment of that name, whose epochs are its own. */
    spec->deployment =
        mem_printf("%.*s-train", LIMIT_NAME - 6, job->kept->name);
    job->rc = spec->deployment == NULL
                  ? err_set(&job->err, EDGE_ENOMEM, "out of memory")
                  : plan_ask(job, &j.plan, &job->err);
    if (job->rc == 0) {
        job->rc = work_out(&j, spec, &job->err);
    }
    release(&j);
    if (job->rc < 0) {
        edged__placement__free_unpacked(spec, NULL);
    } else {
        job->kept->plan = spec;
    }
}

static void on_done(struct io_work *work)
{
    struct train_job *job = container_of(work, struct train_job, work);

    job->done(job);
}

void train_job_run(struct io *io, struct train_job *job,
                   void (*run)(struct io_work *work))
{
    job->work.run = run;
    job->work.done = on_done;
    job->work.cost_us = 100000;
    io_work(io, IO_COMPUTE, &job->work);
}

void train_job_start(struct io *io, struct train_job *job)
{
    train_job_run(io, job, on_run);
}
