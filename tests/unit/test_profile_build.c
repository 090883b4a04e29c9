/* From what was measured to a profile: who gets which times and links. */
#include "tests/lib/unit.h"

#include "coordinator/plan/profile_build.h"
#include "tests/lib/heap.h"

#include <stdio.h>
#include <string.h>

#define OPS 3
#define MBIT (1e6 / 8)

static const double fast[OPS] = {0.001, 0.002, 0};
static const double quick[OPS] = {0.0011, 0.0021, 0}; /* noise apart */
static const double slow[OPS] = {0.010, 0.020, 0.030};

static struct profile_known device(const char *name, const char *kind)
{
    return (struct profile_known){.name = name,
                                  .kind = kind,
                                  .macs_per_s = 5e9,
                                  .bytes_per_s = 2e9,
                                  .run_s = 1e-4,
                                  .threads = 2,
                                  .free_bytes = 1000};
}

static struct profile build(const struct profile_sources *sources)
{
    struct profile profile;

    assert_int_equal(profile_build(&profile, sources), 0);
    return profile;
}

static const struct profile_board *board_of(const struct profile *p, size_t i)
{
    assert_true(p->devices[i].board < p->n_boards);
    return &p->boards[p->devices[i].board];
}

/* ---- boards ---------------------------------------------------------------
 */

static void nothing_is_known(void **state)
{
    struct profile_known devices[] = {{.name = "a", .kind = ""},
                                      {.name = "b", .kind = ""}};
    struct profile p =
        build(&(struct profile_sources){devices, 2, NULL, 0, NULL, 0, OPS});
    struct profile_board granted = profile_default_board();

    (void)state;
    assert_int_equal(p.n_boards, 1);
    assert_null(p.boards[0].op_s);
    assert_false(p.boards[0].is_measured);
    assert_true(p.boards[0].macs_per_s == granted.macs_per_s);
    assert_string_equal(p.devices[1].name, "b");
    assert_true(profile_link(&p, 0, 1)->bytes_per_s ==
                profile_default_link().bytes_per_s);
    assert_false(profile_link(&p, 0, 1)->is_measured);
    profile_deinit(&p);
}

/* A moment's load spoils what takes a few milliseconds, and can only make it
 * slower; what is much slower is another board. */
static void a_loaded_start_makes_no_other_board(void **state)
{
    struct profile_known devices[] = {device("a", "pi"), device("b", "pi"),
                                      device("c", "pi"), device("d", "zero")};
    struct profile p;

    (void)state;
    devices[1].macs_per_s = 8e9;
    devices[1].run_s = 5e-5;
    devices[2].macs_per_s = 1e9;
    p = build(&(struct profile_sources){devices, 4, NULL, 0, NULL, 0, OPS});
    assert_int_equal(p.n_boards, 3);
    assert_ptr_equal(board_of(&p, 0), board_of(&p, 1));
    assert_true(board_of(&p, 0)->macs_per_s == 8e9);
    assert_true(board_of(&p, 0)->run_s == 5e-5);
    assert_true(board_of(&p, 2)->macs_per_s == 1e9);
    assert_true(board_of(&p, 3)->macs_per_s == 5e9);
    profile_deinit(&p);
}

static void a_device_has_its_own_times(void **state)
{
    struct profile_known devices[] = {device("a", "pi"), device("b", "pi")};
    struct profile_times times[] = {{"b", "pi", slow, OPS},
                                    {"a", "pi", fast, OPS}};
    struct profile p =
        build(&(struct profile_sources){devices, 2, times, 2, NULL, 0, OPS});

    (void)state;
    assert_int_equal(p.n_boards, 2);
    assert_true(board_of(&p, 0)->op_s[1] == fast[1]);
    assert_true(board_of(&p, 1)->op_s[1] == slow[1]);
    assert_true(board_of(&p, 1)->is_measured);
    assert_int_equal(board_of(&p, 1)->threads, 2);
    assert_int_equal(p.devices[1].free_bytes, 1000);
    profile_deinit(&p);
}

static void or_those_of_its_kind(void **state)
{
    struct profile_known devices[] = {device("a", "pi"), device("b", "pc"),
                                      device("c", "pi")};
    struct profile_times times[] = {{"x", "pc", slow, OPS},
                                    {"gone", "pi", fast, OPS}};
    struct profile p =
        build(&(struct profile_sources){devices, 3, times, 2, NULL, 0, OPS});

    (void)state;
    assert_true(board_of(&p, 0)->op_s[0] == fast[0]);
    assert_true(board_of(&p, 1)->op_s[0] == slow[0]);
    assert_int_equal(p.devices[0].board, p.devices[2].board);
    profile_deinit(&p);
}

static void times_of_another_program_do_not_count(void **state)
{
    struct profile_known devices[] = {device("a", "pi, edged 2")};
    struct profile_times times[] = {{"a", "pi, edged 1", fast, OPS},
                                    {"a", "pi, edged 2", slow, OPS + 1}};
    struct profile p =
        build(&(struct profile_sources){devices, 1, times, 2, NULL, 0, OPS});

    (void)state;
    assert_null(p.boards[0].op_s);
    assert_true(p.boards[0].macs_per_s == 5e9); /* its own word */
    profile_deinit(&p);
}

static void noise_makes_no_kind_of_its_own(void **state)
{
    struct profile_known devices[] = {device("a", "pi"), device("b", "pi"),
                                      device("c", "pi")};
    struct profile_times times[] = {{"a", "pi", fast, OPS},
                                    {"b", "pi", quick, OPS},
                                    {"c", "pi", slow, OPS}};
    struct profile p =
        build(&(struct profile_sources){devices, 3, times, 3, NULL, 0, OPS});

    (void)state;
    assert_int_equal(p.n_boards, 2);
    assert_int_equal(p.devices[0].board, p.devices[1].board);
    profile_deinit(&p);
}

/* ---- links ----------------------------------------------------------------
 */

static void pairs_are_as_good_as_the_worse_end(void **state)
{
    struct profile_known devices[] = {device("a", "pi"), device("b", "pi"),
                                      device("wifi", "pi")};
    struct profile_pair pairs[] = {
        {NULL, "a", 0.0002, 900 * MBIT, 0, 0},
        {NULL, "b", 0.0002, 900 * MBIT, 0, 0},
        {NULL, "wifi", 0.004, 30 * MBIT, 0, 0},
    };
    struct profile p =
        build(&(struct profile_sources){devices, 3, NULL, 0, pairs, 3, OPS});

    (void)state;
    assert_true(profile_link(&p, 0, 1)->bytes_per_s == 900 * MBIT);
    assert_true(profile_link(&p, 0, 2)->bytes_per_s == 30 * MBIT);
    assert_true(profile_link(&p, 2, 1)->rtt_s == 0.004);
    assert_true(profile_link(&p, PROFILE_GATEWAY, 2)->bytes_per_s == 30 * MBIT);
    assert_true(profile_link(&p, 0, 1)->is_measured);
    profile_deinit(&p);
}

static void a_bad_pair_has_its_own(void **state)
{
    struct profile_known devices[] = {device("a", "pi"), device("b", "pi"),
                                      device("c", "pi")};
    struct profile_pair pairs[] = {
        {"a", "b", 0.0002, 900 * MBIT, 0, 0},
        {"b", "c", 0.0002, 900 * MBIT, 0, 0},
        {"c", "a", 0.0300, 10 * MBIT, 0, 0},
    };
    struct profile p =
        build(&(struct profile_sources){devices, 3, NULL, 0, pairs, 3, OPS});

    (void)state;
    assert_true(profile_link(&p, 0, 1)->bytes_per_s == 900 * MBIT);
    assert_true(profile_link(&p, 0, 2)->bytes_per_s == 10 * MBIT);
    assert_true(profile_link(&p, 2, 0)->rtt_s == 0.0300);
    profile_deinit(&p);
}

static void sending_costs_what_it_did(void **state)
{
    struct profile_known devices[] = {device("a", "pi"), device("b", "pi")};
    struct profile_times times[] = {{"a", "pi", fast, OPS},
                                    {"b", "pi", slow, OPS}};
    struct profile_pair pairs[] = {
        {"a", "b", 0.001, 100 * MBIT, 0.00002, 5e8},
        {"b", "a", 0.001, 100 * MBIT, 0, 0},
        {NULL, "a", 0.001, 100 * MBIT, 7, 7},
        {"gone", "a", 0.001, 100 * MBIT, 7, 7},
    };
    struct profile p =
        build(&(struct profile_sources){devices, 2, times, 2, pairs, 4, OPS});

    (void)state;
    assert_true(board_of(&p, 0)->send_s == 0.00002);
    assert_true(board_of(&p, 0)->send_bytes_per_s == 5e8);
    assert_true(board_of(&p, 1)->send_s == profile_default_board().send_s);
    profile_deinit(&p);
}

#define MANY 1000

static void a_thousand_devices_of_all_sorts(void **state)
{
    static struct profile_known devices[MANY];
    static struct profile_pair pairs[MANY];
    static char names[MANY][16];
    struct profile p;

    (void)state;
    for (size_t i = 0; i < MANY; i++) {
        (void)snprintf(names[i], sizeof(names[i]), "n%zu", i);
        devices[i] = device(names[i], i % 2 == 0 ? "pi" : "pc");
    }
    for (size_t i = 0; i < MANY; i++) {
        pairs[i] = (struct profile_pair){names[i],
                                         names[(i + 1) % MANY],
                                         0.0001 * (double)(1 + i % 50),
                                         MBIT * (double)(1 + i % 997),
                                         0,
                                         0};
    }
    p = build(
        &(struct profile_sources){devices, MANY, NULL, 0, pairs, MANY, OPS});
    assert_true(p.n_links <= 256);
    for (size_t i = 0; i < MANY; i++) {
        const struct profile_link *link = profile_link(&p, i, (i + 7) % MANY);

        assert_true(link->bytes_per_s > 0 && link->rtt_s > 0);
        assert_ptr_equal(link, profile_link(&p, (i + 7) % MANY, i));
    }
    profile_deinit(&p);
}

static int build_and_drop(void *arg)
{
    struct profile p;
    int rc = profile_build(&p, arg);

    if (rc == 0) {
        profile_deinit(&p);
    }
    return rc;
}

static void every_allocation_may_fail(void **state)
{
    struct profile_known devices[] = {device("a", "pi"), device("b", "pc")};
    struct profile_times times[] = {{"a", "pi", fast, OPS},
                                    {"b", "pc", slow, OPS}};
    struct profile_sources sources = {devices, 2, times, 2, NULL, 0, OPS};

    (void)state;
    assert_true(heap_each(build_and_drop, &sources) > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_known),
        cmocka_unit_test(a_loaded_start_makes_no_other_board),
        cmocka_unit_test(a_device_has_its_own_times),
        cmocka_unit_test(or_those_of_its_kind),
        cmocka_unit_test(times_of_another_program_do_not_count),
        cmocka_unit_test(noise_makes_no_kind_of_its_own),
        cmocka_unit_test(pairs_are_as_good_as_the_worse_end),
        cmocka_unit_test(a_bad_pair_has_its_own),
        cmocka_unit_test(sending_costs_what_it_did),
        cmocka_unit_test(a_thousand_devices_of_all_sorts),
        cmocka_unit_test(every_allocation_may_fail),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
