#include "tests/lib/folder.h"

#include "base/err.h"
#include "base/mem.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static int add(struct folder *folder, size_t *room, const char *name)
{
    if (mem_grow(&folder->names, room, folder->n, sizeof(*folder->names)) < 0) {
        return EDGE_ENOMEM;
    }
    folder->names[folder->n] = mem_strdup(name);
    return folder->names[folder->n++] != NULL ? 0 : EDGE_ENOMEM;
}

int folder_read(struct folder *folder, const char *path)
{
    DIR *dir = opendir(path);
    struct dirent *entry;
    size_t room = 0;
    int rc = 0;

    *folder = (struct folder){0};
    if (dir == NULL) {
        return EDGE_ENOENT;
    }
    while (rc == 0 && (entry = readdir(dir)) != NULL) {
        if (entry->d_name[0] != '.') {
            rc = add(folder, &room, entry->d_name);
        }
    }
    (void)closedir(dir);
    if (rc < 0) {
        folder_deinit(folder);
    } else if (folder->n > 0) {
        qsort(folder->names, folder->n, sizeof(*folder->names), by_name);
    }
    return rc;
}

void folder_deinit(struct folder *folder)
{
    for (size_t i = 0; i < folder->n; i++) {
        mem_free(folder->names[i]);
    }
    mem_free(folder->names);
    *folder = (struct folder){0};
}
