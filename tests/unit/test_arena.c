#include "engine/arena.h"

#include "base/err.h"
#include "base/limits.h"
#include "base/mem.h"
#include "base/rng.h"
#include "tests/lib/heap.h"
#include "tests/lib/unit.h"

#define BLOCKS 60

static void test_blocks_apart_in_time_share(void **state)
{
    struct arena_block b[3] = {
        {.size = 640, .first = 0, .last = 1},
        {.size = 640, .first = 2, .last = 3},
        {.size = 128, .first = 0, .last = 3},
    };
    size_t total;

    (void)state;
    assert_int_equal(arena_place(b, 3, &total), 0);
    assert_int_equal(b[0].offset, b[1].offset);
    assert_int_equal(total, 640 + 128);
}

static void test_offsets_are_aligned(void **state)
{
    struct arena_block b[2] = {{.size = 1, .first = 0, .last = 0},
                               {.size = 100, .first = 0, .last = 0}};
    size_t total;

    (void)state;
    assert_int_equal(arena_place(b, 2, &total), 0);
    assert_int_equal(b[0].offset % MEM_ALIGN, 0);
    assert_int_equal(b[1].offset % MEM_ALIGN, 0);
    assert_int_equal(total, 128 + 64);
}

/* The big ones leave two gaps; the small block takes the tighter. */
static void test_the_smallest_gap_is_taken(void **state)
{
    struct arena_block b[] = {
        {.size = 1024, .first = 0, .last = 0}, /* makes the wide gap later */
        {.size = 960, .first = 0, .last = 9},
        {.size = 896, .first = 0, .last = 0}, /* and this a tighter one */
        {.size = 832, .first = 0, .last = 9},
        {.size = 768, .first = 1, .last = 9},
    };
    size_t total;

    (void)state;
    assert_int_equal(arena_place(b, 5, &total), 0);
    assert_int_equal(b[4].offset, b[2].offset);
    assert_int_equal(total, 1024 + 960 + 896 + 832);
}

static void random_blocks(struct rng *rng, struct arena_block *b)
{
    for (int i = 0; i < BLOCKS; i++) {
        b[i].size = (size_t)rng_below(rng, 5000);
        b[i].first = (int)rng_below(rng, 40);
        b[i].last = b[i].first + (int)rng_below(rng, 12);
    }
}

static void test_random_blocks_never_overlap(void **state)
{
    struct rng rng;

    (void)state;
    rng_init(&rng, 7);
    for (int round = 0; round < 100; round++) {
        struct arena_block b[BLOCKS];
        size_t total;

        random_blocks(&rng, b);
        assert_int_equal(arena_place(b, BLOCKS, &total), 0);
        for (int i = 0; i < BLOCKS; i++) {
            assert_true(b[i].offset + b[i].size <= total);
            for (int k = 0; k < i; k++) {
                int at_once =
                    b[i].first <= b[k].last && b[k].first <= b[i].last;

                assert_false(at_once && b[i].size > 0 && b[k].size > 0 &&
                             b[i].offset < b[k].offset + b[k].size &&
                             b[k].offset < b[i].offset + b[i].size);
            }
        }
    }
}

static void test_too_large_is_refused(void **state)
{
    struct arena_block b = {.size = LIMIT_TENSOR_BYTES + 1};
    size_t total;

    (void)state;
    assert_int_equal(arena_place(&b, 1, &total), EDGE_ETOOBIG);
}

static int place_one(void *arg)
{
    struct arena_block b = {.size = 1};
    size_t total;

    (void)arg;
    return arena_place(&b, 1, &total);
}

static void test_every_allocation_may_fail(void **state)
{
    (void)state;
    assert_int_equal(heap_each(place_one, NULL), 2);
    heap_heal();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_blocks_apart_in_time_share),
        cmocka_unit_test(test_offsets_are_aligned),
        cmocka_unit_test(test_the_smallest_gap_is_taken),
        cmocka_unit_test(test_random_blocks_never_overlap),
        cmocka_unit_test(test_too_large_is_refused),
        cmocka_unit_test(test_every_allocation_may_fail),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
