/*
 * Broken files and what is said about them: tests/golden/yaml/NAME.yaml and,
 * to the letter, NAME.expected. A NAME that begins with "edged" is the
 * daemon's file, with "profiles" one of profiles, any other a cluster.yaml.
 * With EDGE_UPDATE=1 in the environment the expectations are written anew, to
 * be read before they are committed.
 */
#include "tests/lib/golden.h"
#include "tests/lib/unit.h"

#include "config/cluster.h"
#include "config/node.h"
#include "config/profiles.h"

#include "base/mem.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FOLDER "tests/golden/yaml"
#define FILES_MIN 40

static struct config_errors errors;

static bool ends_with(const char *text, const char *end)
{
    size_t n = strlen(text);
    size_t m = strlen(end);

    return n >= m && strcmp(text + n - m, end) == 0;
}

static int read_any(const char *name, const struct blob *blob)
{
    const char *text = (const char *)blob->data;
    struct node_config *config = NULL;
    struct profiles *profiles = NULL;
    struct cluster *cluster = NULL;
    int rc;

    if (strncmp(name, "edged", 5) == 0) {
        rc = node_config_read(text, blob->size, name, &config, &errors);
    } else if (strncmp(name, "profiles", 8) == 0) {
        rc = profiles_read(text, blob->size, name, &profiles, &errors);
    } else {
        rc = cluster_read(text, blob->size, name, &cluster, &errors);
    }
    node_config_free(config);
    profiles_free(profiles);
    cluster_free(cluster);
    return rc;
}

/* Reads the file and returns what is printed; the caller frees it. */
static char *complain(const char *name, int *rc)
{
    struct blob *blob = golden_file("yaml", name);
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);

    assert_non_null(out);
    *rc = read_any(name, blob);
    config_errors_print(&errors, "nothing was changed", out);
    assert_int_equal(fclose(out), 0);
    config_errors_detach(&errors);
    blob_unref(blob);
    return text;
}

/* "x.yaml" -> "x.expected" */
static const char *expected_name(const char *yaml, char out[256])
{
    (void)snprintf(out, 256, "%.*s.expected", (int)(strlen(yaml) - 5), yaml);
    return out;
}

static void write_expected(const char *name, const char *text)
{
    char path[512];
    FILE *file;

    (void)snprintf(path, sizeof(path), FOLDER "/%s", name);
    file = fopen(path, "w");
    assert_non_null(file);
    (void)fputs(text, file);
    assert_int_equal(fclose(file), 0);
}

static void check_file(const char *name)
{
    char expected[256];
    struct blob *blob;
    int rc = 0;
    char *text = complain(name, &rc);

    (void)expected_name(name, expected);
    if (getenv("EDGE_UPDATE") != NULL) {
        write_expected(expected, text);
    }
    blob = golden_file("yaml", expected);
    if (blob->size != strlen(text) ||
        memcmp(blob->data, text, blob->size) != 0) {
        fail_msg("%s: expected\n%.*s\nbut it says\n%s", name, (int)blob->size,
                 (const char *)blob->data, text);
    }
    assert_true(blob->size > 0);
    assert_int_equal(rc, errors.n_errors > 0 ? EDGE_ECONFIG : 0);
    blob_unref(blob);
    mem_free(text);
}

static void test_every_broken_file_gets_its_errors(void **state)
{
    struct dirent **names;
    int n = scandir(FOLDER, &names, NULL, alphasort);
    unsigned files = 0;

    (void)state;
    assert_true(n > 0);
    for (int i = 0; i < n; i++) {
        if (ends_with(names[i]->d_name, ".yaml")) {
            check_file(names[i]->d_name);
            files++;
        }
        mem_free(names[i]);
    }
    mem_free(names);
    assert_true(files >= FILES_MIN);
}

static void test_every_expectation_has_its_file(void **state)
{
    struct dirent **names;
    int n = scandir(FOLDER, &names, NULL, alphasort);

    (void)state;
    assert_true(n > 0);
    for (int i = 0; i < n; i++) {
        char *end = strstr(names[i]->d_name, ".expected");
        char yaml[256];

        if (end != NULL) {
            (void)snprintf(yaml, sizeof(yaml), "%.*s.yaml",
                           (int)(end - names[i]->d_name), names[i]->d_name);
            blob_unref(golden_file("yaml", yaml));
        }
        mem_free(names[i]);
    }
    mem_free(names);
}

/* What is printed must suit any terminal and any log. */
static void test_no_output_has_a_control_character(void **state)
{
    struct dirent **names;
    int n = scandir(FOLDER, &names, NULL, alphasort);

    (void)state;
    for (int i = 0; i < n; i++) {
        if (ends_with(names[i]->d_name, ".expected")) {
            struct blob *blob = golden_file("yaml", names[i]->d_name);

            for (size_t j = 0; j < blob->size; j++) {
                uint8_t c = blob->data[j];

                assert_true(c >= ' ' || c == '\n' || c == '\t');
                assert_int_not_equal(c, 0x7f);
            }
            blob_unref(blob);
        }
        mem_free(names[i]);
    }
    mem_free(names);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_broken_file_gets_its_errors),
        cmocka_unit_test(test_every_expectation_has_its_file),
        cmocka_unit_test(test_no_output_has_a_control_character),
    };

    return cmocka_run_group_tests_name("broken_yaml", tests, NULL, NULL);
}
