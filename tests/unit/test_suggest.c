#include "base/limits.h"
#include "base/suggest.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const char *nearest(const char *word, const char *const *known)
{
    struct suggest suggest;

    suggest_init(&suggest, word);
    for (; *known != NULL; known++) {
        suggest_try(&suggest, *known);
    }
    return suggest_best(&suggest);
}

static void test_equal_words_are_at_distance_zero(void **state)
{
    (void)state;
    assert_int_equal(suggest_distance("", ""), 0);
    assert_int_equal(suggest_distance("replicas", "replicas"), 0);
    assert_int_equal(suggest_distance("Replicas", "rePLicas"), 0);
}

static void test_each_kind_of_edit_counts_once(void **state)
{
    (void)state;
    assert_int_equal(suggest_distance("deply", "deploy"), 1);   /* insert */
    assert_int_equal(suggest_distance("deplooy", "deploy"), 1); /* remove */
    assert_int_equal(suggest_distance("deplay", "deploy"), 1);  /* replace */
    assert_int_equal(suggest_distance("delpoy", "deploy"), 1);  /* swap */
    assert_int_equal(suggest_distance("edlpoy", "deploy"), 2);  /* two swaps */
    assert_int_equal(suggest_distance("", "four"), 4);
    assert_int_equal(suggest_distance("kitten", "sitting"), 3);
}

static void test_no_letter_is_edited_twice(void **state)
{
    (void)state;
    /* With unrestricted transpositions this would be 2 (swap, insert). */
    assert_int_equal(suggest_distance("ca", "abc"), 3);
}

static void test_distance_is_symmetric(void **state)
{
    static const char *const words[] = {
        "",       "a",        "ab",     "ba",   "status",
        "stauts", "undeploy", "deploy", "plan", "lan"};

    (void)state;
    for (size_t i = 0; i < 10; i++) {
        for (size_t j = 0; j < 10; j++) {
            assert_int_equal(suggest_distance(words[i], words[j]),
                             suggest_distance(words[j], words[i]));
        }
    }
}

static void test_very_long_words_are_not_compared(void **state)
{
    char word[LIMIT_NAME + 2];

    (void)state;
    memset(word, 'x', sizeof(word));
    word[LIMIT_NAME + 1] = '\0';
    assert_true(suggest_distance(word, "x") == SIZE_MAX);
    assert_true(suggest_distance("x", word) == SIZE_MAX);
    word[LIMIT_NAME] = '\0';
    assert_int_equal(suggest_distance(word, "x"), LIMIT_NAME - 1);
}

static void test_the_nearest_word_wins(void **state)
{
    static const char *const known[] = {"undeploy", "deploy", "nodes", NULL};

    (void)state;
    assert_string_equal(nearest("deply", known), "deploy");
    assert_string_equal(nearest("undeply", known), "undeploy");
    assert_string_equal(nearest("node", known), "nodes");
    assert_string_equal(nearest("NODES", known), "nodes");
}

static void test_the_first_of_equals_wins(void **state)
{
    static const char *const known[] = {"file", "tile", NULL};

    (void)state;
    assert_string_equal(nearest("xile", known), "file");
}

static void test_a_far_word_gets_no_suggestion(void **state)
{
    static const char *const known[] = {"up", "top", "status", NULL};

    (void)state;
    assert_null(nearest("ls", known)); /* two edits make "up" of it */
    assert_null(nearest("banana", known));
    assert_null(nearest("", known));
    assert_null(nearest("stapler", known));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_equal_words_are_at_distance_zero),
        cmocka_unit_test(test_each_kind_of_edit_counts_once),
        cmocka_unit_test(test_no_letter_is_edited_twice),
        cmocka_unit_test(test_distance_is_symmetric),
        cmocka_unit_test(test_very_long_words_are_not_compared),
        cmocka_unit_test(test_the_nearest_word_wins),
        cmocka_unit_test(test_the_first_of_equals_wins),
        cmocka_unit_test(test_a_far_word_gets_no_suggestion),
    };

    return cmocka_run_group_tests_name("suggest", tests, NULL, NULL);
}
