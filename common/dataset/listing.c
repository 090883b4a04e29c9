#include "base/limits.h"
#include "base/mem.h"
#include "dataset/origin_inner.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int listing_add(struct listing *names, const char *name)
{
    /* A power of two is full: the capacity needs no field. */
    size_t n = names->n;
    char *copy;

    if ((n & (n - 1)) == 0) {
        char **items =
            mem_resize(names->items, n == 0 ? 1 : 2 * n, sizeof(*items));

        if (items == NULL) {
            return EDGE_ENOMEM;
        }
        names->items = items;
    }
    copy = mem_strdup(name);
    if (copy == NULL) {
        return EDGE_ENOMEM;
    }
    names->items[names->n++] = copy;
    return 0;
}

static int compare(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static int fail_list(const char *folder, struct err *err)
{
    return err_set(err, err_from_errno(errno), "cannot list the folder %s: %s",
                   folder, strerror(errno));
}

static int add_entry(struct listing *names, const char *folder,
                     const char *name, struct err *err)
{
    if (name[0] == '.') {
        return 0;
    }
    if (names->n == LIMIT_DATA_SAMPLES) {
        return err_set(err, EDGE_ETOOBIG,
                       "the folder %s has more than %llu files", folder,
                       (unsigned long long)LIMIT_DATA_SAMPLES);
    }
    if (listing_add(names, name) < 0) {
        return err_set(err, EDGE_ENOMEM, "no memory to list the folder %s",
                       folder);
    }
    return 0;
}

int listing_read(const char *folder, struct listing *names, struct err *err)
{
    DIR *dir = opendir(folder);
    const struct dirent *entry;
    int rc = 0;

    if (dir == NULL) {
        return fail_list(folder, err);
    }
    do {
        errno = 0;
        entry = readdir(dir);
        if (entry != NULL) {
            rc = add_entry(names, folder, entry->d_name, err);
        } else if (errno != 0) {
            rc = fail_list(folder, err);
        }
    } while (rc == 0 && entry != NULL);
    (void)closedir(dir);
    if (rc < 0) {
        listing_deinit(names);
    } else if (names->n > 0) {
        qsort(names->items, names->n, sizeof(*names->items), compare);
    }
    return rc;
}

void listing_deinit(struct listing *names)
{
    for (size_t i = 0; i < names->n; i++) {
        mem_free(names->items[i]);
    }
    mem_free(names->items);
    *names = (struct listing){0};
}

bool listing_has(const struct listing *names, const char *name)
{
    for (size_t i = 0; i < names->n; i++) {
        if (strcmp(names->items[i], name) == 0) {
            return true;
        }
    }
    return false;
}

char *listing_path(const char *folder, const char *name)
{
    return mem_printf("%s%s%s", folder, listing_ends(folder, "/") ? "" : "/",
                      name);
}

bool listing_is_folder(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

bool listing_begins(const char *text, const char *with)
{
    return strncmp(text, with, strlen(with)) == 0;
}

bool listing_ends(const char *text, const char *with)
{
    size_t n = strlen(text);
    size_t m = strlen(with);

    return n >= m && strcmp(text + n - m, with) == 0;
}
