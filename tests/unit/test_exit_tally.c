/* Figures of exits, and what a view's board sends. */
#include "coordinator/ctl/exit_tally.h"

#include "base/mem.h"
#include "graph/infer.h"
#include "onnx/zoo.h"
#include "tests/lib/unit.h"

#include <math.h>
#include <string.h>

/* Of 100 samples `local` is sure of i at threshold i, and right about all of
 * the first 60, half of the others; the end is right about 90 of 100. */
static void fill(struct exit_tally *t)
{
    memset(t, 0, sizeof(*t));
    t->samples = 100;
    t->n = 2;
    t->outputs[0] = (struct exit_output){"cloud", 100, 90};
    t->outputs[1] = (struct exit_output){"local", 100, 80};
    t->gates[0] = 1;
    t->n_gates = 1;
    for (size_t i = 0; i < EXIT_LEVELS; i++) {
        t->left[i][0] = i;
        t->left[i][1] = 100 - i;
        t->left_correct[i][0] = i <= 60 ? i : 60 + (i - 60) / 2;
        t->left_correct[i][1] = (100 - i) * 9 / 10;
    }
}

static bool is_near(double a, double b)
{
    return fabs(a - b) < 1e-9;
}

static void test_figures(void **state)
{
    struct exit_tally t;

    (void)state;
    fill(&t);
    assert_true(is_near(exit_accuracy(&t.outputs[1]), 0.8));
    assert_true(is_near(exit_early(&t, 60), 0.6));
    assert_true(is_near(exit_overall(&t, 60), 0.96));
    assert_true(is_near(exit_overall(&t, 100), 0.8));
    assert_true(is_near(exit_accuracy(&(struct exit_output){"", 0, 0}), 0));
}

static void test_the_highest_threshold_that_keeps_enough(void **state)
{
    struct exit_tally t;

    (void)state;
    fill(&t); /* 60 + (i - 60) / 2 + (100 - i) * 9 / 10 >= 90 - points */
    assert_int_equal(exit_choose(&t, 0), 74);
    assert_int_equal(exit_choose(&t, 0.02), 80);
    for (size_t i = 0; i < EXIT_LEVELS; i++) {
        t.left_correct[i][0] = t.left_correct[i][1] = 0;
    }
    assert_int_equal(exit_choose(&t, 0.1), EXIT_LEVELS);
}

/* The paper's formula: 4 bytes a class, and f o / 8 of features. */
static void test_bytes_are_the_formulas(void **state)
{
    const struct zoo_options options = {
        .devices = 6, .filters = 4, .classes = 3, .seed = 1};
    struct exit_bytes bytes;
    struct graph *g = NULL;
    struct views views;

    (void)state;
    assert_int_equal(zoo_make("ddnn", &options, &g, NULL), 0);
    assert_int_equal(infer_bind_batch(g, 1, NULL), 0);
    assert_int_equal(infer_graph(g, NULL), 0);
    assert_int_equal(views_find(g, &views, NULL), 0);
    assert_int_equal(exit_bytes_of(g, &views, "local_logits", &bytes), 0);
    assert_true(is_near(bytes.always, 4 * 3));
    assert_true(is_near(bytes.further, 4 * 256 / 8));
    assert_true(is_near(bytes.raw, 3072));
    assert_int_equal(exit_bytes_of(g, &views, "nowhere", &bytes), EDGE_ENOENT);
    graph_free(g);
}

static void test_replies_that_do_not_fit_are_left(void **state)
{
    Edged__TrainReply reply = EDGED__TRAIN_REPLY__INIT;
    uint64_t few[7] = {0};
    struct exit_tally t;
    char name[] = "local";
    char *gates[1] = {name};

    (void)state;
    reply.gates = gates;
    reply.n_gates = 1;
    reply.left = reply.left_correct = few;
    reply.n_left = reply.n_left_correct = 7;
    exit_tally_read(&reply, &t);
    assert_int_equal(t.n_gates, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_figures),
        cmocka_unit_test(test_the_highest_threshold_that_keeps_enough),
        cmocka_unit_test(test_bytes_are_the_formulas),
        cmocka_unit_test(test_replies_that_do_not_fit_are_left),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
