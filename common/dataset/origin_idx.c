/*
 * MNIST's idx files (http://yann.lecun.com/exdb/mnist): four bytes that say
 * "unsigned bytes" and the number of dimensions, these as big-endian 32-bit
 * numbers, then the bytes. Images have three dimensions and labels one.
 */
#include "base/limits.h"
#include "base/mem.h"
#include "dataset/origin_inner.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char *const endings[] = {"", ".gz", ".xz"};

static bool is_images(const char *name)
{
    return strstr(name, "images") != NULL && strstr(name, "idx3") != NULL;
}

static bool is_part(const char *name, enum dataset_part part)
{
    if (!is_images(name)) {
        return false;
    }
    return part == DATASET_TRAIN
               ? listing_begins(name, "train")
               : listing_begins(name, "t10k") || listing_begins(name, "test");
}

bool origin_is_idx(const struct listing *names)
{
    for (size_t i = 0; i < names->n; i++) {
        if (is_images(names->items[i])) {
            return true;
        }
    }
    return false;
}

/* The path with its last `from` replaced by `to`. */
static char *replaced(const char *path, const char *from, const char *to)
{
    const char *at = NULL;

    for (const char *p = strstr(path, from); p != NULL;
         p = strstr(p + 1, from)) {
        at = p;
    }
    if (at == NULL) {
        return mem_strdup(path);
    }
    return mem_printf("%.*s%s%s", (int)(at - path), path, to,
                      at + strlen(from));
}

/* "train-images-idx3-ubyte.gz" to "train-labels-idx1-ubyte", which may be
 * compressed in another way. NULL: out of memory; otherwise it may be that
 * there is no such file. */
static char *labels_path(const char *images)
{
    char *one = replaced(images, "images", "labels");
    char *bare = one == NULL ? NULL : replaced(one, "idx3", "idx1");
    char *found = NULL;

    mem_free(one);
    if (bare == NULL) {
        return NULL;
    }
    if (listing_ends(bare, ".gz") || listing_ends(bare, ".xz")) {
        bare[strlen(bare) - 3] = '\0';
    }
    for (size_t i = 0; i < sizeof(endings) / sizeof(endings[0]); i++) {
        mem_free(found);
        found = mem_printf("%s%s", bare, endings[i]);
        if (found == NULL || access(found, F_OK) == 0) {
            break;
        }
    }
    mem_free(bare);
    return found;
}

static int fail_idx(const struct unzip *file, const char *why, struct err *err)
{
    return err_set(err, EDGE_ECORRUPT,
                   "\"%s\" is no idx file of %s. Copy it again, or say format: "
                   "cifar10 or folder if it is one",
                   unzip_path(file), why);
}

/* Opens a file of `rank` dimensions and reads its head. */
static int open_head(const char *path, int rank, uint32_t dims[3],
                     struct unzip **file, struct err *err)
{
    uint8_t head[16];
    size_t size = 4 + 4 * (size_t)rank;
    size_t got = 0;
    int rc = unzip_open(path, file, err);

    if (rc == 0) {
        rc = unzip_read(*file, head, size, &got, err);
    }
    if (rc < 0) {
        return rc;
    }
    if (got < size || head[0] != 0 || head[1] != 0 || head[2] != 8 ||
        head[3] != rank) {
        return fail_idx(*file,
                        rank == 3 ? "gray pictures (magic 00000803)"
                                  : "labels (magic 00000801)",
                        err);
    }
    for (int i = 0; i < rank; i++) {
        const uint8_t *p = head + 4 + 4 * i;

        dims[i] = (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 |
                  (uint32_t)p[2] << 8 | p[3];
    }
    return 0;
}

/* The end of the file is where its head said. */
static int check_end(struct unzip *file, struct err *err)
{
    uint8_t byte;
    size_t got = 0;
    int rc = unzip_read(file, &byte, 1, &got, err);

    if (rc == 0 && got != 0) {
        rc = fail_idx(file, "as many items as its head says: it goes on", err);
    }
    return rc;
}

static int idx_next(struct origin *s, struct origin_sample *sample,
                    struct err *err)
{
    size_t size = (size_t)s->shape.height * s->shape.width;
    uint8_t label = 0;
    size_t got = 0;
    int rc;

    if (s->left == 0) {
        rc = check_end(s->images, err);
        return rc < 0 ? rc : check_end(s->labels, err);
    }
    rc = unzip_read(s->labels, &label, 1, &got, err);
    if (rc == 0 && got == 0) {
        rc = fail_idx(s->labels, "as many labels as its head says: it ends",
                      err);
    }
    if (rc == 0) {
        rc = unzip_read(s->images, s->buffer, size, &got, err);
    }
    if (rc == 0 && got < size) {
        rc = fail_idx(s->images, "as many pictures as its head says: it ends",
                      err);
    }
    if (rc < 0) {
        return rc;
    }
    s->left--;
    *sample =
        (struct origin_sample){s->buffer, size, label, unzip_path(s->images)};
    return 1;
}

/* The head says how many labels there are but not of which classes, so they
 * are read twice. */
static int find_classes(struct origin *s, const char *path, uint64_t n,
                        struct err *err)
{
    struct unzip *file = NULL;
    uint8_t labels[4096];
    uint32_t dims[3];
    char name[16];
    int most = 0;
    size_t got = 0;
    int rc = open_head(path, 1, dims, &file, err);

    for (uint64_t i = 0; rc == 0 && i < n; i += got) {
        size_t wanted =
            n - i < sizeof(labels) ? (size_t)(n - i) : sizeof(labels);

        rc = unzip_read(file, labels, wanted, &got, err);
        for (size_t j = 0; rc == 0 && j < got; j++) {
            most = labels[j] > most ? labels[j] : most;
        }
        if (rc == 0 && got < wanted) {
            rc =
                fail_idx(file, "as many labels as its head says: it ends", err);
        }
    }
    unzip_free(file);
    for (int i = 0; rc == 0 && i <= most; i++) {
        (void)snprintf(name, sizeof(name), "%d", i);
        rc = listing_add(&s->classes, name);
        if (rc < 0) {
            rc = err_set(err, rc, "no memory to read %s", path);
        }
    }
    return rc;
}

static int open_pair(struct origin *s, const char *images, struct err *err)
{
    char *labels = labels_path(images);
    uint32_t dims[3] = {0};
    uint32_t n[3] = {0};
    int rc;

    if (labels == NULL) {
        return err_set(err, EDGE_ENOMEM, "no memory to read %s", images);
    }
    rc = open_head(images, 3, dims, &s->images, err);
    if (rc == 0) {
        rc = open_head(labels, 1, n, &s->labels, err);
    }
    if (rc < 0) {
        goto out;
    }
    if (dims[0] != n[0] || n[0] == 0 || n[0] > LIMIT_DATA_SAMPLES) {
        rc = err_set(err, EDGE_ECORRUPT,
                     "\"%s\" has %u pictures and \"%s\" %u labels; they must "
                     "be as many, and 1 to %llu. Take both of the same set",
                     images, dims[0], labels, n[0],
                     (unsigned long long)LIMIT_DATA_SAMPLES);
        goto out;
    }
    if (dims[1] == 0 || dims[1] > LIMIT_DATA_SIDE || dims[2] == 0 ||
        dims[2] > LIMIT_DATA_SIDE) {
        rc =
            err_set(err, EDGE_ETOOBIG,
                    "\"%s\" has pictures of %ux%u; edged reads data sets of "
                    "up to %dx%d. Make them smaller first",
                    images, dims[2], dims[1], LIMIT_DATA_SIDE, LIMIT_DATA_SIDE);
        goto out;
    }
    s->left = n[0];
    s->shape = (struct dataset_shape){1, dims[1], dims[2]};
    rc = find_classes(s, labels, n[0], err);
out:
    mem_free(labels);
    return rc;
}

/* The images of a part in a folder; NULL: none. */
static const char *find_images(const struct origin_place *place,
                               const struct listing *names)
{
    for (size_t i = 0; i < names->n; i++) {
        if (is_part(names->items[i], place->part)) {
            return names->items[i];
        }
    }
    return NULL;
}

/* A folder's only pair of files, whatever it is called, is all of it. */
static const char *find_only(const struct listing *names)
{
    const char *found = NULL;

    for (size_t i = 0; i < names->n; i++) {
        if (is_images(names->items[i])) {
            if (found != NULL) {
                return NULL;
            }
            found = names->items[i];
        }
    }
    return found;
}

static int open_named(struct origin *s, const struct origin_place *place,
                      const struct listing *names, struct err *err)
{
    const char *name = find_images(place, names);
    char *path;
    int rc;

    if (name == NULL && (place->is_whole || place->part == DATASET_TRAIN)) {
        name = find_only(names);
    }
    if (name == NULL && place->part == DATASET_TEST) {
        return origin_no_test(place->path, err);
    }
    if (name == NULL) {
        return err_set(err, EDGE_ENOENT,
                       "%s has no train-images-idx3-ubyte. Put the files of "
                       "the set there, or name one in data:",
                       place->path);
    }
    path = listing_path(place->path, name);
    rc = path == NULL
             ? err_set(err, EDGE_ENOMEM, "no memory to read %s", place->path)
             : open_pair(s, path, err);
    mem_free(path);
    return rc;
}

int origin_open_idx(struct origin *s, const struct origin_place *place,
                    const struct listing *names, struct err *err)
{
    int rc;

    if (names != NULL) {
        rc = open_named(s, place, names, err);
    } else if (place->part == DATASET_TEST && !place->is_whole) {
        rc = origin_no_test(place->path, err);
    } else if (strstr(place->path, "images") == NULL) {
        rc = err_set(err, EDGE_EINVAL,
                     "\"%s\" must have \"images\" in its name, so that the "
                     "labels beside it are found. Name the folder in data:",
                     place->path);
    } else {
        rc = open_pair(s, place->path, err);
    }
    if (rc < 0) {
        return rc;
    }
    s->buffer = mem_zalloc(s->shape.height, s->shape.width);
    if (s->buffer == NULL) {
        return err_set(err, EDGE_ENOMEM, "no memory to read %s", place->path);
    }
    s->next = idx_next;
    s->kind = DATASET_RAW;
    return 0;
}
