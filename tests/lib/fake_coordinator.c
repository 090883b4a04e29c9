#include "tests/lib/fake_coordinator.h"
#include "tests/lib/unit.h"

#include "base/limits.h"
#include "base/mem.h"
#include "tensor/shape.h"
#include "wire/frame.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define PATIENCE_S 60 /* of the child, so that it never outlives a test */

static void need(bool ok, const char *what)
{
    if (!ok) {
        (void)fprintf(stderr, "fake coordinator: %s\n", what);
        _exit(1);
    }
}

/* ---- messages ----------------------------------------------------------- */

static void write_all(int fd, const void *data, size_t size)
{
    const char *at = data;

    while (size > 0) {
        ssize_t n = write(fd, at, size);

        need(n > 0, "write");
        at += n;
        size -= (size_t)n;
    }
}

void fake_send(int fd, const Edged__Envelope *env, const void *payload,
               size_t size)
{
    uint8_t header[FRAME_HEADER];
    uint8_t *head;
    size_t head_size;

    need(msg_pack(env, size, 0, &head, &head_size) == 0, "pack");
    frame_header_write(header, (uint32_t)head_size, (uint32_t)size);
    write_all(fd, header, sizeof(header));
    write_all(fd, head, head_size);
    write_all(fd, payload, size);
    mem_free(head);
}

void fake_receive(int fd, struct msg *msg)
{
    struct frame_reader reader;
    int rc = 0;

    frame_reader_init(&reader, LIMIT_HEAD, LIMIT_PAYLOAD);
    while (rc == 0) {
        size_t room;
        uint8_t *at = frame_reader_room(&reader, &room);
        ssize_t n = read(fd, at, room);

        need(n > 0, "read");
        rc = frame_reader_filled(&reader, (size_t)n, NULL);
    }
    need(rc == 1, "frame");
    need(msg_unpack(reader.head, reader.header.head_size, reader.payload,
                    LIMIT_UNPACK, msg, NULL) == 0,
         "unpack");
    reader.payload = NULL;
    frame_reader_deinit(&reader);
}

void fake_send_floats(int fd, uint64_t request, uint32_t port, size_t n,
                      const float *values)
{
    Edged__Envelope env = EDGED__ENVELOPE__INIT;
    Edged__Data data = EDGED__DATA__INIT;
    Edged__TensorMeta meta = EDGED__TENSOR_META__INIT;
    int64_t dims[] = {1, (int64_t)n};

    meta.dtype = DTYPE_F32;
    meta.dims = dims;
    meta.n_dims = 2;
    data.request = request;
    data.port = port;
    data.tensor = &meta;
    env.body_case = EDGED__ENVELOPE__BODY_DATA;
    env.data = &data;
    fake_send(fd, &env, values, n * sizeof(*values));
}

void fake_send_answer(int fd, uint64_t request, int code, const char *text)
{
    Edged__Envelope env = EDGED__ENVELOPE__INIT;
    Edged__Answer answer = EDGED__ANSWER__INIT;

    answer.request = request;
    answer.code = code;
    answer.text = (char *)(uintptr_t)text;
    answer.complete = code == 0;
    answer.latency_us = 1000;
    env.body_case = EDGED__ENVELOPE__BODY_ANSWER;
    env.answer = &answer;
    fake_send(fd, &env, NULL, 0);
}

void fake_wait(int fd)
{
    char byte;

    while (read(fd, &byte, 1) > 0) {
    }
}

/* ---- the process -------------------------------------------------------- */

static void greet(int fd)
{
    Edged__Envelope env = EDGED__ENVELOPE__INIT;
    Edged__Hello hello = EDGED__HELLO__INIT;
    struct msg msg;

    fake_receive(fd, &msg);
    need(msg.env->body_case == EDGED__ENVELOPE__BODY_HELLO, "no hello");
    msg_deinit(&msg);
    hello.major = FRAME_MAJOR;
    hello.role = EDGED__ROLE__ROLE_COORDINATOR;
    hello.name = (char *)(uintptr_t) "coordinator";
    env.body_case = EDGED__ENVELOPE__BODY_HELLO;
    env.hello = &hello;
    fake_send(fd, &env, NULL, 0);
}

static void play(int listener, fake_script script)
{
    int fd;

    (void)alarm(PATIENCE_S);
    fd = accept(listener, NULL, NULL);
    need(fd >= 0, "accept");
    greet(fd);
    script(fd);
    (void)close(fd);
    _exit(0);
}

void fake_coordinator_start(struct fake_coordinator *fake, fake_script script)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    tmp_init(&fake->tmp);
    (void)snprintf(fake->path, sizeof(fake->path), "%s",
                   tmp_path(&fake->tmp, "api.sock"));
    assert_true(strlen(fake->path) < sizeof(address.sun_path));
    memcpy(address.sun_path, fake->path, strlen(fake->path));
    assert_int_equal(
        bind(listener, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(listener, 1), 0);
    fake->child = fork();
    assert_true(fake->child >= 0);
    if (fake->child == 0) {
        play(listener, script);
    }
    (void)close(listener);
}

void fake_coordinator_end(struct fake_coordinator *fake)
{
    int status = -1;

    assert_int_equal(waitpid(fake->child, &status, 0), fake->child);
    tmp_deinit(&fake->tmp);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}
