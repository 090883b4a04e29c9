/*
 * A coordinator that says what a test wants: a child process at a Unix socket
 * which greets a client and then plays a script.
 */
#ifndef EDGE_TESTS_FAKE_COORDINATOR_H
#define EDGE_TESTS_FAKE_COORDINATOR_H

#include "tests/lib/tmp.h"
#include "wire/msg.h"

#include <sys/types.h>

struct fake_coordinator {
    struct tmp tmp;
    char path[TMP_PATH];
    pid_t child;
};

/* Plays in the child, over `fd`; the connection is closed when it returns. */
typedef void (*fake_script)(int fd);

void fake_coordinator_start(struct fake_coordinator *fake, fake_script script);
/* Waits for the child; the test fails if the child did. */
void fake_coordinator_end(struct fake_coordinator *fake);

/* For scripts; a failure ends the child, and with it the test. */
void fake_send(int fd, const Edged__Envelope *env, const void *payload,
               size_t size);
void fake_receive(int fd, struct msg *msg);
/* One output, or the answer, of a request. */
void fake_send_floats(int fd, uint64_t request, uint32_t port, size_t n,
                      const float *values);
void fake_send_answer(int fd, uint64_t request, int code, const char *text);
/* Waits until the client has gone. */
void fake_wait(int fd);

#endif
