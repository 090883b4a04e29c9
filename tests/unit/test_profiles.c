/* Files of profiles: what they say, and what that is for a model. */
#include "tests/lib/heap.h"
#include "tests/lib/model.h"
#include "tests/lib/unit.h"

#include "base/mem.h"
#include "config/profiles.h"
#include "coordinator/plan/profile_file.h"
#include "graph/infer.h"

#include <string.h>

#define EXAMPLE "deploy/examples/pi3-vgg16.profile.yaml"
#define CLUSTER                                                           \
    "name: home\n"                                                        \
    "devices:\n"                                                          \
    "  - pi-1.local\n"                                                    \
    "  - {name: pi-2, host: pi-2.local, memory: 64MiB}\n"                 \
    "  - {name: hub, host: hub.local, labels: {place: attic, os: old}}\n" \
    "model: {file: m.onnx}\n"

struct fixture {
    struct config_errors errors;
    struct profiles *file;
    struct cluster *cluster;
    struct graph *graph;
    struct profile profile;
    size_t left_out;
    struct err err;
};

/* Positions: 0 conv (64 MACs a channel), 1 relu, 2 conv2 (half of it), 3
 * pool. */
static void build(struct graph *g)
{
    int x = model_input(g, "x", DTYPE_F32, DIMS(1, 2, 4, 4));
    int w = model_f32(g, "w", 1, 1, DIMS(4, 2, 1, 1));
    int w2 = model_f32(g, "w2", 1, 1, DIMS(1, 4, 1, 1));
    int conv = model_op(g, OP_CONV, "conv", IN(x, w));
    int relu = model_op(g, OP_RELU, "relu", IN(conv));
    int conv2 = model_op(g, OP_CONV, "conv2", IN(relu, w2));

    model_output(g, model_op(g, OP_GLOBAL_AVERAGE_POOL, "pool", IN(conv2)));
    assert_int_equal(infer_graph(g, NULL), 0);
}

static int set_up(void **state)
{
    struct fixture *f = mem_new(struct fixture);

    *state = f;
    f->graph = graph_new("net");
    build(f->graph);
    return cluster_read(CLUSTER, strlen(CLUSTER), "cluster.yaml", &f->cluster,
                        &f->errors);
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    heap_heal();
    profile_deinit(&f->profile);
    profiles_free(f->file);
    cluster_free(f->cluster);
    graph_free(f->graph);
    mem_free(f);
    return 0;
}

static int try_read(struct fixture *f, const char *text)
{
    profile_deinit(&f->profile);
    profiles_free(f->file);
    f->file = NULL;
    if (profiles_read(text, strlen(text), "p.yaml", &f->file, &f->errors) < 0) {
        config_errors_print(&f->errors, "the test failed", stderr);
        fail();
    }
    return profile_from_file(&f->profile, f->file, "p.yaml", f->cluster,
                             f->graph, &f->left_out, &f->err);
}

static const struct profile *read_good(struct fixture *f, const char *text)
{
    if (try_read(f, text) < 0) {
        fail_msg("%s", f->err.text);
    }
    return &f->profile;
}

static void assert_refused(struct fixture *f, const char *text, const char *why)
{
    assert_int_equal(try_read(f, text), EDGE_ECONFIG);
    if (strstr(f->err.text, why) == NULL) {
        fail_msg("expected \"%s\" in \"%s\"", why, f->err.text);
    }
    assert_null(f->profile.devices);
}

static void assert_close(double value, double want)
{
    if (!(value > want * 0.999999 && value < want * 1.000001)) {
        fail_msg("%g, expected %g", value, want);
    }
}

static void test_the_example_is_valid(void **state)
{
    struct fixture *f = *state;
    double sum = 0;

    assert_int_equal(profiles_load(EXAMPLE, &f->file, &f->errors, &f->err), 0);
    assert_int_equal(f->file->n_kinds, 1);
    for (size_t i = 0; i < f->file->kinds[0].n_layers; i++) {
        sum += f->file->kinds[0].layers[i].seconds;
    }
    assert_close(sum, 10.363); /* as published, layer by layer */
    assert_close(f->file->link.bit_s, 94e6);
}

static void test_units_are_read(void **state)
{
    struct fixture *f = *state;
    const struct profile *p = read_good(
        f, "kinds:\n"
           "  a: {macs: 1.5G/s, memory_rate: 2GiB/s, run: 250us, message: "
           "0.1ms, message_rate: 400MiB/s, memory: 1GiB, threads: 4}\n"
           "link: {rate: 8Mbit/s, delay: 1.5ms}\n");

    assert_close(p->boards[0].macs_per_s, 1.5e9);
    assert_close(p->boards[0].bytes_per_s, 2147483648.0);
    assert_close(p->boards[0].run_s, 250e-6);
    assert_close(p->boards[0].send_s, 1e-4);
    assert_close(p->boards[0].send_bytes_per_s, 400 * 1048576.0);
    assert_int_equal(p->boards[0].free_bytes, (uint64_t)1 << 30);
    assert_int_equal(p->boards[0].threads, 4);
    assert_close(p->links[0].bytes_per_s, 1e6);
    assert_close(p->links[0].rtt_s, 3e-3);
}

/* Of a range by work: relu and pool have no multiply-accumulates. */
static void test_a_ranges_time_is_shared_by_work(void **state)
{
    struct fixture *f = *state;
    const double *op_s =
        read_good(f, "kinds: {a: {layers: {conv..conv2: 30ms, pool: 5ms}}}\n")
            ->boards[0]
            .op_s;

    assert_close(op_s[0], 20e-3); /* 128 of 192 */
    assert_true(op_s[1] >= 0 && op_s[1] <= 0);
    assert_close(op_s[2], 10e-3);
    assert_close(op_s[3], 5e-3);
    /* 192 multiply-accumulates in 35 ms. */
    assert_close(f->profile.boards[0].macs_per_s, 192 / 35e-3);
}

static void test_what_has_no_time_is_not_measured(void **state)
{
    struct fixture *f = *state;
    const struct profile *p =
        read_good(f, "kinds: {a: {macs: 1G/s, layers: {conv2: 30ms}}}\n");

    assert_true(p->boards[0].op_s[0] <= 0);
    assert_close(p->boards[0].op_s[2], 30e-3);
    assert_close(p->boards[0].macs_per_s, 1e9);
}

static void test_layers_that_are_not_there(void **state)
{
    struct fixture *f = *state;

    assert_refused(f, "kinds:\n  a: {layers: {conv3: 1ms}}\n",
                   "p.yaml:2:16: the model has no layer \"conv3\"");
    assert_refused(f, "kinds: {a: {layers: {conv2..conv: 1ms}}}\n",
                   "ends before it begins");
    assert_refused(f, "kinds: {a: {layers: {conv..pool: 1ms, relu: 1ms}}}\n",
                   "another time");
    assert_refused(f, "kinds: {a: {layers: {relu: 1ms}}}\n", "\"macs\" does");
}

static void test_each_device_is_of_the_first_kind_by_default(void **state)
{
    struct fixture *f = *state;
    const struct profile *p = read_good(
        f, "kinds: {a: {macs: 1G/s, memory: 1GiB}, b: {macs: 1G/s}}\n");

    assert_int_equal(p->n_devices, 3);
    assert_string_equal(p->devices[0].name, "pi-1");
    assert_int_equal(p->devices[0].free_bytes, (uint64_t)1 << 30);
    assert_int_equal(p->devices[1].free_bytes, MIB(64));
    assert_int_equal(p->devices[2].board, 0);
    assert_int_equal(f->left_out, 0);
}

static void test_devices_by_pattern_and_label(void **state)
{
    struct fixture *f = *state;
    const struct profile *p =
        read_good(f, "kinds: {a: {macs: 1G/s}, b: {macs: 2G/s}}\n"
                     "boards:\n"
                     "  - {kind: b, labels: {place: attic}}\n"
                     "  - {kind: a, devices: \"pi-*\"}\n");

    assert_int_equal(p->n_devices, 3);
    assert_int_equal(p->devices[1].board, 0);
    assert_int_equal(p->devices[2].board, 1);
    p = read_good(f, "kinds: {a: {macs: 1G/s}}\n"
                     "boards: [{kind: a, devices: [pi-2, none-?, \"h*\"]}]\n");
    assert_int_equal(p->n_devices, 2);
    assert_int_equal(f->left_out, 1);
    assert_refused(f,
                   "kinds: {a: {macs: 1G/s}}\n"
                   "boards: [{kind: a, labels: {place: attic, os: new}}]\n",
                   "fits no device");
}

static void test_a_thousand_boards_are_one_line(void **state)
{
    struct fixture *f = *state;
    const struct profile *p =
        read_good(f, "kinds: {a: {macs: 1G/s}}\n"
                     "boards: [{kind: a, count: 1000, name: pi-x}]\n");

    assert_int_equal(p->n_devices, 1000);
    assert_int_equal(f->left_out, 3);
    assert_string_equal(p->devices[999].name, "pi-x-1000");
    assert_refused(f,
                   "kinds: {a: {macs: 1G/s}}\n"
                   "boards: [{kind: a, devices: pi-1}, {kind: a, count: 2, "
                   "name: pi}]\n",
                   "a board \"pi-1\" already");
    assert_refused(f,
                   "kinds: {a: {macs: 1G/s}}\n"
                   "boards: [{kind: a, devices: hub}, {kind: a, count: 1024}]"
                   "\n",
                   "too many");
}

/* Between two kinds the slower rate and the longer delay. */
static void test_links_of_kinds(void **state)
{
    struct fixture *f = *state;
    const struct profile *p =
        read_good(f, "kinds:\n"
                     "  a: {macs: 1G/s, link: {rate: 8Mbit/s, delay: 1ms}}\n"
                     "  b: {macs: 1G/s, link: {rate: 80Mbit/s, delay: 5ms}}\n"
                     "  c: {macs: 1G/s}\n"
                     "boards:\n"
                     "  - {kind: a, devices: pi-1}\n"
                     "  - {kind: b, devices: pi-2}\n"
                     "  - {kind: c, devices: hub}\n");

    assert_close(profile_link(p, 0, 1)->bytes_per_s, 1e6);
    assert_close(profile_link(p, 1, 0)->rtt_s, 10e-3);
    assert_close(profile_link(p, 2, 1)->bytes_per_s, 1e7);
    assert_close(profile_link(p, 2, PROFILE_GATEWAY)->bytes_per_s, 125e6);
    assert_close(profile_link(p, PROFILE_GATEWAY, 0)->rtt_s, 2e-3);
}

static int make(void *arg)
{
    struct fixture *f = arg;
    int rc = profiles_load(EXAMPLE, &f->file, &f->errors, &f->err);

    profiles_free(f->file);
    f->file = NULL;
    return rc;
}

static int make_profile(void *arg)
{
    struct fixture *f = arg;
    int rc = profile_from_file(&f->profile, f->file, "p.yaml", f->cluster,
                               f->graph, &f->left_out, &f->err);

    profile_deinit(&f->profile);
    return rc;
}

static void test_every_allocation_may_fail(void **state)
{
    struct fixture *f = *state;

    assert_true(heap_each(make, f) > 4);
    (void)read_good(f, "kinds: {a: {layers: {conv..pool: 1ms}}, b: {macs: "
                       "1G/s, link: {rate: 1Gbit/s}}}\n"
                       "boards: [{kind: b, count: 2}, {kind: a, devices: hub}]"
                       "\n");
    profile_deinit(&f->profile);
    assert_true(heap_each(make_profile, f) > 4);
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_the_example_is_valid),
        T(test_units_are_read),
        T(test_a_ranges_time_is_shared_by_work),
        T(test_what_has_no_time_is_not_measured),
        T(test_layers_that_are_not_there),
        T(test_each_device_is_of_the_first_kind_by_default),
        T(test_devices_by_pattern_and_label),
        T(test_a_thousand_boards_are_one_line),
        T(test_links_of_kinds),
        T(test_every_allocation_may_fail),
    };

    return cmocka_run_group_tests_name("profiles", tests, NULL, NULL);
}
