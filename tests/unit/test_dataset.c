/*
 * The manifest: written and read again, and every single line of it spoilt.
 */
#include "tests/lib/heap.h"
#include "tests/lib/unit.h"

#include "base/limits.h"
#include "base/mem.h"
#include "dataset/dataset.h"

#include <stdio.h>
#include <string.h>

#define D1 "1111111111111111111111111111111111111111111111111111111111111111"
#define D2 "22222222222222222222222222222222222222222222222222222222222222ab"
#define HEAD                                                         \
    "edged dataset 1\nkind raw\nshape 3 2 4\nsamples 5\nlevels 40\n" \
    "sums 1000 30000\nsums 0 0\nsums 10200 2601000\nclass a b\nclass c\n"
#define TAIL \
    "labels " D1 "\nmean " D2 "\nshard " D1 " 72 3\nshard " D2 " 48 2\nend\n"

static int parse(const char *text, struct dataset *set, struct err *err)
{
    /* On the heap with its exact size, so that ASan watches its end. */
    char *copy = mem_dup(text, strlen(text));
    int rc;

    assert_non_null(copy);
    rc = dataset_parse(copy, strlen(text), set, err);
    mem_free(copy);
    return rc;
}

static void test_it_says_what_was_written(void **state)
{
    struct dataset set = {0};
    struct blob *text = NULL;
    struct err err = {""};

    (void)state;
    assert_int_equal(parse(HEAD TAIL, &set, &err), 0);
    assert_int_equal(set.kind, DATASET_RAW);
    assert_int_equal(set.shape.channels, 3);
    assert_int_equal(set.shape.height, 2);
    assert_int_equal(set.shape.width, 4);
    assert_int_equal(set.samples, 5);
    assert_int_equal(set.levels.squares[2], 2601000);
    assert_int_equal(set.n_classes, 2);
    assert_string_equal(set.classes[0], "a b");
    assert_int_equal(set.n_shards, 2);
    assert_int_equal(set.shards[1].bytes, 48);
    assert_int_equal(set.shards[1].samples, 2);
    assert_int_equal(set.mean.bytes[31], 0xab);
    assert_int_equal(dataset_print(&set, &text, &err), 0);
    assert_int_equal(text->size, strlen(HEAD TAIL));
    assert_memory_equal(text->data, HEAD TAIL, text->size);
    blob_unref(text);
    dataset_deinit(&set);
}

static void test_pictures_have_no_shape_and_no_mean(void **state)
{
    static const char text[] =
        "edged dataset 1\nkind pictures\nsamples 2\nlevels 40\nsums 0 0\n"
        "sums 0 0\nsums 0 0\nclass a\nlabels " D1 "\nshard " D1 " 99 2\nend\n";
    struct dataset set = {0};
    struct blob *again = NULL;
    struct err err = {""};

    (void)state;
    assert_int_equal(parse(text, &set, &err), 0);
    assert_int_equal(set.kind, DATASET_PICTURES);
    assert_int_equal(dataset_print(&set, &again, &err), 0);
    assert_memory_equal(again->data, text, again->size);
    blob_unref(again);
    dataset_deinit(&set);
}

static void assert_refused(const char *text, const char *words)
{
    struct dataset set = {0};
    struct err err = {""};
    int rc = parse(text, &set, &err);

    if ((rc != EDGE_ECORRUPT && rc != EDGE_EUNSUPPORTED) ||
        strstr(err.text, words) == NULL) {
        fail_msg("wanted \"%s\", got %s: %s\n%s", words, err_name(rc), err.text,
                 text);
    }
    assert_null(set.classes);
}

static void test_what_cannot_be_is_refused(void **state)
{
    static const char whole[] = HEAD TAIL;
    static const struct {
        const char *from;
        const char *to;
        const char *words;
    } cases[] = {
        {"dataset 1", "dataset 2", "Upgrade all boards"},
        {"kind raw", "kind cooked", "line 2: the kind is missing"},
        {"shape 3 2 4", "shape 2 2 4", "line 3: no picture has that shape"},
        {"shape 3 2 4", "shape 3 0 4", "no picture has that shape"},
        {"shape 3 2 4", "shape 3 1025 4", "larger than allowed"},
        {"shape 3 2 4", "shape 3 2", "a number is missing"},
        {"shape 3 2 4", "shape 3 2 4 ", "something stands where"},
        {"shape 3 2 4", "shape 3 2 04", "not written as it should"},
        {"shape 3 2 4", "shape 3 2 -4", "not written as it should"},
        {"samples 5", "samples 0", "there are no samples"},
        {"samples 5", "samples 6", "the shards do not hold all"},
        {"samples 5", "samples 134217729", "larger than allowed"},
        {"samples 5", "samples 99999999999999999999", "larger than allowed"},
        {"samples 5", "sample 5", "number of samples is missing"},
        {"samples 5", "samples 50", "more samples than pixels"},
        {"sums 1000 ", "sums 10201 ", "larger than allowed"},
        {"sums 0 0\n", "", "sums are missing"},
        {"class a b\nclass c\n", "", "there are no classes"},
        {"class c", "class ", "missing or too long"},
        {"class c", "class a\x1b[2J", "control character"},
        {"labels ", "label ", "digest is missing"},
        {"1111\nmean", "111x\nmean", "not 64 hexadecimal digits"},
        {"ab\nshard", "aB\nshard", "capital letters"},
        {" 72 3", " 71 3", "do not have so many bytes"},
        {" 72 3", " 0 0", "do not have so many bytes"},
        {" 72 3", " 33554433 3", "larger than allowed"},
        {"end\n", "end", "does not end where it should"},
        {"end\n", "end\n\n", "does not end where it should"},
        {"end\n", "", "does not end where it should"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const char *at = strstr(whole, cases[i].from);
        char text[1024];

        assert_non_null(at);
        (void)snprintf(text, sizeof(text), "%.*s%s%s", (int)(at - whole), whole,
                       cases[i].to, at + strlen(cases[i].from));
        assert_refused(text, cases[i].words);
    }
}

/* Cut anywhere, or with any byte changed, it is refused or says what it then
 * says, never more. */
static void test_no_byte_is_ignored(void **state)
{
    char text[] = HEAD TAIL;
    size_t n = strlen(text);

    (void)state;
    for (size_t i = 0; i < n; i++) {
        struct dataset set = {0};
        char kept = text[i];

        assert_true(dataset_parse(text, i, &set, NULL) < 0);
        text[i] = (char)(kept ^ 1);
        if (dataset_parse(text, n, &set, NULL) == 0) {
            struct blob *again = NULL;

            assert_int_equal(dataset_print(&set, &again, NULL), 0);
            assert_int_equal(again->size, n);
            assert_memory_equal(again->data, text, n);
            blob_unref(again);
            dataset_deinit(&set);
        }
        text[i] = kept;
    }
}

static void test_a_class_has_a_bounded_name(void **state)
{
    char name[LIMIT_DATA_CLASS + 2];
    struct err err = {""};

    (void)state;
    memset(name, 'x', sizeof(name));
    name[LIMIT_DATA_CLASS + 1] = '\0';
    assert_int_equal(dataset_check_class(name, &err), EDGE_EINVAL);
    assert_int_equal(dataset_check_class("", &err), EDGE_EINVAL);
    name[LIMIT_DATA_CLASS] = '\0';
    assert_int_equal(dataset_check_class(name, &err), 0);
}

static void test_a_test_set_must_fit_its_training_set(void **state)
{
    char *abc[] = {"a", "b", "c"};
    char *ax[] = {"a", "x"};
    struct dataset train = {.shape = {3, 8, 8}, .classes = abc, .n_classes = 3};
    struct dataset test = {.shape = {3, 8, 8}, .classes = abc, .n_classes = 2};
    struct err err = {""};

    (void)state;
    assert_int_equal(dataset_check_pair(&train, &test, &err), 0);
    assert_int_equal(dataset_check_pair(&test, &train, &err), EDGE_EINVAL);
    test.classes = ax;
    assert_int_equal(dataset_check_pair(&train, &test, &err), EDGE_EINVAL);
    assert_non_null(strstr(err.text, "class 1 is \"x\" in the test data"));
    test.classes = abc;
    test.shape.channels = 1;
    assert_int_equal(dataset_check_pair(&train, &test, &err), EDGE_EINVAL);
}

static void test_mean_and_deviation_come_from_the_sums(void **state)
{
    /* Half of the levels 0, half 255; all 51; all 0. */
    struct dataset set = {
        .levels = {100, {50 * 255, 5100, 0}, {50 * 65025, 260100, 0}}};
    float mean[3];
    float std[3];

    (void)state;
    dataset_normal(&set, mean, std);
    assert_true(mean[0] == 0.5f && std[0] == 0.5f);
    assert_true(mean[1] == 0.2f && std[1] == 1); /* nothing to scale by */
    assert_true(mean[2] == 0 && std[2] == 1);
}

static int print_and_parse(void *arg)
{
    struct dataset set = {0};
    struct blob *text = NULL;
    struct err err = {""};
    int rc = dataset_parse(HEAD TAIL, strlen(HEAD TAIL), &set, &err);

    (void)arg;
    if (rc == 0) {
        rc = dataset_print(&set, &text, &err);
    }
    blob_unref(text);
    dataset_deinit(&set);
    return rc;
}

static void test_without_memory_it_fails_cleanly(void **state)
{
    (void)state;
    assert_true(heap_each(print_and_parse, NULL) >= 6);
}

static int heal(void **state)
{
    (void)state;
    heap_heal();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_it_says_what_was_written),
        cmocka_unit_test(test_pictures_have_no_shape_and_no_mean),
        cmocka_unit_test(test_what_cannot_be_is_refused),
        cmocka_unit_test(test_no_byte_is_ignored),
        cmocka_unit_test(test_a_class_has_a_bounded_name),
        cmocka_unit_test(test_a_test_set_must_fit_its_training_set),
        cmocka_unit_test(test_mean_and_deviation_come_from_the_sums),
        cmocka_unit_test_teardown(test_without_memory_it_fails_cleanly, heal),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
