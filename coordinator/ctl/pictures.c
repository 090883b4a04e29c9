#include "coordinator/ctl/pictures.h"

#include "base/limits.h"
#include "base/mem.h"
#include "image/decode.h"

#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#define NPY_HEADER KIB(16) /* more than any has */

/* ---- the list ----------------------------------------------------------- */

static int add(struct pictures *pictures, char *name)
{
    int rc = name == NULL ? EDGE_ENOMEM
                          : mem_grow(&pictures->names, &pictures->room,
                                     pictures->n, sizeof(*pictures->names));

    if (rc < 0) {
        mem_free(name);
        return rc;
    }
    pictures->names[pictures->n++] = name;
    if (strlen(name) > pictures->widest) {
        pictures->widest = strlen(name);
    }
    return 0;
}

/* By the name's ending: what lies beside pictures is no error. */
static bool is_picture(const char *name)
{
    static const char *const endings[] = {".jpg", ".jpeg", ".png",
                                          ".ppm", ".pgm",  ".npy"};
    const char *dot = strrchr(name, '.');

    for (size_t i = 0; i < sizeof(endings) / sizeof(endings[0]); i++) {
        if (dot != NULL && name[0] != '.' && strcasecmp(dot, endings[i]) == 0) {
            return true;
        }
    }
    return false;
}

static int by_name(const void *left, const void *right)
{
    const char *const *a = left;
    const char *const *b = right;

    return strcmp(*a, *b);
}

static int add_entries(struct pictures *pictures, const char *folder, DIR *dir)
{
    size_t length = strlen(folder);
    const char *slash = length > 0 && folder[length - 1] == '/' ? "" : "/";
    const struct dirent *entry;
    int rc = 0;

    while (rc == 0 && (entry = readdir(dir)) != NULL) {
        if (is_picture(entry->d_name)) {
            rc = add(pictures,
                     mem_printf("%s%s%s", folder, slash, entry->d_name));
        }
    }
    return rc;
}

static int add_folder(struct pictures *pictures, const char *folder,
                      struct err *err)
{
    DIR *dir = opendir(folder);
    size_t first = pictures->n;
    int rc;

    if (dir == NULL) {
        rc = err_from_errno(errno);
        return err_set(err, rc, "cannot read the folder %s: %s", folder,
                       strerror(errno));
    }
    rc = add_entries(pictures, folder, dir);
    (void)closedir(dir);
    if (rc < 0) {
        return err_set(err, rc, "out of memory");
    }
    if (pictures->n == first) {
        return err_set(err, EDGE_ENOENT,
                       "%s: there is no picture in this folder. Supported: "
                       "JPEG, PNG, PPM, .npy",
                       folder);
    }
    qsort(pictures->names + first, pictures->n - first,
          sizeof(*pictures->names), by_name);
    return 0;
}

static int add_argument(struct pictures *pictures, const char *argument,
                        struct err *err)
{
    struct stat st;

    if (strcmp(argument, "-") == 0) {
        for (size_t i = 0; i < pictures->n; i++) {
            if (strcmp(pictures->names[i], "-") == 0) {
                return err_set(err, EDGE_EINVAL,
                               "standard input (-) can be read only once");
            }
        }
    } else if (stat(argument, &st) == 0 && S_ISDIR(st.st_mode)) {
        return add_folder(pictures, argument, err);
    }
    return add(pictures, mem_strdup(argument)) < 0
               ? err_set(err, EDGE_ENOMEM, "out of memory")
               : 0;
}

int pictures_list(char *const *arguments, size_t n, struct pictures *pictures,
                  struct err *err)
{
    int rc = 0;

    *pictures = (struct pictures){0};
    for (size_t i = 0; rc == 0 && i < n; i++) {
        rc = add_argument(pictures, arguments[i], err);
    }
    if (rc < 0) {
        pictures_deinit(pictures);
    }
    return rc;
}

void pictures_deinit(struct pictures *pictures)
{
    for (size_t i = 0; i < pictures->n; i++) {
        mem_free(pictures->names[i]);
    }
    mem_free(pictures->names);
    *pictures = (struct pictures){0};
}

/* ---- one picture -------------------------------------------------------- */

static const char *spoken(const char *name)
{
    return strcmp(name, "-") == 0 ? "standard input" : name;
}

/* True with the model's shape set where only a first dimension of 1 lacks. */
static bool fit_shape(struct tensor *t, const struct shape *want)
{
    if (t->shape.rank + 1 == want->rank && want->dims[0] == 1 &&
        memcmp(t->shape.dims, want->dims + 1,
               (size_t)t->shape.rank * sizeof(want->dims[0])) == 0) {
        t->shape = *want;
    }
    return shape_equal(&t->shape, want);
}

static int decode_npy(const struct blob *file, const char *name,
                      const struct picture_form *form, struct tensor *tensor,
                      struct err *err)
{
    char got[SHAPE_TEXT];
    char want[SHAPE_TEXT];
    int rc = npy_decode(file, tensor, err);

    if (rc < 0) {
        return err_wrap(err, rc, "%s", spoken(name));
    }
    if (tensor->dtype != form->dtype || !fit_shape(tensor, &form->shape)) {
        rc = err_set(err, EDGE_EINVAL, "%s is %s %s, the model wants %s %s",
                     spoken(name), dtype_name(tensor->dtype),
                     shape_text(&tensor->shape, got), dtype_name(form->dtype),
                     shape_text(&form->shape, want));
        tensor_deinit(tensor);
    }
    return rc;
}

static int decode_picture(const struct blob *file, const char *name,
                          const struct picture_form *form,
                          struct tensor *tensor, struct err *err)
{
    struct image image = {0};
    int rc;

    if (file->size > LIMIT_IMAGE_FILE) {
        return err_set(
            err, EDGE_ETOOBIG, "%s has %zu MiB; a picture may have %zu MiB",
            spoken(name), file->size >> 20, (size_t)LIMIT_IMAGE_FILE >> 20);
    }
    rc = image_decode(spoken(name), file->data, file->size, &image, err);
    if (rc < 0) {
        return rc;
    }
    if (form->refusal != NULL) {
        rc = err_set(err, EDGE_EINVAL, "%s: %s", spoken(name), form->refusal);
    } else {
        rc = image_prepare(&image, &form->spec, tensor, err);
        rc = rc < 0 ? err_wrap(err, rc, "%s", spoken(name)) : 0;
    }
    image_deinit(&image);
    return rc;
}

int picture_read(const char *name, const struct picture_form *form,
                 struct tensor *tensor, struct err *err)
{
    struct blob *file = NULL;
    int rc = blob_read(name, LIMIT_PAYLOAD + NPY_HEADER, &file, err);

    if (rc < 0) {
        return rc;
    }
    rc = image_is_npy(file->data, file->size)
             ? decode_npy(file, name, form, tensor, err)
             : decode_picture(file, name, form, tensor, err);
    blob_unref(file);
    return rc;
}
