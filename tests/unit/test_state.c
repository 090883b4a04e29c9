/* What outlives a coordinator: state.db. */
#include "coordinator/parts.h"
#include "tests/lib/tmp.h"
#include "tests/lib/unit.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct fixture {
    struct tmp tmp;
    struct state *state;
    struct err err;
    /* What was loaded last. */
    size_t n;
    char names[300];
    uint32_t generation;
    uint32_t epoch;
    struct digest model;
    bool has_labels;
    char model_name[64];
    uint64_t deployed_at_ms;
    uint8_t placement[64];
    size_t placement_size;
    int port;
};

static void open_it(struct fixture *f)
{
    if (state_open(tmp_path(&f->tmp, "state.db"), STORE_NO_SYNC, &f->state,
                   &f->err) < 0) {
        fail_msg("%s", f->err.text);
    }
}

static void reopen(struct fixture *f)
{
    state_close(f->state);
    open_it(f);
}

static int set_up(void **state)
{
    struct fixture *f = test_calloc(1, sizeof(*f));

    tmp_init(&f->tmp);
    open_it(f);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    state_close(f->state);
    tmp_deinit(&f->tmp);
    test_free(f);
    return 0;
}

static int note(void *arg, const struct state_row *row, struct err *err)
{
    struct fixture *f = arg;
    size_t at = strlen(f->names);

    (void)err;
    f->n++;
    (void)snprintf(f->names + at, sizeof(f->names) - at, "%s ", row->name);
    f->generation = row->generation;
    f->epoch = row->epoch;
    f->model = row->model;
    f->has_labels = row->has_labels;
    f->deployed_at_ms = row->deployed_at_ms;
    (void)snprintf(f->model_name, sizeof(f->model_name), "%s", row->model_name);
    assert_in_range(row->placement_size, 0, sizeof(f->placement));
    f->placement_size = row->placement_size;
    if (row->placement_size > 0) {
        memcpy(f->placement, row->placement, row->placement_size);
    }
    return 0;
}

static int load(struct fixture *f)
{
    f->n = 0;
    f->names[0] = '\0';
    return state_load(f->state, note, f, &f->err);
}

static void put(struct fixture *f, const char *name, uint32_t generation)
{
    struct state_row row = {
        .name = name,
        .generation = generation,
        .epoch = 4000000000u,
        .model_name = "it's a \"model\".onnx",
        .deployed_at_ms = 1790000000000,
        .placement = "\0\1placement",
        .placement_size = 11,
    };

    row.yaml.bytes[0] = 1;
    row.model.bytes[31] = 0xff;
    assert_int_equal(state_put(f->state, &row, &f->err), 0);
}

static void a_new_one_is_empty(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(load(f), 0);
    assert_int_equal(f->n, 0);
}

static void what_is_put_comes_back(void **state)
{
    struct fixture *f = *state;

    put(f, "home", 3);
    reopen(f);
    assert_int_equal(load(f), 0);
    assert_string_equal(f->names, "home ");
    assert_int_equal(f->generation, 3);
    assert_int_equal(f->epoch, 4000000000u);
    assert_int_equal(f->model.bytes[31], 0xff);
    assert_false(f->has_labels);
    assert_string_equal(f->model_name, "it's a \"model\".onnx");
    assert_int_equal(f->deployed_at_ms, 1790000000000);
    assert_int_equal(f->placement_size, 11);
    assert_memory_equal(f->placement, "\0\1placement", 11);
}

static void labels_come_back(void **state)
{
    struct fixture *f = *state;
    struct state_row row = {
        .name = "home", .model_name = "m", .has_labels = true};

    assert_int_equal(state_put(f->state, &row, &f->err), 0);
    assert_int_equal(load(f), 0);
    assert_true(f->has_labels);
}

static void a_second_put_replaces_the_first(void **state)
{
    struct fixture *f = *state;

    put(f, "home", 3);
    put(f, "home", 4);
    assert_int_equal(load(f), 0);
    assert_int_equal(f->n, 1);
    assert_int_equal(f->generation, 4);
}

static void deployments_come_in_order(void **state)
{
    struct fixture *f = *state;

    put(f, "b", 1);
    put(f, "c", 1);
    put(f, "a", 1);
    assert_int_equal(load(f), 0);
    assert_string_equal(f->names, "a b c ");
}

static void what_is_deleted_is_gone(void **state)
{
    struct fixture *f = *state;

    put(f, "a", 1);
    put(f, "b", 1);
    assert_int_equal(state_delete(f->state, "a", &f->err), 0);
    assert_int_equal(state_delete(f->state, "never", &f->err), 0);
    reopen(f);
    assert_int_equal(load(f), 0);
    assert_string_equal(f->names, "b ");
}

static void names_are_no_sql(void **state)
{
    struct fixture *f = *state;

    put(f, "a'; DROP TABLE deployments; --", 1);
    put(f, "b", 1);
    assert_int_equal(
        state_delete(f->state, "a'; DROP TABLE deployments; --", &f->err), 0);
    assert_int_equal(load(f), 0);
    assert_string_equal(f->names, "b ");
}

static void epochs_are_never_given_out_twice(void **state)
{
    struct fixture *f = *state;
    uint32_t last = 0;

    for (int i = 0; i < 10; i++) {
        uint32_t epoch;

        assert_int_equal(state_next_epoch(f->state, &epoch, &f->err), 0);
        assert_true(epoch > last);
        last = epoch;
        if (i % 3 == 2) {
            reopen(f);
        }
    }
}

static int note_node(void *arg, const struct state_node *node, struct err *err)
{
    struct fixture *f = arg;
    size_t at = strlen(f->names);

    (void)err;
    (void)snprintf(f->names + at, sizeof(f->names) - at, "%s@%s ", node->name,
                   node->host);
    f->port = node->port;
    return 0;
}

static void nodes_come_back_with_their_newest_address(void **state)
{
    struct fixture *f = *state;
    struct state_node node = {"pi-1", "10.0.0.1", 7433};

    assert_int_equal(state_put_node(f->state, &node, &f->err), 0);
    node.host = "10.0.0.2";
    node.port = 7434;
    assert_int_equal(state_put_node(f->state, &node, &f->err), 0);
    reopen(f);
    f->names[0] = '\0';
    assert_int_equal(state_load_nodes(f->state, note_node, f, &f->err), 0);
    assert_string_equal(f->names, "pi-1@10.0.0.2 ");
    assert_int_equal(f->port, 7434);
}

static int refuse(void *arg, const struct state_row *row, struct err *err)
{
    (void)arg;
    return err_set(err, EDGE_ECORRUPT, "not %s", row->name);
}

static void an_error_of_the_callback_comes_through(void **state)
{
    struct fixture *f = *state;

    put(f, "home", 1);
    assert_int_equal(state_load(f->state, refuse, NULL, &f->err),
                     EDGE_ECORRUPT);
    assert_string_equal(f->err.text, "not home");
}

/* ---- damage -------------------------------------------------------------- */

static void a_file_that_is_no_database_is_said_to_be(void **state)
{
    struct fixture *f = *state;
    struct state *other = NULL;
    char garbage[4096];
    int rc;

    memset(garbage, 'x', sizeof(garbage));
    rc = state_open(tmp_write(&f->tmp, "garbage.db", garbage, sizeof(garbage)),
                    STORE_NO_SYNC, &other, &f->err);
    assert_int_equal(rc, EDGE_ECORRUPT);
    assert_non_null(strstr(f->err.text, "garbage.db"));
    assert_null(other);
}

static void a_folder_that_is_missing_is_named(void **state)
{
    struct fixture *f = *state;
    struct state *other = NULL;

    assert_true(state_open(tmp_path(&f->tmp, "no/state.db"), STORE_NO_SYNC,
                           &other, &f->err) < 0);
    assert_non_null(strstr(f->err.text, "no/state.db"));
}

static void a_torn_file_is_no_crash(void **state)
{
    struct fixture *f = *state;
    struct stat st;

    for (int i = 0; i < 200; i++) {
        char name[16];

        (void)snprintf(name, sizeof(name), "d%d", i);
        put(f, name, 1);
    }
    state_close(f->state);
    f->state = NULL;
    assert_int_equal(stat(tmp_path(&f->tmp, "state.db"), &st), 0);
    assert_int_equal(
        truncate(tmp_path(&f->tmp, "state.db"), st.st_size / 2 + 100), 0);
    if (state_open(tmp_path(&f->tmp, "state.db"), STORE_NO_SYNC, &f->state,
                   &f->err) == 0) {
        assert_true(load(f) < 0); /* half of it must not pass for all */
    }
    assert_non_null(strstr(f->err.text, "state.db"));
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(a_new_one_is_empty),
        T(what_is_put_comes_back),
        T(labels_come_back),
        T(a_second_put_replaces_the_first),
        T(deployments_come_in_order),
        T(what_is_deleted_is_gone),
        T(names_are_no_sql),
        T(epochs_are_never_given_out_twice),
        T(nodes_come_back_with_their_newest_address),
        T(an_error_of_the_callback_comes_through),
        T(a_file_that_is_no_database_is_said_to_be),
        T(a_folder_that_is_missing_is_named),
        T(a_torn_file_is_no_crash),
    };
#undef T

    return cmocka_run_group_tests(tests, NULL, NULL);
}
