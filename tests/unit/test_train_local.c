/* Replicas that take steps of their own, and what they agree on. */
#include "tests/lib/unit.h"

#include "tests/lib/lesson.h"

/* What SGD does is linear in gradients: the mean of what became of the weights
 * is what becomes of them by the mean. */
static void agreeing_on_each_step_is_adding_up_gradients(void **state)
{
    struct school_ask ask = lesson_alone(6);
    struct school s;
    struct lesson whole;

    (void)state;
    ask.batch = 12;
    ask.no_norm = true; /* running statistics are each replica's own */
    lesson_learn(&s, &ask, &whole);
    for (size_t replicas = 2; replicas <= 3; replicas++) {
        ask.boards = ask.replicas = replicas;
        ask.local = 1;
        lesson_compare(&ask, &whole);
    }
    lesson_drop(&whole);
    school_deinit(&s);
}

/* Where they agree each fifth step, a fifth goes around: twice as much each
 * time, for the momentum. What is saved is the same on all (school_save()),
 * and all of it: they go on as if nothing had been. */
static void agreeing_now_and_then_takes_less(void **state)
{
    struct school_ask ask = lesson_alone(4);
    struct school s;
    struct lesson learnt;
    struct digest half[PIPE_SHARDS];
    struct digest both[PIPE_SHARDS];
    struct digest whole[PIPE_SHARDS];
    size_t bytes = 0;
    double first;

    (void)state;
    ask.boards = ask.replicas = 2;
    ask.local = 5;
    ask.no_norm = true;
    school_init(&s, &ask);
    school_install(&s, 3);
    first = school_train(&s, 1);
    assert_true(school_train(&s, LESSON_STEPS - 1) < first);
    school_save(&s, whole);
    lesson_read(&s, whole, &learnt);
    for (size_t i = 0; i < learnt.states[0].n_params; i++) {
        bytes += learnt.states[0].items[i].n * sizeof(float);
    }
    assert_int_equal(s.said[0][0].reduced + s.said[1][0].reduced,
                     2 * (2 * bytes) * LESSON_STEPS / ask.local);
    lesson_drop(&learnt);
    school_deinit(&s);

    school_init(&s, &ask);
    school_install(&s, 3);
    (void)school_train(&s, LESSON_STEPS / 2);
    school_save(&s, half);
    s.state = half;
    school_install(&s, 4);
    (void)school_train(&s, LESSON_STEPS / 2);
    school_save(&s, both);
    lesson_assert_same(&ask, whole, both);
    school_deinit(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agreeing_on_each_step_is_adding_up_gradients),
        cmocka_unit_test(agreeing_now_and_then_takes_less),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
