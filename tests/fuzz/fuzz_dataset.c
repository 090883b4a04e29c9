/*
 * Any bytes as training data. The first byte says as what: a file of CIFAR-10
 * (plain, gzip or xz), a pair of idx files, a manifest, or a shard of pictures
 * and its labels.
 */
#include "base/mem.h"
#include "dataset/loader.h"
#include "dataset/origin.h"
#include "dataset/pack.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A file in memory; its path goes to `path`. */
static int file_of(const uint8_t *data, size_t size, const char *name,
                   char path[64])
{
    int fd = memfd_create(name, MFD_CLOEXEC);

    if (fd < 0 || write(fd, data, size) != (ssize_t)size) {
        abort();
    }
    (void)snprintf(path, 64, "/proc/self/fd/%d", fd);
    return fd;
}

static void read_all(struct origin *origin)
{
    struct origin_sample sample;
    struct err err = {""};
    volatile unsigned sum = 0; /* every sample's bytes are there */
    size_t n_classes;
    int rc;

    (void)origin_classes(origin, &n_classes);
    while ((rc = origin_next(origin, &sample, &err)) > 0) {
        if (sample.label >= n_classes) {
            abort(); /* a label has its class */
        }
        sum += sample.size > 0 ? sample.data[sample.size - 1] : 0;
    }
    if (rc < 0 && err.text[0] == '\0') {
        abort(); /* an error has a sentence */
    }
}

static void as_cifar10(const uint8_t *data, size_t size)
{
    char path[64];
    int fd = file_of(data, size, "cifar", path);
    const struct origin_place place = {path, DATASET_CIFAR10, DATASET_TRAIN,
                                       true};
    struct origin *origin = NULL;
    struct err err = {""};

    if (origin_open(&place, &origin, &err) == 0) {
        read_all(origin);
        origin_free(origin);
    }
    (void)close(fd);
}

/* Two halves: pictures and labels, found by their names. */
static void as_idx(const uint8_t *data, size_t size)
{
    char folder[] = "/tmp/fuzz-dataset-XXXXXX";
    static const char *const names[] = {"train-images-idx3-ubyte",
                                        "train-labels-idx1-ubyte"};
    const struct origin_place place = {folder, DATASET_IDX, DATASET_TRAIN,
                                       false};
    size_t at = size < 2 ? size : 2 + (size_t)data[0] * 256 + data[1];
    size_t from = size < 2 ? size : 2;
    struct origin *origin = NULL;
    struct err err = {""};
    char paths[2][64];
    int fds[2];
    char name[128];

    at = at > size ? size : at;
    if (mkdtemp(folder) == NULL) {
        abort();
    }
    fds[0] = file_of(data + from, at - from, "images", paths[0]);
    fds[1] = file_of(data + at, size - at, "labels", paths[1]);
    for (int i = 0; i < 2; i++) {
        (void)snprintf(name, sizeof(name), "%s/%s", folder, names[i]);
        if (symlink(paths[i], name) < 0) {
            abort();
        }
    }
    if (origin_open(&place, &origin, &err) == 0) {
        read_all(origin);
        origin_free(origin);
    }
    for (int i = 0; i < 2; i++) {
        (void)snprintf(name, sizeof(name), "%s/%s", folder, names[i]);
        (void)unlink(name);
        (void)close(fds[i]);
    }
    (void)rmdir(folder);
}

static void as_manifest(const uint8_t *data, size_t size)
{
    struct dataset set = {0};
    struct blob *text = NULL;
    struct err err = {""};

    if (dataset_parse(data, size, &set, &err) < 0) {
        if (err.text[0] == '\0' || set.classes != NULL) {
            abort(); /* an error has a sentence and leaves nothing behind */
        }
        return;
    }
    if (dataset_print(&set, &text, &err) == 0 &&
        (text->size != size || memcmp(text->data, data, size) != 0)) {
        abort(); /* a set has one text */
    }
    blob_unref(text);
    dataset_deinit(&set);
}

/* A shard of up to four pictures, whatever its table says. */
static void as_shard(const uint8_t *data, size_t size)
{
    static char name[] = "a";
    static float images[3 * 8 * 8];
    char *classes[] = {name};
    struct dataset_shard shard = {.bytes = size};
    struct dataset set = {.kind = DATASET_PICTURES,
                          .classes = classes,
                          .n_classes = 1,
                          .shards = &shard,
                          .n_shards = 1};
    struct loader_spec spec = {.input = image_spec_default(8, 8),
                               .augment = augment_none()};
    const struct loader_batch batch = {.images = images};
    struct loader *loader = NULL;
    struct blob *blob = blob_copy(data, size);
    struct err err = {""};

    shard.samples = 1 + (size > 0 ? data[size - 1] % 4u : 0);
    set.samples = shard.samples;
    spec.augment.crop = AUGMENT_CROP_RESIZED;
    if (blob == NULL || size <= 4 * ((size_t)shard.samples + 1)) {
        blob_unref(blob);
        return; /* no manifest says so: dataset_parse() */
    }
    if (loader_new(&spec, &set, &loader, &err) == 0 &&
        loader_give_shard(loader, 0, blob, &err) == 0) {
        for (uint64_t i = 0; i < set.samples; i++) {
            (void)loader_fill(loader, 0, &i, 1, &batch, &err);
        }
    }
    loader_free(loader);
    blob_unref(blob);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static void (*const as[])(const uint8_t *, size_t) = {
        as_cifar10, as_idx, as_manifest, as_shard};

    if (size > 0) {
        as[data[0] % 4](data + 1, size - 1);
    }
    return 0;
}
