/* Where stages go when devices have changed. */
#include "coordinator/plan/again.h"

#include "base/rng.h"
#include "tests/lib/unit.h"

#include <string.h>

#define N 6

struct fixture {
    struct again_device devices[N];
    struct again_stage stages[N];
    uint8_t now[N * N];
    uint8_t role[N * N];
    bool may[N * N];
    struct again again;
};

/* Stages of 10 bytes, one firm and one spare each; devices of 100. */
static struct fixture *make(size_t n_stages, size_t n_devices)
{
    static struct fixture f;

    memset(&f, 0, sizeof(f));
    memset(f.may, true, sizeof(f.may));
    for (size_t d = 0; d < n_devices; d++) {
        f.devices[d] = (struct again_device){true, 100, 0};
    }
    for (size_t s = 0; s < n_stages; s++) {
        f.stages[s] = (struct again_stage){10, 1, 1};
    }
    f.again = (struct again){
        .devices = f.devices,
        .n_devices = n_devices,
        .stages = f.stages,
        .n_stages = n_stages,
        .now = f.now,
        .may = f.may,
        .role = f.role,
    };
    return &f;
}

static void is_now(struct fixture *f, size_t stage, size_t device,
                   enum again_role role)
{
    f->now[stage * f->again.n_devices + device] = (uint8_t)role;
}

static enum again_role role(const struct fixture *f, size_t stage,
                            size_t device)
{
    return (enum again_role)f->role[stage * f->again.n_devices + device];
}

static size_t count(const struct fixture *f, size_t stage, enum again_role want)
{
    size_t n = 0;

    for (size_t d = 0; d < f->again.n_devices; d++) {
        n += role(f, stage, d) == want;
    }
    return n;
}

static bool is_better(struct fixture *f)
{
    struct again_score now = again_score(&f->again, f->now);
    struct again_score then = again_score(&f->again, f->role);

    return again_is_better(&then, &now);
}

/* ---- what is needed ------------------------------------------------------ */

static void a_lost_stage_goes_to_a_device_with_room(void **state)
{
    struct fixture *f = make(2, 3);

    (void)state;
    is_now(f, 1, 1, AGAIN_FIRM);
    f->devices[0].usable = false;
    f->devices[1].free_bytes = 5;
    f->again.only_needs = true;
    assert_int_equal(again_place(&f->again), 0);
    assert_int_equal(role(f, 0, 2), AGAIN_FIRM);
    assert_int_equal(role(f, 1, 1), AGAIN_FIRM);
    assert_int_equal(count(f, 0, AGAIN_SPARE) + count(f, 1, AGAIN_SPARE), 0);
}

static void a_spare_that_is_ready_takes_over(void **state)
{
    struct fixture *f = make(2, 3);

    (void)state;
    is_now(f, 0, 1, AGAIN_SPARE); /* busy, and without room, but there */
    is_now(f, 1, 1, AGAIN_FIRM);
    f->devices[1].free_bytes = 0;
    f->again.only_needs = true;
    assert_int_equal(again_place(&f->again), 0);
    assert_int_equal(role(f, 0, 1), AGAIN_FIRM);
    assert_int_equal(role(f, 1, 1), AGAIN_FIRM);
}

static void without_room_the_stage_is_named(void **state)
{
    struct fixture *f = make(2, 2);

    (void)state;
    is_now(f, 0, 0, AGAIN_FIRM);
    f->devices[0].free_bytes = 9;
    f->devices[1].usable = false;
    assert_int_equal(again_place(&f->again), EDGE_ENOFIT);
    assert_int_equal(f->again.failed_stage, 1);
}

static void the_largest_is_placed_first(void **state)
{
    struct fixture *f = make(3, 2);

    (void)state;
    f->stages[2].needs_bytes = 90;
    f->devices[0].free_bytes = 30;
    f->again.only_needs = true;
    assert_int_equal(again_place(&f->again), 0);
    assert_int_equal(role(f, 2, 1), AGAIN_FIRM);
    assert_int_equal(role(f, 0, 0), AGAIN_FIRM);
    assert_int_equal(role(f, 1, 0), AGAIN_FIRM);
}

static void spares_make_way_for_firm_ones_alone(void **state)
{
    struct fixture *f = make(2, 2);

    (void)state;
    /* Device 0 has stage 0, firm, and the spare of another deployment. */
    is_now(f, 0, 0, AGAIN_FIRM);
    f->devices[0] = (struct again_device){true, 0, 12};
    f->devices[1].usable = false;
    assert_int_equal(again_place(&f->again), 0);
    assert_int_equal(role(f, 1, 0), AGAIN_FIRM);
    /* For a spare of ours nothing is displaced. */
    f = make(1, 2);
    is_now(f, 0, 0, AGAIN_FIRM);
    f->devices[1] = (struct again_device){true, 9, 100};
    assert_int_equal(again_place(&f->again), 0);
    assert_int_equal(count(f, 0, AGAIN_SPARE), 0);
}

static void what_is_pinned_goes_elsewhere_only_in_need(void **state)
{
    struct fixture *f = make(1, 3);

    (void)state;
    f->stages[0].spares = 0;
    f->may[0] = false;
    f->may[1] = false;
    assert_int_equal(again_place(&f->again), 0);
    assert_int_equal(role(f, 0, 2), AGAIN_FIRM);
    f->devices[2].usable = false;
    assert_int_equal(again_place(&f->again), 0);
    assert_int_equal(role(f, 0, 2), AGAIN_NONE);
    assert_int_equal(count(f, 0, AGAIN_FIRM), 1);
    /* And home again. */
    memcpy(f->now, f->role, sizeof(f->now));
    f->devices[2].usable = true;
    assert_int_equal(again_place(&f->again), 0);
    assert_int_equal(role(f, 0, 2), AGAIN_FIRM);
    assert_true(is_better(f));
}

/* ---- what is wanted ------------------------------------------------------ */

static void every_stage_gets_a_spare_elsewhere(void **state)
{
    struct fixture *f = make(4, 4);

    (void)state;
    for (size_t s = 0; s < 4; s++) {
        is_now(f, s, s, AGAIN_FIRM);
    }
    assert_int_equal(again_place(&f->again), 0);
    assert_true(is_better(f));
    for (size_t s = 0; s < 4; s++) {
        size_t roles = 0;

        assert_int_equal(role(f, s, s), AGAIN_FIRM);
        assert_int_equal(count(f, s, AGAIN_SPARE), 1);
        for (size_t k = 0; k < 4; k++) {
            roles += role(f, k, s) != AGAIN_NONE;
        }
        assert_int_equal(roles, 2); /* one a device */
    }
    memcpy(f->now, f->role, sizeof(f->now));
    assert_int_equal(again_place(&f->again), 0);
    assert_memory_equal(f->now, f->role, sizeof(f->now));
}

static void missing_replicas_come_first(void **state)
{
    struct fixture *f = make(2, 3);

    (void)state;
    f->stages[0] = (struct again_stage){60, 2, 0};
    f->stages[1] = (struct again_stage){60, 1, 1};
    is_now(f, 0, 0, AGAIN_FIRM);
    is_now(f, 1, 1, AGAIN_FIRM);
    f->devices[0].free_bytes = 40;
    f->devices[1].free_bytes = 40;
    assert_int_equal(again_place(&f->again), 0);
    assert_int_equal(role(f, 0, 2), AGAIN_FIRM);
    assert_int_equal(count(f, 1, AGAIN_SPARE), 0); /* no room */
}

static void a_device_that_came_back_is_used_again(void **state)
{
    struct fixture *f = make(2, 2);

    (void)state;
    is_now(f, 0, 0, AGAIN_FIRM);
    is_now(f, 1, 0, AGAIN_FIRM);
    assert_int_equal(again_place(&f->again), 0);
    assert_true(is_better(f));
    assert_int_equal(count(f, 0, AGAIN_FIRM), 1);
    assert_int_equal(count(f, 1, AGAIN_FIRM), 1);
    assert_int_not_equal(role(f, 0, 0), role(f, 1, 0));
    /* What moved stays behind as a spare, the other gets one as well. */
    assert_int_equal(count(f, 0, AGAIN_SPARE), 1);
    assert_int_equal(count(f, 1, AGAIN_SPARE), 1);
}

static void what_is_as_good_is_left_alone(void **state)
{
    struct fixture *f = make(2, 4);

    (void)state;
    f->stages[0].spares = f->stages[1].spares = 0;
    is_now(f, 0, 3, AGAIN_FIRM);
    is_now(f, 1, 1, AGAIN_FIRM);
    assert_int_equal(again_place(&f->again), 0);
    assert_false(is_better(f));
    assert_memory_equal(f->now, f->role, sizeof(f->now));
}

/* ---- anything ------------------------------------------------------------ */

static void draw(struct fixture *f, struct rng *rng)
{
    for (size_t d = 0; d < f->again.n_devices; d++) {
        f->devices[d].usable = rng_below(rng, 4) > 0;
        f->devices[d].free_bytes = rng_below(rng, 60);
        f->devices[d].loan = rng_below(rng, 20);
    }
    for (size_t s = 0; s < f->again.n_stages; s++) {
        f->stages[s].needs_bytes = 1 + rng_below(rng, 30);
        f->stages[s].wanted = 1 + (size_t)rng_below(rng, 3);
        f->stages[s].spares = (size_t)rng_below(rng, 3);
        for (size_t d = 0; d < f->again.n_devices; d++) {
            f->may[s * f->again.n_devices + d] = rng_below(rng, 3) > 0;
            is_now(f, s, d,
                   f->devices[d].usable ? (enum again_role)rng_below(rng, 3)
                                        : AGAIN_NONE);
        }
    }
}

/* A firm shard keeps its memory, a spare may give it back. */
static void check_memory(const struct fixture *f)
{
    for (size_t d = 0; d < f->again.n_devices; d++) {
        uint64_t room = f->devices[d].free_bytes + f->devices[d].loan;
        uint64_t takes = 0;

        for (size_t s = 0; s < f->again.n_stages; s++) {
            size_t at = s * f->again.n_devices + d;

            room += f->now[at] == AGAIN_SPARE ? f->stages[s].needs_bytes : 0;
            takes += f->role[at] != AGAIN_NONE && f->now[at] != AGAIN_FIRM
                         ? f->stages[s].needs_bytes
                         : 0;
        }
        assert_true(takes <= room);
        assert_true(f->devices[d].usable || takes == 0);
    }
}

static void nothing_is_ever_overfull(void **state)
{
    struct rng rng;
    size_t placed = 0;

    (void)state;
    rng_init(&rng, 7);
    for (int i = 0; i < 20000; i++) {
        struct fixture *f = make(1 + (size_t)rng_below(&rng, N),
                                 1 + (size_t)rng_below(&rng, N));

        draw(f, &rng);
        f->again.only_needs = rng_below(&rng, 2) == 0;
        if (again_place(&f->again) < 0) {
            continue;
        }
        placed++;
        check_memory(f);
        for (size_t s = 0; s < f->again.n_stages; s++) {
            assert_true(count(f, s, AGAIN_FIRM) > 0);
        }
    }
    assert_true(placed > 2000);
}

/* Else it would go on for ever: what was placed is not improved upon. */
static void one_step_is_enough(void **state)
{
    struct rng rng;
    size_t steps = 0;

    (void)state;
    rng_init(&rng, 9);
    for (int i = 0; i < 5000; i++) {
        struct fixture *f = make(1 + (size_t)rng_below(&rng, N),
                                 1 + (size_t)rng_below(&rng, N));
        int n = 0;

        draw(f, &rng);
        while (again_place(&f->again) == 0 && is_better(f) && n < 20) {
            for (size_t d = 0; d < f->again.n_devices; d++) {
                for (size_t s = 0; s < f->again.n_stages; s++) {
                    size_t at = s * f->again.n_devices + d;
                    bool was = f->now[at] != AGAIN_NONE;
                    bool is = f->role[at] != AGAIN_NONE;
                    uint64_t size = f->stages[s].needs_bytes;

                    f->devices[d].free_bytes += was && !is ? size : 0;
                    if (is && !was) {
                        uint64_t *left = &f->devices[d].free_bytes;

                        *left -= size < *left ? size : *left;
                    }
                }
            }
            memcpy(f->now, f->role, sizeof(f->now));
            n++;
        }
        assert_true(n < 20);
        steps += (size_t)n;
    }
    assert_true(steps > 1000);
}

#define T(f) cmocka_unit_test(f)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_lost_stage_goes_to_a_device_with_room),
        T(a_spare_that_is_ready_takes_over),
        T(without_room_the_stage_is_named),
        T(the_largest_is_placed_first),
        T(spares_make_way_for_firm_ones_alone),
        T(what_is_pinned_goes_elsewhere_only_in_need),
        T(every_stage_gets_a_spare_elsewhere),
        T(missing_replicas_come_first),
        T(a_device_that_came_back_is_used_again),
        T(what_is_as_good_is_left_alone),
        T(nothing_is_ever_overfull),
        T(one_step_is_enough),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
