/* Trainings step by step, with the test as the boards. */
#include "tests/lib/course.h"

#include "coordinator/train/trainer.h"
#include "tests/lib/swept.h"
#include "tests/lib/unit.h"
#include "wire/frame.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define HEAD COURSE_HEAD
#define TRAINING                                                     \
    "training: {data: d, epochs: 2, batch: 8, microbatches: 1, lr: " \
    "0.5, momentum: 0.9, checkpoint: {steps: 2, keep: 2}}\n"
#define REPLICAS HEAD TRAINING
#define STAGES                                                         \
    HEAD "stages:\n  - {name: a, layers: flat..one, replicas: [n0]}\n" \
         "  - {name: b, layers: two..two, replicas: [n1]}\n" TRAINING

/* ---- a training ---------------------------------------------------------- */

static void steps_follow_one_another(void **state)
{
    struct course *f = *state;

    course_begin(f, REPLICAS);
    assert_int_equal(course_step(f, "n0")->step, 1);
    assert_int_equal(course_step(f, "n0")->applies, 0);
    assert_int_equal(course_step(f, "n0")->first, 0);
    assert_int_equal(course_sum_of(course_step(f, "n0")), 8);
    course_stepped(f, "n0");
    assert_int_equal(course_step(f, "n0")->step, 1); /* n1 is not done */
    course_stepped(f, "n0");                         /* once is enough */
    assert_int_equal(course_step(f, "n0")->step, 1);
    course_stepped(f, "n1");
    assert_int_equal(course_step(f, "n0")->step, 2);
    assert_int_equal(course_step(f, "n1")->applies, 1);
    assert_int_equal(course_step(f, "n1")->first, 8);
    assert_true(course_step(f, "n1")->rate == 0.5);
    assert_true(course_step(f, "n1")->square == 0.25); /* of one replica */
    course_go(f, 1);
    assert_int_equal(course_sum_of(course_step(f, "n0")), 4); /* what is left */
    course_go(f, 1);
    assert_true(course_step(f, "n0")->evaluates);
    assert_int_equal(course_step(f, "n0")->applies, 3);
    assert_int_equal(course_sum_of(course_step(f, "n0")), 8);
    course_go(f, 1);
    assert_true(course_step(f, "n0")->evaluates);
    assert_int_equal(course_step(f, "n0")->applies, 0);
    assert_int_equal(course_step(f, "n0")->first, 8);
    assert_int_equal(course_sum_of(course_step(f, "n0")), 2);
    course_go(f, 1);
    assert_false(course_step(f, "n0")->evaluates);
    assert_int_equal(course_step(f, "n0")->pass, 1);
    assert_int_equal(course_step(f, "n0")->first, 0);
    course_go(f, 20);
    assert_non_null(course_reply(f));
    assert_int_equal(course_reply(f)->code, 0);
    assert_int_equal(course_reply(f)->steps, 6);
    assert_non_null(course_reply(f)->model);
    assert_true(fabs(course_reply(f)->test_accuracy - 0.4) < 1e-6);
    assert_int_equal(course_reply(f)->n_curve, 6);
    assert_true(course_reply(f)->curve[5]->pass == 2);
    assert_int_equal(course_reply(f)->n_passes, 2);
    assert_true(course_reply(f)->passes[1]->test_accuracy > 0);
    assert_true(list_is_empty(&f->d.c->placements));
}

static void squares_of_stages_are_added_up(void **state)
{
    struct course *f = *state;

    course_begin(f, STAGES);
    assert_int_equal(course_install(f, "n0")->n_places, 2);
    assert_int_equal(course_install(f, "n1")->shards[0]->recipe->n_sources, 1);
    assert_int_equal(course_install(f, "n1")->shards[0]->recipe->n_losses, 1);
    assert_int_equal(course_install(f, "n0")->shards[0]->recipe->n_losses, 0);
    course_go(f, 1);
    assert_true(course_step(f, "n0")->square == 0.5);
    course_go(f, 40);
    assert_non_null(course_reply(f));
    assert_int_equal(course_reply(f)->code, 0);
}

/* ---- what goes wrong ----------------------------------------------------- */

/* Its pieces of a sum would be others. */
static void boards_of_another_version_take_no_part(void **state)
{
    struct course *f = *state;
    const struct event *newest;

    course_send_train(f, REPLICAS);
    course_node(f, "n1")->base.minor = FRAME_MINOR + 1;
    desk_up(&f->d, "n0", 0);
    desk_up(&f->d, "n1", 0);
    course_pass(f, 5000);
    assert_int_equal(course_install(f, "n0")->places[0]->n_nodes, 1);
    assert_string_equal(course_install(f, "n0")->places[0]->nodes[0], "n0");
    newest = event_newest(&f->d.c->events, 0);
    assert_string_equal(newest->node, "n1");
    assert_non_null(strstr(newest->text, "Update it"));
    course_be_ready(f, "n0");
    course_go(f, 40);
    assert_non_null(course_reply(f));
    assert_int_equal(course_reply(f)->code, 0);
}

static void a_lost_board_is_done_without(void **state)
{
    struct course *f = *state;
    uint32_t epoch;
    uint64_t before;

    course_begin(f, REPLICAS);
    epoch = course_install(f, "n0")->epoch;
    course_go(f, 3); /* a checkpoint after two steps */
    before = course_step(f, "n0")->step;
    course_stepped(f, "n0");
    desk_down(&f->d, "n1");
    (void)io_fake_work(&f->d.fake);
    assert_int_not_equal(course_install(f, "n0")->epoch, epoch);
    assert_int_equal(course_install(f, "n0")->places[0]->n_nodes, 1);
    assert_int_equal(course_install(f, "n0")->shards[0]->recipe->step, 2);
    assert_non_null(course_install(f, "n0")->shards[0]->recipe->state);
    assert_int_equal(
        io_fake_count(course_node(f, "n0"), EDGED__ENVELOPE__BODY_RETIRE), 1);
    course_be_ready(f, "n0");
    assert_int_equal(course_step(f, "n0")->applies, 0);
    assert_int_equal(course_step(f, "n0")->first,
                     16); /* after two steps of 8 */
    assert_true(course_step(f, "n0")->step <= before);
    course_go(f, 40);
    assert_non_null(course_reply(f));
    assert_int_equal(course_reply(f)->code, 0);
    assert_int_equal(course_reply(f)->steps, 6);
    assert_int_equal(course_reply(f)->n_curve, 6); /* none twice */
}

static void what_is_late_is_not_heard(void **state)
{
    struct course *f = *state;
    Edged__Envelope env = EDGED__ENVELOPE__INIT;
    Edged__Stepped late = EDGED__STEPPED__INIT;

    course_begin(f, REPLICAS);
    late.epoch = course_install(f, "n0")->epoch;
    late.shard = 1;
    late.step = 1;
    env.body_case = EDGED__ENVELOPE__BODY_STEPPED;
    env.stepped = &late;
    desk_down(&f->d, "n1");
    (void)io_fake_work(&f->d.fake);
    course_be_ready(f, "n0");
    assert_int_equal(course_step(f, "n0")->step, 1); /* of the new epoch */
    io_fake_receive(course_node(f, "n0"), &env, NULL);
    assert_int_equal(course_step(f, "n0")->step, 1);
    late.epoch = course_install(f, "n0")->epoch;
    late.shard = 7; /* no such one */
    io_fake_receive(course_node(f, "n0"), &env, NULL);
    assert_int_equal(course_step(f, "n0")->step, 1);
}

static void expect_again(struct course *f, const struct course_wrong *wrong)
{
    uint32_t epoch;

    course_begin(f, REPLICAS);
    epoch = course_install(f, "n0")->epoch;
    course_stepped(f, "n0");
    course_say_stepped(f, "n1", wrong);
    for (int i = 0; i < 20 && course_install(f, "n0")->epoch == epoch; i++) {
        io_fake_run_for(&f->d.fake, 100);
        (void)io_fake_work(&f->d.fake);
    }
    assert_int_not_equal(course_install(f, "n0")->epoch, epoch);
    assert_int_equal(course_install(f, "n0")->shards[0]->recipe->step, 0);
}

static void a_step_that_fails_is_done_again(void **state)
{
    expect_again(*state, &(struct course_wrong){.code = EDGE_ENOMEM});
}

static void replicas_that_differ_begin_again(void **state)
{
    expect_again(*state, &(struct course_wrong){.mark = 1});
}

static void samples_that_are_missing_are_noticed(void **state)
{
    expect_again(*state, &(struct course_wrong){.is_short = true});
}

static void gradients_that_are_no_numbers_are_counted(void **state)
{
    struct course *f = *state;
    const struct msg *msg;

    course_begin(f, REPLICAS);
    course_say_stepped(f, "n0", &(struct course_wrong){.square = NAN});
    course_say_stepped(f, "n1", &(struct course_wrong){.square = NAN});
    assert_true(isnan(course_step(f, "n0")->square)); /* boards skip it */
    course_go(f, 6);
    msg = io_fake_last(f->d.client, EDGED__ENVELOPE__BODY_TRAIN_PROGRESS);
    assert_int_equal(msg->env->train_progress->skipped, 1);
}

/* Trains with one board slower than the other, for long enough to be known. */
static const Edged__Step *go_unlike(struct course *f, const char *shares)
{
    char yaml[1024];

    snprintf(yaml, sizeof(yaml),
             HEAD "training: {data: d, epochs: 50, batch: 8, microbatches: 1, "
                  "lr: 0.5, shares: %s}\n",
             shares);
    f->slow = "n1";
    course_begin(f, yaml);
    course_go(f, 60);
    return course_step(f, "n1");
}

static uint64_t samples_at(struct course *f, const char *name,
                           const Edged__Step *at)
{
    return course_samples_of(
        at, course_place_of(course_install(f, name)->places[0], name));
}

static void who_is_slower_gets_less(void **state)
{
    struct course *f = *state;
    const Edged__Step *at = go_unlike(f, "measured");

    assert_true(2 * samples_at(f, "n1", at) <= samples_at(f, "n0", at));
}

static void equal_shares_stay_equal(void **state)
{
    struct course *f = *state;
    const Edged__Step *at = go_unlike(f, "equal");

    assert_int_equal(samples_at(f, "n1", at), samples_at(f, "n0", at));
}

/* ---- checkpoints --------------------------------------------------------- */

static void a_checkpoint_is_whole_or_not_at_all(void **state)
{
    struct course *f = *state;

    course_begin(f, STAGES);
    course_go(f, 2); /* the third saves */
    assert_true(course_step(f, "n0")->saves);
    assert_int_equal(course_step(f, "n0")->applies, 2);
    course_stepped(f, "n0");
    course_stepped(f, "n1");
    course_save(f, "n0", 2); /* n1's part never comes */
    (void)io_fake_work(&f->d.fake);
    desk_restart(&f->d);
    desk_up(&f->d, "n0", 0);
    desk_up(&f->d, "n1", 0);
    io_fake_run_for(&f->d.fake, 200);
    (void)io_fake_work(&f->d.fake);
    assert_int_equal(course_install(f, "n0")->shards[0]->recipe->step, 0);
    assert_null(course_install(f, "n0")->shards[0]->recipe->state);
}

/* Both are alive, and one has said of the last Step that it is done. */
static void a_state_that_does_not_come_is_not_waited_for(void **state)
{
    struct course *f = *state;
    uint32_t epoch;

    course_begin(f, STAGES);
    epoch = course_install(f, "n0")->epoch;
    while (course_step(f, "n0")->n_sizes > 0) {
        course_go(f, 1);
    }
    assert_true(course_step(f, "n1")->saves);
    course_serve(f, "n0");
    course_stepped(f, "n1");
    course_pass(f, 110000);
    desk_send_blob(&f->d, course_node(f, "n1"), f->model, &(struct digest){0});
    course_pass(f, 110000); /* it is slow: pieces come */
    assert_int_equal(course_install(f, "n0")->epoch, epoch);
    course_pass(f, 30000);
    assert_int_not_equal(course_install(f, "n0")->epoch, epoch);
    assert_null(course_reply(f));
}

static void lie_about_size(void *arg, Edged__Saved *out)
{
    out->state->size += *(const uint64_t *)arg;
}

static void lie_about_shard(void *arg, Edged__Saved *out)
{
    (void)arg;
    out->shard = 1;
}

/* Or boards would be told to begin from what no board would take. */
static void a_state_is_as_large_as_it_is_said_to_be(void **state)
{
    struct course *f = *state;
    const Edged__Recipe *recipe;
    uint64_t more = 1;
    uint32_t epoch;

    course_begin(f, REPLICAS);
    epoch = course_install(f, "n0")->epoch;
    course_go(f, 2);
    assert_true(course_step(f, "n0")->saves);
    course_stepped(f, "n0");
    course_stepped(f, "n1");
    course_say_saved(
        f, "n0", 2,
        &(struct course_wrong){.saved = lie_about_size, .arg = &more});
    course_pass(f, 5000);
    assert_int_not_equal(course_install(f, "n0")->epoch, epoch);
    recipe = course_install(f, "n0")->shards[0]->recipe;
    assert_null(recipe->state); /* it begins again, from before */
    assert_int_equal(recipe->step, 0);
}

static void a_state_is_from_who_has_the_shard(void **state)
{
    struct course *f = *state;

    course_begin(f, STAGES);
    course_go(f, 2);
    course_stepped(f, "n0");
    course_stepped(f, "n1");
    course_save(f, "n1", 2);
    course_say_saved(f, "n1", 2,
                     &(struct course_wrong){.saved = lie_about_shard});
    (void)io_fake_work(&f->d.fake);
    assert_true(trainer_find(f->d.c, "home")->is_saving);
    course_save(f, "n0", 2);
    (void)io_fake_work(&f->d.fake);
    assert_false(trainer_find(f->d.c, "home")->is_saving);
}

static void a_restart_goes_on_from_the_newest(void **state)
{
    struct course *f = *state;
    uint32_t epoch;

    course_begin(f, STAGES);
    epoch = course_install(f, "n0")->epoch;
    course_go(f, 3);
    desk_restart(&f->d);
    desk_up(&f->d, "n0", 0);
    desk_up(&f->d, "n1", 0);
    io_fake_run_for(&f->d.fake, 200);
    (void)io_fake_work(&f->d.fake);
    assert_true(course_install(f, "n0")->epoch > epoch);
    assert_int_equal(course_install(f, "n0")->shards[0]->recipe->step, 2);
    course_be_ready(f, "n0");
    course_be_ready(f, "n1");
    assert_int_equal(course_step(f, "n0")->first, 16);
    assert_int_equal(course_step(f, "n0")->step, 3);
}

static void what_a_training_needs_stays_in_the_store(void **state)
{
    struct course *f = *state;
    struct swept swept;

    course_begin(f, STAGES);
    swept = swept_once(&f->d.fake, &f->d.c->sweep);
    assert_true(swept.n >= 6); /* file, model, manifests, shards */
    assert_int_equal(swept.n_gone, 0);
    course_go(f, 3); /* a checkpoint is kept */
    swept = swept_once(&f->d.fake, &f->d.c->sweep);
    assert_true(swept.n >= 7);
    assert_int_equal(swept.n_gone, 0);
}

/* ---- refusals ------------------------------------------------------------ */

static void what_cannot_be_is_said(void **state)
{
    struct course *f = *state;

    course_send_train(f, HEAD
                      "stages:\n  - {name: a, layers: flat..nope, replicas: "
                      "[n0]}\n" TRAINING);
    (void)io_fake_work(&f->d.fake);
    assert_non_null(course_reply(f));
    assert_int_equal(course_reply(f)->code, EDGE_ECONFIG);
    assert_non_null(strstr(course_reply(f)->text, "nope"));
}

static void one_training_of_a_name_at_a_time(void **state)
{
    struct course *f = *state;

    course_begin(f, REPLICAS);
    course_send_train(f, REPLICAS);
    assert_non_null(course_reply(f));
    assert_int_equal(course_reply(f)->code, EDGE_EBUSY);
    assert_non_null(strstr(course_reply(f)->text, "--watch"));
}

/* The oldest that ended makes way, for good. */
static void there_is_always_room_for_one_more(void **state)
{
    struct course *f = *state;
    char yaml[600];
    size_t n = 0;

    for (size_t i = 0; i <= LIMIT_DEPLOYMENTS; i++) {
        (void)snprintf(yaml, sizeof(yaml), "name: t%zu%s%s", i,
                       strchr(HEAD, '\n'), TRAINING);
        io_fake_forget(f->d.client);
        if (i == 0) {
            course_begin(f, yaml);
        } else {
            course_send_train(f, yaml);
            (void)io_fake_work(&f->d.fake);
            course_be_ready(f, "n0");
            course_be_ready(f, "n1");
        }
        course_go(f, 40);
        assert_non_null(course_reply(f));
        assert_int_equal(course_reply(f)->code, 0);
    }
    desk_restart(&f->d);
    list_each(&f->d.c->trainers, it, after)
    {
        n++;
    }
    assert_int_equal(n, LIMIT_DEPLOYMENTS);
    assert_null(trainer_find(f->d.c, "t0"));
    assert_non_null(trainer_find(f->d.c, "t1"));
}

#define CASE(name) \
    cmocka_unit_test_setup_teardown(name, course_set_up, course_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(steps_follow_one_another),
        CASE(squares_of_stages_are_added_up),
        CASE(boards_of_another_version_take_no_part),
        CASE(a_lost_board_is_done_without),
        CASE(what_is_late_is_not_heard),
        CASE(a_step_that_fails_is_done_again),
        CASE(replicas_that_differ_begin_again),
        CASE(samples_that_are_missing_are_noticed),
        CASE(gradients_that_are_no_numbers_are_counted),
        CASE(who_is_slower_gets_less),
        CASE(equal_shares_stay_equal),
        CASE(a_checkpoint_is_whole_or_not_at_all),
        CASE(a_state_that_does_not_come_is_not_waited_for),
        CASE(a_state_is_as_large_as_it_is_said_to_be),
        CASE(a_state_is_from_who_has_the_shard),
        CASE(a_restart_goes_on_from_the_newest),
        CASE(what_a_training_needs_stays_in_the_store),
        CASE(what_cannot_be_is_said),
        CASE(one_training_of_a_name_at_a_time),
        CASE(there_is_always_room_for_one_more),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
