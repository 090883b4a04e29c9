/*
 * Samples: opened on the disk strand, loaded micro-batch after micro-batch on
 * the code strand, a few ahead of what is computed. Which they are is decided
 * by seed, pass and position alone, so boards that hold the first stage, the
 * last one and any between agree without a word.
 */
#include "daemon/train.h"

#include "base/mem.h"
#include "wire/convert.h"

#include <string.h>

#define AHEAD 2 /* micro-batches that are loaded and not computed yet */
#define CACHE_BYTES MIB(64)
#define JOB_US 500 /* expected; for simulated time */

/* ---- opening ------------------------------------------------------------- */

static void fill_channels(float *to, const double *from, size_t n, float other)
{
    for (size_t i = 0; i < 3; i++) {
        to[i] = n == 0 ? other : (float)from[n == 3 ? i : 0];
    }
}

static struct loader_spec spec_of(const Edged__DataSpec *from, uint64_t seed,
                                  bool trains)
{
    const Edged__Augment *a = from->augment;
    struct loader_spec spec = {
        .input = image_spec_default((int)from->width, (int)from->height),
        .augment = augment_none(),
        .seed = seed,
        .cache_bytes = CACHE_BYTES,
    };

    if (!from->images) { /* labels alone: pictures are not looked at */
        spec.input = image_spec_default(1, 1);
        spec.cache_bytes = 0;
        return spec;
    }
    spec.input.fit = (enum image_fit)from->resize;
    spec.input.crop = from->crop > 0 ? from->crop : spec.input.crop;
    spec.input.color = (enum image_color)from->color;
    spec.input.range = (enum image_range)from->range;
    fill_channels(spec.input.mean, from->mean, from->n_mean, 0);
    fill_channels(spec.input.std, from->std, from->n_std, 1);
    if (a != NULL && trains) {
        spec.augment.crop = a->resized_crop   ? AUGMENT_CROP_RESIZED
                            : a->crop_pad > 0 ? AUGMENT_CROP_PADDED
                                              : AUGMENT_CROP_NONE;
        spec.augment.padding = a->crop_pad;
        spec.augment.flip = a->flip ? 0.5 : 0;
        spec.augment.brightness = (double)a->brightness;
        spec.augment.contrast = (double)a->contrast;
        spec.augment.saturation = (double)a->saturation;
    }
    return spec;
}

/* Which blob of the set it is decides what it is given as. What is none of
 * them is the mean picture of the training set, also where one evaluates. */
static int give(const struct train_set *set, const struct dataset *data,
                const struct digest *digest, struct blob *blob, bool has_mean,
                struct err *err)
{
    bool is_sample = false;
    int rc = 0;

    if (digest_equal(digest, &data->labels)) {
        return loader_give_labels(set->loader, blob, err);
    }
    for (size_t i = 0; rc == 0 && i < data->n_shards; i++) {
        if (digest_equal(digest, &data->shards[i].digest)) {
            is_sample = true;
            rc = loader_give_shard(set->loader, i, blob, err);
        }
    }
    return !is_sample && has_mean ? loader_give_mean(set->loader, blob, err)
                                  : rc;
}

static int give_all(struct store *store, const Edged__DataSpec *spec,
                    const struct dataset *data, const struct train_set *set,
                    struct err *err)
{
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < spec->n_files; i++) {
        struct blob *blob = NULL;
        struct digest digest;

        rc = convert_digest_in(&spec->files[i]->digest, &digest, err);
        if (rc == 0) {
            rc = store_map(store, &digest, true, &blob, err);
        }
        if (rc == 0) {
            rc = give(set, data, &digest, blob, spec->mean_picture, err);
        }
        blob_unref(blob);
    }
    return rc;
}

static int read_manifest(struct store *store, const Edged__DataSpec *spec,
                         struct dataset *set, struct err *err)
{
    struct blob *text = NULL;
    struct digest digest;
    int rc = convert_digest_in(&spec->manifest->digest, &digest, err);

    if (rc == 0) {
        rc = store_map(store, &digest, true, &text, err);
    }
    if (rc == 0) {
        rc = dataset_parse(text->data, text->size, set, err);
    }
    blob_unref(text);
    return rc;
}

int train_data_open(struct store *store, const Edged__DataSpec *spec,
                    uint64_t seed, bool trains, struct train_set *set,
                    struct err *err)
{
    struct dataset data = {0};
    struct loader_spec how = spec_of(spec, seed, trains);
    int rc = read_manifest(store, spec, &data, err);

    if (rc == 0 && (data.samples == 0 || data.samples > LIMIT_DATA_SAMPLES)) {
        rc = err_set(err, EDGE_EINVAL, "a data set of no samples");
    }
    if (rc == 0 && (spec->images || spec->labels)) {
        rc = loader_new(&how, &data, &set->loader, err);
    }
    if (rc == 0 && set->loader != NULL) {
        rc = give_all(store, spec, &data, set, err);
    }
    set->samples = data.samples;
    dataset_deinit(&data);
    return rc;
}

/* ---- loading ------------------------------------------------------------- */

static bool needs_seeds(const struct train *t, const struct work *w)
{
    return w->evaluates ? train_lossy_evaluates(t->recipe->lossy)
                        : t->made->has_seeds;
}

static const struct train_set *set_of(const struct train *t)
{
    return t->work->evaluates ? &t->made->test : &t->made->train;
}

/* What of a micro-batch is loaded: its tensors, whose room is made here.
 * *cuts: pictures that are to be cut into views. */
static int make_room(const struct train *t, struct micro *m,
                     struct loader_batch *batch, float **cuts)
{
    const Edged__DataSpec *spec = t->recipe->train;
    struct shape one = {.rank = 1, .dims = {m->samples}};
    int rc = train_views_room(t, m);

    if (rc == 0 && spec->n_views > 0) {
        *cuts =
            mem_array(float, m->samples *loader_image_count(set_of(t)->loader));
        batch->images = *cuts;
        rc = *cuts != NULL ? 0 : EDGE_ENOMEM;
    } else if (rc == 0 && spec->images) {
        batch->images = m->x[spec->port].data;
    }
    if (rc == 0 && spec->labels) {
        rc = tensor_init(&m->labels, DTYPE_I64, &one);
        batch->labels = m->labels.data;
    }
    if (rc == 0 && needs_seeds(t, t->work)) {
        rc = tensor_init(&m->seeds, DTYPE_I64, &one);
    }
    return rc;
}

static int fill(const struct train *t, struct micro *m, uint64_t *samples,
                struct err *err)
{
    const struct work *w = t->work;
    const struct train_set *set = set_of(t);
    struct loader_batch batch = {0};
    struct order order;
    float *cuts = NULL;
    int rc = make_room(t, m, &batch, &cuts);

    if (rc < 0) {
        mem_free(cuts);
        return err_set(err, rc, "no memory for the samples of a micro-batch");
    }
    order_init(&order, t->recipe->seed, w->pass, set->samples);
    for (size_t i = 0; i < m->samples; i++) {
        uint64_t at = m->first + i;

        samples[i] = w->evaluates ? at : order_at(&order, at);
        if (m->seeds.data != NULL) {
            ((int64_t *)m->seeds.data)[i] =
                (int64_t)order_key(t->recipe->seed, w->evaluates ? 0 : w->pass,
                                   samples[i], ORDER_DROPOUT);
        }
    }
    if (set->loader != NULL) {
        rc =
            loader_fill(set->loader, w->pass, samples, m->samples, &batch, err);
    }
    if (rc == 0 && cuts != NULL) {
        train_views_fill(t, m, cuts, loader_image_count(set->loader), samples);
    }
    mem_free(cuts);
    return rc;
}

static void on_run(struct io_work *work)
{
    struct train_job *job = container_of(work, struct train_job, work);
    uint64_t *samples = mem_array(uint64_t, job->micro->samples);

    job->rc = samples != NULL
                  ? fill(job->train, job->micro, samples, &job->why)
                  : err_set(&job->why, EDGE_ENOMEM, "out of memory");
    mem_free(samples);
}

static void on_done(struct io_work *work)
{
    struct train_job *job = container_of(work, struct train_job, work);
    struct train *t = job->train;

    t->is_loading = false;
    if (!train_came_back(t)) {
        return;
    }
    if (job->rc < 0) {
        train_fail(t, job->rc, job->why.text);
        return;
    }
    job->micro->is_loaded = true;
    t->work->n_loaded++;
    train_data_pump(t);
    train_pump(t->daemon);
}

static struct micro *next_of(struct work *w)
{
    for (size_t i = 0; i < w->n_micros; i++) {
        struct micro *m = &w->micros[i];

        if (m->is_mine && !m->is_loaded) {
            return m;
        }
    }
    return NULL;
}

static bool needs_nothing(const struct train *t, const struct work *w)
{
    return !t->recipe->train->images && !t->recipe->train->labels &&
           !needs_seeds(t, w);
}

void train_data_pump(struct train *t)
{
    struct work *w = t->work;
    struct micro *m = w != NULL && t->broken == 0 ? next_of(w) : NULL;

    while (m != NULL && needs_nothing(t, w)) {
        m->is_loaded = true;
        w->n_loaded++;
        m = next_of(w);
    }
    if (m == NULL || t->is_loading || w->phase > WORK_MICROS ||
        w->n_loaded >= w->n_forward + AHEAD) {
        return;
    }
    t->is_loading = true;
    t->shard->epoch->computing++;
    t->load = (struct train_job){.train = t, .micro = m};
    t->load.work.run = on_run;
    t->load.work.done = on_done;
    t->load.work.cost_us = JOB_US;
    list_init(&t->load.work.link);
    io_work(t->daemon->io, IO_CODE, &t->load.work);
}
