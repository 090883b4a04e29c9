#include "tests/lib/heap.h"
#include "tests/lib/unit.h"

#include "base/err.h"
#include "base/mem.h"

#include <string.h>

static int heal(void **state)
{
    (void)state;
    heap_heal();
    return 0;
}

static void test_zalloc_clears(void **state)
{
    char *p = mem_zalloc(100, 3);

    (void)state;
    assert_non_null(p);
    for (int i = 0; i < 300; i++) {
        assert_int_equal(p[i], 0);
    }
    mem_free(p);
}

static void test_a_product_that_overflows_is_refused(void **state)
{
    (void)state;
    assert_null(mem_zalloc(SIZE_MAX / 2, 3));
    assert_null(mem_resize(NULL, SIZE_MAX / 2, 3));
    assert_null(mem_aligned(SIZE_MAX - 3));
}

static void test_nothing_is_still_a_pointer(void **state)
{
    void *a = mem_zalloc(0, 8);
    void *b = mem_resize(NULL, 0, 8);
    void *c = mem_aligned(0);

    (void)state;
    assert_non_null(a);
    assert_non_null(b);
    assert_non_null(c);
    mem_free(a);
    mem_free(b);
    mem_free(c);
    mem_free(NULL);
}

static void test_aligned_is_aligned(void **state)
{
    (void)state;
    for (size_t size = 1; size < 5000; size = size * 3 + 1) {
        char *p = mem_aligned(size);

        assert_non_null(p);
        assert_int_equal((uintptr_t)p % MEM_ALIGN, 0);
        memset(p, 1, size);
        mem_free(p);
    }
}

static void test_copies_and_prints(void **state)
{
    char *a = mem_strdup("abc");
    char *b = mem_dup("xyz", 2);
    char *c = mem_printf("%s-%05d", a, 42);

    (void)state;
    assert_string_equal(a, "abc");
    assert_memory_equal(b, "xy", 2);
    assert_string_equal(c, "abc-00042");
    mem_free(a);
    mem_free(b);
    mem_free(c);
}

static void test_grow_keeps_items_and_doubles(void **state)
{
    int *items = NULL;
    size_t capacity = 0;

    (void)state;
    for (int i = 0; i < 1000; i++) {
        assert_int_equal(mem_grow(&items, &capacity, (size_t)i, sizeof(*items)),
                         0);
        assert_true(capacity > (size_t)i);
        items[i] = i;
    }
    for (int i = 0; i < 1000; i++) {
        assert_int_equal(items[i], i);
    }
    assert_int_equal(capacity, 1024);
    mem_free(items);
}

static void test_a_failed_grow_leaves_the_array(void **state)
{
    int *items = NULL;
    size_t capacity = 0;

    (void)state;
    assert_int_equal(mem_grow(&items, &capacity, 0, sizeof(*items)), 0);
    items[0] = 7;
    heap_fail_at(1);
    assert_int_equal(mem_grow(&items, &capacity, 8, sizeof(*items)),
                     EDGE_ENOMEM);
    assert_int_equal(capacity, 8);
    assert_int_equal(items[0], 7);
    mem_free(items);
}

static void test_every_kind_of_allocation_can_fail(void **state)
{
    (void)state;
    heap_fail_at(1);
    assert_null(mem_zalloc(1, 1));
    heap_fail_at(1);
    assert_null(mem_resize(NULL, 1, 1));
    heap_fail_at(1);
    assert_null(mem_strdup("x"));
    heap_fail_at(1);
    assert_null(mem_printf("x"));
    heap_fail_at(1);
    assert_null(mem_aligned(1));
    assert_int_equal(heap_count(), 1);
}

static void test_only_the_nth_allocation_fails(void **state)
{
    void *p[3];

    (void)state;
    heap_fail_at(2);
    for (int i = 0; i < 3; i++) {
        p[i] = mem_zalloc(1, 1);
    }
    assert_non_null(p[0]);
    assert_null(p[1]);
    assert_non_null(p[2]);
    mem_free(p[0]);
    mem_free(p[2]);
}

static int two_allocations(void *arg)
{
    char *a = mem_strdup("a");
    char *b = mem_strdup("b");
    int rc = a == NULL || b == NULL ? EDGE_ENOMEM : 0;

    ++*(int *)arg;
    mem_free(a);
    mem_free(b);
    return rc;
}

static void test_heap_each_fails_each_allocation_once(void **state)
{
    int runs = 0;

    (void)state;
    assert_int_equal(heap_each(two_allocations, &runs), 2);
    assert_int_equal(runs, 3);
}

static void test_checked_arithmetic(void **state)
{
    size_t out;

    (void)state;
    assert_true(mem_mul(3, 4, &out));
    assert_int_equal(out, 12);
    assert_true(mem_add(SIZE_MAX, 0, &out));
    assert_false(mem_mul(SIZE_MAX, 2, &out));
    assert_false(mem_add(SIZE_MAX, 1, &out));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_zalloc_clears),
        cmocka_unit_test(test_a_product_that_overflows_is_refused),
        cmocka_unit_test(test_nothing_is_still_a_pointer),
        cmocka_unit_test(test_aligned_is_aligned),
        cmocka_unit_test(test_copies_and_prints),
        cmocka_unit_test(test_grow_keeps_items_and_doubles),
        cmocka_unit_test_teardown(test_a_failed_grow_leaves_the_array, heal),
        cmocka_unit_test_teardown(test_every_kind_of_allocation_can_fail, heal),
        cmocka_unit_test_teardown(test_only_the_nth_allocation_fails, heal),
        cmocka_unit_test_teardown(test_heap_each_fails_each_allocation_once,
                                  heal),
        cmocka_unit_test(test_checked_arithmetic),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
