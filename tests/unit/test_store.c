#include "tests/lib/heap.h"
#include "tests/lib/tmp.h"
#include "tests/lib/unit.h"

#include "base/mem.h"
#include "base/rng.h"
#include "base/store.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <signal.h>
#include <unistd.h>

#define N_DAMAGES 10000
#define BLOB_BYTES 5000

struct fixture {
    struct tmp tmp;
    struct store *store;
    struct err err;
    struct digest digest;
    uint8_t data[BLOB_BYTES];
};

static int set_up(void **state)
{
    struct fixture *f = mem_new(struct fixture);
    struct rng rng;

    assert_non_null(f);
    *state = f;
    rng_init(&rng, 1);
    for (size_t i = 0; i < sizeof(f->data); i++) {
        f->data[i] = (uint8_t)rng_next(&rng);
    }
    digest_of(f->data, sizeof(f->data), &f->digest);
    tmp_init(&f->tmp);
    assert_int_equal(store_open(tmp_path(&f->tmp, "a/blobs"), STORE_NO_SYNC,
                                &f->store, &f->err),
                     0);
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    heap_heal();
    store_free(f->store);
    tmp_deinit(&f->tmp);
    mem_free(f);
    return 0;
}

static void put(struct fixture *f)
{
    struct digest digest;

    assert_int_equal(
        store_put(f->store, f->data, sizeof(f->data), &digest, &f->err), 0);
    assert_true(digest_equal(&digest, &f->digest));
}

/* "FOLDER/HEX" of the fixture's blob. */
static const char *blob_path(struct fixture *f)
{
    char name[DIGEST_HEX + 8] = "a/blobs/";

    digest_hex(&f->digest, name + 8);
    return tmp_path(&f->tmp, name);
}

/* Files in the folder, staged ones included. */
static int count_files(const struct fixture *f)
{
    DIR *dir = opendir(store_folder(f->store));
    const struct dirent *entry;
    int n = 0;

    assert_non_null(dir);
    while ((entry = readdir(dir)) != NULL) {
        n +=
            strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
    }
    closedir(dir);
    return n;
}

static void test_digests_are_sha256(void **state)
{
    struct digest digest;
    struct digest back;
    char hex[DIGEST_HEX];

    (void)state;
    digest_of("abc", 3, &digest);
    digest_hex(&digest, hex);
    assert_string_equal(hex, "ba7816bf8f01cfea414140de5dae2223"
                             "b00361a396177a9cb410ff61f20015ad");
    assert_true(digest_parse(hex, &back));
    assert_true(digest_equal(&digest, &back));
    assert_false(digest_parse(hex + 1, &back));
    digest_of("", 0, &back);
    assert_false(digest_equal(&digest, &back));
}

static void test_a_blob_put_is_mapped_again(void **state)
{
    struct fixture *f = *state;
    struct blob *blob = NULL;
    uint64_t size = 0;

    assert_false(store_has(f->store, &f->digest, NULL));
    put(f);
    assert_true(store_has(f->store, &f->digest, &size));
    assert_int_equal(size, BLOB_BYTES);
    assert_int_equal(store_map(f->store, &f->digest, true, &blob, &f->err), 0);
    assert_int_equal(blob->size, BLOB_BYTES);
    assert_memory_equal(blob->data, f->data, BLOB_BYTES);
    blob_unref(blob);
}

static void test_an_empty_blob_is_a_blob(void **state)
{
    struct fixture *f = *state;
    struct blob *blob = NULL;
    struct digest digest;

    assert_int_equal(store_put(f->store, "", 0, &digest, &f->err), 0);
    assert_int_equal(store_map(f->store, &digest, true, &blob, &f->err), 0);
    assert_int_equal(blob->size, 0);
    blob_unref(blob);
}

static void test_a_present_blob_is_not_written_again(void **state)
{
    struct fixture *f = *state;
    struct stat before;
    struct stat after;

    put(f);
    assert_int_equal(stat(blob_path(f), &before), 0);
    put(f);
    assert_int_equal(stat(blob_path(f), &after), 0);
    assert_int_equal(before.st_ino, after.st_ino);
    assert_int_equal(count_files(f), 1);
}

static void test_a_cut_off_blob_is_put_again(void **state)
{
    struct fixture *f = *state;
    uint64_t size;

    put(f);
    assert_int_equal(truncate(blob_path(f), 10), 0);
    put(f);
    assert_true(store_has(f->store, &f->digest, &size));
    assert_int_equal(size, BLOB_BYTES);
}

static void test_files_and_folder_are_private(void **state)
{
    struct fixture *f = *state;
    struct stat st;

    put(f);
    assert_int_equal(stat(blob_path(f), &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(stat(store_folder(f->store), &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
}

static void test_a_missing_blob_is_enoent_and_named(void **state)
{
    struct fixture *f = *state;
    struct blob *blob = NULL;
    char hex[DIGEST_HEX];

    digest_hex(&f->digest, hex);
    assert_int_equal(store_map(f->store, &f->digest, true, &blob, &f->err),
                     EDGE_ENOENT);
    assert_non_null(strstr(f->err.text, hex));
    assert_non_null(strstr(f->err.text, store_folder(f->store)));
}

static struct stage *begin(struct fixture *f, uint64_t size)
{
    struct stage *stage = NULL;

    assert_int_equal(stage_begin(f->store, &f->digest, size, &stage, &f->err),
                     0);
    return stage;
}

static void test_pieces_make_a_blob(void **state)
{
    struct fixture *f = *state;
    struct stage *stage = begin(f, BLOB_BYTES);

    for (size_t at = 0; at < BLOB_BYTES; at += 1000) {
        assert_int_equal(stage_received(stage), at);
        assert_int_equal(stage_append(stage, f->data + at, 1000, &f->err), 0);
    }
    assert_false(store_has(f->store, &f->digest, NULL));
    assert_int_equal(stage_commit(stage, &f->err), 0);
    assert_true(store_has(f->store, &f->digest, NULL));
    assert_int_equal(count_files(f), 1);
}

static void test_too_few_bytes_are_refused(void **state)
{
    struct fixture *f = *state;
    struct stage *stage = begin(f, BLOB_BYTES);

    assert_int_equal(stage_append(stage, f->data, 4999, &f->err), 0);
    assert_int_equal(stage_commit(stage, &f->err), EDGE_ECORRUPT);
    assert_non_null(strstr(f->err.text, "4999 of 5000"));
    assert_int_equal(count_files(f), 0);
}

static void test_too_many_bytes_are_refused(void **state)
{
    struct fixture *f = *state;
    struct stage *stage = begin(f, 4999);

    assert_int_equal(stage_append(stage, f->data, BLOB_BYTES, &f->err),
                     EDGE_ECORRUPT);
    assert_int_equal(stage_append(stage, f->data, 1, &f->err), EDGE_ECORRUPT);
    assert_int_equal(stage_commit(stage, &f->err), EDGE_ECORRUPT);
    assert_int_equal(count_files(f), 0);
}

static void test_other_bytes_are_refused(void **state)
{
    struct fixture *f = *state;
    struct stage *stage = begin(f, BLOB_BYTES);

    f->data[2500] ^= 1;
    assert_int_equal(stage_append(stage, f->data, BLOB_BYTES, &f->err), 0);
    assert_int_equal(stage_commit(stage, &f->err), EDGE_ECORRUPT);
    assert_int_equal(count_files(f), 0);
}

static void test_an_aborted_stage_leaves_nothing(void **state)
{
    struct fixture *f = *state;
    struct stage *stage = begin(f, BLOB_BYTES);

    assert_int_equal(stage_append(stage, f->data, 100, &f->err), 0);
    assert_int_equal(count_files(f), 1);
    stage_abort(stage);
    stage_abort(NULL);
    assert_int_equal(count_files(f), 0);
}

static void test_two_stages_of_one_blob_do_not_mix(void **state)
{
    struct fixture *f = *state;
    struct stage *a = begin(f, BLOB_BYTES);
    struct stage *b = begin(f, BLOB_BYTES);

    assert_int_equal(stage_append(a, f->data, BLOB_BYTES, &f->err), 0);
    assert_int_equal(stage_append(b, f->data, BLOB_BYTES, &f->err), 0);
    assert_int_equal(stage_commit(a, &f->err), 0);
    assert_int_equal(stage_commit(b, &f->err), 0);
    assert_int_equal(count_files(f), 1);
}

static void test_opening_removes_what_a_crash_left_staged(void **state)
{
    struct fixture *f = *state;
    struct store *again = NULL;

    put(f);
    tmp_write(&f->tmp, "a/blobs/.stage-0007", "half", 4);
    tmp_write(&f->tmp, "a/blobs/notes.txt", "not ours", 8);
    assert_int_equal(count_files(f), 3);
    assert_int_equal(
        store_open(store_folder(f->store), STORE_NO_SYNC, &again, &f->err), 0);
    assert_int_equal(count_files(f), 2);
    assert_true(store_has(again, &f->digest, NULL));
    store_free(again);
}

static void test_a_link_is_not_followed(void **state)
{
    struct fixture *f = *state;
    struct blob *blob = NULL;
    char target[TMP_PATH];

    snprintf(target, sizeof(target), "%s",
             tmp_write(&f->tmp, "secret", f->data, BLOB_BYTES));
    assert_int_equal(symlink(target, blob_path(f)), 0);
    assert_false(store_has(f->store, &f->digest, NULL));
    assert_true(store_map(f->store, &f->digest, true, &blob, &f->err) < 0);
    assert_null(blob);
    put(f); /* takes the place of the link, not of its target */
    assert_int_equal(store_map(f->store, &f->digest, true, &blob, &f->err), 0);
    blob_unref(blob);
}

static void test_the_store_survives_a_rename_of_its_folder(void **state)
{
    struct fixture *f = *state;
    char from[TMP_PATH];

    snprintf(from, sizeof(from), "%s", tmp_path(&f->tmp, "a"));
    assert_int_equal(rename(from, tmp_path(&f->tmp, "b")), 0);
    put(f);
    assert_true(store_has(f->store, &f->digest, NULL));
}

static void damage(struct rng *rng, const uint8_t *data, uint8_t *out,
                   size_t *size)
{
    memcpy(out, data, BLOB_BYTES);
    if (rng_below(rng, 2) == 0) {
        uint64_t bit = rng_below(rng, (uint64_t)BLOB_BYTES * 8);

        out[bit / 8] ^= (uint8_t)(1u << bit % 8);
    } else {
        *size = (size_t)rng_below(rng, BLOB_BYTES);
    }
}

/* RELIABILITY P9: every one of 10,000 flips and truncations is refused and
 * the damaged file is gone, so that it is fetched again. */
static void test_damaged_files_are_refused_and_removed(void **state)
{
    struct fixture *f = *state;
    uint8_t copy[BLOB_BYTES];
    int refused = 0;
    struct rng rng;

    rng_init(&rng, 9);
    for (int i = 0; i < N_DAMAGES; i++) {
        struct blob *blob = NULL;
        size_t size = BLOB_BYTES;
        int fd;

        damage(&rng, f->data, copy, &size);
        fd = open(blob_path(f), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        assert_true(fd >= 0);
        assert_int_equal(write(fd, copy, size), (ssize_t)size);
        close(fd);
        refused += store_map(f->store, &f->digest, true, &blob, &f->err) ==
                       EDGE_ECORRUPT &&
                   !store_has(f->store, &f->digest, NULL);
    }
    print_message("%d of %d damaged blobs refused\n", refused, N_DAMAGES);
    assert_int_equal(refused, N_DAMAGES);
}

static void test_damaged_pieces_are_refused(void **state)
{
    struct fixture *f = *state;
    uint8_t copy[BLOB_BYTES];
    struct rng rng;

    rng_init(&rng, 10);
    for (int i = 0; i < 1000; i++) {
        struct stage *stage = begin(f, BLOB_BYTES);
        size_t size = BLOB_BYTES;

        damage(&rng, f->data, copy, &size);
        assert_int_equal(stage_append(stage, copy, size, &f->err), 0);
        assert_int_equal(stage_commit(stage, &f->err), EDGE_ECORRUPT);
    }
    assert_int_equal(count_files(f), 0);
}

/* A file-size limit makes write() fail as a full disk does. */
static void test_a_failed_write_is_named_and_leaves_nothing(void **state)
{
    struct fixture *f = *state;
    struct rlimit kept;
    struct rlimit small;
    struct digest digest;
    int rc;

    assert_int_equal(getrlimit(RLIMIT_FSIZE, &kept), 0);
    small = kept;
    small.rlim_cur = 1000;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    rc = store_put(f->store, f->data, BLOB_BYTES, &digest, &f->err);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &kept), 0);
    assert_int_equal(rc, EDGE_EIO);
    assert_non_null(strstr(f->err.text, store_folder(f->store)));
    assert_int_equal(count_files(f), 0);
}

static void test_a_folder_that_cannot_be_made_is_named(void **state)
{
    struct fixture *f = *state;
    struct store *store = NULL;
    char path[TMP_PATH + 8];

    snprintf(path, sizeof(path), "%s/sub", tmp_write(&f->tmp, "file", "x", 1));
    assert_true(store_open(path, 0, &store, &f->err) < 0);
    assert_non_null(strstr(f->err.text, path));
    assert_null(store);
}

/* ---- room ---------------------------------------------------------------- */

static bool keep_one(void *arg, const struct digest *digest)
{
    return digest_equal(arg, digest);
}

static void age(const struct fixture *f, const struct digest *digest,
                long seconds)
{
    char name[DIGEST_HEX];
    char path[TMP_PATH + DIGEST_HEX];

    digest_hex(digest, name);
    snprintf(path, sizeof(path), "%s/%s", store_folder(f->store), name);
    tmp_age(path, seconds);
}

static bool is_there(const struct fixture *f, const struct digest *digest)
{
    char name[DIGEST_HEX];
    char path[TMP_PATH + DIGEST_HEX];

    digest_hex(digest, name);
    snprintf(path, sizeof(path), "%s/%s", store_folder(f->store), name);
    return access(path, F_OK) == 0;
}

static void test_sweep_removes_what_is_not_kept(void **state)
{
    struct fixture *f = *state;
    struct digest other;

    put(f);
    assert_int_equal(store_put(f->store, "other", 5, &other, &f->err), 0);
    tmp_write(&f->tmp, "a/blobs/notes.txt", "not ours", 8);
    assert_int_equal(store_sweep(f->store, keep_one, &f->digest, 0, 0), 5);
    assert_false(is_there(f, &other));
    assert_true(is_there(f, &f->digest));
    assert_int_equal(count_files(f), 2);
}

static void test_sweep_begins_with_what_was_not_used_for_longest(void **state)
{
    struct fixture *f = *state;
    struct digest some[4];
    struct digest none = {{0}};
    struct blob *blob = NULL;

    for (int i = 0; i < 4; i++) {
        assert_int_equal(
            store_put(f->store, &"01230123"[i], 5, &some[i], &f -> err), 0);
        age(f, &some[i], 1000 - 100 * i);
    }
    assert_true(store_has(f->store, &some[0], NULL)); /* used now */
    assert_int_equal(store_map(f->store, &some[1], false, &blob, &f->err), 0);
    blob_unref(blob); /* likewise */
    assert_int_equal(store_sweep(f->store, keep_one, &none, 16, 60), 5);
    assert_false(is_there(f, &some[2]));
    assert_int_equal(store_sweep(f->store, keep_one, &none, 15, 60), 0);
    assert_true(is_there(f, &some[3]));
    /* All but the young ones. */
    assert_int_equal(store_sweep(f->store, keep_one, &none, 0, 60), 5);
    assert_false(is_there(f, &some[3]));
    assert_true(is_there(f, &some[0]) && is_there(f, &some[1]));
    /* A clock that went back makes nothing old; all go if none is young. */
    age(f, &some[0], -1000);
    assert_int_equal(store_sweep(f->store, keep_one, &none, 0, 1), 0);
    assert_true(is_there(f, &some[0]));
    assert_int_equal(store_sweep(f->store, keep_one, &none, 0, 0), 10);
    assert_int_equal(count_files(f), 0);
}

struct asker { /* asks for a blob while it is being swept */
    struct store *store;
    struct digest *wanted;
};

static bool ask_meanwhile(void *arg, const struct digest *digest)
{
    const struct asker *asker = arg;

    (void)digest;
    return !store_has(asker->store, asker->wanted, NULL);
}

static void test_sweep_leaves_what_is_asked_for_meanwhile(void **state)
{
    struct fixture *f = *state;
    struct asker asker = {f->store, &f->digest};

    put(f);
    age(f, &f->digest, 1000);
    assert_int_equal(store_sweep(f->store, ask_meanwhile, &asker, 0, 60), 0);
    assert_true(is_there(f, &f->digest));
}

static void test_synced_stores_work_too(void **state)
{
    struct fixture *f = *state;
    struct store *synced = NULL;
    struct blob *blob = NULL;
    struct digest digest;

    assert_int_equal(
        store_open(tmp_path(&f->tmp, "synced"), 0, &synced, &f->err), 0);
    assert_int_equal(store_put(synced, f->data, BLOB_BYTES, &digest, &f->err),
                     0);
    assert_int_equal(store_map(synced, &digest, true, &blob, &f->err), 0);
    blob_unref(blob);
    store_free(synced);
}

static int put_and_map(void *arg)
{
    struct fixture *f = arg;
    struct store *store = NULL;
    struct blob *blob = NULL;
    struct digest digest;
    int rc = store_open(store_folder(f->store), STORE_NO_SYNC, &store, NULL);

    if (rc == 0) {
        rc = store_put(store, f->data, BLOB_BYTES, &digest, NULL);
    }
    if (rc == 0) {
        rc = store_map(store, &f->digest, true, &blob, NULL);
    }
    blob_unref(blob);
    store_free(store);
    unlink(blob_path(f));
    return rc;
}

static void test_each_allocation_may_fail(void **state)
{
    struct fixture *f = *state;

    assert_true(heap_each(put_and_map, f) >= 4);
    assert_int_equal(count_files(f), 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_digests_are_sha256),
        TEST(test_a_blob_put_is_mapped_again),
        TEST(test_an_empty_blob_is_a_blob),
        TEST(test_a_present_blob_is_not_written_again),
        TEST(test_a_cut_off_blob_is_put_again),
        TEST(test_files_and_folder_are_private),
        TEST(test_a_missing_blob_is_enoent_and_named),
        TEST(test_pieces_make_a_blob),
        TEST(test_too_few_bytes_are_refused),
        TEST(test_too_many_bytes_are_refused),
        TEST(test_other_bytes_are_refused),
        TEST(test_an_aborted_stage_leaves_nothing),
        TEST(test_two_stages_of_one_blob_do_not_mix),
        TEST(test_opening_removes_what_a_crash_left_staged),
        TEST(test_a_link_is_not_followed),
        TEST(test_the_store_survives_a_rename_of_its_folder),
        TEST(test_damaged_files_are_refused_and_removed),
        TEST(test_damaged_pieces_are_refused),
        TEST(test_a_failed_write_is_named_and_leaves_nothing),
        TEST(test_a_folder_that_cannot_be_made_is_named),
        TEST(test_sweep_removes_what_is_not_kept),
        TEST(test_sweep_begins_with_what_was_not_used_for_longest),
        TEST(test_sweep_leaves_what_is_asked_for_meanwhile),
        TEST(test_synced_stores_work_too),
        TEST(test_each_allocation_may_fail),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
