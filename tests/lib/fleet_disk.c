/* What a crash or a bad disk may leave in a state folder. */
#include "tests/lib/fleet_inner.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct pick { /* one file of a folder */
    char path[TMP_PATH + 300];
    size_t name; /* where it begins in path; 0: there is none */
};

static uint64_t rank_of(const char *name, uint64_t which)
{
    uint64_t rank = which;

    for (; *name != '\0'; name++) {
        rank = (rank ^ (uint64_t)*name) * UINT64_C(0x100000001b3);
    }
    return rank;
}

/* Drawn by the names alone: the order of a folder is chance. */
static struct pick pick_file(const char *folder, uint64_t which)
{
    struct pick pick = {.name = 0};
    const struct dirent *entry;
    uint64_t least = UINT64_MAX;
    DIR *dir = opendir(folder);

    while (dir != NULL && (entry = readdir(dir)) != NULL) {
        uint64_t rank = rank_of(entry->d_name, which);

        if (entry->d_name[0] != '.' && rank < least) {
            least = rank;
            (void)snprintf(pick.path, sizeof(pick.path), "%s/%s", folder,
                           entry->d_name);
            pick.name = strlen(folder) + 1;
        }
    }
    if (dir != NULL) {
        (void)closedir(dir);
    }
    return pick;
}

static bool flip(const char *path, uint64_t which)
{
    int fd = open(path, O_RDWR | O_CLOEXEC);
    off_t size = fd >= 0 ? lseek(fd, 0, SEEK_END) : 0;
    off_t at = size > 0 ? (off_t)(which % (uint64_t)size) : 0;
    uint8_t byte;
    bool done = size > 0 && pread(fd, &byte, 1, at) == 1;

    if (done) {
        byte ^= (uint8_t)(1u << (which >> 32 & 7));
        done = pwrite(fd, &byte, 1, at) == 1;
    }
    if (fd >= 0) {
        (void)close(fd);
    }
    return done;
}

static bool cut_short(const char *path, uint64_t which)
{
    int fd = open(path, O_RDWR | O_CLOEXEC);
    off_t size = fd >= 0 ? lseek(fd, 0, SEEK_END) : 0;
    bool done = size > 0 && ftruncate(fd, (off_t)(which % (uint64_t)size)) == 0;

    if (fd >= 0) {
        (void)close(fd);
    }
    return done;
}

/* As a process leaves it that dies while it writes. */
static bool stage(const char *folder, uint64_t which)
{
    char path[TMP_PATH + 64];
    FILE *file;

    (void)snprintf(path, sizeof(path), "%s/.stage-%llu", folder,
                   (unsigned long long)which % 1000);
    file = fopen(path, "we");
    if (file == NULL) {
        return false;
    }
    (void)fprintf(file, "half of a blob");
    return fclose(file) == 0;
}

bool fleet_damage(struct fleet *fleet, size_t i, uint64_t which, char *text,
                  size_t size)
{
    static const char *const folders[] = {"blobs", "blobs", "epochs"};
    char folder[TMP_PATH + 16];
    struct pick pick;
    const char *what;
    bool done;

    (void)snprintf(folder, sizeof(folder), "%s/%s",
                   fleet->nodes[i].process.folder, folders[which % 3]);
    pick = pick_file(folder, which);
    if (pick.name == 0) {
        return false;
    }
    switch (which / 3 % 4) {
    case 0: what = "flipped", done = flip(pick.path, which >> 8); break;
    case 1: what = "cut short", done = cut_short(pick.path, which >> 8); break;
    case 2: what = "gone", done = unlink(pick.path) == 0; break;
    default: what = "staged beside", done = stage(folder, which >> 8); break;
    }
    (void)snprintf(text, size, "%s/%s is %s", folders[which % 3],
                   pick.path + pick.name, what);
    return done;
}
