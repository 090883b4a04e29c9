/* `edged --print-limits` shows every bound that there is. */
#include "base/limits.h"
#include "base/limits_list.h"
#include "tests/lib/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct limit *find(const char *name)
{
    size_t n;
    const struct limit *rows = limits_list(&n);

    for (size_t i = 0; i < n; i++) {
        if (strcmp(rows[i].name, name) == 0) {
            return &rows[i];
        }
    }
    return NULL;
}

static void test_no_define_is_left_out(void **state)
{
    FILE *file = fopen("common/base/limits.h", "re");
    char line[200];
    size_t seen = 0;
    size_t n;

    (void)state;
    assert_non_null(file);
    while (fgets(line, sizeof(line), file) != NULL) {
        char name[100];

        if (sscanf(line, "#define %99[A-Z0-9_] %*s", name) == 1 &&
            line[8 + strlen(name)] == ' ') {
            assert_non_null(find(name));
            seen++;
        }
    }
    assert_int_equal(fclose(file), 0);
    (void)limits_list(&n);
    assert_int_equal(seen, n);
    assert_true(n > 60);
}

static void test_values_and_words_are_theirs(void **state)
{
    (void)state;
    assert_int_equal(find("LIMIT_HEAD")->value, LIMIT_HEAD);
    assert_int_equal(find("SUSPECT_MS")->value, SUSPECT_MS);
    assert_int_equal(find("LIMIT_MODEL_FILE")->value, (uint64_t)2 << 30);
    assert_string_equal(find("LIMIT_RANK")->what, "dimensions of a tensor");
    assert_null(find("KIB"));
}

static void test_each_is_a_line(void **state)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    size_t lines = 0;
    size_t n;

    (void)state;
    assert_non_null(out);
    limits_print(out);
    assert_int_equal(fclose(out), 0);
    for (size_t i = 0; i < size; i++) {
        lines += text[i] == '\n';
    }
    (void)limits_list(&n);
    assert_int_equal(lines, n);
    assert_non_null(strstr(text, "65536  the protobuf part of a frame\n"));
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_define_is_left_out),
        cmocka_unit_test(test_values_and_words_are_theirs),
        cmocka_unit_test(test_each_is_a_line),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
