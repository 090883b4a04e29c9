/* The model's file with what was learnt. */
#include "coordinator/train/job.h"

#include "base/mem.h"
#include "onnx/export.h"
#include "train/learnt.h"
#include "wire/convert.h"

#include <unistd.h>

/* A stage's parameters and running statistics, into the whole model. */
static int take_state(const struct train_job *job, const Edged__BlobRef *ref,
                      struct graph *graph, struct err *err)
{
    struct learnt state = {0};
    struct blob *blob = NULL;
    struct digest digest;
    int rc = train_ref_read(ref, &digest, err);

    if (rc == 0) {
        rc = store_map(job->store, &digest, true, &blob, err);
    }
    if (rc == 0) {
        rc = learnt_open(blob, &state, err);
    }
    if (rc == 0) {
        rc = learnt_store(&state, graph, err);
    }
    learnt_close(&state);
    blob_unref(blob);
    return rc;
}

/* One file, so that any runtime reads it; through a path, as the writer wants
 * one. */
static int put_file(const struct train_job *job, const struct graph *graph,
                    struct err *err)
{
    char *path = mem_printf("%s/../%s.onnx.tmp", store_folder(job->store),
                            job->kept->name);
    struct blob *file = NULL;
    struct digest digest;
    int rc = path == NULL ? err_set(err, EDGE_ENOMEM, "out of memory")
                          : export_file(graph, path, err);

    if (rc == 0) {
        rc = blob_read(path, LIMIT_MODEL_FILE, &file, err);
    }
    if (rc == 0) {
        rc = store_put(job->store, file->data, file->size, &digest, err);
    }
    if (rc == 0) {
        Edged__BlobRef *ref = convert_ref_new(&digest, file->size);

        if (job->kept->result != NULL) {
            edged__blob_ref__free_unpacked(job->kept->result, NULL);
        }
        job->kept->result = ref;
        rc = ref == NULL ? err_set(err, EDGE_ENOMEM, "out of memory") : 0;
    }
    if (path != NULL) {
        (void)unlink(path);
    }
    blob_unref(file);
    mem_free(path);
    return rc;
}

static int make(const struct train_job *job, struct err *err)
{
    const Edged__KeptTraining *kept = job->kept;
    const Edged__KeptCheckpoint *last =
        kept->checkpoints[kept->n_checkpoints - 1];
    struct graph *graph = NULL;
    int rc = train_import_model(job, &graph, NULL, err);

    for (size_t i = 0; i < last->n_states && rc == 0; i++) {
        rc = take_state(job, last->states[i], graph, err);
    }
    if (rc == 0) {
        rc = put_file(job, graph, err);
    }
    graph_free(graph);
    return rc < 0 ? err_wrap(err, rc, "the trained model") : 0;
}

static void on_run(struct io_work *work)
{
    struct train_job *job = container_of(work, struct train_job, work);

    job->rc = make(job, &job->err);
}

void train_result_start(struct io *io, struct train_job *job)
{
    train_job_run(io, job, on_run);
}
