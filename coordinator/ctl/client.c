#include "coordinator/ctl/client.h"

#include "base/bytes.h"
#include "base/limits.h"
#include "base/mem.h"
#include "wire/convert.h"
#include "wire/frame.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define PUT_AHEAD 8 /* pieces that are not acknowledged */
#define ANSWER_MS 30000
#define AGAIN_MS 50

struct client {
    char *path;
    int fd;
    struct frame_reader reader;
};

int client_fd(const struct client *client)
{
    return client->fd;
}

/* ---- out
 * --------------------------------------------------------------------- */

static int wait_for(int fd, short events, int timeout_ms)
{
    struct pollfd p = {.fd = fd, .events = events};
    int n;

    do {
        n = poll(&p, 1, timeout_ms);
    } while (n < 0 && errno == EINTR);
    return n == 0 ? EDGE_ETIMEOUT : n < 0 ? EDGE_EIO : 0;
}

static int write_parts(int fd, struct iovec *parts, int n)
{
    int at = 0;

    while (at < n) {
        /* Like writev(), but without SIGPIPE from one who is gone. */
        struct msghdr message = {.msg_iov = parts + at,
                                 .msg_iovlen = (size_t)(n - at)};
        ssize_t done = sendmsg(fd, &message, MSG_NOSIGNAL);

        if (done < 0 && errno == EINTR) {
            continue;
        }
        if (done < 0 && errno == EAGAIN) {
            if (wait_for(fd, POLLOUT, ANSWER_MS) < 0) {
                return EDGE_ETIMEOUT;
            }
            continue;
        }
        if (done < 0) {
            return EDGE_ECLOSED;
        }
        while (at < n && (size_t)done >= parts[at].iov_len) {
            done -= (ssize_t)parts[at].iov_len;
            at++;
        }
        if (at < n) {
            parts[at].iov_base = (char *)parts[at].iov_base + done;
            parts[at].iov_len -= (size_t)done;
        }
    }
    return 0;
}

int client_send(struct client *client, const Edged__Envelope *env,
                const void *payload, size_t size, struct err *err)
{
    uint8_t header[FRAME_HEADER];
    uint8_t *head = NULL;
    size_t head_size;
    struct iovec parts[3];
    int rc = msg_pack(env, size, 0, &head, &head_size);

    if (rc < 0) {
        return err_set(err, rc, "a message is too large");
    }
    frame_header_write(header, (uint32_t)head_size, (uint32_t)size);
    parts[0] = (struct iovec){header, sizeof(header)};
    parts[1] = (struct iovec){head, head_size};
    parts[2] = (struct iovec){(void *)(uintptr_t)payload, size};
    rc = write_parts(client->fd, parts, size > 0 ? 3 : 2);
    mem_free(head);
    return rc < 0 ? err_set(err, rc,
                            "the coordinator closed the connection. "
                            "Try: edgectl logs coordinator")
                  : 0;
}

/* ---- in
 * ---------------------------------------------------------------------- */

static int64_t now_ms(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* One read; 1: a frame is whole. */
static int read_some(struct client *client, struct err *err)
{
    size_t room;
    uint8_t *at = frame_reader_room(&client->reader, &room);
    ssize_t n;

    if (at == NULL) {
        return err_set(err, EDGE_ENOMEM, "out of memory");
    }
    do {
        n = read(client->fd, at, room);
    } while (n < 0 && errno == EINTR);
    if (n <= 0) {
        return err_set(err, EDGE_ECLOSED,
                       "the coordinator closed the connection. Try: edgectl "
                       "status");
    }
    return frame_reader_filled(&client->reader, (size_t)n, err);
}

int client_receive(struct client *client, int timeout_ms, struct msg *msg,
                   struct err *err)
{
    int64_t until = now_ms() + timeout_ms;
    int rc = 0;

    while (rc == 0) {
        int64_t left = until - now_ms();

        if (wait_for(client->fd, POLLIN, left > 0 ? (int)left : 0) < 0) {
            return err_set(err, EDGE_ETIMEOUT,
                           "the coordinator did not answer within %d s",
                           timeout_ms / 1000);
        }
        rc = read_some(client, err);
    }
    if (rc == 1) {
        struct frame_reader *r = &client->reader;

        rc = msg_unpack(r->head, r->header.head_size, r->payload, LIMIT_UNPACK,
                        msg, err);
        if (rc == 0) {
            r->payload = NULL;
        }
        frame_reader_next(r);
    }
    return rc;
}

int client_no_answer(const Edged__Envelope *env, struct err *err)
{
    return env->body_case == EDGED__ENVELOPE__BODY_GOODBYE
               ? err_set(err,
                         env->goodbye->code == EDGE_ECLOSED ? EDGE_ECLOSED
                                                            : EDGE_EREFUSED,
                         "the coordinator closed the connection: %s",
                         env->goodbye->text)
               : err_set(err, EDGE_EPROTO, "the coordinator answered with %s",
                         msg_kind_name(env->body_case));
}

int client_expect(struct client *client, int timeout_ms,
                  Edged__Envelope__BodyCase kind, struct msg *msg,
                  struct err *err)
{
    int rc = client_receive(client, timeout_ms, msg, err);

    if (rc == 0 && msg->env->body_case != kind) {
        if (msg->env->body_case == EDGED__ENVELOPE__BODY_GOODBYE) {
            rc = err_set(err, EDGE_EREFUSED, "the coordinator refuses: %s",
                         msg->env->goodbye->text);
        } else {
            rc = err_set(err, EDGE_EPROTO,
                         "the coordinator answered with %s. Are edgectl and "
                         "edge-coordinator of one version?",
                         msg_kind_name(msg->env->body_case));
        }
        msg_deinit(msg);
    }
    return rc;
}

/* ---- life
 * -------------------------------------------------------------------- */

static int dial(const char *path, struct err *err)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd;

    if (strlen(path) >= sizeof(address.sun_path)) {
        return err_set(err, EDGE_EINVAL, "the socket's path is too long: %s",
                       path);
    }
    memcpy(address.sun_path, path, strlen(path));
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 ||
        connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
        int number = errno;

        if (fd >= 0) {
            (void)close(fd);
        }
        if (number == EACCES) {
            return err_set(err, EDGE_EUNREACHABLE,
                           "cannot reach the coordinator at %s: it is for root "
                           "alone. Try:  sudo edgectl ...",
                           path);
        }
        return err_set(err, EDGE_EUNREACHABLE,
                       "cannot reach the coordinator at %s: %s.\n  No cluster "
                       "runs here. Start a local one:  edgectl up     or "
                       "choose another:  edgectl -c NAME ...",
                       path,
                       number == ENOENT ? "no such file" : strerror(number));
    }
    return fd;
}

static int say_hello(struct client *client, struct err *err)
{
    Edged__Envelope env = EDGED__ENVELOPE__INIT;
    Edged__Hello hello = EDGED__HELLO__INIT;
    struct msg msg;
    int rc;

    hello.major = FRAME_MAJOR;
    hello.minor = FRAME_MINOR;
    hello.role = EDGED__ROLE__ROLE_CLIENT;
    hello.name = (char *)(uintptr_t) "edgectl";
    (void)!getrandom(&hello.instance, sizeof(hello.instance), 0);
    env.body_case = EDGED__ENVELOPE__BODY_HELLO;
    env.hello = &hello;
    rc = client_send(client, &env, NULL, 0, err);
    if (rc == 0) {
        rc = client_expect(client, HELLO_MS, EDGED__ENVELOPE__BODY_HELLO, &msg,
                           err);
    }
    if (rc == 0) {
        msg_deinit(&msg);
    }
    return rc;
}

int client_open(const char *path, struct client **out, struct err *err)
{
    struct client *client = mem_new(struct client);
    int rc;

    if (client == NULL) {
        return err_set(err, EDGE_ENOMEM, "out of memory");
    }
    frame_reader_init(&client->reader, LIMIT_HEAD, LIMIT_PAYLOAD);
    client->fd = -1;
    client->path = mem_strdup(path);
    if (client->path == NULL) {
        client_close(client);
        return err_set(err, EDGE_ENOMEM, "out of memory");
    }
    client->fd = dial(path, err);
    rc = client->fd < 0 ? client->fd : say_hello(client, err);
    if (rc < 0) {
        client_close(client);
        return rc;
    }
    *out = client;
    return 0;
}

/* The new connection gets the number of the old one: others poll it. */
static int reopen(struct client *client, struct err *err)
{
    int fd = dial(client->path, err);
    int rc;

    if (fd < 0) {
        return fd;
    }
    rc = dup3(fd, client->fd, O_CLOEXEC);
    (void)close(fd);
    if (rc < 0) {
        return err_set(err, EDGE_EIO, "cannot connect: %s", strerror(errno));
    }
    frame_reader_deinit(&client->reader);
    frame_reader_init(&client->reader, LIMIT_HEAD, LIMIT_PAYLOAD);
    return say_hello(client, err);
}

int client_again(struct client *client, int patience_ms, struct err *err)
{
    int64_t until = now_ms() + patience_ms;
    int rc = reopen(client, err);

    while (rc < 0 && now_ms() < until) {
        (void)poll(NULL, 0, AGAIN_MS);
        rc = reopen(client, err);
    }
    return rc < 0 ? err_set(err, EDGE_EUNREACHABLE,
                            "the coordinator went away and has not come back "
                            "within %d s. Try: edgectl status",
                            patience_ms / 1000)
                  : 0;
}

void client_close(struct client *client)
{
    if (client == NULL) {
        return;
    }
    if (client->fd >= 0) {
        (void)close(client->fd);
    }
    frame_reader_deinit(&client->reader);
    mem_free(client->path);
    mem_free(client);
}

/* ---- files
 * --------------------------------------------------------------------- */

static int send_piece(struct client *client, const struct digest *digest,
                      const struct blob *blob, uint64_t offset, size_t size,
                      struct err *err)
{
    Edged__Envelope env = EDGED__ENVELOPE__INIT;
    Edged__Chunk chunk = EDGED__CHUNK__INIT;
    Edged__BlobRef ref = EDGED__BLOB_REF__INIT;

    ref.digest = convert_digest_out(digest);
    ref.size = blob->size;
    chunk.blob = &ref;
    chunk.offset = offset;
    env.body_case = EDGED__ENVELOPE__BODY_CHUNK;
    env.chunk = &chunk;
    return client_send(client, &env, blob->data + offset, size, err);
}

static int receive_ack(struct client *client, uint64_t *received,
                       struct err *err)
{
    struct msg msg;
    int rc = client_expect(client, ANSWER_MS, EDGED__ENVELOPE__BODY_CHUNK_ACK,
                           &msg, err);

    if (rc < 0) {
        return rc;
    }
    *received = msg.env->chunk_ack->received;
    if (msg.env->chunk_ack->code < 0) {
        rc = err_set(err, msg.env->chunk_ack->code, "the coordinator: %s",
                     msg.env->chunk_ack->text);
    }
    msg_deinit(&msg);
    return rc;
}

int client_put(struct client *client, const struct blob *blob,
               struct digest *digest, uint64_t *sent, client_step step,
               void *arg, struct err *err)
{
    uint64_t received = 0;
    uint64_t offset;
    size_t ahead = 0;
    int rc;

    digest_of(blob->data, blob->size, digest);
    rc = send_piece(client, digest, blob, 0, 0, err); /* what is there? */
    if (rc == 0) {
        rc = receive_ack(client, &received, err);
    }
    offset = received;
    while (rc == 0 && received < blob->size) {
        uint64_t left = blob->size - offset;

        if (left > 0 && ahead < PUT_AHEAD) {
            size_t size = left < LIMIT_CHUNK ? (size_t)left : LIMIT_CHUNK;

            rc = send_piece(client, digest, blob, offset, size, err);
            offset += size;
            ahead++;
            if (sent != NULL) {
                *sent += size;
            }
        } else {
            rc = receive_ack(client, &received, err);
            ahead--;
            if (step != NULL) {
                step(arg, received, blob->size);
            }
        }
    }
    while (rc == 0 && ahead > 0) { /* of pieces that came after the end */
        rc = receive_ack(client, &received, err);
        ahead--;
    }
    return rc;
}
