#include "tests/lib/heap.h"
#include "tests/lib/unit.h"

#include "config/node.h"

#include "base/mem.h"

#include <string.h>

struct fixture {
    struct config_errors errors;
    struct node_config *config;
    struct err err;
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
    node_config_free(f->config);
    mem_free(f);
    return 0;
}

static void assert_defaults(const struct node_config *c)
{
    assert_null(c->name);
    assert_null(c->listen);
    assert_int_equal(c->port, 7433);
    assert_string_equal(c->state, "/var/lib/edged");
    assert_int_equal(c->memory, 0);
    assert_int_equal(c->threads, 0);
    assert_string_equal(c->coretype, "auto");
    assert_int_equal(c->log, LOG_INFO);
    assert_null(c->trace);
}

static void test_without_a_file_there_are_defaults(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(node_config_default(&f->config), 0);
    assert_defaults(f->config);
}

static void test_the_example_says_the_defaults(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(node_config_load("deploy/examples/edged.yaml", &f->config,
                                      &f->errors, &f->err),
                     0);
    assert_defaults(f->config);
}

static void test_an_empty_file_is_fine(void **state)
{
    static const char *const texts[] = {"", "# all by default\n", "---\n",
                                        "{}\n", "~\n"};
    struct fixture *f = *state;

    for (size_t i = 0; i < 5; i++) {
        assert_int_equal(node_config_read(texts[i], strlen(texts[i]), "x",
                                          &f->config, &f->errors),
                         0);
        assert_defaults(f->config);
        node_config_free(f->config);
        f->config = NULL;
    }
}

static void test_every_key_is_read(void **state)
{
    static const char text[] =
        "name: pi-1\nlisten: 0.0.0.0\nport: 0\nstate: /tmp/e\nmemory: 200MiB\n"
        "threads: 3\ncoretype: NEOVERSEN1\nlog: warn\ntrace: net,rollout\n";
    struct fixture *f = *state;
    const struct node_config *c;

    assert_int_equal(
        node_config_read(text, strlen(text), "x", &f->config, &f->errors), 0);
    c = f->config;
    assert_string_equal(c->name, "pi-1");
    assert_string_equal(c->listen, "0.0.0.0");
    assert_int_equal(c->port, 0);
    assert_string_equal(c->state, "/tmp/e");
    assert_int_equal(c->memory, (uint64_t)200 << 20);
    assert_int_equal(c->threads, 3);
    assert_string_equal(c->coretype, "NEOVERSEN1");
    assert_int_equal(c->log, LOG_WARN);
    assert_string_equal(c->trace, "net,rollout");
}

static void test_a_wrong_key_is_an_error(void **state)
{
    static const char text[] = "prot: 7433\n";
    struct fixture *f = *state;

    assert_int_equal(
        node_config_read(text, strlen(text), "x", &f->config, &f->errors),
        EDGE_ECONFIG);
    assert_null(f->config);
    assert_string_equal(f->errors.items[0].text,
                        "unknown key \"prot\"; did you mean \"port\"?");
}

static void test_a_missing_file_is_told_from_a_wrong_one(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(node_config_load("/nowhere/edged.yaml", &f->config,
                                      &f->errors, &f->err),
                     EDGE_ENOENT);
    assert_non_null(strstr(f->err.text, "/nowhere/edged.yaml"));
}

static int make_default(void *arg)
{
    struct fixture *f = arg;
    int rc = node_config_default(&f->config);

    node_config_free(f->config);
    f->config = NULL;
    return rc;
}

static void test_every_allocation_may_fail(void **state)
{
    assert_true(heap_each(make_default, *state) >= 4);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_without_a_file_there_are_defaults),
        TEST(test_the_example_says_the_defaults),
        TEST(test_an_empty_file_is_fine),
        TEST(test_every_key_is_read),
        TEST(test_a_wrong_key_is_an_error),
        TEST(test_a_missing_file_is_told_from_a_wrong_one),
        TEST(test_every_allocation_may_fail),
    };

    return cmocka_run_group_tests_name("node", tests, NULL, NULL);
}
