#include "tests/lib/tmp.h"

#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <fcntl.h>
#include <time.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#define FDS_MAX 16

void tmp_init(struct tmp *tmp)
{
    const char *base = getenv("TMPDIR");
    int n = snprintf(tmp->path, sizeof(tmp->path), "%s/edge-test-XXXXXX",
                     base != NULL ? base : "/tmp");

    assert_in_range(n, 1, sizeof(tmp->path) - 1);
    assert_non_null(mkdtemp(tmp->path));
}

static int remove_one(const char *path, const struct stat *st, int type,
                      struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

void tmp_deinit(struct tmp *tmp)
{
    if (tmp->path[0] == '\0') {
        return;
    }
    (void)nftw(tmp->path, remove_one, FDS_MAX, FTW_DEPTH | FTW_PHYS);
    tmp->path[0] = '\0';
}

const char *tmp_path(struct tmp *tmp, const char *name)
{
    int n =
        snprintf(tmp->joined, sizeof(tmp->joined), "%s/%s", tmp->path, name);

    assert_in_range(n, 1, sizeof(tmp->joined) - 1);
    return tmp->joined;
}

const char *tmp_write(struct tmp *tmp, const char *name, const void *data,
                      size_t size)
{
    FILE *file = fopen(tmp_path(tmp, name), "wb");

    assert_non_null(file);
    assert_int_equal(fwrite(data, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
    return tmp->joined;
}

void tmp_age(const char *path, long seconds)
{
    struct timespec times[2] = {{.tv_sec = time(NULL) - seconds}};

    times[1] = times[0];
    assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
}
