#include "tests/lib/swept.h"

#include "tests/lib/tmp.h"
#include "tests/lib/unit.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define OLD_S 100000

/* Blobs of a store; each as old as it gets, if `age` is so. */
static size_t count(const char *folder, bool age)
{
    DIR *dir = opendir(folder);
    const struct dirent *entry;
    size_t n = 0;

    assert_non_null(dir);
    while ((entry = readdir(dir)) != NULL) {
        struct digest digest;
        char path[512];

        if (!digest_parse(entry->d_name, &digest)) {
            continue;
        }
        n++;
        snprintf(path, sizeof(path), "%.200s/%.100s", folder, entry->d_name);
        if (age) {
            tmp_age(path, OLD_S);
        }
    }
    (void)closedir(dir);
    return n;
}

/* Sparse: it takes no room. */
static void make_large(const char *path)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, (off_t)LIMIT_STORE_SPARE + 1), 0);
    assert_int_equal(close(fd), 0);
}

struct swept swept_once(struct io_fake *fake, struct sweep *sweep)
{
    const char *folder = store_folder(sweep->store);
    struct digest stray = {{0xff}};
    struct swept swept;
    char name[DIGEST_HEX];
    char path[512];

    digest_hex(&stray, name);
    snprintf(path, sizeof(path), "%.200s/%s", folder, name);
    swept.n = count(folder, true);
    make_large(path);
    tmp_age(path, OLD_S - 1); /* the last one to go */
    sweep->timer.cb(&sweep->timer);
    (void)io_fake_work(fake);
    assert_int_not_equal(access(path, F_OK), 0);
    swept.n_gone = swept.n - count(folder, false);
    return swept;
}
