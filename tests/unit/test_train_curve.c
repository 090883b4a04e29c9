/* How a training went, in bounded space. */
#include "tests/lib/unit.h"

#include "base/mem.h"
#include "coordinator/train/trainer.h"

#include <math.h>
#include <string.h>

#define SAMPLES 100
#define BATCH 10
#define MOST 256 /* points, and passes */

static int set_up(void **state)
{
    struct trainer *t = mem_new(struct trainer);

    t->kept = mem_new(Edged__KeptTraining);
    edged__kept_training__init(t->kept);
    t->kept->samples = SAMPLES;
    *state = t;
    return 0;
}

static int tear_down(void **state)
{
    struct trainer *t = *state;

    edged__kept_training__free_unpacked(t->kept, NULL);
    mem_free(t);
    return 0;
}

/* One step of a training whose loss is what is left to do. */
static void step(struct trainer *t, double loss)
{
    t->step_sums = (struct trainer_sums){
        .loss = loss * BATCH, .samples = BATCH, .correct = BATCH / 2};
    t->point.steps++;
    t->point.first += BATCH;
    trainer_curve_step(t);
    if (t->point.first == SAMPLES) {
        Edged__KeptPass pass = EDGED__KEPT_PASS__INIT;

        t->point.first = 0;
        t->point.evaluated = pass.pass = ++t->point.pass;
        trainer_curve_pass(t, &pass);
    }
}

static void few_steps_are_points_each(void **state)
{
    struct trainer *t = *state;

    for (int i = 0; i < 15; i++) {
        step(t, i);
    }
    assert_int_equal(t->kept->n_curve, 15);
    assert_true(t->kept->curve[14]->loss == 14);
    assert_true(t->kept->curve[14]->accuracy == 0.5);
    assert_true(fabs(t->kept->curve[14]->pass - 1.5) < 1e-9);
    assert_int_equal(t->kept->n_passes, 1);
}

/* However many: bounded, in order, and the mean of all steps is kept. */
static void many_steps_are_joined(void **state)
{
    struct trainer *t = *state;
    double sum = 0;
    size_t n;

    for (int i = 0; i < 16384; i++) {
        step(t, i);
    }
    n = t->kept->n_curve;
    assert_in_range(n, MOST / 2, MOST);
    for (size_t i = 0; i < n; i++) {
        sum += t->kept->curve[i]->loss;
        assert_true(i == 0 ||
                    t->kept->curve[i - 1]->pass < t->kept->curve[i]->pass);
    }
    assert_int_equal(n * t->kept->stride, 16384);
    assert_true(fabs(sum / (double)n - 16383.0 / 2) < 1e-6);
    assert_true(fabs(t->kept->curve[n - 1]->pass - 1638.4) < 1e-6);
    assert_in_range(t->kept->n_passes, 2, MOST);
    assert_int_equal(t->kept->passes[0]->pass, 1);
    assert_int_equal(t->kept->passes[t->kept->n_passes - 1]->pass, 1638);
}

static void what_is_lost_is_forgotten(void **state)
{
    struct trainer *t = *state;

    for (int i = 0; i < 25; i++) {
        step(t, i);
    }
    t->point.pass = t->point.evaluated = 1; /* back to the checkpoint */
    t->point.first = 3 * BATCH;
    trainer_curve_back(t);
    assert_int_equal(t->kept->n_curve, 13);
    assert_int_equal(t->kept->n_passes, 1);
    step(t, 100);
    assert_int_equal(t->kept->n_curve, 14);
    assert_true(t->kept->curve[13]->loss == 100);
}

/* An evaluation alone has no set to learn from. */
static void an_evaluation_has_no_points(void **state)
{
    struct trainer *t = *state;

    t->kept->samples = 0;
    trainer_curve_back(t);
    assert_int_equal(t->kept->n_curve, 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(few_steps_are_points_each),
        TEST(many_steps_are_joined),
        TEST(what_is_lost_is_forgotten),
        TEST(an_evaluation_has_no_points),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
