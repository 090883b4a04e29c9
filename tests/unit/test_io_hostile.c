/*
 * What an io on libuv does with peers that are not honest, or not edged at
 * all: raw sockets against one node.
 */
#include "base/bytes.h"
#include "base/mem.h"
#include "net/io_uv_inner.h"
#include "tests/lib/io_end.h"
#include "tests/lib/unit.h"
#include "wire/frame.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define CROWD 60

struct fixture {
    struct io_world *world;
    struct end node;
    int fd;            /* of the hostile peer */
    int crowd[CROWD];  /* and of its friends; -1: none */
    uint8_t got[8192]; /* what the node answered */
    size_t got_size;
    bool closed; /* by the node */
};

static struct hub_limits *limits(struct fixture *f)
{
    return &hub_of(f->node.io)->limits;
}

static int connect_to(const struct fixture *f)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)f->node.port)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_true(fd >= 0);
    assert_int_equal(
        connect(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
    return fd;
}

static int set_up(void **state)
{
    struct fixture *f = mem_new(struct fixture);

    assert_non_null(f);
    f->world = io_world_uv();
    end_start(&f->node, f->world, "bert");
    for (int i = 0; i < CROWD; i++) {
        f->crowd[i] = -1;
    }
    f->fd = connect_to(f);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    end_kill(&f->node);
    f->world->ops->free(f->world);
    for (int i = 0; i < CROWD; i++) {
        if (f->crowd[i] >= 0) {
            (void)close(f->crowd[i]);
        }
    }
    (void)close(f->fd);
    mem_free(f);
    return 0;
}

/* ---- talking ------------------------------------------------------------- */

static void say_bytes(struct fixture *f, const void *bytes, size_t size)
{
    assert_int_equal(send(f->fd, bytes, size, MSG_NOSIGNAL), size);
}

/* A frame of this envelope; `crc` and the payload as given. */
static void say(struct fixture *f, const Edged__Envelope *env,
                const void *payload, size_t size, uint32_t crc)
{
    uint8_t header[FRAME_HEADER];
    size_t head_size;
    uint8_t *head;

    assert_int_equal(msg_pack(env, size, crc, &head, &head_size), 0);
    frame_header_write(header, (uint32_t)head_size, (uint32_t)size);
    say_bytes(f, header, sizeof(header));
    say_bytes(f, head, head_size);
    if (size > 0) {
        say_bytes(f, payload, size);
    }
    mem_free(head);
}

static Edged__Hello hello_of(const char *name)
{
    Edged__Hello hello = EDGED__HELLO__INIT;

    hello.major = FRAME_MAJOR;
    hello.role = EDGED__ROLE__ROLE_NODE;
    hello.name = (char *)(uintptr_t)name;
    hello.cluster = "home";
    hello.version = "0.0\033[31m";
    return hello;
}

static void say_hello(struct fixture *f, Edged__Hello *hello)
{
    Edged__Envelope env = EDGED__ENVELOPE__INIT;

    env.body_case = EDGED__ENVELOPE__BODY_HELLO;
    env.hello = hello;
    say(f, &env, NULL, 0, 0);
}

static void say_beat(struct fixture *f)
{
    Edged__Envelope env = EDGED__ENVELOPE__INIT;
    Edged__Beat beat = EDGED__BEAT__INIT;

    env.body_case = EDGED__ENVELOPE__BODY_BEAT;
    env.beat = &beat;
    say(f, &env, NULL, 0, 0);
}

/* Reads what has come; true at the end. */
static bool drain(void *arg)
{
    struct fixture *f = arg;
    ssize_t n = 1;

    while (!f->closed && n > 0) {
        n = read(f->fd, f->got + f->got_size, sizeof(f->got) - f->got_size);
        if (n > 0) {
            f->got_size += (size_t)n;
        } else if (n == 0 || errno != EAGAIN) {
            f->closed = true;
        }
    }
    return f->closed;
}

static bool has_answer(void *arg)
{
    struct fixture *f = arg;

    (void)drain(f);
    return f->got_size > 0;
}

/* The first frame of the answer, which must be of that kind. */
static struct msg answer(struct fixture *f, Edged__Envelope__BodyCase kind)
{
    struct frame_header header;
    struct msg msg = {0};
    struct err err;

    assert_true(f->world->ops->run(f->world, has_answer, f, 3000));
    if (frame_header_read(f->got, LIMIT_HEAD, 0, &header, &err) < 0 ||
        msg_unpack(f->got + FRAME_HEADER, header.head_size, NULL, LIMIT_UNPACK,
                   &msg, &err) < 0) {
        fail_msg("%s", err.text);
    }
    assert_int_equal(msg.env->body_case, kind);
    f->got_size -= FRAME_HEADER + header.head_size;
    memmove(f->got, f->got + FRAME_HEADER + header.head_size, f->got_size);
    return msg;
}

static void expect_hello(struct fixture *f)
{
    struct msg msg = answer(f, EDGED__ENVELOPE__BODY_HELLO);

    assert_string_equal(msg.env->hello->name, "bert");
    msg_deinit(&msg);
}

/* A Goodbye that says so, then the end. */
static void expect_goodbye(struct fixture *f, int code, const char *text)
{
    struct msg msg = answer(f, EDGED__ENVELOPE__BODY_GOODBYE);

    assert_string_equal(msg.env->goodbye->text, text);
    assert_int_equal(msg.env->goodbye->code, code);
    msg_deinit(&msg);
    assert_true(f->world->ops->run(f->world, drain, f, 3000));
}

static void become_known(struct fixture *f)
{
    Edged__Hello hello = hello_of("mallory");

    say_hello(f, &hello);
    expect_hello(f);
    assert_int_equal(f->node.ups, 1);
}

/* ---- Hello --------------------------------------------------------------- */

static void test_another_major_version_is_refused(void **state)
{
    struct fixture *f = *state;
    Edged__Hello hello = hello_of("mallory");

    hello.major = 2;
    hello.minor = 3;
    say_hello(f, &hello);
    expect_goodbye(f, EDGE_EUNSUPPORTED,
                   "version 2.3 of the protocol is not version 1.1, which "
                   "bert speaks");
    assert_int_equal(f->node.ups, 0);
}

static void test_another_major_version_of_frames_is_refused(void **state)
{
    struct fixture *f = *state;
    uint8_t frame[FRAME_HEADER + 1];

    frame_header_write(frame, 1, 0);
    bytes_put32(frame + 4, 7 << 16 | 1);
    bytes_put32(frame + 16, bytes_crc32c(0, frame, 16));
    frame[FRAME_HEADER] = 0xff; /* whatever version 7 may say */
    say_bytes(f, frame, sizeof(frame));
    expect_goodbye(f, EDGE_EUNSUPPORTED,
                   "version 7.1 of the protocol is not version 1.1, which "
                   "bert speaks");
}

static void test_a_newer_minor_version_is_welcome(void **state)
{
    struct fixture *f = *state;
    Edged__Hello hello = hello_of("mallory");

    hello.minor = 9;
    say_hello(f, &hello);
    expect_hello(f);
}

static void test_a_name_that_is_none_is_refused(void **state)
{
    static const char *const names[] = {"", "../etc", "a b", "-x"};
    struct fixture *f = *state;

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        Edged__Hello hello = hello_of(names[i]);

        say_hello(f, &hello);
        expect_goodbye(f, EDGE_EPROTO,
                       "a name in Hello has other characters than letters, "
                       "digits, \".\", \"_\" and \"-\", or is too long");
        (void)close(f->fd);
        f->fd = connect_to(f);
        f->closed = false;
    }
}

static void test_another_expectation_is_refused(void **state)
{
    struct fixture *f = *state;
    Edged__Hello hello = hello_of("mallory");

    hello.expects = "carl";
    say_hello(f, &hello);
    expect_goodbye(f, EDGE_EREFUSED, "\"bert\" answers where \"carl\" should");
}

static void test_a_version_text_is_sanitized(void **state)
{
    struct fixture *f = *state;

    become_known(f);
    assert_string_equal(f->node.peer->version, "0.0?[31m");
}

static void test_a_message_before_hello_is_refused(void **state)
{
    struct fixture *f = *state;

    say_beat(f);
    expect_goodbye(f, EDGE_EPROTO, "Beat came before Hello");
}

static void test_a_second_hello_is_refused(void **state)
{
    struct fixture *f = *state;
    Edged__Hello hello = hello_of("mallory");

    become_known(f);
    say_hello(f, &hello);
    expect_goodbye(f, EDGE_EPROTO, "Hello came as a second Hello");
    end_until(&f->node, downs, 1, 2000);
    assert_int_equal(f->node.messages, 0);
}

static void test_a_stranger_gets_small_limits(void **state)
{
    struct fixture *f = *state;
    uint8_t header[FRAME_HEADER];

    frame_header_write(header, 5000, 0);
    say_bytes(f, header, sizeof(header));
    expect_goodbye(f, EDGE_EPROTO,
                   "a frame's head of 5000 bytes is not within 1 .. 4096");
}

static void test_a_stranger_sends_no_payload(void **state)
{
    struct fixture *f = *state;
    uint8_t header[FRAME_HEADER];

    frame_header_write(header, 50, 1);
    say_bytes(f, header, sizeof(header));
    expect_goodbye(f, EDGE_EPROTO,
                   "a frame's payload of 1 bytes is larger than 0");
}

static void test_another_protocol_is_told_so(void **state)
{
    struct fixture *f = *state;

    say_bytes(f, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", 35);
    expect_goodbye(f, EDGE_EPROTO,
                   "this is not edged's protocol (no frame begins here)");
}

static void test_a_silent_stranger_is_closed(void **state)
{
    struct fixture *f = *state;
    uint64_t before_us = io_now_us(f->node.io);

    limits(f)->hello_ms = 300;
    expect_goodbye(f, EDGE_ETIMEOUT, "no Hello came in time");
    assert_true(io_now_us(f->node.io) - before_us < 1500000);
}

static bool crowd_is_small(void *arg)
{
    struct fixture *f = arg;
    size_t open = 0;

    for (int i = 0; i < CROWD; i++) {
        char byte;

        open += recv(f->crowd[i], &byte, 1, MSG_PEEK) < 0 && errno == EAGAIN;
    }
    return open <= LIMIT_UNAUTH_CONNS;
}

static void test_a_crowd_of_strangers_is_bounded(void **state)
{
    struct fixture *f = *state;

    for (int i = 0; i < CROWD; i++) {
        f->crowd[i] = connect_to(f);
    }
    assert_true(f->world->ops->run(f->world, crowd_is_small, f, 3000));
    assert_int_equal(hub_of(f->node.io)->n_strangers, LIMIT_UNAUTH_CONNS);
    /* An honest peer still comes in: the most patient stranger goes. */
    (void)close(f->fd);
    f->fd = connect_to(f);
    f->closed = false;
    become_known(f);
}

static void test_known_peers_are_bounded_too(void **state)
{
    struct fixture *f = *state;
    Edged__Hello hello = hello_of("oscar");

    limits(f)->accepted = 1;
    become_known(f);
    f->crowd[0] = f->fd;
    f->fd = connect_to(f);
    say_hello(f, &hello);
    expect_goodbye(f, EDGE_EBUSY,
                   "bert has 1 connections, which is all it accepts");
    (void)close(f->fd);
    f->fd = connect_to(f);
    f->closed = false;
    hello = hello_of("mallory"); /* instead of its older one */
    say_hello(f, &hello);
    expect_hello(f);
}

/* ---- frames -------------------------------------------------------------- */

static void test_a_payload_is_checked(void **state)
{
    struct fixture *f = *state;
    Edged__Envelope env = EDGED__ENVELOPE__INIT;
    Edged__Data data = EDGED__DATA__INIT;

    become_known(f);
    env.body_case = EDGED__ENVELOPE__BODY_DATA;
    env.data = &data;
    say(f, &env, "hello", 5, bytes_crc32c(0, "hello", 5));
    end_until_messages(&f->node, 1, 2000);
    say(f, &env, "hellp", 5, bytes_crc32c(0, "hello", 5));
    expect_goodbye(f, EDGE_EPROTO, "the checksum of a payload is wrong");
    assert_int_equal(f->node.messages, 1);
}

static void test_a_program_may_want_smaller_payloads(void **state)
{
    struct fixture *f = *state;
    Edged__Envelope env = EDGED__ENVELOPE__INIT;
    Edged__Data data = EDGED__DATA__INIT;

    become_known(f);
    f->node.io->payload_max = 5;
    env.body_case = EDGED__ENVELOPE__BODY_DATA;
    env.data = &data;
    say(f, &env, "hello", 5, bytes_crc32c(0, "hello", 5));
    end_until_messages(&f->node, 1, 2000);
    f->node.io->payload_max = 4;
    say(f, &env, "hello", 5, bytes_crc32c(0, "hello", 5));
    expect_goodbye(f, EDGE_EPROTO,
                   "a frame's payload of 5 bytes is larger than 4");
    assert_int_equal(f->node.messages, 1);
}

static void test_nothing_is_heard_after_an_error(void **state)
{
    struct fixture *f = *state;
    uint8_t junk[FRAME_HEADER] = {0};

    become_known(f);
    say_beat(f);
    say_bytes(f, junk, sizeof(junk));
    say_beat(f);
    expect_goodbye(f, EDGE_EPROTO,
                   "this is not edged's protocol (no frame begins here)");
    end_until(&f->node, downs, 1, 2000);
    assert_int_equal(f->node.messages, 1);
}

static void test_a_frame_byte_by_byte_takes_too_long(void **state)
{
    struct fixture *f = *state;
    uint8_t header[FRAME_HEADER];

    limits(f)->frame_ms = 400;
    become_known(f);
    frame_header_write(header, 60, 0);
    for (int i = 0; i < FRAME_HEADER && !drain(f) && f->got_size == 0; i++) {
        say_bytes(f, header + i, 1);
        end_run_for(&f->node, 100); /* never silent for long */
    }
    expect_goodbye(f, EDGE_ETIMEOUT, "a frame took too long");
}

static void test_who_does_not_read_is_closed(void **state)
{
    struct fixture *f = *state;

    limits(f)->stuck_ms = 500;
    become_known(f);
    while (end_send_data(&f->node, f->node.peer, 1, MIB(1)) == 0) {
    }
    end_until(&f->node, downs, 1, 3000);
    assert_int_equal(f->node.rc, EDGE_ETIMEOUT);
    assert_string_equal(f->node.why, "nothing can be written to it");
}

static void test_goodbye_gives_the_reason(void **state)
{
    struct fixture *f = *state;
    Edged__Envelope env = EDGED__ENVELOPE__INIT;
    Edged__Goodbye goodbye = EDGED__GOODBYE__INIT;

    become_known(f);
    env.body_case = EDGED__ENVELOPE__BODY_GOODBYE;
    env.goodbye = &goodbye;
    goodbye.code = -4711; /* none of ours */
    goodbye.text = "so\nlong";
    say(f, &env, NULL, 0, 0);
    end_until(&f->node, downs, 1, 2000);
    assert_int_equal(f->node.rc, EDGE_ECLOSED);
    assert_string_equal(f->node.why, "so?long");
}

static bool has_no_connection(void *arg)
{
    const struct fixture *f = arg;

    return list_is_empty(&hub_of(f->node.io)->conns);
}

static void test_who_does_not_close_is_closed_all_the_same(void **state)
{
    struct fixture *f = *state;

    limits(f)->leave_ms = 60000;
    become_known(f);
    end_hang_up(&f->node, f->node.peer, EDGE_EBUSY, "go away");
    expect_goodbye(f, EDGE_EBUSY, "go away"); /* and its end; ours is open */
    limits(f)->leave_ms = 100;
    assert_true(f->world->ops->run(f->world, has_no_connection, f, 3000));
    assert_int_equal(f->node.downs, 1);
    assert_int_equal(f->node.rc, EDGE_EBUSY);
}

/* ---- descriptors --------------------------------------------------------- */

static void test_running_out_of_descriptors_is_survived(void **state)
{
    struct fixture *f = *state;
    struct rlimit before;
    struct rlimit tight;
    int top = dup(f->fd);

    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    for (int i = 0; i < 20; i++) {
        f->crowd[i] = connect_to(f); /* in the backlog */
    }
    tight = before;
    tight.rlim_cur = (rlim_t)f->crowd[19] + 3; /* two more can be accepted */
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &tight), 0);
    end_run_for(&f->node, 200);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    (void)close(top);
    (void)close(f->fd);
    f->fd = connect_to(f);
    f->closed = false;
    become_known(f);
}

/* With all descriptors taken by strangers, an honest peer gets the place of
 * one of them; known peers are not pushed out, and nobody spins. */
static void test_the_last_descriptors_are_not_for_strangers(void **state)
{
    struct fixture *f = *state;
    Edged__Hello hello = hello_of("mallory");
    struct rlimit before;
    struct rlimit tight;

    end_run_for(&f->node, 50); /* what there is is accepted */
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    for (int i = 0; i < 20; i++) {
        f->crowd[i] = connect_to(f); /* in the backlog */
    }
    (void)close(f->fd);
    f->fd = connect_to(f);
    say_hello(f, &hello);
    tight = before;
    tight.rlim_cur = (rlim_t)f->crowd[19] + 1 + 4 + 3;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &tight), 0);
    expect_hello(f);
    assert_true(hub_of(f->node.io)->n_strangers <= 4);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    end_run_for(&f->node, 100);
    assert_int_equal(f->node.downs, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_another_major_version_is_refused),
        TEST(test_another_major_version_of_frames_is_refused),
        TEST(test_a_newer_minor_version_is_welcome),
        TEST(test_a_name_that_is_none_is_refused),
        TEST(test_another_expectation_is_refused),
        TEST(test_a_version_text_is_sanitized),
        TEST(test_a_message_before_hello_is_refused),
        TEST(test_a_second_hello_is_refused),
        TEST(test_a_stranger_gets_small_limits),
        TEST(test_a_stranger_sends_no_payload),
        TEST(test_another_protocol_is_told_so),
        TEST(test_a_silent_stranger_is_closed),
        TEST(test_a_crowd_of_strangers_is_bounded),
        TEST(test_known_peers_are_bounded_too),
        TEST(test_a_payload_is_checked),
        TEST(test_a_program_may_want_smaller_payloads),
        TEST(test_nothing_is_heard_after_an_error),
        TEST(test_a_frame_byte_by_byte_takes_too_long),
        TEST(test_who_does_not_read_is_closed),
        TEST(test_goodbye_gives_the_reason),
        TEST(test_who_does_not_close_is_closed_all_the_same),
        TEST(test_running_out_of_descriptors_is_survived),
        TEST(test_the_last_descriptors_are_not_for_strangers),
    };

    return cmocka_run_group_tests_name("hostile", tests, NULL, NULL);
}
