/* Two senders of one gathering shard: whatever each knows of its replicas, the
 * parts of a request come to lie on one node before long. */
#include "tests/lib/unit.h"

#include "tests/lib/relay_rig.h"

#define ROUNDS 24 /* of 2 s each; a request has a minute */

struct pair { /* of senders */
    struct rig *a;
    struct rig *b;
};

static int set_up(void **state)
{
    struct pair *p = test_calloc(1, sizeof(*p));

    for (int i = 0; i < 2; i++) {
        void *rig = NULL;

        assert_int_equal(rig_set_up(&rig), 0);
        *(i == 0 ? &p->a : &p->b) = rig;
        rig_add_nodes(rig, 2);
        relay_gathers(&((struct rig *)rig)->relay, RIG_EPOCH, RIG_SHARD, true);
    }
    (void)io_random(&p->b->fake.io); /* each has chances of its own */
    *state = p;
    return 0;
}

static int tear_down(void **state)
{
    struct pair *p = *state;
    void *rigs[] = {p->a, p->b};

    (void)rig_tear_down(&rigs[0]);
    (void)rig_tear_down(&rigs[1]);
    test_free(p);
    return 0;
}

/* The node has not got the other part: both are told, and choose again. */
static size_t part_again(struct rig *f, struct rig_hold *s)
{
    rig_nack(f, s, rig_first_of(f, s), EDGE_EUNAVAILABLE);
    io_fake_run_for(&f->fake, 1900);
    return rig_first_of(f, s);
}

/* How many times they missed each other. */
static size_t count_misses(struct pair *p, struct rig_hold *a,
                           struct rig_hold *b)
{
    size_t n = 0;

    while (rig_first_of(p->a, a) != rig_first_of(p->b, b)) {
        (void)part_again(p->a, a);
        (void)part_again(p->b, b);
        assert_true(++n < ROUNDS);
    }
    rig_ack(p->a, a);
    rig_ack(p->b, b);
    return n;
}

/* B had not heard of one of them when it sent, and has now. */
static void who_knows_the_same_meets_the_next_time(void **state)
{
    struct pair *p = *state;

    for (int i = 0; i < 100; i++) {
        struct rig_hold *a = rig_start(p->a);
        size_t first = rig_first_of(p->a, a);
        struct rig_hold *b;

        p->b->nodes[first]->suspect = true;
        b = rig_start(p->b);
        p->b->nodes[first]->suspect = false;
        assert_int_equal(rig_first_of(p->b, b), 1 - first);
        assert_int_equal(count_misses(p, a, b), 1);
    }
}

/* A cannot reach one of them, and B, which can, never hears of that. */
static void who_can_reach_more_comes_to_who_cannot(void **state)
{
    struct pair *p = *state;
    size_t all = 0;

    p->a->nodes[0]->suspect = true;
    for (int i = 0; i < 100; i++) {
        struct rig_hold *a = rig_start(p->a);
        struct rig_hold *b = rig_start(p->b);

        all += count_misses(p, a, b);
    }
    assert_in_range(all, 20, 300); /* half of them meet at once */
}

/* However often one of them was declined before, and stayed. */
static void who_was_declined_before_meets_all_the_same(void **state)
{
    struct pair *p = *state;

    for (int i = 0; i < 100; i++) {
        struct rig_hold *a = rig_start(p->a);
        size_t first = rig_first_of(p->a, a);
        struct rig_hold *b;

        for (int k = 0; k < i % 4; k++) {
            (void)part_again(p->a, a);
        }
        p->b->nodes[first]->suspect = true;
        b = rig_start(p->b);
        p->b->nodes[first]->suspect = false;
        (void)count_misses(p, a, b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(who_knows_the_same_meets_the_next_time,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(who_can_reach_more_comes_to_who_cannot,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(
            who_was_declined_before_meets_all_the_same, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
