/* What was measured outlives the coordinator, and what is wrong in it does
 * not. */
#include "coordinator/parts.h"
#include "tests/lib/tmp.h"
#include "tests/lib/unit.h"

#include <math.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>

struct fixture {
    struct tmp tmp;
    struct state *state;
    struct err err;
    struct digest model;
    struct kept kept;
};

static void open_it(struct fixture *f)
{
    if (state_open(tmp_path(&f->tmp, "state.db"), STORE_NO_SYNC, &f->state,
                   &f->err) < 0) {
        fail_msg("%s", f->err.text);
    }
}

static int set_up(void **state)
{
    struct fixture *f = test_calloc(1, sizeof(*f));

    tmp_init(&f->tmp);
    f->model.bytes[0] = 7;
    open_it(f);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    kept_deinit(&f->kept);
    state_close(f->state);
    tmp_deinit(&f->tmp);
    test_free(f);
    return 0;
}

static void put(struct fixture *f, const char *node, const char *kind,
                uint64_t at_ms, double first)
{
    double op_s[3] = {first, 0, 0.25};
    struct kept_profile row = {
        .at_ms = at_ms, .macs = 1e6, .op_s = op_s, .n_ops = 3};

    (void)snprintf(row.node, sizeof(row.node), "%s", node);
    (void)snprintf(row.kind, sizeof(row.kind), "%s", kind);
    (void)snprintf(row.note, sizeof(row.note), "of %s", node);
    if (state_put_profile(f->state, &f->model, &row, &f->err) < 0) {
        fail_msg("%s", f->err.text);
    }
}

static void put_link(struct fixture *f, const char *from, double rtt_s,
                     double bytes_per_s)
{
    struct kept_link link = {.to = "b",
                             .at_ms = 9,
                             .rtt_s = rtt_s,
                             .bytes_per_s = bytes_per_s,
                             .send_s = NAN};

    (void)snprintf(link.from, sizeof(link.from), "%s", from);
    assert_int_equal(state_put_link(f->state, &link, &f->err), 0);
}

static void load(struct fixture *f)
{
    kept_deinit(&f->kept);
    state_close(f->state);
    open_it(f);
    if (state_load_kept(f->state, &f->model, &f->kept, &f->err) < 0) {
        fail_msg("%s", f->err.text);
    }
}

static void what_is_kept_is_there_again(void **state)
{
    struct fixture *f = *state;

    put(f, "a", "pi", 5, 0.5);
    load(f);
    assert_int_equal(f->kept.n, 1);
    assert_string_equal(f->kept.rows[0].node, "a");
    assert_string_equal(f->kept.rows[0].kind, "pi");
    assert_string_equal(f->kept.rows[0].note, "of a");
    assert_int_equal(f->kept.rows[0].n_ops, 3);
    assert_true(f->kept.rows[0].op_s[0] == 0.5);
    assert_true(f->kept.rows[0].op_s[1] == 0);
    assert_true(f->kept.rows[0].macs == 1e6);
    assert_int_equal(f->kept.rows[0].at_ms, 5);
}

static void a_board_has_one_of_a_model(void **state)
{
    struct fixture *f = *state;

    put(f, "a", "pi, edged 1", 5, 0.5);
    put(f, "b", "pi, edged 1", 6, 0.5);
    put(f, "a", "pi, edged 2", 7, 0.75);
    load(f);
    assert_int_equal(f->kept.n, 2);
    assert_string_equal(f->kept.rows[0].node, "a"); /* the newest first */
    assert_string_equal(f->kept.rows[0].kind, "pi, edged 2");
    f->model.bytes[0] = 8;
    load(f);
    assert_int_equal(f->kept.n, 0); /* of another model */
}

static void numbers_that_cannot_be_are_left_out(void **state)
{
    static const double bad[] = {-1, NAN, INFINITY, 1e9};
    struct fixture *f = *state;
    char name[8];

    put(f, "good", "pi", 5, 0.5);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        (void)snprintf(name, sizeof(name), "bad%zu", i);
        put(f, name, "pi", 6 + i, bad[i]);
        put_link(f, name, bad[i], 1e6);
    }
    put_link(f, "none", 0.001, 0);
    put_link(f, "much", 0.001, INFINITY);
    put_link(f, "good", 0.001, 1e6);
    load(f);
    assert_int_equal(f->kept.n, 1);
    assert_string_equal(f->kept.rows[0].node, "good");
    assert_int_equal(f->kept.n_links, 1);
    assert_string_equal(f->kept.links[0].from, "good");
    assert_true(f->kept.links[0].send_s == 0); /* that was none, either */
}

static void damage_is_left_out(void **state)
{
    struct fixture *f = *state;
    sqlite3 *db;

    put(f, "a", "pi", 5, 0.5);
    put(f, "b", "pi", 6, 0.5);
    put(f, "c", "pi", 7, 0.5);
    state_close(f->state);
    f->state = NULL;
    assert_int_equal(sqlite3_open(tmp_path(&f->tmp, "state.db"), &db), 0);
    assert_int_equal(
        sqlite3_exec(db,
                     "UPDATE profiles SET body = x'0bff' WHERE node = 'a';"
                     "UPDATE profiles SET kind = NULL WHERE node = 'b';"
                     "INSERT INTO profiles SELECT model, replace(hex(zeroblob("
                     "90)), '0', 'x'), kind, at_ms, body FROM profiles WHERE "
                     "node = 'c'",
                     NULL, NULL, NULL),
        0);
    (void)sqlite3_close(db);
    load(f);
    assert_int_equal(f->kept.n, 1);
    assert_string_equal(f->kept.rows[0].node, "c");
}

static void the_oldest_make_room(void **state)
{
    struct fixture *f = *state;
    char name[16];

    for (int i = 0; i < LIMIT_PROFILES + 3; i++) {
        (void)snprintf(name, sizeof(name), "n%d", i);
        put(f, name, "pi", (uint64_t)(1000 + i), 0.5);
    }
    load(f);
    assert_int_equal(f->kept.n, LIMIT_PROFILES);
    assert_string_equal(f->kept.rows[LIMIT_PROFILES - 1].node, "n3");
}

#define T(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(what_is_kept_is_there_again),
        T(a_board_has_one_of_a_model),
        T(numbers_that_cannot_be_are_left_out),
        T(damage_is_left_out),
        T(the_oldest_make_room),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
