/* What a cluster.yaml says of a training's course: when it is evaluated, when
 * links get sparse, when replicas agree. */
#include "tests/lib/course.h"

#include "tests/lib/unit.h"

#include <math.h>
#include <string.h>

#define HEAD COURSE_HEAD
#define LOCALLY                                                           \
    "training: {data: d, epochs: 2, batch: 8, microbatches: 1, lr: 0.5, " \
    "momentum: 0.9, sync: {local: 2}, checkpoint: {steps: 1, keep: 2}}\n"
#define SETS_IN                                                           \
    "training: {data: d, epochs: 2, batch: 8, microbatches: 1, lr: 0.5, " \
    "momentum: 0.9, codec_warmup: 1}\n"

/* After the second of three passes of three steps, and the last. */
static void not_each_pass_is_evaluated(void **state)
{
    struct course *f = *state;

    course_begin(f,
                 HEAD "training: {data: d, epochs: 3, evaluate: 2, batch: 8, "
                      "microbatches: 1, stop: {patience: 1}}\n");
    for (size_t i = 0; i < 3 + 3 + 2 + 3 + 2; i++) {
        assert_true(course_step(f, "n0")->evaluates ==
                    ((6 <= i && i < 8) || 11 <= i));
        assert_null(course_reply(f));
        course_go(f, 1);
    }
    course_go(f, 20);
    assert_non_null(course_reply(f));
    assert_int_equal(course_reply(f)->code, 0);
    assert_int_equal(course_reply(f)->steps, 9);
    assert_true(fabs(course_reply(f)->test_accuracy - 0.4) < 1e-6);
    assert_int_equal(course_reply(f)->n_passes, 2);
    assert_int_equal(course_reply(f)->passes[0]->pass, 2);
    assert_int_equal(course_reply(f)->passes[1]->pass, 3);
}

/* In the three steps of a pass; evaluated is what will run. */
static void sparse_links_set_in(void **state)
{
    struct course *f = *state;

    course_begin(f, HEAD SETS_IN);
    for (size_t i = 0; i < 6; i++) {
        double left = i < 3 ? 1 - (double)i / 3 : 0;

        while (course_step(f, "n0")->evaluates) {
            assert_true(course_step(f, "n0")->slack <= 0);
            course_go(f, 1);
        }
        left = left * left * left;
        assert_true(fabs(course_step(f, "n0")->slack - left) < 1e-9);
        course_go(f, 1);
    }
}

/* Steps of 8, 8 and 4 samples a pass; they agree after two, and with it. */
static void replicas_agree_now_and_then(void **state)
{
    struct course *f = *state;

    course_begin(f, HEAD LOCALLY);
    assert_true(course_install(f, "n0")->shards[0]->recipe->local);
    assert_false(course_step(f, "n0")->averages);
    course_go(f, 1);
    assert_false(course_step(f, "n0")->averages);
    assert_false(course_step(f, "n0")->saves); /* due, but they are not alike */
    assert_int_equal(course_step(f, "n0")->applies, 1);
    assert_true(course_step(f, "n1")->square == 0.25); /* its own */
    course_go(f, 1);
    assert_true(course_step(f, "n0")->averages);
    assert_true(course_step(f, "n0")->saves);
    assert_true(course_step(f, "n0")->share == 0.5);
    assert_true(course_step(f, "n1")->share == 0.5);
    course_go(f, 1);
    assert_true(course_step(f, "n0")->evaluates);
    assert_true(course_step(f, "n0")->averages); /* of the last step alone */
    course_go(f, 1);
    assert_false(course_step(f, "n0")->averages);
    course_go(f, 20);
    assert_non_null(course_reply(f));
    assert_int_equal(course_reply(f)->code, 0);
    assert_int_equal(course_reply(f)->steps, 6);
}

/* Once a pass, however long it is. */
static void replicas_agree_with_each_pass(void **state)
{
    struct course *f = *state;
    size_t agreed = 0;

    course_begin(f, HEAD
                 "training: {data: d, epochs: 2, batch: 4, microbatches: 1, "
                 "lr: 0.5, sync: {delta: epoch}, checkpoint: {steps: 1}}\n");
    for (size_t i = 0; i < 40 && course_reply(f) == NULL; i++) {
        bool averages = course_step(f, "n0")->averages;

        assert_true(averages == (course_step(f, "n0")->evaluates &&
                                 course_step(f, "n0")->first == 0));
        agreed += averages;
        course_go(f, 1);
    }
    assert_non_null(course_reply(f));
    assert_int_equal(course_reply(f)->code, 0);
    assert_int_equal(agreed, 2);
}

static void only_whole_models_take_steps_of_their_own(void **state)
{
    struct course *f = *state;

    course_send_train(
        f, HEAD "stages:\n  - {name: a, layers: flat..one, replicas: [n0]}\n"
                "  - {name: b, layers: two..two, replicas: [n1]}\n" LOCALLY);
    (void)io_fake_work(&f->d.fake);
    assert_non_null(course_reply(f));
    assert_int_equal(course_reply(f)->code, EDGE_ECONFIG);
    assert_non_null(strstr(course_reply(f)->text, "the whole model"));
    io_fake_forget(f->d.client);
    course_send_train(f, HEAD
                      "training: {data: d, sync: {local: 2}, codec: q8}\n");
    (void)io_fake_work(&f->d.fake);
    assert_non_null(course_reply(f));
    assert_non_null(strstr(course_reply(f)->text, "are for gradients"));
}

/* Steps of 8, 8 and 4 samples take a second each, the two of an evaluation
 * four: 20 samples in 11 s, and steps compute 4 to 8 a second. */
static void an_evaluation_is_no_slow_step(void **state)
{
    struct course *f = *state;
    size_t n = 0;

    course_begin(f, HEAD "training: {data: d, epochs: 8, batch: 8, "
                         "microbatches: 1, checkpoint: {steps: 1000}}\n");
    for (size_t i = 0; i < 5 * 6; i++) {
        const struct msg *msg;
        const Edged__TrainProgress *said;

        course_pass(f, course_step(f, "n0")->evaluates ? 4000 : 1000);
        course_go(f, 1);
        msg = io_fake_last(f->d.client, EDGED__ENVELOPE__BODY_TRAIN_PROGRESS);
        assert_non_null(msg);
        said = msg->env->train_progress;
        if (i < 5 || strcmp(said->phase, "step") != 0) {
            continue; /* nothing is known, or nothing new */
        }
        n++;
        assert_true(said->samples_s >= 4 - 1e-6 && said->samples_s < 8 + 1e-6);
        /* Steps have 20 / 3 samples, here 8 are reckoned for each. */
        assert_true(said->left_s >
                    0.6 * (double)(24 - said->step) * 8 * 11 / 20);
        assert_true(said->left_s <
                    1.6 * (double)(24 - said->step) * 8 * 11 / 20);
    }
    assert_true(n >= 10);
}

#define CASE(name) \
    cmocka_unit_test_setup_teardown(name, course_set_up, course_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(not_each_pass_is_evaluated),
        CASE(an_evaluation_is_no_slow_step),
        CASE(sparse_links_set_in),
        CASE(replicas_agree_now_and_then),
        CASE(replicas_agree_with_each_pass),
        CASE(only_whole_models_take_steps_of_their_own),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
