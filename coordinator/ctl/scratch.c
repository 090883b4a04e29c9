#include "coordinator/ctl/scratch.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define PREFIX "edged-data-"
#define TEMPLATE "/" PREFIX "XXXXXX" /* for mkdtemp() */
#define PARENT_MAX (SCRATCH_PATH - (int)sizeof(TEMPLATE))
#define YOUNG_S 60 /* another's that is being made may have no lock yet */

static const char *parent(void)
{
    const char *tmp = getenv("TMPDIR");

    return tmp != NULL && tmp[0] == '/' && strlen(tmp) <= PARENT_MAX ? tmp
                                                                     : "/tmp";
}

/* Takes the descriptor. Only files are in it: the store of a packing. */
static void empty(int fd)
{
    DIR *dir = fdopendir(fd);
    const struct dirent *entry;

    if (dir == NULL) {
        (void)close(fd);
        return;
    }
    while ((entry = readdir(dir)) != NULL) {
        (void)unlinkat(dirfd(dir), entry->d_name, 0);
    }
    (void)closedir(dir);
}

/* Ours, of a process that is gone. */
static bool is_left(int fd)
{
    struct stat st;

    return fstat(fd, &st) == 0 && st.st_uid == geteuid() &&
           st.st_mtime + YOUNG_S < time(NULL) &&
           flock(fd, LOCK_EX | LOCK_NB) == 0;
}

static void remove_left(void)
{
    DIR *dir = opendir(parent());
    const struct dirent *entry;

    while (dir != NULL && (entry = readdir(dir)) != NULL) {
        int fd;

        if (strncmp(entry->d_name, PREFIX, strlen(PREFIX)) != 0) {
            continue;
        }
        fd = openat(dirfd(dir), entry->d_name,
                    O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd >= 0 && is_left(fd)) {
            empty(fd);
            (void)unlinkat(dirfd(dir), entry->d_name, AT_REMOVEDIR);
        } else if (fd >= 0) {
            (void)close(fd);
        }
    }
    if (dir != NULL) {
        (void)closedir(dir);
    }
}

int scratch_make(struct scratch *scratch, struct err *err)
{
    char path[SCRATCH_PATH];
    int fd;

    remove_left();
    (void)snprintf(path, sizeof(path), "%.*s" TEMPLATE, PARENT_MAX, parent());
    if (mkdtemp(path) == NULL) {
        return err_set(err, err_from_errno(errno),
                       "cannot make %s: %s. Set TMPDIR to a folder with room",
                       path, strerror(errno));
    }
    fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) < 0) {
        int number = errno;

        if (fd >= 0) {
            (void)close(fd);
        }
        (void)rmdir(path);
        return err_set(err, err_from_errno(number), "cannot lock %s: %s", path,
                       strerror(number));
    }
    memcpy(scratch->path, path, sizeof(path));
    scratch->fd = fd;
    return 0;
}

void scratch_remove(struct scratch *scratch)
{
    if (scratch->path[0] == '\0') {
        return;
    }
    empty(scratch->fd);
    (void)rmdir(scratch->path);
    *scratch = (struct scratch){0};
}
