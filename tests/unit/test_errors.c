#include "tests/lib/unit.h"

#include "config/errors.h"
#include "config/text.h"

#include "base/mem.h"

#include <stdio.h>
#include <string.h>

struct fixture {
    struct config_errors errors;
    char *printed;
};

static int set_up(void **state)
{
    *state = mem_new(struct fixture);
    return *state != NULL ? 0 : -1;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    mem_free(f->printed);
    mem_free(f);
    return 0;
}

static void start(struct fixture *f, const char *source)
{
    config_errors_init(&f->errors, "x.yaml", source, strlen(source));
}

static void add(struct fixture *f, uint32_t line, uint32_t column, uint32_t n)
{
    const struct config_at at = {line, column, line, column + n};

    config_error(&f->errors, &at, "wrong");
}

static const char *print(struct fixture *f)
{
    size_t size = 0;
    FILE *out;

    mem_free(f->printed);
    f->printed = NULL;
    out = open_memstream(&f->printed, &size);
    assert_non_null(out);
    config_errors_print(&f->errors, "nothing was changed", out);
    assert_int_equal(fclose(out), 0);
    return f->printed;
}

static void assert_printed(struct fixture *f, const char *expected)
{
    assert_string_equal(print(f), expected);
}

static void test_an_error_shows_its_line_and_a_caret(void **state)
{
    struct fixture *f = *state;

    start(f, "a: 1\n  bb: two\nc: 3\n");
    add(f, 2, 3, 2);
    assert_printed(f, "x.yaml:2:3: error: wrong\n"
                      "  bb: two\n"
                      "  ^~\n"
                      "1 error; nothing was changed.\n");
}

static void test_no_error_prints_nothing(void **state)
{
    struct fixture *f = *state;

    start(f, "a: 1\n");
    assert_printed(f, "");
}

static void test_errors_come_in_the_order_of_the_file(void **state)
{
    struct fixture *f = *state;

    start(f, "a: 1\nb: 2\n");
    add(f, 2, 4, 1);
    add(f, 1, 4, 1);
    add(f, 2, 1, 1);
    assert_printed(f, "x.yaml:1:4: error: wrong\na: 1\n   ^\n"
                      "x.yaml:2:1: error: wrong\nb: 2\n^\n"
                      "x.yaml:2:4: error: wrong\nb: 2\n   ^\n"
                      "3 errors; nothing was changed.\n");
}

static void test_a_warning_is_not_counted_as_an_error(void **state)
{
    static const struct config_at at = {1, 1, 1, 2};
    struct fixture *f = *state;

    start(f, "a: 1\n");
    config_warning(&f->errors, &at, "odd");
    assert_printed(f, "x.yaml:1:1: warning: odd\na: 1\n^\n");
    assert_int_equal(f->errors.n_errors, 0);
    assert_int_equal(f->errors.n_warnings, 1);
}

static void test_too_many_are_counted_but_not_kept(void **state)
{
    struct fixture *f = *state;
    const char *end;

    start(f, "a: 1\n");
    for (int i = 0; i < LIMIT_CONFIG_ERRORS + 7; i++) {
        add(f, 1, 1, 1);
    }
    assert_int_equal(f->errors.n, LIMIT_CONFIG_ERRORS);
    assert_int_equal(f->errors.n_errors, LIMIT_CONFIG_ERRORS + 7);
    end = strstr(print(f), "57 errors");
    assert_non_null(end);
    assert_string_equal(
        end, "57 errors, not all of them shown; nothing was changed.\n");
}

static void test_a_piece_of_several_lines_ends_with_the_first(void **state)
{
    static const struct config_at at = {1, 4, 3, 2};
    struct fixture *f = *state;

    start(f, "a: [1,\n 2\n]\n");
    config_error(&f->errors, &at, "wrong");
    assert_printed(f, "x.yaml:1:4: error: wrong\na: [1,\n   ^~~\n"
                      "1 error; nothing was changed.\n");
}

static void test_an_error_without_a_place_shows_no_line(void **state)
{
    static const struct config_at nowhere = {0};
    struct fixture *f = *state;

    start(f, "a: 1\n");
    config_error(&f->errors, &nowhere, "wrong");
    assert_printed(f, "x.yaml: error: wrong\n1 error; nothing was changed.\n");
}

static void test_places_beyond_the_text_are_fine(void **state)
{
    struct fixture *f = *state;

    start(f, "a: 1");
    add(f, 1, 500, 3);
    add(f, 9, 1, 1);
    assert_int_equal(f->errors.items[0].pad, 4);
    assert_int_equal(f->errors.items[1].width, 0);
}

static void test_tabs_stay_before_the_caret(void **state)
{
    struct fixture *f = *state;

    start(f, "a:\t1\n");
    add(f, 1, 4, 1);
    assert_printed(f, "x.yaml:1:4: error: wrong\na:\t1\n  \t^\n"
                      "1 error; nothing was changed.\n");
}

static void test_a_long_line_is_cut_around_the_error(void **state)
{
    struct fixture *f = *state;
    char source[1001];

    memset(source, 'x', 1000);
    source[1000] = '\0';
    source[499] = 'E';
    start(f, source);
    add(f, 1, 500, 1);
    assert_int_equal(strlen(f->errors.items[0].line), CONFIG_EXCERPT + 6);
    assert_int_equal(f->errors.items[0].line[f->errors.items[0].pad], 'E');
    assert_memory_equal(f->errors.items[0].line, "...x", 4);
}

static void test_what_a_terminal_should_not_get_is_replaced(void **state)
{
    struct fixture *f = *state;

    start(f, "a\x1b[31m\xff\xc2\x9b z\n");
    add(f, 1, 1, 1);
    assert_string_equal(f->errors.items[0].line, "a?[31m?? z");
}

/* ---- text.h ---- */

static void assert_refused(const char *text, size_t size, const char *expected)
{
    struct config_at at = {0};
    char what[TEXT_WHAT] = "";

    assert_false(text_check(text, size, &at, what));
    assert_string_equal(what, expected);
}

static void test_odd_characters_are_named(void **state)
{
    (void)state;
    assert_refused("a\0b", 3, "a NUL byte");
    assert_refused("\x80", 1, "a byte 0x80 that is no UTF-8");
    assert_refused("\xe2\x82", 2, "a byte 0xe2 that is no UTF-8");
    assert_refused("\xc0\x80", 2, "a byte 0xc0 that is no UTF-8");
    assert_refused("\xed\xa0\x80", 3, "a byte 0xed that is no UTF-8");
    assert_refused("\xf4\x90\x80\x80", 4, "a byte 0xf4 that is no UTF-8");
    assert_refused("\x7f", 1, "the character U+007F");
    assert_refused("\xc2\x85", 2, "the character U+0085");
    assert_refused("\xe2\x80\xa9", 3, "the character U+2029");
    assert_refused("\xef\xbb\xbf", 3, "the character U+FEFF");
    assert_refused("a\rb", 3, "a carriage return without a line feed");
}

static void test_good_text_passes(void **state)
{
    static const char text[] =
        "a\tb\r\n\xc3\xa9 \xe2\x82\xac \xf0\x9f\x8d\x93\n\xf4\x8f\xbf\xbd";
    struct config_at at = {0};
    char what[TEXT_WHAT];

    (void)state;
    assert_true(text_check(text, sizeof(text) - 1, &at, what));
    assert_true(text_check("", 0, &at, what));
}

static void test_quotes_fit_their_buffer(void **state)
{
    char long_text[4 * TEXT_QUOTE];
    char out[TEXT_QUOTE];

    (void)state;
    memset(long_text, 'x', sizeof(long_text));
    assert_true(strlen(text_quote(out, long_text, sizeof(long_text))) <
                TEXT_QUOTE);
    assert_string_equal(out + strlen(out) - 5, "x...\"");
    for (size_t i = 0; i + 3 < sizeof(long_text); i += 3) {
        memcpy(long_text + i, "\xe2\x82\xac", 3);
    }
    (void)text_quote(out, long_text, sizeof(long_text));
    assert_string_equal(out + strlen(out) - 7, "\xe2\x82\xac...\"");
    assert_string_equal(text_quote(out, "a\nb\tc\x1b", 6), "\"a\\nb\\tc?\"");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_an_error_shows_its_line_and_a_caret),
        TEST(test_no_error_prints_nothing),
        TEST(test_errors_come_in_the_order_of_the_file),
        TEST(test_a_warning_is_not_counted_as_an_error),
        TEST(test_too_many_are_counted_but_not_kept),
        TEST(test_a_piece_of_several_lines_ends_with_the_first),
        TEST(test_an_error_without_a_place_shows_no_line),
        TEST(test_places_beyond_the_text_are_fine),
        TEST(test_tabs_stay_before_the_caret),
        TEST(test_a_long_line_is_cut_around_the_error),
        TEST(test_what_a_terminal_should_not_get_is_replaced),
        cmocka_unit_test(test_odd_characters_are_named),
        cmocka_unit_test(test_good_text_passes),
        cmocka_unit_test(test_quotes_fit_their_buffer),
    };

    return cmocka_run_group_tests_name("errors", tests, NULL, NULL);
}
