#include "tests/lib/heap.h"
#include "tests/lib/unit.h"

#include "config/doc.h"

#include "base/err.h"
#include "base/mem.h"

#include <string.h>

struct fixture {
    struct config_errors errors;
    struct doc *doc;
    const struct doc_node *root;
    int rc;
};

static int set_up(void **state)
{
    *state = mem_new(struct fixture);
    return *state != NULL ? 0 : -1;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    heap_heal();
    doc_free(f->doc);
    mem_free(f);
    return 0;
}

static void parse(struct fixture *f, const char *text)
{
    config_errors_init(&f->errors, "x.yaml", text, strlen(text));
    f->rc = doc_read(text, strlen(text), &f->errors, &f->doc);
    f->root = f->rc == 0 ? doc_root(f->doc) : NULL;
}

static void assert_at(const struct config_at *at, uint32_t line,
                      uint32_t column, uint32_t end_line, uint32_t end_column)
{
    assert_int_equal(at->line, line);
    assert_int_equal(at->column, column);
    assert_int_equal(at->end_line, end_line);
    assert_int_equal(at->end_column, end_column);
}

/* Expects one error, which begins with `text`. */
static void assert_error(const struct fixture *f, const char *text)
{
    assert_int_equal(f->errors.n_errors, 1);
    if (strncmp(f->errors.items[0].text, text, strlen(text)) != 0) {
        fail_msg("\"%s\" is not \"%s...\"", f->errors.items[0].text, text);
    }
}

static void test_a_mapping_keeps_its_order(void **state)
{
    struct fixture *f = *state;
    const struct doc_node *v;

    parse(f, "b: 1\na: two\n'c': [x, y]\n");
    assert_int_equal(f->rc, 0);
    assert_int_equal(f->root->kind, DOC_MAP);
    assert_int_equal(f->root->n, 3);
    v = f->root->first;
    assert_string_equal(v->key->text, "b");
    assert_string_equal(v->text, "1");
    v = v->next;
    assert_string_equal(v->key->text, "a");
    assert_string_equal(v->text, "two");
    v = v->next;
    assert_string_equal(v->key->text, "c");
    assert_int_equal(v->kind, DOC_LIST);
    assert_int_equal(v->n, 2);
    assert_null(v->next);
}

static void test_values_are_found_by_key(void **state)
{
    struct fixture *f = *state;

    parse(f, "a: {b: {c: deep}}\n");
    assert_string_equal(doc_get(doc_get(doc_get(f->root, "a"), "b"), "c")->text,
                        "deep");
    assert_null(doc_get(f->root, "b"));
    assert_null(doc_get(NULL, "a"));
    assert_null(doc_get(doc_get(doc_get(doc_get(f->root, "a"), "b"), "c"),
                        "x")); /* a scalar has no keys */
}

static void test_places_are_lines_and_columns(void **state)
{
    struct fixture *f = *state;
    const struct doc_node *list;

    parse(f, "name: home\nlist:\n  - one\n  - \"two\"\n");
    assert_at(&doc_get(f->root, "name")->key->at, 1, 1, 1, 5);
    assert_at(&doc_get(f->root, "name")->at, 1, 7, 1, 11);
    list = doc_get(f->root, "list");
    assert_at(&list->first->at, 3, 5, 3, 8);
    assert_at(&list->first->next->at, 4, 5, 4, 10); /* with its quotes */
}

static void test_columns_count_characters_not_bytes(void **state)
{
    struct fixture *f = *state;

    parse(f, "\"\xc3\xa9t\xc3\xa9\": x\n");
    assert_at(&f->root->first->at, 1, 8, 1, 9);
}

static void test_a_byte_order_mark_takes_no_column(void **state)
{
    struct fixture *f = *state;

    parse(f, "\xef\xbb\xbfname: home\n");
    assert_at(&f->root->first->key->at, 1, 1, 1, 5);
}

static void test_windows_lines_count_once(void **state)
{
    struct fixture *f = *state;

    parse(f, "a: 1\r\nb: 2\r\n");
    assert_at(&doc_get(f->root, "b")->at, 2, 4, 2, 5);
    assert_string_equal(doc_get(f->root, "a")->text, "1");
}

static void test_quotes_are_remembered(void **state)
{
    struct fixture *f = *state;

    parse(f, "a: 1\nb: \"1\"\nc: '1'\nd: |\n  1\n");
    assert_true(doc_get(f->root, "a")->is_plain);
    assert_false(doc_get(f->root, "b")->is_plain);
    assert_false(doc_get(f->root, "c")->is_plain);
    assert_false(doc_get(f->root, "d")->is_plain);
}

static void test_an_empty_value_points_to_its_key(void **state)
{
    struct fixture *f = *state;

    parse(f, "a:\nb: 1\n");
    assert_at(doc_at(doc_get(f->root, "a")), 1, 1, 1, 2);
    assert_at(doc_at(doc_get(f->root, "b")), 2, 4, 2, 5);
}

static void test_an_empty_text_has_no_root(void **state)
{
    struct fixture *f = *state;

    parse(f, "# nothing\n\n");
    assert_int_equal(f->rc, 0);
    assert_null(f->root);
}

static void test_the_first_of_two_keys_is_kept(void **state)
{
    struct fixture *f = *state;

    parse(f, "a: 1\na: {b: [2]}\nc: 3\n");
    assert_int_equal(f->rc, 0);
    assert_error(f, "key \"a\" is given twice (first at 1:1)");
    assert_at(&f->errors.items[0].at, 2, 1, 2, 2);
    assert_int_equal(f->root->n, 2);
    assert_string_equal(doc_get(f->root, "a")->text, "1");
    assert_string_equal(doc_get(f->root, "c")->text, "3");
}

static void test_aliases_anchors_and_tags_are_refused(void **state)
{
    struct fixture *f = *state;

    parse(f, "a: &x 1\nb: *x\nc: !!str 2\n*x : 4\n");
    assert_int_equal(f->rc, 0);
    assert_int_equal(f->errors.n_errors, 4);
    assert_int_equal(doc_get(f->root, "b")->kind, DOC_BAD);
    assert_string_equal(doc_get(f->root, "a")->text, "1");
    assert_int_equal(f->root->n, 3);
}

/* `n` times `open`, then an x, then `n` times `close`. */
static void parse_nested(struct fixture *f, size_t n, char open, char close)
{
    size_t size = 2 * n + 1;
    char *text = mem_zalloc(1, size + 1);

    assert_non_null(text);
    memset(text, open, n);
    text[n] = 'x';
    memset(text + n + 1, close, n);
    doc_free(f->doc);
    f->doc = NULL;
    parse(f, text);
    config_errors_detach(&f->errors);
    mem_free(text);
}

static void test_depth_is_bounded(void **state)
{
    struct fixture *f = *state;

    parse_nested(f, LIMIT_YAML_DEPTH, '[', ']');
    assert_int_equal(f->rc, 0);
    parse_nested(f, LIMIT_YAML_DEPTH + 1, '[', ']');
    assert_int_equal(f->rc, EDGE_ECONFIG);
    assert_error(f, "nested too deeply");
    parse_nested(f, 100000, '[', ']');
    assert_int_equal(f->rc, EDGE_ECONFIG);
    assert_error(f, "nested too deeply");
}

static void test_size_is_bounded(void **state)
{
    struct fixture *f = *state;
    char *text = mem_zalloc(1, LIMIT_YAML + 2);

    assert_non_null(text);
    memset(text, ' ', LIMIT_YAML);
    memcpy(text, "a: 1\n", 5);
    parse(f, text);
    assert_int_equal(f->rc, 0);
    doc_free(f->doc);
    f->doc = NULL;
    text[LIMIT_YAML] = '\n';
    parse(f, text);
    config_errors_detach(&f->errors);
    mem_free(text);
    assert_int_equal(f->rc, EDGE_ECONFIG);
    assert_error(f, "the file has 262145 bytes; edged reads up to 262144");
}

/* "[1,1,...]" with `n` ones. */
static void parse_ones(struct fixture *f, size_t n)
{
    char *text = mem_zalloc(1, 2 * n + 2);

    assert_non_null(text);
    for (size_t i = 0; i < n; i++) {
        text[2 * i] = ',';
        text[2 * i + 1] = '1';
    }
    text[0] = '[';
    text[2 * n] = ']';
    doc_free(f->doc);
    f->doc = NULL;
    parse(f, text);
    config_errors_detach(&f->errors);
    mem_free(text);
}

static void test_the_number_of_values_is_bounded(void **state)
{
    struct fixture *f = *state;

    parse_ones(f, LIMIT_YAML_NODES - 1);
    assert_int_equal(f->rc, 0);
    assert_int_equal(f->root->n, LIMIT_YAML_NODES - 1);
    parse_ones(f, LIMIT_YAML_NODES);
    assert_int_equal(f->rc, EDGE_ECONFIG);
    assert_error(f, "the file holds more values than edged reads");
}

static void test_a_nul_is_found_behind_the_text(void **state)
{
    struct fixture *f = *state;

    config_errors_init(&f->errors, "x.yaml", "a: 1\n\0", 6);
    f->rc = doc_read("a: 1\n\0", 6, &f->errors, &f->doc);
    assert_int_equal(f->rc, EDGE_ECONFIG);
    assert_error(f, "a NUL byte is not allowed here");
    assert_at(&f->errors.items[0].at, 2, 1, 2, 2);
}

static void test_syntax_errors_have_a_place(void **state)
{
    struct fixture *f = *state;

    parse(f, "a: 1\nb: [1, 2\nc: 3\n");
    assert_int_equal(f->rc, EDGE_ECONFIG);
    assert_error(f, "not valid YAML: did not find expected ',' or ']'");
    assert_int_equal(f->errors.items[0].at.line, 3);
    parse(f, "a: 'never closed\n\n\n");
    assert_error(f, "not valid YAML: found unexpected end of stream");
    assert_int_equal(f->errors.items[0].at.line, 1);
}

static int parse_once(void *arg)
{
    static const char text[] = "a: [1, {b: c}]\nd: {e: &f g, h: *f}\n";
    struct fixture *f = arg;
    int rc;

    parse(f, text);
    rc = f->rc;
    doc_free(f->doc);
    f->doc = NULL;
    return rc;
}

static void test_every_allocation_may_fail(void **state)
{
    assert_true(heap_each(parse_once, *state) >= 2);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_mapping_keeps_its_order),
        TEST(test_values_are_found_by_key),
        TEST(test_places_are_lines_and_columns),
        TEST(test_columns_count_characters_not_bytes),
        TEST(test_a_byte_order_mark_takes_no_column),
        TEST(test_windows_lines_count_once),
        TEST(test_quotes_are_remembered),
        TEST(test_an_empty_value_points_to_its_key),
        TEST(test_an_empty_text_has_no_root),
        TEST(test_the_first_of_two_keys_is_kept),
        TEST(test_aliases_anchors_and_tags_are_refused),
        TEST(test_depth_is_bounded),
        TEST(test_size_is_bounded),
        TEST(test_the_number_of_values_is_bounded),
        TEST(test_a_nul_is_found_behind_the_text),
        TEST(test_syntax_errors_have_a_place),
        TEST(test_every_allocation_may_fail),
    };

    return cmocka_run_group_tests_name("doc", tests, NULL, NULL);
}
