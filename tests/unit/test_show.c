#include "tests/lib/unit.h"

#include "base/mem.h"
#include "coordinator/ctl/show.h"

#include <string.h>

static void check_clean(const char *text, const char *wanted)
{
    char *clean = show_copy(text);

    assert_string_equal(clean, wanted);
    mem_free(clean);
}

static void test_plain_text_and_utf8_stay(void **state)
{
    (void)state;
    check_clean("", "");
    check_clean("tabby cat", "tabby cat");
    check_clean("K\xc3\xa4tzchen \xe2\x82\xac \xf0\x9f\x90\xb1",
                "K\xc3\xa4tzchen \xe2\x82\xac \xf0\x9f\x90\xb1");
}

static void test_control_characters_become_marks(void **state)
{
    (void)state;
    check_clean("a\x1b[2J\tb\n\x7f", "a?[2J?b??");
    check_clean("a\xc2\x9b"
                "31m",
                "a?31m"); /* CSI in one character */
    check_clean("\xc2\xa0", "\xc2\xa0");
}

static void test_bytes_that_are_no_utf8_become_marks(void **state)
{
    (void)state;
    check_clean("d\xf6g", "d?g");
    check_clean("\xc0\xaf", "??");           /* overlong */
    check_clean("\xe0\x80\xaf", "???");      /* overlong */
    check_clean("\xed\xa0\x80", "???");      /* a surrogate */
    check_clean("\xf4\x90\x80\x80", "????"); /* beyond U+10FFFF */
    check_clean("\xe2\x82", "??");           /* cut off */
    check_clean("\xf0\x9f", "??");
}

static void check_json(const char *text, const char *wanted)
{
    json_t *json = show_json(text);

    assert_non_null(json);
    assert_string_equal(json_string_value(json), wanted);
    json_decref(json);
}

static void test_json_takes_any_text(void **state)
{
    (void)state;
    check_json("cat", "cat");
    check_json("a\tb", "a\tb"); /* JSON escapes it */
    check_json("d\xf6g", "d?g");
}

static void check_count(double count, const char *wanted)
{
    char text[SHOW_NUMBER];

    assert_string_equal(show_count(count, text), wanted);
}

static void test_counts_have_two_or_three_digits(void **state)
{
    (void)state;
    check_count(0, "0");
    check_count(999, "999");
    check_count(999.7, "1.0 k");
    check_count(9940, "9.9 k");
    check_count(9960, "10 k");
    check_count(3504872, "3.5 M");
    check_count(300e6, "300 M");
    check_count(999.6e6, "1.0 G");
    check_count(5e15, "5000 T");
}

static void check_bytes(double bytes, const char *wanted)
{
    char text[SHOW_NUMBER];

    assert_string_equal(show_bytes(bytes, text), wanted);
}

static void test_bytes_are_powers_of_two(void **state)
{
    (void)state;
    check_bytes(0, "0 B");
    check_bytes(1023, "1023 B");
    check_bytes(1024, "1.0 KiB");
    check_bytes(13974856, "13.3 MiB");
}

static void test_formats_that_a_verb_does_not_write(void **state)
{
    struct ctl ctl = {.verb = "infer", .format = CTL_TABLE};

    (void)state;
    assert_int_equal(show_check_format(&ctl), CTL_OK);
    ctl.format = CTL_JSON;
    assert_int_equal(show_check_format(&ctl), CTL_OK);
    ctl.format = CTL_YAML;
    assert_int_equal(show_check_format(&ctl), CTL_USAGE);
    ctl.format = CTL_NAME;
    assert_int_equal(show_check_format(&ctl), CTL_USAGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plain_text_and_utf8_stay),
        cmocka_unit_test(test_control_characters_become_marks),
        cmocka_unit_test(test_bytes_that_are_no_utf8_become_marks),
        cmocka_unit_test(test_json_takes_any_text),
        cmocka_unit_test(test_counts_have_two_or_three_digits),
        cmocka_unit_test(test_bytes_are_powers_of_two),
        cmocka_unit_test(test_formats_that_a_verb_does_not_write),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
