/*
 * P9: what a node keeps of a shard (its model, its weights, the Install) is
 * refused when a bit of it has flipped or its end is missing, at the load
 * after a restart. CORRUPT_TRIALS sets how many are tried (10,000).
 */
#include "base/rng.h"
#include "tests/lib/folder.h"
#include "tests/lib/lone.h"
#include "tests/lib/unit.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define KEPT 3 /* files */

struct kept {
    char path[TMP_PATH];
    struct blob *bytes;
};

struct fixture {
    struct lone lone;
    struct kept kept[KEPT];
    size_t n_kept;
    struct rng rng;
};

static void note_files(struct fixture *f, const char *name)
{
    char folder[TMP_PATH];
    struct folder names;
    struct err err;

    (void)snprintf(folder, sizeof(folder), "%s", tmp_path(&f->lone.tmp, name));
    assert_int_equal(folder_read(&names, folder), 0);
    for (size_t i = 0; i < names.n; i++) {
        struct kept *kept = &f->kept[f->n_kept++];

        assert_true(f->n_kept <= KEPT);
        assert_true(snprintf(kept->path, sizeof(kept->path), "%s/%s", folder,
                             names.names[i]) < (int)sizeof(kept->path));
        assert_int_equal(blob_read(kept->path, MIB(1), &kept->bytes, &err), 0);
    }
    folder_deinit(&names);
}

/* A new file: some file systems flush one that is written over. */
static void write_file(const char *path, const uint8_t *bytes, size_t size)
{
    int fd;

    (void)unlink(path);
    fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, size), size);
    assert_int_equal(close(fd), 0);
}

/* A flipped bit, or the end cut off. */
static void damage(struct fixture *f, const struct kept *kept)
{
    struct blob *bytes = blob_copy(kept->bytes->data, kept->bytes->size);
    size_t at = (size_t)rng_below(&f->rng, bytes->size);

    if (rng_below(&f->rng, 4) == 0) {
        write_file(kept->path, bytes->data, at);
    } else {
        bytes->data[at] ^= (uint8_t)(1u << rng_below(&f->rng, 8));
        write_file(kept->path, bytes->data, bytes->size);
    }
    blob_unref(bytes);
}

static int set_up(void **state)
{
    struct fixture *f = test_calloc(1, sizeof(*f));

    lone_init(&f->lone);
    lone_install(&f->lone);
    note_files(f, "state/blobs");
    note_files(f, "state/epochs");
    assert_int_equal(f->n_kept, KEPT);
    rng_init(&f->rng, 9);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    for (size_t i = 0; i < f->n_kept; i++) {
        blob_unref(f->kept[i].bytes);
    }
    lone_deinit(&f->lone);
    test_free(f);
    return 0;
}

static size_t n_trials(void)
{
    const char *text = getenv("CORRUPT_TRIALS");

    return text != NULL ? strtoul(text, NULL, 10) : 10000;
}

static void test_damage_is_refused(void **state)
{
    struct fixture *f = *state;
    size_t n = n_trials();
    size_t refused = 0;

    for (size_t i = 0; i < n; i++) {
        const struct kept *kept = &f->kept[i % KEPT];

        damage(f, kept);
        lone_restart(&f->lone);
        refused += !lone_is_ready(&f->lone);
        write_file(kept->path, kept->bytes->data, kept->bytes->size);
    }
    (void)printf("refused %zu of %zu\n", refused, n);
    lone_restart(&f->lone);
    assert_true(lone_is_ready(&f->lone)); /* whole again, it is taken */
    assert_int_equal(refused, n);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_damage_is_refused, set_up,
                                        tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
