#include "tests/lib/unit.h"

#include "config/value.h"

#include <string.h>

static const char *why;

static void assert_int_is(const char *text, int64_t expected)
{
    int64_t number = 0;

    assert_true(value_int(text, &number, &why));
    assert_true(number == expected);
}

static void test_whole_numbers(void **state)
{
    (void)state;
    assert_int_is("0", 0);
    assert_int_is("7433", 7433);
    assert_int_is("-12", -12);
    assert_int_is("999999999999999", 999999999999999);
}

static void test_what_is_no_whole_number(void **state)
{
    static const char *const texts[] = {"",         "-",
                                        "+1",       "1.0",
                                        "1e3",      "0x10",
                                        "0o7",      "1_000",
                                        " 1",       "1 ",
                                        "one",      "007",
                                        "--1",      "- 1",
                                        "1,5",      ".5",
                                        "inf",      "nan",
                                        "1.",       "1-1",
                                        "\xc2\xb2", "9999999999999999999999"};
    int64_t number;

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        assert_false(value_int(texts[i], &number, &why));
    }
}

static void assert_real_is(const char *text, double expected)
{
    double number = 0;

    assert_true(value_real(text, &number, &why));
    assert_true(memcmp(&number, &expected, sizeof(number)) == 0);
}

static void test_reals_are_exact_to_the_last_bit(void **state)
{
    (void)state;
    assert_real_is("0.485", 0.485);
    assert_real_is("0.1", 0.1);
    assert_real_is("-3.25", -3.25);
    assert_real_is("1e-4", 1e-4);
    assert_real_is("1.5E+3", 1500);
    assert_real_is("123456.789012345", 123456.789012345);
    assert_real_is("0.00000000000001", 1e-14);
    assert_real_is("0", 0);
    assert_real_is("12e0", 12);
}

static void test_what_is_no_real(void **state)
{
    static const char *const texts[] = {
        "",      ".5",    "5.",   "1e",   "1e+",
        "0x1p3", "inf",   "nan",  "1e23", "1e-99",
        "00.5",  "1.5.2", "1 e3", "0..1", "1234567890123456"};
    double number;

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        assert_false(value_real(texts[i], &number, &why));
    }
}

static void test_percentages(void **state)
{
    double fraction = 0;

    (void)state;
    assert_true(value_percent("80%", &fraction, &why));
    assert_true(fraction >= 0.8 && fraction <= 0.8);
    assert_true(value_percent("0.5%", &fraction, &why));
    assert_true(fraction >= 0.005 && fraction <= 0.005);
    assert_false(value_percent("0.8", &fraction, &why));
    assert_string_equal(why, "the % is missing");
    assert_false(value_percent("80 %", &fraction, &why));
}

static void assert_ms(const char *text, uint64_t expected)
{
    uint64_t ms = 0;

    assert_true(value_duration(text, &ms, &why));
    assert_true(ms == expected);
}

static void test_durations(void **state)
{
    (void)state;
    assert_ms("500ms", 500);
    assert_ms("1.5s", 1500);
    assert_ms("15m", 900000);
    assert_ms("0.25h", 900000);
    assert_ms("30d", 2592000000);
    assert_ms("0s", 0);
    assert_ms("0.001s", 1);
}

static void assert_no_duration(const char *text, const char *reason)
{
    uint64_t ms;

    assert_false(value_duration(text, &ms, &why));
    if (reason == NULL) {
        assert_null(why);
    } else {
        assert_string_equal(why, reason);
    }
}

static void test_what_is_no_duration(void **state)
{
    (void)state;
    assert_no_duration("500", "the unit is missing (ms, s, m, h or d)");
    assert_no_duration("5 s", "its unit is none of ms, s, m, h and d");
    assert_no_duration("5S", "its unit is none of ms, s, m, h and d");
    assert_no_duration("1m30s", "its unit is none of ms, s, m, h and d");
    assert_no_duration("0.5ms", "it is no whole number of milliseconds");
    assert_no_duration("05s", "it begins with a zero");
    assert_no_duration("999999999999999d", "it is too large");
    assert_no_duration("-5s", NULL);
    assert_no_duration("soon", NULL);
    assert_no_duration("", NULL);
}

static void test_sizes(void **state)
{
    uint64_t bytes = 0;

    (void)state;
    assert_true(value_bytes("229MiB", &bytes, &why));
    assert_true(bytes == (uint64_t)229 << 20);
    assert_true(value_bytes("1.5GiB", &bytes, &why));
    assert_true(bytes == (uint64_t)3 << 29);
    assert_true(value_bytes("17B", &bytes, &why));
    assert_true(bytes == 17);
    assert_false(value_bytes("64", &bytes, &why));
    assert_string_equal(why, "the unit is missing (KiB, MiB or GiB)");
    assert_false(value_bytes("64MB", &bytes, &why));
    assert_false(value_bytes("0.3KiB", &bytes, &why)); /* 307.2 bytes */
    assert_false(value_bytes("99999999999TiB", &bytes, &why));
    assert_string_equal(why, "it is too large");
}

static void test_formats_read_back(void **state)
{
    static const uint64_t numbers[] = {0,       1,        999,       1000,
                                       1500,    1501,     90000,     900000,
                                       3600000, 86400000, 2592000000};
    char text[VALUE_FORMAT];
    uint64_t back = 1;

    (void)state;
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        (void)value_format_duration(text, numbers[i]);
        assert_true(value_duration(text, &back, &why));
        assert_true(back == numbers[i]);
        (void)value_format_bytes(text, numbers[i] * 1024);
        assert_true(value_bytes(text, &back, &why));
        assert_true(back == numbers[i] * 1024);
    }
    assert_string_equal(value_format_duration(text, 1500), "1.5s");
    assert_string_equal(value_format_duration(text, 500), "500ms");
    assert_string_equal(value_format_bytes(text, 64 << 20), "64MiB");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_whole_numbers),
        cmocka_unit_test(test_what_is_no_whole_number),
        cmocka_unit_test(test_reals_are_exact_to_the_last_bit),
        cmocka_unit_test(test_what_is_no_real),
        cmocka_unit_test(test_percentages),
        cmocka_unit_test(test_durations),
        cmocka_unit_test(test_what_is_no_duration),
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_formats_read_back),
    };

    return cmocka_run_group_tests_name("value", tests, NULL, NULL);
}
