/* One board in a training, and what others say to it, or do not take. */
#include "tests/lib/unit.h"

#include "tests/lib/pupil.h"

#include <string.h>

static const struct school_ask replicas = {.boards = 3,
                                           .stages = 1,
                                           .replicas = 3,
                                           .micros = 3,
                                           .batch = 6,
                                           .slots = 1};

/* Nothing more is done in this placement, and the next one is as any. */
static void expect_end(struct pupil *p, int code)
{
    const struct school_said *said = &p->school.said[p->which][0];

    assert_true(pupil_finish(p));
    assert_int_equal(said->step, p->school.step);
    assert_int_equal(said->code, code);
    pupil_gather(p);
    assert_true(pupil_install(p, p->school.epoch + 1));
    school_ask_step(&p->school);
    assert_true(pupil_finish(p));
    assert_int_equal(said->step, p->school.step);
    assert_int_equal(said->code, 0);
}

/* Its Step is over in the middle of adding up. */
static void a_sum_that_cannot_be_sent_ends_the_step(void **state)
{
    (void)state;
    for (size_t to = 1; to < 3; to++) {
        struct pupil p;

        pupil_init(&p, &replicas, 0);
        assert_true(pupil_install(&p, 1));
        p.mates[to]->send_rc = EDGE_ETOOBIG;
        school_ask_step(&p.school);
        expect_end(&p, EDGE_ETOOBIG);
        pupil_deinit(&p);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_sum_that_cannot_be_sent_ends_the_step),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
