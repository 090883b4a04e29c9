/* Which fault comes next, from a status that the test makes up. */
#include "coordinator/ctl/chaos_plan.h"

#include "tests/lib/unit.h"

#include <stdio.h>
#include <string.h>

#define NODES 4

struct fixture {
    Edged__StatusReply status;
    Edged__NodeStatus nodes[NODES];
    Edged__NodeStatus *node_list[NODES];
    Edged__DeploymentStatus deployment;
    Edged__DeploymentStatus *deployment_list[1];
    Edged__StageStatus stages[2];
    Edged__StageStatus *stage_list[2];
    Edged__ReplicaStatus replicas[NODES];
    Edged__ReplicaStatus *replica_list[NODES];
    struct chaos_plan plan;
};

static const char *const names[NODES] = {"n1", "n2", "n3", "n10"};

/* Two stages of two replicas each. */
static int set_up(void **state)
{
    struct fixture *f = test_calloc(1, sizeof(*f));

    edged__status_reply__init(&f->status);
    edged__deployment_status__init(&f->deployment);
    for (size_t i = 0; i < NODES; i++) {
        edged__node_status__init(&f->nodes[i]);
        f->nodes[i].name = (char *)(uintptr_t)names[i];
        f->nodes[i].state = (char *)(uintptr_t) "ready";
        f->node_list[NODES - 1 - i] = &f->nodes[i]; /* in no good order */
        edged__replica_status__init(&f->replicas[i]);
        f->replicas[i].node = f->nodes[i].name;
        f->replicas[i].ready = true;
        f->replica_list[i] = &f->replicas[i];
    }
    for (size_t i = 0; i < 2; i++) {
        edged__stage_status__init(&f->stages[i]);
        f->stages[i].replicas = &f->replica_list[2 * i];
        f->stages[i].n_replicas = 2;
        f->stage_list[i] = &f->stages[i];
    }
    f->deployment.stages = f->stage_list;
    f->deployment.n_stages = 2;
    f->deployment_list[0] = &f->deployment;
    f->status.deployments = f->deployment_list;
    f->status.n_deployments = 1;
    f->status.nodes = f->node_list;
    f->status.n_nodes = NODES;
    f->plan.mix = chaos_mix("kill,pause,slow,drop,partition,corrupt");
    rng_init(&f->plan.rng, 7);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    test_free(*state);
    return 0;
}

static struct chaos_hit next(struct fixture *f)
{
    struct chaos_hit hit;
    struct err err;

    if (chaos_next(&f->plan, &f->status, &hit, &err) < 0) {
        fail_msg("%s", err.text);
    }
    return hit;
}

static void test_mix(void **state)
{
    (void)state;
    assert_int_equal(chaos_mix("kill"), 1u << EDGED__FAULT_KIND__FAULT_KILL);
    assert_int_equal(chaos_mix("slow,kill"),
                     1u << EDGED__FAULT_KIND__FAULT_KILL |
                         1u << EDGED__FAULT_KIND__FAULT_SLOW);
    assert_int_equal(chaos_mix(""), 0);
    assert_int_equal(chaos_mix("kil"), 0);
    assert_int_equal(chaos_mix("kill,,slow"), 0);
    assert_int_equal(chaos_mix("kill,a-very-long-word-indeed"), 0);
}

static void test_a_seed_gives_the_same_faults(void **state)
{
    struct fixture *f = *state;
    struct chaos_hit first[30];

    for (size_t i = 0; i < 30; i++) {
        first[i] = next(f);
    }
    rng_init(&f->plan.rng, 7);
    f->status.nodes = &f->node_list[0];
    for (size_t i = 0; i < NODES / 2; i++) { /* whatever the order is */
        Edged__NodeStatus *swap = f->node_list[i];

        f->node_list[i] = f->node_list[NODES - 1 - i];
        f->node_list[NODES - 1 - i] = swap;
    }
    for (size_t i = 0; i < 30; i++) {
        struct chaos_hit hit = next(f);

        assert_string_equal(hit.node, first[i].node);
        assert_string_equal(hit.peer, first[i].peer);
        assert_int_equal(hit.wish.kind, first[i].wish.kind);
        assert_int_equal(hit.wish.ms, first[i].wish.ms);
        assert_int_equal(hit.wish.way, first[i].wish.way);
    }
}

/* Every kind and every node come, and each wish is one the cluster takes. */
static void test_all_come(void **state)
{
    struct fixture *f = *state;
    unsigned kinds = 0;
    unsigned hit_nodes = 0;

    for (size_t i = 0; i < 300; i++) {
        struct chaos_hit hit = next(f);

        kinds |= 1u << hit.wish.kind;
        for (size_t k = 0; k < NODES; k++) {
            hit_nodes |= strcmp(hit.node, names[k]) == 0 ? 1u << k : 0;
        }
        assert_in_range(hit.wish.ms, 500, 5000);
        assert_string_not_equal(hit.node, hit.peer);
        assert_true((hit.wish.permille > 0) ==
                    (hit.wish.kind == EDGED__FAULT_KIND__FAULT_DROP ||
                     hit.wish.kind == EDGED__FAULT_KIND__FAULT_CORRUPT));
        assert_true((hit.wish.factor_percent > 100) ==
                    (hit.wish.kind == EDGED__FAULT_KIND__FAULT_SLOW));
    }
    assert_int_equal(kinds, f->plan.mix);
    assert_int_equal(hit_nodes, (1u << NODES) - 1);
}

static void test_the_mix_is_kept_to(void **state)
{
    struct fixture *f = *state;

    f->plan.mix = chaos_mix("pause,drop");
    for (size_t i = 0; i < 100; i++) {
        Edged__FaultKind kind = next(f).wish.kind;

        assert_true(kind == EDGED__FAULT_KIND__FAULT_PAUSE ||
                    kind == EDGED__FAULT_KIND__FAULT_DROP);
    }
}

static void test_the_last_holder_is_left_alone(void **state)
{
    struct fixture *f = *state;
    struct chaos_hit hit;
    struct err err;

    f->replicas[0].ready = false; /* n2 alone is left for the first stage */
    for (size_t i = 0; i < 100; i++) {
        assert_string_not_equal(next(f).node, "n2");
    }
    f->replicas[2].ready = false;
    f->nodes[0].state = (char *)(uintptr_t) "lost";
    f->nodes[2].state = (char *)(uintptr_t) "lost";
    assert_int_equal(chaos_next(&f->plan, &f->status, &hit, &err),
                     EDGE_EUNAVAILABLE);
    assert_non_null(strstr(err.text, "--brutal"));
    f->plan.brutal = true;
    assert_int_equal(chaos_next(&f->plan, &f->status, &hit, &err), 0);
}

static void test_who_holds_nothing_is_left_alone(void **state)
{
    struct fixture *f = *state;

    f->stages[1].n_replicas = 0;
    for (size_t i = 0; i < 100; i++) {
        const char *node = next(f).node;

        assert_true(strcmp(node, "n1") == 0 || strcmp(node, "n2") == 0);
    }
}

#define T(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_mix),
        T(test_a_seed_gives_the_same_faults),
        T(test_all_come),
        T(test_the_mix_is_kept_to),
        T(test_the_last_holder_is_left_alone),
        T(test_who_holds_nothing_is_left_alone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
