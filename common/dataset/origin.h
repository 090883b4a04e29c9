/*
 * Data sets as their users have them, sample after sample:
 *
 *   idx       MNIST and its like: train-images-idx3-ubyte and
 *             train-labels-idx1-ubyte, t10k-... for the test part
 *   cifar10   CIFAR-10's binary form: records of a label and 3072 levels, in
 *             one or several files, data_batch_*.bin and test_batch.bin
 *   folder    a folder per class, sorted by name, of JPEG and PNG files;
 *             train/ and test/ (or val/) above them where there are both
 *
 * Files of the first two may be compressed (unzip.h). Nothing is trusted:
 * sizes are checked against limits.h before anything is allocated, and what is
 * wrong is an error that says in which file. Blocks on the disk.
 */
#ifndef EDGE_DATASET_ORIGIN_H
#define EDGE_DATASET_ORIGIN_H

#include "dataset/dataset.h"

#include <stdbool.h>

enum dataset_format {
    DATASET_AUTO, /* by the names of files */
    DATASET_IDX,
    DATASET_CIFAR10,
    DATASET_FOLDER
};

enum dataset_part { DATASET_TRAIN, DATASET_TEST };

struct origin_place {
    const char *path; /* a folder, or a file of idx or cifar10 */
    enum dataset_format format;
    enum dataset_part part;
    /* A path without parts of its own is the part that is asked for.
     * Otherwise it is training data, and has no test part. */
    bool is_whole;
    /* A file with the name of each class, one a line, in the order of the
     * labels, for idx and cifar10; NULL: digits, or CIFAR-10's own. */
    const char *classes;
};

struct origin_sample {
    const uint8_t *data; /* until the next call */
    size_t size;
    uint32_t label;   /* below n_classes */
    const char *name; /* of the file, for errors */
};

struct origin;

/* EDGE_ENOENT: nothing is there, or not that part; EDGE_EUNSUPPORTED: it looks
 * like no format that is known; EDGE_ECORRUPT, EDGE_ETOOBIG, EDGE_ENOMEM. */
int origin_open(const struct origin_place *place, struct origin **origin,
                struct err *err);
void origin_free(struct origin *origin); /* NULL is fine */

enum dataset_kind origin_kind(const struct origin *origin);
struct dataset_shape origin_shape(const struct origin *origin);
/* Names of the classes; they live as long as the origin. */
const char *const *origin_classes(const struct origin *origin, size_t *n);

/* The next sample: 1, or 0 at the end, or an error; after one of these it is
 * not called again. */
int origin_next(struct origin *origin, struct origin_sample *sample,
                struct err *err);

#endif
