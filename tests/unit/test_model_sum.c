/* The model that a cluster.yaml was meant for, and another one. */
#include "tests/lib/unit.h"

#include "base/mem.h"
#include "base/store.h"
#include "coordinator/ctl/model_sum.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct fixture {
    struct blob *model;
    struct blob *yaml;
    struct cluster *cluster;
    struct config_errors errors;
    struct err err;
    char said[1024]; /* on stderr */
};

static int set_up(void **state)
{
    struct fixture *f = mem_new(struct fixture);

    *state = f;
    f->model = blob_copy("a model", 7);
    return f->model == NULL ? -1 : 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    cluster_free(f->cluster);
    blob_unref(f->yaml);
    blob_unref(f->model);
    mem_free(f);
    return 0;
}

static void read_yaml(struct fixture *f, const char *sum)
{
    char text[256];
    int n =
        snprintf(text, sizeof(text),
                 "name: n\ndevices: local 1\nmodel:\n  file: m.onnx\n%s%s\n",
                 sum != NULL ? "  sha256: " : "", sum != NULL ? sum : "");

    f->yaml = blob_copy(text, (size_t)n);
    assert_non_null(f->yaml);
    assert_int_equal(
        cluster_read(text, (size_t)n, "c.yaml", &f->cluster, &f->errors), 0);
}

/* What is printed meanwhile goes to f->said. */
static int check(struct fixture *f, const char *path, const char *model_path)
{
    struct cluster_files files = {.path = path,
                                  .outcome = "nothing was changed",
                                  .cluster = f->cluster,
                                  .yaml = f->yaml,
                                  .model = f->model,
                                  .model_path = (char *)(uintptr_t)model_path};
    FILE *file = tmpfile();
    int kept = dup(STDERR_FILENO);
    size_t n;
    int rc;

    assert_non_null(file);
    assert_true(kept >= 0);
    (void)fflush(stderr);
    assert_int_equal(dup2(fileno(file), STDERR_FILENO), STDERR_FILENO);
    rc = model_sum_check(&files, &f->err);
    (void)fflush(stderr);
    assert_int_equal(dup2(kept, STDERR_FILENO), STDERR_FILENO);
    (void)close(kept);
    rewind(file);
    n = fread(f->said, 1, sizeof(f->said) - 1, file);
    f->said[n] = '\0';
    (void)fclose(file);
    return rc;
}

static void sum_of(const struct fixture *f, char out[DIGEST_HEX])
{
    struct digest digest;

    digest_of(f->model->data, f->model->size, &digest);
    digest_hex(&digest, out);
}

static void test_a_file_that_says_nothing_takes_any_model(void **state)
{
    struct fixture *f = *state;

    read_yaml(f, NULL);
    assert_int_equal(check(f, "c.yaml", "m.onnx"), 0);
    assert_string_equal(f->said, "");
}

static void test_the_model_that_was_meant_is_taken(void **state)
{
    struct fixture *f = *state;
    char hex[DIGEST_HEX];

    sum_of(f, hex);
    read_yaml(f, hex);
    assert_int_equal(check(f, "c.yaml", "m.onnx"), 0);
    assert_string_equal(f->said, "");
}

static void test_digits_may_be_capitals(void **state)
{
    struct fixture *f = *state;
    char hex[DIGEST_HEX];

    sum_of(f, hex);
    for (char *c = hex; *c != '\0'; c++) {
        *c = (char)(*c >= 'a' ? *c - 'a' + 'A' : *c);
    }
    read_yaml(f, hex);
    assert_int_equal(check(f, "c.yaml", "m.onnx"), 0);
}

#define OTHER "9F2C5D3B1E8A7046c5d4e3f2a1b09876543210fedcba98765432100123456789"

static void test_another_model_is_refused_at_the_key(void **state)
{
    struct fixture *f = *state;
    char hex[DIGEST_HEX];
    char expected[200];

    sum_of(f, hex);
    read_yaml(f, OTHER);
    (void)err_set(&f->err, EDGE_EIO, "of before");
    assert_int_equal(check(f, "c.yaml", "/srv/m.onnx"), EDGE_ECONFIG);
    assert_string_equal(f->err.text, ""); /* it is all on stderr */
    (void)snprintf(expected, sizeof(expected),
                   "c.yaml:5:11: error: m.onnx is not the model that was "
                   "meant: its SHA-256 is %.12s..., not 9F2C5D3B1E8A...",
                   hex);
    assert_ptr_equal(strstr(f->said, expected), f->said);
    (void)snprintf(expected, sizeof(expected), "write  sha256: %s\n", hex);
    assert_non_null(strstr(f->said, expected));
    assert_non_null(strstr(f->said, "  sha256: " OTHER "\n          ^~~"));
    assert_non_null(strstr(f->said, "nothing was changed"));
}

/* The digits to write down are what matters. */
static void test_a_long_name_does_not_hide_the_digits(void **state)
{
    struct fixture *f = *state;
    char hex[DIGEST_HEX];
    char path[400];

    sum_of(f, hex);
    memset(path, 'x', sizeof(path) - 1);
    path[sizeof(path) - 1] = '\0';
    read_yaml(f, OTHER);
    assert_int_equal(check(f, "c.yaml", path), EDGE_ECONFIG);
    assert_non_null(strstr(f->said, hex));
}

static void test_a_model_that_was_not_read_yet_is_read(void **state)
{
    struct fixture *f = *state;

    read_yaml(f, OTHER);
    blob_unref(f->model);
    f->model = NULL;
    assert_int_equal(check(f, "c.yaml", "/nowhere/m.onnx"), EDGE_ECONFIG);
    assert_non_null(strstr(f->err.text, "/nowhere/m.onnx"));
    assert_int_equal(check(f, "c.yaml", "deploy/demo/shapes.onnx"),
                     EDGE_ECONFIG);
    assert_non_null(strstr(f->said, "c.yaml:5:11: error: shapes.onnx"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_file_that_says_nothing_takes_any_model),
        TEST(test_the_model_that_was_meant_is_taken),
        TEST(test_digits_may_be_capitals),
        TEST(test_another_model_is_refused_at_the_key),
        TEST(test_a_long_name_does_not_hide_the_digits),
        TEST(test_a_model_that_was_not_read_yet_is_read),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
