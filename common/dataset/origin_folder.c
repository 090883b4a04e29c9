/*
 * A folder per class, as torchvision's ImageFolder has it: the classes are
 * the folders' names, sorted; a class's pictures are the files in it and in
 * folders in it, sorted. Files beside the classes (a README, a list of labels)
 * are not looked at, pictures there are an error: they have no class. In a
 * class whatever is no JPEG or PNG is an error when it is packed (pack.h).
 */
#include "base/limits.h"
#include "base/mem.h"
#include "dataset/origin_inner.h"

#include <errno.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#define DEPTH 8 /* of folders in a class; a loop of links ends there */

static const char *const test_names[] = {"test", "val", "valid", "validation"};
#define N_TEST_NAMES (sizeof(test_names) / sizeof(test_names[0]))

/* Left behind by file managers. */
static bool is_litter(const char *name)
{
    return strcasecmp(name, "Thumbs.db") == 0 ||
           strcasecmp(name, "desktop.ini") == 0;
}

static bool is_picture(const char *name)
{
    static const char *const endings[] = {".jpg", ".jpeg", ".png"};
    size_t n = strlen(name);

    for (size_t i = 0; i < sizeof(endings) / sizeof(endings[0]); i++) {
        size_t m = strlen(endings[i]);

        if (n > m && strcasecmp(name + n - m, endings[i]) == 0) {
            return true;
        }
    }
    return false;
}

static int add_class(struct origin *s, const char *name, const char *path,
                     struct err *err)
{
    int rc = dataset_check_class(name, err);

    if (rc < 0) {
        return err_wrap(err, rc, "the folder %s", path);
    }
    if (s->classes.n == LIMIT_DATA_CLASSES) {
        return err_set(err, EDGE_ETOOBIG,
                       "%s has more than %d folders, each a class", s->folder,
                       LIMIT_DATA_CLASSES);
    }
    return listing_add(&s->classes, name) < 0
               ? err_set(err, EDGE_ENOMEM, "no memory to list %s", s->folder)
               : 0;
}

static int find_classes(struct origin *s, const struct listing *names,
                        struct err *err)
{
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < names->n; i++) {
        char *path = listing_path(s->folder, names->items[i]);

        if (path == NULL) {
            rc = err_set(err, EDGE_ENOMEM, "no memory to list %s", s->folder);
        } else if (listing_is_folder(path)) {
            rc = add_class(s, names->items[i], path, err);
        } else if (is_picture(names->items[i])) {
            rc = err_set(err, EDGE_EINVAL,
                         "\"%s\" lies beside the folders of the classes and "
                         "so has none. Move it into one",
                         path);
        }
        mem_free(path);
    }
    if (rc == 0 && s->classes.n == 0) {
        rc = err_set(err, EDGE_ENOENT,
                     "%s has no folders: there must be one for each class, "
                     "with its pictures, or files of MNIST or CIFAR-10",
                     s->folder);
    }
    return rc;
}

/* The files of one folder into the list, its folders into `more`. */
static int add_files(struct origin *s, const char *folder, struct listing *more,
                     struct err *err)
{
    struct listing names = {0};
    int rc = listing_read(folder, &names, err);

    for (size_t i = 0; rc == 0 && i < names.n; i++) {
        char *path = listing_path(folder, names.items[i]);

        if (is_litter(names.items[i])) {
            rc = 0;
        } else if (path == NULL ||
                   listing_add(listing_is_folder(path) ? more : &s->files,
                               path) < 0) {
            rc = err_set(err, EDGE_ENOMEM, "no memory to list %s", folder);
        }
        mem_free(path);
    }
    listing_deinit(&names);
    return rc;
}

/* Level by level, so without recursion. */
static int add_tree(struct origin *s, const char *folder, struct err *err)
{
    struct listing level = {0};
    int depth = 0;
    int rc = listing_add(&level, folder);

    if (rc < 0) {
        (void)err_set(err, rc, "no memory to list %s", folder);
    }
    for (; rc == 0 && level.n > 0 && depth < DEPTH; depth++) {
        struct listing more = {0};

        for (size_t i = 0; rc == 0 && i < level.n; i++) {
            rc = add_files(s, level.items[i], &more, err);
        }
        listing_deinit(&level);
        level = more;
    }
    if (rc == 0 && level.n > 0) {
        rc = err_set(err, EDGE_ETOOBIG,
                     "the folder %s is more than %d folders deep in its class",
                     level.items[0], DEPTH);
    }
    listing_deinit(&level);
    return rc;
}

static int next_class(struct origin *s, struct err *err)
{
    const char *name = s->classes.items[s->next_class++];
    char *path = listing_path(s->folder, name);
    int rc;

    listing_deinit(&s->files);
    s->next_file = 0;
    if (path == NULL) {
        return err_set(err, EDGE_ENOMEM, "no memory to list %s", s->folder);
    }
    rc = add_tree(s, path, err);
    if (rc == 0 && s->files.n == 0) {
        rc = err_set(err, EDGE_ENOENT,
                     "the class %s has no pictures. Put some there, or remove "
                     "the folder",
                     path);
    }
    mem_free(path);
    return rc;
}

static int folder_next(struct origin *s, struct origin_sample *sample,
                       struct err *err)
{
    const char *path;
    int rc;

    if (s->next_file == s->files.n) {
        if (s->next_class == s->classes.n) {
            return 0;
        }
        rc = next_class(s, err);
        if (rc < 0) {
            return rc;
        }
    }
    path = s->files.items[s->next_file++];
    blob_unref(s->picture);
    s->picture = NULL;
    rc = blob_read(path, LIMIT_IMAGE_FILE, &s->picture, err);
    if (rc < 0) {
        return rc;
    }
    *sample = (struct origin_sample){s->picture->data, s->picture->size,
                                     (uint32_t)(s->next_class - 1), path};
    return 1;
}

static bool is_one_of(const char *name, const char *const *names, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (strcmp(name, names[i]) == 0) {
            return true;
        }
    }
    return false;
}

/* Whether all folders are parts, one of them "train": with others beside
 * them, "train" and "test" are classes like these. EDGE_ENOMEM. */
static int has_parts(const char *path, const struct listing *names, bool *has)
{
    *has = listing_has(names, "train");
    for (size_t i = 0; *has && i < names->n; i++) {
        const char *name = names->items[i];
        char *inner;

        if (strcmp(name, "train") == 0 ||
            is_one_of(name, test_names, N_TEST_NAMES)) {
            continue;
        }
        inner = listing_path(path, name);
        if (inner == NULL) {
            return EDGE_ENOMEM;
        }
        *has = !listing_is_folder(inner);
        mem_free(inner);
    }
    return 0;
}

/* The folder of the part below `path`; *found is NULL where it has no
 * parts. */
static int find_part(const char *path, const struct listing *names,
                     enum dataset_part part, const char **found,
                     struct err *err)
{
    bool has = false;

    *found = NULL;
    if (has_parts(path, names, &has) < 0) {
        return err_set(err, EDGE_ENOMEM, "no memory to list %s", path);
    }
    if (!has) {
        return 0;
    }
    *found = part == DATASET_TRAIN ? "train" : NULL;
    for (size_t i = 0; *found == NULL && i < N_TEST_NAMES; i++) {
        *found = listing_has(names, test_names[i]) ? test_names[i] : NULL;
    }
    return *found == NULL ? origin_no_test(path, err) : 0;
}

static int open_part(struct origin *s, const struct origin_place *place,
                     const struct listing *names, struct err *err)
{
    const char *part = NULL;
    struct listing inner = {0};
    int rc = find_part(place->path, names, place->part, &part, err);

    if (rc < 0) {
        return rc;
    }
    if (part == NULL && place->part == DATASET_TEST && !place->is_whole) {
        return origin_no_test(place->path, err);
    }
    s->folder = part == NULL ? mem_strdup(place->path)
                             : listing_path(place->path, part);
    if (s->folder == NULL) {
        return err_set(err, EDGE_ENOMEM, "no memory to list %s", place->path);
    }
    if (part == NULL) {
        return find_classes(s, names, err);
    }
    rc = listing_read(s->folder, &inner, err);
    if (rc == 0) {
        rc = find_classes(s, &inner, err);
    }
    listing_deinit(&inner);
    return rc;
}

int origin_open_folder(struct origin *s, const struct origin_place *place,
                       const struct listing *names, struct err *err)
{
    if (names == NULL) {
        return err_set(err, EDGE_EINVAL,
                       "\"%s\" is a file. Name the folder that holds a folder "
                       "for each class",
                       place->path);
    }
    s->next = folder_next;
    s->kind = DATASET_PICTURES;
    return open_part(s, place, names, err);
}
