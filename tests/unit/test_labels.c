#include "tests/lib/heap.h"
#include "tests/lib/unit.h"

#include "coordinator/ctl/labels.h"

#include <string.h>

static struct labels parse(const char *text)
{
    struct labels labels;

    assert_int_equal(labels_parse(text, strlen(text), &labels), 0);
    return labels;
}

static void test_line_k_names_class_k(void **state)
{
    struct labels labels = parse("cat\ndog\nbird\n");

    (void)state;
    assert_int_equal(labels.n, 3);
    assert_string_equal(labels_name(&labels, 0), "cat");
    assert_string_equal(labels_name(&labels, 2), "bird");
    labels_deinit(&labels);
}

static void test_beyond_the_last_there_is_no_name(void **state)
{
    struct labels labels = parse("cat\ndog\n");

    (void)state;
    assert_string_equal(labels_name(&labels, 2), "");
    assert_string_equal(labels_name(&labels, SIZE_MAX), "");
    labels_deinit(&labels);
}

static void test_a_last_line_without_its_end_counts(void **state)
{
    struct labels labels = parse("cat\ndog");

    (void)state;
    assert_int_equal(labels.n, 2);
    assert_string_equal(labels_name(&labels, 1), "dog");
    labels_deinit(&labels);
}

static void test_marks_and_ends_of_other_systems_go(void **state)
{
    struct labels labels = parse("\xef\xbb\xbf"
                                 "cat\r\ndog \t\r\n");

    (void)state;
    assert_int_equal(labels.n, 2);
    assert_string_equal(labels_name(&labels, 0), "cat");
    assert_string_equal(labels_name(&labels, 1), "dog");
    labels_deinit(&labels);
}

static void test_an_empty_line_between_keeps_its_number(void **state)
{
    struct labels labels = parse("cat\n\ndog\n\n\n");

    (void)state;
    assert_int_equal(labels.n, 3);
    assert_string_equal(labels_name(&labels, 1), "");
    assert_string_equal(labels_name(&labels, 2), "dog");
    labels_deinit(&labels);
}

static void test_space_within_a_name_stays(void **state)
{
    struct labels labels = parse("  tench, Tinca tinca\n");

    (void)state;
    assert_string_equal(labels_name(&labels, 0), "  tench, Tinca tinca");
    labels_deinit(&labels);
}

static void test_what_moves_a_cursor_is_shown_as_a_mark(void **state)
{
    struct labels labels = parse("a\x1b[31mb\nd\xf6g\n");

    (void)state;
    assert_string_equal(labels_name(&labels, 0), "a?[31mb");
    assert_string_equal(labels_name(&labels, 1), "d?g");
    labels_deinit(&labels);
}

static void test_an_empty_file_has_no_labels(void **state)
{
    struct labels labels = parse("");

    (void)state;
    assert_int_equal(labels.n, 0);
    assert_string_equal(labels_name(&labels, 0), "");
    labels_deinit(&labels);
    labels_deinit(&labels);
}

static int parse_and_drop(void *arg)
{
    struct labels labels;
    int rc = labels_parse("cat\ndog\n", 8, &labels);

    (void)arg;
    if (rc == 0) {
        labels_deinit(&labels);
    }
    return rc;
}

static void test_out_of_memory(void **state)
{
    (void)state;
    assert_int_equal(heap_each(parse_and_drop, NULL), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_line_k_names_class_k),
        cmocka_unit_test(test_beyond_the_last_there_is_no_name),
        cmocka_unit_test(test_a_last_line_without_its_end_counts),
        cmocka_unit_test(test_marks_and_ends_of_other_systems_go),
        cmocka_unit_test(test_an_empty_line_between_keeps_its_number),
        cmocka_unit_test(test_space_within_a_name_stays),
        cmocka_unit_test(test_what_moves_a_cursor_is_shown_as_a_mark),
        cmocka_unit_test(test_an_empty_file_has_no_labels),
        cmocka_unit_test(test_out_of_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
