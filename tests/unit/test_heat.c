/* What a board's files say of its heat, and that its beats say it, too. */
#include "tests/lib/io_fake.h"
#include "tests/lib/tmp.h"
#include "tests/lib/unit.h"

#include "daemon/parts.h"
#include "wire/throttle.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

struct fixture {
    struct tmp tmp;
    struct heat heat;
};

static int set_up(void **state)
{
    struct fixture *f = test_calloc(1, sizeof(*f));

    tmp_init(&f->tmp);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    tmp_deinit(&f->tmp);
    test_free(f);
    return 0;
}

/* A file in folders that are made if need be. */
static void put(struct fixture *f, const char *name, const char *text)
{
    char folder[TMP_PATH];

    for (const char *slash = strchr(name, '/'); slash != NULL;
         slash = strchr(slash + 1, '/')) {
        (void)snprintf(folder, sizeof(folder), "%.*s", (int)(slash - name),
                       name);
        (void)mkdir(tmp_path(&f->tmp, folder), 0700);
    }
    (void)tmp_write(&f->tmp, name, text, strlen(text));
}

static void find(struct fixture *f)
{
    heat_find(&f->heat, f->tmp.path);
}

#define PI4 "devices/platform/soc/soc:firmware/get_throttled"
#define PI5                                                    \
    "devices/platform/soc@107c000000/soc@107c000000:firmware/" \
    "get_throttled"

static void a_board_without_such_files_never_is(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(heat_read(&f->heat), 0);
    find(f);
    assert_int_equal(f->heat.n, 0);
    assert_int_equal(heat_read(&f->heat), 0);
}

static void the_firmware_says_what_is_now(void **state)
{
    struct fixture *f = *state;

    put(f, PI4, "0\n");
    find(f);
    assert_int_equal(heat_read(&f->heat), 0);
    put(f, PI4, "50005\n"); /* hexadecimal; the upper bits: since it booted */
    assert_int_equal(heat_read(&f->heat), THROTTLE_VOLTAGE | THROTTLE_HOT);
    put(f, PI4, "e0000\n");
    assert_int_equal(heat_read(&f->heat), 0);
    put(f, PI4, "0x8\n");
    assert_int_equal(heat_read(&f->heat), THROTTLE_SOFT);
}

static void newer_boards_have_it_elsewhere(void **state)
{
    struct fixture *f = *state;

    put(f, PI5, "e0002\n");
    find(f);
    assert_int_equal(heat_read(&f->heat), THROTTLE_CAPPED);
}

static void what_is_no_number_says_nothing(void **state)
{
    struct fixture *f = *state;

    put(f, PI4, "hot\n");
    find(f);
    assert_int_equal(heat_read(&f->heat), 0);
    put(f, PI4, "");
    assert_int_equal(heat_read(&f->heat), 0);
    (void)remove(tmp_path(&f->tmp, PI4));
    assert_int_equal(heat_read(&f->heat), 0);
}

#define COOLING "class/thermal/cooling_device"

static void elsewhere_a_clock_that_is_held_down_says_it(void **state)
{
    struct fixture *f = *state;

    put(f, COOLING "0/type", "pwm-fan\n");
    put(f, COOLING "0/cur_state", "3\n");
    put(f, COOLING "1/type", "cpufreq-cpu0\n");
    put(f, COOLING "1/cur_state", "0\n");
    put(f, COOLING "2/type", "thermal-cpufreq-1\n");
    put(f, COOLING "2/cur_state", "0\n");
    find(f);
    assert_int_equal(f->heat.n, 2);
    assert_int_equal(heat_read(&f->heat), 0);
    put(f, COOLING "2/cur_state", "2\n");
    assert_int_equal(heat_read(&f->heat), THROTTLE_CAPPED);
    put(f, COOLING "2/cur_state", "-1\n");
    assert_int_equal(heat_read(&f->heat), 0);
}

static void more_clocks_than_there_is_room_for_are_left_out(void **state)
{
    struct fixture *f = *state;
    char name[64];

    for (int i = 0; i < HEAT_FILES + 2; i++) {
        (void)snprintf(name, sizeof(name), COOLING "%d/type", i);
        put(f, name, "cpufreq-cpu0\n");
        (void)snprintf(name, sizeof(name), COOLING "%d/cur_state", i);
        put(f, name, "1\n");
    }
    find(f);
    assert_int_equal(f->heat.n, HEAT_FILES);
    assert_int_equal(heat_read(&f->heat), THROTTLE_CAPPED);
}

static void it_has_words(void **state)
{
    (void)state;
    assert_string_equal(throttle_text(0), "");
    assert_string_equal(throttle_text(THROTTLE_VOLTAGE), "low voltage");
    assert_string_equal(throttle_text(THROTTLE_CAPPED), "throttled");
    assert_string_equal(throttle_text(THROTTLE_HOT | THROTTLE_VOLTAGE),
                        "throttled, low voltage");
    assert_false(throttle_is_slow(THROTTLE_VOLTAGE));
    assert_true(throttle_is_slow(THROTTLE_SOFT));
    assert_false(throttle_is_slow(0xe0000));
}

/* ---- beats --------------------------------------------------------------- */

static uint32_t said_in_a_beat(struct io_fake *fake, struct io_fake_peer *to)
{
    const struct msg *beat;

    io_fake_run_for(fake, BEAT_MS);
    beat = io_fake_last(to, EDGED__ENVELOPE__BODY_BEAT);
    assert_non_null(beat);
    return beat->env->beat->throttled;
}

static void beats_say_it(void **state)
{
    struct fixture *f = *state;
    struct board board = {.free_bytes = MIB(64)};
    struct daemon_config config = {
        .name = "n0", .store_flags = STORE_NO_SYNC, .board = &board};
    struct io_fake fake;
    struct io_fake_peer *to;
    struct daemon *daemon;
    struct err err;

    put(f, PI4, "0\n");
    find(f);
    io_fake_init(&fake);
    config.folder = tmp_path(&f->tmp, "state");
    assert_int_equal(daemon_new(&fake.io, &config, &daemon, &err), 0);
    daemon_start(daemon);
    to = io_fake_peer(&fake, "coordinator", EDGED__ROLE__ROLE_COORDINATOR);
    fake.io.events.on_up(fake.io.arg, &to->base);
    assert_int_equal(said_in_a_beat(&fake, to), 0);
    daemon->heat = f->heat;
    assert_int_equal(said_in_a_beat(&fake, to), 0);
    put(f, PI4, "4\n");
    assert_int_equal(said_in_a_beat(&fake, to), THROTTLE_HOT);
    put(f, PI4, "40000\n");
    assert_int_equal(said_in_a_beat(&fake, to), 0);
    daemon_free(daemon);
    io_fake_deinit(&fake);
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_board_without_such_files_never_is),
        T(the_firmware_says_what_is_now),
        T(newer_boards_have_it_elsewhere),
        T(what_is_no_number_says_nothing),
        T(elsewhere_a_clock_that_is_held_down_says_it),
        T(more_clocks_than_there_is_room_for_are_left_out),
        T(it_has_words),
        T(beats_say_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
