/* The tables themselves, and the reader where cluster.yaml does not reach. */
#include "tests/lib/unit.h"

#include "config/cluster.h"
#include "config/node.h"

#include "base/mem.h"

#include <string.h>

#define ROWS_MAX 64

struct fixture {
    struct config_errors errors;
    struct cluster cluster;
    struct read_row rows[ROWS_MAX]; /* a table without READ_LATER */
    struct read_table table;
};

static int set_up(void **state)
{
    *state = mem_new(struct fixture);
    return *state != NULL ? 0 : -1;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    pool_deinit(&f->cluster.pool);
    mem_free(f);
    return 0;
}

/* The table as a later release has it. */
static const struct read_table *support_all(struct fixture *f,
                                            const struct read_table *table)
{
    assert_true(table->n <= ROWS_MAX);
    memcpy(f->rows, table->rows, table->n * sizeof(f->rows[0]));
    for (size_t i = 0; i < table->n; i++) {
        f->rows[i].flags &= (unsigned)~READ_LATER;
    }
    f->table = *table;
    f->table.rows = f->rows;
    return &f->table;
}

static int read_with(struct fixture *f, const struct read_table *table,
                     const char *text)
{
    struct doc *doc = NULL;
    int rc;

    config_errors_init(&f->errors, "x.yaml", text, strlen(text));
    rc = doc_read(text, strlen(text), &f->errors, &doc);
    if (rc == 0) {
        rc = read_tree(doc, table, &f->cluster, &f->cluster.pool, &f->errors);
    }
    doc_free(doc);
    return rc;
}

/* ---- every row ---- */

typedef void (*each_row)(struct fixture *f, const struct read_table *table,
                         const struct read_row *row);

static void walk(struct fixture *f, const struct read_table *root,
                 each_row check)
{
    const struct read_table *tables[READ_TABLES];
    size_t n = read_tables(root, tables);

    assert_true(n < READ_TABLES);
    for (size_t i = 0; i < n; i++) {
        assert_true(tables[i]->n <= ROWS_MAX);
        for (size_t j = 0; j < tables[i]->n; j++) {
            check(f, tables[i], &tables[i]->rows[j]);
        }
    }
}

static void walk_all(struct fixture *f, each_row check)
{
    walk(f, cluster_table(), check);
    walk(f, node_config_table(), check);
}

static void check_words(struct fixture *f, const struct read_table *table,
                        const struct read_row *row)
{
    char takes[READ_TAKES];

    (void)f;
    (void)table;
    assert_true(row->help != NULL && row->help[0] != '\0');
    assert_true(strlen(read_takes(row, takes)) > 0);
    assert_true(strlen(takes) < READ_TAKES - 1);
    assert_true(strpbrk(row->help, "\"\\\n") == NULL);
}

static void test_every_row_has_help(void **state)
{
    walk_all(*state, check_words);
}

static void check_key(struct fixture *f, const struct read_table *table,
                      const struct read_row *row)
{
    (void)f;
    for (const struct read_row *other = table->rows; other < row; other++) {
        assert_string_not_equal(other->key, row->key);
    }
}

static void test_no_table_has_a_key_twice(void **state)
{
    walk_all(*state, check_key);
}

static void check_default(struct fixture *f, const struct read_table *table,
                          const struct read_row *row)
{
    struct read_row alone = *row;
    const struct read_table one = {.name = "", .rows = &alone, .n = 1};

    (void)table;
    alone.flags = 0;
    if (row->type != READ_MAP) {
        assert_int_equal(read_with(f, &one, "{}"), 0);
    }
}

static void test_every_default_can_be_read(void **state)
{
    walk_all(*state, check_default);
}

static void check_field(struct fixture *f, const struct read_table *table,
                        const struct read_row *row)
{
    bool is_number = row->type == READ_INT || row->type == READ_DURATION ||
                     row->type == READ_BYTES || row->type == READ_CHOICE;

    (void)f;
    (void)table;
    if (row->type == READ_OWN) {
        assert_non_null(row->own);
        assert_non_null(row->takes);
        assert_non_null(row->schema);
    } else if (row->type == READ_REAL || row->type == READ_PERCENT) {
        assert_true(row->size == sizeof(float) || row->size == sizeof(double));
    } else if (is_number) {
        assert_true(row->size == 1 || row->size == 2 || row->size == 4 ||
                    row->size == 8);
    } else if (row->type <= READ_DIGEST || row->type == READ_NAMES) {
        assert_int_equal(row->size, sizeof(char *));
    }
}

static void test_every_row_fits_its_field(void **state)
{
    walk_all(*state, check_field);
}

/* A number's largest value must fit what it is stored in. */
static void check_range(struct fixture *f, const struct read_table *table,
                        const struct read_row *row)
{
    bool is_number = row->type == READ_INT || row->type == READ_DURATION ||
                     row->type == READ_BYTES;
    double limit = 1;

    (void)f;
    (void)table;
    for (size_t i = 0; i < row->size; i++) {
        limit *= 256;
    }
    if (is_number) {
        assert_true(row->min >= 0);
        assert_true(row->max > row->min);
        assert_true(row->max < limit);
    }
}

static void test_every_range_fits_its_field(void **state)
{
    walk_all(*state, check_range);
}

/* ---- what later releases need ---- */

static const char later[] =
    "name: home\n"
    "devices: [cam-1, cam-2, hub-1, server-1]\n"
    "model: {file: ddnn.onnx}\n"
    "views: {input_0: {on: cam-1}, input_1: {on: cam-2}}\n"
    "tiers: [{name: device, on: each-view}, {name: local, on: hub-1}, "
    "{name: cloud, on: server-1}]\n"
    "exits: [{at: local, output: local_logits, entropy: 0.8}]\n"
    "training: {data: photos/}\n";

static void test_views_tiers_and_exits_are_read(void **state)
{
    struct fixture *f = *state;
    const struct cluster *c = &f->cluster;

    assert_int_equal(read_with(f, support_all(f, cluster_table()), later), 0);
    assert_int_equal(c->n_views, 2);
    assert_string_equal(c->views[1].name, "input_1");
    assert_string_equal(c->views[1].on, "cam-2");
    assert_int_equal(c->n_tiers, 3);
    assert_string_equal(c->tiers[0].on, "each-view");
    assert_int_equal(c->n_exits, 1);
    assert_true(c->exits[0].by_entropy && c->exits[0].entropy > 0.79);
    assert_string_equal(c->training.data.train, "photos/");
}

static void test_rows_of_later_releases_check_their_keys(void **state)
{
    struct fixture *f = *state;
    static const char text[] =
        "name: home\ndevices: local 1\nmodel: {file: m.onnx}\n"
        "views: {a: [x], b: {on: n}}\n"
        "exits: [{entropy: 2}]\n"
        "training: {epochs: none, losses: {a: b}, freeze: 0.8}\n";

    assert_int_equal(read_with(f, support_all(f, cluster_table()), text),
                     EDGE_ECONFIG);
    assert_int_equal(f->errors.n_errors, 8);
}

static const struct read_table *find_table(const char *name)
{
    const struct read_table *tables[READ_TABLES];
    size_t n = read_tables(cluster_table(), tables);

    for (size_t i = 0; i < n; i++) {
        if (strcmp(tables[i]->name, name) == 0) {
            return tables[i];
        }
    }
    fail_msg("no table \"%s\"", name);
    return NULL;
}

static void test_stages_can_be_split_and_tiled_later(void **state)
{
    struct fixture *f = *state;
    const struct read_table *table = support_all(f, find_table("stages[]"));
    const struct cluster_stage *stage = (const void *)&f->cluster;

    assert_int_equal(
        read_with(f, table,
                  "{name: s, layers: fc, split: {axis: pair, over: [a, b]}, "
                  "tile: {grid: 2x3, halo: exchange, over: [a, b]}}"),
        0);
    assert_int_equal(stage->split.axis, CLUSTER_AXIS_PAIR);
    assert_int_equal(stage->split.n_over, 2);
    assert_int_equal(stage->tile.columns, 2);
    assert_int_equal(stage->tile.rows, 3);
    assert_int_equal(stage->tile.halo, CLUSTER_HALO_EXCHANGE);
}

static void test_the_rest_of_the_keys_can_be_read_later(void **state)
{
    struct fixture *f = *state;
    const struct cluster_security *security = (const void *)&f->cluster;

    assert_int_equal(read_with(f, support_all(f, find_table("security")),
                               "{cipher: chacha20, token_ttl: 1h}"),
                     0);
    assert_int_equal(security->token_ttl_ms, 3600000);
    assert_int_equal(security->cert_ttl_ms, 0); /* not given */
    assert_int_equal(read_with(f, support_all(f, find_table("links")),
                               "{zstd: off, max_loss: 0.5%}"),
                     0);
    assert_int_equal(read_with(f, support_all(f, find_table("coordinator")),
                               "{http: '127.0.0.1:8000'}"),
                     0);
}

/* ---- names ---- */

static void test_names(void **state)
{
    char name[LIMIT_NAME + 2];

    (void)state;
    assert_true(read_is_name("a"));
    assert_true(read_is_name("pi-3.attic_2"));
    assert_true(read_is_name("0"));
    assert_false(read_is_name(""));
    assert_false(read_is_name("."));
    assert_false(read_is_name(".."));
    assert_false(read_is_name("-x"));
    assert_false(read_is_name("a/b"));
    assert_false(read_is_name("a b"));
    assert_false(read_is_name("\xc3\xa9"));
    memset(name, 'n', sizeof(name));
    name[LIMIT_NAME] = '\0';
    assert_true(read_is_name(name));
    name[LIMIT_NAME] = 'n';
    name[LIMIT_NAME + 1] = '\0';
    assert_false(read_is_name(name));
}

static void test_hosts(void **state)
{
    static const char *const good[] = {
        "a",         "pi-1.local", "10.0.0.7", "fe80::1", "fe80::1%wlan0",
        "localhost", "a.b.c",      "::",       "x_y",     "4.ubuntu"};
    static const char *const bad[] = {
        "",      ".",     "a..b",      "-a",      "a-",  "a-.b",
        "1.2.3", "a b",   "256.1.1.1", "fe80::g", "a:b", "a/b",
        "%eth0", "a\x01", "::1%",      "::1%a b"};

    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        if (!read_is_host(good[i])) {
            fail_msg("\"%s\" is a host", good[i]);
        }
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        if (read_is_host(bad[i])) {
            fail_msg("\"%s\" is no host", bad[i]);
        }
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_every_row_has_help),
        TEST(test_no_table_has_a_key_twice),
        TEST(test_every_default_can_be_read),
        TEST(test_every_row_fits_its_field),
        TEST(test_every_range_fits_its_field),
        TEST(test_views_tiers_and_exits_are_read),
        TEST(test_rows_of_later_releases_check_their_keys),
        TEST(test_stages_can_be_split_and_tiled_later),
        TEST(test_the_rest_of_the_keys_can_be_read_later),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_hosts),
    };

    return cmocka_run_group_tests_name("read", tests, NULL, NULL);
}
