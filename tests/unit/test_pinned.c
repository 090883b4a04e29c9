#include "tests/lib/unit.h"

#include "coordinator/plan/pinned.h"

#include "base/mem.h"

#include <string.h>

static const char yaml[] =
    "name: home\nmodel: {file: m.onnx}\ndevices: [a, b, c, d]\nstages:\n"
    "  - {name: front, layers: l1, replicas: [a, b]}\n"
    "  - {name: fc, layers: l2, split: {axis: output, over: [c, d]}}\n"
    "  - {name: map, layers: l3, tile: {grid: 2x1, over: [a, b, c, d]}}\n"
    "  - {name: few, layers: l4, tile: {grid: 3x1, over: [a, b]}}\n"
    "  - {name: fc.0x, layers: l5, replicas: [a]}\n"
    "  - {name: free, layers: l6}\n";

struct fixture {
    struct cluster *cluster;
};

static int set_up(void **state)
{
    struct fixture *f = test_calloc(1, sizeof(*f));
    struct config_errors *errors = mem_new(struct config_errors);

    assert_non_null(errors);
    assert_int_equal(
        cluster_read(yaml, strlen(yaml), "yaml", &f->cluster, errors), 0);
    mem_free(errors);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    cluster_free(f->cluster);
    test_free(f);
    return 0;
}

/* The devices that may have it, as letters. */
static void expect(struct fixture *f, const char *shard, const char *devices)
{
    static const char *const all[] = {"a", "b", "c", "d"};
    char got[5] = "";
    size_t n = 0;

    for (size_t i = 0; i < 4; i++) {
        if (pinned_allows(f->cluster, shard, all[i])) {
            got[n++] = all[i][0];
        }
    }
    assert_string_equal(got, devices);
}

static void a_whole_stage_is_on_its_replicas(void **state)
{
    expect(*state, "front", "ab");
    expect(*state, "free", "abcd");
}

static void each_part_of_a_split_has_its_device(void **state)
{
    expect(*state, "fc.0", "c");
    expect(*state, "fc.1", "d");
    expect(*state, "fc.1.2", "d"); /* a level further on */
    expect(*state, "fc.in", "c");
    expect(*state, "fc.out", "c");
    expect(*state, "fc.join1", "c");
}

static void tiles_with_replicas_have_every_other(void **state)
{
    expect(*state, "map.0", "ac");
    expect(*state, "map.1", "bd");
    expect(*state, "map.out", "ac");
}

static void more_tiles_than_devices(void **state)
{
    expect(*state, "few.0", "a");
    expect(*state, "few.1", "b");
    expect(*state, "few.2", "a");
}

static void a_name_with_a_dot_is_no_piece(void **state)
{
    expect(*state, "fc.0x", "a");
}

static void a_stage_of_the_planner(void **state)
{
    expect(*state, "s7", "abcd");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_whole_stage_is_on_its_replicas),
        TEST(each_part_of_a_split_has_its_device),
        TEST(tiles_with_replicas_have_every_other),
        TEST(more_tiles_than_devices),
        TEST(a_name_with_a_dot_is_no_piece),
        TEST(a_stage_of_the_planner),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
