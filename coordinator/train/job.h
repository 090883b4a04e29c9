/*
 * What a training works out off the loop before it begins: the model is read
 * as it is, cut into stages, its shards are put into the store and their
 * recipes written; and at the end, the model's file with what was learnt.
 */
#ifndef EDGE_COORDINATOR_TRAIN_JOB_H
#define EDGE_COORDINATOR_TRAIN_JOB_H

#include "coordinator/parts.h"
#include "dataset/dataset.h"
#include "graph/graph.h"

struct train_job {
    struct io_work work;
    void (*done)(struct train_job *job);
    void *arg;
    /* In, borrowed until done. */
    struct store *store;
    int (*guard)(const char *path, const char *label, struct err *err);
    const struct cluster *cluster;
    Edged__KeptTraining *kept; /* its plan and numbers of samples are filled
                                * in, or of a finished one the result */
    int rc;
    struct err err;
};

void train_job_start(struct io *io, struct train_job *job);
/* job.c: `run` on the compute strand, then the job's own `done`. */
void train_job_run(struct io *io, struct train_job *job,
                   void (*run)(struct io_work *work));
/* The file with the weights of the newest checkpoint: kept->result. */
void train_result_start(struct io *io, struct train_job *job);

/* job.c: the model as it was sent, nothing rewritten; `input` may be NULL. */
int train_import_model(const struct train_job *job, struct graph **graph,
                       char **input, struct err *err);
/* The same for one sample, shapes inferred. */
int train_read_model(const struct train_job *job, struct graph **graph,
                     char **input, struct err *err);

/* recipe.c: what each shard is told. `train` and `test` (NULL: none) are the
 * manifests' contents. */
struct recipe_ask {
    const struct cluster *cluster;
    const struct graph *model;
    struct graph *const *shards;
    const struct cluster_input *input;
    const struct dataset *train;
    const struct dataset *test;
};
int recipe_fill(const struct recipe_ask *ask, const Edged__KeptTraining *kept,
                Edged__Placement *spec, struct err *err);

/* rates.c: the parameters of `shard` that stay, or learn at rates of their
 * own. EDGE_ECONFIG: the file names what there is not, says what there is. */
int recipe_rates_check(const struct recipe_ask *ask, struct err *err);
int recipe_rates(const struct recipe_ask *ask, const struct graph *shard,
                 Edged__Recipe *recipe, struct err *err);
/* Whether one of the list's names, in which * stands for any letters, is that
 * layer's or parameter's. */
bool recipe_names(const struct cluster_freeze *list, const char *name);

/* lossy.c: which layers of `shard` are in tiles or blocks; its recipe.c's. */
int recipe_lossy(const struct recipe_ask *ask, const struct graph *shard,
                 Edged__Recipe *recipe, struct err *err);

/* views.c: whether a model of several views can be trained as the file says;
 * what is written of them into a recipe, if it is one. */
int recipe_views_check(const struct recipe_ask *ask,
                       const Edged__Placement *spec, struct err *err);
int recipe_views(const struct recipe_ask *ask, Edged__DataSpec *spec);
int recipe_exits(const struct recipe_ask *ask, const struct graph *shard,
                 Edged__Recipe *recipe, struct err *err);

/* For edged__*__free_unpacked(); NULL: out of memory, or it names nothing. */
Edged__BlobRef *train_ref_copy(const Edged__BlobRef *from);
int train_ref_read(const Edged__BlobRef *ref, struct digest *digest,
                   struct err *err);

#endif
