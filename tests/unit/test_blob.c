#include "tests/lib/heap.h"
#include "tests/lib/tmp.h"
#include "tests/lib/unit.h"

#include "base/blob.h"
#include "base/mem.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

static int set_up(void **state)
{
    static struct tmp tmp;

    tmp_init(&tmp);
    *state = &tmp;
    return 0;
}

static int tear_down(void **state)
{
    heap_heal();
    tmp_deinit(*state);
    return 0;
}

static void test_a_copy_is_aligned_and_equal(void **state)
{
    struct blob *blob = blob_copy("hello", 5);

    (void)state;
    assert_non_null(blob);
    assert_int_equal(blob->size, 5);
    assert_int_equal((uintptr_t)blob->data % MEM_ALIGN, 0);
    assert_memory_equal(blob->data, "hello", 5);
    blob_unref(blob);
}

static void test_the_last_reference_frees(void **state)
{
    struct blob *blob = blob_new(100);
    struct blob *other = blob_ref(blob);

    (void)state;
    blob_unref(blob);
    other->data[99] = 1; /* still there; ASan checks both sides of this */
    blob_unref(other);
    blob_unref(NULL);
}

static void test_a_file_is_mapped(void **state)
{
    struct blob *blob = NULL;
    struct err err;

    assert_int_equal(
        blob_map(tmp_write(*state, "f", "content", 7), &blob, &err), 0);
    assert_int_equal(blob->size, 7);
    assert_memory_equal(blob->data, "content", 7);
    blob_unref(blob);
}

static void test_an_empty_file_is_mapped_and_read(void **state)
{
    const char *path = tmp_write(*state, "empty", "", 0);
    struct blob *mapped = NULL;
    struct blob *read = NULL;
    struct err err;

    assert_int_equal(blob_map(path, &mapped, &err), 0);
    assert_int_equal(blob_read(path, 0, &read, &err), 0);
    assert_int_equal(mapped->size, 0);
    assert_int_equal(read->size, 0);
    blob_unref(mapped);
    blob_unref(read);
}

static void test_a_missing_file_is_named(void **state)
{
    const char *path = tmp_path(*state, "absent");
    struct blob *blob = NULL;
    struct err err;

    assert_int_equal(blob_map(path, &blob, &err), EDGE_ENOENT);
    assert_non_null(strstr(err.text, path));
    assert_int_equal(blob_read(path, 10, &blob, &err), EDGE_ENOENT);
    assert_non_null(strstr(err.text, path));
    assert_null(blob);
}

static void test_a_folder_is_no_blob(void **state)
{
    struct tmp *tmp = *state;
    struct blob *blob = NULL;
    struct err err;

    assert_int_equal(blob_map(tmp->path, &blob, &err), EDGE_EINVAL);
    assert_int_equal(blob_read(tmp->path, 10, &blob, &err), EDGE_EIO);
}

static void test_a_file_at_the_limit_is_read_and_above_refused(void **state)
{
    static char content[200000];
    struct blob *blob = NULL;
    const char *path;
    struct err err;

    memset(content, 'x', sizeof(content));
    path = tmp_write(*state, "f", content, sizeof(content));
    assert_int_equal(blob_read(path, sizeof(content), &blob, &err), 0);
    assert_int_equal(blob->size, sizeof(content));
    assert_memory_equal(blob->data, content, sizeof(content));
    blob_unref(blob);
    assert_int_equal(blob_read(path, sizeof(content) - 1, &blob, &err),
                     EDGE_ETOOBIG);
    assert_non_null(strstr(err.text, "199999"));
}

static void test_dash_reads_standard_input(void **state)
{
    int in = open(tmp_write(*state, "f", "piped", 5), O_RDONLY | O_CLOEXEC);
    int kept = dup(STDIN_FILENO);
    struct blob *blob = NULL;
    struct err err;

    assert_int_equal(dup2(in, STDIN_FILENO), STDIN_FILENO);
    assert_int_equal(blob_read("-", 100, &blob, &err), 0);
    assert_memory_equal(blob->data, "piped", 5);
    blob_unref(blob);
    assert_int_equal(dup2(kept, STDIN_FILENO), STDIN_FILENO);
    close(kept);
    close(in);
}

static int map_and_read(void *arg)
{
    struct blob *blob = NULL;
    int rc = blob_map(arg, &blob, NULL);

    blob_unref(blob);
    if (rc == 0) {
        blob = NULL;
        rc = blob_read(arg, 1000, &blob, NULL);
        blob_unref(blob);
    }
    return rc;
}

static void test_each_allocation_may_fail(void **state)
{
    const char *path = tmp_write(*state, "f", "content", 7);

    assert_true(heap_each(map_and_read, (void *)(uintptr_t)path) >= 4);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_copy_is_aligned_and_equal),
        cmocka_unit_test(test_the_last_reference_frees),
        TEST(test_a_file_is_mapped),
        TEST(test_an_empty_file_is_mapped_and_read),
        TEST(test_a_missing_file_is_named),
        TEST(test_a_folder_is_no_blob),
        TEST(test_a_file_at_the_limit_is_read_and_above_refused),
        TEST(test_dash_reads_standard_input),
        TEST(test_each_allocation_may_fail),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
