/*
 * What nobody needs any more leaves a store. A file on its way out gets a
 * staged name first: whoever asks from then on is told that it is not there,
 * and whoever asked before left a mark on it, for which it comes back.
 */
#include "base/store.h"

#include "base/mem.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define LEAVING ".stage-swept" /* removed by store_open(), like others */

struct blob_file {
    char name[DIGEST_HEX];
    uint64_t size;
    struct timespec used;
};

struct listing { /* of what is not kept */
    struct blob_file *files;
    size_t n;
    size_t room;
    uint64_t bytes;
};

static int add(struct listing *l, const struct digest *digest,
               const struct stat *st)
{
    struct blob_file *file;

    if (l->n == l->room) {
        size_t room = l->room > 0 ? 2 * l->room : 64;
        struct blob_file *files =
            mem_resize(l->files, room, sizeof(struct blob_file));

        if (files == NULL) {
            return EDGE_ENOMEM;
        }
        l->files = files;
        l->room = room;
    }
    file = &l->files[l->n++];
    digest_hex(digest, file->name);
    file->size = (uint64_t)st->st_size;
    file->used = st->st_mtim;
    l->bytes += file->size;
    return 0;
}

/* A part of it is fine, too: another time there is memory for the rest. */
static void list_files(struct listing *l, int fd, DIR *dir, store_keep keep,
                       void *arg)
{
    const struct dirent *entry;

    while ((entry = readdir(dir)) != NULL) {
        struct digest digest;
        struct stat st;

        if (digest_parse(entry->d_name, &digest) && !keep(arg, &digest) &&
            fstatat(fd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
            S_ISREG(st.st_mode) && add(l, &digest, &st) < 0) {
            return;
        }
    }
}

static int by_use(const void *a, const void *b)
{
    const struct timespec *x = &((const struct blob_file *)a)->used;
    const struct timespec *y = &((const struct blob_file *)b)->used;

    if (x->tv_sec != y->tv_sec) {
        return x->tv_sec < y->tv_sec ? -1 : 1;
    }
    return (x->tv_nsec > y->tv_nsec) - (x->tv_nsec < y->tv_nsec);
}

/* False: it stays, as it was used since it was listed, or cannot go. */
static bool take(int fd, const struct blob_file *file)
{
    struct stat st;

    if (renameat(fd, file->name, fd, LEAVING) < 0) {
        return false;
    }
    if (fstatat(fd, LEAVING, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
        (st.st_mtim.tv_sec != file->used.tv_sec ||
         st.st_mtim.tv_nsec != file->used.tv_nsec)) {
        (void)renameat(fd, LEAVING, fd, file->name);
        return false;
    }
    return unlinkat(fd, LEAVING, 0) == 0;
}

/* The clock of the files, not the one in `now`, may be ahead: then they are
 * young. Where nothing is young, that must not matter: a file system's clock is
 * finer than time()'s, so what was written just now may lie a second ahead. */
static bool is_old(const struct blob_file *file, int64_t now_s, uint64_t young)
{
    int64_t used = (int64_t)file->used.tv_sec;

    return young == 0 || (used <= now_s && (uint64_t)(now_s - used) >= young);
}

uint64_t store_sweep(struct store *store, store_keep keep, void *arg,
                     uint64_t spare, uint64_t young_s)
{
    int fd = open(store_folder(store), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    struct listing l = {0};
    int64_t now_s = (int64_t)time(NULL);
    uint64_t freed = 0;

    if (dir == NULL) {
        if (fd >= 0) {
            (void)close(fd);
        }
        return 0;
    }
    list_files(&l, fd, dir, keep, arg);
    if (l.n > 1) {
        qsort(l.files, l.n, sizeof(struct blob_file), by_use);
    }
    for (size_t i = 0; i < l.n && l.bytes - freed > spare; i++) {
        if (is_old(&l.files[i], now_s, young_s) && take(fd, &l.files[i])) {
            freed += l.files[i].size;
        }
    }
    (void)closedir(dir);
    mem_free(l.files);
    return freed;
}
