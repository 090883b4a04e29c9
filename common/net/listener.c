#include "net/listener.h"

#include "base/mem.h"
#include "net/address.h"
#include "net/peer.h"
#include "net/stream_uv.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define BACKLOG 511
#define PAUSE_MIN_MS 10 /* without descriptors */
#define PAUSE_MAX_MS 1000

struct listener {
    union {
        uv_handle_t handle;
        uv_stream_t stream;
        uv_tcp_t tcp;
        uv_pipe_t pipe;
    } uv;
    struct io_uv *io;
    struct list link;      /* in io->listeners */
    struct io_timer pause; /* runs while nothing is accepted */
    uint64_t pause_ms;
    bool pending; /* one came meanwhile; uv brings no other until then */
    bool local;
};

/* ---- accepting ----------------------------------------------------------- */

static void rest(struct listener *listener)
{
    struct io *io = &listener->io->hub.io;

    listener->pause_ms *= 2;
    if (listener->pause_ms < PAUSE_MIN_MS) {
        listener->pause_ms = PAUSE_MIN_MS;
    } else if (listener->pause_ms > PAUSE_MAX_MS) {
        listener->pause_ms = PAUSE_MAX_MS;
    }
    log_event(io->log, LOG_WARN, "net.descriptors",
              "pause_ms=%llu why=\"almost no descriptor is left: more of them "
              "(LimitNOFILE=) would let more peers in\"",
              (unsigned long long)listener->pause_ms);
    io_timer_start(io, &listener->pause, listener->pause_ms);
}

/* The last descriptors are for files: a newcomer gets the place of a stranger
 * or, if there is none, has to come again, and the others wait a while. */
static void accept_one(struct listener *listener)
{
    struct io_uv *uv = listener->io;
    struct stream *stream;
    bool scarce;
    int rc = stream_uv_accept(&uv->hub, &listener->uv.stream, listener->local,
                              &stream, &scarce);

    if (rc < 0) {
        log_event(uv->hub.io.log, LOG_WARN, "net.accept_failed", "why=\"%s\"",
                  err_text(rc));
    } else if (scarce && !peer_make_room(&uv->hub)) {
        conn_close_orphan(&uv->hub, stream);
        rest(listener);
    } else {
        listener->pause_ms = 0;
        peer_accept(&uv->hub, stream);
    }
}

static void on_rested(struct io_timer *timer)
{
    struct listener *listener = container_of(timer, struct listener, pause);

    if (listener->pending) {
        listener->pending = false;
        accept_one(listener);
    }
}

/* uv itself keeps a spare descriptor and turns connections away when there is
 * no other left (EMFILE), so that the loop does not spin on them. */
static void on_connection(uv_stream_t *server, int status)
{
    struct listener *listener =
        container_of(server, struct listener, uv.stream);
    struct io_uv *uv = listener->io;

    if (status < 0 || uv->hub.muted) {
        log_event(uv->hub.io.log, LOG_WARN, "net.accept_failed", "why=\"%s\"",
                  status < 0 ? uv_strerror(status) : "stopping");
        return;
    }
    if (!list_is_empty(&listener->pause.link)) {
        listener->pending = true;
        return;
    }
    accept_one(listener);
}

/* ---- opening and closing ------------------------------------------------- */

static void on_closed(uv_handle_t *handle)
{
    mem_free(container_of(handle, struct listener, uv.handle));
}

static void close_one(struct listener *listener)
{
    list_unlink(&listener->link);
    io_timer_stop(&listener->io->hub.io, &listener->pause);
    uv_close(&listener->uv.handle, on_closed);
}

static int listener_new(struct io_uv *uv, bool local, struct listener **out)
{
    struct listener *listener = mem_new(struct listener);
    int rc;

    if (listener == NULL) {
        return UV_ENOMEM;
    }
    listener->io = uv;
    io_timer_init(&listener->pause, on_rested);
    listener->local = local;
    rc = local ? uv_pipe_init(&uv->loop, &listener->uv.pipe, 0)
               : uv_tcp_init(&uv->loop, &listener->uv.tcp);
    if (rc < 0) {
        mem_free(listener);
        return rc;
    }
    list_init(&listener->link);
    list_push(&uv->listeners, &listener->link);
    *out = listener;
    return 0;
}

static int start_tcp(struct listener *listener,
                     const struct sockaddr_storage *address,
                     struct sockaddr_storage *bound)
{
    int size = sizeof(*bound);
    int rc =
        uv_tcp_bind(&listener->uv.tcp, (const struct sockaddr *)address, 0);

    if (rc == 0) {
        rc = uv_listen(&listener->uv.stream, BACKLOG, on_connection);
    }
    if (rc == 0) {
        memset(bound, 0, sizeof(*bound));
        rc = uv_tcp_getsockname(&listener->uv.tcp, (struct sockaddr *)bound,
                                &size);
    }
    return rc;
}

static int port_of(const struct sockaddr_storage *address)
{
    return ntohs(address->ss_family == AF_INET6
                     ? ((const struct sockaddr_in6 *)address)->sin6_port
                     : ((const struct sockaddr_in *)address)->sin_port);
}

int listener_check(struct io_uv *uv, const char *host, struct err *err)
{
    struct addresses addresses;
    int rc = address_resolve_now(&uv->loop, host, 0, &addresses, err);

    if (rc == 0) {
        rc = io_uv_check(uv, &addresses, err);
    }
    return rc < 0 ? err_wrap(err, rc, "listen on %s", host) : 0;
}

int listener_tcp(struct io_uv *uv, const char *host, int port, int *bound,
                 struct err *err)
{
    struct listener *listener = NULL;
    struct sockaddr_storage name;
    struct addresses addresses;
    char text[ADDRESS_TEXT];
    int rc;

    if (port < 0 || port > 65535) {
        return err_set(err, EDGE_EINVAL, "port %d is not within 0 .. 65535",
                       port);
    }
    rc = address_resolve_now(&uv->loop, host, port, &addresses, err);
    if (rc == 0) {
        rc = io_uv_check(uv, &addresses, err);
    }
    if (rc < 0) {
        return err_wrap(err, rc, "listen on %s", host);
    }
    rc = listener_new(uv, false, &listener);
    if (rc == 0) {
        rc = start_tcp(listener, &addresses.at[0], &name);
    }
    if (rc < 0) {
        if (listener != NULL) {
            close_one(listener);
        }
        return err_set(err, err_from_errno(-rc), "listen on %s: %s",
                       address_text(&addresses.at[0], text), uv_strerror(rc));
    }
    if (bound != NULL) {
        *bound = port_of(&name);
    }
    log_event(uv->hub.io.log, LOG_INFO, "net.listen", "address=%s tls=%d",
              address_text(&name, text), uv->hub.tls != NULL);
    io_uv_note_plain(uv);
    return 0;
}

/* A socket's file outlives a process that was killed. It may go if nobody
 * answers there; what is not a socket is not ours. */
static int remove_stale(const char *path, struct err *err)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct stat st;
    int rc;
    int fd;

    if (lstat(path, &st) < 0) {
        return 0;
    }
    if (!S_ISSOCK(st.st_mode)) {
        return err_set(err, EDGE_EEXIST, "%s is there and is not a socket",
                       path);
    }
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        return err_set(err, EDGE_EIO, "socket: %s", strerror(errno));
    }
    (void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
    rc = connect(fd, (const struct sockaddr *)&address, sizeof(address));
    (void)close(fd);
    if (rc == 0 || errno != ECONNREFUSED) {
        return err_set(err, EDGE_EEXIST,
                       "another process already listens on %s", path);
    }
    (void)unlink(path);
    return 0;
}

static int start_path(struct listener *listener, const char *path)
{
    mode_t before = umask(0177); /* the file is never open to others */
    int rc = uv_pipe_bind(&listener->uv.pipe, path);

    (void)umask(before);
    return rc < 0 ? rc
                  : uv_listen(&listener->uv.stream, BACKLOG, on_connection);
}

int listener_path(struct io_uv *uv, const char *path, struct err *err)
{
    struct listener *listener = NULL;
    int rc;

    if (strlen(path) >= sizeof(((struct sockaddr_un *)0)->sun_path)) {
        return err_set(err, EDGE_EINVAL,
                       "the socket's path %s is too long: at most %zu bytes",
                       path, sizeof(((struct sockaddr_un *)0)->sun_path) - 1);
    }
    rc = remove_stale(path, err);
    if (rc < 0) {
        return err_wrap(err, rc, "listen on %s", path);
    }
    rc = listener_new(uv, true, &listener);
    if (rc == 0) {
        rc = start_path(listener, path);
    }
    if (rc < 0) {
        if (listener != NULL) {
            close_one(listener);
        }
        return err_set(err, err_from_errno(-rc), "listen on %s: %s", path,
                       uv_strerror(rc));
    }
    log_event(uv->hub.io.log, LOG_INFO, "net.listen", "path=%s", path);
    return 0;
}

void listener_close_all(struct io_uv *uv)
{
    list_each(&uv->listeners, it, after)
    {
        close_one(list_entry(it, struct listener, link));
    }
}
