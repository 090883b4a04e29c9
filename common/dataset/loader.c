/*
 * A sample's way: bytes of its shard -> a picture (decoded, and fitted to the
 * model unless a part of it is taken at random; kept, if there is room) ->
 * levels of the model's size, plane by plane -> augment_apply(). Samples of
 * DATASET_RAW that have the model's size begin at the levels.
 */
#include "dataset/loader.h"

#include "base/limits.h"
#include "base/mem.h"
#include "dataset/cache.h"
#include "dataset/order.h"
#include "dataset/pack.h"
#include "image/decode.h"

#include <stdio.h>
#include <string.h>

struct loader {
    struct loader_spec spec;
    struct dataset set; /* without the names of its classes */
    uint64_t *firsts;   /* of each shard, its first sample */
    struct blob **shards;
    struct blob *labels;
    float *mean;
    bool is_direct;  /* the set's levels are the model's */
    uint8_t *levels; /* of one sample, planes of the model's size */
    struct cache cache;
};

static bool is_direct(const struct loader_spec *spec, const struct dataset *set)
{
    return set->kind == DATASET_RAW &&
           spec->augment.crop != AUGMENT_CROP_RESIZED &&
           set->shape.width == (uint32_t)spec->input.width &&
           set->shape.height == (uint32_t)spec->input.height &&
           (set->shape.channels == 1 || image_spec_channels(&spec->input) == 3);
}

static int copy_set(struct loader *l, const struct dataset *set)
{
    uint64_t first = 0;

    l->set = *set;
    l->set.classes = NULL; /* their number is kept, to check labels */
    l->set.shards = mem_dup(set->shards, set->n_shards * sizeof(*set->shards));
    l->firsts = mem_array(uint64_t, set->n_shards);
    l->shards = mem_array(struct blob *, set->n_shards);
    if (l->set.shards == NULL || l->firsts == NULL || l->shards == NULL) {
        return EDGE_ENOMEM;
    }
    for (size_t i = 0; i < set->n_shards; i++) {
        l->firsts[i] = first;
        first += set->shards[i].samples;
    }
    return 0;
}

int loader_new(const struct loader_spec *spec, const struct dataset *set,
               struct loader **loader, struct err *err)
{
    struct loader *l;
    int rc = image_spec_check(&spec->input, err);

    if (rc == 0) {
        rc = augment_check(&spec->augment, err);
    }
    if (rc < 0) {
        return rc;
    }
    l = mem_new(struct loader);
    if (l == NULL) {
        return err_set(err, EDGE_ENOMEM, "no memory to load samples");
    }
    l->spec = *spec;
    l->is_direct = is_direct(spec, set);
    l->levels = mem_array(uint8_t, 3 * (size_t)spec->input.width *
                                       (size_t)spec->input.height);
    if (l->levels == NULL || copy_set(l, set) < 0 ||
        cache_init(&l->cache, set->samples, spec->cache_bytes) < 0) {
        loader_free(l);
        return err_set(err, EDGE_ENOMEM, "no memory to load samples");
    }
    *loader = l;
    return 0;
}

void loader_free(struct loader *l)
{
    if (l == NULL) {
        return;
    }
    for (size_t i = 0; l->shards != NULL && i < l->set.n_shards; i++) {
        blob_unref(l->shards[i]);
    }
    blob_unref(l->labels);
    cache_deinit(&l->cache);
    mem_free(l->set.shards);
    mem_free(l->firsts);
    mem_free(l->shards);
    mem_free(l->mean);
    mem_free(l->levels);
    mem_free(l);
}

/* ---- what it is given ---- */

static void keep(struct blob **place, struct blob *blob)
{
    blob_unref(*place);
    *place = blob_ref(blob);
}

int loader_give_shard(struct loader *l, size_t shard, struct blob *blob,
                      struct err *err)
{
    int rc;

    if (shard >= l->set.n_shards) {
        return err_set(err, EDGE_EINVAL, "the data have no shard %zu", shard);
    }
    rc = pack_check_shard(&l->set, shard, blob, err);
    if (rc == 0) {
        keep(&l->shards[shard], blob);
    }
    return rc;
}

int loader_give_labels(struct loader *l, struct blob *blob, struct err *err)
{
    int rc = pack_check_labels(&l->set, blob, err);

    if (rc == 0) {
        keep(&l->labels, blob);
    }
    return rc;
}

int loader_give_mean(struct loader *l, struct blob *blob, struct err *err)
{
    size_t bytes = dataset_sample_bytes(&l->set) * sizeof(float);

    if (!l->is_direct) {
        return err_set(err, EDGE_EINVAL,
                       "a mean picture can be taken off samples of one size "
                       "alone, the model's. Use a mean of each channel");
    }
    if (blob->size != bytes) {
        return err_set(err, EDGE_ECORRUPT,
                       "the mean picture of the data has %zu bytes instead of "
                       "%zu. Start the training again, which packs the data "
                       "anew",
                       blob->size, bytes);
    }
    mem_free(l->mean);
    l->mean = mem_dup(blob->data, bytes);
    return l->mean == NULL ? err_set(err, EDGE_ENOMEM,
                                     "no memory for the mean "
                                     "picture of the data")
                           : 0;
}

size_t loader_shard_of(const struct loader *l, uint64_t sample)
{
    size_t from = 0;
    size_t to = l->set.n_shards;

    while (to - from > 1) {
        size_t middle = from + (to - from) / 2;

        if (l->firsts[middle] <= sample) {
            from = middle;
        } else {
            to = middle;
        }
    }
    return from;
}

size_t loader_image_count(const struct loader *l)
{
    return (size_t)image_spec_channels(&l->spec.input) *
           (size_t)l->spec.input.width * (size_t)l->spec.input.height;
}

size_t loader_cached_bytes(const struct loader *l)
{
    return l->cache.bytes;
}

/* ---- one sample ---- */

static int find_bytes(const struct loader *l, uint64_t sample,
                      const uint8_t **data, size_t *size, struct err *err)
{
    size_t shard = loader_shard_of(l, sample);

    if (l->shards[shard] == NULL) {
        return err_set(err, EDGE_EUNAVAILABLE,
                       "sample %llu is in shard %zu of the data, which is not "
                       "here",
                       (unsigned long long)sample, shard);
    }
    *data = pack_sample(&l->set, shard, l->shards[shard],
                        (uint32_t)(sample - l->firsts[shard]), size);
    return 0;
}

/* Planes to pixels. */
static int raw_image(const struct dataset_shape *shape, const uint8_t *planes,
                     struct image *image, struct err *err)
{
    size_t n = (size_t)shape->width * shape->height;
    int rc = image_init(image, (int)shape->width, (int)shape->height,
                        (int)shape->channels);

    if (rc < 0) {
        return err_set(err, rc, "no memory for a sample's picture");
    }
    for (size_t c = 0; c < shape->channels; c++) {
        for (size_t i = 0; i < n; i++) {
            image->pixels[i * shape->channels + c] = planes[c * n + i];
        }
    }
    return 0;
}

/* The picture as it may be kept: before what is random begins. */
static int make_image(const struct loader *l, uint64_t sample,
                      struct image *out, struct err *err)
{
    const struct image_spec *input = &l->spec.input;
    struct image image = {0};
    const uint8_t *data;
    size_t size;
    char name[48];
    int rc = find_bytes(l, sample, &data, &size, err);

    if (rc < 0) {
        return rc;
    }
    (void)snprintf(name, sizeof(name), "sample %llu of the data",
                   (unsigned long long)sample);
    rc = l->set.kind == DATASET_RAW
             ? raw_image(&l->set.shape, data, &image, err)
             : image_decode(name, data, size, &image, err);
    if (rc == 0 && l->spec.augment.crop != AUGMENT_CROP_RESIZED) {
        rc = image_fit(&image, input, out, err);
    } else if (rc == 0 && input->color == IMAGE_COLOR_GRAY &&
               image.channels == 3) {
        rc = image_to_gray(&image, out);
        if (rc < 0) {
            (void)err_set(err, rc, "no memory to make %s gray", name);
        }
    } else if (rc == 0) {
        *out = image;
        return 0;
    }
    image_deinit(&image);
    return rc;
}

static void to_planes(const struct image *image, uint8_t *planes)
{
    size_t n = (size_t)image->width * (size_t)image->height;
    size_t channels = (size_t)image->channels;

    for (size_t c = 0; c < channels; c++) {
        for (size_t i = 0; i < n; i++) {
            planes[c * n + i] = image->pixels[i * channels + c];
        }
    }
}

/* Decides, and makes the levels of a picture that is at hand. */
static int image_levels(struct loader *l, const struct image *image,
                        uint64_t key, struct augment *a, struct err *err)
{
    const struct image_spec *input = &l->spec.input;
    struct image part = {0};
    int rc;

    augment_decide(&l->spec.augment, key, image->width, image->height, a);
    if (l->spec.augment.crop != AUGMENT_CROP_RESIZED) {
        to_planes(image, l->levels);
        return 0;
    }
    rc = resize_box(image, &a->box, input->width, input->height, &part, err);
    if (rc == 0) {
        to_planes(&part, l->levels);
    }
    image_deinit(&part);
    return rc;
}

static int load_image(struct loader *l, uint64_t sample, uint64_t key,
                      float *out, struct err *err)
{
    const struct image *image = cache_find(&l->cache, sample);
    struct augment_finish finish = {.input = &l->spec.input};
    struct image made = {0};
    struct augment a;
    int rc = 0;

    if (image == NULL) {
        rc = make_image(l, sample, &made, err);
        image = &made;
    }
    if (rc == 0) {
        finish.channels = (uint32_t)image->channels;
        rc = image_levels(l, image, key, &a, err);
    }
    if (rc == 0) {
        augment_apply(&a, &finish, l->levels, out);
    }
    if (rc < 0 || made.pixels == NULL ||
        !cache_take(&l->cache, sample, &made)) {
        image_deinit(&made);
    }
    return rc;
}

static int load_direct(struct loader *l, uint64_t sample, uint64_t key,
                       float *out, struct err *err)
{
    const struct augment_finish finish = {&l->spec.input, l->set.shape.channels,
                                          l->mean};
    struct augment a;
    const uint8_t *data;
    size_t size;
    int rc = find_bytes(l, sample, &data, &size, err);

    if (rc == 0) {
        augment_decide(&l->spec.augment, key, l->spec.input.width,
                       l->spec.input.height, &a);
        augment_apply(&a, &finish, data, out);
    }
    return rc;
}

static int load_label(const struct loader *l, uint64_t sample, int64_t *label,
                      struct err *err)
{
    if (l->labels == NULL) {
        return err_set(err, EDGE_EUNAVAILABLE,
                       "the labels of the data are not here");
    }
    *label = pack_label(l->labels, sample);
    return 0;
}

static int load(struct loader *l, uint64_t epoch, uint64_t sample, size_t i,
                const struct loader_batch *batch, struct err *err)
{
    uint64_t key = order_key(l->spec.seed, epoch, sample, ORDER_AUGMENT);
    int rc = 0;

    if (sample >= l->set.samples) {
        return err_set(err, EDGE_EINVAL, "the data have no sample %llu",
                       (unsigned long long)sample);
    }
    if (batch->seeds != NULL) {
        batch->seeds[i] =
            (int64_t)order_key(l->spec.seed, epoch, sample, ORDER_DROPOUT);
    }
    if (batch->labels != NULL) {
        rc = load_label(l, sample, &batch->labels[i], err);
    }
    if (rc == 0 && batch->images != NULL) {
        float *out = batch->images + i * loader_image_count(l);

        rc = l->is_direct ? load_direct(l, sample, key, out, err)
                          : load_image(l, sample, key, out, err);
    }
    return rc;
}

int loader_fill(struct loader *l, uint64_t epoch, const uint64_t *samples,
                size_t n, const struct loader_batch *batch, struct err *err)
{
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < n; i++) {
        rc = load(l, epoch, samples[i], i, batch, err);
    }
    return rc;
}
