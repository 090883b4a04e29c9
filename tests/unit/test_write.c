/* A cluster.yaml that was read is written and read again: nothing changes. */
#include "tests/lib/cluster_file.h"
#include "tests/lib/unit.h"

#include "config/cluster.h"
#include "config/write.h"

#include "base/mem.h"

#include <stdio.h>
#include <string.h>

static struct config_errors errors;

static struct cluster *read_text_of(const char *text)
{
    struct cluster *cluster = NULL;

    if (cluster_read(text, strlen(text), "c.yaml", &cluster, &errors) < 0) {
        config_errors_print(&errors, "the test failed", stderr);
        fail_msg("%s", text);
    }
    return cluster;
}

static char *written(const struct cluster *cluster)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);

    assert_non_null(out);
    cluster_write(cluster, out);
    assert_int_equal(fclose(out), 0);
    return text;
}

/* Returns the second writing, for mem_free(). */
static char *twice(const char *text)
{
    struct cluster *first = read_text_of(text);
    char *once = written(first);
    struct cluster *second = read_text_of(once);
    char *again = written(second);

    assert_string_equal(once, again);
    mem_free(once);
    cluster_free(first);
    cluster_free(second);
    return again;
}

static void assert_line(const char *text, const char *line)
{
    const char *at = strstr(text, line);

    if (at == NULL || at[strlen(line)] != '\n') {
        fail_msg("expected the line \"%s\" in\n%s", line, text);
    }
}

static void test_every_key_comes_back(void **state)
{
    struct cluster *full = NULL;
    char *once;
    char *text;

    (void)state;
    assert_int_equal(
        cluster_file("deploy/examples/full.yaml", &full, &errors, NULL), 0);
    once = written(full);
    text = twice(once);
    assert_string_equal(once, text);
    assert_line(text, "  - {name: zero-1, host: zero-1.local, port: 7433, "
                      "memory: 229MiB, threads: 2, coretype: auto, labels: "
                      "{place: attic, board: \"Zero 2 W\"}}");
    assert_line(text, "  - {name: s1, layers: block6..block9, tile: {grid: "
                      "2x2, halo: exchange, codec: q4+runs, over: [pi-1, "
                      "192.168.1.12]}}");
    assert_line(text,
                "  - {name: s3, layers: fc1, split: {axis: output, parts: "
                "2, over: [pi-1, zero-1]}}");
    assert_line(text, "health: {heartbeat: 500ms, suspect: 1.5s, dead: 3s, "
                      "throttle_derate: 0.6}");
    assert_line(text, "faults: allowed");
    mem_free(once);
    mem_free(text);
    cluster_free(full);
}

static void test_defaults_are_filled_in(void **state)
{
    char *text = twice("name: n\ndevices: local 3\nmodel: {file: m.onnx}\n");

    (void)state;
    assert_line(text, "devices: local 3");
    assert_line(text, "goal: latency");
    assert_line(text, "spares: auto");
    assert_line(text, "\ndeadline: none");
    assert_non_null(strstr(text, "queue: 32"));
    assert_null(strstr(text, "stages"));
    assert_null(strstr(text, "input: {")); /* the model's own word counts */
    mem_free(text);
}

static void test_odd_texts_are_quoted(void **state)
{
    char *text = twice("name: n\n"
                       "devices: [10.0.0.7, {name: six, host: 'fe80::1'}]\n"
                       "model: {file: 'a b/#\"x\\y: ü.onnx', input: "
                       "{size: auto, color: gray, mean: 0.449, std: 1e-3}}\n"
                       "stages:\n"
                       "  - {name: a, layers: '/conv{1}..null'}\n"
                       "  - {name: b, layers: 'yes'}\n");

    (void)state;
    assert_non_null(
        strstr(text, "{file: \"a b/#\\\"x\\\\y: ü.onnx\", format: onnx"));
    assert_non_null(strstr(text, "mean: [0.449], std: [0.001]"));
    assert_non_null(strstr(text, "layers: \"/conv{1}..null\""));
    assert_non_null(strstr(text, "layers: \"yes\""));
    assert_non_null(strstr(text, "{name: six, host: \"fe80::1\", port: 7433"));
    mem_free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_key_comes_back),
        cmocka_unit_test(test_defaults_are_filled_in),
        cmocka_unit_test(test_odd_texts_are_quoted),
    };

    return cmocka_run_group_tests_name("write", tests, NULL, NULL);
}
