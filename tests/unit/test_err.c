#include "tests/lib/unit.h"

#include "base/err.h"

#include <errno.h>
#include <string.h>

static void test_set_formats_and_returns_the_code(void **state)
{
    struct err err = {.text = "old"};

    (void)state;
    assert_int_equal(err_set(&err, EDGE_ENOENT, "no file %d", 3), EDGE_ENOENT);
    assert_string_equal(err.text, "no file 3");
}

static void test_wrap_puts_outer_words_first(void **state)
{
    struct err err;

    (void)state;
    err_set(&err, EDGE_EIO, "read weights");
    assert_int_equal(err_wrap(&err, EDGE_EIO, "install shard %u", 3u),
                     EDGE_EIO);
    assert_string_equal(err.text, "install shard 3: read weights");
}

static void test_wrap_of_nothing_has_no_colon(void **state)
{
    struct err err = {.text = ""};

    (void)state;
    err_wrap(&err, EDGE_EIO, "outer");
    assert_string_equal(err.text, "outer");
}

static void test_null_err_is_fine(void **state)
{
    (void)state;
    assert_int_equal(err_set(NULL, EDGE_EIO, "x"), EDGE_EIO);
    assert_int_equal(err_wrap(NULL, EDGE_EIO, "x"), EDGE_EIO);
}

static void test_a_long_sentence_is_cut_not_overrun(void **state)
{
    struct {
        struct err err;
        char guard[8];
    } box;

    (void)state;
    memset(&box, 'g', sizeof(box));
    err_set(&box.err, EDGE_EIO, "%2000s", "end");
    assert_int_equal(strlen(box.err.text), sizeof(box.err.text) - 1);
    err_wrap(&box.err, EDGE_EIO, "%1020s", "outer");
    assert_int_equal(strlen(box.err.text), sizeof(box.err.text) - 1);
    assert_memory_equal(box.guard, "gggggggg", sizeof(box.guard));
}

static void test_every_code_has_its_name_and_text(void **state)
{
    (void)state;
#define X(n, name, text)                               \
    assert_int_equal(EDGE_##name, -(n));               \
    assert_string_equal(err_name(EDGE_##name), #name); \
    assert_string_equal(err_text(EDGE_##name), text);
    EDGE_ERRORS(X)
#undef X
    assert_string_equal(err_name(0), "OK");
    assert_string_equal(err_text(0), "ok");
    assert_string_equal(err_name(-9999), "EUNKNOWN");
    assert_string_equal(err_text(7), "unknown error");
}

static void test_errno_values_map_to_codes(void **state)
{
    (void)state;
    assert_int_equal(err_from_errno(0), 0);
    assert_int_equal(err_from_errno(ENOMEM), EDGE_ENOMEM);
    assert_int_equal(err_from_errno(ENOENT), EDGE_ENOENT);
    assert_int_equal(err_from_errno(ECONNREFUSED), EDGE_EUNREACHABLE);
    assert_int_equal(err_from_errno(ENETUNREACH), EDGE_EUNREACHABLE);
    assert_int_equal(err_from_errno(ENOSPC), EDGE_EIO);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_set_formats_and_returns_the_code),
        cmocka_unit_test(test_wrap_puts_outer_words_first),
        cmocka_unit_test(test_wrap_of_nothing_has_no_colon),
        cmocka_unit_test(test_null_err_is_fine),
        cmocka_unit_test(test_a_long_sentence_is_cut_not_overrun),
        cmocka_unit_test(test_every_code_has_its_name_and_text),
        cmocka_unit_test(test_errno_values_map_to_codes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
