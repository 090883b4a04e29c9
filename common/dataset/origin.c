#include "dataset/origin.h"

#include "base/limits.h"
#include "base/mem.h"
#include "dataset/origin_inner.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

int origin_no_test(const char *path, struct err *err)
{
    return err_set(err, EDGE_ENOENT,
                   "%s has no test data. Name them: data: {train: %s, test: "
                   "FOLDER}",
                   path, path);
}

/* By what the files are called. A file alone is idx or cifar10. */
static enum dataset_format guess(const char *path, const struct listing *names)
{
    if (names == NULL) {
        return strstr(path, "idx") != NULL ? DATASET_IDX : DATASET_CIFAR10;
    }
    if (origin_is_idx(names)) {
        return DATASET_IDX;
    }
    return origin_is_cifar10(names) ? DATASET_CIFAR10 : DATASET_FOLDER;
}

static int open_format(struct origin *origin, const struct origin_place *place,
                       const struct listing *names, struct err *err)
{
    enum dataset_format format = place->format == DATASET_AUTO
                                     ? guess(place->path, names)
                                     : place->format;

    switch (format) {
    case DATASET_IDX: return origin_open_idx(origin, place, names, err);
    case DATASET_CIFAR10: return origin_open_cifar10(origin, place, names, err);
    default: return origin_open_folder(origin, place, names, err);
    }
}

/* One line of a file of classes, without its end. */
static int add_class(struct listing *names, const char *path, const char *line,
                     size_t size, struct err *err)
{
    char name[LIMIT_DATA_CLASS + 1] = "";
    int rc;

    if (size <= LIMIT_DATA_CLASS) {
        memcpy(name, line, size);
    }
    name[size <= LIMIT_DATA_CLASS ? size : 0] = '\0';
    rc = dataset_check_class(name, err);
    if (rc < 0) {
        return err_wrap(err, rc, "\"%s\", line %zu", path, names->n + 1);
    }
    if (names->n == LIMIT_DATA_CLASSES) {
        return err_set(err, EDGE_ETOOBIG, "\"%s\" has more than %d lines", path,
                       LIMIT_DATA_CLASSES);
    }
    return listing_add(names, name) < 0
               ? err_set(err, EDGE_ENOMEM, "no memory to read \"%s\"", path)
               : 0;
}

static int read_lines(const char *path, struct listing *names, struct err *err)
{
    struct blob *file = NULL;
    int rc = blob_read(path, LIMIT_LABELS, &file, err);

    for (size_t at = 0; rc == 0 && at < file->size;) {
        const char *line = (const char *)file->data + at;
        const char *end = memchr(line, '\n', file->size - at);
        size_t size = end == NULL ? file->size - at : (size_t)(end - line);

        at += size + (end != NULL);
        size -= size > 0 && line[size - 1] == '\r';
        rc = add_class(names, path, line, size, err);
    }
    blob_unref(file);
    return rc;
}

/* The names that the user gave, in place of the format's. */
static int rename_classes(struct origin *origin, const char *path,
                          struct err *err)
{
    struct listing names = {0};
    int rc;

    if (origin->kind == DATASET_PICTURES) {
        return err_set(err, EDGE_EINVAL,
                       "\"%s\" cannot name the classes: their folders do. "
                       "Leave out classes: in the file",
                       path);
    }
    rc = read_lines(path, &names, err);
    if (rc == 0 && names.n < origin->classes.n) {
        rc = err_set(err, EDGE_EINVAL,
                     "\"%s\" names %zu classes, but the data have labels of "
                     "%zu. Write a line for each",
                     path, names.n, origin->classes.n);
    }
    if (rc < 0) {
        listing_deinit(&names);
        return rc;
    }
    listing_deinit(&origin->classes);
    origin->classes = names;
    return 0;
}

int origin_open(const struct origin_place *place, struct origin **origin,
                struct err *err)
{
    struct origin *made = NULL;
    struct listing names = {0};
    bool is_folder;
    struct stat st;
    int rc;

    if (stat(place->path, &st) < 0) {
        return err_set(err, err_from_errno(errno),
                       "cannot open the data %s: %s. Check data: in the file",
                       place->path, strerror(errno));
    }
    is_folder = S_ISDIR(st.st_mode);
    rc = is_folder ? listing_read(place->path, &names, err) : 0;
    if (rc < 0) {
        return rc;
    }
    made = mem_new(struct origin);
    rc = made == NULL
             ? err_set(err, EDGE_ENOMEM, "no memory to read %s", place->path)
             : open_format(made, place, is_folder ? &names : NULL, err);
    listing_deinit(&names);
    if (rc == 0 && place->classes != NULL) {
        rc = rename_classes(made, place->classes, err);
    }
    if (rc < 0) {
        origin_free(made);
        return rc;
    }
    *origin = made;
    return 0;
}

void origin_free(struct origin *origin)
{
    if (origin == NULL) {
        return;
    }
    listing_deinit(&origin->classes);
    listing_deinit(&origin->files);
    unzip_free(origin->images);
    unzip_free(origin->labels);
    blob_unref(origin->picture);
    mem_free(origin->buffer);
    mem_free(origin->folder);
    mem_free(origin);
}

enum dataset_kind origin_kind(const struct origin *origin)
{
    return origin->kind;
}

struct dataset_shape origin_shape(const struct origin *origin)
{
    return origin->shape;
}

const char *const *origin_classes(const struct origin *origin, size_t *n)
{
    *n = origin->classes.n;
    return (const char *const *)origin->classes.items;
}

int origin_next(struct origin *origin, struct origin_sample *sample,
                struct err *err)
{
    return origin->next(origin, sample, err);
}
