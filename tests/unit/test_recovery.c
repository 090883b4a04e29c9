/* Shards lose their holders, message by message; the test is the nodes. */
#include "coordinator/rollout.h"
#include "tests/lib/desk.h"
#include "tests/lib/unit.h"

#include <stdio.h>
#include <string.h>

#define TWO                                         \
    "name: home\nmodel: {file: m.onnx}\ndevices:\n" \
    "  - {name: n0, host: 127.0.0.1, port: 700}\n"  \
    "  - {name: n1, host: 127.0.0.1, port: 701}\n"

struct fixture {
    struct desk d;
    uint32_t epoch; /* in force; what nodes that are up beat for */
    bool up[2];
};

static int set_up(void **state)
{
    struct fixture *f = test_calloc(1, sizeof(*f));

    desk_init(&f->d, 1);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    desk_deinit(&f->d);
    test_free(f);
    return 0;
}

/* ---- helpers ------------------------------------------------------------- */

static struct deployment *home(struct fixture *f)
{
    return deployments_get(f->d.c, "home");
}

static size_t count(struct fixture *f, const char *node,
                    Edged__Envelope__BodyCase kind)
{
    return io_fake_count(desk_node(&f->d, node), kind);
}

static const Edged__Install *installed(struct fixture *f, const char *node)
{
    const struct msg *msg =
        io_fake_last(desk_node(&f->d, node), EDGED__ENVELOPE__BODY_INSTALL);

    return msg != NULL ? msg->env->install : NULL;
}

/* Nodes that are up beat; `n0` holds the shard, `n1` if it was told to. */
static void pass(struct fixture *f, uint64_t ms)
{
    for (uint64_t t = 0; t < ms; t += 50) {
        io_fake_run_for(&f->d.fake, 50);
        (void)io_fake_work(&f->d.fake);
        for (size_t i = 0; i < 2 && t % 250 == 0; i++) {
            const char *name = i == 0 ? "n0" : "n1";
            const Edged__Install *in = installed(f, name);

            if (f->up[i]) {
                desk_beat(&f->d, name, in != NULL ? f->epoch : 0);
            }
        }
    }
}

static void go_down(struct fixture *f, size_t i)
{
    f->up[i] = false;
    desk_down(&f->d, i == 0 ? "n0" : "n1");
}

static void come_up(struct fixture *f, size_t i, uint32_t epoch)
{
    f->up[i] = true;
    desk_up(&f->d, i == 0 ? "n0" : "n1", epoch);
}

/* The recovery that is under way, to its end. */
static void finish(struct fixture *f, bool first, bool second)
{
    if (first) {
        desk_ready(&f->d, "n0");
    }
    if (second) {
        desk_ready(&f->d, "n1");
    }
    assert_true(desk_answer(&f->d, first ? "n0" : "n1", false)); /* golden */
    (void)io_fake_work(&f->d.fake);
    assert_null(home(f)->rollout);
    f->epoch = home(f)->current->epoch;
}

/* One stage on n0, n1 beside it, both up for long. */
static void deploy(struct fixture *f, const char *yaml)
{
    desk_deploy(&f->d, yaml);
    if (desk_reply(&f->d) != NULL) {
        fail_msg("%s", desk_reply(&f->d)->text);
    }
    come_up(f, 0, 0);
    come_up(f, 1, 0);
    (void)io_fake_work(&f->d.fake);
    desk_ready(&f->d, "n0");
    if (installed(f, "n1") != NULL) {
        desk_ready(&f->d, "n1");
    }
    while (desk_answer(&f->d, "n0", false) ||
           (installed(f, "n1") != NULL && desk_answer(&f->d, "n1", false))) {
        /* golden */
    }
    (void)io_fake_work(&f->d.fake);
    assert_non_null(desk_reply(&f->d));
    assert_int_equal(desk_reply(&f->d)->code, 0);
    f->epoch = home(f)->current->epoch;
}

/* With one place for the stage, so that n1 is left over. */
static void deploy_to_n0(struct fixture *f, const char *more)
{
    char yaml[400];

    (void)snprintf(yaml, sizeof(yaml),
                   TWO "stages:\n  - {name: s0, layers: y, replicas: [n0]}\n%s",
                   more);
    deploy(f, yaml);
    assert_null(installed(f, "n1"));
}

static const Edged__Place *place(struct fixture *f)
{
    return home(f)->current->spec->places[0];
}

/* ---- spares -------------------------------------------------------------- */

static void deploy_with_spare(struct fixture *f)
{
    deploy_to_n0(f, "");
    pass(f, 8000);
    assert_non_null(home(f)->rollout);
    assert_true(home(f)->rollout->is_recovery);
    finish(f, true, true);
}

static void a_stage_gets_a_spare(void **state)
{
    struct fixture *f = *state;
    uint32_t old;

    deploy_to_n0(f, "");
    old = f->epoch;
    pass(f, 1000);
    assert_null(installed(f, "n1")); /* nothing is hurried */
    pass(f, 8000);
    assert_non_null(installed(f, "n1"));
    assert_int_equal(home(f)->current->epoch, old); /* until it is ready */
    finish(f, true, true);
    assert_true(f->epoch > old);
    assert_int_equal(home(f)->generation, 1);
    assert_int_equal(place(f)->n_nodes, 2);
    assert_int_equal(place(f)->spares, 1);
    assert_string_equal(place(f)->nodes[0], "n0");
    assert_string_equal(place(f)->nodes[1], "n1");
    pass(f, 500);
    assert_int_equal(count(f, "n0", EDGED__ENVELOPE__BODY_RETIRE), 1);
}

static void a_spare_works_only_in_need(void **state)
{
    struct fixture *f = *state;

    deploy_with_spare(f);
    for (uint64_t i = 1; i <= 20; i++) {
        desk_ask(&f->d, f->d.client, i, 0);
        assert_false(desk_answer(&f->d, "n1", false));
        assert_true(desk_answer(&f->d, "n0", false));
    }
    desk_ask(&f->d, f->d.client, 21, 0); /* n0 takes it and dies */
    go_down(f, 0);
    pass(f, 50);
    assert_true(desk_answer(&f->d, "n1", false));
    assert_int_equal(desk_answer_of(f->d.client, 21)->code, 0);
}

static void a_spare_is_made_firm_when_the_other_stays_away(void **state)
{
    struct fixture *f = *state;

    deploy_with_spare(f);
    go_down(f, 0);
    pass(f, 8000);
    assert_null(home(f)->rollout); /* it may only be restarting */
    pass(f, 4000);
    assert_non_null(home(f)->rollout);
    assert_false(home(f)->rollout->is_urgent);
    finish(f, false, true);
    assert_int_equal(place(f)->n_nodes, 1);
    assert_int_equal(place(f)->spares, 0);
    assert_string_equal(place(f)->nodes[0], "n1");
}

static void none_are_made_if_none_are_wanted(void **state)
{
    struct fixture *f = *state;

    deploy_to_n0(f, "spares: none\n");
    pass(f, 20000);
    assert_null(installed(f, "n1"));
}

/* ---- placed again -------------------------------------------------------- */

static void a_lost_stage_is_placed_again(void **state)
{
    struct fixture *f = *state;

    deploy_to_n0(f, "spares: none\n");
    pass(f, 3000);
    desk_ask(&f->d, f->d.client, 1, 0);
    go_down(f, 0);
    pass(f, 800);
    assert_null(installed(f, "n1")); /* it may be restarting */
    pass(f, 700);
    assert_non_null(installed(f, "n1"));
    desk_ask(&f->d, f->d.client, 2, 0);
    finish(f, false, true);
    assert_int_equal(home(f)->generation, 1);
    io_fake_run_for(&f->d.fake, 1); /* the old epoch ends at once */
    assert_true(desk_answer(&f->d, "n1", false));
    assert_true(desk_answer(&f->d, "n1", false));
    assert_int_equal(desk_answer_of(f->d.client, 1)->code, 0);
    assert_int_equal(desk_answer_of(f->d.client, 2)->code, 0);
}

static void a_short_absence_changes_nothing(void **state)
{
    struct fixture *f = *state;

    deploy_to_n0(f, "spares: none\n");
    pass(f, 3000);
    desk_ask(&f->d, f->d.client, 1, 0);
    go_down(f, 0);
    pass(f, 800);
    come_up(f, 0, f->epoch);
    pass(f, 20000);
    assert_null(installed(f, "n1"));
    assert_true(desk_answer(&f->d, "n0", false));
    assert_int_equal(desk_answer_of(f->d.client, 1)->code, 0);
}

static void who_comes_back_meanwhile_keeps_its_place(void **state)
{
    struct fixture *f = *state;
    uint32_t old;

    deploy_to_n0(f, "spares: none\n");
    pass(f, 3000);
    old = f->epoch;
    go_down(f, 0);
    pass(f, 1500);
    assert_non_null(home(f)->rollout);
    come_up(f, 0, f->epoch);
    desk_ready(&f->d, "n0");
    pass(f, 300);
    assert_null(home(f)->rollout);
    assert_int_equal(home(f)->current->epoch, old);
    assert_int_equal(count(f, "n1", EDGED__ENVELOPE__BODY_RETIRE), 1);
}

/* What it was placed on fails: the next try does without, as long as there is
 * another; here there is none, so callers hear of it. */
static void a_failed_attempt_is_told(void **state)
{
    struct fixture *f = *state;
    Edged__Envelope env = EDGED__ENVELOPE__INIT;
    Edged__Failed failed = EDGED__FAILED__INIT;

    deploy_to_n0(f, "spares: none\n");
    pass(f, 3000);
    desk_ask(&f->d, f->d.client, 1, 0);
    go_down(f, 0);
    pass(f, 1500);
    failed.epoch = installed(f, "n1")->epoch;
    failed.code = EDGE_EIO;
    failed.text = (char *)(uintptr_t) "the disk is full";
    env.body_case = EDGED__ENVELOPE__BODY_FAILED;
    env.failed = &failed;
    io_fake_receive(desk_node(&f->d, "n1"), &env, NULL);
    assert_null(home(f)->rollout);
    pass(f, 2500);
    assert_int_equal(desk_answer_of(f->d.client, 1)->code, EDGE_EUNAVAILABLE);
    assert_int_equal(count(f, "n1", EDGED__ENVELOPE__BODY_INSTALL), 1);
}

static void a_deploy_takes_precedence(void **state)
{
    struct fixture *f = *state;

    deploy_to_n0(f, "spares: none\n");
    pass(f, 3000);
    go_down(f, 0);
    pass(f, 1500);
    assert_true(home(f)->rollout->is_recovery);
    desk_deploy(&f->d, "name: home\nmodel: {file: m.onnx}\ndevices:\n"
                       "  - {name: n1, host: 127.0.0.1, port: 701}\n");
    pass(f, 600);
    assert_false(home(f)->rollout->is_recovery);
    desk_ready(&f->d, "n1");
    assert_true(desk_answer(&f->d, "n1", false));
    (void)io_fake_work(&f->d.fake);
    assert_int_equal(desk_reply(&f->d)->code, 0);
    assert_int_equal(home(f)->generation, 2);
}

static void an_undeploy_ends_it(void **state)
{
    struct fixture *f = *state;
    Edged__Envelope env = EDGED__ENVELOPE__INIT;
    Edged__Undeploy undeploy = EDGED__UNDEPLOY__INIT;

    deploy_to_n0(f, "spares: none\n");
    pass(f, 3000);
    go_down(f, 0);
    pass(f, 1500);
    assert_non_null(home(f)->rollout);
    undeploy.deployment = (char *)(uintptr_t) "home";
    env.body_case = EDGED__ENVELOPE__BODY_UNDEPLOY;
    env.undeploy = &undeploy;
    io_fake_receive(f->d.client, &env, NULL);
    pass(f, 500);
    assert_null(home(f));
    assert_true(list_is_empty(&f->d.c->rollouts));
}

/* ---- nothing left -------------------------------------------------------- */

static void callers_are_told_when_nothing_is_left(void **state)
{
    struct fixture *f = *state;
    const Edged__Answer *answer;

    deploy_to_n0(f, "spares: none\n");
    pass(f, 3000);
    go_down(f, 1);
    desk_ask(&f->d, f->d.client, 1, 0);
    go_down(f, 0);
    pass(f, 2900);
    assert_null(desk_answer_of(f->d.client, 1)); /* it may come back */
    pass(f, 550);
    answer = desk_answer_of(f->d.client, 1);
    assert_non_null(answer);
    assert_int_equal(answer->code, EDGE_EUNAVAILABLE);
    assert_non_null(strstr(answer->text, "stage s0 was on n0 (lost: the test"));
    assert_non_null(strstr(answer->text, "Start edged"));
    desk_ask(&f->d, f->d.client, 2, 0); /* at once */
    assert_int_equal(desk_answer_of(f->d.client, 2)->code, EDGE_EUNAVAILABLE);
    come_up(f, 0, f->epoch);
    pass(f, 50);
    desk_ask(&f->d, f->d.client, 3, 0);
    assert_true(desk_answer(&f->d, "n0", false));
    assert_int_equal(desk_answer_of(f->d.client, 3)->code, 0);
}

static void a_device_that_appears_is_used(void **state)
{
    struct fixture *f = *state;

    deploy_to_n0(f, "spares: none\n");
    pass(f, 3000);
    go_down(f, 1);
    go_down(f, 0);
    pass(f, 5000);
    come_up(f, 1, 0);
    pass(f, 200);
    assert_non_null(installed(f, "n1"));
    finish(f, false, true);
    io_fake_run_for(&f->d.fake, 1);
    desk_ask(&f->d, f->d.client, 1, 0);
    assert_true(desk_answer(&f->d, "n1", false));
    assert_int_equal(desk_answer_of(f->d.client, 1)->code, 0);
}

/* ---- a coordinator that restarts ----------------------------------------- */

static void a_restart_has_patience_first(void **state)
{
    struct fixture *f = *state;

    deploy_to_n0(f, "spares: none\n");
    desk_restart(&f->d);
    f->up[0] = false;
    come_up(f, 1, 0);
    desk_ask(&f->d, f->d.client, 1, 0);
    pass(f, 2800);
    assert_null(installed(f, "n1"));
    pass(f, 700);
    assert_non_null(installed(f, "n1"));
    finish(f, false, true);
    io_fake_run_for(&f->d.fake, 1);
    assert_true(desk_answer(&f->d, "n1", false));
    assert_int_equal(desk_answer_of(f->d.client, 1)->code, 0);
    /* And it is kept. */
    desk_restart(&f->d);
    assert_int_equal(home(f)->current->epoch, f->epoch);
    assert_string_equal(place(f)->nodes[0], "n1");
}

#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_stage_gets_a_spare),
        T(a_spare_works_only_in_need),
        T(a_spare_is_made_firm_when_the_other_stays_away),
        T(none_are_made_if_none_are_wanted),
        T(a_lost_stage_is_placed_again),
        T(a_short_absence_changes_nothing),
        T(who_comes_back_meanwhile_keeps_its_place),
        T(a_failed_attempt_is_told),
        T(a_deploy_takes_precedence),
        T(an_undeploy_ends_it),
        T(callers_are_told_when_nothing_is_left),
        T(a_device_that_appears_is_used),
        T(a_restart_has_patience_first),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
