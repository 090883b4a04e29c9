#include "tests/lib/unit.h"

#include "base/list.h"

struct item {
    int before;
    struct list link;
    int value;
};

static int fill(struct list *head, struct item *items, int n)
{
    list_init(head);
    for (int i = 0; i < n; i++) {
        items[i].value = i;
        list_push(head, &items[i].link);
    }
    return n;
}

static void test_a_new_list_is_empty(void **state)
{
    struct list head;

    (void)state;
    list_init(&head);
    assert_true(list_is_empty(&head));
    list_each(&head, it, after)
    {
        fail_msg("an empty list has no item");
    }
}

static void test_items_come_in_order_of_pushing(void **state)
{
    struct item items[5];
    struct list head;
    int n = 0;

    (void)state;
    fill(&head, items, 5);
    list_each(&head, it, after)
    {
        assert_int_equal(list_entry(it, struct item, link)->value, n++);
    }
    assert_int_equal(n, 5);
}

static void test_unlinking_joins_the_neighbours(void **state)
{
    struct item items[3];
    struct list head;
    int sum = 0;

    (void)state;
    fill(&head, items, 3);
    list_unlink(&items[1].link);
    assert_true(list_is_empty(&items[1].link));
    list_each(&head, it, after)
    {
        sum = sum * 10 + list_entry(it, struct item, link)->value + 1;
    }
    assert_int_equal(sum, 13);
    list_unlink(&items[1].link); /* again is harmless */
}

static void test_the_current_item_may_go_while_walking(void **state)
{
    struct item items[4];
    struct list head;
    int n = 0;

    (void)state;
    fill(&head, items, 4);
    list_each(&head, it, after)
    {
        list_unlink(it);
        n++;
    }
    assert_int_equal(n, 4);
    assert_true(list_is_empty(&head));
}

static void test_container_of_finds_the_struct(void **state)
{
    struct item item;

    (void)state;
    assert_ptr_equal(container_of(&item.value, struct item, value), &item);
    assert_ptr_equal(list_entry(&item.link, struct item, link), &item);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_new_list_is_empty),
        cmocka_unit_test(test_items_come_in_order_of_pushing),
        cmocka_unit_test(test_unlinking_joins_the_neighbours),
        cmocka_unit_test(test_the_current_item_may_go_while_walking),
        cmocka_unit_test(test_container_of_finds_the_struct),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
