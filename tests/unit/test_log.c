#include "tests/lib/heap.h"
#include "tests/lib/tmp.h"
#include "tests/lib/unit.h"

#include "base/err.h"
#include "base/limits.h"
#include "base/log.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct seen {
    size_t n;
    uint64_t first;
    uint64_t last;
    char line[600]; /* the newest */
};

static void on_line(void *arg, uint64_t seq, const char *line)
{
    struct seen *seen = arg;

    if (seen->n++ == 0) {
        seen->first = seq;
    }
    seen->last = seq;
    (void)snprintf(seen->line, sizeof(seen->line), "%s", line);
}

static struct seen tail(const struct log *log, size_t n, uint64_t after)
{
    struct seen seen = {.n = 0};

    log_tail(log, n, after, on_line, &seen);
    return seen;
}

static void test_a_line_has_time_level_event_and_fields(void **state)
{
    struct log *log = log_new(-1, LOG_INFO, NULL);
    struct seen seen;

    (void)state;
    log_event(log, LOG_WARN, "peer.lost", "node=%s epoch=%d", "pi-3", 7);
    seen = tail(log, 10, 0);
    assert_int_equal(seen.n, 1);
    assert_int_equal(seen.line[4], '-');
    assert_int_equal(seen.line[10], 'T');
    assert_int_equal(seen.line[23], 'Z');
    assert_string_equal(seen.line + 24, " WARN peer.lost node=pi-3 epoch=7");
    log_free(log);
}

static void test_lines_below_the_level_are_dropped(void **state)
{
    struct log *log = log_new(-1, LOG_WARN, NULL);

    (void)state;
    log_event(log, LOG_INFO, "a.b", "x=1");
    log_event(log, LOG_ERROR, "a.b", "x=2");
    assert_int_equal(tail(log, 10, 0).n, 1);
    log_free(log);
}

static void test_only_listed_modules_are_traced(void **state)
{
    struct log *log = log_new(-1, LOG_WARN, "net,rollout");

    (void)state;
    log_event(log, LOG_TRACE, "net.frame", "x=1");
    log_event(log, LOG_TRACE, "network.frame", "x=2");
    log_event(log, LOG_TRACE, "ne.frame", "x=3");
    log_event(log, LOG_TRACE, "rollout.begin", "x=4");
    assert_int_equal(tail(log, 10, 0).n, 2);
    log_free(log);
}

static void test_all_traces_every_module(void **state)
{
    struct log *log = log_new(-1, LOG_WARN, "all");

    (void)state;
    log_event(log, LOG_TRACE, "net.frame", "x=1");
    assert_int_equal(tail(log, 10, 0).n, 1);
    log_free(log);
}

static void test_the_newest_lines_are_kept(void **state)
{
    struct log *log = log_new(-1, LOG_INFO, NULL);
    struct seen seen;

    (void)state;
    for (int i = 1; i <= LIMIT_LOG_LINES + 10; i++) {
        log_event(log, LOG_INFO, "a.b", "i=%d", i);
    }
    seen = tail(log, 5000, 0);
    assert_int_equal(seen.n, LIMIT_LOG_LINES);
    assert_int_equal(seen.first, 11);
    assert_int_equal(seen.last, LIMIT_LOG_LINES + 10);
    assert_non_null(strstr(seen.line, "i=1010"));
    log_free(log);
}

static void test_tail_gives_the_last_n_and_only_newer(void **state)
{
    struct log *log = log_new(-1, LOG_INFO, NULL);

    (void)state;
    for (int i = 1; i <= 10; i++) {
        log_event(log, LOG_INFO, "a.b", "i=%d", i);
    }
    assert_int_equal(tail(log, 3, 0).first, 8);
    assert_int_equal(tail(log, 100, 6).first, 7);
    assert_int_equal(tail(log, 100, 10).n, 0);
    assert_int_equal(tail(log, 0, 0).n, 0);
    log_free(log);
}

static void test_fields_cannot_forge_lines_or_colours(void **state)
{
    struct log *log = log_new(-1, LOG_INFO, NULL);
    struct seen seen;

    (void)state;
    log_event(log, LOG_INFO, "a.b", "x=%s", "1\nERROR\r\033[31m\xc2\x9b\x7f");
    seen = tail(log, 1, 0);
    for (const char *c = seen.line; *c != '\0'; c++) {
        assert_true((unsigned char)*c >= ' ' && *c != 0x7f);
    }
    assert_null(strstr(seen.line, "\xc2\x9b"));
    log_free(log);
}

static void test_utf8_passes(void **state)
{
    struct log *log = log_new(-1, LOG_INFO, NULL);
    struct seen seen;

    (void)state;
    log_event(log, LOG_INFO, "a.b", "x=%s",
              "Stra\xc3\x9f"
              "e");
    seen = tail(log, 1, 0);
    assert_non_null(strstr(seen.line, "Stra\xc3\x9f"
                                      "e"));
    log_free(log);
}

static void test_long_lines_are_cut_and_end_in_a_newline(void **state)
{
    struct tmp *tmp = *state;
    int fd = open(tmp_path(tmp, "log"), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    struct log *log = log_new(fd, LOG_INFO, NULL);
    char text[2000];
    ssize_t n;

    log_event(log, LOG_INFO, "a.b", "x=%01000d", 1);
    log_event(log, LOG_INFO, "c.d", "y=2");
    n = pread(fd, text, sizeof(text) - 1, 0);
    assert_true(n > 0 && n < 700);
    text[n] = '\0';
    assert_int_equal(text[n - 1], '\n');
    assert_non_null(strstr(text, "\n20"));
    assert_non_null(strstr(text, "c.d y=2\n"));
    log_free(log);
    close(fd);
}

static void test_a_null_log_drops_lines(void **state)
{
    (void)state;
    log_event(NULL, LOG_ERROR, "a.b", "x=1");
    log_free(NULL);
}

static int make_log(void *arg)
{
    struct log *log = log_new(-1, LOG_INFO, "net");

    (void)arg;
    log_free(log);
    return log == NULL ? EDGE_ENOMEM : 0;
}

static void test_each_allocation_may_fail(void **state)
{
    (void)state;
    assert_int_equal(heap_each(make_log, NULL), 2);
}

static int set_up(void **state)
{
    static struct tmp tmp;

    tmp_init(&tmp);
    *state = &tmp;
    return 0;
}

static int tear_down(void **state)
{
    heap_heal();
    tmp_deinit(*state);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_line_has_time_level_event_and_fields),
        cmocka_unit_test(test_lines_below_the_level_are_dropped),
        cmocka_unit_test(test_only_listed_modules_are_traced),
        cmocka_unit_test(test_all_traces_every_module),
        cmocka_unit_test(test_the_newest_lines_are_kept),
        cmocka_unit_test(test_tail_gives_the_last_n_and_only_newer),
        cmocka_unit_test(test_fields_cannot_forge_lines_or_colours),
        cmocka_unit_test(test_utf8_passes),
        cmocka_unit_test_setup_teardown(
            test_long_lines_are_cut_and_end_in_a_newline, set_up, tear_down),
        cmocka_unit_test(test_a_null_log_drops_lines),
        cmocka_unit_test(test_each_allocation_may_fail),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
