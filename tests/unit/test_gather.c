/* A shard with several senders: they choose alike without a word. */
#include "tests/lib/relay_rig.h"
#include "tests/lib/unit.h"

#define REQUESTS 300

struct two { /* senders that see the same nodes under different loads */
    struct rig *a;
    struct rig *b;
};

static void begin(struct two *two)
{
    void *a;
    void *b;

    assert_int_equal(rig_set_up(&a), 0);
    assert_int_equal(rig_set_up(&b), 0);
    two->a = a;
    two->b = b;
    for (int i = 0; i < 2; i++) {
        struct rig *f = i == 0 ? two->a : two->b;

        rig_add_nodes(f, RIG_NODES);
        relay_gathers(&f->relay, RIG_EPOCH, RIG_SHARD, true);
    }
    rig_beat(two->b, 0, 9000); /* a place without this would avoid it */
}

static void end(struct two *two)
{
    void *a = two->a;
    void *b = two->b;

    (void)rig_tear_down(&a);
    (void)rig_tear_down(&b);
}

/* So many requests; how many each node got, the same at both. */
static void ask(struct two *two, size_t n, size_t *counts, size_t *first)
{
    for (size_t i = 0; i < n; i++) {
        struct rig_hold *a = rig_start(two->a);
        struct rig_hold *b = rig_start(two->b);
        size_t node = rig_first_of(two->a, a);

        assert_int_equal(node, rig_first_of(two->b, b));
        counts[node]++;
        first[i] = node;
        rig_ack(two->a, a);
        rig_ack(two->b, b);
    }
}

static void test_all_senders_choose_the_same_replica(void **state)
{
    size_t counts[RIG_NODES] = {0};
    size_t first[REQUESTS];
    struct two two;

    (void)state;
    begin(&two);
    ask(&two, REQUESTS, counts, first);
    for (size_t i = 0; i < RIG_NODES; i++) { /* and all have their share */
        assert_in_range(counts[i], REQUESTS / RIG_NODES / 2,
                        REQUESTS / RIG_NODES * 2);
    }
    end(&two);
}

/* Of a node that is lost: the others' requests stay where they were. */
static void test_a_loss_moves_only_what_was_there(void **state)
{
    size_t counts[RIG_NODES] = {0};
    size_t without[RIG_NODES] = {0};
    size_t before[100];
    size_t after[100];
    struct two all;
    struct two less;

    (void)state;
    begin(&all);
    begin(&less);
    relay_node_down(&less.a->relay, less.a->nodes[1]);
    relay_node_down(&less.b->relay, less.b->nodes[1]);
    ask(&all, 100, counts, before);
    ask(&less, 100, without, after);
    assert_int_equal(without[1], 0);
    for (size_t i = 0; i < 100; i++) {
        assert_true(before[i] == 1 || before[i] == after[i]);
    }
    end(&all);
    end(&less);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_senders_choose_the_same_replica),
        cmocka_unit_test(test_a_loss_moves_only_what_was_there),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
