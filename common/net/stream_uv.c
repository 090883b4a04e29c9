#include "net/stream_uv.h"

#include "base/mem.h"
#include "net/address.h"
#include "net/io_uv_inner.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/un.h>
#include <unistd.h>

/* Kept for files, and for dialing. */
#define RESERVE_FDS 4

/* For those who are silent by right, such as a client that waits. */
#define KEEPALIVE_S 10

struct stream_uv {
    struct stream base; /* first */
    union {
        uv_handle_t handle;
        uv_stream_t stream;
        uv_tcp_t tcp;
        uv_pipe_t pipe;
    } uv;
    uv_connect_t connect;
    uv_shutdown_t shutdown;
    struct io_uv *io;
    struct address_query *query; /* while a name is being resolved */
    unsigned attempt;
    bool ready;  /* connected */
    bool spoils; /* the next write: stream_spoil() */
};

/* One write that could not be done at once. */
struct write {
    uv_write_t req;
    stream_done done;
    void *arg;
    uint8_t *copy; /* of bytes that are spoiled; NULL: none */
};

/* uv's buffers are iovecs by another name, on Unix. */
static_assert(sizeof(uv_buf_t) == sizeof(struct iovec) &&
                  offsetof(uv_buf_t, base) == offsetof(struct iovec, iov_base),
              "a uv_buf_t is an iovec");

static struct stream_uv *of(struct stream *base)
{
    return (struct stream_uv *)(void *)base;
}

static struct stream_uv *of_handle(uv_stream_t *handle)
{
    return container_of(handle, struct stream_uv, uv.stream);
}

static int code_of(int status)
{
    switch (status) {
    case UV_EOF:
    case UV_EPIPE:
    case UV_ECONNRESET:
    case UV_ECONNABORTED: return EDGE_ECLOSED;
    default: return err_from_errno(-status);
    }
}

static void end(struct stream_uv *s, int rc, const char *why)
{
    if (!uv_is_closing(&s->uv.handle)) {
        s->base.events->on_end(&s->base, rc, why);
    }
}

static void end_by(struct stream_uv *s, int status)
{
    end(s, code_of(status),
        status == UV_EOF ? "closed by the other end" : uv_strerror(status));
}

/* ---- reading ------------------------------------------------------------- */

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    struct stream_uv *s = of_handle((uv_stream_t *)handle);
    size_t size;

    (void)suggested;
    buf->base = (char *)s->base.events->room(&s->base, &size);
    buf->len = size;
}

static void on_read(uv_stream_t *handle, ssize_t n, const uv_buf_t *buf)
{
    struct stream_uv *s = of_handle(handle);

    if (n < 0) {
        (void)uv_read_stop(handle);
        end_by(s, (int)n);
    } else if (n > 0) {
        s->base.events->on_bytes(&s->base, (const uint8_t *)buf->base,
                                 (size_t)n);
    }
}

/* A silent peer is noticed by its missing beats (SUSPECT_MS) and by TCP
 * itself once something was sent to it (without this: after 15 minutes). */
static void set_options(struct stream_uv *s)
{
    unsigned timeout_ms = USER_TIMEOUT_MS;
    uv_os_fd_t fd;

    if (s->base.local || uv_fileno(&s->uv.handle, &fd) < 0) {
        return;
    }
    (void)uv_tcp_nodelay(&s->uv.tcp, 1);
    (void)uv_tcp_keepalive(&s->uv.tcp, 1, KEEPALIVE_S);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &timeout_ms,
                     sizeof(timeout_ms));
}

/* Connections from this machine itself are not counted by address. */
static void note_origin(struct stream_uv *s)
{
    struct sockaddr_storage from = {0};
    int size = sizeof(from);

    if (s->base.local ||
        uv_tcp_getpeername(&s->uv.tcp, (struct sockaddr *)&from, &size) < 0) {
        return;
    }
    s->base.counted = !address_is_loopback(&from);
    address_bytes(&from, s->base.from);
}

/* The lowest free descriptor is given out first: it tells what is left. */
static bool is_scarce(const struct stream_uv *s)
{
    struct rlimit limit;
    uv_os_fd_t fd;
    int next;

    if (uv_fileno(&s->uv.handle, &fd) < 0 ||
        getrlimit(RLIMIT_NOFILE, &limit) < 0) {
        return false;
    }
    next = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    if (next >= 0) {
        (void)close(next);
    }
    return next < 0 || (rlim_t)next + RESERVE_FDS > limit.rlim_cur;
}

static int begin(struct stream_uv *s)
{
    set_options(s);
    s->ready = true;
    return uv_read_start(&s->uv.stream, on_alloc, on_read);
}

/* ---- writing ------------------------------------------------------------- */

static ssize_t uv_try(struct stream *base, const struct iovec *parts, int n)
{
    struct stream_uv *s = of(base);
    int rc;

    if (s->spoils) {
        return 0; /* uv_queue() takes it all */
    }
    rc = uv_try_write(&s->uv.stream, (const uv_buf_t *)parts, (unsigned)n);
    if (rc == UV_EAGAIN) {
        return 0;
    }
    if (rc < 0) {
        end_by(s, rc);
        return EDGE_ECLOSED;
    }
    return rc;
}

static void on_written(uv_write_t *req, int status)
{
    struct write *write = container_of(req, struct write, req);
    struct stream_uv *s = of_handle(req->handle);

    write->done(write->arg);
    mem_free(write->copy);
    mem_free(write);
    if (status < 0 && status != UV_ECANCELED) {
        end_by(s, status);
    }
}

static void uv_spoil(struct stream *base)
{
    of(base)->spoils = true;
}

/* All bytes in one piece, with one bit that is wrong; the others are not ours
 * to change. */
static int copy_spoiled(struct stream_uv *s, const struct iovec *parts, int n,
                        struct write *write, struct iovec *whole)
{
    struct io *io =
        &container_of(s->uv.handle.loop, struct io_uv, loop)->hub.io;
    size_t size = 0;
    uint64_t bit;

    for (int i = 0; i < n; i++) {
        size += parts[i].iov_len;
    }
    write->copy = mem_array(uint8_t, size);
    if (write->copy == NULL) {
        return EDGE_ENOMEM;
    }
    size = 0;
    for (int i = 0; i < n; i++) {
        memcpy(write->copy + size, parts[i].iov_base, parts[i].iov_len);
        size += parts[i].iov_len;
    }
    bit = io_random(io) % (size * 8);
    write->copy[bit / 8] ^= (uint8_t)(1u << bit % 8);
    *whole = (struct iovec){write->copy, size};
    s->spoils = false;
    return 0;
}

static int uv_queue(struct stream *base, const struct iovec *parts, int n,
                    stream_done done, void *arg)
{
    struct write *write = mem_new(struct write);
    struct iovec whole;
    int rc = 0;

    if (write == NULL) {
        return EDGE_ENOMEM;
    }
    if (of(base)->spoils) {
        rc = copy_spoiled(of(base), parts, n, write, &whole);
        parts = &whole;
        n = 1;
    }
    if (rc < 0) {
        mem_free(write);
        return rc;
    }
    write->done = done;
    write->arg = arg;
    rc = uv_write(&write->req, &of(base)->uv.stream, (const uv_buf_t *)parts,
                  (unsigned)n, on_written);
    if (rc < 0) {
        mem_free(write->copy);
        mem_free(write);
        return code_of(rc);
    }
    return 0;
}

static size_t uv_pending(const struct stream *base)
{
    const struct stream_uv *s = (const struct stream_uv *)(const void *)base;

    return uv_stream_get_write_queue_size(&s->uv.stream);
}

static void on_shutdown(uv_shutdown_t *req, int status)
{
    (void)req; /* a failure also ends the reading side, which tells */
    (void)status;
}

static int uv_finish(struct stream *base)
{
    struct stream_uv *s = of(base);
    int rc = uv_shutdown(&s->shutdown, &s->uv.stream, on_shutdown);

    return rc < 0 ? code_of(rc) : 0;
}

static void on_close(uv_handle_t *handle)
{
    struct stream_uv *s = of_handle((uv_stream_t *)handle);

    s->base.events->on_closed(&s->base);
    mem_free(s);
}

static void uv_end(struct stream *base)
{
    struct stream_uv *s = of(base);

    if (!uv_is_closing(&s->uv.handle)) {
        address_cancel(s->query);
        s->query = NULL;
        uv_close(&s->uv.handle, on_close);
    }
}

static const struct stream_ops ops = {
    .try_write = uv_try,
    .write = uv_queue,
    .pending = uv_pending,
    .finish = uv_finish,
    .close = uv_end,
    .spoil = uv_spoil,
};

/* ---- making one ---------------------------------------------------------- */

static int stream_uv_new(struct hub *hub, bool local, struct stream_uv **out)
{
    uv_loop_t *loop = &io_uv_of(&hub->io)->loop;
    struct stream_uv *s = mem_new(struct stream_uv);
    int rc;

    if (s == NULL) {
        return EDGE_ENOMEM;
    }
    rc = local ? uv_pipe_init(loop, &s->uv.pipe, 0)
               : uv_tcp_init(loop, &s->uv.tcp);
    if (rc < 0) {
        mem_free(s);
        return err_from_errno(-rc);
    }
    s->base.ops = &ops;
    s->base.local = local;
    s->io = io_uv_of(&hub->io);
    *out = s;
    return 0;
}

static void on_drop(uv_handle_t *handle)
{
    mem_free(of_handle((uv_stream_t *)handle));
}

/* Before anybody knows of it. */
static int drop(struct stream_uv *s, int rc)
{
    uv_close(&s->uv.handle, on_drop);
    return rc;
}

int stream_uv_accept(struct hub *hub, uv_stream_t *listener, bool local,
                     struct stream **out, bool *scarce)
{
    struct stream_uv *s;
    int rc = stream_uv_new(hub, local, &s);

    if (rc < 0) {
        return rc;
    }
    rc = uv_accept(listener, &s->uv.stream);
    if (rc == 0) {
        rc = begin(s);
    }
    if (rc < 0) {
        return drop(s, code_of(rc));
    }
    note_origin(s);
    *scarce = is_scarce(s);
    *out = &s->base;
    return 0;
}

static void on_connect(uv_connect_t *req, int status)
{
    struct stream_uv *s = container_of(req, struct stream_uv, connect);

    if (uv_is_closing(&s->uv.handle)) {
        return;
    }
    if (status == 0) {
        status = begin(s);
    }
    if (status < 0) {
        end_by(s, status);
        return;
    }
    s->base.events->on_connected(&s->base);
}

static int connect_to(struct stream_uv *s, const struct addresses *addresses)
{
    unsigned i = s->attempt % (unsigned)addresses->n;

    return uv_tcp_connect(&s->connect, &s->uv.tcp,
                          (const struct sockaddr *)&addresses->at[i],
                          on_connect);
}

static void on_resolved(void *arg, int rc, const char *why,
                        const struct addresses *addresses)
{
    struct stream_uv *s = arg;
    struct err err;

    s->query = NULL;
    if (rc == 0) {
        rc = io_uv_check(s->io, addresses, &err);
        why = err.text;
    }
    if (rc < 0) {
        end(s, rc, why);
        return;
    }
    rc = connect_to(s, addresses);
    if (rc < 0) {
        end_by(s, rc);
    }
}

/* A name is resolved every time, for it may have moved. */
static int start_tcp(struct stream_uv *s, uv_loop_t *loop, const char *host,
                     int port)
{
    struct addresses addresses = {.n = 1};
    int rc;

    if (!address_parse(host, port, &addresses.at[0])) {
        return address_resolve(loop, host, port, on_resolved, s, &s->query);
    }
    rc = connect_to(s, &addresses);
    return rc < 0 ? code_of(rc) : 0;
}

static int uv_open(struct hub *hub, const char *host, int port,
                   unsigned attempt, const struct stream_events *events,
                   void *owner, struct stream **out)
{
    struct stream_uv *s;
    int rc = stream_uv_new(hub, host[0] == '/', &s);

    if (rc < 0) {
        return rc;
    }
    s->base.events = events;
    s->base.owner = owner;
    s->attempt = attempt;
    if (s->base.local) {
        uv_pipe_connect(&s->connect, &s->uv.pipe, host, on_connect);
    } else {
        rc = start_tcp(s, &s->io->loop, host, port);
        if (rc < 0) {
            return drop(s, rc);
        }
        io_uv_note_plain(s->io);
    }
    *out = &s->base;
    return 0;
}

static int uv_check(struct hub *hub, const char *host, int port,
                    struct err *err)
{
    struct addresses addresses = {.n = 1};

    if (host[0] == '/') {
        return strlen(host) < sizeof(((struct sockaddr_un *)0)->sun_path)
                   ? 0
                   : err_set(err, EDGE_EINVAL,
                             "the socket's path %s is too long", host);
    }
    if (port < 1 || port > 65535) {
        return err_set(err, EDGE_EINVAL, "port %d is not within 1 .. 65535",
                       port);
    }
    return address_parse(host, port, &addresses.at[0])
               ? io_uv_check(io_uv_of(&hub->io), &addresses, err)
               : 0;
}

const struct transport stream_uv_transport = {
    .check = uv_check,
    .open = uv_open,
};
