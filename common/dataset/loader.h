/*
 * Samples of a data set made a model's input: what a board does with its part
 * of a micro-batch, ahead of need. It is given the blobs that it may use
 * (shards, labels, or both: a board without labels gives images, one without
 * shards gives labels), reads no file and waits for nothing but pages of
 * mapped blobs. What it fills in depends on the seed, the epoch and the
 * sample's number alone.
 *
 * One thread at a time. Memory is bounded: one sample in the making and
 * `cache_bytes` of pictures that are kept decoded. These stay once they are
 * in: as each sample comes once an epoch, throwing out old ones for new ones
 * would gain nothing.
 */
#ifndef EDGE_DATASET_LOADER_H
#define EDGE_DATASET_LOADER_H

#include "dataset/augment.h"
#include "dataset/dataset.h"

struct loader_spec {
    struct image_spec input;
    struct augment_spec augment; /* augment_none(): for evaluation */
    uint64_t seed;
    size_t cache_bytes; /* 0: nothing is kept */
};

struct loader;

/* Copies what it needs of `set`. Samples of DATASET_RAW that have the model's
 * size are taken as they are, others are fitted as the spec says. EDGE_EINVAL:
 * numbers out of range; EDGE_ENOMEM. */
int loader_new(const struct loader_spec *spec, const struct dataset *set,
               struct loader **loader, struct err *err);
void loader_free(struct loader *loader); /* NULL is fine */

/* Blobs of the set, whose digests whoever gives them has verified; each takes
 * a reference. EDGE_ECORRUPT: it cannot be that blob. */
int loader_give_shard(struct loader *loader, size_t shard, struct blob *blob,
                      struct err *err);
int loader_give_labels(struct loader *loader, struct blob *blob,
                       struct err *err);
/* The mean picture is taken off from now on. EDGE_EINVAL unless the set is of
 * DATASET_RAW and has the model's size. */
int loader_give_mean(struct loader *loader, struct blob *blob, struct err *err);

/* The shard that holds a sample below the set's number of them. */
size_t loader_shard_of(const struct loader *loader, uint64_t sample);
/* Floats of one sample's image. */
size_t loader_image_count(const struct loader *loader);
/* Of pictures kept decoded. */
size_t loader_cached_bytes(const struct loader *loader);

/* What is wanted of n samples; NULL: not this. */
struct loader_batch {
    float *images;   /* (n, channels, height, width) */
    int64_t *labels; /* (n) */
    int64_t *seeds;  /* (n), for dropout (kernels/train.h) */
};

/* The samples with these numbers (order_at()), in this order. EDGE_EINVAL: a
 * number is beyond the set; EDGE_EUNAVAILABLE: a blob that is needed was not
 * given; EDGE_ECORRUPT, EDGE_ENOMEM: a picture cannot be decoded. */
int loader_fill(struct loader *loader, uint64_t epoch, const uint64_t *samples,
                size_t n, const struct loader_batch *batch, struct err *err);

#endif
