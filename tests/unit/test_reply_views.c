#include "coordinator/reply_views.h"

#include "tests/lib/unit.h"

static const char table[] = "- 99.2 10000\n0 98.5 10000\n1 99 10000\n"
                            "0,3 96.1 9999\n10 12.5 7\n4 x 3\n5 101 3";

static void assert_found(uint32_t absent, double want, uint64_t n)
{
    double accuracy = -1;
    uint64_t samples = 0;

    assert_true(reply_views_accuracy(table, absent, &accuracy, &samples));
    assert_true(accuracy == want);
    assert_int_equal(samples, n);
}

static void test_the_line_of_exactly_these_views(void **state)
{
    (void)state;
    assert_found(0, 99.2, 10000);
    assert_found(1, 98.5, 10000);
    assert_found(2, 99, 10000);
    assert_found(1u << 0 | 1u << 3, 96.1, 9999);
    assert_found(1u << 10, 12.5, 7); /* not that of view 1 */
}

static void test_what_was_not_measured_is_not_made_up(void **state)
{
    double accuracy;
    uint64_t samples;

    (void)state;
    assert_false(reply_views_accuracy(table, 1u << 3, &accuracy, &samples));
    assert_false(reply_views_accuracy(table, 1u << 4, &accuracy, &samples));
    assert_false(reply_views_accuracy(table, 1u << 5, &accuracy, &samples));
    assert_false(reply_views_accuracy("", 1, &accuracy, &samples));
}

static void test_an_answer_names_what_was_missing(void **state)
{
    Edged__Port ports[3];
    Edged__Port *list[3] = {&ports[0], &ports[1], &ports[2]};
    Edged__Placement spec = EDGED__PLACEMENT__INIT;
    Edged__Answer message = EDGED__ANSWER__INIT;
    Edged__Exit exit = EDGED__EXIT__INIT;
    struct relay_views from = {.absent = 5, .confidence = 0.25};
    struct answer answer = {.version = &spec, .exit = &exit, .views = &from};
    struct reply_views views;
    char names[3][3] = {"a", "b", "c"};

    (void)state;
    for (int i = 0; i < 3; i++) {
        edged__port__init(&ports[i]);
        ports[i].name = names[i];
    }
    spec.inputs = list;
    spec.n_inputs = 3;
    exit.name = names[0];
    from.bytes[1] = 40;
    assert_int_equal(reply_views_init(&views, &answer), 0);
    message.complete = true;
    reply_views_fill(&views, &message);
    assert_false(message.complete);
    assert_int_equal(message.n_missing, 2);
    assert_string_equal(message.missing[1], "c");
    assert_string_equal(message.exit, "a");
    assert_true(message.confidence == 0.25);
    assert_false(message.has_accuracy);
    assert_int_equal(message.n_sent, 1);
    assert_int_equal(message.sent[0]->view, 1);
    assert_int_equal(message.sent[0]->values, 40);
    reply_views_deinit(&views);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_line_of_exactly_these_views),
        cmocka_unit_test(test_what_was_not_measured_is_not_made_up),
        cmocka_unit_test(test_an_answer_names_what_was_missing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
