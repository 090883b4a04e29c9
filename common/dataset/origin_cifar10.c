/*
 * CIFAR-10's binary form (https://www.cs.toronto.edu/~kriz/cifar.html):
 * records of one label, 0..9, and 3 x 32 x 32 levels, red, green, blue.
 */
#include "base/limits.h"
#include "base/mem.h"
#include "dataset/origin_inner.h"

#include <string.h>

#define PIXELS (3 * 32 * 32)
#define RECORD (1 + PIXELS)

static const char *const classes[] = {"airplane", "automobile", "bird", "cat",
                                      "deer",     "dog",        "frog", "horse",
                                      "ship",     "truck"};
#define N_CLASSES (sizeof(classes) / sizeof(classes[0]))

static bool is_batch(const char *name)
{
    return listing_ends(name, ".bin") || listing_ends(name, ".bin.gz") ||
           listing_ends(name, ".bin.xz");
}

static bool is_part(const char *name, enum dataset_part part)
{
    return is_batch(name) &&
           listing_begins(name,
                          part == DATASET_TEST ? "test_batch" : "data_batch");
}

bool origin_is_cifar10(const struct listing *names)
{
    for (size_t i = 0; i < names->n; i++) {
        if (is_part(names->items[i], DATASET_TRAIN) ||
            is_part(names->items[i], DATASET_TEST)) {
            return true;
        }
    }
    return false;
}

static int next_file(struct origin *s, struct err *err)
{
    unzip_free(s->images);
    s->images = NULL;
    return unzip_open(s->files.items[s->next_file++], &s->images, err);
}

static int cifar10_next(struct origin *s, struct origin_sample *sample,
                        struct err *err)
{
    size_t got = 0;
    int rc = 0;

    while (rc == 0 && got == 0) {
        if (s->images == NULL && s->next_file == s->files.n) {
            return 0;
        }
        rc = s->images == NULL ? next_file(s, err) : 0;
        if (rc == 0) {
            rc = unzip_read(s->images, s->buffer, RECORD, &got, err);
        }
        if (rc == 0 && got == 0) { /* the end of this file */
            unzip_free(s->images);
            s->images = NULL;
        }
    }
    if (rc < 0) {
        return rc;
    }
    sample->name = s->files.items[s->next_file - 1];
    if (got < RECORD || s->buffer[0] >= N_CLASSES) {
        return err_set(err, EDGE_ECORRUPT,
                       "\"%s\" is no CIFAR-10 file in binary form: %s. Copy "
                       "it again, or say format: folder or idx if it is one",
                       sample->name,
                       got < RECORD ? "its last record is cut short"
                                    : "a label is above 9");
    }
    sample->data = s->buffer + 1;
    sample->size = PIXELS;
    sample->label = s->buffer[0];
    return 1;
}

/* The files of a part; a folder of other .bin files is one part, and whole. */
static int add_files(struct origin *s, const struct origin_place *place,
                     const struct listing *names)
{
    bool named = origin_is_cifar10(names);
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < names->n; i++) {
        const char *name = names->items[i];
        char *path;

        if (named ? !is_part(name, place->part) : !is_batch(name)) {
            continue;
        }
        path = listing_path(place->path, name);
        rc = path == NULL ? EDGE_ENOMEM : listing_add(&s->files, path);
        mem_free(path);
    }
    return rc;
}

static int find_files(struct origin *s, const struct origin_place *place,
                      const struct listing *names, struct err *err)
{
    int rc;

    if (place->part == DATASET_TEST && !place->is_whole &&
        (names == NULL || !origin_is_cifar10(names))) {
        return origin_no_test(place->path, err);
    }
    rc = names == NULL ? listing_add(&s->files, place->path)
                       : add_files(s, place, names);
    if (rc < 0) {
        return err_set(err, rc, "no memory to read %s", place->path);
    }
    if (s->files.n > 0) {
        return 0;
    }
    if (place->part == DATASET_TEST) {
        return origin_no_test(place->path, err);
    }
    return err_set(err, EDGE_ENOENT,
                   "%s has no data_batch_*.bin of CIFAR-10. Unpack its binary "
                   "version there",
                   place->path);
}

int origin_open_cifar10(struct origin *s, const struct origin_place *place,
                        const struct listing *names, struct err *err)
{
    int rc = find_files(s, place, names, err);

    for (size_t i = 0; rc == 0 && i < N_CLASSES; i++) {
        rc = listing_add(&s->classes, classes[i]);
    }
    s->buffer = rc < 0 ? NULL : mem_zalloc(1, RECORD);
    if (s->files.n > 0 && s->buffer == NULL) {
        return err_set(err, EDGE_ENOMEM, "no memory to read %s", place->path);
    }
    s->next = cifar10_next;
    s->kind = DATASET_RAW;
    s->shape = (struct dataset_shape){3, 32, 32};
    return rc;
}
