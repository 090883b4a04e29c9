/*
 * A data set as the cluster knows it: its manifest. The samples lie in a few
 * blobs named by SHA-256 (pack.h), their labels in another one, so a board
 * that holds pictures need not hold labels, nor the other way round. The
 * manifest is a short text, itself named by its SHA-256:
 *
 *     edged dataset 1
 *     kind raw                       or: pictures
 *     shape 3 32 32                  channels height width; raw alone
 *     samples 50000
 *     levels 51200000                pixels that were summed up, then for
 *     sums 6413612600 1008110416000  each channel the sum of its levels
 *     ...                            (0..255) and of their squares
 *     class airplane                 a line for each, the first is label 0
 *     ...
 *     labels DIGEST
 *     mean DIGEST                    raw alone: the mean picture, float32
 *     shard DIGEST BYTES SAMPLES     a line for each
 *     ...
 *     end
 *
 * It comes from other programs, so dataset_parse() checks all of it. Whoever
 * holds the struct owns what is in it. No I/O; any thread.
 */
#ifndef EDGE_DATASET_DATASET_H
#define EDGE_DATASET_DATASET_H

#include "base/blob.h"
#include "base/err.h"
#include "base/store.h"

#include <stddef.h>
#include <stdint.h>

#define DATASET_CHANNELS 3

enum dataset_kind {
    DATASET_RAW,     /* levels of 0..255, channels x height x width a sample */
    DATASET_PICTURES /* JPEG or PNG files, each of its own size */
};

struct dataset_shape {
    uint32_t channels; /* 1 or 3 */
    uint32_t height;
    uint32_t width;
};

struct dataset_shard {
    struct digest digest;
    uint64_t bytes;
    uint32_t samples;
};

/* A gray picture counts the same in all three channels. */
struct dataset_levels {
    uint64_t pixels;
    uint64_t sums[DATASET_CHANNELS];
    uint64_t squares[DATASET_CHANNELS];
};

struct dataset {
    enum dataset_kind kind;
    struct dataset_shape shape; /* zero for DATASET_PICTURES */
    uint64_t samples;
    char **classes;
    size_t n_classes;
    struct digest labels; /* two bytes a sample, little-endian */
    struct digest mean;   /* of DATASET_RAW */
    struct dataset_levels levels;
    struct dataset_shard *shards;
    size_t n_shards;
};

/* Bytes of one sample of DATASET_RAW. */
size_t dataset_sample_bytes(const struct dataset *set);
/* Of the blob of labels. */
size_t dataset_label_bytes(const struct dataset *set);

/* EDGE_ECORRUPT and what is wrong; EDGE_ETOOBIG, EDGE_ENOMEM. */
int dataset_parse(const void *text, size_t size, struct dataset *set,
                  struct err *err);
/* Its text, the same for equal sets. EDGE_ENOMEM. */
int dataset_print(const struct dataset *set, struct blob **text,
                  struct err *err);
void dataset_deinit(struct dataset *set); /* fine on a zeroed one */

/* EDGE_EINVAL unless `test` can measure what was trained on `train`: the same
 * classes, or the first of them, and the same number of channels. */
int dataset_check_pair(const struct dataset *train, const struct dataset *test,
                       struct err *err);

/* Mean and deviation of the levels of all pixels, channel by channel, on the
 * scale 0..1: what a model's input may be normalised by. */
void dataset_normal(const struct dataset *set, float mean[DATASET_CHANNELS],
                    float std[DATASET_CHANNELS]);

/* Whether it can be a class's name: UTF-8 is not looked into, but there is
 * something, no control character, and at most LIMIT_DATA_CLASS bytes. */
int dataset_check_class(const char *name, struct err *err);

#endif
