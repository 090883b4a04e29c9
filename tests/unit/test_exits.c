/* Who waits for whom on a board of a model of several views: daemon/views.c
 * and daemon/exits.c. What goes over sockets is tests/system/views.py's. */
#include "daemon/parts.h"
#include "tests/lib/unit.h"

#include <math.h>
#include <string.h>

#define CLASSES 4

struct fixture {
    struct hosted shard;
    struct gather gather;
    struct run run;
    struct tensor inputs[4];
    struct tensor scores;
    struct err err;
};

static struct fixture f;

/* Views 0 and 1, a value of several views, and `present`. */
static int set_up(void **state)
{
    (void)state;
    f = (struct fixture){.shard = {.n_inputs = 4, .n_outputs = 1}};
    f.gather = (struct gather){.all = 3, .present = 4, .views = {1, 2, 0, 0}};
    f.shard.gather = &f.gather;
    f.run.shard = &f.shard;
    f.run.inputs = f.inputs;
    f.run.outputs = &f.scores;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    tensor_deinit(&f.scores);
    return 0;
}

static void come(size_t port)
{
    f.inputs[port].dtype = DTYPE_F32;
    f.run.n_have++;
}

/* ---- views --------------------------------------------------------------- */

static void test_all_are_waited_for(void **state)
{
    (void)state;
    come(0);
    come(2);
    assert_false(views_are_whole(&f.run));
    come(1);
    assert_true(views_are_whole(&f.run)); /* nobody sends `present` */
}

static void test_an_absent_view_is_not_waited_for(void **state)
{
    (void)state;
    come(0);
    come(2);
    f.run.views.absent = 1u << 1;
    assert_true(views_are_whole(&f.run));
}

static void test_what_several_views_made_is_always_needed(void **state)
{
    (void)state;
    come(0);
    f.run.views.absent = 3;
    assert_false(views_are_whole(&f.run));
    assert_false(views_may_go_on(&f.run));
    come(2);
    assert_true(views_may_go_on(&f.run)); /* only a view lacks */
}

static void test_without_gather_all_inputs_are_needed(void **state)
{
    (void)state;
    f.shard.gather = NULL;
    come(0);
    f.run.views.absent = 14;
    assert_false(views_are_whole(&f.run));
    assert_false(views_may_go_on(&f.run));
    f.run.n_have = 4;
    assert_true(views_are_whole(&f.run));
}

static void refused(Edged__Gather *gather)
{
    Edged__Shard shard = EDGED__SHARD__INIT;
    struct hosted to = {.n_inputs = 2};

    shard.id = 1;
    shard.n_inputs = 2;
    shard.gather = gather;
    assert_int_equal(views_read(&shard, &to, &f.err), EDGE_EPROTO);
    assert_null(to.gather);
}

static void test_a_gather_that_makes_no_sense_is_refused(void **state)
{
    uint32_t views[] = {1, 0};
    char name[] = "";
    char *nodes[] = {name, name};
    Edged__Gather good = EDGED__GATHER__INIT;
    Edged__Gather bad;

    (void)state;
    good.views = views;
    good.n_views = 2;
    good.nodes = nodes;
    good.n_nodes = 2;
    good.views_in_all = 1;
    good.present = 2;
    good.deadline_ms = 100;
    bad = good;
    bad.n_views = 1;
    refused(&bad);
    bad = good;
    bad.n_nodes = 0;
    refused(&bad);
    bad = good;
    bad.present = 3;
    refused(&bad);
    bad = good;
    bad.views_in_all = LIMIT_PORTS + 1;
    refused(&bad);
    bad = good;
    bad.deadline_ms = 0;
    refused(&bad);
    views[0] = 2; /* of a view that there is not */
    refused(&good);
}

/* ---- exits --------------------------------------------------------------- */

static void judge(const float scores[CLASSES], bool by_entropy, double below)
{
    struct shape shape = shape_of(2, (const int64_t[]){1, CLASSES});

    tensor_deinit(&f.scores);
    assert_int_equal(tensor_copy(&f.scores, DTYPE_F32, &shape, scores), 0);
    f.shard.exit = (struct exit_rule){
        .number = 2, .by_entropy = by_entropy, .below = below};
    f.run.passed = 0;
    exits_judge(&f.run);
}

static void test_what_is_sure_leaves(void **state)
{
    static const float sure[CLASSES] = {0, 9, 0, 0};
    static const float even[CLASSES] = {1, 1, 1, 1};

    (void)state;
    judge(sure, true, 0.1);
    assert_true(f.run.leaves && f.run.passed == 0);
    assert_true(f.run.views.confidence < 0.01);
    judge(even, true, 0.99);
    assert_true(!f.run.leaves && f.run.passed == 2);
    assert_true(fabs(f.run.views.confidence - 1) < 1e-9);
    judge(sure, false, 0.1);
    assert_true(f.run.leaves);
    judge(even, false, 0.75); /* 1 less a quarter, which is not below it */
    assert_false(f.run.leaves);
}

static void test_a_threshold_of_0_lets_nobody_leave(void **state)
{
    static const float sure[CLASSES] = {0, 900, 0, 0};

    (void)state;
    judge(sure, true, 0);
    assert_false(f.run.leaves);
}

static void test_what_is_no_number_is_not_sure(void **state)
{
    static const float odd[CLASSES] = {0, NAN, 0, 0};

    (void)state;
    judge(odd, true, 1);
    assert_false(f.run.leaves);
}

static void test_what_goes_through_does_not_leave(void **state)
{
    static const float sure[CLASSES] = {0, 9, 0, 0};

    (void)state;
    f.run.views.through = true;
    judge(sure, true, 0.5);
    assert_true(!f.run.leaves && f.run.passed == 2);
}

static void test_an_exit_answers_or_sends_on(void **state)
{
    struct run_hold answer = {.hold = {.shard = 0}};
    struct run_hold next = {.after = 2, .hold = {.shard = 7}};
    struct run_hold later = {.after = 3, .hold = {.shard = 8}};

    (void)state;
    f.shard.exit.number = 2;
    f.run.leaves = true;
    assert_true(exits_allow(&f.run, &answer));
    assert_false(exits_allow(&f.run, &next));
    f.run.leaves = false;
    f.run.passed = 2;
    assert_false(exits_allow(&f.run, &answer));
    assert_true(exits_allow(&f.run, &next));
    assert_false(exits_allow(&f.run, &later));
}

static void test_others_hold_what_waits_for_an_exit(void **state)
{
    struct run_hold scores = {.after = 0, .hold = {.shard = 7}};
    struct run_hold features = {.after = 1, .hold = {.shard = 8}};

    (void)state;
    assert_true(exits_allow(&f.run, &scores));
    assert_false(exits_allow(&f.run, &features));
    f.run.passed = 1;
    assert_true(exits_allow(&f.run, &features));
}

static void test_one_that_only_knows_that_it_passed_is_idle(void **state)
{
    struct run_hold hold = {.hold = {.active = true}};

    (void)state;
    f.run.state = RUN_HOLDING;
    f.run.passed = 1;
    assert_true(exits_is_idle(&f.run));
    f.run.holds = &hold;
    f.run.n_holds = 1;
    assert_false(exits_is_idle(&f.run));
    hold.hold.active = false;
    assert_true(exits_is_idle(&f.run));
    f.run.passed = 0;
    assert_false(exits_is_idle(&f.run));
}

static void test_an_exit_that_makes_no_sense_is_refused(void **state)
{
    Edged__Shard shard = EDGED__SHARD__INIT;
    Edged__Exit exit = EDGED__EXIT__INIT;
    struct hosted to = {.n_links = 0};

    (void)state;
    shard.n_outputs = 2;
    shard.exit = &exit;
    assert_int_equal(exits_read(&shard, &to, &f.err), EDGE_EPROTO);
    exit.number = 1;
    exit.port = 2;
    assert_int_equal(exits_read(&shard, &to, &f.err), EDGE_EPROTO);
    exit.port = 1;
    exit.below = NAN;
    assert_int_equal(exits_read(&shard, &to, &f.err), EDGE_EPROTO);
    exit.below = 0.5;
    assert_int_equal(exits_read(&shard, &to, &f.err), 0);
    assert_true(to.is_tiered);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    static const struct CMUnitTest tests[] = {
        T(test_all_are_waited_for),
        T(test_an_absent_view_is_not_waited_for),
        T(test_what_several_views_made_is_always_needed),
        T(test_without_gather_all_inputs_are_needed),
        T(test_a_gather_that_makes_no_sense_is_refused),
        T(test_what_is_sure_leaves),
        T(test_a_threshold_of_0_lets_nobody_leave),
        T(test_what_is_no_number_is_not_sure),
        T(test_what_goes_through_does_not_leave),
        T(test_an_exit_answers_or_sends_on),
        T(test_others_hold_what_waits_for_an_exit),
        T(test_one_that_only_knows_that_it_passed_is_idle),
        T(test_an_exit_that_makes_no_sense_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
