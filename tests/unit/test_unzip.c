#include "tests/lib/heap.h"
#include "tests/lib/sets.h"
#include "tests/lib/unit.h"

#include "base/mem.h"
#include "base/rng.h"
#include "dataset/unzip.h"

#include <stdio.h>
#include <string.h>

#define SIZE 200000

static int set_up(void **state)
{
    static struct tmp tmp;
    uint8_t *data = mem_array(uint8_t, SIZE);
    struct rng rng;

    tmp_init(&tmp);
    assert_non_null(data);
    rng_init(&rng, 3);
    for (size_t i = 0; i < SIZE; i++) {
        data[i] = (uint8_t)(rng_next(&rng) % 7); /* packs well, but not all */
    }
    (void)tmp_write(&tmp, "plain", data, SIZE);
    (void)tmp_write(&tmp, "g", data, SIZE);
    (void)tmp_write(&tmp, "x", data, SIZE);
    sets_gzip(&tmp, "g");
    sets_xz(&tmp, "x");
    mem_free(data);
    *state = &tmp;
    return 0;
}

static int tear_down(void **state)
{
    heap_heal();
    tmp_deinit(*state);
    return 0;
}

/* Reads to the end in pieces of `piece`; the bytes are for mem_free(). */
static int read_all(const char *path, size_t piece, uint8_t **data,
                    size_t *size, struct err *err)
{
    struct unzip *unzip = NULL;
    size_t got = piece;
    int rc = unzip_open(path, &unzip, err);

    *size = 0;
    *data = mem_array(uint8_t, 4 * SIZE);
    if (rc == 0 && *data == NULL) {
        rc = EDGE_ENOMEM;
    }
    while (rc == 0 && got == piece) {
        assert_true(*size + piece <= 4 * SIZE);
        rc = unzip_read(unzip, *data + *size, piece, &got, err);
        *size += rc == 0 ? got : 0;
    }
    unzip_free(unzip);
    return rc;
}

static void assert_reads_as_plain(struct tmp *tmp, const char *name,
                                  size_t times)
{
    static const size_t pieces[] = {1, 17, 4096, 65536, 100001, 3 * SIZE};
    struct blob *plain = NULL;
    struct err err = {""};

    assert_int_equal(blob_read(tmp_path(tmp, "plain"), SIZE, &plain, &err), 0);
    for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
        uint8_t *data;
        size_t size;

        assert_int_equal(
            read_all(tmp_path(tmp, name), pieces[i], &data, &size, &err), 0);
        assert_int_equal(size, times * SIZE);
        for (size_t k = 0; k < times; k++) {
            assert_memory_equal(data + k * SIZE, plain->data, SIZE);
        }
        mem_free(data);
    }
    blob_unref(plain);
}

static void test_all_forms_give_the_same_bytes(void **state)
{
    assert_reads_as_plain(*state, "plain", 1);
    assert_reads_as_plain(*state, "g.gz", 1);
    assert_reads_as_plain(*state, "x.xz", 1);
}

static struct blob *file_of(struct tmp *tmp, const char *name)
{
    struct blob *blob = NULL;
    struct err err = {""};

    assert_int_equal(blob_read(tmp_path(tmp, name), SIZE, &blob, &err), 0);
    return blob;
}

/* `cat a.gz a.gz` is a gzip file too, and so for xz. */
static void test_files_one_after_another_are_one(void **state)
{
    static const char *const names[] = {"g.gz", "x.xz"};

    for (int i = 0; i < 2; i++) {
        struct blob *one = file_of(*state, names[i]);
        uint8_t *two = mem_array(uint8_t, 2 * one->size);

        assert_non_null(two);
        memcpy(two, one->data, one->size);
        memcpy(two + one->size, one->data, one->size);
        (void)tmp_write(*state, "two", two, 2 * one->size);
        assert_reads_as_plain(*state, "two", 2);
        mem_free(two);
        blob_unref(one);
    }
}

static void test_an_empty_file_has_no_bytes(void **state)
{
    struct err err = {""};
    uint8_t *data;
    size_t size;

    assert_int_equal(
        read_all(tmp_write(*state, "none", "", 0), 10, &data, &size, &err), 0);
    assert_int_equal(size, 0);
    mem_free(data);
}

static void assert_broken(const char *path, const char *words)
{
    struct err err = {""};
    uint8_t *data;
    size_t size;
    int rc = read_all(path, 5000, &data, &size, &err);

    mem_free(data);
    if (rc != EDGE_ECORRUPT || strstr(err.text, words) == NULL) {
        fail_msg("wanted \"%s\", got %s: %s", words, err_name(rc), err.text);
    }
}

static void test_damage_is_found(void **state)
{
    static const char *const names[] = {"g.gz", "x.xz"};

    for (int i = 0; i < 2; i++) {
        struct blob *file = file_of(*state, names[i]);
        uint8_t *data = mem_array(uint8_t, file->size + 9);

        assert_non_null(data);
        memcpy(data, file->data, file->size);
        for (size_t cut = 10; cut < file->size; cut += file->size / 7) {
            assert_broken(tmp_write(*state, "bad", data, cut),
                          "ends early. Copy it again");
        }
        data[file->size / 2] ^= 0x10;
        assert_broken(tmp_write(*state, "bad", data, file->size), "damaged");
        data[file->size / 2] ^= 0x10;
        memcpy(data + file->size, "and more", 8);
        assert_broken(tmp_write(*state, "bad", data, file->size + 8),
                      "damaged");
        mem_free(data);
        blob_unref(file);
    }
}

static void test_no_file_is_said(void **state)
{
    struct unzip *unzip = NULL;
    struct err err = {""};

    assert_int_equal(unzip_open(tmp_path(*state, "no"), &unzip, &err),
                     EDGE_ENOENT);
    assert_non_null(strstr(err.text, "/no: No such file"));
}

struct reading {
    const char *path;
};

static int read_once(void *arg)
{
    const struct reading *r = arg;
    struct err err = {""};
    uint8_t *data;
    size_t size;
    int rc = read_all(r->path, 4096, &data, &size, &err);

    mem_free(data);
    return rc;
}

static void test_without_memory_it_fails_cleanly(void **state)
{
    static const char *const names[] = {"plain", "g.gz", "x.xz"};

    for (int i = 0; i < 3; i++) {
        struct reading r = {tmp_path(*state, names[i])};

        assert_true(heap_each(read_once, &r) >= 3);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_forms_give_the_same_bytes),
        cmocka_unit_test(test_files_one_after_another_are_one),
        cmocka_unit_test(test_an_empty_file_has_no_bytes),
        cmocka_unit_test(test_damage_is_found),
        cmocka_unit_test(test_no_file_is_said),
        cmocka_unit_test(test_without_memory_it_fails_cleanly),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
