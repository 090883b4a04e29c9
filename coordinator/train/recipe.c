/* What each shard of a training is told of it: proto/recipe.proto. */
#include "coordinator/train/job.h"

#include "base/mem.h"
#include "codec/coded.h"
#include "coordinator/train/settings.h"
#include "graph/op.h"
#include "train/params.h"
#include "wire/convert.h"

#include <fnmatch.h>
#include <string.h>

#define FILES_MAX 1000 /* of a data set: Install names each of them */

static int no_memory(struct err *err)
{
    return err_set(err, EDGE_ENOMEM, "out of memory");
}

/* ---- sources ------------------------------------------------------------- */

/* Link k of shard `from` that leads to that input; NULL: none does. */
static Edged__Source *source_new(const Edged__Shard *from, uint32_t to_shard,
                                 uint32_t to_port)
{
    for (size_t k = 0; k < from->n_links; k++) {
        const Edged__Link *link = from->links[k];
        Edged__Source *source;

        if (link->to_shard != to_shard || link->to_port != to_port) {
            continue;
        }
        source = mem_new(Edged__Source);
        if (source != NULL) {
            edged__source__init(source);
            source->port = to_port;
            source->shard = from->id;
            source->link = (uint32_t)k;
            source->back_codec = link->back_codec;
            source->back_keep = link->back_keep;
        }
        return source;
    }
    return NULL;
}

static int fill_sources(const Edged__Placement *spec, Edged__Shard *shard,
                        struct err *err)
{
    Edged__Recipe *recipe = shard->recipe;

    recipe->sources = mem_array(Edged__Source *, shard->n_inputs);
    if (recipe->sources == NULL) {
        return no_memory(err);
    }
    for (size_t i = 0; i < spec->n_shards; i++) {
        for (uint32_t port = 0; port < shard->n_inputs; port++) {
            Edged__Source *source =
                source_new(spec->shards[i], shard->id, port);

            if (source != NULL && recipe->n_sources < shard->n_inputs) {
                recipe->sources[recipe->n_sources++] = source;
            }
        }
    }
    return 0;
}

/* A gradient goes back in a codec of its own. */
static void write_back_codecs(const struct cluster *cluster,
                              Edged__Placement *spec)
{
    const struct codec *codec = &cluster->training.codec.codec;

    for (size_t i = 0; i < spec->n_shards; i++) {
        for (size_t k = 0; k < spec->shards[i]->n_links; k++) {
            Edged__Link *link = spec->shards[i]->links[k];

            if (link->to_shard != 0) {
                link->back_codec = codec_id(codec);
                link->back_keep = coded_keep(codec);
            }
        }
    }
}

/* ---- data ---------------------------------------------------------------- */

static int add_file(Edged__DataSpec *spec, const struct digest *digest,
                    uint64_t size)
{
    spec->files[spec->n_files] = convert_ref_new(digest, size);
    if (spec->files[spec->n_files] == NULL) {
        return EDGE_ENOMEM;
    }
    spec->n_files++;
    return 0;
}

/* The mean picture is that of the training set for either. */
static int add_files(Edged__DataSpec *spec, const struct dataset *set,
                     const struct dataset *train)
{
    int rc = 0;

    spec->files = mem_array(Edged__BlobRef *, set->n_shards + 2);
    if (spec->files == NULL) {
        return EDGE_ENOMEM;
    }
    if (spec->labels) {
        rc = add_file(spec, &set->labels, dataset_label_bytes(set));
    }
    if (rc == 0 && spec->mean_picture) {
        rc = add_file(spec, &train->mean,
                      dataset_sample_bytes(train) * sizeof(float));
    }
    for (size_t i = 0; i < set->n_shards && spec->images && rc == 0; i++) {
        rc = add_file(spec, &set->shards[i].digest, set->shards[i].bytes);
    }
    return rc;
}

static int copy_numbers(const float *from, size_t n, double **out,
                        size_t *n_out)
{
    *out = mem_array(double, n);
    for (size_t i = 0; i < n && *out != NULL; i++) {
        (*out)[i] = (double)from[i];
    }
    *n_out = *out != NULL ? n : 0;
    return *out != NULL ? 0 : EDGE_ENOMEM;
}

/* How a picture becomes the model's input. */
static int fill_input(Edged__DataSpec *spec, const struct recipe_ask *ask)
{
    const struct cluster_input *input = ask->input;
    const struct value *v = &ask->model->values[ask->model->inputs[0]];
    int rc;

    spec->width = input->width != 0 ? input->width : (uint32_t)v->shape.dims[3];
    spec->height =
        input->height != 0 ? input->height : (uint32_t)v->shape.dims[2];
    spec->resize = input->resize;
    spec->crop = input->crop;
    spec->color = input->color;
    spec->range = input->range;
    rc = copy_numbers(input->mean, input->n, &spec->mean, &spec->n_mean);
    return rc < 0
               ? rc
               : copy_numbers(input->std, input->n, &spec->std, &spec->n_std);
}

static Edged__Augment *augment_new(const struct cluster_augment *from)
{
    Edged__Augment *augment = mem_new(Edged__Augment);

    if (augment != NULL) {
        edged__augment__init(augment);
        augment->crop_pad = from->crop > 0 ? (uint32_t)from->crop : 0;
        augment->resized_crop = from->crop == CLUSTER_CROP_RESIZED;
        augment->flip = from->flip != 0;
        augment->brightness = (float)from->colour;
        augment->contrast = (float)from->colour;
        augment->saturation = (float)from->colour;
    }
    return augment;
}

static Edged__DataSpec *data_new(const struct recipe_ask *ask,
                                 const Edged__Recipe *recipe,
                                 const struct dataset *set,
                                 const Edged__BlobRef *manifest)
{
    Edged__DataSpec *spec = mem_new(Edged__DataSpec);
    int rc;

    if (spec == NULL) {
        return NULL;
    }
    edged__data_spec__init(spec);
    spec->manifest = train_ref_copy(manifest);
    spec->images = recipe->stage == 0;
    spec->labels = recipe->stage + 1 == recipe->stages;
    spec->mean_picture =
        spec->images && ask->cluster->training.data.mean_picture != 0;
    rc =
        spec->manifest == NULL ? EDGE_ENOMEM : add_files(spec, set, ask->train);
    if (rc == 0 && spec->images) {
        rc = fill_input(spec, ask);
    }
    if (rc == 0 && spec->images) {
        rc = recipe_views(ask, spec);
    }
    if (rc < 0) {
        edged__data_spec__free_unpacked(spec, NULL);
        return NULL;
    }
    return spec;
}

static int fill_data(const struct recipe_ask *ask,
                     const Edged__KeptTraining *kept, Edged__Recipe *recipe,
                     struct err *err)
{
    recipe->train = data_new(ask, recipe, ask->train, kept->train);
    if (recipe->train == NULL) {
        return no_memory(err);
    }
    if (recipe->train->images) {
        recipe->train->augment = augment_new(&ask->cluster->training.augment);
        if (recipe->train->augment == NULL) {
            return no_memory(err);
        }
    }
    if (ask->test != NULL) {
        recipe->test = data_new(ask, recipe, ask->test, kept->test);
    }
    return ask->test != NULL && recipe->test == NULL ? no_memory(err) : 0;
}

/* ---- losses -------------------------------------------------------------- */

static Edged__LossSpec *loss_new(const char *scores, double weight)
{
    Edged__LossSpec *loss = mem_new(Edged__LossSpec);

    if (loss != NULL) {
        edged__loss_spec__init(loss);
        loss->scores = mem_strdup(scores);
        loss->weight = (float)weight;
    }
    return loss;
}

/* What Softmax would be given: the output, or what it is the Softmax of. */
static const char *scores_of(const struct graph *shard, int output)
{
    const struct value *v = &shard->values[output];
    const struct op *op = v->producer >= 0 ? &shard->ops[v->producer] : NULL;
    bool is_softmax =
        op != NULL && (op->kind == OP_SOFTMAX || op->kind == OP_LOG_SOFTMAX);

    return shard->values[is_softmax ? op->in[0] : output].name;
}

static int add_loss(const struct graph *shard, int value, double weight,
                    Edged__Recipe *recipe, struct err *err)
{
    Edged__LossSpec *loss = loss_new(scores_of(shard, value), weight);

    if (loss == NULL) {
        return no_memory(err);
    }
    recipe->losses[recipe->n_losses++] = loss;
    return 0;
}

/* Outputs that the file names, with their weights; all without names. */
static int fill_losses(const struct recipe_ask *ask, const struct graph *shard,
                       Edged__Recipe *recipe, struct err *err)
{
    const struct cluster_training *t = &ask->cluster->training;
    int rc = 0;

    recipe->losses = mem_array(Edged__LossSpec *, shard->n_outputs);
    if (recipe->losses == NULL) {
        return no_memory(err);
    }
    for (size_t i = 0; i < shard->n_outputs && rc == 0; i++) {
        const char *name = shard->values[shard->outputs[i]].name;
        double weight = t->n_losses > 0 ? 0 : 1;

        for (size_t k = 0; k < t->n_losses; k++) {
            if (fnmatch(t->losses[k].name, name, 0) == 0) {
                weight = t->losses[k].value;
            }
        }
        if (weight > 0) {
            rc = add_loss(shard, shard->outputs[i], weight, recipe, err);
        }
    }
    if (rc == 0 && recipe->n_losses == 0) {
        rc = err_set(err, EDGE_ECONFIG,
                     "training.losses names no output of the model. They are "
                     "shown by: edgectl model inspect");
    }
    return rc;
}

/* ---- optimizer ----------------------------------------------------------- */

static Edged__OptimizerSpec *optimizer_new(const struct optim_rule *rule)
{
    Edged__OptimizerSpec *spec = mem_new(Edged__OptimizerSpec);

    if (spec != NULL) {
        edged__optimizer_spec__init(spec);
        spec->kind = rule->kind;
        spec->momentum = rule->momentum;
        spec->dampening = rule->dampening;
        spec->nesterov = rule->nesterov;
        spec->beta1 = rule->beta1;
        spec->beta2 = rule->beta2;
        spec->epsilon = rule->epsilon;
        spec->weight_decay = rule->weight_decay;
        spec->clip_norm = rule->clip_norm;
    }
    return spec;
}

/* ---- all of it ----------------------------------------------------------- */

static int fill_shard(const struct recipe_ask *ask,
                      const Edged__KeptTraining *kept, Edged__Placement *spec,
                      size_t i, struct err *err)
{
    struct train_settings settings = settings_of(ask->cluster, kept->samples);
    const struct cluster_training *training = &ask->cluster->training;
    const struct codec *codec = training->reduce_codec.is_given
                                    ? &training->reduce_codec.codec
                                    : &training->codec.codec;
    Edged__Recipe *recipe = mem_new(Edged__Recipe);
    int rc;

    if (recipe == NULL) {
        return no_memory(err);
    }
    edged__recipe__init(recipe);
    spec->shards[i]->recipe = recipe;
    recipe->training = mem_strdup(kept->name);
    recipe->stage = (uint32_t)i;
    recipe->stages = (uint32_t)spec->n_shards;
    recipe->one_f_one_b = settings.one_f_one_b;
    recipe->seed = settings.seed;
    recipe->local = settings.sync_steps > 0;
    recipe->reduce_codec = codec_id(codec);
    recipe->reduce_keep = coded_keep(codec);
    recipe->recompute = ask->cluster->training.recompute != 0;
    recipe->straight = ask->cluster->training.straight != 0;
    recipe->optimizer = optimizer_new(&settings.rule);
    if (recipe->training == NULL || recipe->optimizer == NULL) {
        return no_memory(err);
    }
    rc = fill_data(ask, kept, recipe, err);
    if (rc == 0) {
        rc = fill_sources(spec, spec->shards[i], err);
    }
    if (rc == 0) {
        rc = recipe_rates(ask, ask->shards[i], recipe, err);
    }
    if (rc == 0) {
        rc = recipe_lossy(ask, ask->shards[i], recipe, err);
    }
    if (rc == 0 && i + 1 == spec->n_shards) {
        rc = fill_losses(ask, ask->shards[i], recipe, err);
    }
    if (rc == 0 && i + 1 == spec->n_shards) {
        rc = recipe_exits(ask, ask->shards[i], recipe, err);
    }
    return rc;
}

static int check_model(const struct recipe_ask *ask,
                       const Edged__Placement *spec, struct err *err)
{
    const struct graph *model = ask->model;
    const struct value *v = &model->values[model->inputs[0]];
    int rc = recipe_views_check(ask, spec, err);

    if (rc < 0) {
        return rc;
    }
    if (v->dtype != DTYPE_F32 || v->shape.rank != 4) {
        return err_set(err, EDGE_EUNSUPPORTED,
                       "input \"%s\" takes no pictures: it should be float32 "
                       "of (N, channels, height, width)",
                       v->name);
    }
    for (size_t i = 0; i < spec->n_entries; i++) {
        if (spec->entries[i]->to_shard != 1) {
            return err_set(err, EDGE_EUNSUPPORTED,
                           "input \"%s\" is read by more than the first "
                           "stage; cut the model elsewhere",
                           v->name);
        }
    }
    return ask->train->n_shards > FILES_MAX
               ? err_set(err, EDGE_ETOOBIG,
                         "the data set has %zu parts, at most %d can be",
                         ask->train->n_shards, FILES_MAX)
               : 0;
}

int recipe_fill(const struct recipe_ask *ask, const Edged__KeptTraining *kept,
                Edged__Placement *spec, struct err *err)
{
    int rc = check_model(ask, spec, err);

    if (rc == 0) {
        rc = recipe_rates_check(ask, err);
    }
    write_back_codecs(ask->cluster, spec);
    for (size_t i = 0; i < spec->n_shards && rc == 0; i++) {
        rc = fill_shard(ask, kept, spec, i, err);
    }
    return rc;
}
