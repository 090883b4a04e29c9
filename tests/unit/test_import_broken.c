/* Files that are not what they should be: tests/golden/onnx/broken, made by
 * make_broken.py there, and those that are too large to keep. */
#include "tests/lib/onnx_make.h"
#include "tests/lib/unit.h"

#include "base/mem.h"
#include "onnx/import.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FOLDER "tests/golden/onnx/broken"

/* "CODE\nmessage" without the line end. */
static void read_expected(const char *name, char *text, size_t room)
{
    char path[512];
    FILE *file;
    size_t n;

    (void)snprintf(path, sizeof(path), FOLDER "/%s.expected", name);
    file = fopen(path, "r");
    if (file == NULL) {
        fail_msg("%s is missing", path);
    }
    n = fread(text, 1, room - 1, file);
    (void)fclose(file);
    text[n > 0 && text[n - 1] == '\n' ? n - 1 : n] = '\0';
}

static void check_file(const char *name)
{
    struct err err = {.text = ""};
    struct graph *graph = NULL;
    char expected[1200];
    char said[1200];
    char path[512];
    int rc;

    (void)snprintf(path, sizeof(path), FOLDER "/%s.onnx", name);
    rc = import_file(path, &graph, &err);
    assert_null(graph);
    if (strncmp(err.text, path, strlen(path)) != 0) {
        fail_msg("%s: the message does not start so: %s", path, err.text);
    }
    (void)snprintf(said, sizeof(said), "%s\n%s", err_name(rc),
                   err.text + strlen(path) + 2);
    read_expected(name, expected, sizeof(expected));
    if (strcmp(said, expected) != 0) {
        fail_msg("%s\nis:     %s\nshould: %s", path, said, expected);
    }
}

static void test_broken_files_are_told_apart(void **state)
{
    DIR *dir = opendir(FOLDER);
    struct dirent *entry;
    int n = 0;

    (void)state;
    assert_non_null(dir);
    while ((entry = readdir(dir)) != NULL) {
        char *dot = strstr(entry->d_name, ".onnx");

        if (dot != NULL) {
            *dot = '\0';
            check_file(entry->d_name);
            n++;
        }
    }
    (void)closedir(dir);
    assert_true(n >= 90);
}

static int import_bytes(const void *data, size_t size, struct err *err)
{
    struct blob *blob = blob_copy(data, size);
    struct graph *graph = NULL;
    int rc;

    assert_non_null(blob);
    rc = import_blob(blob, "m", NULL, NULL, &graph, err);
    graph_free(graph);
    blob_unref(blob);
    return rc;
}

/* 2 MiB of empty nodes would unpack to over 150 MiB. */
static void test_amplification_is_bounded(void **state)
{
    struct onnx_bytes model = {.data = NULL};
    struct onnx_bytes graph = {.data = NULL};
    struct err err = {.text = ""};

    (void)state;
    for (int i = 0; i < 1 << 20; i++) {
        onnx_put_bytes(&graph, 1, NULL, 0);
    }
    onnx_put_message(&model, 7, &graph);
    assert_int_equal(import_bytes(model.data, model.size, &err), EDGE_ETOOBIG);
    assert_string_equal(err.text,
                        "m: it unpacks to more than 83886120 bytes, far more "
                        "than a model of its size needs");
    mem_free(model.data);
}

/* Documentation and unknown fields cost nothing: they are left out first. */
static void test_what_nobody_reads_is_not_unpacked(void **state)
{
    struct onnx_bytes model = {.data = NULL};
    struct err err = {.text = ""};

    (void)state;
    for (int i = 0; i < 1 << 20; i++) {
        onnx_put_int(&model, 1000, 1);
        onnx_put_text(&model, 6, "doc");
    }
    assert_int_equal(import_bytes(model.data, model.size, &err), EDGE_ECORRUPT);
    assert_string_equal(err.text, "m: it has no graph, so it is no ONNX model");
    mem_free(model.data);
}

static void make_nested(struct onnx_bytes *model, int depth)
{
    struct onnx_bytes inner = {.data = NULL};

    for (int i = 0; i < depth; i++) { /* GraphProto in AttributeProto in ... */
        struct onnx_bytes attr = {.data = NULL};
        struct onnx_bytes node = {.data = NULL};

        onnx_put_message(&attr, 6, &inner);
        onnx_put_message(&node, 5, &attr);
        onnx_put_message(&inner, 1, &node);
    }
    onnx_put_message(model, 7, &inner);
}

/* 20,000 levels would overrun protobuf-c's stack. */
static void test_deep_nesting_is_found_without_recursion(void **state)
{
    struct onnx_bytes model = {.data = NULL};
    struct err err = {.text = ""};

    (void)state;
    make_nested(&model, 20000);
    assert_int_equal(import_bytes(model.data, model.size, &err), EDGE_ETOOBIG);
    assert_non_null(strstr(err.text, "nested deeper than 32 messages"));
    mem_free(model.data);
}

static void test_allowed_nesting_is_let_through(void **state)
{
    struct onnx_bytes model = {.data = NULL};
    struct err err = {.text = ""};

    (void)state;
    make_nested(&model, 10);
    assert_int_equal(import_bytes(model.data, model.size, &err), EDGE_EINVAL);
    assert_non_null(strstr(err.text, "has no operator"));
    mem_free(model.data);
}

/* Every prefix of a good file, and every byte of it changed. */
static struct blob *good_file(void)
{
    static const float w[4] = {1, 2, 3, 4};
    struct onnx_make m;

    onnx_begin(&m, 13);
    onnx_input(&m, "x", ONNX_F32, LIST(-1, 4));
    onnx_init(&m, "w", ONNX_F32, LIST(4), w, sizeof(w));
    onnx_node(&m, "Add", "x w", "a");
    onnx_node(&m, "Softmax", "a", "y");
    onnx_int(&m, "axis", 1);
    onnx_output(&m, "y");
    return onnx_end(&m);
}

static void test_no_prefix_is_taken_for_the_whole(void **state)
{
    struct blob *good = good_file();

    (void)state;
    assert_int_equal(import_bytes(good->data, good->size, NULL), 0);
    for (size_t n = 0; n < good->size; n++) {
        struct err err = {.text = ""};

        assert_true(import_bytes(good->data, n, &err) < 0);
        assert_true(err.text[0] == 'm');
    }
    blob_unref(good);
}

static void test_any_changed_byte_is_survived(void **state)
{
    struct blob *good = good_file();

    (void)state;
    for (size_t i = 0; i < good->size; i++) {
        for (int value = 0; value < 256; value += 5) {
            uint8_t kept = good->data[i];
            struct err err = {.text = ""};

            good->data[i] = (uint8_t)value;
            if (import_bytes(good->data, good->size, &err) < 0) {
                assert_true(err.text[0] == 'm');
            }
            good->data[i] = kept;
        }
    }
    blob_unref(good);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_broken_files_are_told_apart),
        cmocka_unit_test(test_amplification_is_bounded),
        cmocka_unit_test(test_what_nobody_reads_is_not_unpacked),
        cmocka_unit_test(test_deep_nesting_is_found_without_recursion),
        cmocka_unit_test(test_allowed_nesting_is_let_through),
        cmocka_unit_test(test_no_prefix_is_taken_for_the_whole),
        cmocka_unit_test(test_any_changed_byte_is_survived),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
