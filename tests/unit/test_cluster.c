#include "tests/lib/cluster_file.h"
#include "tests/lib/heap.h"
#include "tests/lib/unit.h"

#include "config/cluster.h"

#include "base/blob.h"
#include "base/mem.h"

#include <stdio.h>
#include <string.h>

/* Enough of a file for the keys that a test is not about. */
#define HEAD "name: home\ndevices: [pi-1.local, pi-2.local]\n"
#define MODEL "model: {file: m.onnx}\n"
#define INPUT HEAD "model: {file: m.onnx, input: "

struct fixture {
    struct config_errors errors;
    struct cluster *cluster;
    struct err err;
    int rc;
};

static int set_up(void **state)
{
    *state = mem_new(struct fixture);
    return *state != NULL ? 0 : -1;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    heap_heal();
    cluster_free(f->cluster);
    mem_free(f);
    return 0;
}

/* Reads a text that may be wrong. */
static void try_read(struct fixture *f, const char *text)
{
    cluster_free(f->cluster);
    f->cluster = NULL;
    f->rc = cluster_read(text, strlen(text), "cluster.yaml", &f->cluster,
                         &f->errors);
}

/* Reads a text that is fine. */
static const struct cluster *read_good(struct fixture *f, const char *text)
{
    try_read(f, text);
    if (f->rc < 0) {
        config_errors_print(&f->errors, "the test failed", stderr);
    }
    assert_int_equal(f->rc, 0);
    assert_int_equal(f->errors.n_errors, 0);
    return f->cluster;
}

static bool is_float(float value, float expected)
{
    return value >= expected && value <= expected;
}

/* ---- defaults ---- */

static void test_the_least_file_gets_all_defaults(void **state)
{
    const struct cluster *c = read_good(*state, HEAD MODEL);

    assert_string_equal(c->name, "home");
    assert_int_equal(c->version, 1);
    assert_string_equal(c->coordinator.host, "127.0.0.1");
    assert_int_equal(c->coordinator.port, CLUSTER_COORDINATOR_PORT);
    assert_null(c->coordinator.state);
    assert_int_equal(c->goal, CLUSTER_GOAL_LATENCY);
    assert_int_equal(c->replicas, 1);
    assert_int_equal(c->n_stages, 0);
    assert_false(c->faults_allowed);
    assert_int_equal(c->deadline_ms, 0);
    assert_int_equal(c->security.mode, CLUSTER_MODE_MTLS);
    assert_int_equal(c->rollout.golden, CLUSTER_GOLDEN_AUTO);
    assert_true(codec_is_plain(&c->links.codec.codec));
    assert_int_equal(c->links.max_frame, LIMIT_PAYLOAD);
}

static void test_defaults_are_those_of_the_limits(void **state)
{
    const struct cluster *c = read_good(*state, HEAD MODEL);

    assert_int_equal(c->health.heartbeat_ms, BEAT_MS);
    assert_int_equal(c->health.suspect_ms, SUSPECT_MS);
    assert_int_equal(c->health.dead_ms, DEAD_MS);
    assert_int_equal((int)(c->health.throttle_derate * 100 + 0.5), DERATE);
    assert_int_equal(c->routing.queue, LIMIT_SHARD_QUEUE);
    assert_int_equal(c->routing.retries, 2);
    assert_int_equal(c->routing.hedge, 95);
    assert_int_equal(c->routing.deadline_ms, 0);
    assert_int_equal(c->routing.hop_deadline_ms, 0);
}

static void test_a_part_of_a_mapping_leaves_its_other_defaults(void **state)
{
    const struct cluster *c =
        read_good(*state, HEAD MODEL "health: {dead: 4s}\n");

    assert_int_equal(c->health.dead_ms, 4000);
    assert_int_equal(c->health.suspect_ms, SUSPECT_MS);
}

static void test_the_model_without_input_gets_its_defaults(void **state)
{
    const struct cluster_input *in =
        &read_good(*state, HEAD MODEL)->model.input;

    assert_int_equal(in->width, 0);
    assert_int_equal(in->height, 0);
    assert_int_equal(in->resize, CLUSTER_RESIZE_CROP);
    assert_true(in->crop >= 0.875 && in->crop <= 0.875);
    assert_int_equal(in->color, CLUSTER_COLOR_RGB);
    assert_int_equal(in->range, CLUSTER_RANGE_1);
    assert_int_equal(in->n, 3);
    for (int i = 0; i < 3; i++) {
        assert_true(is_float(in->mean[i], 0));
        assert_true(is_float(in->std[i], 1));
    }
}

/* ---- model.input ---- */

static void test_input_is_read(void **state)
{
    const struct cluster_input *in =
        &read_good(*state,
                   INPUT "{size: 320x240, resize: letterbox, crop: 1, color: "
                         "bgr, range: 0..255, mean: [1, 2.5, 3], std: 128}}\n")
             ->model.input;

    assert_int_equal(in->width, 320);
    assert_int_equal(in->height, 240);
    assert_int_equal(in->resize, CLUSTER_RESIZE_LETTERBOX);
    assert_int_equal(in->columns, 0);
    assert_int_equal(in->color, CLUSTER_COLOR_BGR);
    assert_int_equal(in->range, CLUSTER_RANGE_255);
    assert_true(is_float(in->mean[0], 1));
    assert_true(is_float(in->mean[1], 2.5F));
    assert_true(is_float(in->mean[2], 3));
    for (int i = 0; i < 3; i++) {
        assert_true(is_float(in->std[i], 128));
    }
}

static void test_gray_has_one_channel(void **state)
{
    const struct cluster_input *in =
        &read_good(*state, INPUT "{color: gray, mean: [0.1307], std: 0.3081}}")
             ->model.input;

    assert_int_equal(in->n, 1);
    assert_true(is_float(in->mean[0], 0.1307F));
    assert_true(is_float(in->std[0], 0.3081F));
}

/* ---- devices ---- */

static void assert_device(const struct cluster *c, size_t i, const char *name,
                          const char *host, uint16_t port)
{
    assert_true(i < c->n_devices);
    assert_string_equal(c->devices[i].name, name);
    assert_string_equal(c->devices[i].host, host);
    assert_int_equal(c->devices[i].port, port);
}

static void test_hosts_get_names(void **state)
{
    const struct cluster *c = read_good(
        *state, "name: home\ndevices: [pi-1.local, Pi-2.LOCAL, 10.0.0.7, "
                "\"127.0.0.1:7501\", b.example.org]\n" MODEL);

    assert_int_equal(c->devices_kind, CLUSTER_DEVICES_LIST);
    assert_int_equal(c->n_devices, 5);
    assert_device(c, 0, "pi-1", "pi-1.local", CLUSTER_PORT);
    assert_device(c, 1, "Pi-2", "Pi-2.LOCAL", CLUSTER_PORT);
    assert_device(c, 2, "10.0.0.7", "10.0.0.7", CLUSTER_PORT);
    assert_device(c, 3, "127.0.0.1-7501", "127.0.0.1", 7501);
    assert_device(c, 4, "b.example.org", "b.example.org", CLUSTER_PORT);
}

static void test_a_device_is_written_out(void **state)
{
    const struct cluster *c = read_good(
        *state, "name: home\ndevices:\n  - {name: zero-1, host: zero-1.local, "
                "port: 7500, memory: 229MiB, threads: 2, coretype: NEOVERSEN1, "
                "labels: {place: attic, floor: 3}}\n"
                "  - host: \"fe80::1%wlan0\"\n    name: six\n" MODEL);
    const struct cluster_device *d = &c->devices[0];

    assert_device(c, 0, "zero-1", "zero-1.local", 7500);
    assert_int_equal(d->memory, (uint64_t)229 << 20);
    assert_int_equal(d->threads, 2);
    assert_string_equal(d->coretype, "NEOVERSEN1");
    assert_int_equal(d->n_labels, 2);
    assert_string_equal(d->labels[1].name, "floor");
    assert_string_equal(d->labels[1].value, "3");
    assert_int_equal(d->at.line, 3);
    assert_device(c, 1, "six", "fe80::1%wlan0", CLUSTER_PORT);
    assert_int_equal(c->devices[1].memory, 0);
    assert_string_equal(c->devices[1].coretype, "auto");
}

static void test_local_devices_have_the_supervisors_names(void **state)
{
    const struct cluster *c =
        read_good(*state, "name: home\ndevices: local 3\nreplicas: 3\n" MODEL);

    assert_int_equal(c->devices_kind, CLUSTER_DEVICES_LOCAL);
    assert_int_equal(c->n_devices, 3);
    assert_device(c, 0, "local-1", "127.0.0.1", 0);
    assert_device(c, 2, "local-3", "127.0.0.1", 0);
}

static void test_insecure_is_fine_on_loopback(void **state)
{
    const struct cluster *c =
        read_good(*state, "name: home\ndevices: [localhost, \"127.0.0.1:1\", "
                          "{name: six, host: \"::1\"}]\n"
                          "security: {mode: insecure}\n" MODEL);

    assert_int_equal(c->security.mode, CLUSTER_MODE_INSECURE);
    (void)read_good(*state, "name: home\ndevices: local 2\n"
                            "security: {mode: insecure}\n" MODEL);
}

/* `n` devices, one a line; the caller frees it. */
static char *list_devices(int n)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);

    assert_non_null(out);
    (void)fprintf(out, "name: home\n" MODEL "devices:\n");
    for (int i = 0; i < n; i++) {
        (void)fprintf(out, " - n%d\n", i);
    }
    assert_int_equal(fclose(out), 0);
    return text;
}

static void test_there_may_be_as_many_devices_as_nodes(void **state)
{
    struct fixture *f = *state;
    char *text = list_devices(LIMIT_NODES);

    assert_int_equal(read_good(f, text)->n_devices, LIMIT_NODES);
    mem_free(text);
    text = list_devices(LIMIT_NODES + 1);
    try_read(f, text);
    mem_free(text);
    assert_int_equal(f->rc, EDGE_ECONFIG);
    assert_non_null(strstr(f->errors.items[0].text, "it is too long"));
}

/* ---- stages ---- */

static void test_stages_are_read(void **state)
{
    const struct cluster *c = read_good(
        *state, HEAD MODEL
        "stages:\n  - {name: s0, layers: stem..block5, replicas: [pi-2]}\n"
        "  - {name: s1, layers: /features/conv.1/Conv}\n");

    assert_int_equal(c->n_stages, 2);
    assert_string_equal(c->stages[0].first, "stem");
    assert_string_equal(c->stages[0].last, "block5");
    assert_int_equal(c->stages[0].n_replicas, 1);
    assert_string_equal(c->stages[0].replicas[0], "pi-2");
    assert_int_equal(c->stages[0].layers.column, 24);
    assert_string_equal(c->stages[1].first, "/features/conv.1/Conv");
    assert_string_equal(c->stages[1].last, "/features/conv.1/Conv");
    assert_null(c->stages[1].replicas);
    assert_int_equal(c->stages[1].at.line, 6);
}

/* ---- words, warnings ---- */

static void test_words_stand_for_values(void **state)
{
    const struct cluster *c = read_good(
        *state, HEAD MODEL
        "goal: memory\nfaults: allowed\ndeadline: 3s\nrouting: {deadline: 10s, "
        "hop_deadline: auto, hedge: none, on_full: reject}\n"
        "rollout: {strategy: rolling, golden: none}\nlinks: {max_frame: "
        "1.5MiB}\n");

    assert_int_equal(c->goal, CLUSTER_GOAL_MEMORY);
    assert_true(c->faults_allowed);
    assert_int_equal(c->deadline_ms, 3000);
    assert_int_equal(c->routing.deadline_ms, 10000);
    assert_int_equal(c->routing.hedge, 0);
    assert_int_equal(c->rollout.golden, CLUSTER_GOLDEN_NONE);
    assert_int_equal(c->links.max_frame, 3 << 19);
}

static void test_a_short_deadline_is_a_warning(void **state)
{
    struct fixture *f = *state;
    const struct cluster *c = read_good(f, HEAD MODEL "deadline: 500ms\n");

    assert_int_equal(c->deadline_ms, 500);
    assert_int_equal(f->errors.n_warnings, 1);
    (void)read_good(f, HEAD MODEL "deadline: 2.5s\n");
    assert_int_equal(f->errors.n_warnings, 0);
}

/* ---- files ---- */

static void test_the_examples_are_valid(void **state)
{
    static const char *const names[] = {
        "minimal",
        "two-replicas",
        "full",
        "mobilenetv2-cloud",
        "mobilenetv2-first2",
        "mobilenetv2-first3",
        "mobilenetv2-last2",
        "mobilenetv2-last3",
        "mobilenetv2-f2l2",
        "mobilenetv2-f2l3",
        "mobilenetv2-f3l2",
        "mobilenetv2-f3l3",
        "views",
        "exits",
    };
    struct fixture *f = *state;
    char path[64];

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        (void)snprintf(path, sizeof(path), "deploy/examples/%s.yaml", names[i]);
        cluster_free(f->cluster);
        f->cluster = NULL;
        f->rc = cluster_file(path, &f->cluster, &f->errors, &f->err);
        config_errors_print(&f->errors, "the test failed", stderr);
        assert_int_equal(f->rc, 0);
        assert_int_equal(f->errors.n_errors + f->errors.n_warnings, 0);
    }
}

/* Keys of this release that the table knows and `text` does not have. */
static void assert_has_keys(const char *text, const struct read_table *table)
{
    char key[64];

    for (size_t i = 0; i < table->n; i++) {
        (void)snprintf(key, sizeof(key), "%s:", table->rows[i].key);
        if (!(table->rows[i].flags & READ_LATER) && !strstr(text, key)) {
            fail_msg("full.yaml lacks %s of \"%s\"", key, table->name);
        }
    }
}

static bool is_later(const struct read_table *const *tables, size_t n,
                     const struct read_table *table)
{
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j < tables[i]->n; j++) {
            const struct read_row *row = &tables[i]->rows[j];

            if (row->table == table) {
                return (row->flags & READ_LATER) != 0;
            }
        }
    }
    return false;
}

static void test_the_full_example_has_every_key(void **state)
{
    const struct read_table *tables[READ_TABLES];
    size_t n = read_tables(cluster_table(), tables);
    struct blob *blob = NULL;
    char *text;

    (void)state;
    assert_int_equal(
        blob_read("deploy/examples/full.yaml", LIMIT_YAML, &blob, NULL), 0);
    text = mem_printf("%.*s", (int)blob->size, (const char *)blob->data);
    assert_non_null(text);
    for (size_t i = 0; i < n; i++) {
        if (!is_later(tables, n, tables[i])) {
            assert_has_keys(text, tables[i]);
        }
    }
    mem_free(text);
    blob_unref(blob);
}

static void test_a_missing_file_is_said_to_be(void **state)
{
    struct fixture *f = *state;

    f->rc =
        cluster_file("/nowhere/cluster.yaml", &f->cluster, &f->errors, &f->err);
    assert_int_equal(f->rc, EDGE_ENOENT);
    assert_non_null(strstr(f->err.text, "/nowhere/cluster.yaml"));
    assert_int_equal(f->errors.n_errors, 0);
}

static void assert_resolved(const char *yaml, const char *path,
                            const char *expected)
{
    char *resolved = cluster_resolve_path(yaml, path);

    assert_string_equal(resolved, expected);
    mem_free(resolved);
}

static void test_paths_start_at_the_files_folder(void **state)
{
    (void)state;
    assert_resolved("cluster.yaml", "m.onnx", "m.onnx");
    assert_resolved("-", "m.onnx", "m.onnx");
    assert_resolved("a/b/cluster.yaml", "../m.onnx", "a/b/../m.onnx");
    assert_resolved("/etc/c.yaml", "m.onnx", "/etc/m.onnx");
    assert_resolved("a/cluster.yaml", "/srv/m.onnx", "/srv/m.onnx");
}

/* ---- trouble ---- */

static int read_full(void *arg)
{
    struct fixture *f = arg;
    int rc = cluster_file("deploy/examples/full.yaml", &f->cluster, &f->errors,
                          &f->err);

    cluster_free(f->cluster);
    f->cluster = NULL;
    return rc;
}

static void test_every_allocation_may_fail(void **state)
{
    assert_true(heap_each(read_full, *state) > 4);
}

/* A lack of memory in a wrong file may show as either, but never crash. */
static void test_allocations_may_fail_in_a_wrong_file(void **state)
{
    static const char text[] =
        "nam: home\ndevices: [a, b, a, {name: x}, {host: y, labels: {a: b}}]\n"
        "model: {input: {mean: [1, 2]}}\nstages: [{layers: a..b, replicas: "
        "[a, c]}, {name: s}]\nhealth: {heartbeat: 9s}\n";
    struct fixture *f = *state;
    unsigned n = 0;

    do {
        heap_fail_at(++n);
        try_read(f, text);
        assert_true(f->rc == EDGE_ECONFIG || f->rc == EDGE_ENOMEM);
        assert_null(f->cluster);
    } while (heap_count() >= n);
    assert_int_equal(f->rc, EDGE_ECONFIG);
    assert_true(n > 2);
}

static void test_a_caller_can_add_an_error_at_a_place(void **state)
{
    struct fixture *f = *state;
    const struct cluster *c = read_good(
        f, HEAD MODEL "stages: [{name: s0, layers: stem..nowhere}]\n");

    config_error(&f->errors, &c->stages[0].layers, "no layer \"nowhere\"");
    assert_int_equal(f->errors.n_errors, 1);
    assert_int_equal(f->errors.items[0].pad, 28);
    assert_int_equal(f->errors.items[0].width, strlen("stem..nowhere"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_the_least_file_gets_all_defaults),
        TEST(test_defaults_are_those_of_the_limits),
        TEST(test_a_part_of_a_mapping_leaves_its_other_defaults),
        TEST(test_the_model_without_input_gets_its_defaults),
        TEST(test_input_is_read),
        TEST(test_gray_has_one_channel),
        TEST(test_hosts_get_names),
        TEST(test_a_device_is_written_out),
        TEST(test_local_devices_have_the_supervisors_names),
        TEST(test_insecure_is_fine_on_loopback),
        TEST(test_there_may_be_as_many_devices_as_nodes),
        TEST(test_stages_are_read),
        TEST(test_words_stand_for_values),
        TEST(test_a_short_deadline_is_a_warning),
        TEST(test_the_examples_are_valid),
        TEST(test_the_full_example_has_every_key),
        TEST(test_a_missing_file_is_said_to_be),
        TEST(test_paths_start_at_the_files_folder),
        TEST(test_every_allocation_may_fail),
        TEST(test_allocations_may_fail_in_a_wrong_file),
        TEST(test_a_caller_can_add_an_error_at_a_place),
    };

    return cmocka_run_group_tests_name("cluster", tests, NULL, NULL);
}
