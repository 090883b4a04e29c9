#include "coordinator/plan/staff.h"

#include "tests/lib/unit.h"

#define MOST 8

static struct staff_stage out[MOST];
static const struct staff_stage open[MOST];

static int choose(size_t n_stages, size_t n_boards, unsigned missing,
                  const struct staff_stage *given)
{
    bool there[MOST];
    struct staff_ask ask = {.n_stages = n_stages,
                            .n_boards = n_boards,
                            .there = there,
                            .given = given};
    struct err err;

    for (size_t b = 0; b < n_boards; b++) {
        there[b] = (missing & 1u << b) == 0;
    }
    return staff_choose(&ask, out, &err);
}

/* Stage `s` is on these boards, each a bit. */
static unsigned on(size_t s)
{
    unsigned boards = 0;

    for (size_t i = 0; i < out[s].n; i++) {
        boards |= 1u << out[s].boards[i];
    }
    return boards;
}

static void one_stage_has_all_boards(void **state)
{
    (void)state;
    assert_int_equal(choose(1, 4, 0, open), 0);
    assert_int_equal(on(0), 0xf);
    assert_int_equal(choose(1, 4, 0x2, open), 0);
    assert_int_equal(on(0), 0xd);
}

static void stages_have_a_board_each_and_share_the_rest(void **state)
{
    (void)state;
    assert_int_equal(choose(2, 5, 0, open), 0);
    assert_int_equal(on(0), 0x15);
    assert_int_equal(on(1), 0x0a);
}

static void neighbours_share_a_board_where_there_are_few(void **state)
{
    (void)state;
    assert_int_equal(choose(4, 2, 0, open), 0);
    assert_int_equal(on(0), 1);
    assert_int_equal(on(1), 1);
    assert_int_equal(on(2), 2);
    assert_int_equal(on(3), 2);
}

/* The first and the last stage on one board: pictures never leave it. */
static void what_is_written_is_kept(void **state)
{
    struct staff_stage given[3] = {
        {.boards = {1}, .n = 1}, {.n = 0}, {.boards = {1}, .n = 1}};

    (void)state;
    assert_int_equal(choose(3, 3, 0, given), 0);
    assert_int_equal(on(0), 2);
    assert_int_equal(on(1), 5);
    assert_int_equal(on(2), 2);
}

static void an_idle_board_steps_in(void **state)
{
    struct staff_stage given[2] = {{.boards = {0}, .n = 1},
                                   {.boards = {1}, .n = 1}};

    (void)state;
    assert_int_equal(choose(2, 3, 0, given), 0);
    assert_int_equal(on(0), 1);
    assert_int_equal(on(1), 2);
    assert_int_equal(choose(2, 3, 0x2, given), 0);
    assert_int_equal(on(0), 1);
    assert_int_equal(on(1), 4);
}

static void a_stage_with_several_gives_one(void **state)
{
    (void)state;
    assert_int_equal(choose(2, 4, 0xa, open), 0); /* 0, 2 and 1, 3 */
    assert_int_equal(on(0), 4);
    assert_int_equal(on(1), 1);
}

static void the_last_board_does_everything(void **state)
{
    (void)state;
    assert_int_equal(choose(3, 4, 0x7, open), 0);
    for (size_t s = 0; s < 3; s++) {
        assert_int_equal(on(s), 8);
    }
}

static void nobody_is_there(void **state)
{
    (void)state;
    assert_int_equal(choose(2, 3, 0x7, open), EDGE_EUNAVAILABLE);
}

/* Every stage has somebody, and nobody who is missing. */
static void whoever_is_missing(void **state)
{
    (void)state;
    for (size_t n_stages = 1; n_stages <= 5; n_stages++) {
        for (unsigned missing = 0; missing < 63; missing++) {
            assert_int_equal(choose(n_stages, 6, missing, open), 0);
            for (size_t s = 0; s < n_stages; s++) {
                assert_true(out[s].n > 0);
                assert_int_equal(on(s) & missing, 0);
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_stage_has_all_boards),
        cmocka_unit_test(stages_have_a_board_each_and_share_the_rest),
        cmocka_unit_test(neighbours_share_a_board_where_there_are_few),
        cmocka_unit_test(what_is_written_is_kept),
        cmocka_unit_test(an_idle_board_steps_in),
        cmocka_unit_test(a_stage_with_several_gives_one),
        cmocka_unit_test(the_last_board_does_everything),
        cmocka_unit_test(nobody_is_there),
        cmocka_unit_test(whoever_is_missing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
