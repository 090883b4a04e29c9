/* Folders and commands as a view's source, on a real loop. */
#include "daemon/source_inner.h"

#include "base/mem.h"
#include "base/rng.h"
#include "net/io_uv_inner.h"
#include "tests/lib/tmp.h"
#include "tests/lib/unit.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SIDE 4
#define WAIT_MS 10000
#define STALE_US 2000000

struct fixture {
    struct log *log;
    struct io_uv *uv;
    struct daemon daemon;
    struct tmp tmp;
    struct source *source;
    char from[TMP_PATH];
    struct image_spec spec;
    struct source_ask ask;
    bool is_answered;
    int level; /* that was seen; -1: nothing */
};

static struct io_identity identity = {.role = EDGED__ROLE__ROLE_NODE,
                                      .name = "cam",
                                      .cluster = "test",
                                      .version = "1"};

static int set_up(void **state)
{
    struct fixture *f = test_calloc(1, sizeof(*f));

    f->log = log_new(-1, LOG_INFO, NULL);
    assert_int_equal(io_uv_new(&identity, f->log, &f->uv, NULL), 0);
    f->daemon.io = io_uv_io(f->uv);
    f->daemon.log = f->log;
    list_init(&f->daemon.sources);
    tmp_init(&f->tmp);
    f->spec.width = f->spec.height = SIDE;
    f->spec.fit = IMAGE_FIT_STRETCH;
    f->spec.crop = 1;
    f->spec.color = IMAGE_COLOR_GRAY;
    f->spec.range = IMAGE_RANGE_BYTE;
    f->spec.std[0] = f->spec.std[1] = f->spec.std[2] = 1;
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    source_cancel(&f->ask);
    source_close(f->source);
    io_uv_stop(f->uv);
    io_uv_turn(f->uv);
    source_free_all(&f->daemon);
    io_uv_free(f->uv);
    log_free(f->log);
    tmp_deinit(&f->tmp);
    test_free(f);
    return 0;
}

/* ---- helpers ------------------------------------------------------------- */

static const char *folder(struct fixture *f)
{
    return f->from + strlen("dir:");
}

static void open_source(struct fixture *f, const char *from)
{
    struct err err;

    if (source_open(&f->daemon, from, &f->spec, &f->source, &err) < 0) {
        fail_msg("%s", err.text);
    }
}

static void open_folder(struct fixture *f)
{
    (void)snprintf(f->from, sizeof(f->from), "dir:%s", f->tmp.path);
    open_source(f, f->from);
}

static uint64_t wall(struct fixture *f)
{
    return io_wall_us(f->daemon.io);
}

/* Written elsewhere and moved there, with that time. */
static void put(struct fixture *f, const char *name, const void *bytes,
                size_t size, uint64_t at_us)
{
    const struct timespec t = {(time_t)(at_us / 1000000),
                               (long)(at_us % 1000000 * 1000)};
    const struct timespec times[2] = {t, t};
    char *hidden = mem_strdup(tmp_write(&f->tmp, ".new", bytes, size));

    assert_int_equal(utimensat(AT_FDCWD, hidden, times, 0), 0);
    assert_int_equal(rename(hidden, tmp_path(&f->tmp, name)), 0);
    mem_free(hidden);
}

/* A gray picture of one level. */
static size_t picture(char *out, uint8_t level)
{
    size_t n = (size_t)snprintf(out, 32, "P5\n%d %d\n255\n", SIDE, SIDE);

    memset(out + n, level, (size_t)SIDE * SIDE);
    return n + (size_t)SIDE * SIDE;
}

static void put_level(struct fixture *f, const char *name, uint8_t level,
                      uint64_t at_us)
{
    char bytes[64];

    put(f, name, bytes, picture(bytes, level), at_us);
}

static void on_seen(struct source_ask *ask, const struct tensor *seen)
{
    struct fixture *f = container_of(ask, struct fixture, ask);

    f->is_answered = true;
    f->level = seen != NULL ? (int)tensor_get(seen, 0) : -1;
    if (seen != NULL) {
        assert_int_equal(tensor_count(seen), SIDE * SIDE);
    }
}

static void turn(struct fixture *f)
{
    io_uv_turn(f->uv);
    (void)poll(NULL, 0, 1);
}

static void begin_ask(struct fixture *f, uint64_t at_us)
{
    f->is_answered = false;
    f->ask = (struct source_ask){
        .at_us = at_us, .stale_us = STALE_US, .done = on_seen};
    source_ask(f->source, &f->ask);
    assert_false(f->is_answered); /* never from inside the call */
}

static int ask(struct fixture *f, uint64_t at_us)
{
    uint64_t until = io_now_ms(f->daemon.io) + WAIT_MS;

    begin_ask(f, at_us);
    while (!f->is_answered && io_now_ms(f->daemon.io) < until) {
        turn(f);
    }
    assert_true(f->is_answered);
    return f->level;
}

static void until_seen(struct fixture *f, int level)
{
    uint64_t until = io_now_ms(f->daemon.io) + WAIT_MS;

    while (ask(f, wall(f)) != level && io_now_ms(f->daemon.io) < until) {
        turn(f);
    }
    assert_int_equal(f->level, level);
}

/* ---- folders ------------------------------------------------------------- */

static void what_lies_there_is_seen(void **state)
{
    struct fixture *f = *state;
    uint64_t now = wall(f);

    put_level(f, "a.pgm", 10, now - 400000);
    put_level(f, "b.pgm", 20, now - 200000);
    open_folder(f);
    assert_int_equal(ask(f, now), 20);
    /* What came before the board looked is not known. */
    assert_int_equal(ask(f, now - 300000), -1);
}

static void each_instant_has_its_own_frame(void **state)
{
    struct fixture *f = *state;
    uint64_t now = wall(f);

    open_folder(f);
    put_level(f, "a.pgm", 10, now - 400000);
    assert_int_equal(ask(f, now), 10);
    put_level(f, "b.pgm", 20, now - 200000);
    put_level(f, "c.pgm", 30, now - 100000);
    /* Asked before this loop has heard of the files. */
    assert_int_equal(ask(f, now - 150000), 20);
    assert_int_equal(ask(f, now), 30);
    assert_int_equal(ask(f, now - 200000), 20);
    assert_int_equal(ask(f, now - 200001), 10);
    assert_int_equal(ask(f, now - 500000), -1);
}

static void a_file_that_is_replaced_is_a_new_frame(void **state)
{
    struct fixture *f = *state;
    uint64_t now = wall(f);

    open_folder(f);
    for (int i = 0; i < 5; i++) {
        put_level(f, "same.pgm", (uint8_t)(10 * i + 10),
                  now - 500000 + (uint64_t)i * 100000);
        assert_int_equal(ask(f, now - 500000 + (uint64_t)i * 100000),
                         10 * i + 10);
    }
    assert_int_equal(ask(f, now - 350000), 20);
}

/* Replaced before it was read: its moment is not the older one's. */
static void a_frame_that_was_missed_is_nothing(void **state)
{
    struct fixture *f = *state;
    uint64_t now = wall(f);

    open_folder(f);
    put_level(f, "same.pgm", 10, now - 500000);
    assert_int_equal(ask(f, now), 10);
    put_level(f, "same.pgm", 20, now - 400000);
    put_level(f, "same.pgm", 30, now - 300000);
    assert_int_equal(ask(f, now - 350000), -1);
    assert_int_equal(ask(f, now - 500000), 10);
    assert_int_equal(ask(f, now), 30);
}

#define STORM 3000 /* frames */

/* While files are read others take their names: nobody knows then which frame
 * a notice was of, and an instant has its own frame or none. */
static void a_storm_mixes_no_moments(void **state)
{
    struct fixture *f = *state;
    uint64_t *times = test_calloc(STORM, sizeof(*times));
    size_t right = 0;
    struct rng rng;

    rng_init(&rng, 33);
    open_folder(f);
    for (size_t i = 0; i < STORM; i++) {
        size_t k = i - (i < 3 ? 0 : rng_below(&rng, 3));

        times[i] = wall(f);
        put_level(f, "same.pgm", (uint8_t)(i % 250 + 1), times[i]);
        if (rng_below(&rng, 3) == 0) {
            io_uv_turn(f->uv);
        }
        if (rng_below(&rng, 4) == 0 && ask(f, times[k]) != -1) {
            assert_int_equal(f->level, k % 250 + 1);
            right++;
        }
    }
    assert_true(right > 0);
    test_free(times);
}

static void what_is_old_is_nothing(void **state)
{
    struct fixture *f = *state;
    uint64_t now = wall(f);

    open_folder(f);
    put_level(f, "a.pgm", 10, now);
    assert_int_equal(ask(f, now + STALE_US), 10);
    assert_int_equal(ask(f, now + STALE_US + 1), -1);
}

static void what_is_no_picture_is_passed_over(void **state)
{
    struct fixture *f = *state;
    uint64_t now = wall(f);

    open_folder(f);
    put_level(f, "a.pgm", 10, now - 300000);
    assert_int_equal(ask(f, now), 10);
    put(f, "notes.txt", "a text", 6, now - 200000);
    put(f, "empty.pgm", "", 0, now - 150000);
    put_level(f, "half.tmp", 99, now - 100000);
    put_level(f, "other.part", 99, now - 90000);
    assert_int_equal(mkdir(tmp_path(&f->tmp, "folder"), 0700), 0);
    assert_int_equal(mkfifo(tmp_path(&f->tmp, "pipe"), 0600), 0);
    assert_int_equal(ask(f, now), 10);
}

static void a_damaged_picture_is_nobodys_moment(void **state)
{
    struct fixture *f = *state;
    uint64_t now = wall(f);

    open_folder(f);
    put_level(f, "a.pgm", 10, now - 300000);
    assert_int_equal(ask(f, now), 10);
    put(f, "b.pgm", "P5\n4 4\n255\nshort", 16, now - 200000);
    assert_int_equal(ask(f, now), -1);
    assert_int_equal(ask(f, now - 250000), 10);
    put_level(f, "c.pgm", 30, now - 100000);
    assert_int_equal(ask(f, now), 30);
}

static void a_folder_may_come_and_go(void **state)
{
    struct fixture *f = *state;
    char *path;

    (void)snprintf(f->from, sizeof(f->from), "dir:%s/later", f->tmp.path);
    open_source(f, f->from);
    assert_int_equal(ask(f, wall(f)), -1);
    assert_int_equal(mkdir(folder(f), 0700), 0);
    put_level(f, "later/a.pgm", 10, wall(f));
    until_seen(f, 10);
    path = mem_strdup(tmp_path(&f->tmp, "gone"));
    assert_int_equal(rename(folder(f), path), 0);
    assert_int_equal(ask(f, wall(f)), -1);
    assert_int_equal(mkdir(folder(f), 0700), 0);
    put_level(f, "later/b.pgm", 20, wall(f));
    until_seen(f, 20);
    mem_free(path);
}

/* More at once than are noted, while nobody looks. */
static void a_flood_leaves_the_newest(void **state)
{
    struct fixture *f = *state;
    uint64_t now = wall(f);
    char name[32];

    open_folder(f);
    for (uint64_t i = 0; i < 100; i++) {
        (void)snprintf(name, sizeof(name), "%u.pgm", (unsigned)i);
        put_level(f, name, (uint8_t)i, now - 1000000 + i * 1000);
    }
    assert_int_equal(ask(f, now), 99);
    assert_true(((struct source *)f->source)->frames.n <= FRAMES_KEPT);
}

static void an_ask_may_be_taken_back(void **state)
{
    struct fixture *f = *state;

    put_level(f, "a.pgm", 10, wall(f));
    open_folder(f);
    begin_ask(f, wall(f));
    source_cancel(&f->ask);
    source_cancel(&f->ask);
    for (int i = 0; i < 50; i++) {
        turn(f);
    }
    assert_false(f->is_answered);
}

static void two_epochs_have_one_source(void **state)
{
    struct fixture *f = *state;
    struct source *again;

    put_level(f, "a.pgm", 10, wall(f));
    open_folder(f);
    assert_int_equal(source_open(&f->daemon, f->from, &f->spec, &again, NULL),
                     0);
    assert_ptr_equal(again, f->source);
    source_close(again);
    assert_int_equal(ask(f, wall(f)), 10);
    f->spec.mean[0] = 1; /* another one */
    assert_int_equal(source_open(&f->daemon, f->from, &f->spec, &again, NULL),
                     0);
    assert_ptr_not_equal(again, f->source);
    source_close(again);
}

/* Its jobs may still be on their way when it goes. */
static void one_that_is_busy_goes_later(void **state)
{
    struct fixture *f = *state;

    put_level(f, "a.pgm", 10, wall(f));
    open_folder(f);
    assert_false(list_is_empty(&f->daemon.sources));
    source_close(f->source);
    f->source = NULL;
    for (int i = 0; i < 1000 && !list_is_empty(&f->daemon.sources); i++) {
        turn(f);
    }
    assert_true(list_is_empty(&f->daemon.sources));
}

/* ---- commands ------------------------------------------------------------ */

static void open_command(struct fixture *f, const char *format)
{
    (void)snprintf(f->from, sizeof(f->from), format, f->tmp.path);
    open_source(f, f->from);
}

static void a_command_is_run_when_asked(void **state)
{
    struct fixture *f = *state;
    char bytes[64];

    (void)tmp_write(&f->tmp, "p", bytes, picture(bytes, 77));
    open_command(f, "exec:cat %s/p");
    assert_int_equal(f->source->runs, 0);
    /* Nothing is there yet: what was begun for it is taken. */
    assert_int_equal(ask(f, wall(f) - 100000), 77);
    assert_int_equal(f->source->runs, 1);
    assert_int_equal(ask(f, wall(f)), 77); /* the same picture, and fresh */
}

static void one_that_fails_sees_nothing(void **state)
{
    static const char *const commands[] = {"exec:false %s", "exec:true %s",
                                           "exec:%s/no-such-program",
                                           "exec:cat %s", "exec:echo %s"};
    struct fixture *f = *state;

    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
        open_command(f, commands[i]);
        assert_int_equal(ask(f, wall(f)), -1);
        assert_int_equal(f->source->runs, 1);
        source_close(f->source);
        f->source = NULL;
    }
}

static void no_shell_sees_it(void **state)
{
    struct fixture *f = *state;
    char bytes[64];

    (void)tmp_write(&f->tmp, "p", bytes, picture(bytes, 77));
    open_command(f, "exec:cat /dev/null;cat %s/p");
    assert_int_equal(ask(f, wall(f)), -1);
}

/* A megabyte more than may be: cut, and nothing. */
static void one_that_talks_too_much_is_killed(void **state)
{
    struct fixture *f = *state;

    open_command(f, "exec:cat /dev/zero %s");
    assert_int_equal(ask(f, wall(f)), -1);
    assert_false(f->source->feed->is_busy(f->source));
}

static void one_that_hangs_goes_with_its_source(void **state)
{
    struct fixture *f = *state;

    open_command(f, "exec:sleep 1000");
    begin_ask(f, wall(f));
    turn(f);
    assert_false(f->is_answered);
    source_cancel(&f->ask);
    source_close(f->source);
    f->source = NULL;
    for (int i = 0; i < 4000 && !list_is_empty(&f->daemon.sources); i++) {
        turn(f);
    }
    assert_true(list_is_empty(&f->daemon.sources));
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    static const struct CMUnitTest tests[] = {
        T(what_lies_there_is_seen),
        T(each_instant_has_its_own_frame),
        T(a_file_that_is_replaced_is_a_new_frame),
        T(a_frame_that_was_missed_is_nothing),
        T(a_storm_mixes_no_moments),
        T(what_is_old_is_nothing),
        T(what_is_no_picture_is_passed_over),
        T(a_damaged_picture_is_nobodys_moment),
        T(a_folder_may_come_and_go),
        T(a_flood_leaves_the_newest),
        T(an_ask_may_be_taken_back),
        T(two_epochs_have_one_source),
        T(one_that_is_busy_goes_later),
        T(a_command_is_run_when_asked),
        T(one_that_fails_sees_nothing),
        T(no_shell_sees_it),
        T(one_that_talks_too_much_is_killed),
        T(one_that_hangs_goes_with_its_source),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
